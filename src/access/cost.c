/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What the cost estimates of all access methods have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "access/compat.h"
#include "access/cost.h"
#include "access/index_space.h"
#include "access/order_column.h"
#include "types/distance_cost.h"
#include "types/sphere.h"

/*
 * What is left of the cost of a distance in an index: norms and logarithms are
 * stored there, and reading the value counts as a visit to its page.
 */
#define STORED_SHARE 0.25

bool
cost_is_possible(Relation index, IndexPath *path)
{
	ListCell *cell;

	if (path->indexorderbys == NIL && path->indexclauses == NIL)
		return false;
	foreach (cell, path->indexorderbys)
	{
		OpExpr *order = lfirst_node(OpExpr, cell);

		if (!index_space_matches(index, STRATEGY_ORDER_BY_DISTANCE, lsecond(order->args)))
			return false;
	}
	foreach (cell, get_quals_from_indexclauses(path->indexclauses))
	{
		OpExpr *within = castNode(OpExpr, lfirst_node(RestrictInfo, cell)->clause);

		if (!index_space_matches(index, STRATEGY_WITHIN, lsecond(within->args)))
			return false;
	}
	return true;
}

void
cost_rule_out(IndexPath *path, Cost *startup_cost, Cost *total_cost)
{
	*startup_cost = get_float8_infinity();
	*total_cost = get_float8_infinity();
	disable_path_compat(path);
}

Selectivity
cost_selectivity(PlannerInfo *root, IndexPath *path)
{
	IndexOptInfo *info = path->indexinfo;
	List *conditions = get_quals_from_indexclauses(path->indexclauses);

	return clauselist_selectivity(root, add_predicate_to_index_quals(info, conditions),
								  info->rel->relid, JOIN_INNER, NULL);
}

/* Is the sphere, an operand, one around the other operand, as far as one can tell? */
static bool
is_sphere_around(Node *sphere, Node *query)
{
	Sphere *value;
	struct varlena *centre;

	if (IsA(sphere, FuncExpr) && ((FuncExpr *) sphere)->args != NIL)
		return equal(linitial(((FuncExpr *) sphere)->args), query);
	if (!IsA(sphere, Const) || ((Const *) sphere)->constisnull || !IsA(query, Const) ||
		((Const *) query)->constisnull)
		return false;
	value = DatumGetSphere(((Const *) sphere)->constvalue);
	centre = PG_DETOAST_DATUM(((Const *) query)->constvalue);
	return VARSIZE(centre) == VARSIZE(SPHERE_CENTRE(value)) &&
		   memcmp(centre, SPHERE_CENTRE(value), VARSIZE(centre)) == 0;
}

double
cost_rows_in_reach(PlannerInfo *root, IndexPath *path)
{
	RelOptInfo *table = path->indexinfo->rel;
	Selectivity smallest = 1.0;
	ListCell *cell;

	foreach (cell, get_quals_from_indexclauses(path->indexclauses))
	{
		Node *clause = (Node *) lfirst_node(RestrictInfo, cell)->clause;
		Node *sphere = lsecond(((OpExpr *) clause)->args);

		if (path->indexorderbys == NIL ||
			is_sphere_around(sphere, lsecond(linitial_node(OpExpr, path->indexorderbys)->args)))
			smallest =
				Min(smallest, clause_selectivity(root, clause, table->relid, JOIN_INNER, NULL));
	}
	return clamp_row_est(smallest * Min(path->indexinfo->tuples, table->tuples));
}

double
cost_rows_wanted(PlannerInfo *root, IndexPath *path, double in_reach)
{
	double passing = Min(Max(path->path.rows, 1.0), in_reach);
	double taken = passing;

	/* rows in another order are wanted by a sort, all of them */
	if (path->indexorderbys == NIL && root->query_pathkeys != NIL)
		return in_reach;
	if (root->limit_tuples > 0)
		taken = root->limit_tuples;
	else if (root->tuple_fraction >= 1.0)
		taken = root->tuple_fraction;
	return Min(in_reach, Max(1.0, taken * in_reach / passing));
}

Cost
cost_page_visits(PlannerInfo *root, IndexOptInfo *info, double visits)
{
	double tables = root->total_table_pages + info->pages;
	double in_memory = Min(1.0, effective_cache_size / Max(tables, 1.0));
	double random_page_price;
	double page_price;
	double pages;

	get_tablespace_page_costs(info->reltablespace, &random_page_price, &page_price);
	pages = index_pages_fetched(visits, info->pages, (double) info->pages, root);
	return pages * (in_memory * page_price + (1.0 - in_memory) * random_page_price);
}

/* The function of the path's first ordering operator, else of its first condition */
static Oid
distance_function(IndexPath *path)
{
	Node *call;

	if (path->indexorderbys != NIL)
		call = linitial(path->indexorderbys);
	else
		call = (Node *) linitial_node(RestrictInfo, get_quals_from_indexclauses(path->indexclauses))
				   ->clause;
	return get_opcode(castNode(OpExpr, call)->opno);
}

Cost
cost_distance(IndexPath *path, int dim)
{
	return STORED_SHARE * distance_cost(distance_function(path), dim);
}

Cost
cost_left_out(PlannerInfo *root, IndexPath *path)
{
	QualCost distance;

	if (path->indexorderbys == NIL || !order_column_is_left_out(root))
		return 0;
	cost_qual_eval_node(&distance, linitial(path->indexorderbys), root);
	return distance.per_tuple * path->path.rows;
}

Cost
cost_extrapolate(Cost startup, Cost at_wanted, double wanted, Cost at_all, double rows)
{
	Cost per_row = Max(at_wanted - startup, 0.0) / wanted;

	return Max(startup + per_row * Max(rows, wanted), at_all);
}
