/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Linking the vertices of the pending chain into the graph, in batches.
 *
 * For each vertex of a batch the neighbours are searched for and chosen; then
 * everything is written, page by page: first the vertices' own links, then the
 * links back to them, last the end of their pending state.  Links that are
 * chosen but not written are kept in an overlay that the searches follow, so
 * that vertices of one batch find each other.
 *
 * There is one merge of an index at a time.  One that is cut short, by an
 * error or a crash, leaves vertices pending, with or without links; the next
 * one goes on.  README, "Merge".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Vertices merged together; a whole number of pages, so some more */
#define BATCH_VERTICES 8192

/* Steps of the search for an anchor beyond a vertex's neighbours */
#define MAX_ANCHOR_TRIES 100

/* Pages that leave the chain in one record, with the metapage */
#define RETIRE_PAGES (MAX_GENERIC_XLOG_PAGES - 1)

/* What the overlay knows of a vertex */
typedef struct OverlayNode
{
	uint32 vertex;
	char status; /* of the hash table */
	int own;	 /* number in the batch, or -1 */
	int first;	 /* newest of the links back to be written, or -1 */
} OverlayNode;

#define SH_PREFIX overlay
#define SH_ELEMENT_TYPE OverlayNode
#define SH_KEY_TYPE uint32
#define SH_KEY vertex
#define SH_HASH_KEY(table, key) ((key) *0x9E3779B1u)
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* A link back to be written */
typedef struct OverlayLink
{
	uint32 newcomer;
	int layer;
	int next; /* of the same vertex, or -1 */
} OverlayLink;

typedef enum MergeFate
{
	MERGE_LINK,	   /* to be linked */
	MERGE_RELINK,  /* has its own links, from a merge cut short: only links back are due */
	MERGE_EMPTY,   /* has no rows */
	MERGE_FINISHED /* no longer pending */
} MergeFate;

/* A vertex of the batch */
typedef struct MergeVertex
{
	uint32 vertex;
	int level;
	MergeFate fate;
	PoolEntry home; /* where its search in layer 0 begins */
	uint32 **links; /* by layer: those that the heuristic accepts, then others; nearest first */
	int *nlinks;
	int *ndiverse; /* those that the heuristic accepts */
	ItemPointerData upper;
} MergeVertex;

struct HnswOverlay
{
	overlay_hash *nodes;
	OverlayLink *links;
	int nlinks;
	int capacity;
	MergeVertex *batch;
};

/* What a merge carries from step to step */
typedef struct MergeState
{
	HnswIndex *index;
	HnswSearch search;
	GraphDistance distance;
	HnswOverlay overlay;
	MemoryContext context; /* of one batch */
	MemoryContext step;	   /* of one vertex */
	char *encoded;		   /* value of the present vertex, as hnsw_copy_value() gives it */
	void *query;		   /* its query form */
	void *scratch;		   /* query form of another */
	int lane;			   /* which of the merges that there may be */
	bool alone;			   /* the others are locked out */
	HnswClaim claim;	   /* pages it works on */
	bool relinking;		   /* a merge cut short may have linked vertices to those of the batch */
	MergeVertex *vertices; /* of the batch */
	int nvertices;
	BlockNumber *pages; /* of the batch, in the order of the chain */
	int npages;
} MergeState;

/* ------------------------------------------------------------------ overlay */

static OverlayNode *
overlay_node(HnswOverlay *overlay, uint32 vertex)
{
	bool found;
	OverlayNode *node = overlay_insert(overlay->nodes, vertex, &found);

	if (!found)
	{
		node->own = -1;
		node->first = -1;
	}
	return node;
}

/* Makes the links of vertex number `number` of the batch known to searches. */
static void
overlay_add(MergeState *state, int number)
{
	HnswOverlay *overlay = &state->overlay;
	MergeVertex *vertex = &state->vertices[number];

	if (vertex->fate == MERGE_LINK)
		overlay_node(overlay, vertex->vertex)->own = number;
	for (int layer = 0; layer <= vertex->level; layer++)
	{
		for (int i = 0; i < vertex->nlinks[layer]; i++)
		{
			OverlayNode *node = overlay_node(overlay, vertex->links[layer][i]);
			OverlayLink *link;

			if (overlay->nlinks == overlay->capacity)
			{
				overlay->capacity *= 2;
				overlay->links =
					repalloc_huge(overlay->links, (Size) overlay->capacity * sizeof(OverlayLink));
			}
			link = &overlay->links[overlay->nlinks];
			link->newcomer = vertex->vertex;
			link->layer = layer;
			link->next = node->first;
			node->first = overlay->nlinks++;
		}
	}
}

