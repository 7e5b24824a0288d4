/*-------------------------------------------------------------------------
 *
 * probe.c
 *	  Finds out what queries cost in an index that has just been built, for cost
 *	  estimates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "core/random.h"
#include "vptree/search.h"

/* Queries tried */
#define PROBES 10
#define SEED_OF_PROBES UINT64_C(0x70726f6265)

/* A query that has taken this share of all distances is one that takes them all. */
#define PROBE_LIMIT 0.25

/* Queries of that kind after which there is no need of others */
#define ENOUGH_PROBES 2

/* Searches from one value: the work when it had found so many rows, and then more. */
static void
probe(VptreeIndex *index, const void *value, VptreeProbe *few, VptreeProbe *more)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "vptree probe", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	const SpaceContext *space = &index->space.context;
	ScanTarget target = {.query = unconstify(void *, value), .ordered = true, .radius = INFINITY};
	const void *query = space_prepare_query(space, value, palloc(index->space.query_size + 1));
	VptreeProbe all = {.distances = index->meta.entries, .compared = index->meta.entries};
	VptreeSearch search;
	PoolEntry entry;
	int rows = 0;

	vptree_search_init(&search, index, &target, query, &index->meta.pruner, VPTREE_NO_LEAF_LIMIT,
					   context);
	search.max_distances = (int64) (index->meta.entries * PROBE_LIMIT);
	*few = *more = all;
	while (rows < VPTREE_PROBE_MORE && vptree_search_next(&search, &entry) &&
		   search.distances < search.max_distances)
	{
		rows++;
		*more = (VptreeProbe){.distances = search.distances, .compared = search.compared};
		if (rows <= VPTREE_PROBE_FEW)
			*few = *more;
	}
	if (rows < VPTREE_PROBE_MORE)
		*more = all;
	if (rows < VPTREE_PROBE_FEW)
		*few = all;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
add_probe(VptreeProbe *sum, const VptreeProbe *probe)
{
	sum->distances += probe->distances;
	sum->compared += probe->compared;
}

static VptreeProbe
mean_of(const VptreeProbe *sum, int n)
{
	return (VptreeProbe){.distances = sum->distances / n, .compared = sum->compared / n};
}

void
vptree_probe(VptreeIndex *index, const GraphValues *values, uint32 nvalues)
{
	VptreeMeta *meta = &index->meta;
	VptreeProbe few = {0};
	VptreeProbe more = {0};
	int probes = 0;
	int full = 0;
	Random random;

	if (nvalues == 0)
		return;
	random_seed(&random, meta->seed + SEED_OF_PROBES);
	while (probes < PROBES && full < ENOUGH_PROBES)
	{
		VptreeProbe few_now;
		VptreeProbe more_now;

		CHECK_FOR_INTERRUPTS();
		probe(index, graph_value(values, random_below(&random, nvalues)), &few_now, &more_now);
		add_probe(&few, &few_now);
		add_probe(&more, &more_now);
		probes++;
		if (few_now.distances >= meta->entries)
			full++;
	}
	meta->few = mean_of(&few, probes);
	meta->more = mean_of(&more, probes);
}
