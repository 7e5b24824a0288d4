/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The differences between the server versions this extension compiles
 *	  against (13 to 18), in one place.
 *
 * Each section gives older servers the newest server's name for a thing, so
 * that the code reads as if written for the newest one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_COMPAT_H
#define ANN_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

/* Variable-length values moved to their own header in 16 */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Soft input errors (16): an input function called with an error context
 * reports there and returns; older servers always raise the error.
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define INPUT_ERROR_CONTEXT(fcinfo) ((fcinfo)->context)
#else
#define INPUT_ERROR_CONTEXT(fcinfo) NULL
#define ereturn(context, result, ...) \
	do                                \
	{                                 \
		(void) (context);             \
		ereport(ERROR, __VA_ARGS__);  \
		return result;                \
	} while (0)
#endif

/* Reserving a prefix of setting names got its own function in 15 */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

#endif /* ANN_COMPAT_H */
