/*-------------------------------------------------------------------------
 *
 * check_values.c
 *	  Looking for damage in an index: metapage header, values, heap TIDs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/check.h"
#include "access/inspect.h"
#include "access/method.h"
#include "storage/value_pages.h"

/*
 * Relative error allowed in what an encoded value holds besides coordinates:
 * another processor may have added it up in another order
 */
#define DERIVED_TOLERANCE 1e-3

void
check_report_field(CheckState *check, const char *field, uint64 found, uint64 expected)
{
	check_report(check, CHECK_ERROR, META_BLOCK, NULL,
				 "metapage says %s is " UINT64_FORMAT ", but it must be " UINT64_FORMAT, field,
				 found, expected);
}

void
check_report_range(CheckState *check, const char *field, uint64 found, uint64 least, uint64 most)
{
	check_report(check, CHECK_ERROR, META_BLOCK, NULL,
				 "metapage says %s is " UINT64_FORMAT ", which is not between " UINT64_FORMAT
				 " and " UINT64_FORMAT,
				 field, found, least, most);
}

/* Magic, version, method, and the space that the operator class asks for; reports. */
static bool
check_meta_header(CheckState *check)
{
	const MetaHeader *header = check->meta;
	MethodId method = check->method->id;
	const SpaceContext *context = &check->space.context;
	bool sound = false;

	if (header->magic != META_MAGIC)
		check_report_field(check, "magic number", header->magic, META_MAGIC);
	else if (header->version != META_FORMAT_VERSION)
		check_report_field(check, "format version", header->version, META_FORMAT_VERSION);
	else if (header->method != method)
		check_report_field(check, "access method", header->method, method);
	else if (header->dim > SPACE_MAX_DIM || (context->dim > 0 && header->dim != context->dim))
		check_report_field(check, "dimensions", header->dim, context->dim);
	else if (strncmp(header->space, context->space->name, META_SPACE_NAME_SIZE) != 0)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage is of space \"%.*s\", but the operator class of \"%s\"",
					 META_SPACE_NAME_SIZE, header->space, context->space->name);
	else
		sound = true;
	for (int i = 0; sound && i < context->space->nparams; i++)
	{
		if (header->params[i] == context->params[i])
			continue;
		check_report(check, CHECK_ERROR, META_BLOCK, NULL,
					 "metapage has %s = %g, but the operator class %s = %g",
					 context->space->params[i].name, header->params[i],
					 context->space->params[i].name, context->params[i]);
		sound = false;
	}
	return sound;
}

CheckPage *
check_make_page(void)
{
	CheckPage *page = palloc(sizeof(CheckPage));

	page->block = InvalidBlockNumber;
	return page;
}

bool
check_take_meta(CheckState *check)
{
	Size size = check->method->meta_size;
	CheckPage *copy = check_make_page();
	Page page = check_page(check, copy, META_BLOCK);
	bool sound = ((PageHeader) page)->pd_lower >= SizeOfPageHeaderData + size;

	check->meta = palloc(size);
	if (!sound)
		check_report(check, CHECK_ERROR, META_BLOCK, NULL, "metapage is cut off at byte %u",
					 ((PageHeader) page)->pd_lower);
	else
		memcpy(check->meta, PageGetContents(page), size);
	pfree(copy);
	if (!sound || !check_meta_header(check))
		return false;
	if (check->space.context.dim == 0 && check->meta->dim > 0)
		index_space_set_dim(&check->space, check->meta->dim);
	return true;
}

