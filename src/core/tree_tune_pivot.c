/*-------------------------------------------------------------------------
 *
 * tree_tune_pivot.c
 *	  The tuning of the rule for single entries (tree_prune.h).
 *
 * Of the factors of a tree only searches tell how much recall they cost.  Of the
 * rule for entries the answers do: one is left out when its stretched mean
 * difference exceeds the distance of the farthest answer, whatever the tree is like.
 * So the alpha that loses a given part of the answers is a quantile, and of several
 * exponents the best is the one that leaves fewest entries at that alpha.
 *
 * How much of what may be lost is best lost by the rule, and how much by the tree,
 * is left to the grid search, whose starts have different shares.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_tune_internal.h"

#include <math.h>

/* Of so many queries one is looked at to see how many entries a rule leaves */
#define QUERIES_PER_SAMPLE 8

/*
 * Differences of metric distances grow with the distance (1) or, of a divergence,
 * with its root (2).  Larger exponents let nearer answers differ more.
 */
static const double exponents[TUNE_PIVOT_EXPS] = {1, 1.5, 2, 2.5, 3, 4};

/* The first alpha that leaves out an answer: its place in TuneLosses */
static int
place_of_alpha(double alpha)
{
	double place = TUNE_ALPHAS_PER_OCTAVE * (log2(alpha) + TUNE_OCTAVES / 2);

	if (!(place > 0))
		return 0;
	return place < TUNE_ALPHAS - 1 ? (int) place : TUNE_ALPHAS - 1;
}

static double
alpha_of_place(int place)
{
	return exp2((double) place / TUNE_ALPHAS_PER_OCTAVE - TUNE_OCTAVES / 2);
}

void
tree_tune_note_losses(TreeTune *tune, const TuneQuery *query)
{
	const TreePivotScale *scale = &tune->params.table.scale;
	double weight = 1.0 / ((double) query->answers * tune->nqueries);

	if (tune->losses == NULL || query->answers == 0)
		return;
	for (uint32_t place = 0; place < query->split->nitems; place++)
	{
		uint32_t squares;

		if (!(query->distances[place] <= query->limit))
			continue;
		squares = tree_tune_squares(tune, query, place);
		for (int i = 0; i < TUNE_PIVOT_EXPS; i++)
		{
			TreePruner unstretched = {.alpha_pivot = 1, .exp_pivot = exponents[i]};
			double bound = tree_pivot_bound(&unstretched, scale, squares);
			double alpha = bound > 0 ? fmax(query->limit, 0) / bound : INFINITY;

			tune->losses->lost[i][place_of_alpha(alpha)] += weight;
		}
	}
}

/* The largest alpha with which no more than this is lost */
static double
alpha_of_loss(const TuneLosses *losses, int exponent, double loss)
{
	double sum = 0;
	int place = 0;

	while (place < TUNE_ALPHAS - 1 && sum + losses->lost[exponent][place] <= loss)
		sum += losses->lost[exponent][place++];
	return alpha_of_place(place);
}

/* Adds the entries that are within the reach of each rule, as seen from a query. */
static void
count_entries(const TreeTune *tune, const TuneQuery *query, const TreePruner *rules,
			  uint64_t *counts)
{
	uint32_t reach[TUNE_PIVOT_EXPS];

	for (int i = 0; i < TUNE_PIVOT_EXPS; i++)
		reach[i] = tree_pivot_reach(&rules[i], &tune->params.table.scale, query->limit);
	for (uint32_t place = 0; place < query->split->nitems; place++)
	{
		uint32_t squares = tree_tune_squares(tune, query, place);

		for (int i = 0; i < TUNE_PIVOT_EXPS; i++)
			counts[i] += squares <= reach[i];
	}
}

void
tree_tune_choose_pivot(const TreeTune *tune, double loss, double *alpha, double *exp)
{
	TreePruner rules[TUNE_PIVOT_EXPS];
	uint64_t counts[TUNE_PIVOT_EXPS] = {0};
	int best = 0;

	*alpha = 0;
	*exp = 1;
	if (tune->losses == NULL || !(loss > 0))
		return;
	for (int i = 0; i < TUNE_PIVOT_EXPS; i++)
		rules[i] = (TreePruner){.alpha_pivot = alpha_of_loss(tune->losses, i, loss),
								.exp_pivot = exponents[i]};
	for (uint32_t q = 0; q < tune->nqueries; q += QUERIES_PER_SAMPLE)
		count_entries(tune, &tune->queries[q], rules, counts);
	for (int i = 1; i < TUNE_PIVOT_EXPS; i++)
	{
		if (counts[i] < counts[best])
			best = i;
	}
	*alpha = rules[best].alpha_pivot;
	*exp = rules[best].exp_pivot;
}
