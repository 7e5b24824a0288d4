-- spheres: constructor, text and binary form, storage; the range operators agree with the distances.

SELECT sphere('[1,2,3]'::vector, 0.5), sphere('[1,2.5]'::halfvec, -2), sphere(lp('[1,2]', 0.5), 3), sphere('[1]'::vector, 'Infinity');
SELECT ' sphere:radius=1e-3: [ 1, 2] '::sphere_vector, 'sphere:radius=-inf:[1]'::sphere_halfvec, 'sphere:radius=2:alphabeta:beta=2,alpha=1:[1]'::sphere_space_vector;
-- what is printed is read again as the same value
SELECT bool_and(s::text::sphere_vector::text = s::text AND sphere_vector_send(s::text::sphere_vector) = sphere_vector_send(s))
FROM (SELECT sphere('[0.1,1e-45,3.4028235e38]'::vector, 0.1) AS s UNION ALL SELECT sphere('[1]'::vector, 1e-300) UNION ALL SELECT sphere('[1]'::vector, 1.0/3)) t;
-- radius as float8, then the centre's binary form
SELECT sphere_vector_send(sphere('[1,2]'::vector, 1)) = float8send(1) || vector_send('[1,2]'),
	   sphere_halfvec_send(sphere('[1,2]'::halfvec, 1)) = float8send(1) || halfvec_send('[1,2]'),
	   sphere_space_vector_send(sphere(lp('[1,2]', 3), 1)) = float8send(1) || space_vector_send(lp('[1,2]', 3));

SELECT ''::sphere_vector;
SELECT '[1,2]'::sphere_vector;
SELECT 'sphere:radius=:[1]'::sphere_vector;
SELECT 'sphere:radius=1[1]'::sphere_vector;
SELECT 'sphere:radius=1:'::sphere_vector;
SELECT 'sphere:radius=1:[1,]'::sphere_vector;
SELECT 'sphere:radius=1:[1]x'::sphere_halfvec;
SELECT 'sphere:radius=1:[1]'::sphere_space_vector;
SELECT 'sphere:radius=nan:[1]'::sphere_vector;
SELECT sphere('[1]'::vector, 'NaN');
SELECT sphere('[1]'::vector, NULL) IS NULL, sphere(NULL::vector, 1) IS NULL;

-- on the sphere is within it
SELECT '[1,2,3]'::vector <<->> sphere('[1,2,5]'::vector, 2) AS within, '[1,2,3]'::vector <<->> sphere('[1,2,5]'::vector, 1.9999999) AS beyond,
	   sphere('[1,2,5]'::vector, 2) <<->> '[1,2,3]'::vector AS commuted;
-- inner product and KL have negative distances, so negative radii; other spaces refuse them
SELECT '[1,2,3]'::vector <<#>> sphere('[4,5,6]'::vector, -32) AS within, '[1,2,3]'::vector <<#>> sphere('[4,5,6]'::vector, -32.5) AS beyond;
SELECT '[1,2]'::vector <||>> sphere('[2,4]'::vector, -2) AS within, '[1,2]'::vector <||>> sphere('[2,4]'::vector, -2.1) AS beyond;
SELECT '[1,2]'::vector <<->> sphere('[1,2]'::vector, -0.5);
SELECT sphere(lp('[1,2]', 2), -1) <<*>> '[1,2]'::vector;
-- as the distance functions, they want equal dimensions and values of the space
SELECT '[1,2]'::vector <<->> sphere('[1,2,3]'::vector, 1);
SELECT '[1,2]'::halfvec <<->> sphere('[1]'::halfvec, 1);
SELECT '[1,-2]'::vector <||>> sphere('[1,1]'::vector, 1);
SELECT '[1,2]'::vector <<*>> sphere(lp('[1,2,3]', 1), 1);

-- Every range operator decides as its distance does, at a radius of exactly that distance and
-- just below it, in both forms.  a and b differ, so a wrong direction shows.
CREATE TABLE pairs AS
	SELECT array_agg((1 + (i * 7919 + j * 104729) % 997) / 1000.0 ORDER BY j)::vector AS a,
		   array_agg((1 + (i * 6101 + j * 75653) % 991) / 1000.0 ORDER BY j)::vector AS b
	FROM generate_series(1, 50) i, generate_series(1, 9) j GROUP BY i;
