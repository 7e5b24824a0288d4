/*-------------------------------------------------------------------------
 *
 * tree_tune.c
 *	  Memory, splits and phases of the tuning of pruners.
 *
 * With queries of the caller's, every split has all values as its data and a
 * share of the queries; so trees differ as those of indexes do.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_tune_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "core/random.h"

/* Values handed to a thread at a time, to compare them with the pivots of the table */
#define CODE_GRAIN 256

/* Distances of a step of building a tree */
#define BUILD_STEP 100000

/* Queries of a step of the phase that computes all distances, and of the search */
#define SCAN_STEP 64
#define SEARCH_STEP 250

/*
 * On which side of the recall required a point is, is sure when its mean recall is off
 * by so many standard errors and by so much.  One that saves less than this share of
 * what the best saves will not become the best.
 */
#define SURE 4
#define UNSURE 0.005
#define OUTDONE 0.8

/* Queries handed to a thread at a time */
#define GRAIN 4

/* Share of the whole that the phases before the search are taken for, together */
#define PREPARED 0.1

/* Streams of random numbers, told apart by what is added to the seed */
#define SEED_OF_SPLITS UINT64_C(0x73706C697473)
#define SEED_OF_TREES UINT64_C(0x7472656573)

#define ALIGNMENT 64

/* How much there is of everything */
typedef struct TuneShape
{
	uint32_t nvalues;
	uint32_t nqueries;
	int nsplits;
	uint32_t nitems; /* of a split */
	double required; /* recall */
	uint32_t k;
	TreeParams tree;
} TuneShape;

