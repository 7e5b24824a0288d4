/*-------------------------------------------------------------------------
 *
 * damage.h
 *	  The error that what was read from an index cannot be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_DAMAGE_H
#define ANN_DAMAGE_H

#include "postgres.h"

#include "access/compat.h"
#include "utils/rel.h"

/*
 * Raises the error that an index is damaged: its name with what is said of it behind, as in
 * "has no vertex 17", and the hint to REINDEX.
 */
extern void damage_report(Relation index, const char *format, ...) PRINTF_LIKE(2, 3) NO_RETURN;

#endif /* ANN_DAMAGE_H */
