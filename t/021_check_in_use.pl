# Indexes in use: ann_check() and ann_index_info() of a primary and of its standby, while sessions insert,
# update, delete and vacuum, never report a change that is half done.  Cancelled, they leave nothing behind.
# The phases of a build, as pg_stat_progress_create_index shows them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Standby;
use Test::More;
use Time::HiRes qw(time usleep);

my $seconds = $ENV{ANN_LONG_TESTS} ? 60 : 8;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmaintenance_work_mem = 62MB\njit = off\n");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION ann');
my $standby = start_standby($primary, 'standby', "max_standby_streaming_delay = -1\nhot_standby_feedback = on\n");

# One value in four is shared by many rows, one index stores its values out of the records, one has many free pages.
$primary->safe_psql(
	'postgres', q(
CREATE FUNCTION value(i int, n int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	'SELECT array_agg((hashint8((CASE WHEN i % 4 = 0 THEN i % 40 ELSE i END)::int8 * 5000 + d) % 1000)::real ORDER BY d)::vector FROM generate_series(1, n) d';
CREATE SEQUENCE ids START 10000;
CREATE TABLE items (id int, v vector(4));
CREATE TABLE large (id int, v vector(2100));
INSERT INTO items SELECT i, value(i, 4) FROM generate_series(1, 2000) i;
INSERT INTO large SELECT i, value(i, 2100) FROM generate_series(1, 50) i;
CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 4, ef_construction = 20);
CREATE INDEX items_l1 ON items USING hnsw (v vec_l1_ops) WITH (m = 4, ef_construction = 20) WHERE id % 2 = 0;
CREATE INDEX items_coded ON items USING hnsw (v) WITH (m = 4, ef_construction = 20, quantization = rabitq);
CREATE INDEX large_v ON large USING hnsw (v) WITH (m = 4, ef_construction = 20, quantization = none);
CREATE INDEX large_coded ON large USING hnsw (v) WITH (m = 4, ef_construction = 20, quantization = rabitq);
CREATE INDEX items_tree ON items USING vptree (v) WITH (bucket_size = 20);
CREATE INDEX items_kd ON items USING vptree (v) WITH (bucket_size = 20, partition = kd);
CREATE INDEX large_tree ON large USING vptree (v) WITH (bucket_size = 10);
CREATE TABLE emptied (id int, v vector(4));
CREATE INDEX emptied_tree ON emptied USING vptree (v) WITH (bucket_size = 4);
INSERT INTO emptied SELECT i, ARRAY[random(), random(), random(), random()]::vector FROM generate_series(1, 40000) i;
DELETE FROM emptied WHERE id > 200;
));
$primary->safe_psql('postgres', 'VACUUM emptied');
my @indexes = qw(items_v items_l1 items_coded large_v large_coded items_tree items_kd large_tree emptied_tree);
my $check = 'SELECT string_agg(format(\'%s: %s %s %s\', index, block, item, problem), \'; \') FROM unnest(ARRAY['
  . join(', ', map { "'$_'::regclass" } @indexes) . ']) AS index, ann_check(index, true)';
my $script = $primary->basedir . '/writes.sql';
append_to_file($script, q(
\set i random(1, 3)
INSERT INTO items SELECT i, value(i, 4) FROM (SELECT nextval('ids')::int AS i FROM generate_series(1, 5)) AS s;
INSERT INTO large SELECT i, value(i, 2100) FROM (SELECT nextval('ids')::int AS i) AS s;
UPDATE items SET v = value(id + :i, 4) WHERE id IN (SELECT id FROM items ORDER BY random() LIMIT 3);
DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY random() LIMIT 5);
DELETE FROM large WHERE id IN (SELECT id FROM large ORDER BY random() LIMIT 1);
));
my $splits_script = $primary->basedir . '/splits.sql';
append_to_file($splits_script, q(
INSERT INTO emptied SELECT 0, ARRAY[random(), random(), random(), random()]::vector FROM generate_series(1, 5);
));
my $vacuum_script = $primary->basedir . '/vacuum.sql';
append_to_file($vacuum_script, "VACUUM items;\nVACUUM large;\nDELETE FROM emptied WHERE id = 0;\nVACUUM emptied;\n\\sleep 100 ms\n");
my @clients;
foreach my $options ([ '-c', 2, '-f', $script ], [ '-c', 2, '-f', $splits_script ], [ '-c', 1, '-f', $vacuum_script ])
{
	my $output = '';

	push @clients, { output => \$output, run => IPC::Run::start([ 'pgbench', '-n', '-T', $seconds, @$options, $primary->connstr('postgres') ], '>', \$output, '2>&1') };
}
my $start = time;
my (@problems, @infos);
my $checks = { primary => 0, standby => 0 };
while (time < $start + $seconds || time < $start + 10 * $seconds && grep { $checks->{$_} < 3 } keys %$checks)
{
	foreach my $node ($primary, $standby)
	{
		my ($status, $out, $error) = $node->psql('postgres', $check);

		$checks->{ $node->name } += $status == 0;
		push @problems, $node->name . ": $out$error" if "$out$error" ne '';
		($status, $out, $error) = $node->psql('postgres', join(';', map { "SELECT count(*) FROM ann_index_info('$_')" } @indexes));
		push @infos, $error if $error ne '';
	}
}
$_->{run}->finish foreach @clients;
unlike(join('', map { ${ $_->{output} } } @clients), qr/ERROR|aborted/, 'no error in a writing session');
is_deeply(\@problems, [], 'nothing is wrong at any moment');
is_deeply(\@infos, [], 'nor with ann_index_info');
cmp_ok($checks->{primary}, '>=', 3, 'the primary was checked');
cmp_ok($checks->{standby}, '>=', 3, 'the standby was checked');
$primary->wait_for_catchup($standby);
my $counts = 'SELECT string_agg(value, \' \') FROM unnest(ARRAY[' . join(', ', map { "'$_'::regclass" } @indexes) . ']) AS index, ann_index_info(index) WHERE property IN (\'rows\', \'vertices\', \'entry_vertex\', \'item_bytes\', \'entries\', \'buckets\', \'bucket_pages\', \'free_pages\')';
is($standby->safe_psql('postgres', $counts), $primary->safe_psql('postgres', $counts), 'the standby counts what the primary counts');
is($standby->safe_psql('postgres', $check), '', 'the standby is sound at rest');
$standby->stop;

