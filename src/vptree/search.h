/*-------------------------------------------------------------------------
 *
 * search.h
 *	  A best-first search of a tree: subtrees wait in the order of the bounds of
 *	  their distances, rows in the order of their keys.
 *
 * The nearest row is the next one of the scan as soon as no subtree that waits
 * can have a nearer one.  Bounds of subtrees are keys, too: no key below is less.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VPTREE_SEARCH_H
#define ANN_VPTREE_SEARCH_H

#include <math.h>

#include "vptree/vptree.h"

#include "access/scan_target.h"
#include "core/byte_difference.h"
#include "core/pool.h"

#define VPTREE_NO_ANCESTOR PG_UINT32_MAX

/* What is known of a node on the way to a subtree */
typedef struct VptreeAncestor
{
	uint32 above;	  /* the next one upwards */
	uint32 dimension; /* TREE_KD */
	union
	{
		struct
		{
			double low; /* between the two is the true distance of pivot and query */
			double high;
			float computed;
		} pivot; /* TREE_VP */
		struct
		{
			double offset; /* of the subtree's box from the query, in the dimension */
			double sum;	   /* of such offsets over all dimensions, as the norm adds them */
		} box;			   /* TREE_KD */
	} u;
} VptreeAncestor;

/*
 * Which opened node a branch is a child of, and on which side: twice its place, and 1 for the right
 * one; VPTREE_NO_ORIGIN: the branch is the root.
 */
typedef uint32 VptreeOrigin;

#define VPTREE_NO_ORIGIN PG_UINT32_MAX

static inline VptreeOrigin
vptree_origin(uint32 opened, int side)
{
	return 2 * opened + side;
}

static inline uint32
vptree_origin_opened(VptreeOrigin origin)
{
	return origin / 2;
}

static inline int
vptree_origin_side(VptreeOrigin origin)
{
	return origin % 2;
}

/*
 * A node that was opened.  By these the search finds a way back to what is left of the
 * tree where it has been changed meanwhile.
 */
typedef struct VptreeOpened
{
	VptreeChild node;
	VptreeOrigin origin;
	uint32 ancestor;  /* of the node */
	bool outdated[2]; /* what came from this side has been looked at anew */
} VptreeOpened;

/* A subtree, or a bucket of which some entries have been scored */
typedef struct VptreeBranch
{
	VptreeChild child;
	VptreeOrigin origin;
	uint32 ancestor; /* the last one */
	float scored;	 /* the entries that may have keys up to this one have been; -INFINITY: none */
} VptreeBranch;

/* A row that was found.  Those of an entry with several stand one behind the other. */
typedef struct VptreeRow
{
	ItemPointerData tid;
	uint16 more; /* so many further rows follow */
} VptreeRow;

/* Which entries of a bucket are near enough, by their distances to pivots (bounds.c) */
typedef struct VptreeFilter
{
	int n;						 /* pivots of nodes above the bucket */
	float center[TREE_MAX_PATH]; /* the query's distances to them */
	float gap;					 /* entries whose distances differ by no more are scored ... */
	float scored_gap;			 /* unless by no more than this: they have been */
	float smallest;				 /* the smallest gap left out; INFINITY: none was */
	double farthest;			 /* none of the pivots is farther from the query */
	int ncodes;					 /* bytes that are compared with the query's of the pivot table */
	const uint8 *codes;
	Size codes_offset; /* in an entry's extra bytes */
	float code_unit;   /* distance that a difference of one stands for, at least */
	int nsquares;	   /* bytes whose differences' squares are added up, where the pruner says so */
	uint32 squares;	   /* entries with no greater sum are scored, as above */
	uint32 scored_squares;
	uint32 smallest_squares; /* the smallest sum left out; TREE_ALL_SQUARES: none was */
} VptreeFilter;

/* An entry, and its value wherever it was, of a bucket that is not locked any more */
typedef struct VptreeCopy
{
	BucketEntry entry;
	const void *value;
} VptreeCopy;

#define VPTREE_SCORE_BATCH 64

