/*-------------------------------------------------------------------------
 *
 * partition.h
 *	  Divides values into parts by pivots, for sets that do not fit memory.
 *
 * Needs nothing of the values but distances.  Pivots are values themselves, a
 * random sample.  A value belongs to the part of its nearest pivot; the next
 * pivot of another part names the part it is near to.  Parts are groups of
 * pivots that lie together, of about equal weight.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_PARTITION_H
#define ANN_PARTITION_H

#include "core/graph.h"

/* Pivots remembered of a value: enough that one of another part is among them
 * for all that are not well inside their part */
#define PARTITION_NEAREST 8

/* No pivot: there are fewer than PARTITION_NEAREST */
#define PARTITION_NONE UINT16_MAX
#define PARTITION_MAX_PIVOTS 32768

typedef struct PartitionPivots
{
	const GraphDistance *distance;
	const void *const *values;
	uint32_t npivots;
} PartitionPivots;

/* A pivot among those to be divided */
typedef struct PartitionMember
{
	float score; /* how much nearer to one end than to the other */
	uint32_t pivot;
} PartitionMember;

/* Memory to work with, for sets of so many pivots */
typedef struct PartitionScratch
{
	void *query;			  /* query_size bytes */
	float *keys;			  /* 2 a pivot */
	PartitionMember *members; /* 1 a pivot */
} PartitionScratch;

/*
 * The pivots nearest to a value, nearest first.  Among equally near ones the
 * hash of the value decides, so that values that are equally far from all
 * pivots are spread over them.  scratch: query_size bytes; keys: room for
 * npivots.
 */
extern void partition_nearest(const PartitionPivots *pivots, const void *value, uint32_t hash,
							  void *scratch, float *keys, uint16_t nearest[PARTITION_NEAREST]);

/*
 * Divides the pivots members[0 .. nmembers - 1] into ngroups groups (at most
 * nmembers), numbered from first_group on in group_of[].  weights[pivot] is
 * what each group gets an equal share of.  The order of members changes.
 */
extern void partition_split(const PartitionPivots *pivots, uint32_t *members, uint32_t nmembers,
							const uint64_t *weights, uint32_t ngroups, uint32_t first_group,
							uint32_t *group_of, const PartitionScratch *scratch);

#endif /* ANN_PARTITION_H */
