/*-------------------------------------------------------------------------
 *
 * space.h
 *	  Distance spaces: what is stored of a value, and how far two values are
 *	  apart.
 *
 * A Space is a constant description (name, facts, functions).  A SpaceContext
 * binds it to a number of dimensions and, for parametrised spaces, to the
 * parameters; everything below takes the context.  A value passes through
 * three forms:
 *
 *	value	 the coordinates as the SQL type holds them (float32 or IEEE half),
 *			 or bytes, which no SQL type holds
 *	encoded	 what an index stores: the coordinates plus whatever the distance
 *			 needs of them again and again (norm, logarithms, ...)
 *	query	 what one side of the distance wants, made from an encoded value
 *			 once per query (for halves and bytes: the coordinates widened to
 *			 float32)
 *
 * A space that exists for several elements has the same query form for all of
 * them, and the same keys to the last bit for equal coordinates.  So an index
 * may store values with narrower coordinates than the column's, where they
 * lose nothing by it: space_narrow().
 *
 * A search compares keys, not distances: a key is a float32 that orders
 * objects as the distance does (for L2 the squared distance) and finish()
 * turns it into the distance.  Keys may be infinite, never NaN.
 *
 * Data objects are the left argument of a distance, queries the right one
 * (nmslib-spaces 0.1).  The kernels are chosen at run time for the processor
 * (core/simd.h); SQL distance functions and index scans run the same kernels in
 * the same order of additions, so they agree to the last bit.
 *
 * Plain C, no allocation, no state of its own: every function
 * may be called from any thread, but for spaces that call back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SPACE_H
#define ANN_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPACE_MAX_DIM 16000 /* as pgvector's types */
#define SPACE_MAX_PARAMS 2

/* What one coordinate of a value is, from the widest to the narrowest; stored in
 * metapages: never renumber */
typedef enum SpaceElement
{
	SPACE_FLOAT32, /* vector */
	SPACE_FLOAT16, /* halfvec: IEEE half, as uint16_t */
	SPACE_UINT8	   /* whole numbers 0 to 255 */
} SpaceElement;

/* Verdict of check(): may this value be stored or asked for? */
typedef enum SpaceStatus
{
	SPACE_OK,
	SPACE_NEGATIVE,	   /* an entry is negative and must be >= 0 */
	SPACE_NOT_POSITIVE /* an entry is zero or negative and must be > 0 */
} SpaceStatus;

/* One parameter of a parametrised space */
typedef struct SpaceParam
{
	const char *name; /* as in SQL: p, alpha, beta */
	double minimum;	  /* open interval (minimum, maximum) */
	double maximum;
	double excluded; /* a value inside that is not allowed, or NAN */
} SpaceParam;

typedef struct Space Space;
typedef struct SpaceMetric SpaceMetric;

/* A space bound to dimensions and parameters */
typedef struct SpaceContext
{
	const Space *space;
	uint32_t dim;
	double params[SPACE_MAX_PARAMS];
} SpaceContext;

struct Space
{
	const char *name; /* suffix of the operator class: l2, kl_right, ... */
	SpaceElement element;
	bool symmetric;
	bool may_be_negative; /* distances can be below zero */
	bool has_coordinates; /* means and projections make sense (quantisation) */
	int nparams;
	SpaceParam params[SPACE_MAX_PARAMS];

	/* Is the value inside the space's domain?  NULL: every finite value is.
	 * Sets *where to the first offending dimension (0-based). */
	SpaceStatus (*check)(const SpaceContext *context, const void *value, uint32_t *where);

	/* Bytes of an encoded value; NULL: the value is stored as it is. */
	size_t (*encoded_size)(const SpaceContext *context);
	void (*encode)(const SpaceContext *context, const void *value, void *encoded);

	/*
	 * Bytes of this encoded value, where they differ: then encoded_size() is the most
	 * that there can be.  NULL: all have as many.
	 */
	size_t (*size_of)(const SpaceContext *context, const void *encoded);

	/* Bytes of a query; NULL: the encoded value is the query. */
	size_t (*query_size)(const SpaceContext *context);
	void (*prepare_query)(const SpaceContext *context, const void *encoded, void *query);

	/* keys[i] = key of d(objects[i], query); the result for one object does not
	 * depend on n or on its place among the others. */
	void (*distances)(const SpaceContext *context, const void *query, const void *const *objects,
					  int n, float *keys);

	/*
	 * Keys by which a graph is built: its candidates found, its links chosen and
	 * pruned.  For asymmetric spaces, where the keys of distances() make a graph
	 * whose searches get lost (README); another measure of the same values, not
	 * to be compared with distances() nor given to finish().  What is said there
	 * of n and of NaN holds here.  NULL: distances().  Searches for rows always
	 * go by distances().
	 */
	void (*link_distances)(const SpaceContext *context, const void *query,
						   const void *const *objects, int n, float *keys);

	/* Key to distance; NULL: the key is the distance. */
	double (*finish)(const SpaceContext *context, float key);

	const SpaceMetric *metric; /* behind the distance; NULL: none is known */

