/*-------------------------------------------------------------------------
 *
 * rebuild.c
 *	  A small subtree of a vptree index becomes another one, with more or fewer
 *	  buckets.
 *
 * The entries are copied: nothing that a scan may be looking at is changed but
 * the pointer to the subtree.  Splits and vacuum choose what is rebuilt.  README,
 * "Rebuilding a subtree".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "access/value_list.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

/* Distance computations between two looks at interrupts, which most trees, built under locks, ignore */
#define STEP_DISTANCES 100000

/* Heads that are retired together with the change of the pointer, and in each further record */
#define FIRST_HEADS 2
#define FURTHER_HEADS MAX_GENERIC_XLOG_PAGES
#define MAX_CHANGES (1 + (VPTREE_MAX_GROUP - FIRST_HEADS + FURTHER_HEADS - 1) / FURTHER_HEADS)

struct VptreeRebuild
{
	MemoryContext context; /* of all this */
	VptreeIndex *index;
	VptreeGroup *group;
	Tree *tree;
	double shift; /* of the metapage, once the tree is computed */

	/* copies of the entries, where those of each bucket end, and their values */
	BucketCopy copy;
	BucketEntry *copied; /* the same before any were joined, if distances call back */
	uint32 *end;
	ValueList *values;
	GraphValues graph_values;
	uint32 *items; /* entries that are not joined with one before */
	uint32 nitems;
	uint32 *table; /* hash table of the items by their values: numbers from 1 on, 0 is free */
	uint32 table_mask;

	/* distances to pivots above the group */
	float path[TREE_MAX_PATH];
	const void *pivots[TREE_MAX_PATH]; /* from the nearest upwards, as far as they were needed */
	int npivots;
	void *query; /* scratch for the query form of a value */
};

/* ----------------------------------------------------------------- groups */

uint32
vptree_group_limit(const VptreeIndex *index)
{
	/*
	 * Large values are copied, too, so as few as possible; and then all heads fit one record.
	 * Where distances call back vacuum joins two buckets, for which it needs none.
	 */
	if (vptree_calls_back(index) || index->space.encoded_size > BUCKET_MAX_INLINE_VALUE)
		return FIRST_HEADS;
	return VPTREE_MAX_GROUP;
}

void
vptree_group_init(VptreeGroup *group, VptreeIndex *index, const VptreeStep *steps, uint32 depth,
				  VptreeChild root, uint32 capacity)
{
	*group = (VptreeGroup){
		.index = index, .steps = steps, .depth = depth, .root = root, .capacity = capacity};
	group->nodes = palloc_extended(capacity * sizeof(VptreeChild), MCXT_ALLOC_HUGE);
	group->buckets = palloc_extended(capacity * sizeof(VptreeGroupBucket), MCXT_ALLOC_HUGE);
}

bool
vptree_group_add(VptreeGroup *group, VptreeChild child, uint32 above)
{
	VptreeNode node;
	VptreeChild left;
	VptreeChild right;
	Buffer buffer;

	if (vptree_child_is_bucket(&child))
	{
		if (group->nbuckets == vptree_group_limit(group->index))
			return false;
		group->buckets[group->nbuckets++] =
			(VptreeGroupBucket){.bucket = child, .above = above, .head = InvalidBuffer};
		return true;
	}
	/* a node has two buckets below it at least: so this is the limit of their depth, too */
	if (group->nnodes + 1 >= vptree_group_limit(group->index))
		return false;
	node = vptree_lock_node(group->index, &child, &buffer);
	if (node == NULL)
		return false;
	left = node->left;
	right = node->right;
	UnlockReleaseBuffer(buffer);
	group->nodes[group->nnodes++] = child;
	return vptree_group_add(group, left, above + 1) && vptree_group_add(group, right, above + 1);
}

