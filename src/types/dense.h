/*-------------------------------------------------------------------------
 *
 * dense.h
 *	  The dense vector types: vector (float32) and halfvec (IEEE half).
 *
 * Both have one layout and differ in the size of a coordinate alone, so there
 * is one implementation.  A DenseType says which of the two is meant; code
 * that computes takes the coordinates through dense_widen(), which hands out
 * float32 whatever the type stores, and gives results back through
 * dense_narrow().
 *
 * Every stored coordinate is finite and 1 <= dim <= DENSE_MAX_DIM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_DENSE_H
#define ANN_DENSE_H

#include "postgres.h"

#include "access/compat.h"
#include "fmgr.h"
#include "space/space.h"

#define DENSE_MAX_DIM SPACE_MAX_DIM

/* Coordinates widened at a time: the buffers lie on the stack and stay in the first-level cache */
#define DENSE_CHUNK 256

/* A value of either type, in memory and on disk (the layout is pgvector's) */
typedef struct DenseVector
{
	int32 vl_len_; /* varlena header (do not touch directly!) */
	int16 dim;
	int16 unused; /* always zero */
				  /* float4 or uint16 (half) coordinates follow, see DENSE_DATA() */
} DenseVector;

typedef struct DenseType
{
	const char *name; /* SQL name, for messages */
	SpaceElement element;
	Size element_size; /* bytes of a coordinate */
} DenseType;

extern const DenseType dense_vector;
extern const DenseType dense_halfvec;

#define DENSE_DATA(value) ((void *) ((char *) (value) + sizeof(DenseVector)))
#define DatumGetDense(datum) ((DenseVector *) PG_DETOAST_DATUM(datum))
#define PG_GETARG_DENSE(n) DatumGetDense(PG_GETARG_DATUM(n))

/* The coordinates of a vector or halfvec from the one numbered start (from 0) */
static inline void *
dense_at(const DenseType *type, const DenseVector *value, int start)
{
	return (char *) DENSE_DATA(value) + (Size) start * type->element_size;
}

/*
 * Defines the SQL functions vector_<name> and halfvec_<name> by one function
 * Datum dense_<name>(FunctionCallInfo, const DenseType *).
 */
#define DENSE_FUNCTION(name)          \
	DENSE_FUNCTION_FOR(vector, name)  \
	DENSE_FUNCTION_FOR(halfvec, name) \
	extern int dense_##name##_needs_semicolon

#define DENSE_FUNCTION_FOR(sqltype, name)              \
	PG_FUNCTION_INFO_V1(sqltype##_##name);             \
	Datum sqltype##_##name(PG_FUNCTION_ARGS)           \
	{                                                  \
		return dense_##name(fcinfo, &dense_##sqltype); \
	}

/* Why a number cannot be a coordinate */
typedef enum DenseElementStatus
{
	DENSE_ELEMENT_OK,
	DENSE_ELEMENT_NAN,
	DENSE_ELEMENT_INFINITE,
	DENSE_ELEMENT_OUT_OF_RANGE /* finite, but too large for the type */
} DenseElementStatus;

/* A new value with all coordinates zero; dim must have been checked. */
extern DenseVector *dense_new(const DenseType *type, int dim);

/*
 * n coordinates as float32: x itself where the type stores float32, else a
 * copy in scratch (n floats).
 */
extern const float *dense_widen(const DenseType *type, const void *x, int n, float *scratch);

/* Stores n floats as coordinates, rounding to nearest even; large ones become infinite. */
extern void dense_narrow(const DenseType *type, const float *values, int n, void *x);

/* Stores one number as coordinate i, if it can be one. */
extern DenseElementStatus dense_set(const DenseType *type, DenseVector *value, int i, float number);

/*
 * Errors, reported softly to context where it is not NULL; true when all is
 * well.  Messages and codes are pgvector's.
 */
extern bool dense_check_dim(const DenseType *type, int dim, struct Node *context);
extern bool dense_check_typmod(int32 typmod, int dim, struct Node *context);
extern bool dense_check_element(const DenseType *type, DenseElementStatus status, float number,
								struct Node *context);

/* Raises an error unless both have the same number of dimensions */
extern void dense_check_same_dim(const DenseType *type, int a, int b);

/*
 * Parses "[1,2,3]" and white space around it.  *cursor points into literal
 * (which messages quote) and is moved behind what was read.  NULL after an
 * error reported softly to context.
 */
extern DenseVector *dense_parse(const DenseType *type, const char *literal, const char **cursor,
								struct Node *context);

/* Appends the text form of dim coordinates to buffer, returns its new end (unterminated). */
extern char *dense_print(const DenseType *type, const void *x, int dim, char *buffer);

/* Bytes that dense_print() can need for dim coordinates, and a terminator */
extern Size dense_print_size(int dim);

#endif /* ANN_DENSE_H */
