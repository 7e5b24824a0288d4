/*-------------------------------------------------------------------------
 *
 * bucket.c
 *	  Buckets: sets of values with their heap TIDs, on chains of pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "access/pause.h"
#include "storage/bucket.h"
#include "storage/damage.h"
#include "storage/recent.h"
#include "storage/value_pages.h"

/* Block numbers that grow as they are added to */
typedef struct BlockList
{
	BlockNumber *blocks;
	int n;
	int capacity;
} BlockList;

#define FIRST_CAPACITY 8

/* Room for TIDs in an entry: for one, for so many, for multiples of that */
#define FIRST_TIDS 4
#define TIDS_STEP 8

Size
bucket_inline_size(Size value_size)
{
	if (value_size <= BUCKET_MAX_INLINE_VALUE)
		return value_size;
	return value_pages_of(value_size) * sizeof(BlockNumber);
}

/* Where the TIDs start in an entry */
static Size
tids_offset(const BucketShape *shape, Size value_size)
{
	return SHORTALIGN(BUCKET_VALUE_OFFSET(shape) + bucket_inline_size(value_size));
}

/*
 * TIDs that an entry of so many has room for.  An entry that grows moves others on
 * its page, and all that has moved is logged.
 */
static int
tids_capacity(int ntids)
{
	if (ntids == 1)
		return 1;
	return ntids <= FIRST_TIDS ? FIRST_TIDS : TYPEALIGN(TIDS_STEP, ntids);
}

Size
bucket_entry_size(const BucketShape *shape, Size value_size, int ntids)
{
	return tids_offset(shape, value_size) + tids_capacity(ntids) * sizeof(ItemPointerData);
}

ItemPointer
bucket_entry_tids(const BucketShape *shape, BucketEntry entry)
{
	return (ItemPointer) ((char *) entry + tids_offset(shape, entry->value_size));
}

/* What is wrong with an entry of so many bytes on a page, or NULL */
static const char *
find_problem(const BucketShape *shape, BucketEntry entry, Size size)
{
	bool wide = (entry->flags & BUCKET_ENTRY_WIDE) != 0;

	if (size < BUCKET_VALUE_OFFSET(shape))
		return "entry is too short";
	if ((entry->flags & ~BUCKET_ENTRY_WIDE) != 0)
		return "entry has unknown flags";
	if (entry->ntids == 0 || entry->ntids > BUCKET_MAX_TIDS)
		return "entry has no rows or too many";
	if ((shape->value_size != 0 && entry->value_size != shape->value_size) ||
		entry->value_size > shape->max_value)
		return "entry has a value of the wrong size";
	if (wide != (entry->value_size > BUCKET_MAX_INLINE_VALUE) ||
		size != bucket_entry_size(shape, entry->value_size, entry->ntids))
		return "entry is not as long as its value and its rows";
	return NULL;
}

BucketEntry
bucket_try_entry(const BucketShape *shape, Page page, OffsetNumber offset, const char **problem)
{
	BucketEntry entry = NULL;
	ItemId id;

	*problem = NULL;
	if (offset < FirstOffsetNumber || offset > PageGetMaxOffsetNumber(page) ||
		!ItemIdIsUsed(PageGetItemId(page, offset)))
		return NULL;
	id = PageGetItemId(page, offset);
	if (!ItemIdIsNormal(id) || ItemIdGetOffset(id) != MAXALIGN(ItemIdGetOffset(id)) ||
		ItemIdGetLength(id) < sizeof(BucketEntryData) ||
		ItemIdGetOffset(id) + (Size) ItemIdGetLength(id) > BLCKSZ - PAGE_SPECIAL_SIZE)
		*problem = "line pointer leads to no entry";
	else
	{
		entry = (BucketEntry) PageGetItem(page, id);
		*problem = find_problem(shape, entry, ItemIdGetLength(id));
	}
	return *problem == NULL ? entry : NULL;
}

