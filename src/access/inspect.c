/*-------------------------------------------------------------------------
 *
 * inspect.c
 *	  What the reports about indexes of all access methods have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/inspect.h"

void
inspect_require_whole(Relation index)
{
	if (index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("index \"%s\" is partitioned", RelationGetRelationName(index)),
						errhint("Name the index of one of its partitions.")));
}

void
inspect_require_usable(Relation index)
{
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot access temporary indexes of other sessions")));
	if (RecoveryInProgress() && !RelationIsPermanent(index))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot access an unlogged index during recovery")));
	if (!index->rd_index->indisready || !index->rd_index->indisvalid)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("index \"%s\" is not valid", RelationGetRelationName(index)),
						errhint("Please REINDEX it.")));
}

void
info_add(InfoReport *report, const char *property, const char *format, ...)
{
	char text[256];
	va_list arguments;
	Datum values[2];
	bool nulls[2] = {false, false};

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	values[0] = CStringGetTextDatum(property);
	values[1] = CStringGetTextDatum(text);
	tuplestore_putvalues(report->store, report->desc, values, nulls);
}

const char *
info_element(SpaceElement element)
{
	switch (element)
	{
		case SPACE_FLOAT32:
			return "float32";
		case SPACE_FLOAT16:
			return "float16";
		case SPACE_UINT8:
			return "uint8";
	}
	return "unknown";
}

void
info_add_header(InfoReport *report, const MetaHeader *header, const Space *space)
{
	info_add(report, "format_version", "%d", header->version);
	info_add(report, "space", "%s", header->space);
	for (int i = 0; i < space->nparams; i++)
		info_add(report, space->params[i].name, "%g", header->params[i]);
	if (function_space_is(space))
	{
		info_add(report, "distance_function", "%s", function_space_function(space));
		return;
	}
	info_add(report, "element", "%s", info_element(space->element));
	info_add(report, "dimensions", "%u", header->dim);
}

static void
count_page(InfoPages *pages, Page page)
{
	int kind = 0;

	for (int i = PAGE_META; i < PAGE_KINDS; i++)
	{
		if (page_is(page, (PageKind) i))
			kind = i;
	}
	pages->pages[kind]++;
}

void
info_each_page(Relation index, InfoPages *pages, void (*page)(void *arg, Buffer buffer), void *arg)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber nblocks = RelationGetNumberOfBlocks(index);

	for (BlockNumber block = 0; block < nblocks; block++)
	{
		Buffer buffer;

		CHECK_FOR_INTERRUPTS();
		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		count_page(pages, BufferGetPage(buffer));
		page(arg, buffer);
	}
}

void
info_add_pages(InfoReport *report, const InfoPages *pages, const PageKind *kinds, int n)
{
	static const char *const names[PAGE_KINDS] = {"unused", "meta", "slot",	  "item",
												  "value",	"node", "bucket", "free"};

	for (int kind = 0; kind < PAGE_KINDS; kind++)
	{
		bool listed = kind == 0 || pages->pages[kind] > 0;

		for (int i = 0; i < n; i++)
			listed |= kind == (int) kinds[i];
		if (!listed)
			continue;
		info_add(report, psprintf("%s_pages", names[kind]), "%u", pages->pages[kind]);
		info_add(report, psprintf("%s_bytes", names[kind]), UINT64_FORMAT,
				 (uint64) pages->pages[kind] * BLCKSZ);
	}
}
