/*-------------------------------------------------------------------------
 *
 * merge_chain.c
 *	  Pages of the pending chain in a merge: claiming, reading, retiring them.
 *
 * README, "Merge".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"

#include "access/pause.h"
#include "hnsw/merge.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Pages that leave the chain in one record, with the metapage */
#define RETIRE_PAGES (MAX_GENERIC_XLOG_PAGES - 1)

static void
add_page_vertices(MergeState *state, BlockNumber blkno, Page page)
{
	HnswIndex *index = state->index;
	int nslots = page_slots(page, index->meta.slots_per_page);

	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);
		MergeVertex *vertex = &state->vertices[state->nvertices];

		if ((record->flags & HNSW_VERTEX_UNLINKED) == 0)
			continue;
		memset(vertex, 0, sizeof(*vertex));
		vertex->vertex = blkno * index->meta.slots_per_page + slot;
		hnsw_check_vertex(index, record, vertex->vertex);
		vertex->level = record->level;
		vertex->upper = record->upper;
		if (record->ntids == 0 && !ItemPointerIsValid(&record->more_tids))
			vertex->fate = MERGE_EMPTY;
		else
			vertex->fate = record->nlinks > 0 ? MERGE_RELINK : MERGE_LINK;
		state->relinking |= vertex->fate == MERGE_RELINK;
		state->nvertices++;
	}
}

/* The ordinal of the chain's tail; the metapage is locked. */
uint32
merge_tail_ordinal(HnswIndex *index, const HnswMeta *meta)
{
	Buffer buffer = recent_read(index->relation, meta->insert_block);
	Page page = BufferGetPage(buffer);
	uint32 ordinal;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!page_is(page, PAGE_SLOTS) || (PageGetSpecial(page)->flags & PAGE_TAIL) == 0)
		hnsw_report_bad_pending(index, meta->insert_block);
	ordinal = PageGetSpecial(page)->ordinal;
	UnlockReleaseBuffer(buffer);
	return ordinal;
}

/*
 * Notes in the metapage, whose buffer is locked, what a merge works on, and
 * where the pages end that merges cut short have claimed.
 */
static void
write_claim(MergeState *state, Buffer meta_buffer, HnswClaim claim, uint32 cut_end)
{
	HnswIndex *index = state->index;
	PageChange change;
	HnswMeta *meta;

	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	meta->claims[state->lane] = claim;
	meta->cut_end = cut_end;
	index->meta = *meta;
	page_change_finish(&change);
}

/*
 * Claims the first pages of the chain, up to that of ordinal `last`, that no
 * other merge works on.  False: there are none.
 */
bool
merge_claim_pages(MergeState *state, uint32 last)
{
	HnswIndex *index = state->index;
	uint32 most = Max(1, BATCH_VERTICES / index->meta.slots_per_page);
	BlockNumber other_lane = 1 - state->lane;
	bool alone = state->alone || ConditionalLockPage(index->relation, other_lane, ExclusiveLock);
	Buffer meta_buffer = meta_lock(index->relation);
	HnswMeta *meta;
	HnswClaim other;
	HnswClaim claim;
	uint32 cut_end;

	meta = (HnswMeta *) PageGetContents(BufferGetPage(meta_buffer));
	other = meta->claims[other_lane];
	/* nobody is at work on these: their merges have failed */
	cut_end = Max(meta->cut_end, meta->claims[state->lane].end);
	if (alone)
		cut_end = Max(cut_end, other.end);
	claim.first = meta->pending_ordinal;
	claim.end = last + 1;
	if (!alone && claim.first < other.first)
		claim.end = Min(claim.end, other.first);
	else if (!alone && claim.first < other.end)
		claim.first = other.end;
	claim.end = Min(claim.end, claim.first + most);
	if (claim.first >= claim.end)
		UnlockReleaseBuffer(meta_buffer);
	else
		write_claim(state, meta_buffer, claim, cut_end);
	if (alone && !state->alone)
		UnlockPage(index->relation, other_lane, ExclusiveLock);
	state->claim = claim;
	return claim.first < claim.end;
}

/* The claimed pages have been merged. */
void
merge_release_claim(MergeState *state)
{
	Buffer meta_buffer = meta_lock(state->index->relation);

	write_claim(state, meta_buffer, (HnswClaim){0, 0},
				((HnswMeta *) PageGetContents(BufferGetPage(meta_buffer)))->cut_end);
}

/*
 * Collects the pending vertices of the claimed pages.  Pages before them may
 * leave the chain meanwhile, and so may claimed ones that have no pending
 * vertices any more: false, then the walk must begin again.
 */
static bool
collect_claimed(MergeState *state)
{
	HnswIndex *index = state->index;
	BlockNumber blkno = index->meta.pending;

	state->nvertices = 0;
	state->npages = 0;
	for (uint32 ordinal = index->meta.pending_ordinal; ordinal < state->claim.end; ordinal++)
	{
		Buffer buffer = recent_read(index->relation, blkno);
		Page page = BufferGetPage(buffer);

		PAUSE_POINT("collect page", ordinal);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!page_is(page, PAGE_SLOTS) || PageGetSpecial(page)->ordinal != ordinal)
		{
			UnlockReleaseBuffer(buffer);
			return false;
		}
		if (ordinal >= state->claim.first)
		{
			state->pages[state->npages++] = blkno;
			add_page_vertices(state, blkno, page);
		}
		blkno = PageGetSpecial(page)->next;
		UnlockReleaseBuffer(buffer);
	}
	return true;
}

