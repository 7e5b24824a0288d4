# Data for tests of an index, and the comparison of its answers with an exact scan's.

package ExactScan;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Test::More;

our @EXPORT = qw(make_queries points_sql is_exact answers);

# Coordinates are small whole numbers: every squared distance is exact in single precision,
# so an index and a sort agree in order, and equal distances are equal on both sides.
my $dimensions = 8;

# Rows of ids from .. to: about 1 % of the values occur more than once.
sub points_sql
{
	my ($from, $to) = @_;

	return qq(
SELECT i AS id, array_agg((hashint8extended(i % 9901 * 100 + d, 7) % 50)::int ORDER BY d)::vector($dimensions) AS v
FROM generate_series($from, $to) AS i, generate_series(1, $dimensions) AS d GROUP BY i
);
}

sub make_queries
{
	my ($node, $count) = @_;

	$node->safe_psql(
		'postgres', qq(
CREATE TABLE queries AS
	SELECT i AS q, array_agg((hashint8extended(i * 1000 + d, 11) % 50)::int ORDER BY d)::vector($dimensions) AS v
	FROM generate_series(1, $count) AS i, generate_series(1, $dimensions) AS d GROUP BY i;
));
	return;
}

# For every query, the distances of its $limit nearest rows of a table, by index or by sort.
sub answers
{
	my ($node, $table, $way, $limit) = @_;
	my $settings = $way eq 'index' ? 'SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 10000;'
	  : 'SET enable_indexscan = off;';
	my $nearest = "SELECT $table.v <-> queries.v AS distance FROM $table WHERE $table.v IS NOT NULL "
	  . "ORDER BY $table.v <-> queries.v LIMIT $limit";

	if ($way eq 'index')
	{
		my $plan = $node->safe_psql('postgres', "$settings EXPLAIN SELECT * FROM queries, LATERAL ($nearest) AS s");
		die "no index scan: $plan" unless $plan =~ /Index Scan using/;
	}
	return $node->safe_psql('postgres',
		"$settings SELECT q, (SELECT string_agg(distance::text, ' ') FROM ($nearest) AS s) FROM queries ORDER BY q");
}

# Does the index of a table answer every query like an exact scan, and does an unlimited scan
# return every row once?  $searched: another server with the same data.
sub is_exact
{
	my ($node, $table, $name, $searched) = @_;
	$searched //= $node;

	is(answers($searched, $table, 'index', 50), answers($node, $table, 'sort', 50), "$name: the nearest rows");
	is( $searched->safe_psql(
			'postgres', qq(
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM
	(SELECT id FROM $table ORDER BY v <-> (SELECT v FROM queries WHERE q = 1)) AS s)),
		$node->safe_psql('postgres', "SELECT count(v), count(v) FROM $table"),
		"$name: every row once");
	return;
}

1;
