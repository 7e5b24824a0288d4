# After a crash of the server, right after a build and in the middle of writes, an index answers
# like an exact scan; an unlogged one is empty.  The same without WAL of new relations.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use ExactScan;
use IndexCheck qw(access_methods);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $crashes = 3;
# Seconds of writes before each crash
my $writing = 2;

my $node;

crashes_of($_) foreach access_methods();
done_testing();

# An access method in a server of its own, and in two with little WAL
sub crashes_of
{
	my ($am) = @_;

	$node = new_node("crash_$am", 'wal_level = replica');
	make_queries($node, 20);
	my $points = points_sql(1, 4000);
	$node->safe_psql(
		'postgres', qq(
	CREATE TABLE items (id int, v vector(8));
	INSERT INTO items $points;
	CREATE INDEX items_v ON items USING $am (v);
	CREATE UNLOGGED TABLE passing AS SELECT * FROM items;
	CREATE INDEX passing_v ON passing USING $am (v);
	CREATE TABLE empty (id int, v vector);
	CREATE INDEX empty_v ON empty USING $am (v);
	CREATE TABLE small_memory AS SELECT * FROM items;
	SET maintenance_work_mem = '1MB';
	CREATE INDEX small_memory_v ON small_memory USING $am (v);
	));
	crash($node);
	is_exact($node, 'items', "$am: a crash right after the build");
	is_exact($node, 'small_memory', "$am: a crash right after a build past maintenance_work_mem");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM passing'), '0', "$am: an unlogged table is empty after a crash");
	$node->safe_psql('postgres', 'INSERT INTO passing SELECT * FROM items WHERE id <= 500');
	is_exact($node, 'passing', "$am: an unlogged index filled again");
	$node->safe_psql('postgres', 'INSERT INTO empty SELECT * FROM items WHERE id <= 500');
	is_exact($node, 'empty', "$am: an index that was empty at the crash");

	foreach my $round (1 .. $crashes)
	{
		my $from = 10_000 * $round;
		my @writers = map { start_writer($from + $_ * 3000) } 0, 1;

		$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM items WHERE id >= $from") or die 'nothing is written';
		sleep $writing;
		$node->safe_psql('postgres', 'CHECKPOINT') if $round == 2;
		crash($node);
		$_->finish foreach @writers;
		cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM items WHERE id >= $from"), '>', 0, "$am: crash $round while writing: some rows are there");
		is_exact($node, 'items', "$am: crash $round while writing");
		$node->safe_psql('postgres', "DELETE FROM items WHERE id % 7 = $round; VACUUM items");
		is_exact($node, 'items', "$am: crash $round, then deleted and vacuumed");
	}
	$node->stop;

	# WAL of relations made in a transaction is left out: their files are synced at commit, or logged
	# as a whole when they are smaller than wal_skip_threshold
	foreach my $threshold ('0', '1GB')
	{
		my $minimal = new_node("minimal_${am}_$threshold", "wal_level = minimal\nmax_wal_senders = 0\nwal_skip_threshold = $threshold");
		my $name = "$am, wal_level = minimal, wal_skip_threshold = $threshold";
		my $more = points_sql(4001, 4500);

		make_queries($minimal, 20);
		$minimal->safe_psql(
			'postgres', qq(
	BEGIN;
	CREATE TABLE items (id int, v vector(8));
	INSERT INTO items $points;
	CREATE INDEX items_v ON items USING $am (v);
	INSERT INTO items $more;
	COMMIT;
	CREATE TABLE later AS $points;
	CREATE INDEX later_v ON later USING $am (v);
	));
		crash($minimal);
		is_exact($minimal, 'items', "$name: index and table of one transaction");
		is_exact($minimal, 'later', "$name: index of an older table");
		$minimal->safe_psql('postgres', "INSERT INTO later $more; BEGIN; TRUNCATE items; INSERT INTO items $points; COMMIT");
		crash($minimal);
		is_exact($minimal, 'items', "$name: truncated and filled");
		is_exact($minimal, 'later', "$name: inserts");
		$minimal->stop;
	}
	return;
}

sub new_node
{
	my ($name, $settings) = @_;
	my $new = PostgreSQL::Test::Cluster->new($name);

	$new->init;
	$new->append_conf('postgresql.conf', "autovacuum = off\nhnsw.pending_list_limit = 64\nmaintenance_work_mem = 64MB\njit = off\nrestart_after_crash = off\n$settings\n");
	$new->start;
	$new->safe_psql('postgres', 'CREATE EXTENSION ann');
	return $new;
}

sub crash
{
	my ($crashed) = @_;

	$crashed->stop('immediate');
	$crashed->start;
	return;
}

# A session that inserts, updates and deletes rows in small transactions until the server is gone.
sub start_writer
{
	my ($from) = @_;
	my $sql = join '', map {
		my ($first, $last) = ($from + $_ * 10, $from + $_ * 10 + 9);
		"INSERT INTO items " . points_sql($first, $last) . ";\n"
		  . "UPDATE items SET v = v + '[1,0,0,0,0,0,0,1]' WHERE id = $first;\nDELETE FROM items WHERE id = $last;\n"
	} 0 .. 299;

	my $script = PostgreSQL::Test::Utils::tempdir() . '/writes.sql';

	append_to_file($script, $sql);
	return IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-f', $script ], '>', '/dev/null', '2>', '/dev/null');
}
