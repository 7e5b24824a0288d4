/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The vptree access method as the server calls it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "access/method.h"
#include "vptree/vptree.h"

PG_FUNCTION_INFO_V1(vptree_handler);

/* What ann_index_info(), ann_check() and ann_estimate() call */
const InspectMethod vptree_inspect = {
	.build = vptree_build,
	.info = vptree_info,
	.check = vptree_check,
	.name_owner = vptree_name_owner,
	.holds_value = vptree_holds_value,
	.estimate = vptree_estimate,
};

Datum
vptree_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = method_routine();

	routine->ambuild = vptree_build;
	routine->ambuildempty = vptree_build_empty;
	routine->aminsert = vptree_insert;
	routine->ambulkdelete = vptree_bulk_delete;
	routine->amvacuumcleanup = vptree_vacuum_cleanup;
	routine->amcostestimate = vptree_cost_estimate;
	routine->amoptions = vptree_options;
	routine->ambuildphasename = vptree_build_phase_name;
	routine->ambeginscan = vptree_begin_scan;
	PG_RETURN_POINTER(routine);
}
