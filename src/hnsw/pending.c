/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  The pending chain of an hnsw index: vertices that are not linked yet.
 *
 * An INSERT writes its vertex, without links, to the last page of the chain;
 * a scan reads the chain before it searches the graph; a merge (merge.c) links
 * the vertices and takes their pages out of the chain, first page first.
 *
 * Pages are numbered as they join the chain (ordinal).  A page that has left
 * it has another ordinal or none, so a reader always knows whether it is still
 * in the chain.  README, "Pending chain".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

/* Pages that others may add between the check for a full index and the page added */
#define FULL_MARGIN 1024

#define MIN_PENDING 64

/* A pending vertex, and its record as it was */
typedef struct PendingCopy
{
	uint32 vertex;
	HnswVertex record;
} PendingCopy;

static void
report_bad_page(HnswIndex *index, BlockNumber blkno)
{
	damage_report(index->relation, "cannot add to block %u, which is not one of its pages", blkno);
}

/* An error for a page that should be in the chain and is not */
void
hnsw_report_bad_pending(HnswIndex *index, BlockNumber blkno)
{
	damage_report(index->relation, "has no pending vertices on block %u", blkno);
}

static Buffer
lock_slot_page(HnswIndex *index, BlockNumber blkno)
{
	Buffer buffer = recent_read(index->relation, blkno);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (unlikely(!page_is(BufferGetPage(buffer), PAGE_SLOTS)))
		report_bad_page(index, blkno);
	return buffer;
}

/*
 * The slot page that is to be the new tail, locked exclusively: the first of
 * those with free slots, or else a new one.  The old tail, if there is one, is
 * locked too, in the order of their blocks.  The caller has the metapage locked.
 */
static Buffer
lock_new_tail(HnswIndex *index, const HnswMeta *meta, BlockNumber old, Buffer *old_buffer,
			  bool *fresh)
{
	BlockNumber blkno = meta->free_slots;
	Buffer buffer;

	*old_buffer = InvalidBuffer;
	*fresh = blkno == InvalidBlockNumber;
	if (old != InvalidBlockNumber && (*fresh || old < blkno))
		*old_buffer = lock_slot_page(index, old);
	if (*fresh)
	{
		BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);

		if (((uint64) nblocks + FULL_MARGIN) * meta->slots_per_page > HNSW_MAX_VERTEX)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("index \"%s\" is full: it cannot hold more than %u vertices",
								   RelationGetRelationName(index->relation), HNSW_MAX_VERTEX)));
		return page_extend(index->relation, MAIN_FORKNUM);
	}
	buffer = lock_slot_page(index, blkno);
	if (old != InvalidBlockNumber && old > blkno)
		*old_buffer = lock_slot_page(index, old);
	return buffer;
}

/* Pages before the tail that no merge works on; a merge that failed counts as one that does. */
static uint32
unclaimed_pages(const HnswMeta *meta, uint32 tail)
{
	uint32 first = meta->pending_ordinal;

	for (int i = 0; i < HNSW_MERGES; i++)
		first = Max(first, Min(meta->claims[i].end, tail));
	return tail - first;
}

/* Makes the page of `buffer` the tail of the chain behind that of `old_buffer`. */
static void
write_new_tail(HnswIndex *index, Buffer meta_buffer, Buffer old_buffer, Buffer buffer, bool fresh)
{
	BlockNumber blkno = BufferGetBlockNumber(buffer);
	PageChange change;
	PageSpecial special;
	HnswMeta *meta;
	Page page;

	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	page = page_change_page(&change, buffer, fresh);
	if (fresh)
		page_init(page, PAGE_SLOTS);
	special = PageGetSpecial(page);
	if (!fresh)
		meta->free_slots = special->next;
	if (meta->header.dim == 0)
		hnsw_meta_set_geometry(meta, &index->space, RelationGetRelationName(index->relation));
	special->next = InvalidBlockNumber;
	special->flags |= PAGE_CHAINED | PAGE_TAIL;
	if (BufferIsValid(old_buffer))
	{
		Page old_page = page_change_page(&change, old_buffer, false);
		PageSpecial old = PageGetSpecial(old_page);

		special->ordinal = old->ordinal + 1;
		old->next = blkno;
		old->flags &= ~PAGE_TAIL;
	}
	else
	{
		special->ordinal = ++meta->pending_ordinal;
		meta->pending = blkno;
	}
	meta->insert_block = blkno;
	index->pending_pages = unclaimed_pages(meta, special->ordinal);
	index->meta = *meta;
	page_change_finish(&change);
}

