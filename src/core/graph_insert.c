/*-------------------------------------------------------------------------
 *
 * graph_insert.c
 *	  Inserting a vertex, and pruning neighbour lists.
 *
 * Malkov and Yashunin, algorithm 1, with two changes for threads: the links
 * of the new vertex are found in all layers before any is published, so that
 * nobody meets it half connected; and publishing goes from layer 0 up.
 *
 * A new vertex's links are selected from twice as many candidates as the search
 * pool has room for: they have been scored on the way anyway.  Selections are
 * filled up with the nearest of the candidates that the heuristic turned down.
 * README has the figures.
 *
 * A vertex that a thread inserts right after one of the same home does not begin at
 * that home: the candidates of the one before are scored anew.  Most of what is near
 * it is among them, so fewer vertices need be expanded to find the rest.
 *
 * Pruning a list remembers how many of its links are known to be diverse
 * among themselves; the next pruning compares only pairs with a newer link in
 * them, with the same result.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <sched.h>

/* Looks at a taken lock so many times before giving the processor away */
#define LOCK_SPINS 64

void
graph_lock(Graph *graph, uint32_t vertex)
{
	uint8_t *lock = &graph_list(graph, vertex, 0)->lock;

	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0)
	{
		int spins = 0;

		while (__atomic_load_n(lock, __ATOMIC_RELAXED) != 0)
		{
			if (++spins == LOCK_SPINS)
			{
				sched_yield();
				spins = 0;
			}
		}
	}
}

void
graph_unlock(Graph *graph, uint32_t vertex)
{
	__atomic_store_n(&graph_list(graph, vertex, 0)->lock, 0, __ATOMIC_RELEASE);
}

/* Selects the links of the vertex at hand in a layer from the search's result. */
static void
select_links(const Graph *graph, GraphWorker *worker, int layer)
{
	const GraphShape *shape = &graph->shape;
	const Pool *pool = &worker->pool;
	uint32_t *selected = worker->selected + layer * shape->base_limit;
	GraphSelection selection = {.distance = &graph->distance,
								.values = worker->values,
								.keys = worker->keys,
								.ncandidates = pool->size,
								.m = layer == 0 ? shape->base_selected : shape->upper_limit,
								.fill = true,
								.scratch = worker->candidate_query,
								.kept = worker->kept};

	for (int i = 0; i < pool->size; i++)
	{
		worker->values[i] = graph_value(&graph->values, POOL_ID(pool->entries[i]));
		worker->keys[i] = pool->entries[i].key;
	}
	worker->nselected[layer] = graph_select(&selection);
	worker->computed += selection.computed;
	for (int i = 0; i < worker->nselected[layer]; i++)
		selected[i] = POOL_ID(pool->entries[worker->kept[i]]);
	worker->ndiverse[layer] = selection.ndiverse;
}

/*
 * Puts a list's links and their distances from its vertex, ascending, into
 * worker->candidates and which are known to be diverse into worker->checked.
 * Returns how many; extra is one more link, or GRAPH_NO_VERTEX.
 */
static int
sort_links(const Graph *graph, GraphWorker *worker, const GraphList *list, const void *query,
		   uint32_t extra)
{
	PoolEntry *sorted = worker->candidates;
	int n = graph_list_count(list);

	for (int i = 0; i < n; i++)
		worker->ids[i] = graph_list_get(list, i);
	if (extra != GRAPH_NO_VERTEX)
		worker->ids[n++] = extra;
	graph_score(graph, worker, query, n);
	for (int i = 0; i < n; i++)
	{
		float key = worker->keys[i];
		int j = i;

		for (; j > 0 && sorted[j - 1].key > key; j--)
		{
			sorted[j] = sorted[j - 1];
			worker->checked[j] = worker->checked[j - 1];
		}
		sorted[j].key = key;
		sorted[j].id = worker->ids[i];
		worker->checked[j] = i < list->checked;
	}
	return n;
}

