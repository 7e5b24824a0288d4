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
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/scan_stats.h"
#include "core/entry_heap.h"
#include "hnsw/hnsw.h"
#include "storage/recent.h"

/* Largest pool of a resumed search */
#define MAX_RESUME_EF 4096

#define MIN_LATE 64

/* Where a scan is: each stage follows when the one before has no more rows */
typedef enum HnswScanStage
{
	STAGE_START,
	STAGE_GRAPH,	/* rows of the pool, then of resumed searches */
	STAGE_UNLINKED, /* the same for vertices found by the sweep */
	STAGE_LATE,		/* rows kept back because they came too late */
	STAGE_END
} HnswScanStage;

typedef struct HnswScanData
{
	HnswIndex index;
	HnswSearch search;
	HnswPendingRows pending;
	MemoryContext context; /* everything of one scan; reset on rescan */
	HnswScanStage stage;
	int ef;
	int next_entry; /* of the pool */
	float last_key; /* largest key returned */
	int64 rows;		/* returned so far */

	PoolEntry *late; /* kept back in strict order; a heap in STAGE_LATE */
	uint32 nlate;
	uint32 late_capacity;

	ItemPointerData tids[HNSW_MAX_TIDS_CAPACITY]; /* of the present vertex */
	int ntids;
	int next_tid;
	ItemPointerData more_tids; /* its further lists, or invalid */
} HnswScanData;

typedef HnswScanData *HnswScan;

IndexScanDesc
hnsw_begin_scan(Relation relation, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(relation, nkeys, norderbys);
	HnswScan state = palloc0(sizeof(HnswScanData));

	state->context =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw scan", ALLOCSET_DEFAULT_SIZES);
	state->stage = STAGE_START;
	scan->opaque = state;
	return scan;
}

void
hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	HnswScan state = (HnswScan) scan->opaque;

	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, scan->numberOfOrderBys * sizeof(ScanKeyData));
	MemoryContextReset(state->context);
	memset(&state->search, 0, sizeof(HnswSearch));
	memset(&state->pending, 0, sizeof(HnswPendingRows));
	state->stage = STAGE_START;
	state->next_entry = 0;
	state->last_key = -INFINITY;
	state->rows = 0;
	state->late = NULL;
	state->nlate = 0;
	state->late_capacity = 0;
	state->ntids = 0;
	state->next_tid = 0;
	ItemPointerSetInvalid(&state->more_tids);
}

void
hnsw_end_scan(IndexScanDesc scan)
{
	HnswScan state = (HnswScan) scan->opaque;

	MemoryContextDelete(state->context);
	pfree(state);
	scan->opaque = NULL;
}

static void
begin_stats(IndexScanDesc scan)
{
	memset(&last_scan_stats, 0, sizeof(last_scan_stats));
	last_scan_stats.index = RelationGetRelid(scan->indexRelation);
	pgstat_count_index_scan(scan->indexRelation);
}

static void
update_stats(HnswScan state)
{
	last_scan_stats.distances = state->search.distances;
	last_scan_stats.expanded = state->search.expanded;
	last_scan_stats.rows = state->rows;
}

/*
 * The query in its encoded form.  A null query is no nearer to one row than to
 * another: any value serves, and every row is returned.
 */
