/*-------------------------------------------------------------------------
 *
 * check_links.c
 *	  Looking for damage in an hnsw index: the links of its vertices, the items
 *	  that hold those of the upper layers, and whether they lead everywhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hnsw/check.h"

/* What is wrong with a link in a layer, or NULL */
static const char *
find_link_problem(const HnswCheck *state, uint32 vertex, int layer, uint32 target)
{
	if (target == vertex)
		return "vertex links to itself";
	if (target >= state->nplaces || !(state->place[target] & PLACE_USED))
		return "vertex links to one that does not exist";
	if (state->place[vertex] & PLACE_DELETED)
		return NULL; /* vacuum mends the links of live vertices only */
	if (state->place[target] & PLACE_FREE)
		return "vertex links to a free place";
	if ((state->place[target] & PLACE_SOUND) && state->level[target] < layer)
		return "vertex links to one that is not in the layer";
	return NULL;
}

/* Checks the n links of a vertex in a layer. */
static void
check_link_list(HnswCheck *state, uint32 vertex, int layer, const uint32 *links, int n)
{
	BlockNumber block = hnsw_block(&state->index, vertex);
	char label[LABEL_SIZE];

	vertex_label(label, vertex);
	for (int i = 0; i < n; i++)
	{
		const char *problem = find_link_problem(state, vertex, layer, links[i]);

		for (int j = 0; j < i && problem == NULL; j++)
		{
			if (links[j] == links[i])
				problem = "vertex links twice to the same one";
		}
		if (problem != NULL)
			check_report(state->check, CHECK_ERROR, block, label, "%s: %u, in layer %d", problem,
						 links[i], layer);
	}
}

static void
check_upper_links(HnswCheck *state, HnswVertex record, uint32 vertex)
{
	int m = state->index.meta.m;
	BlockNumber block = hnsw_block(&state->index, vertex);
	Size size;
	HnswUpper upper =
		(HnswUpper) hnsw_check_item(state, vertex, record->upper, HNSW_ITEM_UPPER, &size);
	char label[LABEL_SIZE];

	if (upper == NULL)
		return;
	vertex_label(label, vertex);
	if (size < sizeof(HnswUpperData) || upper->level != record->level ||
		size < HNSW_UPPER_SIZE(m, upper->level))
	{
		check_report(state->check, CHECK_ERROR, block, label,
					 "item (%u,%u) does not hold links of %u upper layers",
					 ItemPointerGetBlockNumber(&record->upper),
					 ItemPointerGetOffsetNumber(&record->upper), record->level);
		return;
	}
	for (int layer = 1; layer <= upper->level; layer++)
	{
		int n = upper->counts[layer - 1];

		if (n > HNSW_LAYER_LINKS(m, layer))
			check_report(state->check, CHECK_ERROR, block, label,
						 "vertex has %d links in layer %d, more than the limit of %d", n, layer,
						 HNSW_LAYER_LINKS(m, layer));
		else
			check_link_list(state, vertex, layer, HNSW_UPPER_LINKS(upper, m, layer), n);
	}
}

/*
 * What is left of the value of a deleted vertex, if it does not lie in the
 * record: vacuum frees that before the place, and somebody else may have it.
 */
static void
keep_remains(HnswCheck *state, HnswVertex record, uint32 vertex)
{
	const HnswIndex *index = &state->index;
	bool wide = (record->flags & HNSW_VERTEX_WIDE) != 0;
	const void *where = wide ? hnsw_wide_where(index, record) : hnsw_vertex_value(index, record);
	Size left = wide ? hnsw_wide_size(index, record) : index->space.stored_size;

	if (left > index->space.encoded_size)
		return;
	if (wide && HNSW_WIDE_ITEM(left))
	{
		if (ItemPointerIsValid((const ItemPointerData *) where))
			check_entries_add(state->check, &state->remains, *(const ItemPointerData *) where,
							  vertex);
		return;
	}
	if (!wide && index->meta.value_pages == 0)
		return;
	for (const BlockNumber *block = where; left > 0; block++)
	{
		if (check_block_is(state->check, *block, PAGE_VALUE) &&
			!state->check->blocks[*block].chained &&
			state->check->value_owner[*block] == HNSW_NO_VERTEX)
			state->check->value_owner[*block] = vertex;
		left -= Min(left, VALUE_PAGES_PIECE);
	}
}

/* The slot page of a block, if any vertex of it has one of the flags but not `without` */
static Page
page_with(HnswCheck *state, BlockNumber block, uint8 with, uint8 without)
{
	int slots = state->index.meta.slots_per_page;

	if (!check_block_is(state->check, block, PAGE_SLOTS))
		return NULL;
	for (int slot = 0; slot < slots; slot++)
	{
		if ((state->place[block * slots + slot] & (with | without)) == with)
			return check_page(state->check, state->slots, block);
	}
	return NULL;
}

/* Notes the neighbours in layer 0 whose anchor the vertex is: they link to each other. */
static void
meet_anchors(HnswCheck *state, uint32 vertex, const uint32 *links, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (links[i] < state->nplaces && state->anchor[links[i]] == vertex)
			state->anchor[links[i]] = HNSW_NO_VERTEX;
	}
}

/*
 * The anchor of a live vertex links back.  A crash in the middle of a merge or
 * a vacuum can leave one that does not, and with a small m an insert may find no
 * vertex that can take another link for good.  Vacuum sees to deleted anchors.
 */