/*
 * Completes the links of a vertex as they are on its page by those that are
 * still to be written.  links[] has room for HNSW_OVERLAY_LINKS more than a
 * page's list.  Returns how many there are.
 */
int
hnsw_overlay_links(const HnswOverlay *overlay, uint32 vertex, int layer, uint32 *links, int nlinks)
{
	OverlayNode *node = overlay_lookup(overlay->nodes, vertex);
	int limit;

	if (node == NULL)
		return nlinks;
	if (node->own >= 0)
	{
		MergeVertex *own = &overlay->batch[node->own];

		nlinks = layer <= own->level ? own->nlinks[layer] : 0;
		if (nlinks > 0)
			memcpy(links, own->links[layer], nlinks * sizeof(uint32));
	}
	limit = nlinks + HNSW_OVERLAY_LINKS;
	for (int i = node->first; i >= 0 && nlinks < limit; i = overlay->links[i].next)
	{
		if (overlay->links[i].layer == layer)
			links[nlinks++] = overlay->links[i].newcomer;
	}
	return nlinks;
}

/* ------------------------------------------------------------------ batch */

static void
add_page_vertices(MergeState *state, BlockNumber blkno, Page page)
{
	HnswIndex *index = state->index;
	int nslots = page_slots(page, index->meta.slots_per_page);

	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);
		MergeVertex *vertex = &state->vertices[state->nvertices];

		if ((record->flags & HNSW_VERTEX_UNLINKED) == 0)
			continue;
		memset(vertex, 0, sizeof(*vertex));
		vertex->vertex = blkno * index->meta.slots_per_page + slot;
		hnsw_check_vertex(index, record, vertex->vertex);
		vertex->level = record->level;
		vertex->upper = record->upper;
		if (record->ntids == 0 && !ItemPointerIsValid(&record->more_tids))
			vertex->fate = MERGE_EMPTY;
		else
			vertex->fate = record->nlinks > 0 ? MERGE_RELINK : MERGE_LINK;
		state->relinking |= vertex->fate == MERGE_RELINK;
		state->nvertices++;
	}
}

/* The ordinal of the chain's tail; the metapage is locked. */
static uint32
tail_ordinal(HnswIndex *index, const HnswMeta *meta)
{
	Buffer buffer = recent_read(index->relation, meta->insert_block);
	Page page = BufferGetPage(buffer);
	uint32 ordinal;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (!page_is(page, PAGE_SLOTS) || (PageGetSpecial(page)->flags & PAGE_TAIL) == 0)
		hnsw_report_bad_pending(index, meta->insert_block);
	ordinal = PageGetSpecial(page)->ordinal;
	UnlockReleaseBuffer(buffer);
	return ordinal;
}

/*
 * Notes in the metapage, whose buffer is locked, what a merge works on, and
 * where the pages end that merges cut short have claimed.
 */
static void
write_claim(MergeState *state, Buffer meta_buffer, HnswClaim claim, uint32 cut_end)
{
	HnswIndex *index = state->index;
	PageChange change;
	HnswMeta *meta;

	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	meta->claims[state->lane] = claim;
	meta->cut_end = cut_end;
	index->meta = *meta;
	page_change_finish(&change);
}

/*
 * Claims the first pages of the chain, up to that of ordinal `last`, that no
 * other merge works on.  False: there are none.
 */
