/*-------------------------------------------------------------------------
 *
 * logarithm.c
 *	  Values stored with their natural logarithms, as the divergences want
 *	  them, and the domains such values come from.
 *
 * Stored logarithms must not depend on the machine: they are computed here, by
 * basic operations of IEEE arithmetic in one order, not by a C library.
 *
 *-------------------------------------------------------------------------
 */
#include "space/spaces.h"

/* What is stored for the logarithm of zero (nmslib-spaces 0.3) */
#define LOGARITHM_OF_ZERO -1e5f

#define LN2 0.693147180559945309417

/*
 * ln v for v > 0, correctly rounded but for near ties.  v = m 2^e with m in
 * [sqrt(1/2), sqrt(2)), and ln m = 2 atanh((m-1)/(m+1)) by its series: the
 * argument is at most 0.1716, so that ten terms give double precision.
 */
static inline float
logarithm(float v)
{
	const uint32_t root_half = 0x3f3504f3; /* sqrt(1/2) */
	int denormal = v < 0x1p-126f;
	uint32_t bits = float_bits(denormal ? v * 0x1p24f : v) - root_half;
	int32_t exponent = ((int32_t) bits >> 23) - (denormal ? 24 : 0);
	double m = float_from_bits((bits & 0x007fffff) + root_half);
	double z = (m - 1) / (m + 1);
	double square = z * z;
	double s = 1.0 / 19;

	s = s * square + 1.0 / 17;
	s = s * square + 1.0 / 15;
	s = s * square + 1.0 / 13;
	s = s * square + 1.0 / 11;
	s = s * square + 1.0 / 9;
	s = s * square + 1.0 / 7;
	s = s * square + 1.0 / 5;
	s = s * square + 1.0 / 3;
	s = s * square + 1.0;
	return v > 0 ? (float) (exponent * LN2 + 2 * z * s) : LOGARITHM_OF_ZERO;
}

size_t
logarithms_size(const SpaceContext *context)
{
	return 2 * context->dim * sizeof(float);
}

void
logarithms_encode(const SpaceContext *context, const void *value, void *encoded)
{
	const float *from = value;
	float *values = encoded;
	float *logarithms = values + context->dim;

	for (uint32_t i = 0; i < context->dim; i++)
		values[i] = from[i];
	for (uint32_t i = 0; i < context->dim; i++)
		logarithms[i] = logarithm(from[i]);
}

SpaceStatus
check_not_negative(const SpaceContext *context, const void *value, uint32_t *where)
{
	const float *values = value;

	for (uint32_t i = 0; i < context->dim; i++)
	{
		if (values[i] < 0)
		{
			*where = i;
			return SPACE_NEGATIVE;
		}
	}
	return SPACE_OK;
}

SpaceStatus
check_positive(const SpaceContext *context, const void *value, uint32_t *where)
{
	const float *values = value;

	for (uint32_t i = 0; i < context->dim; i++)
	{
		if (values[i] <= 0)
		{
			*where = i;
			return SPACE_NOT_POSITIVE;
		}
	}
	return SPACE_OK;
}
