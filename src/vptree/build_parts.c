/*-------------------------------------------------------------------------
 *
 * build_parts.c
 *	  Building a tree of more rows than fit maintenance_work_mem.
 *
 * The rows are spooled.  The tree of a random sample of them is the top of the
 * index's tree: going down it, every row comes to the part of one of its leaves.
 * Each part is built and written, then the nodes of the top.  A part that is
 * still too large is divided in the same way.  README, "Build in parts".
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "access/value_list.h"
#include "core/parallel.h"
#include "core/random.h"
#include "vptree/build.h"

/* Share of the memory that a part is to take, so that hardly any takes more than all */
#define PART_SHARE 0.6

/* Shares of the memory: of the sample with its tree, of rows on their way to parts */
#define SAMPLE_SHARE 2
#define CHUNK_SHARE 16

/* Rows of the sample in a part, at least; and at most, where memory allows more */
#define MIN_PART_SAMPLE 32
#define MAX_PART_SAMPLE 1000

/* Values kept for what has to be tried at the end, at most */
#define MAX_EXAMPLES 100

/* Parts at most: each is a temporary file with a buffer */
#define MAX_PARTS 512
#define FILE_MEMORY (2 * BLCKSZ)

/* A part has room for so many rows, whatever the memory */
#define MIN_CAPACITY 256

#define MIN_CHUNK_ROWS 64
#define MAX_CHUNK_ROWS 65536
#define DESCENT_GRAIN 64
#define ROWS_PER_LOOK 1000

#define SEED_OF_SAMPLE UINT64_C(0x746F70)
#define SEED_OF_TIES UINT64_C(0x74696573)

struct VptreeParts
{
	VptreeBuild *build;
	Size memory;   /* bytes that may be used at a time */
	Size held;	   /* by tops of the tree and files of parts */
	uint64 total;  /* rows in all */
	uint64 done;   /* of them, in subtrees that are written */
	uint64 nparts; /* divided into, so far */
};

/* The top of a tree, without its sample */
typedef struct Top
{
	Tree tree; /* nodes, root and number of leaves alone; pivots are numbered like nodes */
	ValueList *pivots;
	GraphValues values;
	Size size; /* bytes */
} Top;

static const IndexSpace *
space_of(const VptreeParts *parts)
{
	return &parts->build->index.space;
}

/* Memory that is left beside what is held, but a quarter at least */
static Size
memory_left(const VptreeParts *parts)
{
	return Max(parts->memory / 4, parts->memory - Min(parts->held, parts->memory));
}

/* ------------------------------------------------------------ a part that fits */

/* The rows of a part in memory, or NULL if they do not fit. */
static BuildRows *
load_part(VptreeParts *parts, RowSpool *part)
{
	BuildRows *rows =
		build_rows_create(&parts->build->index.space, vptree_memory_per_value(parts->build));
	uint64 done = 0;

	rows->memory_limit = Max(memory_left(parts), build_rows_memory(rows, MIN_CAPACITY));
	row_spool_rewind(part);
	while (row_spool_read(part))
	{
		if (!build_rows_add_encoded(rows, spooled_row_value(part->row), &part->row->tid))
		{
			build_rows_free(rows);
			return NULL;
		}
		if (++done % ROWS_PER_LOOK == 0)
			CHECK_FOR_INTERRUPTS();
	}
	return rows;
}

/* ------------------------------------------------------------ the top of a tree */

/* Reads the values of a random sample of n of a part's rows. */
static void
read_sample(VptreeParts *parts, RowSpool *part, uint32 n, ValueList *sample)
{
	Random random;
	uint64 left = part->nrows;
	uint32 wanted = n;

	random_seed(&random, parts->build->params.seed + SEED_OF_SAMPLE + parts->nparts);
	row_spool_rewind(part);
	for (; wanted > 0; left--)
	{
		if (!row_spool_read(part))
			elog(ERROR, "temporary file has too few rows");
		if (left % ROWS_PER_LOOK == 0)
			CHECK_FOR_INTERRUPTS();
		if (random_below(&random, left) >= wanted)
			continue;
		value_list_set(sample, n - wanted, spooled_row_value(part->row));
		wanted--;
	}
}

