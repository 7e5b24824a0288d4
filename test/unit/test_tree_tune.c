/*-------------------------------------------------------------------------
 *
 * test_tree_tune.c
 *	  The tuning of pruners: that it is exact where the triangle inequality is
 *	  all there is, that the recall holds for other queries and another tree,
 *	  what it counts, what the rule for entries leaves out, and what it says when
 *	  the recall is out of reach.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/random.h"
#include "core/tree_tune_internal.h"
#include "unit.h"

#define DIM 6
#define K 10
#define VALUES 1500
#define QUERIES 300

/* ---- distances ---- */

static void
l2_keys(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	(void) context;
	for (int i = 0; i < n; i++)
	{
		keys[i] = 0;
		for (int d = 0; d < DIM; d++)
		{
			float difference = ((const float *) objects[i])[d] - ((const float *) query)[d];

			keys[i] += difference * difference;
		}
	}
}

static double
l2_finish(const void *context, float key)
{
	(void) context;
	return sqrt((double) key);
}

/* Kullback-Leibler divergence of distributions, x on the left: no metric, not symmetric */
static void
divergence_keys(const void *context, const void *query, const void *const *objects, int n,
				float *keys)
{
	(void) context;
	for (int i = 0; i < n; i++)
	{
		const float *x = objects[i];
		const float *q = query;
		double sum = 0;

		for (int d = 0; d < DIM; d++)
			sum += (double) x[d] * log((double) x[d] / (double) q[d]);
		keys[i] = sum > 0 ? (float) sum : 0;
	}
}

static double
same_key(const void *context, float key)
{
	(void) context;
	return key;
}

static const void *
same_value(const void *context, const void *value, void *scratch)
{
	(void) context;
	(void) scratch;
	return value;
}

static const TreeDistance l2 = {{NULL, 0, same_value, l2_keys}, true, l2_finish, NULL, 0};
static const TreeDistance divergence = {
	{NULL, 0, same_value, divergence_keys}, false, same_key, NULL, 0};

/* ---- values ---- */

typedef struct Data
{
	float *rows;
	char *chunk;
	GraphValues values;
} Data;

/* Distributions: random points of the simplex, more near its corners */
static Data
simplex_data(uint32_t rows, uint64_t seed)
{
	Data data = {.rows = malloc(rows * DIM * sizeof(float))};
	Random random;

	random_seed(&random, seed);
	for (uint32_t i = 0; i < rows; i++)
	{
		float *row = data.rows + (size_t) i * DIM;
		float sum = 0;

		for (int d = 0; d < DIM; d++)
			sum += row[d] = (float) exp(2.0 * random_gaussian(&random));
		for (int d = 0; d < DIM; d++)
			row[d] /= sum;
	}
	data.chunk = (char *) data.rows;
	return data;
}

static void
set_values(Data *data)
{
	data->values = (GraphValues){.chunks = &data->chunk,
								 .chunk_shift = 31,
								 .stride = DIM * sizeof(float),
								 .value_size = DIM * sizeof(float)};
}

static TreeTuneParams
params_for(double desired_recall, int threads)
{
	TreeTuneParams params = {.desired_recall = desired_recall,
							 .tune_k = K,
							 .min_exp = 1,
							 .max_exp = 1,
							 .metric = TREE_TUNE_DISTANCES,
							 .max_iter = 10,
							 .max_rec_depth = 4,
							 .step_n = 2,
							 .add_restart_qty = 0,
							 .full_factor = 8,
							 .total = VALUES,
							 .bucket_size = 10,
							 .fill = 0.85,
							 .threads = threads,
							 .seed = 42};

	return params;
}

