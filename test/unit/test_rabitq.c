/*-------------------------------------------------------------------------
 *
 * test_rabitq.c
 *	  RaBitQ codes: layout of a block, factors and estimates against their
 *	  definitions in double precision, error of the estimates over many
 *	  rotations, extreme values, the same bits on every instruction set and in
 *	  every thread.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <float.h>
#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/rabitq.h"
#include "core/random.h"
#include "core/simd.h"

#define MAX_DIM 1536
#define MAX_BLOCK (4 * RABITQ_MAX_CODE_DIM + 128)
#define MAX_QUERY (4 * RABITQ_MAX_CODE_DIM + 256)
#define BFLOAT_HALF_STEP (1.0 / 256) /* relative error of 8 significant bits */

/* What is tried; far: how far the data lie from the origin, in each coordinate */
typedef struct Case
{
	uint32_t dim;
	uint32_t code_dim;
	RabitqMeasure measure;
	bool with_mean;
	double far;
} Case;

static const Case cases[] = {{1, 32, RABITQ_L2, false, 0},		{25, 32, RABITQ_IP, false, 0},
							 {128, 128, RABITQ_L2, false, 0},	{128, 128, RABITQ_IP, false, 0},
							 {128, 128, RABITQ_L2, true, 100},	{128, 64, RABITQ_L2, false, 1},
							 {100, 128, RABITQ_IP, true, 10},	{100, 96, RABITQ_L2, true, 10},
							 {400, 416, RABITQ_L2, false, 0},	{400, 384, RABITQ_IP, true, 3},
							 {784, 800, RABITQ_L2, true, 30},	{784, 704, RABITQ_IP, false, 0},
							 {1024, 1024, RABITQ_L2, false, 1}, {1536, 1024, RABITQ_L2, false, 0},
							 {1536, 1024, RABITQ_IP, true, 2},	{1536, 512, RABITQ_L2, true, 1}};
#define CASES (sizeof(cases) / sizeof(cases[0]))

/* A centre, its neighbours and a query; and the quantiser they are coded by */
typedef struct Scene
{
	Rabitq rabitq;
	float mean_value[MAX_DIM]; /* of the data, not rotated */
	float mean[MAX_DIM];
	float center_value[MAX_DIM];
	float rotated[RABITQ_MAX_CODE_DIM];
	float query[MAX_DIM];
	float values[RABITQ_LANES][MAX_DIM];
	float rotated_values[RABITQ_LANES][RABITQ_MAX_CODE_DIM];
	RabitqPoint center;
	float scratch[MAX_DIM];
	RabitqLane lanes[RABITQ_LANES];
	_Alignas(64) uint8_t block[MAX_BLOCK];
	_Alignas(64) uint8_t prepared[MAX_QUERY];
} Scene;

/* Data around a mean; the neighbours at different distances from their centre */
static void
scene_values(Scene *scene, const Case *test, uint64_t seed)
{
	Random random;

	random_seed(&random, seed);
	for (uint32_t i = 0; i < test->dim; i++)
	{
		scene->mean_value[i] = (float) (test->far * (1 + random_double(&random)));
		scene->center_value[i] = scene->mean_value[i] + (float) random_gaussian(&random);
		scene->query[i] = scene->center_value[i] + (float) random_gaussian(&random);
	}
	for (int lane = 0; lane < RABITQ_LANES; lane++)
		for (uint32_t i = 0; i < test->dim; i++)
			scene->values[lane][i] =
				scene->center_value[i] + (float) (random_gaussian(&random) * 0.05 * (lane + 1));
}

/* Codes the values by the rotation of this seed. */
static void
scene_encode(Scene *scene, const Case *test, uint64_t seed)
{
	Rabitq *rabitq = &scene->rabitq;

	rotation_init(&rabitq->rotation, test->dim, seed);
	rabitq->code_dim = test->code_dim;
	rabitq->measure = test->measure;
	rotation_apply(&rabitq->rotation, scene->mean_value, scene->mean);
	rabitq->mean = test->with_mean ? scene->mean : NULL;
	scene->center = (RabitqPoint){scene->center_value, scene->rotated};
	rabitq_rotate(rabitq, &scene->center, scene->scratch);
	memset(scene->block, 0, sizeof(scene->block));
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		RabitqPoint value = {scene->values[lane], scene->rotated_values[lane]};

		rabitq_rotate(rabitq, &value, scene->scratch);
		rabitq_encode(rabitq, &scene->center, &value, &scene->lanes[lane]);
		rabitq_put_lane(test->code_dim, scene->block, lane, &scene->lanes[lane]);
	}
	rabitq_prepare_query(rabitq, scene->query, scene->scratch, scene->prepared);
}

