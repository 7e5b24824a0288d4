/*-------------------------------------------------------------------------
 *
 * test_frontier.c
 *	  The frontier against arrays that are searched from end to end.
 *
 *-------------------------------------------------------------------------
 */
#include <float.h>
#include <string.h>

#include "core/frontier.h"
#include "core/random.h"
#include "unit.h"

/* Relative error of a mean of float32 keys in float32, per estimate */
#define TOLERANCE 3e-7

/* 1 / 0x9E3779B1 modulo 2^32: small multiples of it have small hashes */
#define COLLIDING 0x0E8B2F51u

#define LARGEST 70000

/* The model: ids in the order they came */
typedef struct Model
{
	uint32_t ids[LARGEST];
	double keys[LARGEST];
	double weights[LARGEST];
	double errors[LARGEST]; /* how far the frontier's key may be off */
	bool expanded[LARGEST];
	bool exact[LARGEST];
	uint32_t count;
} Model;

/* A frontier, its memory and its model */
typedef struct Pair
{
	Frontier frontier;
	void *memory;
	Model model;
} Pair;

static Pair pair;

static void
start(uint32_t capacity)
{
	pair.memory = malloc(frontier_size(capacity));
	memset(pair.memory, 0xA5, frontier_size(capacity));
	frontier_init(&pair.frontier, pair.memory, capacity);
	pair.model.count = 0;
}

static void
finish(void)
{
	free(pair.memory);
}

static void
clear(void)
{
	frontier_clear(&pair.frontier);
	pair.model.count = 0;
}

/* Doubles the capacity until there is room for n more, as callers do. */
static void
make_room(uint32_t n)
{
	while (!frontier_has_room(&pair.frontier, n))
	{
		uint32_t capacity = 2 * pair.frontier.capacity;
		void *larger = malloc(frontier_size(capacity));

		memset(larger, 0xA5, frontier_size(capacity));
		frontier_grow(&pair.frontier, larger, capacity);
		free(pair.memory);
		pair.memory = larger;
	}
}

static uint32_t
model_find(uint32_t id)
{
	for (uint32_t i = 0; i < pair.model.count; i++)
	{
		if (pair.model.ids[i] == id)
			return i;
	}
	return FRONTIER_NONE;
}

static double
limited(double key)
{
	return fmax(fmin(key, (double) FRONTIER_MAX_KEY), -(double) FRONTIER_MAX_KEY);
}

static void
model_estimate(uint32_t id, double key, double weight)
{
	Model *model = &pair.model;
	uint32_t i = model_find(id);

	key = limited(key);
	if (i == FRONTIER_NONE)
	{
		i = model->count++;
		model->ids[i] = id;
		model->keys[i] = key;
		model->weights[i] = weight;
		model->errors[i] = 0;
		model->expanded[i] = false;
		model->exact[i] = weight >= (double) FRONTIER_EXACT;
	}
	else if (!model->expanded[i] && !model->exact[i])
	{
		model->errors[i] += TOLERANCE * (fabs(key) + fabs(model->keys[i]));
		model->keys[i] =
			(model->keys[i] * model->weights[i] + key * weight) / (model->weights[i] + weight);
		model->weights[i] += weight;
		model->exact[i] = model->weights[i] >= (double) FRONTIER_EXACT;
	}
}

static void
estimate(uint32_t id, float key, float weight)
{
	make_room(1);
	frontier_estimate(&pair.frontier, id, key, weight);
	model_estimate(id, (double) key, (double) weight);
}

static void
expand(uint32_t id)
{
	Model *model = &pair.model;
	uint32_t i = model_find(id);
	bool is_new;

	if (i == FRONTIER_NONE)
	{
		model_estimate(id, 0, 1);
		i = model->count - 1;
	}
	make_room(1);
	is_new = frontier_expand(&pair.frontier, id);
	CHECK(is_new == !model->expanded[i], "id %u: expanded %d", id, is_new);
	model->expanded[i] = true;
}

