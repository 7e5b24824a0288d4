-- Auto-tuning of vptree: at CREATE INDEX, and with one's own queries.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
SET max_parallel_maintenance_workers = 0;

-- 3,000 distributions over 6 topics, and 100 others
CREATE FUNCTION distribution(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	WITH weights AS (SELECT d, exp(hashint4(i * 16 + d) % 1000 / 300.0)::float8 AS w FROM generate_series(1, 6) d)
	SELECT array_agg(w / (SELECT sum(w) FROM weights) ORDER BY d)::vector(6) FROM weights
$$;
CREATE TABLE items AS SELECT i AS id, distribution(i) AS v, distribution(i)::halfvec(6) AS h FROM generate_series(1, 3000) i;
CREATE TABLE queries AS SELECT i AS id, distribution(i) AS v FROM generate_series(100001, 100100) i;
SELECT count(DISTINCT v) FROM items;

-- share of the true ten nearest that are found, and distances computed, by an operator
SET enable_seqscan = off;
CREATE FUNCTION measure(operator text, OUT recall numeric, OUT distances numeric) LANGUAGE plpgsql AS $$
DECLARE
	query record;
	more int;
	hits int := 0;
	computed bigint := 0;
BEGIN
	FOR query IN SELECT v FROM queries ORDER BY id LOOP
		EXECUTE format('CREATE TEMPORARY TABLE found AS SELECT id FROM items ORDER BY v %s $1 LIMIT 10', operator) USING query.v;
		computed := computed + (SELECT s.distances FROM ann_scan_stats() s);
		EXECUTE format('SELECT count(*) FROM found JOIN (SELECT id FROM items ORDER BY (v %s $1) + 0 LIMIT 10) e USING (id)', operator) INTO more USING query.v;
		hits := hits + more;
		DROP TABLE found;
	END LOOP;
	recall := hits / 1000.0;
	distances := computed / 100.0;
END
$$;

-- A tuning takes 1,200 rows, also where fewer are asked for.
CREATE INDEX items_v ON items USING vptree (v vec_l2_ops) WITH (desired_recall = 0.9, tune_k = 10, tune_qty = 1000);
SELECT value AS tuned FROM ann_index_info('items_v') WHERE property = 'tuned';
DROP INDEX items_v;

-- Without tuning the divergence is pruned too much; with it the recall is as desired, for
-- fewer distances than there are rows.
CREATE INDEX items_v ON items USING vptree (v vec_kl_ops) WITH (bucket_size = 10);
SELECT recall < 0.8 AS "too low" FROM measure('||>');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING vptree (v vec_kl_ops) WITH (bucket_size = 10, desired_recall = 0.95, tune_k = 10, add_restart_qty = 1);
SELECT property, value FROM ann_index_info('items_v') WHERE property IN ('tuned', 'tune_k', 'tune_r', 'num_pivot', 'path_length', 'exact');
SELECT count(*) FROM ann_index_info('items_v') WHERE property IN ('exp_left', 'exp_right') AND value IN ('1', '2')
	OR property = 'alpha_pivot' AND value::float8 > 0 OR property = 'exp_pivot' AND value::float8 BETWEEN 1 AND 4;
SELECT recall BETWEEN 0.92 AND 0.98 AS "as desired", distances < 800 AS "fewer" FROM measure('||>');
SELECT i.value::float8 BETWEEN 0.95 AND 0.97 AS "as reached" FROM ann_index_info('items_v') i WHERE property = 'tuned_recall';
SELECT abs(3000 / m.distances / i.value::numeric - 1) < 0.3 AS "as promised"
FROM measure('||>') m, ann_index_info('items_v') i WHERE property = 'tuned_improvement';

-- The distances to the pivots of the table tell of most entries that they are too far.
-- What was tuned for them goes with what was tuned for nodes.
CREATE TABLE by_table AS SELECT * FROM measure('||>');
SET vptree.alpha_pivot = 0;
SELECT m.recall >= t.recall AS "no less found", m.distances > 1.2 * t.distances AS more FROM measure('||>') m, by_table t;
RESET vptree.alpha_pivot;
SET vptree.alpha_left = 0;
SET vptree.alpha_right = 0;
SELECT value FROM ann_index_info('items_v') WHERE property = 'alpha_pivot';
SELECT recall = 1 AS "all found" FROM measure('||>');
SET vptree.alpha_pivot = 1e10;
SET vptree.exp_pivot = 1.5;
SELECT property, value FROM ann_index_info('items_v') WHERE property IN ('alpha_pivot', 'exp_pivot');
SELECT recall < 0.5 AS "too low" FROM measure('||>');
RESET vptree.alpha_left;
RESET vptree.alpha_right;
RESET vptree.alpha_pivot;
RESET vptree.exp_pivot;
-- what came later has its distances, too; all rows come, those that were left out included
INSERT INTO items SELECT i, distribution(i), distribution(i)::halfvec(6) FROM generate_series(3001, 4500) i;
SELECT recall BETWEEN 0.9 AND 0.99 AS "as desired", distances < 1200 AS "fewer" FROM measure('||>');
SELECT count(*) FROM ann_check('items_v', true);
DELETE FROM items WHERE id > 3000;
VACUUM items;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v ||> distribution(100001) LIMIT 10000) s;

