/*-------------------------------------------------------------------------
 *
 * kernel_template.h
 *	  The kernels, over the vector operations of one instruction set.
 *
 * No include guard and no prefix: each kernels_<set>.c includes it once, after
 * it has defined KERNELS (the name of its table) and
 *
 *	V, WIDTH				 a vector of WIDTH float32; + - * / work on it
 *	v_set(s)				 s in every lane
 *	v_load(p)				 WIDTH floats from p
 *	v_load_tail(p, tail)	 the first tail (1..WIDTH-1) floats of p, then zeros
 *	v_load_half(p), v_load_half_tail(p, before, tail)
 *							 the same, widened from halves; `before` halves
 *							 ahead of p may be read too
 *	v_load_bytes(p), v_load_bytes_tail(p, before, tail)
 *							 the same, widened from bytes
 *	v_store(p, a)
 *	v_keep(a, tail)			 a with zeros from lane tail on
 *	v_fma(a, b, c)			 a * b + c, rounded once where the hardware can
 *	v_min, v_max, v_abs
 *	v_select_less(a, b, x, y)	lane by lane a < b ? x : y
 *	v_split(a, &e)			 a = m * 2^e, m in [sqrt(1/2), sqrt(2)), for finite
 *							 a > 0, denormal ones too; anything for others
 *	v_scale(a, e)			 a * 2^e for integral e, |e| <= SCALE_LIMIT / 2 + 1
 *	v_sum(a), v_maximum(a)	 of the lanes
 *
 * No loop has a scalar remainder: the tail is one more vector with zeros, which
 * add nothing to a sum (v_keep() where they would).
 *
 *-------------------------------------------------------------------------
 */

#define INLINE static inline __attribute__((always_inline))

/* Exponents that reach zero and infinity from any mantissa */
#define SCALE_LIMIT 250.0f

/* Adding and subtracting it rounds |a| < 2^22 to an integer, ties to even */
#define ROUNDING_SHIFT 12582912.0f /* 1.5 * 2^23 */

#define LOG2_E 1.44269504088896341f
/* ln 2 in two parts; the first has 9 bits, so that multiples are exact */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440054690583e-4f
#define LN2 0.693147180559945309f

/* One object against one query */
typedef struct Row
{
	const void *object;
	const float *query;
	uint32_t dim;
	const float *params;
} Row;

/*
 * Adds WIDTH coordinates from i on, or only the first tail of them when tail is
 * not 0, to the partial result.
 */
typedef V (*Step)(V partial, const Row *row, uint32_t i, uint32_t tail);
typedef V (*Combine)(V a, V b);

INLINE V
v_add(V a, V b)
{
	return a + b;
}

/* a, in whole numbers; |a| < 2^22 */
INLINE V
v_round(V a)
{
	return a + v_set(ROUNDING_SHIFT) - v_set(ROUNDING_SHIFT);
}

INLINE V
load_float32(const void *values, uint32_t i, uint32_t tail)
{
	const float *at = (const float *) values + i;

	return tail == 0 ? v_load(at) : v_load_tail(at, tail);
}

INLINE V
load_float16(const void *values, uint32_t i, uint32_t tail)
{
	const uint16_t *at = (const uint16_t *) values + i;

	return tail == 0 ? v_load_half(at) : v_load_half_tail(at, i, tail);
}

INLINE V
load_uint8(const void *values, uint32_t i, uint32_t tail)
{
	const uint8_t *at = (const uint8_t *) values + i;

	return tail == 0 ? v_load_bytes(at) : v_load_bytes_tail(at, i, tail);
}

/* Four partial results hide the latency of the additions. */
typedef struct Partial
{
	V a, b, c, d;
} Partial;

INLINE Partial
partial_zero(void)
{
	V zero = v_set(0.0f);

	return (Partial){zero, zero, zero, zero};
}

/* 4 * WIDTH coordinates from i on */
INLINE Partial
partial_block(Step step, Partial p, const Row *row, uint32_t i)
{
	p.a = step(p.a, row, i, 0);
	p.b = step(p.b, row, i + WIDTH, 0);
	p.c = step(p.c, row, i + 2 * WIDTH, 0);
	p.d = step(p.d, row, i + 3 * WIDTH, 0);
	return p;
}

