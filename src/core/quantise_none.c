/*-------------------------------------------------------------------------
 *
 * quantise_none.c
 *	  The kernels of rotation.c, rabitq.c and byte_distance.c in plain C, for any processor.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/quantise_table.h"
#include "core/random.h"
#include "core/rotation.h"

#define WIDTH 1

typedef float V;

static inline V
v_set(float s)
{
	return s;
}

static inline V
v_load(const float *p)
{
	return *p;
}

static inline void
v_store(float *p, V a)
{
	*p = a;
}

static inline V
v_load_bfloat(const uint8_t *p)
{
	uint16_t half;
	uint32_t bits;
	float value;

	memcpy(&half, p, sizeof(half));
	bits = (uint32_t) half << 16;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline V
v_abs(V a)
{
	return fabsf(a);
}

static inline V
v_min(V a, V b)
{
	return a < b ? a : b;
}

static inline V
v_max(V a, V b)
{
	return a > b ? a : b;
}

static inline V
v_flip(V a, uint32_t bits)
{
	uint32_t value;

	memcpy(&value, &a, sizeof(value));
	value ^= bits << 31;
	memcpy(&a, &value, sizeof(value));
	return a;
}

static inline uint32_t
v_at_least_zero(V a)
{
	return a >= 0;
}

static inline V
v_butterflies(V a)
{
	return a;
}

static inline void
store_table(uint8_t *p, Quad low, Quad high)
{
	for (int n = 0; n < 16; n++)
		p[n] = (uint8_t) (int32_t) (low[n % 4] + high[n / 4]);
}

/*
 * In 16-bit parts, as the vector versions do: even bytes hold lanes 0 to 7 (and
 * 16 to 23), odd ones lanes 8 to 15 (and 24 to 31).
 */
static inline void
block_sums(const uint8_t *table, uint32_t dim, const uint8_t *codes, V *sums)
{
	uint16_t lower[16] = {0};
	uint16_t upper[16] = {0};

	for (uint32_t i = 0; i < 4 * dim; i += 16)
		for (int k = 0; k < 16; k++)
		{
			lower[k] += table[i + (codes[i + k] & 15)];
			upper[k] += table[i + (codes[i + k] >> 4)];
		}
	for (int k = 0; k < 16; k++)
	{
		int lane = k / 2 + k % 2 * 8;

		sums[lane] = lower[k];
		sums[lane + 16] = upper[k];
	}
}

#define BYTES 1

typedef uint32_t I;

static inline I
i_zero(void)
{
	return 0;
}

static inline I
i_add_squares(I s, const uint8_t *a, const uint8_t *b)
{
	int difference = *a - *b;

	return s + (uint32_t) (difference * difference);
}

static inline I
i_add_squares_tail(I s, const uint8_t *a, const uint8_t *b, uint32_t tail)
{
	return tail > 0 ? i_add_squares(s, a, b) : s;
}

static inline void
i_sums(const I *s, float *sums)
{
	for (int k = 0; k < 4; k++)
		sums[k] = (float) s[k];
}

#define QUANTISE_KERNELS quantise_none
#include "core/quantise_template.h"
