/*-------------------------------------------------------------------------
 *
 * test_graph.c
 *	  The graph builder: determinism, recall, degrees, reachability, levels,
 *	  the selection heuristic, degenerate data, cancelling, memory.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "core/graph_internal.h"
#include "core/parallel.h"
#include "core/random.h"
#include "unit.h"

#define DIM 16
#define K 10
#define QUERIES 100
#define CLUSTERS 40

/* Small enough for the sanitizers, more than are inserted by one thread alone */
#define ROWS 3000

/* Enough for every cluster to fill lists of layer 1 */
#define FAR_ROWS 12000

#define DEGENERATE_ROWS 1300

#define CHUNK_SHIFT 9

/* ---- distances ---- */

static float
squared_distance(const float *a, const float *b)
{
	float sum = 0;

	for (int i = 0; i < DIM; i++)
		sum += (a[i] - b[i]) * (a[i] - b[i]);
	return sum;
}

static void
l2_distances(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	(void) context;
	for (int i = 0; i < n; i++)
		keys[i] = squared_distance(objects[i], query);
}

static const void *
same_value(const void *context, const void *value, void *scratch)
{
	(void) context;
	(void) scratch;
	return value;
}

/* A query form that differs from the value: negated coordinates */
static const void *
negated_value(const void *context, const void *value, void *scratch)
{
	(void) context;
	for (int i = 0; i < DIM; i++)
		((float *) scratch)[i] = -((const float *) value)[i];
	return scratch;
}

static void
negated_distances(const void *context, const void *query, const void *const *objects, int n,
				  float *keys)
{
	float value[DIM];

	for (int i = 0; i < DIM; i++)
		value[i] = -((const float *) query)[i];
	l2_distances(context, value, objects, n, keys);
}

static void
infinite_distances(const void *context, const void *query, const void *const *objects, int n,
				   float *keys)
{
	(void) context;
	(void) query;
	(void) objects;
	for (int i = 0; i < n; i++)
		keys[i] = INFINITY;
}

static const GraphDistance l2 = {NULL, 0, same_value, l2_distances};
static const GraphDistance negated_l2 = {NULL, DIM * sizeof(float), negated_value,
										 negated_distances};
static const GraphDistance infinite = {NULL, 0, same_value, infinite_distances};

/* ---- data, in chunks of 2^CHUNK_SHIFT values with a gap between values ---- */

typedef struct Data
{
	GraphValues values;
	char **chunks;
	uint32_t rows;
} Data;

static Data
data_create(uint32_t rows)
{
	uint32_t nchunks = (rows >> CHUNK_SHIFT) + 1;
	size_t stride = DIM * sizeof(float) + 16;
	Data data = {.chunks = malloc(nchunks * sizeof(char *)), .rows = rows};

	for (uint32_t i = 0; i < nchunks; i++)
		data.chunks[i] = calloc((size_t) 1 << CHUNK_SHIFT, stride);
	data.values = (GraphValues){.chunks = data.chunks,
								.chunk_shift = CHUNK_SHIFT,
								.stride = stride,
								.value_size = DIM * sizeof(float)};
	return data;
}

static void
data_free(Data *data)
{
	for (uint32_t i = 0; i <= data->rows >> CHUNK_SHIFT; i++)
		free(data->chunks[i]);
	free(data->chunks);
}

static float *
data_row(const Data *data, uint32_t row)
{
	return (float *) graph_value(&data->values, row);
}

/* Normal clusters around random centres */
static void
fill_clusters(const Data *data, int clusters, float spread, uint64_t seed)
{
	float centers[CLUSTERS][DIM];
	Random random;

	random_seed(&random, 99);
	for (int c = 0; c < clusters; c++)
	{
		for (int i = 0; i < DIM; i++)
			centers[c][i] = (float) random_gaussian(&random);
	}
	random_seed(&random, seed);
	for (uint32_t row = 0; row < data->rows; row++)
	{
		const float *center = centers[random_below(&random, (uint64_t) clusters)];

		for (int i = 0; i < DIM; i++)
			data_row(data, row)[i] = center[i] + spread * (float) random_gaussian(&random);
	}
}

