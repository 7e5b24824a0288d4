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

static int
pages_of_value(Size size)
{
	return (size + HNSW_VALUE_PIECE - 1) / HNSW_VALUE_PIECE;
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
	meta->codes_offset = 0;
	meta->value_pages = 0;
	meta->element = space->stored.space->element;
	if (pages_of_value(space->encoded_size) > HNSW_MAX_VALUE_PAGES)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("values of index \"%s\" take %zu bytes, more than the limit of %zu",
							   index_name, space->encoded_size,
							   (Size) HNSW_MAX_VALUE_PAGES * HNSW_VALUE_PIECE)));
	size = TYPEALIGN(CACHE_LINE, meta->value_offset + space->stored_size);
	if (size > PAGE_DATA_SIZE)
	{
		/* room for the pages of a value that does not fit the stored element, too */
		meta->value_pages = pages_of_value(space->stored_size);
		size = TYPEALIGN(CACHE_LINE, meta->value_offset +
										 pages_of_value(space->encoded_size) * sizeof(BlockNumber));
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
	while (HNSW_UPPER_SIZE(m, meta->max_level) > HNSW_MAX_ITEM_SIZE)
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
		HNSW_UPPER_SIZE(meta->m, meta->max_level) > HNSW_MAX_ITEM_SIZE)
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
	if (sound && index->meta.header.dim != 0 &&
		index->meta.element != index->space.stored.space->element)
		sound = index_space_store_as(&index->space, index->meta.element);
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
 * Puts a value of `size` bytes together from its pages.  Values never change,
 * so their pages need no lock.
 */
static void
read_value_pages(HnswIndex *index, const BlockNumber *blocks, char *value, Size size)
{
	Size left = size;

	for (int i = 0; left > 0; i++)
	{
		Buffer buffer = recent_read(index->relation, blocks[i]);
		Page page = BufferGetPage(buffer);
		Size piece = Min(left, HNSW_VALUE_PIECE);

		if (!page_is(page, PAGE_VALUE))
			ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
							errmsg("index \"%s\" has no value on block %u",
								   RelationGetRelationName(index->relation), blocks[i]),
							errhint("Please REINDEX it.")));
		memcpy(value + (Size) i * HNSW_VALUE_PIECE, (char *) page + PAGE_DATA_OFFSET, piece);
		ReleaseBuffer(buffer);
		left -= piece;
	}
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
	read_value_pages(index, value, scratch, index->space.stored_size);
	return scratch;
}

static void
report_bad_item(HnswIndex *index, ItemPointer tid)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has no item (%u,%u)", RelationGetRelationName(index->relation),
					ItemPointerGetBlockNumber(tid), ItemPointerGetOffsetNumber(tid)),
			 errhint("Please REINDEX it.")));
}

/*
 * Pins and locks the page of an item and returns the item, which lies inside
 * the page and has *size bytes.
 */
static Item
pin_item(HnswIndex *index, ItemPointer tid, int lockmode, Buffer *buffer, Size *size)
{
	Page page;
	ItemId id;
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);

	*buffer = recent_read(index->relation, ItemPointerGetBlockNumber(tid));
	LockBuffer(*buffer, lockmode);
	page = BufferGetPage(*buffer);
	if (unlikely(!page_is(page, PAGE_ITEMS) || offset < FirstOffsetNumber ||
				 offset > PageGetMaxOffsetNumber(page)))
		report_bad_item(index, tid);
	id = PageGetItemId(page, offset);
	*size = ItemIdGetLength(id);
	if (unlikely(!ItemIdIsNormal(id) || ItemIdGetOffset(id) != MAXALIGN(ItemIdGetOffset(id)) ||
				 ItemIdGetOffset(id) + *size > BLCKSZ - PAGE_SPECIAL_SIZE))
		report_bad_item(index, tid);
	return PageGetItem(page, id);
}

/* Copies the encoded value of a HNSW_VERTEX_WIDE vertex. */
static void
read_wide_value(HnswIndex *index, HnswVertex vertex, char *encoded)
{
	Size size = index->space.encoded_size;
	void *where = hnsw_vertex_value(index, vertex);
	ItemPointerData tid;
	Size item_size;
	Buffer buffer;
	Item item;

	if (!HNSW_WIDE_ITEM(index))
	{
		read_value_pages(index, where, encoded, size);
		return;
	}
	tid = *(ItemPointer) where;
	item = pin_item(index, &tid, BUFFER_LOCK_SHARE, &buffer, &item_size);
	if (unlikely(item_size != size))
		report_bad_item(index, &tid);
	memcpy(encoded, item, size);
	UnlockReleaseBuffer(buffer);
}

