/*-------------------------------------------------------------------------
 *
 * search.c
 *	  A best-first search of a tree.
 *
 * The branch with the smallest bound is opened.  From a node the search goes on to
 * the side on which the query is, whose bound is the node's own and so still the
 * smallest; the other side joins the queue.  So a bucket is reached with about as
 * many page locks as the way to it has pages.
 *
 * In a bucket the entries' distances to the pivots above it, and to those of the
 * pivot table, tell of each how near it can be.  All those are scored at once that can be nearer than the `ahead`
 * nearest rows found so far, and the bucket goes back to the queue with the
 * bound of the others.  Only as many as can be nearer than the nearest one are
 * certain to be needed; but a scan that asks for one row asks for ten as a rule,
 * and opening the bucket again costs more than scoring a few entries.  When
 * `ahead` rows have been handed out it is doubled.
 *
 * A row is handed out when no branch can have a nearer one.  Bounds that may be too
 * great let rows come late, though, nearer than others that are gone.  So where
 * bounds are no certainty rows are held back until `ahead` of them are ready: a
 * scan for ten rows then has them in their order, whatever the order in which
 * they were found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/entry_heap.h"
#include "storage/recent.h"
#include "vptree/search.h"

#define FIRST_AHEAD 10

#define FIRST_CAPACITY 256

/* Entries whose memory is asked for ahead of the one in hand */
#define PREFETCH_ENTRIES 4

/* Nodes that a page can have, at most */
#define NODES_PER_PAGE (BLCKSZ / (Size) sizeof(VptreeNodeData))

/* Room for `needed` elements in an array of the search's context */
static void *
grow(VptreeSearch *search, void *array, uint32 *capacity, uint64 needed, Size size)
{
	uint64 larger = Max(*capacity * UINT64CONST(2), FIRST_CAPACITY);

	larger = Max(larger, needed);
	if (larger > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("scan of index \"%s\" has too many rows to put in order",
							   RelationGetRelationName(search->index->relation))));
	*capacity = larger;
	if (array == NULL)
		return MemoryContextAllocHuge(search->context, larger * size);
	return repalloc_huge(array, larger * size);
}

#define MAKE_ROOM(search, array, capacity, needed)                                \
	do                                                                            \
	{                                                                             \
		if (unlikely((needed) > (capacity)))                                      \
			(array) = grow(search, array, &(capacity), needed, sizeof(*(array))); \
	} while (0)

uint32
vptree_add_ancestor(VptreeSearch *search)
{
	MAKE_ROOM(search, search->ancestors, search->ancestor_capacity, search->nancestors + 1);
	return search->nancestors++;
}

/* Remembers a node that is opened, which the branch leads to; returns its place. */
static uint32
note_opened(VptreeSearch *search, const VptreeBranch *branch)
{
	MAKE_ROOM(search, search->opened, search->opened_capacity, search->nopened + 1);
	search->opened[search->nopened] = (VptreeOpened){
		.node = branch->child, .origin = branch->origin, .ancestor = branch->ancestor};
	return search->nopened++;
}

static void
push_branch(VptreeSearch *search, const VptreeBranch *branch, float bound)
{
	PoolEntry entry = {bound, search->nbranches};

	if (branch->child.block == InvalidBlockNumber || bound > search->limit)
		return;
	MAKE_ROOM(search, search->branches, search->branch_capacity, search->nbranches + 1);
	MAKE_ROOM(search, search->queue, search->queue_capacity, search->nqueue + 1);
	search->branches[search->nbranches++] = *branch;
	entry_heap_push(search->queue, search->nqueue, entry);
	search->nqueue++;
}

/* Puts the root into the empty queue. */
static void
push_root(VptreeSearch *search)
{
	VptreeBranch root = {.child = search->index->meta.root,
						 .origin = VPTREE_NO_ORIGIN,
						 .ancestor = VPTREE_NO_ANCESTOR,
						 .scored = -INFINITY};

	push_branch(search, &root, -INFINITY);
}