/* Places, ids and keys are the model's. */
static void
check_keys(void)
{
	const Frontier *frontier = &pair.frontier;
	const Model *model = &pair.model;

	CHECK(frontier->count == model->count, "count %u, not %u", frontier->count, model->count);
	for (uint32_t i = 0; i < model->count; i++)
	{
		double key = (double) frontier->keys[i];

		CHECK(frontier->ids[i] == model->ids[i], "place %u", i);
		CHECK(frontier_knows(frontier, model->ids[i]), "place %u", i);
		if (model->expanded[i])
			continue;
		CHECK(fabs(key - model->keys[i]) <= model->errors[i], "place %u: %.9g, not %.9g", i, key,
			  model->keys[i]);
	}
}

/*
 * frontier_nearest() is the first of those least among the frontier's keys that
 * are not expanded.  Returns it.
 */
static uint32_t
check_nearest(void)
{
	const Frontier *frontier = &pair.frontier;
	uint32_t nearest = frontier_nearest(&pair.frontier);
	uint32_t wanted = FRONTIER_NONE;

	for (uint32_t i = 0; i < pair.model.count; i++)
	{
		if (!pair.model.expanded[i] &&
			(wanted == FRONTIER_NONE || frontier->keys[i] < frontier->keys[wanted]))
			wanted = i;
	}
	CHECK(nearest == wanted, "nearest %u, not %u of %u", nearest, wanted, pair.model.count);
	return wanted;
}

/* Expands the nearest until there is none, each id once. */
static void
check_drain(void)
{
	Model *model = &pair.model;
	uint32_t left = 0;
	uint32_t place;

	for (uint32_t i = 0; i < model->count; i++)
		left += !model->expanded[i];
	for (; (place = check_nearest()) != FRONTIER_NONE && left > 0; left--)
		expand(model->ids[place]);
	CHECK(left == 0, "%u left", left);
	CHECK(frontier_nearest(&pair.frontier) == FRONTIER_NONE, "none is left");
}

/* An id out of `universe`: from both ends of the range, or hashing to few slots */
static uint32_t
random_id(Random *random, uint32_t universe, bool colliding)
{
	uint32_t i = (uint32_t) random_below(random, universe);

	if (colliding)
		return i * COLLIDING;
	return i % 2 != 0 ? i : UINT32_MAX - i;
}

/* Kinds of keys of the random sequences */
static float
random_key(Random *random, int kind)
{
	static const float few[] = {-1, -0.0f, 0, 1, 2};
	static const float far[] = {-FLT_MAX, FLT_MAX,			 -INFINITY,
								INFINITY, -FRONTIER_MAX_KEY, FRONTIER_MAX_KEY};

	if (kind == 0) /* many equal ones */
		return few[random_below(random, 5)];
	if (kind == 1 && random_below(random, 4) == 0)
		return far[random_below(random, 6)];
	return (float) random_gaussian(random) * 100;
}

static float
random_weight(Random *random)
{
	uint64_t kind = random_below(random, 20);

	if (kind == 0)
		return FRONTIER_EXACT;
	if (kind == 1)
		return FLT_MIN;
	return (float) exp(random_gaussian(random) * 3);
}

/* A batch of lanes with different ids, some of them left out */
static void
estimate_lanes(Random *random, uint32_t universe, bool colliding, int kind)
{
	uint32_t ids[FRONTIER_LANES];
	float keys[FRONTIER_LANES];
	float weights[FRONTIER_LANES];
	uint32_t lanes = (uint32_t) random_next(random);

	for (int lane = 0; lane < FRONTIER_LANES; lane++)
	{
		ids[lane] = random_id(random, universe, colliding);
		keys[lane] = random_key(random, kind);
		weights[lane] = random_weight(random);
		for (int other = 0; other < lane; other++)
		{
			if (ids[other] == ids[lane])
				lanes &= ~(UINT32_C(1) << lane);
		}
	}
	make_room(FRONTIER_LANES);
	frontier_estimate_lanes(&pair.frontier, ids, keys, weights, lanes);
	for (int lane = 0; lane < FRONTIER_LANES; lane++)
	{
		if ((lanes >> lane & 1) != 0)
			model_estimate(ids[lane], (double) keys[lane], (double) weights[lane]);
	}
}

