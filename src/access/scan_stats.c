/*-------------------------------------------------------------------------
 *
 * scan_stats.c
 *	  What the last index scan of this session cost: ann_scan_stats().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"

#include "access/scan_stats.h"

ScanStats last_scan_stats;

PG_FUNCTION_INFO_V1(ann_scan_stats);

/*
 * ann_scan_stats() returns one row about the last scan of an index of this
 * extension in this session; all columns are null when there was none.
 */
Datum
ann_scan_stats(PG_FUNCTION_ARGS)
{
	const ScanStats *stats = &last_scan_stats;
	TupleDesc desc;
	Datum values[7];
	bool nulls[7];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	memset(nulls, stats->index == InvalidOid, sizeof(nulls));
	values[0] = ObjectIdGetDatum(stats->index);
	values[1] = Int64GetDatum(stats->distances);
	values[2] = Int64GetDatum(stats->estimates);
	values[3] = Int64GetDatum(stats->expanded);
	values[4] = Int64GetDatum(stats->rows);
	values[5] = Int64GetDatum(stats->late_rows);
	values[6] = Int64GetDatum(stats->resumed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