/* Counts the entries of a bucket whose head is locked exclusively, and its pages. */
static uint32
count_entries(VptreeIndex *index, Buffer head, uint32 *pages)
{
	Buffer buffer = head;
	uint32 n = 0;
	bool more;

	*pages = 0;
	do
	{
		Page page = BufferGetPage(buffer);
		Buffer next;

		++*pages;
		for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page);
			 offset++)
			n += ItemIdIsUsed(PageGetItemId(page, offset));
		more = bucket_lock_next(index->relation, buffer, BUFFER_LOCK_SHARE, &next);
		if (buffer != head)
			UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
	return n;
}

/* Locks the head of a bucket of the tree; false, with nothing locked, if that is not possible. */
static bool
lock_head(VptreeGroup *group, VptreeGroupBucket *bucket, bool wait)
{
	Relation relation = group->index->relation;
	Buffer buffer = recent_read(relation, bucket->bucket.block);
	Page page = BufferGetPage(buffer);

	if (wait)
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	else if (!ConditionalLockBuffer(buffer))
	{
		ReleaseBuffer(buffer);
		return false;
	}
	if (!page_is(page, PAGE_BUCKET) ||
		(uint16) PageGetSpecial(page)->ordinal != bucket->bucket.number ||
		(PageGetSpecial(page)->flags & PAGE_RETIRED) != 0)
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}
	bucket->head = buffer;
	group->nentries += count_entries(group->index, buffer, &bucket->pages);
	return true;
}

bool
vptree_group_lock(VptreeGroup *group, uint32 first, bool wait)
{
	uint32 nentries = group->nentries;

	for (uint32 i = first; i < group->nbuckets; i++)
	{
		bool twice = false;

		/* the same bucket twice, in a damaged index, would wait for itself */
		for (uint32 j = 0; j < i; j++)
			twice |= group->buckets[j].bucket.block == group->buckets[i].bucket.block;
		if (unlikely(twice))
			vptree_report_lost(group->index, &group->buckets[i].bucket);
		if (!lock_head(group, &group->buckets[i], wait))
		{
			vptree_group_unlock(group, first);
			group->nentries = nentries;
			return false;
		}
	}
	return true;
}

void
vptree_group_unlock(VptreeGroup *group, uint32 first)
{
	for (uint32 i = first; i < group->nbuckets; i++)
	{
		if (BufferIsValid(group->buckets[i].head))
			UnlockReleaseBuffer(group->buckets[i].head);
		group->buckets[i].head = InvalidBuffer;
	}
}

uint32
vptree_pages_of(const VptreeIndex *index, uint32 nentries, uint32 nbuckets)
{
	Size size = bucket_entry_size(&index->shape, index->space.usual_size, 1);
	uint32 on_page = BUCKET_PAGE_ROOM / BUCKET_ENTRY_ROOM(size);
	uint32 smaller = nentries / nbuckets;
	uint32 larger = nentries % nbuckets; /* so many buckets have one entry more */

	return larger * ((smaller + on_page) / on_page) +
		   (nbuckets - larger) * Max((smaller + on_page - 1) / on_page, 1);
}

/* ------------------------------------------------------------------- tree */

/* Copies the entries of a bucket, whose head is locked already, or just for that. */
static void
copy_bucket(VptreeRebuild *rebuild, const VptreeGroupBucket *bucket)
{
	VptreeIndex *index = rebuild->index;
	Buffer head = bucket->head;

	if (!BufferIsValid(head) &&
		!bucket_lock_head(index->relation, bucket->bucket.block, bucket->bucket.number,
						  BUFFER_LOCK_EXCLUSIVE, &head))
		vptree_report_lost(index, &bucket->bucket);
	bucket_copy(index->relation, &index->shape, head, &rebuild->copy);
	if (!BufferIsValid(bucket->head))
		UnlockReleaseBuffer(head);
}

