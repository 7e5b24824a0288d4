/*-------------------------------------------------------------------------
 *
 * tree_vp.c
 *	  Vantage-point trees: choice of pivots, distances to them.
 *
 * d(pivot, x) has the pivot as the object and x as the query.  Where the
 * distance is symmetric the pivot is prepared as the query instead, once, and
 * the items are scored in batches.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_internal.h"

#include <math.h>

/* Values scored in one call */
#define BATCH 64

/* Items a pivot is judged by: this share of them, within limits */
#define SAMPLE_DIVISOR TREE_PIVOT_ATTEMPTS
#define MIN_SAMPLE 10
#define MAX_SAMPLE 100

/* A sample of the items of a part, and pivots to try */
typedef struct PivotTrial
{
	const void *pivots[TREE_PIVOT_ATTEMPTS];
	const void *sample[MAX_SAMPLE];
	int nsample;
	float keys[TREE_PIVOT_ATTEMPTS][MAX_SAMPLE];
} PivotTrial;

static void
score_trial(const TreeBuild *build, TreeWorker *worker, PivotTrial *trial)
{
	const GraphDistance *keys = &build->distance.keys;
	float column[TREE_PIVOT_ATTEMPTS];

	worker->computed += (uint64_t) TREE_PIVOT_ATTEMPTS * (uint64_t) trial->nsample;
	for (int p = 0; p < TREE_PIVOT_ATTEMPTS && build->distance.symmetric; p++)
	{
		const void *query = keys->prepare_query(keys->context, trial->pivots[p], worker->query);

		keys->distances(keys->context, query, trial->sample, trial->nsample, trial->keys[p]);
	}
	for (int i = 0; i < trial->nsample && !build->distance.symmetric; i++)
	{
		const void *query = keys->prepare_query(keys->context, trial->sample[i], worker->query);

		keys->distances(keys->context, query, trial->pivots, TREE_PIVOT_ATTEMPTS, column);
		for (int p = 0; p < TREE_PIVOT_ATTEMPTS; p++)
			trial->keys[p][i] = column[p];
	}
}

/* Variance of the distances that keys stand for, of those that are finite; a sum, not a mean */
static double
spread_of(const TreeDistance *distance, const float *keys, int n)
{
	double values[MAX_SAMPLE];
	double sum = 0;
	double squares = 0;
	int finite = 0;

	for (int i = 0; i < n; i++)
	{
		values[finite] = distance->finish(distance->keys.context, keys[i]);
		if (isfinite(values[finite]))
			sum += values[finite++];
	}
	for (int i = 0; i < finite; i++)
		squares += (values[i] - sum / finite) * (values[i] - sum / finite);
	return squares;
}

static int
sample_size(uint32_t nitems)
{
	uint32_t size = nitems / SAMPLE_DIVISOR;

	if (size < MIN_SAMPLE)
		size = MIN_SAMPLE;
	return size < MAX_SAMPLE ? (int) size : MAX_SAMPLE;
}

uint32_t
tree_vp_choose(TreeBuild *build, TreeWorker *worker, const TreePart *part)
{
	uint32_t n = part->end_item - part->first_item;
	uint32_t candidates[TREE_PIVOT_ATTEMPTS];
	PivotTrial trial;
	double best = -1;
	uint32_t pivot = 0;
	Random random;

	tree_seed(build, part, &random);
	for (int p = 0; p < TREE_PIVOT_ATTEMPTS; p++)
	{
		candidates[p] = build->tree.items[part->first_item + random_below(&random, n)];
		trial.pivots[p] = graph_value(&build->values, candidates[p]);
	}
	if (n < MIN_SAMPLE)
		return candidates[0];
	trial.nsample = sample_size(n);
	for (int i = 0; i < trial.nsample; i++)
		trial.sample[i] =
			tree_item_value(build, part->first_item + (uint32_t) random_below(&random, n));
	score_trial(build, worker, &trial);
	for (int p = 0; p < TREE_PIVOT_ATTEMPTS; p++)
	{
		double spread = spread_of(&build->distance, trial.keys[p], trial.nsample);

		if (spread > best)
		{
			best = spread;
			pivot = candidates[p];
		}
	}
	return pivot;
}

const void *
tree_vp_prepare(const TreeBuild *build, uint32_t pivot, void *scratch)
{
	const GraphDistance *keys = &build->distance.keys;

	if (!build->distance.symmetric)
		return NULL;
	return keys->prepare_query(keys->context, graph_value(&build->values, pivot), scratch);
}

/* Keys of items as queries */
static void
score_queries(TreeBuild *build, TreeWorker *worker, uint32_t pivot, uint32_t from, uint32_t to)
{
	const GraphDistance *keys = &build->distance.keys;
	const void *object = graph_value(&build->values, pivot);

	for (uint32_t i = from; i < to; i++)
	{
		const void *query =
			keys->prepare_query(keys->context, tree_item_value(build, i), worker->query);

		keys->distances(keys->context, query, &object, 1, &build->keys[i]);
	}
}

void
tree_vp_keys(TreeBuild *build, TreeWorker *worker, uint32_t pivot, const void *prepared,
			 uint32_t from, uint32_t to)
{
	const GraphDistance *keys = &build->distance.keys;
	const void *batch[BATCH];

	worker->computed += to - from;
	if (prepared == NULL)
	{
		score_queries(build, worker, pivot, from, to);
		return;
	}
	for (uint32_t i = from; i < to; i += BATCH)
	{
		uint32_t size = to - i < BATCH ? to - i : BATCH;

		for (uint32_t j = 0; j < size; j++)
			batch[j] = tree_item_value(build, i + j);
		keys->distances(keys->context, prepared, batch, (int) size, &build->keys[i]);
	}
}
