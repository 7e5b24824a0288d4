/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Adding one value to an hnsw index.
 *
 * The search for neighbours holds no lock; then each change is one WAL record
 * that leaves a correct index: first the new vertex with all its links (no
 * link leads to it yet), then, one vertex at a time, the links back to it,
 * last the metapage if the vertex becomes the entry point.  README, "Insert".
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

/* How often a full list is pruned again because somebody else changed it */
#define MAX_LINK_TRIES 10

/* What one insertion carries from step to step; lives in its own context */
typedef struct HnswInsertState
{
	HnswIndex *index;
	HnswSearch search;
	GraphDistance distance;
	void *scratch;		 /* query form of one value */
	const void *encoded; /* the new value */
	ItemPointerData tid; /* and its row */
	char *value;		 /* room for a value that lies on value pages */
	uint32 list_number;	 /* of a vertex's first list of TIDs that is full */
	int level;
	uint32 *neighbors[GRAPH_MAX_LEVEL + 1]; /* by layer, nearest first */
	int nneighbors[GRAPH_MAX_LEVEL + 1];
} HnswInsertState;

/* GraphDistance callbacks over a SpaceContext */
static const void *
prepare_query(const void *context, const void *value, void *scratch)
{
	return space_prepare_query((const SpaceContext *) context, value, scratch);
}

static void
distances(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	space_link_distances((const SpaceContext *) context, query, objects, n, keys);
}

/* The link distance of an index's space as the graph code of src/core wants it */
void
hnsw_graph_distance(GraphDistance *distance, const IndexSpace *space)
{
	distance->context = &space->context;
	distance->query_size = space->query_size;
	distance->prepare_query = prepare_query;
	distance->distances = distances;
}

/* Copies the values of n vertices into memory of the current context. */
const void **
hnsw_copy_values(HnswIndex *index, const uint32 *vertices, int n)
{
	Size size = index->space.encoded_size;
	Size stride = MAXALIGN(size);
	char *copies = palloc_extended(stride * Max(n, 1), MCXT_ALLOC_HUGE);
	const void **values = palloc(sizeof(void *) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		char *copy = copies + stride * i;
		Buffer buffer = recent_read(index->relation, hnsw_block(index, vertices[i]));
		HnswVertex record = hnsw_page_vertex(index, BufferGetPage(buffer), vertices[i]);
		const void *value = hnsw_read_value(index, record, copy);

		if (value != copy)
			memcpy(copy, value, size);
		ReleaseBuffer(buffer);
		values[i] = copy;
	}
	return values;
}

/* What became of the attempt to add a row to a vertex */
typedef enum JoinResult
{
	JOIN_DONE,
	JOIN_AGAIN, /* somebody else has changed the vertex */
	JOIN_NEVER	/* it is deleted or has another value by now */
} JoinResult;

/*
 * Is the vertex, whose page the caller has locked, one that the row may join?
 * Once deleted a vertex stays so, since vacuum may have unlinked it.
 */
