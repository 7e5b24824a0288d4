# Recall of an index on real-looking data, and that a scan goes on for as long as it
# is asked: long ordered scans, filters, rows inserted later, REINDEX, CONCURRENTLY.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What is tested.  Another access method, or form of one, is another entry.  long_scan_floor: of the rows
# of a long scan, the share that must be among as many true nearest ones.
my $extension = 'ann';
my %methods = (
	hnsw => {
		am => 'hnsw',
		options => 'm = 16, ef_construction = 64',
		settings => { 'hnsw.ef_search' => 40 },
		classes => {
			vec_l2_ops => '<->',
			vec_cosine_ops => '<=>',
			vec_ip_ops => '<#>',
			vec_l1_ops => '<+>',
		},
		recall_floor => 0.95,
		long_scan_floor => 0.90,
	},
	hnsw_quantized => {
		am => 'hnsw',
		options => 'm = 16, ef_construction = 64, quantization = rabitq',
		settings => { 'hnsw.ef_search' => 80 },
		classes => {
			vec_l2_ops => '<->',
			vec_cosine_ops => '<=>',
			vec_ip_ops => '<#>',
		},
		recall_floor => 0.95,
		long_scan_floor => 0.85,
	},);

my $rows = 20_000;
my $queries = 100;
my $dimensions = 32;
my $k = 10;
my $long_scan = 5_000;
# Rows inserted after the build get ids from here on.
my $late_ids = 100_000;

my $node = PostgreSQL::Test::Cluster->new('recall');
$node->init;
$node->append_conf(
	'postgresql.conf', qq(
fsync = off
autovacuum = off
maintenance_work_mem = 256MB
jit = off
));
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION $extension");
make_data();

foreach my $method (sort keys %methods)
{
	foreach my $class (sort keys %{ $methods{$method}{classes} })
	{
		test_class($method, $class);
	}
}

$node->stop;
done_testing();

