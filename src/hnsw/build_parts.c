/*-------------------------------------------------------------------------
 *
 * build_parts.c
 *	  CREATE INDEX of more rows than fit maintenance_work_mem.
 *
 * The rows are spooled; pivots, a random sample of them, divide them into parts
 * that fit.  Each row goes to its home part and, unless it lies well inside, as
 * a guest to a second one.  A graph is built of each part, and what becomes of
 * it is spooled: the links of those at home, and those of the guests for their
 * home parts.  build_join.c makes one graph of it.  README has the reasons.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/parallel.h"
#include "hnsw/parts.h"

/* Shares of the memory: of the pivots, of lists that threads are at work on, of sorting TIDs */
#define PIVOTS_SHARE 8
#define LISTS_SHARE 16
#define TIDS_SHARE 32

/* Pivots at most */
#define MAX_PIVOTS 8192

/* A part has room for so many rows, whatever the memory, and an array of vertices for so many */
#define MIN_CAPACITY 256
#define MIN_VERTICES 256

/* Lists that threads take from a graph at a time, within their share of the memory */
#define MIN_LISTS 64
#define MAX_LISTS 8192
#define LISTS_GRAIN 16

/* Time that may be spent on telling how long a build will take: seconds */
#define CALIBRATION_SECONDS 0.2

/* Share of the memory that the upper layers may take */
#define UPPER_SHARE 0.8

#define SEED_OF_SAMPLE UINT64_C(0x70697673)

/* What is kept of a vertex of a part, besides rows and graph: bytes */
#define VERTEX_MEMORY                                         \
	(5 * sizeof(uint32) + 2 * sizeof(uint16) + sizeof(bool) + \
	 HNSW_INLINE_TIDS * sizeof(ItemPointerData) + 2 * sizeof(uint32))

HnswParts *
hnsw_parts_create(HnswBuild *build)
{
	HnswParts *parts = palloc0(sizeof(HnswParts));
	Size encoded_size = build->index.space.encoded_size;

	parts->build = build;
	parts->context = CurrentMemoryContext;
	parts->memory = build_memory();
	parts->stored = palloc(MAXALIGN(encoded_size));
	for (int i = 0; i < HNSW_NARROW_ELEMENTS; i++)
		parts->fits[i] = hnsw_makes_smaller_records(&build->index.meta, &build->index.space,
													hnsw_narrow_elements[i]);
	parts->sample_capacity = Max(
		HNSW_MIN_PIVOTS, Min(MAX_PIVOTS, parts->memory / PIVOTS_SHARE / MAXALIGN(encoded_size)));
	parts->sample =
		palloc_extended(parts->sample_capacity * MAXALIGN(encoded_size), MCXT_ALLOC_HUGE);
	random_seed(&parts->random, build->params.seed + SEED_OF_SAMPLE);
	return parts;
}

/* Every row is among the sample with the same probability. */
static void
take_sample(HnswParts *parts, const void *encoded)
{
	uint64 place = parts->nrows;

	if (place >= parts->sample_capacity)
		place = random_below(&parts->random, parts->nrows + 1);
	if (place < parts->sample_capacity)
		memcpy(hnsw_parts_sample(parts, place), encoded, parts->build->index.space.encoded_size);
}

/* Notes what has to be known of the values before they are divided. */
void
hnsw_parts_note(HnswParts *parts, const void *encoded)
{
	const IndexSpace *space = &parts->build->index.space;

	if (parts->nrows == HNSW_MAX_VERTEX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("hnsw index cannot be built of more than %u rows", HNSW_MAX_VERTEX)));
	for (int i = 0; i < HNSW_NARROW_ELEMENTS; i++)
	{
		IndexSpace narrow = *space;

		if (parts->fits[i])
			parts->fits[i] = index_space_store_as(&narrow, hnsw_narrow_elements[i]) &&
							 space_narrow(&space->context, &narrow.stored, encoded, parts->stored);
	}
	take_sample(parts, encoded);
	parts->nrows++;
}

