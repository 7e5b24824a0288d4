-- Range search through a vptree index: with and without ORDER BY, several spheres, the settings
-- of a scan, parameters known late.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/plan_of.sql
\i sql/include/same_range.sql
\set ECHO all

-- 300 histograms of 8 bins that sum to 1, and as many vectors of either sign
CREATE TABLE histograms AS
	SELECT i AS id, array_agg(w / total ORDER BY j)::vector(8) AS v
	FROM (SELECT i, j, w, sum(w) OVER (PARTITION BY i) AS total
		  FROM (SELECT i, j, 5.0 + (i * 7919 + j * 104729 + i * i * j * 13) % 1000 AS w
				FROM generate_series(1, 300) i, generate_series(1, 8) j) AS weights) AS bins
	GROUP BY i;
CREATE TABLE points AS
	SELECT i AS id, array_agg(((i * 7919 + j * 104729 + i * i * j * 13) % 1000 - 500) / 500.0 ORDER BY j)::vector(8) AS v,
		   array_agg(((i * 7919 + j * 104729 + i * i * j * 13) % 1000 - 500) / 500.0 ORDER BY j)::halfvec(8) AS h
	FROM generate_series(1, 300) i, generate_series(1, 8) j GROUP BY i;
\set histogram '[0.3,0.05,0.1,0.2,0.05,0.15,0.1,0.05]'
\set point '[0.3,-0.5,0.1,0.9,0.05,-0.75,0.4,-0.1]'

-- Every class: the rows within the distance of the 40th nearest, the nearest alone, and all.
CREATE FUNCTION check_class(tab regclass, col name, class text, distance text, range text, query text,
	OUT class_name text, OUT nearest_40 text, OUT ordered_40 text, OUT nearest text, OUT all_rows text)
LANGUAGE plpgsql AS $$
DECLARE
	d float8[];
BEGIN
	class_name := class;
	EXECUTE format('CREATE INDEX checked ON %s USING vptree (%I %s)', tab, col, class);
	EXECUTE format('SELECT array_agg(%2$s ORDER BY %2$s) FROM %1$s', tab, format(distance, query)) INTO d;
	nearest_40 := same_range(format('SELECT id FROM %s WHERE %s', tab, format(range, query, d[40])));
	ordered_40 := same_range(format('SELECT %3$s FROM %1$s WHERE %2$s ORDER BY %3$s', tab, format(range, query, d[40]), format(distance, query)));
	nearest := same_range(format('SELECT id FROM %s WHERE %s', tab, format(range, query, d[1])));
	all_rows := same_range(format('SELECT id FROM %s WHERE %s', tab, format(range, query, 'Infinity')));
	DROP INDEX checked;
END
$$;
SELECT c.* FROM (VALUES
	(1, 'vec_l2_ops', 'v <-> %L', 'v <<->> sphere(%L::vector, %L)'),
	(3, 'vec_cosine_ops', 'v <=> %L', 'v <<=>> sphere(%L::vector, %L)'), (4, 'vec_l1_ops', 'v <+> %L', 'v <<+>> sphere(%L::vector, %L)'),
	(5, 'vec_linf_ops', 'v <^> %L', 'v <<^>> sphere(%L::vector, %L)'), (6, 'vec_angular_ops', 'v <@> %L', 'v <<@>> sphere(%L::vector, %L)'),
	(7, 'vec_lp_ops (p = 0.5)', 'v <*> lp(%L, 0.5)', 'v <<*>> sphere(lp(%L, 0.5), %L)'),
	(8, 'vec_lp_ops (p = 3)', 'v <*> lp(%L, 3)', 'sphere(lp(%L, 3), %L) <<*>> v'),
	(9, 'vec_l2_ops', 'v <-> %L', 'sphere(%L::vector, %L) <<->> v')
	) AS classes(n, class, distance, range), check_class('points', 'v', class, distance, range, :'point') AS c ORDER BY n;
SELECT c.* FROM (VALUES
	(1, 'halfvec_l2_ops', '-'), (3, 'halfvec_cosine_ops', '='), (4, 'halfvec_l1_ops', '+'),
	(5, 'halfvec_linf_ops', '^'), (6, 'halfvec_angular_ops', '@')) AS classes(n, class, op),
	check_class('points', 'h', class, format('h <%s> %%L', op), format('h <<%s>> sphere(%%L::halfvec, %%L)', op), :'point') AS c ORDER BY n;
-- Where no metric is behind the space, exact answers take a search that leaves nothing out.
SET vptree.alpha_left = 0;
SET vptree.alpha_right = 0;
SELECT c.* FROM (VALUES
	(1, 'vec_ip_ops', 'v <#> %L', 'v <<#>> sphere(%L::vector, %L)')
	) AS classes(n, class, distance, range), check_class('points', 'v', class, distance, range, :'point') AS c ORDER BY n;
