-- After a vacuum every live vertex can be reached in layer 0, with few links as with many.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;

-- values in twenty clusters, a third of which were inserted later than the index was built
CREATE TABLE source AS
	SELECT i AS id, (SELECT array_agg(hashint8extended(i * 64 + d, 3) % 1000 / 1000.0
			+ hashint8extended(i % 20 * 64 + d, 5) % 1000 / 100.0 ORDER BY d)
		FROM generate_series(1, 32) AS d)::vector(32) AS v
	FROM generate_series(1, 3500) AS i;
CREATE FUNCTION make_index(links int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE reach_%s (id int, v vector(32)) WITH (autovacuum_enabled = off)', links);
	EXECUTE format('INSERT INTO reach_%s SELECT * FROM source WHERE id <= 2000', links);
	EXECUTE format('CREATE INDEX reach_%s_v ON reach_%1$s USING hnsw (v) WITH (m = %1$s, ef_construction = 32)', links);
	EXECUTE format('INSERT INTO reach_%s SELECT * FROM source WHERE id > 2000', links);
	EXECUTE format('DELETE FROM reach_%s WHERE id %% 3 = 0', links);
END
$$;
CREATE FUNCTION unreachable(links int) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM ann_check(format('reach_%s_v', links)::regclass, false, true) AS found
	WHERE found.problem LIKE '%cannot be reached%'
$$;
SELECT make_index(links) FROM unnest(ARRAY[2, 3, 4, 16]) AS links;
VACUUM (INDEX_CLEANUP ON) reach_2, reach_3, reach_4, reach_16;
SELECT links, unreachable(links) FROM unnest(ARRAY[2, 3, 4, 16]) AS links;

DROP TABLE source, reach_2, reach_3, reach_4, reach_16;
DROP FUNCTION make_index, unreachable;
