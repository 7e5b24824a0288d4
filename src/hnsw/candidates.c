/*-------------------------------------------------------------------------
 *
 * candidates.c
 *	  Candidates for the links of a vertex.
 *
 * Most come from a search for its neighbours, which in a graph of some size finds
 * those of its own cluster only.  Far candidates, vertices of layer 1 or of the
 * routing sample, make up for that; README, "Long links".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hnsw/hnsw.h"
#include "utils/memutils.h"

/* Vertices of layer 1 that are expanded to find far candidates */
#define FAR_EXPANSIONS 16

/* Makes candidates with room for so many; in the current memory context. */
void
hnsw_candidates_init(HnswCandidates *candidates, int room)
{
	candidates->vertices = palloc_extended(sizeof(uint32) * Max(room, 1), MCXT_ALLOC_HUGE);
	candidates->keys = palloc_extended(sizeof(float) * Max(room, 1), MCXT_ALLOC_HUGE);
	candidates->n = 0;
}

/* Puts one among the others by its key. */
static void
insert_candidate(HnswCandidates *candidates, uint32 vertex, float key)
{
	int place = candidates->n++;

	for (; place > 0 && key < candidates->keys[place - 1]; place--)
	{
		candidates->vertices[place] = candidates->vertices[place - 1];
		candidates->keys[place] = candidates->keys[place - 1];
	}
	candidates->vertices[place] = vertex;
	candidates->keys[place] = key;
}

/*
 * Adds those of n entries, each another vertex, that the candidates, which have room, do not
 * hold yet, but for the vertex itself whose links in a layer are chosen.  `check`: only those
 * that may be linked to.
 */
void
hnsw_candidates_add(const HnswSearch *search, HnswCandidates *candidates, uint32 vertex, int layer,
					bool check, const PoolEntry *entries, int n)
{
	bool first = candidates->n == 0;

	for (int i = 0; i < n; i++)
	{
		uint32 candidate = POOL_ID(entries[i]);

		if (candidate == vertex ||
			(!first && hnsw_contains(candidates->vertices, candidates->n, candidate)) ||
			(check && !hnsw_is_linkable(search->index, candidate, layer, search->overlay)))
			continue;
		insert_candidate(candidates, candidate, entries[i].key);
	}
}

/*
 * Finds far candidates by a descent: the pool ends up with `room` vertices of
 * layer 1 that are near a query, if there are as many.
 */
void
hnsw_find_far(HnswSearch *search, const void *query, int room)
{
	hnsw_search_start(search, query, room);
	hnsw_search_descend(search, search->index->meta.entry_level, 1, FAR_EXPANSIONS);
}
