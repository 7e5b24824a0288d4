/*-------------------------------------------------------------------------
 *
 * build_join.c
 *	  Writes the index of a build in parts, the lists of each vertex joined.
 *
 * Pages come in this order: metapage; slot pages, first those of the vertices
 * of upper layers, then those of the others part by part; value pages, if there
 * are any; item pages.  The slots of upper layers are filled through shared
 * buffers as their parts come, everything else is written once, in order.
 *
 * Vertices are read from the spool batch by batch.  Threads join the lists of a
 * batch, then its records are written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/progress.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "core/parallel.h"
#include "hnsw/parts.h"

#define NO_OFFSET PG_UINT32_MAX

/*
 * Share of the memory that a batch of vertices takes: it is free since the graphs of parts
 * and upper layers are.  Bytes at most: enough that threads meet seldom, and not more than
 * a processor's outer cache holds.
 */
#define BATCH_SHARE 16
#define MAX_BATCH_SIZE (8 * 1024 * 1024)

/* Vertices of a batch, whatever the memory, and how many a thread takes at a time */
#define MIN_BATCH 16
#define BATCH_GRAIN 16

/* Bytes read from a spool between two looks at interrupts */
#define READ_SIZE (1024 * 1024)

/* A vertex of a batch */
typedef struct JoinVertex
{
	uint32 place;
	const PartList *other; /* what it got where it is a guest, or NULL */
	uint32 *links;		   /* ids: the anchor's first, then ascending by distance */
	int nlinks;
	bool root;			/* it has no anchor */
	PartVertex spooled; /* its links and value follow */
} JoinVertex;

typedef struct PartsJoin
{
	HnswParts *parts;
	HnswBuild *build;
	int limit; /* links in layer 0 */

	/* vertices of the upper layers, by their number there */
	uint32 *upper_places;
	uint8 *levels;			/* by place */
	ItemPointerData *items; /* by place: where their links are */
	Spool *upper_links;		/* HnswUpper in the order of places */
	uint32 entry;			/* place */

	uint32 first_lower; /* place of the first vertex in layer 0 only */
	uint32 nplaces;
	BlockNumber value_start;
	BlockNumber item_start;
	HnswItemPlace item_place;

	/* the page being filled, or invalid; it is locked only while a batch is written */
	Buffer buffer;
	BlockNumber block;

	/* of the part at hand; there is room for that of any part */
	const Part *part;
	char *incoming;
	uint32 *chains;			/* by row: offset of its list in incoming[] / 4, or NO_OFFSET */
	PartLong *longs;		/* its vertices with many rows ... */
	ItemPointerData *heads; /* ... and where their lists begin */
	uint32 next_list;		/* lists used, of those that came in */

	/* the batch at hand */
	uint32 batch; /* vertices at most */
	Size vertex_size;
	char *vertices;
	uint64 nwritten;
	uint32 root; /* id of the vertex without anchor */
} PartsJoin;

static uint32
id_of_place(const PartsJoin *join, uint32 place)
{
	return (META_BLOCK + 1) * join->build->index.meta.slots_per_page + place;
}

static uint32
place_of_number(const PartsJoin *join, uint32 number)
{
	uint32 place = join->parts->places[number];

	if (place & PLACE_UPPER)
		return join->upper_places[place & ~PLACE_UPPER];
	return join->first_lower + place;
}

static uint32
id_of_number(const PartsJoin *join, uint32 number)
{
	return id_of_place(join, place_of_number(join, number));
}

/* ------------------------------------------------------------ upper layers */

/* Builds the graph of the upper layers, from layer 1 on, build->graph. */
static BuildRows *
build_upper(PartsJoin *join)
{
	HnswParts *parts = join->parts;
	BuildRows *rows = hnsw_parts_rows(parts);
	GraphParams params = join->build->params;
	char *value = palloc(parts->part_space.encoded_size);
	uint32 number;

	params.upper = true;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 (int64) (parts->ndone + parts->nupper));
	spool_rewind(parts->upper);
	while (spool_read(parts->upper, &number, sizeof(number)))
	{
		spool_read(parts->upper, value, parts->part_space.encoded_size);
		build_rows_enter(rows, value);
	}
	spool_close(parts->upper);
	pfree(value);
	if (rows->nvalues != parts->nupper)
		elog(ERROR, "values of the upper layers are not distinct");
	hnsw_build_graph(join->build, rows, &params, parts->ndone);
	return rows;
}

