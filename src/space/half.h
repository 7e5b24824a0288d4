/*-------------------------------------------------------------------------
 *
 * half.h
 *	  IEEE half precision numbers, held as uint16_t, to and from float32.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_HALF_H
#define ANN_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HALF_MAX 65504.0f /* largest finite half */

static inline uint32_t
float_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline float
float_from_bits(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Exact for every half; NaN stays NaN. */
static inline float
half_to_float(uint16_t half)
{
	uint32_t sign = (uint32_t) (half & 0x8000) << 16;
	uint32_t magnitude = half & 0x7fff;

	/* The bits moved to their places are the value times 2^-112. */
	float value = float_from_bits(magnitude << 13) * 0x1p112f;

	if (magnitude >= 0x7c00) /* infinity and NaN */
		value = float_from_bits((magnitude << 13) | 0x7f800000);
	return float_from_bits(float_bits(value) | sign);
}

/* Nearest half, ties to even; infinity from 65520 on; NaN stays NaN. */
static inline uint16_t
half_from_float(float value)
{
	uint32_t bits = float_bits(value);
	uint16_t sign = (bits >> 16) & 0x8000;
	uint32_t magnitude = bits & 0x7fffffff;

	if (magnitude > 0x7f800000) /* NaN */
		return sign | 0x7e00;
	if (magnitude >= 0x47800000) /* 65536 and more */
		return sign | 0x7c00;
	if (magnitude < 0x38800000) /* below 2^-14: denormal */
	{
		/* Floats from 1/2 to 1 step by 2^-24, as denormal halves do. */
		float shifted = float_from_bits(magnitude) + 0.5f;

		return sign | (uint16_t) (float_bits(shifted) - float_bits(0.5f));
	}
	/* Round away the 13 bits too many; a carry into the exponent is right. */
	magnitude += 0xfff + ((magnitude >> 13) & 1);
	return sign | (uint16_t) ((magnitude - (112u << 23)) >> 13);
}

/* count values at once; the arrays do not overlap. */
extern void half_to_float_array(const uint16_t *half, float *single, size_t count);
extern void half_from_float_array(const float *single, uint16_t *half, size_t count);

#endif /* ANN_HALF_H */