/*
 * Adds a page to the end of the chain, unless somebody else has done so since
 * index->meta was read.  Either way it is up to date afterwards.  The metapage
 * is locked throughout: it stands for the right to change the chain.
 */
static void
add_tail(HnswIndex *index)
{
	uint32 dim = index->space.context.dim;
	Buffer meta_buffer = meta_lock(index->relation);
	HnswMeta *meta;

	meta = (HnswMeta *) meta_page_header(index->relation, BufferGetPage(meta_buffer), METHOD_HNSW);
	if (meta->insert_block != index->meta.insert_block)
	{
		UnlockReleaseBuffer(meta_buffer);
		hnsw_read_meta(index);
	}
	else
	{
		BlockNumber old =
			meta->pending == InvalidBlockNumber ? InvalidBlockNumber : meta->insert_block;
		Buffer old_buffer;
		bool fresh;
		Buffer buffer = lock_new_tail(index, meta, old, &old_buffer, &fresh);

		write_new_tail(index, meta_buffer, old_buffer, buffer, fresh);
	}
	index_space_check_dim(index->meta.header.dim, dim);
}

/* A slot of the page that takes a vertex: one never used, or a free one; or -1. */
static int
find_slot(const HnswIndex *index, Page page)
{
	int capacity = index->meta.slots_per_page;
	int nslots = page_slots(page, capacity);

	if (nslots < capacity)
		return nslots;
	for (int slot = 0; slot < nslots; slot++)
	{
		if (((HnswVertex) page_slot(page, index->meta.slot_size, slot))->flags & HNSW_VERTEX_FREE)
			return slot;
	}
	return -1;
}

/* Writes the record into a slot of the tail, whose page is locked; unlocks it. */
static void
write_vertex(HnswIndex *index, Buffer buffer, int slot, HnswVertex record)
{
	PageChange change;
	HnswVertex old;
	Page page;

	page_change_begin(&change, index->relation, index->building);
	page = page_change_page(&change, buffer, false);
	old = (HnswVertex) page_slot(page, index->meta.slot_size, slot);
	if (slot < PageGetSpecial(page)->nslots)
		record->version = old->version;
	else
		page_set_slots(page, index->meta.slot_size, slot + 1);
	memcpy(old, record, index->meta.slot_size);
	page_change_finish(&change);
}

/* A row's level comes from its TID, so that it is the same each time. */
static int
row_level(const HnswMeta *meta, ItemPointer tid)
{
	uint64 row = ((uint64) ItemPointerGetBlockNumber(tid) << 16) | ItemPointerGetOffsetNumber(tid);

	return Min(graph_random_level(meta->seed, row, meta->m), meta->max_level);
}

/* The record of a vertex with one row and no links */
static HnswVertex
make_record(HnswIndex *index, const void *encoded, ItemPointer tid)
{
	HnswVertex record = palloc0(index->meta.slot_size);

	record->version = 1;
	record->flags = HNSW_VERTEX_UNLINKED;
	record->level = row_level(&index->meta, tid);
	record->ntids = 1;
	record->tids[0] = *tid;
	ItemPointerSetInvalid(&record->upper);
	ItemPointerSetInvalid(&record->more_tids);
	hnsw_store_value(index, record, encoded);
	return record;
}

/* Writes a record to the tail, or to another page that becomes it when that is full. */
static void
append_record(HnswIndex *index, HnswVertex record)
{
	for (;; add_tail(index))
	{
		BlockNumber blkno = index->meta.insert_block;
		Buffer buffer;
		int slot;

		if (blkno == InvalidBlockNumber)
			continue;
		buffer = lock_slot_page(index, blkno);
		if ((PageGetSpecial(BufferGetPage(buffer))->flags & PAGE_TAIL) != 0)
		{
			slot = find_slot(index, BufferGetPage(buffer));
			if (slot >= 0)
			{
				write_vertex(index, buffer, slot, record);
				return;
			}
		}
		UnlockReleaseBuffer(buffer);
	}
}

/*
 * Adds a row with an encoded value at the end of the chain.  index->meta may be
 * out of date.  Sets index->pending_pages when the chain has grown by a page.
 * No interrupt comes between a value that is stored outside the record and the
 * record that points to it.
 */
