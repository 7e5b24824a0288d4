/*-------------------------------------------------------------------------
 *
 * repair.c
 *	  Taking deleted vertices out of the graph of an hnsw index.
 *
 * Every live vertex with links to deleted ones gets its links chosen anew from
 * its other neighbours and from the neighbours of the deleted ones, by the
 * heuristic that chose them first.  When no live vertex links to the deleted
 * ones any more, those that no insert can be about to link to are freed
 * (recycle.c).  README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/memutils.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/*
 * How often links are chosen again because an insert has changed the list in
 * between; then deleted vertices are merely left out of it.
 */
#define MAX_REPAIR_TRIES 4

/* Of memory that is to grow */
#define MIN_BLOCKS 64

typedef struct BlockList
{
	BlockNumber *blocks;
	uint32 n;
	uint32 capacity;
} BlockList;

typedef struct Repair
{
	HnswIndex *index;
	BufferAccessStrategy strategy;
	BlockNumber first; /* the vertices of these blocks are dealt with at a time */
	BlockNumber end;
	uint8 *dead;		  /* of those, a bit each: deleted when the pass began */
	BlockList slot_pages; /* among these blocks, with deleted vertices or with free
						   * slots and not in the chain */
	BlockList item_pages;

	HnswSearch search; /* for keys, and when the neighbourhood has not enough */
	GraphDistance distance;
	void *query;		/* query form of the vertex at hand ... */
	void *scratch;		/* ... and of a candidate */
	MemoryContext step; /* reset after every list */
} Repair;

static inline bool
is_dead(const Repair *repair, uint32 vertex)
{
	uint32 slots = repair->index->meta.slots_per_page;
	uint32 base = repair->first * slots;
	uint32 bit = vertex - base;

	return vertex >= base && bit < (repair->end - repair->first) * slots &&
		   (repair->dead[bit / BITS_PER_BYTE] & (1 << (bit % BITS_PER_BYTE))) != 0;
}

static bool
has_dead(const Repair *repair, const uint32 *links, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (is_dead(repair, links[i]))
			return true;
	}
	return false;
}

/* Copies the links that are not to deleted vertices; returns their number. */
static int
copy_live(const Repair *repair, const uint32 *links, int n, uint32 *live)
{
	int nlive = 0;

	for (int i = 0; i < n; i++)
	{
		if (!is_dead(repair, links[i]))
			live[nlive++] = links[i];
	}
	return nlive;
}

