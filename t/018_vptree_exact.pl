# Answers of vptree against sequential scans: every space with a metric behind it must give exactly
# the rows of the exact search, whatever the index went through; the others rows in order, each
# once, as many as there are.
#
# The short form tries every class on two of the generated sets, the long one on all.  The real data
# set lda32 takes part when it is there (ANN_DATA_DIR).

use strict;
use warnings FATAL => 'all';

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib dirname(__FILE__);
use IndexCheck;

my $rows = long_tests() ? 1000 : 300;
my $queries = long_tests() ? 10 : 4;
my $real_rows = long_tests() ? 50_000 : 2000;
my $real_queries = long_tests() ? 100 : 10;

# Spaces with a metric behind them.  Class; ordering and range, in which :v is the column, :q the
# query and :r a radius; is there a kd-tree?
my @exact = (
	[ 'vec_l2_ops', ':v <-> :q', ':v <<->> sphere(:q, :r)', 1 ],
	[ 'vec_l1_ops', ':v <+> :q', ':v <<+>> sphere(:q, :r)', 1 ],
	[ 'vec_linf_ops', ':v <^> :q', ':v <<^>> sphere(:q, :r)', 1 ],
	[ 'vec_cosine_ops', ':v <=> :q', ':v <<=>> sphere(:q, :r)', 0 ],
	[ 'vec_angular_ops', ':v <@> :q', ':v <<@>> sphere(:q, :r)', 0 ],
	[ 'vec_js_ops', ':v <|> :q', ':v <<|>> sphere(:q, :r)', 0 ],
	[ 'vec_jsmetric_ops', ':v <|^|> :q', ':v <<|^|>> sphere(:q, :r)', 0 ],
	[ 'vec_lp_ops (p = 0.5)', ':v <*> lp(:q, 0.5)', ':v <<*>> sphere(lp(:q, 0.5), :r)', 1 ],
	[ 'vec_lp_ops (p = 1.5)', ':v <*> lp(:q, 1.5)', ':v <<*>> sphere(lp(:q, 1.5), :r)', 1 ],
	[ 'vec_lp_ops (p = 3)', ':v <*> lp(:q, 3)', ':v <<*>> sphere(lp(:q, 3), :r)', 1 ],
	[ 'halfvec_l2_ops', ':v <-> :q', ':v <<->> sphere(:q, :r)', 1 ],
	[ 'halfvec_l1_ops', ':v <+> :q', ':v <<+>> sphere(:q, :r)', 1 ],
	[ 'halfvec_linf_ops', ':v <^> :q', ':v <<^>> sphere(:q, :r)', 1 ],
	[ 'halfvec_cosine_ops', ':v <=> :q', ':v <<=>> sphere(:q, :r)', 0 ],
	[ 'halfvec_angular_ops', ':v <@> :q', ':v <<@>> sphere(:q, :r)', 0 ],);

# Spaces without
my @others = (
	[ 'vec_ip_ops', ':v <#> :q' ],
	[ 'vec_kl_ops', ':v ||> :q' ],
	[ 'vec_kl_right_ops', ':v <|| :q' ],
	[ 'vec_gkl_ops', ':v |+> :q' ],
	[ 'vec_gkl_right_ops', ':v <+| :q' ],
	[ 'vec_is_ops', ':v |/> :q' ],
	[ 'vec_is_right_ops', ':v </| :q' ],
	[ 'vec_renyi_ops (alpha = 0.25)', ':v <*> renyi(:q, 0.25)' ],
	[ 'vec_renyi_ops (alpha = 2)', ':v <*> renyi(:q, 2)' ],
	[ 'vec_alphabeta_ops (alpha = 1, beta = 0.5)', ':v <*> alphabeta(:q, 1, 0.5)' ],);

