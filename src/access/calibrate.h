/*-------------------------------------------------------------------------
 *
 * calibrate.h
 *	  Measuring on a sample what a build will take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_CALIBRATE_H
#define ANN_CALIBRATE_H

#include "postgres.h"

/*
 * Seconds of processor time that this thread has used: whatever else the machine
 * is doing does not count.
 */
extern double calibrate_clock(void);

/* Builds a structure of the first n values of a sample; returns the seconds it took. */
typedef double (*CalibrateBuild)(void *arg, uint32 n);

/*
 * Builds structures of more and more values, from `first` on and doubled each time, until
 * the sample (of at least one value) or the time, in seconds, is used up.  *n is set to the
 * size of the last one; returns its seconds.
 */
extern double calibrate(CalibrateBuild build, void *arg, uint32 first, uint32 sample,
						double seconds, uint32 *n);

#endif /* ANN_CALIBRATE_H */
