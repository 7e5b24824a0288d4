/*-------------------------------------------------------------------------
 *
 * codes.c
 *	  The quantised form of hnsw: codes of a vertex's neighbours on its page.
 *
 * Each vertex has, for its links in layer 0, blocks of one-bit codes centred
 * on the vertex itself (core/rabitq.h), so that one page tells roughly how far
 * all its neighbours are from a query.  A bit in the record's `coded` says
 * that the link at that position has its code.  Whoever changes a link clears
 * the bit, and no more; a link without a code is scored by its value.  Codes
 * are filled in by a build, and by vacuum (code_index.c).
 *
 * Codes are made of the leading code_dim dimensions of the rotated values;
 * cosine and angular code unit vectors, whose squared distance is twice their
 * key.  README, "Quantised form".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "hnsw/hnsw.h"
#include "storage/recent.h"

/* Fewer dimensions than this are searched by their values, unless asked otherwise */
#define AUTO_MIN_DIM 64

/* Codes of fewer dimensions say too little, unless there are no more */
#define MIN_CODE_DIM 128

/* Vertices of this many dimensions or more get no more room than other indexes give them */
#define LARGE_DIM 512

/* Links between the one at hand and the one whose rotated value is prefetched, and of a value,
 * rotated or not, how many bytes; the hardware goes on */
#define ENTRIES_AHEAD 3
#define PREFETCH_SIZE 512
#define CACHE_LINE 64

/* What other indexes store beside a value, about */
#define PEER_LINK_SIZE 12
#define PEER_OVERHEAD 100

struct HnswCoder
{
	Rabitq rabitq;
	uint32 dim;
	int blocks;
	Size block_size;
	bool normalize;		/* codes are those of unit vectors */
	float scale;		/* key = scale * what the codes measure */
	float *query;		/* of the query */
	void *query_form;	/* of a value */
	float *scratch;		/* rotated */
	float *coordinates; /* of a neighbour */
	float *center;		/* of the vertex */
	RabitqPoint point;	/* the neighbour */
	RabitqPoint base;	/* the vertex */
	void *prepared;		/* the query */

	float *table;				/* of rotated values, or NULL */
	const uint32 *next_entries; /* in it: of the links of the record after the one at hand */
	int next_nlinks;
};

/* The codes' measure of a space.  False: its values cannot be coded. */
static bool
find_measure(const Space *space, RabitqMeasure *measure, bool *normalize)
{
	*normalize = strcmp(space->name, "cosine") == 0 || strcmp(space->name, "angular") == 0;
	*measure = strcmp(space->name, "ip") == 0 ? RABITQ_IP : RABITQ_L2;
	return *normalize || *measure == RABITQ_IP || strcmp(space->name, "l2") == 0;
}

/* Can an index of this space, of whatever dimensions, be quantised? */
bool
hnsw_is_codable(const IndexSpace *space)
{
	RabitqMeasure measure;
	bool normalize;

	return find_measure(space->context.space, &measure, &normalize);
}

/*
 * Records a page should have room for.  An index of many dimensions is to be no
 * larger than one that has a value and its links on pages with line pointers;
 * one of few dimensions may take 2.5 times that.
 */
static int
least_slots(const HnswMeta *meta, const IndexSpace *space, bool is_inline)
{
	Size peer = space->encoded_size + PEER_LINK_SIZE * meta->m + PEER_OVERHEAD;
	int slots = PAGE_DATA_SIZE / peer;

	if (!is_inline)
		return 2;
	return Max(1, space->context.dim >= LARGE_DIM ? slots : slots * 2 / 5);
}

/* Dimensions of codes that there is room for, of records of which a page has `slots` */
static int
code_dim_for(const HnswMeta *meta, const IndexSpace *space, Size value_room, int blocks, int slots)
{
	int full = Min(rotation_padded(space->context.dim), RABITQ_MAX_CODE_DIM);
	int room = PAGE_DATA_SIZE / slots / PAGE_DATA_OFFSET * PAGE_DATA_OFFSET;
	int code_dim;

	room -= meta->value_offset + (int) TYPEALIGN(PAGE_DATA_OFFSET, value_room);
	code_dim = Min((room / blocks - (int) rabitq_block_size(0)) / 4, full) / 32 * 32;
	return code_dim < Min(full, MIN_CODE_DIM) ? 0 : code_dim;
}

