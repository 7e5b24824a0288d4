-- VACUUM of vptree indexes: rows that have gone, buckets that are merged, pages that are used again
SET client_min_messages = warning;
\set VERBOSITY terse
CREATE TABLE items (id int, v vector(3)) WITH (autovacuum_enabled = off);
CREATE FUNCTION value(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	'SELECT array_agg((hashint8extended(i * 10 + d, 7) % 1000)::int ORDER BY d)::vector(3) FROM generate_series(1, 3) AS d';
INSERT INTO items SELECT i, value(i) FROM generate_series(1, 4000) AS i;
CREATE INDEX items_vp ON items USING vptree (v vec_l2_ops) WITH (bucket_size = 20, partition = vp);
CREATE INDEX items_kd ON items USING vptree (v vec_l1_ops) WITH (bucket_size = 20, partition = kd);
CREATE INDEX items_kl ON items USING vptree ((v * v + '[1,1,1]'::vector) vec_gkl_ops) WITH (bucket_size = 20);

CREATE FUNCTION property(index regclass, name text) RETURNS int LANGUAGE sql AS
	'SELECT value::int FROM ann_index_info(index) WHERE property = name';
-- figures of all indexes, what ann_check() finds, and whether unlimited scans find every row in order
CREATE FUNCTION state(OUT index regclass, OUT rows int, OUT buckets int, OUT nodes int, OUT retired int, OUT problems text, OUT wrong int)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	scan text;
BEGIN
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	FOREACH index IN ARRAY ARRAY['items_vp', 'items_kd', 'items_kl'] LOOP
		rows := property(index, 'rows');
		buckets := property(index, 'buckets');
		nodes := property(index, 'nodes');
		retired := property(index, 'retired_buckets');
		SELECT string_agg(c.problem, '; ') INTO problems FROM ann_check(index, true, true) AS c;
		scan := CASE index::text WHEN 'items_vp' THEN 'v <-> ''[1,2,3]''' WHEN 'items_kd' THEN 'v <+> ''[1,2,3]''' END;
		wrong := 0;
		IF scan IS NOT NULL THEN
			EXECUTE format('WITH found AS MATERIALIZED (SELECT row_number() OVER () AS n, * FROM (SELECT id, %s AS d FROM items ORDER BY %1$s) AS s) '
				'SELECT (SELECT count(*) FROM found AS a JOIN found AS b ON b.n = a.n + 1 AND b.d < a.d) + '
				'abs((SELECT count(DISTINCT id) FROM found) - (SELECT count(*) FROM items))', scan) INTO wrong;
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE TABLE first AS SELECT * FROM state();
SELECT index, rows, buckets - nodes AS one, retired, problems, wrong FROM state();

-- a region goes, and its buckets with it; the pages of these go with the next vacuum
DELETE FROM items WHERE v <-> '[0,0,0]' < 1250;
SELECT count(*) AS left_over FROM items;
VACUUM items;
SELECT s.index, s.rows, s.buckets < first.buckets / 2 AS fewer, s.buckets - s.nodes AS one, s.retired <= 64 AS few, s.problems, s.wrong
FROM state() AS s JOIN first USING (index);
VACUUM items;
SELECT index, retired, problems, wrong FROM state();

-- rows that come back take the pages that have become free
CREATE TABLE free AS SELECT index, property(index, 'free_pages') AS pages FROM first;
INSERT INTO items SELECT i, value(i) FROM generate_series(1, 4000) AS i WHERE value(i) <-> '[0,0,0]' < 1250;
SELECT index, rows, buckets - nodes AS one, problems, wrong FROM state();
SELECT index, property(index, 'free_pages') < pages AS used FROM free;

-- all rows go: one bucket is left, and the index begins anew
DELETE FROM items;
VACUUM items;
SELECT index, rows, buckets, nodes, problems, wrong FROM state();
INSERT INTO items SELECT i, value(i) FROM generate_series(1, 500) AS i;
SELECT index, rows, buckets > 20 AS split, problems, wrong FROM state();

-- nothing is merged where buckets are full enough
REINDEX TABLE items;
CREATE TABLE before AS SELECT * FROM state();
DELETE FROM items WHERE id % 50 = 0;
VACUUM items;
SELECT s.index, s.rows, s.buckets = before.buckets AS same, s.problems, s.wrong FROM state() AS s JOIN before USING (index);

-- values on pages of their own
CREATE TABLE large (id int, v vector(2100)) WITH (autovacuum_enabled = off);
INSERT INTO large SELECT i, array_agg(((i * j) % 97)::real)::vector FROM generate_series(1, 120) i, generate_series(1, 2100) j GROUP BY i;
CREATE INDEX large_v ON large USING vptree (v) WITH (bucket_size = 8);
SELECT property('large_v', 'buckets') > 10 AS tree, property('large_v', 'value_pages') AS value_pages, property('large_v', 'free_pages') AS free_pages;
DELETE FROM large WHERE id % 12 <> 0;
VACUUM large;
VACUUM large;
SELECT * FROM ann_check('large_v', true, true);
SELECT property('large_v', 'buckets') AS buckets, property('large_v', 'rows') AS rows, property('large_v', 'free_pages') > 100 AS freed;
DROP TABLE items, large, first, free, before;
DROP FUNCTION state, property, value;
