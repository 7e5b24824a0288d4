/*-------------------------------------------------------------------------
 *
 * check.c
 *	  ann_check() of a vptree index: metapage, pages, rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "storage/value_pages.h"
#include "vptree/check.h"

/* InspectMethod.check_meta */
bool
vptree_check_meta(CheckState *check)
{
	VptreeCheck *state = (VptreeCheck *) check->method_state;
	VptreeIndex *index = &state->index;
	const VptreeMeta *meta = &index->meta;

	state->check = check;
	index->relation = check->index;
	index->space = check->space;
	memcpy(&index->meta, check->meta, sizeof(VptreeMeta));
	if (meta->partition > TREE_KD)
		check_report_range(check, "partition", meta->partition, TREE_VP, TREE_KD);
	else if (meta->path_length > TREE_MAX_PATH)
		check_report_range(check, "path length", meta->path_length, 0, TREE_MAX_PATH);
	else if (meta->num_pivot > VPTREE_MAX_NUM_PIVOT)
		check_report_range(check, "number of pivots", meta->num_pivot, 0, VPTREE_MAX_NUM_PIVOT);
	else if (meta->header.dim > 0 &&
			 (meta->bucket_size < 1 || meta->bucket_size > VPTREE_MAX_BUCKET_SIZE))
		check_report_range(check, "bucket size", meta->bucket_size, 1, VPTREE_MAX_BUCKET_SIZE);
	else if (meta->header.dim == 0 && meta->root.block != InvalidBlockNumber)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage knows no dimensions, but the index has a tree");
	else
		return true;
	return false;
}

/* Makes the index ready to be looked at. */
static void
prepare(VptreeCheck *state)
{
	CheckState *check = state->check;
	uint64 nitems = 0;

	state->nodes = check_make_page();
	state->entries = check_make_page();
	vptree_use_meta(&state->index);
	state->first_item = check_allocate(((Size) check->nblocks + 1) * sizeof(uint32));
	for (BlockNumber block = 0; block < check->nblocks; block++)
	{
		state->first_item[block] = (uint32) nitems;
		nitems += check->blocks[block].nitems;
	}
	if (nitems >= PG_UINT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" is too large to be checked",
							   RelationGetRelationName(check->index))));
	state->first_item[check->nblocks] = (uint32) nitems;
	state->reached = check_allocate((nitems + 1) * sizeof(bool));
	state->use = check_allocate(check->nblocks);
}

/* Takes the pivots of the pivot table from their pages, if these are what they should be. */
static void
take_pivots(VptreeCheck *state)
{
	CheckState *check = state->check;
	const VptreeMeta *meta = &state->index.meta;
	Size size = vptree_pivots_size(&state->index);
	char *memory;

	if (meta->num_pivot == 0)
		return;
	if (!(meta->pivot_unit > 0 && isfinite(meta->pivot_unit)) || size == 0 ||
		size > VPTREE_PIVOT_ROOM)
	{
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage says the pivot table has %u pivots and a unit of %g",
					 meta->num_pivot, meta->pivot_unit);
		return;
	}
	memory = palloc(size);
	if (!check_gather_bytes(check, meta->pivot_pages, size, "pivot table", memory, USE_PIVOTS,
							state->use))
		return;
	if (!vptree_use_pivots(&state->index, memory, CurrentMemoryContext))
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "a pivot of the pivot table is none of the column's type");
}

/* The line pointer of an owner */
static void
find_owner(const VptreeCheck *state, uint32 owner, BlockNumber *block, OffsetNumber *offset)
{
	BlockNumber low = 0;
	BlockNumber high = state->check->nblocks;

	/* the last block whose first line pointer is no later */
	while (low + 1 < high)
	{
		BlockNumber middle = low + (high - low) / 2;

		if (state->first_item[middle] < owner)
			low = middle;
		else
			high = middle;
	}
	*block = low;
	*offset = (OffsetNumber) (owner - state->first_item[low]);
}

/* InspectMethod.name_owner */
BlockNumber
vptree_name_owner(CheckState *check, uint32 owner, char *name)
{
	VptreeCheck *state = (VptreeCheck *) check->method_state;
	BlockNumber block;
	OffsetNumber offset;

	find_owner(state, owner, &block, &offset);
	snprintf(name, CHECK_NAME_SIZE, "%s (%u,%u)",
			 check_block_is(check, block, PAGE_NODES) ? "node" : "entry", block, offset);
	return block;
}

/* What the metapage says of the tree against what was found.  A crash of vacuum leaves
 * it with retired buckets that are there no more. */
static void
check_counts(VptreeCheck *state)
{
	CheckState *check = state->check;
	const VptreeMeta *meta = &state->index.meta;

	if (meta->nodes != state->nnodes)
		check_report_field(check, "number of nodes", meta->nodes, state->nnodes);
	if (meta->buckets != state->nbuckets)
		check_report_field(check, "number of buckets", meta->buckets, state->nbuckets);
	if (meta->max_depth < Min(state->max_depth, PG_UINT16_MAX))
		check_report_field(check, "depth", meta->max_depth, state->max_depth);
	if (meta->retired != state->nretired)
		check_report(check, meta->retired < state->nretired ? CHECK_ERROR : CHECK_NOTE, META_BLOCK,
					 NULL, "metapage says %u buckets are retired, but %u are", meta->retired,
					 state->nretired);
	if (meta->node_block != InvalidBlockNumber &&
		!check_block_is(check, meta->node_block, PAGE_NODES))
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "block %u, which is to take new nodes, is no page of nodes", meta->node_block);
}

