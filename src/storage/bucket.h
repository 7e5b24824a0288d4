/*-------------------------------------------------------------------------
 *
 * bucket.h
 *	  Buckets: sets of values with their heap TIDs, on chains of pages.  Leaves
 *	  of trees, lists of inverted files.
 *
 * A bucket is a head page and further pages behind it, linked by `next`.  Each is
 * a line-pointer page of entries: one value with the TIDs of rows that have it.
 * The head's number (PageSpecialData.ordinal) counts the uses that this page has had;
 * whoever keeps a pointer to a bucket keeps this number with it, and so finds out
 * when the page has come to hold something else.  README, "Buckets".
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_BUCKET_H
#define ANN_BUCKET_H

#include "postgres.h"

#include "storage/itemptr.h"

#include "storage/free_pages.h"
#include "storage/heap_tids.h"
#include "storage/page.h"
#include "storage/page_change.h"

/* The value is not in the entry but on value pages, whose numbers are in its place */
#define BUCKET_ENTRY_WIDE 0x0001

/* TIDs in an entry, at most; further rows of the value are in further entries */
#define BUCKET_MAX_TIDS 200

/*
 * An entry: this header, `extra_size` bytes of the access method's, the value from
 * a multiple of 8 on, the TIDs right behind it (from a multiple of 2 on).  Where there
 * are several, there is room for some more.
 */
typedef struct BucketEntryData
{
	uint16 ntids;
	uint16 flags;
	uint32 value_size; /* bytes of the encoded value, wherever it is */
} BucketEntryData;

typedef BucketEntryData *BucketEntry;

/* What entries of an index have in common */
typedef struct BucketShape
{
	Size extra_size; /* a multiple of 4 */
	Size value_size; /* of every value; 0 if they differ */
	Size max_value;	 /* the most that one can have */
} BucketShape;

/* Values of more bytes are on value pages. */
#define BUCKET_MAX_INLINE_VALUE (BLCKSZ / 2 - 512)

#define BUCKET_VALUE_OFFSET(shape) MAXALIGN(sizeof(BucketEntryData) + (shape)->extra_size)

/* Room for entries and their line pointers on an empty page */
#define BUCKET_PAGE_ROOM (BLCKSZ - SizeOfPageHeaderData - PAGE_SPECIAL_SIZE)

/* What an entry of so many bytes takes of it */
#define BUCKET_ENTRY_ROOM(size) (MAXALIGN(size) + sizeof(ItemIdData))

/* Bytes that the value takes in its entry */
extern Size bucket_inline_size(Size value_size);
extern Size bucket_entry_size(const BucketShape *shape, Size value_size, int ntids);

static inline void *
bucket_entry_extra(BucketEntry entry)
{
	return (char *) entry + sizeof(BucketEntryData);
}

/* The value, or the numbers of its pages */
static inline void *
bucket_entry_value(const BucketShape *shape, BucketEntry entry)
{
	return (char *) entry + BUCKET_VALUE_OFFSET(shape);
}

extern ItemPointer bucket_entry_tids(const BucketShape *shape, BucketEntry entry);

/*
 * The entry at an offset of a bucket page, or NULL if there is none.  An error
 * if what is there cannot be one.
 */
extern BucketEntry bucket_page_entry(Relation index, const BucketShape *shape, Page page,
									 BlockNumber blkno, OffsetNumber offset);

/* The same for a check: no error, but *problem is set to what is wrong, or NULL. */
extern BucketEntry bucket_try_entry(const BucketShape *shape, Page page, OffsetNumber offset,
									const char **problem);

/*
 * The value of an entry, whose page is locked: where it lies, or read into scratch
 * (value_size bytes) when it is wide.
 */
extern const void *bucket_read_value(Relation index, const BucketShape *shape, BucketEntry entry,
									 char *scratch);

/*
 * Pins and locks the head of a bucket.  False, with nothing pinned, if the page
 * holds something else by now.
 */
