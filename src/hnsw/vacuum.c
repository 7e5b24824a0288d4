/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Removing dead rows from an hnsw index.
 *
 * One sequential pass drops dead heap TIDs; a vertex left without any is
 * marked deleted: searches still pass through it and never return it.  It may
 * be done several times in a vacuum.  What comes after, once, is in vacuum_graph.c.
 * README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/pause.h"
#include "access/transam.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Memory that codes are made in, at most */
#define CODES_MEMORY ((Size) 8 * 1024 * 1024)

typedef struct HnswVacuum
{
	Vacuum base;
	HnswIndex index;
} HnswVacuum;

/* Moves the live TIDs to the front; returns their number. */
static int
keep_live(HnswVacuum *vacuum, ItemPointer tids, int ntids)
{
	int live = heap_tids_keep_live(vacuum->index.relation, tids, ntids, vacuum->base.callback,
								   vacuum->base.callback_state);

	vacuum->base.stats->tuples_removed += ntids - live;
	vacuum->base.stats->num_index_tuples += live;
	return live;
}

/* Sets what points to a list, which is on the locked page of `buffer`, to another. */
static void
set_list_pointer(HnswVacuum *vacuum, Page page, uint32 vertex, ItemPointer before,
				 ItemPointerData list)
{
	if (ItemPointerIsValid(before))
	{
		OffsetNumber offset = ItemPointerGetOffsetNumber(before);

		((HnswTids) PageGetItem(page, PageGetItemId(page, offset)))->next = list;
	}
	else
		hnsw_page_vertex(&vacuum->index, page, vertex)->more_tids = list;
}

/*
 * Takes an empty list out of a vertex's chain and removes it.  `before` is the
 * list before it in the chain, or invalid if it is the first.  An insert may
 * have put a row into the first list, or another list in front of it: then it
 * stays.
 */
static void
remove_list(HnswVacuum *vacuum, uint32 vertex, ItemPointerData before, ItemPointerData list)
{
	HnswIndex *index = &vacuum->index;
	bool first = !ItemPointerIsValid(&before);
	Buffer item_buffer = recent_read(index->relation, ItemPointerGetBlockNumber(&list));
	Buffer before_buffer = recent_read(index->relation, first ? hnsw_block(index, vertex)
															  : ItemPointerGetBlockNumber(&before));
	HnswTids tids;
	PageChange change;
	Page page;

	page_lock_two(before_buffer, BUFFER_LOCK_EXCLUSIVE, item_buffer, BUFFER_LOCK_EXCLUSIVE);
	tids = hnsw_locate_tids(index, BufferGetPage(item_buffer), &list);
	page = BufferGetPage(before_buffer);
	if (tids == NULL || tids->ntids > 0 ||
		(first &&
		 ItemPointerCompare(&hnsw_page_vertex(index, page, vertex)->more_tids, &list) != 0))
	{
		if (before_buffer == item_buffer)
			ReleaseBuffer(before_buffer);
		else
			UnlockReleaseBuffer(before_buffer);
		UnlockReleaseBuffer(item_buffer);
		return;
	}
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, before_buffer, false);
	set_list_pointer(vacuum, page, vertex, &before, tids->next);
	if (before_buffer == item_buffer)
		ReleaseBuffer(item_buffer);
	else
		page = page_change_page(&change, item_buffer, false);
	page_delete_item(page, ItemPointerGetOffsetNumber(&list));
	page_change_finish(&change);
}

/*
 * An error unless the list is the vertex's and older than the one before it:
 * otherwise following the chain might never end.
 */
static void
check_list(HnswIndex *index, uint32 vertex, ItemPointer list, HnswTids tids, uint32 before)
{
	if (tids->owner != vertex || tids->number >= before)
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has item (%u,%u) out of place",
					RelationGetRelationName(index->relation), ItemPointerGetBlockNumber(list),
					ItemPointerGetOffsetNumber(list)),
			 errdetail("It is list number %u of vertex %u, where one of vertex %u below %u is due.",
					   tids->number, tids->owner, vertex, before),
			 errhint("Please REINDEX it.")));
}

/*
 * Removes dead TIDs from one of a vertex's lists.  Is it empty now?  *number is
 * that of the list before it, and then its own.
 */
