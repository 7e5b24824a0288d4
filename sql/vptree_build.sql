-- Building vptree indexes: in memory and in parts, of ordinary and of degenerate tables.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all
\set VERBOSITY terse

-- what ann_check() finds, and how large the tree is
CREATE FUNCTION state(index regclass) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s problems; rows %s, entries %s, retired %s', (SELECT count(*) FROM ann_check(index, true, true)),
		max(value) FILTER (WHERE property = 'rows'), max(value) FILTER (WHERE property = 'entries'),
		max(value) FILTER (WHERE property = 'retired_buckets'))
	FROM ann_index_info(index)
$$;

-- 12,000 points in 8 dimensions, scattered
CREATE UNLOGGED TABLE items AS
	SELECT i AS id, array_agg((hashint4(i * 8 + d) & 1023) / 1024.0 ORDER BY d)::vector(8) AS v
	FROM generate_series(1, 12000) i, generate_series(1, 8) d GROUP BY i;

CREATE INDEX items_v ON items USING vptree (v);
SELECT state('items_v');
SELECT property, value FROM ann_index_info('items_v') WHERE property IN ('partition', 'bucket_size', 'path_length', 'mean_fill', 'exact');
SELECT same_as_exact($$SELECT v <-> '[.5,.5,.5,.5,.5,.5,.5,.5]' FROM items ORDER BY v <-> '[.5,.5,.5,.5,.5,.5,.5,.5]'$$);
SELECT same_as_exact($$SELECT v <-> '[2,0,0,0,0,0,0,1]' FROM items ORDER BY v <-> '[2,0,0,0,0,0,0,1]' LIMIT 50$$);

-- the same rows and seed give the same pages, with any number of threads
CHECKPOINT;
CREATE TEMPORARY TABLE pages AS SELECT md5(pg_read_binary_file(pg_relation_filepath('items_v'))) AS sum;
SET max_parallel_maintenance_workers = 0;
REINDEX INDEX items_v;
CHECKPOINT;
SELECT count(*) AS "same pages" FROM pages WHERE sum = md5(pg_read_binary_file(pg_relation_filepath('items_v')));
RESET max_parallel_maintenance_workers;
DROP INDEX items_v;

-- in parts
RESET client_min_messages;
SET maintenance_work_mem = '1MB';
CREATE INDEX items_v ON items USING vptree (v);
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> '[.5,.5,.5,.5,.5,.5,.5,.5]' FROM items ORDER BY v <-> '[.5,.5,.5,.5,.5,.5,.5,.5]'$$);
SELECT same_as_exact($$SELECT v <-> '[2,0,0,0,0,0,0,1]' FROM items ORDER BY v <-> '[2,0,0,0,0,0,0,1]' LIMIT 50$$);
DROP INDEX items_v;

-- in parts, large buckets: entries with distances to pivots of the top
CREATE INDEX items_v ON items USING vptree (v vec_cosine_ops) WITH (bucket_size = 1000, path_length = 16);
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <=> '[.5,.1,.5,.5,.5,.5,.5,.5]' FROM items ORDER BY v <=> '[.5,.1,.5,.5,.5,.5,.5,.5]' LIMIT 50$$);
DROP INDEX items_v;

-- kd-trees, in parts and in memory; not for every space
CREATE INDEX items_v ON items USING vptree (v vec_l1_ops) WITH (partition = kd);
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <+> '[.5,.5,.5,.5,.5,.5,.5,.5]' FROM items ORDER BY v <+> '[.5,.5,.5,.5,.5,.5,.5,.5]' LIMIT 50$$);
RESET maintenance_work_mem;
REINDEX INDEX items_v;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <+> '[.5,.5,.5,.5,.5,.5,.5,.5]' FROM items ORDER BY v <+> '[.5,.5,.5,.5,.5,.5,.5,.5]' LIMIT 50$$);
DROP INDEX items_v;
CREATE INDEX ON items USING vptree (v vec_cosine_ops) WITH (partition = kd);
CREATE INDEX items_v ON items USING vptree (v vec_lp_ops (p = 0.5)) WITH (partition = kd);
SELECT state('items_v');
DROP INDEX items_v;

