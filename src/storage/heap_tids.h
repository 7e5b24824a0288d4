/*-------------------------------------------------------------------------
 *
 * heap_tids.h
 *	  TIDs of the table's rows, as they are in an index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_HEAP_TIDS_H
#define ANN_HEAP_TIDS_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/rel.h"

/* Is the row dead?  As the server asks it (IndexBulkDeleteCallback) */
typedef bool (*HeapTidIsDead)(ItemPointer tid, void *state);

/* An error unless the TID is one that the table may be asked for. */
extern void heap_tid_check(Relation index, ItemPointer tid);

/* Moves the TIDs of rows that are not dead to the front; returns their number. */
extern int heap_tids_keep_live(Relation index, ItemPointer tids, int ntids, HeapTidIsDead is_dead,
							   void *state);

#endif /* ANN_HEAP_TIDS_H */
