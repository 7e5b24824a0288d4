/*-------------------------------------------------------------------------
 *
 * frontier.c
 *	  Ids a search has come across, by estimated keys.
 *
 *-------------------------------------------------------------------------
 */
#include "core/frontier.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define EXPANDED UINT32_C(0x80000000)

/* Numbers that are compared at a time */
#define STEP 16

#define CACHE_LINE 64

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
		   bounds * sizeof(float) + CACHE_LINE - 1;
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
	frontier->shift = (uint32_t) __builtin_clz(frontier->mask);
	frontier->slots =
		(FrontierSlot *) (((uintptr_t) memory + CACHE_LINE - 1) & ~(uintptr_t) (CACHE_LINE - 1));
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

/*
 * The slot of an id: where its place stands, or the empty one where it belongs.
 * The two must not be told apart by a jump, which would be as good as random:
 * the product is 0 for both.
 */
static inline uint32_t
find_slot(const Frontier *frontier, uint32_t id)
{
	const FrontierSlot *slots = frontier->slots;
	uint32_t slot = (id * 0x9E3779B1u) >> frontier->shift;

	while ((uint64_t) slots[slot].number * (slots[slot].id ^ id) != 0)
		slot = (slot + 1) & frontier->mask;
	return slot;
}

/* The key at a place has fallen: no bound above it is to be higher. */
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
add(Frontier *frontier, uint32_t slot, uint32_t id, float key, float weight)
{
	uint32_t place = frontier->count++;

	if (place % FRONTIER_FAN == 0)
	{
		for (int i = 0; i < FRONTIER_FAN; i++)
			frontier->keys[place + i] = INFINITY;
	}
	frontier->slots[slot].id = id;
	frontier->slots[slot].number = place + 1;
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
		uint32_t slot = find_slot(&grown, id);
		float key = frontier->keys[place];

		add(&grown, slot, id, key, frontier->weights[place]);
		if (!(key < INFINITY))
			grown.slots[slot].number |= EXPANDED;
	}
	*frontier = grown;
}

static inline float
limit_key(float key)
{
	key = key < FRONTIER_MAX_KEY ? key : FRONTIER_MAX_KEY;
	return key > -FRONTIER_MAX_KEY ? key : -FRONTIER_MAX_KEY;
}

static inline float
limit_weight(float weight)
{
	return weight < FRONTIER_EXACT ? weight : INFINITY;
}

/* Takes in a further estimate of the key at a place that is not expanded. */
static inline void
improve(Frontier *frontier, uint32_t place, float key, float weight)
{
	float before = frontier->keys[place];
	float sum = frontier->weights[place] + weight;

	key = before + (limit_key(key) - before) * (weight / sum);
	frontier->keys[place] = key;
	frontier->weights[place] = limit_weight(sum);
	lower_bounds(frontier, place, key);
}

/*
 * In two passes, because whether an id is new, known or expanded cannot be
 * foretold: the first sorts the lanes without a jump that depends on it.
 */
void
frontier_estimate_lanes(Frontier *frontier, const uint32_t *ids, const float *keys,
						const float *weights, uint32_t lanes)
{
	uint32_t places[FRONTIER_LANES];
	uint32_t slots[FRONTIER_LANES];
	uint8_t known[FRONTIER_LANES];
	uint8_t new[FRONTIER_LANES];
	int nknown = 0;
	int nnew = 0;

	for (; lanes != 0; lanes &= lanes - 1)
	{
		int lane = __builtin_ctz(lanes);
		uint32_t slot = find_slot(frontier, ids[lane]);
		uint32_t number = frontier->slots[slot].number;

		known[nknown] = new[nnew] = (uint8_t) lane;
		places[nknown] = number - 1;
		slots[nnew] = slot;
		nknown += (int32_t) number > 0;
		nnew += number == 0;
	}
	for (int i = 0; i < nknown; i++)
		improve(frontier, places[i], keys[known[i]], weights[known[i]]);
	for (int i = 0; i < nnew; i++)
	{
		uint32_t slot = slots[i];

		/* another new one may have taken it */
		while (frontier->slots[slot].number != 0)
			slot = (slot + 1) & frontier->mask;
		add(frontier, slot, ids[new[i]], limit_key(keys[new[i]]), limit_weight(weights[new[i]]));
	}
}

void
frontier_estimate(Frontier *frontier, uint32_t id, float key, float weight)
{
	frontier_estimate_lanes(frontier, &id, &key, &weight, 1);
}

bool
frontier_knows(const Frontier *frontier, uint32_t id)
{
	return frontier->slots[find_slot(frontier, id)].number != 0;
}

#ifdef __SSE2__

