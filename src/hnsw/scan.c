/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Index scans: rows in the order of their distance, for as long as the
 *	  executor asks.
 *
 * The first batch is an ordinary search with a pool of ef_search.  When its
 * rows are used up the search goes on with the candidates left over, in pools
 * that double in size; when those are used up too, vertices that no link led
 * to are looked for page by page, so that a scan that is never stopped returns
 * every row.
 *
 * A scan within a sphere (v <<->> sphere(c, r)) is the same search from its
 * centre and ends once it has gone far enough beyond the radius.
 *
 * A later batch may find a vertex nearer than a row already returned.  In
 * relaxed order it is returned at once; in strict order it is kept back until
 * everything else has been returned.  Either way it is counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/relscan.h"
#include "miscadmin.h"

#include "access/scan_loop.h"
#include "hnsw/hnsw.h"
#include "storage/recent.h"

/* Largest pool of a resumed search */
#define MAX_RESUME_EF 4096

/* How often a list of TIDs may vanish before the scan gets to it; vacuum is rarely so busy */
#define MAX_REWINDS 1000

/* Where a scan is: each stage follows when the one before has no more rows */
typedef enum HnswScanStage
{
	STAGE_GRAPH,	/* rows of the pool, then of resumed searches */
	STAGE_UNLINKED, /* the same for vertices found by the sweep */
	STAGE_LATE,		/* rows kept back because they came too late */
	STAGE_END
} HnswScanStage;

typedef struct HnswScanData
{
	ScanLoop loop;
	HnswIndex index;
	HnswSearch search;
	HnswPendingRows pending;
	HnswScanStage stage;
	int ef_search;	/* of the first search */
	int ef;			/* of the present one */
	int next_entry; /* of the pool */
	int beyond;		/* candidates in a row that lay beyond the radius */

	uint32 vertex;								  /* whose rows are being returned */
	ItemPointerData tids[HNSW_MAX_TIDS_CAPACITY]; /* its rows */
	int ntids;
	int next_tid;
	float key;				   /* of the present vertex */
	ItemPointerData more_tids; /* its further lists, or invalid; */
	uint32 list_number;		   /* they have smaller numbers than this */
	uint32 walk_number;		   /* the number of the list before, if it was not the first */
	int rewinds;			   /* looked for again from the first list */
} HnswScanData;

typedef HnswScanData *HnswScan;

static void
count_search(const ScanLoop *loop)
{
	const HnswSearch *search = &((const HnswScanData *) loop)->search;

	last_scan_stats.distances = search->distances;
	last_scan_stats.estimates = search->estimates;
	last_scan_stats.expanded = search->expanded;
}

/*
 * Reads what is pending, then searches the graph.  The metapage is read again
 * in between: what has been merged meanwhile is reached from the entry point
 * as it is then.  Vertices that were pending keep the key they had, and join
 * the pool last: those that no snapshot of ours sees must not keep the search
 * from going on.  False: the index is empty.
 */
static bool
search_first(HnswScan state, const void *query)
{
	HnswIndex *index = &state->index;
	HnswSearch *search = &state->search;
	const PoolEntry *pending;
	PoolEntry seeds[HNSW_ROUTED_SEEDS];
	int nseeds = 0;
	uint32 npending;

	search->query = query;
	hnsw_find_pending(search, &state->pending);
	pending = state->pending.candidates;
	npending = state->pending.ncandidates;
	hnsw_read_meta(index);
	if (index->meta.entry != HNSW_NO_VERTEX)
		nseeds = hnsw_route(search, seeds, HNSW_ROUTED_SEEDS);
	if (index->meta.entry != HNSW_NO_VERTEX && nseeds == 0)
	{
		hnsw_search_start(search, query, HNSW_SEEDS);
		hnsw_search_descend(search, index->meta.entry_level, 1, HNSW_SEEDS);
		nseeds = search->pool.size;
		memcpy(seeds, search->pool.entries, nseeds * sizeof(PoolEntry));
	}
	hnsw_search_begin(search, query, state->ef, seeds, nseeds);
	hnsw_search_exclude(search, pending, npending);
	hnsw_search_layer(search, 0, state->ef);
	hnsw_search_add(search, pending, npending, seeds, nseeds);
	return search->pool.size > 0;
}

