-- Options and settings of vptree: limits, precedence, parameters of classes, what an index of
-- this kind cannot be.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/plan_of.sql
\set ECHO all

CREATE TABLE items (id int, v vector(3), w vector(3), h halfvec(3), n int);
INSERT INTO items SELECT i, array_to_vector(ARRAY[i % 50 + 1, i / 50 + 1, (i * 7) % 11 + 1], 3, true) FROM generate_series(1, 1000) i;

-- limits
CREATE INDEX ON items USING vptree (v) WITH (bucket_size = -1);
CREATE INDEX ON items USING vptree (v) WITH (bucket_size = 10001);
CREATE INDEX ON items USING vptree (v) WITH (path_length = -1);
CREATE INDEX ON items USING vptree (v) WITH (path_length = 17);
CREATE INDEX ON items USING vptree (v) WITH (num_pivot = -1);
CREATE INDEX ON items USING vptree (v) WITH (num_pivot = 65);
CREATE INDEX ON items USING vptree (v) WITH (partition = mvp);
CREATE INDEX ON items USING vptree (v) WITH (alpha_left = -0.5);
CREATE INDEX ON items USING vptree (v) WITH (alpha_right = 'NaN');
CREATE INDEX ON items USING vptree (v) WITH (alpha_right = 1e11);
CREATE INDEX ON items USING vptree (v) WITH (exp_left = -1);
CREATE INDEX ON items USING vptree (v) WITH (exp_right = 101);
CREATE INDEX ON items USING vptree (v) WITH (alpha_pivot = -1);
CREATE INDEX ON items USING vptree (v) WITH (exp_pivot = 101);
CREATE INDEX ON items USING vptree (v) WITH (max_leaves_to_visit = 0);
CREATE INDEX ON items USING vptree (v) WITH (desired_recall = 1.5);
CREATE INDEX ON items USING vptree (v) WITH (desired_recall = 'NaN');
CREATE INDEX ON items USING vptree (v) WITH (tune_k = 0);
CREATE INDEX ON items USING vptree (v) WITH (tune_r = far);
CREATE INDEX ON items USING vptree (v) WITH (tune_qty = 999);
CREATE INDEX ON items USING vptree (v) WITH (min_exp = -1);
CREATE INDEX ON items USING vptree (v) WITH (max_exp = 101);
CREATE INDEX ON items USING vptree (v) WITH (tune_metric = pages);
CREATE INDEX ON items USING vptree (v) WITH (max_iter = 0);
CREATE INDEX ON items USING vptree (v) WITH (max_rec_depth = -1);
CREATE INDEX ON items USING vptree (v) WITH (step_n = 0);
CREATE INDEX ON items USING vptree (v) WITH (add_restart_qty = -1);
CREATE INDEX ON items USING vptree (v) WITH (full_factor = 0.5);
CREATE INDEX ON items USING vptree (v) WITH (m = 16);
CREATE INDEX ON items USING vptree (v) WITH (fillfactor = 70);
SET vptree.alpha_left = -1;
SET vptree.alpha_right = 'NaN';
SET vptree.exp_left = -1;
SET vptree.exp_right = 101;
SET vptree.alpha_pivot = -1;
SET vptree.max_leaves_to_visit = 0;
SET vptree.iterative_scan = on;
SET vptree.max_scan_tuples = -2;
SELECT name, setting, context FROM pg_settings WHERE name LIKE 'vptree.%' ORDER BY name;

-- the smallest and the largest of everything
CREATE INDEX items_v ON items USING vptree (v) WITH (bucket_size = 1, path_length = 0, alpha_left = 0, alpha_right = 0, exp_left = 0, exp_right = 0, max_leaves_to_visit = 1);
INSERT INTO items VALUES (1001, '[1.5,1.5,1.5]');
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[1.5,1.5,1.6]' LIMIT 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1]') AS t;
DROP INDEX items_v;
CREATE INDEX items_v ON items USING vptree (v) WITH (bucket_size = 10000, path_length = 16, alpha_left = 1e10, alpha_right = 1e10, exp_left = 100, exp_right = 100, max_leaves_to_visit = 2147483647);
INSERT INTO items VALUES (1002, '[2.5,2.5,2.5]');
SELECT id FROM items ORDER BY v <-> '[2.5,2.5,2.6]' LIMIT 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1]') AS t;
DROP INDEX items_v;
CREATE INDEX items_v ON items USING vptree (v) WITH (bucket_size = 5, alpha_left = 1e10, alpha_right = 1e10, exp_left = 100, exp_right = 100);
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1]') AS t;
DROP INDEX items_v;