static double
exact_key(const Case *test, const float *a, const float *b)
{
	double sum = 0;

	for (uint32_t i = 0; i < test->dim; i++)
		sum += test->measure == RABITQ_L2 ? ((double) a[i] - b[i]) * ((double) a[i] - b[i])
										  : -(double) a[i] * b[i];
	return sum;
}

static void
test_sizes(void)
{
	CHECK(rabitq_block_size(32) == 256, "%zu", rabitq_block_size(32));
	CHECK(rabitq_block_size(128) == 640, "%zu", rabitq_block_size(128));
	CHECK(rabitq_block_size(1024) == 4224, "%zu", rabitq_block_size(1024));
	CHECK(rabitq_query_size(128) >= 512 && rabitq_query_size(128) <= 640, "%zu",
		  rabitq_query_size(128));
	CHECK(rabitq_query_size(1024) <= MAX_QUERY, "%zu", rabitq_query_size(1024));
}

static void
fill_lane(Random *random, RabitqLane *lane)
{
	for (size_t i = 0; i < sizeof(lane->code); i++)
		lane->code[i] = (uint8_t) random_next(random);
	lane->add = (float) random_below(random, 256) - 128; /* of 8 bits: exact */
	lane->rescale = -(float) random_below(random, 256) / 1024;
}

static float
bfloat_at(const uint8_t *at)
{
	uint16_t half;
	uint32_t bits;
	float value;

	memcpy(&half, at, sizeof(half));
	bits = (uint32_t) half << 16;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Every bit of a block where performance.md 2.4 says */
static void
test_layout(void)
{
	static const int lane_of_byte[16] = {0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15};
	static const uint32_t code_dims[] = {32, 64, 416, 1024};
	static RabitqLane lanes[RABITQ_LANES];
	Random random;

	random_seed(&random, 21);
	for (size_t k = 0; k < sizeof(code_dims) / sizeof(code_dims[0]); k++)
	{
		uint32_t code_dim = code_dims[k];
		uint8_t block[MAX_BLOCK + 1];
		uint8_t *at = block + 1;
		int wrong = 0;

		memset(block, 0xa5, sizeof(block));
		for (int lane = RABITQ_LANES - 1; lane >= 0; lane--)
		{
			fill_lane(&random, &lanes[lane]);
			rabitq_put_lane(code_dim, at, lane, &lanes[lane]);
		}
		for (uint32_t i = 0; i < code_dim; i++)
			for (int byte = 0; byte < 16; byte++)
			{
				int low = lane_of_byte[byte];
				int stored = at[i / 4 * 16 + (uint32_t) byte];

				wrong += (stored >> (i % 4) & 1) != (lanes[low].code[i / 8] >> (i % 8) & 1);
				wrong +=
					(stored >> (4 + i % 4) & 1) != (lanes[low + 16].code[i / 8] >> (i % 8) & 1);
			}
		CHECK(wrong == 0, "%u dimensions: %d bits out of place", code_dim, wrong);
		for (size_t lane = 0; lane < RABITQ_LANES; lane++)
		{
			CHECK(bfloat_at(at + 4 * code_dim + 2 * lane) == lanes[lane].add, "lane %zu", lane);
			CHECK(bfloat_at(at + 4 * code_dim + 64 + 2 * lane) == lanes[lane].rescale, "lane %zu",
				  lane);
		}
		CHECK(block[0] == 0xa5, "byte before the block");
		for (size_t i = 1 + rabitq_block_size(code_dim); i < sizeof(block); i++)
			CHECK(block[i] == 0xa5, "byte %zu behind the block", i);
	}
}

static void
test_lanes_come_back(void)
{
	static RabitqLane lanes[RABITQ_LANES];
	uint8_t block[MAX_BLOCK] = {0};
	Random random;

	random_seed(&random, 22);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		fill_lane(&random, &lanes[lane]);
		rabitq_put_lane(736, block, lane, &lanes[lane]);
	}
	/* One lane again: the others stay as they are. */
	fill_lane(&random, &lanes[13]);
	rabitq_put_lane(736, block, 13, &lanes[13]);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		RabitqLane back;

		rabitq_get_lane(736, block, lane, &back);
		CHECK(back.add == lanes[lane].add && back.rescale == lanes[lane].rescale, "lane %d", lane);
		CHECK(memcmp(back.code, lanes[lane].code, 736 / 8) == 0, "lane %d", lane);
	}
}

