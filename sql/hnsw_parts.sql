-- Building hnsw indexes of more rows than fit maintenance_work_mem: in parts, joined to one graph.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all
SET maintenance_work_mem = '1MB';
SET enable_seqscan = off;

-- what is wrong with the index, and how many of the rows a scan without limit returns
CREATE FUNCTION verdict(ordering text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	problems bigint;
	found bigint;
	present bigint;
BEGIN
	SELECT count(*) INTO problems FROM ann_check('items_v', true, true);
	EXECUTE format('SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY %s) s', ordering) INTO found;
	SELECT count(v) INTO present FROM items;
	RETURN format('%s problems, %s', problems, CASE WHEN found = present THEN 'all rows' ELSE found || ' rows' END);
END
$$;

-- share of the true ten nearest that are found, for 40 of the rows
CREATE FUNCTION recall() RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	hits int := 0;
	more int;
	query record;
BEGIN
	FOR query IN SELECT v FROM items WHERE id % 97 = 5 ORDER BY id LIMIT 40 LOOP
		WITH found AS (SELECT id FROM items ORDER BY v <-> query.v LIMIT 10),
			exact AS (SELECT id FROM items ORDER BY (v <-> query.v) + 0 LIMIT 10)
		SELECT count(*) INTO more FROM found JOIN exact USING (id);
		hits := hits + more;
	END LOOP;
	RETURN hits / 400.0;
END
$$;

-- 6,000 points in 16 dimensions, scattered; one thread, so that the graph is always the same
SET max_parallel_maintenance_workers = 0;
CREATE UNLOGGED TABLE items AS
	SELECT i AS id, array_agg((hashint4(i * 16 + d) % 1000) / 1000.0 ORDER BY d)::vector(16) AS v
	FROM generate_series(1, 6000) i, generate_series(1, 16) d GROUP BY i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
SELECT recall() > 0.95 AS good;
SELECT property, value FROM ann_index_info('items_v')
WHERE property IN ('rows', 'vertices', 'pending_vertices', 'stored_element') ORDER BY property;

-- the same rows, seed and number of threads give the same pages
CHECKPOINT;
CREATE TEMPORARY TABLE pages AS SELECT md5(pg_read_binary_file(pg_relation_filepath('items_v'))) AS sum;
REINDEX INDEX items_v;
CHECKPOINT;
SELECT count(*) AS "same pages" FROM pages WHERE sum = md5(pg_read_binary_file(pg_relation_filepath('items_v')));
RESET max_parallel_maintenance_workers;

-- the smallest and the largest lists
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 2, ef_construction = 4);
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 100, ef_construction = 200);
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');

-- it goes on like any other index
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v);
INSERT INTO items SELECT id + 6000, v + (SELECT v FROM items WHERE id = 1) FROM items WHERE id <= 500;
DELETE FROM items WHERE id % 3 = 0;
VACUUM items;
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
SELECT recall() > 0.95 AS good;

-- built beside writers, rebuilt
DROP INDEX items_v;
CREATE INDEX CONCURRENTLY items_v ON items USING hnsw (v) WITH (m = 8, ef_construction = 32);
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
REINDEX INDEX CONCURRENTLY items_v;
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');

-- another space, whose distance is not symmetric
TRUNCATE items;
DROP INDEX items_v;
INSERT INTO items SELECT i, array_agg(1 + abs(hashint4(i * 16 + d) % 1000) ORDER BY d)::vector(16)
	FROM generate_series(1, 4000) i, generate_series(1, 16) d GROUP BY i;
CREATE INDEX items_v ON items USING hnsw (v vec_kl_ops);
SELECT verdict('v ||> (SELECT v FROM items WHERE id = 1)');
DROP TABLE items;

-- all rows equal: a vertex and its lists of rows
CREATE TABLE items AS SELECT i AS id, '[1,2,3]'::vector(3) AS v FROM generate_series(1, 50000) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT verdict($$v <-> '[3,2,1]'$$);
SELECT value AS vertices FROM ann_index_info('items_v') WHERE property = 'vertices';
DROP TABLE items;

-- every value several times, and nulls
CREATE TABLE items AS
	SELECT i AS id, CASE WHEN i % 10 > 0 THEN ARRAY[i * 37 % 1000, i % 7, i % 3]::vector(3) END AS v
	FROM generate_series(1, 40000) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT verdict($$v <-> '[3,2,1]'$$);
SELECT value::int = (SELECT count(DISTINCT v) FROM items) AS "one vertex a value"
FROM ann_index_info('items_v') WHERE property = 'vertices';
SET hnsw.ef_search = 10000;
SELECT same_as_exact($$SELECT v <-> '[500,3,1]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[500,3,1]' LIMIT 200$$);
RESET hnsw.ef_search;
DROP TABLE items;

-- all distances equal: no pivot is nearer than another one
CREATE TABLE items AS
	SELECT i AS id, (array_fill(0, ARRAY[i - 1]) || 1 || array_fill(0, ARRAY[2000 - i]))::vector(2000) AS v
	FROM generate_series(1, 1200) i;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 4, ef_construction = 8);
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
DROP TABLE items;

-- clusters far from each other, each larger than a part
CREATE TABLE items AS
	SELECT i AS id, ARRAY[i % 3 * 100000, hashint4(i) % 1000, hashint4(-i) % 1000]::vector(3) AS v
	FROM generate_series(1, 15000) i;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 4, ef_construction = 16);
SELECT verdict($$v <-> '[3,2,1]'$$);
DROP TABLE items;

-- values that fit bytes are stored so, one that does not is enough to keep them as they are
CREATE TABLE items AS
	SELECT i AS id, array_agg(abs(hashint4(i * 64 + d)) % 256 ORDER BY d)::vector(64) AS v
	FROM generate_series(1, 3000) i, generate_series(1, 64) d GROUP BY i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
SELECT value AS element FROM ann_index_info('items_v') WHERE property = 'stored_element';
INSERT INTO items SELECT 3001, v + array_fill(0.1, ARRAY[64])::vector FROM items WHERE id = 7;
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
REINDEX INDEX items_v;
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
SELECT value AS element FROM ann_index_info('items_v') WHERE property = 'stored_element';
DROP TABLE items;

-- values on pages of their own
CREATE TABLE items AS
	SELECT i AS id, array_agg(hashint4(i * 3000 + d) % 1000 / 1000.0 ORDER BY d)::vector(3000) AS v
	FROM generate_series(1, 400) i, generate_series(1, 3000) d GROUP BY i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT verdict('v <-> (SELECT v FROM items WHERE id = 1)');
SELECT property, value FROM ann_index_info('items_v')
WHERE property IN ('value_pages', 'value_pages_per_vertex') ORDER BY property;
DROP TABLE items;

DROP FUNCTION verdict, recall, same_as_exact;
