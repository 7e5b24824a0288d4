-- Values at the edge of a space, in hnsw indexes: the zero vector, entries a divergence does not
-- take, distances beyond single precision.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

CREATE TABLE items (id int, v vector(3));
INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[3,2,1]'), (3, '[0.5,0.5,4]'), (4, '[2,2,2]');

-- the zero vector has cosine distance 1 and angle pi/2 to everything
CREATE INDEX items_cosine ON items USING hnsw (v vec_cosine_ops);
CREATE INDEX items_angular ON items USING hnsw (v vec_angular_ops);
INSERT INTO items VALUES (5, '[0,0,0]'), (6, '[-1,-2,-3]');
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <=> '[1,2,3]'$$);
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <@> '[1,2,3]'$$);
SET enable_seqscan = off;
SELECT id, round((v <=> '[1,2,3]')::numeric, 6) AS distance FROM items ORDER BY v <=> '[1,2,3]';
SELECT id, round((v <@> '[1,2,3]')::numeric, 6) AS distance FROM items ORDER BY v <@> '[1,2,3]';
SELECT v <=> '[0,0,0]' AS distance, count(*) FROM (SELECT v FROM items ORDER BY v <=> '[0,0,0]') AS t GROUP BY 1;
RESET enable_seqscan;
REINDEX TABLE items;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <=> '[1,2,3]'$$);
DROP INDEX items_cosine, items_angular;

-- negative entries: refused by an index as by the distance
CREATE INDEX ON items USING hnsw (v vec_kl_ops);
CREATE INDEX ON items USING hnsw (v vec_js_ops);
CREATE INDEX ON items USING hnsw (v vec_is_ops);
DELETE FROM items WHERE id = 6;
-- a deleted row is not looked at; a zero is taken by some spaces and not by others
CREATE INDEX items_is ON items USING hnsw (v vec_is_ops);
CREATE INDEX items_gkl_right ON items USING hnsw (v vec_gkl_right_ops);
CREATE INDEX items_renyi ON items USING hnsw (v vec_renyi_ops (alpha = 2));
DELETE FROM items WHERE id = 5;
CREATE INDEX items_kl ON items USING hnsw (v vec_kl_ops);
CREATE INDEX items_js ON items USING hnsw (v vec_js_ops);
INSERT INTO items VALUES (6, '[1,-2,3]');
INSERT INTO items VALUES (5, '[1,0,3]');
SELECT same_as_exact($$SELECT id FROM items ORDER BY v ||> '[1,2.5,3.5]'$$);
SELECT same_as_exact($$SELECT id FROM items ORDER BY v <|> '[1,2,3.5]'$$);
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v ||> '[1,-2,3]' LIMIT 1;
SELECT id FROM items ORDER BY v <|> '[1,-2,3]' LIMIT 1;
SET enable_indexscan = off;
SELECT id FROM items ORDER BY v ||> '[1,-2,3]' LIMIT 1;
SELECT id FROM items ORDER BY v <|> '[1,-2,3]' LIMIT 1;
RESET enable_indexscan;
DROP INDEX items_kl, items_js;
TRUNCATE items;
CREATE INDEX items_is ON items USING hnsw (v vec_is_ops);
INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[3,2,1]');
INSERT INTO items VALUES (3, '[1,0,3]');
INSERT INTO items VALUES (3, '[1,-2,3]');
SELECT id FROM items ORDER BY v |/> '[1,0,3]' LIMIT 1;
SELECT id FROM items ORDER BY v |/> '[1,-1,3]' LIMIT 1;
SELECT same_as_exact($$SELECT id FROM items ORDER BY v |/> '[1,2,3.5]'$$);
DROP TABLE items;

-- distances beyond single precision: every row is still there, once
CREATE TABLE items (id int, v vector(2));
INSERT INTO items SELECT i, array_to_vector(ARRAY[(i % 7 - 3) * 1e38, (i % 5 - 2) * 1.5e38], 2, true) FROM generate_series(1, 40) i;
INSERT INTO items SELECT 40 + i, array_to_vector(ARRAY[i * 1e-40, i * 1e-45], 2, true) FROM generate_series(1, 20) i;
CREATE INDEX items_l2 ON items USING hnsw (v);
CREATE INDEX items_ip ON items USING hnsw (v vec_ip_ops);
CREATE INDEX items_cosine ON items USING hnsw (v vec_cosine_ops);
CREATE INDEX items_l1 ON items USING hnsw (v vec_l1_ops);
CREATE INDEX items_linf ON items USING hnsw (v vec_linf_ops);
CREATE INDEX items_lp ON items USING hnsw (v vec_lp_ops (p = 0.125));
INSERT INTO items SELECT id + 60, v FROM items WHERE id % 3 = 0;
INSERT INTO items SELECT id + 120, v * '[0.5,-1]' FROM items;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[3e38,-3e38]') AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <#> '[3e38,-3e38]') AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <=> '[3e38,-3e38]') AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <+> '[3e38,-3e38]') AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <^> '[3e38,-3e38]') AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <*> lp('[3e38,-3e38]', 0.125)) AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1e-45,1e-45]') AS t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <=> '[1e-45,1e-45]') AS t;
DROP TABLE items;
DROP FUNCTION same_as_exact;
