-- What a vptree scan promises: exact order where a metric is behind the space, all rows for as
-- long as it is asked, under filters, in joins and cursors; and what it refuses.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/plan_of.sql
\i sql/include/same_as_exact.sql
\set ECHO all

-- Every space with a metric behind it, vantage points and kd-trees: the nearest 1, 10 and 100 of
-- 2,000 rows, and all, for some queries that are rows and some that are not.
CREATE TABLE points AS
	SELECT i AS id, array_agg(((i * 7919 + j * 104729 + i * i % 10007 * j * 13) % 1000 + 1) / 500.0 ORDER BY j)::vector(6) AS v,
		   array_agg(((i * 7919 + j * 104729 + i * i % 10007 * j * 13) % 1000 + 1) / 500.0 ORDER BY j)::halfvec(6) AS h
	FROM generate_series(1, 2000) i, generate_series(1, 6) j GROUP BY i;
-- on a grid: many rows are equally near
CREATE TABLE grid AS SELECT i AS id, array_to_vector(ARRAY[i % 7 + 1, i / 7 % 7 + 1, i / 49 % 7 + 1, i % 5 + 1], 4, true) AS v FROM generate_series(1, 2000) i;
CREATE FUNCTION check_class(tab regclass, col name, class text, options text, distance text, queries text,
	OUT class_name text, OUT nearest text, OUT nearest_10 text, OUT nearest_100 text, OUT all_rows text)
LANGUAGE plpgsql AS $$
DECLARE
	query text;
	found text[];
BEGIN
	class_name := class || options;
	EXECUTE format('CREATE INDEX checked ON %s USING vptree (%I %s) %s', tab, col, class, options);
	FOR query IN EXECUTE queries LOOP
		SELECT array_agg(same_as_exact(format('SELECT %2$s FROM %1$s ORDER BY %2$s LIMIT %3$s', tab, format(distance, query), n)) ORDER BY n)
		INTO found FROM unnest(ARRAY[1, 10, 100, 5000]) AS n;
		IF coalesce(nearest, found[1]) <> found[1] OR coalesce(nearest_10, found[2]) <> found[2] OR coalesce(nearest_100, found[3]) <> found[3]
			OR coalesce(all_rows, found[4]) <> found[4] THEN
			RAISE EXCEPTION 'query %: %', query, found;
		END IF;
		nearest := found[1];
		nearest_10 := found[2];
		nearest_100 := found[3];
		all_rows := found[4];
	END LOOP;
	DROP INDEX checked;
END
$$;
\set of_points 'SELECT v::text FROM points WHERE id % 400 = 7 UNION ALL VALUES (''[1.1,0.2,0.3,1.9,0.5,1.5]''), (''[9,8,7,6,5,4]'')'
\set of_grid 'SELECT v::text FROM grid WHERE id % 500 = 7 UNION ALL VALUES (''[3.5,3.5,3.5,2.5]''), (''[3,3,3,9]'')'
SELECT c.* FROM (VALUES
	(1, 'vec_l2_ops', 'v <-> %L'), (2, 'vec_cosine_ops', 'v <=> %L'), (3, 'vec_l1_ops', 'v <+> %L'), (4, 'vec_linf_ops', 'v <^> %L'),
	(5, 'vec_angular_ops', 'v <@> %L'), (6, 'vec_lp_ops (p = 0.5)', 'v <*> lp(%L, 0.5)'), (7, 'vec_lp_ops (p = 2)', 'v <*> lp(%L, 2)'),
	(8, 'vec_lp_ops (p = 3.5)', 'v <*> lp(%L, 3.5)'), (9, 'vec_js_ops', 'v <|> %L'), (10, 'vec_jsmetric_ops', 'v <|^|> %L')
	) AS classes(n, class, distance), check_class('points', 'v', class, '', distance, :'of_points') AS c ORDER BY n;
SELECT c.* FROM (VALUES
	(1, 'vec_l2_ops', 'v <-> %L'), (2, 'vec_cosine_ops', 'v <=> %L'), (3, 'vec_l1_ops', 'v <+> %L'), (4, 'vec_linf_ops', 'v <^> %L'),
	(5, 'vec_lp_ops (p = 0.5)', 'v <*> lp(%L, 0.5)'), (6, 'vec_jsmetric_ops', 'v <|^|> %L')
	) AS classes(n, class, distance), check_class('grid', 'v', class, '', distance, :'of_grid') AS c ORDER BY n;
