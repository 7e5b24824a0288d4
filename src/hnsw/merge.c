/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Linking the vertices of the pending chain into the graph, in batches.
 *
 * For each vertex of a batch the neighbours are searched for and chosen; then
 * everything is written, page by page: first the vertices' own links, then the
 * links back to them, last the end of their pending state.  Links that are
 * chosen but not written are kept in an overlay that the searches follow, so
 * that vertices of one batch find each other.
 *
 * A merge that is cut short, by an error or a crash, leaves vertices pending,
 * with or without links; the next one goes on.  README, "Merge".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "hnsw/merge.h"
#include "storage/recent.h"

static void
merge_init(MergeState *state, HnswIndex *index)
{
	memset(state, 0, sizeof(*state));
	state->index = index;
	state->context =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw merge batch", ALLOCSET_DEFAULT_SIZES);
	state->step =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw merge vertex", ALLOCSET_DEFAULT_SIZES);
	state->encoded = palloc(Max(index->space.encoded_size, 1));
	state->query = palloc(Max(hnsw_copy_query_size(index), 1));
	state->scratch = palloc(Max(hnsw_copy_query_size(index), 1));
	hnsw_search_init(&state->search, index, CurrentMemoryContext, index->meta.ef_construction,
					 HNSW_SEARCH_LINKS);
	state->coder = hnsw_coder_create(index);
}

/* Merges the claimed pages of the chain. */
static void
merge_batch(MergeState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);

	state->relinking = state->claim.first < state->index->meta.cut_end;
	merge_collect_batch(state);
	/* again: to know whether any of these has a value that does not fit the stored element */
	hnsw_read_meta(state->index);
	if (state->nvertices > 0)
		hnsw_note_uncoded(state->index);

	state->overlay = hnsw_overlay_create(state);
	state->search.overlay = state->overlay;
	PAUSE_POINT("choose links", state->claim.first);
	hnsw_replace_deleted_entry(state->index);
	if (state->index->meta.entry == HNSW_NO_VERTEX)
		merge_make_first(state);
	if (state->index->meta.entry != HNSW_NO_VERTEX)
		merge_choose_links(state);
	qsort(state->vertices, state->nvertices, sizeof(MergeVertex), merge_compare_vertices);
	merge_write_own_links(state);
	merge_write_links_back(state);
	merge_update_entry(state);
	merge_retire_batch(state);
	/* after the last change of a record's flags: vacuum leaves out one that has changed */
	if (state->nvertices > 0)
		hnsw_note_uncoded(state->index);
	merge_release_claim(state);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

/* Merges what is pending now and no other merge works on. */
static void
merge_chain(HnswIndex *index, int lane, bool alone)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw merge", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MergeState *state = palloc(sizeof(MergeState));
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	uint32 last;

	LockBuffer(meta_buffer, BUFFER_LOCK_SHARE);
	last = merge_tail_ordinal(index, (HnswMeta *) PageGetContents(BufferGetPage(meta_buffer)));
	UnlockReleaseBuffer(meta_buffer);
	hnsw_read_meta(index);
	merge_init(state, index);
	state->lane = lane;
	state->alone = alone;
	while (merge_claim_pages(state, last))
	{
		merge_batch(state);
		if (state->claim.end > last)
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * Is a merge of this session's under way?  Then a distance function of SQL, which the merge
 * has called, has inserted rows into the same table.
 */
static bool
merge_is_under_way_here(const HnswIndex *index)
{
	const LockRelId *relation = &index->relation->rd_lockInfo.lockRelId;

	for (int i = 0; i < HNSW_MERGES; i++)
	{
		LOCKTAG tag;

		SET_LOCKTAG_PAGE(tag, relation->dbId, relation->relId, i);
		if (lock_held_compat(&tag, ExclusiveLock))
			return true;
	}
	return false;
}

/*
 * Links pending vertices.  With `wait`, all that are pending when this is
 * called, alone; that is what vacuum needs.  Else those that no other merge
 * works on; false, with nothing done, if as many merges as there may be are
 * under way.
 *
 * A merge holds a heavyweight lock on the page of its number: two merges may be
 * at work on different pages of the chain.  Whoever holds all the locks is
 * alone.  Nobody waits for one of them while he holds a higher one.
 */
bool
hnsw_merge_pending(HnswIndex *index, bool wait)
{
	int lane = 0;

	if (merge_is_under_way_here(index))
		return false;
	if (wait)
	{
		for (int i = 0; i < HNSW_MERGES; i++)
			LockPage(index->relation, i, ExclusiveLock);
	}
	else
	{
		while (lane < HNSW_MERGES && !ConditionalLockPage(index->relation, lane, ExclusiveLock))
			lane++;
		if (lane == HNSW_MERGES)
			return false;
	}
	hnsw_read_meta(index);
	if (index->meta.pending != InvalidBlockNumber)
		merge_chain(index, lane, wait);
	for (int i = 0; wait && i < HNSW_MERGES; i++)
		UnlockPage(index->relation, i, ExclusiveLock);
	if (!wait)
		UnlockPage(index->relation, lane, ExclusiveLock);
	return true;
}

/* Waits for the end of a merge that is under way; index->meta is up to date then. */
void
hnsw_await_merge(HnswIndex *index)
{
	if (merge_is_under_way_here(index))
		return;
	LockPage(index->relation, 0, ExclusiveLock);
	UnlockPage(index->relation, 0, ExclusiveLock);
	hnsw_read_meta(index);
}
