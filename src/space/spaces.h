/*-------------------------------------------------------------------------
 *
 * spaces.h
 *	  The spaces by family, for the registry in space.c, and what the families
 *	  share; inside src/space only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SPACES_H
#define ANN_SPACES_H

#include <math.h>

#include "space/half.h"
#include "space/space.h"

/* minkowski.c */
extern const Space space_l2_float32, space_l2_float16, space_l2_uint8;
extern const Space space_l1_float32, space_l1_float16, space_l1_uint8;
extern const Space space_linf_float32, space_linf_float16, space_linf_uint8;
extern const Space space_lp;

/* product.c */
extern const Space space_ip_float32, space_ip_float16, space_ip_uint8;
extern const Space space_cosine_float32, space_cosine_float16, space_cosine_uint8;
extern const Space space_angular_float32, space_angular_float16, space_angular_uint8;

/* divergence.c */
extern const Space space_js, space_jsmetric;
extern const Space space_kl, space_kl_right;
extern const Space space_gkl, space_gkl_right;
extern const Space space_is, space_is_right;

/* power_divergence.c */
extern const Space space_renyi, space_alphabeta;

/* metric.c: the key, its square root, the angle */
extern const SpaceMetric metric_key, metric_root, metric_lp, metric_largest, metric_angle,
	metric_js;

/* Domains and the form "values, then their logarithms" (logarithm.c) */
extern SpaceStatus check_not_negative(const SpaceContext *context, const void *value,
									  uint32_t *where);
extern SpaceStatus check_positive(const SpaceContext *context, const void *value, uint32_t *where);
extern size_t logarithms_size(const SpaceContext *context);
extern void logarithms_encode(const SpaceContext *context, const void *value, void *encoded);

/* The query form of halves and bytes: dim coordinates as float32 (minkowski.c) */
extern size_t widened_size(const SpaceContext *context);
extern void widened_prepare(const SpaceContext *context, const void *encoded, void *query);

/* Keys are never NaN: sums of +infinity and -infinity count as infinitely far. */
static inline float
key_or_infinity(float key)
{
	return key == key ? key : INFINITY;
}

/* Coordinate i of a value, exact in double precision */
static inline double
coordinate(const SpaceContext *context, const void *value, uint32_t i)
{
	switch (context->space->element)
	{
		case SPACE_FLOAT16:
			return half_to_float(((const uint16_t *) value)[i]);
		case SPACE_UINT8:
			return ((const uint8_t *) value)[i];
		default:
			return ((const float *) value)[i];
	}
}

#endif /* ANN_SPACES_H */
