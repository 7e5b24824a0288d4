/*-------------------------------------------------------------------------
 *
 * recycle.c
 *	  Giving back the room of deleted vertices.
 *
 * Pages with room are three chains that start in the metapage: slot pages with
 * free slots, item pages with space, and free value pages.  Vacuum puts pages
 * in, at the head; inserts take pages out.  A page is in one chain at most, which
 * its flag PAGE_CHAINED tells, so a page that has not been put in, be it by a
 * crash in between, is noticed and put in by the next vacuum.
 *
 * When a vertex may be freed is decided in vacuum_graph.c; README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* An item page with less space than this is not worth a visit of an insert */
#define MIN_ITEM_SPACE (BLCKSZ / 16)

/* Pages of a chain looked at for one with enough room */
#define MAX_CHAIN_STEPS 16

/* Value pages freed in one change, beside the metapage and the slot page */
#define VALUE_PAGES_PER_CHANGE (MAX_GENERIC_XLOG_PAGES - 2)

static void
report_bad_chain(HnswIndex *index, BlockNumber blkno)
{
	damage_report(index->relation, "has no free room on block %u", blkno);
}

static Buffer
pin_chained(HnswIndex *index, BlockNumber blkno)
{
	if (unlikely(blkno == META_BLOCK))
		report_bad_chain(index, blkno);
	return recent_read(index->relation, blkno);
}

/*
 * Finds a page with `room` bytes among the first of a chain whose head the
 * caller has from the locked metapage, without which no chain is changed.  Pins
 * the page and locks it exclusively, and likewise the one before it in the
 * chain, if any: *before.  False, with nothing pinned: there is none.
 */
bool
hnsw_lock_free_page(HnswIndex *index, BlockNumber head, PageKind kind, Size room, Buffer *before,
					Buffer *buffer)
{
	BlockNumber blkno = head;

	*before = InvalidBuffer;
	for (int tries = 0; tries < MAX_CHAIN_STEPS && blkno != InvalidBlockNumber; tries++)
	{
		Page page;

		*buffer = pin_chained(index, blkno);
		page = BufferGetPage(*buffer);
		if (BufferIsValid(*before))
			page_lock_two(*before, BUFFER_LOCK_EXCLUSIVE, *buffer, BUFFER_LOCK_EXCLUSIVE);
		else
			LockBuffer(*buffer, BUFFER_LOCK_EXCLUSIVE);
		if (unlikely(!page_is(page, kind) || (PageGetSpecial(page)->flags & PAGE_CHAINED) == 0))
			report_bad_chain(index, blkno);
		if (room == 0 || PageGetFreeSpace(page) >= room)
			return true;
		blkno = PageGetSpecial(page)->next;
		LockBuffer(*buffer, BUFFER_LOCK_UNLOCK);
		if (BufferIsValid(*before))
			UnlockReleaseBuffer(*before);
		*before = *buffer;
	}
	if (BufferIsValid(*before))
		ReleaseBuffer(*before);
	return false;
}

/*
 * Adds a page that hnsw_lock_free_page() has found, and the page before it, to
 * a change and takes it out of its chain; *head is the chain's in the changed
 * metapage.
 */
Page
hnsw_unchain_page(PageChange *change, BlockNumber *head, Buffer before, Buffer buffer)
{
	Page page = page_change_page(change, buffer, false);
	PageSpecial special = PageGetSpecial(page);

	if (BufferIsValid(before))
	{
		Page before_page = page_change_page(change, before, false);

		PageGetSpecial(before_page)->next = special->next;
	}
	else
		*head = special->next;
	special->next = InvalidBlockNumber;
	special->flags &= ~PAGE_CHAINED;
	return page;
}

/* Puts a page, in a change together with the metapage, in front of its chain. */
static void
chain_page(Page meta_page, Page page, BlockNumber blkno)
{
	HnswMeta *meta = (HnswMeta *) PageGetContents(meta_page);
	PageSpecial special = PageGetSpecial(page);
	BlockNumber *head = special->kind == PAGE_SLOTS	  ? &meta->free_slots
						: special->kind == PAGE_ITEMS ? &meta->free_items
													  : &meta->free_values;

	special->next = *head;
	special->flags |= PAGE_CHAINED;
	*head = blkno;
}

