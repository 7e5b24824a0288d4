# A hot standby answers without an error while its primary inserts, updates, deletes and vacuums.
# Replay waits for queries of the standby when the table makes it (max_standby_streaming_delay = -1,
# no hot_standby_feedback), so that an error could only be the index's.  Then the standby takes over;
# and a backup is brought to a restore point in the middle of the writes.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IndexCheck;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Standby;
use Test::More;
use Time::HiRes qw(time);

my $seconds = long_tests() ? 60 : 10;
my $clients = long_tests() ? 4 : 2;
my $rows = 3000;

# The round of changes after which a backup is to stop
my $restored_round = 2;

# Searches in one session of a client
my $searches = 100;

standby_method($_) foreach method_examples();
done_testing();

sub standby_method
{
	my ($method) = @_;
	my $primary = new_server("primary_$method", "max_wal_size = 2GB\n", allows_streaming => 1, has_archiving => 1);
	my $values = values_sql(1, $rows);

	$primary->safe_psql('postgres', 'CREATE TABLE items (id int, v vector); '
		  . "INSERT INTO items $values; CREATE " . create_index($method, 'items')
		  . '; CREATE TABLE queries AS SELECT id, test_value(id * 7 + 100000) AS v FROM generate_series(1, 50) AS id;' . browse_sql($method));
	my $standby = start_standby($primary, "standby_$method", "max_standby_streaming_delay = -1\nhot_standby_feedback = off\narchive_mode = off\n");

	my $changes = under_load($primary, $standby, $method);
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	is_sound($primary, "$method: primary is sound after $changes rounds of changes");
	is_sound($standby, "$method: standby is sound");
	to_restore_point($primary, $method);
	promote_standby($primary, $standby, $method);
	return;
}

# browse(query): a cursor that stays open while replay goes on: rows out of order or returned twice
sub browse_sql
{
	my ($method) = @_;

	return q(
CREATE FUNCTION browse(query int, fetched int, OUT bad int) LANGUAGE plpgsql AS $$
DECLARE
	item record;
	c refcursor;
	ids int[] := '{}';
	last float8 := '-infinity';
BEGIN
	OPEN c FOR EXECUTE format('SELECT id, v OPER %1$L::vector AS distance FROM items ORDER BY v OPER %1$L::vector LIMIT %2$s',
		(SELECT v FROM queries WHERE id = query), fetched);
	bad := 0;
	LOOP
		FETCH c INTO item;
		EXIT WHEN NOT FOUND;
		bad := bad + (item.distance < last)::int + (item.id = ANY (ids))::int;
		last := item.distance;
		ids := ids || item.id;
		IF array_length(ids, 1) % 40 = 5 THEN
			PERFORM pg_sleep(0.02);
		END IF;
	END LOOP;
	bad := bad + (fetched - array_length(ids, 1));
	CLOSE c;
END $$;
) =~ s/OPER/IndexCheck::method($method)->{operator}/ger;
}

