/*-------------------------------------------------------------------------
 *
 * sphere.h
 *	  The types sphere_vector, sphere_halfvec and sphere_space_vector: a value
 *	  and a radius, the right operand of the range operators (<<->> and so on).
 *
 * All three have one layout: the radius, then the centre as a complete value of
 * its type.  Text form: sphere:radius=0.5: and the centre's text.  Binary form:
 * the radius as float8, then the centre's binary form.  A radius is never NaN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SPHERE_H
#define ANN_SPHERE_H

#include "postgres.h"

#include "access/compat.h"
#include "fmgr.h"

typedef struct Sphere
{
	int32 vl_len_; /* varlena header (do not touch directly!) */
	int32 unused;  /* always zero */
	float8 radius;
	/* the centre follows, aligned for a double, with its own varlena header */
} Sphere;

#define SPHERE_CENTRE(sphere) ((void *) ((char *) (sphere) + sizeof(Sphere)))
#define DatumGetSphere(datum) ((Sphere *) PG_DETOAST_DATUM(datum))

#endif /* ANN_SPHERE_H */
