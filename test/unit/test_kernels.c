/*-------------------------------------------------------------------------
 *
 * test_kernels.c
 *	  Every instruction set against double precision: all lengths from 1 to 300,
 *	  unaligned addresses, zeros, denormal, tiny, huge and mixed values; and
 *	  what must be the same to the last bit: encoded values on every set, a key
 *	  whatever the batch, left and right spaces, both orders of a symmetric one.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>
#include <string.h>

#include "core/simd.h"
#include "space/half.h"
#include "space/space.h"

#define LENGTHS 300
#define LEVELS (SIMD_AVX512 + 1)

/* Kinds of values */
typedef enum Kind
{
	KIND_ORDINARY,
	KIND_ZEROS, /* a third of the entries zero */
	KIND_DENORMAL,
	KIND_TINY,
	KIND_LARGE,
	KIND_HUGE,	/* up to the largest number */
	KIND_MIXED, /* all magnitudes side by side */
	KINDS
} Kind;

static const char *const kind_names[] = {"ordinary", "zeros", "denormal", "tiny",
										 "large",	 "huge",  "mixed"};

/* Which function of the space a case is about */
typedef enum Keys
{
	SEARCH_KEYS,		/* distances() */
	LINK_KEYS,			/* link_distances() */
	SYMMETRIC_LINK_KEYS /* the same, of a sum in which the values may change places */
} Keys;

/* A space, and what it computes */
typedef struct Case
{
	const char *name;
	double params[SPACE_MAX_PARAMS];
	bool positive;	   /* entries > 0 only */
	bool not_negative; /* entries >= 0 only */
	bool ordinary;	   /* sums leave the range of float32 for other kinds */

	/* One coordinate's share of the sum, and the size of what is rounded in it */
	double (*term)(const double *params, double x, double q, double *magnitude);
	double (*finish)(const double *params, double sum); /* sum to key, or NULL */
	Keys keys;
} Case;

static void
case_keys(const Case *test, const SpaceContext *context, const void *query,
		  const void *const *objects, int n, float *keys)
{
	if (test->keys == SEARCH_KEYS)
		context->space->distances(context, query, objects, n, keys);
	else
		space_link_distances(context, query, objects, n, keys);
}

static bool
case_symmetric(const Case *test, const Space *space)
{
	return test->keys == SYMMETRIC_LINK_KEYS || (test->keys == SEARCH_KEYS && space->symmetric);
}

/* What logarithm is stored */
static double
stored_log(double x)
{
	return x > 0 ? log(x) : -1e5;
}

static double
l2_term(const double *params, double x, double q, double *magnitude)
{
	(void) params;
	return *magnitude = (x - q) * (x - q);
}

static double
l1_term(const double *params, double x, double q, double *magnitude)
{
	(void) params;
	return *magnitude = fabs(x - q);
}

static double
product_term(const double *params, double x, double q, double *magnitude)
{
	(void) params;
	*magnitude = fabs(x * q);
	return -x * q;
}

static double
power_term(const double *params, double x, double q, double *magnitude)
{
	return *magnitude = pow(fabs(x - q), params[0]);
}

static double
power_finish(const double *params, double sum)
{
	return params[0] > 2 || (params[0] > 1 && params[0] < 2) ? pow(sum, 1 / params[0]) : sum;
}

static double
js_term(const double *params, double x, double q, double *magnitude)
{
	double m = (x + q) / 2;
	double t = m > 0 ? fabs(x - q) / (x + q) : 0;

	(void) params;
	*magnitude = m * t * t / 2;
	if (t < 1e-3)
		return m * (t * t / 2 + t * t * t * t / 12);
	if (t == 1)
		return m * log(2);
	if (t < 0.5)
		return m * ((1 + t) * log1p(t) + (1 - t) * log1p(-t)) / 2;
	/* Far apart: the rounding of the stored logarithms counts. */
	*magnitude = m + fmin(x, q) * (fabs(stored_log(x)) + fabs(stored_log(q)));
	return m * ((1 + t) * log1p(t) + (1 - t) * log1p(-t)) / 2;
}

static double
kl_term(const double *params, double x, double q, double *magnitude)
{
	(void) params;
	*magnitude = x * (fabs(stored_log(x)) + fabs(stored_log(q)));
	return x * (stored_log(x) - stored_log(q));
}

