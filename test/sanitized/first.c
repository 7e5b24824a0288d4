/*-------------------------------------------------------------------------
 *
 * first.c
 *	  Starts the address sanitizer before anything else of a process.
 *
 * A program built without the sanitizer gets its runtime by LD_PRELOAD.  The
 * runtime then starts at the first malloc(), wherever that is.  Debian's
 * postgres and psql load libgpg-error (by way of libldap), whose constructor
 * calls bindtextdomain(), which holds a lock of the C library while it
 * allocates.  The runtime, starting there, looks up a symbol that does not
 * exist, the C library translates the error message and takes and releases
 * the same lock, and the next bindtextdomain() waits for ever.
 *
 * Linked with -z initfirst and preloaded after the runtime, this library's
 * constructor runs before any other one.
 *
 *-------------------------------------------------------------------------
 */
extern void __asan_init(void);

static void __attribute__((constructor)) start_sanitizer(void)
{
	__asan_init();
}
