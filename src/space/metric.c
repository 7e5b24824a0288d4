/*-------------------------------------------------------------------------
 *
 * metric.c
 *	  The metrics behind the spaces: functions of the key for which the triangle
 *	  inequality holds, and how far a computed key may be from the true one.
 *
 * That they are metrics, and where the bounds of errors come from, is in the
 * README ("Metrics").
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>

#include "space/spaces.h"

/* Rounding changes a float32 by at most this part of it. */
#define ROUNDING 0x1p-24

/*
 * Longest chain of additions of a sum: with the 16 partial sums of the narrowest
 * vectors, dim / 16 + 7.  To that come the roundings of a term.
 */
#define SUM_PER_DIMENSION (ROUNDING / 16)
#define SQUARES_PER_DIMENSION (ROUNDING / 32)

static double
same(const SpaceContext *context, double number)
{
	(void) context;
	return number;
}

static double
root(const SpaceContext *context, double key)
{
	(void) context;
	return sqrt(key);
}

static double
square(const SpaceContext *context, double distance)
{
	(void) context;
	return distance * distance;
}

/* Lp: only for p = 2 is the key another thing than a metric (minkowski.c). */
static double
lp_distance(const SpaceContext *context, double key)
{
	return context->params[0] == 2 ? sqrt(key) : key;
}

static double
lp_key(const SpaceContext *context, double distance)
{
	return context->params[0] == 2 ? distance * distance : distance;
}

/* The angle whose cosine is 1 - key; with the errors a key may leave [0, 2]. */
static double
angle(const SpaceContext *context, double key)
{
	(void) context;
	return 2 * asin(sqrt(fmin(key, 2) / 2));
}

static double
angle_key(const SpaceContext *context, double distance)
{
	double half_sine = distance < M_PI ? sin(distance / 2) : 1;

	(void) context;
	return 2 * half_sine * half_sine;
}

/* Terms below the normal numbers lose up to 2^-150 each. */
#define LOST_PER_DIMENSION 0x1p-149

const SpaceMetric metric_key = {
	.distance = same,
	.key = same,
	.relative = {SUM_PER_DIMENSION, 24 * ROUNDING},
	.absolute = {LOST_PER_DIMENSION, 0},
};

const SpaceMetric metric_root = {
	.distance = root,
	.key = square,
	.relative = {SUM_PER_DIMENSION, 24 * ROUNDING},
	.absolute = {LOST_PER_DIMENSION, 0},
};

const SpaceMetric metric_lp = {
	.distance = lp_distance,
	.key = lp_key,
	.relative = {SUM_PER_DIMENSION, 24 * ROUNDING},
	.absolute = {LOST_PER_DIMENSION, 0},
};

const SpaceMetric metric_largest = {
	.distance = same,
	.key = same,
	.relative = {0, 2 * ROUNDING},
};

const SpaceMetric metric_angle = {
	.distance = angle,
	.key = angle_key,
	.relative = {0, 2 * ROUNDING},
	.absolute = {SUM_PER_DIMENSION + SQUARES_PER_DIMENSION, 20 * ROUNDING},
};

/* A term whose mean is no normal number counts for nothing. */
const SpaceMetric metric_js = {
	.distance = root,
	.key = square,
	.relative = {SUM_PER_DIMENSION, 320 * ROUNDING},
	.absolute = {FLT_MIN, 0},
};

static double
error_bound(const SpaceContext *context, const SpaceError *error)
{
	return error->per_dimension * context->dim + error->fixed;
}

bool
space_has_metric(const SpaceContext *context)
{
	return context->space->metric != NULL;
}

double
space_metric(const SpaceContext *context, float key)
{
	return context->space->metric->distance(context, key);
}

SpaceRange
space_metric_range(const SpaceContext *context, float key)
{
	const SpaceMetric *metric = context->space->metric;
	double relative = error_bound(context, &metric->relative);
	double absolute = error_bound(context, &metric->absolute);
	double low = (fmin(key, FLT_MAX) - absolute) / (1 + relative);
	double high = (key + absolute) / (1 - relative);

	return (SpaceRange){metric->distance(context, fmax(low, 0)), metric->distance(context, high)};
}

/* Keeping a metric distance as a float32 changes it by at most this part and this much. */
#define KEPT (2 * ROUNDING)
#define KEPT_TINY 0x1p-149

/* From a key to the metric and back again is as far off in double precision, at most. */
#define THERE_AND_BACK 1e-12

static double
smaller(double a, double b)
{
	return a < b ? a : b;
}

static double
larger(double a, double b)
{
	return a > b ? a : b;
}

double
space_metric_true_low(const SpaceContext *context, double computed)
{
	const SpaceMetric *metric = context->space->metric;
	double key = metric->key(context, larger(computed * (1 - KEPT) - KEPT_TINY, 0));

	key = (smaller(key, FLT_MAX) - error_bound(context, &metric->absolute)) /
		  (1 + error_bound(context, &metric->relative));
	return metric->distance(context, larger(key, 0));
}

double
space_metric_true_high(const SpaceContext *context, double computed)
{
	const SpaceMetric *metric = context->space->metric;
	double key = metric->key(context, computed * (1 + KEPT) + KEPT_TINY);

	key = (key + error_bound(context, &metric->absolute)) /
		  (1 - error_bound(context, &metric->relative));
	return metric->distance(context, key);
}

double
space_metric_computed_low(const SpaceContext *context, double distance)
{
	const SpaceMetric *metric = context->space->metric;
	double key = metric->key(context, distance) *
					 (1 - error_bound(context, &metric->relative) - THERE_AND_BACK) -
				 error_bound(context, &metric->absolute);

	key = larger(smaller(key, FLT_MAX), 0);
	return metric->distance(context, key) * (1 - KEPT) - KEPT_TINY;
}

double
space_metric_computed_high(const SpaceContext *context, double distance)
{
	const SpaceMetric *metric = context->space->metric;
	double key = metric->key(context, distance) *
					 (1 + error_bound(context, &metric->relative) + THERE_AND_BACK) +
				 error_bound(context, &metric->absolute);

	if (!(key <= FLT_MAX))
		return INFINITY;
	return metric->distance(context, key) * (1 + KEPT) + KEPT_TINY;
}

float
space_metric_key(const SpaceContext *context, double distance)
{
	const SpaceMetric *metric = context->space->metric;
	double relative = error_bound(context, &metric->relative);
	double absolute = error_bound(context, &metric->absolute);
	double key;
	float rounded;

	if (distance <= 0)
		return 0;
	key = metric->key(context, distance) * (1 - relative) - absolute;
	key = fmin(fmax(key, 0), FLT_MAX);
	rounded = (float) key;
	return rounded > key ? nextafterf(rounded, 0) : rounded;
}
