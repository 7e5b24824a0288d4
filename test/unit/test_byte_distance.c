/*-------------------------------------------------------------------------
 *
 * test_byte_distance.c
 *	  Squared distances of bytes: against the sum in whole numbers, on every
 *	  instruction set, for every number of objects and at every address.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/byte_distance.h"
#include "core/random.h"
#include "core/simd.h"

#define SMALL_DIMS 300
#define MAX_OBJECTS 9

static const uint32_t large_dims[] = {784, 1536, 16000, BYTE_MAX_DIM};

static uint64_t
sum_of_squares(const uint8_t *a, const uint8_t *b, uint32_t dim)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < dim; i++)
		sum += (uint64_t) ((a[i] - b[i]) * (a[i] - b[i]));
	return sum;
}

/* n objects that end where their memory does, so that a sanitizer sees reads beyond */
static void
check_distances(Random *random, uint32_t dim, int n, bool extreme)
{
	uint8_t *query = malloc(dim);
	uint8_t *objects[MAX_OBJECTS];
	const void *pointers[MAX_OBJECTS];
	float found[MAX_OBJECTS];

	for (uint32_t d = 0; d < dim; d++)
		query[d] = extreme ? 255 : (uint8_t) random_below(random, 256);
	for (int i = 0; i < n; i++)
	{
		objects[i] = malloc(dim);
		pointers[i] = objects[i];
		for (uint32_t d = 0; d < dim; d++)
			objects[i][d] = extreme ? 0 : (uint8_t) random_below(random, 256);
	}
	byte_distances(query, pointers, n, dim, found);
	for (int i = 0; i < n; i++)
	{
		uint64_t expected = sum_of_squares(query, objects[i], dim);

		CHECK(found[i] == (float) expected, "%s, %u dimensions, object %d of %d: %f, %llu",
			  simd_name(simd_selected()), dim, i, n, (double) found[i],
			  (unsigned long long) expected);
		free(objects[i]);
	}
	free(query);
}

static void
test_level(SimdLevel level)
{
	Random random;

	random_seed(&random, 1);
	simd_select(level);
	for (uint32_t dim = 1; dim <= SMALL_DIMS; dim++)
	{
		check_distances(&random, dim, (int) (dim % MAX_OBJECTS) + 1, false);
		check_distances(&random, dim, 4, true);
	}
	for (size_t i = 0; i < sizeof(large_dims) / sizeof(large_dims[0]); i++)
	{
		check_distances(&random, large_dims[i], 5, false);
		check_distances(&random, large_dims[i], 1, true);
	}
}

static void
test_every_set(void)
{
	for (int level = SIMD_NONE; level < SIMD_LEVELS; level++)
	{
		if (simd_supported((SimdLevel) level))
			test_level((SimdLevel) level);
	}
	simd_select(simd_detect());
}

int
main(void)
{
	RUN(test_every_set);
	return unit_finish();
}
