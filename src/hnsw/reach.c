/*-------------------------------------------------------------------------
 *
 * reach.c
 *	  Making every live vertex reachable after a repair.
 *
 * When a region is deleted, what is left in it may link only to each other.  A
 * walk over layer 0 from the entry point finds such vertices; each gets a link
 * from the nearest vertex reached that has room, and the walk goes on from it.
 *
 * The walk goes over the pages in their order again and again, each time
 * expanding the vertices reached meanwhile, so that it reads sequentially; in a
 * small world a few rounds do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/repair.h"
#include "storage/recent.h"

/* Attaching may take a link from a vertex that had no other: then all again */
#define MAX_REACH_ROUNDS 3

typedef struct Reach
{
	Repair *repair;
	BlockNumber nblocks; /* when the walk began */
	uint8 *reached;		 /* a bit a vertex */
	uint8 *todo;		 /* reached and not expanded yet */
	BlockNumber first;	 /* blocks with such vertices lie between these */
	BlockNumber last;
	bool displaced; /* some link gave way to another */
} Reach;

static inline bool
get_bit(const uint8 *bits, uint32 i)
{
	return (bits[i / BITS_PER_BYTE] & (1 << (i % BITS_PER_BYTE))) != 0;
}

static inline void
set_bit(uint8 *bits, uint32 i)
{
	bits[i / BITS_PER_BYTE] |= 1 << (i % BITS_PER_BYTE);
}

static inline void
clear_bit(uint8 *bits, uint32 i)
{
	bits[i / BITS_PER_BYTE] &= ~(1 << (i % BITS_PER_BYTE));
}

/* Marks a vertex reached, to be expanded.  Those on pages added later are left out. */
static void
mark_reached(Reach *reach, uint32 vertex)
{
	BlockNumber blkno = hnsw_block(reach->repair->index, vertex);

	if (blkno >= reach->nblocks || get_bit(reach->reached, vertex))
		return;
	set_bit(reach->reached, vertex);
	set_bit(reach->todo, vertex);
	reach->first = Min(reach->first, blkno);
	reach->last = Max(reach->last, blkno);
}

static bool
has_todo(const Reach *reach, BlockNumber blkno)
{
	uint32 slots = reach->repair->index->meta.slots_per_page;

	for (uint32 slot = 0; slot < slots; slot++)
	{
		if (get_bit(reach->todo, blkno * slots + slot))
			return true;
	}
	return false;
}

/* Expands the vertices of a page that are to be; they may lead to others on it. */
static void
expand_page(Reach *reach, BlockNumber blkno)
{
	HnswIndex *index = reach->repair->index;
	uint32 slots = index->meta.slots_per_page;
	Buffer buffer = repair_read_page(reach->repair, blkno);
	PGAlignedBlock copy;
	uint32 nslots;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	nslots = page_is(copy.data, PAGE_SLOTS) ? page_slots(copy.data, slots) : 0;
	for (uint32 slot = 0; slot < slots; slot++)
	{
		uint32 vertex = blkno * slots + slot;
		HnswVertex record = hnsw_page_vertex(index, copy.data, vertex);

		if (!get_bit(reach->todo, vertex))
			continue;
		clear_bit(reach->todo, vertex);
		if (slot >= nslots)
			continue;
		hnsw_check_vertex(index, record, vertex);
		for (int i = 0; i < record->nlinks; i++)
			mark_reached(reach, hnsw_vertex_links(index, record)[i]);
	}
}

/* Walks on until nothing is left to expand. */
static void
walk(Reach *reach)
{
	while (reach->first <= reach->last)
	{
		BlockNumber first = reach->first;
		BlockNumber last = reach->last;

		reach->first = InvalidBlockNumber;
		reach->last = 0;
		for (BlockNumber blkno = first; blkno <= last; blkno++)
		{
			while (has_todo(reach, blkno))
				expand_page(reach, blkno);
		}
	}
}

/* An insert may have linked to the vertex since it was found unreachable. */
static bool
links_to(HnswIndex *index, HnswVertex record, uint32 vertex)
{
	for (int i = 0; i < record->nlinks; i++)
	{
		if (hnsw_vertex_links(index, record)[i] == vertex)
			return true;
	}
	return false;
}

/*
 * Makes `from` link to the vertex in layer 0, if it has room or `force`: then
 * in place of its last link.  Returns whether it does.
 */