-- with queries of one's own: the metapage changes, and with it what scans do
CREATE TABLE tuned AS SELECT * FROM vptree_tune('items_v', (SELECT array_agg(v ORDER BY id) FROM queries), 0.8, 10);
SELECT recall BETWEEN 0.8 AND 0.85 AS "as desired", improvement > 4 AS faster, exp_left BETWEEN 1 AND 2 AND exp_right BETWEEN 1 AND 2 AS exponents, alpha_pivot > 0 AND exp_pivot BETWEEN 1 AND 4 AS "by table" FROM tuned;
SELECT abs(i.value::float8 - t.alpha_left) < 1e-4 AS stored FROM tuned t, ann_index_info('items_v') i WHERE property = 'alpha_left';
SELECT m.recall BETWEEN 0.75 AND 0.88 AS "as desired" FROM measure('||>') m;
SELECT recall >= 0.9 AS "as desired" FROM vptree_tune('items_v', (SELECT array_agg(v ORDER BY id) FROM queries), 0.9, tune_r => 0.05);
SELECT property, value FROM ann_index_info('items_v') WHERE property IN ('tuned', 'tune_k', 'tune_r');
SELECT count(*) FROM ann_check('items_v');
DROP INDEX items_v;

-- without a pivot table there is a rule for nodes alone
CREATE INDEX items_v ON items USING vptree (v vec_kl_ops) WITH (num_pivot = 0, bucket_size = 10, desired_recall = 0.95, tune_k = 10, max_exp = 1, add_restart_qty = 1);
SELECT property, value FROM ann_index_info('items_v') WHERE property IN ('num_pivot', 'exp_left', 'exp_right', 'alpha_pivot');
SELECT m.recall BETWEEN 0.92 AND 0.98 AS "as desired", m.distances BETWEEN 1.2 * t.distances AND 1500 AS "more" FROM measure('||>') m, by_table t;
DROP INDEX items_v;

-- Where there is a metric bounds are exact, and stretching them trades recall for speed.
CREATE INDEX items_v ON items USING vptree (v vec_js_ops) WITH (bucket_size = 10);
CREATE TABLE exact AS SELECT * FROM measure('<|>');
SELECT recall FROM exact;
DROP INDEX items_v;
CREATE INDEX items_v ON items USING vptree (v vec_js_ops) WITH (bucket_size = 10, desired_recall = 0.9, tune_k = 10, add_restart_qty = 1);
SELECT m.recall BETWEEN 0.86 AND 0.96 AS "as desired", m.distances < 0.8 * e.distances AS fewer FROM measure('<|>') m, exact e;
SELECT value AS exact FROM ann_index_info('items_v') WHERE property = 'exact';
SELECT recall BETWEEN 0.95 AND 0.99 AS "as desired", alpha_pivot > 0 AS "by table" FROM vptree_tune('items_v', (SELECT array_agg(v ORDER BY id) FROM queries), 0.95, 10);
SET vptree.alpha_left = 1;
SET vptree.alpha_right = 1;
SET vptree.exp_left = 1;
SET vptree.exp_right = 1;
SELECT value AS exact FROM ann_index_info('items_v') WHERE property = 'exact';
SELECT recall = 1 AS "all found" FROM measure('<|>');
RESET vptree.alpha_left;
RESET vptree.alpha_right;
RESET vptree.exp_left;
RESET vptree.exp_right;
DROP INDEX items_v;

-- by time, with other exponents, a radius; options that win over what is tuned
CREATE INDEX items_v ON items USING vptree (v vec_kl_right_ops) WITH (desired_recall = 0.9, tune_r = 0.1, tune_metric = 'time', min_exp = 1, max_exp = 2, max_rec_depth = 2, add_restart_qty = 0, max_iter = 5, step_n = 1, full_factor = 3);
SELECT property, value FROM ann_index_info('items_v') WHERE property IN ('tuned', 'tune_k', 'tune_r');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9, tune_k = 10, alpha_left = 0.5, add_restart_qty = 0);
SELECT value FROM ann_index_info('items_v') WHERE property = 'alpha_left';
DROP INDEX items_v;

