/*-------------------------------------------------------------------------
 *
 * bounds.c
 *	  How near the values of a subtree, or of an entry, can be to the query.
 *
 * Where the space has a metric behind it, bounds come from true distances: a
 * computed one tells between which two the true one lies (space.h), and a bound
 * of true distances, of which keys are computed.  So with the triangle inequality
 * as pruner no row is lost to rounding.  Other spaces are pruned by their distance
 * as it is computed (index.c), by whatever rule the pruner says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "utils/memutils.h"

#include "vptree/search.h"

/* Sums of doubles are rounded: to be multiplied with a bound of true distances */
#define ROUNDED_SUM (1 - 1e-10)

/* So much of a unit a float may lose in a product with a small number */
#define ROUNDED_UNIT (1 - 1e-6)

typedef double (*Finish)(const void *context, float key);

/* Numbers as large as the floats that they stand for are, in the order of the floats */
static float
float_of_place(int64 place)
{
	int32 bits = place >= 0 ? (int32) place : (int32) (PG_INT32_MIN - place);
	float number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

static const int64 place_of_infinity = 0x7F800000;

/*
 * The smallest key whose distance is no less than this one, or, with `above`,
 * greater than it; INFINITY if there is none.
 */
static float
find_key(Finish finish, const void *context, double distance, bool above)
{
	int64 low = -place_of_infinity;
	int64 high = place_of_infinity;

	while (low < high)
	{
		int64 middle = low + (high - low) / 2;
		double found = finish(context, float_of_place(middle));

		if (above ? found > distance : found >= distance)
			high = middle;
		else
			low = middle + 1;
	}
	return float_of_place(low);
}

static double
finish_in_space(const void *context, float key)
{
	return space_finish((const SpaceContext *) context, key);
}

float
vptree_key_beyond(const SpaceContext *context, double distance)
{
	return find_key(finish_in_space, context, distance, true);
}

/* The key that nothing falls short of whose distance to prune by is no less than this */
static float
key_of_bound(const VptreeSearch *search, double bound)
{
	const VptreeIndex *index = search->index;

	if (!(bound > 0))
		return -INFINITY;
	if (index->exact)
		return space_metric_key(&index->space.context, bound);
	return find_key(index->distance.finish, index, bound, false);
}

static double
exponent_of_norm(const SpaceContext *context)
{
	const char *name = context->space->name;

	if (strcmp(name, "l1") == 0)
		return 1;
	if (strcmp(name, "l2") == 0)
		return 2;
	if (strcmp(name, "linf") == 0)
		return INFINITY;
	return context->params[0];
}

/* Compares the query with the pivots of the pivot table, if that is of use. */
static void
code_query(VptreeSearch *search)
{
	VptreeIndex *index = search->index;
	float keys[VPTREE_MAX_NUM_PIVOT];

	if (index->meta.num_pivot == 0 || !(index->exact || search->by_mean))
		return;
	vptree_load_pivots(index, search->context);
	vptree_pivot_keys(index, search->query, keys);
	vptree_pivot_codes(index, keys, search->codes);
	search->distances += index->meta.num_pivot;
	for (uint32 i = 0; i < index->meta.num_pivot && index->exact; i++)
		search->farthest_pivot =
			fmax(search->farthest_pivot, space_metric_range(&index->space.context, keys[i]).high);
	search->code_unit = (float) (index->meta.pivot_unit * ROUNDED_UNIT);
}

void
vptree_init_bounds(VptreeSearch *search)
{
	VptreeIndex *index = search->index;
	const TreePruner *pruner = &search->pruner;

	search->stretched = pruner->alpha_left != 1 || pruner->alpha_right != 1 ||
						pruner->exp_left != 1 || pruner->exp_right != 1;
	search->by_mean = index->meta.num_pivot > 0 && pruner->alpha_pivot > 0;
	code_query(search);
	if (index->meta.partition != TREE_KD || index->meta.header.dim == 0)
		return;
	search->norm = exponent_of_norm(&index->space.context);
	search->coordinates =
		MemoryContextAlloc(search->context, index->meta.header.dim * sizeof(float));
	index->distance.coordinates(index, search->target->query, search->coordinates);
}

/* ------------------------------------------------------ vantage points */

/* A bound of the side that the query is not on */
static float
stretched_key(const VptreeSearch *search, double gap, int side)
{
	const TreePruner *pruner = &search->pruner;

	if (!(gap > 0))
		return -INFINITY;
	if (search->stretched && side == 1)
		gap = tree_stretch(gap, pruner->alpha_left, pruner->exp_left);
	else if (search->stretched)
		gap = tree_stretch(gap, pruner->alpha_right, pruner->exp_right);
	return key_of_bound(search, gap);
}

static void
bound_by_pivot(VptreeSearch *search, VptreeNode node, uint32 ancestor, VptreeSides *sides)
{
	VptreeIndex *index = search->index;
	const SpaceContext *context = &index->space.context;
	const void *pivot = vptree_node_pivot(index, node, search->scratch);
	VptreeAncestor *known;
	double radius = node->radius;
	SpaceRange x;
	double computed;
	float key;

	context->space->distances(context, search->query, &pivot, 1, &key);
	search->distances++;
	computed = index->distance.finish(index, key);
	x = (SpaceRange){computed, computed};
	sides->nearer = computed < radius ? 0 : 1;
	if (index->exact)
	{
		x = space_metric_range(context, key);
		radius = sides->nearer == 0 ? space_metric_true_low(context, radius)
									: space_metric_true_high(context, radius);
	}
	sides->bound[sides->nearer] = -INFINITY;
	sides->bound[1 - sides->nearer] = sides->nearer == 0 ? stretched_key(search, radius - x.high, 1)
														 : stretched_key(search, x.low - radius, 0);

	sides->ancestor[0] = sides->ancestor[1] = vptree_add_ancestor(search);
	known = &search->ancestors[sides->ancestor[0]];
	known->above = ancestor;
	known->u.pivot.low = x.low;
	known->u.pivot.high = x.high;
	known->u.pivot.computed = (float) computed;
}

/* --------------------------------------------------------- coordinates */

/* What an offset in one dimension adds to the sum */
static double
norm_term(double norm, double offset)
{
	if (norm == 1 || isinf(norm))
		return offset;
	return norm == 2 ? offset * offset : pow(offset, norm);
}

/* The metric distance (space.h) of a box with these offsets, the largest of which may be `offset` */
static double
norm_of_sum(double norm, double sum, double offset)
{
	if (!isfinite(sum))
		return norm < 1 ? norm_term(norm, offset) : offset;
	if (norm <= 1 || isinf(norm))
		return sum;
	return norm == 2 ? sqrt(sum) : pow(sum, 1 / norm);
}

/* Offset in a dimension, and sum of all offsets, of the box that a branch is in */
static void
find_offset(const VptreeSearch *search, uint32 ancestor, uint32 dimension, double *offset,
			double *sum)
{
	*offset = 0;
	*sum = ancestor == VPTREE_NO_ANCESTOR ? 0 : search->ancestors[ancestor].u.box.sum;
	for (; ancestor != VPTREE_NO_ANCESTOR; ancestor = search->ancestors[ancestor].above)
	{
		if (search->ancestors[ancestor].dimension == dimension)
		{
			*offset = search->ancestors[ancestor].u.box.offset;
			return;
		}
	}
}

static void
bound_by_coordinate(VptreeSearch *search, VptreeNode node, uint32 ancestor, VptreeSides *sides)
{
	double gap = search->coordinates[node->dimension] - node->radius;
	double norm = search->norm;
	VptreeAncestor *known;
	double offset;
	double sum;
	uint32 added;

	find_offset(search, ancestor, node->dimension, &offset, &sum);
	if (isinf(norm))
		sum = Max(sum, fabs(gap));
	else
		sum += norm_term(norm, fabs(gap)) - norm_term(norm, offset);
	added = vptree_add_ancestor(search);
	known = &search->ancestors[added];
	known->above = ancestor;
	known->dimension = node->dimension;
	known->u.box.offset = fabs(gap);
	known->u.box.sum = sum;

	sides->nearer = gap < 0 ? 0 : 1;
	sides->bound[sides->nearer] = -INFINITY;
	sides->ancestor[sides->nearer] = ancestor;
	sides->bound[1 - sides->nearer] =
		stretched_key(search, norm_of_sum(norm, sum, fabs(gap)) * ROUNDED_SUM, 1 - sides->nearer);
	sides->ancestor[1 - sides->nearer] = added;
}

void
vptree_bound_sides(VptreeSearch *search, VptreeNode node, uint32 ancestor, VptreeSides *sides)
{
	if (search->index->meta.partition == TREE_KD)
		bound_by_coordinate(search, node, ancestor, sides);
	else
		bound_by_pivot(search, node, ancestor, sides);
}

/* -------------------------------------------------------------- entries */

/*
 * By how much the difference of two distances up to this one, as they are computed
 * and kept, may exceed the true one.  Errors are largest at one end or the other:
 * those of angles near 0, the others where the numbers are large.  Infinite where
 * numbers are too large to be computed.
 */
static double
error_of_difference(const SpaceContext *context, double largest)
{
	double above = space_metric_computed_high(context, largest) - largest;
	double below = largest - space_metric_computed_low(context, largest);

	if (!isfinite(largest))
		return INFINITY;
	return 2 * fmax(space_metric_computed_high(context, 0), fmax(above, below));
}

float
vptree_finite_gap(const VptreeFilter *filter, const float *path)
{
	float gap = 0;

	for (int i = 0; i < filter->n; i++)
	{
		float difference = fabsf(path[i] - filter->center[i]);

		if (isfinite(difference) && difference > gap)
			gap = difference;
	}
	return gap;
}

/*
 * The largest gap of entries that may have keys up to this one: they are no farther
 * from any pivot than the query and that.
 */
static float
gap_of_key(const VptreeSearch *search, const VptreeFilter *filter, float key)
{
	const SpaceContext *context = &search->index->space.context;
	double distance = space_metric_range(context, key).high;

	distance += error_of_difference(context, filter->farthest + distance);
	return nextafterf((float) distance, INFINITY);
}

/* The largest sum of squares of entries that may have keys up to this one, by the pruner */
static uint32
squares_of_key(const VptreeSearch *search, float key)
{
	const VptreeIndex *index = search->index;
	TreePivotScale scale = vptree_pivot_scale(&index->meta);

	return tree_pivot_reach(&search->pruner, &scale, index->distance.finish(index, key));
}

/* The part of a filter that goes by certain bounds */
static void
init_gaps(const VptreeSearch *search, const VptreeBranch *branch, float reach, VptreeFilter *filter)
{
	const VptreeMeta *meta = &search->index->meta;
	uint32 ancestor = branch->ancestor;

	filter->farthest = search->farthest_pivot;
	while (ancestor != VPTREE_NO_ANCESTOR && filter->n < meta->path_length)
	{
		const VptreeAncestor *pivot = &search->ancestors[ancestor];

		filter->center[filter->n++] = pivot->u.pivot.computed;
		filter->farthest = fmax(filter->farthest, pivot->u.pivot.high);
		ancestor = pivot->above;
	}
	filter->ncodes = VPTREE_CODES_SIZE(meta->num_pivot);
	filter->code_unit = search->code_unit;
	if (!isinf(reach))
		filter->gap = gap_of_key(search, filter, reach);
	if (!isinf(branch->scored))
		filter->scored_gap = gap_of_key(search, filter, branch->scored);
}

void
vptree_init_filter(const VptreeSearch *search, const VptreeBranch *branch, float reach,
				   VptreeFilter *filter)
{
	const VptreeMeta *meta = &search->index->meta;
	bool has_scored = !isinf(branch->scored);

	filter->n = 0;
	filter->ncodes = 0;
	filter->gap = INFINITY;
	filter->scored_gap = has_scored ? INFINITY : -1;
	filter->smallest = INFINITY;
	filter->codes = search->codes;
	filter->codes_offset = meta->path_length * sizeof(float);
	filter->nsquares = 0;
	filter->squares = TREE_ALL_SQUARES;
	filter->scored_squares = TREE_ALL_SQUARES;
	filter->smallest_squares = TREE_ALL_SQUARES;
	if (isinf(reach) && !has_scored)
		return;
	if (search->index->exact && (meta->path_length > 0 || meta->num_pivot > 0))
		init_gaps(search, branch, reach, filter);
	if (!search->by_mean)
		return;
	filter->nsquares = VPTREE_CODES_SIZE(meta->num_pivot);
	if (!isinf(reach))
		filter->squares = squares_of_key(search, reach);
	if (has_scored)
		filter->scored_squares = squares_of_key(search, branch->scored);
}

/*
 * An entry nearer than the bound would be no farther from any pivot than the query
 * and the smallest gap; so errors are no larger than such distances have.
 */
static float
key_of_gap(const VptreeSearch *search, const VptreeFilter *filter)
{
	double gap = nextafterf(filter->smallest, 0);

	return key_of_bound(
		search, gap - error_of_difference(&search->index->space.context, filter->farthest + gap));
}

/* The key with which the pruner lets an entry be scored: squares_of_key() the other way round */
static float
key_of_squares(const VptreeSearch *search, uint32 squares)
{
	const VptreeIndex *index = search->index;
	TreePivotScale scale = vptree_pivot_scale(&index->meta);

	return find_key(index->distance.finish, index,
					tree_pivot_bound(&search->pruner, &scale, squares), false);
}

float
vptree_filter_bound(const VptreeSearch *search, const VptreeFilter *filter)
{
	float bound = INFINITY;

	if (filter->smallest < INFINITY)
		bound = key_of_gap(search, filter);
	if (filter->smallest_squares < TREE_ALL_SQUARES)
		bound = Min(bound, key_of_squares(search, filter->smallest_squares));
	return bound;
}
