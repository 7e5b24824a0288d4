/*-------------------------------------------------------------------------
 *
 * inspect.h
 *	  What an access method does for those who look inside its indexes.
 *
 * ann_index_info(), ann_check() and ann_estimate() (src/eval) know no access
 * method: they call what is here of the index's (method.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_INSPECT_H
#define ANN_INSPECT_H

#include "postgres.h"

#include "access/amapi.h"
#include "access/check.h"
#include "access/compat.h"
#include "access/estimate.h"
#include "storage/meta.h"
#include "utils/tuplestore.h"

/* Rows of ann_index_info() as they are written */
typedef struct InfoReport
{
	Tuplestorestate *store;
	TupleDesc desc;
} InfoReport;

/* Bytes and pages of an index by kind of page; 0: pages never written */
typedef struct InfoPages
{
	BlockNumber pages[PAGE_KINDS];
} InfoPages;

typedef struct InspectMethod
{
	/* Adds the properties of an index: what stands in its metapage, counts. */
	void (*info)(Relation index, InfoReport *report);

	Size check_size;   /* of the method's state of a check (check.h), zero when a pass begins */
	bool repeats_rows; /* a row may stand in several places of an index */

	/*
	 * Begins a check: check->meta is of this method, with a sound header.  Checks what stands behind
	 * that.  False, reported: the rest of the index cannot be read by it, rows included.
	 */
	bool (*check_meta)(CheckState *check);

	/*
	 * Checks everything else that belongs to the method, in an index that knows its dimensions;
	 * adds each heap TID found to check->rows.  Pages themselves have been checked (check.h).
	 */
	void (*check)(CheckState *check);

	/* Names an owner (check.h) in CHECK_NAME_SIZE bytes; returns its block. */
	BlockNumber (*name_owner)(CheckState *check, uint32 owner, char *name);

	/*
	 * The encoded value of the place `owner`, one that was added to check->rows with a TID, and,
	 * where values vary in size, its bytes.  Called after check() only; it stays valid until the
	 * next call.  NULL if it cannot be told because of damage reported already.
	 */
	const char *(*stored_value)(CheckState *check, uint32 owner, Size *size);

	/* Says what an index would take to build; result is zeroed. */
	void (*estimate)(const EstimateInput *input, EstimateResult *result);
} InspectMethod;

/* An error if the index is a partitioned one, which has no pages of its own. */
extern void inspect_require_whole(Relation index);

/* An error if what is on the pages of an index cannot be relied upon, or not be seen from here. */
extern void inspect_require_usable(Relation index);

/* Adds one property to the report. */
extern void info_add(InfoReport *report, const char *property, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* The name of an element */
extern const char *info_element(SpaceElement element);

/* The properties that the metapages of all methods have in common */
extern void info_add_header(InfoReport *report, const MetaHeader *header, const Space *space);

/*
 * Counts all pages by their kind, and hands each, locked in share mode, to a function that
 * releases it.  Counts of an index in use are of slightly different moments.
 */
extern void info_each_page(Relation index, InfoPages *pages, void (*page)(void *arg, Buffer buffer),
						   void *arg);

/*
 * Adds the counts of pages and their bytes: of the n kinds that indexes of the method
 * have, of pages never written, and of any others there are.
 */
extern void info_add_pages(InfoReport *report, const InfoPages *pages, const PageKind *kinds,
						   int n);

#endif /* ANN_INSPECT_H */
