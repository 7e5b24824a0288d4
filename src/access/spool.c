/*-------------------------------------------------------------------------
 *
 * spool.c
 *	  Records written to a temporary file and read again in order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "commands/tablespace.h"

#include "access/compat.h"
#include "access/spool.h"

Spool *
spool_create(void)
{
	Spool *spool = palloc0(sizeof(Spool));

	PrepareTempTablespaces();
	spool->file = BufFileCreateTemp(false);
	return spool;
}

void
spool_write(Spool *spool, const void *data, Size size)
{
	buffile_write_compat(spool->file, data, size);
	spool->size += size;
}

void
spool_rewind(Spool *spool)
{
	if (BufFileSeek(spool->file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not rewind temporary file")));
	spool->read = 0;
}

bool
spool_read(Spool *spool, void *data, Size size)
{
	Size n;

	if (spool->read == spool->size)
		return false;
	n = BufFileRead(spool->file, data, size);
	if (n != size)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read from temporary file: read only %zu of %zu bytes", n,
							   size)));
	spool->read += size;
	return true;
}

void
spool_close(Spool *spool)
{
	if (spool == NULL)
		return;
	BufFileClose(spool->file);
	pfree(spool);
}
