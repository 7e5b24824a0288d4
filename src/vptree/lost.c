/*-------------------------------------------------------------------------
 *
 * lost.c
 *	  Gives back the pages of a vptree index that nothing leads to.
 *
 * A crash, or an error, between two records of an insert or of a rebuild leaves
 * pages and nodes that were written for nothing, or that nothing points to any
 * more.  Vacuum counts what it comes by; if that is more than there should be,
 * it looks for what the tree leads to, and the rest is lost.  README, "Lost
 * pages".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/vacuum.h"

#include "access/compat.h"
#include "access/vacuum.h"
#include "storage/free_pages.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

#define FIRST_CAPACITY 64

/* Pages that are given back at a time */
#define BATCH 60

/* In LostPages.kinds, beside the kind: something leads to the page */
#define MET 0x80

typedef struct LostPages
{
	VptreeIndex *index;
	BlockNumber nblocks;
	uint8 *kinds;		/* by block: the PageKind that was seen, and MET */
	uint32 *first_node; /* by block: before the place in `reached` of a node page's first node */
	bool *reached;		/* nodes that the tree leads to */
	uint32 nplaces;		/* of nodes, on all pages */
	uint32 capacity;
	VptreeChild *children; /* what is to be looked at, a stack */
	uint32 nchildren;
	uint32 child_capacity;
	uint32 nodes; /* so many were met */
	uint32 buckets;
} LostPages;

/* --------------------------------------------------------------- counting */

/* Is it a page of nodes on which there has never been one?  The next one is put elsewhere. */
static bool
is_never_used(const VptreeIndex *index, Page page, BlockNumber block)
{
	return page_is(page, PAGE_NODES) && PageGetMaxOffsetNumber(page) == 0 &&
		   block != index->meta.node_block;
}

/* Counts what the items of a bucket page, or of a page of nodes, own. */
static void
count_items(VptreeIndex *index, Page page, BlockNumber block, VptreePageCounts *counts)
{
	bool is_bucket = page_is(page, PAGE_BUCKET);

	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		VptreeNode node = is_bucket ? NULL : vptree_find_node(index, page, offset);
		BucketEntry entry =
			is_bucket ? bucket_page_entry(index->relation, &index->shape, page, block, offset)
					  : NULL;

		if (entry != NULL && (entry->flags & BUCKET_ENTRY_WIDE) != 0)
			counts->owned += value_pages_of(entry->value_size);
		if (node != NULL && node->value_size > BUCKET_MAX_INLINE_VALUE)
			counts->owned += value_pages_of(node->value_size);
		counts->nodes += node != NULL && (node->flags & VPTREE_NODE_DEAD) == 0;
	}
}

/*
 * Pages that have been changed since vacuum began may be of an insert that has not linked them
 * yet: they are not counted, but what they own is.
 */
static void
count_locked(VptreeIndex *index, Page page, BlockNumber block, VptreePageCounts *counts)
{
	bool is_old = PageGetLSN(page) <= counts->begin;
	PageSpecial special;

	if (PageIsNew(page))
	{
		counts->useless++;
		return;
	}
	special = PageGetSpecial(page);
	if (page_is(page, PAGE_VALUE))
		counts->values += is_old;
	counts->useless += is_never_used(index, page, block);
	if (page_is(page, PAGE_BUCKET))
	{
		counts->heads += special->nslots == 0 && (is_old || PageGetMaxOffsetNumber(page) > 0);
		counts->further += special->nslots > 0 && is_old;
		counts->links += special->next != InvalidBlockNumber;
	}
	if (page_is(page, PAGE_BUCKET) || page_is(page, PAGE_NODES))
		count_items(index, page, block, counts);
}

void
vptree_count_page(VptreeIndex *index, BlockNumber block, BufferAccessStrategy strategy,
				  VptreePageCounts *counts)
{
	Buffer buffer = ReadBufferExtended(index->relation, MAIN_FORKNUM, block, RBM_NORMAL, strategy);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	count_locked(index, BufferGetPage(buffer), block, counts);
	UnlockReleaseBuffer(buffer);
}

/* Value pages that hold the pivots of the pivot table */
static uint32
count_pivot_pages(const VptreeIndex *index)
{
	return index->meta.num_pivot > 0 ? value_pages_of(vptree_pivots_size(index)) : 0;
}

bool
vptree_has_lost_pages(const VptreeIndex *index, const VptreePageCounts *counts)
{
	return counts->heads > index->meta.buckets || counts->nodes > index->meta.nodes ||
		   counts->further > counts->links ||
		   counts->values > counts->owned + count_pivot_pages(index) || counts->useless > 0;
}

