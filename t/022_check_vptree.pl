# Broken pages of a vptree index: ann_check() finds each and says what is wrong, and neither it nor
# a query, an insert or a vacuum of the damaged index takes the server down.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use DamagedIndex;
use Test::More;

# Offsets in the metapage, in a node and in an entry (src/storage/meta.h, src/vptree/vptree.h, src/storage/bucket.h)
my %meta = (
	magic => 0, version => 4, method => 6, dim => 8, space => 16, partition => 64, path_length => 66, bucket_size => 68, root => 80,
	node_block => 88, free_pages => 92, retired => 96, nodes => 100, buckets => 104, max_depth => 108, oldest => 520,
	nresting => 522, resting => 524);
my %node = (left => 0, right => 8, radius => 16, dimension => 24, flags => 26, value_size => 28, value => 32);
my %entry = (ntids => 0, flags => 2, value_size => 4, path => 8);
my ($chained, $retired) = (1, 4);

# The tables a case may damage: type, rows, key of the index, what is inserted after its build, options
my $numbers = 'FROM generate_series(1, 600) i';
my %tables = (
	plain => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7, i % 50]::vector $numbers", 'v' ],
	split => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7, i % 50]::vector FROM generate_series(1, 40) i", 'v', 'SELECT i + 1000, ARRAY[i + 0.1, i % 7, i % 50]::vector FROM generate_series(1, 4000) i' ],
	chain => [ 'vector(400)', "SELECT i, array_agg(((i * j) % 97 + 0.1)::real)::vector FROM generate_series(1, 40) i, generate_series(1, 400) j GROUP BY i", 'v' ],
	large => [ 'vector(2100)', 'SELECT i, array_agg(((i * j) % 97 + 0.1)::real)::vector FROM generate_series(1, 30) i, generate_series(1, 2100) j GROUP BY i', 'v' ],
	kd => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7, i % 50]::vector $numbers", 'v', '', 'bucket_size = 20, num_pivot = 0, partition = kd' ],
	cosine => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7, i % 50]::vector $numbers", 'v vec_cosine_ops' ],
	kl => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7 + 1, i % 50 + 1]::vector $numbers", 'v vec_gkl_ops' ],
);

