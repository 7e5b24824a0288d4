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
#include "storage/meta.h"

/*
 * An access method: what is its own.  All callbacks of the server but amoptions and
 * ambuildphasename, which do not say what index they are about, are those of this folder,
 * and call what stands here.
 */
typedef struct AccessMethod
{
	const char *name; /* in CREATE INDEX ... USING, and that of its settings before the dot */
	MethodId id;	  /* in its metapages, */
	Size meta_size;	  /* and the bytes of what they hold, from a MetaHeader on */

	/* Defines options and settings; called once, when the library is loaded. */
	void (*init)(void);

	amoptions_function options;
	ambuildphasename_function phase_name;
	const struct BuildMethod *build;	 /* build.h */
	const struct InsertMethod *insert;	 /* insert.h */
	const struct ScanMethod *scan;		 /* scan_loop.h */
	const struct VacuumMethod *vacuum;	 /* vacuum.h */
	const struct CostMethod *cost;		 /* cost.h */
	const struct InspectMethod *inspect; /* inspect.h */
} AccessMethod;

/* Makes a method known.  Called once for each, when the library is loaded. */
extern void method_register(const AccessMethod *method);

/*
 * The method of an index, and that of a routine; NULL if it is none of this extension.  It is
 * told by the function that reads its options, which no damage to pages can change.
 */
extern const AccessMethod *method_of(Relation index);
extern const AccessMethod *method_of_routine(const IndexAmRoutine *routine);

/*
 * The routine of a method, for its handler: ordering by a distance operator, one column, no
 * backward or bitmap scans.
 */
extern IndexAmRoutine *method_routine(const AccessMethod *method);

#endif /* ANN_METHOD_H */
