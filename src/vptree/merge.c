/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Buckets of a vptree index in which much room is free become fewer.
 *
 * Vacuum does this, after rows have gone: else an index in which rows come and go
 * would have more and more buckets, with less and less in them.  README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "commands/vacuum.h"
#include "utils/memutils.h"

#include "access/compat.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

/* A subtree is rebuilt if that takes no more than this share of its pages */
#define WORTHWHILE_SHARE 0.88

#define FIRST_CAPACITY 64

/* What is known of one side of a node: how many buckets, or that they are too many for a group */
typedef struct Side
{
	VptreeChild child;
	uint32 buckets;
} Side;

/* A node on the way from the root to the place that is looked at */
typedef struct MergeNode
{
	Side sides[2]; /* left and right */
	int next;	   /* which of them is to be looked at; 2: both have been */
} MergeNode;

typedef struct Merge
{
	VptreeIndex *index;
	MemoryContext context; /* reset for each subtree */
	MergeNode *nodes;	   /* from the root on */
	VptreeStep *steps;	   /* the same nodes */
	uint32 depth;		   /* how many there are */
	uint32 capacity;
	uint32 entered; /* nodes so far */
	uint32 most;	/* that there can be */
	uint32 limit;	/* buckets in a group */
} Merge;

/* Goes down to a node.  The tree does not change meanwhile but by this. */
static void
enter_node(Merge *merge, VptreeChild child)
{
	VptreeIndex *index = merge->index;
	MergeNode *entered;
	VptreeNode node;
	Buffer buffer;

	if (unlikely(++merge->entered > merge->most))
		vptree_report_circle(index);
	if (merge->depth == merge->capacity)
	{
		merge->capacity *= 2;
		merge->nodes = repalloc_huge(merge->nodes, merge->capacity * sizeof(MergeNode));
		merge->steps = repalloc_huge(merge->steps, merge->capacity * sizeof(VptreeStep));
	}
	node = vptree_lock_node(index, &child, &buffer);
	if (unlikely(node == NULL))
		vptree_report_lost(index, &child);
	entered = &merge->nodes[merge->depth];
	entered->sides[0] = (Side){.child = node->left};
	entered->sides[1] = (Side){.child = node->right};
	entered->next = 0;
	UnlockReleaseBuffer(buffer);
	merge->steps[merge->depth++].node = child;
}

/* How many leaves a group is to have; 0: it is not worthwhile to rebuild it. */
static uint32
choose_leaves(const VptreeGroup *group)
{
	const VptreeMeta *meta = &group->index->meta;
	uint32 nleaves = (uint32) ceil(group->nentries / (VPTREE_BUILD_FILL * meta->bucket_size));
	uint32 pages = 0;

	nleaves = Max(nleaves, 1);
	for (uint32 i = 0; i < group->nbuckets; i++)
		pages += group->buckets[i].pages;
	/* no distance may be computed here, nor is known how many pages values of any size take */
	if (vptree_calls_back(group->index))
		return nleaves == 1 && group->nbuckets > 1 ? 1 : 0;
	if (nleaves > group->nbuckets ||
		vptree_pages_of(group->index, group->nentries, nleaves) > WORTHWHILE_SHARE * pages)
		return 0;
	return nleaves;
}

/*
 * Rebuilds a subtree below the last of so many nodes, if that is worthwhile; side->buckets is how
 * many it has then.
 */
static void
merge_side(Merge *merge, Side *side, uint32 depth)
{
	VptreeIndex *index = merge->index;
	MemoryContext old = MemoryContextSwitchTo(merge->context);
	VptreeGroup group;
	uint32 nleaves;

	vptree_group_init(&group, index, merge->steps, depth, side->child, VPTREE_MAX_GROUP);
	if (unlikely(!vptree_group_add(&group, side->child, 0) || !vptree_group_lock(&group, 0, true)))
		vptree_report_lost(index, &side->child);
	nleaves = choose_leaves(&group);
	if (nleaves > 0)
	{
		vptree_rebuild(&group, nleaves);
		vptree_trim_resting(index);
		side->buckets = nleaves;
	}
	else
		vptree_group_unlock(&group, 0);
	MemoryContextSwitchTo(old);
	MemoryContextReset(merge->context);
}

/*
 * Both sides of the last node have been looked at: goes back to the one above it.  Where
 * there are too many buckets for a group below it, each side is the whole of one, if it is
 * small enough.  If few are left then they may be part of a larger one.
 */
static void
leave_node(Merge *merge)
{
	MergeNode *node = &merge->nodes[merge->depth - 1];
	bool too_many = node->sides[0].buckets + node->sides[1].buckets > merge->limit;
	uint32 buckets;

	for (int i = 0; i < 2 && too_many; i++)
	{
		merge->steps[merge->depth - 1].left = i == 0;
		if (node->sides[i].buckets <= merge->limit)
			merge_side(merge, &node->sides[i], merge->depth);
	}
	buckets = node->sides[0].buckets + node->sides[1].buckets;
	merge->depth--;
	if (merge->depth > 0)
	{
		MergeNode *parent = node - 1;

		parent->sides[parent->next - 1].buckets = buckets;
	}
	else if (buckets <= merge->limit)
		merge_side(merge, &(Side){.child = merge->steps[0].node}, 0);
}

void
vptree_merge_buckets(VptreeIndex *index)
{
	Merge merge = {.index = index, .capacity = FIRST_CAPACITY};

	vptree_read_meta(index);
	if (index->meta.root.block == InvalidBlockNumber)
		return;
	merge.context =
		AllocSetContextCreate(CurrentMemoryContext, "vptree merge", ALLOCSET_DEFAULT_SIZES);
	merge.limit = vptree_group_limit(index);
	merge.most = index->meta.nodes;
	merge.nodes = palloc(merge.capacity * sizeof(MergeNode));
	merge.steps = palloc(merge.capacity * sizeof(VptreeStep));
	if (vptree_child_is_bucket(&index->meta.root))
		merge_side(&merge, &(Side){.child = index->meta.root}, 0);
	else
		enter_node(&merge, index->meta.root);
	while (merge.depth > 0)
	{
		MergeNode *node = &merge.nodes[merge.depth - 1];

		vacuum_delay_point_compat();
		if (node->next == 2)
			leave_node(&merge);
		else
		{
			Side *side = &node->sides[node->next++];

			merge.steps[merge.depth - 1].left = node->next == 1;
			side->buckets = 1;
			if (!vptree_child_is_bucket(&side->child))
				enter_node(&merge, side->child);
		}
	}
	MemoryContextDelete(merge.context);
	pfree(merge.nodes);
	pfree(merge.steps);
}