void
hnsw_check_anchors(HnswCheck *state)
{
	char label[LABEL_SIZE];

	for (uint32 vertex = 0; vertex < state->nplaces; vertex++)
	{
		uint32 anchor = state->anchor[vertex];

		if (anchor != HNSW_NO_VERTEX && anchor < state->nplaces &&
			(state->place[vertex] & (PLACE_SOUND | PLACE_UNLINKED | PLACE_DELETED)) ==
				PLACE_SOUND &&
			(state->place[anchor] & (PLACE_SOUND | PLACE_UNLINKED | PLACE_DELETED)) == PLACE_SOUND)
			check_report(state->check, CHECK_NOTE, hnsw_block(&state->index, vertex),
						 vertex_label(label, vertex),
						 "vertex has vertex %u as its anchor, which does not link to it", anchor);
	}
}

/* Checks the links of every vertex whose record is sound. */
void
hnsw_check_links(HnswCheck *state)
{
	int slots = state->index.meta.slots_per_page;

	for (BlockNumber block = META_BLOCK + 1; block < state->check->nblocks; block++)
	{
		Page page = page_with(state, block, PLACE_SOUND, 0);

		for (int slot = 0; page != NULL && slot < slots; slot++)
		{
			uint32 vertex = block * slots + slot;
			HnswVertex record = hnsw_page_vertex(&state->index, page, vertex);

			if (!(state->place[vertex] & PLACE_SOUND))
				continue;
			check_link_list(state, vertex, 0, hnsw_vertex_links(&state->index, record),
							Min(record->nlinks, HNSW_LAYER_LINKS(state->index.meta.m, 0)));
			if (state->anchor != NULL)
				meet_anchors(state, vertex, hnsw_vertex_links(&state->index, record),
							 Min(record->nlinks, HNSW_LAYER_LINKS(state->index.meta.m, 0)));
			if (ItemPointerIsValid(&record->upper))
				check_upper_links(state, record, vertex);
			if (state->place[vertex] & PLACE_DELETED)
				keep_remains(state, record, vertex);
		}
	}
}

/*
 * Every item belongs to one vertex.  One that belongs to none is room lost:
 * an insert that did not come to its end leaves such.
 */
void
hnsw_check_items(HnswCheck *state)
{
	CheckState *check = state->check;
	CheckEntries *items = &state->items;
	char label[LABEL_SIZE];

	check_entries_sort(items);
	check_entries_sort(&state->remains);
	for (uint64 i = 1; i < items->n; i++)
	{
		CheckEntry *entry = &items->entries[i];

		if (ItemPointerCompare(&entry->tid, &items->entries[i - 1].tid) == 0)
			check_report(check, CHECK_ERROR, hnsw_block(&state->index, entry->owner),
						 vertex_label(label, entry->owner), "item (%u,%u) belongs to vertex %u too",
						 ItemPointerGetBlockNumber(&entry->tid),
						 ItemPointerGetOffsetNumber(&entry->tid), items->entries[i - 1].owner);
	}
	for (BlockNumber block = META_BLOCK + 1; block < check->nblocks; block++)
	{
		Page page;

		if (!check->notes || !check_block_is(check, block, PAGE_ITEMS))
			continue;
		page = check_page(check, state->item_page, block);
		for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page);
			 offset++)
		{
			ItemPointerData tid;

			ItemPointerSet(&tid, block, offset);
			if (!ItemIdIsNormal(PageGetItemId(page, offset)) ||
				check_entries_find(items, &tid) != NULL ||
				check_entries_find(&state->remains, &tid) != NULL)
				continue;
			snprintf(label, sizeof(label), "item (%u,%u)", block, offset);
			check_report(check, CHECK_NOTE, block, label, "item is not used");
		}
	}
}

/* Marks the targets of a vertex's links in layer 0; true if one of them is new. */
static bool
expand(HnswCheck *state, HnswVertex record, uint32 vertex)
{
	const uint32 *links = hnsw_vertex_links(&state->index, record);
	int n = Min(record->nlinks, HNSW_LAYER_LINKS(state->index.meta.m, 0));
	bool found = false;

	state->place[vertex] |= PLACE_EXPANDED;
	for (int i = 0; i < n; i++)
	{
		if (links[i] >= state->nplaces || (state->place[links[i]] & PLACE_REACHED))
			continue;
		state->place[links[i]] |= PLACE_REACHED;
		found = true;
	}
	return found;
}

/*
 * Follows the links of layer 0 from the entry point, in passes over the pages
 * until one finds nothing new, and notes the vertices that none led to.
 * Neighbours mostly lie near each other, so a few passes do.
 */
void
hnsw_check_reachable(HnswCheck *state)
{
	int slots = state->index.meta.slots_per_page;
	bool found = state->index.meta.entry < state->nplaces;
	char label[LABEL_SIZE];

	if (found)
		state->place[state->index.meta.entry] |= PLACE_REACHED;
	while (found)
	{
		found = false;
		for (BlockNumber block = META_BLOCK + 1; block < state->check->nblocks; block++)
		{
			Page page = page_with(state, block, PLACE_SOUND | PLACE_REACHED, PLACE_EXPANDED);

			for (int slot = 0; page != NULL && slot < slots; slot++)
			{
				uint32 vertex = block * slots + slot;

				if ((state->place[vertex] & (PLACE_SOUND | PLACE_REACHED | PLACE_EXPANDED)) ==
					(PLACE_SOUND | PLACE_REACHED))
					found |= expand(state, hnsw_page_vertex(&state->index, page, vertex), vertex);
			}
		}
	}
	for (uint32 vertex = 0; vertex < state->nplaces; vertex++)
	{
		if ((state->place[vertex] &
			 (PLACE_SOUND | PLACE_UNLINKED | PLACE_DELETED | PLACE_REACHED)) == PLACE_SOUND)
			check_report(state->check, CHECK_NOTE, hnsw_block(&state->index, vertex),
						 vertex_label(label, vertex),
						 "vertex cannot be reached from the entry point in layer 0");
	}
}
