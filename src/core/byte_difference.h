/*-------------------------------------------------------------------------
 *
 * byte_difference.h
 *	  The largest difference between the bytes of two arrays, and the sum of the
 *	  squares of all.
 *
 * Inline, for loops over many short arrays: a call through a table of kernels would
 * take longer than the 16 bytes that every x86-64 and arm64 processor compares at
 * once.  All forms give the same number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_BYTE_DIFFERENCE_H
#define ANN_BYTE_DIFFERENCE_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Arrays have a multiple of so many bytes; they need not be aligned. */
#define BYTE_DIFFERENCE_STEP 16

static inline int
byte_difference_plain(const uint8_t *a, const uint8_t *b, int n)
{
	int largest = 0;

	for (int i = 0; i < n; i++)
	{
		int difference = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];

		largest = difference > largest ? difference : largest;
	}
	return largest;
}

static inline uint32_t
byte_squares_plain(const uint8_t *a, const uint8_t *b, int n)
{
	uint32_t sum = 0;

	for (int i = 0; i < n; i++)
	{
		int difference = a[i] - b[i];

		sum += (uint32_t) (difference * difference);
	}
	return sum;
}

/* max |a[i] - b[i]| over n bytes, n a multiple of BYTE_DIFFERENCE_STEP; 0 if n is 0 */
static inline int
byte_difference(const uint8_t *a, const uint8_t *b, int n)
{
#if defined(__SSE2__)
	__m128i most = _mm_setzero_si128();

	for (int i = 0; i < n; i += BYTE_DIFFERENCE_STEP)
	{
		__m128i x = _mm_loadu_si128((const __m128i *) (a + i));
		__m128i y = _mm_loadu_si128((const __m128i *) (b + i));

		most = _mm_max_epu8(most, _mm_or_si128(_mm_subs_epu8(x, y), _mm_subs_epu8(y, x)));
	}
	most = _mm_max_epu8(most, _mm_srli_si128(most, 8));
	most = _mm_max_epu8(most, _mm_srli_si128(most, 4));
	most = _mm_max_epu8(most, _mm_srli_si128(most, 2));
	most = _mm_max_epu8(most, _mm_srli_si128(most, 1));
	return _mm_cvtsi128_si32(most) & 0xFF;
#elif defined(__ARM_NEON) && defined(__aarch64__)
	uint8x16_t most = vdupq_n_u8(0);

	for (int i = 0; i < n; i += BYTE_DIFFERENCE_STEP)
		most = vmaxq_u8(most, vabdq_u8(vld1q_u8(a + i), vld1q_u8(b + i)));
	return vmaxvq_u8(most);
#else
	return byte_difference_plain(a, b, n);
#endif
}

/* The sum of (a[i] - b[i])^2 over n bytes, n a multiple of BYTE_DIFFERENCE_STEP, at most 2^16 */
static inline uint32_t
byte_squares(const uint8_t *a, const uint8_t *b, int n)
{
#if defined(__SSE2__)
	__m128i zero = _mm_setzero_si128();
	__m128i sum = zero;

	for (int i = 0; i < n; i += BYTE_DIFFERENCE_STEP)
	{
		__m128i x = _mm_loadu_si128((const __m128i *) (a + i));
		__m128i y = _mm_loadu_si128((const __m128i *) (b + i));
		__m128i difference = _mm_or_si128(_mm_subs_epu8(x, y), _mm_subs_epu8(y, x));
		__m128i low = _mm_unpacklo_epi8(difference, zero);
		__m128i high = _mm_unpackhi_epi8(difference, zero);

		sum = _mm_add_epi32(sum, _mm_madd_epi16(low, low));
		sum = _mm_add_epi32(sum, _mm_madd_epi16(high, high));
	}
	sum = _mm_add_epi32(sum, _mm_srli_si128(sum, 8));
	sum = _mm_add_epi32(sum, _mm_srli_si128(sum, 4));
	return (uint32_t) _mm_cvtsi128_si32(sum);
#elif defined(__ARM_NEON) && defined(__aarch64__)
	uint32x4_t sum = vdupq_n_u32(0);

	for (int i = 0; i < n; i += BYTE_DIFFERENCE_STEP)
	{
		uint8x16_t difference = vabdq_u8(vld1q_u8(a + i), vld1q_u8(b + i));

		sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(difference), vget_low_u8(difference)));
		sum = vpadalq_u16(sum, vmull_u8(vget_high_u8(difference), vget_high_u8(difference)));
	}
	return vaddvq_u32(sum);
#else
	return byte_squares_plain(a, b, n);
#endif
}

#endif /* ANN_BYTE_DIFFERENCE_H */
