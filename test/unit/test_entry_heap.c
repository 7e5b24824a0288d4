/*-------------------------------------------------------------------------
 *
 * test_entry_heap.c
 *	  The heap of leftover candidates against a sorted array.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "core/entry_heap.h"
#include "core/random.h"
#include "unit.h"

#define MAX_ENTRIES 500
#define ROUNDS 200

static int
compare_keys(const void *a, const void *b)
{
	float x = ((const PoolEntry *) a)->key;
	float y = ((const PoolEntry *) b)->key;

	return (x > y) - (x < y);
}

/* n entries with few distinct keys, infinity among them */
static void
fill(Random *random, PoolEntry *entries, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		entries[i].key = (float) random_below(random, 50) - 25;
		if (random_below(random, 20) == 0)
			entries[i].key = INFINITY;
		entries[i].id = i;
	}
}

/* Pops everything and compares with what qsort says; every id comes once. */
static void
check_order(PoolEntry *heap, const PoolEntry *entries, uint32_t n)
{
	PoolEntry sorted[MAX_ENTRIES];
	char seen[MAX_ENTRIES] = {0};

	memcpy(sorted, entries, n * sizeof(PoolEntry));
	qsort(sorted, n, sizeof(PoolEntry), compare_keys);
	for (uint32_t i = 0; i < n; i++)
	{
		PoolEntry popped = entry_heap_pop(heap, n - i);

		CHECK(popped.key == sorted[i].key, "entry %u of %u: %g, not %g", i, n, popped.key,
			  sorted[i].key);
		CHECK(entries[popped.id].key == popped.key && !seen[popped.id], "id %u", popped.id);
		seen[popped.id] = 1;
	}
}

static void
heap_built_at_once(void)
{
	PoolEntry entries[MAX_ENTRIES];
	PoolEntry heap[MAX_ENTRIES];
	Random random;

	random_seed(&random, 1);
	for (int round = 0; round < ROUNDS; round++)
	{
		uint32_t n = (uint32_t) random_below(&random, MAX_ENTRIES + 1);

		fill(&random, entries, n);
		memcpy(heap, entries, n * sizeof(PoolEntry));
		entry_heap_build(heap, n);
		check_order(heap, entries, n);
	}
}

static void
heap_built_by_pushes(void)
{
	PoolEntry entries[MAX_ENTRIES];
	PoolEntry heap[MAX_ENTRIES];
	Random random;

	random_seed(&random, 2);
	for (int round = 0; round < ROUNDS; round++)
	{
		uint32_t n = (uint32_t) random_below(&random, MAX_ENTRIES + 1);

		fill(&random, entries, n);
		for (uint32_t i = 0; i < n; i++)
			entry_heap_push(heap, i, entries[i]);
		check_order(heap, entries, n);
	}
}

int
main(void)
{
	RUN(heap_built_at_once);
	RUN(heap_built_by_pushes);
	return unit_finish();
}
