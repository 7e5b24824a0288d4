-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION ann" to load this file. \quit

-- COST of distance functions: for 384 dimensions, in units of cpu_operator_cost, of
-- which one is about 3 ns next to the server's other cost settings.  300 ns (100) where
-- the kernel takes the values as they are, 400 ns (130) where the object's norm is
-- computed first, 900 ns (300) for the powers of lp, 1.8 us (600) where each coordinate
-- of the object needs a logarithm; space_distance may be either of the last two.
-- distance_support() scales it to the dimensions at hand and adds what fetching a value
-- costs that is stored out of line.

CREATE FUNCTION distance_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- ----------------------------------------------------------------------
-- vector: type
-- ----------------------------------------------------------------------

CREATE TYPE vector;

CREATE FUNCTION vector_in(cstring, oid, integer) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_out(vector) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_recv(internal, oid, integer) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_send(vector) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE vector (
	INPUT = vector_in,
	OUTPUT = vector_out,
	TYPMOD_IN = vector_typmod_in,
	RECEIVE = vector_recv,
	SEND = vector_send,
	STORAGE = external
);

COMMENT ON TYPE vector IS 'single-precision vector';

-- ----------------------------------------------------------------------
-- vector: functions
-- ----------------------------------------------------------------------

CREATE FUNCTION vector_dims(vector) RETURNS integer
	AS 'MODULE_PATHNAME', 'vector_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_norm(vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION l2_norm(vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION l2_normalize(vector) RETURNS vector
	AS 'MODULE_PATHNAME', 'vector_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION binary_quantize(vector) RETURNS bit
	AS 'MODULE_PATHNAME', 'vector_binary_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION subvector(vector, integer, integer) RETURNS vector
	AS 'MODULE_PATHNAME', 'vector_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- ----------------------------------------------------------------------
-- vector: arithmetic
-- ----------------------------------------------------------------------

