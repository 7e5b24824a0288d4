/*-------------------------------------------------------------------------
 *
 * build_divide.c
 *	  Divides the rows of a build in parts.
 *
 * Every row's nearest pivots are found; pivots are grouped until the rows of
 * each group fit memory; rows are written to the files of their parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"

#include "core/parallel.h"
#include "hnsw/parts.h"

/* Pivots: so many a part, while that makes no more than the second number in all */
#define PIVOTS_PER_PART 16
#define MANY_PIVOTS 2048
#define FEW_PIVOTS_PER_PART 8

/* Rows that threads take at a time when pivots are searched, within their share of the memory */
#define NEAREST_GRAIN 16
#define MAX_CHUNK_ROWS 8192
#define CHUNK_SHARE 32

/* The files of so many parts may be open at a time */
#define MEMORY_PER_PART (32 * 1024)
#define MIN_PARTS 8
#define MAX_PARTS 1024

/* How full parts are meant to be, so that few are too full, and how often such are split */
#define EXPECTED_FILL 0.85
#define SPLIT_ROUNDS 16

/* ------------------------------------------------------------ pivots */

/* Makes pivots of the sample: more of them the more parts there will be. */
static void
choose_pivots(HnswParts *parts)
{
	Size encoded_size = parts->build->index.space.encoded_size;
	uint32 sampled = Min(parts->sample_capacity, parts->nrows);
	double nparts = 2.0 * parts->nrows / parts->capacity + 1;
	double wanted = Max(Min(PIVOTS_PER_PART * nparts, MANY_PIVOTS), FEW_PIVOTS_PER_PART * nparts);

	parts->npivots = (uint32) Max(Min(wanted, sampled), Min(HNSW_MIN_PIVOTS, sampled));
	parts->pivots = palloc(sampled * sizeof(void *));
	parts->weights = palloc0(parts->npivots * sizeof(uint64));
	parts->hashes = palloc(parts->npivots * sizeof(uint32));
	for (uint32 i = 0; i < sampled; i++)
		parts->pivots[i] = hnsw_parts_sample(parts, i);
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
		const void *value = spooled_row_value(row_spool_nth(chunk->parts->rows, chunk->rows, i));
		NearestPivots *nearest = &chunk->nearest[i];

		nearest->hash = hash_bytes(value, encoded_size);
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
	chunk->rows = palloc(nrows * parts->rows->row_size);
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
	uint32 chunk_rows = Max(
		NEAREST_GRAIN, Min(MAX_CHUNK_ROWS, parts->memory / CHUNK_SHARE / parts->rows->row_size));
	NearestChunk chunk;
	uint32 n;

	init_chunk(parts, &chunk, chunk_rows);
	parts->nearest = spool_create();
	row_spool_rewind(parts->rows);
	while ((n = row_spool_read_many(parts->rows, chunk.rows, chunk_rows)) > 0)
	{
		parallel_for(parts->build->params.threads, 0, n, NEAREST_GRAIN, find_nearest, &chunk);
		spool_write(parts->nearest, chunk.nearest, n * sizeof(NearestPivots));
		for (uint32 i = 0; i < n; i++)
		{
			uint16 pivot = chunk.nearest[i].pivots[0];

			parts->weights[pivot] += chunk.nearest[i].hash != parts->hashes[pivot];
		}
		build_progress(parts->rows->nread);
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

		if (++done % HNSW_ROWS_PER_LOOK == 0)
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
uint64
hnsw_parts_distinct(const HnswParts *parts)
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
		ceil(HNSW_PART_COPIES * hnsw_parts_distinct(parts) / (EXPECTED_FILL * parts->capacity));
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

/* Decides which parts there are, of which rows, and which of them are neighbours. */
void
hnsw_parts_divide(HnswParts *parts)
{
	choose_pivots(parts);
	find_all_nearest(parts);
	group_pivots(parts);
	connect_parts(parts);
}

/* Writes every row to its home part and to where it is a guest. */
void
hnsw_parts_distribute(HnswParts *parts)
{
	HnswBuild *build = parts->build;
	const IndexSpace *space = &build->index.space;
	bool narrow = space->stored.space != space->context.space;
	NearestPivots nearest;
	uint64 base = 0;

	for (uint32 i = 0; i < parts->nparts; i++)
	{
		parts->parts[i].rows = spool_create();
		parts->parts[i].base = base;
		base += parts->parts[i].nhome;
	}
	forget_counts(parts);
	row_spool_rewind(parts->rows);
	spool_rewind(parts->nearest);
	while (row_spool_read(parts->rows))
	{
		const void *value = spooled_row_value(parts->rows->row);
		PartRow row = {.home = true, .tid = parts->rows->row->tid};
		uint16 home;

		spool_read(parts->nearest, &nearest, sizeof(nearest));
		place_row(parts, &nearest, &home, &row.other);
		if (narrow)
			(void) space_narrow(&space->context, &space->stored, value, parts->stored);
		row.position = (uint32) parts->parts[home].nhome++;
		spool_write(parts->parts[home].rows, &row, sizeof(row));
		spool_write(parts->parts[home].rows, narrow ? parts->stored : value, space->stored_size);
		if (row.other != NO_PART)
		{
			Part *part = &parts->parts[row.other];

			part->nguests++;
			row.home = false;
			row.other = home;
			spool_write(part->rows, &row, sizeof(row));
			spool_write(part->rows, narrow ? parts->stored : value, space->stored_size);
		}
		if (parts->rows->nread % HNSW_ROWS_PER_LOOK == 0)
		{
			CHECK_FOR_INTERRUPTS();
			build_progress(parts->nrows + parts->rows->nread);
		}
	}
	row_spool_close(parts->rows);
	spool_close(parts->nearest);
	pfree(parts->sample);
	pfree(parts->pivots);
}
