/*-------------------------------------------------------------------------
 *
 * build.c
 *	  CREATE INDEX ... USING hnsw.
 *
 * Three phases: load the rows into memory, build the graph there with threads
 * (core/graph.h), lay it out on pages.  Rows that find no room within
 * maintenance_work_mem are spooled and built in parts (build_parts.c).
 * Nothing is logged page by page: the finished index is, as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "core/parallel.h"
#include "hnsw/build.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Units of work in the first step of a graph build, and in any */
#define FIRST_STEP_ITEMS 64
#define MAX_STEP_ITEMS 1000000

/* A further graph begins with this part of the steps that the last one ended with */
#define STEP_CAUTION 4

/* Size of the records that are made in one step, and vertices a thread takes */
#define BATCH_SIZE (8 * 1024 * 1024)
#define RECORD_GRAIN 64

/* Values rotated between two looks for interrupts, and at a time by a thread */
#define ROTATE_STEP 65536
#define ROTATE_GRAIN 1024

#define CACHE_LINE 64

/* Values of the mean between two looks for interrupts */
#define MEAN_INTERRUPTS 1000

/* Vertices over which the memory of a vertex is averaged */
#define MEMORY_SAMPLE 100000

const SpaceElement hnsw_narrow_elements[HNSW_NARROW_ELEMENTS] = {SPACE_UINT8, SPACE_FLOAT16};

char *
hnsw_build_phase_name(int64 phase)
{
	return build_phase_name(phase, "building graph");
}

/*
 * Where everything goes.  Vertices lie in layout order on consecutive slot
 * pages from block 1 on; then come item pages (upper links and long TID
 * lists), then value pages.
 */
typedef struct Layout
{
	uint32 nvertices;
	uint32 *order;			 /* vertex of the graph at each place */
	uint32 *place;			 /* and the reverse */
	uint32 *anchors;		 /* anchor of each vertex of the graph */
	BlockNumber item_start;	 /* first item page */
	BlockNumber value_start; /* first value page */
	BlockNumber next_value;	 /* the same of the next value that has a size of its own */
	ItemPointerData *upper;	 /* by place, while there is one: places in layout order
							 * start with the vertices of upper layers */
	uint32 nupper;
	HnswItemPlace item; /* where the next item goes */
} Layout;

static uint32
vertex_id(const HnswBuild *build, uint32 place)
{
	uint32 slots = build->index.meta.slots_per_page;

	return (META_BLOCK + 1 + place / slots) * slots + place % slots;
}

static uint32
place_of(const HnswBuild *build, uint32 id)
{
	uint32 slots = build->index.meta.slots_per_page;

	return id - (META_BLOCK + 1) * slots;
}

#define ITEM_PAGE_SPACE (BLCKSZ - SizeOfPageHeaderData - PAGE_SPECIAL_SIZE)

/* The place of the next item: the same packing as PageAddItem's. */
ItemPointerData
hnsw_place_item(HnswItemPlace *place, Size size)
{
	Size need = MAXALIGN(size) + sizeof(ItemIdData);
	ItemPointerData tid;

	if (place->space < need)
	{
		place->block++;
		place->space = ITEM_PAGE_SPACE;
		place->offset = 0;
	}
	place->space -= need;
	ItemPointerSet(&tid, place->block, ++place->offset);
	return tid;
}

/* Rows of a vertex beyond those that fit its record */
static uint64
extra_tids(const HnswBuild *build, uint32 vertex)
{
	const BuildRows *rows = build->rows;
	uint64 n = rows->tids_start[vertex + 1] - rows->tids_start[vertex];

	return n > HNSW_INLINE_TIDS ? n - HNSW_INLINE_TIDS : 0;
}

static void
plan_layout(HnswBuild *build, Layout *layout)
{
	const HnswMeta *meta = &build->index.meta;
	uint32 n = build->rows->nvalues;
	BlockNumber slot_pages = (n + meta->slots_per_page - 1) / meta->slots_per_page;

	memset(layout, 0, sizeof(*layout));
	layout->nvertices = n;
	layout->order = palloc_extended((Size) n * sizeof(uint32), MCXT_ALLOC_HUGE);
	layout->place = palloc_extended((Size) n * sizeof(uint32), MCXT_ALLOC_HUGE);
	layout->anchors = palloc_extended((Size) n * sizeof(uint32), MCXT_ALLOC_HUGE);
	graph_anchors(build->graph, layout->anchors, layout->order);
	graph_layout_order(build->graph, layout->order);
	for (uint32 i = 0; i < n; i++)
	{
		layout->place[layout->order[i]] = i;
		layout->nupper += graph_level(build->graph, layout->order[i]) > 0;
	}
	layout->item_start = META_BLOCK + 1 + slot_pages;
	layout->item.block = layout->item_start - 1;
	layout->upper =
		palloc_extended((Size) Max(layout->nupper, 1) * sizeof(ItemPointerData), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < layout->nupper; i++)
		layout->upper[i] = hnsw_place_item(
			&layout->item, HNSW_UPPER_SIZE(meta->m, graph_level(build->graph, layout->order[i])));
}

