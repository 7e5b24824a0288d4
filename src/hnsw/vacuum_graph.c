/*-------------------------------------------------------------------------
 *
 * vacuum_graph.c
 *	  Taking deleted vertices out of the graph of an hnsw index.
 *
 * Finds them, sees to it that no live vertex links to them any more (repair.c)
 * and that every live one is still reachable (reach.c), and frees those that no
 * insert can be about to link to (recycle.c).  README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/memutils.h"

#include "hnsw/repair.h"
#include "storage/recent.h"

#define MIN_BLOCKS 64

static void
add_block(BlockList *list, BlockNumber blkno)
{
	if (list->n == list->capacity)
	{
		list->capacity = Max(MIN_BLOCKS, list->capacity * 2);
		if (list->blocks == NULL)
			list->blocks = palloc(list->capacity * sizeof(BlockNumber));
		else
			list->blocks = repalloc_huge(list->blocks, list->capacity * sizeof(BlockNumber));
	}
	list->blocks[list->n++] = blkno;
}

/* Notes which vertices of a slot page are deleted.  Is there anything to free? */
static bool
find_dead_on_page(Repair *repair, Page page, BlockNumber blkno)
{
	int capacity = repair->index->meta.slots_per_page;
	int nslots = page_slots(page, capacity);
	bool chained = (PageGetSpecial(page)->flags & PAGE_CHAINED) != 0;
	bool any = false;

	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, repair->index->meta.slot_size, slot);
		uint32 bit = (blkno - repair->first) * capacity + slot;

		any |= (record->flags & HNSW_VERTEX_FREE) != 0 && !chained;
		if ((record->flags & HNSW_VERTEX_DELETED) == 0)
			continue;
		repair->dead[bit / BITS_PER_BYTE] |= 1 << (bit % BITS_PER_BYTE);
		any = true;
	}
	return any;
}

/* Notes which vertices of the blocks at hand are deleted. */
static void
find_dead(Repair *repair)
{
	uint64 nbits = (uint64) (repair->end - repair->first) * repair->index->meta.slots_per_page;

	repair->slot_pages.n = 0;
	repair->item_pages.n = 0;
	memset(repair->dead, 0, nbits / BITS_PER_BYTE + 1);
	for (BlockNumber blkno = repair->first; blkno < repair->end; blkno++)
	{
		Buffer buffer = repair_read_page(repair, blkno);
		Page page = BufferGetPage(buffer);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (page_is(page, PAGE_SLOTS) && find_dead_on_page(repair, page, blkno))
			add_block(&repair->slot_pages, blkno);
		else if (page_is(page, PAGE_ITEMS))
			add_block(&repair->item_pages, blkno);
		UnlockReleaseBuffer(buffer);
	}
}

/* The vertex of the highest level that is not deleted, or HNSW_NO_VERTEX. */
static uint32
find_highest(HnswIndex *index, int *level)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);
	const uint8 flags = HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE | HNSW_VERTEX_UNLINKED;
	uint32 highest = HNSW_NO_VERTEX;

	*level = 0;
	for (BlockNumber blkno = META_BLOCK + 1; blkno < nblocks; blkno++)
	{
		Buffer buffer = recent_read(index->relation, blkno);
		Page page = BufferGetPage(buffer);
		int nslots;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		nslots = page_is(page, PAGE_SLOTS) ? page_slots(page, index->meta.slots_per_page) : 0;
		for (int slot = 0; slot < nslots; slot++)
		{
			HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);

			if ((record->flags & flags) != 0 ||
				(highest != HNSW_NO_VERTEX && record->level <= *level))
				continue;
			highest = blkno * index->meta.slots_per_page + slot;
			*level = record->level;
		}
		UnlockReleaseBuffer(buffer);
	}
	return highest;
}

/*
 * Gives the index another entry point if the present one is deleted, or none
 * when there is no live vertex in the graph.  A merge may have put another one
 * in place meanwhile; index->meta is up to date afterwards.
 */
void
hnsw_replace_deleted_entry(HnswIndex *index)
{
	uint32 seen;
	uint32 highest;
	int level;
	Buffer buffer;
	HnswMeta *meta;
	PageChange change;

	hnsw_read_meta(index);
	seen = index->meta.entry;
	if (seen == HNSW_NO_VERTEX ||
		!hnsw_vertex_has(index, seen, HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE))
		return;
	highest = find_highest(index, &level);
	buffer = meta_lock(index->relation);
	meta = (HnswMeta *) PageGetContents(BufferGetPage(buffer));
	if (meta->entry != seen)
	{
		index->meta = *meta;
		UnlockReleaseBuffer(buffer);
		return;
	}
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	meta->entry = highest;
	meta->entry_level = level;
	index->meta = *meta;
	page_change_finish(&change);
}

/*
 * The oldest transaction that is running, or the next one.  Only transactions
 * with an id insert.
 */
static uint64
oldest_running_xid(void)
{
	TransactionId oldest = GetOldestActiveTransactionId();
	FullTransactionId next = ReadNextFullTransactionId();

	return U64FromFullTransactionId(next) - (XidFromFullTransactionId(next) - oldest);
}

/*
 * Takes the deleted vertices of the blocks at hand out of the graph and frees
 * what can be freed of them; *oldest_left as in hnsw_free_slots().
 */
