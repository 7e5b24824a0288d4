/*-------------------------------------------------------------------------
 *
 * search_coded.c
 *	  Search of layer 0 of a quantised index: a page a vertex expanded.
 *
 * A vertex's record tells its exact key and, by its codes, the estimated keys
 * of its neighbours (codes.c).  What has been estimated is in a frontier
 * (core/frontier.h), and the pool holds the nearest of what has been expanded,
 * by exact keys.  The search ends when nothing in the frontier looks nearer
 * than the last of a full pool.  Rows are returned from the pool: their order
 * never depends on an estimate.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "hnsw/hnsw.h"
#include "storage/recent.h"

#define CACHE_LINE 64

/* Vertices the frontier starts with room for, per entry of the pool */
#define FRONTIER_PER_EF 32

/* In shares of the distance between the first and the last of the pool */
#define LIMIT_MARGIN 0.25f

#define MIN_PUT_OFF 1024

/* Lines of a record, and of codes, asked for ahead; the processor goes on by itself */
#define PREFETCH_LINES 64

static void *
allocate_frontier(HnswSearch *search, uint32 capacity)
{
	return MemoryContextAllocHuge(search->context, frontier_size(capacity));
}

static void
make_frontier_room(HnswSearch *search, int n)
{
	Frontier *frontier = &search->frontier;

	while (unlikely(!frontier_has_room(frontier, n)))
	{
		void *old = search->frontier_memory;
		uint32 capacity = frontier->capacity * 2;

		search->frontier_memory = allocate_frontier(search, capacity);
		frontier_grow(frontier, search->frontier_memory, capacity);
		pfree(old);
	}
}

/* Starts anew with a frontier of n candidates whose exact keys are known. */
void
hnsw_coded_begin(HnswSearch *search, const PoolEntry *candidates, uint32 n)
{
	if (search->frontier_memory == NULL)
	{
		uint32 capacity = FRONTIER_FAN;

		while (capacity < (uint32) search->pool.capacity * FRONTIER_PER_EF)
			capacity *= 2;
		search->frontier_memory = allocate_frontier(search, capacity);
		frontier_init(&search->frontier, search->frontier_memory, capacity);
	}
	else
		frontier_clear(&search->frontier);
	search->nput_off = 0;
	for (uint32 i = 0; i < n; i++)
	{
		make_frontier_room(search, 1);
		frontier_estimate(&search->frontier, candidates[i].id, candidates[i].key, FRONTIER_EXACT);
	}
}

/* Keeps the search from expanding a vertex, unless it begins there. */
void
hnsw_coded_exclude(HnswSearch *search, uint32 vertex)
{
	if (frontier_knows(&search->frontier, vertex))
		return;
	make_frontier_room(search, 1);
	frontier_expand(&search->frontier, vertex);
}

/* Gives the search a vertex that no link led to.  False if it knows it. */
bool
hnsw_coded_add(HnswSearch *search, uint32 vertex)
{
	if (frontier_knows(&search->frontier, vertex))
		return false;
	hnsw_score(search, &vertex, 1);
	make_frontier_room(search, 1);
	frontier_estimate(&search->frontier, vertex,
					  isnan(search->keys[0]) ? INFINITY : search->keys[0], FRONTIER_EXACT);
	return true;
}

/* The key of the last entry of the pool that is wanted, INFINITY while there are fewer */
static inline float
last_wanted(const HnswSearch *search)
{
	const Pool *pool = &search->pool;

	return pool->size < search->wanted ? INFINITY : pool->entries[search->wanted - 1].key;
}

/*
 * Estimates up to this are taken in.  Beyond the last that is wanted they serve
 * to correct others of the same vertex; more than this far beyond they no longer
 * pay (README, "Search by codes").
 */
static float
frontier_limit(const HnswSearch *search)
{
	float last = last_wanted(search);

	return isinf(last) ? INFINITY : last + LIMIT_MARGIN * (last - search->pool.entries[0].key);
}

