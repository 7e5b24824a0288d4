/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  INSERT into a vptree index.
 *
 * A descent finds the bucket to which the value belongs.  The row goes to the
 * entry of an equal value there, else it becomes an entry.  Whoever finds the bucket full
 * makes room first (split.c).  README, "Insert".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/pause.h"
#include "core/random.h"
#include "vptree/vptree.h"

/* Steps of a way down that there is room for at first */
#define FIRST_STEPS 64

/*
 * Times that room is made for a row.  Once is enough, but for others who fill it again; then the
 * bucket grows.
 */
#define MAX_ATTEMPTS 5

typedef struct VptreeInserter
{
	Inserter base;
	VptreeIndex index;
} VptreeInserter;

/* A row to be inserted */
typedef struct NewRow
{
	uint32 dim;
	const void *value;	/* encoded */
	Size size;			/* of it */
	const void *query;	/* its query form */
	const uint8 *codes; /* of its distances to the pivots of the pivot table */
	float *coordinates; /* TREE_KD */
	ItemPointer tid;
} NewRow;

/* InsertMethod.open */
static IndexSpace *
open_tree(Inserter *base)
{
	VptreeIndex *index = &((VptreeInserter *) base)->index;

	vptree_open(index, base->relation);
	return &index->space;
}

/* Adds a step to the way to a place. */
static VptreeStep *
add_step(VptreePlace *place)
{
	if (place->depth == place->capacity)
	{
		place->capacity *= 2;
		place->steps = repalloc(place->steps, place->capacity * sizeof(VptreeStep));
	}
	return &place->steps[place->depth++];
}

/*
 * Goes down from one node: place->bucket becomes the child.  False: another node is in its place
 * by now.  copy: room for the node where its page must not be locked while the distance is
 * computed, else NULL.
 */
static bool
descend_one(VptreeIndex *index, const NewRow *row, uint64 *chance, char *scratch, VptreeNode copy,
			VptreePlace *place)
{
	int path_length = index->meta.path_length;
	VptreeStep *step;
	Buffer buffer;
	VptreeNode node = vptree_lock_node(index, &place->bucket, &buffer);
	double x;

	if (unlikely(node == NULL))
		return false;
	if (copy != NULL)
	{
		node = vptree_copy_node(index, node, copy);
		UnlockReleaseBuffer(buffer);
	}
	step = add_step(place);
	step->node = place->bucket;
	if (index->meta.partition == TREE_KD)
		x = row->coordinates[node->dimension];
	else
		x = vptree_pivot_distance(index, vptree_node_pivot(index, node, scratch), row->query);
	step->left = vptree_goes_left(x, node->radius, chance);
	place->bucket = step->left ? node->left : node->right;
	if (copy == NULL)
		UnlockReleaseBuffer(buffer);
	if (path_length > 0)
	{
		memmove(place->path + 1, place->path, (path_length - 1) * sizeof(float));
		place->path[0] = (float) x;
	}
	return true;
}

/*
 * Finds the bucket to which a row belongs, from the root in index->meta.  False: the way to it
 * has changed meanwhile, and place->bucket is what was not there.
 */
static bool
descend(VptreeIndex *index, const NewRow *row, VptreePlace *place)
{
	char *scratch = palloc(index->space.encoded_size);
	VptreeNode copy = vptree_calls_back(index) ? palloc(vptree_copy_room(index)) : NULL;
	uint64 chance = random_hash(((uint64) ItemPointerGetBlockNumber(row->tid) << 16) |
								ItemPointerGetOffsetNumber(row->tid));

	bool found = true;

	place->depth = 0;
	memset(place->path, 0, sizeof(place->path));
	place->bucket = index->meta.root;
	while (found && !vptree_child_is_bucket(&place->bucket))
	{
		CHECK_FOR_INTERRUPTS();
		found = descend_one(index, row, &chance, scratch, copy, place);
	}
	pfree(scratch);
	if (copy != NULL)
		pfree(copy);
	return found;
}

/* Locks the head of the bucket that a descent has come to; false if it has gone, or retired. */
static bool
lock_head(VptreeIndex *index, const VptreeChild *bucket, Buffer *head)
{
	if (!bucket_lock_head(index->relation, bucket->block, bucket->number, BUFFER_LOCK_EXCLUSIVE,
						  head))
		return false;
	if ((PageGetSpecial(BufferGetPage(*head))->flags & PAGE_RETIRED) == 0)
		return true;
	UnlockReleaseBuffer(*head);
	return false;
}

