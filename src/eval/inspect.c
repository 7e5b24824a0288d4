/*-------------------------------------------------------------------------
 *
 * inspect.c
 *	  ann_index_info(regclass) and ann_check(regclass, ...): looking inside an
 *	  index.
 *
 * Both find the access method of the index among those that have registered
 * (access/method.h), so they hold for all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "access/compat.h"
#include "access/inspect.h"
#include "access/method.h"

PG_FUNCTION_INFO_V1(ann_index_info);
PG_FUNCTION_INFO_V1(ann_check);

/* Makes the function return the rows of a tuplestore, which is returned. */
static Tuplestorestate *
begin_rows(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (result == NULL || !IsA(result, ReturnSetInfo) || !(result->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	result->returnMode = SFRM_Materialize;
	result->setDesc = *desc;
	result->setResult = tuplestore_begin_heap(true, false, work_mem);
	MemoryContextSwitchTo(old);
	return result->setResult;
}

/* Raises an error unless the open index is one whose pages can be looked at. */
static const AccessMethod *
require_readable(Relation index)
{
	const AccessMethod *method = method_of(index);

	inspect_require_whole(index);
	if (method == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not an index of this extension",
						RelationGetRelationName(index)),
				 errdetail("Its access method is \"%s\".", get_am_name(index->rd_rel->relam))));
	inspect_require_usable(index);
	return method;
}

/* ann_index_info(regclass): whoever may read the table may see this. */
Datum
ann_index_info(PG_FUNCTION_ARGS)
{
	Oid index_oid = PG_GETARG_OID(0);
	Oid heap_oid = IndexGetRelation(index_oid, true);
	Relation index;
	const AccessMethod *method;
	InfoReport report;

	if (OidIsValid(heap_oid) && !owns_relation(index_oid, GetUserId()) &&
		pg_class_aclcheck(heap_oid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(heap_oid));
	report.store = begin_rows(fcinfo, &report.desc);
	index = index_open(index_oid, AccessShareLock);
	method = require_readable(index);
	info_add(&report, "access_method", "%s", get_am_name(index->rd_rel->relam));
	method->inspect->info(index, &report);
	index_close(index, AccessShareLock);
	return (Datum) 0;
}

/* Hands the findings over as rows. */
static void
return_findings(const CheckState *check, Tuplestorestate *store, TupleDesc desc)
{
	for (int i = 0; i < check->nfindings; i++)
	{
		const CheckFinding *finding = &check->findings[i];
		Datum values[4];
		bool nulls[4] = {false, false, false, false};

		values[0] = CStringGetTextDatum(finding->severity == CHECK_ERROR ? "error" : "note");
		values[1] = Int64GetDatum((int64) finding->block);
		nulls[1] = finding->block == InvalidBlockNumber;
		nulls[2] = finding->item == NULL;
		values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(finding->item);
		values[3] = CStringGetTextDatum(finding->problem);
		tuplestore_putvalues(store, desc, values, nulls);
	}
	if (check->unlisted > 0)
		ereport(NOTICE, (errmsg("further findings about index \"%s\" are not listed",
								RelationGetRelationName(check->index)),
						 errdetail("There are %lld of them.", (long long) check->unlisted)));
}

/*
 * Runs the check with the rights of the table's owner, as CREATE INDEX does:
 * index expressions and predicates are the owner's code.
 */
static void
check_as_owner(CheckState *check, Oid owner)
{
	Oid save_user;
	int save_context;
	int save_level;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(owner, save_context | SECURITY_RESTRICTED_OPERATION);
	save_level = NewGUCNestLevel();
	RestrictSearchPath();
	check_run(check);
	AtEOXact_GUC(false, save_level);
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * Locks the index against writers, VACUUM among them, if that needs no waiting:
 * they take a lock on each index of the table, and some keep it until their
 * transaction ends.  Otherwise, and on a standby, AccessShareLock must do; what
 * is not logged shows no sign of a change, so there one has to wait.
 */
static LOCKMODE
lock_for_check(Oid index_oid, bool *settled)
{
	LOCKMODE lock = ShareLock;

	*settled = !RecoveryInProgress() && ConditionalLockRelationOid(index_oid, ShareLock);
	if (*settled)
		return lock;
	*settled = !RecoveryInProgress() && get_rel_persistence(index_oid) != RELPERSISTENCE_PERMANENT;
	lock = *settled ? ShareLock : AccessShareLock;
	LockRelationOid(index_oid, lock);
	return lock;
}

/*
 * ann_check(regclass, heap_check [, notes]): for the owner of the index, since it
 * may keep writers waiting.
 */
Datum
ann_check(PG_FUNCTION_ARGS)
{
	Oid index_oid = PG_GETARG_OID(0);
	Oid heap_oid = IndexGetRelation(index_oid, true);
	LOCKMODE lock;
	CheckState check;
	Relation heap;
	TupleDesc desc;
	Tuplestorestate *store = begin_rows(fcinfo, &desc);

	if (!OidIsValid(heap_oid)) /* says that it is no index */
		index_close(index_open(index_oid, AccessShareLock), AccessShareLock);
	if (!owns_relation(index_oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, get_rel_name(index_oid));
	heap = table_open(heap_oid, AccessShareLock);
	memset(&check, 0, sizeof(check));
	lock = lock_for_check(index_oid, &check.settled);
	check.index = index_open(index_oid, NoLock);
	if (heap_oid != IndexGetRelation(index_oid, false))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("could not open parent table of index \"%s\"",
							   RelationGetRelationName(check.index))));
	check.method = require_readable(check.index);
	check.heap = PG_GETARG_BOOL(1) ? heap : NULL;
	check.notes = PG_NARGS() > 2 && PG_GETARG_BOOL(2);
	check.strategy = GetAccessStrategy(BAS_BULKREAD);
	check_as_owner(&check, heap->rd_rel->relowner);
	return_findings(&check, store, desc);
	index_close(check.index, lock);
	table_close(heap, AccessShareLock);
	return (Datum) 0;
}
