/*-------------------------------------------------------------------------
 *
 * rabitq.h
 *	  RaBitQ: one bit per rotated dimension of a value, from which its distance
 *	  to a query is estimated without bias.
 *
 * Codes are made in blocks of RABITQ_LANES values around one centre, in a graph
 * the neighbours of a vertex around that vertex.  With T the rotation, c the
 * centre, x the value, q the query:
 *
 *	r = T(x - c), rho = |r|, s_i = 1 where r_i >= 0, else -1
 *	C = T c - mean, w = T q - mean, w - C = T(q - c)
 *	<x - c, q - c>  ~  rho^2 <s, w - C> / |r|_1
 *
 * which is unbiased over T (RaBitQ, section 3.2).  <s, ...> and |r|_1 may be
 * taken over the leading code_dim of the rotated dimensions only: what is left
 * out is orthogonal on average, so the estimate stays unbiased and only its
 * error grows.  rho^2 is always that of the whole x - c.  Of the error,
 *
 *	| error | <= eps rho |q - c| sqrt((code_dim / k^2 - 1) / (padded - 1)),
 *	k = |r|_1 / rho over the leading dimensions, about sqrt(2/pi) code_dim / sqrt(padded)
 *
 * (twice that for squared distances).  Errors are nearly normal: 94 % of them are
 * within the bound of eps = 1.9, 99.7 % within that of eps = 3.
 *
 * <s, w> = 2 S - W, S = sum of w over the set bits, W = sum of w.  So a code has
 * two numbers besides its bits,
 *
 *	estimate = add + key + rescale (S - W/2)
 *
 * where key is the exact distance of query and centre, and one table made of
 * the query serves all centres.  The table has 8 bits an entry: its rounding
 * adds about 1 % to the error of the codes.
 *
 * r is computed as the difference of T x - mean and T c - mean, each rotated once,
 * and has their rounding errors; rho is computed from x and c.
 *
 * Values, centre and query have finite coordinates.  Estimates are never NaN
 * for them, whatever overflows: where the formula has no value, an estimate is
 * key, key + rho^2, or of the largest size.  A value equal to the centre has
 * the estimate key exactly.  Codes and factors have the same bits on every
 * instruction set, and so have estimates.
 *
 * Plain C, no allocation, no state: every function may be called from any
 * thread.  No address needs more alignment than a float32; blocks and
 * prepared queries need none, but are read faster at multiples of 64.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_RABITQ_H
#define ANN_RABITQ_H

#include <stddef.h>
#include <stdint.h>

#include "core/rotation.h"

#define RABITQ_LANES 32			 /* codes of a block */
#define RABITQ_MAX_CODE_DIM 1024 /* sums of code_dim / 4 bytes fit 16 bits */

/* What is estimated */
typedef enum RabitqMeasure
{
	RABITQ_L2, /* squared Euclidean distance */
	RABITQ_IP  /* negative inner product */
} RabitqMeasure;

typedef struct Rabitq
{
	Rotation rotation;
	uint32_t code_dim; /* a multiple of 32, at most rotation.padded and RABITQ_MAX_CODE_DIM */
	RabitqMeasure measure;

	/*
	 * code_dim rotated coordinates near those of the data, or NULL for zeros.
	 * Rounding errors are of the size of T c - mean and T q - mean: data far
	 * from the origin need it.
	 */
	const float *mean;
} Rabitq;

/* What is coded, and what around; both arrays are the caller's */
typedef struct RabitqPoint
{
	const float *value; /* dim coordinates */
	float *rotated;		/* code_dim: T value - mean */
} RabitqPoint;

/* A code outside of a block */
typedef struct RabitqLane
{
	float add;							   /* both of them bfloat16 numbers */
	float rescale;						   /* finite */
	uint8_t code[RABITQ_MAX_CODE_DIM / 8]; /* bit i % 8 of byte i / 8: r_i >= 0 */
} RabitqLane;

/*
 * Bytes of a block: 4 * code_dim bytes of codes, then RABITQ_LANES add and
 * RABITQ_LANES rescale as bfloat16 (uint16 in the processor's byte order).
 *
 * Codes: dimensions 4j to 4j+3 are in bytes 16j to 16j+15.  Lane l has half a
 * byte there, its lowest bit for dimension 4j: the lower half for l < 16, in
 * byte 2l for l < 8, in byte 2(l-8)+1 for l < 16; lanes from 16 on have the
 * upper halves in the same order.  A block of zeros is valid.
 */
extern size_t rabitq_block_size(uint32_t code_dim);

/* Bytes of a prepared query */
extern size_t rabitq_query_size(uint32_t code_dim);

/*
 * Fills point->rotated, which has room for code_dim floats, from point->value:
 * the rotation, once for all codes that the point is in.  scratch:
 * rotation.padded floats.
 */
extern void rabitq_rotate(const Rabitq *rabitq, const RabitqPoint *point, float *scratch);

/*
 * *lane = the code of value around center, both rotated.  Bytes of the code
 * beyond code_dim bits are left alone.
 */
extern void rabitq_encode(const Rabitq *rabitq, const RabitqPoint *center, const RabitqPoint *value,
						  RabitqLane *lane);

/* Stores a code as lane number `lane` of a block; the other lanes are not touched. */
extern void rabitq_put_lane(uint32_t code_dim, void *block, int lane, const RabitqLane *code);

/* Reads back what was stored. */
extern void rabitq_get_lane(uint32_t code_dim, const void *block, int lane, RabitqLane *code);

/*
 * Fills prepared, rabitq_query_size() bytes, for estimates of distances to
 * query, dim coordinates.  scratch: rotation.padded floats.
 */
extern void rabitq_prepare_query(const Rabitq *rabitq, const float *query, float *scratch,
								 void *prepared);

/*
 * estimates[l] = estimated distance of the query and the value of lane l of
 * block, for all RABITQ_LANES lanes; key: the exact distance of the query and
 * the block's centre, in the measure of the codes, maybe infinite.
 */
extern void rabitq_estimate(uint32_t code_dim, const void *prepared, const void *block, float key,
							float *estimates);

/*
 * Sets precision[] (RABITQ_LANES) to one over the squares of numbers to which
 * the errors of a block's estimates are proportional, for queries as far from
 * the centre: f_rescale, which grows with the distance of centre and value.
 * May be infinite: a value that is the centre.
 */
extern void rabitq_precision(uint32_t code_dim, const void *block, float *precision);

#endif /* ANN_RABITQ_H */
