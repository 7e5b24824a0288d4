/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  The frame of every INSERT into an index: the index is opened once a
 *	  statement, and each row that is not null is handed over with its value
 *	  encoded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_INSERT_H
#define ANN_INSERT_H

#include "postgres.h"

#include "access/genam.h"
#include "nodes/execnodes.h"

#include "access/compat.h"
#include "access/index_space.h"

typedef struct Inserter Inserter;

/* What is a method's own in an insert */
typedef struct InsertMethod
{
	Size state_size; /* of its state, which begins with an Inserter; zero but for that at first */

	/* Opens the index; returns its space.  Called once, in the context of the statement. */
	IndexSpace *(*open)(Inserter *inserter);

	/* Adds a row.  What it allocates is freed after that. */
	void (*insert)(Inserter *inserter, const void *encoded, ItemPointer tid);
} InsertMethod;

struct Inserter
{
	const InsertMethod *method;
	Relation relation;
	Relation heap;
	IndexSpace *space;		   /* of the index; the method's */
	MemoryContext context;	   /* of the statement */
	MemoryContext row_context; /* reset after each row */
};

/* aminsert: adds one row to the index, unless its value is null.  Returns false. */
extern bool insert_row(Relation relation, Datum *values, bool *isnull, ItemPointer tid,
					   Relation heap, IndexUniqueCheck check_unique,
					   INSERT_UNCHANGED_PARAM IndexInfo *index_info);

#endif /* ANN_INSERT_H */
