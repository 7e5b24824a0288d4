/*-------------------------------------------------------------------------
 *
 * distance.h
 *	  What may be asked of a distance space, checked with errors that name the
 *	  offending value; for the SQL distance functions, space_vector and the
 *	  access methods alike.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_DISTANCE_H
#define ANN_DISTANCE_H

#include "postgres.h"

#include "access/compat.h"
#include "space/space.h"

/*
 * Reports an error, softly to error_context where it is not NULL, unless
 * params (space->nparams of them) lie inside the space's limits.
 */
extern bool distance_check_params(const Space *space, const double *params,
								  struct Node *error_context);

/*
 * Raises an error unless the value (context->dim coordinates) lies in the
 * space's domain.  name says in the message who requires it: an SQL function
 * or an operator class.
 */
extern void distance_check_value(const SpaceContext *context, const void *value, const char *name);

/* Raises an error for a negative radius in a space without negative distances. */
extern void distance_check_radius(const Space *space, double radius);

#endif /* ANN_DISTANCE_H */
