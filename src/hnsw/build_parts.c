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
#include "commands/progress.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "core/parallel.h"
#include "hnsw/parts.h"

/* Shares of the memory: of the pivots, of rows and of lists that threads are at work on */
#define PIVOTS_SHARE 8
#define CHUNK_SHARE 32
#define LISTS_SHARE 16

/* Pivots: so many a part, while that makes no more than the second number in all */
#define PIVOTS_PER_PART 16
#define MANY_PIVOTS 2048
#define FEW_PIVOTS_PER_PART 8
#define MAX_PIVOTS 8192
#define MIN_PIVOTS 16

/* Rows that threads take at a time when pivots are searched */
#define NEAREST_GRAIN 16
#define MAX_CHUNK_ROWS 8192

/* A part has at least so many rows, whatever the memory, and the files of so
 * many parts may be open at a time. */
#define MIN_CAPACITY 256
#define MEMORY_PER_PART (32 * 1024)
#define MIN_PARTS 8
#define MAX_PARTS 1024

/* How full parts are meant to be, so that few are too full, and how often such are split */
#define EXPECTED_FILL 0.85
#define SPLIT_ROUNDS 16

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
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw build parts", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	HnswParts *parts = palloc0(sizeof(HnswParts));
	Size encoded_size = build->index.space.encoded_size;

	parts->build = build;
	parts->context = context;
	parts->memory = (Size) maintenance_work_mem * 1024;
	parts->rows = spool_create();
	parts->row_size = MAXALIGN(sizeof(ItemPointerData)) + MAXALIGN(encoded_size);
	parts->scratch = palloc0(parts->row_size + MAXALIGN(encoded_size));
	for (int i = 0; i < HNSW_NARROW_ELEMENTS; i++)
		parts->fits[i] = hnsw_makes_smaller_records(&build->index.meta, &build->index.space,
													hnsw_narrow_elements[i]);
	parts->sample_capacity =
		Max(MIN_PIVOTS, Min(MAX_PIVOTS, parts->memory / PIVOTS_SHARE / MAXALIGN(encoded_size)));
	parts->sample =
		palloc_extended(parts->sample_capacity * MAXALIGN(encoded_size), MCXT_ALLOC_HUGE);
	random_seed(&parts->random, build->params.seed + SEED_OF_SAMPLE);
	MemoryContextSwitchTo(old);
	return parts;
}

static char *
sample_value(const HnswParts *parts, uint32 i)
{
	return parts->sample + i * MAXALIGN(parts->build->index.space.encoded_size);
}

/* Every row is among the sample with the same probability. */
static void
take_sample(HnswParts *parts, const void *encoded)
{
	uint64 place = parts->nrows;

	if (place >= parts->sample_capacity)
		place = random_below(&parts->random, parts->nrows + 1);
	if (place < parts->sample_capacity)
		memcpy(sample_value(parts, place), encoded, parts->build->index.space.encoded_size);
}

/* Takes in one row. */
void
hnsw_parts_add(HnswParts *parts, const void *encoded, ItemPointer tid)
{
	const IndexSpace *space = &parts->build->index.space;
	char *row = parts->scratch;

	if (parts->nrows == HNSW_MAX_VERTEX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("hnsw index cannot be built of more than %u rows", HNSW_MAX_VERTEX)));
	for (int i = 0; i < HNSW_NARROW_ELEMENTS; i++)
	{
		IndexSpace narrow = *space;

		if (parts->fits[i])
			parts->fits[i] =
				index_space_store_as(&narrow, hnsw_narrow_elements[i]) &&
				space_narrow(&space->context, &narrow.stored, encoded, row + parts->row_size);
	}
	memcpy(row, tid, sizeof(ItemPointerData));
	memcpy(row + MAXALIGN(sizeof(ItemPointerData)), encoded, space->encoded_size);
	spool_write(parts->rows, row, parts->row_size);
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
				   build->params.ef_construction, RelationGetRelationName(build->index.relation));
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

