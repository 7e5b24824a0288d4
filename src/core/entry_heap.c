/*-------------------------------------------------------------------------
 *
 * entry_heap.c
 *	  Binary min-heap of pool entries over an array of the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "core/entry_heap.h"

static void
sift_down(PoolEntry *entries, uint32_t n, uint32_t i)
{
	PoolEntry moving = entries[i];

	for (;;)
	{
		uint32_t child = 2 * i + 1;

		if (child >= n)
			break;
		if (child + 1 < n && entries[child + 1].key < entries[child].key)
			child++;
		if (moving.key <= entries[child].key)
			break;
		entries[i] = entries[child];
		i = child;
	}
	entries[i] = moving;
}

void
entry_heap_build(PoolEntry *entries, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift_down(entries, n, i);
}

void
entry_heap_push(PoolEntry *entries, uint32_t n, PoolEntry entry)
{
	uint32_t i = n;

	while (i > 0)
	{
		uint32_t parent = (i - 1) / 2;

		if (entries[parent].key <= entry.key)
			break;
		entries[i] = entries[parent];
		i = parent;
	}
	entries[i] = entry;
}

PoolEntry
entry_heap_pop(PoolEntry *entries, uint32_t n)
{
	PoolEntry smallest = entries[0];

	if (n > 1)
	{
		entries[0] = entries[n - 1];
		sift_down(entries, n - 1, 0);
	}
	return smallest;
}
