# CREATE INDEX can be cancelled at any moment: it ends soon, leaves nothing behind, and the next
# one works.  Progress is shown, and so is a build that outgrows maintenance_work_mem.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# A build that takes several seconds on any machine of today
my $rows = 30_000;
my $dimensions = 64;
my $create = 'CREATE INDEX items_v ON items USING hnsw (v) WITH (m = 32, ef_construction = 400)';

# A cancelled build must end within this time; the promise is a second, the rest is for a
# machine that has other things to do.
my $patience = 6;

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
$node->append_conf('postgresql.conf', qq(
fsync = off
autovacuum = off
maintenance_work_mem = 256MB
jit = off
));
$node->start;
$node->safe_psql(
	'postgres', qq(
CREATE EXTENSION ann;
CREATE TABLE items AS
	SELECT i AS id, array_agg((hashint8extended(i * 1000 + d, 7) % 1000) / 1000.0 ORDER BY d)::vector($dimensions) AS v
	FROM generate_series(1, $rows) AS i, generate_series(1, $dimensions) AS d GROUP BY i;
ANALYZE items;
));
my $files = relation_files();

foreach my $milliseconds (1, 50, 300, 1000, 2500)
{
	my $start = time;
	my ($status, $out, $error) = $node->psql('postgres', "SET statement_timeout = $milliseconds; $create");

	like($error, qr/canceling statement due to statement timeout/, "cancelled after $milliseconds ms");
	cmp_ok(time - $start, '<', $milliseconds / 1000 + $patience, '... and soon');
	nothing_left("after $milliseconds ms");
}

# at moments of a build that only the progress view knows
cancel_in_phase('building graph', $create);
my $in_parts = "SET maintenance_work_mem = '2MB'; $create";
cancel_in_phase('dividing rows into parts', $in_parts);
cancel_in_phase('building graph', $in_parts);
cancel_in_phase('writing pages', $in_parts);
cancel_in_phase('writing codes', $in_parts);
terminate_in_phase('building graph', $create);

# a build past maintenance_work_mem says so, with the memory it would need
$node->safe_psql('postgres', 'CREATE TABLE few_items AS SELECT id, v FROM items WHERE id <= 3000; ANALYZE few_items');
my ($status, $out, $error) = $node->psql('postgres',
	"SET maintenance_work_mem = '1MB'; CREATE INDEX few_items_v ON few_items USING hnsw (v)");
is($status, 0, 'a build past maintenance_work_mem works');
like($error, qr/NOTICE:  hnsw graph does not fit into maintenance_work_mem and is built in [1-9]\d* parts/, '... and says so');
like(
	$error,
	qr/DETAIL:  The graph of all 3000 rows at once needs about [2-9] MB\. The parts take about [1-9]\d* seconds\./,
	'... with the memory it would need and the time it takes');
$node->safe_psql('postgres', 'DROP TABLE few_items');

# the build that nobody disturbs
$node->safe_psql('postgres', 'CREATE INDEX items_v ON items USING hnsw (v)');
is( $node->safe_psql(
		'postgres', qq(
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 1)) AS s)),
	"$rows|$rows", 'an undisturbed build indexes every row');
unlike($node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_progress_create_index'), qr/[^0]/, 'no progress is left');
$node->stop;
done_testing();

# Names of the files in the database's folder, after those of dropped relations are gone
sub relation_files
{
	return $node->safe_psql(
		'postgres', q(
CHECKPOINT;
SELECT count(*) FROM pg_database, pg_ls_dir('base/' || pg_database.oid) AS f
WHERE datname = current_database() AND f ~ '^[0-9]+'));
}

sub nothing_left
{
	my ($name) = @_;

	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relname = 'items_v'"), '0', "$name: no index left");
	is(relation_files(), $files, "$name: no file left");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', "$name: no temporary file left");
	return;
}

# Starts a statement in a session of its own and waits until it is in a phase.
sub start_until
{
	my ($phase, $sql) = @_;
	my ($in, $out, $error) = ('', '', '');
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', \$in, '>', \$out, '2>', \$error);

	ok( $node->poll_query_until(
			'postgres', "SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE phase = 'building index: $phase'"),
		"progress shows: $phase");
	return ($session, \$error);
}

sub stop_in_phase
{
	my ($phase, $sql, $function, $message) = @_;
	my ($session, $error) = start_until($phase, $sql);
	my $start = time;

	$node->safe_psql('postgres', "SELECT $function(pid) FROM pg_stat_progress_create_index");
	$session->finish;
	cmp_ok(time - $start, '<', $patience, "$function while $phase: ends soon");
	like($$error, $message, '... with the error');
	nothing_left("$function while $phase");
	return;
}

sub cancel_in_phase
{
	my ($phase, $sql) = @_;

	stop_in_phase($phase, $sql, 'pg_cancel_backend', qr/canceling statement due to user request/);
	return;
}

sub terminate_in_phase
{
	my ($phase, $sql) = @_;

	stop_in_phase($phase, $sql, 'pg_terminate_backend', qr/terminating connection due to administrator command/);
	return;
}
