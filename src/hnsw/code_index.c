/*-------------------------------------------------------------------------
 *
 * code_index.c
 *	  The quantised form of hnsw: filling in the codes that links lack.
 *
 * A build in parts and vacuum do it, for a batch of pages at a time: the records
 * that lack codes are read, threads make the codes in memory, and these are
 * written page by page to the records that are still what they were.
 *
 * The values of neighbours come into memory in one of two ways.  Either those
 * that the records of a batch need are gathered, each once however many of them
 * link to it.  But in many dimensions vertices that lie together have few
 * neighbours in common (sift: 20 values a record).  So a build reads the values
 * of a range of pages, one after the other, and goes over all records for the
 * links into that range, then for the next; unless there were too many ranges.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "access/pause.h"
#include "core/parallel.h"
#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Of the memory this part is for records, the rest for values: a record needs some ten or more */
#define RECORDS_SHARE 8

/* Ranges at most: going over the records once costs about what copying a value for each does */
#define MAX_RANGES 16

/* Values copied between two looks for interrupts, and how many ahead are asked for */
#define COPY_STEP 64
#define READ_AHEAD 8

/* Coordinates that threads go through between two such looks, some 20 ms of one of them; pieces in
 * which they take them; parts of it that are as well done by one thread, since another one may have
 * to wait for a processor; and coordinates that take as long as the rest of a rotation or a code */
#define THREAD_STEP (1 << 24)
#define THREAD_PIECES 64
#define THREAD_ALONE 8
#define OTHER_WORK 64

#define CACHE_LINE 64

/* A value among those of a batch */
typedef struct CodeValue
{
	uint32 vertex;
	uint32 entry;
	char status; /* of the hash table */
} CodeValue;

#define SH_PREFIX code_values
#define SH_ELEMENT_TYPE CodeValue
#define SH_KEY_TYPE uint32
#define SH_KEY vertex
#define SH_HASH_KEY(table, key) ((key) *0x9E3779B1u)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What an element takes in a hash table that is doubled when it is full */
#define HASH_MEMORY (3 * sizeof(CodeValue))

/* A record that lacks codes */
typedef struct CodeRecord
{
	uint32 vertex;
	uint32 coded[HNSW_MAX_CODE_BLOCKS]; /* as it was read */
} CodeRecord;

/* Consecutive pages whose codes are made together, and the values that are in memory for that */
typedef struct CodeBatch
{
	HnswIndex *index;
	HnswCoder **coders; /* one a thread */
	int threads;
	int limit;		  /* links of a record that can have codes */
	Size memory;	  /* bytes that may be used, and what one page more needs */
	BlockNumber next; /* page that has not been read yet */
	BlockNumber end;  /* pages before this one are looked at */
	uint64 ndone;	  /* pages, each time one is */

	MemoryContext context; /* of what follows */
	uint32 nrecords;
	uint32 max_records; /* the batch is full when it has as many */
	CodeRecord *records;
	char *heads;	 /* their headers and links; codes are marked here when they are made */
	char *own;		 /* their values */
	uint32 *entries; /* `limit` a record: of the values that its links lead to */
	char *codes;

	uint32 nvalues;
	uint32 max_values; /* the same, if values are gathered */
	char *values;
	float *rotated;
	code_values_hash *numbers; /* of gathered values */
	uint32 *vertices;		   /* whose values these are */
	bool in_ranges;			   /* or values are those of the vertices from this one on: */
	uint32 first;
} CodeBatch;

/* Bytes from one copy of a value to the next */
static Size
value_stride(const CodeBatch *batch)
{
	return MAXALIGN(hnsw_copy_size(batch->index));
}

static HnswVertex
head_of(const CodeBatch *batch, uint32 i)
{
	return (HnswVertex) (batch->heads + (Size) i * batch->index->meta.value_offset);
}

static char *
codes_of(const CodeBatch *batch, uint32 i)
{
	return batch->codes + (Size) i * batch->index->meta.codes_size;
}

static uint32 *
entries_of(const CodeBatch *batch, uint32 i)
{
	return batch->entries + (Size) i * batch->limit;
}

static char *
own_value(const CodeBatch *batch, uint32 i)
{
	return batch->own + i * value_stride(batch);
}

static char *
value_of(const CodeBatch *batch, uint32 entry)
{
	return batch->values + entry * value_stride(batch);
}

/* ------------------------------------------------------------ reading */

