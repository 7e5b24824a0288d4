/*-------------------------------------------------------------------------
 *
 * distance_cost.c
 *	  What the planner should think a distance costs: the support function of
 *	  the distance functions and range operators.
 *
 * The COST of a function in the catalog is one number.  But a distance between
 * vectors of 1,000 dimensions takes thirty times as long as between vectors of
 * 32, and fetching a vector that is stored out of line as long as several
 * distances: an exact search over such a column is far slower than the number
 * of the table's pages tells.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "types/dense.h"
#include "types/distance_cost.h"

/* In units of cpu_operator_cost, measured (bench/RESULTS.md): a call of the function, */
#define CALL_OPERATORS 15

/* fetching a value that is stored out of line, and each byte of it */
#define FETCH_OPERATORS 550
#define FETCH_OPERATORS_PER_BYTE 0.06

Cost
distance_cost(Oid function, int dim)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	double operators;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	operators = ((Form_pg_proc) GETSTRUCT(tuple))->procost;
	ReleaseSysCache(tuple);
	return operators * dim / DISTANCE_COST_DIM * cpu_operator_cost;
}

/* The operands of a call, or NIL */
static List *
operands(Node *call)
{
	if (call != NULL && IsA(call, FuncExpr))
		return ((FuncExpr *) call)->args;
	if (call != NULL && IsA(call, OpExpr))
		return ((OpExpr *) call)->args;
	return NIL;
}

/*
 * Dimensions of the values compared: a column's declared ones, else as many as
 * a constant has coordinates of four bytes.
 */
static int
guess_dim(List *operands)
{
	int dim = DISTANCE_COST_DIM;
	ListCell *cell;

	foreach (cell, operands)
	{
		Node *operand = (Node *) lfirst(cell);

		if (exprTypmod(operand) > 0)
			return exprTypmod(operand);
		if (IsA(operand, Const) && !((Const *) operand)->constisnull &&
			((Const *) operand)->constlen == -1)
			dim = (int) (toast_raw_datum_size(((Const *) operand)->constvalue) / sizeof(float));
	}
	return Max(dim, 1);
}

/*
 * Are the values of this column stored out of line?  Their average width is
 * then that of a pointer: less than a byte a dimension.
 */
static bool
is_out_of_line(PlannerInfo *root, const Var *var, int dim)
{
	RangeTblEntry *rte;
	int32 width;

	if (root == NULL || var->varlevelsup > 0 || var->varattno <= 0 || IS_SPECIAL_VARNO(var->varno))
		return false;
	rte = planner_rt_fetch(var->varno, root);
	if (rte->rtekind != RTE_RELATION)
		return false;
	width = get_attavgwidth(rte->relid, var->varattno);
	if (width > 0)
		return width < dim;
	return dim * sizeof(float) > TOAST_TUPLE_TARGET;
}

/* Columns of dim dimensions in the call that are stored out of line */
static int
count_fetches(PlannerInfo *root, List *operands, int dim)
{
	List *columns =
		pull_var_clause((Node *) operands, PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS |
											   PVC_RECURSE_PLACEHOLDERS);
	int fetches = 0;
	ListCell *cell;

	foreach (cell, columns)
		fetches += is_out_of_line(root, lfirst_node(Var, cell), dim);
	list_free(columns);
	return fetches;
}

/* Support function of distance functions and the functions of range operators */
PG_FUNCTION_INFO_V1(distance_support);
Datum
distance_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestCost *cost;
	List *args;
	int dim;

	if (!IsA(request, SupportRequestCost))
		PG_RETURN_POINTER(NULL);
	cost = (SupportRequestCost *) request;
	args = operands(cost->node);
	dim = guess_dim(args);
	cost->startup = 0;
	cost->per_tuple = CALL_OPERATORS * cpu_operator_cost + distance_cost(cost->funcid, dim) +
					  count_fetches(cost->root, args, dim) * cpu_operator_cost *
						  (FETCH_OPERATORS + FETCH_OPERATORS_PER_BYTE * dim * sizeof(float));
	PG_RETURN_POINTER(cost);
}
