/*-------------------------------------------------------------------------
 *
 * check.h
 *	  Looking for damage in an index: the part that all access methods share.
 *
 * A check works on copies of pages, each taken under a share lock, so it holds
 * no lock while it looks at one and may read any page at any time.  What it
 * finds are rows of (severity, block, item, problem).
 *
 * Several pages are only consistent with each other if nobody changes them
 * between two reads.  Where the caller holds a lock that keeps writers out that
 * is so (`settled`).  Elsewhere, above all on a standby, the newest LSN of the
 * pages read tells whether any of them has changed since the pass began, and a
 * pass that was disturbed is repeated (check_run).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_CHECK_H
#define ANN_CHECK_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "access/compat.h"
#include "access/index_space.h"
#include "storage/meta.h"
#include "storage/page.h"

typedef enum CheckSeverity
{
	CHECK_ERROR, /* an invariant is broken */
	CHECK_NOTE	 /* costs room or recall, no answer is wrong: a crash may leave it */
} CheckSeverity;

typedef struct CheckFinding
{
	CheckSeverity severity;
	BlockNumber block; /* or InvalidBlockNumber */
	const char *item;  /* "vertex 17", or NULL */
	const char *problem;
} CheckFinding;

/* Room for the name of what owns a row or a value, of an item: "vertex 17" */
#define CHECK_NAME_SIZE 40

/* Findings beyond so many are counted, not listed. */
#define CHECK_MAX_FINDINGS 10000

/* A list of (TID, owner), to be sorted and searched */
typedef struct CheckEntry
{
	ItemPointerData tid;
	uint32 owner;
} CheckEntry;

typedef struct CheckEntries
{
	CheckEntry *entries;
	uint64 n;
	uint64 capacity;
} CheckEntries;

/* The copy of one page, kept until another page is asked for */
typedef struct CheckPage
{
	BlockNumber block;
	PGAlignedBlock copy;
} CheckPage;

/* What is known of each block after check_pages() */
typedef struct CheckBlock
{
	uint8 kind;	   /* PageKind; 0 if the page is unusable or was never written */
	bool chained;  /* PAGE_CHAINED */
	bool tail;	   /* PAGE_TAIL */
	bool retired;  /* PAGE_RETIRED */
	uint16 nitems; /* line pointers, where the kind has them */
	uint32 ordinal;
	BlockNumber next;
} CheckBlock;

typedef struct CheckState
{
	Relation index;
	Relation heap; /* NULL unless the rows of the table are to be looked up */
	const struct AccessMethod *method;
	bool notes;	  /* list findings of severity CHECK_NOTE */
	bool settled; /* nobody can change the index meanwhile */
	BufferAccessStrategy strategy;

	/* of one pass */
	MemoryContext context;
	IndexSpace space; /* with its dimensions, once the metapage has been checked */
	MetaHeader *meta; /* contents of the metapage; what stands behind the header is the method's */
	BlockNumber nblocks;
	CheckBlock *blocks;
	CheckEntries rows;		/* heap TIDs in the index */
	XLogRecPtr newest;		/* LSN of the pages read */
	bool lost_chain;		/* a chain could not be followed to its end */
	uint32 *value_owner;	/* owner by block of value pages; 0: none is known */
	CheckPage *value_page;	/* the last one read */
	char *value;			/* room for a value put together from its pages, */
	char *encoded;			/* and for one encoded anew */
	void *method_state;		/* of the access method: InspectMethod.check_size bytes */
	CheckFinding *findings; /* sorted once the pass is over */
	int nfindings;
	int64 unlisted; /* findings beyond the limit */
} CheckState;

/*
 * Checks an index as often as it takes (see above) and leaves what is wrong in
 * check->findings.  The caller has filled in the fields above `context`.
 */
extern void check_run(CheckState *check);

