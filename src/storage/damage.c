/*-------------------------------------------------------------------------
 *
 * damage.c
 *	  The error that what was read from an index cannot be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/damage.h"

void
damage_report(Relation index, const char *format, ...)
{
	char problem[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem, sizeof(problem), format, arguments);
	va_end(arguments);
	ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
					errmsg("index \"%s\" %s", RelationGetRelationName(index), problem),
					errhint("Please REINDEX it.")));
}
