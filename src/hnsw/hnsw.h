/*-------------------------------------------------------------------------
 *
 * hnsw.h
 *	  The hnsw access method: what is on disk, and what its files share.
 *
 * A hierarchical navigable small-world graph (Malkov and Yashunin) on pages.
 * One record per vertex, in a fixed slot of a slot page:
 *
 *	0				HnswVertexData, 64 bytes
 *	64				ids of the neighbours in layer 0: 2m times 4 bytes
 *	value_offset	the stored value: the encoded value (space.h), with a
 *					narrower element where the build found that this loses
 *					nothing; or, when the record would not fit a page, the
 *					block numbers of the pages that hold it
 *
 * In the quantised form the slot has a second part at the end of the page
 * (page.h), of codes_size bytes: blocks of codes of 32 neighbours each
 * (core/rabitq.h), centred on this vertex.
 *
 * All offsets and sizes are multiples of 64 and stand in the metapage.  A
 * vertex id is block * slots_per_page + slot in 31 bits; 0 is no vertex, since
 * block 0 is the metapage.  Links of the upper layers and lists of more than
 * HNSW_INLINE_TIDS heap TIDs are items on item pages.
 *
 * src/hnsw/README describes the algorithms, locking and WAL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_HNSW_H
#define ANN_HNSW_H

#include "postgres.h"

#include <math.h>

#include "storage/itemptr.h"

#include "access/build.h"
#include "access/compat.h"
#include "access/cost.h"
#include "access/index_space.h"
#include "access/insert.h"
#include "access/inspect.h"
#include "access/method.h"
#include "access/scan_loop.h"
#include "access/vacuum.h"
#include "core/frontier.h"
#include "core/graph.h"
#include "core/pool.h"
#include "core/rabitq.h"
#include "core/visited.h"
#include "storage/damage.h"
#include "storage/heap_tids.h"
#include "storage/meta.h"
#include "storage/page_change.h"
#include "storage/value_pages.h"

/* Build options (WITH), as pgvector's */
#define HNSW_DEFAULT_M 16
#define HNSW_MIN_M 2
#define HNSW_MAX_M 100
#define HNSW_DEFAULT_EF_CONSTRUCTION 64
#define HNSW_MIN_EF_CONSTRUCTION 4
#define HNSW_MAX_EF_CONSTRUCTION 1000

/* Query settings */
#define HNSW_DEFAULT_EF_SEARCH 40
#define HNSW_MIN_EF_SEARCH 1
#define HNSW_MAX_EF_SEARCH 10000

/* Size of the pending chain, in kB, at which it is merged */
#define HNSW_DEFAULT_PENDING_LIST_LIMIT 2048

#define HNSW_NO_VERTEX 0
#define HNSW_MAX_VERTEX 0x7FFFFFFF /* the pool's flag takes the top bit */

#define HNSW_INLINE_TIDS 4

/* Blocks of codes in a record, at most; links beyond have no codes */
#define HNSW_MAX_CODE_BLOCKS 5

/* What the option `quantization` asks for; stored in metapages: never renumber */
typedef enum HnswQuantization
{
	HNSW_QUANTIZATION_NONE,
	HNSW_QUANTIZATION_RABITQ,
	HNSW_QUANTIZATION_AUTO
} HnswQuantization;

/* Links a vertex may have in a layer */
#define HNSW_LAYER_LINKS(m, layer) ((layer) == 0 ? 2 * (m) : (m))

/*
 * A new vertex selects its own links from this many candidates, the search
 * pool and as many again that were scored on the way; in layer 0 it leaves
 * room for links back.  As src/core/graph_insert.c does it.
 */
#define HNSW_CANDIDATES(ef_construction) (2 * (ef_construction))
#define HNSW_SELECTED_LINKS(m, layer) ((layer) == 0 ? (3 * (m) + 1) / 2 : (m))

/* Vertices that a scan keeps while it descends, and begins layer 0 with */
#define HNSW_SEEDS 4

