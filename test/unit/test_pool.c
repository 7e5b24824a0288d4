/*-------------------------------------------------------------------------
 *
 * test_pool.c
 *	  The search pool against a naive list.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <string.h>

#include "core/pool.h"
#include "core/random.h"
#include "unit.h"

#define MAX_CAPACITY 70

/* The model: entries in the same order, flags apart */
typedef struct Model
{
	float keys[MAX_CAPACITY + 1];
	uint32_t ids[MAX_CAPACITY + 1];
	bool expanded[MAX_CAPACITY + 1];
	int size;
	int capacity;
} Model;

/* Inserts behind equal keys; returns the index of the entry that leaves, or -1. */
static bool
model_insert(Model *model, float key, uint32_t id, PoolEntry *dropped)
{
	int place = 0;

	while (place < model->size && model->keys[place] <= key)
		place++;
	for (int i = model->size; i > place; i--)
	{
		model->keys[i] = model->keys[i - 1];
		model->ids[i] = model->ids[i - 1];
		model->expanded[i] = model->expanded[i - 1];
	}
	model->keys[place] = key;
	model->ids[place] = id;
	model->expanded[place] = false;
	if (++model->size <= model->capacity)
		return false;
	model->size--;
	dropped->key = model->keys[model->size];
	dropped->id = model->ids[model->size] | (model->expanded[model->size] ? POOL_EXPANDED : 0);
	return true;
}

static int
model_expand_next(Model *model)
{
	for (int i = 0; i < model->size; i++)
	{
		if (!model->expanded[i])
		{
			model->expanded[i] = true;
			return i;
		}
	}
	return -1;
}

static void
compare(const Pool *pool, const Model *model, int round)
{
	CHECK(pool->size == model->size, "round %d: %d, not %d", round, pool->size, model->size);
	for (int i = 0; i < model->size && i < pool->size; i++)
	{
		PoolEntry entry = pool->entries[i];

		CHECK(entry.key == model->keys[i] && POOL_ID(entry) == model->ids[i] &&
				  POOL_IS_EXPANDED(entry) == model->expanded[i],
			  "round %d, entry %d", round, i);
		CHECK(i >= pool->cursor || POOL_IS_EXPANDED(entry), "round %d, cursor %d", round,
			  pool->cursor);
	}
}

static void
run_against_model(int capacity, uint64_t seed)
{
	PoolEntry entries[MAX_CAPACITY];
	Model model = {.capacity = capacity};
	Pool pool;
	Random random;

	random_seed(&random, seed);
	pool_init(&pool, entries, capacity);
	for (int round = 0; round < 500; round++)
	{
		PoolEntry a = {0, 0};
		PoolEntry b = {0, 0};

		if (random_below(&random, 4) > 0)
		{
			/* few different keys, so that many are equal; some infinite */
			float key = (float) random_below(&random, 40);
			uint32_t id = (uint32_t) round;
			bool accepts;
			bool left;

			if (key == 0)
				key = INFINITY;
			accepts = pool_accepts(&pool, key);
			left = pool_insert(&pool, key, id, &a);
			CHECK(left == model_insert(&model, key, id, &b), "round %d", round);
			CHECK(!left || (a.key == b.key && a.id == b.id), "round %d: dropped %g %u, not %g %u",
				  round, a.key, a.id, b.key, b.id);
			CHECK(accepts == !(left && a.id == id), "round %d: accepts", round);
		}
		else
			CHECK(pool_expand_next(&pool) == model_expand_next(&model), "round %d", round);
		compare(&pool, &model, round);
	}
}

static void
test_against_model(void)
{
	static const int capacities[] = {1, 2, 3, 7, 8, 40, 64, MAX_CAPACITY};

	for (int i = 0; i < 8; i++)
	{
		for (uint64_t seed = 0; seed < 10; seed++)
			run_against_model(capacities[i], seed);
	}
}

/* Filled at once, a pool is what insertions one after the other make of it. */
static void
test_fill(void)
{
	Random random;

	random_seed(&random, 7);
	for (int round = 0; round < 1000; round++)
	{
		PoolEntry entries[MAX_CAPACITY];
		Model model = {.capacity = 1 + (int) random_below(&random, MAX_CAPACITY)};
		float keys[2 * MAX_CAPACITY];
		uint32_t ids[2 * MAX_CAPACITY];
		int n = (int) random_below(&random, 2 * MAX_CAPACITY + 1);
		PoolEntry dropped;
		Pool pool;

		pool_init(&pool, entries, model.capacity);
		for (int i = 0; i < n; i++)
		{
			keys[i] = (float) random_below(&random, 60) - 20;
			if (keys[i] == 0)
				keys[i] = INFINITY;
			ids[i] = (uint32_t) i;
			model_insert(&model, keys[i], ids[i], &dropped);
		}
		pool_fill(&pool, keys, ids, n);
		compare(&pool, &model, round);
		CHECK(pool.cursor == 0, "round %d: cursor %d", round, pool.cursor);
	}
}

static void
test_best_are_kept(void)
{
	PoolEntry entries[10];
	PoolEntry dropped;
	Pool pool;

	pool_init(&pool, entries, 10);
	CHECK(pool_expand_next(&pool) == -1, "an empty pool has nothing to expand");
	for (uint32_t i = 0; i < 1000; i++)
		pool_insert(&pool, (float) (i * 7919 % 1000), i, &dropped);
	for (int i = 0; i < 10; i++)
		CHECK(entries[i].key == (float) i, "entry %d has key %g", i, entries[i].key);
}

int
main(void)
{
	RUN(test_against_model);
	RUN(test_fill);
	RUN(test_best_are_kept);
	return unit_finish();
}
