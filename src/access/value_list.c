/*-------------------------------------------------------------------------
 *
 * value_list.c
 *	  Copies of some encoded values of an index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "access/value_list.h"

#define CACHE_LINE 64

/* A list is one chunk: no place has a bit beyond these. */
#define ONE_CHUNK 31

static Size
stride_of(const IndexSpace *space)
{
	if (index_space_varies(space))
		return sizeof(char *);
	return TYPEALIGN(CACHE_LINE, space->encoded_size);
}

static Size
memory_size(const ValueList *list)
{
	return Max(list->capacity, 1) * list->stride + CACHE_LINE;
}

static char **
address_at(const ValueList *list, uint32 place)
{
	return (char **) (list->places + place * list->stride);
}

ValueList *
value_list_make(const IndexSpace *space, uint32 capacity)
{
	ValueList *list = palloc0(sizeof(ValueList));

	list->space = space;
	list->context = CurrentMemoryContext;
	list->stride = stride_of(space);
	list->capacity = capacity;
	list->memory = palloc_extended(memory_size(list), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	list->places = (char *) TYPEALIGN(CACHE_LINE, list->memory);
	return list;
}

void
value_list_free(ValueList *list)
{
	for (uint32 i = 0; index_space_varies(list->space) && i < list->capacity; i++)
	{
		if (*address_at(list, i) != NULL)
			pfree(*address_at(list, i));
	}
	pfree(list->memory);
	pfree(list);
}

void
value_list_grow(ValueList *list, uint32 capacity)
{
	Size used = list->capacity * list->stride;
	char *before = list->memory;
	char *places;

	list->capacity = capacity;
	list->memory = MemoryContextAllocExtended(list->context, memory_size(list),
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	places = (char *) TYPEALIGN(CACHE_LINE, list->memory);
	memcpy(places, list->places, used);
	list->places = places;
	pfree(before);
}

void
value_list_set(ValueList *list, uint32 place, const void *encoded)
{
	Size size = index_space_size(list->space, encoded);
	char **address = address_at(list, place);

	Assert(place < list->capacity);
	if (!index_space_varies(list->space))
	{
		memcpy(address, encoded, size);
		return;
	}
	if (*address != NULL)
		pfree(*address);
	*address = memcpy(MemoryContextAlloc(list->context, size), encoded, size);
}

GraphValues
value_list_values(const ValueList *list)
{
	return (GraphValues){.chunks = (char *const *) &list->places,
						 .chunk_shift = ONE_CHUNK,
						 .addresses = index_space_varies(list->space),
						 .stride = list->stride,
						 .value_size = list->space->usual_size};
}

const void *
value_list_get(const ValueList *list, uint32 place)
{
	if (index_space_varies(list->space))
		return *address_at(list, place);
	return address_at(list, place);
}

Size
value_list_usual_size(const IndexSpace *space)
{
	return stride_of(space) + (index_space_varies(space) ? MAXALIGN(space->usual_size) : 0);
}
