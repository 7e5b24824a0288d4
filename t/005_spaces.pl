# Recall of hnsw in the spaces of histograms and in Lp with p < 1, asymmetric ones with queries
# on both sides, on data that look like topic histograms.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 10_000;
my $queries = 100;
my $dimensions = 32;
my $k = 10;
my $ef_search = 100;
my $floor = 0.95;

# Class and ordering (:v is the column, :q the query)
my @spaces = (
	[ 'vec_kl_ops', ':v ||> :q' ],
	[ 'vec_kl_right_ops', ':q ||> :v' ],
	[ 'vec_gkl_ops', ':v |+> :q' ],
	[ 'vec_gkl_right_ops', ':q |+> :v' ],
	[ 'vec_is_ops', ':v |/> :q' ],
	[ 'vec_is_right_ops', ':q |/> :v' ],
	[ 'vec_js_ops', ':v <|> :q' ],
	[ 'vec_jsmetric_ops', ':v <|^|> :q' ],
	[ 'vec_lp_ops (p = 0.5)', ':v <*> lp(:q, 0.5)' ],
	[ 'vec_renyi_ops (alpha = 0.25)', ':v <*> renyi(:q, 0.25)' ],
	[ 'vec_renyi_ops (alpha = 2)', ':v <*> renyi(:q, 2)' ],);

my $node = PostgreSQL::Test::Cluster->new('spaces');
$node->init;
$node->append_conf('postgresql.conf', qq(
fsync = off
autovacuum = off
maintenance_work_mem = 256MB
jit = off
));
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION ann');
make_data();
test_space(@$_) foreach @spaces;
$node->stop;
done_testing();

# A row is a mixture of three of forty topics, each a few large shares and many small ones (powers
# of a uniform number, as in a Dirichlet distribution of small concentration), with some noise.
# No share is below 1e-5, as a topic model's smoothing sees to.
sub make_data
{
	my $total = $rows + $queries;

	$node->safe_psql(
		'postgres', qq(
CREATE FUNCTION uniform(n int8, seed int8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
	'SELECT (hashint8extended(n, seed) / 9223372036854775808.0::float8 + 1) / 2';
CREATE TABLE topics AS
	SELECT t, d, uniform(t * 1000 + d, 1) ^ 8 AS share FROM generate_series(0, 39) AS t, generate_series(1, $dimensions) AS d;
CREATE TABLE made AS
	SELECT i AS id, array_agg(w / total ORDER BY d)::vector($dimensions) AS v
	FROM (SELECT i, d, w, sum(w) OVER (PARTITION BY i) AS total
		  FROM (SELECT i, a.d, 1e-4 + (x * a.share + y * b.share + z * c.share) * (0.7 + 0.6 * uniform(i * 1000 + a.d, 2)) AS w
				FROM (SELECT i, (uniform(i, 3) * 39.99)::int AS t1, (uniform(i, 4) * 39.99)::int AS t2, (uniform(i, 5) * 39.99)::int AS t3,
							 uniform(i, 6) AS x, uniform(i, 7) * 0.5 AS y, uniform(i, 8) * 0.2 AS z
					  FROM generate_series(1, $total) AS i OFFSET 0) AS mixtures
				JOIN topics AS a ON a.t = t1 % 40 JOIN topics AS b ON b.t = t2 % 40 AND b.d = a.d JOIN topics AS c ON c.t = t3 % 40 AND c.d = a.d) AS weights) AS bins
	GROUP BY i;
CREATE TABLE items AS SELECT * FROM made WHERE id <= $rows ORDER BY id;
CREATE TABLE queries AS SELECT id, v FROM made WHERE id > $rows;
ANALYZE items;
ANALYZE queries;
));
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT v), bool_and(abs(l1_distance(v, v - v) - 1) < 1e-5) FROM items'),
		"$rows|$rows|t", 'the data are different histograms');
	return;
}

# The distances of the k nearest rows of every query
sub nearest
{
	my ($ordering) = @_;

	$ordering =~ s/:v/items.v/;
	$ordering =~ s/:q/queries.v/;
	return "SELECT queries.id AS q, found.id, distance FROM queries CROSS JOIN LATERAL "
	  . "(SELECT items.id, $ordering AS distance FROM items ORDER BY $ordering LIMIT $k) AS found";
}

sub test_space
{
	my ($class, $ordering) = @_;
	my $nearest = nearest($ordering);
	my $name = "$class, $ordering";

	$node->safe_psql('postgres', "CREATE INDEX items_v ON items USING hnsw (v $class)");
	my $settings = "SET enable_seqscan = off; SET hnsw.ef_search = $ef_search;";
	like($node->safe_psql('postgres', "$settings EXPLAIN $nearest"), qr/Index Scan using items_v/, "$name: index scan");

	# A row is right when it is no farther than the true k-th.
	my $recall = $node->safe_psql(
		'postgres', qq(
SET enable_indexscan = off;
CREATE TEMP TABLE truth AS SELECT q, max(distance) AS farthest FROM ($nearest) AS s GROUP BY q;
SET enable_indexscan = on;
$settings
CREATE TEMP TABLE found AS SELECT * FROM ($nearest) AS s;
SELECT sum(right_rows) / ($queries * $k.0) FROM
	(SELECT count(DISTINCT found.id) FILTER (WHERE distance <= farthest + 1e-6 * abs(farthest)) AS right_rows FROM found JOIN truth USING (q) GROUP BY q) AS counted;
));

	note("$name: recall $recall");
	cmp_ok($recall, '>=', $floor, "$name: recall at ef_search = $ef_search");
	$node->safe_psql('postgres', 'DROP INDEX items_v');
	return;
}
