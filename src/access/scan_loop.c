/*-------------------------------------------------------------------------
 *
 * scan_loop.c
 *	  What index scans of all access methods have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/relscan.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/compat.h"
#include "access/method.h"
#include "access/scan_loop.h"
#include "core/entry_heap.h"
#include "storage/heap_tids.h"
#include "storage/page.h"

#define MIN_LATE 64

static const struct config_enum_entry iterative_scan_values[] = {
	{"off", ITERATIVE_OFF, false},
	{"relaxed_order", ITERATIVE_RELAXED, false},
	{"strict_order", ITERATIVE_STRICT, false},
	{NULL, 0, false},
};

void
scan_settings_define(ScanSettings *settings, const char *method)
{
	DefineCustomEnumVariable(psprintf("%s.iterative_scan", method),
							 "Sets whether a scan goes on for more rows than its search finds.",
							 NULL, &settings->iterative_scan, settings->iterative_scan,
							 iterative_scan_values, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		psprintf("%s.max_scan_tuples", method), "Sets the number of rows after which a scan stops.",
		"-1 means no limit.", &settings->max_scan_tuples, settings->max_scan_tuples, SCAN_NO_LIMIT,
		INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
}

/* Makes a scan begin anew; its memory context is empty. */
static void
reset(ScanLoop *loop)
{
	const ScanMethod *method = loop->method;
	IndexScanDesc scan = loop->scan;
	MemoryContext context = loop->context;

	memset(loop, 0, method->state_size);
	loop->method = method;
	loop->scan = scan;
	loop->context = context;
	loop->last_key = -INFINITY;
}

IndexScanDesc
scan_loop_begin(Relation index, int nkeys, int norderbys)
{
	const ScanMethod *method = method_of(index)->scan;
	IndexScanDesc scan = scan_target_begin(index, nkeys, norderbys);
	ScanLoop *loop = palloc(method->state_size);

	loop->method = method;
	loop->scan = scan;
	loop->context =
		AllocSetContextCreate(CurrentMemoryContext, "ann index scan", ALLOCSET_DEFAULT_SIZES);
	reset(loop);
	scan->opaque = loop;
	return scan;
}

void
scan_loop_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	ScanLoop *loop = (ScanLoop *) scan->opaque;

	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, scan->numberOfOrderBys * sizeof(ScanKeyData));
	MemoryContextReset(loop->context);
	reset(loop);
}

void
scan_loop_end(IndexScanDesc scan)
{
	ScanLoop *loop = (ScanLoop *) scan->opaque;

	MemoryContextDelete(loop->context);
	pfree(loop);
	scan->opaque = NULL;
}

static void
check_scan(IndexScanDesc scan)
{
	if (scan->numberOfOrderBys + scan->numberOfKeys == 0)
		elog(ERROR, "index \"%s\" can only be scanned in order of a distance or within a sphere",
			 RelationGetRelationName(scan->indexRelation));
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		elog(ERROR, "index \"%s\" can only be scanned with an MVCC snapshot",
			 RelationGetRelationName(scan->indexRelation));
}

/* False: there are no rows. */
static bool
start(ScanLoop *loop)
{
	loop->started = true;
	check_scan(loop->scan);
	memset(&last_scan_stats, 0, sizeof(last_scan_stats));
	last_scan_stats.index = RelationGetRelid(loop->scan->indexRelation);
	pgstat_count_index_scan(loop->scan->indexRelation);
	count_index_search(loop->scan);
	return loop->method->start(loop);
}

bool
scan_loop_read_target(ScanLoop *loop, IndexSpace *space)
{
	loop->space = space;
	if (!scan_target_init(&loop->target, space, loop->scan))
		return false;
	loop->query =
		space_prepare_query(&space->context, loop->target.query, palloc(Max(space->query_size, 1)));
	return true;
}

/* amgettuple: the next row, in order of distance if the scan has an order */
bool
scan_loop_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	ScanLoop *loop = (ScanLoop *) scan->opaque;
	int limit = loop->method->settings->max_scan_tuples;
	MemoryContext old;
	float key;

	if (!ScanDirectionIsForward(direction))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("index \"%s\" cannot be scanned backwards",
							   RelationGetRelationName(scan->indexRelation))));
	if (limit != SCAN_NO_LIMIT && loop->rows >= limit)
		return false;
	old = MemoryContextSwitchTo(loop->context);
	if (!loop->started)
		loop->ended = !start(loop);
	if (!loop->ended)
		loop->ended = !loop->method->next_row(loop, &scan->xs_heaptid, &key);
	if (!loop->ended)
	{
		heap_tid_check(scan->indexRelation, &scan->xs_heaptid);
		scan->xs_recheck = loop->target.recheck;
		scan_target_report_order(&loop->target, loop->space, scan, key);
		loop->rows++;
	}
	loop->method->count(loop);
	last_scan_stats.rows = loop->rows;
	MemoryContextSwitchTo(old);
	return !loop->ended;
}

bool
scan_loop_in_order(ScanLoop *loop, PoolEntry entry)
{
	if (entry.key >= loop->last_key || !loop->target.ordered)
		return true;
	last_scan_stats.late_rows++;
	if (loop->method->settings->iterative_scan == ITERATIVE_RELAXED)
		return true;
	if (loop->nlate == loop->late_capacity)
	{
		loop->late_capacity = Max(MIN_LATE, loop->late_capacity * 2);
		if (loop->late == NULL)
			loop->late = palloc(loop->late_capacity * sizeof(PoolEntry));
		else
			loop->late = repalloc_huge(loop->late, loop->late_capacity * sizeof(PoolEntry));
	}
	loop->late[loop->nlate++] = entry;
	return false;
}

bool
scan_loop_next_late(ScanLoop *loop, PoolEntry *entry)
{
	if (!loop->returns_late)
		entry_heap_build(loop->late, loop->nlate);
	loop->returns_late = true;
	if (loop->nlate == 0)
		return false;
	*entry = entry_heap_pop(loop->late, loop->nlate);
	loop->nlate--;
	return true;
}

void
scan_loop_put_late(ScanLoop *loop, PoolEntry entry)
{
	entry_heap_push(loop->late, loop->nlate, entry);
	loop->nlate++;
}
