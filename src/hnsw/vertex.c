/*-------------------------------------------------------------------------
 *
 * vertex.c
 *	  Vertex records, items and values of an hnsw index on their pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

#define CACHE_LINE 64

/* Pages that others may add between the check for a full index and the page added */
#define FULL_MARGIN 1024

/* Largest item that fits an empty item page */
#define MAX_ITEM_SIZE \
	(BLCKSZ - SizeOfPageHeaderData - sizeof(ItemIdData) - PAGE_SPECIAL_SIZE - MAXIMUM_ALIGNOF)

/*
 * Lays out the record for values of the space's encoded size: inline when the
 * record fits a page, else on value pages.  Called once, when the dimensions
 * become known.
 */
void
hnsw_meta_set_geometry(HnswMeta *meta, const IndexSpace *space, const char *index_name)
{
	Size links = HNSW_LAYER_LINKS(meta->m, 0) * sizeof(uint32);
	Size size;

	meta->header.dim = space->context.dim;
	meta->links_offset = HNSW_VERTEX_HEADER_SIZE;
	meta->value_offset = TYPEALIGN(CACHE_LINE, meta->links_offset + links);
	meta->codes_offset = 0;
	meta->value_pages = 0;
	size = TYPEALIGN(CACHE_LINE, meta->value_offset + space->encoded_size);
	if (size > PAGE_DATA_SIZE)
	{
		Size pieces = (space->encoded_size + HNSW_VALUE_PIECE - 1) / HNSW_VALUE_PIECE;

		if (pieces > HNSW_MAX_VALUE_PAGES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("values of index \"%s\" take %zu bytes, more than the limit of %zu",
							index_name, space->encoded_size,
							(Size) HNSW_MAX_VALUE_PAGES * HNSW_VALUE_PIECE)));
		meta->value_pages = pieces;
		size = TYPEALIGN(CACHE_LINE, meta->value_offset + pieces * sizeof(BlockNumber));
	}
	meta->slot_size = size;
	meta->slots_per_page = PAGE_DATA_SIZE / size;
}

/* The metapage of an empty index; its geometry follows when dim is known. */
void
hnsw_meta_init(HnswMeta *meta, const IndexSpace *space, int m, int ef_construction,
			   const char *index_name)
{
	memset(meta, 0, sizeof(*meta));
	meta_header_init(&meta->header, METHOD_HNSW, &space->context);
	meta->m = m;
	meta->ef_construction = ef_construction;
	meta->entry = HNSW_NO_VERTEX;
	meta->max_level = GRAPH_MAX_LEVEL;
	while (HNSW_UPPER_SIZE(m, meta->max_level) > MAX_ITEM_SIZE)
		meta->max_level--;
	meta->seed = 1;
	meta->insert_block = InvalidBlockNumber;
	meta->item_block = InvalidBlockNumber;
	meta->pending = InvalidBlockNumber;
	meta->free_slots = InvalidBlockNumber;
	meta->free_items = InvalidBlockNumber;
	meta->free_values = InvalidBlockNumber;
	if (space->context.dim > 0)
		hnsw_meta_set_geometry(meta, space, index_name);
}

/*
 * Is the record layout in the metapage the one that follows from m and the
 * dimensions?  All addresses inside pages are computed from it.
 */
static bool
geometry_is_sound(const HnswIndex *index)
{
	const HnswMeta *meta = &index->meta;
	HnswMeta expected = *meta;

	if (meta->m < HNSW_MIN_M || meta->m > HNSW_MAX_M || meta->max_level > GRAPH_MAX_LEVEL ||
		meta->entry_level > meta->max_level ||
		HNSW_UPPER_SIZE(meta->m, meta->max_level) > MAX_ITEM_SIZE)
		return false;
	if (meta->header.dim == 0)
		return meta->entry == HNSW_NO_VERTEX;
	hnsw_meta_set_geometry(&expected, &index->space, RelationGetRelationName(index->relation));
	return memcmp(&expected, meta, sizeof(HnswMeta)) == 0;
}

