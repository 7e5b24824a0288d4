-- same_as_exact(query): the rows of an ordered query are the same, in the same order, by
-- an index scan and by a sort of the whole table.  The second way is the judge of the first.
CREATE OR REPLACE FUNCTION same_as_exact(query text) RETURNS text LANGUAGE plpgsql AS $$
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
	IF plan NOT LIKE '%Index Scan using %Order By: %' THEN
		RETURN E'no index scan:\n' || plan;
	ELSIF found IS DISTINCT FROM expected THEN
		RETURN format('different: %s rows instead of %s, %s of them right; the first differences are %s',
					  cardinality(found), cardinality(expected),
					  (SELECT count(*) FROM (SELECT unnest(found) INTERSECT ALL SELECT unnest(expected)) AS common),
					  (SELECT array_agg(format('row %s is %s, not %s', n, found[n], expected[n]))
					   FROM (SELECT n FROM generate_series(1, greatest(cardinality(found), cardinality(expected))) AS n
							 WHERE found[n] IS DISTINCT FROM expected[n] LIMIT 5) AS first));
	END IF;
	RETURN format('same, %s rows', coalesce(cardinality(found), 0));
END
$$;
