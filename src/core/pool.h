/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  The search pool: the best candidates seen so far, sorted by key.
 *
 * A flat array of (key, id), nearest first, with a flag per entry that tells
 * whether it has been expanded and a cursor at the first entry that has not.
 * Insertion is a search by comparisons that do not wait for each other and a
 * memmove of at most 8 * capacity bytes, which beats every heap at the sizes a
 * search uses (performance.md 5.1).
 * The caller owns the memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_POOL_H
#define ANN_POOL_H

#include <stdbool.h>
#include <stdint.h>

/* Ids use 31 bits; the top bit of an entry's id is the expanded flag. */
#define POOL_EXPANDED 0x80000000u
#define POOL_ID(entry) ((entry).id & ~POOL_EXPANDED)
#define POOL_IS_EXPANDED(entry) (((entry).id & POOL_EXPANDED) != 0)

typedef struct PoolEntry
{
	float key;
	uint32_t id;
} PoolEntry;

typedef struct Pool
{
	PoolEntry *entries; /* room for capacity entries, ascending by key */
	int capacity;
	int size;
	int cursor; /* every entry before it is expanded */
} Pool;

/* Empties the pool over entries, an array with room for capacity. */
extern void pool_init(Pool *pool, PoolEntry *entries, int capacity);

/* Would a candidate with this key enter the pool? */
static inline bool
pool_accepts(const Pool *pool, float key)
{
	return pool->size < pool->capacity || key < pool->entries[pool->size - 1].key;
}

/*
 * Inserts a candidate (equal keys: behind the ones already there).  Returns
 * true and sets *dropped when an entry had to leave: the former last one, or
 * the candidate itself when it does not enter.
 */
extern bool pool_insert(Pool *pool, float key, uint32_t id, PoolEntry *dropped);

/*
 * Fills an empty pool with n candidates, or the nearest of them: as if inserted one
 * after the other.
 */
extern void pool_fill(Pool *pool, const float *keys, const uint32_t *ids, int n);

/*
 * Marks the nearest unexpanded entry expanded and returns its index, or -1
 * when every entry is expanded.
 */
extern int pool_expand_next(Pool *pool);

#endif /* ANN_POOL_H */
