-- Vacuum of hnsw indexes: links are repaired, and the room of deleted rows is used again.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

CREATE TABLE points AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50, (i * 7) % 11], 3, true) AS v FROM generate_series(1, 4000) i;
CREATE TABLE items (id int, v vector(3)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT * FROM points WHERE id <= 2000;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 4);
-- pages the index has grown by since it was asked last
CREATE TABLE sizes (size bigint);
INSERT INTO sizes VALUES (pg_relation_size('items_v'));
CREATE FUNCTION growth() RETURNS bigint LANGUAGE sql AS $$
	WITH now AS (UPDATE sizes SET size = pg_relation_size('items_v') RETURNING size)
	SELECT (now.size - sizes.size) / current_setting('block_size')::int FROM sizes, now
$$;
-- distances a search computes: what is deleted and freed costs nothing
CREATE FUNCTION distances(query text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true);
	EXECUTE format('SELECT count(*) FROM (%s) t', query);
	PERFORM set_config('enable_seqscan', 'on', true);
	RETURN (SELECT s.distances FROM ann_scan_stats() s);
END
$$;
SET hnsw.ef_search = 4000;
-- each row is linked at once
SET hnsw.pending_list_limit = 0;

-- a third goes and as many come: no new page, and every row is found
DELETE FROM items WHERE id % 3 = 0;
SELECT distances($$SELECT id FROM items ORDER BY v <-> '[20.5,9,4]'$$) >= 2000 AS dead_ones_too;
VACUUM items;
SELECT distances($$SELECT id FROM items ORDER BY v <-> '[20.5,9,4]'$$) < 1.1 * (SELECT count(*) FROM items) AS live_ones_only;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items SELECT * FROM points WHERE id BETWEEN 2001 AND 2600;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
SELECT same_as_exact($$SELECT v <-> '[20.5,49,4]' FROM items ORDER BY v <-> '[20.5,49,4]'$$);
SELECT growth();

-- a region goes altogether, with all the neighbours of many rows
DELETE FROM items WHERE id BETWEEN 1 AND 1000;
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
SET hnsw.ef_search = 40;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]' LIMIT 5$$);
SET hnsw.ef_search = 4000;

-- everything goes, the entry point with the rest; nothing is left to search
DELETE FROM items;
VACUUM items;
SELECT distances($$SELECT id FROM items ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items SELECT * FROM points WHERE id > 2000;
SELECT same_as_exact($$SELECT v <-> '[20.5,49,4]' FROM items ORDER BY v <-> '[20.5,49,4]'$$);
SELECT growth() <= 1;
-- several times, so that upper layers have been deleted and filled too
DELETE FROM items;
VACUUM items;
INSERT INTO items SELECT * FROM points WHERE id <= 2000;
DELETE FROM items;
VACUUM items;
INSERT INTO items SELECT * FROM points WHERE id > 2000;
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[20.5,49,4]' FROM items ORDER BY v <-> '[20.5,49,4]'$$);
SELECT growth();
-- nothing to do
VACUUM items;
SELECT growth();

-- rows that are deleted but not vacuumed do not keep new ones from being found
DELETE FROM items WHERE id < 3000;
INSERT INTO items SELECT id + 10000, v FROM points WHERE id BETWEEN 2501 AND 2510;
SELECT same_as_exact($$SELECT v <-> '[20.5,49,4]' FROM items ORDER BY v <-> '[20.5,49,4]'$$);
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[20.5,49,4]' FROM items ORDER BY v <-> '[20.5,49,4]'$$);

-- equal values: lists of rows that have become empty are given back, a value without rows goes
TRUNCATE items;
INSERT INTO items SELECT * FROM points WHERE id <= 200;
INSERT INTO items SELECT 10000 + i, '[1,2,3]' FROM generate_series(1, 5000) i;
INSERT INTO items SELECT 20000 + i, '[3,2,1]' FROM generate_series(1, 40) i;
SELECT count(*) FROM (SELECT growth()) AS s;
DELETE FROM items WHERE id BETWEEN 10001 AND 14000 OR id BETWEEN 20001 AND 20039;
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[1,2,3]' FROM items ORDER BY v <-> '[1,2,3]'$$);
INSERT INTO items SELECT 10000 + i, '[1,2,3]' FROM generate_series(1, 4000) i;
SELECT same_as_exact($$SELECT v <-> '[1,2,3]' FROM items ORDER BY v <-> '[1,2,3]'$$);
SELECT growth() <= 1;
DELETE FROM items WHERE id > 200;
VACUUM items;
SELECT distances($$SELECT id FROM items ORDER BY v <-> '[1,2,3]'$$) < 1.1 * (SELECT count(DISTINCT v) FROM items) AS live_ones_only;
INSERT INTO items SELECT 10000 + i, '[1,2,3]' FROM generate_series(1, 5000) i;
SELECT same_as_exact($$SELECT v <-> '[1,2,3]' FROM items ORDER BY v <-> '[1,2,3]'$$);
SELECT growth() <= 1;
DROP TABLE items;

-- values larger than a page
CREATE FUNCTION large(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((1 + (i * 7919 + j * 104729 + i * i * j * 13::bigint) % 1000)::int)::vector FROM generate_series(1, 5000) j$$;
CREATE TABLE items AS SELECT i AS id, large(i)::vector(5000) AS v FROM generate_series(1, 60) i;
ALTER TABLE items SET (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING hnsw (v);
SELECT count(*) FROM (SELECT growth()) AS s;
DELETE FROM items WHERE id % 2 = 0;
VACUUM items;
INSERT INTO items SELECT i, large(i) FROM generate_series(61, 90) i;
SELECT same_as_exact($$SELECT v <-> large(100) FROM items ORDER BY v <-> large(100)$$);
DELETE FROM items;
VACUUM items;
INSERT INTO items SELECT i, large(i) FROM generate_series(31, 90) i;
SELECT same_as_exact($$SELECT v <-> large(100) FROM items ORDER BY v <-> large(100)$$);
SELECT growth();
DROP TABLE items;

-- as other spaces see it: an asymmetric one, and one with parameters
CREATE TABLE items AS SELECT i AS id, array_to_vector(ARRAY[1 + i % 13, 1 + i % 7, 1 + i % 5, 1 + i / 100], 4, true)::vector(4) AS v FROM generate_series(1, 1000) i;
CREATE INDEX items_kl ON items USING hnsw (v vec_gkl_ops) WITH (m = 4);
CREATE INDEX items_lp ON items USING hnsw (v vec_lp_ops (p = 0.5)) WITH (m = 4);
DELETE FROM items WHERE id % 10 < 4;
VACUUM items;
INSERT INTO items SELECT i, array_to_vector(ARRAY[1 + i % 13, 1 + i % 7, 2 + i % 5, 1 + i / 100], 4, true) FROM generate_series(1001, 1400) i;
SELECT same_as_exact($$SELECT v |+> '[2,3,4,5]' FROM items ORDER BY v |+> '[2,3,4,5]'$$);
SELECT same_as_exact($$SELECT v <*> lp('[2,3,4,5]', 0.5) FROM items ORDER BY v <*> lp('[2,3,4,5]', 0.5)$$);
DROP TABLE items, points, sizes;
DROP FUNCTION growth, distances, large, same_as_exact;