/* ---------------------------------------------------------------- looking */

static void
meet_pages(LostPages *lost, const BlockNumber *blocks, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (blocks[i] < lost->nblocks)
			lost->kinds[blocks[i]] |= MET;
	}
}

/* Makes room for the nodes of a page of which none has been reached, and meets their values. */
static void
note_nodes(LostPages *lost, Page page, BlockNumber block)
{
	uint32 n = PageGetMaxOffsetNumber(page);

	if (lost->nplaces + n > lost->capacity)
	{
		lost->capacity = 2 * (lost->nplaces + n);
		lost->reached = repalloc_huge(lost->reached, lost->capacity * sizeof(bool));
	}
	memset(lost->reached + lost->nplaces, 0, n * sizeof(bool));
	lost->first_node[block] = lost->nplaces;
	lost->nplaces += n;
	for (OffsetNumber offset = FirstOffsetNumber; offset <= n; offset++)
	{
		VptreeNode node = vptree_find_node(lost->index, page, offset);

		if (node != NULL && node->value_size > BUCKET_MAX_INLINE_VALUE)
			meet_pages(lost, (BlockNumber *) VPTREE_NODE_VALUE(node),
					   value_pages_of(node->value_size));
	}
}

/* Notes of what kind a page is now.  Nothing need lead to a page of nodes. */
static bool
note_page(void *arg, BlockNumber block)
{
	LostPages *lost = (LostPages *) arg;
	Buffer buffer;
	Page page;

	if (block >= lost->nblocks)
		return false;
	buffer = ReadBuffer(lost->index->relation, block);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (PageIsNew(page))
		lost->kinds[block] |= PAGE_NEW;
	else if (page_is(page, PAGE_BUCKET) || page_is(page, PAGE_VALUE) ||
			 is_never_used(lost->index, page, block))
		lost->kinds[block] |= PageGetSpecial(page)->kind;
	else if (page_is(page, PAGE_NODES))
	{
		lost->kinds[block] |= PAGE_NODES | MET;
		note_nodes(lost, page, block);
	}
	else
		lost->kinds[block] |= MET;
	UnlockReleaseBuffer(buffer);
	return true;
}

static void
push_child(LostPages *lost, VptreeChild child)
{
	if (lost->nchildren == lost->child_capacity)
	{
		lost->child_capacity *= 2;
		lost->children = repalloc_huge(lost->children, lost->child_capacity * sizeof(VptreeChild));
	}
	lost->children[lost->nchildren++] = child;
}

static void
meet_node(LostPages *lost, const VptreeChild *child)
{
	VptreeIndex *index = lost->index;
	Buffer buffer;
	VptreeNode node = vptree_lock_node(index, child, &buffer);

	if (unlikely(node == NULL))
		vptree_report_lost(index, child);
	if (unlikely(++lost->nodes > index->meta.nodes))
		vptree_report_circle(index);
	push_child(lost, node->left);
	push_child(lost, node->right);
	UnlockReleaseBuffer(buffer);
	meet_pages(lost, &child->block, 1);
	lost->reached[lost->first_node[child->block] + child->offset - FirstOffsetNumber] = true;
}

static void
meet_bucket_page(LostPages *lost, Buffer buffer)
{
	const BucketShape *shape = &lost->index->shape;
	BlockNumber block = BufferGetBlockNumber(buffer);
	Page page = BufferGetPage(buffer);

	meet_pages(lost, &block, 1);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		BucketEntry entry = bucket_page_entry(lost->index->relation, shape, page, block, offset);

		if (entry != NULL && (entry->flags & BUCKET_ENTRY_WIDE) != 0)
			meet_pages(lost, bucket_entry_value(shape, entry), value_pages_of(entry->value_size));
	}
}

/*
 * An insert that had taken a page for the bucket when kinds were noted has linked it by now: it
 * has the head locked from before the one until after the other.
 */
