/*-------------------------------------------------------------------------
 *
 * distance.c
 *	  SQL distance functions and range conditions: every space of src/space over
 *	  vector, halfvec and space_vector.
 *
 * Left argument is the data object, right one the query.  A function goes the
 * way an index scan goes (encode the object, prepare the query, one call of
 * the kernel), so the two agree to the last bit.  What belongs to the query is
 * kept between calls: in a scan the query is a constant, recognised by its
 * bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"

#include "types/dense.h"
#include "types/distance.h"
#include "types/space_vector.h"
#include "types/sphere.h"

/* One SQL function */
typedef struct DistanceFunction
{
	const char *name; /* in SQL, for messages */
	const char *space;
	const DenseType *type;
} DistanceFunction;

/*
 * Kept in fn_extra.  The buffers are one allocation, made anew when the space,
 * its parameters or the number of dimensions change.
 */
typedef struct DistanceState
{
	SpaceContext context; /* context.space is NULL before the first call */
	bool direct;		  /* values are used as they are, so there is nothing to keep */
	bool has_query;
	Size value_size;
	char *buffers;
	char *query_value;	 /* the query as it was given */
	char *query_encoded; /* and encoded */
	char *query_scratch; /* room for its query form */
	const void *query;	 /* the form the kernel takes, in one of the above */
	char *object_encoded;
	struct varatt_external toast_pointer; /* of toasted, when that is not NULL */
	struct varlena *toasted;			  /* the last query that was stored out of line */
} DistanceState;

bool
distance_check_params(const Space *space, const double *params, struct Node *error_context)
{
	int i = space_validate_params(space, params);
	const SpaceParam *limit;

	if (likely(i < 0))
		return true;
	limit = &space->params[i];
	if (params[i] == limit->excluded)
		ereturn(error_context, false,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value %g not allowed for parameter \"%s\" of space \"%s\"", params[i],
						limit->name, space->name)));
	ereturn(error_context, false,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value %g out of bounds for parameter \"%s\" of space \"%s\"", params[i],
					limit->name, space->name),
			 errdetail("Valid values are greater than %g and less than %g.", limit->minimum,
					   limit->maximum)));
}

void
distance_check_value(const SpaceContext *context, const void *value, const char *name)
{
	uint32_t where = 0;
	SpaceStatus status = space_check(context, value, &where);
	const DenseType *type =
		context->space->element == SPACE_FLOAT32 ? &dense_vector : &dense_halfvec;
	float scratch;

	if (likely(status == SPACE_OK))
		return;
	ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
					status == SPACE_NEGATIVE ? errmsg("%s requires non-negative entries", name)
											 : errmsg("%s requires positive entries", name),
					errdetail("Dimension %u is %g.", where + 1,
							  *dense_widen(type, (const char *) value + where * type->element_size,
										   1, &scratch))));
}

/* The state of this call site; all zero at its first call */
static DistanceState *
get_state(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(DistanceState));
	return (DistanceState *) fcinfo->flinfo->fn_extra;
}

/* Makes the state ready for a space whose parameters have been checked. */
static void
bind_space(FunctionCallInfo fcinfo, DistanceState *state, const SpaceContext *context)
{
	const Space *space = context->space;
	Size value_size = MAXALIGN(space_value_size(context));
	Size encoded_size = MAXALIGN(space_encoded_size(context));
	Size query_size = MAXALIGN(space_query_size(context));
	char *buffers = NULL;

	state->context.space = NULL;
	state->has_query = false;
	if (state->buffers)
		pfree(state->buffers);
	state->buffers = NULL;

	state->direct =
		space->encoded_size == NULL && space->query_size == NULL && space->check == NULL;
	if (!state->direct)
	{
		buffers =
			MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, value_size + 2 * encoded_size + query_size);
		state->query_value = buffers;
		state->query_encoded = state->query_value + value_size;
		state->object_encoded = state->query_encoded + encoded_size;
		state->query_scratch = state->object_encoded + encoded_size;
	}
	state->buffers = buffers;
	state->value_size = space_value_size(context);
	state->context = *context;
}

