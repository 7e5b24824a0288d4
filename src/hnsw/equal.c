/*-------------------------------------------------------------------------
 *
 * equal.c
 *	  Rows of equal values: a pending row joins the vertex that holds its
 *	  value.
 *
 * The TID moves in one record, so that it is in one place at any time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "hnsw/hnsw.h"
#include "storage/page_change.h"
#include "storage/recent.h"

#define MAX_JOIN_TRIES 10

/* Where the TID of a pending vertex is to go */
typedef struct EqualJoin
{
	HnswIndex *index;
	uint32 vertex;		  /* of an equal value */
	uint32 pending;		  /* the vertex to be emptied */
	ItemPointerData tid;  /* its row */
	int ntids;			  /* of the vertex, as read */
	ItemPointerData more; /* its list, as read */
	ItemPointerData list; /* the list that takes the TID, or invalid: the record does */
	bool new_list;		  /* that list is new, with the TID in it already */
	uint8 wide;			  /* flag of the pending vertex */
} EqualJoin;

/* May the pending vertex be emptied?  Nothing can link to it, and it has one row. */
static bool
is_movable(HnswVertex record)
{
	return (record->flags & HNSW_VERTEX_UNLINKED) != 0 && record->ntids == 1 &&
		   record->nlinks == 0 && !ItemPointerIsValid(&record->upper) &&
		   !ItemPointerIsValid(&record->more_tids);
}

/*
 * Looks where the TID can go.  Starts a further list, which nothing points to
 * yet, if there is no room.  False if the vertex takes no rows any more.
 */
static bool
plan_join(EqualJoin *join)
{
	HnswIndex *index = join->index;
	int capacity = HNSW_MIN_TIDS_CAPACITY;
	uint32 number = 0;
	HnswTids tids;
	HnswVertex record;
	Buffer buffer;
	bool room;

	record = hnsw_pin_vertex(index, join->vertex, BUFFER_LOCK_SHARE, &buffer);
	room = (record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) == 0;
	join->ntids = record->ntids;
	join->more = record->more_tids;
	UnlockReleaseBuffer(buffer);
	ItemPointerSetInvalid(&join->list);
	join->new_list = false;
	if (!room || join->ntids < HNSW_INLINE_TIDS)
		return room;
	if (ItemPointerIsValid(&join->more))
	{
		tids = hnsw_pin_tids(index, &join->more, BUFFER_LOCK_SHARE, &buffer);
		if (tids == NULL) /* vacuum has just removed it: execute_join() will notice */
		{
			join->list = join->more;
			return true;
		}
		room = tids->ntids < tids->capacity;
		number = tids->number;
		UnlockReleaseBuffer(buffer);
		join->list = join->more;
		if (room)
			return true;
		capacity = HNSW_MAX_TIDS_CAPACITY;
	}
	tids = palloc0(HNSW_TIDS_SIZE(capacity));
	tids->kind = HNSW_ITEM_TIDS;
	tids->owner = join->vertex;
	tids->number = number + 1;
	tids->next = join->more;
	tids->ntids = 1;
	tids->capacity = capacity;
	tids->tids[0] = join->tid;
	hnsw_add_item(index, (Item) tids, HNSW_TIDS_SIZE(capacity), &join->list);
	pfree(tids);
	join->new_list = true;
	return true;
}

/* Inserts a block into an ascending array unless it is there. */
static int
add_block(BlockNumber *blocks, int n, BlockNumber blkno)
{
	int at = 0;

	while (at < n && blocks[at] < blkno)
		at++;
	if (at < n && blocks[at] == blkno)
		return n;
	memmove(&blocks[at + 1], &blocks[at], (n - at) * sizeof(BlockNumber));
	blocks[at] = blkno;
	return n + 1;
}

/* The page of a block among those of a change, or its buffer's if copies is NULL */
static Page
page_of(const BlockNumber *blocks, const Buffer *buffers, const Page *copies, BlockNumber blkno)
{
	int at = 0;

	while (blocks[at] != blkno)
		at++;
	return copies != NULL ? copies[at] : BufferGetPage(buffers[at]);
}

static HnswTids
list_on_page(Page page, ItemPointer tid)
{
	return (HnswTids) PageGetItem(page, PageGetItemId(page, ItemPointerGetOffsetNumber(tid)));
}

/* Empties the record of a vertex that nothing links to. */
static void
empty_record(HnswIndex *index, HnswVertex record)
{
	uint8 wide = record->flags & HNSW_VERTEX_WIDE;

	/* a value that lies elsewhere is recycled by vacuum, which knows the vertex by this flag */
	if (index->meta.value_pages > 0 || wide != 0)
		record->flags = HNSW_VERTEX_DELETED | wide;
	else
	{
		record->flags = HNSW_VERTEX_FREE;
		record->version = Max(1, (uint16) (record->version + 1));
	}
	record->level = 0;
	record->ntids = 0;
	memset(record->tids, 0, sizeof(record->tids));
}

typedef enum JoinResult
{
	JOINED,
	JOIN_AGAIN, /* something has changed since it was planned */
	JOIN_IMPOSSIBLE
} JoinResult;