/*
 * Vertices of layer 1 or of the routing sample that are candidates for a vertex's
 * links (README, "Long links")
 */
#define HNSW_FAR_CANDIDATES 48

/* The same of a search that begins with a sample, and vertices in a sample, at most */
#define HNSW_ROUTED_SEEDS 8
#define HNSW_ROUTING_SAMPLE(nvertices) ((uint32) Min(2048.0, 2 * sqrt(nvertices)))

#define HNSW_MAX_LINKS HNSW_LAYER_LINKS(HNSW_MAX_M, 0)

/* Slots a page can have: the smallest record has its header, links and a value */
#define HNSW_PAGE_SLOTS (PAGE_DATA_SIZE / (3 * 64))

/* Bytes of a value that a value page holds, and the most pages a value takes */
#define HNSW_MAX_VALUE_PAGES 64

/* Merges of one index that may be under way at a time */
#define HNSW_MERGES 2

/*
 * Ordinals of the pages of the pending chain that a merge is working on, from
 * `first` to before `end`.  It means something only while that merge's lock is
 * held.
 */
typedef struct HnswClaim
{
	uint32 first;
	uint32 end;
} HnswClaim;

/* The metapage */
typedef struct HnswMeta
{
	MetaHeader header;
	uint16 m;
	uint16 ef_construction;
	uint16 slot_size;
	uint16 slots_per_page;
	uint16 links_offset;
	uint16 value_offset;
	uint16 quantization; /* HnswQuantization that was asked for */
	uint16 codes_size;	 /* of a vertex; 0: the plain form, no codes */
	uint16 code_dim;	 /* rotated dimensions that have a bit in a code */
	uint16 code_blocks;	 /* blocks of codes in a record */
	uint16 uncoded;		 /* counts changes of links; 0: none lacks its code */
	uint16 value_pages;	 /* 0: the value is inside the record */
	uint16 element;		 /* SpaceElement in which values are stored */
	uint16 has_wide;	 /* some vertices are HNSW_VERTEX_WIDE */
	uint32 entry;		 /* entry point, HNSW_NO_VERTEX when empty */
	uint16 entry_level;
	uint16 max_level;
	uint64 seed;			  /* of the levels */
	BlockNumber insert_block; /* slot page that takes new vertices: tail of the pending chain */
	BlockNumber item_block;	  /* item page that takes new items */
	BlockNumber pending;	  /* first slot page with vertices not linked yet, or none */
	BlockNumber free_slots;	  /* heads of chains: slot pages with free slots, */
	BlockNumber free_items;	  /* item pages with room, */
	BlockNumber free_values;  /* free value pages */
	BlockNumber mean_block;	  /* value page with the mean that codes are relative to, or none */
	uint32 routing_version;	  /* of samples that backends keep: routing.c */
	uint32 routing_end;		  /* vertices before this one are the sample; 0: there is none */
	uint32 pending_ordinal;	  /* of the page `pending`; those before it have been merged */
	uint64 deleted_since;	  /* no DELETED vertex remembers an older xid; 0: there is none */
	HnswClaim claims[HNSW_MERGES];
	uint32 cut_end; /* pages of the chain before this ordinal may be those of merges cut short */
} HnswMeta;

/*
 * In HnswMeta.deleted_since, less than any transaction id: a merge has deleted a
 * vertex; a vacuum that began after that is dealing with it.
 */
#define HNSW_DELETED_BY_MERGE 1
#define HNSW_DELETED_FOUND 2

/* A vertex record's header */
#define HNSW_VERTEX_DELETED 0x01  /* no heap TIDs: followed, never returned */
#define HNSW_VERTEX_UNLINKED 0x02 /* pending: not all links to and from it are written */
#define HNSW_VERTEX_FREE 0x04	  /* an empty slot: no live vertex links to it */
#define HNSW_VERTEX_WIDE 0x08	  /* the value does not fit the stored element */