/* Is the state bound to this space, with these parameters? */
static bool
is_bound(const DistanceState *state, const Space *space, int dim, const double *params)
{
	int i;

	if (state->context.space != space || state->context.dim != (uint32_t) dim)
		return false;
	for (i = 0; i < space->nparams; i++)
	{
		if (state->context.params[i] != params[i])
			return false;
	}
	return true;
}

/* Binds the state to a space unless it is bound to it already. */
static void
use_space(FunctionCallInfo fcinfo, DistanceState *state, const Space *space, int dim,
		  const double *params)
{
	SpaceContext context = {0};

	if (likely(is_bound(state, space, dim, params)))
		return;
	distance_check_params(space, params, NULL);
	context.space = space;
	context.dim = (uint32_t) dim;
	if (space->nparams > 0)
		memcpy(context.params, params, (Size) space->nparams * sizeof(double));
	bind_space(fcinfo, state, &context);
}

static void
remember_query(DistanceState *state, const void *query, const char *name)
{
	state->has_query = false;
	distance_check_value(&state->context, query, name);
	memcpy(state->query_value, query, state->value_size);
	space_encode(&state->context, query, state->query_encoded);
	state->query = space_prepare_query(&state->context, state->query_encoded, state->query_scratch);
	state->has_query = true;
}

/* Key of d(object, query) in the bound space (space.h) */
static float
compute_key(DistanceState *state, const void *object, const void *query, const char *name)
{
	const Space *space = state->context.space;
	float key;

	if (!state->direct)
	{
		if (!state->has_query || memcmp(state->query_value, query, state->value_size) != 0)
			remember_query(state, query, name);
		query = state->query;
		if (space->check)
			distance_check_value(&state->context, object, name);
		if (space->encoded_size)
		{
			space_encode(&state->context, object, state->object_encoded);
			object = state->object_encoded;
		}
	}
	space->distances(&state->context, query, &object, 1, &key);
	return key;
}

/*
 * The query argument (a value or a sphere), detoasted.  A query stored out of
 * line is fetched once for all the rows it is compared with: fetching costs far
 * more than comparing.  It is known again by its TOAST pointer, whose value
 * cannot change under a query that holds it.
 */
static void *
fetch_query(FunctionCallInfo fcinfo, DistanceState *state, int argument)
{
	struct varlena *raw = (struct varlena *) PG_GETARG_POINTER(argument);
	struct varatt_external pointer;
	MemoryContext old;

	if (!VARATT_IS_EXTERNAL_ONDISK(raw))
		return PG_DETOAST_DATUM(PointerGetDatum(raw));
	VARATT_EXTERNAL_GET_POINTER(pointer, raw);
	if (state->toasted != NULL && memcmp(&pointer, &state->toast_pointer, sizeof(pointer)) == 0)
		return state->toasted;
	if (state->toasted != NULL)
		pfree(state->toasted);
	state->toasted = NULL;
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	state->toasted = PG_DETOAST_DATUM(PointerGetDatum(raw));
	MemoryContextSwitchTo(old);
	state->toast_pointer = pointer;
	return state->toasted;
}

/* Frees what fetch_query() returned if it is a copy that is not kept. */
static void
release_query(FunctionCallInfo fcinfo, DistanceState *state, void *query, int argument)
{
	if (query != state->toasted)
		PG_FREE_IF_COPY(query, argument);
}

/* Key of two values; params are those of the function's space, if it has any. */
static float
dense_key(FunctionCallInfo fcinfo, const DistanceFunction *function, const DenseVector *object,
		  const DenseVector *query, const double *params)
{
	DistanceState *state = get_state(fcinfo);
	const Space *space = state->context.space;

	dense_check_same_dim(function->type, object->dim, query->dim);
	if (unlikely(space == NULL))
		space = space_find(function->space, function->type->element);
	use_space(fcinfo, state, space, object->dim, params);
	return compute_key(state, DENSE_DATA(object), DENSE_DATA(query), function->name);
}

