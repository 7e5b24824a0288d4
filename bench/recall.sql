-- recall@k: how many of the k rows a search returns belong to the k nearest.
--   psql -v k=10 -v query_count=1000 -v distance='items.v <-> queries.v' -f bench/recall.sql
--
-- A row is right when its distance is no greater than that of the k-th true neighbour,
-- but for float4 rounding: rows at the same distance are equally good answers.  A row
-- that comes twice counts once.  Settings such as hnsw.ef_search are the session's.
-- With -v searched=TABLE the answers are not searched for but taken from that table,
-- (query_id, id): those of a library.
\set rounding 1e-6
\if :{?searched}
	\set answers 'FROM items JOIN ' :searched ' AS searched ON searched.id = items.id WHERE searched.query_id = queries.id'
\else
	\set answers 'FROM items ORDER BY ' :distance ' LIMIT ' :k
\endif
SELECT round(avg(found.right_rows)::numeric / :k, 4)
FROM (SELECT * FROM queries ORDER BY id LIMIT :query_count) AS queries
JOIN exact ON exact.query_id = queries.id
CROSS JOIN LATERAL
	(SELECT count(DISTINCT nearest.id) FILTER (WHERE nearest.distance
			<= exact.kth_distance + :rounding * (abs(exact.kth_distance) + :rounding)) AS right_rows
	 FROM (SELECT items.id, :distance AS distance :answers) AS nearest
	) AS found;
