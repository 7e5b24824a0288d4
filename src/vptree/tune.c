/*-------------------------------------------------------------------------
 *
 * tune.c
 *	  Auto-tuning: at the end of loading rows, by the options of the index, and
 *	  vptree_tune(), with queries of the user's.
 *
 * core/tree_tune.h does the work; what is here gives it values, and puts what it
 * finds into the metapage, where scans look for it (vptree_pruner()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "access/build.h"
#include "access/compat.h"
#include "access/value_list.h"
#include "core/parallel.h"
#include "core/random.h"
#include "vptree/search.h"

PG_FUNCTION_INFO_V1(vptree_tune);

/* Units of progress of a tuning */
#define PROGRESS 1000

/* Queries that vptree_tune() takes */
#define MAX_QUERIES 10000

#define SEED_OF_SAMPLE UINT64_C(0x74756E65)

/* What is asked for: the recall of queries of k rows, or of those within r */
typedef struct TuneGoal
{
	double recall; /* NAN: not given */
	int k;		   /* 0: not given */
	double r;	   /* NAN: not given */
} TuneGoal;

/* What to tune with */
typedef struct TuneData
{
	GraphValues values;
	uint32 nvalues;
	const void *const *queries; /* encoded, or NULL: they are split off the values */
	uint32 nqueries;
	double total; /* values of the index */
} TuneData;

static void
report_parameter(const char *problem)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", problem)));
}

static void
check_goal(const TuneGoal *goal)
{
	if (goal->k > 0 && !isnan(goal->r))
		report_parameter("tune_k and tune_r cannot both be given");
	if (goal->k == 0 && isnan(goal->r))
		report_parameter("desired_recall needs tune_k or tune_r");
	if (isnan(goal->recall))
		report_parameter("tune_k and tune_r need desired_recall");
	if (goal->recall <= 0 || goal->recall >= 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("desired_recall must be more than 0 and less than 1, not %g",
							   goal->recall)));
}

/* Can an index with these options be tuned? */
static void
check_options(const VptreeOptions *options)
{
	if (options->partition == TREE_KD)
		report_parameter("partition \"kd\" cannot be tuned");
	if (options->max_leaves_to_visit > 0)
		report_parameter("max_leaves_to_visit cannot be combined with tuning");
	if (options->min_exp > options->max_exp)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("min_exp %d is greater than max_exp %d", options->min_exp,
							   options->max_exp)));
}

static TuneGoal
goal_of_options(const VptreeOptions *options)
{
	return (TuneGoal){
		.recall = options->desired_recall, .k = options->tune_k, .r = options->tune_r};
}

static bool
is_wanted(const TuneGoal *goal)
{
	return goal->k > 0 || !isnan(goal->r) || !isnan(goal->recall);
}

void
vptree_check_tuning(const VptreeOptions *options)
{
	TuneGoal goal = goal_of_options(options);

	if (!is_wanted(&goal))
		return;
	check_goal(&goal);
	check_options(options);
}

/*
 * The greatest distance to prune by, as a float, of values within a radius: what is
 * farther has a key that is no less than key_beyond.
 */
static double
radius_to_prune_by(const VptreeIndex *index, double radius)
{
	float beyond = vptree_key_beyond(&index->space.context, radius);

	return nextafterf((float) index->distance.finish(index, beyond), -INFINITY);
}

/* TreeTuneTable.code */
static void
code_value(const void *context, const void *query, uint8_t *codes)
{
	vptree_code_value((const VptreeIndex *) context, query, codes);
}

