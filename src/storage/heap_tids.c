/*-------------------------------------------------------------------------
 *
 * heap_tids.c
 *	  TIDs of the table's rows, as they are in an index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/damage.h"
#include "storage/heap_tids.h"

void
heap_tid_check(Relation index, ItemPointer tid)
{
	if (unlikely(!ItemPointerIsValid(tid)))
		damage_report(index, "has an invalid heap TID");
}

int
heap_tids_keep_live(Relation index, ItemPointer tids, int ntids, HeapTidIsDead is_dead, void *state)
{
	int live = 0;

	for (int i = 0; i < ntids; i++)
	{
		heap_tid_check(index, &tids[i]);
		if (!is_dead(&tids[i], state))
			tids[live++] = tids[i];
	}
	return live;
}
