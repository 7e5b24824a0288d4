/*-------------------------------------------------------------------------
 *
 * kernels.c
 *	  The tables of kernels by instruction set; conversion of arrays of halves.
 *
 *-------------------------------------------------------------------------
 */
#include "space/half.h"
#include "space/kernel_table.h"

const KernelTable *const kernel_tables[SIMD_LEVELS] = {
	[SIMD_NONE] = &kernels_none,
#ifdef SIMD_HAVE_NEON
	[SIMD_NEON] = &kernels_neon,
#endif
#ifdef SIMD_HAVE_X86
	[SIMD_AVX2] = &kernels_avx2,
	[SIMD_AVX512] = &kernels_avx512,
#endif
};

void
half_to_float_array(const uint16_t *half, float *single, size_t count)
{
	kernels()->widen(half, single, count);
}

void
half_from_float_array(const float *single, uint16_t *half, size_t count)
{
	for (size_t i = 0; i < count; i++)
		half[i] = half_from_float(single[i]);
}
