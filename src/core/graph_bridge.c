/*-------------------------------------------------------------------------
 *
 * graph_bridge.c
 *	  Makes descents through the upper layers arrive where they should.
 *
 * Where values form clusters, the lists of an upper layer fill up with
 * neighbours in the own cluster, and the links that once led from cluster to
 * cluster are pruned.  Descents into a cluster without a vertex in the layer
 * above then end in another one, and a vertex inserted from there is linked to
 * a neighbourhood that is not its own.
 *
 * So when the upper layers are complete, every vertex in them is searched for
 * with a beam narrower than that of searches.  Where that fails, what it came to instead gets a
 * link to the vertex, a bridge.  The next vertices of the cluster are found
 * over the bridge, so few are needed.
 *
 * The vertices of level 0 are not all as easy to find as those.  One that is
 * farther from the home a descent leads to than the home is from its own
 * neighbours descends once more with a wide beam, and if that finds a nearer
 * home, the two homes are bridged.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

/* Beam of the second descent */
#define WIDE_BEAM 32

/* Ids of the nearest entries of the pool, at most GRAPH_BEAM; returns how many. */
static int
pool_ids(const Pool *pool, uint32_t *ids)
{
	int n = pool->size < GRAPH_BEAM ? pool->size : GRAPH_BEAM;

	for (int i = 0; i < n; i++)
		ids[i] = POOL_ID(pool->entries[i]);
	return n;
}

static bool
list_holds(const GraphList *list, uint32_t vertex)
{
	int count = graph_list_count(list);

	for (int i = 0; i < count; i++)
	{
		if (graph_list_get(list, i) == vertex)
			return true;
	}
	return false;
}

/*
 * Puts a link first into a locked list, and counts it as a diverse one so that
 * the next bridge leaves it.  A full list gives up its last link if it was only
 * filled in, or any if `force`; returns false if it does not.
 */
static bool
put_bridge(GraphList *list, int limit, uint32_t to, bool force)
{
	int count = graph_list_count(list);
	int checked = list->checked;

	if (count >= limit && checked == count)
	{
		if (!force)
			return false;
		checked--;
	}
	if (count < limit)
	{
		/* a valid vertex comes first, the count after it */
		graph_list_set(list, count, checked < count ? graph_list_get(list, checked) : to);
		graph_list_publish(list, count + 1);
	}
	else
		graph_list_set(list, count - 1, graph_list_get(list, checked));
	if (checked > 0)
		graph_list_set(list, checked, graph_list_get(list, 0));
	graph_list_set(list, 0, to);
	list->checked = (uint8_t) (checked + 1);
	return true;
}

static bool
add_bridge(Graph *graph, uint32_t from, uint32_t to, int layer, bool force)
{
	GraphList *list = graph_list(graph, from, layer);
	bool done;

	graph_lock(graph, from);
	done = list_holds(list, to) || put_bridge(list, graph_list_limit(graph, layer), to, force);
	graph_unlock(graph, from);
	return done;
}

/* Links one of n vertices, ascending by their distance from `to`, to it. */
static void
bridge_from(Graph *graph, const uint32_t *from, int n, uint32_t to, int layer)
{
	for (int i = 0; i < n; i++)
	{
		if (add_bridge(graph, from[i], to, layer, false))
			return;
	}
	add_bridge(graph, from[0], to, layer, true);
}

void
graph_bridge(Graph *graph, GraphWorker *worker, uint32_t vertex)
{
	const void *query = graph_worker_query(graph, worker, vertex);

	for (int layer = graph->levels[vertex]; layer > 0; layer--)
	{
		uint32_t found[GRAPH_BEAM] = {graph->entry};
		bool arrived = false;
		int n;

		graph_descend(graph, worker, query, layer, GRAPH_BEAM);
		n = pool_ids(&worker->pool, found);
		for (int i = 0; i < n; i++)
			arrived |= found[i] == vertex;
		if (!arrived)
			bridge_from(graph, found, n, vertex, layer);
	}
}

/* Is a key beyond that of the last link of a home in layer 1, of one that is not a bridge? */
static bool
is_far(const Graph *graph, GraphWorker *worker, uint32_t home, float key)
{
	const GraphList *list = graph_list(graph, home, 1);
	const void *value = graph_value(&graph->values, home);
	const void *query =
		graph->distance.prepare_query(graph->distance.context, value, worker->base_query);
	int count = graph_list_count(list);

	if (count == 0)
		return false;
	worker->ids[0] = graph_list_get(list, count - 1);
	graph_score(graph, worker, query, 1);
	return key > worker->keys[0];
}

void
graph_find_home(Graph *graph, GraphWorker *worker, uint32_t vertex)
{
	const void *value = graph_value(&graph->given, graph->numbers[vertex]);
	const void *query =
		graph->distance.prepare_query(graph->distance.context, value, worker->query);
	uint32_t found[GRAPH_BEAM] = {graph->entry};
	float key;
	int n;

	graph_descend(graph, worker, query, 1, GRAPH_BEAM);
	n = pool_ids(&worker->pool, found);
	key = worker->pool.entries[0].key;
	graph->parents[vertex] = found[0];
	if (graph->top_level == 0 || !is_far(graph, worker, found[0], key))
		return;
	graph_descend(graph, worker, query, 1, WIDE_BEAM);
	if (worker->pool.entries[0].key < key)
	{
		graph->parents[vertex] = POOL_ID(worker->pool.entries[0]);
		bridge_from(graph, found, n, graph->parents[vertex], 1);
	}
}
