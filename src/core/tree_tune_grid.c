/*-------------------------------------------------------------------------
 *
 * tree_tune_grid.c
 *	  The local grid search for the factors of a pruner (nmslib-methods 2.1,
 *	  "Auto-tuning", steps 3 and 4).
 *
 * Both sides have the same exponent.  A grid has the points base * factor^i for
 * i from -step_n to step_n - 1, on both sides.  As long as all of its points
 * miss the recall, or all exceed it, the base moves; when it lies among them,
 * the grid is drawn closer around the best one.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_tune_internal.h"

#include <math.h>

#include "core/random.h"

/* Streams of random numbers, told apart by what is added to the seed */
#define SEED_OF_STARTS UINT64_C(0x737461727473)

static void
start_grid(TuneGrid *grid, int step_n)
{
	grid->i = -step_n;
	grid->j = -step_n;
	grid->min_recall = INFINITY;
	grid->max_recall = -INFINITY;
}

/* Draws where the next start is: at (1, 1) the first time, then at random around it. */
static void
start_search(TreeTune *tune)
{
	const TreeTuneParams *params = &tune->params;
	TuneGrid *grid = &tune->grid;
	double spread = grid->start > 0 ? log(params->full_factor) : 0;
	Random random;

	random_seed(&random, random_hash(params->seed + SEED_OF_STARTS) ^
							 (uint64_t) (grid->exp * (params->add_restart_qty + 1) + grid->start));
	grid->base_left = exp(spread * random_gaussian(&random));
	grid->base_right = exp(spread * random_gaussian(&random));
	grid->factor = pow(params->full_factor, 1.0 / params->step_n);
	grid->level = 0;
	grid->iteration = 0;
	grid->found = false;
	start_grid(grid, params->step_n);
}

void
tree_tune_grid_start(TreeTune *tune)
{
	tune->grid.exp = tune->params.min_exp;
	tune->grid.start = 0;
	start_search(tune);
}

TreePruner
tree_tune_grid_point(const TreeTune *tune)
{
	const TuneGrid *grid = &tune->grid;

	return (TreePruner){.alpha_left = grid->base_left * pow(grid->factor, grid->i),
						.alpha_right = grid->base_right * pow(grid->factor, grid->j),
						.exp_left = grid->exp,
						.exp_right = grid->exp};
}

/* Remembers a point that is better than those before: of this start, and of all. */
static void
note_point(TreeTune *tune, const TreeTuneResult *achieved)
{
	TuneGrid *grid = &tune->grid;
	bool acceptable = achieved->recall >= tune->required;

	if (acceptable && (!grid->found || achieved->improvement > grid->best.improvement))
	{
		grid->found = true;
		grid->best = *achieved;
	}
	if (acceptable ? !tune->found || achieved->improvement > tune->result.improvement
				   : !tune->found && achieved->recall > tune->result.recall)
	{
		tune->found = acceptable;
		tune->result = *achieved;
	}
	grid->min_recall = fmin(grid->min_recall, achieved->recall);
	grid->max_recall = fmax(grid->max_recall, achieved->recall);
}

/* Moves on when all points of a grid are known; false at the end of the start. */
static bool
next_grid(TreeTune *tune)
{
	TuneGrid *grid = &tune->grid;
	double required = tune->required;

	grid->iteration++;
	if (grid->max_recall < required && !grid->found)
	{
		grid->base_left /= grid->factor;
		grid->base_right /= grid->factor;
	}
	else if (grid->min_recall > required)
	{
		grid->base_left = grid->best.pruner.alpha_left * grid->factor;
		grid->base_right = grid->best.pruner.alpha_right * grid->factor;
	}
	else
	{
		grid->base_left = grid->best.pruner.alpha_left;
		grid->base_right = grid->best.pruner.alpha_right;
		grid->factor = sqrt(grid->factor);
		grid->level++;
		grid->iteration = 0;
	}
	start_grid(grid, tune->params.step_n);
	return grid->iteration < tune->params.max_iter && grid->level < tune->params.max_rec_depth;
}

bool
tree_tune_grid_next(TreeTune *tune, const TreeTuneResult *achieved)
{
	TuneGrid *grid = &tune->grid;

	note_point(tune, achieved);
	if (++grid->j < tune->params.step_n)
		return true;
	grid->j = -tune->params.step_n;
	if (++grid->i < tune->params.step_n)
		return true;
	if (next_grid(tune))
		return true;
	if (++grid->start > tune->params.add_restart_qty)
	{
		grid->start = 0;
		if (++grid->exp > tune->params.max_exp)
			return false;
	}
	start_search(tune);
	return true;
}
