/*-------------------------------------------------------------------------
 *
 * page_change.c
 *	  One atomic change of up to four pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/page_change.h"

/* Starts a change; the caller must end it by _finish() or _abort(). */
void
page_change_begin(PageChange *change, Relation index, bool building)
{
	change->xlog = building ? NULL : GenericXLogStart(index);
	change->nbuffers = 0;
}

Page
page_change_page(PageChange *change, Buffer buffer, bool fresh)
{
	if (change->nbuffers >= MAX_GENERIC_XLOG_PAGES)
		elog(ERROR, "too many pages in one change");
	change->buffers[change->nbuffers++] = buffer;
	if (change->xlog == NULL)
		return BufferGetPage(buffer);
	return GenericXLogRegisterBuffer(change->xlog, buffer, fresh ? GENERIC_XLOG_FULL_IMAGE : 0);
}

static void
release_buffers(PageChange *change)
{
	for (int i = 0; i < change->nbuffers; i++)
		UnlockReleaseBuffer(change->buffers[i]);
	change->nbuffers = 0;
}

void
page_change_finish(PageChange *change)
{
	if (change->xlog != NULL)
		GenericXLogFinish(change->xlog);
	else
	{
		for (int i = 0; i < change->nbuffers; i++)
			MarkBufferDirty(change->buffers[i]);
	}
	release_buffers(change);
}

void
page_change_abort(PageChange *change)
{
	if (change->xlog != NULL)
		GenericXLogAbort(change->xlog);
	release_buffers(change);
}