/* Copies the entries of all buckets. */
static void
copy_entries(VptreeRebuild *rebuild)
{
	VptreeIndex *index = rebuild->index;
	const VptreeGroup *group = rebuild->group;
	Size size;

	rebuild->end = palloc_extended(group->nbuckets * sizeof(uint32), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < group->nbuckets; i++)
	{
		CHECK_FOR_INTERRUPTS();
		copy_bucket(rebuild, &group->buckets[i]);
		rebuild->end[i] = rebuild->copy.n;
	}
	if (!vptree_calls_back(index))
		return;
	size = rebuild->copy.n * sizeof(BucketEntry);
	rebuild->copied = palloc_extended(Max(size, 1), MCXT_ALLOC_HUGE);
	if (size > 0)
		memcpy(rebuild->copied, rebuild->copy.entries, size);
}

/*
 * Joins an entry with one before it of the same value, which comes from another bucket; else notes
 * it as one that others may be joined with.
 */
static bool
join_entry(VptreeRebuild *rebuild, uint32 number)
{
	const IndexSpace *space = &rebuild->index->space;
	const void *value = graph_value(&rebuild->graph_values, number);
	BucketEntry entry = rebuild->copy.entries[number];
	uint32 place = hash_bytes(value, (int) entry->value_size);

	for (;; place++)
	{
		uint32 other = rebuild->table[place & rebuild->table_mask];
		BucketEntry *before;

		if (other == 0)
			break;
		before = &rebuild->copy.entries[other - 1];
		if ((*before)->ntids + entry->ntids > BUCKET_MAX_TIDS ||
			!index_space_equal(space, graph_value(&rebuild->graph_values, other - 1), value))
			continue;
		*before = bucket_join_entries(&rebuild->index->shape, *before, entry);
		return true;
	}
	rebuild->table[place & rebuild->table_mask] = number + 1;
	return false;
}

