/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Best-first search over the pages of an hnsw index.
 *
 * Malkov and Yashunin, algorithm 2, with a sorted array as both candidate
 * list and result (pool.h).  Expanding a vertex takes one share lock, on its
 * own page, long enough to copy its links.  Its unvisited neighbours are then
 * prefetched a few ahead of being scored; scoring needs a pin and no lock,
 * since an encoded value never changes while its slot is in use (README,
 * "Locking").
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/entry_heap.h"
#include "hnsw/hnsw.h"
#include "storage/recent.h"

#define CACHE_LINE 64

/* Cache lines of values kept in flight while scoring */
#define PREFETCH_LINES 40

/* Ids the visited set starts with room for, per entry of the pool */
#define VISITED_PER_EF 24

#define MIN_LEFTOVER 1024

/* A resumed search by codes leaves over the last of what it finds, one in so many and one */
#define HELD_BACK 3

/*
 * Values scored together.  The kernels take four side by side, and a backend
 * finds its first eight pins without a hash table.
 */
#define SCORE_BATCH 4

static uint64 *
allocate_slots(HnswSearch *search, uint32 nslots)
{
	return MemoryContextAllocExtended(search->context, (Size) nslots * sizeof(uint64),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* Room for values that do not lie in their records, if there are such by now */
static void
make_value_room(HnswSearch *search)
{
	HnswIndex *index = search->index;

	if (search->value == NULL && (index->meta.value_pages > 0 || index->meta.has_wide))
		search->value =
			MemoryContextAlloc(search->context, SCORE_BATCH * index->space.encoded_size);
}

/*
 * Memory for a search of an index with a pool of about ef; it lives in
 * `context`.
 */
void
hnsw_search_init(HnswSearch *search, HnswIndex *index, MemoryContext context, int ef,
				 HnswSearchPurpose purpose)
{
	uint32 nslots = visited_slots_for(ef * VISITED_PER_EF);

	memset(search, 0, sizeof(*search));
	search->index = index;
	search->context = context;
	search->purpose = purpose;
	visited_init(&search->visited, allocate_slots(search, nslots), nslots);
	make_value_room(search);
}

static void
make_visited_room(HnswSearch *search, int n)
{
	VisitedSet *visited = &search->visited;

	while (unlikely(visited->count + n > visited->limit))
	{
		uint32 nslots = visited_slots_for(visited->limit * 2);
		uint64 *old = visited->slots;

		visited_grow(visited, allocate_slots(search, nslots), nslots);
		pfree(old);
	}
}

/* Sets the size of the pool, emptying it. */
void
hnsw_search_set_ef(HnswSearch *search, int ef)
{
	if (search->pool.entries == NULL || ef > search->pool.capacity)
	{
		if (search->pool.entries != NULL)
			pfree(search->pool.entries);
		search->pool.entries = MemoryContextAlloc(search->context, ef * sizeof(PoolEntry));
	}
	pool_init(&search->pool, search->pool.entries, ef);
}

/* Keeps a candidate that has no place in the pool, for a search to go on with. */
static inline void
keep_leftover(HnswSearch *search, PoolEntry entry)
{
	if (search->nleftover == search->leftover_capacity)
	{
		uint32 capacity = Max(search->leftover_capacity * 2, MIN_LEFTOVER);

		if (search->leftover == NULL)
			search->leftover =
				MemoryContextAllocHuge(search->context, (Size) capacity * sizeof(PoolEntry));
		else
			search->leftover = repalloc_huge(search->leftover, (Size) capacity * sizeof(PoolEntry));
		search->leftover_capacity = capacity;
	}
	if (search->ordered)
		entry_heap_push(search->leftover, search->nleftover, entry);
	else
		search->leftover[search->nleftover] = entry;
	search->nleftover++;
}

/* Gives a search a candidate to go on with later, if it is one that can go on. */
void
hnsw_search_leave(HnswSearch *search, PoolEntry entry)
{
	if (search->coder != NULL)
		entry.id |= POOL_EXPANDED;
	if (search->purpose == HNSW_SEARCH_ROWS_RESUMABLE)
		keep_leftover(search, entry);
}

static void
add_candidates(HnswSearch *search, const uint32 *vertices, int n, bool keep)
{
	for (int i = 0; i < n; i++)
	{
		PoolEntry dropped;

		if (unlikely(isnan(search->keys[i])))
			continue;
		if (!pool_accepts(&search->pool, search->keys[i]))
		{
			if (keep)
			{
				dropped.key = search->keys[i];
				dropped.id = vertices[i];
				keep_leftover(search, dropped);
			}
		}
		else if (pool_insert(&search->pool, search->keys[i], vertices[i], &dropped) && keep)
			keep_leftover(search, dropped);
	}
}

static inline void
prefetch_lines(const char *address, Size size)
{
	for (Size offset = 0; offset < size; offset += CACHE_LINE)
		__builtin_prefetch(address + offset);
}

/*
 * Asks for the memory in which a vertex's value probably lies, and for what
 * pinning its page touches.
 */
static inline void
prefetch_value(HnswIndex *index, uint32 vertex, Size size)
{
	const char *page = recent_address(index->relation, hnsw_block(index, vertex));

	if (page != NULL)
	{
		recent_prefetch_pin(index->relation, hnsw_block(index, vertex));
		prefetch_lines(page + hnsw_slot_offset(index, vertex) + index->meta.value_offset, size);
	}
}

/* Asks for the memory of a whole vertex, which is about to be read. */
void
hnsw_prefetch_vertex(HnswIndex *index, uint32 vertex)
{
	prefetch_value(index, vertex, Min(hnsw_value_room(index), PREFETCH_LINES * CACHE_LINE));
}

/* Asks for the links of the vertex that will probably be expanded next. */
static inline void
prefetch_next(HnswSearch *search)
{
	HnswIndex *index = search->index;
	const Pool *pool = &search->pool;

	if (pool->cursor < pool->size)
	{
		uint32 vertex = POOL_ID(pool->entries[pool->cursor]);
		const char *page = recent_address(index->relation, hnsw_block(index, vertex));

		if (page != NULL)
			prefetch_lines(page + hnsw_slot_offset(index, vertex),
						   index->meta.links_offset +
							   HNSW_LAYER_LINKS(index->meta.m, 0) * sizeof(uint32));
	}
}

/* Is there one among the records whose value does not fit the stored element? */
static bool
any_wide(const HnswVertex *records, int n)
{
	int flags = 0;

	for (int i = 0; i < n; i++)
		flags |= records[i]->flags;
	return (flags & HNSW_VERTEX_WIDE) != 0;
}

/* The same where values vary in size; what has just gone is infinitely far. */
static void
score_outside(HnswSearch *search, const HnswVertex *records, int n, float *keys)
{
	HnswIndex *index = search->index;

	for (int i = 0; i < n; i++)
	{
		const void *value =
			hnsw_read_value(index, records[i], search->value) ? search->value : NULL;

		space_link_distances(&index->space.context, search->query, &value, 1, &keys[i]);
	}
}

/* Sets keys[i] to the key of the pinned records[i], for n <= SCORE_BATCH of them. */
static inline void
score_records(HnswSearch *search, const HnswVertex *records, int n, float *keys)
{
	HnswIndex *index = search->index;
	bool wide = search->value != NULL && index->meta.has_wide && any_wide(records, n);
	const SpaceContext *space = wide ? &index->space.context : &index->space.stored;
	const void *values[SCORE_BATCH];

	if (index_space_varies(&index->space))
	{
		score_outside(search, records, n, keys);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		char *scratch =
			search->value == NULL ? NULL : search->value + i * index->space.encoded_size;

		if (wide)
		{
			hnsw_read_value(index, records[i], scratch);
			values[i] = scratch;
		}
		else
			values[i] = hnsw_read_stored(index, records[i], scratch);
	}
	if (search->purpose == HNSW_SEARCH_LINKS)
		space_link_distances(space, search->query, values, n, keys);
	else
		space->space->distances(space, search->query, values, n, keys);
}

/* Sets keys[i] to the key of records[i], whose page the caller has pinned, for n of them. */
void
hnsw_search_values(HnswSearch *search, const HnswVertex *records, int n, float *keys)
{
	make_value_room(search);
	for (int done = 0; done < n; done += SCORE_BATCH)
		score_records(search, records + done, Min(SCORE_BATCH, n - done), keys + done);
	search->distances += n;
}

/*
 * Sets search->keys[i] to the key of vertices[i], for n of them, at most
 * HNSW_MAX_LINKS + HNSW_OVERLAY_LINKS.
 */
void
hnsw_score(HnswSearch *search, const uint32 *vertices, int n)
{
	HnswIndex *index = search->index;
	Size size = Min(hnsw_value_room(index), PREFETCH_LINES * CACHE_LINE);
	int ahead = Max(1, (int) (PREFETCH_LINES * CACHE_LINE / Max(size, CACHE_LINE)));

	for (int i = 0; i < Min(ahead, n); i++)
		prefetch_value(index, vertices[i], size);
	for (int done = 0; done < n; done += SCORE_BATCH)
	{
		int batch = Min(SCORE_BATCH, n - done);
		Buffer buffers[SCORE_BATCH];
		HnswVertex records[SCORE_BATCH];

		for (int i = done + ahead; i < Min(done + ahead + batch, n); i++)
			prefetch_value(index, vertices[i], size);
		for (int i = 0; i < batch; i++)
		{
			uint32 vertex = vertices[done + i];

			buffers[i] = recent_read(index->relation, hnsw_block(index, vertex));
			records[i] = hnsw_page_vertex(index, BufferGetPage(buffers[i]), vertex);
		}
		score_records(search, records, batch, &search->keys[done]);
		for (int i = 0; i < batch; i++)
			ReleaseBuffer(buffers[i]);
	}
	search->distances += n;
}

/*
 * The key by which rows are searched of a vertex whose page the caller has
 * locked in share mode.  A value that lies in an item is read without that
 * lock: false, if the slot has been given to another vertex meanwhile.
 */
bool
hnsw_search_key(HnswSearch *search, Buffer buffer, HnswVertex record, float *key)
{
	HnswIndex *index = search->index;
	bool wide = (record->flags & HNSW_VERTEX_WIDE) != 0 || index_space_varies(&index->space);
	const SpaceContext *space = wide ? &index->space.context : &index->space.stored;
	uint16 version = record->version;
	const void *value = NULL;
	bool found = true;

	if (wide)
	{
		index->meta.has_wide = true;
		make_value_room(search);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		found = hnsw_read_value(index, record, search->value);
		value = search->value;
		if (found)
			space->space->distances(space, search->query, &value, 1, key);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (record->version != version || (record->flags & HNSW_VERTEX_DELETED) != 0)
			return false;
		if (!found)
			damage_report(index->relation, "has no value of vertex on block %u",
						  BufferGetBlockNumber(buffer));
		return true;
	}
	value = hnsw_read_stored(index, record, search->value);
	space->space->distances(space, search->query, &value, 1, key);
	return true;
}

/*
 * Copies the links of a vertex in a layer to search->links and returns their
 * number.  A vertex that has no such layer (any more) has no links there.
 */
int
hnsw_read_links(HnswSearch *search, uint32 vertex, int layer)
{
	HnswIndex *index = search->index;
	int limit = HNSW_LAYER_LINKS(index->meta.m, layer);
	ItemPointerData upper_tid;
	HnswVertex record;
	HnswUpper upper;
	Buffer buffer;
	int n = 0;

	record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);
	if (layer == 0)
	{
		n = Min(record->nlinks, limit);
		memcpy(search->links, hnsw_vertex_links(index, record), n * sizeof(uint32));
	}
	upper_tid = record->upper;
	UnlockReleaseBuffer(buffer);
	if (layer == 0 || !ItemPointerIsValid(&upper_tid))
		return n;

	upper = hnsw_pin_upper(index, &upper_tid, BUFFER_LOCK_SHARE, &buffer);
	if (upper == NULL)
		return 0;
	if (layer <= upper->level)
	{
		n = Min(upper->counts[layer - 1], limit);
		memcpy(search->links, HNSW_UPPER_LINKS(upper, index->meta.m, layer), n * sizeof(uint32));
	}
	UnlockReleaseBuffer(buffer);
	return n;
}

/* Scores the neighbours of a vertex that have not been seen yet. */
static void
expand(HnswSearch *search, uint32 vertex, int layer, bool keep)
{
	int nlinks = hnsw_read_links(search, vertex, layer);
	int n = 0;

	if (search->overlay != NULL)
		nlinks = hnsw_overlay_links(search->overlay, vertex, layer, search->links, nlinks);
	make_visited_room(search, nlinks);
	for (int i = 0; i < nlinks; i++)
	{
		if (visited_add(&search->visited, search->links[i]))
			search->unvisited[n++] = search->links[i];
	}
	hnsw_score(search, search->unvisited, n);
	add_candidates(search, search->unvisited, n, keep);
	search->expanded++;
}

/*
 * Starts anew with a query and a pool of ef that holds the entry point.  If
 * vacuum has freed its slot meanwhile, the metapage knows another one, or that
 * there is none: the pool is empty then.
 */
void
hnsw_search_start(HnswSearch *search, const void *query, int ef)
{
	uint32 entry;

	search->query = query;
	search->nleftover = 0;
	search->ordered = false;
	make_value_room(search);
	hnsw_search_set_ef(search, ef);
	visited_clear(&search->visited);
	while ((entry = search->index->meta.entry) != HNSW_NO_VERTEX &&
		   hnsw_vertex_has(search->index, entry, HNSW_VERTEX_FREE))
	{
		CHECK_FOR_INTERRUPTS();
		hnsw_read_meta(search->index);
	}
	if (entry == HNSW_NO_VERTEX)
		return;
	visited_add(&search->visited, entry);
	hnsw_score(search, &entry, 1);
	add_candidates(search, &entry, 1, false);
}

/* Empties the set of visited vertices and gives it room for so many. */
void
hnsw_search_forget(HnswSearch *search, int room)
{
	visited_clear(&search->visited);
	make_visited_room(search, room);
}

/* Keeps a search from scoring these vertices when it comes to them; its seeds stay. */
void
hnsw_search_exclude(HnswSearch *search, const PoolEntry *candidates, uint32 n)
{
	for (uint32 i = 0; i < n; i++)
	{
		if (search->coder != NULL)
		{
			hnsw_coded_exclude(search, candidates[i].id);
			continue;
		}
		make_visited_room(search, 1);
		visited_add(&search->visited, candidates[i].id);
	}
}

static bool
is_among(uint32 vertex, const PoolEntry *entries, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (entries[i].id == vertex)
			return true;
	}
	return false;
}

