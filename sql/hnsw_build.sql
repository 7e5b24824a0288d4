-- Building hnsw indexes: empty, equal, null, unlogged, temporary, partitioned, partial,
-- concurrent, rebuilt, too large for maintenance_work_mem.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

-- 2,000 points on a plane; no two are equal
CREATE TABLE points AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50, (i * 7) % 11], 3, true) AS v FROM generate_series(1, 2000) i;

-- the whole table fits the pool of a search: not only the rows but also their order is exact
SET hnsw.ef_search = 10000;

-- no row, one row, only nulls
CREATE TABLE items (id int, v vector(3));
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[1,2,3]'$$);
INSERT INTO items VALUES (1, '[1,2,3]');
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[1,2,3]'$$);
REINDEX INDEX items_v;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[1,2,3]'$$);
DROP TABLE items;
CREATE TABLE items (id int, v vector(3));
INSERT INTO items SELECT i, NULL FROM generate_series(1, 10) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT id FROM items WHERE v IS NOT NULL ORDER BY v <-> '[1,2,3]'$$);
INSERT INTO items VALUES (11, '[1,2,3]'), (12, NULL);
SELECT same_as_exact($$SELECT id FROM items WHERE v IS NOT NULL ORDER BY v <-> '[1,2,3]'$$);
DROP TABLE items;

-- every small number of rows, with and without a vertex in an upper layer
DO $$
DECLARE
	result text;
BEGIN
	FOR n IN 1..60 LOOP
		EXECUTE format('CREATE TABLE items AS SELECT * FROM points WHERE id <= %s', n);
		CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 4, ef_construction = 8);
		result := same_as_exact($q$SELECT v <-> '[9.2,1,3]' FROM items ORDER BY v <-> '[9.2,1,3]'$q$);
		INSERT INTO items SELECT * FROM points WHERE id BETWEEN 1000 AND 1005;
		result := result || ', ' || same_as_exact($q$SELECT v <-> '[9.2,1,3]' FROM items ORDER BY v <-> '[9.2,1,3]'$q$);
		IF result <> format('same, %s rows, same, %s rows', n, n + 6) THEN
			RAISE '% rows: %', n, result;
		END IF;
		DROP TABLE items;
	END LOOP;
END
$$;

-- nulls among values are not in the index
CREATE TABLE items AS SELECT id, CASE WHEN id % 3 > 0 THEN v END AS v FROM points;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[9,9,9]'$$);
DROP TABLE items;

-- thousands of equal rows: one vertex with lists of rows; then more of them, merged now and then
SET hnsw.pending_list_limit = '64kB';
CREATE TABLE items (id int, v vector(3));
INSERT INTO items SELECT i, '[1,2,3]' FROM generate_series(1, 5000) i;
INSERT INTO items SELECT i, '[3,2,1]' FROM generate_series(5001, 5003) i;
INSERT INTO items SELECT i, '[5,5,5]' FROM generate_series(5004, 5044) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT v <-> '[1,2,3]' FROM items ORDER BY v <-> '[1,2,3]'$$);
INSERT INTO items SELECT i, '[1,2,3]' FROM generate_series(5045, 6500) i;
INSERT INTO items SELECT i, '[3,2,1]' FROM generate_series(6501, 6600) i;
SELECT same_as_exact($$SELECT v <-> '[1,2,3]' FROM items ORDER BY v <-> '[1,2,3]'$$);
SET enable_seqscan = off;
SELECT v, count(*), count(DISTINCT id), min(id), max(id)
FROM (SELECT * FROM items ORDER BY v <-> '[1,2,3]') t GROUP BY v ORDER BY v;
RESET enable_seqscan;
DELETE FROM items WHERE id % 2 = 0;
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[5,5,5]' FROM items ORDER BY v <-> '[5,5,5]'$$);
SELECT pg_relation_size('items_v') < 200000 AS small;
RESET hnsw.pending_list_limit;
DROP TABLE items;

