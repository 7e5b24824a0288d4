-- A range query by an index scan and by reading the whole table: the same rows; the order is
-- compared where the query has one.
CREATE FUNCTION same_range(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
	found text[];
	expected text[];
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true);
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || line || E'\n';
	END LOOP;
	EXECUTE format('SELECT array_agg(t::text) FROM (%s) t', query) INTO found;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true),
		set_config('enable_indexscan', 'off', true);
	EXECUTE format('SELECT array_agg(t::text) FROM (%s) t', query) INTO expected;
	PERFORM set_config('enable_indexscan', 'on', true);
	IF plan NOT LIKE '%Index Cond: %' THEN
		RETURN E'no index condition:\n' || plan;
	ELSIF query NOT LIKE '%ORDER BY%' THEN
		found := (SELECT array_agg(t ORDER BY t) FROM unnest(found) AS t);
		expected := (SELECT array_agg(t ORDER BY t) FROM unnest(expected) AS t);
	END IF;
	IF found IS DISTINCT FROM expected THEN
		RETURN format('different: %s rows instead of %s', cardinality(found), cardinality(expected));
	END IF;
	RETURN format('same, %s rows', coalesce(cardinality(found), 0));
END
$$;