static void *
encode_query(IndexScanDesc scan, HnswScan state)
{
	IndexSpace *space = &state->index.space;
	void *encoded = palloc0(space->encoded_size);

	if ((scan->orderByData[0].sk_flags & SK_ISNULL) == 0)
		index_space_encode_query(space, scan->indexRelation, scan->orderByData[0].sk_argument,
								 encoded);
	return encoded;
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
	PoolEntry nearest = {0, HNSW_NO_VERTEX};
	uint32 npending;

	search->query = query;
	hnsw_find_pending(search, &state->pending);
	pending = state->pending.candidates;
	npending = state->pending.ncandidates;
	hnsw_read_meta(index);
	if (index->meta.entry != HNSW_NO_VERTEX)
	{
		hnsw_search_start(search, query, 1);
		hnsw_search_descend(search, index->meta.entry_level, 1);
		nearest = search->pool.entries[0];
		nearest.id = POOL_ID(nearest);
		hnsw_search_begin(search, query, state->ef, &nearest, 1);
		hnsw_search_exclude(search, pending, npending);
		hnsw_search_layer(search, 0, state->ef);
	}
	else
	{
		hnsw_search_begin(search, query, state->ef, NULL, 0);
		hnsw_search_exclude(search, pending, npending);
	}
	hnsw_search_add(search, pending, npending, nearest.id);
	return search->pool.size > 0;
}

/* Runs the first search.  False: the index is empty. */
static bool
start(IndexScanDesc scan, HnswScan state)
{
	HnswIndex *index = &state->index;
	const void *query;

	if (scan->numberOfOrderBys != 1)
		elog(ERROR, "index \"%s\" can only be scanned in order of a distance",
			 RelationGetRelationName(scan->indexRelation));
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		elog(ERROR, "index \"%s\" can only be scanned with an MVCC snapshot",
			 RelationGetRelationName(scan->indexRelation));
	begin_stats(scan);
	hnsw_open(index, scan->indexRelation);
	if (index->meta.entry == HNSW_NO_VERTEX && index->meta.pending == InvalidBlockNumber)
		return false;
	query = space_prepare_query(&index->space.context, encode_query(scan, state),
								palloc(Max(index->space.query_size, 1)));
	state->ef = hnsw_option_ef_search(scan->indexRelation);
	hnsw_search_init(&state->search, index, state->context, state->ef,
					 hnsw_iterative_scan == HNSW_ITERATIVE_OFF ? HNSW_SEARCH_ROWS
															   : HNSW_SEARCH_ROWS_RESUMABLE);
	return search_first(state, query);
}

static void
keep_late(HnswScan state, PoolEntry entry)
{
	if (state->nlate == state->late_capacity)
	{
		state->late_capacity = Max(MIN_LATE, state->late_capacity * 2);
		if (state->late == NULL)
			state->late = palloc(state->late_capacity * sizeof(PoolEntry));
		else
			state->late = repalloc_huge(state->late, state->late_capacity * sizeof(PoolEntry));
	}
	state->late[state->nlate++] = entry;
}

/* Takes the search up again with a larger pool.  False: nothing is left. */
static bool
resume(HnswScan state)
{
	if (state->search.purpose != HNSW_SEARCH_ROWS_RESUMABLE)
		return false;
	state->ef = Min(Max(state->ef * 2, HNSW_DEFAULT_EF_SEARCH), Max(MAX_RESUME_EF, state->ef));
	state->next_entry = 0;
	last_scan_stats.resumed++;
	return hnsw_search_resume(&state->search, state->ef);
}

/* The next vertex of the pool, of resumed searches, or of the sweep. */
static bool
next_candidate(HnswScan state, PoolEntry *entry)
{
	Pool *pool = &state->search.pool;

	for (;;)
	{
		if (state->next_entry < pool->size)
		{
			*entry = pool->entries[state->next_entry++];
			if (entry->key >= state->last_key)
			{
				state->last_key = entry->key;
				return true;
			}
			last_scan_stats.late_rows++;
			if (hnsw_iterative_scan != HNSW_ITERATIVE_STRICT)
				return true;
			keep_late(state, *entry);
		}
		else if (!resume(state))
			return false;
	}
}

