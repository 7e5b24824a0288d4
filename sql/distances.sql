-- Distances: every dense space by function and operator, with the worked values of NMSLIB's definitions.

-- The reference value (6 digits, double precision) when the distance is that
-- up to float32 rounding, else the distance.
CREATE FUNCTION near(distance float8, reference numeric) RETURNS numeric LANGUAGE SQL AS
$$ SELECT CASE WHEN abs(distance - reference::float8) <= 2e-6 * greatest(1, abs(reference::float8)) THEN reference ELSE distance::numeric END $$;
CREATE TEMPORARY TABLE points AS SELECT
	'[1,2,3]'::vector AS a, '[4,6,3]'::vector AS b, '[-1,-2,-3]'::vector AS na, '[0,0,0]'::vector AS o,
	'[.1,.2,.3,.4]'::vector AS x, '[.4,.3,.2,.1]'::vector AS y, '[.5,.5,0,0]'::vector AS z, '[0,.5,.5,0]'::vector AS w,
	'[.5,.25,.25]'::vector AS c, '[.25,.25,.5]'::vector AS d, '[.5,.25,.125]'::vector AS e,
	'[1,0]'::vector AS e1, '[0,1]'::vector AS e2;

-- Lp family
SELECT near(l1_distance(a, b), 7.000000) AS ab, near(l1_distance(x, y), 0.800000) AS xy,
	l1_distance(a, b) = a <+> b AND x <+> y = y <+> x AS operator FROM points;
SELECT near(l2_distance(a, b), 5.000000) AS ab, near(l2_distance(x, y), 0.447214) AS xy,
	l2_distance(a, b) = a <-> b AND x <-> y = y <-> x AS operator FROM points;
SELECT near(linf_distance(a, b), 4.000000) AS ab, near(linf_distance(x, y), 0.300000) AS xy,
	linf_distance(a, b) = a <^> b AND x <^> y = y <^> x AS operator FROM points;
SELECT p, near(lp_distance(a, b, p), ab) AS ab, near(lp_distance(x, y, p), xy) AS xy,
	lp_distance(x, y, p) = x <*> lp(y, p) AND lp_distance(x, y, p) = lp(y, p) <*> x AS operator
FROM points, (VALUES (1, 7.000000, 0.800000), (2, 5.000000, 0.447214), (3, 4.497941, 0.382586), (1.5, 5.584250, 0.535511),
	(0.5, 13.928203, 2.985641), (0.125, 887.957463, 11567.095111)) t(p, ab, xy);
SELECT vector_l2_squared_distance(a, b), vector_l2_squared_distance(a, a) FROM points;

-- scalar products; a zero vector is orthogonal to all
SELECT inner_product(a, b) AS ab, near(inner_product(x, y), 0.200000) AS xy, a <#> b AS negative,
	vector_negative_inner_product(a, b) = a <#> b AS operator, inner_product(e1, e2) AS orthogonal FROM points;
SELECT near(cosine_distance(a, b), 0.144518) AS ab, near(cosine_distance(x, y), 0.333333) AS xy, near(a <=> na, 2) AS opposite,
	near(a <=> a, 0) AS same, near(e1 <=> e2, 1) AS orthogonal FROM points;
SELECT a <=> o AS ao, o <=> a AS oa, o <=> o AS oo FROM points;
SELECT near(angular_distance(a, b), 0.544315) AS ab, near(angular_distance(x, y), 0.841069) AS xy, near(a <@> na, 3.141593) AS opposite,
	a <@> a < 1e-3 AS same, near(e1 <@> e2, 1.570796) AS orthogonal FROM points;
SELECT near(a <@> o, 1.570796) AS ao, near(o <@> a, 1.570796) AS oa, near(o <@> o, 1.570796) AS oo FROM points;
SELECT vector_spherical_distance(e1, e2), vector_spherical_distance(e1, e1), vector_spherical_distance(a, b) FROM points;

-- Jensen-Shannon
SELECT near(js_divergence(x, y), 0.106440) AS xy, near(js_divergence(z, w), 0.346574) AS zw, near(js_divergence(z, x), 0.348584) AS zx,
	near(js_divergence(e1, e2), 0.693147) AS e1e2, near(js_divergence(a, b), 1.005112) AS ab, near(js_divergence(x, x), 0) AS xx FROM points;
