/*-------------------------------------------------------------------------
 *
 * product.c
 *	  The scalar product family: negative inner product, cosine, angle.
 *
 * With c the cosine of the angle, nmslib-spaces 2:
 *	ip		-sum x_i y_i
 *	cosine	1 - c
 *	angular	arccos(c)
 * A zero vector has c = 0 with every vector, itself included.
 *
 * Cosine and angular store the coordinates followed by their sum of squares (a
 * float32, at the next multiple of four bytes), and share their key, 1 - c: it
 * keeps small angles apart that c itself would round to 1.
 *
 *-------------------------------------------------------------------------
 */
#include "space/kernel_table.h"
#include "space/spaces.h"

/*
 * Sums of squares outside this range may have lost terms to underflow, or
 * overflow in another order of additions.  At the lower end the error of 16000
 * terms, 2^-150 each, is below 2^-58 of the sum.
 */
#define NORM_SAFE_MINIMUM 0x1p-78f
#define NORM_SAFE_MAXIMUM 0x1p+124f

static void
ip_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
			 float *keys)
{
	kernels()->dot[context->space->element](query, objects, n, context->dim, NULL, keys);
	for (int i = 0; i < n; i++)
		keys[i] = key_or_infinity(-keys[i]);
}

/* Offset of the sum of squares in an encoded value */
static size_t
norm_offset(const SpaceContext *context)
{
	size_t size = space_value_size(context);

	return (size + sizeof(float) - 1) / sizeof(float) * sizeof(float);
}

static size_t
normed_size(const SpaceContext *context)
{
	return norm_offset(context) + sizeof(float);
}

static void
normed_encode(const SpaceContext *context, const void *value, void *encoded)
{
	float norm = kernels()->squares[context->space->element](value, context->dim);
	size_t size = space_value_size(context);
	size_t offset = norm_offset(context);

	memcpy(encoded, value, size);
	memset((char *) encoded + size, 0, offset - size);
	memcpy((char *) encoded + offset, &norm, sizeof(norm));
}

/* The query form of halves and bytes: float32 coordinates, then the sum of squares */
static size_t
normed_query_size(const SpaceContext *context)
{
	return ((size_t) context->dim + 1) * sizeof(float);
}

static void
normed_prepare(const SpaceContext *context, const void *encoded, void *query)
{
	widened_prepare(context, encoded, query);
	memcpy((float *) query + context->dim, (const char *) encoded + norm_offset(context),
		   sizeof(float));
}

static bool
norm_is_safe(float norm)
{
	return norm >= NORM_SAFE_MINIMUM && norm <= NORM_SAFE_MAXIMUM;
}

/* Cosine of object and query (float32 in any form) where float32 sums fail */
static double
cosine_exact(const SpaceContext *context, const void *object, const float *query)
{
	double dot = 0;
	double object_norm = 0;
	double query_norm = 0;

	for (uint32_t i = 0; i < context->dim; i++)
	{
		double x = coordinate(context, object, i);
		double q = query[i];

		dot += x * q;
		object_norm += x * x;
		query_norm += q * q;
	}
	if (object_norm == 0 || query_norm == 0)
		return 0;
	return dot / sqrt(object_norm * query_norm);
}

static void
cosine_distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
				 float *keys)
{
	const float *coordinates = query;
	float query_norm = coordinates[context->dim];
	bool query_is_safe = norm_is_safe(query_norm);
	size_t offset = norm_offset(context);

	kernels()->dot[context->space->element](query, objects, n, context->dim, NULL, keys);
	for (int i = 0; i < n; i++)
	{
		float norm;
		double c;

		memcpy(&norm, (const char *) objects[i] + offset, sizeof(norm));
		if (query_is_safe && norm_is_safe(norm))
			c = keys[i] / sqrt((double) norm * query_norm);
		else
			c = cosine_exact(context, objects[i], coordinates);
		keys[i] = (float) fmin(fmax(1 - c, 0), 2);
	}
}

/* arccos(c) = 2 arcsin(sqrt((1-c)/2)), which is accurate near 0 */
static double
angular_finish(const SpaceContext *context, float key)
{
	(void) context;
	return 2 * asin(sqrt(key / 2.0));
}

const Space space_ip_float32 = {
	.name = "ip",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.may_be_negative = true,
	.has_coordinates = true,
	.distances = ip_distances,
};

const Space space_ip_float16 = {
	.name = "ip",
	.element = SPACE_FLOAT16,
	.symmetric = true,
	.may_be_negative = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = ip_distances,
};

const Space space_ip_uint8 = {
	.name = "ip",
	.element = SPACE_UINT8,
	.symmetric = true,
	.has_coordinates = true,
	.query_size = widened_size,
	.prepare_query = widened_prepare,
	.distances = ip_distances,
};

const Space space_cosine_float32 = {
	.name = "cosine",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.has_coordinates = true,
	.encoded_size = normed_size,
	.encode = normed_encode,
	.distances = cosine_distances,
	.metric = &metric_angle,
};

const Space space_cosine_float16 = {
	.name = "cosine",
	.element = SPACE_FLOAT16,
	.symmetric = true,
	.has_coordinates = true,
	.encoded_size = normed_size,
	.encode = normed_encode,
	.query_size = normed_query_size,
	.prepare_query = normed_prepare,
	.distances = cosine_distances,
	.metric = &metric_angle,
};

const Space space_cosine_uint8 = {
	.name = "cosine",
	.element = SPACE_UINT8,
	.symmetric = true,
	.has_coordinates = true,
	.encoded_size = normed_size,
	.encode = normed_encode,
	.query_size = normed_query_size,
	.prepare_query = normed_prepare,
	.distances = cosine_distances,
	.metric = &metric_angle,
};

const Space space_angular_float32 = {
	.name = "angular",
	.element = SPACE_FLOAT32,
	.symmetric = true,
	.has_coordinates = true,
	.encoded_size = normed_size,
	.encode = normed_encode,
	.distances = cosine_distances,
	.finish = angular_finish,
	.metric = &metric_angle,
};

const Space space_angular_float16 = {
	.name = "angular",
	.element = SPACE_FLOAT16,
	.symmetric = true,
	.has_coordinates = true,
	.encoded_size = normed_size,
	.encode = normed_encode,
	.query_size = normed_query_size,
	.prepare_query = normed_prepare,
	.distances = cosine_distances,
	.finish = angular_finish,
	.metric = &metric_angle,
};

const Space space_angular_uint8 = {
	.name = "angular",
	.element = SPACE_UINT8,
	.symmetric = true,
	.has_coordinates = true,
	.encoded_size = normed_size,
	.encode = normed_encode,
	.query_size = normed_query_size,
	.prepare_query = normed_prepare,
	.distances = cosine_distances,
	.finish = angular_finish,
	.metric = &metric_angle,
};
