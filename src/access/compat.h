/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between the server versions this extension compiles
 *	  against (13 to 18), in one place.
 *
 * Each section gives older servers the newest server's name for a thing, so
 * that the code reads as if written for the newest one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_COMPAT_H
#define ANN_COMPAT_H

#include "postgres.h"

#include "commands/vacuum.h"
#include "fmgr.h"
#include "nodes/pathnodes.h"
#include "storage/bufmgr.h"
#include "utils/guc.h"
#include "utils/rel.h"

/* Variable-length values moved to their own header in 16 */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Soft input errors (16): an input function called with an error context
 * reports there and returns; older servers always raise the error.
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define INPUT_ERROR_CONTEXT(fcinfo) ((fcinfo)->context)
#else
#define INPUT_ERROR_CONTEXT(fcinfo) NULL
#define ereturn(context, result, ...) \
	do                                \
	{                                 \
		(void) (context);             \
		ereport(ERROR, __VA_ARGS__);  \
		return result;                \
	} while (0)
#endif

/* Reserving a prefix of setting names got its own function in 15 */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* What a check hook passes on is memory of the setting machinery's own since 16 */
#if PG_VERSION_NUM < 160000
#define guc_malloc(elevel, size) malloc(size)
#endif

/* Reading a block whose buffer is remembered came in 14 */
#if PG_VERSION_NUM >= 160000
#define read_recent_buffer(index, blkno, buffer) \
	ReadRecentBuffer((index)->rd_locator, MAIN_FORKNUM, (blkno), (buffer))
#elif PG_VERSION_NUM >= 140000
#define read_recent_buffer(index, blkno, buffer) \
	ReadRecentBuffer((index)->rd_node, MAIN_FORKNUM, (blkno), (buffer))
#else
#define read_recent_buffer(index, blkno, buffer) false
#endif

/* aminsert learnt in 14 whether an UPDATE left the indexed columns alone */
#if PG_VERSION_NUM >= 140000
#define INSERT_UNCHANGED_PARAM bool index_unchanged,
#else
#define INSERT_UNCHANGED_PARAM
#endif

/* EXPLAIN ANALYZE shows the number of searches since 18; the scan counts them */
#if PG_VERSION_NUM >= 180000
#define count_index_search(scan_)                \
	do                                           \
	{                                            \
		if ((scan_)->instrument != NULL)         \
			(scan_)->instrument->nsearches += 1; \
	} while (0)
#else
#define count_index_search(scan_) ((void) 0)
#endif

/* The vacuum delay point tells ANALYZE from VACUUM since 18 */
#if PG_VERSION_NUM >= 180000
#define vacuum_delay_point_compat() vacuum_delay_point(false)
#else
#define vacuum_delay_point_compat() vacuum_delay_point()
#endif

/* Disabled paths are counted, not priced, since 18 */
#if PG_VERSION_NUM >= 180000
#define disable_path_compat(path_) ((path_)->path.disabled_nodes = 2)
#else
#define disable_path_compat(path_) ((void) (path_))
#endif

/* The position of replay got a header of its own in 15 */
#if PG_VERSION_NUM >= 150000
#include "access/xlogrecovery.h"
#else
#include "access/xlog.h"
#endif

/* The owner of any object is asked for in one way since 16 */
#if PG_VERSION_NUM >= 160000
#define owns_relation(relation_, role_) object_ownercheck(RelationRelationId, (relation_), (role_))
#else
#define owns_relation(relation_, role_) pg_class_ownercheck((relation_), (role_))
#endif

/* A name since 14 */
#if PG_VERSION_NUM < 140000
#define RelationIsPermanent(relation_) \
	((relation_)->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT)
#endif

/* What is written to a temporary file is const since 16 */
#if PG_VERSION_NUM >= 160000
#define buffile_write_compat(file_, data_, size_) BufFileWrite((file_), (data_), (size_))
#else
#define buffile_write_compat(file_, data_, size_) BufFileWrite((file_), (void *) (data_), (size_))
#endif

/* The server's own attribute names a dialect that clang does not know, if gcc configured it */
#define PRINTF_LIKE(format_, first_) __attribute__((format(__printf__, format_, first_)))

/* The server's own attribute goes before a declaration since 18, behind it before that */
#define NO_RETURN __attribute__((noreturn))

/* Maintenance sets a safe search path since 17 */
#if PG_VERSION_NUM < 170000
#define RestrictSearchPath() ((void) 0)
#endif

/* Whether a lock is held can also mean a stronger one since 17 */
#if PG_VERSION_NUM >= 170000
#define lock_held_compat(tag_, mode_) LockHeldByMe((tag_), (mode_), false)
#else
#define lock_held_compat(tag_, mode_) LockHeldByMe((tag_), (mode_))
#endif

#endif /* ANN_COMPAT_H */