/* The next vertex to return rows of, whichever stage the scan is in. */
static bool
next_vertex(HnswScan state, uint32 *vertex)
{
	PoolEntry entry;

	for (;;)
	{
		switch (state->stage)
		{
			case STAGE_GRAPH:
			case STAGE_UNLINKED:
				if (next_candidate(state, &entry))
				{
					*vertex = POOL_ID(entry);
					return true;
				}
				if (state->search.purpose != HNSW_SEARCH_ROWS_RESUMABLE)
					state->stage = STAGE_END;
				else if (hnsw_search_sweep(&state->search) > 0)
					state->stage = STAGE_UNLINKED;
				else
				{
					entry_heap_build(state->late, state->nlate);
					state->stage = STAGE_LATE;
				}
				break;
			case STAGE_LATE:
				if (state->nlate == 0)
				{
					state->stage = STAGE_END;
					break;
				}
				*vertex = POOL_ID(entry_heap_pop(state->late, state->nlate));
				state->nlate--;
				return true;
			default:
				return false;
		}
	}
}

/*
 * Leaves out the TIDs that other vertices had when they were pending: those
 * return them.
 */
static void
drop_pending_tids(HnswScan state, uint32 vertex)
{
	int kept = 0;

	for (int i = 0; i < state->ntids; i++)
	{
		if (!hnsw_is_pending_elsewhere(&state->pending, vertex, &state->tids[i]))
			state->tids[kept++] = state->tids[i];
	}
	state->ntids = kept;
}

/* Copies the inline TIDs of a vertex. */
static void
load_tids(HnswScan state, uint32 vertex)
{
	Buffer buffer;
	HnswVertex record;

	state->next_tid = 0;
	if (hnsw_pending_tid(&state->pending, vertex, &state->tids[0]))
	{
		state->ntids = 1;
		ItemPointerSetInvalid(&state->more_tids);
		return;
	}
	record = hnsw_pin_vertex(&state->index, vertex, BUFFER_LOCK_SHARE, &buffer);
	state->ntids = Min(record->ntids, HNSW_INLINE_TIDS);
	memcpy(state->tids, record->tids, state->ntids * sizeof(ItemPointerData));
	state->more_tids = record->more_tids;
	UnlockReleaseBuffer(buffer);
	drop_pending_tids(state, vertex);
}

/* Copies the next of the further TID lists of the present vertex. */
static void
load_more_tids(HnswScan state)
{
	Buffer buffer;
	HnswTids tids = hnsw_pin_tids(&state->index, &state->more_tids, BUFFER_LOCK_SHARE, &buffer);

	state->next_tid = 0;
	state->ntids = Min(tids->ntids, HNSW_MAX_TIDS_CAPACITY);
	memcpy(state->tids, tids->tids, state->ntids * sizeof(ItemPointerData));
	state->more_tids = tids->next;
	UnlockReleaseBuffer(buffer);
	drop_pending_tids(state, HNSW_NO_VERTEX);
}

/* Makes state->tids[next_tid] the next row.  False: there is none. */
static bool
next_row(HnswScan state)
{
	uint32 vertex;

	while (state->next_tid >= state->ntids)
	{
		if (ItemPointerIsValid(&state->more_tids))
			load_more_tids(state);
		else if (next_vertex(state, &vertex))
			load_tids(state, vertex);
		else
			return false;
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

/* amgettuple: the next row in order of distance */
bool
hnsw_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	HnswScan state = (HnswScan) scan->opaque;
	MemoryContext old;
	bool found;

	if (!ScanDirectionIsForward(direction))
		elog(ERROR, "index \"%s\" cannot be scanned backwards",
			 RelationGetRelationName(scan->indexRelation));
	if (hnsw_max_scan_tuples != HNSW_NO_SCAN_LIMIT && state->rows >= hnsw_max_scan_tuples)
		return false;
	old = MemoryContextSwitchTo(state->context);
	if (state->stage == STAGE_START)
		state->stage = start(scan, state) ? STAGE_GRAPH : STAGE_END;
	found = next_row(state);
	if (found)
	{
		scan->xs_heaptid = state->tids[state->next_tid++];
		scan->xs_recheck = false;
		scan->xs_recheckorderby = false;
		state->rows++;
	}
	update_stats(state);
	MemoryContextSwitchTo(old);
	return found;
}
