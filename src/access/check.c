/*-------------------------------------------------------------------------
 *
 * check.c
 *	  Looking for damage in an index: passes, findings, pages and chains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "access/check.h"
#include "access/compat.h"
#include "access/inspect.h"
#include "access/method.h"

/* Passes over an index that is changed while it is checked */
#define MAX_PASSES 5

#define MIN_ENTRIES 1024

void
check_report(CheckState *check, CheckSeverity severity, BlockNumber block, const char *item,
			 const char *format, ...)
{
	CheckFinding *finding;
	char problem[512];
	va_list arguments;

	if (severity == CHECK_NOTE && !check->notes)
		return;
	if (check->nfindings == CHECK_MAX_FINDINGS)
	{
		check->unlisted++;
		return;
	}
	va_start(arguments, format);
	vsnprintf(problem, sizeof(problem), format, arguments);
	va_end(arguments);
	finding = &check->findings[check->nfindings++];
	finding->severity = severity;
	finding->block = block;
	finding->item = item == NULL ? NULL : MemoryContextStrdup(check->context, item);
	finding->problem = MemoryContextStrdup(check->context, problem);
}

/*
 * Copies a page under a share lock.  The server refuses a page with a broken
 * header or checksum; that happens in a subtransaction, so that the check can
 * go on, and the message becomes a finding.
 */
static bool
try_page(CheckState *check, CheckPage *page, BlockNumber block)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		page->block = InvalidBlockNumber;
		check_page(check, page, block);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED)
		ReThrowError(error);
	check_report(check, CHECK_ERROR, block, NULL, "page cannot be read: %s", error->message);
	return false;
}

Page
check_page(CheckState *check, CheckPage *page, BlockNumber block)
{
	Buffer buffer;

	if (page->block == block)
		return (Page) page->copy.data;
	CHECK_FOR_INTERRUPTS();
	buffer = ReadBufferExtended(check->index, MAIN_FORKNUM, block, RBM_NORMAL, check->strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page->copy.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	page->block = block;
	check->newest = Max(check->newest, PageGetLSN((Page) page->copy.data));
	return (Page) page->copy.data;
}

bool
check_block_is(const CheckState *check, BlockNumber block, PageKind kind)
{
	return block < check->nblocks && check->blocks[block].kind == kind;
}

/*
 * Line pointers of an item page: each item in use lies inside the page, aligned
 * and apart from the others.
 */
static bool
check_items(CheckState *check, Page page, BlockNumber block)
{
	PageHeader header = (PageHeader) page;
	uint8 used[BLCKSZ / MAXIMUM_ALIGNOF];

	memset(used, 0, sizeof(used));
	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		ItemId id = PageGetItemId(page, offset);
		unsigned int start = ItemIdGetOffset(id);
		unsigned int end = start + ItemIdGetLength(id);

		if (!ItemIdIsUsed(id))
			continue;
		if (!ItemIdIsNormal(id) || start < header->pd_upper || end > header->pd_special ||
			start != MAXALIGN(start) || end == start)
		{
			check_report(check, CHECK_ERROR, block, NULL,
						 "line pointer %u is no item inside the page", offset);
			return false;
		}
		for (unsigned int at = start; at < end; at += MAXIMUM_ALIGNOF)
		{
			if (used[at / MAXIMUM_ALIGNOF]++ == 0)
				continue;
			check_report(check, CHECK_ERROR, block, NULL, "item %u overlaps another one", offset);
			return false;
		}
	}
	return true;
}

static bool
has_line_pointers(uint16 kind)
{
	return kind == PAGE_ITEMS || kind == PAGE_NODES || kind == PAGE_BUCKET;
}

