/*-------------------------------------------------------------------------
 *
 * check_rows.c
 *	  Looking for damage in an index: is every row of the table in it?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

#include "access/check.h"

typedef struct RowCheck
{
	CheckState *check;
	MemoryContext row_context; /* reset for each row */
} RowCheck;

/* Called for every visible row that satisfies the index's predicate */
static void
check_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool tuple_is_alive,
		  void *arg)
{
	RowCheck *rows = (RowCheck *) arg;
	CheckState *check = rows->check;
	const CheckEntry *entry;
	MemoryContext old;
	char row[32];

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(rows->row_context);
	snprintf(row, sizeof(row), "row (%u,%u)", ItemPointerGetBlockNumber(tid),
			 ItemPointerGetOffsetNumber(tid));
	entry = check_entries_find(&check->rows, tid);
	if (entry == NULL)
		check_report(check, CHECK_ERROR, InvalidBlockNumber, row, "row is not in the index");
	else
	{
		void *copy;
		const void *value = index_space_value(&check->space, values[0], &copy);

		if (!check_holds_value(check, entry->owner, value))
			check_report(check, CHECK_ERROR, InvalidBlockNumber, row,
						 "index has another value for the row than the table");
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(rows->row_context);
}

/*
 * Looks up every row that the snapshot sees.  The scan finds the rows and
 * computes their values as an index build does, index expressions included;
 * the caller has seen to it that those run with the rights of the table's owner.
 */
void
check_rows(CheckState *check, Snapshot snapshot)
{
	IndexInfo *info = BuildIndexInfo(check->index);
	TableScanDesc scan = table_beginscan_strat(check->heap, snapshot, 0, NULL, true, true);
	RowCheck rows;

	check_entries_sort(&check->rows);
	rows.check = check;
	rows.row_context =
		AllocSetContextCreate(CurrentMemoryContext, "check of a row", ALLOCSET_DEFAULT_SIZES);
	/* the rows of an MVCC snapshot, as in CREATE INDEX CONCURRENTLY */
	info->ii_Concurrent = true;
	table_index_build_scan(check->heap, check->index, info, true, false, check_row, &rows, scan);
	MemoryContextDelete(rows.row_context);
}
