# Ten rounds of deleting 30 % of the rows, vacuuming and inserting as many leave an index as good as
# a fresh one: recall within 0.01 (a tree: exact), size within 1.3 of it.  The same where the vacuum comes after the
# insert.  A vacuum that is cancelled is finished by the next one.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What differs between access methods, and forms of them.  room: pages that rows in new places may take.
my %methods = (
	hnsw => { index => 'hnsw (v vec_l2_ops)', search => 'SET hnsw.ef_search = 30', room => 4 },
	hnsw_quantized => { index => 'hnsw (v vec_l2_ops) WITH (quantization = rabitq)', search => 'SET hnsw.ef_search = 40', room => 4 },
	vptree => { index => 'vptree (v vec_l2_ops)', search => '', exact => 1, room => 18, slowly => "SET vacuum_cost_delay = '1ms'; SET vacuum_cost_limit = 10;" },
	vptree_kd => { index => 'vptree (v vec_l2_ops) WITH (partition = kd)', search => '', exact => 1, room => 18, slowly => "SET vacuum_cost_delay = '1ms'; SET vacuum_cost_limit = 10;" },);

my $rounds = 10;
my $rows = $ENV{ANN_LONG_TESTS} ? 20_000 : 4000;
my $dimensions = 24;
my $queries = 1000;
my $k = 10;

my $node = PostgreSQL::Test::Cluster->new('churn');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nsynchronous_commit = off\njit = off\nenable_seqscan = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION ann');

prepare();
foreach my $method (grep { $methods{$_} } ($ENV{ANN_METHODS} ? split(' ', $ENV{ANN_METHODS}) : sort keys %methods))
{
	refill($method);
	churn($method, 0);
	refill($method);
	churn($method, 1);
	cancel($method);
}
$node->stop;
done_testing();

# Values in clusters of different density and shape: each coordinate is the cluster's centre plus
# noise whose scale depends on the cluster and the coordinate.  A third of the rows to come are of
# clusters of their own, which come and go.
sub prepare
{
	my $total = $rows + $rounds * int($rows * 0.3);

	$node->safe_psql(
		'postgres', qq(
SELECT setseed(0.25);
CREATE FUNCTION normal() RETURNS float8 LANGUAGE sql AS 'SELECT sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())';
CREATE FUNCTION value(cluster int) RETURNS vector LANGUAGE sql VOLATILE AS \$\$
	SELECT array_agg(hashint8extended(cluster * 100 + d, 1) % 1000 / 100.0
			+ normal() * (1 + abs(hashint8extended(cluster * 100 + d, 2) % 20)) / 4 ORDER BY d)::vector
	FROM generate_series(1, $dimensions) AS d
\$\$;
CREATE TABLE source AS
	SELECT i AS id, value(CASE WHEN i % 3 = 0 THEN 100 + i / ($rows / 3) ELSE i % 40 END)::vector($dimensions) AS v
	FROM generate_series(1, $total) AS i;
ALTER TABLE source ADD PRIMARY KEY (id);
CREATE TABLE queries AS SELECT i AS q, value(CASE WHEN i % 3 = 0 THEN 100 + i % 12 ELSE i % 40 END)::vector($dimensions) AS v
	FROM generate_series(1, $queries) AS i;
CREATE TABLE items (LIKE source);
));
	return;
}

# The table as it was at first, and an index built anew
sub refill
{
	my ($method) = @_;

	$node->safe_psql('postgres',
		"DROP INDEX IF EXISTS items_v; TRUNCATE items; INSERT INTO items SELECT * FROM source WHERE id <= $rows;"
		  . "CREATE INDEX items_v ON items USING $methods{$method}{index}");
	return;
}

