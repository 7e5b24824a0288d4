/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  Builds a graph in memory and searches it: build time, recall against
 *	  search effort, queries per second, distance computations.
 *
 *	out/graph [--base FILE --queries FILE [--truth FILE]] [--space l2]
 *		[--m 16] [--ef 64] [--threads 2] [--rows N] [--seed 42] [--narrow]
 *
 * --narrow: values in the narrowest form that loses nothing, as an index has them.
 * FILE: .fvecs or .bvecs (.ivecs for the truth), plain or .gz.  Without files a
 * clustered set is generated; without truth, or with --rows, it is computed.
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "core/byte_distance.h"
#include "core/graph_internal.h"
#include "core/parallel.h"
#include "core/random.h"
#include "space/space.h"

/* Neighbours asked for */
#define K 10

/* Units of work per build step, and rounds of queries of which the best counts */
#define STEP_UNITS 500
#define ROUNDS 3

/* Generated set */
#define GENERATED_ROWS 100000
#define GENERATED_QUERIES 500
#define GENERATED_DIM 128
#define CLUSTERS 500
#define LATENT 24

/* Vertices on a page, for the locality of the layout */
#define PAGE_SLOTS 11

#define HUGE_PAGE ((size_t) 2 << 20)

/* Rows of equal size: components as read, or encoded values */
typedef struct Matrix
{
	int rows;
	int dim;
	size_t stride; /* bytes */
	char *data;
} Matrix;

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Processor seconds of this process */
static double
processor_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void
fail(const char *what, const char *name)
{
	fprintf(stderr, "graph: %s: %s\n", what, name);
	exit(1);
}

static inline void *
matrix_row(const Matrix *matrix, int row)
{
	return matrix->data + (size_t) row * matrix->stride;
}

/* Rows on huge pages, so that page walks are not what is measured */
static Matrix
matrix_create(int rows, int dim, size_t stride)
{
	Matrix matrix = {rows, dim, stride, NULL};
	size_t size = ((size_t) rows * stride + HUGE_PAGE) / HUGE_PAGE * HUGE_PAGE;

	matrix.data = aligned_alloc(HUGE_PAGE, size);
	if (matrix.data == NULL)
		fail("out of memory", "rows");
	madvise(matrix.data, size, MADV_HUGEPAGE);
	return matrix;
}

/* Appends a row of components of `width` bytes, bytes and integers widened. */
static void
append_row(Matrix *matrix, const unsigned char *row, int width, bool integers)
{
	float *to = matrix_row(matrix, matrix->rows);

	for (int i = 0; i < matrix->dim; i++)
	{
		if (width == 1)
			to[i] = row[i];
		else if (integers)
			to[i] = (float) ((const int32_t *) row)[i];
		else
			to[i] = ((const float *) row)[i];
	}
	matrix->rows++;
}

static Matrix
read_vectors(const char *path, int max_rows)
{
	int width = strstr(path, ".bvecs") != NULL ? 1 : 4;
	Matrix matrix = {0, 0, 0, NULL};
	unsigned char *row = NULL;
	int capacity = 0;
	char command[4096];
	int32_t dim;
	FILE *in;

	snprintf(command, sizeof(command), "%s '%s'", strstr(path, ".gz") != NULL ? "zcat" : "cat",
			 path);
	in = popen(command, "r");
	if (in == NULL)
		fail("cannot read", path);
	while (matrix.rows < max_rows && fread(&dim, sizeof(dim), 1, in) == 1)
	{
		if (row == NULL)
			row = malloc((size_t) dim * (size_t) width);
		if (fread(row, (size_t) width, (size_t) dim, in) != (size_t) dim)
			fail("ends in the middle of a row", path);
		if (matrix.rows == capacity)
		{
			Matrix larger;

			capacity = capacity == 0 ? 1024 : 2 * capacity;
			larger = matrix_create(capacity, dim, (size_t) dim * sizeof(float));
			if (matrix.rows > 0)
				memcpy(larger.data, matrix.data, (size_t) matrix.rows * matrix.stride);
			free(matrix.data);
			larger.rows = matrix.rows;
			matrix = larger;
		}
		append_row(&matrix, row, width, strstr(path, ".ivecs") != NULL);
	}
	free(row);
	pclose(in);
	if (matrix.rows == 0)
		fail("no rows", path);
	return matrix;
}

