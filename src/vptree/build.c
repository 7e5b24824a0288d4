/*-------------------------------------------------------------------------
 *
 * build.c
 *	  CREATE INDEX ... USING vptree.
 *
 * Rows are loaded into memory, the tree is built there by threads (core/tree.h),
 * and written to pages.  Rows that find no room within maintenance_work_mem
 * are built in parts (build_parts.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "vptree/build.h"

/* Distance computations in the first step of a tree build, and in any */
#define FIRST_STEP_DISTANCES 100000
#define FIRST_STEP_CALLS 1000 /* where they are calls of a function of SQL */
#define MAX_STEP_DISTANCES UINT64_C(10000000000)

/* Entries written between two reports of progress */
#define ENTRIES_PER_REPORT 256

/* Items over which the memory of an item is averaged */
#define MEMORY_SAMPLE 1000000

char *
vptree_build_phase_name(int64 phase)
{
	return build_phase_name(phase, "building tree");
}

static bool
tree_step(void *tree, uint64 units)
{
	return tree_build_step((Tree *) tree, units);
}

static uint64
progress_of_tree(const void *tree)
{
	return tree_progress((const Tree *) tree);
}

static void
free_tree(void *tree)
{
	tree_free((Tree *) tree);
}

const BuildStructure vptree_tree_structure = {
	.name = "tree",
	.step = tree_step,
	.progress = progress_of_tree,
	.release = free_tree,
};

Size
vptree_memory_per_value(const VptreeBuild *build)
{
	return tree_memory(MEMORY_SAMPLE, &build->params, &build->index.distance) / MEMORY_SAMPLE +
		   sizeof(uint32);
}

void
vptree_build_tree(VptreeBuild *build, uint32 *items, uint32 nitems, const GraphValues *values,
				  const TreeParams *params, uint64 done)
{
	BuildSteps steps = {.kind = &vptree_tree_structure,
						.total = nitems,
						.max_units = MAX_STEP_DISTANCES,
						.units = vptree_calls_back(&build->index) ? FIRST_STEP_CALLS
																  : FIRST_STEP_DISTANCES};

	build->tree = tree_create(items, nitems, params, &build->index.distance, values);
	build_steps(&steps, build->tree, build->index.relation, done);
}

/* Entries that a value takes, one for BUCKET_MAX_TIDS rows */
static uint32
entries_of_value(const BuildRows *rows, uint32 value)
{
	uint64 ntids = rows->tids_start[value + 1] - rows->tids_start[value];

	return (uint32) ((ntids + BUCKET_MAX_TIDS - 1) / BUCKET_MAX_TIDS);
}

/* The items of the tree: each value as many times as it has entries */
static uint32 *
list_items(const BuildRows *rows, uint32 *nitems)
{
	uint32 *items;
	uint64 n = 0;

	for (uint32 value = 0; value < rows->nvalues; value++)
		n += entries_of_value(rows, value);
	if (n > TREE_MAX_ITEMS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("vptree index cannot be built of more than %u entries", TREE_MAX_ITEMS)));
	items = palloc_extended(n * sizeof(uint32), MCXT_ALLOC_HUGE);
	n = 0;
	for (uint32 value = 0; value < rows->nvalues; value++)
	{
		for (uint32 i = entries_of_value(rows, value); i > 0; i--)
			items[n++] = value;
	}
	*nitems = (uint32) n;
	return items;
}

/* Rows on their way to entries */
typedef struct RowEntries
{
	VptreeBuild *build;
	BuildRows *rows;
	const VptreePivots *above;
	void *query; /* scratch for the query form of a value */
	float path[TREE_MAX_PATH];
	uint64 done; /* progress before the first entry */
} RowEntries;

/*
 * VptreeEntries.tids.  The start of a value's rows moves on to those that have no
 * entry yet.
 */
static int
tids_of_item(void *arg, uint32 place, ItemPointerData *tids)
{
	const RowEntries *entries = (const RowEntries *) arg;
	BuildRows *rows = entries->rows;
	uint32 value = entries->build->tree->items[place];
	uint64 *next = &rows->tids_start[value];
	int n = 0;

	while (n < BUCKET_MAX_TIDS && *next < rows->ntids && rows->tids[*next].value == value)
		tids[n++] = rows->tids[(*next)++].tid;
	if ((place + 1) % ENTRIES_PER_REPORT == 0)
		build_progress(entries->done + place + 1);
	return n;
}

/* VptreeEntries.above */
static const float *
path_of_item(void *arg, uint32 place, int n)
{
	RowEntries *entries = (RowEntries *) arg;
	VptreeIndex *index = &entries->build->index;
	const void *value = build_rows_value(entries->rows, entries->build->tree->items[place]);
	const void *query = space_prepare_query(&index->space.context, value, entries->query);

	for (int i = 0; i < n; i++)
		entries->path[i] = (float) vptree_pivot_distance(index, entries->above->values[i], query);
	return entries->path;
}

/* VptreeEntries.codes */
static void
codes_of_item(void *arg, uint32 place, uint8 *codes)
{
	RowEntries *entries = (RowEntries *) arg;
	VptreeIndex *index = &entries->build->index;
	const void *value = build_rows_value(entries->rows, entries->build->tree->items[place]);

	vptree_code_value(index, space_prepare_query(&index->space.context, value, entries->query),
					  codes);
}