# Fifty clusters, each a plane of six dimensions with a little noise around it.  The
# numbers come from a hash of the row and the seed: the same on every machine.
sub make_data
{
	my $total = $rows + $queries;

	$node->safe_psql(
		'postgres', qq(
CREATE FUNCTION uniform(n int8, seed int8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
	'SELECT hashint8extended(n, seed) / 9223372036854775808.0::float8';
CREATE TABLE planes AS
	SELECT c, d, uniform(c * 1000 + d, 1) AS centre,
		   uniform(c * 1000 + d, 11) AS p1, uniform(c * 1000 + d, 12) AS p2,
		   uniform(c * 1000 + d, 13) AS p3, uniform(c * 1000 + d, 14) AS p4,
		   uniform(c * 1000 + d, 15) AS p5, uniform(c * 1000 + d, 16) AS p6
	FROM generate_series(0, 49) AS c, generate_series(1, $dimensions) AS d;
CREATE TABLE made AS
	SELECT i AS id,
		   array_agg(centre + 0.3 * (p1 * x1 + p2 * x2 + p3 * x3 + p4 * x4 + p5 * x5 + p6 * x6)
					 + 0.03 * uniform(i * 1000 + d, 3) ORDER BY d)::vector($dimensions) AS v
	FROM (SELECT i, i % 50 AS c, uniform(i, 21) AS x1, uniform(i, 22) AS x2, uniform(i, 23) AS x3,
				 uniform(i, 24) AS x4, uniform(i, 25) AS x5, uniform(i, 26) AS x6
		  FROM generate_series(1, $total) AS i OFFSET 0) AS latent
	JOIN planes USING (c)
	GROUP BY i;
CREATE TABLE queries AS
	SELECT row_number() OVER (ORDER BY id) AS id, v FROM made WHERE id > $rows;
ANALYZE queries;
));
	return;
}

sub test_class
{
	my ($method, $class) = @_;
	my $operator = $methods{$method}{classes}{$class};
	my $floor = $methods{$method}{recall_floor};
	my $create = "INDEX %s items_v_idx ON items USING $methods{$method}{am} (v $class) WITH ($methods{$method}{options})";
	my $name = "$method $class";

	# Rows in the order of their ids: the build must not depend on the order.
	$node->safe_psql(
		'postgres', qq(
DROP TABLE IF EXISTS items;
CREATE TABLE items AS SELECT id, v FROM made WHERE id <= $rows ORDER BY id;
ANALYZE items;
));
	find_exact($operator);
	$node->safe_psql('postgres', sprintf("CREATE $create", ''));

	like(
		search($method, "EXPLAIN (COSTS OFF) " . nearest($operator, $k)),
		qr/Index Scan using items_v_idx/, "$name: the query uses the index");
	check_recall($method, $operator, "$name: recall after the build", $floor);
	check_long_scan($method, $operator, $name);
	check_filter($method, $operator, $name);

	$node->safe_psql('postgres', "INSERT INTO items SELECT $late_ids + id, v FROM queries");
	find_exact($operator);
	check_late_rows($method, $operator, $name, $floor);
	check_recall($method, $operator, "$name: recall after inserts", $floor);

	$node->safe_psql('postgres', "REINDEX INDEX items_v_idx");
	check_recall($method, $operator, "$name: recall after REINDEX", $floor);

	$node->safe_psql('postgres', "DROP INDEX items_v_idx");
	$node->safe_psql('postgres', sprintf("CREATE $create", 'CONCURRENTLY'));
	is( $node->safe_psql('postgres',
			"SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_v_idx'::regclass"),
		't', "$name: CREATE INDEX CONCURRENTLY leaves a valid index");
	check_recall($method, $operator, "$name: recall after CREATE INDEX CONCURRENTLY", $floor);
	return;
}

# psql with the method's settings and nothing but index scans.
sub search
{
	my ($method, $sql) = @_;
	my $settings = $methods{$method}{settings};
	my $set = join '', map { "SET $_ = $settings->{$_};\n" } sort keys %$settings;

	return $node->safe_psql('postgres', "${set}SET enable_seqscan = off;\n$sql");
}

# The query under test, for the first query vector.
sub nearest
{
	my ($operator, $limit, $where) = @_;

	return "SELECT id, v $operator (SELECT v FROM queries WHERE id = 1) AS distance FROM items "
	  . ($where // '')
	  . " ORDER BY distance LIMIT $limit";
}

# exact: the k true neighbours of every query, and the distance of the last.
sub find_exact
{
	my ($operator) = @_;

	$node->safe_psql(
		'postgres', qq(
SET enable_indexscan = off;
DROP TABLE IF EXISTS exact;
CREATE TABLE exact AS
	SELECT queries.id AS query_id, max(distance) AS kth_distance, array_agg(found.id) AS ids
	FROM queries CROSS JOIN LATERAL
		(SELECT id, items.v $operator queries.v AS distance FROM items
		 ORDER BY items.v $operator queries.v LIMIT $k) AS found
	GROUP BY queries.id;
ANALYZE exact;
));
	return;
}

# A returned row is right when it is no farther than the k-th true neighbour.
sub check_recall
{
	my ($method, $operator, $name, $floor) = @_;
	my $recall = search(
		$method, qq(
SELECT sum(right_rows) / ($queries * $k.0)
FROM queries JOIN exact ON query_id = queries.id CROSS JOIN LATERAL
	(SELECT count(DISTINCT id) FILTER (WHERE distance <= kth_distance + 1e-6 * abs(kth_distance)) AS right_rows
	 FROM (SELECT items.id, items.v $operator queries.v AS distance FROM items
		   ORDER BY items.v $operator queries.v LIMIT $k) AS found) AS counted;
));

	cmp_ok($recall, '>=', $floor, $name);
	note("$name: $recall");
	return;
}

# Far more rows than ef_search: all there, each once, in order, and the right ones.
sub check_long_scan
{
	my ($method, $operator, $name) = @_;
	my $scan = nearest($operator, $long_scan);
	my ($count, $distinct, $disorder, $overlap) = split /\|/, search(
		$method, qq(
CREATE TEMP TABLE scanned AS SELECT row_number() OVER () AS n, * FROM ($scan) AS s;
SET enable_seqscan = on;
SET enable_sort = on;
SET enable_indexscan = off;
CREATE TEMP TABLE truth AS $scan;
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE distance < previous),
	   (SELECT count(*) FROM scanned JOIN truth USING (id)) / $long_scan.0
FROM (SELECT *, lag(distance) OVER (ORDER BY n) AS previous FROM scanned) AS pairs;
));

	is($count, $long_scan, "$name: LIMIT $long_scan returns $long_scan rows");
	is($distinct, $long_scan, "$name: ... each once");
	is($disorder, 0, "$name: ... in the order of their distances");
	note("$name: $overlap of a long scan right");
	cmp_ok($overlap, '>=', $methods{$method}{long_scan_floor}, "$name: ... and nearly all among the true $long_scan");
	return;
}

# A filter that one row in a hundred passes.
sub check_filter
{
	my ($method, $operator, $name) = @_;
	my $query = nearest($operator, $k, 'WHERE id % 100 = 1');

	like(search($method, "EXPLAIN (COSTS OFF) $query"),
		qr/Index Scan using items_v_idx/, "$name: a filtered query uses the index");
	is(search($method, "SELECT count(*) FROM ($query) AS s WHERE id % 100 = 1"),
		$k, "$name: a filter that 1 % of the rows pass still gives $k rows");
	return;
}

# Of the late rows among the true neighbours, the share that the index finds.
sub check_late_rows
{
	my ($method, $operator, $name, $floor) = @_;
	my ($late, $found) = split /\|/, search(
		$method, qq(
SELECT count(*), count(*) FILTER (WHERE late_id = ANY (found.ids))
FROM exact JOIN queries ON query_id = queries.id
CROSS JOIN LATERAL (SELECT array_agg(id) AS ids FROM
	(SELECT items.id FROM items ORDER BY items.v $operator queries.v LIMIT $k) AS s) AS found
CROSS JOIN LATERAL unnest(exact.ids) AS late_id
WHERE late_id > $late_ids;
));

	cmp_ok($late, '>', 0, "$name: some late rows are true neighbours");
	note("$name: $found of $late late rows found");
	cmp_ok($found / $late, '>=', $floor, "$name: rows inserted after the build are found");
	return;
}
