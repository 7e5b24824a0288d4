/*-------------------------------------------------------------------------
 *
 * space_vector.c
 *	  Constructors and text and binary form of space_vector.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"

#include "types/dense.h"
#include "types/distance.h"
#include "types/space_vector.h"

/* The coordinates are those of a vector; messages name this type. */
static const DenseType coordinates = {"space_vector", SPACE_FLOAT32, sizeof(float)};

static const char *const space_names[] = {[SPACE_VECTOR_LP] = "lp",
										  [SPACE_VECTOR_RENYI] = "renyi",
										  [SPACE_VECTOR_ALPHABETA] = "alphabeta"};

/* The space of a kind, or NULL when there is no such kind */
static const Space *
kind_space(int kind)
{
	if (kind < SPACE_VECTOR_LP || kind >= (int) lengthof(space_names))
		return NULL;
	return space_find(space_names[kind], SPACE_FLOAT32);
}

const Space *
space_vector_space(const SpaceVector *value)
{
	const Space *space = kind_space(value->kind);

	if (space == NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("unknown kind %d in space_vector", value->kind)));
	return space;
}

/* A new value from checked parts */
static SpaceVector *
new_space_vector(SpaceVectorKind kind, const double *params, int dim, const float *x)
{
	Size size = offsetof(SpaceVector, x) + (Size) dim * sizeof(float4);
	SpaceVector *result = (SpaceVector *) palloc0(size);

	SET_VARSIZE(result, size);
	result->dim = (int16) dim;
	result->kind = (int16) kind;
	memcpy(result->params, params, (Size) kind_space(kind)->nparams * sizeof(double));
	memcpy(result->x, x, (Size) dim * sizeof(float4));
	return result;
}

/* (vector, float8, ...): the space's parameters follow the vector. */
static Datum
construct(FunctionCallInfo fcinfo, SpaceVectorKind kind)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	const Space *space = kind_space(kind);
	double params[SPACE_MAX_PARAMS] = {0};
	SpaceVector *result;
	int i;

	for (i = 0; i < space->nparams; i++)
		params[i] = PG_GETARG_FLOAT8(1 + i);
	distance_check_params(space, params, NULL);
	result = new_space_vector(kind, params, value->dim, DENSE_DATA(value));
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(space_vector_lp);
Datum
space_vector_lp(PG_FUNCTION_ARGS)
{
	return construct(fcinfo, SPACE_VECTOR_LP);
}

PG_FUNCTION_INFO_V1(space_vector_renyi);
Datum
space_vector_renyi(PG_FUNCTION_ARGS)
{
	return construct(fcinfo, SPACE_VECTOR_RENYI);
}

PG_FUNCTION_INFO_V1(space_vector_alphabeta);
Datum
space_vector_alphabeta(PG_FUNCTION_ARGS)
{
	return construct(fcinfo, SPACE_VECTOR_ALPHABETA);
}

/* Moves *cursor behind word if the text goes on with it. */
static bool
accept_word(const char **cursor, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*cursor, word, length) != 0)
		return false;
	*cursor += length;
	return true;
}

/* Reads "name:" and gives its kind, or 0. */
static int
parse_kind(const char **cursor)
{
	int kind;

	for (kind = SPACE_VECTOR_LP; kind < (int) lengthof(space_names); kind++)
	{
		const char *at = *cursor;

		if (accept_word(&at, space_names[kind]) && accept_word(&at, ":"))
		{
			*cursor = at;
			return kind;
		}
	}
	return 0;
}

/*
 * Reads "param=value,param=value:", each parameter of the space once and in
 * any order.
 */
static bool
parse_params(const char **cursor, const Space *space, double *params)
{
	bool seen[SPACE_MAX_PARAMS] = {false};
	int count;

	for (count = 0; count < space->nparams; count++)
	{
		int i = 0;
		char *end;

		if (count > 0 && !accept_word(cursor, ","))
			return false;
		while (i < space->nparams && (seen[i] || !accept_word(cursor, space->params[i].name)))
			i++;
		if (i == space->nparams || !accept_word(cursor, "="))
			return false;
		seen[i] = true;
		params[i] = strtod(*cursor, &end);
		if (end == *cursor)
			return false;
		*cursor = end;
	}
	return accept_word(cursor, ":");
}