/* Can the TID still be moved as planned?  The pages are locked. */
static JoinResult
check_join(EqualJoin *join, const BlockNumber *blocks, const Buffer *buffers)
{
	HnswIndex *index = join->index;
	bool use_list = ItemPointerIsValid(&join->list) && !join->new_list;
	JoinResult result = JOINED;
	HnswVertex record;

	record = hnsw_page_vertex(
		index, page_of(blocks, buffers, NULL, hnsw_block(index, join->pending)), join->pending);
	if (!is_movable(record))
		result = JOIN_IMPOSSIBLE;
	record = hnsw_page_vertex(
		index, page_of(blocks, buffers, NULL, hnsw_block(index, join->vertex)), join->vertex);
	if (result == JOINED && (record->flags & HNSW_VERTEX_WIDE) != join->wide)
		result = JOIN_IMPOSSIBLE; /* a value that fits the stored element and one that does not */
	if (result == JOINED &&
		((record->flags & (HNSW_VERTEX_DELETED | HNSW_VERTEX_FREE)) != 0 ||
		 record->ntids != join->ntids || ItemPointerCompare(&record->more_tids, &join->more) != 0))
		result = JOIN_AGAIN;
	if (result == JOINED && use_list)
	{
		HnswTids tids = hnsw_locate_tids(
			index, page_of(blocks, buffers, NULL, ItemPointerGetBlockNumber(&join->list)),
			&join->list);

		if (tids == NULL || tids->ntids >= tids->capacity)
			result = JOIN_AGAIN;
	}
	return result;
}

/* Moves the TID as planned, as one record. */
static JoinResult
execute_join(EqualJoin *join)
{
	HnswIndex *index = join->index;
	BlockNumber blocks[3];
	Buffer buffers[3];
	Page copies[3] = {NULL, NULL, NULL};
	PageChange change;
	HnswVertex record;
	JoinResult result;
	bool use_list = ItemPointerIsValid(&join->list) && !join->new_list;
	int n;

	n = add_block(blocks, 0, hnsw_block(index, join->vertex));
	n = add_block(blocks, n, hnsw_block(index, join->pending));
	if (use_list)
		n = add_block(blocks, n, ItemPointerGetBlockNumber(&join->list));
	for (int i = 0; i < n; i++)
	{
		buffers[i] = recent_read(index->relation, blocks[i]);
		LockBuffer(buffers[i], BUFFER_LOCK_EXCLUSIVE);
	}
	result = check_join(join, blocks, buffers);
	if (result != JOINED)
	{
		for (int i = 0; i < n; i++)
			UnlockReleaseBuffer(buffers[i]);
		if (join->new_list)
			hnsw_remove_item(index, join->list);
		return result;
	}
	page_change_begin(&change, index->relation, index->building);
	for (int i = 0; i < n; i++)
		copies[i] = page_change_page(&change, buffers[i], false);
	record = hnsw_page_vertex(
		index, page_of(blocks, buffers, copies, hnsw_block(index, join->vertex)), join->vertex);
	if (use_list)
	{
		HnswTids tids = list_on_page(
			page_of(blocks, buffers, copies, ItemPointerGetBlockNumber(&join->list)), &join->list);

		tids->tids[tids->ntids++] = join->tid;
	}
	else if (join->new_list)
		record->more_tids = join->list;
	else
		record->tids[record->ntids++] = join->tid;
	empty_record(
		index,
		hnsw_page_vertex(index, page_of(blocks, buffers, copies, hnsw_block(index, join->pending)),
						 join->pending));
	page_change_finish(&change);
	return JOINED;
}

/*
 * Moves the row of a pending vertex to a vertex that holds an equal value and
 * empties the pending one.  False if that cannot be done: then the pending
 * vertex stays as it is.
 */
bool
hnsw_join_equal(HnswIndex *index, uint32 vertex, uint32 pending)
{
	EqualJoin join;
	HnswVertex record;
	Buffer buffer;
	bool movable;
	bool leaves_value;

	record = hnsw_pin_vertex(index, pending, BUFFER_LOCK_SHARE, &buffer);
	movable = is_movable(record);
	join.wide = record->flags & HNSW_VERTEX_WIDE;
	join.tid = record->tids[0];
	UnlockReleaseBuffer(buffer);
	if (!movable)
		return false;
	leaves_value = join.wide != 0 || index->meta.value_pages > 0;
	if (leaves_value)
		hnsw_note_deleted(index, HNSW_DELETED_BY_MERGE);
	join.index = index;
	join.vertex = vertex;
	join.pending = pending;
	for (int tries = 0; tries < MAX_JOIN_TRIES; tries++)
	{
		JoinResult result = JOIN_IMPOSSIBLE;

		/* no interrupt comes between a new list and what points to it */
		HOLD_INTERRUPTS();
		if (plan_join(&join))
			result = execute_join(&join);
		RESUME_INTERRUPTS();
		/* again, since a vacuum may have begun, and passed that page, since the first time */
		if (result == JOINED && leaves_value)
			hnsw_note_deleted(index, HNSW_DELETED_BY_MERGE);
		if (result != JOIN_AGAIN)
			return result == JOINED;
	}
	return false;
}