/* bfloat16 has 8 significant bits; nearest, ties to even, the largest is 2^128 - 2^120 */
static void
test_rounding_of_factors(void)
{
	static const float given[][2] = {{1.0f, 1.0f},
									 {0x1.01p0f, 1.0f},			 /* tie, to even */
									 {0x1.03p0f, 0x1.04p0f},	 /* tie, to even */
									 {0x1.010002p0f, 0x1.02p0f}, /* above a tie */
									 {-0x1.01fffep0f, -0x1.02p0f},
									 {0x1.ffp3f, 16.0f}, /* carry into the exponent */
									 {0x1.fep127f, 0x1.fep127f},
									 {FLT_MAX, 0x1.fep127f},
									 {-FLT_MAX, -0x1.fep127f},
									 {INFINITY, 0x1.fep127f},
									 {-INFINITY, -0x1.fep127f},
									 {0x1.4p-133f, 0x1p-133f}, /* the least denormal one */
									 {0x1p-134f, 0.0f},
									 {0.0f, 0.0f}};
	uint8_t block[MAX_BLOCK] = {0};
	RabitqLane lane = {0};

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
	{
		lane.add = given[i][0];
		lane.rescale = -given[i][0];
		rabitq_put_lane(32, block, 31, &lane);
		rabitq_get_lane(32, block, 31, &lane);
		CHECK(lane.add == given[i][1], "%a became %a", given[i][0], lane.add);
		CHECK(lane.rescale == -given[i][1], "%a became %a", -given[i][0], lane.rescale);
	}
}

/* Error of a rotated coordinate as a share of the norm (rotation.h), a few times over */
#define ROTATION_ROUNDING 4e-7

/* One code against its definition */
static void
check_code(Scene *scene, const Case *test, int lane)
{
	const RabitqLane *code = &scene->lanes[lane];
	const float *value = scene->values[lane];
	double slope_factor = test->measure == RABITQ_L2 ? 4 : 2;
	double square = 0;
	double product = 0;
	double absolute = 0;
	double signed_center = 0;
	double size = 0;
	double norms = 0;
	double rounding;
	double rescale;
	double add;

	for (uint32_t i = 0; i < test->dim; i++)
	{
		double difference = (double) value[i] - scene->center_value[i];

		norms +=
			(double) value[i] * value[i] + (double) scene->center_value[i] * scene->center_value[i];
		square += difference * difference;
		product += difference * scene->center_value[i];
		scene->scratch[i] = value[i] - scene->center_value[i];
	}
	rotation_apply(&scene->rabitq.rotation, scene->scratch, scene->scratch);
	rounding = ROTATION_ROUNDING * sqrt(norms);
	for (uint32_t i = 0; i < test->code_dim; i++)
	{
		bool positive = (code->code[i / 8] >> (i % 8) & 1) != 0;

		CHECK(positive == (scene->scratch[i] >= 0) || fabs(scene->scratch[i]) <= rounding,
			  "sign %u of lane %d", i, lane);
		absolute += fabs(scene->scratch[i]);
		signed_center += positive ? scene->rotated[i] : -scene->rotated[i];
		size += fabs(scene->rotated[i]);
	}
	rescale = -slope_factor * square / absolute;
	CHECK(fabs(code->rescale - rescale) <=
			  fabs(rescale) * (BFLOAT_HALF_STEP + 1e-6 + test->code_dim * rounding / absolute),
		  "rescale of lane %d: %g, not %g", lane, code->rescale, rescale);
	add = (test->measure == RABITQ_L2 ? square : -product) - code->rescale / 2 * signed_center;
	CHECK(fabs(code->add - add) <=
			  fabs(add) * (BFLOAT_HALF_STEP + 1e-6) + fabs(rescale) * size * 1e-6,
		  "add of lane %d: %g, not %g", lane, code->add, add);
}

/*
 * Estimates against the formula in double precision, with the codes as they are.
 * Every table entry is off by half a unit at most.
 */