	/*
	 * A space with a metric, of the same encoded and query forms, in which values are
	 * near to each other that are so here, as a rule: what can be learned about
	 * distances from a metric, where this space has none.  NULL: no such is known.
	 */
	const Space *relative;

	/*
	 * distances() runs code of a user's: on the main thread only, while no page is locked,
	 * and with encoded values at multiples of 8 bytes.  It may leave by an error.  A query
	 * that is NULL is as far from everything as from anything else, and an object that is
	 * NULL infinitely far.
	 */
	bool calls_back;
};

/* An error that grows with the number of dimensions */
typedef struct SpaceError
{
	double per_dimension;
	double fixed;
} SpaceError;

/*
 * A function of the key for which the triangle inequality holds; the distance
 * itself need not be one (its square root, or the angle).  Computed keys differ
 * from true ones by at most relative * key + absolute.
 */
struct SpaceMetric
{
	double (*distance)(const SpaceContext *context, double key); /* never decreasing */
	double (*key)(const SpaceContext *context, double distance); /* the reverse */
	SpaceError relative;
	SpaceError absolute;
};

/* A number that is not known exactly: between the two, which count as well */
typedef struct SpaceRange
{
	double low;
	double high;
} SpaceRange;

/* The space of this name and element, or NULL */
extern const Space *space_find(const char *name, SpaceElement element);

/* All spaces, for tests and tables: *n is set to their number */
extern const Space *const *space_all(int *n);

/*
 * Are the parameters (nparams of them) in their ranges?  Returns the index of
 * the first that is not, -1 when all are.
 */
extern int space_validate_params(const Space *space, const double *params);

extern size_t space_value_size(const SpaceContext *context);
extern size_t space_encoded_size(const SpaceContext *context);
extern size_t space_query_size(const SpaceContext *context);
extern SpaceStatus space_check(const SpaceContext *context, const void *value, uint32_t *where);

/* Value to encoded form: copies when the space stores the value itself. */
extern void space_encode(const SpaceContext *context, const void *value, void *encoded);

/*
 * The query form of an encoded value: the encoded value itself when the space
 * needs no other, else built in scratch (space_query_size() bytes).
 */
extern const void *space_prepare_query(const SpaceContext *context, const void *encoded,
									   void *scratch);

/*
 * Writes an encoded value of the space `wide` in the encoded form of the same
 * space with the narrower element of `narrow`.  False, with `result` undefined,
 * if a coordinate is not that number in the narrower element (-0 is not 0).
 */
extern bool space_narrow(const SpaceContext *wide, const SpaceContext *narrow, const void *encoded,
						 void *result);

/* The reverse: the very bytes that space_narrow() was given */
extern void space_widen(const SpaceContext *wide, const SpaceContext *narrow, const void *encoded,
						void *result);

/* link_distances() of the space, or distances() where it has no such. */
extern void space_link_distances(const SpaceContext *context, const void *query,
								 const void *const *objects, int n, float *keys);

extern double space_finish(const SpaceContext *context, float key);

/*
 * The metric behind the distance, for pruning by the triangle inequality.  Only
 * space_has_metric() may be called of a space that has none.
 *
 * With q a query, p a pivot and x an object:
 *	true(q, x) >= |true(q, p) - true(p, x)|
 * and true(q, p) lies in space_metric_range() of the computed key of q and p.  So
 * does true(p, x), even if that key was computed long ago by other kernels.  An
 * object of which the true metric distance is known to be no less than `bound`
 * has a key of space_metric_key(bound) or more.
 */
extern bool space_has_metric(const SpaceContext *context);

/* The metric distance of a key as it stands; infinite if the key is */
extern double space_metric(const SpaceContext *context, float key);

/*
 * What the true metric distance of two values may be whose computed key this is.
 * `low` is finite and at least 0; `high` is infinite if the key is.
 */
extern SpaceRange space_metric_range(const SpaceContext *context, float key);

/*
 * For metric distances that are kept as a float32 or a double: what the true one
 * is, at least and at most, whose computed one is this; and what may be computed,
 * at least and at most, for a true one.
 */
extern double space_metric_true_low(const SpaceContext *context, double computed);
extern double space_metric_true_high(const SpaceContext *context, double computed);
extern double space_metric_computed_low(const SpaceContext *context, double distance);
extern double space_metric_computed_high(const SpaceContext *context, double distance);

/*
 * A key, finite and at least 0, that the kernels of no instruction set fall short
 * of for two values at this true metric distance or more.
 */
extern float space_metric_key(const SpaceContext *context, double distance);

/*
 * The distance of two values, object on the left, to the last bit what an index
 * finds: both are encoded, the query prepared, and the same kernels run.
 * scratch has space_distance_scratch() bytes, aligned for a float; it may be
 * NULL when that is 0.
 */
extern double space_distance(const SpaceContext *context, const void *object_value,
							 const void *query_value, void *scratch);
extern size_t space_distance_scratch(const SpaceContext *context);

#endif /* ANN_SPACE_H */
