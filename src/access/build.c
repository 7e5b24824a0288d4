/*-------------------------------------------------------------------------
 *
 * build.c
 *	  The frame of every CREATE INDEX.
 *
 * Nothing is logged page by page: the finished index is, as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "access/build.h"
#include "access/compat.h"
#include "access/method.h"
#include "core/parallel.h"
#include "storage/meta.h"

/*
 * Time one step should take: short enough for a cancel to be heard, long enough
 * that threads waiting for the last piece lose little
 */
#define STEP_MICROSECONDS 200000

char *
build_phase_name(int64 phase, const char *structure)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case BUILD_PHASE_LOAD:
			return "loading rows";
		case BUILD_PHASE_STRUCTURE:
			return unconstify(char *, structure);
		case BUILD_PHASE_WRITE:
			return "writing pages";
		case BUILD_PHASE_PARTITION:
			return "dividing rows into parts";
		case BUILD_PHASE_TUNE:
			return "tuning";
		case BUILD_PHASE_CODE:
			return "writing codes";
		default:
			return NULL;
	}
}

void
build_phase(int phase, uint64 total)
{
	const int index[] = {PROGRESS_CREATEIDX_SUBPHASE, PROGRESS_CREATEIDX_TUPLES_TOTAL,
						 PROGRESS_CREATEIDX_TUPLES_DONE};
	const int64 values[] = {phase, (int64) total, 0};

	pgstat_progress_update_multi_param(lengthof(index), index, values);
}

void
build_progress(uint64 done)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) done);
}

void
build_steps(BuildSteps *steps, void *structure, Relation index, uint64 done)
{
	const BuildStructure *kind = steps->kind;
	uint64 units = steps->units;
	bool more = true;

	if (structure == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed to allocate the %s of index \"%s\".", kind->name,
								  RelationGetRelationName(index))));
	while (more)
	{
		instr_time start;
		instr_time end;
		double microseconds;
		uint64 progress;

		CHECK_FOR_INTERRUPTS();
		INSTR_TIME_SET_CURRENT(start);
		more = kind->step(structure, units);
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, start);
		microseconds = Max(1.0, (double) INSTR_TIME_GET_MICROSEC(end));
		units = (uint64) Min((double) steps->max_units,
							 Max(1.0, units * Min(2.0, STEP_MICROSECONDS / microseconds)));
		progress = kind->progress(structure);
		build_progress(done + progress);
		if (progress < steps->total)
			steps->units = units;
	}
}

void
build_report_parts(const Build *build, const BuildStructure *kind, uint64 nrows, uint32 nparts,
				   const char *more)
{
	BuildRows *rows = build_rows_create(build->space, build->memory_per_value);
	Size need = build_rows_memory(rows, nrows);

	build_rows_free(rows);
	ereport(NOTICE, (errmsg("%s %s does not fit into maintenance_work_mem and is built in %u parts",
							method_of(build->relation)->name, kind->name, nparts),
					 errdetail("The %s of all %llu rows at once needs about %zu MB.%s", kind->name,
							   (unsigned long long) nrows, need / (1024 * 1024) + 1, more),
					 errhint("Increase maintenance_work_mem to speed up builds.")));
}

/* Frees what is not palloc'ed when the context of the build goes. */
static void
release(void *arg)
{
	Build *build = (Build *) arg;

	build->method->release(build);
	parallel_shutdown();
}

/* What is to be built of a relation, checked */
static Build *
begin(Relation heap, Relation relation, IndexInfo *index_info)
{
	const AccessMethod *method = method_of(relation);
	Build *build = palloc0(method->build->state_size);

	build->method = method->build;
	build->heap = heap;
	build->relation = relation;
	build->index_info = index_info;
	build->meta_size = method->meta_size;
	build->method->begin(build);
	return build;
}

