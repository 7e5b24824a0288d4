/*-------------------------------------------------------------------------
 *
 * code_index.c
 *	  The quantised form of hnsw: filling in the codes that links lack.
 *
 * A build in parts and vacuum do it, for a batch of pages at a time: the records
 * that lack codes are read, threads make the codes in memory, and these are
 * written page by page to the records that are still what they were.
 *
 * The values that this takes, rotated, are kept in a ring, from batch to batch:
 * those copied from their pages last take the place of those copied first.
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

/* Of the memory this part is for records, the rest for values; and of the ring of values this part is
 * for those that a batch adds */
#define RECORDS_SHARE 16
#define NEW_SHARE 8

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

/* A value in the ring */
typedef struct CodeValue
{
	uint32 vertex;
	uint32 entry; /* its place there */
	char status;  /* of the hash table */
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
	uint32 own;							/* entry of its value */
	uint32 coded[HNSW_MAX_CODE_BLOCKS]; /* as it was read */
} CodeRecord;

/* Consecutive pages whose codes are made together, and the ring of values */
typedef struct CodeBatch
{
	HnswIndex *index;
	HnswCoder **coders; /* one a thread */
	int threads;
	int limit;		  /* links of a record that can have codes */
	Size memory;	  /* bytes that may be used */
	BlockNumber next; /* page that has not been read yet */
	BlockNumber end;  /* pages before this one are looked at */

	MemoryContext context; /* of what follows */
	uint32 nrecords;
	uint32 max_records; /* the batch is full when it has as many */
	CodeRecord *records;
	char *heads;	 /* their headers and links; codes are marked here when they are made */
	uint32 *entries; /* `limit` a record: of the values that its links lead to */
	char *codes;

	uint32 capacity; /* of the ring, in values */
	char *values;
	float *rotated;
	uint32 *vertices;		   /* whose values these are, or HNSW_NO_VERTEX */
	code_values_hash *numbers; /* entries by vertex */
	uint32 first_new;		   /* entry of the first value that the batch adds, ... */
	uint32 nnew;			   /* how many it has added, ... */
	uint32 max_new;			   /* and when it is full; there is room for those of one page more */
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
value_of(const CodeBatch *batch, uint32 entry)
{
	return batch->values + entry * value_stride(batch);
}

/* ------------------------------------------------------------ reading */

/* What a record takes in a batch */
static Size
record_memory(const CodeBatch *batch)
{
	const HnswMeta *meta = &batch->index->meta;

	return sizeof(CodeRecord) + meta->value_offset + batch->limit * sizeof(uint32) +
		   meta->codes_size;
}

/* What a value takes: as it is and rotated, and what finds it */
static Size
value_memory(const CodeBatch *batch)
{
	return value_stride(batch) + batch->index->meta.code_dim * sizeof(float) + sizeof(uint32) +
		   HASH_MEMORY;
}

/* Values that one page can add: of its records and of all their links */
static uint32
page_values(const CodeBatch *batch)
{
	return batch->index->meta.slots_per_page * (batch->limit + 1);
}

/* An array of so many bytes, on a cache line */
static void *
allocate_array(const CodeBatch *batch, Size size)
{
	char *array = MemoryContextAllocExtended(batch->context, size + CACHE_LINE, MCXT_ALLOC_HUGE);

	return (void *) TYPEALIGN(CACHE_LINE, array);
}

/*
 * Allocates what batches need, an empty ring.  What a small index does not need is never
 * touched.
 */
static void
allocate_batch(CodeBatch *batch)
{
	const HnswMeta *meta = &batch->index->meta;
	Size for_records = batch->memory / RECORDS_SHARE;
	Size for_values = batch->memory - for_records;
	Size nrecords;

	MemoryContextReset(batch->context);
	batch->max_records = Max(for_records / record_memory(batch), 1);
	nrecords = (Size) batch->max_records + meta->slots_per_page;
	batch->records = allocate_array(batch, nrecords * sizeof(CodeRecord));
	batch->heads = allocate_array(batch, nrecords * meta->value_offset);
	batch->entries = allocate_array(batch, nrecords * batch->limit * sizeof(uint32));
	batch->codes = allocate_array(batch, nrecords * meta->codes_size);

	batch->capacity = Max(for_values / value_memory(batch), page_values(batch) + 1);
	batch->max_new = Min(Max(batch->capacity / NEW_SHARE, 1), batch->capacity - page_values(batch));
	batch->values = allocate_array(batch, batch->capacity * value_stride(batch));
	batch->rotated = allocate_array(batch, (Size) batch->capacity * meta->code_dim * sizeof(float));
	batch->vertices = allocate_array(batch, batch->capacity * sizeof(uint32));
	for (uint32 i = 0; i < batch->capacity; i++)
		batch->vertices[i] = HNSW_NO_VERTEX;
	batch->numbers = code_values_create(batch->context, 1, NULL);
	batch->first_new = 0;
	batch->nnew = 0;
	for (int i = 0; i < batch->threads; i++)
		hnsw_coder_use(batch->coders[i], batch->rotated);
}

/*
 * Makes room in the ring for the values that a batch will add, as many as there may be:
 * what else is in the ring stays there while the batch is at work.
 */
static void
make_room(CodeBatch *batch)
{
	uint32 room = batch->max_new + page_values(batch);

	batch->first_new += batch->nnew;
	batch->nnew = 0;
	if (batch->first_new + room > batch->capacity)
		batch->first_new = 0;
	for (uint32 i = batch->first_new; i < batch->first_new + room; i++)
	{
		if (batch->vertices[i] != HNSW_NO_VERTEX)
			code_values_delete(batch->numbers, batch->vertices[i]);
		batch->vertices[i] = HNSW_NO_VERTEX;
	}
}

/* Links of a record that can have codes */
static int
codable_links(const CodeBatch *batch, const HnswVertexData *record)
{
	return Min(record->nlinks, batch->limit);
}

/* The entry of the value of a vertex, which will be copied there if it is new */
static uint32
entry_of(CodeBatch *batch, uint32 vertex)
{
	bool found;
	CodeValue *value = code_values_insert(batch->numbers, vertex, &found);

	if (!found)
	{
		value->entry = batch->first_new + batch->nnew++;
		batch->vertices[value->entry] = vertex;
	}
	return value->entry;
}

/*
 * Sets entries[] for the links of a record to those of the values that codes are to be made
 * of.  False: there is none, the record is to get no codes.
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
		if (hnsw_has_code(record, i))
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
	batch->records[i].own = entry_of(batch, vertex);
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
	make_room(batch);
	batch->nrecords = 0;
	batch->next = first;
	while (batch->next < batch->end && batch->nrecords < batch->max_records &&
		   batch->nnew < batch->max_new)
	{
		vacuum_delay_point_compat();
		read_page(batch, batch->next++);
	}
}

/* Copies the values that are new in the ring. */
static void
copy_values(CodeBatch *batch)
{
	const uint32 *vertices = batch->vertices + batch->first_new;

	for (uint32 i = 0; i < batch->nnew; i++)
	{
		if (i % COPY_STEP == 0)
			vacuum_delay_point_compat();
		if (i + READ_AHEAD < batch->nnew)
			hnsw_prefetch_vertex(batch->index, vertices[i + READ_AHEAD]);
		hnsw_copy_value(batch->index, vertices[i], value_of(batch, batch->first_new + i));
	}
}

/* ------------------------------------------------------------ codes */

/* Rotates values [from, to) of the ring.  Runs in threads. */
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
					value_of(batch, batch->records[i].own), &neighbors);
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