/* Spools the links of a vertex above layer 0 and places the item they become. */
static void
spool_upper_links(PartsJoin *join, uint32 vertex, uint32 place)
{
	const Graph *graph = join->build->graph;
	int m = join->build->params.m;
	int level = graph_level(graph, vertex) + 1;
	Size size = HNSW_UPPER_SIZE(m, level);
	HnswUpper upper = palloc0(size);

	upper->kind = HNSW_ITEM_UPPER;
	upper->level = level;
	for (int layer = 1; layer <= level; layer++)
	{
		uint32 *links = HNSW_UPPER_LINKS(upper, m, layer);
		int n = graph_links(graph, vertex, layer - 1, links);

		for (int i = 0; i < n; i++)
			links[i] = id_of_place(join, join->upper_places[links[i]]);
		upper->counts[layer - 1] = n;
	}
	spool_write(join->upper_links, upper, size);
	join->levels[place] = level;
	join->items[place] = hnsw_place_item(&join->item_place, size);
	pfree(upper);
}

/* Decides where the pages of each kind begin. */
static void
place_pages(PartsJoin *join)
{
	const HnswMeta *meta = &join->build->index.meta;
	uint32 slots = meta->slots_per_page;
	uint32 front_pages = (join->parts->nupper + slots - 1) / slots;

	join->first_lower = front_pages * slots;
	join->nplaces =
		join->parts->nlower > 0 ? join->first_lower + join->parts->nlower : join->parts->nupper;
	join->value_start = META_BLOCK + 1 + (join->nplaces + slots - 1) / slots;
	join->item_start =
		join->value_start + (join->parts->nupper + join->parts->nlower) * meta->value_pages;
	join->item_place.block = join->item_start - 1;
}

static void
join_upper(PartsJoin *join)
{
	HnswParts *parts = join->parts;
	BuildRows *rows = build_upper(join);
	uint32 *order = palloc_extended(parts->nupper * sizeof(uint32), MCXT_ALLOC_HUGE);

	join->upper_places = palloc_extended(parts->nupper * sizeof(uint32), MCXT_ALLOC_HUGE);
	join->levels = palloc_extended(parts->nupper, MCXT_ALLOC_HUGE);
	join->items = palloc_extended(parts->nupper * sizeof(ItemPointerData), MCXT_ALLOC_HUGE);
	join->upper_links = spool_create();
	graph_layout_order(join->build->graph, order);
	for (uint32 place = 0; place < parts->nupper; place++)
		join->upper_places[order[place]] = place;
	for (uint32 place = 0; place < parts->nupper; place++)
		spool_upper_links(join, order[place], place);
	join->entry = join->upper_places[graph_entry(join->build->graph)];
	pfree(order);
	graph_free(join->build->graph);
	join->build->graph = NULL;
	build_rows_free(rows);
}

/* ------------------------------------------------------------ lists */

/* Room for what belongs to any one part: taken once, since new memory costs page faults. */
static void
alloc_part(PartsJoin *join)
{
	Size incoming = 1;
	Size nhome = 1;
	Size nlong = 1;

	for (uint32 i = 0; i < join->parts->nparts; i++)
	{
		const Part *part = &join->parts->parts[i];

		incoming = Max(incoming, part->incoming->size);
		nhome = Max(nhome, part->nhome);
		nlong = Max(nlong, part->nlong);
	}
	join->incoming = palloc_extended(incoming, MCXT_ALLOC_HUGE);
	join->chains = palloc_extended(nhome * sizeof(uint32), MCXT_ALLOC_HUGE);
	join->longs = palloc_extended(nlong * sizeof(PartLong), MCXT_ALLOC_HUGE);
	join->heads = palloc_extended(nlong * sizeof(ItemPointerData), MCXT_ALLOC_HUGE);
}

