/*-------------------------------------------------------------------------
 *
 * recent.h
 *	  Pinning blocks through remembered buffer numbers.
 *
 * Each backend remembers, per index, the buffer in which it last saw a block
 * (4 bytes a block).  Pinning through it skips the lookup in the shared buffer
 * mapping table, and the address of a page is known early enough to prefetch
 * it.  A remembered number may be out of date: it is checked when pinning,
 * and a prefetch of the wrong page is harmless.
 *
 * The memory hangs on the relation cache entry (rd_amcache) and goes with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_RECENT_H
#define ANN_RECENT_H

#include "postgres.h"

#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

typedef struct RecentBuffers
{
	BlockNumber nblocks; /* length of buffers */
	Buffer buffers[FLEXIBLE_ARRAY_MEMBER];
} RecentBuffers;

/* Pins a block of the main fork.  The caller releases it. */
extern Buffer recent_read(Relation index, BlockNumber blkno);

/*
 * Where the block's page probably is, or NULL when unknown: good for a
 * prefetch, never to be read.
 */
static inline const char *
recent_address(Relation index, BlockNumber blkno)
{
	RecentBuffers *recent = (RecentBuffers *) index->rd_amcache;
	Buffer buffer;

	if (recent == NULL || blkno >= recent->nblocks)
		return NULL;
	buffer = recent->buffers[blkno];
	return buffer == InvalidBuffer ? NULL : (const char *) BufferGetBlock(buffer);
}

/* Asks for the memory that pinning the block will touch, if it is known. */
static inline void
recent_prefetch_pin(Relation index, BlockNumber blkno)
{
	RecentBuffers *recent = (RecentBuffers *) index->rd_amcache;

	if (recent != NULL && blkno < recent->nblocks && recent->buffers[blkno] > 0)
		__builtin_prefetch(GetBufferDescriptor(recent->buffers[blkno] - 1), 1);
}

#endif /* ANN_RECENT_H */