/* What is left from i on, less than a block; then all partial results as one */
INLINE V
partial_finish(Step step, Combine combine, Partial p, const Row *row, uint32_t i)
{
	if (i + 2 * WIDTH <= row->dim)
	{
		p.a = step(p.a, row, i, 0);
		p.b = step(p.b, row, i + WIDTH, 0);
		i += 2 * WIDTH;
	}
	if (i + WIDTH <= row->dim)
	{
		p.c = step(p.c, row, i, 0);
		i += WIDTH;
	}
	if (i < row->dim)
		p.d = step(p.d, row, i, row->dim - i);
	return combine(combine(p.a, p.b), combine(p.c, p.d));
}

INLINE V
row_fold(Step step, Combine combine, const Row *row)
{
	Partial p = partial_zero();
	uint32_t i = 0;

	for (; i + 4 * WIDTH <= row->dim; i += 4 * WIDTH)
		p = partial_block(step, p, row, i);
	return partial_finish(step, combine, p, row, i);
}

/*
 * Four rows side by side: they share the loads of the query, and objects that
 * are not in cache are fetched together.  Each row's operations are those of
 * row_fold(), in their order, so its result is the same.
 */
INLINE void
rows_fold(Step step, Combine combine, const Row *rows, V *results)
{
	Partial p = partial_zero();
	Partial q = p;
	Partial r = p;
	Partial s = p;
	uint32_t i = 0;

	for (; i + 4 * WIDTH <= rows[0].dim; i += 4 * WIDTH)
	{
		p = partial_block(step, p, &rows[0], i);
		q = partial_block(step, q, &rows[1], i);
		r = partial_block(step, r, &rows[2], i);
		s = partial_block(step, s, &rows[3], i);
	}
	results[0] = partial_finish(step, combine, p, &rows[0], i);
	results[1] = partial_finish(step, combine, q, &rows[1], i);
	results[2] = partial_finish(step, combine, r, &rows[2], i);
	results[3] = partial_finish(step, combine, s, &rows[3], i);
}

/* A kernel that takes its rows one by one */
#define DEFINE_KERNEL(name, step, combine, reduce)                                        \
	static void name(const float *query, const void *const *objects, int n, uint32_t dim, \
					 const float *params, float *sums)                                    \
	{                                                                                     \
		for (int r = 0; r < n; r++)                                                       \
		{                                                                                 \
			Row row = {objects[r], query, dim, params};                                   \
                                                                                          \
			sums[r] = reduce(row_fold(step, combine, &row));                              \
		}                                                                                 \
	}

