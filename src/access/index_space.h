/*-------------------------------------------------------------------------
 *
 * index_space.h
 *	  The space of an index: from its operator class, column and metapage to
 *	  values ready to be stored or searched for.
 *
 * Support functions of an operator class, the same for every access method:
 *
 *	1	space(internal) returns internal: the address of a constant Space
 *	2	distance(T, T) returns float8: a function of SQL, in place of 1
 *		(function_space.h)
 *	3	options(internal) returns void: the parameters of a parametrised space;
 *		with 2, distance_is_metric()
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_INDEX_SPACE_H
#define ANN_INDEX_SPACE_H

#include "postgres.h"

#include "nodes/primnodes.h"
#include "access/function_space.h"
#include "storage/meta.h"
#include "space/space.h"
#include "utils/rel.h"

#define SUPPORT_SPACE 1
#define SUPPORT_DISTANCE 2
#define SUPPORT_OPTIONS 3
#define SUPPORT_COUNT 3

/* Strategies of an operator class */
#define STRATEGY_ORDER_BY_DISTANCE 1 /* v <-> query, FOR ORDER BY float_ops */
#define STRATEGY_WITHIN 2			 /* v <<->> sphere(query, radius), FOR SEARCH */

/* Room for: space "..." */
#define SPACE_LABEL_SIZE 48

typedef struct IndexSpace
{
	SpaceContext context;		  /* dim is 0 while no value has been seen */
	char label[SPACE_LABEL_SIZE]; /* the space as messages name it */
	Size value_size;			  /* bytes of the three forms (space.h); 0 while dim is 0 */
	Size encoded_size;			  /* where they differ, the most that there can be */
	Size query_size;
	Size usual_size;	 /* of encoded values, as far as known */
	SpaceContext stored; /* as the index stores values: maybe with a narrower element */
	Size stored_size;	 /* bytes of an encoded value in that form */
} IndexSpace;

/*
 * The index's space with the parameters of its operator class and the column's
 * declared dimensions, or 0 when the column declares none.
 */
extern void index_space_init(IndexSpace *space, Relation index);

/*
 * The space of an operator class without an index: of this family, for its input type.
 * type and collation are the column's.
 */
extern const Space *index_space_of_class(Oid family, Oid input_type, Oid type, Oid collation);

/*
 * Warns if the planner may put the body of a function of SQL in its place: it finds no index
 * for what it then sees.
 */
extern void index_space_warn(const IndexSpace *space, Relation index);

/*
 * The space with these parameters (NAN: not given, an error but for what a class says of
 * its function) and dimensions, 0 if unknown
 */
extern void index_space_bind(IndexSpace *space, const Space *to, const double *params, uint32 dim);

/* Bytes of an encoded value; are two of them the same? */
static inline Size
index_space_size(const IndexSpace *space, const void *encoded)
{
	if (space->context.space->size_of == NULL)
		return space->encoded_size;
	return space->context.space->size_of(&space->context, encoded);
}

static inline bool
index_space_equal(const IndexSpace *space, const void *a, const void *b)
{
	Size size = index_space_size(space, a);

	return size == index_space_size(space, b) && memcmp(a, b, size) == 0;
}

/* Do values differ in size?  Then `addresses` in GraphValues and sizes beside values. */
static inline bool
index_space_varies(const IndexSpace *space)
{
	return space->context.space->size_of != NULL;
}

/*
 * An error, the index is damaged, if a value of so many bytes that was read from it cannot
 * be one.  To be called before a function of SQL sees it.
 */
extern void index_space_require_sound(const IndexSpace *space, Relation index, const void *encoded,
									  Size size);

/*
 * Reads the contents of the metapage (meta_read()), and fixes the number of dimensions if they
 * know it.  Do they?
 */
extern bool index_space_read_meta(IndexSpace *space, Relation index, MethodId method, void *meta,
								  Size size);

/* Fixes the number of dimensions. */
extern void index_space_set_dim(IndexSpace *space, uint32 dim);

/*
 * Has values stored with a narrower element than the column's (space_narrow()).
 * False if the space does not exist for it or it is not narrower.
 */
extern bool index_space_store_as(IndexSpace *space, SpaceElement element);

/*
 * Detoasts an indexed value and returns its coordinates.  The first value
 * fixes the dimensions if they are still unknown.  Raises an error for a value
 * of other dimensions or outside the space's domain.  *copy is set to memory
 * to pfree after use, or NULL.
 */
extern const void *index_space_value(IndexSpace *space, Datum datum, void **copy);

/* The encoded form of such a value, palloc'ed; of a datum */
extern void *index_space_encode_value(const IndexSpace *space, const void *value);
extern void *index_space_encode(IndexSpace *space, Datum datum);

/*
 * An error unless a value's dimensions are those of the index: two sessions may each
 * have the first value of a column that declares none.
 */
extern void index_space_check_dim(uint32 expected, uint32 dim);

/*
 * Turns the right operand of an ordering operator into an encoded value in
 * `encoded` (encoded_size bytes).  For a parametrised space the operand carries
 * parameters: they must be the index's.
 */
extern void index_space_encode_query(IndexSpace *space, Relation index, Datum datum, void *encoded);

/*
 * The same for the centre of a sphere, the right operand of a range operator.  Sets the
 * radius.  False: it has no centre or no radius, which only a row made by a user can lack.
 */
extern bool index_space_encode_sphere(IndexSpace *space, Relation index, Datum datum, void *encoded,
									  double *radius);

/* For amvalidate: is this distance_is_metric(); is this a row of a value and a radius? */
extern bool index_space_is_metric_option(Oid function);
extern bool index_space_is_sphere_type(Oid type, Oid value_type);

/*
 * For the planner: can the index serve an operator of the given strategy with
 * this right operand, as far as one can tell?  False only for a constant with
 * parameters that are not the index's.
 */
extern bool index_space_matches(Relation index, int strategy, Node *operand);

#endif /* ANN_INDEX_SPACE_H */
