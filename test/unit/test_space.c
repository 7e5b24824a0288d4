/*-------------------------------------------------------------------------
 *
 * test_space.c
 *	  Distances of the spaces: worked values of NMSLIB's definitions, zeros,
 *	  domains, parameters, symmetry, left and right, and that every way to one
 *	  distance gives the same bits.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <string.h>

#include "core/simd.h"
#include "space/half.h"
#include "space/space.h"

#define MAX_DIM 8
#define PI 3.14159265358979323846

typedef struct Vector
{
	uint32_t dim;
	float x[MAX_DIM];
} Vector;

static const Vector a = {3, {1, 2, 3}};
static const Vector b = {3, {4, 6, 3}};
static const Vector minus_a = {3, {-1, -2, -3}};
static const Vector o = {3, {0, 0, 0}};
static const Vector x = {4, {.1f, .2f, .3f, .4f}};
static const Vector y = {4, {.4f, .3f, .2f, .1f}};
static const Vector z = {4, {.5f, .5f, 0, 0}};
static const Vector w = {4, {0, .5f, .5f, 0}};
static const Vector c = {3, {.5f, .25f, .25f}};
static const Vector d = {3, {.25f, .25f, .5f}};
static const Vector e = {3, {.5f, .25f, .125f}};
static const Vector first = {2, {1, 0}};
static const Vector second = {2, {0, 1}};

/* Distance of two vectors in a space, through space_distance() */
static double
distance(const char *name, SpaceElement element, double p0, double p1, const Vector *object,
		 const Vector *query)
{
	SpaceContext context = {space_find(name, element), object->dim, {p0, p1}};
	uint16_t half[2][MAX_DIM];
	void *scratch;
	double result;

	if (context.space == NULL)
		return NAN;
	scratch = malloc(space_distance_scratch(&context) + 1);
	if (element == SPACE_FLOAT16)
	{
		half_from_float_array(object->x, half[0], object->dim);
		half_from_float_array(query->x, half[1], object->dim);
		result = space_distance(&context, half[0], half[1], scratch);
	}
	else
		result = space_distance(&context, object->x, query->x, scratch);
	free(scratch);
	return result;
}

static bool
near(double value, double expected, double tolerance)
{
	return fabs(value - expected) <= tolerance * fmax(fabs(expected), 1e-3);
}

/* The values are given to six digits after the point. */
#define VALUE_TOLERANCE 2e-6

typedef struct WorkedValue
{
	const char *space;
	double params[SPACE_MAX_PARAMS];
	const Vector *object;
	const Vector *query;
	double expected;
} WorkedValue;