static TreeTuneResult
run(TreeTune *tune)
{
	double progress = 0;

	CHECK(tune != NULL, "memory");
	while (tree_tune_step(tune))
	{
		CHECK(tree_tune_progress(tune) >= progress && tree_tune_progress(tune) < 1.000001,
			  "progress %g after %g", tree_tune_progress(tune), progress);
		progress = tree_tune_progress(tune);
	}
	CHECK(tree_tune_progress(tune) == 1 && !tree_tune_step(tune), "finished");
	return tree_tune_result(tune);
}

static TreeTuneResult
tune_values(Data *data, const TreeTuneParams *params, const TreeDistance *distance)
{
	TreeTune *tune;
	TreeTuneResult result;

	set_values(data);
	tune = tree_tune_create(VALUES, &data->values, NULL, 0, params, distance);
	result = run(tune);
	tree_tune_free(tune);
	return result;
}

/* Ready to search for queries of one's own, in trees over all values. */
static TreeTune *
searcher(Data *data, const Data *queries, const void **pointers, const TreeTuneParams *params,
		 const TreeDistance *distance)
{
	TreeTune *tune;

	set_values(data);
	for (int i = 0; i < QUERIES; i++)
		pointers[i] = queries->rows + (size_t) i * DIM;
	tune = tree_tune_create(VALUES, &data->values, pointers, QUERIES, params, distance);
	CHECK(tune != NULL, "memory");
	while (tune->phase != TUNE_SEARCH)
		tree_tune_step(tune);
	return tune;
}

/* Mean recall and cost of searches with a pruner */
static TuneOutcome
search_all(TreeTune *tune, const TreePruner *pruner)
{
	TuneWorker *worker = tree_tune_worker(tune, 0);
	TuneOutcome mean = {0, 0};

	for (uint32_t i = 0; i < tune->nqueries; i++)
	{
		TuneOutcome outcome;

		tree_tune_bounds(tune, worker, &tune->queries[i]);
		outcome = tree_tune_search(tune, worker, &tune->queries[i], pruner);
		mean.recall += outcome.recall / tune->nqueries;
		mean.cost += outcome.cost / tune->nqueries;
	}
	return mean;
}

/* ---- searches ---- */

/* By the triangle inequality nothing is missed, with or without paths; paths save distances. */
static void
test_exact(void)
{
	Data data = simplex_data(VALUES, 1);
	Data queries = simplex_data(QUERIES, 2);
	const void *pointers[QUERIES];
	TreePruner exact = {1, 1, 1, 1, 0, 1};
	double cost = INFINITY;

	for (int path_length = 0; path_length <= 5; path_length += 5)
	{
		for (int range = 0; range < 2; range++)
		{
			TreeTuneParams params = params_for(0.9, 1);
			TreeTune *tune;
			TuneOutcome outcome;

			params.path_length = path_length;
			params.tune_k = range ? 0 : K;
			params.tune_r = 0.05;
			tune = searcher(&data, &queries, pointers, &params, &l2);
			outcome = search_all(tune, &exact);
			CHECK(fabs(outcome.recall - 1) < 1e-9, "path %d, range %d: recall %.9f", path_length,
				  range, outcome.recall);
			CHECK(outcome.cost < VALUES / 4, "path %d, range %d: %.1f distances", path_length,
				  range, outcome.cost);
			if (!range)
			{
				CHECK(outcome.cost < 0.9 * cost, "path %d: %.1f distances after %.1f", path_length,
					  outcome.cost, cost);
				cost = outcome.cost;
			}
			tree_tune_free(tune);
		}
	}
	free(data.rows);
	free(queries.rows);
}

/* A pruner that prunes nothing visits every node and every entry, once each. */
static void
test_counts(void)
{
	Data data = simplex_data(VALUES, 1);
	Data queries = simplex_data(QUERIES, 2);
	const void *pointers[QUERIES];
	TreeTuneParams params = params_for(0.9, 1);
	TreePruner none = {0, 0, 1, 1, 0, 1};
	TreeTune *tune = searcher(&data, &queries, pointers, &params, &divergence);
	TuneOutcome outcome = search_all(tune, &none);

	CHECK(fabs(outcome.cost - (VALUES + tune->splits[0].tree->nnodes)) < 1e-6, "%.3f distances",
		  outcome.cost);
	CHECK(fabs(outcome.recall - 1) < 1e-9, "recall %.5f", outcome.recall);
	tree_tune_free(tune);
	free(data.rows);
	free(queries.rows);
}

