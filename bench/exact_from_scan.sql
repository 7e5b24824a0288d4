-- The true neighbours of the first :sample queries, by exact scan, into the table truth,
-- and the distance of the k-th into the table exact.
--   psql -v k=10 -v sample=100 -v distance='items.v <-> queries.v' -f bench/exact_from_scan.sql
SET enable_indexscan = off;
SET client_min_messages = warning;
DROP TABLE IF EXISTS truth;
CREATE TABLE truth AS
	SELECT queries.id AS query_id, array_agg(nearest.id ORDER BY nearest.distance, nearest.id) AS neighbours
	FROM (SELECT * FROM queries ORDER BY id LIMIT :sample) AS queries
	CROSS JOIN LATERAL
		(SELECT items.id, :distance AS distance FROM items ORDER BY :distance LIMIT :k) AS nearest
	GROUP BY queries.id;
ALTER TABLE truth ADD PRIMARY KEY (query_id);
RESET enable_indexscan;
\ir exact_from_truth.sql