static bool
is_equal_vertex(HnswInsertState *state, HnswVertex record)
{
	HnswIndex *index = state->index;

	return (record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0 &&
		   memcmp(hnsw_read_value(index, record, state->value), state->encoded,
				  index->space.encoded_size) == 0;
}

/*
 * Adds the row to the first of a vertex's lists.  The vertex stays locked
 * meanwhile, so that the list stays its first.
 */
static JoinResult
join_list(HnswInsertState *state, uint32 vertex, ItemPointerData list, bool *full)
{
	HnswIndex *index = state->index;
	Buffer slot_buffer = recent_read(index->relation, hnsw_block(index, vertex));
	Buffer item_buffer = recent_read(index->relation, ItemPointerGetBlockNumber(&list));
	OffsetNumber offset = ItemPointerGetOffsetNumber(&list);
	HnswVertex record;
	PageChange change;
	Page page;
	HnswTids tids;

	hnsw_lock_two(slot_buffer, BUFFER_LOCK_SHARE, item_buffer, BUFFER_LOCK_EXCLUSIVE);
	record = hnsw_page_vertex(index, BufferGetPage(slot_buffer), vertex);
	if (ItemPointerCompare(&record->more_tids, &list) != 0)
	{
		UnlockReleaseBuffer(item_buffer);
		UnlockReleaseBuffer(slot_buffer);
		return JOIN_AGAIN;
	}
	page = BufferGetPage(item_buffer);
	tids = hnsw_locate_tids(index, page, &list);
	if (tids == NULL)
		hnsw_report_bad_item(index, &list);
	*full = tids->ntids == tids->capacity;
	state->list_number = tids->number;
	if (*full)
		UnlockReleaseBuffer(item_buffer);
	else
	{
		page_change_begin(&change, index->relation, index->building);
		page = page_change_page(&change, item_buffer, false);
		tids = (HnswTids) PageGetItem(page, PageGetItemId(page, offset));
		tids->tids[tids->ntids++] = state->tid;
		page_change_finish(&change);
	}
	UnlockReleaseBuffer(slot_buffer);
	return JOIN_DONE;
}

/* Puts a new list with the row in front of those of a vertex. */
static JoinResult
join_new_list(HnswInsertState *state, uint32 vertex, ItemPointerData old)
{
	HnswIndex *index = state->index;
	bool first = !ItemPointerIsValid(&old);
	int capacity = first ? HNSW_MIN_TIDS_CAPACITY : HNSW_MAX_TIDS_CAPACITY;
	HnswTids tids = palloc0(HNSW_TIDS_SIZE(capacity));
	ItemPointerData item;
	PageChange change;
	HnswVertex record;
	Buffer buffer;

	tids->kind = HNSW_ITEM_TIDS;
	tids->owner = vertex;
	tids->number = first ? 1 : state->list_number + 1;
	tids->next = old;
	tids->ntids = 1;
	tids->capacity = capacity;
	tids->tids[0] = state->tid;
	hnsw_add_item(index, (Item) tids, HNSW_TIDS_SIZE(capacity), &item);

	record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_EXCLUSIVE, &buffer);
	/* either may be invalid, which ItemPointerEquals() does not take */
	if (!is_equal_vertex(state, record) || ItemPointerCompare(&record->more_tids, &old) != 0)
	{
		UnlockReleaseBuffer(buffer);
		hnsw_remove_item(index, item);
		return JOIN_AGAIN;
	}
	page_change_begin(&change, index->relation, index->building);
	record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), vertex);
	record->more_tids = item;
	page_change_finish(&change);
	return JOIN_DONE;
}

/* Adds the row to the heap TIDs of a vertex if that holds an equal value. */
static JoinResult
join_vertex(HnswInsertState *state, uint32 vertex)
{
	HnswIndex *index = state->index;
	PageChange change;
	Buffer buffer;
	HnswVertex record;
	ItemPointerData more;
	JoinResult result;
	bool full = true;

	record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_EXCLUSIVE, &buffer);
	if (!is_equal_vertex(state, record))
	{
		UnlockReleaseBuffer(buffer);
		return JOIN_NEVER;
	}
	if (record->ntids < HNSW_INLINE_TIDS)
	{
		page_change_begin(&change, index->relation, index->building);
		record = hnsw_page_vertex(index, page_change_page(&change, buffer, false), vertex);
		record->tids[record->ntids++] = state->tid;
		page_change_finish(&change);
		return JOIN_DONE;
	}
	more = record->more_tids;
	UnlockReleaseBuffer(buffer);

	if (ItemPointerIsValid(&more))
	{
		result = join_list(state, vertex, more, &full);
		if (result != JOIN_DONE || !full)
			return result;
	}
	return join_new_list(state, vertex, more);
}

/*
 * If one of the nearest vertices found holds the very same value, the row
 * joins it.  Equal values have the smallest key of all in every space but the
 * inner product, where a missed one merely becomes a vertex of its own.
 */
static bool
join_equal_vertex(HnswInsertState *state)
{
	HnswIndex *index = state->index;
	Pool *pool = &state->search.pool;

	for (int i = 0; i < pool->size && pool->entries[i].key <= pool->entries[0].key; i++)
	{
		uint32 vertex = POOL_ID(pool->entries[i]);
		const void **value = hnsw_copy_values(index, &vertex, 1);
		JoinResult result;

		if (memcmp(value[0], state->encoded, index->space.encoded_size) != 0)
			continue;
		do
		{
			CHECK_FOR_INTERRUPTS();
			result = join_vertex(state, vertex);
		} while (result == JOIN_AGAIN);
		if (result == JOIN_DONE)
			return true;
	}
	return false;
}

