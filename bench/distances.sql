-- Distance computations of an index search, mean over 200 queries.
--   psql -v k=10 -v distance='items.v <-> queries.v' -f bench/distances.sql
SELECT set_config('bench.distance', :'distance', false), set_config('bench.k', :'k', false) \g /dev/null
CREATE FUNCTION pg_temp.mean_distances() RETURNS numeric LANGUAGE plpgsql AS
$$
DECLARE
	search text := format('SELECT items.id FROM items ORDER BY %s LIMIT %s',
		replace(current_setting('bench.distance'), 'queries.v', '$1'), current_setting('bench.k'));
	query record;
	total numeric := 0;
	searches int := 0;
BEGIN
	FOR query IN SELECT v FROM queries ORDER BY id LIMIT 200 LOOP
		EXECUTE search USING query.v;
		total := total + (SELECT distances FROM ann_scan_stats());
		searches := searches + 1;
	END LOOP;
	RETURN round(total / searches);
END
$$;
SELECT pg_temp.mean_distances();
