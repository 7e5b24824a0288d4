/*-------------------------------------------------------------------------
 *
 * dense_cast.c
 *	  Casts of vector and halfvec: to their own type with a type modifier, from
 *	  and to arrays, and into each other.
 *
 * All take (value, typmod, explicit), as the server calls cast functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"

#include "types/dense.h"

/* Enforces the type modifier */
static Datum
dense_to_typmod(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);

	dense_check_typmod(PG_GETARG_INT32(1), value->dim, NULL);
	PG_RETURN_POINTER(value);
}

static void
set_or_error(const DenseType *type, DenseVector *value, int i, float number)
{
	dense_check_element(type, dense_set(type, value, i, number), number, NULL);
}

/* Copies the elements of an integer[], real[], double precision[] or numeric[] without nulls. */
static void
copy_array(const DenseType *type, ArrayType *array, DenseVector *value)
{
	const void *data = ARR_DATA_PTR(array);
	Datum *numerics = NULL;
	int n;
	int i;

	if (ARR_ELEMTYPE(array) == NUMERICOID)
		deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &numerics, NULL, &n);

	for (i = 0; i < value->dim; i++)
	{
		switch (ARR_ELEMTYPE(array))
		{
			case INT4OID:
				set_or_error(type, value, i, (float) ((const int32 *) data)[i]);
				break;
			case FLOAT4OID:
				set_or_error(type, value, i, ((const float4 *) data)[i]);
				break;
			case FLOAT8OID:
				set_or_error(type, value, i, (float) ((const float8 *) data)[i]);
				break;
			case NUMERICOID:
				set_or_error(type, value, i,
							 DatumGetFloat4(DirectFunctionCall1(numeric_float4, numerics[i])));
				break;
			default:
				ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("unsupported array type")));
		}
	}
	if (numerics)
		pfree(numerics);
}

/* Array of numbers to value */
static Datum
dense_from_array(FunctionCallInfo fcinfo, const DenseType *type)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int dim;
	DenseVector *result;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("array must be 1-D")));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain nulls")));

	dim = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	dense_check_dim(type, dim, NULL);
	dense_check_typmod(PG_GETARG_INT32(1), dim, NULL);
	result = dense_new(type, dim);
	copy_array(type, array, result);
	PG_FREE_IF_COPY(array, 0);
	PG_RETURN_POINTER(result);
}

/* Value to real[] */
static Datum
dense_to_float4(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	float *scratch = palloc((Size) value->dim * sizeof(float));
	Datum *elements = palloc((Size) value->dim * sizeof(Datum));
	const float *numbers = dense_widen(type, DENSE_DATA(value), value->dim, scratch);
	ArrayType *result;
	int i;

	for (i = 0; i < value->dim; i++)
		elements[i] = Float4GetDatum(numbers[i]);
	result = construct_array(elements, value->dim, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT);
	pfree(elements);
	pfree(scratch);
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_ARRAYTYPE_P(result);
}

/* Value of one type to the other */
static Datum
convert_dense(FunctionCallInfo fcinfo, const DenseType *from, const DenseType *to)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	DenseVector *result;
	float scratch[DENSE_CHUNK];
	int start;
	int i;

	dense_check_typmod(PG_GETARG_INT32(1), value->dim, NULL);
	result = dense_new(to, value->dim);
	for (start = 0; start < value->dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, value->dim - start);
		const float *numbers = dense_widen(from, dense_at(from, value, start), n, scratch);

		for (i = 0; i < n; i++)
			set_or_error(to, result, start + i, numbers[i]);
	}
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(vector_to_halfvec);
Datum
vector_to_halfvec(PG_FUNCTION_ARGS)
{
	return convert_dense(fcinfo, &dense_vector, &dense_halfvec);
}

PG_FUNCTION_INFO_V1(halfvec_to_vector);
Datum
halfvec_to_vector(PG_FUNCTION_ARGS)
{
	return convert_dense(fcinfo, &dense_halfvec, &dense_vector);
}

DENSE_FUNCTION(to_typmod);
DENSE_FUNCTION(from_array);
DENSE_FUNCTION(to_float4);
