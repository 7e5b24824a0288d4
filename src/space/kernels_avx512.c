/*-------------------------------------------------------------------------
 *
 * kernels_avx512.c
 *	  The kernels for x86-64 with AVX-512 F, BW, DQ, VL and VNNI.
 *
 * VNNI is asked for, though not used here, to keep processors that slow down
 * under 512-bit arithmetic on the AVX2 path.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "space/half.h"
#include "space/kernel_table.h"
#include "space/logarithm.h"

#ifdef SIMD_HAVE_X86

#include <immintrin.h>

#define AVX512_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target(AVX512_TARGET))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif

#define WIDTH 16

typedef __m512 V;

static inline __mmask16
tail_mask(uint32_t tail)
{
	return (__mmask16) ((1u << tail) - 1);
}

static inline V
v_set(float s)
{
	return _mm512_set1_ps(s);
}

static inline V
v_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

static inline V
v_load_tail(const float *p, uint32_t tail)
{
	return _mm512_maskz_loadu_ps(tail_mask(tail), p);
}

static inline V
v_load_half(const uint16_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) p));
}

static inline V
v_load_half_tail(const uint16_t *p, uint32_t before, uint32_t tail)
{
	(void) before;
	return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(tail_mask(tail), p));
}

static inline V
v_load_bytes(const uint8_t *p)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) p)));
}

static inline V
v_load_bytes_tail(const uint8_t *p, uint32_t before, uint32_t tail)
{
	(void) before;
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(tail_mask(tail), p)));
}

static inline void
v_store(float *p, V a)
{
	_mm512_storeu_ps(p, a);
}

static inline V
v_keep(V a, uint32_t tail)
{
	return _mm512_maskz_mov_ps(tail_mask(tail), a);
}

static inline V
v_fma(V a, V b, V c)
{
	return _mm512_fmadd_ps(a, b, c);
}

static inline V
v_min(V a, V b)
{
	return _mm512_min_ps(a, b);
}

static inline V
v_max(V a, V b)
{
	return _mm512_max_ps(a, b);
}

static inline V
v_abs(V a)
{
	return _mm512_abs_ps(a);
}

static inline V
v_select_less(V a, V b, V x, V y)
{
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

static inline V
v_split(V a, V *e)
{
	V mantissa = _mm512_getmant_ps(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
	V exponent = _mm512_getexp_ps(a);
	__mmask16 large = _mm512_cmp_ps_mask(mantissa, _mm512_set1_ps(1.41421356f), _CMP_GE_OQ);

	*e = _mm512_mask_add_ps(exponent, large, exponent, _mm512_set1_ps(1.0f));
	return _mm512_mask_mul_ps(mantissa, large, mantissa, _mm512_set1_ps(0.5f));
}

static inline V
v_scale(V a, V e)
{
	return _mm512_scalef_ps(a, e);
}

static inline float
v_sum(V a)
{
	return _mm512_reduce_add_ps(a);
}

static inline float
v_maximum(V a)
{
	return _mm512_reduce_max_ps(a);
}

#define KERNELS kernels_avx512
#include "space/kernel_template.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* SIMD_HAVE_X86 */