static const WorkedValue worked_values[] = {
	{"l1", {0}, &a, &b, 7.000000},
	{"l1", {0}, &x, &y, 0.800000},
	{"l2", {0}, &a, &b, 5.000000},
	{"l2", {0}, &x, &y, 0.447214},
	{"linf", {0}, &a, &b, 4.000000},
	{"linf", {0}, &x, &y, 0.300000},
	{"lp", {1}, &a, &b, 7.000000},
	{"lp", {2}, &a, &b, 5.000000},
	{"lp", {3}, &a, &b, 4.497941},
	{"lp", {3}, &x, &y, 0.382586},
	{"lp", {1.5}, &a, &b, 5.584250},
	{"lp", {1.5}, &x, &y, 0.535511},
	{"lp", {0.5}, &a, &b, 13.928203},
	{"lp", {0.5}, &x, &y, 2.985641},
	{"lp", {0.125}, &a, &b, 887.957463},
	{"lp", {0.125}, &x, &y, 11567.095111},
	{"cosine", {0}, &a, &b, 0.144518},
	{"cosine", {0}, &x, &y, 0.333333},
	{"cosine", {0}, &a, &minus_a, 2},
	{"cosine", {0}, &a, &a, 0},
	{"cosine", {0}, &first, &second, 1},
	{"cosine", {0}, &a, &o, 1},
	{"cosine", {0}, &o, &a, 1},
	{"cosine", {0}, &o, &o, 1},
	{"angular", {0}, &a, &b, 0.544315},
	{"angular", {0}, &x, &y, 0.841069},
	{"angular", {0}, &a, &minus_a, PI},
	{"angular", {0}, &first, &second, PI / 2},
	{"angular", {0}, &a, &o, PI / 2},
	{"angular", {0}, &o, &o, PI / 2},
	{"ip", {0}, &a, &b, -25.000000},
	{"ip", {0}, &x, &y, -0.200000},
	{"js", {0}, &x, &y, 0.106440},
	{"js", {0}, &z, &w, 0.346574},
	{"js", {0}, &z, &x, 0.348584},
	{"js", {0}, &first, &second, 0.693147},
	{"js", {0}, &a, &b, 1.005112},
	{"jsmetric", {0}, &x, &y, 0.326252},
	{"jsmetric", {0}, &z, &w, 0.588705},
	{"jsmetric", {0}, &z, &x, 0.590410},
	{"jsmetric", {0}, &first, &second, 0.832555},
	{"kl", {0}, &x, &y, 0.456435},
	{"kl", {0}, &c, &d, 0.173287},
	{"kl", {0}, &c, &e, 0.173287},
	{"kl", {0}, &e, &c, -0.086643},
	{"kl", {0}, &z, &x, 1.262864},
	{"kl", {0}, &a, &b, -3.583519},
	{"kl", {0}, &x, &z, 69998.928090},
	{"kl_right", {0}, &c, &e, -0.086643},
	{"kl_right", {0}, &e, &c, 0.173287},
	{"gkl", {0}, &a, &b, 3.416481},
	{"gkl", {0}, &b, &a, 5.136851},
	{"gkl", {0}, &c, &d, 0.173287},
	{"gkl", {0}, &c, &e, 0.048287},
	{"gkl", {0}, &e, &c, 0.038357},
	{"gkl", {0}, &z, &x, 1.262864},
	{"gkl_right", {0}, &c, &e, 0.038357},
	{"is", {0}, &a, &b, 1.068240},
	{"is", {0}, &b, &a, 2.515093},
	{"is", {0}, &x, &y, 2.416667},
	{"is", {0}, &c, &d, 0.500000},
	{"is", {0}, &c, &e, 0.306853},
	{"is", {0}, &e, &c, 0.193147},
	{"is_right", {0}, &c, &e, 0.193147},
	{"renyi", {0.5}, &c, &d, 0.087681},
	{"renyi", {0.5}, &x, &y, 0.233297},
	{"renyi", {2}, &c, &d, 0.318454},
	{"renyi", {2}, &x, &y, 0.792238},
	{"renyi", {0.25}, &c, &d, 0.043709},
	{"renyi", {0.25}, &x, &y, 0.115994},
	{"renyi", {0.75}, &c, &d, 0.131126},
	{"renyi", {0.75}, &x, &y, 0.347983},
	{"alphabeta", {1, 1}, &c, &d, 0.109375},
	{"alphabeta", {1, 1}, &x, &y, 0.050000},
	{"alphabeta", {1, 1}, &a, &b, 55},
	{"alphabeta", {1, 1}, &b, &a, 115},
	{"alphabeta", {-1, 1}, &c, &d, 1},
	{"alphabeta", {-1, 1}, &a, &b, 13},
	{"alphabeta", {-1, 1}, &b, &a, 6},
	{"alphabeta", {0.5, -0.5}, &c, &d, 1.133883},
	{"alphabeta", {0.5, -0.5}, &x, &y, 1.380723},
	{"alphabeta", {0.5, -0.5}, &a, &b, 4.654701},
	{"alphabeta", {0.5, -0.5}, &b, &a, 21.392305},
	{"alphabeta", {2, 0.5}, &c, &d, 0.081361},
	{"alphabeta", {2, 0.5}, &a, &b, 68.361290},
	{"alphabeta", {2, 0.5}, &b, &a, 416.235501},
};

#define WORKED_VALUES (sizeof(worked_values) / sizeof(worked_values[0]))

