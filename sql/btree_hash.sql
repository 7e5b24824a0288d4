-- Order and equality of vector and halfvec: operators, btree and hash classes, joins, grouping.

SELECT '[1,2,3]'::vector < '[1,2,3]', '[1,2,3]'::vector < '[1,2,4]', '[1,2,3]'::vector < '[1,2]', '[1,2]'::vector < '[1,2,3]', '[1,3]'::vector < '[1,2,3]';
SELECT '[1,2,3]'::vector <= '[1,2,3]', '[1,2,3]'::vector <= '[1,2]', '[1,2,3]'::vector = '[1,2,3]', '[1,2,3]'::vector = '[1,2]';
SELECT '[1,2,3]'::vector <> '[1,2,3]', '[1,2,3]'::vector <> '[1,2]', '[1,2,3]'::vector >= '[1,2,3]', '[1,2,3]'::vector > '[1,2,3]', '[1,2,3]'::vector > '[1,2]';
SELECT vector_cmp('[1,2,3]', '[1,2,3]'), vector_cmp('[1,2,3]', '[0,0,0]'), vector_cmp('[0,0,0]', '[1,2,3]'), vector_cmp('[1,2]', '[1,2,3]'), vector_cmp('[1,2,3]', '[1,2]'), vector_cmp('[1,2]', '[2,3,4]'), vector_cmp('[2,3]', '[1,2,3]');
SELECT '[1,2,3]'::halfvec < '[1,2,4]', '[1,2,3]'::halfvec <= '[1,2]', '[1,2]'::halfvec = '[1,2]', '[1,2]'::halfvec <> '[1,2]', '[1,3]'::halfvec >= '[1,2,3]', '[1,2,3]'::halfvec > '[1,2]', '[-1]'::halfvec < '[-0.5]';
SELECT halfvec_cmp('[1,2,3]', '[1,2,3]'), halfvec_cmp('[1,2,3]', '[0,0,0]'), halfvec_cmp('[1,2]', '[1,2,3]'), halfvec_cmp('[2,3]', '[1,2,3]');
SELECT '[0]'::vector = '[-0]'::vector, '[0]'::halfvec = '[-0]'::halfvec;

-- equal values hash the same, whatever the sign of a zero
SELECT vector_hash('[0,1]') = vector_hash('[-0,1]') AS zero, vector_hash('[0,1]') <> vector_hash('[1,0]') AS order, vector_hash('[0]') <> vector_hash('[0,0]') AS dims;
SELECT halfvec_hash('[0,1]') = halfvec_hash('[-0,1]') AS zero, halfvec_hash('[0,1]') <> halfvec_hash('[1,0]') AS order;
-- the plain hash is the low half of the extended one with seed 0, another seed gives another hash
SELECT bool_and((vector_hash_extended(v, 0) & x'ffffffff'::bigint) = (vector_hash(v)::bigint & x'ffffffff'::bigint)),
	bool_and(vector_hash_extended(v, 0) <> vector_hash_extended(v, 1)), count(DISTINCT vector_hash_extended(v, 7))
FROM (SELECT array_fill(i, ARRAY[300])::vector AS v FROM generate_series(1, 100) i) t;
SELECT bool_and((halfvec_hash_extended(v, 0) & x'ffffffff'::bigint) = (halfvec_hash(v)::bigint & x'ffffffff'::bigint)),
	bool_and(halfvec_hash_extended(v, 0) <> halfvec_hash_extended(v, 1))
FROM (SELECT array_fill(i, ARRAY[300])::vector::halfvec AS v FROM generate_series(1, 100) i) t;

CREATE TABLE ordered (id int, v vector(2), h halfvec(2));
INSERT INTO ordered SELECT i, ARRAY[i % 10, i / 50]::vector, ARRAY[i % 10, i / 50]::halfvec FROM generate_series(0, 99) i;
INSERT INTO ordered VALUES (100, '[-0,0]', '[-0,0]'), (101, NULL, NULL);

-- grouping by sort and by hash
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT v FROM ordered GROUP BY v) t;
SELECT count(DISTINCT h) FROM ordered;
RESET enable_hashagg;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT v FROM ordered GROUP BY v;
SELECT count(*) FROM (SELECT v FROM ordered GROUP BY v) t;
SELECT count(*) FROM (SELECT h FROM ordered GROUP BY h) t;
RESET enable_sort;

-- joins by hash and by merge
SET enable_nestloop = off;
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM ordered a JOIN ordered b ON a.v = b.v;
SELECT count(*) FROM ordered a JOIN ordered b ON a.v = b.v;
SELECT count(*) FROM ordered a JOIN ordered b ON a.h = b.h;
RESET enable_mergejoin;
SET enable_hashjoin = off;
SELECT count(*) FROM ordered a JOIN ordered b ON a.v = b.v;
SELECT count(*) FROM ordered a JOIN ordered b ON a.h = b.h;
RESET enable_nestloop;
RESET enable_hashjoin;

-- indexes
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CREATE INDEX ordered_btree ON ordered (v);
EXPLAIN (COSTS OFF) SELECT id FROM ordered WHERE v = '[0,0]' ORDER BY id;
SELECT id FROM ordered WHERE v = '[0,0]' ORDER BY id;
SELECT v FROM ordered WHERE v > '[9,0]' ORDER BY v LIMIT 1;
SELECT v FROM ordered ORDER BY v DESC NULLS LAST LIMIT 1;
DROP INDEX ordered_btree;
CREATE INDEX ordered_hash ON ordered USING hash (h);
EXPLAIN (COSTS OFF) SELECT id FROM ordered WHERE h = '[0,0]';
SELECT id FROM ordered WHERE h = '[0,0]' ORDER BY id;
DROP INDEX ordered_hash;
CREATE UNIQUE INDEX ON ordered (v);
DROP TABLE ordered;

-- hash partitions use the extended hash
CREATE TABLE parts (v vector(1)) PARTITION BY HASH (v);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT ARRAY[i]::vector FROM generate_series(1, 100) i;
SELECT count(*), count(DISTINCT tableoid) FROM parts;
SELECT v FROM parts WHERE v = '[42]';
DROP TABLE parts;

-- the classes are complete
SELECT amname, opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcintype IN ('vector'::regtype, 'halfvec'::regtype) AND amname IN ('btree', 'hash') ORDER BY 1, 2;
