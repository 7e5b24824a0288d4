-- The distance of the k-th true neighbour, from a table of the true neighbours' ids:
-- truth(query_id, neighbours), nearest first.  The server computes the distance itself,
-- so that it is comparable to the last bit.
--   psql -v k=10 -v distance='items.v <-> queries.v' -f bench/exact_from_truth.sql
SET client_min_messages = warning;
DROP TABLE IF EXISTS exact;
CREATE TABLE exact AS
	SELECT queries.id AS query_id, max(:distance) AS kth_distance
	FROM truth
	JOIN queries ON queries.id = truth.query_id
	JOIN items ON items.id = ANY (truth.neighbours[1 : :k])
	GROUP BY queries.id
	HAVING count(*) = :k;
ALTER TABLE exact ADD PRIMARY KEY (query_id);
ANALYZE exact;
