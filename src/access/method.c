/*-------------------------------------------------------------------------
 *
 * method.c
 *	  What the access methods of this extension have in common as seen by the
 *	  server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "access/compat.h"
#include "access/index_space.h"
#include "access/method.h"

IndexAmRoutine *
method_routine(void)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 0;
	routine->amsupport = SUPPORT_COUNT;
	routine->amoptsprocnum = SUPPORT_OPTIONS;
	routine->amcanorder = false;
	routine->amcanorderbyop = true;
	routine->amcanbackward = false;
	routine->amcanunique = false;
	routine->amcanmulticol = false;
	routine->amoptionalkey = true;
	routine->amsearcharray = false;
	routine->amsearchnulls = false;
	routine->amstorage = false;
	routine->amclusterable = false;
	routine->ampredlocks = false;
	routine->amcanparallel = false;
	routine->amcaninclude = false;
	routine->amusemaintenanceworkmem = false;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	routine->amkeytype = InvalidOid;
	routine->amvalidate = method_validate;
	return routine;
}

/* What is wrong with a class, at INFO level as the server's own methods say it */
static void
report_invalid(Oid opclass, const char *what)
{
	ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				   errmsg("operator class %u %s", opclass, what)));
}

static bool
validate_support(Oid opclass, CatCList *functions)
{
	bool valid = true;
	bool has_space = false;

	for (int i = 0; i < functions->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&functions->members[i]->tuple);

		switch (proc->amprocnum)
		{
			case SUPPORT_SPACE:
				has_space = true;
				if (!check_amproc_signature(proc->amproc, INTERNALOID, true, 1, 1, INTERNALOID))
				{
					report_invalid(opclass, "has a support function 1 of the wrong signature");
					valid = false;
				}
				break;
			case SUPPORT_OPTIONS:
				if (!check_amoptsproc_signature(proc->amproc))
				{
					report_invalid(opclass, "has a support function 3 of the wrong signature");
					valid = false;
				}
				break;
			default:
				report_invalid(opclass, "has a support function of an unknown number");
				valid = false;
		}
	}
	if (!has_space)
	{
		report_invalid(opclass, "has no support function 1");
		valid = false;
	}
	return valid;
}

/* Is it a distance to order by, or a range condition? */
static bool
is_valid_operator(Form_pg_amop op)
{
	if (op->amopstrategy == STRATEGY_ORDER_BY_DISTANCE)
		return op->amoppurpose == AMOP_ORDER && get_op_rettype(op->amopopr) == FLOAT8OID;
	return op->amopstrategy == STRATEGY_WITHIN && op->amoppurpose == AMOP_SEARCH &&
		   get_op_rettype(op->amopopr) == BOOLOID;
}

static bool
validate_operators(Oid opclass, CatCList *operators)
{
	bool valid = true;

	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		if (!is_valid_operator(op))
		{
			report_invalid(opclass,
						   "has an operator that is neither a distance nor a range condition");
			valid = false;
		}
	}
	if (operators->n_members == 0)
	{
		report_invalid(opclass, "has no operator");
		valid = false;
	}
	return valid;
}

bool
method_validate(Oid opclass)
{
	HeapTuple tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Oid family;
	CatCList *functions;
	CatCList *operators;
	bool valid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	family = ((Form_pg_opclass) GETSTRUCT(tuple))->opcfamily;
	ReleaseSysCache(tuple);
	functions = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
	valid = validate_support(opclass, functions);
	valid = validate_operators(opclass, operators) && valid;
	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
	return valid;
}