BucketEntry
bucket_page_entry(Relation index, const BucketShape *shape, Page page, BlockNumber blkno,
				  OffsetNumber offset)
{
	const char *problem;
	BucketEntry entry = bucket_try_entry(shape, page, offset, &problem);

	if (unlikely(problem != NULL))
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
						errmsg("index \"%s\" has a damaged entry (%u,%u)",
							   RelationGetRelationName(index), blkno, offset),
						errdetail("The %s.", problem), errhint("Please REINDEX it.")));
	return entry;
}

const void *
bucket_read_value(Relation index, const BucketShape *shape, BucketEntry entry, char *scratch)
{
	const void *value = bucket_entry_value(shape, entry);

	if ((entry->flags & BUCKET_ENTRY_WIDE) == 0)
		return value;
	value_pages_require(index, value, scratch, entry->value_size);
	return scratch;
}

bool
bucket_lock_head(Relation index, BlockNumber head, uint16 number, int lockmode, Buffer *buffer)
{
	Page page;

	*buffer = recent_read(index, head);
	LockBuffer(*buffer, lockmode);
	page = BufferGetPage(*buffer);
	if (likely(page_is(page, PAGE_BUCKET) && (uint16) PageGetSpecial(page)->ordinal == number))
		return true;
	UnlockReleaseBuffer(*buffer);
	return false;
}

/* How many pages are before a page that is behind one with so many: no more than fit the field */
static uint16
next_place(uint16 place)
{
	return place == PG_UINT16_MAX ? place : place + 1;
}

/* Is this a page of a bucket with so many before it? */
static bool
has_place(Page page, uint16 place)
{
	return page_is(page, PAGE_BUCKET) && PageGetSpecial(page)->nslots == place;
}

bool
bucket_lock_next(Relation index, Buffer buffer, int lockmode, Buffer *next)
{
	PageSpecial special = PageGetSpecial(BufferGetPage(buffer));
	uint16 place = next_place(special->nslots);

	if (special->next == InvalidBlockNumber)
		return false;
	*next = recent_read(index, special->next);

	/* looked at before it is locked, too: it might be one that the caller has locked already */
	if (has_place(BufferGetPage(*next), place))
	{
		LockBuffer(*next, lockmode);
		if (likely(has_place(BufferGetPage(*next), place)))
			return true;
	}
	damage_report(index, "has block %u out of place behind block %u", special->next,
				  BufferGetBlockNumber(buffer));
}

/* Adds copies of the entries of a page. */
static void
copy_page(Relation index, const BucketShape *shape, Buffer buffer, BucketCopy *copy)
{
	Page page = BufferGetPage(buffer);

	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		BucketEntry entry =
			bucket_page_entry(index, shape, page, BufferGetBlockNumber(buffer), offset);
		Size size;

		if (entry == NULL)
			continue;
		if (copy->n == copy->capacity)
		{
			copy->capacity = Max(FIRST_CAPACITY, 2 * copy->capacity);
			if (copy->entries == NULL)
				copy->entries = palloc(copy->capacity * sizeof(BucketEntry));
			else
				copy->entries = repalloc_huge(copy->entries, copy->capacity * sizeof(BucketEntry));
		}
		size = bucket_entry_size(shape, entry->value_size, entry->ntids);
		copy->entries[copy->n] = palloc(size);
		memcpy(copy->entries[copy->n], entry, size);
		copy->n++;
	}
}

