/*-------------------------------------------------------------------------
 *
 * graph.c
 *	  A graph's memory, its life, and access to the finished graph.
 *
 * Everything lies in one mapping, laid out by plan_arena(), so that there is
 * one place where memory can run short, one number to account for and one call
 * that frees it, whatever state the graph is in.
 *
 *-------------------------------------------------------------------------
 */
#include "core/graph_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "core/parallel.h"
#include "core/random.h"

/* Inserted by one thread before the others join: the first vertices would
 * otherwise not see each other. */
#define SEQUENTIAL_VERTICES 1000

/* Of every so many vertices that a search of the build expands, one that follows another
 * vertex's leaves one out: graph_insert.c */
#define FOLLOW_LEFT_OUT 4

/* Candidates for the links of a new vertex, per entry of the search pool */
#define CANDIDATES_PER_EF 2

/* Units handed to a thread at a time */
#define INSERT_GRAIN 8
#define TRIM_GRAIN 64

/* Vertices trimmed per unit of work */
#define TRIM_PER_UNIT 8

/* Homes found per unit of work */
#define HOMES_PER_UNIT 8

/* Values put in their places per unit of work, and by a thread at a time */
#define VALUES_PER_UNIT 256
#define VALUES_GRAIN 1024

/* Values up to this size are worth copying; larger ones take pages of their own anyway. */
#define MAX_COPIED_SIZE 1024

/* Size and alignment of a huge page; smaller arenas do without. */
#define HUGE_PAGE ((size_t) 2 * 1024 * 1024)
#define SMALL_PAGE ((size_t) 4096)

/* Prefetching more of a value than this gains nothing: the hardware goes on. */
#define MAX_PREFETCH_LINES 32

