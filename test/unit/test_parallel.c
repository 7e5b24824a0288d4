/*-------------------------------------------------------------------------
 *
 * test_parallel.c
 *	  Parallel loops: every item once, order with one thread, signals, memory
 *	  effects.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/parallel.h"
#include "unit.h"

#define ITEMS 10007
#define MAX_THREADS 4

typedef struct Record
{
	unsigned char seen[ITEMS]; /* not atomic: every item belongs to one thread */
	long per_thread[MAX_THREADS][8];
	uint32_t last[MAX_THREADS];
	uint32_t grain;
	bool ascending;
	bool valid;
} Record;

static Record record;

static void
note_items(void *arg, int thread, uint32_t from, uint32_t to)
{
	Record *r = arg;

	if (thread < 0 || thread >= MAX_THREADS || from >= to || to > ITEMS || to - from > r->grain)
	{
		__atomic_store_n(&r->valid, false, __ATOMIC_RELAXED);
		return;
	}
	if (from < r->last[thread])
		__atomic_store_n(&r->ascending, false, __ATOMIC_RELAXED);
	r->last[thread] = to;
	for (uint32_t i = from; i < to; i++)
		r->seen[i]++;
	r->per_thread[thread][0] += to - from;
}

static void
run_loop(int threads, uint32_t from, uint32_t to, uint32_t grain)
{
	memset(&record, 0, sizeof(record));
	record.grain = grain;
	record.ascending = true;
	record.valid = true;
	parallel_for(threads, from, to, grain, note_items, &record);
	CHECK(record.valid, "pieces within bounds");
	CHECK(record.ascending, "pieces of a thread ascend");
	for (uint32_t i = 0; i < ITEMS; i++)
		CHECK(record.seen[i] == (i >= from && i < to), "item %u seen %d times", i, record.seen[i]);
}

static void
test_every_item_once(void)
{
	static const uint32_t grains[] = {1, 7, 64, 20000};

	for (int threads = 1; threads <= MAX_THREADS; threads++)
	{
		for (int g = 0; g < 4; g++)
		{
			run_loop(threads, 0, ITEMS, grains[g]);
			run_loop(threads, 13, 14, grains[g]);
			run_loop(threads, 100, 5000, grains[g]);
			run_loop(threads, 50, 50, grains[g]);
		}
	}
}

static void
test_one_thread_is_the_caller(void)
{
	run_loop(1, 0, ITEMS, 10);
	CHECK(record.per_thread[0][0] == ITEMS, "all in thread 0");
}

/* The end of the range must not overflow the counter. */
static void
count_pieces(void *arg, int thread, uint32_t from, uint32_t to)
{
	(void) thread;
	__atomic_fetch_add((uint64_t *) arg, to - from, __ATOMIC_RELAXED);
}

static void
test_top_of_range(void)
{
	for (int threads = 1; threads <= 2; threads++)
	{
		uint64_t items = 0;

		parallel_for(threads, UINT32_MAX - 1000, UINT32_MAX, 300, count_pieces, &items);
		CHECK(items == 1000, "%llu", (unsigned long long) items);
	}
}

static pthread_t handler_thread;
static volatile sig_atomic_t handled;

static void
on_signal(int number)
{
	(void) number;
	handler_thread = pthread_self();
	handled++;
}

static void
send_signals(void *arg, int thread, uint32_t from, uint32_t to)
{
	(void) arg;
	(void) thread;
	for (uint32_t i = from; i < to; i++)
	{
		kill(getpid(), SIGUSR1);
		usleep(100);
	}
}

/* Handlers run in the calling thread alone, and its mask is as before. */
static void
test_signals(void)
{
	struct sigaction action;
	sigset_t before;
	sigset_t after;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	sigaction(SIGUSR1, &action, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	for (int round = 0; round < 20; round++)
	{
		handled = 0;
		parallel_for(3, 0, 30, 1, send_signals, NULL);
		CHECK(handled > 0, "handled");
		CHECK(pthread_equal(handler_thread, pthread_self()), "in the caller");
	}
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	CHECK(sigismember(&after, SIGUSR1) == sigismember(&before, SIGUSR1), "mask restored");
	CHECK(sigismember(&after, SIGTERM) == 0, "mask restored");
}

static void
nested(void *arg, int thread, uint32_t from, uint32_t to)
{
	(void) thread;
	parallel_for(2, from * 10, to * 10, 3, count_pieces, arg);
}

/* A loop inside a loop runs in the thread that asks for it. */
static void
test_nested(void)
{
	uint64_t items = 0;

	parallel_for(2, 0, 50, 4, nested, &items);
	CHECK(items == 500, "%llu", (unsigned long long) items);
}

static int
count_threads(void)
{
	char line[256];
	int threads = -1;
	FILE *status = fopen("/proc/self/status", "r");

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		sscanf(line, "Threads: %d", &threads);
	if (status != NULL)
		fclose(status);
	return threads;
}

static void
test_shutdown(void)
{
	int before;

	parallel_shutdown();
	before = count_threads();
	for (int round = 0; round < 5; round++)
	{
		run_loop(3, 0, ITEMS, 10);
		CHECK(before < 0 || count_threads() > before, "threads are kept");
		parallel_shutdown();

		/* a thread that has ended may be counted for a moment */
		for (int wait = 0; wait < 1000 && count_threads() > before; wait++)
			usleep(1000);
		CHECK(count_threads() == before, "%d threads, %d before", count_threads(), before);
	}
	CHECK(parallel_processors() >= 1, "%d", parallel_processors());
}

/* Where no thread can be started, the caller does everything. */
static void
test_no_threads(void)
{
#ifdef __GLIBC__
	pthread_attr_t before;
	pthread_attr_t huge_stack;

	parallel_shutdown();
	pthread_getattr_default_np(&before);
	pthread_attr_init(&huge_stack);
	pthread_attr_setstacksize(&huge_stack, (size_t) 1 << 46);
	CHECK(pthread_setattr_default_np(&huge_stack) == 0, "stack size of new threads");
	run_loop(3, 0, ITEMS, 10);
	CHECK(record.per_thread[0][0] == ITEMS, "%ld items by the caller", record.per_thread[0][0]);
	pthread_setattr_default_np(&before);
	parallel_shutdown();
	run_loop(3, 0, ITEMS, 10);
	pthread_attr_destroy(&huge_stack);
	pthread_attr_destroy(&before);
#endif
}

int
main(void)
{
	RUN(test_every_item_once);
	RUN(test_one_thread_is_the_caller);
	RUN(test_top_of_range);
	RUN(test_signals);
	RUN(test_nested);
	RUN(test_shutdown);
	RUN(test_no_threads);
	return unit_finish();
}
