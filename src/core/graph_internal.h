/*-------------------------------------------------------------------------
 *
 * graph_internal.h
 *	  What the files of the graph builder share; nobody else includes it but
 *	  their tests and benchmarks.
 *
 * Inside the builder vertices are numbered in the order of their insertion
 * (graph_order.c), so that what lies near each other in the graph does so in
 * memory; the numbers that callers know are those of the values.
 *
 * Everything a graph owns lies in one arena (graph.c).  A neighbour list is a
 * GraphList: a head of four bytes and room for more links than its limit, so
 * that it is pruned only when the room is used up.
 *
 * Threads: a list is changed under its vertex's lock only, and read without
 * one.  The count is stored with release after the ids it covers and loaded
 * with acquire; ids are stored and loaded one by one, relaxed.  Every slot
 * below any count ever published holds a valid vertex, so a reader that meets
 * a list being pruned sees a mixture of its old and new links: possibly one
 * twice, possibly one missing, never a wrong one.  A vertex's own list is
 * complete in every layer before the first link to it is published.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_GRAPH_INTERNAL_H
#define ANN_GRAPH_INTERNAL_H

#include "core/graph.h"
#include "core/pool.h"

#define CACHE_LINE 64

typedef struct GraphList
{
	uint16_t count;	 /* links, published with release */
	uint8_t checked; /* the first so many were kept by the heuristic: ascending by
					  * key and known to be diverse among themselves */
	uint8_t lock;	 /* in layer 0: the lock of all lists of the vertex */
	uint32_t ids[];
} GraphList;

/* Sizes that follow from the parameters alone */
typedef struct GraphShape
{
	int m;
	int ef;			   /* size of the search pool ... */
	int follow_ef;	   /* of it, expanded in the search of a vertex that follows a neighbour */
	int candidates;	   /* size of the pool the links of a new vertex are selected from */
	int base_selected; /* links of a new vertex in layer 0 */
	int base_limit;	   /* links per list in layer 0 when finished ... */
	int base_capacity; /* ... and while building */
	int upper_limit;   /* the same in layers above */
	int upper_capacity;
	size_t base_stride; /* bytes from one list to the next */
	size_t upper_stride;
	size_t query_size;
	int threads;
} GraphShape;

/* What one thread works with; nothing in it is shared */
typedef struct GraphWorker
{
	Pool pool;
	uint32_t nvertices;
	uint8_t *stamps; /* per vertex: visited if equal to stamp */
	uint8_t stamp;
	PoolEntry *entries;	   /* ef, of the pool */
	uint32_t *ids;		   /* batch of vertices ... */
	const void **values;   /* ... their values ... */
	float *keys;		   /* ... and keys */
	PoolEntry *candidates; /* links of a list being pruned, and whether they */
	bool *checked;		   /* are known to be diverse among themselves */
	int *kept;			   /* result of the selection */
	uint32_t *selected;	   /* new vertex's links, base_limit per layer */
	int nselected[GRAPH_MAX_LEVEL + 1];
	int ndiverse[GRAPH_MAX_LEVEL + 1]; /* of them, kept by the heuristic */
	void *query;					   /* scratch for the query forms of the vertex at hand, */
	void *base_query;				   /* of one whose list is being pruned, */
	void *candidate_query;			   /* and of a candidate in the selection */
	uint32_t last;	   /* inserted vertex whose candidates the pool holds, or GRAPH_NO_VERTEX */
	uint64_t computed; /* distances */
} GraphWorker;

typedef enum GraphPhase
{
	GRAPH_INSERT_HOMES, /* vertices of levels above 0, one by one */
	GRAPH_TRIM_HOMES,	/* their lists in upper layers */
	GRAPH_BRIDGE,		/* make them findable there */
	GRAPH_FIND_HOMES,	/* of the others */
	GRAPH_PLACE_VALUES, /* of the others, in the order of insertion */
	GRAPH_INSERT,		/* the others, piece by piece */
	GRAPH_TRIM,			/* every list down to its limit */
	GRAPH_REACH,		/* make every vertex reachable in layer 0 */
	GRAPH_DONE
} GraphPhase;