static void
meet_bucket(LostPages *lost, const VptreeChild *child)
{
	VptreeIndex *index = lost->index;
	Buffer buffer;
	bool more;

	if (unlikely(!bucket_lock_head(index->relation, child->block, child->number, BUFFER_LOCK_SHARE,
								   &buffer)))
		vptree_report_lost(index, child);
	lost->buckets++;
	do
	{
		Buffer next;

		meet_bucket_page(lost, buffer);
		more = bucket_lock_next(index->relation, buffer, BUFFER_LOCK_SHARE, &next);
		UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
}

/* Goes to all that the metapage leads to; false: that is not as much as it says, so nothing is certain. */
static bool
meet_all(LostPages *lost)
{
	const VptreeMeta *meta = &lost->index->meta;

	meet_pages(lost, meta->pivot_pages, count_pivot_pages(lost->index));
	if (meta->root.block != InvalidBlockNumber)
		push_child(lost, meta->root);
	while (lost->nchildren > 0)
	{
		VptreeChild child = lost->children[--lost->nchildren];

		vacuum_delay_point_compat();
		if (vptree_child_is_bucket(&child))
			meet_bucket(lost, &child);
		else
			meet_node(lost, &child);
	}
	return lost->nodes == meta->nodes && lost->buckets == meta->buckets;
}

/* ----------------------------------------------------------------- giving */

/* Gives back the pages of a kind that nothing leads to. */
static uint32
give_pages(LostPages *lost, PageKind kind)
{
	BlockNumber blocks[BATCH];
	uint32 given = 0;
	int n = 0;

	for (BlockNumber block = META_BLOCK + 1; block < lost->nblocks; block++)
	{
		if (lost->kinds[block] == (uint8) kind)
			blocks[n++] = block;
		if (n == BATCH || (block == lost->nblocks - 1 && n > 0))
		{
			free_pages_give(lost->index->relation, VPTREE_FREE_PAGES, kind, blocks, n, NULL);
			given += n;
			n = 0;
		}
	}
	return given;
}

/* Marks the nodes of a page that the tree does not lead to; returns how many it leads to. */
static uint32
mark_nodes(LostPages *lost, BlockNumber block)
{
	VptreeIndex *index = lost->index;
	const bool *reached = lost->reached + lost->first_node[block];
	Buffer buffer = recent_read(index->relation, block);
	PageChange change;
	uint32 nreached = 0;
	int marked = 0;
	Page page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, buffer, false);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		VptreeNode node = vptree_find_node(index, page, offset);

		nreached += reached[offset - FirstOffsetNumber];
		if (node == NULL || reached[offset - FirstOffsetNumber] ||
			(node->flags & VPTREE_NODE_DEAD) != 0)
			continue;
		node->flags |= VPTREE_NODE_DEAD;
		marked++;
	}
	if (marked > 0)
		page_change_finish(&change);
	else
		page_change_abort(&change);
	return nreached;
}

/* Has new nodes put to a page on which all are dead. */
static void
use_dead_page(VptreeIndex *index, BlockNumber block)
{
	PageChange change;
	VptreeMeta *meta = meta_begin_change(index->relation, false, &change);

	meta->node_block = block;
	page_change_finish(&change);
	index->meta.node_block = block;
}

/* Pages of nodes stay what they are, as somebody may be on the way to a node. */
static void
give_nodes(LostPages *lost)
{
	BlockNumber dead = InvalidBlockNumber;

	for (BlockNumber block = META_BLOCK + 1; block < lost->nblocks; block++)
	{
		if (lost->kinds[block] == (PAGE_NODES | MET) && mark_nodes(lost, block) == 0 &&
			(dead == InvalidBlockNumber || block == lost->index->meta.node_block))
			dead = block;
	}
	if (dead != InvalidBlockNumber && dead != lost->index->meta.node_block)
		use_dead_page(lost->index, dead);
}

uint32
vptree_free_lost_pages(VptreeIndex *index)
{
	LostPages lost = {.index = index,
					  .nblocks = RelationGetNumberOfBlocks(index->relation),
					  .capacity = FIRST_CAPACITY,
					  .child_capacity = FIRST_CAPACITY};
	uint32 given = 0;

	lost.kinds = palloc_extended(lost.nblocks, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	lost.first_node = palloc_extended(lost.nblocks * sizeof(uint32), MCXT_ALLOC_HUGE);
	lost.reached = palloc(FIRST_CAPACITY * sizeof(bool));
	lost.children = palloc(FIRST_CAPACITY * sizeof(VptreeChild));
	vacuum_each_page(index->relation, note_page, &lost);
	if (meet_all(&lost))
	{
		given += give_pages(&lost, PAGE_NEW) + give_pages(&lost, PAGE_VALUE);
		given += give_pages(&lost, PAGE_BUCKET) + give_pages(&lost, PAGE_NODES);
		give_nodes(&lost);
	}
	pfree(lost.kinds);
	pfree(lost.first_node);
	pfree(lost.reached);
	pfree(lost.children);
	return given;
}