/* The least of n numbers, a multiple of STEP and at most FRONTIER_FAN */
static inline float
least(const float *numbers, uint32_t n)
{
	__m128 lowest[4];

	for (int j = 0; j < 4; j++)
		lowest[j] = _mm_loadu_ps(numbers + 4 * j);
	for (uint32_t i = STEP; i < n; i += STEP)
	{
		for (int j = 0; j < 4; j++)
			lowest[j] = _mm_min_ps(lowest[j], _mm_loadu_ps(numbers + i + 4 * j));
	}
	lowest[0] = _mm_min_ps(_mm_min_ps(lowest[0], lowest[1]), _mm_min_ps(lowest[2], lowest[3]));
	lowest[0] = _mm_min_ps(lowest[0], _mm_movehl_ps(lowest[0], lowest[0]));
	return _mm_cvtss_f32(_mm_min_ss(lowest[0], _mm_shuffle_ps(lowest[0], lowest[0], 1)));
}

/* Bit i: number i of n is `wanted`; n as above */
static inline uint64_t
find_number(const float *numbers, uint32_t n, float wanted)
{
	__m128 all = _mm_set1_ps(wanted);
	uint64_t found = 0;

	for (uint32_t i = 0; i < n; i += STEP)
	{
		__m128i is[4];

		for (int j = 0; j < 4; j++)
			is[j] = _mm_castps_si128(_mm_cmpeq_ps(_mm_loadu_ps(numbers + i + 4 * j), all));
		is[0] = _mm_packs_epi16(_mm_packs_epi32(is[0], is[1]), _mm_packs_epi32(is[2], is[3]));
		found |= (uint64_t) _mm_movemask_epi8(is[0]) << i;
	}
	return found;
}

#else

static inline float
least(const float *numbers, uint32_t n)
{
	float lowest[STEP];

	for (int j = 0; j < STEP; j++)
		lowest[j] = numbers[j];
	for (uint32_t i = STEP; i < n; i += STEP)
	{
		for (int j = 0; j < STEP; j++)
			lowest[j] = numbers[i + j] < lowest[j] ? numbers[i + j] : lowest[j];
	}
	for (int half = STEP / 2; half > 0; half /= 2)
	{
		for (int j = 0; j < half; j++)
			lowest[j] = lowest[j + half] < lowest[j] ? lowest[j + half] : lowest[j];
	}
	return lowest[0];
}

static inline uint64_t
find_number(const float *numbers, uint32_t n, float wanted)
{
	uint64_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		found |= (uint64_t) (numbers[i] == wanted) << i;
	return found;
}

#endif

/* What lies below a level: the level below it, or the keys */
static inline const float *
level_below(const Frontier *frontier, int level)
{
	return level == 0 ? frontier->keys : frontier->bounds[level - 1];
}

/* Sets the bound of a node of a level, and those above it, to what lies below them. */
static inline void
mend_bounds(Frontier *frontier, uint32_t node, int level)
{
	for (; level < frontier->nlevels; level++)
	{
		const float *below = level_below(frontier, level);

		frontier->bounds[level][node] = least(below + (size_t) node * FRONTIER_FAN, FRONTIER_FAN);
		node /= FRONTIER_FAN;
	}
}

bool
frontier_expand(Frontier *frontier, uint32_t id)
{
	uint32_t slot = find_slot(frontier, id);
	uint32_t number = frontier->slots[slot].number;

	if ((number & EXPANDED) != 0)
		return false;
	if (number == 0)
		number = add(frontier, slot, id, INFINITY, INFINITY) + 1;
	frontier->slots[slot].number = number | EXPANDED;
	frontier->keys[number - 1] = INFINITY;
	mend_bounds(frontier, (number - 1) / FRONTIER_FAN, 0);
	return true;
}

/* Nodes of the highest level that are in use, up to a multiple of STEP */
static inline uint32_t
top_size(const Frontier *frontier)
{
	uint32_t n = frontier->count;

	for (int level = 0; level < frontier->nlevels; level++)
		n = (n + FRONTIER_FAN - 1) / FRONTIER_FAN;
	return (n + STEP - 1) / STEP * STEP;
}

uint32_t
frontier_nearest(Frontier *frontier)
{
	int top = frontier->nlevels - 1;
	uint32_t ntop = top_size(frontier);

	if (ntop == 0)
		return FRONTIER_NONE;
	for (;;)
	{
		float key = least(frontier->bounds[top], ntop);
		uint64_t found = find_number(frontier->bounds[top], ntop, key);
		uint32_t node = 0;
		int level = top;

		if (!(key < INFINITY))
			return FRONTIER_NONE;
		/* down along bounds that are as low as the lowest */
		for (; found != 0 && level >= 0; level--)
		{
			node = node * FRONTIER_FAN + (uint32_t) __builtin_ctzll(found);
			found = find_number(level_below(frontier, level) + (size_t) node * FRONTIER_FAN,
								FRONTIER_FAN, key);
		}
		if (found != 0)
			return node * FRONTIER_FAN + (uint32_t) __builtin_ctzll(found);
		/* nothing as low is there any more: up again with a better bound */
		mend_bounds(frontier, node, level + 1);
	}
}
