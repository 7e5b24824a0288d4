-- The form in which an hnsw index stores values: bytes or halves where that loses nothing,
-- and values that come later and do not fit it.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all

SET max_parallel_maintenance_workers = 0;
SET hnsw.ef_search = 400;
CREATE FUNCTION numbers(i int, dim int) RETURNS float4[] LANGUAGE sql IMMUTABLE AS
	$$ SELECT array_agg((hashint4(i * 1000 + j) & 255)::float4) FROM generate_series(1, dim) j $$;
CREATE FUNCTION pages(index regclass) RETURNS bigint LANGUAGE sql AS
	$$ SELECT pg_relation_size(index) / current_setting('block_size')::int $$;

-- the same 1200 numbers as bytes, as halves, and as neither
CREATE TABLE items (id int, v vector(32), h vector(32), f vector(32), hv halfvec(32));
INSERT INTO items SELECT i, numbers(i, 32), numbers(i, 32)::vector * array_fill(0.5, '{32}')::vector,
	numbers(i, 32)::vector * array_fill(0.1, '{32}')::vector, numbers(i, 32) FROM generate_series(1, 1200) i;
CREATE INDEX items_v ON items USING hnsw (v);
CREATE INDEX items_h ON items USING hnsw (h);
CREATE INDEX items_f ON items USING hnsw (f);
CREATE INDEX items_hv ON items USING hnsw (hv halfvec_l2_ops);
SELECT pages('items_v') < pages('items_f') AS bytes_smaller, pages('items_h') < pages('items_f') AS halves_smaller,
	pages('items_hv') = pages('items_h') AS bytes_of_halves_need_as_much;

-- queries are not rounded
SELECT same_as_exact($$SELECT v <-> '[$$ || array_to_string(array_fill(100.3, '{32}'), ',') || $$]' FROM items ORDER BY v <-> '[$$ || array_to_string(array_fill(100.3, '{32}'), ',') || $$]' LIMIT 100$$);
SELECT same_as_exact($$SELECT h <-> '[$$ || array_to_string(array_fill(-7.7, '{32}'), ',') || $$]' FROM items ORDER BY h <-> '[$$ || array_to_string(array_fill(-7.7, '{32}'), ',') || $$]' LIMIT 100$$);
SELECT same_as_exact($$SELECT hv <-> '[$$ || array_to_string(array_fill(33.3, '{32}'), ',') || $$]' FROM items ORDER BY hv <-> '[$$ || array_to_string(array_fill(33.3, '{32}'), ',') || $$]' LIMIT 100$$);
DROP INDEX items_h, items_f, items_hv;

-- values that do not fit: negative, fractional, too large, -0; and equal ones of both kinds
INSERT INTO items SELECT 2000 + i, numbers(i, 32)::vector * array_fill(CASE i % 3 WHEN 0 THEN -1 WHEN 1 THEN 0.3 ELSE 3 END::float4, '{32}')::vector
	FROM generate_series(1, 60) i;
INSERT INTO items SELECT 3000 + i, array_fill('-0'::float4, '{32}') FROM generate_series(1, 7) i;
INSERT INTO items SELECT 4000 + i, array_fill(0::float4, '{32}') FROM generate_series(1, 7) i;
INSERT INTO items SELECT id + 10000, v FROM items WHERE id % 100 IN (1, 2);
SELECT same_as_exact($$SELECT v <-> '[$$ || array_to_string(array_fill(-50, '{32}'), ',') || $$]' FROM items ORDER BY v <-> '[$$ || array_to_string(array_fill(-50, '{32}'), ',') || $$]' LIMIT 100$$);
SELECT same_as_exact($$SELECT v <-> '[$$ || array_to_string(array_fill(0, '{32}'), ',') || $$]' FROM items ORDER BY v <-> '[$$ || array_to_string(array_fill(0, '{32}'), ',') || $$]' LIMIT 100$$);
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) = count(*) AS once, max(id)
	FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 7)) t;