static Buffer
read_page(Repair *repair, BlockNumber blkno)
{
	vacuum_delay_point_compat();
	return ReadBufferExtended(repair->index->relation, MAIN_FORKNUM, blkno, RBM_NORMAL,
							  repair->strategy);
}

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
		Buffer buffer = read_page(repair, blkno);
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
find_highest(Repair *repair, int *level)
{
	HnswIndex *index = repair->index;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);
	const uint8 flags = HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE | HNSW_VERTEX_UNLINKED;
	uint32 highest = HNSW_NO_VERTEX;

	*level = 0;
	for (BlockNumber blkno = META_BLOCK + 1; blkno < nblocks; blkno++)
	{
		Buffer buffer = read_page(repair, blkno);
		Page page = BufferGetPage(buffer);
		int nslots;

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
 * Gives the index another entry point if the present one is deleted.  Nothing
 * but vacuum deletes, so the one found stays live; an insert may have put
 * another one in place meanwhile.
 */
static void
replace_entry(Repair *repair)
{
	HnswIndex *index = repair->index;
	Buffer buffer;
	HnswMeta *meta;
	PageChange change;
	uint32 highest;
	int level;

	hnsw_read_meta(index);
	if (index->meta.entry == HNSW_NO_VERTEX || !is_dead(repair, index->meta.entry))
		return;
	highest = find_highest(repair, &level);
	buffer = recent_read(index->relation, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) PageGetContents(BufferGetPage(buffer));
	if (meta->entry == HNSW_NO_VERTEX || !is_dead(repair, meta->entry))
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	page_change_begin(&change, index->relation, false);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	meta->entry = highest;
	meta->entry_level = level;
	index->meta = *meta;
	page_change_finish(&change);
}

/* Candidates for the links of a vertex in a layer */
typedef struct Candidates
{
	uint32 *vertices; /* ascending by key once ranked */
	float *keys;
	int n;
} Candidates;

/*
 * The neighbours that are left, and the neighbours of those that are deleted,
 * without the vertex itself, each once.  Returns how many of them, in front,
 * are neighbours.
 */
static int
gather(Repair *repair, uint32 vertex, int layer, const uint32 *links, int nlinks,
	   Candidates *candidates)
{
	HnswSearch *search = &repair->search;
	int limit = HNSW_LAYER_LINKS(repair->index->meta.m, layer);
	int nlive;

	candidates->vertices = palloc(sizeof(uint32) * ((Size) limit * nlinks + nlinks));
	nlive = copy_live(repair, links, nlinks, candidates->vertices);
	candidates->n = nlive;
	hnsw_search_forget(search, (limit + 1) * nlinks + 1);
	visited_add(&search->visited, vertex);
	for (int i = 0; i < nlive; i++)
		visited_add(&search->visited, candidates->vertices[i]);
	for (int i = 0; i < nlinks; i++)
	{
		int n;

		if (!is_dead(repair, links[i]))
			continue;
		n = hnsw_read_links(search, links[i], layer);
		for (int j = 0; j < n; j++)
		{
			if (!is_dead(repair, search->links[j]) &&
				visited_add(&search->visited, search->links[j]))
				candidates->vertices[candidates->n++] = search->links[j];
		}
	}
	return nlive;
}

/*
 * Scores the candidates and keeps the nearest of them that may be linked to.
 * The first nlive need not be looked at: they are linked to.
 */
static void
rank(Repair *repair, int layer, Candidates *candidates, int nlive)
{
	HnswSearch *search = &repair->search;
	uint32 *found = candidates->vertices;
	Pool *pool = &search->pool;
	PoolEntry dropped;
	int n = 0;

	hnsw_search_set_ef(search, HNSW_CANDIDATES(repair->index->meta.ef_construction));
	for (int done = 0; done < candidates->n; done += HNSW_MAX_LINKS)
	{
		int batch = Min(candidates->n - done, HNSW_MAX_LINKS);

		hnsw_score(search, found + done, batch);
		for (int i = 0; i < batch; i++)
		{
			if (search->keys[i] == search->keys[i])
				pool_insert(pool, search->keys[i], done + i, &dropped);
		}
	}
	candidates->vertices = palloc(sizeof(uint32) * Max(pool->size, 1));
	candidates->keys = palloc(sizeof(float) * Max(pool->size, 1));
	for (int i = 0; i < pool->size; i++)
	{
		uint32 place = pool->entries[i].id;

		if (place >= (uint32) nlive && !hnsw_is_linkable(repair->index, found[place], layer))
			continue;
		candidates->vertices[n] = found[place];
		candidates->keys[n++] = pool->entries[i].key;
	}
	candidates->n = n;
}

/*
 * Candidates by an ordinary search, for a vertex whose neighbourhood is gone.
 * Where all that is near is deleted, it looks farther.
 */
static void
search_candidates(Repair *repair, uint32 vertex, int layer, Candidates *candidates)
{
	HnswIndex *index = repair->index;
	HnswSearch *search = &repair->search;
	int ef = HNSW_CANDIDATES(index->meta.ef_construction);

	candidates->n = 0;
	for (;; ef *= 2)
	{
		Pool *pool = &search->pool;

		hnsw_search_start(search, search->query, ef);
		for (int above = index->meta.entry_level; above >= layer; above--)
		{
			hnsw_search_layer(search, above, above > layer ? 1 : ef);
			hnsw_search_restart(search);
		}
		candidates->vertices = palloc(sizeof(uint32) * ef);
		candidates->keys = palloc_extended(sizeof(float) * ef, MCXT_ALLOC_HUGE);
		for (int i = 0; i < pool->size; i++)
		{
			uint32 found = POOL_ID(pool->entries[i]);

			if (found == vertex || !hnsw_is_linkable(index, found, layer))
				continue;
			candidates->vertices[candidates->n] = found;
			candidates->keys[candidates->n++] = pool->entries[i].key;
		}
		if (candidates->n > 0 || pool->size < ef)
			return;
	}
}

/*
 * Chooses the links of a vertex in a layer anew; `chosen` has room for the
 * layer's limit.  Returns their number.
 */
static int
choose_links(Repair *repair, uint32 vertex, int layer, const uint32 *links, int nlinks,
			 uint32 *chosen)
{
	HnswIndex *index = repair->index;
	MemoryContext old = MemoryContextSwitchTo(repair->step);
	int most = Max(nlinks, HNSW_SELECTED_LINKS(index->meta.m, layer));
	const void **value = hnsw_copy_values(index, &vertex, 1);
	Candidates candidates;
	const void **values;
	int *kept;
	int nkept;
	int nlive;

	CHECK_FOR_INTERRUPTS();
	repair->search.query = space_prepare_query(&index->space.context, value[0], repair->query);
	nlive = gather(repair, vertex, layer, links, nlinks, &candidates);
	rank(repair, layer, &candidates, nlive);
	if (candidates.n < (nlinks + 1) / 2)
		search_candidates(repair, vertex, layer, &candidates);
	values = hnsw_copy_values(index, candidates.vertices, candidates.n);
	kept = palloc(sizeof(int) * Max(most, 1));
	nkept = graph_select_neighbors(&repair->distance, values, candidates.keys, candidates.n, most,
								   true, repair->scratch, kept, &repair->search.distances);
	for (int i = 0; i < nkept; i++)
		chosen[i] = candidates.vertices[kept[i]];
	MemoryContextSwitchTo(old);
	MemoryContextReset(repair->step);
	return nkept;
}

/*
 * Repairs the links of a vertex in a layer above 0.  They are chosen without a
 * lock and written if the list is still the one they were chosen for.
 */
static void
repair_upper_list(Repair *repair, uint32 vertex, ItemPointerData item, int layer)
{
	HnswIndex *index = repair->index;
	uint32 seen[HNSW_MAX_M];
	uint32 chosen[HNSW_MAX_M];
	int nseen = -1;
	int nchosen = 0;

	for (int tries = 0;; tries++)
	{
		Buffer buffer;
		HnswUpper upper = hnsw_pin_upper(index, &item, BUFFER_LOCK_EXCLUSIVE, &buffer);
		uint32 *links;
		int n;

		if (upper == NULL)
			hnsw_report_bad_item(index, &item);
		if (layer > upper->level)
			hnsw_report_bad_item(index, &item);
		links = HNSW_UPPER_LINKS(upper, index->meta.m, layer);
		n = Min(upper->counts[layer - 1], index->meta.m);
		if (!has_dead(repair, links, n))
		{
			UnlockReleaseBuffer(buffer);
			return;
		}
		if (tries >= MAX_REPAIR_TRIES)
			nchosen = copy_live(repair, links, n, chosen);
		else if (n != nseen || memcmp(links, seen, n * sizeof(uint32)) != 0)
			nchosen = -1;
		if (nchosen >= 0)
		{
			PageChange change;
			Page page;

			page_change_begin(&change, index->relation, false);
			page = page_change_page(&change, buffer, false);
			upper = (HnswUpper) PageGetItem(page,
											PageGetItemId(page, ItemPointerGetOffsetNumber(&item)));
			memcpy(HNSW_UPPER_LINKS(upper, index->meta.m, layer), chosen, nchosen * sizeof(uint32));
			upper->counts[layer - 1] = nchosen;
			page_change_finish(&change);
			return;
		}
		memcpy(seen, links, n * sizeof(uint32));
		nseen = n;
		UnlockReleaseBuffer(buffer);
		nchosen = choose_links(repair, vertex, layer, seen, nseen, chosen);
	}
}

/* Links chosen for one vertex of a page */
typedef struct LinkPlan
{
	int n; /* -1: they stay as they are */
	uint32 *links;
} LinkPlan;

/* Chooses links for the vertices of a page, by a copy of it.  False: all may stay. */
static bool
plan_page(Repair *repair, Page copy, BlockNumber blkno, LinkPlan *plans)
{
	HnswIndex *index = repair->index;
	int capacity = index->meta.slots_per_page;
	int nslots = page_is(copy, PAGE_SLOTS) ? page_slots(copy, capacity) : 0;
	bool any = false;

	for (int slot = 0; slot < capacity; slot++)
		plans[slot].n = -1;
	for (int slot = 0; slot < nslots; slot++)
	{
		uint32 vertex = blkno * capacity + slot;
		HnswVertex record = hnsw_page_vertex(index, copy, vertex);
		uint32 *links = hnsw_vertex_links(index, record);

		hnsw_check_vertex(index, record, vertex);
		if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0 ||
			!has_dead(repair, links, record->nlinks))
			continue;
		plans[slot].n = choose_links(repair, vertex, 0, links, record->nlinks, plans[slot].links);
		any = true;
	}
	return any;
}

