/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  The frame of every INSERT into an index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "access/insert.h"
#include "access/method.h"

/* Opens the index for the statement to which the IndexInfo belongs. */
static Inserter *
open_index(Relation relation, Relation heap, IndexInfo *index_info)
{
	const InsertMethod *method = method_of(relation)->insert;
	MemoryContext old = MemoryContextSwitchTo(index_info->ii_Context);
	Inserter *inserter = palloc0(method->state_size);

	inserter->method = method;
	inserter->relation = relation;
	inserter->heap = heap;
	inserter->context = index_info->ii_Context;
	inserter->row_context =
		AllocSetContextCreate(index_info->ii_Context, "index insert row", ALLOCSET_DEFAULT_SIZES);
	inserter->space = method->open(inserter);
	MemoryContextSwitchTo(old);
	return inserter;
}

bool
insert_row(Relation relation, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
		   IndexUniqueCheck check_unique, INSERT_UNCHANGED_PARAM IndexInfo *index_info)
{
	Inserter *inserter = (Inserter *) index_info->ii_AmCache;
	MemoryContext old;

	if (isnull[0])
		return false;
	if (inserter == NULL)
		index_info->ii_AmCache = inserter = open_index(relation, heap, index_info);
	old = MemoryContextSwitchTo(inserter->row_context);
	inserter->method->insert(inserter, index_space_encode(inserter->space, values[0]), tid);
	MemoryContextSwitchTo(old);
	MemoryContextReset(inserter->row_context);
	return false;
}