/* The k-th distance is what a comparison with all gives; a range has as many answers. */
static void
test_answers(void)
{
	Data data = simplex_data(VALUES, 1);
	Data queries = simplex_data(QUERIES, 2);
	const void *pointers[QUERIES];
	TreeTuneParams params = params_for(0.9, 1);
	TreeTune *tune = searcher(&data, &queries, pointers, &params, &divergence);

	for (int i = 0; i < QUERIES; i++)
	{
		uint32_t nearer = 0;
		uint32_t within = 0;

		for (uint32_t v = 0; v < VALUES; v++)
		{
			const void *value = data.rows + (size_t) v * DIM;
			float key;

			divergence_keys(NULL, pointers[i], &value, 1, &key);
			nearer += key < tune->queries[i].limit;
			within += key <= tune->queries[i].limit;
		}
		CHECK(nearer < K && within >= K, "query %d: %u nearer, %u within", i, nearer, within);
		CHECK(tune->queries[i].answers == K, "query %d: %u answers", i, tune->queries[i].answers);
	}
	tree_tune_free(tune);
	free(data.rows);
	free(queries.rows);
}

/* ---- tuning ---- */

/* What was tuned on values split off gives about the recall to other queries in other trees. */
static void
check_holds(const TreeDistance *distance, double desired, bool faster)
{
	Data data = simplex_data(VALUES, 1);
	Data queries = simplex_data(QUERIES, 2);
	const void *pointers[QUERIES];
	TreeTuneParams params = params_for(desired, 1);
	TreeTuneResult result = tune_values(&data, &params, distance);
	TreeTune *tune;
	TuneOutcome outcome;

	CHECK(result.required == desired, "%.4f required", result.required);
	CHECK(result.recall >= desired && result.recall < desired + 0.02, "recall %.4f of %.4f",
		  result.recall, desired);
	params.seed++;
	tune = searcher(&data, &queries, pointers, &params, distance);
	outcome = search_all(tune, &result.pruner);
	CHECK(fabs(outcome.recall - desired) < 0.03, "recall %.4f of %.4f", outcome.recall, desired);
	CHECK(fabs(VALUES / outcome.cost / result.improvement - 1) < 0.3, "improvement %.2f, not %.2f",
		  VALUES / outcome.cost, result.improvement);
	if (faster)
	{
		TreePruner exact = {1, 1, 1, 1, 0, 1};
		TuneOutcome slow = search_all(tune, &exact);

		CHECK(outcome.cost < 0.8 * slow.cost, "%.1f distances, exact %.1f", outcome.cost,
			  slow.cost);
	}
	tree_tune_free(tune);
	free(data.rows);
	free(queries.rows);
}

static void
test_holds(void)
{
	check_holds(&divergence, 0.9, false);
	check_holds(&divergence, 0.97, false);
	check_holds(&l2, 0.9, true);
}

/* Queries of the caller's, and none to split off */
static void
test_own_queries(void)
{
	Data data = simplex_data(VALUES, 1);
	Data queries = simplex_data(QUERIES, 2);
	const void *pointers[QUERIES];

	for (int n = 1; n <= QUERIES; n += QUERIES - 1)
	{
		TreeTuneParams params = params_for(0.9, 1);
		TreeTune *tune;
		TreeTuneResult result;

		set_values(&data);
		for (int i = 0; i < n; i++)
			pointers[i] = queries.rows + (size_t) i * DIM;
		tune = tree_tune_create(VALUES, &data.values, pointers, (uint32_t) n, &params, &divergence);
		result = run(tune);
		CHECK(result.recall >= 0.9 && result.improvement > 1, "%d: recall %.4f, improvement %.2f",
			  n, result.recall, result.improvement);
		tree_tune_free(tune);
	}
	free(data.rows);
	free(queries.rows);
}