/* How many parts a part is to be divided into, and the sample that decides how */
static void
choose_sizes(VptreeParts *parts, const RowSpool *part, uint32 *nparts, uint32 *nsample)
{
	BuildRows *rows =
		build_rows_create(&parts->build->index.space, vptree_memory_per_value(parts->build));
	double row_memory = build_rows_memory(rows, 1);
	double memory = memory_left(parts);
	double sample = memory / SAMPLE_SHARE / row_memory;
	double n = ceil(part->nrows * row_memory / (memory * PART_SHARE));

	build_rows_free(rows);
	sample = Min(sample, (double) part->nrows);
	n = Min(n, sample / MIN_PART_SAMPLE);
	n = Min(n, memory / 4 / (FILE_MEMORY + MAXALIGN(space_of(parts)->usual_size)));
	*nparts = (uint32) Max(2, Min(n, MAX_PARTS));
	*nsample = (uint32) Max(Min(2 * *nparts, part->nrows),
							Min(sample, (double) *nparts * MAX_PART_SAMPLE));
}

/* Takes nodes and pivots out of build->tree, which is freed. */
static Top *
keep_top(VptreeParts *parts, const GraphValues *values)
{
	Tree *tree = parts->build->tree;
	Top *top = palloc0(sizeof(Top));

	top->tree.params = tree->params;
	top->tree.root = tree->root;
	top->tree.nnodes = tree->nnodes;
	top->tree.nleaves = tree->nleaves;
	top->tree.nodes = palloc(Max(tree->nnodes, 1) * sizeof(TreeNode));
	memcpy(top->tree.nodes, tree->nodes, tree->nnodes * sizeof(TreeNode));
	top->size = tree->nleaves * FILE_MEMORY + tree->nnodes * sizeof(TreeNode);
	if (tree->params.partition == TREE_VP)
	{
		top->pivots = value_list_make(space_of(parts), tree->nnodes);
		for (uint32 i = 0; i < tree->nnodes; i++)
		{
			value_list_set(top->pivots, i, graph_value(values, tree->nodes[i].pivot));
			top->tree.nodes[i].pivot = i;
		}
		top->values = value_list_values(top->pivots);
		top->size += tree->nnodes * value_list_usual_size(space_of(parts));
	}
	tree_free(tree);
	parts->build->tree = NULL;
	return top;
}

/* Keeps some of the sample until the end of the build. */
static void
keep_examples(VptreeParts *parts, const GraphValues *sample, uint32 n)
{
	VptreeBuild *build = parts->build;
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(build));
	ValueList *examples;

	build->nexamples = Min(n, MAX_EXAMPLES);
	examples = value_list_make(space_of(parts), build->nexamples);
	for (uint32 i = 0; i < build->nexamples; i++)
		value_list_set(examples, i,
					   graph_value(sample, (uint32) ((uint64) i * n / build->nexamples)));
	build->examples = value_list_values(examples);
	MemoryContextSwitchTo(old);
}

/* The tree of a sample of a part's rows */
static Top *
build_top(VptreeParts *parts, RowSpool *part)
{
	TreeParams params = parts->build->params;
	GraphValues values;
	uint32 nparts;
	uint32 n;
	ValueList *sample;
	uint32 *items;
	Top *top;

	choose_sizes(parts, part, &nparts, &n);
	sample = value_list_make(space_of(parts), n);
	items = palloc_extended(n * sizeof(uint32), MCXT_ALLOC_HUGE);
	read_sample(parts, part, n, sample);
	values = value_list_values(sample);
	for (uint32 i = 0; i < n; i++)
		items[i] = i;
	if (parts->nparts == 0)
	{
		vptree_prepare(parts->build, &values, n, parts->total);
		keep_examples(parts, &values, n);
	}
	params.bucket_size = (n + nparts - 1) / nparts;
	params.fill = 1;
	params.path_length = 0;
	params.seed += parts->nparts;
	vptree_build_tree(parts->build, items, n, &values, &params, 0);
	top = keep_top(parts, &values);
	pfree(items);
	value_list_free(sample);
	return top;
}

