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

double
calibrate(CalibrateBuild build, void *arg, uint32 first, uint32 sample, double seconds, uint32 *n)
{
	double start = calibrate_clock();

	*n = Min(first, sample);
	for (;;)
	{
		double taken;

		CHECK_FOR_INTERRUPTS();
		taken = build(arg, *n);
		if (*n == sample || calibrate_clock() - start + 2 * taken > seconds)
			return taken;
		*n = Min(2 * *n, sample);
	}
}
