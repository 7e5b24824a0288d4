/*-------------------------------------------------------------------------
 *
 * tree_prune.h
 *	  What a search may leave out of a vantage-point tree.
 *
 * NMSLIB's polynomial pruner (nmslib-methods 2.1), turned into lower bounds: the
 * rule "visit only the left side if x <= R and r < alpha_left * (R - x)^exp_left"
 * says that alpha_left * (R - x)^exp_left is a lower bound of the distances on the
 * right.  With alpha = 1 and exp = 1 it is the triangle inequality.
 *
 * And a rule for single entries, which NMSLIB has not: where all have their
 * distances to some pivots, as whole numbers of a unit, the root mean square of
 * their differences from the query's, stretched in the same way, counts as a lower
 * bound of the distance.  In a metric space the largest difference is one for
 * certain, and the mean is no larger; but it says more of how far away an entry is
 * likely to be, so it can be stretched much further at the same recall.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_TREE_PRUNE_H
#define ANN_TREE_PRUNE_H

#include <math.h>
#include <stdint.h>

typedef struct TreePruner
{
	double alpha_left;
	double alpha_right;
	int exp_left;
	int exp_right;
	double alpha_pivot; /* 0: no entry is left out by the mean */
	double exp_pivot;
} TreePruner;

static inline double
tree_stretch(double gap, double alpha, int exp)
{
	double power = gap;

	for (int i = 1; i < exp; i++)
		power *= gap;
	return alpha * (exp == 0 ? 1.0 : power);
}

/*
 * Lower bounds of the distances from the query to what lies left and right of a
 * node; -INFINITY: nothing is known.  x is the distance from the pivot to the
 * query; slack, at least 0, is what all the computed distances that come into it
 * may be wrong by, together.
 */
static inline void
tree_bounds(const TreePruner *pruner, double x, double radius, double slack, double *left,
			double *right)
{
	double gap = fabs(x - radius) - slack;

	*left = *right = -INFINITY;
	if (!(gap > 0))
		return;
	if (x < radius)
		*right = tree_stretch(gap, pruner->alpha_left, pruner->exp_left);
	else
		*left = tree_stretch(gap, pruner->alpha_right, pruner->exp_right);
}

/* What distances to pivots are kept in */
typedef struct TreePivotScale
{
	uint32_t npivots;
	double unit;
} TreePivotScale;

/* Any sum of squares is within reach. */
#define TREE_ALL_SQUARES UINT32_MAX

/* The bound of an entry, of the sum of the squares of its differences */
static inline double
tree_pivot_bound(const TreePruner *pruner, const TreePivotScale *scale, uint32_t squares)
{
	double mean = scale->unit * sqrt((double) squares / scale->npivots);

	return pruner->alpha_pivot * pow(mean, pruner->exp_pivot);
}

/* An entry must be within reach of its own bound, though powers and roots are rounded. */
#define TREE_ROUNDED_UP (1 + 1e-9)

/* The reverse: the greatest sum of squares of an entry that may be at this distance */
static inline uint32_t
tree_pivot_reach(const TreePruner *pruner, const TreePivotScale *scale, double distance)
{
	double units;
	double squares;

	if (!(pruner->alpha_pivot > 0 && pruner->exp_pivot > 0))
		return TREE_ALL_SQUARES;
	units = pow(fmax(distance, 0) / pruner->alpha_pivot, 1 / pruner->exp_pivot) / scale->unit;
	squares = scale->npivots * units * units * TREE_ROUNDED_UP;
	return squares < TREE_ALL_SQUARES ? (uint32_t) squares : TREE_ALL_SQUARES;
}

#endif /* ANN_TREE_PRUNE_H */
