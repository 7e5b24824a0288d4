/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Trees from memory to pages.
 *
 * Leaves become buckets, in the order of the tree.  A build packs the nodes so
 * that several levels share a page; a split adds its few nodes to the page that
 * takes new ones, children before parents.  README, "Structure on disk".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "access/build.h"
#include "storage/free_pages.h"
#include "storage/value_pages.h"
#include "vptree/vptree.h"

/* Nodes on a page, at most */
#define MAX_PAGE_NODES (BUCKET_PAGE_ROOM / BUCKET_ENTRY_ROOM(sizeof(VptreeNodeData)))

/*
 * A page this full is given up when the next subtree would fit an empty one but
 * not what is left of it.
 */
#define FULL_SHARE 0.75

/* The nodes of a tree on their way to pages */
typedef struct NodeWriter
{
	VptreeIndex *index;
	const Tree *tree;
	const GraphValues *values;
	const VptreeSubtree *leaves;
	BlockNumber near;	 /* page of nodes to which they are to go, or InvalidBlockNumber */
	uint32 *order;		 /* nodes from the root downwards, level by level */
	VptreeSubtree *done; /* by node: what hangs under it; `root` once it is placed */
} NodeWriter;

/* What a child is: a leaf, or a node whose subtree is known */
static const VptreeSubtree *
subtree_of(const NodeWriter *writer, uint32 child)
{
	if (child & TREE_LEAF)
		return &writer->leaves[child & ~TREE_LEAF];
	return &writer->done[child];
}

static bool
has_pivots(const VptreeIndex *index)
{
	return index->meta.partition == TREE_VP;
}

/* Bytes of a node's pivot, and of the node */
static Size
pivot_size(const NodeWriter *writer, uint32 number)
{
	if (!has_pivots(writer->index))
		return 0;
	return index_space_size(&writer->index->space,
							graph_value(writer->values, writer->tree->nodes[number].pivot));
}

static Size
node_size(const NodeWriter *writer, uint32 number)
{
	return vptree_node_size(pivot_size(writer, number));
}

/* Puts the nodes in order and counts what hangs under each. */
static void
survey(NodeWriter *writer)
{
	const Tree *tree = writer->tree;
	uint32 n = 0;

	writer->order = palloc_extended(tree->nnodes * sizeof(uint32), MCXT_ALLOC_HUGE);
	writer->done = palloc_extended(tree->nnodes * sizeof(VptreeSubtree), MCXT_ALLOC_HUGE);
	writer->order[n++] = tree->root;
	for (uint32 i = 0; i < n; i++)
	{
		const TreeNode *node = &tree->nodes[writer->order[i]];

		if ((node->left & TREE_LEAF) == 0)
			writer->order[n++] = node->left;
		if ((node->right & TREE_LEAF) == 0)
			writer->order[n++] = node->right;
	}
	Assert(n == tree->nnodes);
	for (uint32 i = n; i-- > 0;)
	{
		const TreeNode *node = &tree->nodes[writer->order[i]];
		const VptreeSubtree *left = subtree_of(writer, node->left);
		const VptreeSubtree *right = subtree_of(writer, node->right);
		VptreeSubtree *all = &writer->done[writer->order[i]];

		all->nodes = left->nodes + right->nodes + 1;
		all->buckets = left->buckets + right->buckets;
		all->depth = Max(left->depth, right->depth) + 1;
	}
}

/*
 * The item of a node in palloc'ed memory.  Its children have their places.  A
 * pivot too large for it is written to pages of its own, unless a build has done
 * so: then those are wide[].
 */
static VptreeNode
make_node(const NodeWriter *writer, uint32 number, const BlockNumber *wide)
{
	VptreeIndex *index = writer->index;
	const TreeNode *from = &writer->tree->nodes[number];
	Size value_size = pivot_size(writer, number);
	VptreeNode node = palloc0(vptree_node_size(value_size));

	node->left = subtree_of(writer, from->left)->root;
	node->right = subtree_of(writer, from->right)->root;
	node->radius = from->radius;
	if (!has_pivots(index))
	{
		node->dimension = from->pivot;
		return node;
	}
	node->value_size = value_size;
	if (value_size <= BUCKET_MAX_INLINE_VALUE)
		memcpy(VPTREE_NODE_VALUE(node), graph_value(writer->values, from->pivot), value_size);
	else if (wide != NULL)
		memcpy(VPTREE_NODE_VALUE(node), wide, bucket_inline_size(value_size));
	else
		value_pages_write(index->relation, VPTREE_FREE_PAGES, index->building,
						  graph_value(writer->values, from->pivot), value_size,
						  (BlockNumber *) VPTREE_NODE_VALUE(node));
	return node;
}

