/*-------------------------------------------------------------------------
 *
 * tree_tune_grid.c
 *	  The local grid search for the factors of a pruner (nmslib-methods 2.1,
 *	  "Auto-tuning", steps 3 and 4).
 *
 * Both sides have the same exponent.  A grid has the points base * factor^i for
 * i from -step_n to step_n - 1, on both sides.  As long as all of its points
 * miss the recall, or all exceed it, the base moves; when it lies among them,
 * the grid is drawn closer around the best one: the factor becomes its root.
 *
 * So all factors of a start are powers of the finest one, and points are known
 * by whole exponents.  Points that a grid has in common with the one before are not
 * evaluated again.
 *
 * A start has a share of the recall that may be lost for the rule for entries
 * (tree_tune_pivot.c), and the factors are looked for that go with it.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_tune_internal.h"

#include <math.h>
#include <string.h>

#include "core/random.h"

/* Streams of random numbers, told apart by what is added to the seed */
#define SEED_OF_STARTS UINT64_C(0x737461727473)

int
tree_tune_grid_points(const TreeTuneParams *params)
{
	return 4 * params->step_n * params->step_n;
}

/* The exponent of the factor of the grid at hand */
static int
grid_step(const TreeTune *tune)
{
	return 1 << (tune->params.max_rec_depth - tune->grid.level);
}

static TreePruner
pruner_of(const TreeTune *tune, const TunePoint *point)
{
	const TuneGrid *grid = &tune->grid;
	double unit = log(tune->params.full_factor) / tune->params.step_n /
				  (double) (1 << tune->params.max_rec_depth);

	return (TreePruner){.alpha_left = grid->start_left * exp(unit * point->left),
						.alpha_right = grid->start_right * exp(unit * point->right),
						.exp_left = grid->exp,
						.exp_right = grid->exp,
						.alpha_pivot = grid->alpha_pivot,
						.exp_pivot = grid->exp_pivot};
}

static TunePoint *
find_point(TunePoint *points, int npoints, const TunePoint *wanted)
{
	for (int i = 0; i < npoints; i++)
	{
		if (points[i].left == wanted->left && points[i].right == wanted->right)
			return &points[i];
	}
	return NULL;
}

/* Coordinates of point i of the grid at hand */
static TunePoint
grid_point(const TreeTune *tune, int i)
{
	int step_n = tune->params.step_n;
	int step = grid_step(tune);

	return (TunePoint){.left = tune->grid.base_left + (i / (2 * step_n) - step_n) * step,
					   .right = tune->grid.base_right + (i % (2 * step_n) - step_n) * step};
}

/*
 * Makes the points those of the grid at hand: first those that the last grid had,
 * with what is known of them.
 */
static void
set_points(TreeTune *tune)
{
	TuneGrid *grid = &tune->grid;
	int size = tree_tune_grid_points(&tune->params);
	TunePoint *before = grid->points + size;
	int nbefore = grid->npoints;
	int nknown = 0;

	memcpy(before, grid->points, (size_t) nbefore * sizeof(TunePoint));
	for (int i = 0; i < size; i++)
	{
		TunePoint point = grid_point(tune, i);
		const TunePoint *found = find_point(before, nbefore, &point);

		if (found != NULL)
			grid->points[nknown++] = *found;
	}
	grid->npoints = nknown;
	for (int i = 0; i < size; i++)
	{
		TunePoint point = grid_point(tune, i);

		point.achieved.pruner = pruner_of(tune, &point);
		point.achieved.required = tune->required;
		if (find_point(grid->points, nknown, &point) == NULL)
			grid->points[grid->npoints++] = point;
	}
	grid->nnew = size - nknown;
}

/*
 * The share of a start: 1/2, none, then 1/4, 3/4, 1/8, 5/8 and so on, always
 * between those before (van der Corput).
 */
static double
share_of_start(int start)
{
	double share = 0;
	double weight = 0.5;

	if (start == 0)
		return 0.5;
	if (start == 1)
		return 0;
	for (; start > 0; start >>= 1)
	{
		share += (start & 1) * weight;
		weight /= 2;
	}
	return share;
}

/* Draws where the next start is: at (1, 1) the first time, then at random around it. */
static void
start_search(TreeTune *tune)
{
	const TreeTuneParams *params = &tune->params;
	TuneGrid *grid = &tune->grid;
	double spread = grid->start > 0 ? log(params->full_factor) : 0;
	uint64_t number = (uint64_t) (grid->exp * (params->add_restart_qty + 1) + grid->start);
	Random random;

	random_seed(&random, random_hash(params->seed + SEED_OF_STARTS) ^ number);
	grid->start_left = exp(spread * random_gaussian(&random));
	grid->start_right = exp(spread * random_gaussian(&random));
	tree_tune_choose_pivot(tune, share_of_start(grid->start) * (1 - tune->required),
						   &grid->alpha_pivot, &grid->exp_pivot);
	grid->level = 0;
	grid->iteration = 0;
	grid->base_left = 0;
	grid->base_right = 0;
	grid->found = false;
	grid->npoints = 0;
	set_points(tune);
}

void
tree_tune_grid_start(TreeTune *tune)
{
	tune->grid.exp = tune->params.min_exp;
	tune->grid.start = 0;
	start_search(tune);
}

/* Remembers a point that is better than those before: of this start, and of all. */
static void
note_point(TreeTune *tune, const TunePoint *point)
{
	TuneGrid *grid = &tune->grid;
	const TreeTuneResult *achieved = &point->achieved;
	bool acceptable = achieved->recall >= tune->required;

	if (acceptable && (!grid->found || achieved->improvement > grid->best.achieved.improvement))
	{
		grid->found = true;
		grid->best = *point;
	}
	if (acceptable ? !tune->found || achieved->improvement > tune->result.improvement
				   : !tune->found && achieved->recall > tune->result.recall)
	{
		tune->found = acceptable;
		tune->result = *achieved;
	}
}

/* Moves on when all points of a grid are known; false at the end of the start. */
static bool
next_grid(TreeTune *tune)
{
	TuneGrid *grid = &tune->grid;
	double min_recall = INFINITY;
	double max_recall = -INFINITY;
	int step = grid_step(tune);

	for (int i = 0; i < grid->npoints; i++)
	{
		min_recall = fmin(min_recall, grid->points[i].achieved.recall);
		max_recall = fmax(max_recall, grid->points[i].achieved.recall);
	}
	grid->iteration++;
	if (max_recall < tune->required && !grid->found)
	{
		grid->base_left -= step;
		grid->base_right -= step;
	}
	else
	{
		bool too_careful = min_recall > tune->required;

		grid->base_left = grid->best.left + (too_careful ? step : 0);
		grid->base_right = grid->best.right + (too_careful ? step : 0);
		if (!too_careful)
		{
			grid->level++;
			grid->iteration = 0;
		}
	}
	return grid->iteration < tune->params.max_iter && grid->level < tune->params.max_rec_depth;
}

bool
tree_tune_grid_next(TreeTune *tune)
{
	TuneGrid *grid = &tune->grid;

	for (int i = grid->npoints - grid->nnew; i < grid->npoints; i++)
		note_point(tune, &grid->points[i]);
	do
	{
		if (next_grid(tune))
			set_points(tune);
		else
		{
			if (++grid->start > tune->params.add_restart_qty)
			{
				grid->start = 0;
				if (++grid->exp > tune->params.max_exp)
					return false;
			}
			start_search(tune);
		}
	} while (grid->nnew == 0);
	return true;
}