/* Is the pruner the triangle inequality, or more careful, and does that hold? */
static bool
has_certain_bounds(const VptreeSearch *search)
{
	const TreePruner *pruner = &search->pruner;

	return search->index->exact && !search->by_mean && pruner->exp_left == 1 &&
		   pruner->exp_right == 1 && pruner->alpha_left <= 1 && pruner->alpha_right <= 1;
}

void
vptree_search_init(VptreeSearch *search, VptreeIndex *index, const ScanTarget *target,
				   const void *query, const TreePruner *pruner, int max_leaves,
				   MemoryContext context)
{
	memset(search, 0, sizeof(*search));
	search->index = index;
	search->target = target;
	search->query = query;
	search->context = context;
	search->pruner = *pruner;
	search->max_leaves = max_leaves;
	search->leaves = max_leaves;
	search->max_distances = PG_INT64_MAX;
	search->lost.block = InvalidBlockNumber;
	search->limit = INFINITY;
	if (target->limited)
		search->limit = vptree_key_beyond(&index->space.context, target->radius);
	search->ahead = FIRST_AHEAD;
	search->scratch = MemoryContextAlloc(context, Max(index->space.encoded_size, 1));
	if (vptree_calls_back(index))
	{
		search->node = MemoryContextAlloc(context, vptree_copy_room(index));
		search->copies =
			AllocSetContextCreate(context, "entries of a bucket", ALLOCSET_DEFAULT_SIZES);
	}
	search->usual_size = bucket_entry_size(&index->shape, index->space.encoded_size, 1);
	search->usual_header = (BucketEntryData){
		.ntids = 1,
		.flags = index->space.encoded_size > BUCKET_MAX_INLINE_VALUE ? BUCKET_ENTRY_WIDE : 0,
		.value_size = index->space.encoded_size};
	vptree_init_bounds(search);
	search->holds = target->ordered && !has_certain_bounds(search);
	push_root(search);
}

void
vptree_search_resume(VptreeSearch *search)
{
	search->leaves = search->max_leaves;
}

/* ------------------------------------------------------------------ rows */

/* No row with a larger key is among the `ahead` next ones. */
static inline float
horizon(const VptreeSearch *search)
{
	return search->nnearest == search->ahead ? -search->nearest[0].key : INFINITY;
}

/* Makes a key one of the smallest known, if it is. */
static inline void
note_key(VptreeSearch *search, float key)
{
	PoolEntry entry = {-key, 0};

	if (search->nnearest == search->ahead)
	{
		if (!(key < horizon(search)))
			return;
		entry_heap_pop(search->nearest, search->nnearest--);
	}
	MAKE_ROOM(search, search->nearest, search->nearest_capacity, search->nnearest + 1);
	entry_heap_push(search->nearest, search->nnearest++, entry);
}

/* Puts a row where it waits: in order, or with those that will not be wanted so soon. */
static inline void
add_waiting(VptreeSearch *search, PoolEntry row)
{
	if (search->target->ordered)
		note_key(search, row.key);
	if (row.key > horizon(search))
	{
		MAKE_ROOM(search, search->later, search->later_capacity, search->nlater + 1);
		search->later[search->nlater++] = row;
		return;
	}
	MAKE_ROOM(search, search->waiting, search->waiting_capacity, search->nwaiting + 1);
	entry_heap_push(search->waiting, search->nwaiting++, row);
}

/* A row is handed out; when `ahead` of them have been, twice as many may be wanted. */
static void
note_taken(VptreeSearch *search)
{
	uint32 nlater = search->nlater;

	if (++search->taken < search->ahead)
		return;
	search->ahead = Min(search->ahead * UINT64CONST(2), PG_INT32_MAX);
	search->taken = 0;
	search->nnearest = 0;
	search->nlater = 0;
	for (uint32 i = 0; i < search->nwaiting; i++)
		note_key(search, search->waiting[i].key);
	for (uint32 i = 0; i < nlater; i++)
		add_waiting(search, search->later[i]);
}

