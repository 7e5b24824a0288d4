/*-------------------------------------------------------------------------
 *
 * unit.h
 *	  Just enough of a test frame for the plain C layers.
 *
 * A test program defines functions, runs them with RUN() and ends main() with
 * `return unit_finish();`.  CHECK() counts, prints what failed and goes on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_UNIT_H
#define ANN_UNIT_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int unit_failures;
static int unit_passed;
static int unit_failed;

#define CHECK(cond, ...)                                        \
	do                                                          \
	{                                                           \
		if (!(cond))                                            \
		{                                                       \
			unit_failures++;                                    \
			printf("# %s:%d: %s: ", __FILE__, __LINE__, #cond); \
			printf(__VA_ARGS__);                                \
			printf("\n");                                       \
		}                                                       \
	} while (0)

#define RUN(test)                                                         \
	do                                                                    \
	{                                                                     \
		unit_failures = 0;                                                \
		test();                                                           \
		printf("%s - %s\n", unit_failures == 0 ? "ok" : "not ok", #test); \
		if (unit_failures == 0)                                           \
			unit_passed++;                                                \
		else                                                              \
			unit_failed++;                                                \
	} while (0)

static inline int
unit_finish(void)
{
	printf("%d passed, %d failed\n", unit_passed, unit_failed);
	return unit_failed == 0 ? 0 : 1;
}

#endif /* ANN_UNIT_H */