-- unlogged, temporary
CREATE UNLOGGED TABLE items AS SELECT * FROM points;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
SELECT pg_relation_size('items_v', 'init') > 0 AS has_init_fork;
ALTER TABLE items SET LOGGED;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
DROP TABLE items;
CREATE TEMPORARY TABLE items AS SELECT * FROM points;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
INSERT INTO items SELECT id + 2000, v + '[0.25,0.25,0.25]' FROM points WHERE id <= 100;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
TRUNCATE items;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
DROP TABLE items;
CREATE TEMPORARY TABLE items (id int, v vector(3)) ON COMMIT DELETE ROWS;
CREATE INDEX items_v ON items USING hnsw (v);
BEGIN;
INSERT INTO items SELECT * FROM points WHERE id <= 300;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
COMMIT;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
DROP TABLE items;

-- partitioned: each partition has an index, and their orders are merged
CREATE TABLE items (id int, v vector(3)) PARTITION BY RANGE (id);
CREATE TABLE items_1 PARTITION OF items FOR VALUES FROM (0) TO (1000);
CREATE TABLE items_2 PARTITION OF items FOR VALUES FROM (1000) TO (2001);
INSERT INTO items SELECT * FROM points;
CREATE INDEX items_v ON items USING hnsw (v);
CREATE TABLE items_3 PARTITION OF items FOR VALUES FROM (2001) TO (4000);
INSERT INTO items VALUES (2001, '[9,9,9]');
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[9,9,9]' LIMIT 5;
RESET enable_seqscan;
DROP TABLE items;

-- an expression over a column of any dimensions, and a partial index
CREATE TABLE items (id int, v vector);
INSERT INTO items SELECT * FROM points;
INSERT INTO items VALUES (2001, '[1,2]'), (2002, '[1,2,3,4]');
CREATE INDEX items_v ON items USING hnsw ((v::vector(3))) WHERE vector_dims(v) = 3;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items WHERE vector_dims(v) = 3 ORDER BY v::vector(3) <-> '[9,9,9]'$$);
INSERT INTO items VALUES (2003, '[9,9,9]'), (2004, '[1,2]');
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items WHERE vector_dims(v) = 3 ORDER BY v::vector(3) <-> '[9,9,9]'$$);
DROP INDEX items_v;
-- not every row fits
CREATE INDEX items_v ON items USING hnsw ((v::vector(3)));
CREATE INDEX items_v ON items USING hnsw (v);
DROP TABLE items;
CREATE TABLE items AS SELECT * FROM points;
CREATE INDEX items_even ON items USING hnsw (v) WHERE id % 2 = 0;
SELECT same_as_exact($$SELECT id % 2, v <-> '[9,9,9]' FROM items WHERE id % 2 = 0 ORDER BY v <-> '[9,9,9]'$$);
DROP TABLE items;

-- a column without dimensions: the first value decides, until the table is emptied
CREATE TABLE items (id int, v vector);
CREATE INDEX items_v ON items USING hnsw (v);
INSERT INTO items VALUES (1, '[1,2,3]');
INSERT INTO items VALUES (2, '[1,2]');
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[1,2,3]'$$);
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[1,2]';
RESET enable_seqscan;
DELETE FROM items;
VACUUM items;
INSERT INTO items VALUES (2, '[1,2]');
TRUNCATE items;
INSERT INTO items VALUES (2, '[1,2]'), (3, '[2,3]');
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[1,2]'$$);
INSERT INTO items VALUES (1, '[1,2,3]');
DROP TABLE items;

-- built beside writers, rebuilt
CREATE TABLE items AS SELECT * FROM points;
CREATE INDEX CONCURRENTLY items_v ON items USING hnsw (v) WITH (m = 8, ef_construction = 32);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_v'::regclass;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
UPDATE items SET v = v + '[0.5,0,0]' WHERE id % 4 = 0;
DELETE FROM items WHERE id % 4 = 1;
REINDEX INDEX items_v;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
REINDEX INDEX CONCURRENTLY items_v;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
REINDEX TABLE items;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
VACUUM FULL items;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);

