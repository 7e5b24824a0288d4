/*-------------------------------------------------------------------------
 *
 * dense_order.c
 *	  Order and hash of vector and halfvec, for their comparison operators and
 *	  their btree and hash operator classes.
 *
 * Values are ordered by their coordinates, a shorter one before a longer one
 * that starts with it, as arrays are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "types/dense.h"

/* -1, 0 or 1 */
static int
compare(const DenseType *type, const DenseVector *a, const DenseVector *b)
{
	int dim = Min(a->dim, b->dim);
	float a_scratch[DENSE_CHUNK];
	float b_scratch[DENSE_CHUNK];
	int start;
	int i;

	for (start = 0; start < dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, dim - start);
		const float *ax = dense_widen(type, dense_at(type, a, start), n, a_scratch);
		const float *bx = dense_widen(type, dense_at(type, b, start), n, b_scratch);

		for (i = 0; i < n; i++)
		{
			if (ax[i] != bx[i])
				return ax[i] < bx[i] ? -1 : 1;
		}
	}
	return (a->dim > b->dim) - (a->dim < b->dim);
}

static int
compare_arguments(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *a = PG_GETARG_DENSE(0);
	DenseVector *b = PG_GETARG_DENSE(1);
	int result = compare(type, a, b);

	/* btree keeps no per-tuple context, so a copy would stay until the end */
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

static Datum
dense_lt(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) < 0);
}

static Datum
dense_le(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) <= 0);
}

static Datum
dense_eq(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) == 0);
}

static Datum
dense_ne(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) != 0);
}

static Datum
dense_ge(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) >= 0);
}

static Datum
dense_gt(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) > 0);
}

static Datum
dense_cmp(FunctionCallInfo fcinfo, const DenseType *type)
{
	PG_RETURN_INT32(compare_arguments(fcinfo, type));
}

/*
 * Hash consistent with =: 0 and -0 are equal and hash the same.  The hash of
 * one chunk seeds the next.
 */
static uint64
hash_value(const DenseType *type, const DenseVector *value, uint64 seed)
{
	float scratch[DENSE_CHUNK];
	float canonical[DENSE_CHUNK];
	int start;
	int i;

	for (start = 0; start < value->dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, value->dim - start);
		const float *x = dense_widen(type, dense_at(type, value, start), n, scratch);

		for (i = 0; i < n; i++)
			canonical[i] = x[i] == 0 ? 0.0f : x[i];
		seed = DatumGetUInt64(
			hash_any_extended((const unsigned char *) canonical, n * (int) sizeof(float), seed));
	}
	return seed;
}

/* The low half of the extended hash with seed 0, as hash classes must have it */
static Datum
dense_hash(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	uint64 hash = hash_value(type, value, 0);

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_UINT32((uint32) hash);
}

/* (value, int8 seed) */
static Datum
dense_hash_extended(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	uint64 hash = hash_value(type, value, (uint64) PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_UINT64(hash);
}

DENSE_FUNCTION(lt);
DENSE_FUNCTION(le);
DENSE_FUNCTION(eq);
DENSE_FUNCTION(ne);
DENSE_FUNCTION(ge);
DENSE_FUNCTION(gt);
DENSE_FUNCTION(cmp);
DENSE_FUNCTION(hash);
DENSE_FUNCTION(hash_extended);