/* Entries that may have keys up to this one are scored now. */
static float
reach_of(const VptreeSearch *search, float bound)
{
	float reach = search->limit;

	if (search->max_leaves == VPTREE_NO_LEAF_LIMIT)
		reach = Min(reach, horizon(search));
	return Max(reach, bound);
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

/* Adds the entry's rows.  A key that is no number can only be damage: they come last. */
static void
add_rows(VptreeSearch *search, BucketEntry entry, float key)
{
	const ItemPointerData *tids = bucket_entry_tids(&search->index->shape, entry);
	PoolEntry row = {isnan(key) ? INFINITY : key, search->nrows};
	uint32 n = 0;

	if (!scan_target_accepts(search->target, &search->index->space, key))
		return;
	MAKE_ROOM(search, search->rows, search->row_capacity, search->nrows + entry->ntids);
	for (int i = 0; i < entry->ntids; i++)
	{
		if (search->nseen > 0 && bsearch(&tids[i], search->seen, search->nseen,
										 sizeof(ItemPointerData), compare_tids) != NULL)
			continue;
		search->rows[row.id + n].tid = tids[i];
		search->rows[row.id + n].more = 0;
		n++;
	}
	if (n == 0)
		return;
	search->rows[row.id].more = n - 1;
	search->nrows += n;
	add_waiting(search, row);
}

/* ------------------------------------------------------- looking anew */

/*
 * Part of the tree may have been rebuilt, and its pages used for something else, since the
 * pointers to them were read.  Whatever the search knows of that part is forgotten, but for the
 * rows found there, and it looks there once more.
 */

/* Makes the rows found so far those that are seen: they are not found again. */
static void
note_seen(VptreeSearch *search)
{
	ItemPointerData *seen;
	uint32 nnew = search->nrows - search->rows_seen;
	uint32 old = search->nseen;
	uint32 all = old + nnew;

	if (nnew == 0)
		return;
	MAKE_ROOM(search, search->seen, search->seen_capacity, all);
	seen = search->seen;
	for (uint32 i = 0; i < nnew; i++)
		seen[old + i] = search->rows[search->rows_seen + i].tid;
	qsort(seen + old, nnew, sizeof(ItemPointerData), compare_tids);
	if (old > 0 && compare_tids(&seen[old - 1], &seen[old]) > 0)
		qsort(seen, all, sizeof(ItemPointerData), compare_tids);
	search->nseen = all;
	search->rows_seen = search->nrows;
}

/* Has what a branch is part of been looked at anew since the branch was met? */
static bool
is_outdated(const VptreeSearch *search, const VptreeBranch *branch)
{
	VptreeOrigin origin = branch->origin;

	while (origin != VPTREE_NO_ORIGIN)
	{
		const VptreeOpened *opened = &search->opened[vptree_origin_opened(origin)];

		if (opened->outdated[vptree_origin_side(origin)])
			return true;
		origin = opened->origin;
	}
	return false;
}

/*
 * Begins anew at the root: the tree that it leads to is another one.  If that lacks the
 * same child as the one before it is damaged.
 */
static void
begin_anew(VptreeSearch *search, const VptreeChild *lost)
{
	if (vptree_is_same_child(&search->lost, lost))
		vptree_report_lost(search->index, lost);
	search->lost = *lost;
	search->nqueue = 0;
	search->nbranches = 0;
	search->nancestors = 0;
	search->nopened = 0;
	vptree_read_meta(search->index);
	push_root(search);
}

/* Puts a copy in the place of a node whose page is locked where that must not be so any more. */
static inline VptreeNode
leave_page(VptreeSearch *search, VptreeNode node, Buffer *buffer)
{
	if (likely(search->node == NULL) || node == NULL)
		return node;
	vptree_copy_node(search->index, node, search->node);
	UnlockReleaseBuffer(*buffer);
	*buffer = InvalidBuffer;
	return search->node;
}

static inline const VptreeChild *
child_on_side(VptreeNode node, int side)
{
	return side == 0 ? &node->left : &node->right;
}

/* Adds to the queue what one side of a node, which is locked or a copy, leads to now. */
static void
push_side(VptreeSearch *search, VptreeNode node, VptreeOrigin origin)
{
	VptreeOpened *opened = &search->opened[vptree_origin_opened(origin)];
	int side = vptree_origin_side(origin);
	VptreeBranch branch = {
		.child = opened->node, .origin = opened->origin, .ancestor = opened->ancestor};
	VptreeSides sides;

	opened->outdated[side] = true;
	vptree_bound_sides(search, node, branch.ancestor, &sides);
	branch.origin = vptree_origin(note_opened(search, &branch), side);
	branch.child = *child_on_side(node, side);
	branch.ancestor = sides.ancestor[side];
	branch.scored = -INFINITY;
	push_branch(search, &branch, sides.bound[side]);
}

/*
 * What a branch leads to is not there: looks anew at the lowest of the nodes above it that still
 * exists and leads elsewhere now.
 */
static void
look_anew(VptreeSearch *search, const VptreeBranch *lost)
{
	VptreeOrigin origin = lost->origin;
	VptreeChild child = lost->child;

	note_seen(search);
	search->looked_anew = true;
	search->nodes_before = search->nodes;
	search->max_nodes = 0;
	while (origin != VPTREE_NO_ORIGIN)
	{
		VptreeOpened opened = search->opened[vptree_origin_opened(origin)];
		Buffer buffer;
		VptreeNode node = vptree_lock_node(search->index, &opened.node, &buffer);

		node = leave_page(search, node, &buffer);
		if (node != NULL)
		{
			bool changed =
				!vptree_is_same_child(child_on_side(node, vptree_origin_side(origin)), &child);

			if (changed)
				push_side(search, node, origin);
			if (BufferIsValid(buffer))
				UnlockReleaseBuffer(buffer);
			if (changed)
				return;
		}
		child = opened.node;
		origin = opened.origin;
	}
	begin_anew(search, &lost->child);
}

/* --------------------------------------------------------------- buckets */

static void
score_batch(VptreeSearch *search)
{
	const SpaceContext *context = &search->index->space.context;

	context->space->distances(context, search->query, search->values, search->nbatch, search->keys);
	search->distances += search->nbatch;
	for (int i = 0; i < search->nbatch; i++)
		add_rows(search, search->entries[i], search->keys[i]);
	search->nbatch = 0;
}

/* Keeps an entry of a locked page, and its value, until the page is unlocked. */
static void
copy_entry(VptreeSearch *search, BucketEntry entry)
{
	const BucketShape *shape = &search->index->shape;
	Size size = bucket_entry_size(shape, entry->value_size, entry->ntids);
	VptreeCopy copy;
	char *value;

	copy.entry = memcpy(MemoryContextAlloc(search->copies, size), entry, size);
	copy.value = bucket_entry_value(shape, copy.entry);
	if ((entry->flags & BUCKET_ENTRY_WIDE) != 0)
	{
		value = MemoryContextAlloc(search->copies, entry->value_size);
		copy.value = bucket_read_value(search->index->relation, shape, entry, value);
	}
	MAKE_ROOM(search, search->copied, search->copied_capacity, search->ncopied + 1);
	search->copied[search->ncopied++] = copy;
}

/* Scores the entries that were kept; no page is locked. */
static void
score_copies(VptreeSearch *search)
{
	VptreeIndex *index = search->index;
	const SpaceContext *context = &index->space.context;

	for (uint32 i = 0; i < search->ncopied; i++)
	{
		const VptreeCopy *copy = &search->copied[i];

		index_space_require_sound(&index->space, index->relation, copy->value,
								  copy->entry->value_size);
		context->space->distances(context, search->query, &copy->value, 1, search->keys);
		search->distances++;
		add_rows(search, copy->entry, search->keys[0]);
	}
	search->ncopied = 0;
	MemoryContextReset(search->copies);
}

/* Scores an entry, or puts it into the batch that is scored next. */
static inline void
score(VptreeSearch *search, BucketEntry entry)
{
	if (unlikely(search->copies != NULL))
	{
		copy_entry(search, entry);
		return;
	}
	search->entries[search->nbatch] = entry;
	search->values[search->nbatch] =
		bucket_read_value(search->index->relation, &search->index->shape, entry, search->scratch);
	search->nbatch++;
	if (search->nbatch == VPTREE_SCORE_BATCH || (entry->flags & BUCKET_ENTRY_WIDE) != 0)
		score_batch(search);
}

/* The entry at an offset of a bucket page, or NULL */
static inline BucketEntry
find_entry(VptreeSearch *search, Page page, BlockNumber blkno, OffsetNumber offset)
{
	ItemId id = PageGetItemId(page, offset);
	BucketEntry entry = (BucketEntry) ((char *) page + ItemIdGetOffset(id));

	if (likely(ItemIdIsNormal(id) && ItemIdGetLength(id) == search->usual_size &&
			   ItemIdGetOffset(id) % MAXIMUM_ALIGNOF == 0 &&
			   ItemIdGetOffset(id) + search->usual_size <= BLCKSZ - PAGE_SPECIAL_SIZE &&
			   memcmp(entry, &search->usual_header, sizeof(BucketEntryData)) == 0))
		return entry;
	return bucket_page_entry(search->index->relation, &search->index->shape, page, blkno, offset);
}

/* Scores those entries of a locked page that the filter finds near enough. */
static void
read_page(VptreeSearch *search, Buffer buffer, VptreeFilter *filter)
{
	Page page = BufferGetPage(buffer);
	BlockNumber blkno = BufferGetBlockNumber(buffer);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	float reach = filter->gap;
	float scored = filter->scored_gap;
	float smallest = filter->smallest;
	uint32 smallest_squares = filter->smallest_squares;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		BucketEntry entry = find_entry(search, page, blkno, offset);
		float gap;
		uint32 squares;

		if (offset + PREFETCH_ENTRIES <= last)
			__builtin_prefetch((char *) page +
							   ItemIdGetOffset(PageGetItemId(page, offset + PREFETCH_ENTRIES)));
		if (entry == NULL)
			continue;
		squares = vptree_filter_squares(filter, bucket_entry_extra(entry));
		gap = vptree_filter_gap(filter, bucket_entry_extra(entry));
		if (squares > filter->squares)
			smallest_squares = Min(smallest_squares, squares);
		else if (gap > reach)
			smallest = Min(smallest, gap);
		else if (gap > scored || squares > filter->scored_squares)
			score(search, entry);
	}
	filter->smallest = smallest;
	filter->smallest_squares = smallest_squares;
	search->compared += last;
	score_batch(search);
}

