-- The plan that is chosen for a filtered query against both that could be forced.
-- Needs items(id, v, category) with category from 0 to 9999, and queries(id, v).
-- psql variables: distance (over items.v and $1), sample (queries), k (LIMIT).
-- Prints, for each share of rows and with and without LIMIT: share in per cent, rows
-- returned, plan, milliseconds chosen, exact, by the vector index.

SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION pg_temp.force(way text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('enable_indexscan', CASE WHEN way = 'exact' THEN 'off' ELSE 'on' END, false),
		set_config('enable_seqscan', CASE WHEN way = 'index' THEN 'off' ELSE 'on' END, false),
		set_config('enable_bitmapscan', CASE WHEN way = 'index' THEN 'off' ELSE 'on' END, false),
		set_config('enable_sort', CASE WHEN way = 'index' THEN 'off' ELSE 'on' END, false);
END
$$;

-- What reads the table: the first scan of the plan
CREATE FUNCTION pg_temp.plan_of(query text, v vector) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || replace(query, '$1', quote_literal(v)) LOOP
		IF line ~ 'Scan using items_v_idx' THEN
			RETURN 'vector index';
		ELSIF line ~ 'Scan' THEN
			RETURN lower(substring(line FROM '(Seq|Bitmap|Index) ')) || ' scan and sort';
		END IF;
	END LOOP;
END
$$;

-- The best times, summed over the sample.  The ways take two turns each, of several runs in
-- a row: after another way the caches are full of other things, and a query of 50 us takes
-- 190, 80, 60, 56, 53 and then 52 us.  Long queries are run twice a turn.
CREATE FUNCTION pg_temp.measure(query text, sample int, OUT plan text, OUT fewest_rows bigint,
	OUT chosen float8, OUT exact float8, OUT by_index float8) LANGUAGE plpgsql AS $$
DECLARE
	q record;
	ways text[] := ARRAY['chosen', 'exact', 'index'];
	best float8[];
	total float8[] := ARRAY[0, 0, 0];
	start timestamptz;
	ms float8;
	spent float8;
	i int;
	n bigint;
BEGIN
	FOR q IN SELECT v FROM queries WHERE id < sample ORDER BY id LOOP
		best := ARRAY['Infinity', 'Infinity', 'Infinity'];
		PERFORM pg_temp.force('chosen');
		plan := pg_temp.plan_of(query, q.v);
		FOR turn IN 0..5 LOOP
			i := turn % 3 + 1;
			PERFORM pg_temp.force(ways[i]);
			spent := 0;
			FOR run IN 1..8 LOOP
				start := clock_timestamp();
				EXECUTE 'SELECT count(*) FROM (' || query || ' OFFSET 0) AS t' INTO n USING q.v;
				ms := extract(epoch FROM clock_timestamp() - start) * 1000;
				best[i] := least(best[i], ms);
				fewest_rows := least(fewest_rows, n);
				spent := spent + ms;
				EXIT WHEN run >= 2 AND spent > 20;
			END LOOP;
		END LOOP;
		total := ARRAY[total[1] + best[1], total[2] + best[2], total[3] + best[3]];
	END LOOP;
	chosen := total[1] / sample;
	exact := total[2] / sample;
	by_index := total[3] / sample;
	PERFORM pg_temp.force('chosen');
END
$$;

SELECT share, most, fewest_rows, plan, chosen, exact, by_index
FROM (VALUES (100, :k), (10, :k), (1, :k), (0.1, :k), (0.01, :k), (100, NULL), (1, NULL)) AS cells(share, most),
	pg_temp.measure(format('SELECT id FROM items WHERE category < %s ORDER BY %s LIMIT %s',
		(share * 100)::int, :'distance', coalesce(most::text, 'ALL')), :sample);
