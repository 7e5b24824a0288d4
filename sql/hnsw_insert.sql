-- Inserts, updates, deletes and vacuum of hnsw indexes; values larger than a page.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

CREATE TABLE points AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50, (i * 7) % 11], 3, true) AS v FROM generate_series(1, 2000) i;
-- every search holds the whole table, so that the order of all rows is exact
SET hnsw.ef_search = 10000;

-- into an empty index, then into one with rows
CREATE TABLE items (id int, v vector(3)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING hnsw (v);
INSERT INTO items SELECT * FROM points;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items SELECT id + 2000, v + '[0.5,0.25,0]' FROM points WHERE id <= 500;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items SELECT id + 3000, NULL FROM points WHERE id <= 10;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items VALUES (0, '[1,2]');
-- what is found is found at once, by the same statement's successor
INSERT INTO items VALUES (5000, '[20.5,9,4]');
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[20.5,9,4]' LIMIT 1;

-- more equal rows than a vertex has room for, each of them found
INSERT INTO items SELECT 6000 + i, '[20.5,9,4]' FROM generate_series(1, 50) i;
SELECT count(*), count(DISTINCT id), max(distance) FROM (SELECT id, v <-> '[20.5,9,4]' AS distance FROM items ORDER BY v <-> '[20.5,9,4]' LIMIT 51) AS t;
RESET enable_seqscan;

-- updated: the old version is gone, the new one found
UPDATE items SET v = v + '[100,0,0]' WHERE id BETWEEN 6010 AND 6029;
UPDATE items SET id = id + 10000 WHERE id BETWEEN 6030 AND 6039;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
SELECT same_as_exact($$SELECT v <-> '[120.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[120.5,9,4]'$$);

-- deleted: never seen again, before vacuum and after; their places in the table taken by others
DELETE FROM items WHERE id BETWEEN 1 AND 1000 OR id BETWEEN 6001 AND 6009 OR id > 16000;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items SELECT id + 20000, v + '[7,7,7]' FROM points WHERE id <= 900;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
SELECT same_as_exact($$SELECT v <-> '[27.5,9,11]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[27.5,9,11]'$$);
-- the deleted values come back
INSERT INTO items SELECT * FROM points WHERE id <= 1000;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
-- everything goes, and other rows come
DELETE FROM items;
VACUUM items;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items SELECT id, v * '[2,2,2]' FROM points;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
RESET hnsw.ef_search;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]' LIMIT 10$$);
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[20.5,9,4]') AS t;
RESET enable_seqscan;
DROP TABLE items;

-- rolled back, by transaction and by subtransaction
CREATE TABLE items (id int, v vector(3));
CREATE INDEX items_v ON items USING hnsw (v);
BEGIN;
INSERT INTO items SELECT * FROM points WHERE id <= 100;
ROLLBACK;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[20.5,9,4]'$$);
BEGIN;
INSERT INTO items VALUES (1, '[1,1,1]');
SAVEPOINT s;
INSERT INTO items VALUES (2, '[2,2,2]'), (3, '[1,1,1]');
ROLLBACK TO s;
INSERT INTO items VALUES (4, '[3,3,3]');
COMMIT;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[0,0,0]'$$);
VACUUM items;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> '[0,0,0]'$$);
DROP TABLE items;
DROP TABLE points;

-- large values: inside the record up to 1,968 dimensions with m = 16, else on pages of their own
CREATE FUNCTION large(i int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	$$SELECT array_agg((1 + (i * 7919 + j * 104729 + i * i * j * 13::bigint) % 1000)::int)::vector FROM generate_series(1, dims) j$$;
CREATE FUNCTION large_values(dims int, class text, operator text, options text) RETURNS TABLE (built text, inserted text, cleaned text)
LANGUAGE plpgsql AS $$
DECLARE query text := format('SELECT id FROM items ORDER BY v %s large(100, %s)', operator, dims);
BEGIN
	EXECUTE format('CREATE TABLE items (id int, v vector(%s))', dims);
	INSERT INTO items SELECT i, large(i, dims) FROM generate_series(1, 25) i;
	EXECUTE format('CREATE INDEX items_v ON items USING hnsw (v %s) WITH (%s)', class, options);
	built := same_as_exact(query);
	INSERT INTO items SELECT i, large(i, dims) FROM generate_series(26, 40) i;
	INSERT INTO items SELECT i, large(3, dims) + large(i, dims) FROM generate_series(41, 45) i;
	inserted := same_as_exact(query);
	DELETE FROM items WHERE id % 3 = 0;
	UPDATE items SET v = large(200 + id, dims) WHERE id % 5 = 0;
	cleaned := same_as_exact(query);
	DROP TABLE items;
	RETURN NEXT;
END
$$;
SELECT * FROM large_values(1900, 'vec_l2_ops', '<->', 'm = 16');
SELECT * FROM large_values(1900, 'vec_l2_ops', '<->', 'm = 100, ef_construction = 200');
SELECT * FROM large_values(2000, 'vec_l2_ops', '<->', 'm = 16');
SELECT * FROM large_values(3072, 'vec_cosine_ops', '<=>', 'm = 8');
SELECT * FROM large_values(16000, 'vec_l1_ops', '<+>', 'm = 16');
SELECT * FROM large_values(16000, 'vec_kl_ops', '||>', 'm = 16');
-- every number of dimensions about the size of a page: in the record, and one page more or less
DO $$
BEGIN
	FOR dims IN 1960..2040 BY 8 LOOP
		EXECUTE format('CREATE TABLE items (id int, v vector(%s))', dims);
		INSERT INTO items SELECT i, large(i, dims) FROM generate_series(1, 6) i;
		CREATE INDEX items_v ON items USING hnsw (v);
		INSERT INTO items SELECT i, large(i, dims) FROM generate_series(7, 9) i;
		IF same_as_exact(format('SELECT id FROM items ORDER BY v <-> large(100, %s)', dims)) <> 'same, 9 rows' THEN
			RAISE '% dimensions: %', dims, same_as_exact(format('SELECT id FROM items ORDER BY v <-> large(100, %s)', dims));
		END IF;
		DROP TABLE items;
	END LOOP;
END
$$;
-- built past maintenance_work_mem
CREATE TABLE items AS SELECT i AS id, large(i, 5000)::vector(5000) AS v FROM generate_series(1, 100) i;
SET maintenance_work_mem = '1MB';
SET client_min_messages = warning;
CREATE INDEX items_v ON items USING hnsw (v);
RESET client_min_messages;
RESET maintenance_work_mem;
SET hnsw.ef_search = 100;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <-> large(200, 5000) LIMIT 20$$);
DROP TABLE items;
-- halfvec
CREATE TABLE items AS SELECT i AS id, large(i, 16000)::halfvec(16000) AS h FROM generate_series(1, 10) i;
CREATE INDEX items_h ON items USING hnsw (h halfvec_ip_ops);
INSERT INTO items SELECT i, large(i, 16000) FROM generate_series(11, 15) i;
SELECT same_as_exact($$SELECT id FROM items ORDER BY h <#> (large(200, 16000)::halfvec)$$);
DROP TABLE items;
DROP FUNCTION large_values, large;
DROP FUNCTION same_as_exact;
