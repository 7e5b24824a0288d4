/*-------------------------------------------------------------------------
 *
 * dense_io.c
 *	  Text and binary form of vector and halfvec, and their type modifier (the
 *	  number of dimensions).
 *
 * Text: [1,2.5,-3].  Binary: int16 dim, int16 zero, the coordinates, all in
 * network byte order.  Both are pgvector's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <math.h>

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "utils/array.h"

#include "types/dense.h"

/* What a parse needs at every turn */
typedef struct DenseParser
{
	const DenseType *type;
	const char *literal;  /* the whole text, for messages */
	const char *at;		  /* next character */
	struct Node *context; /* where soft errors go, or NULL */
} DenseParser;

static void
skip_space(DenseParser *parser)
{
	while (*parser->at == ' ' || (*parser->at >= '\t' && *parser->at <= '\r'))
		parser->at++;
}

static bool
syntax_error(DenseParser *parser, const char *detail)
{
	ereturn(
		parser->context, false,
		(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		 errmsg("invalid input syntax for type %s: \"%s\"", parser->type->name, parser->literal),
		 detail ? errdetail("%s", detail) : 0));
}

/*
 * An upper bound for the number of coordinates in the list at hand, so that
 * they can be parsed straight into the result.
 */
static int
count_coordinates(const DenseParser *parser)
{
	int count = 1;
	const char *at;

	for (at = parser->at; *at != '\0' && *at != ']' && count < DENSE_MAX_DIM; at++)
		count += (*at == ',');
	return count;
}

/* Parses one number into coordinate i; false after an error. */
static bool
parse_coordinate(DenseParser *parser, DenseVector *value, int i)
{
	const char *start;
	char *end;
	float number;
	DenseElementStatus status;

	skip_space(parser);
	start = parser->at;
	errno = 0;
	/* strtof, not a cut strtod: rounds once.  The server runs with LC_NUMERIC C. */
	number = strtof(start, &end);
	if (end == start)
		return syntax_error(parser, NULL);
	parser->at = end;

	status = dense_set(parser->type, value, i, number);
	if (status == DENSE_ELEMENT_OUT_OF_RANGE ||
		(status == DENSE_ELEMENT_INFINITE && errno == ERANGE))
		ereturn(parser->context, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for type %s", pnstrdup(start, (Size) (end - start)),
						parser->type->name)));
	return dense_check_element(parser->type, status, number, parser->context);
}

DenseVector *
dense_parse(const DenseType *type, const char *literal, const char **cursor, struct Node *context)
{
	DenseParser parser = {type, literal, *cursor, context};
	DenseVector *result;
	int dim = 0;
	char separator;

	skip_space(&parser);
	if (*parser.at != '[')
	{
		syntax_error(&parser, "Vector contents must start with \"[\".");
		return NULL;
	}
	parser.at++;
	skip_space(&parser);
	if (*parser.at == ']')
	{
		dense_check_dim(type, 0, context);
		return NULL;
	}

	result = dense_new(type, count_coordinates(&parser));
	do
	{
		if (!dense_check_dim(type, dim + 1, context) || !parse_coordinate(&parser, result, dim))
			return NULL;
		dim++;
		skip_space(&parser);
		separator = *parser.at;
		if (separator != ',' && separator != ']')
		{
			syntax_error(&parser, NULL);
			return NULL;
		}
		parser.at++;
	} while (separator == ',');

	skip_space(&parser);
	*cursor = parser.at;
	Assert(dim == result->dim);
	return result;
}

/* Text to value: (cstring, oid, typmod) */
static Datum
dense_in(FunctionCallInfo fcinfo, const DenseType *type)
{
	const char *literal = PG_GETARG_CSTRING(0);
	int32 typmod = PG_GETARG_INT32(2);
	struct Node *context = INPUT_ERROR_CONTEXT(fcinfo);
	const char *cursor = literal;
	DenseVector *result = dense_parse(type, literal, &cursor, context);

	if (result == NULL)
		PG_RETURN_NULL();
	if (*cursor != '\0')
	{
		DenseParser parser = {type, literal, cursor, context};

		syntax_error(&parser, "Junk after closing right brace.");
		PG_RETURN_NULL();
	}
	if (!dense_check_typmod(typmod, result->dim, context))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(result);
}

