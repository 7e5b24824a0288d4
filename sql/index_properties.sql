-- What the server's catalogs say of the access method and its classes.

CREATE TABLE properties (v vector(2), h halfvec(3));
CREATE INDEX properties_v ON properties USING hnsw (v);
CREATE INDEX properties_h ON properties USING hnsw ((h::halfvec(3)) halfvec_ip_ops);

-- of a column: it can be ordered by a distance and by nothing else
SELECT property, pg_index_column_has_property('properties_v', 1, property) AS of_column,
	pg_index_column_has_property('properties_h', 1, property) AS of_expression
FROM unnest(ARRAY['asc', 'desc', 'nulls_first', 'nulls_last', 'orderable', 'distance_orderable', 'returnable',
	'search_array', 'search_nulls']) WITH ORDINALITY AS p (property, n) ORDER BY n;

-- of an index
SELECT property, pg_index_has_property('properties_v', property)
FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) WITH ORDINALITY AS p (property, n) ORDER BY n;

-- of the access method: no exclusion constraint can be built on a distance
SELECT property, pg_indexam_has_property(oid, property)
FROM pg_am, unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include'])
	WITH ORDINALITY AS p (property, n) WHERE amname = 'hnsw' ORDER BY n;

-- every class is valid
SELECT count(*) > 25 AS many, bool_and(amvalidate(c.oid)) AS valid
FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod WHERE amname = 'hnsw';

-- and what is not, is said
CREATE FUNCTION not_a_space(internal) RETURNS void AS 'ann', 'vec_lp_options' LANGUAGE C;
CREATE FUNCTION not_a_distance(vector, vector) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR <!!!> (LEFTARG = vector, RIGHTARG = vector, FUNCTION = not_a_distance);
CREATE OPERATOR CLASS empty_ops FOR TYPE vector USING hnsw AS STORAGE vector;
CREATE OPERATOR CLASS search_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 = (vector, vector), OPERATOR 9 <!!!> (vector, vector), FUNCTION 1 vec_l2_space(internal);
CREATE OPERATOR CLASS foreign_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	FUNCTION 1 not_a_space(internal), FUNCTION 1 (halfvec, vector) vec_l2_space(internal),
	FUNCTION 2 (vector) vec_l2_space(internal);
CREATE OPERATOR CLASS date_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY datetime_ops, FUNCTION 1 vec_l2_space(internal);
SELECT opcname, amvalidate(c.oid) AS valid
FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
WHERE amname = 'hnsw' AND opcname IN ('empty_ops', 'search_ops', 'foreign_ops', 'date_ops') ORDER BY opcname;

DROP TABLE properties;
DROP OPERATOR FAMILY empty_ops USING hnsw;
DROP OPERATOR FAMILY search_ops USING hnsw;
DROP OPERATOR FAMILY foreign_ops USING hnsw;
DROP OPERATOR FAMILY date_ops USING hnsw;
DROP OPERATOR <!!!> (vector, vector);
DROP FUNCTION not_a_space, not_a_distance;
