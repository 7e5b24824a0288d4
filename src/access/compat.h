/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between PostgreSQL 13 and 18, all in one place.
 *
 * The rest of the code is written for the newest form of each interface; what
 * older servers lack is supplied here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_COMPAT_H
#define ANN_COMPAT_H

#include "access/genam.h"
#include "storage/bufmgr.h"
#include "utils/guc.h"
#include "utils/rel.h"

/* Reading a block whose buffer is remembered (PG14) */
#if PG_VERSION_NUM >= 160000
#define read_recent_buffer(index, blkno, buffer) \
	ReadRecentBuffer((index)->rd_locator, MAIN_FORKNUM, (blkno), (buffer))
#elif PG_VERSION_NUM >= 140000
#define read_recent_buffer(index, blkno, buffer) \
	ReadRecentBuffer((index)->rd_node, MAIN_FORKNUM, (blkno), (buffer))
#else
#define read_recent_buffer(index, blkno, buffer) false
#endif

/* Reserving the prefix of our settings (PG15) */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

#endif							/* ANN_COMPAT_H */
