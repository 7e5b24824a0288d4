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
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/vacuum.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "access/build.h"
#include "access/compat.h"
#include "access/cost.h"
#include "access/index_space.h"
#include "access/insert.h"
#include "access/method.h"
#include "access/scan_loop.h"
#include "access/vacuum.h"

#define MAX_METHODS 8

static const AccessMethod *methods[MAX_METHODS];
static int nmethods = 0;

static bool validate_class(Oid opclass);
static bool find_property(Oid index, int column, IndexAMProperty property, const char *name,
						  bool *result, bool *isnull);

void
method_register(const AccessMethod *method)
{
	if (nmethods == MAX_METHODS)
		elog(ERROR, "too many access methods");
	methods[nmethods++] = method;
	method->init();
}

const AccessMethod *
method_of_routine(const IndexAmRoutine *routine)
{
	for (int i = 0; i < nmethods; i++)
	{
		if (routine->amoptions == methods[i]->options)
			return methods[i];
	}
	return NULL;
}

const AccessMethod *
method_of(Relation index)
{
	return method_of_routine(index->rd_indam);
}

IndexAmRoutine *
method_routine(const AccessMethod *method)
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
	routine->ambuild = build_index;
	routine->ambuildempty = build_empty;
	routine->aminsert = insert_row;
	routine->ambulkdelete = vacuum_bulk_delete;
	routine->amvacuumcleanup = vacuum_cleanup;
	routine->amcostestimate = cost_estimate;
	routine->amoptions = method->options;
	routine->amproperty = find_property;
	routine->ambuildphasename = method->phase_name;
	routine->amvalidate = validate_class;
	routine->ambeginscan = scan_loop_begin;
	routine->amrescan = scan_loop_rescan;
	routine->amgettuple = scan_loop_get_tuple;
	routine->amendscan = scan_loop_end;
	return routine;
}

/* What the operator of a strategy must be */
typedef struct StrategyFacts
{
	int strategy;
	char purpose; /* AMOP_ORDER, AMOP_SEARCH */
	Oid result;
} StrategyFacts;

static const StrategyFacts strategies[] = {
	{STRATEGY_ORDER_BY_DISTANCE, AMOP_ORDER, FLOAT8OID},
	{STRATEGY_WITHIN, AMOP_SEARCH, BOOLOID},
};

/* A class under validation, with the names messages use */
typedef struct Validation
{
	Oid type; /* that the class is for */
	const char *class_name;
	const char *family_name;
	const char *method_name;
	Oid distance; /* support function 2 of that type, or invalid */
	bool valid;
} Validation;

/* Says what is wrong with a member of the family, at INFO level as the server's methods do. */
static void
report_member(Validation *validation, const char *member, const char *problem)
{
	ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				   errmsg("operator family \"%s\" of access method %s contains %s %s",
						  validation->family_name, validation->method_name, member, problem)));
	validation->valid = false;
}

static void
report_missing(Validation *validation, const char *what)
{
	ereport(INFO, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				   errmsg("operator class \"%s\" of access method %s is missing %s",
						  validation->class_name, validation->method_name, what)));
	validation->valid = false;
}

static void
validate_function(Validation *validation, Form_pg_amproc proc)
{
	const char *name = psprintf("function %s", format_procedure(proc->amproc));
	bool sound;

	if (proc->amproclefttype != proc->amprocrighttype)
		report_member(validation, name, "with different left and right input types");
	switch (proc->amprocnum)
	{
		case SUPPORT_SPACE:
			sound = check_amproc_signature(proc->amproc, INTERNALOID, true, 1, 1, INTERNALOID);
			break;
		case SUPPORT_DISTANCE:
			sound = check_amproc_signature(proc->amproc, FLOAT8OID, true, 2, 2,
										   proc->amproclefttype, proc->amprocrighttype);
			break;
		case SUPPORT_OPTIONS:
			sound = check_amoptsproc_signature(proc->amproc);
			break;
		default:
			report_member(validation, name,
						  psprintf("with invalid support number %d", proc->amprocnum));
			return;
	}
	if (!sound)
		report_member(validation, name,
					  psprintf("with wrong signature for support number %d", proc->amprocnum));
}

/*
 * All support functions of the family.  Either a space or a distance is that of the
 * class's type; other options than those of a distance do not go with one.
 */
static void
validate_functions(Validation *validation, CatCList *functions)
{
	Oid own[SUPPORT_COUNT + 1] = {InvalidOid};

	for (int i = 0; i < functions->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc) GETSTRUCT(&functions->members[i]->tuple);

		validate_function(validation, proc);
		if (proc->amproclefttype == validation->type && proc->amprocnum <= SUPPORT_COUNT)
			own[proc->amprocnum] = proc->amproc;
	}
	validation->distance = own[SUPPORT_DISTANCE];
	if (!OidIsValid(own[SUPPORT_SPACE]) && !OidIsValid(own[SUPPORT_DISTANCE]))
		report_missing(validation, psprintf("support function %d, or %d for a distance function",
											SUPPORT_SPACE, SUPPORT_DISTANCE));
	if (OidIsValid(own[SUPPORT_SPACE]) && OidIsValid(own[SUPPORT_DISTANCE]))
		report_member(validation, psprintf("function %s", format_procedure(own[SUPPORT_DISTANCE])),
					  psprintf("besides support function %d", SUPPORT_SPACE));
	if (OidIsValid(own[SUPPORT_DISTANCE]) && OidIsValid(own[SUPPORT_OPTIONS]) &&
		!index_space_is_metric_option(own[SUPPORT_OPTIONS]))
		report_member(validation, psprintf("function %s", format_procedure(own[SUPPORT_OPTIONS])),
					  psprintf("that does not go with support number %d", SUPPORT_DISTANCE));
}

