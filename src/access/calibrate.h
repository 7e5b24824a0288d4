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

#include "access/build.h"

/*
 * Seconds of processor time that this thread has used: whatever else the machine
 * is doing does not count.
 */
extern double calibrate_clock(void);

/* What is built to be measured */
typedef struct CalibrateMethod
{
	const BuildStructure *kind;
	uint64 units; /* of a step between two looks at interrupts */

	/* Begins a structure of the first n values of a sample; NULL: there is no memory. */
	void *(*create)(void *arg, uint32 n);

	/* Takes down what is to be known of it, once it is complete. */
	void (*note)(void *arg, const void *structure, uint32 n, double seconds);
} CalibrateMethod;

/*
 * Builds structures of more and more values, from `first` on and doubled each time, until
 * the sample (of at least one value) or the time, in seconds, is used up.  *n is set to the
 * size of the last one; returns its seconds.  Nothing is left of them, after an error either.
 */
extern double calibrate(const CalibrateMethod *method, void *arg, uint32 first, uint32 sample,
						double seconds, uint32 *n);

#endif /* ANN_CALIBRATE_H */
