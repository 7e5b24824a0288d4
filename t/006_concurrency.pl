# Sessions insert, search, update and delete while vacuum runs again and again: no error, and
# afterwards the index answers like an exact scan.

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
use Time::HiRes qw(time);

my $seconds = 12;


concurrency($_) foreach access_methods();
done_testing();

# The clients against an access method
sub concurrency
{
	my ($am) = @_;

	my $node = PostgreSQL::Test::Cluster->new("concurrency_$am");
	$node->init;
	$node->append_conf('postgresql.conf', qq(
	fsync = off
	autovacuum = off
	hnsw.pending_list_limit = 64
	maintenance_work_mem = 64MB
	jit = off
	));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION ann');
	make_queries($node, 20);

	# Ids that clients insert come from a sequence.  One row in four has a value that others have:
	# their lists of rows grow and shrink.
	my $points = points_sql(1, 2000);
	$node->safe_psql(
		'postgres', qq(
	CREATE SEQUENCE ids START 100000;
	CREATE TABLE items (id int PRIMARY KEY, v vector(8)) WITH (fillfactor = 70);
	INSERT INTO items $points;
	CREATE INDEX items_v ON items USING $am (v);
	CREATE TABLE fresh (id int, v vector);
	CREATE INDEX fresh_v ON fresh USING $am (v);
	CREATE FUNCTION value(i int8) RETURNS vector LANGUAGE sql AS
		'SELECT array_agg((hashint8extended((CASE WHEN i % 4 = 0 THEN i % 60 ELSE i END) * 100 + d, 7) % 50)::int ORDER BY d)::vector(8) FROM generate_series(1, 8) d';
	));

	my %scripts = (
		insert => q(
	INSERT INTO items SELECT id, value(id) FROM (SELECT nextval('ids') AS id FROM generate_series(1, 5)) AS s;
	INSERT INTO fresh SELECT id, value(id) FROM (SELECT nextval('ids') AS id) AS s;
	),
		search => q(
	\set q random(1, 20)
	\set n random(1, 200)
	SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM queries WHERE q = :q) LIMIT :n) AS s;
	SELECT id FROM fresh ORDER BY v <-> (SELECT v FROM queries WHERE q = :q) LIMIT 5;
	),
		update => q(
	\set low random(1, 2000)
	\set shift random(0, 3)
	UPDATE items SET v = v + array_to_vector(ARRAY[:shift, 0, 0, 1, 0, 0, 0, 0], 8, true) WHERE id = :low;
	UPDATE items SET v = value(:low * 4) WHERE id = :low + 1000;
	),
		delete => q(
	DELETE FROM items WHERE id IN (SELECT id FROM items WHERE id > 100000 ORDER BY id LIMIT 3 FOR UPDATE SKIP LOCKED);
	DELETE FROM fresh WHERE id IN (SELECT id FROM fresh ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 1 FOR UPDATE SKIP LOCKED);
	));

	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @files;
	foreach my $name (sort keys %scripts)
	{
		append_to_file("$folder/$name.sql", $scripts{$name});
		push @files, '-f', "$folder/$name.sql";
	}
	my ($out, $error) = ('', '');
	my $clients = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '4', '-j', '2', '-T', $seconds, @files, $node->connstr('postgres') ],
		'<', \'', '>', \$out, '2>', \$error);
	my $vacuums = 0;
	my $start = time;
	while (time - $start < $seconds - 1)
	{
		my $options = $vacuums % 3 == 0 ? '(INDEX_CLEANUP ON)' : $vacuums % 3 == 1 ? '(PARALLEL 0)' : '';

		$node->safe_psql('postgres', "VACUUM $options items");
		$node->safe_psql('postgres', 'VACUUM fresh');
		$vacuums++;
	}
	ok($clients->finish, "$am: clients end well") or diag($error);
	unlike($error, qr/ERROR|aborted/, '... without an error');
	like($out, qr/actually processed: [1-9]\d/, '... and did something');
	note($out =~ /(number of transactions actually processed: \d+)/, ", $vacuums vacuums");

	is_exact($node, 'items', "$am: after the clients");
	is_exact($node, 'fresh', "$am: after the clients, an index that began empty");
	$node->safe_psql('postgres', 'VACUUM items');
	is_exact($node, 'items', "$am: after vacuum");
	is( $node->safe_psql('postgres', "SELECT reltuples FROM pg_class WHERE relname = 'items_v'"),
		$node->safe_psql('postgres', 'SELECT count(*) FROM items'), 'the index holds the live rows and no other');
	$node->safe_psql('postgres', 'REINDEX INDEX items_v');
	is_exact($node, 'items', "$am: rebuilt");
	unlike(slurp_file($node->logfile), qr/ERROR|PANIC|FATAL|terminated by signal/, 'no error in the log');
	$node->stop;
	return;
}