/* Collects the batch, reading the metapage again for each attempt. */
void
merge_collect_batch(MergeState *state)
{
	HnswIndex *index = state->index;
	uint32 npages = state->claim.end - state->claim.first;
	uint32 seen;

	state->vertices = palloc_extended(
		(Size) npages * index->meta.slots_per_page * sizeof(MergeVertex), MCXT_ALLOC_HUGE);
	state->pages = palloc(npages * sizeof(BlockNumber));
	do
	{
		CHECK_FOR_INTERRUPTS();
		seen = index->meta.pending_ordinal;
		if (collect_claimed(state))
			return;
		hnsw_read_meta(index);
	} while (index->meta.pending_ordinal != seen);
	hnsw_report_bad_pending(index, index->meta.pending);
}

/* Ends the pending state of the batch's vertices on a page that is being changed. */
static void
finish_vertices(MergeState *state, BlockNumber blkno, Page page)
{
	HnswIndex *index = state->index;
	int slots = index->meta.slots_per_page;

	for (int slot = 0; slot < slots; slot++)
	{
		MergeVertex wanted = {.vertex = blkno * slots + slot};
		MergeVertex *vertex = bsearch(&wanted, state->vertices, state->nvertices,
									  sizeof(MergeVertex), merge_compare_vertices);
		HnswVertex record;

		if (vertex == NULL || vertex->fate == MERGE_FINISHED)
			continue;
		record = hnsw_page_vertex(index, page, vertex->vertex);
		record->flags &= ~HNSW_VERTEX_UNLINKED;
		if (vertex->fate == MERGE_EMPTY)
			record->flags |= HNSW_VERTEX_DELETED;
	}
}

/*
 * Takes a page out of the chain if it is its head and has no pending vertex
 * left.  The tail stays.  A page that is not the head, because another merge is
 * still at work on those before it, leaves the chain after them.
 */
static void
leave_chain(HnswIndex *index, HnswMeta *meta, BlockNumber blkno, Page page)
{
	PageSpecial special = PageGetSpecial(page);
	uint8 flags = 0;

	for (int slot = 0; slot < page_slots(page, meta->slots_per_page); slot++)
		flags |= ((HnswVertex) page_slot(page, meta->slot_size, slot))->flags;
	if (meta->pending != blkno || (special->flags & PAGE_TAIL) != 0 ||
		(flags & HNSW_VERTEX_UNLINKED) != 0)
		return;
	meta->pending = special->next;
	meta->pending_ordinal = special->ordinal + 1;
	special->ordinal = 0;
	if ((flags & HNSW_VERTEX_FREE) != 0)
	{
		special->next = meta->free_slots;
		meta->free_slots = blkno;
	}
	else
	{
		special->next = InvalidBlockNumber;
		special->flags &= ~PAGE_CHAINED;
	}
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber left = *(const BlockNumber *) a;
	BlockNumber right = *(const BlockNumber *) b;

	return left < right ? -1 : left > right;
}

/* Ends the pending state of n pages, as one record; they leave the chain if they can. */
static void
retire_pages(MergeState *state, const BlockNumber *pages, int n)
{
	HnswIndex *index = state->index;
	BlockNumber ascending[RETIRE_PAGES];
	Page copies[RETIRE_PAGES] = {NULL};
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	PageChange change;
	HnswMeta *meta;

	memcpy(ascending, pages, n * sizeof(BlockNumber));
	qsort(ascending, n, sizeof(BlockNumber), compare_blocks);
	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	for (int i = 0; i < n; i++)
	{
		Buffer buffer = recent_read(index->relation, ascending[i]);

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		copies[i] = page_change_page(&change, buffer, false);
	}
	for (int i = 0; i < n; i++)
	{
		int at = 0;

		while (ascending[at] != pages[i])
			at++;
		finish_vertices(state, pages[i], copies[at]);
		leave_chain(index, meta, pages[i], copies[at]);
	}
	index->meta = *meta;
	page_change_finish(&change);
}

/* Has the head of the chain, unless it is the tail, no pending vertex?  Then *blkno is set. */
static bool
find_idle_head(HnswIndex *index, BlockNumber *blkno)
{
	Buffer buffer;
	Page page;
	uint8 flags = 0;
	bool idle;

	hnsw_read_meta(index);
	*blkno = index->meta.pending;
	if (*blkno == InvalidBlockNumber)
		return false;
	buffer = recent_read(index->relation, *blkno);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	idle = page_is(page, PAGE_SLOTS) && (PageGetSpecial(page)->flags & PAGE_TAIL) == 0 &&
		   PageGetSpecial(page)->ordinal == index->meta.pending_ordinal;
	for (int slot = 0; idle && slot < page_slots(page, index->meta.slots_per_page); slot++)
		flags |= ((HnswVertex) page_slot(page, index->meta.slot_size, slot))->flags;
	UnlockReleaseBuffer(buffer);
	return idle && (flags & HNSW_VERTEX_UNLINKED) == 0;
}

/*
 * Ends the pending state of the batch, and takes pages out of the chain that
 * another merge has done with before this one did with those ahead of them.
 */
void
merge_retire_batch(MergeState *state)
{
	BlockNumber head;

	for (int i = 0; i < state->npages; i += RETIRE_PAGES)
	{
		CHECK_FOR_INTERRUPTS();
		retire_pages(state, &state->pages[i], Min(RETIRE_PAGES, state->npages - i));
	}
	while (find_idle_head(state->index, &head))
	{
		CHECK_FOR_INTERRUPTS();
		retire_pages(state, &head, 1);
	}
}