/* The pivots, if there are any, must have been loaded. */
static TreeTuneParams
make_params(const VptreeIndex *index, const TuneGoal *goal, double total)
{
	const VptreeOptions *options = vptree_get_options(index->relation);
	TreeTuneParams params = {.desired_recall = goal->recall,
							 .tune_k = goal->k,
							 .min_exp = options->min_exp,
							 .max_exp = options->max_exp,
							 .metric = (TreeTuneMetric) options->tune_metric,
							 .max_iter = options->max_iter,
							 .max_rec_depth = options->max_rec_depth,
							 .step_n = options->step_n,
							 .add_restart_qty = options->add_restart_qty,
							 .full_factor = options->full_factor,
							 .total = total,
							 .bucket_size = index->meta.bucket_size,
							 .fill = VPTREE_BUILD_FILL,
							 .path_length = index->meta.path_length,
							 .threads = build_threads(&index->space),
							 .seed = index->meta.seed};

	if (index->meta.num_pivot > 0)
		params.table = (TreeTuneTable){.scale = vptree_pivot_scale(&index->meta),
									   .size = VPTREE_CODES_SIZE(index->meta.num_pivot),
									   .code = code_value};
	if (goal->k == 0)
		params.tune_r = radius_to_prune_by(index, goal->r);
	return params;
}

/*
 * How many of so many values to tune with: tune_qty, or, where queries are split off them, no fewer
 * than that takes, or as many as there is memory for, value_memory bytes each beside what the tuning
 * takes.
 */
static uint32
choose_quantity(const VptreeIndex *index, const TreeTuneParams *params, double nvalues,
				uint32 nqueries, Size memory, Size value_memory)
{
	int tune_qty = vptree_get_options(index->relation)->tune_qty;
	uint32 wanted = Min(nvalues, Max(tune_qty, nqueries == 0 ? TREE_TUNE_MIN_VALUES : 0));
	uint32 fewest = Min(wanted, TREE_TUNE_MIN_VALUES);
	uint32 n = wanted;

	for (;;)
	{
		Size need = tree_tune_memory(n, nqueries, params, &index->distance) + n * value_memory;

		if (need <= memory || n == fewest)
			break;
		n = Max(fewest, Min(n - 1, (uint32) (n * ((double) memory / need))));
	}
	if (n < wanted)
		ereport(NOTICE, (errmsg("index \"%s\" is tuned with %u values instead of %u",
								RelationGetRelationName(index->relation), n, wanted),
						 errdetail("All of them would need about %zu MB.",
								   (tree_tune_memory(wanted, nqueries, params, &index->distance) +
									wanted * value_memory) /
										   (1024 * 1024) +
									   1),
						 errhint("Increase maintenance_work_mem to tune with more values.")));
	return n;
}

/* ------------------------------------------------------------ the tuning */

static void
release(void *arg)
{
	tree_tune_free((TreeTune *) arg);
	parallel_shutdown();
}

/* Runs the tuning, in steps short enough for a cancel to be heard in between. */
static TreeTuneResult
run(const VptreeIndex *index, const TreeTuneParams *params, const TuneData *data)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "vptree tuning", ALLOCSET_SMALL_SIZES);
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));
	TreeTune *tune = tree_tune_create(data->nvalues, &data->values, data->queries, data->nqueries,
									  params, &index->distance);
	TreeTuneResult result;

	if (tune == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed to allocate what tuning index \"%s\" needs.",
								  RelationGetRelationName(index->relation))));
	callback->func = release;
	callback->arg = tune;
	MemoryContextRegisterResetCallback(context, callback);
	while (tree_tune_step(tune))
	{
		CHECK_FOR_INTERRUPTS();
		if (index->building)
			build_progress((uint64) (PROGRESS * tree_tune_progress(tune)));
	}
	result = tree_tune_result(tune);
	MemoryContextDelete(context);
	return result;
}

/*
 * The recall of the whole index that a recall of a sample stands for: the reverse of
 * the correction for samples.
 */
static double
recall_of_whole(const TreeTuneParams *params, const TreeTuneResult *result)
{
	if (result->required == params->desired_recall || result->recall <= 0)
		return result->recall;
	return pow(result->recall, log(params->desired_recall) / log(result->required));
}