static OffsetNumber
put_node(VptreeIndex *index, Page page, VptreeNode node, Size size)
{
	OffsetNumber offset = PageAddItem(page, (Item) node, size, InvalidOffsetNumber, false, false);

	if (offset == InvalidOffsetNumber)
		elog(ERROR, "could not add a node to index \"%s\"",
			 RelationGetRelationName(index->relation));
	return offset;
}

/* Where a build puts its nodes: `order` becomes the order of pages. */
typedef struct NodePlan
{
	NodeWriter *writer;
	BlockNumber block; /* page at hand */
	uint32 used;	   /* nodes on it, */
	Size used_room;	   /* and the room that they take, */
	Size usual_room;   /* and that one takes, usually */
	uint32 placed;	   /* nodes in all */
	uint32 *roots;	   /* subtrees that are still to be placed, a queue */
	uint32 nroots;
	uint32 fringe[2 * MAX_PAGE_NODES + 1]; /* of the subtree at hand, level by level */
} NodePlan;

static void
place_node(NodePlan *plan, uint32 number)
{
	VptreeChild *place = &plan->writer->done[number].root;

	place->block = plan->block;
	place->offset = FirstOffsetNumber + plan->used++;
	place->number = 0;
	plan->used_room += BUCKET_ENTRY_ROOM(node_size(plan->writer, number));
	plan->writer->order[plan->placed++] = number;
}

static bool
has_room(const NodePlan *plan, uint32 number)
{
	return plan->used_room + BUCKET_ENTRY_ROOM(node_size(plan->writer, number)) <= BUCKET_PAGE_ROOM;
}

/* Places a subtree, as much of it as has room; what hangs under that is a root of its own. */
static void
place_subtree(NodePlan *plan, uint32 root)
{
	const Tree *tree = plan->writer->tree;
	uint32 n = 0;
	uint32 next = 0;

	plan->fringe[n++] = root;
	while (next < n && has_room(plan, plan->fringe[next]))
	{
		uint32 number = plan->fringe[next++];
		const TreeNode *node = &tree->nodes[number];

		place_node(plan, number);
		if ((node->left & TREE_LEAF) == 0)
			plan->fringe[n++] = node->left;
		if ((node->right & TREE_LEAF) == 0)
			plan->fringe[n++] = node->right;
	}
	while (next < n)
		plan->roots[plan->nroots++] = plan->fringe[next++];
}

/* Is the page at hand to be left for the next one, which a subtree fits? */
static bool
is_page_done(const NodePlan *plan, uint32 root)
{
	Size room = plan->writer->done[root].nodes * plan->usual_room;

	if (!has_room(plan, root))
		return true;
	return plan->used_room + room > BUCKET_PAGE_ROOM && room <= BUCKET_PAGE_ROOM &&
		   plan->used_room >= BUCKET_PAGE_ROOM * FULL_SHARE;
}

/* Gives every node its place, from block `first` on. */
static void
plan_nodes(NodeWriter *writer, BlockNumber first)
{
	NodePlan *plan = palloc0(sizeof(NodePlan));

	plan->writer = writer;
	plan->usual_room = BUCKET_ENTRY_ROOM(
		vptree_node_size(has_pivots(writer->index) ? writer->index->space.usual_size : 0));
	plan->block = first;
	plan->roots = palloc_extended(writer->tree->nnodes * sizeof(uint32), MCXT_ALLOC_HUGE);
	plan->roots[plan->nroots++] = writer->tree->root;
	for (uint32 i = 0; i < plan->nroots; i++)
	{
		if (is_page_done(plan, plan->roots[i]))
		{
			plan->block++;
			plan->used = 0;
			plan->used_room = 0;
		}
		place_subtree(plan, plan->roots[i]);
	}
	Assert(plan->placed == writer->tree->nnodes);
	pfree(plan->roots);
	pfree(plan);
}

/* Writes the pivots that are too large for their nodes; NULL if there are none. */
static BlockNumber *
write_wide_pivots(const NodeWriter *writer)
{
	VptreeIndex *index = writer->index;
	uint32 pieces = value_pages_of(index->space.encoded_size);
	BlockNumber *blocks;

	if (!has_pivots(index) || index->space.encoded_size <= BUCKET_MAX_INLINE_VALUE)
		return NULL;
	blocks = palloc_extended((Size) writer->tree->nnodes * pieces * sizeof(BlockNumber),
							 MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < writer->tree->nnodes; i++)
	{
		Size value_size = pivot_size(writer, i);

		CHECK_FOR_INTERRUPTS();
		if (value_size > BUCKET_MAX_INLINE_VALUE)
			value_pages_write(index->relation, VPTREE_FREE_PAGES, true,
							  graph_value(writer->values, writer->tree->nodes[i].pivot), value_size,
							  blocks + (Size) i * pieces);
	}
	return blocks;
}