/* Makes the first row of an index its only bucket, and fixes its dimensions. */
static void
make_root(VptreeIndex *index, const NewRow *row)
{
	PageChange change;
	VptreeMeta *meta;
	BucketEntry entry;
	Buffer buffer;
	Size size;

	HOLD_INTERRUPTS();
	vptree_set_geometry(index, vptree_get_options(index->relation));
	entry = bucket_make_entry(index->relation, &index->shape, VPTREE_FREE_PAGES, false, NULL,
							  row->value, row->size, row->tid, 1, &size);
	index->meta.root.offset = InvalidOffsetNumber;
	index->meta.root.block = bucket_write(index->relation, VPTREE_FREE_PAGES, false, &entry, &size,
										  1, 1.0, &index->meta.root.number);
	buffer = ReadBuffer(index->relation, META_BLOCK);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page_change_begin(&change, index->relation, false);
	meta = (VptreeMeta *) PageGetContents(page_change_page(&change, buffer, false));
	meta->header.dim = index->meta.header.dim;
	meta->bucket_size = index->meta.bucket_size;
	meta->root = index->meta.root;
	meta->buckets = 1;
	page_change_finish(&change);
	RESUME_INTERRUPTS();
}

/*
 * Makes the row the first one of the index; false if another session has done so
 * by now.  The lock is there for that, and so that there is one root.
 */
static bool
insert_first(VptreeIndex *index, const NewRow *row)
{
	bool made = false;

	vptree_lock_splits(index->relation, ExclusiveLock);
	vptree_read_meta(index);
	if (index->meta.root.block == InvalidBlockNumber)
	{
		make_root(index, row);
		made = true;
	}
	vptree_unlock_splits(index->relation, ExclusiveLock);
	return made;
}

/* Adds the row to an entry of a page that is locked exclusively, and releases that. */
static void
add_tid(VptreeIndex *index, Buffer buffer, OffsetNumber offset, ItemPointer tid)
{
	PageChange change;

	page_change_begin(&change, index->relation, false);
	if (!bucket_add_tid(&index->shape, page_change_page(&change, buffer, false), offset, tid))
		elog(ERROR, "could not add a row to index \"%s\"",
			 RelationGetRelationName(index->relation));
	page_change_finish(&change);
}

/*
 * Looks on a page for an entry of the row's value with room for its TID; 0 if
 * there is none.  Counts entries.
 */
static OffsetNumber
find_equal(VptreeIndex *index, Page page, BlockNumber block, const NewRow *row,
		   const VptreePlace *place, char *scratch, uint32 *nentries)
{
	int npath = Min(place->depth, index->meta.path_length);
	OffsetNumber found = InvalidOffsetNumber;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		BucketEntry entry = bucket_page_entry(index->relation, &index->shape, page, block, offset);

		if (entry == NULL)
			continue;
		(*nentries)++;
		if (found == InvalidOffsetNumber &&
			memcmp(bucket_entry_extra(entry), place->path, npath * sizeof(float)) == 0 &&
			entry->value_size == row->size &&
			memcmp(bucket_read_value(index->relation, &index->shape, entry, scratch), row->value,
				   row->size) == 0 &&
			bucket_has_tid_room(&index->shape, page, offset))
			found = offset;
	}
	return found;
}

/*
 * Adds the row to a bucket whose head is locked exclusively, and releases that.  False: the
 * row would be one entry too many, and the bucket is not to grow.
 */
