/*-------------------------------------------------------------------------
 *
 * check.h
 *	  ann_check() of a vptree index: what its two files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VPTREE_CHECK_H
#define ANN_VPTREE_CHECK_H

#include "access/check.h"
#include "access/value_list.h"
#include "vptree/vptree.h"

/* Uses of pages in VptreeCheck.use; 0: none is known */
#define USE_BUCKET 1  /* a bucket that the tree leads to */
#define USE_RETIRED 2 /* one that was retired */
#define USE_FREE 3	  /* in the chain of free pages */
#define USE_PIVOTS 4  /* of the pivot table */

/* A node above the place that is looked at */
typedef struct CheckAncestor
{
	double radius;
	uint32 dimension;
	bool left;	/* the place is on its left side */
	bool known; /* its pivot could be read */
} CheckAncestor;

/* Owners of rows and values are nodes and entries, numbered by their line pointers. */
typedef struct VptreeCheck
{
	CheckState *check;
	VptreeIndex index;	/* with the metapage as checked */
	uint32 *first_item; /* owner before that of a block's first line pointer; of nblocks + 1 */
	bool *reached;		/* by owner: nodes that the tree leads to */
	uint8 *use;			/* USE_ by block */
	CheckPage *nodes;	/* the page of nodes last read, */
	CheckPage *entries; /* and that of a bucket */

	CheckAncestor *ancestors; /* from the root on */
	ValueList *pivots;		  /* theirs, as far as known */
	uint32 ancestor_capacity;
	const void **pivot_pointers;
	float *keys;		/* distances of an entry to them */
	float *coordinates; /* of an entry, in a kd-tree */
	void *query;		/* form of an entry's value */

	uint32 nnodes; /* what was found */
	uint32 nbuckets;
	uint32 nretired;
	uint32 max_depth;
} VptreeCheck;

static inline uint32
vptree_check_owner(const VptreeCheck *state, BlockNumber block, OffsetNumber offset)
{
	return state->first_item[block] + offset;
}

/* check_tree.c */

/* Follows the tree from its root and checks all that it leads to. */
extern void vptree_check_tree(VptreeCheck *state);

/*
 * The value of an entry, which is on the page state->entries; NULL, reported, if it
 * cannot be read.  It stays valid until the next call.
 */
extern const char *vptree_check_value(VptreeCheck *state, BucketEntry entry, uint32 owner,
									  bool first_time);

/* Looks at the pages of a retired bucket, whose values are its own. */
extern void vptree_check_retired(VptreeCheck *state, BlockNumber head);

#endif /* ANN_VPTREE_CHECK_H */
