/*-------------------------------------------------------------------------
 *
 * merge_choose.c
 *	  Finding the neighbours of the vertices of a merge.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "hnsw/merge.h"

/*
 * Of ef_construction, what a search by codes wants to find: it then comes across
 * what one by values does that wants all of it (README, "Merge").
 */
#define CODED_EF(ef_construction) (Max(1, 3 * (ef_construction) / 4))

/* Reads the value of a vertex of the batch and prepares it as a query. */
static const void *
prepare_vertex(MergeState *state, const MergeVertex *vertex)
{
	HnswIndex *index = state->index;

	hnsw_copy_value(index, vertex->vertex, state->encoded);
	return space_prepare_query(hnsw_copy_space(index), state->encoded, state->query);
}

/*
 * Finds candidates for a vertex's links in a layer: what the pool holds, and far
 * ones.  `check`: only those that may be linked to; in layer 0, where all that is
 * near is deleted, the search then goes on farther away: there is a live vertex,
 * since the entry point is one.
 */
static void
find_candidates(MergeState *state, const MergeVertex *vertex, int layer, bool check,
				const PoolEntry *far, int nfar, HnswCandidates *candidates)
{
	HnswSearch *search = &state->search;
	Pool *pool = &search->pool;

	for (;;)
	{
		int ef = 2 * pool->capacity;
		PoolEntry nearest;

		hnsw_candidates_init(candidates, pool->size + nfar);
		hnsw_candidates_add(search, candidates, vertex->vertex, layer, check, pool->entries,
							pool->size);
		hnsw_candidates_add(search, candidates, vertex->vertex, layer, check, far, nfar);
		if (!check || candidates->n > 0 || layer > 0 || pool->size < pool->capacity)
			return;
		nearest = pool->entries[0];
		nearest.id = POOL_ID(nearest);
		hnsw_search_begin(search, search->query, ef, &nearest, 1);
		hnsw_search_layer(search, layer, ef);
	}
}

/*
 * If one of the nearest vertices found holds the very same value, the row
 * joins it.  Equal values have the smallest key of all in every space but the
 * inner product, where a missed one merely becomes a vertex of its own.  So
 * does every one in a batch that a merge cut short has worked on: somebody may
 * link to it already.
 */
static bool
join_equal_vertex(MergeState *state, MergeVertex *pending)
{
	HnswIndex *index = state->index;
	Pool *pool = &state->search.pool;

	if (state->relinking)
		return false;
	for (int i = 0; i < pool->size && pool->entries[i].key <= pool->entries[0].key; i++)
	{
		uint32 vertex = POOL_ID(pool->entries[i]);
		const void **value;

		if (vertex == pending->vertex)
			continue;
		value = hnsw_copy_values(index, &vertex, 1);
		if (hnsw_is_same_copy(index, value[0], state->encoded) &&
			hnsw_join_equal(index, vertex, pending->vertex))
			return true;
	}
	return false;
}

/* Chooses a vertex's neighbours in a layer from candidates. */
static void
select_neighbors(MergeState *state, MergeVertex *vertex, int layer,
				 const HnswCandidates *candidates)
{
	HnswIndex *index = state->index;
	int limit = HNSW_SELECTED_LINKS(index->meta.m, layer);
	int n = candidates->n;
	int *kept = palloc_extended(sizeof(int) * Max(n, 1), MCXT_ALLOC_HUGE);
	int nkept;

	hnsw_graph_distance(&state->distance, hnsw_copy_space(index));
	nkept = graph_select_neighbors(
		&state->distance, hnsw_copy_values(index, candidates->vertices, n), candidates->keys, n,
		limit, false, state->scratch, kept, &state->search.distances);
	vertex->nlinks[layer] = Min(limit, n);
	vertex->links[layer] = MemoryContextAlloc(state->context, Max(limit, 1) * sizeof(uint32));
	for (int i = 0; i < nkept; i++)
		vertex->links[layer][i] = candidates->vertices[kept[i]];
	vertex->ndiverse[layer] = nkept;
	for (int i = 0, next = 0, at = nkept; i < n && at < limit; i++)
	{
		if (next < nkept && kept[next] == i)
			next++;
		else
			vertex->links[layer][at++] = candidates->vertices[i];
	}
}

