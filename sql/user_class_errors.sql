-- Operator classes over a distance function of SQL: what is wrong with a class, and functions that
-- fail, are cancelled, or use the table themselves.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
CREATE SCHEMA user_class_errors;
SET search_path = user_class_errors, public;
RESET client_min_messages;
\set VERBOSITY terse

CREATE FUNCTION near(a int4, b int4) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(a - b); END';
CREATE FUNCTION other(a int4, b int4) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(a - b); END';
CREATE FUNCTION rounded(a int4, b int4) RETURNS int4 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(a - b); END';
CREATE OPERATOR <~~~> (LEFTARG = int4, RIGHTARG = int4, FUNCTION = near);
CREATE OPERATOR <~~> (LEFTARG = int4, RIGHTARG = int4, FUNCTION = other);
CREATE TYPE wrong_sphere AS (radius float8, centre int4);
CREATE FUNCTION within(a int4, s wrong_sphere) RETURNS bool LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN near(a, s.centre) <= s.radius; END';
CREATE OPERATOR <<~~~>> (LEFTARG = int4, RIGHTARG = wrong_sphere, FUNCTION = within);

-- classes that are wrong: what amvalidate says, and what an index says
CREATE OPERATOR CLASS int_result_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~~~> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 rounded(int4, int4);
CREATE OPERATOR CLASS int_function_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~~> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 near(int4, int4);
CREATE OPERATOR CLASS int_options_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~~~> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 near(int4, int4),
	FUNCTION 3 (int4) vec_lp_options(internal);
CREATE OPERATOR CLASS int_nothing_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~~~> (int4, int4) FOR ORDER BY float_ops;
CREATE OPERATOR CLASS int_both_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~~~> (int4, int4) FOR ORDER BY float_ops, FUNCTION 1 (int4, int4) vec_l2_space(internal),
	FUNCTION 2 near(int4, int4);
CREATE OPERATOR CLASS int_no_operator_ops FOR TYPE int4 USING vptree AS FUNCTION 2 near(int4, int4);
CREATE OPERATOR CLASS int_sphere_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~~~> (int4, int4) FOR ORDER BY float_ops,
	OPERATOR 2 <<~~~>> (int4, wrong_sphere) FOR SEARCH, FUNCTION 2 near(int4, int4);
SELECT opcname, amvalidate(oid) FROM pg_opclass WHERE opcname LIKE 'int\_%\_ops' ORDER BY opcname;
CREATE TABLE numbers AS SELECT (i * 7919) % 997 AS n FROM generate_series(1, 200) i;
CREATE INDEX ON numbers USING vptree (n int_result_ops);
CREATE INDEX ON numbers USING vptree (n int_function_ops);
CREATE INDEX ON numbers USING vptree (n int_options_ops);
CREATE INDEX ON numbers USING vptree (n int_nothing_ops);
CREATE INDEX ON numbers USING vptree (n int_no_operator_ops);
CREATE INDEX numbers_n ON numbers USING vptree (n int_sphere_ops);
SET enable_seqscan = off;
SELECT count(*) FROM numbers WHERE n <<~~~>> (5, 3)::wrong_sphere;
RESET enable_seqscan;
DROP INDEX numbers_n;

-- a function that fails when it is told to; options that no function can have
CREATE FUNCTION tricky(a int4, b int4) RETURNS float8 LANGUAGE plpgsql STABLE AS $$
DECLARE
	mode text := current_setting('test.mode', true);
BEGIN
	IF mode <> '' AND nextval('user_class_errors.calls') > current_setting('test.after')::int THEN
		CASE mode
			WHEN 'null' THEN RETURN NULL;
			WHEN 'nan' THEN RETURN 'NaN';
			WHEN 'minus infinity' THEN RETURN '-Infinity';
			WHEN 'negative' THEN RETURN -1;
			WHEN 'error' THEN RAISE 'no distance of % and % today', 'one', 'another';
			WHEN 'slow' THEN PERFORM pg_sleep(0.01);
			WHEN 'query' THEN RETURN (SELECT abs(a - b) + 0 * count(*) FROM user_class_errors.numbers WHERE n = a);
			WHEN 'scan' THEN RETURN (SELECT abs(a - b) + 0 * count(*) FROM (SELECT 1 FROM user_class_errors.points ORDER BY q <-> point(a, b) LIMIT 3) AS t);
		END CASE;
	END IF;
	RETURN abs(a - b);
END
$$;
CREATE SEQUENCE calls;
CREATE OPERATOR <~?> (LEFTARG = int4, RIGHTARG = int4, FUNCTION = tricky);
CREATE OPERATOR CLASS tricky_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~?> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 tricky(int4, int4),
	FUNCTION 3 (int4) distance_is_metric(internal);