struct Graph
{
	size_t arena_size; /* bytes mapped, this struct included */
	uint32_t nvertices;
	GraphParams params;
	GraphShape shape;
	GraphDistance distance;
	GraphValues given;	/* by the caller's numbers */
	GraphValues values; /* copies of those, or their addresses, by vertex */
	char *placed;		/* these, once they are in their places: homes first */
	int prefetch_lines; /* of a value */

	uint8_t *levels;
	uint32_t *numbers;	   /* the caller's number of each vertex */
	uint32_t *vertices;	   /* and the reverse; before the graph is done, scratch */
	uint32_t *queue;	   /* of the reach phase; before that the new order (graph_order.c) */
	uint32_t *upper_first; /* of homes: number of the vertex's list in layer 1 */
	uint32_t *parents;	   /* homes (graph_order.c); afterwards the tree of reached vertices */
	char *base_lists;
	char *upper_lists;
	char *workers; /* GraphWorker and its memory, worker_stride bytes apart */
	size_t worker_stride;

	uint32_t entry; /* 0, or GRAPH_NO_VERTEX */
	int top_level;
	uint32_t nhomes;	 /* vertices of levels above 0, and the entry point: they come first */
	uint32_t piece_step; /* from a piece to the one inserted next */
	GraphPhase phase;
	uint32_t position; /* of the phase: vertices done with */
	uint32_t queue_head;
	uint32_t queue_tail;
	uint32_t attached; /* links the reach phase had to add */
};

static inline GraphWorker *
graph_worker(const Graph *graph, int thread)
{
	return (GraphWorker *) (graph->workers + (size_t) thread * graph->worker_stride);
}

static inline GraphList *
graph_list(const Graph *graph, uint32_t vertex, int layer)
{
	if (layer == 0)
		return (GraphList *) (graph->base_lists + vertex * graph->shape.base_stride);
	return (GraphList *) (graph->upper_lists +
						  ((size_t) graph->upper_first[vertex] + (size_t) layer - 1) *
							  graph->shape.upper_stride);
}

static inline int
graph_list_limit(const Graph *graph, int layer)
{
	return layer == 0 ? graph->shape.base_limit : graph->shape.upper_limit;
}

static inline int
graph_list_capacity(const Graph *graph, int layer)
{
	return layer == 0 ? graph->shape.base_capacity : graph->shape.upper_capacity;
}

static inline int
graph_list_count(const GraphList *list)
{
	return __atomic_load_n(&list->count, __ATOMIC_ACQUIRE);
}

static inline uint32_t
graph_list_get(const GraphList *list, int i)
{
	return __atomic_load_n(&list->ids[i], __ATOMIC_RELAXED);
}

static inline void
graph_list_set(GraphList *list, int i, uint32_t id)
{
	__atomic_store_n(&list->ids[i], id, __ATOMIC_RELAXED);
}

static inline void
graph_list_publish(GraphList *list, int count)
{
	__atomic_store_n(&list->count, (uint16_t) count, __ATOMIC_RELEASE);
}

static inline void
graph_prefetch_value(const Graph *graph, const void *value)
{
	const char *line = value;

	for (int i = 0; i < graph->prefetch_lines; i++)
		__builtin_prefetch(line + (size_t) i * CACHE_LINE);
}

/* graph.c: rounds up to whole cache lines */
extern size_t graph_round_up(size_t size);

/* graph_search.c */

/* Bytes of a worker with a pool of ef entries, and its set-up in zeroed memory */
extern size_t graph_worker_size(const GraphShape *shape, uint32_t nvertices, int ef);
extern GraphWorker *graph_worker_init(const GraphShape *shape, uint32_t nvertices, int ef,
									  char *memory);

/* Query form of a vertex's value, in the worker's scratch if it needs any */
extern const void *graph_worker_query(const Graph *graph, GraphWorker *worker, uint32_t vertex);

/* Keys of n vertices (worker->ids) into worker->keys, their values into worker->values */
extern void graph_score(const Graph *graph, GraphWorker *worker, const void *query, int n);