/* A radius instead of a number of neighbours */
static void
test_range(void)
{
	Data data = simplex_data(VALUES, 1);
	TreeTuneParams params = params_for(0.9, 1);
	TreeTuneResult result;

	params.tune_k = 0;
	params.tune_r = 0.2;
	result = tune_values(&data, &params, &divergence);
	CHECK(result.recall >= 0.9 && result.recall < 0.93, "recall %.4f", result.recall);
	CHECK(result.improvement > 1.5, "improvement %.2f", result.improvement);
	free(data.rows);
}

/* The time of real searches: less than a scan's */
static void
test_time(void)
{
	Data data = simplex_data(VALUES, 1);
	TreeTuneParams params = params_for(0.9, 1);
	TreeTuneResult result;

	params.metric = TREE_TUNE_TIME;
	params.add_restart_qty = 0;
	params.max_rec_depth = 3;
	result = tune_values(&data, &params, &divergence);
	CHECK(result.recall >= 0.9 && result.recall < 1, "recall %.4f", result.recall);
	CHECK(result.improvement > 1, "improvement %.2f", result.improvement);
	free(data.rows);
}

/* Nothing is good enough: the best there is, and a recall below the one required */
static void
test_out_of_reach(void)
{
	Data data = simplex_data(VALUES, 1);
	TreeTuneParams params = params_for(0.999999, 1);
	TreeTuneResult result;

	params.max_iter = 1;
	params.add_restart_qty = 0;
	result = tune_values(&data, &params, &divergence);
	CHECK(result.recall < result.required && result.recall > 0.5, "recall %.6f", result.recall);
	CHECK(result.required == 0.999999, "%.6f required", result.required);
	CHECK(result.pruner.alpha_left < 0.2 && result.pruner.alpha_right < 0.2,
		  "the point of the highest recall: %g, %g", result.pruner.alpha_left,
		  result.pruner.alpha_right);
	free(data.rows);
}

/* ---- the rule for entries ---- */

#define PIVOTS 20
#define CODES_SIZE 32
#define UNIT (1.0 / 255)

static Data pivots;

/* Square root of the Jensen-Shannon divergence */
static double
js_metric(const float *x, const float *y)
{
	double sum = 0;

	for (int d = 0; d < DIM; d++)
	{
		double mean = ((double) x[d] + (double) y[d]) / 2;

		sum += (double) x[d] * log((double) x[d] / mean) / 2 +
			   (double) y[d] * log((double) y[d] / mean) / 2;
	}
	return sqrt(fmax(sum, 0));
}

static void
code_by_pivots(const void *context, const void *query, uint8_t *codes)
{
	(void) context;
	memset(codes, 0, CODES_SIZE);
	for (int i = 0; i < PIVOTS; i++)
		codes[i] = (uint8_t) rint(js_metric(pivots.rows + (size_t) i * DIM, query) / UNIT);
}

static TreeTuneParams
params_with_table(double desired_recall, int threads)
{
	TreeTuneParams params = params_for(desired_recall, threads);

	params.table =
		(TreeTuneTable){.scale = {PIVOTS, UNIT}, .size = CODES_SIZE, .code = code_by_pivots};
	return params;
}