SELECT c.* FROM (VALUES
	(1, 'halfvec_ip_ops', 'h <#> %L', 'h <<#>> sphere(%L::halfvec, %L)')
	) AS classes(n, class, distance, range), check_class('points', 'h', class, distance, range, :'point') AS c ORDER BY n;
SELECT c.* FROM (VALUES
	(1, 'vec_js_ops', 'v <|> %L', 'v <<|>> sphere(%L::vector, %L)'), (2, 'vec_jsmetric_ops', 'v <|^|> %L', 'v <<|^|>> sphere(%L::vector, %L)'),
	(3, 'vec_kl_ops', 'v ||> %L', 'v <||>> sphere(%L::vector, %L)'), (4, 'vec_kl_ops', '%L <|| v', 'sphere(%L::vector, %L) <<||> v'),
	(5, 'vec_kl_right_ops', 'v <|| %L', 'v <<||> sphere(%L::vector, %L)'), (6, 'vec_kl_right_ops', '%L ||> v', 'sphere(%L::vector, %L) <||>> v'),
	(7, 'vec_gkl_ops', 'v |+> %L', 'v <|+>> sphere(%L::vector, %L)'), (8, 'vec_gkl_right_ops', '%L |+> v', 'sphere(%L::vector, %L) <|+>> v'),
	(9, 'vec_is_ops', 'v |/> %L', 'v <|/>> sphere(%L::vector, %L)'), (10, 'vec_is_right_ops', '%L |/> v', 'sphere(%L::vector, %L) <|/>> v'),
	(11, 'vec_renyi_ops (alpha = 2)', 'v <*> renyi(%L, 2)', 'v <<*>> sphere(renyi(%L, 2), %L)'),
	(12, 'vec_alphabeta_ops (alpha = 1, beta = 0.5)', 'v <*> alphabeta(%L, 1, 0.5)', 'v <<*>> sphere(alphabeta(%L, 1, 0.5), %L)')
	) AS classes(n, class, distance, range), check_class('histograms', 'v', class, distance, range, :'histogram') AS c ORDER BY n;
RESET vptree.alpha_left;
RESET vptree.alpha_right;

-- More rows, with equal values; the scan goes on until it has passed the radius.
CREATE TABLE items AS
	SELECT i AS id, array_to_vector(ARRAY[i % 50, i / 50, (i * 7) % 11, (i * 31) % 17], 4, true) AS v, i % 7 AS category FROM generate_series(1, 3000) i;
INSERT INTO items SELECT 3000 + i, '[20,30,5,8]' FROM generate_series(1, 25) i;
INSERT INTO items SELECT 3100 + i, NULL FROM generate_series(1, 25) i;
CREATE INDEX items_v ON items USING vptree (v);
ANALYZE items;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 5);
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE sphere('[20,30,5,8]'::vector, 5) <<->> v ORDER BY v <-> '[20,30,5,8]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 5) AND v <<->> sphere('[24,30,5,8]'::vector, 5) AND category = 3 ORDER BY v <-> '[20,30,5,9]';
-- the operator of another space is no condition of this index
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE v <<+>> sphere('[20,30,5,8]'::vector, 5) ORDER BY v <-> '[20,30,5,8]';
RESET enable_seqscan;
SELECT radius, same_range(format($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, %s)$$, radius)) AS unordered,
	same_range(format($$SELECT v <-> '[20,30,5,8]' FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, %s) ORDER BY v <-> '[20,30,5,8]' LIMIT 30$$, radius)) AS ordered
FROM unnest(ARRAY[0, 0.5, 3, 5, 10, 20, 1e9]) AS radius;
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[-20,-30,5,8]'::vector, 20)$$) AS far_from_all;
-- a condition on another column, rows counted after it
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 12) AND category = 3$$);
-- several spheres: around one point, around several, with the order by the distance from a third
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 12) AND v <<->> sphere('[20,30,5,8]'::vector, 6)$$);
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 12) AND v <<->> sphere('[25,30,5,8]'::vector, 8)$$);
SELECT same_range($$SELECT v <-> '[22,30,5,8]' FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 12) AND v <<->> sphere('[25,30,5,8]'::vector, 8) ORDER BY v <-> '[22,30,5,8]' LIMIT 20$$);
SELECT same_range($$SELECT v <-> '[22,30,5,8]' FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 12) ORDER BY v <-> '[22,30,5,8]' LIMIT 2000$$);
-- spheres that have nothing in common
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 2) AND v <<->> sphere('[40,30,5,8]'::vector, 2)$$);