/* Chooses the element in which values are stored, now that all have been seen. */
static void
choose_stored_element(HnswParts *parts)
{
	HnswBuild *build = parts->build;

	for (int i = 0; i < HNSW_NARROW_ELEMENTS && parts->nrows >= HNSW_MIN_ROWS_TO_NARROW; i++)
	{
		if (parts->fits[i])
		{
			index_space_store_as(&build->index.space, hnsw_narrow_elements[i]);
			break;
		}
	}
	hnsw_meta_init(&build->index.meta, &build->index.space, build->params.m,
				   build->params.ef_construction, build->quantization,
				   RelationGetRelationName(build->index.relation));
	parts->part_space = build->index.space;
	parts->part_space.context = build->index.space.stored;
	parts->part_space.encoded_size = build->index.space.stored_size;
}

/* An empty set of stored values, whose memory is counted as that of a part */
BuildRows *
hnsw_parts_rows(HnswParts *parts)
{
	return build_rows_create(&parts->part_space,
							 hnsw_graph_memory_per_value(&parts->build->params) + VERTEX_MEMORY);
}

/* How many rows a part may have, and which share of the vertices upper layers */
static void
choose_sizes(HnswParts *parts)
{
	BuildRows *rows = hnsw_parts_rows(parts);
	double size = build_rows_memory(rows, 1);
	Size numbers = parts->nrows * sizeof(uint32);
	Size memory = Max(parts->memory / 2, parts->memory - Min(numbers, parts->memory));
	double share = UPPER_SHARE * memory / (size * parts->nrows);

	build_rows_free(rows);
	parts->capacity = Max(MIN_CAPACITY, (uint64) (memory / size));
	share = Min(share, 1.0 / parts->build->params.m);
	parts->upper_limit = (uint64) (share * 18446744073709551616.0); /* 2^64 */
}

/* The graph of one part */
typedef struct PartGraph
{
	HnswParts *parts;
	Part *part;
	BuildRows *rows;
	uint32 n;		 /* vertices */
	uint32 capacity; /* of the arrays by vertex: */
	uint32 *numbers;
	uint32 *nrows; /* at home only */
	uint16 *others;
	bool *homes;
	ItemPointerData (*tids)[HNSW_INLINE_TIDS];
	uint32 root; /* of the tree */
	GraphTree tree;
	uint32 *order;
	uint32 *first_child; /* of those whose edges in the tree count */
	uint32 *next_child;

	/* a batch of lists, from order[batch] on */
	uint32 batch;
	Size list_size;
	char *lists;
} PartGraph;

static void *
grow_array(void *array, uint32 capacity, Size size)
{
	if (array == NULL)
		return palloc_extended((Size) capacity * size, MCXT_ALLOC_HUGE);
	return repalloc_huge(array, (Size) capacity * size);
}

static void
grow_vertices(PartGraph *graph)
{
	graph->capacity = Max(MIN_VERTICES, graph->capacity + graph->capacity / 2);
	graph->numbers = grow_array(graph->numbers, graph->capacity, sizeof(uint32));
	graph->nrows = grow_array(graph->nrows, graph->capacity, sizeof(uint32));
	graph->others = grow_array(graph->others, graph->capacity, sizeof(uint16));
	graph->homes = grow_array(graph->homes, graph->capacity, sizeof(bool));
	graph->tids = grow_array(graph->tids, graph->capacity, sizeof(graph->tids[0]));
}

/* Sorts the TIDs of rows for which the records have no room. */
static void
begin_tids(HnswParts *parts)
{
	TupleDesc desc = CreateTemplateTupleDesc(2);
	AttrNumber columns[] = {1, 2};
	Oid operators[] = {Int8LessOperator, TIDLessOperator};
	Oid collations[] = {InvalidOid, InvalidOid};
	bool nulls_first[] = {false, false};
	int memory = Max(64, maintenance_work_mem / TIDS_SHARE);

	TupleDescInitEntry(desc, 1, "number", INT8OID, -1, 0);
	TupleDescInitEntry(desc, 2, "tid", TIDOID, -1, 0);
	parts->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	parts->tids =
		tuplesort_begin_heap(desc, 2, columns, operators, collations, nulls_first, memory, NULL, 0);
}

