/*-------------------------------------------------------------------------
 *
 * function_space.h
 *	  The space of an operator class that is written by a user: any type, and a
 *	  function of SQL for its distance.
 *
 * The encoded form of a value is its bytes as a function gets them: detoasted,
 * decompressed, of as many bytes as they take.  A key is the distance, rounded
 * down to a float32: what finish() makes of it is a lower bound of the distance,
 * which the executor computes again to put rows in their exact order.
 *
 * The function may do anything that a function of SQL may do: take long, be
 * cancelled, raise an error, run queries, even of the same table.  README,
 * "Operator classes over a function".
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_FUNCTION_SPACE_H
#define ANN_FUNCTION_SPACE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "space/space.h"

/* Name of all such spaces, in metapages */
#define FUNCTION_SPACE_NAME "function"

/* Its one parameter is whether the distance is a metric, 0 or 1. */
#define FUNCTION_SPACE_METRIC 0

/* Bytes of a value, at most */
#define FUNCTION_SPACE_MAX_VALUE ((Size) PG_UINT16_MAX)

/* What is to be known of a type and a function */
typedef struct FunctionSpaceInput
{
	FmgrInfo *function; /* f(T, T) returns float8 */
	Oid collation;
	int16 length; /* of the type, as in pg_type */
	bool by_value;
} FunctionSpaceInput;

/*
 * The space; it lives in the current memory context, with all that the function
 * keeps from call to call.  It is no metric until somebody says so.
 */
extern const Space *function_space_make(const FunctionSpaceInput *input);
extern void function_space_set_metric(const Space *space, bool metric);

/* The name of the function and its argument types, palloc'ed */
extern char *function_space_function(const Space *space);

/* Is this support function 3 for such a class; and what do the options that it defines say? */
extern bool function_space_defines_options(const FmgrInfo *support);
extern bool function_space_option(const bytea *options);

/*
 * The encoded form of a datum, palloc'ed.  An error if it has too many bytes.
 */
extern void *function_space_encode(const SpaceContext *context, Datum datum);

/*
 * May these `size` bytes of an index be an encoded value?  If they are not, the function
 * must not see them.
 */
extern bool function_space_is_sound(const SpaceContext *context, const void *encoded, Size size);

/* Bytes of the value that begins there, within `size` bytes; 0 if none does. */
extern Size function_space_size_within(const SpaceContext *context, const void *bytes, Size size);

/* Is this one of the spaces of this file? */
static inline bool
function_space_is(const Space *space)
{
	return space->calls_back;
}

#endif /* ANN_FUNCTION_SPACE_H */
