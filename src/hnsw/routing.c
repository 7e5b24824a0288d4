/*-------------------------------------------------------------------------
 *
 * routing.c
 *	  Where searches of a quantised index begin: a sample of vertices, by codes.
 *
 * Instead of descending through the upper layers, a page at a time, a backend
 * that searches an index again and again keeps codes of some two thousand
 * vertices in memory of its own, estimates all their keys, and begins layer 0
 * with the nearest.  The sample of an index as it was built is what the build laid
 * out first: vertices of the upper layers, a random choice.  Once vertices have
 * come or gone it is one of all vertices there are.  Codes are centred on their mean.
 *
 * A sample may be out of date: then a search begins with worse vertices, no
 * more.  It is made again when vacuum has freed vertices (it counts
 * meta.routing_version up), and when merges have added some to that part of the
 * index that GROWTH says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/random.h"
#include "hnsw/hnsw.h"
#include "storage/recent.h"

/* Indexes a backend keeps samples of */
#define MAX_SAMPLES 8

/* Searches of an index by a backend before a sample is made: it takes as long as some dozens */
#define WARM_SEARCHES 16

/* Searches after which making a sample is tried again, at most, when it was cancelled */
#define MAX_PATIENCE 16384

/* A sample smaller than this is not worth more than a descent */
#define MIN_SAMPLE 64

/* It is made again when one in so many pages has been merged since */
#define GROWTH 32

/* Pages looked at for one vertex of a sample of all, at most: some are no slot pages */
#define TRIES 16

typedef struct RoutingSample
{
	Oid filenode;	/* of the index; InvalidOid: not in use */
	uint32 version; /* of the sample, HnswMeta.routing_version */
	uint32 end;		/* HnswMeta.routing_end */
	uint32 ordinal; /* HnswMeta.pending_ordinal: pages merged before it was made */
	uint32 growth;	/* pages merged since, after which it is made again */
	uint32 code_dim;
	uint32 searches; /* since it was begun, or since making it was begun and cancelled */
	uint32 patience; /* searches before it is made */
	uint64 used;	 /* when it was used last */
	bool loaded;	 /* or found to be of no use: n is 0 then */
	MemoryContext context;
	uint32 n;
	uint32 *vertices;
	float *center; /* coordinates that codes are centred on */
	char *blocks;  /* of codes */
} RoutingSample;

static RoutingSample samples[MAX_SAMPLES];
static uint64 sample_clock = 0;

/* Samples begin here, and end before HnswMeta.routing_end. */
static inline uint32
first_vertex(const HnswIndex *index)
{
	return (META_BLOCK + 1) * index->meta.slots_per_page;
}

/* Forgets what a sample holds. */
static void
reset_sample(RoutingSample *sample, const HnswIndex *index)
{
	if (sample->context != NULL)
		MemoryContextDelete(sample->context);
	memset(sample, 0, sizeof(*sample));
	sample->filenode = index->relation->rd_rel->relfilenode;
	sample->version = index->meta.routing_version;
	sample->end = index->meta.routing_end;
	sample->code_dim = index->meta.code_dim;
	sample->patience = WARM_SEARCHES;
}

/* Is this the graph that a build has made?  Nothing has come or gone since. */
static bool
is_as_built(const HnswIndex *index)
{
	return index->meta.routing_version == 0 && index->meta.pending_ordinal <= 1 &&
		   index->meta.routing_end >= first_vertex(index) + MIN_SAMPLE;
}

/* The sample of an index, or the one used longest ago, emptied. */
static RoutingSample *
find_sample(const HnswIndex *index)
{
	RoutingSample *found = &samples[0];

	for (int i = 0; i < MAX_SAMPLES; i++)
	{
		if (samples[i].filenode == index->relation->rd_rel->relfilenode)
		{
			found = &samples[i];
			break;
		}
		if (samples[i].used < found->used)
			found = &samples[i];
	}
	if (found->filenode != index->relation->rd_rel->relfilenode ||
		found->version != index->meta.routing_version || found->end != index->meta.routing_end ||
		found->code_dim != index->meta.code_dim)
		reset_sample(found, index);
	else if (found->loaded && index->meta.pending_ordinal - found->ordinal > found->growth)
	{
		found->loaded = false;
		found->searches = found->patience;
	}
	found->used = ++sample_clock;
	return found;
}