/*
 * Reads the metapage again and takes over the dimensions if it knows them now.
 * An error if it contradicts itself.
 */
void
hnsw_read_meta(HnswIndex *index)
{
	bool sound;

	meta_read(index->relation, METHOD_HNSW, &index->meta, sizeof(HnswMeta));
	sound = index->meta.header.dim <= SPACE_MAX_DIM;
	if (sound && index->space.context.dim != index->meta.header.dim && index->meta.header.dim != 0)
		index_space_set_dim(&index->space, index->meta.header.dim);
	if (unlikely(!sound || !geometry_is_sound(index)))
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
						errmsg("index \"%s\" has no valid metapage",
							   RelationGetRelationName(index->relation)),
						errhint("Please REINDEX it.")));
}

/* Makes an index ready for use: its space, and its metapage as it is now. */
void
hnsw_open(HnswIndex *index, Relation relation)
{
	memset(index, 0, sizeof(*index));
	index->relation = relation;
	index_space_init(&index->space, relation);
	hnsw_read_meta(index);
}

static void
report_bad_vertex(HnswIndex *index, uint32 vertex)
{
	ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
					errmsg("index \"%s\" has no vertex %u",
						   RelationGetRelationName(index->relation), vertex),
					errhint("Please REINDEX it.")));
}

/*
 * An error unless the record may be one of a vertex: whoever goes by its
 * counts stays inside it.
 */
void
hnsw_check_vertex(HnswIndex *index, HnswVertex record, uint32 vertex)
{
	if (unlikely(record->version == 0 || record->level > index->meta.max_level ||
				 record->ntids > HNSW_INLINE_TIDS ||
				 record->nlinks > HNSW_LAYER_LINKS(index->meta.m, 0)))
		report_bad_vertex(index, vertex);
}

/*
 * Pins and locks the page of a vertex and returns its record.  The caller
 * unlocks and releases *buffer.  The record alone tells whether it is one: its
 * page's header and special area lie on cache lines a search has no use for.
 */
HnswVertex
hnsw_pin_vertex(HnswIndex *index, uint32 vertex, int lockmode, Buffer *buffer)
{
	HnswVertex record;

	*buffer = recent_read(index->relation, hnsw_block(index, vertex));
	LockBuffer(*buffer, lockmode);
	record = hnsw_page_vertex(index, BufferGetPage(*buffer), vertex);
	hnsw_check_vertex(index, record, vertex);
	return record;
}

/*
 * The encoded value of a record the caller has pinned: in place, or put
 * together in scratch (encoded_size bytes) from its value pages.  Values never
 * change, so their pages need no lock.
 */
const void *
hnsw_read_value(HnswIndex *index, HnswVertex vertex, char *scratch)
{
	Size left = index->space.encoded_size;
	BlockNumber *blocks;

	if (index->meta.value_pages == 0)
		return hnsw_vertex_value(index, vertex);
	blocks = hnsw_vertex_value(index, vertex);
	for (int i = 0; i < index->meta.value_pages; i++)
	{
		Buffer buffer = recent_read(index->relation, blocks[i]);
		Page page = BufferGetPage(buffer);
		Size piece = Min(left, HNSW_VALUE_PIECE);

		if (!page_is(page, PAGE_VALUE))
			ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
							errmsg("index \"%s\" has no value on block %u",
								   RelationGetRelationName(index->relation), blocks[i]),
							errhint("Please REINDEX it.")));
		memcpy(scratch + (Size) i * HNSW_VALUE_PIECE, (char *) page + PAGE_DATA_OFFSET, piece);
		ReleaseBuffer(buffer);
		left -= piece;
	}
	return scratch;
}

/* Raises the error that an item is not there or damaged. */
void
hnsw_report_bad_item(HnswIndex *index, ItemPointer tid)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has no item (%u,%u)", RelationGetRelationName(index->relation),
					ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid)),
			 errhint("Please REINDEX it.")));
}

/*
 * Locks two different pinned pages in the order of their blocks, or, once and
 * in the first mode, one page that was pinned twice.
 */