static void
put_tid(HnswParts *parts, uint32 number, ItemPointer tid)
{
	MemoryContext old;

	if (parts->tids == NULL)
	{
		old = MemoryContextSwitchTo(parts->context);
		begin_tids(parts);
		MemoryContextSwitchTo(old);
	}
	ExecClearTuple(parts->slot);
	parts->slot->tts_values[0] = Int64GetDatum((int64) number);
	parts->slot->tts_values[1] = PointerGetDatum(tid);
	parts->slot->tts_isnull[0] = false;
	parts->slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(parts->slot);
	tuplesort_puttupleslot(parts->tids, parts->slot);
}

static void
add_row(PartGraph *graph, const PartRow *row, const void *value)
{
	const Part *home = row->home ? graph->part : &graph->parts->parts[row->other];
	uint32 vertex = build_rows_enter(graph->rows, value);

	if (vertex == graph->n)
	{
		if (graph->n == graph->capacity)
			grow_vertices(graph);
		graph->n++;
		graph->numbers[vertex] = (uint32) (home->base + row->position);
		graph->others[vertex] = row->other;
		graph->homes[vertex] = row->home;
		graph->nrows[vertex] = 0;
	}
	if (!row->home)
		return;
	if (graph->nrows[vertex] < HNSW_INLINE_TIDS)
		graph->tids[vertex][graph->nrows[vertex]] = row->tid;
	else
		put_tid(graph->parts, graph->numbers[vertex], (ItemPointer) &row->tid);
	graph->nrows[vertex]++;
}

static void
load_part(PartGraph *graph)
{
	Part *part = graph->part;
	char *value = palloc(graph->parts->part_space.encoded_size);
	PartRow row;
	uint64 done = 0;

	graph->rows = hnsw_parts_rows(graph->parts);
	spool_rewind(part->rows);
	while (spool_read(part->rows, &row, sizeof(row)))
	{
		spool_read(part->rows, value, graph->parts->part_space.encoded_size);
		add_row(graph, &row, value);
		if (++done % HNSW_ROWS_PER_LOOK == 0)
			CHECK_FOR_INTERRUPTS();
	}
	spool_close(part->rows);
	part->rows = NULL;
	for (uint32 v = 0; v < graph->n; v++)
	{
		PartLong entry = {.number = graph->numbers[v]};

		if (!graph->homes[v])
			continue;
		part->nvertices++;
		if (graph->nrows[v] <= HNSW_INLINE_TIDS)
			continue;
		entry.nrows = graph->nrows[v] - HNSW_INLINE_TIDS;
		spool_write(graph->parts->longs, &entry, sizeof(entry));
		part->nlong++;
	}
}

/*
 * Does the vertex hang on its parent in this part's tree?  In the tree over all
 * vertices it hangs where it is in the part of the lowest rank; the root of a
 * part's tree is in the parent part, too.
 */
static bool
hangs_here(const PartGraph *graph, uint32 vertex)
{
	uint16 other = graph->others[vertex];

	return vertex != graph->root &&
		   (other == NO_PART || graph->part->rank < graph->parts->parts[other].rank);
}

static void
make_tree(PartGraph *graph)
{
	uint32 n = graph->n;

	graph->tree.max_degree = graph->parts->build->params.m;
	graph->tree.parents = grow_array(NULL, n, sizeof(uint32));
	graph->tree.degrees = grow_array(NULL, n, sizeof(uint16));
	graph->tree.queue = grow_array(NULL, n, sizeof(uint32));
	graph->next_child = grow_array(NULL, n, sizeof(uint32));
	graph_tree(graph->parts->build->graph, &graph->tree);
	graph->root = graph_entry(graph->parts->build->graph);
	if (graph->part->rank > 0)
	{
		graph->root = 0;
		while (graph->others[graph->root] != graph->part->parent)
			graph->root++;
		graph_tree_set_root(&graph->tree, graph->root);
	}
	graph->first_child = graph->tree.queue;
	for (uint32 v = 0; v < n; v++)
		graph->first_child[v] = GRAPH_NO_VERTEX;
	for (uint32 v = 0; v < n; v++)
	{
		uint32 parent = graph->tree.parents[v];

		if (!hangs_here(graph, v))
			continue;
		graph->next_child[v] = graph->first_child[parent];
		graph->first_child[parent] = v;
	}
}