/* Writes the nodes of one page, from writer->order[*next] on. */
static void
write_node_page(const NodeWriter *writer, const BlockNumber *wide, uint32 *next)
{
	VptreeIndex *index = writer->index;
	uint32 pieces = value_pages_of(index->space.encoded_size);
	Buffer buffer = free_page_take(index->relation, VPTREE_FREE_PAGES, PAGE_NODES, true);
	BlockNumber block = BufferGetBlockNumber(buffer);

	for (; *next < writer->tree->nnodes; (*next)++)
	{
		uint32 number = writer->order[*next];
		const VptreeChild *place = &writer->done[number].root;
		VptreeNode node;

		if (place->block != block)
			break;
		node = make_node(writer, number, wide == NULL ? NULL : wide + (Size) number * pieces);
		if (put_node(index, BufferGetPage(buffer), node, node_size(writer, number)) !=
			place->offset)
			elog(ERROR, "node is not where it was planned");
		pfree(node);
	}
	index->meta.node_block = block;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

static void
write_packed(NodeWriter *writer)
{
	BlockNumber *wide = write_wide_pivots(writer);
	uint32 next = 0;

	plan_nodes(writer, RelationGetNumberOfBlocks(writer->index->relation));
	while (next < writer->tree->nnodes)
	{
		CHECK_FOR_INTERRUPTS();
		write_node_page(writer, wide, &next);
	}
	if (wide != NULL)
		pfree(wide);
}

/* The place of a node of so many bytes on a page that may be used again, or 0 */
static OffsetNumber
find_dead(VptreeIndex *index, Page page, Size size)
{
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		VptreeNode node = vptree_find_node(index, page, offset);

		if (node != NULL && (node->flags & VPTREE_NODE_DEAD) != 0 &&
			vptree_node_size(node->value_size) == size)
			return offset;
	}
	return InvalidOffsetNumber;
}

/* Locks a page of nodes exclusively if it has room for one: the place of a dead one, or 0. */
static bool
lock_page_with_room(VptreeIndex *index, BlockNumber block, Size size, Buffer *buffer,
					OffsetNumber *dead)
{
	Page page;

	if (block == InvalidBlockNumber)
		return false;
	*buffer = ReadBuffer(index->relation, block);
	LockBuffer(*buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(*buffer);
	if (page_is(page, PAGE_NODES))
	{
		*dead = find_dead(index, page, size);
		if (*dead != InvalidOffsetNumber || PageGetFreeSpace(page) >= MAXALIGN(size))
			return true;
	}
	UnlockReleaseBuffer(*buffer);
	return false;
}

/*
 * A page with room for a node, locked exclusively: the one that is preferred, the one
 * that takes new nodes, else a fresh one, which takes them from then on.
 */
static Buffer
lock_node_page(const NodeWriter *writer, Size size, OffsetNumber *dead, bool *fresh)
{
	VptreeIndex *index = writer->index;
	Buffer buffer;

	*fresh = false;
	*dead = InvalidOffsetNumber;
	if (lock_page_with_room(index, writer->near, size, &buffer, dead) ||
		lock_page_with_room(index, index->meta.node_block, size, &buffer, dead))
		return buffer;
	*fresh = true;
	buffer = free_page_take(index->relation, VPTREE_FREE_PAGES, PAGE_NODES, false);
	index->meta.node_block = BufferGetBlockNumber(buffer);
	return buffer;
}

/* Puts a node into the place of a dead one on a copy of its page. */
static void
replace_node(VptreeNode dead, VptreeNode node, Size size)
{
	node->flags = VPTREE_NODE_FLAGS(VPTREE_NODE_NUMBER(dead) + 1);
	memcpy(dead, node, size);
}

/* Gives the value pages of a node's pivot back, if it has any. */
static void
free_pivot(VptreeIndex *index, VptreeNode node)
{
	if (node->value_size > BUCKET_MAX_INLINE_VALUE)
		free_pages_give(index->relation, VPTREE_FREE_PAGES, PAGE_VALUE,
						(BlockNumber *) VPTREE_NODE_VALUE(node), value_pages_of(node->value_size),
						NULL);
}

/*
 * Adds a node, to which nothing points yet, in a record of its own.  If it takes the place of a
 * dead one, whoever comes to that notices by the number.
 */
static VptreeChild
add_node(const NodeWriter *writer, uint32 number)
{
	VptreeIndex *index = writer->index;
	VptreeNode node = make_node(writer, number, NULL);
	VptreeNode before = NULL;
	VptreeChild place = {0};
	PageChange change;
	bool fresh;
	Size size = node_size(writer, number);
	Buffer buffer = lock_node_page(writer, size, &place.offset, &fresh);
	Page page;

	place.block = BufferGetBlockNumber(buffer);
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, buffer, fresh);
	if (place.offset != InvalidOffsetNumber)
	{
		VptreeNode dead = vptree_find_node(index, page, place.offset);

		before = memcpy(palloc(size), dead, size);
		replace_node(dead, node, size);
	}
	else
		place.offset = put_node(index, page, node, size);
	place.number = VPTREE_NODE_NUMBER(node);
	page_change_finish(&change);
	if (before != NULL)
		free_pivot(index, before);
	pfree(node);
	return place;
}