static bool
add_to_bucket(VptreeIndex *index, Buffer head, const NewRow *row, const VptreePlace *place,
			  bool may_grow)
{
	char *scratch = palloc(index->space.encoded_size);
	char extra[VPTREE_MAX_EXTRA];
	Buffer buffer = head;
	uint32 nentries = 0;
	BucketEntry entry;
	bool more;
	Size size;

	do
	{
		OffsetNumber offset = find_equal(index, BufferGetPage(buffer), BufferGetBlockNumber(buffer),
										 row, place, scratch, &nentries);
		Buffer next;

		if (offset != InvalidOffsetNumber)
		{
			add_tid(index, buffer, offset, row->tid);
			if (buffer != head)
				UnlockReleaseBuffer(head);
			return true;
		}
		more = bucket_lock_next(index->relation, buffer, BUFFER_LOCK_EXCLUSIVE, &next);
		if (buffer != head)
			UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
	if (nentries >= index->meta.bucket_size && !may_grow)
	{
		UnlockReleaseBuffer(head);
		return false;
	}
	memcpy(extra, place->path, index->meta.path_length * sizeof(float));
	memcpy(vptree_extra_codes(&index->meta, extra), row->codes,
		   VPTREE_CODES_SIZE(index->meta.num_pivot));
	entry = bucket_make_entry(index->relation, &index->shape, VPTREE_FREE_PAGES, false, extra,
							  row->value, row->size, row->tid, 1, &size);
	bucket_add(index->relation, VPTREE_FREE_PAGES, head, entry, size);
	return true;
}

/*
 * Finds the row's bucket and locks its head.  What has been rebuilt meanwhile is not
 * there any more: then the descent begins again.  If it is being flattened, VPTREE_SPLIT_LOCK is
 * waited for and *waited set.  False: the index has no bucket yet.
 */
static bool
lock_bucket(VptreeIndex *index, const NewRow *row, VptreePlace *place, Buffer *head, bool *waited)
{
	VptreeChild before = {.block = InvalidBlockNumber};

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		vptree_read_meta(index);
		if (index->meta.header.dim != 0)
			index_space_check_dim(index->meta.header.dim, row->dim);
		if (index->meta.root.block == InvalidBlockNumber)
			return false;
		if (descend(index, row, place))
		{
			PAUSE_POINT("vptree descended", 0);
			if (lock_head(index, &place->bucket, head))
			{
				if (likely(*waited || !vptree_is_flattened(index, place)))
					return true;
				UnlockReleaseBuffer(*head);
				vptree_lock_splits(index->relation, ShareLock);
				*waited = true;
				continue;
			}
		}
		/* the pointer changes before what it leads to does */
		if (vptree_is_same_child(&before, &place->bucket))
			vptree_report_lost(index, &before);
		before = place->bucket;
	}
}

static void
insert_new_row(VptreeIndex *index, Relation heap, const NewRow *row)
{
	VptreePlace place = {.capacity = FIRST_STEPS};
	Buffer head;
	bool may_grow = false;
	bool waited = false;

	place.steps = palloc(FIRST_STEPS * sizeof(VptreeStep));
	for (int attempt = 1;; attempt++)
	{
		if (!lock_bucket(index, row, &place, &head, &waited))
		{
			if (insert_first(index, row))
				break;
			continue;
		}
		if (add_to_bucket(index, head, row, &place, may_grow))
			break;
		may_grow = !vptree_make_room(index, heap, &place) || attempt == MAX_ATTEMPTS;
	}
	if (waited)
		vptree_unlock_splits(index->relation, ShareLock);
}

/* InsertMethod.insert: descends with a row, and its distances to the pivots of the pivot table. */
static void
insert_encoded(Inserter *base, const void *encoded, ItemPointer tid)
{
	VptreeIndex *index = &((VptreeInserter *) base)->index;
	uint8 codes[VPTREE_CODES_SIZE(VPTREE_MAX_NUM_PIVOT)];
	NewRow row;

	row.dim = index->space.context.dim;
	row.value = encoded;
	row.size = index_space_size(&index->space, encoded);
	row.query =
		space_prepare_query(&index->space.context, encoded, palloc(index->space.query_size + 1));
	vptree_load_pivots(index, base->context);
	vptree_code_value(index, row.query, codes);
	row.codes = codes;
	row.coordinates = NULL;
	if (index->meta.partition == TREE_KD)
	{
		row.coordinates = palloc(row.dim * sizeof(float));
		vptree_init_distance(index);
		index->distance.coordinates(index, encoded, row.coordinates);
	}
	row.tid = tid;
	insert_new_row(index, base->heap, &row);
}

const InsertMethod vptree_insert_method = {
	.state_size = sizeof(VptreeInserter),
	.open = open_tree,
	.insert = insert_encoded,
};