/* May a vertex link to all the neighbours chosen for it in a layer, and are there any? */
static bool
are_linkable(MergeState *state, const MergeVertex *vertex, int layer)
{
	for (int i = 0; i < vertex->nlinks[layer]; i++)
	{
		if (!hnsw_is_linkable(state->index, vertex->links[layer][i], layer, state->overlay))
			return false;
	}
	return vertex->nlinks[layer] > 0;
}

/*
 * Chooses a vertex's neighbours in a layer from what the pool holds and far candidates.  Few
 * candidates are deleted: only those chosen are looked at, and if there is one
 * among them the choice is made again with all of them looked at.
 */
static void
choose_neighbors(MergeState *state, MergeVertex *vertex, int layer, const PoolEntry *far, int nfar)
{
	HnswCandidates candidates;

	PAUSE_POINT("choose neighbors", layer + 1);
	find_candidates(state, vertex, layer, false, far, nfar, &candidates);
	select_neighbors(state, vertex, layer, &candidates);
	if (are_linkable(state, vertex, layer))
		return;
	find_candidates(state, vertex, layer, true, far, nfar, &candidates);
	select_neighbors(state, vertex, layer, &candidates);
}

/*
 * Searches layer 0 from n vertices whose keys are known.  In the quantised form
 * by codes: few of the values are read, and what looks near and was not
 * expanded makes up for candidates that were merely scored.
 */
static void
search_base(MergeState *state, const void *query, const PoolEntry *seeds, int n)
{
	HnswSearch *search = &state->search;
	int ef = state->index->meta.ef_construction;

	search->coder = state->coder;
	if (search->coder != NULL)
		hnsw_coder_query(search->coder, query);
	hnsw_search_begin(search, query, HNSW_CANDIDATES(ef), seeds, n);
	hnsw_search_layer(search, 0, search->coder != NULL ? CODED_EF(ef) : ef);
	if (search->coder != NULL)
		hnsw_coded_fill(search);
	search->coder = NULL;
}

/*
 * Searches layer 0 from n vertices whose keys are known and chooses neighbours there: among
 * what it finds, and those it began with.
 */
static void
find_base_neighbors(MergeState *state, MergeVertex *vertex, const void *query,
					const PoolEntry *seeds, int n)
{
	search_base(state, query, seeds, n);
	if (join_equal_vertex(state, vertex))
		vertex->fate = MERGE_FINISHED;
	else
		choose_neighbors(state, vertex, 0, seeds, n);
}

/* Copies the entries of a search's pool to entries[] and returns their number. */
static int
copy_pool(const HnswSearch *search, PoolEntry *entries)
{
	for (int i = 0; i < search->pool.size; i++)
	{
		entries[i].key = search->pool.entries[i].key;
		entries[i].id = POOL_ID(search->pool.entries[i]);
	}
	return search->pool.size;
}

/* Finds the neighbours of a vertex in every layer it is in. */
static void
find_neighbors(MergeState *state, MergeVertex *vertex)
{
	HnswIndex *index = state->index;
	HnswSearch *search = &state->search;
	int top = index->meta.entry_level;
	int candidates = HNSW_CANDIDATES(index->meta.ef_construction);
	const void *query = prepare_vertex(state, vertex);
	PoolEntry *seeds = palloc(candidates * sizeof(PoolEntry));
	int nseeds;

	hnsw_search_start(search, query, HNSW_SEEDS);
	hnsw_search_descend(search, top, vertex->level + 1, HNSW_SEEDS);
	nseeds = copy_pool(search, seeds);
	hnsw_search_begin(search, query, candidates, seeds, nseeds);
	for (int layer = Min(top, vertex->level); layer > 0; layer--)
	{
		hnsw_search_layer(search, layer, index->meta.ef_construction);
		choose_neighbors(state, vertex, layer, NULL, 0);
		hnsw_search_restart(search);
	}
	nseeds = copy_pool(search, seeds);
	find_base_neighbors(state, vertex, query, seeds, nseeds);
}

/* Takes over the links that a merge cut short has given a vertex. */
static void
read_own_links(MergeState *state, MergeVertex *vertex)
{
	const HnswOverlay *overlay = state->search.overlay;

	state->search.overlay = NULL;
	for (int layer = 0; layer <= vertex->level; layer++)
	{
		int n = hnsw_read_links(&state->search, vertex->vertex, layer);

		vertex->nlinks[layer] = n;
		vertex->ndiverse[layer] = n;
		vertex->links[layer] = MemoryContextAlloc(state->context, Max(n, 1) * sizeof(uint32));
		memcpy(vertex->links[layer], state->search.links, n * sizeof(uint32));
	}
	state->search.overlay = overlay;
}