/* Scores what is near enough in a bucket; if anything is left, the bucket goes on waiting. */
static void
open_bucket(VptreeSearch *search, VptreeBranch *branch, float bound)
{
	Relation relation = search->index->relation;
	float reach = reach_of(search, bound);
	VptreeFilter filter;
	Buffer buffer;
	Buffer next;

	vptree_init_filter(search, branch, reach, &filter);
	if (!bucket_lock_head(relation, branch->child.block, branch->child.number, BUFFER_LOCK_SHARE,
						  &buffer))
	{
		look_anew(search, branch);
		return;
	}
	search->buckets++;
	search->leaves--;
	read_page(search, buffer, &filter);
	while (bucket_lock_next(relation, buffer, BUFFER_LOCK_SHARE, &next))
	{
		UnlockReleaseBuffer(buffer);
		buffer = next;
		read_page(search, buffer, &filter);
	}
	UnlockReleaseBuffer(buffer);
	if (search->copies != NULL)
		score_copies(search);
	if (filter.smallest < INFINITY || filter.smallest_squares < TREE_ALL_SQUARES)
	{
		bound = vptree_filter_bound(search, &filter);
		branch->scored = reach;
		push_branch(search, branch, Max(bound, nextafterf(reach, INFINITY)));
	}
}

/* ----------------------------------------------------------------- nodes */