/* A bound and its reverse: an entry is within reach of its bound, and of nothing less. */
static void
test_pivot_rule(void)
{
	TreePivotScale scale = {PIVOTS, UNIT};
	TreePruner pruner = {1, 1, 1, 1, 0, 1};

	CHECK(tree_pivot_reach(&pruner, &scale, 0) == TREE_ALL_SQUARES, "alpha 0");
	for (double alpha = 1e-3; alpha < 1e5; alpha *= 7)
	{
		for (double exp = 0.5; exp <= 4; exp += 0.5)
		{
			pruner.alpha_pivot = alpha;
			pruner.exp_pivot = exp;
			for (uint32_t squares = 1; squares < PIVOTS * 255 * 255; squares = squares * 5 / 3 + 1)
			{
				double expected = alpha * pow(sqrt(squares / (double) PIVOTS) / 255, exp);
				double bound = tree_pivot_bound(&pruner, &scale, squares);

				CHECK(fabs(bound / expected - 1) < 1e-12, "%g, not %g", bound, expected);
				CHECK(tree_pivot_reach(&pruner, &scale, bound) == squares, "alpha %g exp %g: %u",
					  alpha, exp, squares);
				CHECK(tree_pivot_reach(&pruner, &scale, bound * (1 - 1e-7)) == squares - 1,
					  "alpha %g exp %g: less than %u", alpha, exp, squares);
			}
			CHECK(tree_pivot_reach(&pruner, &scale, 0) == 0, "at 0");
			CHECK(tree_pivot_reach(&pruner, &scale, INFINITY) == TREE_ALL_SQUARES, "at infinity");
		}
	}
}

/* Share of the answers that a rule does not leave out, from the definition */
static double
kept_answers(const Data *data, const TreeTune *tune, const TreePruner *pruner)
{
	double kept = 0;

	for (uint32_t q = 0; q < tune->nqueries; q++)
	{
		const TuneQuery *query = &tune->queries[q];
		uint8_t own[CODES_SIZE];

		code_by_pivots(NULL, query->value, own);
		for (uint32_t v = 0; v < VALUES; v++)
		{
			const void *value = data->rows + (size_t) v * DIM;
			uint8_t codes[CODES_SIZE];
			double sum = 0;
			float key;

			divergence_keys(NULL, query->value, &value, 1, &key);
			if (key > query->limit)
				continue;
			code_by_pivots(NULL, value, codes);
			for (int i = 0; i < PIVOTS; i++)
				sum += (codes[i] - own[i]) * (codes[i] - own[i]);
			kept += pruner->alpha_pivot * pow(sqrt(sum / PIVOTS) * UNIT, pruner->exp_pivot) <=
					query->limit;
		}
	}
	return kept / (K * tune->nqueries);
}

/* The distances to pivots count; what the rule keeps is found, for less the more it leaves out. */
static void
test_pivot_searches(void)
{
	Data data = simplex_data(VALUES, 1);
	Data queries = simplex_data(QUERIES, 2);
	const void *pointers[QUERIES];
	TreeTuneParams params = params_with_table(0.9, 1);
	TreePruner pruner = {0, 0, 1, 1, 1e-9, 2};
	TuneOutcome outcome;
	double cost = INFINITY;
	TreeTune *tune;

	pivots = simplex_data(PIVOTS, 3);
	tune = searcher(&data, &queries, pointers, &params, &divergence);
	outcome = search_all(tune, &pruner);
	CHECK(fabs(outcome.cost - (VALUES + PIVOTS + tune->splits[0].tree->nnodes)) < 1e-6,
		  "%.3f distances", outcome.cost);
	CHECK(fabs(outcome.recall - 1) < 1e-9, "recall %.5f", outcome.recall);
	for (double loss = 0.01; loss < 0.5; loss *= 5)
	{
		double kept;

		tree_tune_choose_pivot(tune, loss, &pruner.alpha_pivot, &pruner.exp_pivot);
		kept = kept_answers(&data, tune, &pruner);
		outcome = search_all(tune, &pruner);
		CHECK(kept >= 1 - loss - 1e-6 && kept < 1 - loss + 0.02, "loss %g: %.4f kept", loss, kept);
		CHECK(outcome.recall >= kept - 1e-6, "loss %g: recall %.4f", loss, outcome.recall);
		CHECK(outcome.cost < cost, "loss %g: %.1f distances after %.1f", loss, outcome.cost, cost);
		cost = outcome.cost;
	}
	CHECK(cost < VALUES / 2, "%.1f distances", cost);
	tree_tune_free(tune);
	free(data.rows);
	free(queries.rows);
	free(pivots.rows);
}

