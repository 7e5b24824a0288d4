-- COPY of vector, halfvec and space_vector: text and binary round trip, bytes on the wire, NULLs, bad input.

CREATE TABLE source (id int, v vector(3), h halfvec(3), s space_vector);
INSERT INTO source VALUES
	(1, '[0,1.5,-2.25]', '[0,1.5,-2.25]', 'lp:p=0.5:[1,2,3]'),
	(2, '[-0,3.4028235e38,1e-45]', '[-0,65504,6e-8]', 'renyi:alpha=0.25:[1]'),
	(3, NULL, NULL, NULL),
	(4, '[0.1,0.2,0.3]', '[0.1,0.2,0.3]', 'alphabeta:alpha=-1,beta=0.5:[0.1,0.2]');
CREATE TABLE target (LIKE source);

SELECT current_setting('data_directory') || '/ann_copy.text' AS text_file, current_setting('data_directory') || '/ann_copy.binary' AS binary_file \gset
COPY source TO :'text_file';
COPY target FROM :'text_file';
SELECT * FROM target ORDER BY id;
SELECT count(*) FROM source JOIN target USING (id) WHERE vector_send(source.v) = vector_send(target.v) AND halfvec_send(source.h) = halfvec_send(target.h) AND space_vector_send(source.s) = space_vector_send(target.s);
TRUNCATE target;
COPY source TO :'binary_file' WITH (FORMAT binary);
COPY target FROM :'binary_file' WITH (FORMAT binary);
SELECT * FROM target ORDER BY id;
SELECT count(*) FROM source JOIN target USING (id) WHERE vector_send(source.v) = vector_send(target.v) AND halfvec_send(source.h) = halfvec_send(target.h) AND space_vector_send(source.s) = space_vector_send(target.s);

-- the bytes: dim, zero, coordinates
SELECT vector_send('[1,-2]'), halfvec_send('[1,-2]'), space_vector_send('lp:p=0.5:[1,-2]');

-- dimensions are checked on the way in, whatever the format
CREATE TABLE narrow (id int, v vector(2), h halfvec(3), s space_vector);
COPY narrow FROM :'text_file';
COPY narrow FROM :'binary_file' WITH (FORMAT binary);
COPY target FROM stdin;
5	[1,2,x]	\N	\N
\.
COPY target FROM stdin;
5	\N	\N	lp:p=0:[1]
\.

-- malformed messages: a bytea column is sent as its bytes, so a file of it says what we like
CREATE TABLE message (b bytea);
CREATE TABLE received_vector (v vector);
CREATE TABLE received_halfvec (h halfvec);
CREATE TABLE received_space_vector (s space_vector);
CREATE FUNCTION receive(message bytea, target regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	file text := current_setting('data_directory') || '/ann_message';
BEGIN
	TRUNCATE message;
	INSERT INTO message VALUES ($1);
	EXECUTE format('COPY message TO %L WITH (FORMAT binary)', file);
	EXECUTE format('COPY %s FROM %L WITH (FORMAT binary)', target, file);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT m, receive(m, 'received_vector') FROM unnest(ARRAY[
	'\x000100003f800000', '\x0000000000000000', '\xffff00003f800000', '\x3e8100003f800000', '\x000100013f800000',
	'\x000100007fc00000', '\x000100007f800000', '\x00010000ff800000', '\x000200003f800000', '\x000100003f80000000', '\x0001']::bytea[]) m;
SELECT m, receive(m, 'received_halfvec') FROM unnest(ARRAY[
	'\x000100003c00', '\x000000003c00', '\x000100017c00', '\x000100007c00', '\x000100007e00', '\x00010000fc00', '\x000200003c00']::bytea[]) m;
SELECT m, receive(m, 'received_space_vector') FROM unnest(ARRAY[
	'\x000100013fe00000000000003f800000', '\x000000013fe0000000000000', '\x000100003fe00000000000003f800000', '\x000100043fe00000000000003f800000',
	'\x0001000100000000000000003f800000', '\x000100017ff80000000000003f800000', '\x000100017ff00000000000003f800000', '\x000100023ff00000000000003f800000',
	'\x000100013fe00000000000007fc00000', '\x000200013fe00000000000003f800000', '\x000100033fe00000000000003f800000']::bytea[]) m;
SELECT * FROM received_vector, received_halfvec, received_space_vector;
DROP TABLE source, target, narrow, message, received_vector, received_halfvec, received_space_vector;
DROP FUNCTION receive;
COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm -f ann_copy.text ann_copy.binary ann_message';
