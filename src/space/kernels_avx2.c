/*-------------------------------------------------------------------------
 *
 * kernels_avx2.c
 *	  The kernels for x86-64 with AVX2, FMA and F16C.
 *
 * Compiled for these instructions whatever the compiler's flags say; only
 * simd_select() makes them run.
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

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#define WIDTH 8

typedef __m256 V;

/* Ones, then zeros: loaded from WIDTH - tail on it masks the first tail lanes. */
static const int32_t tail_masks[2 * WIDTH] = {-1, -1, -1, -1, -1, -1, -1, -1};

static inline __m256i
tail_mask(uint32_t tail)
{
	return _mm256_loadu_si256((const __m256i *) (tail_masks + WIDTH - tail));
}

static inline V
v_set(float s)
{
	return _mm256_set1_ps(s);
}

static inline V
v_load(const float *p)
{
	return _mm256_loadu_ps(p);
}

static inline V
v_load_tail(const float *p, uint32_t tail)
{
	return _mm256_maskload_ps(p, tail_mask(tail));
}

static inline V
v_load_half(const uint16_t *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p));
}

/*
 * There is no masked load of halves.  With a full vector before the tail, read
 * the last WIDTH halves and shift the known ones out.
 */
static inline V
v_load_half_tail(const uint16_t *p, uint32_t before, uint32_t tail)
{
	static const uint8_t shifts[32] = {0,	 1,	   2,	 3,	   4,	 5,	   6,	 7,
									   8,	 9,	   10,	 11,   12,	 13,   14,	 15,
									   0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
									   0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
	__m128i shift;
	__m128i last;

	if (before < WIDTH)
	{
		uint16_t copy[WIDTH] = {0};

		for (uint32_t i = 0; i < tail; i++)
			copy[i] = p[i];
		return v_load_half(copy);
	}
	shift = _mm_loadu_si128((const __m128i *) (shifts + 2 * (WIDTH - tail)));
	last = _mm_loadu_si128((const __m128i *) (p + tail - WIDTH));
	return _mm256_cvtph_ps(_mm_shuffle_epi8(last, shift));
}

static inline V
v_load_bytes(const uint8_t *p)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) p)));
}

/* As for halves: the last WIDTH bytes, with the known ones shifted out */
static inline V
v_load_bytes_tail(const uint8_t *p, uint32_t before, uint32_t tail)
{
	uint64_t last = 0;

	if (before < WIDTH)
	{
		for (uint32_t i = 0; i < tail; i++)
			last |= (uint64_t) p[i] << (8 * i);
	}
	else
	{
		memcpy(&last, p + tail - WIDTH, sizeof(last));
		last >>= 8 * (WIDTH - tail);
	}
	return v_load_bytes((const uint8_t *) &last);
}

static inline void
v_store(float *p, V a)
{
	_mm256_storeu_ps(p, a);
}

static inline V
v_keep(V a, uint32_t tail)
{
	return _mm256_and_ps(a, _mm256_castsi256_ps(tail_mask(tail)));
}

static inline V
v_fma(V a, V b, V c)
{
	return _mm256_fmadd_ps(a, b, c);
}

static inline V
v_min(V a, V b)
{
	return _mm256_min_ps(a, b);
}

static inline V
v_max(V a, V b)
{
	return _mm256_max_ps(a, b);
}

static inline V
v_abs(V a)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

static inline V
v_select_less(V a, V b, V x, V y)
{
	return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

static inline V
v_split(V a, V *e)
{
	__m256i root_half = _mm256_set1_epi32(0x3f3504f3); /* sqrt(1/2) */
	V denormal = _mm256_cmp_ps(a, _mm256_set1_ps(FLT_MIN), _CMP_LT_OQ);
	V scaled = _mm256_blendv_ps(a, a * _mm256_set1_ps(0x1p24f), denormal);
	__m256i bits = _mm256_sub_epi32(_mm256_castps_si256(scaled), root_half);
	__m256i mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff));

	*e = _mm256_cvtepi32_ps(_mm256_srai_epi32(bits, 23)) -
		 _mm256_and_ps(denormal, _mm256_set1_ps(24.0f));
	return _mm256_castsi256_ps(_mm256_add_epi32(mantissa, root_half));
}

static inline V
v_scale(V a, V e)
{
	__m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(e), _mm256_set1_epi32(127));

	return a * _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}

static inline float
v_sum(V a)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float
v_maximum(V a)
{
	__m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

	s = _mm_max_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

#define KERNELS kernels_avx2
#include "space/kernel_template.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* SIMD_HAVE_X86 */
