/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Looking for damage in an hnsw index: metapage, vertex records, values,
 *	  chains.
 *
 * The pages are read in order three times at most: for the records, for the
 * links (whose targets are known by then), and as often as it takes to follow
 * the links from the entry point.  Memory: two bytes a vertex, six with
 * notes, twelve a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/inspect.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "hnsw/check.h"

#define KNOWN_FLAGS \
	(HNSW_VERTEX_DELETED | HNSW_VERTEX_UNLINKED | HNSW_VERTEX_FREE | HNSW_VERTEX_WIDE)

/*
 * By so many may a deleted vertex's transaction id be ahead of the next one:
 * after a crash, ids of transactions that had logged nothing are given again
 */
#define XID_TOLERANCE 1000000

static void
report_meta(HnswCheck *state, const char *field, uint64 found, uint64 expected)
{
	check_report_field(state->check, field, found, expected);
}

/* The record layout must be the one that follows from m and the dimensions. */
static bool
check_geometry(HnswCheck *state)
{
	const HnswMeta *meta = &state->index.meta;
	HnswMeta expected = *meta;

	hnsw_meta_set_geometry(&expected, &state->index.space,
						   RelationGetRelationName(state->index.relation));
	if (meta->slot_size != expected.slot_size)
		report_meta(state, "slot size", meta->slot_size, expected.slot_size);
	else if (meta->slots_per_page != expected.slots_per_page)
		report_meta(state, "slots per page", meta->slots_per_page, expected.slots_per_page);
	else if (meta->links_offset != expected.links_offset)
		report_meta(state, "offset of links", meta->links_offset, expected.links_offset);
	else if (meta->codes_size != expected.codes_size)
		report_meta(state, "size of codes", meta->codes_size, expected.codes_size);
	else if (meta->code_dim != expected.code_dim)
		report_meta(state, "dimensions of codes", meta->code_dim, expected.code_dim);
	else if (meta->value_offset != expected.value_offset)
		report_meta(state, "offset of values", meta->value_offset, expected.value_offset);
	else if (meta->value_pages != expected.value_pages)
		report_meta(state, "value pages", meta->value_pages, expected.value_pages);
	else if (memcmp(meta, &expected, sizeof(HnswMeta)) != 0)
		check_report(state->check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage has a record layout that does not follow from its dimensions");
	else
		return true;
	return false;
}

/* The form in which values are stored must be one of the space; sets it. */
static bool
check_element(HnswCheck *state)
{
	uint16 element = state->index.meta.element;

	state->index.space = state->check->space;
	if (element == state->check->space.context.space->element ||
		index_space_store_as(&state->index.space, element))
		return true;
	check_report(state->check, CHECK_ERROR, META_BLOCK, NULL,
				 "metapage says values are stored as element %u, which the space does not have",
				 element);
	return false;
}

/* InspectMethod.check_meta.  An index that knows no dimensions has no vertices. */
bool
hnsw_check_meta(CheckState *check)
{
	HnswCheck *state = (HnswCheck *) check->method_state;
	HnswMeta *meta = &state->index.meta;
	HnswMeta limits;

	state->check = check;
	state->index.relation = check->index;
	memcpy(meta, check->meta, sizeof(HnswMeta));
	if (meta->m < HNSW_MIN_M || meta->m > HNSW_MAX_M)
	{
		check_report_range(check, "m", meta->m, HNSW_MIN_M, HNSW_MAX_M);
		return false;
	}
	hnsw_meta_init(&limits, &check->space, meta->m, meta->ef_construction,
				   (HnswQuantization) meta->quantization, RelationGetRelationName(check->index));
	if (meta->max_level != limits.max_level)
		report_meta(state, "highest level", meta->max_level, limits.max_level);
	else if (meta->header.dim > 0)
		return check_element(state) && check_geometry(state);
	else if (meta->entry != HNSW_NO_VERTEX || meta->insert_block != InvalidBlockNumber)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage knows no dimensions, but the index has vertices");
	else
		return true;
	return false;
}

Item
hnsw_check_item(HnswCheck *state, uint32 vertex, ItemPointerData tid, uint16 kind, Size *size)
{
	CheckState *check = state->check;
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(&tid);
	OffsetNumber offset = ItemPointerGetOffsetNumberNoCheck(&tid);
	char label[LABEL_SIZE];

	if (check_block_is(check, block, PAGE_ITEMS))
	{
		Page page = check_page(check, state->item_page, block);

		if (offset >= FirstOffsetNumber && offset <= PageGetMaxOffsetNumber(page) &&
			ItemIdIsNormal(PageGetItemId(page, offset)))
		{
			ItemId id = PageGetItemId(page, offset);
			Item item = PageGetItem(page, id);

			*size = ItemIdGetLength(id);
			check_entries_add(check, &state->items, tid, vertex);
			if (*size >= sizeof(uint16) && *(uint16 *) item == kind)
				return item;
			check_report(check, CHECK_ERROR, hnsw_block(&state->index, vertex),
						 vertex_label(label, vertex), "item (%u,%u) is of kind %04X, not %04X",
						 block, offset, *size >= sizeof(uint16) ? *(uint16 *) item : 0, kind);
			return NULL;
		}
	}
	check_report(check, CHECK_ERROR, hnsw_block(&state->index, vertex), vertex_label(label, vertex),
				 "vertex refers to item (%u,%u), which does not exist", block, offset);
	return NULL;
}

/* Is an item of that size a list that may follow one of number `before`?  Reports it if not. */
static bool
check_tid_list(HnswCheck *state, uint32 vertex, ItemPointer tid, HnswTids tids, Size size,
			   uint32 before)
{
	BlockNumber block = hnsw_block(&state->index, vertex);
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	char label[LABEL_SIZE];

	vertex_label(label, vertex);
	if (size < sizeof(HnswTidsData) || tids->ntids > tids->capacity ||
		tids->capacity > HNSW_MAX_TIDS_CAPACITY || HNSW_TIDS_SIZE(tids->capacity) > size)
		check_report(state->check, CHECK_ERROR, block, label,
					 "item (%u,%u) is no list of heap TIDs", ItemPointerGetBlockNumber(tid),
					 offset);
	else if (tids->owner != vertex)
		check_report(state->check, CHECK_ERROR, block, label, "item (%u,%u) is a list of vertex %u",
					 ItemPointerGetBlockNumber(tid), offset, tids->owner);
	else if (tids->number == PG_UINT32_MAX)
		check_report(state->check, CHECK_ERROR, block, label,
					 "item (%u,%u) is list number %u, which is not possible",
					 ItemPointerGetBlockNumber(tid), offset, tids->number);
	else if (tids->number >= before)
		check_report(state->check, CHECK_ERROR, block, label,
					 "item (%u,%u) is list number %u, but follows list number %u",
					 ItemPointerGetBlockNumber(tid), offset, tids->number, before);
	else
		return true;
	return false;
}

/* Follows a vertex's further lists of heap TIDs, whose numbers fall: so this comes to an end. */
static void
check_tid_lists(HnswCheck *state, uint32 vertex, ItemPointerData tid, bool deleted)
{
	uint32 before = PG_UINT32_MAX;
	char label[LABEL_SIZE];

	while (ItemPointerIsValid(&tid))
	{
		Size size;
		HnswTids tids = (HnswTids) hnsw_check_item(state, vertex, tid, HNSW_ITEM_TIDS, &size);

		if (tids == NULL || !check_tid_list(state, vertex, &tid, tids, size, before))
			return;
		if (deleted && tids->ntids > 0)
			check_report(state->check, CHECK_ERROR, hnsw_block(&state->index, vertex),
						 vertex_label(label, vertex), "vertex is deleted, but has rows in a list");
		before = tids->number;
		check_add_rows(state->check, vertex, tids->tids, tids->ntids);
		tid = tids->next;
	}
}

/* The encoded value, stored apart from its record, of one that fits no narrow element */
static const char *
read_wide_value(HnswCheck *state, HnswVertex record, uint32 vertex, bool first_time)
{
	const IndexSpace *space = &state->index.space;
	Size value_size = hnsw_wide_size(&state->index, record);
	ItemPointerData tid;
	Size size;
	Item item;
	char label[LABEL_SIZE];

	if ((space->stored.space == space->context.space && !index_space_varies(space)) ||
		!state->index.meta.has_wide)
	{
		check_report(state->check, CHECK_ERROR, hnsw_block(&state->index, vertex),
					 vertex_label(label, vertex),
					 "vertex has a value apart from its record, which the metapage rules out");
		return NULL;
	}
	if (value_size > space->encoded_size)
	{
		check_report(state->check, CHECK_ERROR, hnsw_block(&state->index, vertex),
					 vertex_label(label, vertex), "its value has %zu bytes, more than %zu",
					 (size_t) value_size, (size_t) space->encoded_size);
		return NULL;
	}
	if (!HNSW_WIDE_ITEM(value_size))
		return check_gather_value(state->check, hnsw_wide_where(&state->index, record), value_size,
								  vertex, first_time);
	tid = *(ItemPointer) hnsw_wide_where(&state->index, record);
	item = hnsw_check_item(state, vertex, tid, HNSW_ITEM_WIDE, &size);
	if (item == NULL)
		return NULL;
	if (size == HNSW_WIDE_SIZE(value_size))
		return ((HnswWide) item)->value;
	check_report(state->check, CHECK_ERROR, hnsw_block(&state->index, vertex),
				 vertex_label(label, vertex), "item (%u,%u) holds no value of %zu bytes",
				 ItemPointerGetBlockNumber(&tid), ItemPointerGetOffsetNumber(&tid),
				 (size_t) value_size);
	return NULL;
}

/*
 * The value of a record as it is encoded for the column's type; NULL, reported,
 * if there is none.  It stays valid until the next call.
 */
static const char *
read_value(HnswCheck *state, HnswVertex record, uint32 vertex, bool first_time)
{
	const IndexSpace *space = &state->index.space;
	const char *stored = hnsw_vertex_value(&state->index, record);

	if (record->flags & HNSW_VERTEX_WIDE)
		return read_wide_value(state, record, vertex, first_time);
	if (index_space_varies(space))
	{
		check_report_owner(state->check, CHECK_ERROR, vertex, "it does not say where its value is");
		return NULL;
	}
	if (state->index.meta.value_pages > 0)
		stored = check_gather_value(state->check, (const BlockNumber *) stored, space->stored_size,
									vertex, first_time);
	if (stored == NULL || space->stored.space == space->context.space)
		return stored;
	space_widen(&space->context, &space->stored, stored, state->widened);
	return state->widened;
}

/* The header of a record.  Returns what is wrong with it, or NULL. */
static const char *
find_header_problem(HnswCheck *state, HnswVertex record)
{
	bool has_upper = ItemPointerIsValid(&record->upper);

	if (record->version == 0)
		return "vertex was never written";
	if ((record->flags & ~KNOWN_FLAGS) != 0)
		return "vertex has unknown flags";
	if (record->flags & HNSW_VERTEX_FREE)
	{
		if (record->ntids > 0 || has_upper || ItemPointerIsValid(&record->more_tids))
			return "place is free, but has rows or links in upper layers";
		return NULL;
	}
	if (record->level > state->index.meta.max_level)
		return "vertex has a level above the highest one";
	if (record->ntids > HNSW_INLINE_TIDS)
		return "vertex has more rows than its record has room for";
	if (record->nlinks > HNSW_LAYER_LINKS(state->index.meta.m, 0))
		return "vertex has more links than its record has room for";
	if (has_upper && record->level == 0)
		return "vertex of level 0 has links in upper layers";
	if (!has_upper && record->level > 0 &&
		!(record->flags & (HNSW_VERTEX_UNLINKED | HNSW_VERTEX_DELETED)))
		return "vertex lacks its links in upper layers";
	if ((record->flags & HNSW_VERTEX_DELETED) && record->ntids > 0)
		return "vertex is deleted, but has rows";
	return NULL;
}

/*
 * What a deleted vertex remembers.  Vacuum does not look for one that is older
 * than the metapage says, and does not free one of the future.  A row that was
 * merged into an equal one leaves a vertex with transaction id 0.
 */
static void
check_deleted(HnswCheck *state, HnswVertex record, uint32 vertex)
{
	BlockNumber block = hnsw_block(&state->index, vertex);
	uint64 since = state->index.meta.deleted_since;
	uint64 xid = hnsw_vertex_deleted(record)->xid;
	char label[LABEL_SIZE];

	vertex_label(label, vertex);
	if (since == 0)
		check_report(state->check, CHECK_NOTE, block, label,
					 "vertex is deleted, but metapage says none is");
	else if (xid != 0 && xid < since)
		check_report(state->check, CHECK_NOTE, block, label,
					 "vertex was deleted in transaction " UINT64_FORMAT
					 ", but metapage says none was before " UINT64_FORMAT,
					 xid, since);
	else if (!RecoveryInProgress() &&
			 xid > U64FromFullTransactionId(ReadNextFullTransactionId()) + XID_TOLERANCE)
		check_report(state->check, CHECK_NOTE, block, label,
					 "vertex was deleted in transaction " UINT64_FORMAT ", which is to come", xid);
}

static void
check_vertex(HnswCheck *state, HnswVertex record, uint32 vertex)
{
	const char *problem = find_header_problem(state, record);
	const char *value;
	char label[LABEL_SIZE];

	state->place[vertex] = PLACE_USED;
	if (problem != NULL)
	{
		check_report(state->check, CHECK_ERROR, hnsw_block(&state->index, vertex),
					 vertex_label(label, vertex), "%s", problem);
		return;
	}
	state->level[vertex] = record->level;
	if (record->flags & HNSW_VERTEX_FREE)
	{
		state->place[vertex] |= PLACE_FREE;
		return;
	}
	state->place[vertex] |= PLACE_SOUND;
	if (record->flags & HNSW_VERTEX_UNLINKED)
		state->place[vertex] |= PLACE_UNLINKED;
	check_add_rows(state->check, vertex, record->tids, record->ntids);
	if (ItemPointerIsValid(&record->more_tids))
		check_tid_lists(state, vertex, record->more_tids,
						(record->flags & HNSW_VERTEX_DELETED) != 0);
	if (record->flags & HNSW_VERTEX_DELETED)
	{
		state->place[vertex] |= PLACE_DELETED; /* its value may be gone */
		check_deleted(state, record, vertex);
		return;
	}
	if (state->anchor != NULL && record->nlinks > 0)
		state->anchor[vertex] = hnsw_vertex_links(&state->index, record)[0];
	value = read_value(state, record, vertex, true);
	if (value != NULL)
	{
		state->place[vertex] |= PLACE_VALUE;
		(void) check_encoded(state->check, vertex, value, hnsw_wide_size(&state->index, record));
	}
}

/* What is in use of a slot page are records of its slots, and codes of some of them. */
static void
check_slot_bounds(HnswCheck *state, Page page, BlockNumber block, int nslots)
{
	const HnswMeta *meta = &state->index.meta;
	int lower = ((PageHeader) page)->pd_lower;
	int upper = ((PageHeader) page)->pd_upper;
	int end = PAGE_DATA_OFFSET + PAGE_DATA_SIZE;

	if (lower != PAGE_DATA_OFFSET + nslots * meta->slot_size &&
		(nslots > 0 || lower > PAGE_DATA_OFFSET))
		check_report(state->check, CHECK_ERROR, block, NULL,
					 "used bytes end at %d, but %d slots end at %d", lower, nslots,
					 PAGE_DATA_OFFSET + nslots * meta->slot_size);
	if (upper != ((PageHeader) page)->pd_special &&
		(meta->codes_size == 0 || upper < end - nslots * meta->codes_size ||
		 (end - upper) % meta->codes_size != 0))
		check_report(state->check, CHECK_ERROR, block, NULL,
					 "used bytes begin again at %d, where no codes of %d slots begin", upper,
					 nslots);
}

static void
check_slot_pages(HnswCheck *state)
{
	const HnswMeta *meta = &state->index.meta;

	for (BlockNumber block = META_BLOCK + 1; block < state->check->nblocks; block++)
	{
		Page page;
		int nslots;

		if (!check_block_is(state->check, block, PAGE_SLOTS))
			continue;
		page = check_page(state->check, state->slots, block);
		nslots = PageGetSpecial(page)->nslots;
		if (nslots > meta->slots_per_page)
		{
			check_report(state->check, CHECK_ERROR, block, NULL,
						 "page has handed out %d slots, but has room for %u", nslots,
						 meta->slots_per_page);
			nslots = meta->slots_per_page;
		}
		check_slot_bounds(state, page, block, nslots);
		for (int slot = 0; slot < nslots; slot++)
			check_vertex(state, (HnswVertex) page_slot(page, meta->slot_size, slot),
						 block * meta->slots_per_page + slot);
	}
}

/*
 * Pages of the pending chain are numbered; the last one, which stays, is marked
 * as the tail.  Other pages have neither number nor mark.
 */
static void
check_pending_chain(HnswCheck *state)
{
	CheckState *check = state->check;
	const HnswMeta *meta = &state->index.meta;
	uint32 ordinal = meta->pending_ordinal;
	BlockNumber block = meta->pending;

	for (; check_block_is(check, block, PAGE_SLOTS); block = check->blocks[block].next)
	{
		if (check->blocks[block].ordinal != ordinal)
		{
			check_report(check, CHECK_ERROR, block, NULL,
						 "page is number %u of the pending chain, where number %u is due",
						 check->blocks[block].ordinal, ordinal);
			break;
		}
		ordinal++;
	}
	for (block = META_BLOCK + 1; block < check->nblocks; block++)
	{
		const CheckBlock *known = &check->blocks[block];

		if (!check_block_is(check, block, PAGE_SLOTS))
			continue;
		if (known->ordinal != 0 && state->in_chain[block] != CHAIN_PENDING)
			check_report(check, CHECK_ERROR, block, NULL,
						 "page is number %u of the pending chain, but is not in it",
						 known->ordinal);
		if (known->tail && block != meta->insert_block)
			check_report(check, CHECK_ERROR, block, NULL,
						 "page is marked as the tail, but block %u takes new vertices",
						 meta->insert_block);
		else if (!known->tail && block == meta->insert_block)
			check_report(check, CHECK_ERROR, block, NULL,
						 "page takes new vertices, but is not marked as the tail");
	}
}

/* The pages that the metapage names, and the chains that start there */
static void
check_chains(HnswCheck *state)
{
	CheckState *check = state->check;
	const HnswMeta *meta = &state->index.meta;
	BlockNumber tail;

	if (meta->insert_block != InvalidBlockNumber &&
		!check_block_is(check, meta->insert_block, PAGE_SLOTS))
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "block %u, which is to take new vertices, is no slot page",
					 meta->insert_block);
	if (meta->item_block != InvalidBlockNumber &&
		!check_block_is(check, meta->item_block, PAGE_ITEMS))
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "block %u, which is to take new items, is no item page", meta->item_block);
	tail = check_chain(check, "pending vertices", meta->pending, PAGE_SLOTS, CHAIN_PENDING,
					   state->in_chain);
	if (tail != meta->insert_block)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "chain of pending vertices does not end at block %u, which takes new ones",
					 meta->insert_block);
	check_pending_chain(state);
	check_chain(check, "free slots", meta->free_slots, PAGE_SLOTS, CHAIN_FREE_SLOTS,
				state->in_chain);
	check_chain(check, "free items", meta->free_items, PAGE_ITEMS, CHAIN_FREE_ITEMS,
				state->in_chain);
	check_chain(check, "free values", meta->free_values, PAGE_VALUE, CHAIN_FREE_VALUES,
				state->in_chain);
}

