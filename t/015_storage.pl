# Whatever happens to a table and its files, its indexes follow: other tablespaces, CLUSTER, VACUUM FULL,
# TRUNCATE, temporary and unlogged tables, prepared transactions, subtransactions, and transactions
# whose WAL is left out; with a crash after each.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IndexCheck;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

foreach my $method (method_examples())
{
	logged($method);
	unlogged($method);
	temporary($method);
	not_logged($method, $_) foreach '0', '1GB';
}
done_testing();

# Steps of one table's life.  After each the index is sound, and it still is after a crash.
sub logged
{
	my ($method) = @_;
	my $node = new_server("logged_$method", "wal_level = replica\nallow_in_place_tablespaces = on");
	my ($values, $more, $others) = (values_sql(1, 600), values_sql(601, 700), values_sql(3001, 3200));
	my $next = 10_000;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @steps = (
		[ 'ALTER INDEX SET TABLESPACE', 'ALTER INDEX items_v SET TABLESPACE elsewhere' ],
		[ 'moved in a transaction that is rolled back', 'BEGIN; ALTER INDEX items_v SET TABLESPACE pg_default; INSERT INTO items SELECT 1500 + id, v FROM (' . $more . ') AS s; ROLLBACK' ],
		[ 'ALTER TABLE SET TABLESPACE', 'ALTER TABLE items SET TABLESPACE elsewhere' ],
		[ 'REINDEX TABLESPACE', 'REINDEX (TABLESPACE pg_default) INDEX items_v', 14 ],
		[ 'CLUSTER', 'CLUSTER items USING items_id' ],
		[ 'VACUUM FULL', 'VACUUM FULL items' ],
		[ 'CLUSTER rolled back', 'BEGIN; CLUSTER items; INSERT INTO items ' . values_sql(1701, 1710) . '; ROLLBACK' ],
		[ 'TRUNCATE rolled back', "BEGIN; TRUNCATE items; INSERT INTO items $others; ROLLBACK" ],
		[ 'TRUNCATE and filled', "BEGIN; TRUNCATE items; INSERT INTO items $others; COMMIT" ],
		[ 'TRUNCATE in a subtransaction rolled back', "BEGIN; SAVEPOINT a; TRUNCATE items; INSERT INTO items $more; ROLLBACK TO a; INSERT INTO items $more; COMMIT" ],
		[ 'subtransactions rolled back', "BEGIN; SAVEPOINT a; INSERT INTO items " . values_sql(1801, 1820) . "; SAVEPOINT b; DELETE FROM items WHERE id % 5 = 1; "
			  . 'INSERT INTO items ' . values_sql(1821, 1840) . '; ROLLBACK TO b; RELEASE a; INSERT INTO items ' . values_sql(1841, 1850) . '; COMMIT' ],
		[ 'vacuum after rolled back subtransactions', 'VACUUM items' ],
		[ 'a column rewritten', 'ALTER TABLE items ALTER v TYPE vector(8)' ],
		[ 'a column added', 'ALTER TABLE items ADD extra int DEFAULT (random() * 10)::int' ],
		[ 'set unlogged', 'ALTER TABLE items SET UNLOGGED; ALTER TABLE items SET LOGGED' ],
		[ 'rows without a value', 'INSERT INTO items (id) SELECT generate_series(5001, 5050); UPDATE items SET v = NULL WHERE id % 20 = 0; '
			  . 'UPDATE items SET v = test_value(id) WHERE id BETWEEN 5001 AND 5010' ],
		[ 'all rows deleted', 'DELETE FROM items; VACUUM items; INSERT INTO items (id, v) SELECT * FROM (' . $others . ') AS s' ],
	);

	mkdir "$folder/space_$method";
	$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$folder/space_$method'");
	$node->safe_psql('postgres', "CREATE TABLE items (id int, v vector); INSERT INTO items $values; CREATE INDEX items_id ON items (id); CREATE "
		  . create_index($method, 'items'));
	foreach my $step (@steps)
	{
		my ($name, $sql, $since) = @$step;

		next if $since && $node->pg_version < $since;
		run_statements($node, $sql);
		is_sound($node, "$method: $name");
		$next += 100;
		run_statements($node, 'INSERT INTO items (id, v) SELECT * FROM (' . values_sql($next, $next + 9) . ") AS s; DELETE FROM items WHERE id = $next + 5");
		crash($node);
		is_sound($node, "$method: $name, then written and crashed");
	}
	prepared($node, $method);
	is_clean_log($node, "$method: nothing wrong in the log");
	$node->stop;
	return;
}