/* Adds a page to the index and returns its buffer, locked. */
Buffer
hnsw_next_page(HnswBuild *build, PageKind kind, BlockNumber expected)
{
	Buffer buffer = page_extend(build->index.relation, MAIN_FORKNUM);

	if (BufferGetBlockNumber(buffer) != expected)
		elog(ERROR, "index \"%s\" was extended during its build",
			 RelationGetRelationName(build->index.relation));
	page_init(BufferGetPage(buffer), kind);
	return buffer;
}

void
hnsw_finish_page(Buffer buffer)
{
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	CHECK_FOR_INTERRUPTS();
}

static uint32
copy_links(HnswBuild *build, const Layout *layout, uint32 vertex, int layer, uint32 *links)
{
	int n = graph_links(build->graph, vertex, layer, links);

	for (int i = 0; i < n; i++)
		links[i] = vertex_id(build, layout->place[links[i]]);
	return n;
}

/*
 * Puts the anchor of a vertex first among its n links in layer 0 (link.c); if
 * it is not one of them and the list is full, in place of the last link to a
 * vertex that has another anchor.  Returns the number of links.
 */
static int
anchor_first(HnswBuild *build, const Layout *layout, uint32 vertex, uint32 *links, int n)
{
	int limit = HNSW_LAYER_LINKS(build->params.m, 0);
	uint32 anchor = layout->anchors[vertex];
	uint32 id = vertex_id(build, layout->place[anchor]);
	int at = 0;

	if (anchor == vertex)
		return n;
	while (at < n && links[at] != id)
		at++;
	if (at == n && n == limit)
	{
		do
			at--;
		while (at >= 0 && layout->anchors[layout->order[place_of(build, links[at])]] == vertex);
	}
	if (at < 0)
		return n;
	links[at] = links[0];
	links[0] = id;
	return Max(n, at + 1);
}

/* Pages that a value of a size of its own takes; 0: it fits an item */
static int
pages_outside(const HnswBuild *build, const void *value)
{
	Size size = index_space_size(&build->index.space, value);

	return HNSW_WIDE_ITEM(size) ? 0 : value_pages_of(size);
}

/* Places a value that has a size of its own: its item, or its pages. */
static void
place_outside(HnswBuild *build, Layout *layout, const void *value, HnswVertex record)
{
	HnswIndex *index = &build->index;
	int pages = pages_outside(build, value);

	record->flags |= HNSW_VERTEX_WIDE;
	hnsw_note_outside(index, record, value);
	if (pages == 0)
	{
		ItemPointerData tid =
			hnsw_place_item(&layout->item, HNSW_WIDE_SIZE(hnsw_wide_size(index, record)));

		memcpy(hnsw_wide_where(index, record), &tid, sizeof(tid));
	}
	for (int i = 0; i < pages; i++)
		((BlockNumber *) hnsw_wide_where(index, record))[i] = layout->next_value++;
}

/*
 * Fills one zeroed record, in which a value that has a size of its own is placed already;
 * `tids` is the head of the vertex's further TID lists.  May run in a thread.
 */
static void
fill_vertex(HnswBuild *build, const Layout *layout, uint32 place, ItemPointerData tids,
			HnswVertex record)
{
	const BuildRows *rows = build->rows;
	HnswIndex *index = &build->index;
	uint32 vertex = layout->order[place];
	uint64 first = rows->tids_start[vertex];
	uint64 ntids = rows->tids_start[vertex + 1] - first;

	record->version = 1;
	record->level = graph_level(build->graph, vertex);
	record->ntids = Min(ntids, HNSW_INLINE_TIDS);
	for (int i = 0; i < record->ntids; i++)
		record->tids[i] = rows->tids[first + i].tid;
	if (record->level > 0)
		record->upper = layout->upper[place];
	else
		ItemPointerSetInvalid(&record->upper);
	record->more_tids = tids;
	record->nlinks = copy_links(build, layout, vertex, 0, hnsw_vertex_links(index, record));
	record->nlinks =
		anchor_first(build, layout, vertex, hnsw_vertex_links(index, record), record->nlinks);
	if (index_space_varies(&index->space))
		return;
	if (index->meta.value_pages == 0)
		memcpy(hnsw_vertex_value(index, record), build_rows_value(rows, vertex),
			   index->space.stored_size);
	else
	{
		BlockNumber *blocks = hnsw_vertex_value(index, record);

		for (int i = 0; i < index->meta.value_pages; i++)
			blocks[i] = layout->value_start + place * index->meta.value_pages + i;
	}
}