/* Is this a page of ours whose header and special area make sense? */
static bool
check_header(CheckState *check, Page page, BlockNumber block)
{
	PageHeader header = (PageHeader) page;
	PageSpecial special = (PageSpecial) ((char *) page + BLCKSZ - PAGE_SPECIAL_SIZE);
	int start;

	if (PageGetPageSize(page) != BLCKSZ || PageGetPageLayoutVersion(page) != PG_PAGE_LAYOUT_VERSION)
		check_report(check, CHECK_ERROR, block, NULL, "page has size %zu and layout version %d",
					 (size_t) PageGetPageSize(page), PageGetPageLayoutVersion(page));
	else if (header->pd_special != BLCKSZ - PAGE_SPECIAL_SIZE)
		check_report(check, CHECK_ERROR, block, NULL, "special area starts at byte %u, not %zu",
					 header->pd_special, (size_t) (BLCKSZ - PAGE_SPECIAL_SIZE));
	else if (special->page_id != ANN_PAGE_ID)
		check_report(check, CHECK_ERROR, block, NULL, "page has the id %04X, not %04X",
					 special->page_id, ANN_PAGE_ID);
	else if (special->kind < PAGE_META || special->kind >= PAGE_KINDS ||
			 (special->kind == PAGE_META) != (block == META_BLOCK))
		check_report(check, CHECK_ERROR, block, NULL, "page is of kind %u", special->kind);
	else
	{
		start = special->kind == PAGE_SLOTS || special->kind == PAGE_VALUE ? PAGE_DATA_OFFSET
																		   : SizeOfPageHeaderData;
		/* an empty slot page has nothing but its header in use */
		if (header->pd_lower < start && header->pd_lower != SizeOfPageHeaderData)
			check_report(check, CHECK_ERROR, block, NULL, "used bytes end at %u, before byte %d",
						 header->pd_lower, start);
		else if (header->pd_lower > header->pd_upper || header->pd_upper > header->pd_special)
			check_report(check, CHECK_ERROR, block, NULL,
						 "free space from byte %u to %u is not inside the page", header->pd_lower,
						 header->pd_upper);
		else
			return !has_line_pointers(special->kind) || check_items(check, page, block);
	}
	return false;
}

/* First look at every page: sets check->blocks. */
static void
check_pages(CheckState *check)
{
	CheckPage *copy = palloc(sizeof(CheckPage));

	for (BlockNumber block = 0; block < check->nblocks; block++)
	{
		CheckBlock *known = &check->blocks[block];
		Page page = (Page) copy->copy.data;

		known->next = InvalidBlockNumber;
		if (!try_page(check, copy, block))
			continue;
		if (PageIsNew(page))
		{
			/* the relation was extended, and the change that would use the page lost */
			check_report(check, block == META_BLOCK ? CHECK_ERROR : CHECK_NOTE, block, NULL,
						 "page was never written");
			continue;
		}
		if (!check_header(check, page, block))
			continue;
		known->kind = PageGetSpecial(page)->kind;
		if (has_line_pointers(known->kind))
			known->nitems = PageGetMaxOffsetNumber(page);
		known->chained = (PageGetSpecial(page)->flags & PAGE_CHAINED) != 0;
		known->tail = (PageGetSpecial(page)->flags & PAGE_TAIL) != 0;
		known->retired = (PageGetSpecial(page)->flags & PAGE_RETIRED) != 0;
		known->ordinal = PageGetSpecial(page)->ordinal;
		known->next = PageGetSpecial(page)->next;
	}
	pfree(copy);
}

BlockNumber
check_chain(CheckState *check, const char *name, BlockNumber head, PageKind kind, uint8 mark,
			uint8 *in_chain)
{
	BlockNumber last = InvalidBlockNumber;
	BlockNumber block = head;

	while (block != InvalidBlockNumber)
	{
		CHECK_FOR_INTERRUPTS();
		if (!check_block_is(check, block, kind))
		{
			check_report(check, CHECK_ERROR, last == InvalidBlockNumber ? META_BLOCK : last, NULL,
						 "chain of %s leads to block %u, which is not such a page", name, block);
			check->lost_chain = true;
			break;
		}
		if (in_chain[block] != 0)
		{
			check_report(check, CHECK_ERROR, block, NULL,
						 in_chain[block] == mark ? "chain of %s comes back to this page"
												 : "page is in the chain of %s and in another one",
						 name);
			check->lost_chain = true;
			break;
		}
		in_chain[block] = mark;
		if (!check->blocks[block].chained)
			check_report(check, CHECK_ERROR, block, NULL,
						 "page is in the chain of %s but not marked as chained", name);
		last = block;
		block = check->blocks[block].next;
	}
	return last;
}

void
check_entries_add(CheckState *check, CheckEntries *entries, ItemPointerData tid, uint32 owner)
{
	if (entries->n == entries->capacity)
	{
		uint64 capacity = Max(entries->capacity * 2, MIN_ENTRIES);

		if (entries->entries == NULL)
			entries->entries =
				MemoryContextAllocHuge(check->context, capacity * sizeof(CheckEntry));
		else
			entries->entries = repalloc_huge(entries->entries, capacity * sizeof(CheckEntry));
		entries->capacity = capacity;
	}
	entries->entries[entries->n].tid = tid;
	entries->entries[entries->n].owner = owner;
	entries->n++;
}

static int
compare_entries(const void *a, const void *b)
{
	CheckEntry left = *(const CheckEntry *) a;
	CheckEntry right = *(const CheckEntry *) b;
	int order = ItemPointerCompare(&left.tid, &right.tid);

	if (order != 0)
		return order;
	return left.owner < right.owner ? -1 : left.owner > right.owner;
}

