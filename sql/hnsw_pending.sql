-- Inserted rows are found before they are merged into the graph, and after; equal values;
-- rollback; merging each row at once.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

SHOW hnsw.pending_list_limit;
SET hnsw.pending_list_limit = -1;
CREATE FUNCTION value(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	'SELECT array_to_vector(ARRAY[i * 7919 % 997, i * 104729 % 991, i * 1299709 % 983], 3, true)';
CREATE FUNCTION search_cost(query text, OUT distances int, OUT expanded int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true);
	EXECUTE query;
	SELECT s.distances, s.expanded INTO distances, expanded FROM ann_scan_stats() s;
END
$$;

-- nothing is merged: no vertex to expand, every row is compared
SET hnsw.pending_list_limit = '1GB';
CREATE TABLE items (id int, v vector(3));
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[1,2,3]'$$);
INSERT INTO items SELECT i, value(i) FROM generate_series(1, 300) i;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
SELECT * FROM search_cost($$SELECT id FROM items ORDER BY v <-> '[500,500,500]' LIMIT 5$$);
SET hnsw.iterative_scan = off;
SET hnsw.ef_search = 10;
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[500,500,500]') t;
RESET enable_seqscan;
RESET hnsw.iterative_scan;
RESET hnsw.ef_search;

-- vacuum merges
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
SELECT distances < 300 AS fewer, expanded > 0 AS graph FROM search_cost($$SELECT id FROM items ORDER BY v <-> '[500,500,500]' LIMIT 5$$);

-- some are in the graph, some pending; rows of equal values on both sides and twice in the chain
INSERT INTO items SELECT 1000 + i, value(i) FROM generate_series(201, 400) i;
INSERT INTO items SELECT 2000 + i, value(i) FROM generate_series(301, 500) i;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3]') t;
-- one more row passes the limit
SET hnsw.pending_list_limit = '8kB';
INSERT INTO items SELECT 3000 + i, value(i) FROM generate_series(501, 540) i;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3]') t;
RESET enable_seqscan;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);

-- at once
SET hnsw.pending_list_limit = 0;
INSERT INTO items SELECT 4000 + i, value(i) FROM generate_series(530, 600) i;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
UPDATE items SET id = id + 10000 WHERE id < 100;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
DROP TABLE items;

-- rows of a transaction that is rolled back, pending and merged; then in the same places others
CREATE TABLE items (id int, v vector(3));
CREATE INDEX items_v ON items USING hnsw (v);
SET hnsw.pending_list_limit = '1GB';
BEGIN;
INSERT INTO items SELECT i, value(i) FROM generate_series(1, 100) i;
SAVEPOINT s;
INSERT INTO items SELECT i, value(i) FROM generate_series(101, 200) i;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
ROLLBACK TO s;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
SET LOCAL hnsw.pending_list_limit = 0;
INSERT INTO items SELECT i, value(i) FROM generate_series(201, 210) i;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
ROLLBACK;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[1,2,3]'$$);
VACUUM items;
INSERT INTO items SELECT i, value(i + 50) FROM generate_series(1, 200) i;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
DROP TABLE items;

-- a thousand rows of two values, none merged, then all: slots of the pending chain are used again
CREATE TABLE items (id int, v vector(3));
CREATE INDEX items_v ON items USING hnsw (v);
SET hnsw.pending_list_limit = '64kB';
INSERT INTO items SELECT i, ARRAY[i % 2, 0, 0]::vector FROM generate_series(1, 3000) i;
VACUUM items;
SELECT pg_relation_size('items_v') < 200000 AS small;
SET enable_seqscan = off;
SELECT v, count(*), count(DISTINCT id) FROM (SELECT * FROM items ORDER BY v <-> '[1,2,3]') t GROUP BY v ORDER BY v;
SELECT * FROM ann_index_info('items_v') WHERE property IN ('vertices', 'rows', 'pending_vertices');
RESET enable_seqscan;
DROP TABLE items;

-- other numbers of dimensions; values on pages of their own; unlogged and temporary tables
SET hnsw.pending_list_limit = '1GB';
CREATE TABLE items (id int, v vector);
CREATE INDEX items_v ON items USING hnsw (v);
INSERT INTO items VALUES (1, '[1,2]');
INSERT INTO items VALUES (2, '[1,2,3]');
INSERT INTO items VALUES (3, '[2,3]');
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[2,3]'$$);
DROP TABLE items;
CREATE TEMP TABLE items (id int, v vector(3000));
CREATE INDEX items_v ON items USING hnsw (v);
INSERT INTO items SELECT i, array_to_vector((SELECT array_agg((i * j) % 97) FROM generate_series(1, 3000) j), 3000, true) FROM generate_series(1, 12) i;
INSERT INTO items SELECT 100 + id, v FROM items WHERE id % 3 = 0;
SELECT same_as_exact($$SELECT v <-> (SELECT v FROM items WHERE id = 5) FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 5)$$);
VACUUM items;
SELECT same_as_exact($$SELECT v <-> (SELECT v FROM items WHERE id = 5) FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 5)$$);
DROP TABLE items;
CREATE UNLOGGED TABLE items (id int, v vector(3));
CREATE INDEX items_v ON items USING hnsw (v);
SET hnsw.pending_list_limit = '16kB';
INSERT INTO items SELECT i, value(i) FROM generate_series(1, 500) i;
SELECT same_as_exact($$SELECT v <-> '[500,500,500]' FROM items ORDER BY v <-> '[500,500,500]'$$);
DROP TABLE items;

RESET hnsw.pending_list_limit;
DROP FUNCTION value, search_cost, same_as_exact;