/* Empties the pool, gives it room for ef entries, and puts a vertex in. */
extern void graph_search_start(const Graph *graph, GraphWorker *worker, const void *query,
							   uint32_t vertex, int ef);

/*
 * Starts a search from what the pool holds of another query's, as near to this one as a
 * vertex that is to be found as well, and from the home of that vertex, which is this one's
 * too: what was found from a home in another cluster must not lead all that follow astray.
 */
extern void graph_search_follow(const Graph *graph, GraphWorker *worker, const void *query,
								uint32_t vertex);

/* Goes on in the next layer from what the pool holds, with room for ef entries. */
extern void graph_search_continue(GraphWorker *worker, int ef);

/*
 * Best-first search of one layer (algorithm 2) until the nearest `ef` of the
 * pool have been expanded; the result is worker->pool.  A pool with more room
 * than ef keeps more of what was scored on the way.
 */
extern void graph_search_layer(const Graph *graph, GraphWorker *worker, const void *query,
							   int layer, int ef);

/*
 * From the entry point down through the layers as far as the lowest, which is above
 * 0, expanding the nearest `beam` in each; no more than a worker of the build has room
 * for.  With no layer to go through the pool holds the entry point.
 */
extern void graph_descend(const Graph *graph, GraphWorker *worker, const void *query, int lowest,
						  int beam);

/* From the entry point down to layer 0, there with a pool of ef entries */
extern void graph_search(const Graph *graph, GraphWorker *worker, const void *query, int ef);

/* graph_select.c */

typedef struct GraphSelection
{
	const GraphDistance *distance;
	const void *const *values; /* of the candidates, ascending by key */
	const float *keys;
	const bool *checked; /* these are diverse among themselves already; NULL: none is known */
	int ncandidates;
	int m;
	bool fill;
	void *scratch;
	int *kept; /* room for m: first the diverse ones, then those filled in */
	int ndiverse;
	uint64_t computed;
} GraphSelection;

/* The heuristic of graph_select_neighbors(); returns how many were kept. */
extern int graph_select(GraphSelection *selection);

/* graph_insert.c */

/* The lock of all lists of a vertex */
extern void graph_lock(Graph *graph, uint32_t vertex);
extern void graph_unlock(Graph *graph, uint32_t vertex);

extern void graph_insert(Graph *graph, GraphWorker *worker, uint32_t vertex);

/* Prunes every list of the vertex from the lowest layer up to its limit. */
extern void graph_trim(Graph *graph, GraphWorker *worker, uint32_t vertex, int lowest);

/* graph_bridge.c */

/*
 * Beam of the descents of a build: half of what searches should descend with, which leaves
 * a margin for queries, harder to find than values of the graph
 */
#define GRAPH_BEAM 2

/*
 * Makes a vertex that is in upper layers one that descents find there.  The
 * lists of those layers are complete, and within their limits.
 */
extern void graph_bridge(Graph *graph, GraphWorker *worker, uint32_t vertex);

/* Finds the home of a vertex of level 0, into graph->parents. */
extern void graph_find_home(Graph *graph, GraphWorker *worker, uint32_t vertex);

/* graph_order.c */

/* Vertices inserted in a row by one thread: enough to share cache lines, few
 * enough that the threads end a step of some hundred units at about the same time */
#define GRAPH_PIECE 32

/* Draws the levels and puts the vertices into order by them: homes first, highest first. */
extern void graph_assign_order(Graph *graph);

/* Puts the vertices of level 0, whose homes are known, into order: home by home. */
extern void graph_group(Graph *graph);

/* Puts the value of a vertex, or its address, in its place. */
extern void graph_place_value(Graph *graph, uint32_t vertex);

extern uint32_t graph_piece_count(const Graph *graph);

/* A number coprime to npieces, about 0.618 of it */
extern uint32_t graph_piece_step(uint32_t npieces);

/* graph_reach.c */

extern void graph_reach_start(Graph *graph);

/* Does about `items` units; false when every vertex is reachable. */
extern bool graph_reach_step(Graph *graph, uint32_t items);

#endif /* ANN_GRAPH_INTERNAL_H */