/*
 * Each bucket that rests is a retired one.  A crash of a rebuild may leave one that was to be
 * retired and is not in the tree any more: it has been reported already.
 */
static void
check_resting(VptreeCheck *state)
{
	CheckState *check = state->check;
	const VptreeMeta *meta = &state->index.meta;

	if (meta->nresting > VPTREE_MAX_RESTING || meta->nresting > meta->retired)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage says %u retired buckets rest, of %u", meta->nresting, meta->retired);
	for (uint32 i = 0; i < Min(meta->nresting, VPTREE_MAX_RESTING); i++)
	{
		BlockNumber block = meta->resting[(meta->oldest + i) % VPTREE_MAX_RESTING];

		if (!check_block_is(check, block, PAGE_BUCKET) ||
			(!check->blocks[block].retired && state->use[block] != 0))
			check_report(check, CHECK_ERROR, META_BLOCK, NULL,
						 "block %u is to rest, but begins no retired bucket", block);
	}
}

/*
 * Nodes that nothing leads to: those of subtrees that others have replaced, and what a
 * rebuild leaves that was not finished.
 */
static void
check_unreached(VptreeCheck *state, BlockNumber block)
{
	CheckState *check = state->check;
	int unreached = 0;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= check->blocks[block].nitems; offset++)
	{
		uint32 owner = vptree_check_owner(state, block, offset);
		VptreeNode node =
			vptree_find_node(&state->index, check_page(check, state->nodes, block), offset);

		if (state->reached[owner])
			continue;
		if (node == NULL || (node->flags & VPTREE_NODE_DEAD) == 0)
			unreached++;
		else if (node->value_size > BUCKET_MAX_INLINE_VALUE)
			(void) check_gather_value(check, (const BlockNumber *) VPTREE_NODE_VALUE(node),
									  node->value_size, owner, true);
	}
	if (unreached > 0)
		check_report(check, CHECK_NOTE, block, NULL, "%d nodes are not in the tree", unreached);
}

/* Each page is used for what its kind says, or free and in the chain. */
static void
check_uses(VptreeCheck *state)
{
	CheckState *check = state->check;

	/* first, since value pages may be theirs */
	for (BlockNumber block = META_BLOCK + 1; block < check->nblocks; block++)
	{
		if (check_block_is(check, block, PAGE_NODES))
			check_unreached(state, block);
	}
	for (BlockNumber block = META_BLOCK + 1; block < check->nblocks; block++)
	{
		const CheckBlock *known = &check->blocks[block];

		switch ((PageKind) known->kind)
		{
			case PAGE_NODES:
				break;
			case PAGE_BUCKET:
				if (state->use[block] == 0)
					check_report(check, CHECK_NOTE, block, NULL, "bucket page is not used");
				break;
			case PAGE_VALUE:
				if (state->use[block] == 0)
					check_require_owner(check, block);
				else if (check->value_owner[block] != 0)
					check_report(check, CHECK_ERROR, block, NULL,
								 "page of the pivot table is that of a value, too");
				break;
			case PAGE_FREE:
				if (state->use[block] == 0 && check_is_unchained(check, block))
					check_report(check, CHECK_NOTE, block, NULL, "free page is in no chain");
				break;
			default:
				if (known->kind != 0)
					check_report(check, CHECK_ERROR, block, NULL, "page is of kind %u",
								 known->kind);
		}
	}
}

/* InspectMethod.check */
void
vptree_check(CheckState *check)
{
	VptreeCheck *state = (VptreeCheck *) check->method_state;

	prepare(state);
	take_pivots(state);
	vptree_check_tree(state);
	for (BlockNumber block = META_BLOCK + 1; block < check->nblocks; block++)
	{
		if (!check_block_is(check, block, PAGE_BUCKET) || !check->blocks[block].retired ||
			state->use[block] != 0)
			continue;
		state->nretired++;
		vptree_check_retired(state, block);
	}
	check_chain(check, "free pages", state->index.meta.free_pages, PAGE_FREE, USE_FREE, state->use);
	check_uses(state);
	check_counts(state);
	check_resting(state);
}

/* InspectMethod.stored_value */
const char *
vptree_stored_value(CheckState *check, uint32 owner, Size *size)
{
	VptreeCheck *state = (VptreeCheck *) check->method_state;
	const char *problem;
	BlockNumber block;
	OffsetNumber offset;
	BucketEntry entry;

	find_owner(state, owner, &block, &offset);
	entry = bucket_try_entry(&state->index.shape, check_page(check, state->entries, block), offset,
							 &problem);
	if (entry == NULL)
		return NULL;
	*size = entry->value_size;
	return vptree_check_value(state, entry, owner, false);
}