/*
 * Is this a vertex that a search may begin with?  It may change at any moment.  One that is
 * pending is not in the graph; one whose value does not fit the stored element, and that came
 * after the metapage was read, cannot be copied as the others are.
 */
static bool
is_usable(const HnswIndex *index, HnswVertex record)
{
	const uint8 flags = HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE | HNSW_VERTEX_UNLINKED;

	return (record->flags & flags) == 0 &&
		   ((record->flags & HNSW_VERTEX_WIDE) == 0 || index->meta.has_wide);
}

/* Takes those vertices of what the build laid out first that are left. */
static void
choose_first(HnswIndex *index, RoutingSample *sample)
{
	for (uint32 vertex = first_vertex(index); vertex < sample->end; vertex++)
	{
		Buffer buffer;
		HnswVertex record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);

		if (is_usable(index, record))
			sample->vertices[sample->n++] = vertex;
		UnlockReleaseBuffer(buffer);
	}
}

/* A random vertex of a page; HNSW_NO_VERTEX if the one chosen is not usable. */
static uint32
choose_on_page(HnswIndex *index, BlockNumber blkno, Random *random)
{
	Buffer buffer = recent_read(index->relation, blkno);
	Page page = BufferGetPage(buffer);
	uint32 vertex = HNSW_NO_VERTEX;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (page_is(page, PAGE_SLOTS) && page_slots(page, index->meta.slots_per_page) > 0)
	{
		int slot = random_below(random, page_slots(page, index->meta.slots_per_page));

		if (is_usable(index, (HnswVertex) page_slot(page, index->meta.slot_size, slot)))
			vertex = blkno * index->meta.slots_per_page + slot;
	}
	UnlockReleaseBuffer(buffer);
	return vertex;
}

static int
compare_vertices(const void *a, const void *b)
{
	uint32 left = *(const uint32 *) a;
	uint32 right = *(const uint32 *) b;

	return left < right ? -1 : left > right;
}

/* Takes up to `size` of all vertices, in their order, each once. */
static void
choose_any(HnswIndex *index, RoutingSample *sample, BlockNumber nblocks, uint32 size)
{
	Random random;
	uint32 n = 0;

	random_seed(&random, (uint64) index->meta.routing_version << 32 | index->meta.pending_ordinal);
	for (uint32 tries = 0; tries < size * TRIES && sample->n < size; tries++)
	{
		BlockNumber blkno = META_BLOCK + 1 + random_below(&random, nblocks - META_BLOCK - 1);
		uint32 vertex = choose_on_page(index, blkno, &random);

		CHECK_FOR_INTERRUPTS();
		if (vertex != HNSW_NO_VERTEX)
			sample->vertices[sample->n++] = vertex;
	}
	qsort(sample->vertices, sample->n, sizeof(uint32), compare_vertices);
	for (uint32 i = 0; i < sample->n; i++)
	{
		if (n == 0 || sample->vertices[n - 1] != sample->vertices[i])
			sample->vertices[n++] = sample->vertices[i];
	}
	sample->n = n;
}

/* Reads the coordinates of a vertex. */
static void
read_coordinates(HnswIndex *index, HnswCoder *coder, uint32 vertex, char *value, float *coordinates)
{
	CHECK_FOR_INTERRUPTS();
	hnsw_copy_value(index, vertex, value);
	hnsw_coder_coordinates(coder, hnsw_copy_space(index), value, coordinates);
}

/* Finds the mean of the vertices. */
static void
find_center(HnswIndex *index, HnswCoder *coder, RoutingSample *sample, char *value,
			float *coordinates)
{
	uint32 dim = index->space.context.dim;
	double *sums = palloc0(dim * sizeof(double));

	for (uint32 i = 0; i < sample->n; i++)
	{
		read_coordinates(index, coder, sample->vertices[i], value, coordinates);
		for (uint32 d = 0; d < dim; d++)
			sums[d] += coordinates[d];
	}
	for (uint32 d = 0; d < dim; d++)
		sample->center[d] = (float) (sums[d] / Max(sample->n, 1));
}