typedef struct VptreeSearch
{
	VptreeIndex *index;
	const ScanTarget *target;
	const void *query; /* its query form */
	MemoryContext context;
	TreePruner pruner;
	bool stretched; /* the pruner's rule for nodes is not the triangle inequality */
	bool by_mean;	/* entries are left out by their mean difference to the pivots of the table */
	bool holds;		/* rows are held back until `ahead` of them are ready */
	float limit;	/* no key above it is within the radius */
	int max_leaves; /* buckets opened before rows are returned as they are, or VPTREE_NO_LEAF_LIMIT */
	int leaves;		/* that may still be opened */

	/* The query's distances to the pivots of the pivot table */
	uint8 codes[VPTREE_CODES_SIZE(VPTREE_MAX_NUM_PIVOT)];
	float code_unit;
	double farthest_pivot;

	/* TREE_KD */
	float *coordinates; /* of the query */
	double norm;		/* exponent of its norm, INFINITY for the largest */

	PoolEntry *queue; /* branches by their bounds: a heap */
	uint32 nqueue;
	uint32 queue_capacity;
	VptreeBranch *branches;
	uint32 nbranches;
	uint32 branch_capacity;
	VptreeAncestor *ancestors;
	uint32 nancestors;
	uint32 ancestor_capacity;
	VptreeOpened *opened;
	uint32 nopened;
	uint32 opened_capacity;
	bool looked_anew; /* at a part of the tree that had been changed */

	PoolEntry *waiting; /* rows by their keys: a heap */
	uint32 nwaiting;
	uint32 waiting_capacity;
	PoolEntry *later; /* those beyond the horizon (search.c), in no order */
	uint32 nlater;
	uint32 later_capacity;
	VptreeRow *rows;
	uint32 nrows;
	uint32 row_capacity;

	PoolEntry *nearest; /* the `ahead` smallest keys of rows, negated: a heap */
	uint32 nnearest;
	uint32 nearest_capacity;
	uint32 ahead;
	uint32 taken; /* rows handed out since they were chosen */

	ItemPointerData *seen; /* rows that were found before the search last looked anew, in order */
	uint32 nseen;
	uint32 seen_capacity;
	uint32 rows_seen; /* of rows, those that are among them */

	/* Of an entry with one row and its value in it, as most are */
	BucketEntryData usual_header;
	Size usual_size;

	const void *values[VPTREE_SCORE_BATCH]; /* to be scored */
	BucketEntry entries[VPTREE_SCORE_BATCH];
	float keys[VPTREE_SCORE_BATCH];
	int nbatch;
	char *scratch; /* for a value that is not on its page */

	/* Where no page may be locked while distances are computed: copies, else NULL */
	VptreeNode node;	  /* of the node at hand */
	MemoryContext copies; /* of the entries of a bucket that are to be scored */
	VptreeCopy *copied;
	uint32 ncopied;
	uint32 copied_capacity;

	int64 distances;
	int64 max_distances; /* no branch is opened after more */
	int64 compared;		 /* entries whose distances to pivots have been */
	int64 nodes;		 /* opened */
	int64 buckets;
	VptreeChild lost;	/* what was not there when the search last began anew at the root */
	int64 nodes_before; /* opened before the search last looked anew */
	int64 max_nodes;	/* so many nodes may be opened before a look at how many there are */
} VptreeSearch;

/* Begins a search; memory is taken from the context. */
extern void vptree_search_init(VptreeSearch *search, VptreeIndex *index, const ScanTarget *target,
							   const void *query, const TreePruner *pruner, int max_leaves,
							   MemoryContext context);

/*
 * The next of the rows that were found, with its key: entry->id is its place in
 * rows[].  False: there is none, or none before more than max_leaves buckets are
 * opened; vptree_search_is_done() tells.
 */
extern bool vptree_search_next(VptreeSearch *search, PoolEntry *entry);

static inline bool
vptree_search_is_done(const VptreeSearch *search)
{
	return search->nqueue == 0 && search->nwaiting == 0; /* then none is left for later */
}

/* Lets it open another max_leaves buckets. */
extern void vptree_search_resume(VptreeSearch *search);

/* bounds.c */
extern void vptree_init_bounds(VptreeSearch *search);
extern float vptree_key_beyond(const SpaceContext *context, double distance);

/*
 * Bounds of the keys on the two sides of a node, and what a branch on each side has as
 * its ancestor; -INFINITY: nothing is known.
 */
typedef struct VptreeSides
{
	float bound[2]; /* left, right */
	uint32 ancestor[2];
	int nearer; /* the side on which the query is, 0 or 1 */
} VptreeSides;

extern void vptree_bound_sides(VptreeSearch *search, VptreeNode node, uint32 ancestor,
							   VptreeSides *sides);
extern uint32 vptree_add_ancestor(VptreeSearch *search);

/* The filter for the entries of a bucket that may have keys up to `reach` */
extern void vptree_init_filter(const VptreeSearch *search, const VptreeBranch *branch, float reach,
							   VptreeFilter *filter);

/* No entry that the filter left out has a key below this. */
extern float vptree_filter_bound(const VptreeSearch *search, const VptreeFilter *filter);

/* How much an entry's distances to the pivots of the table differ from the query's, all together */
static inline uint32
vptree_filter_squares(const VptreeFilter *filter, const void *extra)
{
	if (filter->nsquares == 0)
		return 0;
	return byte_squares((const uint8 *) extra + filter->codes_offset, filter->codes,
						filter->nsquares);
}

/* The largest difference to a pivot of a node among those that are finite */
extern float vptree_finite_gap(const VptreeFilter *filter, const float *path);

/*
 * How much an entry's distances to pivots differ from the query's: as much as for the
 * pivot for which it is most.  A distance too large to be computed tells nothing.  Of
 * the pivot table each of two codes may be half a unit off.
 */
static inline float
vptree_filter_gap(const VptreeFilter *filter, const void *extra)
{
	const float *path = extra;
	float even = 0;
	float odd = 0;
	int i = 0;

	for (; i + 1 < filter->n; i += 2)
	{
		float first = fabsf(path[i] - filter->center[i]);
		float second = fabsf(path[i + 1] - filter->center[i + 1]);

		even = first > even ? first : even;
		odd = second > odd ? second : odd;
	}
	if (i < filter->n)
	{
		float last = fabsf(path[i] - filter->center[i]);

		even = last > even ? last : even;
	}
	even = even > odd ? even : odd;
	if (unlikely(isinf(even)))
		even = vptree_finite_gap(filter, path);
	if (filter->ncodes > 0)
	{
		const uint8 *codes = (const uint8 *) extra + filter->codes_offset;
		float coded =
			filter->code_unit * (byte_difference(codes, filter->codes, filter->ncodes) - 1);

		even = coded > even ? coded : even;
	}
	return even;
}

#endif /* ANN_VPTREE_SEARCH_H */
