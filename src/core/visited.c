/*-------------------------------------------------------------------------
 *
 * visited.c
 *	  Set of ids that is emptied in constant time.
 *
 *-------------------------------------------------------------------------
 */
#include "core/visited.h"

#include <string.h>

/* One cache line of slots */
#define VISITED_MIN_SLOTS 8

uint32_t
visited_slots_for(uint32_t ids)
{
	uint64_t slots = VISITED_MIN_SLOTS;

	while (slots < 2 * (uint64_t) ids && slots < UINT32_C(1) << 31)
		slots *= 2;
	return (uint32_t) slots;
}

void
visited_init(VisitedSet *set, uint64_t *slots, uint32_t nslots)
{
	set->slots = slots;
	set->mask = nslots - 1;
	set->limit = nslots / 2;
	set->count = 0;
	set->epoch = 1;
}

void
visited_clear(VisitedSet *set)
{
	set->count = 0;
	if (++set->epoch == 0)
	{
		memset(set->slots, 0, ((size_t) set->mask + 1) * sizeof(uint64_t));
		set->epoch = 1;
	}
}

void
visited_grow(VisitedSet *set, uint64_t *slots, uint32_t nslots)
{
	VisitedSet grown;

	visited_init(&grown, slots, nslots);
	for (size_t i = 0; i <= set->mask; i++)
	{
		if ((uint32_t) (set->slots[i] >> 32) == set->epoch)
			visited_add(&grown, (uint32_t) set->slots[i]);
	}
	*set = grown;
}
