/*-------------------------------------------------------------------------
 *
 * recent.c
 *	  Pinning blocks through remembered buffer numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pgstat.h"

#include "access/compat.h"
#include "storage/damage.h"
#include "storage/recent.h"
#include "utils/memutils.h"

/* Grow in steps so that an index growing block by block is not copied each time */
#define RECENT_GROWTH 1024

/*
 * One pin in so many goes through the mapping table: until 16, ReadRecentBuffer
 * does not tell the clock sweep that the buffer is in use, and pages that are
 * never read otherwise would be the first to be evicted.
 */
#define ORDINARY_READ 128

/*
 * Makes room for blkno.  The array must be one palloc chunk in rd_indexcxt:
 * the relation cache frees rd_amcache with pfree.
 */
static RecentBuffers *
make_room(Relation index, BlockNumber blkno)
{
	RecentBuffers *old = (RecentBuffers *) index->rd_amcache;
	RecentBuffers *recent;
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);

	if (blkno >= nblocks)
		damage_report(index, "refers to block %u but has only %u blocks", blkno, nblocks);
	nblocks += RECENT_GROWTH;
	recent = MemoryContextAllocExtended(index->rd_indexcxt,
										offsetof(RecentBuffers, buffers) + nblocks * sizeof(Buffer),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	recent->nblocks = nblocks;
	if (old != NULL)
	{
		memcpy(recent->buffers, old->buffers, old->nblocks * sizeof(Buffer));
		pfree(old);
	}
	index->rd_amcache = recent;
	return recent;
}

Buffer
recent_read(Relation index, BlockNumber blkno)
{
	static uint32 pins = 0;
	RecentBuffers *recent = (RecentBuffers *) index->rd_amcache;
	Buffer buffer;

	if (unlikely(recent == NULL || blkno >= recent->nblocks))
		recent = make_room(index, blkno);
	buffer = recent->buffers[blkno];
	if (likely(buffer != InvalidBuffer && ++pins % ORDINARY_READ != 0) &&
		read_recent_buffer(index, blkno, buffer))
	{
		pgstat_count_buffer_read(index);
		pgstat_count_buffer_hit(index);
		return buffer;
	}
	buffer = ReadBuffer(index, blkno);

	/* an invalidation message taken while reading may have freed the array */
	recent = (RecentBuffers *) index->rd_amcache;
	if (recent != NULL && blkno < recent->nblocks)
		recent->buffers[blkno] = buffer;
	return buffer;
}