void
hnsw_lock_two(Buffer first, int first_mode, Buffer second, int second_mode)
{
	bool in_order = BufferGetBlockNumber(first) < BufferGetBlockNumber(second);

	if (!in_order && first != second)
		LockBuffer(second, second_mode);
	LockBuffer(first, first_mode);
	if (in_order)
		LockBuffer(second, second_mode);
}

/*
 * May new links of a layer lead to the vertex?  False for one that is deleted,
 * whose slot is free, or that is not in the layer: a search may come across
 * such ones.
 */
bool
hnsw_is_linkable(HnswIndex *index, uint32 vertex, int layer)
{
	Buffer buffer;
	HnswVertex record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);
	bool linkable =
		(record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0 && record->level >= layer;

	UnlockReleaseBuffer(buffer);
	return linkable;
}

/*
 * The item of the given kind at tid on its page, which the caller has locked.
 * It lies inside the page and has *size bytes.  NULL if vacuum has removed it,
 * be there now another item or not.
 */
static Item
locate_item(HnswIndex *index, Page page, ItemPointer tid, uint16 kind, Size *size)
{
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	ItemId id;
	uint16 found;

	if (unlikely(!page_is(page, PAGE_ITEMS) || offset < FirstOffsetNumber))
		hnsw_report_bad_item(index, tid);
	if (unlikely(offset > PageGetMaxOffsetNumber(page) ||
				 !ItemIdIsUsed(PageGetItemId(page, offset))))
		return NULL;
	id = PageGetItemId(page, offset);
	*size = ItemIdGetLength(id);
	if (unlikely(!ItemIdIsNormal(id) || ItemIdGetOffset(id) != MAXALIGN(ItemIdGetOffset(id)) ||
				 *size < sizeof(found) || ItemIdGetOffset(id) + *size > BLCKSZ - PAGE_SPECIAL_SIZE))
		hnsw_report_bad_item(index, tid);
	memcpy(&found, PageGetItem(page, id), sizeof(found));
	if (unlikely(found != HNSW_ITEM_UPPER && found != HNSW_ITEM_TIDS))
		hnsw_report_bad_item(index, tid);
	return found == kind ? PageGetItem(page, id) : NULL;
}

/* The same for upper links. */
static HnswUpper
locate_upper(HnswIndex *index, Page page, ItemPointer tid)
{
	Size size;
	HnswUpper upper = (HnswUpper) locate_item(index, page, tid, HNSW_ITEM_UPPER, &size);

	if (unlikely(upper != NULL &&
				 (size < sizeof(HnswUpperData) || upper->level > index->meta.max_level ||
				  HNSW_UPPER_SIZE(index->meta.m, upper->level) > size)))
		hnsw_report_bad_item(index, tid);
	return upper;
}

/* The same for a list of heap TIDs. */
HnswTids
hnsw_locate_tids(HnswIndex *index, Page page, ItemPointer tid)
{
	Size size;
	HnswTids tids = (HnswTids) locate_item(index, page, tid, HNSW_ITEM_TIDS, &size);

	if (unlikely(tids != NULL && (size < sizeof(HnswTidsData) || tids->ntids > tids->capacity ||
								  tids->capacity > HNSW_MAX_TIDS_CAPACITY ||
								  HNSW_TIDS_SIZE(tids->capacity) > size)))
		hnsw_report_bad_item(index, tid);
	return tids;
}

/*
 * Pins and locks the page of an item of upper links and returns it, or NULL,
 * with nothing pinned, if it has been removed.  The caller unlocks and releases
 * *buffer, and does not trust the counts.
 */
HnswUpper
hnsw_pin_upper(HnswIndex *index, ItemPointer tid, int lockmode, Buffer *buffer)
{
	HnswUpper upper;

	*buffer = recent_read(index->relation, ItemPointerGetBlockNumber(tid));
	LockBuffer(*buffer, lockmode);
	upper = locate_upper(index, BufferGetPage(*buffer), tid);
	if (upper == NULL)
		UnlockReleaseBuffer(*buffer);
	return upper;
}