/* Reads the lists that a part's vertices got where they were guests. */
static void
read_incoming(PartsJoin *join, Part *part)
{
	uint64 size = part->incoming->size;

	spool_rewind(part->incoming);
	for (uint64 at = 0; at < size; at += READ_SIZE)
	{
		CHECK_FOR_INTERRUPTS();
		spool_read(part->incoming, join->incoming + at, Min(READ_SIZE, size - at));
	}
	spool_close(part->incoming);
	part->incoming = NULL;
}

/* Notes which vertex has which of the lists that came in. */
static void
chain_incoming(PartsJoin *join, const Part *part)
{
	uint64 at = 0;

	memset(join->chains, 0xFF, part->nhome * sizeof(uint32));
	for (uint32 i = 0; i < part->nincoming; i++)
	{
		const PartList *list = (const PartList *) (join->incoming + at);

		join->chains[list->number - part->base] = at / sizeof(uint32);
		at += sizeof(PartList) + list->nlinks * sizeof(PartLink);
		if (i % HNSW_ROWS_PER_LOOK == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/* The list that a vertex got where it is a guest, or NULL; each is asked for once. */
static const PartList *
take_incoming(PartsJoin *join, uint32 number)
{
	uint32 chain = join->chains[number - join->part->base];

	if (chain == NO_OFFSET)
		return NULL;
	join->next_list++;
	return (const PartList *) (join->incoming + (Size) chain * sizeof(uint32));
}

/* Of the TID lists of a part's vertices: read, and placed in the order of numbers. */
static void
place_long(PartsJoin *join, const Part *part)
{
	for (uint32 i = 0; i < part->nlong; i++)
	{
		spool_read(join->parts->longs, &join->longs[i], sizeof(PartLong));
		join->heads[i] = hnsw_place_tids(&join->item_place, join->longs[i].nrows);
	}
}

/* Where the TID lists of a vertex begin; invalid if it has none. */
static ItemPointerData
find_head(const PartsJoin *join, uint32 number)
{
	uint32 low = 0;
	uint32 high = join->part->nlong;
	ItemPointerData none;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;

		if (join->longs[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < join->part->nlong && join->longs[low].number == number)
		return join->heads[low];
	ItemPointerSetInvalid(&none);
	return none;
}

/* ------------------------------------------------------------ batches */

static JoinVertex *
vertex_of_batch(const PartsJoin *join, uint32 i)
{
	return (JoinVertex *) (join->vertices + i * join->vertex_size);
}

/* Room for a batch: the vertices, then the ids of their links */
static void
alloc_batch(PartsJoin *join)
{
	const HnswParts *parts = join->parts;
	Size spooled = 3 * join->build->params.m * sizeof(PartLink) + parts->part_space.encoded_size;
	Size links = join->limit * sizeof(uint32);
	Size room = Min(MAX_BATCH_SIZE, parts->memory / BATCH_SHARE);
	uint32 *ids;

	join->vertex_size = MAXALIGN(sizeof(JoinVertex) + spooled);
	join->batch = Max(MIN_BATCH, room / (join->vertex_size + links));
	join->vertices = palloc(join->batch * join->vertex_size);
	ids = palloc(join->batch * links);
	for (uint32 i = 0; i < join->batch; i++)
		vertex_of_batch(join, i)->links = ids + (Size) i * join->limit;
}

static void
free_batch(PartsJoin *join)
{
	pfree(vertex_of_batch(join, 0)->links);
	pfree(join->vertices);
}

static const char *
value_of_vertex(const JoinVertex *vertex)
{
	const PartList *list = &vertex->spooled.list;

	return (const char *) ((const PartLink *) (list + 1) + list->nlinks);
}

/* Reads the next vertex in the order in which they were spooled. */
static void
read_vertex(PartsJoin *join, JoinVertex *vertex)
{
	Spool *spool = join->parts->vertices;
	PartList *list = &vertex->spooled.list;

	spool_read(spool, &vertex->spooled, sizeof(PartVertex));
	spool_read(spool, list + 1,
			   list->nlinks * sizeof(PartLink) + join->parts->part_space.encoded_size);
}

/* Joins the lists of the vertices [from, to) of the batch: the body of threads. */
static void
join_vertices(void *arg, int thread, uint32_t from, uint32_t to)
{
	const PartsJoin *join = arg;

	for (uint32 i = from; i < to; i++)
	{
		JoinVertex *vertex = vertex_of_batch(join, i);
		const PartList *own = &vertex->spooled.list;

		vertex->place = place_of_number(join, own->number);
		vertex->root = hnsw_joined_anchor(own, vertex->other) == NO_NUMBER;
		vertex->nlinks = hnsw_join_lists(own, vertex->other, join->limit, vertex->links);
		for (int j = 0; j < vertex->nlinks; j++)
			vertex->links[j] = id_of_number(join, vertex->links[j]);
	}
}

/* Reads the next n vertices of the part at hand and joins their lists. */
static void
join_batch(PartsJoin *join, uint32 n)
{
	CHECK_FOR_INTERRUPTS();
	for (uint32 i = 0; i < n; i++)
	{
		JoinVertex *vertex = vertex_of_batch(join, i);

		read_vertex(join, vertex);
		vertex->other = take_incoming(join, vertex->spooled.list.number);
	}
	parallel_for(join->build->params.threads, 0, n, BATCH_GRAIN, join_vertices, join);
}

/* ------------------------------------------------------------ pages */

/* Empty slot pages for the vertices of upper layers */
static void
make_front_pages(PartsJoin *join)
{
	const HnswMeta *meta = &join->build->index.meta;
	uint32 slots = meta->slots_per_page;
	uint32 nupper = join->parts->nupper;

	for (uint32 place = 0; place < nupper; place += slots)
	{
		int n = Min(slots, nupper - place);
		Buffer buffer = hnsw_next_page(join->build, PAGE_SLOTS, META_BLOCK + 1 + place / slots);

		page_set_slots(BufferGetPage(buffer), meta->slot_size, n);
		if (place + n == join->nplaces)
			hnsw_end_slot_pages(BufferGetPage(buffer));
		hnsw_finish_page(buffer);
	}
}

/* The page of a place, locked; it stays join->buffer until another one is wanted. */
static Page
page_of_place(PartsJoin *join, uint32 place)
{
	const HnswMeta *meta = &join->build->index.meta;
	uint32 slots = meta->slots_per_page;
	BlockNumber block = META_BLOCK + 1 + place / slots;

	if (BufferIsValid(join->buffer) && join->block == block)
		return BufferGetPage(join->buffer);
	if (BufferIsValid(join->buffer))
		hnsw_finish_page(join->buffer);
	join->buffer = hnsw_next_page(join->build, PAGE_SLOTS, block);
	join->block = block;
	page_set_slots(BufferGetPage(join->buffer), meta->slot_size, Min(slots, join->nplaces - place));
	if (place + slots >= join->nplaces)
		hnsw_end_slot_pages(BufferGetPage(join->buffer));
	return BufferGetPage(join->buffer);
}

static void
fill_vertex(PartsJoin *join, const JoinVertex *vertex, HnswVertex record)
{
	HnswIndex *index = &join->build->index;
	const PartVertex *spooled = &vertex->spooled;

	memset(record, 0, index->meta.slot_size);
	record->version = 1;
	record->ntids = spooled->ntids;
	memcpy(record->tids, spooled->tids, record->ntids * sizeof(ItemPointerData));
	ItemPointerSetInvalid(&record->upper);
	if (vertex->place < join->parts->nupper)
	{
		record->level = join->levels[vertex->place];
		record->upper = join->items[vertex->place];
	}
	record->more_tids = find_head(join, spooled->list.number);
	record->nlinks = vertex->nlinks;
	memcpy(hnsw_vertex_links(index, record), vertex->links, vertex->nlinks * sizeof(uint32));
	if (index->meta.value_pages == 0)
		memcpy(hnsw_vertex_value(index, record), value_of_vertex(vertex), index->space.stored_size);
	else
	{
		BlockNumber *blocks = hnsw_vertex_value(index, record);

		for (int i = 0; i < index->meta.value_pages; i++)
			blocks[i] = join->value_start + join->nwritten * index->meta.value_pages + i;
	}
}

static void
write_vertex(PartsJoin *join, const JoinVertex *vertex)
{
	HnswIndex *index = &join->build->index;
	uint32 slots = index->meta.slots_per_page;
	uint32 place = vertex->place;
	Buffer buffer;

	if (place >= join->first_lower)
		fill_vertex(join, vertex,
					(HnswVertex) page_slot(page_of_place(join, place), index->meta.slot_size,
										   place % slots));
	else
	{
		buffer = ReadBuffer(index->relation, META_BLOCK + 1 + place / slots);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		fill_vertex(
			join, vertex,
			(HnswVertex) page_slot(BufferGetPage(buffer), index->meta.slot_size, place % slots));
		hnsw_finish_page(buffer);
	}
	if (vertex->root)
		join->root = id_of_place(join, place);
	join->nwritten++;
}

/* Writes the n vertices of the batch.  No lock stays behind: it would hold off interrupts. */
static void
write_batch(PartsJoin *join, uint32 n)
{
	if (BufferIsValid(join->buffer))
		LockBuffer(join->buffer, BUFFER_LOCK_EXCLUSIVE);
	for (uint32 i = 0; i < n; i++)
		write_vertex(join, vertex_of_batch(join, i));
	if (BufferIsValid(join->buffer))
	{
		MarkBufferDirty(join->buffer);
		LockBuffer(join->buffer, BUFFER_LOCK_UNLOCK);
	}
	build_progress(join->nwritten);
}

static void
write_part(PartsJoin *join, Part *part)
{
	join->part = part;
	join->next_list = 0;
	read_incoming(join, part);
	chain_incoming(join, part);
	place_long(join, part);
	for (uint32 done = 0; done < part->nvertices; done += join->batch)
	{
		uint32 n = Min(join->batch, part->nvertices - done);

		join_batch(join, n);
		write_batch(join, n);
	}
	if (join->next_list != part->nincoming)
		elog(ERROR, "part has %u lists of its vertices left over",
			 part->nincoming - join->next_list);
}

static void
write_slot_pages(PartsJoin *join)
{
	make_front_pages(join);
	spool_rewind(join->parts->vertices);
	spool_rewind(join->parts->longs);
	alloc_part(join);
	for (uint32 i = 0; i < join->parts->nparts; i++)
		write_part(join, &join->parts->parts[i]);
	if (BufferIsValid(join->buffer))
		ReleaseBuffer(join->buffer);
	pfree(join->incoming);
	pfree(join->chains);
	pfree(join->longs);
	pfree(join->heads);
}

static void
write_value_pages(PartsJoin *join)
{
	int pages = join->build->index.meta.value_pages;
	JoinVertex *vertex = vertex_of_batch(join, 0);

	if (pages == 0)
		return;
	spool_rewind(join->parts->vertices);
	for (uint64 i = 0; i < join->nwritten; i++)
	{
		read_vertex(join, vertex);
		hnsw_write_value_pages(join->build, value_of_vertex(vertex),
							   join->build->index.space.stored_size, join->value_start + i * pages);
	}
}

static ItemPointerData
next_sorted_tid(void *arg)
{
	PartsJoin *join = arg;
	bool isnull;

	if (!tuplesort_gettupleslot(join->parts->tids, true, false, join->parts->slot, NULL))
		elog(ERROR, "sorted rows end too early");
	return *(ItemPointer) DatumGetPointer(slot_getattr(join->parts->slot, 2, &isnull));
}

/* Upper links first, then TID lists: the order in which they were placed. */
static void
write_item_pages(PartsJoin *join)
{
	HnswParts *parts = join->parts;
	int m = join->build->params.m;
	HnswItemWriter writer = {.build = join->build, .buffer = InvalidBuffer};
	PartLong entry;

	writer.at.block = join->item_start - 1;
	spool_rewind(join->upper_links);
	for (uint32 place = 0; place < parts->nupper; place++)
	{
		Size size = HNSW_UPPER_SIZE(m, join->levels[place]);
		char *upper = palloc(size);

		spool_read(join->upper_links, upper, size);
		hnsw_write_item(&writer, (Item) upper, size);
		pfree(upper);
	}
	if (parts->tids != NULL)
	{
		TupleDesc desc = parts->slot->tts_tupleDescriptor;

		tuplesort_performsort(parts->tids);
		parts->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
		spool_rewind(parts->longs);
		while (spool_read(parts->longs, &entry, sizeof(entry)))
			hnsw_write_tids(&writer, id_of_place(join, place_of_number(join, entry.number)),
							entry.nrows, next_sorted_tid, join);
		tuplesort_end(parts->tids);
	}
	hnsw_end_items(&writer);
}

/* ------------------------------------------------------------ entry point */

/*
 * Makes `anchor` the anchor of a vertex that links to it, and returns the
 * anchor it had.
 */
static uint32
change_anchor(PartsJoin *join, uint32 vertex, uint32 anchor)
{
	HnswIndex *index = &join->build->index;
	Buffer buffer = ReadBuffer(index->relation, hnsw_block(index, vertex));
	uint32 *links;
	uint32 before;
	HnswVertex record;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	record = hnsw_page_vertex(index, BufferGetPage(buffer), vertex);
	links = hnsw_vertex_links(index, record);
	before = record->nlinks > 0 ? links[0] : HNSW_NO_VERTEX;
	for (int i = 1; i < record->nlinks; i++)
	{
		if (links[i] == anchor)
		{
			links[i] = links[0];
			links[0] = anchor;
		}
	}
	hnsw_finish_page(buffer);
	return before;
}

/* Turns the tree of anchors so that the entry point is its root. */
static void
root_anchors(PartsJoin *join)
{
	uint32 vertex = join->build->index.meta.entry;
	uint32 below = HNSW_NO_VERTEX;

	while (vertex != join->root)
	{
		uint32 above = change_anchor(join, vertex, below);

		below = vertex;
		vertex = above;
	}
	if (below != HNSW_NO_VERTEX)
		change_anchor(join, vertex, below);
}

/* Memory that codes may be made in: all but what is kept of every row and the pivots */
static Size
memory_for_codes(const HnswParts *parts)
{
	Size kept = parts->nrows * sizeof(uint32) +
				parts->sample_capacity * MAXALIGN(parts->build->index.space.encoded_size);

	return Max(parts->memory / 2, parts->memory - Min(kept, parts->memory));
}

void
hnsw_join_parts(HnswParts *parts)
{
	HnswMeta *meta = &parts->build->index.meta;
	PartsJoin join = {.parts = parts, .build = parts->build, .buffer = InvalidBuffer};

	join.limit = HNSW_LAYER_LINKS(parts->build->params.m, 0);
	place_pages(&join);
	join_upper(&join);
	alloc_batch(&join);
	build_phase(BUILD_PHASE_WRITE, parts->nupper + parts->nlower);
	write_slot_pages(&join);
	write_value_pages(&join);
	free_batch(&join);
	write_item_pages(&join);
	meta->entry = id_of_place(&join, join.entry);
	meta->entry_level = join.levels[join.entry];
	meta->insert_block = join.value_start - 1;
	meta->pending = meta->insert_block;
	meta->pending_ordinal = 1;
	meta->item_block =
		join.item_place.block >= join.item_start ? join.item_place.block : InvalidBlockNumber;
	meta->routing_end = id_of_place(&join, Min(parts->nupper, HNSW_ROUTING_SAMPLE(join.nplaces)));
	meta->uncoded = 1;
	root_anchors(&join);
	hnsw_write_mean(parts->build, parts->mean);
	build_write_meta(parts->build->index.relation, &parts->build->index.meta, sizeof(HnswMeta));
	hnsw_code_index(&parts->build->index, parts->build->params.threads, memory_for_codes(parts));
	spool_close(join.upper_links);
	spool_close(parts->vertices);
	spool_close(parts->longs);
}