void
bucket_copy(Relation index, const BucketShape *shape, Buffer head, BucketCopy *copy)
{
	Buffer buffer = head;
	bool more;

	do
	{
		Buffer next;

		copy_page(index, shape, buffer, copy);
		more = bucket_lock_next(index, buffer, BUFFER_LOCK_SHARE, &next);
		if (buffer != head)
			UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
}

BucketEntry
bucket_join_entries(const BucketShape *shape, BucketEntry first, BucketEntry second)
{
	int ntids = first->ntids + second->ntids;
	BucketEntry joined = palloc0(bucket_entry_size(shape, first->value_size, ntids));
	ItemPointer tids;

	Assert(ntids <= BUCKET_MAX_TIDS && first->value_size == second->value_size);
	memcpy(joined, first, tids_offset(shape, first->value_size));
	joined->ntids = ntids;
	tids = bucket_entry_tids(shape, joined);
	memcpy(tids, bucket_entry_tids(shape, first), first->ntids * sizeof(ItemPointerData));
	memcpy(tids + first->ntids, bucket_entry_tids(shape, second),
		   second->ntids * sizeof(ItemPointerData));
	return joined;
}

BucketEntry
bucket_make_entry(Relation index, const BucketShape *shape, Size head_offset, bool building,
				  const void *extra, const void *value, Size value_size,
				  const ItemPointerData *tids, int ntids, Size *size)
{
	BucketEntry entry;

	Assert(ntids >= 1 && ntids <= BUCKET_MAX_TIDS);
	*size = bucket_entry_size(shape, value_size, ntids);
	entry = palloc0(*size);
	entry->ntids = ntids;
	entry->value_size = value_size;
	if (extra != NULL)
		memcpy(bucket_entry_extra(entry), extra, shape->extra_size);
	memcpy(bucket_entry_tids(shape, entry), tids, ntids * sizeof(ItemPointerData));
	if (value_size > BUCKET_MAX_INLINE_VALUE)
	{
		entry->flags = BUCKET_ENTRY_WIDE;
		value_pages_write(index, head_offset, building, value, value_size,
						  bucket_entry_value(shape, entry));
	}
	else
		memcpy(bucket_entry_value(shape, entry), value, value_size);
	return entry;
}

/* Puts an entry onto a page of a change that has room for it. */
static void
add_to_page(Relation index, Page page, BlockNumber blkno, BucketEntry entry, Size size)
{
	if (PageAddItem(page, (Item) entry, size, InvalidOffsetNumber, false, false) ==
		InvalidOffsetNumber)
		elog(ERROR, "could not add an entry to block %u of index \"%s\"", blkno,
			 RelationGetRelationName(index));
}

/* How many of the entries go to one page: at least one, if there are any */
static int
entries_on_page(const Size *sizes, int n, double fill)
{
	Size room = BUCKET_PAGE_ROOM * fill;
	Size used = 0;

	for (int i = 0; i < n; i++)
	{
		used += BUCKET_ENTRY_ROOM(sizes[i]);
		if (used > room && i > 0)
			return i;
	}
	return n;
}

BlockNumber
bucket_write(Relation index, Size head_offset, bool building, const BucketEntry *entries,
			 const Size *sizes, int n, double fill, uint16 *number)
{
	Buffer buffer = free_page_take(index, head_offset, PAGE_BUCKET, building);
	BlockNumber head = BufferGetBlockNumber(buffer);
	uint16 place = 0;
	int done = 0;

	*number = (uint16) PageGetSpecial(BufferGetPage(buffer))->ordinal;
	do
	{
		int end = done + entries_on_page(sizes + done, n - done, fill);
		Buffer next =
			end == n ? InvalidBuffer : free_page_take(index, head_offset, PAGE_BUCKET, building);
		PageChange change;
		Page page;

		page_change_begin(&change, index, building);
		page = page_change_page(&change, buffer, true);
		for (; done < end; done++)
			add_to_page(index, page, BufferGetBlockNumber(buffer), entries[done], sizes[done]);
		PageGetSpecial(page)->nslots = place;
		if (BufferIsValid(next))
			PageGetSpecial(page)->next = BufferGetBlockNumber(next);
		page_change_finish(&change);
		place = next_place(place);
		buffer = next;
	} while (done < n);
	return head;
}

/* Puts an entry onto a new page behind the last one, which is locked; releases that. */
static void
add_on_new_page(Relation index, Size head_offset, Buffer last, BucketEntry entry, Size size)
{
	Buffer buffer = free_page_take(index, head_offset, PAGE_BUCKET, false);
	PageChange change;
	Page page;
	uint16 place;

	page_change_begin(&change, index, false);
	page = page_change_page(&change, last, false);
	PageGetSpecial(page)->next = BufferGetBlockNumber(buffer);
	place = PageGetSpecial(page)->nslots;
	page = page_change_page(&change, buffer, true);
	PageGetSpecial(page)->nslots = next_place(place);
	add_to_page(index, page, BufferGetBlockNumber(buffer), entry, size);
	page_change_finish(&change);
}

void
bucket_add(Relation index, Size head_offset, Buffer head, BucketEntry entry, Size size)
{
	Buffer buffer = head;
	Buffer next;

	while (PageGetFreeSpace(BufferGetPage(buffer)) < MAXALIGN(size) &&
		   bucket_lock_next(index, buffer, BUFFER_LOCK_EXCLUSIVE, &next))
	{
		if (buffer != head)
			UnlockReleaseBuffer(buffer);
		buffer = next;
	}
	if (PageGetFreeSpace(BufferGetPage(buffer)) >= MAXALIGN(size))
	{
		PageChange change;
		BlockNumber blkno = BufferGetBlockNumber(buffer);

		page_change_begin(&change, index, false);
		add_to_page(index, page_change_page(&change, buffer, false), blkno, entry, size);
		page_change_finish(&change);
	}
	else
		add_on_new_page(index, head_offset, buffer, entry, size);
	if (buffer != head)
		UnlockReleaseBuffer(head);
}

bool
bucket_has_tid_room(const BucketShape *shape, Page page, OffsetNumber offset)
{
	BucketEntry entry = (BucketEntry) PageGetItem(page, PageGetItemId(page, offset));
	Size before = MAXALIGN(bucket_entry_size(shape, entry->value_size, entry->ntids));
	Size after = MAXALIGN(bucket_entry_size(shape, entry->value_size, entry->ntids + 1));

	return entry->ntids < BUCKET_MAX_TIDS && PageGetExactFreeSpace(page) >= after - before;
}

/* Puts other TIDs into an entry of a copy of a page that has room for them. */
static void
set_tids(const BucketShape *shape, Page page, OffsetNumber offset, const ItemPointerData *tids,
		 int ntids)
{
	BucketEntry entry = (BucketEntry) PageGetItem(page, PageGetItemId(page, offset));
	Size size = bucket_entry_size(shape, entry->value_size, ntids);
	BucketEntry changed = palloc0(size);

	memcpy(changed, entry, tids_offset(shape, entry->value_size));
	changed->ntids = ntids;
	memcpy(bucket_entry_tids(shape, changed), tids, ntids * sizeof(ItemPointerData));
	if (!PageIndexTupleOverwrite(page, offset, (Item) changed, size))
		elog(ERROR, "could not change entry %u of a bucket page", offset);
	pfree(changed);
}

bool
bucket_add_tid(const BucketShape *shape, Page page, OffsetNumber offset, ItemPointer tid)
{
	BucketEntry entry = (BucketEntry) PageGetItem(page, PageGetItemId(page, offset));
	ItemPointerData tids[BUCKET_MAX_TIDS];
	int n = entry->ntids;

	if (!bucket_has_tid_room(shape, page, offset))
		return false;
	memcpy(tids, bucket_entry_tids(shape, entry), n * sizeof(ItemPointerData));
	tids[n] = *tid;
	set_tids(shape, page, offset, tids, n + 1);
	return true;
}

static void
add_block(BlockList *list, BlockNumber block)
{
	if (list->n == list->capacity)
	{
		list->capacity = Max(FIRST_CAPACITY, 2 * list->capacity);
		if (list->blocks == NULL)
			list->blocks = palloc(list->capacity * sizeof(BlockNumber));
		else
			list->blocks = repalloc_huge(list->blocks, list->capacity * sizeof(BlockNumber));
	}
	list->blocks[list->n++] = block;
}

/* Adds the value pages of an entry to a list. */
static void
add_value_blocks(const BucketShape *shape, BucketEntry entry, BlockList *list)
{
	int n = (entry->flags & BUCKET_ENTRY_WIDE) ? value_pages_of(entry->value_size) : 0;

	for (int i = 0; i < n; i++)
		add_block(list, ((BlockNumber *) bucket_entry_value(shape, entry))[i]);
}

/* Gives the pages of a list to the chain of free pages and forgets them. */
static void
give_blocks(Relation index, Size head_offset, PageKind kind, BlockList *list, MetaChange also)
{
	free_pages_give(index, head_offset, kind, list->blocks, list->n, also);
	if (list->blocks != NULL)
		pfree(list->blocks);
	memset(list, 0, sizeof(*list));
}

/* Removes the dead TIDs of a page that is locked exclusively; releases it. */
static void
remove_dead(Relation index, const BucketShape *shape, Buffer buffer, HeapTidIsDead is_dead,
			void *state, BucketVacuumCounts *counts, BlockList *values)
{
	Page page = BufferGetPage(buffer);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	ItemPointerData live[BUCKET_MAX_TIDS];
	PageChange change;
	Page copy = NULL;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		BucketEntry entry =
			bucket_page_entry(index, shape, page, BufferGetBlockNumber(buffer), offset);
		int nlive;

		if (entry == NULL)
			continue;
		memcpy(live, bucket_entry_tids(shape, entry), entry->ntids * sizeof(ItemPointerData));
		nlive = heap_tids_keep_live(index, live, entry->ntids, is_dead, state);
		counts->removed += entry->ntids - nlive;
		counts->kept += nlive;
		counts->entries += nlive > 0;
		if (nlive == entry->ntids)
			continue;
		if (copy == NULL)
		{
			page_change_begin(&change, index, false);
			copy = page_change_page(&change, buffer, false);
		}
		if (nlive > 0)
			set_tids(shape, copy, offset, live, nlive);
		else
		{
			add_value_blocks(shape, entry, values);
			page_delete_item(copy, offset);
		}
	}
	if (copy != NULL)
		page_change_finish(&change);
	else
		UnlockReleaseBuffer(buffer);
}

