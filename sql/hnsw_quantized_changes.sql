-- The quantised form of hnsw while rows come and go: pending rows, merges, vacuum; scans of every kind
-- in between; other kinds of tables; the instruction sets.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
\i sql/include/quantized.sql
\set ECHO all

SET max_parallel_maintenance_workers = 0;
SET hnsw.ef_search = 40;
SET hnsw.pending_list_limit = 64;
CREATE FUNCTION found(tab text DEFAULT 'items') RETURNS text LANGUAGE sql AS
	$$ SELECT search_report(tab::regclass, '<->', 'clustered(5000 + $i, 64)', 0.9) $$;

-- built, then inserts that are merged 64 kB at a time; vacuum merges the rest and adds missing codes
CREATE TABLE items (id int, v vector(64)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1, 400) i;
CREATE INDEX items_v ON items USING hnsw (v);
SELECT quantization, without_code, problems FROM form('items_v');
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(401, 900) i;
SELECT value::int BETWEEN 1 AND 400 AS some_pending FROM ann_index_info('items_v') WHERE property = 'pending_vertices';
SELECT quantization, problems FROM form('items_v');
SELECT found();
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
SELECT found();

-- a third goes; a whole cluster and most of the rest; all rows; others come in their places
DELETE FROM items WHERE id % 3 = 0;
SELECT quantization, problems FROM form('items_v');
SELECT found();
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
SELECT found();
DELETE FROM items WHERE id % 25 = 7 OR id % 4 > 0;
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
SET hnsw.ef_search = 80;
SELECT found();
SET hnsw.ef_search = 40;
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1001, 1500) i;
SELECT quantization, problems FROM form('items_v');
SELECT found();
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
SELECT found();
DELETE FROM items;
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
SELECT found();
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1, 700) i;
UPDATE items SET id = id + 2000 WHERE id % 5 = 0;
UPDATE items SET v = clustered(id + 1, 64) WHERE id % 7 = 0;
SELECT quantization, problems FROM form('items_v');
SELECT found();
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
SELECT found();

-- every row is merged at once
SET hnsw.pending_list_limit = 0;
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(3001, 3060) i;
SELECT quantization, problems FROM form('items_v');
SELECT found();
SET hnsw.pending_list_limit = 64;
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');

-- a search computes the distances of the vertices it expands and hardly any other: those of the way down
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> clustered(5001, 64) LIMIT 10) t;
SELECT index, expanded BETWEEN 40 AND 200 AS few_expanded, distances - expanded < 100 AS hardly_more_distances, estimates > 10 * expanded AS many_estimates, rows, resumed, late_rows FROM ann_scan_stats();

-- a filter that few rows pass: the scan goes on beyond ef_search; every row that passes is found
CREATE FUNCTION of_filter(setting text, OUT rows bigint, OUT different bigint, OUT right_ones bigint, OUT disordered bigint, OUT resumed boolean) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('hnsw.iterative_scan', setting, true);
	WITH scanned AS MATERIALIZED (SELECT id, v <-> clustered(5001, 64) AS distance FROM items WHERE id % 17 = 3 ORDER BY v <-> clustered(5001, 64)),
		numbered AS (SELECT *, lag(distance) OVER () AS previous FROM scanned)
	SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE id % 17 = 3), count(*) FILTER (WHERE distance < previous) INTO rows, different, right_ones, disordered FROM numbered;
	resumed := (SELECT s.resumed > 0 FROM ann_scan_stats() s);
END
$$;
SELECT count(*) FROM items WHERE id % 17 = 3;
SELECT rows, different, right_ones, disordered <= 1 AS late_rows_last, resumed FROM of_filter('strict_order');
SELECT rows, different, right_ones, disordered < 10 AS few_disordered, resumed FROM of_filter('relaxed_order');
SELECT rows <= 40 AS at_most, different = rows AS once, right_ones = rows AS right, disordered, resumed FROM of_filter('off');
-- a scan of all rows is in order but for a few that come last, as many as in the plain form; half of the
-- rows are nearly the nearest half
CREATE FUNCTION right_ones(n int) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> clustered(5001, 64) LIMIT n) s
	JOIN (SELECT id FROM items ORDER BY (v <-> clustered(5001, 64)) + 0 LIMIT n) t USING (id)