/* The same for a list of heap TIDs. */
HnswTids
hnsw_pin_tids(HnswIndex *index, ItemPointer tid, int lockmode, Buffer *buffer)
{
	HnswTids tids;

	*buffer = recent_read(index->relation, ItemPointerGetBlockNumber(tid));
	LockBuffer(*buffer, lockmode);
	tids = hnsw_locate_tids(index, BufferGetPage(*buffer), tid);
	if (tids == NULL)
		UnlockReleaseBuffer(*buffer);
	return tids;
}

/*
 * Locks the page that takes new vertices or items exclusively and returns its
 * buffer; an error if it is not of that kind.
 */
static Buffer
lock_insert_page(HnswIndex *index, BlockNumber blkno, PageKind kind)
{
	Buffer buffer = recent_read(index->relation, blkno);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (unlikely(!page_is(BufferGetPage(buffer), kind)))
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
						errmsg("index \"%s\" cannot add to block %u, which is not one of its pages",
							   RelationGetRelationName(index->relation), blkno),
						errhint("Please REINDEX it.")));
	return buffer;
}

/* The metapage's fields that say where vertices or items go, and what is free */
static BlockNumber *
insert_target(HnswMeta *meta, PageKind kind)
{
	return kind == PAGE_SLOTS ? &meta->insert_block : &meta->item_block;
}

static BlockNumber *
free_chain(HnswMeta *meta, PageKind kind)
{
	return kind == PAGE_SLOTS ? &meta->free_slots : &meta->free_items;
}

/* An error if one more slot page would hold more vertices than ids can tell apart. */
static void
check_not_full(HnswIndex *index)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(index->relation);

	if (((uint64) nblocks + FULL_MARGIN) * index->meta.slots_per_page > HNSW_MAX_VERTEX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" is full: it cannot hold more than %u vertices",
							   RelationGetRelationName(index->relation), HNSW_MAX_VERTEX)));
}

/*
 * Makes a page of the given kind with `room` bytes the one that takes new
 * vertices or items, unless somebody else has done so since the metapage was
 * read: the first of those that vacuum has made room on, or a new one.
 * Afterwards index->meta is up to date.  The metapage is locked throughout: it
 * stands for the right to change the target.
 */
static void
change_insert_page(HnswIndex *index, PageKind kind, Size room, BlockNumber seen)
{
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	HnswMeta *meta;
	PageChange change;
	Buffer before;
	Buffer buffer;
	bool reuse;

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) meta_page_header(index->relation, BufferGetPage(meta_buffer), METHOD_HNSW);
	if (*insert_target(meta, kind) != seen)
	{
		index->meta = *meta;
		UnlockReleaseBuffer(meta_buffer);
		return;
	}
	reuse =
		hnsw_lock_free_page(index, *free_chain(meta, kind), kind, MAXALIGN(room), &before, &buffer);
	if (!reuse)
	{
		if (kind == PAGE_SLOTS)
			check_not_full(index);
		buffer = page_extend(index->relation, MAIN_FORKNUM);
	}
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	if (reuse)
		hnsw_unchain_page(&change, free_chain(meta, kind), before, buffer);
	else
		page_init(page_change_page(&change, buffer, true), kind);
	*insert_target(meta, kind) = BufferGetBlockNumber(buffer);
	index->meta = *meta;
	page_change_finish(&change);
}

/* Stores an item on an item page with room for it, and sets *tid to it. */
void
hnsw_add_item(HnswIndex *index, Item item, Size size, ItemPointer tid)
{
	for (;;)
	{
		BlockNumber blkno = index->meta.item_block;

		if (blkno != InvalidBlockNumber)
		{
			Buffer buffer = lock_insert_page(index, blkno, PAGE_ITEMS);

			if (PageGetFreeSpace(BufferGetPage(buffer)) >= MAXALIGN(size))
			{
				PageChange change;
				OffsetNumber offset;

				page_change_begin(&change, index->relation, index->building);
				offset = PageAddItem(page_change_page(&change, buffer, false), item, size,
									 InvalidOffsetNumber, false, false);
				if (offset == InvalidOffsetNumber)
					elog(ERROR, "could not add an item to block %u of index \"%s\"", blkno,
						 RelationGetRelationName(index->relation));
				ItemPointerSet(tid, blkno, offset);
				page_change_finish(&change);
				return;
			}
			UnlockReleaseBuffer(buffer);
		}
		change_insert_page(index, PAGE_ITEMS, size, blkno);
	}
}