static void
check_estimates(Scene *scene, const Case *test)
{
	float key = (float) exact_key(test, scene->center_value, scene->query);
	float estimates[RABITQ_LANES];
	float rotated[MAX_DIM];
	double unit = 0;
	double sum = 0;
	double size = 0;

	rabitq_estimate(test->code_dim, scene->prepared, scene->block, key, estimates);
	rotation_apply(&scene->rabitq.rotation, scene->query, rotated);
	for (uint32_t i = 0; i < test->code_dim; i += 4)
	{
		double range = 0;

		for (uint32_t j = i; j < i + 4; j++)
		{
			rotated[j] -= test->with_mean ? scene->mean[j] : 0;
			sum += rotated[j];
			range += fabs(rotated[j]);
		}
		size += range;
		unit = fmax(unit, range / 255);
	}
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		RabitqLane code;
		double expected;
		double allowed;
		double set = 0;

		rabitq_get_lane(test->code_dim, scene->block, lane, &code);
		for (uint32_t i = 0; i < test->code_dim; i++)
			set += (code.code[i / 8] >> (i % 8) & 1) != 0 ? rotated[i] : 0;
		expected = code.add + (double) key + code.rescale * (set - sum / 2);
		allowed = fabs(code.rescale) * (unit * 0.5001 * test->code_dim / 4 + size * 1e-6) +
				  1e-6 * (fabs(key) + fabs(code.add));
		CHECK(fabs(estimates[lane] - expected) <= allowed, "lane %d: %g, not %g", lane,
			  estimates[lane], expected);
	}
}

static void
test_definitions(void)
{
	static Scene scene;

	for (size_t k = 0; k < CASES; k++)
	{
		scene_values(&scene, &cases[k], 100 + k);
		scene_encode(&scene, &cases[k], 200 + k);
		for (int lane = 0; lane < RABITQ_LANES; lane++)
			check_code(&scene, &cases[k], lane);
		check_estimates(&scene, &cases[k]);
	}
}

/*
 * A worked example.  32 dimensions, the centre and the mean are 0; x and q are
 * such that T x = (2, -2, 2, -2, ...) and T q = (1, 1, ...): the rotation of a
 * rotation's transpose, found as inner products with rotated unit vectors.
 * rho^2 = 128, |r|_1 = 64, so rescale = -8 for L2; |q|^2 = 32, <x, q> = 0, and
 * S - W/2 = 0.  With T q = T x / 2: <x, q> = 64, the estimate of |x-q|^2 is
 * 128 + 32 - 128 = 32, which is exact as u is on the code's axis.
 */
static void
test_worked_example(void)
{
	Scene *scene = calloc(1, sizeof(Scene));
	Case test = {32, 32, RABITQ_L2, false, 0};
	float estimates[RABITQ_LANES];

	rotation_init(&scene->rabitq.rotation, 32, 5);
	for (uint32_t j = 0; j < 32; j++)
	{
		float unit[32] = {0};

		unit[j] = 1;
		rotation_apply(&scene->rabitq.rotation, unit, unit);
		for (uint32_t i = 0; i < 32; i++)
		{
			scene->values[0][j] += i % 2 == 0 ? 2 * unit[i] : -2 * unit[i];
			scene->query[j] += unit[i];
		}
	}
	scene_encode(scene, &test, 5);
	CHECK(scene->lanes[0].add == 128 && scene->lanes[0].rescale == -8, "%g and %g",
		  scene->lanes[0].add, scene->lanes[0].rescale);
	CHECK(scene->lanes[0].code[0] == 0x55 && scene->lanes[0].code[3] == 0x55, "signs");
	rabitq_estimate(32, scene->prepared, scene->block, 32, estimates);
	CHECK(fabsf(estimates[0] - 160) < 1e-3f, "%g", estimates[0]);

	for (uint32_t j = 0; j < 32; j++)
		scene->query[j] = scene->values[0][j] / 2;
	rabitq_prepare_query(&scene->rabitq, scene->query, scene->scratch, scene->prepared);
	rabitq_estimate(32, scene->prepared, scene->block, 32, estimates);
	CHECK(fabsf(estimates[0] - 32) < 1e-3f, "%g", estimates[0]);
	free(scene);
}

