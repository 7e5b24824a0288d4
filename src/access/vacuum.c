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
#include "access/method.h"
#include "access/vacuum.h"
#include "storage/page.h"

static Vacuum *
make_vacuum(const VacuumMethod *method, IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	Vacuum *vacuum = palloc0(method->state_size);

	vacuum->info = info;
	vacuum->stats = stats;
	return vacuum;
}

/*
 * The figures at the start of a pass that removes dead rows: those of the passes
 * before it in this vacuum (NULL: there was none), with the rows to be counted again.
 */
static IndexBulkDeleteResult *
begin_stats(IndexBulkDeleteResult *stats)
{
	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;
	stats->estimated_count = false;
	return stats;
}

IndexBulkDeleteResult *
vacuum_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				   IndexBulkDeleteCallback callback, void *state)
{
	const VacuumMethod *method = method_of(info->index)->vacuum;
	Vacuum *vacuum = make_vacuum(method, info, begin_stats(stats));

	stats = vacuum->stats;
	vacuum->callback = callback;
	vacuum->callback_state = state;
	method->remove_dead(vacuum);
	pfree(vacuum);
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

/* The figures at the end of a vacuum; stats is NULL if no pass was needed. */
static IndexBulkDeleteResult *
finish_stats(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
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

IndexBulkDeleteResult *
vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	const VacuumMethod *method = method_of(info->index)->vacuum;
	Vacuum *vacuum;

	if (info->analyze_only)
		return stats;
	vacuum = make_vacuum(method, info, stats);
	method->clean_up(vacuum);
	pfree(vacuum);
	return finish_stats(info, stats);
}
