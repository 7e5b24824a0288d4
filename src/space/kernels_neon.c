/*-------------------------------------------------------------------------
 *
 * kernels_neon.c
 *	  The kernels for 64-bit ARM, where NEON is part of the baseline.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>

#include "space/half.h"
#include "space/kernel_table.h"
#include "space/logarithm.h"

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

static inline V
v_load_tail(const float *p, uint32_t tail)
{
	V a = vld1q_lane_f32(p, vdupq_n_f32(0.0f), 0);

	if (tail > 1)
		a = vld1q_lane_f32(p + 1, a, 1);
	if (tail > 2)
		a = vld1q_lane_f32(p + 2, a, 2);
	return a;
}

static inline V
v_load_half(const uint16_t *p)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline V
v_load_half_tail(const uint16_t *p, uint32_t before, uint32_t tail)
{
	uint16x4_t a = vld1_lane_u16(p, vdup_n_u16(0), 0);

	(void) before;
	if (tail > 1)
		a = vld1_lane_u16(p + 1, a, 1);
	if (tail > 2)
		a = vld1_lane_u16(p + 2, a, 2);
	return vcvt_f32_f16(vreinterpret_f16_u16(a));
}

static inline V
v_load_bytes(const uint8_t *p)
{
	return (V){p[0], p[1], p[2], p[3]};
}

static inline V
v_load_bytes_tail(const uint8_t *p, uint32_t before, uint32_t tail)
{
	(void) before;
	return (V){p[0], tail > 1 ? p[1] : 0.0f, tail > 2 ? p[2] : 0.0f, 0.0f};
}

static inline void
v_store(float *p, V a)
{
	vst1q_f32(p, a);
}

static inline V
v_keep(V a, uint32_t tail)
{
	static const uint32_t lanes[WIDTH] = {0, 1, 2, 3};
	uint32x4_t mask = vcltq_u32(vld1q_u32(lanes), vdupq_n_u32(tail));

	return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), mask));
}

static inline V
v_fma(V a, V b, V c)
{
	return vfmaq_f32(c, a, b);
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
v_abs(V a)
{
	return vabsq_f32(a);
}

static inline V
v_select_less(V a, V b, V x, V y)
{
	return vbslq_f32(vcltq_f32(a, b), x, y);
}

static inline V
v_split(V a, V *e)
{
	int32x4_t root_half = vdupq_n_s32(0x3f3504f3); /* sqrt(1/2) */
	uint32x4_t denormal = vcltq_f32(a, vdupq_n_f32(FLT_MIN));
	V scaled = vbslq_f32(denormal, vmulq_n_f32(a, 0x1p24f), a);
	int32x4_t bits = vsubq_s32(vreinterpretq_s32_f32(scaled), root_half);
	int32x4_t mantissa = vandq_s32(bits, vdupq_n_s32(0x007fffff));
	V exponent = vcvtq_f32_s32(vshrq_n_s32(bits, 23));

	*e = vsubq_f32(exponent, vbslq_f32(denormal, vdupq_n_f32(24.0f), vdupq_n_f32(0.0f)));
	return vreinterpretq_f32_s32(vaddq_s32(mantissa, root_half));
}

static inline V
v_scale(V a, V e)
{
	int32x4_t biased = vaddq_s32(vcvtq_s32_f32(e), vdupq_n_s32(127));

	return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(biased, 23)));
}

static inline float
v_sum(V a)
{
	return vaddvq_f32(a);
}

static inline float
v_maximum(V a)
{
	return vmaxvq_f32(a);
}

#define KERNELS kernels_neon
#include "space/kernel_template.h"

#endif /* SIMD_HAVE_NEON */
