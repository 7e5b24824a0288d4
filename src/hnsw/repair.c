/*-------------------------------------------------------------------------
 *
 * repair.c
 *	  Choosing links anew where they lead to deleted vertices.
 *
 * A vertex gets its links from its other neighbours and from the neighbours of
 * the deleted ones, by the heuristic that chose them first.  No lock is held
 * meanwhile; the list is written if it has not changed.  README, "Vacuum".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/repair.h"
#include "storage/recent.h"

/*
 * How often links are chosen again because an insert has changed the list in
 * between; then deleted vertices are merely left out of it.
 */
#define MAX_REPAIR_TRIES 4

/*
 * Of the candidates for a vertex's links so many, the nearest, are expanded for
 * nearer ones.  With all of ef_construction recall was no better.
 */
#define REPAIR_EXPANSIONS(index) ((index)->meta.m)

/* Of n links so many have to be lost for far candidates to be looked for */
#define MIN_THINNED(n) (((n) + 3) / 4)

Buffer
repair_read_page(Repair *repair, BlockNumber blkno)
{
	vacuum_delay_point_compat();
	return ReadBufferExtended(repair->index->relation, MAIN_FORKNUM, blkno, RBM_NORMAL,
							  repair->strategy);
}

void
repair_copy_page(Repair *repair, BlockNumber blkno, PGAlignedBlock *copy)
{
	Buffer buffer = repair_read_page(repair, blkno);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(copy->data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
}

static bool
has_dead(const Repair *repair, const uint32 *links, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (is_dead(repair, links[i]))
			return true;
	}
	return false;
}

/* Copies the links that are not to deleted vertices; returns their number. */
static int
copy_live(const Repair *repair, const uint32 *links, int n, uint32 *live)
{
	int nlive = 0;

	for (int i = 0; i < n; i++)
	{
		if (!is_dead(repair, links[i]))
			live[nlive++] = links[i];
	}
	return nlive;
}

void
repair_set_query(Repair *repair, uint32 vertex)
{
	const void **value = hnsw_copy_values(repair->index, &vertex, 1);

	repair->search.query =
		space_prepare_query(hnsw_copy_space(repair->index), value[0], repair->query);
}

/*
 * The neighbours that are left, and the neighbours of those that are deleted,
 * without the vertex itself, each once.
 */
static void
gather(Repair *repair, uint32 vertex, int layer, const uint32 *links, int nlinks,
	   HnswCandidates *candidates)
{
	HnswSearch *search = &repair->search;
	int limit = HNSW_LAYER_LINKS(repair->index->meta.m, layer);
	int nlive;

	candidates->vertices = palloc(sizeof(uint32) * ((Size) limit * nlinks + nlinks));
	nlive = copy_live(repair, links, nlinks, candidates->vertices);
	candidates->n = nlive;
	hnsw_search_forget(search, (limit + 1) * nlinks + 1);
	visited_add(&search->visited, vertex);
	for (int i = 0; i < nlive; i++)
		visited_add(&search->visited, candidates->vertices[i]);
	for (int i = 0; i < nlinks; i++)
	{
		int n;

		if (!is_dead(repair, links[i]))
			continue;
		n = hnsw_read_links(search, links[i], layer);
		for (int j = 0; j < n; j++)
		{
			if (!is_dead(repair, search->links[j]) &&
				visited_add(&search->visited, search->links[j]))
				candidates->vertices[candidates->n++] = search->links[j];
		}
	}
}

/*
 * Scores the candidates, looks around the nearest of them for nearer ones, and
 * keeps the nearest of all that may be linked to.
 */