-- the settings of a scan
SET enable_seqscan = off;
CREATE VIEW within AS SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 9);
CREATE VIEW ordered AS
	SELECT id, distance, lag(distance) OVER () AS previous
	FROM (SELECT id, v <-> '[20,30,5,8]' AS distance FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 9) ORDER BY v <-> '[20,30,5,8]') AS t;
SELECT count(*) AS expected FROM items WHERE (v <-> '[20,30,5,8]') + 0 <= 9;
SELECT count(*), count(DISTINCT id) FROM within;
SELECT rows, late_rows, resumed, distances < 1000 AS not_all FROM ann_scan_stats();
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) AS disordered FROM ordered;
SET vptree.max_leaves_to_visit = 2;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous) <= 1 AS in_order_but_late_rows FROM ordered;
SELECT count(*), count(DISTINCT id) FROM within;
SELECT rows, late_rows, resumed > 1 AS resumed FROM ann_scan_stats();
SET vptree.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM ordered;
SET vptree.iterative_scan = off;
SELECT count(*) < 140 AS some, count(*) = count(DISTINCT id) AS each_once, count(*) FILTER (WHERE distance < previous) AS disordered FROM ordered;
RESET vptree.iterative_scan;
RESET vptree.max_leaves_to_visit;
SET vptree.max_scan_tuples = 30;
SELECT count(*) FROM within;
RESET vptree.max_scan_tuples;

-- parameters that are known only when the query runs
SET plan_cache_mode = force_generic_plan;
PREPARE range(vector, float8) AS SELECT count(*) FROM items WHERE v <<->> sphere($1, $2);
EXPLAIN (COSTS OFF) EXECUTE range('[20,30,5,8]', 3);
EXECUTE range('[20,30,5,8]', 3);
EXECUTE range('[20,30,5,8]', 0);
EXECUTE range('[20,30,5,8]', NULL);
EXECUTE range(NULL, 3);
EXECUTE range('[20,30,5,8]', -1);
EXECUTE range('[20,30,5]', 1);
EXECUTE range('[20,30,5,8]', 'NaN');
PREPARE ordered(vector, vector) AS SELECT count(*) FROM (SELECT id FROM items WHERE v <<->> sphere($1, 3) ORDER BY v <-> $2) AS t;
EXECUTE ordered('[20,30,5,8]', '[20,30,5,8]');
EXECUTE ordered('[20,30,5,8]', '[1,2,3,4]');
EXECUTE ordered('[20,30,5,8]', NULL);
EXECUTE ordered(NULL, '[1,2,3,4]');
DEALLOCATE ALL;
RESET plan_cache_mode;
RESET enable_seqscan;
-- a sphere for each row of another table, and one in a subquery
CREATE TABLE spheres AS SELECT q, sphere(array_to_vector(ARRAY[q * 9, q * 11, q, q], 4, true), q) AS s FROM generate_series(1, 5) q;
INSERT INTO spheres VALUES (6, NULL);
SELECT same_range($$SELECT q, id FROM spheres, LATERAL (SELECT id FROM items WHERE v <<->> s OFFSET 0) AS t$$);
SELECT same_range($$SELECT q, (SELECT count(*) FROM items WHERE s <<->> v) FROM spheres$$);
SELECT same_range($$SELECT id FROM items WHERE v <<->> (SELECT s FROM spheres WHERE q = 3)$$);

-- a constant sphere with other parameters than the index's is planned without it
CREATE INDEX items_lp ON items USING vptree (v vec_lp_ops (p = 0.5));
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE v <<*>> sphere(lp('[20,30,5,8]', 0.5), 20);
SELECT plan_of($$SELECT id FROM items WHERE v <<*>> sphere(lp('[20,30,5,8]', 3), 20)$$);
SELECT id FROM items WHERE v <<*>> (SELECT sphere(lp('[20,30,5,8]', 3), 20));
RESET enable_seqscan;
SELECT same_range($$SELECT id FROM items WHERE v <<*>> sphere(lp('[20,30,5,8]', 0.5), 20)$$);

-- an empty index, and one in which the nearest rows have been deleted
DELETE FROM items WHERE v <-> '[20,30,5,8]' < 5;
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 7)$$);
VACUUM items;
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 7)$$);
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 4)$$);
TRUNCATE items;
SELECT same_range($$SELECT id FROM items WHERE v <<->> sphere('[20,30,5,8]'::vector, 7)$$);

DROP VIEW within, ordered;
DROP TABLE histograms, points, items, spheres;
DROP FUNCTION check_class;
DROP FUNCTION same_range;
DROP FUNCTION plan_of;