/* Runs the first search.  False: there is nothing to find. */
static bool
start_search(ScanLoop *loop)
{
	HnswScan state = (HnswScan) loop;
	HnswIndex *index = &state->index;
	Relation relation = loop->scan->indexRelation;

	hnsw_open(index, relation);
	if ((index->meta.entry == HNSW_NO_VERTEX && index->meta.pending == InvalidBlockNumber) ||
		!scan_loop_read_target(loop, &index->space))
		return false;
	state->ef_search = hnsw_option_ef_search(relation);
	state->ef = state->ef_search;
	hnsw_search_init(&state->search, index, loop->context, state->ef,
					 scan_loop_is_iterative(loop) ? HNSW_SEARCH_ROWS_RESUMABLE : HNSW_SEARCH_ROWS);
	state->search.coder = hnsw_coder_create(index);
	if (state->search.coder != NULL)
		hnsw_coder_query(state->search.coder, loop->query);
	return search_first(state, loop->query);
}

/*
 * Has a search within a radius gone far enough?  As far as an ordinary search
 * goes beyond the last row it returns: ef_search candidates, in order of their
 * distance, none of which lay within the radius.
 */
static bool
passed_radius(HnswScan state)
{
	return state->loop.target.limited && state->beyond >= state->ef_search;
}

/*
 * Takes the search up again, with a larger pool unless it is only to make sure
 * that nothing within the radius is left.  False: nothing is left at all.
 */
static bool
resume(HnswScan state)
{
	if (state->search.purpose != HNSW_SEARCH_ROWS_RESUMABLE)
		return false;
	if (state->beyond > 0)
		state->ef = state->ef_search;
	else
		state->ef = Min(Max(state->ef * 2, HNSW_DEFAULT_EF_SEARCH), Max(MAX_RESUME_EF, state->ef));
	state->next_entry = 0;
	last_scan_stats.resumed++;
	return hnsw_search_resume(&state->search, state->ef);
}

/*
 * The next vertex of the pool, of resumed searches, or of the sweep.  False:
 * there is no other, or none within the radius.
 */
static bool
next_candidate(HnswScan state, PoolEntry *entry)
{
	Pool *pool = &state->search.pool;

	for (;;)
	{
		if (state->next_entry < pool->size)
		{
			*entry = pool->entries[state->next_entry++];
			if (!scan_loop_accepts(&state->loop, entry->key))
			{
				state->beyond++;
				continue;
			}
			state->beyond = 0;
			if (scan_loop_in_order(&state->loop, *entry))
				return true;
		}
		else if (passed_radius(state) || !resume(state))
			return false;
	}
}

/* What follows a stage that has no more candidates */
static HnswScanStage
next_stage(HnswScan state)
{
	if (state->search.purpose != HNSW_SEARCH_ROWS_RESUMABLE)
		return STAGE_END;
	if (!passed_radius(state) && hnsw_search_sweep(&state->search) > 0)
		return STAGE_UNLINKED;
	return STAGE_LATE;
}

/* The next candidate to return rows of, whichever stage the scan is in. */
static bool
next_vertex(HnswScan state, PoolEntry *entry)
{
	for (;;)
	{
		switch (state->stage)
		{
			case STAGE_GRAPH:
			case STAGE_UNLINKED:
				if (next_candidate(state, entry))
					return true;
				state->stage = next_stage(state);
				break;
			case STAGE_LATE:
				if (scan_loop_next_late(&state->loop, entry))
					return true;
				state->stage = STAGE_END;
				break;
			default:
				return false;
		}
	}
}

/*
 * Leaves out the TIDs that were pending when the scan began: they are returned
 * for the vertices that had them then.
 */
static void
drop_pending_tids(HnswScan state)
{
	int kept = 0;

	for (int i = 0; i < state->ntids; i++)
	{
		if (!hnsw_was_pending(&state->pending, &state->tids[i]))
			state->tids[kept++] = state->tids[i];
	}
	state->ntids = kept;
}

/* Rows of this key are about to be returned. */
static void
note_key(HnswScan state, float key)
{
	state->key = key;
	scan_loop_note_key(&state->loop, key);
}

/*
 * Puts the candidate that next_vertex() has just handed out back to where its
 * key, which has changed, belongs.  Beyond the end of the pool that is among
 * the candidates left over: there may be nearer ones.
 */
static void
put_back(HnswScan state, PoolEntry entry)
{
	Pool *pool = &state->search.pool;
	PoolEntry *entries = pool->entries;
	int i = state->next_entry - 1;

	if (state->stage == STAGE_LATE)
	{
		scan_loop_put_late(&state->loop, entry);
		return;
	}
	if (entry.key > entries[pool->size - 1].key)
	{
		entry.id = POOL_ID(entry);
		hnsw_search_leave(&state->search, entry);
		return;
	}
	for (; i + 1 < pool->size && entries[i + 1].key < entry.key; i++)
		entries[i] = entries[i + 1];
	entries[i] = entry;
	state->next_entry--;
}

