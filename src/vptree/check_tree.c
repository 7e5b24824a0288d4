/*-------------------------------------------------------------------------
 *
 * check_tree.c
 *	  ann_check() of a vptree index: nodes, buckets, and what is in them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "vptree/check.h"

#define FIRST_CAPACITY 64

/* Another processor may have added up a distance in another order: relative error allowed */
#define DISTANCE_TOLERANCE 1e-3

/* A child to be looked at */
typedef struct Visit
{
	VptreeChild child;
	BlockNumber from; /* where the pointer to it is */
	uint32 depth;	  /* nodes above it */
	bool left;		  /* which side it is of the last of these */
} Visit;

typedef struct Visits
{
	Visit *visits;
	uint64 n;
	uint64 capacity;
} Visits;

static void
add_visit(Visits *visits, VptreeChild child, BlockNumber from, uint32 depth, bool left)
{
	Visit visit = {.child = child, .from = from, .depth = depth, .left = left};

	if (visits->n == visits->capacity)
	{
		visits->capacity *= 2;
		visits->visits = repalloc_huge(visits->visits, visits->capacity * sizeof(Visit));
	}
	visits->visits[visits->n++] = visit;
}

static void
add_capacity(VptreeCheck *state, uint32 depth)
{
	if (depth < state->ancestor_capacity)
		return;
	state->ancestor_capacity *= 2;
	state->ancestors =
		repalloc_huge(state->ancestors, state->ancestor_capacity * sizeof(CheckAncestor));
	value_list_grow(state->pivots, state->ancestor_capacity);
	state->pivot_pointers =
		repalloc_huge(state->pivot_pointers, state->ancestor_capacity * sizeof(void *));
	state->keys = repalloc_huge(state->keys, state->ancestor_capacity * sizeof(float));
}

static void
allocate(VptreeCheck *state)
{
	state->ancestor_capacity = FIRST_CAPACITY;
	state->ancestors = palloc(FIRST_CAPACITY * sizeof(CheckAncestor));
	state->pivots = value_list_make(&state->index.space, FIRST_CAPACITY);
	state->pivot_pointers = palloc(FIRST_CAPACITY * sizeof(void *));
	state->keys = palloc(FIRST_CAPACITY * sizeof(float));
	state->coordinates = palloc(state->index.space.context.dim * sizeof(float));
	state->query = palloc(state->index.space.query_size + 1);
}

/* Copies the pivot of a node to where those of ancestors are. */
static void
take_pivot(VptreeCheck *state, VptreeNode node, uint32 owner, uint32 depth)
{
	const char *value = VPTREE_NODE_VALUE(node);

	if (node->value_size > BUCKET_MAX_INLINE_VALUE)
		value = check_gather_value(state->check, (const BlockNumber *) value, node->value_size,
								   owner, true);
	state->ancestors[depth].known =
		value != NULL && check_encoded(state->check, owner, value, node->value_size);
	if (state->ancestors[depth].known)
		value_list_set(state->pivots, depth, value);
}

/* Checks a node and adds its children to what is to be visited. */
static void
check_node(VptreeCheck *state, const Visit *visit, Visits *visits)
{
	CheckState *check = state->check;
	BlockNumber block = visit->child.block;
	CheckAncestor *ancestor;
	VptreeNode node = NULL;
	uint32 owner;

	if (check_block_is(check, block, PAGE_NODES) &&
		visit->child.offset <= check->blocks[block].nitems)
		node = vptree_find_node(&state->index, check_page(check, state->nodes, block),
								visit->child.offset);
	if (node != NULL && VPTREE_NODE_NUMBER(node) != visit->child.number)
	{
		check_report(check, CHECK_ERROR, visit->from, NULL,
					 "page leads to use %u of node (%u,%u), which is in use %u",
					 visit->child.number, block, visit->child.offset, VPTREE_NODE_NUMBER(node));
		return;
	}
	if (node == NULL)
	{
		check_report(check, CHECK_ERROR, visit->from, NULL,
					 "page leads to node (%u,%u), which does not exist", block,
					 visit->child.offset);
		return;
	}
	owner = vptree_check_owner(state, block, visit->child.offset);
	if (state->reached[owner])
	{
		check_report_owner(check, CHECK_ERROR, owner, "node has two parents");
		return;
	}
	state->reached[owner] = true;
	state->nnodes++;
	add_capacity(state, visit->depth);
	ancestor = &state->ancestors[visit->depth];
	ancestor->radius = node->radius;
	ancestor->dimension = node->dimension;
	ancestor->known = true;
	if (node->flags & VPTREE_NODE_DEAD)
		check_report_owner(check, CHECK_ERROR, owner, "node is dead, but in the tree");
	if (isnan(node->radius))
		check_report_owner(check, CHECK_ERROR, owner, "node has no radius");
	if (state->index.meta.partition == TREE_VP)
		take_pivot(state, node, owner, visit->depth);
	add_visit(visits, node->right, block, visit->depth + 1, false);
	add_visit(visits, node->left, block, visit->depth + 1, true);
}