/* The sums of 16 bits hold what 1,024 dimensions with full tables add up to. */
static void
test_largest_sums(void)
{
	Scene *scene = calloc(1, sizeof(Scene));
	Case test = {1024, 1024, RABITQ_L2, true, 0};
	RabitqLane ones = {0, 1, {0}};
	float estimates[RABITQ_LANES];

	scene_values(scene, &test, 31);
	scene_encode(scene, &test, 32);
	rotation_apply(&scene->rabitq.rotation, scene->query, scene->scratch);
	for (uint32_t i = 0; i < 1024; i++)
		scene->mean[i] = scene->scratch[i] - 4; /* w = 4 everywhere */
	memset(ones.code, 0xff, sizeof(ones.code));
	for (int lane = 0; lane < RABITQ_LANES; lane++)
		rabitq_put_lane(1024, scene->block, lane, &ones);
	rabitq_prepare_query(&scene->rabitq, scene->query, scene->scratch, scene->prepared);
	for (SimdLevel level = SIMD_NONE; level < SIMD_LEVELS; level++)
	{
		if (!simd_select(level))
			continue;
		rabitq_estimate(1024, scene->prepared, scene->block, 7, estimates);
		for (int lane = 0; lane < RABITQ_LANES; lane++)
			CHECK(fabsf(estimates[lane] - (7 + 4096 - 2048)) < 0.02f, "%s, lane %d: %g",
				  simd_name(level), lane, estimates[lane]);
	}
	simd_select(simd_detect());
	free(scene);
}

/* Sums over the rotations of one case */
typedef struct Errors
{
	double sum[RABITQ_LANES]; /* of errors */
	double squares[RABITQ_LANES];
	double normal; /* of squares of errors in units of the expected deviation */
	double beyond; /* how many are beyond the bound with eps = 1.9 */
} Errors;

#define ROTATIONS 200

/*
 * Adds the errors of one rotation.  Their standard deviation, given the code:
 * rho |q-c| sqrt((1 - a^2) (code_dim / k^2 - 1) / (padded - 1)), a = cosine of
 * x-c and q-c, k = |r|_1 / rho; twice that for L2.
 */
static void
add_errors(Errors *errors, Scene *scene, const Case *test, const double *exact, double key)
{
	double factor = test->measure == RABITQ_L2 ? 2 : 1;
	float estimates[RABITQ_LANES];

	rabitq_estimate(test->code_dim, scene->prepared, scene->block, (float) key, estimates);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		double error = estimates[lane] - exact[lane];
		double square = 0;
		double distance = 0;
		double inner = 0;
		double deviation;
		double k;

		for (uint32_t i = 0; i < test->dim; i++)
		{
			double r = (double) scene->values[lane][i] - scene->center_value[i];
			double v = (double) scene->query[i] - scene->center_value[i];

			square += r * r;
			distance += v * v;
			inner += r * v;
		}
		k = factor * 2 * sqrt(square) / fabs(scene->lanes[lane].rescale);
		deviation =
			factor * sqrt((square * distance - inner * inner) * (test->code_dim / (k * k) - 1) /
						  (scene->rabitq.rotation.padded - 1));
		errors->sum[lane] += error;
		errors->squares[lane] += error * error;
		errors->normal += error * error / (deviation * deviation);
		errors->beyond +=
			fabs(error) > 1.9 * factor *
							  sqrt(square * distance * (test->code_dim / (k * k) - 1) /
								   (scene->rabitq.rotation.padded - 1));
	}
}

/*
 * The mean error of every pair is within 4 standard errors, and the rounding of
 * the factors.  The deviation is what theory says, and errors are nearly normal:
 * 5.7 % of them are beyond 1.9 deviations.
 */
static void
check_errors(const Case *test)
{
	static Scene scene;
	static Errors errors;
	double exact[RABITQ_LANES];
	double key;
	double samples = ROTATIONS * RABITQ_LANES;

	memset(&errors, 0, sizeof(errors));
	scene_values(&scene, test, 300);
	key = exact_key(test, scene.center_value, scene.query);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
		exact[lane] = exact_key(test, scene.values[lane], scene.query);
	for (uint64_t seed = 0; seed < ROTATIONS; seed++)
	{
		scene_encode(&scene, test, seed);
		add_errors(&errors, &scene, test, exact, key);
	}
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		double mean = errors.sum[lane] / ROTATIONS;
		double variance = errors.squares[lane] / ROTATIONS - mean * mean;
		double rounding = BFLOAT_HALF_STEP * fabs(scene.lanes[lane].add) + 1e-6 * fabs(key);

		CHECK(fabs(mean) <= 4 * sqrt(variance / ROTATIONS) + rounding,
			  "%u of %u dimensions, lane %d: mean error %g, deviation %g", test->code_dim,
			  test->dim, lane, mean, sqrt(variance));
	}
	CHECK(fabs(sqrt(errors.normal / samples) - 1) < 0.03, "%u of %u dimensions: deviation %g",
		  test->code_dim, test->dim, sqrt(errors.normal / samples));
	CHECK(fabs(errors.beyond / samples - 0.057) < 0.01, "%u of %u dimensions: %g beyond 1.9",
		  test->code_dim, test->dim, errors.beyond / samples);
}

