-- The scan contract beyond a plain ORDER BY ... LIMIT: several orders, ties, large offsets,
-- cursors between other commands, joins that want to go back, parallel query, partitions.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

-- a grid: many rows at equal distances
CREATE TABLE grid AS SELECT i AS id, array_to_vector(ARRAY[i % 40, i / 40 % 40], 2, true) AS v, i % 3 AS category FROM generate_series(1, 1600) i;
CREATE INDEX grid_v ON grid USING hnsw (v);
ANALYZE grid;
SET hnsw.ef_search = 200;

-- several orders: the index follows the first, rows of equal distance are sorted by the others
SELECT same_as_exact($$SELECT v <-> '[20,20]', v <-> '[0,3]' FROM grid ORDER BY v <-> '[20,20]', v <-> '[0,3]' LIMIT 100$$);
SELECT same_as_exact($$SELECT v <-> '[20,20]', v <-> '[0,3]' FROM grid ORDER BY v <-> '[20,20]', v <-> '[0,3]', v <-> '[9,9]'$$);
SELECT same_as_exact($$SELECT v <-> '[20,20]', v <-> '[0,3]' FROM grid WHERE category = 1 ORDER BY v <-> '[20,20]', v <-> '[0,3]' LIMIT 30$$);
-- ties: four rows at distance 1, four at the square root of 2
SELECT same_as_exact($$SELECT v <-> '[20,20]' AS d FROM grid ORDER BY v <-> '[20,20]' FETCH FIRST 2 ROWS WITH TIES$$);
SELECT same_as_exact($$SELECT v <-> '[20,20]' AS d FROM grid ORDER BY v <-> '[20,20]' FETCH FIRST 6 ROWS WITH TIES$$);
-- a large offset, an offset past the end
SELECT same_as_exact($$SELECT v <-> '[20,20]' AS d FROM grid ORDER BY v <-> '[20,20]' LIMIT 5 OFFSET 150$$);
SELECT same_as_exact($$SELECT v <-> '[20,20]' AS d FROM grid ORDER BY v <-> '[20,20]' LIMIT 5 OFFSET 1598$$);
SELECT same_as_exact($$SELECT v <-> '[20,20]' AS d FROM grid ORDER BY v <-> '[20,20]' LIMIT 5 OFFSET 2000$$);

-- the operand: a subquery, an expression of parameters, an outer column, a function call
SELECT same_as_exact($$SELECT v <-> (SELECT v FROM grid WHERE id = 821) FROM grid ORDER BY v <-> (SELECT v FROM grid WHERE id = 821) LIMIT 9$$);
SELECT same_as_exact($$SELECT v <-> ('[20,20]'::vector + '[0.5,0.5]') FROM grid ORDER BY v <-> ('[20,20]'::vector + '[0.5,0.5]') LIMIT 9$$);
SELECT same_as_exact($$SELECT a.id, (SELECT sum(d) FROM (SELECT b.v <-> (a.v + '[0.2,0.3]') AS d FROM grid b ORDER BY b.v <-> (a.v + '[0.2,0.3]') LIMIT 3) AS t)
	FROM generate_series(100, 1500, 200) AS n JOIN grid a ON a.id = n$$);
-- nested: a scan for each row of a scan
SELECT same_as_exact($$SELECT a.d, b.d FROM (SELECT v, v <-> '[20.1,20.2]' AS d FROM grid ORDER BY v <-> '[20.1,20.2]' LIMIT 4) AS a
	CROSS JOIN LATERAL (SELECT grid.v <-> (a.v + '[0.3,0.1]') AS d FROM grid ORDER BY grid.v <-> (a.v + '[0.3,0.1]') LIMIT 2) AS b$$);
-- three scans of one index side by side
SELECT same_as_exact($$(SELECT 1 AS q, v <-> '[1.1,2.2]' AS d FROM grid ORDER BY v <-> '[1.1,2.2]' LIMIT 3) UNION ALL
	(SELECT 2, v <-> '[30.1,2.2]' FROM grid ORDER BY v <-> '[30.1,2.2]' LIMIT 3) UNION ALL
	(SELECT 3, v <-> '[1.1,32.2]' FROM grid WHERE category = 2 ORDER BY v <-> '[1.1,32.2]' LIMIT 3)$$);

-- no scan goes back: a merge join keeps the rows it may want again
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SET enable_sort = off;
CREATE VIEW pairs AS SELECT a.d FROM (SELECT v <-> '[20,20]' AS d FROM grid ORDER BY v <-> '[20,20]' OFFSET 0) AS a
	JOIN (SELECT v <-> '[5,5]' AS d FROM grid ORDER BY v <-> '[5,5]' OFFSET 0) AS b USING (d);
EXPLAIN (COSTS OFF) SELECT * FROM pairs;
SELECT count(*) AS merged FROM pairs;
RESET enable_hashjoin;
SET enable_mergejoin = off;
SELECT count(*) AS hashed FROM pairs;
RESET enable_mergejoin;
RESET enable_nestloop;
RESET enable_sort;

