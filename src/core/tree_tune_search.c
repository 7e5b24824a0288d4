/*-------------------------------------------------------------------------
 *
 * tree_tune_search.c
 *	  Searches of the tuning, by distances that are known already.
 *
 * The search is the one of an index: nodes and leaves are visited in the order
 * of their lower bounds, a row is returned when nothing has a lower bound than
 * its distance, and the number of rows wanted is not known.  A pivot costs a
 * distance, although its row may cost another in its leaf.
 *
 *-------------------------------------------------------------------------
 */
#include "core/tree_tune_internal.h"

#include <math.h>
#include <time.h>

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

/* Keeps the `wanted` nearest rows that have not been returned. */
static inline void
add_row(TuneWorker *worker, uint32_t wanted, float distance)
{
	float *pending = worker->pending;
	uint32_t i;

	if (worker->npending == wanted)
	{
		if (wanted == 0 || distance >= pending[wanted - 1])
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
	find_answers(tune, worker, query);
}

/* ---- nodes and leaves to visit, a heap ---- */

static void
push_visit(TuneWorker *worker, double bound, double scored, uint32_t child)
{
	TuneVisit *heap = worker->heap;
	uint32_t at = worker->nheap++;

	while (at > 0 && heap[(at - 1) / 2].bound > bound)
	{
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = (TuneVisit){bound, scored, child};
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
	bool computing;	   /* distances are computed, not looked up */
	uint32_t wanted;   /* rows still to be returned; 0 in a range search */
	uint32_t hits;	   /* answers returned */
	uint64_t computed; /* distances */
} TuneSearch;

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
visit_node(TuneSearch *search, const TuneVisit *visit)
{
	const TuneSplit *split = search->query->split;
	const TreeNode *node = &split->tree->nodes[visit->child];
	double x = score_places(search, &split->pivot_places[visit->child], 1)[0];
	double left;
	double right;

	tree_bounds(&search->tune->pruner, x, node->radius, 0, &left, &right);
	push_visit(search->worker, fmax(left, visit->bound), -INFINITY, node->left);
	push_visit(search->worker, fmax(right, visit->bound), -INFINITY, node->right);
}

/* A lower bound of the distance to the entry in a place, by its path and the query's */
static inline double
path_bound(const TuneSearch *search, uint32_t place, const uint32_t *pivots, int npath)
{
	size_t length = (size_t) search->tune->params.path_length;
	const float *path = search->query->split->tree->paths + place * length;
	double bound = -INFINITY;

	for (int i = 0; i < npath; i++)
	{
		double gap = fabs((double) path[i] - search->query->distances[pivots[i]]);

		bound = gap > bound ? gap : bound;
	}
	return bound;
}

/*
 * Gathers the entries of a leaf whose bounds are greater than what has been
 * scored and at most `limit`; *next: the least bound beyond.
 */
static uint32_t
gather_entries(const TuneSearch *search, const TuneVisit *visit, double limit, double *next)
{
	const TuneSplit *split = search->query->split;
	uint32_t number = visit->child & ~TREE_LEAF;
	const TreeLeaf *leaf = &split->tree->leaves[number];
	size_t length = (size_t) search->tune->params.path_length;
	const uint32_t *pivots = split->path_places + number * length;
	uint32_t n = 0;

	*next = INFINITY;
	for (uint32_t place = leaf->first; place < leaf->first + leaf->n; place++)
	{
		double bound = fmax(visit->bound, path_bound(search, place, pivots, leaf->npath));

		if (bound <= visit->scored)
			continue;
		if (bound <= limit)
			search->worker->places[n++] = place;
		else if (bound < *next)
			*next = bound;
	}
	return n;
}

/* Scores the entries of a leaf that may be nearer than anything else. */
static void
visit_leaf(TuneSearch *search, const TuneVisit *visit)
{
	TuneWorker *worker = search->worker;
	const TreeLeaf *leaf = &search->query->split->tree->leaves[visit->child & ~TREE_LEAF];
	double next = INFINITY;
	double limit = worker->nheap > 0 ? worker->heap[0].bound : INFINITY;
	uint32_t n = leaf->n;
	const float *scores;

	if (worker->npending > 0 && worker->pending[0] < limit)
		limit = worker->pending[0];
	limit = fmax(limit, visit->bound);
	if (leaf->npath > 0)
		n = gather_entries(search, visit, limit, &next);
	else
	{
		for (uint32_t i = 0; i < n; i++)
			worker->places[i] = leaf->first + i;
	}
	scores = score_places(search, worker->places, n);
	for (uint32_t i = 0; i < n; i++)
	{
		if (search->tune->params.tune_k > 0)
			add_row(worker, search->wanted, scores[i]);
		else
			search->hits += scores[i] <= search->query->limit;
	}
	if (next < INFINITY)
		push_visit(worker, next, limit, visit->child);
}

/* Returns the rows that are as near as `level`. */
static void
return_rows(TuneSearch *search, double level)
{
	TuneWorker *worker = search->worker;
	uint32_t n = 0;

	for (; n < worker->npending && worker->pending[n] <= level; n++)
		search->hits += worker->pending[n] <= search->query->limit;
	if (n == 0)
		return;
	search->wanted -= n;
	worker->npending -= n;
	for (uint32_t i = 0; i < worker->npending; i++)
		worker->pending[i] = worker->pending[i + n];
}

static void
run_search(TuneSearch *search)
{
	TuneWorker *worker = search->worker;
	bool range = search->tune->params.tune_k == 0;

	worker->npending = 0;
	worker->nheap = 0;
	push_visit(worker, -INFINITY, -INFINITY, search->query->split->tree->root);
	while (worker->nheap > 0)
	{
		double level = worker->heap[0].bound;
		TuneVisit visit;

		return_rows(search, level);
		if (range ? level > search->query->limit : search->wanted == 0)
			return;
		visit = pop_visit(worker);
		if (visit.child & TREE_LEAF)
			visit_leaf(search, &visit);
		else
			visit_node(search, &visit);
	}
	return_rows(search, INFINITY);
}

void
tree_tune_search(const TreeTune *tune, TuneWorker *worker, TuneQuery *query)
{
	const GraphDistance *keys = &tune->distance.keys;
	TuneSearch search = {.tune = tune,
						 .worker = worker,
						 .query = query,
						 .computing = tune->params.metric == TREE_TUNE_TIME,
						 .wanted = tune->params.tune_k > 0 ? query->answers : 0};
	double start = search.computing ? thread_time() : 0;

	if (search.computing)
		worker->prepared = keys->prepare_query(keys->context, query->value, worker->query);
	run_search(&search);
	query->cost = search.computing ? thread_time() - start : (double) search.computed;
	query->recall = query->answers > 0 ? (double) search.hits / query->answers : 1.0;
}
