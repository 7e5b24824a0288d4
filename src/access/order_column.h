/*-------------------------------------------------------------------------
 *
 * order_column.h
 *	  Leaves the distance that only ORDER BY asks for out of the rows of an
 *	  index scan.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ANN_ORDER_COLUMN_H
#define ANN_ORDER_COLUMN_H

#include "postgres.h"

#include "nodes/pathnodes.h"

/* Called once, when the library is loaded */
extern void order_column_init(void);

/*
 * For cost estimates: is the distance of an ordered scan one that will be left
 * out of its rows?  The planner counts it for each row all the same.
 */
extern bool order_column_is_left_out(const PlannerInfo *root);

#endif /* ANN_ORDER_COLUMN_H */
