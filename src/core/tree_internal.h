/*-------------------------------------------------------------------------
 *
 * tree_internal.h
 *	  What the files of the tree builder share; nobody else includes it but
 *	  their tests.
 *
 * The number of leaves is known before anything is divided, and leaf i gets the
 * items from n * i / leaves to n * (i + 1) / leaves.  So a part of the tree is a
 * range of leaves, which says what its items are, and its nodes are numbered in
 * the order of a walk that comes to a node before its children: parts can be
 * worked on in any order, by any thread, with the same result.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_TREE_INTERNAL_H
#define ANN_TREE_INTERNAL_H

#include "core/random.h"
#include "core/tree.h"

/* Nodes on the way to a leaf, at most: leaves are numbered with 31 bits */
#define TREE_MAX_DEPTH 32

/* A part of the tree */
typedef struct TreePart
{
	uint32_t first_leaf; /* its leaves: first_leaf .. end_leaf - 1, */
	uint32_t end_leaf;
	uint32_t first_item; /* its items: first_item .. end_item - 1 */
	uint32_t end_item;
	uint32_t node; /* and its nodes: from this one on, one fewer than leaves */
	int depth;	   /* nodes above */
} TreePart;

/* What one thread works with */
typedef struct TreeWorker
{
	void *query;		/* scratch for the query form of a value */
	float *coordinates; /* of a value; and the bounds of several */
	float *low;
	float *high;
	uint64_t computed; /* distances */
} TreeWorker;

typedef struct TreeBuild
{
	Tree tree;
	TreeDistance distance;
	GraphValues values;
	float *keys;   /* of the items: the key of pivot and item, or a coordinate */
	char *workers; /* TreeWorker and its memory, worker_stride bytes apart */
	size_t worker_stride;
	void *query; /* scratch for the query form of the pivot of a large part */

	TreePart large[TREE_MAX_DEPTH + 1]; /* parts that all threads work on together, a stack */
	int nlarge;
	const void *prepared; /* of the topmost: query form of its pivot, see tree_vp_prepare(), */
	bool chosen;		  /* whether its node has a pivot, */
	uint32_t position;	  /* and the first item without key */
	TreePart *small;	  /* parts for one thread each */
	uint32_t nsmall;
	uint32_t next_small;
	uint32_t progress;
} TreeBuild;

static inline TreeWorker *
tree_worker(const TreeBuild *build, int thread)
{
	return (TreeWorker *) (build->workers + (size_t) thread * build->worker_stride);
}

static inline const void *
tree_item_value(const TreeBuild *build, uint32_t place)
{
	return graph_value(&build->values, build->tree.items[place]);
}

/* A stream of random numbers of a node's own */
static inline void
tree_seed(const TreeBuild *build, const TreePart *part, Random *random)
{
	random_seed(random, random_hash(build->tree.params.seed) ^ part->node);
}

/* ---- tree_vp.c ---- */

/* The number of the value to be the pivot of a part's node */
extern uint32_t tree_vp_choose(TreeBuild *build, TreeWorker *worker, const TreePart *part);

/*
 * The query form of a pivot, if the keys of a part are to be computed with it:
 * where the distance is symmetric.  Otherwise NULL.
 */
extern const void *tree_vp_prepare(const TreeBuild *build, uint32_t pivot, void *scratch);

/* Computes the keys of the items from `from` to `to` as seen from the pivot. */
extern void tree_vp_keys(TreeBuild *build, TreeWorker *worker, uint32_t pivot, const void *prepared,
						 uint32_t from, uint32_t to);

/* ---- tree_kd.c ---- */

/* The dimension in which the items of a part lie farthest apart */
extern uint32_t tree_kd_choose(TreeBuild *build, TreeWorker *worker, const TreePart *part);

/* Takes one coordinate of the items as their keys. */
extern void tree_kd_keys(TreeBuild *build, TreeWorker *worker, uint32_t dimension, uint32_t from,
						 uint32_t to);

/* ---- tree_cut.c ---- */

/* Whether distances to the pivot of a part's node are kept with its items */
extern bool tree_keeps_path(const TreeBuild *build, const TreePart *part);

/*
 * Puts the distances that the keys of items from `from` to `to` stand for in front
 * of their paths.
 */
extern void tree_extend_paths(TreeBuild *build, uint32_t from, uint32_t to);

/*
 * Orders the items of a part such that no key among those of its left half is
 * greater than one of its right half, sets its node, and returns the halves.
 */
extern void tree_cut(TreeBuild *build, const TreePart *part, TreePart *left, TreePart *right);

#endif /* ANN_TREE_INTERNAL_H */
