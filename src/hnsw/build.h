/*-------------------------------------------------------------------------
 *
 * build.h
 *	  What the files of a build share: build.c, for rows that fit memory, and
 *	  the files that parts.h names, for those that do not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_HNSW_BUILD_H
#define ANN_HNSW_BUILD_H

#include "postgres.h"

#include "hnsw/hnsw.h"

typedef struct HnswParts HnswParts;

typedef struct HnswBuild
{
	Build frame;
	HnswIndex index;
	GraphParams params;
	HnswQuantization quantization;
	GraphDistance distance;
	BuildRows *rows;  /* all of them, or NULL */
	HnswParts *parts; /* of rows that do not fit memory, or NULL */
	Graph *graph;
	uint32 step_items; /* of the last graph: units of work done in one step */
} HnswBuild;

/* Where the next item goes: items are placed before they are written. */
typedef struct HnswItemPlace
{
	BlockNumber block;
	Size space; /* free bytes on it */
	OffsetNumber offset;
} HnswItemPlace;

/* Writes items where they were placed. */
typedef struct HnswItemWriter
{
	HnswBuild *build;
	HnswItemPlace at;
	Buffer buffer; /* of the page at hand, or invalid */
} HnswItemWriter;

/* Hands out the next TID of a vertex. */
typedef ItemPointerData (*HnswNextTid)(void *arg);

/* The value of a number among some */
typedef const void *(*HnswNthValue)(const void *values, uint32 number);

/* build.c */
extern const BuildStructure hnsw_graph_structure;
extern Size hnsw_graph_memory_per_value(const GraphParams *params);
extern bool hnsw_makes_smaller_records(const HnswMeta *meta, const IndexSpace *space,
									   SpaceElement element);
extern void hnsw_build_graph(HnswBuild *build, const BuildRows *rows, const GraphParams *params,
							 uint64 done);
extern Buffer hnsw_next_page(HnswBuild *build, PageKind kind, BlockNumber expected);
extern void hnsw_finish_page(Buffer buffer);
extern void hnsw_end_slot_pages(Page page);
extern ItemPointerData hnsw_place_item(HnswItemPlace *place, Size size);
extern ItemPointerData hnsw_place_tids(HnswItemPlace *place, uint64 ntids);
extern void hnsw_write_item(HnswItemWriter *writer, Item item, Size size);
extern void hnsw_write_tids(HnswItemWriter *writer, uint32 owner, uint64 ntids, HnswNextTid next,
							void *arg);
extern void hnsw_end_items(HnswItemWriter *writer);
extern void hnsw_write_value_pages(HnswBuild *build, const char *value, Size size,
								   BlockNumber start);
extern void hnsw_build_rows(HnswBuild *build, BuildRows *rows);
extern float *hnsw_build_mean(HnswBuild *build, const SpaceContext *space, HnswNthValue value,
							  const void *values, uint32 n);
extern void hnsw_write_mean(HnswBuild *build, const float *mean);

/* Elements a build may store values in, the narrowest first */
#define HNSW_NARROW_ELEMENTS 2
extern const SpaceElement hnsw_narrow_elements[HNSW_NARROW_ELEMENTS];

/* Fewer values than this say little about those that will come. */
#define HNSW_MIN_ROWS_TO_NARROW 1000

/*
 * A row has about two copies in parts.  Its links come from two searches, so
 * each may be smaller: README has the figures.
 */
#define HNSW_PART_COPIES 2
#define HNSW_PART_EF(m, ef_construction) Max(2 * (m), (ef_construction) *5 / 8)

/* build_parts.c */
extern HnswParts *hnsw_parts_create(HnswBuild *build);
extern void hnsw_parts_note(HnswParts *parts, const void *encoded);
extern void hnsw_parts_build(HnswParts *parts, RowSpool *rows);

/* build_rest.c */
extern void hnsw_rest_build(HnswBuild *build, RowSpool *rows);

/* estimate.c */

/* Some stored values */
typedef struct HnswSample
{
	GraphValues values;
	uint32 n;
} HnswSample;

/* What graphs of such values cost; seconds are those of one thread. */
typedef struct HnswCalibration
{
	double sizes[2];		 /* vertices of the two largest graphs that were built; 0: none */
	double distances[2];	 /* per vertex */
	double bare_seconds;	 /* of a distance alone */
	double distance_seconds; /* and with all that a graph does for each */
} HnswCalibration;

extern void hnsw_calibrate(HnswCalibration *calibration, const HnswSample *sample,
						   const SpaceContext *space, const GraphParams *params, double seconds);
extern double hnsw_predict_seconds(const HnswCalibration *calibration, double n, int threads);

#endif /* ANN_HNSW_BUILD_H */
