/*-------------------------------------------------------------------------
 *
 * byte_distance.h
 *	  Squared Euclidean distances of vectors of bytes.
 *
 * Whole numbers throughout, so every instruction set has the same result: the
 * exact sum, rounded once to float32.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_BYTE_DISTANCE_H
#define ANN_BYTE_DISTANCE_H

#include <stdint.h>

/* Sums up to here stay within a signed 32-bit number. */
#define BYTE_MAX_DIM 32768

/* distances[i] = sum over dim (at most BYTE_MAX_DIM) bytes of (query - objects[i])^2, n of them */
extern void byte_distances(const uint8_t *query, const void *const *objects, int n, uint32_t dim,
						   float *distances);

#endif /* ANN_BYTE_DISTANCE_H */