CREATE FUNCTION vector_add(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_sub(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_mul(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_concat(vector, vector) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR + (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_add,
	COMMUTATOR = +
);

CREATE OPERATOR - (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_sub
);

CREATE OPERATOR * (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_mul,
	COMMUTATOR = *
);

CREATE OPERATOR || (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_concat
);

-- ----------------------------------------------------------------------
-- vector: order and hash
-- ----------------------------------------------------------------------

CREATE FUNCTION vector_lt(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_le(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_eq(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_ne(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_ge(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_gt(vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_cmp(vector, vector) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_hash(vector) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_hash_extended(vector, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR < (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);

CREATE OPERATOR <= (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);

CREATE OPERATOR = (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel,
	HASHES, MERGES
);

CREATE OPERATOR <> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = neqsel, JOIN = neqjoinsel
);

CREATE OPERATOR >= (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);

CREATE OPERATOR > (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);

CREATE OPERATOR CLASS vector_ops
	DEFAULT FOR TYPE vector USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 vector_cmp(vector, vector);

CREATE OPERATOR CLASS vector_ops
	DEFAULT FOR TYPE vector USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 vector_hash(vector),
	FUNCTION 2 vector_hash_extended(vector, bigint);

-- ----------------------------------------------------------------------
-- vector: aggregates
-- ----------------------------------------------------------------------

CREATE FUNCTION vector_accum(double precision[], vector) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_avg(double precision[]) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE AGGREGATE avg(vector) (
	SFUNC = vector_accum,
	STYPE = double precision[],
	FINALFUNC = vector_avg,
	COMBINEFUNC = vector_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);

CREATE AGGREGATE sum(vector) (
	SFUNC = vector_add,
	STYPE = vector,
	COMBINEFUNC = vector_add,
	PARALLEL = SAFE
);

-- ----------------------------------------------------------------------
-- halfvec: type
-- ----------------------------------------------------------------------

CREATE TYPE halfvec;

CREATE FUNCTION halfvec_in(cstring, oid, integer) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_out(halfvec) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_typmod_in(cstring[]) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_recv(internal, oid, integer) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_send(halfvec) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE halfvec (
	INPUT = halfvec_in,
	OUTPUT = halfvec_out,
	TYPMOD_IN = halfvec_typmod_in,
	RECEIVE = halfvec_recv,
	SEND = halfvec_send,
	STORAGE = external
);

COMMENT ON TYPE halfvec IS 'half-precision vector';

-- ----------------------------------------------------------------------
-- halfvec: functions
-- ----------------------------------------------------------------------

CREATE FUNCTION vector_dims(halfvec) RETURNS integer
	AS 'MODULE_PATHNAME', 'halfvec_dims' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION l2_norm(halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_norm' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION l2_normalize(halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'halfvec_l2_normalize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION binary_quantize(halfvec) RETURNS bit
	AS 'MODULE_PATHNAME', 'halfvec_binary_quantize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION subvector(halfvec, integer, integer) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'halfvec_subvector' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- ----------------------------------------------------------------------
-- halfvec: arithmetic
-- ----------------------------------------------------------------------

CREATE FUNCTION halfvec_add(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_sub(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_mul(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_concat(halfvec, halfvec) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR + (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_add,
	COMMUTATOR = +
);

CREATE OPERATOR - (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_sub
);

CREATE OPERATOR * (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_mul,
	COMMUTATOR = *
);

CREATE OPERATOR || (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_concat
);

-- ----------------------------------------------------------------------
-- halfvec: order and hash
-- ----------------------------------------------------------------------

CREATE FUNCTION halfvec_lt(halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_le(halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_eq(halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_ne(halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_ge(halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_gt(halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_cmp(halfvec, halfvec) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_hash(halfvec) RETURNS integer
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_hash_extended(halfvec, bigint) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR < (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_lt,
	COMMUTATOR = >, NEGATOR = >=,
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);

CREATE OPERATOR <= (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_le,
	COMMUTATOR = >=, NEGATOR = >,
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);

CREATE OPERATOR = (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_eq,
	COMMUTATOR = =, NEGATOR = <>,
	RESTRICT = eqsel, JOIN = eqjoinsel,
	HASHES, MERGES
);

CREATE OPERATOR <> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_ne,
	COMMUTATOR = <>, NEGATOR = =,
	RESTRICT = neqsel, JOIN = neqjoinsel
);

CREATE OPERATOR >= (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_ge,
	COMMUTATOR = <=, NEGATOR = <,
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);

CREATE OPERATOR > (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_gt,
	COMMUTATOR = <, NEGATOR = <=,
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);

CREATE OPERATOR CLASS halfvec_ops
	DEFAULT FOR TYPE halfvec USING btree AS
	OPERATOR 1 <,
	OPERATOR 2 <=,
	OPERATOR 3 =,
	OPERATOR 4 >=,
	OPERATOR 5 >,
	FUNCTION 1 halfvec_cmp(halfvec, halfvec);

CREATE OPERATOR CLASS halfvec_ops
	DEFAULT FOR TYPE halfvec USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 halfvec_hash(halfvec),
	FUNCTION 2 halfvec_hash_extended(halfvec, bigint);

-- ----------------------------------------------------------------------
-- halfvec: aggregates
-- ----------------------------------------------------------------------

CREATE FUNCTION halfvec_accum(double precision[], halfvec) RETURNS double precision[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_avg(double precision[]) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_combine(double precision[], double precision[]) RETURNS double precision[]
	AS 'MODULE_PATHNAME', 'vector_combine' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE AGGREGATE avg(halfvec) (
	SFUNC = halfvec_accum,
	STYPE = double precision[],
	FINALFUNC = halfvec_avg,
	COMBINEFUNC = halfvec_combine,
	INITCOND = '{0}',
	PARALLEL = SAFE
);

CREATE AGGREGATE sum(halfvec) (
	SFUNC = halfvec_add,
	STYPE = halfvec,
	COMBINEFUNC = halfvec_add,
	PARALLEL = SAFE
);

-- ----------------------------------------------------------------------
-- casts of vector and halfvec
-- ----------------------------------------------------------------------

CREATE FUNCTION vector(vector, integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vector_to_typmod' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_vector(integer[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_vector(real[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_vector(double precision[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_vector(numeric[], integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME', 'vector_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_to_float4(vector, integer, boolean) RETURNS real[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec(halfvec, integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'halfvec_to_typmod' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_halfvec(integer[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_halfvec(real[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_halfvec(double precision[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION array_to_halfvec(numeric[], integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME', 'halfvec_from_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_to_float4(halfvec, integer, boolean) RETURNS real[]
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vector_to_halfvec(vector, integer, boolean) RETURNS halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_to_vector(halfvec, integer, boolean) RETURNS vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST (vector AS vector)
	WITH FUNCTION vector(vector, integer, boolean) AS IMPLICIT;

CREATE CAST (vector AS real[])
	WITH FUNCTION vector_to_float4(vector, integer, boolean) AS IMPLICIT;

CREATE CAST (integer[] AS vector)
	WITH FUNCTION array_to_vector(integer[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (real[] AS vector)
	WITH FUNCTION array_to_vector(real[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (double precision[] AS vector)
	WITH FUNCTION array_to_vector(double precision[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (numeric[] AS vector)
	WITH FUNCTION array_to_vector(numeric[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (halfvec AS halfvec)
	WITH FUNCTION halfvec(halfvec, integer, boolean) AS IMPLICIT;

CREATE CAST (halfvec AS real[])
	WITH FUNCTION halfvec_to_float4(halfvec, integer, boolean) AS ASSIGNMENT;

CREATE CAST (integer[] AS halfvec)
	WITH FUNCTION array_to_halfvec(integer[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (real[] AS halfvec)
	WITH FUNCTION array_to_halfvec(real[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (double precision[] AS halfvec)
	WITH FUNCTION array_to_halfvec(double precision[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (numeric[] AS halfvec)
	WITH FUNCTION array_to_halfvec(numeric[], integer, boolean) AS ASSIGNMENT;

CREATE CAST (vector AS halfvec)
	WITH FUNCTION vector_to_halfvec(vector, integer, boolean) AS IMPLICIT;

CREATE CAST (halfvec AS vector)
	WITH FUNCTION halfvec_to_vector(halfvec, integer, boolean) AS ASSIGNMENT;

-- ----------------------------------------------------------------------
-- distances: functions (left argument: data object, right argument: query)
-- ----------------------------------------------------------------------

CREATE FUNCTION l2_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION inner_product(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION cosine_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION l1_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION linf_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_linf_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION angular_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_angular_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION vector_l2_squared_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION vector_negative_inner_product(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION vector_spherical_distance(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION l2_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_l2_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION inner_product(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_inner_product' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION cosine_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_cosine_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION l1_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_l1_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION linf_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_linf_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION angular_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME', 'halfvec_angular_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION halfvec_l2_squared_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION halfvec_negative_inner_product(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION halfvec_spherical_distance(halfvec, halfvec) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION js_divergence(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION js_metric(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION kl_divergence(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

-- kl_divergence of the query and the object: behind the commutator
CREATE FUNCTION kl_divergence_right(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION generalized_kl_divergence(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

-- generalized_kl_divergence of the query and the object: behind the commutator
CREATE FUNCTION generalized_kl_divergence_right(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION itakura_saito(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

-- itakura_saito of the query and the object: behind the commutator
CREATE FUNCTION itakura_saito_right(vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION lp_distance(vector, vector, p float8) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 300 SUPPORT distance_support;

CREATE FUNCTION renyi_divergence(vector, vector, alpha float8) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION alphabeta_divergence(vector, vector, alpha float8, beta float8) RETURNS float8
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

-- ----------------------------------------------------------------------
-- distances: operators
-- ----------------------------------------------------------------------

CREATE OPERATOR <-> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = l2_distance,
	COMMUTATOR = <->
);

CREATE OPERATOR <#> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = vector_negative_inner_product,
	COMMUTATOR = <#>
);

CREATE OPERATOR <=> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);

CREATE OPERATOR <+> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = l1_distance,
	COMMUTATOR = <+>
);

CREATE OPERATOR <^> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = linf_distance,
	COMMUTATOR = <^>
);

CREATE OPERATOR <@> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = angular_distance,
	COMMUTATOR = <@>
);

CREATE OPERATOR <-> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = l2_distance,
	COMMUTATOR = <->
);

CREATE OPERATOR <#> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = halfvec_negative_inner_product,
	COMMUTATOR = <#>
);

CREATE OPERATOR <=> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = cosine_distance,
	COMMUTATOR = <=>
);

CREATE OPERATOR <+> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = l1_distance,
	COMMUTATOR = <+>
);

CREATE OPERATOR <^> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = linf_distance,
	COMMUTATOR = <^>
);

CREATE OPERATOR <@> (
	LEFTARG = halfvec, RIGHTARG = halfvec, FUNCTION = angular_distance,
	COMMUTATOR = <@>
);

CREATE OPERATOR <|> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = js_divergence,
	COMMUTATOR = <|>
);

CREATE OPERATOR <|^|> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = js_metric,
	COMMUTATOR = <|^|>
);

CREATE OPERATOR ||> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = kl_divergence,
	COMMUTATOR = <||
);

CREATE OPERATOR <|| (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = kl_divergence_right,
	COMMUTATOR = ||>
);

CREATE OPERATOR |+> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = generalized_kl_divergence,
	COMMUTATOR = <+|
);

CREATE OPERATOR <+| (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = generalized_kl_divergence_right,
	COMMUTATOR = |+>
);

CREATE OPERATOR |/> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = itakura_saito,
	COMMUTATOR = </|
);

CREATE OPERATOR </| (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = itakura_saito_right,
	COMMUTATOR = |/>
);

-- ----------------------------------------------------------------------
-- space_vector: a query together with the parameters of its space
-- ----------------------------------------------------------------------

CREATE TYPE space_vector;

CREATE FUNCTION space_vector_in(cstring) RETURNS space_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION space_vector_out(space_vector) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION space_vector_recv(internal) RETURNS space_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION space_vector_send(space_vector) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE space_vector (
	INPUT = space_vector_in,
	OUTPUT = space_vector_out,
	RECEIVE = space_vector_recv,
	SEND = space_vector_send,
	ALIGNMENT = double,
	STORAGE = external
);

COMMENT ON TYPE space_vector IS 'vector with a parametrised space, such as lp:p=0.5:[1,2,3]';

CREATE FUNCTION lp(vector, p float8) RETURNS space_vector
	AS 'MODULE_PATHNAME', 'space_vector_lp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION renyi(vector, alpha float8) RETURNS space_vector
	AS 'MODULE_PATHNAME', 'space_vector_renyi' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION alphabeta(vector, alpha float8, beta float8) RETURNS space_vector
	AS 'MODULE_PATHNAME', 'space_vector_alphabeta' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION space_distance(vector, space_vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'vector_space_distance' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION space_distance(space_vector, vector) RETURNS float8
	AS 'MODULE_PATHNAME', 'space_vector_distance_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE OPERATOR <*> (
	LEFTARG = vector, RIGHTARG = space_vector, FUNCTION = space_distance,
	COMMUTATOR = <*>
);

CREATE OPERATOR <*> (
	LEFTARG = space_vector, RIGHTARG = vector, FUNCTION = space_distance,
	COMMUTATOR = <*>
);

-- ----------------------------------------------------------------------
-- spheres: a value and a radius, for range search
-- ----------------------------------------------------------------------

CREATE TYPE sphere_vector;

CREATE FUNCTION sphere_vector_in(cstring) RETURNS sphere_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_vector_out(sphere_vector) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_vector_recv(internal) RETURNS sphere_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_vector_send(sphere_vector) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE sphere_vector (
	INPUT = sphere_vector_in,
	OUTPUT = sphere_vector_out,
	RECEIVE = sphere_vector_recv,
	SEND = sphere_vector_send,
	ALIGNMENT = double,
	STORAGE = external
);

COMMENT ON TYPE sphere_vector IS 'vector and radius, such as sphere:radius=0.5:[1,2,3]';

CREATE FUNCTION sphere(vector, radius float8) RETURNS sphere_vector
	AS 'MODULE_PATHNAME', 'sphere_construct' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE sphere_halfvec;

CREATE FUNCTION sphere_halfvec_in(cstring) RETURNS sphere_halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_halfvec_out(sphere_halfvec) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_halfvec_recv(internal) RETURNS sphere_halfvec
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_halfvec_send(sphere_halfvec) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE sphere_halfvec (
	INPUT = sphere_halfvec_in,
	OUTPUT = sphere_halfvec_out,
	RECEIVE = sphere_halfvec_recv,
	SEND = sphere_halfvec_send,
	ALIGNMENT = double,
	STORAGE = external
);

COMMENT ON TYPE sphere_halfvec IS 'halfvec and radius, such as sphere:radius=0.5:[1,2,3]';

CREATE FUNCTION sphere(halfvec, radius float8) RETURNS sphere_halfvec
	AS 'MODULE_PATHNAME', 'sphere_construct' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE sphere_space_vector;

CREATE FUNCTION sphere_space_vector_in(cstring) RETURNS sphere_space_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_space_vector_out(sphere_space_vector) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_space_vector_recv(internal) RETURNS sphere_space_vector
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION sphere_space_vector_send(sphere_space_vector) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE sphere_space_vector (
	INPUT = sphere_space_vector_in,
	OUTPUT = sphere_space_vector_out,
	RECEIVE = sphere_space_vector_recv,
	SEND = sphere_space_vector_send,
	ALIGNMENT = double,
	STORAGE = external
);

COMMENT ON TYPE sphere_space_vector IS 'space_vector and radius, such as sphere:radius=0.5:lp:p=0.5:[1,2,3]';

CREATE FUNCTION sphere(space_vector, radius float8) RETURNS sphere_space_vector
	AS 'MODULE_PATHNAME', 'sphere_construct' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- ----------------------------------------------------------------------
-- spheres: range conditions, one for each distance operator
-- ----------------------------------------------------------------------

CREATE FUNCTION l2_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_l2_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION l2_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_l2_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION ip_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_ip_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION ip_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_ip_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION cosine_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_cosine_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION cosine_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_cosine_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION l1_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_l1_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION l1_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_l1_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION linf_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_linf_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION linf_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_linf_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION angular_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_angular_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION angular_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'vector_angular_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION js_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'js_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION js_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'js_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION jsmetric_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'jsmetric_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION jsmetric_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'jsmetric_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION kl_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'kl_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION kl_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'kl_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION kl_right_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'kl_right_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION kl_right_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'kl_right_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION gkl_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gkl_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION gkl_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gkl_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION gkl_right_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gkl_right_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION gkl_right_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'gkl_right_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION is_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'is_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION is_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'is_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION is_right_within(vector, sphere_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'is_right_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION is_right_within(sphere_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'is_right_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION l2_within(halfvec, sphere_halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_l2_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION l2_within(sphere_halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_l2_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION ip_within(halfvec, sphere_halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_ip_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION ip_within(sphere_halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_ip_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION cosine_within(halfvec, sphere_halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_cosine_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION cosine_within(sphere_halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_cosine_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION l1_within(halfvec, sphere_halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_l1_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION l1_within(sphere_halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_l1_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION linf_within(halfvec, sphere_halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_linf_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION linf_within(sphere_halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_linf_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100 SUPPORT distance_support;

CREATE FUNCTION angular_within(halfvec, sphere_halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_angular_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION angular_within(sphere_halfvec, halfvec) RETURNS boolean
	AS 'MODULE_PATHNAME', 'halfvec_angular_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 130 SUPPORT distance_support;

CREATE FUNCTION space_within(vector, sphere_space_vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'space_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE FUNCTION space_within(sphere_space_vector, vector) RETURNS boolean
	AS 'MODULE_PATHNAME', 'space_within_commuted' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 600 SUPPORT distance_support;

CREATE OPERATOR <<->> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = l2_within,
	COMMUTATOR = <<->>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<->> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = l2_within,
	COMMUTATOR = <<->>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<#>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = ip_within,
	COMMUTATOR = <<#>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<#>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = ip_within,
	COMMUTATOR = <<#>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<=>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = cosine_within,
	COMMUTATOR = <<=>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<=>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = cosine_within,
	COMMUTATOR = <<=>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<+>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = l1_within,
	COMMUTATOR = <<+>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<+>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = l1_within,
	COMMUTATOR = <<+>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<^>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = linf_within,
	COMMUTATOR = <<^>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<^>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = linf_within,
	COMMUTATOR = <<^>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<@>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = angular_within,
	COMMUTATOR = <<@>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<@>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = angular_within,
	COMMUTATOR = <<@>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<|>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = js_within,
	COMMUTATOR = <<|>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<|>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = js_within,
	COMMUTATOR = <<|>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<|^|>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = jsmetric_within,
	COMMUTATOR = <<|^|>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<|^|>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = jsmetric_within,
	COMMUTATOR = <<|^|>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <||>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = kl_within,
	COMMUTATOR = <<||>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<||> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = kl_within,
	COMMUTATOR = <||>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<||> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = kl_right_within,
	COMMUTATOR = <||>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <||>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = kl_right_within,
	COMMUTATOR = <<||>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <|+>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = gkl_within,
	COMMUTATOR = <<+|>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<+|> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = gkl_within,
	COMMUTATOR = <|+>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<+|> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = gkl_right_within,
	COMMUTATOR = <|+>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <|+>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = gkl_right_within,
	COMMUTATOR = <<+|>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <|/>> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = is_within,
	COMMUTATOR = <</|>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <</|> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = is_within,
	COMMUTATOR = <|/>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <</|> (
	LEFTARG = vector, RIGHTARG = sphere_vector, FUNCTION = is_right_within,
	COMMUTATOR = <|/>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <|/>> (
	LEFTARG = sphere_vector, RIGHTARG = vector, FUNCTION = is_right_within,
	COMMUTATOR = <</|>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<->> (
	LEFTARG = halfvec, RIGHTARG = sphere_halfvec, FUNCTION = l2_within,
	COMMUTATOR = <<->>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<->> (
	LEFTARG = sphere_halfvec, RIGHTARG = halfvec, FUNCTION = l2_within,
	COMMUTATOR = <<->>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<#>> (
	LEFTARG = halfvec, RIGHTARG = sphere_halfvec, FUNCTION = ip_within,
	COMMUTATOR = <<#>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<#>> (
	LEFTARG = sphere_halfvec, RIGHTARG = halfvec, FUNCTION = ip_within,
	COMMUTATOR = <<#>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<=>> (
	LEFTARG = halfvec, RIGHTARG = sphere_halfvec, FUNCTION = cosine_within,
	COMMUTATOR = <<=>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<=>> (
	LEFTARG = sphere_halfvec, RIGHTARG = halfvec, FUNCTION = cosine_within,
	COMMUTATOR = <<=>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<+>> (
	LEFTARG = halfvec, RIGHTARG = sphere_halfvec, FUNCTION = l1_within,
	COMMUTATOR = <<+>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<+>> (
	LEFTARG = sphere_halfvec, RIGHTARG = halfvec, FUNCTION = l1_within,
	COMMUTATOR = <<+>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<^>> (
	LEFTARG = halfvec, RIGHTARG = sphere_halfvec, FUNCTION = linf_within,
	COMMUTATOR = <<^>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<^>> (
	LEFTARG = sphere_halfvec, RIGHTARG = halfvec, FUNCTION = linf_within,
	COMMUTATOR = <<^>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<@>> (
	LEFTARG = halfvec, RIGHTARG = sphere_halfvec, FUNCTION = angular_within,
	COMMUTATOR = <<@>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<@>> (
	LEFTARG = sphere_halfvec, RIGHTARG = halfvec, FUNCTION = angular_within,
	COMMUTATOR = <<@>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<*>> (
	LEFTARG = vector, RIGHTARG = sphere_space_vector, FUNCTION = space_within,
	COMMUTATOR = <<*>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

CREATE OPERATOR <<*>> (
	LEFTARG = sphere_space_vector, RIGHTARG = vector, FUNCTION = space_within,
	COMMUTATOR = <<*>>,
	RESTRICT = matchingsel, JOIN = matchingjoinsel
);

-- ----------------------------------------------------------------------
-- spaces: support functions of operator classes (1: space, 3: parameters)
-- ----------------------------------------------------------------------

CREATE FUNCTION vec_l2_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_ip_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_cosine_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_l1_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_linf_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_angular_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_lp_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_js_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_jsmetric_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_kl_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_kl_right_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_gkl_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_gkl_right_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_is_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_is_right_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_renyi_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_alphabeta_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_l2_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_ip_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_cosine_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_l1_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_linf_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION halfvec_angular_space(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- support function 3 of classes over a distance function of SQL, where that is a metric
CREATE FUNCTION distance_is_metric(internal) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_lp_options(internal) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_renyi_options(internal) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION vec_alphabeta_options(internal) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- ----------------------------------------------------------------------
-- hnsw: access method and operator classes
-- ----------------------------------------------------------------------

CREATE FUNCTION hnsw_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnsw_handler;

COMMENT ON ACCESS METHOD hnsw IS 'hierarchical navigable small-world graph';

CREATE OPERATOR CLASS vec_l2_ops
	DEFAULT FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<->> (vector, sphere_vector),
	FUNCTION 1 vec_l2_space(internal);

CREATE OPERATOR CLASS vec_ip_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<#>> (vector, sphere_vector),
	FUNCTION 1 vec_ip_space(internal);

CREATE OPERATOR CLASS vec_cosine_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<=>> (vector, sphere_vector),
	FUNCTION 1 vec_cosine_space(internal);

CREATE OPERATOR CLASS vec_l1_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<+>> (vector, sphere_vector),
	FUNCTION 1 vec_l1_space(internal);

CREATE OPERATOR CLASS vec_linf_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <^> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<^>> (vector, sphere_vector),
	FUNCTION 1 vec_linf_space(internal);

CREATE OPERATOR CLASS vec_angular_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <@> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<@>> (vector, sphere_vector),
	FUNCTION 1 vec_angular_space(internal);

CREATE OPERATOR CLASS vec_lp_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <*> (vector, space_vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<*>> (vector, sphere_space_vector),
	FUNCTION 1 vec_lp_space(internal),
	FUNCTION 3 (vector) vec_lp_options(internal);

CREATE OPERATOR CLASS vec_js_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <|> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<|>> (vector, sphere_vector),
	FUNCTION 1 vec_js_space(internal);

CREATE OPERATOR CLASS vec_jsmetric_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <|^|> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<|^|>> (vector, sphere_vector),
	FUNCTION 1 vec_jsmetric_space(internal);

CREATE OPERATOR CLASS vec_kl_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 ||> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <||>> (vector, sphere_vector),
	FUNCTION 1 vec_kl_space(internal);

CREATE OPERATOR CLASS vec_kl_right_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <|| (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<||> (vector, sphere_vector),
	FUNCTION 1 vec_kl_right_space(internal);

CREATE OPERATOR CLASS vec_gkl_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 |+> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <|+>> (vector, sphere_vector),
	FUNCTION 1 vec_gkl_space(internal);

CREATE OPERATOR CLASS vec_gkl_right_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+| (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<+|> (vector, sphere_vector),
	FUNCTION 1 vec_gkl_right_space(internal);

CREATE OPERATOR CLASS vec_is_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 |/> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <|/>> (vector, sphere_vector),
	FUNCTION 1 vec_is_space(internal);

CREATE OPERATOR CLASS vec_is_right_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 </| (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <</|> (vector, sphere_vector),
	FUNCTION 1 vec_is_right_space(internal);

CREATE OPERATOR CLASS vec_renyi_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <*> (vector, space_vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<*>> (vector, sphere_space_vector),
	FUNCTION 1 vec_renyi_space(internal),
	FUNCTION 3 (vector) vec_renyi_options(internal);

CREATE OPERATOR CLASS vec_alphabeta_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <*> (vector, space_vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<*>> (vector, sphere_space_vector),
	FUNCTION 1 vec_alphabeta_space(internal),
	FUNCTION 3 (vector) vec_alphabeta_options(internal);

CREATE OPERATOR CLASS halfvec_l2_ops
	DEFAULT FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<->> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_l2_space(internal);

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<#>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_ip_space(internal);

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<=>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_cosine_space(internal);

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<+>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_l1_space(internal);

CREATE OPERATOR CLASS halfvec_linf_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <^> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<^>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_linf_space(internal);

CREATE OPERATOR CLASS halfvec_angular_ops
	FOR TYPE halfvec USING hnsw AS
	OPERATOR 1 <@> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<@>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_angular_space(internal);

-- the names pgvector gives its classes; halfvec's are those above already

CREATE OPERATOR CLASS vector_l2_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<->> (vector, sphere_vector),
	FUNCTION 1 vec_l2_space(internal);

CREATE OPERATOR CLASS vector_ip_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<#>> (vector, sphere_vector),
	FUNCTION 1 vec_ip_space(internal);

CREATE OPERATOR CLASS vector_cosine_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<=>> (vector, sphere_vector),
	FUNCTION 1 vec_cosine_space(internal);

CREATE OPERATOR CLASS vector_l1_ops
	FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<+>> (vector, sphere_vector),
	FUNCTION 1 vec_l1_space(internal);

-- ----------------------------------------------------------------------
-- vptree: access method and operator classes
-- ----------------------------------------------------------------------

CREATE FUNCTION vptree_handler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE ACCESS METHOD vptree TYPE INDEX HANDLER vptree_handler;

COMMENT ON ACCESS METHOD vptree IS 'vantage-point tree or kd-tree';

CREATE OPERATOR CLASS vec_l2_ops
	DEFAULT FOR TYPE vector USING vptree AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<->> (vector, sphere_vector),
	FUNCTION 1 vec_l2_space(internal);

CREATE OPERATOR CLASS vec_ip_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<#>> (vector, sphere_vector),
	FUNCTION 1 vec_ip_space(internal);

CREATE OPERATOR CLASS vec_cosine_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<=>> (vector, sphere_vector),
	FUNCTION 1 vec_cosine_space(internal);

CREATE OPERATOR CLASS vec_l1_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<+>> (vector, sphere_vector),
	FUNCTION 1 vec_l1_space(internal);

CREATE OPERATOR CLASS vec_linf_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <^> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<^>> (vector, sphere_vector),
	FUNCTION 1 vec_linf_space(internal);

CREATE OPERATOR CLASS vec_angular_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <@> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<@>> (vector, sphere_vector),
	FUNCTION 1 vec_angular_space(internal);

CREATE OPERATOR CLASS vec_lp_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <*> (vector, space_vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<*>> (vector, sphere_space_vector),
	FUNCTION 1 vec_lp_space(internal),
	FUNCTION 3 (vector) vec_lp_options(internal);

CREATE OPERATOR CLASS vec_js_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <|> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<|>> (vector, sphere_vector),
	FUNCTION 1 vec_js_space(internal);

CREATE OPERATOR CLASS vec_jsmetric_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <|^|> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<|^|>> (vector, sphere_vector),
	FUNCTION 1 vec_jsmetric_space(internal);

CREATE OPERATOR CLASS vec_kl_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 ||> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <||>> (vector, sphere_vector),
	FUNCTION 1 vec_kl_space(internal);

CREATE OPERATOR CLASS vec_kl_right_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <|| (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<||> (vector, sphere_vector),
	FUNCTION 1 vec_kl_right_space(internal);

CREATE OPERATOR CLASS vec_gkl_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 |+> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <|+>> (vector, sphere_vector),
	FUNCTION 1 vec_gkl_space(internal);

CREATE OPERATOR CLASS vec_gkl_right_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <+| (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<+|> (vector, sphere_vector),
	FUNCTION 1 vec_gkl_right_space(internal);

CREATE OPERATOR CLASS vec_is_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 |/> (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <|/>> (vector, sphere_vector),
	FUNCTION 1 vec_is_space(internal);

CREATE OPERATOR CLASS vec_is_right_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 </| (vector, vector) FOR ORDER BY float_ops,
	OPERATOR 2 <</|> (vector, sphere_vector),
	FUNCTION 1 vec_is_right_space(internal);

CREATE OPERATOR CLASS vec_renyi_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <*> (vector, space_vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<*>> (vector, sphere_space_vector),
	FUNCTION 1 vec_renyi_space(internal),
	FUNCTION 3 (vector) vec_renyi_options(internal);

CREATE OPERATOR CLASS vec_alphabeta_ops
	FOR TYPE vector USING vptree AS
	OPERATOR 1 <*> (vector, space_vector) FOR ORDER BY float_ops,
	OPERATOR 2 <<*>> (vector, sphere_space_vector),
	FUNCTION 1 vec_alphabeta_space(internal),
	FUNCTION 3 (vector) vec_alphabeta_options(internal);

CREATE OPERATOR CLASS halfvec_l2_ops
	DEFAULT FOR TYPE halfvec USING vptree AS
	OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<->> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_l2_space(internal);

CREATE OPERATOR CLASS halfvec_ip_ops
	FOR TYPE halfvec USING vptree AS
	OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<#>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_ip_space(internal);

CREATE OPERATOR CLASS halfvec_cosine_ops
	FOR TYPE halfvec USING vptree AS
	OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<=>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_cosine_space(internal);

CREATE OPERATOR CLASS halfvec_l1_ops
	FOR TYPE halfvec USING vptree AS
	OPERATOR 1 <+> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<+>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_l1_space(internal);

CREATE OPERATOR CLASS halfvec_linf_ops
	FOR TYPE halfvec USING vptree AS
	OPERATOR 1 <^> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<^>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_linf_space(internal);

CREATE OPERATOR CLASS halfvec_angular_ops
	FOR TYPE halfvec USING vptree AS
	OPERATOR 1 <@> (halfvec, halfvec) FOR ORDER BY float_ops,
	OPERATOR 2 <<@>> (halfvec, sphere_halfvec),
	FUNCTION 1 halfvec_angular_space(internal);

-- ----------------------------------------------------------------------
-- seeing inside
-- ----------------------------------------------------------------------

CREATE FUNCTION ann_scan_stats(
	OUT index regclass, OUT distances bigint, OUT estimates bigint, OUT expanded bigint,
	OUT rows bigint, OUT late_rows bigint, OUT resumed bigint)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION ann_scan_stats() IS 'cost of the last index scan of this session';

CREATE FUNCTION ann_index_info(index regclass, OUT property text, OUT value text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION ann_index_info(regclass) IS 'options, counts and sizes of an index';

CREATE FUNCTION ann_estimate(table_name regclass, column_name name, method name DEFAULT 'hnsw',
	operator_class text DEFAULT NULL, options text DEFAULT NULL,
	assumed_rows bigint DEFAULT NULL, assumed_dimensions integer DEFAULT NULL,
	OUT rows bigint, OUT dimensions integer, OUT memory bigint, OUT fits_memory boolean,
	OUT index_size bigint, OUT seconds double precision)
	RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION ann_estimate(regclass, name, name, text, text, bigint, integer)
	IS 'memory, size and time of an index before it is built';

CREATE FUNCTION vptree_tune(index regclass, queries anyarray, desired_recall double precision,
	tune_k integer DEFAULT NULL, tune_r double precision DEFAULT NULL,
	OUT alpha_left double precision, OUT alpha_right double precision,
	OUT exp_left integer, OUT exp_right integer,
	OUT alpha_pivot double precision, OUT exp_pivot double precision,
	OUT recall double precision, OUT improvement double precision)
	RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION vptree_tune(regclass, anyarray, double precision, integer, double precision)
	IS 'tunes a vptree index for the recall of queries like these';

CREATE FUNCTION ann_check(index regclass, heap_check boolean DEFAULT false,
	OUT severity text, OUT block bigint, OUT item text, OUT problem text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION ann_check(regclass, boolean) IS 'damage in an index: no rows when it is sound';

CREATE FUNCTION ann_check(index regclass, heap_check boolean, notes boolean,
	OUT severity text, OUT block bigint, OUT item text, OUT problem text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION ann_check(regclass, boolean, boolean)
	IS 'damage in an index, and what costs it room or recall';