/* With a table the recall is reached for less, and holds for other queries in other trees. */
static void
test_pivot_tuning(void)
{
	Data data = simplex_data(VALUES, 1);
	Data queries = simplex_data(QUERIES, 2);
	const void *pointers[QUERIES];
	TreeTuneParams params = params_with_table(0.9, 1);
	TreeTuneParams without = params_for(0.9, 1);
	TreeTuneResult result;
	TreeTuneResult plain;
	TuneOutcome outcome;
	TreeTune *tune;

	pivots = simplex_data(PIVOTS, 3);
	params.add_restart_qty = without.add_restart_qty = 2;
	result = tune_values(&data, &params, &divergence);
	plain = tune_values(&data, &without, &divergence);
	CHECK(plain.pruner.alpha_pivot == 0, "no table, alpha %g", plain.pruner.alpha_pivot);
	CHECK(result.pruner.alpha_pivot > 0, "alpha %g", result.pruner.alpha_pivot);
	CHECK(result.recall >= 0.9 && result.recall < 0.92, "recall %.4f", result.recall);
	CHECK(result.improvement > 1.5 * plain.improvement, "improvement %.2f, without a table %.2f",
		  result.improvement, plain.improvement);
	params.seed++;
	tune = searcher(&data, &queries, pointers, &params, &divergence);
	outcome = search_all(tune, &result.pruner);
	CHECK(fabs(outcome.recall - 0.9) < 0.03, "recall %.4f", outcome.recall);
	CHECK(fabs(VALUES / outcome.cost / result.improvement - 1) < 0.3, "improvement %.2f, not %.2f",
		  VALUES / outcome.cost, result.improvement);
	tree_tune_free(tune);
	params.metric = TREE_TUNE_TIME;
	params.max_rec_depth = 2;
	result = tune_values(&data, &params, &divergence);
	CHECK(result.recall >= 0.9 && result.improvement > 1, "by time: %.4f, %.2f", result.recall,
		  result.improvement);
	free(data.rows);
	free(queries.rows);
	free(pivots.rows);
}

static bool
same_result(const TreeTuneResult *a, const TreeTuneResult *b)
{
	return a->pruner.alpha_left == b->pruner.alpha_left &&
		   a->pruner.alpha_right == b->pruner.alpha_right &&
		   a->pruner.alpha_pivot == b->pruner.alpha_pivot && a->recall == b->recall &&
		   a->improvement == b->improvement && a->required == b->required;
}

/* One seed: one result, whatever the number of threads. */
static void
test_determinism(void)
{
	Data data = simplex_data(VALUES, 1);
	TreeTuneParams params = params_with_table(0.9, 1);
	TreeTuneResult one;
	TreeTuneResult other;

	pivots = simplex_data(PIVOTS, 3);
	one = tune_values(&data, &params, &divergence);
	for (params.threads = 2; params.threads <= 3; params.threads++)
	{
		other = tune_values(&data, &params, &divergence);
		CHECK(same_result(&one, &other), "%d threads", params.threads);
	}
	params.seed++;
	other = tune_values(&data, &params, &divergence);
	CHECK(!same_result(&one, &other), "another seed");
	free(data.rows);
	free(pivots.rows);
}