# Which table, what is done to the file, what ann_check says, what some statement says
my @cases = (
	[ 'plain', 'access method', sub { $_->put_meta(method => v => 1) }, qr/^error\|0\|\|metapage says access method is 1, but it must be 2$/m, qr/has no valid metapage/ ],
	[ 'plain', 'partition', sub { $_->put_meta(partition => v => 9) }, qr/^error\|0\|\|metapage says partition is 9, which is not between 0 and 1$/m, qr/has no valid metapage/ ],
	[ 'plain', 'path length', sub { $_->put_meta(path_length => v => 99) }, qr/metapage says path length is 99, which is not between 0 and 16/, qr/has no valid metapage/ ],
	[ 'plain', 'shorter paths', sub { $_->put_meta(path_length => v => 1) }, qr/entry is not as long as its value and its rows/, qr/has a damaged entry/ ],
	[ 'plain', 'bucket size', sub { $_->put_meta(bucket_size => V => 0) }, qr/metapage says bucket size is 0, which is not between 1 and 10000/ ],
	[ 'plain', 'dimensions', sub { $_->put_meta(dim => V => 4) }, qr/metapage says dimensions is 4, but it must be 3/ ],
	[ 'plain', 'cut metapage', sub { $_->put(0, $lower, v => 80) }, qr/^error\|0\|\|metapage is cut off at byte 80$/m ],
	[ 'plain', 'number of nodes', sub { $_->put_meta(nodes => V => 7) }, qr/metapage says number of nodes is 7, but it must be \d+/ ],
	[ 'plain', 'number of buckets', sub { $_->put_meta(buckets => V => 7) }, qr/metapage says number of buckets is 7, but it must be \d+/ ],
	[ 'plain', 'depth', sub { $_->put_meta(max_depth => v => 2) }, qr/metapage says depth is 2, but it must be \d+/ ],
	[ 'plain', 'too many retired', sub { $_->put_meta(retired => V => 3) }, qr/^note\|0\|\|metapage says 3 buckets are retired, but 0 are$/m ],
	[ 'split', 'too few retired', sub { $_->put_meta(retired => V => 0) }, qr/^error\|0\|\|metapage says 0 buckets are retired, but [1-9]\d* are$/m ],
	[ 'split', 'more rest than are retired', sub { $_->put_meta(nresting => v => 60) }, qr/^error\|0\|\|metapage says 60 retired buckets rest, of [1-9]\d*$/m ],
	[ 'split', 'a page that is no bucket rests', sub { $_->put($_->oldest_resting, $kind, v => $node_pages) }, qr/^error\|0\|\|block \d+ is to rest, but begins no retired bucket$/m ],
	# as after a crash, when others had taken its place already
	[ 'split', 'a bucket rests that was not retired', sub { $_->put($_->oldest_resting, $page_flags, v => 0) }, qr/^note\|\d+\|\|bucket page is not used$/m ],
	[ 'plain', 'page for new nodes', sub { $_->put_meta(node_block => V => $_->first_page($bucket_pages)) }, qr/block \d+, which is to take new nodes, is no page of nodes/ ],
	[ 'plain', 'root that is no node', sub { $_->put_meta(root => x4v => 999) }, qr/^error\|0\|\|page leads to node \(\d+,999\), which does not exist$/m, qr/has no node \(\d+,999\)/ ],
	[ 'plain', 'root beyond the file', sub { $_->put_meta(root => V => 9999) }, qr/page leads to node \(9999,\d+\), which does not exist/, qr/refers to block 9999|has no node/ ],
	[ 'plain', 'node above itself', sub { my @at = $_->root; $_->put_node(@at, left => Vv => @at) }, qr/^error\|\d+\|node \(\d+,\d+\)\|node has two parents$/m ],
	[ 'plain', 'node not in the tree', sub { my ($block, $n) = $_->root; my @child = $_->get_node($block, $n, left => 'Vvv'); $_->put_meta(root => Vvv => @child) }, qr/^note\|\d+\|\|[1-9]\d* nodes are not in the tree$/m ],
	[ 'plain', 'bucket not in the tree', sub { my ($block, $n) = $_->root; my @child = $_->get_node($block, $n, left => 'Vvv'); $_->put_meta(root => Vvv => @child) }, qr/^note\|\d+\|\|bucket page is not used$/m ],
	[ 'plain', 'radius', sub { $_->put_node($_->leaf_node, radius => 'd<' => 0) }, qr/^error\|\d+\|entry \(\d+,\d+\)\|entry is left, but far, of node 1 above it: [\d.]+, not 0$/m ],
	[ 'plain', 'large radius', sub { $_->put_node($_->leaf_node, radius => 'd<' => 1e10) }, qr/entry is right, but near, of node 1 above it: [\d.]+, not 1e\+10/ ],
	[ 'plain', 'no radius', sub { $_->put_node($_->leaf_node, radius => 'd<' => -sin(9**9**9)) }, qr/node has no radius/ ],
	[ 'plain', 'dead node', sub { $_->put_node($_->leaf_node, flags => v => 1) }, qr/^error\|\d+\|node \(\d+,\d+\)\|node is dead, but in the tree$/m ],
	[ 'plain', 'flags of a node', sub { $_->put_node($_->leaf_node, flags => v => 2) }, qr/page leads to use 0 of node \(\d+,\d+\), which is in use 1/, qr/has no node/ ],
	[ 'plain', 'another pivot', sub { $_->put_node($_->leaf_node, value => f => 5000) }, qr/^error\|\d+\|entry \(\d+,\d+\)\|entry has a wrong distance to node 1 above it: [\d.]+, not [\d.]+$/m ],
	[ 'plain', 'pivot that is no number', sub { $_->put_node($_->leaf_node, value => f => 'NaN') }, qr/^error\|\d+\|node \(\d+,\d+\)\|coordinate 1 of the value is not finite$/m ],
	[ 'plain', 'size of a pivot', sub { $_->put_node($_->leaf_node, value_size => V => 8) }, qr/page leads to node \(\d+,\d+\), which does not exist/, qr/has no node/ ],
	[ 'plain', 'two ways to a bucket', sub { my @at = $_->leaf_node; $_->put_node(@at, left => Vvv => $_->get_node(@at, right => 'Vvv')) }, qr/^error\|\d+\|\|page is in two buckets$/m ],
	[ 'plain', 'number of a bucket', sub { $_->put_node($_->leaf_node, left => x6v => 77) }, qr/page leads to bucket 77 at block \d+, where bucket 1 is/ ],
	[ 'plain', 'bucket of another kind', sub { $_->put($_->first_page($bucket_pages), $kind, v => $item_pages) }, qr/page is of kind 3.*page leads to block \d+, which is no page of a bucket/s ],
	[ 'plain', 'bucket that is a metapage', sub { $_->put_node($_->leaf_node, left => V => 0) }, qr/page leads to block 0, which is no page of a bucket/ ],
	[ 'plain', 'zeroed bucket', sub { $_->put($_->first_page($bucket_pages), 0, a8192 => "\0" x $page_size) }, qr/page leads to block \d+, which is no page of a bucket.*note\|\d+\|\|page was never written/s ],
	[ 'plain', 'zeroed nodes', sub { $_->put($_->first_page($node_pages), 0, a8192 => "\0" x $page_size) }, qr/page leads to node \(\d+,\d+\), which does not exist/, qr/has no node/ ],
	[ 'plain', 'line pointers', sub { $_->put($_->first_page($bucket_pages), $contents, V => 0xFFFFFFFF) }, qr/line pointer 1 is no item inside the page/ ],
	[ 'plain', 'retired bucket in the tree', sub { $_->put($_->first_page($bucket_pages), $page_flags, v => $retired) }, qr/bucket is retired, but in the tree/ ],
	[ 'plain', 'bucket marked as chained', sub { $_->put($_->first_page($bucket_pages), $page_flags, v => $chained) }, qr/page of a bucket is marked as chained/ ],
	[ 'plain', 'place in the bucket', sub { $_->put($_->first_page($bucket_pages), $nslots, v => 5) }, qr/page is number 5 of its bucket, where number 0 is due/ ],
	[ 'chain', 'circular bucket', sub { my $block = $_->longer_bucket; $_->put($_->get($block, $next, 'V'), $next, V => $block) }, qr/page is in two buckets/, qr/out of place behind block/ ],
	[ 'chain', 'bucket without end', sub { my $block = $_->longer_bucket; $_->put($block, $next, V => 0) }, qr/page leads to block 0, which is no page of a bucket/, qr/out of place behind block/ ],
	[ 'chain', 'page retired inside a bucket', sub { $_->put($_->get($_->longer_bucket, $next, 'V'), $page_flags, v => $retired) }, qr/page is marked as retired, but does not begin a bucket/ ],
	[ 'plain', 'entry without rows', sub { $_->put_entry(1, ntids => v => 0) }, qr/^error\|\d+\|entry \(\d+,1\)\|entry has no rows or too many$/m, qr/has a damaged entry/ ],
	[ 'plain', 'too many rows', sub { $_->put_entry(1, ntids => v => 2) }, qr/entry is not as long as its value and its rows/, qr/has a damaged entry/ ],
	[ 'plain', 'flags of an entry', sub { $_->put_entry(1, flags => v => 8) }, qr/entry has unknown flags/, qr/has a damaged entry/ ],
	[ 'plain', 'wide entry', sub { $_->put_entry(1, flags => v => 1) }, qr/entry is not as long as its value and its rows/, qr/has a damaged entry/ ],
	[ 'plain', 'size of a value', sub { $_->put_entry(1, value_size => V => 8) }, qr/entry has a value of the wrong size/, qr/has a damaged entry/ ],
	[ 'plain', 'distance to a pivot', sub { $_->put_entry(1, path => x4f => 7777) }, qr/^error\|\d+\|entry \(\d+,1\)\|entry has a wrong distance to node 2 above it: 7777, not [\d.]+$/m ],
	[ 'plain', 'NaN', sub { $_->put_value(1, f => 'NaN') }, qr/coordinate 1 of the value is not finite/ ],
	[ 'plain', 'another value', sub { $_->put_value(1, f => 12345) }, qr/^error\|\|row \(\d+,\d+\)\|index has another value for the row than the table$/m ],
	[ 'plain', 'value on the wrong side', sub { $_->put_value(1, f => 12345) }, qr/entry is left, but far, of node \d+ above it/ ],
	[ 'plain', 'row twice', sub { $_->put_value(1, 'x12a6' => $_->get_value(2, 'x12a6')) }, qr/row \(\d+,\d+\) is in entry \(\d+,\d+\) already/ ],
	[ 'plain', 'invalid TID', sub { $_->put_value(1, 'x12a6' => "\0" x 6) }, qr/has an invalid heap TID/, qr/has an invalid heap TID/ ],
	[ 'plain', 'missing row', sub { $_->put($_->first_page($bucket_pages), $contents, V => 0) }, qr/^error\|\|row \(\d+,\d+\)\|row is not in the index$/m ],
	[ 'kl', 'value outside the domain', sub { $_->put_value(1, f => -1) }, qr/coordinate 1 of the value is outside the domain of space "gkl"/ ],
	[ 'kl', 'radius without a metric', sub { $_->put_node($_->leaf_node, radius => 'd<' => 0) }, qr/entry is left, but far, of node 1 above it/ ],
	[ 'cosine', 'norm', sub { $_->put_value(1, x12f => 12345) }, qr/what is stored with the value does not follow from it/ ],
	[ 'kd', 'threshold', sub { $_->put_node($_->leaf_node, radius => 'd<' => -1) }, qr/entry is left, but far, of node 1 above it: [\d.]+, not -1/ ],
	[ 'kd', 'dimension', sub { $_->put_node($_->leaf_node, dimension => v => 3) }, qr/page leads to node \(\d+,\d+\), which does not exist/, qr/has no node/ ],
	[ 'large', 'value page shared', sub { $_->put_value(1, V => $_->get_value(2, 'V')) }, qr/value page belongs to entry \(\d+,\d+\) too/ ],
	[ 'large', 'value on no value page', sub { $_->put_value(1, V => $_->first_page($node_pages)) }, qr/block \d+ holds no piece of \d+ bytes of the value/, qr/has no value on block \d+/ ],
	[ 'large', 'value beyond the file', sub { $_->put_value(1, V => 99999) }, qr/block 99999 holds no piece of \d+ bytes of the value/, qr/has no value on block 99999/ ],
	[ 'large', 'value page not used', sub { $_->put_value(1, V => 0) }, qr/note\|\d+\|\|value page is not used/ ],
	[ 'plain', 'chain of free pages', sub { $_->put_meta(free_pages => V => $_->first_page($bucket_pages)) }, qr/chain of free pages leads to block \d+, which is not such a page/ ],
	[ 'plain', 'circular chain', sub { my $block = $_->first_page($bucket_pages); $_->put($block, $kind, v => $free_pages); $_->put($block, $page_flags, v => $chained); $_->put($block, $next, V => $block); $_->put_meta(free_pages => V => $block) }, qr/chain of free pages comes back to this page/ ],
	[ 'plain', 'free page in no chain', sub { $_->put($_->first_page($bucket_pages), $kind, v => $free_pages) }, qr/note\|\d+\|\|free page is in no chain/ ],
	[ 'plain', 'free page marked as chained', sub { my $block = $_->first_page($bucket_pages); $_->put($block, $kind, v => $free_pages); $_->put($block, $page_flags, v => $chained) }, qr/page is marked as chained, but is in no chain/ ],
);

