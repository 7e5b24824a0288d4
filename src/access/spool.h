/*-------------------------------------------------------------------------
 *
 * spool.h
 *	  Records that are written one after the other to a temporary file and read
 *	  in the same order, once or several times.
 *
 * The file lies in temp_tablespaces, counts against temp_file_limit, and is
 * removed with the resource owner, so after an error too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SPOOL_H
#define ANN_SPOOL_H

#include "postgres.h"

#include "storage/buffile.h"

typedef struct Spool
{
	BufFile *file;
	uint64 size; /* bytes written */
	uint64 read; /* bytes read since spool_rewind() */
} Spool;

extern Spool *spool_create(void);
extern void spool_write(Spool *spool, const void *data, Size size);

/* Nothing more will be written; reading starts at the beginning. */
extern void spool_rewind(Spool *spool);

/* False at the end of the file; it is an error if that comes inside of `size` bytes. */
extern bool spool_read(Spool *spool, void *data, Size size);

/* Removes the file; also with NULL. */
extern void spool_close(Spool *spool);

#endif /* ANN_SPOOL_H */