static bool
claim_pages(MergeState *state, uint32 last)
{
	HnswIndex *index = state->index;
	uint32 most = Max(1, BATCH_VERTICES / index->meta.slots_per_page);
	BlockNumber other_lane = 1 - state->lane;
	bool alone = state->alone || ConditionalLockPage(index->relation, other_lane, ExclusiveLock);
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	HnswMeta *meta;
	HnswClaim other;
	HnswClaim claim;
	uint32 cut_end;

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) PageGetContents(BufferGetPage(meta_buffer));
	other = meta->claims[other_lane];
	/* nobody is at work on these: their merges have failed */
	cut_end = Max(meta->cut_end, meta->claims[state->lane].end);
	if (alone)
		cut_end = Max(cut_end, other.end);
	claim.first = meta->pending_ordinal;
	claim.end = last + 1;
	if (!alone && claim.first < other.first)
		claim.end = Min(claim.end, other.first);
	else if (!alone && claim.first < other.end)
		claim.first = other.end;
	claim.end = Min(claim.end, claim.first + most);
	if (claim.first >= claim.end)
		UnlockReleaseBuffer(meta_buffer);
	else
		write_claim(state, meta_buffer, claim, cut_end);
	if (alone && !state->alone)
		UnlockPage(index->relation, other_lane, ExclusiveLock);
	state->claim = claim;
	return claim.first < claim.end;
}

/* The claimed pages have been merged. */
static void
release_claim(MergeState *state)
{
	Buffer meta_buffer = recent_read(state->index->relation, META_BLOCK);

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	write_claim(state, meta_buffer, (HnswClaim){0, 0},
				((HnswMeta *) PageGetContents(BufferGetPage(meta_buffer)))->cut_end);
}

/*
 * Collects the pending vertices of the claimed pages.  Pages before them may
 * leave the chain meanwhile, and so may claimed ones that have no pending
 * vertices any more: false, then the walk must begin again.
 */
static bool
collect_claimed(MergeState *state)
{
	HnswIndex *index = state->index;
	BlockNumber blkno = index->meta.pending;

	state->nvertices = 0;
	state->npages = 0;
	for (uint32 ordinal = index->meta.pending_ordinal; ordinal < state->claim.end; ordinal++)
	{
		Buffer buffer = recent_read(index->relation, blkno);
		Page page = BufferGetPage(buffer);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (!page_is(page, PAGE_SLOTS) || PageGetSpecial(page)->ordinal != ordinal)
		{
			UnlockReleaseBuffer(buffer);
			return false;
		}
		if (ordinal >= state->claim.first)
		{
			state->pages[state->npages++] = blkno;
			add_page_vertices(state, blkno, page);
		}
		blkno = PageGetSpecial(page)->next;
		UnlockReleaseBuffer(buffer);
	}
	return true;
}

/* Collects the batch, reading the metapage again for each attempt. */
static void
collect_batch(MergeState *state)
{
	HnswIndex *index = state->index;
	uint32 npages = state->claim.end - state->claim.first;
	uint32 seen;

	state->vertices = palloc_extended(
		(Size) npages * index->meta.slots_per_page * sizeof(MergeVertex), MCXT_ALLOC_HUGE);
	state->pages = palloc(npages * sizeof(BlockNumber));
	do
	{
		CHECK_FOR_INTERRUPTS();
		seen = index->meta.pending_ordinal;
		if (collect_claimed(state))
			return;
		hnsw_read_meta(index);
	} while (index->meta.pending_ordinal != seen);
	hnsw_report_bad_pending(index, index->meta.pending);
}

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
static void
make_first(MergeState *state)
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
	meta_buffer = recent_read(index->relation, META_BLOCK);
	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
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

/* ------------------------------------------------------------------ neighbours */

/* Reads the value of a vertex of the batch and prepares it as a query. */
static const void *
prepare_vertex(MergeState *state, const MergeVertex *vertex)
{
	HnswIndex *index = state->index;

	hnsw_copy_value(index, vertex->vertex, state->encoded);
	return space_prepare_query(hnsw_copy_space(index), state->encoded, state->query);
}

/* Candidates for the links of a vertex, nearest first */
typedef struct Candidates
{
	uint32 *vertices;
	float *keys;
	int n;
} Candidates;

/*
 * Copies candidates for a vertex's links in a layer from the pool.  `check`:
 * only those that may be linked to; in layer 0, where all that is near is
 * deleted, the search then goes on farther away: there is a live vertex, since
 * the entry point is one.
 */