void
check_entries_sort(CheckEntries *entries)
{
	if (entries->n > 1)
		qsort(entries->entries, entries->n, sizeof(CheckEntry), compare_entries);
}

const CheckEntry *
check_entries_find(const CheckEntries *entries, ItemPointer tid)
{
	uint64 low = 0;
	uint64 high = entries->n;

	while (low < high)
	{
		uint64 middle = low + (high - low) / 2;

		if (ItemPointerCompare(&entries->entries[middle].tid, tid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < entries->n && ItemPointerCompare(&entries->entries[low].tid, tid) == 0)
		return &entries->entries[low];
	return NULL;
}

static int
compare_findings(const void *a, const void *b)
{
	const CheckFinding *left = (const CheckFinding *) a;
	const CheckFinding *right = (const CheckFinding *) b;
	int order;

	if (left->severity != right->severity)
		return left->severity < right->severity ? -1 : 1;
	if (left->block != right->block)
		return left->block < right->block ? -1 : 1;
	order = strcmp(left->item == NULL ? "" : left->item, right->item == NULL ? "" : right->item);
	return order != 0 ? order : strcmp(left->problem, right->problem);
}

/*
 * The metapage, then what the method checks.  False: the index is too damaged to look for rows
 * in it.  One that knows no dimensions has none.
 */
static bool
check_contents(CheckState *check)
{
	const InspectMethod *method = check->method->inspect;

	check->method_state = palloc0(method->check_size);
	if (!check_take_meta(check) || !method->check_meta(check))
		return false;
	if (check->meta->dim == 0)
		return true;
	check_values_init(check);
	method->check(check);
	if (!method->repeats_rows)
		check_duplicate_rows(check);
	return true;
}

/* One pass over the index, and over the table if that is asked for. */
static void
run_pass(CheckState *check)
{
	MemoryContext old = MemoryContextSwitchTo(check->context);
	Snapshot snapshot = NULL;

	/* before the index is read: the entries of the rows it sees are there by then */
	if (check->heap != NULL)
		snapshot = RegisterSnapshot(GetLatestSnapshot());
	check->findings = palloc(CHECK_MAX_FINDINGS * sizeof(CheckFinding));
	check->nfindings = 0;
	check->unlisted = 0;
	check->newest = InvalidXLogRecPtr;
	check->lost_chain = false;
	memset(&check->rows, 0, sizeof(CheckEntries));
	index_space_init(&check->space, check->index);
	check->nblocks = RelationGetNumberOfBlocks(check->index);
	check->blocks = check_allocate((Size) Max(check->nblocks, 1) * sizeof(CheckBlock));
	check_pages(check);
	if (check->nblocks == 0)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL, "index has no page");
	if (check_block_is(check, META_BLOCK, PAGE_META) && check_contents(check) && snapshot != NULL)
		check_rows(check, snapshot);
	if (snapshot != NULL)
		UnregisterSnapshot(snapshot);
	qsort(check->findings, check->nfindings, sizeof(CheckFinding), compare_findings);
	MemoryContextSwitchTo(old);
}

/* Keeps those findings of the pass that the passes before it came to as well. */
static void
keep_common(CheckState *check, const CheckFinding *before, int nbefore)
{
	int kept = 0;
	int j = 0;

	for (int i = 0; i < check->nfindings; i++)
	{
		while (j < nbefore && compare_findings(&before[j], &check->findings[i]) < 0)
			j++;
		if (j < nbefore && compare_findings(&before[j], &check->findings[i]) == 0)
			check->findings[kept++] = check->findings[i];
	}
	check->nfindings = kept;
}

/*
 * A pass that has seen no page newer than its start has seen the index as it
 * was at its start, and what it found stands.  Other passes are repeated, and
 * what all of them found stands: a page that was caught between two records
 * is not caught there five times.
 */
void
check_run(CheckState *check)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext last = NULL;
	const CheckFinding *before = NULL;
	int nbefore = 0;

	for (int pass = 0; pass < MAX_PASSES; pass++)
	{
		XLogRecPtr start = RecoveryInProgress() ? GetXLogReplayRecPtr(NULL) : GetXLogInsertRecPtr();

		check->context = AllocSetContextCreate(outer, "check of an index", ALLOCSET_DEFAULT_SIZES);
		run_pass(check);
		if (check->settled || check->newest <= start)
			return;
		if (pass > 0)
			keep_common(check, before, nbefore);
		if (last != NULL)
			MemoryContextDelete(last);
		if (check->nfindings == 0)
			return;
		last = check->context;
		before = check->findings;
		nbefore = check->nfindings;
	}
}