/* ------------------------------------------------------------ pivots */

/* Makes pivots of the sample: more of them the more parts there will be. */
static void
choose_pivots(HnswParts *parts)
{
	Size encoded_size = parts->build->index.space.encoded_size;
	uint32 sampled = Min(parts->sample_capacity, parts->nrows);
	double nparts = 2.0 * parts->nrows / parts->capacity + 1;
	double wanted = Max(Min(PIVOTS_PER_PART * nparts, MANY_PIVOTS), FEW_PIVOTS_PER_PART * nparts);

	parts->npivots = (uint32) Max(Min(wanted, sampled), Min(MIN_PIVOTS, sampled));
	parts->pivots = palloc(sampled * sizeof(void *));
	parts->weights = palloc0(parts->npivots * sizeof(uint64));
	parts->hashes = palloc(parts->npivots * sizeof(uint32));
	for (uint32 i = 0; i < sampled; i++)
		parts->pivots[i] = sample_value(parts, i);
	for (uint32 i = 0; i < parts->npivots; i++)
	{
		uint32 other = i + (uint32) random_below(&parts->random, sampled - i);
		const void *pivot = parts->pivots[other];

		parts->pivots[other] = parts->pivots[i];
		parts->pivots[i] = pivot;
		parts->hashes[i] = hash_bytes(pivot, encoded_size);
	}
	hnsw_graph_distance(&parts->distance, &parts->build->index.space.context);
}

/* Rows whose nearest pivots threads look for */
typedef struct NearestChunk
{
	const HnswParts *parts;
	PartitionPivots pivots;
	char *rows;
	NearestPivots *nearest;
	char **queries; /* scratch of each thread */
	float **keys;
} NearestChunk;

static void
find_nearest(void *arg, int thread, uint32_t from, uint32_t to)
{
	NearestChunk *chunk = arg;
	Size encoded_size = chunk->parts->build->index.space.encoded_size;

	for (uint32 i = from; i < to; i++)
	{
		const char *value =
			chunk->rows + i * chunk->parts->row_size + MAXALIGN(sizeof(ItemPointerData));
		NearestPivots *nearest = &chunk->nearest[i];

		nearest->hash = hash_bytes((const unsigned char *) value, encoded_size);
		partition_nearest(&chunk->pivots, value, nearest->hash, chunk->queries[thread],
						  chunk->keys[thread], nearest->pivots);
	}
}

static void
init_chunk(HnswParts *parts, NearestChunk *chunk, uint32 nrows)
{
	int threads = parts->build->params.threads;

	chunk->parts = parts;
	chunk->pivots.distance = &parts->distance;
	chunk->pivots.values = parts->pivots;
	chunk->pivots.npivots = parts->npivots;
	chunk->rows = palloc(nrows * parts->row_size);
	chunk->nearest = palloc(nrows * sizeof(NearestPivots));
	chunk->queries = palloc(threads * sizeof(char *));
	chunk->keys = palloc(threads * sizeof(float *));
	for (int i = 0; i < threads; i++)
	{
		chunk->queries[i] = palloc(parts->distance.query_size + 1);
		chunk->keys[i] = palloc(parts->npivots * sizeof(float));
	}
}

/*
 * Finds the nearest pivots of every row.  A row that equals its nearest pivot
 * weighs nothing, since it will share the pivot's vertex: thousands of equal
 * rows are no reason for a part of their own.
 */
