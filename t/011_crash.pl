# The server is killed at random moments of every operation.  Afterwards its indexes are sound, every
# row whose commit was reported is there, and the interrupted operation can be done again.

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

# Crashes in each operation, and the longest it goes on before one
my $crashes = long_tests() ? 30 : 4;
my $longest = 0.7;

# The ways a server crashes: all of it killed, all of it told to quit at once, or one backend killed,
# at which the server restarts by itself
my @ways = qw(kill immediate backend);

crash_method($_) foreach methods();
done_testing();

sub crash_method
{
	my ($method) = @_;
	my $node = new_server("crash_$method", "restart_after_crash = on\nwal_level = replica");
	my $create = create_index($method, 'items');
	(my $create_concurrently = create_index($method, 'items')) =~ s/^INDEX \w+/INDEX CONCURRENTLY second/;
	my $values = values_sql(1, 1500);
	my $next = 10_000;

	$node->safe_psql(
		'postgres', qq(
CREATE TABLE items (id int, v vector);
INSERT INTO items $values;
CREATE $create;
CREATE TABLE fresh (id int, v vector);
) . 'CREATE ' . create_index($method, 'fresh'));

	my %operations = (
		insert => sub { map { insert_script($_, $next += 1000) } 1, 2 },
		build => sub { "REINDEX INDEX items_v;\n" x 20 },
		'concurrent build' => sub { "CREATE $create_concurrently;\nDROP INDEX second;\n" x 20 },
		'concurrent rebuild' => sub { "REINDEX INDEX CONCURRENTLY items_v;\n" x 20 },
		'build past maintenance_work_mem' => sub { "SET maintenance_work_mem = '1MB';\n" . "REINDEX INDEX items_v;\n" x 20 },
		vacuum => sub {
			(insert_script(1, $next += 1000), join '', map { "DELETE FROM items WHERE id <= 1500 AND id % 30 = $_;\nVACUUM items;\n"
				  . "INSERT INTO items SELECT * FROM ($values) AS s WHERE id % 30 = $_;\n" } 1 .. 29);
		},);

	my $seed = 1;
	foreach my $operation (sort keys %operations)
	{
		my $n = 0;

		foreach my $moment (moments($seed++, $crashes, 0.02, $longest))
		{
			my $way = $ways[ ($n + $seed) % @ways ];
			my $name = "$method: $operation, crash " . ++$n . " ($way after " . sprintf('%.2f', $moment) . " s)";
			my @sessions = map { [ background_sql($node, $_) ] } $operations{$operation}->();

			sleep $moment;
			crash_how($node, $way);
			$_->[0]->finish foreach @sessions;
			# vacuum's session may have been between its delete and its insert
			$node->safe_psql('postgres', "INSERT INTO items SELECT * FROM ($values) AS s WHERE id NOT IN (SELECT id FROM items)");
			is(lost_rows($node, map { ${ $_->[1] } } @sessions), '0', "$name: no committed row is lost");
			drop_invalid($node);
			is_sound($node, "$name: indexes are sound");
			is(lost_room($node), '', "$name: vacuum gives back what was lost") if IndexCheck::method($method)->{am} eq 'vptree';
			next if $n < $crashes;
			$next += 1000;
			$node->safe_psql('postgres', $_) foreach ('VACUUM items', 'REINDEX INDEX items_v', 'INSERT INTO items ' . values_sql($next, $next + 50));
			is_sound($node, "$method: $operation: sound after vacuum, build and inserts");
		}
	}
	is_clean_log($node, "$method: nothing wrong in the log",
		qr/terminated by signal 9|terminating connection because of crash|because of unexpected postmaster exit|relation "second" already exists/);
	$node->stop;
	return;
}

# Inserts of a session, that tell each committed id
sub insert_script
{
	my ($session, $from) = @_;
	my $low = $from + 500 * ($session - 1);

	return join '', map {
		my $id = $low + $_;
		my $table = $id % 3 ? 'items' : 'fresh';

		"INSERT INTO $table " . values_sql($id, $id) . " RETURNING '$table', id;\n"
	} 1 .. 499;
}

sub crash_how
{
	my ($node, $way) = @_;

	return kill_server($node) if $way eq 'kill';
	return crash($node) if $way eq 'immediate';
	my $pid = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid LIMIT 1");

	my $starts = starts($node);

	# the operation may have come to its end already, or do so now: then a crash of another kind
	return crash($node) if $pid eq '' || !kill('KILL', $pid) || !crashed_by($node, $pid);
	my $patience = 9000;

	sleep 0.02 while starts($node) == $starts && $patience-- > 0;
	die 'the server did not restart' if $patience <= 0;
	return;
}

# Has a server noticed that a backend was killed, or is the backend gone without that?
sub crashed_by
{
	my ($node, $pid) = @_;
	my $patience = 3000;
	my $gone = 0;

	while ($gone < 50 && $patience-- > 0)
	{
		return 1 if slurp_file($node->logfile) =~ /process \(PID $pid\) was terminated by signal 9/;
		$gone++ if IndexCheck::parent($pid) == 0;
		sleep 0.02;
	}
	return 0;
}

# How often a server has said that it is ready
sub starts
{
	my ($node) = @_;

	return scalar(() = slurp_file($node->logfile) =~ /database system is ready to accept connections/g);
}

# How many of the rows that sessions reported are not in their tables
sub lost_rows
{
	my ($node, @outputs) = @_;
	my @rows = map { /^(items|fresh)\|(\d+)$/ ? "('$1', $2)" : () } map { split /\n/ } @outputs;

	return '0' if @rows == 0;
	my $rows = join ', ', @rows;
	return $node->safe_psql(
		'postgres', qq(
SELECT count(*) FROM (VALUES $rows) AS reported (name, id)
WHERE id NOT IN (SELECT id FROM items UNION ALL SELECT id FROM fresh)));
}

# What ann_check() has to say after a vacuum that removes a row
sub lost_room
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres', q(
INSERT INTO items SELECT -1, v FROM items LIMIT 1;
INSERT INTO fresh SELECT -1, v FROM items LIMIT 1;
DELETE FROM items WHERE id = -1;
DELETE FROM fresh WHERE id = -1;
));
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP ON) items, fresh');
	return $node->safe_psql('postgres', q(SELECT i, c.* FROM unnest(ARRAY['items_v', 'fresh_v']::regclass[]) AS i, ann_check(i, true, true) AS c));
}

# An interrupted CONCURRENTLY leaves an invalid index behind, as for any access method.
sub drop_invalid
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres', q(
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index WHERE NOT indisvalid OR indexrelid::regclass::text = 'second' \gexec
));
	return;
}
