/*-------------------------------------------------------------------------
 *
 * method.h
 *	  What the access methods of this extension have in common as seen by the
 *	  server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_METHOD_H
#define ANN_METHOD_H

#include "postgres.h"

#include "access/amapi.h"

/*
 * A routine with the facts that hold for every method filled in: ordering by a
 * distance operator, one column, no backward or bitmap scans.  The method adds
 * its callbacks.
 */
extern IndexAmRoutine *method_routine(void);

/* amvalidate for every method: the classes share their support functions */
extern bool method_validate(Oid opclass);

/* amproperty for every method: a column can be ordered by distance */
extern bool method_property(Oid index, int column, IndexAMProperty property, const char *name,
							bool *result, bool *isnull);

#endif /* ANN_METHOD_H */