/* The edges of the tree at a vertex that count */
static int
tree_links(const PartGraph *graph, uint32 vertex, uint32 *links)
{
	int n = 0;

	if (hangs_here(graph, vertex))
		links[n++] = graph->tree.parents[vertex];
	for (uint32 child = graph->first_child[vertex]; child != GRAPH_NO_VERTEX;
		 child = graph->next_child[child])
		links[n++] = child;
	return n;
}

static PartList *
list_of_batch(const PartGraph *graph, uint32 i)
{
	return (PartList *) (graph->lists + (i - graph->batch) * graph->list_size);
}

/* Fills the lists of order[from .. to - 1]. */
static void
take_lists(void *arg, int thread, uint32_t from, uint32_t to)
{
	PartGraph *graph = arg;
	GraphRankedLink ranked[3 * HNSW_MAX_M];
	uint32 tree[HNSW_MAX_M];

	for (uint32 i = from; i < to; i++)
	{
		uint32 vertex = graph->order[i];
		uint16 other = graph->others[vertex];
		PartList *list = list_of_batch(graph, i);
		PartLink *links = (PartLink *) (list + 1);
		int ntree = tree_links(graph, vertex, tree);
		int n = graph_ranked_links(graph->parts->build->graph, thread, vertex, tree, ntree, ranked);

		list->number = graph->numbers[vertex];
		list->rank = graph->part->rank;
		list->anchor = hangs_here(graph, vertex) ? graph->numbers[tree[0]] : NO_NUMBER;
		list->nlinks = n;
		for (int j = 0; j < n; j++)
		{
			uint32 neighbor = ranked[j].vertex;

			links[j].key = ranked[j].key;
			links[j].number = graph->numbers[neighbor];
			links[j].flags = ranked[j].diverse ? LINK_DIVERSE : 0;
			if (other != NO_PART && graph->others[neighbor] == other)
				links[j].flags |= LINK_SHARED;
			if (hnsw_contains(tree, ntree, neighbor))
				links[j].flags |= LINK_TREE;
		}
	}
}

/* Is the vertex of this number in upper layers?  The first one always is. */
static bool
is_upper(const HnswParts *parts, uint32 number)
{
	uint64 hash = random_hash(random_hash(parts->build->params.seed) ^ number);

	return hash < parts->upper_limit || parts->nupper + parts->nlower == 0;
}

/* Gives a vertex its place among those of the index and spools it. */
static void
spool_vertex(PartGraph *graph, uint32 vertex, const PartList *list)
{
	HnswParts *parts = graph->parts;
	Size stored_size = parts->part_space.encoded_size;
	const void *value = build_rows_value(graph->rows, vertex);
	PartVertex record = {.ntids = Min(graph->nrows[vertex], HNSW_INLINE_TIDS), .list = *list};

	if (is_upper(parts, list->number))
	{
		parts->places[list->number] = PLACE_UPPER | parts->nupper++;
		spool_write(parts->upper, &list->number, sizeof(uint32));
		spool_write(parts->upper, value, stored_size);
	}
	else
		parts->places[list->number] = parts->nlower++;
	memcpy(record.tids, graph->tids[vertex], record.ntids * sizeof(ItemPointerData));
	spool_write(parts->vertices, &record, sizeof(record));
	spool_write(parts->vertices, list + 1, list->nlinks * sizeof(PartLink));
	spool_write(parts->vertices, value, stored_size);
}

static void
spool_guest(PartGraph *graph, uint32 vertex, const PartList *list)
{
	Part *home = &graph->parts->parts[graph->others[vertex]];

	home->nincoming++;
	spool_write(home->incoming, list, sizeof(PartList) + list->nlinks * sizeof(PartLink));
}

