/*-------------------------------------------------------------------------
 *
 * tree_tune_search.c
 *	  Searches of the tuning, by distances that are known already.
 *
 * The search is the one of an index: nodes and leaves are visited in the order
 * of their lower bounds.  How many rows are wanted is not known.  So they are
 * returned in batches of ten, twenty and so on, each when nothing has a lower
 * bound than the last of it; rows that are then found to be nearer than one
 * returned before come too late to count.  A pivot costs a distance, although its
 * row may cost another in its leaf.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_tune_internal.h"

#include <math.h>
#include <time.h>

#include "core/byte_difference.h"

/* Rows returned together at first; every further batch is twice as large. */
#define FIRST_BATCH 10

/* Values scored in one call */
#define BATCH 64

/* Processor time of this thread, in seconds */
static double
thread_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

/* Computes distances from the prepared query to items in places[0 .. n - 1]. */
static void
compute_scores(const TreeTune *tune, TuneWorker *worker, const TuneSplit *split,
			   const uint32_t *places, uint32_t n, float *scores)
{
	const GraphDistance *keys = &tune->distance.keys;
	const void *values[BATCH];

	for (uint32_t i = 0; i < n; i += BATCH)
	{
		uint32_t size = n - i < BATCH ? n - i : BATCH;

		for (uint32_t j = 0; j < size; j++)
			values[j] = graph_value(&tune->values, split->items[places[i + j]]);
		keys->distances(keys->context, worker->prepared, values, (int) size, scores + i);
		for (uint32_t j = 0; j < size; j++)
			scores[i + j] = (float) tune->distance.finish(keys->context, scores[i + j]);
	}
}

/* ---- pending rows ---- */

/*
 * Rows not yet returned that may be in a batch: those of the first, or so many that
 * those of the last one are sure to be among them.
 */
uint32_t
tree_tune_pending(uint32_t k)
{
	uint32_t batch = FIRST_BATCH;

	if (k <= FIRST_BATCH)
		return FIRST_BATCH;
	for (uint32_t returned = batch; returned < k; returned += batch)
		batch *= 2;
	return 4 * batch;
}

/* Keeps the nearest rows that have not been returned, as many as there is room for. */
static inline void
add_row(TuneWorker *worker, uint32_t room, float distance)
{
	float *pending = worker->pending;
	uint32_t i;

	if (worker->npending == room)
	{
		if (distance >= pending[room - 1])
			return;
		worker->npending--;
	}
	for (i = worker->npending++; i > 0 && pending[i - 1] > distance; i--)
		pending[i] = pending[i - 1];
	pending[i] = distance;
}

/* The answers of a query: the tune_k nearest, or those within tune_r */
static void
find_answers(const TreeTune *tune, TuneWorker *worker, TuneQuery *query)
{
	uint32_t n = query->split->nitems;
	uint32_t k = (uint32_t) tune->params.tune_k < n ? (uint32_t) tune->params.tune_k : n;

	if (tune->params.tune_k == 0)
	{
		query->limit = tune->params.tune_r;
		query->answers = 0;
		for (uint32_t place = 0; place < n; place++)
			query->answers += query->distances[place] <= query->limit;
		return;
	}
	worker->npending = 0;
	for (uint32_t place = 0; place < n; place++)
		add_row(worker, k, query->distances[place]);
	query->limit = worker->pending[k - 1];
	query->answers = k;
}

void
tree_tune_scan(const TreeTune *tune, TuneWorker *worker, TuneQuery *query)
{
	const GraphDistance *keys = &tune->distance.keys;
	const TuneSplit *split = query->split;
	double start = thread_time();
	uint32_t places[BATCH];

	worker->prepared = keys->prepare_query(keys->context, query->value, worker->query);
	for (uint32_t i = 0; i < split->nitems; i += BATCH)
	{
		uint32_t size = split->nitems - i < BATCH ? split->nitems - i : BATCH;

		for (uint32_t j = 0; j < size; j++)
			places[j] = i + j;
		compute_scores(tune, worker, split, places, size, query->distances + i);
	}
	query->scan_time = thread_time() - start;
	if (query->codes != NULL)
		tune->params.table.code(keys->context, worker->prepared, query->codes);
	find_answers(tune, worker, query);
}

/* ---- nodes and leaves to visit, a heap ---- */