/* More nodes than the index has can only be a circle, unless it has grown by now. */
static void
check_for_circle(VptreeSearch *search)
{
	Relation relation = search->index->relation;

	search->max_nodes =
		search->nodes_before + (int64) RelationGetNumberOfBlocks(relation) * NODES_PER_PAGE;
	if (search->nodes > search->max_nodes)
		vptree_report_circle(search->index);
}

/*
 * The node of a child, or NULL if it has gone; *buffer has the page of the last one locked, or is
 * invalid.
 */
static VptreeNode
go_to_node(VptreeSearch *search, const VptreeChild *child, Buffer *buffer)
{
	if (unlikely(++search->nodes > search->max_nodes))
		check_for_circle(search);
	if (BufferIsValid(*buffer))
	{
		if (BufferGetBlockNumber(*buffer) == child->block)
			return vptree_check_node(search->index, child, buffer);
		UnlockReleaseBuffer(*buffer);
	}
	return vptree_lock_node(search->index, child, buffer);
}

/* Asks for the memory that opening a child will touch first. */
static inline void
prefetch_child(VptreeSearch *search, const VptreeChild *child)
{
	Relation relation = search->index->relation;
	const char *page = recent_address(relation, child->block);

	if (page == NULL)
		return;
	recent_prefetch_pin(relation, child->block);
	__builtin_prefetch(page);
	__builtin_prefetch(page + BLCKSZ - PAGE_SPECIAL_SIZE);
}