PG_FUNCTION_INFO_V1(space_vector_in);
Datum
space_vector_in(PG_FUNCTION_ARGS)
{
	const char *literal = PG_GETARG_CSTRING(0);
	struct Node *context = INPUT_ERROR_CONTEXT(fcinfo);
	const char *cursor = literal + strspn(literal, " \t\n\v\f\r");
	double params[SPACE_MAX_PARAMS] = {0};
	int kind = parse_kind(&cursor);
	DenseVector *value;

	if (kind == 0 || !parse_params(&cursor, kind_space(kind), params))
		ereturn(context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type space_vector: \"%s\"", literal),
				 errdetail("A value starts with a space and its parameters: \"lp:p=0.5:\", "
						   "\"renyi:alpha=0.5:\" or \"alphabeta:alpha=1,beta=1:\".")));
	if (!distance_check_params(kind_space(kind), params, context))
		PG_RETURN_NULL();
	value = dense_parse(&coordinates, literal, &cursor, context);
	if (value == NULL)
		PG_RETURN_NULL();
	if (*cursor != '\0')
		ereturn(context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type space_vector: \"%s\"", literal),
				 errdetail("Junk after closing right brace.")));
	PG_RETURN_POINTER(
		new_space_vector((SpaceVectorKind) kind, params, value->dim, DENSE_DATA(value)));
}

PG_FUNCTION_INFO_V1(space_vector_out);
Datum
space_vector_out(PG_FUNCTION_ARGS)
{
	SpaceVector *value = PG_GETARG_SPACE_VECTOR(0);
	const Space *space = space_vector_space(value);
	StringInfoData text;
	char number[DOUBLE_SHORTEST_DECIMAL_LEN];
	char *end;
	int i;

	initStringInfo(&text);
	appendStringInfoString(&text, space->name);
	for (i = 0; i < space->nparams; i++)
	{
		double_to_shortest_decimal_buf(value->params[i], number);
		appendStringInfo(&text, "%c%s=%s", i == 0 ? ':' : ',', space->params[i].name, number);
	}
	appendStringInfoChar(&text, ':');
	enlargeStringInfo(&text, (int) dense_print_size(value->dim));
	end = dense_print(&coordinates, value->x, value->dim, text.data + text.len);
	*end = '\0';
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_CSTRING(text.data);
}

PG_FUNCTION_INFO_V1(space_vector_recv);
Datum
space_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int dim = (int) pq_getmsgint(message, sizeof(int16));
	int kind = (int) pq_getmsgint(message, sizeof(int16));
	const Space *space = kind_space(kind);
	double params[SPACE_MAX_PARAMS] = {0};
	DenseVector *value;
	int i;

	dense_check_dim(&coordinates, dim, NULL);
	if (space == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
						errmsg("unknown kind %d in external space_vector value", kind)));
	for (i = 0; i < space->nparams; i++)
		params[i] = pq_getmsgfloat8(message);
	distance_check_params(space, params, NULL);

	value = dense_new(&coordinates, dim);
	for (i = 0; i < dim; i++)
	{
		float number = pq_getmsgfloat4(message);

		dense_check_element(&coordinates, dense_set(&coordinates, value, i, number), number, NULL);
	}
	PG_RETURN_POINTER(new_space_vector((SpaceVectorKind) kind, params, dim, DENSE_DATA(value)));
}

PG_FUNCTION_INFO_V1(space_vector_send);
Datum
space_vector_send(PG_FUNCTION_ARGS)
{
	SpaceVector *value = PG_GETARG_SPACE_VECTOR(0);
	const Space *space = space_vector_space(value);
	StringInfoData message;
	int i;

	pq_begintypsend(&message);
	pq_sendint16(&message, (uint16) value->dim);
	pq_sendint16(&message, (uint16) value->kind);
	for (i = 0; i < space->nparams; i++)
		pq_sendfloat8(&message, value->params[i]);
	for (i = 0; i < value->dim; i++)
		pq_sendfloat4(&message, value->x[i]);
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