/*
 * Sets the metapage's fields about codes, for records whose values take
 * value_room bytes and lie at value_offset.  False: there are to be none.  The dimensions of codes are as many as the room allows;
 * codes that have been asked for take more room if they need it.
 */
bool
hnsw_place_codes(HnswMeta *meta, const IndexSpace *space, Size value_room, bool is_inline)
{
	bool automatic = meta->quantization == HNSW_QUANTIZATION_AUTO;
	int blocks =
		Min((HNSW_LAYER_LINKS(meta->m, 0) + RABITQ_LANES - 1) / RABITQ_LANES, HNSW_MAX_CODE_BLOCKS);
	int slots = least_slots(meta, space, is_inline);
	int code_dim;

	meta->codes_size = 0;
	meta->code_dim = 0;
	meta->code_blocks = 0;
	if (meta->quantization == HNSW_QUANTIZATION_NONE || !hnsw_is_codable(space) ||
		(automatic && space->context.dim < AUTO_MIN_DIM))
		return false;
	code_dim = code_dim_for(meta, space, value_room, blocks, slots);
	while (code_dim == 0 && !automatic && --slots > 0)
		code_dim = code_dim_for(meta, space, value_room, blocks, slots);
	if (code_dim == 0)
		return false;
	meta->code_dim = code_dim;
	meta->code_blocks = blocks;
	meta->codes_size = blocks * rabitq_block_size(code_dim);
	return true;
}

/*
 * What encodes values of an index in the quantised form, in memory of the
 * current context; mean has code_dim floats or is NULL.  One for each thread.
 */
HnswCoder *
hnsw_coder_init(const HnswIndex *index, const float *mean)
{
	const HnswMeta *meta = &index->meta;
	HnswCoder *coder = palloc0(sizeof(HnswCoder));
	uint32 dim = index->space.context.dim;
	uint32 padded = rotation_padded(dim);

	coder->dim = dim;
	coder->blocks = meta->code_blocks;
	coder->block_size = rabitq_block_size(meta->code_dim);
	rotation_init(&coder->rabitq.rotation, dim, meta->seed);
	coder->rabitq.code_dim = meta->code_dim;
	coder->rabitq.mean = mean;
	find_measure(index->space.context.space, &coder->rabitq.measure, &coder->normalize);
	coder->scale = coder->normalize ? 0.5 : 1.0;
	coder->query = palloc(dim * sizeof(float));
	coder->query_form = palloc(Max(hnsw_copy_query_size(index), 1));
	coder->scratch = palloc(padded * sizeof(float));
	coder->coordinates = palloc(dim * sizeof(float));
	coder->center = palloc(dim * sizeof(float));
	coder->point.value = coder->coordinates;
	coder->point.rotated = palloc(meta->code_dim * sizeof(float));
	coder->base.value = coder->center;
	coder->base.rotated = palloc(meta->code_dim * sizeof(float));
	coder->prepared = palloc(rabitq_query_size(meta->code_dim));
	return coder;
}

/*
 * From now on hnsw_code_links() takes rotated values of neighbours from a table, whose entries
 * have code_dim numbers each (hnsw_coder_fill()).
 */
void
hnsw_coder_use(HnswCoder *coder, float *table)
{
	coder->table = table;
}

/* The same with the mean that the index has on a page; NULL for the plain form. */
HnswCoder *
hnsw_coder_create(HnswIndex *index)
{
	BlockNumber blkno = index->meta.mean_block;
	float *mean = NULL;

	if (index->meta.codes_size == 0)
		return NULL;
	if (blkno != InvalidBlockNumber)
	{
		Buffer buffer = recent_read(index->relation, blkno);
		Page page = BufferGetPage(buffer);
		Size size = index->meta.code_dim * sizeof(float);

		if (!page_is(page, PAGE_VALUE))
			damage_report(index->relation, "has no mean on block %u", blkno);
		mean = palloc(size);
		memcpy(mean, (char *) page + PAGE_DATA_OFFSET, size);
		ReleaseBuffer(buffer);
	}
	return hnsw_coder_init(index, mean);
}

/* Sums of squares that may have lost terms, or overflowed: computed again in double */
#define SAFE_SQUARES_MINIMUM 0x1p-78f
#define SAFE_SQUARES_MAXIMUM 0x1p+124f