sub under_load
{
	my ($primary, $standby, $method) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $settings = IndexCheck::settings_sql($method, '') . "SET enable_seqscan = off; SET enable_sort = off;\n";
	my @loops;

	like($standby->safe_psql('postgres', $settings . 'EXPLAIN ' . invariant_sql($method, 'items', '(SELECT v FROM queries WHERE id = 1)')),
		qr/Index Scan using items_v/, "$method: searches use the index");
	# gone with its folder should this program die
	append_to_file("$folder/go_on", '');
	foreach my $client (1 .. $clients)
	{
		my $sql = $settings . join '', map {
			my $query = ($client * 17 + $_) % 50 + 1;

			invariant_sql($method, 'items', "(SELECT v FROM queries WHERE id = $query)") . ";\n"
			  . ($_ % 10 == 0 ? "SELECT 'browse', browse($query, 200);\n" : '')
		} 1 .. $searches;

		append_to_file("$folder/client$client.sql", $sql);
		push @loops, IPC::Run::start(
			[ 'sh', '-c', "while [ -e '$folder/go_on' ]; do psql -X -q -A -t -d '" . $standby->connstr('postgres') . "' -f '$folder/client$client.sql'; done" ],
			'<', \'', '>', "$folder/out$client", '2>', "$folder/error$client");
	}

	my $changes = change_until($primary, time + $seconds);
	unlink "$folder/go_on" or die $!;
	$_->finish foreach @loops;

	my @lines = map { split /\n/, slurp_file("$folder/out$_") } 1 .. $clients;
	my @answers = map { [ split /\|/ ] } grep { /^\d/ } @lines;
	my ($hits, $asked) = (0, 0);

	$hits += $_->[2], $asked += $_->[1] foreach @answers;
	is(join('', map { slurp_file("$folder/error$_") } 1 .. $clients), '', "$method: no error on the standby in $seconds s with $clients clients");
	cmp_ok(scalar(@answers), '>=', $clients * $searches, "$method: ... and enough answers");
	is(scalar(grep { $_->[0] != 10 || $_->[1] != 10 || $_->[3] != 0 || $_->[4] != 0 } @answers),
		0, "$method: every answer has ten rows, in order, none twice");
	is(scalar(grep { /^browse/ && $_ ne 'browse|0' } @lines), 0, "$method: every cursor returns its rows in order, none twice");
	cmp_ok($hits / ($asked || 1), '>=', IndexCheck::method($method)->{floor}, "$method: recall of the answers");
	note(scalar(@answers) . " answers, recall " . $hits / ($asked || 1) . ", $changes rounds of changes");
	return $changes;
}

# Rounds of changes: a tenth of the rows goes, as many come.  At least as many as to_restore_point() needs.
sub change_until
{
	my ($primary, $end) = @_;
	my $next = 100_000;
	my $round = 0;

	while (time < $end || $round <= $restored_round + 1)
	{
		my $part = $round % 10;
		my $values = values_sql($next, $next + $rows / 10 - 1);

		$primary->safe_psql('postgres', "DELETE FROM items WHERE id % 10 = $part");
		$primary->safe_psql('postgres', 'VACUUM items') if $round % 2;
		$primary->safe_psql('postgres', "UPDATE items SET v = test_value(id + $next) WHERE id % 50 = $part + 1");
		$primary->safe_psql('postgres', "INSERT INTO items $values");
		$primary->safe_psql('postgres', 'VACUUM items');
		$primary->safe_psql('postgres', "SELECT pg_create_restore_point('round $round')");
		$next += $rows / 10;
		$round++;
	}
	return $round;
}

# A backup of the time before the changes, brought to the middle of them by archived WAL
sub to_restore_point
{
	my ($primary, $method) = @_;
	my $restored = PostgreSQL::Test::Cluster->new("restored_$method");

	$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
	$primary->poll_query_until('postgres',
		"SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) FROM pg_stat_archiver") or die 'WAL is not archived';
	$restored->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
	$restored->append_conf('postgresql.conf', "recovery_target_name = 'round $restored_round'\nrecovery_target_action = 'promote'\narchive_mode = off\n");
	$restored->start;
	$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
	is($restored->safe_psql('postgres', 'SELECT max(id) FROM items'),
		100_000 + ($restored_round + 1) * $rows / 10 - 1, "$method: a backup is brought to a restore point");
	is_sound($restored, "$method: ... and sound");
	go_on($restored);
	is_sound($restored, "$method: ... and goes on from there");
	is_clean_log($restored, "$method: ... nothing wrong in its log");
	$restored->stop;
	return;
}

sub promote_standby
{
	my ($primary, $standby, $method) = @_;

	is_clean_log($primary, "$method: nothing wrong in the primary's log");
	$primary->stop;
	$standby->promote;
	is_sound($standby, "$method: promoted standby is sound");
	go_on($standby);
	is_sound($standby, "$method: ... and goes on");
	is_clean_log($standby, "$method: nothing wrong in the standby's log");
	$standby->stop;
	return;
}

# Writes and a vacuum
sub go_on
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'INSERT INTO items ' . values_sql(900_001, 900_300));
	$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 4 = 1');
	$node->safe_psql('postgres', 'VACUUM items');
	$node->safe_psql('postgres', 'INSERT INTO items ' . values_sql(900_301, 900_500));
	return;
}