static Data
clustered_data(uint32_t rows, uint64_t seed)
{
	Data data = data_create(rows);

	fill_clusters(&data, CLUSTERS, 0.4f, seed);
	return data;
}

/* ---- building and checking ---- */

static GraphParams
params_for(int m, int ef, int threads)
{
	GraphParams params = {.m = m, .ef_construction = ef, .threads = threads, .seed = 42};

	return params;
}

static Graph *
build(const Data *data, const GraphParams *params, const GraphDistance *distance)
{
	Graph *graph = graph_create(data->rows, params, distance, &data->values);
	uint32_t progress = 0;

	CHECK(graph != NULL, "memory");
	while (graph_build_step(graph, 37))
	{
		CHECK(graph_progress(graph) >= progress && graph_progress(graph) <= data->rows,
			  "progress %u after %u", graph_progress(graph), progress);
		progress = graph_progress(graph);
	}
	CHECK(graph_progress(graph) == data->rows, "progress %u", graph_progress(graph));
	CHECK(!graph_build_step(graph, 1), "finished");
	return graph;
}

/* Links within limits, to other vertices that are in the layer, none twice */
static void
check_links(const Graph *graph, uint32_t rows, int m)
{
	for (uint32_t v = 0; v < rows; v++)
	{
		for (int layer = 0; layer <= graph_level(graph, v); layer++)
		{
			uint32_t links[GRAPH_MAX_LINKS];
			int n = graph_links(graph, v, layer, links);

			CHECK(n <= (layer == 0 ? 2 * m : m), "%u has %d links in layer %d", v, n, layer);
			for (int i = 0; i < n; i++)
			{
				CHECK(links[i] < rows && links[i] != v, "%u links to %u", v, links[i]);
				CHECK(graph_level(graph, links[i]) >= layer, "%u is not in layer %d", links[i],
					  layer);
				for (int j = 0; j < i; j++)
					CHECK(links[j] != links[i], "%u links to %u twice", v, links[i]);
			}
		}
	}
}

static uint32_t
count_reachable(const Graph *graph, uint32_t rows)
{
	uint32_t *queue = malloc((rows + 1) * sizeof(uint32_t));
	bool *reached = calloc(rows + 1, sizeof(bool));
	uint32_t tail = 0;

	if (rows > 0)
	{
		queue[tail++] = graph_entry(graph);
		reached[queue[0]] = true;
	}
	for (uint32_t head = 0; head < tail; head++)
	{
		uint32_t links[GRAPH_MAX_LINKS];
		int n = graph_links(graph, queue[head], 0, links);

		for (int i = 0; i < n; i++)
		{
			if (!reached[links[i]])
				queue[tail++] = links[i];
			reached[links[i]] = true;
		}
	}
	free(queue);
	free(reached);
	return tail;
}

/* Every vertex is linked to by its anchor, and the anchors lead to the entry point. */
static void
check_anchors(const Graph *graph, uint32_t rows)
{
	uint32_t *anchors = malloc((rows + 1) * sizeof(uint32_t));
	uint32_t *ranks = malloc((rows + 1) * sizeof(uint32_t));

	graph_anchors(graph, anchors, ranks);
	for (uint32_t v = 0; v < rows; v++)
	{
		uint32_t at = v;
		uint32_t steps = 0;
		bool linked = v == graph_entry(graph);
		uint32_t links[GRAPH_MAX_LINKS];
		int n = graph_links(graph, anchors[v], 0, links);

		for (int i = 0; i < n; i++)
			linked |= links[i] == v;
		CHECK(linked, "%u is not linked to by its anchor %u", v, anchors[v]);
		while (at != graph_entry(graph) && steps++ < rows)
			at = anchors[at];
		CHECK(at == graph_entry(graph), "the anchors of %u do not lead to the entry point", v);
	}
	free(anchors);
	free(ranks);
}