/* What a record takes in a batch, without the values of its neighbours */
static Size
record_memory(const CodeBatch *batch)
{
	const HnswMeta *meta = &batch->index->meta;

	return sizeof(CodeRecord) + meta->value_offset + value_stride(batch) +
		   batch->limit * sizeof(uint32) + meta->codes_size;
}

/* What a value takes: as it is and rotated, and what finds it */
static Size
value_memory(const CodeBatch *batch)
{
	return value_stride(batch) + batch->index->meta.code_dim * sizeof(float) +
		   (batch->in_ranges ? 0 : sizeof(uint32) + HASH_MEMORY);
}

/* An array of so many bytes, on a cache line */
static void *
allocate_array(const CodeBatch *batch, Size size)
{
	char *array = MemoryContextAllocExtended(batch->context, size + CACHE_LINE, MCXT_ALLOC_HUGE);

	return (void *) TYPEALIGN(CACHE_LINE, array);
}

/*
 * Allocates what batches need, with room for one page more than makes a batch full.  What a small
 * index does not need is never touched.
 */
static void
allocate_batch(CodeBatch *batch)
{
	const HnswMeta *meta = &batch->index->meta;
	Size for_records = batch->memory / RECORDS_SHARE;
	Size nrecords;
	Size nvalues;

	MemoryContextReset(batch->context);
	batch->max_records = Max(for_records / record_memory(batch), 1);
	batch->max_values = Max((batch->memory - for_records) / value_memory(batch), 1);
	nrecords = (Size) batch->max_records + meta->slots_per_page;
	nvalues = (Size) batch->max_values + meta->slots_per_page * batch->limit;
	batch->records = allocate_array(batch, nrecords * sizeof(CodeRecord));
	batch->heads = allocate_array(batch, nrecords * meta->value_offset);
	batch->own = allocate_array(batch, nrecords * value_stride(batch));
	batch->entries = allocate_array(batch, nrecords * batch->limit * sizeof(uint32));
	batch->codes = allocate_array(batch, nrecords * meta->codes_size);
	batch->values = allocate_array(batch, nvalues * value_stride(batch));
	batch->rotated = allocate_array(batch, nvalues * meta->code_dim * sizeof(float));
	if (!batch->in_ranges)
	{
		batch->vertices = allocate_array(batch, nvalues * sizeof(uint32));
		batch->numbers = code_values_create(batch->context, 1, NULL);
	}
	for (int i = 0; i < batch->threads; i++)
		hnsw_coder_use(batch->coders[i], batch->rotated);
}

/* Links of a record that can have codes */
static int
codable_links(const CodeBatch *batch, const HnswVertexData *record)
{
	return Min(record->nlinks, batch->limit);
}

/* Is the value of a vertex in the range at hand? */
static bool
is_in_range(const CodeBatch *batch, uint32 vertex)
{
	return vertex >= batch->first && vertex - batch->first < batch->nvalues;
}

/* The entry of the value of a vertex; if values are gathered, it is one of them from now on. */
static uint32
entry_of(CodeBatch *batch, uint32 vertex)
{
	bool found;
	CodeValue *value;

	if (batch->in_ranges)
		return vertex - batch->first;
	value = code_values_insert(batch->numbers, vertex, &found);
	if (!found)
	{
		value->entry = batch->nvalues;
		batch->vertices[batch->nvalues++] = vertex;
	}
	return value->entry;
}

/*
 * Sets entries[] for the links of a record to those of the values that their codes are to be made
 * of now.  False: there is none, the record is to get no codes.
 */
static bool
find_entries(CodeBatch *batch, HnswVertex record, uint32 *entries)
{
	const uint32 *links = hnsw_vertex_links(batch->index, record);
	bool any = false;

	if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0)
		return false;
	for (int i = 0; i < codable_links(batch, record); i++)
	{
		entries[i] = HNSW_NO_ENTRY;
		if (hnsw_has_code(record, i) || (batch->in_ranges && !is_in_range(batch, links[i])))
			continue;
		entries[i] = entry_of(batch, links[i]);
		any = true;
	}
	return any;
}

/* Adds a record, whose entries have been found, from its page. */
static void
add_record(CodeBatch *batch, Page page, uint32 vertex)
{
	const HnswIndex *index = batch->index;
	const HnswMeta *meta = &index->meta;
	HnswVertex record = hnsw_page_vertex(index, page, vertex);
	uint32 i = batch->nrecords++;

	batch->records[i].vertex = vertex;
	memcpy(batch->records[i].coded, record->coded, sizeof(record->coded));
	memcpy(head_of(batch, i), record, meta->value_offset);
	if (page_has_end_part(page, meta->codes_size, vertex % meta->slots_per_page))
		memcpy(codes_of(batch, i), hnsw_vertex_codes(index, page, vertex), meta->codes_size);
	else
		memset(codes_of(batch, i), 0, meta->codes_size);
}