typedef struct HnswVertexData
{
	uint16 version; /* counts the vertices this slot has held */
	uint8 flags;
	uint8 level;
	uint8 ntids;
	uint8 reserved;
	uint16 nlinks;
	ItemPointerData upper;				/* item with the links above layer 0, or invalid */
	ItemPointerData more_tids;			/* HnswTidsData with further heap TIDs, or invalid */
	uint32 coded[HNSW_MAX_CODE_BLOCKS]; /* bit i: links[i] has its code; plain form: 0 */
	ItemPointerData tids[HNSW_INLINE_TIDS];
} HnswVertexData;

typedef HnswVertexData *HnswVertex;

#define HNSW_VERTEX_HEADER_SIZE 64

/* What a DELETED vertex has in place of its tids[] */
typedef struct HnswDeletedData
{
	uint64 xid;			 /* the next full transaction id when it was marked */
	uint16 freed_values; /* of its value pages, so many are free already */
} HnswDeletedData;

typedef HnswDeletedData *HnswDeleted;

StaticAssertDecl(sizeof(HnswDeletedData) <= HNSW_INLINE_TIDS * sizeof(ItemPointerData),
				 "what deleted vertices remember must fit the place of their TIDs");

static inline HnswDeleted
hnsw_vertex_deleted(HnswVertex vertex)
{
	return (HnswDeleted) vertex->tids;
}

/*
 * Each item starts with its kind, so that a reader with an out-of-date item
 * pointer tells an item of the other kind from a damaged page.
 */
#define HNSW_ITEM_UPPER 0x5550
#define HNSW_ITEM_TIDS 0x5449
#define HNSW_ITEM_WIDE 0x5744

/*
 * A value that does not fit the stored element lies elsewhere in its encoded
 * form: in an item, whose TID is then the first thing in the record's room for
 * the value, or on value pages, when it is too large for an item.
 */
typedef struct HnswWideData
{
	uint16 kind; /* HNSW_ITEM_WIDE */
	uint16 reserved[3];
	char value[FLEXIBLE_ARRAY_MEMBER]; /* encoded */
} HnswWideData;

typedef HnswWideData *HnswWide;

#define HNSW_WIDE_SIZE(encoded_size) (offsetof(HnswWideData, value) + (encoded_size))
#define HNSW_WIDE_ITEM(encoded_size) (HNSW_WIDE_SIZE(encoded_size) <= HNSW_MAX_ITEM_SIZE)

/*
 * Where values vary in size every vertex is WIDE, and its record has this in the room
 * for the value: what tells where that is comes last.
 */
typedef struct HnswOutsideData
{
	uint32 size; /* bytes of the encoded value */
	uint32 hash; /* of them: the pages of a large value are read without a lock */
	BlockNumber where[(FUNCTION_SPACE_MAX_VALUE + VALUE_PAGES_PIECE - 1) / VALUE_PAGES_PIECE];
} HnswOutsideData;

typedef HnswOutsideData *HnswOutside;

/* Largest item that fits an empty item page */
#define HNSW_MAX_ITEM_SIZE \
	(BLCKSZ - SizeOfPageHeaderData - sizeof(ItemIdData) - PAGE_SPECIAL_SIZE - MAXIMUM_ALIGNOF)

/*
 * Item: links of layers 1 to level.  counts[] is followed by m ids for each
 * layer, at HNSW_UPPER_LINKS().
 */
typedef struct HnswUpperData
{
	uint16 kind; /* HNSW_ITEM_UPPER */
	uint16 level;
	uint16 counts[FLEXIBLE_ARRAY_MEMBER];
} HnswUpperData;

typedef HnswUpperData *HnswUpper;

#define HNSW_UPPER_HEADER_SIZE(level) \
	TYPEALIGN(sizeof(uint32), offsetof(HnswUpperData, counts) + (level) * sizeof(uint16))
#define HNSW_UPPER_SIZE(m, level) \
	(HNSW_UPPER_HEADER_SIZE(level) + (Size) (level) * (m) * sizeof(uint32))
