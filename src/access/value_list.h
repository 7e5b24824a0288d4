/*-------------------------------------------------------------------------
 *
 * value_list.h
 *	  Copies of some encoded values of an index, as the structures in src/core
 *	  take them: samples, pivots, the entries of a bucket.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VALUE_LIST_H
#define ANN_VALUE_LIST_H

#include "postgres.h"

#include "access/index_space.h"
#include "core/graph.h"

typedef struct ValueList
{
	const IndexSpace *space;
	MemoryContext context;
	char *places; /* of values, or of their addresses if they vary in size */
	Size stride;
	uint32 capacity;
	char *memory; /* in which the places are */
} ValueList;

/* Room for so many values, in the current memory context; the space must stay where it is. */
extern ValueList *value_list_make(const IndexSpace *space, uint32 capacity);
extern void value_list_free(ValueList *list);

/* Copies a value to a place of the list, in place of the one there. */
extern void value_list_set(ValueList *list, uint32 place, const void *encoded);

/* Makes room for more; their number never shrinks. */
extern void value_list_grow(ValueList *list, uint32 capacity);

/* They are valid as long as the list is, and has not grown. */
extern GraphValues value_list_values(const ValueList *list);
extern const void *value_list_get(const ValueList *list, uint32 place);

/* Bytes that a value takes in a list, usually */
extern Size value_list_usual_size(const IndexSpace *space);

#endif /* ANN_VALUE_LIST_H */
