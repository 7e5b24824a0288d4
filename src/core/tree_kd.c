/*-------------------------------------------------------------------------
 *
 * tree_kd.c
 *	  kd-trees: choice of dimensions, coordinates.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_internal.h"

/* Items that tell which dimension is the widest; of fewer, all of them */
#define SAMPLE 1000

static void
read_coordinates(const TreeBuild *build, uint32_t place, float *coordinates)
{
	build->distance.coordinates(build->distance.keys.context, tree_item_value(build, place),
								coordinates);
}

uint32_t
tree_kd_choose(TreeBuild *build, TreeWorker *worker, const TreePart *part)
{
	uint32_t n = part->end_item - part->first_item;
	uint32_t nsample = n < SAMPLE ? n : SAMPLE;
	uint32_t dim = build->distance.dim;
	uint32_t widest = 0;
	double width = -1;
	Random random;

	tree_seed(build, part, &random);
	for (uint32_t i = 0; i < nsample; i++)
	{
		uint32_t place = n == nsample ? i : (uint32_t) random_below(&random, n);

		read_coordinates(build, part->first_item + place, worker->coordinates);
		for (uint32_t d = 0; d < dim; d++)
		{
			float x = worker->coordinates[d];

			worker->low[d] = i == 0 || x < worker->low[d] ? x : worker->low[d];
			worker->high[d] = i == 0 || x > worker->high[d] ? x : worker->high[d];
		}
	}
	for (uint32_t d = 0; d < dim; d++)
	{
		if ((double) worker->high[d] - worker->low[d] > width)
		{
			width = (double) worker->high[d] - worker->low[d];
			widest = d;
		}
	}
	return widest;
}

void
tree_kd_keys(TreeBuild *build, TreeWorker *worker, uint32_t dimension, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
	{
		read_coordinates(build, i, worker->coordinates);
		build->keys[i] = worker->coordinates[dimension];
	}
}