/* Writes build->tree, of the rows. */
static VptreeSubtree
write_rows(VptreeBuild *build, BuildRows *rows, const GraphValues *values,
		   const VptreePivots *above, uint64 done)
{
	RowEntries row_entries = {.build = build, .rows = rows, .above = above, .done = done};
	VptreeEntries entries = {.values = values,
							 .arg = &row_entries,
							 .tids = tids_of_item,
							 .above = path_of_item,
							 .nabove = above->n,
							 .codes = codes_of_item};
	VptreeSubtree result;

	row_entries.query = palloc(build->index.space.query_size + 1);
	result = vptree_write_tree(&build->index, build->tree, &entries, InvalidBlockNumber);
	build_progress(done + build->tree->nitems);
	pfree(row_entries.query);
	return result;
}

VptreeSubtree
vptree_build_rows(VptreeBuild *build, BuildRows *rows, const VptreePivots *above, uint64 done)
{
	GraphValues values = build_rows_values(rows);
	VptreeSubtree result;
	uint32 nitems;
	uint32 *items = list_items(rows, &nitems);

	vptree_build_tree(build, items, nitems, &values, &build->params, done);
	if (build->parts == NULL)
		build_phase(BUILD_PHASE_WRITE, nitems);
	result = write_rows(build, rows, &values, above, build->parts == NULL ? 0 : done + nitems);
	build->nentries += nitems;
	tree_free(build->tree);
	build->tree = NULL;
	pfree(items);
	return result;
}

/* The dimensions are known: sets what follows from them. */
static void
set_dimensions(VptreeBuild *build)
{
	vptree_meta_init(&build->index, vptree_get_options(build->index.relation));
	vptree_plan_pivots(&build->index, vptree_get_options(build->index.relation));
	build->params.bucket_size = build->index.meta.bucket_size;
	build->frame.memory_per_value = vptree_memory_per_value(build);
}

/* Finishes the index, of which these are some values: all but its metapage is written. */
static void
finish(VptreeBuild *build, const VptreeSubtree *subtree, const GraphValues *values, uint32 nvalues)
{
	VptreeMeta *meta = &build->index.meta;

	meta->root = subtree->root;
	meta->nodes = subtree->nodes;
	meta->buckets = subtree->buckets;
	meta->settled = subtree->buckets;
	meta->most_buckets = subtree->buckets;
	meta->max_depth = Min(subtree->depth, PG_UINT16_MAX);
	meta->entries = build->nentries;
	vptree_probe(&build->index, values, nvalues);
	build_write_meta(build->index.relation, meta, sizeof(VptreeMeta));
}

void
vptree_prepare(VptreeBuild *build, const GraphValues *values, uint32 nvalues, double total)
{
	build->index.meta.entries = total;
	vptree_choose_shift(&build->index, values, nvalues);
	vptree_choose_pivots(&build->index, values, nvalues, GetMemoryChunkContext(build));
	vptree_tune_build(&build->index, values, nvalues);
}

/* BuildMethod.build */
static void
build_tree_of_rows(Build *frame, BuildRows *rows)
{
	VptreeBuild *build = (VptreeBuild *) frame;
	VptreePivots none = {.n = 0};
	GraphValues values = build_rows_values(rows);
	VptreeSubtree subtree;

	if (rows->nvalues == 0)
		return;
	set_dimensions(build);
	vptree_prepare(build, &values, rows->nvalues, rows->nvalues);
	build_phase(BUILD_PHASE_STRUCTURE, rows->nvalues);
	subtree = vptree_build_rows(build, rows, &none, 0);
	finish(build, &subtree, &values, rows->nvalues);
}

/* BuildMethod.build_spooled */
static void
build_tree_of_parts(Build *frame, RowSpool *rows)
{
	VptreeBuild *build = (VptreeBuild *) frame;
	VptreeSubtree subtree;

	set_dimensions(build);
	subtree = vptree_parts_build(build, rows);
	finish(build, &subtree, &build->examples, build->nexamples);
}

/* BuildMethod.release */
static void
release_tree(Build *frame)
{
	VptreeBuild *build = (VptreeBuild *) frame;

	tree_free(build->tree);
	build->tree = NULL;
}

void
vptree_init_params(VptreeBuild *build)
{
	build->params.partition = (TreePartition) build->index.meta.partition;
	build->params.bucket_size = Max(build->index.meta.bucket_size, VPTREE_AUTO_BUCKET);
	build->params.fill = VPTREE_BUILD_FILL;
	build->params.path_length = build->index.meta.path_length;
	build->params.threads = build_threads(&build->index.space);
	build->params.seed = build->index.meta.seed;
}

/* BuildMethod.begin */
static void
begin_tree(Build *frame)
{
	VptreeBuild *build = (VptreeBuild *) frame;
	VptreeIndex *index = &build->index;
	const VptreeOptions *options = vptree_get_options(frame->relation);

	index->relation = frame->relation;
	index->building = true;
	index_space_init(&index->space, frame->relation);
	vptree_check_partition(&index->space, options);
	vptree_check_tuning(options);
	vptree_meta_init(index, options);
	vptree_init_params(build);
	build_describe(frame, &index->space, &index->meta, vptree_memory_per_value(build));
}

const BuildMethod vptree_build_method = {
	.state_size = sizeof(VptreeBuild),
	.begin = begin_tree,
	.build = build_tree_of_rows,
	.build_spooled = build_tree_of_parts,
	.release = release_tree,
};