static void
find_candidates(MergeState *state, const MergeVertex *vertex, int layer, bool check,
				Candidates *candidates)
{
	HnswSearch *search = &state->search;
	Pool *pool = &search->pool;

	for (;;)
	{
		int ef = 2 * pool->capacity;
		PoolEntry nearest;

		candidates->vertices =
			palloc_extended(sizeof(uint32) * Max(pool->size, 1), MCXT_ALLOC_HUGE);
		candidates->keys = palloc_extended(sizeof(float) * Max(pool->size, 1), MCXT_ALLOC_HUGE);
		candidates->n = 0;
		for (int i = 0; i < pool->size; i++)
		{
			uint32 candidate = POOL_ID(pool->entries[i]);

			if (candidate == vertex->vertex ||
				(check && !hnsw_is_linkable(state->index, candidate, layer)))
				continue;
			candidates->vertices[candidates->n] = candidate;
			candidates->keys[candidates->n++] = pool->entries[i].key;
		}
		if (!check || candidates->n > 0 || layer > 0 || pool->size < pool->capacity)
			return;
		nearest = pool->entries[0];
		nearest.id = POOL_ID(nearest);
		hnsw_search_begin(search, search->query, ef, &nearest, 1);
		hnsw_search_layer(search, layer, ef);
	}
}

/*
 * If one of the nearest vertices found holds the very same value, the row
 * joins it.  Equal values have the smallest key of all in every space but the
 * inner product, where a missed one merely becomes a vertex of its own.  So
 * does every one in a batch that a merge cut short has worked on: somebody may
 * link to it already.
 */
static bool
join_equal_vertex(MergeState *state, MergeVertex *pending)
{
	HnswIndex *index = state->index;
	Pool *pool = &state->search.pool;

	if (state->relinking)
		return false;
	for (int i = 0; i < pool->size && pool->entries[i].key <= pool->entries[0].key; i++)
	{
		uint32 vertex = POOL_ID(pool->entries[i]);
		const void **value;

		if (vertex == pending->vertex)
			continue;
		value = hnsw_copy_values(index, &vertex, 1);
		if (memcmp(value[0], state->encoded, hnsw_copy_size(index)) == 0 &&
			hnsw_join_equal(index, vertex, pending->vertex))
			return true;
	}
	return false;
}

/* Chooses a vertex's neighbours in a layer from candidates. */
static void
select_neighbors(MergeState *state, MergeVertex *vertex, int layer, const Candidates *candidates)
{
	HnswIndex *index = state->index;
	int limit = HNSW_SELECTED_LINKS(index->meta.m, layer);
	int n = candidates->n;
	int *kept = palloc_extended(sizeof(int) * Max(n, 1), MCXT_ALLOC_HUGE);
	int nkept;

	hnsw_graph_distance(&state->distance, hnsw_copy_space(index));
	nkept = graph_select_neighbors(
		&state->distance, hnsw_copy_values(index, candidates->vertices, n), candidates->keys, n,
		limit, false, state->scratch, kept, &state->search.distances);
	vertex->nlinks[layer] = Min(limit, n);
	vertex->links[layer] = MemoryContextAlloc(state->context, Max(limit, 1) * sizeof(uint32));
	for (int i = 0; i < nkept; i++)
		vertex->links[layer][i] = candidates->vertices[kept[i]];
	vertex->ndiverse[layer] = nkept;
	for (int i = 0, next = 0, at = nkept; i < n && at < limit; i++)
	{
		if (next < nkept && kept[next] == i)
			next++;
		else
			vertex->links[layer][at++] = candidates->vertices[i];
	}
}

/* May a vertex link to all the neighbours chosen for it in a layer, and are there any? */
static bool
are_linkable(MergeState *state, const MergeVertex *vertex, int layer)
{
	for (int i = 0; i < vertex->nlinks[layer]; i++)
	{
		if (!hnsw_is_linkable(state->index, vertex->links[layer][i], layer))
			return false;
	}
	return vertex->nlinks[layer] > 0;
}

/*
 * Chooses a vertex's neighbours in a layer from what the pool holds.  Few
 * candidates are deleted: only those chosen are looked at, and if there is one
 * among them the choice is made again with all of them looked at.
 */
static void
choose_neighbors(MergeState *state, MergeVertex *vertex, int layer)
{
	Candidates candidates;

	find_candidates(state, vertex, layer, false, &candidates);
	select_neighbors(state, vertex, layer, &candidates);
	if (are_linkable(state, vertex, layer))
		return;
	find_candidates(state, vertex, layer, true, &candidates);
	select_neighbors(state, vertex, layer, &candidates);
}