SELECT c.* FROM (VALUES
	(1, 'halfvec_l2_ops', '-'), (2, 'halfvec_cosine_ops', '='), (3, 'halfvec_l1_ops', '+'), (4, 'halfvec_linf_ops', '^'), (5, 'halfvec_angular_ops', '@')
	) AS classes(n, class, op), check_class('points', 'h', class, '', format('h <%s> %%L', op), :'of_points') AS c ORDER BY n;
SELECT c.* FROM (VALUES
	(1, 'vec_l2_ops', 'v <-> %L'), (2, 'vec_l1_ops', 'v <+> %L'), (3, 'vec_linf_ops', 'v <^> %L'), (4, 'vec_lp_ops (p = 0.5)', 'v <*> lp(%L, 0.5)'),
	(5, 'vec_lp_ops (p = 3.5)', 'v <*> lp(%L, 3.5)')
	) AS classes(n, class, distance), check_class('points', 'v', class, ' WITH (partition = kd, bucket_size = 20)', distance, :'of_points') AS c ORDER BY n;
SELECT c.* FROM check_class('points', 'h', 'halfvec_l2_ops', ' WITH (partition = kd)', 'h <-> %L', :'of_points') AS c;
SELECT c.* FROM check_class('grid', 'v', 'vec_l2_ops', ' WITH (partition = kd, bucket_size = 7)', 'v <-> %L', :'of_grid') AS c;
SELECT c.* FROM unnest(ARRAY[' WITH (bucket_size = 1)', ' WITH (bucket_size = 10000)', ' WITH (path_length = 0)', ' WITH (path_length = 16, bucket_size = 5)']) WITH ORDINALITY AS o(options, n),
	check_class('points', 'v', 'vec_l2_ops', options, 'v <-> %L', :'of_points') AS c ORDER BY n;
-- Divergences and inner products: all rows, each once; in order but for the late ones
CREATE FUNCTION check_order(class text, distance text, OUT class_name text, OUT rows bigint, OUT distinct_rows bigint, OUT disordered boolean)
LANGUAGE plpgsql AS $$
BEGIN
	class_name := class;
	EXECUTE format('CREATE INDEX checked ON points USING vptree (v %s)', class);
	PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true);
	EXECUTE format('SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) > 1 FROM
		(SELECT id, distance, lag(distance) OVER () AS previous FROM (SELECT id, %1$s AS distance FROM points ORDER BY %1$s) AS s OFFSET 0) AS t',
		format(distance, '[1.1,0.2,0.3,1.9,0.5,1.5]')) INTO rows, distinct_rows, disordered;
	DROP INDEX checked;
END
$$;
SELECT c.* FROM (VALUES
	(1, 'vec_ip_ops', 'v <#> %L'), (2, 'vec_kl_ops', 'v ||> %L'), (3, 'vec_kl_right_ops', 'v <|| %L'), (4, 'vec_gkl_ops', 'v |+> %L'),
	(5, 'vec_gkl_right_ops', '%L |+> v'), (6, 'vec_is_ops', 'v |/> %L'), (7, 'vec_is_right_ops', '%L |/> v'),
	(8, 'vec_renyi_ops (alpha = 2)', 'v <*> renyi(%L, 2)'), (9, 'vec_alphabeta_ops (alpha = 1, beta = 0.5)', 'v <*> alphabeta(%L, 1, 0.5)')
	) AS classes(n, class, distance), check_order(class, distance) AS c ORDER BY n;

CREATE TABLE items AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50, (i * 7) % 11, (i * 31) % 17], 4, true) AS v FROM generate_series(1, 3000) i;
CREATE INDEX items_v ON items USING vptree (v);
ANALYZE items;
SET enable_seqscan = off;

-- far fewer distances than rows
CREATE VIEW scanned AS
	SELECT row_number() OVER () AS n, id, distance, lag(distance) OVER () AS previous
	FROM (SELECT id, v <-> '[20,30,5,8]' AS distance FROM items ORDER BY v <-> '[20,30,5,8]') AS t;
