-- Operator classes over a distance function of SQL: types of every kind, against the exact scan.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
CREATE SCHEMA user_class;
SET search_path = user_class, public;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\set ECHO all
\set VERBOSITY terse

-- the example of the documentation: how many letters differ, position by position
CREATE FUNCTION word_distance(a text, b text) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
	n int := abs(length(a) - length(b));
BEGIN
	FOR i IN 1 .. least(length(a), length(b)) LOOP
		n := n + (substr(a, i, 1) <> substr(b, i, 1))::int;
	END LOOP;
	RETURN n;
END
$$;
CREATE OPERATOR <~~~> (LEFTARG = text, RIGHTARG = text, FUNCTION = word_distance);
CREATE OPERATOR CLASS word_ops FOR TYPE text USING vptree AS
	OPERATOR 1 <~~~> (text, text) FOR ORDER BY float_ops,
	FUNCTION 2 word_distance(text, text),
	FUNCTION 3 (text) distance_is_metric(internal);
CREATE TABLE words (w text);
INSERT INTO words VALUES ('hello'), ('help'), ('hero'), ('yellow'), ('held'), ('helm'), (NULL), ('zoo');
CREATE INDEX words_w ON words USING vptree (w word_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT w FROM words ORDER BY w <~~~> 'helo' LIMIT 4;
SELECT w, w <~~~> 'helo' AS distance FROM words ORDER BY w <~~~> 'helo', w LIMIT 5;
RESET enable_seqscan;
DROP TABLE words;
DROP OPERATOR FAMILY word_ops USING vptree;

-- further types: by value, of fixed length, of varying length, composite, over a domain
CREATE FUNCTION int_distance(a int4, b int4) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(a::float8 - b); END';
CREATE FUNCTION numeric_distance(a numeric, b numeric) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(a - b)::float8; END';
CREATE FUNCTION interval_distance(a interval, b interval) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(extract(epoch FROM a - b))::float8; END';
CREATE FUNCTION json_distance(a jsonb, b jsonb) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS $$BEGIN RETURN abs((a ->> 'n')::float8 - (b ->> 'n')::float8); END$$;
CREATE TYPE pair AS (name text, number float8);
CREATE FUNCTION pair_distance(a pair, b pair) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(length(a.name) - length(b.name)) + abs(a.number - b.number); END';
CREATE DOMAIN short AS varchar(40);
CREATE FUNCTION bytes_distance(a bytea, b bytea) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(length(a) - length(b))::float8 + abs(get_byte(a, 0) - get_byte(b, 0)); END';
CREATE OPERATOR <~~~> (LEFTARG = int4, RIGHTARG = int4, FUNCTION = int_distance);
CREATE OPERATOR <~~~> (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = numeric_distance);
CREATE OPERATOR <~~~> (LEFTARG = interval, RIGHTARG = interval, FUNCTION = interval_distance);
CREATE OPERATOR <~~~> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = json_distance);
CREATE OPERATOR <~~~> (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_distance);
CREATE OPERATOR <~~~> (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = bytes_distance);
CREATE OPERATOR <~~~> (LEFTARG = point, RIGHTARG = point, FUNCTION = point_distance);
DO $$
DECLARE
	method text;
	kind text[];
