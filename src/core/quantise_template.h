/*-------------------------------------------------------------------------
 *
 * quantise_template.h
 *	  The kernels of rotation.c, rabitq.c and byte_distance.c, over the vector
 *	  operations of one instruction set.
 *
 * No include guard and no prefix: each quantise_<set>.c includes it once, after
 * it has defined QUANTISE_KERNELS (the name of its table) and
 *
 *	V, WIDTH			 a vector of WIDTH float32, a divisor of 32; + - * work
 *						 on it
 *	v_set(s)			 s in every lane
 *	v_load(p), v_store(p, a)
 *	v_load_bfloat(p)	 WIDTH bfloat16 numbers at p, widened
 *	v_abs(a), v_min(a, b), v_max(a, b)
 *	v_flip(a, bits)		 lane k with its sign changed where bit k of bits is set
 *						 (other bits are ignored)
 *	v_at_least_zero(a)	 bit k: lane k >= 0, -0 too; other bits 0
 *	v_butterflies(a)	 for stride = 1, 2, ... WIDTH / 2: lanes i and i + stride
 *						 become their sum and their difference
 *	store_table(p, low, high)
 *						 byte n of 16 at p = low[n % 4] + high[n / 4], from 0 up to
 *						 below 256, cut to a whole number
 *	block_sums(table, dim, codes, sums)
 *						 sums: 32 / WIDTH vectors, a lane per code of a block: the
 *						 sum over j of entry number (its half byte j) of the
 *						 table's 16 bytes from 16 j on (performance.md 2.4)
 *	I, BYTES			 a vector of 32-bit whole numbers, and of how many squares of
 *						 bytes each operation adds up in it
 *	i_zero()
 *	i_add_squares(s, a, b)
 *						 s and the squares of the differences of BYTES bytes at a and b,
 *						 in any lanes
 *	i_add_squares_tail(s, a, b, tail)
 *						 of the first tail (1..BYTES-1) bytes
 *	i_sums(s, sums)		 of the lanes of each of four vectors, to four float32
 *
 *-------------------------------------------------------------------------
 */

#define INLINE static inline __attribute__((always_inline))

#define VECTORS (ROTATION_BLOCK / WIDTH)

#define ROUNDS 4 /* an even number */

#define SQRT_HALF 0.707106781186547524f

/* Signs of coordinates 32 * block to 32 * block + 31 before a round: a set bit
 * changes the sign */
INLINE uint32_t
round_signs(uint64_t key, int round, uint32_t block)
{
	return (uint32_t) random_hash(key + ((uint64_t) round << 32) + block);
}

/* The signs of a block of 32 numbers, times scale, and strides 1 to 16 of the
 * Hadamard transform */
INLINE void
transform_block(float *values, uint32_t signs, float scale)
{
	V v[VECTORS];

	for (int k = 0; k < VECTORS; k++)
		v[k] =
			v_butterflies(v_flip(v_load(values + k * WIDTH), signs >> (k * WIDTH)) * v_set(scale));
	for (int stride = 1; stride < VECTORS; stride *= 2)
		for (int pair = 0; pair < VECTORS / 2; pair++)
		{
			int k = pair + (pair & -stride);
			V sum = v[k] + v[k + stride];

			v[k + stride] = v[k] - v[k + stride];
			v[k] = sum;
		}
	for (int k = 0; k < VECTORS; k++)
		v_store(values + k * WIDTH, v[k]);
}

INLINE void
flip_block(float *values, uint32_t signs)
{
	for (int k = 0; k < VECTORS; k++)
		v_store(values + k * WIDTH, v_flip(v_load(values + k * WIDTH), signs >> (k * WIDTH)));
}

/* (a, b) <- (a + b, a - b) * scale for `count` numbers from a and from b on */
INLINE void
butterfly(float *a, float *b, uint32_t count, float scale)
{
	for (uint32_t i = 0; i < count; i += WIDTH)
	{
		V x = v_load(a + i);
		V y = v_load(b + i);

		v_store(a + i, (x + y) * v_set(scale));
		v_store(b + i, (x - y) * v_set(scale));
	}
}

