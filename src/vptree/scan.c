/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Scans of a vptree index: rows by their distance, one after the other.
 *
 * With the triangle inequality as pruner the search hands rows out in their
 * order.  With bounds that are no such, or where rows are returned after
 * max_leaves_to_visit buckets, some come late (access/scan_loop.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relscan.h"

#include "access/scan_loop.h"
#include "vptree/search.h"

typedef struct VptreeScanData
{
	ScanLoop loop;
	VptreeIndex index;
	VptreeSearch search;
	uint32 row;	 /* place of the present row in search.rows */
	uint32 more; /* rows of the same entry behind it */
	float key;	 /* of both */
} VptreeScanData;

typedef VptreeScanData *VptreeScan;

static void
count_tree_search(const ScanLoop *loop)
{
	const VptreeSearch *search = &((const VptreeScanData *) loop)->search;

	last_scan_stats.distances = search->distances;
	last_scan_stats.expanded = search->nodes + search->buckets;
}

/* False: the index is empty, or no row qualifies. */
static bool
start_tree_search(ScanLoop *loop)
{
	VptreeScan state = (VptreeScan) loop;
	Relation relation = loop->scan->indexRelation;
	TreePruner pruner;

	vptree_open(&state->index, relation);
	if (state->index.meta.root.block == InvalidBlockNumber ||
		!scan_loop_read_target(loop, &state->index.space))
		return false;
	pruner = vptree_pruner(relation, &state->index.meta);
	vptree_search_init(&state->search, &state->index, &loop->target, loop->query, &pruner,
					   vptree_max_leaves(relation), loop->context);
	return true;
}

/* The next of the entries found that is in order, then of those that came late */
static bool
next_entry(VptreeScan state, PoolEntry *entry)
{
	ScanLoop *loop = &state->loop;
	VptreeSearch *search = &state->search;

	for (;;)
	{
		if (vptree_search_next(search, entry))
		{
			if (scan_loop_in_order(loop, *entry))
				return true;
		}
		else if (!vptree_search_is_done(search) && scan_loop_is_iterative(loop))
		{
			vptree_search_resume(search);
			last_scan_stats.resumed++;
		}
		else
			return scan_loop_next_late(loop, entry);
	}
}

static bool
next_row_of_entry(ScanLoop *loop, ItemPointer tid, float *key)
{
	VptreeScan state = (VptreeScan) loop;
	PoolEntry entry;

	if (state->more > 0)
	{
		state->row++;
		state->more--;
	}
	else
	{
		if (!next_entry(state, &entry))
			return false;
		scan_loop_note_key(loop, entry.key);
		state->row = entry.id;
		state->more = state->search.rows[entry.id].more;
		state->key = entry.key;
	}
	*tid = state->search.rows[state->row].tid;
	*key = state->key;
	return true;
}

const ScanMethod vptree_scan_method = {
	.settings = &vptree_scan_settings,
	.state_size = sizeof(VptreeScanData),
	.start = start_tree_search,
	.next_row = next_row_of_entry,
	.count = count_tree_search,
};
