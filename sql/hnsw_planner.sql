-- Which plan is chosen: the index where it is cheaper than reading the rows that qualify.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '64MB';

-- 10,000 rows in the table itself, and 4,000 whose vectors are stored out of line
CREATE TABLE items AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50 % 61, (i * 7) % 11, (i * 31) % 17], 4, true)::vector(4) AS v, (i * 7919) % 10000 AS category
	FROM generate_series(1, 10000) i;
CREATE TABLE wide (id int, v vector(700), category int);
INSERT INTO wide SELECT i, array_to_vector(ARRAY[i % 50, i / 50 % 61, (i * 7) % 11, (i * 31) % 17] || array_fill(0, ARRAY[696]), 700, true), (i * 7919) % 4000
	FROM generate_series(1, 4000) i;
CREATE TABLE tiny AS SELECT * FROM items WHERE id <= 60;
CREATE INDEX items_v ON items USING hnsw (v);
CREATE INDEX wide_v ON wide USING hnsw (v);
CREATE INDEX tiny_v ON tiny USING hnsw (v);
ANALYZE items;
ANALYZE wide;
ANALYZE tiny;

-- the first line of a plan that names a way to read the table
CREATE FUNCTION way(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Scan' THEN
			RETURN regexp_replace(line, '^[ >-]*', '');
		END IF;
	END LOOP;
END
$$;

-- LIMIT: few rows by the index, all rows by a sort
SELECT n, way('SELECT id FROM items ORDER BY v <-> ''[20,30,5,8]'' ' || n)
FROM unnest(ARRAY['LIMIT 1', 'LIMIT 10', 'LIMIT 50', 'LIMIT 10 OFFSET 40', 'LIMIT 9000', '']) AS n;
SELECT way($$SELECT id FROM tiny ORDER BY v <-> '[20,30,5,8]' LIMIT 10$$) AS tiny;
-- LIMIT not known yet, and a cursor
SET plan_cache_mode = force_generic_plan;
PREPARE nearest(vector, int) AS SELECT id FROM items ORDER BY v <-> $1 LIMIT $2;
SELECT way($$EXECUTE nearest('[20,30,5,8]', 10)$$) AS generic;
RESET plan_cache_mode;
SELECT way($$DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> '[20,30,5,8]'$$) AS cursor;
-- a filter: the fewer rows qualify, the sooner it is cheaper to read them all
SELECT below, way(format('SELECT id FROM items WHERE category < %s ORDER BY v <-> ''[20,30,5,8]'' LIMIT 10', below))
FROM unnest(ARRAY[10000, 5000, 100, 10, 1]) AS below;
-- where reading a row means fetching its vector, the index stays cheaper for longer
SELECT below, way(format('SELECT id FROM wide WHERE category < %s ORDER BY v <-> array_to_vector(array_fill(3, ARRAY[700]), 700, true) LIMIT 10', below))
FROM unnest(ARRAY[4000, 2000, 1000, 10, 1]) AS below;
-- a larger ef_search makes the index dearer
SET hnsw.ef_search = 10000;
SELECT way($$SELECT id FROM items ORDER BY v <-> '[20,30,5,8]' LIMIT 10$$);
RESET hnsw.ef_search;
-- an index on the filter
CREATE INDEX items_category ON items (category);
SELECT below, way(format('SELECT id FROM items WHERE category < %s ORDER BY v <-> ''[20,30,5,8]'' LIMIT 10', below))
FROM unnest(ARRAY[10000, 5000, 100, 10, 1]) AS below;
DROP INDEX items_category;

-- a partial index: its rows are those that qualify
CREATE INDEX items_part ON items USING hnsw (v) WHERE category < 1000;
SELECT way($$SELECT id FROM items WHERE category < 1000 ORDER BY v <-> '[20,30,5,8]' LIMIT 10$$);
SELECT way($$SELECT id FROM items WHERE category < 1000 AND id < 5000 ORDER BY v <-> '[20,30,5,8]' LIMIT 10$$);
DROP INDEX items_part;
-- a sphere that is known only when the query runs
SELECT way($$SELECT id FROM items WHERE v <<->> (SELECT sphere('[20,30,5,8]'::vector, 1))$$);

-- range search: by the number of rows within, which the statistics of the column tell
SELECT radius, way(format('SELECT id FROM items WHERE v <<->> sphere(''[20,30,5,8]''::vector, %s)', radius))
FROM unnest(ARRAY[1, 3, 30, 1000]) AS radius;
SELECT radius, way(format('SELECT id FROM items WHERE v <<->> sphere(''[20,30,5,8]''::vector, %s) ORDER BY v <-> ''[20,30,5,8]'' LIMIT 5', radius))
FROM unnest(ARRAY[1, 1000]) AS radius;
CREATE FUNCTION plan(query text) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	result json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO result;
	RETURN result -> 0 -> 'Plan';
END
$$;
-- rows that the planner expects: within a factor of three of those there are
SELECT radius, expected BETWEEN found / 3 AND found * 3 AS near
FROM unnest(ARRAY[10, 20, 40, 100]) AS radius,
	LATERAL (SELECT count(*) AS found FROM items WHERE (v <-> '[20,30,5,8]') + 0 <= radius) AS f,
	LATERAL (SELECT (plan(format('SELECT id FROM items WHERE v <<->> sphere(''[20,30,5,8]''::vector, %s)', radius)) ->> 'Plan Rows')::int AS expected) AS p;

-- the cost of a distance grows with the dimensions, and with values out of line
CREATE FUNCTION cost(query text) RETURNS float8 LANGUAGE sql AS $$SELECT (plan(query) ->> 'Total Cost')::float8$$;
SET enable_indexscan = off;
SELECT cost($$SELECT max(v <-> '[1,2,3,4]') FROM items$$) - cost('SELECT max(id) FROM items') < 10000 * 0.06 AS four_dimensions,
	(cost('SELECT max(v <-> v) FROM wide') - cost('SELECT max(id) FROM wide')) > 4000 * 1.5 AS fetched;
RESET enable_indexscan;

DROP TABLE items, wide, tiny;
DROP FUNCTION way, cost, plan;

-- a lateral subquery's order depends on a value that parallel workers do not have: their plans get no
-- index scan of it, below a parallel append neither (the server does not look)
CREATE TABLE parent (id int, v vector(2));
CREATE TABLE child () INHERITS (parent);
CREATE TABLE centres (id int, v vector(2));
INSERT INTO parent SELECT i, ARRAY[i, i]::float4[]::vector FROM generate_series(1, 20000) i;
INSERT INTO child SELECT * FROM parent;
INSERT INTO centres SELECT i, ARRAY[i, i]::float4[]::vector FROM generate_series(1, 10) i;
CREATE INDEX ON parent USING hnsw (v);
CREATE INDEX ON child USING hnsw (v);
ANALYZE parent, child, centres;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET parallel_leader_participation = off;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SET effective_cache_size = 100;
SET seq_page_cost = 4;
SET random_page_cost = 1.1;
SET cpu_operator_cost = 0;
SELECT count(*) FROM (SELECT v FROM centres ORDER BY id LIMIT 3) AS c,
	LATERAL (SELECT id FROM parent ORDER BY parent.v <-> c.v) AS near;
DROP TABLE parent, child, centres;
