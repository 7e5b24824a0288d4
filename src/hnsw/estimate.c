/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  What building an index will take: memory, pages, seconds.
 *
 * Seconds come from graphs of a small sample, built on the spot: they tell how
 * many distances a vertex costs, how that grows with the number of vertices,
 * and what a distance takes with all that comes on top.  That it takes longer in
 * a graph much larger than the processor's caches is left out: a build inserts
 * neighbours one after the other, so most of what it needs is in the cache (300,000
 * vectors of 128 dimensions: 37 ns instead of 29).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "access/calibrate.h"
#include "core/random.h"
#include "hnsw/build.h"

/* Sizes of the graphs: the first, doubled until the time or the sample is used up */
#define FIRST_GRAPH 125

/* Vertices inserted between two looks at interrupts */
#define ITEMS_PER_STEP 16

/* Distances are timed in batches of about one list, for so long or so many of them */
#define BATCH 24
#define BATCHES 20000
#define BATCHES_PER_LOOK 32
#define TIMING_SECONDS 0.005

#define SEED_OF_TIMING UINT64_C(0x74696D65)

/* Seconds a distance takes, the objects being anywhere among n values */
static double
time_distance(const GraphDistance *distance, const GraphValues *values, uint32 n)
{
	void *scratch = palloc(distance->query_size + 1);
	const void *query = distance->prepare_query(distance->context, graph_value(values, 0), scratch);
	const void *objects[BATCH];
	float keys[BATCH];
	uint64 batches = 0;
	Random random;
	double start;

	random_seed(&random, SEED_OF_TIMING);
	start = calibrate_clock();
	do
	{
		for (int batch = 0; batch < BATCHES_PER_LOOK; batch++)
		{
			for (int i = 0; i < BATCH; i++)
			{
				const char *object = graph_value(values, random_below(&random, n));

				objects[i] = object;
				for (Size line = 0; line < values->value_size; line += 64)
					__builtin_prefetch(object + line);
			}
			distance->distances(distance->context, query, objects, BATCH, keys);
		}
		batches += BATCHES_PER_LOOK;
	} while (batches < BATCHES && calibrate_clock() - start < TIMING_SECONDS);
	pfree(scratch);
	return (calibrate_clock() - start) / (batches * BATCH);
}

/* What calibrate() builds graphs of */
typedef struct GraphSample
{
	HnswCalibration *calibration;
	const HnswSample *sample;
	GraphDistance distance;
	GraphParams params;
} GraphSample;

/* CalibrateMethod.create */
static void *
begin_graph(void *arg, uint32 n)
{
	GraphSample *graphs = (GraphSample *) arg;

	return graph_create(n, &graphs->params, &graphs->distance, &graphs->sample->values);
}

/* CalibrateMethod.note: the last two graphs tell how distances grow. */
static void
note_distances(void *arg, const void *graph, uint32 n, double seconds)
{
	HnswCalibration *calibration = ((GraphSample *) arg)->calibration;

	calibration->sizes[0] = calibration->sizes[1];
	calibration->distances[0] = calibration->distances[1];
	calibration->sizes[1] = n;
	calibration->distances[1] = (double) graph_distance_computations(graph) / n;
}

static const CalibrateMethod graph_calibration = {
	.kind = &hnsw_graph_structure,
	.units = ITEMS_PER_STEP,
	.create = begin_graph,
	.note = note_distances,
};

/*
 * Finds out what a graph over values like those of the sample costs.  Takes
 * about `seconds`.
 */
void
hnsw_calibrate(HnswCalibration *calibration, const HnswSample *sample, const SpaceContext *space,
			   const GraphParams *params, double seconds)
{
	GraphSample graphs = {.calibration = calibration, .sample = sample, .params = *params};
	double taken;
	uint32 n;

	memset(calibration, 0, sizeof(*calibration));
	graphs.params.threads = 1; /* the first thousand vertices have but one anyway */
	hnsw_build_distance(&graphs.distance, space);
	taken = calibrate(&graph_calibration, &graphs, FIRST_GRAPH, sample->n, seconds, &n);
	calibration->bare_seconds = time_distance(&graphs.distance, &sample->values, n);
	calibration->distance_seconds = taken / (n * calibration->distances[1]);
}

/*
 * Distances per vertex in a graph of n: they grow by about the same number each
 * time the graph doubles (src/core/README).
 */