SELECT near(js_metric(x, y), 0.326252) AS xy, near(js_metric(z, w), 0.588705) AS zw, near(js_metric(z, x), 0.590410) AS zx,
	near(js_metric(e1, e2), 0.832555) AS e1e2 FROM points;
SELECT js_divergence(x, y) = x <|> y AND z <|> w = w <|> z AS divergence, js_metric(x, y) = x <|^|> y AND z <|^|> w = w <|^|> z AS metric FROM points;

-- Kullback-Leibler, plain and generalised, Itakura-Saito, both directions
SELECT near(kl_divergence(x, y), 0.456435) AS xy, near(kl_divergence(c, d), 0.173287) AS cd, near(kl_divergence(c, e), 0.173287) AS ce,
	near(kl_divergence(e, c), -0.086643) AS ec, near(kl_divergence(z, x), 1.262864) AS zx, near(kl_divergence(a, b), -3.583519) AS ab,
	near(kl_divergence(x, z), 69998.928090) AS xz FROM points;
SELECT near(c ||> e, 0.173287) AS ce, near(c <|| e, -0.086643) AS ce_right, near(e <|| c, 0.173287) AS ec_right, kl_divergence(x, y) = x ||> y AS operator FROM points;
SELECT near(generalized_kl_divergence(a, b), 3.416481) AS ab, near(generalized_kl_divergence(b, a), 5.136851) AS ba,
	near(generalized_kl_divergence(c, d), 0.173287) AS cd, near(generalized_kl_divergence(c, e), 0.048287) AS ce,
	near(generalized_kl_divergence(e, c), 0.038357) AS ec, near(generalized_kl_divergence(z, x), 1.262864) AS zx FROM points;
SELECT near(c |+> e, 0.048287) AS ce, near(c <+| e, 0.038357) AS ce_right, near(e <+| c, 0.048287) AS ec_right FROM points;
SELECT near(itakura_saito(a, b), 1.068240) AS ab, near(itakura_saito(b, a), 2.515093) AS ba, near(itakura_saito(x, y), 2.416667) AS xy,
	near(itakura_saito(c, d), 0.500000) AS cd, near(itakura_saito(c, e), 0.306853) AS ce, near(itakura_saito(e, c), 0.193147) AS ec FROM points;
SELECT near(c |/> e, 0.306853) AS ce, near(c </| e, 0.193147) AS ce_right, near(e </| c, 0.306853) AS ec_right FROM points;

-- Renyi and alpha-beta
SELECT alpha, near(renyi_divergence(c, d, alpha), cd) AS cd, near(renyi_divergence(x, y, alpha), xy) AS xy,
	renyi_divergence(x, y, alpha) = x <*> renyi(y, alpha) AND renyi_divergence(x, y, alpha) = renyi(y, alpha) <*> x AS operator
FROM points, (VALUES (0.5, 0.087681, 0.233297), (2, 0.318454, 0.792238), (0.25, 0.043709, 0.115994), (0.75, 0.131126, 0.347983)) t(alpha, cd, xy);
SELECT alpha, beta, near(alphabeta_divergence(c, d, alpha, beta), t.cd) AS cd, near(alphabeta_divergence(a, b, alpha, beta), t.ab) AS ab,
	near(alphabeta_divergence(b, a, alpha, beta), t.ba) AS ba,
	alphabeta_divergence(a, b, alpha, beta) = a <*> alphabeta(b, alpha, beta) AND alphabeta_divergence(b, a, alpha, beta) = alphabeta(a, alpha, beta) <*> b AS operator
FROM points, (VALUES (1, 1, 0.109375, 55, 115), (-1, 1, 1, 13, 6), (0.5, -0.5, 1.133883, 4.654701, 21.392305), (2, 0.5, 0.081361, 68.361290, 416.235501)) t(alpha, beta, cd, ab, ba);
SELECT near(alphabeta_divergence(x, y, 1, 1), 0.050000) AS xy_1_1, near(alphabeta_divergence(x, y, 0.5, -0.5), 1.380723) AS xy_half FROM points;