static void
remove_dead(Repair *repair, LinkPlan *plans, uint64 *oldest_left)
{
	HnswIndex *index = repair->index;
	BlockNumber nblocks;
	uint64 horizon;

	find_dead(repair);
	if (repair->slot_pages.n > 0)
	{
		/* inserts that may have missed the marks: first the horizon, then their pages */
		horizon = oldest_running_xid();
		nblocks = RelationGetNumberOfBlocks(index->relation);
		hnsw_replace_deleted_entry(index);
		for (BlockNumber blkno = META_BLOCK + 1; blkno < nblocks; blkno++)
		{
			repair_page(repair, blkno, plans);
			if (repair_backs_full(repair))
				repair_link_back(repair);
		}
		repair_link_back(repair);
		reach_all(repair);
		for (uint32 i = 0; i < repair->slot_pages.n; i++)
		{
			vacuum_delay_point_compat();
			hnsw_free_slots(index, repair->slot_pages.blocks[i], horizon, oldest_left);
		}
	}
	for (uint32 i = 0; i < repair->item_pages.n; i++)
	{
		vacuum_delay_point_compat();
		hnsw_chain_item_page(index, repair->item_pages.blocks[i]);
	}
}

/* Sets HnswMeta.deleted_since, if it is `expected`; index->meta is up to date then. */
static void
replace_deleted_since(HnswIndex *index, uint64 expected, uint64 xid)
{
	Buffer buffer = recent_read(index->relation, META_BLOCK);
	HnswMeta *meta = (HnswMeta *) PageGetContents(BufferGetPage(buffer));
	PageChange change;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (meta->deleted_since != expected || expected == xid)
	{
		index->meta = *meta;
		UnlockReleaseBuffer(buffer);
		return;
	}
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	meta->deleted_since = xid;
	index->meta = *meta;
	page_change_finish(&change);
}

/*
 * Makes HnswMeta.deleted_since no later than xid: vertices that remember such a
 * one are about to be deleted, or have been.
 */
void
hnsw_note_deleted(HnswIndex *index, uint64 xid)
{
	for (;;)
	{
		uint64 since;

		hnsw_read_meta(index);
		since = index->meta.deleted_since;
		if (since != 0 && since <= xid)
			return;
		replace_deleted_since(index, since, xid);
	}
}

static void
repair_init(Repair *repair, HnswIndex *index, BufferAccessStrategy strategy)
{
	Size query_size = Max(hnsw_copy_query_size(index), 1);

	memset(repair, 0, sizeof(*repair));
	repair->index = index;
	repair->strategy = strategy;
	repair->context = CurrentMemoryContext;
	hnsw_search_init(&repair->search, index, CurrentMemoryContext, index->meta.ef_construction,
					 HNSW_SEARCH_LINKS);
	repair->query = palloc(query_size);
	repair->scratch = palloc(query_size);
	repair->step =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw repair", ALLOCSET_DEFAULT_SIZES);
}

static LinkPlan *
allocate_plans(HnswIndex *index)
{
	LinkPlan *plans = palloc(sizeof(LinkPlan) * index->meta.slots_per_page);

	for (int slot = 0; slot < index->meta.slots_per_page; slot++)
		plans[slot].links = palloc(sizeof(uint32) * HNSW_LAYER_LINKS(index->meta.m, 0));
	return plans;
}

/*
 * Repairs the graph around all deleted vertices and frees those that may be.
 * One bit a vertex is kept within maintenance_work_mem; a larger index is dealt
 * with in parts.  Does nothing if nothing was deleted, nor if all that is left
 * from former vacuums still waits for transactions to end.  deleted_now: this
 * vacuum has marked vertices.
 *
 * deleted_since is changed only if no merge has deleted a vertex meanwhile, which
 * this vacuum may have missed: those set it to HNSW_DELETED_BY_MERGE.
 */
void
hnsw_vacuum_graph(HnswIndex *index, BufferAccessStrategy strategy, bool deleted_now)
{
	uint64 bits = (uint64) maintenance_work_mem * 1024 * BITS_PER_BYTE;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);
	uint64 oldest_left = 0;
	uint64 started;
	BlockNumber part;
	Repair repair;
	LinkPlan *plans;

	if (index->meta.deleted_since == 0 || index->meta.slots_per_page == 0 ||
		(!deleted_now && index->meta.deleted_since > oldest_running_xid()))
		return;
	if (index->meta.deleted_since == HNSW_DELETED_BY_MERGE)
		replace_deleted_since(index, HNSW_DELETED_BY_MERGE, HNSW_DELETED_FOUND);
	started = index->meta.deleted_since;
	hnsw_note_uncoded(index);
	repair_init(&repair, index, strategy);
	plans = allocate_plans(index);
	part = (BlockNumber) Min(bits / index->meta.slots_per_page, nblocks);
	repair.dead = palloc_extended((uint64) part * index->meta.slots_per_page / BITS_PER_BYTE + 1,
								  MCXT_ALLOC_HUGE);
	for (BlockNumber first = META_BLOCK + 1; first < nblocks; first += part)
	{
		repair.first = first;
		repair.end = first + Min(part, nblocks - first);
		remove_dead(&repair, plans, &oldest_left);
	}
	replace_deleted_since(index, started, oldest_left);
}
