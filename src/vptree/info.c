/*-------------------------------------------------------------------------
 *
 * info.c
 *	  ann_index_info() of a vptree index: one pass over its pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/recent.h"
#include "vptree/vptree.h"

typedef struct EntryCounts
{
	int64 entries;
	int64 rows;
} EntryCounts;

typedef struct VptreeInfo
{
	VptreeIndex index;
	InfoPages pages;
	EntryCounts counts;
} VptreeInfo;

/* Adds the entries of a locked page, `sign` times. */
static void
count_entries(VptreeInfo *info, Page page, BlockNumber block, int sign)
{
	VptreeIndex *index = &info->index;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		BucketEntry entry = bucket_page_entry(index->relation, &index->shape, page, block, offset);

		if (entry == NULL)
			continue;
		info->counts.entries += sign;
		info->counts.rows += sign * entry->ntids;
	}
}

/* Takes the entries of a retired bucket off again, whose head is locked; releases it. */
static void
leave_out_retired(VptreeInfo *info, Buffer head)
{
	Buffer buffer = head;
	bool more;

	do
	{
		Buffer next;

		count_entries(info, BufferGetPage(buffer), BufferGetBlockNumber(buffer), -1);
		more = bucket_lock_next(info->index.relation, buffer, BUFFER_LOCK_SHARE, &next);
		UnlockReleaseBuffer(buffer);
		buffer = next;
	} while (more);
}

static void
count_bucket_page(void *arg, Buffer buffer)
{
	VptreeInfo *info = (VptreeInfo *) arg;
	Page page = BufferGetPage(buffer);

	if (page_is(page, PAGE_BUCKET))
		count_entries(info, page, BufferGetBlockNumber(buffer), 1);
	if (page_is(page, PAGE_BUCKET) && (PageGetSpecial(page)->flags & PAGE_RETIRED) != 0)
		leave_out_retired(info, buffer);
	else
		UnlockReleaseBuffer(buffer);
}

static void
report_tuning(const VptreeMeta *meta, InfoReport *report)
{
	info_add(report, "tuned", "%s", meta->tuned ? "yes" : "no");
	if (!meta->tuned)
		return;
	if (meta->tune_k > 0)
		info_add(report, "tune_k", "%u", meta->tune_k);
	else
		info_add(report, "tune_r", "%g", meta->tune_r);
	info_add(report, "tuned_recall", "%.4f", meta->tuned_recall);
	info_add(report, "tuned_improvement", "%.2f", meta->tuned_improvement);
}

/* InspectMethod.info */
void
vptree_info(Relation relation, InfoReport *report)
{
	static const PageKind kinds[] = {PAGE_META, PAGE_NODES, PAGE_BUCKET, PAGE_VALUE, PAGE_FREE};
	VptreeInfo *info = palloc0(sizeof(VptreeInfo));
	const VptreeMeta *meta = &info->index.meta;
	double room;
	TreePruner pruner;
	bool uses_mean;

	vptree_open(&info->index, relation);
	info_each_page(relation, &info->pages, count_bucket_page, info);
	pruner = vptree_pruner(relation, meta);
	uses_mean = pruner.alpha_pivot > 0 && meta->num_pivot > 0;
	room = (double) meta->buckets * meta->bucket_size;
	info_add_header(report, &meta->header, info->index.space.context.space);
	info_add(report, "partition", "%s", meta->partition == TREE_KD ? "kd" : "vp");
	info_add(report, "bucket_size", "%u", meta->bucket_size);
	info_add(report, "path_length", "%u", meta->path_length);
	info_add(report, "num_pivot", "%u", meta->num_pivot);
	info_add(report, "rows", INT64_FORMAT, info->counts.rows);
	info_add(report, "entries", INT64_FORMAT, info->counts.entries);
	info_add(report, "nodes", "%u", meta->nodes);
	info_add(report, "buckets", "%u", meta->buckets);
	info_add(report, "retired_buckets", "%u", meta->retired);
	info_add(report, "depth", "%u", meta->max_depth);
	info_add(report, "mean_fill", "%.2f", room > 0 ? info->counts.entries / room : 0.0);
	info_add(report, "exact", "%s",
			 info->index.exact && !uses_mean && pruner.alpha_left <= 1 && pruner.alpha_right <= 1 &&
					 pruner.exp_left == 1 && pruner.exp_right == 1
				 ? "yes"
				 : "no");
	info_add(report, "alpha_left", "%g", pruner.alpha_left);
	info_add(report, "alpha_right", "%g", pruner.alpha_right);
	info_add(report, "exp_left", "%d", pruner.exp_left);
	info_add(report, "exp_right", "%d", pruner.exp_right);
	info_add(report, "alpha_pivot", "%g", pruner.alpha_pivot);
	info_add(report, "exp_pivot", "%g", pruner.exp_pivot);
	report_tuning(meta, report);
	if (!index_space_varies(&info->index.space))
		info_add(report, "value_size", "%zu", (size_t) info->index.space.encoded_size);
	info_add_pages(report, &info->pages, kinds, lengthof(kinds));
}