#define HNSW_UPPER_LINKS(upper, m, layer) \
	((uint32 *) ((char *) (upper) + HNSW_UPPER_HEADER_SIZE((upper)->level)) + ((layer) -1) * (m))

/*
 * Item: heap TIDs of equal values beyond the first four.  The lists of a
 * vertex are a chain; new ones go in front, so numbers fall along the chain,
 * and a reader whose place in it was removed finds the place again.
 */
typedef struct HnswTidsData
{
	uint16 kind; /* HNSW_ITEM_TIDS */
	uint16 ntids;
	uint32 owner; /* vertex */
	uint32 number;
	uint16 capacity;
	ItemPointerData next; /* further such item, or invalid */
	ItemPointerData tids[FLEXIBLE_ARRAY_MEMBER];
} HnswTidsData;

typedef HnswTidsData *HnswTids;

#define HNSW_TIDS_SIZE(capacity) \
	(offsetof(HnswTidsData, tids) + (Size) (capacity) * sizeof(ItemPointerData))
#define HNSW_MIN_TIDS_CAPACITY 32
#define HNSW_MAX_TIDS_CAPACITY 1000

/* Relation options */
typedef struct HnswOptions
{
	int32 vl_len_;
	int m;
	int ef_construction;
	int ef_search;	  /* 0: not set */
	int quantization; /* HnswQuantization */
} HnswOptions;

extern ScanSettings hnsw_scan_settings;
extern int hnsw_pending_list_limit; /* kB */

/* An index in use: its relation, space and a copy of its metapage */
typedef struct HnswIndex
{
	Relation relation;
	IndexSpace space;
	HnswMeta meta;
	bool building;		  /* pages are not logged one by one */
	uint32 pending_pages; /* of the pending chain that no merge works on, when last seen */
} HnswIndex;

/*
 * Links that a merge has chosen but not written yet, which its searches follow
 * as if they were (merge.c)
 */
typedef struct HnswOverlay HnswOverlay;

/* What encodes neighbours and queries in the quantised form (codes.c) */
typedef struct HnswCoder HnswCoder;

/* Links that an overlay adds to those of a vertex, at most */
#define HNSW_OVERLAY_LINKS 64

/* What a search is for */
typedef enum HnswSearchPurpose
{
	HNSW_SEARCH_LINKS, /* neighbours of a new vertex, by the link distance */
	HNSW_SEARCH_ROWS,
	HNSW_SEARCH_ROWS_RESUMABLE /* candidates left over are kept, to go on with */
} HnswSearchPurpose;

/* A search in progress: one query, one layer at a time. */
typedef struct HnswSearch
{
	HnswIndex *index;
	MemoryContext context;
	const void *query; /* query form of the space */
	HnswSearchPurpose purpose;
	Pool pool;
	VisitedSet visited;
	PoolEntry *leftover; /* candidates out of the pool; a heap once `ordered` */
	uint32 nleftover;
	uint32 leftover_capacity;
	bool ordered;
	char *value;				/* room for a batch of values that do not lie in their records */
	const HnswOverlay *overlay; /* of a merge, else NULL */
	HnswCoder *coder;			/* goes by codes in layer 0; else NULL */
	Frontier frontier;			/* with a coder: vertices seen in layer 0 */
	void *frontier_memory;
	PoolEntry *put_off; /* estimates too far to be in the frontier */
	uint32 nput_off;
	uint32 put_off_capacity;
	int wanted;			  /* entries of the pool that a search with a coder is to find */
	uint32 links_met;	  /* links of what a search with a coder has expanded, */
	uint32 links_uncoded; /* and those of them that had no code */
	uint32 links[HNSW_MAX_LINKS + HNSW_OVERLAY_LINKS];
	uint32 unvisited[HNSW_MAX_LINKS + HNSW_OVERLAY_LINKS];
	float keys[HNSW_MAX_LINKS + HNSW_OVERLAY_LINKS];
	uint64 distances; /* computed so far */
	uint64 expanded;  /* vertices */
	uint64 estimates; /* distances estimated from codes */
} HnswSearch;