SELECT same_as_exact($$SELECT v <-> '[20,30,5,8]' FROM items ORDER BY v <-> '[20,30,5,8]' LIMIT 10$$);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[20,30,5,8]' LIMIT 10) AS t;
SELECT index, distances BETWEEN 20 AND 600 AS distances, expanded BETWEEN 5 AND 200 AS expanded, rows, late_rows, resumed FROM ann_scan_stats();
-- all rows, each once, in order
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) AS disordered FROM (SELECT * FROM scanned OFFSET 0) AS t;
SELECT rows, late_rows, resumed FROM ann_scan_stats();
-- stretched bounds: still all rows, but some come late
SET vptree.alpha_left = 4;
SET vptree.alpha_right = 4;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) <= 1 AS in_order_but_late_rows FROM (SELECT * FROM scanned OFFSET 0) AS t;
SELECT rows, late_rows > 0 AS late_rows, resumed FROM ann_scan_stats();
SET vptree.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) > 1 AS disordered FROM (SELECT * FROM scanned OFFSET 0) AS t;
SELECT rows, late_rows > 0 AS late_rows, resumed FROM ann_scan_stats();
RESET vptree.iterative_scan;
RESET vptree.alpha_left;
RESET vptree.alpha_right;
-- a limit of buckets: the rows that they have; then those of as many others
SET vptree.max_leaves_to_visit = 3;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) <= 1 AS in_order_but_late_rows FROM (SELECT * FROM scanned OFFSET 0) AS t;
SELECT rows, late_rows > 0 AS late_rows, resumed > 2 AS resumed FROM ann_scan_stats();
SET vptree.iterative_scan = off;
SELECT count(*) BETWEEN 20 AND 600 AS some, count(*) = count(DISTINCT id) AS each_once, count(*) FILTER (WHERE distance < previous) AS disordered FROM (SELECT * FROM scanned OFFSET 0) AS t;
SELECT rows = distances - (expanded - 3) - 32 AS all_of_three_buckets, late_rows, resumed FROM ann_scan_stats();
RESET vptree.max_leaves_to_visit;
-- without it, all of them
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) AS disordered FROM scanned;
RESET vptree.iterative_scan;
-- a limit of rows
SET vptree.max_scan_tuples = 77;
SELECT count(*), count(DISTINCT id) FROM scanned;
SET vptree.max_scan_tuples = 0;
SELECT count(*) FROM scanned;
RESET vptree.max_scan_tuples;
DROP VIEW scanned;

-- filters: as many rows as qualify, up to LIMIT
SELECT count(*) FROM (SELECT id FROM items WHERE id % 100 = 1 ORDER BY v <-> '[20,30,5,8]' LIMIT 10) AS t;
SELECT count(*) FROM (SELECT id FROM items WHERE id % 100 = 1 ORDER BY v <-> '[20,30,5,8]' LIMIT 100) AS t;
SELECT count(*) FROM (SELECT id FROM items WHERE id = 2999 ORDER BY v <-> '[20,30,5,8]' LIMIT 10) AS t;
SELECT count(*) FROM (SELECT id FROM items WHERE id < 0 ORDER BY v <-> '[20,30,5,8]' LIMIT 10) AS t;
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
SELECT id FROM items ORDER BY v <-> '[1,2,NaN,4]' LIMIT 1;
SELECT id FROM items ORDER BY v <-> '[1,2,Infinity,4]' LIMIT 1;

-- an index of a parametrised space serves its own parameters
CREATE INDEX items_lp ON items USING vptree (v vec_lp_ops (p = 0.5));
SELECT same_as_exact($$SELECT v <*> lp('[1,2,3,4.5]', 0.5) FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 0.5) LIMIT 5$$);
SELECT id FROM items ORDER BY v <*> lp('[1,2,3]', 0.5) LIMIT 5;
-- a constant query with others is planned without it
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 0.5) LIMIT 5;
SELECT plan_of($$SELECT id FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 3) LIMIT 5$$);
SELECT plan_of($$SELECT id FROM items ORDER BY v <*> alphabeta('[1,2,3,4.5]', 0.5, 1) LIMIT 5$$);
CREATE INDEX items_l3 ON items USING vptree (v vec_lp_ops (p = 3));
SELECT same_as_exact($$SELECT v <*> lp('[1,2,3,4.5]', 0.5) FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 0.5) LIMIT 5$$);
SELECT same_as_exact($$SELECT v <*> lp('[1,2,3,4.5]', 3) FROM items ORDER BY v <*> lp('[1,2,3,4.5]', 3) LIMIT 5$$);
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY lp('[1,2,3,4.5]', 3) <*> v LIMIT 5;
DROP INDEX items_l3;
-- parameters that come to light only while the query runs are compared then
SELECT id FROM items ORDER BY v <*> (SELECT lp('[1,2,3,4.5]', 3)) LIMIT 5;
SELECT id FROM items ORDER BY v <*> (SELECT renyi('[1,2,3,4.5]', 0.5)) LIMIT 5;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <*> (SELECT lp('[1,2,3,4.5]', 0.5)) LIMIT 5) AS t;

DROP TABLE items, queries, points, grid;
DROP FUNCTION same_as_exact, check_class, check_order;
DROP FUNCTION plan_of;
