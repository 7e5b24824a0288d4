/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Two buckets of a vptree index that have become nearly empty become one.
 *
 * Vacuum does this, after rows have gone: else an index in which rows come and go
 * would have more and more buckets, with less and less in them.  It is a split
 * the other way round: the entries are copied to a new bucket, which takes the
 * place of the node above the two.  README, "Vacuum".
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

/* Two buckets become one if that is at most half full */
#define MERGED_FILL 0.5

#define FIRST_CAPACITY 64

/*
 * Retired buckets that wait to be given back, so that the index does not grow by much.
 * The last ones wait for the next vacuum: scans that are on their way to them need not
 * begin anew.
 */
#define MAX_RETIRED 64

/* A node on the way from the root to the place that is looked at */
typedef struct MergeNode
{
	VptreeChild node;
	VptreeChild children[2]; /* left and right */
	int next;				 /* which of them is to be looked at; 2: both have been */
} MergeNode;

typedef struct Merge
{
	VptreeIndex *index;
	MemoryContext context; /* reset for each two buckets */
	MergeNode *nodes;	   /* from the root on */
	uint32 depth;		   /* how many there are */
	uint32 capacity;
	char *pivots; /* theirs, stride bytes apart */
	Size stride;
	uint32 entered; /* nodes so far */
	char *scratch;
	void *query;
	BlockNumber retired[MAX_RETIRED];
	uint32 nretired;
} Merge;

/* Goes down to a node. */
static void
enter_node(Merge *merge, VptreeChild child)
{
	VptreeIndex *index = merge->index;
	MergeNode *entered;
	VptreeNode node;
	Buffer buffer;

	if (unlikely(++merge->entered > index->meta.nodes))
		vptree_report_circle(index);
	if (merge->depth == merge->capacity)
	{
		merge->capacity *= 2;
		merge->nodes = repalloc_huge(merge->nodes, merge->capacity * sizeof(MergeNode));
		merge->pivots = repalloc_huge(merge->pivots, merge->capacity * merge->stride);
	}
	entered = &merge->nodes[merge->depth];
	entered->node = child;
	entered->next = 0;
	node = vptree_lock_node(index, &child, &buffer);
	entered->children[0] = node->left;
	entered->children[1] = node->right;
	if (index->meta.path_length > 0 && !vptree_calls_back(index))
		memcpy(merge->pivots + merge->depth * merge->stride,
			   vptree_node_pivot(index, node, merge->scratch), index->space.encoded_size);
	UnlockReleaseBuffer(buffer);
	merge->depth++;
}

/* Locks a bucket of the tree. */
static Buffer
lock_bucket(Merge *merge, const VptreeChild *bucket, int lockmode)
{
	Buffer buffer;

	if (!bucket_lock_head(merge->index->relation, bucket->block, bucket->number, lockmode, &buffer))
		vptree_report_lost_bucket(merge->index, bucket);
	return buffer;
}

/* How many entries has a bucket, about? */
static uint32
count_entries(Merge *merge, const VptreeChild *bucket)
{
	Buffer buffer = lock_bucket(merge, bucket, BUFFER_LOCK_SHARE);
	uint32 n = 0;
	bool more;

	do
	{
		Page page = BufferGetPage(buffer);
		Buffer next;

		for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page);
			 offset++)
			n += ItemIdIsUsed(PageGetItemId(page, offset));
		more = bucket_lock_next(merge->index->relation, buffer, BUFFER_LOCK_SHARE, &next);
		UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
	return n;
}

/*
 * An entry as it is without the last node: its distance to that goes, and the one to a
 * node farther up comes, if there is one.  Infinity stands for one that cannot be computed
 * here, where buckets are locked: it tells nothing.
 */
