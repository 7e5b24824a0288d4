/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  ann_estimate(): what an index would take, before it is built.
 *
 * Here a sample of the column is read and brought into the form in which the
 * operator class encodes it; the access method does the rest
 * (access/estimate.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "access/amapi.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "optimizer/plancat.h"
#include "parser/parse_coerce.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "access/inspect.h"
#include "access/method.h"
#include "access/value_list.h"
#include "core/random.h"

PG_FUNCTION_INFO_V1(ann_estimate);

/* The sample: at most so many values, of so many bytes in all, but not too few */
#define SAMPLE_VALUES 20000
#define SAMPLE_BYTES ((Size) 16 * 1024 * 1024)
#define MIN_SAMPLE_VALUES 100

/* Share of the table that is asked for beyond the sample, since blocks differ */
#define SAMPLE_MARGIN 1.2
#define MIN_SAMPLE_BLOCKS 30

/* Time that the measurement may take, about */
#define MEASURE_SECONDS 1.0

#define SEED_OF_VALUES UINT64_C(0x76616C756573)

/* Arguments of the function, then what comes of them */
typedef struct Estimate
{
	Oid table;
	AttrNumber column;
	Oid type; /* of the column */
	int32 typmod;
	Oid collation;
	const AccessMethod *method;
	IndexAmRoutine *routine;
	EstimateInput input;
	MemoryContext context;
	ValueList *sample; /* NULL while it is empty */
	double null_share;
	double seconds_per_row; /* to read it */
	double params[SPACE_MAX_PARAMS];
} Estimate;

static void
find_column(Estimate *estimate, Oid table, const char *column)
{
	char kind = get_rel_relkind(table);

	if (kind == '\0')
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", table)));
	if (kind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("table \"%s\" is partitioned", get_rel_name(table)),
						errhint("Name one of its partitions.")));
	if (kind != RELKIND_RELATION && kind != RELKIND_MATVIEW)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a table or materialized view", get_rel_name(table))));
	estimate->table = table;
	estimate->column = get_attnum(table, column);
	if (estimate->column <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of relation \"%s\" does not exist", column,
							   get_rel_name(table))));
	get_atttypetypmodcoll(table, estimate->column, &estimate->type, &estimate->typmod,
						  &estimate->collation);
	estimate->input.name = get_rel_name(table);
}

static Oid
find_method(Estimate *estimate, const char *name)
{
	Oid oid = get_index_am_oid(name, false);

	estimate->routine = GetIndexAmRoutineByAmId(oid, false);
	estimate->method = method_of_routine(estimate->routine);
	if (estimate->method == NULL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("access method \"%s\" is not one of this extension", name)));
	return oid;
}

/* The space of an operator class, by its name, or of the type's default one */
static const Space *
find_space(const Estimate *estimate, Oid method, const char *class_name)
{
	Oid opclass;
	Oid family;
	Oid input_type;

	if (class_name != NULL)
		opclass = get_opclass_oid(method, list_make1(makeString(pstrdup(class_name))), false);
	else
		opclass = GetDefaultOpClass(estimate->type, method);
	if (!OidIsValid(opclass))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("data type %s has no default operator class for access method \"%s\"",
						format_type_be(estimate->type), get_am_name(method)),
				 errhint("Name an operator class.")));
	get_opclass_opfamily_and_input_type(opclass, &family, &input_type);
	if (!IsBinaryCoercible(estimate->type, input_type))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("operator class \"%s\" does not accept data type %s", class_name,
							   format_type_be(estimate->type))));
	return index_space_of_class(family, input_type, estimate->type, estimate->collation);
}

static char *
trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char) end[-1]))
		*--end = '\0';
	while (isspace((unsigned char) *text))
		text++;
	return text;
}

/* Takes "name" as a parameter of the space, if it is one. */
static bool
take_parameter(Estimate *estimate, const Space *space, const char *name, const char *value)
{
	for (int i = 0; i < space->nparams; i++)
	{
		if (strcmp(space->params[i].name, name) != 0)
			continue;
		estimate->params[i] = DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(value)));
		return true;
	}
	return false;
}

/*
 * Reads "m = 32, p = 0.5": parameters of the space and options of the index,
 * which the method's own function parses.
 */