static bool
add_link(Reach *reach, uint32 from, uint32 vertex, bool force)
{
	HnswIndex *index = reach->repair->index;
	int limit = HNSW_LAYER_LINKS(index->meta.m, 0);
	PageChange change;
	Buffer buffer;
	HnswVertex record = hnsw_pin_vertex(index, from, BUFFER_LOCK_EXCLUSIVE, &buffer);
	bool linked;

	linked = links_to(index, record, vertex);
	if (linked || (record->nlinks == limit && !force))
	{
		UnlockReleaseBuffer(buffer);
		return linked;
	}
	page_change_begin(&change, index->relation, false);
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), from);
	if (record->nlinks == limit)
	{
		record->nlinks--;
		reach->displaced = true;
	}
	hnsw_vertex_links(index, record)[record->nlinks++] = vertex;
	page_change_finish(&change);
	return true;
}

/* Leaves of the candidates those that have been reached. */
static void
keep_reached(Reach *reach, Candidates *candidates)
{
	int n = 0;

	for (int i = 0; i < candidates->n; i++)
	{
		uint32 vertex = candidates->vertices[i];

		if (hnsw_block(reach->repair->index, vertex) < reach->nblocks &&
			get_bit(reach->reached, vertex))
			candidates->vertices[n++] = vertex;
	}
	candidates->n = n;
}

/*
 * Attaches a vertex that was not reached to the nearest one that was and has
 * room.  The layers above may lead to others near it that were not reached
 * either; then a search that stays in layer 0 finds some that were.
 */
static void
attach(Reach *reach, uint32 vertex)
{
	Repair *repair = reach->repair;
	MemoryContext old = MemoryContextSwitchTo(repair->step);
	Candidates candidates;
	bool done = false;

	CHECK_FOR_INTERRUPTS();
	repair_set_query(repair, vertex);
	repair_search(repair, vertex, repair->index->meta.entry_level, 0, &candidates);
	keep_reached(reach, &candidates);
	if (candidates.n == 0)
	{
		repair_search(repair, vertex, 0, 0, &candidates);
		keep_reached(reach, &candidates);
	}
	for (int i = 0; i < candidates.n && !done; i++)
		done = add_link(reach, candidates.vertices[i], vertex, false);
	if (!done && candidates.n > 0)
		add_link(reach, candidates.vertices[0], vertex, true);
	MemoryContextSwitchTo(old);
	MemoryContextReset(repair->step);
	mark_reached(reach, vertex);
}

/* Attaches the live vertices of a page that were not reached. */
static void
attach_page(Reach *reach, BlockNumber blkno)
{
	HnswIndex *index = reach->repair->index;
	const uint8 flags = HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE | HNSW_VERTEX_UNLINKED;
	int capacity = index->meta.slots_per_page;
	Buffer buffer = repair_read_page(reach->repair, blkno);
	PGAlignedBlock copy;
	int nslots;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	nslots = page_is(copy.data, PAGE_SLOTS) ? page_slots(copy.data, capacity) : 0;
	for (int slot = 0; slot < nslots; slot++)
	{
		uint32 vertex = blkno * capacity + slot;
		HnswVertex record = hnsw_page_vertex(index, copy.data, vertex);

		if ((record->flags & flags) != 0 || get_bit(reach->reached, vertex))
			continue;
		attach(reach, vertex);
		walk(reach);
	}
}

/*
 * Attaches what cannot be reached from the entry point.  Two bits a vertex are
 * kept; when they do not fit maintenance_work_mem nothing is done, and scans
 * find what is not reachable in their last stage only.  A vertex that is being
 * inserted may look unreachable and be attached too, which does no harm.
 */
void
reach_all(Repair *repair)
{
	HnswIndex *index = repair->index;
	Reach reach = {.repair = repair};
	Size size;

	reach.nblocks = RelationGetNumberOfBlocks(index->relation);
	size = (Size) reach.nblocks * index->meta.slots_per_page / BITS_PER_BYTE + 1;
	hnsw_read_meta(index);
	if (2 * size > (Size) maintenance_work_mem * 1024 || index->meta.entry == HNSW_NO_VERTEX)
		return;
	reach.reached = palloc_extended(size, MCXT_ALLOC_HUGE);
	reach.todo = palloc_extended(size, MCXT_ALLOC_HUGE);
	reach.displaced = true;
	for (int round = 0; reach.displaced && round < MAX_REACH_ROUNDS; round++)
	{
		memset(reach.reached, 0, size);
		memset(reach.todo, 0, size);
		reach.displaced = false;
		reach.first = InvalidBlockNumber;
		reach.last = 0;
		mark_reached(&reach, index->meta.entry);
		walk(&reach);
		for (BlockNumber blkno = META_BLOCK + 1; blkno < reach.nblocks; blkno++)
			attach_page(&reach, blkno);
	}
	pfree(reach.reached);
	pfree(reach.todo);
}
