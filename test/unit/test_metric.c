/*-------------------------------------------------------------------------
 *
 * test_metric.c
 *	  The metrics behind the spaces: computed keys on every instruction set
 *	  against long double, and what a search may conclude from them by the
 *	  triangle inequality.
 *
 *	  The values of a family are made to be hard: zero, equal and nearly equal
 *	  ones, multiples, means of two (on the way from one to the other, where the
 *	  inequality is an equality), sparse and disjoint ones, opposite ones; of
 *	  ordinary, denormal, tiny, huge and mixed size.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>
#include <string.h>

#include "core/simd.h"
#include "space/half.h"
#include "space/space.h"

#define MAX_DIM 1600
#define FAMILY 14
#define MARGIN 1e-12 /* of double precision in what the tests themselves compute */

typedef enum Size
{
	SIZE_ORDINARY,
	SIZE_DENORMAL,
	SIZE_TINY,
	SIZE_HUGE,
	SIZE_MIXED,
	SIZES
} Size;

static const char *const size_names[] = {"ordinary", "denormal", "tiny", "huge", "mixed"};

typedef long double (*TrueMetric)(double p, const float *x, const float *q, uint32_t dim);

/* A space, and its metric by the definition */
typedef struct Case
{
	const char *name;
	double p;
	bool not_negative;
	TrueMetric metric;
} Case;

static long double
l2_metric(double p, const float *x, const float *q, uint32_t dim)
{
	long double sum = 0;

	(void) p;
	for (uint32_t i = 0; i < dim; i++)
		sum += ((long double) x[i] - q[i]) * ((long double) x[i] - q[i]);
	return sqrtl(sum);
}

static long double
linf_metric(double p, const float *x, const float *q, uint32_t dim)
{
	long double largest = 0;

	(void) p;
	for (uint32_t i = 0; i < dim; i++)
		largest = fmaxl(largest, fabsl((long double) x[i] - q[i]));
	return largest;
}

/* l1 as well.  For p < 1 the sum of powers is the metric. */
static long double
lp_metric(double p, const float *x, const float *q, uint32_t dim)
{
	long double largest = p < 1 ? 1 : linf_metric(p, x, q, dim);
	long double sum = 0;

	if (largest == 0)
		return 0;
	for (uint32_t i = 0; i < dim; i++)
	{
		long double part = fabsl((long double) x[i] - q[i]) / largest;

		sum += p == 1 ? part : powl(part, p);
	}
	return p < 1 ? sum : largest * powl(sum, 1 / (long double) p);
}

/* A zero vector is at a right angle to all, itself included. */
static long double
angle_metric(double p, const float *x, const float *q, uint32_t dim)
{
	long double dot = 0;
	long double x_norm = 0;
	long double q_norm = 0;
	long double cosine = 0;

	(void) p;
	for (uint32_t i = 0; i < dim; i++)
	{
		dot += (long double) x[i] * q[i];
		x_norm += (long double) x[i] * x[i];
		q_norm += (long double) q[i] * q[i];
	}
	if (x_norm > 0 && q_norm > 0)
		cosine = dot / sqrtl(x_norm) / sqrtl(q_norm);
	return 2 * asinl(sqrtl(fmaxl(1 - cosine, 0) / 2));
}

static long double
js_metric(double p, const float *x, const float *q, uint32_t dim)
{
	long double sum = 0;

	(void) p;
	for (uint32_t i = 0; i < dim; i++)
	{
		long double mean = ((long double) x[i] + q[i]) / 2;
		long double t = mean > 0 ? fabsl((long double) x[i] - q[i]) / (2 * mean) : 0;
		long double square = t * t;

		if (t < 0.01L)
			sum += mean * square * (1 / 2.0L + square * (1 / 12.0L + square / 30));
		else if (t == 1)
			sum += mean * logl(2);
		else
			sum += mean * ((1 + t) * log1pl(t) + (1 - t) * log1pl(-t)) / 2;
	}
	return sqrtl(sum);
}

