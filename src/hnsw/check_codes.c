/*-------------------------------------------------------------------------
 *
 * check_codes.c
 *	  ann_check() of the quantised form: the mean, and the codes of neighbours.
 *
 * A code is computed again from the two values and must be the same bits: no
 * order of additions in it depends on the processor (core/rabitq.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/check.h"

/* Owner of the page with the mean, which belongs to no vertex */
#define OWNER_MEAN PG_UINT32_MAX

/* The page with the mean.  False, reported: codes cannot be checked. */
static bool
check_mean(HnswCheck *state)
{
	const HnswMeta *meta = &state->index.meta;
	Page page = NULL;
	const float *mean;

	if (meta->mean_block == InvalidBlockNumber)
		return true;
	if (check_block_is(state->check, meta->mean_block, PAGE_VALUE))
		page = check_page(state->check, state->check->value_page, meta->mean_block);
	if (page == NULL ||
		((PageHeader) page)->pd_lower != PAGE_DATA_OFFSET + meta->code_dim * sizeof(float))
	{
		check_report(state->check, CHECK_ERROR, META_BLOCK, NULL,
					 "block %u holds no mean of %u coordinates", meta->mean_block, meta->code_dim);
		return false;
	}
	state->check->value_owner[meta->mean_block] = OWNER_MEAN;
	mean = (const float *) ((char *) page + PAGE_DATA_OFFSET);
	for (int i = 0; i < meta->code_dim; i++)
	{
		if (isfinite(mean[i]))
			continue;
		check_report(state->check, CHECK_ERROR, meta->mean_block, NULL,
					 "coordinate %d of the mean is not finite", i + 1);
		return false;
	}
	return true;
}

/* Only links have codes, and only where they are in use.  False, reported: this vertex has others. */
static bool
check_marks(HnswCheck *state, Page page, uint32 vertex)
{
	const HnswMeta *meta = &state->index.meta;
	HnswVertex record = hnsw_page_vertex(&state->index, page, vertex);
	int limit = Min(record->nlinks, meta->code_blocks * RABITQ_LANES);
	bool has_room = page_has_end_part(page, meta->codes_size, vertex % meta->slots_per_page);
	char label[LABEL_SIZE];

	for (int i = has_room ? limit : 0; i < HNSW_MAX_CODE_BLOCKS * RABITQ_LANES; i++)
	{
		if (!hnsw_has_code(record, i))
			continue;
		check_report(state->check, CHECK_ERROR, hnsw_block(&state->index, vertex),
					 vertex_label(label, vertex),
					 i < limit ? "vertex has a code of link %d of %d, but no room for codes"
							   : "vertex has a code of link %d, but %d links",
					 i + 1, record->nlinks);
		return false;
	}
	return true;
}

/* Has the link at a position a code that it should not have, by those computed again? */
static bool
code_differs(const HnswMeta *meta, const char *codes, const char *again, int position)
{
	Size offset = position / RABITQ_LANES * rabitq_block_size(meta->code_dim);
	RabitqLane found;
	RabitqLane expected;

	rabitq_get_lane(meta->code_dim, codes + offset, position % RABITQ_LANES, &found);
	rabitq_get_lane(meta->code_dim, again + offset, position % RABITQ_LANES, &expected);
	return found.add != expected.add || found.rescale != expected.rescale ||
		   memcmp(found.code, expected.code, meta->code_dim / BITS_PER_BYTE) != 0;
}

/* Computes the codes of a vertex again, those of links whose values are sound. */
static void
check_codes(HnswCheck *state, HnswCoder *coder, Page page, uint32 vertex)
{
	HnswIndex *index = &state->index;
	HnswVertex record = hnsw_page_vertex(index, page, vertex);
	const char *codes = hnsw_vertex_codes(index, page, vertex);
	const uint32 *links = hnsw_vertex_links(index, record);
	HnswVertex again = memcpy(palloc(index->meta.slot_size), record, index->meta.slot_size);
	char *codes_again = palloc0(index->meta.codes_size);
	Size stride = MAXALIGN(hnsw_copy_size(index));
	char *values = palloc_extended(stride * (record->nlinks + 1), MCXT_ALLOC_HUGE);
	const void *coded[HNSW_MAX_LINKS];
	HnswNeighbors neighbors = {.values = coded, .n = record->nlinks};
	char label[LABEL_SIZE];

	memset(again->coded, 0, sizeof(again->coded));
	hnsw_copy_value(index, vertex, values);
	for (int i = 0; i < record->nlinks; i++)
	{
		coded[i] = NULL;
		if (!hnsw_has_code(record, i) || links[i] >= state->nplaces ||
			(state->place[links[i]] & PLACE_VALUE) == 0)
			continue;
		coded[i] = values + stride * (i + 1);
		hnsw_copy_value(index, links[i], values + stride * (i + 1));
	}
	hnsw_code_links(coder, hnsw_copy_space(index), again, codes_again, values, &neighbors);
	for (int i = 0; i < record->nlinks; i++)
	{
		if (hnsw_has_code(again, i) && code_differs(&index->meta, codes, codes_again, i))
			check_report(state->check, CHECK_ERROR, hnsw_block(index, vertex),
						 vertex_label(label, vertex), "code of link %d, to vertex %u, is not its",
						 i + 1, links[i]);
	}
}

/* Checks the mean and the codes of all vertices. */
void
hnsw_check_codes(HnswCheck *state)
{
	MemoryContext context;
	MemoryContext old;
	HnswCoder *coder;
	bool sound = check_mean(state);

	coder = sound ? hnsw_coder_create(&state->index) : NULL;
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw codes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (uint32 vertex = 0; vertex < state->nplaces; vertex++)
	{
		BlockNumber block = hnsw_block(&state->index, vertex);
		Page page;

		if ((state->place[vertex] & (PLACE_VALUE | PLACE_DELETED | PLACE_FREE)) != PLACE_VALUE)
			continue;
		CHECK_FOR_INTERRUPTS();
		page = check_page(state->check, state->slots, block);
		if (check_marks(state, page, vertex) && coder != NULL)
			check_codes(state, coder, page, vertex);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