extern bool bucket_lock_head(Relation index, BlockNumber head, uint16 number, int lockmode,
							 Buffer *buffer);

/*
 * Pins and locks the page behind a locked one of a bucket; false: that was the last.
 * The page before it must stay locked until then, except by who has the head locked
 * exclusively.
 */
extern bool bucket_lock_next(Relation index, Buffer buffer, int lockmode, Buffer *next);

/* Entries copied to palloc'ed memory */
typedef struct BucketCopy
{
	BucketEntry *entries;
	uint32 n;
	uint32 capacity;
} BucketCopy;

/* Adds copies of all entries of a bucket whose head is locked exclusively, which it stays. */
extern void bucket_copy(Relation index, const BucketShape *shape, Buffer head, BucketCopy *copy);

/* An entry with the TIDs of two, which have the same value, in palloc'ed memory */
extern BucketEntry bucket_join_entries(const BucketShape *shape, BucketEntry first,
									   BucketEntry second);

/*
 * Makes an entry in palloc'ed memory of *size bytes.  A wide value is written to
 * pages of its own (value_pages.h), which leak if the entry is not linked.  extra:
 * extra_size bytes, or NULL for zeroes.
 */
extern BucketEntry bucket_make_entry(Relation index, const BucketShape *shape, Size head_offset,
									 bool building, const void *extra, const void *value,
									 Size value_size, const ItemPointerData *tids, int ntids,
									 Size *size);

/*
 * Writes a new bucket of these entries, with its pages taken from the chain of free
 * pages; nothing points to it yet.  Entries fill pages one after the other; fill is
 * the share of a page that is used.  Returns its head and sets *number.  building:
 * pages are added at the end and nothing is logged.
 */
extern BlockNumber bucket_write(Relation index, Size head_offset, bool building,
								const BucketEntry *entries, const Size *sizes, int n, double fill,
								uint16 *number);

/*
 * Adds an entry to a bucket whose head the caller has locked exclusively: to the
 * first page with room, else to a new one at the end of the chain.  Releases the head.
 */
extern void bucket_add(Relation index, Size head_offset, Buffer head, BucketEntry entry, Size size);

/* Has the entry room on its page, and BUCKET_MAX_TIDS, for another TID? */
extern bool bucket_has_tid_room(const BucketShape *shape, Page page, OffsetNumber offset);

/*
 * Adds a TID to an entry, in a change: page is the copy.  False, with nothing
 * changed, if it has no room.
 */
extern bool bucket_add_tid(const BucketShape *shape, Page page, OffsetNumber offset,
						   ItemPointer tid);

typedef struct BucketVacuumCounts
{
	double removed; /* TIDs */
	double kept;
	double entries; /* that have the latter */
	uint64 ahead;	/* value pages that were given back and lie behind the page of their entry */
} BucketVacuumCounts;

/*
 * Removes the dead TIDs of one page, in one record, and entries that have no other;
 * their value pages go to the chain of free pages.  Adds to the counts.  Pages of another
 * kind are left alone.
 */
extern void bucket_vacuum_page(Relation index, const BucketShape *shape, Size head_offset,
							   BlockNumber blkno, BufferAccessStrategy strategy,
							   HeapTidIsDead is_dead, void *state, BucketVacuumCounts *counts);

/* The same for a page of a bucket that is locked exclusively; releases it. */
extern void bucket_vacuum_locked(Relation index, const BucketShape *shape, Size head_offset,
								 Buffer buffer, HeapTidIsDead is_dead, void *state,
								 BucketVacuumCounts *counts);

/*
 * Gives the pages of a retired bucket, and of its values, to the chain of free pages,
 * the head first.  Returns how many TIDs were in it; -1, with nothing done, if the
 * block is not the head of a retired bucket.  also: done in the record of the head, or NULL.
 */
extern int64 bucket_free(Relation index, const BucketShape *shape, Size head_offset,
						 BlockNumber head, MetaChange also);

#endif /* ANN_BUCKET_H */
