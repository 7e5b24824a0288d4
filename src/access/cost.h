/*-------------------------------------------------------------------------
 *
 * cost.h
 *	  What the cost estimates of all access methods have in common.
 *
 * A method says how much work a scan is that returns n rows; the rest is here:
 * which paths are possible at all, how many rows the query will want, and how
 * to say so in the two numbers the planner takes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_COST_H
#define ANN_COST_H

#include "postgres.h"

#include "nodes/pathnodes.h"
#include "utils/rel.h"

/*
 * Cost of so many visits to pages of the index, in no order.  A page in memory
 * counts as memory_share of one that is read in sequence, another one as a random one.
 */
extern Cost cost_page_visits(PlannerInfo *root, IndexOptInfo *info, double visits,
							 double memory_share);

/* What a method knows of a scan to be priced: its own, behind this */
typedef struct CostShape
{
	PlannerInfo *root;
	IndexPath *path;
	double tuples; /* rows in the index, at least 1 */
	int dim;	   /* of their values */
	Cost distance; /* of one between a stored value and the path's query */
} CostShape;

typedef struct CostMethod
{
	Size shape_size; /* of its shape, which begins with a CostShape */

	/* Fills in the method's part of the shape; meta: the contents of the metapage. */
	void (*read_shape)(CostShape *shape, Relation index, const void *meta);

	/* Cost of a scan that returns so many rows */
	Cost (*scan_cost)(const CostShape *shape, double rows);
} CostMethod;

/* amcostestimate, by the two functions of the index's method */
extern void cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup_cost,
						  Cost *total_cost, Selectivity *selectivity, double *correlation,
						  double *pages);

#endif /* ANN_COST_H */