# Statements one by one, but those of a transaction block in one session
sub run_statements
{
	my ($node, $sql) = @_;

	if ($sql =~ /^BEGIN/)
	{
		$node->safe_psql('postgres', $sql);
	}
	else
	{
		$node->safe_psql('postgres', $_) foreach split /;\s*/, $sql;
	}
	return;
}

# Rows of prepared transactions are there after commit, before and after a crash, and in the way of nothing.
sub prepared
{
	my ($node, $method) = @_;
	my $rows = sub { $node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE id BETWEEN 20001 AND 20050), count(*) FILTER (WHERE id BETWEEN 20051 AND 20099) FROM items") };

	$node->safe_psql('postgres', 'BEGIN; DELETE FROM items WHERE id % 3 = 0; INSERT INTO items (id, v) SELECT * FROM ('
		  . values_sql(20001, 20050) . ") AS s; PREPARE TRANSACTION 'stays'");
	$node->safe_psql('postgres', 'BEGIN; INSERT INTO items (id, v) SELECT * FROM (' . values_sql(20051, 20099) . ") AS s; PREPARE TRANSACTION 'goes'");
	is_sound($node, "$method: prepared transactions open");
	$node->safe_psql('postgres', 'INSERT INTO items (id, v) SELECT * FROM (' . values_sql(20100, 20120) . ') AS s');
	$node->safe_psql('postgres', 'VACUUM items');
	crash($node);
	is_sound($node, "$method: prepared transactions open after a crash");
	is($rows->(), '0|0', "$method: ... their rows are not there yet");
	$node->safe_psql('postgres', "COMMIT PREPARED 'stays'");
	$node->safe_psql('postgres', "ROLLBACK PREPARED 'goes'");
	is_sound($node, "$method: prepared transactions ended");
	is($rows->(), '50|0', "$method: ... with the rows of the one that committed");
	$node->safe_psql('postgres', 'VACUUM items');
	crash($node);
	is_sound($node, "$method: ... vacuumed and crashed");
	return;
}

# An unlogged index is empty after a crash and can be used at once; a shutdown keeps it.
sub unlogged
{
	my ($method) = @_;
	my $node = new_server("unlogged_$method");
	my ($values, $few) = (values_sql(1, 500), values_sql(501, 520));

	$node->safe_psql('postgres', "CREATE UNLOGGED TABLE items (id int, v vector); INSERT INTO items $values; CREATE " . create_index($method, 'items')
		  . '; CREATE UNLOGGED TABLE empty (id int, v vector); CREATE ' . create_index($method, 'empty'));
	is_sound($node, "$method: unlogged");
	$node->restart;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM items'), '500', "$method: a shutdown keeps an unlogged table");
	is_sound($node, "$method: ... and its index");
	foreach my $n (1, 2)
	{
		crash($node);
		is($node->safe_psql('postgres', 'SELECT count(*) FROM items'), '0', "$method: crash $n empties an unlogged table");
		is_sound($node, "$method: ... and its index");
		$node->safe_psql('postgres', "INSERT INTO items $values; INSERT INTO empty $few");
		$node->safe_psql('postgres', 'DELETE FROM items WHERE id % 3 = 0');
		$node->safe_psql('postgres', 'VACUUM items');
		$node->safe_psql('postgres', 'INSERT INTO items ' . values_sql(601, 650));
		is_sound($node, "$method: ... filled, vacuumed and filled");
	}
	$node->safe_psql('postgres', 'REINDEX INDEX items_v');
	is_sound($node, "$method: unlogged, rebuilt");
	is_clean_log($node, "$method: nothing wrong in the log");
	$node->stop;
	return;
}

