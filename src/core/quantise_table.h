/*-------------------------------------------------------------------------
 *
 * quantise_table.h
 *	  The kernels of rotation.c, rabitq.c and byte_distance.c, one table per
 *	  instruction set; inside src/core only.
 *
 * All of them have the same bits on every instruction set: the operations are
 * written once, in quantise_template.h, in one order of additions, without
 * fused multiply-add (the build has -ffp-contract=off).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_QUANTISE_TABLE_H
#define ANN_QUANTISE_TABLE_H

#include <stdint.h>

#include "core/simd.h"

/* Partial sums; partial sum j has the coordinates i = j modulo this */
#define QUANTISE_PARTS 32

/* Four numbers, where instruction sets have that in common */
typedef float Quad __attribute__((vector_size(16)));

/* A query against blocks of codes (rabitq.h) */
typedef struct QuantiseScan
{
	/* S - W/2 = delta * (sum of table entries) + offset */
	float delta;
	float offset;
	const uint8_t *table; /* 16 bytes for every four dimensions */
} QuantiseScan;

typedef struct QuantiseKernels
{
	/* Rotates padded numbers, a multiple of 32, in place (rotation.h). */
	void (*rotate)(float *values, uint32_t padded, uint64_t seed);

	/* *square = sum (value - center)^2 and *product = sum (value - center) center,
	 * both in double precision */
	void (*residual)(const float *value, const float *center, uint32_t dim, double *square,
					 double *product);

	/* Of dim numbers, a multiple of 32, and r = value - center: bit i of code =
	 * r_i >= 0, s_i its sign; the sums of |r_i| and s_i center_i */
	void (*signs)(const float *value, const float *center, uint32_t dim, uint8_t *code,
				  float *absolute, float *signed_center);

	/*
	 * For each four of dim numbers, 16 bytes: byte n = the sum of those whose bit
	 * is set in n, less the sum of the negative ones, times scale, rounded.  The
	 * absolute values of four numbers, times scale, sum up to 255 at most.
	 */
	void (*tables)(const float *values, uint32_t dim, float scale, uint8_t *tables);

	/* Estimates of the 32 lanes of a block, as rabitq_estimate() says */
	void (*scan)(const QuantiseScan *scan, uint32_t dim, const uint8_t *block, float key,
				 float *estimates);

	/* byte_distance.h */
	void (*byte_distances)(const uint8_t *query, const void *const *objects, int n, uint32_t dim,
						   float *distances);
} QuantiseKernels;

extern const QuantiseKernels quantise_none;
#ifdef SIMD_HAVE_X86
extern const QuantiseKernels quantise_avx2;
extern const QuantiseKernels quantise_avx512;
#endif
#ifdef SIMD_HAVE_NEON
extern const QuantiseKernels quantise_neon;
#endif

/* By level; NULL where it is not compiled in */
extern const QuantiseKernels *const quantise_tables[SIMD_LEVELS];

/* The table in use */
static inline const QuantiseKernels *
quantise_kernels(void)
{
	return quantise_tables[simd_selected()];
}

#endif /* ANN_QUANTISE_TABLE_H */