/* Strides `stride` and 2 * stride of a Hadamard transform of n numbers at once */
INLINE void
two_strides(float *values, uint32_t n, uint32_t stride)
{
	for (uint32_t base = 0; base < n; base += 4 * stride)
		for (float *p = values + base; p < values + base + stride; p += WIDTH)
		{
			V a = v_load(p);
			V b = v_load(p + stride);
			V c = v_load(p + 2 * stride);
			V d = v_load(p + 3 * stride);
			V ab = a + b;
			V cd = c + d;

			a = a - b;
			c = c - d;
			v_store(p, ab + cd);
			v_store(p + stride, a + c);
			v_store(p + 2 * stride, ab - cd);
			v_store(p + 3 * stride, a - c);
		}
}

/*
 * One round: random signs, and the orthogonal Hadamard transform of n numbers
 * from `from` on.
 */
INLINE void
rotation_round(float *values, uint32_t from, uint32_t n, uint32_t padded, uint64_t key, int round)
{
	float scale = (float) (1 / sqrt(n));
	uint32_t stride = ROTATION_BLOCK;

	for (uint32_t i = 0; i < padded; i += ROTATION_BLOCK)
	{
		uint32_t signs = round_signs(key, round, i / ROTATION_BLOCK);

		if (i >= from && i < from + n)
			transform_block(values + i, signs, scale);
		else
			flip_block(values + i, signs);
	}
	for (; 4 * stride <= n; stride *= 4)
		two_strides(values + from, n, stride);
	if (stride < n)
		butterfly(values + from, values + from + stride, stride, 1.0f);
}

/*
 * Four rounds whose transforms take turns at the two ends.  Where a transform
 * does not reach all numbers, a butterfly of the two halves evens them out after
 * both ends have had their turn: no number is then left as it was.  (A butterfly
 * after every round, as in performance.md 2.5, moves numbers out of the reach of
 * the next transform: with padded = 1536 a sixteenth of the square of some
 * coordinates stayed in one place.)  The mean square over all seeds of every
 * coordinate of the result is within 4 % of what it should be.
 */
static void
rotate(float *values, uint32_t padded, uint64_t seed)
{
	uint64_t key = random_hash(seed);
	uint32_t n = ROTATION_BLOCK;

	while (2 * n <= padded)
		n *= 2;
	for (int round = 0; round < ROUNDS; round++)
	{
		rotation_round(values, round % 2 == 0 ? 0 : padded - n, n, padded, key, round);
		if (round % 2 != 0 && n != padded)
			butterfly(values, values + padded / 2, padded / 2, SQRT_HALF);
	}
}

/* The sum of QUANTISE_PARTS partial sums */
INLINE float
sum_of_parts(float *parts)
{
	for (int half = QUANTISE_PARTS / 2; half > 0; half /= 2)
		for (int j = 0; j < half; j++)
			parts[j] += parts[j + half];
	return parts[0];
}

INLINE double
sum_of_double_parts(double *parts)
{
	for (int half = QUANTISE_PARTS / 2; half > 0; half /= 2)
		for (int j = 0; j < half; j++)
			parts[j] += parts[j + half];
	return parts[0];
}

/* One coordinate of residual() */
INLINE void
residual_step(float value, float center, double *square, double *product)
{
	double exact = (double) value - (double) center;

	*square += exact * exact;
	*product += exact * (double) center;
}

static void
residual(const float *value, const float *center, uint32_t dim, double *square, double *product)
{
	double squares[QUANTISE_PARTS] = {0};
	double products[QUANTISE_PARTS] = {0};
	uint32_t whole = dim / QUANTISE_PARTS * QUANTISE_PARTS;

	for (uint32_t i = 0; i < whole; i += QUANTISE_PARTS)
		for (uint32_t j = 0; j < QUANTISE_PARTS; j++)
			residual_step(value[i + j], center[i + j], squares + j, products + j);
	for (uint32_t j = 0; j < dim - whole; j++)
		residual_step(value[whole + j], center[whole + j], squares + j, products + j);
	*square = sum_of_double_parts(squares);
	*product = sum_of_double_parts(products);
}

