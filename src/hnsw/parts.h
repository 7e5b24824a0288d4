/*-------------------------------------------------------------------------
 *
 * parts.h
 *	  A build in parts: what its files share.
 *
 *	build_parts.c	rows are spooled, and a graph is built of every part
 *	build_divide.c	which parts there are, and which rows are in them
 *	build_lists.c	the lists of a vertex from two parts are joined
 *	build_join.c	what becomes of them is written to pages
 *
 * A row's number is its place among the rows of all parts: rows of its home
 * part lie together.  The vertex of a value has the number of the first row
 * with that value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_HNSW_PARTS_H
#define ANN_HNSW_PARTS_H

#include "hnsw/build.h"

#include "utils/tuplesort.h"

#include "access/row_spool.h"
#include "core/partition.h"
#include "core/random.h"

/* No part: a row that lies well inside its own */
#define NO_PART PG_UINT16_MAX

typedef struct Part
{
	Spool *rows;	 /* PartRow and stored value: those at home here and guests */
	Spool *incoming; /* lists of its vertices from parts where they are guests */
	uint64 nhome;
	uint64 nguests;
	uint64 base;	   /* number of its first row */
	uint32 nvertices;  /* distinct values at home here */
	uint32 nlong;	   /* of them, with more rows than a record holds */
	uint32 nincoming;  /* lists in `incoming` */
	uint32 rank;	   /* in the tree of parts, that of the root is 0 */
	uint32 parent;	   /* in the tree of parts: they share a vertex */
	uint32 first_hash; /* of the first row at home here */
	uint16 bridge;	   /* rows of that hash are guests there, or NO_PART */
} Part;

/* A row of a part as it is spooled; its stored value follows. */
typedef struct PartRow
{
	uint32 position; /* among the rows of its home part */
	uint16 other;	 /* at home: the part where it is a guest; a guest: its home */
	bool home;
	ItemPointerData tid;
} PartRow;

/* What is known of an entry of a list when lists are joined */
#define LINK_DIVERSE 0x01 /* the heuristic kept it */
#define LINK_SHARED 0x02  /* it is in all parts that the list's owner is in */
#define LINK_TREE 0x04	  /* an edge of the tree of anchors: never given up */

typedef struct PartLink
{
	float key;
	uint32 number; /* of the neighbour */
	uint32 flags;
} PartLink;

/* The links that a vertex has got in one part; PartLinks follow. */
typedef struct PartList
{
	uint32 number;
	uint32 rank;   /* of the part */
	uint32 anchor; /* number of the vertex above it in the part's tree, or none */
	uint32 nlinks;
} PartList;

#define NO_NUMBER PG_UINT32_MAX

/* A vertex at home in a part as it is spooled; the list's links and the stored value follow. */
typedef struct PartVertex
{
	uint32 ntids; /* in tids[] */
	ItemPointerData tids[HNSW_INLINE_TIDS];
	PartList list;
} PartVertex;

/* A vertex with more rows than its record holds */
typedef struct PartLong
{
	uint64 nrows; /* beyond those in the record */
	uint32 number;
} PartLong;

/* Of the pivots nearest to a row; its value has the hash. */
typedef struct NearestPivots
{
	uint32 hash;
	uint16 pivots[PARTITION_NEAREST];
} NearestPivots;

/* In places[]: the vertex is in the upper layers, the rest is its number there. */
#define PLACE_UPPER 0x80000000u

struct HnswParts
{
	HnswBuild *build;
	MemoryContext context;
	Size memory; /* bytes that may be used at a time */

	RowSpool *rows; /* as they came, once all have */
	uint64 nrows;
	bool fits[HNSW_NARROW_ELEMENTS]; /* every value so far can be stored so */
	char *stored;					 /* room for a value in such a form */

	/* a random sample of them: pivots */
	Random random;
	char *sample;
	uint32 sample_capacity;
	const float *mean; /* of the sample, for codes; NULL in the plain form */
	uint32 npivots;
	const void **pivots;
	uint64 *weights; /* rows whose nearest pivot it is */
	uint32 *hashes;
	GraphDistance distance; /* between encoded values, by which links are made */
	Spool *nearest;			/* NearestPivots of every row */

	/* groups of pivots, and their parts: several if one pivot has too many rows */
	uint32 ngroups;
	uint32 *group_of;
	uint16 *first_part;
	uint16 *ways;
	uint32 nparts;
	Part *parts;
	bool *touch;	 /* nparts times nparts: they share a row */
	uint64 capacity; /* rows that a part may have */

	/* vertices */
	IndexSpace part_space; /* in which stored values are the encoded ones */
	uint32 *places;		   /* by row number */
	Spool *vertices;	   /* of all parts, in the order in which they are written */
	Spool *longs;		   /* PartLong, by number */
	Tuplesortstate *tids;  /* TIDs of rows beyond those in the records, by number */
	TupleTableSlot *slot;
	uint64 upper_limit; /* a vertex whose hash is below is in upper layers */
	Spool *upper;		/* numbers and values of those */
	uint32 nupper;
	uint32 nlower; /* vertices in layer 0 only */
	uint64 ndone;  /* copies of vertices in graphs, for progress */
};

static inline char *
hnsw_parts_sample(const HnswParts *parts, uint32 i)
{
	return parts->sample + i * MAXALIGN(parts->build->index.space.encoded_size);
}

/* Pivots at least, if there are so many rows */
#define HNSW_MIN_PIVOTS 16

/* Rows gone through between two looks at interrupts */
#define HNSW_ROWS_PER_LOOK 8192

/* build_divide.c */
extern void hnsw_parts_divide(HnswParts *parts);
extern uint64 hnsw_parts_distinct(const HnswParts *parts);
extern void hnsw_parts_distribute(HnswParts *parts);

/* build_join.c */
extern void hnsw_join_parts(HnswParts *parts);

/* build_lists.c: without calls into the server, so threads may */

/* The number of the anchor of a vertex with these lists, or NO_NUMBER; other may be NULL. */
extern uint32 hnsw_joined_anchor(const PartList *own, const PartList *other);

/*
 * Joins the lists of a vertex to one of at most `limit` neighbours.  numbers gets them, the
 * anchor first, then ascending by distance; returns how many.  other may be NULL.
 */
extern int hnsw_join_lists(const PartList *own, const PartList *other, int limit, uint32 *numbers);

/* build_parts.c */
extern BuildRows *hnsw_parts_rows(HnswParts *parts);

#endif /* ANN_HNSW_PARTS_H */
