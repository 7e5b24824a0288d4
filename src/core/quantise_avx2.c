/*-------------------------------------------------------------------------
 *
 * quantise_avx2.c
 *	  The kernels of rotation.c, rabitq.c and byte_distance.c for x86-64 with AVX2.
 *
 * Compiled for these instructions whatever the compiler's flags say; only
 * simd_select() makes them run.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/quantise_table.h"
#include "core/random.h"
#include "core/rotation.h"

#ifdef SIMD_HAVE_X86

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define WIDTH 8

typedef __m256 V;

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

static inline void
v_store(float *p, V a)
{
	_mm256_storeu_ps(p, a);
}

static inline V
v_load_bfloat(const uint8_t *p)
{
	__m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *) p));

	return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static inline V
v_abs(V a)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
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
v_flip(V a, uint32_t bits)
{
	__m256i to_top = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24);
	__m256i tops = _mm256_sllv_epi32(_mm256_set1_epi32((int) bits), to_top);

	return _mm256_xor_ps(a, _mm256_and_ps(_mm256_castsi256_ps(tops), _mm256_set1_ps(-0.0f)));
}

static inline uint32_t
v_at_least_zero(V a)
{
	return (uint32_t) _mm256_movemask_ps(_mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_GE_OQ));
}

/* Each lane plus its partner's, the second of a pair with its own sign changed */
static inline V
v_butterflies(V a)
{
	a = _mm256_permute_ps(a, 0xb1) + v_flip(a, 0xaa);
	a = _mm256_permute_ps(a, 0x4e) + v_flip(a, 0xcc);
	return _mm256_permute2f128_ps(a, a, 0x01) + v_flip(a, 0xf0);
}

static inline void
store_table(uint8_t *p, Quad low, Quad high)
{
	__m256 lows = _mm256_set_m128(low, low);
	__m256 highs = _mm256_set_m128(high, high);
	__m256 first = _mm256_permutevar_ps(highs, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
	__m256 second = _mm256_permutevar_ps(highs, _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3));
	__m256i words =
		_mm256_packs_epi32(_mm256_cvttps_epi32(lows + first), _mm256_cvttps_epi32(lows + second));

	words = _mm256_permute4x64_epi64(words, 0xd8); /* packing goes by 128-bit parts */
	_mm_storeu_si128((__m128i *) p, _mm_packus_epi16(_mm256_castsi256_si128(words),
													 _mm256_extracti128_si256(words, 1)));
}

/* 16-bit sums as floats */
static inline void
widen_sums(__m256i sums, V *wide)
{
	wide[0] = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(sums)));
	wide[1] = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm256_extracti128_si256(sums, 1)));
}

/*
 * Sums of 16-bit words, of which the odd bytes are summed apart and subtracted
 * in the end, modulo 2^16.
 */
static inline void
block_sums(const uint8_t *table, uint32_t dim, const uint8_t *codes, V *sums)
{
	__m256i low = _mm256_set1_epi8(15);
	__m256i a0 = _mm256_setzero_si256();
	__m256i a1 = a0;
	__m256i a2 = a0;
	__m256i a3 = a0;

	for (uint32_t i = 0; i < 4 * dim; i += sizeof(__m256i))
	{
		__m256i code = _mm256_loadu_si256((const __m256i *) (codes + i));
		__m256i entries = _mm256_loadu_si256((const __m256i *) (table + i));
		__m256i lower = _mm256_shuffle_epi8(entries, _mm256_and_si256(code, low));
		__m256i upper =
			_mm256_shuffle_epi8(entries, _mm256_and_si256(_mm256_srli_epi16(code, 4), low));

		a0 = _mm256_add_epi16(a0, lower);
		a1 = _mm256_add_epi16(a1, _mm256_srli_epi16(lower, 8));
		a2 = _mm256_add_epi16(a2, upper);
		a3 = _mm256_add_epi16(a3, _mm256_srli_epi16(upper, 8));
	}
	a0 = _mm256_sub_epi16(a0, _mm256_slli_epi16(a1, 8));
	a2 = _mm256_sub_epi16(a2, _mm256_slli_epi16(a3, 8));
	widen_sums(_mm256_add_epi16(_mm256_permute2x128_si256(a0, a1, 0x20),
								_mm256_permute2x128_si256(a0, a1, 0x31)),
			   sums);
	widen_sums(_mm256_add_epi16(_mm256_permute2x128_si256(a2, a3, 0x20),
								_mm256_permute2x128_si256(a2, a3, 0x31)),
			   sums + 2);
}

#define BYTES 32

typedef __m256i I;

static inline I
i_zero(void)
{
	return _mm256_setzero_si256();
}

static inline I
i_add_squares(I s, const uint8_t *a, const uint8_t *b)
{
	__m256i x = _mm256_loadu_si256((const __m256i *) a);
	__m256i y = _mm256_loadu_si256((const __m256i *) b);
	__m256i difference = _mm256_sub_epi8(_mm256_max_epu8(x, y), _mm256_min_epu8(x, y));
	__m256i low = _mm256_unpacklo_epi8(difference, _mm256_setzero_si256());
	__m256i high = _mm256_unpackhi_epi8(difference, _mm256_setzero_si256());

	return _mm256_add_epi32(
		s, _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high)));
}

static inline I
i_add_squares_tail(I s, const uint8_t *a, const uint8_t *b, uint32_t tail)
{
	uint8_t x[BYTES] = {0};
	uint8_t y[BYTES] = {0};

	memcpy(x, a, tail);
	memcpy(y, b, tail);
	return i_add_squares(s, x, y);
}

static inline void
i_sums(const I *s, float *sums)
{
	__m256i all = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
	__m128i four = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));

	_mm_storeu_ps(sums, _mm_cvtepi32_ps(four));
}

#define QUANTISE_KERNELS quantise_avx2
#include "core/quantise_template.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* SIMD_HAVE_X86 */