/* Removes an item that nothing points to. */
void
hnsw_remove_item(HnswIndex *index, ItemPointerData item)
{
	Buffer buffer = recent_read(index->relation, ItemPointerGetBlockNumber(&item));
	PageChange change;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	page_delete_item(page_change_page(&change, buffer, false), ItemPointerGetOffsetNumber(&item));
	page_change_finish(&change);
}

/* Puts an item page with space into its chain, unless it is in one or in use. */
void
hnsw_chain_item_page(HnswIndex *index, BlockNumber blkno)
{
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	Buffer buffer = recent_read(index->relation, blkno);
	Page page = BufferGetPage(buffer);
	HnswMeta *meta;
	PageChange change;

	page_lock_two(meta_buffer, BUFFER_LOCK_EXCLUSIVE, buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) PageGetContents(BufferGetPage(meta_buffer));
	if (meta->item_block == blkno || !page_is(page, PAGE_ITEMS) ||
		(PageGetSpecial(page)->flags & PAGE_CHAINED) != 0 ||
		PageGetFreeSpace(page) < MIN_ITEM_SPACE)
	{
		UnlockReleaseBuffer(buffer);
		UnlockReleaseBuffer(meta_buffer);
		return;
	}
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, buffer, false);
	chain_page(page_change_page(&change, meta_buffer, false), page, blkno);
	page_change_finish(&change);
}

/*
 * Removes an item of a deleted vertex: its upper links or, if `wide`, its
 * value; and what points to it.
 */
static void
free_item(HnswIndex *index, uint32 vertex, ItemPointerData item, bool wide)
{
	Buffer slot_buffer = recent_read(index->relation, hnsw_block(index, vertex));
	Buffer item_buffer = recent_read(index->relation, ItemPointerGetBlockNumber(&item));
	OffsetNumber offset = ItemPointerGetOffsetNumber(&item);
	ItemPointerData none;
	PageChange change;
	HnswVertex record;
	Page page;

	ItemPointerSetInvalid(&none);
	page_lock_two(slot_buffer, BUFFER_LOCK_EXCLUSIVE, item_buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(item_buffer);
	if (!page_is(page, PAGE_ITEMS) || offset > PageGetMaxOffsetNumber(page) ||
		!ItemIdIsNormal(PageGetItemId(page, offset)))
		hnsw_report_bad_item(index, &item);
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, slot_buffer, false);
	record = hnsw_page_vertex(index, page, vertex);
	if (wide)
		memcpy(hnsw_wide_where(index, record), &none, sizeof(none));
	else
		record->upper = none;
	page_delete_item(page_change_page(&change, item_buffer, false), offset);
	page_change_finish(&change);
}

/*
 * Frees the next value pages of a deleted vertex, of which `done` are free
 * already.  Returns how many are free now.
 */
static int
free_value_pages(HnswIndex *index, uint32 vertex, const BlockNumber *blocks, int nblocks, int done)
{
	int n = Min(nblocks - done, VALUE_PAGES_PER_CHANGE);
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	Buffer slot_buffer = recent_read(index->relation, hnsw_block(index, vertex));
	Buffer buffers[VALUE_PAGES_PER_CHANGE];
	PageChange change;
	Page meta_page;
	Page page;

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	LockBuffer(slot_buffer, BUFFER_LOCK_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		/* nobody locks two value pages, and no other page after one */
		buffers[i] = recent_read(index->relation, blocks[done + i]);
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
		page = BufferGetPage(buffers[i]);
		if (!page_is(page, PAGE_VALUE) || (PageGetSpecial(page)->flags & PAGE_CHAINED) != 0)
			damage_report(index->relation, "has no value on block %u", blocks[done + i]);
	}
	page_change_begin(&change, index->relation, false);
	meta_page = page_change_page(&change, meta_buffer, false);
	page = page_change_page(&change, slot_buffer, false);
	hnsw_vertex_deleted(hnsw_page_vertex(index, page, vertex))->freed_values = done + n;
	for (int i = 0; i < n; i++)
		chain_page(meta_page, page_change_page(&change, buffers[i], false), blocks[done + i]);
	page_change_finish(&change);
	return done + n;
}

