/*-------------------------------------------------------------------------
 *
 * pivot_table.c
 *	  Pivots for the whole index, and the distances of every entry to them.
 *
 * LAESA (Mico, Oncina and Vidal 1994): a few pivots, each as far as possible from
 * those before it, and a table of the distances of all values to them.  By the
 * triangle inequality a value cannot be nearer to the query than the largest
 * difference between its distances to the pivots and the query's.  The pivots of
 * nodes divide the values; these tell of a value in a bucket that has to be opened
 * whether it is worth a distance computation.
 *
 * In a space without a metric the distances are those of its relative, if it has one
 * (space.h).  They prove nothing there; but what was tuned may say how much they
 * differ for values that are near (core/tree_prune.h).
 *
 * An entry has a distance as a whole number of units in a byte.  What is farther
 * than a byte can say counts as that far: differences only get smaller by it.
 *
 * Pivots are chosen by the build, and stay.  README, "The pivot table".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/random.h"
#include "storage/value_pages.h"
#include "vptree/vptree.h"

/* Values among which pivots are looked for */
#define CANDIDATES 2000
#define CANDIDATES_OF_FUNCTION 500
#define SEED_OF_PIVOTS UINT64_C(0x7069766f7473)

#define LARGEST_CODE 255

/* Bytes from a pivot to the next in memory and on pages */
static Size
pivot_stride(const VptreeIndex *index, const void *pivot)
{
	return MAXALIGN(index_space_size(&index->space, pivot));
}

void
vptree_plan_pivots(VptreeIndex *index, const VptreeOptions *options)
{
	if (!space_has_metric(&index->measure))
		return;
	index->meta.num_pivot =
		Min((Size) options->num_pivot, VPTREE_PIVOT_ROOM / MAXALIGN(index->space.usual_size));
	vptree_set_geometry(index, options);
}

Size
vptree_pivots_size(const VptreeIndex *index)
{
	if (index_space_varies(&index->space))
		return index->meta.num_pivot > 0 ? index->meta.pivots_size : 0;
	return index->meta.num_pivot * MAXALIGN(index->space.encoded_size);
}

/* The number of the first pivot that is damaged, or that of all */
static uint32
find_pivots(const VptreeIndex *index, const char *memory, Size size, const void **pivots)
{
	const SpaceContext *context = &index->space.context;
	const char *end = memory + size;
	uint32 i;

	for (i = 0; i < index->meta.num_pivot; i++)
	{
		if (index_space_varies(&index->space) &&
			(memory >= end ||
			 function_space_size_within(context, memory, (Size) (end - memory)) == 0))
			break;
		pivots[i] = memory;
		memory += pivot_stride(index, memory);
	}
	return i;
}

bool
vptree_use_pivots(VptreeIndex *index, const char *memory, MemoryContext context)
{
	const void **pivots = MemoryContextAlloc(context, index->meta.num_pivot * sizeof(void *));

	if (find_pivots(index, memory, vptree_pivots_size(index), pivots) < index->meta.num_pivot)
		return false;
	index->pivots = pivots;
	return true;
}

void
vptree_load_pivots(VptreeIndex *index, MemoryContext context)
{
	Size size = vptree_pivots_size(index);
	char *memory;

	if (size == 0 || index->pivots != NULL)
		return;
	memory = MemoryContextAlloc(context, size);
	value_pages_require(index->relation, index->meta.pivot_pages, memory, size);
	if (!vptree_use_pivots(index, memory, context))
		meta_report_invalid(index->relation);
}

/* The candidates and what is known of them while pivots are chosen */
typedef struct Choice
{
	const void *values[CANDIDATES];
	float keys[CANDIDATES];
	double nearest[CANDIDATES]; /* distance to the nearest pivot so far */
	int n;
} Choice;