/* A slot of the page that holds no vertex, or -1. */
static int
find_slot(HnswIndex *index, Page page)
{
	int nslots = page_slots(page, index->meta.slots_per_page);

	if (nslots < index->meta.slots_per_page)
		return nslots;
	for (int slot = 0; slot < nslots; slot++)
	{
		if (((HnswVertex) page_slot(page, index->meta.slot_size, slot))->flags & HNSW_VERTEX_FREE)
			return slot;
	}
	return -1;
}

/* Puts a record into a slot, as the next of the vertices that it has held. */
static void
fill_slot(HnswIndex *index, Page page, int slot, HnswVertex record)
{
	HnswVertex place = (HnswVertex) page_slot(page, index->meta.slot_size, slot);
	bool used_before = slot < PageGetSpecial(page)->nslots;
	uint16 version = used_before ? place->version : record->version;

	memcpy(place, record, index->meta.slot_size);
	place->version = version;
	if (!used_before)
		page_set_slots(page, index->meta.slot_size, slot + 1);
}

/* Stores a complete vertex record (slot_size bytes) and returns its id. */
uint32
hnsw_add_vertex(HnswIndex *index, HnswVertex record)
{
	for (;;)
	{
		BlockNumber blkno = index->meta.insert_block;

		if (blkno != InvalidBlockNumber)
		{
			Buffer buffer = lock_insert_page(index, blkno, PAGE_SLOTS);
			int slot = find_slot(index, BufferGetPage(buffer));

			if (slot >= 0)
			{
				PageChange change;

				page_change_begin(&change, index->relation, index->building);
				fill_slot(index, page_change_page(&change, buffer, false), slot, record);
				page_change_finish(&change);
				return blkno * index->meta.slots_per_page + slot;
			}
			UnlockReleaseBuffer(buffer);
		}
		change_insert_page(index, PAGE_SLOTS, 0, blkno);
	}
}

/*
 * Adds a value page to a change: the first free one, which leaves its chain,
 * or a new one.  Returns its block.
 */
static BlockNumber
change_value_page(HnswIndex *index, PageChange *change, Page *page)
{
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	HnswMeta *meta;
	Buffer before;
	Buffer buffer;

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) meta_page_header(index->relation, BufferGetPage(meta_buffer), METHOD_HNSW);
	if (hnsw_lock_free_page(index, meta->free_values, PAGE_VALUE, 0, &before, &buffer))
	{
		page_change_begin(change, index->relation, index->building);
		meta = (HnswMeta *) PageGetContents(page_change_page(change, meta_buffer, false));
		*page = hnsw_unchain_page(change, &meta->free_values, before, buffer);
	}
	else
	{
		UnlockReleaseBuffer(meta_buffer);
		buffer = page_extend(index->relation, MAIN_FORKNUM);
		page_change_begin(change, index->relation, index->building);
		*page = page_change_page(change, buffer, true);
		page_init(*page, PAGE_VALUE);
	}
	return BufferGetBlockNumber(buffer);
}

/*
 * Stores an encoded value on value pages of its own and puts their numbers
 * into blocks[0 .. value_pages - 1].
 */
void
hnsw_write_value(HnswIndex *index, const char *value, BlockNumber *blocks)
{
	Size left = index->space.encoded_size;

	for (int i = 0; i < index->meta.value_pages; i++)
	{
		Size piece = Min(left, HNSW_VALUE_PIECE);
		PageChange change;
		Page page;

		blocks[i] = change_value_page(index, &change, &page);
		memcpy((char *) page + PAGE_DATA_OFFSET, value + (Size) i * HNSW_VALUE_PIECE, piece);
		page_set_data_size(page, piece);
		page_change_finish(&change);
		left -= piece;
	}
}
