/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  Builds a graph in memory and searches it: build time, recall against
 *	  search effort, queries per second, distance computations.
 *
 *	build/graph --base FILE --queries FILE --truth FILE [--cosine]
 *		[--m 16] [--ef 64] [--threads 2] [--rows N] [--seed 42]
 *
 * FILE: .fvecs or .bvecs (.ivecs for the truth), plain or .gz.  Without files a
 * clustered set is generated.
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <immintrin.h>
#include <math.h>

#include "core/graph_internal.h"
#include "core/parallel.h"
#include "core/random.h"

#define K 10
#define STEP 500

typedef struct Matrix
{
	int rows;
	int dim;
	float *data;
} Matrix;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* Processor seconds of this process */
static double
cpu(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		   (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* Memory on huge pages, so that page walks are not what is measured */
static float *
allocate(size_t n)
{
	size_t size = (n * sizeof(float) + (2u << 20)) & ~(size_t) ((2u << 20) - 1);
	float *data = aligned_alloc(2u << 20, size);

	if (data == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	madvise(data, size, MADV_HUGEPAGE);
	return data;
}

static Matrix
read_vectors(const char *path, int max_rows)
{
	Matrix m = {0, 0, NULL};
	char command[4096];
	bool bytes = strstr(path, ".bvecs") != NULL;
	bool ints = strstr(path, ".ivecs") != NULL;
	size_t width = bytes ? 1 : 4;
	size_t capacity = 0;
	unsigned char *row = NULL;
	int dim;
	FILE *in;

	snprintf(command, sizeof(command), "%s '%s'", strstr(path, ".gz") ? "zcat" : "cat", path);
	in = popen(command, "r");
	while (m.rows < max_rows && fread(&dim, sizeof(dim), 1, in) == 1)
	{
		if (row == NULL)
		{
			m.dim = dim;
			row = malloc((size_t) dim * width);
		}
		if (fread(row, width, (size_t) dim, in) != (size_t) dim)
			break;
		if ((size_t) m.rows == capacity)
		{
			float *old = m.data;

			capacity = capacity == 0 ? 1024 : 2 * capacity;
			m.data = allocate(capacity * (size_t) dim);
			if (old != NULL)
				memcpy(m.data, old, (size_t) m.rows * (size_t) dim * sizeof(float));
			free(old);
		}
		for (int i = 0; i < dim; i++)
		{
			float *to = &m.data[(size_t) m.rows * (size_t) dim + (size_t) i];

			if (bytes)
				*to = row[i];
			else if (ints)
				*to = (float) ((int32_t *) row)[i];
			else
				*to = ((float *) row)[i];
		}
		m.rows++;
	}
	free(row);
	pclose(in);
	return m;
}

static void
normalize(Matrix *m)
{
	for (int i = 0; i < m->rows; i++)
	{
		float *row = m->data + (size_t) i * (size_t) m->dim;
		double norm = 0;

		for (int j = 0; j < m->dim; j++)
			norm += (double) row[j] * row[j];
		for (int j = 0; j < m->dim; j++)
			row[j] = (float) (row[j] / sqrt(norm));
	}
}

__attribute__((target("avx512f"))) static void
l2_distances(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	int dim = *(const int *) context;
	const float *q = query;
	int i = 0;

	for (; i + 4 <= n; i += 4)
	{
		const float *a = objects[i], *b = objects[i + 1], *c = objects[i + 2], *d = objects[i + 3];
		__m512 sa = _mm512_setzero_ps(), sb = sa, sc = sa, sd = sa;

		for (int j = 0; j < dim; j += 16)
		{
			__m512 x = _mm512_loadu_ps(q + j), t;

			t = _mm512_sub_ps(x, _mm512_loadu_ps(a + j));
			sa = _mm512_fmadd_ps(t, t, sa);
			t = _mm512_sub_ps(x, _mm512_loadu_ps(b + j));
			sb = _mm512_fmadd_ps(t, t, sb);
			t = _mm512_sub_ps(x, _mm512_loadu_ps(c + j));
			sc = _mm512_fmadd_ps(t, t, sc);
			t = _mm512_sub_ps(x, _mm512_loadu_ps(d + j));
			sd = _mm512_fmadd_ps(t, t, sd);
		}
		keys[i] = _mm512_reduce_add_ps(sa);
		keys[i + 1] = _mm512_reduce_add_ps(sb);
		keys[i + 2] = _mm512_reduce_add_ps(sc);
		keys[i + 3] = _mm512_reduce_add_ps(sd);
	}
	for (; i < n; i++)
	{
		const float *a = objects[i];
		__m512 sa = _mm512_setzero_ps();

		for (int j = 0; j < dim; j += 16)
		{
			__m512 t = _mm512_sub_ps(_mm512_loadu_ps(q + j), _mm512_loadu_ps(a + j));

			sa = _mm512_fmadd_ps(t, t, sa);
		}
		keys[i] = _mm512_reduce_add_ps(sa);
	}
}

static const void *
same_query(const void *context, const void *value, void *scratch)
{
	(void) context;
	(void) scratch;
	return value;
}

/* A mixture of Gaussians on few latent dimensions plus noise */
static Matrix
generate(int rows, int dim, uint64_t seed)
{
	enum
	{
		CLUSTERS = 500,
		LATENT = 24
	};
	Matrix m = {rows, dim, allocate((size_t) rows * (size_t) dim)};
	float *centers = malloc(sizeof(float) * CLUSTERS * LATENT);
	float *map = malloc(sizeof(float) * LATENT * (size_t) dim);
	Random random;

	random_seed(&random, 1);
	for (int i = 0; i < CLUSTERS * LATENT; i++)
		centers[i] = (float) random_gaussian(&random);
	for (int i = 0; i < LATENT * dim; i++)
		map[i] = (float) random_gaussian(&random);
	random_seed(&random, seed);
	for (int i = 0; i < rows; i++)
	{
		float *row = m.data + (size_t) i * (size_t) dim;
		const float *center = centers + random_below(&random, CLUSTERS) * LATENT;

		memset(row, 0, (size_t) dim * sizeof(float));
		for (int l = 0; l < LATENT; l++)
		{
			float z = center[l] + 0.4f * (float) random_gaussian(&random);

			for (int j = 0; j < dim; j++)
				row[j] += z * map[l * dim + j];
		}
		for (int j = 0; j < dim; j++)
			row[j] += 0.3f * (float) random_gaussian(&random);
	}
	free(centers);
	free(map);
	return m;
}

static Matrix
brute_force(const Matrix *base, const Matrix *queries)
{
	Matrix truth = {queries->rows, K, allocate((size_t) queries->rows * K)};
	PoolEntry entries[K];

	for (int q = 0; q < queries->rows; q++)
	{
		Pool pool;
		PoolEntry dropped;

		pool_init(&pool, entries, K);
		for (int i = 0; i < base->rows; i++)
		{
			const void *object = base->data + (size_t) i * (size_t) base->dim;
			float key;

			l2_distances(&base->dim, queries->data + (size_t) q * (size_t) base->dim, &object, 1,
						 &key);
			if (pool_accepts(&pool, key))
				pool_insert(&pool, key, (uint32_t) i, &dropped);
		}
		for (int i = 0; i < K; i++)
			truth.data[q * K + i] = (float) POOL_ID(entries[i]);
	}
	return truth;
}

static void
report_search(const Graph *graph, const Matrix *queries, const Matrix *truth, int ef)
{
	char *memory = calloc(1, graph_worker_size(&graph->shape, graph->nvertices, ef) + CACHE_LINE);
	GraphWorker *worker =
		graph_worker_init(&graph->shape, graph->nvertices, ef,
						  memory + (CACHE_LINE - (uintptr_t) memory % CACHE_LINE) % CACHE_LINE);
	double best = 1e30;
	int hits = 0;

	for (int round = 0; round < 3; round++)
	{
		double start = now();

		hits = 0;
		worker->computed = 0;
		for (int q = 0; q < queries->rows; q++)
		{
			graph_search(graph, worker, queries->data + (size_t) q * (size_t) queries->dim, ef);
			for (int i = 0; i < K && i < worker->pool.size; i++)
			{
				for (int j = 0; j < K; j++)
					hits += POOL_ID(worker->pool.entries[i]) ==
							(uint32_t) truth->data[(size_t) q * (size_t) truth->dim + (size_t) j];
			}
		}
		if (now() - start < best)
			best = now() - start;
	}
	printf("%5d  %9.4f  %9.0f  %12.0f\n", ef, hits / (double) (queries->rows * K),
		   queries->rows / best, (double) worker->computed / queries->rows);
	free(memory);
}

/* Pages of `slots` vertices that the neighbours of a vertex lie on, on average */
static double
pages_per_list(const Graph *graph, const uint32_t *order, uint32_t slots)
{
	uint32_t n = graph->nvertices;
	uint32_t *page = malloc(n * sizeof(uint32_t));
	uint32_t *seen = malloc((n / slots + 1) * sizeof(uint32_t));
	uint64_t pages = 0, links = 0;

	memset(seen, 0xFF, (n / slots + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++)
		page[order[i]] = i / slots;
	for (uint32_t v = 0; v < n; v++)
	{
		int count;
		const uint32_t *ids = graph_links(graph, v, 0, &count);

		links += (uint64_t) count;
		for (int j = 0; j < count; j++)
		{
			if (seen[page[ids[j]]] != v)
				pages++;
			seen[page[ids[j]]] = v;
		}
	}
	free(page);
	free(seen);
	return (double) pages / (double) links;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"base", 1, NULL, 'b'},	 {"queries", 1, NULL, 'q'},
											{"truth", 1, NULL, 't'}, {"m", 1, NULL, 'm'},
											{"ef", 1, NULL, 'e'},	 {"threads", 1, NULL, 'j'},
											{"rows", 1, NULL, 'n'},	 {"cosine", 0, NULL, 'c'},
											{"seed", 1, NULL, 's'},	 {NULL, 0, NULL, 0}};
	static const int efs[] = {20, 40, 60, 80, 100, 200};
	const char *base_path = NULL, *query_path = NULL, *truth_path = NULL;
	GraphParams params = {.m = 16, .ef_construction = 64, .threads = 2, .seed = 42};
	int rows = 0;
	bool cosine = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (option)
		{
			case 'b':
				base_path = optarg;
				break;
			case 'q':
				query_path = optarg;
				break;
			case 't':
				truth_path = optarg;
				break;
			case 'm':
				params.m = atoi(optarg);
				break;
			case 'e':
				params.ef_construction = atoi(optarg);
				break;
			case 'j':
				params.threads = atoi(optarg);
				break;
			case 'n':
				rows = atoi(optarg);
				break;
			case 's':
				params.seed = strtoull(optarg, NULL, 10);
				break;
			case 'c':
				cosine = true;
				break;
			default:
				return 1;
		}
	}

	Matrix base, queries, truth;

	if (base_path)
	{
		base = read_vectors(base_path, rows ? rows : INT32_MAX);
		queries = read_vectors(query_path, INT32_MAX);
	}
	else
	{
		base = generate(rows ? rows : 100000, 128, 2);
		queries = generate(500, 128, 3);
	}
	if (cosine)
	{
		normalize(&base);
		normalize(&queries);
	}
	truth = truth_path ? read_vectors(truth_path, INT32_MAX) : brute_force(&base, &queries);

	char *chunk = (char *) base.data;
	GraphDistance distance = {&base.dim, 0, same_query, l2_distances};
	GraphValues values = {&chunk, 31, (size_t) base.dim * 4, (size_t) base.dim * 4};
	double start = now(), start_cpu = cpu(), t0, insert_end = 0, trim_end = 0, longest = 0;
	Graph *graph = graph_create((uint32_t) base.rows, &params, &distance, &values);
	bool more = true;

	t0 = now() - start;
	while (more)
	{
		double step = now();

		more = graph_build_step(graph, STEP);
		if (now() - step > longest)
			longest = now() - step;
		if (graph->phase == GRAPH_TRIM && insert_end == 0)
			insert_end = now() - start;
		if (graph->phase == GRAPH_REACH && trim_end == 0)
			trim_end = now() - start;
	}
	printf("%d x %d, m %d, ef_construction %d, threads %d\n", base.rows, base.dim, params.m,
		   params.ef_construction, params.threads);
	printf("build %.2f s, cpu %.2f s (create %.2f, inserted at %.2f, trimmed at %.2f), longest "
		   "step %.0f ms\n",
		   now() - start, cpu() - start_cpu, t0, insert_end, trim_end, longest * 1000);
	printf("%.0f distances per vertex, %u attached, %.1f MB\n",
		   (double) graph_distance_computations(graph) / base.rows, graph->attached,
		   (double) graph->arena_size / 1e6);

	uint64_t links = 0;

	for (uint32_t v = 0; v < graph->nvertices; v++)
		links += graph_list(graph, v, 0)->count;
	printf("%.2f links per vertex in layer 0\n", (double) links / base.rows);

	uint32_t *order = malloc((size_t) base.rows * 4);

	start = now();
	graph_layout_order(graph, order);
	printf("layout %.2f s, pages per neighbour (11 a page) %.3f\n", now() - start,
		   pages_per_list(graph, order, 11));
	free(order);
	printf("   ef  recall@10  queries/s  distances/query\n");
	for (size_t i = 0; i < sizeof(efs) / sizeof(efs[0]); i++)
		report_search(graph, &queries, &truth, efs[i]);
	graph_free(graph);
	parallel_shutdown();
	return 0;
}