Size
dense_print_size(int dim)
{
	/* Each number with its separator, two brackets, the terminator */
	return (Size) dim * FLOAT_SHORTEST_DECIMAL_LEN + 3;
}

char *
dense_print(const DenseType *type, const void *x, int dim, char *buffer)
{
	float scratch[DENSE_CHUNK];
	int start;
	int i;

	*buffer++ = '[';
	for (start = 0; start < dim; start += DENSE_CHUNK)
	{
		int n = Min(DENSE_CHUNK, dim - start);
		const float *numbers =
			dense_widen(type, (const char *) x + (Size) start * type->element_size, n, scratch);

		for (i = 0; i < n; i++)
		{
			if (start + i > 0)
				*buffer++ = ',';
			buffer += float_to_shortest_decimal_bufn(numbers[i], buffer);
		}
	}
	*buffer++ = ']';
	return buffer;
}

/* Value to text */
static Datum
dense_out(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	char *text = palloc(dense_print_size(value->dim));

	*dense_print(type, DENSE_DATA(value), value->dim, text) = '\0';
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_CSTRING(text);
}

/* Type modifier: (cstring[]) to the number of dimensions */
static Datum
dense_typmod_in(FunctionCallInfo fcinfo, const DenseType *type)
{
	ArrayType *modifiers = PG_GETARG_ARRAYTYPE_P(0);
	int n;
	int32 *dim = ArrayGetIntegerTypmods(modifiers, &n);

	if (n != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier")));
	if (*dim < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dimensions for type %s must be at least 1", type->name)));
	if (*dim > DENSE_MAX_DIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d", type->name, DENSE_MAX_DIM)));
	PG_RETURN_INT32(*dim);
}

/* The next coordinate of a message, as float32 */
static float
receive_coordinate(const DenseType *type, StringInfo message)
{
	uint16 half;
	float scratch;

	if (type->element == SPACE_FLOAT32)
		return pq_getmsgfloat4(message);
	half = (uint16) pq_getmsgint(message, sizeof(half));
	return *dense_widen(type, &half, 1, &scratch);
}

/* Binary form to value: (internal, oid, typmod) */
static Datum
dense_recv(FunctionCallInfo fcinfo, const DenseType *type)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int32 typmod = PG_GETARG_INT32(2);
	int dim = (int) pq_getmsgint(message, sizeof(int16));
	int unused = (int) pq_getmsgint(message, sizeof(int16));
	DenseVector *result;
	int i;

	dense_check_dim(type, dim, NULL);
	dense_check_typmod(typmod, dim, NULL);
	if (unused != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("expected unused to be 0, not %d", unused)));

	result = dense_new(type, dim);
	for (i = 0; i < dim; i++)
	{
		float number = receive_coordinate(type, message);

		dense_check_element(type, dense_set(type, result, i, number), number, NULL);
	}
	PG_RETURN_POINTER(result);
}

/* Value to binary form */
static Datum
dense_send(FunctionCallInfo fcinfo, const DenseType *type)
{
	DenseVector *value = PG_GETARG_DENSE(0);
	StringInfoData message;
	int i;

	pq_begintypsend(&message);
	pq_sendint16(&message, (uint16) value->dim);
	pq_sendint16(&message, (uint16) value->unused);
	for (i = 0; i < value->dim; i++)
	{
		if (type->element == SPACE_FLOAT32)
			pq_sendfloat4(&message, ((const float *) DENSE_DATA(value))[i]);
		else
			pq_sendint16(&message, ((const uint16 *) DENSE_DATA(value))[i]);
	}
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

DENSE_FUNCTION(in);
DENSE_FUNCTION(out);
DENSE_FUNCTION(typmod_in);
DENSE_FUNCTION(recv);
DENSE_FUNCTION(send);