$$;
SELECT right_ones(760) AS all_rows;
SELECT rows, late_rows < 76 AS few_late_rows, resumed > 2 AS resumed FROM ann_scan_stats();
SELECT right_ones(380) > 342 AS nine_of_ten, right_ones(100) > 90 AS nine_of_ten;
-- the first ten of those that the filter lets pass, of a pool of half the rows
SET hnsw.ef_search = 400;
SELECT same_as_exact('SELECT v <-> clustered(5001, 64) FROM items WHERE id % 17 = 3 ORDER BY v <-> clustered(5001, 64) LIMIT 10');
-- without iterating: the rows of ef_search values, nearest first
SET hnsw.ef_search = 100;
SET hnsw.iterative_scan = off;
SELECT count(DISTINCT v) AS values, count(*) FILTER (WHERE distance < previous) AS disordered
FROM (SELECT *, lag(distance) OVER () AS previous FROM (SELECT v, v <-> clustered(5001, 64) AS distance FROM items ORDER BY v <-> clustered(5001, 64) OFFSET 0) t) t;
RESET hnsw.iterative_scan;
-- ef_search of 1
SET hnsw.ef_search = 1;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> clustered(5001, 64)) t;
SET hnsw.ef_search = 40;

-- spheres: within the distance of the 30th nearest, in order; none; all
SELECT distance AS radius FROM (SELECT v <-> clustered(5001, 64) AS distance FROM items ORDER BY (v <-> clustered(5001, 64)) + 0 LIMIT 1 OFFSET 29) t \gset
SELECT count(*), count(DISTINCT id), bool_and((v <-> clustered(5001, 64)) <= :radius) AS within FROM items WHERE v <<->> sphere(clustered(5001, 64), :radius);
SELECT same_as_exact('SELECT v <-> clustered(5001, 64) FROM items WHERE v <<->> sphere(clustered(5001, 64), ' || :radius || ') ORDER BY v <-> clustered(5001, 64)');
SELECT count(*) FROM items WHERE v <<->> sphere(clustered(5001, 64), 0.001);
SELECT count(*) = (SELECT count(*) FROM (SELECT id FROM items OFFSET 0) t) AS all_rows, count(DISTINCT id) = count(*) AS once FROM items WHERE v <<->> sphere(clustered(5001, 64), 100);

-- an inner side of a join: one scan for each row
SELECT count(*), count(DISTINCT (i, id)), bool_and(position <> 1 OR distance = nearest) AS nearest_first
FROM generate_series(1, 20) i, LATERAL (SELECT min(v <-> clustered(6000 + i, 64)) AS nearest FROM (SELECT * FROM items OFFSET 0) t) e,
	LATERAL (SELECT id, distance, row_number() OVER () AS position FROM (SELECT id, v <-> clustered(6000 + i, 64) AS distance FROM items ORDER BY v <-> clustered(6000 + i, 64) LIMIT 15) t) s;
RESET enable_seqscan;

-- the plain form and back
ALTER INDEX items_v SET (quantization = none);
REINDEX INDEX items_v;
SELECT quantization, problems FROM form('items_v');
SELECT found();
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(3101, 3150) i;
ALTER INDEX items_v RESET (quantization);
REINDEX INDEX items_v;
SELECT quantization, without_code, problems FROM form('items_v');
SELECT found();
DROP TABLE items;

-- unlogged and temporary tables (whose pages are in other memory), partitions, a partial index
CREATE FUNCTION test_table(tab regclass) RETURNS TABLE (step text, search text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %s SELECT i, clustered(i, 64) FROM generate_series(1, 300) i', tab);
	EXECUTE format('CREATE INDEX tested ON %s USING hnsw (v)', tab);
	RETURN QUERY SELECT 'built'::text, found(tab::text);
	EXECUTE format('INSERT INTO %s SELECT i, clustered(i, 64) FROM generate_series(301, 600) i', tab);
	RETURN QUERY SELECT 'inserted'::text, found(tab::text);
	EXECUTE format('DELETE FROM %s WHERE id %% 3 = 0', tab);
	RETURN QUERY SELECT 'deleted'::text, found(tab::text);
	RETURN QUERY SELECT 'checked'::text, f.quantization || ', problems: ' || f.problems FROM form('tested') f;
END
$$;
CREATE UNLOGGED TABLE items (id int, v vector(64));
SELECT * FROM test_table('items');
VACUUM items;
SELECT quantization, without_code, problems FROM form('tested');
SELECT found();
DROP TABLE items;
CREATE TEMP TABLE items (id int, v vector(64));
SELECT * FROM test_table('items');
VACUUM items;
SELECT quantization, without_code, problems FROM form('tested');
SELECT found();
DROP TABLE items;
CREATE TABLE items (id int, v vector(64)) PARTITION BY RANGE (id);
CREATE TABLE items_1 PARTITION OF items FOR VALUES FROM (0) TO (250);
CREATE TABLE items_2 PARTITION OF items FOR VALUES FROM (250) TO (10000);
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1, 300) i;
CREATE INDEX items_v ON items USING hnsw (v);
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(301, 600) i;
VACUUM items;
SELECT indexrelid::regclass AS index, quantization, without_code, problems
FROM pg_index, form(indexrelid) WHERE indrelid IN ('items_1'::regclass, 'items_2'::regclass) ORDER BY 1;
SET hnsw.ef_search = 600;
SET enable_seqscan = off;
SET enable_sort = off;
PREPARE nearest(vector) AS SELECT id FROM items ORDER BY v <-> $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE nearest(clustered(5001, 64));
RESET plan_cache_mode;
DEALLOCATE nearest;
WITH scanned AS MATERIALIZED (SELECT id, v <-> clustered(5001, 64) AS distance FROM items ORDER BY v <-> clustered(5001, 64)),
	numbered AS (SELECT *, lag(distance) OVER () AS previous FROM scanned)
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) AS disordered FROM numbered;
RESET enable_sort;
RESET enable_seqscan;
DROP TABLE items;
CREATE TABLE items (id int, v vector(64));
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(1, 300) i;
CREATE INDEX items_v ON items USING hnsw (v) WHERE id % 2 = 0;
INSERT INTO items SELECT i, clustered(i, 64) FROM generate_series(301, 600) i;
DELETE FROM items WHERE id % 3 = 0;
VACUUM items;
SELECT quantization, without_code, problems FROM form('items_v');
SELECT same_as_exact('SELECT v <-> clustered(5001, 64) FROM items WHERE id % 2 = 0 ORDER BY v <-> clustered(5001, 64)');
DROP TABLE items;