static void
rank(Repair *repair, uint32 vertex, int layer, HnswCandidates *candidates)
{
	HnswIndex *index = repair->index;
	HnswSearch *search = &repair->search;
	Pool *pool = &search->pool;
	PoolEntry dropped;

	hnsw_search_set_ef(search, HNSW_CANDIDATES(index->meta.ef_construction));
	for (int done = 0; done < candidates->n; done += HNSW_MAX_LINKS)
	{
		int batch = Min(candidates->n - done, HNSW_MAX_LINKS);

		hnsw_score(search, candidates->vertices + done, batch);
		for (int i = 0; i < batch; i++)
		{
			if (search->keys[i] == search->keys[i])
				pool_insert(pool, search->keys[i], candidates->vertices[done + i], &dropped);
		}
	}
	hnsw_search_layer(search, layer, REPAIR_EXPANSIONS(index));
	repair_collect(repair, vertex, layer, candidates);
}

bool
repair_collect(Repair *repair, uint32 vertex, int layer, HnswCandidates *candidates)
{
	const Pool *pool = &repair->search.pool;

	hnsw_candidates_init(candidates, pool->size);
	hnsw_candidates_add(&repair->search, candidates, vertex, layer, true, pool->entries,
						pool->size);
	return pool->size < pool->capacity;
}

void
repair_search(Repair *repair, uint32 vertex, int layer, HnswCandidates *candidates)
{
	HnswIndex *index = repair->index;
	HnswSearch *search = &repair->search;
	int ef = HNSW_CANDIDATES(index->meta.ef_construction);
	bool all;

	for (;; ef *= 2)
	{
		hnsw_search_start(search, search->query, ef);
		for (int above = index->meta.entry_level; above >= layer; above--)
		{
			hnsw_search_layer(search, above, above > layer ? 1 : ef);
			hnsw_search_restart(search);
		}
		all = repair_collect(repair, vertex, layer, candidates);
		if (candidates->n > 0 || all)
			return;
	}
}

/*
 * Keeps the rule of anchors (link.c) for links chosen anew in layer 0.  The
 * first link is to the vertex's anchor or, where that is gone, to the nearest
 * of those chosen whose anchor is another vertex; and the vertex goes on linking
 * to those whose anchor it is, in place of the farthest others.  Returns the
 * number of links: `most`, or more if there are as many that stay.
 */
static int
keep_anchors(Repair *repair, uint32 vertex, const uint32 *links, int nlinks, uint32 *chosen, int n,
			 int most)
{
	HnswIndex *index = repair->index;
	uint32 *kept = palloc(sizeof(uint32) * (nlinks + most + 1));
	int nkept = 1;

	kept[0] = nlinks > 0 && !is_dead(repair, links[0]) ? links[0] : HNSW_NO_VERTEX;
	for (int i = 0; i < nlinks; i++)
	{
		if (!is_dead(repair, links[i]) && links[i] != kept[0] &&
			hnsw_anchor_of(index, links[i]) == vertex)
			kept[nkept++] = links[i];
	}
	for (int i = 0; i < n && kept[0] == HNSW_NO_VERTEX; i++)
	{
		if (!hnsw_contains(kept + 1, nkept - 1, chosen[i]))
			kept[0] = chosen[i];
	}
	if (kept[0] == HNSW_NO_VERTEX)
		memmove(kept, kept + 1, --nkept * sizeof(uint32));
	for (int i = 0; i < n && nkept < most; i++)
	{
		if (!hnsw_contains(kept, nkept, chosen[i]))
			kept[nkept++] = chosen[i];
	}
	nkept = Min(nkept, HNSW_LAYER_LINKS(index->meta.m, 0));
	memcpy(chosen, kept, nkept * sizeof(uint32));
	return nkept;
}

/*
 * Marks the candidates that are to be linked to: those that the vertex links to already, those
 * that the heuristic has kept, as far as there is room, and the nearest others up to `most`.
 * nlive: links it has, if there were no candidates; they are among these or not.
 */
static void
mark_chosen(const HnswCandidates *candidates, const uint32 *live, int nlive, const int *kept,
			int nkept, int most, int limit, bool *chosen)
{
	int n = nlive;

	for (int i = 0; i < candidates->n; i++)
		chosen[i] = hnsw_contains(live, nlive, candidates->vertices[i]);
	for (int i = 0; i < nkept && n < limit; i++)
	{
		n += !chosen[kept[i]];
		chosen[kept[i]] = true;
	}
	for (int i = 0; i < candidates->n && n < most; i++)
	{
		n += !chosen[i];
		chosen[i] = true;
	}
}