/* Memory of a sample of up to `size` vertices that is kept */
static void
allocate_sample(const HnswIndex *index, RoutingSample *sample, uint32 size)
{
	Size blocks_size =
		(size + RABITQ_LANES - 1) / RABITQ_LANES * rabitq_block_size(index->meta.code_dim);

	/* one that is out of date, or of an attempt that was cancelled */
	if (sample->context != NULL)
		MemoryContextDelete(sample->context);
	sample->context = NULL;
	sample->n = 0;
	sample->context =
		AllocSetContextCreate(TopMemoryContext, "hnsw routing sample", ALLOCSET_DEFAULT_SIZES);
	sample->vertices = MemoryContextAlloc(sample->context, size * sizeof(uint32));
	sample->center = MemoryContextAlloc(sample->context, index->space.context.dim * sizeof(float));
	sample->blocks = MemoryContextAllocZero(sample->context, blocks_size);
}

/* Chooses the vertices of a sample; none, where searches had better descend. */
static void
choose_vertices(HnswIndex *index, RoutingSample *sample)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);
	uint32 size = is_as_built(index)
					  ? sample->end - first_vertex(index)
					  : HNSW_ROUTING_SAMPLE((double) nblocks * index->meta.slots_per_page);

	allocate_sample(index, sample, size);
	sample->ordinal = index->meta.pending_ordinal;
	sample->growth = nblocks / GROWTH;
	if (is_as_built(index))
		choose_first(index, sample);
	else if (nblocks > META_BLOCK + 1)
		choose_any(index, sample, nblocks, size);
	if (sample->n < MIN_SAMPLE)
		sample->n = 0;
}

/* Makes the sample.  It stays empty where searches had better descend. */
static void
load_sample(HnswIndex *index, HnswCoder *coder, RoutingSample *sample)
{
	Size block_size = rabitq_block_size(index->meta.code_dim);
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw routing", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	float *coordinates;
	char *value;

	choose_vertices(index, sample);
	old = MemoryContextSwitchTo(scratch);
	coordinates = palloc(index->space.context.dim * sizeof(float));
	value = palloc(hnsw_copy_size(index));
	find_center(index, coder, sample, value, coordinates);
	hnsw_coder_center(coder, sample->center);
	for (uint32 i = 0; i < sample->n; i++)
	{
		read_coordinates(index, coder, sample->vertices[i], value, coordinates);
		hnsw_coder_encode(coder, coordinates, sample->blocks + i / RABITQ_LANES * block_size,
						  i % RABITQ_LANES);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	sample->loaded = true;
}

/* Puts an estimate among the nearest, which are in order; *n grows up to `limit`. */
static inline void
keep_nearest(PoolEntry *nearest, int *n, int limit, float key, uint32 vertex)
{
	int place;

	if (*n == limit && !(key < nearest[limit - 1].key))
		return;
	place = *n < limit ? (*n)++ : limit - 1;
	for (; place > 0 && key < nearest[place - 1].key; place--)
		nearest[place] = nearest[place - 1];
	nearest[place].key = key;
	nearest[place].id = vertex;
}

/*
 * Finds vertices for a search by codes to begin layer 0 with, at most `limit`,
 * and their exact keys.  Returns how many; 0 where the search has to descend.
 */
int
hnsw_route(HnswSearch *search, PoolEntry *seeds, int limit)
{
	HnswIndex *index = search->index;
	RoutingSample *sample;
	float keys[RABITQ_LANES];
	float weights[RABITQ_LANES];
	float key;
	int n = 0;

	if (search->coder == NULL)
		return 0;
	sample = find_sample(index);
	if (!sample->loaded)
	{
		if (++sample->searches < sample->patience)
			return 0;
		/* should it be cancelled, by a timeout for one, not every search is to try again */
		sample->searches = 0;
		sample->patience = Min(sample->patience * 2, MAX_PATIENCE);
		load_sample(index, search->coder, sample);
	}
	key = hnsw_coder_key(search->coder, sample->center);
	for (uint32 i = 0; i < sample->n; i += RABITQ_LANES)
	{
		hnsw_coder_estimate(search->coder,
							sample->blocks +
								i / RABITQ_LANES * rabitq_block_size(index->meta.code_dim),
							key, keys, weights);
		for (uint32 lane = 0; lane < Min(RABITQ_LANES, sample->n - i); lane++)
			keep_nearest(seeds, &n, limit, keys[lane], sample->vertices[i + lane]);
	}
	search->estimates += sample->n;
	for (int i = 0; i < n; i++)
		search->unvisited[i] = seeds[i].id;
	hnsw_score(search, search->unvisited, n);
	for (int i = 0; i < n; i++)
		seeds[i].key = search->keys[i];
	return n;
}
