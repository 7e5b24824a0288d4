/*-------------------------------------------------------------------------
 *
 * page.c
 *	  Initialising, recognising and adding pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/lmgr.h"
#include "storage/page.h"

/* Makes an empty page of the given kind of BLCKSZ bytes of memory. */
void
page_init(Page page, PageKind kind)
{
	PageSpecial special;

	PageInit(page, BLCKSZ, PAGE_SPECIAL_SIZE);
	special = PageGetSpecial(page);
	special->next = InvalidBlockNumber;
	special->kind = kind;
	special->nslots = 0;
	special->ordinal = 0;
	special->flags = 0;
	special->page_id = ANN_PAGE_ID;
}

/* Is this a page of ours and of the given kind?  A new (zeroed) page is not. */
bool
page_is(Page page, PageKind kind)
{
	if (PageIsNew(page) || PageGetSpecialSize(page) != PAGE_SPECIAL_SIZE)
		return false;
	return PageGetSpecial(page)->page_id == ANN_PAGE_ID && PageGetSpecial(page)->kind == kind;
}

/* Records that the first nslots slots of a slot page are handed out. */
void
page_set_slots(Page page, Size slot_size, int nslots)
{
	PageGetSpecial(page)->nslots = nslots;
	page_set_data_size(page, nslots * slot_size);
}

/* Marks the first `size` bytes from PAGE_DATA_OFFSET on as in use. */
void
page_set_data_size(Page page, Size size)
{
	PageHeader header = (PageHeader) page;

	Assert(size <= PAGE_DATA_SIZE);
	header->pd_lower = PAGE_DATA_OFFSET + size;
	Assert(header->pd_lower <= header->pd_upper);
}

/* Takes the second parts of the first nslots slots, of part_size bytes each, into use. */
void
page_use_end_parts(Page page, Size part_size, int nslots)
{
	PageHeader header = (PageHeader) page;
	Size upper = PAGE_DATA_OFFSET + PAGE_DATA_SIZE - nslots * part_size;

	if (nslots > 0 && upper < header->pd_upper)
		header->pd_upper = upper;
	Assert(header->pd_lower <= header->pd_upper);
}

/*
 * Adds a block to the relation and returns its buffer, pinned and locked
 * exclusively.  The page is all zeroes: the caller initialises and logs it.
 */
Buffer
page_extend(Relation index, ForkNumber forknum)
{
	bool needs_lock = !RELATION_IS_LOCAL(index);
	Buffer buffer;

	if (needs_lock)
		LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBufferExtended(index, forknum, P_NEW, RBM_NORMAL, NULL);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (needs_lock)
		UnlockRelationForExtension(index, ExclusiveLock);
	return buffer;
}

void
page_delete_item(Page page, OffsetNumber offset)
{
	PageIndexTupleDeleteNoCompact(page, offset);
	if (PageGetMaxOffsetNumber(page) >= offset)
		PageSetHasFreeLinePointers(page);
}

void
page_lock_two(Buffer first, int first_mode, Buffer second, int second_mode)
{
	bool in_order = BufferGetBlockNumber(first) < BufferGetBlockNumber(second);

	if (!in_order && first != second)
		LockBuffer(second, second_mode);
	LockBuffer(first, first_mode);
	if (in_order)
		LockBuffer(second, second_mode);
}
