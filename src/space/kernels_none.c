/*-------------------------------------------------------------------------
 *
 * kernels_none.c
 *	  The kernels in plain C, for every processor.
 *
 * Vectors are the compiler's own (four floats), which it maps to whatever the
 * baseline of the platform has.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "space/half.h"
#include "space/kernel_table.h"
#include "space/logarithm.h"

#define WIDTH 4

typedef float V __attribute__((vector_size(16)));
typedef int32_t VInt __attribute__((vector_size(16)));

static inline V
v_set(float s)
{
	return (V){s, s, s, s};
}

static inline V
v_load(const float *p)
{
	V a;

	memcpy(&a, p, sizeof(a));
	return a;
}

static inline V
v_load_tail(const float *p, uint32_t tail)
{
	return (V){p[0], tail > 1 ? p[1] : 0.0f, tail > 2 ? p[2] : 0.0f, 0.0f};
}

/* half_to_float() of four */
static inline V
widen_lanes(VInt half)
{
	VInt magnitude = half & 0x7fff;
	VInt sign = (half & 0x8000) << 16;
	V value = (V) (magnitude << 13) * v_set(0x1p112f);
	VInt infinity = magnitude >= 0x7c00;

	return (V) ((VInt) value | (infinity & 0x7f800000) | sign);
}

static inline V
v_load_half(const uint16_t *p)
{
	return widen_lanes((VInt){p[0], p[1], p[2], p[3]});
}

static inline V
v_load_half_tail(const uint16_t *p, uint32_t before, uint32_t tail)
{
	(void) before;
	return widen_lanes((VInt){p[0], tail > 1 ? p[1] : 0, tail > 2 ? p[2] : 0, 0});
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
	memcpy(p, &a, sizeof(a));
}

/* Lanes of x where mask is all ones, of y where it is zero */
static inline V
v_blend(VInt mask, V x, V y)
{
	return (V) ((mask & (VInt) x) | (~mask & (VInt) y));
}

static inline V
v_keep(V a, uint32_t tail)
{
	VInt lane = {0, 1, 2, 3};
	int32_t count = (int32_t) tail;

	return v_blend(lane < (VInt){count, count, count, count}, a, v_set(0.0f));
}

static inline V
v_fma(V a, V b, V c)
{
	return a * b + c;
}

static inline V
v_min(V a, V b)
{
	return v_blend(a < b, a, b);
}

static inline V
v_max(V a, V b)
{
	return v_blend(a > b, a, b);
}

static inline V
v_abs(V a)
{
	return (V) ((VInt) a & 0x7fffffff);
}

static inline V
v_select_less(V a, V b, V x, V y)
{
	return v_blend(a < b, x, y);
}

static inline V
v_split(V a, V *e)
{
	const int32_t root_half = 0x3f3504f3; /* sqrt(1/2) */
	VInt denormal = a < v_set(FLT_MIN);
	VInt bits = (VInt) v_blend(denormal, a * v_set(0x1p24f), a) - root_half;

	*e = __builtin_convertvector(bits >> 23, V) - v_blend(denormal, v_set(24.0f), v_set(0.0f));
	return (V) ((bits & 0x007fffff) + root_half);
}

static inline V
v_scale(V a, V e)
{
	VInt exponent = __builtin_convertvector(e, VInt);

	return a * (V) ((exponent + 127) << 23);
}

static inline float
v_sum(V a)
{
	return (a[0] + a[2]) + (a[1] + a[3]);
}

static inline float
v_maximum(V a)
{
	float even = a[0] > a[2] ? a[0] : a[2];
	float odd = a[1] > a[3] ? a[1] : a[3];

	return even > odd ? even : odd;
}

#define KERNELS kernels_none
#include "space/kernel_template.h"