const char *
vptree_check_value(VptreeCheck *state, BucketEntry entry, uint32 owner, bool first_time)
{
	const char *value = bucket_entry_value(&state->index.shape, entry);

	if (entry->flags & BUCKET_ENTRY_WIDE)
		return check_gather_value(state->check, (const BlockNumber *) value, entry->value_size,
								  owner, first_time);
	return value;
}

/* By how much a computed distance may differ from one computed before */
static double
tolerance(VptreeCheck *state, double distance)
{
	if (state->index.meta.path_length > 0)
		return 2 * vptree_distance_error(&state->index, distance);
	return DISTANCE_TOLERANCE * (fabs(distance) + fabs(state->index.meta.shift));
}

static void
report_distance(VptreeCheck *state, uint32 owner, const char *what, uint32 above, double found,
				double expected)
{
	char problem[160];

	snprintf(problem, sizeof(problem), "entry %s node %u above it: %.9g, not %.9g", what, above,
			 found, expected);
	check_report_owner(state->check, CHECK_ERROR, owner, problem);
}

/* Is an entry on the right side of a node above it, counted from 1 upwards? */
static void
check_side(VptreeCheck *state, uint32 owner, uint32 above, const CheckAncestor *ancestor, double x,
		   double slack)
{
	if (ancestor->left ? x > ancestor->radius + slack : x < ancestor->radius - slack)
		report_distance(state, owner,
						ancestor->left ? "is left, but far, of" : "is right, but near, of", above,
						x, ancestor->radius);
}

/* Checks an entry of known value against the pivots of the nodes above it. */
static void
check_distances(VptreeCheck *state, const char *value, BucketEntry entry, uint32 owner,
				uint32 depth)
{
	VptreeIndex *index = &state->index;
	const SpaceContext *context = &index->space.context;
	const void *query = space_prepare_query(context, value, state->query);
	const float *path = bucket_entry_extra(entry);

	if (!vptree_calls_back(index))
		context->space->distances(context, query, state->pivot_pointers, depth, state->keys);
	for (uint32 above = 1; above <= depth; above++)
	{
		const CheckAncestor *ancestor = &state->ancestors[depth - above];
		double x;

		if (!ancestor->known)
			continue;
		if (vptree_calls_back(index))
			context->space->distances(context, query, &state->pivot_pointers[depth - above], 1,
									  &state->keys[depth - above]);
		x = index->distance.finish(index, state->keys[depth - above]);
		check_side(state, owner, above, ancestor, x,
				   tolerance(state, x) + tolerance(state, ancestor->radius));
		if (above <= index->meta.path_length && path[above - 1] != x &&
			!(isinf(path[above - 1]) && vptree_calls_back(index)) &&
			!(fabs(path[above - 1] - x) <= tolerance(state, x)))
			report_distance(state, owner, "has a wrong distance to", above, path[above - 1], x);
	}
}

static void
check_coordinates(VptreeCheck *state, const char *value, uint32 owner, uint32 depth)
{
	VptreeIndex *index = &state->index;

	index->distance.coordinates(index, value, state->coordinates);
	for (uint32 above = 1; above <= depth; above++)
	{
		const CheckAncestor *ancestor = &state->ancestors[depth - above];

		check_side(state, owner, above, ancestor, state->coordinates[ancestor->dimension], 0);
	}
}

/* Checks the distances to the pivots of the pivot table that an entry has. */
static void
check_codes(VptreeCheck *state, const char *value, BucketEntry entry, uint32 owner)
{
	VptreeIndex *index = &state->index;
	const uint8 *found = vptree_extra_codes(&index->meta, bucket_entry_extra(entry));
	uint8 codes[VPTREE_CODES_SIZE(VPTREE_MAX_NUM_PIVOT)];
	char problem[160];

	if (index->pivots == NULL)
		return;
	vptree_code_value(index, space_prepare_query(&index->space.context, value, state->query),
					  codes);
	for (uint32 i = 0; i < VPTREE_CODES_SIZE(index->meta.num_pivot); i++)
	{
		if (abs(codes[i] - found[i]) <= 1)
			continue;
		snprintf(problem, sizeof(problem),
				 "entry has a wrong distance to pivot %u of the table: %u units, not %u", i + 1,
				 found[i], codes[i]);
		check_report_owner(state->check, CHECK_ERROR, owner, problem);
	}
}

static void
check_entry(VptreeCheck *state, BucketEntry entry, uint32 owner, uint32 depth)
{
	CheckState *check = state->check;
	const char *value;

	check_add_rows(check, owner, bucket_entry_tids(&state->index.shape, entry), entry->ntids);
	value = vptree_check_value(state, entry, owner, true);
	if (value == NULL || !check_encoded(check, owner, value, entry->value_size))
		return;
	check_codes(state, value, entry, owner);
	if (state->index.meta.partition == TREE_KD)
		check_coordinates(state, value, owner, depth);
	else if (depth > 0)
		check_distances(state, value, entry, owner, depth);
}

