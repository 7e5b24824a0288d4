/*-------------------------------------------------------------------------
 *
 * logarithm.h
 *	  The natural logarithm that is stored with values; inside src/space only.
 *
 * It must not depend on the machine that built an index: it is made of basic
 * operations of IEEE arithmetic in one order, takes nothing from the C library,
 * and gives the same bits however many lanes the compiler computes at once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_LOGARITHM_H
#define ANN_LOGARITHM_H

#include "space/half.h"

/* What is stored for the logarithm of zero (nmslib-spaces 0.3) */
#define LOGARITHM_OF_ZERO -1e5f

#define LN2_DOUBLE 0.693147180559945309417

/*
 * ln v for v > 0, correctly rounded but for near ties.  v = m 2^e with m in
 * [sqrt(1/2), sqrt(2)), and ln m = 2 atanh((m-1)/(m+1)) by its series: the
 * argument is at most 0.1716, so that ten terms give double precision.  No
 * branches, which would keep compilers from vectorising a loop of it.
 */
static inline float
logarithm(float v)
{
	const uint32_t root_half = 0x3f3504f3; /* sqrt(1/2) */
	uint32_t denormal = v < 0x1p-126f;
	float scale = float_from_bits((127 + 24 * denormal) << 23); /* 2^24 or 1 */
	uint32_t bits = float_bits(v * scale) - root_half;
	int32_t exponent = ((int32_t) bits >> 23) - 24 * (int32_t) denormal;
	double m = float_from_bits((bits & 0x007fffff) + root_half);
	double z = (m - 1) / (m + 1);
	double square = z * z;
	double s = 1.0 / 19;
	uint32_t positive = -(uint32_t) (v > 0); /* all ones or 0 */

	s = s * square + 1.0 / 17;
	s = s * square + 1.0 / 15;
	s = s * square + 1.0 / 13;
	s = s * square + 1.0 / 11;
	s = s * square + 1.0 / 9;
	s = s * square + 1.0 / 7;
	s = s * square + 1.0 / 5;
	s = s * square + 1.0 / 3;
	s = s * square + 1.0;
	return float_from_bits((float_bits((float) (exponent * LN2_DOUBLE + 2 * z * s)) & positive) |
						   (float_bits(LOGARITHM_OF_ZERO) & ~positive));
}

#endif /* ANN_LOGARITHM_H */
