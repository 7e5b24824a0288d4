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

static void
report_range(CheckState *check, const char *field, uint64 found, uint64 least, uint64 most)
{
	check_report(check, CHECK_ERROR, META_BLOCK, NULL,
				 "metapage says %s is " UINT64_FORMAT ", which is not between " UINT64_FORMAT
				 " and " UINT64_FORMAT,
				 field, found, least, most);
}

/*
 * Checks the metapage and takes it over.  False if the rest of the index cannot
 * be read by it.
 */
static bool
check_meta(VptreeCheck *state)
{
	CheckState *check = state->check;
	VptreeMeta *meta = &state->index.meta;

	if (!check_take_meta(check, METHOD_VPTREE, meta, sizeof(VptreeMeta)))
		return false;
	if (meta->partition > TREE_KD)
		report_range(check, "partition", meta->partition, TREE_VP, TREE_KD);
	else if (meta->path_length > TREE_MAX_PATH)
		report_range(check, "path length", meta->path_length, 0, TREE_MAX_PATH);
	else if (meta->num_pivot > VPTREE_MAX_NUM_PIVOT)
		report_range(check, "number of pivots", meta->num_pivot, 0, VPTREE_MAX_NUM_PIVOT);
	else if (meta->header.dim > 0 &&
			 (meta->bucket_size < 1 || meta->bucket_size > VPTREE_MAX_BUCKET_SIZE))
		report_range(check, "bucket size", meta->bucket_size, 1, VPTREE_MAX_BUCKET_SIZE);
	else if (meta->header.dim == 0 && meta->root.block != InvalidBlockNumber)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage knows no dimensions, but the index has a tree");
	else
		return true;
	return false;
}

/* Makes the index ready to be looked at; the dimensions are known. */
static void
prepare(VptreeCheck *state)
{
	CheckState *check = state->check;
	int flags = MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO;
	uint64 nitems = 0;

	if (check->space.context.dim == 0)
		index_space_set_dim(&check->space, state->index.meta.header.dim);
	state->index.space = check->space;
	vptree_use_meta(&state->index);
	state->first_item = palloc_extended(((Size) check->nblocks + 1) * sizeof(uint32), flags);
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
	state->reached = palloc_extended((nitems + 1) * sizeof(bool), flags);
	state->use = palloc_extended(check->nblocks, flags);
	check_values_init(check);
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
	for (int i = 0; i < value_pages_of(size); i++)
	{
		Size piece = Min(size - i * VALUE_PAGES_PIECE, VALUE_PAGES_PIECE);
		Page page = NULL;

		if (check_block_is(check, meta->pivot_pages[i], PAGE_VALUE))
			page = check_page(check, check->value_page, meta->pivot_pages[i]);
		if (page == NULL || ((PageHeader) page)->pd_lower != PAGE_DATA_OFFSET + piece)
		{
			check_report(check, CHECK_ERROR, META_BLOCK, NULL,
						 "block %u holds no piece of %zu bytes of the pivot table",
						 meta->pivot_pages[i], (size_t) piece);
			return;
		}
		state->use[meta->pivot_pages[i]] = USE_PIVOTS;
		memcpy(memory + i * VALUE_PAGES_PIECE, (char *) page + PAGE_DATA_OFFSET, piece);
	}
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
				if (check->value_owner[block] == 0 && state->use[block] == 0)
					check_report(check, CHECK_NOTE, block, NULL, "value page is not used");
				else if (check->value_owner[block] != 0 && state->use[block] != 0)
					check_report(check, CHECK_ERROR, block, NULL,
								 "page of the pivot table is that of a value, too");
				break;
			case PAGE_FREE:
				if (known->chained && state->use[block] == 0)
					check_report(check, CHECK_ERROR, block, NULL,
								 "page is marked as chained, but is in no chain");
				else if (state->use[block] == 0)
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
bool
vptree_check(CheckState *check)
{
	VptreeCheck *state = palloc0(sizeof(VptreeCheck));

	state->check = check;
	state->index.relation = check->index;
	state->nodes = check_make_page();
	state->entries = check_make_page();
	check->method_state = state;
	if (!check_meta(state))
		return false;
	if (state->index.meta.header.dim == 0)
		return true;
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
	check_duplicate_rows(check);
	return true;
}

/* InspectMethod.holds_value: compares the coordinates, which come first. */
bool
vptree_holds_value(CheckState *check, uint32 owner, const void *value)
{
	VptreeCheck *state = (VptreeCheck *) check->method_state;
	const char *problem;
	const char *stored = NULL;
	BlockNumber block;
	OffsetNumber offset;
	BucketEntry entry;

	find_owner(state, owner, &block, &offset);
	entry = bucket_try_entry(&state->index.shape, check_page(check, state->entries, block), offset,
							 &problem);
	if (entry != NULL)
		stored = vptree_check_value(state, entry, owner, false);
	if (stored == NULL)
		return true;
	if (index_space_varies(&state->index.space))
		return entry->value_size == index_space_size(&state->index.space, value) &&
			   memcmp(stored, value, entry->value_size) == 0;
	return memcmp(stored, value, state->index.space.value_size) == 0;
}
