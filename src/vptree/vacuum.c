/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Removing dead rows from a vptree index, and giving back buckets that splits
 *	  have replaced.  README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/lmgr.h"

#include "access/vacuum.h"
#include "storage/recent.h"
#include "vptree/vptree.h"

/* Buckets are merged if less than this share of their room is in use */
#define SPARSE_FILL 0.5

typedef struct VptreeVacuum
{
	VptreeIndex index;
	IndexVacuumInfo *info;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void *callback_state;
	uint32 freed; /* retired buckets */
} VptreeVacuum;

/* Does the page begin a bucket that was retired? */
static bool
is_retired(Relation index, BlockNumber block, BufferAccessStrategy strategy)
{
	Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
	Page page = BufferGetPage(buffer);
	bool retired;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	retired = page_is(page, PAGE_BUCKET) && (PageGetSpecial(page)->flags & PAGE_RETIRED) != 0;
	UnlockReleaseBuffer(buffer);
	return retired;
}

/* Gives a retired bucket's pages back; false once there are no more. */
static bool
free_bucket(void *arg, BlockNumber block)
{
	VptreeVacuum *vacuum = (VptreeVacuum *) arg;
	VptreeIndex *index = &vacuum->index;

	if (is_retired(index->relation, block, vacuum->info->strategy))
	{
		bucket_free(index->relation, &index->shape, VPTREE_FREE_PAGES, block);
		vacuum->freed++;
	}
	return vacuum->freed < index->meta.retired;
}

void
vptree_forget_retired(VptreeIndex *index, uint32 n)
{
	Buffer buffer = recent_read(index->relation, META_BLOCK);
	PageChange change;
	Page page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, buffer, false);
	((VptreeMeta *) PageGetContents(page))->retired -= n;
	page_change_finish(&change);
}

/*
 * Reads the metapage again and gives all retired buckets back.  No bucket is retired
 * meanwhile, since the caller keeps splits out.  After a crash the metapage may say
 * that there are more than are found.
 */
static void
free_retired(VptreeVacuum *vacuum)
{
	VptreeIndex *index = &vacuum->index;

	vptree_read_meta(index);
	if (index->meta.retired == 0)
		return;
	vacuum->freed = 0;
	vacuum_each_page(index->relation, free_bucket, vacuum);
	vptree_forget_retired(index, index->meta.retired);
	if (vacuum->stats != NULL)
		vacuum->stats->pages_deleted += vacuum->freed;
}

static bool
remove_dead_rows(void *arg, BlockNumber block)
{
	VptreeVacuum *vacuum = (VptreeVacuum *) arg;
	VptreeIndex *index = &vacuum->index;

	bucket_vacuum_page(index->relation, &index->shape, VPTREE_FREE_PAGES, block,
					   vacuum->info->strategy, vacuum->callback, vacuum->callback_state,
					   &vacuum->stats->tuples_removed, &vacuum->stats->num_index_tuples);
	return true;
}

/*
 * ambulkdelete: removes the TIDs that the callback says are dead.  Retired buckets
 * go first, so that no row is counted twice.  Splits, which would move rows from
 * pages to come to pages that were seen, are put off meanwhile; whoever has that lock
 * takes no other but for extending the index, on which older servers insist.
 */
IndexBulkDeleteResult *
vptree_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				   IndexBulkDeleteCallback callback, void *state)
{
	VptreeVacuum vacuum = {.info = info, .callback = callback, .callback_state = state};

	vacuum.stats = vacuum_begin_pass(stats);
	vptree_open(&vacuum.index, info->index);
	LockPage(info->index, VPTREE_SPLIT_LOCK, ExclusiveLock);
	free_retired(&vacuum);
	if (vacuum.index.meta.header.dim > 0)
		vacuum_each_page(info->index, remove_dead_rows, &vacuum);
	UnlockPage(info->index, VPTREE_SPLIT_LOCK, ExclusiveLock);
	return vacuum.stats;
}

/* Have so many rows gone that it is worth looking for buckets to merge? */
static bool
is_sparse(const VptreeVacuum *vacuum)
{
	const VptreeMeta *meta = &vacuum->index.meta;

	return vacuum->stats->num_index_tuples <
		   SPARSE_FILL * (double) meta->buckets * meta->bucket_size;
}

/*
 * amvacuumcleanup: gives back what was retired, also where no row was dead, and
 * merges buckets.
 */
IndexBulkDeleteResult *
vptree_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	VptreeVacuum vacuum = {.info = info};

	if (info->analyze_only)
		return stats;
	vacuum.stats = stats;
	vptree_open(&vacuum.index, info->index);
	LockPage(info->index, VPTREE_SPLIT_LOCK, ExclusiveLock);
	free_retired(&vacuum);
	if (stats != NULL && is_sparse(&vacuum))
		vptree_merge_buckets(&vacuum.index);
	UnlockPage(info->index, VPTREE_SPLIT_LOCK, ExclusiveLock);
	return vacuum_finish(info, stats);
}
