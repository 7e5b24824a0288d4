/*-------------------------------------------------------------------------
 *
 * graph_select.c
 *	  Heuristic selection of neighbours.
 *
 * Malkov and Yashunin, algorithm 4, without extension of the candidates.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <assert.h>

/* Kept neighbours compared at once before looking whether one is too near */
#define SELECT_BATCH 4

/*
 * Is candidate i, which `query` is the query form of, nearer to the base than
 * to each of the objects?
 */
static bool
nearer_to_base(GraphSelection *selection, int i, const void *query, const void *const *objects,
			   int n)
{
	float keys[SELECT_BATCH];

	selection->distance->distances(selection->distance->context, query, objects, n, keys);
	selection->computed += (uint64_t) n;
	for (int j = 0; j < n; j++)
	{
		if (keys[j] <= selection->keys[i])
			return false;
	}
	return true;
}

/* Is candidate i nearer to the base than to any of n kept ones? */
static bool
is_diverse(GraphSelection *selection, int i, const void *const *kept, int n)
{
	const GraphDistance *distance = selection->distance;
	const void *query;

	if (n == 0)
		return true;
	query = distance->prepare_query(distance->context, selection->values[i], selection->scratch);
	for (int j = 0; j < n; j += SELECT_BATCH)
	{
		int batch = n - j < SELECT_BATCH ? n - j : SELECT_BATCH;

		if (!nearer_to_base(selection, i, query, kept + j, batch))
			return false;
	}
	return true;
}

int
graph_select(GraphSelection *selection)
{
	/* values of those kept: of all, and of those not known to be diverse beforehand */
	const void *all[GRAPH_MAX_LINKS];
	const void *unchecked[GRAPH_MAX_LINKS];
	int *kept = selection->kept;
	int nkept = 0;
	int nunchecked = 0;

	assert(selection->m <= GRAPH_MAX_LINKS);
	for (int i = 0; i < selection->ncandidates && nkept < selection->m; i++)
	{
		bool known = selection->checked != NULL && selection->checked[i];

		if (!is_diverse(selection, i, known ? unchecked : all, known ? nunchecked : nkept))
			continue;
		if (!known)
			unchecked[nunchecked++] = selection->values[i];
		all[nkept] = selection->values[i];
		kept[nkept++] = i;
	}
	selection->ndiverse = nkept;
	if (selection->fill)
	{
		int next = 0;

		for (int i = 0; i < selection->ncandidates && nkept < selection->m; i++)
		{
			if (next < selection->ndiverse && kept[next] == i)
				next++;
			else
				kept[nkept++] = i;
		}
	}
	return nkept;
}

int
graph_select_neighbors(const GraphDistance *distance, const void *const *values, const float *keys,
					   int ncandidates, int m, bool fill, void *scratch, int *kept,
					   uint64_t *computed)
{
	GraphSelection selection = {.distance = distance,
								.values = values,
								.keys = keys,
								.ncandidates = ncandidates,
								.m = m,
								.fill = fill,
								.scratch = scratch,
								.kept = kept};
	int nkept = graph_select(&selection);

	/* Both parts ascend: insert the filled-in ones among the diverse. */
	for (int i = selection.ndiverse; i < nkept; i++)
	{
		int moved = kept[i];
		int j = i;

		for (; j > 0 && kept[j - 1] > moved; j--)
			kept[j] = kept[j - 1];
		kept[j] = moved;
	}
	*computed += selection.computed;
	return nkept;
}