static bool
vacuum_list(HnswVacuum *vacuum, uint32 vertex, ItemPointer list, uint32 *number, ItemPointer next)
{
	HnswIndex *index = &vacuum->index;
	ItemPointerData live_tids[HNSW_MAX_TIDS_CAPACITY];
	PageChange change;
	Buffer buffer;
	Page page;
	int live;
	HnswTids tids = hnsw_pin_tids(index, list, BUFFER_LOCK_EXCLUSIVE, &buffer);

	if (tids == NULL)
		hnsw_report_bad_item(index, list);
	check_list(index, vertex, list, tids, *number);
	*number = tids->number;
	*next = tids->next;
	memcpy(live_tids, tids->tids, tids->ntids * sizeof(ItemPointerData));
	live = keep_live(vacuum, live_tids, tids->ntids);
	if (live == tids->ntids)
	{
		UnlockReleaseBuffer(buffer);
		return live == 0;
	}
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, buffer, false);
	tids = (HnswTids) PageGetItem(page, PageGetItemId(page, ItemPointerGetOffsetNumber(list)));
	memcpy(tids->tids, live_tids, live * sizeof(ItemPointerData));
	tids->ntids = live;
	page_change_finish(&change);
	return live == 0;
}

/* Removes dead TIDs from a vertex's further lists, and lists that are empty. */
static void
vacuum_lists(HnswVacuum *vacuum, uint32 vertex, ItemPointerData list)
{
	ItemPointerData before;
	ItemPointerData next;
	uint32 number = PG_UINT32_MAX;

	ItemPointerSetInvalid(&before);
	while (ItemPointerIsValid(&list))
	{
		vacuum_delay_point_compat();
		if (vacuum_list(vacuum, vertex, &list, &number, &next))
			remove_list(vacuum, vertex, before, list);
		else
			before = list;
		list = next;
	}
}

/*
 * Drops the dead inline TIDs of a vertex whose page is locked exclusively,
 * and marks the vertex when it has no row left.  An insert that begins later
 * than the transaction id remembered sees the mark, since it looks under a lock
 * of this page.
 */
static void
vacuum_vertex(HnswVacuum *vacuum, PageChange *change, Page *copy, Buffer buffer, uint32 vertex)
{
	HnswIndex *index = &vacuum->index;
	HnswVertex record = hnsw_page_vertex(index, BufferGetPage(buffer), vertex);
	ItemPointerData tids[HNSW_INLINE_TIDS];
	int ntids = record->ntids;
	int live;
	bool deleted;

	hnsw_check_vertex(index, record, vertex);
	if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0)
		return;
	memcpy(tids, record->tids, ntids * sizeof(ItemPointerData));
	live = keep_live(vacuum, tids, ntids);
	deleted = live == 0 && !ItemPointerIsValid(&record->more_tids);
	if (live == ntids && !deleted)
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
	{
		record->flags |= HNSW_VERTEX_DELETED;
		memset(record->tids, 0, sizeof(record->tids));
		hnsw_vertex_deleted(record)->xid = U64FromFullTransactionId(ReadNextFullTransactionId());
	}
}

/* Vacuums a slot page; the lists of its vertices first, without its lock. */
static bool
vacuum_page(void *arg, BlockNumber blkno)
{
	HnswVacuum *vacuum = (HnswVacuum *) arg;
	HnswIndex *index = &vacuum->index;
	Buffer buffer = ReadBufferExtended(index->relation, MAIN_FORKNUM, blkno, RBM_NORMAL,
									   vacuum->base.info->strategy);
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
			vacuum_lists(vacuum, blkno * index->meta.slots_per_page + slot, more);
	}
	if (nslots == 0)
	{
		ReleaseBuffer(buffer);
		return true;
	}
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	nslots = page_slots(page, index->meta.slots_per_page);
	for (int slot = 0; slot < nslots; slot++)
		vacuum_vertex(vacuum, &change, &copy, buffer, blkno * index->meta.slots_per_page + slot);
	if (copy != NULL)
		page_change_finish(&change);
	else
		UnlockReleaseBuffer(buffer);
	return true;
}

/* VacuumMethod.remove_dead */
static void
remove_dead_tids(Vacuum *base)
{
	HnswVacuum *vacuum = (HnswVacuum *) base;

	hnsw_open(&vacuum->index, base->info->index);
	if (vacuum->index.meta.slots_per_page == 0)
		return;
	hnsw_merge_pending(&vacuum->index, true);
	hnsw_note_deleted(&vacuum->index, U64FromFullTransactionId(ReadNextFullTransactionId()));
	vacuum_each_page(base->info->index, vacuum_page, vacuum);
}

/* VacuumMethod.clean_up: repairs the graph and frees what was deleted, if anything was. */
static void
clean_up_graph(Vacuum *base)
{
	HnswIndex *index = &((HnswVacuum *) base)->index;

	hnsw_open(index, base->info->index);
	hnsw_merge_pending(index, true);
	PAUSE_POINT("vacuum graph", META_BLOCK);
	hnsw_vacuum_graph(index, base->info->strategy, base->stats != NULL);
	hnsw_code_index(index, 1, Min((Size) maintenance_work_mem * 1024 / 2, CODES_MEMORY));
}

const VacuumMethod hnsw_vacuum_method = {
	.state_size = sizeof(HnswVacuum),
	.remove_dead = remove_dead_tids,
	.clean_up = clean_up_graph,
};