/* What holds for every finished graph, whatever the data */
static void
check_sound(const Graph *graph, uint32_t rows, int m)
{
	uint32_t *order = malloc((rows + 1) * sizeof(uint32_t));
	bool *placed = calloc(rows + 1, sizeof(bool));

	check_links(graph, rows, m);
	CHECK(count_reachable(graph, rows) == rows, "%u of %u reachable", count_reachable(graph, rows),
		  rows);
	check_anchors(graph, rows);
	graph_layout_order(graph, order);
	for (uint32_t i = 0; i < rows; i++)
	{
		CHECK(order[i] < rows && !placed[order[i]], "place %u holds %u", i, order[i]);
		placed[order[i]] = true;
		CHECK(i == 0 || graph_level(graph, order[i]) == 0 ||
				  graph_level(graph, order[i]) <= graph_level(graph, order[i - 1]),
			  "place %u: level %d", i, graph_level(graph, order[i]));
		CHECK(graph_level(graph, order[i]) <= graph_level(graph, graph_entry(graph)),
			  "the entry point is of the highest level");
	}
	free(order);
	free(placed);
}

/* Mean share of the K nearest that a search with a pool of ef finds */
static double
recall(const Graph *graph, const Data *data, const Data *queries, int ef)
{
	void *memory = aligned_alloc(CACHE_LINE, graph_worker_size(&graph->shape, data->rows, ef));
	GraphWorker *worker;
	int hits = 0;

	memset(memory, 0, graph_worker_size(&graph->shape, data->rows, ef));
	worker = graph_worker_init(&graph->shape, data->rows, ef, memory);
	for (uint32_t q = 0; q < queries->rows; q++)
	{
		PoolEntry entries[K];
		PoolEntry dropped;
		Pool truth;

		pool_init(&truth, entries, K);
		for (uint32_t v = 0; v < data->rows; v++)
			pool_insert(&truth, squared_distance(data_row(data, v), data_row(queries, q)), v,
						&dropped);
		graph_search(graph, worker, data_row(queries, q), ef);
		for (int i = 0; i < K && i < worker->pool.size; i++)
			hits += worker->pool.entries[i].key <= entries[K - 1].key;
	}
	free(memory);
	return hits / (double) (K * queries->rows);
}

/* Rows that a descent with twice the beam of the build and a search of layer 0 do not find */
static uint32_t
count_lost(const Graph *graph, const Data *data, int ef)
{
	void *memory = aligned_alloc(CACHE_LINE, graph_worker_size(&graph->shape, data->rows, ef));
	GraphWorker *worker;
	uint32_t lost = 0;

	memset(memory, 0, graph_worker_size(&graph->shape, data->rows, ef));
	worker = graph_worker_init(&graph->shape, data->rows, ef, memory);
	for (uint32_t v = 0; v < data->rows; v++)
	{
		const void *query = data_row(data, v);

		graph_descend(graph, worker, query, 1, 2 * GRAPH_BEAM);
		graph_search_continue(worker, ef);
		graph_search_layer(graph, worker, query, 0, ef);
		lost += worker->pool.entries[0].key > 0;
	}
	free(memory);
	return lost;
}

static void
test_recall(void)
{
	Data data = clustered_data(ROWS, 1);
	Data queries = clustered_data(QUERIES, 2);

	for (int threads = 1; threads <= 2; threads++)
	{
		GraphParams params = params_for(16, 64, threads);
		Graph *graph = build(&data, &params, &l2);
		double found = recall(graph, &data, &queries, 40);

		CHECK(found > 0.97, "%d threads: recall %.3f at ef 40", threads, found);
		check_sound(graph, data.rows, params.m);
		graph_free(graph);
	}
	data_free(&data);
	data_free(&queries);
}

