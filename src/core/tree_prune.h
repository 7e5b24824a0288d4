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
 *-------------------------------------------------------------------------
 */
#ifndef ANN_TREE_PRUNE_H
#define ANN_TREE_PRUNE_H

#include <math.h>

typedef struct TreePruner
{
	double alpha_left;
	double alpha_right;
	int exp_left;
	int exp_right;
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

#endif /* ANN_TREE_PRUNE_H */
