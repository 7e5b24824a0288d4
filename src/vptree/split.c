/*-------------------------------------------------------------------------
 *
 * split.c
 *	  Makes room where a bucket of a vptree index is full.
 *
 * Neighbouring buckets are looked at: if there is room enough in a small subtree, its
 * entries are spread evenly over as many buckets as it has; if there is none
 * they get one more.  So buckets are fuller than if each were halved for itself.
 * README, "Full buckets".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "access/pause.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

/*
 * Buckets that are looked at together, at most; how full they may be to be spread over as many
 * again; and how full they are to be else.  The larger each is, the smaller the index, but the
 * more entries are copied for a row.
 */
typedef struct SplitPolicy
{
	uint32 group;
	double spread_fill;
	double split_fill;
} SplitPolicy;

static const SplitPolicy usual = {3, 0.75, 0.8};

/* Where rows come as others go: there are dead rows, or there have been more buckets */
static const SplitPolicy frugal = {6, 0.85, 0.88};

/*
 * Dead rows are looked for as long as an index has not grown by more than this since it
 * was built or vacuumed.  One that grows further is being filled.
 */
#define SETTLED_GROWTH 1.3

/* How often the entries of a bucket that others add to are copied anew */
#define MAX_TRIES 3

static bool
is_settled(const VptreeMeta *meta)
{
	return meta->buckets <= SETTLED_GROWTH * meta->settled;
}

/* Buckets of several pages leave none of these empty that they need not. */
static const SplitPolicy *
choose_policy(const VptreeIndex *index)
{
	const VptreeMeta *meta = &index->meta;

	if (is_settled(meta) && (meta->met_dead != 0 || meta->buckets < meta->most_buckets) &&
		vptree_pages_of(index, meta->bucket_size, 1) == 1)
		return &frugal;
	return &usual;
}

/*
 * Extends a group by the other side of the node above it.  False, with the group as it was, if it
 * becomes too large, or if somebody else is at work there: nobody waits for a bucket
 * with another one locked.
 */
static bool
extend_group(VptreeGroup *group, uint32 limit)
{
	VptreeGroup before = *group;
	const VptreeStep *step;
	VptreeNode node;
	VptreeChild sibling;
	Buffer buffer;

	if (group->depth == 0 || group->nbuckets == limit)
		return false;
	step = &group->steps[group->depth - 1];
	node = vptree_lock_node(group->index, &step->node, &buffer);
	if (unlikely(node == NULL))
		vptree_report_lost(group->index, &step->node);
	sibling = step->left ? node->right : node->left;
	UnlockReleaseBuffer(buffer);
	for (uint32 i = 0; i < group->nbuckets; i++)
		group->buckets[i].above++;
	group->root = step->node;
	group->depth--;
	group->nodes[group->nnodes++] = step->node;
	if (vptree_group_add(group, sibling, 1) && group->nbuckets <= limit &&
		vptree_group_lock(group, before.nbuckets, false))
		return true;
	*group = before;
	for (uint32 i = 0; i < group->nbuckets; i++)
		group->buckets[i].above--;
	return false;
}

/* The leaves that so many entries get */
static uint32
leaves_of(const VptreeMeta *meta, const SplitPolicy *policy, uint32 nentries)
{
	return (uint32) ceil(nentries / (policy->split_fill * meta->bucket_size));
}

/* Extends a group until it has room; returns how many leaves it is to have. */
static uint32
choose_leaves(VptreeGroup *group, bool *has_room)
{
	const VptreeMeta *meta = &group->index->meta;
	const SplitPolicy *policy = choose_policy(group->index);
	uint32 limit = vptree_group_limit(group->index) < VPTREE_MAX_GROUP ? 1 : policy->group;
	uint32 wanted;

	*has_room = false;
	while (!*has_room && extend_group(group, limit))
		*has_room = group->nentries <= policy->spread_fill * meta->bucket_size * group->nbuckets;
	wanted = leaves_of(meta, policy, group->nentries);
	return *has_room ? Min(wanted, group->nbuckets) : Max(wanted, group->nbuckets + 1);
}

