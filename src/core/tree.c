/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  A tree's memory, its life, and the order in which it is built.
 *
 * Large parts of the tree are divided one after the other, all threads computing
 * distances to the one pivot; what is left are parts for one thread each.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"

/* Items of a part that is divided by one thread, at most ... */
#define SMALL_PART 4096

/* ... and at least, if there are more in all: a part with three leaves leaves a third of its items
 * to the smaller half, rounded down. */
#define SMALLEST_PART (SMALL_PART / 4)

/* Keys computed by a thread at a time */
#define KEYS_GRAIN 256

/* Where things lie in the allocation, as offsets */
typedef struct ArenaPlan
{
	uint32_t nleaves;
	uint32_t nsmall;
	size_t nodes;
	size_t leaves;
	size_t keys;
	size_t paths;
	size_t small;
	size_t query;
	size_t workers;
	size_t worker_stride;
	size_t total;
} ArenaPlan;

/* Alignment of everything that lies in the allocation */
#define ALIGNMENT 64

static size_t
round_up(size_t size)
{
	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Leaves are filled as wished, but none is empty unless there is nothing to divide. */
static uint32_t
count_leaves(uint32_t nitems, const TreeParams *params)
{
	double leaves = ceil(nitems / (params->fill * params->bucket_size));

	if (params->leaves > 0)
		return params->leaves < nitems ? params->leaves : nitems > 0 ? nitems : 1;
	if (nitems <= params->bucket_size)
		return 1;
	return leaves < nitems ? (uint32_t) leaves : nitems;
}

static ArenaPlan
plan_arena(uint32_t nitems, const TreeParams *params, const TreeDistance *distance)
{
	uint32_t nleaves = count_leaves(nitems, params);
	size_t n = nitems;
	size_t path = (size_t) params->path_length * sizeof(float);
	size_t coordinates = params->partition == TREE_KD ? distance->dim * sizeof(float) : 0;
	ArenaPlan plan = {.nleaves = nleaves, .nsmall = nitems / SMALLEST_PART + 1};

	plan.nodes = round_up(sizeof(TreeBuild));
	plan.leaves = plan.nodes + round_up((nleaves - 1) * sizeof(TreeNode));
	plan.keys = plan.leaves + round_up(nleaves * sizeof(TreeLeaf));
	plan.paths = plan.keys + round_up(n * sizeof(float));
	plan.small = plan.paths + round_up(n * path);
	plan.query = plan.small + round_up(plan.nsmall * sizeof(TreePart));
	plan.workers = plan.query + round_up(distance->keys.query_size);
	plan.worker_stride = round_up(sizeof(TreeWorker)) + round_up(distance->keys.query_size) +
						 3 * round_up(coordinates);
	plan.total = plan.workers + (size_t) params->threads * plan.worker_stride;
	return plan;
}

size_t
tree_memory(uint32_t nitems, const TreeParams *params, const TreeDistance *distance)
{
	return plan_arena(nitems, params, distance).total + ALIGNMENT;
}

static void
init_worker(TreeWorker *worker, const TreeParams *params, const TreeDistance *distance)
{
	size_t coordinates = params->partition == TREE_KD ? round_up(distance->dim * sizeof(float)) : 0;
	char *at = (char *) worker + round_up(sizeof(TreeWorker));

	worker->query = at;
	at += round_up(distance->keys.query_size);
	worker->coordinates = (float *) at;
	worker->low = (float *) (at + coordinates);
	worker->high = (float *) (at + 2 * coordinates);
}

/* Large parts wait on the stack, the others in the list. */
static void
add_part(TreeBuild *build, const TreePart *part)
{
	bool leaf = part->end_leaf - part->first_leaf == 1;

	if (!leaf && part->end_item - part->first_item > SMALL_PART)
		build->large[build->nlarge++] = *part;
	else
		build->small[build->nsmall++] = *part;
	assert(build->nlarge <= TREE_MAX_DEPTH);
}

Tree *
tree_create(uint32_t *items, uint32_t nitems, const TreeParams *params,
			const TreeDistance *distance, const GraphValues *values)
{
	ArenaPlan plan = plan_arena(nitems, params, distance);
	char *arena = aligned_alloc(ALIGNMENT, plan.total);
	TreeBuild *build = (TreeBuild *) arena;
	TreePart all = {.end_leaf = plan.nleaves, .end_item = nitems};

	assert(nitems <= TREE_MAX_ITEMS && params->bucket_size >= 1 && params->threads >= 1);
	assert(params->path_length >= 0 && params->path_length <= TREE_MAX_PATH);
	if (build == NULL)
		return NULL;
	memset(arena, 0, plan.leaves);
	memset(arena + plan.paths, 0, plan.total - plan.paths);
	build->tree = (Tree){.params = *params,
						 .root = plan.nleaves == 1 ? TREE_LEAF : 0,
						 .nodes = (TreeNode *) (arena + plan.nodes),
						 .nnodes = plan.nleaves - 1,
						 .leaves = (TreeLeaf *) (arena + plan.leaves),
						 .nleaves = plan.nleaves,
						 .items = items,
						 .nitems = nitems,
						 .paths = (float *) (arena + plan.paths)};
	build->distance = *distance;
	build->values = *values;
	build->keys = (float *) (arena + plan.keys);
	build->small = (TreePart *) (arena + plan.small);
	build->query = arena + plan.query;
	build->workers = arena + plan.workers;
	build->worker_stride = plan.worker_stride;
	for (int i = 0; i < params->threads; i++)
		init_worker(tree_worker(build, i), params, distance);
	add_part(build, &all);
	return &build->tree;
}

void
tree_free(Tree *tree)
{
	free(tree);
}

/* Computes the keys of items, and has their paths begin with them if `keep`. */
static void
compute_keys(TreeBuild *build, TreeWorker *worker, const TreePart *part, const void *prepared,
			 uint32_t from, uint32_t to)
{
	uint32_t pivot = build->tree.nodes[part->node].pivot;

	if (build->tree.params.partition == TREE_KD)
		tree_kd_keys(build, worker, pivot, from, to);
	else
		tree_vp_keys(build, worker, pivot, prepared, from, to);
	if (tree_keeps_path(build, part))
		tree_extend_paths(build, from, to);
}

/* Chooses the pivot, or the dimension, of a part's node; returns tree_vp_prepare() of it. */
static const void *
choose_pivot(TreeBuild *build, TreeWorker *worker, const TreePart *part, void *scratch)
{
	TreeNode *node = &build->tree.nodes[part->node];

	if (build->tree.params.partition == TREE_KD)
	{
		node->pivot = tree_kd_choose(build, worker, part);
		return NULL;
	}
	node->pivot = tree_vp_choose(build, worker, part);
	return tree_vp_prepare(build, node->pivot, scratch);
}

/* Body of a parallel loop over pieces of the topmost large part. */
static void
compute_pieces(void *arg, int thread, uint32_t from, uint32_t to)
{
	TreeBuild *build = arg;
	const TreePart *part = &build->large[build->nlarge - 1];

	for (uint32_t piece = from; piece < to; piece++)
	{
		uint64_t first = part->first_item + (uint64_t) piece * KEYS_GRAIN;
		uint64_t end = first + KEYS_GRAIN;

		compute_keys(build, tree_worker(build, thread), part, build->prepared, (uint32_t) first,
					 end < part->end_item ? (uint32_t) end : part->end_item);
	}
}

/* Computes keys of the topmost large part, and divides it once all are there. */
static void
divide_large(TreeBuild *build, uint64_t distances)
{
	TreePart *part = &build->large[build->nlarge - 1];
	uint32_t npieces = (part->end_item - part->first_item + KEYS_GRAIN - 1) / KEYS_GRAIN;
	uint64_t wanted = distances / KEYS_GRAIN + 1;
	uint32_t to;
	TreePart left;
	TreePart right;

	if (!build->chosen)
		build->prepared = choose_pivot(build, tree_worker(build, 0), part, build->query);
	build->chosen = true;
	to = npieces - build->position > wanted ? build->position + (uint32_t) wanted : npieces;
	parallel_for(build->tree.params.threads, build->position, to, 1, compute_pieces, build);
	build->position = to;
	if (to < npieces)
		return;

	tree_cut(build, part, &left, &right);
	build->nlarge--;
	build->chosen = false;
	build->position = 0;
	add_part(build, &right);
	add_part(build, &left);
}

static void
finish_leaf(TreeBuild *build, const TreePart *part)
{
	int length = build->tree.params.path_length;

	build->tree.leaves[part->first_leaf] =
		(TreeLeaf){.first = part->first_item,
				   .n = part->end_item - part->first_item,
				   .npath = part->depth < length ? part->depth : length};
}

/* Divides a part down to its leaves; its depth is limited, so recursion is. */
static void
build_part(TreeBuild *build, TreeWorker *worker, const TreePart *part)
{
	TreePart left;
	TreePart right;
	const void *prepared;

	if (part->end_leaf - part->first_leaf == 1)
	{
		finish_leaf(build, part);
		return;
	}
	prepared = choose_pivot(build, worker, part, worker->query);
	compute_keys(build, worker, part, prepared, part->first_item, part->end_item);
	tree_cut(build, part, &left, &right);
	build_part(build, worker, &left);
	build_part(build, worker, &right);
}

static void
build_small(void *arg, int thread, uint32_t from, uint32_t to)
{
	TreeBuild *build = arg;

	for (uint32_t i = from; i < to; i++)
		build_part(build, tree_worker(build, thread), &build->small[i]);
}

/* Builds the next small parts: at least one, and at least one for each thread. */
static void
finish_small(TreeBuild *build, uint64_t distances)
{
	uint32_t threads = (uint32_t) build->tree.params.threads;
	uint32_t from = build->next_small;
	uint32_t to = from;
	uint64_t cost = 0;

	while (to < build->nsmall && (to - from < threads || cost < distances))
	{
		const TreePart *part = &build->small[to++];
		uint32_t n = part->end_item - part->first_item;

		/* a distance a level, and about as many to choose pivots */
		cost += 2 * (uint64_t) n * (uint64_t) (1 + ilogb(part->end_leaf - part->first_leaf));
		build->progress += n;
	}
	parallel_for((int) threads, from, to, 1, build_small, build);
	build->next_small = to;
}

bool
tree_build_step(Tree *tree, uint64_t distances)
{
	TreeBuild *build = (TreeBuild *) tree;

	if (build->nlarge > 0)
		divide_large(build, distances);
	else if (build->next_small < build->nsmall)
		finish_small(build, distances);
	return build->nlarge > 0 || build->next_small < build->nsmall;
}

uint32_t
tree_progress(const Tree *tree)
{
	return ((const TreeBuild *) tree)->progress;
}

uint64_t
tree_distance_computations(const Tree *tree)
{
	const TreeBuild *build = (const TreeBuild *) tree;
	uint64_t computed = 0;

	for (int i = 0; i < tree->params.threads; i++)
		computed += tree_worker(build, i)->computed;
	return computed;
}