static void
test_errors(void)
{
	for (size_t k = 0; k < CASES; k++)
		if (cases[k].dim > 1) /* one dimension: no angle, no error */
			check_errors(&cases[k]);
}

/* In one dimension, and wherever x - c and q - c have one direction, estimates are exact. */
static void
test_one_direction(void)
{
	static Scene scene;
	Case test = {200, 224, RABITQ_L2, false, 0};
	float estimates[RABITQ_LANES];
	double key;

	scene_values(&scene, &test, 41);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
		for (uint32_t i = 0; i < test.dim; i++)
			scene.values[lane][i] =
				scene.center_value[i] +
				(scene.query[i] - scene.center_value[i]) * (float) (lane - 10) / 16;
	scene_encode(&scene, &test, 42);
	key = exact_key(&test, scene.center_value, scene.query);
	rabitq_estimate(test.code_dim, scene.prepared, scene.block, (float) key, estimates);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		double exact = exact_key(&test, scene.values[lane], scene.query);

		CHECK(fabs(estimates[lane] - exact) < 0.02 * (key + exact), "lane %d: %g, not %g", lane,
			  estimates[lane], exact);
	}
}

/* Everything a level produces, against what plain C does; nothing aligned */
static void
check_same_bits(const Case *test, const Scene *expected, const float *estimates, SimdLevel level)
{
	static Scene scene;
	uint8_t block[MAX_BLOCK + 1];
	uint8_t prepared[MAX_QUERY + 1];
	float again[RABITQ_LANES + 1];
	float key = (float) exact_key(test, expected->center_value, expected->query);

	scene = *expected;
	memset(scene.rotated, 0, sizeof(scene.rotated));
	memset(scene.lanes, 0, sizeof(scene.lanes));
	memset(scene.prepared, 0, sizeof(scene.prepared));
	scene_encode(&scene, test, 52);
	CHECK(memcmp(scene.rotated, expected->rotated, test->code_dim * sizeof(float)) == 0,
		  "%s, %u dimensions: centre", simd_name(level), test->dim);
	CHECK(memcmp(scene.lanes, expected->lanes, sizeof(scene.lanes)) == 0,
		  "%s, %u dimensions: codes", simd_name(level), test->dim);
	CHECK(memcmp(scene.block, expected->block, sizeof(scene.block)) == 0,
		  "%s, %u dimensions: block", simd_name(level), test->dim);
	CHECK(memcmp(scene.prepared, expected->prepared, rabitq_query_size(test->code_dim)) == 0,
		  "%s, %u dimensions: query", simd_name(level), test->dim);
	memcpy(block + 1, scene.block, rabitq_block_size(test->code_dim));
	memcpy(prepared + 1, scene.prepared, rabitq_query_size(test->code_dim));
	rabitq_estimate(test->code_dim, prepared + 1, block + 1, key, again + 1);
	CHECK(memcmp(again + 1, estimates, RABITQ_LANES * sizeof(float)) == 0,
		  "%s, %u dimensions: estimates", simd_name(level), test->dim);
}

static void
test_same_bits_on_every_set(void)
{
	static Scene scene;
	float estimates[RABITQ_LANES];

	for (size_t k = 0; k < CASES; k++)
	{
		memset(&scene, 0, sizeof(scene));
		scene_values(&scene, &cases[k], 51 + k);
		simd_select(SIMD_NONE);
		scene_encode(&scene, &cases[k], 52);
		rabitq_estimate(cases[k].code_dim, scene.prepared, scene.block,
						(float) exact_key(&cases[k], scene.center_value, scene.query), estimates);
		for (SimdLevel level = SIMD_NONE; level < SIMD_LEVELS; level++)
			if (simd_select(level))
				check_same_bits(&cases[k], &scene, estimates, level);
	}
	simd_select(simd_detect());
}