# Rounds of deleting, inserting and vacuuming.  vacuum_last: new rows come before the vacuum, so the
# index has to hold both them and the deleted ones, which is 1.3 times the rows of a fresh one and
# leaves nothing to spare: only the last page of each kind may be counted on top, since it need not
# be full.  All that later rounds insert must fit what the vacuums have freed.
sub churn
{
	my ($method, $vacuum_last) = @_;
	my $name = "$method: " . ($vacuum_last ? 'delete, insert, vacuum' : 'delete, vacuum, insert');
	my $share = int($rows * 0.3);
	my $rounding = $vacuum_last ? 2 * 8192 : 0;
	my ($first_recall, $first_size) = (recall($method), size());

	foreach my $round (1 .. $rounds)
	{
		my ($from, $to) = ($rows + ($round - 1) * $share + 1, $rows + $round * $share);

		# every third round a region goes, else rows here and there
		my $which = $round % 3 == 0 ? "ORDER BY v <-> (SELECT v FROM queries WHERE q = $round)" : "ORDER BY hashint4(id + $round)";
		my $insert = "INSERT INTO items SELECT * FROM source WHERE id BETWEEN $from AND $to";
		$node->safe_psql('postgres',
			"SET enable_seqscan = on; SET enable_indexscan = off; DELETE FROM items WHERE id IN (SELECT id FROM items $which LIMIT $share)");
		$node->safe_psql('postgres', $_) foreach $vacuum_last ? ($insert, 'VACUUM items') : ('VACUUM items', $insert);
		all_found("$name: round $round");
	}
	$node->safe_psql('postgres', 'VACUUM items');
	my ($recall, $size) = (recall($method), size());
	$node->safe_psql('postgres', 'REINDEX INDEX items_v');
	my ($fresh_recall, $fresh_size) = (recall($method), size());
	note("$name: recall $first_recall at first, $recall after $rounds rounds, $fresh_recall fresh; size $first_size, $size, $fresh_size");
	if ($methods{$method}{exact})
	{
		cmp_ok($recall, '==', 1, "$name: every row asked for is found after $rounds rounds");
	}
	else
	{
		cmp_ok($fresh_recall, '>', 0.8, "$name: the searches are worth comparing");
		cmp_ok($fresh_recall, '<', 1, '... and not all exact');
		cmp_ok($recall, '>=', $fresh_recall - 0.01, "$name: recall after $rounds rounds is that of a fresh index");
	}
	cmp_ok($size, '<=', 1.3 * $fresh_size + $rounding, "$name: the size is that of a fresh index");
	return;
}

# A vacuum cancelled at some moment leaves an index that answers; the next one takes up its work.
sub cancel
{
	my ($method) = @_;
	my $cancelled = 0;
	my $slowly = $methods{$method}{slowly} // '';

	$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 5 = 0');
	foreach my $milliseconds (1, 5, 20, 50, 100, 150, 250)
	{
		my (undef, undef, $error) = $node->psql('postgres', "$slowly SET statement_timeout = $milliseconds; VACUUM (INDEX_CLEANUP ON) items");

		$cancelled++ if $error =~ /canceling statement due to statement timeout/;
		all_found("$method: vacuum cancelled after $milliseconds ms");
	}
	cmp_ok($cancelled, '>=', 2, "$method: some vacuums were cancelled");
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items');
	my $size = size();
	$node->safe_psql('postgres', 'INSERT INTO items SELECT s.* FROM source s WHERE id % 5 = 0 AND id <= (SELECT max(id) FROM items)'
		. " AND NOT EXISTS (SELECT 1 FROM items i WHERE i.id = s.id) LIMIT $rows / 6");
	cmp_ok(size(), '<=', $size + $methods{$method}{room} * 8192, "$method: what the cancelled ones left was given back by the next");
	all_found("$method: filled again");
	return;
}

# An unlimited scan returns every row once.
sub all_found
{
	my ($name) = @_;
	my $found = $node->safe_psql('postgres',
		'SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM queries WHERE q = 1)) AS s');
	my $expected = $node->safe_psql('postgres', 'SET enable_seqscan = on; SELECT count(*), count(*) FROM items');

	is($found, $expected, "$name: every row once");
	return;
}

sub size
{
	return $node->safe_psql('postgres', "SELECT pg_relation_size('items_v')");
}

# Share of the $k nearest rows that a search returns
sub recall
{
	my ($method) = @_;
	my $exact = exact();

	return $node->safe_psql(
		'postgres', qq(
$methods{$method}{search};
SELECT round(avg((SELECT count(*) FROM unnest(found.ids) AS id WHERE id = ANY($exact.ids))) / $k, 4)
FROM (SELECT q, @{[ nearest() ]} AS ids FROM queries) AS found JOIN $exact USING (q)));
}

sub nearest
{
	return "ARRAY(SELECT items.id FROM items ORDER BY items.v <-> queries.v LIMIT $k)";
}

# The name of a table of the $k nearest of the rows there are now, made once for the same rows
sub exact
{
	my $key = $node->safe_psql('postgres', "SELECT 'exact_' || md5(string_agg(id::text, ' ' ORDER BY id)) FROM items");

	$node->safe_psql(
		'postgres', qq(
SET enable_seqscan = on;
SET enable_indexscan = off;
CREATE TABLE IF NOT EXISTS $key AS SELECT q, @{[ nearest() ]} AS ids FROM queries));
	return $key;
}
