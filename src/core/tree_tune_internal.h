/*-------------------------------------------------------------------------
 *
 * tree_tune_internal.h
 *	  What the files of the tuning share.
 *
 * The distances from every query to all the data of its split are computed
 * once, for the gold standard, and kept in the order in which the tree of the
 * split has the items: places.  Searches look them up and count what a search
 * of an index would compute.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_TREE_TUNE_INTERNAL_H
#define ANN_TREE_TUNE_INTERNAL_H

#include "core/tree_tune.h"

/* Data to search, and the tree over them */
typedef struct TuneSplit
{
	uint32_t *items; /* of the tree; behind them are the queries that were split off */
	uint32_t nitems;
	Tree *tree;
	uint32_t *pivot_places; /* of the tree's nodes */
	uint32_t *path_places; /* path_length of each leaf: places of the pivots above, nearest first */
} TuneSplit;

typedef struct TuneQuery
{
	const TuneSplit *split;
	const void *value;
	float *distances; /* finish()ed, by place */
	double limit;	  /* what is found within it is an answer ... */
	uint32_t answers; /* ... and how many there are, at most tune_k */
	double scan_time; /* seconds that comparing with all took */
	double recall;	  /* of the last evaluation, */
	double cost;	  /* and its distance computations or seconds */
} TuneQuery;

/* A node or leaf that a search has yet to visit */
typedef struct TuneVisit
{
	double bound;
	double scored; /* a leaf's entries with bounds up to this one have been scored */
	uint32_t child;
} TuneVisit;

/* What one thread works with */
typedef struct TuneWorker
{
	TuneVisit *heap;
	uint32_t nheap;
	float *pending; /* the nearest rows not yet returned, ascending */
	uint32_t npending;
	uint32_t *places; /* entries of a leaf to be scored, */
	float *scores;	  /* their distances */
	void *query;	  /* scratch, and the query form made in it */
	const void *prepared;
} TuneWorker;

/* State of the local grid search */
typedef struct TuneGrid
{
	int exp;
	int start;	   /* the number of starts so far, with this exponent */
	int level;	   /* of recursion */
	int iteration; /* at this level */
	int i;		   /* next point of the grid */
	int j;
	double base_left;
	double base_right;
	double factor;
	double min_recall; /* of the points of this grid so far */
	double max_recall;
	bool found; /* this start has met an acceptable point: */
	TreeTuneResult best;
} TuneGrid;

typedef enum TunePhase
{
	TUNE_BUILD,	 /* the tree of a split after the other */
	TUNE_SCAN,	 /* distances of the queries */
	TUNE_SEARCH, /* the grid */
	TUNE_DONE
} TunePhase;

struct TreeTune
{
	TreeTuneParams params;
	TreeDistance distance;
	GraphValues values;
	double required; /* recall */
	int nsplits;
	TuneSplit splits[TREE_TUNE_SPLITS];
	TuneQuery *queries;
	uint32_t nqueries;
	float *distances;	/* of all queries */
	uint32_t *place_of; /* of a value, in the split at hand */
	char *workers;		/* TuneWorker and its memory, worker_stride bytes apart */
	size_t worker_stride;

	TunePhase phase;
	uint32_t position; /* of the phase: splits or queries done with */
	TreePruner pruner; /* being evaluated */
	TuneGrid grid;
	bool found; /* result is acceptable; else it is the point of the highest recall */
	TreeTuneResult result;
};

static inline TuneWorker *
tree_tune_worker(const TreeTune *tune, int thread)
{
	return (TuneWorker *) (tune->workers + (size_t) thread * tune->worker_stride);
}

/* ---- tree_tune_search.c ---- */

/* Distances from the query to all data of its split, and what the answers are */
extern void tree_tune_scan(const TreeTune *tune, TuneWorker *worker, TuneQuery *query);

/* Searches with tune->pruner: sets the query's recall and cost. */
extern void tree_tune_search(const TreeTune *tune, TuneWorker *worker, TuneQuery *query);

/* ---- tree_tune_grid.c ---- */

extern void tree_tune_grid_start(TreeTune *tune);

/* The next pruner to be evaluated */
extern TreePruner tree_tune_grid_point(const TreeTune *tune);

/* Takes in what the pruner achieved; false when the search is at its end. */
extern bool tree_tune_grid_next(TreeTune *tune, const TreeTuneResult *achieved);

#endif /* ANN_TREE_TUNE_INTERNAL_H */
