/*-------------------------------------------------------------------------
 *
 * row_spool.c
 *	  Rows in a temporary file: their TIDs and encoded values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/row_spool.h"

RowSpool *
row_spool_create(const IndexSpace *space)
{
	RowSpool *rows = palloc0(sizeof(RowSpool));

	rows->file = spool_create();
	rows->space = space;
	rows->row_size = sizeof(SpooledRow) + MAXALIGN(space->encoded_size);
	return rows;
}

/* Room for a row: of many files that are written few are read at a time. */
static SpooledRow *
room_for_row(RowSpool *rows)
{
	if (rows->row == NULL)
		rows->row = MemoryContextAllocZero(GetMemoryChunkContext(rows), rows->row_size);
	return rows->row;
}

/* Bytes of a row in the file */
static Size
size_in_file(const RowSpool *rows, const SpooledRow *row)
{
	if (!index_space_varies(rows->space))
		return rows->row_size;
	return sizeof(SpooledRow) + MAXALIGN(row->size);
}

void
row_spool_add(RowSpool *rows, const void *encoded, ItemPointer tid)
{
	SpooledRow *row = room_for_row(rows);
	Size size = index_space_size(rows->space, encoded);

	row->tid = *tid;
	row->size = index_space_varies(rows->space) ? size : 0;
	memcpy(row + 1, encoded, size);
	row_spool_copy(rows, row);
}

void
row_spool_copy(RowSpool *rows, const SpooledRow *row)
{
	spool_write(rows->file, row, size_in_file(rows, row));
	rows->nrows++;
}

void
row_spool_rewind(RowSpool *rows)
{
	spool_rewind(rows->file);
	rows->nread = 0;
}

static bool
read_row(RowSpool *rows, SpooledRow *row)
{
	if (rows->nread == rows->nrows)
		return false;
	rows->nread++;
	if (!index_space_varies(rows->space))
		return spool_read(rows->file, row, rows->row_size);
	return spool_read(rows->file, row, sizeof(SpooledRow)) &&
		   spool_read(rows->file, row + 1, size_in_file(rows, row) - sizeof(SpooledRow));
}

bool
row_spool_read(RowSpool *rows)
{
	return read_row(rows, room_for_row(rows));
}

uint32
row_spool_read_many(RowSpool *rows, char *memory, uint32 most)
{
	uint32 n = (uint32) Min(most, rows->nrows - rows->nread);

	CHECK_FOR_INTERRUPTS();
	for (uint32 i = 0; i < n; i++)
	{
		if (!read_row(rows, row_spool_nth(rows, memory, i)))
			elog(ERROR, "temporary file has too few rows");
	}
	return n;
}

void
row_spool_close(RowSpool *rows)
{
	spool_close(rows->file);
	if (rows->row != NULL)
		pfree(rows->row);
	pfree(rows);
}
