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

/* Pages that so many bytes take */
extern int value_pages_of(Size size);

/* Writes a value to pages from the chain of free pages; their numbers go to blocks[]. */
extern void value_pages_write(Relation index, Size head_offset, bool building, const void *value,
							  Size size, BlockNumber *blocks);

/*
 * Reads a value.  False, with zeroes in place of what is not there, if a page is of
 * another kind by now: it has been given to another use.
 */
extern bool value_pages_read(Relation index, const BlockNumber *blocks, void *value, Size size);

#endif /* ANN_VALUE_PAGES_H */
