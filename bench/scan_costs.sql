-- What a search costs inside the server, mean over the first :query_count queries, as lines
-- "name|value": microseconds (execution of the prepared query alone, without a client), and
-- every counter of ann_scan_stats() where the server has it.
--   psql -v k=10 -v query_count=200 -v distance='items.v <-> queries.v' -f bench/scan_costs.sql
-- Settings such as hnsw.ef_search are the session's.
SET client_min_messages = warning;
CREATE TEMP TABLE scan_costs (name text, value numeric);
SELECT format($create$
CREATE FUNCTION pg_temp.measure_scans(query_count int) RETURNS void LANGUAGE plpgsql
	SET plan_cache_mode = force_generic_plan AS
$body$
DECLARE
	queries record;
	started timestamptz;
	finished timestamptz;
BEGIN
	FOR queries IN SELECT v FROM queries ORDER BY id LIMIT query_count LOOP
		started := clock_timestamp();
		PERFORM items.id FROM items ORDER BY %s LIMIT %s;
		finished := clock_timestamp();
		IF to_regprocedure('ann_scan_stats()') IS NOT NULL THEN
			INSERT INTO scan_costs
				SELECT key, value::numeric
				FROM ann_scan_stats() AS stats, jsonb_each_text(to_jsonb(stats) - 'index');
		END IF;
		INSERT INTO scan_costs VALUES ('microseconds', extract(epoch FROM finished - started) * 1e6);
	END LOOP;
END
$body$
$create$, :'distance', :'k') \gexec
SELECT pg_temp.measure_scans(:query_count) \g /dev/null
SELECT name, round(avg(value), 1) FROM scan_costs GROUP BY name ORDER BY name;