/* Adds the records of a page that are to get codes; links of deleted vertices get none. */
static void
read_page(CodeBatch *batch, BlockNumber blkno)
{
	HnswIndex *index = batch->index;
	uint32 first = blkno * index->meta.slots_per_page;
	Buffer buffer = recent_read(index->relation, blkno);
	Page page = BufferGetPage(buffer);
	int nslots;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	nslots = page_is(page, PAGE_SLOTS) ? page_slots(page, index->meta.slots_per_page) : 0;
	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = hnsw_page_vertex(index, page, first + slot);

		hnsw_check_vertex(index, record, first + slot);
		if (find_entries(batch, record, entries_of(batch, batch->nrecords)))
			add_record(batch, page, first + slot);
	}
	UnlockReleaseBuffer(buffer);
}

/*
 * Learns whether any of the links read may lead to a value that does not fit the
 * stored element: one that came after the metapage was read.  True: it may, and
 * this is news.
 */
static bool
has_become_wide(HnswIndex *index)
{
	HnswMeta meta;

	if (index->meta.has_wide || index->space.stored.space == index->space.context.space)
		return false;
	meta_read(index->relation, METHOD_HNSW, &meta, sizeof(HnswMeta));
	index->meta.has_wide = meta.has_wide;
	return meta.has_wide;
}

/* Reads the records of pages from `first` on until the batch is full. */
static void
read_records(CodeBatch *batch, BlockNumber first)
{
	batch->nrecords = 0;
	if (!batch->in_ranges)
	{
		batch->nvalues = 0;
		code_values_reset(batch->numbers);
	}
	batch->next = first;
	while (batch->next < batch->end && batch->nrecords < batch->max_records &&
		   (batch->in_ranges || batch->nvalues < batch->max_values))
	{
		vacuum_delay_point_compat();
		read_page(batch, batch->next++);
	}
}

static void
copy_own_values(CodeBatch *batch)
{
	for (uint32 i = 0; i < batch->nrecords; i++)
	{
		if (i % COPY_STEP == 0)
			vacuum_delay_point_compat();
		hnsw_copy_value(batch->index, batch->records[i].vertex, own_value(batch, i));
	}
}

static void
copy_gathered_values(CodeBatch *batch)
{
	for (uint32 i = 0; i < batch->nvalues; i++)
	{
		if (i % COPY_STEP == 0)
			vacuum_delay_point_compat();
		if (i + READ_AHEAD < batch->nvalues)
			hnsw_prefetch_vertex(batch->index, batch->vertices[i + READ_AHEAD]);
		hnsw_copy_value(batch->index, batch->vertices[i], value_of(batch, i));
	}
}

/* Copies the values of a page of a range; slots not in use have zeroes. */
static void
copy_page_values(CodeBatch *batch, BlockNumber blkno)
{
	HnswIndex *index = batch->index;
	int slots = index->meta.slots_per_page;
	Buffer buffer = recent_read(index->relation, blkno);
	int nslots;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	nslots = page_slots(BufferGetPage(buffer), slots);
	UnlockReleaseBuffer(buffer);
	for (int slot = 0; slot < slots; slot++)
	{
		uint32 vertex = blkno * slots + slot;
		char *value = value_of(batch, vertex - batch->first);

		if (slot < nslots)
			hnsw_copy_value(index, vertex, value);
		else
			memset(value, 0, value_stride(batch));
	}
}

/* ------------------------------------------------------------ codes */

/* Rotates values [from, to).  Runs in threads. */
static void
rotate_values(void *arg, int thread, uint32_t from, uint32_t to)
{
	const CodeBatch *batch = (const CodeBatch *) arg;

	for (uint32 i = from; i < to; i++)
		hnsw_coder_fill(batch->coders[thread], hnsw_copy_space(batch->index), i,
						value_of(batch, i));
}

