# Any operation can be cancelled, or its backend terminated, at any moment: it says so and nothing else,
# leaves no locks, pins, memory or pages, and the index is sound.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IndexCheck;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# Interrupted statements of each operation and kind
my $interrupts = long_tests() ? 60 : 4;

# Interrupted statements of one session, whose memory must not grow by more than $growth bytes
my $repeats = long_tests() ? 2000 : 150;
my $growth = 256 * 1024;

# What an index may grow to, of its size rebuilt, after inserts that were interrupted and vacuum; a tree over
# a function of SQL splits each bucket for itself
my $largest = 1.6;
my %larger = (vptree_function => 2.5);

my $rows = 2500;

interrupts($_) foreach method_examples();
done_testing();

sub interrupts
{
	my ($method) = @_;
	my $node = new_server("interrupts_$method", 'deadlock_timeout = 200ms');
	my $values = values_sql(1, $rows);
	my $create = create_index($method, 'items');
	my $next = 100_000;

	$node->safe_psql('postgres', "CREATE TABLE items (id int, v vector); INSERT INTO items $values; CREATE $create;"
		  . 'CREATE TABLE source AS ' . values_sql(1, 300));
	my $files = relation_files($node);
	my $scan = IndexCheck::settings_sql($method, '') . 'SET enable_seqscan = off; SET enable_sort = off; ';
	my %operations = (
		insert => sub { $next += 1000; 'INSERT INTO items ' . values_sql($next, $next + 999) },
		'insert one by one' => sub { $next += 1000; "DO \$\$ BEGIN FOR i IN $next .. $next + 999 LOOP INSERT INTO items VALUES (i, test_value(i)); COMMIT; END LOOP; END \$\$" },
		build => sub { 'REINDEX INDEX items_v' },
		'build past maintenance_work_mem' => sub { "SET maintenance_work_mem = '1MB'; REINDEX INDEX items_v" },
		'concurrent build' => sub { 'CREATE ' . $create =~ s/INDEX items_v/INDEX CONCURRENTLY items_second/r },
		scan => sub { $scan . "SELECT count(id) FROM (SELECT items.id FROM source, LATERAL (SELECT * FROM items ORDER BY items.v <-> source.v) AS items) AS s" },
		vacuum => sub {
			$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 10 = ' . ($next++ % 10));
			"SET vacuum_cost_delay = '1ms'; SET vacuum_cost_limit = 30; VACUUM items";
		},
		'vacuum full' => sub { 'VACUUM FULL items' },);

	my $seed = 100;
	my $in_time = 0;
	foreach my $operation (sort keys %operations)
	{
		my $statement = $operations{$operation};
		my $longest = duration($node, $statement->());

		clean_up($node, $values);
		foreach my $function (qw(pg_cancel_backend pg_terminate_backend))
		{
			my @said;

			foreach my $moment (moments($seed++, $interrupts, 0, $longest < 2 ? $longest : 2))
			{
				push @said, interrupted($node, $statement->(), $function, $moment);
				$node->safe_psql('postgres', 'DROP INDEX IF EXISTS items_second');
			}
			my $expected = $function eq 'pg_cancel_backend' ? qr/canceling statement due to user request/ : qr/terminating connection due to administrator command/;
			is(join('', grep { $_ ne '' && $_ !~ $expected } @said), '', "$method: $operation, $function: says nothing else");
			$in_time += grep { $_ ne '' } @said;
			note("$operation, $function: " . scalar(grep { $_ ne '' } @said) . " of $interrupts in time");
			is_sound($node, "$method: $operation, $function: index is sound");
			is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE relation::regclass::text LIKE 'items%' AND pid <> pg_backend_pid()"),
				'0', "$method: $operation, $function: no lock is left");
		}
		clean_up($node, $values);
	}
	is(relation_files($node), $files, "$method: no file is left");
	cmp_ok($in_time, '>', 0, "$method: statements were interrupted before their end");
	grown($node, $method, $next);
	memory($node, $method, $scan);
	is_clean_log($node, "$method: nothing wrong in the log",
		qr/ERROR:  (canceling statement due to (user request|statement timeout)|current transaction is aborted)|FATAL:  terminating connection due to administrator command/);
	$node->stop;
	return;
}

# How long a statement takes when nobody disturbs it, in seconds
sub duration
{
	my ($node, $statement) = @_;
	my $start = Time::HiRes::time;

	$node->psql('postgres', '');
	my $connected = Time::HiRes::time;
	$node->psql('postgres', $statement);
	return Time::HiRes::time - $connected - ($connected - $start);
}