/* Gives the pool candidates with keys, flagged as said; all but those it was begun with. */
static void
add_known(HnswSearch *search, const PoolEntry *candidates, uint32 n, const PoolEntry *seeds,
		  int nseeds, uint32 flag)
{
	bool keep = search->purpose == HNSW_SEARCH_ROWS_RESUMABLE;

	for (uint32 i = 0; i < n; i++)
	{
		uint32 vertex = candidates[i].id | flag;

		if (is_among(candidates[i].id, seeds, nseeds))
			continue;
		search->keys[0] = candidates[i].key;
		add_candidates(search, &vertex, 1, keep);
	}
}

/*
 * Gives a search in layer 0 further candidates, with their keys; all of them
 * but its seeds.  A search that goes by codes does not expand them: its pool has
 * nothing but what is expanded.
 */
void
hnsw_search_add(HnswSearch *search, const PoolEntry *candidates, uint32 n, const PoolEntry *seeds,
				int nseeds)
{
	add_known(search, candidates, n, seeds, nseeds, search->coder != NULL ? POOL_EXPANDED : 0);
}

/* Starts anew in layer 0 with a pool of ef that holds n candidates whose keys are known. */
void
hnsw_search_begin(HnswSearch *search, const void *query, int ef, const PoolEntry *candidates,
				  uint32 n)
{
	search->query = query;
	search->nleftover = 0;
	search->ordered = false;
	make_value_room(search);
	hnsw_search_set_ef(search, ef);
	visited_clear(&search->visited);
	if (search->coder != NULL)
	{
		hnsw_coded_begin(search, candidates, n);
		return;
	}
	hnsw_search_exclude(search, candidates, n);
	add_known(search, candidates, n, NULL, 0, 0);
}

