-- The quantised form of hnsw: the option, what an index says of itself, all spaces and types that
-- have codes, other stored forms, all shapes of records, values that are hard to code.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\i sql/include/quantized.sql
\set ECHO all

SET max_parallel_maintenance_workers = 0;

-- the option: automatic codes from 64 dimensions on, for spaces that have any
CREATE TABLE items (id int, v vector(64), short vector(63), untyped vector);
INSERT INTO items SELECT i, coordinates(i, 64), coordinates(i, 63), coordinates(i, 64) FROM generate_series(1, 200) i;
CREATE INDEX items_default ON items USING hnsw (v);
CREATE INDEX items_auto ON items USING hnsw (v) WITH (quantization = auto);
CREATE INDEX items_none ON items USING hnsw (v) WITH (quantization = none);
CREATE INDEX items_rabitq ON items USING hnsw (v) WITH (quantization = rabitq);
CREATE INDEX items_short ON items USING hnsw (short);
CREATE INDEX items_short_rabitq ON items USING hnsw (short) WITH (quantization = rabitq);
CREATE INDEX items_untyped ON items USING hnsw (untyped);
CREATE INDEX items_l1 ON items USING hnsw (v vec_l1_ops);
CREATE INDEX items_linf ON items USING hnsw (v vec_linf_ops) WITH (quantization = auto);
CREATE INDEX items_gkl ON items USING hnsw (v vec_gkl_ops);
SELECT indexrelid::regclass AS index, f.* FROM pg_index, form(indexrelid) f WHERE indrelid = 'items'::regclass ORDER BY indexrelid;
CREATE INDEX ON items USING hnsw (v vec_l1_ops) WITH (quantization = rabitq);
CREATE INDEX ON items USING hnsw (v vec_gkl_ops) WITH (quantization = rabitq);
CREATE INDEX ON items USING hnsw (v) WITH (quantization = sq8);
CREATE UNLOGGED TABLE no_rows (v vector(64));
CREATE INDEX ON no_rows USING hnsw (v vec_l1_ops) WITH (quantization = rabitq);
DROP TABLE no_rows;

-- it holds from the next REINDEX on
ALTER INDEX items_rabitq SET (quantization = none);
SELECT quantization, problems FROM form('items_rabitq');
REINDEX INDEX items_rabitq;
SELECT quantization, problems FROM form('items_rabitq');
ALTER INDEX items_rabitq SET (quantization = rabitq);
REINDEX INDEX items_rabitq;
SELECT quantization, problems FROM form('items_rabitq');
ALTER INDEX items_l1 SET (quantization = rabitq);
REINDEX INDEX items_l1;
DROP TABLE items;

