/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  What the vacuums of all access methods have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/bufmgr.h"

#include "access/compat.h"
#include "access/vacuum.h"
#include "storage/page.h"

IndexBulkDeleteResult *
vacuum_begin_pass(IndexBulkDeleteResult *stats)
{
	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;
	stats->estimated_count = false;
	return stats;
}

void
vacuum_each_page(Relation index, bool (*page)(void *arg, BlockNumber block), void *arg)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);
	bool more = true;

	for (BlockNumber block = META_BLOCK + 1; more && block < nblocks; block++)
	{
		vacuum_delay_point_compat();
		more = page(arg, block);
	}
}

IndexBulkDeleteResult *
vacuum_finish(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (stats == NULL)
	{
		stats = palloc0(sizeof(IndexBulkDeleteResult));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = info->estimated_count;
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	return stats;
}
