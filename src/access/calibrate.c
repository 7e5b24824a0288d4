/*-------------------------------------------------------------------------
 *
 * calibrate.c
 *	  Measuring on a sample what a build will take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "miscadmin.h"

#include "access/calibrate.h"

double
calibrate_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec + now.tv_nsec / 1e9;
}

/* Builds the structure of the first n values; returns the seconds it took. */
static double
build_one(const CalibrateMethod *method, void *arg, uint32 n)
{
	double start = calibrate_clock();
	void *structure = method->create(arg, n);
	double seconds;

	if (structure == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	PG_TRY();
	{
		while (method->kind->step(structure, method->units))
			CHECK_FOR_INTERRUPTS();
	}
	PG_CATCH();
	{
		method->kind->release(structure);
		PG_RE_THROW();
	}
	PG_END_TRY();
	seconds = calibrate_clock() - start;
	method->note(arg, structure, n, seconds);
	method->kind->release(structure);
	return seconds;
}

double
calibrate(const CalibrateMethod *method, void *arg, uint32 first, uint32 sample, double seconds,
		  uint32 *n)
{
	double start = calibrate_clock();

	*n = Min(first, sample);
	for (;;)
	{
		double taken;

		CHECK_FOR_INTERRUPTS();
		taken = build_one(method, arg, *n);
		if (*n == sample || calibrate_clock() - start + 2 * taken > seconds)
			return taken;
		*n = Min(2 * *n, sample);
	}
}
