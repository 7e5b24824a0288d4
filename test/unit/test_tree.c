/*-------------------------------------------------------------------------
 *
 * test_tree.c
 *	  The tree builder: what must hold of every node, leaf and path, over data
 *	  of all sorts; determinism; steps; memory.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/random.h"
#include "core/tree_internal.h"
#include "unit.h"

#define DIM 8
#define CLUSTERS 20

/* Several large parts (tree.c), few enough for the sanitizers */
#define ROWS 15000

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
l2_keys(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	(void) context;
	for (int i = 0; i < n; i++)
		keys[i] = squared_distance(objects[i], query);
}

static double
l2_finish(const void *context, float key)
{
	(void) context;
	return sqrt((double) key);
}

/* Coordinates that differ: an integer */
static void
hamming_keys(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	(void) context;
	for (int i = 0; i < n; i++)
	{
		const float *object = objects[i];

		keys[i] = 0;
		for (int d = 0; d < DIM; d++)
			keys[i] += (object[d] < 0) != (((const float *) query)[d] < 0);
	}
}

static void
infinite_keys(const void *context, const void *query, const void *const *objects, int n,
			  float *keys)
{
	(void) context;
	(void) query;
	(void) objects;
	for (int i = 0; i < n; i++)
		keys[i] = INFINITY;
}

static double
same_key(const void *context, float key)
{
	(void) context;
	return key;
}

/*
 * Not symmetric: going up costs twice what going down does.  The query form is
 * the negated value, so that an object taken for a query is noticed.
 */
static float
climb(const float *object, const float *negated)
{
	float sum = 0;

	for (int i = 0; i < DIM; i++)
	{
		float up = -negated[i] - object[i];

		sum += up > 0 ? 2 * up : -up;
	}
	return sum;
}

static void
climb_keys(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	(void) context;
	for (int i = 0; i < n; i++)
		keys[i] = climb(objects[i], query);
}

static const void *
negate(const void *context, const void *value, void *scratch)
{
	(void) context;
	for (int i = 0; i < DIM; i++)
		((float *) scratch)[i] = -((const float *) value)[i];
	return scratch;
}

static const void *
same_value(const void *context, const void *value, void *scratch)
{
	(void) context;
	(void) scratch;
	return value;
}

static void
copy_coordinates(const void *context, const void *value, float *coordinates)
{
	(void) context;
	memcpy(coordinates, value, DIM * sizeof(float));
}

static const TreeDistance l2 = {
	{NULL, 0, same_value, l2_keys}, true, l2_finish, copy_coordinates, DIM};
static const TreeDistance hamming = {{NULL, 0, same_value, hamming_keys}, true, same_key, NULL, 0};
static const TreeDistance infinite = {
	{NULL, 0, same_value, infinite_keys}, true, same_key, NULL, 0};
static const TreeDistance asymmetric = {
	{NULL, DIM * sizeof(float), negate, climb_keys}, false, same_key, NULL, 0};

/* ---- values, in chunks of 2^CHUNK_SHIFT ---- */

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
	size_t stride = DIM * sizeof(float);
	Data data = {.chunks = malloc(nchunks * sizeof(char *)), .rows = rows};

	for (uint32_t i = 0; i < nchunks; i++)
		data.chunks[i] = calloc((size_t) 1 << CHUNK_SHIFT, stride);
	data.values = (GraphValues){
		.chunks = data.chunks, .chunk_shift = CHUNK_SHIFT, .stride = stride, .value_size = stride};
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

/* Normal clusters around random centres; one cluster around 0 is plain random data */
static Data
normal_data(uint32_t rows, int clusters, float spread)
{
	Data data = data_create(rows);
	float centers[CLUSTERS][DIM] = {{0}};
	Random random;

	random_seed(&random, 7);
	for (int c = 1; c < clusters; c++)
	{
		for (int i = 0; i < DIM; i++)
			centers[c][i] = (float) random_gaussian(&random);
	}
	for (uint32_t row = 0; row < rows; row++)
	{
		const float *center = centers[random_below(&random, (uint64_t) clusters)];

		for (int i = 0; i < DIM; i++)
			data_row(&data, row)[i] = center[i] + spread * (float) random_gaussian(&random);
	}
	return data;
}

/* ---- building and checking ---- */

