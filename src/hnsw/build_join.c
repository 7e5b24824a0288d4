/*-------------------------------------------------------------------------
 *
 * build_join.c
 *	  Joins the lists that the vertices got in their parts and writes the index.
 *
 * Pages come in this order: metapage; slot pages, first those of the vertices
 * of upper layers, then those of the others part by part; value pages, if there
 * are any; item pages.  The slots of upper layers are filled through shared
 * buffers as their parts come, everything else is written once, in order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/progress.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "hnsw/parts.h"

#define NO_OFFSET PG_UINT32_MAX

/* A neighbour while lists are joined */
typedef struct Joined
{
	PartLink link;
	bool both; /* it was in two lists */
} Joined;

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

	/* the page being filled */
	Buffer buffer;
	BlockNumber block;

	/* of the part at hand */
	const Part *part;
	char *incoming;
	uint32 *chains;			/* by row: offset of its list in incoming[] / 8, or NO_OFFSET */
	PartLong *longs;		/* its vertices with many rows ... */
	ItemPointerData *heads; /* ... and where their lists begin */
	uint32 next_list;		/* lists used, of those that came in */

	/* the vertex at hand */
	PartVertex vertex;
	PartList *own;
	char *value;
	Joined *joined;
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

/* ------------------------------------------------------------ upper layers */

/* Builds the graph of the upper layers, from layer 1 on, build->graph. */
static BuildRows *
build_upper(PartsJoin *join)
{
	HnswParts *parts = join->parts;
	BuildRows *rows = hnsw_parts_rows(parts);
	GraphParams params = join->build->params;
	uint32 number;

	params.upper = true;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 (int64) (parts->ndone + parts->nupper));
	spool_rewind(parts->upper);
	while (spool_read(parts->upper, &number, sizeof(number)))
	{
		spool_read(parts->upper, join->value, parts->part_space.encoded_size);
		build_rows_enter(rows, join->value);
	}
	spool_close(parts->upper);
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