static size_t
round_up(size_t size)
{
	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/*
 * Sub-sampling correction: a tree over fewer values has as many leaves, if it can;
 * if it cannot, it is less high, and a greater recall is required of it.
 */
static void
correct_for_sample(TuneShape *shape, const TreeTuneParams *params)
{
	uint32_t nvalues = shape->nvalues;
	double leaves = params->total / params->bucket_size;

	shape->required = params->desired_recall;
	shape->tree.bucket_size = params->bucket_size;
	if (nvalues >= params->total)
		return;
	shape->tree.bucket_size = leaves > nvalues ? 1 : (uint32_t) (nvalues / leaves);
	if (leaves > nvalues)
		shape->required = pow(params->desired_recall, log(nvalues) / log(leaves));
}

static TuneShape
shape_for(uint32_t nvalues, uint32_t nqueries, const TreeTuneParams *params)
{
	TuneShape shape = {.nvalues = nvalues,
					   .nqueries = nqueries,
					   .nsplits = TREE_TUNE_SPLITS,
					   .nitems = nvalues,
					   .k = (uint32_t) params->tune_k,
					   .tree = {.partition = TREE_VP,
								.fill = params->fill,
								.path_length = params->path_length,
								.threads = params->threads}};

	if (nqueries == 0)
	{
		assert(nvalues >= TREE_TUNE_MIN_VALUES);
		shape.nqueries = TREE_TUNE_SPLITS * TREE_TUNE_QUERIES;
		shape.nitems = nvalues - TREE_TUNE_QUERIES;
	}
	else if (nqueries < TREE_TUNE_SPLITS)
		shape.nsplits = (int) nqueries;
	if (shape.k > shape.nitems)
		shape.k = shape.nitems;
	correct_for_sample(&shape, params);
	return shape;
}

/* Where things lie in a worker's memory, as offsets */
typedef struct WorkerPlan
{
	size_t heap;
	size_t stack;
	size_t pending;
	size_t bounds;
	size_t squares;
	size_t places;
	size_t scores;
	size_t codes;
	size_t query;
	size_t total;
} WorkerPlan;

/* A search has no more to visit than there are leaves. */
static WorkerPlan
plan_worker(const TuneShape *shape, const TreeTuneParams *params, const TreeDistance *distance)
{
	size_t visits = (size_t) shape->nitems + 1;
	size_t bucket = shape->tree.bucket_size;
	WorkerPlan plan;

	if (bucket > shape->nitems)
		bucket = shape->nitems;
	plan.heap = round_up(sizeof(TuneWorker));
	plan.stack = plan.heap + round_up(visits * sizeof(TuneVisit));
	plan.pending = plan.stack + round_up(visits * sizeof(TuneVisit));
	plan.bounds = plan.pending + round_up(tree_tune_pending(shape->k) * sizeof(float));
	plan.squares = plan.bounds;
	if (shape->tree.path_length > 0)
		plan.squares += round_up(shape->nitems * sizeof(float));
	plan.places = plan.squares;
	if (params->table.scale.npivots > 0)
		plan.places += round_up(shape->nitems * sizeof(uint32_t));
	plan.scores = plan.places + round_up((bucket + 1) * sizeof(uint32_t));
	plan.codes = plan.scores + round_up((bucket + 1) * sizeof(float));
	plan.query = plan.codes + round_up((size_t) params->table.size);
	plan.total = plan.query + round_up(distance->keys.query_size);
	return plan;
}

/* Bytes of a split beside its tree; a leaf has an item at least */
static size_t
split_size(const TuneShape *shape, const TreeTuneParams *params)
{
	size_t arrays = 2 + (size_t) shape->tree.path_length;

	return arrays * round_up(shape->nvalues * sizeof(uint32_t)) +
		   round_up(shape->nitems * (size_t) params->table.size);
}

static size_t
points_size(const TreeTuneParams *params)
{
	return (size_t) tree_tune_grid_points(params) * 2 * sizeof(TunePoint);
}

static size_t
outcomes_size(const TreeTuneParams *params)
{
	return (size_t) tree_tune_grid_points(params) * SEARCH_STEP * sizeof(TuneOutcome);
}

/* Bytes of what the rule for entries is found by */
static size_t
table_size(const TuneShape *shape, const TreeTuneParams *params)
{
	if (params->table.scale.npivots == 0)
		return 0;
	return shape->nqueries * (size_t) params->table.size;
}

size_t
tree_tune_memory(uint32_t nvalues, uint32_t nqueries, const TreeTuneParams *params,
				 const TreeDistance *distance)
{
	TuneShape shape = shape_for(nvalues, nqueries, params);
	size_t tree = tree_memory(shape.nitems, &shape.tree, distance);

	return sizeof(TreeTune) + (size_t) shape.nsplits * (tree + split_size(&shape, params)) +
		   (size_t) params->threads * plan_worker(&shape, params, distance).total +
		   table_size(&shape, params) + (params->table.scale.npivots > 0 ? sizeof(TuneLosses) : 0) +
		   shape.nqueries * (sizeof(TuneQuery) + shape.nitems * sizeof(float)) +
		   nvalues * sizeof(uint32_t) + (TREE_TUNE_SPLITS + 4) * ALIGNMENT;
}

/* Draws the items of a split, and its queries, unless they are the caller's. */
static void
draw_split(TreeTune *tune, const TuneShape *shape, int number)
{
	uint32_t *items = tune->splits[number].items;
	uint32_t nqueries = shape->nvalues - shape->nitems;
	TuneQuery *queries = tune->queries + (size_t) number * nqueries;
	Random random;

	random_seed(&random, random_hash(tune->params.seed + SEED_OF_SPLITS) ^ (uint64_t) number);
	for (uint32_t i = 0; i < shape->nvalues; i++)
		items[i] = i;
	for (uint32_t i = 0; i < nqueries; i++)
	{
		uint32_t last = shape->nvalues - 1 - i;
		uint32_t drawn = (uint32_t) random_below(&random, (uint64_t) last + 1);
		uint32_t value = items[drawn];

		items[drawn] = items[last];
		items[last] = value;
		queries[i].value = graph_value(&tune->values, value);
	}
}

static bool
create_split(TreeTune *tune, const TuneShape *shape, int number)
{
	TuneSplit *split = &tune->splits[number];
	size_t array = round_up(shape->nvalues * sizeof(uint32_t));
	TreeParams params = shape->tree;
	char *memory = aligned_alloc(ALIGNMENT, split_size(shape, &tune->params));

	split->items = (uint32_t *) memory;
	if (memory == NULL)
		return false;
	split->nitems = shape->nitems;
	split->pivot_places = (uint32_t *) (memory + array);
	split->path_places = (uint32_t *) (memory + 2 * array);
	split->codes = (uint8_t *) (memory + (2 + (size_t) params.path_length) * array);
	draw_split(tune, shape, number);
	params.seed = random_hash(tune->params.seed + SEED_OF_TREES) ^ (uint64_t) number;
	split->tree = tree_create(split->items, split->nitems, &params, &tune->distance, &tune->values);
	return split->tree != NULL;
}

static void
create_workers(TreeTune *tune, const WorkerPlan *plan)
{
	tune->worker_stride = plan->total;
	for (int i = 0; i < tune->params.threads; i++)
	{
		TuneWorker *worker = tree_tune_worker(tune, i);
		char *memory = (char *) worker;

		*worker = (TuneWorker){.heap = (TuneVisit *) (memory + plan->heap),
							   .stack = (TuneVisit *) (memory + plan->stack),
							   .pending = (float *) (memory + plan->pending),
							   .bounds = (float *) (memory + plan->bounds),
							   .squares = (uint32_t *) (memory + plan->squares),
							   .places = (uint32_t *) (memory + plan->places),
							   .scores = (float *) (memory + plan->scores),
							   .codes = (uint8_t *) (memory + plan->codes),
							   .query = memory + plan->query};
	}
}

/* Tells every query its split; those split off lie split by split. */
static void
assign_queries(TreeTune *tune, const TuneShape *shape, const void *const *queries)
{
	for (uint32_t i = 0; i < shape->nqueries; i++)
	{
		uint32_t split = queries == NULL ? i / TREE_TUNE_QUERIES : i % (uint32_t) shape->nsplits;

		tune->queries[i].split = &tune->splits[split];
		tune->queries[i].distances = tune->distances + (size_t) i * shape->nitems;
		if (tune->codes != NULL)
			tune->queries[i].codes = tune->codes + i * (size_t) tune->params.table.size;
		if (queries != NULL)
			tune->queries[i].value = queries[i];
	}
}

/* Room for what the rule for entries is found by; true, too, if there is no such */
static bool
create_table(TreeTune *tune, const TuneShape *shape)
{
	if (tune->params.table.scale.npivots == 0)
		return true;
	tune->codes = malloc(table_size(shape, &tune->params));
	tune->losses = calloc(1, sizeof(TuneLosses));
	return tune->codes != NULL && tune->losses != NULL;
}

TreeTune *
tree_tune_create(uint32_t nvalues, const GraphValues *values, const void *const *queries,
				 uint32_t nqueries, const TreeTuneParams *params, const TreeDistance *distance)
{
	TuneShape shape = shape_for(nvalues, queries == NULL ? 0 : nqueries, params);
	WorkerPlan plan = plan_worker(&shape, params, distance);
	TreeTune *tune = calloc(1, sizeof(TreeTune));
	bool created;

	if (tune == NULL)
		return NULL;
	tune->params = *params;
	tune->params.tune_k = (int) shape.k;
	tune->distance = *distance;
	tune->values = *values;
	tune->required = shape.required;
	tune->nsplits = shape.nsplits;
	tune->nqueries = shape.nqueries;
	tune->queries = calloc(shape.nqueries, sizeof(TuneQuery));
	tune->distances = malloc((size_t) shape.nqueries * shape.nitems * sizeof(float));
	tune->place_of = malloc(nvalues * sizeof(uint32_t));
	tune->outcomes = malloc(outcomes_size(params));
	tune->grid.points = malloc(points_size(params));
	tune->workers = aligned_alloc(ALIGNMENT, (size_t) params->threads * plan.total);
	created = tune->queries != NULL && tune->distances != NULL && tune->place_of != NULL &&
			  tune->outcomes != NULL && tune->grid.points != NULL && tune->workers != NULL &&
			  create_table(tune, &shape);
	for (int i = 0; i < shape.nsplits && created; i++)
		created = create_split(tune, &shape, i);
	if (!created)
	{
		tree_tune_free(tune);
		return NULL;
	}
	create_workers(tune, &plan);
	assign_queries(tune, &shape, queries);
	tune->result.recall = -1;
	return tune;
}

void
tree_tune_free(TreeTune *tune)
{
	if (tune == NULL)
		return;
	for (int i = 0; i < tune->nsplits; i++)
	{
		tree_free(tune->splits[i].tree);
		free(tune->splits[i].items);
	}
	free(tune->queries);
	free(tune->distances);
	free(tune->place_of);
	free(tune->outcomes);
	free(tune->codes);
	free(tune->losses);
	free(tune->grid.points);
	free(tune->workers);
	free(tune);
}

/* ---- phases ---- */

static void
code_values(void *arg, int thread, uint32_t from, uint32_t to)
{
	TreeTune *tune = arg;
	const TuneSplit *split = &tune->splits[tune->position];
	const TreeTuneTable *table = &tune->params.table;
	const GraphDistance *keys = &tune->distance.keys;
	void *scratch = tree_tune_worker(tune, thread)->query;

	for (uint32_t place = from; place < to; place++)
	{
		const void *value = graph_value(&tune->values, split->items[place]);

		table->code(keys->context, keys->prepare_query(keys->context, value, scratch),
					split->codes + place * (size_t) table->size);
	}
}

/* The values of a split.  Some are in several; so few distances are not worth an index of them. */
static void
code_split(TreeTune *tune)
{
	parallel_for(tune->params.threads, 0, tune->splits[tune->position].nitems, CODE_GRAIN,
				 code_values, tune);
	if (++tune->position == (uint32_t) tune->nsplits)
	{
		tune->phase = TUNE_SCAN;
		tune->position = 0;
	}
}

/* Notes the pivots above every leaf; `above` has them, nearest first. */
static void
place_paths(TuneSplit *split, uint32_t child, const uint32_t *above, int nabove)
{
	int length = split->tree->params.path_length;
	uint32_t own[TREE_MAX_PATH];

	if (child & TREE_LEAF)
	{
		for (int i = 0; i < nabove; i++)
			split->path_places[(child & ~TREE_LEAF) * (size_t) length + (size_t) i] = above[i];
		return;
	}
	if (length > 0)
	{
		own[0] = split->pivot_places[child];
		for (int i = 1; i < length && i <= nabove; i++)
			own[i] = above[i - 1];
		nabove = nabove < length ? nabove + 1 : length;
	}
	place_paths(split, split->tree->nodes[child].left, own, nabove);
	place_paths(split, split->tree->nodes[child].right, own, nabove);
}

static void
build_split(TreeTune *tune)
{
	TuneSplit *split = &tune->splits[tune->position];
	Tree *tree = split->tree;

	if (tree_build_step(tree, BUILD_STEP))
		return;
	for (uint32_t place = 0; place < split->nitems; place++)
		tune->place_of[split->items[place]] = place;
	for (uint32_t i = 0; i < tree->nnodes; i++)
		split->pivot_places[i] = tune->place_of[tree->nodes[i].pivot];
	place_paths(split, tree->root, NULL, 0);
	if (++tune->position == (uint32_t) tune->nsplits)
	{
		tune->phase = tune->codes != NULL ? TUNE_CODE : TUNE_SCAN;
		tune->position = 0;
	}
}

static void
scan_queries(void *arg, int thread, uint32_t from, uint32_t to)
{
	TreeTune *tune = arg;

	for (uint32_t i = from; i < to; i++)
		tree_tune_scan(tune, tree_tune_worker(tune, thread), &tune->queries[i]);
}

static void
scan_step(TreeTune *tune)
{
	uint32_t left = tune->nqueries - tune->position;
	uint32_t to = tune->position + (left < SCAN_STEP ? left : SCAN_STEP);

	parallel_for(tune->params.threads, tune->position, to, GRAIN, scan_queries, tune);
	for (uint32_t i = tune->position; i < to; i++)
		tree_tune_note_losses(tune, &tune->queries[i]);
	tune->position = to;
	if (to == tune->nqueries)
	{
		tune->phase = TUNE_SEARCH;
		tune->position = 0;
		tree_tune_grid_start(tune);
	}
}

/* The points of the grid that are being evaluated */
static TunePoint *
new_points(const TreeTune *tune)
{
	return tune->grid.points + (tune->grid.npoints - tune->grid.nnew);
}

/* All points for a query, one after the other: its distances stay in the cache. */
static void
search_queries(void *arg, int thread, uint32_t from, uint32_t to)
{
	TreeTune *tune = arg;
	const TunePoint *points = new_points(tune);
	int npoints = tune->grid.nnew;

	for (uint32_t q = from; q < to; q++)
	{
		TuneOutcome *outcomes = tune->outcomes + (q - tune->position) * (size_t) npoints;
		TuneWorker *worker = tree_tune_worker(tune, thread);

		tree_tune_bounds(tune, worker, &tune->queries[q]);
		for (int i = 0; i < npoints; i++)
		{
			if (!points[i].decided)
				outcomes[i] =
					tree_tune_search(tune, worker, &tune->queries[q], &points[i].achieved.pruner);
		}
	}
}

/* Adds up what the queries of a step achieved; the sums stand in the points. */
static void
add_outcomes(TreeTune *tune, uint32_t nqueries)
{
	TunePoint *points = new_points(tune);
	const TuneOutcome *outcome = tune->outcomes;

	for (uint32_t q = 0; q < nqueries; q++)
	{
		const TuneQuery *query = &tune->queries[tune->position + q];

		for (int i = 0; i < tune->grid.nnew; i++, outcome++)
		{
			if (points[i].decided)
				continue;
			points[i].achieved.recall += outcome->recall;
			points[i].squares += outcome->recall * outcome->recall;
			points[i].cost += outcome->cost;
			points[i].scan +=
				tune->params.metric == TREE_TUNE_TIME ? query->scan_time : query->split->nitems;
			points[i].searches++;
		}
	}
}

/*
 * Would searches for the other queries make no difference?  The recall of a point is
 * so far from the one required that they would not take it to the other side; and it
 * is no candidate: too low, or at a cost well above that of the best point so far.
 */
static bool
is_decided(const TreeTune *tune, const TunePoint *point)
{
	double n = point->searches;
	double mean = point->achieved.recall / n;
	double variance = fmax(point->squares / n - mean * mean, 0);

	if (!(fabs(mean - tune->required) > SURE * sqrt(variance / n) + UNSURE))
		return false;
	return mean < tune->required ||
		   (tune->found && point->scan / point->cost < OUTDONE * tune->result.improvement);
}

/* True if the points need no more searches */
static bool
decide_points(TreeTune *tune)
{
	TunePoint *points = new_points(tune);
	bool all = true;

	for (int i = 0; i < tune->grid.nnew; i++)
	{
		points[i].decided = points[i].decided || is_decided(tune, &points[i]);
		all = all && points[i].decided;
	}
	return all;
}

/* Sums to means: recall, and how much less a search costs than comparing all */
static void
finish_points(TreeTune *tune)
{
	TunePoint *points = new_points(tune);

	for (int i = 0; i < tune->grid.nnew; i++)
	{
		points[i].achieved.recall /= points[i].searches;
		points[i].achieved.improvement = points[i].scan / points[i].cost;
	}
}

/* Searches for some more queries with the new points, and goes on to others after the last. */
static void
search_step(TreeTune *tune)
{
	uint32_t left = tune->nqueries - tune->position;
	uint32_t n = left < SEARCH_STEP ? left : SEARCH_STEP;

	parallel_for(tune->params.threads, tune->position, tune->position + n, GRAIN, search_queries,
				 tune);
	add_outcomes(tune, n);
	tune->position += n;
	if (!decide_points(tune) && tune->position < tune->nqueries)
		return;
	finish_points(tune);
	tune->position = 0;
	if (!tree_tune_grid_next(tune))
		tune->phase = TUNE_DONE;
}

bool
tree_tune_step(TreeTune *tune)
{
	switch (tune->phase)
	{
		case TUNE_CODE:
			code_split(tune);
			break;
		case TUNE_BUILD:
			build_split(tune);
			break;
		case TUNE_SCAN:
			scan_step(tune);
			break;
		case TUNE_SEARCH:
			search_step(tune);
			break;
		case TUNE_DONE:
			break;
	}
	return tune->phase != TUNE_DONE;
}

double
tree_tune_progress(const TreeTune *tune)
{
	const TreeTuneParams *params = &tune->params;
	double starts = params->add_restart_qty + 1;
	double exps = params->max_exp - params->min_exp + 1;
	double done;

	switch (tune->phase)
	{
		case TUNE_BUILD:
			return PREPARED / 3 * tune->position / tune->nsplits;
		case TUNE_CODE:
			return PREPARED / 3 * (1 + (double) tune->position / tune->nsplits);
		case TUNE_SCAN:
			return PREPARED / 3 * (2 + (double) tune->position / tune->nqueries);
		case TUNE_SEARCH:
			done = (tune->grid.exp - params->min_exp) * starts + tune->grid.start +
				   (double) tune->grid.level / params->max_rec_depth;
			return PREPARED + (1 - PREPARED) * done / (starts * exps);
		case TUNE_DONE:
			break;
	}
	return 1;
}

TreeTuneResult
tree_tune_result(const TreeTune *tune)
{
	return tune->result;
}