-- rewritten, truncated
ALTER TABLE items ADD COLUMN stamp timestamptz DEFAULT clock_timestamp();
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
ALTER TABLE items ALTER COLUMN v TYPE vector(3);
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
ALTER TABLE items ALTER COLUMN v TYPE vector(2) USING subvector(v, 1, 2);
SELECT same_as_exact($$SELECT v <-> '[9,9]' FROM items ORDER BY v <-> '[9,9]'$$);
TRUNCATE items;
SELECT same_as_exact($$SELECT v <-> '[9,9]' FROM items ORDER BY v <-> '[9,9]'$$);
BEGIN;
INSERT INTO items (id, v) SELECT id, subvector(v, 1, 2) FROM points WHERE id <= 10;
TRUNCATE items;
INSERT INTO items (id, v) SELECT id, subvector(v, 1, 2) FROM points WHERE id <= 20;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[9.2,8.5]'$$);
COMMIT;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[9.2,8.5]'$$);
DROP TABLE items;

-- rolled back
CREATE TABLE items AS SELECT * FROM points WHERE id <= 100;
CREATE INDEX items_v ON items USING hnsw (v);
BEGIN;
INSERT INTO items SELECT id, v FROM points WHERE id > 100;
ROLLBACK;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM items ORDER BY v <-> '[9,9,9]'$$);
DROP TABLE items;

-- halfvec
CREATE TABLE items AS SELECT id, v::halfvec(3) AS h FROM points;
CREATE INDEX items_h ON items USING hnsw (h);
CREATE INDEX items_h_cosine ON items USING hnsw ((h::vector(3)) vec_cosine_ops);
SELECT same_as_exact($$SELECT h <-> '[9,9,9]' FROM items ORDER BY h <-> '[9,9,9]'$$);
SELECT same_as_exact($$SELECT h::vector(3) <=> '[9,8,7]' FROM items ORDER BY h::vector(3) <=> '[9,8,7]' LIMIT 20$$);
DROP TABLE items;

-- one thread and several
SET max_parallel_maintenance_workers = 0;
CREATE INDEX points_v ON points USING hnsw (v);
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM points ORDER BY v <-> '[9,9,9]'$$);
SET max_parallel_maintenance_workers = 2;
REINDEX INDEX points_v;
SELECT same_as_exact($$SELECT v <-> '[9,9,9]' FROM points ORDER BY v <-> '[9,9,9]'$$);
RESET max_parallel_maintenance_workers;
DROP INDEX points_v;

-- too large for maintenance_work_mem: built in parts (hnsw_parts.sql).  The NOTICE that says so
-- has numbers that depend on the machine: t/002_cancel.pl looks at it.
CREATE TABLE items AS SELECT id, v FROM points
	UNION ALL SELECT id + 2000, v + '[0.5,0.25,0]' FROM points UNION ALL SELECT id + 4000, v + '[0.25,0.5,0]' FROM points;
SET maintenance_work_mem = '1MB';
SET client_min_messages = warning;
CREATE INDEX items_v ON items USING hnsw (v);
RESET client_min_messages;
SELECT same_as_exact($$SELECT v <-> '[9.125,9,9]' FROM items ORDER BY v <-> '[9.125,9,9]'$$);
INSERT INTO items SELECT id + 6000, v + '[0,0,0.5]' FROM points WHERE id <= 200;
SELECT same_as_exact($$SELECT v <-> '[9.125,9,9]' FROM items ORDER BY v <-> '[9.125,9,9]'$$);
RESET maintenance_work_mem;
DROP TABLE items;

DROP TABLE points;
DROP FUNCTION same_as_exact;