/*
 * Chooses the new vertex's neighbours in a layer from what the pool holds and
 * is not deleted.
 */
static void
choose_neighbors(HnswInsertState *state, int layer)
{
	HnswIndex *index = state->index;
	Pool *pool = &state->search.pool;
	int n = 0;
	uint32 *vertices = palloc(sizeof(uint32) * Max(pool->size, 1));
	float *keys = palloc(sizeof(float) * Max(pool->size, 1));
	int *kept = palloc(sizeof(int) * Max(pool->size, 1));
	const void **values;
	int nkept;

	for (int i = 0; i < pool->size; i++)
	{
		if (!hnsw_is_linkable(index, POOL_ID(pool->entries[i]), layer))
			continue;
		vertices[n] = POOL_ID(pool->entries[i]);
		keys[n++] = pool->entries[i].key;
	}
	values = hnsw_copy_values(index, vertices, n);
	nkept = graph_select_neighbors(&state->distance, values, keys, n,
								   HNSW_SELECTED_LINKS(index->meta.m, layer), true, state->scratch,
								   kept, &state->search.distances);
	for (int i = 0; i < nkept; i++)
		kept[i] = vertices[kept[i]];
	state->neighbors[layer] = (uint32 *) kept;
	state->nneighbors[layer] = nkept;
}

/* What depends on the layout of records, which the first vertex decides on */
static void
prepare_search(HnswInsertState *state)
{
	HnswIndex *index = state->index;

	hnsw_search_init(&state->search, index, CurrentMemoryContext, index->meta.ef_construction,
					 HNSW_SEARCH_LINKS);
	if (index->meta.value_pages > 0)
		state->value = palloc(index->space.encoded_size);
}

/*
 * Finds the neighbours of the new value in every layer it is in.  True if an
 * equal value was found and the row has joined it.  Where all that is near is
 * deleted, it looks farther, so in layer 0 the vertex is without neighbours
 * only if there is none.
 */
static bool
find_neighbors(HnswInsertState *state)
{
	HnswIndex *index = state->index;
	HnswSearch *search = &state->search;
	void *query = palloc(Max(index->space.query_size, 1));
	int top = index->meta.entry_level;
	int candidates = HNSW_CANDIDATES(index->meta.ef_construction);

	if (search->index == NULL)
		prepare_search(state);
	memset(state->nneighbors, 0, sizeof(state->nneighbors));
	hnsw_search_start(search, space_prepare_query(&index->space.context, state->encoded, query), 1);
	hnsw_search_descend(search, top, Max(state->level, 0) + 1);
	for (int layer = Min(top, state->level); layer >= 0; layer--)
	{
		if (search->pool.capacity != candidates && search->pool.size > 0)
		{
			PoolEntry nearest = search->pool.entries[0];

			hnsw_search_set_ef(search, candidates);
			search->pool.entries[search->pool.size++] = nearest;
		}
		hnsw_search_layer(search, layer, index->meta.ef_construction);
		if (layer == 0 && join_equal_vertex(state))
			return true;
		choose_neighbors(state, layer);
		hnsw_search_restart(search);
	}
	for (int ef = 2 * candidates; state->nneighbors[0] == 0 && search->pool.size > 0; ef *= 2)
	{
		if (search->pool.size < search->pool.capacity)
			break;
		hnsw_search_start(search, search->query, ef);
		hnsw_search_layer(search, 0, ef);
		choose_neighbors(state, 0);
	}
	return false;
}

/* Stores the links above layer 0 as an item and sets *tid to it. */
static void
add_upper_links(HnswInsertState *state, ItemPointer tid)
{
	HnswIndex *index = state->index;
	Size size = HNSW_UPPER_SIZE(index->meta.m, state->level);
	HnswUpper upper = palloc0(size);

	upper->kind = HNSW_ITEM_UPPER;
	upper->level = state->level;
	for (int layer = 1; layer <= state->level; layer++)
	{
		upper->counts[layer - 1] = state->nneighbors[layer];
		if (state->nneighbors[layer] > 0)
			memcpy(HNSW_UPPER_LINKS(upper, index->meta.m, layer), state->neighbors[layer],
				   state->nneighbors[layer] * sizeof(uint32));
	}
	hnsw_add_item(index, (Item) upper, size, tid);
	pfree(upper);
}

