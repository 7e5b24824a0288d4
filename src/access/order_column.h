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

#include "access/amapi.h"

/*
 * Called once for each access method when the library is loaded: `estimate` is
 * its amcostestimate, by which its index paths are known.
 */
extern void order_column_add_method(amcostestimate_function estimate);

#endif /* ANN_ORDER_COLUMN_H */
