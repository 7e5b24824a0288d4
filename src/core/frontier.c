/*-------------------------------------------------------------------------
 *
 * frontier.c
 *	  Ids a search has come across, by estimated keys.
 *
 *-------------------------------------------------------------------------
 */
#include "core/frontier.h"

#include <string.h>

/* Bounds of the levels above n numbers; returns how many levels, and all bounds in *total. */
static int
count_levels(uint32_t n, uint32_t *sizes, size_t *total)
{
	int nlevels = 0;

	*total = 0;
	do
	{
		n = (n + FRONTIER_FAN - 1) / FRONTIER_FAN;
		/* whole groups: a level is read FRONTIER_FAN at a time */
		sizes[nlevels] = (n + FRONTIER_FAN - 1) / FRONTIER_FAN * FRONTIER_FAN;
		*total += sizes[nlevels++];
	} while (n > FRONTIER_FAN);
	return nlevels;
}

size_t
frontier_size(uint32_t capacity)
{
	uint32_t sizes[FRONTIER_MAX_LEVELS];
	size_t bounds;

	count_levels(capacity, sizes, &bounds);
	return (size_t) capacity * (sizeof(uint32_t) + 2 * sizeof(float) + 2 * sizeof(FrontierSlot)) +
		   bounds * sizeof(float);
}

void
frontier_init(Frontier *frontier, void *memory, uint32_t capacity)
{
	uint32_t sizes[FRONTIER_MAX_LEVELS];
	size_t total;
	float *next;

	frontier->nlevels = count_levels(capacity, sizes, &total);
	frontier->capacity = capacity;
	frontier->mask = 2 * capacity - 1;
	frontier->slots = memory;
	frontier->ids = (uint32_t *) (frontier->slots + 2 * (size_t) capacity);
	frontier->keys = (float *) (frontier->ids + capacity);
	frontier->weights = frontier->keys + capacity;
	next = frontier->weights + capacity;
	for (int level = 0; level < frontier->nlevels; level++)
	{
		frontier->bounds[level] = next;
		next += sizes[level];
	}
	for (float *bound = frontier->bounds[0]; bound < next; bound++)
		*bound = INFINITY;
	memset(frontier->slots, 0, 2 * (size_t) capacity * sizeof(FrontierSlot));
	frontier->count = 0;
}

void
frontier_clear(Frontier *frontier)
{
	frontier_init(frontier, frontier->slots, frontier->capacity);
}

/* The slot of an id: where its place stands, or the empty one where it belongs */
static inline FrontierSlot *
find_slot(const Frontier *frontier, uint32_t id)
{
	uint32_t slot = (id * 0x9E3779B1u) >> 7;

	for (;; slot++)
	{
		FrontierSlot *found = &frontier->slots[slot & frontier->mask];

		if (found->number == 0 || found->id == id)
			return found;
	}
}

/* The key at a place may have fallen: no bound above it is to be higher. */
static inline void
lower_bounds(Frontier *frontier, uint32_t place, float key)
{
	for (int level = 0; level < frontier->nlevels; level++)
	{
		float *bound = &frontier->bounds[level][place /= FRONTIER_FAN];

		if (*bound <= key)
			return;
		*bound = key;
	}
}

/* Adds an id that goes to an empty slot. */
static inline uint32_t
add(Frontier *frontier, FrontierSlot *slot, uint32_t id, float key, float weight)
{
	uint32_t place = frontier->count++;

	if (place % FRONTIER_FAN == 0)
	{
		for (int i = 0; i < FRONTIER_FAN; i++)
			frontier->keys[place + i] = INFINITY;
	}
	slot->id = id;
	slot->number = place + 1;
	frontier->ids[place] = id;
	frontier->keys[place] = key;
	frontier->weights[place] = weight;
	lower_bounds(frontier, place, key);
	return place;
}

void
frontier_grow(Frontier *frontier, void *memory, uint32_t capacity)
{
	Frontier grown;

	frontier_init(&grown, memory, capacity);
	for (uint32_t place = 0; place < frontier->count; place++)
	{
		uint32_t id = frontier->ids[place];

		add(&grown, find_slot(&grown, id), id, frontier->keys[place], frontier->weights[place]);
	}
	*frontier = grown;
}

