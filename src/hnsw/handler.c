/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The hnsw access method as the server calls it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "access/method.h"
#include "hnsw/hnsw.h"

PG_FUNCTION_INFO_V1(hnsw_handler);

/* What ann_index_info(), ann_check() and ann_estimate() call */
const InspectMethod hnsw_inspect = {
	.build = hnsw_build,
	.info = hnsw_info,
	.check = hnsw_check,
	.name_owner = hnsw_name_owner,
	.holds_value = hnsw_holds_value,
	.estimate = hnsw_estimate,
};

Datum
hnsw_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = method_routine();

	routine->ambuild = hnsw_build;
	routine->ambuildempty = hnsw_build_empty;
	routine->aminsert = hnsw_insert;
	routine->ambulkdelete = hnsw_bulk_delete;
	routine->amvacuumcleanup = hnsw_vacuum_cleanup;
	routine->amcostestimate = hnsw_cost_estimate;
	routine->amoptions = hnsw_options;
	routine->ambuildphasename = hnsw_build_phase_name;
	routine->ambeginscan = hnsw_begin_scan;
	PG_RETURN_POINTER(routine);
}