/* A mixture of normal clusters in few latent dimensions, plus noise */
static Matrix
generate(int rows, uint64_t seed)
{
	static float centers[CLUSTERS][LATENT];
	static float map[LATENT][GENERATED_DIM];
	Matrix matrix = matrix_create(rows, GENERATED_DIM, GENERATED_DIM * sizeof(float));
	Random random;

	random_seed(&random, 1);
	for (int i = 0; i < CLUSTERS * LATENT; i++)
		centers[i / LATENT][i % LATENT] = (float) random_gaussian(&random);
	for (int i = 0; i < LATENT * GENERATED_DIM; i++)
		map[i / GENERATED_DIM][i % GENERATED_DIM] = (float) random_gaussian(&random);
	random_seed(&random, seed);
	for (int i = 0; i < rows; i++)
	{
		const float *center = centers[random_below(&random, CLUSTERS)];
		float *row = matrix_row(&matrix, i);

		for (int j = 0; j < GENERATED_DIM; j++)
			row[j] = 0.3f * (float) random_gaussian(&random);
		for (int l = 0; l < LATENT; l++)
		{
			float z = center[l] + 0.4f * (float) random_gaussian(&random);

			for (int j = 0; j < GENERATED_DIM; j++)
				row[j] += z * map[l][j];
		}
	}
	return matrix;
}

/* The rows as an index of the space stores them */
static Matrix
encode(const SpaceContext *context, const Matrix *rows)
{
	size_t stride = graph_round_up(space_encoded_size(context));
	Matrix encoded = matrix_create(rows->rows, rows->dim, stride);

	for (int i = 0; i < rows->rows; i++)
		space_encode(context, matrix_row(rows, i), matrix_row(&encoded, i));
	return encoded;
}

/* Turns encoded rows of one space into those of another; false: some lose by it. */
static bool
narrow(const SpaceContext *wide, const SpaceContext *context, Matrix *rows)
{
	size_t stride = graph_round_up(space_encoded_size(context));
	Matrix narrowed = matrix_create(rows->rows, rows->dim, stride);

	for (int i = 0; i < rows->rows; i++)
	{
		if (!space_narrow(wide, context, matrix_row(rows, i), matrix_row(&narrowed, i)))
		{
			free(narrowed.data);
			return false;
		}
	}
	free(rows->data);
	*rows = narrowed;
	return true;
}

/* Encodes base and queries; with `narrowest`, in the narrowest element that holds all. */
static void
encode_all(SpaceContext *context, bool narrowest, Matrix *base, Matrix *queries)
{
	static const SpaceElement elements[] = {SPACE_UINT8, SPACE_FLOAT16};
	SpaceContext wide = *context;

	*base = encode(context, base);
	*queries = encode(context, queries);
	for (size_t i = 0; narrowest && i < sizeof(elements) / sizeof(elements[0]); i++)
	{
		context->space = space_find(wide.space->name, elements[i]);
		if (context->space != NULL && narrow(&wide, context, base))
		{
			if (!narrow(&wide, context, queries))
				fail("queries do not fit", "--narrow");
			return;
		}
	}
	context->space = wide.space;
}

static const void *
prepare_query(const void *context, const void *value, void *scratch)
{
	return space_prepare_query(context, value, scratch);
}

static void
distances(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	const SpaceContext *space = context;

	space->space->distances(space, query, objects, n, keys);
}

/* Of bytes, without a query form, as builds of l2 have it */
static const void *
prepare_bytes(const void *context, const void *value, void *scratch)
{
	(void) context;
	(void) scratch;
	return value;
}

static void
distances_of_bytes(const void *context, const void *query, const void *const *objects, int n,
				   float *keys)
{
	byte_distances(query, objects, n, ((const SpaceContext *) context)->dim, keys);
}

