/*-------------------------------------------------------------------------
 *
 * simd.h
 *	  The instruction set in use.
 *
 * Modules with kernels (the spaces, core/rotation, core/rabitq) have one
 * version of them per level and take the one simd_selected() names.  The level
 * is chosen once, at load, for the processor and can be forced (setting
 * ann.simd) to compare the versions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SIMD_H
#define ANN_SIMD_H

#include <stdatomic.h>
#include <stdbool.h>

/* What is compiled in, whatever the processor has */
#if defined(__x86_64__)
#define SIMD_HAVE_X86 1
#endif
#if defined(__aarch64__) && defined(__ARM_NEON)
#define SIMD_HAVE_NEON 1
#endif

typedef enum SimdLevel
{
	SIMD_NONE,	/* plain C */
	SIMD_NEON,	/* aarch64 */
	SIMD_AVX2,	/* with FMA and F16C */
	SIMD_AVX512 /* F, BW, DQ, VL and VNNI */
} SimdLevel;

#define SIMD_LEVELS (SIMD_AVX512 + 1)

/* Best level that processor and operating system support */
extern SimdLevel simd_detect(void);

/* Is the level compiled in and supported here? */
extern bool simd_supported(SimdLevel level);

/* Use the kernels of this level from now on; false when it is not supported. */
extern bool simd_select(SimdLevel level);

extern const char *simd_name(SimdLevel level);

/* A SimdLevel; for simd_selected() */
extern _Atomic(int) simd_in_use;

/* The level in use.  Whoever makes several calls for one result asks once. */
static inline SimdLevel
simd_selected(void)
{
	return (SimdLevel) atomic_load_explicit(&simd_in_use, memory_order_relaxed);
}

#endif /* ANN_SIMD_H */