static void
find_all_nearest(HnswParts *parts)
{
	uint32 chunk_rows =
		Max(NEAREST_GRAIN, Min(MAX_CHUNK_ROWS, parts->memory / CHUNK_SHARE / parts->row_size));
	NearestChunk chunk;
	uint32 n;

	init_chunk(parts, &chunk, chunk_rows);
	parts->nearest = spool_create();
	spool_rewind(parts->rows);
	for (uint64 done = 0; done < parts->nrows; done += n)
	{
		CHECK_FOR_INTERRUPTS();
		n = Min(chunk_rows, parts->nrows - done);
		spool_read(parts->rows, chunk.rows, n * parts->row_size);
		parallel_for(parts->build->params.threads, 0, n, NEAREST_GRAIN, find_nearest, &chunk);
		spool_write(parts->nearest, chunk.nearest, n * sizeof(NearestPivots));
		for (uint32 i = 0; i < n; i++)
		{
			uint16 pivot = chunk.nearest[i].pivots[0];

			parts->weights[pivot] += chunk.nearest[i].hash != parts->hashes[pivot];
		}
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, (int64) (done + n));
	}
	pfree(chunk.rows);
	pfree(chunk.nearest);
}

/* ------------------------------------------------------------ parts */

/*
 * The home of a row and the part where it is a guest, or NO_PART.  Both follow
 * from the row's value, so equal rows go the same way.
 */
static void
place_row(const HnswParts *parts, const NearestPivots *nearest, uint16 *home, uint16 *guest)
{
	uint32 group = parts->group_of[nearest->pivots[0]];
	uint16 ways = parts->ways[group];

	*home = parts->first_part[group] + nearest->hash % ways;
	*guest = NO_PART;
	if (parts->parts[*home].bridge != NO_PART && parts->parts[*home].first_hash == nearest->hash)
	{
		*guest = parts->parts[*home].bridge;
		return;
	}
	for (int i = 1; i < PARTITION_NEAREST && nearest->pivots[i] != PARTITION_NONE; i++)
	{
		uint32 other = parts->group_of[nearest->pivots[i]];

		if (other != group)
		{
			*guest = parts->first_part[other] + nearest->hash % parts->ways[other];
			return;
		}
	}
	if (ways > 1)
		*guest = parts->first_part[group] + (nearest->hash + 1) % ways;
}

static void
forget_counts(HnswParts *parts)
{
	for (uint32 i = 0; i < parts->nparts; i++)
	{
		parts->parts[i].nhome = 0;
		parts->parts[i].nguests = 0;
	}
	if (parts->touch != NULL)
		memset(parts->touch, 0, (Size) parts->nparts * parts->nparts * sizeof(bool));
}

/*
 * Counts the rows of each part as the groups are now, those that equal a pivot
 * left out if `distinct`.  Notes which parts have a row in common, if asked.
 */
static void
count_rows(HnswParts *parts, bool distinct)
{
	NearestPivots nearest;
	uint64 done = 0;

	forget_counts(parts);
	spool_rewind(parts->nearest);
	while (spool_read(parts->nearest, &nearest, sizeof(nearest)))
	{
		uint16 home;
		uint16 guest;

		if (++done % MAX_CHUNK_ROWS == 0)
			CHECK_FOR_INTERRUPTS();
		if (distinct && nearest.hash == parts->hashes[nearest.pivots[0]])
			continue;
		place_row(parts, &nearest, &home, &guest);
		if (parts->parts[home].nhome++ == 0)
			parts->parts[home].first_hash = nearest.hash;
		if (guest == NO_PART)
			continue;
		parts->parts[guest].nguests++;
		if (parts->touch != NULL)
		{
			parts->touch[home * parts->nparts + guest] = true;
			parts->touch[guest * parts->nparts + home] = true;
		}
	}
}

static uint64
rows_of_part(const HnswParts *parts, uint32 part)
{
	return parts->parts[part].nhome + parts->parts[part].nguests;
}

/* Divides a group into `n`; one keeps its number, the others come last. */
static void
split_group(HnswParts *parts, const PartitionPivots *pivots, uint32 group, uint32 n,
			const PartitionScratch *scratch)
{
	uint32 *members = palloc(parts->npivots * sizeof(uint32));
	uint32 nmembers = 0;
	uint32 last;

	for (uint32 i = 0; i < parts->npivots; i++)
	{
		if (parts->group_of[i] == group)
			members[nmembers++] = i;
	}
	n = Min(n, nmembers);
	partition_split(pivots, members, nmembers, parts->weights, n, parts->ngroups, parts->group_of,
					scratch);
	parts->ngroups += n - 1;
	last = parts->ngroups;
	for (uint32 i = 0; i < nmembers; i++)
	{
		if (parts->group_of[members[i]] == last)
			parts->group_of[members[i]] = group;
	}
	pfree(members);
}