/* Copies the coordinates of a query form, scaled to length 1 if codes want it. */
static void
copy_coordinates(const HnswCoder *coder, const float *query, float *coordinates)
{
	double squares = coder->normalize ? query[coder->dim] : 0;
	float factor;

	if (!coder->normalize)
	{
		memcpy(coordinates, query, coder->dim * sizeof(float));
		return;
	}
	if (!(squares >= SAFE_SQUARES_MINIMUM && squares <= SAFE_SQUARES_MAXIMUM))
	{
		squares = 0;
		for (uint32 i = 0; i < coder->dim; i++)
			squares += (double) query[i] * query[i];
	}
	factor = squares > 0 ? (float) (1 / sqrt(squares)) : 0;
	for (uint32 i = 0; i < coder->dim; i++)
		coordinates[i] = query[i] * factor;
}

/* Sets coordinates[] (dim) to those of an encoded value of `space` that are coded. */
void
hnsw_coder_coordinates(HnswCoder *coder, const SpaceContext *space, const void *value,
					   float *coordinates)
{
	copy_coordinates(coder, space_prepare_query(space, value, coder->query_form), coordinates);
}

/* Rotates coordinates; the leading code_dim of the result go to rotated[]. */
void
hnsw_coder_rotate(HnswCoder *coder, const float *coordinates, float *rotated)
{
	rotation_apply(&coder->rabitq.rotation, coordinates, coder->scratch);
	memcpy(rotated, coder->scratch, coder->rabitq.code_dim * sizeof(float));
}

/* Writes the first links of a record, whose codes stay valid where the links stay. */
void
hnsw_put_links(HnswIndex *index, HnswVertex record, const uint32 *links, int n)
{
	uint32 *old = hnsw_vertex_links(index, record);
	int nold = record->nlinks;

	for (int i = 0; i < Max(n, nold); i++)
	{
		if (i >= n || i >= nold || links[i] != old[i])
			hnsw_forget_code(record, i);
	}
	memcpy(old, links, n * sizeof(uint32));
	record->nlinks = n;
}

/* The rotated value that is entry number `entry` of the table */
static float *
table_entry(const HnswCoder *coder, uint32 entry)
{
	return coder->table + (Size) entry * coder->rabitq.code_dim;
}

/* Fills an entry of the table with an encoded value of `space`.  May run in a thread. */
void
hnsw_coder_fill(HnswCoder *coder, const SpaceContext *space, uint32 entry, const void *value)
{
	RabitqPoint point = {coder->coordinates, table_entry(coder, entry)};

	hnsw_coder_coordinates(coder, space, value, coder->coordinates);
	rabitq_rotate(&coder->rabitq, &point, coder->scratch);
}

/* Centres the codes to be made on a point. */
void
hnsw_coder_center(HnswCoder *coder, const float *coordinates)
{
	memmove(coder->center, coordinates, coder->dim * sizeof(float));
	rabitq_rotate(&coder->rabitq, &coder->base, coder->scratch);
}

/* Puts the code of a value, rotated already, into a lane of a block. */
static void
encode_point(HnswCoder *coder, const RabitqPoint *point, void *block, int lane)
{
	RabitqLane code;

	rabitq_encode(&coder->rabitq, &coder->base, point, &code);
	rabitq_put_lane(coder->rabitq.code_dim, block, lane, &code);
}

/* Puts the code of a value into a lane of a block. */
void
hnsw_coder_encode(HnswCoder *coder, const float *coordinates, void *block, int lane)
{
	RabitqPoint point = {coordinates, coder->point.rotated};

	rabitq_rotate(&coder->rabitq, &point, coder->scratch);
	encode_point(coder, &point, block, lane);
}

/* Starts reading an entry of the table, into the first level of the cache or the second. */
static inline void
prefetch_entry(const HnswCoder *coder, uint32 entry, bool first)
{
	const char *rotated = (const char *) table_entry(coder, entry);
	Size size = Min(coder->rabitq.code_dim * sizeof(float), PREFETCH_SIZE);

	if (entry == HNSW_NO_ENTRY)
		return;
	for (Size offset = 0; offset < size; offset += CACHE_LINE)
	{
		if (first)
			__builtin_prefetch(rotated + offset);
		else
			__builtin_prefetch(rotated + offset, 0, 2);
	}
}

