/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  INSERT into an hnsw index.
 *
 * The row goes to the pending chain; whoever makes that longer than
 * hnsw.pending_list_limit merges it.  README, "Insert".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hnsw/hnsw.h"

/* Times the limit that the chain may grow to before inserts wait for merges under way */
#define WAIT_TIMES 4

typedef struct HnswInserter
{
	Inserter base;
	HnswIndex index; /* its metapage may be out of date, which hnsw_append() allows for */
} HnswInserter;

/* InsertMethod.open */
static IndexSpace *
open_graph(Inserter *base)
{
	HnswIndex *index = &((HnswInserter *) base)->index;

	hnsw_open(index, base->relation);
	return &index->space;
}

/*
 * Merges the pending chain if it has grown too long.  If others are at it
 * already, the insert goes on; when what they leave is several times too long,
 * it waits for one of them first.
 */
void
hnsw_merge_if_long(HnswIndex *index)
{
	if (hnsw_pending_list_limit > 0 && !hnsw_pending_is_long(index, 1))
		return;
	if (!hnsw_merge_pending(index, false) && hnsw_pending_is_long(index, WAIT_TIMES))
		hnsw_await_merge(index);
}

/* InsertMethod.insert */
static void
append_row(Inserter *base, const void *encoded, ItemPointer tid)
{
	HnswIndex *index = &((HnswInserter *) base)->index;

	index->pending_pages = 0;
	hnsw_append(index, encoded, tid);
	hnsw_merge_if_long(index);
}

const InsertMethod hnsw_insert_method = {
	.state_size = sizeof(HnswInserter),
	.open = open_graph,
	.insert = append_row,
};
