/*-------------------------------------------------------------------------
 *
 * merge_write.c
 *	  Writing the links of a merge: own links, links back, anchors, entry point.
 *
 * README, "Merge", "Anchors".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "access/pause.h"
#include "hnsw/merge.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Steps of the search for an anchor beyond a vertex's neighbours */
#define MAX_ANCHOR_TRIES 1000

/* Anchors followed from a vertex on, at most */
#define MAX_ANCHOR_STEPS 1000

/* Stores the links above layer 0 as an item, in place of an older one if there is one. */
static void
write_upper(MergeState *state, MergeVertex *vertex)
{
	HnswIndex *index = state->index;
	Size size = HNSW_UPPER_SIZE(index->meta.m, vertex->level);
	HnswUpper upper = palloc0(size);

	upper->kind = HNSW_ITEM_UPPER;
	upper->level = vertex->level;
	for (int layer = 1; layer <= vertex->level; layer++)
	{
		upper->counts[layer - 1] = vertex->nlinks == NULL ? 0 : vertex->nlinks[layer];
		if (upper->counts[layer - 1] > 0)
			memcpy(HNSW_UPPER_LINKS(upper, index->meta.m, layer), vertex->links[layer],
				   upper->counts[layer - 1] * sizeof(uint32));
	}
	hnsw_add_item(index, (Item) upper, size, &vertex->upper);
	pfree(upper);
}

/*
 * Makes the vertex of the highest level the entry point of an empty graph; it
 * has no links and is pending no longer.
 */
void
merge_make_first(MergeState *state)
{
	HnswIndex *index = state->index;
	MergeVertex *first = NULL;
	Buffer meta_buffer;
	Buffer buffer;
	PageChange change;
	HnswVertex record;
	HnswMeta *meta;

	for (int i = 0; i < state->nvertices; i++)
	{
		if (state->vertices[i].fate == MERGE_LINK &&
			(first == NULL || state->vertices[i].level > first->level))
			first = &state->vertices[i];
	}
	if (first == NULL)
		return;
	if (first->level > 0)
		write_upper(state, first);
	meta_buffer = meta_lock(index->relation);
	meta = (HnswMeta *) PageGetContents(BufferGetPage(meta_buffer));
	if (meta->entry != HNSW_NO_VERTEX)
	{
		/* another merge was faster */
		index->meta = *meta;
		UnlockReleaseBuffer(meta_buffer);
		return;
	}
	hnsw_pin_vertex(index, first->vertex, BUFFER_LOCK_EXCLUSIVE, &buffer);
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), first->vertex);
	meta->entry = first->vertex;
	meta->entry_level = first->level;
	record->flags &= ~HNSW_VERTEX_UNLINKED;
	record->upper = first->upper;
	index->meta = *meta;
	page_change_finish(&change);
	first->fate = MERGE_FINISHED;
}

int
merge_compare_vertices(const void *a, const void *b)
{
	uint32 left = ((const MergeVertex *) a)->vertex;
	uint32 right = ((const MergeVertex *) b)->vertex;

	return left < right ? -1 : left > right;
}

/* Writes a vertex's own links into its record on a page that is being changed. */
static void
write_own_links(HnswIndex *index, Page page, const MergeVertex *vertex)
{
	HnswVertex record = hnsw_page_vertex(index, page, vertex->vertex);

	hnsw_put_links(index, record, vertex->links[0], vertex->nlinks[0]);
	record->upper = vertex->upper;
}

/* The vertices of the batch from number `first` to before the result lie on the pages of a record. */
static int
end_of_record(const MergeState *state, int first)
{
	BlockNumber blkno = InvalidBlockNumber;
	int npages = 0;
	int i;

	for (i = first; i < state->nvertices; i++)
	{
		const MergeVertex *vertex = &state->vertices[i];

		if (vertex->fate != MERGE_LINK || hnsw_block(state->index, vertex->vertex) == blkno)
			continue;
		if (npages++ == MAX_GENERIC_XLOG_PAGES)
			break;
		blkno = hnsw_block(state->index, vertex->vertex);
	}
	return i;
}

/* Stores the links of some vertices of the batch above layer 0. */
static void
write_upper_links(MergeState *state, int first, int end)
{
	for (int i = first; i < end; i++)
	{
		MergeVertex *vertex = &state->vertices[i];

		if (vertex->fate == MERGE_LINK && vertex->level > 0 && !ItemPointerIsValid(&vertex->upper))
			write_upper(state, vertex);
	}
}

