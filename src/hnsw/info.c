/*-------------------------------------------------------------------------
 *
 * info.c
 *	  ann_index_info() of an hnsw index: one pass over its pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "hnsw/hnsw.h"

typedef struct HnswInfo
{
	HnswIndex index;
	InfoPages pages;
	BlockNumber free_value_pages;		/* in the chain of these */
	uint64 levels[GRAPH_MAX_LEVEL + 1]; /* vertices by level */
	uint64 vertices;					/* live ones, the pending included */
	uint64 pending;
	uint64 deleted;
	uint64 free;
	uint64 uncoded; /* links without a code, in the quantised form */
	uint64 wide;	/* whose value does not fit the stored element */
	uint64 links;	/* in layer 0, of all that are neither pending nor free */
	uint64 rows;
	ItemPointerData *lists; /* of one page's vertices */
	uint64 max_lists;		/* read of a vertex, at most: more cannot be in the index */
} HnswInfo;

/* Rows in the lists that start at an item */
static uint64
count_list_rows(HnswInfo *info, ItemPointerData tid)
{
	HnswIndex *index = &info->index;
	uint64 rows = 0;

	for (uint64 i = 0; ItemPointerIsValid(&tid) && i < info->max_lists; i++)
	{
		Buffer buffer;
		HnswTids tids = hnsw_pin_tids(index, &tid, BUFFER_LOCK_SHARE, &buffer);

		if (tids == NULL) /* vacuum has just removed it */
			break;
		rows += tids->ntids;
		tid = tids->next;
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	return rows;
}

static void
count_vertex(HnswInfo *info, HnswVertex record, uint32 vertex)
{
	hnsw_check_vertex(&info->index, record, vertex);
	if (record->flags & HNSW_VERTEX_FREE)
	{
		info->free++;
		return;
	}
	if (record->flags & HNSW_VERTEX_DELETED)
		info->deleted++;
	else
		info->vertices++;
	if (record->flags & HNSW_VERTEX_UNLINKED)
		info->pending++;
	else
	{
		info->levels[record->level]++;
		info->links += record->nlinks;
		for (int i = 0; info->index.meta.codes_size != 0 && i < record->nlinks; i++)
			info->uncoded += !hnsw_has_code(record, i);
	}
	if (record->flags & HNSW_VERTEX_WIDE)
		info->wide++;
	info->rows += record->ntids;
}

/* Counts what is on a page, which is locked; releases it. */
static void
count_vertices(void *arg, Buffer buffer)
{
	HnswInfo *info = (HnswInfo *) arg;
	HnswIndex *index = &info->index;
	uint32 first = BufferGetBlockNumber(buffer) * index->meta.slots_per_page;
	Page page = BufferGetPage(buffer);
	int nlists = 0;
	int nslots;

	if (page_is(page, PAGE_VALUE) && (PageGetSpecial(page)->flags & PAGE_CHAINED) != 0)
		info->free_value_pages++;
	nslots = page_is(page, PAGE_SLOTS) ? page_slots(page, index->meta.slots_per_page) : 0;
	for (int slot = 0; slot < nslots; slot++)
	{
		HnswVertex record = (HnswVertex) page_slot(page, index->meta.slot_size, slot);

		count_vertex(info, record, first + slot);
		if (ItemPointerIsValid(&record->more_tids))
			info->lists[nlists++] = record->more_tids;
	}
	UnlockReleaseBuffer(buffer);
	for (int i = 0; i < nlists; i++)
		info->rows += count_list_rows(info, info->lists[i]);
}

static void
report_counts(const HnswInfo *info, InfoReport *report)
{
	const HnswMeta *meta = &info->index.meta;
	uint64 in_layer = 0;
	uint64 linked = 0;

	for (int level = 0; level <= GRAPH_MAX_LEVEL; level++)
		linked += info->levels[level];
	info_add(report, "rows", UINT64_FORMAT, info->rows);
	info_add(report, "vertices", UINT64_FORMAT, info->vertices);
	info_add(report, "pending_vertices", UINT64_FORMAT, info->pending);
	info_add(report, "deleted_vertices", UINT64_FORMAT, info->deleted);
	info_add(report, "free_vertices", UINT64_FORMAT, info->free);
	for (int layer = 0; layer <= meta->entry_level; layer++)
	{
		info_add(report, psprintf("layer_%d_vertices", layer), UINT64_FORMAT, linked - in_layer);
		in_layer += info->levels[layer];
	}
	info_add(report, "layer_0_mean_links", "%.1f",
			 linked > 0 ? (double) info->links / linked : 0.0);
	info_add(report, "entry_vertex", "%u", meta->entry);
	info_add(report, "entry_level", "%u", meta->entry_level);
}

/* How values of one size are stored */
static void
report_value_form(const IndexSpace *space, InfoReport *report)
{
	info_add(report, "stored_element", "%s", info_element(space->stored.space->element));
	info_add(report, "stored_value_size", "%zu", (size_t) space->stored_size);
	info_add(report, "value_size", "%zu", (size_t) space->encoded_size);
}

/* InspectMethod.info */
void
hnsw_info(Relation relation, InfoReport *report)
{
	static const PageKind kinds[] = {PAGE_META, PAGE_SLOTS, PAGE_ITEMS, PAGE_VALUE};
	HnswInfo *info = palloc0(sizeof(HnswInfo));
	const HnswMeta *meta = &info->index.meta;

	hnsw_open(&info->index, relation);
	info->lists = palloc(Max(meta->slots_per_page, 1) * sizeof(ItemPointerData));
	info->max_lists = (uint64) RelationGetNumberOfBlocks(relation) * MaxIndexTuplesPerPage;
	info_each_page(relation, &info->pages, count_vertices, info);
	info_add_header(report, &meta->header, info->index.space.context.space);
	info_add(report, "m", "%u", meta->m);
	info_add(report, "ef_construction", "%u", meta->ef_construction);
	info_add(report, "ef_search", "%d", hnsw_option_ef_search(relation));
	report_counts(info, report);
	info_add(report, "quantization", "%s", meta->codes_size != 0 ? "rabitq" : "none");
	info_add(report, "code_dimensions", "%u", meta->code_dim);
	info_add(report, "links_without_code", UINT64_FORMAT, info->uncoded);
	info_add(report, "vertex_size", "%u", meta->slot_size + meta->codes_size);
	info_add(report, "vertices_per_page", "%u", meta->slots_per_page);
	if (!index_space_varies(&info->index.space))
		report_value_form(&info->index.space, report);
	info_add(report, "wide_vertices", UINT64_FORMAT, info->wide);
	info_add(report, "value_pages_per_vertex", "%u", meta->value_pages);
	info_add_pages(report, &info->pages, kinds, lengthof(kinds));
	info_add(report, "free_value_pages", "%u", info->free_value_pages);
}