static TreeParams
params_for(TreePartition partition, uint32_t bucket_size, int threads)
{
	TreeParams params = {.partition = partition,
						 .bucket_size = bucket_size,
						 .fill = 0.85,
						 .path_length = partition == TREE_VP ? 5 : 0,
						 .threads = threads,
						 .seed = 42};

	return params;
}

static uint32_t *
all_items(uint32_t rows)
{
	uint32_t *items = malloc((rows + 1) * sizeof(uint32_t));

	for (uint32_t i = 0; i < rows; i++)
		items[i] = i;
	return items;
}

static Tree *
build(const Data *data, uint32_t *items, const TreeParams *params, const TreeDistance *distance,
	  uint64_t step)
{
	Tree *tree = tree_create(items, data->rows, params, distance, &data->values);
	uint32_t progress = 0;

	CHECK(tree != NULL, "memory");
	while (tree_build_step(tree, step))
	{
		CHECK(tree_progress(tree) >= progress && tree_progress(tree) <= data->rows,
			  "progress %u after %u", tree_progress(tree), progress);
		progress = tree_progress(tree);
	}
	CHECK(tree_progress(tree) == data->rows, "progress %u", tree_progress(tree));
	CHECK(!tree_build_step(tree, step), "finished");
	return tree;
}

/* A walk over a tree: the nodes above, which of their sides, and what has been seen */
typedef struct Walk
{
	const Tree *tree;
	const TreeDistance *distance;
	const Data *data;
	const TreeNode *above[TREE_MAX_DEPTH];
	bool right[TREE_MAX_DEPTH];
	int depth;
	uint32_t *items_seen;
	uint32_t *nodes_seen;
	uint32_t *leaves_seen;
} Walk;

/* Where an item lies as a node sees it: its distance to the pivot, or its coordinate */
static double
place_of(const Walk *walk, const TreeNode *node, uint32_t item)
{
	const GraphDistance *keys = &walk->distance->keys;
	const void *pivot;
	float scratch[DIM];
	float key;

	if (walk->tree->params.partition == TREE_KD)
		return data_row(walk->data, item)[node->pivot];
	pivot = data_row(walk->data, node->pivot);
	keys->distances(NULL, keys->prepare_query(NULL, data_row(walk->data, item), scratch), &pivot, 1,
					&key);
	return walk->distance->finish(NULL, key);
}

static void
check_leaf(Walk *walk, const TreeLeaf *leaf)
{
	int length = walk->tree->params.path_length;

	CHECK(leaf->npath == (walk->depth < length ? walk->depth : length), "%d of path at depth %d",
		  leaf->npath, walk->depth);
	for (uint32_t place = leaf->first; place < leaf->first + leaf->n; place++)
	{
		uint32_t item = walk->tree->items[place];

		CHECK(item < walk->data->rows, "item %u", item);
		walk->items_seen[item]++;
		for (int up = 0; up < walk->depth; up++)
		{
			const TreeNode *node = walk->above[walk->depth - 1 - up];
			bool right = walk->right[walk->depth - 1 - up];
			double x = place_of(walk, node, item);

			CHECK(right ? x >= node->radius : x <= node->radius, "%u lies at %.9g, %s of %.9g",
				  item, x, right ? "right" : "left", node->radius);
			if (up < leaf->npath)
				CHECK(walk->tree->paths[(size_t) place * (size_t) length + (size_t) up] ==
						  (float) x,
					  "path of %u, %d up", item, up);
		}
	}
}

static void
check_child(Walk *walk, uint32_t child)
{
	if (child & TREE_LEAF)
	{
		uint32_t leaf = child & ~TREE_LEAF;

		CHECK(leaf < walk->tree->nleaves, "leaf %u", leaf);
		walk->leaves_seen[leaf]++;
		check_leaf(walk, &walk->tree->leaves[leaf]);
		return;
	}
	CHECK(child < walk->tree->nnodes, "node %u", child);
	walk->nodes_seen[child]++;
	CHECK(walk->depth < TREE_MAX_DEPTH, "depth");
	walk->above[walk->depth] = &walk->tree->nodes[child];
	walk->right[walk->depth++] = false;
	check_child(walk, walk->tree->nodes[child].left);
	walk->right[walk->depth - 1] = true;
	check_child(walk, walk->tree->nodes[child].right);
	walk->depth--;
}

