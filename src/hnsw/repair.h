/*-------------------------------------------------------------------------
 *
 * repair.h
 *	  What the files share that take deleted vertices out of the graph:
 *	  vacuum_graph.c, repair.c and reach.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_REPAIR_H
#define ANN_REPAIR_H

#include "hnsw/hnsw.h"

/* Memory that grows */
typedef struct BlockList
{
	BlockNumber *blocks;
	uint32 n;
	uint32 capacity;
} BlockList;

/* A link back in a layer that is to be written when all lists have been repaired */
typedef struct LayerLinkBack
{
	HnswLinkBack back;
	int layer;
} LayerLinkBack;

typedef struct LinksBack
{
	LayerLinkBack *requests;
	uint32 n;
	uint32 capacity;
} LinksBack;

/* One vacuum's work on the graph */
typedef struct Repair
{
	HnswIndex *index;
	BufferAccessStrategy strategy;
	BlockNumber first; /* the vertices of these blocks are dealt with at a time */
	BlockNumber end;
	uint8 *dead;		  /* of those, a bit each: deleted when the pass began */
	BlockList slot_pages; /* among these blocks, with deleted vertices or with free
						   * slots and not in the chain */
	BlockList item_pages;

	HnswSearch search; /* for keys, and when the neighbourhood has not enough */
	GraphDistance distance;
	void *query;		   /* query form of the vertex at hand ... */
	void *scratch;		   /* ... and of a candidate */
	LinksBack backs;	   /* asked for and not written yet */
	MemoryContext context; /* of the whole work */
	MemoryContext step;	   /* reset after every list */
} Repair;

static inline bool
is_dead(const Repair *repair, uint32 vertex)
{
	uint32 slots = repair->index->meta.slots_per_page;
	uint32 base = repair->first * slots;
	uint32 bit = vertex - base;

	return vertex >= base && bit < (repair->end - repair->first) * slots &&
		   (repair->dead[bit / BITS_PER_BYTE] & (1 << (bit % BITS_PER_BYTE))) != 0;
}

/* repair.c */

/* Links chosen for one vertex of a page */
typedef struct LinkPlan
{
	int n; /* -1: they stay as they are */
	uint32 *links;
} LinkPlan;

/* A page of the index, pinned; read with the vacuum's buffer strategy. */
extern Buffer repair_read_page(Repair *repair, BlockNumber blkno);

/* Copies a page of the index as it is at one moment. */
extern void repair_copy_page(Repair *repair, BlockNumber blkno, PGAlignedBlock *copy);

/* Makes a vertex the one whose neighbours are sought; in the current memory context. */
extern void repair_set_query(Repair *repair, uint32 vertex);

/*
 * Candidates for its links in a layer by a search from the entry point, in the
 * current memory context.  Where all that is near is deleted, it looks farther.
 */
extern void repair_search(Repair *repair, uint32 vertex, int layer, HnswCandidates *candidates);

/*
 * Those of a search's pool that may be linked to in a layer, but for the vertex
 * itself, in the current memory context.  True: the search found no others.
 */
extern bool repair_collect(Repair *repair, uint32 vertex, int layer, HnswCandidates *candidates);

/*
 * Repairs the links of all vertices of a page.  plans: room for each of its
 * slots.
 */
extern void repair_page(Repair *repair, BlockNumber blkno, LinkPlan *plans);

/* repair_back.c */

/*
 * Asks those chosen anew for a vertex's links in a layer to link back: those
 * among chosen[] that are not among links[], its links so far.  diverse[]: those
 * that the heuristic accepts; the others are asked to only if they have room.
 */
extern void repair_ask_back(Repair *repair, uint32 vertex, int layer, const uint32 *links,
							int nlinks, const uint32 *chosen, int nchosen, const uint32 *diverse,
							int ndiverse);

/* Do the requests take their part of maintenance_work_mem? */
extern bool repair_backs_full(const Repair *repair);

/* Writes the links back that were asked for. */
extern void repair_link_back(Repair *repair);

/* reach.c: makes every live vertex reachable from the entry point in layer 0. */
extern void reach_all(Repair *repair);

#endif /* ANN_REPAIR_H */
