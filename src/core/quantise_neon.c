/*-------------------------------------------------------------------------
 *
 * quantise_neon.c
 *	  The kernels of rotation.c, rabitq.c and byte_distance.c for aarch64.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/quantise_table.h"
#include "core/random.h"
#include "core/rotation.h"

#ifdef SIMD_HAVE_NEON

#include <arm_neon.h>

#define WIDTH 4

typedef float32x4_t V;

static inline V
v_set(float s)
{
	return vdupq_n_f32(s);
}

static inline V
v_load(const float *p)
{
	return vld1q_f32(p);
}

static inline void
v_store(float *p, V a)
{
	vst1q_f32(p, a);
}

static inline V
v_load_bfloat(const uint8_t *p)
{
	uint16x4_t halves = vreinterpret_u16_u8(vld1_u8(p));

	return vreinterpretq_f32_u32(vshll_n_u16(halves, 16));
}

static inline V
v_abs(V a)
{
	return vabsq_f32(a);
}

static inline V
v_min(V a, V b)
{
	return vminq_f32(a, b);
}

static inline V
v_max(V a, V b)
{
	return vmaxq_f32(a, b);
}

static inline V
v_flip(V a, uint32_t bits)
{
	static const int32_t to_top[WIDTH] = {31, 30, 29, 28};
	uint32x4_t tops = vshlq_u32(vdupq_n_u32(bits), vld1q_s32(to_top));
	uint32x4_t flips = vandq_u32(tops, vdupq_n_u32(0x80000000));

	return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(a), flips));
}

static inline uint32_t
v_at_least_zero(V a)
{
	static const uint32_t lane_bits[WIDTH] = {1, 2, 4, 8};

	return vaddvq_u32(vandq_u32(vcgezq_f32(a), vld1q_u32(lane_bits)));
}

/* Each lane plus its partner's, the second of a pair with its own sign changed */
static inline V
v_butterflies(V a)
{
	a = vrev64q_f32(a) + v_flip(a, 0xa);
	return vextq_f32(a, a, 2) + v_flip(a, 0xc);
}

static inline void
store_table(uint8_t *p, Quad low, Quad high)
{
	uint16x4_t words[4];

	for (int k = 0; k < 4; k++)
		words[k] = vmovn_u32(vcvtq_u32_f32((float32x4_t) low + vdupq_n_f32(high[k])));
	vst1q_u8(p, vcombine_u8(vmovn_u16(vcombine_u16(words[0], words[1])),
							vmovn_u16(vcombine_u16(words[2], words[3]))));
}

/* 16-bit sums as floats */
static inline void
widen_sums(uint16x8_t sums, V *wide)
{
	wide[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(sums)));
	wide[1] = vcvtq_f32_u32(vmovl_high_u16(sums));
}

/*
 * Sums of 16-bit words, of which the odd bytes are summed apart and subtracted
 * in the end, modulo 2^16.
 */
static inline void
block_sums(const uint8_t *table, uint32_t dim, const uint8_t *codes, V *sums)
{
	uint16x8_t a0 = vdupq_n_u16(0);
	uint16x8_t a1 = a0;
	uint16x8_t a2 = a0;
	uint16x8_t a3 = a0;

	for (uint32_t i = 0; i < 4 * dim; i += sizeof(uint8x16_t))
	{
		uint8x16_t code = vld1q_u8(codes + i);
		uint8x16_t entries = vld1q_u8(table + i);
		uint8x16_t lower = vqtbl1q_u8(entries, vandq_u8(code, vdupq_n_u8(15)));
		uint8x16_t upper = vqtbl1q_u8(entries, vshrq_n_u8(code, 4));

		a0 = vaddq_u16(a0, vreinterpretq_u16_u8(lower));
		a1 = vsraq_n_u16(a1, vreinterpretq_u16_u8(lower), 8);
		a2 = vaddq_u16(a2, vreinterpretq_u16_u8(upper));
		a3 = vsraq_n_u16(a3, vreinterpretq_u16_u8(upper), 8);
	}
	widen_sums(vsubq_u16(a0, vshlq_n_u16(a1, 8)), sums);
	widen_sums(a1, sums + 2);
	widen_sums(vsubq_u16(a2, vshlq_n_u16(a3, 8)), sums + 4);
	widen_sums(a3, sums + 6);
}

#define BYTES 16

typedef uint32x4_t I;

static inline I
i_zero(void)
{
	return vdupq_n_u32(0);
}

static inline I
i_add_squares(I s, const uint8_t *a, const uint8_t *b)
{
	uint8x16_t difference = vabdq_u8(vld1q_u8(a), vld1q_u8(b));
	uint8x8_t low = vget_low_u8(difference);
	uint8x8_t high = vget_high_u8(difference);

	return vpadalq_u16(vpadalq_u16(s, vmull_u8(low, low)), vmull_u8(high, high));
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
	for (int k = 0; k < 4; k++)
		sums[k] = (float) vaddvq_u32(s[k]);
}

#define QUANTISE_KERNELS quantise_neon
#include "core/quantise_template.h"

#endif /* SIMD_HAVE_NEON */
