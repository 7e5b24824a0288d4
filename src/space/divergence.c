/*-------------------------------------------------------------------------
 *
 * divergence.c
 *	  Jensen-Shannon, Kullback-Leibler, generalised Kullback-Leibler and
 *	  Itakura-Saito divergences.
 *
 * Formulas: nmslib-spaces 3 and 4; the object is the left argument, in the
 * _right spaces the right one.  Values are stored with their logarithms.
 * Generalised KL, Itakura-Saito and Jensen-Shannon are never negative, so what
 * rounding takes below zero is zero; plain KL of vectors that do not sum to one
 * may be negative.
 *
 *-------------------------------------------------------------------------
 */
#include "space/kernel_table.h"
#include "space/spaces.h"

static double
root_finish(const SpaceContext *context, float key)
{
	(void) context;
	return sqrt(key);
}

/* A key that cannot be negative; NaN becomes infinity */
static void
clamp_keys(int n, float *keys)
{
	for (int i = 0; i < n; i++)
		keys[i] = key_or_infinity(keys[i] < 0 ? 0 : keys[i]);
}

static void
js_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			 float *keys)
{
	kernels()->js(query, objects, n, context->dim, NULL, keys);
	clamp_keys(n, keys);
}

static void
kl_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			 float *keys)
{
	kernels()->kl(query, objects, n, context->dim, NULL, keys);
	for (int i = 0; i < n; i++)
		keys[i] = key_or_infinity(keys[i]);
}

static void
kl_right_distances(const SpaceContext *context, const void *query, const void *const *objects,
				   int n, float *keys)
{
	kernels()->kl_right(query, objects, n, context->dim, NULL, keys);
	for (int i = 0; i < n; i++)
		keys[i] = key_or_infinity(keys[i]);
}

static void
gkl_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			  float *keys)
{
	kernels()->gkl(query, objects, n, context->dim, NULL, keys);
	clamp_keys(n, keys);
}

static void
gkl_right_distances(const SpaceContext *context, const void *query, const void *const *objects,
					int n, float *keys)
{
	kernels()->gkl_right(query, objects, n, context->dim, NULL, keys);
	clamp_keys(n, keys);
}

static void
is_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			 float *keys)
{
	kernels()->is(query, objects, n, context->dim, NULL, keys);
	clamp_keys(n, keys);
}

static void
is_right_distances(const SpaceContext *context, const void *query, const void *const *objects,
				   int n, float *keys)
{
	kernels()->is_right(query, objects, n, context->dim, NULL, keys);
	clamp_keys(n, keys);
}

/* Links of kl and gkl: for every positive value, the sum of both directions */
static void
jeffreys_link_distances(const SpaceContext *context, const void *query, const void *const *objects,
						int n, float *keys)
{
	kernels()->jeffreys(query, objects, n, context->dim, NULL, keys);
	clamp_keys(n, keys);
}

/* Links of is: beyond a ratio of e^4, how far no longer counts for much. */
static void
log_ratio_link_distances(const SpaceContext *context, const void *query, const void *const *objects,
						 int n, float *keys)
{
	static const float levelling[KERNEL_PARAMS] = {1.0f / 16, 0};

	kernels()->log_ratio(query, objects, n, context->dim, levelling, keys);
}

/* Links of is_right */
static void
root_is_right_link_distances(const SpaceContext *context, const void *query,
							 const void *const *objects, int n, float *keys)
{
	kernels()->root_is_right(query, objects, n, context->dim, NULL, keys);
	clamp_keys(n, keys);
}

const Space space_js = {
	.name = "js",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.check = check_not_negative,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = js_distances,
	.metric = &metric_js,
};

const Space space_jsmetric = {
	.name = "jsmetric",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.check = check_not_negative,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = js_distances,
	.finish = root_finish,
	.metric = &metric_js,
};

const Space space_kl = {
	.name = "kl",
	.element = SPACE_FLOAT32,
	.may_be_negative = true,
	.check = check_not_negative,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = kl_distances,
	.link_distances = jeffreys_link_distances,
	.relative = &space_js,
};

const Space space_kl_right = {
	.name = "kl_right",
	.element = SPACE_FLOAT32,
	.may_be_negative = true,
	.check = check_not_negative,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = kl_right_distances,
	.relative = &space_js,
};

const Space space_gkl = {
	.name = "gkl",
	.element = SPACE_FLOAT32,
	.check = check_not_negative,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = gkl_distances,
	.link_distances = jeffreys_link_distances,
	.relative = &space_js,
};

const Space space_gkl_right = {
	.name = "gkl_right",
	.element = SPACE_FLOAT32,
	.check = check_not_negative,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = gkl_right_distances,
	.relative = &space_js,
};

const Space space_is = {
	.name = "is",
	.element = SPACE_FLOAT32,
	.check = check_positive,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = is_distances,
	.link_distances = log_ratio_link_distances,
	.relative = &space_js,
};

const Space space_is_right = {
	.name = "is_right",
	.element = SPACE_FLOAT32,
	.check = check_positive,
	.encoded_size = logarithms_size,
	.encode = logarithms_encode,
	.distances = is_right_distances,
	.link_distances = root_is_right_link_distances,
	.relative = &space_js,
};