static void
random_sequence(Random *random, int nsteps, uint32_t universe, bool colliding, int kind)
{
	for (int step = 0; step < nsteps; step++)
	{
		uint32_t id = random_id(random, universe, colliding);
		uint64_t what = random_below(random, 1000);

		if (what < 2)
			clear();
		else if (what < 400)
			estimate(id, random_key(random, kind), random_weight(random));
		else if (what < 500)
			estimate_lanes(random, universe, colliding, kind);
		else if (what < 600)
			expand(id);
		else if (what < 700)
			CHECK(frontier_knows(&pair.frontier, id) == (model_find(id) != FRONTIER_NONE), "id %u",
				  id);
		else
		{
			uint32_t place = check_nearest();

			if (place != FRONTIER_NONE && what < 900)
				expand(pair.model.ids[place]);
		}
		if (step % 16 == 0)
			check_keys();
	}
	check_keys();
}

static void
test_random_sequences(void)
{
	static const uint32_t universes[] = {10, 100, 3000};
	Random random;

	random_seed(&random, 1);
	for (int kind = 0; kind < 3; kind++)
	{
		for (int colliding = 0; colliding < 2; colliding++)
		{
			for (int i = 0; i < 3; i++)
			{
				start(FRONTIER_FAN);
				random_sequence(&random, 6000, universes[i], colliding != 0, kind);
				check_drain();
				finish();
			}
		}
	}
}

/* Rising and falling keys of one id among others */
static void
test_mean(void)
{
	start(FRONTIER_FAN);
	estimate(7, 10, 1);
	estimate(8, 11, 1);
	CHECK(frontier_nearest(&pair.frontier) == 0, "10 before 11");
	estimate(7, 14, 1);
	CHECK(pair.frontier.keys[0] == 12, "mean of 10 and 14: %g", (double) pair.frontier.keys[0]);
	CHECK(frontier_nearest(&pair.frontier) == 1, "11 before 12");
	estimate(7, 0, 2);
	CHECK(pair.frontier.keys[0] == 6, "(10 + 14 + 2 * 0) / 4: %g", (double) pair.frontier.keys[0]);
	CHECK(frontier_nearest(&pair.frontier) == 0, "6 before 11");
	estimate(9, 6, 1);
	CHECK(frontier_nearest(&pair.frontier) == 0, "the first of equals");
	finish();
}

static void
test_exact(void)
{
	static const float others[] = {0,		 1e6f,		FLT_MAX,		   -FLT_MAX,
								   INFINITY, -INFINITY, 3.14159265358979f, FLT_MIN};
	static const float weights[] = {FLT_MIN, 1, 1e20f, FRONTIER_EXACT};

	start(FRONTIER_FAN);
	estimate(1, 3.25f, FRONTIER_EXACT);
	estimate(2, 5, 1);
	estimate(2, 7.5f, FRONTIER_EXACT);
	CHECK(pair.frontier.keys[1] == 7.5f, "exact after an estimate: %.9g",
		  (double) pair.frontier.keys[1]);
	for (int i = 0; i < 8; i++)
	{
		for (int j = 0; j < 4; j++)
		{
			estimate(1, others[i], weights[j]);
			estimate(2, others[i], weights[j]);
		}
	}
	CHECK(pair.frontier.keys[0] == 3.25f, "exact: %.9g", (double) pair.frontier.keys[0]);
	CHECK(pair.frontier.keys[1] == 7.5f, "exact: %.9g", (double) pair.frontier.keys[1]);
	check_keys();
	finish();
}

/* The largest keys are expanded too, and their mean is none but a number. */
static void
test_extremes(void)
{
	start(FRONTIER_FAN);
	estimate(1, FLT_MAX, 1);
	estimate(2, INFINITY, 1);
	estimate(3, -FLT_MAX, 1);
	estimate(4, -INFINITY, 1);
	CHECK(check_nearest() == 2, "-FLT_MAX");
	estimate(1, -FLT_MAX, 1);
	CHECK(pair.frontier.keys[0] == 0, "mean of opposite ones: %g", (double) pair.frontier.keys[0]);
	for (int i = 0; i < 100; i++)
	{
		estimate(2, FLT_MAX, 0.1f);
		estimate(3, -FLT_MAX, 0.3f);
	}
	check_keys();
	check_drain();
	finish();
}

