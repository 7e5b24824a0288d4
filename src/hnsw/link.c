/*-------------------------------------------------------------------------
 *
 * link.c
 *	  Links back to new vertices: changing the lists of their neighbours.
 *
 * A list with room takes the new link.  In a full one it takes the place of
 * the farthest link that a nearer one dominates (the rule of the heuristic,
 * graph_select.c, applied to a single link), or finds no place itself.
 *
 * The first link of a vertex in layer 0 is its anchor: the two link to each
 * other for good.  Neither the first link of a list nor a link to a vertex
 * whose anchor the list's owner is is ever given up, so every vertex stays
 * reachable.  README, "Anchors".
 *
 * What to write is computed on copies, without a lock; the lists of up to four
 * pages are then written as one WAL record, those that have changed meanwhile
 * are computed again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/byte_distance.h"
#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* How often lists are computed again because somebody else changed them */
#define MAX_LINK_TRIES 10

/* Pages of one record, and lists on them at most */
#define MAX_PAGES MAX_GENERIC_XLOG_PAGES
#define MAX_CHANGES 168

/* Links looked at, from the farthest on, for one that is dominated */
#define MAX_VICTIMS 8

#define DOMINATION_BATCH 4

/* Values read ahead */
#define READ_AHEAD 8

/* A list and what is to become of it */
typedef struct ListChange
{
	uint32 vertex;		  /* whose list */
	ItemPointerData item; /* where it is; invalid in layer 0 */
	BlockNumber blkno;	  /* of the page it is on */
	int nold;
	uint32 *old; /* as it was read */
	int n;
	uint32 *links;		 /* as it is to be */
	HnswVertex record;	 /* the header of its record and */
	char *codes;		 /* the codes, as read, if these are to help choose; else NULL */
	HnswLinkBack *first; /* the requests that concern it */
	int nbacks;
	bool written;
} ListChange;

/* Lists being changed together */
typedef struct Linker
{
	HnswIndex *index;
	int layer;
	int limit;
	HnswCoder *coder;	   /* NULL until it is needed, */
	MemoryContext coding;  /* and so is its memory, a child of */
	MemoryContext caller;  /* the caller's */
	MemoryContext context; /* of one record; reset after it */
	MemoryContext scratch; /* of one list */
	ListChange changes[MAX_CHANGES];
	int nchanges;
	BlockNumber pages[MAX_PAGES]; /* ascending */
	int npages;
} Linker;

/*
 * The neighbours of one vertex with what decides between them.  Values of those
 * that have a code are read only if need be: a list leads to as many pages as it
 * has links, and reading all of them took half of a merge's time.
 */
typedef struct Neighbors
{
	uint32 vertex;
	const void *base; /* its value */
	int n;			  /* in the list; position n is the newcomer's */
	uint32 *ids;
	const void **values; /* NULL: not read, there is a code */
	const char *codes;	 /* NULL: none of them has one */
	float *keys;		 /* distances to the vertex; those by codes are estimates */
	void *query;		 /* query form of the vertex, then of a neighbour */
} Neighbors;

/* GraphDistance callbacks over a SpaceContext */
static const void *
prepare_link_query(const void *context, const void *value, void *scratch)
{
	return space_prepare_query((const SpaceContext *) context, value, scratch);
}

static void
link_distances(const void *context, const void *query, const void *const *objects, int n,
			   float *keys)
{
	space_link_distances((const SpaceContext *) context, query, objects, n, keys);
}

/* The link distance of an index's space as the graph code of src/core wants it */
void
hnsw_graph_distance(GraphDistance *distance, const SpaceContext *space)
{
	distance->context = space;
	distance->query_size = space_query_size(space);
	distance->prepare_query = prepare_link_query;
	distance->distances = link_distances;
}

/* GraphDistance callbacks for bytes: these are compared as they are. */
static const void *
prepare_bytes(const void *context, const void *value, void *scratch)
{
	return value;
}

static void
distances_of_bytes(const void *context, const void *query, const void *const *objects, int n,
				   float *keys)
{
	byte_distances(query, objects, n, ((const SpaceContext *) context)->dim, keys);
}