/* Prunes a list, locked or not shared, to its limit, extra taken into account. */
static void
prune_links(const Graph *graph, GraphWorker *worker, uint32_t vertex, int layer, uint32_t extra)
{
	GraphList *list = graph_list(graph, vertex, layer);
	const void *query = graph->distance.prepare_query(
		graph->distance.context, graph_value(&graph->values, vertex), worker->base_query);
	int n = sort_links(graph, worker, list, query, extra);
	GraphSelection selection = {.distance = &graph->distance,
								.values = worker->values,
								.keys = worker->keys,
								.checked = worker->checked,
								.ncandidates = n,
								.m = graph_list_limit(graph, layer),
								.fill = true,
								.scratch = worker->candidate_query,
								.kept = worker->kept};
	int nkept;

	for (int i = 0; i < n; i++)
	{
		worker->values[i] = graph_value(&graph->values, worker->candidates[i].id);
		worker->keys[i] = worker->candidates[i].key;
	}
	nkept = graph_select(&selection);
	worker->computed += selection.computed;
	for (int i = 0; i < nkept; i++)
		graph_list_set(list, i, worker->candidates[worker->kept[i]].id);
	list->checked = (uint8_t) selection.ndiverse;
	graph_list_publish(list, nkept);
}

/* Adds a link from one vertex to another. */
static void
add_link(Graph *graph, GraphWorker *worker, uint32_t from, uint32_t to, int layer)
{
	GraphList *list = graph_list(graph, from, layer);
	int count;

	graph_lock(graph, from);
	count = graph_list_count(list);
	if (count < graph_list_capacity(graph, layer))
	{
		graph_list_set(list, count, to);
		graph_list_publish(list, count + 1);
	}
	else
		prune_links(graph, worker, from, layer, to);
	graph_unlock(graph, from);
}

/* Makes the selected links of a new vertex, both ways. */
static void
publish_links(Graph *graph, GraphWorker *worker, uint32_t vertex, int level)
{
	for (int layer = 0; layer <= level; layer++)
	{
		const uint32_t *selected = worker->selected + layer * graph->shape.base_limit;
		GraphList *list = graph_list(graph, vertex, layer);

		for (int i = 0; i < worker->nselected[layer]; i++)
			graph_list_set(list, i, selected[i]);
		list->checked = (uint8_t) worker->ndiverse[layer];
		graph_list_publish(list, worker->nselected[layer]);
	}
	for (int layer = 0; layer <= level; layer++)
	{
		const uint32_t *selected = worker->selected + layer * graph->shape.base_limit;

		for (int i = 0; i < worker->nselected[layer]; i++)
			add_link(graph, worker, selected[i], vertex, layer);
	}
}

/* Selects the links of a vertex of level 0 that has the home of the last one. */
static void
follow_last(const Graph *graph, GraphWorker *worker, const void *query)
{
	graph_search_follow(graph, worker, query, worker->last);
	graph_search_layer(graph, worker, query, 0, graph->shape.follow_ef);
	select_links(graph, worker, 0);
}

void
graph_insert(Graph *graph, GraphWorker *worker, uint32_t vertex)
{
	const void *query = graph_worker_query(graph, worker, vertex);
	int level = graph->levels[vertex];
	int layer = level;

	if (level > 0)
		graph_descend(graph, worker, query, level + 1, GRAPH_BEAM);
	else if (worker->last != GRAPH_NO_VERTEX &&
			 graph->parents[worker->last] == graph->parents[vertex])
	{
		follow_last(graph, worker, query);
		layer = -1;
	}
	else
		graph_search_start(graph, worker, query, graph->parents[vertex], 1);
	for (; layer >= 0; layer--)
	{
		graph_search_continue(worker, graph->shape.candidates);
		graph_search_layer(graph, worker, query, layer, graph->shape.ef);
		select_links(graph, worker, layer);
	}
	publish_links(graph, worker, vertex, level);
	worker->last = vertex;
}

void
graph_trim(Graph *graph, GraphWorker *worker, uint32_t vertex, int lowest)
{
	for (int layer = lowest; layer <= graph->levels[vertex]; layer++)
	{
		if (graph_list_count(graph_list(graph, vertex, layer)) > graph_list_limit(graph, layer))
			prune_links(graph, worker, vertex, layer, GRAPH_NO_VERTEX);
	}
}