/* As many leaves as are asked for, or else as the fill asks for, and all equally full */
static void
check_fill(const Tree *tree, uint32_t rows)
{
	const TreeParams *params = &tree->params;
	uint32_t wanted = (uint32_t) ceil(rows / (params->fill * params->bucket_size));

	if (params->leaves > 0)
		wanted = params->leaves;
	else if (rows <= params->bucket_size)
		wanted = 1;
	if (wanted > rows)
		wanted = rows > 0 ? rows : 1;
	CHECK(tree->nleaves == wanted, "%u leaves, not %u", tree->nleaves, wanted);
	for (uint32_t i = 0; i < tree->nleaves; i++)
	{
		uint32_t n = tree->leaves[i].n;

		CHECK(n == rows / wanted || n == (rows + wanted - 1) / wanted, "leaf %u has %u", i, n);
		CHECK(n <= params->bucket_size, "leaf %u has %u", i, n);
	}
}

/* What holds of every finished tree, whatever the data */
static void
check_sound(const Tree *tree, const Data *data, const TreeDistance *distance)
{
	Walk walk = {.tree = tree, .distance = distance, .data = data};

	walk.items_seen = calloc(data->rows + 1, sizeof(uint32_t));
	walk.nodes_seen = calloc(tree->nnodes + 1, sizeof(uint32_t));
	walk.leaves_seen = calloc(tree->nleaves, sizeof(uint32_t));
	CHECK(tree->nleaves == tree->nnodes + 1, "%u nodes, %u leaves", tree->nnodes, tree->nleaves);
	CHECK(tree->nitems == data->rows, "%u items", tree->nitems);
	check_fill(tree, data->rows);
	check_child(&walk, tree->root);
	for (uint32_t i = 0; i < data->rows; i++)
		CHECK(walk.items_seen[i] == 1, "item %u is in %u leaves", i, walk.items_seen[i]);
	for (uint32_t i = 0; i < tree->nnodes; i++)
		CHECK(walk.nodes_seen[i] == 1, "node %u has %u parents", i, walk.nodes_seen[i]);
	for (uint32_t i = 0; i < tree->nleaves; i++)
		CHECK(walk.leaves_seen[i] == 1, "leaf %u has %u parents", i, walk.leaves_seen[i]);
	free(walk.items_seen);
	free(walk.nodes_seen);
	free(walk.leaves_seen);
}

static void
check_build(const Data *data, TreePartition partition, uint32_t bucket_size,
			const TreeDistance *distance, const char *what)
{
	for (int threads = 1; threads <= 2; threads++)
	{
		TreeParams params = params_for(partition, bucket_size, threads);
		uint32_t *items = all_items(data->rows);
		Tree *tree = build(data, items, &params, distance, 20000);
		int failures = unit_failures;

		check_sound(tree, data, distance);
		CHECK(failures == unit_failures, "%s, %u rows, bucket_size %u, %d threads", what,
			  data->rows, bucket_size, threads);
		tree_free(tree);
		free(items);
	}
}

static void
test_random(void)
{
	Data data = normal_data(ROWS, 1, 1.0f);

	check_build(&data, TREE_VP, 50, &l2, "random");
	check_build(&data, TREE_KD, 50, &l2, "random, kd");
	check_build(&data, TREE_VP, 7, &l2, "random");
	check_build(&data, TREE_VP, ROWS / 2, &l2, "random");
	data_free(&data);
}

static void
test_clusters(void)
{
	Data data = normal_data(ROWS, CLUSTERS, 0.01f);

	check_build(&data, TREE_VP, 50, &l2, "clusters");
	check_build(&data, TREE_KD, 50, &l2, "clusters, kd");
	data_free(&data);
}

static void
test_equal_values(void)
{
	Data data = data_create(ROWS);

	check_build(&data, TREE_VP, 50, &l2, "all equal");
	check_build(&data, TREE_KD, 50, &l2, "all equal, kd");
	data_free(&data);
}

static void
test_integer_distances(void)
{
	Data data = normal_data(ROWS, 1, 1.0f);

	check_build(&data, TREE_VP, 50, &hamming, "integer distances");
	check_build(&data, TREE_VP, 1, &hamming, "integer distances");
	data_free(&data);
}

static void
test_infinite_distances(void)
{
	Data data = normal_data(ROWS, 1, 1.0f);

	check_build(&data, TREE_VP, 50, &infinite, "infinite distances");
	data_free(&data);
}

