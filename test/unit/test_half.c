/*-------------------------------------------------------------------------
 *
 * test_half.c
 *	  Half precision: every half against its definition, rounding of floats
 *	  against the neighbouring halves, arrays on every instruction set.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "core/simd.h"
#include "space/half.h"

#define HALVES 65536

/* The value of a half by the definition of IEEE 754 */
static double
half_value(unsigned half)
{
	int exponent = (half >> 10) & 31;
	int fraction = half & 1023;
	double magnitude;

	if (exponent == 31)
		magnitude = fraction == 0 ? INFINITY : NAN;
	else if (exponent == 0)
		magnitude = ldexp(fraction, -24);
	else
		magnitude = ldexp(1024 + fraction, exponent - 25);
	return half & 0x8000 ? -magnitude : magnitude;
}

static void
test_every_half_widens_to_its_value(void)
{
	for (unsigned half = 0; half < HALVES; half++)
	{
		double expected = half_value(half);
		double single = half_to_float((uint16_t) half);

		if (isnan(expected))
			CHECK(isnan(single), "half %04x gives %g", half, single);
		else
			CHECK(single == expected && !signbit(single) == !signbit(expected),
				  "half %04x gives %g, not %g", half, single, expected);
	}
}

static void
test_every_half_survives_the_round_trip(void)
{
	for (unsigned half = 0; half < HALVES; half++)
	{
		uint16_t back = half_from_float(half_to_float((uint16_t) half));

		if (isnan(half_value(half)))
			CHECK(isnan(half_value(back)), "NaN %04x comes back as %04x", half, back);
		else
			CHECK(back == half, "%04x comes back as %04x", half, back);
	}
}

/* Between neighbours: the nearer one, at the midpoint the even one */
static void
test_rounding_between_neighbours(void)
{
	for (unsigned low = 0; low < 0x7bff; low++)
	{
		double a = half_value(low);
		double b = half_value(low + 1);
		float middle = (float) ((a + b) / 2);
		unsigned even = low % 2 == 0 ? low : low + 1;

		CHECK(half_from_float(middle) == even, "middle above %04x", low);
		CHECK(half_from_float(nextafterf(middle, 0)) == low, "below the middle above %04x", low);
		CHECK(half_from_float(nextafterf(middle, INFINITY)) == low + 1,
			  "above the middle above %04x", low);
		CHECK(half_from_float(-middle) == (even | 0x8000), "minus the middle above %04x", low);
	}
}

static void
test_rounding_at_the_edges(void)
{
	CHECK(half_from_float(65504.0f) == 0x7bff, "largest half");
	CHECK(half_from_float(nextafterf(65520.0f, 0)) == 0x7bff, "just below 65520");
	CHECK(half_from_float(65520.0f) == 0x7c00, "65520 is infinite");
	CHECK(half_from_float(-65536.0f) == 0xfc00, "-65536 is infinite");
	CHECK(half_from_float(3e38f) == 0x7c00, "3e38 is infinite");
	CHECK(half_from_float(INFINITY) == 0x7c00, "infinity");
	CHECK(isnan(half_value(half_from_float(NAN))), "NaN");
	CHECK(half_from_float(0x1p-25f) == 0, "half the smallest: tie to zero");
	CHECK(half_from_float(nextafterf(0x1p-25f, 1)) == 1, "just above it");
	CHECK(half_from_float(1e-45f) == 0, "smallest float");
	CHECK(half_from_float(-0.0f) == 0x8000, "minus zero");
	CHECK(half_from_float(0x1p-14f) == 0x0400, "smallest normal half");
	CHECK(half_from_float(nextafterf(0x1p-14f, 0)) == 0x0400, "rounds up to it");
}

static void
test_arrays_on_every_instruction_set(void)
{
	static uint16_t halves[HALVES];
	static uint16_t back[HALVES];
	static float singles[HALVES];

	for (unsigned i = 0; i < HALVES; i++)
		halves[i] = (uint16_t) i;
	for (SimdLevel level = SIMD_NONE; level <= SIMD_AVX512; level++)
	{
		if (!simd_select(level))
			continue;
		for (unsigned from = 0; from < 40; from++)
		{
			unsigned count = HALVES - from * 13;

			half_to_float_array(halves + from, singles, count - from);
			half_from_float_array(singles, back, count - from);
			for (unsigned i = 0; i < count - from; i++)
			{
				if (isnan(half_value(halves[from + i])))
					CHECK(isnan(singles[i]), "%s, half %04x", simd_name(level), from + i);
				else
					CHECK(back[i] == halves[from + i], "%s, half %04x", simd_name(level), from + i);
			}
		}
	}
	simd_select(simd_detect());
}

int
main(void)
{
	RUN(test_every_half_widens_to_its_value);
	RUN(test_every_half_survives_the_round_trip);
	RUN(test_rounding_between_neighbours);
	RUN(test_rounding_at_the_edges);
	RUN(test_arrays_on_every_instruction_set);
	return unit_finish();
}
