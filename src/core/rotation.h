/*-------------------------------------------------------------------------
 *
 * rotation.h
 *	  A random orthogonal map: fast Hadamard transforms with random signs.
 *
 * The map depends on seed and dim alone and has the same bits on every
 * instruction set.  It takes O(padded * log(padded)) additions and no table.
 *
 * Plain C, no allocation, no state: may be called from any thread.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_ROTATION_H
#define ANN_ROTATION_H

#include <stdint.h>

/* Results have a multiple of this many coordinates. */
#define ROTATION_BLOCK 32

typedef struct Rotation
{
	uint64_t seed;
	uint32_t dim;	 /* coordinates of what is rotated, at least 1 */
	uint32_t padded; /* coordinates of the result: rotation_padded(dim) */
} Rotation;

/* Coordinates of the result of rotating dim coordinates */
static inline uint32_t
rotation_padded(uint32_t dim)
{
	return (dim + ROTATION_BLOCK - 1) / ROTATION_BLOCK * ROTATION_BLOCK;
}

extern void rotation_init(Rotation *rotation, uint32_t dim, uint64_t seed);

/*
 * result (room for padded numbers) = the rotated values (dim numbers).  Norms
 * and inner products are kept within rounding: about 1e-7 of the norm a
 * coordinate.  values may be result; otherwise they do not overlap.  Results
 * are finite if the norm is below 1e37, infinite or NaN at worst beyond.
 */
extern void rotation_apply(const Rotation *rotation, const float *values, float *result);

#endif /* ANN_ROTATION_H */
