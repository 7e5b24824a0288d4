/*-------------------------------------------------------------------------
 *
 * dense_arithmetic.c
 *	  Functions of one or two values of vector or halfvec that give a number or
 *	  a new value: + - * ||, norms, normalisation, parts, signs.
 *
 * All arithmetic is float32; a halfvec is rounded once, when the result is
 * stored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/varbit.h"

#include "types/dense.h"

typedef enum DenseOperator
{
	DENSE_ADD,
	DENSE_SUBTRACT,
	DENSE_MULTIPLY
} DenseOperator;

/*
 * Stores n computed numbers from coordinate start on; returns them as they were
 * stored, infinite where they do not fit.  scratch has n floats.
 */
static const float *
store_result(const DenseType *type, const float *numbers, int n, DenseVector *result, int start,
			 float *scratch)
{
	void *place = dense_at(type, result, start);

	dense_narrow(type, numbers, n, place);
	return dense_widen(type, place, n, scratch);
}

/* out[i] = a[i] operator b[i] */
static void
combine(DenseOperator op, const float *a, const float *b, int n, float *out)
{
	int i;

	switch (op)
	{
		case DENSE_ADD:
			for (i = 0; i < n; i++)
				out[i] = a[i] + b[i];
			break;
		case DENSE_SUBTRACT:
			for (i = 0; i < n; i++)
				out[i] = a[i] - b[i];
			break;
		case DENSE_MULTIPLY:
			for (i = 0; i < n; i++)
				out[i] = a[i] * b[i];
			break;
	}
}

/* Coordinate by coordinate; overflow, and underflow of a product, are errors. */
static Datum
dense_operator(FunctionCallInfo fcinfo, const DenseType *type, DenseOperator op)
{
	DenseVector *a = PG_GETARG_DENSE(0);
	DenseVector *b = PG_GETARG_DENSE(1);
	DenseVector *result;
	float a_scratch[DENSE_CHUNK];
	float b_scratch[DENSE_CHUNK];
	float computed[DENSE_CHUNK];
	float scratch[DENSE_CHUNK];
	int start;
	int i;

	dense_check_same_dim(type, a->dim, b->dim);
	result = dense_new(type, a->dim);
	for (start = 0; start < a->dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, a->dim - start);
		const float *ax = dense_widen(type, dense_at(type, a, start), n, a_scratch);
		const float *bx = dense_widen(type, dense_at(type, b, start), n, b_scratch);
		const float *stored;

		combine(op, ax, bx, n, computed);
		stored = store_result(type, computed, n, result, start, scratch);
		for (i = 0; i < n; i++)
		{
			if (unlikely(isinf(stored[i])))
				float_overflow_error();
			if (unlikely(stored[i] == 0) && op == DENSE_MULTIPLY && ax[i] != 0 && bx[i] != 0)
				float_underflow_error();
		}
	}
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_POINTER(result);
}

static Datum
dense_add(FunctionCallInfo fcinfo, const DenseType *type)
{
	return dense_operator(fcinfo, type, DENSE_ADD);
}

static Datum
dense_sub(FunctionCallInfo fcinfo, const DenseType *type)
{
	return dense_operator(fcinfo, type, DENSE_SUBTRACT);
}

static Datum
dense_mul(FunctionCallInfo fcinfo, const DenseType *type)
{
	return dense_operator(fcinfo, type, DENSE_MULTIPLY);
}

static Datum
dense_concat(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *a = PG_GETARG_DENSE(0);
	DenseVector *b = PG_GETARG_DENSE(1);
	int dim = a->dim + b->dim;
	DenseVector *result;

	dense_check_dim(type, dim, NULL);
	result = dense_new(type, dim);
	memcpy(dense_at(type, result, 0), DENSE_DATA(a), (Size) a->dim * type->element_size);
	memcpy(dense_at(type, result, a->dim), DENSE_DATA(b), (Size) b->dim * type->element_size);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_POINTER(result);
}

/* The number of dimensions */
static Datum
dense_dims(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	int32 dim = value->dim;

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_INT32(dim);
}

static double
euclidean_norm(const DenseType *type, const DenseVector *value)
{
	float scratch[DENSE_CHUNK];
	double sum = 0;
	int start;
	int i;

	for (start = 0; start < value->dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, value->dim - start);
		const float *x = dense_widen(type, dense_at(type, value, start), n, scratch);

		for (i = 0; i < n; i++)
			sum += (double) x[i] * (double) x[i];
	}
	return sqrt(sum);
}

/* Euclidean norm */
static Datum
dense_norm(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	double norm = euclidean_norm(type, value);

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_FLOAT8(norm);
}

/* The value divided by its Euclidean norm; a zero vector stays as it is. */
static Datum
dense_l2_normalize(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	DenseVector *result = dense_new(type, value->dim);
	double norm = euclidean_norm(type, value);
	float x_scratch[DENSE_CHUNK];
	float computed[DENSE_CHUNK];
	float scratch[DENSE_CHUNK];
	int start;
	int i;

	for (start = 0; norm > 0 && start < value->dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, value->dim - start);
		const float *x = dense_widen(type, dense_at(type, value, start), n, x_scratch);
		const float *stored;

		for (i = 0; i < n; i++)
			computed[i] = (float) (x[i] / norm);
		stored = store_result(type, computed, n, result, start, scratch);
		for (i = 0; i < n; i++)
		{
			if (unlikely(isinf(stored[i])))
				float_overflow_error();
		}
	}
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_POINTER(result);
}

/* One bit a coordinate: is it positive? */
static Datum
dense_binary_quantize(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	int size = VARBITTOTALLEN(value->dim);
	VarBit *result = (VarBit *) palloc0(size);
	bits8 *bits = VARBITS(result);
	float scratch[DENSE_CHUNK];
	int start;
	int i;

	SET_VARSIZE(result, size);
	VARBITLEN(result) = value->dim;
	StaticAssertStmt(DENSE_CHUNK % BITS_PER_BYTE == 0, "a chunk must fill whole bytes");
	for (start = 0; start < value->dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, value->dim - start);
		const float *x = dense_widen(type, dense_at(type, value, start), n, scratch);

		for (i = 0; i < n; i++)
			bits[(start + i) / BITS_PER_BYTE] |= (bits8) (x[i] > 0)
												 << (BITS_PER_BYTE - 1 - i % BITS_PER_BYTE);
	}
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_VARBIT_P(result);
}

/*
 * The count coordinates from start (counted from 1); as with substring() on
 * strings, a part that lies outside the value is left out.
 */
static Datum
dense_subvector(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	int64 start = PG_GETARG_INT32(1);
	int64 count = PG_GETARG_INT32(2);
	int64 end = Min(start + count, (int64) value->dim + 1);
	int dim;
	DenseVector *result;

	start = Max(start, 1);
	dim = (int) Max(end - start, 0);
	dense_check_dim(type, dim, NULL);
	result = dense_new(type, dim);
	memcpy(DENSE_DATA(result), dense_at(type, value, (int) start - 1),
		   (Size) dim * type->element_size);
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(add);
DENSE_FUNCTION(sub);
DENSE_FUNCTION(mul);
DENSE_FUNCTION(concat);
DENSE_FUNCTION(dims);
DENSE_FUNCTION(norm);
DENSE_FUNCTION(l2_normalize);
DENSE_FUNCTION(binary_quantize);
DENSE_FUNCTION(subvector);
