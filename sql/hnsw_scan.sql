-- What an hnsw scan promises: it goes on for as long as it is asked, under filters, in joins
-- and cursors; and what it refuses.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/plan_of.sql
\i sql/include/same_as_exact.sql
\set ECHO all

CREATE TABLE items AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50, (i * 7) % 11, (i * 31) % 17], 4, true) AS v FROM generate_series(1, 3000) i;
CREATE INDEX items_v ON items USING hnsw (v);
ANALYZE items;
SET enable_seqscan = off;

-- more rows than ef_search, up to all of them: each once, and nearly all in order (a row that
-- turns up after farther ones have been returned comes last)
SET hnsw.ef_search = 10;
CREATE VIEW scanned AS
	SELECT row_number() OVER () AS n, id, distance, lag(distance) OVER () AS previous
	FROM (SELECT id, v <-> '[20,30,5,8]' AS distance FROM items ORDER BY v <-> '[20,30,5,8]') AS t;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) <= 1 AS in_order_but_late_rows
FROM (SELECT * FROM scanned OFFSET 0) AS t;
SELECT late_rows < 300 AS few_late_rows, resumed > 5 AS resumed, rows FROM ann_scan_stats();
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[20,30,5,8]' LIMIT 500) AS t;
SET hnsw.ef_search = 400;
SELECT same_as_exact($$SELECT v <-> '[20,30,5,8]' FROM items ORDER BY v <-> '[20,30,5,8]' LIMIT 300$$);
SET hnsw.ef_search = 1;
SELECT count(*), count(DISTINCT id) FROM scanned;
-- relaxed order: the same rows, late ones at once
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM scanned;
-- off: ef_search rows, in order
SET hnsw.iterative_scan = off;
SET hnsw.ef_search = 40;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) AS disordered FROM scanned;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[20,30,5,8]' LIMIT 500) AS t;
SET hnsw.ef_search = 1;
SELECT count(*) FROM scanned;
RESET hnsw.ef_search;
RESET hnsw.iterative_scan;
-- a limit of rows
SET hnsw.max_scan_tuples = 77;
SELECT count(*), count(DISTINCT id) FROM scanned;
SET hnsw.max_scan_tuples = 0;
SELECT count(*) FROM scanned;
RESET hnsw.max_scan_tuples;
DROP VIEW scanned;

-- filters: as many rows as qualify, up to LIMIT
SELECT count(*) FROM (SELECT id FROM items WHERE id % 100 = 1 ORDER BY v <-> '[20,30,5,8]' LIMIT 10) AS t;
SELECT count(*) FROM (SELECT id FROM items WHERE id % 100 = 1 ORDER BY v <-> '[20,30,5,8]' LIMIT 100) AS t;
SELECT count(*) FROM (SELECT id FROM items WHERE id = 2999 ORDER BY v <-> '[20,30,5,8]' LIMIT 10) AS t;
SELECT count(*) FROM (SELECT id FROM items WHERE id < 0 ORDER BY v <-> '[20,30,5,8]' LIMIT 10) AS t;
SET hnsw.ef_search = 3000;
SELECT same_as_exact($$SELECT v <-> '[20,30,5,8]' FROM items WHERE id % 100 = 1 ORDER BY v <-> '[20,30,5,8]' LIMIT 10$$);
SELECT same_as_exact($$SELECT v <-> '[20,30,5,8]' FROM items WHERE v <-> '[20,30,5,8]' < 7 ORDER BY v <-> '[20,30,5,8]'$$);

-- a null query: no row is nearer than another
SELECT count(*), count(DISTINCT id), count(distance) FROM (SELECT id, v <-> NULL AS distance FROM items ORDER BY v <-> NULL) AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> (SELECT NULL::vector)) AS t;

-- joins: a scan for each outer row
CREATE TABLE queries AS SELECT i AS q, array_to_vector(ARRAY[i % 50 + 0.25, i / 50 + 0.5, i % 11, i % 17], 4, true) AS v FROM generate_series(1, 3000, 250) i;
INSERT INTO queries VALUES (0, NULL);
SELECT plan_of($$SELECT * FROM queries CROSS JOIN LATERAL (SELECT id FROM items ORDER BY items.v <-> queries.v LIMIT 3) AS t$$);
SELECT count(*), count(DISTINCT q) FROM queries CROSS JOIN LATERAL (SELECT id FROM items ORDER BY items.v <-> queries.v LIMIT 3) AS t;
SELECT same_as_exact($$SELECT q, distance FROM queries CROSS JOIN LATERAL
	(SELECT items.v <-> queries.v AS distance FROM items ORDER BY items.v <-> queries.v LIMIT 3) AS t WHERE q > 0$$);
SELECT same_as_exact($$SELECT q, (SELECT min(d) FROM (SELECT items.v <-> queries.v AS d FROM items ORDER BY items.v <-> queries.v LIMIT 2) AS t) FROM queries WHERE q > 0$$);
-- two scans of one index at the same time
SELECT a.n, a.distance = b.distance AS same FROM
	(SELECT row_number() OVER () AS n, distance FROM (SELECT v <-> '[1,2,3,4]' AS distance FROM items ORDER BY v <-> '[1,2,3,4]' LIMIT 4) AS t) AS a
	FULL JOIN (SELECT row_number() OVER () AS n, distance FROM (SELECT v <-> '[1,2,3,4]' AS distance FROM items ORDER BY v <-> '[1,2,3,4]' LIMIT 4) AS t) AS b USING (n) ORDER BY 1;