-- halfvec: the same values where the coordinates are halves
SELECT near(l1_distance(a::halfvec, b), 7) AS l1, near(l2_distance(a::halfvec, b), 5) AS l2, near(linf_distance(a::halfvec, b), 4) AS linf,
	inner_product(a::halfvec, b) AS ip, near(cosine_distance(a::halfvec, b), 0.144518) AS cosine, near(angular_distance(a::halfvec, b), 0.544315) AS angular FROM points;
SELECT near(a::halfvec <+> b, 7) AS l1, near(a::halfvec <-> b, 5) AS l2, near(a::halfvec <^> b, 4) AS linf,
	a::halfvec <#> b AS ip, near(a::halfvec <=> b, 0.144518) AS cosine, near(a::halfvec <@> b, 0.544315) AS angular FROM points;
SELECT halfvec_l2_squared_distance(a, b), halfvec_negative_inner_product(a, b), halfvec_spherical_distance(e1, e2) FROM points;
SELECT a::halfvec <=> o AS ao, o::halfvec <=> a AS oa, o::halfvec <=> o AS oo, near(a::halfvec <@> o, 1.570796) AS angular FROM points;

-- the query is kept between calls: changing queries, dimensions, parameters and spaces in one scan
SELECT t.v, q.v, near(t.v <=> q.v, cosine) AS cosine, near(t.v ||> q.v, kl) AS kl
FROM (VALUES ('[1,1]'::vector, '[1,1]'::vector, 0, 0), ('[1,3]', '[1,1]', 0.105573, 3.295837), ('[4,2]', '[1,1]', 0.051317, 6.931472),
	('[1,1]', '[1,3]', 0.105573, -1.098612), ('[4,2]', '[1,3]', 0.292893, 4.734247), ('[1,1,1]', '[1,3,1]', 0.129612, -1.098612), ('[1,1]', '[1,1]', 0, 0)) x(v, q, cosine, kl), LATERAL (SELECT x.v) t, LATERAL (SELECT x.q AS v) q;
SELECT q.s, near(q.v <*> q.s, reference)
FROM (VALUES ('[1,2]'::vector, lp('[2,4]', 1), 3), ('[1,2]', lp('[2,4]', 3), 2.080084), ('[1,2,3]', lp('[2,4,6]', 1), 6), ('[.5,.5]', renyi('[.25,.75]', 2), 0.287682),
	('[1,2]', alphabeta('[2,4]', 1, 1), 18), ('[1,2]', lp('[2,4]', 1), 3)) q(v, s, reference);

-- huge values
SELECT '[3e38]'::vector <-> '[-3e38]' AS l2, '[3e38,1]'::vector <#> '[3e38,0]' AS ip, '[3e38]'::vector <+> '[-3e38]' AS l1, '[3e38]'::vector <^> '[1]' AS linf;

-- commutators
SELECT oprname, oprleft::regtype, oprright::regtype, proname, (SELECT c.oprname FROM pg_operator c WHERE c.oid = o.oprcom) AS commutator
FROM pg_operator o JOIN pg_proc p ON p.oid = oprcode WHERE oprresult = 'float8'::regtype AND oprleft::regtype::text IN ('vector', 'halfvec', 'space_vector') ORDER BY oprname COLLATE "C", oprleft::regtype::text;
DROP FUNCTION near;

-- queries stored out of line: each is fetched once, and never taken for another
CREATE TABLE long_vectors (id int, v vector(2000));
INSERT INTO long_vectors
	SELECT i, (SELECT array_agg((i * 7919 + j * 104729) % 1000 / 1000.0) FROM generate_series(1, 2000) j)::vector
	FROM generate_series(1, 4) i;
SELECT pg_relation_size(reltoastrelid) > 0 AS out_of_line FROM pg_class WHERE oid = 'long_vectors'::regclass;
SELECT count(*), bool_and(a.v <-> b.v = (a.v::real[]::vector <-> b.v::real[]::vector)) AS equal,
	bool_and(a.v <=> b.v = (a.v::real[]::vector <=> b.v::real[]::vector)) AS equal_cosine,
	count(*) FILTER (WHERE a.v <-> b.v = 0) AS same
	FROM long_vectors a, long_vectors b;
DROP TABLE long_vectors;
