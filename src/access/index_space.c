/*-------------------------------------------------------------------------
 *
 * index_space.c
 *	  The space of an index, and its values in encoded form.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/relcache.h"
#include "utils/typcache.h"

#include "access/index_space.h"
#include "storage/damage.h"
#include "types/dense.h"
#include "types/distance.h"
#include "types/space_vector.h"
#include "types/sphere.h"

/* Bytes of values whose size varies, until some have been seen */
#define GUESSED_SIZE 64

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
index_space_warn(const IndexSpace *space, Relation index)
{
	HeapTuple tuple;
	Form_pg_proc function;
	bool may_be_inlined;

	if (!function_space_is(space->context.space))
		return;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(index_getprocid(index, 1, SUPPORT_DISTANCE)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for the distance function of index \"%s\"",
			 RelationGetRelationName(index));
	function = (Form_pg_proc) GETSTRUCT(tuple);
	may_be_inlined = function->prolang == SQLlanguageId && !function->prosecdef &&
					 heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
	ReleaseSysCache(tuple);
	if (may_be_inlined)
		ereport(WARNING,
				(errmsg("queries may not use index \"%s\"", RelationGetRelationName(index)),
				 errdetail("The planner may replace a call of function %s by its body before it "
						   "looks for indexes.",
						   function_space_function(space->context.space)),
				 errhint("Write it in another language than SQL, or give it a setting, as in "
						 "ALTER FUNCTION ... SET search_path = pg_catalog.")));
}

/* The parameter and sizes of the space of a function, which has one dimension as it were */
static void
use_function(IndexSpace *space)
{
	snprintf(space->label, sizeof(space->label), "space \"%s\"", FUNCTION_SPACE_NAME);
	space->context.params[FUNCTION_SPACE_METRIC] = space_has_metric(&space->context);
	index_space_set_dim(space, 1);
	space->value_size = space->encoded_size;
}

/* An error unless support function 2 is a distance, and the one that the operator computes. */
static void
check_distance(Oid function, Oid family, Oid type)
{
	Oid op = get_opfamily_member(family, type, type, STRATEGY_ORDER_BY_DISTANCE);

	if (!check_amproc_signature(function, FLOAT8OID, true, 2, 2, type, type))
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("support function %d must take two values of type %s and return "
							   "type %s",
							   SUPPORT_DISTANCE, format_type_be(type), format_type_be(FLOAT8OID)),
						errdetail("It is %s.", format_procedure(function))));
	if (!OidIsValid(op) || get_opcode(op) != function)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("operator %d must compute support function %d, %s",
						STRATEGY_ORDER_BY_DISTANCE, SUPPORT_DISTANCE, format_procedure(function))));
}

bool
index_space_is_metric_option(Oid function)
{
	FmgrInfo support;

	fmgr_info(function, &support);
	return function_space_defines_options(&support);
}

bool
index_space_is_sphere_type(Oid type, Oid value_type)
{
	TupleDesc desc;
	bool result;

	if (!type_is_rowtype(type) || type == RECORDOID)
		return false;
	desc = lookup_rowtype_tupdesc_domain(type, -1, false);
	result = desc->natts == 2 && TupleDescAttr(desc, 0)->atttypid == value_type &&
			 TupleDescAttr(desc, 1)->atttypid == FLOAT8OID;
	ReleaseTupleDesc(desc);
	return result;
}

/* The space of a class over a function; the class may say that it is a metric. */
static const Space *
space_of_function(FmgrInfo *function, Oid family, Oid input_type, Oid type, Oid collation)
{
	Oid options = get_opfamily_proc(family, input_type, input_type, SUPPORT_OPTIONS);
	FunctionSpaceInput input = {.function = function, .collation = collation};
	const Space *space;

	check_distance(function->fn_oid, family, input_type);
	get_typlenbyval(type, &input.length, &input.by_value);
	space = function_space_make(&input);
	if (!OidIsValid(options))
		return space;
	if (!index_space_is_metric_option(options))
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("support function %d of an operator class over a function must be "
							   "distance_is_metric(internal)",
							   SUPPORT_OPTIONS)));
	function_space_set_metric(space, true);
	return space;
}

static void
report_no_support(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					errmsg("operator class has neither support function %d nor %d", SUPPORT_SPACE,
						   SUPPORT_DISTANCE)));
}

const Space *
index_space_of_class(Oid family, Oid input_type, Oid type, Oid collation)
{
	Oid support = get_opfamily_proc(family, input_type, input_type, SUPPORT_SPACE);
	FmgrInfo function;

	if (OidIsValid(support))
		return (const Space *) DatumGetPointer(OidFunctionCall1(support, PointerGetDatum(NULL)));
	support = get_opfamily_proc(family, input_type, input_type, SUPPORT_DISTANCE);
	if (!OidIsValid(support))
		report_no_support();
	fmgr_info(support, &function);
	return space_of_function(&function, family, input_type, type, collation);
}

