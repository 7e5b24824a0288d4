/*-------------------------------------------------------------------------
 *
 * graph_search.c
 *	  Searching the graph while it is built.
 *
 * Expanding a vertex: its unvisited neighbours are gathered, their values
 * prefetched, then scored in one call, so that the cache misses overlap.
 *
 * The set of visited vertices has a fixed size.  When it is full it forgets
 * all but what is in the pool: a forgotten vertex may be scored again, but is
 * turned away again, since it left (or never entered) a full pool whose worst
 * key only decreases.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <string.h>

/* Visited vertices to expect per expanded one, as a share of the list length */
#define VISITED_PER_ENTRY(shape) ((shape)->base_limit)

/* Longest batch: a full list and one more, or a whole pool */
static size_t
batch_size(const GraphShape *shape, int ef)
{
	int n = shape->base_capacity + 1;

	return (size_t) (ef > n ? ef : n);
}

/* Slots of the visited set: never fewer than the pool and one list can fill */
static uint32_t
visited_slots(const GraphShape *shape, int ef)
{
	return visited_slots_for((uint32_t) (ef * VISITED_PER_ENTRY(shape) + shape->base_capacity));
}

/* Takes `size` bytes, rounded up to whole cache lines, off *memory. */
static void *
take(char **memory, size_t size)
{
	void *taken = *memory;

	*memory += graph_round_up(size);
	return taken;
}

size_t
graph_worker_size(const GraphShape *shape, int ef)
{
	size_t batch = batch_size(shape, ef);

	return graph_round_up(sizeof(GraphWorker)) + graph_round_up((size_t) ef * sizeof(PoolEntry)) +
		   graph_round_up(batch * sizeof(uint32_t)) + graph_round_up(batch * sizeof(void *)) +
		   graph_round_up(batch * sizeof(float)) + graph_round_up(batch * sizeof(PoolEntry)) +
		   graph_round_up(batch * sizeof(bool)) + graph_round_up(batch * sizeof(int)) +
		   graph_round_up((size_t) shape->base_limit * (GRAPH_MAX_LEVEL + 1) * sizeof(uint32_t)) +
		   3 * graph_round_up(shape->query_size) +
		   graph_round_up(visited_slots(shape, ef) * sizeof(uint64_t));
}

GraphWorker *
graph_worker_init(const GraphShape *shape, int ef, char *memory)
{
	size_t batch = batch_size(shape, ef);
	GraphWorker *worker = take(&memory, sizeof(GraphWorker));

	worker->entries = take(&memory, (size_t) ef * sizeof(PoolEntry));
	worker->ids = take(&memory, batch * sizeof(uint32_t));
	worker->values = take(&memory, batch * sizeof(void *));
	worker->keys = take(&memory, batch * sizeof(float));
	worker->candidates = take(&memory, batch * sizeof(PoolEntry));
	worker->checked = take(&memory, batch * sizeof(bool));
	worker->kept = take(&memory, batch * sizeof(int));
	worker->selected =
		take(&memory, (size_t) shape->base_limit * (GRAPH_MAX_LEVEL + 1) * sizeof(uint32_t));
	worker->query = take(&memory, shape->query_size);
	worker->base_query = take(&memory, shape->query_size);
	worker->candidate_query = take(&memory, shape->query_size);
	visited_init(&worker->visited, (uint64_t *) memory, visited_slots(shape, ef));
	worker->computed = 0;
	return worker;
}

const void *
graph_worker_query(const Graph *graph, GraphWorker *worker, uint32_t vertex)
{
	return graph->distance.prepare_query(graph->distance.context,
										 graph_value(&graph->values, vertex), worker->query);
}

void
graph_score(const Graph *graph, GraphWorker *worker, const void *query, int n)
{
	for (int i = 0; i < n; i++)
	{
		worker->values[i] = graph_value(&graph->values, worker->ids[i]);
		graph_prefetch_value(graph, worker->values[i]);
	}
	graph->distance.distances(graph->distance.context, query, worker->values, n, worker->keys);
	worker->computed += (uint64_t) n;
}

void
graph_search_start(const Graph *graph, GraphWorker *worker, const void *query, int ef)
{
	PoolEntry dropped;

	pool_init(&worker->pool, worker->entries, ef);
	visited_clear(&worker->visited);
	worker->ids[0] = graph->entry;
	graph_score(graph, worker, query, 1);
	pool_insert(&worker->pool, worker->keys[0], graph->entry, &dropped);
	visited_add(&worker->visited, graph->entry);
}

/* Forgets every visited vertex that is not in the pool. */
static void
visited_restart(GraphWorker *worker)
{
	Pool *pool = &worker->pool;

	visited_clear(&worker->visited);
	for (int i = 0; i < pool->size; i++)
		visited_add(&worker->visited, POOL_ID(pool->entries[i]));
}

void
graph_search_continue(GraphWorker *worker, int ef)
{
	Pool *pool = &worker->pool;

	pool->capacity = ef;
	pool->cursor = 0;
	for (int i = 0; i < pool->size; i++)
		pool->entries[i].id = POOL_ID(pool->entries[i]);
	visited_restart(worker);
}

/* The unvisited neighbours of a vertex, into worker->ids; returns how many. */
static int
gather_unvisited(GraphWorker *worker, const GraphList *list)
{
	VisitedSet *visited = &worker->visited;
	int count = graph_list_count(list);
	int n = 0;

	if (visited->count + (uint32_t) count > visited->limit)
		visited_restart(worker);
	for (int i = 0; i < count; i++)
	{
		uint32_t id = graph_list_get(list, i);

		if (visited_add(visited, id))
			worker->ids[n++] = id;
	}
	return n;
}

static inline void
prefetch_list(const Graph *graph, uint32_t vertex, int layer)
{
	const char *list = (const char *) graph_list(graph, vertex, layer);
	size_t size = layer == 0 ? graph->shape.base_stride : graph->shape.upper_stride;

	for (size_t offset = 0; offset < size; offset += CACHE_LINE)
		__builtin_prefetch(list + offset);
}

void
graph_search_layer(const Graph *graph, GraphWorker *worker, const void *query, int layer)
{
	Pool *pool = &worker->pool;
	PoolEntry dropped;
	int expanded;

	while ((expanded = pool_expand_next(pool)) >= 0)
	{
		uint32_t vertex = POOL_ID(pool->entries[expanded]);
		int n = gather_unvisited(worker, graph_list(graph, vertex, layer));

		if (pool->cursor < pool->size)
			prefetch_list(graph, POOL_ID(pool->entries[pool->cursor]), layer);
		if (n == 0)
			continue;
		graph_score(graph, worker, query, n);
		for (int i = 0; i < n; i++)
		{
			if (pool_accepts(pool, worker->keys[i]))
				pool_insert(pool, worker->keys[i], worker->ids[i], &dropped);
		}
	}
}

void
graph_search(const Graph *graph, GraphWorker *worker, const void *query, int ef)
{
	graph_search_start(graph, worker, query, 1);
	for (int layer = graph->top_level; layer > 0; layer--)
	{
		graph_search_layer(graph, worker, query, layer);
		graph_search_continue(worker, 1);
	}
	graph_search_continue(worker, ef);
	graph_search_layer(graph, worker, query, 0);
}