# Interrupts a statement some time after it began.  Returns what it said, '' if it was faster.
sub interrupted
{
	my ($node, $statement, $function, $moment) = @_;
	my ($session, $out, $error) = background_sql($node, "SET application_name = 'victim'; SET client_min_messages = error;\n$statement;\n");

	$node->safe_psql(
		'postgres', qq(
DO \$\$
BEGIN
	FOR i IN 1 .. 2000 LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'victim' AND state = 'active');
		PERFORM pg_sleep(0.001);
	END LOOP;
	PERFORM pg_sleep($moment);
	PERFORM pg_stat_clear_snapshot();
	PERFORM $function(pid) FROM pg_stat_activity WHERE application_name = 'victim' AND state = 'active';
END \$\$));
	$session->finish;

	# psql has read the error before the backend has given up its transaction, and with it its locks
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'victim'")
	  or die 'an interrupted backend does not end';
	my ($first) = $$error =~ /((?:ERROR|FATAL|WARNING|PANIC).*\n)/;
	return $first // $$error;
}

# The table as it was
sub clean_up
{
	my ($node, $values) = @_;

	$node->safe_psql('postgres', "DROP INDEX IF EXISTS items_second; DELETE FROM items WHERE id > $rows; "
		  . "INSERT INTO items SELECT * FROM ($values) AS s WHERE id NOT IN (SELECT id FROM items)");
	$node->safe_psql('postgres', 'VACUUM items') foreach 1 .. 2;
	return;
}

# Pages of interrupted inserts come back with vacuum
sub grown
{
	my ($node, $method, $next) = @_;

	$node->safe_psql('postgres', 'REINDEX INDEX items_v');
	my $fresh = $node->safe_psql('postgres', "SELECT pg_relation_size('items_v')");

	foreach my $n (1 .. 10)
	{
		# one that comes to its end is rolled back
		interrupted($node, "BEGIN;\nINSERT INTO items " . values_sql($next, $next + 499) . ";\nROLLBACK", 'pg_cancel_backend', 0.05);
		$node->safe_psql('postgres', $_) foreach 'VACUUM items', 'SELECT txid_current()', 'VACUUM items';
		$next += 1000;
	}
	my $size = $node->safe_psql('postgres', "SELECT pg_relation_size('items_v')");
	note("index of $fresh bytes grew to $size");
	cmp_ok($size, '<=', ($larger{$method} // $largest) * $fresh, "$method: an index does not grow by interrupted inserts")
	  if recycles($node, $method);
	is_sound($node, "$method: sound after interrupted inserts");
	return;
}

# Does vacuum make room for new rows at all?  A method may leave that to REINDEX.
sub recycles
{
	my ($node, $method) = @_;
	my $size = "SELECT pg_relation_size('recycled_v')";

	$node->safe_psql('postgres', 'CREATE TABLE recycled (id int, v vector); INSERT INTO recycled ' . values_sql(1, 500)
		  . '; CREATE ' . create_index($method, 'recycled'));
	my $before = $node->safe_psql('postgres', $size);
	$node->safe_psql('postgres', 'DELETE FROM recycled');
	$node->safe_psql('postgres', $_) foreach 'VACUUM recycled', 'SELECT txid_current()', 'VACUUM recycled';
	$node->safe_psql('postgres', 'INSERT INTO recycled ' . values_sql(1001, 1500));
	my $after = $node->safe_psql('postgres', $size);
	$node->safe_psql('postgres', 'DROP TABLE recycled');
	note($after < 1.5 * $before ? 'vacuum recycles' : 'vacuum does not recycle: growth is not checked');
	return $after < 1.5 * $before;
}

# One session goes on after many interrupted statements, and its memory does not grow.
sub memory
{
	my ($node, $method, $scan) = @_;
	my $used = 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts';

	return if $node->pg_version < 14;
	foreach my $statement (
		'SELECT count(*) FROM (SELECT items.id FROM source, LATERAL (SELECT * FROM items ORDER BY items.v <-> source.v) AS items) AS s',
		'INSERT INTO items SELECT id + 500000, v + v FROM source', 'REINDEX INDEX items_v')
	{
		# the time limit ends with the transaction, so that nothing but it can be cancelled; if that is COMMIT,
		# the next transaction has to end this one
		my $repeated = sub { "BEGIN;\nSET LOCAL statement_timeout = '4ms';\n$statement;\nCOMMIT;\n" x $_[0] };
		my ($session, $out, $error) = background_sql($node, "$scan\n" . $repeated->(20) . "$used;\n" . $repeated->($repeats) . "$used;\n", on_error_stop => 0);

		$session->finish;
		my @bytes = grep { $_ > 100_000 } $$out =~ /^(\d+)$/mg;
		my $cancelled = () = $$error =~ /canceling statement/g;

		cmp_ok($cancelled, '>', 0, "$method: $statement: interrupted $cancelled times in one session");
		cmp_ok($bytes[-1] - $bytes[0], '<', $growth, "$method: ... whose memory does not grow");
		is(join("\n", grep { !/canceling statement|current transaction is aborted/ } split /\n/, $$error), '', "$method: ... and that says nothing else");
		is_sound($node, "$method: ... and leaves a sound index");
	}
	return;
}
