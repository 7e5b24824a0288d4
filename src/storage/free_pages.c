/*-------------------------------------------------------------------------
 *
 * free_pages.c
 *	  Pages that nothing uses, in a chain whose head stands in the metapage.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "storage/free_pages.h"
#include "storage/damage.h"
#include "storage/meta.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Pages given back in one change, beside the metapage */
#define PAGES_PER_CHANGE (MAX_GENERIC_XLOG_PAGES - 1)

static BlockNumber *
chain_head(Page meta_page, Size head_offset)
{
	return (BlockNumber *) (PageGetContents(meta_page) + head_offset);
}

static void
report_bad_chain(Relation index, BlockNumber blkno)
{
	damage_report(index, "has no free page at block %u", blkno);
}

static bool
is_free(Page page)
{
	return page_is(page, PAGE_FREE) && (PageGetSpecial(page)->flags & PAGE_CHAINED) != 0;
}

/*
 * Takes the first page out of the chain and makes it one of a kind.  The lock on it
 * is given up in between, but nothing points to it yet.
 */
static Buffer
take_first(Relation index, Size head_offset, PageKind kind, Buffer meta_buffer)
{
	BlockNumber blkno = *chain_head(BufferGetPage(meta_buffer), head_offset);
	PageChange change;
	BlockNumber next;
	uint32 ordinal;
	Buffer buffer;
	Page page;

	if (unlikely(blkno == META_BLOCK))
		report_bad_chain(index, blkno);
	buffer = recent_read(index, blkno);
	page = BufferGetPage(buffer);

	/* looked at before it is locked, too: it might be one that the caller has locked already */
	if (unlikely(!is_free(page)))
		report_bad_chain(index, blkno);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (unlikely(!is_free(page)))
		report_bad_chain(index, blkno);
	next = PageGetSpecial(page)->next;
	ordinal = PageGetSpecial(page)->ordinal;
	page_change_begin(&change, index, false);
	*chain_head(page_change_page(&change, meta_buffer, false), head_offset) = next;
	page = page_change_page(&change, buffer, false);
	page_init(page, kind);
	PageGetSpecial(page)->ordinal = ordinal + 1;
	IncrBufferRefCount(buffer);
	page_change_finish(&change);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return buffer;
}

Buffer
free_page_take(Relation index, Size head_offset, PageKind kind, bool building)
{
	Buffer buffer;

	if (!building)
	{
		Buffer meta_buffer = meta_lock(index);

		if (*chain_head(BufferGetPage(meta_buffer), head_offset) != InvalidBlockNumber)
			return take_first(index, head_offset, kind, meta_buffer);
		UnlockReleaseBuffer(meta_buffer);
	}
	buffer = page_extend(index, MAIN_FORKNUM);
	page_init(BufferGetPage(buffer), kind);
	PageGetSpecial(BufferGetPage(buffer))->ordinal = 1;
	return buffer;
}

/*
 * A page that was initialised in memory, and never logged, is new again if its buffer has been used
 * for another one since its kind was seen.
 */
static bool
is_of_kind(Page page, PageKind kind)
{
	return PageIsNew(page) || page_is(page, kind);
}

/* Has no record been written of what is on the page?  Then a change of that cannot be replayed. */
static bool
is_unlogged(Page page)
{
	return PageIsNew(page) || XLogRecPtrIsInvalid(PageGetLSN(page));
}

/* Puts some pages into the chain in one change. */
static void
give_some(Relation index, Size head_offset, PageKind kind, const BlockNumber *blocks, int n,
		  MetaChange also)
{
	Buffer meta_buffer = meta_lock(index);
	Buffer buffers[PAGES_PER_CHANGE];
	BlockNumber *head;
	PageChange change;
	Page meta_page;

	for (int i = 0; i < n; i++)
	{
		/* the same page twice would wait for itself */
		for (int j = 0; j < i; j++)
		{
			if (unlikely(blocks[j] == blocks[i]))
				report_bad_chain(index, blocks[i]);
		}
		if (unlikely(blocks[i] == META_BLOCK))
			report_bad_chain(index, blocks[i]);
		buffers[i] = recent_read(index, blocks[i]);
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
		if (unlikely(!is_of_kind(BufferGetPage(buffers[i]), kind)))
			report_bad_chain(index, blocks[i]);
	}
	page_change_begin(&change, index, false);
	meta_page = page_change_page(&change, meta_buffer, false);
	head = chain_head(meta_page, head_offset);
	if (also != NULL)
		also(PageGetContents(meta_page));
	for (int i = 0; i < n; i++)
	{
		Page page = page_change_page(&change, buffers[i], is_unlogged(BufferGetPage(buffers[i])));
		uint32 ordinal = PageIsNew(page) ? 0 : PageGetSpecial(page)->ordinal;

		page_init(page, PAGE_FREE);
		PageGetSpecial(page)->ordinal = ordinal;
		PageGetSpecial(page)->flags = PAGE_CHAINED;
		PageGetSpecial(page)->next = *head;
		*head = blocks[i];
	}
	page_change_finish(&change);
}

void
free_pages_give(Relation index, Size head_offset, PageKind kind, const BlockNumber *blocks, int n,
				MetaChange also)
{
	for (int done = 0; done < n; done += PAGES_PER_CHANGE)
	{
		CHECK_FOR_INTERRUPTS();
		give_some(index, head_offset, kind, blocks + done, Min(PAGES_PER_CHANGE, n - done),
				  done == 0 ? also : NULL);
	}
}
