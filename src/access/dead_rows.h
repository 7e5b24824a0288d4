/*-------------------------------------------------------------------------
 *
 * dead_rows.h
 *	  Which of some rows are dead, as far as their table shows at once.
 *
 * For an insert that finds no room in an index: entries of rows that are dead to
 * all may go without waiting for vacuum.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_DEAD_ROWS_H
#define ANN_DEAD_ROWS_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/rel.h"

/*
 * Keeps those of n TIDs, in any order, that the index entries of which may be removed: rows of which the
 * table has only a dead line pointer left, maybe since it was pruned just now.  Returns how many,
 * in the order of the table.
 *
 * That is what vacuum goes by, too.  Such a line pointer is not used again before a vacuum has been
 * through all indexes, so the TID is no other row's; and whoever prunes a page tells standbys first
 * which snapshots must have ended.
 *
 * Pages on which all rows are visible are not looked at.
 */
extern int dead_rows_find(Relation heap, ItemPointerData *tids, int n);

#endif /* ANN_DEAD_ROWS_H */