/* Makes the codes of record number i, of the links that have entries. */
static void
code_record(const CodeBatch *batch, HnswCoder *coder, uint32 i)
{
	HnswVertex head = head_of(batch, i);
	const uint32 *entries = entries_of(batch, i);
	const void *values[HNSW_MAX_LINKS];
	HnswNeighbors neighbors = {values, entries, codable_links(batch, head)};

	for (int j = 0; j < neighbors.n; j++)
		values[j] = entries[j] == HNSW_NO_ENTRY ? NULL : value_of(batch, entries[j]);
	hnsw_code_links(coder, hnsw_copy_space(batch->index), head, codes_of(batch, i),
					own_value(batch, i), &neighbors);
}

/* Makes the codes of records [from, to).  Runs in threads. */
static void
code_records(void *arg, int thread, uint32_t from, uint32_t to)
{
	const CodeBatch *batch = (const CodeBatch *) arg;
	HnswCoder *coder = batch->coders[thread];

	for (uint32 i = from; i < to; i++)
	{
		if (i + 1 < to)
			hnsw_coder_expect(coder, entries_of(batch, i + 1),
							  codable_links(batch, head_of(batch, i + 1)));
		else
			hnsw_coder_expect(coder, NULL, 0);
		code_record(batch, coder, i);
	}
}

/* Has threads do n items, each of so many rotations or codes, with looks for interrupts. */
static void
run_threads(CodeBatch *batch, ParallelBody body, uint32 n, int count)
{
	Size work = (Size) (batch->index->space.context.dim + OTHER_WORK) * count;
	uint32 step = Max(THREAD_STEP / work, 1);
	uint32 grain = Max(step / THREAD_PIECES, 1);
	int threads = n * work > THREAD_STEP / THREAD_ALONE ? batch->threads : 1;

	for (uint32 from = 0; from < n; from += step)
	{
		vacuum_delay_point_compat();
		parallel_for(threads, from, Min(n - from, step) + from, grain, body, batch);
	}
}

/* Reads the values of pages from `first` to before `end`. */
static void
read_range(CodeBatch *batch, BlockNumber first, BlockNumber end)
{
	batch->first = first * batch->index->meta.slots_per_page;
	batch->nvalues = (end - first) * batch->index->meta.slots_per_page;
	for (BlockNumber blkno = first; blkno < end; blkno++)
	{
		vacuum_delay_point_compat();
		copy_page_values(batch, blkno);
	}
	run_threads(batch, rotate_values, batch->nvalues, 1);
}

/*
 * Reads records, then their values: the form these have is known when all links have been read.
 * If it is another one than there is room for, it is all done again.
 */
static void
read_batch(CodeBatch *batch)
{
	BlockNumber first = batch->next;

	read_records(batch, first);
	PAUSE_POINT("code records", first);
	if (has_become_wide(batch->index))
	{
		allocate_batch(batch);
		read_records(batch, first);
	}
	copy_own_values(batch);
	if (!batch->in_ranges)
	{
		copy_gathered_values(batch);
		run_threads(batch, rotate_values, batch->nvalues, 1);
	}
}

/* ------------------------------------------------------------ writing */

/* Has record number i of a batch still the links and codes that were read? */
static bool
is_unchanged(const CodeBatch *batch, HnswVertex record, uint32 i)
{
	const HnswIndex *index = batch->index;
	HnswVertex head = head_of(batch, i);

	return record->version == head->version && record->flags == head->flags &&
		   record->nlinks == head->nlinks &&
		   memcmp(record->coded, batch->records[i].coded, sizeof(record->coded)) == 0 &&
		   memcmp(hnsw_vertex_links(index, record), hnsw_vertex_links(index, head),
				  record->nlinks * sizeof(uint32)) == 0;
}

static BlockNumber
block_of(const CodeBatch *batch, uint32 i)
{
	return hnsw_block(batch->index, batch->records[i].vertex);
}

/*
 * Writes the codes of record number i and of those on the same page, for records that are as
 * they were; one record of WAL.  Returns the number of the first on another page.
 */
static uint32
write_page(CodeBatch *batch, uint32 i)
{
	HnswIndex *index = batch->index;
	BlockNumber blkno = block_of(batch, i);
	Buffer buffer = recent_read(index->relation, blkno);
	PageChange change;
	Page page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	page = page_change_page(&change, buffer, false);
	for (; i < batch->nrecords && block_of(batch, i) == blkno; i++)
	{
		uint32 vertex = batch->records[i].vertex;
		HnswVertex record = hnsw_page_vertex(index, page, vertex);

		if (!is_unchanged(batch, record, i))
			continue;
		page_use_end_parts(page, index->meta.codes_size, vertex % index->meta.slots_per_page + 1);
		memcpy(hnsw_vertex_codes(index, page, vertex), codes_of(batch, i), index->meta.codes_size);
		memcpy(record->coded, head_of(batch, i)->coded, sizeof(record->coded));
	}
	page_change_finish(&change);
	return i;
}

