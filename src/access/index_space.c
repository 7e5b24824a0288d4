/*-------------------------------------------------------------------------
 *
 * index_space.c
 *	  The space of an index, and its values in encoded form.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/reloptions.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/relcache.h"

#include "access/index_space.h"
#include "types/dense.h"
#include "types/distance.h"
#include "types/space_vector.h"
#include "types/sphere.h"

/* Operator-class parameters, in the order of Space.params */
typedef struct SpaceOptions
{
	int32 vl_len_;
	double params[SPACE_MAX_PARAMS]; /* NAN: not given */
} SpaceOptions;

/*
 * Takes the parameters of a parametrised space from the operator class's
 * options.  None has a default: a class without them is an error.
 */
static void
read_parameters(IndexSpace *space, Relation index)
{
	SpaceContext *context = &space->context;
	bytea **options = RelationGetIndexAttOptions(index, false);
	SpaceOptions *given = (SpaceOptions *) options[0];

	for (int i = 0; i < context->space->nparams; i++)
	{
		if (given == NULL || isnan(given->params[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("operator class of index \"%s\" needs the parameter \"%s\"",
							RelationGetRelationName(index), context->space->params[i].name),
					 errhint("Give it behind the operator class, as in (v vec_%s_ops (%s = ...)).",
							 context->space->name, context->space->params[i].name)));
		context->params[i] = given->params[i];
	}
	distance_check_params(context->space, context->params, NULL);
}

void
index_space_bind(IndexSpace *space, const Space *to, const double *params, uint32 dim)
{
	memset(space, 0, sizeof(*space));
	space->context.space = to;
	snprintf(space->label, sizeof(space->label), "space \"%s\"", to->name);
	for (int i = 0; i < to->nparams; i++)
	{
		if (isnan(params[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s needs the parameter \"%s\"", space->label, to->params[i].name)));
		space->context.params[i] = params[i];
	}
	if (to->nparams > 0)
		distance_check_params(to, space->context.params, NULL);
	if (dim > 0)
		index_space_set_dim(space, dim);
}

void
index_space_init(IndexSpace *space, Relation index)
{
	FmgrInfo *support = index_getprocinfo(index, 1, SUPPORT_SPACE);
	int32 typmod = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;

	memset(space, 0, sizeof(*space));
	space->context.space =
		(const Space *) DatumGetPointer(FunctionCall1(support, PointerGetDatum(NULL)));
	snprintf(space->label, sizeof(space->label), "space \"%s\"", space->context.space->name);
	if (space->context.space->nparams > 0)
		read_parameters(space, index);
	if (typmod > 0)
		index_space_set_dim(space, typmod);
}

void
index_space_set_dim(IndexSpace *space, uint32 dim)
{
	space->context.dim = dim;
	space->value_size = space_value_size(&space->context);
	space->encoded_size = space_encoded_size(&space->context);
	space->query_size = space_query_size(&space->context);
	space->stored = space->context;
	space->stored_size = space->encoded_size;
}

bool
index_space_store_as(IndexSpace *space, SpaceElement element)
{
	const Space *narrow = space_find(space->context.space->name, element);

	if (narrow == NULL || element <= space->context.space->element)
		return false;
	space->stored.space = narrow;
	space->stored_size = space_encoded_size(&space->stored);
	return true;
}

void
index_space_check_dim(uint32 expected, uint32 dim)
{
	if (dim != expected)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("expected %u dimensions, not %u", expected, dim)));
}

const void *
index_space_value(IndexSpace *space, Datum datum, void **copy)
{
	DenseVector *value = DatumGetDense(datum);

	*copy = (Pointer) value == DatumGetPointer(datum) ? NULL : value;
	if (space->context.dim == 0)
		index_space_set_dim(space, value->dim);
	index_space_check_dim(space->context.dim, value->dim);
	distance_check_value(&space->context, DENSE_DATA(value), space->label);
	return DENSE_DATA(value);
}

void *
index_space_encode(IndexSpace *space, Datum datum)
{
	void *copy;
	const void *value = index_space_value(space, datum, &copy);
	void *encoded = palloc(Max(space->encoded_size, 1));

	space_encode(&space->context, value, encoded);
	if (copy != NULL)
		pfree(copy);
	return encoded;
}

/* Position of the first parameter that is not the index's, or -1. */
static int
find_other_parameter(const IndexSpace *space, const SpaceVector *query)
{
	for (int i = 0; i < space->context.space->nparams; i++)
	{
		if (query->params[i] != space->context.params[i])
			return i;
	}
	return -1;
}

bool
index_space_matches(Relation index, int strategy, Node *operand)
{
	IndexSpace space;
	SpaceVector *query;

	if (!IsA(operand, Const) || ((Const *) operand)->constisnull)
		return true;
	index_space_init(&space, index);
	if (space.context.space->nparams == 0)
		return true;
	if (strategy == STRATEGY_WITHIN)
		query = SPHERE_CENTRE(DatumGetSphere(((Const *) operand)->constvalue));
	else
		query = DatumGetSpaceVector(((Const *) operand)->constvalue);
	return space_vector_space(query) == space.context.space &&
		   find_other_parameter(&space, query) < 0;
}