CREATE OPERATOR CLASS tricky_ops FOR TYPE int4 USING hnsw AS OPERATOR 1 <~?> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 tricky(int4, int4);
CREATE INDEX ON numbers USING vptree (n tricky_ops) WITH (partition = kd);
CREATE INDEX ON numbers USING hnsw (n tricky_ops) WITH (quantization = rabitq);
CREATE INDEX ON numbers USING hnsw (n tricky_ops (metric = on));

-- a function that returns what is no distance: in builds, inserts and scans
SET test.mode = '';
SET test.after = 300;
CREATE PROCEDURE try(mode text, method text, sooner bool DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	DROP INDEX IF EXISTS numbers_n;
	FOREACH statement IN ARRAY ARRAY[format('CREATE INDEX numbers_n ON numbers USING %s (n tricky_ops)', method),
			'INSERT INTO numbers SELECT i * 3 FROM generate_series(1, 150) i',
			'SELECT count(*) FROM (SELECT 1 FROM numbers ORDER BY n <~?> 500) AS t'] LOOP
		PERFORM setval('calls', 1, false), set_config('test.mode', mode, false), set_config('test.after', CASE WHEN statement LIKE 'SELECT%' THEN '20' ELSE '300' END, false);
		BEGIN
			EXECUTE statement;
			RAISE WARNING '% %: % done', method, mode, left(statement, 6);
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING '% %: % %', method, mode, left(statement, 6), SQLERRM;
		END;
		PERFORM set_config('test.mode', '', false);
		IF statement LIKE 'CREATE%' THEN
			EXECUTE replace(statement, 'INDEX', 'INDEX IF NOT EXISTS');
		END IF;
		IF (SELECT count(*) FROM ann_check('numbers_n', true)) > 0 THEN
			RAISE WARNING '% %: % left problems', method, mode, left(statement, 6);
		END IF;
	END LOOP;
END
$$;
SET client_min_messages = warning;
SET hnsw.pending_list_limit = 0;
SET enable_seqscan = off;
SET enable_sort = off;
SET jit = off;
CALL try('null', 'vptree');
CALL try('nan', 'vptree');
CALL try('minus infinity', 'vptree');
CALL try('negative', 'vptree');
CALL try('error', 'vptree');
CALL try('query', 'vptree');
CALL try('nan', 'hnsw');
CALL try('error', 'hnsw');
CALL try('query', 'hnsw');
-- one that searches another such index
CREATE OPERATOR CLASS point_ops FOR TYPE point USING vptree AS OPERATOR 1 <-> (point, point) FOR ORDER BY float_ops, FUNCTION 2 point_distance(point, point);
CREATE TABLE points AS SELECT point(i % 17, i) AS q FROM generate_series(1, 50) i;
CREATE INDEX ON points USING vptree (q point_ops);
CALL try('scan', 'vptree');
CALL try('scan', 'hnsw');

-- cancelled inside the function: in builds, inserts and scans
SET test.mode = 'slow';
SET test.after = 0;
SET statement_timeout = '150ms';
CREATE INDEX numbers_slow ON numbers USING vptree (n tricky_ops);
CREATE INDEX numbers_slow ON numbers USING hnsw (n tricky_ops);
DROP INDEX numbers_n;
SET test.mode = '';
SET statement_timeout = 0;
CREATE INDEX numbers_n ON numbers USING vptree (n tricky_ops);
CREATE INDEX numbers_hnsw ON numbers USING hnsw (n tricky_ops);
SET test.mode = 'slow';
SET statement_timeout = '150ms';
INSERT INTO numbers SELECT 1000 + i FROM generate_series(1, 100) i;
SELECT count(*) FROM (SELECT 1 FROM numbers ORDER BY n <~?> 500) AS t;
SET test.mode = '';
SET statement_timeout = 0;
SELECT count(*) AS problems FROM ann_check('numbers_n', true);
SELECT count(*) AS problems FROM ann_check('numbers_hnsw', true);

-- an error in a vacuum, which merges
SET hnsw.pending_list_limit = 100000;
INSERT INTO numbers SELECT 2000 + i FROM generate_series(1, 100) i;
DELETE FROM numbers WHERE n % 2 = 0;
SET test.mode = 'error';
SET test.after = 0;
VACUUM numbers;
SET test.mode = '';
SELECT count(*) AS problems FROM ann_check('numbers_hnsw', true);
VACUUM numbers;
SELECT count(*) AS problems FROM ann_check('numbers_hnsw', true);
SELECT count(*) AS problems FROM ann_check('numbers_n', true);
DROP TABLE numbers;

-- a function that inserts into the table whose index calls it
CREATE TABLE growing (n int);
CREATE FUNCTION growing(a int4, b int4) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('test.mode', true) = 'grow' THEN
		PERFORM set_config('test.mode', '', false);
		INSERT INTO user_class_errors.growing SELECT 10000 + i FROM generate_series(1, 60) i;
		PERFORM set_config('test.mode', 'grow', false);
	END IF;
	RETURN abs(a - b);
END
$$;
CREATE OPERATOR <~!> (LEFTARG = int4, RIGHTARG = int4, FUNCTION = growing);
CREATE OPERATOR CLASS growing_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~!> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 growing(int4, int4);
CREATE OPERATOR CLASS growing_ops FOR TYPE int4 USING hnsw AS OPERATOR 1 <~!> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 growing(int4, int4);
CREATE INDEX growing_vptree ON growing USING vptree (n growing_ops) WITH (bucket_size = 10);
CREATE INDEX growing_hnsw ON growing USING hnsw (n growing_ops);
SET hnsw.pending_list_limit = 0;
INSERT INTO growing SELECT i FROM generate_series(1, 100) i;
SET test.mode = 'grow';
INSERT INTO growing VALUES (5000);
SET test.mode = '';
SELECT count(*) AS problems FROM ann_check('growing_vptree', true);
SELECT count(*) AS problems FROM ann_check('growing_hnsw', true);
SELECT count(*) > 160 AS grown FROM growing;

-- infinite distances are distances
CREATE FUNCTION parity(a int4, b int4) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN CASE WHEN (a - b) % 2 = 0 THEN abs(a - b) ELSE 'Infinity'::float8 END; END$$;
CREATE OPERATOR <~%> (LEFTARG = int4, RIGHTARG = int4, FUNCTION = parity);
CREATE OPERATOR CLASS parity_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~%> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 parity(int4, int4),
	FUNCTION 3 (int4) distance_is_metric(internal);
CREATE OPERATOR CLASS parity_ops FOR TYPE int4 USING hnsw AS OPERATOR 1 <~%> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 parity(int4, int4);
CREATE TABLE parities AS SELECT i AS n FROM generate_series(1, 200) i;
CREATE INDEX parities_n ON parities USING vptree (n parity_ops) WITH (bucket_size = 10);
SELECT count(*) AS problems FROM ann_check('parities_n', true);
SELECT array_agg(distance) = (SELECT array_agg(d ORDER BY d) FROM (SELECT parity(n, 41) AS d FROM parities) AS e) AS same
	FROM (SELECT n <~%> 41 AS distance FROM parities ORDER BY n <~%> 41) AS t;
DROP INDEX parities_n;
CREATE INDEX parities_n ON parities USING hnsw (n parity_ops);
SELECT count(*) AS problems FROM ann_check('parities_n', true);
SELECT count(*) AS rows, count(*) FILTER (WHERE distance < 'Infinity') AS finite FROM (SELECT n <~%> 41 AS distance FROM parities ORDER BY n <~%> 41) AS t;

-- the collation of the column reaches the function
CREATE FUNCTION folded(a text, b text) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RETURN abs(length(a) - length(b)) + (lower(a) < lower(b))::int; END';
CREATE OPERATOR <~~~> (LEFTARG = text, RIGHTARG = text, FUNCTION = folded);
CREATE OPERATOR CLASS folded_ops FOR TYPE text USING vptree AS OPERATOR 1 <~~~> (text, text) FOR ORDER BY float_ops, FUNCTION 2 folded(text, text);
CREATE TABLE folded (w text COLLATE "C");
INSERT INTO folded SELECT md5(i::text) FROM generate_series(1, 100) i;
CREATE INDEX folded_w ON folded USING vptree (w folded_ops);
SELECT count(*) FROM (SELECT 1 FROM folded ORDER BY w <~~~> 'a') AS t;

-- a check and a tuning call the function with the rights of the table's owner
CREATE ROLE ann_class_owner;
GRANT USAGE ON SCHEMA user_class_errors TO ann_class_owner;
CREATE FUNCTION owned(a int4, b int4) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS
	$$BEGIN IF current_user <> 'ann_class_owner' THEN RAISE 'called by another'; END IF; RETURN abs(a - b); END$$;
CREATE OPERATOR <~~~~> (LEFTARG = int4, RIGHTARG = int4, FUNCTION = owned);
CREATE OPERATOR CLASS owned_ops FOR TYPE int4 USING vptree AS OPERATOR 1 <~~~~> (int4, int4) FOR ORDER BY float_ops, FUNCTION 2 owned(int4, int4);
CREATE TABLE owned_rows AS SELECT i AS n FROM generate_series(1, 300) i;
ALTER TABLE owned_rows OWNER TO ann_class_owner;
CREATE INDEX owned_rows_n ON owned_rows USING vptree (n owned_ops);
SELECT count(*) FROM (SELECT 1 FROM owned_rows ORDER BY n <~~~~> 5 LIMIT 1) AS t;
SELECT count(*) FROM ann_check('owned_rows_n', true);
SELECT recall >= 0.9 AS tuned FROM vptree_tune('owned_rows_n', ARRAY[7, 70], 0.9, 5);
DROP TABLE owned_rows;
REVOKE USAGE ON SCHEMA user_class_errors FROM ann_class_owner;
DROP ROLE ann_class_owner;

SET client_min_messages = warning;
DROP SCHEMA user_class_errors CASCADE;