static Matrix
brute_force(const SpaceContext *context, const Matrix *base, const Matrix *queries)
{
	Matrix truth = matrix_create(queries->rows, K, K * sizeof(float));
	void *scratch = malloc(space_query_size(context) + 1);

	for (int q = 0; q < queries->rows; q++)
	{
		const void *query = space_prepare_query(context, matrix_row(queries, q), scratch);
		PoolEntry entries[K];
		PoolEntry dropped;
		Pool pool;

		pool_init(&pool, entries, K);
		for (int i = 0; i < base->rows; i++)
		{
			const void *object = matrix_row(base, i);
			float key;

			distances(context, query, &object, 1, &key);
			if (pool_accepts(&pool, key))
				pool_insert(&pool, key, (uint32_t) i, &dropped);
		}
		for (int i = 0; i < K; i++)
			((float *) matrix_row(&truth, q))[i] = (float) POOL_ID(entries[i]);
	}
	free(scratch);
	return truth;
}

/* How many of the first K of the pool are among the first K of the truth */
static int
count_hits(const Graph *graph, const Pool *pool, const float *truth)
{
	int hits = 0;

	for (int i = 0; i < K && i < pool->size; i++)
	{
		for (int j = 0; j < K; j++)
			hits += graph->numbers[POOL_ID(pool->entries[i])] == (uint32_t) truth[j];
	}
	return hits;
}

/* Searches with a pool of ef entries and prints a line of the table. */
static void
report_search(const Graph *graph, const Matrix *queries, const Matrix *truth, int ef)
{
	size_t size = graph_worker_size(&graph->shape, graph->nvertices, ef);
	char *memory = aligned_alloc(CACHE_LINE, size);
	GraphWorker *worker;
	double best = INFINITY;
	int hits = 0;

	memset(memory, 0, size);
	worker = graph_worker_init(&graph->shape, graph->nvertices, ef, memory);
	for (int round = 0; round < ROUNDS; round++)
	{
		double start = seconds();

		hits = 0;
		worker->computed = 0;
		for (int q = 0; q < queries->rows; q++)
		{
			const void *query = graph->distance.prepare_query(
				graph->distance.context, matrix_row(queries, q), worker->query);

			graph_search(graph, worker, query, ef);
			hits += count_hits(graph, &worker->pool, matrix_row(truth, q));
		}
		best = fmin(best, seconds() - start);
	}
	printf("%5d %10.4f %10.0f %16.0f\n", ef, hits / (double) (queries->rows * K),
		   queries->rows / best, (double) worker->computed / queries->rows);
	free(memory);
}

/* Builds and says how long it took. */
static void
report_build(Graph *graph)
{
	double start = seconds();
	double start_processor = processor_seconds();
	double longest = 0;
	bool more = true;

	while (more)
	{
		double step = seconds();

		more = graph_build_step(graph, STEP_UNITS);
		longest = fmax(longest, seconds() - step);
	}
	printf("build: %.2f s, %.2f processor s, longest step %.0f ms\n", seconds() - start,
		   processor_seconds() - start_processor, longest * 1e3);
}

