-- Options and settings of hnsw: limits, precedence, parameters of classes, what an index
-- of this kind cannot be.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/plan_of.sql
\set ECHO all

CREATE TABLE items (id int, v vector(3), w vector(3), h halfvec(3), n int);
INSERT INTO items SELECT i, array_to_vector(ARRAY[i % 50 + 1, i / 50 + 1, (i * 7) % 11 + 1], 3, true) FROM generate_series(1, 1000) i;

-- limits
CREATE INDEX ON items USING hnsw (v) WITH (m = 1);
CREATE INDEX ON items USING hnsw (v) WITH (m = 101);
CREATE INDEX ON items USING hnsw (v) WITH (ef_construction = 3);
CREATE INDEX ON items USING hnsw (v) WITH (ef_construction = 1001);
CREATE INDEX ON items USING hnsw (v) WITH (m = 16, ef_construction = 31);
CREATE INDEX ON items USING hnsw (v) WITH (m = 33);
CREATE INDEX ON items USING hnsw (v) WITH (ef_search = 10001);
CREATE INDEX ON items USING hnsw (v) WITH (ef_search = -1);
CREATE INDEX ON items USING hnsw (v) WITH (m = many);
CREATE INDEX ON items USING hnsw (v) WITH (lists = 10);
CREATE INDEX ON items USING hnsw (v) WITH (fillfactor = 70);
SET hnsw.ef_search = 0;
SET hnsw.ef_search = 10001;
SET hnsw.iterative_scan = on;
SET hnsw.max_scan_tuples = -2;
SHOW hnsw.ef_search;
SHOW hnsw.iterative_scan;
SHOW hnsw.max_scan_tuples;

-- the smallest and the largest work
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 2, ef_construction = 4);
INSERT INTO items VALUES (1001, '[1.5,1.5,1.5]');
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[1.5,1.5,1.6]' LIMIT 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1]') AS t;
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 100, ef_construction = 1000, ef_search = 10000);
INSERT INTO items VALUES (1002, '[2.5,2.5,2.5]');
SELECT id FROM items ORDER BY v <-> '[2.5,2.5,2.6]' LIMIT 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1]') AS t;
DROP INDEX items_v;

-- ef_search: the setting, when somebody has set it, else the index's option, else 40.  A
-- search expands as many vertices as ef_search has it keep, and those of the layers above.
CREATE INDEX items_v ON items USING hnsw (v);
CREATE FUNCTION searched_with() RETURNS text LANGUAGE plpgsql AS $$
DECLARE expanded bigint;
BEGIN
	PERFORM id FROM items ORDER BY v <-> '[20,10,5]' LIMIT 1;
	SELECT s.expanded INTO expanded FROM ann_scan_stats() s;
	RETURN CASE WHEN expanded < 10 THEN 'too few' WHEN expanded < 40 THEN 'about 10' WHEN expanded < 80 THEN 'about 40'
		WHEN expanded < 180 THEN 'too many' WHEN expanded < 260 THEN 'about 200' ELSE 'too many' END;
END
$$;
SELECT searched_with();
ALTER INDEX items_v SET (ef_search = 200);
SELECT searched_with();
SET hnsw.ef_search = 10;
SELECT searched_with();
SET hnsw.ef_search = 40;
SELECT searched_with();
RESET hnsw.ef_search;
SELECT searched_with();
ALTER INDEX items_v RESET (ef_search);
SELECT searched_with();
BEGIN;
SET LOCAL hnsw.ef_search = 200;
SELECT searched_with();
COMMIT;
SELECT searched_with();
ALTER FUNCTION searched_with SET hnsw.ef_search = 10;
SELECT searched_with();
DROP FUNCTION searched_with;
ALTER INDEX items_v SET (ef_search = 10001);
-- options of the build take effect with the next one
ALTER INDEX items_v SET (m = 8);
SELECT id FROM items ORDER BY v <-> '[1.5,1.5,1.6]' LIMIT 1;
REINDEX INDEX items_v;
SELECT id FROM items ORDER BY v <-> '[1.5,1.5,1.6]' LIMIT 1;
SELECT reloptions FROM pg_class WHERE relname = 'items_v';
ALTER INDEX items_v SET (m = 40);
REINDEX INDEX items_v;
DROP INDEX items_v;
RESET enable_seqscan;

-- parameters of a class
CREATE INDEX ON items USING hnsw (v vec_lp_ops);
CREATE INDEX ON items USING hnsw (v vec_lp_ops (p = 0));
CREATE INDEX ON items USING hnsw (v vec_lp_ops (p = -1));
CREATE INDEX ON items USING hnsw (v vec_lp_ops (p = 'NaN'));
CREATE INDEX ON items USING hnsw (v vec_lp_ops (p = 'Infinity'));
CREATE INDEX ON items USING hnsw (v vec_lp_ops (p = half));
CREATE INDEX ON items USING hnsw (v vec_lp_ops (q = 1));
CREATE INDEX ON items USING hnsw (v vec_lp_ops (p = 1, alpha = 2));
CREATE INDEX ON items USING hnsw (v vec_renyi_ops);
CREATE INDEX ON items USING hnsw (v vec_renyi_ops (alpha = 1));
CREATE INDEX ON items USING hnsw (v vec_renyi_ops (alpha = 0));
CREATE INDEX ON items USING hnsw (v vec_alphabeta_ops (alpha = 1));
CREATE INDEX ON items USING hnsw (v vec_alphabeta_ops (beta = 1));
CREATE INDEX ON items USING hnsw (v vec_alphabeta_ops (alpha = 'Infinity', beta = 1));
\set VERBOSITY sqlstate
CREATE INDEX ON items USING hnsw (v vec_l2_ops (p = 2));
\set VERBOSITY default
CREATE TABLE no_rows (v vector(3));
CREATE INDEX ON no_rows USING hnsw (v vec_lp_ops);
CREATE UNLOGGED TABLE unlogged_rows (v vector(3));
CREATE INDEX ON unlogged_rows USING hnsw (v vec_lp_ops);
DROP TABLE no_rows, unlogged_rows;

-- kinds of index
CREATE UNIQUE INDEX ON items USING hnsw (v);
CREATE INDEX ON items USING hnsw (v DESC);
CREATE INDEX ON items USING hnsw (v NULLS FIRST);
CREATE INDEX ON items USING hnsw (v, w);
CREATE INDEX ON items USING hnsw (v) INCLUDE (id);
CREATE INDEX ON items USING hnsw (n);
CREATE INDEX ON items USING hnsw (h vec_l2_ops);
CREATE INDEX ON items USING hnsw (v halfvec_l2_ops);
CREATE INDEX items_v ON items USING hnsw (v);
CLUSTER items USING items_v;

-- an index offers nothing but the order of its distance, in one direction
SET enable_seqscan = off;
SELECT plan_of($$SELECT * FROM items WHERE v = '[1,2,3]'$$);
SELECT plan_of($$SELECT * FROM items WHERE v <-> '[1,2,3]' < 1$$);
SELECT plan_of($$SELECT count(*) FROM items$$);
SELECT plan_of($$SELECT v FROM items WHERE v IS NULL$$);
SELECT plan_of($$SELECT * FROM items ORDER BY v <-> '[1,2,3]' DESC LIMIT 1$$);
SELECT plan_of($$SELECT * FROM items ORDER BY v <=> '[1,2,3]' LIMIT 1$$);
SELECT plan_of($$SELECT * FROM items ORDER BY v <-> w LIMIT 1$$);
RESET enable_seqscan;
DROP TABLE items;
DROP FUNCTION plan_of;
