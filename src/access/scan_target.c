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

/*
 * The centre of every sphere, encoded, one after the other; radii[] gets their
 * radii.  NULL: one of the conditions is null.
 */
static char *
encode_spheres(IndexSpace *space, IndexScanDesc scan, double *radii)
{
	char *centres = palloc(Max(scan->numberOfKeys, 1) * space->encoded_size);

	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		ScanKey key = &scan->keyData[i];

		if (key->sk_flags & SK_ISNULL)
			return NULL;
		Assert(key->sk_strategy == STRATEGY_WITHIN);
		radii[i] = index_space_encode_sphere(space, scan->indexRelation, key->sk_argument,
											 centres + i * space->encoded_size);
	}
	return centres;
}

/* The number of the sphere with the smallest radius, or -1 when there is none. */
static int
smallest_sphere(const double *radii, int nspheres)
{
	int smallest = -1;

	for (int i = 0; i < nspheres; i++)
	{
		if (smallest < 0 || radii[i] < radii[smallest])
			smallest = i;
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

bool
scan_target_init(ScanTarget *target, IndexSpace *space, IndexScanDesc scan)
{
	double *radii = palloc(Max(scan->numberOfKeys, 1) * sizeof(double));
	char *centres = encode_spheres(space, scan, radii);
	int smallest = smallest_sphere(radii, scan->numberOfKeys);

	memset(target, 0, sizeof(*target));
	target->radius = INFINITY;
	if (centres == NULL)
		return false;
	target->ordered =
		scan->numberOfOrderBys > 0 && (scan->orderByData[0].sk_flags & SK_ISNULL) == 0;

	/*
	 * A null operand is no nearer to one row than to another: any order will do,
	 * and any query where there is no sphere either.
	 */
	target->query = palloc0(space->encoded_size);
	if (target->ordered)
		index_space_encode_query(space, scan->indexRelation, scan->orderByData[0].sk_argument,
								 target->query);
	else if (smallest >= 0)
		memcpy(target->query, centres + smallest * space->encoded_size, space->encoded_size);

	for (int i = 0; i < scan->numberOfKeys; i++)
	{
		if (memcmp(target->query, centres + i * space->encoded_size, space->encoded_size) != 0)
			target->recheck = true;
		else
		{
			target->limited = true;
			target->radius = Min(target->radius, radii[i]);
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

	scan->xs_recheckorderby = norders > 1;
	if (norders <= 1)
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