/* vptree_write_nodes(), and outside a build preferably to the page of nodes `near` */
static VptreeSubtree
write_nodes(VptreeIndex *index, const Tree *tree, const GraphValues *values,
			const VptreeSubtree *leaves, BlockNumber near)
{
	NodeWriter writer = {
		.index = index, .tree = tree, .values = values, .leaves = leaves, .near = near};
	VptreeSubtree result;

	if (tree->root & TREE_LEAF)
		return *subtree_of(&writer, tree->root);
	survey(&writer);
	if (index->building)
		write_packed(&writer);
	else
	{
		for (uint32 i = tree->nnodes; i-- > 0;)
			writer.done[writer.order[i]].root = add_node(&writer, writer.order[i]);
	}
	result = writer.done[tree->root];
	pfree(writer.order);
	pfree(writer.done);
	return result;
}

VptreeSubtree
vptree_write_nodes(VptreeIndex *index, const Tree *tree, const GraphValues *values,
				   const VptreeSubtree *leaves)
{
	return write_nodes(index, tree, values, leaves, InvalidBlockNumber);
}

/* The entry of the item at a place of tree->items */
static BucketEntry
make_entry(VptreeIndex *index, const Tree *tree, const VptreeEntries *entries, uint32 place,
		   int npath, Size *size)
{
	int path_length = index->meta.path_length;
	union
	{
		float path[TREE_MAX_PATH];
		char bytes[VPTREE_MAX_EXTRA];
	} extra = {0};
	ItemPointerData tids[BUCKET_MAX_TIDS];
	int ntids = entries->tids(entries->arg, place, tids);
	const void *value = graph_value(entries->values, tree->items[place]);

	Assert(npath <= path_length && path_length <= TREE_MAX_PATH);
	if (npath > 0)
		memcpy(extra.path, tree->paths + (Size) place * tree->params.path_length,
			   npath * sizeof(float));
	if (entries->nabove > 0 && npath < path_length)
	{
		int n = Min(entries->nabove, path_length - npath);

		memcpy(extra.path + npath, entries->above(entries->arg, place, n), n * sizeof(float));
	}
	if (index->meta.num_pivot > 0)
		entries->codes(entries->arg, place, vptree_extra_codes(&index->meta, extra.bytes));
	return bucket_make_entry(index->relation, &index->shape, VPTREE_FREE_PAGES, index->building,
							 extra.bytes, value, index_space_size(&index->space, value), tids,
							 ntids, size);
}

static void
write_leaf(VptreeIndex *index, const Tree *tree, const VptreeEntries *entries, const TreeLeaf *leaf,
		   VptreeSubtree *result)
{
	BucketEntry *made = palloc(Max(leaf->n, 1) * sizeof(BucketEntry));
	Size *sizes = palloc(Max(leaf->n, 1) * sizeof(Size));

	for (uint32 i = 0; i < leaf->n; i++)
		made[i] = make_entry(index, tree, entries, leaf->first + i, leaf->npath, &sizes[i]);
	memset(result, 0, sizeof(*result));
	result->buckets = 1;
	result->root.block = bucket_write(index->relation, VPTREE_FREE_PAGES, index->building, made,
									  sizes, leaf->n, 1.0, &result->root.number);
	for (uint32 i = 0; i < leaf->n; i++)
		pfree(made[i]);
	pfree(made);
	pfree(sizes);
}

VptreeSubtree
vptree_write_tree(VptreeIndex *index, const Tree *tree, const VptreeEntries *entries,
				  BlockNumber near)
{
	VptreeSubtree *leaves = palloc_extended(tree->nleaves * sizeof(VptreeSubtree), MCXT_ALLOC_HUGE);
	VptreeSubtree result;

	for (uint32 i = 0; i < tree->nleaves; i++)
	{
		CHECK_FOR_INTERRUPTS();
		write_leaf(index, tree, entries, &tree->leaves[i], &leaves[i]);
	}
	result = write_nodes(index, tree, entries->values, leaves, near);
	pfree(leaves);
	return result;
}
