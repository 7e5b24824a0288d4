-- vector: text form, type modifier, functions of one value, limits.

-- text form
SELECT '[1,2,3]'::vector, '[-1,-2,-3]'::vector, '[1.,2.,3.]'::vector;
SELECT ' [ 1,  2 ,    3  ] '::vector, E' \t\n\x0b\f\r[1]'::vector;
SELECT '[1.23456]'::vector, '[0.1,1e-3,1e10]'::vector, '[-0]'::vector;
SELECT '[1.5e-38,-1.5e-38]'::vector, '[1e-46,-1e-46]'::vector, '[3.4028235e38]'::vector;
SELECT '[hello,1]'::vector;
SELECT '[1,hello]'::vector;
SELECT '[NaN,1]'::vector;
SELECT '[1,Infinity]'::vector;
SELECT '[-Infinity,1]'::vector;
SELECT '[4e38,1]'::vector;
SELECT '[1,-4e38]'::vector;
SELECT '[1,2,3'::vector;
SELECT '[1,2,3]9'::vector;
SELECT '1,2,3'::vector;
SELECT ''::vector;
SELECT '['::vector;
SELECT '[ '::vector;
SELECT '[,'::vector;
SELECT '[]'::vector;
SELECT '[ ]'::vector;
SELECT '[,]'::vector;
SELECT '[1,]'::vector;
SELECT '[1a]'::vector;
SELECT '[1,,3]'::vector;
SELECT '[1, ,3]'::vector;
SELECT '{1,2}'::vector;
SELECT '[1 2]'::vector;

-- type modifier
SELECT '[1,2,3]'::vector(3);
SELECT '[1,2,3]'::vector(2);
SELECT '[1,2,3]'::vector(3, 2);
SELECT '[1,2,3]'::vector('a');
SELECT '[1,2,3]'::vector(0);
SELECT '[1,2,3]'::vector(16001);
SELECT unnest('{"[1,2,3]","[4,5,6]"}'::vector[]);
SELECT '{"[1,2,3]"}'::vector(2)[];
SELECT format_type('vector'::regtype, 3);

-- functions of one value
SELECT vector_dims('[1,2,3]'::vector);
SELECT round(vector_norm('[1,1]')::numeric, 5), vector_norm('[3,4]'), vector_norm('[0,1]');
SELECT vector_norm('[3e37,4e37]')::real;
SELECT vector_norm('[0,0]'), vector_norm('[2]');
SELECT l2_normalize('[3,4]'::vector), l2_normalize('[3,0]'::vector);
SELECT l2_normalize('[0,0.1]'::vector), l2_normalize('[0,0]'::vector), l2_normalize('[3e38]'::vector);
SELECT binary_quantize('[1,0,-1]'::vector);
SELECT binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::vector);
SELECT subvector('[1,2,3,4,5]'::vector, 1, 3), subvector('[1,2,3,4,5]'::vector, 3, 2);
SELECT subvector('[1,2,3,4,5]'::vector, -1, 3), subvector('[1,2,3,4,5]'::vector, 3, 9);
SELECT subvector('[1,2,3,4,5]'::vector, 1, 0);
SELECT subvector('[1,2,3,4,5]'::vector, 3, -1);
SELECT subvector('[1,2,3,4,5]'::vector, -1, 2);
SELECT subvector('[1,2,3,4,5]'::vector, 2147483647, 10);
SELECT subvector('[1,2,3,4,5]'::vector, 3, 2147483647);
SELECT subvector('[1,2,3,4,5]'::vector, -2147483644, 2147483647);

-- limits and storage
SELECT vector_dims(array_fill(1, ARRAY[16000])::vector);
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::vector);
SELECT vector_dims(('[' || repeat('1,', 16000) || '1]')::vector);
CREATE TABLE wide (v vector(16000));
INSERT INTO wide SELECT ('[' || string_agg(i::text, ',') || ']')::vector FROM generate_series(1, 16000) i;
SELECT subvector(v, 15999, 2), vector_dims(v), pg_column_size(v) FROM wide;
SELECT typname, typlen, typbyval, typalign, typstorage FROM pg_type WHERE typname IN ('vector', 'halfvec') ORDER BY typname DESC;
DROP TABLE wide;