/*
 * Places the lists of ntids TIDs of a vertex: they come one behind the other,
 * and each points to the next.  Returns the head, invalid if there are none.
 */
ItemPointerData
hnsw_place_tids(HnswItemPlace *place, uint64 ntids)
{
	ItemPointerData head;

	ItemPointerSetInvalid(&head);
	for (uint64 left = ntids; left > 0;)
	{
		int n = Min(left, HNSW_MAX_TIDS_CAPACITY);
		ItemPointerData tid =
			hnsw_place_item(place, HNSW_TIDS_SIZE(Max(n, HNSW_MIN_TIDS_CAPACITY)));

		if (!ItemPointerIsValid(&head))
			head = tid;
		left -= n;
	}
	return head;
}

/* The last slot page becomes the tail of the pending chain. */
void
hnsw_end_slot_pages(Page page)
{
	PageGetSpecial(page)->flags = PAGE_CHAINED | PAGE_TAIL;
	PageGetSpecial(page)->ordinal = 1;
}

/* Records of consecutive places in memory, made by threads */
typedef struct RecordBatch
{
	HnswBuild *build;
	const Layout *layout;
	HnswCoder **coders;	   /* one a thread, or NULL */
	uint32 first;		   /* place of the first */
	ItemPointerData *tids; /* heads of the further TID lists */
	char *table_memory;	   /* of rotated values, or NULL */
	char *records;
	char *codes;
} RecordBatch;

static HnswVertex
batch_record(const RecordBatch *batch, uint32 i)
{
	return (HnswVertex) (batch->records + i * batch->build->index.meta.slot_size);
}

/*
 * Sets entries[] to the places of the vertices that record number i of a batch links to, which
 * are their entries in a coder's table.  Returns how many.
 */
static int
find_entries(const RecordBatch *batch, uint32 i, uint32 *entries)
{
	HnswVertex record = batch_record(batch, i);
	const uint32 *links = hnsw_vertex_links(&batch->build->index, record);

	for (int j = 0; j < record->nlinks; j++)
		entries[j] = place_of(batch->build, links[j]);
	return record->nlinks;
}

/* Adds the codes of the n links of record number i of a batch. */
static void
code_record(const RecordBatch *batch, HnswCoder *coder, uint32 i, const uint32 *entries, int n)
{
	const HnswIndex *index = &batch->build->index;
	const BuildRows *rows = batch->build->rows;
	const uint32 *order = batch->layout->order;
	char *codes = batch->codes + (Size) i * index->meta.codes_size;
	const void *values[HNSW_MAX_LINKS];
	HnswNeighbors neighbors = {values, entries, n};

	memset(codes, 0, index->meta.codes_size);
	for (int j = 0; j < n; j++)
		values[j] = build_rows_value(rows, order[entries[j]]);
	hnsw_code_links(coder, &index->space.stored, batch_record(batch, i), codes,
					build_rows_value(rows, order[batch->first + i]), &neighbors);
}

/* Adds the codes of records [from, to) of a batch. */
static void
code_records(const RecordBatch *batch, HnswCoder *coder, uint32 from, uint32 to)
{
	uint32 entries[2][HNSW_MAX_LINKS]; /* of the record at hand and the next one, by turns */
	int n = find_entries(batch, from, entries[from % 2]);

	for (uint32 i = from; i < to; i++)
	{
		uint32 *next = entries[(i + 1) % 2];
		int nnext = i + 1 < to ? find_entries(batch, i + 1, next) : 0;

		hnsw_coder_expect(coder, next, nnext);
		code_record(batch, coder, i, entries[i % 2], n);
		n = nnext;
	}
}

/* Makes records [from, to) of a batch.  Runs in threads. */
static void
fill_records(void *arg, int thread, uint32_t from, uint32_t to)
{
	const RecordBatch *batch = (const RecordBatch *) arg;
	bool varies = index_space_varies(&batch->build->index.space);

	for (uint32 i = from; i < to; i++)
	{
		HnswVertex record = batch_record(batch, i);

		if (!varies)
			memset(record, 0, batch->build->index.meta.slot_size);
		fill_vertex(batch->build, batch->layout, batch->first + i, batch->tids[i], record);
	}
	if (batch->coders != NULL)
		code_records(batch, batch->coders[thread], from, to);
}

