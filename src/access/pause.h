/*-------------------------------------------------------------------------
 *
 * pause.h
 *	  Points at which a session waits when a test asks for it.
 *
 * For the specs of test/pause, which are about two sessions that meet half-way
 * through something.  Nothing is left of a point unless the extension is built
 * with -DANN_PAUSE_POINTS.
 *
 * A session that has set pause_point.at to 'NAME NUMBER', or to several of these
 * with commas between them, waits there until nobody holds the advisory lock
 * NUMBER.  A point must lie where no page is locked.
 *
 * Where pause_point.fail names a point made for that, an error comes there, between two records: what is
 * on pages then is what a crash leaves.  Pages may be locked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_PAUSE_H
#define ANN_PAUSE_H

#ifdef ANN_PAUSE_POINTS

#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"

/* Is the point one of a list? */
static inline bool
pause_is_listed(const char *list, const char *point)
{
	Size length = strlen(point);

	for (const char *found = strstr(list, point); found != NULL; found = strstr(found + 1, point))
	{
		if ((found == list || found[-1] == ',') && (found[length] == '\0' || found[length] == ','))
			return true;
	}
	return false;
}

/* Waits for the advisory lock `number`, as pg_advisory_lock(number) does, if so asked. */
static inline void
pause_at(const char *name, uint32 number)
{
	const char *list = GetConfigOption("pause_point.at", true, false);
	char point[NAMEDATALEN];
	LOCKTAG tag;

	if (list == NULL)
		return;
	snprintf(point, sizeof(point), "%s %u", name, number);
	if (!pause_is_listed(list, point))
		return;
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, number, 1);
	(void) LockAcquire(&tag, ShareLock, false, false);
	(void) LockRelease(&tag, ShareLock, false);
}

/* Raises an error if pause_point.fail names the point. */
static inline void
fail_at(const char *name)
{
	const char *list = GetConfigOption("pause_point.fail", true, false);

	if (list != NULL && pause_is_listed(list, name))
		elog(ERROR, "stopped at \"%s\"", name);
}

#define PAUSE_POINT(name, number) pause_at(name, number)
#define FAIL_POINT(name) fail_at(name)

#else

#define PAUSE_POINT(name, number) ((void) 0)
#define FAIL_POINT(name) ((void) 0)

#endif /* ANN_PAUSE_POINTS */

#endif /* ANN_PAUSE_H */