/* Spools the lists of all vertices, in the order in which they lie on pages. */
static void
spool_lists(PartGraph *graph)
{
	int threads = graph->parts->build->params.threads;
	uint32 batch;

	graph->list_size = sizeof(PartList) + 3 * graph->parts->build->params.m * sizeof(PartLink);
	batch = Max(MIN_LISTS, Min(MAX_LISTS, graph->parts->memory / LISTS_SHARE / graph->list_size));
	graph->lists = palloc(batch * graph->list_size);
	graph->order = grow_array(NULL, graph->n, sizeof(uint32));
	graph_layout_order(graph->parts->build->graph, graph->order);
	for (graph->batch = 0; graph->batch < graph->n; graph->batch += batch)
	{
		uint32 end = Min(graph->batch + batch, graph->n);

		CHECK_FOR_INTERRUPTS();
		parallel_for(threads, graph->batch, end, LISTS_GRAIN, take_lists, graph);
		for (uint32 i = graph->batch; i < end; i++)
		{
			uint32 vertex = graph->order[i];

			if (graph->homes[vertex])
				spool_vertex(graph, vertex, list_of_batch(graph, i));
			else
				spool_guest(graph, vertex, list_of_batch(graph, i));
		}
	}
}

/* Builds the graph of a part and spools what becomes of it. */
static void
build_part(HnswParts *parts, Part *part)
{
	HnswBuild *build = parts->build;
	MemoryContext context =
		AllocSetContextCreate(parts->context, "hnsw build part", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PartGraph graph = {.parts = parts, .part = part};
	GraphParams params = build->params;

	params.ef_construction = HNSW_PART_EF(params.m, params.ef_construction);
	load_part(&graph);
	if (graph.n > 0)
	{
		hnsw_build_graph(build, graph.rows, &params, parts->ndone);
		make_tree(&graph);
		spool_lists(&graph);
		graph_free(build->graph);
		build->graph = NULL;
	}
	parts->ndone += part->nhome + part->nguests;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
build_all(HnswParts *parts)
{
	uint64 total = 0;

	parts->places = palloc_extended(parts->nrows * sizeof(uint32), MCXT_ALLOC_HUGE);
	parts->vertices = spool_create();
	parts->longs = spool_create();
	parts->upper = spool_create();
	for (uint32 i = 0; i < parts->nparts; i++)
	{
		parts->parts[i].incoming = spool_create();
		total += parts->parts[i].nhome + parts->parts[i].nguests;
	}
	build_phase(BUILD_PHASE_STRUCTURE, total);
	for (uint32 i = 0; i < parts->nparts; i++)
		build_part(parts, &parts->parts[i]);
}

/* Seconds that the graphs of all parts will take, measured on the pivots */
static double
predict_seconds(const HnswParts *parts)
{
	const IndexSpace *space = &parts->build->index.space;
	GraphParams params = parts->build->params;
	HnswSample sample = {.values = {.chunks = &parts->sample,
									.chunk_shift = 31,
									.stride = MAXALIGN(space->encoded_size),
									.value_size = space->encoded_size},
						 .n = Min(parts->sample_capacity, parts->nrows)};
	HnswCalibration calibration;
	double part_rows = (double) HNSW_PART_COPIES * hnsw_parts_distinct(parts) / parts->nparts;
	double threads = params.threads;

	params.ef_construction = HNSW_PART_EF(params.m, params.ef_construction);
	hnsw_calibrate(&calibration, &sample, &space->context, &params, CALIBRATION_SECONDS);
	return parts->nparts * hnsw_predict_seconds(&calibration, part_rows, params.threads) +
		   parts->nrows * parts->npivots * calibration.bare_seconds / threads;
}

static const void *
value_of_sample(const void *parts, uint32 number)
{
	return hnsw_parts_sample((const HnswParts *) parts, number);
}

/* No more rows will come: builds the index of those that were spooled. */
void
hnsw_parts_build(HnswParts *parts, RowSpool *rows)
{
	HnswBuild *build = parts->build;

	parts->rows = rows;
	build_phase(BUILD_PHASE_PARTITION, 2 * parts->nrows);
	choose_stored_element(parts);
	parts->mean = hnsw_build_mean(build, &build->index.space.context, value_of_sample, parts,
								  Min(parts->sample_capacity, parts->nrows));
	choose_sizes(parts);
	hnsw_parts_divide(parts);
	build_report_parts(
		&build->frame, &hnsw_graph_structure, parts->nrows, parts->nparts,
		psprintf(" The parts take about %.0f seconds.", ceil(predict_seconds(parts))));
	hnsw_parts_distribute(parts);
	build_all(parts);
	hnsw_join_parts(parts);
}