/*
 * A row found in the pending chain.  A merge may move a TID to a vertex of an
 * equal value at any moment, so a scan takes it from here.
 */
typedef struct HnswPendingRow
{
	uint32 vertex;
	ItemPointerData tid;
	float key;
	bool taken; /* has been returned */
} HnswPendingRow;

/* The rows that were pending when a scan began */
typedef struct HnswPendingRows
{
	PoolEntry *candidates; /* every pending vertex with its key */
	uint32 ncandidates;
	uint32 candidates_capacity;
	HnswPendingRow *rows; /* of those with a single TID, which may move */
	uint32 nrows;
	uint32 *by_vertex; /* hash tables of row numbers + 1, made when first asked */
	uint32 *by_tid;
	uint32 mask; /* of both */
} HnswPendingRows;

/* vertex.c: geometry, records, slots and items */
extern void hnsw_meta_init(HnswMeta *meta, const IndexSpace *space, int m, int ef_construction,
						   HnswQuantization quantization, const char *index_name);
extern void hnsw_meta_set_geometry(HnswMeta *meta, const IndexSpace *space, const char *index_name);
extern void hnsw_open(HnswIndex *index, Relation relation);
extern void hnsw_read_meta(HnswIndex *index);

static inline BlockNumber
hnsw_block(const HnswIndex *index, uint32 vertex)
{
	return vertex / index->meta.slots_per_page;
}

static inline Size
hnsw_slot_offset(const HnswIndex *index, uint32 vertex)
{
	return PAGE_DATA_OFFSET + (Size) (vertex % index->meta.slots_per_page) * index->meta.slot_size;
}

static inline HnswVertex
hnsw_page_vertex(const HnswIndex *index, Page page, uint32 vertex)
{
	return (HnswVertex) ((char *) page + hnsw_slot_offset(index, vertex));
}

static inline uint32 *
hnsw_vertex_links(const HnswIndex *index, HnswVertex vertex)
{
	return (uint32 *) ((char *) vertex + index->meta.links_offset);
}

static inline void *
hnsw_vertex_value(const HnswIndex *index, HnswVertex vertex)
{
	return (char *) vertex + index->meta.value_offset;
}

/* Bytes of a record's room for the value that a search reads */
static inline Size
hnsw_value_room(const HnswIndex *index)
{
	return index_space_varies(&index->space) ? sizeof(HnswOutsideData) : index->space.stored_size;
}

/* Bytes of the value of a WIDE vertex, and what tells where it is: a TID or block numbers */
static inline Size
hnsw_wide_size(const HnswIndex *index, HnswVertex vertex)
{
	if (index_space_varies(&index->space))
		return ((HnswOutside) hnsw_vertex_value(index, vertex))->size;
	return index->space.encoded_size;
}

static inline void *
hnsw_wide_where(const HnswIndex *index, HnswVertex vertex)
{
	if (index_space_varies(&index->space))
		return ((HnswOutside) hnsw_vertex_value(index, vertex))->where;
	return hnsw_vertex_value(index, vertex);
}

/* Is the vertex among n links? */
static inline bool
hnsw_contains(const uint32 *links, int n, uint32 vertex)
{
	for (int i = 0; i < n; i++)
	{
		if (links[i] == vertex)
			return true;
	}
	return false;
}

