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
#include "access/value_list.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

/* How often the entries of a bucket that others add to are copied anew */
#define MAX_TRIES 3

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
	ValueList *values;
	GraphValues graph_values;
	uint32 *items;
} Split;

/* Lays the values out as the tree wants them; the bucket is locked. */
static void
gather_values(Split *split)
{
	VptreeIndex *index = split->index;
	char *scratch = palloc(index->space.encoded_size);

	split->values = value_list_make(&index->space, split->copy.n);
	split->items = palloc_extended(split->copy.n * sizeof(uint32), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < split->copy.n; i++)
	{
		value_list_set(split->values, i,
					   vptree_entry_value(index, split->copy.entries[i], scratch));
		split->items[i] = i;
	}
	split->graph_values = value_list_values(split->values);
	pfree(scratch);
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

/* VptreeEntries.codes */
static void
codes_of_entry(void *arg, uint32 place, uint8 *codes)
{
	const Split *split = (const Split *) arg;
	const VptreeMeta *meta = &split->index->meta;
	BucketEntry entry = split->copy.entries[split->tree->items[place]];

	memcpy(codes, vptree_extra_codes(meta, bucket_entry_extra(entry)),
		   VPTREE_CODES_SIZE(meta->num_pivot));
}

/* Writes the tree; nothing points to it yet. */
static VptreeSubtree
write_tree(Split *split)
{
	VptreeEntries entries = {.values = &split->graph_values,
							 .arg = split,
							 .tids = tids_of_entry,
							 .above = path_of_entry,
							 .codes = codes_of_entry};

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

static bool
is_overfull(const Split *split)
{
	return split->copy.n > split->index->meta.bucket_size;
}

/* What has to be computed of the entries that were copied */
static void
compute_tree(Split *split)
{
	if (split->place->parent.block == InvalidBlockNumber)
		vptree_choose_shift(split->index, &split->graph_values, split->copy.n);
	build_tree(split);
}

/* Writes the tree and puts it in the place of the bucket, whose head is locked. */
static void
replace_bucket(Split *split)
{
	VptreeSubtree subtree = write_tree(split);

	switch_pointer(split, &subtree);
}

/*
 * Locks the bucket's head; false if there is no bucket any more.  The metapage is read
 * under that lock: the bucket is the root, or it is not, as long as it is held.
 */
static bool
lock_bucket(Split *split, int lockmode)
{
	VptreeIndex *index = split->index;
	const VptreeChild *bucket = &split->place->bucket;

	if (!bucket_lock_head(index->relation, bucket->block, bucket->number, lockmode, &split->head))
		return false;
	if ((PageGetSpecial(BufferGetPage(split->head))->flags & PAGE_RETIRED) != 0)
	{
		UnlockReleaseBuffer(split->head);
		return false;
	}
	vptree_read_meta(index);
	return true;
}

/* Copies the entries of the bucket, and their values; its head is locked. */
static void
copy_bucket(Split *split)
{
	bucket_copy(split->index->relation, &split->index->shape, split->head, &split->copy);
	if (is_overfull(split))
		gather_values(split);
}

/* The bucket stays locked throughout. */
static void
split_locked(Split *split)
{
	if (!lock_bucket(split, BUFFER_LOCK_EXCLUSIVE))
		return;
	copy_bucket(split);
	if (!is_overfull(split))
	{
		UnlockReleaseBuffer(split->head);
		return;
	}
	compute_tree(split);
	replace_bucket(split);
}

/* Has the bucket, whose head is locked, the entries that were copied, and no others? */
static bool
is_unchanged(Split *split)
{
	const BucketShape *shape = &split->index->shape;
	char *scratch = palloc(split->index->space.encoded_size);
	BucketCopy now = {.n = 0};

	bucket_copy(split->index->relation, shape, split->head, &now);
	if (now.n != split->copy.n)
		return false;
	for (uint32 i = 0; i < now.n; i++)
	{
		BucketEntry before = split->copy.entries[i];
		Size size = bucket_entry_size(shape, before->value_size, before->ntids);

		if (now.entries[i]->value_size != before->value_size ||
			now.entries[i]->ntids != before->ntids || memcmp(now.entries[i], before, size) != 0 ||
			!index_space_equal(&split->index->space, value_list_get(split->values, i),
							   vptree_entry_value(split->index, now.entries[i], scratch)))
			return false;
	}
	return true;
}

/*
 * Where distances call back: the tree is computed of copies while nothing is locked, and
 * takes the place of the bucket if that has not changed meanwhile.  False: it has.
 */
static bool
split_unlocked(Split *split)
{
	Relation relation = split->index->relation;
	bool done = true;
	double shift;

	if (!lock_bucket(split, BUFFER_LOCK_SHARE))
		return true;
	copy_bucket(split);
	UnlockReleaseBuffer(split->head);
	if (!is_overfull(split))
		return true;
	compute_tree(split);
	shift = split->index->meta.shift;
	PAUSE_POINT("vptree computed split", 0);
	if (!ConditionalLockPage(relation, VPTREE_SPLIT_LOCK, ShareLock))
		return true;
	if (lock_bucket(split, BUFFER_LOCK_EXCLUSIVE))
	{
		done = is_unchanged(split);
		split->index->meta.shift = shift; /* nobody else has chosen one for this bucket */
		if (done)
			replace_bucket(split);
		else
			UnlockReleaseBuffer(split->head);
	}
	UnlockPage(relation, VPTREE_SPLIT_LOCK, ShareLock);
	return done;
}

/* Does one of the two with memory that is free afterwards. */
static bool
split_once(VptreeIndex *index, const VptreePlace *place)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "vptree split", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Split *split = palloc0(sizeof(Split));
	bool done = true;

	split->index = index;
	split->place = place;
	if (vptree_calls_back(index))
		done = split_unlocked(split);
	else
		split_locked(split);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return done;
}

void
vptree_split_bucket(VptreeIndex *index, const VptreePlace *place)
{
	if (vptree_calls_back(index))
	{
		for (int tries = 0; tries < MAX_TRIES; tries++)
		{
			if (split_once(index, place))
				return;
		}
		return; /* whoever adds to it next will try again */
	}
	if (!ConditionalLockPage(index->relation, VPTREE_SPLIT_LOCK, ShareLock))
		return;
	PAUSE_POINT("vptree splits", 0);
	split_once(index, place);
	UnlockPage(index->relation, VPTREE_SPLIT_LOCK, ShareLock);
}