/* Keeps an estimate that is beyond the limit for a search that goes on. */
static void
put_off(HnswSearch *search, uint32 vertex, float key)
{
	if (search->nput_off == search->put_off_capacity)
	{
		uint32 capacity = Max(search->put_off_capacity * 2, MIN_PUT_OFF);
		Size size = (Size) capacity * sizeof(PoolEntry);

		search->put_off = search->put_off == NULL ? MemoryContextAlloc(search->context, size)
												  : repalloc_huge(search->put_off, size);
		search->put_off_capacity = capacity;
	}
	search->put_off[search->nput_off].key = key;
	search->put_off[search->nput_off++].id = vertex;
}

/*
 * Goes on with what was put off.  Any further estimate counts for more.  False:
 * nothing is left to be expanded.
 */
bool
hnsw_coded_go_on(HnswSearch *search)
{
	for (uint32 i = 0; i < search->nput_off; i++)
	{
		make_frontier_room(search, 1);
		frontier_estimate(&search->frontier, search->put_off[i].id, search->put_off[i].key,
						  FLT_MIN);
	}
	search->nput_off = 0;
	return frontier_nearest(&search->frontier) != FRONTIER_NONE;
}

/* Takes in the links in those lanes of a block that have codes. */
static void
estimate_block(HnswSearch *search, const uint32 *links, const char *block, uint32 coded, float key)
{
	float limit = frontier_limit(search);
	float keys[RABITQ_LANES];
	float weights[RABITQ_LANES];
	uint32 within = 0;

	hnsw_coder_estimate(search->coder, block, key, keys, weights);
	for (int i = 0; i < RABITQ_LANES; i++)
		within |= (uint32) (keys[i] <= limit) << i;
	within &= coded;
	frontier_estimate_lanes(&search->frontier, links, keys, weights, within);
	if (search->purpose != HNSW_SEARCH_ROWS_RESUMABLE)
		return;
	for (uint32 beyond = coded & ~within; beyond != 0; beyond &= beyond - 1)
	{
		int i = pg_rightmost_one_pos32(beyond);

		put_off(search, links[i], keys[i]);
	}
}

/* Takes in the links of a vertex on a locked page that have codes; the others go to search->unvisited. */
static int
estimate_links(HnswSearch *search, Page page, uint32 vertex, float key)
{
	const HnswMeta *meta = &search->index->meta;
	HnswVertex record = hnsw_page_vertex(search->index, page, vertex);
	const uint32 *links = hnsw_vertex_links(search->index, record);
	const char *codes = hnsw_vertex_codes(search->index, page, vertex);
	Size block_size = rabitq_block_size(meta->code_dim);
	int nuncoded = 0;

	for (int first = 0; first < record->nlinks; first += RABITQ_LANES)
	{
		int n = Min(RABITQ_LANES, record->nlinks - first);
		int block = first / RABITQ_LANES;
		uint32 coded = block < meta->code_blocks ? record->coded[block] : 0;
		uint32 all = UINT32_MAX >> (RABITQ_LANES - n);

		coded &= all;
		if (coded != 0)
		{
			estimate_block(search, links + first, codes + block * block_size, coded, key);
			search->estimates += n;
		}
		for (uint32 rest = all & ~coded; rest != 0; rest &= rest - 1)
			search->unvisited[nuncoded++] = links[first + pg_rightmost_one_pos32(rest)];
	}
	return nuncoded;
}

/* Scores n vertices of search->unvisited that are new to the frontier. */
static void
score_uncoded(HnswSearch *search, int n)
{
	int nnew = 0;

	for (int i = 0; i < n; i++)
	{
		if (!frontier_knows(&search->frontier, search->unvisited[i]))
			search->unvisited[nnew++] = search->unvisited[i];
	}
	hnsw_score(search, search->unvisited, nnew);
	for (int i = 0; i < nnew; i++)
	{
		if (!isnan(search->keys[i]))
			frontier_estimate(&search->frontier, search->unvisited[i], search->keys[i],
							  FRONTIER_EXACT);
	}
}