extern void hnsw_check_vertex(HnswIndex *index, HnswVertex record, uint32 vertex);
extern HnswVertex hnsw_pin_vertex(HnswIndex *index, uint32 vertex, int lockmode, Buffer *buffer);
extern void hnsw_note_outside(HnswIndex *index, HnswVertex record, const void *encoded);
extern const void *hnsw_read_stored(HnswIndex *index, HnswVertex vertex, char *scratch);
extern bool hnsw_read_value(HnswIndex *index, HnswVertex vertex, char *encoded);
extern void hnsw_store_value(HnswIndex *index, HnswVertex record, const char *encoded);
extern void hnsw_report_bad_item(HnswIndex *index, ItemPointer tid);
extern HnswTids hnsw_locate_tids(HnswIndex *index, Page page, ItemPointer tid);
extern HnswUpper hnsw_pin_upper(HnswIndex *index, ItemPointer tid, int lockmode, Buffer *buffer);
extern HnswTids hnsw_pin_tids(HnswIndex *index, ItemPointer tid, int lockmode, Buffer *buffer);
extern void hnsw_add_item(HnswIndex *index, Item item, Size size, ItemPointer tid);

extern bool hnsw_vertex_has(HnswIndex *index, uint32 vertex, uint8 flags);
extern bool hnsw_is_linkable(HnswIndex *index, uint32 vertex, int layer, const HnswOverlay *batch);

/* recycle.c: chains of pages with room */
extern bool hnsw_lock_free_page(HnswIndex *index, BlockNumber head, PageKind kind, Size room,
								Buffer *before, Buffer *buffer);
extern Page hnsw_unchain_page(PageChange *change, BlockNumber *head, Buffer before, Buffer buffer);
extern void hnsw_remove_item(HnswIndex *index, ItemPointerData item);
extern void hnsw_chain_item_page(HnswIndex *index, BlockNumber blkno);
extern void hnsw_free_slots(HnswIndex *index, BlockNumber blkno, uint64 horizon,
							uint64 *oldest_left);

/* vacuum_graph.c */
extern void hnsw_replace_deleted_entry(HnswIndex *index);
extern void hnsw_note_deleted(HnswIndex *index, uint64 xid);
extern void hnsw_vacuum_graph(HnswIndex *index, BufferAccessStrategy strategy, bool deleted_now);

/* codes.c: codes of neighbours in the quantised form */
static inline void *
hnsw_vertex_codes(const HnswIndex *index, Page page, uint32 vertex)
{
	return page_slot_end_part(page, index->meta.codes_size, vertex % index->meta.slots_per_page);
}

/* The code of the link at `position` in layer 0 is no longer, or not yet, that link's. */
static inline void
hnsw_forget_code(HnswVertex record, int position)
{
	if (position < HNSW_MAX_CODE_BLOCKS * RABITQ_LANES)
		record->coded[position / RABITQ_LANES] &= ~(UINT32_C(1) << position % RABITQ_LANES);
}

static inline bool
hnsw_has_code(const HnswVertexData *record, int position)
{
	return position < HNSW_MAX_CODE_BLOCKS * RABITQ_LANES &&
		   (record->coded[position / RABITQ_LANES] >> position % RABITQ_LANES & 1) != 0;
}

/* No entry of a coder's table: of a link that is to be left without a code */
#define HNSW_NO_ENTRY PG_UINT32_MAX

/* What the codes of a record are made of besides its own value: its links in layer 0 */
typedef struct HnswNeighbors
{
	const void *const *values; /* encoded; NULL: the link is to be left without a code */
	const uint32 *entries;	   /* where the coder's table has them, if it has one */
	int n;
} HnswNeighbors;

extern void hnsw_put_links(HnswIndex *index, HnswVertex record, const uint32 *links, int n);
extern bool hnsw_is_codable(const IndexSpace *space);
extern bool hnsw_place_codes(HnswMeta *meta, const IndexSpace *space, Size value_room,
							 bool is_inline);
extern HnswCoder *hnsw_coder_init(const HnswIndex *index, const float *mean);
extern void hnsw_coder_use(HnswCoder *coder, float *table);
extern void hnsw_coder_expect(HnswCoder *coder, const uint32 *entries, int n);
extern void hnsw_coder_fill(HnswCoder *coder, const SpaceContext *space, uint32 entry,
							const void *value);