-- little memory: fewer values; halves; rows that do not fit memory
SET maintenance_work_mem = '4MB';
CREATE INDEX items_v ON items USING vptree (h) WITH (desired_recall = 0.9, tune_k = 1, add_restart_qty = 0);
SELECT value FROM ann_index_info('items_v') WHERE property = 'tuned';
DROP INDEX items_v;
SET maintenance_work_mem = '1MB';
CREATE TABLE wide AS SELECT i AS id, array_agg((hashint4(i * 64 + d) % 1000) / 1000.0 ORDER BY d)::vector(60) AS v
	FROM generate_series(1, 6000) i, generate_series(1, 60) d GROUP BY i;
CREATE INDEX wide_v ON wide USING vptree (v) WITH (desired_recall = 0.5, tune_k = 1, add_restart_qty = 0, max_rec_depth = 1);
SELECT value FROM ann_index_info('wide_v') WHERE property = 'tuned';
SELECT count(*) FROM ann_check('wide_v', true);
DROP TABLE wide;
CREATE TABLE wide AS SELECT i AS id, array_to_vector(array_fill(i, ARRAY[2000]), 2000, true)::vector(2000) AS v FROM generate_series(1, 1300) i;
CREATE INDEX wide_v ON wide USING vptree (v) WITH (desired_recall = 0.5, tune_k = 1);
DROP TABLE wide;
RESET maintenance_work_mem;

-- what cannot be
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (tune_k = 10);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (tune_r = 1);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9, tune_k = 10, tune_r = 1);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 1, tune_k = 10);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0, tune_k = 10);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9, tune_k = 10, max_leaves_to_visit = 5);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9, tune_k = 10, min_exp = 3);
CREATE INDEX ON items USING vptree (v vec_l2_ops) WITH (desired_recall = 0.9, tune_k = 10, partition = kd);
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9, tune_k = 10, max_rec_depth = 17);
\set VERBOSITY terse
CREATE INDEX ON items USING vptree (v vec_kl_ops) WITH (desired_recall = 0.999999, tune_k = 10, max_iter = 1, add_restart_qty = 0);
\set VERBOSITY default
CREATE TABLE few AS SELECT * FROM items WHERE id < 1200;
CREATE INDEX ON few USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9, tune_k = 10);
-- but an index of no rows can be, to be filled later
TRUNCATE few;
CREATE INDEX few_v ON few USING vptree (v vec_kl_ops) WITH (desired_recall = 0.9, tune_k = 10);
SELECT value FROM ann_index_info('few_v') WHERE property = 'tuned';
SELECT vptree_tune('few_v', ARRAY[distribution(1)], 0.9, 10);
INSERT INTO few SELECT * FROM items WHERE id < 100;
SELECT recall >= 0.9 AS "as desired" FROM vptree_tune('few_v', (SELECT array_agg(v ORDER BY id) FROM queries), 0.9, 10);

CREATE INDEX items_v ON items USING vptree (v vec_kl_ops);
SELECT vptree_tune('items_v', ARRAY[distribution(1)], 0.9);
SELECT vptree_tune('items_v', ARRAY[distribution(1)], 0.9, 10, 1);
SELECT vptree_tune('items_v', ARRAY[distribution(1)], 1, 10);
SELECT vptree_tune('items_v', ARRAY[distribution(1)], 'NaN', 10);
SELECT vptree_tune('items_v', ARRAY[distribution(1)], 0.9, 0);
SELECT vptree_tune('items_v', ARRAY[distribution(1)], NULL, 10);
SELECT vptree_tune('items_v', ARRAY[]::vector[], 0.9, 10);
SELECT vptree_tune('items_v', ARRAY[NULL::vector], 0.9, 10);
SELECT vptree_tune('items_v', ARRAY['[0.5,0.5]'::vector], 0.9, 10);
SELECT vptree_tune('items_v', ARRAY['[-1,1,1,1,1,1]'::vector], 0.9, 10);
SELECT vptree_tune('items_v', ARRAY[distribution(1)::halfvec], 0.9, 10);
SELECT vptree_tune('items_v', ARRAY[1, 2], 0.9, 10);
SELECT vptree_tune('items', ARRAY[distribution(1)], 0.9, 10);
CREATE INDEX items_id ON items (id);
SELECT vptree_tune('items_id', ARRAY[distribution(1)], 0.9, 10);
CREATE INDEX items_kd ON items USING vptree (v) WITH (partition = kd);
SELECT vptree_tune('items_kd', ARRAY[distribution(1)], 0.9, 10);
CREATE ROLE ann_tune_other;
SET ROLE ann_tune_other;
SELECT vptree_tune('items_v', ARRAY['[1,1,1,1,1,1]'::vector], 0.9, 10);
RESET ROLE;
DROP ROLE ann_tune_other;
SELECT value FROM ann_index_info('items_v') WHERE property = 'tuned';

DROP TABLE items, queries, few, tuned, exact, by_table;
DROP FUNCTION measure, distribution;