/* The operators of a class over a distance function: they must be about that function. */
static void
validate_for_distance(Validation *validation, const char *name, Form_pg_amop op)
{
	if (op->amopstrategy == STRATEGY_ORDER_BY_DISTANCE &&
		get_opcode(op->amopopr) != validation->distance)
		report_member(validation, name,
					  psprintf("that does not compute support function %d", SUPPORT_DISTANCE));
	if (op->amopstrategy == STRATEGY_WITHIN &&
		!index_space_is_sphere_type(op->amoprighttype, validation->type))
		report_member(validation, name,
					  psprintf("whose right operand is no row of types %s and %s",
							   format_type_be(validation->type), format_type_be(FLOAT8OID)));
}

static void
validate_operator(Validation *validation, Form_pg_amop op)
{
	const char *name = psprintf("operator %s", format_operator(op->amopopr));
	const StrategyFacts *facts = NULL;

	for (int i = 0; i < (int) lengthof(strategies); i++)
	{
		if (strategies[i].strategy == op->amopstrategy)
			facts = &strategies[i];
	}
	if (facts == NULL)
	{
		report_member(validation, name,
					  psprintf("with invalid strategy number %d", op->amopstrategy));
		return;
	}
	if (op->amoppurpose != facts->purpose)
		report_member(validation, name,
					  facts->purpose == AMOP_ORDER ? "that is not declared FOR ORDER BY"
												   : "that is declared FOR ORDER BY");
	else if (op->amoppurpose == AMOP_ORDER &&
			 !opfamily_can_sort_type(op->amopsortfamily, get_op_rettype(op->amopopr)))
		report_member(validation, name, "with incorrect ORDER BY operator family");
	if (!check_amop_signature(op->amopopr, facts->result, op->amoplefttype, op->amoprighttype))
		report_member(validation, name, "with wrong signature");
	if (OidIsValid(validation->distance) && op->amoplefttype == validation->type)
		validate_for_distance(validation, name, op);
}

/* All operators of the family; one must give the distance from the class's type. */
static void
validate_operators(Validation *validation, CatCList *operators)
{
	bool has_distance = false;

	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		validate_operator(validation, op);
		has_distance |=
			op->amopstrategy == STRATEGY_ORDER_BY_DISTANCE && op->amoplefttype == validation->type;
	}
	if (!has_distance)
		report_missing(validation, psprintf("operator %d", STRATEGY_ORDER_BY_DISTANCE));
}

static const char *
family_name(Oid family)
{
	HeapTuple tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
	const char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator family %u", family);
	name = pstrdup(NameStr(((Form_pg_opfamily) GETSTRUCT(tuple))->opfname));
	ReleaseSysCache(tuple);
	return name;
}

/* amvalidate: the classes of all methods have the same support functions. */
static bool
validate_class(Oid opclass)
{
	HeapTuple tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Form_pg_opclass class;
	Oid family;
	CatCList *functions;
	CatCList *operators;
	Validation validation;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclass);
	class = (Form_pg_opclass) GETSTRUCT(tuple);
	family = class->opcfamily;
	validation.type = class->opcintype;
	validation.class_name = pstrdup(NameStr(class->opcname));
	validation.family_name = family_name(family);
	validation.method_name = get_am_name(class->opcmethod);
	validation.valid = true;
	ReleaseSysCache(tuple);

	functions = SearchSysCacheList1(AMPROCNUM, ObjectIdGetDatum(family));
	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
	validate_functions(&validation, functions);
	validate_operators(&validation, operators);
	ReleaseCatCacheList(functions);
	ReleaseCatCacheList(operators);
	return validation.valid;
}

/* Has the operator class of the index's column an operator to order by? */
static bool
column_is_distance_orderable(Oid index, int column)
{
	Oid opclass = get_index_column_opclass(index, column);
	Oid family;
	Oid type;
	CatCList *operators;
	bool found = false;

	if (!OidIsValid(opclass) || !get_opclass_opfamily_and_input_type(opclass, &family, &type))
		return false;
	operators = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(family));
	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop op = (Form_pg_amop) GETSTRUCT(&operators->members[i]->tuple);

		found |= op->amoppurpose == AMOP_ORDER && op->amoplefttype == type;
	}
	ReleaseCatCacheList(operators);
	return found;
}

/* amproperty: a column can be ordered by distance. */
static bool
find_property(Oid index, int column, IndexAMProperty property, const char *name, bool *result,
			  bool *isnull)
{
	if (property == AMPROP_DISTANCE_ORDERABLE && column > 0)
		*result = column_is_distance_orderable(index, column);
	else if (property == AMPROP_CAN_EXCLUDE)
		*result = false; /* distances and spheres exclude nothing */
	else
		return false;
	*isnull = false;
	return true;
}
