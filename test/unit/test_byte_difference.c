/*-------------------------------------------------------------------------
 *
 * test_byte_difference.c
 *	  The largest difference of bytes, and the sum of squares: against the plain
 *	  form, for every length and at every address, and where each single byte decides.
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "core/byte_difference.h"
#include "core/random.h"

#define LARGEST (20 * BYTE_DIFFERENCE_STEP)

static void
test_random_bytes(void)
{
	Random random;

	random_seed(&random, 1);
	for (int n = 0; n <= LARGEST; n += BYTE_DIFFERENCE_STEP)
	{
		for (int offset = 0; offset < 64; offset++)
		{
			/* they end where their memory does, so that a sanitizer sees reads beyond */
			uint8_t *a = malloc(n + offset + 1);
			uint8_t *b = malloc(n + offset + 1);

			for (int i = 0; i < n + offset; i++)
			{
				a[i] = (uint8_t) random_next(&random);
				b[i] = (uint8_t) (offset % 2 == 0 ? random_next(&random) : a[i] ^ 3);
			}
			CHECK(byte_difference(a + offset, b + offset, n) ==
					  byte_difference_plain(a + offset, b + offset, n),
				  "%d bytes at %d", n, offset);
			CHECK(byte_squares(a + offset, b + offset, n) ==
					  byte_squares_plain(a + offset, b + offset, n),
				  "squares of %d bytes at %d", n, offset);
			free(a);
			free(b);
		}
	}
}

static void
test_every_place(void)
{
	uint8_t a[LARGEST];
	uint8_t b[LARGEST];

	memset(a, 100, sizeof(a));
	memset(b, 100, sizeof(b));
	CHECK(byte_difference(a, b, 0) == 0, "no bytes");
	CHECK(byte_difference(a, b, LARGEST) == 0, "equal bytes");
	CHECK(byte_squares(a, b, 0) == 0 && byte_squares(a, b, LARGEST) == 0, "equal bytes");
	for (int i = 0; i < LARGEST; i++)
	{
		a[i] = 255;
		b[i] = 0;
		CHECK(byte_difference(a, b, LARGEST) == 255, "place %d", i);
		CHECK(byte_difference(b, a, LARGEST) == 255, "place %d", i);
		CHECK(byte_squares(a, b, LARGEST) == 255 * 255, "place %d", i);
		CHECK(byte_squares(b, a, LARGEST) == 255 * 255, "place %d", i);
		a[i] = b[i] = 100;
	}
	memset(a, 255, sizeof(a));
	memset(b, 0, sizeof(b));
	CHECK(byte_squares(a, b, LARGEST) == LARGEST * 255 * 255, "the largest sum");
}

int
main(void)
{
	RUN(test_random_bytes);
	RUN(test_every_place);
	return unit_finish();
}