static double
kl_right_term(const double *params, double x, double q, double *magnitude)
{
	return kl_term(params, q, x, magnitude);
}

static double
gkl_term(const double *params, double x, double q, double *magnitude)
{
	double term = kl_term(params, x, q, magnitude);

	*magnitude += x + q;
	return term + q - x;
}

static double
gkl_right_term(const double *params, double x, double q, double *magnitude)
{
	return gkl_term(params, q, x, magnitude);
}

static double
is_term(const double *params, double x, double q, double *magnitude)
{
	(void) params;
	*magnitude = x / q + 1 + fabs(log(x)) + fabs(log(q));
	return x / q - (log(x) - log(q)) - 1;
}

static double
is_right_term(const double *params, double x, double q, double *magnitude)
{
	return is_term(params, q, x, magnitude);
}

static double
renyi_term(const double *params, double x, double q, double *magnitude)
{
	double exponent = params[0] - 1;
	double term = x * pow(x / q, exponent);

	*magnitude = term * (1 + fabs(exponent) * (fabs(log(x)) + fabs(log(q))));
	return term;
}

static double
renyi_finish(const double *params, double sum)
{
	return params[0] < 1 ? -sum : sum;
}

static double
alphabeta_term(const double *params, double x, double q, double *magnitude)
{
	double term = pow(x, params[0] + 1) * pow(q, params[1]);

	*magnitude = term * (1 + fabs((params[0] + 1) * log(x)) + fabs(params[1] * log(q)));
	return term;
}

static double
jeffreys_term(const double *params, double x, double q, double *magnitude)
{
	(void) params;
	*magnitude = fabs(x - q) * (fabs(stored_log(x)) + fabs(stored_log(q)));
	return (x - q) * (stored_log(x) - stored_log(q));
}

static double
log_ratio_term(const double *params, double x, double q, double *magnitude)
{
	double difference = log(x) - log(q);

	(void) params;
	*magnitude = fabs(difference) * (fabs(difference) + 2 * (fabs(log(x)) + fabs(log(q))));
	return difference * difference;
}

static double
levelled_ratio_term(const double *params, double x, double q, double *magnitude)
{
	double square = log_ratio_term(params, x, q, magnitude);

	return square / (1 + square / 16);
}

static double
root_is_right_term(const double *params, double x, double q, double *magnitude)
{
	double half = (log(q) - log(x)) / 2;
	double rounded = 1 + (fabs(log(x)) + fabs(log(q))) / 2; /* what e^half makes of errors */

	(void) params;
	*magnitude = rounded * (exp(half) + 1);
	return exp(half) - 1 - half;
}

