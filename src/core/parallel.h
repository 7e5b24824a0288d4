/*-------------------------------------------------------------------------
 *
 * parallel.h
 *	  Loops over memory with OpenMP threads, fit to run inside a PostgreSQL
 *	  backend.
 *
 * All signals are blocked while threads are created, so that they inherit the
 * blocked mask and every signal handler goes on running in the calling thread
 * alone.  The body must not call into the server: no allocation by palloc, no
 * error report, no buffer, catalog or lock access.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_PARALLEL_H
#define ANN_PARALLEL_H

#include <stdint.h>

/* Work on items [from, to) as thread number `thread` (0-based). */
typedef void (*ParallelBody)(void *arg, int thread, uint32_t from, uint32_t to);

/* Processors this process may use, at least 1 */
extern int parallel_processors(void);

/*
 * Runs body over [from, to) in pieces of at most `grain` items, handed to
 * up to `threads` threads (fewer when the system has no more to give) as they
 * become free.  With one thread the body runs in the caller, in ascending
 * order.  Returns when all is done.
 */
extern void parallel_for(int threads, uint32_t from, uint32_t to, uint32_t grain, ParallelBody body,
						 void *arg);

/* Ends the idle threads that parallel_for() keeps between calls. */
extern void parallel_shutdown(void);

#endif /* ANN_PARALLEL_H */