void
hnsw_append(HnswIndex *index, const void *encoded, ItemPointer tid)
{
	HnswVertex record;

	if (index->meta.header.dim == 0)
		add_tail(index);
	index_space_check_dim(index->meta.header.dim, index->space.context.dim);
	HOLD_INTERRUPTS();
	record = make_record(index, encoded, tid);
	PAUSE_POINT("value stored", 0);
	append_record(index, record);
	RESUME_INTERRUPTS();
	pfree(record);
}

/* Is the chain, as last seen, longer than `times` hnsw.pending_list_limit? */
bool
hnsw_pending_is_long(const HnswIndex *index, int times)
{
	return (uint64) index->pending_pages * (BLCKSZ / 1024) >
		   (uint64) hnsw_pending_list_limit * times;
}

/* Notes what a scan must know of a pending vertex whose page is locked. */
static void
add_pending(HnswPendingRows *pending, HnswVertex record, uint32 vertex, float key)
{
	if (pending->ncandidates == pending->candidates_capacity)
	{
		Size capacity = Max(MIN_PENDING, pending->candidates_capacity * 2);
		PoolEntry *candidates = palloc_extended(capacity * sizeof(PoolEntry), MCXT_ALLOC_HUGE);
		HnswPendingRow *rows = palloc_extended(capacity * sizeof(HnswPendingRow), MCXT_ALLOC_HUGE);

		if (pending->ncandidates > 0)
			memcpy(candidates, pending->candidates, pending->ncandidates * sizeof(PoolEntry));
		if (pending->nrows > 0)
			memcpy(rows, pending->rows, pending->nrows * sizeof(HnswPendingRow));
		pending->candidates = candidates;
		pending->rows = rows;
		pending->candidates_capacity = capacity;
	}
	pending->candidates[pending->ncandidates].key = key;
	pending->candidates[pending->ncandidates++].id = vertex;
	if (record->ntids == 1 && !ItemPointerIsValid(&record->more_tids))
	{
		pending->rows[pending->nrows].vertex = vertex;
		pending->rows[pending->nrows].key = key;
		pending->rows[pending->nrows].taken = false;
		pending->rows[pending->nrows++].tid = record->tids[0];
	}
}

/*
 * Scores the pending vertices of a page that is locked.  Those whose values lie
 * on pages that must be locked themselves are left out: they are copied to
 * wide[] for add_wide_pending(), and *nwide is their number.
 */
static void
read_pending_page(HnswSearch *search, BlockNumber blkno, Page page, HnswPendingRows *pending,
				  PendingCopy *wide, int *nwide)
{
	HnswIndex *index = search->index;
	HnswVertex records[HNSW_PAGE_SLOTS];
	uint32 vertices[HNSW_PAGE_SLOTS];
	float keys[HNSW_PAGE_SLOTS];
	int nslots = page_slots(page, index->meta.slots_per_page);
	int n = 0;

	*nwide = 0;
	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);
		uint32 vertex = blkno * index->meta.slots_per_page + slot;

		if ((record->flags & HNSW_VERTEX_UNLINKED) == 0)
			continue;
		hnsw_check_vertex(index, record, vertex);
		if ((record->flags & HNSW_VERTEX_WIDE) != 0)
		{
			wide[*nwide].vertex = vertex;
			wide[(*nwide)++].record =
				memcpy(palloc(index->meta.slot_size), record, index->meta.slot_size);
			continue;
		}
		vertices[n] = vertex;
		records[n++] = record;
	}
	hnsw_search_values(search, records, n, keys);
	for (int i = 0; i < n; i++)
		add_pending(pending, records[i], vertices[i], keys[i]);
}

/*
 * Scores pending vertices from copies of their records.  One whose slot has
 * been given to another meanwhile has been merged, and is left to the graph.
 */