/*
 * The same for the graph of a build, where keys are compared with each other
 * alone: whole numbers where the values are, which takes less time.
 */
void
hnsw_build_distance(GraphDistance *distance, const SpaceContext *space)
{
	hnsw_graph_distance(distance, space);
	if (space->space->element == SPACE_UINT8 && strcmp(space->space->name, "l2") == 0)
	{
		distance->query_size = 0;
		distance->prepare_query = prepare_bytes;
		distance->distances = distances_of_bytes;
	}
}

/*
 * The form in which values are copied to be compared with each other: as they
 * are stored, or, if some do not fit that, as the column has them.
 */
const SpaceContext *
hnsw_copy_space(const HnswIndex *index)
{
	return index->meta.has_wide ? &index->space.context : &index->space.stored;
}

Size
hnsw_copy_size(const HnswIndex *index)
{
	return index->meta.has_wide ? index->space.encoded_size : index->space.stored_size;
}

/* Room for the query form of such a value */
Size
hnsw_copy_query_size(const HnswIndex *index)
{
	return Max(space_query_size(&index->space.context), space_query_size(&index->space.stored));
}

/* Copies the value of a record the caller has pinned, in that form.  False: it has gone. */
static bool
copy_record_value(HnswIndex *index, HnswVertex record, char *copy)
{
	const void *value;

	if (index->meta.has_wide)
		return hnsw_read_value(index, record, copy);
	value = hnsw_read_stored(index, record, copy);
	if (value != copy)
		memcpy(copy, value, index->space.stored_size);
	return true;
}

/* Are two values in that form the same? */
bool
hnsw_is_same_copy(const HnswIndex *index, const void *a, const void *b)
{
	if (index_space_varies(&index->space))
		return a != NULL && index_space_equal(&index->space, a, b);
	return memcmp(a, b, hnsw_copy_size(index)) == 0;
}

/* Copies the value of a vertex in that form.  An error if it has none and that must not be. */
void
hnsw_copy_value(HnswIndex *index, uint32 vertex, char *copy)
{
	Buffer buffer = recent_read(index->relation, hnsw_block(index, vertex));
	bool found =
		copy_record_value(index, hnsw_page_vertex(index, BufferGetPage(buffer), vertex), copy);

	ReleaseBuffer(buffer);
	if (unlikely(!found && index_space_varies(&index->space)))
		damage_report(index->relation, "has no value of vertex %u", vertex);
}

/* Copies a value of varying size into memory of its own; NULL: it has gone. */
static const void *
copy_varying(HnswIndex *index, HnswVertex record, char *scratch)
{
	Size size;

	if (!copy_record_value(index, record, scratch))
		return NULL;
	size = index_space_size(&index->space, scratch);
	return memcpy(palloc(size), scratch, size);
}

/*
 * Copies the values of n vertices into memory of the current context.  NULL stands for one
 * of varying size that has gone: a function's distances take that.
 */
const void **
hnsw_copy_values(HnswIndex *index, const uint32 *vertices, int n)
{
	bool varies = index_space_varies(&index->space);
	Size stride = MAXALIGN(hnsw_copy_size(index));
	char *copies = palloc_extended(varies ? stride : stride * Max(n, 1), MCXT_ALLOC_HUGE);
	const void **values = palloc(sizeof(void *) * Max(n, 1));

	for (int i = 0; i < Min(READ_AHEAD, n); i++)
		hnsw_prefetch_vertex(index, vertices[i]);
	for (int i = 0; i < n; i++)
	{
		Buffer buffer;
		HnswVertex record;

		if (i + READ_AHEAD < n)
			hnsw_prefetch_vertex(index, vertices[i + READ_AHEAD]);
		buffer = recent_read(index->relation, hnsw_block(index, vertices[i]));
		record = hnsw_page_vertex(index, BufferGetPage(buffer), vertices[i]);
		if (varies)
			values[i] = copy_varying(index, record, copies);
		else
		{
			(void) copy_record_value(index, record, copies + stride * i);
			values[i] = copies + stride * i;
		}
		ReleaseBuffer(buffer);
	}
	if (varies)
		pfree(copies);
	return values;
}