/* Writes the own links of some vertices of the batch as one record. */
static void
write_own_record(MergeState *state, int first, int end)
{
	HnswIndex *index = state->index;
	BlockNumber blkno = InvalidBlockNumber;
	Page page = NULL;
	PageChange change;

	page_change_begin(&change, index->relation, index->building);
	for (int i = first; i < end; i++)
	{
		MergeVertex *vertex = &state->vertices[i];

		if (vertex->fate != MERGE_LINK)
			continue;
		if (hnsw_block(index, vertex->vertex) != blkno)
		{
			Buffer buffer;

			blkno = hnsw_block(index, vertex->vertex);
			buffer = recent_read(index->relation, blkno);
			LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
			page = page_change_page(&change, buffer, false);
		}
		write_own_links(index, page, vertex);
	}
	page_change_finish(&change);
}

/*
 * Writes the own links of the batch, which is ordered by vertex, several pages
 * at a time.  The vertices stay pending.  No interrupt comes between the items
 * with the links above layer 0 and the record that points to them.
 */
void
merge_write_own_links(MergeState *state)
{
	int end;

	for (int i = 0; i < state->nvertices; i = end)
	{
		CHECK_FOR_INTERRUPTS();
		while (i < state->nvertices && state->vertices[i].fate != MERGE_LINK)
			i++;
		if (i == state->nvertices)
			return;
		end = end_of_record(state, i);
		HOLD_INTERRUPTS();
		write_upper_links(state, i, end);
		write_own_record(state, i, end);
		RESUME_INTERRUPTS();
		PAUSE_POINT("own links written", state->claim.first);
	}
}

static int
compare_links(const void *a, const void *b)
{
	const HnswLinkBack *left = a;
	const HnswLinkBack *right = b;

	if (left->vertex != right->vertex)
		return left->vertex < right->vertex ? -1 : 1;
	return left->newcomer < right->newcomer ? -1 : left->newcomer > right->newcomer;
}

/* The requests for links back to the batch in a layer, ordered by vertex */
static HnswLinkBack *
collect_links_back(MergeState *state, int layer, int *n)
{
	HnswLinkBack *links;
	int count = 0;

	for (int i = 0; i < state->nvertices; i++)
	{
		if (state->vertices[i].nlinks != NULL && layer <= state->vertices[i].level)
			count += state->vertices[i].nlinks[layer];
	}
	links = palloc_extended(Max(count, 1) * sizeof(HnswLinkBack), MCXT_ALLOC_HUGE);
	*n = 0;
	for (int i = 0; i < state->nvertices; i++)
	{
		MergeVertex *vertex = &state->vertices[i];

		if (vertex->nlinks == NULL || vertex->fate == MERGE_FINISHED || layer > vertex->level)
			continue;
		for (int j = 0; j < vertex->nlinks[layer]; j++)
		{
			links[*n].vertex = vertex->links[layer][j];
			links[*n].newcomer = vertex->vertex;
			links[*n].weak = j >= vertex->ndiverse[layer];
			links[(*n)++].taken = false;
		}
	}
	qsort(links, *n, sizeof(HnswLinkBack), compare_links);
	return links;
}

/* Makes the neighbour at `position` the anchor of a vertex. */
static void
set_anchor(HnswIndex *index, MergeVertex *vertex, int position)
{
	uint32 anchor = vertex->links[0][position];

	vertex->links[0][position] = vertex->links[0][0];
	vertex->links[0][0] = anchor;
	hnsw_set_anchor(index, vertex->vertex, anchor);
}

/*
 * Makes any vertex the anchor of another, and the first of its neighbours; in a
 * full list in place of the one that was the first.
 */
static void
add_anchor(HnswIndex *index, MergeVertex *vertex, uint32 anchor)
{
	PageChange change;
	Buffer buffer;
	uint32 *links;
	HnswVertex record = hnsw_pin_vertex(index, vertex->vertex, BUFFER_LOCK_EXCLUSIVE, &buffer);
	int place = 0;

	page_change_begin(&change, index->relation, index->building);
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), vertex->vertex);
	links = hnsw_vertex_links(index, record);
	while (place < record->nlinks && links[place] != anchor)
		place++;
	if (place < HNSW_LAYER_LINKS(index->meta.m, 0))
	{
		links[place] = links[0];
		hnsw_forget_code(record, place);
		record->nlinks = Max(record->nlinks, place + 1);
	}
	links[0] = anchor;
	hnsw_forget_code(record, 0);
	page_change_finish(&change);
}

/*
 * Does one come from a vertex, going from anchor to anchor, to the other?  Then
 * that must not become the other one's anchor: they would hold each other, and
 * nothing would hold them.
 */