/* Pages against chains: what is marked is in one, what is in one belongs there. */
static void
check_membership(HnswCheck *state)
{
	CheckState *check = state->check;
	const HnswMeta *meta = &state->index.meta;
	char label[LABEL_SIZE];

	for (BlockNumber block = META_BLOCK + 1; block < check->nblocks; block++)
	{
		uint8 chain = state->in_chain[block];
		uint32 owner = check->value_owner[block];
		int nfree = 0;

		if (chain == 0)
			(void) check_is_unchained(check, block);
		if (check_block_is(check, block, PAGE_VALUE))
		{
			if (chain != 0 && owner != HNSW_NO_VERTEX)
				check_report(check, CHECK_ERROR, block, vertex_label(label, owner),
							 "value page is in the chain of free values");
			else if (chain == 0)
				check_require_owner(check, block);
		}
		if (!check_block_is(check, block, PAGE_SLOTS))
			continue;
		for (uint32 vertex = block * meta->slots_per_page;
			 vertex < (block + 1) * meta->slots_per_page; vertex++)
		{
			if ((state->place[vertex] & PLACE_UNLINKED) && chain != CHAIN_PENDING)
				check_report(check, CHECK_ERROR, block, vertex_label(label, vertex),
							 "vertex is pending, but its page is not");
			nfree += (state->place[vertex] & PLACE_FREE) != 0;
		}
		if (nfree > 0 && chain == 0)
			check_report(check, CHECK_NOTE, block, NULL, "%d free places are in no chain", nfree);
	}
}

