/*-------------------------------------------------------------------------
 *
 * resting.c
 *	  Buckets that others have replaced rest for a while before their pages are
 *	  used again.
 *
 * A scan that comes to a bucket whose page has another use looks for the rows
 * once more (search.c).  That is rare if the page has been left alone meanwhile.
 * The metapage has the heads of those that rest, in the order in which they were
 * retired.  README, "Retired buckets".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/recent.h"
#include "vptree/vptree.h"

/* Of the pages of an index one in so many may be one of a bucket that rests */
#define RESTING_DIVISOR 64

/* Room that is left for splits of other sessions */
#define SPARE_RESTING (2 * VPTREE_MAX_GROUP)

void
vptree_retire(VptreeMeta *meta, const VptreeGroup *group)
{
	meta->retired += group->nbuckets;
	for (uint32 i = 0; i < group->nbuckets && meta->nresting < VPTREE_MAX_RESTING; i++)
		meta->resting[(meta->oldest + meta->nresting++) % VPTREE_MAX_RESTING] =
			group->buckets[i].bucket.block;
}

/* Buckets that may rest, in an index of this size and with values of this size */
static uint32
resting_limit(const VptreeIndex *index)
{
	Size value_size = index->space.usual_size;
	uint32 pages = vptree_pages_of(index, index->meta.bucket_size, 1);

	if (value_size > BUCKET_MAX_INLINE_VALUE)
		pages += index->meta.bucket_size * value_pages_of(value_size);
	return Min(RelationGetNumberOfBlocks(index->relation) / RESTING_DIVISOR / pages,
			   VPTREE_MAX_RESTING - SPARE_RESTING);
}

/* Takes the oldest bucket out of the ring if more than so many rest. */
static bool
take_oldest(VptreeIndex *index, uint32 limit, BlockNumber *head)
{
	Buffer buffer = meta_lock(index->relation);
	PageChange change;
	VptreeMeta *meta;

	meta = (VptreeMeta *) PageGetContents(BufferGetPage(buffer));
	if (meta->nresting <= limit)
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}
	page_change_begin(&change, index->relation, false);
	meta = (VptreeMeta *) PageGetContents(page_change_page(&change, buffer, false));
	*head = meta->resting[meta->oldest % VPTREE_MAX_RESTING];
	meta->oldest = (meta->oldest + 1) % VPTREE_MAX_RESTING;
	meta->nresting--;
	page_change_finish(&change);
	return true;
}

/* Counts a bucket that is given back. */
static void
forget_one(void *meta)
{
	((VptreeMeta *) meta)->retired--;
}

void
vptree_free_retired(VptreeIndex *index, BlockNumber head)
{
	bucket_free(index->relation, &index->shape, VPTREE_FREE_PAGES, head, forget_one);
}

static uint32
free_resting(VptreeIndex *index, uint32 limit)
{
	BlockNumber head;
	uint32 freed = 0;

	while (take_oldest(index, limit, &head))
	{
		vptree_free_retired(index, head);
		freed++;
	}
	return freed;
}

void
vptree_trim_resting(VptreeIndex *index)
{
	free_resting(index, resting_limit(index));
}

uint32
vptree_free_resting(VptreeIndex *index)
{
	return free_resting(index, 0);
}
