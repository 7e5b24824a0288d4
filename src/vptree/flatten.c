/*-------------------------------------------------------------------------
 *
 * flatten.c
 *	  A subtree of a vptree index that has become too deep is built anew.
 *
 * Splits make a tree deep where rows come in an order: always the same bucket is
 * split.  So, as in a scapegoat tree, whoever has split a bucket that lies too deep
 * looks for a subtree above it that is deeper than its size allows, and rebuilds
 * the whole of that.  README, "Deep trees".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

/* Nodes above a bucket in a subtree of so many buckets, at most: so often their binary logarithm, and more */
#define DEPTH_FACTOR 2.0
#define MORE_DEPTH 4

#define FIRST_CAPACITY 64

/* What is to be looked at on the way through a subtree */
typedef struct Pending
{
	VptreeChild child;
	uint32 above; /* nodes of the subtree above it */
} Pending;

static bool
is_too_deep(uint32 depth, uint32 nbuckets)
{
	return depth > DEPTH_FACTOR * log2(Max(nbuckets, 1)) + MORE_DEPTH;
}

/* Buckets that fit maintenance_work_mem with all that is made of them */
static uint32
most_buckets(const VptreeIndex *index)
{
	const IndexSpace *space = &index->space;
	Size entry = bucket_entry_size(&index->shape, space->usual_size, 1);
	Size bucket = (Size) index->meta.bucket_size * (3 * entry + 2 * space->usual_size);

	return (uint32) Min((Size) maintenance_work_mem * 1024 / bucket, PG_INT32_MAX);
}

bool
vptree_is_flattened(VptreeIndex *index, const VptreePlace *place)
{
	Buffer buffer = recent_read(index->relation, META_BLOCK);
	VptreeChild root;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	root = ((VptreeMeta *) PageGetContents(BufferGetPage(buffer)))->rebuilding;
	UnlockReleaseBuffer(buffer);
	if (likely(root.block == InvalidBlockNumber))
		return false;
	for (uint32 i = 0; i < place->depth; i++)
	{
		if (vptree_is_same_child(&place->steps[i].node, &root))
			return true;
	}
	return false;
}

/* A node's children; an error if it is not there: nobody else changes nodes now. */
static void
read_node(VptreeIndex *index, const VptreeChild *child, VptreeChild *left, VptreeChild *right)
{
	Buffer buffer;
	VptreeNode node = vptree_lock_node(index, child, &buffer);

	if (unlikely(node == NULL))
		vptree_report_lost(index, child);
	*left = node->left;
	*right = node->right;
	UnlockReleaseBuffer(buffer);
}

/*
 * Collects the buckets and nodes of a subtree as a group; false: there are more buckets than it has
 * room for.
 */
static bool
collect(VptreeGroup *group, VptreeChild root)
{
	uint32 capacity = FIRST_CAPACITY;
	Pending *pending = palloc(capacity * sizeof(Pending));
	uint32 n = 0;

	pending[n++] = (Pending){.child = root};
	while (n > 0 && group->nbuckets < group->capacity && group->nnodes < group->capacity)
	{
		Pending next = pending[--n];

		CHECK_FOR_INTERRUPTS();
		if (vptree_child_is_bucket(&next.child))
		{
			group->buckets[group->nbuckets++] = (VptreeGroupBucket){
				.bucket = next.child, .above = next.above, .head = InvalidBuffer};
			continue;
		}
		if (n + 2 > capacity)
		{
			capacity *= 2;
			pending = repalloc(pending, capacity * sizeof(Pending));
		}
		group->nodes[group->nnodes++] = next.child;
		pending[n].above = pending[n + 1].above = next.above + 1;
		read_node(group->index, &next.child, &pending[n].child, &pending[n + 1].child);
		n += 2;
	}
	pfree(pending);
	return n == 0;
}

/* How many of the nodes on the way to a place still are on it; *below is what the last leads to. */
static uint32
find_way(VptreeIndex *index, const VptreePlace *place, VptreeChild *below)
{
	uint32 depth = 0;

	*below = index->meta.root;
	while (depth < place->depth && vptree_is_same_child(&place->steps[depth].node, below))
	{
		VptreeChild left;
		VptreeChild right;

		read_node(index, below, &left, &right);
		*below = place->steps[depth].left ? left : right;
		depth++;
	}
	return depth;
}

/*
 * Finds the lowest subtree on the way to a place that is too deep for the number of its buckets, of
 * those that are not too large.  False: there is none.
 */
static bool
find_scapegoat(VptreeIndex *index, const VptreePlace *place, VptreeGroup *group)
{
	uint32 most = Min(most_buckets(index), index->meta.buckets) + 1;
	VptreeChild below;
	uint32 depth = find_way(index, place, &below);
	uint32 nbuckets;

	vptree_group_init(group, index, place->steps, depth, below, most);
	if (!collect(group, below))
		return false;
	nbuckets = group->nbuckets;
	for (uint32 i = depth; i-- > 0;)
	{
		VptreeChild left;
		VptreeChild right;

		read_node(index, &place->steps[i].node, &left, &right);
		group->nbuckets = 0;
		group->nnodes = 0;
		if (!collect(group, place->steps[i].left ? right : left))
			return false;
		nbuckets += group->nbuckets;
		if (nbuckets >= most)
			return false;
		if (!is_too_deep(place->depth - i, nbuckets))
			continue;
		group->depth = i;
		group->root = place->steps[i].node;
		group->nbuckets = 0;
		group->nnodes = 0;
		return collect(group, group->root);
	}
	return false;
}

/* Makes inserts into a subtree wait until it has been replaced. */
static void
close_subtree(VptreeIndex *index, VptreeChild root)
{
	PageChange change;
	VptreeMeta *meta = meta_begin_change(index->relation, false, &change);

	meta->rebuilding = root;
	page_change_finish(&change);
}

static void
rebuild_group(VptreeGroup *group)
{
	VptreeIndex *index = group->index;
	VptreeRebuild *rebuild;

	close_subtree(index, group->root);
	rebuild = vptree_rebuild_copy(group);
	PAUSE_POINT("vptree flattens", 2);
	vptree_rebuild_compute(rebuild, vptree_rebuild_leaves(rebuild));
	vptree_rebuild_replace_closed(rebuild);
	vptree_rebuild_free(rebuild);
}

/*
 * Not where distances call back: the lock is held for as long as it takes.  Nobody waits for it here:
 * if somebody has it the tree gets a little deeper.  Nor after an error in the midst of the last
 * records of another one, until vacuum has cleared that up.
 */
void
vptree_flatten(VptreeIndex *index, const VptreePlace *place)
{
	MemoryContext context;
	MemoryContext old;
	VptreeGroup group;

	if (likely(!is_too_deep(place->depth, index->meta.buckets)) || vptree_calls_back(index) ||
		!vptree_try_lock_splits(index->relation, ExclusiveLock))
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "vptree flatten", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	vptree_read_meta(index);
	if (index->meta.rebuilt == 0 && find_scapegoat(index, place, &group))
		rebuild_group(&group);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	vptree_unlock_splits(index->relation, ExclusiveLock);
}
