-- Holds out the last :held_out rows of items as queries.
CREATE TABLE queries AS
	SELECT (row_number() OVER (ORDER BY id) - 1)::int4 AS id, v
	FROM items
	WHERE id > (SELECT max(id) FROM items) - :held_out;
ALTER TABLE queries ADD PRIMARY KEY (id);
DELETE FROM items WHERE id > (SELECT max(id) FROM items) - :held_out;
VACUUM items;
