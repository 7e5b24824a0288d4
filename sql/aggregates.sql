-- avg and sum of vector and halfvec, their transition, combine and final functions, and parallel plans.

SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]'::vector, '[3,5,7]']) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]'::vector, '[3,5,7]', NULL]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::vector[]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[NULL::vector]) v;
SELECT avg(v) FROM unnest(ARRAY['[1,2]'::vector, '[3]']) v;
SELECT sum(v) FROM unnest(ARRAY['[1,2]'::vector, '[3]']) v;
SELECT avg(v) FROM unnest(ARRAY['[3e38]'::vector, '[3e38]']) v;
SELECT sum(v) FROM unnest(ARRAY['[3e38]'::vector, '[3e38]']) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY['[1,2,3]'::halfvec, '[3,5,7]', NULL]) v;
SELECT avg(v), sum(v) FROM unnest(ARRAY[]::halfvec[]) v;
SELECT avg(v) FROM unnest(ARRAY['[65504]'::halfvec, '[65504]']) v;
SELECT sum(v) FROM unnest(ARRAY['[65504]'::halfvec, '[65504]']) v;
SELECT avg(v) FROM unnest(ARRAY['[1,2]'::halfvec, '[3]']) v;

-- as a window aggregate, and grouped
SELECT i, avg(v) OVER (ORDER BY i), sum(v) OVER (ORDER BY i ROWS 1 PRECEDING)
FROM (VALUES (1, '[1,2]'::vector), (2, '[3,6]'), (3, '[5,1]')) t(i, v);
SELECT i % 3 AS g, avg(ARRAY[i, i * i]::vector), sum(ARRAY[i, 1]::halfvec) FROM generate_series(1, 9) i GROUP BY g ORDER BY g;

-- the functions by themselves leave their arguments as they are
SELECT vector_accum(s, '[1,2]'), s FROM (VALUES ('{1,10,20}'::float8[])) t(s);
SELECT vector_accum('{0}', '[1,2,3]'), halfvec_accum('{0}', '[1,2,3]'), halfvec_accum('{1,1,1}', '[4,5]');
SELECT vector_accum('{1,1,1}', '[1,2,3]');
SELECT vector_avg('{2,4,6,8}'), halfvec_avg('{2,4,6,8}'), vector_avg('{0}'), vector_avg('{0,1}');
SELECT vector_avg('{1}');
SELECT vector_avg(array_fill(0::float8, ARRAY[16002]));
SELECT vector_avg('{1,1e300}');
SELECT halfvec_avg('{1,70000}');
SELECT vector_avg('{1,NaN}');
SELECT vector_avg('{}');
SELECT vector_avg('{{1}}');
SELECT vector_avg('{NULL}');
SELECT halfvec_accum('{}', '[1]');
SELECT vector_combine('{0}', '{0}'), vector_combine('{0}', '{3,1,2}'), vector_combine('{3,1,2}', '{0}'), vector_combine('{3,1,2}', '{4,10,20}'), halfvec_combine('{1,1}', '{2,2}');
SELECT vector_combine('{3,1,2}', '{4,10}');
SELECT vector_combine('{3,1e308}', '{4,1e308}');
SELECT vector_combine('{}', '{0}');

-- parallel; the values are such that every sum is exact, in whatever order it is made
CREATE TABLE many (v vector(3), h halfvec(2));
INSERT INTO many SELECT ARRAY[i, 2 * i, -i]::vector, ARRAY[i % 3, 1]::halfvec FROM generate_series(1, 1000) i;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v), avg(h), sum(h) FROM many;
SELECT avg(v), sum(v), avg(h), sum(h) FROM many;
DROP TABLE many;
