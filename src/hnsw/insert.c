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

#include "utils/memutils.h"

#include "hnsw/hnsw.h"

/* Times the limit that the chain may grow to before inserts wait for merges under way */
#define WAIT_TIMES 4

/*
 * The index, opened once a statement: what a statement's IndexInfo keeps.  Its
 * metapage may be out of date, which hnsw_append() allows for.
 */
static HnswIndex *
open_cached(Relation relation, IndexInfo *index_info)
{
	HnswIndex *index = (HnswIndex *) index_info->ii_AmCache;

	if (index == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(index_info->ii_Context);

		index = palloc0(sizeof(HnswIndex));
		hnsw_open(index, relation);
		MemoryContextSwitchTo(old);
		index_info->ii_AmCache = index;
	}
	index->relation = relation;
	index->pending_pages = 0;
	return index;
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

/* aminsert: adds one row to the index, unless its value is null. */
bool
hnsw_insert(Relation relation, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
			IndexUniqueCheck check_unique, INSERT_UNCHANGED_PARAM IndexInfo *index_info)
{
	HnswIndex *index;
	void *encoded;

	if (isnull[0])
		return false;
	index = open_cached(relation, index_info);
	encoded = index_space_encode(&index->space, values[0]);
	hnsw_append(index, encoded, tid);
	pfree(encoded);
	hnsw_merge_if_long(index);
	return false;
}