/* Finds or reads the neighbours of vertex number `number`, which has homes if its level is 0. */
static void
choose_links(MergeState *state, int number)
{
	MergeVertex *vertex = &state->vertices[number];
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	if (vertex->fate != MERGE_LINK && vertex->fate != MERGE_RELINK)
		return;
	vertex->links = palloc0((vertex->level + 1) * sizeof(uint32 *));
	vertex->nlinks = palloc0((vertex->level + 1) * sizeof(int));
	vertex->ndiverse = palloc0((vertex->level + 1) * sizeof(int));
	old = MemoryContextSwitchTo(state->step);
	if (vertex->fate == MERGE_RELINK)
		read_own_links(state, vertex);
	else if (vertex->level > 0)
		find_neighbors(state, vertex);
	else
		find_base_neighbors(state, vertex, prepare_vertex(state, vertex), vertex->homes,
							vertex->nhomes);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->step);
	if (vertex->fate != MERGE_FINISHED)
		hnsw_overlay_add(state->overlay, number);
}

/*
 * Is the vertex one of the graph?  A slot of the sample may have been given to one
 * that is pending, which nothing may link to yet.  If it is in the graph now, its
 * slot will not be free before our transaction has ended (README, "The invariant").
 */
static bool
is_linked(HnswIndex *index, uint32 vertex)
{
	Buffer buffer;
	HnswVertex record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);
	bool linked =
		(record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE | HNSW_VERTEX_UNLINKED)) == 0;

	UnlockReleaseBuffer(buffer);
	return linked;
}

/* Finds homes of a vertex, whose value is the search's query, by the sample, if there is one. */
static void
route_homes(MergeState *state, MergeVertex *vertex)
{
	HnswSearch *search = &state->search;
	PoolEntry seeds[HNSW_FAR_CANDIDATES];
	int n;

	if (state->coder == NULL)
		return;
	search->coder = state->coder;
	hnsw_coder_query(search->coder, search->query);
	n = hnsw_route(search, seeds, HNSW_FAR_CANDIDATES);
	search->coder = NULL;
	for (int i = 0; i < n; i++)
	{
		if (!isnan(seeds[i].key) && is_linked(state->index, seeds[i].id))
			vertex->homes[vertex->nhomes++] = seeds[i];
	}
}

static int
compare_keys(const void *a, const void *b)
{
	float left = ((const PoolEntry *) a)->key;
	float right = ((const PoolEntry *) b)->key;

	return left < right ? -1 : left > right;
}

/* Finds where in layer 0 the search for a vertex's neighbours begins. */
static void
find_homes(MergeState *state, MergeVertex *vertex)
{
	HnswSearch *search = &state->search;

	CHECK_FOR_INTERRUPTS();
	search->query = prepare_vertex(state, vertex);
	route_homes(state, vertex);
	if (vertex->nhomes == 0)
	{
		hnsw_find_far(search, search->query, HNSW_FAR_CANDIDATES);
		vertex->nhomes = copy_pool(search, vertex->homes);
	}
	qsort(vertex->homes, vertex->nhomes, sizeof(PoolEntry), compare_keys);
}

static int
compare_levels(const void *a, const void *b)
{
	return ((const MergeVertex *) b)->level - ((const MergeVertex *) a)->level;
}

static int
compare_homes(const void *a, const void *b)
{
	uint32 left = ((const MergeVertex *) a)->homes[0].id;
	uint32 right = ((const MergeVertex *) b)->homes[0].id;

	return left < right ? -1 : left > right;
}

/*
 * Chooses the links of the whole batch: vertices of upper layers first, the
 * others in the order of their homes, so that those that read the same pages
 * follow each other.
 */
void
merge_choose_links(MergeState *state)
{
	int n = state->nvertices;
	int nupper = 0;

	qsort(state->vertices, n, sizeof(MergeVertex), compare_levels);
	while (nupper < n && state->vertices[nupper].level > 0)
		nupper++;
	for (int i = 0; i < nupper; i++)
		choose_links(state, i);
	for (int i = nupper; i < n; i++)
	{
		if (state->vertices[i].fate == MERGE_LINK)
			find_homes(state, &state->vertices[i]);
	}
	qsort(state->vertices + nupper, n - nupper, sizeof(MergeVertex), compare_homes);
	for (int i = nupper; i < n; i++)
		choose_links(state, i);
}
