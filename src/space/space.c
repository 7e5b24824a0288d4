/*-------------------------------------------------------------------------
 *
 * space.c
 *	  The registry of spaces, and the functions that hide which parts of a
 *	  Space are NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "space/space.h"

#include <string.h>

#include "space/spaces.h"

/* Parts of a scratch area begin at multiples of this: a cache line. */
#define SCRATCH_ALIGNMENT 64

static const Space *const spaces[] = {
	&space_l2_float32,
	&space_l2_float16,
	&space_l2_uint8,
	&space_ip_float32,
	&space_ip_float16,
	&space_ip_uint8,
	&space_cosine_float32,
	&space_cosine_float16,
	&space_cosine_uint8,
	&space_l1_float32,
	&space_l1_float16,
	&space_l1_uint8,
	&space_linf_float32,
	&space_linf_float16,
	&space_linf_uint8,
	&space_angular_float32,
	&space_angular_float16,
	&space_angular_uint8,
	&space_lp,
	&space_js,
	&space_jsmetric,
	&space_kl,
	&space_kl_right,
	&space_gkl,
	&space_gkl_right,
	&space_is,
	&space_is_right,
	&space_renyi,
	&space_alphabeta,
};

const Space *
space_find(const char *name, SpaceElement element)
{
	int n;
	const Space *const *all = space_all(&n);

	for (int i = 0; i < n; i++)
	{
		if (all[i]->element == element && strcmp(all[i]->name, name) == 0)
			return all[i];
	}
	return NULL;
}

const Space *const *
space_all(int *n)
{
	*n = (int) (sizeof(spaces) / sizeof(spaces[0]));
	return spaces;
}

int
space_validate_params(const Space *space, const double *params)
{
	for (int i = 0; i < space->nparams; i++)
	{
		const SpaceParam *param = &space->params[i];

		if (!(params[i] > param->minimum && params[i] < param->maximum) ||
			params[i] == param->excluded)
			return i;
	}
	return -1;
}

size_t
space_value_size(const SpaceContext *context)
{
	static const size_t element_size[] = {
		[SPACE_FLOAT32] = sizeof(float),
		[SPACE_FLOAT16] = sizeof(uint16_t),
		[SPACE_UINT8] = sizeof(uint8_t),
	};

	return context->dim * element_size[context->space->element];
}

size_t
space_encoded_size(const SpaceContext *context)
{
	if (context->space->encoded_size == NULL)
		return space_value_size(context);
	return context->space->encoded_size(context);
}

size_t
space_query_size(const SpaceContext *context)
{
	if (context->space->query_size == NULL)
		return space_encoded_size(context);
	return context->space->query_size(context);
}

SpaceStatus
space_check(const SpaceContext *context, const void *value, uint32_t *where)
{
	if (context->space->check == NULL)
		return SPACE_OK;
	return context->space->check(context, value, where);
}

void
space_encode(const SpaceContext *context, const void *value, void *encoded)
{
	if (context->space->encode == NULL)
		memcpy(encoded, value, space_value_size(context));
	else
		context->space->encode(context, value, encoded);
}

/*
 * Where what follows the coordinates in an encoded value begins: the sum of
 * squares, where the space has one.
 */
static size_t
appendix_offset(const SpaceContext *context, size_t *size)
{
	size_t value_size = space_value_size(context);
	size_t offset = (value_size + sizeof(float) - 1) / sizeof(float) * sizeof(float);
	size_t encoded_size = space_encoded_size(context);

	*size = encoded_size > offset ? encoded_size - offset : 0;
	return offset;
}

/* Copies what follows the coordinates, and zeros in front of it. */
static void
copy_appendix(const SpaceContext *from, const void *encoded, const SpaceContext *to, void *result)
{
	size_t size;
	size_t source = appendix_offset(from, &size);
	size_t target = appendix_offset(to, &size);
	size_t end = space_value_size(to);

	if (size == 0)
		return;
	memset((char *) result + end, 0, target - end);
	memcpy((char *) result + target, (const char *) encoded + source, size);
}

/* Coordinate i of an encoded value as a float32: exact, since no element is wider */
static float
coordinate_float(const SpaceContext *context, const void *encoded, uint32_t i)
{
	if (context->space->element == SPACE_FLOAT32)
		return ((const float *) encoded)[i];
	return (float) coordinate(context, encoded, i);
}

bool
space_narrow(const SpaceContext *wide, const SpaceContext *narrow, const void *encoded,
			 void *result)
{
	for (uint32_t i = 0; i < wide->dim; i++)
	{
		float x = coordinate_float(wide, encoded, i);
		float back;

		if (narrow->space->element == SPACE_UINT8)
		{
			uint8_t byte = x >= 0 && x <= UINT8_MAX ? (uint8_t) x : 0;

			((uint8_t *) result)[i] = byte;
			back = byte;
		}
		else
		{
			uint16_t half = half_from_float(x);

			((uint16_t *) result)[i] = half;
			back = half_to_float(half);
		}
		if (float_bits(back) != float_bits(x))
			return false;
	}
	copy_appendix(wide, encoded, narrow, result);
	return true;
}

void
space_widen(const SpaceContext *wide, const SpaceContext *narrow, const void *encoded, void *result)
{
	for (uint32_t i = 0; i < wide->dim; i++)
	{
		float x = coordinate_float(narrow, encoded, i);

		if (wide->space->element == SPACE_FLOAT16)
			((uint16_t *) result)[i] = half_from_float(x);
		else
			((float *) result)[i] = x;
	}
	copy_appendix(narrow, encoded, wide, result);
}

const void *
space_prepare_query(const SpaceContext *context, const void *encoded, void *scratch)
{
	if (context->space->prepare_query == NULL)
		return encoded;
	context->space->prepare_query(context, encoded, scratch);
	return scratch;
}

void
space_link_distances(const SpaceContext *context, const void *query, const void *const *objects,
					 int n, float *keys)
{
	const Space *space = context->space;

	if (space->link_distances != NULL)
		space->link_distances(context, query, objects, n, keys);
	else
		space->distances(context, query, objects, n, keys);
}

double
space_finish(const SpaceContext *context, float key)
{
	if (context->space->finish == NULL)
		return key;
	return context->space->finish(context, key);
}

static size_t
scratch_aligned(size_t size)
{
	return (size + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

size_t
space_distance_scratch(const SpaceContext *context)
{
	const Space *space = context->space;
	size_t size = 0;

	if (space->encode != NULL)
		size += 2 * scratch_aligned(space_encoded_size(context));
	if (space->prepare_query != NULL)
		size += scratch_aligned(space_query_size(context));
	return size;
}

double
space_distance(const SpaceContext *context, const void *object_value, const void *query_value,
			   void *scratch)
{
	const Space *space = context->space;
	const void *object = object_value;
	const void *query = query_value;
	char *next = scratch;
	float key;

	if (space->encode != NULL)
	{
		size_t size = scratch_aligned(space_encoded_size(context));

		space->encode(context, object_value, next);
		object = next;
		next += size;
		space->encode(context, query_value, next);
		query = next;
		next += size;
	}
	query = space_prepare_query(context, query, next);
	space->distances(context, query, &object, 1, &key);
	return space_finish(context, key);
}
