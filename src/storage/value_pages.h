/*-------------------------------------------------------------------------
 *
 * value_pages.h
 *	  Values too large to stand in a record, on pages of their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VALUE_PAGES_H
#define ANN_VALUE_PAGES_H

#include "postgres.h"

#include "storage/page.h"

/* Bytes of a value on a page; all but the last have as many */
#define VALUE_PAGES_PIECE PAGE_DATA_SIZE

/* Pages that so many bytes take */
static inline int
value_pages_of(Size size)
{
	return (size + VALUE_PAGES_PIECE - 1) / VALUE_PAGES_PIECE;
}

/*
 * Writes a value to pages from the chain of free pages; their numbers go to
 * blocks[].  A crash before something points to them leaks them.
 */
extern void value_pages_write(Relation index, Size head_offset, bool building, const void *value,
							  Size size, BlockNumber *blocks);

/*
 * Reads a value.  Pages of a value never change while something points to it, so
 * they are not locked.  False, with zeroes in place of what is not there, if a block
 * is no page of a value: for callers whose block numbers may be out of date.
 */
extern bool value_pages_read(Relation index, const BlockNumber *blocks, void *value, Size size);

/* The same; an error if a block is no page of a value. */
extern void value_pages_require(Relation index, const BlockNumber *blocks, void *value, Size size);

#endif /* ANN_VALUE_PAGES_H */