BEGIN
	FOREACH method IN ARRAY ARRAY['hnsw', 'vptree'] LOOP
		FOREACH kind SLICE 1 IN ARRAY ARRAY[['text', 'word'], ['int4', 'int'], ['numeric', 'numeric'], ['interval', 'interval'],
			['jsonb', 'json'], ['pair', 'pair'], ['bytea', 'bytes'], ['point', 'point']] LOOP
			EXECUTE format('CREATE OPERATOR CLASS %2$s_ops FOR TYPE %1$s USING %3$s AS
				OPERATOR 1 <~~~> (%1$s, %1$s) FOR ORDER BY float_ops, FUNCTION 2 %2$s_distance(%1$s, %1$s),
				FUNCTION 3 (%1$s) distance_is_metric(internal)', kind[1], kind[2], method);
		END LOOP;
	END LOOP;
END
$$;
SELECT amname, count(*), bool_and(amvalidate(o.oid)) AS valid FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod
	WHERE opcname ~ '^(word|int|numeric|interval|json|pair|bytes|point)_ops$' AND amname IN ('hnsw', 'vptree') GROUP BY 1 ORDER BY 1;

-- pseudo-random letters and numbers, some of them equal
CREATE FUNCTION letters(i int, n int) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$SELECT translate(substr(md5(i::text), 1, n), '0123456789abcdef', 'aaabbbcccdddeeff')$$;
CREATE TABLE things AS
	SELECT i AS id, letters(i, 3 + i % 4) AS w, letters(i, 4)::short AS s, (i * 7919) % 997 AS n, ((i * 7919) % 997) / 8.0 AS u,
		((i * 7919) % 997) * interval '1 minute' AS t, jsonb_build_object('n', (i * 7919) % 997, 'more', repeat('x', i)) AS j,
		ROW(letters(i, i % 9), (i * 7919) % 97)::pair AS p, point((i * 7919) % 997, (i * 104729) % 991) AS q,
		decode(md5((i % 150)::text) || repeat('00', i % 50 * 200), 'hex') AS b
	FROM generate_series(1, 300) i;
INSERT INTO things (id) VALUES (0);

-- all rows in order and the first ten, by an index of the column, and what ann_check() finds there
CREATE FUNCTION compare(method text, field text, class text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE INDEX compared ON things USING %s (%I %I)', method, field, class);
	SELECT string_agg(same_as_exact(format('SELECT %1$s <~~~> %2$s AS distance FROM things WHERE %1$s IS NOT NULL ORDER BY %1$s <~~~> %2$s %3$s',
		field, query, "limit")), '; ') INTO result FROM unnest(ARRAY['', 'LIMIT 10']) AS "limit";
	result := result || '; ' || (SELECT count(*) FROM ann_check('compared', true, true)) || ' problems';
	DROP INDEX compared;
	RETURN result;
END
$$;
SET hnsw.ef_search = 400;
SELECT method, field, compare(method, field, class, query)
	FROM unnest(ARRAY['hnsw', 'vptree']) AS method, (VALUES ('w', 'word_ops', $$'abcde'$$), ('s', 'word_ops', $$'cafe'$$), ('n', 'int_ops', '500'), ('u', 'numeric_ops', '17.3'),
		('t', 'interval_ops', $$interval '3 hours'$$), ('j', 'json_ops', $$'{"n": 333}'::jsonb$$), ('p', 'pair_ops', $$('abc', 40)::pair$$),
		('q', 'point_ops', 'point(400, 401.5)'), ('b', 'bytes_ops', $$'\x404142'::bytea$$)) AS kinds (field, class, query)
	ORDER BY 2, 1;

-- with rows inserted into an empty index, updated, deleted, vacuumed
CREATE FUNCTION life(method text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := '';
BEGIN
	DROP TABLE IF EXISTS life;
	CREATE TABLE life (id int, w text) WITH (autovacuum_enabled = off);
	EXECUTE format('CREATE INDEX life_w ON life USING %s (w word_ops)', method);
	INSERT INTO life SELECT id, w FROM things;
	INSERT INTO life SELECT 1000 + i, 'equal' FROM generate_series(1, 250) i;
	result := result || (SELECT count(*) FROM ann_check('life_w', true)) || ' problems; ';
	UPDATE life SET w = w || 'a' WHERE id % 5 = 0;
	DELETE FROM life WHERE id % 3 = 0;
	RETURN result || (SELECT count(*) FROM ann_check('life_w', true)) || ' problems; '
		|| same_as_exact($q$SELECT w <~~~> 'equal' FROM life WHERE w IS NOT NULL ORDER BY w <~~~> 'equal'$q$);
END
$$;
SET hnsw.ef_search = 1000;
SELECT life('vptree');
VACUUM life;
SELECT count(*) AS problems FROM ann_check('life_w', true);
SELECT same_as_exact($$SELECT w <~~~> 'abcde' FROM life WHERE w IS NOT NULL ORDER BY w <~~~> 'abcde'$$);
SELECT life('hnsw');
VACUUM life;
SELECT count(*) AS problems FROM ann_check('life_w', true);
SELECT same_as_exact($$SELECT w <~~~> 'abcde' FROM life WHERE w IS NOT NULL ORDER BY w <~~~> 'abcde'$$);
INSERT INTO life SELECT id, w FROM things WHERE id % 3 = 0;
SELECT same_as_exact($$SELECT w <~~~> 'abcde' FROM life WHERE w IS NOT NULL ORDER BY w <~~~> 'abcde'$$);
SELECT count(*) AS problems FROM ann_check('life_w', true);
DROP TABLE life;

-- a tree whose buckets split, become fewer by vacuum, and split again
CREATE TABLE shrinking (id int, q point) WITH (autovacuum_enabled = off);
CREATE INDEX shrinking_q ON shrinking USING vptree (q point_ops) WITH (bucket_size = 4, path_length = 3);
CREATE FUNCTION shrinking() RETURNS TABLE (buckets int, retired int, problems bigint, answers text) LANGUAGE sql AS $$
	SELECT (SELECT value::int FROM ann_index_info('shrinking_q') WHERE property = 'buckets'),
		(SELECT value::int FROM ann_index_info('shrinking_q') WHERE property = 'retired_buckets'),
		(SELECT count(*) FROM ann_check('shrinking_q', true)),
		same_as_exact('SELECT q <~~~> point(20, 20.5) FROM shrinking ORDER BY q <~~~> point(20, 20.5)')
$$;
INSERT INTO shrinking SELECT i, point(i * 7 % 101, i * 13 % 103) FROM generate_series(1, 800) i;
SELECT buckets BETWEEN 200 AND 400 AS buckets, problems, answers FROM shrinking();
DELETE FROM shrinking WHERE id % 8 <> 0;
VACUUM shrinking;
VACUUM shrinking;
SELECT buckets BETWEEN 25 AND 100 AS buckets, retired, problems, answers FROM shrinking();
INSERT INTO shrinking SELECT 1000 + i, point(i * 11 % 107, i * 17 % 109) FROM generate_series(1, 400) i;
SELECT buckets BETWEEN 125 AND 250 AS buckets, problems, answers FROM shrinking();
DROP FUNCTION shrinking;
DROP TABLE shrinking;

-- large values, as they are stored: on the page, compressed, out of line; and too large
CREATE TABLE large (id int, b bytea);
INSERT INTO large SELECT i, decode(md5(i::text) || repeat('ab', i * 211), 'hex') FROM generate_series(1, 60) i;
INSERT INTO large SELECT 100 + i, (SELECT string_agg(decode(md5((i * 1000 + k)::text), 'hex'), '') FROM generate_series(1, 500 * i) k) FROM generate_series(1, 8) i;
CREATE INDEX large_hnsw ON large USING hnsw (b bytes_ops);
SELECT same_as_exact($$SELECT b <~~~> '\x2041' FROM large ORDER BY b <~~~> '\x2041'$$);
SELECT count(*) AS problems FROM ann_check('large_hnsw', true, true);
INSERT INTO large SELECT id + 1000, b || '\x01' FROM large WHERE id % 3 = 0;
SELECT same_as_exact($$SELECT b <~~~> '\x2041' FROM large ORDER BY b <~~~> '\x2041'$$);
DELETE FROM large WHERE id % 2 = 0;
VACUUM large;
VACUUM large;
SELECT count(*) AS problems FROM ann_check('large_hnsw', true);
INSERT INTO large SELECT id + 2000, b || '\x02' FROM large;
SELECT count(*) AS problems FROM ann_check('large_hnsw', true);
SELECT same_as_exact($$SELECT b <~~~> '\x2041' FROM large ORDER BY b <~~~> '\x2041'$$);
DROP INDEX large_hnsw;
CREATE INDEX large_vptree ON large USING vptree (b bytes_ops) WITH (bucket_size = 10);
SELECT same_as_exact($$SELECT b <~~~> '\x2041' FROM large ORDER BY b <~~~> '\x2041'$$);
INSERT INTO large SELECT id + 5000, b || '\x03' FROM large WHERE id % 3 = 0;
SELECT same_as_exact($$SELECT b <~~~> '\x2041' FROM large ORDER BY b <~~~> '\x2041'$$);
DELETE FROM large WHERE id > 1000;
VACUUM large;
SELECT count(*) AS problems FROM ann_check('large_vptree', true);
INSERT INTO large VALUES (0, decode(repeat('00', 65532), 'hex'));
DROP TABLE large;

-- rows beyond maintenance_work_mem
CREATE TABLE many AS SELECT i AS id, point((i * 7919) % 9973, (i * 104729) % 9967) AS q FROM generate_series(1, 9000) i;
INSERT INTO many SELECT id, q FROM many WHERE id <= 500;
SET maintenance_work_mem = '1MB';
CREATE INDEX many_vptree ON many USING vptree (q point_ops) WITH (path_length = 16);
CREATE INDEX many_hnsw ON many USING hnsw (q point_ops) WITH (m = 8, ef_construction = 16);
RESET maintenance_work_mem;
SELECT count(*) AS problems FROM ann_check('many_vptree', true);
SELECT count(*) AS problems FROM ann_check('many_hnsw', true);
SELECT value FROM ann_index_info('many_hnsw') WHERE property IN ('rows', 'pending_vertices') ORDER BY property;
DROP INDEX many_hnsw;
SELECT same_as_exact($$SELECT q <~~~> point(5000, 5000) FROM many ORDER BY q <~~~> point(5000, 5000)$$);
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT * FROM many ORDER BY q <~~~> point(5000, 5000) LIMIT 10) AS t;
SELECT distances < 1000 AS few_distances FROM ann_scan_stats();
RESET enable_seqscan;
DROP TABLE many;

-- distances that a float4 does not hold: rows come in their exact order all the same
CREATE TABLE fine AS SELECT (i * 37 % 500) / 1e7 + 1000 AS u FROM generate_series(1, 500) i;
ALTER TABLE fine ALTER u TYPE numeric;
CREATE INDEX fine_u ON fine USING vptree (u numeric_ops);
SELECT same_as_exact('SELECT u FROM fine ORDER BY u <~~~> 0');
SELECT same_as_exact('SELECT u FROM fine ORDER BY u <~~~> 1000.00002 LIMIT 1');
DROP INDEX fine_u;
CREATE INDEX fine_u ON fine USING hnsw (u numeric_ops);
SELECT same_as_exact('SELECT u FROM fine ORDER BY u <~~~> 0');
DROP TABLE fine;

-- range conditions: the right operand is a row of a value and a radius
CREATE TYPE int_sphere AS (centre int4, radius float8);
CREATE FUNCTION int_within(a int4, s int_sphere) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN int_distance(a, s.centre) <= s.radius; END';
CREATE OPERATOR <<~~~>> (LEFTARG = int4, RIGHTARG = int_sphere, FUNCTION = int_within);
ALTER OPERATOR FAMILY int_ops USING vptree ADD OPERATOR 2 <<~~~>> (int4, int_sphere) FOR SEARCH;
ALTER OPERATOR FAMILY int_ops USING hnsw ADD OPERATOR 2 <<~~~>> (int4, int_sphere) FOR SEARCH;
SELECT amname, amvalidate(o.oid) FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod WHERE opcname = 'int_ops' AND amname IN ('hnsw', 'vptree') ORDER BY 1;
SELECT array_agg(n ORDER BY n) AS expected FROM things WHERE abs(n - 500) <= 20 \gset
SET enable_seqscan = off;
CREATE INDEX things_n ON things USING vptree (n int_ops);
EXPLAIN (COSTS OFF) SELECT n FROM things WHERE n <<~~~>> (500, 20)::int_sphere;
SELECT array_agg(n ORDER BY n) = :'expected' AS right FROM things WHERE n <<~~~>> (500, 20)::int_sphere;
SELECT n FROM things WHERE n <<~~~>> (500, 20)::int_sphere ORDER BY n <~~~> 500 LIMIT 3;
SELECT count(*) FROM things WHERE n <<~~~>> (500, 20)::int_sphere AND n <<~~~>> (510, 12)::int_sphere;
SELECT count(*) FROM things WHERE n <<~~~>> (500, NULL)::int_sphere;
SELECT count(*) FROM things WHERE n <<~~~>> NULL;
DROP INDEX things_n;
CREATE INDEX things_n ON things USING hnsw (n int_ops);
SELECT array_agg(n ORDER BY n) = :'expected' AS right FROM things WHERE n <<~~~>> (500, 20)::int_sphere;
-- no order at all
SELECT count(*) FROM (SELECT n FROM things WHERE n IS NOT NULL ORDER BY n <~~~> NULL) AS t;
DROP INDEX things_n;
RESET enable_seqscan;

-- what is no metric: rows may be missed by vptree, but none comes out of order
CREATE INDEX things_n ON things USING vptree (n int_ops (metric = off));
SELECT property, value FROM ann_index_info('things_n') WHERE property IN ('exact', 'metric', 'distance_function') ORDER BY property;
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT n FROM things ORDER BY n <~~~> 500) AS t;
DROP INDEX things_n;
RESET enable_seqscan;

-- a function that the planner may replace by its body, so that no query would use the index
CREATE FUNCTION plain_distance(a float8, b float8) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT abs(a - b)';
CREATE OPERATOR <~~~> (LEFTARG = float8, RIGHTARG = float8, FUNCTION = plain_distance);
CREATE OPERATOR CLASS plain_ops FOR TYPE float8 USING vptree AS OPERATOR 1 <~~~> (float8, float8) FOR ORDER BY float_ops, FUNCTION 2 plain_distance(float8, float8);
\set VERBOSITY default
CREATE INDEX ON things USING vptree ((n::float8) plain_ops);
ALTER FUNCTION plain_distance SET search_path = pg_catalog;
CREATE INDEX ON things USING vptree ((n::float8) plain_ops);
\set VERBOSITY terse

-- what an index would take
SELECT dimensions, memory_bytes > 0 AS memory, fits, index_bytes > 0 AS size, seconds > 0 AS seconds
	FROM (SELECT * FROM ann_estimate('things', 'w', 'vptree', 'word_ops') UNION ALL SELECT * FROM ann_estimate('things', 'w', 'hnsw', 'word_ops')) AS e
	(row_count, dimensions, memory_bytes, fits, index_bytes, seconds);
SELECT ann_estimate('things', 'w', 'hnsw', 'word_ops', NULL, NULL, 3);

SET client_min_messages = warning;
DROP SCHEMA user_class CASCADE;