/* One part for each group, and nothing known of them */
static void
make_parts(HnswParts *parts)
{
	uint32 n = 0;

	for (uint32 group = 0; group < parts->ngroups; group++)
	{
		parts->first_part[group] = n;
		n += parts->ways[group];
	}
	parts->nparts = n;
	if (parts->parts != NULL)
		pfree(parts->parts);
	parts->parts = palloc0(n * sizeof(Part));
	for (uint32 i = 0; i < n; i++)
		parts->parts[i].bridge = NO_PART;
}

/* Splits every group with more rows than fit.  Returns whether there was any. */
static bool
split_large_groups(HnswParts *parts, const PartitionPivots *pivots, uint32 max_parts,
				   const PartitionScratch *scratch)
{
	uint32 ngroups = parts->ngroups;

	for (uint32 group = 0; group < ngroups && parts->ngroups < max_parts; group++)
	{
		uint64 n = (rows_of_part(parts, group) + parts->capacity - 1) / parts->capacity;

		if (n > 1)
			split_group(parts, pivots, group, Min(n, max_parts - parts->ngroups + 1), scratch);
	}
	return parts->ngroups > ngroups;
}

/* Values that are not known to be equal to others */
static uint64
count_distinct(const HnswParts *parts)
{
	uint64 n = parts->npivots;

	for (uint32 i = 0; i < parts->npivots; i++)
		n += parts->weights[i];
	return Min(n, parts->nrows);
}

/*
 * Groups pivots until the rows of every group fit memory.  A single pivot that
 * has too many gets several parts, among which the hash of a row decides.
 */
static void
group_pivots(HnswParts *parts)
{
	uint32 max_parts = Max(MIN_PARTS, Min(MAX_PARTS, parts->memory / MEMORY_PER_PART));
	double wanted =
		ceil(HNSW_PART_COPIES * count_distinct(parts) / (EXPECTED_FILL * parts->capacity));
	PartitionPivots pivots = {
		.distance = &parts->distance, .values = parts->pivots, .npivots = parts->npivots};
	PartitionScratch scratch;
	uint32 max_groups = Min(max_parts, parts->npivots);

	scratch.query = palloc(parts->distance.query_size + 1);
	scratch.keys = palloc(2 * parts->npivots * sizeof(float));
	scratch.members = palloc(parts->npivots * sizeof(PartitionMember));
	parts->group_of = palloc0(parts->npivots * sizeof(uint32));
	parts->first_part = palloc0(max_groups * sizeof(uint16));
	parts->ways = palloc(max_groups * sizeof(uint16));
	for (uint32 i = 0; i < max_groups; i++)
		parts->ways[i] = 1;
	parts->ngroups = 1;
	split_group(parts, &pivots, 0, (uint32) Max(2, Min(wanted, max_groups)), &scratch);
	for (int round = 0; round < SPLIT_ROUNDS; round++)
	{
		make_parts(parts);
		count_rows(parts, true);
		if (!split_large_groups(parts, &pivots, max_groups, &scratch))
			break;
	}
	for (uint32 group = 0; group < parts->ngroups; group++)
	{
		uint64 n = (rows_of_part(parts, group) + parts->capacity - 1) / parts->capacity;

		parts->ways[group] = Max(1, Min(n, max_parts));
	}
	make_parts(parts);
	pfree(scratch.query);
	pfree(scratch.keys);
	pfree(scratch.members);
}