static void
write_batch(CodeBatch *batch)
{
	for (uint32 i = 0; i < batch->nrecords;)
	{
		vacuum_delay_point_compat();
		i = write_page(batch, i);
	}
}

/* Makes and writes the codes of all pages, of links into the range at hand if there are ranges. */
static void
code_pages(CodeBatch *batch)
{
	BlockNumber first = META_BLOCK + 1;

	for (batch->next = first; batch->next < batch->end; first = batch->next)
	{
		read_batch(batch);
		run_threads(batch, code_records, batch->nrecords, batch->limit);
		write_batch(batch);
		batch->ndone += batch->next - first;
		if (batch->index->building)
			build_progress(batch->ndone);
	}
}

/* ------------------------------------------------------------ entry points */

/*
 * Counts HnswMeta.uncoded up, or, if it is still `seen`, sets it back to 0.  0
 * says that no link lacks a code.
 */
static void
change_uncoded(HnswIndex *index, bool clear, uint16 seen)
{
	PageChange change;
	HnswMeta *meta = meta_begin_change(index->relation, index->building, &change);

	if (!clear)
		meta->uncoded = Max(1, (uint16) (meta->uncoded + 1));
	else if (meta->uncoded == seen)
		meta->uncoded = 0;
	index->meta = *meta;
	page_change_finish(&change);
}

/*
 * Whoever changes links says so, before and after: vacuum may be filling in
 * what is missing meanwhile.
 */
void
hnsw_note_uncoded(HnswIndex *index)
{
	if (index->meta.codes_size != 0)
		change_uncoded(index, false, 0);
}

/* Gets ready to fill in codes with so many threads, in memory of the current context. */
static CodeBatch *
create_batch(HnswIndex *index, int threads, Size memory)
{
	CodeBatch *batch = palloc0(sizeof(CodeBatch));
	const HnswMeta *meta = &index->meta;

	batch->index = index;
	batch->threads = threads;
	batch->coders = palloc(threads * sizeof(HnswCoder *));
	for (int i = 0; i < threads; i++)
		batch->coders[i] = hnsw_coder_create(index);
	batch->limit = Min(HNSW_LAYER_LINKS(meta->m, 0), meta->code_blocks * RABITQ_LANES);
	batch->memory = memory;
	batch->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw codes of a batch",
										   ALLOCSET_DEFAULT_SIZES);
	/* what a build has put behind the last slot page is none */
	batch->end =
		index->building ? meta->insert_block + 1 : RelationGetNumberOfBlocks(index->relation);
	return batch;
}

/* Pages whose values make a range */
static BlockNumber
range_pages(const CodeBatch *batch)
{
	return Max(batch->max_values / batch->index->meta.slots_per_page, 1);
}

/* Makes all codes that are missing in a build, of which nobody else knows and which logs no pages. */
static void
code_build(CodeBatch *batch)
{
	BlockNumber npages = batch->end - (META_BLOCK + 1);
	BlockNumber step;
	BlockNumber nranges;

	batch->in_ranges = true;
	allocate_batch(batch);
	step = range_pages(batch);
	nranges = (npages + step - 1) / step;
	if (nranges > MAX_RANGES)
	{
		batch->in_ranges = false;
		allocate_batch(batch);
		nranges = 1;
		step = npages;
	}
	build_phase(BUILD_PHASE_CODE, (uint64) npages * nranges);
	for (BlockNumber first = META_BLOCK + 1; first < batch->end; first += step)
	{
		if (batch->in_ranges)
			read_range(batch, first, Min(batch->end - first, step) + first);
		code_pages(batch);
	}
}

/*
 * Adds all codes that are missing, if there may be any, with so many threads and in about so many
 * bytes of memory.
 */
void
hnsw_code_index(HnswIndex *index, int threads, Size memory)
{
	MemoryContext context;
	MemoryContext old;
	CodeBatch *batch;
	uint16 seen;

	hnsw_read_meta(index);
	seen = index->meta.uncoded;
	if (index->meta.codes_size == 0 || seen == 0)
		return;
	PAUSE_POINT("code index", META_BLOCK);
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw codes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	batch = create_batch(index, threads, memory);
	if (index->building)
		code_build(batch);
	else
	{
		allocate_batch(batch);
		code_pages(batch);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	change_uncoded(index, true, seen);
}