extern HnswCoder *hnsw_coder_create(HnswIndex *index);
extern void hnsw_coder_coordinates(HnswCoder *coder, const SpaceContext *space, const void *value,
								   float *coordinates);
extern void hnsw_coder_rotate(HnswCoder *coder, const float *coordinates, float *rotated);
extern void hnsw_code_links(HnswCoder *coder, const SpaceContext *space, HnswVertex record,
							void *codes, const void *value, const HnswNeighbors *neighbors);
extern void hnsw_coder_center(HnswCoder *coder, const float *coordinates);
extern void hnsw_coder_encode(HnswCoder *coder, const float *coordinates, void *block, int lane);
extern void hnsw_coder_query(HnswCoder *coder, const float *query);
extern float hnsw_coder_key(const HnswCoder *coder, const float *coordinates);
extern void hnsw_coder_estimate(const HnswCoder *coder, const void *block, float key, float *keys,
								float *weights);

/* code_index.c: codes that are missing */
extern void hnsw_note_uncoded(HnswIndex *index);
extern void hnsw_code_index(HnswIndex *index, int threads, Size memory);

/* search.c */
extern bool hnsw_search_key(HnswSearch *search, Buffer buffer, HnswVertex record, float *key);
extern void hnsw_score(HnswSearch *search, const uint32 *vertices, int n);
extern void hnsw_search_init(HnswSearch *search, HnswIndex *index, MemoryContext context, int ef,
							 HnswSearchPurpose purpose);
extern void hnsw_search_start(HnswSearch *search, const void *query, int ef);
extern void hnsw_search_begin(HnswSearch *search, const void *query, int ef,
							  const PoolEntry *candidates, uint32 n);
extern void hnsw_search_exclude(HnswSearch *search, const PoolEntry *candidates, uint32 n);
extern void hnsw_search_add(HnswSearch *search, const PoolEntry *candidates, uint32 n,
							const PoolEntry *seeds, int nseeds);
extern void hnsw_search_values(HnswSearch *search, const HnswVertex *records, int n, float *keys);
extern void hnsw_prefetch_vertex(HnswIndex *index, uint32 vertex);
extern void hnsw_search_descend(HnswSearch *search, int from_layer, int to_layer, int ef);
extern void hnsw_search_set_ef(HnswSearch *search, int ef);
extern void hnsw_search_forget(HnswSearch *search, int room);
extern void hnsw_search_restart(HnswSearch *search);
extern void hnsw_search_layer(HnswSearch *search, int layer, int ef);
extern void hnsw_search_leave(HnswSearch *search, PoolEntry entry);
extern bool hnsw_search_resume(HnswSearch *search, int ef);
extern uint32 hnsw_search_sweep(HnswSearch *search);
extern int hnsw_read_links(HnswSearch *search, uint32 vertex, int layer);

/* search_coded.c: searches of layer 0 that go by codes */
extern void hnsw_coded_begin(HnswSearch *search, const PoolEntry *candidates, uint32 n);
extern void hnsw_coded_exclude(HnswSearch *search, uint32 vertex);
extern bool hnsw_coded_add(HnswSearch *search, uint32 vertex);
extern bool hnsw_coded_go_on(HnswSearch *search);
extern void hnsw_search_coded(HnswSearch *search, int ef);
extern void hnsw_coded_fill(HnswSearch *search);

/* candidates.c */

/* Candidates for the links of a vertex in a layer, ascending by key */
typedef struct HnswCandidates
{
	uint32 *vertices;
	float *keys;
	int n;
} HnswCandidates;

extern void hnsw_candidates_init(HnswCandidates *candidates, int room);
extern void hnsw_candidates_add(const HnswSearch *search, HnswCandidates *candidates, uint32 vertex,
								int layer, bool check, const PoolEntry *entries, int n);
extern void hnsw_find_far(HnswSearch *search, const void *query, int room);

/* routing.c: where searches of a quantised index begin */
extern int hnsw_route(HnswSearch *search, PoolEntry *seeds, int limit);

