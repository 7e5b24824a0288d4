/*-------------------------------------------------------------------------
 *
 * graph_order.c
 *	  The order in which vertices are inserted, and lie in memory.
 *
 * Vertices of higher levels (a random sample of 1 in m) come first, the highest
 * foremost, at random within a level.
 *
 * Vertices inserted one after the other find the values and lists they need in
 * the cache when they lie near each other.  So once the vertices of higher
 * levels are in, every other vertex is assigned to the nearest of them that a
 * descent finds (graph_bridge.c), its home, where its search will start; then
 * the homes are walked in the order of a depth-first search over layer 1, and
 * the vertices are numbered home by home.
 *
 * The numbers are those of lists and values in memory, too: small values are
 * copied, of others there are the addresses.  With 400,000 SIFT vectors, which
 * come in no order, that takes a tenth off the time of the build.
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

#include "core/random.h"

/* Stream of random numbers, told apart by what is added to the seed */
#define SEED_OF_ORDER UINT64_C(0x6F72646572)

/* The share of all pieces between one piece and the next: the golden section */
#define PIECE_STEP 0.6180339887498949

/* Draws the level of every number into levels[] and counts them. */
static void
draw_levels(const Graph *graph, uint8_t *levels, uint32_t *per_level)
{
	memset(per_level, 0, (GRAPH_MAX_LEVEL + 1) * sizeof(uint32_t));
	for (uint32_t number = 0; number < graph->nvertices; number++)
	{
		int level = graph_random_level(graph->params.seed, number, graph->params.m);

		levels[number] = (uint8_t) level;
		per_level[level]++;
	}
}

static void
shuffle(uint32_t *numbers, uint32_t n, Random *random)
{
	for (uint32_t i = n; i > 1; i--)
	{
		uint32_t j = (uint32_t) random_below(random, i);
		uint32_t swapped = numbers[i - 1];

		numbers[i - 1] = numbers[j];
		numbers[j] = swapped;
	}
}

void
graph_assign_order(Graph *graph)
{
	uint8_t *levels = graph_worker(graph, 0)->stamps;
	uint32_t per_level[GRAPH_MAX_LEVEL + 1];
	uint32_t start[GRAPH_MAX_LEVEL + 1];
	uint32_t first = 0;
	uint32_t nupper = 0;
	Random random;

	draw_levels(graph, levels, per_level);
	for (int level = GRAPH_MAX_LEVEL; level >= 0; level--)
	{
		start[level] = first;
		first += per_level[level];
	}
	for (uint32_t number = 0; number < graph->nvertices; number++)
		graph->numbers[start[levels[number]]++] = number;
	memset(levels, 0, graph->nvertices);
	random_seed(&random, graph->params.seed + SEED_OF_ORDER);
	first = 0;
	for (int level = GRAPH_MAX_LEVEL; level > 0; level--)
	{
		shuffle(graph->numbers + first, per_level[level], &random);
		for (uint32_t end = first + per_level[level]; first < end; first++)
		{
			graph->levels[first] = (uint8_t) level;
			graph->upper_first[first] = nupper;
			nupper += (uint32_t) level;
		}
	}
	graph->nhomes = first > 0 ? first : 1;
}

void
graph_place_value(Graph *graph, uint32_t vertex)
{
	const void *value = graph_value(&graph->given, graph->numbers[vertex]);
	char *place = graph->placed + vertex * graph->values.stride;

	if (graph->values.addresses)
		*(const void **) place = value;
	else
		memcpy(place, value, graph->values.value_size);
}

/*
 * Turns parents[] from the home of each vertex into a chain per home: parents[]
 * of a home is the first of its vertices, parents[] of those the next one.
 */
static void
chain_vertices(Graph *graph)
{
	uint32_t *parents = graph->parents;

	for (uint32_t home = 0; home < graph->nhomes; home++)
		parents[home] = GRAPH_NO_VERTEX;
	for (uint32_t v = graph->nhomes; v < graph->nvertices; v++)
	{
		uint32_t home = parents[v];

		parents[v] = parents[home];
		parents[home] = v;
	}
}

/* Puts the vertices of a home into the queue from n on and gives them back their home. */
static uint32_t
queue_home(Graph *graph, uint32_t home, uint32_t n)
{
	uint32_t next;

	for (uint32_t v = graph->parents[home]; v != GRAPH_NO_VERTEX; v = next)
	{
		next = graph->parents[v];
		graph->parents[v] = home;
		graph->queue[n++] = v;
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

/* Walks the homes that a home leads to and queues their vertices from n on. */
static uint32_t
walk_homes(Graph *graph, uint8_t *marks, uint32_t home, uint32_t n)
{
	uint32_t *stack = graph->vertices;
	uint32_t depth = 0;

	while (home != GRAPH_NO_VERTEX)
	{
		marks[home] = 1;
		n = queue_home(graph, home, n);
		stack[depth++] = home;
		do
			home = unmarked_neighbor(graph, marks, stack[depth - 1]);
		while (home == GRAPH_NO_VERTEX && --depth > 0);
	}
	return n;
}

/* Puts what an array has of the vertices of level 0 into the order of the queue. */
static void
reorder(Graph *graph, uint32_t *array)
{
	uint32_t *scratch = graph->vertices;

	for (uint32_t i = graph->nhomes; i < graph->nvertices; i++)
		scratch[i] = array[graph->queue[i]];
	memcpy(array + graph->nhomes, scratch + graph->nhomes,
		   (graph->nvertices - graph->nhomes) * sizeof(uint32_t));
}

void
graph_group(Graph *graph)
{
	uint8_t *marks = graph_worker(graph, 0)->stamps;
	uint32_t n = graph->nhomes;

	memset(marks, 0, graph->nvertices);
	chain_vertices(graph);
	for (uint32_t home = 0; home < graph->nhomes; home++)
	{
		if (marks[home] == 0)
			n = walk_homes(graph, marks, home, n);
	}
	memset(marks, 0, graph->nvertices);
	reorder(graph, graph->numbers);
	reorder(graph, graph->parents);
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