/* Makes the n records of consecutive places, from batch->first on. */
static void
make_records(HnswBuild *build, Layout *layout, RecordBatch *batch, int n)
{
	Size slot_size = build->index.meta.slot_size;

	for (int i = 0; i < n; i++)
	{
		uint32 vertex = layout->order[batch->first + i];

		batch->tids[i] = hnsw_place_tids(&layout->item, extra_tids(build, vertex));
		if (index_space_varies(&build->index.space))
		{
			HnswVertex record = batch_record(batch, i);

			memset(record, 0, slot_size);
			place_outside(build, layout, build_rows_value(build->rows, vertex), record);
		}
	}
	parallel_for(build->params.threads, 0, n, RECORD_GRAIN, fill_records, batch);
}

/* Bytes of n rotated values */
static Size
rotated_size(const HnswBuild *build, uint32 n)
{
	return (Size) n * build->index.meta.code_dim * sizeof(float);
}

/* Rotates the values of places [from, to).  Runs in threads. */
static void
rotate_values(void *arg, int thread, uint32_t from, uint32_t to)
{
	const RecordBatch *batch = (const RecordBatch *) arg;
	const HnswBuild *build = batch->build;

	for (uint32 place = from; place < to; place++)
		hnsw_coder_fill(batch->coders[thread], &build->index.space.stored, place,
						build_rows_value(build->rows, batch->layout->order[place]));
}

/*
 * What makes the codes of a batch: each thread its own.  Values are rotated once for all
 * codes if memory allows to keep that.
 */
static void
make_coders(HnswBuild *build, RecordBatch *batch, const float *mean)
{
	uint32 n = batch->layout->nvertices;
	Size size = rotated_size(build, n);
	float *table = NULL;

	if (size + graph_spare_used(build->graph) <= build_rows_spare(build->rows))
	{
		char *memory = palloc_extended(size + CACHE_LINE, MCXT_ALLOC_HUGE);

		build_advise_huge_pages(memory, size);
		table = (float *) TYPEALIGN(CACHE_LINE, memory);
		batch->table_memory = memory;
	}
	batch->coders = palloc(build->params.threads * sizeof(HnswCoder *));
	for (int i = 0; i < build->params.threads; i++)
	{
		batch->coders[i] = hnsw_coder_init(&build->index, mean);
		hnsw_coder_use(batch->coders[i], table);
	}
	for (uint32 place = 0; table != NULL && place < n; place += ROTATE_STEP)
	{
		CHECK_FOR_INTERRUPTS();
		parallel_for(build->params.threads, place, Min(n - place, ROTATE_STEP) + place,
					 ROTATE_GRAIN, rotate_values, batch);
	}
}

/* Writes n records of a batch, from number `first` on, as the next slot page. */
static void
write_slot_page(HnswBuild *build, const RecordBatch *batch, uint32 first, int n)
{
	Size slot_size = build->index.meta.slot_size;
	Size codes_size = build->index.meta.codes_size;
	uint32 place = batch->first + first;
	Buffer buffer = hnsw_next_page(build, PAGE_SLOTS,
								   META_BLOCK + 1 + place / build->index.meta.slots_per_page);
	Page page = BufferGetPage(buffer);

	page_set_slots(page, slot_size, n);
	if (place + n == batch->layout->nvertices)
		hnsw_end_slot_pages(page);
	memcpy(page_slot(page, slot_size, 0), batch->records + first * slot_size, n * slot_size);
	if (codes_size > 0)
		page_use_end_parts(page, codes_size, n);
	for (int i = 0; codes_size > 0 && i < n; i++)
		memcpy(page_slot_end_part(page, codes_size, i), batch->codes + (first + i) * codes_size,
			   codes_size);
	hnsw_finish_page(buffer);
	build_progress(place + n);
}

/* Writes all vertices, several pages of them at a time. */
static void
write_slot_pages(HnswBuild *build, Layout *layout, const float *mean)
{
	const HnswMeta *meta = &build->index.meta;
	uint32 slots = meta->slots_per_page;
	uint32 batch_size = Max(BATCH_SIZE / (meta->slot_size + meta->codes_size) / slots, 1) * slots;
	RecordBatch batch = {.build = build, .layout = layout};

	if (meta->codes_size != 0)
		make_coders(build, &batch, mean);
	batch.tids = palloc(batch_size * sizeof(ItemPointerData));
	batch.records = palloc((Size) batch_size * meta->slot_size);
	batch.codes = palloc((Size) batch_size * meta->codes_size);
	for (; batch.first < layout->nvertices; batch.first += batch_size)
	{
		uint32 n = Min(batch_size, layout->nvertices - batch.first);

		make_records(build, layout, &batch, n);
		for (uint32 i = 0; i < n; i += slots)
			write_slot_page(build, &batch, i, Min(slots, n - i));
	}
	pfree(batch.tids);
	pfree(batch.records);
	pfree(batch.codes);
	if (batch.table_memory != NULL)
		pfree(batch.table_memory);
}