static BucketEntry
make_entry(Merge *merge, BucketEntry entry, Size *size)
{
	VptreeIndex *index = merge->index;
	int path_length = index->meta.path_length;
	uint32 above = merge->depth - 1; /* nodes above the new bucket */
	union
	{
		float path[TREE_MAX_PATH];
		char bytes[VPTREE_MAX_EXTRA];
	} extra = {0};
	const void *value = bucket_read_value(index->relation, &index->shape, entry, merge->scratch);

	if (path_length > 0)
		memcpy(extra.path, (float *) bucket_entry_extra(entry) + 1,
			   (path_length - 1) * sizeof(float));
	if (path_length > 0 && above >= (uint32) path_length && vptree_calls_back(index))
		extra.path[path_length - 1] = INFINITY;
	else if (path_length > 0 && above >= (uint32) path_length)
	{
		const void *query = space_prepare_query(&index->space.context, value, merge->query);

		extra.path[path_length - 1] = (float) vptree_pivot_distance(
			index, merge->pivots + (above - path_length) * merge->stride, query);
	}
	memcpy(vptree_extra_codes(&index->meta, extra.bytes),
		   vptree_extra_codes(&index->meta, bucket_entry_extra(entry)),
		   VPTREE_CODES_SIZE(index->meta.num_pivot));
	return bucket_make_entry(index->relation, &index->shape, VPTREE_FREE_PAGES, false, extra.bytes,
							 value, entry->value_size, bucket_entry_tids(&index->shape, entry),
							 entry->ntids, size);
}

/* Writes a bucket of the entries; nothing points to it yet. */
static VptreeChild
write_bucket(Merge *merge, const BucketCopy *copy)
{
	VptreeChild child = {.offset = InvalidOffsetNumber};
	BucketEntry *entries = palloc((copy->n + 1) * sizeof(BucketEntry));
	Size *sizes = palloc((copy->n + 1) * sizeof(Size));

	for (uint32 i = 0; i < copy->n; i++)
		entries[i] = make_entry(merge, copy->entries[i], &sizes[i]);
	child.block = bucket_write(merge->index->relation, VPTREE_FREE_PAGES, false, entries, sizes,
							   copy->n, 1.0, &child.number);
	return child;
}

/* Where the pointer to the last node is: in a copy of the page of the node above it, or of the metapage */
static VptreeChild *
find_pointer(Merge *merge, VptreeMeta *meta, Page parent_page)
{
	const MergeNode *parent;
	VptreeNode node;

	if (parent_page == NULL)
		return &meta->root;
	parent = &merge->nodes[merge->depth - 2];
	node = vptree_page_node(merge->index, parent_page, &parent->node);
	return parent->next == 1 ? &node->left : &node->right;
}

/*
 * Puts the new bucket in the place of the last node, in one record; releases the heads of
 * its two buckets.
 */
static void
switch_pointer(Merge *merge, Buffer left, Buffer right, VptreeChild bucket)
{
	VptreeIndex *index = merge->index;
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	Buffer parent = InvalidBuffer;
	Page parent_page = NULL;
	Page page;
	PageChange change;
	VptreeMeta *meta;

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	if (merge->depth > 1)
	{
		parent = recent_read(index->relation, merge->nodes[merge->depth - 2].node.block);
		LockBuffer(parent, BUFFER_LOCK_EXCLUSIVE);
	}
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, left, false);
	PageGetSpecial(page)->flags |= PAGE_RETIRED;
	page = page_change_page(&change, right, false);
	PageGetSpecial(page)->flags |= PAGE_RETIRED;
	meta = (VptreeMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	if (BufferIsValid(parent))
		parent_page = page_change_page(&change, parent, false);
	*find_pointer(merge, meta, parent_page) = bucket;
	meta->nodes--;
	meta->buckets--;
	meta->retired += 2;
	page_change_finish(&change);
}

/* Notes in the last node that the tree no longer leads to it. */
static void
mark_dead(Merge *merge)
{
	VptreeIndex *index = merge->index;
	const VptreeChild *child = &merge->nodes[merge->depth - 1].node;
	Buffer buffer = recent_read(index->relation, child->block);
	PageChange change;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	vptree_page_node(index, page_change_page(&change, buffer, false), child)->flags |=
		VPTREE_NODE_DEAD;
	page_change_finish(&change);
}

