/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What the planner should think an hnsw scan costs.
 *
 * A scan computes its first ef_search candidates before it returns a row, so
 * almost all of its cost is start-up cost; rows beyond those cost about as
 * much each.  Per candidate a search looks at a share of the neighbours of one
 * vertex, a page each.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "access/compat.h"
#include "hnsw/hnsw.h"

/* Share of a vertex's 2m links that lead to vertices not seen before, measured */
#define UNSEEN_SHARE 0.3

/* Distance of one pair, in units of cpu_operator_cost */
#define DISTANCE_OPERATORS 5

/* Vertices a search looks at to return nrows rows */
static double
vertices_visited(Relation index, double tuples, double nrows)
{
	double m = hnsw_option_m(index);
	double candidates = Max(nrows, (double) hnsw_option_ef_search(index));
	double descent = m * log(Max(tuples, 2.0)) / log(m);

	return Min(tuples, descent + candidates * 2 * m * UNSEEN_SHARE);
}

/*
 * Cost of looking at some vertices: each is on a page of its own at worst.  A
 * page counts as a sequential one, since an index in use is in memory.
 */
static Cost
visit_cost(IndexOptInfo *info, double vertices)
{
	double page_cost;
	double pages = Min(vertices, (double) info->pages);

	get_tablespace_page_costs(info->reltablespace, NULL, &page_cost);
	return pages * page_cost +
		   vertices * (cpu_index_tuple_cost + DISTANCE_OPERATORS * cpu_operator_cost);
}

/* Can the index serve the path's order and conditions, as far as one can tell? */
static bool
matches(Relation index, IndexPath *path)
{
	ListCell *cell;

	foreach (cell, path->indexorderbys)
	{
		if (!index_space_matches(index, STRATEGY_ORDER_BY_DISTANCE,
								 lsecond(((OpExpr *) lfirst(cell))->args)))
			return false;
	}
	foreach (cell, get_quals_from_indexclauses(path->indexclauses))
	{
		RestrictInfo *qual = lfirst_node(RestrictInfo, cell);

		if (!index_space_matches(index, STRATEGY_WITHIN, lsecond(((OpExpr *) qual->clause)->args)))
			return false;
	}
	return true;
}

static void
rule_out(IndexPath *path, Cost *startup_cost, Cost *total_cost)
{
	*startup_cost = get_float8_infinity();
	*total_cost = get_float8_infinity();
	disable_path_compat(path);
}

void
hnsw_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup_cost,
				   Cost *total_cost, Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	double tuples = Max(info->tuples, 1.0);
	Relation index;
	double first;
	double all;

	*selectivity = 1.0;
	*correlation = 0.0;
	*pages = info->pages;
	if (path->indexorderbys == NIL && path->indexclauses == NIL)
	{
		rule_out(path, startup_cost, total_cost);
		return;
	}
	index = index_open(info->indexoid, NoLock);
	if (!matches(index, path))
	{
		index_close(index, NoLock);
		rule_out(path, startup_cost, total_cost);
		return;
	}
	first = vertices_visited(index, tuples, 1.0);
	all = vertices_visited(index, tuples, tuples);
	index_close(index, NoLock);
	*startup_cost = visit_cost(info, first);
	*total_cost = Max(*startup_cost, visit_cost(info, all));
}