/* ------------------------------------------------------------ rows to their parts */

/* Rows that go down the top together */
typedef struct Chunk
{
	VptreeParts *parts;
	const Top *top;
	const RowSpool *part; /* from which they are */
	char *rows;
	uint32 *leaves; /* of each */
	char **queries; /* scratch, of each thread */
} Chunk;

/* The leaf of the top to which a row belongs.  Where it may go either way, chance decides. */
static uint32
find_leaf(const Chunk *chunk, const SpooledRow *row, char *query_scratch)
{
	const VptreeIndex *index = &chunk->parts->build->index;
	const Top *top = chunk->top;
	const ItemPointerData *tid = &row->tid;
	bool kd = top->tree.params.partition == TREE_KD;
	const void *query = spooled_row_value(row);
	uint64 chance = random_hash(((uint64) ItemPointerGetBlockNumberNoCheck(tid) << 16 |
								 ItemPointerGetOffsetNumberNoCheck(tid)) +
								SEED_OF_TIES + chunk->parts->nparts);
	uint32 child = top->tree.root;

	if (kd)
		index->distance.coordinates(index, query, (float *) query_scratch);
	else
		query = space_prepare_query(&index->space.context, query, query_scratch);
	while ((child & TREE_LEAF) == 0)
	{
		const TreeNode *node = &top->tree.nodes[child];
		double x = kd ? ((float *) query_scratch)[node->pivot]
					  : vptree_pivot_distance(index, graph_value(&top->values, child), query);

		child = vptree_goes_left(x, node->radius, &chance) ? node->left : node->right;
	}
	return child & ~TREE_LEAF;
}

static void
find_leaves(void *arg, int thread, uint32_t from, uint32_t to)
{
	Chunk *chunk = (Chunk *) arg;

	for (uint32 i = from; i < to; i++)
		chunk->leaves[i] =
			find_leaf(chunk, row_spool_nth(chunk->part, chunk->rows, i), chunk->queries[thread]);
}

/* Room for what find_leaf() makes of a value */
static Size
query_room(const IndexSpace *space)
{
	return Max(space->query_size, space->context.dim * sizeof(float)) + 1;
}

/* Deals the rows of a part out to new ones, one for each leaf of the top. */
static RowSpool **
deal_out(VptreeParts *parts, RowSpool *part, const Top *top)
{
	int threads = parts->build->params.threads;
	uint32 size =
		Max(MIN_CHUNK_ROWS, Min(MAX_CHUNK_ROWS, memory_left(parts) / CHUNK_SHARE / part->row_size));
	Chunk chunk = {.parts = parts, .top = top, .part = part};
	RowSpool **dealt = palloc(top->tree.nleaves * sizeof(RowSpool *));
	uint32 n;

	chunk.rows = palloc_extended(size * part->row_size, MCXT_ALLOC_HUGE);
	chunk.leaves = palloc(size * sizeof(uint32));
	chunk.queries = palloc(threads * sizeof(char *));
	for (int i = 0; i < threads; i++)
		chunk.queries[i] = palloc(query_room(&parts->build->index.space));
	for (uint32 i = 0; i < top->tree.nleaves; i++)
		dealt[i] = row_spool_create(space_of(parts));
	row_spool_rewind(part);
	while ((n = row_spool_read_many(part, chunk.rows, size)) > 0)
	{
		parallel_for(threads, 0, n, DESCENT_GRAIN, find_leaves, &chunk);
		for (uint32 i = 0; i < n; i++)
			row_spool_copy(dealt[chunk.leaves[i]], row_spool_nth(part, chunk.rows, i));
		build_progress(part->nread);
	}
	for (int i = 0; i < threads; i++)
		pfree(chunk.queries[i]);
	pfree(chunk.queries);
	pfree(chunk.rows);
	pfree(chunk.leaves);
	return dealt;
}