static void
read_options(Estimate *estimate, const Space *space, char *options)
{
	ArrayBuildState *array = NULL;
	char *rest = options;
	char *option;

	for (int i = 0; i < SPACE_MAX_PARAMS; i++)
		estimate->params[i] = NAN;
	while ((option = rest) != NULL)
	{
		char *equals;

		rest = strchr(option, ',');
		if (rest != NULL)
			*rest++ = '\0';
		equals = strchr(option, '=');
		if (equals == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" has no value", trim(option)),
					 errhint("Options are written as in \"m = 16, ef_construction = 64\".")));
		*equals = '\0';
		option = trim(option);
		if (!take_parameter(estimate, space, option, trim(equals + 1)))
			array = accumArrayResult(
				array,
				PointerGetDatum(cstring_to_text(psprintf("%s=%s", option, trim(equals + 1)))),
				false, TEXTOID, CurrentMemoryContext);
	}
	estimate->input.options = estimate->routine->amoptions(
		array == NULL ? (Datum) 0 : makeArrayResult(array, CurrentMemoryContext), true);
}

/* Rows of the table, by the planner's means, and pages */
static double
count_rows(const Estimate *estimate, BlockNumber *pages)
{
	Relation table = table_open(estimate->table, AccessShareLock);
	double rows;
	double all_visible;

	estimate_rel_size(table, NULL, pages, &rows, &all_visible);
	table_close(table, AccessShareLock);
	return rows;
}

/* The statement that reads a sample of about n rows */
static char *
sample_query(const Estimate *estimate, double rows, BlockNumber pages, uint32 n)
{
	double share =
		Max(SAMPLE_MARGIN * n / Max(rows, 1), (double) MIN_SAMPLE_BLOCKS / Max(pages, 1));
	const char *table = quote_qualified_identifier(
		get_namespace_name(get_rel_namespace(estimate->table)), get_rel_name(estimate->table));
	const char *column = quote_identifier(get_attname(estimate->table, estimate->column, false));

	if (share >= 1)
		return psprintf("SELECT %s FROM ONLY %s LIMIT %u", column, table, n);
	return psprintf("SELECT %s FROM ONLY %s TABLESAMPLE SYSTEM (%g) REPEATABLE (1) LIMIT %u",
					column, table, 100 * share, n);
}

/* Adds a value to the sample, which may come to have `most`; it lives in the function's context. */
static void
add_to_sample(Estimate *estimate, const void *encoded, uint32 most)
{
	if (estimate->sample == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(estimate->context);

		estimate->sample = value_list_make(&estimate->input.space, most);
		MemoryContextSwitchTo(old);
	}
	value_list_set(estimate->sample, estimate->input.nsample++, encoded);
	estimate->input.sample = value_list_values(estimate->sample);
}

/* Encodes the values that were read; nulls only count. */
static void
encode_sample(Estimate *estimate)
{
	IndexSpace *space = &estimate->input.space;
	uint64 nulls = 0;
	Size bytes = 0;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		Datum datum = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		void *encoded;

		CHECK_FOR_INTERRUPTS();
		nulls += isnull;
		if (isnull)
			continue;
		encoded = index_space_encode(space, datum);
		add_to_sample(estimate, encoded, SPI_processed);
		bytes += index_space_size(space, encoded);
		pfree(encoded);
	}
	if (index_space_varies(space) && estimate->input.nsample > 0)
		space->usual_size = bytes / estimate->input.nsample;
	if (SPI_processed > 0)
		estimate->null_share = (double) nulls / SPI_processed;
}

/* Reads and encodes a sample of the column, with the rights of the caller. */
static void
take_sample(Estimate *estimate, double rows, BlockNumber pages)
{
	uint32 dim = estimate->input.space.context.dim;
	Size size = dim > 0 ? estimate->input.space.usual_size : SAMPLE_BYTES / MIN_SAMPLE_VALUES;
	uint32 n = Max(MIN_SAMPLE_VALUES, Min(SAMPLE_VALUES, SAMPLE_BYTES / Max(size, 1)));
	instr_time start;
	instr_time end;

	SPI_connect();
	INSTR_TIME_SET_CURRENT(start);
	if (SPI_execute(sample_query(estimate, rows, pages, n), true, n) != SPI_OK_SELECT)
		elog(ERROR, "could not read a sample of table \"%s\"", estimate->input.name);
	encode_sample(estimate);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	if (SPI_processed > 0)
		estimate->seconds_per_row = INSTR_TIME_GET_DOUBLE(end) / SPI_processed;
	SPI_finish();
}