/*
 * Puts into links[] what is to be linked to: of the candidates, ascending, those that are
 * chosen, and then the links that the vertex has and the candidates do not.  Returns how many.
 */
static int
copy_chosen(const HnswCandidates *candidates, const bool *chosen, const uint32 *live, int nlive,
			int limit, uint32 *links)
{
	int n = 0;

	for (int i = 0; i < candidates->n && n < limit; i++)
	{
		if (chosen[i])
			links[n++] = candidates->vertices[i];
	}
	for (int i = 0; i < nlive && n < limit; i++)
	{
		if (!hnsw_contains(links, n, live[i]))
			links[n++] = live[i];
	}
	return n;
}

/*
 * Completes the links that a vertex has left in a layer: by those that the heuristic keeps of
 * the candidates, and the nearest others, until it has as many as a new vertex gets.  What is
 * left stays, whatever the heuristic thinks of it: among them are links to other clusters,
 * which were made when there were few vertices and which nothing else would make again.
 * links[]: in ascending order, room for the layer's limit; returns their number.
 */
static int
complete_links(Repair *repair, uint32 vertex, int layer, const uint32 *old, int nold,
			   const HnswCandidates *candidates, const int *kept, int nkept, uint32 *links)
{
	int limit = HNSW_LAYER_LINKS(repair->index->meta.m, layer);
	int most = HNSW_SELECTED_LINKS(repair->index->meta.m, layer);
	bool *chosen = palloc(sizeof(bool) * Max(candidates->n, 1));
	uint32 *live = palloc(sizeof(uint32) * Max(nold, 1));
	int nlive = copy_live(repair, old, nold, live);
	int n;

	mark_chosen(candidates, live, nlive, kept, nkept, most, limit, chosen);
	n = copy_chosen(candidates, chosen, live, nlive, limit, links);
	return n;
}

/*
 * Adds candidates farther away, for a vertex that has lost so many links that what is left
 * of its cluster, if anything, may hang together with the others by far fewer.
 */
static void
add_far_candidates(Repair *repair, uint32 vertex, HnswCandidates *candidates)
{
	const Pool *pool = &repair->search.pool;
	HnswCandidates near = *candidates;

	hnsw_find_far(&repair->search, repair->search.query, 2 * HNSW_FAR_CANDIDATES);
	hnsw_candidates_init(candidates, near.n + pool->size);
	candidates->n = near.n;
	memcpy(candidates->vertices, near.vertices, near.n * sizeof(uint32));
	memcpy(candidates->keys, near.keys, near.n * sizeof(float));
	hnsw_candidates_add(&repair->search, candidates, vertex, 0, true, pool->entries, pool->size);
}

/* Has a list lost so many links that far candidates are wanted? */
static bool
is_thinned(const Repair *repair, const uint32 *links, int n)
{
	int ndead = 0;

	for (int i = 0; i < n; i++)
		ndead += is_dead(repair, links[i]);
	return ndead >= MIN_THINNED(n);
}

/*
 * Chooses links of a vertex in a layer in place of those that led to deleted vertices;
 * `chosen` has room for the layer's limit.  Returns the number of all its links.
 */
