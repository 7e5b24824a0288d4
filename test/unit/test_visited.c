/*-------------------------------------------------------------------------
 *
 * test_visited.c
 *	  The visited set against an array of flags.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "core/random.h"
#include "core/visited.h"
#include "unit.h"

#define UNIVERSE 5000

static void
test_slots_for(void)
{
	for (uint32_t ids = 0; ids < 3000; ids++)
	{
		uint32_t slots = visited_slots_for(ids);

		CHECK((slots & (slots - 1)) == 0, "%u slots for %u ids", slots, ids);
		CHECK(slots / 2 >= ids, "%u slots for %u ids", slots, ids);
		CHECK(slots <= 8 || slots / 4 < ids, "%u slots for %u ids", slots, ids);
	}
	CHECK(visited_slots_for(UINT32_MAX) == UINT32_C(1) << 31, "most");
}

/* Doubles the set; returns the new slots. */
static uint64_t *
grow(VisitedSet *set, uint64_t *slots)
{
	uint32_t nslots = 2 * (set->mask + 1);
	uint64_t *larger = calloc(nslots, sizeof(uint64_t));

	visited_grow(set, larger, nslots);
	free(slots);
	return larger;
}

static void
test_against_flags(void)
{
	uint32_t nslots = visited_slots_for(4);
	uint64_t *slots = calloc(nslots, sizeof(uint64_t));
	static char flags[UNIVERSE];
	VisitedSet set;
	Random random;
	int count = 0;

	random_seed(&random, 1);
	visited_init(&set, slots, nslots);
	for (int round = 0; round < 200000; round++)
	{
		uint32_t i = (uint32_t) random_below(&random, UNIVERSE);
		uint32_t id = (i % 2) ? i : UINT32_MAX - i; /* both ends of the range */

		if (random_below(&random, 3000) == 0)
		{
			visited_clear(&set);
			memset(flags, 0, sizeof(flags));
			count = 0;
		}
		if (visited_is_full(&set))
			slots = grow(&set, slots);
		CHECK(visited_add(&set, id) == !flags[i], "round %d, id %u", round, id);
		count += !flags[i];
		flags[i] = 1;
		CHECK(set.count == (uint32_t) count, "round %d: count %u, not %d", round, set.count, count);
	}
	CHECK(set.mask + 1 > nslots, "the set has grown");
	free(slots);
}

/* When the epoch wraps around, ids of an old epoch must not come back. */
static void
test_epoch_wraps(void)
{
	uint64_t slots[16] = {0};
	VisitedSet set;

	visited_init(&set, slots, 16);
	CHECK(visited_add(&set, 5), "first");
	set.epoch = UINT32_MAX;
	CHECK(visited_add(&set, 6), "last epoch");
	visited_clear(&set);
	CHECK(set.epoch != 0, "epoch 0 is that of empty slots");
	CHECK(visited_add(&set, 5) && visited_add(&set, 6), "forgotten");
	CHECK(!visited_add(&set, 5) && !visited_add(&set, 6), "in");
	CHECK(visited_add(&set, 0) && !visited_add(&set, 0), "id 0");
}

int
main(void)
{
	RUN(test_slots_for);
	RUN(test_against_flags);
	RUN(test_epoch_wraps);
	return unit_finish();
}
