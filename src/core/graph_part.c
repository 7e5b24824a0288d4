/*-------------------------------------------------------------------------
 *
 * graph_part.c
 *	  What is taken from the graph of a part when parts are joined to one graph:
 *	  a tree over its vertices, and its links with their distances.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <assert.h>
#include <string.h>

/* The links in layer 0 of a vertex that has the caller's number; they are not such numbers. */
static const GraphList *
list_of(const Graph *graph, uint32_t number)
{
	return graph_list(graph, graph->vertices[number], 0);
}

static bool
has_link(const GraphList *list, uint32_t other)
{
	for (int i = 0; i < list->count; i++)
	{
		if (list->ids[i] == other)
			return true;
	}
	return false;
}

static void
join(GraphTree *tree, uint32_t vertex, uint32_t parent)
{
	tree->parents[vertex] = parent;
	tree->degrees[vertex]++;
	if (parent != vertex)
		tree->degrees[parent]++;
	tree->queue[tree->nqueued++] = vertex;
}

/* Goes on from every vertex in the queue along links that exist both ways. */
static uint32_t
grow(const Graph *graph, GraphTree *tree, uint32_t head)
{
	for (; head < tree->nqueued; head++)
	{
		uint32_t vertex = tree->queue[head];
		const GraphList *list = list_of(graph, vertex);

		for (int i = 0; i < list->count && tree->degrees[vertex] < tree->max_degree; i++)
		{
			uint32_t next = graph->numbers[list->ids[i]];

			if (tree->parents[next] == GRAPH_NO_VERTEX &&
				has_link(list_of(graph, next), graph->vertices[vertex]))
				join(tree, next, vertex);
		}
	}
	return head;
}

/* A neighbour of a vertex that is in the tree and has room, or GRAPH_NO_VERTEX */
static uint32_t
find_host(const Graph *graph, const GraphTree *tree, uint32_t vertex)
{
	const GraphList *list = list_of(graph, vertex);

	for (int i = 0; i < list->count; i++)
	{
		uint32_t host = graph->numbers[list->ids[i]];

		if (tree->parents[host] != GRAPH_NO_VERTEX && tree->degrees[host] < tree->max_degree)
			return host;
	}
	return GRAPH_NO_VERTEX;
}

/*
 * Joins a vertex that growing did not come to: to a neighbour of its own, to
 * one of its neighbours', or else to the vertex that joined last, a leaf.
 */
static void
join_left_over(const Graph *graph, GraphTree *tree, uint32_t vertex)
{
	const GraphList *list = list_of(graph, vertex);
	uint32_t host = find_host(graph, tree, vertex);

	for (int i = 0; i < list->count && host == GRAPH_NO_VERTEX; i++)
		host = find_host(graph, tree, graph->numbers[list->ids[i]]);
	if (host == vertex || host == GRAPH_NO_VERTEX)
		host = tree->queue[tree->nqueued - 1];
	join(tree, vertex, host);
}

void
graph_tree(const Graph *graph, GraphTree *tree)
{
	uint32_t entry = graph_entry(graph);
	uint32_t head = 0;

	assert(tree->max_degree >= 2);
	memset(tree->parents, 0xFF, graph->nvertices * sizeof(uint32_t));
	memset(tree->degrees, 0, graph->nvertices * sizeof(uint16_t));
	tree->nqueued = 0;
	join(tree, entry, entry);
	tree->degrees[entry] = 0;
	head = grow(graph, tree, head);
	for (uint32_t vertex = 0; vertex < graph->nvertices; vertex++)
	{
		if (tree->parents[vertex] != GRAPH_NO_VERTEX)
			continue;
		join_left_over(graph, tree, vertex);
		head = grow(graph, tree, head);
	}
}

void
graph_tree_set_root(GraphTree *tree, uint32_t root)
{
	uint32_t vertex = root;
	uint32_t below = root;

	for (;;)
	{
		uint32_t above = tree->parents[vertex];

		tree->parents[vertex] = below;
		if (above == vertex)
			break;
		below = vertex;
		vertex = above;
	}
}

/* Orders the links in worker->ids by distance, along with what is known of them. */
static void
sort_ranked(GraphWorker *worker, int n, int checked)
{
	PoolEntry *sorted = worker->candidates;

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
		worker->checked[j] = i < checked;
	}
}

/*
 * Is the list as pruning left it?  Then it is full, and behind the links that
 * were kept those filled in ascend by distance; new links come in any order.
 * keys: of the list's links.
 */
static bool
is_pruned(const Graph *graph, const GraphList *list, const float *keys)
{
	if (list->count < graph->shape.base_limit)
		return false;
	for (int i = list->checked + 1; i < list->count; i++)
	{
		if (keys[i] < keys[i - 1])
			return false;
	}
	return true;
}

int
graph_ranked_links(const Graph *graph, int thread, uint32_t vertex, const uint32_t *extra,
				   int nextra, GraphRankedLink *links)
{
	GraphWorker *worker = graph_worker(graph, thread);
	const GraphList *list = list_of(graph, vertex);
	GraphSelection selection = {.distance = &graph->distance,
								.values = worker->values,
								.keys = worker->keys,
								.checked = worker->checked,
								.scratch = worker->candidate_query,
								.kept = worker->kept};
	int n = list->count;
	bool pruned;

	memcpy(worker->ids, list->ids, (size_t) n * sizeof(uint32_t));
	for (int i = 0; i < nextra; i++)
	{
		if (!has_link(list, graph->vertices[extra[i]]))
			worker->ids[n++] = graph->vertices[extra[i]];
	}
	assert(n <= graph->shape.base_capacity + 1);
	graph_score(graph, worker, graph_worker_query(graph, worker, graph->vertices[vertex]), n);
	pruned = is_pruned(graph, list, worker->keys);
	sort_ranked(worker, n, list->checked);
	for (int i = 0; i < n; i++)
	{
		links[i].vertex = graph->numbers[worker->candidates[i].id];
		links[i].key = worker->candidates[i].key;
		links[i].diverse = worker->checked[i];
		worker->values[i] = graph_value(&graph->values, worker->candidates[i].id);
		worker->keys[i] = links[i].key;
	}

	/* of a pruned list it is known which are diverse: the nearest, and others */
	if (pruned && links[0].diverse)
		return n;
	selection.ncandidates = n;
	selection.m = n;
	graph_select(&selection);
	worker->computed += selection.computed;
	for (int i = 0; i < n; i++)
		links[i].diverse = false;
	for (int i = 0; i < selection.ndiverse; i++)
		links[worker->kept[i]].diverse = true;
	return n;
}
