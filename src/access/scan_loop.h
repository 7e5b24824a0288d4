/*-------------------------------------------------------------------------
 *
 * scan_loop.h
 *	  What index scans of all access methods have in common: their start, the
 *	  hand-over of rows, the order of rows that come late, limits and counters.
 *
 * A method's state of a scan begins with a ScanLoop; the method says how to start
 * and which row is next.  A method whose search may find a row nearer than one it
 * has already returned passes each by scan_loop_in_order().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SCAN_LOOP_H
#define ANN_SCAN_LOOP_H

#include "postgres.h"

#include "access/genam.h"

#include "access/scan_stats.h"
#include "access/scan_target.h"
#include "core/pool.h"

/* Values of <method>.iterative_scan */
typedef enum IterativeScan
{
	ITERATIVE_OFF,	   /* rows of the first search only */
	ITERATIVE_RELAXED, /* rows may be nearer than those already returned */
	ITERATIVE_STRICT   /* such rows come last, as in the first search of ITERATIVE_OFF */
} IterativeScan;

#define SCAN_NO_LIMIT (-1)

/* Settings of the scans of one method */
typedef struct ScanSettings
{
	int iterative_scan; /* IterativeScan */
	int max_scan_tuples;
} ScanSettings;

#define SCAN_SETTINGS_DEFAULT           \
	{                                   \
		ITERATIVE_STRICT, SCAN_NO_LIMIT \
	}

/* Defines <method>.iterative_scan and <method>.max_scan_tuples. */
extern void scan_settings_define(ScanSettings *settings, const char *method);

typedef struct ScanLoop ScanLoop;

/* What is a method's own in a scan.  All is called in the scan's memory context. */
typedef struct ScanMethod
{
	const ScanSettings *settings;
	Size state_size; /* of its state; zero, but for the ScanLoop, when a scan starts */

	/* Reads the target (scan_loop_read_target()) and searches.  False: there are no rows. */
	bool (*start)(ScanLoop *loop);

	/* The next row and its key.  False: there is none. */
	bool (*next_row)(ScanLoop *loop, ItemPointer tid, float *key);

	/* Copies its counters to last_scan_stats. */
	void (*count)(const ScanLoop *loop);
} ScanMethod;

struct ScanLoop
{
	const ScanMethod *method;
	IndexScanDesc scan;
	MemoryContext context; /* everything of one scan; reset on rescan */
	bool started;
	bool ended;
	int64 rows; /* returned so far */

	IndexSpace *space; /* of the index; the method's */
	ScanTarget target;
	const void *query; /* its query form */

	float last_key;	 /* largest key returned */
	PoolEntry *late; /* kept back unless order is relaxed; a heap once they are returned */
	uint32 nlate;
	uint32 late_capacity;
	bool returns_late;
};

/* Callbacks of every access method: ambeginscan, amrescan, amgettuple, amendscan */
extern IndexScanDesc scan_loop_begin(Relation index, int nkeys, int norderbys);
extern void scan_loop_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys,
							 int norderbys);
extern bool scan_loop_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern void scan_loop_end(IndexScanDesc scan);

/*
 * Makes target and query of the scan's keys and order, in the index's space,
 * which knows its dimensions.  False: no row qualifies.
 */
extern bool scan_loop_read_target(ScanLoop *loop, IndexSpace *space);

static inline bool
scan_loop_is_iterative(const ScanLoop *loop)
{
	return loop->method->settings->iterative_scan != ITERATIVE_OFF;
}

/* Is this entry within the radius?  Exactly as the operator decides it. */
static inline bool
scan_loop_accepts(const ScanLoop *loop, float key)
{
	return scan_target_accepts(&loop->target, loop->space, key);
}

/*
 * May rows of this entry be returned now?  False: they would come after farther
 * ones, and order is not relaxed, so the entry is kept for scan_loop_next_late().
 */
extern bool scan_loop_in_order(ScanLoop *loop, PoolEntry entry);

/* Rows of this key are about to be returned. */
static inline void
scan_loop_note_key(ScanLoop *loop, float key)
{
	if (!loop->returns_late && key > loop->last_key)
		loop->last_key = key;
}

/* When nothing else is left: the nearest of those kept back.  False: there is none. */
extern bool scan_loop_next_late(ScanLoop *loop, PoolEntry *entry);

/* Puts back an entry that scan_loop_next_late() handed out, with another key. */
extern void scan_loop_put_late(ScanLoop *loop, PoolEntry entry);

#endif /* ANN_SCAN_LOOP_H */
