/*-------------------------------------------------------------------------
 *
 * tree_cut.c
 *	  Divides the items of a node in two where its leaves come out equally full.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_internal.h"

#include <assert.h>
#include <string.h>

/*
 * A leaf k levels below a node with L leaves has k >= floor(log2 L), as leaves
 * are halved each time; so the distances to the node's pivot are in no path if
 * that is more than path_length.
 */
bool
tree_keeps_path(const TreeBuild *build, const TreePart *part)
{
	uint32_t leaves = part->end_leaf - part->first_leaf;

	return build->tree.params.path_length > 0 && leaves >> build->tree.params.path_length < 2;
}

void
tree_extend_paths(TreeBuild *build, uint32_t from, uint32_t to)
{
	size_t length = (size_t) build->tree.params.path_length;
	const TreeDistance *distance = &build->distance;

	for (uint32_t i = from; i < to; i++)
	{
		float *path = build->tree.paths + i * length;

		for (size_t j = length - 1; j > 0; j--)
			path[j] = path[j - 1];
		path[0] = (float) distance->finish(distance->keys.context, build->keys[i]);
	}
}

/* Exchanges the items of two places, with their keys and, if the row is not empty, their paths. */
static inline void
swap_items(const TreeBuild *build, uint32_t a, uint32_t b, size_t row)
{
	uint32_t item = build->tree.items[a];
	float key = build->keys[a];
	float path[TREE_MAX_PATH];

	build->tree.items[a] = build->tree.items[b];
	build->tree.items[b] = item;
	build->keys[a] = build->keys[b];
	build->keys[b] = key;
	if (row > 0)
	{
		memcpy(path, build->tree.paths + a * row, row * sizeof(float));
		memcpy(build->tree.paths + a * row, build->tree.paths + b * row, row * sizeof(float));
		memcpy(build->tree.paths + b * row, path, row * sizeof(float));
	}
}

static float
median_of_three(float a, float b, float c)
{
	if (a > b)
	{
		float swapped = a;

		a = b;
		b = swapped;
	}
	return c < a ? a : c > b ? b : c;
}

/*
 * Hoare's selection: no key before `cut` is greater than one from there on.
 * Equal keys are exchanged, too, so that many of them are no worse than none.
 */
static void
select_items(const TreeBuild *build, const TreePart *part, uint32_t cut)
{
	size_t row = tree_keeps_path(build, part) ? (size_t) build->tree.params.path_length : 0;
	const float *keys = build->keys;
	uint32_t low = part->first_item;
	uint32_t high = part->end_item - 1;
	Random random;

	tree_seed(build, part, &random);
	while (low < high)
	{
		uint64_t n = (uint64_t) high - low + 1;
		float middle = median_of_three(keys[low + random_below(&random, n)],
									   keys[low + random_below(&random, n)],
									   keys[low + random_below(&random, n)]);
		int64_t i = low;
		int64_t j = high;

		while (i <= j)
		{
			while (keys[i] < middle)
				i++;
			while (keys[j] > middle)
				j--;
			if (i <= j)
				swap_items(build, (uint32_t) i++, (uint32_t) j--, row);
		}
		if (cut <= j)
			high = (uint32_t) j;
		else if (cut >= i)
			low = (uint32_t) i;
		else
			break;
	}
}

/* A number from the greatest distance (or coordinate) on the left to the least on the right */
static double
find_radius(const TreeBuild *build, const TreePart *left, const TreePart *right)
{
	const TreeDistance *distance = &build->distance;
	float nearer = build->keys[left->first_item];
	float farther = build->keys[right->first_item];
	double low;
	double high;
	double radius;

	for (uint32_t i = left->first_item; i < left->end_item; i++)
		nearer = build->keys[i] > nearer ? build->keys[i] : nearer;
	for (uint32_t i = right->first_item; i < right->end_item; i++)
		farther = build->keys[i] < farther ? build->keys[i] : farther;
	assert(nearer <= farther);
	low = nearer;
	high = farther;
	if (build->tree.params.partition == TREE_VP)
	{
		low = distance->finish(distance->keys.context, nearer);
		high = distance->finish(distance->keys.context, farther);
	}
	if (!(low < high))
		return low;
	radius = low + (high - low) / 2;
	return radius < high ? radius : high;
}

static uint32_t
child_of(const TreePart *part)
{
	bool leaf = part->end_leaf - part->first_leaf == 1;

	return leaf ? TREE_LEAF | part->first_leaf : part->node;
}

void
tree_cut(TreeBuild *build, const TreePart *part, TreePart *left, TreePart *right)
{
	TreeNode *node = &build->tree.nodes[part->node];
	uint64_t nitems = build->tree.nitems;

	*left = *right = *part;
	left->depth = right->depth = part->depth + 1;
	left->end_leaf = part->first_leaf + (part->end_leaf - part->first_leaf) / 2;
	left->end_item = (uint32_t) (nitems * left->end_leaf / build->tree.nleaves);
	left->node = part->node + 1;
	right->first_leaf = left->end_leaf;
	right->first_item = left->end_item;
	right->node = part->node + left->end_leaf - left->first_leaf;

	select_items(build, part, right->first_item);
	node->radius = find_radius(build, left, right);
	node->left = child_of(left);
	node->right = child_of(right);
}