/* Sets count and links to where they are in a page, the buffer's or a copy. */
static void
locate_links(Linker *linker, const ListChange *change, Page page, uint16 **count, uint32 **links)
{
	HnswIndex *index = linker->index;

	if (linker->layer == 0)
	{
		HnswVertex record = hnsw_page_vertex(index, page, change->vertex);

		*count = &record->nlinks;
		*links = hnsw_vertex_links(index, record);
	}
	else
	{
		ItemId id = PageGetItemId(page, ItemPointerGetOffsetNumber(&change->item));
		HnswUpper upper = (HnswUpper) PageGetItem(page, id);

		*count = &upper->counts[linker->layer - 1];
		*links = HNSW_UPPER_LINKS(upper, index->meta.m, linker->layer);
	}
}

/*
 * Copies the codes of a full list from its locked page, if there are newcomers for
 * which another link may have to be given up.
 */
static void
copy_codes(Linker *linker, ListChange *change, Page page)
{
	HnswIndex *index = linker->index;
	Size size = index->meta.codes_size;
	bool weak = true;

	for (int i = 0; i < change->nbacks; i++)
		weak &= change->first[i].weak;
	if (weak || linker->layer > 0 || size == 0 || change->n < linker->limit)
		return;
	change->record = palloc(sizeof(HnswVertexData));
	memcpy(change->record, hnsw_page_vertex(index, page, change->vertex), sizeof(HnswVertexData));
	change->codes = palloc(size);
	memcpy(change->codes, hnsw_vertex_codes(index, page, change->vertex), size);
}

/*
 * Copies the list of change->vertex.  False if it has none in this layer, or
 * is no vertex any more that should be linked from.
 */