static int
choose_links(Repair *repair, uint32 vertex, int layer, const uint32 *links, int nlinks,
			 uint32 *chosen)
{
	HnswIndex *index = repair->index;
	MemoryContext old = MemoryContextSwitchTo(repair->step);
	int most = HNSW_SELECTED_LINKS(index->meta.m, layer);
	HnswCandidates candidates;
	const void **values;
	uint32 *diverse;
	int *kept;
	int ndiverse;
	int nkept;

	CHECK_FOR_INTERRUPTS();
	repair_set_query(repair, vertex);
	gather(repair, vertex, layer, links, nlinks, &candidates);
	rank(repair, vertex, layer, &candidates);
	if (candidates.n < (nlinks + 1) / 2)
		repair_search(repair, vertex, layer, &candidates);
	if (layer == 0 && is_thinned(repair, links, nlinks))
		add_far_candidates(repair, vertex, &candidates);
	values = hnsw_copy_values(index, candidates.vertices, candidates.n);
	kept = palloc(sizeof(int) * Max(most, 1));
	hnsw_graph_distance(&repair->distance, hnsw_copy_space(index));
	ndiverse =
		graph_select_neighbors(&repair->distance, values, candidates.keys, candidates.n, most,
							   false, repair->scratch, kept, &repair->search.distances);
	diverse = palloc(sizeof(uint32) * Max(ndiverse, 1));
	for (int i = 0; i < ndiverse; i++)
		diverse[i] = candidates.vertices[kept[i]];
	nkept =
		complete_links(repair, vertex, layer, links, nlinks, &candidates, kept, ndiverse, chosen);
	if (layer == 0)
		nkept = keep_anchors(repair, vertex, links, nlinks, chosen, nkept, nkept);
	repair_ask_back(repair, vertex, layer, links, nlinks, chosen, nkept, diverse, ndiverse);
	MemoryContextSwitchTo(old);
	MemoryContextReset(repair->step);
	return nkept;
}

/*
 * Repairs the links of a vertex in a layer above 0.  They are chosen without a
 * lock and written if the list is still the one they were chosen for.
 */
static void
repair_upper_list(Repair *repair, uint32 vertex, ItemPointerData item, int layer)
{
	HnswIndex *index = repair->index;
	uint32 seen[HNSW_MAX_M];
	uint32 chosen[HNSW_MAX_M];
	int nseen = -1;
	int nchosen = 0;

	for (int tries = 0;; tries++)
	{
		Buffer buffer;
		HnswUpper upper = hnsw_pin_upper(index, &item, BUFFER_LOCK_EXCLUSIVE, &buffer);
		uint32 *links;
		int n;

		if (upper == NULL)
			hnsw_report_bad_item(index, &item);
		if (layer > upper->level)
			hnsw_report_bad_item(index, &item);
		links = HNSW_UPPER_LINKS(upper, index->meta.m, layer);
		n = Min(upper->counts[layer - 1], index->meta.m);
		if (!has_dead(repair, links, n))
		{
			UnlockReleaseBuffer(buffer);
			return;
		}
		if (tries >= MAX_REPAIR_TRIES)
			nchosen = copy_live(repair, links, n, chosen);
		else if (n != nseen || memcmp(links, seen, n * sizeof(uint32)) != 0)
			nchosen = -1;
		if (nchosen >= 0)
		{
			PageChange change;
			Page page;

			page_change_begin(&change, index->relation, false);
			page = page_change_page(&change, buffer, false);
			upper = (HnswUpper) PageGetItem(page,
											PageGetItemId(page, ItemPointerGetOffsetNumber(&item)));
			memcpy(HNSW_UPPER_LINKS(upper, index->meta.m, layer), chosen, nchosen * sizeof(uint32));
			upper->counts[layer - 1] = nchosen;
			page_change_finish(&change);
			return;
		}
		memcpy(seen, links, n * sizeof(uint32));
		nseen = n;
		UnlockReleaseBuffer(buffer);
		nchosen = choose_links(repair, vertex, layer, seen, nseen, chosen);
	}
}

/* Chooses links for the vertices of a page, by a copy of it.  False: all may stay. */
static bool
plan_page(Repair *repair, Page copy, BlockNumber blkno, LinkPlan *plans)
{
	HnswIndex *index = repair->index;
	int capacity = index->meta.slots_per_page;
	int nslots = page_is(copy, PAGE_SLOTS) ? page_slots(copy, capacity) : 0;
	bool any = false;

	for (int slot = 0; slot < capacity; slot++)
		plans[slot].n = -1;
	for (int slot = 0; slot < nslots; slot++)
	{
		uint32 vertex = blkno * capacity + slot;
		HnswVertex record = hnsw_page_vertex(index, copy, vertex);
		uint32 *links = hnsw_vertex_links(index, record);

		hnsw_check_vertex(index, record, vertex);
		if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0 ||
			!has_dead(repair, links, record->nlinks))
			continue;
		plans[slot].n = choose_links(repair, vertex, 0, links, record->nlinks, plans[slot].links);
		any = true;
	}
	return any;
}

