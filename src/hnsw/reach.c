/*-------------------------------------------------------------------------
 *
 * reach.c
 *	  Making every live vertex reachable after a repair.
 *
 * When a region is deleted, what is left in it may link only to each other.  A
 * walk over layer 0 from the entry point finds such vertices; each gets a link
 * from the nearest vertex reached that has room or a link to spare, which
 * becomes its anchor, and the walk goes on from it.
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

/*
 * A link that gives way may have been the only way to its vertex, when that is
 * its anchor's only way too: then all again.
 */
#define MAX_REACH_ROUNDS 10

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

/* A vertex on a page added later is in the graph of a merge, which is reached. */
static bool
is_reached(const Reach *reach, uint32 vertex)
{
	return hnsw_block(reach->repair->index, vertex) >= reach->nblocks ||
		   get_bit(reach->reached, vertex);
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
	PGAlignedBlock copy;
	uint32 nslots;

	repair_copy_page(reach->repair, blkno, &copy);
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

/* Does a vertex stay reachable without the link from `from`, by that from its anchor? */
static bool
is_held(Reach *reach, uint32 vertex, uint32 from)
{
	HnswSearch *search = &reach->repair->search;
	uint32 anchor = hnsw_anchor_of(reach->repair->index, vertex);

	return anchor != from && anchor != HNSW_NO_VERTEX && is_reached(reach, anchor) &&
		   hnsw_contains(search->links, hnsw_read_links(search, anchor, 0), vertex);
}

/*
 * The last of n links of `from` that may give way: not that to its anchor, and
 * to a vertex that does not depend on it.  -1: there is none.
 */
static int
find_displaceable(Reach *reach, uint32 from, const uint32 *links, int n)
{
	for (int i = n - 1; i > 0; i--)
	{
		if (is_held(reach, links[i], from))
			return i;
	}
	return -1;
}

/*
 * Makes `from` link to the vertex in layer 0, if it has room or a link that may
 * give way.  Returns whether it does; not if its list is being changed.
 */
static bool
add_link(Reach *reach, uint32 from, uint32 vertex)
{
	Repair *repair = reach->repair;
	HnswIndex *index = repair->index;
	int limit = HNSW_LAYER_LINKS(index->meta.m, 0);
	int n = hnsw_read_links(&repair->search, from, 0);
	int place = n;
	uint32 seen[HNSW_MAX_LINKS];
	PageChange change;
	Buffer buffer;
	HnswVertex record;

	memcpy(seen, repair->search.links, n * sizeof(uint32));
	if (hnsw_contains(seen, n, vertex))
		return true;
	if (n == limit && (place = find_displaceable(reach, from, seen, n)) < 0)
		return false;
	record = hnsw_pin_vertex(index, from, BUFFER_LOCK_EXCLUSIVE, &buffer);
	if (record->nlinks != n ||
		memcmp(hnsw_vertex_links(index, record), seen, n * sizeof(uint32)) != 0)
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}
	page_change_begin(&change, index->relation, false);
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), from);
	hnsw_vertex_links(index, record)[place] = vertex;
	hnsw_forget_code(record, place);
	record->nlinks = Max(n, place + 1);
	page_change_finish(&change);
	reach->displaced |= place < n;
	return true;
}

/*
 * Makes `anchor`, which links to the vertex, its anchor.  In a full list it
 * takes the place of the last link to a vertex whose anchor this one is not.
 */
static void
give_anchor(Reach *reach, uint32 vertex, uint32 anchor)
{
	HnswIndex *index = reach->repair->index;
	uint32 *seen = reach->repair->search.links;
	int n = hnsw_read_links(&reach->repair->search, vertex, 0);
	int place = 0;
	PageChange change;
	Buffer buffer;
	HnswVertex record;
	uint32 *links;

	while (place < n && seen[place] != anchor)
		place++;
	if (place == HNSW_LAYER_LINKS(index->meta.m, 0))
	{
		while (--place > 0 && hnsw_anchor_of(index, seen[place]) == vertex)
			continue;
	}
	record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_EXCLUSIVE, &buffer);
	links = hnsw_vertex_links(index, record);
	if (record->nlinks != n || memcmp(links, seen, n * sizeof(uint32)) != 0)
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	page_change_begin(&change, index->relation, false);
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), vertex);
	links = hnsw_vertex_links(index, record);
	links[place] = links[0];
	links[0] = anchor;
	hnsw_forget_code(record, place);
	hnsw_forget_code(record, 0);
	record->nlinks = Max(n, place + 1);
	page_change_finish(&change);
}

/* Attaches a vertex to the nearest candidate that was reached and can take a link. */
static bool
attach_to(Reach *reach, uint32 vertex, const HnswCandidates *candidates)
{
	for (int i = 0; i < candidates->n; i++)
	{
		uint32 from = candidates->vertices[i];

		if (!is_reached(reach, from) || !add_link(reach, from, vertex))
			continue;
		give_anchor(reach, vertex, from);
		return true;
	}
	return false;
}

/*
 * Attaches a vertex that was not reached.  A search that comes from the layers
 * above may find only vertices that were not reached either; then it begins in
 * layer 0, and looks ever farther until a vertex can take the link.
 */
static void
attach(Reach *reach, uint32 vertex)
{
	Repair *repair = reach->repair;
	HnswSearch *search = &repair->search;
	int ef = HNSW_CANDIDATES(repair->index->meta.ef_construction);
	MemoryContext old = MemoryContextSwitchTo(repair->step);
	HnswCandidates candidates;
	bool done;
	bool all = false;

	CHECK_FOR_INTERRUPTS();
	repair_set_query(repair, vertex);
	repair_search(repair, vertex, 0, &candidates);
	done = attach_to(reach, vertex, &candidates);
	for (; !done && !all; ef *= 4)
	{
		hnsw_search_start(search, search->query, ef);
		hnsw_search_layer(search, 0, ef);
		all = repair_collect(repair, vertex, 0, &candidates);
		done = attach_to(reach, vertex, &candidates);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(repair->step);
	if (done)
		mark_reached(reach, vertex);
}

/* Attaches the live vertices of a page that were not reached. */
static void
attach_page(Reach *reach, BlockNumber blkno)
{
	HnswIndex *index = reach->repair->index;
	const uint8 flags = HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE | HNSW_VERTEX_UNLINKED;
	int capacity = index->meta.slots_per_page;
	PGAlignedBlock copy;
	int nslots;

	repair_copy_page(reach->repair, blkno, &copy);
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
