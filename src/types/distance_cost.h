/*-------------------------------------------------------------------------
 *
 * distance_cost.h
 *	  What the planner should think a distance costs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_DISTANCE_COST_H
#define ANN_DISTANCE_COST_H

#include "postgres.h"

#include "nodes/nodes.h"

/*
 * Dimensions for which the COST of a distance function is given: the cost is
 * in proportion to them.  Also what is assumed where nothing is known.
 */
#define DISTANCE_COST_DIM 384

/*
 * Cost of comparing two values at hand, of so many dimensions, by an SQL
 * distance function or the function of a range operator.
 */
extern Cost distance_cost(Oid function, int dim);

#endif /* ANN_DISTANCE_COST_H */