-- every space and type
SET hnsw.ef_search = 40;
CREATE TABLE items (id int, v vector(96));
CREATE TABLE halves (id int, v halfvec(96));
INSERT INTO items SELECT i, clustered(i, 96) FROM generate_series(1, 600) i;
INSERT INTO halves SELECT id, v::halfvec FROM items;
CREATE FUNCTION test_class(tab regclass, class text, operator text, OUT form text, OUT search text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE INDEX tested ON %s USING hnsw (v %s)', tab, class);
	SELECT concat_ws(' ', f.quantization, f.code_dimensions, f.without_code, f.element, f.problems) INTO form FROM form('tested') f;
	search := search_report(tab, operator, format('clustered(1000 + $i, 96)::%s', CASE tab WHEN 'items'::regclass THEN 'vector' ELSE 'halfvec' END), 0.9);
	DROP INDEX tested;
END
$$;
SELECT class, t.* FROM (VALUES
	('items', 'vec_l2_ops', '<->'), ('items', 'vec_ip_ops', '<#>'), ('items', 'vec_cosine_ops', '<=>'), ('items', 'vec_angular_ops', '<@>'),
	('halves', 'halfvec_l2_ops', '<->'), ('halves', 'halfvec_ip_ops', '<#>'), ('halves', 'halfvec_cosine_ops', '<=>'), ('halves', 'halfvec_angular_ops', '<@>'))
	c (tab, class, operator), test_class(tab::regclass, class, operator) t;
DROP TABLE items, halves;

-- with ef_search beyond the number of rows a scan is exact
SET hnsw.ef_search = 1000;
CREATE TABLE items (id int, v vector(70));
INSERT INTO items SELECT i, coordinates(i % 400, 70)::vector - array_fill(0.5::real, '{70}')::vector FROM generate_series(1, 500) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT same_as_exact($$SELECT v <-> coordinates(7, 70)::vector FROM items ORDER BY v <-> coordinates(7, 70)::vector$$);
SELECT same_as_exact($$SELECT v <-> coordinates(9, 70)::vector FROM items ORDER BY v <-> coordinates(9, 70)::vector LIMIT 100$$);
DROP INDEX items_v;
CREATE INDEX items_v ON items USING hnsw (v vec_cosine_ops);
SELECT same_as_exact($$SELECT v <=> coordinates(7, 70)::vector FROM items ORDER BY v <=> coordinates(7, 70)::vector$$);
DROP TABLE items;

-- bytes and halves beside codes; values that come later and fit neither
CREATE TABLE items (id int, v vector(64), h vector(64));
INSERT INTO items SELECT i, n, n::vector * array_fill(0.5::real, '{64}')::vector
	FROM generate_series(1, 1100) i, LATERAL (SELECT array_agg((hashint4(i * 1000 + j) & 255)::real) AS n FROM generate_series(1, 64) j) AS numbers;
CREATE INDEX items_v ON items USING hnsw (v);
CREATE INDEX items_h ON items USING hnsw (h);
SELECT * FROM form('items_v');
SELECT * FROM form('items_h');
SELECT same_as_exact($$SELECT v <-> array_fill(100.3, '{64}')::vector FROM items ORDER BY v <-> array_fill(100.3, '{64}')::vector LIMIT 100$$);
SELECT same_as_exact($$SELECT h <-> array_fill(50.3, '{64}')::vector FROM items ORDER BY h <-> array_fill(50.3, '{64}')::vector LIMIT 100$$);
INSERT INTO items SELECT 1000 + id, v * array_fill(CASE id % 3 WHEN 0 THEN -1 WHEN 1 THEN 0.3 ELSE 3 END::real, '{64}')::vector FROM items WHERE id <= 90;
SELECT same_as_exact($$SELECT v <-> array_fill(100.3, '{64}')::vector FROM items ORDER BY v <-> array_fill(100.3, '{64}')::vector LIMIT 100$$);
VACUUM items;
SELECT * FROM form('items_v');
SELECT same_as_exact($$SELECT v <-> array_fill(30.3, '{64}')::vector FROM items ORDER BY v <-> array_fill(30.3, '{64}')::vector LIMIT 300$$);
DROP TABLE items;

-- records of every shape, and values on pages of their own: whether codes are there, how many dimensions
-- they have, and what is found
SET hnsw.ef_search = 400;
CREATE TABLE items (id int, v vector);
CREATE FUNCTION test_shape(dims int, links int, n int, OUT form text, OUT search text) LANGUAGE plpgsql AS $$
DECLARE
	query text := format('coordinates(1000 + $i, %s)::vector', dims);
BEGIN
	TRUNCATE items;
	EXECUTE format('INSERT INTO items SELECT i, coordinates(i, %s) FROM generate_series(1, %s) i', dims, n);
	EXECUTE format('CREATE INDEX tested ON items USING hnsw (v) WITH (m = %s, ef_construction = %s, quantization = rabitq)', links, greatest(40, 2 * links));
	INSERT INTO items SELECT 1000 + id, v FROM items WHERE id <= 4;
	EXECUTE format('INSERT INTO items SELECT 2000 + i, coordinates(2000 + i, %s) FROM generate_series(1, 8) i', dims);
	SELECT concat_ws(' ', f.quantization, f.code_dimensions, f.on_pages, f.problems) INTO form FROM form('tested') f;
	search := search_report('items', '<->', query, 0.9, 2);
	DROP INDEX tested;
END
$$;
SELECT dims, links, t.* FROM unnest(ARRAY[1, 3, 32, 33, 128]) dims, unnest(ARRAY[2, 33, 100]) links, test_shape(dims, links, 150) t;
SELECT dims, links, t.* FROM (VALUES (1900, 2), (1900, 33), (1900, 100), (1968, 2), (1968, 16), (1969, 16), (3072, 16)) s (dims, links), test_shape(dims, links, 40) t;
SELECT t.* FROM test_shape(16000, 16, 8) t;
-- automatic codes, where values fill pages
INSERT INTO items SELECT 3000 + i, coordinates(i, 3072) FROM generate_series(1, 30) i;
DELETE FROM items WHERE id < 3000;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT * FROM form('items_v');
SELECT search_report('items', '<->', 'coordinates(500 + $i, 3072)::vector', 0.95, 2);
DROP TABLE items;
DROP FUNCTION test_class, test_shape, coordinates, clustered, search_report, form, same_as_exact;