-- a cursor goes on where it was, whatever happens in between
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, v <-> '[20.1,20.3]' AS d FROM grid ORDER BY v <-> '[20.1,20.3]';
FETCH 2 FROM c;
INSERT INTO grid SELECT 2000 + i, '[20.1,20.3]', 0 FROM generate_series(1, 20) i;
DELETE FROM grid WHERE id = 821;
SELECT count(*) FROM (SELECT id FROM grid ORDER BY v <-> '[20.1,20.3]' LIMIT 20) AS t;
FETCH 3 FROM c;
SAVEPOINT s;
UPDATE grid SET category = 5 WHERE v <-> '[20.1,20.3]' < 2;
ROLLBACK TO s;
MOVE 500 FROM c;
FETCH 1 FROM c;
\set VERBOSITY sqlstate
FETCH BACKWARD 1 FROM c;
\set VERBOSITY default
ROLLBACK;
-- held over the end of the transaction
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT v <-> '[20.1,20.3]' AS d FROM grid ORDER BY v <-> '[20.1,20.3]' LIMIT 4;
COMMIT;
FETCH 2 FROM h;
DELETE FROM grid WHERE id = 821;
FETCH 5 FROM h;
CLOSE h;
INSERT INTO grid VALUES (821, '[21,20]', 2);

-- an update that is driven by the scan does not meet its own rows
WITH moved AS (UPDATE grid SET category = category + 10 WHERE id IN (SELECT id FROM grid ORDER BY v <-> '[20,20]' LIMIT 50) RETURNING id)
SELECT count(*), count(DISTINCT id) FROM moved;
SELECT count(*) FROM grid WHERE category >= 10;
SELECT id FROM (SELECT id, v FROM grid ORDER BY v <-> '[20,20]' LIMIT 1 FOR UPDATE) AS t;

-- parallel query: index scans take no part, their results are right inside of one
CREATE FUNCTION pg_temp.force_parallel(mode text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config(name, mode, false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
END
$$;
SELECT pg_temp.force_parallel('on');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET min_parallel_index_scan_size = 0;
SELECT same_as_exact($$SELECT v <-> '[20.1,20.3]' FROM grid ORDER BY v <-> '[20.1,20.3]' LIMIT 20$$);
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM grid ORDER BY v <-> '[20.1,20.3]') AS t;
RESET enable_seqscan;
SELECT count(*) FROM grid a, LATERAL (SELECT id FROM grid b ORDER BY b.v <-> a.v LIMIT 1) AS t WHERE a.id % 100 = 0;
SELECT pg_temp.force_parallel('off');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET min_parallel_index_scan_size;

-- partitions: an ordered append over the indexes of the partitions
CREATE TABLE parts (id int, v vector(2), category int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (500) TO (1100);
CREATE TABLE parts_3 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT id, v, category % 10 FROM grid;
CREATE INDEX parts_v ON parts USING hnsw (v);
ANALYZE parts;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM parts ORDER BY v <-> '[20,12.2]' LIMIT 5;
RESET enable_seqscan;
SELECT same_as_exact($$SELECT v <-> '[20,12.2]' FROM parts ORDER BY v <-> '[20,12.2]' LIMIT 40$$);
SELECT same_as_exact($$SELECT v <-> '[20,12.2]' FROM parts WHERE id < 700 AND category = 1 ORDER BY v <-> '[20,12.2]' LIMIT 40$$);
SET enable_seqscan = off;
SELECT count(*) FROM parts WHERE v <<->> sphere('[20,12.2]'::vector, 3);
SELECT count(*) FROM parts WHERE (v <-> '[20,12.2]') + 0 <= 3;
RESET enable_seqscan;

-- late rows: kept back, returned after all others, and counted
SET hnsw.ef_search = 1;
SET enable_seqscan = off;
CREATE TABLE clusters AS SELECT i AS id, array_to_vector(ARRAY[i % 20 * 100 + (i * 7) % 13, (i * 11) % 17, (i * 5) % 19], 3, true) AS v FROM generate_series(1, 4000) i;
SET max_parallel_maintenance_workers = 0;
CREATE INDEX clusters_v ON clusters USING hnsw (v) WITH (m = 4, ef_construction = 16);
CREATE VIEW late AS
	SELECT count(*) AS rows, count(DISTINCT id) AS ids, count(*) FILTER (WHERE distance < previous) AS steps_back
	FROM (SELECT id, distance, lag(distance) OVER () AS previous
		  FROM (SELECT id, v <-> '[250,8,9]' AS distance FROM clusters ORDER BY v <-> '[250,8,9]') AS t) AS u;
SELECT rows, ids, steps_back FROM late;
SELECT rows, late_rows > 0 AS counted FROM ann_scan_stats();
SET hnsw.iterative_scan = relaxed_order;
SELECT rows, ids, steps_back > 0 AS steps_back FROM late;
SELECT rows, late_rows > 0 AS counted FROM ann_scan_stats();
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;
RESET enable_seqscan;

DROP VIEW late, pairs;
DROP TABLE grid, parts, clusters;
DROP FUNCTION same_as_exact;