static bool
same_links(HnswIndex *index, HnswVertex a, HnswVertex b)
{
	return a->version == b->version && a->nlinks == b->nlinks &&
		   memcmp(hnsw_vertex_links(index, a), hnsw_vertex_links(index, b),
				  a->nlinks * sizeof(uint32)) == 0;
}

/*
 * Writes the planned links as one change, for vertices whose links are still
 * those of the copy; to the others, if `force`, those of their links that are
 * not to deleted vertices.  False: some vertex had changed.
 */
static bool
apply_plans(Repair *repair, Page copy, Buffer buffer, const LinkPlan *plans, bool force)
{
	HnswIndex *index = repair->index;
	BlockNumber blkno = BufferGetBlockNumber(buffer);
	bool done = true;
	PageChange change;
	Page page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, buffer, false);
	for (int slot = 0; slot < index->meta.slots_per_page; slot++)
	{
		uint32 vertex = blkno * index->meta.slots_per_page + slot;
		HnswVertex record = hnsw_page_vertex(index, page, vertex);
		uint32 *links = hnsw_vertex_links(index, record);

		if (plans[slot].n < 0)
			continue;
		if (same_links(index, record, hnsw_page_vertex(index, copy, vertex)))
		{
			memcpy(links, plans[slot].links, plans[slot].n * sizeof(uint32));
			record->nlinks = plans[slot].n;
		}
		else if (force)
			record->nlinks = copy_live(repair, links, record->nlinks, links);
		else
			done = false;
	}
	page_change_finish(&change);
	return done;
}