/* Tunes, and sets the fields of index->meta that tell of it; an error if it did not succeed. */
static void
tune(VptreeIndex *index, const TuneGoal *goal, const TreeTuneParams *params, const TuneData *data)
{
	const VptreeOptions *options = vptree_get_options(index->relation);
	TreeTuneResult result = run(index, params, data);
	double recall = recall_of_whole(params, &result);
	VptreeMeta *meta = &index->meta;

	if (result.recall < result.required)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("auto-tuning of index \"%s\" did not reach the desired recall %g",
							   RelationGetRelationName(index->relation), goal->recall),
						errdetail("The best recall found is %.4f.", recall),
						errhint("Lower desired_recall.")));
	meta->tuned = 1;
	meta->pruner = result.pruner;
	meta->tuned_recall = recall;
	meta->tuned_improvement = result.improvement;
	meta->tune_k = goal->k;
	meta->tune_r = goal->k > 0 ? 0 : goal->r;
	if (!isnan(options->alpha_left) || !isnan(options->alpha_right) || options->exp_left >= 0 ||
		options->exp_right >= 0 || !isnan(options->alpha_pivot) || !isnan(options->exp_pivot))
		ereport(WARNING, (errmsg("index \"%s\" has options that win over what was tuned",
								 RelationGetRelationName(index->relation)),
						  errhint("Reset alpha_left, alpha_right, exp_left, exp_right, alpha_pivot "
								  "and exp_pivot.")));
}

/* ------------------------------------------------------------ in a build */

/* A random sample of n values: the values, each a chunk of its own */
static GraphValues
draw_sample(const VptreeIndex *index, const GraphValues *values, uint32 nvalues, uint32 n)
{
	char **chunks = palloc_extended(n * sizeof(char *), MCXT_ALLOC_HUGE);
	uint32 drawn = 0;
	Random random;

	random_seed(&random, index->meta.seed + SEED_OF_SAMPLE);
	for (uint32 i = 0; drawn < n; i++)
	{
		if (random_below(&random, nvalues - i) < n - drawn)
			chunks[drawn++] = unconstify(char *, (const char *) graph_value(values, i));
	}
	return (GraphValues){.chunks = chunks,
						 .chunk_shift = 0,
						 .stride = values->stride,
						 .value_size = values->value_size};
}

void
vptree_tune_build(VptreeIndex *index, const GraphValues *values, uint32 nvalues)
{
	TuneGoal goal = goal_of_options(vptree_get_options(index->relation));
	Size memory = (Size) maintenance_work_mem * 1024;
	Size used = (Size) nvalues * value_list_usual_size(&index->space);
	TuneData data = {.total = index->meta.entries};
	TreeTuneParams params;

	if (!is_wanted(&goal))
		return;
	if (nvalues < TREE_TUNE_MIN_VALUES && data.total >= TREE_TUNE_MIN_VALUES)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("maintenance_work_mem is too small to tune index \"%s\"",
							   RelationGetRelationName(index->relation)),
						errdetail("It has room for %u rows; tuning takes %d.", nvalues,
								  TREE_TUNE_MIN_VALUES)));
	if (nvalues < TREE_TUNE_MIN_VALUES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("index \"%s\" has too few rows to be tuned",
							   RelationGetRelationName(index->relation)),
						errdetail("There are %u different values; tuning takes %d.", nvalues,
								  TREE_TUNE_MIN_VALUES),
						errhint("Create the index without desired_recall.")));
	build_phase(BUILD_PHASE_TUNE, PROGRESS);
	params = make_params(index, &goal, data.total);
	data.nvalues = choose_quantity(index, &params, nvalues, 0,
								   Max(memory / 4, memory - Min(used, memory)), sizeof(char *));
	data.values = draw_sample(index, values, nvalues, data.nvalues);
	tune(index, &goal, &params, &data);
	pfree((void *) data.values.chunks);
}

/* ------------------------------------------------------------ vptree_tune() */

/* A random sample of an index's values, taken in one pass */
typedef struct Reservoir
{
	VptreeIndex *index;
	ValueList *values;
	uint32 capacity;
	uint64 seen;
	char *scratch;
	Random random;
} Reservoir;