static void
test_asymmetric_distance(void)
{
	Data data = normal_data(ROWS, 1, 1.0f);

	check_build(&data, TREE_VP, 50, &asymmetric, "asymmetric");
	data_free(&data);
}

static void
test_few_rows(void)
{
	static const uint32_t buckets[] = {1, 2, 3, 10, 1000};

	for (uint32_t rows = 0; rows <= 130; rows += rows < 12 ? 1 : 17)
	{
		Data data = normal_data(rows, 1, 1.0f);

		for (int i = 0; i < 5; i++)
		{
			check_build(&data, TREE_VP, buckets[i], &l2, "few rows");
			check_build(&data, TREE_VP, buckets[i], &asymmetric, "few rows, asymmetric");
			check_build(&data, TREE_KD, buckets[i], &l2, "few rows, kd");
		}
		data_free(&data);
	}
}

/* Paths of any length, longer than the tree is high, too */
static void
test_path_lengths(void)
{
	Data data = normal_data(3000, 1, 1.0f);

	for (int length = 0; length <= TREE_MAX_PATH; length++)
	{
		TreeParams params = params_for(TREE_VP, 37, 1);
		uint32_t *items = all_items(data.rows);
		Tree *tree;

		params.path_length = length;
		tree = build(&data, items, &params, &l2, 100000);
		check_sound(tree, &data, &l2);
		tree_free(tree);
		free(items);
	}
	data_free(&data);
}

/* As many leaves as are asked for, whatever `fill` says; but none without an item */
static void
test_leaves(void)
{
	Data data = normal_data(100, 1, 1.0f);

	for (uint32_t leaves = 2; leaves <= 110; leaves += leaves < 9 ? 1 : 50)
	{
		TreeParams params = params_for(TREE_VP, 50, 1);
		uint32_t *items = all_items(data.rows);
		Tree *tree;

		params.leaves = leaves;
		tree = build(&data, items, &params, &l2, 100000);
		check_sound(tree, &data, &l2);
		tree_free(tree);
		free(items);
	}
	data_free(&data);
}

static bool
same_tree(const Tree *a, const Tree *b)
{
	size_t path = (size_t) a->params.path_length * sizeof(float);

	if (a->root != b->root || a->nnodes != b->nnodes)
		return false;
	for (uint32_t i = 0; i < a->nnodes; i++)
	{
		if (a->nodes[i].pivot != b->nodes[i].pivot || a->nodes[i].radius != b->nodes[i].radius)
			return false;
	}
	return memcmp(a->items, b->items, a->nitems * sizeof(uint32_t)) == 0 &&
		   memcmp(a->paths, b->paths, a->nitems * path) == 0;
}

/* One seed: one tree, for any number of threads and however the steps are cut. */
static void
check_determinism(const Data *data, TreePartition partition, const TreeDistance *distance)
{
	TreeParams params = params_for(partition, 50, 1);
	uint32_t *items = all_items(data->rows);
	Tree *tree = build(data, items, &params, distance, 1000000000);

	for (int threads = 1; threads <= 4; threads++)
	{
		TreeParams other_params = params_for(partition, 50, threads);
		uint32_t *other_items = all_items(data->rows);
		Tree *other = build(data, other_items, &other_params, distance, 5000);

		CHECK(same_tree(tree, other), "%d threads: the same tree", threads);
		CHECK(tree_distance_computations(tree) == tree_distance_computations(other),
			  "%d threads: the same work", threads);
		tree_free(other);
		free(other_items);
	}
	if (partition == TREE_VP)
	{
		uint32_t *other_items = all_items(data->rows);
		Tree *other;

		params.seed++;
		other = build(data, other_items, &params, distance, 5000);
		CHECK(!same_tree(tree, other), "another seed, another tree");
		tree_free(other);
		free(other_items);
	}
	tree_free(tree);
	free(items);
}

static void
test_determinism(void)
{
	Data data = normal_data(ROWS, CLUSTERS, 0.3f);

	check_determinism(&data, TREE_VP, &l2);
	check_determinism(&data, TREE_VP, &asymmetric);
	check_determinism(&data, TREE_VP, &hamming);
	check_determinism(&data, TREE_KD, &l2);
	data_free(&data);
}

