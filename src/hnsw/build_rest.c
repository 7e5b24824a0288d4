/*-------------------------------------------------------------------------
 *
 * build_rest.c
 *	  CREATE INDEX of more rows than fit maintenance_work_mem, where values vary
 *	  in size: those of a class over a function.
 *
 * All rows are spooled.  The graph of as many as fit is built in memory and
 * written, as in any build; the rest is then inserted, as by INSERT.  That takes
 * longer than building in parts (build_parts.c), which needs values of one size.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"

#include "hnsw/build.h"

/* Rows between two reports of progress */
#define ROWS_PER_REPORT 64

/*
 * Builds the graph of the first rows, as many as fit memory, of one at least.  Returns how
 * many; the one after them has been read.
 */
static uint64
build_first(HnswBuild *build, RowSpool *spooled)
{
	BuildRows *rows =
		build_rows_create(&build->index.space, hnsw_graph_memory_per_value(&build->params));
	uint64 n = 0;

	rows->memory_limit =
		Max(rows->memory_limit, build_rows_memory(rows, 1) + 2 * build->index.space.encoded_size);
	row_spool_rewind(spooled);
	while (row_spool_read(spooled) &&
		   build_rows_add_encoded(rows, spooled_row_value(spooled->row), &spooled->row->tid))
		n++;
	build_rows_finish(rows);
	ereport(NOTICE,
			(errmsg("hnsw graph does not fit into maintenance_work_mem after %llu rows",
					(unsigned long long) n),
			 errdetail("Building will take longer: the other %llu rows are inserted one by one.",
					   (unsigned long long) (spooled->nrows - n)),
			 errhint("Increase maintenance_work_mem to speed up builds.")));
	hnsw_build_rows(build, rows);
	build_rows_free(rows);
	return n;
}

/*
 * Inserts the row that was read and those behind it.  From here on the index is one like
 * any other: every change is logged, after what has been built.
 */
static void
insert_others(HnswBuild *build, RowSpool *spooled, uint64 done)
{
	HnswIndex *index = &build->index;

	if (RelationNeedsWAL(index->relation))
		log_newpage_range(index->relation, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(index->relation), true);
	index->building = false;
	hnsw_read_meta(index);
	build_phase(BUILD_PHASE_STRUCTURE, spooled->nrows);
	do
	{
		CHECK_FOR_INTERRUPTS();
		hnsw_append(index, spooled_row_value(spooled->row), &spooled->row->tid);
		hnsw_merge_if_long(index);
		if (++done % ROWS_PER_REPORT == 0)
			build_progress(done);
	} while (row_spool_read(spooled));
	hnsw_merge_pending(index, true);
}

void
hnsw_rest_build(HnswBuild *build, RowSpool *rows)
{
	uint64 done = build_first(build, rows);

	if (done < rows->nrows)
		insert_others(build, rows, done);
	row_spool_close(rows);
}