/* Reads the lists that a part's vertices got where they were guests. */
static void
read_incoming(PartsJoin *join, Part *part)
{
	uint64 size = part->incoming->size;
	uint64 at = 0;

	join->incoming = palloc_extended(Max(size, 1), MCXT_ALLOC_HUGE);
	join->chains = palloc_extended(Max(part->nhome, 1) * sizeof(uint32), MCXT_ALLOC_HUGE);
	memset(join->chains, 0xFF, part->nhome * sizeof(uint32));
	spool_rewind(part->incoming);
	for (uint32 i = 0; i < part->nincoming; i++)
	{
		PartList *list = (PartList *) (join->incoming + at);
		Size links;

		spool_read(part->incoming, list, sizeof(PartList));
		links = list->nlinks * sizeof(PartLink);
		spool_read(part->incoming, list + 1, links);
		join->chains[list->number - part->base] = at / sizeof(uint32);
		at += sizeof(PartList) + links;
		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	spool_close(part->incoming);
	part->incoming = NULL;
}

/* Of the TID lists of a part's vertices: read, and placed in the order of numbers. */
static void
place_long(PartsJoin *join, const Part *part)
{
	join->longs = palloc_extended(Max(part->nlong, 1) * sizeof(PartLong), MCXT_ALLOC_HUGE);
	join->heads = palloc_extended(Max(part->nlong, 1) * sizeof(ItemPointerData), MCXT_ALLOC_HUGE);
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

/* Merges a list into the n neighbours joined so far, both ascending by distance. */
static int
merge_list(PartsJoin *join, int n, const PartList *list)
{
	const PartLink *links = (const PartLink *) (list + 1);
	int result = n;

	for (uint32 i = 0; i < list->nlinks; i++)
	{
		int at = result;

		while (at > 0 && join->joined[at - 1].link.key > links[i].key)
			at--;
		for (int j = at - 1; j >= 0 && join->joined[j].link.key == links[i].key; j--)
		{
			if (join->joined[j].link.number == links[i].number)
			{
				join->joined[j].link.flags =
					((join->joined[j].link.flags | links[i].flags) & ~LINK_DIVERSE) |
					(join->joined[j].link.flags & links[i].flags & LINK_DIVERSE);
				join->joined[j].both = true;
				at = -1;
				break;
			}
		}
		if (at < 0)
			continue;
		memmove(&join->joined[at + 1], &join->joined[at], (result - at) * sizeof(Joined));
		join->joined[at].link = links[i];
		join->joined[at].both = false;
		result++;
	}
	return result;
}

/*
 * How much a neighbour is wanted, less is more.  Edges of the tree come first,
 * then those that the heuristic kept.  A neighbour that is in both parts but
 * was kept in one of them only was turned down in the other.
 */
static int
rank_neighbor(const Joined *joined, bool two)
{
	if (joined->link.flags & LINK_TREE)
		return 0;
	if ((joined->link.flags & LINK_DIVERSE) == 0)
		return 2;
	if (two && (joined->link.flags & LINK_SHARED) && !joined->both)
		return 2;
	return 1;
}

/*
 * Joins the lists of the vertex at hand.  links gets its neighbours' ids, the
 * anchor first, then ascending by distance; returns how many.
 */
static int
join_lists(PartsJoin *join, const PartList *other, uint32 *links)
{
	const PartList *own = join->own;
	uint32 anchor = own->anchor;
	int n = merge_list(join, 0, own);
	int nlinks = 0;
	int left = join->limit;
	bool keep[8 * HNSW_MAX_M];

	if (other != NULL)
	{
		n = merge_list(join, n, other);
		if (other->anchor != NO_NUMBER && (anchor == NO_NUMBER || other->rank < own->rank))
			anchor = other->anchor;
	}
	memset(keep, 0, sizeof(keep));
	for (int rank = 0; rank <= 2; rank++)
	{
		for (int i = 0; i < n && left > 0; i++)
		{
			if (keep[i] || rank_neighbor(&join->joined[i], other != NULL) != rank)
				continue;
			keep[i] = true;
			left--;
		}
	}
	for (int i = 0; i < n; i++)
	{
		uint32 number = join->joined[i].link.number;

		if (!keep[i])
			continue;
		links[nlinks++] = id_of_place(join, place_of_number(join, number));
		if (number == anchor)
		{
			uint32 id = links[nlinks - 1];

			memmove(&links[1], &links[0], (nlinks - 1) * sizeof(uint32));
			links[0] = id;
		}
	}
	if (anchor == NO_NUMBER)
		join->root = id_of_place(join, place_of_number(join, own->number));
	return nlinks;
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

/* Fills the record of the vertex at hand. */
static void
fill_vertex(PartsJoin *join, uint32 place, HnswVertex record)
{
	HnswIndex *index = &join->build->index;
	uint32 chain = join->chains[join->own->number - join->part->base];
	const PartList *other = NULL;

	if (chain != NO_OFFSET)
	{
		other = (const PartList *) (join->incoming + (Size) chain * sizeof(uint32));
		join->next_list++;
	}
	memset(record, 0, index->meta.slot_size);
	record->version = 1;
	record->ntids = join->vertex.ntids;
	memcpy(record->tids, join->vertex.tids, record->ntids * sizeof(ItemPointerData));
	ItemPointerSetInvalid(&record->upper);
	if (place < join->parts->nupper)
	{
		record->level = join->levels[place];
		record->upper = join->items[place];
	}
	record->more_tids = find_head(join, join->own->number);
	record->nlinks = join_lists(join, other, hnsw_vertex_links(index, record));
	if (index->meta.value_pages == 0)
		memcpy(hnsw_vertex_value(index, record), join->value, index->space.stored_size);
	else
	{
		BlockNumber *blocks = hnsw_vertex_value(index, record);

		for (int i = 0; i < index->meta.value_pages; i++)
			blocks[i] = join->value_start + join->nwritten * index->meta.value_pages + i;
	}
}

/* The next vertex in the order in which they were spooled */
static void
read_vertex(PartsJoin *join)
{
	Spool *vertices = join->parts->vertices;

	spool_read(vertices, &join->vertex, sizeof(PartVertex));
	spool_read(vertices, join->own, sizeof(PartList));
	spool_read(vertices, join->own + 1, join->own->nlinks * sizeof(PartLink));
	spool_read(vertices, join->value, join->parts->part_space.encoded_size);
}

static void
write_vertex(PartsJoin *join)
{
	HnswIndex *index = &join->build->index;
	uint32 place;
	Buffer buffer;

	read_vertex(join);
	place = place_of_number(join, join->own->number);
	if (place >= join->first_lower)
		fill_vertex(join, place,
					(HnswVertex) page_slot(page_of_place(join, place), index->meta.slot_size,
										   place % index->meta.slots_per_page));
	else
	{
		buffer = ReadBuffer(index->relation, META_BLOCK + 1 + place / index->meta.slots_per_page);
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		fill_vertex(join, place,
					(HnswVertex) page_slot(BufferGetPage(buffer), index->meta.slot_size,
										   place % index->meta.slots_per_page));
		hnsw_finish_page(buffer);
	}
	join->nwritten++;
}

static void
write_part(PartsJoin *join, Part *part)
{
	join->part = part;
	join->next_list = 0;
	read_incoming(join, part);
	place_long(join, part);
	for (uint32 i = 0; i < part->nvertices; i++)
		write_vertex(join);
	if (join->next_list != part->nincoming)
		elog(ERROR, "part has %u lists of its vertices left over",
			 part->nincoming - join->next_list);
	build_progress(join->nwritten);
	pfree(join->incoming);
	pfree(join->chains);
	pfree(join->longs);
	pfree(join->heads);
}

static void
write_slot_pages(PartsJoin *join)
{
	make_front_pages(join);
	spool_rewind(join->parts->vertices);
	spool_rewind(join->parts->longs);
	join->joined = palloc(2 * 3 * join->build->params.m * sizeof(Joined));
	join->own = palloc(sizeof(PartList) + 3 * join->build->params.m * sizeof(PartLink));
	for (uint32 i = 0; i < join->parts->nparts; i++)
		write_part(join, &join->parts->parts[i]);
	if (BufferIsValid(join->buffer))
		hnsw_finish_page(join->buffer);
}

static void
write_value_pages(PartsJoin *join)
{
	int pages = join->build->index.meta.value_pages;

	if (pages == 0)
		return;
	spool_rewind(join->parts->vertices);
	for (uint64 i = 0; i < join->nwritten; i++)
	{
		read_vertex(join);
		hnsw_write_value_pages(join->build, join->value, join->build->index.space.stored_size,
							   join->value_start + i * pages);
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
	join.value = palloc(parts->part_space.encoded_size);
	place_pages(&join);
	join_upper(&join);
	build_phase(BUILD_PHASE_WRITE, parts->nupper + parts->nlower);
	write_slot_pages(&join);
	write_value_pages(&join);
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