/* Begins a group with the bucket of a place and locks that; false: it has gone, or is not full. */
static bool
begin_group(VptreeIndex *index, const VptreePlace *place, VptreeGroup *group)
{
	vptree_group_init(group, index, place->steps, place->depth, place->bucket, VPTREE_MAX_GROUP);
	group->buckets[group->nbuckets++] = (VptreeGroupBucket){.bucket = place->bucket};
	if (!vptree_group_lock(group, 0, true))
		return false;
	if (group->nentries >= index->meta.bucket_size)
		return true;
	vptree_group_unlock(group, 0);
	return false;
}

/*
 * Makes room where a bucket is, if it is still full.  Where nothing but one bucket more will do
 * and `patient` is true it is left as it is, false is returned, and *group has the buckets, unlocked.
 */
static bool
make_room_in_group(VptreeIndex *index, const VptreePlace *place, bool patient, VptreeGroup *group)
{
	uint32 nleaves;
	bool has_room;

	if (!begin_group(index, place, group))
		return true;
	nleaves = choose_leaves(group, &has_room);
	if (!has_room && patient)
	{
		vptree_group_unlock(group, 0);
		return false;
	}
	vptree_rebuild(group, nleaves);
	vptree_trim_resting(index);
	return true;
}

/* Takes VPTREE_SPLIT_LOCK, unless vacuum has it. */
static bool
try_split_lock(VptreeIndex *index)
{
	return vptree_try_lock_splits(index->relation, ShareLock);
}

static void
release_split_lock(VptreeIndex *index)
{
	vptree_unlock_splits(index->relation, ShareLock);
}

/*
 * Where distances call back: the tree is computed of copies while nothing is locked, and takes
 * the place of the bucket if that has not changed meanwhile.  Begins and ends with
 * VPTREE_SPLIT_LOCK, unless *locked is false.  False: there is still no room.
 */
static bool
split_unlocked(VptreeIndex *index, const VptreePlace *place, bool *locked)
{
	VptreeRebuild *rebuild;
	VptreeGroup group;
	bool done = true;

	if (!begin_group(index, place, &group))
		return true;
	rebuild = vptree_rebuild_copy(&group);
	vptree_group_unlock(&group, 0);
	release_split_lock(index);
	vptree_rebuild_compute(rebuild, Max(leaves_of(&index->meta, &usual, group.nentries), 2));
	PAUSE_POINT("vptree computed split", 0);
	*locked = try_split_lock(index);
	if (!*locked)
		done = false;
	else if (vptree_group_lock(&group, 0, true))
	{
		done = vptree_rebuild_is_current(rebuild);
		if (done)
			vptree_rebuild_replace(rebuild);
		else
			vptree_group_unlock(&group, 0);
	}
	vptree_rebuild_free(rebuild);
	return done;
}

/* Splits a full bucket for itself where distances call back. */
static bool
make_room_unlocked(VptreeIndex *index, const VptreePlace *place, bool *locked)
{
	for (int tries = 0; tries < MAX_TRIES && *locked; tries++)
	{
		if (split_unlocked(index, place, locked))
		{
			vptree_trim_resting(index);
			return true;
		}
	}
	return false;
}

/* Makes room in the buckets beside a full one, too. */
static void
make_room_around(VptreeIndex *index, Relation heap, const VptreePlace *place, bool settled)
{
	VptreeGroup group;

	if (make_room_in_group(index, place, settled, &group))
		return;
	for (uint32 i = 1; i < group.nbuckets; i++)
		vptree_remove_dead(index, heap, &group.buckets[i].bucket);
	(void) make_room_in_group(index, place, false, &group);
}

bool
vptree_make_room(VptreeIndex *index, Relation heap, const VptreePlace *place)
{
	bool settled = is_settled(&index->meta);
	bool done = true;
	bool locked = try_split_lock(index);

	if (!locked)
		return false;
	PAUSE_POINT("vptree splits", 0);
	if (settled)
		vptree_remove_dead(index, heap, &place->bucket);
	if (vptree_calls_back(index))
		done = make_room_unlocked(index, place, &locked);
	else
		make_room_around(index, heap, place, settled);
	if (locked)
		release_split_lock(index);
	if (done)
		vptree_flatten(index, place);
	return done;
}
