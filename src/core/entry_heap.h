/*-------------------------------------------------------------------------
 *
 * entry_heap.h
 *	  Binary min-heap of pool entries over an array of the caller's.
 *
 * A resumable search keeps the candidates that did not fit its pool here.
 * They are appended unordered at first; the heap is made when, and only when,
 * the search is resumed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_ENTRY_HEAP_H
#define ANN_ENTRY_HEAP_H

#include <stdint.h>

#include "core/pool.h"

/* Orders n entries as a heap, O(n). */
extern void entry_heap_build(PoolEntry *entries, uint32_t n);

/* Adds the entry at index n of a heap of n entries, O(log n). */
extern void entry_heap_push(PoolEntry *entries, uint32_t n, PoolEntry entry);

/* Takes the smallest entry off a heap of n > 0 entries, O(log n). */
extern PoolEntry entry_heap_pop(PoolEntry *entries, uint32_t n);

#endif /* ANN_ENTRY_HEAP_H */
