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

/* Puts an entry behind those with a key of at most `key`. */
static void
model_place(Model *model, float key, uint32_t id, bool expanded)
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
	model->expanded[place] = expanded;
	model->size++;
}

/* Inserts behind equal keys; true: the last one leaves. */
static bool
model_insert(Model *model, float key, uint32_t id, PoolEntry *dropped)
{
	model_place(model, key, id, false);
	if (model->size <= model->capacity)
		return false;
	model->size--;
	dropped->key = model->keys[model->size];
	dropped->id = model->ids[model->size] | (model->expanded[model->size] ? POOL_EXPANDED : 0);
	return true;
}

/* Takes an entry out and puts it in again with another key. */
static void
model_rekey(Model *model, int place, float key)
{
	uint32_t id = model->ids[place];
	bool expanded = model->expanded[place];

	model->size--;
	for (int i = place; i < model->size; i++)
	{
		model->keys[i] = model->keys[i + 1];
		model->ids[i] = model->ids[i + 1];
		model->expanded[i] = model->expanded[i + 1];
	}
	model_place(model, key, id, expanded);
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

/* Few different keys, so that many are equal; some infinite */
static float
random_key(Random *random)
{
	float key = (float) random_below(random, 40);

	return key == 0 ? INFINITY : key == 1 ? -INFINITY : key;
}

/* Expands the nearest entry and gives it another key, as a search by codes does. */
static void
expand_and_rekey(Pool *pool, Model *model, Random *random, int round)
{
	int place = pool_expand_next(pool);
	float key = random_key(random);

	CHECK(place == model_expand_next(model), "round %d", round);
	if (place < 0)
		return;
	pool_rekey(pool, place, key);
	model_rekey(model, place, key);
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
			float key = random_key(&random);
			uint32_t id = (uint32_t) round;
			bool accepts;
			bool left;

			accepts = pool_accepts(&pool, key);
			left = pool_insert(&pool, key, id, &a);
			CHECK(left == model_insert(&model, key, id, &b), "round %d", round);
			CHECK(!left || (a.key == b.key && a.id == b.id), "round %d: dropped %g %u, not %g %u",
				  round, a.key, a.id, b.key, b.id);
			CHECK(accepts == !(left && a.id == id), "round %d: accepts", round);
		}
		else if (seed % 2 == 0)
			CHECK(pool_expand_next(&pool) == model_expand_next(&model), "round %d", round);
		else
			expand_and_rekey(&pool, &model, &random, round);
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

/* Where every expanded entry of a pool may go: each place to each key, with each cursor. */
static void
test_every_move(void)
{
	/* between, equal to and beyond the keys 0, 2, 2, 4, 6, 6, 8 */
	static const float initial[] = {0, 2, 2, 4, 6, 6, 8};
	const int n = 7;

	for (int nexpanded = 1; nexpanded <= n; nexpanded++)
	{
		for (int place = 0; place < nexpanded; place++)
		{
			for (int key = -1; key <= 9; key++)
			{
				PoolEntry entries[MAX_CAPACITY];
				Model model = {.capacity = n};
				Pool pool;
				PoolEntry dropped;

				pool_init(&pool, entries, n);
				for (int i = 0; i < n; i++)
				{
					pool_insert(&pool, initial[i], (uint32_t) i, &dropped);
					model_insert(&model, initial[i], (uint32_t) i, &dropped);
				}
				for (int i = 0; i < nexpanded; i++)
					CHECK(pool_expand_next(&pool) == model_expand_next(&model), "entry %d", i);
				pool_rekey(&pool, place, (float) key);
				model_rekey(&model, place, (float) key);
				compare(&pool, &model, 1000 * nexpanded + 100 * place + key);
				CHECK(pool_expand_next(&pool) == model_expand_next(&model),
					  "%d expanded, %d to key %d", nexpanded, place, key);
			}
		}
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
	RUN(test_every_move);
	RUN(test_best_are_kept);
	return unit_finish();
}
