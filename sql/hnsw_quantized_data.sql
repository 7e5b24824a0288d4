-- Values that are hard to code: equal ones, zeros, NULLs, few rows, far from the origin, huge, tiny.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\i sql/include/quantized.sql
\set ECHO all

SET max_parallel_maintenance_workers = 0;
SET hnsw.ef_search = 1000;

-- every second row is there before the build, the others are inserted, merged and given codes by VACUUM:
-- what a scan returns is compared with a sort at each step
CREATE TABLE items (id int, v vector(64));
CREATE FUNCTION test_values(value text, class text, operator text, query text, n int DEFAULT 200,
	OUT built text, OUT inserted text, OUT merged text, OUT form text) LANGUAGE plpgsql AS $$
DECLARE
	nearest text := format('SELECT v %1$s (%2$s) FROM items WHERE v IS NOT NULL ORDER BY v %1$s (%2$s)', operator, query);
BEGIN
	TRUNCATE items;
	EXECUTE format('INSERT INTO items SELECT i, %s FROM generate_series(1, %s, 2) i', value, n);
	EXECUTE format('CREATE INDEX tested ON items USING hnsw (v %s)', class);
	built := same_as_exact(nearest);
	SET LOCAL hnsw.pending_list_limit = '1GB';
	EXECUTE format('INSERT INTO items SELECT i, %s FROM generate_series(2, %s, 2) i', value, n);
	inserted := same_as_exact(nearest);
	SET LOCAL hnsw.pending_list_limit = 0;
	EXECUTE format('INSERT INTO items SELECT %2$s + 1, %1$s FROM (VALUES (%2$s + 1)) AS t (i)', value, n);
	merged := same_as_exact(nearest);
	SELECT concat_ws(' ', f.quantization, f.problems) INTO form FROM form('tested') f;
	DROP INDEX tested;
END
$$;
CREATE FUNCTION filled(x float8) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT array_fill(x::real, ''{64}'')::vector';

-- NULLs; three different values; one; zeros, alone and among others, and as queries
SELECT * FROM test_values('CASE WHEN i % 10 > 0 THEN coordinates(i, 64)::vector END', '', '<->', 'filled(0.3)');
SELECT * FROM test_values('coordinates(i % 3, 64)', '', '<->', 'filled(0.3)', 400);
SELECT * FROM test_values('coordinates(1, 64)', '', '<->', 'filled(0.3)', 400);
SELECT * FROM test_values('filled(0)', '', '<->', 'filled(0.3)', 400);
SELECT * FROM test_values('CASE WHEN i % 10 > 0 THEN coordinates(i, 64)::vector ELSE filled(0) END', '', '<->', 'filled(0)');
SELECT * FROM test_values('CASE WHEN i % 10 > 0 THEN coordinates(i, 64)::vector ELSE filled(0) END', 'vec_ip_ops', '<#>', 'filled(0.3)');
SELECT * FROM test_values('CASE WHEN i % 10 > 0 THEN coordinates(i, 64)::vector ELSE filled(0) END', 'vec_ip_ops', '<#>', 'filled(0)');
SELECT * FROM test_values('CASE WHEN i % 10 > 0 THEN coordinates(i, 64)::vector ELSE filled(0) END', 'vec_cosine_ops', '<=>', 'coordinates(999, 64)::vector');
-- multiples of each other: the same direction
SELECT * FROM test_values('coordinates(7, 64)::vector * filled(i)', 'vec_cosine_ops', '<=>', 'coordinates(999, 64)::vector', 40);
-- one row; two; one and another far away
SELECT * FROM test_values('coordinates(i, 64)', '', '<->', 'filled(0.3)', 1);
SELECT * FROM test_values('coordinates(i, 64)', '', '<->', 'filled(0.3)', 2);
SELECT * FROM test_values('coordinates(i, 64)::vector + filled(CASE WHEN i % 4 = 1 THEN 1e6 ELSE 0 END)', '', '<->', 'filled(0.3)');
-- far from the origin; huge; so large that distances are infinite, or norms; tiny; so tiny that squares are 0
SELECT * FROM test_values('coordinates(i, 64)::vector + filled(1e4)', '', '<->', 'coordinates(999, 64)::vector + filled(1e4)');
SELECT * FROM test_values('coordinates(i, 64)::vector + filled(1e4)', 'vec_ip_ops', '<#>', 'coordinates(999, 64)::vector + filled(1e4)');
SELECT * FROM test_values('coordinates(i, 64)::vector + filled(1e4)', 'vec_cosine_ops', '<=>', 'coordinates(999, 64)::vector + filled(1e4)');
SELECT class, operator, size, t.* FROM (VALUES ('', '<->'), ('vec_ip_ops', '<#>'), ('vec_cosine_ops', '<=>'), ('vec_angular_ops', '<@>')) c (class, operator),
	unnest('{1e18,1e30,3e38,1e-20,1e-40}'::text[]) size,
	test_values(format('coordinates(i, 64)::vector * filled(%s)', size), class, operator, format('coordinates(999, 64)::vector * filled(%s)', size), 60) t;

-- far from the origin codes are as good as near it: the mean is taken off
SET hnsw.ef_search = 40;
TRUNCATE items;
INSERT INTO items SELECT i, clustered(i, 64) + filled(1e4) FROM generate_series(1, 600) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT search_report('items', '<->', 'clustered(1000 + $i, 64) + filled(1e4)', 0.9);
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vec_cosine_ops);
SELECT search_report('items', '<=>', 'clustered(1000 + $i, 64) + filled(1e4)', 0.9);
DROP INDEX items_v;

-- an empty table, then inserts: no mean, codes nevertheless
TRUNCATE items;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT * FROM form('items_v');
SELECT search_report('items', '<->', 'filled(0.3)', 1, 1);
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1, 600) i;
VACUUM items;
SELECT * FROM form('items_v');
SELECT search_report('items', '<->', 'clustered(1000 + $i, 64)', 0.9);
DROP TABLE items;
DROP FUNCTION test_values, filled, coordinates, clustered, search_report, form, same_as_exact;
