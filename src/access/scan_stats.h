/*-------------------------------------------------------------------------
 *
 * scan_stats.h
 *	  What the last index scan of this session cost: ann_scan_stats().
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_SCAN_STATS_H
#define ANN_SCAN_STATS_H

#include "postgres.h"

typedef struct ScanStats
{
	Oid index;		 /* InvalidOid: no scan yet */
	int64 distances; /* distance computations */
	int64 estimates; /* distances estimated from codes */
	int64 expanded;	 /* vertices, nodes or lists opened */
	int64 rows;		 /* handed to the executor */
	int64 late_rows; /* found nearer than a row already returned */
	int64 resumed;	 /* times the search was taken up again for more rows */
} ScanStats;

/* Filled in by the access method as a scan goes on */
extern ScanStats last_scan_stats;

#endif /* ANN_SCAN_STATS_H */