/* Adds a finding; item may be NULL, block InvalidBlockNumber. */
extern void check_report(CheckState *check, CheckSeverity severity, BlockNumber block,
						 const char *item, const char *format, ...) PRINTF_LIKE(5, 6);

/*
 * A copy of a page that is known to be of some kind.  An invalid page is an
 * error here: check_pages() has reported it, and nobody asks for it again.
 */
extern Page check_page(CheckState *check, CheckPage *page, BlockNumber block);

/* Is the block there, readable and of this kind? */
extern bool check_block_is(const CheckState *check, BlockNumber block, PageKind kind);

/*
 * Follows a chain of pages of one kind from its head and reports what is wrong
 * with it.  in_chain has a byte per block: `mark` is set for those in this
 * chain, another value means that the page is in another one.  Returns the last
 * page of the chain, or InvalidBlockNumber if it has none.
 */
extern BlockNumber check_chain(CheckState *check, const char *name, BlockNumber head, PageKind kind,
							   uint8 mark, uint8 *in_chain);

extern void check_entries_add(CheckState *check, CheckEntries *entries, ItemPointerData tid,
							  uint32 owner);
extern void check_entries_sort(CheckEntries *entries);

/* The first entry of a TID in sorted entries, or NULL */
extern const CheckEntry *check_entries_find(const CheckEntries *entries, ItemPointer tid);

/*
 * check_values.c.  An owner is a number above 0 that the access method has given to
 * a place of the index that has a value, rows or both.
 */

/* Reports that a field of the metapage must be another number, or one from `least` to `most`. */
extern void check_report_field(CheckState *check, const char *field, uint64 found, uint64 expected);
extern void check_report_range(CheckState *check, const char *field, uint64 found, uint64 least,
							   uint64 most);

/*
 * Copies the contents of the metapage to check->meta, and takes over the dimensions.  False,
 * reported, if they are cut off or the header does not fit the method and the operator class.
 */
extern bool check_take_meta(CheckState *check);

extern CheckPage *check_make_page(void);

/* Zeroed memory of any size, for what is to be known of blocks and values */
extern void *check_allocate(Size size);

/* Makes room for what is to be known of values.  The dimensions are known by now. */
extern void check_values_init(CheckState *check);

/* Adds a finding about an owner. */
extern void check_report_owner(CheckState *check, CheckSeverity severity, uint32 owner,
							   const char *problem);

/* Is this a value, of so many bytes, that may have been stored?  Reports it if not. */
extern bool check_encoded(CheckState *check, uint32 owner, const char *value, Size size);

/*
 * Puts a value of some size together from its value pages; the first time,
 * checks that they are its own.  NULL, reported, if a page is not.
 */
extern const char *check_gather_value(CheckState *check, const BlockNumber *blocks, Size size,
									  uint32 owner, bool first_time);

/*
 * Puts `size` bytes together from value pages in memory of that size, and sets `mark` for each of
 * these in used[], a byte per block.  False, reported with a name for the bytes, if a page holds
 * none of them.
 */
extern bool check_gather_bytes(CheckState *check, const BlockNumber *blocks, Size size,
							   const char *what, char *memory, uint8 mark, uint8 *used);

/* Reports a value page, of those that only owners use, that has none. */
extern void check_require_owner(CheckState *check, BlockNumber block);

/* Is a page that is in no chain not marked as if it were in one?  Reports it if it is. */
extern bool check_is_unchained(CheckState *check, BlockNumber block);

/* Adds the heap TIDs of an owner to check->rows. */
extern void check_add_rows(CheckState *check, uint32 owner, const ItemPointerData *tids, int ntids);

/* Reports heap TIDs that are in the index twice. */
extern void check_duplicate_rows(CheckState *check);

/* Does the place of an owner hold this value, as far as can be told? */
extern bool check_holds_value(CheckState *check, uint32 owner, const void *value);

/* check_rows.c: looks up every visible row of the table. */
extern void check_rows(CheckState *check, Snapshot snapshot);

#endif /* ANN_CHECK_H */