/*
 * Makes the vertices in the pool the starting points of the next layer: none
 * of them is expanded, and nothing else has been visited.
 */
void
hnsw_search_restart(HnswSearch *search)
{
	Pool *pool = &search->pool;

	visited_clear(&search->visited);
	make_visited_room(search, pool->size);
	pool->cursor = 0;
	for (int i = 0; i < pool->size; i++)
	{
		pool->entries[i].id = POOL_ID(pool->entries[i]);
		visited_add(&search->visited, pool->entries[i].id);
	}
}

/*
 * Searches a layer until the nearest ef entries of the pool are expanded.  A
 * pool with more room than ef keeps more of what was scored on the way.
 */
void
hnsw_search_layer(HnswSearch *search, int layer, int ef)
{
	bool keep = search->purpose == HNSW_SEARCH_ROWS_RESUMABLE && layer == 0;
	int next;

	if (layer == 0 && search->coder != NULL)
	{
		hnsw_search_coded(search, ef);
		return;
	}
	while ((next = pool_expand_next(&search->pool)) >= 0 && next < ef)
	{
		uint32 vertex = POOL_ID(search->pool.entries[next]);

		CHECK_FOR_INTERRUPTS();
		if (layer == 0)
			prefetch_next(search);
		expand(search, vertex, layer, keep);
	}
}

