/*-------------------------------------------------------------------------
 *
 * dense.c
 *	  What all files about vector and halfvec share: allocation, conversion of
 *	  coordinates, checks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"

#include "space/half.h"
#include "types/dense.h"

const DenseType dense_vector = {"vector", SPACE_FLOAT32, sizeof(float)};
const DenseType dense_halfvec = {"halfvec", SPACE_FLOAT16, sizeof(uint16)};

DenseVector *
dense_new(const DenseType *type, int dim)
{
	Size size = sizeof(DenseVector) + (Size) dim * type->element_size;
	DenseVector *result;

	Assert(dim >= 1 && dim <= DENSE_MAX_DIM);
	result = (DenseVector *) palloc0(size);
	SET_VARSIZE(result, size);
	result->dim = (int16) dim;
	return result;
}

const float *
dense_widen(const DenseType *type, const void *x, int n, float *scratch)
{
	if (type->element == SPACE_FLOAT32)
		return (const float *) x;
	half_to_float_array((const uint16 *) x, scratch, (size_t) n);
	return scratch;
}

void
dense_narrow(const DenseType *type, const float *values, int n, void *x)
{
	if (type->element == SPACE_FLOAT32)
		memcpy(x, values, (Size) n * sizeof(float));
	else
		half_from_float_array(values, (uint16 *) x, (size_t) n);
}

DenseElementStatus
dense_set(const DenseType *type, DenseVector *value, int i, float number)
{
	void *place = dense_at(type, value, i);
	float scratch;

	if (isnan(number))
		return DENSE_ELEMENT_NAN;
	if (isinf(number))
		return DENSE_ELEMENT_INFINITE;
	dense_narrow(type, &number, 1, place);
	if (isinf(*dense_widen(type, place, 1, &scratch)))
		return DENSE_ELEMENT_OUT_OF_RANGE;
	return DENSE_ELEMENT_OK;
}

bool
dense_check_dim(const DenseType *type, int dim, struct Node *context)
{
	if (dim < 1)
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s must have at least 1 dimension", type->name)));
	if (dim > DENSE_MAX_DIM)
		ereturn(context, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s cannot have more than %d dimensions", type->name, DENSE_MAX_DIM)));
	return true;
}

bool
dense_check_typmod(int32 typmod, int dim, struct Node *context)
{
	if (typmod != -1 && typmod != dim)
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dim)));
	return true;
}

bool
dense_check_element(const DenseType *type, DenseElementStatus status, float number,
					struct Node *context)
{
	char text[FLOAT_SHORTEST_DECIMAL_LEN];

	switch (status)
	{
		case DENSE_ELEMENT_OK:
			break;
		case DENSE_ELEMENT_NAN:
			ereturn(context, false,
					(errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in %s", type->name)));
		case DENSE_ELEMENT_INFINITE:
			ereturn(context, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("infinite value not allowed in %s", type->name)));
		case DENSE_ELEMENT_OUT_OF_RANGE:
			float_to_shortest_decimal_buf(number, text);
			ereturn(context, false,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%s\" is out of range for type %s", text, type->name)));
	}
	return true;
}

void
dense_check_same_dim(const DenseType *type, int a, int b)
{
	if (a != b)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("different %s dimensions %d and %d", type->name, a, b)));
}
