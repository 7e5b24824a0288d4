/*-------------------------------------------------------------------------
 *
 * dead.c
 *	  Removes the entries of dead rows from a full bucket of a vptree index,
 *	  so that it need not be split.
 *
 * Else an index would grow when rows are replaced between two vacuums.  README,
 * "Full buckets".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/dead_rows.h"
#include "vptree/vptree.h"

#define FIRST_CAPACITY 128

/* The pages of a bucket, and its rows */
typedef struct BucketRows
{
	BlockNumber *blocks;
	int nblocks;
	int block_capacity;
	ItemPointerData *tids;
	int ntids;
	int tid_capacity;
} BucketRows;

/* Adds the rows of a locked page. */
static void
list_page(VptreeIndex *index, Buffer buffer, BucketRows *rows)
{
	Page page = BufferGetPage(buffer);
	BlockNumber block = BufferGetBlockNumber(buffer);

	if (rows->nblocks == rows->block_capacity)
	{
		rows->block_capacity *= 2;
		rows->blocks = repalloc(rows->blocks, rows->block_capacity * sizeof(BlockNumber));
	}
	rows->blocks[rows->nblocks++] = block;
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		BucketEntry entry = bucket_page_entry(index->relation, &index->shape, page, block, offset);

		if (entry == NULL)
			continue;
		if (rows->ntids + entry->ntids > rows->tid_capacity)
		{
			rows->tid_capacity = 2 * (rows->ntids + entry->ntids);
			rows->tids = repalloc_huge(rows->tids, rows->tid_capacity * sizeof(ItemPointerData));
		}
		memcpy(rows->tids + rows->ntids, bucket_entry_tids(&index->shape, entry),
			   entry->ntids * sizeof(ItemPointerData));
		rows->ntids += entry->ntids;
	}
}

/* Lists the rows of a bucket; false: it has gone. */
static bool
list_rows(VptreeIndex *index, const VptreeChild *bucket, BucketRows *rows)
{
	Buffer buffer;
	bool more;

	if (!bucket_lock_head(index->relation, bucket->block, bucket->number, BUFFER_LOCK_SHARE,
						  &buffer))
		return false;
	do
	{
		Buffer next;

		list_page(index, buffer, rows);
		more = bucket_lock_next(index->relation, buffer, BUFFER_LOCK_SHARE, &next);
		UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
	return true;
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

/* HeapTidIsDead: is it one of the dead ones? */
static bool
is_listed(ItemPointer tid, void *state)
{
	const BucketRows *dead = (const BucketRows *) state;

	return bsearch(tid, dead->tids, dead->ntids, sizeof(ItemPointerData), compare_tids) != NULL;
}

/* Locks the head of a bucket in share mode; false if that has gone, or retired. */
static bool
lock_head(VptreeIndex *index, const VptreeChild *bucket, Buffer *head)
{
	if (!bucket_lock_head(index->relation, bucket->block, bucket->number, BUFFER_LOCK_SHARE, head))
		return false;
	if ((PageGetSpecial(BufferGetPage(*head))->flags & PAGE_RETIRED) == 0)
		return true;
	UnlockReleaseBuffer(*head);
	return false;
}

/*
 * Removes the dead rows of a page of a bucket.  Behind the head that needs the head's lock: whoever
 * copies the bucket has it exclusively, and reads large values, which must not go, after
 * their entries.
 */
static void
clean_page(VptreeIndex *index, const VptreeChild *bucket, BucketRows *dead, int number,
		   BucketVacuumCounts *counts)
{
	Buffer head = InvalidBuffer;

	if (number > 0 && !lock_head(index, bucket, &head))
		return;
	bucket_vacuum_page(index->relation, &index->shape, VPTREE_FREE_PAGES, dead->blocks[number],
					   NULL, is_listed, dead, counts);
	if (BufferIsValid(head))
		UnlockReleaseBuffer(head);
}

static void
note_met_dead(void *meta)
{
	((VptreeMeta *) meta)->met_dead = 1;
}

/*
 * No page is locked while the table is looked at: what is dead then stays so, as vacuum, after which
 * the TIDs may be used again, waits for VPTREE_SPLIT_LOCK.  If the bucket's pages have another use by
 * then they are those of other buckets, whose dead rows may go as well, or are left alone.
 */
void
vptree_remove_dead(VptreeIndex *index, Relation heap, const VptreeChild *bucket)
{
	BucketRows rows = {.block_capacity = FIRST_CAPACITY, .tid_capacity = FIRST_CAPACITY};
	BucketVacuumCounts counts = {0};

	rows.blocks = palloc(FIRST_CAPACITY * sizeof(BlockNumber));
	rows.tids = palloc(FIRST_CAPACITY * sizeof(ItemPointerData));
	if (list_rows(index, bucket, &rows))
		rows.ntids = dead_rows_find(heap, rows.tids, rows.ntids);
	else
		rows.ntids = 0;
	for (int i = 0; i < rows.nblocks && rows.ntids > 0; i++)
		clean_page(index, bucket, &rows, i, &counts);
	if (counts.removed > 0 && index->meta.met_dead == 0)
	{
		index->meta.met_dead = 1;
		vptree_change_meta(index, note_met_dead);
	}
	pfree(rows.blocks);
	pfree(rows.tids);
}
