-- halfvec: text form, rounding to half precision, type modifier, functions of one value, limits.

-- text form
SELECT '[1,2,3]'::halfvec, '[-1,-2,-3]'::halfvec, ' [ 1.,  2. , 3.] '::halfvec;
SELECT '[1.23456]'::halfvec, '[0.1,1e-3,1e4]'::halfvec, '[-0]'::halfvec;
-- ties to even, the largest half, the smallest normal and subnormal ones, underflow to zero
SELECT '[2049,2051,4098]'::halfvec, '[65504,65519]'::halfvec;
SELECT '[6.1035156e-05,5.9604645e-08,2.9802322e-08,2.9802323e-08]'::halfvec;
SELECT '[65520]'::halfvec;
SELECT '[-65520]'::halfvec;
SELECT '[4e38,1]'::halfvec;
SELECT '[hello,1]'::halfvec;
SELECT '[NaN,1]'::halfvec;
SELECT '[1,-Infinity]'::halfvec;
SELECT '[1,2,3'::halfvec;
SELECT '[1,2,3]9'::halfvec;
SELECT '1,2,3'::halfvec;
SELECT ''::halfvec;
SELECT '[]'::halfvec;
SELECT '[1,]'::halfvec;

-- type modifier
SELECT '[1,2,3]'::halfvec(3);
SELECT '[1,2,3]'::halfvec(2);
SELECT '[1,2,3]'::halfvec(3, 2);
SELECT '[1,2,3]'::halfvec(0);
SELECT '[1,2,3]'::halfvec(16001);
SELECT unnest('{"[1,2,3]","[4,5,6]"}'::halfvec[]);

-- functions of one value
SELECT vector_dims('[1,2,3]'::halfvec);
SELECT l2_norm('[3,4]'::halfvec), l2_norm('[0,0]'::halfvec), round(l2_norm('[1,1]'::halfvec)::numeric, 5);
SELECT l2_normalize('[3,4]'::halfvec), l2_normalize('[0,0]'::halfvec), l2_normalize('[65504]'::halfvec);
SELECT binary_quantize('[0,0.1,-0.2,-0.3,0.4,0.5,0.6,-0.7,0.8,-0.9,1]'::halfvec);
SELECT subvector('[1,2,3,4,5]'::halfvec, 1, 3), subvector('[1,2,3,4,5]'::halfvec, 3, 9);
SELECT subvector('[1,2,3,4,5]'::halfvec, 6, 1);

-- limits
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]')::halfvec);
SELECT vector_dims(('[' || repeat('1,', 16000) || '1]')::halfvec);
CREATE TABLE wide (v halfvec(16000));
INSERT INTO wide SELECT ('[' || string_agg((i % 2048)::text, ',') || ']')::halfvec FROM generate_series(1, 16000) i;
SELECT subvector(v, 15999, 2), vector_dims(v), pg_column_size(v) FROM wide;
DROP TABLE wide;
