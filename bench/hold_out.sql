-- Holds out the last :held_out rows of items as queries, a quarter of the rows at most.
SELECT max(id) - least(:held_out, (max(id) + 1) / 4) AS last_kept FROM items \gset
CREATE TABLE queries AS
	SELECT (row_number() OVER (ORDER BY id) - 1)::int4 AS id, v
	FROM items
	WHERE id > :last_kept;
ALTER TABLE queries ADD PRIMARY KEY (id);
DELETE FROM items WHERE id > :last_kept;
VACUUM items;