static const void *
value_of_rows(const void *rows, uint32 number)
{
	return build_rows_value((const BuildRows *) rows, number);
}

/*
 * The rotated mean of n encoded values of `space`, as many dimensions as codes
 * have; NULL for the plain form, and for values so large that it is not finite.
 */
float *
hnsw_build_mean(HnswBuild *build, const SpaceContext *space, HnswNthValue value, const void *values,
				uint32 n)
{
	HnswIndex *index = &build->index;
	uint32 dim = index->space.context.dim;
	double *sums;
	float *mean;
	float *rotated;
	HnswCoder *coder;

	if (index->meta.codes_size == 0)
		return NULL;
	coder = hnsw_coder_init(index, NULL);
	sums = palloc0(dim * sizeof(double));
	mean = palloc(dim * sizeof(float));
	rotated = palloc(index->meta.code_dim * sizeof(float));
	for (uint32 i = 0; i < n; i++)
	{
		if (i % MEAN_INTERRUPTS == 0)
			CHECK_FOR_INTERRUPTS();
		hnsw_coder_coordinates(coder, space, value(values, i), mean);
		for (uint32 d = 0; d < dim; d++)
			sums[d] += mean[d];
	}
	for (uint32 d = 0; d < dim; d++)
		mean[d] = (float) (sums[d] / n);
	hnsw_coder_rotate(coder, mean, rotated);
	for (int d = 0; d < index->meta.code_dim; d++)
	{
		if (!isfinite(rotated[d]))
			return NULL;
	}
	return rotated;
}

/* Writes the mean, unless it is NULL, onto a page of its own. */
void
hnsw_write_mean(HnswBuild *build, const float *mean)
{
	Size size = build->index.meta.code_dim * sizeof(float);
	Buffer buffer;
	Page page;

	if (mean == NULL)
		return;
	buffer = page_extend(build->index.relation, MAIN_FORKNUM);
	page = BufferGetPage(buffer);
	page_init(page, PAGE_VALUE);
	memcpy((char *) page + PAGE_DATA_OFFSET, mean, size);
	page_set_data_size(page, size);
	build->index.meta.mean_block = BufferGetBlockNumber(buffer);
	hnsw_finish_page(buffer);
}

void
hnsw_write_item(HnswItemWriter *writer, Item item, Size size)
{
	BlockNumber before = writer->at.block;
	ItemPointerData tid = hnsw_place_item(&writer->at, size);

	if (writer->at.block != before || !BufferIsValid(writer->buffer))
	{
		hnsw_end_items(writer);
		writer->buffer = hnsw_next_page(writer->build, PAGE_ITEMS, writer->at.block);
	}
	if (PageAddItem(BufferGetPage(writer->buffer), item, size, InvalidOffsetNumber, false, false) !=
		ItemPointerGetOffsetNumber(&tid))
		elog(ERROR, "item is not where it was planned");
}

/* Finishes the page at hand. */
void
hnsw_end_items(HnswItemWriter *writer)
{
	if (BufferIsValid(writer->buffer))
		hnsw_finish_page(writer->buffer);
	writer->buffer = InvalidBuffer;
}

static void
write_upper_links(HnswItemWriter *writer, const Layout *layout, uint32 place)
{
	HnswBuild *build = writer->build;
	uint32 vertex = layout->order[place];
	int level = graph_level(build->graph, vertex);
	int m = build->index.meta.m;
	Size size = HNSW_UPPER_SIZE(m, level);
	HnswUpper upper = palloc0(size);

	upper->kind = HNSW_ITEM_UPPER;
	upper->level = level;
	for (int layer = 1; layer <= level; layer++)
		upper->counts[layer - 1] =
			copy_links(build, layout, vertex, layer, HNSW_UPPER_LINKS(upper, m, layer));
	hnsw_write_item(writer, (Item) upper, size);
	pfree(upper);
}

