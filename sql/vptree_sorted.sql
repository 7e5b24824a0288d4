-- Rows that come in an order: the tree does not become deep, and answers as it should.

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ann;
RESET client_min_messages;
SET enable_seqscan = off;

-- What an index says of itself: depth by its buckets, damage, rows; and the ten nearest of a value
CREATE FUNCTION look(OUT flat boolean, OUT problems bigint, OUT rows bigint, OUT nearest int[]) LANGUAGE plpgsql AS $$
BEGIN
	SELECT max(value::float8) FILTER (WHERE property = 'depth')
		<= 2 * log(2, max(value::numeric) FILTER (WHERE property = 'buckets')) + 6
		INTO flat FROM ann_index_info('items_v') WHERE property IN ('depth', 'buckets');
	SELECT count(*) INTO problems FROM ann_check('items_v', true, true);
	SELECT count(DISTINCT id) INTO rows FROM (SELECT id FROM items ORDER BY v <-> '[0]' LIMIT 1000000) s;
	SELECT array_agg(id ORDER BY id) INTO nearest FROM (SELECT id FROM items ORDER BY v <-> '[1000.4]' LIMIT 5) s;
END
$$;

-- from empty and from 1,000 rows, upwards and downwards
CREATE TABLE items (id int, v vector(1)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING vptree (v);
INSERT INTO items SELECT i, ARRAY[i]::vector FROM generate_series(1, 20000) i;
SELECT * FROM look();
REINDEX INDEX items_v;
INSERT INTO items SELECT i, ARRAY[i]::vector FROM generate_series(20001, 30000) i;
INSERT INTO items SELECT -i, ARRAY[-i]::vector FROM generate_series(1, 10000) i;
SELECT * FROM look();
DROP INDEX items_v;
TRUNCATE items;
CREATE INDEX items_v ON items USING vptree (v) WITH (partition = kd, bucket_size = 10);
INSERT INTO items SELECT i, ARRAY[i]::vector FROM generate_series(1, 10000) i;
SELECT * FROM look();
-- only as much is rebuilt as fits the memory
SET maintenance_work_mem = '1MB';
INSERT INTO items SELECT i, ARRAY[i]::vector FROM generate_series(10001, 30000) i;
SELECT problems, rows, nearest FROM look();
-- where dead rows come and go
DELETE FROM items WHERE id % 3 = 0;
VACUUM items;
INSERT INTO items SELECT i, ARRAY[i]::vector FROM generate_series(30001, 32000) i;
SELECT problems, rows, nearest FROM look();

DROP TABLE items;
DROP FUNCTION look;
