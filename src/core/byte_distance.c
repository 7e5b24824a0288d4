/*-------------------------------------------------------------------------
 *
 * byte_distance.c
 *	  Squared Euclidean distances of vectors of bytes.  The kernels are in
 *	  quantise_template.h, per instruction set.
 *
 *-------------------------------------------------------------------------
 */
#include "core/byte_distance.h"

#include "core/quantise_table.h"

void
byte_distances(const uint8_t *query, const void *const *objects, int n, uint32_t dim,
			   float *distances)
{
	quantise_kernels()->byte_distances(query, objects, n, dim, distances);
}
