/*-------------------------------------------------------------------------
 *
 * dense_aggregate.c
 *	  avg(vector) and avg(halfvec).
 *
 * The transition value is a double precision[]: the number of values, then
 * the sum of each coordinate.  {0} is the state before the first value.
 *
 * sum() uses the + of the type, so it is rounded to the type's elements at each
 * step and depends on the order of the rows, hence on how a parallel plan deals
 * them out: the more so for halfvec, whose elements have 11 bits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"

#include "types/dense.h"

/* Dimensions summed in a state; 0 before the first value */
#define STATE_DIM(state) (ARR_DIMS(state)[0] - 1)
#define STATE_NUMBERS(state) ((float8 *) ARR_DATA_PTR(state))

/* The array argument, checked to be a state: users can call these functions too. */
static ArrayType *
get_state(FunctionCallInfo fcinfo, int argument, const char *caller)
{
	ArrayType *state = PG_GETARG_ARRAYTYPE_P(argument);

	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] < 1 || ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		elog(ERROR, "%s: expected state array", caller);
	return state;
}

/* A state of zeros */
static ArrayType *
new_state(int dim)
{
	int count = dim + 1;
	Size size = ARR_OVERHEAD_NONULLS(1) + (Size) count * sizeof(float8);
	ArrayType *state = (ArrayType *) palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = count;
	ARR_LBOUND(state)[0] = 1;
	return state;
}

/*
 * The state itself when an aggregate calls, which owns it and lets us change
 * it in place; else a copy.
 */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, ArrayType *state)
{
	ArrayType *copy;

	if (AggCheckCallContext(fcinfo, NULL))
		return state;
	copy = (ArrayType *) palloc(VARSIZE(state));
	memcpy(copy, state, VARSIZE(state));
	return copy;
}

/* Adds a value to a state: (double precision[], value) */
static Datum
dense_accum(FunctionCallInfo fcinfo, const DenseType *type)
{
	ArrayType *state =
		get_state(fcinfo, 0, type->element == SPACE_FLOAT32 ? "vector_accum" : "halfvec_accum");
	DenseVector *value = PG_GETARG_DENSE(1);
	float scratch[DENSE_CHUNK];
	float8 *numbers;
	int start;
	int i;

	if (STATE_DIM(state) == 0)
	{
		float8 count = STATE_NUMBERS(state)[0];

		state = new_state(value->dim);
		STATE_NUMBERS(state)[0] = count;
	}
	else
	{
		dense_check_typmod(STATE_DIM(state), value->dim, NULL);
		state = writable_state(fcinfo, state);
	}

	numbers = STATE_NUMBERS(state);
	numbers[0] += 1;
	for (start = 0; start < value->dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, value->dim - start);
		const float *x = dense_widen(type, dense_at(type, value, start), n, scratch);

		for (i = 0; i < n; i++)
		{
			numbers[1 + start + i] += (double) x[i];
			if (unlikely(isinf(numbers[1 + start + i])))
				float_overflow_error();
		}
	}
	PG_FREE_IF_COPY(value, 1);
	PG_RETURN_ARRAYTYPE_P(state);
}

/* Adds two states, of vector or halfvec */
PG_FUNCTION_INFO_V1(vector_combine);
Datum
vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType *first = get_state(fcinfo, 0, "vector_combine");
	ArrayType *second = get_state(fcinfo, 1, "vector_combine");
	ArrayType *longer = STATE_DIM(first) > 0 ? first : second;
	const ArrayType *other = longer == first ? second : first;
	int dim = STATE_DIM(longer);
	ArrayType *result = new_state(dim);
	float8 *numbers = STATE_NUMBERS(result);
	int i;

	if (dim > 0)
		dense_check_dim(&dense_vector, dim, NULL);
	if (STATE_DIM(other) > 0)
		dense_check_typmod(dim, STATE_DIM(other), NULL);

	memcpy(numbers, STATE_NUMBERS(longer), (Size) (dim + 1) * sizeof(float8));
	for (i = 0; i < ARR_DIMS(other)[0]; i++)
	{
		numbers[i] += STATE_NUMBERS(other)[i];
		if (i > 0 && unlikely(isinf(numbers[i])))
			float_overflow_error();
	}
	PG_RETURN_ARRAYTYPE_P(result);
}

/* The mean of a state, NULL of no values */
static Datum
dense_avg(FunctionCallInfo fcinfo, const DenseType *type)
{
	ArrayType *state =
		get_state(fcinfo, 0, type->element == SPACE_FLOAT32 ? "vector_avg" : "halfvec_avg");
	const float8 *numbers = STATE_NUMBERS(state);
	int dim = STATE_DIM(state);
	DenseVector *result;
	int i;

	if (numbers[0] == 0)
		PG_RETURN_NULL();

	dense_check_dim(type, dim, NULL);
	result = dense_new(type, dim);
	for (i = 0; i < dim; i++)
	{
		float mean = (float) (numbers[i + 1] / numbers[0]);

		dense_check_element(type, dense_set(type, result, i, mean), mean, NULL);
	}
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(accum);
DENSE_FUNCTION(avg);
