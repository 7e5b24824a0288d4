-- Input errors as values: where the server has soft errors (16), bad input is reported, not raised; the code and message are the same.

CREATE FUNCTION input_error(type text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN
		EXECUTE 'SELECT sql_error_code || '' '' || message FROM pg_input_error_info($1, $2)' INTO result USING value, type;
	ELSE
		EXECUTE format('SELECT %L::%s', value, type);
	END IF;
	RETURN coalesce(result, 'valid');
EXCEPTION WHEN data_exception OR invalid_parameter_value OR program_limit_exceeded THEN
	IF current_setting('server_version_num')::int >= 160000 THEN
		RAISE; -- not soft
	END IF;
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

SELECT type, value, input_error(type, value)
FROM unnest('{vector,halfvec}'::text[]) type,
	unnest(ARRAY['[1,2]', '', '1,2', '[', '[]', '[1', '[1,', '[1,]', '[x]', '[1]x', '[NaN]', '[1,inf]', '[1,4e38]', '[1,70000]']) value;
SELECT type, input_error(type, '[1,2,3]') FROM unnest('{vector(3),vector(2),halfvec(3),halfvec(2)}'::text[]) type;
SELECT type, input_error(type, '[' || repeat('1,', 16000) || '1]') FROM unnest('{vector,halfvec}'::text[]) type;
SELECT value, input_error('space_vector', value)
FROM unnest(ARRAY['lp:p=0.5:[1,2]', '', 'l2:[1]', 'lp:p=x:[1]', 'lp:p=0:[1]', 'renyi:alpha=1:[1]', 'lp:p=1:', 'lp:p=1:[]', 'lp:p=1:[1,]', 'lp:p=1:[NaN]', 'lp:p=1:[4e38]', 'lp:p=1:[1]x']) value;
DROP FUNCTION input_error;