/* Ranks the parts that can be come to from one of them, from `rank` on. */
static uint32
walk_parts(HnswParts *parts, uint32 start, uint32 rank, uint16 *queue)
{
	uint32 n = parts->nparts;
	uint32 head = rank;

	parts->parts[start].rank = rank;
	queue[rank++] = start;
	for (; head < rank; head++)
	{
		for (uint32 next = 0; next < n; next++)
		{
			if (!parts->touch[queue[head] * n + next] || parts->parts[next].rank != NO_NUMBER)
				continue;
			parts->parts[next].rank = rank;
			parts->parts[next].parent = queue[head];
			queue[rank++] = next;
		}
	}
	return rank;
}

/* The ranked part that has the pivot nearest to one of this part's pivots */
static uint16
find_bridge(const HnswParts *parts, uint32 part)
{
	uint32 pivot = 0;
	uint32 group = 0;
	const void *query;
	void *scratch = palloc(parts->distance.query_size + 1);
	uint16 nearest = NO_PART;
	float nearest_key = 0;

	while (group + 1 < parts->ngroups && parts->first_part[group + 1] <= part)
		group++;
	while (parts->group_of[pivot] != group)
		pivot++;
	query = parts->distance.prepare_query(parts->distance.context, parts->pivots[pivot], scratch);
	for (uint32 i = 0; i < parts->npivots; i++)
	{
		uint16 other = parts->first_part[parts->group_of[i]];
		float key;

		if (parts->parts[other].rank == NO_NUMBER || parts->parts[other].nhome == 0)
			continue;
		parts->distance.distances(parts->distance.context, query, &parts->pivots[i], 1, &key);
		if (nearest == NO_PART || key < nearest_key)
		{
			nearest = other;
			nearest_key = key;
		}
	}
	pfree(scratch);
	return nearest;
}

/*
 * Makes a tree of the parts, in which part and parent have a row in common.
 * Parts that share no row with the others get one: the first row that is at
 * home in one of them becomes a guest of a part near to it.  Since it is not a
 * guest elsewhere then, that is looked at again.
 */
static void
connect_parts(HnswParts *parts)
{
	uint16 *queue = palloc(parts->nparts * sizeof(uint16));
	bool bridged = true;

	parts->touch = palloc_extended((Size) parts->nparts * parts->nparts * sizeof(bool),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	while (bridged)
	{
		uint32 rank = 0;

		bridged = false;
		count_rows(parts, false);
		for (uint32 i = 0; i < parts->nparts; i++)
			parts->parts[i].rank = NO_NUMBER;
		for (uint32 i = 0; i < parts->nparts; i++)
		{
			Part *part = &parts->parts[i];

			if (part->rank != NO_NUMBER || part->nhome == 0)
				continue;
			if (rank > 0)
			{
				part->bridge = find_bridge(parts, i);
				bridged = true;
			}
			rank = walk_parts(parts, i, rank, queue);
		}
	}
	pfree(parts->touch);
	parts->touch = NULL;
	pfree(queue);
}

/* Writes every row to its home part and to where it is a guest. */
static void
distribute_rows(HnswParts *parts)
{
	HnswBuild *build = parts->build;
	const IndexSpace *space = &build->index.space;
	bool narrow = space->stored.space != space->context.space;
	const char *value = parts->scratch + MAXALIGN(sizeof(ItemPointerData));
	char *stored = parts->scratch + parts->row_size;
	NearestPivots nearest;
	uint64 done = 0;
	uint64 base = 0;

	for (uint32 i = 0; i < parts->nparts; i++)
	{
		parts->parts[i].rows = spool_create();
		parts->parts[i].base = base;
		base += parts->parts[i].nhome;
	}
	forget_counts(parts);
	spool_rewind(parts->rows);
	spool_rewind(parts->nearest);
	while (spool_read(parts->rows, parts->scratch, parts->row_size))
	{
		PartRow row = {.home = true};
		uint16 home;

		spool_read(parts->nearest, &nearest, sizeof(nearest));
		place_row(parts, &nearest, &home, &row.other);
		if (narrow)
			(void) space_narrow(&space->context, &space->stored, value, stored);
		row.position = (uint32) parts->parts[home].nhome++;
		memcpy(&row.tid, parts->scratch, sizeof(ItemPointerData));
		spool_write(parts->parts[home].rows, &row, sizeof(row));
		spool_write(parts->parts[home].rows, narrow ? stored : value, space->stored_size);
		if (row.other != NO_PART)
		{
			Part *part = &parts->parts[row.other];

			part->nguests++;
			row.home = false;
			row.other = home;
			spool_write(part->rows, &row, sizeof(row));
			spool_write(part->rows, narrow ? stored : value, space->stored_size);
		}
		if (++done % MAX_CHUNK_ROWS == 0)
		{
			CHECK_FOR_INTERRUPTS();
			pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
										 (int64) (parts->nrows + done));
		}
	}
	spool_close(parts->rows);
	spool_close(parts->nearest);
	pfree(parts->sample);
	pfree(parts->pivots);
}

