/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  What building a vptree index will take: memory, pages, seconds.
 *
 * Each item is compared with the pivot of each node above it, and with those that
 * were tried: distances grow with n times the depth of the tree.  How many there
 * are per item and level, and what one takes, a tree of a sample tells.  Then, by one
 * thread, each is compared with the pivots of the pivot table.  Tuning comes on top
 * and is left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "access/calibrate.h"
#include "storage/value_pages.h"
#include "vptree/build.h"

/* Items of the first tree that is measured */
#define FIRST_TREE 1000

/* Distance computations between two looks at interrupts */
#define STEP_DISTANCES 10000

/* What calibrate() builds trees of */
typedef struct TreeSample
{
	const TreeDistance *distance;
	TreeParams params;
	GraphValues values;
	uint32 *items;
	double seconds_per_level; /* of one item, by the last tree */
} TreeSample;

/* Levels of nodes above buckets that hold so many items */
static double
levels(const TreeParams *params, double n)
{
	return Max(1, log2(n / (params->bucket_size * params->fill)));
}

/* CalibrateMethod.create */
static void *
begin_tree(void *arg, uint32 n)
{
	TreeSample *sample = (TreeSample *) arg;

	sample->items = palloc(n * sizeof(uint32));
	for (uint32 i = 0; i < n; i++)
		sample->items[i] = i;
	return tree_create(sample->items, n, &sample->params, sample->distance, &sample->values);
}

/* CalibrateMethod.note */
static void
note_seconds(void *arg, const void *tree, uint32 n, double seconds)
{
	TreeSample *sample = (TreeSample *) arg;

	sample->seconds_per_level = seconds / (n * levels(&sample->params, n));
	pfree(sample->items);
}

static const CalibrateMethod tree_calibration = {
	.kind = &vptree_tree_structure,
	.units = STEP_DISTANCES,
	.create = begin_tree,
	.note = note_seconds,
};

/* Seconds that a tree of so many items takes with the threads of the build */
static double
predict_seconds(VptreeBuild *build, const EstimateInput *input)
{
	TreeSample sample = {.distance = &build->index.distance, .params = build->params};
	uint32 n;

	sample.values = input->sample;
	sample.params.threads = 1;
	(void) calibrate(&tree_calibration, &sample, FIRST_TREE, input->nsample, input->seconds, &n);
	return sample.seconds_per_level * input->rows *
		   (levels(&build->params, input->rows) / build->params.threads +
			build->index.meta.num_pivot);
}

/* Bytes of an index of so many distinct values */
static double
predict_size(const VptreeIndex *index, const TreeParams *params, double rows)
{
	Size value_size = index->space.usual_size;
	bool wide = value_size > BUCKET_MAX_INLINE_VALUE;
	double buckets = Max(1, ceil(rows / (params->bucket_size * params->fill)));
	double on_page = floor(BUCKET_PAGE_ROOM /
						   BUCKET_ENTRY_ROOM(bucket_entry_size(&index->shape, value_size, 1)));
	double bucket_pages = buckets * ceil(rows / buckets / Max(on_page, 1));
	Size node_size = MAXALIGN(sizeof(VptreeNodeData)) +
					 (params->partition == TREE_VP ? bucket_inline_size(value_size) : 0);
	double node_pages = ceil((buckets - 1) * BUCKET_ENTRY_ROOM(node_size) / BUCKET_PAGE_ROOM);
	double values = wide ? rows + (params->partition == TREE_VP ? buckets - 1 : 0) : 0;

	return (1 + bucket_pages + node_pages + values * value_pages_of(value_size)) * BLCKSZ;
}

/* InspectMethod.estimate */
void
vptree_estimate(const EstimateInput *input, EstimateResult *result)
{
	const VptreeOptions *options = vptree_options_of(input->options);
	VptreeBuild *build = palloc0(sizeof(VptreeBuild));

	build->index.space = input->space;
	vptree_check_partition(&build->index.space, options);
	vptree_meta_init(&build->index, options);
	vptree_plan_pivots(&build->index, options);
	vptree_init_params(build);
	build->params.bucket_size = build->index.meta.bucket_size;
	result->fits = build_rows_fit(&build->index.space, vptree_memory_per_value(build), input->rows,
								  &result->memory);
	result->size = predict_size(&build->index, &build->params, input->rows);
	if (input->nsample > 0)
		result->seconds = predict_seconds(build, input);
}
