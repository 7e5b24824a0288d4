/*-------------------------------------------------------------------------
 *
 * test_partition.c
 *	  Parts: nearest pivots, groups of equal weight, the tree and the links that
 *	  are taken from the graph of a part.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <string.h>

#include "core/graph.h"
#include "core/partition.h"
#include "core/random.h"
#include "unit.h"

#define DIM 4
#define PIVOTS 100
#define ROWS 1500
#define M 4

static void
l2_distances(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	(void) context;
	for (int i = 0; i < n; i++)
	{
		const float *a = objects[i];
		const float *b = query;

		keys[i] = 0;
		for (int d = 0; d < DIM; d++)
			keys[i] += (a[d] - b[d]) * (a[d] - b[d]);
	}
}

static void
equal_distances(const void *context, const void *query, const void *const *objects, int n,
				float *keys)
{
	(void) context;
	(void) query;
	(void) objects;
	for (int i = 0; i < n; i++)
		keys[i] = INFINITY;
}

static const void *
same_value(const void *context, const void *value, void *scratch)
{
	(void) context;
	(void) scratch;
	return value;
}

static const GraphDistance l2 = {.prepare_query = same_value, .distances = l2_distances};
static const GraphDistance tied = {.prepare_query = same_value, .distances = equal_distances};

static float values[ROWS][DIM];
static const void *pivot_values[PIVOTS];

static PartitionPivots
make_pivots(const GraphDistance *distance, uint32_t n)
{
	PartitionPivots pivots = {.distance = distance, .values = pivot_values, .npivots = n};
	Random random;

	random_seed(&random, 7);
	for (int i = 0; i < ROWS; i++)
	{
		for (int d = 0; d < DIM; d++)
			values[i][d] = (float) random_double(&random);
	}
	for (int i = 0; i < PIVOTS; i++)
		pivot_values[i] = values[i];
	return pivots;
}

static float
distance_of(int a, int b)
{
	const void *object = values[a];
	float key;

	l2_distances(NULL, values[b], &object, 1, &key);
	return key;
}

/* Of every row: the eight pivots are there, in order, and no other one is nearer. */
static void
nearest_are_nearest(void)
{
	PartitionPivots pivots = make_pivots(&l2, PIVOTS);
	uint16_t nearest[PARTITION_NEAREST];
	float keys[PIVOTS];

	for (int row = 0; row < 300; row++)
	{
		int nearer = 0;
		float last;

		partition_nearest(&pivots, values[row], (uint32_t) row * 77, NULL, keys, nearest);
		last = distance_of(nearest[PARTITION_NEAREST - 1], row);
		for (int i = 0; i < PIVOTS; i++)
			nearer += distance_of(i, row) < last;
		CHECK(nearer == PARTITION_NEAREST - 1, "row %d: %d nearer", row, nearer);
		for (int i = 1; i < PARTITION_NEAREST; i++)
			CHECK(distance_of(nearest[i - 1], row) <= distance_of(nearest[i], row), "row %d", row);
	}
}

static void
few_pivots_leave_places_empty(void)
{
	PartitionPivots pivots = make_pivots(&l2, 3);
	uint16_t nearest[PARTITION_NEAREST];
	float keys[PIVOTS];

	partition_nearest(&pivots, values[200], 5, NULL, keys, nearest);
	for (int i = 0; i < PARTITION_NEAREST; i++)
		CHECK((nearest[i] == PARTITION_NONE) == (i >= 3), "place %d: %u", i, nearest[i]);
}

/* Where no pivot is nearer than another, the hash chooses, and all get their share. */
static void
ties_are_spread(void)
{
	PartitionPivots pivots = make_pivots(&tied, PIVOTS);
	uint16_t nearest[PARTITION_NEAREST];
	uint16_t again[PARTITION_NEAREST];
	float keys[PIVOTS];
	int count[PIVOTS] = {0};

	for (uint32_t hash = 0; hash < 10 * PIVOTS; hash++)
	{
		partition_nearest(&pivots, values[0], hash, NULL, keys, nearest);
		partition_nearest(&pivots, values[0], hash, NULL, keys, again);
		CHECK(memcmp(nearest, again, sizeof(nearest)) == 0, "hash %u", hash);
		count[nearest[0]]++;
	}
	for (int i = 0; i < PIVOTS; i++)
		CHECK(count[i] == 10, "pivot %d: %d", i, count[i]);
}

/* Groups get equal weights, and every one of them a pivot. */
static void
check_split(const GraphDistance *distance, uint32_t ngroups, bool heavy)
{
	PartitionPivots pivots = make_pivots(distance, PIVOTS);
	float keys[2 * PIVOTS];
	PartitionMember scored[PIVOTS];
	PartitionScratch scratch = {.keys = keys, .members = scored};
	uint32_t members[PIVOTS];
	uint32_t group_of[PIVOTS];
	uint64_t weights[PIVOTS];
	double sums[PIVOTS] = {0};
	double total = 0;

	for (uint32_t i = 0; i < PIVOTS; i++)
	{
		members[i] = i;
		group_of[i] = UINT32_MAX;
		weights[i] = heavy && i == 3 ? 100000 : 100 + i;
		total += (double) weights[i];
	}
	partition_split(&pivots, members, PIVOTS, weights, ngroups, 5, group_of, &scratch);
	for (int i = 0; i < PIVOTS; i++)
	{
		CHECK(group_of[i] >= 5 && group_of[i] < 5 + ngroups, "pivot %d: %u", i, group_of[i]);
		if (group_of[i] >= 5 && group_of[i] < 5 + ngroups)
			sums[group_of[i] - 5] += (double) weights[i];
	}
	for (uint32_t i = 0; i < ngroups; i++)
	{
		CHECK(sums[i] > 0, "group %u of %u is empty", i, ngroups);
		CHECK(heavy || ngroups > 20 || fabs(sums[i] - total / ngroups) < 400, "group %u: %g of %g",
			  i, sums[i], total);
	}
}