size_t
graph_round_up(size_t size)
{
	return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static GraphShape
shape_for(const GraphParams *params, size_t query_size)
{
	/*
	 * Half as much again as the limit, less the head of a list, which makes 48
	 * words or three cache lines of the lists for m = 16.
	 */
	GraphShape shape = {.m = params->m,
						.ef = params->ef_construction,
						.follow_ef =
							params->ef_construction - params->ef_construction / FOLLOW_LEFT_OUT,
						.candidates = CANDIDATES_PER_EF * params->ef_construction,
						.base_selected = (3 * params->m + 1) / 2,
						.base_limit = 2 * params->m,
						.base_capacity = 3 * params->m - 1,
						.upper_limit = params->m,
						.upper_capacity = params->m + (params->m + 1) / 2,
						.query_size = query_size,
						.threads = params->threads};

	if (params->upper)
	{
		shape.base_selected = shape.upper_limit;
		shape.base_limit = shape.upper_limit;
		shape.base_capacity = shape.upper_capacity;
	}
	assert(params->m >= GRAPH_MIN_M && params->m <= GRAPH_MAX_M);
	assert(params->ef_construction >= 1 && params->threads >= 1);
	shape.base_stride = sizeof(GraphList) + (size_t) shape.base_capacity * sizeof(uint32_t);
	shape.upper_stride = sizeof(GraphList) + (size_t) shape.upper_capacity * sizeof(uint32_t);
	return shape;
}

/* Where things lie in the arena, as offsets */
typedef struct ArenaPlan
{
	size_t levels;
	size_t numbers;
	size_t vertices;
	size_t queue;
	size_t upper_first;
	size_t parents;
	size_t values;
	size_t base_lists;
	size_t upper_lists;
	size_t workers;
	size_t worker_stride;
	size_t total; /* whole pages */
} ArenaPlan;

/* value_size: bytes a value, or its address, takes. */
static ArenaPlan
plan_arena(uint32_t nvertices, uint64_t nupper, const GraphShape *shape, size_t value_size)
{
	ArenaPlan plan;
	size_t n = nvertices;
	size_t page;

	plan.levels = graph_round_up(sizeof(Graph));
	plan.numbers = plan.levels + graph_round_up(n);
	plan.vertices = plan.numbers + graph_round_up(n * sizeof(uint32_t));
	plan.queue = plan.vertices + graph_round_up(n * sizeof(uint32_t));
	plan.upper_first = plan.queue + graph_round_up(n * sizeof(uint32_t));
	plan.parents = plan.upper_first + graph_round_up((nupper + 1) * sizeof(uint32_t));
	plan.values = plan.parents + graph_round_up(n * sizeof(uint32_t));
	plan.base_lists = plan.values + graph_round_up(n * value_size);
	plan.upper_lists = plan.base_lists + graph_round_up(n * shape->base_stride);
	plan.workers = plan.upper_lists + graph_round_up(nupper * shape->upper_stride);
	plan.worker_stride = graph_worker_size(shape, nvertices, shape->candidates);
	plan.total = plan.workers + (size_t) shape->threads * plan.worker_stride;
	page = plan.total < HUGE_PAGE ? SMALL_PAGE : HUGE_PAGE;
	plan.total = (plan.total + page - 1) / page * page;
	return plan;
}

/*
 * The number of lists above layer 0 is a sum of independent levels, each of
 * mean p / (1 - p) and variance p / (1 - p)^2 with p = 1 / m; eight standard
 * deviations are exceeded less than once in 10^14 builds.
 */
size_t
graph_memory(uint32_t nvertices, const GraphParams *params, size_t query_size)
{
	GraphShape shape = shape_for(params, query_size);
	double p = 1.0 / params->m;
	double mean = nvertices * p / (1.0 - p);
	double deviation = sqrt(nvertices * p) / (1.0 - p);
	uint64_t nupper = (uint64_t) (mean + 8.0 * deviation) + GRAPH_MAX_LEVEL;

	return plan_arena(nvertices, nupper, &shape, sizeof(void *)).total;
}

int
graph_random_level(uint64_t seed, uint64_t vertex, int m)
{
	uint64_t bits = random_hash(random_hash(seed) ^ vertex) >> 11;
	double u = ((double) bits + 0.5) / 9007199254740992.0; /* 2^53; never 0 */
	int level = (int) (-log(u) / log(m));

	return level < GRAPH_MAX_LEVEL ? level : GRAPH_MAX_LEVEL;
}

/* Zeroed memory on huge pages where the system has them, or NULL */
static char *
map_arena(size_t size)
{
	size_t align = size < HUGE_PAGE ? SMALL_PAGE : HUGE_PAGE;
	size_t reserved = size + align - SMALL_PAGE;
	char *start = mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (start == MAP_FAILED)
		return NULL;
	before = (align - (uintptr_t) start % align) % align;
	if (before > 0)
		munmap(start, before);
	if (reserved - before > size)
		munmap(start + before + size, reserved - before - size);
#ifdef MADV_HUGEPAGE
	if (align == HUGE_PAGE)
		madvise(start + before, size, MADV_HUGEPAGE);
#endif
	return start + before;
}

/* Number of lists above layer 0 */
static uint64_t
count_upper(uint32_t nvertices, const GraphParams *params)
{
	uint64_t nupper = 0;

	for (uint32_t v = 0; v < nvertices; v++)
		nupper += (uint64_t) graph_random_level(params->seed, v, params->m);
	return nupper;
}

static int
prefetch_lines(size_t value_size)
{
	size_t lines = (value_size + CACHE_LINE - 1) / CACHE_LINE;

	return lines < MAX_PREFETCH_LINES ? (int) lines : MAX_PREFETCH_LINES;
}

/* Points the graph's arrays into its arena. */
static void
place_arrays(Graph *graph, const ArenaPlan *plan)
{
	char *arena = (char *) graph;

	graph->arena_size = plan->total;
	graph->levels = (uint8_t *) (arena + plan->levels);
	graph->numbers = (uint32_t *) (arena + plan->numbers);
	graph->vertices = (uint32_t *) (arena + plan->vertices);
	graph->queue = (uint32_t *) (arena + plan->queue);
	graph->upper_first = (uint32_t *) (arena + plan->upper_first);
	graph->parents = (uint32_t *) (arena + plan->parents);
	graph->placed = arena + plan->values;
	graph->base_lists = arena + plan->base_lists;
	graph->upper_lists = arena + plan->upper_lists;
	graph->workers = arena + plan->workers;
	graph->worker_stride = plan->worker_stride;
}

/* Are the values to be copied?  Of those of different sizes only the addresses are known. */
static bool
are_copied(uint32_t nvertices, const GraphParams *params, const GraphValues *values)
{
	return !values->addresses && values->value_size <= MAX_COPIED_SIZE &&
		   values->stride <= params->spare / (nvertices > 0 ? nvertices : 1);
}

/* Makes the graph ready for its first step. */
static void
begin(Graph *graph)
{
	graph->entry = GRAPH_NO_VERTEX;
	graph->phase = GRAPH_DONE;
	if (graph->nvertices == 0)
		return;
	graph_assign_order(graph);
	graph->entry = 0;
	graph->top_level = graph->levels[graph->entry];
	for (uint32_t v = 0; v < graph->nhomes; v++)
		graph_place_value(graph, v);
	graph->phase = GRAPH_INSERT_HOMES;
	graph->position = 1; /* the entry point has nobody to link to */
}

Graph *
graph_create(uint32_t nvertices, const GraphParams *params, const GraphDistance *distance,
			 const GraphValues *values)
{
	GraphShape shape = shape_for(params, distance->query_size);
	bool copied = are_copied(nvertices, params, values);
	size_t stride = copied ? values->stride : sizeof(void *);
	ArenaPlan plan = plan_arena(nvertices, count_upper(nvertices, params), &shape, stride);
	Graph *graph = (Graph *) map_arena(plan.total);

	assert(nvertices <= GRAPH_MAX_VERTICES);
	if (graph == NULL)
		return NULL;
	place_arrays(graph, &plan);
	graph->nvertices = nvertices;
	graph->params = *params;
	graph->shape = shape;
	graph->distance = *distance;
	graph->given = *values;
	graph->values = (GraphValues){.chunks = &graph->placed,
								  .chunk_shift = 31,
								  .addresses = !copied,
								  .stride = stride,
								  .value_size = values->value_size};
	graph->prefetch_lines = prefetch_lines(values->value_size);
	for (int i = 0; i < params->threads; i++)
		graph_worker_init(&shape, nvertices, shape.candidates, (char *) graph_worker(graph, i));
	begin(graph);
	return graph;
}

void
graph_free(Graph *graph)
{
	if (graph != NULL)
		munmap(graph, graph->arena_size);
}

static void
insert_homes(void *arg, int thread, uint32_t from, uint32_t to)
{
	Graph *graph = arg;

	for (uint32_t i = from; i < to; i++)
		graph_insert(graph, graph_worker(graph, thread), i);
}

static void
trim_homes(void *arg, int thread, uint32_t from, uint32_t to)
{
	Graph *graph = arg;

	for (uint32_t i = from; i < to; i++)
		graph_trim(graph, graph_worker(graph, thread), i, 1);
}

static void
bridge_homes(void *arg, int thread, uint32_t from, uint32_t to)
{
	Graph *graph = arg;

	for (uint32_t i = from; i < to; i++)
		graph_bridge(graph, graph_worker(graph, thread), i);
}

static void
find_homes(void *arg, int thread, uint32_t from, uint32_t to)
{
	Graph *graph = arg;

	for (uint32_t i = from; i < to; i++)
		graph_find_home(graph, graph_worker(graph, thread), i);
}

static void
place_values(void *arg, int thread, uint32_t from, uint32_t to)
{
	(void) thread;
	for (uint32_t i = from; i < to; i++)
		graph_place_value((Graph *) arg, i);
}

static void
insert_pieces(void *arg, int thread, uint32_t from, uint32_t to)
{
	Graph *graph = arg;
	GraphWorker *worker = graph_worker(graph, thread);
	uint32_t npieces = graph_piece_count(graph);

	for (uint32_t piece = from; piece < to; piece++)
	{
		uint64_t place = (uint64_t) piece * graph->piece_step % npieces;
		uint64_t first = graph->nhomes + place * GRAPH_PIECE;

		worker->last = GRAPH_NO_VERTEX;
		for (uint64_t v = first; v < first + GRAPH_PIECE && v < graph->nvertices; v++)
			graph_insert(graph, worker, (uint32_t) v);
	}
}

static void
trim_piece(void *arg, int thread, uint32_t from, uint32_t to)
{
	Graph *graph = arg;

	for (uint32_t i = from; i < to; i++)
		graph_trim(graph, graph_worker(graph, thread), i, 0);
}

/*
 * Does the next n pieces of work of a phase that has `last` of them, a thread taking `grain` at
 * a time.  True: that was all.
 */
static bool
advance(Graph *graph, int threads, uint64_t n, uint32_t last, uint32_t grain, ParallelBody body)
{
	uint32_t to = last - graph->position > n ? graph->position + (uint32_t) n : last;

	parallel_for(threads, graph->position, to, grain, body, graph);
	graph->position = to;
	return to == last;
}

static void
begin_phase(Graph *graph, GraphPhase phase, uint32_t position)
{
	graph->phase = phase;
	graph->position = position;
}

static void
insert_homes_step(Graph *graph, uint32_t items)
{
	bool alone = graph->position < SEQUENTIAL_VERTICES;
	uint32_t last =
		alone && graph->nhomes > SEQUENTIAL_VERTICES ? SEQUENTIAL_VERTICES : graph->nhomes;

	if (advance(graph, alone ? 1 : graph->params.threads, items, last, INSERT_GRAIN,
				insert_homes) &&
		last == graph->nhomes)
		begin_phase(graph, GRAPH_TRIM_HOMES, 0);
}

static void
trim_homes_step(Graph *graph, uint32_t items)
{
	if (advance(graph, graph->params.threads, (uint64_t) items * TRIM_PER_UNIT, graph->nhomes,
				TRIM_GRAIN, trim_homes))
		begin_phase(graph, GRAPH_BRIDGE, 0);
}

/* In the order of insertion: from the top level down */
static void
bridge_step(Graph *graph, uint32_t items)
{
	if (advance(graph, graph->params.threads, (uint64_t) items * HOMES_PER_UNIT, graph->nhomes,
				HOMES_PER_UNIT, bridge_homes))
		begin_phase(graph, GRAPH_FIND_HOMES, graph->nhomes);
}

static void
find_homes_step(Graph *graph, uint32_t items)
{
	if (advance(graph, graph->params.threads, (uint64_t) items * HOMES_PER_UNIT, graph->nvertices,
				HOMES_PER_UNIT, find_homes))
	{
		graph_group(graph);
		begin_phase(graph, GRAPH_PLACE_VALUES, graph->nhomes);
	}
}

static void
place_values_step(Graph *graph, uint32_t items)
{
	if (advance(graph, graph->params.threads, (uint64_t) items * VALUES_PER_UNIT, graph->nvertices,
				VALUES_GRAIN, place_values))
	{
		graph->piece_step = graph_piece_step(graph_piece_count(graph));
		begin_phase(graph, GRAPH_INSERT, 0);
	}
}

static void
insert_step(Graph *graph, uint32_t items)
{
	uint64_t inserted = graph->nhomes + (uint64_t) graph->position * GRAPH_PIECE;
	int threads = inserted < SEQUENTIAL_VERTICES ? 1 : graph->params.threads;

	if (advance(graph, threads, ((uint64_t) items + GRAPH_PIECE - 1) / GRAPH_PIECE,
				graph_piece_count(graph), 1, insert_pieces))
		begin_phase(graph, GRAPH_TRIM, 0);
}

static void
trim_step(Graph *graph, uint32_t items)
{
	if (advance(graph, graph->params.threads, (uint64_t) items * TRIM_PER_UNIT, graph->nvertices,
				TRIM_GRAIN, trim_piece))
	{
		graph->phase = GRAPH_REACH;
		graph_reach_start(graph);
	}
}

/* From now on vertices are looked up by the caller's numbers. */
static void
finish(Graph *graph)
{
	for (uint32_t v = 0; v < graph->nvertices; v++)
		graph->vertices[graph->numbers[v]] = v;
	graph->phase = GRAPH_DONE;
}

bool
graph_build_step(Graph *graph, uint32_t items)
{
	if (items == 0)
		items = 1;
	switch (graph->phase)
	{
		case GRAPH_INSERT_HOMES:
			insert_homes_step(graph, items);
			break;
		case GRAPH_TRIM_HOMES:
			trim_homes_step(graph, items);
			break;
		case GRAPH_BRIDGE:
			bridge_step(graph, items);
			break;
		case GRAPH_FIND_HOMES:
			find_homes_step(graph, items);
			break;
		case GRAPH_PLACE_VALUES:
			place_values_step(graph, items);
			break;
		case GRAPH_INSERT:
			insert_step(graph, items);
			break;
		case GRAPH_TRIM:
			trim_step(graph, items);
			break;
		case GRAPH_REACH:
			if (!graph_reach_step(graph, items))
				finish(graph);
			break;
		case GRAPH_DONE:
			break;
	}
	return graph->phase != GRAPH_DONE;
}

uint32_t
graph_progress(const Graph *graph)
{
	uint64_t inserted = graph->nvertices;

	if (graph->phase == GRAPH_INSERT_HOMES)
		inserted = graph->position;
	else if (graph->phase < GRAPH_INSERT)
		inserted = graph->nhomes;
	else if (graph->phase == GRAPH_INSERT)
		inserted = graph->nhomes + (uint64_t) graph->position * GRAPH_PIECE;
	return inserted < graph->nvertices ? (uint32_t) inserted : graph->nvertices;
}

uint64_t
graph_distance_computations(const Graph *graph)
{
	uint64_t computed = 0;

	for (int i = 0; i < graph->params.threads; i++)
		computed += graph_worker(graph, i)->computed;
	return computed;
}

size_t
graph_spare_used(const Graph *graph)
{
	return graph->values.addresses ? 0 : graph->nvertices * graph->values.stride;
}

uint32_t
graph_entry(const Graph *graph)
{
	return graph->entry == GRAPH_NO_VERTEX ? GRAPH_NO_VERTEX : graph->numbers[graph->entry];
}

int
graph_level(const Graph *graph, uint32_t vertex)
{
	return graph->levels[graph->vertices[vertex]];
}

int
graph_links(const Graph *graph, uint32_t vertex, int layer, uint32_t *links)
{
	const GraphList *list = graph_list(graph, graph->vertices[vertex], layer);

	for (int i = 0; i < list->count; i++)
		links[i] = graph->numbers[list->ids[i]];
	return list->count;
}
