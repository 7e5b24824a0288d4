/*-------------------------------------------------------------------------
 *
 * graph_search.c
 *	  Searching the graph while it is built.
 *
 * The two nearest vertices are expanded at a time: their unvisited neighbours
 * are gathered, the values prefetched, then scored in one call, so that the
 * cache misses overlap, those of the lists too.
 *
 * Visited vertices are marked in an array with one stamp per vertex, which
 * needs no branch per neighbour as a hash table does; a search begins by
 * taking the next stamp.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <string.h>

/* Longest batch: two full lists or a whole pool, and two more */
static size_t
batch_size(const GraphShape *shape, int ef)
{
	int n = 2 * shape->base_capacity;

	return (size_t) (ef > n ? ef : n) + 2;
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
graph_worker_size(const GraphShape *shape, uint32_t nvertices, int ef)
{
	size_t batch = batch_size(shape, ef);

	return graph_round_up(sizeof(GraphWorker)) + graph_round_up((size_t) ef * sizeof(PoolEntry)) +
		   graph_round_up(batch * sizeof(uint32_t)) + graph_round_up(batch * sizeof(void *)) +
		   graph_round_up(batch * sizeof(float)) + graph_round_up(batch * sizeof(PoolEntry)) +
		   graph_round_up(batch * sizeof(bool)) + graph_round_up(batch * sizeof(int)) +
		   graph_round_up((size_t) shape->base_limit * (GRAPH_MAX_LEVEL + 1) * sizeof(uint32_t)) +
		   3 * graph_round_up(shape->query_size) + graph_round_up(nvertices);
}

GraphWorker *
graph_worker_init(const GraphShape *shape, uint32_t nvertices, int ef, char *memory)
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
	worker->nvertices = nvertices;
	worker->stamp = 0;
	worker->stamps = take(&memory, nvertices);
	worker->last = GRAPH_NO_VERTEX;
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

/* Forgets every visited vertex. */
static void
clear_visited(GraphWorker *worker)
{
	if (++worker->stamp == 0)
	{
		memset(worker->stamps, 0, worker->nvertices);
		worker->stamp = 1;
	}
}

void
graph_search_start(const Graph *graph, GraphWorker *worker, const void *query, uint32_t vertex,
				   int ef)
{
	PoolEntry dropped;

	pool_init(&worker->pool, worker->entries, ef);
	clear_visited(worker);
	worker->ids[0] = vertex;
	graph_score(graph, worker, query, 1);
	pool_insert(&worker->pool, worker->keys[0], vertex, &dropped);
	worker->stamps[vertex] = worker->stamp;
}

void
graph_search_follow(const Graph *graph, GraphWorker *worker, const void *query, uint32_t vertex)
{
	uint32_t home = graph->parents[vertex];
	Pool *pool = &worker->pool;
	int n = pool->size;

	clear_visited(worker);
	for (int i = 0; i < n; i++)
		worker->ids[i] = POOL_ID(pool->entries[i]);
	worker->ids[n++] = vertex;
	for (int i = 0; i < n; i++)
		worker->stamps[worker->ids[i]] = worker->stamp;
	if (worker->stamps[home] != worker->stamp)
	{
		worker->stamps[home] = worker->stamp;
		worker->ids[n++] = home;
	}
	graph_score(graph, worker, query, n);
	pool_init(pool, pool->entries, pool->capacity);
	pool_fill(pool, worker->keys, worker->ids, n);
}

void
graph_search_continue(GraphWorker *worker, int ef)
{
	Pool *pool = &worker->pool;

	pool->capacity = ef;
	pool->cursor = 0;
	clear_visited(worker);
	for (int i = 0; i < pool->size; i++)
	{
		pool->entries[i].id = POOL_ID(pool->entries[i]);
		worker->stamps[pool->entries[i].id] = worker->stamp;
	}
}

/* Adds the unvisited ones of a list to the n vertices in worker->ids; returns how many there are. */
static inline int
gather_unvisited(GraphWorker *worker, const GraphList *list, int n)
{
	uint8_t *stamps = worker->stamps;
	uint8_t stamp = worker->stamp;
	uint32_t *ids = worker->ids;
	int count = graph_list_count(list);

	for (int i = 0; i < count; i++)
	{
		uint32_t id = graph_list_get(list, i);

		ids[n] = id;
		n += stamps[id] != stamp;
		stamps[id] = stamp;
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

/* Prefetches the lists of the vertices that will be expanded next, as it seems now. */
static inline void
prefetch_next(const Graph *graph, const Pool *pool, int layer)
{
	for (int i = pool->cursor; i < pool->size && i < pool->cursor + 2; i++)
		prefetch_list(graph, POOL_ID(pool->entries[i]), layer);
}

void
graph_search_layer(const Graph *graph, GraphWorker *worker, const void *query, int layer, int ef)
{
	Pool *pool = &worker->pool;
	PoolEntry dropped;
	int expanded;

	while (pool->cursor < ef && (expanded = pool_expand_next(pool)) >= 0)
	{
		uint32_t vertex = POOL_ID(pool->entries[expanded]);
		int second = pool->cursor < ef ? pool_expand_next(pool) : -1;
		int n;

		if (second >= 0)
			prefetch_list(graph, POOL_ID(pool->entries[second]), layer);
		n = gather_unvisited(worker, graph_list(graph, vertex, layer), 0);
		if (second >= 0)
			n = gather_unvisited(worker, graph_list(graph, POOL_ID(pool->entries[second]), layer),
								 n);
		prefetch_next(graph, pool, layer);
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
graph_descend(const Graph *graph, GraphWorker *worker, const void *query, int lowest, int beam)
{
	if (beam > graph->shape.candidates)
		beam = graph->shape.candidates;
	graph_search_start(graph, worker, query, graph->entry, beam);
	for (int layer = graph->top_level; layer >= lowest; layer--)
	{
		graph_search_continue(worker, beam);
		graph_search_layer(graph, worker, query, layer, beam);
	}
}

void
graph_search(const Graph *graph, GraphWorker *worker, const void *query, int ef)
{
	graph_search_start(graph, worker, query, graph->entry, 1);
	for (int layer = graph->top_level; layer > 0; layer--)
	{
		graph_search_layer(graph, worker, query, layer, 1);
		graph_search_continue(worker, 1);
	}
	graph_search_continue(worker, ef);
	graph_search_layer(graph, worker, query, 0, ef);
}
