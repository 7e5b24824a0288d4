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
 * Can the index serve the path's order and conditions, as far as one can tell?
 * It cannot where a constant has other parameters than its operator class.
 */
extern bool cost_is_possible(Relation index, IndexPath *path);

/* Makes the planner avoid the path. */
extern void cost_rule_out(IndexPath *path, Cost *startup_cost, Cost *total_cost);

/* Share of the table's rows that satisfy the range conditions of the path */
extern Selectivity cost_selectivity(PlannerInfo *root, IndexPath *path);

/*
 * Rows that lie where the scan searches: within the sphere around its query
 * (scan_target.h), or all rows.
 */
extern double cost_rows_in_reach(PlannerInfo *root, IndexPath *path);

/*
 * Rows out of those in reach that the scan will probably be asked for: as many
 * as it takes until LIMIT rows have passed the query's conditions.  All of them
 * where the number is not known: of a cursor and of LIMIT $1 the planner takes a
 * tenth of the rows for granted, far more than is usually fetched, and the price
 * of all is the lowest for a row.
 */
extern double cost_rows_wanted(PlannerInfo *root, IndexPath *path, double in_reach);

/*
 * Cost of so many visits to pages of the index, in no order.  A page in memory
 * counts as one that is read in sequence, another one as a random one.
 */
extern Cost cost_page_visits(PlannerInfo *root, IndexOptInfo *info, double visits);

/* Cost of a distance between a stored value of so many dimensions and the path's query */
extern Cost cost_distance(IndexPath *path, int dim);

/*
 * What the planner will add to an ordered path for a distance that is not
 * computed for its rows (order_column.h)
 */
extern Cost cost_left_out(PlannerInfo *root, IndexPath *path);

/*
 * The total cost that makes a scan of which `wanted` out of `rows` rows are
 * taken cost at_wanted.  The planner takes cost to grow with the rows from
 * startup to total in a straight line; that of a graph or tree search does not,
 * so the line is laid through the point that matters.  But never below at_all,
 * the cost of all rows: the rows wanted are a guess.
 */
extern Cost cost_extrapolate(Cost startup, Cost at_wanted, double wanted, Cost at_all, double rows);

#endif /* ANN_COST_H */