/* The correction for samples, as nmslib-methods 2.1 has it */
static void
test_sample(void)
{
	Data data = simplex_data(VALUES, 1);
	TreeTuneParams params = params_for(0.9, 1);
	TreeTuneResult result;
	TreeTune *tune;

	set_values(&data);

	/* 400 leaves of 10,000 values: 1500 / 400 = 3.75 values in each */
	params.total = 10000;
	params.bucket_size = 25;
	tune = tree_tune_create(VALUES, &data.values, NULL, 0, &params, &divergence);
	CHECK(tune->splits[0].tree->params.bucket_size == 3, "bucket_size %u",
		  tune->splits[0].tree->params.bucket_size);
	CHECK(tree_tune_memory(VALUES, 0, &params, &divergence) > 1000 * (VALUES - 200) * 4, "memory");
	result = run(tune);
	CHECK(result.required == 0.9 && result.recall >= 0.9, "required %.4f", result.required);
	tree_tune_free(tune);

	/* 100,000 leaves: one value in each; 0.9 ^ (ln 1500 / ln 100000) = 0.9 ^ 0.635218 */
	params.total = 1000000;
	params.bucket_size = 10;
	tune = tree_tune_create(VALUES, &data.values, NULL, 0, &params, &divergence);
	CHECK(tune->splits[0].tree->params.bucket_size == 1, "bucket_size %u",
		  tune->splits[0].tree->params.bucket_size);
	CHECK(fabs(tune->required - 0.935266) < 1e-5, "required %.6f", tune->required);
	tree_tune_free(tune);
	free(data.rows);
}

/* Queries are not among the data of their split, and no two are one value. */
static void
test_splits(void)
{
	Data data = simplex_data(VALUES, 1);
	TreeTuneParams params = params_for(0.9, 1);
	TreeTune *tune;
	uint32_t drawn = 0;

	set_values(&data);
	tune = tree_tune_create(VALUES, &data.values, NULL, 0, &params, &divergence);
	for (int s = 0; s < TREE_TUNE_SPLITS; s++)
	{
		const TuneSplit *split = &tune->splits[s];
		uint32_t seen[VALUES] = {0};

		CHECK(split->nitems == VALUES - TREE_TUNE_QUERIES, "%u items", split->nitems);
		for (uint32_t i = 0; i < split->nitems; i++)
			seen[split->items[i]]++;
		for (int q = 0; q < TREE_TUNE_QUERIES; q++)
		{
			const TuneQuery *query = &tune->queries[s * TREE_TUNE_QUERIES + q];
			uint32_t value = (uint32_t) (((const float *) query->value - data.rows) / DIM);

			CHECK(query->split == split, "split %d, query %d", s, q);
			seen[value]++;
			drawn += value;
		}
		for (uint32_t v = 0; v < VALUES; v++)
			CHECK(seen[v] == 1, "split %d: value %u is there %u times", s, v, seen[v]);
	}
	/* the mean number is 749.5, with a standard error of 14 */
	CHECK(fabs(drawn / 1000.0 - 749.5) < 60, "mean of the values drawn: %g", drawn / 1000.0);
	tree_tune_free(tune);
	free(data.rows);
}

/* A tuning may be given up at any step. */
static void
test_cancel(void)
{
	Data data = simplex_data(VALUES, 1);
	TreeTuneParams params = params_for(0.9, 2);

	set_values(&data);
	for (int steps = 0; steps < 35; steps += 4)
	{
		TreeTune *tune = tree_tune_create(VALUES, &data.values, NULL, 0, &params, &divergence);

		for (int i = 0; i < steps; i++)
			CHECK(tree_tune_step(tune), "step %d", i);
		tree_tune_free(tune);
	}
	tree_tune_free(NULL);
	free(data.rows);
}

int
main(void)
{
	RUN(test_exact);
	RUN(test_counts);
	RUN(test_answers);
	RUN(test_holds);
	RUN(test_own_queries);
	RUN(test_range);
	RUN(test_time);
	RUN(test_out_of_reach);
	RUN(test_pivot_rule);
	RUN(test_pivot_searches);
	RUN(test_pivot_tuning);
	RUN(test_determinism);
	RUN(test_sample);
	RUN(test_splits);
	RUN(test_cancel);
	parallel_shutdown();
	return unit_finish();
}