# Dimensions, and an expression for coordinate d of row i; h(n) is a number from 0 to 1.  All spaces
# can measure what is greater than 0; the others name the classes that can.
my %sets = (
	uniform => [ 8, '0.001 + h(i * 100 + d)' ],
	clustered => [ 16, '1 + 5 * h(i % 13 * 100 + d) + 0.2 * h(i * 100 + d)' ],
	grid => [ 4, '1 + (h(i * 100 + d) * 3)::int' ],
	duplicates => [ 8, '0.1 + h(i % 37 * 100 + d)' ],
	equal => [ 4, '0.25 * d' ],
	signed => [ 4, '2 * h(i * 100 + d) - 1', qr/_(l2|l1|linf|cosine|angular|lp)_/ ],
	extreme => [ 4, '(ARRAY[3e38, 1e-43, 1e-38, 1e30, 1e20, 1.8e19])[i % 6 + 1] * sign(0.5 - (i / 7 + d) % 2) * (0.1 + 0.9 * h(i * 100 + d))', qr/^vec_(l2|l1|linf|cosine|angular|lp)_/ ],);
my @sets = sort keys %sets;

my $node = new_server('exact', "client_min_messages = warning");

$node->safe_psql('postgres', functions_sql());
make_set($_, @{ $sets{$_} }) foreach @sets;
test_spaces();
test_cost();
test_wide();
test_others();
test_cursors();
test_real_data();
test_tuned_recall();
is_clean_log($node, 'nothing wrong in the log');
$node->stop;
done_testing();