/* Half a unit of the sixth digit after the point, beside VALUE_TOLERANCE */
#define LAST_DIGIT 5.1e-7

static void
test_worked_values(void)
{
	for (SimdLevel level = SIMD_NONE; level <= SIMD_AVX512; level++)
	{
		if (!simd_select(level))
			continue;
		for (size_t i = 0; i < WORKED_VALUES; i++)
		{
			const WorkedValue *v = &worked_values[i];
			double result =
				distance(v->space, SPACE_FLOAT32, v->params[0], v->params[1], v->object, v->query);

			CHECK(fabs(result - v->expected) <= LAST_DIGIT + VALUE_TOLERANCE * fabs(v->expected),
				  "%s, value %zu of %s: %.9g, not %.9g", simd_name(level), i, v->space, result,
				  v->expected);
		}
	}
	simd_select(simd_detect());
}

/* Small integers are exact in half precision, tenths are not. */
static void
test_worked_values_of_halves(void)
{
	for (SimdLevel level = SIMD_NONE; level <= SIMD_AVX512; level++)
	{
		if (!simd_select(level))
			continue;
		for (size_t i = 0; i < WORKED_VALUES; i++)
		{
			const WorkedValue *v = &worked_values[i];
			double tolerance = v->object == &x ? 1e-3 : VALUE_TOLERANCE;
			double result;

			if (space_find(v->space, SPACE_FLOAT16) == NULL)
				continue;
			result = distance(v->space, SPACE_FLOAT16, 0, 0, v->object, v->query);
			CHECK(fabs(result - v->expected) <= LAST_DIGIT + tolerance * fabs(v->expected),
				  "%s, value %zu of %s: %.9g, not %.9g", simd_name(level), i, v->space, result,
				  v->expected);
		}
	}
	simd_select(simd_detect());
}

static void
test_which_spaces_there_are(void)
{
	static const char *const both[] = {"l2", "ip", "cosine", "l1", "linf", "angular"};
	static const char *const single[] = {"lp",		  "js", "jsmetric", "kl",	 "kl_right", "gkl",
										 "gkl_right", "is", "is_right", "renyi", "alphabeta"};
	int n;
	const Space *const *all = space_all(&n);

	CHECK(n == 6 * 3 + 11, "%d spaces", n);
	for (int i = 0; i < n; i++)
		CHECK(space_find(all[i]->name, all[i]->element) == all[i], "%s", all[i]->name);
	for (int i = 0; i < 6; i++)
	{
		CHECK(space_find(both[i], SPACE_FLOAT32) != NULL, "%s of vector", both[i]);
		CHECK(space_find(both[i], SPACE_FLOAT16) != NULL, "%s of halfvec", both[i]);
		CHECK(space_find(both[i], SPACE_UINT8) != NULL, "%s of bytes", both[i]);
	}
	for (int i = 0; i < 11; i++)
	{
		CHECK(space_find(single[i], SPACE_FLOAT32) != NULL, "%s of vector", single[i]);
		CHECK(space_find(single[i], SPACE_FLOAT16) == NULL, "%s of halfvec", single[i]);
	}
	CHECK(space_find("l3", SPACE_FLOAT32) == NULL, "no such space");
}

