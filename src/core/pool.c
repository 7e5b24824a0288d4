/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  The search pool.
 *
 *-------------------------------------------------------------------------
 */
#include "core/pool.h"

#include <string.h>

void
pool_init(Pool *pool, PoolEntry *entries, int capacity)
{
	pool->entries = entries;
	pool->capacity = capacity;
	pool->size = 0;
	pool->cursor = 0;
}

/* Entries that are compared one by one once their group has been found */
#define GROUP 16

/*
 * Number of entries with a key of at most `key`.  Comparisons do not wait for
 * each other as those of a binary search do, and no branch depends on the data.
 */
static inline int
pool_upper_bound(const Pool *pool, float key)
{
	const PoolEntry *entries = pool->entries;
	int place = 0;
	int end;
	int n = 0;

	for (int i = GROUP - 1; i < pool->size; i += GROUP)
		place += entries[i].key <= key ? GROUP : 0;
	end = pool->size - place < GROUP ? pool->size : place + GROUP;
	for (int i = place; i < end; i++)
		n += entries[i].key <= key;
	return place + n;
}

bool
pool_insert(Pool *pool, float key, uint32_t id, PoolEntry *dropped)
{
	bool full = pool->size == pool->capacity;
	int place;

	if (!pool_accepts(pool, key))
	{
		dropped->key = key;
		dropped->id = id;
		return true;
	}
	if (full)
		*dropped = pool->entries[--pool->size];
	place = pool_upper_bound(pool, key);
	memmove(pool->entries + place + 1, pool->entries + place,
			(size_t) (pool->size - place) * sizeof(PoolEntry));
	pool->entries[place].key = key;
	pool->entries[place].id = id;
	pool->size++;
	if (place < pool->cursor)
		pool->cursor = place;
	return full;
}

/*
 * Each candidate's place is the number of those that come before it: n comparisons that
 * vector instructions do several at a time, and no jump that depends on the data.
 */
void
pool_fill(Pool *pool, const float *keys, const uint32_t *ids, int n)
{
	for (int i = 0; i < n; i++)
	{
		float key = keys[i];
		int place = 0;

		for (int j = 0; j < i; j++)
			place += keys[j] <= key;
		for (int j = i + 1; j < n; j++)
			place += keys[j] < key;
		if (place < pool->capacity)
			pool->entries[place] = (PoolEntry){key, ids[i]};
	}
	pool->size = n < pool->capacity ? n : pool->capacity;
}

int
pool_expand_next(Pool *pool)
{
	for (; pool->cursor < pool->size; pool->cursor++)
	{
		PoolEntry *entry = &pool->entries[pool->cursor];

		if (!POOL_IS_EXPANDED(*entry))
		{
			entry->id |= POOL_EXPANDED;
			return pool->cursor++;
		}
	}
	return -1;
}
