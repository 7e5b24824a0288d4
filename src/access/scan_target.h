/*-------------------------------------------------------------------------
 *
 * scan_target.h
 *	  What an index scan looks for: one query value, made from the scan's keys
 *	  and its order, and a radius if there is one.
 *
 * A scan has an ordering operator, range conditions (v <<->> sphere(c, r)) or
 * both.  The query is the ordering operator's operand, else the centre of the
 * smallest sphere.  Spheres around the query itself limit the search; those
 * around other values are left to the executor to check.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SCAN_TARGET_H
#define ANN_SCAN_TARGET_H

#include "postgres.h"

#include "access/genam.h"

#include "access/index_space.h"

typedef struct ScanTarget
{
	void *query;   /* encoded (space.h) */
	bool ordered;  /* rows are asked for in the order of their distance */
	bool limited;  /* and only those within the radius */
	bool recheck;  /* the executor has to check the range conditions */
	double radius; /* INFINITY: not limited */
} ScanTarget;

/* A scan as ambeginscan returns it, but for the method's own part */
extern IndexScanDesc scan_target_begin(Relation index, int nkeys, int norderbys);

/*
 * Reads the keys and the order of a scan.  Memory is the current context's; the
 * space must know its dimensions.  Raises an error for operands that the space
 * cannot take.  False: a range condition is null, so that no row qualifies.
 */
extern bool scan_target_init(ScanTarget *target, IndexSpace *space, IndexScanDesc scan);

/*
 * Tells the executor about the order of the row in hand, whose key is given.
 * Of several ordering operators the scan follows the first; the executor
 * computes the others and sorts rows of equal first distance by them.
 */
extern void scan_target_report_order(const ScanTarget *target, const IndexSpace *space,
									 IndexScanDesc scan, float key);

/* Does a value with this key satisfy the radius?  Exactly as the operator decides it. */
static inline bool
scan_target_accepts(const ScanTarget *target, const IndexSpace *space, float key)
{
	return !target->limited || space_finish(&space->context, key) <= target->radius;
}

#endif /* ANN_SCAN_TARGET_H */