/* A value equal to the centre; lanes nothing was put in */
static void
test_duplicates(void)
{
	static Scene scene;
	float estimates[RABITQ_LANES];

	for (size_t k = 0; k < CASES; k++)
	{
		float key;

		scene_values(&scene, &cases[k], 61 + k);
		for (int lane = 0; lane < RABITQ_LANES; lane++)
			memcpy(scene.values[lane], scene.center_value, sizeof(scene.center_value));
		scene_encode(&scene, &cases[k], 62);
		key = (float) exact_key(&cases[k], scene.center_value, scene.query);
		rabitq_estimate(cases[k].code_dim, scene.prepared, scene.block, key, estimates);
		for (int lane = 0; lane < RABITQ_LANES; lane++)
			CHECK(estimates[lane] == key, "%g, not %g", estimates[lane], key);
		memset(scene.block, 0, sizeof(scene.block));
		rabitq_estimate(cases[k].code_dim, scene.prepared, scene.block, key, estimates);
		for (int lane = 0; lane < RABITQ_LANES; lane++)
			CHECK(estimates[lane] == key, "empty lane: %g, not %g", estimates[lane], key);
	}
}

/* A query equal to the centre: the estimate of a squared distance is rho^2. */
static void
test_query_at_center(void)
{
	static Scene scene;
	Case test = {128, 128, RABITQ_L2, false, 0};
	float estimates[RABITQ_LANES];

	scene_values(&scene, &test, 63);
	memcpy(scene.query, scene.center_value, sizeof(scene.query));
	scene_encode(&scene, &test, 64);
	rabitq_estimate(test.code_dim, scene.prepared, scene.block, 0, estimates);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
	{
		double exact = exact_key(&test, scene.values[lane], scene.query);

		/* The query's table, and the rounding of add, which has <s, C> in it */
		CHECK(fabs(estimates[lane] - exact) < 0.02 * exact + 0.2 * sqrt(exact), "%g, not %g",
			  estimates[lane], exact);
	}
}

/*
 * All sizes of numbers against each other: no estimate is NaN, whatever the key,
 * and all instruction sets agree.
 */
static void
check_extremes(Scene *scene, const Case *test, const float *keys, int n_keys)
{
	float plain[RABITQ_LANES];
	float estimates[RABITQ_LANES];

	for (SimdLevel level = SIMD_NONE; level < SIMD_LEVELS; level++)
	{
		if (!simd_select(level))
			continue;
		scene_encode(scene, test, 71);
		for (int lane = 0; lane < RABITQ_LANES; lane++)
			CHECK(isfinite(scene->lanes[lane].add) && isfinite(scene->lanes[lane].rescale),
				  "%s: factors %g, %g", simd_name(level), scene->lanes[lane].add,
				  scene->lanes[lane].rescale);
		for (int k = 0; k < n_keys; k++)
		{
			rabitq_estimate(test->code_dim, scene->prepared, scene->block, keys[k], estimates);
			simd_select(SIMD_NONE);
			rabitq_estimate(test->code_dim, scene->prepared, scene->block, keys[k], plain);
			simd_select(level);
			for (int lane = 0; lane < RABITQ_LANES; lane++)
			{
				CHECK(!isnan(estimates[lane]), "%s, key %g", simd_name(level), keys[k]);
				CHECK(estimates[lane] == plain[lane], "%s, key %g: %g, not %g", simd_name(level),
					  keys[k], estimates[lane], plain[lane]);
			}
		}
	}
	simd_select(simd_detect());
}

static void
test_extremes(void)
{
	static const float sizes[] = {0, 1e-45f, 1e-40f, 1e-20f, 1, 1e18f, 1e30f, 1e38f, FLT_MAX};
	static const float keys[] = {0, 1, -1, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY};
	static Scene scene;
	Random random;

	random_seed(&random, 72);
	for (int k = 0; k < 200; k++)
	{
		Case test = {k % 3 == 0 ? 128 : 50, 64, k % 2 == 0 ? RABITQ_L2 : RABITQ_IP, k % 5 == 0, 0};
		const float center_size = sizes[random_below(&random, 9)];
		const float query_size = sizes[random_below(&random, 9)];

		for (uint32_t i = 0; i < test.dim; i++)
		{
			scene.mean_value[i] = center_size / 1e3f;
			scene.center_value[i] = (float) (center_size * (2 * random_double(&random) - 1));
			scene.query[i] = (float) (query_size * (2 * random_double(&random) - 1));
			for (int lane = 0; lane < RABITQ_LANES; lane++)
				scene.values[lane][i] =
					(float) (sizes[lane % 9] * (2 * random_double(&random) - 1));
		}
		check_extremes(&scene, &test, keys, 7);
	}
}

