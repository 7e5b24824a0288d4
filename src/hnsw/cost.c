/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What the planner should think an hnsw scan costs.
 *
 * A scan expands vertices, at least ef_search of them before it returns a row,
 * and for each looks at those of its neighbours that it has not seen.  The
 * first ones have many such neighbours, later ones fewer and fewer, and the
 * scan of all rows sees each vertex once.  README, "Costs", has the figures
 * behind the constants.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "optimizer/cost.h"
#include "optimizer/optimizer.h"

#include "hnsw/hnsw.h"

/* Vertices expanded for each row returned or candidate asked for, and for each row by codes */
#define EXPANDED_PER_ROW 1.4
#define EXPANDED_PER_ROW_BY_CODES 2.0

/* Vertices seen when c have been expanded: 2 m times c to this power */
#define SEEN_EXPONENT 0.75

/* Below so many dimensions neighbours have more neighbours in common */
#define FULL_DIM 64

/* Looking at one link of a vertex, in units of cpu_operator_cost; by codes all that it takes */
#define LINK_OPERATORS 2
#define LINK_OPERATORS_BY_CODES 8

/* Price of a page in memory, to one that is read in sequence */
#define MEMORY_SHARE 0.1

/* What a graph has to do with the cost of a scan */
typedef struct HnswScanShape
{
	CostShape base;
	int m;
	int ef_search;
	bool quantized; /* neighbours are judged by their codes */
} HnswScanShape;

static void
read_graph_shape(CostShape *base, Relation index, const void *meta)
{
	HnswScanShape *shape = (HnswScanShape *) base;

	shape->m = ((const HnswMeta *) meta)->m;
	shape->ef_search = hnsw_option_ef_search(index);
	shape->quantized = ((const HnswMeta *) meta)->codes_size != 0;
}

/*
 * Cost of a scan that returns so many rows.  One within a sphere goes on for
 * ef_search candidates beyond it.
 */
static Cost
graph_scan_cost(const CostShape *base, double rows)
{
	const HnswScanShape *shape = (const HnswScanShape *) base;
	double tuples = base->tuples;
	double beyond = base->path->indexclauses != NIL ? shape->ef_search : 0;
	double links = HNSW_LAYER_LINKS(shape->m, 0);
	double descent = shape->m * log(Max(tuples, 2.0)) / log(shape->m);
	double per_row = shape->quantized ? EXPANDED_PER_ROW_BY_CODES : EXPANDED_PER_ROW;
	int link_operators = shape->quantized ? LINK_OPERATORS_BY_CODES : LINK_OPERATORS;
	double first = EXPANDED_PER_ROW * shape->ef_search;
	double expanded = Min(tuples, Max(per_row * (rows + beyond), first));
	double seen = links * Min(1.0, (double) base->dim / FULL_DIM) * pow(expanded, SEEN_EXPONENT);

	/* codes spare the visit of neighbours that are not expanded */
	seen = Min(tuples, descent + (shape->quantized ? expanded : Max(seen, expanded)));
	return cost_page_visits(base->root, base->path->indexinfo, seen, MEMORY_SHARE) +
		   seen * base->distance + expanded * links * link_operators * cpu_operator_cost;
}

const CostMethod hnsw_cost_method = {
	.shape_size = sizeof(HnswScanShape),
	.read_shape = read_graph_shape,
	.scan_cost = graph_scan_cost,
};
