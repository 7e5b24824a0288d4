/*-------------------------------------------------------------------------
 *
 * test_narrow.c
 *	  Narrow stored forms: a value comes back bit for bit, its keys are those of
 *	  the wide form, and what does not fit is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/simd.h"
#include "space/half.h"
#include "space/space.h"

#define MAX_DIM 300
#define OBJECTS 9
#define MAX_ENCODED (MAX_DIM * sizeof(float) + 2 * sizeof(float))

static const char *const names[] = {"l2", "ip", "cosine", "l1", "linf", "angular"};

#define NAMES (int) (sizeof(names) / sizeof(names[0]))

static float
random_coordinate(SpaceElement element)
{
	if (element == SPACE_UINT8)
		return rand() % 256;
	return half_to_float((uint16_t) (rand() % 0x7c00) | (uint16_t) (rand() % 2 << 15));
}

static void
store(SpaceElement element, const float *from, uint32_t dim, void *value)
{
	if (element == SPACE_FLOAT16)
		half_from_float_array(from, value, dim);
	else
		memcpy(value, from, dim * sizeof(float));
}

/* Wide values that the narrow element can hold, against a query it cannot hold */
static void
check_pair(const SpaceContext *wide, const SpaceContext *narrow)
{
	static char wide_encoded[OBJECTS][MAX_ENCODED];
	static char narrow_encoded[OBJECTS][MAX_ENCODED];
	static char query_encoded[MAX_ENCODED];
	static char scratch[MAX_ENCODED];
	char value[MAX_ENCODED];
	char back[MAX_ENCODED];
	float x[MAX_DIM];
	const void *wide_objects[OBJECTS];
	const void *narrow_objects[OBJECTS];
	const void *query;
	float wide_keys[OBJECTS];
	float narrow_keys[OBJECTS];
	size_t size = space_encoded_size(wide);

	for (int i = 0; i < OBJECTS; i++)
	{
		for (uint32_t j = 0; j < wide->dim; j++)
			x[j] = random_coordinate(narrow->space->element);
		store(wide->space->element, x, wide->dim, value);
		space_encode(wide, value, wide_encoded[i]);
		CHECK(space_narrow(wide, narrow, wide_encoded[i], narrow_encoded[i]), "%s, %u dimensions",
			  wide->space->name, wide->dim);
		memset(back, 0xee, sizeof(back));
		space_widen(wide, narrow, narrow_encoded[i], back);
		CHECK(memcmp(back, wide_encoded[i], size) == 0, "%s, %u dimensions", wide->space->name,
			  wide->dim);
		wide_objects[i] = wide_encoded[i];
		narrow_objects[i] = narrow_encoded[i];
	}
	for (uint32_t j = 0; j < wide->dim; j++)
		x[j] = rand() / 1e6f - 1000;
	store(wide->space->element, x, wide->dim, value);
	space_encode(wide, value, query_encoded);
	query = space_prepare_query(wide, query_encoded, scratch);
	wide->space->distances(wide, query, wide_objects, OBJECTS, wide_keys);
	narrow->space->distances(narrow, query, narrow_objects, OBJECTS, narrow_keys);
	CHECK(memcmp(wide_keys, narrow_keys, sizeof(wide_keys)) == 0, "%s, %u dimensions",
		  wide->space->name, wide->dim);
}

static void
check_elements(SpaceElement wide_element, SpaceElement narrow_element)
{
	for (int i = 0; i < NAMES; i++)
	{
		SpaceContext wide = {space_find(names[i], wide_element), 0, {0}};
		SpaceContext narrow = {space_find(names[i], narrow_element), 0, {0}};

		for (wide.dim = 1; wide.dim <= MAX_DIM; wide.dim++)
		{
			narrow.dim = wide.dim;
			check_pair(&wide, &narrow);
		}
	}
}

static void
test_narrow_form_is_the_same_value(void)
{
	for (SimdLevel level = SIMD_NONE; level <= SIMD_NEON; level++)
	{
		if (!simd_select(level))
			continue;
		check_elements(SPACE_FLOAT32, SPACE_FLOAT16);
		check_elements(SPACE_FLOAT32, SPACE_UINT8);
		check_elements(SPACE_FLOAT16, SPACE_UINT8);
	}
	simd_select(simd_detect());
}

/* Can a vector with x in its last place be stored with this element? */
static bool
fits(SpaceElement element, float x)
{
	SpaceContext wide = {space_find("l2", SPACE_FLOAT32), 3, {0}};
	SpaceContext narrow = {space_find("l2", element), 3, {0}};
	float value[3] = {1, 2, x};
	char result[3 * sizeof(float)];

	return space_narrow(&wide, &narrow, value, result);
}

static void
test_what_does_not_fit_is_refused(void)
{
	static const float bytes[] = {0, 1, 17, 254, 255};
	static const float no_bytes[] = {-0.0f, -1,		0.5f,  254.99998f, 255.5f,
									 256,	1e-45f, 1e38f, -1e38f};
	static const float halves[] = {0, -0.0f, 0.5f, -1, 2048, 65504, -65504, 0x1p-24f, 0x1.ffcp-1f};
	static const float no_halves[] = {2049, 65505, 65536, 1e38f, 0x1p-25f, 0.1f, 0x1.ffep-1f};

	for (size_t i = 0; i < sizeof(bytes) / sizeof(float); i++)
		CHECK(fits(SPACE_UINT8, bytes[i]), "%g", bytes[i]);
	for (size_t i = 0; i < sizeof(no_bytes) / sizeof(float); i++)
		CHECK(!fits(SPACE_UINT8, no_bytes[i]), "%g", no_bytes[i]);
	for (size_t i = 0; i < sizeof(halves) / sizeof(float); i++)
		CHECK(fits(SPACE_FLOAT16, halves[i]), "%g", halves[i]);
	for (size_t i = 0; i < sizeof(no_halves) / sizeof(float); i++)
		CHECK(!fits(SPACE_FLOAT16, no_halves[i]), "%g", no_halves[i]);
}

int
main(void)
{
	RUN(test_narrow_form_is_the_same_value);
	RUN(test_what_does_not_fit_is_refused);
	return unit_finish();
}