/*
 * The key of the call's two values; parameters of the space are the arguments
 * after them.
 */
static float
call_key(FunctionCallInfo fcinfo, const DistanceFunction *function)
{
	DistanceState *state = get_state(fcinfo);
	DenseVector *object = PG_GETARG_DENSE(0);
	DenseVector *query = fetch_query(fcinfo, state, 1);
	double params[SPACE_MAX_PARAMS] = {0};
	float key;
	int i;

	for (i = 0; i < Min(PG_NARGS() - 2, SPACE_MAX_PARAMS); i++)
		params[i] = PG_GETARG_FLOAT8(2 + i);
	key = dense_key(fcinfo, function, object, query, params);
	PG_FREE_IF_COPY(object, 0);
	release_query(fcinfo, state, query, 1);
	return key;
}

static double
call_distance(FunctionCallInfo fcinfo, const DistanceFunction *function)
{
	float key = call_key(fcinfo, function);

	return space_finish(&get_state(fcinfo)->context, key);
}

/*
 * Functions whose result is the space's distance: the symbol, the SQL name,
 * the space, the type.
 */
#define DISTANCE_FUNCTION(symbol, name, space, sqltype)                           \
	PG_FUNCTION_INFO_V1(symbol);                                                  \
	Datum symbol(PG_FUNCTION_ARGS)                                                \
	{                                                                             \
		static const DistanceFunction function = {name, space, &dense_##sqltype}; \
                                                                                  \
		PG_RETURN_FLOAT8(call_distance(fcinfo, &function));                       \
	}                                                                             \
	extern int symbol##_needs_semicolon

DISTANCE_FUNCTION(vector_l2_distance, "l2_distance", "l2", vector);
DISTANCE_FUNCTION(vector_negative_inner_product, "inner_product", "ip", vector);
DISTANCE_FUNCTION(vector_cosine_distance, "cosine_distance", "cosine", vector);
DISTANCE_FUNCTION(vector_l1_distance, "l1_distance", "l1", vector);
DISTANCE_FUNCTION(vector_linf_distance, "linf_distance", "linf", vector);
DISTANCE_FUNCTION(vector_angular_distance, "angular_distance", "angular", vector);

DISTANCE_FUNCTION(halfvec_l2_distance, "l2_distance", "l2", halfvec);
DISTANCE_FUNCTION(halfvec_negative_inner_product, "inner_product", "ip", halfvec);
DISTANCE_FUNCTION(halfvec_cosine_distance, "cosine_distance", "cosine", halfvec);
DISTANCE_FUNCTION(halfvec_l1_distance, "l1_distance", "l1", halfvec);
DISTANCE_FUNCTION(halfvec_linf_distance, "linf_distance", "linf", halfvec);
DISTANCE_FUNCTION(halfvec_angular_distance, "angular_distance", "angular", halfvec);

DISTANCE_FUNCTION(lp_distance, "lp_distance", "lp", vector);
DISTANCE_FUNCTION(js_divergence, "js_divergence", "js", vector);
DISTANCE_FUNCTION(js_metric, "js_metric", "jsmetric", vector);
DISTANCE_FUNCTION(kl_divergence, "kl_divergence", "kl", vector);
DISTANCE_FUNCTION(kl_divergence_right, "kl_divergence", "kl_right", vector);
DISTANCE_FUNCTION(generalized_kl_divergence, "generalized_kl_divergence", "gkl", vector);
DISTANCE_FUNCTION(generalized_kl_divergence_right, "generalized_kl_divergence", "gkl_right",
				  vector);
DISTANCE_FUNCTION(itakura_saito, "itakura_saito", "is", vector);
DISTANCE_FUNCTION(itakura_saito_right, "itakura_saito", "is_right", vector);
DISTANCE_FUNCTION(renyi_divergence, "renyi_divergence", "renyi", vector);
DISTANCE_FUNCTION(alphabeta_divergence, "alphabeta_divergence", "alphabeta", vector);

/* The inner product itself: the space's distance is its negative. */
static Datum
dense_inner_product(FunctionCallInfo fcinfo, const DenseType *type)
{
	const DistanceFunction function = {"inner_product", "ip", type};

	PG_RETURN_FLOAT8(-call_distance(fcinfo, &function));
}

/* The key of L2 is the squared distance. */
static Datum
dense_l2_squared_distance(FunctionCallInfo fcinfo, const DenseType *type)
{
	const DistanceFunction function = {"l2_distance", "l2", type};

	PG_RETURN_FLOAT8((double) call_key(fcinfo, &function));
}

/* Angle between unit vectors in half turns: from 0 to 1 */
static Datum
dense_spherical_distance(FunctionCallInfo fcinfo, const DenseType *type)
{
	const DistanceFunction function = {"inner_product", "ip", type};
	double cosine = -call_distance(fcinfo, &function);

	/* rounding may have led out of the domain of acos() */
	cosine = Min(Max(cosine, -1.0), 1.0);
	PG_RETURN_FLOAT8(acos(cosine) / M_PI);
}

DENSE_FUNCTION(inner_product);
DENSE_FUNCTION(l2_squared_distance);
DENSE_FUNCTION(spherical_distance);

/* Key of d(object, query) in the space that the query names */
static float
space_vector_key(FunctionCallInfo fcinfo, const DenseVector *object, const SpaceVector *query)
{
	static const char *const names[] = {[SPACE_VECTOR_LP] = "lp_distance",
										[SPACE_VECTOR_RENYI] = "renyi_divergence",
										[SPACE_VECTOR_ALPHABETA] = "alphabeta_divergence"};
	DistanceState *state = get_state(fcinfo);

	dense_check_same_dim(&dense_vector, object->dim, query->dim);
	use_space(fcinfo, state, space_vector_space(query), query->dim, query->params);
	return compute_key(state, DENSE_DATA(object), query->x, names[query->kind]);
}

/* The arguments are given by their numbers. */
static double
space_vector_distance(FunctionCallInfo fcinfo, int object_argument, int query_argument)
{
	DistanceState *state = get_state(fcinfo);
	DenseVector *object = PG_GETARG_DENSE(object_argument);
	SpaceVector *query = fetch_query(fcinfo, state, query_argument);
	float key = space_vector_key(fcinfo, object, query);

	PG_FREE_IF_COPY(object, object_argument);
	release_query(fcinfo, state, query, query_argument);
	return space_finish(&state->context, key);
}

/* vector <*> space_vector */
PG_FUNCTION_INFO_V1(vector_space_distance);
Datum
vector_space_distance(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(space_vector_distance(fcinfo, 0, 1));
}

/* space_vector <*> vector: the vector is the data object all the same. */
PG_FUNCTION_INFO_V1(space_vector_distance_commuted);
Datum
space_vector_distance_commuted(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(space_vector_distance(fcinfo, 1, 0));
}

void
distance_check_radius(const Space *space, double radius)
{
	if (radius < 0 && !space->may_be_negative)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("radius of a sphere in space \"%s\" must not be negative: %g",
							   space->name, radius)));
}

