/*-------------------------------------------------------------------------
 *
 * index.c
 *	  The metapage of a vptree index, its nodes, and the distances that pruning
 *	  goes by.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_class.h"
#include "storage/lock.h"

#include "core/random.h"
#include "storage/recent.h"
#include "storage/value_pages.h"
#include "vptree/vptree.h"

/* Spaces whose distance grows with the difference in each single coordinate */
static const char *const coordinate_spaces[] = {"l1", "l2", "linf", "lp"};

/* Pairs of values of which the least distance is looked for */
#define SHIFT_PAIRS 10000
#define SHIFT_PAIRS_OF_FUNCTION 1000
#define SEED_OF_SHIFT UINT64_C(0x7368696674)

static bool
has_coordinate_bounds(const IndexSpace *space)
{
	for (int i = 0; i < (int) lengthof(coordinate_spaces); i++)
	{
		if (strcmp(space->context.space->name, coordinate_spaces[i]) == 0)
			return true;
	}
	return false;
}

void
vptree_check_partition(const IndexSpace *space, const VptreeOptions *options)
{
	if (options->partition == TREE_KD && !has_coordinate_bounds(space))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("partition \"kd\" is not possible for space \"%s\"",
							   space->context.space->name),
						errdetail("Coordinates bound the distances of l1, l2, linf and lp.")));
}

/* Are distances kept with the entries?  Only the triangle inequality makes use of them. */
static bool
keeps_paths(const VptreeIndex *index)
{
	return index->meta.partition == TREE_VP && space_has_metric(&index->space.context);
}

/* What entries have in common, by the metapage and the space */
static void
set_shape(VptreeIndex *index)
{
	index->shape.extra_size = vptree_extra_size(&index->meta);
	index->shape.value_size = index_space_varies(&index->space) ? 0 : index->space.encoded_size;
	index->shape.max_value = index->space.encoded_size;
}

/*
 * Fixes what depends on the dimensions: how many entries a bucket has.  Called
 * once, when they are known; the metapage has it from then on.
 */
void
vptree_set_geometry(VptreeIndex *index, const VptreeOptions *options)
{
	VptreeMeta *meta = &index->meta;
	Size value_size = index->space.usual_size;
	int bucket_size = options->bucket_size;

	meta->header.dim = index->space.context.dim;
	set_shape(index);
	if (bucket_size == VPTREE_AUTO_BUCKET_SIZE)
	{
		Size entry = BUCKET_ENTRY_ROOM(bucket_entry_size(&index->shape, value_size, 1));
		int on_page = (int) (BUCKET_PAGE_ROOM / entry);

		bucket_size = on_page * Max((VPTREE_AUTO_BUCKET + on_page / 2) / on_page, 1);
	}
	meta->bucket_size = bucket_size;
}

/* The metapage of an empty index, whose space is known */
void
vptree_meta_init(VptreeIndex *index, const VptreeOptions *options)
{
	VptreeMeta *meta = &index->meta;

	memset(meta, 0, sizeof(*meta));
	meta_header_init(&meta->header, METHOD_VPTREE, &index->space.context);
	meta->partition = options->partition;
	if (keeps_paths(index))
		meta->path_length = options->path_length;
	meta->seed = 1;
	meta->root.block = InvalidBlockNumber;
	meta->node_block = InvalidBlockNumber;
	meta->free_pages = InvalidBlockNumber;
	meta->rebuilding.block = InvalidBlockNumber;
	meta->pruner = (TreePruner){
		.alpha_left = 1, .alpha_right = 1, .exp_left = 1, .exp_right = 1, .exp_pivot = 1};
	if (index->space.context.dim > 0)
		vptree_set_geometry(index, options);
	vptree_init_distance(index);
}

/* May this be the metapage of an index?  Sizes of what is on pages follow from it. */
static bool
is_sound(const VptreeMeta *meta)
{
	if (meta->partition > TREE_KD || meta->path_length > TREE_MAX_PATH ||
		meta->num_pivot > VPTREE_MAX_NUM_PIVOT)
		return false;
	if (meta->num_pivot > 0 && !(meta->pivot_unit > 0 && isfinite(meta->pivot_unit)))
		return false;
	if (meta->header.dim == 0)
		return meta->root.block == InvalidBlockNumber;
	return meta->bucket_size >= 1 && meta->bucket_size <= VPTREE_MAX_BUCKET_SIZE;
}

/* Can the pivot table be as large as the metapage says? */
static bool
pivots_are_sound(const VptreeIndex *index)
{
	Size size = vptree_pivots_size(index);

	return size <= VPTREE_PIVOT_ROOM && (size == 0) == (index->meta.num_pivot == 0);
}

void
vptree_use_meta(VptreeIndex *index)
{
	set_shape(index);
	vptree_init_distance(index);
}

