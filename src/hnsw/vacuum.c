/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Removing dead rows from an hnsw index.
 *
 * One sequential pass drops dead heap TIDs; a vertex left without any is
 * marked deleted: searches still pass through it and never return it.
 * README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/vacuum.h"
#include "storage/bufmgr.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"

typedef struct VacuumState
{
	HnswIndex index;
	IndexVacuumInfo *info;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void *callback_state;
} VacuumState;

/* Moves the live TIDs to the front; returns their number. */
static int
keep_live(VacuumState *vacuum, ItemPointer tids, int ntids)
{
	int live = 0;

	for (int i = 0; i < ntids; i++)
	{
		hnsw_check_tid(&vacuum->index, &tids[i]);
		if (vacuum->callback != NULL && vacuum->callback(&tids[i], vacuum->callback_state))
			vacuum->stats->tuples_removed += 1;
		else
		{
			tids[live++] = tids[i];
			vacuum->stats->num_index_tuples += 1;
		}
	}
	return live;
}

/*
 * Removes dead TIDs from a vertex's further lists, one item at a time.
 * Returns the number of live ones.
 */
static int64
vacuum_lists(VacuumState *vacuum, ItemPointerData tid)
{
	HnswIndex *index = &vacuum->index;
	ItemPointerData live_tids[HNSW_MAX_TIDS_CAPACITY];
	int64 total = 0;

	while (ItemPointerIsValid(&tid))
	{
		Buffer buffer;
		HnswTids tids = hnsw_pin_tids(index, &tid, BUFFER_LOCK_EXCLUSIVE, &buffer);
		ItemPointerData next = tids->next;
		int ntids = Min(tids->ntids, HNSW_MAX_TIDS_CAPACITY);
		int live;

		memcpy(live_tids, tids->tids, ntids * sizeof(ItemPointerData));
		live = keep_live(vacuum, live_tids, ntids);
		if (live < ntids)
		{
			PageChange change;
			Page page;

			page_change_begin(&change, index->relation, false);
			page = page_change_page(&change, buffer, false);
			tids =
				(HnswTids) PageGetItem(page, PageGetItemId(page, ItemPointerGetOffsetNumber(&tid)));
			memcpy(tids->tids, live_tids, live * sizeof(ItemPointerData));
			tids->ntids = live;
			page_change_finish(&change);
		}
		else
			UnlockReleaseBuffer(buffer);
		total += live;
		tid = next;
		vacuum_delay_point_compat();
	}
	return total;
}

/*
 * Drops the dead inline TIDs of a vertex whose page is locked exclusively,
 * and marks the vertex when it has no row left.
 */
static void
vacuum_vertex(VacuumState *vacuum, PageChange *change, Page *copy, Buffer buffer, uint32 vertex)
{
	HnswIndex *index = &vacuum->index;
	HnswVertex record = hnsw_page_vertex(index, BufferGetPage(buffer), vertex);
	ItemPointerData tids[HNSW_INLINE_TIDS];
	int ntids = record->ntids;
	int live;
	bool deleted;

	hnsw_check_vertex(index, record, vertex);
	if ((record->flags & HNSW_VERTEX_FREE) != 0)
		return;
	memcpy(tids, record->tids, ntids * sizeof(ItemPointerData));
	live = keep_live(vacuum, tids, ntids);
	deleted = live == 0 && !ItemPointerIsValid(&record->more_tids);
	if (live == ntids && deleted == ((record->flags & HNSW_VERTEX_DELETED) != 0))
		return;
	if (*copy == NULL)
	{
		page_change_begin(change, index->relation, false);
		*copy = page_change_page(change, buffer, false);
	}
	record = hnsw_page_vertex(index, *copy, vertex);
	memcpy(record->tids, tids, live * sizeof(ItemPointerData));
	record->ntids = live;
	if (deleted)
		record->flags |= HNSW_VERTEX_DELETED;
}

/* Vacuums a slot page; the lists of its vertices first, without its lock. */
static void
vacuum_page(VacuumState *vacuum, BlockNumber blkno)
{
	HnswIndex *index = &vacuum->index;
	Buffer buffer = ReadBufferExtended(index->relation, MAIN_FORKNUM, blkno, RBM_NORMAL,
									   vacuum->info->strategy);
	Page page = BufferGetPage(buffer);
	Page copy = NULL;
	PageChange change;
	int nslots;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	nslots = page_is(page, PAGE_SLOTS) ? page_slots(page, index->meta.slots_per_page) : 0;
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	for (int slot = 0; slot < nslots; slot++)
	{
		ItemPointerData more;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		more = ((HnswVertex) page_slot(page, index->meta.slot_size, slot))->more_tids;
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (ItemPointerIsValid(&more))
			vacuum_lists(vacuum, more);
	}
	if (nslots == 0)
	{
		ReleaseBuffer(buffer);
		return;
	}
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	nslots = page_slots(page, index->meta.slots_per_page);
	for (int slot = 0; slot < nslots; slot++)
		vacuum_vertex(vacuum, &change, &copy, buffer, blkno * index->meta.slots_per_page + slot);
	if (copy != NULL)
		page_change_finish(&change);
	else
		UnlockReleaseBuffer(buffer);
}

/* ambulkdelete: removes the TIDs that the callback says are dead. */
IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				 IndexBulkDeleteCallback callback, void *state)
{
	VacuumState vacuum;
	BlockNumber nblocks;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	vacuum.info = info;
	vacuum.stats = stats;
	vacuum.callback = callback;
	vacuum.callback_state = state;
	hnsw_open(&vacuum.index, info->index);
	stats->num_index_tuples = 0;
	stats->estimated_count = false;
	if (vacuum.index.meta.slots_per_page == 0)
		return stats;
	hnsw_merge_pending(&vacuum.index, true);
	nblocks = RelationGetNumberOfBlocks(info->index);
	for (BlockNumber blkno = META_BLOCK + 1; blkno < nblocks; blkno++)
	{
		vacuum_delay_point_compat();
		vacuum_page(&vacuum, blkno);
	}
	return stats;
}

/* amvacuumcleanup: the figures of an index that had nothing to delete. */
IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	HnswIndex index;

	if (info->analyze_only)
		return stats;
	hnsw_open(&index, info->index);
	hnsw_merge_pending(&index, true);
	if (stats == NULL)
	{
		stats = palloc0(sizeof(IndexBulkDeleteResult));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = info->estimated_count;
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	return stats;
}