/* Frees what a deleted vertex has outside its slot, in changes of their own. */
static void
free_belongings(HnswIndex *index, uint32 vertex)
{
	BlockNumber blocks[HNSW_MAX_VALUE_PAGES];
	HnswVertex record;
	ItemPointerData upper;
	ItemPointerData value;
	int nblocks = index->meta.value_pages;
	const void *where;
	Buffer buffer;
	int done;

	ItemPointerSetInvalid(&value);
	record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);
	upper = record->upper;
	done = hnsw_vertex_deleted(record)->freed_values;
	where = hnsw_vertex_value(index, record);
	if ((record->flags & HNSW_VERTEX_WIDE) != 0)
	{
		Size size = Min(hnsw_wide_size(index, record), index->space.encoded_size);

		where = hnsw_wide_where(index, record);
		nblocks = HNSW_WIDE_ITEM(size) ? 0 : value_pages_of(size);
		if (HNSW_WIDE_ITEM(size))
			memcpy(&value, where, sizeof(value));
	}
	memcpy(blocks, where, nblocks * sizeof(BlockNumber));
	UnlockReleaseBuffer(buffer);
	if (ItemPointerIsValid(&upper))
		free_item(index, vertex, upper, false);
	if (ItemPointerIsValid(&value))
		free_item(index, vertex, value, true);
	while (done < nblocks)
	{
		CHECK_FOR_INTERRUPTS();
		done = free_value_pages(index, vertex, blocks, nblocks, done);
	}
}

/* Is the slot that of a deleted vertex which nobody can be about to link to? */
static bool
is_freeable(HnswVertex record, uint64 horizon)
{
	const uint8 flags = HNSW_VERTEX_DELETED | HNSW_VERTEX_UNLINKED | HNSW_VERTEX_FREE;

	return (record->flags & flags) == HNSW_VERTEX_DELETED &&
		   hnsw_vertex_deleted(record)->xid <= horizon;
}

/*
 * Frees the slots of a page in one change and puts the page into the chain.
 * The links stay, for searches that have come across the vertex before.
 */
static void
free_page_slots(HnswIndex *index, BlockNumber blkno, uint64 horizon)
{
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	Buffer buffer = recent_read(index->relation, blkno);
	BlockNumber insert_block;
	PageChange change;
	Page meta_page;
	Page page;

	page_lock_two(meta_buffer, BUFFER_LOCK_EXCLUSIVE, buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	meta_page = page_change_page(&change, meta_buffer, false);
	insert_block = ((HnswMeta *) PageGetContents(meta_page))->insert_block;
	((HnswMeta *) PageGetContents(meta_page))->routing_version++;
	page = page_change_page(&change, buffer, false);
	for (int slot = 0; slot < page_slots(page, index->meta.slots_per_page); slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);

		if (!is_freeable(record, horizon))
			continue;
		record->flags = HNSW_VERTEX_FREE;
		record->version = record->version == PG_UINT16_MAX ? 1 : record->version + 1;
		memset(record->tids, 0, sizeof(record->tids));
	}
	if ((PageGetSpecial(page)->flags & PAGE_CHAINED) == 0 && insert_block != blkno)
		chain_page(meta_page, page, blkno);
	page_change_finish(&change);
}

/*
 * Frees the deleted vertices of a slot page that remember a transaction id not
 * after the horizon, and puts the page into the chain if it has free slots.
 * Lowers *oldest_left to the oldest transaction id that the others remember
 * (0: none).
 */
void
hnsw_free_slots(HnswIndex *index, BlockNumber blkno, uint64 horizon, uint64 *oldest_left)
{
	Buffer buffer = recent_read(index->relation, blkno);
	Page page = BufferGetPage(buffer);
	bool *freeable = palloc0(index->meta.slots_per_page * sizeof(bool));
	bool any = false;
	int nslots;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	nslots = page_is(page, PAGE_SLOTS) ? page_slots(page, index->meta.slots_per_page) : 0;
	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);

		freeable[slot] = is_freeable(record, horizon);
		any |= freeable[slot];
		if ((record->flags & HNSW_VERTEX_FREE) != 0)
			any |= (PageGetSpecial(page)->flags & PAGE_CHAINED) == 0;
		else if ((record->flags & HNSW_VERTEX_DELETED) != 0 && !freeable[slot] &&
				 (*oldest_left == 0 || hnsw_vertex_deleted(record)->xid < *oldest_left))
			*oldest_left = hnsw_vertex_deleted(record)->xid;
	}
	UnlockReleaseBuffer(buffer);
	for (int slot = 0; slot < nslots; slot++)
	{
		if (freeable[slot])
			free_belongings(index, blkno * index->meta.slots_per_page + slot);
	}
	if (any)
		free_page_slots(index, blkno, horizon);
	pfree(freeable);
}
