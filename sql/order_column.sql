-- The distance that only ORDER BY names: left out of the rows of an index scan where nothing
-- above can look at it, kept everywhere else.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/plan_of.sql
\set ECHO all

CREATE TABLE items (id int, cat int, v vector(2));
INSERT INTO items SELECT i, i % 3, ARRAY[i % 10, i / 10]::float4[]::vector FROM generate_series(0, 99) i;
CREATE INDEX items_v ON items USING hnsw (v);
CREATE INDEX items_kl ON items USING hnsw ((v + '[1,1]') vec_kl_right_ops);
ANALYZE items;
SET enable_seqscan = off;
SET enable_sort = off;

-- left out
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items ORDER BY v <-> '[2.1,3.2]' LIMIT 3;
SELECT id FROM items ORDER BY v <-> '[2.1,3.2]' LIMIT 3;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items WHERE cat = 1 ORDER BY v <-> '[2.1,3.2]';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items ORDER BY '[1,2]' ||> (v + '[1,1]') LIMIT 3;
SELECT plan_of($$SELECT i.id, near.id FROM items i, LATERAL (SELECT id FROM items ORDER BY v <-> i.v LIMIT 1) near$$, 'VERBOSE, COSTS OFF');
SELECT count(*), count(*) FILTER (WHERE i.id = near.id) AS itself
	FROM items i, LATERAL (SELECT id FROM items ORDER BY v <-> i.v LIMIT 1) near;
SELECT ARRAY(SELECT id FROM items WHERE cat = 2 ORDER BY v <-> '[2.1,3.2]' LIMIT 4);
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> '[2.1,3.2]';
FETCH 2 FROM c;
FETCH PRIOR FROM c;
COMMIT;

-- kept: the distance is asked for
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, v <-> '[2.1,3.2]' FROM items ORDER BY v <-> '[2.1,3.2]' LIMIT 3;
SELECT id, round((v <-> '[2.1,3.2]')::numeric, 6) AS distance FROM items ORDER BY v <-> '[2.1,3.2]' LIMIT 3;
-- kept: somebody above compares it
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items ORDER BY v <-> '[2.5,3]' FETCH FIRST 1 ROW WITH TIES;
SELECT id FROM items ORDER BY v <-> '[2.5,3]' FETCH FIRST 1 ROW WITH TIES;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items ORDER BY v <-> '[2.1,3.2]' LIMIT 3 FOR UPDATE;
SELECT rank() OVER (ORDER BY v <-> '[2.5,3]') FROM items ORDER BY v <-> '[2.5,3]' LIMIT 2 OFFSET 2;
RESET enable_sort;
RESET enable_seqscan;
SET enable_incremental_sort = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items ORDER BY v <-> '[2.1,3.2]', id LIMIT 3;
SELECT id FROM items ORDER BY v <-> '[2.5,3]', id DESC LIMIT 3;
-- kept: no index
SET enable_indexscan = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items ORDER BY v <-> '[2.1,3.2]' LIMIT 3;
RESET enable_indexscan;
DROP TABLE items;

-- partitions: the rows of several scans are merged by it
SET enable_seqscan = off;
CREATE TABLE items (id int, v vector(2)) PARTITION BY RANGE (id);
CREATE TABLE items_low PARTITION OF items FOR VALUES FROM (0) TO (50);
CREATE TABLE items_high PARTITION OF items FOR VALUES FROM (50) TO (100);
CREATE INDEX items_v ON items USING hnsw (v);
INSERT INTO items SELECT i, ARRAY[i % 10, i / 10]::float4[]::vector FROM generate_series(0, 99) i;
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items ORDER BY v <-> '[2.1,4.7]' LIMIT 4;
SELECT id FROM items ORDER BY v <-> '[2.1,4.7]' LIMIT 4;
DROP TABLE items;
DROP FUNCTION plan_of;
