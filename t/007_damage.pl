# Damaged index pages: an error that asks for a REINDEX or an answer, never a crash.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $page_size = 8192;
# Offsets in a page (src/storage/page.h, src/hnsw/hnsw.h)
my $contents = 24;
my $first_slot = 64;
my $kind_in_special = $page_size - 16 + 4;
my ($slots, $items) = (2, 3);

my $node = PostgreSQL::Test::Cluster->new('damage');
$node->init(no_data_checksums => 1); # checks that initdb of 18 turns on: they would find the damage first
$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nrestart_after_crash = off\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION ann');

# What is written over which pages, and what the first of these statements to fail says
my $metapage = qr/has no valid metapage/;
my $vertex = qr/has no vertex \d+/;
my $pending = qr/has no pending vertices on block \d+/;
my $item = qr/has no item \(\d+,\d+\)/;
my @cases = (
	[ 'metapage without m', sub { overwrite($_[0], 0, $contents + 64, "\0\0") }, $metapage ],
	[ 'metapage with a slot size too large', sub { overwrite($_[0], 0, $contents + 68, "\xff\xff") }, $metapage ],
	[ 'metapage without slots', sub { overwrite($_[0], 0, $contents + 70, "\0\0") }, $metapage ],
	[ 'metapage with too many dimensions', sub { overwrite($_[0], 0, $contents + 8, "\xff\xff\xff\xff") }, $metapage ],
	[ 'vertices with too many rows', sub { overwrite_kind($_[0], $slots, $first_slot + 4, "\xff") }, $vertex ],
	[ 'vertices with too many links', sub { overwrite_kind($_[0], $slots, $first_slot + 6, "\xff\xff") }, $vertex ],
	[ 'zeroed vertices', sub { overwrite_kind($_[0], $slots, 0, "\0" x $page_size) }, $pending ],
	[ 'zeroed items', sub { overwrite_kind($_[0], $items, 0, "\0" x $page_size) }, $item ],
	[ 'items beyond their page', sub { overwrite_kind($_[0], $items, $contents, "\xff" x 400) }, $item ],
	[ 'items of too many rows', sub { overwrite_kind($_[0], $items, 4000, "\xff" x 4000) }, $item ],
);

foreach my $n (0 .. $#cases)
{
	$node->safe_psql(
		'postgres', qq(
CREATE TABLE damaged_$n (id int, v vector(3));
INSERT INTO damaged_$n SELECT i, ARRAY[i % 40, i % 3, 0]::vector FROM generate_series(1, 3000) i;
CREATE INDEX damaged_${n}_v ON damaged_$n USING hnsw (v) WITH (m = 2);
));
}
my @files = map { $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('damaged_${_}_v')") } 0 .. $#cases;
$node->stop;
$cases[$_][1]->($files[$_]) foreach 0 .. $#cases;
$node->start;

foreach my $n (0 .. $#cases)
{
	my ($name, undef, $expected) = @{ $cases[$n] };
	my @messages;

	foreach my $sql (
		"VACUUM (INDEX_CLEANUP ON) damaged_$n",
		"SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM damaged_$n ORDER BY v <-> '[1,2,3]') AS s",
		"INSERT INTO damaged_$n SELECT i, ARRAY[i % 50, i % 3, 0]::vector FROM generate_series(1, 200) i",
		"DELETE FROM damaged_$n WHERE id % 2 = 0; VACUUM damaged_$n")
	{
		my ($status, $out, $error) = $node->psql('postgres', $sql);

		push @messages, $error;
	}
	my ($first) = grep { $_ ne '' } @messages;

	like($first, $expected, "$name: what is wrong is said");
	unlike(join("\n", @messages), qr/terminated|closed|failed: /, '... and the server goes on');
	$node->safe_psql('postgres', "REINDEX TABLE damaged_$n");
	is( $node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM damaged_$n ORDER BY v <-> '[1,2,3]') AS s"),
		$node->safe_psql('postgres', "SELECT count(*) FROM damaged_$n"),
		'... and REINDEX mends it');
}
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'no crash in the log');
$node->stop;
done_testing();

sub overwrite
{
	my ($file, $block, $offset, $bytes) = @_;

	open my $handle, '+<:raw', $file or die "$file: $!";
	seek $handle, $block * $page_size + $offset, 0;
	print $handle $bytes;
	close $handle or die "$file: $!";
	return;
}

# Every page of a kind
sub overwrite_kind
{
	my ($file, $kind, $offset, $bytes) = @_;
	my $blocks = (-s $file) / $page_size;
	my $pages = slurp_file($file);

	foreach my $block (0 .. $blocks - 1)
	{
		overwrite($file, $block, $offset, $bytes) if unpack('v', substr($pages, $block * $page_size + $kind_in_special, 2)) == $kind;
	}
	return;
}