/* The entry point is a vertex of its level, and no live one is above it. */
static void
check_entry(HnswCheck *state)
{
	const HnswMeta *meta = &state->index.meta;
	uint8 place = meta->entry < state->nplaces ? state->place[meta->entry] : 0;
	char label[LABEL_SIZE];

	if (meta->entry == HNSW_NO_VERTEX && meta->entry_level != 0)
		report_meta(state, "level of the entry point", meta->entry_level, 0);
	else if (meta->entry != HNSW_NO_VERTEX && (place & (PLACE_USED | PLACE_FREE)) != PLACE_USED)
		check_report(state->check, CHECK_ERROR, META_BLOCK, vertex_label(label, meta->entry),
					 "entry point is no vertex");
	else if ((place & PLACE_SOUND) && state->level[meta->entry] != meta->entry_level)
		check_report(state->check, CHECK_ERROR, META_BLOCK, vertex_label(label, meta->entry),
					 "entry point is of level %u, not %u", state->level[meta->entry],
					 meta->entry_level);
	for (uint32 vertex = 0; vertex < state->nplaces; vertex++)
	{
		if ((state->place[vertex] & (PLACE_SOUND | PLACE_UNLINKED | PLACE_DELETED)) != PLACE_SOUND)
			continue;
		if (meta->entry == HNSW_NO_VERTEX)
			check_report(state->check, CHECK_ERROR, hnsw_block(&state->index, vertex),
						 vertex_label(label, vertex), "index has a vertex, but no entry point");
		else if (state->level[vertex] > meta->entry_level)
			check_report(
				state->check, CHECK_NOTE,
				/* an insert moves the entry point last */ hnsw_block(&state->index, vertex),
				vertex_label(label, vertex),
				"vertex of level %u is above the entry point, whose level is %u",
				state->level[vertex], meta->entry_level);
	}
}