# differences(table, ordering, range, operator class): what an index on the table answers otherwise
# than a sequential scan: for the 1, 10 and 100 nearest rows of each query, and if they are not too many all of them, the
# distances, in order, to the last bit, with no row twice; and the rows within the distances of the
# nearest, tenth and hundredth row, with and without an order.
sub functions_sql
{
	return q[
CREATE FUNCTION h(n int8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
	'SELECT (hashint8extended(n, 5) / 9223372036854775808.0::float8 + 1) / 2';

CREATE FUNCTION use_index(yes bool) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('enable_indexscan', yes::text, false), set_config('enable_seqscan', (NOT yes)::text, false),
		set_config('enable_sort', (NOT yes)::text, false);
$$;

CREATE FUNCTION must_use_index(query text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	plan text;
BEGIN
	PERFORM use_index(true);
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	IF plan !~ '"Index Name": "(t|c|cost|tree)_v"' THEN
		RAISE '% does not use the index: %', query, plan;
	END IF;
END $$;

CREATE FUNCTION replaced(expression text) RETURNS text LANGUAGE sql AS
	$$ SELECT replace(replace(replace(expression, ':v', 't.v'), ':q', 'q.v'), ':r', 'q.r') $$;

CREATE FUNCTION find_truth(items regclass, queries regclass, ordering text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM use_index(false);
	DROP TABLE IF EXISTS truth, spheres;
	EXECUTE format('CREATE TEMP TABLE truth AS SELECT q, id, d, row_number() OVER (PARTITION BY q ORDER BY d) AS n FROM
		(SELECT q.id AS q, t.id, %s AS d FROM %s AS q, %s AS t WHERE t.v IS NOT NULL) AS s', replaced(ordering), queries, items);
	EXECUTE format('CREATE TEMP TABLE spheres AS SELECT q, n, v, d AS r FROM truth JOIN %s AS q ON q.id = q WHERE n IN (1, 10, 100)', queries);
END $$;

-- found by the query, of columns q, n, d, id; k nearest rows asked for
CREATE FUNCTION nearest_differences(query text, k int) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM must_use_index(query);
	RETURN QUERY EXECUTE format('
		WITH found AS MATERIALIZED (%s),
			 a AS (SELECT q, array_agg(d ORDER BY n) AS ds, count(DISTINCT id) AS ids FROM found GROUP BY q),
			 b AS (SELECT q, array_agg(d ORDER BY n) AS ds, count(*) AS ids FROM truth WHERE n <= %s GROUP BY q)
		SELECT format(''%%s nearest rows of query %%s: %%s rows, %%s of them different, instead of %%s; first difference %%s'', %2$s, b.q, cardinality(a.ds), a.ids, b.ids,
				(SELECT format(''%%s: %%s instead of %%s'', n, x, y) FROM unnest(a.ds, b.ds) WITH ORDINALITY AS u (x, y, n) WHERE x IS DISTINCT FROM y ORDER BY n LIMIT 1))
		FROM b LEFT JOIN a USING (q) WHERE a.ds IS DISTINCT FROM b.ds OR a.ids IS DISTINCT FROM b.ids ORDER BY b.q LIMIT 3', query, k);
END $$;

CREATE FUNCTION range_differences(items regclass, range text, ordering text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	found text := format('SELECT q.q, q.n, array_agg(f.id ORDER BY f.id) AS ids, count(*) FROM spheres AS q
		CROSS JOIN LATERAL (SELECT t.id FROM %s AS t WHERE %s%s) AS f GROUP BY q.q, q.n', items, replaced(range), ' ORDER BY ' || replaced(ordering));
BEGIN
	PERFORM must_use_index(found);
	DROP TABLE IF EXISTS found_ranges;
	EXECUTE 'CREATE TEMP TABLE found_ranges AS ' || found;
	PERFORM use_index(false);
	RETURN QUERY EXECUTE format('SELECT format(''range of %%s of query %%s, ordered: %%s: %%s rows instead of %%s'', b.n, b.q, %L, a.count, b.count)
		FROM (%s) AS b LEFT JOIN found_ranges AS a USING (q, n) WHERE a.ids IS DISTINCT FROM b.ids LIMIT 3', ordering IS NOT NULL,
		format('SELECT q.q, q.n, array_agg(t.id ORDER BY t.id) AS ids, count(*) FROM spheres AS q JOIN %s AS t ON %s GROUP BY q.q, q.n', items, replaced(range)));
END $$;

CREATE FUNCTION differences(items regclass, queries regclass, ordering text, range text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	ks int[] := '{1, 10, 100}';
	k int;
BEGIN
	PERFORM find_truth(items, queries, ordering);
	IF (SELECT count(*) FROM truth) < 100000 THEN
		ks := ks || 1000000;
	END IF;
	FOREACH k IN ARRAY ks LOOP
		RETURN QUERY SELECT * FROM nearest_differences(format('SELECT q.id AS q, f.* FROM %s AS q
			CROSS JOIN LATERAL (SELECT row_number() OVER () AS n, * FROM (SELECT %s AS d, t.id FROM %s AS t ORDER BY %2$s LIMIT %4$s) AS s) AS f',
			queries, replaced(ordering), items, k), k);
	END LOOP;
	RETURN QUERY SELECT * FROM range_differences(items, range, ordering);
	RETURN QUERY SELECT * FROM range_differences(items, range, NULL);
END $$;

CREATE FUNCTION problems(items regclass, queries regclass, ordering text, range text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(p, E'\n') FROM (SELECT * FROM differences(items, queries, ordering, range)
		UNION ALL SELECT c::text FROM ann_check((items::text || '_v')::regclass, true) AS c) AS s (p);
$$;
];
}

# Tables of a set, as vector and halfvec: all rows, 1 .. $rows and the rest; and queries, of which
# every third is a row.
sub make_set
{
	my ($set, $dimensions, $expression) = @_;
	my $total = $rows * 2;

	$node->safe_psql(
		'postgres', qq(
CREATE TABLE ${set}_vec AS SELECT i AS id, array_agg(($expression)::float4 ORDER BY d)::vector($dimensions) AS v
	FROM generate_series(1, $total) AS i, generate_series(1, $dimensions) AS d GROUP BY i ORDER BY i;
CREATE TABLE ${set}_vec_queries AS SELECT i AS id, array_agg(($expression * CASE WHEN i % 3 = 0 THEN 1 ELSE 1 - 0.05 * h(d + i) END)::float4 ORDER BY d)::vector($dimensions) AS v
	FROM generate_series(1, $queries) AS i, generate_series(1, $dimensions) AS d GROUP BY i;
));
	$node->safe_psql(
		'postgres', qq(
CREATE TABLE ${set}_halfvec AS SELECT id, v::halfvec($dimensions) AS v FROM ${set}_vec ORDER BY id;
CREATE TABLE ${set}_halfvec_queries AS SELECT id, v::halfvec($dimensions) AS v FROM ${set}_vec_queries;
)) if grep { $_ eq $set } sets_of('halfvec_l2_ops');
	return;
}

sub test_spaces
{
	my $turn = 0;

	foreach my $space (@exact)
	{
		my @possible = sets_of($space->[0]);
		my @chosen = long_tests() ? @possible : @possible[ $turn % @possible, ($turn + 3) % @possible ];

		foreach my $set (@chosen)
		{
			foreach my $partition ('vp', $space->[3] ? 'kd' : ())
			{
				test_life($set, $partition, $turn++, @$space);
			}
		}
	}
	return;
}

# The sets whose distances a class can measure
sub sets_of
{
	my ($class) = @_;

	return grep { $class =~ ($sets{$_}[2] // qr//) } @sets;
}

# One class on one set: a built index, then with more rows, then with fewer; and one to which every
# row came by INSERT.  All in one session.
sub test_life
{
	my ($set, $partition, $turn, $class, $ordering, $range) = @_;
	my $kind = $class =~ /^halfvec/ ? 'halfvec' : 'vec';
	my $source = "${set}_$kind";
	my $check = "SELECT problems('t', '${source}_queries', \$\$$ordering\$\$, \$\$$range\$\$);";
	my @sizes = long_tests() ? (0, 1, 2, 5) : ((0, 1, 2, 5)[ $turn % 4 ]);
	my $sql = qq(
CREATE TABLE t AS SELECT * FROM $source WHERE id <= $rows;
INSERT INTO t VALUES (0, NULL);
CREATE INDEX t_v ON t USING vptree (v $class) WITH (partition = $partition);
$check
INSERT INTO t SELECT * FROM $source WHERE id > $rows;
$check
DELETE FROM t WHERE id % 3 = 1;
VACUUM t;
$check
DROP TABLE t;
);

	foreach my $size (@sizes)
	{
		$sql .= "CREATE TABLE t (LIKE $source); CREATE INDEX t_v ON t USING vptree (v $class) WITH (partition = $partition, bucket_size = $size);"
		  . "INSERT INTO t SELECT * FROM $source WHERE id <= $rows; $check"
		  . "REINDEX INDEX t_v; $check"
		  . "DELETE FROM t WHERE id > 10; VACUUM t; $check INSERT INTO t SELECT * FROM $source WHERE id > $rows; $check DROP TABLE t;";
	}
	is(answer($sql), '', "$class, $partition: $set, buckets of @sizes and auto");
	return;
}

# What a script prints, without empty lines; its errors are part of it.
sub answer
{
	my ($sql) = @_;
	my ($status, $out, $error) = $node->psql('postgres', $sql, on_error_stop => 1);

	$out = join "\n", grep { /\S/ } split /\n/, $out . "\n" . $error;
	return $out;
}

# Distances computed for the ten nearest rows, on average over queries, and those of a sequential scan
sub distances_per_query
{
	my ($items, $queries, $ordering, $k) = @_;

	return $node->safe_psql(
		'postgres', qq(
SELECT use_index(true);
CREATE FUNCTION pg_temp.one(q anyelement) RETURNS int8 LANGUAGE plpgsql AS \$f\$
BEGIN
	PERFORM id FROM $items AS t ORDER BY ) . ($ordering =~ s/:v/t.v/r =~ s/:q/q/r) . qq( LIMIT $k;
	RETURN (SELECT distances FROM ann_scan_stats());
END \$f\$;
SELECT 'per query ' || avg(pg_temp.one(v))::int8 FROM $queries;
)) =~ s/.*per query //sr;
}

# Pruning works: far fewer distances than rows.  Clustered rows have few neighbours worth a look.
sub test_cost
{
	my $many = 20_000;

	$node->safe_psql(
		'postgres', qq(
CREATE TABLE cost AS SELECT i AS id, array_agg((10 * h(i % 200 * 100 + d) + h(i * 100 + d))::float4 ORDER BY d)::vector(8) AS v
	FROM generate_series(1, $many) AS i, generate_series(1, 8) AS d GROUP BY i;
CREATE TABLE cost_queries AS SELECT id, v + array_fill(0.01::float4, ARRAY[8])::vector AS v FROM cost ORDER BY hashint4(id) LIMIT 10;
));
	foreach my $partition ('vp', 'kd')
	{
		$node->safe_psql('postgres', "CREATE INDEX cost_v ON cost USING vptree (v) WITH (partition = $partition)");
		my $distances = distances_per_query('cost', 'cost_queries', ':v <-> :q', 10);

		note("$partition: $distances distances of $many");
		cmp_ok($distances, '<', $many / 20, "$partition: few distances are computed");
		is( answer(qq(
DROP INDEX cost_v;
SET maintenance_work_mem = '1MB';
CREATE INDEX cost_v ON cost USING vptree (v) WITH (partition = $partition);
SELECT problems('cost', 'cost_queries', ':v <-> :q', ':v <<->> sphere(:q, :r)');
DROP INDEX cost_v;
)),
			'',
			"$partition: an index built in parts");
	}
	return;
}

# Values that have pages of their own
sub test_wide
{
	foreach my $partition ('vp', 'kd')
	{
		is( answer(qq(
CREATE TABLE t AS SELECT i AS id, (SELECT array_agg(h(i % 70 * 10000 + d)::float4 ORDER BY d) FROM generate_series(1, 2500) AS d)::vector AS v FROM generate_series(1, 100) AS i;
CREATE TEMP TABLE asked AS SELECT * FROM t WHERE id IN (5, 55);
CREATE INDEX t_v ON t USING vptree (v) WITH (partition = $partition, bucket_size = 3);
SELECT problems('t', 'asked', ':v <-> :q', ':v <<->> sphere(:q, :r)');
INSERT INTO t SELECT id + 1000, v + v FROM t;
SELECT problems('t', 'asked', ':v <-> :q', ':v <<->> sphere(:q, :r)');
DELETE FROM t WHERE id % 2 = 0;
VACUUM t;
INSERT INTO t SELECT id + 2000, v - (SELECT v FROM asked WHERE id = 5) FROM t;
VACUUM t;
SELECT problems('t', 'asked', ':v <-> :q', ':v <<->> sphere(:q, :r)');
DROP TABLE t;
)),
			'',
			"$partition: long values");
	}
	return;
}

# Without a metric: how many of the rows come, each once, in order; under all settings of a scan.
sub test_others
{
	$node->safe_psql('postgres', others_sql());
	foreach my $space (@others)
	{
		my ($class, $ordering) = @$space;

		foreach my $set (long_tests() ? sets_of($class) : ('clustered'))
		{
			is( answer("CREATE TEMP TABLE t AS SELECT * FROM ${set}_vec; CREATE INDEX t_v ON t USING vptree (v $class);"
					  . "SELECT disorder('t', '${set}_vec_queries', \$\$$ordering\$\$);"
					  . "SET vptree.alpha_left = 4; SET vptree.alpha_right = 4; SET vptree.exp_right = 2;"
					  . "SELECT disorder('t', '${set}_vec_queries', \$\$$ordering\$\$);"),
				'',
				"$class: $set");
		}
	}
	return;
}

# disorder(table, ordering): what is wrong with the rows that an index on the table returns.  In
# strict order the rows that came late are last, in order, too.
sub others_sql
{
	return q[
CREATE FUNCTION disorder_of(items regclass, queries regclass, ordering text, k int, name text, returned text, breaks int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	rows int := (SELECT count(*) FROM truth WHERE q = 1);
	found text := format('SELECT q.id AS q, f.* FROM %s AS q CROSS JOIN LATERAL (SELECT row_number() OVER () AS n, * FROM
		(SELECT %s AS d, t.id FROM %s AS t ORDER BY %2$s LIMIT %4$s) AS s) AS f', queries, replaced(ordering), items, k);
BEGIN
	PERFORM must_use_index(found);
	RETURN QUERY EXECUTE format('
		WITH found AS MATERIALIZED (SELECT *, d < lag(d) OVER (PARTITION BY q ORDER BY n) AS breaks FROM (%s) AS s),
			 a AS (SELECT q, count(*), count(DISTINCT id) AS ids, count(*) FILTER (WHERE breaks) AS breaks, max(d) FROM found GROUP BY q)
		SELECT format(''%%s, %%s nearest of query %%s: %%s rows, %%s of them different, %%s out of order'', %L, %s, q, count, ids, breaks) FROM a
		WHERE count <> ids OR NOT %s OR breaks > %s OR max = ''nan'' LIMIT 3',
		found, name, k, format(returned, least(k, rows)), breaks);
END $$;

CREATE FUNCTION disorder(items regclass, queries regclass, ordering text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	PERFORM find_truth(items, queries, ordering);
	CREATE TEMP TABLE wrong (problem text);
	SET vptree.iterative_scan = strict_order;
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 10, 'strict', 'count = %s', 0);
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 1000000, 'strict', 'count = %s', 1);
	SET vptree.max_leaves_to_visit = 1;
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 100, 'strict, one leaf', 'count = %s', 1);
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 1000000, 'strict, one leaf', 'count = %s', 1);
	SET vptree.iterative_scan = relaxed_order;
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 1000000, 'relaxed, one leaf', 'count = %s', 1000000);
	SET vptree.iterative_scan = off;
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 1000000, 'off, one leaf', 'count BETWEEN 1 AND %s - 1', 0);
	RESET vptree.max_leaves_to_visit;
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 1000000, 'off', 'count = %s', 1);
	SET vptree.iterative_scan = relaxed_order;
	INSERT INTO wrong SELECT * FROM disorder_of(items, queries, ordering, 1000000, 'relaxed', 'count = %s', 1000000);
	RESET vptree.iterative_scan;
	SELECT string_agg(problem, E'\n') INTO answer FROM wrong;
	DROP TABLE wrong;
	RETURN answer;
END $$;
];
}

# Rows of a cursor while others change the index under it: buckets that the scan has yet to open are
# split, freed by vacuum and used again.
sub test_cursors
{
	foreach my $partition ('vp', 'kd')
	{
		foreach my $built (8, $rows)
		{
			is_exact_cursor($partition, $built);
		}
	}
	return;
}

sub is_exact_cursor
{
	my ($partition, $built) = @_;
	my $more = 10 * $rows;
	my $others = join ' ', 'psql -X -q -v ON_ERROR_STOP=1 -d', "'" . $node->connstr('postgres') . "'", '-f';
	my $nearest = 'SELECT id, v <-> (SELECT v FROM uniform_vec_queries WHERE id = 1) AS d FROM c ORDER BY v <-> (SELECT v FROM uniform_vec_queries WHERE id = 1)';
	my @scripts;

	$node->safe_psql(
		'postgres', qq(
DROP TABLE IF EXISTS c;
CREATE TABLE c AS SELECT * FROM uniform_vec WHERE id <= $built;
CREATE INDEX c_v ON c USING vptree (v) WITH (partition = $partition, bucket_size = 5);
));
	foreach my $step (1 .. 3)
	{
		push @scripts, PostgreSQL::Test::Utils::tempdir() . "/change_$step.sql";
		append_to_file($scripts[-1], qq(
INSERT INTO c SELECT $step * 100000 + i, array_agg(h($step * 10000000 + i * 100 + d)::float4)::vector FROM generate_series(1, $more) AS i, generate_series(1, 8) AS d GROUP BY i;
DELETE FROM c WHERE id % 3 = $step % 3;
VACUUM c;
));
	}
	my $out = $node->safe_psql(
		'postgres', qq(
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT FROM use_index(true);
DECLARE cur CURSOR FOR $nearest;
FETCH 1 FROM cur;
\\! $others $scripts[0]
FETCH 20 FROM cur;
\\! $others $scripts[1]
FETCH 20 FROM cur;
\\! $others $scripts[2]
FETCH ALL FROM cur;
CLOSE cur;
\\echo opened
SELECT expanded, distances FROM ann_scan_stats();
SELECT FROM use_index(false);
\\echo expected
$nearest;
COMMIT;
));
	my ($found, $opened, $expected) = map { [ grep { /\S/ } split /\n/, $_ ] } split /(?:opened|expected)\n/, $out;

	note("nodes and buckets opened, distances: @$opened");
	is_deeply($found, $expected, "$partition: a cursor over $built rows while buckets are split and freed");
	is($node->safe_psql('postgres', "SELECT problems('c', 'uniform_vec_queries', ':v <-> :q', ':v <<->> sphere(:q, :r)')"),
		'', "$partition: and the index afterwards");
	return;
}

# The real set, if it is there, in the spaces of histograms and two more
sub test_real_data
{
	my $folder = ($ENV{ANN_DATA_DIR} // '') . '/lda32';

  SKIP:
	{
		skip 'no data set lda32 (ANN_DATA_DIR)', 1 unless -d $folder;
		load_vectors('tree', "$folder/lda32_base.fvecs.gz", $real_rows);
		load_vectors('real_queries', "$folder/lda32_query.fvecs.gz", $real_queries);
		foreach my $space (grep { $_->[0] =~ /^vec_(js|jsmetric|l2|l1)_ops$/ } @exact)
		{
			my ($class, $ordering, $range, $has_kd) = @$space;

			foreach my $partition ('vp', $has_kd ? 'kd' : ())
			{
				is(answer("CREATE INDEX tree_v ON tree USING vptree (v $class) WITH (partition = $partition);"
						  . "SELECT problems('tree', 'real_queries', \$\$$ordering\$\$, \$\$$range\$\$);"),
					'', "$class, $partition: lda32");
				note("$class, $partition: lda32: " . distances_per_query('tree', 'real_queries', $ordering, 10) . " distances of $real_rows");
				$node->safe_psql('postgres', 'DROP INDEX tree_v');
			}
		}
	}
	return;
}

# Tuned for a recall of 0.95, both directions of Kullback-Leibler divergence find about that many of
# the ten nearest rows of queries that were not tuned with, for a tenth of the distances at most.
sub test_tuned_recall
{
	my $folder = ($ENV{ANN_DATA_DIR} // '') . '/lda32';
	my $many = long_tests() ? 50_000 : 10_000;
	my $asked = long_tests() ? 500 : 100;

  SKIP:
	{
		skip 'no data set lda32 (ANN_DATA_DIR)', 1 unless -d $folder;
		load_vectors('tuned', "$folder/lda32_base.fvecs.gz", $many);
		load_vectors('tuned_queries', "$folder/lda32_query.fvecs.gz", $asked);
		foreach my $space ([ 'vec_kl_ops', ':v ||> :q' ], [ 'vec_kl_right_ops', ':v <|| :q' ])
		{
			my ($class, $ordering) = @$space;
			my ($column, $query) = ($ordering =~ s/:v/t.v/r =~ s/:q/q.v/r, 'tuned_queries AS q CROSS JOIN LATERAL');
			my $nearest = "SELECT q.id AS q, s.id FROM $query (SELECT id FROM tuned AS t ORDER BY $column LIMIT 10) AS s";
			my $recall = $node->safe_psql(
				'postgres', qq(
SELECT FROM use_index(false);
CREATE TEMP TABLE nearest AS $nearest;
CREATE INDEX tuned_v ON tuned USING vptree (v $class) WITH (desired_recall = 0.95, tune_k = 10);
SELECT FROM use_index(true);
SELECT count(*) / (10.0 * $asked) FROM ($nearest) AS found JOIN nearest USING (q, id);
)) =~ s/\s//gr;
			my $distances = distances_per_query('tuned', 'tuned_queries', $ordering, 10);

			note("$class: recall $recall, $distances distances of $many");
			cmp_ok($recall, '>=', 0.92, "$class, tuned: recall");
			cmp_ok($recall, '<=', 0.985, "$class, tuned: no more than is asked for");
			cmp_ok($distances, '<', $many / 10, "$class, tuned: few distances");
			$node->safe_psql('postgres', 'DROP INDEX tuned_v');
		}
	}
	return;
}

# The first rows of a file of vectors, as a table (id, v)
sub load_vectors
{
	my ($table, $file, $count) = @_;
	my $text = PostgreSQL::Test::Utils::tempdir() . "/$table.txt";
	my $header;

	open my $in, '-|', 'gzip', '-dc', $file or die "cannot read $file";
	binmode $in;
	open my $out, '>', $text or die "cannot write $text";
	for (my $id = 0; $id < $count && read($in, $header, 4) == 4; $id++)
	{
		my $dimensions = unpack 'V', $header;

		read $in, my $values, 4 * $dimensions;
		print $out "$id\t[", join(',', map { sprintf '%.9g', $_ } unpack "f<$dimensions", $values), "]\n";
	}
	close $out;
	close $in;
	$node->safe_psql('postgres', "CREATE TABLE $table (id int, v vector);\n\\copy $table FROM '$text'");
	return;
}