/*
 * Descent from layer from_layer down to, and with, to_layer, ef vertices wide; the
 * pool ends up with the nearest vertices scored, as many as it has room for.
 */
void
hnsw_search_descend(HnswSearch *search, int from_layer, int to_layer, int ef)
{
	for (int layer = from_layer; layer >= to_layer; layer--)
	{
		hnsw_search_layer(search, layer, ef);
		hnsw_search_restart(search);
	}
}

/*
 * Goes on in layer 0 with the nearest candidates left over, in a pool of ef.
 * The caller has done with what the pool held.  False: no candidate is left.
 */
bool
hnsw_search_resume(HnswSearch *search, int ef)
{
	Pool *pool = &search->pool;
	int room = search->coder != NULL ? ef + ef / HELD_BACK : ef;

	hnsw_search_set_ef(search, room);
	if (!(search->coder != NULL && hnsw_coded_go_on(search)) && search->nleftover == 0)
		return false;
	if (!search->ordered)
	{
		entry_heap_build(search->leftover, search->nleftover);
		search->ordered = true;
	}
	while (pool->size < room && search->nleftover > 0)
		pool->entries[pool->size++] = entry_heap_pop(search->leftover, search->nleftover--);
	hnsw_search_layer(search, 0, room);
	while (pool->size > ef)
		hnsw_search_leave(search, pool->entries[--pool->size]);
	return true;
}

