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

/* A vacuum of an index; what a method knows of it comes behind */
typedef struct Vacuum
{
	IndexVacuumInfo *info;
	IndexBulkDeleteResult *stats; /* so far; NULL: no row was dead */
	IndexBulkDeleteCallback callback;
	void *callback_state;
} Vacuum;

typedef struct VacuumMethod
{
	Size state_size; /* of its state, which begins with a Vacuum; zero but for that at first */

	/* Removes the TIDs that the callback says are dead, and counts them and the others in stats. */
	void (*remove_dead)(Vacuum *vacuum);

	/* What comes once, at the end of a vacuum, whether there were dead rows or not */
	void (*clean_up)(Vacuum *vacuum);
} VacuumMethod;

/* ambulkdelete and amvacuumcleanup, by the two functions of the index's method */
extern IndexBulkDeleteResult *vacuum_bulk_delete(IndexVacuumInfo *info,
												 IndexBulkDeleteResult *stats,
												 IndexBulkDeleteCallback callback, void *state);
extern IndexBulkDeleteResult *vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);

/*
 * Does something to each page but the metapage, in the order of their blocks, until
 * that returns false; pages that are added meanwhile are left out.  Between two pages
 * vacuum may rest or be cancelled.
 */
extern void vacuum_each_page(Relation index, bool (*page)(void *arg, BlockNumber block), void *arg);

#endif /* ANN_VACUUM_H */
