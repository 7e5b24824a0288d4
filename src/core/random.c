/*-------------------------------------------------------------------------
 *
 * random.c
 *	  Seeded random numbers: xoshiro256** (Blackman and Vigna), state filled by
 *	  splitmix64.
 *
 *-------------------------------------------------------------------------
 */
#include "core/random.h"

#include <math.h>

/* Bits of the mantissa of a double, and one unit in the last place of [0, 1) */
#define DOUBLE_BITS 53
#define DOUBLE_UNIT (1.0 / 9007199254740992.0)

static inline uint64_t
rotate_left(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

void
random_seed(Random *random, uint64_t seed)
{
	/*
	 * random_hash() is a bijection whose argument advances by the same odd
	 * number each time, so the four words are never all zero.
	 */
	for (int i = 0; i < 4; i++)
		random->state[i] = random_hash(seed + (uint64_t) i * 0x9E3779B97F4A7C15ull);
}

uint64_t
random_next(Random *random)
{
	uint64_t *s = random->state;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double
random_double(Random *random)
{
	return (double) (random_next(random) >> (64 - DOUBLE_BITS)) * DOUBLE_UNIT;
}

uint64_t
random_below(Random *random, uint64_t n)
{
	/* The 2^64 mod n lowest values would favour some remainders: draw again. */
	uint64_t threshold = (0 - n) % n;
	uint64_t r;

	do
		r = random_next(random);
	while (r < threshold);
	return r % n;
}

/*
 * Marsaglia's polar method; the second value of each pair is dropped to keep
 * the state four words.
 */
double
random_gaussian(Random *random)
{
	double u;
	double v;
	double s;

	do
	{
		u = 2.0 * random_double(random) - 1.0;
		v = 2.0 * random_double(random) - 1.0;
		s = u * u + v * v;
	} while (s >= 1.0 || s == 0.0);
	return u * sqrt(-2.0 * log(s) / s);
}