void
bucket_vacuum_locked(Relation index, const BucketShape *shape, Size head_offset, Buffer buffer,
					 HeapTidIsDead is_dead, void *state, BucketVacuumCounts *counts)
{
	BlockNumber block = BufferGetBlockNumber(buffer);
	BlockList values = {0};

	remove_dead(index, shape, buffer, is_dead, state, counts, &values);
	for (int i = 0; i < values.n; i++)
		counts->ahead += values.blocks[i] > block;
	give_blocks(index, head_offset, PAGE_VALUE, &values, NULL);
}

void
bucket_vacuum_page(Relation index, const BucketShape *shape, Size head_offset, BlockNumber blkno,
				   BufferAccessStrategy strategy, HeapTidIsDead is_dead, void *state,
				   BucketVacuumCounts *counts)
{
	Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, blkno, RBM_NORMAL, strategy);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (page_is(BufferGetPage(buffer), PAGE_BUCKET))
		bucket_vacuum_locked(index, shape, head_offset, buffer, is_dead, state, counts);
	else
		UnlockReleaseBuffer(buffer);
}

/* Adds the value pages of a locked page's entries to a list; returns the number of TIDs. */
static int64
list_values(Relation index, const BucketShape *shape, Buffer buffer, BlockList *values)
{
	Page page = BufferGetPage(buffer);
	int64 ntids = 0;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		BucketEntry entry =
			bucket_page_entry(index, shape, page, BufferGetBlockNumber(buffer), offset);

		if (entry == NULL)
			continue;
		ntids += entry->ntids;
		add_value_blocks(shape, entry, values);
	}
	return ntids;
}

int64
bucket_free(Relation index, const BucketShape *shape, Size head_offset, BlockNumber head,
			MetaChange also)
{
	Buffer buffer = recent_read(index, head);
	Page page = BufferGetPage(buffer);
	BlockList pages = {0};
	BlockList values = {0};
	int64 ntids = 0;
	bool more;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!page_is(page, PAGE_BUCKET) || (PageGetSpecial(page)->flags & PAGE_RETIRED) == 0)
	{
		UnlockReleaseBuffer(buffer);
		return -1;
	}
	do
	{
		Buffer next;

		add_block(&pages, BufferGetBlockNumber(buffer));
		ntids += list_values(index, shape, buffer, &values);
		more = bucket_lock_next(index, buffer, BUFFER_LOCK_SHARE, &next);
		UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
	PAUSE_POINT("bucket listed", 1);
	give_blocks(index, head_offset, PAGE_BUCKET, &pages, also);
	FAIL_POINT("bucket given");
	give_blocks(index, head_offset, PAGE_VALUE, &values, NULL);
	return ntids;
}
