-- The true neighbours of the first :sample queries, by exact scan, into the table truth,
-- and the distance of the k-th into the table exact.
--   psql -v k=10 -v sample=100 -v distance='items.v <-> queries.v' -f bench/exact_from_scan.sql
--
-- The table is read once: each row is compared with all queries, and is left out unless it
-- is as near to one as the k-th of some rows looked at before.  By way of real[] a vector
-- is fetched from where it is stored out of line once, not for each comparison.
SET client_min_messages = warning;
DROP TABLE IF EXISTS truth;
CREATE TABLE truth AS
	WITH some_items AS MATERIALIZED
		(SELECT items.id, items.v::real[]::vector AS v
		 FROM items
		 JOIN (SELECT id FROM items ORDER BY random() LIMIT 2000) AS chosen USING (id)),
	bounded AS MATERIALIZED
		(SELECT queries.id, queries.v, nearest.distance AS bound
		 FROM (SELECT id, v::real[]::vector AS v FROM queries ORDER BY id LIMIT :sample) AS queries
		 CROSS JOIN LATERAL
			(SELECT :distance AS distance FROM some_items AS items ORDER BY 1 LIMIT 1 OFFSET :k - 1) AS nearest),
	near AS
		(SELECT pairs.query_id, items.id, pairs.distance,
			row_number() OVER (PARTITION BY pairs.query_id ORDER BY pairs.distance, items.id) AS rank
		 FROM (SELECT id, v::real[]::vector AS v FROM items OFFSET 0) AS items
		 CROSS JOIN LATERAL
			(SELECT queries.id AS query_id, :distance AS distance
			 FROM bounded AS queries WHERE (:distance) <= queries.bound OFFSET 0) AS pairs)
	SELECT query_id, array_agg(id ORDER BY rank) AS neighbours
	FROM near
	WHERE rank <= :k
	GROUP BY query_id;
ALTER TABLE truth ADD PRIMARY KEY (query_id);
\ir exact_from_truth.sql
