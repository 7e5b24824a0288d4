-- The distance of the k-th true neighbour, by exact scan, for the first :sample queries.
--   psql -v k=10 -v sample=100 -v distance='items.v <-> queries.v' -f bench/exact_from_scan.sql
SET enable_indexscan = off;
SET client_min_messages = warning;
DROP TABLE IF EXISTS exact;
CREATE TABLE exact AS
	SELECT queries.id AS query_id, max(nearest.distance) AS kth_distance
	FROM (SELECT * FROM queries ORDER BY id LIMIT :sample) AS queries
	CROSS JOIN LATERAL
		(SELECT :distance AS distance FROM items ORDER BY :distance LIMIT :k) AS nearest
	GROUP BY queries.id;
ALTER TABLE exact ADD PRIMARY KEY (query_id);
ANALYZE exact;
