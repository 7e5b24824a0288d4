/*-------------------------------------------------------------------------
 *
 * build_rows.c
 *	  The rows of a table in memory, for an index build.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/mman.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"

#include "access/build_rows.h"
#include "core/parallel.h"

#define CACHE_LINE 64

/*
 * Bytes of a chunk of values, at least one value each: a small share of the
 * memory allowed, but large enough for huge pages where that is possible.
 */
#define MIN_CHUNK_SIZE ((Size) 1024 * 1024)
#define MAX_CHUNK_SIZE ((Size) 32 * 1024 * 1024)
#define CHUNK_SHARE 64

/* Bytes of values of varying size that are taken at a time, at least */
#define BYTES_CHUNK_SIZE ((Size) 64 * 1024)

#define HUGE_PAGE_SIZE ((Size) 2 * 1024 * 1024)

#define MIN_TABLE_SIZE 1024
#define MIN_TIDS 1024

/* The value number a slot of the hash table stands for, plus one; 0: free */
#define TABLE_VALUE(slot) ((uint32) (slot))
#define TABLE_HASH(slot) ((uint32) ((slot) >> 32))

/*
 * Ready to take in rows.  The space's dimensions may still be unknown: memory
 * is laid out when the first row comes.
 */
Size
build_memory(void)
{
	return (Size) maintenance_work_mem * 1024;
}

BuildRows *
build_rows_create(IndexSpace *space, Size memory_per_value)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "index build rows", ALLOCSET_DEFAULT_SIZES);
	BuildRows *rows = MemoryContextAllocZero(context, sizeof(BuildRows));

	rows->context = context;
	rows->space = space;
	rows->memory_limit = build_memory();
	rows->memory_per_value = memory_per_value;
	return rows;
}

/* Bytes from one place in a chunk to the next */
static Size
stride_of(const BuildRows *rows)
{
	if (index_space_varies(rows->space))
		return sizeof(char *);
	return TYPEALIGN(CACHE_LINE, rows->space->encoded_size);
}

/* What a value of so many bytes takes elsewhere than in a chunk */
static Size
bytes_outside(const BuildRows *rows, Size size)
{
	return index_space_varies(rows->space) ? MAXALIGN(size) : 0;
}

/* Memory of a value besides the access method's: bytes, TID, hash slot at half load */
static Size
own_memory_per_value(const BuildRows *rows, Size size)
{
	return stride_of(rows) + bytes_outside(rows, size) + 2 * sizeof(BuildTid) + 4 * sizeof(uint64);
}

Size
build_rows_memory(const BuildRows *rows, double nvalues)
{
	return (Size) (nvalues *
				   (own_memory_per_value(rows, rows->space->usual_size) + rows->memory_per_value));
}

bool
build_rows_fit(IndexSpace *space, Size memory_per_value, double nvalues, double *memory)
{
	BuildRows *rows = build_rows_create(space, memory_per_value);
	bool fits;

	*memory = (double) build_rows_memory(rows, 1) * nvalues;
	fits = *memory <= (double) rows->memory_limit;
	build_rows_free(rows);
	return fits;
}

static void
lay_out(BuildRows *rows)
{
	Size chunk_size = Min(Max(rows->memory_limit / CHUNK_SHARE, MIN_CHUNK_SIZE), MAX_CHUNK_SIZE);

	rows->stride = stride_of(rows);
	while (rows->stride << (rows->chunk_shift + 1) <= chunk_size)
		rows->chunk_shift++;
	rows->table_size = MIN_TABLE_SIZE;
	rows->table = MemoryContextAllocZero(rows->context, rows->table_size * sizeof(uint64));
}

void
build_advise_huge_pages(char *memory, Size size)
{
#ifdef MADV_HUGEPAGE
	char *start = (char *) TYPEALIGN(HUGE_PAGE_SIZE, memory);
	char *end = (char *) TYPEALIGN_DOWN(HUGE_PAGE_SIZE, memory + size);

	if (start < end)
		(void) madvise(start, end - start, MADV_HUGEPAGE);
#endif
}

static void
add_chunk(BuildRows *rows)
{
	Size size = (rows->stride << rows->chunk_shift) + CACHE_LINE;
	char *memory;

	rows->chunk_size = size;
	if (rows->nchunks == rows->chunks_capacity)
	{
		rows->chunks_capacity = Max(64, rows->chunks_capacity * 2);
		if (rows->chunks == NULL)
			rows->chunks =
				MemoryContextAlloc(rows->context, rows->chunks_capacity * sizeof(char *));
		else
			rows->chunks = repalloc(rows->chunks, rows->chunks_capacity * sizeof(char *));
	}
	memory = MemoryContextAllocHuge(rows->context, size);
	build_advise_huge_pages(memory, size);
	rows->chunks[rows->nchunks++] = (char *) TYPEALIGN(CACHE_LINE, memory);
}

