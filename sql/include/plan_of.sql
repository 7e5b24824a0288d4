-- plan_of(query, options): what EXPLAIN shows, without the lines by which PostgreSQL 18 says that a
-- kind of plan was disabled and taken all the same.
CREATE OR REPLACE FUNCTION plan_of(query text, options text DEFAULT 'COSTS OFF') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP
		IF line !~ '^ *Disabled: true$' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END
$$;
