/*-------------------------------------------------------------------------
 *
 * visited.h
 *	  Set of 32-bit ids that is emptied in constant time.
 *
 * Open addressing with linear probing; a slot holds an id and the epoch that
 * wrote it, so that clearing is one increment.  The caller owns the memory
 * and provides more when visited_is_full() says so; the set never allocates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VISITED_H
#define ANN_VISITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct VisitedSet
{
	uint64_t *slots; /* epoch << 32 | id */
	uint32_t mask;	 /* number of slots - 1, a power of two less one */
	uint32_t limit;	 /* full at this many ids: half the slots */
	uint32_t count;
	uint32_t epoch; /* of the ids that are in; 0 is never used */
} VisitedSet;

/* Slots to allocate (8 bytes each) to hold ids at half load */
extern uint32_t visited_slots_for(uint32_t ids);

/* An empty set over nslots zeroed slots (a power of two) */
extern void visited_init(VisitedSet *set, uint64_t *slots, uint32_t nslots);

/* Empties the set; O(1) but once in 2^32 - 1 calls. */
extern void visited_clear(VisitedSet *set);

static inline bool
visited_is_full(const VisitedSet *set)
{
	return set->count >= set->limit;
}

/*
 * Moves the set to a larger array of nslots zeroed slots; the caller frees the
 * old array afterwards.
 */
extern void visited_grow(VisitedSet *set, uint64_t *slots, uint32_t nslots);

/*
 * Adds id; true if it was not in before.  The set must not be full.
 */
static inline bool
visited_add(VisitedSet *set, uint32_t id)
{
	uint64_t wanted = ((uint64_t) set->epoch << 32) | id;
	uint32_t slot = (id * 0x9E3779B1u) >> 7;

	for (;; slot++)
	{
		uint64_t *s = &set->slots[slot & set->mask];

		if (*s == wanted)
			return false;
		if ((uint32_t) (*s >> 32) != set->epoch)
		{
			*s = wanted;
			set->count++;
			return true;
		}
	}
}

#endif /* ANN_VISITED_H */
