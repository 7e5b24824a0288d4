/*-------------------------------------------------------------------------
 *
 * memcheck.h
 *	  PostgreSQL's annotations for Valgrind, told to the address sanitizer.
 *
 * A server built with USE_VALGRIND says of every piece of its memory contexts
 * and of every shared buffer when it may be touched: from palloc() to pfree(),
 * and while the buffer is pinned.  With this header in place of Valgrind's and
 * -fsanitize=address, whoever touches it at another time is reported, server or
 * extension (CONTRIBUTING.md says how to build one).  What the sanitizer does
 * not know, such as whether memory has been written, is left out.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_MEMCHECK_H
#define ANN_MEMCHECK_H

#include <sanitizer/asan_interface.h>

#define VALGRIND_MAKE_MEM_DEFINED(start, size) __asan_unpoison_memory_region((void *) (start), size)
#define VALGRIND_MAKE_MEM_UNDEFINED(start, size) \
	__asan_unpoison_memory_region((void *) (start), size)
#define VALGRIND_MAKE_MEM_NOACCESS(start, size) __asan_poison_memory_region((void *) (start), size)
#define VALGRIND_MEMPOOL_ALLOC(pool, start, size) \
	__asan_unpoison_memory_region((void *) (start), size)
#define VALGRIND_MEMPOOL_CHANGE(pool, before, start, size) \
	__asan_unpoison_memory_region((void *) (start), size)

/* pfree() says which bytes by VALGRIND_MAKE_MEM_NOACCESS() before it comes to this. */
#define VALGRIND_MEMPOOL_FREE(pool, start) ((void) (pool), (void) (start))

#define VALGRIND_CREATE_MEMPOOL(pool, redzone, zeroed) ((void) (pool))
#define VALGRIND_DESTROY_MEMPOOL(pool) ((void) (pool))
#define VALGRIND_CHECK_MEM_IS_DEFINED(start, size) ((void) (start), (void) (size))

#endif /* ANN_MEMCHECK_H */
