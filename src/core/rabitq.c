/*-------------------------------------------------------------------------
 *
 * rabitq.c
 *	  RaBitQ codes around a centre, and their blocks.  The loops over dimensions
 *	  are in quantise_template.h, per instruction set.
 *
 *-------------------------------------------------------------------------
 */
#include "core/rabitq.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/quantise_table.h"

#define GROUP 4			 /* dimensions that share a table */
#define GROUP_ENTRIES 16 /* one for each set of bits of a group */
#define TABLE_OFFSET 64	 /* of the tables in a prepared query: a cache line */
#define TABLE_ENTRY_MAX 255.0f
#define BFLOAT_MAX 0x1.fep127f /* largest finite bfloat16 */

/* Bytes of the 32 numbers of one kind that end a block */
#define FACTORS_SIZE (RABITQ_LANES * sizeof(uint16_t))

/* What a prepared query begins with; its tables start at TABLE_OFFSET. */
typedef struct QueryHeader
{
	float delta; /* of QuantiseScan */
	float offset;
} QueryHeader;

const QuantiseKernels *const quantise_tables[SIMD_LEVELS] = {
	[SIMD_NONE] = &quantise_none,
#ifdef SIMD_HAVE_NEON
	[SIMD_NEON] = &quantise_neon,
#endif
#ifdef SIMD_HAVE_X86
	[SIMD_AVX2] = &quantise_avx2,
	[SIMD_AVX512] = &quantise_avx512,
#endif
};

/* Nearest bfloat16 number, ties to even; the largest finite one for numbers
 * beyond.  Not for NaN. */
