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

/*
 * Removes the dead rows of a page, unless the bucket that it was in has gone or has been retired:
 * the pages and values of a retired one may be given back at this moment.  Its head is locked
 * beside the page.  Whoever copies the bucket has that locked, and reads large values after their
 * entries: so no value goes between.
 */
static void
clean_page(VptreeIndex *index, const VptreeChild *bucket, BucketRows *dead, int number,
		   BucketVacuumCounts *counts)
{
	Buffer head;

	if (!bucket_lock_head(index->relation, bucket->block, bucket->number,
						  number == 0 ? BUFFER_LOCK_EXCLUSIVE : BUFFER_LOCK_SHARE, &head))
		return;
	if ((PageGetSpecial(BufferGetPage(head))->flags & PAGE_RETIRED) != 0)
	{
		UnlockReleaseBuffer(head);
		return;
	}
	if (number == 0)
	{
		bucket_vacuum_locked(index->relation, &index->shape, VPTREE_FREE_PAGES, head, is_listed,
							 dead, counts);
		return;
	}
	bucket_vacuum_page(index->relation, &index->shape, VPTREE_FREE_PAGES, dead->blocks[number],
					   NULL, is_listed, dead, counts);
	UnlockReleaseBuffer(head);
}

static void
note_met_dead(void *meta)
{
	((VptreeMeta *) meta)->met_dead = 1;
}

/*
 * No page is locked while the table is looked at: what is dead then stays so, as vacuum, after which
 * the TIDs may be used again, waits for VPTREE_SPLIT_LOCK.  If the bucket has been rebuilt by then it is
 * left alone.
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
