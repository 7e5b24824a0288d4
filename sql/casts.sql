-- Casts: arrays to and from vector and halfvec, vector to and from halfvec, type modifiers, cast kinds.

-- arrays to vector
SELECT ARRAY[1,2,3]::vector, ARRAY[1.0,2.0,3.0]::vector, ARRAY[1,2,3]::float4[]::vector, ARRAY[1,2,3]::float8[]::vector;
SELECT ARRAY[1.5,2.25]::numeric[]::vector, ARRAY[16777217]::vector, ARRAY[0.1]::float8[]::vector;
SELECT '{1,2,3}'::real[]::vector(3);
SELECT '{1,2,3}'::real[]::vector(2);
SELECT '{NULL}'::real[]::vector;
SELECT '{1,NULL}'::int[]::vector;
SELECT '{NaN}'::real[]::vector;
SELECT '{Infinity}'::real[]::vector;
SELECT '{-Infinity}'::float8[]::vector;
SELECT '{1e300}'::float8[]::vector;
SELECT '{NaN}'::numeric[]::vector;
SELECT '{1e300}'::numeric[]::vector;
SELECT '{}'::real[]::vector;
SELECT '{{1}}'::real[]::vector;
SELECT array_fill(0, ARRAY[16001])::vector;
SELECT '[0:2]={1,2,3}'::int[]::vector;

-- vector to arrays
SELECT '[1,2,3]'::vector::real[], '[1,2,3]'::vector::float4[];
SELECT '[1,2,3]'::vector::float8[];

-- arrays to halfvec
SELECT ARRAY[1,2,3]::halfvec, ARRAY[1.0,2.0,3.0]::halfvec, ARRAY[1,2,3]::float4[]::halfvec, ARRAY[1,2,3]::float8[]::halfvec;
SELECT ARRAY[2049]::halfvec, ARRAY[0.1]::float8[]::halfvec, ARRAY[1.5]::numeric[]::halfvec(1);
SELECT '{65519}'::real[]::halfvec;
SELECT '{65520}'::real[]::halfvec;
SELECT '{-70000}'::int[]::halfvec;
SELECT '{1e20}'::numeric[]::halfvec;
SELECT '{NaN}'::real[]::halfvec;
SELECT '{Infinity}'::real[]::halfvec;
SELECT '{NULL}'::real[]::halfvec;
SELECT '{}'::real[]::halfvec;
SELECT '{{1}}'::real[]::halfvec;
SELECT '{1,2,3}'::real[]::halfvec(2);
SELECT array_fill(0, ARRAY[16001])::halfvec;

-- halfvec to arrays
SELECT '[1,2.5,0.1]'::halfvec::real[];

-- vector to halfvec and back
SELECT '[1,2,3]'::vector::halfvec, '[0.1]'::vector::halfvec, '[1,2,3]'::vector::halfvec(3);
SELECT '[1,2,3]'::vector::halfvec(2);
SELECT '[65520]'::vector::halfvec;
SELECT '[-1e10]'::vector::halfvec;
SELECT '[1,2,3]'::halfvec::vector, '[0.1]'::halfvec::vector, '[1,2,3]'::halfvec::vector(3);
SELECT '[1,2,3]'::halfvec::vector(2);
SELECT vector_dims(array_fill(1.5, ARRAY[1000])::vector::halfvec::vector);

-- type modifiers
SELECT '[1,2,3]'::vector::vector(3), '[1,2,3]'::halfvec::halfvec(3);
SELECT '[1,2,3]'::vector::vector(2);
SELECT '[1,2,3]'::halfvec::halfvec(2);

-- assignment
CREATE TEMPORARY TABLE assigned (v vector(2), h halfvec(2));
INSERT INTO assigned VALUES ('{1,2}'::int[], '{1,2}'::float8[]), ('[3,4]'::halfvec, '[3,4]'::vector);
SELECT * FROM assigned;
INSERT INTO assigned (v) VALUES ('{1,2,3}'::int[]);
INSERT INTO assigned (v) VALUES ('[1,2,3]'::vector);
INSERT INTO assigned (h) VALUES ('[1,2,3]'::vector);

-- kinds: e explicit, a assignment, i implicit
SELECT castsource::regtype, casttarget::regtype, castcontext
FROM pg_cast
WHERE castsource IN ('vector'::regtype, 'halfvec'::regtype) AND casttarget::regtype::text IN ('vector', 'halfvec', 'real[]')
	OR casttarget IN ('vector'::regtype, 'halfvec'::regtype) AND castsource::regtype::text LIKE '%[]'
ORDER BY castsource::regtype::text, casttarget::regtype::text;
