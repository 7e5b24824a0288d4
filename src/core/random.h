/*-------------------------------------------------------------------------
 *
 * random.h
 *	  Seeded random numbers, the same on every platform.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_RANDOM_H
#define ANN_RANDOM_H

#include <stdint.h>

typedef struct Random
{
	uint64_t state[4]; /* xoshiro256** */
} Random;

/* One step of splitmix64: a good 64-bit hash of x */
static inline uint64_t
random_hash(uint64_t x)
{
	x += 0x9E3779B97F4A7C15ull;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
	return x ^ (x >> 31);
}

extern void random_seed(Random *random, uint64_t seed);
extern uint64_t random_next(Random *random);

/* Uniform in [0, 1), 53 bits */
extern double random_double(Random *random);

/* Uniform in [0, n), n > 0, without bias */
extern uint64_t random_below(Random *random, uint64_t n);

/* Standard normal */
extern double random_gaussian(Random *random);

#endif /* ANN_RANDOM_H */
