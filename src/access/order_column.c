/*-------------------------------------------------------------------------
 *
 * order_column.c
 *	  Leaves the distance that only ORDER BY asks for out of the rows of an
 *	  index scan.
 *
 * In SELECT id FROM items ORDER BY v <-> $1 LIMIT 10 the planner adds the
 * distance to the columns of every plan, for a sort to work on, and drops it
 * from the result at the end.  An index scan that returns rows in order needs
 * no such column, but the executor would compute it for each row all the same:
 * the row's vector is fetched, from its TOAST table if it is long, for a number
 * that nobody looks at.  With vectors stored out of line that is up to a
 * quarter of the time of a query.
 *
 * So the column is replaced by a null where nothing above can use it: in the
 * final paths of a query level that are an index scan of ours, with or without
 * a plain LIMIT on top.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"

#include "access/cost.h"
#include "access/order_column.h"

static create_upper_paths_hook_type previous_hook = NULL;

/* Does the path return rows of one of our indexes, in its order, as they come? */
static bool
is_ordered_scan(const Path *path)
{
	if (IsA(path, ProjectionPath))
		path = ((const ProjectionPath *) path)->subpath;
	return IsA(path, IndexPath) && ((const IndexPath *) path)->indexorderbys != NIL &&
		   ((const IndexPath *) path)->indexinfo->amcostestimate == cost_estimate;
}

/*
 * The target with a null in place of each column that is there for ORDER BY
 * alone, or NULL if there is none.
 */
static PathTarget *
without_order_columns(const PlannerInfo *root, PathTarget *target)
{
	PathTarget *result = NULL;
	int ncolumns = list_length(target->exprs);

	if (list_length(root->processed_tlist) != ncolumns)
		return NULL;
	for (int i = 0; i < ncolumns; i++)
	{
		TargetEntry *entry = list_nth_node(TargetEntry, root->processed_tlist, i);
		Node *expr = (Node *) list_nth(target->exprs, i);

		if (!entry->resjunk || entry->ressortgroupref == 0 || !IsA(expr, OpExpr) ||
			!equal(entry->expr, expr))
			continue;
		if (result == NULL)
			result = copy_pathtarget(target);
		lfirst(list_nth_cell(result->exprs, i)) =
			makeNullConst(exprType(expr), exprTypmod(expr), exprCollation(expr));
	}
	return result;
}

/* The scan without order columns; the path itself if it has none. */
static Path *
simplify_scan(const PlannerInfo *root, Path *path)
{
	PathTarget *target = without_order_columns(root, path->pathtarget);
	Size size = IsA(path, ProjectionPath) ? sizeof(ProjectionPath) : sizeof(IndexPath);
	Path *copy;

	if (target == NULL)
		return path;
	copy = memcpy(palloc(size), path, size);
	copy->pathtarget = target;
	return copy;
}

/* Nothing between the scan and the result looks at the columns of ORDER BY. */
static bool
is_plain_query(const Query *query)
{
	return query->commandType == CMD_SELECT && query->rowMarks == NIL &&
		   query->groupClause == NIL && query->groupingSets == NIL && !query->hasAggs &&
		   !query->hasWindowFuncs && !query->hasTargetSRFs && query->distinctClause == NIL &&
		   query->setOperations == NULL && query->havingQual == NULL;
}

bool
order_column_is_left_out(const PlannerInfo *root)
{
	ListCell *cell;

	if (!is_plain_query(root->parse) || bms_membership(root->all_baserels) != BMS_SINGLETON ||
		list_length(root->query_pathkeys) != 1)
		return false;
	foreach (cell, root->processed_tlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (entry->resjunk && entry->ressortgroupref != 0 && IsA(entry->expr, OpExpr))
			return true;
	}
	return false;
}

static void
simplify_final_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
					 RelOptInfo *output, void *extra)
{
	ListCell *cell;

	if (previous_hook != NULL)
		previous_hook(root, stage, input, output, extra);
	if (stage != UPPERREL_FINAL || !is_plain_query(root->parse))
		return;
	foreach (cell, output->pathlist)
	{
		Path *path = (Path *) lfirst(cell);

		if (is_ordered_scan(path))
			lfirst(cell) = simplify_scan(root, path);
		else if (IsA(path, LimitPath) && ((LimitPath *) path)->limitOption == LIMIT_OPTION_COUNT &&
				 is_ordered_scan(((LimitPath *) path)->subpath))
		{
			LimitPath *limit = memcpy(palloc(sizeof(LimitPath)), path, sizeof(LimitPath));

			limit->subpath = simplify_scan(root, limit->subpath);
			limit->path.pathtarget = limit->subpath->pathtarget;
			lfirst(cell) = limit;
		}
	}
}

void
order_column_init(void)
{
	previous_hook = create_upper_paths_hook;
	create_upper_paths_hook = simplify_final_paths;
}