/* A recall no worse with more links, and far from 1 with a tiny pool: the search is a search. */
static void
test_recall_grows(void)
{
	Data data = clustered_data(ROWS, 1);
	Data queries = clustered_data(QUERIES, 2);
	GraphParams params = params_for(4, 16, 2);
	Graph *graph = build(&data, &params, &l2);
	double few = recall(graph, &data, &queries, K);
	double many = recall(graph, &data, &queries, 200);

	CHECK(few < many, "recall %.3f at ef 10, %.3f at ef 200", few, many);
	CHECK(many > 0.95, "recall %.3f at ef 200", many);
	CHECK(graph_distance_computations(graph) > (uint64_t) data.rows * 16, "%llu distances",
		  (unsigned long long) graph_distance_computations(graph));
	CHECK(graph_distance_computations(graph) < (uint64_t) data.rows * 1000, "%llu distances",
		  (unsigned long long) graph_distance_computations(graph));
	graph_free(graph);
	data_free(&data);
	data_free(&queries);
}

/*
 * Many clusters far from each other, most without a vertex in layer 2: descents
 * get to nearly all of them.  Without bridges 298 to 458 rows are lost, with them 72 to 105.
 */
static void
test_far_clusters(void)
{
	Data data = data_create(FAR_ROWS);

	fill_clusters(&data, CLUSTERS, 0.3f, 7);
	for (int threads = 1; threads <= 2; threads++)
	{
		for (uint64_t seed = 1; seed <= 3; seed++)
		{
			GraphParams params = {.m = 4, .ef_construction = 16, .threads = threads, .seed = seed};
			Graph *graph = build(&data, &params, &l2);
			uint32_t lost = count_lost(graph, &data, 20);

			CHECK(lost * 80 <= data.rows, "%d threads, seed %d: %u of %u rows lost", threads,
				  (int) seed, lost, data.rows);
			check_sound(graph, data.rows, params.m);
			graph_free(graph);
		}
	}
	data_free(&data);
}

/*
 * A search that follows one which ended in another cluster gets to its own: it begins at the
 * home of the vertex as well.
 */
static void
test_follow_astray(void)
{
	const int ef = 40;
	Data data = data_create(ROWS);
	GraphParams params = params_for(16, ef, 1);
	Graph *graph;
	GraphWorker *worker;
	void *memory;
	int found = 0;

	fill_clusters(&data, 2, 0.05f, 7);
	graph = build(&data, &params, &l2);
	memory = aligned_alloc(CACHE_LINE, graph_worker_size(&graph->shape, data.rows, ef));
	memset(memory, 0, graph_worker_size(&graph->shape, data.rows, ef));
	worker = graph_worker_init(&graph->shape, data.rows, ef, memory);
	for (uint32_t v = 1; v < data.rows; v++)
	{
		uint32_t last = 0;
		uint32_t home = v - 1;

		/* a home in the cluster of v, and a vertex with that home which was put into the other */
		while (squared_distance(data_row(&data, home), data_row(&data, v)) > 1)
			home = (home + 1) % data.rows;
		while (squared_distance(data_row(&data, last), data_row(&data, v)) < 1)
			last++;
		graph->parents[graph->vertices[last]] = graph->vertices[home];
		graph_search(graph, worker, data_row(&data, last), ef);
		graph_search_follow(graph, worker, data_row(&data, v), graph->vertices[last]);
		graph_search_layer(graph, worker, data_row(&data, v), 0, ef);
		found += worker->pool.entries[0].key == 0;
	}
	CHECK(found >= 0.99 * data.rows, "%d of %u found from a search that went astray", found,
		  data.rows);
	free(memory);
	graph_free(graph);
	data_free(&data);
}

static bool
same_graph(const Graph *a, const Graph *b, uint32_t rows)
{
	if (graph_entry(a) != graph_entry(b))
		return false;
	for (uint32_t v = 0; v < rows; v++)
	{
		if (graph_level(a, v) != graph_level(b, v))
			return false;
		for (int layer = 0; layer <= graph_level(a, v); layer++)
		{
			uint32_t links_a[GRAPH_MAX_LINKS];
			uint32_t links_b[GRAPH_MAX_LINKS];
			int na = graph_links(a, v, layer, links_a);
			int nb = graph_links(b, v, layer, links_b);

			if (na != nb || memcmp(links_a, links_b, (size_t) na * sizeof(uint32_t)) != 0)
				return false;
		}
	}
	return true;
}

