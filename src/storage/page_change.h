/*-------------------------------------------------------------------------
 *
 * page_change.h
 *	  One atomic change of up to four pages.
 *
 * Outside a build a change is one generic WAL record: the caller works on
 * private copies of the pages and page_change_finish() puts them in place and
 * logs them together.  During a build nothing is logged page by page (the
 * whole range is, at the end), so the caller works on the pages themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_PAGE_CHANGE_H
#define ANN_PAGE_CHANGE_H

#include "postgres.h"

#include "access/generic_xlog.h"
#include "storage/page.h"

typedef struct PageChange
{
	GenericXLogState *xlog; /* NULL during a build */
	int nbuffers;
	Buffer buffers[MAX_GENERIC_XLOG_PAGES];
} PageChange;

extern void page_change_begin(PageChange *change, Relation index, bool building);

/*
 * The page of a buffer that the caller has pinned and locked exclusively, to
 * be changed.  fresh: the page was just added and is logged whole.
 */
extern Page page_change_page(PageChange *change, Buffer buffer, bool fresh);

/* Makes the change durable and releases the locks and pins of its buffers. */
extern void page_change_finish(PageChange *change);

/* Forgets the change (no page was altered) and releases its buffers. */
extern void page_change_abort(PageChange *change);

#endif /* ANN_PAGE_CHANGE_H */
