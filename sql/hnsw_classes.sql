-- Every operator class of hnsw returns all rows in the order of the exact scan.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
\set ECHO none
\i sql/include/same_as_exact.sql
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
SET hnsw.ef_search = 300;

-- Builds an index of a class on a table and compares it with the exact scan: the ids of the
-- ten nearest, and all rows: each once, and in order.  The index compares in single precision,
-- so nearly equal distances may change places in the long list.
CREATE FUNCTION check_class(tab regclass, col name, class text, expression text,
	OUT class_name text, OUT ten_nearest text, OUT rows bigint, OUT ids bigint, OUT disordered bigint)
LANGUAGE plpgsql AS $$
BEGIN
	class_name := class;
	EXECUTE format('CREATE INDEX checked ON %s USING hnsw (%I %s)', tab, col, class);
	ten_nearest := same_as_exact(format('SELECT id FROM %s ORDER BY %s LIMIT 10', tab, expression));
	PERFORM set_config('enable_seqscan', 'off', true);
	EXECUTE format(
		'SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous - 1e-5 * (abs(previous) + 0.01))
		 FROM (SELECT id, distance, lag(distance) OVER () AS previous
			   FROM (SELECT id, %2$s AS distance FROM %1$s ORDER BY %2$s) AS scanned) AS pairs',
		tab, expression) INTO rows, ids, disordered;
	PERFORM set_config('enable_seqscan', 'on', true);
	DROP INDEX checked;
END
$$;

SELECT c.* FROM (VALUES
	(1, 'vec_l2_ops', 'v <-> %L'), (2, 'vec_ip_ops', 'v <#> %L'), (3, 'vec_cosine_ops', 'v <=> %L'),
	(4, 'vec_l1_ops', 'v <+> %L'), (5, 'vec_linf_ops', 'v <^> %L'), (6, 'vec_angular_ops', 'v <@> %L'),
	(7, 'vec_lp_ops (p = 0.5)', 'v <*> lp(%L, 0.5)'), (8, 'vec_lp_ops (p = 3)', 'v <*> lp(%L, 3)'),
	(9, 'vec_lp_ops (p = 1)', 'lp(%L, 1) <*> v'),
	(10, 'vector_l2_ops', 'v <-> %L'), (11, 'vector_ip_ops', 'v <#> %L'),
	(12, 'vector_cosine_ops', 'v <=> %L'), (13, 'vector_l1_ops', 'v <+> %L')) AS classes(n, class, expression),
	check_class('points', 'v', class, format(expression, :'point')) AS c ORDER BY n;

SELECT c.* FROM (VALUES
	(1, 'halfvec_l2_ops', 'h <-> %L'), (2, 'halfvec_ip_ops', 'h <#> %L'), (3, 'halfvec_cosine_ops', 'h <=> %L'),
	(4, 'halfvec_l1_ops', 'h <+> %L'), (5, 'halfvec_linf_ops', 'h <^> %L'),
	(6, 'halfvec_angular_ops', 'h <@> %L')) AS classes(n, class, expression),
	check_class('points', 'h', class, format(expression, :'point')) AS c ORDER BY n;

-- the second direction of an asymmetric space is commuted to the class for right queries
SELECT c.* FROM (VALUES
	(1, 'vec_js_ops', 'v <|> %L'), (2, 'vec_jsmetric_ops', 'v <|^|> %L'),
	(3, 'vec_kl_ops', 'v ||> %L'), (4, 'vec_kl_right_ops', 'v <|| %L'), (5, 'vec_kl_right_ops', '%L ||> v'),
	(6, 'vec_gkl_ops', 'v |+> %L'), (7, 'vec_gkl_right_ops', 'v <+| %L'), (8, 'vec_gkl_right_ops', '%L |+> v'),
	(9, 'vec_is_ops', 'v |/> %L'), (10, 'vec_is_right_ops', 'v </| %L'), (11, 'vec_is_right_ops', '%L |/> v'),
	(12, 'vec_renyi_ops (alpha = 0.25)', 'v <*> renyi(%L, 0.25)'), (13, 'vec_renyi_ops (alpha = 2)', 'v <*> renyi(%L, 2)'),
	(14, 'vec_alphabeta_ops (alpha = 1, beta = 0.5)', 'v <*> alphabeta(%L, 1, 0.5)'),
	(15, 'vec_alphabeta_ops (beta = 2, alpha = -0.5)', 'v <*> alphabeta(%L, -0.5, 2)')) AS classes(n, class, expression),
	check_class('histograms', 'v', class, format(expression, :'histogram')) AS c ORDER BY n;

-- which index serves which direction
CREATE INDEX kl ON histograms USING hnsw (v vec_kl_ops);
CREATE INDEX kl_right ON histograms USING hnsw (v vec_kl_right_ops);
CREATE INDEX gkl ON histograms USING hnsw (v vec_gkl_ops);
CREATE INDEX gkl_right ON histograms USING hnsw (v vec_gkl_right_ops);
CREATE INDEX itakura_saito ON histograms USING hnsw (v vec_is_ops);
CREATE INDEX itakura_saito_right ON histograms USING hnsw (v vec_is_right_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM histograms ORDER BY v ||> :'histogram' LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM histograms ORDER BY :'histogram' ||> v LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM histograms ORDER BY v <|| :'histogram' LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM histograms ORDER BY v |+> :'histogram' LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM histograms ORDER BY :'histogram' |+> v LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM histograms ORDER BY v |/> :'histogram' LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM histograms ORDER BY :'histogram' |/> v LIMIT 3;
RESET enable_seqscan;

-- the directions differ, so the wrong index would give other rows
SELECT array_agg(id) AS left_query FROM (SELECT id FROM histograms ORDER BY v |/> :'histogram', id LIMIT 8) AS t;
SELECT array_agg(id) AS right_query FROM (SELECT id FROM histograms ORDER BY :'histogram' |/> v, id LIMIT 8) AS t;

-- the default class is Euclidean; nothing of ours is invalid in the eyes of the server
CREATE INDEX by_default ON points USING hnsw (v);
CREATE INDEX half_by_default ON points USING hnsw (h);
SELECT c.relname, o.opcname FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_opclass o ON o.oid = indclass[0]
WHERE indrelid = 'points'::regclass ORDER BY 1;
SELECT opcname, amvalidate(o.oid) FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'hnsw' ORDER BY 1;

DROP TABLE histograms, points;
DROP FUNCTION check_class;
DROP FUNCTION same_as_exact;
