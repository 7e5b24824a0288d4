/*-------------------------------------------------------------------------
 *
 * dead_rows.c
 *	  Which of some rows are dead, as far as their table shows at once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "storage/bufmgr.h"

#include "access/dead_rows.h"

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

/*
 * Prunes a page of the table if there may be something to prune, which the server does by itself
 * only where little room is left: the hint that there is none makes it do so.
 */
static void
prune_page(Relation heap, Buffer buffer)
{
	Page page = BufferGetPage(buffer);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (TransactionIdIsValid(((PageHeader) page)->pd_prune_xid))
		PageSetFull(page);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	heap_page_prune_opt(heap, buffer);
}

/* Moves those of n TIDs of one block that are dead to `dead`; returns how many. */
static int
find_on_page(Relation heap, const ItemPointerData *tids, int n, ItemPointerData *dead)
{
	Buffer buffer = ReadBuffer(heap, ItemPointerGetBlockNumber(&tids[0]));
	int ndead = 0;
	Page page;

	prune_page(heap, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	for (int i = 0; i < n; i++)
	{
		OffsetNumber offset = ItemPointerGetOffsetNumber(&tids[i]);

		if (offset <= PageGetMaxOffsetNumber(page) && ItemIdIsDead(PageGetItemId(page, offset)))
			dead[ndead++] = tids[i];
	}
	UnlockReleaseBuffer(buffer);
	return ndead;
}

int
dead_rows_find(Relation heap, ItemPointerData *tids, int n)
{
	Buffer map_buffer = InvalidBuffer;
	int ndead = 0;
	int end;

	if (heap->rd_tableam != GetHeapamTableAmRoutine())
		return 0;
	qsort(tids, n, sizeof(ItemPointerData), compare_tids);
	for (int i = 0; i < n; i = end)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&tids[i]);

		for (end = i + 1; end < n && ItemPointerGetBlockNumber(&tids[end]) == block;)
			end++;
		if (!VM_ALL_VISIBLE(heap, block, &map_buffer))
			ndead += find_on_page(heap, tids + i, end - i, tids + ndead);
	}
	if (BufferIsValid(map_buffer))
		ReleaseBuffer(map_buffer);
	return ndead;
}