/*
 * Copies the encoded value (encoded_size bytes) of a record the caller has
 * pinned, in whatever form it is stored.
 */
void
hnsw_read_value(HnswIndex *index, HnswVertex vertex, char *encoded)
{
	const IndexSpace *space = &index->space;
	const void *stored;

	if (vertex->flags & HNSW_VERTEX_WIDE)
	{
		read_wide_value(index, vertex, encoded);
		return;
	}
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
}

/*
 * Pins and locks the page of an item of upper links and returns it.  The
 * caller unlocks and releases *buffer, and does not trust the counts.
 */
HnswUpper
hnsw_pin_upper(HnswIndex *index, ItemPointer tid, int lockmode, Buffer *buffer)
{
	Size size;
	HnswUpper upper = (HnswUpper) pin_item(index, tid, lockmode, buffer, &size);

	if (unlikely(size < sizeof(HnswUpperData) || upper->level > index->meta.max_level ||
				 HNSW_UPPER_SIZE(index->meta.m, upper->level) > size))
		report_bad_item(index, tid);
	return upper;
}

/* The same for a list of heap TIDs. */
HnswTids
hnsw_pin_tids(HnswIndex *index, ItemPointer tid, int lockmode, Buffer *buffer)
{
	Size size;
	HnswTids tids = (HnswTids) pin_item(index, tid, lockmode, buffer, &size);

	if (unlikely(size < sizeof(HnswTidsData) || tids->ntids > tids->capacity ||
				 tids->capacity > HNSW_MAX_TIDS_CAPACITY || HNSW_TIDS_SIZE(tids->capacity) > size))
		report_bad_item(index, tid);
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
		ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
						errmsg("index \"%s\" cannot add to block %u, which is not one of its pages",
							   RelationGetRelationName(index->relation), blkno),
						errhint("Please REINDEX it.")));
	return buffer;
}

/*
 * Adds an item page and makes it the one that takes new items, unless somebody
 * else has done so since the metapage was read.  Either way index->meta is up
 * to date afterwards.  The metapage is locked throughout: it stands for the
 * right to add such a page.
 */
static void
add_item_page(HnswIndex *index, BlockNumber seen)
{
	Buffer meta_buffer = recent_read(index->relation, META_BLOCK);
	HnswMeta *meta;

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = (HnswMeta *) meta_page_header(index->relation, BufferGetPage(meta_buffer), METHOD_HNSW);
	if (meta->item_block != seen)
	{
		index->meta = *meta;
		UnlockReleaseBuffer(meta_buffer);
	}
	else
	{
		PageChange change;
		Buffer buffer = page_extend(index->relation, MAIN_FORKNUM);

		page_change_begin(&change, index->relation, index->building);
		page_init(page_change_page(&change, buffer, true), PAGE_ITEMS);
		meta = (HnswMeta *) PageGetContents(page_change_page(&change, meta_buffer, false));
		meta->item_block = BufferGetBlockNumber(buffer);
		index->meta = *meta;
		page_change_finish(&change);
	}
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
		add_item_page(index, blkno);
	}
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
		Size piece = Min(left, HNSW_VALUE_PIECE);
		Buffer buffer = page_extend(index->relation, MAIN_FORKNUM);
		PageChange change;
		Page page;

		page_change_begin(&change, index->relation, index->building);
		page = page_change_page(&change, buffer, true);
		page_init(page, PAGE_VALUE);
		memcpy((char *) page + PAGE_DATA_OFFSET, value + (Size) i * HNSW_VALUE_PIECE, piece);
		page_set_data_size(page, piece);
		blocks[i] = BufferGetBlockNumber(buffer);
		page_change_finish(&change);
		left -= piece;
	}
}

/* Notes in the metapage that there are values that do not fit the stored element. */
static void
set_has_wide(HnswIndex *index)
{
	Buffer buffer = recent_read(index->relation, META_BLOCK);
	PageChange change;
	HnswMeta *meta;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, index->building);
	meta = (HnswMeta *) PageGetContents(page_change_page(&change, buffer, false));
	meta->has_wide = true;
	index->meta = *meta;
	page_change_finish(&change);
}

/* Stores a value that does not fit the stored element. */
static void
store_wide_value(HnswIndex *index, HnswVertex record, const char *encoded)
{
	Size size = index->space.encoded_size;
	void *where = hnsw_vertex_value(index, record);

	if (!index->meta.has_wide)
		set_has_wide(index);
	if (HNSW_WIDE_ITEM(index))
		hnsw_add_item(index, (Item) encoded, size, where);
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