/* Gives the retired buckets back. */
static void
free_retired(Merge *merge)
{
	VptreeIndex *index = merge->index;

	for (uint32 i = 0; i < merge->nretired; i++)
		bucket_free(index->relation, &index->shape, VPTREE_FREE_PAGES, merge->retired[i]);
	vptree_forget_retired(index, merge->nretired);
	merge->nretired = 0;
}

/*
 * Makes one bucket of the two below the last node if they have few entries, in the
 * place of the node.  Sets *bucket to it; false: they stay.
 */
static bool
merge_two(Merge *merge, const MergeNode *node, VptreeChild *bucket)
{
	VptreeIndex *index = merge->index;
	uint32 most = (uint32) (MERGED_FILL * index->meta.bucket_size);
	BucketCopy copy = {0};
	Buffer left;
	Buffer right;

	if (count_entries(merge, &node->children[0]) + count_entries(merge, &node->children[1]) > most)
		return false;
	if (unlikely(node->children[0].block == node->children[1].block))
		vptree_report_lost_bucket(index, &node->children[1]);
	left = lock_bucket(merge, &node->children[0], BUFFER_LOCK_EXCLUSIVE);
	right = lock_bucket(merge, &node->children[1], BUFFER_LOCK_EXCLUSIVE);
	bucket_copy(index->relation, &index->shape, left, &copy);
	bucket_copy(index->relation, &index->shape, right, &copy);
	if (copy.n > most) /* rows have come since */
	{
		UnlockReleaseBuffer(right);
		UnlockReleaseBuffer(left);
		return false;
	}
	*bucket = write_bucket(merge, &copy);
	switch_pointer(merge, left, right, *bucket);
	mark_dead(merge);
	merge->retired[merge->nretired++] = node->children[0].block;
	merge->retired[merge->nretired++] = node->children[1].block;
	if (merge->nretired == MAX_RETIRED)
		free_retired(merge);
	return true;
}

/*
 * Both sides of the last node have been looked at: goes back to the one above it, with
 * what is there in its place.
 */
static void
leave_node(Merge *merge)
{
	MergeNode *node = &merge->nodes[merge->depth - 1];
	MemoryContext old = MemoryContextSwitchTo(merge->context);
	VptreeChild bucket;

	if (vptree_child_is_bucket(&node->children[0]) && vptree_child_is_bucket(&node->children[1]) &&
		merge_two(merge, node, &bucket) && merge->depth > 1)
	{
		MergeNode *parent = node - 1;

		parent->children[parent->next - 1] = bucket;
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(merge->context);
	merge->depth--;
}

/* The tree does not change meanwhile but by this. */
void
vptree_merge_buckets(VptreeIndex *index)
{
	Merge merge = {.index = index, .capacity = FIRST_CAPACITY};

	vptree_read_meta(index);
	if (index->meta.root.block == InvalidBlockNumber || vptree_child_is_bucket(&index->meta.root))
		return;
	merge.context =
		AllocSetContextCreate(CurrentMemoryContext, "vptree merge", ALLOCSET_DEFAULT_SIZES);
	if (!vptree_calls_back(index))
		merge.stride = TYPEALIGN(64, index->space.encoded_size);
	merge.nodes = palloc(merge.capacity * sizeof(MergeNode));
	merge.pivots = palloc(merge.capacity * merge.stride);
	merge.scratch = palloc(index->space.encoded_size);
	merge.query = palloc(index->space.query_size + 1);
	enter_node(&merge, index->meta.root);
	while (merge.depth > 0)
	{
		MergeNode *node = &merge.nodes[merge.depth - 1];

		vacuum_delay_point_compat();
		if (node->next == 2)
			leave_node(&merge);
		else if (vptree_child_is_bucket(&node->children[node->next++]))
			continue;
		else
			enter_node(&merge, node->children[node->next - 1]);
	}
	MemoryContextDelete(merge.context);
	pfree(merge.nodes);
	pfree(merge.pivots);
	pfree(merge.scratch);
	pfree(merge.query);
}
