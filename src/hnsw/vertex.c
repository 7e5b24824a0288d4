/*-------------------------------------------------------------------------
 *
 * vertex.c
 *	  Vertex records, items and values of an hnsw index on their pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "common/hashfn.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

#define CACHE_LINE 64

/* Bytes of the numbers of the pages that hold a value, whichever form it has */
static Size
value_blocks_size(const IndexSpace *space)
{
	return value_pages_of(space->encoded_size) * sizeof(BlockNumber);
}

/*
 * Does the record have its value inside?  Not if it would not fit a page, nor
 * if codes that have been asked for would have no room beside it.
 */
static bool
place_value(HnswMeta *meta, const IndexSpace *space)
{
	bool fits = TYPEALIGN(CACHE_LINE, meta->value_offset + space->stored_size) <= PAGE_DATA_SIZE;

	if (fits && (hnsw_place_codes(meta, space, space->stored_size, true) ||
				 meta->quantization != HNSW_QUANTIZATION_RABITQ || !hnsw_is_codable(space)))
		return true;
	hnsw_place_codes(meta, space, value_blocks_size(space), false);
	return false;
}

/*
 * Lays out the record for values in the space's stored form: inline when the
 * record fits a page, else on value pages.  Called once, when the dimensions
 * and the form are known.
 */
void
hnsw_meta_set_geometry(HnswMeta *meta, const IndexSpace *space, const char *index_name)
{
	Size links = HNSW_LAYER_LINKS(meta->m, 0) * sizeof(uint32);
	Size size;

	meta->header.dim = space->context.dim;
	meta->links_offset = HNSW_VERTEX_HEADER_SIZE;
	meta->value_offset = TYPEALIGN(CACHE_LINE, meta->links_offset + links);
	meta->value_pages = 0;
	meta->element = space->stored.space->element;
	if (value_pages_of(space->encoded_size) > HNSW_MAX_VALUE_PAGES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("values of index \"%s\" take %zu bytes, more than the limit of %zu",
							   index_name, space->encoded_size,
							   (Size) HNSW_MAX_VALUE_PAGES * VALUE_PAGES_PIECE)));
	if (index_space_varies(space))
	{
		meta->has_wide = true;
		size = TYPEALIGN(CACHE_LINE, meta->value_offset + sizeof(HnswOutsideData));
	}
	else if (place_value(meta, space))
		size = TYPEALIGN(CACHE_LINE, meta->value_offset + space->stored_size);
	else
	{
		/* room for the pages of a value that does not fit the stored element, too */
		meta->value_pages = value_pages_of(space->stored_size);
		size = TYPEALIGN(CACHE_LINE, meta->value_offset + value_blocks_size(space));
	}
	meta->slot_size = size;
	meta->slots_per_page = PAGE_DATA_SIZE / (size + meta->codes_size);
}

/* The metapage of an empty index; its geometry follows when dim is known. */
void
hnsw_meta_init(HnswMeta *meta, const IndexSpace *space, int m, int ef_construction,
			   HnswQuantization quantization, const char *index_name)
{
	memset(meta, 0, sizeof(*meta));
	meta_header_init(&meta->header, METHOD_HNSW, &space->context);
	meta->m = m;
	meta->ef_construction = ef_construction;
	meta->quantization = quantization;
	meta->entry = HNSW_NO_VERTEX;
	meta->max_level = GRAPH_MAX_LEVEL;
	while (HNSW_UPPER_SIZE(m, meta->max_level) > HNSW_MAX_ITEM_SIZE)
		meta->max_level--;
	meta->seed = 1;
	meta->insert_block = InvalidBlockNumber;
	meta->item_block = InvalidBlockNumber;
	meta->pending = InvalidBlockNumber;
	meta->free_slots = InvalidBlockNumber;
	meta->free_items = InvalidBlockNumber;
	meta->free_values = InvalidBlockNumber;
	meta->mean_block = InvalidBlockNumber;
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
		HNSW_UPPER_SIZE(meta->m, meta->max_level) > HNSW_MAX_ITEM_SIZE)
		return false;
	if (meta->header.dim == 0)
		return meta->entry == HNSW_NO_VERTEX;
	hnsw_meta_set_geometry(&expected, &index->space, RelationGetRelationName(index->relation));
	return memcmp(&expected, meta, sizeof(HnswMeta)) == 0;
}