/* Copies of the values, where there is room for them, change nothing but the memory taken. */
static void
test_copies(void)
{
	Data data = clustered_data(2000, 1);
	size_t size = data.rows * data.values.stride;
	GraphParams params = params_for(8, 40, 1);
	Graph *without = build(&data, &params, &l2);
	Graph *copied;
	Graph *short_of;

	params.spare = size;
	copied = build(&data, &params, &l2);
	params.spare = size - 1;
	short_of = build(&data, &params, &l2);
	CHECK(graph_spare_used(without) == 0, "%zu bytes", graph_spare_used(without));
	CHECK(graph_spare_used(copied) == size, "%zu bytes of %zu", graph_spare_used(copied), size);
	CHECK(graph_spare_used(short_of) == 0, "%zu bytes", graph_spare_used(short_of));
	CHECK(same_graph(without, copied, data.rows), "another graph");
	check_sound(copied, data.rows, params.m);
	graph_free(without);
	graph_free(copied);
	graph_free(short_of);
	data_free(&data);
}

/* One thread, one seed: one graph, however the steps are cut; another seed: another graph. */
static void
test_determinism(void)
{
	Data data = clustered_data(2000, 1);
	GraphParams params = params_for(8, 40, 1);
	Graph *a = build(&data, &params, &l2);
	Graph *b = graph_create(data.rows, &params, &l2, &data.values);
	Graph *c;

	while (graph_build_step(b, 1000000))
		continue;
	CHECK(same_graph(a, b, data.rows), "the same graph");
	CHECK(graph_distance_computations(a) == graph_distance_computations(b), "the same work");
	params.seed++;
	c = build(&data, &params, &l2);
	CHECK(!same_graph(a, c, data.rows), "another graph");
	graph_free(a);
	graph_free(b);
	graph_free(c);
	data_free(&data);
}

/* Distances with a query form of their own give the same graph. */
static void
test_query_form(void)
{
	Data data = clustered_data(2000, 1);
	GraphParams params = params_for(8, 40, 1);
	Graph *a = build(&data, &params, &l2);
	Graph *b = build(&data, &params, &negated_l2);

	CHECK(same_graph(a, b, data.rows), "the same graph");
	graph_free(a);
	graph_free(b);
	data_free(&data);
}

/* Values that lie elsewhere, with their addresses in the chunks, give the same graph. */
static void
test_addresses(void)
{
	Data data = clustered_data(2000, 1);
	GraphParams params = params_for(8, 40, 1);
	const void **addresses = malloc(data.rows * sizeof(void *));
	char *chunk = (char *) addresses;
	Data elsewhere = data;
	Graph *a = build(&data, &params, &l2);
	Graph *b;

	for (uint32_t row = 0; row < data.rows; row++)
		addresses[row] = graph_value(&data.values, row);
	elsewhere.values = (GraphValues){.chunks = &chunk,
									 .chunk_shift = 31,
									 .stride = sizeof(void *),
									 .value_size = DIM * sizeof(float),
									 .addresses = true};
	b = build(&elsewhere, &params, &l2);
	CHECK(same_graph(a, b, data.rows), "the same graph");
	graph_free(a);
	graph_free(b);
	free(addresses);
	data_free(&data);
}

static jmp_buf way_out;
static int calls_left;

static void
leaving_distances(const void *context, const void *query, const void *const *objects, int n,
				  float *keys)
{
	if (calls_left-- == 0)
		longjmp(way_out, 1);
	l2.distances(context, query, objects, n, keys);
}

/* With one thread distances may leave a build wherever they are called: it can be freed then. */
static void
test_leave(void)
{
	Data data = clustered_data(600, 1);
	GraphParams params = params_for(8, 40, 1);
	GraphDistance leaving = l2;

	leaving.distances = leaving_distances;
	for (int calls = 0; calls < 40000; calls = 3 * calls + 1)
	{
		Graph *volatile graph = graph_create(data.rows, &params, &leaving, &data.values);

		calls_left = calls;
		if (setjmp(way_out) == 0)
		{
			while (graph_build_step(graph, 100))
				continue;
		}
		graph_free(graph);
	}
	data_free(&data);
}