/* Writes the lists of ntids TIDs of a vertex, as hnsw_place_tids() placed them. */
void
hnsw_write_tids(HnswItemWriter *writer, uint32 owner, uint64 ntids, HnswNextTid next, void *arg)
{
	uint64 left = ntids;

	while (left > 0)
	{
		int n = Min(left, HNSW_MAX_TIDS_CAPACITY);
		int capacity = Max(n, HNSW_MIN_TIDS_CAPACITY);
		Size size = HNSW_TIDS_SIZE(capacity);
		HnswTids tids = palloc0(size);

		tids->kind = HNSW_ITEM_TIDS;
		tids->ntids = n;
		tids->owner = owner;
		tids->number = (left + HNSW_MAX_TIDS_CAPACITY - 1) / HNSW_MAX_TIDS_CAPACITY;
		tids->capacity = capacity;
		for (int i = 0; i < n; i++)
			tids->tids[i] = next(arg);
		left -= n;
		ItemPointerSetInvalid(&tids->next);
		if (left > 0)
		{
			HnswItemPlace after = writer->at;

			hnsw_place_item(&after, size);
			tids->next = hnsw_place_tids(&after, left);
		}
		hnsw_write_item(writer, (Item) tids, size);
		pfree(tids);
	}
}

static ItemPointerData
next_tid_of_rows(void *arg)
{
	const BuildTid **tid = arg;

	return (*tid)++->tid;
}

static void
write_tid_lists(HnswItemWriter *writer, const Layout *layout, uint32 place)
{
	uint32 vertex = layout->order[place];
	const BuildRows *rows = writer->build->rows;
	const BuildTid *tid = rows->tids + rows->tids_start[vertex] + HNSW_INLINE_TIDS;

	hnsw_write_tids(writer, vertex_id(writer->build, place), extra_tids(writer->build, vertex),
					next_tid_of_rows, &tid);
}

/* Writes the item of a value that has a size of its own, unless it is too large for one. */
static void
write_outside_item(HnswItemWriter *writer, const void *value)
{
	Size size = index_space_size(&writer->build->index.space, value);
	HnswWide wide;

	if (!HNSW_WIDE_ITEM(size))
		return;
	wide = palloc0(HNSW_WIDE_SIZE(size));
	wide->kind = HNSW_ITEM_WIDE;
	memcpy(wide->value, value, size);
	hnsw_write_item(writer, (Item) wide, HNSW_WIDE_SIZE(size));
	pfree(wide);
}

/*
 * Upper links first, then for each vertex TID lists and value: the order in which they
 * were planned.
 */
static void
write_item_pages(HnswBuild *build, const Layout *layout)
{
	HnswItemWriter writer;

	memset(&writer, 0, sizeof(writer));
	writer.build = build;
	writer.at.block = layout->item_start - 1;
	writer.buffer = InvalidBuffer;
	for (uint32 place = 0; place < layout->nupper; place++)
		write_upper_links(&writer, layout, place);
	for (uint32 place = 0; place < layout->nvertices; place++)
	{
		write_tid_lists(&writer, layout, place);
		if (index_space_varies(&build->index.space))
			write_outside_item(&writer, build_rows_value(build->rows, layout->order[place]));
	}
	hnsw_end_items(&writer);
}

/* Writes the pages of one value, from block `start` on. */
void
hnsw_write_value_pages(HnswBuild *build, const char *value, Size size, BlockNumber start)
{
	for (int i = 0; i < value_pages_of(size); i++)
	{
		Buffer buffer = hnsw_next_page(build, PAGE_VALUE, start + i);
		Size offset = (Size) i * VALUE_PAGES_PIECE;
		Size piece = Min(size - offset, VALUE_PAGES_PIECE);

		memcpy((char *) BufferGetPage(buffer) + PAGE_DATA_OFFSET, value + offset, piece);
		page_set_data_size(BufferGetPage(buffer), piece);
		hnsw_finish_page(buffer);
	}
}

/* Writes the values that have sizes of their own and do not fit items. */
static void
write_outside_pages(HnswBuild *build, const Layout *layout)
{
	BlockNumber next = layout->value_start;

	if (!index_space_varies(&build->index.space))
		return;
	for (uint32 place = 0; place < layout->nvertices; place++)
	{
		const void *value = build_rows_value(build->rows, layout->order[place]);
		int pages = pages_outside(build, value);

		if (pages > 0)
			hnsw_write_value_pages(build, value, index_space_size(&build->index.space, value),
								   next);
		next += pages;
	}
}

static void
write_value_pages(HnswBuild *build, const Layout *layout)
{
	int pieces = build->index.meta.value_pages;

	for (uint32 place = 0; pieces > 0 && place < layout->nvertices; place++)
		hnsw_write_value_pages(build, build_rows_value(build->rows, layout->order[place]),
							   build->index.space.stored_size,
							   layout->value_start + place * pieces);
	write_outside_pages(build, layout);
}

