-- The routing sample of a quantised index when slots of it have been given to other rows: merges begin
-- searches with the sample, and must not link to a row that is still pending, whose slot may be free soon.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\i sql/include/quantized.sql
\set ECHO all

SET max_parallel_maintenance_workers = 0;
CREATE TABLE items (id int, v vector(64)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1, 3000) i;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 4);
SELECT quantization, without_code, problems FROM form('items_v');

-- every third row goes, with a third of the sample; its slots take rows equal to others, whose slots are
-- free again once these have joined them, and rows near by
DELETE FROM items WHERE id % 3 = 0;
VACUUM items;
SELECT value::int BETWEEN 990 AND 1000 AS free FROM ann_index_info('items_v') WHERE property = 'free_vertices';
SET hnsw.pending_list_limit = '1GB';
INSERT INTO items SELECT 10000 + 2 * id + copy, (v::real[])[1:63] || ((v::real[])[64] + copy * 0.001)::real
	FROM items, generate_series(0, 1) AS copy WHERE id % 3 = 1 ORDER BY id, copy;
SELECT value FROM ann_index_info('items_v') WHERE property = 'pending_vertices';
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
-- nearly all of the thousand equal rows have joined others
SELECT value::int BETWEEN 3000 AND 3020 AS joined FROM ann_index_info('items_v') WHERE property = 'vertices';
SET hnsw.ef_search = 200;
SELECT search_report('items', '<->', 'clustered(5000 + $i, 64)', 0.9);
DROP TABLE items;
