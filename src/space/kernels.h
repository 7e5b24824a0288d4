/*-------------------------------------------------------------------------
 *
 * kernels.h
 *	  The arithmetic of the spaces, one table of functions per instruction set.
 *
 * The table in use is chosen once, at load, for the processor and can be
 * forced (setting ann.simd) to compare the paths.  All paths give the same
 * result up to rounding; encoders (logarithms, norms) give the same bits on
 * every path, so that an index does not depend on the machine that built it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_KERNELS_H
#define ANN_KERNELS_H

#include <stdbool.h>

typedef enum SimdLevel
{
	SIMD_NONE,	/* plain C */
	SIMD_NEON,	/* aarch64 */
	SIMD_AVX2,	/* with FMA and F16C */
	SIMD_AVX512 /* F, BW, DQ, VL and VNNI */
} SimdLevel;

/* Best level that processor and operating system support */
extern SimdLevel simd_detect(void);

/* Is the level compiled in and supported here? */
extern bool simd_supported(SimdLevel level);

/* Use the kernels of this level from now on; false when it is not supported. */
extern bool simd_select(SimdLevel level);

extern SimdLevel simd_selected(void);
extern const char *simd_name(SimdLevel level);

#endif /* ANN_KERNELS_H */