/* Work: a distance for each item and level, and no more than as many to choose pivots */
static void
test_work(void)
{
	Data data = normal_data(ROWS, 1, 1.0f);
	TreeParams params = params_for(TREE_VP, 50, 1);
	uint32_t *items = all_items(data.rows);
	Tree *tree = build(&data, items, &params, &l2, 10000);
	double levels = log2(tree->nleaves);
	uint64_t computed = tree_distance_computations(tree);

	CHECK(computed >= (uint64_t) (floor(levels) * ROWS), "%llu distances",
		  (unsigned long long) computed);
	CHECK(computed <= (uint64_t) (2 * ceil(levels) * ROWS), "%llu distances",
		  (unsigned long long) computed);
	tree_free(tree);
	free(items);
	data_free(&data);
}

/* The pivot with the widest spread is taken: a corner of the data, not the middle. */
static void
test_choice_of_pivot(void)
{
	Data data = normal_data(2000, 1, 1.0f);
	TreeParams params = params_for(TREE_VP, 1500, 1);
	int far = 0;

	for (uint64_t seed = 1; seed <= 100; seed++)
	{
		static const float middle[DIM] = {0};
		uint32_t *items = all_items(data.rows);
		Tree *tree;

		params.seed = seed;
		tree = build(&data, items, &params, &l2, 10000);
		/* 7.344 is the median of the chi-squared distribution with 8 degrees of freedom */
		far += squared_distance(data_row(&data, tree->nodes[0].pivot), middle) > 7.344f;
		tree_free(tree);
		free(items);
	}
	CHECK(far > 60, "%d of 100 pivots lie outside the median", far);
	data_free(&data);
}

/* A build may be given up at any step. */
static void
test_cancel(void)
{
	Data data = normal_data(ROWS, 1, 1.0f);
	TreeParams params = params_for(TREE_VP, 50, 2);

	for (int steps = 0; steps < 30; steps += 3)
	{
		uint32_t *items = all_items(data.rows);
		Tree *tree = tree_create(items, data.rows, &params, &l2, &data.values);

		for (int i = 0; i < steps; i++)
			CHECK(tree_build_step(tree, 1000), "step %d", i);
		tree_free(tree);
		free(items);
	}
	tree_free(NULL);
	data_free(&data);
}

/* Several copies of one number are items of their own. */
static void
test_repeated_items(void)
{
	Data data = normal_data(100, 1, 1.0f);
	TreeParams params = params_for(TREE_VP, 10, 1);
	uint32_t items[500];
	uint32_t seen[100] = {0};
	Tree *tree;

	for (uint32_t i = 0; i < 500; i++)
		items[i] = i % 100;
	tree = tree_create(items, 500, &params, &l2, &data.values);
	while (tree_build_step(tree, 1000))
		continue;
	for (uint32_t i = 0; i < 500; i++)
		seen[tree->items[i]]++;
	for (uint32_t i = 0; i < 100; i++)
		CHECK(seen[i] == 5, "%u: %u times", i, seen[i]);
	tree_free(tree);
	data_free(&data);
}

/* tree_memory() is an upper limit, and not far above what is taken. */
static void
test_memory(void)
{
	Data data = normal_data(ROWS, 1, 1.0f);

	for (uint32_t bucket_size = 1; bucket_size <= 100; bucket_size += 33)
	{
		TreeParams params = params_for(TREE_VP, bucket_size, 2);
		uint32_t *items = all_items(data.rows);
		size_t limit = tree_memory(data.rows, &params, &asymmetric);
		Tree *tree = tree_create(items, data.rows, &params, &asymmetric, &data.values);
		char *end = (char *) tree_worker((TreeBuild *) tree, params.threads);
		size_t taken = (size_t) (end - (char *) tree);

		CHECK(taken <= limit && taken + 8192 >= limit, "%zu bytes, limit %zu", taken, limit);
		tree_free(tree);
		free(items);
	}
	data_free(&data);
}

int
main(void)
{
	RUN(test_random);
	RUN(test_clusters);
	RUN(test_equal_values);
	RUN(test_integer_distances);
	RUN(test_infinite_distances);
	RUN(test_asymmetric_distance);
	RUN(test_few_rows);
	RUN(test_path_lengths);
	RUN(test_leaves);
	RUN(test_determinism);
	RUN(test_work);
	RUN(test_choice_of_pivot);
	RUN(test_cancel);
	RUN(test_repeated_items);
	RUN(test_memory);
	parallel_shutdown();
	return unit_finish();
}
