/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  The hnsw access method as the server calls it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "hnsw/check.h"

PG_FUNCTION_INFO_V1(hnsw_handler);

static const InspectMethod inspect_graph = {
	.info = hnsw_info,
	.check_size = sizeof(HnswCheck),
	.check_meta = hnsw_check_meta,
	.check = hnsw_check,
	.name_owner = hnsw_name_owner,
	.stored_value = hnsw_stored_value,
	.estimate = hnsw_estimate,
};

const AccessMethod hnsw_method = {
	.name = "hnsw",
	.id = METHOD_HNSW,
	.meta_size = sizeof(HnswMeta),
	.init = hnsw_init_options,
	.options = hnsw_options,
	.phase_name = hnsw_build_phase_name,
	.build = &hnsw_build_method,
	.insert = &hnsw_insert_method,
	.scan = &hnsw_scan_method,
	.vacuum = &hnsw_vacuum_method,
	.cost = &hnsw_cost_method,
	.inspect = &inspect_graph,
};

Datum
hnsw_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(method_routine(&hnsw_method));
}