void
vptree_read_meta(VptreeIndex *index)
{
	bool has_dim = index_space_read_meta(&index->space, index->relation, METHOD_VPTREE,
										 &index->meta, sizeof(VptreeMeta));

	if (unlikely(!is_sound(&index->meta) || (has_dim && !pivots_are_sound(index))))
		meta_report_invalid(index->relation);
	if (has_dim)
		vptree_use_meta(index);
}

void
vptree_change_meta(VptreeIndex *index, MetaChange change_meta)
{
	PageChange change;

	change_meta(meta_begin_change(index->relation, false, &change));
	page_change_finish(&change);
}

static LOCKTAG
split_lock(Relation relation)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, relation->rd_lockInfo.lockRelId.dbId, RelationRelationId,
					   RelationGetRelid(relation), VPTREE_SPLIT_LOCK);
	return tag;
}

void
vptree_lock_splits(Relation relation, LOCKMODE mode)
{
	LOCKTAG tag = split_lock(relation);

	(void) LockAcquire(&tag, mode, false, false);
}

/* False: somebody else has it. */
bool
vptree_try_lock_splits(Relation relation, LOCKMODE mode)
{
	LOCKTAG tag = split_lock(relation);

	return LockAcquire(&tag, mode, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
vptree_unlock_splits(Relation relation, LOCKMODE mode)
{
	LOCKTAG tag = split_lock(relation);

	LockRelease(&tag, mode, false);
}

void
vptree_open(VptreeIndex *index, Relation relation)
{
	*index = (VptreeIndex){.relation = relation};
	index_space_init(&index->space, relation);
	vptree_read_meta(index);
}

static void
report_bad_node(const VptreeIndex *index, const VptreeChild *child)
{
	damage_report(index->relation, "has no node (%u,%u)", child->block, child->offset);
}

void
vptree_report_lost(const VptreeIndex *index, const VptreeChild *child)
{
	if (!vptree_child_is_bucket(child))
		report_bad_node(index, child);
	damage_report(index->relation, "has no bucket %u at block %u", child->number, child->block);
}

void
vptree_report_circle(const VptreeIndex *index)
{
	damage_report(index->relation, "has nodes that lead in a circle");
}

/* Can the pivot of a node have so many bytes? */
static bool
has_pivot_size(const VptreeIndex *index, Size size)
{
	if (index->meta.partition != TREE_VP)
		return size == 0;
	if (index_space_varies(&index->space))
		return size <= index->space.encoded_size;
	return size == index->space.encoded_size;
}

VptreeNode
vptree_find_node(const VptreeIndex *index, Page page, OffsetNumber offset)
{
	VptreeNode node;
	ItemId id;

	if (!page_is(page, PAGE_NODES) || offset < FirstOffsetNumber ||
		offset > PageGetMaxOffsetNumber(page))
		return NULL;
	id = PageGetItemId(page, offset);
	if (!ItemIdIsNormal(id) || ItemIdGetLength(id) < MAXALIGN(sizeof(VptreeNodeData)) ||
		ItemIdGetOffset(id) + (Size) ItemIdGetLength(id) > BLCKSZ - PAGE_SPECIAL_SIZE)
		return NULL;
	node = (VptreeNode) PageGetItem(page, id);
	if (!has_pivot_size(index, node->value_size) ||
		ItemIdGetLength(id) != vptree_node_size(node->value_size) ||
		node->dimension >= index->meta.header.dim)
		return NULL;
	return node;
}

VptreeNode
vptree_page_node(VptreeIndex *index, Page page, const VptreeChild *child)
{
	VptreeNode node = vptree_find_node(index, page, child->offset);

	if (unlikely(node == NULL || VPTREE_NODE_NUMBER(node) != child->number))
		report_bad_node(index, child);
	return node;
}

VptreeNode
vptree_check_node(VptreeIndex *index, const VptreeChild *child, Buffer *buffer)
{
	VptreeNode node = vptree_find_node(index, BufferGetPage(*buffer), child->offset);

	if (unlikely(node == NULL))
		report_bad_node(index, child);
	if (likely(VPTREE_NODE_NUMBER(node) == child->number))
		return node;
	UnlockReleaseBuffer(*buffer);
	*buffer = InvalidBuffer;
	return NULL;
}

VptreeNode
vptree_lock_node(VptreeIndex *index, const VptreeChild *child, Buffer *buffer)
{
	*buffer = recent_read(index->relation, child->block);
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	return vptree_check_node(index, child, buffer);
}

const void *
vptree_node_pivot(VptreeIndex *index, VptreeNode node, char *scratch)
{
	const void *value = VPTREE_NODE_VALUE(node);

	if (node->value_size > BUCKET_MAX_INLINE_VALUE && !vptree_calls_back(index))
	{
		value_pages_require(index->relation, value, scratch, node->value_size);
		value = scratch;
	}
	index_space_require_sound(&index->space, index->relation, value, node->value_size);
	return value;
}

const void *
vptree_entry_value(VptreeIndex *index, BucketEntry entry, char *scratch)
{
	const void *value = bucket_read_value(index->relation, &index->shape, entry, scratch);

	index_space_require_sound(&index->space, index->relation, value, entry->value_size);
	return value;
}

Size
vptree_copy_room(const VptreeIndex *index)
{
	Size value_size = Max(index->space.encoded_size, BUCKET_MAX_INLINE_VALUE);

	return MAXALIGN(sizeof(VptreeNodeData)) + MAXALIGN(value_size);
}

/* Once the page is unlocked another node may take the place of a dead one, and its pivot's pages go. */
VptreeNode
vptree_copy_node(const VptreeIndex *index, VptreeNode node, VptreeNode copy)
{
	memcpy(copy, node, vptree_node_size(node->value_size));
	if (node->value_size > BUCKET_MAX_INLINE_VALUE)
		value_pages_require(index->relation, (const BlockNumber *) VPTREE_NODE_VALUE(node),
							VPTREE_NODE_VALUE(copy), node->value_size);
	return copy;
}

static const void *
prepare_query(const void *context, const void *value, void *scratch)
{
	const VptreeIndex *index = (const VptreeIndex *) context;

	return space_prepare_query(&index->space.context, value, scratch);
}

static void
distances(const void *context, const void *query, const void *const *objects, int n, float *keys)
{
	const SpaceContext *space = &((const VptreeIndex *) context)->space.context;

	space->space->distances(space, query, objects, n, keys);
}

static double
finish_as_metric(const void *context, float key)
{
	return space_metric(&((const VptreeIndex *) context)->space.context, key);
}

/*
 * Where there is no metric, pruning goes by the distance itself.  Bounds are no
 * less than 0, so distances must not be, either: the shift sees to that for
 * nearly all, and what is still negative counts as 0.
 */
static double
finish_as_distance(const void *context, float key)
{
	const VptreeIndex *index = (const VptreeIndex *) context;

	return fmax(space_finish(&index->space.context, key) + index->meta.shift, 0);
}

/* For the spaces of coordinate_spaces: their query form is the coordinates. */
static void
coordinates_of(const void *context, const void *value, float *coordinates)
{
	const SpaceContext *space = &((const VptreeIndex *) context)->space.context;
	const void *query = space_prepare_query(space, value, coordinates);

	if (query != coordinates)
		memcpy(coordinates, query, space->dim * sizeof(float));
}

/* Sets index->distance, index->exact and index->measure, once the dimensions are known. */
void
vptree_init_distance(VptreeIndex *index)
{
	bool metric = space_has_metric(&index->space.context);
	const Space *relative = index->space.context.space->relative;
	TreeDistance *distance = &index->distance;

	distance->keys.context = index;
	distance->keys.query_size = index->space.query_size;
	distance->keys.prepare_query = prepare_query;
	distance->keys.distances = distances;
	distance->symmetric = index->space.context.space->symmetric;
	distance->finish = metric ? finish_as_metric : finish_as_distance;
	distance->coordinates = has_coordinate_bounds(&index->space) ? coordinates_of : NULL;
	distance->dim = index->space.context.dim;
	index->exact = metric || index->meta.partition == TREE_KD;
	index->measure = index->space.context;
	if (!metric && relative != NULL)
		index->measure.space = relative;
}

double
vptree_pivot_distance(const VptreeIndex *index, const void *pivot, const void *query)
{
	float key;

	distances(index, query, &pivot, 1, &key);
	return index->distance.finish(index, key);
}

double
vptree_distance_error(const VptreeIndex *index, double distance)
{
	const SpaceContext *space = &index->space.context;

	if (!keeps_paths(index))
		return 0;
	return fmax(distance - space_metric_true_low(space, distance),
				space_metric_true_high(space, distance) - distance);
}

void
vptree_choose_shift(VptreeIndex *index, const GraphValues *values, uint32 nvalues)
{
	const SpaceContext *space = &index->space.context;
	void *scratch;
	int pairs = space->space->calls_back ? SHIFT_PAIRS_OF_FUNCTION : SHIFT_PAIRS;
	double least = 0;
	Random random;

	if (!space->space->may_be_negative || space_has_metric(space) || nvalues == 0)
		return;
	scratch = palloc(index->space.query_size + 1);
	random_seed(&random, index->meta.seed + SEED_OF_SHIFT);
	for (int i = 0; i < pairs; i++)
	{
		const void *object = graph_value(values, random_below(&random, nvalues));
		const void *value = graph_value(values, random_below(&random, nvalues));
		float key;

		distances(index, space_prepare_query(space, value, scratch), &object, 1, &key);
		least = fmin(least, space_finish(space, key));
	}
	pfree(scratch);
	if (isfinite(least))
		index->meta.shift = -least;
}
