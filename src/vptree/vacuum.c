/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Removing dead rows from a vptree index, and giving back buckets that splits
 *	  have replaced.  README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"

#include "storage/recent.h"
#include "vptree/vptree.h"

/* Buckets that may be merged are looked for if less than this share of their room is in use */
#define SPARSE_FILL 0.8

typedef struct VptreeVacuum
{
	Vacuum base;
	VptreeIndex index;
	BucketVacuumCounts counts;
	VptreePageCounts pages;
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

/* Gives the pages of a retired bucket that is not known to rest back; false once there are no more. */
static bool
free_lost(void *arg, BlockNumber block)
{
	VptreeVacuum *vacuum = (VptreeVacuum *) arg;
	VptreeIndex *index = &vacuum->index;

	if (is_retired(index->relation, block, vacuum->base.info->strategy))
	{
		bucket_free(index->relation, &index->shape, VPTREE_FREE_PAGES, block, NULL);
		vacuum->freed++;
		index->meta.retired--;
	}
	return index->meta.retired > 0;
}

static void
forget_retired(void *meta)
{
	((VptreeMeta *) meta)->retired = 0;
}

static void
note_settled(void *meta)
{
	VptreeMeta *changed = (VptreeMeta *) meta;

	changed->settled = changed->buckets;
	changed->met_dead = 0;
	vptree_end_rebuilding(meta);
}

/*
 * Gives all retired buckets back.  No bucket is retired meanwhile, since the caller keeps
 * splits out.  After a crash there may be some that are not known to rest, and the metapage may
 * say that there are more than are found.
 */
static void
free_retired(VptreeVacuum *vacuum)
{
	VptreeIndex *index = &vacuum->index;

	vacuum->freed = vptree_free_resting(index);
	vptree_read_meta(index);
	if (index->meta.retired > 0)
	{
		vacuum_each_page(index->relation, free_lost, vacuum);
		vptree_change_meta(index, forget_retired);
	}
	if (vacuum->base.stats != NULL)
		vacuum->base.stats->pages_deleted += vacuum->freed;
}

static bool
vacuum_page(void *arg, BlockNumber block)
{
	VptreeVacuum *vacuum = (VptreeVacuum *) arg;
	VptreeIndex *index = &vacuum->index;

	vptree_count_page(index, block, vacuum->base.info->strategy, &vacuum->pages);
	bucket_vacuum_page(index->relation, &index->shape, VPTREE_FREE_PAGES, block,
					   vacuum->base.info->strategy, vacuum->base.callback,
					   vacuum->base.callback_state, &vacuum->counts);
	return true;
}

/*
 * Removes dead rows from all pages, and gives back lost ones; then buckets in which much room is
 * free become fewer.
 */
static void
remove_and_merge(VptreeVacuum *vacuum)
{
	VptreeIndex *index = &vacuum->index;

	vacuum->pages.begin = GetXLogInsertRecPtr();
	vacuum_each_page(index->relation, vacuum_page, vacuum);
	vacuum->base.stats->tuples_removed += vacuum->counts.removed;
	vacuum->base.stats->num_index_tuples += vacuum->counts.kept;
	vacuum->pages.values += vacuum->counts.ahead; /* their entries were counted, they were not */
	vptree_read_meta(index);
	if (vptree_has_lost_pages(index, &vacuum->pages))
		vacuum->base.stats->pages_deleted += vptree_free_lost_pages(index);
	if (vacuum->counts.entries <
		SPARSE_FILL * (double) index->meta.buckets * index->meta.bucket_size)
		vptree_merge_buckets(index);
	vptree_change_meta(index, note_settled);
}

/*
 * VacuumMethod.remove_dead.  Retired buckets go first, so that no row is counted twice.
 * Splits, which would move rows from pages to come to pages that were seen, are put off
 * meanwhile.
 */
static void
remove_dead_rows(Vacuum *base)
{
	VptreeVacuum *vacuum = (VptreeVacuum *) base;
	Relation relation = base->info->index;

	vptree_open(&vacuum->index, relation);
	vptree_lock_splits(relation, ExclusiveLock);
	free_retired(vacuum);
	if (vacuum->index.meta.header.dim > 0)
		remove_and_merge(vacuum);
	vptree_unlock_splits(relation, ExclusiveLock);
}

/* VacuumMethod.clean_up: gives back what was retired, also where no row was dead. */
static void
clean_up_tree(Vacuum *base)
{
	VptreeVacuum *vacuum = (VptreeVacuum *) base;
	Relation relation = base->info->index;

	vptree_open(&vacuum->index, relation);
	vptree_lock_splits(relation, ExclusiveLock);
	free_retired(vacuum);
	vptree_unlock_splits(relation, ExclusiveLock);
}

const VacuumMethod vptree_vacuum_method = {
	.state_size = sizeof(VptreeVacuum),
	.remove_dead = remove_dead_rows,
	.clean_up = clean_up_tree,
};