/* Item pages are planned while slot pages are written, so count lists up front. */
static BlockNumber
find_value_start(HnswBuild *build, const Layout *layout)
{
	Layout plan = *layout;

	for (uint32 place = 0; place < layout->nvertices; place++)
	{
		const void *value = build_rows_value(build->rows, layout->order[place]);

		hnsw_place_tids(&plan.item, extra_tids(build, layout->order[place]));
		if (index_space_varies(&build->index.space) && pages_outside(build, value) == 0)
			(void) hnsw_place_item(&plan.item,
								   HNSW_WIDE_SIZE(index_space_size(&build->index.space, value)));
	}
	return plan.item.block + 1;
}

static void
write_graph(HnswBuild *build)
{
	HnswMeta *meta = &build->index.meta;
	Layout layout;
	const float *mean = hnsw_build_mean(build, &build->index.space.stored, value_of_rows,
										build->rows, build->rows->nvalues);

	build_phase(BUILD_PHASE_WRITE, build->rows->nvalues);
	plan_layout(build, &layout);
	layout.value_start = find_value_start(build, &layout);
	layout.next_value = layout.value_start;
	write_slot_pages(build, &layout, mean);
	write_item_pages(build, &layout);
	write_value_pages(build, &layout);
	hnsw_write_mean(build, mean);
	meta->entry = vertex_id(build, layout.place[graph_entry(build->graph)]);
	meta->entry_level = graph_level(build->graph, graph_entry(build->graph));
	meta->routing_end = vertex_id(build, Min(layout.nupper, HNSW_ROUTING_SAMPLE(layout.nvertices)));
	meta->insert_block = layout.item_start - 1;
	meta->pending = meta->insert_block;
	meta->pending_ordinal = 1;
	meta->item_block =
		layout.item.block >= layout.item_start ? layout.item.block : InvalidBlockNumber;
	build_write_meta(build->index.relation, meta, sizeof(HnswMeta));
}

static bool
graph_step(void *graph, uint64 units)
{
	return graph_build_step((Graph *) graph, (uint32) units);
}

static uint64
progress_of_graph(const void *graph)
{
	return graph_progress((const Graph *) graph);
}

static void
free_graph(void *graph)
{
	graph_free((Graph *) graph);
}

const BuildStructure hnsw_graph_structure = {
	.name = "graph",
	.step = graph_step,
	.progress = progress_of_graph,
	.release = free_graph,
};

/*
 * Builds the graph of the rows, build->graph, in steps short enough for a cancel
 * to be heard in between.  `done` vertices of other graphs are ready already.
 */
void
hnsw_build_graph(HnswBuild *build, const BuildRows *rows, const GraphParams *params, uint64 done)
{
	GraphValues values = build_rows_values(rows);
	BuildSteps steps = {.kind = &hnsw_graph_structure,
						.total = rows->nvalues,
						.max_units = MAX_STEP_ITEMS,
						.units = Max(FIRST_STEP_ITEMS, build->step_items / STEP_CAUTION)};

	hnsw_build_distance(&build->distance, &build->index.space.stored);
	build->graph = graph_create(rows->nvalues, params, &build->distance, &values);
	build_steps(&steps, build->graph, build->index.relation, done);
	build->step_items = (uint32) steps.units;
}

/* Does a record take less room with values of this element? */
bool
hnsw_makes_smaller_records(const HnswMeta *meta, const IndexSpace *space, SpaceElement element)
{
	IndexSpace narrow_space = *space;
	HnswMeta wide = *meta;
	HnswMeta narrow = *meta;

	if (!index_space_store_as(&narrow_space, element))
		return false;
	hnsw_meta_set_geometry(&wide, space, space->label);
	hnsw_meta_set_geometry(&narrow, &narrow_space, space->label);
	return narrow.value_pages < wide.value_pages || narrow.slots_per_page > wide.slots_per_page ||
		   narrow.code_dim > wide.code_dim;
}

/*
 * Chooses the narrowest element that holds every value of a table large enough
 * to tell.
 */
static void
choose_stored_element(HnswBuild *build)
{
	if (build->rows->nvalues < HNSW_MIN_ROWS_TO_NARROW)
		return;
	for (int i = 0; i < HNSW_NARROW_ELEMENTS; i++)
	{
		if (hnsw_makes_smaller_records(&build->index.meta, &build->index.space,
									   hnsw_narrow_elements[i]) &&
			build_rows_narrow(build->rows, hnsw_narrow_elements[i]))
			return;
	}
}