static void
test_parameters(void)
{
	static const struct
	{
		const char *space;
		double params[SPACE_MAX_PARAMS];
		int bad;
	} cases[] = {
		{"l2", {NAN, NAN}, -1},		{"lp", {0.125, 0}, -1},		{"lp", {1, 0}, -1},
		{"lp", {0, 0}, 0},			{"lp", {-1, 0}, 0},			{"lp", {INFINITY, 0}, 0},
		{"lp", {NAN, 0}, 0},		{"renyi", {0.5, 0}, -1},	{"renyi", {1, 0}, 0},
		{"renyi", {0, 0}, 0},		{"renyi", {2, 0}, -1},		{"alphabeta", {0, 0}, -1},
		{"alphabeta", {-3, 7}, -1}, {"alphabeta", {NAN, 1}, 0}, {"alphabeta", {1, INFINITY}, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Space *space = space_find(cases[i].space, SPACE_FLOAT32);

		CHECK(space_validate_params(space, cases[i].params) == cases[i].bad, "case %zu", i);
	}
}

static void
test_domains(void)
{
	static const char *const not_negative[] = {"js",	   "jsmetric", "kl",
											   "kl_right", "gkl",	   "gkl_right"};
	static const char *const positive[] = {"is", "is_right", "renyi", "alphabeta"};
	const float zero[3] = {1, 0, -2};
	const float negative[3] = {1, 2, -1e-40f};
	const float minus_zero[3] = {-0.0f, 1, 1};
	uint32_t where;

	for (int i = 0; i < 6; i++)
	{
		SpaceContext context = {space_find(not_negative[i], SPACE_FLOAT32), 2, {0}};

		CHECK(space_check(&context, zero, &where) == SPACE_OK, "%s", not_negative[i]);
		CHECK(space_check(&context, minus_zero, &where) == SPACE_OK, "%s", not_negative[i]);
		context.dim = 3;
		CHECK(space_check(&context, negative, &where) == SPACE_NEGATIVE && where == 2, "%s",
			  not_negative[i]);
	}
	for (int i = 0; i < 4; i++)
	{
		SpaceContext context = {space_find(positive[i], SPACE_FLOAT32), 1, {0}};

		CHECK(space_check(&context, zero, &where) == SPACE_OK, "%s", positive[i]);
		CHECK(space_check(&context, minus_zero, &where) == SPACE_NOT_POSITIVE, "%s", positive[i]);
		context.dim = 3;
		CHECK(space_check(&context, zero, &where) == SPACE_NOT_POSITIVE && where == 1, "%s",
			  positive[i]);
	}
	{
		SpaceContext context = {space_find("l2", SPACE_FLOAT32), 3, {0}};

		CHECK(space_check(&context, negative, &where) == SPACE_OK, "l2");
	}
}

/* Proportional vectors of small integers are at exactly 0 or 2. */
static void
test_cosine_of_proportional_vectors(void)
{
	const Vector v = {5, {3, -1, 4, 1, -5}};

	for (int k = -20; k <= 20; k++)
	{
		Vector multiple = v;
		double expected = k > 0 ? 0 : k < 0 ? 2 : 1;

		for (int i = 0; i < 5; i++)
			multiple.x[i] *= k;
		for (int element = SPACE_FLOAT32; element <= SPACE_FLOAT16; element++)
		{
			CHECK(distance("cosine", element, 0, 0, &v, &multiple) == expected, "factor %d", k);
			CHECK(near(distance("angular", element, 0, 0, &v, &multiple), expected / 2 * PI, 1e-15),
				  "factor %d", k);
		}
	}
}

/* Vectors whose squares leave the range of float32 still have an angle. */
static void
test_cosine_beyond_the_range_of_squares(void)
{
	static const float scales[] = {1e-44f, 1e-40f, 1e-30f, 1e-22f, 1e-19f, 1, 1e18f, 1e25f, 1e38f};

	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++)
	{
		for (size_t j = 0; j < sizeof(scales) / sizeof(scales[0]); j++)
		{
			Vector u = {2, {scales[i], 0}};
			Vector v = {2, {scales[j], scales[j]}};

			CHECK(near(distance("cosine", SPACE_FLOAT32, 0, 0, &u, &v), 1 - sqrt(0.5), 1e-6),
				  "scales %g and %g", scales[i], scales[j]);
			CHECK(near(distance("angular", SPACE_FLOAT32, 0, 0, &v, &u), PI / 4, 1e-6),
				  "scales %g and %g", scales[i], scales[j]);
		}
	}
}

/* Small angles are not lost in the rounding of the cosine. */
static void
test_small_angles(void)
{
	const Vector u = {2, {1000, 0}};
	const Vector v = {2, {1000, 1}};

	CHECK(near(distance("angular", SPACE_FLOAT32, 0, 0, &u, &v), atan(1e-3), 1e-6), "1/1000");
	CHECK(distance("angular", SPACE_FLOAT32, 0, 0, &u, &u) == 0, "no angle");
}

