/*-------------------------------------------------------------------------
 *
 * tree_tune.h
 *	  Finds the pruner with which a vantage-point tree reaches a recall at the
 *	  least cost: NMSLIB's auto-tuning (nmslib-methods 2.1).
 *
 * The names of the parameters are NMSLIB's.  The values to tune with and, if
 * there are any, the queries lie in the caller's memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_TREE_TUNE_H
#define ANN_TREE_TUNE_H

#include "core/tree.h"
#include "core/tree_prune.h"

/* A split of the values into data and queries */
#define TREE_TUNE_SPLITS 5
#define TREE_TUNE_QUERIES 200
#define TREE_TUNE_MIN_VALUES ((TREE_TUNE_SPLITS + 1) * TREE_TUNE_QUERIES)

/* Factors are whole powers of a finest one. */
#define TREE_TUNE_MAX_DEPTH 16
#define TREE_TUNE_MAX_ITER 1000

typedef enum TreeTuneMetric
{
	TREE_TUNE_DISTANCES, /* the fewest distance computations */
	TREE_TUNE_TIME		 /* the least time */
} TreeTuneMetric;

/* The distances of values to some pivots: what the rule for entries goes by (tree_prune.h) */
typedef struct TreeTuneTable
{
	TreePivotScale scale; /* npivots 0: there is no table, and no such rule is looked for */
	int size; /* bytes that a value's distances take, with zeros behind; as byte_squares() wants */

	/* Those of a value in its query form; context is that of the distances between values. */
	void (*code)(const void *context, const void *query, uint8_t *codes);
} TreeTuneTable;

typedef struct TreeTuneParams
{
	double desired_recall; /* over 0, under 1 */
	int tune_k;			   /* neighbours; 0: tune_r is given */
	double tune_r;		   /* radius of range queries, as finish() gives distances */
	int min_exp;
	int max_exp;
	TreeTuneMetric metric;
	int max_iter;	   /* at least 1, at most TREE_TUNE_MAX_ITER */
	int max_rec_depth; /* at most TREE_TUNE_MAX_DEPTH */
	int step_n;		   /* at least 1 */
	int add_restart_qty;
	double full_factor;
	double total; /* values of the whole index; the sub-sampling correction is for it.  With queries
				   * of the caller's the values may be all there are: no correction */
	uint32_t bucket_size; /* of the index, as in TreeParams */
	double fill;
	int path_length; /* a search leaves out entries by their paths, which are not stretched */
	TreeTuneTable table;
	int threads;
	uint64_t seed;
} TreeTuneParams;

typedef struct TreeTuneResult
{
	TreePruner pruner;
	double recall; /* that it reached, and the one that it had to reach after the correction */
	double required;
	double improvement; /* against comparing all values, by the metric */
} TreeTuneResult;

typedef struct TreeTune TreeTune;

/* Upper limit of the bytes it takes, beside the values; nqueries is 0 for queries split off. */
extern size_t tree_tune_memory(uint32_t nvalues, uint32_t nqueries, const TreeTuneParams *params,
							   const TreeDistance *distance);

/*
 * Ready to tune over values 0 .. nvalues - 1.  queries: values of their own, in
 * their encoded form, which must stay; or NULL: they are split off the values, of
 * which there are at least TREE_TUNE_MIN_VALUES then.  NULL when memory is short.
 */
extern TreeTune *tree_tune_create(uint32_t nvalues, const GraphValues *values,
								  const void *const *queries, uint32_t nqueries,
								  const TreeTuneParams *params, const TreeDistance *distance);
extern void tree_tune_free(TreeTune *tune);

/* Does part of the work; true while some is left.  progress goes from 0 to 1. */
extern bool tree_tune_step(TreeTune *tune);
extern double tree_tune_progress(const TreeTune *tune);

/* When all is done: the best there is, whether or not it reaches the recall. */
extern TreeTuneResult tree_tune_result(const TreeTune *tune);

#endif /* ANN_TREE_TUNE_H */
