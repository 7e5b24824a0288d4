-- Of the tests of the quantised form of hnsw.

-- coordinates(i, dim): the same numbers between 0 and 1 in every run, another value for every i
CREATE OR REPLACE FUNCTION coordinates(i int, dim int) RETURNS real[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(((hashint4(i * 20011 + j) & 65535) / 65535.0)::real ORDER BY j) FROM generate_series(1, dim) j
$$;

-- clustered(i, dim): a value near one of 25 centres, with coordinates of both signs
CREATE OR REPLACE FUNCTION clustered(i int, dim int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(((hashint4(-(i % 25 * 20011 + j)) & 65535) / 65535.0 + (hashint4(i * 20011 + j) & 65535) / 131070.0 - 0.6)::real ORDER BY j)::vector
	FROM generate_series(1, dim) j
$$;

-- search_report(items, operator, query, floor): what an index on (id, v) finds.  Unlimited scans return
-- every row once; the distances of the first 20 rows, computed by the SQL function, ascend; `floor` of
-- those rows are as near as the 20 that a sort of the whole table finds.  query: an expression of i.
CREATE OR REPLACE FUNCTION search_report(items regclass, operator text, query text, floor float8, queries int DEFAULT 10)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	nearest text;
	line text;
	plan text := '';
	rows int;
	problem text;
	hits int := 0;
	asked int := 0;
	found float8[];
	truth float8[];
BEGIN
	EXECUTE format('SELECT count(v) FROM %s', items) INTO rows;
	PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true);
	FOR i IN 1 .. queries LOOP
		nearest := format('SELECT id, v %1$s (%2$s) AS distance FROM %3$s ORDER BY v %1$s (%2$s)', operator, replace(query, '$i', i::text), items);
		IF i = 1 THEN
			FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || nearest LOOP
				plan := plan || line || E'\n';
			END LOOP;
			IF plan NOT LIKE '%Index Scan using %Order By: %' THEN
				RETURN E'no index scan:\n' || plan;
			END IF;
			EXECUTE format('SELECT format(''unlimited scan returns %%s rows, %%s of them different'', count(*), count(DISTINCT id))
				FROM (%s) t HAVING count(*) <> %s OR count(DISTINCT id) <> %2$s', nearest, rows) INTO problem;
			IF problem IS NOT NULL THEN
				RETURN problem;
			END IF;
		END IF;
		EXECUTE format('SELECT array_agg(distance) FROM (%s LIMIT 20) t', nearest) INTO found;
		EXECUTE format('SELECT array_agg(distance) FROM (SELECT v %s (%s) AS distance FROM %s WHERE v IS NOT NULL ORDER BY (v %1$s (%2$s)) + 0 LIMIT 20) t',
			operator, replace(query, '$i', i::text), items) INTO truth;
		IF found <> (SELECT array_agg(d ORDER BY d) FROM unnest(found) d) THEN
			RETURN format('query %s: rows are out of order: %s', i, found);
		END IF;
		asked := asked + cardinality(truth);
		hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= truth[cardinality(truth)]);
	END LOOP;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true);
	IF hits < asked * floor THEN
		RETURN format('%s of %s nearest rows found', hits, asked);
	END IF;
	RETURN format('%s rows, all found once, nearest first', rows);
END
$$;

-- form(index): how an index is stored, and what ann_check() says of it.  Notes about anchors that link
-- back to nothing are for small m, of either form.
CREATE OR REPLACE FUNCTION form(index regclass, OUT quantization text, OUT code_dimensions int, OUT without_code int,
	OUT on_pages int, OUT element text, OUT wide int, OUT problems text) LANGUAGE plpgsql AS $$
DECLARE
	info jsonb;
BEGIN
	SELECT jsonb_object_agg(property, value) INTO info FROM ann_index_info(index);
	quantization := info ->> 'quantization';
	code_dimensions := info ->> 'code_dimensions';
	without_code := info ->> 'links_without_code';
	on_pages := info ->> 'value_pages_per_vertex';
	element := info ->> 'stored_element';
	wide := info ->> 'wide_vertices';
	problems := coalesce((SELECT string_agg(format('%s %s %s', severity, item, problem), '; ')
		FROM ann_check(index, true, true) WHERE problem NOT LIKE '%as its anchor, which does not link%'), 'none');
END
$$;