/* Where it is not within the range, the result is of the right size all the same. */
static void
test_sizes_of_extremes(void)
{
	static Scene scene;
	Case l2 = {128, 128, RABITQ_L2, false, 0};
	Case ip = {128, 128, RABITQ_IP, false, 0};
	float estimates[RABITQ_LANES];
	double exact;

	/* 1e30 apart: the square is beyond all floats. */
	scene_values(&scene, &l2, 81);
	for (uint32_t i = 0; i < l2.dim; i++)
		scene.values[0][i] *= 1e30f;
	scene_encode(&scene, &l2, 82);
	rabitq_estimate(l2.code_dim, scene.prepared, scene.block, 1, estimates);
	CHECK(estimates[0] > 1e38f && estimates[1] < 1e3f, "%g, %g", estimates[0], estimates[1]);

	/* The inner product of 1e30 and 1 has a value. */
	scene_encode(&scene, &ip, 82);
	exact = exact_key(&ip, scene.values[0], scene.query);
	rabitq_estimate(ip.code_dim, scene.prepared, scene.block,
					(float) exact_key(&ip, scene.center_value, scene.query), estimates);
	CHECK(fabs(estimates[0] - exact) < 5e31, "%g, not %g", estimates[0], exact);

	/* All of it at 1e-40: keys are 0, and so are estimates. */
	scene_values(&scene, &l2, 83);
	for (uint32_t i = 0; i < l2.dim; i++)
	{
		scene.center_value[i] *= 1e-40f;
		scene.query[i] *= 1e-40f;
		for (int lane = 0; lane < RABITQ_LANES; lane++)
			scene.values[lane][i] *= 1e-40f;
	}
	scene_encode(&scene, &l2, 84);
	rabitq_estimate(l2.code_dim, scene.prepared, scene.block, 0, estimates);
	for (int lane = 0; lane < RABITQ_LANES; lane++)
		CHECK(fabsf(estimates[lane]) < 1e-37f, "%g", estimates[lane]);
}

#define WORKERS 4
#define TURNS 64

typedef struct Shared
{
	const Scene *scene; /* coded by one thread */
	const float *estimates;
	int wrong[WORKERS];
} Shared;

/* Codes and scores everything again, with memory of its own. */
static void
work(void *arg, int thread, uint32_t from, uint32_t to)
{
	Shared *shared = arg;
	const Case *test = &cases[2];

	for (uint32_t turn = from; turn < to; turn++)
	{
		Scene *scene = malloc(sizeof(Scene));
		float estimates[RABITQ_LANES];

		*scene = *shared->scene;
		scene_encode(scene, test, 91);
		rabitq_estimate(test->code_dim, scene->prepared, scene->block, 1, estimates);
		shared->wrong[thread] += memcmp(estimates, shared->estimates, sizeof(estimates)) != 0;
		free(scene);
	}
}

static void
test_threads(void)
{
	static Scene scene;
	float estimates[RABITQ_LANES];
	Shared shared = {&scene, estimates, {0}};

	scene_values(&scene, &cases[2], 90);
	scene_encode(&scene, &cases[2], 91);
	rabitq_estimate(cases[2].code_dim, scene.prepared, scene.block, 1, estimates);
	parallel_for(WORKERS, 0, TURNS, 1, work, &shared);
	for (int thread = 0; thread < WORKERS; thread++)
		CHECK(shared.wrong[thread] == 0, "thread %d", thread);
}

int
main(void)
{
	RUN(test_sizes);
	RUN(test_layout);
	RUN(test_lanes_come_back);
	RUN(test_rounding_of_factors);
	RUN(test_definitions);
	RUN(test_worked_example);
	RUN(test_largest_sums);
	RUN(test_errors);
	RUN(test_one_direction);
	RUN(test_query_at_center);
	RUN(test_duplicates);
	RUN(test_extremes);
	RUN(test_sizes_of_extremes);
	RUN(test_same_bits_on_every_set);
	RUN(test_threads);
	return unit_finish();
}
