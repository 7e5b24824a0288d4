-- Codes of an index that is built in parts, with memory for few of its values at a time; and VACUUM with as
-- little.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
\set ECHO none
\i sql/include/quantized.sql
\set ECHO all

SET maintenance_work_mem = '1MB';
SET hnsw.pending_list_limit = 64;

-- several batches, in builds and in VACUUM
CREATE TABLE items (id int, v vector(64)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1, 4000) i;
INSERT INTO items SELECT id + 10000, v FROM items WHERE id <= 500;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT quantization, without_code, problems FROM form('items_v');
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(4001, 5000) i;
DELETE FROM items WHERE id % 5 = 0;
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vec_cosine_ops) WITH (m = 20, ef_construction = 40);
SELECT quantization, without_code, problems FROM form('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vec_ip_ops) WITH (m = 2, ef_construction = 8);
SELECT quantization, without_code, problems FROM form('items_v');
DROP TABLE items;

-- stored as bytes; then values come that are not
CREATE TABLE items (id int, v vector(64)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, (SELECT array_agg(floor(c * 255) ORDER BY n) FROM unnest(coordinates(i, 64)) WITH ORDINALITY AS t (c, n))::real[]::vector
	FROM generate_series(1, 5000) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT value AS element FROM ann_index_info('items_v') WHERE property = 'stored_element';
SELECT quantization, without_code, problems FROM form('items_v');
INSERT INTO items SELECT id + 10000, v + array_fill(0.5, ARRAY[64])::vector FROM items WHERE id <= 300;
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
DROP TABLE items;

-- values of which few fit, as float32 and as halves
CREATE TABLE items (id int, v halfvec(1000)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, clustered(i, 1000)::halfvec FROM generate_series(1, 2100) i;
CREATE INDEX items_v ON items USING hnsw ((v::vector(1000)) vec_l2_ops) WITH (m = 4, ef_construction = 16);
SELECT quantization, without_code, problems FROM form('items_v');
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v) WITH (quantization = rabitq, m = 8, ef_construction = 20);
SELECT quantization, without_code, problems FROM form('items_v');
INSERT INTO items SELECT i, clustered(i, 1000)::halfvec FROM generate_series(2101, 2200) i;
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
DROP TABLE items;

-- values on pages of their own
CREATE TABLE items (id int, v vector(3000)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, clustered(i, 3000) FROM generate_series(1, 400) i;
CREATE INDEX items_v ON items USING hnsw (v) WITH (quantization = rabitq);
SELECT quantization, without_code, problems FROM form('items_v');
DROP TABLE items;
DROP FUNCTION coordinates, clustered, search_report, form;