/* Stores the new vertex with its own links; nothing leads to it yet. */
static uint32
add_vertex(HnswInsertState *state)
{
	HnswIndex *index = state->index;
	HnswVertex record = palloc0(index->meta.slot_size);

	record->version = 1;
	record->level = state->level;
	record->ntids = 1;
	record->tids[0] = state->tid;
	record->nlinks = state->nneighbors[0];
	ItemPointerSetInvalid(&record->upper);
	ItemPointerSetInvalid(&record->more_tids);
	if (record->nlinks > 0)
		memcpy(hnsw_vertex_links(index, record), state->neighbors[0],
			   record->nlinks * sizeof(uint32));
	if (state->level > 0)
		add_upper_links(state, &record->upper);
	if (index->meta.value_pages > 0)
		hnsw_write_value(index, state->encoded, hnsw_vertex_value(index, record));
	else
		memcpy(hnsw_vertex_value(index, record), state->encoded, index->space.encoded_size);
	return hnsw_add_vertex(index, record);
}

/*
 * Prunes the links of a full vertex together with a new one: vertices[] holds
 * its `limit` neighbours and, last, the new vertex.  Leaves the chosen ones in
 * front of vertices[], returns their number and says in *taken whether the new
 * one is among them.  `force` puts it in place of the farthest chosen one if
 * it is not.
 */
static int
prune_links(HnswInsertState *state, uint32 vertex, uint32 *vertices, int limit, bool force,
			bool *taken)
{
	HnswIndex *index = state->index;
	const SpaceContext *space = &index->space.context;
	int n = limit + 1;
	uint32 newcomer = vertices[limit];
	const void **base = hnsw_copy_values(index, &vertex, 1);
	const void **values = hnsw_copy_values(index, vertices, n);
	float *keys = palloc(sizeof(float) * n);
	int *kept = palloc(sizeof(int) * n);
	uint32 *chosen = palloc(sizeof(uint32) * n);
	int nkept;

	space_link_distances(space, space_prepare_query(space, base[0], state->scratch), values, n,
						 keys);
	state->search.distances += n;
	for (int i = 1; i < n; i++) /* insertion sort: the list is nearly sorted */
	{
		float key = keys[i];
		const void *value = values[i];
		uint32 id = vertices[i];
		int j = i;

		for (; j > 0 && keys[j - 1] > key; j--)
		{
			keys[j] = keys[j - 1];
			values[j] = values[j - 1];
			vertices[j] = vertices[j - 1];
		}
		keys[j] = key;
		values[j] = value;
		vertices[j] = id;
	}
	nkept = graph_select_neighbors(&state->distance, values, keys, n, limit, true, state->scratch,
								   kept, &state->search.distances);
	*taken = false;
	for (int i = 0; i < nkept; i++)
	{
		chosen[i] = vertices[kept[i]];
		*taken |= chosen[i] == newcomer;
	}
	if (!*taken && force)
	{
		if (nkept == limit)
			nkept--;
		chosen[nkept++] = newcomer;
		*taken = true;
	}
	memcpy(vertices, chosen, nkept * sizeof(uint32));
	return nkept;
}

/* The links of a vertex in a layer, on a page that is locked exclusively */
typedef struct LinkList
{
	Buffer buffer;
	ItemPointerData item; /* invalid for layer 0 */
	uint32 vertex;
	int layer;
	uint16 *count; /* inside the page, or a copy of it */
	uint32 *links;
} LinkList;

/* Sets count and links to where they are in `page`, the buffer's or a copy. */
static void
locate_links(HnswIndex *index, LinkList *list, Page page)
{
	if (list->layer == 0)
	{
		HnswVertex record = hnsw_page_vertex(index, page, list->vertex);

		list->count = &record->nlinks;
		list->links = hnsw_vertex_links(index, record);
	}
	else
	{
		ItemId id = PageGetItemId(page, ItemPointerGetOffsetNumber(&list->item));
		HnswUpper upper = (HnswUpper) PageGetItem(page, id);

		list->count = &upper->counts[list->layer - 1];
		list->links = HNSW_UPPER_LINKS(upper, index->meta.m, list->layer);
	}
}