/* Searches layer 0 from where the pool's entries are and chooses neighbours there. */
static void
find_base_neighbors(MergeState *state, MergeVertex *vertex)
{
	hnsw_search_layer(&state->search, 0, state->index->meta.ef_construction);
	if (join_equal_vertex(state, vertex))
		vertex->fate = MERGE_FINISHED;
	else
		choose_neighbors(state, vertex, 0);
}

/* Finds the neighbours of a vertex in every layer it is in. */
static void
find_neighbors(MergeState *state, MergeVertex *vertex)
{
	HnswIndex *index = state->index;
	HnswSearch *search = &state->search;
	int top = index->meta.entry_level;
	int candidates = HNSW_CANDIDATES(index->meta.ef_construction);
	const void *query = prepare_vertex(state, vertex);
	PoolEntry nearest;

	hnsw_search_start(search, query, 1);
	hnsw_search_descend(search, top, vertex->level + 1);
	nearest = search->pool.entries[0];
	nearest.id = POOL_ID(nearest);
	hnsw_search_begin(search, query, candidates, &nearest, 1);
	for (int layer = Min(top, vertex->level); layer > 0; layer--)
	{
		hnsw_search_layer(search, layer, index->meta.ef_construction);
		choose_neighbors(state, vertex, layer);
		hnsw_search_restart(search);
	}
	find_base_neighbors(state, vertex);
}

/* Takes over the links that a merge cut short has given a vertex. */
static void
read_own_links(MergeState *state, MergeVertex *vertex)
{
	const HnswOverlay *overlay = state->search.overlay;

	state->search.overlay = NULL;
	for (int layer = 0; layer <= vertex->level; layer++)
	{
		int n = hnsw_read_links(&state->search, vertex->vertex, layer);

		vertex->nlinks[layer] = n;
		vertex->ndiverse[layer] = n;
		vertex->links[layer] = MemoryContextAlloc(state->context, Max(n, 1) * sizeof(uint32));
		memcpy(vertex->links[layer], state->search.links, n * sizeof(uint32));
	}
	state->search.overlay = overlay;
}

/* Finds or reads the neighbours of vertex number `number`, which has a home if its level is 0. */
static void
choose_links(MergeState *state, int number)
{
	MergeVertex *vertex = &state->vertices[number];
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	if (vertex->fate != MERGE_LINK && vertex->fate != MERGE_RELINK)
		return;
	vertex->links = palloc0((vertex->level + 1) * sizeof(uint32 *));
	vertex->nlinks = palloc0((vertex->level + 1) * sizeof(int));
	vertex->ndiverse = palloc0((vertex->level + 1) * sizeof(int));
	old = MemoryContextSwitchTo(state->step);
	if (vertex->fate == MERGE_RELINK)
		read_own_links(state, vertex);
	else if (vertex->level > 0)
		find_neighbors(state, vertex);
	else
	{
		hnsw_search_begin(&state->search, prepare_vertex(state, vertex),
						  HNSW_CANDIDATES(state->index->meta.ef_construction), &vertex->home, 1);
		find_base_neighbors(state, vertex);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->step);
	if (vertex->fate != MERGE_FINISHED)
		overlay_add(state, number);
}

/* Finds where in layer 0 the search for a vertex's neighbours begins. */
static void
find_home(MergeState *state, MergeVertex *vertex)
{
	CHECK_FOR_INTERRUPTS();
	hnsw_search_start(&state->search, prepare_vertex(state, vertex), 1);
	hnsw_search_descend(&state->search, state->index->meta.entry_level, 1);
	vertex->home = state->search.pool.entries[0];
	vertex->home.id = POOL_ID(vertex->home);
}

static int
compare_levels(const void *a, const void *b)
{
	return ((const MergeVertex *) b)->level - ((const MergeVertex *) a)->level;
}

static int
compare_homes(const void *a, const void *b)
{
	uint32 left = ((const MergeVertex *) a)->home.id;
	uint32 right = ((const MergeVertex *) b)->home.id;

	return left < right ? -1 : left > right;
}

/*
 * Chooses the links of the whole batch: vertices of upper layers first, the
 * others in the order of their homes, so that those that read the same pages
 * follow each other.
 */
