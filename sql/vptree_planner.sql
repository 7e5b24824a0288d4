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
CREATE INDEX items_v ON items USING vptree (v);
CREATE INDEX wide_v ON wide USING vptree (v);
CREATE INDEX tiny_v ON tiny USING vptree (v);
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
-- 32 coordinates: independent ones, of which a tree reads nearly everything, and some that depend
-- on three numbers
CREATE TABLE noise AS
	SELECT i AS id, array_agg((hashint4(i * 32 + j) % 1000)::real ORDER BY j)::vector(32) AS v
	FROM generate_series(1, 5000) i, generate_series(1, 32) j GROUP BY i;
CREATE TABLE curved AS
	SELECT i AS id, array_agg(sin(i % 17 * j / 17.0) + cos(i / 17 % 19 * j / 19.0) + i / 323 * j ORDER BY j)::vector(32) AS v
	FROM generate_series(1, 5000) i, generate_series(1, 32) j GROUP BY i;
CREATE INDEX noise_v ON noise USING vptree (v);
CREATE INDEX curved_v ON curved USING vptree (v);
ANALYZE noise;
ANALYZE curved;
SELECT tab, n, way(format('SELECT id FROM %s ORDER BY v <-> array_to_vector(array_fill(300, ARRAY[32]), 32, true) LIMIT %s', tab, n))
FROM unnest(ARRAY['noise', 'curved']) AS tab, unnest(ARRAY[10, 500]) AS n;
CREATE FUNCTION cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	result json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO result;
	RETURN result -> 0 -> 'Plan' ->> 'Total Cost';
END
$$;
SELECT a.cost > 4 * b.cost AS noise_is_dear FROM cost('SELECT id FROM noise ORDER BY v <-> (SELECT v FROM noise LIMIT 1) LIMIT 10') AS a(cost),
	cost('SELECT id FROM curved ORDER BY v <-> (SELECT v FROM curved LIMIT 1) LIMIT 10') AS b(cost);
-- a limit of buckets makes a tree cheap again
SET vptree.max_leaves_to_visit = 5;
SELECT a.cost < 2 * b.cost AS noise_is_cheap FROM cost('SELECT id FROM noise ORDER BY v <-> (SELECT v FROM noise LIMIT 1) LIMIT 10') AS a(cost),
	cost('SELECT id FROM curved ORDER BY v <-> (SELECT v FROM curved LIMIT 1) LIMIT 10') AS b(cost);
RESET vptree.max_leaves_to_visit;
DROP TABLE noise, curved;

-- Pages count as the search will read them: it looks at many more entries than it computes distances.  With no price
-- on processor time costs are pages; some of those that are visited are visited again, or are pages of the table.
CREATE TABLE even AS
	SELECT i AS id, array_agg((hashint4(i * 8 + j) % 1000)::real ORDER BY j)::vector(8) AS v
	FROM generate_series(1, 10000) i, generate_series(1, 8) j GROUP BY i;
CREATE INDEX even_v ON even USING vptree (v);
ANALYZE even;
CREATE FUNCTION pages(n int, OUT planned float8, OUT visited float8) LANGUAGE plpgsql AS $$
DECLARE
	query vector;
	plan json;
BEGIN
	planned = 0;
	visited = 0;
	FOR query IN SELECT array_agg((hashint4(i * 8 + j) % 1000)::real ORDER BY j) FROM generate_series(20001, 20050) i, generate_series(1, 8) j GROUP BY i LOOP
		EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT id FROM even ORDER BY v <-> %L LIMIT %s', query, n) INTO plan;
		planned = planned + (plan -> 0 -> 'Plan' ->> 'Total Cost')::float8;
		visited = visited + (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::float8 + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::float8;
	END LOOP;
END
$$;
SET cpu_operator_cost = 0;
SET cpu_tuple_cost = 0;
SET cpu_index_tuple_cost = 0;
SET random_page_cost = 1;
SET enable_seqscan = off;
SELECT n, planned BETWEEN visited / 4 AND visited * 2 AS near FROM unnest(ARRAY[10, 100]) AS n, pages(n);
RESET cpu_operator_cost;
RESET cpu_tuple_cost;
RESET cpu_index_tuple_cost;
RESET random_page_cost;
RESET enable_seqscan;
DROP TABLE even;
DROP FUNCTION pages;

-- an index on the filter
CREATE INDEX items_category ON items (category);
SELECT below, way(format('SELECT id FROM items WHERE category < %s ORDER BY v <-> ''[20,30,5,8]'' LIMIT 10', below))
FROM unnest(ARRAY[10000, 5000, 100, 10, 1]) AS below;
DROP INDEX items_category;

-- a partial index: its rows are those that qualify
CREATE INDEX items_part ON items USING vptree (v) WHERE category < 1000;
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

DROP TABLE items, wide, tiny;
DROP FUNCTION way, plan, cost;