/* Starts reading the values of neighbours, of a large one the first cache lines. */
static inline void
prefetch_values(const SpaceContext *space, const HnswNeighbors *neighbors)
{
	Size size = Min(space_encoded_size(space), PREFETCH_SIZE);

	for (int i = 0; i < neighbors->n; i++)
	{
		const char *value = neighbors->values[i];

		for (Size offset = 0; value != NULL && offset < size; offset += CACHE_LINE)
			__builtin_prefetch(value + offset);
	}
}

/*
 * Tells the n entries of the table that will be wanted after the next call of
 * hnsw_code_links(): they are fetched meanwhile, from memory; a few links ahead would be too late.
 */
void
hnsw_coder_expect(HnswCoder *coder, const uint32 *entries, int n)
{
	coder->next_entries = entries;
	coder->next_nlinks = n;
}

/*
 * Adds the codes that a record lacks to codes[].  value is its own; all are encoded values of
 * `space`.  May run in a thread.
 */
void
hnsw_code_links(HnswCoder *coder, const SpaceContext *space, HnswVertex record, void *codes,
				const void *value, const HnswNeighbors *neighbors)
{
	int n = Min(neighbors->n, coder->blocks * RABITQ_LANES);
	bool centered = false;

	prefetch_values(space, neighbors);
	for (int i = 0; i < n; i++)
	{
		char *block = (char *) codes + i / RABITQ_LANES * coder->block_size;
		RabitqPoint point = coder->point;

		if (coder->table != NULL && i < coder->next_nlinks)
			prefetch_entry(coder, coder->next_entries[i], false);
		if (hnsw_has_code(record, i) || neighbors->values[i] == NULL)
			continue;
		if (!centered)
		{
			hnsw_coder_coordinates(coder, space, value, coder->center);
			hnsw_coder_center(coder, coder->center);
			centered = true;
		}
		if (coder->table != NULL && i + ENTRIES_AHEAD < n)
			prefetch_entry(coder, neighbors->entries[i + ENTRIES_AHEAD], true);
		hnsw_coder_coordinates(coder, space, neighbors->values[i], coder->coordinates);
		if (coder->table != NULL)
			point.rotated = table_entry(coder, neighbors->entries[i]);
		else
			rabitq_rotate(&coder->rabitq, &point, coder->scratch);
		encode_point(coder, &point, block, i % RABITQ_LANES);
		record->coded[i / RABITQ_LANES] |= UINT32_C(1) << i % RABITQ_LANES;
	}
}

/* Prepares a query, in the space's query form. */
void
hnsw_coder_query(HnswCoder *coder, const float *query)
{
	copy_coordinates(coder, query, coder->query);
	rabitq_prepare_query(&coder->rabitq, coder->query, coder->scratch, coder->prepared);
}

/* The key of the query to a point by its coordinates, up to rounding */
float
hnsw_coder_key(const HnswCoder *coder, const float *coordinates)
{
	double sum = 0;

	for (uint32 i = 0; i < coder->dim; i++)
	{
		double difference = (double) coder->query[i] - coordinates[i];

		if (coder->rabitq.measure == RABITQ_IP)
			sum -= (double) coder->query[i] * coordinates[i];
		else
			sum += difference * difference;
	}
	return (float) (sum * coder->scale);
}

/*
 * Sets keys[] to the estimated keys of the links of a block, RABITQ_LANES of
 * them, and weights[] to their weights for a frontier; key is the exact one of
 * the vertex.  Those of lanes without a code mean nothing.
 *
 * The error of an estimate is of the size of its factor times the distance of
 * the query from the vertex (performance.md 2.2).  For inner products that
 * distance is not known, and all vertices are taken to be as far.
 */
void
hnsw_coder_estimate(const HnswCoder *coder, const void *block, float key, float *keys,
					float *weights)
{
	float measure = key / coder->scale;
	float square = coder->rabitq.measure == RABITQ_L2 ? Max(measure, FLT_MIN) : 1;

	rabitq_estimate(coder->rabitq.code_dim, coder->prepared, block, measure, keys);
	rabitq_precision(coder->rabitq.code_dim, block, weights);
	for (int i = 0; i < RABITQ_LANES; i++)
	{
		keys[i] *= coder->scale;
		weights[i] = Max(Min(weights[i] / square, FRONTIER_EXACT), FLT_MIN);
	}
}
