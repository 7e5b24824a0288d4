-- Arithmetic of vector and halfvec: + - * ||, overflow and underflow, dimensions, more than one chunk.

SELECT '[1,2,3]'::vector + '[4,5,6]', '[1,2,3]'::vector - '[4,5,6]', '[1,2,3]'::vector * '[4,5,6]';
SELECT '[1,2,3]'::vector || '[4,5]';
SELECT '[3e38]'::vector + '[3e38]';
SELECT '[-3e38]'::vector - '[3e38]';
SELECT '[1e37]'::vector * '[1e37]';
SELECT '[1e-37]'::vector * '[1e-37]';
SELECT '[0]'::vector * '[1e-37]', '[1e-20]'::vector * '[1e-20]';
SELECT '[1,2]'::vector + '[3]';
SELECT '[1,2]'::vector - '[3]';
SELECT '[1,2]'::vector * '[3]';
SELECT vector_dims(array_fill(0, ARRAY[16000])::vector || '[1]');

SELECT '[1,2,3]'::halfvec + '[4,5,6]', '[1,2,3]'::halfvec - '[4,5,6]', '[1,2,3]'::halfvec * '[4,5,6]';
SELECT '[1,2,3]'::halfvec || '[4,5]';
-- one rounding, to even
SELECT '[2048,2048]'::halfvec + '[1,3]', '[0.1]'::halfvec * '[0.1]';
SELECT '[65519]'::halfvec + '[65519]';
SELECT '[65504]'::halfvec + '[15]';
SELECT '[65504]'::halfvec + '[16]';
SELECT '[-65519]'::halfvec - '[65519]';
SELECT '[65519]'::halfvec * '[65519]';
SELECT '[1e-7]'::halfvec * '[1e-7]';
SELECT '[1,2]'::halfvec + '[3]';
SELECT '[1,2]'::halfvec - '[3]';
SELECT '[1,2]'::halfvec * '[3]';
SELECT vector_dims(array_fill(0, ARRAY[16000])::halfvec || '[1]');

-- long values: computed, converted and compared piece by piece
CREATE TEMPORARY TABLE long AS
	SELECT array_agg(i ORDER BY i)::vector AS v, array_agg(i ORDER BY i)::vector::halfvec AS h
	FROM generate_series(1, 1000) i;
SELECT bool_and(e = 2 * i) FROM long, unnest((v + v)::real[]) WITH ORDINALITY AS t(e, i);
SELECT bool_and(e = i * i) FROM long, unnest((v * v)::real[]) WITH ORDINALITY AS t(e, i);
SELECT bool_and(e = 2 * i) FROM long, unnest((h + h)::real[]) WITH ORDINALITY AS t(e, i);
SELECT bool_and(e = 0) FROM long, unnest((h - h)::real[]) WITH ORDINALITY AS t(e, i);
SELECT bool_and(e = (i - 1) % 1000 + 1), count(*) FROM long, unnest((h || h)::real[]) WITH ORDINALITY AS t(e, i);
-- sqrt(1000 * 1001 * 2001 / 6)
SELECT round(vector_norm(v)::numeric, 6), round(l2_norm(h)::numeric, 6) FROM long;
SELECT bool_and(abs(e - i / 18271.111077) < 1e-6) FROM long, unnest(l2_normalize(v)::real[]) WITH ORDINALITY AS t(e, i);
SELECT bool_and(abs(e - i / 18271.111077) < 5e-5) FROM long, unnest(l2_normalize(h)::real[]) WITH ORDINALITY AS t(e, i);
SELECT position(B'1' IN b), position(B'0' IN substring(b FROM 501)), length(b)
FROM (SELECT binary_quantize(v - array_fill(500, ARRAY[1000])::vector) AS b FROM long) t;
SELECT subvector(v, 300, 3), subvector(h, 998, 9) FROM long;
