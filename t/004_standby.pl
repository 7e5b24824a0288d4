# A streaming standby answers like its primary, after every kind of change, and while the primary
# vacuums.  Replay compares every page with the primary's.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use ExactScan;
use IndexCheck qw(access_methods);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Standby;
use Test::More;

my $primary;
my $standby;
my $method;

standby_of($_) foreach access_methods();
done_testing();

# A pair of servers with indexes of an access method
sub standby_of
{
	my ($am) = @_;

	$method = $am;
	$primary = PostgreSQL::Test::Cluster->new("primary_$am");
	$primary->init(allows_streaming => 1);
	$primary->append_conf('postgresql.conf', qq(
	fsync = off
	autovacuum = off
	maintenance_work_mem = 64MB
	hnsw.pending_list_limit = 64
	jit = off
	wal_consistency_checking = 'all'
	));
	$primary->start;
	$primary->safe_psql('postgres', 'CREATE EXTENSION ann');

	$standby = start_standby($primary, "standby_$am", "max_standby_streaming_delay = -1\n");

	my ($points, $more, $again) = (points_sql(1, 4000), points_sql(4001, 6000), points_sql(7001, 7500));
	make_queries($primary, 20);
	change("CREATE TABLE items (id int, v vector(8)); INSERT INTO items $points; CREATE INDEX items_v ON items USING $am (v)", 'built');
	change("INSERT INTO items $more", 'inserted');
	change("INSERT INTO items SELECT 6000 + i, '[1,2,3,4,5,6,7,8]' FROM generate_series(1, 100) i", 'equal values inserted');
	change("UPDATE items SET v = v + '[1,1,0,0,0,0,0,0]' WHERE id % 10 = 3", 'updated');
	change("DELETE FROM items WHERE id % 3 = 0 OR id BETWEEN 6011 AND 6090", 'deleted');

	# What vacuum removes is gone from the index, and the places in the table are used again.
	change('VACUUM items', 'vacuumed');
	is( $primary->safe_psql('postgres', "SELECT reltuples FROM pg_class WHERE relname = 'items_v'"),
		$primary->safe_psql('postgres', 'SELECT count(*) FROM items'),
		'vacuum leaves the live rows in the index');
	my $size = $primary->safe_psql('postgres', "SELECT pg_relation_size('items')");
	change("INSERT INTO items $again", 'inserted after vacuum');
	is($primary->safe_psql('postgres', "SELECT pg_relation_size('items')"), $size, 'new rows took the places of removed ones');
	change('DELETE FROM items WHERE id > 7000; VACUUM items; INSERT INTO items SELECT * FROM (' . $again . ') AS s', 'rows gone and back');
	change('REINDEX INDEX items_v', 'reindexed');
	change('TRUNCATE items; INSERT INTO items SELECT * FROM (' . $again . ') AS s', 'truncated and filled');
	change('CREATE TABLE large (id int, v vector(3000)); CREATE INDEX large_v ON large USING ' . $am . ' (v);'
		. 'INSERT INTO large SELECT i, array_agg((i * 31 + d * 17 + i * d) % 101 ORDER BY d)::vector FROM generate_series(1, 30) i, generate_series(1, 3000) d GROUP BY i',
		'values of several pages');
	is( $standby->safe_psql('postgres', 'SET enable_seqscan = off; SELECT string_agg(id::text, \',\') FROM (SELECT id FROM large ORDER BY v <-> (SELECT v FROM large WHERE id = 7)) AS s'),
		$primary->safe_psql('postgres', 'SET enable_indexscan = off; SELECT string_agg(id::text, \',\') FROM (SELECT id FROM large ORDER BY v <-> (SELECT v FROM large WHERE id = 7)) AS s'),
		'values of several pages: the order of all rows');

	# Scans of the standby while the primary deletes, vacuums and inserts
	$primary->safe_psql('postgres', "INSERT INTO items $points");
	$primary->wait_for_catchup($standby);
	my $script = PostgreSQL::Test::Utils::tempdir() . '/scan.sql';
	append_to_file($script, "\\set q random(1, 20)\nSELECT id FROM items ORDER BY v <-> (SELECT v FROM queries WHERE q = :q) LIMIT 200;\n");
	my $scans = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '2', '-T', '5', '-f', $script, $standby->connstr('postgres') ],
		'>', \my $out, '2>', \my $error);
	foreach my $round (1 .. 5)
	{
		$primary->safe_psql('postgres', "DELETE FROM items WHERE id % 8 = $round - 1");
		$primary->safe_psql('postgres', 'VACUUM items');
		$primary->safe_psql('postgres', "INSERT INTO items SELECT id + 10000, v FROM ($points) AS s WHERE id % 8 = $round - 1");
	}
	ok($scans->finish, 'scans of the standby go on while the primary vacuums') or diag($error);
	like($out, qr/actually processed: [1-9]/, '... and there were some');
	unlike($error, qr/ERROR|aborted/, '... without an error');
	$primary->wait_for_catchup($standby);
	is_exact($primary, 'items', "$am: after concurrent scans", $standby);

	# The standby takes over, and goes on where the primary was.
	$primary->stop;
	$standby->promote;
	$standby->safe_psql('postgres', "INSERT INTO items SELECT id + 20000, v FROM ($more) AS s");
	is_exact($standby, 'items', "$am: promoted");
	unlike(slurp_file($standby->logfile), qr/inconsistent page|PANIC/, 'pages of the standby are those of the primary');
	$standby->stop;
	return;
}

sub change
{
	my ($sql, $name) = @_;

	$primary->psql('postgres', $_, on_error_die => 1) foreach split /;/, $sql;
	$primary->wait_for_catchup($standby);
	is_exact($primary, 'items', "$method: $name", $standby) if $name !~ /values of several/;
	return;
}