static const Case cases[] = {
	{"l2", 0, false, l2_metric},		 {"l1", 1, false, lp_metric},
	{"linf", 0, false, linf_metric},	 {"cosine", 0, false, angle_metric},
	{"angular", 0, false, angle_metric}, {"js", 0, true, js_metric},
	{"jsmetric", 0, true, js_metric},	 {"lp", 0.125, false, lp_metric},
	{"lp", 0.5, false, lp_metric},		 {"lp", 0.99, false, lp_metric},
	{"lp", 1, false, lp_metric},		 {"lp", 1.5, false, lp_metric},
	{"lp", 2, false, lp_metric},		 {"lp", 3, false, lp_metric},
	{"lp", 20, false, lp_metric},		 {"lp", 700, false, lp_metric},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* Largest part of the allowed error that was met, by case */
static double shares[CASES];

/* Numbers from 0 to 1 of a fixed sequence (splitmix64) */
static uint64_t random_state = 20261120;

static double
random_unit(void)
{
	uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	mixed ^= mixed >> 31;
	return (double) (mixed >> 11) / 9007199254740992.0;
}

/* The number of the element that is nearest to this one and in the domain */
static float
fit(const Case *test, SpaceElement element, double number)
{
	double limit = element == SPACE_FLOAT16 ? HALF_MAX : FLT_MAX;

	if (test->not_negative || element == SPACE_UINT8)
		number = fabs(number);
	if (element == SPACE_UINT8)
		return (float) floor(fmin(number, 255));
	number = fmax(fmin(number, limit), -limit);
	if (element == SPACE_FLOAT16)
		return half_to_float(half_from_float((float) number));
	return (float) number;
}

static float
random_entry(const Case *test, SpaceElement element, Size size)
{
	static const double sizes[][SIZES] = {[SPACE_FLOAT32] = {1, 1e-41, 1e-22, FLT_MAX, 0},
										  [SPACE_FLOAT16] = {1, 5e-5, 1e-3, HALF_MAX, 0},
										  [SPACE_UINT8] = {256, 2, 16, 256, 0}};
	double number = 2 * random_unit() - 1;

	if (size == SIZE_MIXED) /* 40 and 5 powers of ten */
		return fit(test, element,
				   number * pow(10, (element == SPACE_FLOAT32 ? 40 : 5) * (random_unit() - 0.7)));
	return fit(test, element, number * sizes[element][size]);
}

/* Values of one space on one instruction set: coordinates, and keys of all pairs */
typedef struct Family
{
	const Case *test;
	SpaceContext context;
	Size size;
	float values[FAMILY][MAX_DIM];
	void *encoded[FAMILY];
	float keys[FAMILY][FAMILY];
	SpaceRange ranges[FAMILY][FAMILY];
} Family;

/* Coordinate i of value v, the values before it being made */
static float
family_entry(const Family *family, int v, uint32_t i)
{
	SpaceElement element = family->context.space->element;
	double random = random_entry(family->test, element, family->size);
	double base = family->values[1][i];
	double numbers[FAMILY] = {
		0,
		random,
		base,
		base * (1 + 0x1p-23 * floor(4 * random_unit())), /* neighbours */
		base * (1 + 1e-3 * random_unit()),
		base / 2,
		base / 3,
		random_unit() < 0.3 ? base : 0,
		family->values[7][i] == 0 ? base : 0, /* nothing in common with the one before */
		random,
		(base + family->values[9][i]) / 2, /* on the way from one to the other */
		base / 2 + family->values[9][i] / 4,
		i == family->context.dim / 2 ? base : 0,
		-base,
	};

	return fit(family->test, element, numbers[v]);
}

static void
store_value(SpaceElement element, const float *from, uint32_t dim, void *value)
{
	if (element == SPACE_FLOAT16)
		half_from_float_array(from, value, dim);
	else if (element == SPACE_FLOAT32)
		memcpy(value, from, dim * sizeof(float));
	else
	{
		for (uint32_t i = 0; i < dim; i++)
			((uint8_t *) value)[i] = (uint8_t) from[i];
	}
}

static void
family_create(Family *family)
{
	const SpaceContext *context = &family->context;
	void *value = malloc(space_value_size(context));

	for (int v = 0; v < FAMILY; v++)
	{
		for (uint32_t i = 0; i < context->dim; i++)
			family->values[v][i] = family_entry(family, v, i);
		store_value(context->space->element, family->values[v], context->dim, value);
		family->encoded[v] = malloc(space_encoded_size(context));
		space_encode(context, value, family->encoded[v]);
	}
	free(value);
}

static void
family_free(Family *family)
{
	for (int v = 0; v < FAMILY; v++)
		free(family->encoded[v]);
}

#define CHECK_FAMILY(condition, ...)                                                             \
	CHECK(condition, "%s(%g), element %d, %s, %s, %u dimensions, values %d and %d: %.17g %.17g", \
		  family->test->name, family->test->p, family->context.space->element,                   \
		  simd_name(simd_selected()), size_names[family->size], family->context.dim, __VA_ARGS__)

/* Keys on the instruction set in use; the same to the last bit in both orders */
static void
family_score(Family *family)
{
	const SpaceContext *context = &family->context;
	void *scratch = malloc(space_query_size(context));

	for (int q = 0; q < FAMILY; q++)
	{
		const void *query = space_prepare_query(context, family->encoded[q], scratch);
		float keys[FAMILY];

		context->space->distances(context, query, (const void *const *) family->encoded, FAMILY,
								  keys);
		for (int v = 0; v < FAMILY; v++)
		{
			family->keys[v][q] = keys[v];
			family->ranges[v][q] = space_metric_range(context, keys[v]);
			if (v < q)
				CHECK_FAMILY(float_bits(keys[v]) == float_bits(family->keys[q][v]), v, q, keys[v],
							 family->keys[q][v]);
		}
	}
	free(scratch);
}

/* How much of the error that a key may have this one has */
static double
error_share(const Family *family, float key, long double expected)
{
	const SpaceMetric *metric = family->context.space->metric;
	double dim = family->context.dim;
	double true_key = metric->key(&family->context, (double) expected);
	double allowed = (metric->relative.per_dimension * dim + metric->relative.fixed) * true_key +
					 metric->absolute.per_dimension * dim + metric->absolute.fixed;

	return isinf(key) || true_key == 0 ? 0 : fabs(key - true_key) / allowed;
}

/* The true distance lies in the range, and no key below the one that it promises */
static void
check_pair(const Family *family, int v, int q, long double expected)
{
	float key = family->keys[v][q];
	SpaceRange range = family->ranges[v][q];
	double share = error_share(family, key, expected);
	double *largest = &shares[family->test - cases];

	CHECK_FAMILY(range.low <= expected * (1 + MARGIN), v, q, range.low, (double) expected);
	CHECK_FAMILY(range.high >= expected * (1 - MARGIN), v, q, range.high, (double) expected);
	CHECK_FAMILY(space_metric_key(&family->context, (double) expected) <= key, v, q,
				 space_metric_key(&family->context, (double) expected), key);
	CHECK_FAMILY(range.low <= space_metric(&family->context, key), v, q, range.low, key);
	CHECK_FAMILY(range.high >= space_metric(&family->context, key), v, q, range.high, key);
	*largest = fmax(*largest, share);
}

/* What the tree does: value x is known by its key from the pivot p alone. */
static void
check_triple(const Family *family, int q, int p, int x)
{
	SpaceRange here = family->ranges[p][q];
	SpaceRange there = family->ranges[x][p];
	double bound = fmax(here.low - there.high, there.low - here.high);
	float key = space_metric_key(&family->context, bound);

	CHECK_FAMILY(key <= family->keys[x][q], x, q, key, family->keys[x][q]);
	CHECK_FAMILY(family->ranges[x][q].low <= here.high + there.high, x, q, family->ranges[x][q].low,
				 here.high + there.high);
}

static void
check_family(Family *family)
{
	long double expected[FAMILY][FAMILY];

	family_create(family);
	for (int v = 0; v < FAMILY; v++)
	{
		for (int q = 0; q <= v; q++)
			expected[v][q] = expected[q][v] = family->test->metric(
				family->test->p, family->values[v], family->values[q], family->context.dim);
	}
	for (SimdLevel level = SIMD_NONE; level < SIMD_LEVELS; level++)
	{
		if (!simd_select(level))
			continue;
		family_score(family);
		for (int q = 0; q < FAMILY; q++)
		{
			for (int p = 0; p < FAMILY; p++)
			{
				check_pair(family, p, q, expected[p][q]);
				for (int x = 0; x < FAMILY; x++)
					check_triple(family, q, p, x);
			}
		}
	}
	simd_select(simd_detect());
	family_free(family);
}

static void
check_element(SpaceElement element)
{
	Family *family = malloc(sizeof(Family));

	for (size_t c = 0; c < CASES; c++)
	{
		family->test = &cases[c];
		family->context = (SpaceContext){space_find(cases[c].name, element), 0, {cases[c].p}};
		if (family->context.space == NULL)
			continue;
		for (uint32_t dim = 1; dim <= MAX_DIM; dim = dim < 40 ? dim + 1 : dim * 5 / 2)
		{
			family->context.dim = dim;
			for (family->size = 0; family->size < SIZES; family->size++)
				check_family(family);
		}
	}
	free(family);
}

static void
test_metrics_of_float32(void)
{
	check_element(SPACE_FLOAT32);
	for (size_t c = 0; c < CASES; c++)
		printf("# %s(%g): up to %.2f of the error allowed\n", cases[c].name, cases[c].p, shares[c]);
}

static void
test_metrics_of_float16(void)
{
	check_element(SPACE_FLOAT16);
}

static void
test_metrics_of_uint8(void)
{
	check_element(SPACE_UINT8);
}

static void
test_which_spaces_have_a_metric(void)
{
	int n;
	const Space *const *all = space_all(&n);

	for (int i = 0; i < n; i++)
	{
		SpaceContext context = {all[i], 8, {3, 3}};
		bool expected = false;

		for (size_t c = 0; c < CASES; c++)
			expected = expected || strcmp(cases[c].name, all[i]->name) == 0;
		CHECK(space_has_metric(&context) == expected, "%s", all[i]->name);
	}
}

/* A relative has a metric, and the forms of values of the space whose relative it is. */
static void
test_relatives(void)
{
	int found = 0;
	int n;
	const Space *const *all = space_all(&n);

	for (int i = 0; i < n; i++)
	{
		const Space *relative = all[i]->relative;

		if (relative == NULL)
			continue;
		found++;
		CHECK(all[i]->metric == NULL, "%s needs none", all[i]->name);
		CHECK(relative->metric != NULL && relative->nparams == 0, "%s", all[i]->name);
		CHECK(relative->element == all[i]->element &&
				  relative->encoded_size == all[i]->encoded_size &&
				  relative->encode == all[i]->encode &&
				  relative->query_size == all[i]->query_size &&
				  relative->prepare_query == all[i]->prepare_query,
			  "%s has other forms", all[i]->name);
	}
	CHECK(found == 7, "%d relatives", found);
}

/*
 * All keys from 0 to the largest: the metric never falls, its range encloses it
 * and is narrow, and the way back leads to a key not above and not far below.
 */
static void
check_keys(const SpaceContext *context, float largest, double slack)
{
	double before = 0;
	SpaceRange range_before = {0, 0};

	for (uint32_t bits = 0; bits <= float_bits(largest); bits += 40009)
	{
		float key = float_from_bits(bits);
		double metric = space_metric(context, key);
		double next = space_metric(context, float_from_bits(bits + 1));
		SpaceRange range = space_metric_range(context, key);
		float kept = (float) metric;
		SpaceRange of_kept = {space_metric_true_low(context, kept),
							  space_metric_true_high(context, kept)};
		float back = space_metric_key(context, metric);

		CHECK(metric >= before && next >= metric, "%s: falls at %g", context->space->name, key);
		CHECK(range.low >= range_before.low && range.high >= range_before.high,
			  "%s: range falls at %g", context->space->name, key);
		CHECK(range.low <= metric && metric <= range.high, "%s: range at %g", context->space->name,
			  key);
		CHECK(back <= key && key - back <= 3e-5 * key + slack, "%s: %.9g comes back as %.9g",
			  context->space->name, key, back);
		CHECK(space_metric_key(context, range.low) <= key, "%s: %g", context->space->name, key);
		CHECK(of_kept.low <= range.low && range.high <= of_kept.high,
			  "%s: range of the metric kept at %g", context->space->name, key);
		CHECK(of_kept.low >= range.low * (1 - 1e-4) - slack &&
				  of_kept.high <= range.high * (1 + 1e-4) + slack,
			  "%s: wide range of the metric kept at %g", context->space->name, key);
		CHECK(space_metric_computed_high(context, range.low) >= kept &&
				  space_metric_computed_low(context, range.high) <= kept,
			  "%s: metrics that may be computed at %g", context->space->name, key);
		before = metric;
		range_before = range;
	}
}

static void
test_keys_to_metrics_and_back(void)
{
	for (size_t c = 0; c < CASES; c++)
	{
		SpaceContext context = {space_find(cases[c].name, SPACE_FLOAT32), 64, {cases[c].p}};
		bool angle = cases[c].metric == angle_metric;

		check_keys(&context, angle ? 2 : FLT_MAX, angle ? 3e-6 : 1e-35);
	}
}

static void
test_values_of_metrics(void)
{
	const float key = 0.25f;
	SpaceContext context = {space_find("l2", SPACE_FLOAT32), 32, {0}};

	CHECK(space_metric(&context, key) == 0.5, "l2: the root");
	context.space = space_find("js", SPACE_FLOAT32);
	CHECK(space_metric(&context, key) == 0.5, "js: the root");
	context.space = space_find("l1", SPACE_FLOAT32);
	CHECK(space_metric(&context, key) == 0.25, "l1: the distance");
	context.space = space_find("cosine", SPACE_FLOAT32);
	CHECK(fabs(space_metric(&context, key) - acos(0.75)) < 1e-15, "cosine: the angle");
	context.space = space_find("lp", SPACE_FLOAT32);
	context.params[0] = 0.5;
	CHECK(space_metric(&context, key) == 0.25, "lp, p = 0.5: the sum");
	context.params[0] = 2;
	CHECK(space_metric(&context, key) == 0.5, "lp, p = 2: the root");
	context.params[0] = 3;
	CHECK(space_metric(&context, key) == 0.25, "lp, p = 3: the distance");
}

/* Nothing of infinity is NaN, and nothing negative is a distance. */
static void
test_ends_of_the_range(void)
{
	for (size_t c = 0; c < CASES; c++)
	{
		SpaceContext context = {space_find(cases[c].name, SPACE_FLOAT32), 16000, {cases[c].p}};
		SpaceRange nothing = space_metric_range(&context, 0);

		CHECK(nothing.low == 0 && nothing.high < 0.06, "%s: %g", cases[c].name, nothing.high);
		CHECK(space_metric_key(&context, 0) == 0, "%s", cases[c].name);
		CHECK(space_metric_key(&context, -INFINITY) == 0, "%s", cases[c].name);
		CHECK(space_metric_key(&context, 1e300) <= FLT_MAX, "%s", cases[c].name);
		if (cases[c].metric != angle_metric)
		{
			SpaceRange endless = space_metric_range(&context, INFINITY);

			CHECK(endless.low >= 1e19 && endless.low < INFINITY, "%s", cases[c].name);
			CHECK(endless.high == INFINITY, "%s", cases[c].name);
			CHECK(space_metric_key(&context, endless.low) > 1e38, "%s", cases[c].name);
		}
	}
}

int
main(void)
{
	RUN(test_which_spaces_have_a_metric);
	RUN(test_relatives);
	RUN(test_values_of_metrics);
	RUN(test_keys_to_metrics_and_back);
	RUN(test_ends_of_the_range);
	RUN(test_metrics_of_float32);
	RUN(test_metrics_of_float16);
	RUN(test_metrics_of_uint8);
	return unit_finish();
}
