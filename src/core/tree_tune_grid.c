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
 * by whole exponents.  Points that grids have in common are evaluated once.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_tune_internal.h"

#include <math.h>

#include "core/random.h"

/* Streams of random numbers, told apart by what is added to the seed */
#define SEED_OF_STARTS UINT64_C(0x737461727473)

int
tree_tune_grid_points(const TreeTuneParams *params)
{
	return 4 * params->step_n * params->step_n;
}

int
tree_tune_known_points(const TreeTuneParams *params)
{
	return tree_tune_grid_points(params) * params->max_iter * params->max_rec_depth;
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
						.exp_right = grid->exp};
}

static TunePoint *
find_point(const TuneGrid *grid, int left, int right)
{
	for (int i = 0; i < grid->nknown; i++)
	{
		if (grid->known[i].left == left && grid->known[i].right == right)
			return &grid->known[i];
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

/* Adds the points of the grid that are not known. */
static void
add_points(TreeTune *tune)
{
	TuneGrid *grid = &tune->grid;

	grid->nnew = 0;
	for (int i = 0; i < tree_tune_grid_points(&tune->params); i++)
	{
		TunePoint point = grid_point(tune, i);

		if (find_point(grid, point.left, point.right) != NULL)
			continue;
		point.achieved.pruner = pruner_of(tune, &point);
		point.achieved.required = tune->required;
		grid->known[grid->nknown++] = point;
		grid->nnew++;
	}
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
	grid->level = 0;
	grid->iteration = 0;
	grid->base_left = 0;
	grid->base_right = 0;
	grid->found = false;
	grid->nknown = 0;
	add_points(tune);
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

	for (int i = 0; i < tree_tune_grid_points(&tune->params); i++)
	{
		TunePoint point = grid_point(tune, i);
		const TunePoint *known = find_point(grid, point.left, point.right);

		min_recall = fmin(min_recall, known->achieved.recall);
		max_recall = fmax(max_recall, known->achieved.recall);
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

	for (int i = grid->nknown - grid->nnew; i < grid->nknown; i++)
		note_point(tune, &grid->known[i]);
	do
	{
		if (next_grid(tune))
			add_points(tune);
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