/* Memory that the graph may have for copies of values: what rotated ones do not need */
static Size
spare_for_copies(const HnswBuild *build, const BuildRows *rows)
{
	Size spare = build_rows_spare(rows);
	Size rotated = build->index.meta.codes_size != 0 ? rotated_size(build, rows->nvalues) : 0;

	return rotated <= spare ? spare - rotated : spare;
}

/* Turns rows in memory into the pages of the index. */
void
hnsw_build_rows(HnswBuild *build, BuildRows *rows)
{
	GraphParams params = build->params;

	if (rows->nvalues == 0)
		return;
	build->rows = rows;
	choose_stored_element(build);
	hnsw_meta_init(&build->index.meta, &build->index.space, build->params.m,
				   build->params.ef_construction, build->quantization,
				   RelationGetRelationName(build->index.relation));
	build_phase(BUILD_PHASE_STRUCTURE, rows->nvalues);
	params.spare = spare_for_copies(build, rows);
	hnsw_build_graph(build, rows, &params, 0);
	write_graph(build);
	graph_free(build->graph);
	build->graph = NULL;
	build->rows = NULL;
}

/* BuildMethod.build */
static void
build_in_memory(Build *frame, BuildRows *rows)
{
	hnsw_build_rows((HnswBuild *) frame, rows);
}

/* BuildMethod.begin_spool.  Values of different sizes are not built in parts. */
static void
begin_parts(Build *frame)
{
	HnswBuild *build = (HnswBuild *) frame;

	if (!index_space_varies(&build->index.space))
		build->parts = hnsw_parts_create(build);
}

/* BuildMethod.see_spooled */
static void
note_for_parts(Build *frame, const void *encoded)
{
	HnswBuild *build = (HnswBuild *) frame;

	if (build->parts != NULL)
		hnsw_parts_note(build->parts, encoded);
}

/* BuildMethod.build_spooled */
static void
build_graph_of_parts(Build *frame, RowSpool *rows)
{
	HnswBuild *build = (HnswBuild *) frame;

	if (build->parts != NULL)
		hnsw_parts_build(build->parts, rows);
	else
		hnsw_rest_build(build, rows);
}

/* BuildMethod.release: the graph is not palloc'ed */
static void
release_graph(Build *frame)
{
	HnswBuild *build = (HnswBuild *) frame;

	graph_free(build->graph);
	build->graph = NULL;
}

/* Memory the graph adds to a value; the dimensions do not matter but for scratch. */
Size
hnsw_graph_memory_per_value(const GraphParams *params)
{
	return graph_memory(MEMORY_SAMPLE, params, 0) / MEMORY_SAMPLE + 3 * sizeof(uint32);
}

/* An error if codes are asked for that the space cannot have. */
static void
check_quantization(const IndexSpace *space, Relation relation)
{
	if (hnsw_option_quantization(relation) == HNSW_QUANTIZATION_RABITQ && !hnsw_is_codable(space))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("quantization \"rabitq\" is not possible for space \"%s\"",
							   space->context.space->name),
						errdetail("Codes exist for l2, ip, cosine and angular.")));
}

/* BuildMethod.begin */
static void
begin_build(Build *frame)
{
	HnswBuild *build = (HnswBuild *) frame;
	Relation relation = frame->relation;

	build->index.relation = relation;
	build->index.building = true;
	index_space_init(&build->index.space, relation);
	build->params.m = hnsw_option_m(relation);
	build->params.ef_construction = hnsw_option_ef_construction(relation);
	if (build->params.ef_construction < 2 * build->params.m)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("ef_construction must be greater than or equal to 2 * m"),
						errdetail("ef_construction is %d and m is %d.",
								  build->params.ef_construction, build->params.m)));
	check_quantization(&build->index.space, relation);
	build->quantization = hnsw_option_quantization(relation);
	build->params.threads = build_threads(&build->index.space);
	build->params.seed = 1;
	hnsw_meta_init(&build->index.meta, &build->index.space, build->params.m,
				   build->params.ef_construction, build->quantization,
				   RelationGetRelationName(relation));
	build_describe(frame, &build->index.space, &build->index.meta,
				   hnsw_graph_memory_per_value(&build->params));
}

const BuildMethod hnsw_build_method = {
	.state_size = sizeof(HnswBuild),
	.begin = begin_build,
	.build = build_in_memory,
	.begin_spool = begin_parts,
	.see_spooled = note_for_parts,
	.build_spooled = build_graph_of_parts,
	.release = release_graph,
};