# Temporary tables live in local buffers; few of them, so that pages go out and come back.
sub temporary
{
	my ($method) = @_;
	my $node = new_server("temporary_$method");
	my ($values, $more, $again) = (values_sql(1, 2000), values_sql(3001, 3200), values_sql(4001, 4200));
	my $create = create_index($method, 'items');
	my $found = $node->safe_psql(
		'postgres', qq(
SET temp_buffers = 100;
CREATE TEMP TABLE items (id int, v vector);
CREATE $create;
INSERT INTO items $more;
SELECT 'inserted', problems FROM all_index_problems() WHERE problems <> '';
INSERT INTO items $values;
REINDEX INDEX items_v;
SELECT 'built', problems FROM all_index_problems() WHERE problems <> '';
DELETE FROM items WHERE id % 4 = 0;
VACUUM items;
SELECT 'vacuumed', problems FROM all_index_problems() WHERE problems <> '';
BEGIN;
TRUNCATE items;
INSERT INTO items $more;
ROLLBACK;
SELECT 'rolled back', problems FROM all_index_problems() WHERE problems <> '';
INSERT INTO items $again;
SELECT 'again', checked, count(DISTINCT id), problems FROM all_index_problems(), items WHERE id > 4000 GROUP BY 2, 4;
CREATE TEMP TABLE gone (id int, v vector) ON COMMIT DELETE ROWS;
) . 'CREATE ' . create_index($method, 'gone') . qq(;
BEGIN;
INSERT INTO gone $more;
SELECT 'before commit', count(*) FROM gone;
COMMIT;
SELECT 'after commit', problems FROM all_index_problems() WHERE problems <> '';
BEGIN;
INSERT INTO gone $more;
SELECT 'next transaction', problems FROM all_index_problems() WHERE problems <> '';
COMMIT;
SELECT 'end', count(*) FROM gone;
));

	is($found, "again|1|200|\nbefore commit|200\nend|0", "$method: temporary tables");
	is_clean_log($node, "$method: nothing wrong in the log");
	$node->stop;
	return;
}

# wal_level = minimal leaves out the WAL of relations made in the same transaction.
sub not_logged
{
	my ($method, $threshold) = @_;
	my $node = new_server("minimal_${method}_$threshold", "wal_level = minimal\nmax_wal_senders = 0\nwal_skip_threshold = $threshold");
	my $name = "$method: wal_level = minimal, wal_skip_threshold = $threshold";
	my $create = create_index($method, 'items');
	my $create_other = create_index($method, 'other');
	my $data = $node->safe_psql('postgres', 'COPY (' . values_sql(1, 400) . ') TO STDOUT');
	my ($more, $others) = (values_sql(501, 550), values_sql(601, 800));

	$node->safe_psql('postgres', "BEGIN;\nCREATE TABLE items (id int, v vector);\nCOPY items FROM STDIN;\n$data\n\\.\nCREATE $create;\nINSERT INTO items $more;\nCOMMIT;\n"
		  . "BEGIN;\nCREATE TABLE other (id int, v vector);\nCREATE $create_other;\nCOPY other FROM STDIN;\n$data\n\\.\nDELETE FROM other WHERE id % 3 = 0;\nCOMMIT;");
	crash($node);
	is_sound($node, "$name: copied and built in one transaction");
	is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM items), (SELECT count(*) FROM other)'), '450|267', "$name: ... every row is there");
	$node->safe_psql('postgres', "BEGIN; TRUNCATE items; INSERT INTO items $others; SAVEPOINT a; TRUNCATE items; INSERT INTO items $more; ROLLBACK TO a; COMMIT");
	$node->safe_psql('postgres', "BEGIN; REINDEX INDEX other_v; INSERT INTO other $others; COMMIT");
	crash($node);
	is_sound($node, "$name: truncated, and rebuilt with inserts");
	$node->safe_psql('postgres', "BEGIN; ALTER TABLE items ADD extra int DEFAULT 7; REINDEX TABLE items; INSERT INTO items SELECT id, v FROM ($more) AS s; ROLLBACK");
	$node->safe_psql('postgres', "INSERT INTO items $more");
	crash($node);
	is_sound($node, "$name: a rewrite rolled back, then inserts");
	is_clean_log($node, "$name: nothing wrong in the log");
	$node->stop;
	return;
}
