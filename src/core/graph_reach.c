/*-------------------------------------------------------------------------
 *
 * graph_reach.c
 *	  Makes every vertex reachable from the entry point in layer 0.
 *
 * A walk from the entry point over the finished lists builds a tree of
 * reached vertices.  Each vertex it misses gets a link from a reached one near
 * it, and the walk goes on from there.  Where the list is full, the new link
 * replaces one that is not in the tree, so nothing reached is ever lost.  A
 * leaf of the tree always has room, so every vertex is attached in the end.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <string.h>

#include "core/random.h"

/* Vertices walked over, or looked at for not being reached, per unit of work */
#define WALK_PER_UNIT 64

static void
reach(Graph *graph, uint32_t vertex, uint32_t parent)
{
	graph->parents[vertex] = parent;
	graph->queue[graph->queue_tail++] = vertex;
}

void
graph_reach_start(Graph *graph)
{
	memset(graph->parents, 0xFF, graph->nvertices * sizeof(uint32_t));
	graph->position = 0;
	graph->queue_head = 0;
	graph->queue_tail = 0;
	reach(graph, graph->entry, graph->entry);
}

/* Reaches the neighbours of the next vertex in the queue. */
static void
walk(Graph *graph)
{
	uint32_t vertex = graph->queue[graph->queue_head++];
	const GraphList *list = graph_list(graph, vertex, 0);

	for (int i = 0; i < list->count; i++)
	{
		if (graph->parents[list->ids[i]] == GRAPH_NO_VERTEX)
			reach(graph, list->ids[i], vertex);
	}
}

/*
 * Where a vertex's list takes one more link: at its end, in place of its last
 * link outside the tree (the least wanted one of a pruned list), or nowhere, -1.
 */
static int
find_room(const Graph *graph, uint32_t vertex)
{
	const GraphList *list = graph_list(graph, vertex, 0);

	if (list->count < graph->shape.base_limit)
		return list->count;
	for (int i = list->count - 1; i >= 0; i--)
	{
		if (graph->parents[list->ids[i]] != vertex)
			return i;
	}
	return -1;
}

/*
 * The reached vertex nearest to one that is not, among those with room that a
 * search finds; or else a descendant in the tree of the nearest one found.
 * The way down is random, so that many vertices in one place do not make it
 * long.
 */
static uint32_t
find_host(Graph *graph, uint32_t vertex)
{
	GraphWorker *worker = graph_worker(graph, 0);
	const Pool *pool = &worker->pool;
	uint32_t host = graph->entry;
	uint64_t random = vertex;
	bool found = false;

	graph_search(graph, worker, graph_worker_query(graph, worker, vertex), graph->shape.ef);
	for (int i = 0; i < pool->size; i++)
	{
		uint32_t candidate = POOL_ID(pool->entries[i]);

		if (graph->parents[candidate] == GRAPH_NO_VERTEX)
			continue;
		if (find_room(graph, candidate) >= 0)
			return candidate;
		if (!found)
			host = candidate;
		found = true;
	}
	while (find_room(graph, host) < 0)
	{
		const GraphList *list = graph_list(graph, host, 0);

		random = random_hash(random);
		host = list->ids[random % list->count];
	}
	return host;
}

static void
attach(Graph *graph, uint32_t vertex)
{
	uint32_t host = find_host(graph, vertex);
	GraphList *list = graph_list(graph, host, 0);
	int room = find_room(graph, host);

	list->ids[room] = vertex;
	if (room == list->count)
		list->count++;
	reach(graph, vertex, host);
	graph->attached++;
}

bool
graph_reach_step(Graph *graph, uint32_t items)
{
	for (uint32_t unit = 0; unit < items; unit++)
	{
		int n = 0;

		while (n++ < WALK_PER_UNIT && graph->queue_head < graph->queue_tail)
			walk(graph);
		if (graph->queue_head < graph->queue_tail)
			continue;
		if (graph->queue_tail == graph->nvertices)
			return false;
		while (n++ < WALK_PER_UNIT && graph->parents[graph->position] != GRAPH_NO_VERTEX)
			graph->position++;
		if (graph->parents[graph->position] == GRAPH_NO_VERTEX)
			attach(graph, graph->position);
	}
	return true;
}

/* Does the vertex link to another one in layer 0? */
static bool
links_to(const Graph *graph, uint32_t vertex, uint32_t other)
{
	const GraphList *list = graph_list(graph, vertex, 0);

	for (int i = 0; i < list->count; i++)
	{
		if (list->ids[i] == other)
			return true;
	}
	return false;
}

/* The anchor of a vertex: ranks[] tells in which order vertices were reached. */
static uint32_t
anchor_of(const Graph *graph, const uint32_t *ranks, uint32_t vertex)
{
	const GraphList *list = graph_list(graph, vertex, 0);

	/* whoever was reached earlier cannot be below it in the tree */
	for (int i = 0; i < list->count; i++)
	{
		uint32_t neighbor = list->ids[i];

		if (ranks[neighbor] < ranks[vertex] && links_to(graph, neighbor, vertex))
			return neighbor;
	}
	return graph->parents[vertex];
}

void
graph_anchors(const Graph *graph, uint32_t *anchors, uint32_t *ranks)
{
	for (uint32_t i = 0; i < graph->nvertices; i++)
		ranks[graph->queue[i]] = i;
	for (uint32_t v = 0; v < graph->nvertices; v++)
		anchors[graph->numbers[v]] = graph->numbers[anchor_of(graph, ranks, v)];
}