/*
 * Pins and locks the page that holds a vertex's links in a layer and finds
 * them there.  False, with nothing pinned, if the vertex has no such layer.
 */
static bool
lock_links(HnswIndex *index, LinkList *list, uint32 vertex, int layer)
{
	HnswVertex record;
	HnswUpper upper;

	list->vertex = vertex;
	list->layer = layer;
	ItemPointerSetInvalid(&list->item);
	record = hnsw_pin_vertex(index, vertex, layer == 0 ? BUFFER_LOCK_EXCLUSIVE : BUFFER_LOCK_SHARE,
							 &list->buffer);
	if (layer > 0)
	{
		list->item = record->upper;
		UnlockReleaseBuffer(list->buffer);
		if (!ItemPointerIsValid(&list->item))
			return false;
		upper = hnsw_pin_upper(index, &list->item, BUFFER_LOCK_EXCLUSIVE, &list->buffer);
		if (upper == NULL)
			return false;
		if (layer > upper->level)
		{
			UnlockReleaseBuffer(list->buffer);
			return false;
		}
	}
	locate_links(index, list, BufferGetPage(list->buffer));
	return true;
}

/* Replaces a locked list by the given links, as one change, and unlocks it. */
static void
write_links(HnswIndex *index, LinkList *list, const uint32 *links, int n)
{
	PageChange change;

	page_change_begin(&change, index->relation, index->building);
	locate_links(index, list, page_change_page(&change, list->buffer, false));
	memcpy(list->links, links, n * sizeof(uint32));
	*list->count = n;
	page_change_finish(&change);
}

/*
 * Makes vertex link to the new vertex in a layer, pruning its list if it is
 * full.  Returns whether it does now.  The pruning is computed without a lock
 * and thrown away if the list has changed meanwhile.
 */
static bool
link_back(HnswInsertState *state, uint32 vertex, int layer, uint32 newcomer, bool force)
{
	HnswIndex *index = state->index;
	int limit = HNSW_LAYER_LINKS(index->meta.m, layer);
	uint32 *seen = palloc(sizeof(uint32) * (limit + 1));
	uint32 *chosen = palloc(sizeof(uint32) * (limit + 1));
	int nseen = -1;
	int nchosen = 0;
	bool taken = false;

	for (int tries = 0; tries < MAX_LINK_TRIES; tries++)
	{
		LinkList list;

		if (!lock_links(index, &list, vertex, layer))
			return false;
		if (*list.count < limit)
		{
			memcpy(chosen, list.links, *list.count * sizeof(uint32));
			chosen[*list.count] = newcomer;
			write_links(index, &list, chosen, *list.count + 1);
			return true;
		}
		if (nseen == limit && memcmp(seen, list.links, limit * sizeof(uint32)) == 0)
		{
			if (taken)
				write_links(index, &list, chosen, nchosen);
			else
				UnlockReleaseBuffer(list.buffer);
			return taken;
		}
		nseen = limit;
		memcpy(seen, list.links, limit * sizeof(uint32));
		UnlockReleaseBuffer(list.buffer);
		memcpy(chosen, seen, limit * sizeof(uint32));
		chosen[limit] = newcomer;
		nchosen = prune_links(state, vertex, chosen, limit, force, &taken);
		if (!taken)
			return false;
	}
	return false;
}