/* A kernel that takes them by four, for steps so short that loads count */
#define DEFINE_KERNEL_BY_FOUR(name, step, combine, reduce)                                \
	DEFINE_KERNEL(name##_one, step, combine, reduce)                                      \
	static void name(const float *query, const void *const *objects, int n, uint32_t dim, \
					 const float *params, float *sums)                                    \
	{                                                                                     \
		int r = 0;                                                                        \
                                                                                          \
		for (; r + 4 <= n; r += 4)                                                        \
		{                                                                                 \
			Row rows[4] = {{objects[r], query, dim, params},                              \
						   {objects[r + 1], query, dim, params},                          \
						   {objects[r + 2], query, dim, params},                          \
						   {objects[r + 3], query, dim, params}};                         \
			V results[4];                                                                 \
                                                                                          \
			rows_fold(step, combine, rows, results);                                      \
			sums[r] = reduce(results[0]);                                                 \
			sums[r + 1] = reduce(results[1]);                                             \
			sums[r + 2] = reduce(results[2]);                                             \
			sums[r + 3] = reduce(results[3]);                                             \
		}                                                                                 \
		name##_one(query, objects + r, n - r, dim, params, sums + r);                     \
	}

/*
 * Lp and products, for each element of the object
 */

INLINE V
l2_add(V sum, V x, V q)
{
	V difference = x - q;

	return v_fma(difference, difference, sum);
}

INLINE V
dot_add(V sum, V x, V q)
{
	return v_fma(x, q, sum);
}

INLINE V
l1_add(V sum, V x, V q)
{
	return sum + v_abs(x - q);
}

INLINE V
linf_add(V largest, V x, V q)
{
	return v_max(largest, v_abs(x - q));
}

#define DEFINE_ELEMENT_KERNEL(name, element, combine, reduce)                              \
	INLINE V name##_##element##_step(V partial, const Row *row, uint32_t i, uint32_t tail) \
	{                                                                                      \
		return name##_add(partial, load_##element(row->object, i, tail),                   \
						  load_float32(row->query, i, tail));                              \
	}                                                                                      \
	DEFINE_KERNEL_BY_FOUR(name##_##element, name##_##element##_step, combine, reduce)

DEFINE_ELEMENT_KERNEL(l2, float32, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(l2, float16, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(l2, uint8, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(dot, float32, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(dot, float16, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(dot, uint8, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(l1, float32, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(l1, float16, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(l1, uint8, v_add, v_sum)
DEFINE_ELEMENT_KERNEL(linf, float32, v_max, v_maximum)
DEFINE_ELEMENT_KERNEL(linf, float16, v_max, v_maximum)
DEFINE_ELEMENT_KERNEL(linf, uint8, v_max, v_maximum)

/* exp(r) for |r| <= ln(2) / 2 and a little more: Taylor's series, error 6e-9 */
INLINE V
exp_near_zero(V r)
{
	V e = v_set(1.0f / 5040);

	e = v_fma(e, r, v_set(1.0f / 720));
	e = v_fma(e, r, v_set(1.0f / 120));
	e = v_fma(e, r, v_set(1.0f / 24));
	e = v_fma(e, r, v_set(1.0f / 6));
	e = v_fma(e, r, v_set(1.0f / 2));
	e = v_fma(e, r, v_set(1.0f));
	return v_fma(e, r, v_set(1.0f));
}

/*
 * factor * e^r * 2^n, for r as above and integral |n| <= SCALE_LIMIT: 0 and
 * infinity only where the product is out of range.  Half of the scaling goes
 * before the factor and half after, so that nothing on the way is.
 */
INLINE V
exp_scaled(V factor, V r, V n)
{
	V half = v_round(v_set(0.5f) * n);

	return v_scale(v_scale(exp_near_zero(r), half) * factor, n - half);
}

/* factor * e^a, to about 1 ulp; |a| counts as 173 (2^250) at most */
INLINE V
v_exp_times(V a, V factor)
{
	V limit = v_set(SCALE_LIMIT * LN2);
	V n;
	V r;

	a = v_max(v_min(a, limit), v_set(0.0f) - limit);
	n = v_round(a * v_set(LOG2_E));
	r = v_fma(n, v_set(-LN2_HIGH), a);
	r = v_fma(n, v_set(-LN2_LOW), r);
	return exp_scaled(factor, r, n);
}

/* log2(m) for m in [sqrt(1/2), sqrt(2)): the series of atanh, error 3e-9 */
INLINE V
log2_near_one(V m)
{
	V z = (m - v_set(1.0f)) / (m + v_set(1.0f));
	V square = z * z;
	V s = v_set(1.0f / 9);

	s = v_fma(s, square, v_set(1.0f / 7));
	s = v_fma(s, square, v_set(1.0f / 5));
	s = v_fma(s, square, v_set(1.0f / 3));
	s = v_fma(s, square, v_set(1.0f));
	return v_set(2 * LOG2_E) * z * s;
}

/*
 * a^(high + low) for a >= 0, to a few ulp.  With a = m 2^e the power is
 * 2^(high e) 2^(low e + p log2 m): the first product is exact, so the integral
 * part comes off without the rounding error that a large exponent would carry.
 */
INLINE V
v_power(V a, V high, V low)
{
	V limit = v_set(SCALE_LIMIT);
	V one = v_set(1.0f);
	V e;
	V m = v_split(a, &e);
	V whole = high * e;
	V part = v_fma(low, e, (high + low) * log2_near_one(m));
	V n = v_max(v_min(whole + part, limit), v_set(0.0f) - limit);
	V power;

	n = v_round(n);
	part = (whole - n) + part;
	part = v_max(v_min(part, one), v_set(0.0f) - one);
	power = exp_scaled(one, part * v_set(LN2), n);

	/* 0 and infinity are their own powers */
	power = v_select_less(v_set(0.0f), a, power, a);
	return v_select_less(a, v_set(INFINITY), power, a);
}

INLINE V
lp_step(V sum, const Row *row, uint32_t i, uint32_t tail)
{
	V x = load_float32(row->object, i, tail);
	V q = load_float32(row->query, i, tail);

	return sum + v_power(v_abs(x - q), v_set(row->params[0]), v_set(row->params[1]));
}

DEFINE_KERNEL(lp, lp_step, v_add, v_sum)

/*
 * Divergences.  left and right are values followed by logarithms.
 */

/*
 * Jensen-Shannon.  With m = (x+q)/2 and t = |x-q|/(x+q) a coordinate gives
 * m f(t), f(t) = ((1+t) log(1+t) + (1-t) log(1-t)) / 2, computed
 *	t <= 1/2:	as the power series sum t^2k / (2k (2k-1)), positive terms only
 *	t > 1/2:	as log(1+t) + (1-t)/2 log(min/max), the second logarithm from
 *				the stored ones and the first from its series around t = 3/4
 * so that nothing cancels: equal values give exactly 0, near ones the right
 * digits.  The logarithm of zero (-1e5) meets the factor 1-t = 0.
 */
INLINE V
js_small(V t)
{
	V square = t * t;
	V f = v_set(1.0f / (20 * 19));

	f = v_fma(f, square, v_set(1.0f / (18 * 17)));
	f = v_fma(f, square, v_set(1.0f / (16 * 15)));
	f = v_fma(f, square, v_set(1.0f / (14 * 13)));
	f = v_fma(f, square, v_set(1.0f / (12 * 11)));
	f = v_fma(f, square, v_set(1.0f / (10 * 9)));
	f = v_fma(f, square, v_set(1.0f / (8 * 7)));
	f = v_fma(f, square, v_set(1.0f / (6 * 5)));
	f = v_fma(f, square, v_set(1.0f / (4 * 3)));
	f = v_fma(f, square, v_set(1.0f / (2 * 1)));
	return f * square;
}

INLINE V
js_large(V t, V rest, V log_ratio)
{
	V w = v_fma(t, v_set(1 / 1.75f), v_set(-0.75f / 1.75f)); /* 1 + t = 1.75 (1 + w) */
	V f = v_set(-1.0f / 8);

	f = v_fma(f, w, v_set(1.0f / 7));
	f = v_fma(f, w, v_set(-1.0f / 6));
	f = v_fma(f, w, v_set(1.0f / 5));
	f = v_fma(f, w, v_set(-1.0f / 4));
	f = v_fma(f, w, v_set(1.0f / 3));
	f = v_fma(f, w, v_set(-1.0f / 2));
	f = v_fma(f, w, v_set(1.0f));
	f = v_fma(f, w, v_set(0.559615787935422686f)); /* log 1.75 */
	return v_fma(v_set(0.5f) * rest, log_ratio, f);
}

INLINE V
js_step(V sum, const Row *row, uint32_t i, uint32_t tail)
{
	const float *object = row->object;
	V half = v_set(0.5f);
	V x = load_float32(object, i, tail);
	V q = load_float32(row->query, i, tail);
	V log_x = load_float32(object + row->dim, i, tail);
	V log_q = load_float32(row->query + row->dim, i, tail);
	V mean = half * x + half * q;
	V inverse = v_set(1.0f) / v_max(mean, v_set(FLT_MIN));
	V t = half * v_abs(x - q) * inverse;
	V rest = v_min(x, q) * inverse; /* 1 - t */
	V log_ratio = v_set(0.0f) - v_abs(log_x - log_q);
	V f = v_select_less(half, t, js_large(t, rest, log_ratio), js_small(t));

	return v_fma(mean, f, sum);
}

DEFINE_KERNEL(js, js_step, v_add, v_sum)

/* Kullback-Leibler */
INLINE V
kl_add(V sum, const float *left, const float *right, const Row *row, uint32_t i, uint32_t tail)
{
	V x = load_float32(left, i, tail);
	V log_x = load_float32(left + row->dim, i, tail);
	V log_y = load_float32(right + row->dim, i, tail);

	return v_fma(x, log_x - log_y, sum);
}

/* Generalised Kullback-Leibler */
INLINE V
gkl_add(V sum, const float *left, const float *right, const Row *row, uint32_t i, uint32_t tail)
{
	V x = load_float32(left, i, tail);
	V y = load_float32(right, i, tail);
	V log_x = load_float32(left + row->dim, i, tail);
	V log_y = load_float32(right + row->dim, i, tail);

	return sum + v_fma(x, log_x - log_y, y - x);
}

/*
 * Itakura-Saito; x/y - 1 as (x-y)/y, which rounds less when x is near y.  The
 * zeros of a tail would divide by zero.
 */
INLINE V
is_add(V sum, const float *left, const float *right, const Row *row, uint32_t i, uint32_t tail)
{
	V x = load_float32(left, i, tail);
	V y = load_float32(right, i, tail);
	V log_x = load_float32(left + row->dim, i, tail);
	V log_y = load_float32(right + row->dim, i, tail);
	V term = (x - y) / y - (log_x - log_y);

	return sum + (tail == 0 ? term : v_keep(term, tail));
}

#define DEFINE_BOTH_SIDES(name)                                                  \
	INLINE V name##_step(V sum, const Row *row, uint32_t i, uint32_t tail)       \
	{                                                                            \
		return name##_add(sum, row->object, row->query, row, i, tail);           \
	}                                                                            \
	INLINE V name##_right_step(V sum, const Row *row, uint32_t i, uint32_t tail) \
	{                                                                            \
		return name##_add(sum, row->query, row->object, row, i, tail);           \
	}                                                                            \
	DEFINE_KERNEL(name, name##_step, v_add, v_sum)                               \
	DEFINE_KERNEL(name##_right, name##_right_step, v_add, v_sum)

DEFINE_BOTH_SIDES(kl)
DEFINE_BOTH_SIDES(gkl)
DEFINE_BOTH_SIDES(is)

INLINE V
renyi_step(V sum, const Row *row, uint32_t i, uint32_t tail)
{
	const float *object = row->object;
	V x = load_float32(object, i, tail);
	V log_x = load_float32(object + row->dim, i, tail);
	V log_q = load_float32(row->query + row->dim, i, tail);

	return sum + v_exp_times(v_set(row->params[0]) * (log_x - log_q), x);
}

DEFINE_KERNEL(renyi, renyi_step, v_add, v_sum)

INLINE V
alphabeta_step(V sum, const Row *row, uint32_t i, uint32_t tail)
{
	const float *object = row->object;
	V log_x = load_float32(object + row->dim, i, tail);
	V log_q = load_float32(row->query + row->dim, i, tail);
	V power = v_fma(v_set(row->params[0]), log_x, v_set(row->params[1]) * log_q);
	V term = v_exp_times(power, v_set(1.0f));

	return sum + (tail == 0 ? term : v_keep(term, tail));
}

DEFINE_KERNEL(alphabeta, alphabeta_step, v_add, v_sum)

/*
 * What graphs of asymmetric divergences choose their links by (README).
 */

/* Jeffreys: KL in both directions; the same bits when the values change places */
INLINE V
jeffreys_step(V sum, const Row *row, uint32_t i, uint32_t tail)
{
	const float *object = row->object;
	V x = load_float32(object, i, tail);
	V q = load_float32(row->query, i, tail);
	V log_x = load_float32(object + row->dim, i, tail);
	V log_q = load_float32(row->query + row->dim, i, tail);

	return v_fma(x - q, log_x - log_q, sum);
}

DEFINE_KERNEL_BY_FOUR(jeffreys, jeffreys_step, v_add, v_sum)

/* Squared difference of the logarithms, levelling off at 1 / params[0]; symmetric */
INLINE V
log_ratio_step(V sum, const Row *row, uint32_t i, uint32_t tail)
{
	const float *object = row->object;
	V difference =
		load_float32(object + row->dim, i, tail) - load_float32(row->query + row->dim, i, tail);
	V square = difference * difference;

	return sum + square / v_fma(square, v_set(row->params[0]), v_set(1.0f));
}

DEFINE_KERNEL_BY_FOUR(log_ratio, log_ratio_step, v_add, v_sum)

/* Itakura-Saito of square roots, the object on the right: with u half the
 * difference of logarithms, e^u - 1 - u */
INLINE V
root_is_right_step(V sum, const Row *row, uint32_t i, uint32_t tail)
{
	const float *object = row->object;
	V log_x = load_float32(object + row->dim, i, tail);
	V log_q = load_float32(row->query + row->dim, i, tail);
	V one = v_set(1.0f);
	V u = v_set(0.5f) * (log_q - log_x);

	return sum + ((v_exp_times(u, one) - one) - u);
}

DEFINE_KERNEL(root_is_right, root_is_right_step, v_add, v_sum)

/*
 * Encoding
 *
 * No fused operations from here on: results are the same on every set.
 */

typedef V (*Load)(const void *values, uint32_t i, uint32_t tail);

/*
 * Sum of squares in KERNEL_SQUARE_LANES partial sums, then by halves.  The zeros
 * of a tail change no bit, since no partial sum is -0.
 */
INLINE float
square_sum(Load load, const void *values, uint32_t dim)
{
	V partial[KERNEL_SQUARE_LANES / WIDTH];
	float sums[KERNEL_SQUARE_LANES];
	uint32_t i = 0;

	for (int k = 0; k < KERNEL_SQUARE_LANES / WIDTH; k++)
		partial[k] = v_set(0.0f);
	for (; i + KERNEL_SQUARE_LANES <= dim; i += KERNEL_SQUARE_LANES)
	{
		for (int k = 0; k < KERNEL_SQUARE_LANES / WIDTH; k++)
		{
			V x = load(values, i + k * WIDTH, 0);

			partial[k] += x * x;
		}
	}
	for (int k = 0; i < dim; k++, i += WIDTH)
	{
		V x = load(values, i, i + WIDTH <= dim ? 0 : dim - i);

		partial[k] += x * x;
	}
	for (int k = 0; k < KERNEL_SQUARE_LANES / WIDTH; k++)
		v_store(sums + k * WIDTH, partial[k]);
	for (int half = KERNEL_SQUARE_LANES / 2; half > 0; half /= 2)
	{
		for (int j = 0; j < half; j++)
			sums[j] += sums[j + half];
	}
	return sums[0];
}

static float
squares_float32(const void *values, uint32_t dim)
{
	return square_sum(load_float32, values, dim);
}

static float
squares_float16(const void *values, uint32_t dim)
{
	return square_sum(load_float16, values, dim);
}

static float
squares_uint8(const void *values, uint32_t dim)
{
	return square_sum(load_uint8, values, dim);
}

/* Lanes are independent: the compiler may take as many as it likes. */
static void
logarithms(const float *values, float *result, size_t count)
{
	for (size_t i = 0; i < count; i++)
		result[i] = logarithm(values[i]);
}

static void
widen(const uint16_t *half, float *single, size_t count)
{
	size_t i = 0;

	for (; i + WIDTH <= count; i += WIDTH)
		v_store(single + i, v_load_half(half + i));
	for (; i < count; i++)
		single[i] = half_to_float(half[i]);
}

static void
widen_bytes(const uint8_t *bytes, float *single, size_t count)
{
	size_t i = 0;

	for (; i + WIDTH <= count; i += WIDTH)
		v_store(single + i, v_load_bytes(bytes + i));
	for (; i < count; i++)
		single[i] = bytes[i];
}

const KernelTable KERNELS = {
	.l2 = {l2_float32, l2_float16, l2_uint8},
	.dot = {dot_float32, dot_float16, dot_uint8},
	.l1 = {l1_float32, l1_float16, l1_uint8},
	.linf = {linf_float32, linf_float16, linf_uint8},
	.lp = lp,
	.js = js,
	.kl = kl,
	.kl_right = kl_right,
	.gkl = gkl,
	.gkl_right = gkl_right,
	.is = is,
	.is_right = is_right,
	.renyi = renyi,
	.alphabeta = alphabeta,
	.jeffreys = jeffreys,
	.log_ratio = log_ratio,
	.root_is_right = root_is_right,
	.squares = {squares_float32, squares_float16, squares_uint8},
	.logarithms = logarithms,
	.widen = widen,
	.widen_bytes = widen_bytes,
};