/*
 * Copies the inline TIDs of a candidate's vertex.  The vertex may have gone
 * since it was scored, and its slot may have another one: then its key is not
 * the candidate's, and it goes back.  A key that is no number can only be
 * damage; it is not waited for.
 *
 * The TID that a vertex had when it was pending comes first, by itself; then the
 * vertex is looked at again, like any other: rows of its value from further
 * along the chain may have joined it before the scan came to them.
 */
static void
load_tids(HnswScan state, PoolEntry entry)
{
	Buffer buffer;
	HnswVertex record;
	float key;

	state->vertex = POOL_ID(entry);
	state->next_tid = 0;
	state->ntids = 0;
	ItemPointerSetInvalid(&state->more_tids);
	if (hnsw_take_pending(&state->pending, entry, &state->tids[0]))
	{
		state->ntids = 1;
		note_key(state, entry.key);
		put_back(state, entry);
		return;
	}
	record = hnsw_pin_vertex(&state->index, state->vertex, BUFFER_LOCK_SHARE, &buffer);
	if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0 &&
		hnsw_search_key(&state->search, buffer, record, &key))
	{
		if (unlikely(key != entry.key && !isnan(key)))
		{
			entry.key = key;
			put_back(state, entry);
		}
		else
		{
			note_key(state, entry.key);
			state->ntids = Min(record->ntids, HNSW_INLINE_TIDS);
			memcpy(state->tids, record->tids, state->ntids * sizeof(ItemPointerData));
			state->more_tids = record->more_tids;
			state->list_number = PG_UINT32_MAX;
			state->walk_number = PG_UINT32_MAX;
			state->rewinds = 0;
		}
	}
	UnlockReleaseBuffer(buffer);
	drop_pending_tids(state);
}

/* Counts a step that does not lead on along the vertex's lists; an error if there are too many. */
static void
count_rewind(HnswScan state)
{
	if (++state->rewinds > MAX_REWINDS)
		hnsw_report_bad_item(&state->index, &state->more_tids);
}

/*
 * Vacuum has removed the list that was to be read next: goes on from the
 * vertex's first one.
 */
static void
rewind_tids(HnswScan state)
{
	Buffer buffer;
	HnswVertex record;

	count_rewind(state);
	state->walk_number = PG_UINT32_MAX;
	record = hnsw_pin_vertex(&state->index, state->vertex, BUFFER_LOCK_SHARE, &buffer);
	if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0)
		state->more_tids = record->more_tids;
	else
		ItemPointerSetInvalid(&state->more_tids);
	UnlockReleaseBuffer(buffer);
}

/*
 * Copies the next of the further TID lists of the present vertex.  Going on
 * from a newer list than the last one read leads past those that were read.
 */
static void
load_more_tids(HnswScan state)
{
	Buffer buffer;
	HnswTids tids = hnsw_pin_tids(&state->index, &state->more_tids, BUFFER_LOCK_SHARE, &buffer);

	state->next_tid = 0;
	state->ntids = 0;
	if (tids == NULL || tids->owner != state->vertex)
	{
		if (tids != NULL)
			UnlockReleaseBuffer(buffer);
		rewind_tids(state);
		return;
	}
	/* a newer list is where the one looked for was; or the lists of a damaged index are a circle */
	if (tids->number >= state->walk_number)
		count_rewind(state);
	state->walk_number = tids->number;
	if (tids->number < state->list_number)
	{
		state->ntids = tids->ntids;
		memcpy(state->tids, tids->tids, state->ntids * sizeof(ItemPointerData));
		state->list_number = tids->number;
	}
	state->more_tids = tids->next;
	UnlockReleaseBuffer(buffer);
	drop_pending_tids(state);
}

static bool
next_row_of_vertex(ScanLoop *loop, ItemPointer tid, float *key)
{
	HnswScan state = (HnswScan) loop;
	PoolEntry entry;

	while (state->next_tid >= state->ntids)
	{
		if (ItemPointerIsValid(&state->more_tids))
			load_more_tids(state);
		else if (next_vertex(state, &entry))
			load_tids(state, entry);
		else
			return false;
		CHECK_FOR_INTERRUPTS();
	}
	*tid = state->tids[state->next_tid++];
	*key = state->key;
	return true;
}

const ScanMethod hnsw_scan_method = {
	.settings = &hnsw_scan_settings,
	.state_size = sizeof(HnswScanData),
	.start = start_search,
	.next_row = next_row_of_vertex,
	.count = count_search,
};
