/*-------------------------------------------------------------------------
 *
 * build_rows.h
 *	  The rows of a table in memory, for an index build.
 *
 * The table scan hands over one row at a time; its value is encoded into
 * memory that threads may read (chunks of equal size, every value aligned to
 * a cache line).  Values of different sizes lie one behind the other, and the
 * chunks have their addresses.  Equal values are kept once, with the TIDs of all their
 * rows.  Everything is counted against maintenance_work_mem, together with
 * what the access method says it needs per value; build_rows_add() refuses
 * the row that would pass the limit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_BUILD_ROWS_H
#define ANN_BUILD_ROWS_H

#include "postgres.h"

#include "access/index_space.h"
#include "core/graph.h"
#include "storage/itemptr.h"

/* One row: its TID and the number of its value */
typedef struct BuildTid
{
	ItemPointerData tid;
	uint32 value;
} BuildTid;

typedef struct BuildRows
{
	MemoryContext context;
	IndexSpace *space;
	Size memory_limit;	   /* bytes */
	Size memory_per_value; /* what the access method adds, bytes */

	char **chunks; /* of 2^chunk_shift values, `stride` bytes each */
	int chunk_shift;
	Size chunk_size; /* bytes allocated for each */
	Size stride;
	int nchunks;
	int chunks_capacity;
	uint32 nvalues;	 /* distinct values */
	char *bytes;	 /* where the next value of varying size goes, */
	Size bytes_left; /* so many are left there, */
	Size bytes_used; /* and all such values take these */

	BuildTid *tids; /* in order of arrival until build_rows_finish() sorts them by value */
	uint64 ntids;
	uint64 tids_capacity;
	uint64 *tids_start; /* tids[tids_start[v] .. tids_start[v + 1] - 1] belong to value v */

	uint64 *table; /* finds equal values: hash << 32 | (value number + 1) */
	uint32 table_size;
} BuildRows;

/* Bytes that a build may use at a time: maintenance_work_mem */
extern Size build_memory(void);

extern BuildRows *build_rows_create(IndexSpace *space, Size memory_per_value);

/* Takes in one row.  False: there is no room for it. */
extern bool build_rows_add(BuildRows *rows, const void *value, ItemPointer tid);
extern bool build_rows_add_encoded(BuildRows *rows, const void *encoded, ItemPointer tid);

/*
 * Takes in an encoded value alone, whatever the limit.  Returns its number, which
 * is nvalues as it was before if the value is new.
 */
extern uint32 build_rows_enter(BuildRows *rows, const void *encoded);

/* Bytes that nvalues values (and rows) take, the access method's part included */
extern Size build_rows_memory(const BuildRows *rows, double nvalues);

/* Asks for huge pages for memory that is going to be read here and there. */
extern void build_advise_huge_pages(char *memory, Size size);

/* Bytes that are left of maintenance_work_mem */
extern Size build_rows_spare(const BuildRows *rows);

/*
 * Bytes that so many different values would take, with what the method adds to each
 * (build_rows_create()).  Do they fit maintenance_work_mem?
 */
extern bool build_rows_fit(IndexSpace *space, Size memory_per_value, double nvalues,
						   double *memory);

/* No more rows will come: groups the TIDs by value. */
extern void build_rows_finish(BuildRows *rows);

/*
 * Brings the finished rows into the form in which they are stored with this
 * element.  False, with nothing changed, if that is not narrower or some value
 * would lose by it.
 */
extern bool build_rows_narrow(BuildRows *rows, SpaceElement element);

extern void build_rows_free(BuildRows *rows);

/* The values as the structures in src/core take them */
static inline GraphValues
build_rows_values(const BuildRows *rows)
{
	return (GraphValues){.chunks = rows->chunks,
						 .chunk_shift = rows->chunk_shift,
						 .addresses = index_space_varies(rows->space),
						 .stride = rows->stride,
						 .value_size = index_space_varies(rows->space) ? rows->space->usual_size
																	   : rows->space->stored_size};
}

static inline const void *
build_rows_value(const BuildRows *rows, uint32 value)
{
	GraphValues values = build_rows_values(rows);

	return graph_value(&values, value);
}

/*
 * Threads a build may use: max_parallel_maintenance_workers + 1, at most the cores; one
 * where distances call back
 */
extern int build_threads(const IndexSpace *space);

#endif /* ANN_BUILD_ROWS_H */
