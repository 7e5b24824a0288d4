-- ann_index_info() and ann_check()

-- an empty index, then one with rows: what can be known beforehand
CREATE TABLE seen (id int, v vector(3));
CREATE INDEX seen_v ON seen USING hnsw (v) WITH (m = 8, ef_construction = 32, ef_search = 77);
SELECT * FROM ann_index_info('seen_v');
SELECT * FROM ann_check('seen_v', true, true);

-- 600 values, one of them in 100 rows, and 10 rows that are not indexed
INSERT INTO seen SELECT i, ARRAY[i % 30, i / 30, 0] FROM generate_series(0, 599) i;
INSERT INTO seen SELECT 1000 + i, '[7,7,7]' FROM generate_series(1, 100) i;
INSERT INTO seen SELECT 2000 + i, NULL FROM generate_series(1, 10) i;
REINDEX INDEX seen_v;
SELECT property, value FROM ann_index_info('seen_v')
WHERE property NOT SIMILAR TO 'layer_%|entry_%|%_pages|%_bytes';
-- the vertices of all layers but 0: a vertex is in layer 1 with probability 1/m
SELECT value::int AS layer_0 FROM ann_index_info('seen_v') WHERE property = 'layer_0_vertices';
SELECT value::int BETWEEN 40 AND 115 AS layer_1 FROM ann_index_info('seen_v') WHERE property = 'layer_1_vertices';
SELECT value::float BETWEEN 3 AND 16 AS mean_links FROM ann_index_info('seen_v') WHERE property = 'layer_0_mean_links';
-- pages by kind add up to the size of the index
SELECT sum(value::bigint) = pg_relation_size('seen_v') AS whole_index FROM ann_index_info('seen_v')
WHERE property IN ('unused_bytes', 'meta_bytes', 'slot_bytes', 'item_bytes', 'value_bytes');
SELECT * FROM ann_check('seen_v', true, true);

-- after deletions
DELETE FROM seen WHERE id < 100 OR id BETWEEN 1001 AND 1050;
VACUUM seen;
SELECT property, value FROM ann_index_info('seen_v') WHERE property IN ('rows', 'vertices');
SELECT * FROM ann_check('seen_v', true);
INSERT INTO seen SELECT i, ARRAY[i % 30, i / 30, 1] FROM generate_series(0, 299) i;
UPDATE seen SET v = ARRAY[id, 0, 0] WHERE id BETWEEN 200 AND 250;
SELECT * FROM ann_check('seen_v', true);

-- parameters, halves, expressions and predicates
CREATE TABLE parts (id int, v vector, h halfvec(3));
INSERT INTO parts SELECT i, ARRAY[i, i % 7 + 1, 1], ARRAY[i % 5, i % 11, 1]::vector::halfvec FROM generate_series(1, 500) i;
CREATE INDEX parts_lp ON parts USING hnsw ((v::vector(3)) vec_lp_ops (p = 0.5)) WHERE id % 2 = 0;
CREATE INDEX parts_h ON parts USING hnsw (h halfvec_cosine_ops);
CREATE INDEX parts_gkl ON parts USING hnsw (((v + '[1,1,1]')::vector(3)) vec_gkl_ops) WHERE id > 10;
SELECT property, value FROM ann_index_info('parts_lp') WHERE property IN ('space', 'element', 'p', 'rows');
SELECT property, value FROM ann_index_info('parts_h') WHERE property IN ('space', 'element', 'rows');
SELECT c.* FROM pg_index, ann_check(indexrelid, true) AS c WHERE indrelid = 'parts'::regclass;

-- values too large for their record
CREATE TABLE wide (id int, v vector(3000));
INSERT INTO wide SELECT i, array_agg(((i * j) % 97)::real)::vector FROM generate_series(1, 40) i, generate_series(1, 3000) j GROUP BY i;
CREATE INDEX wide_v ON wide USING hnsw (v);
SELECT property, value FROM ann_index_info('wide_v') WHERE property IN ('value_size', 'value_pages_per_vertex', 'value_pages', 'rows');
INSERT INTO wide SELECT 100 + i, array_agg(((i * j) % 89)::real)::vector FROM generate_series(1, 10) i, generate_series(1, 3000) j GROUP BY i;
SELECT * FROM ann_check('wide_v', true, true);

-- who may, and of what
CREATE TABLE partitioned (id int, v vector(2)) PARTITION BY RANGE (id);
CREATE INDEX partitioned_v ON partitioned USING hnsw (v);
CREATE INDEX seen_id ON seen (id);
SELECT ann_index_info('partitioned_v');
SELECT ann_check('partitioned_v');
SELECT ann_index_info('seen_id');
SELECT ann_check('seen_id');
SELECT ann_index_info('seen');
SELECT ann_check('seen');
SELECT ann_index_info(0);
SELECT ann_check(0);
SELECT ann_index_info(NULL), ann_check(NULL);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'wide_v'::regclass;
SELECT ann_index_info('wide_v');
SELECT ann_check('wide_v');
CREATE ROLE ann_test_reader;
SET ROLE ann_test_reader;
SELECT count(*) FROM ann_index_info('seen_v');
SELECT count(*) FROM ann_check('seen_v');
RESET ROLE;
GRANT SELECT ON seen TO ann_test_reader;
SET ROLE ann_test_reader;
SELECT count(*) > 20 AS readable FROM ann_index_info('seen_v');
SELECT count(*) FROM ann_check('seen_v');
RESET ROLE;
ALTER TABLE seen OWNER TO ann_test_reader;
REVOKE SELECT ON seen FROM ann_test_reader;
SET ROLE ann_test_reader;
SELECT count(*) > 20 AS readable FROM ann_index_info('seen_v');
SELECT count(*) FROM ann_check('seen_v', true);
RESET ROLE;

-- index expressions run with the rights of the table's owner, whoever asks
CREATE FUNCTION as_whom(vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN IF current_user <> 'ann_test_reader' THEN RAISE 'run by %', current_user; END IF; RETURN $1; END $$;
CREATE INDEX seen_whom ON seen USING hnsw ((as_whom(v)::vector(3)));
SELECT * FROM ann_check('seen_whom', true);

DROP TABLE seen, parts, wide, partitioned;
DROP FUNCTION as_whom;
DROP ROLE ann_test_reader;
