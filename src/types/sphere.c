/*-------------------------------------------------------------------------
 *
 * sphere.c
 *	  Constructor and text and binary form of the sphere types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"

#include "types/sphere.h"

#define PREFIX "sphere:radius="

/* One of the types: its name, for messages, and the functions of its centres */
typedef struct SphereType
{
	const char *name;
	PGFunction in;
	PGFunction out;
	PGFunction recv;
	PGFunction send;
} SphereType;

/* Reports an error, softly to context where it is not NULL, for a radius of NaN. */
static bool
check_radius(double radius, struct Node *context)
{
	if (isnan(radius))
		ereturn(context, false,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("radius of a sphere must not be NaN")));
	return true;
}

static Sphere *
new_sphere(struct varlena *centre, double radius)
{
	Size size = sizeof(Sphere) + VARSIZE(centre);
	Sphere *result = (Sphere *) palloc0(size);

	SET_VARSIZE(result, size);
	result->radius = radius;
	memcpy(SPHERE_CENTRE(result), centre, VARSIZE(centre));
	return result;
}

/* (value, float8), for every type of value */
PG_FUNCTION_INFO_V1(sphere_construct);
Datum
sphere_construct(PG_FUNCTION_ARGS)
{
	struct varlena *centre = PG_DETOAST_DATUM(PG_GETARG_DATUM(0));
	double radius = PG_GETARG_FLOAT8(1);
	Sphere *result;

	check_radius(radius, NULL);
	result = new_sphere(centre, radius);
	PG_FREE_IF_COPY(centre, 0);
	PG_RETURN_POINTER(result);
}

/* Calls the centre's input function.  NULL after an error reported softly to context. */
static struct varlena *
read_centre(const SphereType *type, const char *text, struct Node *context)
{
	LOCAL_FCINFO(call, 3);
	Datum centre;

	InitFunctionCallInfoData(*call, NULL, 3, InvalidOid, (fmNodePtr) context, NULL);
	call->args[0].value = CStringGetDatum(text);
	call->args[0].isnull = false;
	call->args[1].value = ObjectIdGetDatum(InvalidOid);
	call->args[1].isnull = false;
	call->args[2].value = Int32GetDatum(-1);
	call->args[2].isnull = false;
	centre = type->in(call);
	return call->isnull ? NULL : (struct varlena *) DatumGetPointer(centre);
}

static Datum
sphere_in(FunctionCallInfo fcinfo, const SphereType *type)
{
	const char *literal = PG_GETARG_CSTRING(0);
	struct Node *context = INPUT_ERROR_CONTEXT(fcinfo);
	const char *cursor = literal + strspn(literal, " \t\n\v\f\r");
	bool valid = strncmp(cursor, PREFIX, strlen(PREFIX)) == 0;
	double radius = 0;
	struct varlena *centre;

	if (valid)
	{
		char *end;

		cursor += strlen(PREFIX);
		radius = strtod(cursor, &end);
		valid = end != cursor && *end == ':';
		cursor = end + 1;
	}
	if (!valid)
		ereturn(context, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", type->name, literal),
				 errdetail("A value starts with its radius, as in \"sphere:radius=0.5:\".")));
	if (!check_radius(radius, context))
		PG_RETURN_NULL();
	centre = read_centre(type, cursor, context);
	if (centre == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(new_sphere(centre, radius));
}

static Datum
sphere_out(FunctionCallInfo fcinfo, const SphereType *type)
{
	Sphere *sphere = DatumGetSphere(PG_GETARG_DATUM(0));
	char *centre =
		DatumGetCString(DirectFunctionCall1(type->out, PointerGetDatum(SPHERE_CENTRE(sphere))));
	char radius[DOUBLE_SHORTEST_DECIMAL_LEN];
	char *text;

	double_to_shortest_decimal_buf(sphere->radius, radius);
	text = psprintf("%s%s:%s", PREFIX, radius, centre);
	pfree(centre);
	PG_FREE_IF_COPY(sphere, 0);
	PG_RETURN_CSTRING(text);
}

static Datum
sphere_recv(FunctionCallInfo fcinfo, const SphereType *type)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	double radius = pq_getmsgfloat8(message);
	Datum centre;

	check_radius(radius, NULL);
	centre = DirectFunctionCall3(type->recv, PointerGetDatum(message), ObjectIdGetDatum(InvalidOid),
								 Int32GetDatum(-1));
	PG_RETURN_POINTER(new_sphere((struct varlena *) DatumGetPointer(centre), radius));
}

static Datum
sphere_send(FunctionCallInfo fcinfo, const SphereType *type)
{
	Sphere *sphere = DatumGetSphere(PG_GETARG_DATUM(0));
	bytea *centre =
		DatumGetByteaP(DirectFunctionCall1(type->send, PointerGetDatum(SPHERE_CENTRE(sphere))));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendfloat8(&message, sphere->radius);
	pq_sendbytes(&message, VARDATA(centre), VARSIZE(centre) - VARHDRSZ);
	PG_FREE_IF_COPY(sphere, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* Defines the SQL function sphere_<centre>_<name> by sphere_<name>() of this file. */
#define SPHERE_FUNCTION(centre, name)                          \
	PG_FUNCTION_INFO_V1(sphere_##centre##_##name);             \
	Datum sphere_##centre##_##name(PG_FUNCTION_ARGS)           \
	{                                                          \
		return sphere_##name(fcinfo, &sphere_##centre##_type); \
	}                                                          \
	extern int sphere_##centre##_##name##_needs_semicolon

/* The type of spheres around a type of values: its SQL functions are the value's. */
#define SPHERE_TYPE(centre)                                                                        \
	extern Datum centre##_in(PG_FUNCTION_ARGS);                                                    \
	extern Datum centre##_out(PG_FUNCTION_ARGS);                                                   \
	extern Datum centre##_recv(PG_FUNCTION_ARGS);                                                  \
	extern Datum centre##_send(PG_FUNCTION_ARGS);                                                  \
	static const SphereType sphere_##centre##_type = {"sphere_" #centre, centre##_in,              \
													  centre##_out, centre##_recv, centre##_send}; \
	SPHERE_FUNCTION(centre, in);                                                                   \
	SPHERE_FUNCTION(centre, out);                                                                  \
	SPHERE_FUNCTION(centre, recv);                                                                 \
	SPHERE_FUNCTION(centre, send)

SPHERE_TYPE(vector);
SPHERE_TYPE(halfvec);
SPHERE_TYPE(space_vector);