static void
test_levels(void)
{
	static const int ms[] = {2, 16, 100};
	const int draws = 200000;

	for (int i = 0; i < 3; i++)
	{
		int m = ms[i];
		double at_least = draws; /* expected number of levels >= level */
		int counts[GRAPH_MAX_LEVEL + 1] = {0};

		for (int v = 0; v < draws; v++)
		{
			int level = graph_random_level(7, (uint64_t) v, m);

			CHECK(level >= 0 && level <= GRAPH_MAX_LEVEL, "level %d", level);
			for (int l = 0; l <= level; l++)
				counts[l]++;
		}
		for (int level = 0; level <= GRAPH_MAX_LEVEL; level++, at_least /= m)
			CHECK(fabs(counts[level] - at_least) <= 5 * sqrt(at_least) + 5,
				  "m %d: %d of level %d or more, not %.0f", m, counts[level], level, at_least);
	}
	CHECK(graph_random_level(7, 123, 16) == graph_random_level(7, 123, 16), "a function");
}

/* ---- the heuristic, written down naively ---- */

static int
naive_select(const Data *data, const PoolEntry *candidates, int n, int m, bool fill, int *kept)
{
	bool chosen[64] = {false};
	int nchosen = 0;
	int nkept = 0;

	for (int i = 0; i < n && nchosen < m; i++)
	{
		bool diverse = true;

		for (int j = 0; j < i; j++)
		{
			if (chosen[j] &&
				squared_distance(data_row(data, candidates[j].id),
								 data_row(data, candidates[i].id)) <= candidates[i].key)
				diverse = false;
		}
		chosen[i] = diverse;
		nchosen += diverse;
	}
	for (int i = 0; i < n && fill && nchosen < m; i++)
	{
		nchosen += !chosen[i];
		chosen[i] = true;
	}
	for (int i = 0; i < n; i++)
	{
		if (chosen[i])
			kept[nkept++] = i;
	}
	return nkept;
}

/* n random candidates for row 0, ascending */
static void
draw_candidates(const Data *data, Random *random, PoolEntry *entries, int n)
{
	PoolEntry dropped;
	Pool pool;

	pool_init(&pool, entries, n);
	for (int i = 0; i < n; i++)
	{
		uint32_t row = 1 + (uint32_t) random_below(random, data->rows - 1);

		pool_insert(&pool, squared_distance(data_row(data, row), data_row(data, 0)), row, &dropped);
	}
}

static void
test_select(void)
{
	Data data = data_create(300);
	Random random;

	fill_clusters(&data, 5, 1.0f, 3);
	random_seed(&random, 5);
	for (int round = 0; round < 2000; round++)
	{
		PoolEntry candidates[64];
		const void *values[64];
		float keys[64];
		float scratch[DIM];
		int kept[64];
		int expected[64];
		int n = (int) random_below(&random, 65);
		int m = 1 + (int) random_below(&random, 40);
		bool fill = random_below(&random, 2) == 0;
		const GraphDistance *distance = random_below(&random, 2) == 0 ? &l2 : &negated_l2;
		uint64_t computed = 1;
		int nkept;
		int nexpected;

		draw_candidates(&data, &random, candidates, n);
		for (int i = 0; i < n; i++)
		{
			values[i] = data_row(&data, candidates[i].id);
			keys[i] = candidates[i].key;
		}
		nkept =
			graph_select_neighbors(distance, values, keys, n, m, fill, scratch, kept, &computed);
		nexpected = naive_select(&data, candidates, n, m, fill, expected);
		CHECK(nkept == nexpected, "round %d: kept %d, not %d", round, nkept, nexpected);
		for (int i = 0; i < nkept && i < nexpected; i++)
			CHECK(kept[i] == expected[i], "round %d: %d. is %d, not %d", round, i, kept[i],
				  expected[i]);
		CHECK(computed >= 1 + (uint64_t) (n > 1 && nkept > 1) &&
				  computed <= 1 + (uint64_t) n * (uint64_t) n / 2 + (uint64_t) n,
			  "round %d: %llu distances", round, (unsigned long long) computed);
	}
	data_free(&data);
}

