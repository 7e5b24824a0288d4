/*-------------------------------------------------------------------------
 *
 * setting.c
 *	  Settings that exist as options of an index, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/compat.h"
#include "access/setting.h"

static bool
remember_source(void **extra, GucSource source)
{
	bool *is_set = guc_malloc(LOG, sizeof(bool));

	if (is_set == NULL)
		return false;
	*is_set = source > PGC_S_DYNAMIC_DEFAULT;
	*extra = is_set;
	return true;
}

bool
setting_check_int(int *value, void **extra, GucSource source)
{
	return remember_source(extra, source);
}

bool
setting_check_real(double *value, void **extra, GucSource source)
{
	return remember_source(extra, source);
}