RESET enable_seqscan;

-- gone again, and put back
DELETE FROM items WHERE id BETWEEN 2000 AND 5000;
VACUUM items;
INSERT INTO items SELECT 5000 + i, array_fill(0.25 + i, '{32}') FROM generate_series(1, 20) i;
SELECT same_as_exact($$SELECT v <-> '[$$ || array_to_string(array_fill(9, '{32}'), ',') || $$]' FROM items ORDER BY v <-> '[$$ || array_to_string(array_fill(9, '{32}'), ',') || $$]' LIMIT 50$$);
REINDEX INDEX items_v;
SELECT same_as_exact($$SELECT v <-> '[$$ || array_to_string(array_fill(9, '{32}'), ',') || $$]' FROM items ORDER BY v <-> '[$$ || array_to_string(array_fill(9, '{32}'), ',') || $$]' LIMIT 50$$);
DROP TABLE items;

-- the other spaces
CREATE TABLE items (id int, v vector(40));
INSERT INTO items SELECT i, numbers(i, 40) FROM generate_series(1, 1100) i;
CREATE INDEX ON items USING hnsw (v vec_ip_ops);
CREATE INDEX ON items USING hnsw (v vec_cosine_ops);
CREATE INDEX ON items USING hnsw (v vec_l1_ops);
CREATE INDEX ON items USING hnsw (v vec_linf_ops);
CREATE INDEX ON items USING hnsw (v vec_angular_ops);
INSERT INTO items SELECT 2000 + i, numbers(i, 40)::vector * array_fill(0.7, '{40}')::vector FROM generate_series(1, 40) i;
SELECT operator, same_as_exact(format($$SELECT v %1$s %2$L FROM items ORDER BY v %1$s %2$L LIMIT 30$$, operator, numbers(77, 40)::vector * array_fill(0.9, '{40}')::vector))
	FROM unnest('{<#>,<=>,<+>,<^>,<@>}'::text[]) operator;
DROP TABLE items;

-- values of more than a page, and such as pass a page only in full form
SET hnsw.ef_search = 1000;
CREATE TABLE items (id int, v vector);
CREATE TABLE large (id int, v vector);
INSERT INTO items SELECT i, numbers(i, 3000) FROM generate_series(1, 1000) i;
INSERT INTO large SELECT i, numbers(i, 9000) FROM generate_series(1, 1000) i;
CREATE INDEX items_v ON items USING hnsw ((v::vector(3000)) vec_l2_ops) WITH (m = 4, ef_construction = 16, quantization = none);
CREATE INDEX large_v ON large USING hnsw ((v::vector(9000)) vec_l2_ops) WITH (m = 4, ef_construction = 16, quantization = none);
SELECT pages('items_v') < 600 AS two_a_page, pages('large_v') < 2300 AS two_pages_each;
INSERT INTO items SELECT 1000 + i, v * array_fill(0.5, '{3000}')::vector FROM items, generate_series(1, 3) i WHERE id = i * 10;
INSERT INTO large SELECT 1000 + i, v * array_fill(0.5, '{9000}')::vector FROM large, generate_series(1, 3) i WHERE id = i * 10;
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v::vector(3000) <-> (SELECT v::vector(3000) FROM items WHERE id = 1002) LIMIT 1;
SELECT id FROM items ORDER BY v::vector(3000) <-> (SELECT v::vector(3000) FROM items WHERE id = 20) LIMIT 1;
SELECT id FROM large ORDER BY v::vector(9000) <-> (SELECT v::vector(9000) FROM large WHERE id = 1002) LIMIT 1;
SELECT id FROM large ORDER BY v::vector(9000) <-> (SELECT v::vector(9000) FROM large WHERE id = 20) LIMIT 1;
DROP TABLE items, large;
DROP FUNCTION numbers, pages;