static bool
is_below(HnswIndex *index, uint32 vertex, uint32 other)
{
	uint32 before = HNSW_NO_VERTEX;

	for (int steps = 0; steps < MAX_ANCHOR_STEPS && vertex != HNSW_NO_VERTEX; steps++)
	{
		uint32 anchor;

		if (vertex == other)
			return true;
		anchor = hnsw_anchor_of(index, vertex);
		if (anchor == before) /* the root and its first child are each other's */
			return false;
		before = vertex;
		vertex = anchor;
	}
	return false;
}

/*
 * Finds an anchor for a vertex of whose neighbours none can take a link: walks
 * on from them, along links that are kept for good, until there is one that
 * can.  The leaves of the tree of anchors always can.
 */
static void
find_anchor(MergeState *state, MergeVertex *vertex)
{
	HnswIndex *index = state->index;
	const HnswOverlay *overlay = state->search.overlay;
	uint32 host = vertex->links[0][0];

	state->search.overlay = NULL;
	for (int tries = 0; tries < MAX_ANCHOR_TRIES; tries++)
	{
		HnswLinkBack request = {.newcomer = vertex->vertex};
		int n = hnsw_read_links(&state->search, host, 0);

		CHECK_FOR_INTERRUPTS();
		if (n == 0)
			break;
		host = state->search.links[tries % n];
		if (is_below(index, host, vertex->vertex) || !hnsw_is_linkable(index, host, 0, overlay))
			continue;
		request.vertex = host;
		add_anchor(index, vertex, host);
		hnsw_link_back(index, 0, &request, 1);
		if (request.taken)
			break;
	}
	state->search.overlay = overlay;
}

/*
 * Sees to it that a vertex and its anchor link to each other: if the nearest
 * neighbour has not taken the link back, another one becomes the anchor,
 * rather one that has taken it.
 */
static void
ensure_anchor(MergeState *state, MergeVertex *vertex, const HnswLinkBack *links, int n)
{
	HnswIndex *index = state->index;

	for (int i = 0; i < vertex->nlinks[0]; i++)
	{
		HnswLinkBack wanted = {vertex->links[0][i], vertex->vertex, false, false};
		const HnswLinkBack *found = bsearch(&wanted, links, n, sizeof(HnswLinkBack), compare_links);

		if (found == NULL || !found->taken)
			continue;
		if (i > 0)
			set_anchor(index, vertex, i);
		/* again: that link may have given way to another since */
		hnsw_link_back(index, 0, &wanted, 1);
		if (wanted.taken)
			return;
	}
	for (int i = 0; i < vertex->nlinks[0]; i++)
	{
		HnswLinkBack request = {vertex->links[0][i], vertex->vertex, false, false};

		if (i > 0)
			set_anchor(index, vertex, i);
		hnsw_link_back(index, 0, &request, 1);
		if (request.taken)
			return;
	}
	if (vertex->nlinks[0] > 0)
		find_anchor(state, vertex);
}

/* Writes the links back to the batch, layer 0 first: a search arrives from above. */
void
merge_write_links_back(MergeState *state)
{
	int top = 0;

	for (int i = 0; i < state->nvertices; i++)
		top = Max(top, state->vertices[i].level);
	for (int layer = 0; layer <= top; layer++)
	{
		int n;
		HnswLinkBack *links = collect_links_back(state, layer, &n);

		hnsw_link_back(state->index, layer, links, n);
		for (int i = 0; layer == 0 && i < state->nvertices; i++)
		{
			if (state->vertices[i].nlinks != NULL && state->vertices[i].fate != MERGE_FINISHED)
				ensure_anchor(state, &state->vertices[i], links, n);
		}
		pfree(links);
	}
}

/* Makes the highest vertex of the batch the entry point if it is higher than the present one. */
void
merge_update_entry(MergeState *state)
{
	HnswIndex *index = state->index;
	MergeVertex *highest = NULL;
	HnswMeta *meta;
	PageChange change;

	for (int i = 0; i < state->nvertices; i++)
	{
		MergeVertex *vertex = &state->vertices[i];

		if ((vertex->fate == MERGE_LINK || vertex->fate == MERGE_RELINK) &&
			vertex->level > (highest == NULL ? index->meta.entry_level : highest->level))
			highest = vertex;
	}
	if (highest == NULL)
		return;
	meta = meta_begin_change(index->relation, index->building, &change);
	if (highest->level > meta->entry_level)
	{
		meta->entry = highest->vertex;
		meta->entry_level = highest->level;
	}
	index->meta = *meta;
	page_change_finish(&change);
}