void
frontier_estimate(Frontier *frontier, uint32_t id, float key, float weight)
{
	FrontierSlot *slot = find_slot(frontier, id);
	uint32_t place;
	float before;

	if (slot->number == 0)
	{
		add(frontier, slot, id, key, weight);
		return;
	}
	place = slot->number - 1;
	before = frontier->weights[place];
	if (before < 0)
		return;
	weight += before;
	key = frontier->keys[place] + (key - frontier->keys[place]) * ((weight - before) / weight);
	frontier->keys[place] = key;
	frontier->weights[place] = weight;
	lower_bounds(frontier, place, key);
}

bool
frontier_knows(const Frontier *frontier, uint32_t id)
{
	return find_slot(frontier, id)->number != 0;
}

/* The first of FRONTIER_FAN numbers that is `wanted`, which one is; without a branch */
static inline uint32_t
find_number(const float *numbers, float wanted)
{
	int32_t first[4] = {FRONTIER_FAN, FRONTIER_FAN, FRONTIER_FAN, FRONTIER_FAN};

	for (int i = FRONTIER_FAN - 4; i >= 0; i -= 4)
	{
		for (int j = 0; j < 4; j++)
			first[j] = numbers[i + j] == wanted ? i + j : first[j];
	}
	first[0] = first[1] < first[0] ? first[1] : first[0];
	first[2] = first[3] < first[2] ? first[3] : first[2];
	return (uint32_t) (first[2] < first[0] ? first[2] : first[0]);
}

/* The least of FRONTIER_FAN numbers */
static inline float
least(const float *numbers)
{
	float lowest[4];

	for (int i = 0; i < 4; i++)
		lowest[i] = numbers[i];
	for (int i = 4; i < FRONTIER_FAN; i += 4)
	{
		for (int j = 0; j < 4; j++)
			lowest[j] = numbers[i + j] < lowest[j] ? numbers[i + j] : lowest[j];
	}
	lowest[0] = lowest[1] < lowest[0] ? lowest[1] : lowest[0];
	lowest[2] = lowest[3] < lowest[2] ? lowest[3] : lowest[2];
	return lowest[2] < lowest[0] ? lowest[2] : lowest[0];
}


/* Sets the bounds above a node of a level (0: a key) to what lies below them. */
static inline void
mend_bounds(Frontier *frontier, uint32_t node, int level)
{
	for (; level < frontier->nlevels; level++)
	{
		const float *below = level == 0 ? frontier->keys : frontier->bounds[level - 1];

		node /= FRONTIER_FAN;
		frontier->bounds[level][node] = least(below + (size_t) node * FRONTIER_FAN);
	}
}

bool
frontier_expand(Frontier *frontier, uint32_t id)
{
	FrontierSlot *slot = find_slot(frontier, id);
	uint32_t place =
		slot->number == 0 ? add(frontier, slot, id, INFINITY, 1) : slot->number - 1;

	if (frontier->weights[place] < 0)
		return false;
	frontier->weights[place] = -1;
	frontier->keys[place] = INFINITY;
	mend_bounds(frontier, place, 0);
	return true;
}

uint32_t
frontier_nearest(Frontier *frontier)
{
	int top = frontier->nlevels - 1;

	for (;;)
	{
		float key = least(frontier->bounds[top]);
		uint32_t node = 0;
		int level = top;
		const float *below;

		if (!(key < INFINITY))
			return FRONTIER_NONE;
		/* down along bounds that are as low as the lowest */
		for (;;)
		{
			float found;

			node = node * FRONTIER_FAN +
				   find_number(frontier->bounds[level] + node * FRONTIER_FAN, key);
			below = (level == 0 ? frontier->keys : frontier->bounds[level - 1]) +
					(size_t) node * FRONTIER_FAN;
			found = least(below);
			if (found != key)
			{
				/* nothing as low is there any more: up again with a better bound */
				frontier->bounds[level][node] = found;
				break;
			}
			if (level-- == 0)
				return node * FRONTIER_FAN + find_number(below, key);
		}
		mend_bounds(frontier, node, level + 1);
	}
}
