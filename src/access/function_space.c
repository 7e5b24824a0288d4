/*-------------------------------------------------------------------------
 *
 * function_space.c
 *	  The space of an operator class over a function of SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/reloptions.h"
#include "access/tupmacs.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/regproc.h"

#include "access/compat.h"
#include "access/function_space.h"

/*
 * Rounding to a float32 changes a number by at most 2^-23 of it; as much is left
 * for the errors that the function itself makes.
 */
#define ROUNDING 0x1p-22

typedef struct FunctionSpace
{
	Space space; /* first: this is what others see */
	FmgrInfo function;
	Oid collation;
	int16 length;
	bool by_value;
	bool metric;
	MemoryContext calls; /* reset after each call */
} FunctionSpace;

static const FunctionSpace *
function_space_of(const SpaceContext *context)
{
	Assert(function_space_is(context->space));
	return (const FunctionSpace *) context->space;
}

static size_t
largest_size(const SpaceContext *context)
{
	return FUNCTION_SPACE_MAX_VALUE;
}

static size_t
no_size(const SpaceContext *context)
{
	return 0;
}

static size_t
size_of(const SpaceContext *context, const void *encoded)
{
	const FunctionSpace *space = function_space_of(context);

	if (space->length > 0)
		return space->length;
	if (space->length == -1)
		return VARSIZE(encoded);
	return strlen(encoded) + 1;
}

static void
copy_value(const SpaceContext *context, const void *value, void *encoded)
{
	memcpy(encoded, value, size_of(context, value));
}

static Datum
datum_of(const FunctionSpace *space, const void *encoded)
{
	return fetch_att(encoded, space->by_value, space->length);
}

/* The largest float32 that is no greater than a distance */
static float
key_of(double distance)
{
	float key;

	if (distance > FLT_MAX)
		return INFINITY;
	key = (float) distance;
	return key > distance ? nextafterf(key, -INFINITY) : key;
}

/* An error: the function has returned what is no distance. */
static void
report_result(const FunctionSpace *space, const char *result)
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					errmsg("distance function %s returned %s",
						   format_procedure(space->function.fn_oid), result),
					space->metric ? errdetail("The distance of a metric is a number from 0 on, or "
											  "infinity.")
								  : errdetail("A distance is a number, or infinity.")));
}

/* The distance of two values, object on the left */
static double
call(FunctionSpace *space, const void *object, const void *query)
{
	LOCAL_FCINFO(fcinfo, 2);
	MemoryContext old;
	double distance;
	Datum result;

	CHECK_FOR_INTERRUPTS();
	InitFunctionCallInfoData(*fcinfo, &space->function, 2, space->collation, NULL, NULL);
	fcinfo->args[0].value = datum_of(space, object);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = datum_of(space, query);
	fcinfo->args[1].isnull = false;
	old = MemoryContextSwitchTo(space->calls);
	result = FunctionCallInvoke(fcinfo);
	MemoryContextSwitchTo(old);
	if (fcinfo->isnull)
		report_result(space, "null");
	distance = DatumGetFloat8(result);
	MemoryContextReset(space->calls);
	if (isnan(distance))
		report_result(space, "NaN");
	if (distance == -INFINITY || (space->metric && distance < 0))
		report_result(space, psprintf("%g", distance));
	return distance;
}

/* Space.distances.  Pages are locked with interrupts held off: nobody may be called then. */
static void
distances(const SpaceContext *context, const void *query, const void *const *objects, int n,
		  float *keys)
{
	FunctionSpace *space = unconstify(FunctionSpace *, function_space_of(context));

	if (n > 0 && query != NULL && (InterruptHoldoffCount != 0 || CritSectionCount != 0))
		elog(ERROR, "distance function %u must not be called here", space->function.fn_oid);
	for (int i = 0; i < n; i++)
	{
		if (query == NULL)
			keys[i] = 0;
		else
			keys[i] = objects[i] == NULL ? INFINITY : key_of(call(space, objects[i], query));
	}
}

/* What is farther than any float32 is as far as that at least. */
static double
finish(const SpaceContext *context, float key)
{
	return fminf(key, FLT_MAX);
}

static double
same(const SpaceContext *context, double number)
{
	return number;
}

static const SpaceMetric metric_of_function = {
	.distance = same, .key = same, .relative = {0, ROUNDING}, .absolute = {0, FLT_MIN}};

