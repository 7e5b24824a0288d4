/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What the planner should think a vptree scan costs.
 *
 * How much of a tree a search must look at depends on the data: on 16 independent
 * coordinates it is nearly everything, on as many that depend on three numbers
 * very little.  So a build tries a few queries (probe.c) and leaves in the metapage
 * how many distances they took, and how many entries they looked at.  README, "Costs", has the figures behind the constants.
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

/* Entries whose distances to pivots are compared, for each one whose distance is computed, there;
 * and how often a search of all rows comes to each of them, at most */
#define GUESSED_PER_DISTANCE 3
#define MAX_ROUNDS 10

/* In units of cpu_operator_cost: such a comparison, opening a node or bucket, and putting a
 * row in order */
#define FILTER_OPERATORS 4
#define VISIT_OPERATORS 60
#define ROW_OPERATORS 24

/* Price of a page in memory, all of whose entries are looked at, to one that is read in sequence */
#define MEMORY_SHARE 1.0

/* Work of a query that grows with the rows */
typedef struct Work
{
	double few;	   /* of a query of VPTREE_PROBE_FEW rows, or less */
	double growth; /* it grows with the rows to this power */
} Work;

/* What the cost of a scan owes to the tree */
typedef struct VptreeScanShape
{
	CostShape base;
	Work distances;
	Work compared; /* entries whose distances to pivots are */
	double bucket_size;
	int max_leaves;
} VptreeScanShape;

/* Work by what was tried when there were so many entries; of tuples now */
static Work
measured_work(double few, double more, double entries, double tuples)
{
	double power = Min(log(Max(few, VPTREE_PROBE_FEW)) / log(entries), 1.0);
	double growth = 1 - power;

	if (more > few)
		growth = log(more / few) / log(VPTREE_PROBE_MORE / VPTREE_PROBE_FEW);
	return (Work){.few = few * pow(tuples / entries, power), .growth = Max(0.05, Min(growth, 1.0))};
}

/* How much work queries take: what the build, or the last tuning, has tried, else a guess */
static void
read_probes(VptreeScanShape *shape, const VptreeMeta *meta)
{
	double tuples = shape->base.tuples;
	double power = Min(GUESSED_POWER + GUESSED_POWER_PER_DIMENSION * meta->header.dim, 1.0);

	if (meta->entries > VPTREE_PROBE_MORE && meta->few.distances > 0)
	{
		shape->distances =
			measured_work(meta->few.distances, meta->more.distances, meta->entries, tuples);
		shape->compared =
			measured_work(meta->few.compared, meta->more.compared, meta->entries, tuples);
		return;
	}
	shape->distances = (Work){.few = pow(tuples, power), .growth = Max(0.05, 1 - power)};
	shape->compared = shape->distances;
	shape->compared.few *= GUESSED_PER_DISTANCE;
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

/* The work for so many rows; the search is for VPTREE_PROBE_FEW at first, however few are wanted. */
static double
work_of(const Work *work, double rows)
{
	return work->few * pow(Max(rows / VPTREE_PROBE_FEW, 1.0), work->growth);
}

static Cost
tree_scan_cost(const CostShape *base, double rows)
{
	const VptreeScanShape *shape = (const VptreeScanShape *) base;
	IndexOptInfo *info = base->path->indexinfo;
	double tuples = base->tuples;
	double distances = work_of(&shape->distances, rows);
	double compared = work_of(&shape->compared, rows);
	double visits;

	if (rows < tuples && shape->max_leaves != VPTREE_NO_LEAF_LIMIT)
	{
		distances = Min(distances, shape->max_leaves * shape->bucket_size);
		compared = Min(compared, shape->max_leaves * shape->bucket_size);
	}
	distances = Min(Max(distances, rows), tuples);
	compared = Min(Max(compared, rows), MAX_ROUNDS * tuples);
	visits = compared / shape->bucket_size + 1;
	if (info->pages > tuples) /* values have pages of their own */
		visits += distances * (info->pages / tuples);
	return cost_page_visits(base->root, info, visits, MEMORY_SHARE) + distances * base->distance +
		   cpu_operator_cost *
			   (compared * FILTER_OPERATORS + 2 * visits * VISIT_OPERATORS + rows * ROW_OPERATORS);
}

const CostMethod vptree_cost_method = {
	.shape_size = sizeof(VptreeScanShape),
	.read_shape = read_tree_shape,
	.scan_cost = tree_scan_cost,
};
