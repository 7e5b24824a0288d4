-- Rows come and go: an index stays within 1.3 times the size of a fresh one, whether vacuum comes before the
-- new rows or after them.  An index filled from empty is no larger either, and none has pages of replaced
-- buckets that wait for vacuum.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;

CREATE FUNCTION value(id int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(id % 20 * 10 + (hashint8extended(id * 100 + d, 7) % 1000) / 500.0 ORDER BY d)::vector(8) FROM generate_series(1, 8) d
$$;

-- size by that of a fresh index, less the two pages that may be new
CREATE FUNCTION growth(index regclass) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	size numeric := pg_relation_size(index) - 2 * current_setting('block_size')::int;
BEGIN
	EXECUTE format('REINDEX INDEX %s', index);
	RETURN size / pg_relation_size(index);
END
$$;

CREATE TABLE items (id int, v vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING vptree (v);
INSERT INTO items SELECT id, value(id) FROM generate_series(1, 6000) AS id;
SELECT value::int < 10 AS few FROM ann_index_info('items_v') WHERE property = 'retired_buckets';
SELECT growth('items_v') <= 1.3 AS small;

DELETE FROM items WHERE hashint4(id) % 10 < 3 AND hashint4(id) % 10 >= 0;
VACUUM items;
INSERT INTO items SELECT id, value(id) FROM generate_series(6001, 7800) AS id;
DELETE FROM items WHERE id < 2000;
VACUUM items;
INSERT INTO items SELECT id, value(id) FROM generate_series(7801, 9000) AS id;
SELECT growth('items_v') <= 1.3 AS small;

DELETE FROM items WHERE hashint4(id) % 10 < 3 AND hashint4(id) % 10 >= 0;
INSERT INTO items SELECT id, value(id) FROM generate_series(9001, 10000) AS id;
VACUUM items;
DELETE FROM items WHERE id % 20 < 4;
INSERT INTO items SELECT id, value(id) FROM generate_series(10001, 11000) AS id;
VACUUM items;
SELECT count(*) FROM ann_check('items_v', true, true);
SELECT growth('items_v') <= 1.3 AS small;

DROP TABLE items;
DROP FUNCTION value, growth;