-- instruction sets: an index built with any, of values whose distances are exact, is bit by bit that of
-- another (unlogged: with no position in the log); ann_check() computes all codes again, and a scan expands
-- the same vertices
CREATE UNLOGGED TABLE items (id int, v vector(80));
INSERT INTO items SELECT i, n FROM generate_series(1, 250) i,
	LATERAL (SELECT array_agg((hashint4(i * 1000 + j) & 15)::real) AS n FROM generate_series(1, 80) j) AS numbers;
CREATE FUNCTION instruction_sets() RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	level text;
	found text[];
BEGIN
	FOREACH level IN ARRAY ARRAY['none', 'neon', 'avx2', 'avx512'] LOOP
		BEGIN
			PERFORM set_config('ann.simd', level, true);
			found := found || level;
		EXCEPTION WHEN invalid_parameter_value THEN
			NULL;
		END;
	END LOOP;
	RETURN found;
END
$$;
CREATE FUNCTION compare_instruction_sets(class text, operator text, OUT enough boolean, OUT forms bigint, OUT checks bigint,
	OUT contents bigint, OUT answers bigint, OUT costs bigint) LANGUAGE plpgsql AS $$
DECLARE
	builder text;
	reader text;
	all_forms text[];
	all_checks text[];
	all_contents text[];
	all_answers text[];
	all_costs text[];
	answer text;
BEGIN
	FOREACH builder IN ARRAY instruction_sets() LOOP
		PERFORM set_config('ann.simd', builder, true);
		EXECUTE format('CREATE INDEX tested ON items USING hnsw (v %s)', class);
		CHECKPOINT;
		all_contents := all_contents || md5(pg_read_binary_file(pg_relation_filepath('tested')));
		FOREACH reader IN ARRAY instruction_sets() LOOP
			PERFORM set_config('ann.simd', reader, true), set_config('enable_seqscan', 'off', true);
			all_forms := all_forms || (SELECT f.quantization || f.without_code || f.code_dimensions FROM form('tested') f);
			all_checks := all_checks || (SELECT f.problems FROM form('tested') f);
			EXECUTE format('SELECT string_agg(id::text, '' '') FROM (SELECT id FROM items ORDER BY v %s array_fill(7, ''{80}'')::vector, id LIMIT 50) t', operator) INTO answer;
			all_answers := all_answers || answer;
			all_costs := all_costs || (SELECT format('%s %s %s', index, distances, expanded) FROM ann_scan_stats());
			PERFORM set_config('enable_seqscan', 'on', true);
		END LOOP;
		DROP INDEX tested;
	END LOOP;
	PERFORM set_config('ann.simd', 'auto', true);
	enough := cardinality(all_contents) >= 1;
	forms := (SELECT count(DISTINCT x) FROM unnest(all_forms) x);
	checks := (SELECT count(*) FROM unnest(all_checks) x WHERE x <> 'none');
	contents := (SELECT count(DISTINCT x) FROM unnest(all_contents) x);
	answers := (SELECT count(DISTINCT x) FROM unnest(all_answers) x);
	costs := (SELECT count(DISTINCT x) FROM unnest(all_costs) x);
END
$$;
SET hnsw.ef_search = 40;
SELECT * FROM compare_instruction_sets('vec_l2_ops', '<->');
SELECT * FROM compare_instruction_sets('vec_ip_ops', '<#>');
DROP TABLE items;
DROP FUNCTION found, of_filter, right_ones, test_table, instruction_sets, compare_instruction_sets, coordinates, clustered, search_report, form, same_as_exact;
