/*-------------------------------------------------------------------------
 *
 * split.c
 *	  An overfull bucket of a vptree index becomes a small tree.
 *
 * The entries are copied: nothing that a scan may be looking at is changed but
 * the pointer to the bucket.  README, "Splitting a bucket".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

#define CACHE_LINE 64

/* Distance computations between two looks at nothing: the bucket is locked all the time */
#define ALL_DISTANCES UINT64_MAX

typedef struct Split
{
	VptreeIndex *index;
	const VptreePlace *place;
	Buffer head; /* of the old bucket, locked exclusively */
	Tree *tree;

	/* copies of its entries, and their values */
	BucketCopy copy;
	char *values;
	GraphValues graph_values;
	uint32 *items;
} Split;

/* Lays the values out as the tree wants them. */
static void
gather_values(Split *split)
{
	VptreeIndex *index = split->index;
	Size stride = TYPEALIGN(CACHE_LINE, index->space.encoded_size);

	split->values = palloc_extended(split->copy.n * stride + CACHE_LINE, MCXT_ALLOC_HUGE);
	split->values = (char *) TYPEALIGN(CACHE_LINE, split->values);
	split->items = palloc_extended(split->copy.n * sizeof(uint32), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < split->copy.n; i++)
	{
		char *to = split->values + i * stride;
		const void *value =
			bucket_read_value(index->relation, &index->shape, split->copy.entries[i], to);

		if (value != to)
			memcpy(to, value, index->space.encoded_size);
		split->items[i] = i;
	}
	split->graph_values.chunks = &split->values;
	split->graph_values.chunk_shift = 31;
	split->graph_values.stride = stride;
	split->graph_values.value_size = index->space.encoded_size;
}

static void
release_tree(void *arg)
{
	Split *split = (Split *) arg;

	tree_free(split->tree);
	split->tree = NULL;
}

static void
build_tree(Split *split)
{
	const VptreeMeta *meta = &split->index->meta;
	TreeParams params = {.partition = (TreePartition) meta->partition,
						 .bucket_size = meta->bucket_size,
						 .fill = VPTREE_BUILD_FILL,
						 .path_length = meta->path_length,
						 .threads = 1};
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	params.seed = meta->seed + split->place->bucket.block;
	callback->func = release_tree;
	callback->arg = split;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	split->tree = tree_create(split->items, split->copy.n, &params, &split->index->distance,
							  &split->graph_values);
	if (split->tree == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	while (tree_build_step(split->tree, ALL_DISTANCES))
		;
}

/* VptreeEntries.tids */
static int
tids_of_entry(void *arg, uint32 place, ItemPointerData *tids)
{
	const Split *split = (const Split *) arg;
	BucketEntry entry = split->copy.entries[split->tree->items[place]];

	memcpy(tids, bucket_entry_tids(&split->index->shape, entry),
		   entry->ntids * sizeof(ItemPointerData));
	return entry->ntids;
}

/* VptreeEntries.above */
static const float *
path_of_entry(void *arg, uint32 place)
{
	const Split *split = (const Split *) arg;

	return bucket_entry_extra(split->copy.entries[split->tree->items[place]]);
}

/* Writes the tree; nothing points to it yet. */
static VptreeSubtree
write_tree(Split *split)
{
	VptreeEntries entries = {.values = &split->graph_values,
							 .arg = split,
							 .tids = tids_of_entry,
							 .above = path_of_entry};

	entries.nabove = Min(split->place->depth, split->index->meta.path_length);
	return vptree_write_tree(split->index, split->tree, &entries);
}

/* The pointer to the old bucket in a copy of the page that it is on; an error if it is not there */
static VptreeChild *
find_pointer(Split *split, VptreeMeta *meta, Page parent_page)
{
	const VptreePlace *place = split->place;
	VptreeChild *pointer = &meta->root;

	if (parent_page != NULL)
	{
		VptreeNode node = vptree_page_node(split->index, parent_page, &place->parent);

		pointer = place->left ? &node->left : &node->right;
	}
	if (pointer->block != place->bucket.block || pointer->number != place->bucket.number ||
		!vptree_child_is_bucket(pointer))
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
						errmsg("index \"%s\" has no pointer to bucket %u at block %u",
							   RelationGetRelationName(split->index->relation),
							   place->bucket.number, place->bucket.block),
						errhint("Please REINDEX it.")));
	return pointer;
}

/* Puts the new tree in the place of the bucket, in one record; releases the head. */
static void
switch_pointer(Split *split, const VptreeSubtree *subtree)
{
	VptreeIndex *index = split->index;
	const VptreePlace *place = split->place;
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	Buffer parent = InvalidBuffer;
	Page parent_page = NULL;
	PageChange change;
	VptreeMeta *meta;
	Page page;

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	if (place->parent.block != InvalidBlockNumber)
	{
		parent = recent_read(index->relation, place->parent.block);
		LockBuffer(parent, BUFFER_LOCK_EXCLUSIVE);
	}
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, split->head, false);
	PageGetSpecial(page)->flags |= PAGE_RETIRED;
	meta = (VptreeMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	if (BufferIsValid(parent))
		parent_page = page_change_page(&change, parent, false);
	*find_pointer(split, meta, parent_page) = subtree->root;
	meta->node_block = index->meta.node_block;
	meta->shift = index->meta.shift;
	meta->nodes += subtree->nodes;
	meta->buckets += subtree->buckets - 1;
	meta->retired++;
	meta->max_depth = Max(meta->max_depth, Min(place->depth + subtree->depth, PG_UINT16_MAX));
	page_change_finish(&change);
}

/* Splits a bucket whose head is locked, if it is still overfull; releases the head. */
static void
split_locked(Split *split)
{
	VptreeSubtree subtree;

	bucket_copy(split->index->relation, &split->index->shape, split->head, &split->copy);
	if (split->copy.n <= split->index->meta.bucket_size)
	{
		UnlockReleaseBuffer(split->head);
		return;
	}
	gather_values(split);
	if (split->place->parent.block == InvalidBlockNumber)
		vptree_choose_shift(split->index, &split->graph_values, split->copy.n);
	build_tree(split);
	subtree = write_tree(split);
	switch_pointer(split, &subtree);
}

/*
 * The metapage is read under the lock of the head: the bucket is the root, or it
 * is not, as long as that is held.
 */
void
vptree_split_bucket(VptreeIndex *index, const VptreePlace *place)
{
	MemoryContext context;
	MemoryContext old;
	Split *split;

	if (!ConditionalLockPage(index->relation, VPTREE_SPLIT_LOCK, ShareLock))
		return;
	PAUSE_POINT("vptree splits", 0);
	context = AllocSetContextCreate(CurrentMemoryContext, "vptree split", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	split = palloc0(sizeof(Split));
	split->index = index;
	split->place = place;
	if (bucket_lock_head(index->relation, place->bucket.block, place->bucket.number,
						 BUFFER_LOCK_EXCLUSIVE, &split->head))
	{
		if ((PageGetSpecial(BufferGetPage(split->head))->flags & PAGE_RETIRED) != 0)
			UnlockReleaseBuffer(split->head);
		else
		{
			vptree_read_meta(index);
			split_locked(split);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	UnlockPage(index->relation, VPTREE_SPLIT_LOCK, ShareLock);
}