test_damage('vptree', class => 'VptreeFile', tables => \%tables, cases => \@cases, options => 'bucket_size = 20, num_pivot = 0');
done_testing();

# The file of a vptree index
package VptreeFile;

use DamagedIndex;
use parent -norequire, 'IndexFile';

sub new
{
	my ($class, @rest) = @_;

	return IndexFile::new($class, @rest, %meta);
}

# Block and line pointer of the root
sub root
{
	my $self = shift;

	return $self->get_meta('root', 'Vv');
}

# The block of the bucket that has rested longest
sub oldest_resting
{
	my $self = shift;
	my $oldest = $self->get_meta('oldest', 'v');

	return $self->get(0, $contents + $self->{meta}{resting} + 4 * $oldest, 'V');
}

sub get_node
{
	my ($self, $block, $number, $field, $format) = @_;

	return $self->get($block, $self->item_offset($block, $number) + $node{$field}, $format);
}

sub put_node
{
	my ($self, $block, $number, $field, @rest) = @_;

	return $self->put($block, $self->item_offset($block, $number) + $node{$field}, @rest);
}

# Block and line pointer of the first node that has two buckets, of a level with another node above it
sub leaf_node
{
	my $self = shift;
	my $block = $self->first_page($node_pages);
	my $n = ($self->get($block, $lower, 'v') - $contents) / 4;

	foreach my $number (1 .. $n)
	{
		return ($block, $number) if $self->get_node($block, $number, left => 'x4v') == 0 && $self->get_node($block, $number, right => 'x4v') == 0;
	}
	die 'no node above buckets';
}

