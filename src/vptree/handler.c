/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The vptree access method as the server calls it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "vptree/check.h"

PG_FUNCTION_INFO_V1(vptree_handler);

static const InspectMethod inspect_tree = {
	.info = vptree_info,
	.check_size = sizeof(VptreeCheck),
	.check_meta = vptree_check_meta,
	.check = vptree_check,
	.name_owner = vptree_name_owner,
	.stored_value = vptree_stored_value,
	.estimate = vptree_estimate,
};

const AccessMethod vptree_method = {
	.name = "vptree",
	.id = METHOD_VPTREE,
	.meta_size = sizeof(VptreeMeta),
	.init = vptree_init_options,
	.options = vptree_options,
	.phase_name = vptree_build_phase_name,
	.build = &vptree_build_method,
	.insert = &vptree_insert_method,
	.scan = &vptree_scan_method,
	.vacuum = &vptree_vacuum_method,
	.cost = &vptree_cost_method,
	.inspect = &inspect_tree,
};

Datum
vptree_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(method_routine(&vptree_method));
}
