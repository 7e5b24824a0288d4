/*-------------------------------------------------------------------------
 *
 * kernels.c
 *	  Nanoseconds per distance, in cache, for every space, instruction set and
 *	  some dimensions.
 *
 *	make -C bench && bench/out/kernels [space]
 *
 * Each figure is the best of several rounds of scoring a block of objects that
 * fits the second-level cache against one query.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/simd.h"
#include "space/half.h"
#include "space/space.h"

#define OBJECTS 32	 /* in a block: as many as a vertex has neighbours */
#define ROUNDS 7	 /* best of */
#define ROUND_NS 1e6 /* length of a round, nanoseconds */
#define SEED 20240613u

static const uint32_t dimensions[] = {32, 128, 384, 768, 1536};

#define DIMENSIONS (sizeof(dimensions) / sizeof(dimensions[0]))

static double
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *
allocate(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

	if (memory == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	return memory;
}

/* A positive vector, so that it lies in every domain */
static void
random_value(const SpaceContext *context, void *value)
{
	for (uint32_t i = 0; i < context->dim; i++)
	{
		float x = (rand() % 1000 + 1) / 1000.0f;

		if (context->space->element == SPACE_FLOAT16)
			((uint16_t *) value)[i] = half_from_float(x);
		else if (context->space->element == SPACE_UINT8)
			((uint8_t *) value)[i] = (uint8_t) (255 * x);
		else
			((float *) value)[i] = x;
	}
}

/* Best nanoseconds per object of scoring the block */
static double
measure(const SpaceContext *context, const void *query, const void *const *objects)
{
	double best = 1e30;
	float keys[OBJECTS];

	for (int round = 0; round < ROUNDS; round++)
	{
		double start = now_ns();
		double end;
		int calls = 0;

		do
		{
			for (int i = 0; i < 16; i++)
				context->space->distances(context, query, objects, OBJECTS, keys);
			calls += 16;
			end = now_ns();
		} while (end - start < ROUND_NS);
		if ((end - start) / calls / OBJECTS < best)
			best = (end - start) / calls / OBJECTS;
	}
	return best;
}

static double
time_space(const SpaceContext *context)
{
	size_t size = (space_encoded_size(context) + 63) / 64 * 64;
	char *block = allocate(size * OBJECTS);
	void *value = allocate(space_value_size(context));
	void *encoded = allocate(space_encoded_size(context));
	void *scratch = allocate(space_query_size(context));
	const void *objects[OBJECTS];
	double ns;

	for (int i = 0; i < OBJECTS; i++)
	{
		random_value(context, value);
		space_encode(context, value, block + i * size);
		objects[i] = block + i * size;
	}
	random_value(context, value);
	space_encode(context, value, encoded);
	ns = measure(context, space_prepare_query(context, encoded, scratch), objects);
	free(scratch);
	free(encoded);
	free(value);
	free(block);
	return ns;
}

int
main(int argc, char **argv)
{
	static const char *const element_names[] = {"float32", "float16", "uint8"};
	int n;
	const Space *const *all = space_all(&n);

	srand(SEED);
	printf("%-12s %-8s %-7s", "space", "element", "simd");
	for (size_t d = 0; d < DIMENSIONS; d++)
		printf(" %8s%-4u", "d=", dimensions[d]);
	printf("\n");
	for (int s = 0; s < n; s++)
	{
		if (argc > 1 && strcmp(argv[1], all[s]->name) != 0)
			continue;
		for (SimdLevel level = SIMD_NONE; level <= SIMD_AVX512; level++)
		{
			if (!simd_select(level))
				continue;
			printf("%-12s %-8s %-7s", all[s]->name, element_names[all[s]->element],
				   simd_name(level));
			for (size_t d = 0; d < DIMENSIONS; d++)
			{
				SpaceContext context = {all[s], dimensions[d], {1.5, 0.5}};

				printf(" %12.1f", time_space(&context));
			}
			printf("\n");
		}
	}
	return 0;
}
