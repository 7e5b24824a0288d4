/*-------------------------------------------------------------------------
 *
 * power_divergence.c
 *	  Renyi divergence of any order and the alpha-beta cross term.
 *
 * nmslib-spaces 5, x = object, y = query:
 *	renyi		log(sum x_i (x_i/y_i)^(alpha-1)) / (alpha-1), not below 0
 *	alphabeta	sum x_i^(alpha+1) y_i^beta
 * Values are stored with their logarithms; powers are exponentials of them.  A
 * sum beyond the range of float32 is an infinite distance.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>

#include "space/kernel_table.h"
#include "space/spaces.h"

/* A finite factor, so that it makes nothing of a logarithm that is 0 */
static float
finite_float(double factor)
{
	return (float) fmax(fmin(factor, FLT_MAX), -FLT_MAX);
}

/*
 * The key is the sum, negated for alpha < 1, where the distance falls as the
 * sum grows.
 */
static void
renyi_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
				float *keys)
{
	double exponent = context->params[0] - 1;
	float factors[KERNEL_PARAMS] = {finite_float(exponent), 0};

	kernels()->renyi(query, objects, n, context->dim, factors, keys);
	for (int i = 0; i < n; i++)
		keys[i] = key_or_infinity(exponent < 0 ? -keys[i] : keys[i]);
}

/*
 * For alpha > 1 the sum grows like a power of the ratios: links by the squared
 * distance of the logarithms.  Below that the sum itself makes good links.
 */
static void
renyi_link_distances(const SpaceContext *context, const void *query, const void *const *objects,
					 int n, float *keys)
{
	static const float no_levelling[KERNEL_PARAMS] = {0, 0};

	if (context->params[0] > 1)
		kernels()->log_ratio(query, objects, n, context->dim, no_levelling, keys);
	else
		renyi_distances(context, query, objects, n, keys);
}

static double
renyi_finish(const SpaceContext *context, float key)
{
	double exponent = context->params[0] - 1;
	double sum = exponent < 0 ? -key : key;

	return fmax(log(sum) / exponent, 0);
}

static void
alphabeta_distances(const SpaceContext *context, const void *query, const void *const *objects,
					int n, float *keys)
{
	float factors[KERNEL_PARAMS] = {finite_float(context->params[0] + 1),
									finite_float(context->params[1])};

	kernels()->alphabeta(query, objects, n, context->dim, factors, keys);
	for (int i = 0; i < n; i++)
		keys[i] = key_or_infinity(keys[i]);
}

const Space space_renyi = {
	.name = "renyi",
	.element = SPACE_FLOAT32,
	.nparams = 1,
	.params = {{"alpha", 0, INFINITY, 1}},
	.check = check_positive,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = renyi_distances,
	.link_distances = renyi_link_distances,
	.finish = renyi_finish,
	.relative = &space_js,
};

const Space space_alphabeta = {
	.name = "alphabeta",
	.element = SPACE_FLOAT32,
	.nparams = 2,
	.params = {{"alpha", -INFINITY, INFINITY, NAN}, {"beta", -INFINITY, INFINITY, NAN}},
	.check = check_positive,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = alphabeta_distances,
};
