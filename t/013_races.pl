# Sessions insert, update, delete and search while the index is vacuumed and rebuilt in every way: no
# deadlock, no error, every answer right in its own snapshot; and a sound index at the end.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IndexCheck;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = long_tests() ? 120 : 12;
my $clients = long_tests() ? 8 : 4;

# What goes on beside the clients, in turn
my @maintenance = (
	'VACUUM items', 'VACUUM other',
	'REINDEX INDEX CONCURRENTLY items_v', 'VACUUM (INDEX_CLEANUP ON, TRUNCATE) items',
	'REINDEX INDEX other_v', 'VACUUM items',
	'REINDEX TABLE CONCURRENTLY other', 'VACUUM (FREEZE) other',
	'REINDEX INDEX items_v', 'DROP INDEX CONCURRENTLY IF EXISTS items_second',
	'CREATE INDEX CONCURRENTLY items_second ON items USING METHOD', 'VACUUM ANALYZE items',
	'VACUUM FULL other',);

races($_) foreach methods();
done_testing();

sub races
{
	my ($method) = @_;
	my $node = new_server("races_$method", "deadlock_timeout = 100ms\nlog_lock_waits = off\nmax_connections = 30\n");
	my $values = values_sql(1, 2000);
	my $few = values_sql(1, 300);

	# table "other" shrinks to nothing and grows again
	$node->safe_psql('postgres', 'CREATE SEQUENCE ids START 100000; CREATE TABLE items (id int PRIMARY KEY, v vector) WITH (fillfactor = 80); '
		  . "INSERT INTO items $values; CREATE TABLE other (id int, v vector); INSERT INTO other $few; CREATE "
		  . create_index($method, 'items') . '; CREATE ' . create_index($method, 'other')
		  . '; CREATE TABLE queries AS SELECT id, test_value(id * 7 + 100000) AS v FROM generate_series(1, 50) AS id;' . complain_sql());
	my ($rounds, $out, $error) = run_clients($node, $method);

	is(join("\n", grep { /ERROR|aborted|FATAL/ } split /\n/, $error), '', "$method: no error in any of $clients clients");
	my ($transactions) = $out =~ /actually processed: (\d+)/;
	cmp_ok($transactions // 0, '>', 5 * $seconds, "$method: ... that did something");
	cmp_ok($rounds, '>=', scalar(@maintenance), "$method: ... while every kind of maintenance was done");
	my ($asked, $hits) = split /\|/, $node->safe_psql('postgres', "SELECT asked.last_value, hits.last_value FROM asked, hits");
	cmp_ok($hits / $asked, '>=', IndexCheck::method($method)->{floor}, "$method: recall of the clients' searches");
	note("$transactions transactions, $rounds maintenance commands, recall " . $hits / $asked);
	is_clean_log($node, "$method: nothing wrong in the log");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'), '0', "$method: no invalid index");
	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS items_second');
	is_sound($node, "$method: sound after the clients");
	$node->safe_psql('postgres', 'VACUUM');
	is_sound($node, "$method: sound after a last vacuum");
	$node->safe_psql('postgres', 'DELETE FROM other');
	$node->safe_psql('postgres', 'VACUUM other');
	$node->safe_psql('postgres', 'INSERT INTO other ' . values_sql(1, 200));
	is_sound($node, "$method: sound after all rows went and others came");
	$node->stop;
	return;
}

# complain() fails when an answer is wrong, and counts the asked and the right rows in sequences.
sub complain_sql
{
	return q(
CREATE SEQUENCE asked;
CREATE SEQUENCE hits;
CREATE FUNCTION complain(rows int8, asked int8, hits int8, disorder int8, twice int8) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF rows <> asked OR disorder > 0 OR twice > 0 THEN
		RAISE EXCEPTION 'wrong answer: % rows, asked for %, right %, out of order %, twice %', rows, asked, hits, disorder, twice;
	END IF;
	PERFORM nextval('asked') FROM generate_series(1, asked);
	PERFORM nextval('hits') FROM generate_series(1, hits);
END $$;
);
}

# Writes come first in a transaction: a session that has searched before holds a lock on the index that
# REINDEX waits for, and would wait for REINDEX with its write.
sub scripts
{
	my ($method) = @_;
	my $complain = sub {
		my ($table) = @_;

		return "\\set q random(1, 50)\n" . 'SELECT complain(s.rows, s.asked, s.hits, s.disorder, s.twice) FROM ('
		  . invariant_sql($method, $table, '(SELECT v FROM queries WHERE id = :q)') . ") AS s;\n";
	};

	return (
		insert => [ 3, "INSERT INTO items SELECT id, test_value(id) FROM (SELECT nextval('ids') AS id FROM generate_series(1, 3)) AS s;\n"
			  . "INSERT INTO other SELECT id, test_value(id) FROM (SELECT nextval('ids') AS id) AS s;\n" ],
		update => [ 2, "\\set id random(1, 2000)\nUPDATE items SET v = test_value(:id + 5000) WHERE id = :id;\n" ],
		unchanged => [ 1, "\\set id random(1, 2000)\nUPDATE items SET v = v WHERE id = :id;\n" ],
		delete => [ 2, "DELETE FROM items WHERE id IN (SELECT id FROM items WHERE id > 2000 ORDER BY id LIMIT 4 FOR UPDATE SKIP LOCKED);\n"
			  . "DELETE FROM other WHERE ctid IN (SELECT ctid FROM other LIMIT 2 FOR UPDATE SKIP LOCKED);\n" ],
		'delete-all' => [ 1, "DELETE FROM other WHERE ctid IN (SELECT ctid FROM other FOR UPDATE SKIP LOCKED);\n" ],
		block => [ 1, "BEGIN;\nINSERT INTO items SELECT id, test_value(id) FROM (SELECT nextval('ids') AS id) AS s;\n" . $complain->('items')
			  . "SAVEPOINT s;\nINSERT INTO items SELECT id, test_value(id) FROM (SELECT nextval('ids') AS id) AS s;\nROLLBACK TO s;\nEND;\n" ],
		undo => [ 1, "BEGIN;\nINSERT INTO other SELECT id, test_value(id) FROM (SELECT nextval('ids') AS id FROM generate_series(1, 5)) AS s;\nROLLBACK;\n" ],
		search => [ 5, $complain->('items') ],
		'search-other' => [ 3, $complain->('other') ],);
}

sub run_clients
{
	my ($node, $method) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my %scripts = scripts($method);
	my ($definition) = create_index($method, 'items') =~ /USING (.*)/;
	my ($out, $error) = ('', '');
	my @files;

	foreach my $name (sort keys %scripts)
	{
		append_to_file("$folder/$name.sql", $scripts{$name}[1]);
		push @files, '-f', "$folder/$name.sql\@$scripts{$name}[0]";
	}
	my $options = join ' ', map { "-c $_=off" } qw(enable_seqscan enable_sort);
	my $settings = IndexCheck::method($method)->{settings};
	local $ENV{PGOPTIONS} = join ' ', $options, map { "-c $_=$settings->{$_}" } sort keys %$settings;
	my $load = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $clients, '-j', 2, '-T', $seconds, '--random-seed=7', @files, $node->connstr('postgres') ],
		'<', \'', '>', \$out, '2>', \$error);
	delete $ENV{PGOPTIONS};
	my $end = time + $seconds - 0.5;
	my $rounds = 0;

	while (time < $end || $rounds < @maintenance)
	{
		my $command = $maintenance[ $rounds++ % @maintenance ] =~ s/METHOD.*/$definition/r;

		$node->safe_psql('postgres', $command);
	}
	$load->finish;
	return ($rounds, $out, $error);
}
