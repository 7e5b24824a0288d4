/*-------------------------------------------------------------------------
 *
 * check.h
 *	  ann_check() of an hnsw index: what its two files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_HNSW_CHECK_H
#define ANN_HNSW_CHECK_H

#include "access/check.h"
#include "hnsw/hnsw.h"

/* What is known of a place for a vertex */
#define PLACE_USED 0x01		/* handed out */
#define PLACE_SOUND 0x02	/* its record's counts may be trusted */
#define PLACE_FREE 0x04		/* HNSW_VERTEX_FREE */
#define PLACE_UNLINKED 0x08 /* HNSW_VERTEX_UNLINKED */
#define PLACE_VALUE 0x10	/* its value can be read */
#define PLACE_REACHED 0x20	/* links of layer 0 lead to it from the entry point */
#define PLACE_EXPANDED 0x40 /* ... and its own have been followed */
#define PLACE_DELETED 0x80	/* HNSW_VERTEX_DELETED */

/* Marks of chains in HnswCheck.in_chain */
#define CHAIN_PENDING 1
#define CHAIN_FREE_SLOTS 2
#define CHAIN_FREE_ITEMS 3
#define CHAIN_FREE_VALUES 4

/* Room for the name of a vertex or item in a finding */
#define LABEL_SIZE CHECK_NAME_SIZE

typedef struct HnswCheck
{
	CheckState *check;
	HnswIndex index;	  /* with the metapage as checked */
	uint32 nplaces;		  /* vertex ids are below */
	uint8 *place;		  /* PLACE_ flags by vertex id */
	uint8 *level;		  /* by vertex id */
	uint32 *anchor;		  /* by vertex id: not known to link back; NULL unless notes are wanted */
	uint8 *in_chain;	  /* CHAIN_ mark by block, 0: in none */
	CheckEntries items;	  /* items that vertices refer to */
	CheckEntries remains; /* items that deleted vertices refer to, freed or not */
	CheckPage *slots;	  /* the slot page last read, and so on */
	CheckPage *item_page;
	char *widened; /* room for a value as the column's type has it */
} HnswCheck;

static inline const char *
vertex_label(char *label, uint32 vertex)
{
	snprintf(label, LABEL_SIZE, "vertex %u", vertex);
	return label;
}

/*
 * The item at tid, referred to by a vertex, and its size; NULL, reported, if
 * there is none.  It stays valid until the next call.  Each item is asked for
 * once by the vertex it belongs to.
 */
extern Item hnsw_check_item(HnswCheck *state, uint32 vertex, ItemPointerData tid, uint16 kind,
							Size *size);

/* check_links.c: links, upper items, items nobody refers to, reachability */
extern void hnsw_check_links(HnswCheck *state);
extern void hnsw_check_items(HnswCheck *state);
extern void hnsw_check_anchors(HnswCheck *state);
extern void hnsw_check_reachable(HnswCheck *state);

/* check_codes.c: the quantised form */
extern void hnsw_check_codes(HnswCheck *state);

#endif /* ANN_HNSW_CHECK_H */