/* Pairs known to be diverse are not compared again, with the same result. */
static void
test_select_checked(void)
{
	Data data = data_create(300);
	Random random;
	uint64_t with = 0;
	uint64_t without = 0;

	fill_clusters(&data, 5, 1.0f, 3);
	random_seed(&random, 6);
	for (int round = 0; round < 500; round++)
	{
		PoolEntry candidates[48];
		const void *values[48];
		float keys[48];
		bool checked[48] = {false};
		int kept[48];
		int again[48];
		GraphSelection selection = {.distance = &l2,
									.values = values,
									.keys = keys,
									.ncandidates = 48,
									.m = 24,
									.kept = kept};
		int nkept;
		int nagain;

		draw_candidates(&data, &random, candidates, 48);
		for (int i = 0; i < 48; i++)
		{
			values[i] = data_row(&data, candidates[i].id);
			keys[i] = candidates[i].key;
		}
		nkept = graph_select(&selection);
		without += selection.computed;
		for (int i = 0; i < nkept; i += 2)
			checked[kept[i]] = true;
		selection.computed = 0;
		selection.checked = checked;
		selection.kept = again;
		nagain = graph_select(&selection);
		with += selection.computed;
		CHECK(nagain == nkept && memcmp(kept, again, (size_t) nkept * sizeof(int)) == 0, "round %d",
			  round);
	}
	CHECK(with < without, "%llu distances, not fewer than %llu", (unsigned long long) with,
		  (unsigned long long) without);
	data_free(&data);
}

/* ---- degenerate data ---- */

static void
check_degenerate(const Data *data, const GraphDistance *distance, const char *what)
{
	static const int ms[] = {2, 16, 100};

	for (int i = 0; i < 3; i++)
	{
		for (int threads = 1; threads <= 2; threads++)
		{
			GraphParams params = params_for(ms[i], 20, threads);
			Graph *graph = build(data, &params, distance);
			int failures = unit_failures;

			check_sound(graph, data->rows, ms[i]);
			CHECK(failures == unit_failures, "%s, m %d, %d threads", what, ms[i], threads);
			graph_free(graph);
		}
	}
}

static void
test_equal_values(void)
{
	Data data = data_create(DEGENERATE_ROWS);

	check_degenerate(&data, &l2, "all equal");
	data_free(&data);
}

static void
test_duplicates(void)
{
	Data data = data_create(DEGENERATE_ROWS);

	fill_clusters(&data, 5, 0.0f, 4);
	check_degenerate(&data, &l2, "five different values");
	data_free(&data);
}

/* Clusters so tight and so far apart that near links never lead out of one */
static void
test_tight_clusters(void)
{
	Data data = data_create(DEGENERATE_ROWS);

	fill_clusters(&data, CLUSTERS, 1e-4f, 5);
	for (uint32_t row = 0; row < data.rows; row++)
	{
		for (int i = 0; i < DIM; i++)
			data_row(&data, row)[i] *= 1000;
	}
	check_degenerate(&data, &l2, "tight clusters");
	data_free(&data);
}

static void
test_infinite_distances(void)
{
	Data data = clustered_data(DEGENERATE_ROWS, 1);

	check_degenerate(&data, &infinite, "infinite distances");
	data_free(&data);
}

static void
test_few_vertices(void)
{
	for (uint32_t rows = 0; rows <= 40; rows += rows < 4 ? 1 : 9)
	{
		Data data = clustered_data(rows, 1);

		check_degenerate(&data, &l2, "few vertices");
		data_free(&data);
	}
}