static uint16_t
bfloat_from_double(double value)
{
	float single = (float) fmax(fmin(value, BFLOAT_MAX), -BFLOAT_MAX);
	uint32_t bits;

	memcpy(&bits, &single, sizeof(bits));
	return (uint16_t) ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static float
bfloat_to_float(uint16_t bfloat)
{
	uint32_t bits = (uint32_t) bfloat << 16;
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

size_t
rabitq_block_size(uint32_t code_dim)
{
	return GROUP_ENTRIES * (code_dim / GROUP) + 2 * FACTORS_SIZE;
}

size_t
rabitq_query_size(uint32_t code_dim)
{
	return TABLE_OFFSET + GROUP_ENTRIES * (code_dim / GROUP);
}

/* The leading code_dim rotated coordinates of value, minus the mean */
static void
rotate_around_mean(const Rabitq *rabitq, const float *value, float *scratch)
{
	rotation_apply(&rabitq->rotation, value, scratch);
	if (rabitq->mean != NULL)
		for (uint32_t i = 0; i < rabitq->code_dim; i++)
			scratch[i] -= rabitq->mean[i];
}

void
rabitq_rotate(const Rabitq *rabitq, const RabitqPoint *point, float *scratch)
{
	rotate_around_mean(rabitq, point->value, scratch);
	memcpy(point->rotated, scratch, rabitq->code_dim * sizeof(float));
}

/*
 * With slope = rho^2 / |r|_1,
 *
 *	L2	add = rho^2 + 2 slope <s, C>, rescale = -4 slope
 *	IP	add = -<x - c, c> + slope <s, C>, rescale = -2 slope
 *
 * rescale is rounded first, and add is made with the rounded one: then only the
 * part of the error that <s, w - C> has is multiplied by the rounding.
 */
void
rabitq_encode(const Rabitq *rabitq, const RabitqPoint *center, const RabitqPoint *value,
			  RabitqLane *lane)
{
	const QuantiseKernels *kernels = quantise_kernels();
	bool l2 = rabitq->measure == RABITQ_L2;
	double square;
	double product;
	double rescale = 0;
	double from_center = 0;
	float absolute;
	float signed_center;

	kernels->residual(value->value, center->value, rabitq->rotation.dim, &square, &product);
	kernels->signs(value->rotated, center->rotated, rabitq->code_dim, lane->code, &absolute,
				   &signed_center);
	if (absolute > 0 && isfinite(absolute) && isfinite(signed_center))
	{
		rescale = (l2 ? -4 : -2) * square / absolute;
		rescale = bfloat_to_float(bfloat_from_double(rescale));
		from_center = -rescale / 2 * signed_center;
	}
	lane->rescale = (float) rescale;
	lane->add = bfloat_to_float(bfloat_from_double((l2 ? square : -product) + from_center));
}

/* Byte of a lane in a group of codes (performance.md 2.4) */
static int
lane_byte(int lane)
{
	int pair = lane % 8;

	return lane / 8 % 2 == 0 ? 2 * pair : 2 * pair + 1;
}

/* Where a lane's half byte is in its byte */
static int
lane_shift(int lane)
{
	return lane < RABITQ_LANES / 2 ? 0 : 4;
}

static void
put_factor(uint8_t *factors, int lane, float factor)
{
	uint16_t bfloat = bfloat_from_double(factor);

	memcpy(factors + (size_t) lane * sizeof(bfloat), &bfloat, sizeof(bfloat));
}

static float
get_factor(const uint8_t *factors, int lane)
{
	uint16_t bfloat;

	memcpy(&bfloat, factors + (size_t) lane * sizeof(bfloat), sizeof(bfloat));
	return bfloat_to_float(bfloat);
}

void
rabitq_put_lane(uint32_t code_dim, void *block, int lane, const RabitqLane *code)
{
	uint8_t *factors = (uint8_t *) block + GROUP_ENTRIES * (code_dim / GROUP);
	uint8_t *at = (uint8_t *) block + lane_byte(lane);
	int shift = lane_shift(lane);
	uint8_t others = (uint8_t) (0xf0 >> shift);

	for (uint32_t i = 0; i < code_dim / 8; i++)
	{
		uint8_t *next = at + GROUP_ENTRIES;

		*at = (uint8_t) ((*at & others) | ((code->code[i] & 15) << shift));
		*next = (uint8_t) ((*next & others) | ((code->code[i] >> 4) << shift));
		at += 2 * GROUP_ENTRIES;
	}
	put_factor(factors, lane, code->add);
	put_factor(factors + FACTORS_SIZE, lane, code->rescale);
}

void
rabitq_get_lane(uint32_t code_dim, const void *block, int lane, RabitqLane *code)
{
	const uint8_t *factors = (const uint8_t *) block + GROUP_ENTRIES * (code_dim / GROUP);
	const uint8_t *at = (const uint8_t *) block + lane_byte(lane);
	int shift = lane_shift(lane);

	for (uint32_t i = 0; i < code_dim / 8; i++)
	{
		int first = at[0] >> shift & 15;
		int second = at[GROUP_ENTRIES] >> shift & 15;

		code->code[i] = (uint8_t) (first | second << 4);
		at += 2 * GROUP_ENTRIES;
	}
	code->add = get_factor(factors, lane);
	code->rescale = get_factor(factors + FACTORS_SIZE, lane);
}

/*
 * S, the sum of w over the set bits of a code, is the sum of negative w plus
 * what the tables have, so S - W/2 is that minus half of the sum of |w|.  The
 * group with the largest range has the whole range of a byte.
 */
void
rabitq_prepare_query(const Rabitq *rabitq, const float *query, float *scratch, void *prepared)
{
	uint32_t code_dim = rabitq->code_dim;
	uint8_t *tables = (uint8_t *) prepared + TABLE_OFFSET;
	QueryHeader header = {0, 0};
	float largest = 0;
	double absolute = 0;

	memset(prepared, 0, TABLE_OFFSET);
	rotate_around_mean(rabitq, query, scratch);
	for (uint32_t i = 0; i < code_dim; i += GROUP)
	{
		const float *w = scratch + i;
		float range = fabsf(w[0]) + fabsf(w[1]) + fabsf(w[2]) + fabsf(w[3]);

		absolute += range;
		largest = range > largest ? range : largest;
	}
	/* Otherwise w is zero, or nothing can be said: every S - W/2 is 0. */
	if (absolute < FLT_MAX / 2 && largest > FLT_MIN * TABLE_ENTRY_MAX)
	{
		header.delta = largest / TABLE_ENTRY_MAX;
		header.offset = (float) (-absolute / 2);
		quantise_kernels()->tables(scratch, code_dim, TABLE_ENTRY_MAX / largest, tables);
	}
	else
		memset(tables, 0, GROUP_ENTRIES / GROUP * code_dim);
	memcpy(prepared, &header, sizeof(header));
}

void
rabitq_estimate(uint32_t code_dim, const void *prepared, const void *block, float key,
				float *estimates)
{
	QueryHeader header;
	QuantiseScan query;

	memcpy(&header, prepared, sizeof(header));
	query.delta = header.delta;
	query.offset = header.offset;
	query.table = (const uint8_t *) prepared + TABLE_OFFSET;
	quantise_kernels()->scan(&query, code_dim, block, key, estimates);
}

void
rabitq_precision(uint32_t code_dim, const void *block, float *precision)
{
	const uint8_t *factors =
		(const uint8_t *) block + GROUP_ENTRIES * (code_dim / GROUP) + FACTORS_SIZE;
	uint16_t rescale[RABITQ_LANES];

	memcpy(rescale, factors, sizeof(rescale));
	for (int i = 0; i < RABITQ_LANES; i++)
	{
		float factor = bfloat_to_float(rescale[i]);

		precision[i] = 1 / (factor * factor);
	}
}
