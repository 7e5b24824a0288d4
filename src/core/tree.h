/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  Binary space-partitioning trees over values in memory: vantage-point and
 *	  kd-trees.
 *
 * The vantage-point tree of Uhlmann and Yianilos as NMSLIB builds it
 * (nmslib-methods 2.1): a node has a pivot, and values nearer to the pivot than
 * its radius go left, the others right.  A kd-tree node has a dimension, and
 * values whose coordinate is less than its radius go left.  Ties go to either
 * side, so that any set can be divided, also one of equal values.  Leaves are
 * buckets of about equal size.
 *
 * Items are numbers of values; a number may occur several times.  Pivots are
 * copies: the item that is one stays in a leaf.
 *
 * Differences from NMSLIB: a node cuts where its buckets come out equally full,
 * which is near the median but need not be it; so there is no balance guard; an
 * item carries its distances to the pivots above its leaf (the "path" of
 * multi-vantage-point trees, nmslib-methods 2.2), which a search may use to
 * leave it out without a distance computation.
 *
 * With the same values, parameters and seed the tree is the same, whatever the
 * number of threads.  With one thread distances() may leave a step by longjmp();
 * nothing but tree_free() may follow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_TREE_H
#define ANN_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/graph.h"

/* Stored in metapages: never renumber */
typedef enum TreePartition
{
	TREE_VP, /* by the distance to a pivot */
	TREE_KD	 /* by one coordinate */
} TreePartition;

/* Distances to pivots that an item may carry */
#define TREE_MAX_PATH 16

/* Random pivots tried for a node; the one with the most spread distances is taken */
#define TREE_PIVOT_ATTEMPTS 5

/* How far apart values are, as a tree needs it */
typedef struct TreeDistance
{
	GraphDistance keys; /* the first argument of the distance is the object, the second the query */
	bool symmetric;		/* both ways round are the same */

	/* The distance that pruning goes by, of a key; never decreases with it. */
	double (*finish)(const void *context, float key);

	/* The coordinates of a value, for TREE_KD; else NULL. */
	void (*coordinates)(const void *context, const void *value, float *coordinates);
	uint32_t dim;
} TreeDistance;

typedef struct TreeParams
{
	TreePartition partition;
	uint32_t bucket_size; /* items in a leaf, at most; at least 1 */
	double fill;		  /* leaves get about this share of bucket_size, 0.5 to 1 */
	uint32_t leaves;	  /* so many leaves, with no more than bucket_size items; 0: as fill says */
	int path_length;	  /* distances that an item keeps, 0 to TREE_MAX_PATH; 0 for TREE_KD */
	int threads;		  /* at least 1 */
	uint64_t seed;
} TreeParams;

/* A child: the number of a node, or TREE_LEAF | the number of a leaf */
#define TREE_LEAF UINT32_C(0x80000000)
#define TREE_MAX_ITEMS UINT32_C(0x7FFFFFFF)

typedef struct TreeNode
{
	uint32_t pivot; /* TREE_VP: number of a value; TREE_KD: the dimension */
	uint32_t left;
	uint32_t right;
	double radius; /* d(pivot, x) <= radius on the left, >= radius on the right (as a double of
					* finish()); TREE_KD: the same of coordinates */
} TreeNode;

typedef struct TreeLeaf
{
	uint32_t first; /* its items are items[first .. first + n - 1] */
	uint32_t n;
	int npath; /* distances each of them has: the number of nodes above, at most path_length */
} TreeLeaf;

typedef struct Tree
{
	TreeParams params;
	uint32_t root; /* a child; a tree without items has one empty leaf */
	TreeNode *nodes;
	uint32_t nnodes;
	TreeLeaf *leaves;
	uint32_t nleaves;
	uint32_t *items; /* the caller's, in the order of the leaves */
	uint32_t nitems;
	float *paths; /* path_length for each place of items[]: finish()ed distances to the pivots of
				   * the nodes above, from the nearest node upwards, rounded to float */
} Tree;

/* Upper limit of the bytes that a tree of so many items takes, beside items and values */
extern size_t tree_memory(uint32_t nitems, const TreeParams *params, const TreeDistance *distance);

/*
 * A tree over items[0 .. nitems - 1] with nothing done yet, or NULL when memory
 * is short; all memory it will ever need is taken here.  Items, values, and the
 * context of the distance must stay until tree_free(), which may be called
 * between any two steps, and with NULL.  The order of items changes.
 */
extern Tree *tree_create(uint32_t *items, uint32_t nitems, const TreeParams *params,
						 const TreeDistance *distance, const GraphValues *values);
extern void tree_free(Tree *tree);

/*
 * Does part of the remaining work, of the order of `distances` distance
 * computations, and returns true while some is left.  Call it in a loop and look
 * at interrupts between calls.  tree_progress() tells how many items have
 * reached their leaf.
 */
extern bool tree_build_step(Tree *tree, uint64_t distances);
extern uint32_t tree_progress(const Tree *tree);
extern uint64_t tree_distance_computations(const Tree *tree);

#endif /* ANN_TREE_H */
