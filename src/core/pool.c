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

/* Number of entries with a key of at most `key`; no branch depends on the data. */
static inline int
pool_upper_bound(const Pool *pool, float key)
{
	const PoolEntry *base = pool->entries;
	int n = pool->size;

	while (n > 1)
	{
		int half = n / 2;

		base += (base[half - 1].key <= key) ? half : 0;
		n -= half;
	}
	return (int) (base - pool->entries) + (n == 1 && base->key <= key);
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