void
index_space_bind(IndexSpace *space, const Space *to, const double *params, uint32 dim)
{
	memset(space, 0, sizeof(*space));
	space->context.space = to;
	if (function_space_is(to))
	{
		if (!isnan(params[FUNCTION_SPACE_METRIC]))
			function_space_set_metric(to, params[FUNCTION_SPACE_METRIC] != 0);
		use_function(space);
		return;
	}
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

static bool
is_over_function(Relation index)
{
	return !OidIsValid(index_getprocid(index, 1, SUPPORT_SPACE)) &&
		   OidIsValid(index_getprocid(index, 1, SUPPORT_DISTANCE));
}

/* The same as index_space_init(), for a class over a function */
static void
init_function(IndexSpace *space, Relation index)
{
	FmgrInfo *function = index_getprocinfo(index, 1, SUPPORT_DISTANCE);
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(index), 0);

	memset(space, 0, sizeof(*space));
	space->context.space =
		space_of_function(function, index->rd_opfamily[0], index->rd_opcintype[0], column->atttypid,
						  index->rd_indcollation[0]);
	if (space_has_metric(&space->context))
		function_space_set_metric(
			space->context.space,
			function_space_option(RelationGetIndexAttOptions(index, false)[0]));
	use_function(space);
}

void
index_space_init(IndexSpace *space, Relation index)
{
	int32 typmod = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
	FmgrInfo *support;

	if (is_over_function(index))
	{
		init_function(space, index);
		return;
	}
	if (!OidIsValid(index_getprocid(index, 1, SUPPORT_SPACE)))
		report_no_support();
	support = index_getprocinfo(index, 1, SUPPORT_SPACE);
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
	space->usual_size = index_space_varies(space) ? GUESSED_SIZE : space->encoded_size;
	space->stored = space->context;
	space->stored_size = space->encoded_size;
}

bool
index_space_read_meta(IndexSpace *space, Relation index, MethodId method, void *meta, Size size)
{
	const MetaHeader *header = (const MetaHeader *) meta;

	meta_read(index, method, meta, size);
	if (unlikely(header->dim > SPACE_MAX_DIM))
		meta_report_invalid(index);
	if (header->dim > 0 && header->dim != space->context.dim)
		index_space_set_dim(space, header->dim);
	return header->dim > 0;
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
	DenseVector *value;

	if (function_space_is(space->context.space))
		return *copy = function_space_encode(&space->context, datum);
	value = DatumGetDense(datum);
	*copy = (Pointer) value == DatumGetPointer(datum) ? NULL : value;
	if (space->context.dim == 0)
		index_space_set_dim(space, value->dim);
	index_space_check_dim(space->context.dim, value->dim);
	distance_check_value(&space->context, DENSE_DATA(value), space->label);
	return DENSE_DATA(value);
}

void *
index_space_encode_value(const IndexSpace *space, const void *value)
{
	Size size = index_space_varies(space) ? index_space_size(space, value) : space->encoded_size;
	void *encoded = palloc(MAXALIGN(Max(size, 1)));

	space_encode(&space->context, value, encoded);
	return encoded;
}

void *
index_space_encode(IndexSpace *space, Datum datum)
{
	void *copy;
	const void *value = index_space_value(space, datum, &copy);
	void *encoded;

	if (index_space_varies(space))
		return copy;
	encoded = index_space_encode_value(space, value);
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

	if (!IsA(operand, Const) || ((Const *) operand)->constisnull || is_over_function(index))
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

	if (function_space_is(space->context.space))
	{
		void *value = function_space_encode(&space->context, datum);

		memcpy(encoded, value, index_space_size(space, value));
		pfree(value);
		return;
	}
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

/* A sphere of a class over a function is a row: the centre, the radius. */
static bool
encode_row(IndexSpace *space, Relation index, Datum datum, void *encoded, double *radius)
{
	HeapTupleHeader row = DatumGetHeapTupleHeader(datum);
	bool no_centre;
	bool no_radius;
	Datum centre;

	if (!index_space_is_sphere_type(HeapTupleHeaderGetTypeId(row), index->rd_opcintype[0]))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("range condition on index \"%s\" must have a row of types %s and "
							   "%s as its right operand",
							   RelationGetRelationName(index),
							   format_type_be(index->rd_opcintype[0]), format_type_be(FLOAT8OID))));
	centre = GetAttributeByNum(row, 1, &no_centre);

	*radius = DatumGetFloat8(GetAttributeByNum(row, 2, &no_radius));
	if (no_centre || no_radius)
		return false;
	index_space_encode_query(space, index, centre, encoded);
	return true;
}

bool
index_space_encode_sphere(IndexSpace *space, Relation index, Datum datum, void *encoded,
						  double *radius)
{
	Sphere *sphere;

	if (function_space_is(space->context.space))
		return encode_row(space, index, datum, encoded, radius);
	sphere = DatumGetSphere(datum);
	index_space_encode_query(space, index, PointerGetDatum(SPHERE_CENTRE(sphere)), encoded);
	distance_check_radius(space->context.space, sphere->radius);
	*radius = sphere->radius;
	return true;
}

void
index_space_require_sound(const IndexSpace *space, Relation index, const void *encoded, Size size)
{
	if (likely(!function_space_is(space->context.space) ||
			   function_space_is_sound(&space->context, encoded, size)))
		return;
	damage_report(index, "has a damaged value");
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