/* Makes the neighbours link back; at least one must in layer 0. */
static void
connect_back(HnswInsertState *state, uint32 newcomer)
{
	MemoryContext step =
		AllocSetContextCreate(CurrentMemoryContext, "hnsw connect", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(step);

	for (int layer = state->level; layer >= 0; layer--)
	{
		int taken = 0;

		for (int i = 0; i < state->nneighbors[layer]; i++)
		{
			CHECK_FOR_INTERRUPTS();
			taken += link_back(state, state->neighbors[layer][i], layer, newcomer, false);
			MemoryContextReset(step);
		}
		for (int i = 0; layer == 0 && taken == 0 && i < state->nneighbors[0]; i++)
		{
			taken += link_back(state, state->neighbors[0][i], 0, newcomer, true);
			MemoryContextReset(step);
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(step);
}

/*
 * Makes the vertex the entry point if it reaches higher than the present one,
 * or if from there nothing leads to a vertex that is not deleted.
 */
static void
update_entry(HnswInsertState *state, uint32 vertex)
{
	bool alone = state->nneighbors[0] == 0;
	HnswIndex *index = state->index;
	Buffer buffer = recent_read(index->relation, META_BLOCK);
	HnswMeta *meta;
	PageChange change;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) PageGetContents(BufferGetPage(buffer));
	if (!alone && meta->entry != HNSW_NO_VERTEX && meta->entry_level >= state->level)
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	meta->entry = vertex;
	meta->entry_level = state->level;
	index->meta = *meta;
	page_change_finish(&change);
}

/* Writes the record layout into the metapage of an index that had no dimensions. */
static void
store_geometry(HnswIndex *index)
{
	Buffer buffer = recent_read(index->relation, META_BLOCK);
	PageChange change;
	HnswMeta *meta;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	hnsw_meta_set_geometry(meta, &index->space, RelationGetRelationName(index->relation));
	index->meta = *meta;
	page_change_finish(&change);
}

/* Adds the vertex with its links, and links to it. */
static void
link_vertex(HnswInsertState *state)
{
	uint32 vertex = add_vertex(state);

	connect_back(state, vertex);
	if (state->nneighbors[0] == 0 || state->level > state->index->meta.entry_level)
		update_entry(state, vertex);
}

/*
 * Inserts into an index that is empty or whose vertices are all deleted.  A
 * heavyweight lock on the metapage makes sure that only one vertex comes to be
 * without neighbours: others find it.
 */
static void
insert_first(HnswInsertState *state)
{
	HnswIndex *index = state->index;
	uint32 dim = index->space.context.dim;

	LockPage(index->relation, META_BLOCK, ExclusiveLock);
	hnsw_read_meta(index);
	if (index->meta.header.dim == 0)
		store_geometry(index);
	if (index->space.context.dim != dim)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("expected %u dimensions, not %u", index->space.context.dim, dim)));
	if (!find_neighbors(state))
		link_vertex(state);
	UnlockPage(index->relation, META_BLOCK, ExclusiveLock);
}

/* A row's level comes from its TID, so that it is the same each time. */
static int
row_level(const HnswMeta *meta, ItemPointer tid)
{
	uint64 row = ((uint64) ItemPointerGetBlockNumber(tid) << 16) | ItemPointerGetOffsetNumber(tid);

	return Min(graph_random_level(meta->seed, row, meta->m), meta->max_level);
}

/*
 * Adds a row with an encoded value of the index's dimensions.  The caller has
 * opened the index and switched to a memory context of its own.
 */
void
hnsw_insert_value(HnswIndex *index, const void *encoded, ItemPointer tid)
{
	HnswInsertState *state = palloc0(sizeof(HnswInsertState));

	state->index = index;
	state->encoded = encoded;
	state->tid = *tid;
	state->level = row_level(&index->meta, tid);
	state->scratch = palloc(Max(index->space.query_size, 1));
	hnsw_graph_distance(&state->distance, &index->space);
	if (index->meta.entry == HNSW_NO_VERTEX)
	{
		insert_first(state);
		return;
	}
	if (find_neighbors(state))
		return;
	if (state->nneighbors[0] > 0)
		link_vertex(state);
	else
		insert_first(state);
}

/* aminsert: adds one row to the index, unless its value is null. */
bool
hnsw_insert(Relation relation, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
			IndexUniqueCheck check_unique, INSERT_UNCHANGED_PARAM IndexInfo *index_info)
{
	MemoryContext context;
	MemoryContext old;
	HnswIndex index;
	const void *value;
	void *encoded;
	void *copy;

	if (isnull[0])
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw insert", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	hnsw_open(&index, relation);
	value = index_space_value(&index.space, values[0], &copy);
	encoded = palloc(index.space.encoded_size);
	space_encode(&index.space.context, value, encoded);
	hnsw_insert_value(&index, encoded, tid);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return false;
}
