/*-------------------------------------------------------------------------
 *
 * minkowski.c
 *	  The Lp family: L1, L2, L-infinity, and Lp for any p > 0.
 *
 * (sum |x_i - y_i|^p)^(1/p), with the outer root also for p < 1
 * (nmslib-spaces 1).  Values are stored as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "space/kernel_table.h"
#include "space/spaces.h"

size_t
widened_size(const SpaceContext *context)
{
	return context->dim * sizeof(float);
}

void
widened_prepare(const SpaceContext *context, const void *encoded, void *query)
{
	if (context->space->element == SPACE_FLOAT16)
		half_to_float_array(encoded, query, context->dim);
	else
		kernels()->widen_bytes(encoded, query, context->dim);
}

static void
l2_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			 float *keys)
{
	kernels()->l2[context->space->element](query, objects, n, context->dim, NULL, keys);
}

static void
l1_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			 float *keys)
{
	kernels()->l1[context->space->element](query, objects, n, context->dim, NULL, keys);
}

static void
linf_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			   float *keys)
{
	kernels()->linf[context->space->element](query, objects, n, context->dim, NULL, keys);
}

static double
root_finish(const SpaceContext *context, float key)
{
	(void) context;
	return sqrt(key);
}

/*
 * Lp
 *
 * p < 1	the key is the sum, which cannot leave the range of a float32 (but
 *			its root can: p = 0.05 and 128 dimensions give 1e42).
 * p = 1, 2	the key is the sum, as in l1 and l2.
 * other	the key is the distance, which cannot leave the range of a float32
 *			(but the sum can: p = 20 and differences of 0.01 give 1e-40).
 */

/* Below this sum, terms lost to underflow (FLT_MIN each) may count. */
#define SAFE_SUM_MINIMUM 0x1p-80f

/* Sum for p < 1 where a difference overflows */
static float
lp_sum(const SpaceContext *context, const float *x, const float *y)
{
	double sum = 0;

	for (uint32_t i = 0; i < context->dim; i++)
		sum += pow(fabs((double) x[i] - y[i]), context->params[0]);
	return (float) sum;
}

/*
 * Distance for p > 1 where the float32 sum overflows or underflows, scaled by
 * the largest difference.
 */
static float
lp_scaled(const SpaceContext *context, const float *x, const float *y)
{
	double p = context->params[0];
	double largest = 0;
	double sum = 0;

	for (uint32_t i = 0; i < context->dim; i++)
	{
		double difference = fabs((double) x[i] - y[i]);

		largest = difference > largest ? difference : largest;
	}
	if (largest == 0)
		return 0;
	for (uint32_t i = 0; i < context->dim; i++)
		sum += pow(fabs((double) x[i] - y[i]) / largest, p);
	return (float) (largest * pow(sum, 1 / p));
}

static void
lp_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			 float *keys)
{
	const KernelTable *table = kernels();
	double p = context->params[0];
	float parts[KERNEL_PARAMS];

	if (p == 1 || p == 2)
	{
		Kernel kernel = p == 1 ? table->l1[SPACE_FLOAT32] : table->l2[SPACE_FLOAT32];

		kernel(query, objects, n, context->dim, NULL, keys);
		return;
	}

	parts[0] = float_from_bits(float_bits((float) p) & ~0u << (24 - KERNEL_POWER_BITS));
	parts[1] = (float) (p - parts[0]);
	table->lp(query, objects, n, context->dim, parts, keys);
	for (int i = 0; i < n; i++)
	{
		if (p < 1)
			keys[i] = keys[i] < INFINITY ? keys[i] : lp_sum(context, objects[i], query);
		else if (keys[i] >= SAFE_SUM_MINIMUM && keys[i] < INFINITY)
			keys[i] = (float) pow(keys[i], 1 / p);
		else
			keys[i] = lp_scaled(context, objects[i], query);
	}
}

static double
lp_finish(const SpaceContext *context, float key)
{
	double p = context->params[0];

	if (p == 2)
		return sqrt(key);
	return p < 1 ? pow(key, 1 / p) : key;
}

const Space space_l2_float32 = {
	.name = "l2",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.has_coordinates = true,
	.distances = l2_distances,
	.finish = root_finish,
	.metric = &metric_root,
};

const Space space_l2_float16 = {
	.name = "l2",
	.element = SPACE_FLOAT16,
	.symmetric = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = l2_distances,
	.finish = root_finish,
	.metric = &metric_root,
};

const Space space_l2_uint8 = {
	.name = "l2",
	.element = SPACE_UINT8,
	.symmetric = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = l2_distances,
	.finish = root_finish,
	.metric = &metric_root,
};

const Space space_l1_float32 = {
	.name = "l1",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.has_coordinates = true,
	.distances = l1_distances,
	.metric = &metric_key,
};

const Space space_l1_float16 = {
	.name = "l1",
	.element = SPACE_FLOAT16,
	.symmetric = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = l1_distances,
	.metric = &metric_key,
};

const Space space_l1_uint8 = {
	.name = "l1",
	.element = SPACE_UINT8,
	.symmetric = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = l1_distances,
	.metric = &metric_key,
};

const Space space_linf_float32 = {
	.name = "linf",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.has_coordinates = true,
	.distances = linf_distances,
	.metric = &metric_largest,
};

const Space space_linf_float16 = {
	.name = "linf",
	.element = SPACE_FLOAT16,
	.symmetric = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = linf_distances,
	.metric = &metric_largest,
};

const Space space_linf_uint8 = {
	.name = "linf",
	.element = SPACE_UINT8,
	.symmetric = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = linf_distances,
	.metric = &metric_largest,
};

const Space space_lp = {
	.name = "lp",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.has_coordinates = true,
	.nparams = 1,
	.params = {{"p", 0, INFINITY, NAN}},
	.distances = lp_distances,
	.finish = lp_finish,
	.metric = &metric_lp,
};
