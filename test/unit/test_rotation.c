/*-------------------------------------------------------------------------
 *
 * test_rotation.c
 *	  The random rotation: against its definition in double precision, kept
 *	  norms and inner products, linearity, spread of outliers, the same bits on
 *	  every instruction set.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>
#include <stdbool.h>
#include <string.h>

#include "core/random.h"
#include "core/rotation.h"
#include "core/simd.h"

#define MAX_DIM 16000
#define SMALL_DIMS 300
#define ROUNDS 4

static const uint32_t large_dims[] = {400, 512, 728, 784, 960, 1024, 1536, 2000, 4096, 16000};
#define LARGE_DIMS (sizeof(large_dims) / sizeof(large_dims[0]))
#define ALL_DIMS (SMALL_DIMS + LARGE_DIMS)

/* Number i of the dimensions to try: 1 to SMALL_DIMS, then the large ones */
static uint32_t
tried_dim(size_t i)
{
	return i < SMALL_DIMS ? (uint32_t) i + 1 : large_dims[i - SMALL_DIMS];
}

static void
fill_gaussian(Random *random, float *values, uint32_t dim)
{
	for (uint32_t i = 0; i < dim; i++)
		values[i] = (float) random_gaussian(random);
}

static double
product(const float *a, const float *b, uint32_t dim)
{
	double sum = 0;

	for (uint32_t i = 0; i < dim; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static void
test_padded(void)
{
	CHECK(rotation_padded(1) == 32, "%u", rotation_padded(1));
	CHECK(rotation_padded(32) == 32, "%u", rotation_padded(32));
	CHECK(rotation_padded(33) == 64, "%u", rotation_padded(33));
	CHECK(rotation_padded(784) == 800, "%u", rotation_padded(784));
	CHECK(rotation_padded(16000) == 16000, "%u", rotation_padded(16000));
}

/* values[from .. from + n) by the matrix (-1)^popcount(i & j) / sqrt(n) */
static void
direct_hadamard(double *values, uint32_t from, uint32_t n)
{
	static double result[MAX_DIM];

	for (uint32_t i = 0; i < n; i++)
	{
		result[i] = 0;
		for (uint32_t j = 0; j < n; j++)
			result[i] += __builtin_parity(i & j) ? -values[from + j] : values[from + j];
		result[i] /= sqrt(n);
	}
	memcpy(values + from, result, n * sizeof(double));
}

/* The definition (quantise_template.h), with the signs that stored codes rest on */
static void
direct_rotation(uint64_t seed, double *values, uint32_t padded)
{
	uint32_t n = 1;

	while (2 * n <= padded)
		n *= 2;
	for (int round = 0; round < ROUNDS; round++)
	{
		for (uint32_t i = 0; i < padded; i++)
		{
			uint64_t word = random_hash(random_hash(seed) + ((uint64_t) round << 32) + i / 32);

			if ((word >> (i % 32) & 1) != 0)
				values[i] = -values[i];
		}
		direct_hadamard(values, round % 2 == 0 ? 0 : padded - n, n);
		for (uint32_t i = 0; i < padded / 2 && n != padded && round % 2 != 0; i++)
		{
			double a = values[i];
			double b = values[i + padded / 2];

			values[i] = (a + b) / sqrt(2);
			values[i + padded / 2] = (a - b) / sqrt(2);
		}
	}
}

static void
test_definition(void)
{
	static const uint32_t dims[] = {1, 2, 31, 32, 33, 64, 96, 100, 128, 160, 200, 400, 784, 1024};
	static float values[1024];
	static float rotated[1024];
	static double expected[1024];
	Random random;

	random_seed(&random, 11);
	for (size_t k = 0; k < sizeof(dims) / sizeof(dims[0]); k++)
	{
		Rotation rotation;
		double worst = 0;

		rotation_init(&rotation, dims[k], 1000 + k);
		fill_gaussian(&random, values, dims[k]);
		for (uint32_t i = 0; i < rotation.padded; i++)
			expected[i] = i < dims[k] ? values[i] : 0;
		direct_rotation(1000 + k, expected, rotation.padded);
		rotation_apply(&rotation, values, rotated);
		for (uint32_t i = 0; i < rotation.padded; i++)
			worst = fmax(worst, fabs(rotated[i] - expected[i]));
		CHECK(worst < 3e-6, "%u dimensions: off by %g", dims[k], worst);
	}
}

static void
test_orthogonal_and_linear(void)
{
	static float a[MAX_DIM], b[MAX_DIM], both[MAX_DIM];
	static float ra[MAX_DIM], rb[MAX_DIM], rboth[MAX_DIM];
	Random random;

	random_seed(&random, 12);
	for (size_t k = 0; k < ALL_DIMS; k++)
	{
		uint32_t dim = tried_dim(k);
		Rotation rotation;
		double scale;
		double worst = 0;

		rotation_init(&rotation, dim, random_next(&random));
		CHECK(rotation.padded >= dim && rotation.padded < dim + 32, "%u", rotation.padded);
		fill_gaussian(&random, a, dim);
		fill_gaussian(&random, b, dim);
		for (uint32_t i = 0; i < dim; i++)
			both[i] = 2 * a[i] - 3 * b[i];
		rotation_apply(&rotation, a, ra);
		rotation_apply(&rotation, b, rb);
		rotation_apply(&rotation, both, rboth);

		scale = sqrt(product(a, a, dim) * product(b, b, dim));
		CHECK(fabs(product(ra, rb, rotation.padded) - product(a, b, dim)) < 2e-6 * scale,
			  "inner product, %u dimensions", dim);
		CHECK(fabs(product(ra, ra, rotation.padded) / product(a, a, dim) - 1) < 2e-6,
			  "norm, %u dimensions", dim);
		for (uint32_t i = 0; i < rotation.padded; i++)
			worst = fmax(worst, fabs(rboth[i] - 2.0 * ra[i] + 3.0 * rb[i]));
		CHECK(worst < 3e-5, "%u dimensions: off by %g", dim, worst);
	}
}

/*
 * Where a single coordinate lands: the fourth moment of a random direction is
 * 3 padded / (padded + 2) in units of 1 / padded^2, and no coordinate of it is
 * far from the others.  Directions of any place take part.
 */
static void
test_outliers_are_spread(void)
{
	static const uint32_t dims[] = {64, 96, 128, 160, 416, 800, 992, 1056, 1536};
	static float values[1536];

	for (size_t k = 0; k < sizeof(dims) / sizeof(dims[0]); k++)
	{
		uint32_t dim = dims[k];
		double moment = 0;
		double worst = 0;
		int seeds = 200;

		for (int seed = 0; seed < seeds; seed++)
		{
			Rotation rotation;

			rotation_init(&rotation, dim, (uint64_t) seed);
			memset(values, 0, sizeof(values));
			values[(uint32_t) seed * 7919u % dim] = 1;
			rotation_apply(&rotation, values, values);
			for (uint32_t i = 0; i < dim; i++)
			{
				moment += pow(values[i], 4) * dim / seeds;
				worst = fmax(worst, fabs(values[i]) * sqrt(dim));
			}
		}
		CHECK(fabs(moment * (dim + 2) / (3 * dim) - 1) < 0.1, "%u dimensions: %g", dim, moment);
		CHECK(worst < 7, "%u dimensions: %g standard deviations", dim, worst);
	}
}

static void
test_seeds_differ(void)
{
	float values[128];
	float first[128];
	float second[128];
	Random random;
	Rotation rotation;
	double length;

	random_seed(&random, 13);
	fill_gaussian(&random, values, 128);
	length = product(values, values, 128);
	rotation_init(&rotation, 128, 1);
	rotation_apply(&rotation, values, first);
	rotation_apply(&rotation, values, second);
	CHECK(memcmp(first, second, sizeof(first)) == 0, "one seed, two results");
	rotation_init(&rotation, 128, 2);
	rotation_apply(&rotation, values, second);
	CHECK(fabs(product(first, second, 128)) < 0.5 * length, "nearly the same rotation");
}

/* Ordinary values, and such as overflow, or lose bits below the smallest normal number */
static void
fill_mixed(Random *random, float *values, uint32_t dim, int kind)
{
	static const float scales[] = {1.0f, 1e30f, 1e-40f, 1e-38f, FLT_MAX / 4};

	for (uint32_t i = 0; i < dim; i++)
		values[i] = (float) fmin(fmax(random_gaussian(random), -4), 4) * scales[kind];
}

#define KINDS 5

/* Equal to the last bit; a NaN's bits do not count. */
static bool
same(const float *a, const float *b, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (memcmp(a + i, b + i, sizeof(float)) != 0 && !(isnan(a[i]) && isnan(b[i])))
			return false;
	return true;
}

/* Also: rotating in place, and unaligned addresses, give the same */
static void
test_same_bits_on_every_set(void)
{
	static float values[MAX_DIM + 1], expected[MAX_DIM], rotated[MAX_DIM + 1];
	Random random;

	random_seed(&random, 14);
	for (size_t k = 0; k < ALL_DIMS; k++)
	{
		uint32_t dim = tried_dim(k);
		Rotation rotation;

		rotation_init(&rotation, dim, k);
		fill_mixed(&random, values + 1, dim, (int) k % KINDS);
		simd_select(SIMD_NONE);
		rotation_apply(&rotation, values + 1, expected);
		for (SimdLevel level = SIMD_NONE; level < SIMD_LEVELS; level++)
		{
			if (!simd_select(level))
				continue;
			rotation_apply(&rotation, values + 1, rotated + 1);
			CHECK(same(rotated + 1, expected, rotation.padded), "%s, %u dimensions",
				  simd_name(level), dim);
			memcpy(rotated, values + 1, dim * sizeof(float));
			rotation_apply(&rotation, rotated, rotated);
			CHECK(same(rotated, expected, rotation.padded), "%s, %u dimensions, in place",
				  simd_name(level), dim);
		}
	}
	simd_select(simd_detect());
}

int
main(void)
{
	RUN(test_padded);
	RUN(test_definition);
	RUN(test_orthogonal_and_linear);
	RUN(test_outliers_are_spread);
	RUN(test_seeds_differ);
	RUN(test_same_bits_on_every_set);
	return unit_finish();
}
