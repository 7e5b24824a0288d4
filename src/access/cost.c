/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What the cost estimates of all access methods have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
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
#include "access/method.h"
#include "access/order_column.h"
#include "types/distance_cost.h"
#include "types/sphere.h"

/*
 * What is left of the cost of a distance in an index: norms and logarithms are
 * stored there, and reading the value counts as a visit to its page.
 */
#define STORED_SHARE 0.25

/*
 * Can the index serve the path's order and conditions, as far as one can tell?
 * It cannot where a constant has other parameters than its operator class.
 */
static bool
is_possible(Relation index, IndexPath *path)
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

/* Makes the planner avoid the path. */
static void
rule_out(IndexPath *path, Cost *startup_cost, Cost *total_cost)
{
	*startup_cost = get_float8_infinity();
	*total_cost = get_float8_infinity();
	disable_path_compat(path);
}

/* Share of the table's rows that satisfy the range conditions of the path */
static Selectivity
selectivity_of(PlannerInfo *root, IndexPath *path)
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
	if (IsA(sphere, RowExpr)) /* a class over a function */
		return equal(linitial(((RowExpr *) sphere)->args), query);
	if (type_is_rowtype(exprType(sphere)))
		return false;
	if (!IsA(sphere, Const) || ((Const *) sphere)->constisnull || !IsA(query, Const) ||
		((Const *) query)->constisnull)
		return false;
	value = DatumGetSphere(((Const *) sphere)->constvalue);
	centre = PG_DETOAST_DATUM(((Const *) query)->constvalue);
	return VARSIZE(centre) == VARSIZE(SPHERE_CENTRE(value)) &&
		   memcmp(centre, SPHERE_CENTRE(value), VARSIZE(centre)) == 0;
}

/*
 * Rows that lie where the scan searches: within the sphere around its query
 * (scan_target.h), or all rows.
 */
static double
rows_in_reach(PlannerInfo *root, IndexPath *path)
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

/*
 * Rows out of those in reach that the scan will probably be asked for: as many
 * as it takes until LIMIT rows have passed the query's conditions.  All of them
 * where the number is not known: of a cursor and of LIMIT $1 the planner takes a
 * tenth of the rows for granted, far more than is usually fetched, and the price
 * of all is the lowest for a row.
 */
static double
rows_wanted(PlannerInfo *root, IndexPath *path, double in_reach)
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
cost_page_visits(PlannerInfo *root, IndexOptInfo *info, double visits, double memory_share)
{
	double tables = root->total_table_pages + info->pages;
	double in_memory = Min(1.0, effective_cache_size / Max(tables, 1.0));
	double random_page_price;
	double page_price;
	double pages;

	get_tablespace_page_costs(info->reltablespace, &random_page_price, &page_price);
	pages = index_pages_fetched(visits, info->pages, (double) info->pages, root);
	return pages * (in_memory * memory_share * page_price + (1.0 - in_memory) * random_page_price);
}

/*
 * What the planner's price of the table's pages lacks, of which the first `wanted` of
 * `rows` rows are taken.  It prices the pages of all rows and takes of that the share of
 * the rows wanted; but rows that come first share few pages.  A page costs the more
 * the smaller the part of the table is that they lie on, as for a bitmap scan.
 */