/* Compares the candidates with a new pivot; returns the farthest distance that is finite. */
static double
compare_with_pivot(VptreeIndex *index, Choice *choice, const void *pivot, void *scratch)
{
	const SpaceContext *measure = &index->measure;
	double farthest = 0;

	measure->space->distances(measure, space_prepare_query(measure, pivot, scratch), choice->values,
							  choice->n, choice->keys);
	for (int i = 0; i < choice->n; i++)
	{
		double distance = space_metric(measure, choice->keys[i]);

		choice->nearest[i] = fmin(choice->nearest[i], distance);
		if (isfinite(distance))
			farthest = fmax(farthest, distance);
	}
	return farthest;
}

static int
farthest_candidate(const Choice *choice)
{
	int farthest = 0;

	for (int i = 1; i < choice->n; i++)
	{
		if (choice->nearest[i] > choice->nearest[farthest])
			farthest = i;
	}
	return farthest;
}

void
vptree_choose_pivots(VptreeIndex *index, const GraphValues *values, uint32 nvalues,
					 MemoryContext context)
{
	Choice *choice;
	double farthest = 0;
	Size used = 0;
	char *memory;
	void *scratch;
	Random random;
	int next;

	if (index->meta.num_pivot == 0)
		return;
	choice = palloc(sizeof(Choice));
	scratch = palloc(index->space.query_size + 1);
	random_seed(&random, index->meta.seed + SEED_OF_PIVOTS);
	choice->n = Min(vptree_calls_back(index) ? CANDIDATES_OF_FUNCTION : CANDIDATES, nvalues);
	for (int i = 0; i < choice->n; i++)
	{
		choice->values[i] = graph_value(values, (uint32) random_below(&random, nvalues));
		choice->nearest[i] = INFINITY;
	}
	memory = MemoryContextAllocZero(context, VPTREE_PIVOT_ROOM);
	next = (int) random_below(&random, choice->n);
	for (uint32 i = 0; i < index->meta.num_pivot; i++)
	{
		const void *pivot = choice->values[next];

		CHECK_FOR_INTERRUPTS();
		if (used + pivot_stride(index, pivot) > VPTREE_PIVOT_ROOM)
		{
			index->meta.num_pivot = i;
			vptree_use_meta(index);
			break;
		}
		memcpy(memory + used, pivot, index_space_size(&index->space, pivot));
		farthest = fmax(farthest, compare_with_pivot(index, choice, pivot, scratch));
		next = farthest_candidate(choice);
		used += pivot_stride(index, pivot);
	}
	index->meta.pivots_size = used;
	index->meta.pivot_unit = farthest > 0 ? farthest / LARGEST_CODE : 1;
	(void) vptree_use_pivots(index, memory, context);
	value_pages_write(index->relation, VPTREE_FREE_PAGES, true, memory, vptree_pivots_size(index),
					  index->meta.pivot_pages);
	pfree(choice);
	pfree(scratch);
}

void
vptree_pivot_keys(const VptreeIndex *index, const void *query, float *keys)
{
	const SpaceContext *measure = &index->measure;

	measure->space->distances(measure, query, index->pivots, index->meta.num_pivot, keys);
}

void
vptree_pivot_codes(const VptreeIndex *index, const float *keys, uint8 *codes)
{
	memset(codes, 0, VPTREE_CODES_SIZE(index->meta.num_pivot));
	for (uint32 i = 0; i < index->meta.num_pivot; i++)
	{
		double units = space_metric(&index->measure, keys[i]) / index->meta.pivot_unit;

		codes[i] = units < LARGEST_CODE ? (uint8) rint(units) : LARGEST_CODE;
	}
}

void
vptree_code_value(const VptreeIndex *index, const void *query, uint8 *codes)
{
	float keys[VPTREE_MAX_NUM_PIVOT];

	if (index->meta.num_pivot == 0)
		return;
	vptree_pivot_keys(index, query, keys);
	vptree_pivot_codes(index, keys, codes);
}