static void
signs(const float *value, const float *center, uint32_t dim, uint8_t *code, float *absolute,
	  float *signed_center)
{
	V sums[VECTORS];
	V signed_sums[VECTORS];
	float parts[QUANTISE_PARTS];

	for (int k = 0; k < VECTORS; k++)
		sums[k] = signed_sums[k] = v_set(0.0f);
	for (uint32_t i = 0; i < dim; i += QUANTISE_PARTS)
	{
		uint32_t bits = 0;

		for (int k = 0; k < VECTORS; k++)
		{
			V c = v_load(center + i + k * WIDTH);
			V r = v_load(value + i + k * WIDTH) - c;
			uint32_t positive = v_at_least_zero(r);

			bits |= positive << (k * WIDTH);
			sums[k] = sums[k] + v_abs(r);
			signed_sums[k] = signed_sums[k] + v_flip(c, ~positive);
		}
		for (int byte = 0; byte < 4; byte++)
			code[i / 8 + byte] = (uint8_t) (bits >> (8 * byte));
	}
	for (int k = 0; k < VECTORS; k++)
		v_store(parts + k * WIDTH, sums[k]);
	*absolute = sum_of_parts(parts);
	for (int k = 0; k < VECTORS; k++)
		v_store(parts + k * WIDTH, signed_sums[k]);
	*signed_center = sum_of_parts(parts);
}

/*
 * Sums are between 1/2 and 255 1/2 up to about 1e-4, so they need no limits
 * when they are cut to whole numbers.
 */
static void
tables(const float *values, uint32_t dim, float scale, uint8_t *tables)
{
	for (uint32_t i = 0; i < dim; i += 4)
	{
		float a = values[i] * scale;
		float b = values[i + 1] * scale;
		float c = values[i + 2] * scale;
		float d = values[i + 3] * scale;

		/* Twice the negative part of a number is its absolute value less itself. */
		float none =
			0.5f + 0.5f * (((fabsf(a) - a) + (fabsf(b) - b)) + ((fabsf(c) - c) + (fabsf(d) - d)));
		Quad low = {none, none + a, none + b, none + (a + b)};
		Quad high = {0, c, d, c + d};

		store_table(tables + 4 * i, low, high);
	}
}

/*
 * The product is cut off at the largest number, so that it never meets an
 * infinite add + key of the other sign.
 */
static void
scan(const QuantiseScan *query, uint32_t dim, const uint8_t *block, float key, float *estimates)
{
	const uint8_t *adds = block + 4 * dim;
	const uint8_t *rescales = adds + QUANTISE_PARTS * sizeof(uint16_t);
	V sums[VECTORS];

	block_sums(query->table, dim, block, sums);
	for (int k = 0; k < VECTORS; k++)
	{
		V add = v_load_bfloat(adds + k * WIDTH * sizeof(uint16_t));
		V rescale = v_load_bfloat(rescales + k * WIDTH * sizeof(uint16_t));
		V product = rescale * (v_set(query->delta) * sums[k] + v_set(query->offset));

		product = v_max(v_min(product, v_set(FLT_MAX)), v_set(-FLT_MAX));
		v_store(estimates + k * WIDTH, add + v_set(key) + product);
	}
}

/* Four objects side by side: they share the loads of the query and the sums at the end. */
INLINE void
four_byte_distances(const uint8_t *query, const void *const *objects, uint32_t dim, float *sums)
{
	I s[4] = {i_zero(), i_zero(), i_zero(), i_zero()};
	uint32_t i = 0;

	for (; i + BYTES <= dim; i += BYTES)
	{
		for (int k = 0; k < 4; k++)
			s[k] = i_add_squares(s[k], query + i, (const uint8_t *) objects[k] + i);
	}
	if (i < dim)
	{
		for (int k = 0; k < 4; k++)
			s[k] = i_add_squares_tail(s[k], query + i, (const uint8_t *) objects[k] + i, dim - i);
	}
	i_sums(s, sums);
}

static void
byte_distances(const uint8_t *query, const void *const *objects, int n, uint32_t dim,
			   float *distances)
{
	int r = 0;

	for (; r + 4 <= n; r += 4)
		four_byte_distances(query, objects + r, dim, distances + r);
	if (r < n)
	{
		const void *rest[4];
		float sums[4];

		for (int k = 0; k < 4; k++)
			rest[k] = objects[r + k < n ? r + k : n - 1];
		four_byte_distances(query, rest, dim, sums);
		for (int k = 0; r + k < n; k++)
			distances[r + k] = sums[k];
	}
}

const QuantiseKernels QUANTISE_KERNELS = {
	.rotate = rotate,
	.residual = residual,
	.signs = signs,
	.tables = tables,
	.scan = scan,
	.byte_distances = byte_distances,
};
