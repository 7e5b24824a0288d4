/*-------------------------------------------------------------------------
 *
 * row_spool.h
 *	  Rows in a temporary file: their TIDs and encoded values, for builds of more
 *	  rows than fit memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_ROW_SPOOL_H
#define ANN_ROW_SPOOL_H

#include "postgres.h"

#include "storage/itemptr.h"

#include "access/index_space.h"
#include "access/spool.h"

/* A row in memory; the encoded value follows, and ends at a multiple of 8. */
typedef struct SpooledRow
{
	ItemPointerData tid;
	uint16 size; /* of the value, where values vary in size */
} SpooledRow;

StaticAssertDecl(sizeof(SpooledRow) == MAXALIGN(sizeof(SpooledRow)),
				 "values must follow at a multiple of 8");

typedef struct RowSpool
{
	Spool *file;
	const IndexSpace *space;
	Size row_size;	 /* of a row in memory, at most */
	uint64 nrows;	 /* written */
	uint64 nread;	 /* since row_spool_rewind() */
	SpooledRow *row; /* read last by row_spool_read() */
} RowSpool;

/* In the current memory context; the space, whose dimensions are known, must stay where it is. */
extern RowSpool *row_spool_create(const IndexSpace *space);

/* Writes a row; the same for one in memory. */
extern void row_spool_add(RowSpool *rows, const void *encoded, ItemPointer tid);
extern void row_spool_copy(RowSpool *rows, const SpooledRow *row);

/* Nothing more will be written; reading starts at the first row. */
extern void row_spool_rewind(RowSpool *rows);

/* Reads the next row to rows->row; false: that was the last. */
extern bool row_spool_read(RowSpool *rows);

/*
 * Reads the next rows, so many at most, to memory of row_size bytes for each.  Returns how many;
 * 0: that was the last.  Looks for interrupts.
 */
extern uint32 row_spool_read_many(RowSpool *rows, char *memory, uint32 most);

/* Removes the file. */
extern void row_spool_close(RowSpool *rows);

static inline const void *
spooled_row_value(const SpooledRow *row)
{
	return row + 1;
}

/* One of the rows of row_spool_read_many() */
static inline SpooledRow *
row_spool_nth(const RowSpool *rows, char *memory, uint32 i)
{
	return (SpooledRow *) (memory + i * rows->row_size);
}

#endif /* ANN_ROW_SPOOL_H */