static bool
read_list(Linker *linker, ListChange *change)
{
	HnswIndex *index = linker->index;
	uint16 *count;
	uint32 *links;
	Buffer buffer;
	HnswVertex record = hnsw_pin_vertex(index, change->vertex, BUFFER_LOCK_SHARE, &buffer);
	bool dead = (record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0;

	change->blkno = hnsw_block(index, change->vertex);
	ItemPointerSetInvalid(&change->item);
	if (linker->layer > 0)
	{
		HnswUpper upper;

		change->item = record->upper;
		UnlockReleaseBuffer(buffer);
		if (dead || !ItemPointerIsValid(&change->item))
			return false;
		change->blkno = ItemPointerGetBlockNumber(&change->item);
		upper = hnsw_pin_upper(index, &change->item, BUFFER_LOCK_SHARE, &buffer);
		if (upper == NULL)
			return false;
		dead = linker->layer > upper->level;
	}
	if (!dead)
	{
		locate_links(linker, change, BufferGetPage(buffer), &count, &links);
		change->nold = Min(*count, linker->limit);
		change->old = palloc(linker->limit * sizeof(uint32));
		change->links = palloc(linker->limit * sizeof(uint32));
		memcpy(change->old, links, change->nold * sizeof(uint32));
		memcpy(change->links, links, change->nold * sizeof(uint32));
		change->n = change->nold;
		copy_codes(linker, change, BufferGetPage(buffer));
	}
	UnlockReleaseBuffer(buffer);
	return !dead;
}

/*
 * Estimates how far the neighbours in a block of codes are from the coder's query,
 * to which the vertex has the given key.
 */
static void
estimate_block(Linker *linker, const Neighbors *neighbors, int block, float key, float *keys)
{
	Size block_size = rabitq_block_size(linker->index->meta.code_dim);
	float weights[RABITQ_LANES];

	hnsw_coder_estimate(linker->coder, neighbors->codes + block * block_size, key, keys, weights);
}

/* Makes the coder, unless there is one. */
static void
make_coder(Linker *linker)
{
	MemoryContext old;

	if (linker->coder != NULL)
		return;
	linker->coding =
		AllocSetContextCreate(linker->caller, "hnsw link codes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(linker->coding);
	linker->coder = hnsw_coder_create(linker->index);
	MemoryContextSwitchTo(old);
}

/*
 * Sets the keys of the neighbours that have codes, as estimates of the distance
 * from the vertex itself, whose query form is given.  What a code does not tell of
 * a direction does not matter there: only roundings are left.
 */
static void
estimate_keys(Linker *linker, Neighbors *neighbors, const void *query)
{
	const SpaceContext *space = hnsw_copy_space(linker->index);
	float keys[RABITQ_LANES];
	float own;

	make_coder(linker);
	hnsw_coder_query(linker->coder, query);
	space_link_distances(space, query, &neighbors->base, 1, &own);
	for (int i = 0; i < neighbors->n; i++)
	{
		if (i % RABITQ_LANES == 0 && i / RABITQ_LANES < linker->index->meta.code_blocks)
			estimate_block(linker, neighbors, i / RABITQ_LANES, own, keys);
		if (neighbors->values[i] == NULL)
			neighbors->keys[i] = keys[i % RABITQ_LANES];
	}
}

/* Reads what is needed to choose between the links of a full list and newcomers. */
static void
load_neighbors(Linker *linker, const ListChange *change, Neighbors *neighbors)
{
	HnswIndex *index = linker->index;
	const SpaceContext *space = hnsw_copy_space(index);
	const void *query;
	const void **values;
	int n = change->n;
	int nread = 0;
	uint32 *read = palloc(n * sizeof(uint32));
	int *positions = palloc(n * sizeof(int));
	float *keys = palloc(n * sizeof(float));

	neighbors->vertex = change->vertex;
	neighbors->base = hnsw_copy_values(index, &change->vertex, 1)[0];
	neighbors->n = n;
	neighbors->ids = palloc((n + 1) * sizeof(uint32));
	neighbors->values = palloc0((n + 1) * sizeof(void *));
	neighbors->keys = palloc((n + 1) * sizeof(float));
	neighbors->query = palloc(Max(hnsw_copy_query_size(index), 1));
	neighbors->codes = NULL;
	memcpy(neighbors->ids, change->links, n * sizeof(uint32));
	for (int i = 0; i < n; i++)
	{
		if (change->codes != NULL && hnsw_has_code(change->record, i))
			continue;
		read[nread] = change->links[i];
		positions[nread++] = i;
	}
	values = hnsw_copy_values(index, read, nread);
	query = space_prepare_query(space, neighbors->base, neighbors->query);
	space_link_distances(space, query, values, nread, keys);
	for (int i = 0; i < nread; i++)
	{
		neighbors->values[positions[i]] = values[i];
		neighbors->keys[positions[i]] = keys[i];
	}
	if (nread == n)
		return;
	neighbors->codes = change->codes;
	estimate_keys(linker, neighbors, query);
}

/* Reads the newcomer, at position n. */
static void
load_newcomer(Linker *linker, Neighbors *neighbors, uint32 newcomer)
{
	HnswIndex *index = linker->index;
	const SpaceContext *space = hnsw_copy_space(index);
	int n = neighbors->n;

	neighbors->ids[n] = newcomer;
	neighbors->values[n] = hnsw_copy_values(index, &newcomer, 1)[0];
	space_link_distances(space, space_prepare_query(space, neighbors->base, neighbors->query),
						 &neighbors->values[n], 1, &neighbors->keys[n]);
}

/* The same as is_dominated(), by neighbours whose values have been read */
static bool
is_dominated_exactly(Linker *linker, Neighbors *neighbors, int i, const void *query)
{
	const SpaceContext *space = hnsw_copy_space(linker->index);
	const void *objects[DOMINATION_BATCH];
	float keys[DOMINATION_BATCH];
	int n = 0;

	for (int j = 0; j <= neighbors->n; j++)
	{
		if (j != i && neighbors->values[j] != NULL && neighbors->keys[j] < neighbors->keys[i])
			objects[n++] = neighbors->values[j];
		if (n < DOMINATION_BATCH && (j < neighbors->n || n == 0))
			continue;
		space_link_distances(space, query, objects, n, keys);
		for (int k = 0; k < n; k++)
		{
			if (keys[k] <= neighbors->keys[i])
				return true;
		}
		n = 0;
	}
	return false;
}

/* The same by those that have codes, as far as these tell */
static bool
is_dominated_by_codes(Linker *linker, Neighbors *neighbors, int i, const void *query)
{
	int blocks = linker->index->meta.code_blocks;
	float keys[RABITQ_LANES];

	hnsw_coder_query(linker->coder, query);
	for (int j = 0; j < Min(neighbors->n, blocks * RABITQ_LANES); j++)
	{
		if (j % RABITQ_LANES == 0)
			estimate_block(linker, neighbors, j / RABITQ_LANES, neighbors->keys[i], keys);
		if (neighbors->values[j] == NULL && neighbors->keys[j] < neighbors->keys[i] &&
			keys[j % RABITQ_LANES] <= neighbors->keys[i])
			return true;
	}
	return false;
}

/* Is neighbour i nearer to another one, itself nearer to the vertex, than to the vertex? */
static bool
is_dominated(Linker *linker, Neighbors *neighbors, int i)
{
	const SpaceContext *space = hnsw_copy_space(linker->index);
	const void *query;

	if (neighbors->values[i] == NULL)
		neighbors->values[i] = hnsw_copy_values(linker->index, &neighbors->ids[i], 1)[0];
	query = space_prepare_query(space, neighbors->values[i], neighbors->query);
	return is_dominated_exactly(linker, neighbors, i, query) ||
		   (neighbors->codes != NULL && is_dominated_by_codes(linker, neighbors, i, query));
}

/*
 * The position of the link to give up among those of the list and, last, the
 * newcomer; or -1 when none may be.
 */
static int
find_victim(Linker *linker, Neighbors *neighbors)
{
	bool turned_down[HNSW_MAX_LINKS + 1];
	int farthest_allowed = -1;

	memset(turned_down, 0, sizeof(turned_down));
	for (int tries = 0; tries < MAX_VICTIMS;)
	{
		int farthest = -1;

		for (int i = 0; i <= neighbors->n; i++)
		{
			if (!turned_down[i] &&
				(farthest < 0 || neighbors->keys[i] >= neighbors->keys[farthest]))
				farthest = i;
		}
		if (farthest < 0)
			break;
		turned_down[farthest] = true;
		if (linker->layer == 0 &&
			(farthest == 0 ||
			 hnsw_anchor_of(linker->index, neighbors->ids[farthest]) == neighbors->vertex))
			continue;
		if (farthest_allowed < 0)
			farthest_allowed = farthest;
		if (is_dominated(linker, neighbors, farthest))
			return farthest;
		tries++;
	}
	return farthest_allowed;
}

/* Puts the newcomers into the copy of the list.  True if that changed it. */
static bool
compute_list(Linker *linker, ListChange *change)
{
	MemoryContext old = MemoryContextSwitchTo(linker->scratch);
	Neighbors neighbors;
	bool loaded = false;
	bool changed = false;

	for (int i = 0; i < change->nbacks; i++)
	{
		HnswLinkBack *back = &change->first[i];
		int victim;

		if (hnsw_contains(change->links, change->n, back->newcomer))
			continue;
		if (change->n < linker->limit)
		{
			change->links[change->n++] = back->newcomer;
			changed = true;
			continue;
		}
		if (back->weak)
			continue;
		if (!loaded)
			load_neighbors(linker, change, &neighbors);
		loaded = true;
		load_newcomer(linker, &neighbors, back->newcomer);
		victim = find_victim(linker, &neighbors);
		if (victim < 0 || victim == neighbors.n)
			continue;
		change->links[victim] = back->newcomer;
		neighbors.ids[victim] = neighbors.ids[neighbors.n];
		neighbors.values[victim] = neighbors.values[neighbors.n];
		neighbors.keys[victim] = neighbors.keys[neighbors.n];
		changed = true;
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(linker->scratch);
	return changed;
}

/* Notes which of the requests the list, as it is now, fulfils. */
static void
note_taken(ListChange *change)
{
	for (int i = 0; i < change->nbacks; i++)
		change->first[i].taken = hnsw_contains(change->links, change->n, change->first[i].newcomer);
}

/* Writes the lists computed so far as one record, those that are still as read. */
static void
write_lists(Linker *linker)
{
	HnswIndex *index = linker->index;
	Buffer buffers[MAX_PAGES];
	Page copies[MAX_PAGES] = {NULL};
	PageChange page_change;

	if (linker->nchanges == 0)
		return;
	for (int i = 0; i < linker->npages; i++)
	{
		buffers[i] = recent_read(index->relation, linker->pages[i]);
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
	}
	page_change_begin(&page_change, index->relation, index->building);
	for (int i = 0; i < linker->npages; i++)
		copies[i] = page_change_page(&page_change, buffers[i], false);
	for (int i = 0; i < linker->nchanges; i++)
	{
		ListChange *change = &linker->changes[i];
		int at = 0;
		uint16 *count;
		uint32 *links;

		while (linker->pages[at] != change->blkno)
			at++;
		locate_links(linker, change, copies[at], &count, &links);
		change->written = *count == change->nold &&
						  memcmp(links, change->old, change->nold * sizeof(uint32)) == 0;
		if (change->written && linker->layer == 0)
			hnsw_put_links(index, hnsw_page_vertex(index, copies[at], change->vertex),
						   change->links, change->n);
		else if (change->written)
		{
			memcpy(links, change->links, change->n * sizeof(uint32));
			*count = change->n;
		}
	}
	page_change_finish(&page_change);
}

/* Writes what has been computed; leaves requests to repeat in front of again[]. */
static void
finish_record(Linker *linker, HnswLinkBack **again, int *nagain)
{
	write_lists(linker);
	for (int i = 0; i < linker->nchanges; i++)
	{
		ListChange *change = &linker->changes[i];

		if (change->written)
			note_taken(change);
		else
		{
			for (int j = 0; j < change->nbacks; j++)
				again[(*nagain)++] = &change->first[j];
		}
	}
	linker->nchanges = 0;
	linker->npages = 0;
	MemoryContextReset(linker->context);
}

/* Is there room in the record for a list on this page? */
static bool
has_room(const Linker *linker, BlockNumber blkno)
{
	if (linker->nchanges == MAX_CHANGES)
		return false;
	if (linker->npages == 0 || linker->pages[linker->npages - 1] == blkno)
		return true;
	return linker->npages < MAX_PAGES && linker->pages[linker->npages - 1] < blkno;
}

/*
 * One round over requests ordered by vertex.  Sets again[] to those whose list
 * somebody else has changed, and returns how many there are.
 */
static int
link_round(Linker *linker, HnswLinkBack *links, int n, HnswLinkBack **again)
{
	MemoryContext old = MemoryContextSwitchTo(linker->context);
	int nagain = 0;
	int i = 0;

	while (i < n)
	{
		ListChange change;

		CHECK_FOR_INTERRUPTS();
		change.vertex = links[i].vertex;
		change.first = &links[i];
		change.nbacks = 0;
		change.written = false;
		change.codes = NULL;
		for (; i < n && links[i].vertex == change.vertex; i++, change.nbacks++)
			links[i].taken = false;
		if (!read_list(linker, &change))
			continue;
		if (!compute_list(linker, &change))
		{
			note_taken(&change);
			continue;
		}
		if (!has_room(linker, change.blkno))
		{
			uint32 *links_to_be = change.links;

			/* the copies of this list lie in the memory to be reset */
			MemoryContextSwitchTo(old);
			change.links = memcpy(palloc(linker->limit * sizeof(uint32)), links_to_be,
								  change.n * sizeof(uint32));
			change.old = memcpy(palloc(linker->limit * sizeof(uint32)), change.old,
								change.nold * sizeof(uint32));
			MemoryContextSwitchTo(linker->context);
			finish_record(linker, again, &nagain);
		}
		if (linker->npages == 0 || linker->pages[linker->npages - 1] != change.blkno)
			linker->pages[linker->npages++] = change.blkno;
		linker->changes[linker->nchanges++] = change;
	}
	finish_record(linker, again, &nagain);
	MemoryContextSwitchTo(old);
	return nagain;
}

/*
 * Makes vertices link back to newcomers in a layer.  links[] is ordered by
 * vertex; each request's result goes into its `taken`.  The newcomers' own
 * links must have been written.
 */
void
hnsw_link_back(HnswIndex *index, int layer, HnswLinkBack *links, int n)
{
	Linker *linker = palloc(sizeof(Linker));
	HnswLinkBack **again = palloc_extended(Max(n, 1) * sizeof(HnswLinkBack *), MCXT_ALLOC_HUGE);
	int nagain;

	linker->index = index;
	linker->layer = layer;
	linker->limit = HNSW_LAYER_LINKS(index->meta.m, layer);
	linker->coder = NULL;
	linker->nchanges = 0;
	linker->npages = 0;
	linker->coding = NULL;
	linker->caller = CurrentMemoryContext;
	linker->context =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw links", ALLOCSET_DEFAULT_SIZES);
	linker->scratch =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw list", ALLOCSET_DEFAULT_SIZES);
	nagain = link_round(linker, links, n, again);
	for (int tries = 1; nagain > 0 && tries < MAX_LINK_TRIES; tries++)
	{
		int left = 0;

		for (int i = 0; i < nagain; i++)
		{
			HnswLinkBack *unused[1];
			HnswLinkBack *request = again[i];

			if (link_round(linker, request, 1, unused) > 0)
				again[left++] = request;
		}
		nagain = left;
	}
	if (linker->coding != NULL)
		MemoryContextDelete(linker->coding);
	MemoryContextDelete(linker->context);
	MemoryContextDelete(linker->scratch);
	pfree(again);
	pfree(linker);
}

/* The anchor of a vertex as it is now, or HNSW_NO_VERTEX */
uint32
hnsw_anchor_of(HnswIndex *index, uint32 vertex)
{
	Buffer buffer;
	HnswVertex record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);
	uint32 anchor = record->nlinks > 0 ? *hnsw_vertex_links(index, record) : HNSW_NO_VERTEX;

	UnlockReleaseBuffer(buffer);
	return anchor;
}

/* Makes one of a vertex's neighbours in layer 0 its first, its anchor. */
void
hnsw_set_anchor(HnswIndex *index, uint32 vertex, uint32 anchor)
{
	PageChange change;
	Buffer buffer;
	uint32 *links;
	HnswVertex record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_EXCLUSIVE, &buffer);

	page_change_begin(&change, index->relation, index->building);
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), vertex);
	links = hnsw_vertex_links(index, record);
	for (int i = 0; i < record->nlinks; i++)
	{
		if (links[i] == anchor)
		{
			links[i] = links[0];
			links[0] = anchor;
			hnsw_forget_code(record, i);
			hnsw_forget_code(record, 0);
			break;
		}
	}
	page_change_finish(&change);
}

/*
 * Sees to it that a vertex and its anchor link to each other: its first
 * neighbour, or the next one that takes the link back.
 */
void
hnsw_anchor(HnswIndex *index, uint32 vertex)
{
	uint32 links[HNSW_MAX_LINKS];
	Buffer buffer;
	HnswVertex record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);
	int n = record->nlinks;

	memcpy(links, hnsw_vertex_links(index, record), n * sizeof(uint32));
	UnlockReleaseBuffer(buffer);
	for (int i = 0; i < n; i++)
	{
		HnswLinkBack request = {.vertex = links[i], .newcomer = vertex};

		if (i > 0)
			hnsw_set_anchor(index, vertex, links[i]);
		hnsw_link_back(index, 0, &request, 1);
		if (request.taken)
			return;
	}
}
