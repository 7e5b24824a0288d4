/*-------------------------------------------------------------------------
 *
 * simd.c
 *	  Choice of the instruction set for the processor.
 *
 *-------------------------------------------------------------------------
 */
#include "core/simd.h"

#ifdef SIMD_HAVE_X86
#include <cpuid.h>
#include <stdint.h>
#endif

/* Plain C until simd_choose() has run, which is before main() or dlopen()
 * returns: never unset, whoever asks first. */
_Atomic(int) simd_in_use = SIMD_NONE;

#ifdef SIMD_HAVE_X86
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
#elif defined(SIMD_HAVE_NEON)
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

static bool
level_compiled(SimdLevel level)
{
	switch (level)
	{
		case SIMD_NONE:
			return true;
#ifdef SIMD_HAVE_NEON
		case SIMD_NEON:
			return true;
#endif
#ifdef SIMD_HAVE_X86
		case SIMD_AVX2:
		case SIMD_AVX512:
			return true;
#endif
		default:
			return false;
	}
}

bool
simd_supported(SimdLevel level)
{
	return level_compiled(level) && level <= processor_level();
}

bool
simd_select(SimdLevel level)
{
	if (!simd_supported(level))
		return false;
	atomic_store_explicit(&simd_in_use, (int) level, memory_order_relaxed);
	return true;
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
simd_choose(void)
{
	simd_select(simd_detect());
}