SELECT same_as_exact($$(SELECT 1, v <-> '[1,2,3,4]' FROM items ORDER BY v <-> '[1,2,3,4]' LIMIT 4) UNION ALL (SELECT 2, v <-> '[40,3,2,1]' FROM items ORDER BY v <-> '[40,3,2,1]' LIMIT 4)$$);

-- cursors
BEGIN;
DECLARE c CURSOR FOR SELECT v <-> '[20,30,5,8]' AS distance FROM items ORDER BY v <-> '[20,30,5,8]';
DECLARE d CURSOR FOR SELECT v <-> '[0,0,0,0]' AS distance FROM items ORDER BY v <-> '[0,0,0,0]';
FETCH 3 FROM c;
FETCH 3 FROM d;
FETCH 2 FROM c;
MOVE 2990 FROM c;
FETCH 10 FROM c;
FETCH 2 FROM d;
CLOSE c;
DECLARE s SCROLL CURSOR FOR SELECT v <-> '[0,0,0,0]' AS distance FROM items ORDER BY v <-> '[0,0,0,0]';
FETCH 3 FROM s;
FETCH BACKWARD 2 FROM s;
COMMIT;

-- prepared statements, with the query not known when it is planned
SET plan_cache_mode = force_generic_plan;
PREPARE nearest(vector, int) AS SELECT v <-> $1 AS distance FROM items ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (COSTS OFF) EXECUTE nearest('[20,30,5,8]', 3);
EXECUTE nearest('[20,30,5,8]', 3);
EXECUTE nearest('[1,2,3,4]', 2);
SELECT same_as_exact($$SELECT v <-> '[1,2,3,4]' FROM items ORDER BY v <-> '[1,2,3,4]' LIMIT 2$$);
EXECUTE nearest('[1,2,3]', 2);
EXECUTE nearest(NULL, 2);
DEALLOCATE nearest;
RESET plan_cache_mode;

-- a query of other dimensions: the same error with and without the index
SELECT id FROM items ORDER BY v <-> '[1,2,3]' LIMIT 1;
SET enable_indexscan = off;
SELECT id FROM items ORDER BY v <-> '[1,2,3]' LIMIT 1;
RESET enable_indexscan;
CREATE INDEX items_half ON items USING hnsw ((v::halfvec(4)) halfvec_l2_ops);
SELECT id FROM items ORDER BY v::halfvec(4) <-> '[1,2,3]' LIMIT 1;
DROP INDEX items_half;
SELECT id FROM items ORDER BY v <-> '[1,2,NaN,4]' LIMIT 1;
SELECT id FROM items ORDER BY v <-> '[1,2,Infinity,4]' LIMIT 1;

-- an index of a parametrised space serves its own parameters
CREATE INDEX items_lp ON items USING hnsw (v vec_lp_ops (p = 0.5));
SELECT same_as_exact($$SELECT v <*> lp('[1,2,3,4.5]', 0.5) FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 0.5) LIMIT 5$$);
SELECT id FROM items ORDER BY v <*> lp('[1,2,3]', 0.5) LIMIT 5;
-- a constant query with others is planned without it
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 0.5) LIMIT 5;
SELECT plan_of($$SELECT id FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 3) LIMIT 5$$);
SELECT plan_of($$SELECT id FROM items ORDER BY v <*> alphabeta('[1,2,3,4.5]', 0.5, 1) LIMIT 5$$);
CREATE INDEX items_l3 ON items USING hnsw (v vec_lp_ops (p = 3));
SELECT same_as_exact($$SELECT v <*> lp('[1,2,3,4.5]', 0.5) FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 0.5) LIMIT 5$$);
SELECT same_as_exact($$SELECT v <*> lp('[1,2,3,4.5]', 3) FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 3) LIMIT 5$$);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY lp('[1,2,3,4.5]', 3) <*> v LIMIT 5;
DROP INDEX items_l3;
-- parameters that come to light only while the query runs are compared then
SELECT id FROM items ORDER BY v <*> (SELECT lp('[1,2,3,4.5]', 3)) LIMIT 5;
SELECT id FROM items ORDER BY v <*> (SELECT renyi('[1,2,3,4.5]', 0.5)) LIMIT 5;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <*> (SELECT lp('[1,2,3,4.5]', 0.5)) LIMIT 5) AS t;

-- statistics of the last scan
SELECT id FROM items ORDER BY v <-> '[20.1,30,5,8]' LIMIT 1;
SELECT index, distances BETWEEN 500 AND 3100 AS distances, expanded BETWEEN 500 AND 3100 AS expanded, rows, late_rows, resumed FROM ann_scan_stats();
-- EXPLAIN ANALYZE shows the number of searches where the server counts them (18)
CREATE FUNCTION searches(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	line text;
	result int := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF) ' || query LOOP
		result := result + coalesce(substring(line from 'Index Searches: (\d+)')::int, 0);
	END LOOP;
	RETURN result;
END
$$;
SELECT searches($$SELECT near.id FROM (SELECT v FROM queries LIMIT 3) AS q, LATERAL (SELECT id FROM items ORDER BY v <-> q.v LIMIT 1) AS near$$)
	= CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 3 ELSE 0 END AS as_expected;
DROP FUNCTION searches;
DROP TABLE items, queries;
DROP FUNCTION same_as_exact;
DROP FUNCTION plan_of;
