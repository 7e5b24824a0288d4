/*-------------------------------------------------------------------------
 *
 * overflow.c
 *	  A mistake that the address sanitizer must report.
 *
 * check.sh asks a server with the sanitizer to make it, so that silence about
 * the extension means something.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(sanitized_overflow);

/* sanitized_overflow(size int) returns int: reads the byte past size allocated ones. */
Datum
sanitized_overflow(PG_FUNCTION_ARGS)
{
	int size = PG_GETARG_INT32(0);
	volatile char *bytes = malloc(size);
	int past;

	past = bytes[size];
	free((void *) bytes);
	PG_RETURN_INT32(past);
}
