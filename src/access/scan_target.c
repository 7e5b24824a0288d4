/*-------------------------------------------------------------------------
 *
 * scan_target.c
 *	  What an index scan looks for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "catalog/pg_type.h"
#include "utils/float.h"

#include "access/scan_target.h"

/* A sphere of a range condition */
typedef struct TargetSphere
{
	void *centre; /* encoded */
	double radius;
	bool known; /* it has a centre and a radius; else the executor alone can check it */
} TargetSphere;

/* The spheres of all conditions; NULL: one of the conditions is null. */
static TargetSphere *
encode_spheres(IndexSpace *space, IndexScanDesc scan)
{
	TargetSphere *spheres = palloc(Max(scan->numberOfKeys, 1) * sizeof(TargetSphere));

	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey key = &scan->keyData[i];

		if (key->sk_flags & SK_ISNULL)
			return NULL;
		Assert(key->sk_strategy == STRATEGY_WITHIN);
		spheres[i].centre = palloc(space->encoded_size);
		spheres[i].known = index_space_encode_sphere(space, scan->indexRelation, key->sk_argument,
													 spheres[i].centre, &spheres[i].radius);
	}
	return spheres;
}

/* The one with the smallest radius, or NULL when there is none. */
static const TargetSphere *
smallest_sphere(const TargetSphere *spheres, int nspheres)
{
	const TargetSphere *smallest = NULL;

	for (int i = 0; i < nspheres; i++)
	{
		if (spheres[i].known && (smallest == NULL || spheres[i].radius < smallest->radius))
			smallest = &spheres[i];
	}
	return smallest;
}

IndexScanDesc
scan_target_begin(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);

	scan->xs_orderbyvals = palloc0(norderbys * sizeof(Datum));
	scan->xs_orderbynulls = palloc0(norderbys * sizeof(bool));
	return scan;
}

/*
 * The query.  A null operand is no nearer to one row than to another: any order will
 * do, and any query where there is no sphere either; for a function, none.
 */
static void *
choose_query(const ScanTarget *target, IndexSpace *space, IndexScanDesc scan,
			 const TargetSphere *sphere)
{
	void *query;

	if (!target->ordered && sphere != NULL)
		return sphere->centre;
	if (!target->ordered && function_space_is(space->context.space))
		return NULL;
	query = palloc0(space->encoded_size);
	if (target->ordered)
		index_space_encode_query(space, scan->indexRelation, scan->orderByData[0].sk_argument,
								 query);
	return query;
}

bool
scan_target_init(ScanTarget *target, IndexSpace *space, IndexScanDesc scan)
{
	TargetSphere *spheres = encode_spheres(space, scan);

	memset(target, 0, sizeof(*target));
	target->radius = INFINITY;
	if (spheres == NULL)
		return false;
	target->ordered =
		scan->numberOfOrderBys > 0 && (scan->orderByData[0].sk_flags & SK_ISNULL) == 0;
	target->query = choose_query(target, space, scan, smallest_sphere(spheres, scan->numberOfKeys));

	/* keys of a function are lower bounds of its distances */
	target->recheck = scan->numberOfKeys > 0 && function_space_is(space->context.space);
	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		if (!spheres[i].known || !index_space_equal(space, target->query, spheres[i].centre))
			target->recheck = true;
		else
		{
			target->limited = true;
			target->radius = Min(target->radius, spheres[i].radius);
		}
	}
	return true;
}

void
scan_target_report_order(const ScanTarget *target, const IndexSpace *space, IndexScanDesc scan,
						 float key)
{
	int norders = scan->numberOfOrderBys;
	Oid *types;
	IndexOrderByDistance *bounds;

	/* keys of a function are lower bounds of its distances */
	scan->xs_recheckorderby =
		norders > 1 || (norders > 0 && function_space_is(space->context.space));
	if (!scan->xs_recheckorderby)
		return;
	types = palloc(norders * sizeof(Oid));
	bounds = palloc(norders * sizeof(IndexOrderByDistance));
	for (int i = 0; i < norders; i++)
	{
		types[i] = FLOAT8OID;
		bounds[i].value = -get_float8_infinity();
		bounds[i].isnull = false;
	}
	if (target->ordered)
		bounds[0].value = space_finish(&space->context, key);
	index_store_float8_orderby_distances(scan, types, bounds, true);
	pfree(types);
	pfree(bounds);
}
