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
 * are filled in page by page: by a build and by vacuum.
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

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Fewer dimensions than this are searched by their values, unless asked otherwise */
#define AUTO_MIN_DIM 64

/* Codes of fewer dimensions say too little, unless there are no more */
#define MIN_CODE_DIM 128

/* Vertices of this many dimensions or more get no more room than other indexes give them */
#define LARGE_DIM 512

/* Links between the one at hand and the one whose rotated value is prefetched, and of it
 * how many bytes; the hardware goes on */
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
	int links_offset; /* in records */
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

	/* Rotated values of vertices from table_first on, or NULL */
	float *table;
	uint32 table_first;
	const uint32 *next_links; /* of the record after the one at hand */
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
	coder->links_offset = meta->links_offset;
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
 * From now on hnsw_code_links() takes rotated values of vertices from a table, which has
 * those from `first` on, code_dim numbers each (hnsw_coder_fill()).
 */
void
hnsw_coder_use(HnswCoder *coder, float *table, uint32 first)
{
	coder->table = table;
	coder->table_first = first;
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

/* The rotated value of a vertex in the table */
static float *
table_entry(const HnswCoder *coder, uint32 vertex)
{
	return coder->table + (Size) (vertex - coder->table_first) * coder->rabitq.code_dim;
}

/*
 * Fills the entry of a vertex in the table, by its encoded value of `space`.  May run in
 * a thread.
 */
void
hnsw_coder_fill(HnswCoder *coder, const SpaceContext *space, uint32 vertex, const void *value)
{
	RabitqPoint point = {coder->coordinates, table_entry(coder, vertex)};

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

/* Starts reading the table's entry of a vertex, into the first level of the cache or the second. */
static inline void
prefetch_entry(const HnswCoder *coder, uint32 vertex, bool first)
{
	const char *entry = (const char *) table_entry(coder, vertex);
	Size size = Min(coder->rabitq.code_dim * sizeof(float), PREFETCH_SIZE);

	for (Size offset = 0; offset < size; offset += CACHE_LINE)
	{
		if (first)
			__builtin_prefetch(entry + offset);
		else
			__builtin_prefetch(entry + offset, 0, 2);
	}
}

/*
 * Tells the n links of the record whose codes will be made after the next: what the table has
 * of them is fetched meanwhile, from memory; a few links ahead would be too late.
 */
void
hnsw_coder_expect(HnswCoder *coder, const uint32 *links, int n)
{
	coder->next_links = links;
	coder->next_nlinks = n;
}

/*
 * Adds the codes that a record lacks to codes[].  value is its own, neighbors[i] that of
 * its i-th link, n of them, or NULL for one to be left without; all encoded
 * values of `space`.  May run in a thread.
 */
void
hnsw_code_links(HnswCoder *coder, const SpaceContext *space, HnswVertex record, void *codes,
				const void *value, const void *const *neighbors, int n)
{
	const uint32 *links = (const uint32 *) ((char *) record + coder->links_offset);
	bool centered = false;

	for (int i = 0; i < Min(n, coder->blocks * RABITQ_LANES); i++)
	{
		char *block = (char *) codes + i / RABITQ_LANES * coder->block_size;
		RabitqPoint point = coder->point;

		if (hnsw_has_code(record, i) || neighbors[i] == NULL)
			continue;
		if (!centered)
		{
			hnsw_coder_coordinates(coder, space, value, coder->center);
			hnsw_coder_center(coder, coder->center);
			centered = true;
		}
		if (coder->table != NULL && i < coder->next_nlinks)
			prefetch_entry(coder, coder->next_links[i], false);
		if (coder->table != NULL && i + ENTRIES_AHEAD < n)
			prefetch_entry(coder, links[i + ENTRIES_AHEAD], true);
		hnsw_coder_coordinates(coder, space, neighbors[i], coder->coordinates);
		if (coder->table != NULL)
			point.rotated = table_entry(coder, links[i]);
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

/* Links of a record that lack a code and could have one */
static int
count_uncoded(const HnswIndex *index, const HnswVertexData *record)
{
	int n = Min(record->nlinks, index->meta.code_blocks * RABITQ_LANES);
	int count = 0;

	for (int i = 0; i < n; i++)
		count += !hnsw_has_code(record, i);
	return count;
}

/* Adds the codes that a vertex lacks in a copy of its page. */
static void
code_copy(HnswIndex *index, HnswCoder *coder, uint32 vertex, Page page)
{
	HnswVertex copy = hnsw_page_vertex(index, page, vertex);
	const uint32 *links = hnsw_vertex_links(index, copy);
	Size stride = MAXALIGN(hnsw_copy_size(index));
	char *values = palloc_extended(stride * (copy->nlinks + 1), MCXT_ALLOC_HUGE);
	const void **neighbors = palloc0(sizeof(void *) * Max(copy->nlinks, 1));

	hnsw_copy_value(index, vertex, values);
	for (int i = 0; i < copy->nlinks; i++)
	{
		if (hnsw_has_code(copy, i))
			continue;
		neighbors[i] = values + stride * (i + 1);
		hnsw_copy_value(index, links[i], values + stride * (i + 1));
	}
	hnsw_code_links(coder, hnsw_copy_space(index), copy, hnsw_vertex_codes(index, page, vertex),
					values, neighbors, copy->nlinks);
	pfree(neighbors);
	pfree(values);
}

/* Has a record still the links and codes of the copy that was made of it? */
static bool
is_unchanged(const HnswIndex *index, HnswVertex record, HnswVertex before)
{
	return record->version == before->version && record->flags == before->flags &&
		   record->nlinks == before->nlinks &&
		   memcmp(record->coded, before->coded, sizeof(record->coded)) == 0 &&
		   memcmp(hnsw_vertex_links(index, record), hnsw_vertex_links(index, before),
				  record->nlinks * sizeof(uint32)) == 0;
}

/* Writes the codes added in a copy of a page, for records that are as they were. */
static void
write_codes(HnswIndex *index, Buffer buffer, Page before, Page after, const bool *chosen)
{
	BlockNumber blkno = BufferGetBlockNumber(buffer);
	int nslots = page_slots(before, index->meta.slots_per_page);
	Size size = index->meta.codes_size;
	PageChange change;
	Page page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	page = page_change_page(&change, buffer, false);
	for (int slot = 0; slot < nslots; slot++)
	{
		uint32 vertex = blkno * index->meta.slots_per_page + slot;
		HnswVertex record = hnsw_page_vertex(index, page, vertex);
		HnswVertex coded = hnsw_page_vertex(index, after, vertex);

		if (!chosen[slot] || !is_unchanged(index, record, hnsw_page_vertex(index, before, vertex)))
			continue;
		page_use_end_parts(page, size, slot + 1);
		memcpy(hnsw_vertex_codes(index, page, vertex), hnsw_vertex_codes(index, after, vertex),
			   size);
		memcpy(record->coded, coded->coded, sizeof(record->coded));
	}
	page_change_finish(&change);
}

/*
 * Learns whether any of the links just copied may lead to a value that does not
 * fit the stored element: one that came after the metapage was read.
 */
static void
update_has_wide(HnswIndex *index)
{
	HnswMeta meta;

	if (index->meta.has_wide || index->space.stored.space == index->space.context.space)
		return;
	meta_read(index->relation, METHOD_HNSW, &meta, sizeof(HnswMeta));
	index->meta.has_wide = meta.has_wide;
}

/* Adds missing codes to a page; links of deleted vertices get none.  One record of WAL. */
static void
code_page(HnswIndex *index, HnswCoder *coder, BlockNumber blkno)
{
	PGAlignedBlock before;
	PGAlignedBlock after;
	bool chosen[HNSW_PAGE_SLOTS];
	Buffer buffer = recent_read(index->relation, blkno);
	bool any = false;
	int nslots;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(before.data, BufferGetPage(buffer), BLCKSZ);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	update_has_wide(index);
	nslots =
		page_is(before.data, PAGE_SLOTS) ? page_slots(before.data, index->meta.slots_per_page) : 0;
	memcpy(after.data, before.data, BLCKSZ);
	for (int slot = 0; slot < nslots; slot++)
	{
		uint32 vertex = blkno * index->meta.slots_per_page + slot;
		HnswVertex record = hnsw_page_vertex(index, after.data, vertex);

		hnsw_check_vertex(index, record, vertex);
		chosen[slot] = (record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0 &&
					   count_uncoded(index, record) > 0;
		if (chosen[slot])
			code_copy(index, coder, vertex, after.data);
		any |= chosen[slot];
	}
	if (any)
		write_codes(index, buffer, before.data, after.data, chosen);
	else
		ReleaseBuffer(buffer);
}

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

/* Adds all codes that are missing, if there may be any. */
void
hnsw_code_index(HnswIndex *index)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);
	MemoryContext context;
	MemoryContext old;
	HnswCoder *coder;
	uint16 seen;

	hnsw_read_meta(index);
	seen = index->meta.uncoded;
	if (index->meta.codes_size == 0 || seen == 0)
		return;
	PAUSE_POINT("code index", META_BLOCK);
	coder = hnsw_coder_create(index);
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw codes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (BlockNumber blkno = META_BLOCK + 1; blkno < nblocks; blkno++)
	{
		vacuum_delay_point_compat();
		code_page(index, coder, blkno);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	change_uncoded(index, true, seen);
}
