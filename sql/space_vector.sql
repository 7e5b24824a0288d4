-- space_vector: constructors, text form, input checks, storage.

SELECT lp('[1,2,3]', 0.5), renyi('[0.25,0.75]', 2), alphabeta('[1,2]', -1, 0.5), lp('[1]', 1e-5), lp('[1]', 1.0/3);
SELECT ' lp:p=0.5: [ 1, 2 ,3 ] '::space_vector, 'renyi:alpha=0.25:[1]'::space_vector, 'alphabeta:alpha=1,beta=2:[1]'::space_vector;
SELECT 'alphabeta:beta=2,alpha=1:[1]'::space_vector, 'lp:p=1e3:[1]'::space_vector;
-- what is printed is read again as the same value
SELECT bool_and(s::text::space_vector::text = s::text AND space_vector_send(s::text::space_vector) = space_vector_send(s)) FROM (SELECT lp('[0.1,1e-45,3.4028235e38]', 0.1) AS s UNION ALL SELECT alphabeta('[1]', 1.0/3, -1e300)) t;

SELECT ''::space_vector;
SELECT '[1,2,3]'::space_vector;
SELECT 'l2:[1]'::space_vector;
SELECT 'lp:[1]'::space_vector;
SELECT 'lp:p=:[1]'::space_vector;
SELECT 'lp:p=0.5[1]'::space_vector;
SELECT 'lp:p=0.5:'::space_vector;
SELECT 'lp:q=0.5:[1]'::space_vector;
SELECT 'lp:p=0.5,p=0.5:[1]'::space_vector;
SELECT 'lp:p=0.5:[]'::space_vector;
SELECT 'lp:p=0.5:[1,NaN]'::space_vector;
SELECT 'lp:p=0.5:[4e38]'::space_vector;
SELECT 'lp:p=0.5:[1]x'::space_vector;
SELECT 'lp:p=0:[1]'::space_vector;
SELECT 'lp:p=nan:[1]'::space_vector;
SELECT 'lp:p=inf:[1]'::space_vector;
SELECT 'renyi:alpha=1:[1]'::space_vector;
SELECT 'alphabeta:alpha=1:[1]'::space_vector;
SELECT 'alphabeta:alpha=1,alpha=1:[1]'::space_vector;
SELECT ('lp:p=1:[' || repeat('1,', 16000) || '1]')::space_vector;
SELECT lp('[1]', 0);
SELECT lp('[1]', 'NaN');
SELECT renyi('[1]', 1);
SELECT renyi('[1]', -1);
SELECT alphabeta('[1]', 'Infinity', 1);
SELECT lp(NULL, 1) IS NULL, lp('[1]', NULL) IS NULL;

-- stored, also compressed and out of line
CREATE TABLE queries (id int, q space_vector);
INSERT INTO queries VALUES (1, lp('[1,2,3]', 3)), (2, renyi('[.5,.5]', 2)), (3, NULL);
INSERT INTO queries SELECT 4, lp(array_fill(1, ARRAY[16000])::vector, 2);
SELECT id, q FROM queries WHERE id < 4 ORDER BY id;
SELECT round((q <*> array_fill(2, ARRAY[16000])::vector)::numeric, 4) AS sqrt_16000 FROM queries WHERE id = 4;
SELECT typalign, typstorage FROM pg_type WHERE typname = 'space_vector';
DROP TABLE queries;