/* Notes the vertices of a page, unless they are free, and returns their number. */
static int
list_vertices(HnswIndex *index, BlockNumber blkno, Page page, uint32 *vertices)
{
	int nslots = page_is(page, PAGE_SLOTS) ? page_slots(page, index->meta.slots_per_page) : 0;
	int n = 0;

	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);

		if ((record->flags & HNSW_VERTEX_FREE) == 0)
			vertices[n++] = blkno * index->meta.slots_per_page + slot;
	}
	return n;
}

/*
 * Finds the vertices that no link led to, by reading every page, and makes
 * them candidates left over.  Returns how many there were.  Only a scan that
 * is asked for more rows than the graph reached needs this.
 */
uint32
hnsw_search_sweep(HnswSearch *search)
{
	HnswIndex *index = search->index;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);
	uint32 found = 0;

	for (BlockNumber blkno = META_BLOCK + 1; blkno < nblocks; blkno++)
	{
		Buffer buffer = recent_read(index->relation, blkno);
		uint32 vertices[HNSW_PAGE_SLOTS];
		int n;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		n = list_vertices(index, blkno, BufferGetPage(buffer), vertices);
		UnlockReleaseBuffer(buffer);
		for (int i = 0; i < n; i++)
		{
			uint32 vertex = vertices[i];
			PoolEntry entry;

			if (search->coder != NULL)
			{
				found += hnsw_coded_add(search, vertex);
				continue;
			}
			make_visited_room(search, 1);
			if (!visited_add(&search->visited, vertex))
				continue;
			hnsw_score(search, &vertex, 1);
			if (isnan(search->keys[0]))
				continue;
			entry.key = search->keys[0];
			entry.id = vertex;
			keep_leftover(search, entry);
			found++;
		}
	}
	return found;
}
