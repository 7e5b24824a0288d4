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
	uint8_t *codes;		   /* of the items, by place, if there is a pivot table */
} TuneSplit;

typedef struct TuneQuery
{
	const TuneSplit *split;
	const void *value;
	float *distances; /* finish()ed, by place */
	uint8_t *codes;	  /* its distances to the pivots of the table, if there is one */
	double limit;	  /* what is found within it is an answer ... */
	uint32_t answers; /* ... and how many there are, at most tune_k */
	double scan_time; /* seconds that comparing with all took */
} TuneQuery;

/* What a search achieved */
typedef struct TuneOutcome
{
	double recall;
	double cost; /* distance computations or seconds */
} TuneOutcome;

/* A node or leaf that a search has yet to visit */
typedef struct TuneVisit
{
	double bound;
	uint32_t child;
} TuneVisit;

/* What one thread works with */
typedef struct TuneWorker
{
	TuneVisit *heap; /* of the visits that are to come later */
	uint32_t nheap;
	TuneVisit *stack; /* and of those that are due */
	uint32_t nstack;
	float *pending; /* the nearest rows not yet returned, ascending */
	uint32_t npending;
	float *bounds;	   /* of the entries of a split, by their paths and the query's */
	uint32_t *squares; /* and their sums of squares, by the pivot table */
	uint32_t *places;  /* entries of a leaf to be scored, */
	float *scores;	   /* their distances */
	uint8_t *codes;	   /* of the query, where the time counts that they take */
	void *query;	   /* scratch, and the query form made in it */
	const void *prepared;
} TuneWorker;

/* A point of a grid: how many times each factor was multiplied by the finest factor */
typedef struct TunePoint
{
	int left;
	int right;
	double cost;	/* of the searches so far, */
	double scan;	/* of comparing all values instead, */
	double squares; /* sum of the squares of their recalls, */
	uint32_t searches;
	bool decided; /* no more are needed */
	TreeTuneResult achieved;
} TunePoint;

/* State of the local grid search, of one start after the other */
typedef struct TuneGrid
{
	int exp;
	int start; /* number of starts so far, with this exponent */
	double start_left;
	double start_right;
	double alpha_pivot; /* of this start */
	double exp_pivot;
	int level;	   /* of recursion */
	int iteration; /* at this level */
	int base_left; /* as in TunePoint */
	int base_right;
	bool found; /* this start has met an acceptable point: */
	TunePoint best;
	TunePoint *points; /* of the grid, with room for those of another; the last nnew are unknown */
	int npoints;
	int nnew;
} TuneGrid;

/* Exponents of the rule for entries that are tried, and how fine alphas are told apart */
#define TUNE_PIVOT_EXPS 6
#define TUNE_ALPHAS_PER_OCTAVE 64
#define TUNE_OCTAVES 256
#define TUNE_ALPHAS (TUNE_OCTAVES * TUNE_ALPHAS_PER_OCTAVE)

/*
 * How much of the recall is lost by the rule for entries alone, by exponent and by
 * the logarithm of alpha: the part of the answers that this alpha is the first to
 * leave out.
 */
typedef struct TuneLosses
{
	double lost[TUNE_PIVOT_EXPS][TUNE_ALPHAS];
} TuneLosses;

typedef enum TunePhase
{
	TUNE_BUILD,	 /* the tree of a split after the other */
	TUNE_CODE,	 /* distances of the values to the pivots of the table */
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
	uint8_t *codes;		/* of the queries; NULL: there is no table */
	TuneLosses *losses; /* or NULL */
	char *workers;		/* TuneWorker and its memory, worker_stride bytes apart */
	size_t worker_stride;

	TunePhase phase;
	uint32_t position;	   /* of the phase: values, splits or queries done with */
	TuneOutcome *outcomes; /* of the queries of a step, with each of the new points */
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

/* Room that searches for the k nearest need in TuneWorker.pending */
extern uint32_t tree_tune_pending(uint32_t k);

/* Distances from the query to all data of its split, and what the answers are */
extern void tree_tune_scan(const TreeTune *tune, TuneWorker *worker, TuneQuery *query);

/* The sum of squares of an entry and a query, by the pivot table */
extern uint32_t tree_tune_squares(const TreeTune *tune, const TuneQuery *query, uint32_t place);

/* To be called before the searches of a query: what its path, and its table, say of every entry */
extern void tree_tune_bounds(const TreeTune *tune, TuneWorker *worker, const TuneQuery *query);

/* Searches with a pruner. */
extern TuneOutcome tree_tune_search(const TreeTune *tune, TuneWorker *worker,
									const TuneQuery *query, const TreePruner *pruner);

/* ---- tree_tune_pivot.c ---- */

/* Notes what the rule for entries would cost a query: of one after the other. */
extern void tree_tune_note_losses(TreeTune *tune, const TuneQuery *query);

/*
 * Chooses the rule by which this much of the recall is lost and fewest entries are left
 * to be scored; sets its alpha, 0 if there is no table, and its exponent.
 */
extern void tree_tune_choose_pivot(const TreeTune *tune, double loss, double *alpha, double *exp);

/* ---- tree_tune_grid.c ---- */

/* Points of a grid */
extern int tree_tune_grid_points(const TreeTuneParams *params);

extern void tree_tune_grid_start(TreeTune *tune);

/*
 * To be called when it is known what the new points achieve.  Goes on to a grid
 * with other new points, or returns false: the search is at its end.
 */
extern bool tree_tune_grid_next(TreeTune *tune);

#endif /* ANN_TREE_TUNE_INTERNAL_H */
