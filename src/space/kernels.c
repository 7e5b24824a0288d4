/*-------------------------------------------------------------------------
 *
 * kernels.c
 *	  Choice of the kernels for the processor.
 *
 *-------------------------------------------------------------------------
 */
#include "space/kernels.h"

#include "space/half.h"
#include "space/kernel_table.h"

#ifdef KERNELS_HAVE_X86
#include <cpuid.h>
#endif

/* Plain C until kernels_choose() has run, which is before main() or dlopen()
 * returns: never unset, whoever asks first. */
_Atomic(const KernelTable *) kernels_in_use = &kernels_none;

/* The table of a level, or NULL where it is not compiled in */
static const KernelTable *
level_table(SimdLevel level)
{
	switch (level)
	{
		case SIMD_NONE:
			return &kernels_none;
#ifdef KERNELS_HAVE_NEON
		case SIMD_NEON:
			return &kernels_neon;
#endif
#ifdef KERNELS_HAVE_X86
		case SIMD_AVX2:
			return &kernels_avx2;
		case SIMD_AVX512:
			return &kernels_avx512;
#endif
		default:
			return NULL;
	}
}

#ifdef KERNELS_HAVE_X86
/* Bits of XCR0: the operating system saves these registers */
#define XCR0_AVX 0x06	 /* XMM, upper YMM */
#define XCR0_AVX512 0xe6 /* and mask registers, upper ZMM, ZMM16-31 */

/* XCR0, or 0 when the operating system does not let it be read */
static uint32_t
saved_registers(uint32_t leaf1_ecx)
{
	uint32_t low;
	uint32_t high;

	if ((leaf1_ecx & bit_OSXSAVE) == 0)
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

static SimdLevel
processor_level(void)
{
	const uint32_t avx2_leaf1 = bit_AVX | bit_FMA | bit_F16C;
	const uint32_t avx512_leaf7 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
	uint32_t eax, ebx, ecx, edx;
	uint32_t leaf1, saved;

	if (!__get_cpuid(1, &eax, &ebx, &leaf1, &edx))
		return SIMD_NONE;
	saved = saved_registers(leaf1);
	if ((leaf1 & avx2_leaf1) != avx2_leaf1 || (saved & XCR0_AVX) != XCR0_AVX)
		return SIMD_NONE;
	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (ebx & bit_AVX2) == 0)
		return SIMD_NONE;
	if ((ebx & avx512_leaf7) != avx512_leaf7 || (ecx & bit_AVX512VNNI) == 0 ||
		(saved & XCR0_AVX512) != XCR0_AVX512)
		return SIMD_AVX2;
	return SIMD_AVX512;
}
#elif defined(KERNELS_HAVE_NEON)
static SimdLevel
processor_level(void)
{
	return SIMD_NEON;
}
#else
static SimdLevel
processor_level(void)
{
	return SIMD_NONE;
}
#endif

SimdLevel
simd_detect(void)
{
	return processor_level();
}

bool
simd_supported(SimdLevel level)
{
	return level_table(level) != NULL && level <= processor_level();
}

bool
simd_select(SimdLevel level)
{
	if (!simd_supported(level))
		return false;
	atomic_store_explicit(&kernels_in_use, level_table(level), memory_order_relaxed);
	return true;
}

SimdLevel
simd_selected(void)
{
	const KernelTable *table = kernels();
	SimdLevel level = SIMD_AVX512;

	while (level > SIMD_NONE && level_table(level) != table)
		level--;
	return level;
}

const char *
simd_name(SimdLevel level)
{
	switch (level)
	{
		case SIMD_NONE:
			return "none";
		case SIMD_NEON:
			return "neon";
		case SIMD_AVX2:
			return "avx2";
		case SIMD_AVX512:
			return "avx512";
	}
	return "unknown";
}

__attribute__((constructor)) static void
kernels_choose(void)
{
	simd_select(simd_detect());
}

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
