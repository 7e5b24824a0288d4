/*-------------------------------------------------------------------------
 *
 * logarithm.c
 *	  Values stored with their natural logarithms, as the divergences want
 *	  them, and the domains such values come from.
 *
 *-------------------------------------------------------------------------
 */
#include "space/kernel_table.h"
#include "space/spaces.h"

size_t
logarithms_size(const SpaceContext *context)
{
	return 2 * context->dim * sizeof(float);
}

void
logarithms_encode(const SpaceContext *context, const void *value, void *encoded)
{
	memcpy(encoded, value, context->dim * sizeof(float));
	kernels()->logarithms(value, (float *) encoded + context->dim, context->dim);
}

SpaceStatus
check_not_negative(const SpaceContext *context, const void *value, uint32_t *where)
{
	const float *values = value;

	for (uint32_t i = 0; i < context->dim; i++)
	{
		if (values[i] < 0)
		{
			*where = i;
			return SPACE_NEGATIVE;
		}
	}
	return SPACE_OK;
}

SpaceStatus
check_positive(const SpaceContext *context, const void *value, uint32_t *where)
{
	const float *values = value;

	for (uint32_t i = 0; i < context->dim; i++)
	{
		if (values[i] <= 0)
		{
			*where = i;
			return SPACE_NOT_POSITIVE;
		}
	}
	return SPACE_OK;
}