/* Gets ready for rows. */
static void
begin_rows(Build *build)
{
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	if (RelationGetNumberOfBlocks(build->relation) != 0)
		elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(build->relation));
	index_space_warn(build->space, build->relation);
	build->rows = build_rows_create(build->space, build->memory_per_value);
	build->row_context =
		AllocSetContextCreate(CurrentMemoryContext, "index build row", ALLOCSET_DEFAULT_SIZES);
	build->ntuples = 0;
	build->value_bytes = 0;
	callback->func = release;
	callback->arg = build;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
}

static void
spool_row(Build *build, const void *encoded, ItemPointer tid)
{
	if (build->method->see_spooled != NULL)
		build->method->see_spooled(build, encoded);
	row_spool_add(build->spooled, encoded, tid);
}

/* The rows do not fit memory: writes those that are there to a file. */
static void
spool_rows(Build *build)
{
	BuildRows *rows = build->rows;
	MemoryContext old;

	build->spool_context =
		AllocSetContextCreate(CurrentMemoryContext, "index build parts", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(build->spool_context);
	build->spooled = row_spool_create(build->space);
	if (build->method->begin_spool != NULL)
		build->method->begin_spool(build);
	MemoryContextSwitchTo(old);
	for (uint64 i = 0; i < rows->ntids; i++)
	{
		CHECK_FOR_INTERRUPTS();
		spool_row(build, build_rows_value(rows, rows->tids[i].value), &rows->tids[i].tid);
	}
	build_rows_free(rows);
	build->rows = NULL;
}

static void
add_row(Relation relation, ItemPointer tid, Datum *values, bool *isnull, bool tuple_is_alive,
		void *arg)
{
	Build *build = (Build *) arg;
	MemoryContext old;
	const void *value;
	void *copy;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(build->row_context);
	value = index_space_value(build->space, values[0], &copy);
	if (build->rows == NULL || !build_rows_add(build->rows, value, tid))
	{
		void *encoded = index_space_encode_value(build->space, value);

		MemoryContextSwitchTo(old);
		if (build->rows != NULL)
			spool_rows(build);
		spool_row(build, encoded, tid);
	}
	build->ntuples++;
	if (index_space_varies(build->space))
		build->value_bytes += index_space_size(build->space, value);
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);
}

/* Makes the index of the rows that have been read. */
static void
finish_rows(Build *build)
{
	MemoryContext old;

	if (build->rows != NULL)
	{
		build_rows_finish(build->rows);
		build->method->build(build, build->rows);
		build_rows_free(build->rows);
		build->rows = NULL;
		return;
	}
	old = MemoryContextSwitchTo(build->spool_context);
	build->method->build_spooled(build, build->spooled);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(build->spool_context);
}

IndexBuildResult *
build_index(Relation heap, Relation relation, IndexInfo *index_info)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	Build *build = begin(heap, relation, index_info);
	Buffer buffer;

	begin_rows(build);
	buffer = page_extend(build->relation, MAIN_FORKNUM);
	UnlockReleaseBuffer(buffer);
	build_write_meta(build->relation, build->meta, build->meta_size);
	build_phase(BUILD_PHASE_LOAD, 0);
	result->heap_tuples = table_index_build_scan(build->heap, build->relation, build->index_info,
												 false, true, add_row, build, NULL);
	if (build->value_bytes > 0)
		build->space->usual_size = (Size) (build->value_bytes / build->ntuples);
	finish_rows(build);
	release(build);

	/* every page of the index is finished */
	if (RelationNeedsWAL(build->relation))
		log_newpage_range(build->relation, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(build->relation), true);
	result->index_tuples = build->ntuples;
	return result;
}

void
build_write_meta(Relation relation, const void *meta, Size meta_size)
{
	Buffer buffer = ReadBuffer(relation, META_BLOCK);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta_page_init(BufferGetPage(buffer), meta, meta_size);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

void
build_empty(Relation relation)
{
	const Build *build = begin(NULL, relation, NULL);
	Buffer buffer = page_extend(relation, INIT_FORKNUM);

	START_CRIT_SECTION();
	meta_page_init(BufferGetPage(buffer), build->meta, build->meta_size);
	MarkBufferDirty(buffer);
	log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}
