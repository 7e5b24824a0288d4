/*-------------------------------------------------------------------------
 *
 * quantise_avx512.c
 *	  The kernels of rotation.c, rabitq.c and byte_distance.c for x86-64 with
 *	  AVX-512 F, BW, DQ, VL and VNNI.
 *
 * Compiled for these instructions whatever the compiler's flags say; only
 * simd_select() makes them run.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "core/quantise_table.h"
#include "core/random.h"
#include "core/rotation.h"

#ifdef SIMD_HAVE_X86

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push( \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif

#define WIDTH 16

typedef __m512 V;

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

static inline void
v_store(float *p, V a)
{
	_mm512_storeu_ps(p, a);
}

static inline V
v_load_bfloat(const uint8_t *p)
{
	__m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) p));

	return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static inline V
v_abs(V a)
{
	return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
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
v_flip(V a, uint32_t bits)
{
	return _mm512_mask_xor_ps(a, (__mmask16) bits, a, _mm512_set1_ps(-0.0f));
}

static inline uint32_t
v_at_least_zero(V a)
{
	return _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_GE_OQ);
}

/* Each lane plus its partner's, the second of a pair with its own sign changed */
static inline V
v_butterflies(V a)
{
	a = _mm512_permute_ps(a, 0xb1) + v_flip(a, 0xaaaa);
	a = _mm512_permute_ps(a, 0x4e) + v_flip(a, 0xcccc);
	a = _mm512_shuffle_f32x4(a, a, 0xb1) + v_flip(a, 0xf0f0);
	return _mm512_shuffle_f32x4(a, a, 0x4e) + v_flip(a, 0xff00);
}

static inline void
store_table(uint8_t *p, Quad low, Quad high)
{
	__m512i each_four = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
	__m512 lows = _mm512_broadcast_f32x4(low);
	__m512 highs = _mm512_broadcast_f32x4(high);

	highs = _mm512_permutevar_ps(highs, each_four);
	_mm_storeu_si128((__m128i *) p, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(lows + highs)));
}

/*
 * Sums of 16-bit words, of which the odd bytes are summed apart and subtracted
 * in the end, modulo 2^16.  Then a0 to a3 are each added up to one of the
 * quarters of a vector.
 */
static inline void
block_sums(const uint8_t *table, uint32_t dim, const uint8_t *codes, V *sums)
{
	__m512i low = _mm512_set1_epi8(15);
	__m512i a0 = _mm512_setzero_si512();
	__m512i a1 = a0;
	__m512i a2 = a0;
	__m512i a3 = a0;

	for (uint32_t i = 0; i < 4 * dim; i += sizeof(__m512i))
	{
		__m512i code = _mm512_loadu_si512(codes + i);
		__m512i entries = _mm512_loadu_si512(table + i);
		__m512i lower = _mm512_shuffle_epi8(entries, _mm512_and_si512(code, low));
		__m512i upper =
			_mm512_shuffle_epi8(entries, _mm512_and_si512(_mm512_srli_epi16(code, 4), low));

		a0 = _mm512_add_epi16(a0, lower);
		a1 = _mm512_add_epi16(a1, _mm512_srli_epi16(lower, 8));
		a2 = _mm512_add_epi16(a2, upper);
		a3 = _mm512_add_epi16(a3, _mm512_srli_epi16(upper, 8));
	}
	a0 = _mm512_sub_epi16(a0, _mm512_slli_epi16(a1, 8));
	a2 = _mm512_sub_epi16(a2, _mm512_slli_epi16(a3, 8));
	a0 = _mm512_add_epi16(_mm512_shuffle_i64x2(a0, a1, 0x44), _mm512_shuffle_i64x2(a0, a1, 0xee));
	a2 = _mm512_add_epi16(_mm512_shuffle_i64x2(a2, a3, 0x44), _mm512_shuffle_i64x2(a2, a3, 0xee));
	a0 = _mm512_add_epi16(_mm512_shuffle_i64x2(a0, a2, 0x88), _mm512_shuffle_i64x2(a0, a2, 0xdd));
	sums[0] = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(a0)));
	sums[1] = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(a0, 1)));
}

#define BYTES 64

typedef __m512i I;

static inline I
i_zero(void)
{
	return _mm512_setzero_si512();
}

static inline I
add_squares(I s, __m512i a, __m512i b)
{
	__m512i difference = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));
	__m512i low = _mm512_unpacklo_epi8(difference, _mm512_setzero_si512());
	__m512i high = _mm512_unpackhi_epi8(difference, _mm512_setzero_si512());

	return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(s, low, low), high, high);
}

static inline I
i_add_squares(I s, const uint8_t *a, const uint8_t *b)
{
	return add_squares(s, _mm512_loadu_si512(a), _mm512_loadu_si512(b));
}

static inline I
i_add_squares_tail(I s, const uint8_t *a, const uint8_t *b, uint32_t tail)
{
	__mmask64 mask = (UINT64_C(1) << tail) - 1;

	return add_squares(s, _mm512_maskz_loadu_epi8(mask, a), _mm512_maskz_loadu_epi8(mask, b));
}

static inline __m256i
add_halves(I s)
{
	return _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
}

static inline void
i_sums(const I *s, float *sums)
{
	__m256i first = _mm256_hadd_epi32(add_halves(s[0]), add_halves(s[1]));
	__m256i second = _mm256_hadd_epi32(add_halves(s[2]), add_halves(s[3]));
	__m256i all = _mm256_hadd_epi32(first, second);
	__m128i four = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));

	_mm_storeu_ps(sums, _mm_cvtepi32_ps(four));
}

#define QUANTISE_KERNELS quantise_avx512
#include "core/quantise_template.h"

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* SIMD_HAVE_X86 */