/* options.c */
extern void hnsw_init_options(void);
extern bytea *hnsw_options(Datum reloptions, bool validate);
extern int hnsw_option_m(Relation index);
extern int hnsw_option_ef_construction(Relation index);
extern int hnsw_option_ef_search(Relation index);
extern HnswQuantization hnsw_option_quantization(Relation index);

/* insert.c */
extern const InsertMethod hnsw_insert_method;
extern void hnsw_merge_if_long(HnswIndex *index);

/* pending.c: the chain of vertices that are not linked yet */
extern void hnsw_append(HnswIndex *index, const void *encoded, ItemPointer tid);
extern void hnsw_report_bad_pending(HnswIndex *index, BlockNumber blkno);
extern bool hnsw_pending_is_long(const HnswIndex *index, int times);
extern void hnsw_find_pending(HnswSearch *search, HnswPendingRows *pending);
extern bool hnsw_take_pending(HnswPendingRows *pending, PoolEntry entry, ItemPointer tid);
extern bool hnsw_was_pending(HnswPendingRows *pending, ItemPointer tid);

/* merge.c: linking what is pending */
extern bool hnsw_merge_pending(HnswIndex *index, bool wait);
extern void hnsw_await_merge(HnswIndex *index);
extern bool hnsw_overlay_has(const HnswOverlay *overlay, uint32 vertex);
extern int hnsw_overlay_links(const HnswOverlay *overlay, uint32 vertex, int layer, uint32 *links,
							  int nlinks);

/* equal.c: rows of equal values */
extern bool hnsw_join_equal(HnswIndex *index, uint32 vertex, uint32 pending);

/* link.c: links of a vertex, and links back to it */
typedef struct HnswLinkBack
{
	uint32 vertex;	 /* gets a link ... */
	uint32 newcomer; /* ... to this one */
	bool weak;		 /* only if its list has room */
	bool taken;		 /* result: vertex links to newcomer */
} HnswLinkBack;

extern void hnsw_graph_distance(GraphDistance *distance, const SpaceContext *space);
extern void hnsw_build_distance(GraphDistance *distance, const SpaceContext *space);
extern const SpaceContext *hnsw_copy_space(const HnswIndex *index);
extern Size hnsw_copy_size(const HnswIndex *index);
extern bool hnsw_is_same_copy(const HnswIndex *index, const void *a, const void *b);
extern Size hnsw_copy_query_size(const HnswIndex *index);
extern void hnsw_copy_value(HnswIndex *index, uint32 vertex, char *copy);
extern const void **hnsw_copy_values(HnswIndex *index, const uint32 *vertices, int n);
extern uint32 hnsw_anchor_of(HnswIndex *index, uint32 vertex);
extern void hnsw_set_anchor(HnswIndex *index, uint32 vertex, uint32 anchor);
extern void hnsw_anchor(HnswIndex *index, uint32 vertex);
extern void hnsw_link_back(HnswIndex *index, int layer, HnswLinkBack *links, int n);

/* handler.c */
extern const AccessMethod hnsw_method;

/* build.c */
extern const BuildMethod hnsw_build_method;
extern char *hnsw_build_phase_name(int64 phase);

/* scan.c */
extern const ScanMethod hnsw_scan_method;

/* vacuum.c */
extern const VacuumMethod hnsw_vacuum_method;

/* info.c, check.c: ann_index_info() and ann_check() */
extern void hnsw_info(Relation relation, InfoReport *report);
extern bool hnsw_check_meta(CheckState *check);
extern void hnsw_check(CheckState *check);
extern BlockNumber hnsw_name_owner(CheckState *check, uint32 owner, char *name);
extern const char *hnsw_stored_value(CheckState *check, uint32 owner, Size *size);

/* estimate.c: ann_estimate() */
extern void hnsw_estimate(const EstimateInput *input, EstimateResult *result);

/* cost.c */
extern const CostMethod hnsw_cost_method;

#endif /* ANN_HNSW_H */