/* Size, links, and on how many pages the neighbours of a vertex lie, per neighbour */
static void
report_shape(const Graph *graph)
{
	uint32_t n = graph->nvertices;
	uint32_t *order = malloc(n * sizeof(uint32_t));
	uint32_t *page = malloc(n * sizeof(uint32_t));
	uint32_t *seen = malloc((n / PAGE_SLOTS + 1) * sizeof(uint32_t));
	double start = seconds();
	uint64_t pages = 0;
	uint64_t links = 0;

	graph_layout_order(graph, order);
	printf("layout: %.2f s\n", seconds() - start);
	memset(seen, 0xFF, (n / PAGE_SLOTS + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++)
		page[order[i]] = i / PAGE_SLOTS;
	for (uint32_t v = 0; v < n; v++)
	{
		uint32_t ids[GRAPH_MAX_LINKS];
		int count = graph_links(graph, v, 0, ids);

		links += (uint64_t) count;
		for (int i = 0; i < count; i++)
		{
			pages += seen[page[ids[i]]] != v;
			seen[page[ids[i]]] = v;
		}
	}
	printf("%.0f distances a vertex, %.1f links, %.3f pages a link, %u attached, %.1f MB\n",
		   (double) graph_distance_computations(graph) / n, (double) links / n,
		   (double) pages / (double) links, graph->attached, (double) graph->arena_size / 1e6);
	free(order);
	free(page);
	free(seen);
}

typedef struct Options
{
	const char *base;
	const char *queries;
	const char *truth;
	const char *space;
	GraphParams params;
	int rows; /* 0: all */
	bool narrow;
} Options;

static Options
parse_options(int argc, char **argv)
{
	static const struct option names[] = {{"base", required_argument, NULL, 'b'},
										  {"queries", required_argument, NULL, 'q'},
										  {"truth", required_argument, NULL, 't'},
										  {"space", required_argument, NULL, 's'},
										  {"m", required_argument, NULL, 'm'},
										  {"ef", required_argument, NULL, 'e'},
										  {"threads", required_argument, NULL, 'j'},
										  {"rows", required_argument, NULL, 'n'},
										  {"seed", required_argument, NULL, 'r'},
										  {"narrow", no_argument, NULL, 'w'},
										  {NULL, 0, NULL, 0}};
	Options options = {
		.space = "l2",
		.params = {.m = 16, .ef_construction = 64, .threads = 2, .seed = 42, .spare = SIZE_MAX}};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
	{
		switch (option)
		{
			case 'b':
				options.base = optarg;
				break;
			case 'q':
				options.queries = optarg;
				break;
			case 't':
				options.truth = optarg;
				break;
			case 's':
				options.space = optarg;
				break;
			case 'm':
				options.params.m = atoi(optarg);
				break;
			case 'e':
				options.params.ef_construction = atoi(optarg);
				break;
			case 'j':
				options.params.threads = atoi(optarg);
				break;
			case 'n':
				options.rows = atoi(optarg);
				break;
			case 'r':
				options.params.seed = strtoull(optarg, NULL, 10);
				break;
			case 'w':
				options.narrow = true;
				break;
			default:
				exit(1);
		}
	}
	if ((options.base == NULL) != (options.queries == NULL))
		fail("go together", "--base and --queries");
	return options;
}

int
main(int argc, char **argv)
{
	static const int efs[] = {20, 40, 60, 80, 100, 200};
	Options options = parse_options(argc, argv);
	SpaceContext context = {.space = space_find(options.space, SPACE_FLOAT32)};
	GraphDistance distance = {&context, 0, prepare_query, distances};
	GraphValues values = {.chunk_shift = 31};
	Matrix base;
	Matrix queries;
	Matrix truth;
	Graph *graph;

	if (context.space == NULL || context.space->nparams > 0)
		fail("no such space, or one with parameters", options.space);
	if (options.base != NULL)
	{
		base = read_vectors(options.base, options.rows > 0 ? options.rows : INT32_MAX);
		queries = read_vectors(options.queries, INT32_MAX);
	}
	else
	{
		base = generate(options.rows > 0 ? options.rows : GENERATED_ROWS, 2);
		queries = generate(GENERATED_QUERIES, 3);
	}
	context.dim = (uint32_t) base.dim;
	encode_all(&context, options.narrow, &base, &queries);
	distance.query_size = space_query_size(&context);
	if (options.truth != NULL && options.rows == 0)
		truth = read_vectors(options.truth, INT32_MAX);
	else
		truth = brute_force(&context, &base, &queries);

	values.chunks = &base.data;
	values.stride = base.stride;
	values.value_size = space_encoded_size(&context);
	if (context.space == space_find("l2", SPACE_UINT8))
		distance = (GraphDistance){&context, 0, prepare_bytes, distances_of_bytes};
	graph = graph_create((uint32_t) base.rows, &options.params, &distance, &values);
	if (graph == NULL)
		fail("out of memory", "graph");
	printf("%d x %d, %s, m %d, ef_construction %d, threads %d\n", base.rows, base.dim,
		   options.space, options.params.m, options.params.ef_construction, options.params.threads);
	report_build(graph);
	report_shape(graph);
	printf("   ef  recall@10  queries/s  distances/query\n");
	for (size_t i = 0; i < sizeof(efs) / sizeof(efs[0]); i++)
		report_search(graph, &queries, &truth, efs[i]);
	graph_free(graph);
	parallel_shutdown();
	return 0;
}
