/*-------------------------------------------------------------------------
 *
 * build.h
 *	  What build.c and, for rows that do not fit memory, build_parts.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_VPTREE_BUILD_H
#define ANN_VPTREE_BUILD_H

#include "postgres.h"

#include "vptree/vptree.h"

typedef struct VptreeParts VptreeParts;

typedef struct VptreeBuild
{
	Build frame;
	VptreeIndex index;
	TreeParams params;
	Tree *tree;			/* that is being built or written, or NULL */
	VptreeParts *parts; /* of rows that do not fit memory, or NULL */
	double nentries;	/* written */

	/* some values, where not all are in memory */
	GraphValues examples;
	uint32 nexamples;
} VptreeBuild;

/* The pivots above a tree, from the nearest upwards, as many as entries keep distances to */
typedef struct VptreePivots
{
	const void *values[TREE_MAX_PATH];
	int n;
} VptreePivots;

/* build.c */
extern const BuildStructure vptree_tree_structure;

/* Sets build->params by the metapage; the size of buckets may still be unknown. */
extern void vptree_init_params(VptreeBuild *build);
extern Size vptree_memory_per_value(const VptreeBuild *build);

/*
 * Builds build->tree, in steps short enough for a cancel to be heard in between.
 * `done` units of work are done already.
 */
extern void vptree_build_tree(VptreeBuild *build, uint32 *items, uint32 nitems,
							  const GraphValues *values, const TreeParams *params, uint64 done);

/*
 * Finds out, from all values or a random sample, what has to be known before the
 * tree is built.  total: how many values there are in all, about.
 */
extern void vptree_prepare(VptreeBuild *build, const GraphValues *values, uint32 nvalues,
						   double total);

/*
 * Builds the tree of rows and writes it, as one under these pivots.  In parts,
 * progress goes on from `done`, by a unit for each entry built and another for each
 * written; else there is a phase for each.
 */
extern VptreeSubtree vptree_build_rows(VptreeBuild *build, BuildRows *rows,
									   const VptreePivots *above, uint64 done);

/* build_parts.c */
extern VptreeSubtree vptree_parts_build(VptreeBuild *build, RowSpool *rows);

#endif /* ANN_VPTREE_BUILD_H */