static void
push_visit(TuneWorker *worker, const TuneVisit *visit)
{
	TuneVisit *heap = worker->heap;
	uint32_t at = worker->nheap++;

	while (at > 0 && heap[(at - 1) / 2].bound > visit->bound)
	{
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = *visit;
}

static TuneVisit
pop_visit(TuneWorker *worker)
{
	TuneVisit *heap = worker->heap;
	TuneVisit top = heap[0];
	TuneVisit last = heap[--worker->nheap];
	uint32_t at = 0;

	for (;;)
	{
		uint32_t child = 2 * at + 1;

		if (child >= worker->nheap)
			break;
		if (child + 1 < worker->nheap && heap[child + 1].bound < heap[child].bound)
			child++;
		if (heap[child].bound >= last.bound)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return top;
}

/* ---- a search ---- */

typedef struct TuneSearch
{
	const TreeTune *tune;
	TuneWorker *worker;
	const TuneQuery *query;
	const TreePruner *pruner;
	double level;	/* nothing is to be visited with a lower bound */
	bool computing; /* distances are computed, not looked up */
	bool by_table;	/* entries are left out by the pivot table */
	uint32_t room;	/* for pending rows */
	uint32_t batch; /* rows to be returned together */
	uint32_t returned;
	uint32_t reach;	   /* entries with greater sums of squares cannot be within ... */
	double reach_of;   /* ... this distance */
	float last;		   /* distance of the last one */
	uint32_t hits;	   /* answers returned */
	uint64_t computed; /* distances */
} TuneSearch;

/* What is beyond it makes no difference any more. */
static inline double
greatest_bound(const TuneSearch *search)
{
	const TuneWorker *worker = search->worker;

	if (search->tune->params.tune_k == 0)
		return search->query->limit;
	return worker->npending < search->room ? INFINITY : worker->pending[search->room - 1];
}

/*
 * A visit to come; due visits, which would be on top of the heap, go without it,
 * and those that cannot come before the end of the search are dropped.
 */
static inline void
add_visit(TuneSearch *search, double bound, uint32_t child)
{
	TuneWorker *worker = search->worker;
	TuneVisit visit = {bound, child};

	if (bound <= search->level)
		worker->stack[worker->nstack++] = visit;
	else if (bound <= greatest_bound(search))
		push_visit(worker, &visit);
}

static const float *
score_places(TuneSearch *search, const uint32_t *places, uint32_t n)
{
	TuneWorker *worker = search->worker;

	search->computed += n;
	if (search->computing)
		compute_scores(search->tune, worker, search->query->split, places, n, worker->scores);
	else
	{
		for (uint32_t i = 0; i < n; i++)
			worker->scores[i] = search->query->distances[places[i]];
	}
	return worker->scores;
}

static void
visit_node(TuneSearch *search, uint32_t number)
{
	const TuneSplit *split = search->query->split;
	const TreeNode *node = &split->tree->nodes[number];
	double x = score_places(search, &split->pivot_places[number], 1)[0];
	double left;
	double right;

	tree_bounds(search->pruner, x, node->radius, 0, &left, &right);
	if (x < node->radius)
		add_visit(search, right, node->right);
	add_visit(search, left, node->left);
	if (!(x < node->radius))
		add_visit(search, right, node->right);
}

/*
 * Gathers the entries of a leaf that may be among the answers, by their paths and
 * the pivot table, as far as is known.  Those left out now would not be scored
 * later, either.
 */
static uint32_t
gather_entries(TuneSearch *search, const TreeLeaf *leaf)
{
	const TuneWorker *worker = search->worker;
	double limit = greatest_bound(search);
	uint32_t end = leaf->first + leaf->n;
	uint32_t n = 0;

	if (search->reach_of != limit)
	{
		search->reach_of = limit;
		search->reach = tree_pivot_reach(search->pruner, &search->tune->params.table.scale, limit);
	}
	/* an entry is written in any case, and stays if it is counted: no jump to be foretold */
	for (uint32_t place = leaf->first; place < end; place++)
	{
		bool by_path = leaf->npath == 0 || worker->bounds[place] <= limit;
		bool by_table = !search->by_table || worker->squares[place] <= search->reach;

		worker->places[n] = place;
		n += by_path && by_table;
	}
	return n;
}

static void
add_rows(TuneSearch *search, const float *distances, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
	{
		if (search->tune->params.tune_k > 0)
			add_row(search->worker, search->room, distances[i]);
		else
			search->hits += distances[i] <= search->query->limit;
	}
}

/* Scores the entries of a leaf that may be nearer than anything else. */
static void
visit_leaf(TuneSearch *search, uint32_t number)
{
	TuneWorker *worker = search->worker;
	const TreeLeaf *leaf = &search->query->split->tree->leaves[number];
	uint32_t n = leaf->n;

	if (leaf->npath == 0 && !search->by_table && !search->computing)
	{
		search->computed += n;
		add_rows(search, search->query->distances + leaf->first, n);
		return;
	}
	if (leaf->npath > 0 || search->by_table)
		n = gather_entries(search, leaf);
	else
	{
		for (uint32_t i = 0; i < n; i++)
			worker->places[i] = leaf->first + i;
	}
	add_rows(search, score_places(search, worker->places, n), n);
}

/* Returns the n nearest rows, all but those that come late. */
static void
return_batch(TuneSearch *search, uint32_t n)
{
	TuneWorker *worker = search->worker;

	for (uint32_t i = 0; i < n && search->returned < search->query->answers; i++)
	{
		if (worker->pending[i] < search->last)
			continue;
		search->returned++;
		search->last = worker->pending[i];
		search->hits += search->last <= search->query->limit;
	}
	worker->npending -= n;
	for (uint32_t i = 0; i < worker->npending; i++)
		worker->pending[i] = worker->pending[i + n];
}

/* Returns the batches that are complete, by the least bound of what is to be visited. */
static void
return_rows(TuneSearch *search)
{
	const TuneWorker *worker = search->worker;

	while (worker->npending >= search->batch && worker->pending[search->batch - 1] <= search->level)
	{
		return_batch(search, search->batch);
		search->batch = 2 * search->batch < search->room ? 2 * search->batch : search->room;
	}
}

uint32_t
tree_tune_squares(const TreeTune *tune, const TuneQuery *query, uint32_t place)
{
	int size = tune->params.table.size;

	return byte_squares(query->split->codes + place * (size_t) size, query->codes, size);
}

void
tree_tune_bounds(const TreeTune *tune, TuneWorker *worker, const TuneQuery *query)
{
	const TuneSplit *split = query->split;
	size_t length = (size_t) tune->params.path_length;
	float own[TREE_MAX_PATH];

	for (uint32_t place = 0; place < split->nitems && tune->codes != NULL; place++)
		worker->squares[place] = tree_tune_squares(tune, query, place);
	for (uint32_t number = 0; number < split->tree->nleaves && length > 0; number++)
	{
		const TreeLeaf *leaf = &split->tree->leaves[number];

		for (int i = 0; i < leaf->npath; i++)
			own[i] = query->distances[split->path_places[number * length + (size_t) i]];
		for (uint32_t place = leaf->first; place < leaf->first + leaf->n; place++)
		{
			const float *path = split->tree->paths + place * length;
			float bound = 0;

			for (int i = 0; i < leaf->npath; i++)
				bound = fabsf(path[i] - own[i]) > bound ? fabsf(path[i] - own[i]) : bound;
			worker->bounds[place] = bound;
		}
	}
}

static void
run_search(TuneSearch *search)
{
	TuneWorker *worker = search->worker;
	bool range = search->tune->params.tune_k == 0;

	worker->npending = 0;
	worker->nheap = 0;
	worker->nstack = 0;
	search->level = -INFINITY;
	add_visit(search, -INFINITY, search->query->split->tree->root);
	while (worker->nstack + worker->nheap > 0)
	{
		TuneVisit visit;

		if (worker->nstack == 0)
			search->level = worker->heap[0].bound;
		return_rows(search);
		if (range ? search->level > search->query->limit
				  : search->returned == search->query->answers)
			return;
		visit = worker->nstack > 0 ? worker->stack[--worker->nstack] : pop_visit(worker);
		if (visit.child & TREE_LEAF)
			visit_leaf(search, visit.child & ~TREE_LEAF);
		else
			visit_node(search, visit.child);
	}
	return_batch(search, worker->npending);
}

TuneOutcome
tree_tune_search(const TreeTune *tune, TuneWorker *worker, const TuneQuery *query,
				 const TreePruner *pruner)
{
	const GraphDistance *keys = &tune->distance.keys;
	TuneSearch search = {.tune = tune,
						 .worker = worker,
						 .query = query,
						 .pruner = pruner,
						 .computing = tune->params.metric == TREE_TUNE_TIME,
						 .by_table = tune->codes != NULL && pruner->alpha_pivot > 0,
						 .reach_of = NAN,
						 .room = tree_tune_pending((uint32_t) tune->params.tune_k),
						 .batch = FIRST_BATCH,
						 .last = -INFINITY};
	double start = search.computing ? thread_time() : 0;
	TuneOutcome outcome;

	if (search.computing)
		worker->prepared = keys->prepare_query(keys->context, query->value, worker->query);
	if (search.by_table)
		search.computed = tune->params.table.scale.npivots;
	if (search.by_table && search.computing)
		tune->params.table.code(keys->context, worker->prepared, worker->codes);
	run_search(&search);
	outcome.cost = search.computing ? thread_time() - start : (double) search.computed;
	outcome.recall = query->answers > 0 ? (double) search.hits / query->answers : 1.0;
	return outcome;
}
