-- Inserts, updates, deletes and vacuum of vptree indexes: buckets fill, split and are given back.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

-- what ann_check() finds, and how large the tree is
CREATE FUNCTION state(index regclass) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s problems; rows %s, entries %s, retired %s', (SELECT count(*) FROM ann_check(index, true, true)),
		max(value) FILTER (WHERE property = 'rows'), max(value) FILTER (WHERE property = 'entries'),
		CASE max(value) FILTER (WHERE property = 'retired_buckets') WHEN '0' THEN 'none' ELSE 'some' END)
	FROM ann_index_info(index)
$$;

CREATE TABLE points AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50, (i * 7) % 11], 3, true) AS v FROM generate_series(1, 2000) i;

-- into an empty index, then into one with rows
CREATE TABLE items (id int, v vector) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING vptree (v) WITH (bucket_size = 10);
INSERT INTO items SELECT * FROM points;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items SELECT id + 2000, v + '[0.5,0.25,0]' FROM points WHERE id <= 500;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]' LIMIT 100$$);
INSERT INTO items SELECT id + 3000, NULL FROM points WHERE id <= 10;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
INSERT INTO items VALUES (0, '[1,2]');
-- what is inserted is found at once
INSERT INTO items VALUES (5000, '[20.5,9,4]');
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[20.5,9,4]' LIMIT 1;

-- rows of one value share entries of 200, which may be in several buckets
INSERT INTO items SELECT 6000 + i, '[20.5,9,4]' FROM generate_series(1, 450) i;
SELECT state('items_v');
SELECT count(*), count(DISTINCT id), max(distance) FROM (SELECT id, v <-> '[20.5,9,4]' AS distance FROM items ORDER BY v <-> '[20.5,9,4]' LIMIT 451) AS t;
RESET enable_seqscan;

-- updated: the old version is gone, the new one found
UPDATE items SET v = v + '[100,0,0]' WHERE id BETWEEN 6010 AND 6029;
UPDATE items SET id = id + 10000 WHERE id BETWEEN 6030 AND 6039;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
SELECT same_as_exact($$SELECT v <-> '[120.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[120.5,9,4]' LIMIT 100$$);

-- deleted: never seen again, before vacuum and after; vacuum gives back what splits have replaced
DELETE FROM items WHERE id BETWEEN 1 AND 1000 OR id BETWEEN 6001 AND 6009 OR id > 16000;
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);
VACUUM items;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);

-- new rows take the places of old ones, in buckets and in pages
SELECT pg_relation_size('items_v') AS size \gset
INSERT INTO items SELECT * FROM points WHERE id <= 1000;
SELECT pg_relation_size('items_v') - :size AS growth;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items WHERE v IS NOT NULL ORDER BY v <-> '[20.5,9,4]'$$);

-- everything deleted, and filled again
DELETE FROM items;
VACUUM items;
SELECT count(*) FROM ann_check('items_v', true, true);
INSERT INTO items SELECT * FROM points;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <-> '[20.5,9,4]' FROM items ORDER BY v <-> '[20.5,9,4]'$$);
DROP TABLE items;

-- kd-trees; ties
CREATE TABLE items (id int, v vector(3)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING vptree (v vec_linf_ops) WITH (partition = kd, bucket_size = 3);
INSERT INTO items SELECT id, array_to_vector(ARRAY[id % 4, id / 4 % 4, id / 16 % 4], 3, true) FROM points;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <^> '[1,1,2]' FROM items ORDER BY v <^> '[1,1,2]'$$);
SELECT same_as_exact($$SELECT v <^> '[-1,5,2]' FROM items ORDER BY v <^> '[-1,5,2]' LIMIT 200$$);
DROP TABLE items;

-- a space that may be negative: its shift is chosen by the first split
CREATE TABLE items (id int, v vector(3)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING vptree (v vec_ip_ops);
INSERT INTO items SELECT id, v - '[20,10,0]' FROM points;
SELECT state('items_v');
SET enable_seqscan = off;
SELECT count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <#> '[1,2,3]') s;
RESET enable_seqscan;
DROP TABLE items;

-- values that do not fit their pages, and so pivots too; equal ones are found to be equal
CREATE TABLE items (id int, v vector(1500)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING vptree (v vec_l1_ops) WITH (bucket_size = 5);
INSERT INTO items SELECT i, array_agg(((i * 37 + d * 11 + i * d) % 101)::real ORDER BY d)
	FROM generate_series(1, 60) i, generate_series(1, 1500) d GROUP BY i ORDER BY i;
INSERT INTO items SELECT id + 100, v FROM items WHERE id <= 30;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <+> (SELECT v FROM items WHERE id = 7) FROM items ORDER BY v <+> (SELECT v FROM items WHERE id = 7)$$);
DELETE FROM items WHERE id % 2 = 0;
VACUUM items;
SELECT state('items_v');
SELECT same_as_exact($$SELECT v <+> (SELECT v FROM items WHERE id = 7) FROM items ORDER BY v <+> (SELECT v FROM items WHERE id = 7)$$);
SELECT pg_relation_size('items_v') AS size \gset
INSERT INTO items SELECT id + 1, v FROM items;
SELECT state('items_v');
DROP TABLE items, points;
DROP FUNCTION state;