/* A query's parameters must be those the index was built with. */
static void
check_parameters(const IndexSpace *space, Relation index, const SpaceVector *query)
{
	const Space *expected = space->context.space;
	int other;

	if (space_vector_space(query) != expected)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("query is in space \"%s\", but index \"%s\" in space \"%s\"",
							   space_vector_space(query)->name, RelationGetRelationName(index),
							   expected->name)));
	other = find_other_parameter(space, query);
	if (other >= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("query has %s = %g, but index \"%s\" was built with %s = %g",
							   expected->params[other].name, query->params[other],
							   RelationGetRelationName(index), expected->params[other].name,
							   space->context.params[other])));
}

void
index_space_encode_query(IndexSpace *space, Relation index, Datum datum, void *encoded)
{
	const void *coordinates;
	int dim;

	if (space->context.space->nparams > 0)
	{
		SpaceVector *query = DatumGetSpaceVector(datum);

		check_parameters(space, index, query);
		dim = query->dim;
		coordinates = query->x;
	}
	else
	{
		DenseVector *query = DatumGetDense(datum);

		dim = query->dim;
		coordinates = DENSE_DATA(query);
	}
	dense_check_same_dim(space->context.space->element == SPACE_FLOAT16 ? &dense_halfvec
																		: &dense_vector,
						 (int) space->context.dim, dim);
	distance_check_value(&space->context, coordinates, space->label);
	space_encode(&space->context, coordinates, encoded);
}

double
index_space_encode_sphere(IndexSpace *space, Relation index, Datum datum, void *encoded)
{
	Sphere *sphere = DatumGetSphere(datum);

	index_space_encode_query(space, index, PointerGetDatum(SPHERE_CENTRE(sphere)), encoded);
	distance_check_radius(space->context.space, sphere->radius);
	return sphere->radius;
}

/* Support function 3 of the classes of a parametrised space */
static void
define_options(FunctionCallInfo fcinfo, const Space *space)
{
	local_relopts *relopts = (local_relopts *) PG_GETARG_POINTER(0);

	init_local_reloptions(relopts, sizeof(SpaceOptions));
	for (int i = 0; i < space->nparams; i++)
		add_local_real_reloption(relopts, space->params[i].name, "parameter of the space", NAN,
								 space->params[i].minimum, space->params[i].maximum,
								 offsetof(SpaceOptions, params) + i * sizeof(double));
}

/* Support function 1 of a class: one line a space and type */
#define SPACE_FUNCTION(function, name, element)       \
	PG_FUNCTION_INFO_V1(function);                    \
	Datum function(PG_FUNCTION_ARGS)                  \
	{                                                 \
		PG_RETURN_POINTER(space_find(name, element)); \
	}                                                 \
	extern int function##_needs_semicolon

/* Support function 3: one line a parametrised space */
#define OPTIONS_FUNCTION(function, name, element)          \
	PG_FUNCTION_INFO_V1(function);                         \
	Datum function(PG_FUNCTION_ARGS)                       \
	{                                                      \
		define_options(fcinfo, space_find(name, element)); \
		PG_RETURN_VOID();                                  \
	}                                                      \
	extern int function##_needs_semicolon

SPACE_FUNCTION(vec_l2_space, "l2", SPACE_FLOAT32);
SPACE_FUNCTION(vec_ip_space, "ip", SPACE_FLOAT32);
SPACE_FUNCTION(vec_cosine_space, "cosine", SPACE_FLOAT32);
SPACE_FUNCTION(vec_l1_space, "l1", SPACE_FLOAT32);
SPACE_FUNCTION(vec_linf_space, "linf", SPACE_FLOAT32);
SPACE_FUNCTION(vec_angular_space, "angular", SPACE_FLOAT32);
SPACE_FUNCTION(vec_lp_space, "lp", SPACE_FLOAT32);
SPACE_FUNCTION(vec_js_space, "js", SPACE_FLOAT32);
SPACE_FUNCTION(vec_jsmetric_space, "jsmetric", SPACE_FLOAT32);
SPACE_FUNCTION(vec_kl_space, "kl", SPACE_FLOAT32);
SPACE_FUNCTION(vec_kl_right_space, "kl_right", SPACE_FLOAT32);
SPACE_FUNCTION(vec_gkl_space, "gkl", SPACE_FLOAT32);
SPACE_FUNCTION(vec_gkl_right_space, "gkl_right", SPACE_FLOAT32);
SPACE_FUNCTION(vec_is_space, "is", SPACE_FLOAT32);
SPACE_FUNCTION(vec_is_right_space, "is_right", SPACE_FLOAT32);
SPACE_FUNCTION(vec_renyi_space, "renyi", SPACE_FLOAT32);
SPACE_FUNCTION(vec_alphabeta_space, "alphabeta", SPACE_FLOAT32);
SPACE_FUNCTION(halfvec_l2_space, "l2", SPACE_FLOAT16);
SPACE_FUNCTION(halfvec_ip_space, "ip", SPACE_FLOAT16);
SPACE_FUNCTION(halfvec_cosine_space, "cosine", SPACE_FLOAT16);
SPACE_FUNCTION(halfvec_l1_space, "l1", SPACE_FLOAT16);
SPACE_FUNCTION(halfvec_linf_space, "linf", SPACE_FLOAT16);
SPACE_FUNCTION(halfvec_angular_space, "angular", SPACE_FLOAT16);

OPTIONS_FUNCTION(vec_lp_options, "lp", SPACE_FLOAT32);
OPTIONS_FUNCTION(vec_renyi_options, "renyi", SPACE_FLOAT32);
OPTIONS_FUNCTION(vec_alphabeta_options, "alphabeta", SPACE_FLOAT32);
