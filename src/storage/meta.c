/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  The metapage: block 0 of every index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/damage.h"
#include "storage/meta.h"
#include "storage/recent.h"

void
meta_header_init(MetaHeader *header, MethodId method, const SpaceContext *space)
{
	memset(header, 0, sizeof(*header));
	header->magic = META_MAGIC;
	header->version = META_FORMAT_VERSION;
	header->method = method;
	header->dim = space->dim;
	snprintf(header->space, META_SPACE_NAME_SIZE, "%s", space->space->name);
	for (int i = 0; i < space->space->nparams; i++)
		header->params[i] = space->params[i];
}

void
meta_report_invalid(Relation index)
{
	damage_report(index, "has no valid metapage");
}

MetaHeader *
meta_page_header(Relation index, Page page, MethodId method)
{
	MetaHeader *header = (MetaHeader *) PageGetContents(page);

	if (!page_is(page, PAGE_META) || header->magic != META_MAGIC || header->method != method)
		meta_report_invalid(index);
	if (header->version != META_FORMAT_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has format version %d, but this server reads version %d",
						RelationGetRelationName(index), header->version, META_FORMAT_VERSION),
				 errhint("Please REINDEX it.")));
	return header;
}

void
meta_read(Relation index, MethodId method, void *meta, Size size)
{
	Buffer buffer = recent_read(index, META_BLOCK);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(meta, meta_page_header(index, BufferGetPage(buffer), method), size);
	UnlockReleaseBuffer(buffer);
}

Buffer
meta_lock(Relation index)
{
	Buffer buffer = recent_read(index, META_BLOCK);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (unlikely(!page_is(BufferGetPage(buffer), PAGE_META)))
		meta_report_invalid(index);
	return buffer;
}

void *
meta_begin_change(Relation index, bool building, PageChange *change)
{
	Buffer buffer = meta_lock(index);

	page_change_begin(change, index, building);
	return PageGetContents(page_change_page(change, buffer, false));
}

void
meta_page_init(Page page, const void *meta, Size size)
{
	page_init(page, PAGE_META);
	memcpy(PageGetContents(page), meta, size);
	((PageHeader) page)->pd_lower = (PageGetContents(page) - (char *) page) + size;
}
