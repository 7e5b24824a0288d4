/*-------------------------------------------------------------------------
 *
 * space_vector.h
 *	  The type space_vector: a vector together with a parametrised space and
 *	  its parameters, the right operand of <*>.
 *
 * Text form: the space in NMSLIB's name syntax (nmslib-spaces 0.4), then the
 * vector: lp:p=0.5:[1,2,3].  Binary form: int16 dim, int16 kind, one float8
 * per parameter, one float4 per coordinate, in network byte order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SPACE_VECTOR_H
#define ANN_SPACE_VECTOR_H

#include "postgres.h"

#include "access/compat.h"
#include "fmgr.h"
#include "space/space.h"

/* Stored on disk: numbers are never changed or used again. */
typedef enum SpaceVectorKind
{
	SPACE_VECTOR_LP = 1,
	SPACE_VECTOR_RENYI = 2,
	SPACE_VECTOR_ALPHABETA = 3
} SpaceVectorKind;

typedef struct SpaceVector
{
	int32 vl_len_; /* varlena header (do not touch directly!) */
	int16 dim;
	int16 kind;						 /* SpaceVectorKind */
	float8 params[SPACE_MAX_PARAMS]; /* unused ones are zero */
	float4 x[FLEXIBLE_ARRAY_MEMBER];
} SpaceVector;

#define DatumGetSpaceVector(datum) ((SpaceVector *) PG_DETOAST_DATUM(datum))
#define PG_GETARG_SPACE_VECTOR(n) DatumGetSpaceVector(PG_GETARG_DATUM(n))

/* The space (of float32 coordinates) that the value asks for */
extern const Space *space_vector_space(const SpaceVector *value);

#endif /* ANN_SPACE_VECTOR_H */