static void
groups_have_equal_weights(void)
{
	check_split(&l2, 1, false);
	check_split(&l2, 2, false);
	check_split(&l2, 7, false);
	check_split(&l2, PIVOTS, false);
	check_split(&l2, 8, true);
	check_split(&tied, 7, false);
}

/* ---- the graph of a part ---- */

static Graph *
build(const GraphDistance *distance, bool upper)
{
	static char *chunks[1];
	GraphParams params = {.m = M, .ef_construction = 16, .threads = 1, .seed = 1, .upper = upper};
	GraphValues graph_values = {
		.chunk_shift = 20, .stride = sizeof(values[0]), .value_size = sizeof(values[0])};
	Graph *graph;

	make_pivots(distance, PIVOTS);
	chunks[0] = (char *) values;
	graph_values.chunks = chunks;
	graph = graph_create(ROWS, &params, distance, &graph_values);
	while (graph_build_step(graph, 1000))
		;
	return graph;
}

static uint32_t parents[ROWS];
static uint16_t degrees[ROWS];
static uint32_t queue[ROWS];

/* Every vertex leads to the root, and none has too many edges. */
static void
check_tree(const GraphTree *tree, uint32_t root)
{
	int edges[ROWS] = {0};

	for (uint32_t v = 0; v < ROWS; v++)
	{
		uint32_t at = v;
		int steps = 0;

		while (tree->parents[at] != at && steps++ < ROWS)
			at = tree->parents[at];
		CHECK(at == root, "vertex %u comes to %u", v, at);
		if (tree->parents[v] != v)
		{
			edges[v]++;
			edges[tree->parents[v]]++;
		}
	}
	for (uint32_t v = 0; v < ROWS; v++)
		CHECK(edges[v] <= (int) tree->max_degree, "vertex %u has %d edges", v, edges[v]);
}

static void
check_graph_tree(const GraphDistance *distance, uint32_t max_degree)
{
	Graph *graph = build(distance, false);
	GraphTree tree = {
		.max_degree = max_degree, .parents = parents, .degrees = degrees, .queue = queue};

	graph_tree(graph, &tree);
	CHECK(tree.nqueued == ROWS, "%u joined", tree.nqueued);
	check_tree(&tree, graph_entry(graph));
	graph_tree_set_root(&tree, 17);
	check_tree(&tree, 17);
	graph_tree_set_root(&tree, 17);
	check_tree(&tree, 17);
	graph_free(graph);
}

static void
tree_spans_with_few_edges(void)
{
	check_graph_tree(&l2, M);
	check_graph_tree(&l2, 2);
	check_graph_tree(&tied, 2);
}

/* Links come by distance, with those asked for beside the list's. */
static void
links_are_ranked(void)
{
	Graph *graph = build(&l2, false);
	GraphRankedLink links[3 * M];

	for (uint32_t v = 0; v < ROWS; v++)
	{
		uint32_t extra = (v + ROWS / 2) % ROWS;
		bool has_extra = false;
		uint32_t list[2 * M];
		int listed = graph_links(graph, v, 0, list);
		int n;

		n = graph_ranked_links(graph, 0, v, &extra, 1, links);
		for (int i = 0; i < n; i++)
		{
			CHECK(links[i].key == distance_of((int) links[i].vertex, (int) v), "vertex %u", v);
			CHECK(i == 0 || links[i - 1].key <= links[i].key, "vertex %u", v);
			has_extra |= links[i].vertex == extra;
		}
		CHECK(n >= listed && n <= listed + 1 && has_extra, "vertex %u: %d of %d", v, n, listed);
		CHECK(links[0].diverse || links[0].vertex == extra, "nearest of %u is not kept", v);
	}
	graph_free(graph);
}

/* The lowest layer of upper layers has lists as short as the others. */
static void
upper_graph_has_short_lists(void)
{
	Graph *graph = build(&l2, true);

	for (uint32_t v = 0; v < ROWS; v++)
	{
		uint32_t list[2 * M];
		int n = graph_links(graph, v, 0, list);

		CHECK(n <= M, "vertex %u has %d links", v, n);
	}
	graph_free(graph);
}

int
main(void)
{
	RUN(nearest_are_nearest);
	RUN(few_pivots_leave_places_empty);
	RUN(ties_are_spread);
	RUN(groups_have_equal_weights);
	RUN(tree_spans_with_few_edges);
	RUN(links_are_ranked);
	RUN(upper_graph_has_short_lists);
	return unit_finish();
}