/* The sum of powers leaves the range of float32, the distance does not. */
static void
test_lp_beyond_the_range_of_powers(void)
{
	const Vector u = {3, {0.03f, -0.01f, 0.02f}};
	const Vector huge = {3, {3e30f, -1e30f, 2e30f}};
	const double expected = 0.03 * pow(1 + pow(1 / 3.0, 20) + pow(2 / 3.0, 20), 1 / 20.0);
	double tenth = distance("lp", SPACE_FLOAT32, 0.05, 0, &first, &second);

	CHECK(near(distance("lp", SPACE_FLOAT32, 20, 0, &u, &o), expected, 1e-6), "small");
	CHECK(near(distance("lp", SPACE_FLOAT32, 20, 0, &huge, &o), expected * 1e32, 1e-6), "large");
	CHECK(near(distance("lp", SPACE_FLOAT32, 1e300, 0, &u, &o), 0.03, 1e-6), "p = 1e300");
	CHECK(distance("lp", SPACE_FLOAT32, 20, 0, &u, &u) == 0, "equal");
	CHECK(near(tenth, 1048576, 1e-5), "p = 0.05: 2^20, not %.9g", tenth);
}

/* NMSLIB's rule: the logarithm of zero is -1e5. */
static void
test_zeros_in_divergences(void)
{
	CHECK(distance("js", SPACE_FLOAT32, 0, 0, &o, &o) == 0, "js of zeros");
	CHECK(near(distance("js", SPACE_FLOAT32, 0, 0, &a, &o), 6 * log(2) / 2, 1e-6), "js to zero");
	CHECK(distance("kl", SPACE_FLOAT32, 0, 0, &o, &a) == 0, "0 log 0");
	CHECK(near(distance("kl", SPACE_FLOAT32, 0, 0, &first, &second), 1e5, 1e-6), "log floor");
	CHECK(distance("gkl", SPACE_FLOAT32, 0, 0, &o, &a) == 6, "the other coordinate remains");
	CHECK(near(distance("gkl", SPACE_FLOAT32, 0, 0, &first, &second), 1e5, 1e-6), "log floor");
}

static void
test_a_value_is_at_distance_zero_from_itself(void)
{
	static const char *const names[] = {"l2", "l1",	 "linf",	  "lp", "js",		"jsmetric",
										"kl", "gkl", "gkl_right", "is", "is_right", "kl_right"};
	const Vector v = {8, {.3f, .01f, 7e-5f, 11, .123f, 1e-20f, 5e6f, .9f}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(distance(names[i], SPACE_FLOAT32, 3, 0, &v, &v) == 0, "%s", names[i]);
}

/* Jensen-Shannon keeps its digits between near vectors. */
static void
test_js_of_near_vectors(void)
{
	const Vector u = {2, {0.5f, 0.25f}};
	const Vector v = {2, {0.50048828125f, 0.25f}};
	double t = 0.00048828125 / 1.00048828125;
	double expected = 0.500244140625 * (t * t / 2 + t * t * t * t / 12);

	CHECK(near(distance("js", SPACE_FLOAT32, 0, 0, &u, &v) * 1e6, expected * 1e6, 1e-6), "js");
}

int
main(void)
{
	RUN(test_worked_values);
	RUN(test_worked_values_of_halves);
	RUN(test_which_spaces_there_are);
	RUN(test_parameters);
	RUN(test_domains);
	RUN(test_cosine_of_proportional_vectors);
	RUN(test_cosine_beyond_the_range_of_squares);
	RUN(test_small_angles);
	RUN(test_lp_beyond_the_range_of_powers);
	RUN(test_zeros_in_divergences);
	RUN(test_a_value_is_at_distance_zero_from_itself);
	RUN(test_js_of_near_vectors);
	return unit_finish();
}