# Entries are those of the left bucket of that node.
sub entry_place
{
	my ($self, $number) = @_;
	my ($block) = $self->get_node($self->leaf_node, left => 'V');

	return ($block, $self->item_offset($block, $number));
}

sub put_entry
{
	my ($self, $number, $field, @rest) = @_;
	my ($block, $offset) = $self->entry_place($number);

	return $self->put($block, $offset + $entry{$field}, @rest);
}

# Where the value begins follows from the length of paths.
sub value_offset
{
	my $self = shift;

	return 8 * int(($entry{path} + 4 * $self->get_meta('path_length', 'v') + 7) / 8);
}

sub put_value
{
	my ($self, $number, @rest) = @_;
	my ($block, $offset) = $self->entry_place($number);

	return $self->put($block, $offset + $self->value_offset, @rest);
}

sub get_value
{
	my ($self, $number, $format) = @_;
	my ($block, $offset) = $self->entry_place($number);

	return $self->get($block, $offset + $self->value_offset, $format);
}

# The head of a bucket with further pages
sub longer_bucket
{
	my $self = shift;
	my ($block) = grep { $self->get($_, $next, 'V') != 0xFFFFFFFF && $self->get($_, $nslots, 'v') == 0 } $self->pages_of($bucket_pages);

	return $block // die 'no bucket of several pages';
}