static double
predict_distances(const HnswCalibration *calibration, double n)
{
	const double *sizes = calibration->sizes;
	const double *distances = calibration->distances;
	double per_doubling;

	if (sizes[0] == 0 || n <= 1)
		return distances[1];
	per_doubling = (distances[1] - distances[0]) / log2(sizes[1] / sizes[0]);
	return Max(0, distances[1] + per_doubling * log2(n / sizes[1]));
}

/* Seconds a graph of n vertices takes with so many threads */
double
hnsw_predict_seconds(const HnswCalibration *calibration, double n, int threads)
{
	return n * predict_distances(calibration, n) * calibration->distance_seconds / threads;
}

/* Which element the sample's values would be stored in, if they were all there are */
static void
choose_element(IndexSpace *space, const HnswMeta *meta, const EstimateInput *input)
{
	char *scratch = palloc(space->encoded_size);

	for (int i = 0; i < HNSW_NARROW_ELEMENTS && input->rows >= HNSW_MIN_ROWS_TO_NARROW; i++)
	{
		IndexSpace narrow = *space;
		bool fits = hnsw_makes_smaller_records(meta, space, hnsw_narrow_elements[i]) &&
					index_space_store_as(&narrow, hnsw_narrow_elements[i]);

		for (uint32 v = 0; fits && v < input->nsample; v++)
			fits = space_narrow(&space->context, &narrow.stored, graph_value(&input->sample, v),
								scratch);
		if (fits && input->nsample > 0)
		{
			*space = narrow;
			break;
		}
	}
	pfree(scratch);
}

/* Bytes of the index of so many distinct values */
static double
predict_size(const HnswMeta *meta, const IndexSpace *space, double rows)
{
	double slot_pages = ceil(rows / meta->slots_per_page);
	double upper = rows / meta->m; /* the lists of vertices above layer 0, nearly all in layer 1 */
	double item_bytes = upper * (MAXALIGN(HNSW_UPPER_SIZE(meta->m, 1)) + sizeof(ItemIdData));
	double item_pages;

	if (index_space_varies(space))
		item_bytes += rows * (MAXALIGN(HNSW_WIDE_SIZE(space->usual_size)) + sizeof(ItemIdData));
	item_pages = ceil(item_bytes / HNSW_MAX_ITEM_SIZE);

	return (1 + slot_pages + item_pages + rows * meta->value_pages) * BLCKSZ;
}

/* The sample in the form in which values are stored */
static HnswSample
narrow_sample(const IndexSpace *space, const EstimateInput *input)
{
	Size stride = TYPEALIGN(64, space->stored_size);
	char **chunk;

	if (space->stored.space == space->context.space)
		return (HnswSample){.values = input->sample, .n = input->nsample};
	chunk = palloc(sizeof(char *));
	*chunk = palloc_extended(input->nsample * stride, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 v = 0; v < input->nsample; v++)
		(void) space_narrow(&space->context, &space->stored, graph_value(&input->sample, v),
							*chunk + v * stride);
	return (HnswSample){
		.values = {.chunks = chunk, .chunk_shift = 31, .stride = stride, .value_size = stride},
		.n = input->nsample};
}

/* InspectMethod.estimate */
void
hnsw_estimate(const EstimateInput *input, EstimateResult *result)
{
	const HnswOptions *options = (const HnswOptions *) input->options;
	GraphParams params = {.seed = 1, .threads = build_threads(&input->space)};
	HnswQuantization quantization = HNSW_QUANTIZATION_AUTO;
	IndexSpace space = input->space;
	HnswMeta meta;
	HnswSample sample;
	HnswCalibration calibration;

	if (options != NULL)
		quantization = (HnswQuantization) options->quantization;
	params.m = options != NULL ? options->m : HNSW_DEFAULT_M;
	params.ef_construction =
		options != NULL ? options->ef_construction : HNSW_DEFAULT_EF_CONSTRUCTION;
	result->fits =
		build_rows_fit(&space, hnsw_graph_memory_per_value(&params), input->rows, &result->memory);
	hnsw_meta_init(&meta, &space, params.m, params.ef_construction, quantization, input->name);
	choose_element(&space, &meta, input);
	hnsw_meta_init(&meta, &space, params.m, params.ef_construction, quantization, input->name);
	result->size = predict_size(&meta, &space, input->rows);
	if (input->nsample == 0)
		return;
	sample = narrow_sample(&space, input);
	if (!result->fits)
		params.ef_construction = HNSW_PART_EF(params.m, params.ef_construction);
	hnsw_calibrate(&calibration, &sample, &space.stored, &params, input->seconds);
	result->seconds = (result->fits ? 1 : HNSW_PART_COPIES) *
					  hnsw_predict_seconds(&calibration, input->rows, params.threads);
}