void
function_space_set_metric(const Space *to, bool metric)
{
	FunctionSpace *space = unconstify(FunctionSpace *, (const FunctionSpace *) to);

	space->metric = metric;
	space->space.symmetric = metric;
	space->space.may_be_negative = !metric;
	space->space.metric = metric ? &metric_of_function : NULL;
}

const Space *
function_space_make(const FunctionSpaceInput *input)
{
	FunctionSpace *space = palloc0(sizeof(FunctionSpace));
	const Space facts = {
		.name = FUNCTION_SPACE_NAME,
		.nparams = 1,
		.params = {{"metric", -1, 2, NAN}},
		.encoded_size = largest_size,
		.encode = copy_value,
		.size_of = size_of,
		.query_size = no_size,
		.distances = distances,
		.finish = finish,
		.calls_back = true,
	};

	space->space = facts;
	fmgr_info_copy(&space->function, input->function, CurrentMemoryContext);
	space->collation = input->collation;
	space->length = input->length;
	space->by_value = input->by_value;
	function_space_set_metric(&space->space, false);
	space->calls = AllocSetContextCreate(CurrentMemoryContext, "calls of a distance function",
										 ALLOCSET_DEFAULT_SIZES);
	return &space->space;
}

/* The bytes of a datum as functions get them; *size is set to their number. */
static const void *
flatten(const FunctionSpace *space, Datum datum, Size *size)
{
	const void *bytes = DatumGetPointer(datum);

	if (space->length == -1)
	{
		bytes = PG_DETOAST_DATUM(datum);
		*size = VARSIZE(bytes);
	}
	else
		*size = space->length > 0 ? (Size) space->length : strlen(bytes) + 1;
	return bytes;
}

char *
function_space_function(const Space *space)
{
	return format_procedure(((const FunctionSpace *) space)->function.fn_oid);
}

void *
function_space_encode(const SpaceContext *context, Datum datum)
{
	const FunctionSpace *space = function_space_of(context);
	const void *bytes;
	char *encoded;
	Size size;

	if (space->by_value)
	{
		encoded = palloc0(sizeof(Datum));
		store_att_byval(encoded, datum, space->length);
		return encoded;
	}
	bytes = flatten(space, datum, &size);
	if (size > FUNCTION_SPACE_MAX_VALUE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %zu bytes is too large for an index with distance function %s",
						(size_t) size, format_procedure(space->function.fn_oid)),
				 errdetail("%zu bytes is the limit.", (size_t) FUNCTION_SPACE_MAX_VALUE)));
	encoded = palloc(size);
	memcpy(encoded, bytes, size);
	if (bytes != DatumGetPointer(datum))
		pfree(unconstify(void *, bytes));
	return encoded;
}

Size
function_space_size_within(const SpaceContext *context, const void *bytes, Size size)
{
	const FunctionSpace *space = function_space_of(context);
	const char *end;

	if (space->length > 0)
		return size >= (Size) space->length ? (Size) space->length : 0;
	if (space->length == -1)
	{
		if (size < VARHDRSZ || !VARATT_IS_4B_U(bytes) || VARSIZE(bytes) < VARHDRSZ)
			return 0;
		return VARSIZE(bytes) <= size ? VARSIZE(bytes) : 0;
	}
	end = memchr(bytes, '\0', size);
	return end == NULL ? 0 : (Size) (end - (const char *) bytes) + 1;
}

bool
function_space_is_sound(const SpaceContext *context, const void *encoded, Size size)
{
	return size > 0 && size <= FUNCTION_SPACE_MAX_VALUE &&
		   function_space_size_within(context, encoded, size) == size;
}

/* What distance_is_metric() lets an index choose */
typedef struct FunctionSpaceOptions
{
	int32 vl_len_;
	bool metric;
} FunctionSpaceOptions;

/*
 * Support function 3 of a class over a function that is a metric.  An index can
 * say (metric = off) behind the class.
 */
PG_FUNCTION_INFO_V1(distance_is_metric);
Datum
distance_is_metric(PG_FUNCTION_ARGS)
{
	local_relopts *relopts = (local_relopts *) PG_GETARG_POINTER(0);

	init_local_reloptions(relopts, sizeof(FunctionSpaceOptions));
	add_local_bool_reloption(relopts, "metric", "the triangle inequality holds", true,
							 offsetof(FunctionSpaceOptions, metric));
	PG_RETURN_VOID();
}

bool
function_space_defines_options(const FmgrInfo *support)
{
	return support->fn_addr == distance_is_metric;
}

bool
function_space_option(const bytea *options)
{
	return options != NULL && ((const FunctionSpaceOptions *) options)->metric;
}
