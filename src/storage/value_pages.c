/*-------------------------------------------------------------------------
 *
 * value_pages.c
 *	  Values too large to stand in a record, on pages of their own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/pause.h"
#include "storage/free_pages.h"
#include "storage/page_change.h"
#include "storage/recent.h"
#include "storage/damage.h"
#include "storage/value_pages.h"

void
value_pages_write(Relation index, Size head_offset, bool building, const void *value, Size size,
				  BlockNumber *blocks)
{
	Size left = size;

	for (int i = 0; left > 0; i++)
	{
		Buffer buffer = free_page_take(index, head_offset, PAGE_VALUE, building);
		Size piece = Min(left, VALUE_PAGES_PIECE);
		PageChange change;
		Page page;

		FAIL_POINT("value page taken");
		blocks[i] = BufferGetBlockNumber(buffer);
		page_change_begin(&change, index, building);
		page = page_change_page(&change, buffer, true);
		memcpy((char *) page + PAGE_DATA_OFFSET,
			   (const char *) value + (Size) i * VALUE_PAGES_PIECE, piece);
		page_set_data_size(page, piece);
		page_change_finish(&change);
		left -= piece;
	}
}

/* Is there such a block?  One that was seen before is. */
static bool
has_block(Relation index, BlockNumber blkno)
{
	return recent_address(index, blkno) != NULL || blkno < RelationGetNumberOfBlocks(index);
}

/* Reads a value; returns the first block that is no page of a value, or InvalidBlockNumber. */
static BlockNumber
read_pages(Relation index, const BlockNumber *blocks, void *value, Size size)
{
	BlockNumber missing = InvalidBlockNumber;
	Size left = size;

	for (int i = 0; left > 0; i++)
	{
		char *to = (char *) value + (Size) i * VALUE_PAGES_PIECE;
		Size size_here = Min(left, VALUE_PAGES_PIECE);
		bool found = false;

		if (blocks[i] != META_BLOCK && has_block(index, blocks[i]))
		{
			Buffer buffer = recent_read(index, blocks[i]);
			Page page = BufferGetPage(buffer);

			found = page_is(page, PAGE_VALUE);
			if (found)
				memcpy(to, (char *) page + PAGE_DATA_OFFSET, size_here);
			ReleaseBuffer(buffer);
		}
		if (!found)
		{
			memset(to, 0, size_here);
			if (missing == InvalidBlockNumber)
				missing = blocks[i];
		}
		left -= size_here;
	}
	return missing;
}

bool
value_pages_read(Relation index, const BlockNumber *blocks, void *value, Size size)
{
	return read_pages(index, blocks, value, size) == InvalidBlockNumber;
}

void
value_pages_require(Relation index, const BlockNumber *blocks, void *value, Size size)
{
	BlockNumber missing = read_pages(index, blocks, value, size);

	if (unlikely(missing != InvalidBlockNumber))
		damage_report(index, "has no value on block %u", missing);
}
