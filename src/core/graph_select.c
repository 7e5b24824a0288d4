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

/* Is candidate i nearer to the base than to any of the nkept kept ones? */
static bool
is_diverse(GraphSelection *selection, int i, int nkept)
{
	const GraphDistance *distance = selection->distance;
	const bool *checked = selection->checked;
	bool known = checked != NULL && checked[i];
	const void *objects[SELECT_BATCH];
	const void *query = NULL;
	int n = 0;

	for (int j = 0; j < nkept; j++)
	{
		int other = selection->kept[j];

		if (known && checked[other])
			continue;
		objects[n++] = selection->values[other];
		if (n < SELECT_BATCH)
			continue;
		if (query == NULL)
			query = distance->prepare_query(distance->context, selection->values[i],
											selection->scratch);
		if (!nearer_to_base(selection, i, query, objects, n))
			return false;
		n = 0;
	}
	if (n == 0)
		return true;
	if (query == NULL)
		query =
			distance->prepare_query(distance->context, selection->values[i], selection->scratch);
	return nearer_to_base(selection, i, query, objects, n);
}

int
graph_select(GraphSelection *selection)
{
	int *kept = selection->kept;
	int nkept = 0;

	for (int i = 0; i < selection->ncandidates && nkept < selection->m; i++)
	{
		if (is_diverse(selection, i, nkept))
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