static Cost
early_pages(PlannerInfo *root, IndexPath *path, double wanted, double rows)
{
	IndexOptInfo *info = path->indexinfo;
	double table = Max((double) info->rel->pages, 1.0);
	double first = index_pages_fetched(wanted, table, (double) info->pages, root);
	double all = index_pages_fetched(rows, table, (double) info->pages, root);
	double random_page_price;
	double page_price;
	double price;

	get_tablespace_page_costs(info->rel->reltablespace, &random_page_price, &page_price);
	price = random_page_price - (random_page_price - page_price) * sqrt(Min(first / table, 1.0));
	return Max(0.0, first * price - all * random_page_price * wanted / rows);
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

/* Cost of a distance between a stored value of so many dimensions and the path's query */
static Cost
distance_of_path(Relation index, IndexPath *path, int dim)
{
	Oid user = index_getprocid(index, 1, SUPPORT_DISTANCE);

	if (OidIsValid(user))
		return distance_cost(user, DISTANCE_COST_DIM);
	return STORED_SHARE * distance_cost(distance_function(path), dim);
}

/*
 * What the planner will add to an ordered path for a distance that is not
 * computed for its rows (order_column.h)
 */
static Cost
left_out(PlannerInfo *root, IndexPath *path)
{
	QualCost distance;

	if (path->indexorderbys == NIL || !order_column_is_left_out(root))
		return 0;
	cost_qual_eval_node(&distance, linitial(path->indexorderbys), root);
	return distance.per_tuple * path->path.rows;
}

/*
 * The total cost that makes a scan of which `wanted` out of `rows` rows are
 * taken cost at_wanted.  The planner takes cost to grow with the rows from
 * startup to total in a straight line; that of a graph or tree search does not,
 * so the line is laid through the point that matters.  But never below at_all,
 * the cost of all rows: the rows wanted are a guess.
 */
static Cost
extrapolate(Cost startup, Cost at_wanted, double wanted, Cost at_all, double rows)
{
	Cost per_row = Max(at_wanted - startup, 0.0) / wanted;

	return Max(startup + per_row * Max(rows, wanted), at_all);
}

/* Is a value of an outer query or a subquery's result in the expression? */
static bool
has_outer_value(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		return true;
	return expression_tree_walker(node, has_outer_value, context);
}

/*
 * Keeps an ordered path to the leader if it depends on a value that workers may not have.
 * The planner looks whether conditions may run in a worker, but not whether the order
 * may, which could put the path below a parallel append, where the value is missing.
 */
static void
keep_to_leader(IndexPath *path)
{
	if (has_outer_value((Node *) path->indexorderbys, NULL))
		path->path.parallel_safe = false;
}

/* What a scan of the index is to be priced by */
static CostShape *
make_shape(const AccessMethod *method, Relation index, PlannerInfo *root, IndexPath *path)
{
	CostShape *shape = palloc0(method->cost->shape_size);
	MetaHeader *meta = palloc(method->meta_size);

	meta_read(index, method->id, meta, method->meta_size);
	shape->root = root;
	shape->path = path;
	shape->tuples = Max(path->indexinfo->tuples, 1.0);
	shape->dim = meta->dim > 0 ? meta->dim : DISTANCE_COST_DIM;
	shape->distance = distance_of_path(index, path, shape->dim);
	method->cost->read_shape(shape, index, meta);
	pfree(meta);
	return shape;
}

/* The same for a path, with the method of its index; NULL: the index cannot serve the path. */
static CostShape *
read_shape(PlannerInfo *root, IndexPath *path, const CostMethod **method)
{
	CostShape *shape = NULL;
	Relation index;

	if (path->indexinfo->hypothetical)
		return NULL;
	index = index_open(path->indexinfo->indexoid, NoLock);
	*method = method_of(index)->cost;
	if (is_possible(index, path))
		shape = make_shape(method_of(index), index, root, path);
	index_close(index, NoLock);
	return shape;
}

void
cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup_cost,
			  Cost *total_cost, Selectivity *selectivity, double *correlation, double *pages)
{
	const CostMethod *method;
	CostShape *shape = read_shape(root, path, &method);
	double in_reach;
	double wanted;
	Cost at_wanted;
	Cost total;

	*selectivity = 1.0;
	*correlation = 0.0;
	*pages = path->indexinfo->pages;
	if (shape == NULL)
	{
		rule_out(path, startup_cost, total_cost);
		return;
	}
	keep_to_leader(path);
	*selectivity = selectivity_of(root, path);
	in_reach = rows_in_reach(root, path);
	wanted = rows_wanted(root, path, in_reach);
	*startup_cost = method->scan_cost(shape, 1.0);
	at_wanted = method->scan_cost(shape, wanted) + early_pages(root, path, wanted, in_reach);
	total =
		extrapolate(*startup_cost, at_wanted, wanted, method->scan_cost(shape, in_reach), in_reach);
	*total_cost = Max(0.0, total - left_out(root, path));
	*startup_cost = Min(*startup_cost, *total_cost);
	pfree(shape);
}