-- Query options: the setting, when somebody has set it, else the index's option, else the
-- default.  Bounds of 0 leave nothing out; stretched ones leave out nearly everything.
CREATE INDEX items_v ON items USING vptree (v) WITH (bucket_size = 20, path_length = 0, num_pivot = 0);
CREATE FUNCTION distances() RETURNS text LANGUAGE plpgsql AS $$
DECLARE distances bigint;
BEGIN
	PERFORM id FROM items ORDER BY v <-> '[20.3,10.2,5.1]' LIMIT 3;
	SELECT s.distances INTO distances FROM ann_scan_stats() s;
	RETURN CASE WHEN distances < 50 THEN 'one bucket' WHEN distances < 1000 THEN 'some' ELSE 'all' END;
END
$$;
SELECT distances();
ALTER INDEX items_v SET (alpha_left = 0, alpha_right = 0);
SELECT distances();
SET vptree.alpha_left = 1000;
SET vptree.alpha_right = 1000;
SELECT distances();
-- set, though to the default
SET vptree.alpha_left = 1;
SET vptree.alpha_right = 1;
SELECT distances();
RESET vptree.alpha_left;
RESET vptree.alpha_right;
SELECT distances();
ALTER INDEX items_v RESET (alpha_left, alpha_right);
SELECT distances();
ALTER INDEX items_v SET (exp_left = 9, exp_right = 9, alpha_left = 1000, alpha_right = 1000);
SELECT distances();
SET vptree.exp_left = 0;
SET vptree.exp_right = 0;
SET vptree.alpha_left = 0.001;
SET vptree.alpha_right = 0.001;
SELECT distances();
RESET vptree.exp_left;
RESET vptree.exp_right;
RESET vptree.alpha_left;
RESET vptree.alpha_right;
ALTER INDEX items_v RESET (exp_left, exp_right, alpha_left, alpha_right);
SET vptree.alpha_left = 0;
SET vptree.alpha_right = 0;
SELECT distances();
ALTER INDEX items_v SET (max_leaves_to_visit = 1);
SELECT distances();
SET vptree.max_leaves_to_visit = 2147483647;
SELECT distances();
RESET vptree.max_leaves_to_visit;
SELECT distances();
ALTER INDEX items_v RESET (max_leaves_to_visit);
SELECT distances();
RESET vptree.alpha_left;
RESET vptree.alpha_right;
BEGIN;
SET LOCAL vptree.max_leaves_to_visit = 1;
SELECT distances();
COMMIT;
SELECT distances();
ALTER FUNCTION distances SET vptree.max_leaves_to_visit = 1;
SELECT distances();
DROP FUNCTION distances;
ALTER INDEX items_v SET (alpha_left = -1);
-- options of the build take effect with the next one
ALTER INDEX items_v SET (bucket_size = 100, partition = kd);
SELECT id FROM items ORDER BY v <-> '[1.5,1.5,1.6]' LIMIT 1;
REINDEX INDEX items_v;
SELECT id FROM items ORDER BY v <-> '[1.5,1.5,1.6]' LIMIT 1;
SELECT reloptions FROM pg_class WHERE relname = 'items_v';
DROP INDEX items_v;
RESET enable_seqscan;

-- a kd-tree needs a space in which coordinates bound the distance
CREATE INDEX ON items USING vptree (v vec_cosine_ops) WITH (partition = kd);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (partition = kd);
CREATE TABLE no_rows (v vector(3));
CREATE INDEX ON no_rows USING vptree (v vec_ip_ops) WITH (partition = kd);
DROP TABLE no_rows;

-- parameters of a class
CREATE INDEX ON items USING vptree (v vec_lp_ops);
CREATE INDEX ON items USING vptree (v vec_lp_ops (p = 0));
CREATE INDEX ON items USING vptree (v vec_renyi_ops (alpha = 1));
CREATE INDEX ON items USING vptree (v vec_alphabeta_ops (alpha = 1));
\set VERBOSITY sqlstate
CREATE INDEX ON items USING vptree (v vec_l2_ops (p = 2));
\set VERBOSITY default

-- kinds of index
CREATE UNIQUE INDEX ON items USING vptree (v);
CREATE INDEX ON items USING vptree (v DESC);
CREATE INDEX ON items USING vptree (v NULLS FIRST);
CREATE INDEX ON items USING vptree (v, w);
CREATE INDEX ON items USING vptree (v) INCLUDE (id);
CREATE INDEX ON items USING vptree (n);
CREATE INDEX ON items USING vptree (h vec_l2_ops);
CREATE INDEX ON items USING vptree (v halfvec_l2_ops);
CREATE INDEX items_v ON items USING vptree (v);
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