static bool
same_links(HnswIndex *index, HnswVertex a, HnswVertex b)
{
	return a->version == b->version && a->nlinks == b->nlinks &&
		   memcmp(hnsw_vertex_links(index, a), hnsw_vertex_links(index, b),
				  a->nlinks * sizeof(uint32)) == 0;
}

/* Gives new anchors to the vertices of a page that have lost theirs. */
static void
anchor_page(Repair *repair, Page copy, BlockNumber blkno, const LinkPlan *plans)
{
	HnswIndex *index = repair->index;
	int capacity = index->meta.slots_per_page;

	for (int slot = 0; slot < capacity; slot++)
	{
		HnswVertex record = hnsw_page_vertex(index, copy, blkno * capacity + slot);

		if (plans[slot].n >= 0 && record->nlinks > 0 &&
			is_dead(repair, hnsw_vertex_links(index, record)[0]))
			hnsw_anchor(index, blkno * capacity + slot);
	}
}

/*
 * Writes the planned links as one change, for vertices whose links are still
 * those of the copy; to the others, if `force`, those of their links that are
 * not to deleted vertices.  False: some vertex had changed.
 */
static bool
apply_plans(Repair *repair, Page copy, Buffer buffer, const LinkPlan *plans, bool force)
{
	HnswIndex *index = repair->index;
	BlockNumber blkno = BufferGetBlockNumber(buffer);
	bool done = true;
	PageChange change;
	Page page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	page = page_change_page(&change, buffer, false);
	for (int slot = 0; slot < index->meta.slots_per_page; slot++)
	{
		uint32 vertex = blkno * index->meta.slots_per_page + slot;
		HnswVertex record = hnsw_page_vertex(index, page, vertex);
		uint32 *links = hnsw_vertex_links(index, record);

		if (plans[slot].n < 0)
			continue;
		if (same_links(index, record, hnsw_page_vertex(index, copy, vertex)))
			hnsw_put_links(index, record, plans[slot].links, plans[slot].n);
		else if (force)
		{
			uint32 live[HNSW_MAX_LINKS];

			hnsw_put_links(index, record, live, copy_live(repair, links, record->nlinks, live));
		}
		else
			done = false;
	}
	page_change_finish(&change);
	anchor_page(repair, copy, blkno, plans);
	return done;
}

/* Repairs the links above layer 0 of the vertices of a page. */
static void
repair_upper_links(Repair *repair, Page copy, BlockNumber blkno)
{
	HnswIndex *index = repair->index;
	int capacity = index->meta.slots_per_page;
	int nslots = page_is(copy, PAGE_SLOTS) ? page_slots(copy, capacity) : 0;

	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(copy, index->meta.slot_size, slot);

		hnsw_check_vertex(index, record, blkno * capacity + slot);
		if ((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0 ||
			!ItemPointerIsValid(&record->upper))
			continue;
		for (int layer = 1; layer <= record->level; layer++)
			repair_upper_list(repair, blkno * capacity + slot, record->upper, layer);
	}
}

void
repair_page(Repair *repair, BlockNumber blkno, LinkPlan *plans)
{
	PGAlignedBlock copy;
	bool done = false;

	for (int tries = 0; !done; tries++)
	{
		Buffer buffer = repair_read_page(repair, blkno);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		memcpy(copy.data, BufferGetPage(buffer), BLCKSZ);
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (tries == 0)
			repair_upper_links(repair, copy.data, blkno);
		if (plan_page(repair, copy.data, blkno, plans))
			done = apply_plans(repair, copy.data, buffer, plans, tries >= MAX_REPAIR_TRIES);
		else
		{
			ReleaseBuffer(buffer);
			done = true;
		}
	}
}