/* Has threads do n items from `first` on, each of so many rotations or codes, with looks for interrupts. */
static void
run_threads(CodeBatch *batch, ParallelBody body, uint32 first, uint32 n, int count)
{
	uint32 end = first + n;
	Size work = (Size) (batch->index->space.context.dim + OTHER_WORK) * count;
	uint32 step = Max(THREAD_STEP / work, 1);
	uint32 grain = Max(step / THREAD_PIECES, 1);
	int threads = n * work > THREAD_STEP / THREAD_ALONE ? batch->threads : 1;

	for (uint32 from = first; from < end; from += Min(step, end - from))
	{
		vacuum_delay_point_compat();
		parallel_for(threads, from, from + Min(step, end - from), grain, body, batch);
	}
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
	copy_values(batch);
	run_threads(batch, rotate_values, batch->first_new, batch->nnew, 1);
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

/* Makes and writes the codes of all pages. */
static void
code_pages(CodeBatch *batch)
{
	for (batch->next = META_BLOCK + 1; batch->next < batch->end;)
	{
		read_batch(batch);
		run_threads(batch, code_records, 0, batch->nrecords, batch->limit);
		write_batch(batch);
		if (batch->index->building)
			build_progress(batch->next);
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
	allocate_batch(batch);
	if (index->building)
		build_phase(BUILD_PHASE_CODE, batch->end);
	code_pages(batch);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	change_uncoded(index, true, seen);
}
