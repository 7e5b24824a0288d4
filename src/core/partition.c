/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  Divides values into parts by pivots.
 *
 * Groups come from splitting the pivots in two again and again: two of them
 * that lie far apart are chosen, and the others ordered by how much nearer they
 * are to the one than to the other (generalised hyperplanes).  The cut is where
 * the weights are as wanted, so groups come out equal whatever the data are
 * like.
 *
 *-------------------------------------------------------------------------
 */
#include "core/partition.h"

#include <stdlib.h>

/* Pivots scored in one call */
#define BATCH 64

static void
score(const PartitionPivots *pivots, const void *query, float *keys)
{
	const GraphDistance *distance = pivots->distance;

	for (uint32_t i = 0; i < pivots->npivots; i += BATCH)
	{
		uint32_t n = pivots->npivots - i < BATCH ? pivots->npivots - i : BATCH;

		distance->distances(distance->context, query, pivots->values + i, (int) n, keys + i);
	}
}

void
partition_nearest(const PartitionPivots *pivots, const void *value, uint32_t hash, void *scratch,
				  float *keys, uint16_t nearest[PARTITION_NEAREST])
{
	const GraphDistance *distance = pivots->distance;
	uint32_t start = hash % pivots->npivots;
	float best[PARTITION_NEAREST];
	int n = 0;

	score(pivots, distance->prepare_query(distance->context, value, scratch), keys);
	for (uint32_t i = 0; i < pivots->npivots; i++)
	{
		uint32_t pivot = i + start < pivots->npivots ? i + start : i + start - pivots->npivots;
		float key = keys[pivot];
		int j;

		if (n == PARTITION_NEAREST && key >= best[n - 1])
			continue;
		if (n < PARTITION_NEAREST)
			n++;
		for (j = n - 1; j > 0 && best[j - 1] > key; j--)
		{
			best[j] = best[j - 1];
			nearest[j] = nearest[j - 1];
		}
		best[j] = key;
		nearest[j] = (uint16_t) pivot;
	}
	for (; n < PARTITION_NEAREST; n++)
		nearest[n] = PARTITION_NONE;
}

/* Keys of the members as seen from one of them */
static void
score_members(const PartitionPivots *pivots, const uint32_t *members, uint32_t n, uint32_t from,
			  void *scratch, float *keys)
{
	const GraphDistance *distance = pivots->distance;
	const void *query = distance->prepare_query(distance->context, pivots->values[from], scratch);
	const void *batch[BATCH];

	for (uint32_t i = 0; i < n; i += BATCH)
	{
		uint32_t size = n - i < BATCH ? n - i : BATCH;

		for (uint32_t j = 0; j < size; j++)
			batch[j] = pivots->values[members[i + j]];
		distance->distances(distance->context, query, batch, (int) size, keys + i);
	}
}

static uint32_t
find_farthest(const uint32_t *members, uint32_t n, const float *keys)
{
	uint32_t farthest = 0;

	for (uint32_t i = 1; i < n; i++)
	{
		if (keys[i] > keys[farthest])
			farthest = i;
	}
	return members[farthest];
}

static int
compare_members(const void *a, const void *b)
{
	const PartitionMember *left = a;
	const PartitionMember *right = b;

	if (left->score != right->score)
		return left->score < right->score ? -1 : 1;
	return left->pivot < right->pivot ? -1 : left->pivot > right->pivot;
}

/* Orders the members from those near one pivot to those near another, far from it. */
static void
order_members(const PartitionPivots *pivots, uint32_t *members, uint32_t n,
			  const PartitionScratch *scratch)
{
	float *from_a = scratch->keys;
	float *from_b = scratch->keys + n;
	uint32_t a;
	uint32_t b;

	score_members(pivots, members, n, members[0], scratch->query, from_a);
	a = find_farthest(members, n, from_a);
	score_members(pivots, members, n, a, scratch->query, from_a);
	b = find_farthest(members, n, from_a);
	score_members(pivots, members, n, b, scratch->query, from_b);
	for (uint32_t i = 0; i < n; i++)
	{
		/* keys may be infinite */
		scratch->members[i].score = from_a[i] == from_b[i] ? 0 : from_a[i] - from_b[i];
		scratch->members[i].pivot = members[i];
	}
	qsort(scratch->members, n, sizeof(PartitionMember), compare_members);
	for (uint32_t i = 0; i < n; i++)
		members[i] = scratch->members[i].pivot;
}

void
partition_split(const PartitionPivots *pivots, uint32_t *members, uint32_t nmembers,
				const uint64_t *weights, uint32_t ngroups, uint32_t first_group, uint32_t *group_of,
				const PartitionScratch *scratch)
{
	uint32_t left_groups = ngroups / 2;
	uint32_t cut = 0;
	double total = 0;
	double wanted;
	double left = 0;

	if (ngroups <= 1)
	{
		for (uint32_t i = 0; i < nmembers; i++)
			group_of[members[i]] = first_group;
		return;
	}
	order_members(pivots, members, nmembers, scratch);
	for (uint32_t i = 0; i < nmembers; i++)
		total += (double) weights[members[i]];
	wanted = total * left_groups / ngroups;
	while (cut < nmembers - (ngroups - left_groups) &&
		   (cut < left_groups || left + (double) weights[members[cut]] / 2 < wanted))
		left += (double) weights[members[cut++]];
	partition_split(pivots, members, cut, weights, left_groups, first_group, group_of, scratch);
	partition_split(pivots, members + cut, nmembers - cut, weights, ngroups - left_groups,
					first_group + left_groups, group_of, scratch);
}
