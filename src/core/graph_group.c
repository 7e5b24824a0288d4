/*-------------------------------------------------------------------------
 *
 * graph_group.c
 *	  The order in which the vertices of level 0 are inserted.
 *
 * Vertices inserted one after the other find the values and lists they need in
 * the cache when they lie near each other.  So once the vertices of higher
 * levels (a random sample of 1 in m) are in, every other vertex is assigned to
 * the nearest of them that a descent finds (graph_bridge.c), its home, where its search will
 * start; then the homes are walked in the order of a depth-first search over
 * layer 1, and the vertices are numbered home by home.
 *
 * The result is cut into pieces of GRAPH_PIECE vertices.  Consecutive pieces
 * of the insertion are taken far apart, so that two threads at work at the same
 * time never insert near neighbours that would miss each other, and so that
 * the graph grows everywhere at once.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <string.h>

/* The share of all pieces between one piece and the next: the golden section */
#define PIECE_STEP 0.6180339887498949

static inline bool
is_home(const Graph *graph, uint32_t vertex)
{
	return graph->levels[vertex] > 0 || vertex == graph->entry;
}

/*
 * Turns parents[] from the home of each vertex into a chain per home: parents[]
 * of a home is the first of its vertices, parents[] of those the next one.
 */
static void
chain_vertices(Graph *graph)
{
	uint32_t *parents = graph->parents;

	for (uint32_t v = 0; v < graph->nvertices; v++)
	{
		if (is_home(graph, v))
			parents[v] = GRAPH_NO_VERTEX;
	}
	for (uint32_t v = 0; v < graph->nvertices; v++)
	{
		uint32_t home = parents[v];

		if (is_home(graph, v))
			continue;
		parents[v] = parents[home];
		parents[home] = v;
	}
}

/* Numbers the vertices of a home from n on and gives them back their home. */
static uint32_t
place_home(Graph *graph, uint32_t home, uint32_t n)
{
	uint32_t next;

	for (uint32_t v = graph->parents[home]; v != GRAPH_NO_VERTEX; v = next)
	{
		next = graph->parents[v];
		graph->parents[v] = home;
		graph->order[n++] = v;
	}
	return n;
}

/* A neighbour of a home in layer 1 that has not been marked, or GRAPH_NO_VERTEX */
static uint32_t
unmarked_neighbor(const Graph *graph, const uint8_t *marks, uint32_t home)
{
	const GraphList *list;

	if (graph->levels[home] == 0)
		return GRAPH_NO_VERTEX;
	list = graph_list(graph, home, 1);
	for (int i = 0; i < list->count; i++)
	{
		if (marks[list->ids[i]] == 0)
			return list->ids[i];
	}
	return GRAPH_NO_VERTEX;
}

/* Walks the homes that a home leads to and numbers their vertices from n on. */
static uint32_t
walk_homes(Graph *graph, uint8_t *marks, uint32_t home, uint32_t n)
{
	uint32_t *stack = graph->order; /* the part of the homes, which are in */
	uint32_t depth = 0;

	while (home != GRAPH_NO_VERTEX)
	{
		marks[home] = 1;
		n = place_home(graph, home, n);
		stack[depth++] = home;
		do
			home = unmarked_neighbor(graph, marks, stack[depth - 1]);
		while (home == GRAPH_NO_VERTEX && --depth > 0);
	}
	return n;
}

void
graph_group(Graph *graph)
{
	uint8_t *marks = graph_worker(graph, 0)->stamps;
	uint32_t n = graph->nhomes;

	memset(marks, 0, graph->nvertices);
	chain_vertices(graph);
	for (uint32_t v = 0; v < graph->nvertices; v++)
	{
		if (is_home(graph, v) && marks[v] == 0)
			n = walk_homes(graph, marks, v, n);
	}
	memset(marks, 0, graph->nvertices);

	/* The stack has destroyed this part; trimming wants every vertex in order[]. */
	n = 0;
	for (uint32_t v = 0; v < graph->nvertices; v++)
	{
		if (is_home(graph, v))
			graph->order[n++] = v;
	}
}

uint32_t
graph_piece_count(const Graph *graph)
{
	return (graph->nvertices - graph->nhomes + GRAPH_PIECE - 1) / GRAPH_PIECE;
}

static uint32_t
greatest_common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0)
	{
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

uint32_t
graph_piece_step(uint32_t npieces)
{
	uint32_t step = (uint32_t) (PIECE_STEP * npieces);

	if (step == 0)
		step = 1;
	while (greatest_common_divisor(npieces, step) != 1)
		step++;
	return step;
}