/* Makes room for the items: a hash table that is at most half full. */
static void
allocate_items(VptreeRebuild *rebuild)
{
	uint32 size = pg_nextpower2_32(2 * rebuild->copy.n + 1);

	rebuild->items = palloc_extended((rebuild->copy.n + 1) * sizeof(uint32), MCXT_ALLOC_HUGE);
	rebuild->table = palloc_extended(size * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	rebuild->table_mask = size - 1;
}

/* Lays the values out as the tree wants them. */
static void
gather_values(VptreeRebuild *rebuild)
{
	VptreeIndex *index = rebuild->index;
	char *scratch = palloc(index->space.encoded_size);

	rebuild->values = value_list_make(&index->space, rebuild->copy.n);
	rebuild->graph_values = value_list_values(rebuild->values);
	allocate_items(rebuild);
	for (uint32 i = 0; i < rebuild->copy.n; i++)
	{
		value_list_set(rebuild->values, i,
					   vptree_entry_value(index, rebuild->copy.entries[i], scratch));
		if (!join_entry(rebuild, i))
			rebuild->items[rebuild->nitems++] = i;
	}
	pfree(scratch);
}

static void
release_tree(void *arg)
{
	VptreeRebuild *rebuild = (VptreeRebuild *) arg;

	tree_free(rebuild->tree);
	rebuild->tree = NULL;
}

static void
build_tree(VptreeRebuild *rebuild, uint32 nleaves)
{
	const VptreeMeta *meta = &rebuild->index->meta;
	TreeParams params = {.partition = (TreePartition) meta->partition,
						 .bucket_size = meta->bucket_size,
						 .fill = VPTREE_BUILD_FILL,
						 .leaves = nleaves,
						 .path_length = meta->path_length,
						 .threads = 1};
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	params.seed = meta->seed + rebuild->group->buckets[0].bucket.block;
	callback->func = release_tree;
	callback->arg = rebuild;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	rebuild->tree = tree_create(rebuild->items, rebuild->nitems, &params, &rebuild->index->distance,
								&rebuild->graph_values);
	if (rebuild->tree == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	while (tree_build_step(rebuild->tree, STEP_DISTANCES))
		CHECK_FOR_INTERRUPTS();
}

/* ---------------------------------------------------------------- entries */

/* VptreeEntries.tids */
static int
tids_of_entry(void *arg, uint32 place, ItemPointerData *tids)
{
	const VptreeRebuild *rebuild = (const VptreeRebuild *) arg;
	BucketEntry entry = rebuild->copy.entries[rebuild->tree->items[place]];

	memcpy(tids, bucket_entry_tids(&rebuild->index->shape, entry),
		   entry->ntids * sizeof(ItemPointerData));
	return entry->ntids;
}

/* The pivot of a node above the group, counted from 0 upwards, in palloc'ed memory */
static const void *
read_pivot(VptreeRebuild *rebuild, int above)
{
	VptreeIndex *index = rebuild->index;
	const VptreeChild *child = &rebuild->group->steps[rebuild->group->depth - 1 - above].node;
	char *pivot = palloc(index->space.encoded_size);
	const void *found;
	Buffer buffer;
	VptreeNode node = vptree_lock_node(index, child, &buffer);

	if (unlikely(node == NULL))
		vptree_report_lost(index, child);
	found = vptree_node_pivot(index, node, pivot);
	if (found != pivot)
		memcpy(pivot, found, index->space.encoded_size);
	UnlockReleaseBuffer(buffer);
	return pivot;
}

/* The bucket from which an item comes */
static uint32
bucket_of(const VptreeRebuild *rebuild, uint32 item)
{
	uint32 low = 0;
	uint32 high = rebuild->group->nbuckets - 1;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (rebuild->end[middle] <= item)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * VptreeEntries.above.  An entry has its distances to the nodes of the group in front of those to
 * the nodes above it.  If there are fewer of the former now, there is room for distances
 * that it does not have.  Infinity stands for one that must not be computed here, where
 * buckets are locked: it tells nothing.
 */
static const float *
path_of_entry(void *arg, uint32 place, int n)
{
	VptreeRebuild *rebuild = (VptreeRebuild *) arg;
	VptreeIndex *index = rebuild->index;
	uint32 item = rebuild->tree->items[place];
	const float *path = bucket_entry_extra(rebuild->copy.entries[item]);
	const void *query = NULL;
	int path_length = index->meta.path_length;
	uint32 bucket = bucket_of(rebuild, item);
	int known = Max(path_length - (int) rebuild->group->buckets[bucket].above, 0);

	if (n <= known)
		return path + (path_length - known);
	memcpy(rebuild->path, path + (path_length - known), known * sizeof(float));
	if (vptree_calls_back(index))
	{
		for (int i = known; i < n; i++)
			rebuild->path[i] = INFINITY;
		return rebuild->path;
	}
	while (rebuild->npivots < n)
	{
		rebuild->pivots[rebuild->npivots] = read_pivot(rebuild, rebuild->npivots);
		rebuild->npivots++;
	}
	query = space_prepare_query(&index->space.context, graph_value(&rebuild->graph_values, item),
								rebuild->query);
	for (int i = known; i < n; i++)
		rebuild->path[i] = (float) vptree_pivot_distance(index, rebuild->pivots[i], query);
	return rebuild->path;
}

/* VptreeEntries.codes */
static void
codes_of_entry(void *arg, uint32 place, uint8 *codes)
{
	const VptreeRebuild *rebuild = (const VptreeRebuild *) arg;
	const VptreeMeta *meta = &rebuild->index->meta;
	BucketEntry entry = rebuild->copy.entries[rebuild->tree->items[place]];

	memcpy(codes, vptree_extra_codes(meta, bucket_entry_extra(entry)),
		   VPTREE_CODES_SIZE(meta->num_pivot));
}

/* Writes the tree; nothing points to it yet. */
static VptreeSubtree
write_tree(VptreeRebuild *rebuild)
{
	const VptreeGroup *group = rebuild->group;
	VptreeEntries entries = {.values = &rebuild->graph_values,
							 .arg = rebuild,
							 .tids = tids_of_entry,
							 .above = path_of_entry,
							 .nabove = Min(group->depth, rebuild->index->meta.path_length),
							 .codes = codes_of_entry};
	BlockNumber near = InvalidBlockNumber;

	if (group->nnodes > 0)
		near = group->root.block;
	else if (group->depth > 0)
		near = group->steps[group->depth - 1].node.block;
	return vptree_write_tree(rebuild->index, rebuild->tree, &entries, near);
}

/* ----------------------------------------------------------------- switch */

/* The pointer to the group in a copy of the page that it is on; an error if it is not there */
static VptreeChild *
find_pointer(const VptreeGroup *group, VptreeMeta *meta, Page parent_page)
{
	VptreeChild *pointer = &meta->root;

	if (parent_page != NULL)
	{
		const VptreeStep *step = &group->steps[group->depth - 1];
		VptreeNode node = vptree_page_node(group->index, parent_page, &step->node);

		pointer = step->left ? &node->left : &node->right;
	}
	if (!vptree_is_same_child(pointer, &group->root))
		damage_report(group->index->relation,
					  "has no pointer to the subtree at block %u, number %u", group->root.block,
					  group->root.number);
	return pointer;
}

/* Retires the heads of some buckets in a change, which releases them when it is finished. */
static void
retire_heads(PageChange *change, const VptreeGroup *group, uint32 first, uint32 n)
{
	for (uint32 i = first; i < group->nbuckets && i < first + n; i++)
	{
		Page page = page_change_page(change, group->buckets[i].head, false);

		PageGetSpecial(page)->flags |= PAGE_RETIRED;
	}
}

/* The metapage, and the page of the node above a group, if there is one, locked exclusively */
typedef struct PointerPages
{
	Buffer meta;
	Buffer parent;
} PointerPages;

static PointerPages
lock_pointer(const VptreeGroup *group)
{
	Relation relation = group->index->relation;
	PointerPages pages = {.meta = recent_read(relation, META_BLOCK), .parent = InvalidBuffer};

	LockBuffer(pages.meta, BUFFER_LOCK_EXCLUSIVE);
	if (group->depth > 0)
	{
		pages.parent = recent_read(relation, group->steps[group->depth - 1].node.block);
		LockBuffer(pages.parent, BUFFER_LOCK_EXCLUSIVE);
	}
	return pages;
}

/* Begins a change that puts the new tree in the place of the group; returns the metapage in it. */
static VptreeMeta *
change_pointer(const VptreeGroup *group, const VptreeSubtree *subtree, const PointerPages *pages,
			   PageChange *change)
{
	VptreeIndex *index = group->index;
	Page parent_page = NULL;
	VptreeMeta *meta;

	page_change_begin(change, index->relation, false);
	meta = (VptreeMeta *) PageGetContents(page_change_page(change, pages->meta, false));
	if (BufferIsValid(pages->parent))
		parent_page = page_change_page(change, pages->parent, false);
	*find_pointer(group, meta, parent_page) = subtree->root;
	meta->node_block = index->meta.node_block;
	meta->shift = index->meta.shift;
	meta->nodes += subtree->nodes - group->nnodes;
	meta->buckets += subtree->buckets - group->nbuckets;
	meta->most_buckets = Max(meta->most_buckets, meta->buckets);
	meta->max_depth = Max(group->depth == 0 ? 0 : meta->max_depth,
						  Min(group->depth + subtree->depth, PG_UINT16_MAX));
	return meta;
}

/*
 * Puts the new tree in the place of the group, in one record, and retires its buckets,
 * two of them in the same record; releases the heads.  What cannot be done is found
 * out before the first record.
 */
static void
switch_pointer(const VptreeGroup *group, const VptreeSubtree *subtree)
{
	PointerPages pages = lock_pointer(group);
	PageChange changes[MAX_CHANGES];
	int nchanges = 1;

	vptree_retire(change_pointer(group, subtree, &pages, &changes[0]), group);
	retire_heads(&changes[0], group, 0, FIRST_HEADS);
	for (uint32 i = FIRST_HEADS; i < group->nbuckets; i += FURTHER_HEADS)
	{
		page_change_begin(&changes[nchanges], group->index->relation, false);
		retire_heads(&changes[nchanges++], group, i, FURTHER_HEADS);
	}
	for (int i = 0; i < nchanges; i++)
	{
		page_change_finish(&changes[i]);
		FAIL_POINT("vptree pointer changed");
	}
}

/*
 * The same where inserts leave the buckets alone, whose heads are not locked, as long as
 * meta.rebuilding is their root.  Some may have come to a bucket by now and look for that next: so it
 * stays until all are retired.
 */
static void
switch_closed(const VptreeGroup *group, const VptreeSubtree *subtree)
{
	PointerPages pages = lock_pointer(group);
	PageChange change;
	VptreeMeta *meta = change_pointer(group, subtree, &pages, &change);

	meta->retired += group->nbuckets;
	meta->rebuilt = 1;
	page_change_finish(&change);
}

/* Retires the buckets of a group that was closed. */
static void
retire_closed(VptreeGroup *group)
{
	for (uint32 i = 0; i < group->nbuckets; i++)
	{
		VptreeGroupBucket *bucket = &group->buckets[i];
		PageChange change;

		bucket->head = recent_read(group->index->relation, bucket->bucket.block);
		LockBuffer(bucket->head, BUFFER_LOCK_EXCLUSIVE);
		page_change_begin(&change, group->index->relation, false);
		retire_heads(&change, group, i, 1);
		page_change_finish(&change);
	}
}

void
vptree_end_rebuilding(void *meta)
{
	((VptreeMeta *) meta)->rebuilding.block = InvalidBlockNumber;
	((VptreeMeta *) meta)->rebuilt = 0;
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber first = ((const VptreeChild *) a)->block;
	BlockNumber second = ((const VptreeChild *) b)->block;

	return first < second ? -1 : first > second;
}

/* Notes in the nodes of the group that the tree no longer leads to them; sorts them. */
static void
mark_dead(VptreeGroup *group)
{
	VptreeIndex *index = group->index;
	uint32 i = 0;

	qsort(group->nodes, group->nnodes, sizeof(VptreeChild), compare_blocks);
	while (i < group->nnodes)
	{
		BlockNumber block = group->nodes[i].block;
		Buffer buffer = recent_read(index->relation, block);
		PageChange change;
		Page page;

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		page_change_begin(&change, index->relation, false);
		page = page_change_page(&change, buffer, false);
		for (; i < group->nnodes && group->nodes[i].block == block; i++)
			vptree_page_node(index, page, &group->nodes[i])->flags |= VPTREE_NODE_DEAD;
		page_change_finish(&change);
	}
}

/* ------------------------------------------------------------------ steps */

/* The metapage is read under the locks of the heads: the group is the whole tree, or it is not. */
VptreeRebuild *
vptree_rebuild_copy(VptreeGroup *group)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "vptree rebuild", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	VptreeRebuild *rebuild = palloc0(sizeof(VptreeRebuild));

	rebuild->context = context;
	rebuild->index = group->index;
	rebuild->group = group;
	rebuild->query = palloc(group->index->space.query_size + 1);
	vptree_read_meta(group->index);
	copy_entries(rebuild);
	gather_values(rebuild);
	MemoryContextSwitchTo(old);
	return rebuild;
}

uint32
vptree_rebuild_leaves(const VptreeRebuild *rebuild)
{
	double room = VPTREE_BUILD_FILL * rebuild->index->meta.bucket_size;

	return Max((uint32) ceil(rebuild->nitems / room), 1);
}

void
vptree_rebuild_compute(VptreeRebuild *rebuild, uint32 nleaves)
{
	const VptreeGroup *group = rebuild->group;
	MemoryContext old = MemoryContextSwitchTo(rebuild->context);

	if (group->depth == 0 && group->nnodes == 0 && nleaves > 1)
		vptree_choose_shift(group->index, &rebuild->graph_values, rebuild->copy.n);
	rebuild->shift = group->index->meta.shift;
	build_tree(rebuild, nleaves);
	MemoryContextSwitchTo(old);
}

/* Has a bucket, whose head is locked, just those entries that were copied from number `first` on? */
static bool
is_bucket_unchanged(VptreeRebuild *rebuild, Buffer head, uint32 first, uint32 n)
{
	VptreeIndex *index = rebuild->index;
	char *scratch = palloc(index->space.encoded_size);
	BucketCopy now = {.n = 0};

	bucket_copy(index->relation, &index->shape, head, &now);
	if (now.n != n)
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		BucketEntry entry = now.entries[i];
		BucketEntry before = rebuild->copied[first + i];
		Size size = bucket_entry_size(&index->shape, before->value_size, before->ntids);

		if (entry->value_size != before->value_size || entry->ntids != before->ntids ||
			memcmp(entry, before, size) != 0 ||
			!index_space_equal(&index->space, value_list_get(rebuild->values, first + i),
							   vptree_entry_value(index, entry, scratch)))
			return false;
	}
	return true;
}

bool
vptree_rebuild_is_current(VptreeRebuild *rebuild)
{
	const VptreeGroup *group = rebuild->group;
	MemoryContext old = MemoryContextSwitchTo(rebuild->context);
	uint32 first = 0;
	bool unchanged = true;

	for (uint32 i = 0; i < group->nbuckets && unchanged; i++)
	{
		unchanged =
			is_bucket_unchanged(rebuild, group->buckets[i].head, first, rebuild->end[i] - first);
		first = rebuild->end[i];
	}
	vptree_read_meta(group->index);
	group->index->meta.shift = rebuild->shift;
	MemoryContextSwitchTo(old);
	return unchanged;
}

VptreeChild
vptree_rebuild_replace(VptreeRebuild *rebuild)
{
	MemoryContext old = MemoryContextSwitchTo(rebuild->context);
	VptreeSubtree subtree = write_tree(rebuild);

	FAIL_POINT("vptree subtree written");
	switch_pointer(rebuild->group, &subtree);
	FAIL_POINT("vptree buckets retired");
	mark_dead(rebuild->group);
	MemoryContextSwitchTo(old);
	return subtree.root;
}

void
vptree_rebuild_replace_closed(VptreeRebuild *rebuild)
{
	MemoryContext old = MemoryContextSwitchTo(rebuild->context);
	VptreeSubtree subtree = write_tree(rebuild);
	VptreeGroup *group = rebuild->group;

	FAIL_POINT("vptree flat subtree written");
	HOLD_INTERRUPTS();
	switch_closed(group, &subtree);
	PAUSE_POINT("vptree flat subtree in place", 3);
	FAIL_POINT("vptree flat subtree in place");
	retire_closed(group);
	vptree_change_meta(group->index, vptree_end_rebuilding);
	RESUME_INTERRUPTS();
	mark_dead(group);
	for (uint32 i = 0; i < group->nbuckets; i++)
		vptree_free_retired(group->index, group->buckets[i].bucket.block);
	MemoryContextSwitchTo(old);
}

void
vptree_rebuild_free(VptreeRebuild *rebuild)
{
	MemoryContextDelete(rebuild->context);
}

VptreeChild
vptree_rebuild(VptreeGroup *group, uint32 nleaves)
{
	VptreeRebuild *rebuild = vptree_rebuild_copy(group);
	VptreeChild root;

	vptree_rebuild_compute(rebuild, nleaves);
	root = vptree_rebuild_replace(rebuild);
	vptree_rebuild_free(rebuild);
	return root;
}