/* Repairs the links above layer 0 of the vertices of a page. */
static void
repair_upper_links(Repair *repair, Page copy, BlockNumber blkno)
{
	HnswIndex *index = repair->index;
	int capacity = index->meta.slots_per_page;
	int nslots = page_is(copy, PAGE_SLOTS) ? page_slots(copy, capacity) : 0;

	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(copy, index->meta.slot_size, slot);

		hnsw_check_vertex(index, record, blkno * capacity + slot);
		if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0 ||
			!ItemPointerIsValid(&record->upper))
			continue;
		for (int layer = 1; layer <= record->level; layer++)
			repair_upper_list(repair, blkno * capacity + slot, record->upper, layer);
	}
}

/* Repairs the links of all vertices of a page. */
static void
repair_page(Repair *repair, BlockNumber blkno, LinkPlan *plans)
{
	PGAlignedBlock copy;
	bool done = false;

	for (int tries = 0; !done; tries++)
	{
		Buffer buffer = read_page(repair, blkno);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (tries == 0)
			repair_upper_links(repair, copy.data, blkno);
		if (plan_page(repair, copy.data, blkno, plans))
			done = apply_plans(repair, copy.data, buffer, plans, tries >= MAX_REPAIR_TRIES);
		else
		{
			ReleaseBuffer(buffer);
			done = true;
		}
	}
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
		replace_entry(repair);
		for (BlockNumber blkno = META_BLOCK + 1; blkno < nblocks; blkno++)
			repair_page(repair, blkno, plans);
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

/* Sets HnswMeta.deleted_since. */
void
hnsw_set_deleted_since(HnswIndex *index, uint64 xid)
{
	Buffer buffer = recent_read(index->relation, META_BLOCK);
	HnswMeta *meta;
	PageChange change;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	meta->deleted_since = xid;
	index->meta = *meta;
	page_change_finish(&change);
}

static void
repair_init(Repair *repair, HnswIndex *index, BufferAccessStrategy strategy)
{
	Size query_size = Max(index->space.query_size, 1);

	memset(repair, 0, sizeof(*repair));
	repair->index = index;
	repair->strategy = strategy;
	hnsw_search_init(&repair->search, index, CurrentMemoryContext, index->meta.ef_construction,
					 HNSW_SEARCH_LINKS);
	hnsw_graph_distance(&repair->distance, &index->space);
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
 */
void
hnsw_vacuum_graph(HnswIndex *index, BufferAccessStrategy strategy, bool deleted_now)
{
	uint64 bits = (uint64) maintenance_work_mem * 1024 * BITS_PER_BYTE;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);
	uint64 oldest_left = 0;
	BlockNumber part;
	Repair repair;
	LinkPlan *plans;

	if (index->meta.deleted_since == 0 || index->meta.slots_per_page == 0 ||
		(!deleted_now && index->meta.deleted_since > oldest_running_xid()))
		return;
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
	if (oldest_left != index->meta.deleted_since)
		hnsw_set_deleted_since(index, oldest_left);
}
