# Indexes whose files are damaged in known ways: ann_check() says what is wrong, and neither it nor
# a query, an insert or a vacuum takes the server down; REINDEX mends it.

package DamagedIndex;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(test_damage $page_size $lower $upper $contents $first_slot $next $kind $nslots $ordinal $page_flags $page_id
  $slot_pages $item_pages $value_pages $node_pages $bucket_pages $free_pages);

our $page_size = 8192;

# Offsets in a page, and kinds of pages (src/storage/page.h)
our ($lower, $upper, $contents, $first_slot) = (12, 14, 24, 64);
our ($next, $kind, $nslots, $ordinal, $page_flags, $page_id) = map { $page_size - 16 + $_ } (0, 4, 6, 8, 12, 14);
our ($slot_pages, $item_pages, $value_pages, $node_pages, $bucket_pages, $free_pages) = 2 .. 7;

# Of an access method: class, whose objects $_ is in the cases, by page; tables, by name: type, rows,
# key of the index, what is inserted after its build, options of the index (else `options`).
# A case: table, name, what is done to the file, what ann_check() says, what some statement says.
sub test_damage
{
	my ($method, %of) = @_;
	my @cases = @{ $of{cases} };
	my $node = PostgreSQL::Test::Cluster->new("check_$method");

	$node->init(no_data_checksums => 1); # checks that initdb of 18 turns on: they would find the damage first
	$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nrestart_after_crash = off\nstatement_timeout = 60s\nmax_parallel_maintenance_workers = 0\n");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION ann');
	foreach my $n (0 .. $#cases)
	{
		my ($type, $rows, $key, $more, $options) = @{ $of{tables}{ $cases[$n][0] } };

		$options //= $of{options};
		$node->safe_psql('postgres', "CREATE TABLE t$n (id int, v $type); INSERT INTO t$n $rows; CREATE INDEX t${n}_v ON t$n USING $method ($key) WITH ($options)" . ($more ? "; INSERT INTO t$n $more" : ''));
	}
	is($node->safe_psql('postgres', join(';', map { "SELECT * FROM ann_check('t${_}_v', true, true)" } 0 .. $#cases)), '', 'nothing is wrong with sound indexes');
	my @files = map { $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('t${_}_v')") } 0 .. $#cases;
	$node->stop;
	foreach my $n (0 .. $#cases)
	{
		local $_ = $of{class}->new($files[$n], $cases[$n][1]);
		$cases[$n][2]->();
		$_->close;
	}
	$node->start;
	test_case($node, $_, @{ $cases[$_] }) foreach 0 .. $#cases;
	unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/, 'no crash in the log');
	$node->stop;
	return;
}

sub test_case
{
	my ($node, $n, $table, $name, undef, $expected, $error_expected) = @_;
	my ($status, $out, $error) = $node->psql('postgres', "SELECT * FROM ann_check('t${n}_v', true, true)");
	my @messages;

	is($error, '', "$name: ann_check comes to its end");
	like($out, $expected, '... and finds the damage');
	foreach my $sql (
		"SELECT count(*) FROM ann_index_info('t${n}_v')",
		"SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM t$n ORDER BY v <-> (SELECT v FROM t$n LIMIT 1) LIMIT 2000) AS s",
		"INSERT INTO t$n SELECT id + 5000, v FROM t$n LIMIT 50",
		"DELETE FROM t$n WHERE id % 2 = 0",
		"VACUUM (INDEX_CLEANUP ON) t$n")
	{
		(undef, undef, $error) = $node->psql('postgres', $sql);
		push @messages, $error if defined $error;
	}
	like(join("\n", @messages), $error_expected, '... and a statement says so') if defined $error_expected;
	unlike(join("\n", @messages), qr/statement timeout/, '... and every statement comes to its end');
	unlike(join("\n", @messages), qr/terminated|closed the connection|connection to server/, '... and the server goes on');
	$node->safe_psql('postgres', "REINDEX INDEX t${n}_v");
	is($node->safe_psql('postgres', "SELECT * FROM ann_check('t${n}_v', true, true)"), '', '... and REINDEX mends it');
	return;
}

# The file of an index, read and written by page; meta: offsets of fields in the metapage.
package IndexFile;

sub new
{
	my ($class, $file, $name, %meta) = @_;

	open my $handle, '+<:raw', $file or die "$file: $!";
	return bless { file => $handle, name => $name, meta => \%meta, pages => (-s $file) / $page_size }, $class;
}

sub close
{
	my $self = shift;

	close $self->{file} or die "$!";
	return;
}

sub get
{
	my ($self, $block, $offset, $format) = @_;

	seek $self->{file}, $block * $page_size + $offset, 0;
	read $self->{file}, my $bytes, 64;
	return unpack($format, $bytes);
}

sub put
{
	my ($self, $block, $offset, $format, @values) = @_;
	my $skip = $format =~ s/^x(\d+)// ? $1 : 0;

	seek $self->{file}, $block * $page_size + $offset + $skip, 0;
	$self->{file}->print(pack($format, @values)) or die "$!";
	$self->{file}->flush;
	return;
}

sub put_meta
{
	my ($self, $field, @rest) = @_;

	return $self->put(0, $contents + $self->{meta}{$field}, @rest);
}

sub get_meta
{
	my ($self, $field, $format) = @_;

	return $self->get(0, $contents + $self->{meta}{$field}, $format);
}

# The blocks of the pages of a kind
sub pages_of
{
	my ($self, $wanted) = @_;

	return grep { $self->get($_, $kind, 'v') == $wanted } 0 .. $self->{pages} - 1;
}

sub first_page
{
	my ($self, $wanted) = @_;
	my ($block) = $self->pages_of($wanted);

	return $block // die "no page of kind $wanted";
}

# Offset in its page of the item of a line pointer
sub item_offset
{
	my ($self, $block, $number) = @_;

	return $self->get($block, $contents + 4 * ($number - 1), 'V') & 0x7FFF;
}

1;
