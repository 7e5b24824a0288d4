/*-------------------------------------------------------------------------
 *
 * graph.h
 *	  Builds a hierarchical navigable small-world graph in memory.
 *
 * Malkov and Yashunin, "Efficient and robust approximate nearest neighbor
 * search using hierarchical navigable small world graphs", algorithms 1, 2
 * and 4, over values that lie in memory of the caller's, with threads.
 *
 * Differences from the paper: the level of a vertex is a hash of the seed and
 * its number, and vertices are inserted from the highest level down, so the
 * entry point is the first one and never moves; within a level the order is
 * random, but those of level 0 come in small groups that lie near each other
 * (graph_order.c); neighbour lists have slack and are pruned only when the
 * slack is used up; at the end every vertex is reachable from the entry point
 * in layer 0.
 *
 * With one thread the same values, parameters and seed give the same graph,
 * however the work is cut into steps.  With one thread distances() may also leave
 * a step by longjmp(); nothing but graph_free() may follow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_GRAPH_H
#define ANN_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPH_MAX_LEVEL 30
#define GRAPH_MIN_M 2
#define GRAPH_MAX_M 100
#define GRAPH_MAX_LINKS (2 * GRAPH_MAX_M) /* of a vertex in a layer */

/* Vertices are numbered with 31 bits, see pool.h. */
#define GRAPH_MAX_VERTICES UINT32_C(0x7FFFFFFF)

/* The entry point of an empty graph */
#define GRAPH_NO_VERTEX UINT32_MAX

/*
 * How far apart values are.  Keys order as distances do; the first argument of
 * the underlying distance is the object, the second the query.
 */
typedef struct GraphDistance
{
	const void *context;
	size_t query_size; /* bytes of scratch prepare_query wants, 0 for none */

	/* The query form of a value; may return the value itself. */
	const void *(*prepare_query)(const void *context, const void *value, void *scratch);

	void (*distances)(const void *context, const void *query, const void *const *objects, int n,
					  float *keys);
} GraphDistance;

/*
 * Values in chunks of 2^chunk_shift, each `stride` bytes apart.  Values of different
 * sizes lie elsewhere, and their addresses in the chunks.
 */
typedef struct GraphValues
{
	char *const *chunks;
	int chunk_shift;
	bool addresses; /* the chunks hold the addresses of values */
	size_t stride;
	size_t value_size; /* bytes that distances() reads, for prefetching */
} GraphValues;

static inline const void *
graph_value(const GraphValues *values, uint32_t vertex)
{
	const char *place = values->chunks[vertex >> values->chunk_shift] +
						(vertex & ((1u << values->chunk_shift) - 1)) * values->stride;

	return values->addresses ? *(const void *const *) place : place;
}

typedef struct GraphParams
{
	int m; /* links per vertex above layer 0, GRAPH_MIN_M to GRAPH_MAX_M; 2 * m in layer 0 */
	int ef_construction; /* size of the search pool, at least 1 */
	int threads;		 /* at least 1 */
	uint64_t seed;
	bool upper;	  /* layer 0 is an upper layer of a larger graph: m links there, too */
	size_t spare; /* bytes that copies of the values may take beyond graph_memory() */
} GraphParams;

typedef struct Graph Graph;

/* Upper limit of the bytes that a graph of nvertices takes, beside the values and copies of them */
extern size_t graph_memory(uint32_t nvertices, const GraphParams *params, size_t query_size);

/* Level of a vertex: floor(-ln(u) / ln(m)), u from a hash of seed and vertex */
extern int graph_random_level(uint64_t seed, uint64_t vertex, int m);

/*
 * A graph with nothing inserted yet, or NULL when memory is short; all memory
 * it will ever need is taken here.  The values must stay until graph_free(),
 * which may be called between any two steps, and with NULL.  Vertices have the
 * numbers of their values.
 */