static void
take_entry(Reservoir *reservoir, BucketEntry entry)
{
	VptreeIndex *index = reservoir->index;
	uint64 place = reservoir->seen++;

	if (place >= reservoir->capacity)
		place = random_below(&reservoir->random, reservoir->seen);
	if (place < reservoir->capacity)
		value_list_set(reservoir->values, place,
					   vptree_entry_value(index, entry, reservoir->scratch));
}

/*
 * Reads all buckets.  What has been split since the last vacuum is left out, but for
 * further pages of a bucket, whose head alone shows it: a value may come twice.
 */
static void
fill_reservoir(Reservoir *reservoir)
{
	VptreeIndex *index = reservoir->index;
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);

	for (BlockNumber block = META_BLOCK + 1; block < nblocks; block++)
	{
		Buffer buffer =
			ReadBufferExtended(index->relation, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		Page page = BufferGetPage(buffer);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (page_is(page, PAGE_BUCKET) && (PageGetSpecial(page)->flags & PAGE_RETIRED) == 0)
		{
			for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page);
				 offset++)
			{
				BucketEntry entry =
					bucket_page_entry(index->relation, &index->shape, page, block, offset);

				if (entry != NULL)
					take_entry(reservoir, entry);
			}
		}
		UnlockReleaseBuffer(buffer);
	}
	FreeAccessStrategy(strategy);
}

/* Draws values of an index to tune with: sets all of data but the queries. */
static void
draw_from_index(VptreeIndex *index, TuneData *data, TreeTuneParams *params)
{
	Reservoir reservoir = {.index = index};

	reservoir.capacity =
		choose_quantity(index, params, PG_INT32_MAX, data->nqueries,
						(Size) maintenance_work_mem * 1024, value_list_usual_size(&index->space));
	reservoir.values = value_list_make(&index->space, reservoir.capacity);
	reservoir.scratch = palloc(index->space.encoded_size);
	random_seed(&reservoir.random, index->meta.seed + SEED_OF_SAMPLE);
	fill_reservoir(&reservoir);
	data->nvalues = (uint32) Min(reservoir.seen, reservoir.capacity);
	data->total = params->total = reservoir.seen;
	data->values = value_list_values(reservoir.values);
}

/* The queries of an array, encoded */
static void
read_queries(VptreeIndex *index, ArrayType *array, TuneData *data)
{
	Oid type = ARR_ELEMTYPE(array);
	int16 length;
	bool by_value;
	char align;
	Datum *elements;
	bool *nulls;
	int n;
	const void **queries;

	if (type != index->relation->rd_opcintype[0])
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("queries must be of type %s, not %s",
						format_type_be(index->relation->rd_opcintype[0]), format_type_be(type))));
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, &elements, &nulls, &n);
	if (n == 0)
		report_parameter("there are no queries");
	if (n > MAX_QUERIES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("too many queries to tune with: %d", n),
						errdetail("%d is the limit.", MAX_QUERIES)));
	queries = palloc(n * sizeof(void *));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("queries must not contain nulls")));
		queries[i] = index_space_encode(&index->space, elements[i]);
	}
	data->queries = queries;
	data->nqueries = n;
}

/* Puts what was tuned, and what queries cost by it, into the metapage. */
static void
store_tuning(VptreeIndex *index)
{
	const VptreeMeta *from = &index->meta;
	PageChange change;
	VptreeMeta *meta = meta_begin_change(index->relation, false, &change);

	meta->tuned = from->tuned;
	meta->pruner = from->pruner;
	meta->tuned_recall = from->tuned_recall;
	meta->tuned_improvement = from->tuned_improvement;
	meta->tune_k = from->tune_k;
	meta->tune_r = from->tune_r;
	meta->few = from->few;
	meta->more = from->more;
	page_change_finish(&change);
}

/* An error unless this is a vptree index that can be tuned. */
static void
require_tunable(Relation index)
{
	inspect_require_whole(index);
	if (method_of(index) != &vptree_method)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("index \"%s\" is not a vptree index", RelationGetRelationName(index))));
	inspect_require_usable(index);
	check_options(vptree_get_options(index));
}

