/*-------------------------------------------------------------------------
 *
 * rotation.c
 *	  A random orthogonal map: fast Hadamard transforms with random signs.
 *	  The rounds are in quantise_template.h, per instruction set.
 *
 *-------------------------------------------------------------------------
 */
#include "core/rotation.h"

#include <string.h>

#include "core/quantise_table.h"

void
rotation_init(Rotation *rotation, uint32_t dim, uint64_t seed)
{
	rotation->seed = seed;
	rotation->dim = dim;
	rotation->padded = rotation_padded(dim);
}

void
rotation_apply(const Rotation *rotation, const float *values, float *result)
{
	uint32_t dim = rotation->dim;
	uint32_t padded = rotation->padded;

	if (values != result)
		memcpy(result, values, dim * sizeof(float));
	memset(result + dim, 0, (padded - dim) * sizeof(float));
	quantise_kernels()->rotate(result, padded, rotation->seed);
}
