/*-------------------------------------------------------------------------
 *
 * parallel.c
 *	  Loops over memory with OpenMP threads.
 *
 * The only file that knows of OpenMP.  The runtime creates and keeps the
 * threads; the pieces are handed out by a counter of our own.  What the caller
 * wrote before parallel_for() is seen by every thread, and what the threads
 * wrote by the caller afterwards: the runtime guarantees it, and the acquire
 * and release operations below say so once more in a form that a race detector
 * sees, which cannot look into the runtime.  For the same reason the loop is
 * passed through a static variable, not through variables captured by the
 * parallel region, which the compiler would copy through memory of the
 * runtime's.
 *
 *-------------------------------------------------------------------------
 */
#include "core/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Most threads tried beside the caller */
#define MAX_TRIALS 255

typedef struct ParallelLoop
{
	uint64_t next; /* atomic: first item not yet handed out */
	uint32_t to;
	uint32_t grain;
	ParallelBody body;
	void *arg;
	uint32_t finished; /* atomic: threads that have left the loop */
} ParallelLoop;

/* The loop the threads are working on; NULL while there is none */
static ParallelLoop *current_loop;

/*
 * Most threads asked for since the last shutdown, and how many of them could be
 * had; both with the caller
 */
static int tried_threads;
static int available_threads;

int
parallel_processors(void)
{
	int processors = omp_get_num_procs();

	return processors > 0 ? processors : 1;
}

/* Body of a trial thread: waits for the gate to open. */
static void *
pass_gate(void *gate)
{
	pthread_mutex_lock((pthread_mutex_t *) gate);
	pthread_mutex_unlock((pthread_mutex_t *) gate);
	return NULL;
}

/*
 * The number of threads, at most `threads` and with the caller, that the
 * system lets us have at a time.  OpenMP's runtime ends the process when it
 * cannot start a thread, so we see for ourselves first.
 */
static int
try_threads(int threads)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	pthread_t trial[MAX_TRIALS];
	int started = 0;

	if (threads > MAX_TRIALS + 1)
		threads = MAX_TRIALS + 1;
	pthread_mutex_lock(&gate);
	while (started < threads - 1 && pthread_create(&trial[started], NULL, pass_gate, &gate) == 0)
		started++;
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < started; i++)
		pthread_join(trial[i], NULL);
	return started + 1;
}

/* Takes pieces and works on them until none is left. */
static void
run_pieces(ParallelLoop *loop, int thread)
{
	for (;;)
	{
		uint64_t from = __atomic_fetch_add(&loop->next, loop->grain, __ATOMIC_RELAXED);
		uint64_t to = from + loop->grain;

		if (from >= loop->to)
			break;
		loop->body(loop->arg, thread, (uint32_t) from, to < loop->to ? (uint32_t) to : loop->to);
	}
}

/* Runs the current loop in up to `threads` threads, the caller being number 0. */
static void
run_team(int threads)
{
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (tried_threads < threads)
	{
		available_threads = try_threads(threads);
		tried_threads = threads;
	}
	if (threads > available_threads)
		threads = available_threads;

#pragma omp parallel num_threads(threads) default(none) shared(current_loop)
	{
		ParallelLoop *loop = __atomic_load_n(&current_loop, __ATOMIC_ACQUIRE);

		run_pieces(loop, omp_get_thread_num());
		__atomic_fetch_add(&loop->finished, 1, __ATOMIC_RELEASE);
	}

	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void
parallel_for(int threads, uint32_t from, uint32_t to, uint32_t grain, ParallelBody body, void *arg)
{
	ParallelLoop loop = {.next = from, .to = to, .grain = grain > 0 ? grain : 1};
	ParallelLoop *none = NULL;

	loop.body = body;
	loop.arg = arg;
	if (threads > 1 && from < to && to - from > loop.grain &&
		__atomic_compare_exchange_n(&current_loop, &none, &loop, false, __ATOMIC_ACQ_REL,
									__ATOMIC_RELAXED))
	{
		run_team(threads);
		(void) __atomic_load_n(&loop.finished, __ATOMIC_ACQUIRE);
		__atomic_store_n(&current_loop, NULL, __ATOMIC_RELEASE);
	}
	else
		run_pieces(&loop, 0);
}

void
parallel_shutdown(void)
{
	omp_pause_resource_all(omp_pause_hard);
	tried_threads = 0;
}
