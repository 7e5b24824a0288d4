/*-------------------------------------------------------------------------
 *
 * kernel_table.h
 *	  The table of kernels that every instruction set fills in; inside
 *	  src/space only.
 *
 * The functions are written once, in kernel_template.h, over a handful of
 * vector operations; kernels_none.c, kernels_avx2.c, kernels_avx512.c and
 * kernels_neon.c each define those operations and include the template.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_KERNEL_TABLE_H
#define ANN_KERNEL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "core/simd.h"
#include "space/space.h"

#define KERNEL_ELEMENTS 3 /* members of SpaceElement */
#define KERNEL_PARAMS 2

/*
 * sums[r] = the kernel's sum (or maximum) over the dim coordinates of
 * objects[r] and query, in float32, in an order of additions that depends on
 * dim alone.  params: KERNEL_PARAMS numbers for the kernels that say so, else
 * NULL.  Addresses need the alignment of one coordinate only.
 */
typedef void (*Kernel)(const float *query, const void *const *objects, int n, uint32_t dim,
					   const float *params, float *sums);

typedef struct KernelTable
{
	/* By element of the objects; the query is float32 for all. */
	Kernel l2[KERNEL_ELEMENTS];	  /* sum (x-q)^2 */
	Kernel dot[KERNEL_ELEMENTS];  /* sum x q */
	Kernel l1[KERNEL_ELEMENTS];	  /* sum |x-q| */
	Kernel linf[KERNEL_ELEMENTS]; /* max |x-q| */

	/* sum |x-q|^p; params: p as a sum of two floats, the first of at most
	 * KERNEL_POWER_BITS significant bits */
	Kernel lp;

	/*
	 * Objects and query are dim values followed by their dim logarithms.  In
	 * the _right kernels object and query change places.
	 */
	Kernel js; /* Jensen-Shannon */
	Kernel kl; /* sum x (lx-lq) */
	Kernel kl_right;
	Kernel gkl; /* sum x (lx-lq) + q - x */
	Kernel gkl_right;
	Kernel is; /* sum x/q - (lx-lq) - 1 */
	Kernel is_right;
	Kernel renyi;	  /* sum x exp(params[0] (lx-lq)) */
	Kernel alphabeta; /* sum exp(params[0] lx + params[1] lq) */

	/* The same form; for link_distances() */
	Kernel jeffreys;	  /* sum (x-q) (lx-lq) */
	Kernel log_ratio;	  /* sum s / (1 + params[0] s), s = (lx-lq)^2 */
	Kernel root_is_right; /* sum sqrt(q/x) - 1 - (lq-lx) / 2 */

	/*
	 * What encoding needs: the same bits on every instruction set.  The sum of
	 * squares, by element; logarithms as they are stored; exact conversion of
	 * halves and of bytes.
	 */
	float (*squares[KERNEL_ELEMENTS])(const void *values, uint32_t dim);
	void (*logarithms)(const float *values, float *result, size_t count);
	void (*widen)(const uint16_t *half, float *single, size_t count);
	void (*widen_bytes)(const uint8_t *bytes, float *single, size_t count);
} KernelTable;

/* Partial sums of squares: partial sum j has the coordinates i = j modulo this */
#define KERNEL_SQUARE_LANES 32

/* Short enough for a product with any exponent of a float32 to be exact */
#define KERNEL_POWER_BITS 12

extern const KernelTable kernels_none;
#ifdef SIMD_HAVE_X86
extern const KernelTable kernels_avx2;
extern const KernelTable kernels_avx512;
#endif
#ifdef SIMD_HAVE_NEON
extern const KernelTable kernels_neon;
#endif

/* By level; NULL where it is not compiled in */
extern const KernelTable *const kernel_tables[SIMD_LEVELS];

/* The table in use.  Whoever makes several calls for one result asks once. */
static inline const KernelTable *
kernels(void)
{
	return kernel_tables[simd_selected()];
}

#endif /* ANN_KERNEL_TABLE_H */