static inline void
prefetch_lines(const char *address, Size size)
{
	size = Min(size, PREFETCH_LINES * CACHE_LINE);
	for (Size offset = 0; offset < size; offset += CACHE_LINE)
		__builtin_prefetch(address + offset);
}

/* Asks for the memory of the vertex that will probably be expanded next. */
static void
prefetch_nearest(HnswSearch *search)
{
	HnswIndex *index = search->index;
	uint32 place = frontier_nearest(&search->frontier);
	const char *page;
	uint32 vertex;

	if (place == FRONTIER_NONE)
		return;
	vertex = search->frontier.ids[place];
	page = recent_address(index->relation, hnsw_block(index, vertex));
	if (page == NULL)
		return;
	recent_prefetch_pin(index->relation, hnsw_block(index, vertex));
	prefetch_lines(page + hnsw_slot_offset(index, vertex), index->meta.slot_size);
	prefetch_lines(hnsw_vertex_codes(index, (Page) page, vertex), index->meta.codes_size);
}

/*
 * Expands a vertex: its exact key goes to the pool, its neighbours to the
 * frontier.  The key is computed before the page is locked: a value may lie in
 * an item on another page.
 */
static void
expand(HnswSearch *search, uint32 vertex)
{
	HnswIndex *index = search->index;
	Buffer buffer = recent_read(index->relation, hnsw_block(index, vertex));
	HnswVertex record = hnsw_page_vertex(index, BufferGetPage(buffer), vertex);
	PoolEntry dropped;
	int nuncoded;
	float key;

	hnsw_search_values(search, &record, 1, &key);
	make_frontier_room(search, HNSW_MAX_LINKS + HNSW_OVERLAY_LINKS);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hnsw_check_vertex(index, record, vertex);
	nuncoded = estimate_links(search, BufferGetPage(buffer), vertex, key);
	UnlockReleaseBuffer(buffer);
	if (search->overlay != NULL)
		nuncoded = hnsw_overlay_links(search->overlay, vertex, 0, search->unvisited, nuncoded);
	score_uncoded(search, nuncoded);
	if (!isnan(key) && pool_insert(&search->pool, key, vertex | POOL_EXPANDED, &dropped))
		hnsw_search_leave(search, dropped);
	search->expanded++;
}

/*
 * Searches until nothing seems nearer than the nearest ef entries of the pool.
 * A pool with more room than ef keeps more of what was expanded.
 */
void
hnsw_search_coded(HnswSearch *search, int ef)
{
	Frontier *frontier = &search->frontier;
	uint32 place;

	search->wanted = ef;
	while ((place = frontier_nearest(frontier)) != FRONTIER_NONE &&
		   (search->pool.size < ef || frontier->keys[place] < last_wanted(search)))
	{
		uint32 vertex = frontier->ids[place];

		CHECK_FOR_INTERRUPTS();
		frontier_expand(frontier, vertex);
		prefetch_nearest(search);
		expand(search, vertex);
	}
}

/*
 * Fills what room is left in the pool, for up to HNSW_MAX_LINKS, with those that
 * look nearest of what the search has come across and not expanded, by their
 * exact keys.
 */
void
hnsw_coded_fill(HnswSearch *search)
{
	Frontier *frontier = &search->frontier;
	Pool *pool = &search->pool;
	int room = Min(pool->capacity - pool->size, HNSW_MAX_LINKS);
	PoolEntry dropped;
	int n = 0;

	while (n < room)
	{
		uint32 place = frontier_nearest(frontier);

		if (place == FRONTIER_NONE)
			break;
		search->unvisited[n++] = frontier->ids[place];
		frontier_expand(frontier, frontier->ids[place]);
	}
	hnsw_score(search, search->unvisited, n);
	for (int i = 0; i < n; i++)
	{
		if (!isnan(search->keys[i]))
			pool_insert(pool, search->keys[i], search->unvisited[i] | POOL_EXPANDED, &dropped);
	}
}