/* Memory for what is to be known of each block and vertex */
static void
allocate(HnswCheck *state)
{
	CheckState *check = state->check;
	uint64 nplaces = (uint64) check->nblocks * state->index.meta.slots_per_page;

	state->nplaces = Min(nplaces, HNSW_MAX_VERTEX);
	state->place = check_allocate(nplaces);
	state->level = check_allocate(nplaces);
	if (check->notes)
		state->anchor = check_allocate(nplaces * sizeof(uint32));
	state->in_chain = check_allocate(check->nblocks);
	state->widened = palloc(state->index.space.encoded_size);
}

/* InspectMethod.name_owner: owners are vertices */
BlockNumber
hnsw_name_owner(CheckState *check, uint32 owner, char *name)
{
	vertex_label(name, owner);
	return hnsw_block(&((HnswCheck *) check->method_state)->index, owner);
}

/* InspectMethod.check */
void
hnsw_check(CheckState *check)
{
	HnswCheck *state = (HnswCheck *) check->method_state;

	state->slots = check_make_page();
	state->item_page = check_make_page();
	allocate(state);
	check_slot_pages(state);
	hnsw_check_links(state);
	hnsw_check_codes(state);
	hnsw_check_items(state);
	check_chains(state);
	check_membership(state);
	check_entry(state);
	if (check->notes)
		hnsw_check_anchors(state);
	if (check->notes && state->index.meta.entry != HNSW_NO_VERTEX)
		hnsw_check_reachable(state);
}

/* InspectMethod.stored_value */
const char *
hnsw_stored_value(CheckState *check, uint32 owner, Size *size)
{
	HnswCheck *state = (HnswCheck *) check->method_state;
	HnswVertex record;

	if ((state->place[owner] & PLACE_VALUE) == 0)
		return NULL;
	record = hnsw_page_vertex(
		&state->index, check_page(check, state->slots, hnsw_block(&state->index, owner)), owner);
	*size = hnsw_wide_size(&state->index, record);
	return read_value(state, record, owner, false);
}