-- a bucket for each row
CREATE INDEX items_v ON items USING vptree (v) WITH (bucket_size = 1);
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> '[2,0,0,0,0,0,0,1]' FROM items ORDER BY v <-> '[2,0,0,0,0,0,0,1]' LIMIT 50$$);
DROP TABLE items;

-- spaces that may be negative: a shift makes them prunable
CREATE TABLE items AS SELECT i AS id, array_to_vector(ARRAY[i % 50 - 20, i / 50 - 10, (i * 7) % 11], 3, true) AS v FROM generate_series(1, 2000) i;
CREATE INDEX items_v ON items USING vptree (v vec_ip_ops);
SELECT state('items_v');
SET enable_seqscan = off;
SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <#> '[1,2,3]') s;
RESET enable_seqscan;
DROP TABLE items;

-- nothing, only nulls, one row
CREATE TABLE items (id int, v vector);
CREATE INDEX items_v ON items USING vptree (v);
INSERT INTO items VALUES (1, NULL), (2, NULL);
REINDEX INDEX items_v;
SELECT * FROM ann_check('items_v', true, true);
INSERT INTO items VALUES (3, '[1,2]');
REINDEX INDEX items_v;
SELECT state('items_v');
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[0,0]';
RESET enable_seqscan;

-- rows of one value share entries of 200; so many of them do not fit memory
INSERT INTO items SELECT i, '[3,4]' FROM generate_series(4, 453) i;
REINDEX INDEX items_v;
SELECT state('items_v');
INSERT INTO items SELECT i, '[3,4]' FROM generate_series(454, 60000) i;
SET maintenance_work_mem = '1MB';
REINDEX INDEX items_v;
RESET maintenance_work_mem;
SELECT count(*) FROM ann_check('items_v', true, true);
SELECT same_as_exact($$SELECT v <-> '[0,0]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[0,0]'$$);
DROP TABLE items;

-- few distances, many ties
CREATE TABLE items AS SELECT i AS id, array_to_vector(ARRAY[i % 3, i / 3 % 3, i / 9 % 3], 3, true) AS v FROM generate_series(1, 3000) i;
CREATE INDEX items_v ON items USING vptree (v vec_linf_ops) WITH (bucket_size = 2);
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <^> '[1,1,1]' FROM items ORDER BY v <^> '[1,1,1]'$$);
SELECT same_as_exact($$SELECT v <^> '[0,3,1]' FROM items ORDER BY v <^> '[0,3,1]' LIMIT 100$$);
-- concurrently, and of a temporary table
CREATE INDEX CONCURRENTLY items_c ON items USING vptree (v vec_l1_ops);
SELECT state('items_c');
CREATE TEMPORARY TABLE temporary_items AS SELECT * FROM items;
CREATE INDEX temporary_v ON temporary_items USING vptree (v vec_l1_ops);
SELECT state('temporary_v');
DROP TABLE items, temporary_items;

-- values and pivots that do not fit their pages, in memory and in parts
CREATE TABLE items AS
	SELECT i AS id, array_agg(((i * 37 + d * 11 + i * d) % 307)::real ORDER BY d)::vector(1500) AS v
	FROM generate_series(1, 300) i, generate_series(1, 1500) d GROUP BY i;
CREATE INDEX items_v ON items USING vptree (v) WITH (bucket_size = 20);
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> (SELECT v FROM items WHERE id = 7) FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 7)$$);
SET maintenance_work_mem = '1MB';
REINDEX INDEX items_v;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> (SELECT v FROM items WHERE id = 7) FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 7)$$);
DROP TABLE items;
DROP FUNCTION state;
