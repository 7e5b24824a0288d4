/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What the planner should think a vptree scan costs.
 *
 * How much of a tree a search must look at depends on the data: on 16 independent
 * coordinates it is nearly everything, on as many that depend on three numbers
 * very little.  So a build tries a few queries (probe.c) and leaves in the metapage
 * how many distances they took.  README, "Costs", has the figures behind the constants.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "optimizer/cost.h"
#include "optimizer/optimizer.h"

#include "vptree/vptree.h"

/* Distances of a 10-row query in a tree that was never tried: rows to a power, which grows with
 * the dimensions */
#define GUESSED_POWER 0.35
#define GUESSED_POWER_PER_DIMENSION 0.05

/* Entries whose distances to pivots are compared, for each one whose distance is computed */
#define FILTERED_PER_DISTANCE 3

/* In units of cpu_operator_cost: such a comparison, opening a node or bucket, and putting a
 * row in order */
#define FILTER_OPERATORS 4
#define VISIT_OPERATORS 60
#define ROW_OPERATORS 4

/* What the cost of a scan owes to the tree */
typedef struct VptreeScanShape
{
	CostShape base;
	double few;	   /* distances of a query of VPTREE_PROBE_FEW rows */
	double growth; /* they grow with the rows to this power */
	double bucket_size;
	int max_leaves;
} VptreeScanShape;

/* How many distances queries take, by what the build has tried */
static void
read_probes(VptreeScanShape *shape, const VptreeMeta *meta)
{
	double power = GUESSED_POWER + GUESSED_POWER_PER_DIMENSION * meta->header.dim;
	double more = 0;

	if (meta->entries > VPTREE_PROBE_MORE && meta->probe_few > 0)
	{
		power = log(Max(meta->probe_few, VPTREE_PROBE_FEW)) / log(meta->entries);
		more = meta->probe_more / meta->probe_few;
	}
	shape->few = pow(shape->base.tuples, Min(power, 1.0));
	shape->growth = more > 1 ? log(more) / log(VPTREE_PROBE_MORE / VPTREE_PROBE_FEW) : 1 - power;
	shape->growth = Max(0.05, Min(shape->growth, 1.0));
}

static void
read_tree_shape(CostShape *base, Relation index, const void *contents)
{
	VptreeScanShape *shape = (VptreeScanShape *) base;
	const VptreeMeta *meta = (const VptreeMeta *) contents;

	shape->bucket_size = Max(meta->bucket_size * VPTREE_BUILD_FILL, 1.0);
	shape->max_leaves = vptree_max_leaves(index);
	read_probes(shape, meta);
}

static Cost
tree_scan_cost(const CostShape *base, double rows)
{
	const VptreeScanShape *shape = (const VptreeScanShape *) base;
	IndexOptInfo *info = base->path->indexinfo;
	double tuples = base->tuples;
	double distances = shape->few * pow(Max(rows, 1.0) / VPTREE_PROBE_FEW, shape->growth);
	double filtered;
	double visits;

	if (rows < tuples && shape->max_leaves != VPTREE_NO_LEAF_LIMIT)
		distances = Min(distances, shape->max_leaves * shape->bucket_size);
	distances = Min(Max(distances, rows), tuples);
	filtered = Min(distances * FILTERED_PER_DISTANCE, tuples);
	visits = Min(filtered / shape->bucket_size + 1, info->pages);
	if (info->pages > tuples) /* values have pages of their own */
		visits += distances * (info->pages / tuples);
	return cost_page_visits(base->root, info, visits) + distances * base->distance +
		   cpu_operator_cost *
			   (filtered * FILTER_OPERATORS + 2 * visits * VISIT_OPERATORS + rows * ROW_OPERATORS);
}

const CostMethod vptree_cost_method = {
	.shape_size = sizeof(VptreeScanShape),
	.read_shape = read_tree_shape,
	.scan_cost = tree_scan_cost,
};