extern Graph *graph_create(uint32_t nvertices, const GraphParams *params,
						   const GraphDistance *distance, const GraphValues *values);
extern void graph_free(Graph *graph);

/*
 * Does about `items` units of the remaining work and returns true while some
 * is left.  Call it in a loop and look at interrupts between calls; a unit
 * takes of the order of 100 microseconds.  graph_progress() tells how many
 * vertices have been inserted.
 */
extern bool graph_build_step(Graph *graph, uint32_t items);
extern uint32_t graph_progress(const Graph *graph);

/* Distance computations so far */
extern uint64_t graph_distance_computations(const Graph *graph);

/* Bytes of params.spare that are in use */
extern size_t graph_spare_used(const Graph *graph);

/* The finished graph */
extern uint32_t graph_entry(const Graph *graph);
extern int graph_level(const Graph *graph, uint32_t vertex);

/*
 * Copies the neighbours of a vertex in a layer to links[], which has room for 2 m; nearest
 * first is not promised.  Returns how many: at most 2 m (m above layer 0).
 */
extern int graph_links(const Graph *graph, uint32_t vertex, int layer, uint32_t *links);

/*
 * For every vertex one that links to it in layer 0, such that the links from
 * anchors[v] to v are a tree rooted at the entry point, whose own anchor is
 * itself.  A neighbour that the vertex also links to is preferred.  anchors and
 * ranks (working memory) have room for every vertex.  Not to be called after
 * graph_layout_order().
 */
extern void graph_anchors(const Graph *graph, uint32_t *anchors, uint32_t *ranks);

/*
 * Order in which to lay the vertices out on pages: first those of upper layers
 * from the highest down, then the others in the order of a walk over layer 0
 * that keeps neighbours together.  order has room for every vertex.  Uses
 * memory of the graph's: not to be called by two threads at once.
 */
extern void graph_layout_order(const Graph *graph, uint32_t *order);

/*
 * A tree over all vertices of the finished graph, along links of layer 0 that
 * exist in both directions wherever there are such; other edges of the tree are
 * links that somebody has to add.  The caller gives the memory.
 */
typedef struct GraphTree
{
	uint32_t max_degree; /* edges a vertex may have, at least 2 */
	uint32_t *parents;	 /* of every vertex; the root is its own */
	uint16_t *degrees;	 /* of every vertex */
	uint32_t *queue;	 /* vertices in the order they joined */
	uint32_t nqueued;
} GraphTree;

/* Not to be called after graph_layout_order(). */
extern void graph_tree(const Graph *graph, GraphTree *tree);

/* Turns the tree so that `root` is its root. */
extern void graph_tree_set_root(GraphTree *tree, uint32_t root);

typedef struct GraphRankedLink
{
	uint32_t vertex;
	float key;
	bool diverse; /* the heuristic keeps it */
} GraphRankedLink;

/*
 * The links of a vertex in layer 0 and `extra` ones (at most m that are not
 * among them), nearest first.  links has room for 3 m.  Returns how many.  May
 * be called by several threads at a time, each with its own number.
 */
extern int graph_ranked_links(const Graph *graph, int thread, uint32_t vertex,
							  const uint32_t *extra, int nextra, GraphRankedLink *links);

/*
 * Heuristic neighbour selection (algorithm 4): of ncandidates, ascending by
 * key (their distance to the base value), keeps at most m (up to GRAPH_MAX_LINKS): first those nearer
 * to the base than to any kept one, then, if `fill`, the nearest of the rest.
 * values[i] is candidate i's value; kept[] receives indexes into the
 * candidates, ascending.  scratch: query_size bytes.  Returns how many were
 * kept and adds the distances computed to *computed.
 */
extern int graph_select_neighbors(const GraphDistance *distance, const void *const *values,
								  const float *keys, int ncandidates, int m, bool fill,
								  void *scratch, int *kept, uint64_t *computed);

#endif /* ANN_GRAPH_H */