/*
 * Is the object inside the sphere?  The distance is that of the function, or,
 * where function is NULL, of the space that the centre names.
 */
static bool
call_within(FunctionCallInfo fcinfo, const DistanceFunction *function, int object_argument,
			int sphere_argument)
{
	static const double no_params[SPACE_MAX_PARAMS] = {0};
	DistanceState *state = get_state(fcinfo);
	DenseVector *object = PG_GETARG_DENSE(object_argument);
	Sphere *sphere = fetch_query(fcinfo, state, sphere_argument);
	float key = function == NULL
					? space_vector_key(fcinfo, object, SPHERE_CENTRE(sphere))
					: dense_key(fcinfo, function, object, SPHERE_CENTRE(sphere), no_params);
	bool within;

	distance_check_radius(state->context.space, sphere->radius);
	within = space_finish(&state->context, key) <= sphere->radius;
	PG_FREE_IF_COPY(object, object_argument);
	release_query(fcinfo, state, sphere, sphere_argument);
	return within;
}

/*
 * The two functions behind a range operator: value on the left, sphere on the
 * left.  The distance is d(value, centre) in either.
 */
#define WITHIN_FUNCTION(symbol, name, space, sqltype)                             \
	PG_FUNCTION_INFO_V1(symbol);                                                  \
	PG_FUNCTION_INFO_V1(symbol##_commuted);                                       \
	Datum symbol(PG_FUNCTION_ARGS)                                                \
	{                                                                             \
		static const DistanceFunction function = {name, space, &dense_##sqltype}; \
                                                                                  \
		PG_RETURN_BOOL(call_within(fcinfo, &function, 0, 1));                     \
	}                                                                             \
	Datum symbol##_commuted(PG_FUNCTION_ARGS)                                     \
	{                                                                             \
		static const DistanceFunction function = {name, space, &dense_##sqltype}; \
                                                                                  \
		PG_RETURN_BOOL(call_within(fcinfo, &function, 1, 0));                     \
	}                                                                             \
	extern int symbol##_needs_semicolon

WITHIN_FUNCTION(vector_l2_within, "l2_distance", "l2", vector);
WITHIN_FUNCTION(vector_ip_within, "inner_product", "ip", vector);
WITHIN_FUNCTION(vector_cosine_within, "cosine_distance", "cosine", vector);
WITHIN_FUNCTION(vector_l1_within, "l1_distance", "l1", vector);
WITHIN_FUNCTION(vector_linf_within, "linf_distance", "linf", vector);
WITHIN_FUNCTION(vector_angular_within, "angular_distance", "angular", vector);

WITHIN_FUNCTION(halfvec_l2_within, "l2_distance", "l2", halfvec);
WITHIN_FUNCTION(halfvec_ip_within, "inner_product", "ip", halfvec);
WITHIN_FUNCTION(halfvec_cosine_within, "cosine_distance", "cosine", halfvec);
WITHIN_FUNCTION(halfvec_l1_within, "l1_distance", "l1", halfvec);
WITHIN_FUNCTION(halfvec_linf_within, "linf_distance", "linf", halfvec);
WITHIN_FUNCTION(halfvec_angular_within, "angular_distance", "angular", halfvec);

WITHIN_FUNCTION(js_within, "js_divergence", "js", vector);
WITHIN_FUNCTION(jsmetric_within, "js_metric", "jsmetric", vector);
WITHIN_FUNCTION(kl_within, "kl_divergence", "kl", vector);
WITHIN_FUNCTION(kl_right_within, "kl_divergence", "kl_right", vector);
WITHIN_FUNCTION(gkl_within, "generalized_kl_divergence", "gkl", vector);
WITHIN_FUNCTION(gkl_right_within, "generalized_kl_divergence", "gkl_right", vector);
WITHIN_FUNCTION(is_within, "itakura_saito", "is", vector);
WITHIN_FUNCTION(is_right_within, "itakura_saito", "is_right", vector);

/* vector <<*>> sphere_space_vector */
PG_FUNCTION_INFO_V1(space_within);
Datum
space_within(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(call_within(fcinfo, NULL, 0, 1));
}

/* sphere_space_vector <<*>> vector */
PG_FUNCTION_INFO_V1(space_within_commuted);
Datum
space_within_commuted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(call_within(fcinfo, NULL, 1, 0));
}
