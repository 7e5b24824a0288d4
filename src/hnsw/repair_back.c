/*-------------------------------------------------------------------------
 *
 * repair_back.c
 *	  Links back to vertices whose links were chosen anew.
 *
 * A neighbour that a repair has given a vertex is asked to link back, as the
 * neighbours of a new vertex are.  The requests are kept until all lists are
 * repaired, so that no link to a live vertex gives way in a list that has links
 * to deleted ones, and then written page by page.  README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "hnsw/repair.h"

#define MIN_REQUESTS 1024

static void
add_request(Repair *repair, int layer, const HnswLinkBack *request)
{
	LinksBack *backs = &repair->backs;

	if (backs->n == backs->capacity)
	{
		backs->capacity = Max(MIN_REQUESTS, backs->capacity * 2);
		if (backs->requests == NULL)
			backs->requests =
				MemoryContextAlloc(repair->context, backs->capacity * sizeof(LayerLinkBack));
		else
			backs->requests =
				repalloc_huge(backs->requests, (Size) backs->capacity * sizeof(LayerLinkBack));
	}
	backs->requests[backs->n].layer = layer;
	backs->requests[backs->n++].back = *request;
}

void
repair_ask_back(Repair *repair, uint32 vertex, int layer, const uint32 *links, int nlinks,
				const uint32 *chosen, int nchosen, const uint32 *diverse, int ndiverse)
{
	for (int i = 0; i < nchosen; i++)
	{
		HnswLinkBack request = {.vertex = chosen[i], .newcomer = vertex};

		if (hnsw_contains(links, nlinks, chosen[i]))
			continue;
		request.weak = !hnsw_contains(diverse, ndiverse, chosen[i]);
		add_request(repair, layer, &request);
	}
}

static int
compare_requests(const void *a, const void *b)
{
	const LayerLinkBack *left = a;
	const LayerLinkBack *right = b;

	if (left->layer != right->layer)
		return left->layer < right->layer ? -1 : 1;
	if (left->back.vertex != right->back.vertex)
		return left->back.vertex < right->back.vertex ? -1 : 1;
	return left->back.newcomer < right->back.newcomer ? -1
													  : left->back.newcomer > right->back.newcomer;
}

bool
repair_backs_full(const Repair *repair)
{
	Size size = sizeof(LayerLinkBack) + sizeof(HnswLinkBack) + sizeof(HnswLinkBack *);

	return repair->backs.n * size >= (Size) maintenance_work_mem * 1024 / 2;
}

void
repair_link_back(Repair *repair)
{
	LinksBack *backs = &repair->backs;
	HnswLinkBack *links;
	uint32 done = 0;

	if (backs->n == 0)
		return;
	qsort(backs->requests, backs->n, sizeof(LayerLinkBack), compare_requests);
	links = palloc_extended(backs->n * sizeof(HnswLinkBack), MCXT_ALLOC_HUGE);
	while (done < backs->n)
	{
		int layer = backs->requests[done].layer;
		int n = 0;

		for (; done < backs->n && backs->requests[done].layer == layer; done++)
			links[n++] = backs->requests[done].back;
		hnsw_link_back(repair->index, layer, links, n);
	}
	pfree(links);
	backs->n = 0;
}
