-- ann_estimate(): what an index would take, before it is built.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
SET maintenance_work_mem = '64MB';
\set VERBOSITY terse

CREATE TABLE items AS
	SELECT i AS id, CASE WHEN i % 4 > 0 THEN array_agg((hashint4(i * 32 + d) % 1000) / 1000.0 ORDER BY d) END::vector(32) AS v
	FROM generate_series(1, 8000) i, generate_series(1, 32) d GROUP BY i;
ANALYZE items;

-- nulls are not counted; the size is nearly that of the index
CREATE INDEX items_v ON items USING hnsw (v);
SELECT rows BETWEEN 5900 AND 6100 AS rows, dimensions, memory > 6000 * 32 * 4 AS memory, fits_memory,
	index_size / pg_relation_size('items_v')::float8 BETWEEN 0.95 AND 1.05 AS index_size,
	seconds > 0 AND seconds < 60 AS seconds
FROM ann_estimate('items', 'v');

-- memory and size are those of the rows assumed; whether they fit is measured by the setting
SELECT rows, memory / 1000000, fits_memory, index_size / 1000000 FROM ann_estimate('items', 'v', assumed_rows => 1000000);
SET maintenance_work_mem = '1GB';
SELECT rows, memory / 1000000, fits_memory, index_size / 1000000 FROM ann_estimate('items', 'v', assumed_rows => 1000000);
RESET maintenance_work_mem;

-- more links take more memory, other dimensions make another index
SELECT m32.memory > m16.memory AS memory, m32.index_size > m16.index_size AS index_size
FROM ann_estimate('items', 'v') AS m16, ann_estimate('items', 'v', options => 'm = 32, ef_construction = 64') AS m32;
SELECT dimensions, memory, index_size FROM ann_estimate('items', 'v', assumed_rows => 1000, assumed_dimensions => 16000);

-- the table is empty, has no dimensions, or both
CREATE TABLE nothing (v vector, h halfvec(16));
SELECT rows, dimensions, seconds >= 0 AS seconds FROM ann_estimate('nothing', 'h', assumed_rows => 1000);
SELECT rows, dimensions FROM ann_estimate('nothing', 'v', assumed_rows => 1000, assumed_dimensions => 8);
SELECT * FROM ann_estimate('nothing', 'v', assumed_rows => 1000);

-- other classes, with parameters of the space among the options
SELECT dimensions FROM ann_estimate('items', 'v', 'hnsw', 'vec_l1_ops');
SELECT dimensions FROM ann_estimate('items', 'v', operator_class => 'vec_lp_ops', options => 'p = 0.5, m=8,ef_construction= 32');
SELECT * FROM ann_estimate('items', 'v', operator_class => 'vec_lp_ops');
SELECT * FROM ann_estimate('items', 'v', operator_class => 'vec_lp_ops', options => 'p = -1');
-- values that the index would refuse
SELECT * FROM ann_estimate('items', 'v', operator_class => 'vec_is_ops');

-- what is not there, or not to be indexed so
SELECT * FROM ann_estimate('items', 'w');
SELECT * FROM ann_estimate('items', 'id');
SELECT * FROM ann_estimate('items', 'v', 'btree');
SELECT * FROM ann_estimate('items', 'v', 'nothing');
SELECT * FROM ann_estimate('items', 'v', operator_class => 'nothing');
SELECT * FROM ann_estimate('items', 'v', operator_class => 'halfvec_l2_ops');
SELECT * FROM ann_estimate('items', 'v', options => 'm');
SELECT * FROM ann_estimate('items', 'v', options => 'm = 200');
SELECT * FROM ann_estimate('items', 'v', options => 'links = 20');
SELECT * FROM ann_estimate('items', 'v', assumed_rows => -1);
SELECT * FROM ann_estimate('items', 'v', assumed_dimensions => 0);
SELECT * FROM ann_estimate('items', NULL);
SELECT * FROM ann_estimate('items_v', 'v');
SELECT * FROM ann_estimate(0, 'v');
CREATE TABLE divided (v vector(3)) PARTITION BY RANGE (v);
SELECT * FROM ann_estimate('divided', 'v');

-- the sample is read with the rights of the caller
CREATE ROLE ann_estimate_reader;
SET ROLE ann_estimate_reader;
SELECT * FROM ann_estimate('items', 'v');
RESET ROLE;
DROP ROLE ann_estimate_reader;
DROP TABLE items, nothing, divided;