static void
tune_index(VptreeIndex *index, Relation relation, ArrayType *queries, const TuneGoal *goal)
{
	TuneData data = {.nvalues = 0};
	TreeTuneParams params;

	require_tunable(relation);
	vptree_open(index, relation);
	if (index->meta.root.block == InvalidBlockNumber)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("index \"%s\" has no rows to tune with",
							   RelationGetRelationName(relation))));
	read_queries(index, queries, &data);
	vptree_load_pivots(index, CurrentMemoryContext);
	params = make_params(index, goal, Max(index->meta.entries, 1));
	draw_from_index(index, &data, &params);
	if (data.nvalues == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("index \"%s\" has no rows to tune with",
							   RelationGetRelationName(relation))));
	tune(index, goal, &params, &data);
	vptree_probe(index, &data.values, data.nvalues);
	store_tuning(index);
}

/* The row that vptree_tune() returns */
static Datum
make_result(FunctionCallInfo fcinfo, const VptreeMeta *meta)
{
	Datum values[] = {
		Float8GetDatum(meta->pruner.alpha_left),  Float8GetDatum(meta->pruner.alpha_right),
		Int32GetDatum(meta->pruner.exp_left),	  Int32GetDatum(meta->pruner.exp_right),
		Float8GetDatum(meta->pruner.alpha_pivot), Float8GetDatum(meta->pruner.exp_pivot),
		Float8GetDatum(meta->tuned_recall),		  Float8GetDatum(meta->tuned_improvement)};
	bool nulls[lengthof(values)] = {false};
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * Tunes with the rights of the table's owner, as CREATE INDEX does: a distance function of SQL is
 * the owner's code.
 */
static void
tune_as_owner(VptreeIndex *index, Relation heap, Relation relation, ArrayType *queries,
			  const TuneGoal *goal)
{
	Oid save_user;
	int save_context;
	int save_level;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(heap->rd_rel->relowner, save_context | SECURITY_RESTRICTED_OPERATION);
	save_level = NewGUCNestLevel();
	RestrictSearchPath();
	tune_index(index, relation, queries, goal);
	AtEOXact_GUC(false, save_level);
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * vptree_tune(index, queries, desired_recall, tune_k, tune_r): for the owner of the
 * index.  Only one at a time works on an index.
 */
Datum
vptree_tune(PG_FUNCTION_ARGS)
{
	VptreeIndex *index = palloc(sizeof(VptreeIndex));
	TuneGoal goal = {.k = 0, .r = NAN};
	Oid index_oid;
	Oid heap_oid;
	Relation heap;
	Relation relation;

	for (int i = 0; i < 3; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("index, queries and desired_recall must not be null")));
	}
	PreventCommandDuringRecovery("vptree_tune()");
	index_oid = PG_GETARG_OID(0);
	goal.recall = PG_GETARG_FLOAT8(2);
	if (isnan(goal.recall))
		report_parameter("desired_recall must be more than 0 and less than 1, not NaN");
	if (!PG_ARGISNULL(3) && PG_GETARG_INT32(3) < 1)
		report_parameter("tune_k must be at least 1");
	if (!PG_ARGISNULL(3))
		goal.k = PG_GETARG_INT32(3);
	if (!PG_ARGISNULL(4))
		goal.r = PG_GETARG_FLOAT8(4);
	check_goal(&goal);

	heap_oid = IndexGetRelation(index_oid, true);
	if (!OidIsValid(heap_oid)) /* says that it is no index */
		index_close(index_open(index_oid, AccessShareLock), AccessShareLock);
	if (!owns_relation(index_oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, get_rel_name(index_oid));
	heap = table_open(heap_oid, AccessShareLock);
	relation = index_open(index_oid, ShareUpdateExclusiveLock);
	tune_as_owner(index, heap, relation, PG_GETARG_ARRAYTYPE_P(1), &goal);
	index_close(relation, NoLock);
	table_close(heap, NoLock);
	return make_result(fcinfo, &index->meta);
}
