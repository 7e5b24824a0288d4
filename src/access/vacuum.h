/*-------------------------------------------------------------------------
 *
 * vacuum.h
 *	  What the vacuums of all access methods have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VACUUM_H
#define ANN_VACUUM_H

#include "postgres.h"

#include "access/genam.h"

/*
 * The figures at the start of a pass that removes dead rows: those of the passes
 * before it in this vacuum (NULL: there was none), with the rows to be counted again.
 */
extern IndexBulkDeleteResult *vacuum_begin_pass(IndexBulkDeleteResult *stats);

/*
 * Does something to each page but the metapage, in the order of their blocks, until
 * that returns false; pages that are added meanwhile are left out.  Between two pages
 * vacuum may rest or be cancelled.
 */
extern void vacuum_each_page(Relation index, bool (*page)(void *arg, BlockNumber block), void *arg);

/* The figures at the end of a vacuum; stats is NULL if no pass was needed. */
extern IndexBulkDeleteResult *vacuum_finish(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);

#endif /* ANN_VACUUM_H */