/* Reads the metapage, and goes by the element that it names.  An error if it contradicts itself. */
void
hnsw_read_meta(HnswIndex *index)
{
	bool has_dim = index_space_read_meta(&index->space, index->relation, METHOD_HNSW, &index->meta,
										 sizeof(HnswMeta));
	uint16 element = index->meta.element;
	bool has_element = !has_dim || element == index->space.stored.space->element ||
					   index_space_store_as(&index->space, element);

	if (unlikely(!has_element || !geometry_is_sound(index)))
		meta_report_invalid(index->relation);
}

/* Gets an index ready for searches and changes. */
void
hnsw_open(HnswIndex *index, Relation relation)
{
	*index = (HnswIndex){.relation = relation};
	index_space_init(&index->space, relation);
	hnsw_read_meta(index);
}

static void
report_bad_vertex(HnswIndex *index, uint32 vertex)
{
	damage_report(index->relation, "has no vertex %u", vertex);
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
 * The stored value of a record the caller has pinned, which is not a
 * HNSW_VERTEX_WIDE one: in place, or put together in scratch (stored_size
 * bytes) from its value pages.
 */
const void *
hnsw_read_stored(HnswIndex *index, HnswVertex vertex, char *scratch)
{
	const void *value = hnsw_vertex_value(index, vertex);

	if (index->meta.value_pages == 0)
		return value;
	value_pages_require(index->relation, value, scratch, index->space.stored_size);
	return scratch;
}

/* Raises the error that an item is not there or damaged. */
void
hnsw_report_bad_item(HnswIndex *index, ItemPointer tid)
{
	damage_report(index->relation, "has no item (%u,%u)", ItemPointerGetBlockNumber(tid),
				  ItemPointerGetOffsetNumber(tid));
}

/* Has the vertex one of these flags?  It may change at any moment. */
bool
hnsw_vertex_has(HnswIndex *index, uint32 vertex, uint8 flags)
{
	Buffer buffer = recent_read(index->relation, hnsw_block(index, vertex));
	bool result = (hnsw_page_vertex(index, BufferGetPage(buffer), vertex)->flags & flags) != 0;

	ReleaseBuffer(buffer);
	return result;
}

/*
 * May a vertex be linked to in a layer?  Not if it is deleted, nor if its slot is free, nor if
 * it is pending and has no links yet: then its slot has been given to a new row since a search
 * has come to it, and a link would make the merge to come believe that another one has begun.
 * Those of the batch of a merge's overlay (or NULL) may have none either.
 */
bool
hnsw_is_linkable(HnswIndex *index, uint32 vertex, int layer, const HnswOverlay *batch)
{
	Buffer buffer;
	HnswVertex record = hnsw_pin_vertex(index, vertex, BUFFER_LOCK_SHARE, &buffer);
	bool waits = (record->flags & HNSW_VERTEX_UNLINKED) != 0 && record->nlinks == 0;
	bool linkable =
		(record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0 && record->level >= layer;

	UnlockReleaseBuffer(buffer);
	return linkable && (!waits || (batch != NULL && hnsw_overlay_has(batch, vertex)));
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
	if (unlikely(found != HNSW_ITEM_UPPER && found != HNSW_ITEM_TIDS && found != HNSW_ITEM_WIDE))
		hnsw_report_bad_item(index, tid);
	return found == kind ? PageGetItem(page, id) : NULL;
}

/*
 * Copies the value of an item, of so many bytes.  False if tid, which may be garbage, leads
 * to none.
 */
static bool
read_wide_item(HnswIndex *index, ItemPointer tid, char *encoded, Size size)
{
	BlockNumber blkno = ItemPointerGetBlockNumberNoCheck(tid);
	HnswWide wide = NULL;
	Size item_size = 0;
	Buffer buffer;

	if (ItemPointerGetOffsetNumberNoCheck(tid) < FirstOffsetNumber || blkno == META_BLOCK ||
		blkno >= RelationGetNumberOfBlocks(index->relation))
		return false;
	buffer = recent_read(index->relation, blkno);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (page_is(BufferGetPage(buffer), PAGE_ITEMS))
		wide =
			(HnswWide) locate_item(index, BufferGetPage(buffer), tid, HNSW_ITEM_WIDE, &item_size);
	if (wide != NULL && item_size == HNSW_WIDE_SIZE(size))
		memcpy(encoded, wide->value, size);
	else
		wide = NULL;
	UnlockReleaseBuffer(buffer);
	return wide != NULL;
}

/* The same for a value that is where the record, which may be changing, says. */
static bool
read_outside(HnswIndex *index, const void *where, char *encoded, Size size)
{
	BlockNumber blocks[HNSW_MAX_VALUE_PAGES];
	ItemPointerData tid;

	if (HNSW_WIDE_ITEM(size))
	{
		memcpy(&tid, where, sizeof(tid));
		return read_wide_item(index, &tid, encoded, size);
	}
	memcpy(blocks, where, value_pages_of(size) * sizeof(BlockNumber));
	return value_pages_read(index->relation, blocks, encoded, size);
}

/*
 * Copies the encoded value of a HNSW_VERTEX_WIDE vertex, or zeros if there is
 * none where the record, which may be changing, says: then false.  What is read for a
 * function is the value of some vertex, or nothing.
 */
static bool
read_wide_value(HnswIndex *index, HnswVertex vertex, char *encoded)
{
	const IndexSpace *space = &index->space;
	HnswOutsideData outside;
	bool found;

	if (!index_space_varies(space))
	{
		found = read_outside(index, hnsw_wide_where(index, vertex), encoded, space->encoded_size);
		if (!found)
			memset(encoded, 0, space->encoded_size);
		return found;
	}
	memcpy(&outside, hnsw_vertex_value(index, vertex), sizeof(outside));
	return outside.size > 0 && outside.size <= space->encoded_size &&
		   read_outside(index, outside.where, encoded, outside.size) &&
		   (HNSW_WIDE_ITEM(outside.size) ||
			hash_bytes((const unsigned char *) encoded, outside.size) == outside.hash) &&
		   function_space_is_sound(&space->context, encoded, outside.size);
}

/*
 * Copies the encoded value (encoded_size bytes) of a record, in whatever form
 * it is stored.  The record's page is pinned, or the record a copy.  Takes a
 * lock on another page, so no page may be locked.  False, with any value, if
 * the slot or what belongs to it has just been given to another vertex; a function
 * must not see that.
 */
bool
hnsw_read_value(HnswIndex *index, HnswVertex vertex, char *encoded)
{
	const IndexSpace *space = &index->space;
	const void *stored;

	if (vertex->flags & HNSW_VERTEX_WIDE)
		return read_wide_value(index, vertex, encoded);
	if (index_space_varies(space)) /* an empty slot */
		return false;
	stored = hnsw_read_stored(index, vertex, encoded);
	if (space->stored.space != space->context.space)
	{
		char *copy = NULL;

		if (stored == encoded) /* widening is not done in place */
			stored = copy = memcpy(palloc(space->stored_size), stored, space->stored_size);
		space_widen(&space->context, &space->stored, stored, encoded);
		if (copy != NULL)
			pfree(copy);
	}
	else if (stored != encoded)
		memcpy(encoded, stored, space->encoded_size);
	return true;
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
 * Locks the page that takes new items exclusively and returns its buffer; an
 * error if it is not of that kind.
 */
static Buffer
lock_item_page(HnswIndex *index, BlockNumber blkno)
{
	Buffer buffer = recent_read(index->relation, blkno);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (unlikely(!page_is(BufferGetPage(buffer), PAGE_ITEMS)))
		damage_report(index->relation, "cannot add to block %u, which is not one of its pages",
					  blkno);
	return buffer;
}

/*
 * Makes a page with `room` bytes the one that takes new items, unless somebody
 * else has done so since the metapage was read: one of those that vacuum has
 * made room on, or a new one.  Afterwards index->meta is up to date.  The
 * metapage is locked throughout: it stands for the right to change the target.
 */
static void
change_item_page(HnswIndex *index, Size room, BlockNumber seen)
{
	Buffer meta_buffer = meta_lock(index->relation);
	HnswMeta *meta;
	PageChange change;
	Buffer before;
	Buffer buffer;
	bool reuse;

	meta = (HnswMeta *) meta_page_header(index->relation, BufferGetPage(meta_buffer), METHOD_HNSW);
	if (meta->item_block != seen)
	{
		index->meta = *meta;
		UnlockReleaseBuffer(meta_buffer);
		return;
	}
	reuse =
		hnsw_lock_free_page(index, meta->free_items, PAGE_ITEMS, MAXALIGN(room), &before, &buffer);
	if (!reuse)
	{
		buffer = page_extend(index->relation, MAIN_FORKNUM);
	}
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
	if (reuse)
		hnsw_unchain_page(&change, &meta->free_items, before, buffer);
	else
		page_init(page_change_page(&change, buffer, true), PAGE_ITEMS);
	meta->item_block = BufferGetBlockNumber(buffer);
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
			Buffer buffer = lock_item_page(index, blkno);

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
		change_item_page(index, size, blkno);
	}
}

/*
 * Adds a value page to a change: the first free one, which leaves its chain,
 * or a new one.  Returns its block.
 */
static BlockNumber
change_value_page(HnswIndex *index, PageChange *change, Page *page)
{
	Buffer meta_buffer = meta_lock(index->relation);
	HnswMeta *meta;
	Buffer before;
	Buffer buffer;

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
 * Stores a value of `size` bytes on value pages of its own and puts their
 * numbers into blocks[].
 */
static void
write_value_pages(HnswIndex *index, const char *value, Size size, BlockNumber *blocks)
{
	Size left = size;

	for (int i = 0; left > 0; i++)
	{
		Size piece = Min(left, VALUE_PAGES_PIECE);
		PageChange change;
		Page page;

		blocks[i] = change_value_page(index, &change, &page);
		memcpy((char *) page + PAGE_DATA_OFFSET, value + (Size) i * VALUE_PAGES_PIECE, piece);
		page_set_data_size(page, piece);
		page_change_finish(&change);
		left -= piece;
	}
}

/* Notes in the metapage that there are values that do not fit the stored element. */
static void
set_has_wide(HnswIndex *index)
{
	PageChange change;
	HnswMeta *meta = meta_begin_change(index->relation, index->building, &change);

	meta->has_wide = true;
	index->meta = *meta;
	page_change_finish(&change);
}

/* Notes the size of a value that will be outside of a record, if that is to have it. */
void
hnsw_note_outside(HnswIndex *index, HnswVertex record, const void *encoded)
{
	HnswOutside outside = hnsw_vertex_value(index, record);

	if (!index_space_varies(&index->space))
		return;
	outside->size = index_space_size(&index->space, encoded);
	outside->hash = hash_bytes(encoded, outside->size);
}

/* Stores a value that does not fit the stored element, or of a size of its own. */
static void
store_wide_value(HnswIndex *index, HnswVertex record, const char *encoded)
{
	Size size = index_space_size(&index->space, encoded);
	void *where = hnsw_wide_where(index, record);

	hnsw_note_outside(index, record, encoded);
	if (!index->meta.has_wide)
		set_has_wide(index);
	if (HNSW_WIDE_ITEM(size))
	{
		HnswWide wide = palloc0(HNSW_WIDE_SIZE(size));

		wide->kind = HNSW_ITEM_WIDE;
		memcpy(wide->value, encoded, size);
		hnsw_add_item(index, (Item) wide, HNSW_WIDE_SIZE(size), where);
		pfree(wide);
	}
	else
		write_value_pages(index, encoded, size, where);
	record->flags |= HNSW_VERTEX_WIDE;
}

/*
 * Puts an encoded value into a new record, or where it belongs otherwise.
 * Nothing points to that yet: a crash before the record is stored leaks it.
 */
void
hnsw_store_value(HnswIndex *index, HnswVertex record, const char *encoded)
{
	const IndexSpace *space = &index->space;
	const char *stored = encoded;
	char *narrow = NULL;

	if (index_space_varies(space))
	{
		store_wide_value(index, record, encoded);
		return;
	}
	if (space->stored.space != space->context.space)
	{
		stored = narrow = palloc(Max(space->stored_size, 1));
		if (!space_narrow(&space->context, &space->stored, encoded, narrow))
		{
			store_wide_value(index, record, encoded);
			pfree(narrow);
			return;
		}
	}
	if (index->meta.value_pages > 0)
		write_value_pages(index, stored, space->stored_size, hnsw_vertex_value(index, record));
	else
		memcpy(hnsw_vertex_value(index, record), stored, space->stored_size);
	if (narrow != NULL)
		pfree(narrow);
}