/* linf, cosine and angular are no sums: see reference_key() */
static const Case cases[] = {
	{"l2", {0}, false, false, false, l2_term, NULL, SEARCH_KEYS},
	{"l1", {0}, false, false, false, l1_term, NULL, SEARCH_KEYS},
	{"linf", {0}, false, false, false, l1_term, NULL, SEARCH_KEYS},
	{"ip", {0}, false, false, false, product_term, NULL, SEARCH_KEYS},
	{"cosine", {0}, false, false, false, product_term, NULL, SEARCH_KEYS},
	{"angular", {0}, false, false, false, product_term, NULL, SEARCH_KEYS},
	{"lp", {0.125}, false, false, false, power_term, power_finish, SEARCH_KEYS},
	{"lp", {0.5}, false, false, false, power_term, power_finish, SEARCH_KEYS},
	{"lp", {1}, false, false, false, power_term, power_finish, SEARCH_KEYS},
	{"lp", {1.5}, false, false, false, power_term, power_finish, SEARCH_KEYS},
	{"lp", {2}, false, false, false, power_term, power_finish, SEARCH_KEYS},
	{"lp", {3}, false, false, false, power_term, power_finish, SEARCH_KEYS},
	{"lp", {7.3}, false, false, false, power_term, power_finish, SEARCH_KEYS},
	{"js", {0}, false, true, false, js_term, NULL, SEARCH_KEYS},
	{"jsmetric", {0}, false, true, false, js_term, NULL, SEARCH_KEYS},
	{"kl", {0}, false, true, false, kl_term, NULL, SEARCH_KEYS},
	{"kl_right", {0}, false, true, false, kl_right_term, NULL, SEARCH_KEYS},
	{"gkl", {0}, false, true, false, gkl_term, NULL, SEARCH_KEYS},
	{"gkl_right", {0}, false, true, false, gkl_right_term, NULL, SEARCH_KEYS},
	{"is", {0}, true, true, false, is_term, NULL, SEARCH_KEYS},
	{"is_right", {0}, true, true, false, is_right_term, NULL, SEARCH_KEYS},
	{"renyi", {0.5}, true, true, false, renyi_term, renyi_finish, SEARCH_KEYS},
	{"renyi", {2}, true, true, true, renyi_term, renyi_finish, SEARCH_KEYS},
	{"alphabeta", {1, 1}, true, true, true, alphabeta_term, NULL, SEARCH_KEYS},
	{"alphabeta", {0.5, -0.5}, true, true, true, alphabeta_term, NULL, SEARCH_KEYS},
	{"kl", {0}, false, true, false, jeffreys_term, NULL, SYMMETRIC_LINK_KEYS},
	{"gkl", {0}, false, true, false, jeffreys_term, NULL, SYMMETRIC_LINK_KEYS},
	{"is", {0}, true, true, false, levelled_ratio_term, NULL, SYMMETRIC_LINK_KEYS},
	{"is_right", {0}, true, true, false, root_is_right_term, NULL, LINK_KEYS},
	{"renyi", {0.5}, true, true, false, renyi_term, renyi_finish, LINK_KEYS},
	{"renyi", {2}, true, true, false, log_ratio_term, NULL, SYMMETRIC_LINK_KEYS},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* Everything below is a rounding of float32 sums: a few units of 2^-24, and
 * some more where powers are taken. */
#define TOLERANCE 2e-6

/* Numbers from 0 to 1 of a fixed sequence (splitmix64) */
static uint64_t random_state = 20240613;

static double
random_unit(void)
{
	uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	mixed ^= mixed >> 31;
	return (double) (mixed >> 11) / 9007199254740992.0;
}

/* One entry of a value, for the element; never 0 when positive is asked for */
static float
random_entry(const Case *test, SpaceElement element, Kind kind)
{
	bool half = element == SPACE_FLOAT16;
	double size = 1e-3 + random_unit();

	if (element == SPACE_UINT8)
		return kind == KIND_ZEROS && random_unit() < 1 / 3.0 ? 0
															 : (float) (int) (256 * random_unit());
	if (kind == KIND_MIXED)
		kind = (Kind) (random_unit() * KIND_MIXED);
	if (kind == KIND_ZEROS)
		size = !test->positive && random_unit() < 1 / 3.0 ? 0 : size;
	else if (kind == KIND_DENORMAL)
		size *= half ? 5e-5 : 1e-38;
	else if (kind == KIND_TINY)
		size *= half ? 1e-4 : 1e-25;
	else if (kind == KIND_LARGE)
		size *= half ? 1000 : 1e15;
	else if (kind == KIND_HUGE)
		size *= half ? 65000 : 3.3e38;
	if (!test->not_negative && random_unit() < 0.5)
		size = -size;
	return half ? half_to_float(half_from_float((float) size)) : (float) size;
}

/*
 * A heap block that ends where the value ends, so that the address sanitizer
 * sees a read too far, and begins `offset` elements into its alignment.
 */
typedef struct Placed
{
	char *block;
	void *value;
} Placed;

static Placed
place(size_t size, size_t offset)
{
	Placed placed;

	placed.block = malloc(size + offset);
	placed.value = placed.block + offset;
	return placed;
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

/* Key by the definition in double precision; *allowed is the error a kernel
 * may have, or INFINITY where any key but NaN will do. */
static double
reference_key(const Case *test, const Space *space, const float *x, const float *q, uint32_t dim,
			  double *allowed)
{
	double sum = 0;
	double size = 0;
	double largest = 0;
	double norms[2] = {0, 0};

	for (uint32_t i = 0; i < dim; i++)
	{
		double magnitude;

		sum += test->term(test->params, x[i], q[i], &magnitude);
		size += magnitude;
		largest = fmax(largest, magnitude);
		norms[0] += (double) x[i] * x[i];
		norms[1] += (double) q[i] * q[i];
	}
	if (strcmp(space->name, "linf") == 0)
	{
		*allowed = largest > FLT_MAX ? INFINITY : TOLERANCE * largest;
		return largest;
	}
	if (strcmp(space->name, "cosine") == 0 || strcmp(space->name, "angular") == 0)
	{
		*allowed = TOLERANCE;
		return norms[0] == 0 || norms[1] == 0 ? 1 : 1 + sum / sqrt(norms[0] * norms[1]);
	}
	if (test->finish == power_finish && test->finish(test->params, 2) != 2)
	{
		sum = test->finish(test->params, sum);
		*allowed = sum > FLT_MAX ? INFINITY : TOLERANCE * sum + FLT_MIN;
		return sum;
	}
	if (sum == size && sum > FLT_MAX * (1 + TOLERANCE)) /* positive terms only */
	{
		*allowed = 0;
		return INFINITY;
	}
	*allowed = fmax(size, fabs(sum)) > FLT_MAX ? INFINITY : TOLERANCE * size + dim * FLT_MIN;
	return test->finish == NULL ? sum : test->finish(test->params, sum);
}

static void
check_key(const Case *test, Kind kind, SimdLevel level, uint32_t dim, float key, double expected,
		  double allowed)
{
	CHECK(key == key, "%s(%g), %s, %s, %u dimensions: NaN", test->name, test->params[0],
		  kind_names[kind], simd_name(level), dim);
	CHECK(key == expected || allowed == INFINITY || fabs(key - expected) <= allowed,
		  "%s(%g), %s, %s, %u dimensions: %.9g, not %.9g, allowed %.3g", test->name,
		  test->params[0], kind_names[kind], simd_name(level), dim, key, expected, allowed);
}

/* One pair of values on every instruction set; also the same encoded bits */
static void
check_pair(const Case *test, const SpaceContext *context, Kind kind, size_t offset)
{
	const Space *space = context->space;
	uint32_t dim = context->dim;
	size_t element = space_value_size(context) / dim;
	size_t encoded_size = space_encoded_size(context);
	float x[LENGTHS];
	float q[LENGTHS];
	Placed values[2];
	Placed object = place(encoded_size, offset * element);
	Placed encoded = place(encoded_size, offset * element);
	Placed query = place(space_query_size(context), offset % 4 * sizeof(float));
	char *first_encoded = malloc(encoded_size);
	double expected;
	double allowed;

	for (uint32_t i = 0; i < dim; i++)
	{
		x[i] = random_entry(test, space->element, kind);
		q[i] = random_entry(test, space->element, kind);
	}
	values[0] = place(space_value_size(context), offset * element);
	values[1] = place(space_value_size(context), offset * element);
	store_value(space->element, x, dim, values[0].value);
	store_value(space->element, q, dim, values[1].value);
	expected = reference_key(test, space, x, q, dim, &allowed);
	if (test->ordinary && kind > KIND_ZEROS)
		allowed = INFINITY;

	for (SimdLevel level = SIMD_NONE; level < LEVELS; level++)
	{
		const void *prepared;
		float key;

		if (!simd_select(level))
			continue;
		space_encode(context, values[0].value, object.value);
		space_encode(context, values[1].value, encoded.value);
		if (level == SIMD_NONE)
			memcpy(first_encoded, object.value, encoded_size);
		CHECK(memcmp(first_encoded, object.value, encoded_size) == 0,
			  "%s, %s, %u dimensions: other bits", test->name, simd_name(level), dim);
		prepared = space_prepare_query(context, encoded.value, query.value);
		case_keys(test, context, prepared, (const void *const *) &object.value, 1, &key);
		check_key(test, kind, level, dim, key, expected, allowed);
		CHECK(test->keys != SEARCH_KEYS || !isnan(space_finish(context, key)),
			  "%s, %s, %u dimensions: NaN", test->name, simd_name(level), dim);
	}
	free(first_encoded);
	free(query.block);
	free(encoded.block);
	free(object.block);
	free(values[0].block);
	free(values[1].block);
}

static void
check_element(SpaceElement element, size_t offsets)
{
	for (size_t c = 0; c < CASES; c++)
	{
		SpaceContext context = {space_find(cases[c].name, element), 0, {0}};

		if (context.space == NULL)
			continue;
		memcpy(context.params, cases[c].params, sizeof(context.params));
		for (context.dim = 1; context.dim <= LENGTHS; context.dim++)
		{
			for (Kind kind = 0; kind < KINDS; kind++)
				check_pair(&cases[c], &context, kind, (context.dim + kind) % offsets);
		}
	}
	simd_select(simd_detect());
}

/* Offsets of 0 to 3 floats */
static void
test_float32_on_every_instruction_set(void)
{
	check_element(SPACE_FLOAT32, 4);
}

/* Offsets of 0 to 7 halves */
static void
test_float16_on_every_instruction_set(void)
{
	check_element(SPACE_FLOAT16, 8);
}

/* Offsets of 0 to 15 bytes */
static void
test_uint8_on_every_instruction_set(void)
{
	check_element(SPACE_UINT8, 16);
}

/* Objects of one dimension in one block, and a query */
#define BATCH 37

typedef struct Block
{
	char *encoded;
	void *value;
	void *query;
	const void *objects[BATCH];
} Block;

static Block
block_create(const Case *test, const SpaceContext *context)
{
	size_t size = space_encoded_size(context);
	float entries[LENGTHS];
	Block block;

	block.encoded = malloc(size * BATCH);
	block.value = malloc(space_value_size(context));
	block.query = malloc(space_query_size(context));
	for (int i = 0; i < BATCH; i++)
	{
		for (uint32_t j = 0; j < context->dim; j++)
			entries[j] = random_entry(test, context->space->element, KIND_ORDINARY);
		store_value(context->space->element, entries, context->dim, block.value);
		block.objects[i] = block.encoded + i * size;
		space_encode(context, block.value, block.encoded + i * size);
	}
	return block;
}

static void
block_free(Block *block)
{
	free(block->encoded);
	free(block->value);
	free(block->query);
}

/* Every batch of objects, from any place, gives each object its one key. */
static void
check_batches(const Case *test, const SpaceContext *context)
{
	Block block = block_create(test, context);
	const void *query = space_prepare_query(context, block.objects[0], block.query);
	float alone[BATCH];
	float keys[BATCH];

	for (int i = 0; i < BATCH; i++)
		case_keys(test, context, query, block.objects + i, 1, alone + i);
	for (int from = 0; from < 5; from++)
	{
		for (int n = 1; from + n <= BATCH; n++)
		{
			case_keys(test, context, query, block.objects + from, n, keys);
			CHECK(memcmp(keys, alone + from, n * sizeof(float)) == 0,
				  "%s, %u dimensions, batch of %d from %d", test->name, context->dim, n, from);
		}
	}
	/* The last object's value is still in block.value, the query's in its encoding. */
	if (context->space->encode == NULL)
	{
		void *scratch = malloc(space_distance_scratch(context) + 1);

		CHECK(space_distance(context, block.value, block.objects[0], scratch) ==
				  space_finish(context, alone[BATCH - 1]),
			  "%s, %u dimensions: space_distance()", test->name, context->dim);
		free(scratch);
	}
	block_free(&block);
}

static void
test_key_does_not_depend_on_the_batch(void)
{
	static const uint32_t dimensions[] = {1, 3, 16, 25, 32, 100, 128, 257, 300};

	for (SimdLevel level = SIMD_NONE; level < LEVELS; level++)
	{
		if (!simd_select(level))
			continue;
		for (size_t c = 0; c < CASES; c++)
		{
			for (int element = SPACE_FLOAT32; element <= SPACE_UINT8; element++)
			{
				SpaceContext context = {space_find(cases[c].name, element), 0, {0}};

				if (context.space == NULL)
					continue;
				memcpy(context.params, cases[c].params, sizeof(context.params));
				for (size_t d = 0; d < sizeof(dimensions) / sizeof(dimensions[0]); d++)
				{
					context.dim = dimensions[d];
					check_batches(&cases[c], &context);
				}
			}
		}
	}
	simd_select(simd_detect());
}

/* Key of object i against object j of a block */
static float
block_key(const Case *test, const SpaceContext *context, const Block *block, int i, int j)
{
	const void *query = space_prepare_query(context, block->objects[j], block->query);
	float key;

	case_keys(test, context, query, block->objects + i, 1, &key);
	return key;
}

static void
test_symmetric_spaces_are_symmetric(void)
{
	for (SimdLevel level = SIMD_NONE; level < LEVELS; level++)
	{
		if (!simd_select(level))
			continue;
		for (size_t c = 0; c < CASES; c++)
		{
			for (int element = SPACE_FLOAT32; element <= SPACE_UINT8; element++)
			{
				SpaceContext context = {space_find(cases[c].name, element), 77, {0}};
				Block block;

				if (context.space == NULL || !case_symmetric(&cases[c], context.space))
					continue;
				memcpy(context.params, cases[c].params, sizeof(context.params));
				block = block_create(&cases[c], &context);
				for (int i = 1; i < BATCH; i++)
					CHECK(block_key(&cases[c], &context, &block, 0, i) ==
							  block_key(&cases[c], &context, &block, i, 0),
						  "%s, %s", cases[c].name, simd_name(level));
				block_free(&block);
			}
		}
	}
	simd_select(simd_detect());
}

/* The first case of this name */
static const Case *
case_find(const char *name)
{
	size_t c = 0;

	while (strcmp(cases[c].name, name) != 0)
		c++;
	return &cases[c];
}

static void
test_left_and_right_agree(void)
{
	static const char *const names[][2] = {
		{"kl", "kl_right"}, {"gkl", "gkl_right"}, {"is", "is_right"}};
	const Case *positive = case_find("alphabeta");

	for (SimdLevel level = SIMD_NONE; level < LEVELS; level++)
	{
		if (!simd_select(level))
			continue;
		for (int pair = 0; pair < 3; pair++)
		{
			SpaceContext left = {space_find(names[pair][0], SPACE_FLOAT32), 123, {0}};
			SpaceContext right = {space_find(names[pair][1], SPACE_FLOAT32), 123, {0}};
			Block block = block_create(positive, &left);

			for (int i = 1; i < BATCH; i++)
				CHECK(block_key(positive, &left, &block, 0, i) ==
						  block_key(positive, &right, &block, i, 0),
					  "%s, %s", names[pair][0], simd_name(level));
			block_free(&block);
		}
	}
	simd_select(simd_detect());
}

/* FNV-1a over the logarithms below, correctly rounded */
#define LOGARITHMS_CHECKSUM 0xc480c024a41fa465u

/*
 * Stored logarithms: those of the C library in double precision, rounded; the
 * two may differ by one unit where that is as good as a tie.  The checksum is
 * that of every platform and compiler.
 */
static void
test_stored_logarithms(void)
{
	SpaceContext context = {space_find("kl", SPACE_FLOAT32), 1, {0}};
	int differ = 0;
	int count = 0;
	uint64_t checksum = 0xcbf29ce484222325u;

	for (uint32_t bits = 1; bits < 0x7f800000; bits += 4099)
	{
		float value = float_from_bits(bits);
		float encoded[2];
		float expected = (float) log((double) value);

		space_encode(&context, &value, encoded);
		count++;
		checksum = (checksum ^ float_bits(encoded[1])) * 0x100000001b3u;
		CHECK(encoded[0] == value, "the value is kept");
		if (encoded[1] != expected)
		{
			differ++;
			CHECK(nextafterf(encoded[1], expected) == expected, "log %g: %.9g, not %.9g", value,
				  encoded[1], expected);
		}
	}
	CHECK(checksum == LOGARITHMS_CHECKSUM, "checksum %llx", (unsigned long long) checksum);
	CHECK(differ * 1000 < count, "%d of %d logarithms differ", differ, count);
}

static void
test_choice_of_instruction_set(void)
{
	int supported = 0;

	for (SimdLevel level = SIMD_NONE; level < LEVELS; level++)
	{
		CHECK(simd_select(level) == simd_supported(level), "%s", simd_name(level));
		if (!simd_supported(level))
			continue;
		supported++;
		CHECK(simd_selected() == level, "%s", simd_name(level));
	}
	CHECK(simd_supported(SIMD_NONE) && simd_supported(simd_detect()), "plain C and the best");
	CHECK(simd_select(simd_detect()) && simd_selected() == simd_detect(), "the best");
	printf("# %d instruction sets, best %s\n", supported, simd_name(simd_detect()));
}

int
main(void)
{
	RUN(test_choice_of_instruction_set);
	RUN(test_float32_on_every_instruction_set);
	RUN(test_float16_on_every_instruction_set);
	RUN(test_uint8_on_every_instruction_set);
	RUN(test_key_does_not_depend_on_the_batch);
	RUN(test_symmetric_spaces_are_symmetric);
	RUN(test_left_and_right_agree);
	RUN(test_stored_logarithms);
	return unit_finish();
}