static void
test_nothing(void)
{
	start(FRONTIER_FAN);
	CHECK(frontier_nearest(&pair.frontier) == FRONTIER_NONE, "empty");
	CHECK(!frontier_knows(&pair.frontier, 0), "0");
	frontier_estimate_lanes(&pair.frontier, NULL, NULL, NULL, 0);
	CHECK(pair.frontier.count == 0, "no lane");
	expand(0);
	CHECK(frontier_nearest(&pair.frontier) == FRONTIER_NONE, "expanded without an estimate");
	estimate(0, 1, 1);
	estimate(0, -FLT_MAX, FRONTIER_EXACT);
	CHECK(frontier_nearest(&pair.frontier) == FRONTIER_NONE, "expanded before its estimate");
	estimate(UINT32_MAX, 1, 1);
	CHECK(check_nearest() == 1, "the last id");
	clear();
	CHECK(frontier_nearest(&pair.frontier) == FRONTIER_NONE, "cleared");
	CHECK(!frontier_knows(&pair.frontier, 0) && !frontier_knows(&pair.frontier, UINT32_MAX),
		  "cleared");
	finish();
}

/*
 * n ids in a frontier of this capacity to begin with.  The model is not
 * searched, which would take too long: ids are places.
 */
static void
check_border(uint32_t capacity, uint32_t n)
{
	Model *model = &pair.model;

	start(capacity);
	for (uint32_t i = 0; i < n; i++)
	{
		make_room(1);
		frontier_estimate(&pair.frontier, i, (float) ((i * UINT64_C(48271)) % 65537), 1);
		model->keys[i] = (double) ((i * UINT64_C(48271)) % 65537);
	}
	CHECK(pair.frontier.count == n, "%u of %u", pair.frontier.count, n);
	/* half of the keys become others, most of them higher */
	for (uint32_t i = 0; i < n; i += 2)
	{
		frontier_estimate(&pair.frontier, i, 100000, 1);
		model->keys[i] = (model->keys[i] + 100000) / 2;
	}
	for (double last = -1; n > 0; n--)
	{
		uint32_t place = frontier_nearest(&pair.frontier);

		CHECK(place != FRONTIER_NONE, "%u left", n);
		if (place == FRONTIER_NONE)
			break;
		CHECK((double) pair.frontier.keys[place] == model->keys[place], "place %u", place);
		CHECK(model->keys[place] >= last, "%g after %g", model->keys[place], last);
		last = model->keys[place];
		CHECK(frontier_expand(&pair.frontier, pair.frontier.ids[place]), "place %u", place);
	}
	CHECK(frontier_nearest(&pair.frontier) == FRONTIER_NONE, "none is left");
	finish();
}

static void
test_level_borders(void)
{
	static const uint32_t borders[] = {1, 16, 32, 64, 128, 1024, 4096, 32768, 65536};

	for (int i = 0; i < 9; i++)
	{
		uint32_t capacity = FRONTIER_FAN;

		while (capacity < borders[i])
			capacity *= 2;
		check_border(capacity, borders[i] - 1);
		check_border(capacity, borders[i]);
		check_border(capacity, borders[i] + 1); /* grows */
		check_border(2 * capacity, borders[i] + 1);
		check_border(FRONTIER_FAN, borders[i]);
	}
}

/* Memory need not be aligned, and no more of it is used than was asked for. */
static void
test_memory(void)
{
	for (uint32_t capacity = FRONTIER_FAN; capacity <= 8192; capacity *= 2)
	{
		for (size_t shift = 0; shift < 64; shift += 4)
		{
			size_t size = frontier_size(capacity);
			unsigned char *memory = malloc(shift + size + 1);
			Frontier frontier;

			memory[shift + size] = 0x5A;
			frontier_init(&frontier, memory + shift, capacity);
			for (uint32_t id = 0; id < capacity; id++)
				frontier_estimate(&frontier, id * 7, -(float) id, 1);
			CHECK(!frontier_has_room(&frontier, 1), "full at %u", capacity);
			CHECK(frontier_nearest(&frontier) == capacity - 1, "the last is the nearest");
			CHECK(memory[shift + size] == 0x5A, "capacity %u, shift %zu", capacity, shift);
			free(memory);
		}
	}
}

int
main(void)
{
	RUN(test_nothing);
	RUN(test_mean);
	RUN(test_exact);
	RUN(test_extremes);
	RUN(test_random_sequences);
	RUN(test_level_borders);
	RUN(test_memory);
	return unit_finish();
}
