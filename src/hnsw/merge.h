/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  What the files of a merge share: merge.c, merge_chain.c, merge_choose.c,
 *	  merge_write.c and overlay.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_MERGE_H
#define ANN_MERGE_H

#include "hnsw/hnsw.h"

/* Vertices merged together; a whole number of pages */
#define BATCH_VERTICES 8192

typedef enum MergeFate
{
	MERGE_LINK,	   /* to be linked */
	MERGE_RELINK,  /* has its own links, from a merge cut short: only links back are due */
	MERGE_EMPTY,   /* has no rows */
	MERGE_FINISHED /* no longer pending */
} MergeFate;

/* A vertex of the batch */
typedef struct MergeVertex
{
	uint32 vertex;
	int level;
	MergeFate fate;
	PoolEntry homes[HNSW_FAR_CANDIDATES]; /* its search in layer 0 begins there; nearest first */
	int nhomes;
	uint32 **links; /* by layer: those that the heuristic accepts, then others; nearest first */
	int *nlinks;
	int *ndiverse; /* those that the heuristic accepts */
	ItemPointerData upper;
} MergeVertex;

/* What a merge carries from step to step */
typedef struct MergeState
{
	HnswIndex *index;
	HnswSearch search;
	HnswCoder *coder; /* of the quantised form, or NULL */
	GraphDistance distance;
	HnswOverlay *overlay;  /* of the batch */
	MemoryContext context; /* of one batch */
	MemoryContext step;	   /* of one vertex */
	char *encoded;		   /* value of the present vertex, as hnsw_copy_value() gives it */
	void *query;		   /* its query form */
	void *scratch;		   /* query form of another */
	int lane;			   /* which of the merges that there may be */
	bool alone;			   /* the others are locked out */
	HnswClaim claim;	   /* pages it works on */
	bool relinking;		   /* a merge cut short may have linked vertices to those of the batch */
	MergeVertex *vertices; /* of the batch */
	int nvertices;
	BlockNumber *pages; /* of the batch, in the order of the chain */
	int npages;
} MergeState;

/* overlay.c: links that are chosen and not written yet */
extern HnswOverlay *hnsw_overlay_create(const MergeState *state);
extern void hnsw_overlay_add(HnswOverlay *overlay, int number);

/* merge_chain.c: pages of the pending chain */
extern uint32 merge_tail_ordinal(HnswIndex *index, const HnswMeta *meta);
extern bool merge_claim_pages(MergeState *state, uint32 last);
extern void merge_release_claim(MergeState *state);
extern void merge_collect_batch(MergeState *state);
extern void merge_retire_batch(MergeState *state);

/* merge_choose.c: neighbours of the vertices of a batch */
extern void merge_choose_links(MergeState *state);

/* merge_write.c: the links of a batch */
extern int merge_compare_vertices(const void *a, const void *b);
extern void merge_make_first(MergeState *state);
extern void merge_write_own_links(MergeState *state);
extern void merge_write_links_back(MergeState *state);
extern void merge_update_entry(MergeState *state);

#endif /* ANN_MERGE_H */