/* ------------------------------------------------------------ graphs */

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
	graph->capacity = Max(MIN_CAPACITY, graph->capacity + graph->capacity / 2);
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
	int memory = Max(64, maintenance_work_mem / CHUNK_SHARE);

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
		if (++done % MAX_CHUNK_ROWS == 0)
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
	PartVertex record = {.ntids = Min(graph->nrows[vertex], HNSW_INLINE_TIDS)};

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
	spool_write(parts->vertices, list, sizeof(PartList) + list->nlinks * sizeof(PartLink));
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
		total += rows_of_part(parts, i);
	}
	hnsw_build_phase(PHASE_GRAPH, total);
	for (uint32 i = 0; i < parts->nparts; i++)
		build_part(parts, &parts->parts[i]);
}

/* Seconds that the graphs of all parts will take, measured on the pivots */
static double
predict_seconds(const HnswParts *parts)
{
	const IndexSpace *space = &parts->build->index.space;
	GraphParams params = parts->build->params;
	HnswSample sample = {.stride = MAXALIGN(space->encoded_size),
						 .values = parts->sample,
						 .n = Min(parts->sample_capacity, parts->nrows)};
	HnswCalibration calibration;
	double part_rows = (double) HNSW_PART_COPIES * count_distinct(parts) / parts->nparts;
	double threads = params.threads;

	params.ef_construction = HNSW_PART_EF(params.m, params.ef_construction);
	hnsw_calibrate(&calibration, &sample, &space->context, &params, CALIBRATION_SECONDS);
	return parts->nparts * hnsw_predict_seconds(&calibration, part_rows, params.threads) +
		   parts->nrows * parts->npivots * calibration.bare_seconds / threads;
}

/* Says what a build in memory would have needed, and what is done instead. */
static void
report_parts(const HnswParts *parts)
{
	BuildRows *rows = build_rows_create(&parts->build->index.space,
										hnsw_graph_memory_per_value(&parts->build->params));
	Size need = build_rows_memory(rows, parts->nrows);

	build_rows_free(rows);
	ereport(NOTICE,
			(errmsg("hnsw graph does not fit into maintenance_work_mem and is built in %u parts",
					parts->nparts),
			 errdetail("The graph of all %llu rows at once needs about %zu MB. "
					   "The parts take about %.0f seconds.",
					   (unsigned long long) parts->nrows, need / (1024 * 1024) + 1,
					   ceil(predict_seconds(parts))),
			 errhint("Increase maintenance_work_mem to speed up builds.")));
}

/* No more rows will come: builds the index of those that were added. */
void
hnsw_parts_build(HnswParts *parts)
{
	HnswBuild *build = parts->build;
	MemoryContext old = MemoryContextSwitchTo(parts->context);

	hnsw_build_phase(PHASE_PARTITION, 2 * parts->nrows);
	choose_stored_element(parts);
	choose_sizes(parts);
	choose_pivots(parts);
	find_all_nearest(parts);
	group_pivots(parts);
	connect_parts(parts);
	report_parts(parts);
	distribute_rows(parts);
	build_all(parts);
	hnsw_join_parts(parts);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(parts->context);
	build->parts = NULL;
}