/*
 * Leads a branch from a node down to the bucket on the query's side; the other
 * sides on the way join the queue.  False: a node on the way has gone, which it leads to then.
 */
static bool
descend(VptreeSearch *search, VptreeBranch *branch, float bound)
{
	Buffer buffer = InvalidBuffer;

	do
	{
		VptreeNode node = go_to_node(search, &branch->child, &buffer);
		VptreeBranch far = {.scored = -INFINITY};
		VptreeSides sides;
		uint32 opened;
		int nearer;

		if (unlikely(node == NULL))
			return false;
		node = leave_page(search, node, &buffer);
		vptree_bound_sides(search, node, branch->ancestor, &sides);
		opened = note_opened(search, branch);
		nearer = sides.nearer;
		far.child = nearer == 0 ? node->right : node->left;
		far.origin = vptree_origin(opened, 1 - nearer);
		far.ancestor = sides.ancestor[1 - nearer];
		push_branch(search, &far, Max(bound, sides.bound[1 - nearer]));
		branch->child = nearer == 0 ? node->left : node->right;
		if (!BufferIsValid(buffer) || branch->child.block != BufferGetBlockNumber(buffer))
			prefetch_child(search, &branch->child);
		branch->origin = vptree_origin(opened, nearer);
		branch->ancestor = sides.ancestor[nearer];
	} while (branch->child.block != InvalidBlockNumber && !vptree_child_is_bucket(&branch->child));
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
	return true;
}

/* Opens the branch with the smallest bound. */
static void
open_next(VptreeSearch *search)
{
	PoolEntry next = entry_heap_pop(search->queue, search->nqueue--);
	VptreeBranch branch = search->branches[next.id];

	if (unlikely(search->looked_anew) && is_outdated(search, &branch))
		return;
	if (search->nqueue > 0)
		prefetch_child(search, &search->branches[search->queue[0].id].child);
	if (!vptree_child_is_bucket(&branch.child) && !descend(search, &branch, next.key))
		look_anew(search, &branch);
	else if (branch.child.block != InvalidBlockNumber)
		open_bucket(search, &branch, next.key);
}

/* Is it the turn of the nearest row that waits? */
static inline bool
is_ready(const VptreeSearch *search, bool can_open)
{
	float key = search->nwaiting > 0 ? search->waiting[0].key : INFINITY;

	if (search->nwaiting == 0 || !can_open)
		return search->nwaiting > 0;
	if (search->holds)
		key = search->nnearest == search->ahead ? -search->nearest[0].key : INFINITY;
	return key <= search->queue[0].key;
}

bool
vptree_search_next(VptreeSearch *search, PoolEntry *entry)
{
	for (;;)
	{
		bool can_open =
			search->nqueue > 0 && search->leaves > 0 && search->distances < search->max_distances;

		if (is_ready(search, can_open))
		{
			*entry = entry_heap_pop(search->waiting, search->nwaiting--);
			note_taken(search);
			return true;
		}
		if (!can_open)
			return false;
		CHECK_FOR_INTERRUPTS();
		open_next(search);
	}
}