static void
choose_all_links(MergeState *state)
{
	int n = state->nvertices;
	int nupper = 0;

	qsort(state->vertices, n, sizeof(MergeVertex), compare_levels);
	while (nupper < n && state->vertices[nupper].level > 0)
		nupper++;
	for (int i = 0; i < nupper; i++)
		choose_links(state, i);
	for (int i = nupper; i < n; i++)
	{
		if (state->vertices[i].fate == MERGE_LINK)
			find_home(state, &state->vertices[i]);
	}
	qsort(state->vertices + nupper, n - nupper, sizeof(MergeVertex), compare_homes);
	for (int i = nupper; i < n; i++)
		choose_links(state, i);
}

/* ------------------------------------------------------------------ writing */

static int
compare_vertices(const void *a, const void *b)
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

	if (vertex->nlinks[0] > 0)
		memcpy(hnsw_vertex_links(index, record), vertex->links[0],
			   vertex->nlinks[0] * sizeof(uint32));
	record->nlinks = vertex->nlinks[0];
	record->upper = vertex->upper;
}

/*
 * Writes the own links of the batch, which is ordered by vertex, several pages
 * at a time.  The vertices stay pending.
 */
static void
write_all_own_links(MergeState *state)
{
	HnswIndex *index = state->index;
	int i = 0;

	for (;;)
	{
		PageChange change;
		BlockNumber blkno = InvalidBlockNumber;
		Page page = NULL;

		CHECK_FOR_INTERRUPTS();
		while (i < state->nvertices && state->vertices[i].fate != MERGE_LINK)
			i++;
		if (i == state->nvertices)
			return;
		page_change_begin(&change, index->relation, index->building);
		for (; i < state->nvertices; i++)
		{
			MergeVertex *vertex = &state->vertices[i];

			if (vertex->fate != MERGE_LINK)
				continue;
			if (hnsw_block(index, vertex->vertex) != blkno)
			{
				Buffer buffer;

				if (change.nbuffers == MAX_GENERIC_XLOG_PAGES)
					break;
				blkno = hnsw_block(index, vertex->vertex);
				buffer = recent_read(index->relation, blkno);
				LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
				page = page_change_page(&change, buffer, false);
			}
			write_own_links(index, page, vertex);
		}
		page_change_finish(&change);
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

/* Makes a vertex that is none of its neighbours its anchor, and the first of them. */
static void
add_anchor(HnswIndex *index, MergeVertex *vertex, uint32 anchor)
{
	PageChange change;
	Buffer buffer;
	uint32 *links;
	HnswVertex record = hnsw_pin_vertex(index, vertex->vertex, BUFFER_LOCK_EXCLUSIVE, &buffer);

	page_change_begin(&change, index->relation, index->building);
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), vertex->vertex);
	links = hnsw_vertex_links(index, record);
	if (record->nlinks < HNSW_LAYER_LINKS(index->meta.m, 0))
		links[record->nlinks++] = links[0];
	links[0] = anchor;
	page_change_finish(&change);
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
		if (host == vertex->vertex || hnsw_vertex_has(index, host, HNSW_VERTEX_FREE))
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
static void
write_links_back(MergeState *state)
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
static void
update_entry(MergeState *state)
{
	HnswIndex *index = state->index;
	MergeVertex *highest = NULL;
	Buffer buffer;
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
	buffer = recent_read(index->relation, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	if (highest->level > meta->entry_level)
	{
		meta->entry = highest->vertex;
		meta->entry_level = highest->level;
	}
	index->meta = *meta;
	page_change_finish(&change);
}

/* Ends the pending state of the batch's vertices on a page that is being changed. */
static void
finish_vertices(MergeState *state, BlockNumber blkno, Page page)
{
	HnswIndex *index = state->index;
	int slots = index->meta.slots_per_page;

	for (int slot = 0; slot < slots; slot++)
	{
		MergeVertex wanted = {.vertex = blkno * slots + slot};
		MergeVertex *vertex = bsearch(&wanted, state->vertices, state->nvertices,
									  sizeof(MergeVertex), compare_vertices);
		HnswVertex record;

		if (vertex == NULL || vertex->fate == MERGE_FINISHED)
			continue;
		record = hnsw_page_vertex(index, page, vertex->vertex);
		record->flags &= ~HNSW_VERTEX_UNLINKED;
		if (vertex->fate == MERGE_EMPTY)
			record->flags |= HNSW_VERTEX_DELETED;
	}
}

/*
 * Takes a page out of the chain if it is its head and has no pending vertex
 * left.  The tail stays.  A page that is not the head, because another merge is
 * still at work on those before it, leaves the chain after them.
 */
static void
leave_chain(HnswIndex *index, HnswMeta *meta, BlockNumber blkno, Page page)
{
	PageSpecial special = PageGetSpecial(page);
	uint8 flags = 0;

	for (int slot = 0; slot < page_slots(page, meta->slots_per_page); slot++)
		flags |= ((HnswVertex) page_slot(page, meta->slot_size, slot))->flags;
	if (meta->pending != blkno || (special->flags & PAGE_TAIL) != 0 ||
		(flags & HNSW_VERTEX_UNLINKED) != 0)
		return;
	meta->pending = special->next;
	meta->pending_ordinal = special->ordinal + 1;
	special->ordinal = 0;
	if ((flags & HNSW_VERTEX_FREE) != 0)
	{
		special->next = meta->free_slots;
		meta->free_slots = blkno;
	}
	else
	{
		special->next = InvalidBlockNumber;
		special->flags &= ~PAGE_CHAINED;
	}
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber left = *(const BlockNumber *) a;
	BlockNumber right = *(const BlockNumber *) b;

	return left < right ? -1 : left > right;
}

/* Ends the pending state of n pages, as one record; they leave the chain if they can. */
static void
retire_pages(MergeState *state, const BlockNumber *pages, int n)
{
	HnswIndex *index = state->index;
	BlockNumber ascending[RETIRE_PAGES];
	Page copies[RETIRE_PAGES] = {NULL};
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	PageChange change;
	HnswMeta *meta;

	memcpy(ascending, pages, n * sizeof(BlockNumber));
	qsort(ascending, n, sizeof(BlockNumber), compare_blocks);
	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	for (int i = 0; i < n; i++)
	{
		Buffer buffer = recent_read(index->relation, ascending[i]);

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		copies[i] = page_change_page(&change, buffer, false);
	}
	for (int i = 0; i < n; i++)
	{
		int at = 0;

		while (ascending[at] != pages[i])
			at++;
		finish_vertices(state, pages[i], copies[at]);
		leave_chain(index, meta, pages[i], copies[at]);
	}
	index->meta = *meta;
	page_change_finish(&change);
}

/* Has the head of the chain, unless it is the tail, no pending vertex?  Then *blkno is set. */
static bool
find_idle_head(HnswIndex *index, BlockNumber *blkno)
{
	Buffer buffer;
	Page page;
	uint8 flags = 0;
	bool idle;

	hnsw_read_meta(index);
	*blkno = index->meta.pending;
	if (*blkno == InvalidBlockNumber)
		return false;
	buffer = recent_read(index->relation, *blkno);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	idle = page_is(page, PAGE_SLOTS) && (PageGetSpecial(page)->flags & PAGE_TAIL) == 0 &&
		   PageGetSpecial(page)->ordinal == index->meta.pending_ordinal;
	for (int slot = 0; idle && slot < page_slots(page, index->meta.slots_per_page); slot++)
		flags |= ((HnswVertex) page_slot(page, index->meta.slot_size, slot))->flags;
	UnlockReleaseBuffer(buffer);
	return idle && (flags & HNSW_VERTEX_UNLINKED) == 0;
}

/*
 * Ends the pending state of the batch, and takes pages out of the chain that
 * another merge has done with before this one did with those ahead of them.
 */
static void
retire_batch(MergeState *state)
{
	BlockNumber head;

	for (int i = 0; i < state->npages; i += RETIRE_PAGES)
	{
		CHECK_FOR_INTERRUPTS();
		retire_pages(state, &state->pages[i], Min(RETIRE_PAGES, state->npages - i));
	}
	while (find_idle_head(state->index, &head))
	{
		CHECK_FOR_INTERRUPTS();
		retire_pages(state, &head, 1);
	}
}

/* ------------------------------------------------------------------ merge */

static void
merge_init(MergeState *state, HnswIndex *index)
{
	memset(state, 0, sizeof(*state));
	state->index = index;
	state->context =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw merge batch", ALLOCSET_DEFAULT_SIZES);
	state->step =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw merge vertex", ALLOCSET_DEFAULT_SIZES);
	state->encoded = palloc(Max(index->space.encoded_size, 1));
	state->query = palloc(Max(hnsw_copy_query_size(index), 1));
	state->scratch = palloc(Max(hnsw_copy_query_size(index), 1));
	hnsw_search_init(&state->search, index, CurrentMemoryContext, index->meta.ef_construction,
					 HNSW_SEARCH_LINKS);
	state->search.overlay = &state->overlay;
}

/* Merges the claimed pages of the chain. */
static void
merge_batch(MergeState *state)
{
	MemoryContext old = MemoryContextSwitchTo(state->context);

	state->relinking = state->claim.first < state->index->meta.cut_end;
	collect_batch(state);
	/* again: to know whether any of these has a value that does not fit the stored element */
	hnsw_read_meta(state->index);

	state->overlay.nodes = overlay_create(state->context, state->nvertices * 8 + 64, NULL);
	state->overlay.capacity = 64 + state->nvertices * 4;
	state->overlay.links =
		palloc_extended(state->overlay.capacity * sizeof(OverlayLink), MCXT_ALLOC_HUGE);
	state->overlay.nlinks = 0;
	state->overlay.batch = state->vertices;
	hnsw_replace_deleted_entry(state->index);
	if (state->index->meta.entry == HNSW_NO_VERTEX)
		make_first(state);
	if (state->index->meta.entry != HNSW_NO_VERTEX)
		choose_all_links(state);
	qsort(state->vertices, state->nvertices, sizeof(MergeVertex), compare_vertices);
	for (int i = 0; i < state->nvertices; i++)
	{
		if (state->vertices[i].fate == MERGE_LINK && state->vertices[i].level > 0 &&
			!ItemPointerIsValid(&state->vertices[i].upper))
			write_upper(state, &state->vertices[i]);
	}
	write_all_own_links(state);
	write_links_back(state);
	update_entry(state);
	retire_batch(state);
	release_claim(state);
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

/* Merges what is pending now and no other merge works on. */
static void
merge_chain(HnswIndex *index, int lane, bool alone)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw merge", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	MergeState *state = palloc(sizeof(MergeState));
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	uint32 last;

	LockBuffer(meta_buffer, BUFFER_LOCK_SHARE);
	last = tail_ordinal(index, (HnswMeta *) PageGetContents(BufferGetPage(meta_buffer)));
	UnlockReleaseBuffer(meta_buffer);
	hnsw_read_meta(index);
	merge_init(state, index);
	state->lane = lane;
	state->alone = alone;
	while (claim_pages(state, last))
	{
		merge_batch(state);
		if (state->claim.end > last)
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * Links pending vertices.  With `wait`, all that are pending when this is
 * called, alone; that is what vacuum needs.  Else those that no other merge
 * works on; false, with nothing done, if as many merges as there may be are
 * under way.
 *
 * A merge holds a heavyweight lock on the page of its number: two merges may be
 * at work on different pages of the chain.  Whoever holds all the locks is
 * alone.  Nobody waits for one of them while he holds a higher one.
 */
bool
hnsw_merge_pending(HnswIndex *index, bool wait)
{
	int lane = 0;

	if (wait)
	{
		for (int i = 0; i < HNSW_MERGES; i++)
			LockPage(index->relation, i, ExclusiveLock);
	}
	else
	{
		while (lane < HNSW_MERGES && !ConditionalLockPage(index->relation, lane, ExclusiveLock))
			lane++;
		if (lane == HNSW_MERGES)
			return false;
	}
	hnsw_read_meta(index);
	if (index->meta.pending != InvalidBlockNumber)
		merge_chain(index, lane, wait);
	for (int i = 0; wait && i < HNSW_MERGES; i++)
		UnlockPage(index->relation, i, ExclusiveLock);
	if (!wait)
		UnlockPage(index->relation, lane, ExclusiveLock);
	return true;
}

/* Waits for the end of a merge that is under way; index->meta is up to date then. */
void
hnsw_await_merge(HnswIndex *index)
{
	LockPage(index->relation, 0, ExclusiveLock);
	UnlockPage(index->relation, 0, ExclusiveLock);
	hnsw_read_meta(index);
}