static void
enter(uint64 *table, uint32 table_size, uint64 entry)
{
	uint32 slot = TABLE_HASH(entry) & (table_size - 1);

	while (table[slot] != 0)
		slot = (slot + 1) & (table_size - 1);
	table[slot] = entry;
}

static void
grow_table(BuildRows *rows)
{
	uint32 size = rows->table_size * 2;
	uint64 *table = MemoryContextAllocExtended(rows->context, (Size) size * sizeof(uint64),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (uint32 i = 0; i < rows->table_size; i++)
	{
		if (rows->table[i] != 0)
			enter(table, size, rows->table[i]);
	}
	pfree(rows->table);
	rows->table = table;
	rows->table_size = size;
}

static inline bool
is_equal(const BuildRows *rows, const void *stored, const void *encoded, Size size)
{
	return index_space_size(rows->space, stored) == size && memcmp(stored, encoded, size) == 0;
}

/* The number of a stored value with these bytes, or -1. */
static int64
find_equal(BuildRows *rows, const void *encoded, Size size, uint32 hash)
{
	uint32 slot = hash & (rows->table_size - 1);

	for (; rows->table[slot] != 0; slot = (slot + 1) & (rows->table_size - 1))
	{
		uint32 value = TABLE_VALUE(rows->table[slot]) - 1;

		if (TABLE_HASH(rows->table[slot]) == hash &&
			is_equal(rows, build_rows_value(rows, value), encoded, size))
			return value;
	}
	return -1;
}

static void
add_tid(BuildRows *rows, ItemPointer tid, uint32 value)
{
	if (rows->ntids == rows->tids_capacity)
	{
		rows->tids_capacity = Max(MIN_TIDS, rows->tids_capacity * 2);
		if (rows->tids == NULL)
			rows->tids = MemoryContextAlloc(rows->context, rows->tids_capacity * sizeof(BuildTid));
		else
			rows->tids = repalloc_huge(rows->tids, rows->tids_capacity * sizeof(BuildTid));
	}
	rows->tids[rows->ntids].tid = *tid;
	rows->tids[rows->ntids].value = value;
	rows->ntids++;
}

/* Where the next value, or its address, goes; it stays free if the value turns out to be known. */
static void *
next_place(BuildRows *rows)
{
	if (rows->table == NULL)
		lay_out(rows);
	if (rows->nvalues >> rows->chunk_shift == (uint32) rows->nchunks)
		add_chunk(rows);
	return rows->chunks[rows->nvalues >> rows->chunk_shift] +
		   (rows->nvalues & ((1u << rows->chunk_shift) - 1)) * rows->stride;
}

/* Keeps a value of varying size, and its address in the next place. */
static void
keep_bytes(BuildRows *rows, const void *encoded, Size size)
{
	Size room = MAXALIGN(size);

	if (rows->bytes_left < room)
	{
		rows->bytes_left = Max(BYTES_CHUNK_SIZE, room);
		rows->bytes = MemoryContextAlloc(rows->context, rows->bytes_left);
	}
	memcpy(rows->bytes, encoded, size);
	*(char **) next_place(rows) = rows->bytes;
	rows->bytes += room;
	rows->bytes_left -= room;
	rows->bytes_used += room;
}

/*
 * The number of an encoded value, which is taken if it is new.  It is in next_place()
 * already unless values vary in size.
 */
static uint32
enter_next(BuildRows *rows, const void *encoded)
{
	Size size = index_space_size(rows->space, encoded);
	uint32 hash = hash_bytes(encoded, size);
	int64 found = find_equal(rows, encoded, size, hash);

	if (found < 0)
	{
		if (index_space_varies(rows->space))
			keep_bytes(rows, encoded, size);
		found = rows->nvalues++;
		if (rows->nvalues > rows->table_size / 2)
			grow_table(rows);
		enter(rows->table, rows->table_size, ((uint64) hash << 32) | (uint32) (found + 1));
	}
	return (uint32) found;
}

/* Brings an encoded value to the next place, or leaves it where it is if values vary in size. */
static const void *
copy_to_next(BuildRows *rows, const void *encoded)
{
	void *place = next_place(rows);

	if (index_space_varies(rows->space))
		return encoded;
	return memcpy(place, encoded, rows->space->encoded_size);
}

uint32
build_rows_enter(BuildRows *rows, const void *encoded)
{
	return enter_next(rows, copy_to_next(rows, encoded));
}

/* Bytes that count against the limit */
static Size
memory_used(const BuildRows *rows)
{
	return rows->nvalues * (rows->stride + rows->memory_per_value) + rows->bytes_used +
		   rows->ntids * 2 * sizeof(BuildTid) + rows->nvalues * 4 * sizeof(uint64);
}

Size
build_rows_spare(const BuildRows *rows)
{
	/* chunks stay as large as they are when their values become narrower */
	Size used = memory_used(rows) - rows->nvalues * rows->stride + rows->nchunks * rows->chunk_size;

	return used < rows->memory_limit ? rows->memory_limit - used : 0;
}

/* Is there room for another row, one with a new value of so many bytes? */
static bool
has_room(const BuildRows *rows, Size size)
{
	Size used = memory_used(rows);

	return used + own_memory_per_value(rows, size) + rows->memory_per_value <= rows->memory_limit &&
		   rows->nvalues < PG_INT32_MAX;
}

bool
build_rows_add(BuildRows *rows, const void *value, ItemPointer tid)
{
	void *place;

	/* a value of varying size is its encoded form */
	if (index_space_varies(rows->space))
		return build_rows_add_encoded(rows, value, tid);
	place = next_place(rows);
	if (!has_room(rows, rows->space->encoded_size))
		return false;
	space_encode(&rows->space->context, value, place);
	add_tid(rows, tid, enter_next(rows, place));
	return true;
}

bool
build_rows_add_encoded(BuildRows *rows, const void *encoded, ItemPointer tid)
{
	(void) next_place(rows);
	if (!has_room(rows, index_space_size(rows->space, encoded)))
		return false;
	add_tid(rows, tid, build_rows_enter(rows, encoded));
	return true;
}

/* Counting sort by value: rows of one value keep their order of arrival. */
void
build_rows_finish(BuildRows *rows)
{
	Size nstarts = (Size) rows->nvalues + 1;
	uint64 *start = MemoryContextAllocExtended(rows->context, nstarts * sizeof(uint64),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	BuildTid *sorted =
		MemoryContextAllocHuge(rows->context, Max(rows->ntids, 1) * sizeof(BuildTid));
	uint64 total = 0;

	if (rows->table != NULL)
		pfree(rows->table);
	rows->table = NULL;
	for (uint64 i = 0; i < rows->ntids; i++)
		start[rows->tids[i].value]++;
	for (uint32 value = 0; value <= rows->nvalues; value++)
	{
		uint64 count = start[value];

		start[value] = total;
		total += count;
	}
	for (uint64 i = 0; i < rows->ntids; i++)
		sorted[start[rows->tids[i].value]++] = rows->tids[i];

	/* each start has moved to the start of the next value */
	memmove(start + 1, start, rows->nvalues * sizeof(uint64));
	start[0] = 0;
	if (rows->tids != NULL)
		pfree(rows->tids);
	rows->tids = sorted;
	rows->tids_start = start;
}

/* Can all values be stored in the narrow form?  scratch: an encoded value */
static bool
all_fit(const BuildRows *rows, const SpaceContext *narrow, char *scratch)
{
	for (uint32 value = 0; value < rows->nvalues; value++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!space_narrow(&rows->space->context, narrow, build_rows_value(rows, value), scratch))
			return false;
	}
	return true;
}

bool
build_rows_narrow(BuildRows *rows, SpaceElement element)
{
	IndexSpace *space = rows->space;
	IndexSpace narrow = *space;
	char *scratch = MemoryContextAlloc(rows->context, Max(space->encoded_size, 1));
	Size mask = ((Size) 1 << rows->chunk_shift) - 1;
	Size stride;

	if (!index_space_store_as(&narrow, element) || !all_fit(rows, &narrow.stored, scratch))
	{
		pfree(scratch);
		return false;
	}
	*space = narrow;
	stride = TYPEALIGN(CACHE_LINE, space->stored_size);
	for (uint32 value = 0; value < rows->nvalues; value++)
	{
		char *place = rows->chunks[value >> rows->chunk_shift] + (value & mask) * stride;

		CHECK_FOR_INTERRUPTS();
		(void) space_narrow(&space->context, &space->stored, build_rows_value(rows, value),
							scratch);
		memcpy(place, scratch, space->stored_size);
	}
	rows->stride = stride;
	pfree(scratch);
	return true;
}

void
build_rows_free(BuildRows *rows)
{
	MemoryContextDelete(rows->context);
}

int
build_threads(const IndexSpace *space)
{
	if (space->context.space->calls_back)
		return 1;
	return Max(1, Min(max_parallel_maintenance_workers + 1, parallel_processors()));
}