/*
 * Makes up values where there are none: coordinates at random between 1/2 and 1,
 * which every space accepts.
 */
static void
make_sample(Estimate *estimate)
{
	IndexSpace *space = &estimate->input.space;
	uint32 n = Max(MIN_SAMPLE_VALUES, Min(SAMPLE_VALUES, SAMPLE_BYTES / space->encoded_size));
	char *value = palloc0(space->value_size);
	char *encoded = palloc(space->encoded_size);
	Random random;

	random_seed(&random, SEED_OF_VALUES);
	estimate->sample = NULL;
	while (estimate->input.nsample < n)
	{
		for (uint32 d = 0; d < space->context.dim; d++)
		{
			if (space->context.space->element == SPACE_FLOAT16)
				((uint16 *) value)[d] = 0x3800 | (uint16) random_below(&random, 0x400);
			else
				((float *) value)[d] = (float) (0.5 + random_double(&random) / 2);
		}
		space_encode(&space->context, value, encoded);
		add_to_sample(estimate, encoded, n);
	}
}

static Datum
make_row(FunctionCallInfo fcinfo, const Estimate *estimate, const EstimateResult *result)
{
	TupleDesc desc;
	Datum values[6];
	bool nulls[6] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum((int64) estimate->input.rows);
	values[1] = Int32GetDatum((int32) estimate->input.space.context.dim);
	nulls[1] = function_space_is(estimate->input.space.context.space);
	values[2] = Int64GetDatum((int64) result->memory);
	values[3] = BoolGetDatum(result->fits);
	values[4] = Int64GetDatum((int64) result->size);
	values[5] = Float8GetDatum(result->seconds + estimate->seconds_per_row * estimate->input.rows);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* Raises an error unless table, column and method are given, and numbers positive. */
static void
check_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < 3; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("table, column and method must not be null")));
	}
	if (!PG_ARGISNULL(5) && PG_GETARG_INT64(5) < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("number of rows must not be negative")));
	if (!PG_ARGISNULL(6) && (PG_GETARG_INT32(6) < 1 || PG_GETARG_INT32(6) > SPACE_MAX_DIM))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dimensions must be between 1 and %d", SPACE_MAX_DIM)));
}

/*
 * ann_estimate(table, column, method, operator_class, options, assumed_rows,
 * assumed_dimensions)
 */
Datum
ann_estimate(PG_FUNCTION_ARGS)
{
	Estimate *estimate = palloc0(sizeof(Estimate));
	EstimateInput *input = &estimate->input;
	EstimateResult result;
	const Space *space;
	BlockNumber pages;
	double rows;
	Oid method;

	check_arguments(fcinfo);
	estimate->context = CurrentMemoryContext;
	find_column(estimate, PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)));
	method = find_method(estimate, NameStr(*PG_GETARG_NAME(2)));
	space = find_space(estimate, method,
					   PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	read_options(estimate, space, PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	index_space_bind(&input->space, space, estimate->params, Max(estimate->typmod, 0));
	rows = count_rows(estimate, &pages);
	take_sample(estimate, rows, pages);
	if (!PG_ARGISNULL(6) && function_space_is(space))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("values of type %s have no dimensions", format_type_be(estimate->type))));
	if (!PG_ARGISNULL(6) && PG_GETARG_INT32(6) != (int32) input->space.context.dim)
	{
		index_space_set_dim(&input->space, PG_GETARG_INT32(6));
		input->nsample = 0;
	}
	if (input->space.context.dim == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("column has neither dimensions nor values"),
						errhint("Give the number of dimensions to assume.")));
	if (input->nsample == 0 && !function_space_is(space))
		make_sample(estimate);
	input->rows = PG_ARGISNULL(5) ? rint(rows * (1 - estimate->null_share)) : PG_GETARG_INT64(5);
	input->seconds = MEASURE_SECONDS;
	memset(&result, 0, sizeof(result));
	estimate->method->inspect->estimate(input, &result);
	return make_row(fcinfo, estimate, &result);
}
