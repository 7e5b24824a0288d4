/*-------------------------------------------------------------------------
 *
 * inspect.c
 *	  The access methods known to ann_index_info() and ann_check(), and what the
 *	  reports about their indexes have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "access/inspect.h"

#define MAX_METHODS 8

static const InspectMethod *methods[MAX_METHODS];
static int nmethods = 0;

void
inspect_register(const InspectMethod *method)
{
	if (nmethods == MAX_METHODS)
		elog(ERROR, "too many access methods");
	methods[nmethods++] = method;
}

const InspectMethod *
inspect_find(ambuild_function build)
{
	for (int i = 0; i < nmethods; i++)
	{
		if (build == methods[i]->build)
			return methods[i];
	}
	return NULL;
}

const InspectMethod *
inspect_method(Relation index)
{
	return inspect_find(index->rd_indam->ambuild);
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

void
info_count_page(InfoPages *pages, Page page)
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