static void
add_wide_pending(HnswSearch *search, HnswPendingRows *pending, PendingCopy *wide, int nwide)
{
	HnswIndex *index = search->index;

	index->meta.has_wide |= nwide > 0;
	for (int i = 0; i < nwide; i++)
	{
		Buffer buffer;
		HnswVertex record;
		bool same;
		float key;

		hnsw_search_values(search, &wide[i].record, 1, &key);
		record = hnsw_pin_vertex(index, wide[i].vertex, BUFFER_LOCK_SHARE, &buffer);
		same = record->version == wide[i].record->version &&
			   (record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0;
		UnlockReleaseBuffer(buffer);
		if (same)
			add_pending(pending, wide[i].record, wide[i].vertex, key);
		pfree(wide[i].record);
	}
}

/*
 * Reads the pending chain for a scan that has set search->query: every vertex
 * that is not found here can be reached in the graph afterwards.
 */
void
hnsw_find_pending(HnswSearch *search, HnswPendingRows *pending)
{
	HnswIndex *index = search->index;
	BlockNumber blkno = index->meta.pending;
	uint32 ordinal = index->meta.pending_ordinal;

	memset(pending, 0, sizeof(*pending));
	while (blkno != InvalidBlockNumber)
	{
		Buffer buffer = recent_read(index->relation, blkno);
		Page page = BufferGetPage(buffer);
		BlockNumber next = InvalidBlockNumber;
		PendingCopy wide[HNSW_PAGE_SLOTS];
		int nwide = 0;
		bool chained;

		CHECK_FOR_INTERRUPTS();
		PAUSE_POINT("scan pending page", ordinal);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		chained = page_is(page, PAGE_SLOTS) && PageGetSpecial(page)->ordinal == ordinal;
		if (chained)
		{
			read_pending_page(search, blkno, page, pending, wide, &nwide);
			next = PageGetSpecial(page)->next;
		}
		UnlockReleaseBuffer(buffer);
		add_wide_pending(search, pending, wide, nwide);
		if (chained)
		{
			blkno = next;
			ordinal++;
			continue;
		}
		/* the page has been merged, and so have all before the head of the chain now */
		hnsw_read_meta(index);
		if (index->meta.pending_ordinal <= ordinal)
			hnsw_report_bad_pending(index, blkno);
		blkno = index->meta.pending;
		ordinal = index->meta.pending_ordinal;
	}
}

static inline uint32
hash_tid(ItemPointer tid)
{
	return ((ItemPointerGetBlockNumber(tid) << 9) ^ ItemPointerGetOffsetNumber(tid)) * 0x9E3779B1u;
}

static inline uint32
hash_vertex(uint32 vertex)
{
	return vertex * 0x9E3779B1u;
}

/* Makes the hash tables: at most half full, so that each search of them ends. */
static void
index_rows(HnswPendingRows *pending)
{
	uint32 size = MIN_PENDING;

	while (size < 2 * pending->nrows)
		size *= 2;
	pending->mask = size - 1;
	pending->by_vertex =
		palloc_extended((Size) size * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	pending->by_tid =
		palloc_extended((Size) size * sizeof(uint32), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < pending->nrows; i++)
	{
		uint32 slot = hash_vertex(pending->rows[i].vertex) >> 7;

		while (pending->by_vertex[slot & pending->mask] != 0)
			slot++;
		pending->by_vertex[slot & pending->mask] = i + 1;
		slot = hash_tid(&pending->rows[i].tid) >> 7;
		while (pending->by_tid[slot & pending->mask] != 0)
			slot++;
		pending->by_tid[slot & pending->mask] = i + 1;
	}
}

/*
 * The TID that a vertex had when it was pending and had the candidate's key, the
 * first time this is asked; false from then on, and if the vertex was not
 * pending, or had several.  (A slot that is given to another vertex while the
 * chain is read may be met twice.)
 */
bool
hnsw_take_pending(HnswPendingRows *pending, PoolEntry entry, ItemPointer tid)
{
	uint32 vertex = POOL_ID(entry);

	if (pending->nrows == 0)
		return false;
	if (pending->by_vertex == NULL)
		index_rows(pending);
	for (uint32 slot = hash_vertex(vertex) >> 7; pending->by_vertex[slot & pending->mask] != 0;
		 slot++)
	{
		HnswPendingRow *row = &pending->rows[pending->by_vertex[slot & pending->mask] - 1];

		if (row->vertex == vertex && row->key == entry.key && !row->taken)
		{
			row->taken = true;
			*tid = row->tid;
			return true;
		}
	}
	return false;
}

/* Is this the TID of a vertex that was pending when the scan began, and had no other? */
bool
hnsw_was_pending(HnswPendingRows *pending, ItemPointer tid)
{
	if (pending->nrows == 0)
		return false;
	if (pending->by_tid == NULL)
		index_rows(pending);
	for (uint32 slot = hash_tid(tid) >> 7; pending->by_tid[slot & pending->mask] != 0; slot++)
	{
		HnswPendingRow *row = &pending->rows[pending->by_tid[slot & pending->mask] - 1];

		if (ItemPointerEquals(&row->tid, tid))
			return true;
	}
	return false;
}
