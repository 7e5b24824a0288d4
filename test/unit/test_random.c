/*-------------------------------------------------------------------------
 *
 * test_random.c
 *	  Random numbers: known sequence, ranges, moments.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/random.h"
#include "unit.h"

#define DRAWS 200000

/* splitmix64 from state 0, and xoshiro256** from state {1, 2, 3, 4}: published values */
static void
test_known_values(void)
{
	Random random = {{1, 2, 3, 4}};
	static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240ull};

	CHECK(random_hash(0) == 0xE220A8397B1DCDAFull, "%llx", (unsigned long long) random_hash(0));
	CHECK(random_hash(0x9E3779B97F4A7C15ull) == 0x6E789E6AA1B965F4ull, "second of splitmix64");
	for (int i = 0; i < 4; i++)
	{
		uint64_t drawn = random_next(&random);

		CHECK(drawn == expected[i], "draw %d is %llu", i, (unsigned long long) drawn);
	}
}

static void
test_seed(void)
{
	Random a;
	Random b;
	int differing = 0;

	random_seed(&a, 7);
	random_seed(&b, 7);
	for (int i = 0; i < 100; i++)
		CHECK(random_next(&a) == random_next(&b), "draw %d", i);
	random_seed(&b, 8);
	for (int i = 0; i < 100; i++)
		differing += random_next(&a) != random_next(&b);
	CHECK(differing == 100, "%d of 100 draws differ", differing);
	random_seed(&a, 0);
	CHECK((a.state[0] | a.state[1] | a.state[2] | a.state[3]) != 0, "all-zero state");
}

static void
test_double(void)
{
	Random random;
	double sum = 0;
	double least = 1;
	double greatest = 0;

	random_seed(&random, 1);
	for (int i = 0; i < DRAWS; i++)
	{
		double x = random_double(&random);

		sum += x;
		least = x < least ? x : least;
		greatest = x > greatest ? x : greatest;
	}
	CHECK(least >= 0 && least < 1e-3, "least %g", least);
	CHECK(greatest < 1 && greatest > 0.999, "greatest %g", greatest);
	/* five standard deviations: 5 * sqrt(1/12/200000) = 0.0032 */
	CHECK(fabs(sum / DRAWS - 0.5) < 0.0033, "mean %g", sum / DRAWS);
}

static void
test_below(void)
{
	Random random;
	int counts[7] = {0};
	int low = 0;

	random_seed(&random, 2);
	for (int i = 0; i < DRAWS; i++)
	{
		uint64_t r = random_below(&random, 7);

		CHECK(r < 7, "%llu", (unsigned long long) r);
		counts[r]++;
	}
	for (int i = 0; i < 7; i++)
		CHECK(abs(counts[i] - DRAWS / 7) < 800, "%d drawn %d times", i, counts[i]);
	CHECK(random_below(&random, 1) == 0, "below 1");

	/* A plain remainder would give the lower third of [0, 3 * 2^62) half of the draws. */
	for (int i = 0; i < 10000; i++)
		low += random_below(&random, UINT64_C(3) << 62) < UINT64_C(1) << 62;
	CHECK(abs(low - 3333) < 240, "%d of 10000 in the lower third", low);
}

static void
test_gaussian(void)
{
	Random random;
	double moments[5] = {0};

	random_seed(&random, 3);
	for (int i = 0; i < DRAWS; i++)
	{
		double x = random_gaussian(&random);
		double power = x;

		for (int k = 1; k <= 4; k++, power *= x)
			moments[k] += power / DRAWS;
	}
	CHECK(fabs(moments[1]) < 0.012, "mean %g", moments[1]);
	CHECK(fabs(moments[2] - 1) < 0.016, "variance %g", moments[2]);
	CHECK(fabs(moments[3]) < 0.045, "third moment %g", moments[3]);
	CHECK(fabs(moments[4] - 3) < 0.11, "fourth moment %g", moments[4]);
}

int
main(void)
{
	RUN(test_known_values);
	RUN(test_seed);
	RUN(test_double);
	RUN(test_below);
	RUN(test_gaussian);
	return unit_finish();
}