/* ------------------------------------------------------------ all together */

static VptreeSubtree build_part(VptreeParts *parts, RowSpool *part, const VptreePivots *above);

/* A walk over the top of a tree, in which each leaf is built */
typedef struct TopWalk
{
	VptreeParts *parts;
	Top *top;
	RowSpool **dealt;
	VptreeSubtree *subtrees; /* by leaf */
} TopWalk;

static void
build_below(TopWalk *walk, uint32 child, const VptreePivots *above)
{
	int path_length = walk->parts->build->index.meta.path_length;
	const TreeNode *node;
	VptreePivots own = {.n = 0};

	check_stack_depth();
	if (child & TREE_LEAF)
	{
		uint32 leaf = child & ~TREE_LEAF;

		walk->subtrees[leaf] = build_part(walk->parts, walk->dealt[leaf], above);
		return;
	}
	node = &walk->top->tree.nodes[child];
	if (path_length > 0)
	{
		own.values[0] = graph_value(&walk->top->values, node->pivot);
		own.n = Min(above->n + 1, path_length);
		memcpy(own.values + 1, above->values, (own.n - 1) * sizeof(own.values[0]));
	}
	build_below(walk, node->left, &own);
	build_below(walk, node->right, &own);
}

/* Divides a part and builds what it is divided into. */
static VptreeSubtree
divide_part(VptreeParts *parts, RowSpool *part, const VptreePivots *above)
{
	TopWalk walk = {.parts = parts};
	bool first = parts->nparts == 0;
	VptreeSubtree result;

	if (first)
		build_phase(BUILD_PHASE_PARTITION, parts->total);
	walk.top = build_top(parts, part);
	if (first)
		build_report_parts(&parts->build->frame, &vptree_tree_structure, parts->total,
						   walk.top->tree.nleaves, "");
	parts->nparts += walk.top->tree.nleaves;
	parts->held += walk.top->size;
	walk.dealt = deal_out(parts, part, walk.top);
	row_spool_close(part);
	if (first)
		build_phase(BUILD_PHASE_STRUCTURE, 2 * parts->total);
	walk.subtrees = palloc(walk.top->tree.nleaves * sizeof(VptreeSubtree));
	build_below(&walk, walk.top->tree.root, above);
	result =
		vptree_write_nodes(&parts->build->index, &walk.top->tree, &walk.top->values, walk.subtrees);
	parts->held -= walk.top->size;
	return result;
}

/* Builds and writes the tree of a part's rows, which are read and forgotten. */
static VptreeSubtree
build_part(VptreeParts *parts, RowSpool *part, const VptreePivots *above)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "vptree build part", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	BuildRows *rows = parts->nparts == 0 ? NULL : load_part(parts, part);
	VptreeSubtree result;

	if (rows == NULL)
		result = divide_part(parts, part, above);
	else
	{
		row_spool_close(part);
		build_rows_finish(rows);
		result = vptree_build_rows(parts->build, rows, above, 2 * parts->done);
		parts->done += rows->ntids;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}

/* Builds and writes the tree of all rows. */
VptreeSubtree
vptree_parts_build(VptreeBuild *build, RowSpool *rows)
{
	VptreePivots none = {.n = 0};
	VptreeParts *parts = palloc0(sizeof(VptreeParts));

	parts->build = build;
	parts->memory = build_memory();
	parts->total = rows->nrows;
	build->parts = parts;
	return build_part(parts, rows, &none);
}
