/*-------------------------------------------------------------------------
 *
 * page.h
 *	  The pages of every index of this extension.
 *
 * All pages carry the standard header and a 16-byte special area that names
 * their kind:
 *
 *	meta	block 0: magic, version, options, roots of everything else
 *	slot	fixed slots of equal size from byte 64 on, aligned to 64 bytes, no
 *			line pointers: an address is arithmetic
 *	item	standard line-pointer page for records of varying size
 *	value	a piece of one value too large to be stored inside its record
 *	nodes	line pointers: inner nodes of a tree
 *	bucket	line pointers: entries of a bucket (bucket.h)
 *	free	nothing: in the chain of free pages (free_pages.h), or leaked
 *
 * A slot may have a second part, from the end of the page downwards: slot n's
 * is the n-th from the end.  It holds what can be filled in later, and belongs
 * to the page from then on; so adding a slot logs its first part only.
 *
 * pd_lower always stands past the last byte in use, and pd_upper before the
 * first one of the second parts in use: page images in WAL leave out what lies
 * between the two.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_PAGE_H
#define ANN_PAGE_H

#include "postgres.h"

#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

#define META_BLOCK 0

/* Slots and pieces of values start here: a cache line of their own */
#define PAGE_DATA_OFFSET 64
#define PAGE_SPECIAL_SIZE MAXALIGN(sizeof(PageSpecialData))

/* Bytes for slots or for a piece of a value, a multiple of the cache line */
#define PAGE_DATA_SIZE \
	TYPEALIGN_DOWN(PAGE_DATA_OFFSET, BLCKSZ - PAGE_DATA_OFFSET - PAGE_SPECIAL_SIZE)

/* Stored in pages: never renumber */
typedef enum PageKind
{
	PAGE_NEW = 0, /* never written: all zeroes */
	PAGE_META = 1,
	PAGE_SLOTS,
	PAGE_ITEMS,
	PAGE_VALUE,
	PAGE_NODES,
	PAGE_BUCKET,
	PAGE_FREE
} PageKind;

/* Length of arrays over kinds, 0 among them: no page of ours */
#define PAGE_KINDS (PAGE_FREE + 1)

/* Identifies our pages to tools, as other access methods' page ids do */
#define ANN_PAGE_ID 0xA22E

typedef struct PageSpecialData
{
	BlockNumber next; /* next page of a chain, or InvalidBlockNumber */
	uint16 kind;	  /* PageKind */
	uint16 nslots;	/* slot pages: slots handed out; bucket pages: pages before it in its bucket */
	uint32 ordinal; /* slot pages: place in the pending chain, counted from 1; pages that have been
					   * in the chain of free pages: how often they were taken from there */
	uint16 flags;	/* PAGE_CHAINED, PAGE_TAIL, PAGE_RETIRED */
	uint16 page_id; /* ANN_PAGE_ID */
} PageSpecialData;

typedef PageSpecialData *PageSpecial;

/* The page is in a chain of its access method, linked by `next`; in one at most */
#define PAGE_CHAINED 0x0001

/* The last page of its chain, which takes new entries */
#define PAGE_TAIL 0x0002

/* The first page of a bucket that others have replaced: nobody adds to it any more */
#define PAGE_RETIRED 0x0004

#define PageGetSpecial(page) ((PageSpecial) PageGetSpecialPointer(page))

/* Start of slot number `slot` on a slot page */
static inline char *
page_slot(Page page, Size slot_size, int slot)
{
	return (char *) page + PAGE_DATA_OFFSET + (Size) slot * slot_size;
}

/* Where the second part of slot number `slot` is, if it has part_size bytes */
static inline char *
page_slot_end_part(Page page, Size part_size, int slot)
{
	return (char *) page + PAGE_DATA_OFFSET + PAGE_DATA_SIZE - (Size) (slot + 1) * part_size;
}

/* Is the second part of a slot in use? */
static inline bool
page_has_end_part(Page page, Size part_size, int slot)
{
	return ((PageHeader) page)->pd_upper <=
		   PAGE_DATA_OFFSET + PAGE_DATA_SIZE - (Size) (slot + 1) * part_size;
}

/* Slots handed out on a slot page that has room for so many */
static inline int
page_slots(Page page, int capacity)
{
	return Min(PageGetSpecial(page)->nslots, capacity);
}

extern void page_init(Page page, PageKind kind);
extern bool page_is(Page page, PageKind kind);
extern void page_set_slots(Page page, Size slot_size, int nslots);
extern void page_set_data_size(Page page, Size size);
extern void page_use_end_parts(Page page, Size part_size, int nslots);
extern Buffer page_extend(Relation index, ForkNumber forknum);

/* Removes an item from a copy of a page; other items keep their numbers. */
extern void page_delete_item(Page page, OffsetNumber offset);

/*
 * Locks two different pinned pages in the order of their blocks, or, once and
 * in the first mode, one page that was pinned twice.
 */
extern void page_lock_two(Buffer first, int first_mode, Buffer second, int second_mode);

#endif /* ANN_PAGE_H */