/* Few vertices are all neighbours of each other. */
static void
test_complete(void)
{
	Data data = clustered_data(20, 1);
	GraphParams params = params_for(16, 64, 1);
	Graph *graph = build(&data, &params, &l2);

	CHECK(recall(graph, &data, &data, 40) == 1.0, "exact");
	graph_free(graph);
	data_free(&data);
}

/* ---- life ---- */

/* Steps cost about their number of units, and stopping after any of them leaks nothing. */
static void
test_cancel(void)
{
	Data data = clustered_data(3000, 1);
	GraphParams params = params_for(8, 30, 2);

	graph_free(NULL);
	for (uint32_t steps = 0; steps < 200; steps += 9)
	{
		Graph *graph = graph_create(data.rows, &params, &l2, &data.values);

		for (uint32_t i = 0; i < steps; i++)
			graph_build_step(graph, 20);
		graph_free(graph);
	}
	data_free(&data);
	parallel_shutdown();
}

/* Kilobytes of address space */
static size_t
mapped_kilobytes(void)
{
	char line[256];
	size_t kilobytes = 0;
	FILE *status = fopen("/proc/self/status", "r");

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		sscanf(line, "VmSize: %zu", &kilobytes);
	if (status != NULL)
		fclose(status);
	return kilobytes;
}

static void
test_memory(void)
{
	static const uint32_t sizes[] = {0, 1, 2, 100, 5000, 50000};
	Data data = clustered_data(50000, 1);

	for (int i = 0; i < 6; i++)
	{
		for (int m = 2; m <= 100; m += 49)
		{
			GraphParams params = params_for(m, 40, 2);
			size_t promised = graph_memory(sizes[i], &params, l2.query_size);
			size_t before = mapped_kilobytes();
			Graph *graph = graph_create(sizes[i], &params, &l2, &data.values);
			size_t used = (mapped_kilobytes() - before) * 1024;

			CHECK(used <= promised, "%u vertices, m %d: %zu bytes, promised %zu", sizes[i], m, used,
				  promised);
			CHECK(used >= (size_t) sizes[i] * (size_t) (8 * m), "%zu bytes", used);
			CHECK(promised < (size_t) sizes[i] * (size_t) (40 * m + 40) + (5u << 20),
				  "%u vertices, m %d: %zu bytes promised", sizes[i], m, promised);
			graph_free(graph);
			CHECK(mapped_kilobytes() <= before, "%zu kB before, %zu kB after", before,
				  mapped_kilobytes());
		}
	}
	data_free(&data);
}

/* More than there can be: NULL, not the end of the process */
static void
test_memory_short(void)
{
	GraphParams params = params_for(100, 40, 1);
	GraphValues nothing = {.chunk_shift = CHUNK_SHIFT,
						   .stride = DIM * sizeof(float),
						   .value_size = DIM * sizeof(float)};
	struct rlimit before;
	struct rlimit limit;
	Graph *graph;

	getrlimit(RLIMIT_AS, &before);
	limit = before;
	limit.rlim_cur = mapped_kilobytes() * 1024 + (64u << 20);
	setrlimit(RLIMIT_AS, &limit);
	graph = graph_create(1000000, &params, &l2, &nothing);
	setrlimit(RLIMIT_AS, &before);
	CHECK(graph == NULL, "no graph");
	graph_free(graph);
}

int
main(void)
{
	RUN(test_recall);
	RUN(test_recall_grows);
	RUN(test_far_clusters);
	RUN(test_follow_astray);
	RUN(test_copies);
	RUN(test_determinism);
	RUN(test_query_form);
	RUN(test_addresses);
	RUN(test_leave);
	RUN(test_levels);
	RUN(test_select);
	RUN(test_select_checked);
	RUN(test_equal_values);
	RUN(test_duplicates);
	RUN(test_tight_clusters);
	RUN(test_infinite_distances);
	RUN(test_few_vertices);
	RUN(test_complete);
	RUN(test_cancel);
	RUN(test_memory);
	RUN(test_memory_short);
	return unit_finish();
}
