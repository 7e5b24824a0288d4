/*-------------------------------------------------------------------------
 *
 * byte_difference.h
 *	  The largest difference between the bytes of two arrays.
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

#endif /* ANN_BYTE_DIFFERENCE_H */