CREATE FUNCTION check_range(type text, distance text, range text, query text, commuted text,
	OUT operator text, OUT pairs bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
	operator := range;
	EXECUTE format(
		'WITH d AS (SELECT a::%1$s AS a, %4$s AS q, a::%1$s %2$s %4$s AS distance FROM pairs),
			  r AS (SELECT *, distance - abs(distance) * 1e-15 AS less FROM d)
		 SELECT count(*), count(*) FILTER (WHERE NOT (a %3$s sphere(q, distance)) OR NOT (sphere(q, distance) %5$s a)
				OR less < distance AND (a %3$s sphere(q, less) OR sphere(q, less) %5$s a)) FROM r',
		type, distance, range, query, commuted) INTO pairs, wrong;
END
$$;
SELECT c.* FROM (VALUES
	(1, 'vector', '<->', '<<->>', 'b', '<<->>'), (2, 'vector', '<#>', '<<#>>', 'b', '<<#>>'), (3, 'vector', '<=>', '<<=>>', 'b', '<<=>>'),
	(4, 'vector', '<+>', '<<+>>', 'b', '<<+>>'), (5, 'vector', '<^>', '<<^>>', 'b', '<<^>>'), (6, 'vector', '<@>', '<<@>>', 'b', '<<@>>'),
	(7, 'halfvec', '<->', '<<->>', 'b::halfvec', '<<->>'), (8, 'halfvec', '<#>', '<<#>>', 'b::halfvec', '<<#>>'),
	(9, 'halfvec', '<=>', '<<=>>', 'b::halfvec', '<<=>>'), (10, 'halfvec', '<+>', '<<+>>', 'b::halfvec', '<<+>>'),
	(11, 'halfvec', '<^>', '<<^>>', 'b::halfvec', '<<^>>'), (12, 'halfvec', '<@>', '<<@>>', 'b::halfvec', '<<@>>'),
	(13, 'vector', '<|>', '<<|>>', 'b', '<<|>>'), (14, 'vector', '<|^|>', '<<|^|>>', 'b', '<<|^|>>'),
	(15, 'vector', '||>', '<||>>', 'b', '<<||>'), (16, 'vector', '<||', '<<||>', 'b', '<||>>'),
	(17, 'vector', '|+>', '<|+>>', 'b', '<<+|>'), (18, 'vector', '<+|', '<<+|>', 'b', '<|+>>'),
	(19, 'vector', '|/>', '<|/>>', 'b', '<</|>'), (20, 'vector', '</|', '<</|>', 'b', '<|/>>'),
	(21, 'vector', '<*>', '<<*>>', 'lp(b, 0.5)', '<<*>>'), (22, 'vector', '<*>', '<<*>>', 'renyi(b, 2)', '<<*>>'),
	(23, 'vector', '<*>', '<<*>>', 'alphabeta(b, 1, 0.5)', '<<*>>')) AS v(n, type, distance, range, query, commuted),
	check_range(type, distance, range, query, commuted) AS c ORDER BY n;

-- each is the commutator of the other, and has an estimator
SELECT count(*), count(*) FILTER (WHERE c.oprcom = o.oid AND c.oprleft = o.oprright AND o.oprrest::text = 'matchingsel')
FROM pg_operator o JOIN pg_operator c ON c.oid = o.oprcom
WHERE 'sphere_vector'::regtype IN (o.oprleft, o.oprright) OR 'sphere_halfvec'::regtype IN (o.oprleft, o.oprright)
	OR 'sphere_space_vector'::regtype IN (o.oprleft, o.oprright);

-- stored, also compressed and out of line
CREATE TABLE spheres (id int, s sphere_vector, t sphere_space_vector);
INSERT INTO spheres VALUES (1, sphere('[1,2,3]'::vector, 3), sphere(lp('[1,2,3]', 2), 3)), (2, NULL, NULL);
INSERT INTO spheres SELECT 3, sphere(array_fill(1, ARRAY[16000])::vector, 126.5), sphere(lp(array_fill(1, ARRAY[16000])::vector, 2), 126.5);
SELECT id, s, t FROM spheres WHERE id < 3 ORDER BY id;
SELECT id, v, array_fill(v, ARRAY[16000])::vector <<->> s AS l2, array_fill(v, ARRAY[16000])::vector <<*>> t AS lp
FROM spheres, generate_series(0, 3) v WHERE id = 3 ORDER BY v;
DROP TABLE spheres, pairs;
DROP FUNCTION check_range;