void *
check_allocate(Size size)
{
	return palloc_extended(size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

void
check_values_init(CheckState *check)
{
	check->value_page = check_make_page();
	check->value_owner = check_allocate((Size) check->nblocks * sizeof(uint32));
	check->value = palloc(check->space.encoded_size);
	check->encoded = palloc(check->space.encoded_size);
}

void
check_report_owner(CheckState *check, CheckSeverity severity, uint32 owner, const char *problem)
{
	char name[CHECK_NAME_SIZE];
	BlockNumber block = check->method->inspect->name_owner(check, owner, name);

	check_report(check, severity, block, name, "%s", problem);
}

/* Is the coordinate finite?  Coordinates come first in every encoded value. */
static bool
is_finite(const SpaceContext *context, const char *value, uint32 i)
{
	if (context->space->element == SPACE_FLOAT16)
		return (((const uint16 *) value)[i] & 0x7C00) != 0x7C00;
	return isfinite(((const float *) value)[i]);
}

/*
 * What an encoded value holds besides its coordinates must be what they give,
 * up to rounding.
 */
static bool
derived_is_sound(CheckState *check, const char *value)
{
	const IndexSpace *space = &check->space;

	space_encode(&space->context, value, check->encoded);
	for (Size at = TYPEALIGN(sizeof(float), space->value_size);
		 at + sizeof(float) <= space->encoded_size; at += sizeof(float))
	{
		float found = *(const float *) (value + at);
		float expected = *(const float *) (check->encoded + at);

		if (memcmp(&found, &expected, sizeof(float)) != 0 &&
			!(fabsf(found - expected) <= DERIVED_TOLERANCE * (fabsf(expected) + FLT_MIN)))
			return false;
	}
	return true;
}

bool
check_encoded(CheckState *check, uint32 owner, const char *value, Size size)
{
	const SpaceContext *context = &check->space.context;
	char problem[160];
	uint32 where = 0;

	if (function_space_is(context->space))
	{
		if (function_space_is_sound(context, value, size))
			return true;
		check_report_owner(check, CHECK_ERROR, owner, "its value is none of the column's type");
		return false;
	}
	while (where < context->dim && is_finite(context, value, where))
		where++;
	if (where < context->dim)
		snprintf(problem, sizeof(problem), "coordinate %u of the value is not finite", where + 1);
	else if (space_check(context, value, &where) != SPACE_OK)
		snprintf(problem, sizeof(problem),
				 "coordinate %u of the value is outside the domain of space \"%s\"", where + 1,
				 context->space->name);
	else if (!derived_is_sound(check, value))
		snprintf(problem, sizeof(problem), "what is stored with the value does not follow from it");
	else
		return true;
	check_report_owner(check, CHECK_ERROR, owner, problem);
	return false;
}

/* The page of a block that holds a piece of so many bytes of a value, or NULL */
static Page
piece_page(CheckState *check, BlockNumber block, Size piece)
{
	Page page;

	if (!check_block_is(check, block, PAGE_VALUE))
		return NULL;
	page = check_page(check, check->value_page, block);
	return ((PageHeader) page)->pd_lower == PAGE_DATA_OFFSET + piece ? page : NULL;
}

const char *
check_gather_value(CheckState *check, const BlockNumber *blocks, Size size, uint32 owner,
				   bool first_time)
{
	Size left = size;
	bool sound = true;
	char name[CHECK_NAME_SIZE];
	char other[CHECK_NAME_SIZE];
	BlockNumber block = check->method->inspect->name_owner(check, owner, name);

	for (int i = 0; left > 0; i++)
	{
		Size piece = Min(left, VALUE_PAGES_PIECE);
		Page page = piece_page(check, blocks[i], piece);

		if (page == NULL)
		{
			check_report(check, CHECK_ERROR, block, name,
						 "block %u holds no piece of %zu bytes of the value", blocks[i],
						 (size_t) piece);
			return NULL;
		}
		if (first_time && check->value_owner[blocks[i]] != 0)
		{
			(void) check->method->inspect->name_owner(check, check->value_owner[blocks[i]], other);
			check_report(check, CHECK_ERROR, blocks[i], name, "value page belongs to %s too",
						 other);
			sound = false;
		}
		check->value_owner[blocks[i]] = owner;
		memcpy(check->value + (Size) i * VALUE_PAGES_PIECE, (char *) page + PAGE_DATA_OFFSET,
			   piece);
		left -= piece;
	}
	return sound ? check->value : NULL;
}

bool
check_gather_bytes(CheckState *check, const BlockNumber *blocks, Size size, const char *what,
				   char *memory, uint8 mark, uint8 *used)
{
	for (int i = 0; i < value_pages_of(size); i++)
	{
		Size piece = Min(size - i * VALUE_PAGES_PIECE, VALUE_PAGES_PIECE);
		Page page = piece_page(check, blocks[i], piece);

		if (page == NULL)
		{
			check_report(check, CHECK_ERROR, META_BLOCK, NULL,
						 "block %u holds no piece of %zu bytes of the %s", blocks[i],
						 (size_t) piece, what);
			return false;
		}
		used[blocks[i]] = mark;
		memcpy(memory + i * VALUE_PAGES_PIECE, (char *) page + PAGE_DATA_OFFSET, piece);
	}
	return true;
}

void
check_require_owner(CheckState *check, BlockNumber block)
{
	if (check->value_owner[block] == 0)
		check_report(check, CHECK_NOTE, block, NULL, "value page is not used");
}

/*
 * Where others take pages out of a chain meanwhile, one that was taken is soon met, in each of the
 * passes: that all behind it seem to be in no chain then says nothing.
 */
bool
check_is_unchained(CheckState *check, BlockNumber block)
{
	if (!check->blocks[block].chained)
		return true;
	if (check->settled || !check->lost_chain)
		check_report(check, CHECK_ERROR, block, NULL,
					 "page is marked as chained, but is in no chain");
	return false;
}

void
check_add_rows(CheckState *check, uint32 owner, const ItemPointerData *tids, int ntids)
{
	for (int i = 0; i < ntids; i++)
	{
		if (ItemPointerGetOffsetNumberNoCheck(&tids[i]) != InvalidOffsetNumber &&
			ItemPointerGetBlockNumberNoCheck(&tids[i]) != InvalidBlockNumber)
			check_entries_add(check, &check->rows, tids[i], owner);
		else
			check_report_owner(check, CHECK_ERROR, owner, "it has an invalid heap TID");
	}
}

void
check_duplicate_rows(CheckState *check)
{
	CheckEntries *rows = &check->rows;
	char other[CHECK_NAME_SIZE];

	check_entries_sort(rows);
	for (uint64 i = 1; i < rows->n; i++)
	{
		CheckEntry *entry = &rows->entries[i];

		if (ItemPointerCompare(&entry->tid, &rows->entries[i - 1].tid) != 0)
			continue;
		(void) check->method->inspect->name_owner(check, rows->entries[i - 1].owner, other);
		check_report_owner(check, CHECK_ERROR, entry->owner,
						   psprintf("row (%u,%u) is in %s already",
									ItemPointerGetBlockNumberNoCheck(&entry->tid),
									ItemPointerGetOffsetNumberNoCheck(&entry->tid), other));
	}
}

/* The coordinates come first in an encoded value. */
bool
check_holds_value(CheckState *check, uint32 owner, const void *value)
{
	Size size = 0;
	const char *stored = check->method->inspect->stored_value(check, owner, &size);

	if (stored == NULL)
		return true;
	if (!index_space_varies(&check->space))
		return memcmp(stored, value, check->space.value_size) == 0;
	return size == index_space_size(&check->space, value) && memcmp(stored, value, size) == 0;
}