# A check that is cancelled while it waits or works: the next statement of the session finds all as it was.
my $blocker = IPC::Run::start([ 'psql', '-X', '-d', $primary->connstr('postgres'), '-c', "BEGIN; LOCK TABLE items; REINDEX INDEX items_v; SELECT pg_sleep(600)" ], '>', \my $blocked, '2>&1');
$primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") or die 'no blocker';
my ($status, $out, $error) = $primary->psql('postgres', "SET statement_timeout = '300ms'; SELECT * FROM ann_check('items_v')");
like($error, qr/canceling statement due to statement timeout/, 'a check that waits for a lock is cancelled');
$primary->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
$blocker->finish;
foreach my $milliseconds (1, 3, 10, 30)
{
	($status, $out, $error) = $primary->psql('postgres', "SET statement_timeout = '$milliseconds ms'; SELECT count(c.*) FROM generate_series(1, 1000) i, LATERAL (SELECT i, ann_check('items_v', true) AS r) AS c", on_error_stop => 0);
	like($error, qr/canceling statement due to statement timeout/, "a check is cancelled after $milliseconds ms");
}
is($primary->safe_psql('postgres', $check), '', 'and the next one has nothing to say');
unlike(slurp_file($primary->logfile), qr/leak|PANIC|TRAP|terminated by signal/, 'nothing leaked');

# Every phase is seen, in order, and counts stay within their totals.
$primary->safe_psql('postgres', 'CREATE TABLE big (id int, v vector(16)); INSERT INTO big SELECT i, value(i * 4 + 1, 16) FROM generate_series(1, 9000) i');
$primary->safe_psql(
	'postgres', q(
CREATE FUNCTION watch_build(OUT seen text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	now record;
	phases text[] := '{}';
	shares text[] := '{}';
BEGIN
	FOR i IN 1 .. 20000 LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT * INTO now FROM pg_stat_progress_create_index;
		EXIT WHEN NOT FOUND AND phases <> '{}';
		IF FOUND AND now.phase <> ALL (phases) THEN
			phases := phases || now.phase;
			RETURN QUERY SELECT now.phase;
		END IF;
		IF FOUND AND (now.tuples_done > now.tuples_total AND now.tuples_total > 0 OR now.blocks_done > now.blocks_total) THEN
			RETURN QUERY SELECT format('%s: %s of %s tuples, %s of %s blocks', now.phase, now.tuples_done, now.tuples_total, now.blocks_done, now.blocks_total);
		END IF;
		PERFORM pg_sleep(0.002);
	END LOOP;
END $$));
my @expected = map { "building index: $_" } ('loading rows', 'dividing rows into parts', 'building graph', 'writing pages');
my %seen;

# A phase may be shorter than the watcher waits for a processor: then it is seen in another build.
for (my $builds = 1; $builds <= 10 && grep { !$seen{$_} } @expected; $builds++)
{
	my @phases = watched_build();
	my %now = map { $_ => 1 } @phases;

	is(join("\n", @phases), join("\n", grep { $now{$_} } @expected), "build $builds: its phases, in order, within their totals");
	%seen = (%seen, %now);
}
is(join("\n", grep { !$seen{$_} } @expected), '', 'every phase is seen');
is($primary->safe_psql('postgres', "SELECT * FROM ann_check('big_v', true)"), '', 'the index is sound');
$primary->stop;
done_testing();

# Builds an index that runs out of memory.  Returns what watch_build() saw of it.
sub watched_build
{
	my ($watched, $log) = ('', '');
	my $watch = IPC::Run::start([ 'psql', '-XAt', '-d', $primary->connstr('postgres'), '-c', 'SELECT * FROM watch_build()' ], '>', \$watched, '2>&1');

	$primary->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^SELECT . FROM watch_build' AND state = 'active'")
	  or die 'no watcher';
	IPC::Run::run(
		[
			'psql', '-X', '-d', $primary->connstr('postgres'), '-c', "SET maintenance_work_mem = '2MB'",
			'-c', 'SET max_parallel_maintenance_workers = 0', '-c', 'DROP INDEX IF EXISTS big_v',
			'-c', 'CREATE INDEX big_v ON big USING hnsw (v) WITH (m = 8, ef_construction = 40)'
		],
		'>', \$log, '2>&1');
	$watch->finish;
	like($log, qr/does not fit into maintenance_work_mem/, 'a build that runs out of memory');
	return grep { !/^initializing|: initializing/ } split /\n/, $watched;
}
