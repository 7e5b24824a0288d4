/*-------------------------------------------------------------------------
 *
 * meta.h
 *	  The metapage: block 0 of every index.
 *
 * It starts with a MetaHeader; what follows belongs to the access method.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_META_H
#define ANN_META_H

#include "postgres.h"

#include "access/compat.h"
#include "space/space.h"
#include "storage/page.h"
#include "storage/page_change.h"

#define META_MAGIC 0x414E4E31 /* "ANN1" */

/*
 * Of the pages of all methods together; a change means REINDEX.  2: vptree's metapage has what its
 * searches look at, and the most buckets that there have been.
 */
#define META_FORMAT_VERSION 2

#define META_SPACE_NAME_SIZE 32

/* Stored in the metapage: never renumber */
typedef enum MethodId
{
	METHOD_HNSW = 1,
	METHOD_VPTREE = 2
} MethodId;

typedef struct MetaHeader
{
	uint32 magic;
	uint16 version; /* META_FORMAT_VERSION */
	uint16 method;	/* MethodId */
	uint32 dim;		/* dimensions of all values; 0 while unknown */
	uint32 reserved;
	char space[META_SPACE_NAME_SIZE]; /* Space.name */
	double params[SPACE_MAX_PARAMS];  /* of a parametrised space */
} MetaHeader;

extern void meta_header_init(MetaHeader *header, MethodId method, const SpaceContext *space);

/* Raises the error that the metapage is none, or contradicts itself. */
extern void meta_report_invalid(Relation index) NO_RETURN;

/* The metapage's contents; raises an error unless it is one of this method. */
extern MetaHeader *meta_page_header(Relation index, Page page, MethodId method);

/* Copies `size` bytes of the metapage's contents under a share lock. */
extern void meta_read(Relation index, MethodId method, void *meta, Size size);

/* Pins the metapage and locks it exclusively. */
extern Buffer meta_lock(Relation index);

/*
 * Locks the metapage to change it: what is returned, its contents, is the change's, which
 * page_change_finish() makes durable.
 */
extern void *meta_begin_change(Relation index, bool building, PageChange *change);

/* Writes contents onto an empty page and makes it a metapage. */
extern void meta_page_init(Page page, const void *meta, Size size);

#endif /* ANN_META_H */