/* Checks the entries of a page of a bucket with so many nodes above it. */
static void
check_entries(VptreeCheck *state, BlockNumber block, uint32 depth)
{
	Page page = check_page(state->check, state->entries, block);

	for (OffsetNumber offset = FirstOffsetNumber; offset <= state->check->blocks[block].nitems;
		 offset++)
	{
		const char *problem;
		BucketEntry entry = bucket_try_entry(&state->index.shape, page, offset, &problem);
		uint32 owner = vptree_check_owner(state, block, offset);

		if (problem != NULL)
			check_report_owner(state->check, CHECK_ERROR, owner, problem);
		else if (entry != NULL)
			check_entry(state, entry, owner, depth);
	}
}

/* The page `place` of a bucket, with the one before it; false, reported, if it cannot be that. */
static bool
check_bucket_page(VptreeCheck *state, BlockNumber block, BlockNumber before, uint32 place,
				  uint8 use)
{
	CheckState *check = state->check;
	Page page;

	if (!check_block_is(check, block, PAGE_BUCKET))
	{
		check_report(check, CHECK_ERROR, before, NULL,
					 "page leads to block %u, which is no page of a bucket", block);
		return false;
	}
	if (state->use[block] != 0)
	{
		check_report(check, CHECK_ERROR, block, NULL, "page is in two buckets");
		return false;
	}
	state->use[block] = use;
	page = check_page(check, state->entries, block);
	if (PageGetSpecial(page)->nslots != Min(place, PG_UINT16_MAX))
		check_report(check, CHECK_ERROR, block, NULL,
					 "page is number %u of its bucket, where number %u is due",
					 PageGetSpecial(page)->nslots, place);
	if (check->blocks[block].chained)
		check_report(check, CHECK_ERROR, block, NULL, "page of a bucket is marked as chained");
	if (place > 0 && check->blocks[block].retired)
		check_report(check, CHECK_ERROR, block, NULL,
					 "page is marked as retired, but does not begin a bucket");
	return true;
}

/* Checks the bucket that a child leads to. */
static void
check_bucket(VptreeCheck *state, const Visit *visit)
{
	CheckState *check = state->check;
	BlockNumber block = visit->child.block;
	BlockNumber before = visit->from;

	if (check_block_is(check, block, PAGE_BUCKET) &&
		(uint16) check->blocks[block].ordinal != visit->child.number)
	{
		check_report(check, CHECK_ERROR, visit->from, NULL,
					 "page leads to bucket %u at block %u, where bucket %u is", visit->child.number,
					 block, (uint16) check->blocks[block].ordinal);
		return;
	}
	if (check_block_is(check, block, PAGE_BUCKET) && check->blocks[block].retired)
		check_report(check, CHECK_ERROR, block, NULL, "bucket is retired, but in the tree");
	state->nbuckets++;
	state->max_depth = Max(state->max_depth, visit->depth);
	for (uint32 i = 0; i < visit->depth; i++)
		state->pivot_pointers[i] = value_list_get(state->pivots, i);
	for (uint32 place = 0; block != InvalidBlockNumber; place++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!check_bucket_page(state, block, before, place, USE_BUCKET))
			break;
		check_entries(state, block, visit->depth);
		before = block;
		block = check->blocks[block].next;
	}
}

void
vptree_check_retired(VptreeCheck *state, BlockNumber head)
{
	CheckState *check = state->check;
	BlockNumber block = head;

	for (uint32 place = 0; block != InvalidBlockNumber; place++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!check_bucket_page(state, block, head, place, USE_RETIRED))
			break;
		for (OffsetNumber offset = FirstOffsetNumber; offset <= check->blocks[block].nitems;
			 offset++)
		{
			const char *problem;
			BucketEntry entry = bucket_try_entry(
				&state->index.shape, check_page(check, state->entries, block), offset, &problem);
			uint32 owner = vptree_check_owner(state, block, offset);

			if (problem != NULL)
				check_report_owner(check, CHECK_ERROR, owner, problem);
			else if (entry != NULL)
				(void) vptree_check_value(state, entry, owner, true);
		}
		block = check->blocks[block].next;
	}
}

void
vptree_check_tree(VptreeCheck *state)
{
	Visits visits = {.capacity = FIRST_CAPACITY};

	allocate(state);
	visits.visits = palloc(FIRST_CAPACITY * sizeof(Visit));
	if (state->index.meta.root.block != InvalidBlockNumber)
		add_visit(&visits, state->index.meta.root, META_BLOCK, 0, false);
	while (visits.n > 0)
	{
		Visit visit = visits.visits[--visits.n];

		CHECK_FOR_INTERRUPTS();
		if (visit.depth > 0)
			state->ancestors[visit.depth - 1].left = visit.left;
		if (vptree_child_is_bucket(&visit.child))
			check_bucket(state, &visit);
		else
			check_node(state, &visit, &visits);
	}
}
