# Broken pages of every kind: ann_check() finds each and says what is wrong, and neither it nor
# a query, an insert or a vacuum of the damaged index takes the server down.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use DamagedIndex;
use Test::More;

# Bytes of a page that slots may take (PAGE_DATA_SIZE)
my $slots_size = 8064;

# Offsets in the metapage and in a vertex record (src/storage/meta.h, src/hnsw/hnsw.h)
my %meta = (
	magic => 0, version => 4, dim => 8, space => 16, m => 64, slot_size => 68, slots_per_page => 70,
	links => 72, value => 74, quantization => 76, codes => 78, code_dim => 80, element => 88, has_wide => 90, entry => 92,
	entry_level => 96, insert_block => 112, item_block => 116, pending => 120, free_slots => 124, free_values => 132, mean_block => 136,
	pending_ordinal => 148, deleted_since => 152);
my %vertex = (version => 0, flags => 2, level => 3, ntids => 4, nlinks => 6, upper => 8, more_tids => 14, coded => 20, tids => 40);
my ($deleted, $unlinked, $free, $wide) = (1, 2, 4, 8);

# The tables a case may damage: type, rows, key of the index, what is inserted after its build, options.
# Those of whole numbers store narrow values (and wide ones that came later), others do not.
my $numbers = 'FROM generate_series(1, 600) i';
my %tables = (
	plain => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7, i % 50]::vector $numbers UNION ALL SELECT 1000 + i, '[1.1,2,3]' FROM generate_series(1, 100) i", 'v' ],
	large => [ 'vector(2100)', 'SELECT i, array_agg(((i * j) % 97 + 0.1)::real)::vector FROM generate_series(1, 20) i, generate_series(1, 2100) j GROUP BY i', 'v', '', 'm = 2, quantization = none' ],
	coded => [ 'vector(8)', "SELECT i, array_agg(((i * j * 31 + i * 7) % 97 + 0.1)::real)::vector $numbers, generate_series(1, 8) j GROUP BY i", 'v', '', 'm = 2, quantization = rabitq' ],
	cosine => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7, i % 50]::vector $numbers", 'v vec_cosine_ops' ],
	kl => [ 'vector(3)', "SELECT i, ARRAY[i + 0.1, i % 7 + 1, i % 50 + 1]::vector $numbers", 'v vec_gkl_ops' ],
	narrow => [ 'vector(40)', "SELECT i, array_fill(i % 200, ARRAY[38])::vector || ARRAY[i % 7, i % 50]::vector FROM generate_series(1, 1100) i", 'v',
		"SELECT 2000 + i, array_fill(i + 0.1, ARRAY[40])::vector $numbers" ],
);

# Which table, what is done to the file, what ann_check says, what some statement says
my @cases = (
	[ 'plain', 'magic number', sub { $_->put_meta(magic => V => 1) }, qr/^error\|0\|\|metapage says magic number is 1, but it must be \d+$/m ],
	[ 'plain', 'format version', sub { $_->put_meta(version => v => 99) }, qr/metapage says format version is 99, but it must be \d+/ ],
	[ 'plain', 'space', sub { $_->put_meta(space => a2 => 'l1') }, qr/metapage is of space "l1", but the operator class of "l2"/ ],
	[ 'plain', 'dimensions', sub { $_->put_meta(dim => V => 4) }, qr/metapage says dimensions is 4, but it must be 3/ ],
	[ 'plain', 'm', sub { $_->put_meta(m => v => 0) }, qr/metapage says m is 0, which is not between 2 and 100/ ],
	[ 'plain', 'slot size', sub { $_->put_meta(slot_size => v => 64) }, qr/metapage says slot size is 64, but it must be \d+/ ],
	[ 'plain', 'cut metapage', sub { $_->put(0, $lower, v => 40) }, qr/^error\|0\|\|metapage is cut off at byte 40$/m ],
	[ 'plain', 'entry point', sub { $_->put_meta(entry => V => 0x7FFFFFF0) }, qr/^error\|0\|vertex 2147483632\|entry point is no vertex$/m ],
	[ 'plain', 'entry level', sub { $_->put_meta(entry_level => v => 0) }, qr/entry point is of level \d+, not 0.*note.*vertex of level \d+ is above the entry point, whose level is 0/s ],
	[ 'plain', 'block for new vertices', sub { $_->put_meta(insert_block => V => 9999) }, qr/block 9999, which is to take new vertices, is no slot page/ ],
	[ 'plain', 'block for new items', sub { $_->put_meta(item_block => V => 1) }, qr/block 1, which is to take new items, is no item page/ ],
	[ 'plain', 'page the server refuses', sub { $_->put(2, $upper, v => 9000) }, qr/^error\|2\|\|page cannot be read: invalid page in block 2 of relation/m ],
	[ 'plain', 'kind of page', sub { $_->put(2, $kind, v => 9) }, qr/^error\|2\|\|page is of kind 9$/m ],
	[ 'plain', 'page id', sub { $_->put(2, $page_id, v => 1) }, qr/^error\|2\|\|page has the id 0001, not A22E$/m ],
	[ 'plain', 'special area', sub { $_->put(2, $lower, vvv => 8, 8, 8) }, qr/^error\|2\|\|special area starts at byte 8, not 8176$/m ],
	[ 'plain', 'size of a page', sub { $_->put(2, 18, v => 0x2001) }, qr/^error\|2\|\|page has size 8192 and layout version 1$/m ],
	[ 'plain', 'used bytes', sub { $_->put(2, $lower, v => 60) }, qr/^error\|2\|\|used bytes end at 60, before byte 64$/m ],
	[ 'plain', 'used bytes and slots', sub { $_->put(2, $lower, v => 128) }, qr/^error\|2\|\|used bytes end at 128, but \d+ slots end at \d+$/m ],
	[ 'plain', 'slots', sub { $_->put(2, $nslots, v => 1000) }, qr/^error\|2\|\|page has handed out 1000 slots, but has room for \d+$/m ],
	[ 'plain', 'zeroed page', sub { $_->put(2, 0, a8192 => "\0" x $page_size) }, qr/vertex links to one that does not exist.*note\|2\|\|page was never written/s ],
	[ 'plain', 'file cut short', sub { truncate $_->{file}, 3 * $page_size }, qr/vertex links to one that does not exist: \d+, in layer 0/ ],
	[ 'plain', 'vertex never written', sub { $_->put_vertex(7, version => v => 0) }, qr/\|vertex is not|vertex was never written/ ],
	[ 'plain', 'flags', sub { $_->put_vertex(7, flags => C => 0x80) }, qr/vertex has unknown flags/ ],
	[ 'plain', 'level', sub { $_->put_vertex(7, level => C => 200) }, qr/vertex has a level above the highest one/ ],
	[ 'plain', 'rows of a vertex', sub { $_->put_vertex(7, ntids => C => 5) }, qr/vertex has more rows than its record has room for/ ],
	[ 'plain', 'number of links', sub { $_->put_vertex(7, nlinks => v => 500) }, qr/vertex has more links than its record has room for/ ],
	[ 'plain', 'link to itself', sub { $_->put_link(7, 0, $_->id(7)) }, qr/vertex links to itself: \d+, in layer 0/ ],
	[ 'plain', 'link to nowhere', sub { $_->put_link(7, 0, 2_000_000_000) }, qr/vertex links to one that does not exist: 2000000000, in layer 0/ ],
	[ 'plain', 'link twice', sub { $_->put_link(7, 0, $_->link(7, 1)) }, qr/vertex links twice to the same one: \d+, in layer 0/ ],
	[ 'plain', 'free place in use', sub { $_->put_vertex(7, flags => C => $free) }, qr/place is free, but has rows or links in upper layers/ ],
	[ 'plain', 'link to a free place', sub { $_->put_vertex($_->link(7, 0), version => a64 => pack('vC', 2, $free)) }, qr/vertex links to a free place: \d+, in layer 0/ ],
	[ 'plain', 'pending vertex elsewhere', sub { $_->put_vertex(7, flags => C => $unlinked) }, qr/vertex is pending, but its page is not/ ],
	[ 'plain', 'deleted vertex with rows', sub { $_->put_vertex(7, flags => C => $deleted) }, qr/vertex is deleted, but has rows/ ],
	[ 'plain', 'missing upper links', sub { $_->put_vertex($_->upper_vertex, upper => vvv => 0, 0, 0) }, qr/vertex lacks its links in upper layers/ ],
	[ 'plain', 'upper links nowhere', sub { $_->put_vertex($_->upper_vertex, upper => vvv => 0, 1, 1) }, qr/vertex refers to item \(1,1\), which does not exist/ ],
	[ 'plain', 'upper links shared', sub { $_->share_upper_links }, qr/item \(\d+,\d+\) belongs to vertex \d+ too/ ],
	[ 'plain', 'upper links of another level', sub { $_->put_item(2, v => 30) }, qr/item \(\d+,1\) does not hold links of \d+ upper layers/ ],
	[ 'plain', 'number of upper links', sub { $_->put_item(4, v => 999) }, qr/vertex has 999 links in layer 1, more than the limit of \d+/ ],
	[ 'plain', 'upper link to a lower vertex', sub { $_->put_upper_link($_->lower_vertex) }, qr/vertex links to one that is not in the layer: \d+, in layer 1/ ],
	[ 'plain', 'line pointers', sub { $_->put($_->first_page($item_pages), $contents, V => 0xFFFFFFFF) }, qr/line pointer 1 is no item inside the page/ ],
	[ 'plain', 'overlapping items', sub { my $block = $_->first_page($item_pages); $_->put($block, $contents + 4, V => $_->get($block, $contents, 'V')) }, qr/item 2 overlaps another one/ ],
	[ 'plain', 'kind of item', sub { $_->put_item(0, v => 7) }, qr/^error\|\d+\|vertex \d+\|item \(\d+,1\) is of kind 0007, not 5550$/m ],
	[ 'plain', 'item of the other kind', sub { my $at = $_->list_vertex; $_->put_vertex($at, more_tids => a6 => $_->get_vertex($_->upper_vertex, 'upper', 'a6')) }, qr/item \(\d+,\d+\) is of kind 5550, not 5449/ ],
	[ 'plain', 'cyclic lists', sub { my $at = $_->list_vertex; $_->put_list($at, 14, a6 => $_->get_vertex($at, 'more_tids', 'a6')) }, qr/item \(\d+,\d+\) is list number 1, but follows list number 1$/m, qr/ has item \(\d+,\d+\) out of place/ ],
	[ 'plain', 'list of rows', sub { $_->put_list($_->list_vertex, 12, v => 60000) }, qr/item \(\d+,\d+\) is no list of heap TIDs/ ],
	[ 'plain', 'owner of a list', sub { $_->put_list($_->list_vertex, 4, V => 7) }, qr/^error\|\d+\|vertex \d+\|item \(\d+,\d+\) is a list of vertex 7$/m, qr/ has item \(\d+,\d+\) out of place/ ],
	[ 'plain', 'number of a list', sub { $_->put_list($_->list_vertex, 8, V => 0xFFFFFFFF) }, qr/item \(\d+,\d+\) is list number 4294967295, which is not possible/ ],
	[ 'plain', 'row twice', sub { $_->put_vertex(7, tids => a6 => $_->get_vertex(8, 'tids', 'a6')) }, qr/row \(\d+,\d+\) is in vertex \d+ already/ ],
	[ 'plain', 'invalid TID', sub { $_->put_vertex(7, tids => a6 => "\0" x 6) }, qr/has an invalid heap TID/ ],
	[ 'plain', 'missing row', sub { $_->put_vertex($_->single_vertex, ntids => C => 0) }, qr/^error\|\|row \(\d+,\d+\)\|row is not in the index$/m ],
	[ 'plain', 'NaN', sub { $_->put_value(7, f => 'NaN') }, qr/coordinate 1 of the value is not finite/ ],
	[ 'plain', 'another value', sub { $_->put_value(7, f => 12345) }, qr/^error\|\|row \(\d+,\d+\)\|index has another value for the row than the table$/m ],
	[ 'kl', 'value outside the domain', sub { $_->put_value(7, f => -1) }, qr/coordinate 1 of the value is outside the domain of space "gkl"/ ],
	[ 'cosine', 'norm', sub { $_->put_value(7, x12f => 12345) }, qr/what is stored with the value does not follow from it/ ],
	[ 'large', 'value page shared', sub { $_->put_value(7, V => $_->get_value(8, 'V')) }, qr/value page belongs to vertex \d+ too/ ],
	[ 'large', 'value on no value page', sub { $_->put_value(7, V => 1) }, qr/block 1 holds no piece of \d+ bytes of the value/ ],
	[ 'large', 'value page cut', sub { $_->put($_->first_page($value_pages), $lower, v => 80) }, qr/block \d+ holds no piece of \d+ bytes of the value/ ],
	[ 'large', 'value page free', sub { $_->chain($value_pages, 'free_values') }, qr/value page is in the chain of free values/ ],
	[ 'plain', 'element', sub { $_->put_meta(element => v => 17) }, qr/metapage says values are stored as element 17, which the space does not have/ ],
	[ 'narrow', 'wide value, but none', sub { $_->put_meta(has_wide => v => 0) }, qr/vertex has a value apart from its record, which the metapage rules out/ ],
	[ 'narrow', 'wide value nowhere', sub { $_->put_value($_->wide_vertex, vvv => 0, 1, 1) }, qr/vertex refers to item \(1,1\), which does not exist/ ],
	[ 'narrow', 'wide value of another size', sub { $_->shorten_wide_value }, qr/item \(\d+,\d+\) holds no value of 160 bytes/ ],
	[ 'narrow', 'wide value of another kind', sub { my $at = $_->wide_vertex; $_->put_value($at, a6 => $_->get_vertex($_->upper_vertex, 'upper', 'a6')) }, qr/item \(\d+,\d+\) is of kind 5550, not 5744/ ],
	[ 'narrow', 'narrow value', sub { $_->put_value($_->single_vertex, C => 250) }, qr/index has another value for the row than the table/ ],
	[ 'coded', 'form', sub { $_->put_meta(quantization => v => 0) }, qr/metapage says slots per page is \d+, but it must be \d+/ ],
	[ 'coded', 'size of codes', sub { $_->put_meta(codes => v => 0) }, qr/metapage says size of codes is 0, but it must be 256/ ],
	[ 'coded', 'dimensions of codes', sub { $_->put_meta(code_dim => v => 64) }, qr/metapage says dimensions of codes is 64, but it must be 32/ ],
	[ 'coded', 'code', sub { $_->change_codes(7, 0, 1) }, qr/^error\|\d+\|vertex \d+\|code of link 1, to vertex \d+, is not its$/m ],
	[ 'coded', 'last bit of a code', sub { $_->change_codes(7, 7 * 16 + 2, 8) }, qr/^error\|\d+\|vertex \d+\|code of link 2, to vertex \d+, is not its$/m ],
	[ 'coded', 'first number of a code', sub { $_->change_codes(7, 8 * 16, 1) }, qr/^error\|\d+\|vertex \d+\|code of link 1, to vertex \d+, is not its$/m ],
	[ 'coded', 'second number of a code', sub { $_->change_codes(7, 8 * 16 + 64 + 2, 1) }, qr/^error\|\d+\|vertex \d+\|code of link 2, to vertex \d+, is not its$/m ],
	[ 'coded', 'codes of each other', sub { $_->swap_links(7) }, qr/code of link 1, to vertex \d+, is not its.*code of link 2, to vertex \d+, is not its/s ],
	[ 'coded', 'code without a link', sub { $_->put_vertex(7, coded => V => 0xFFFFFFFF) }, qr/^error\|\d+\|vertex \d+\|vertex has a code of link [2-5], but [1-4] links$/m ],
	[ 'coded', 'code without room', sub { $_->put($_->place_of(7), $upper, v => 8176) }, qr/^error\|\d+\|vertex \d+\|vertex has a code of link 1 of [1-4], but no room for codes$/m ],
	[ 'coded', 'room for part of a code', sub { $_->put($_->place_of(7), $upper, v => 8128 - 100) }, qr/^error\|\d+\|\|used bytes begin again at 8028, where no codes of \d+ slots begin$/m ],
	[ 'plain', 'room for codes', sub { $_->put(2, $upper, v => 8128) }, qr/^error\|2\|\|used bytes begin again at 8128, where no codes of \d+ slots begin$/m ],
	[ 'coded', 'code beyond all links', sub { $_->put_vertex(7, coded => x19C => 0x80) }, qr/^error\|\d+\|vertex \d+\|vertex has a code of link 160, but [1-4] links$/m ],
	[ 'coded', 'code of another value', sub { $_->put_value(7, f => 12345) }, qr/code of link \d+, to vertex \d+, is not its.*index has another value for the row than the table/s ],
	[ 'coded', 'mean of another kind', sub { $_->put_meta(mean_block => V => 1) }, qr/^error\|0\|\|block 1 holds no mean of 32 coordinates$/m, qr/has no mean on block 1/ ],
	[ 'coded', 'mean beyond the file', sub { $_->put_meta(mean_block => V => 9999) }, qr/^error\|0\|\|block 9999 holds no mean of 32 coordinates$/m, qr/refers to block 9999 but has only \d+ blocks/ ],
	[ 'coded', 'mean cut', sub { $_->put($_->first_page($value_pages), $lower, v => 80) }, qr/^error\|0\|\|block \d+ holds no mean of 32 coordinates$/m ],
	[ 'coded', 'mean that is no number', sub { $_->put($_->first_page($value_pages), $first_slot + 4, f => 'NaN') }, qr/^error\|\d+\|\|coordinate 2 of the mean is not finite$/m ],
	[ 'coded', 'mean infinite', sub { $_->put($_->first_page($value_pages), $first_slot + 31 * 4, f => 'Inf') }, qr/^error\|\d+\|\|coordinate 32 of the mean is not finite$/m ],
	[ 'coded', 'another mean', sub { $_->put($_->first_page($value_pages), $first_slot, f => 1000) }, qr/code of link \d+, to vertex \d+, is not its/ ],
	[ 'coded', 'no mean', sub { $_->put_meta(mean_block => V => 0xFFFFFFFF) }, qr/code of link \d+, to vertex \d+, is not its/ ],
	[ 'plain', 'chain to another kind', sub { $_->put_meta(free_slots => V => $_->first_page($item_pages)) }, qr/chain of free slots leads to block \d+, which is not such a page/ ],
	[ 'plain', 'chain of unmarked pages', sub { $_->put_meta(free_slots => V => 2) }, qr/page is in the chain of free slots but not marked as chained/ ],
	[ 'plain', 'circular chain', sub { $_->chain($slot_pages, 'free_slots'); $_->put(1, $next, V => 1) }, qr/chain of free slots comes back to this page/ ],
	[ 'plain', 'page in two chains', sub { $_->chain($slot_pages, 'free_slots'); $_->chain($slot_pages, 'pending') }, qr/page is in the chain of free slots and in another one/ ],
	[ 'plain', 'pending chain without end', sub { $_->chain($slot_pages, 'pending') }, qr/chain of pending vertices does not end at block \d+, which takes new ones/ ],
	[ 'plain', 'number of the head', sub { $_->put_meta(pending_ordinal => V => 17) }, qr/^error\|\d+\|\|page is number 1 of the pending chain, where number 17 is due$/m ],
	[ 'plain', 'number outside the chain', sub { $_->put(1, $ordinal, V => 5) }, qr/^error\|1\|\|page is number 5 of the pending chain, but is not in it$/m ],
	[ 'plain', 'two tails', sub { $_->put(1, $page_flags, v => 2) }, qr/^error\|1\|\|page is marked as the tail, but block \d+ takes new vertices$/m ],
	[ 'plain', 'no tail', sub { $_->put($_->get_meta(insert_block => 'V'), $page_flags, v => 1) }, qr/page takes new vertices, but is not marked as the tail/ ],
	[ 'plain', 'deleted vertex unknown', sub { $_->delete_vertex(0, 3) }, qr/note\|\d+\|vertex \d+\|vertex is deleted, but metapage says none is/ ],
	[ 'plain', 'vertex deleted before any', sub { $_->delete_vertex(5, 3) }, qr/note\|\d+\|vertex \d+\|vertex was deleted in transaction 3, but metapage says none was before 5/ ],
	[ 'plain', 'vertex deleted in future', sub { $_->delete_vertex(3, 1 << 40) }, qr/note\|\d+\|vertex \d+\|vertex was deleted in transaction 1099511627776, which is to come/ ],
	[ 'plain', 'anchor', sub { $_->break_anchor(7) }, qr/note\|\d+\|vertex \d+\|vertex has vertex \d+ as its anchor, which does not link to it/ ],
	[ 'plain', 'page marked as chained', sub { $_->put(1, $page_flags, v => 1) }, qr/^error\|1\|\|page is marked as chained, but is in no chain$/m ],
	[ 'plain', 'item not used', sub { $_->put_vertex($_->upper_vertex, level => C => 0); $_->put_vertex($_->upper_vertex, upper => a6 => "\0" x 6) }, qr/note\|\d+\|item \(\d+,\d+\)\|item is not used/ ],
	[ 'plain', 'vertex without links to it', sub { $_->put_every_link($_->id(7)) }, qr/note\|\d+\|vertex \d+\|vertex cannot be reached from the entry point in layer 0/ ],
);

test_damage('hnsw', class => 'HnswFile', tables => \%tables, cases => \@cases, options => 'm = 2');
done_testing();

# The file of an hnsw index
package HnswFile;

use DamagedIndex;
use parent -norequire, 'IndexFile';

sub new
{
	my ($class, @rest) = @_;
	my $self = IndexFile::new($class, @rest, %meta);

	$self->{$_} = $self->get(0, $contents + $meta{$_}, 'v') foreach qw(m slot_size slots_per_page links value codes);
	return $self;
}

# Number n counts the vertices of the index; id() makes it a vertex id, which all others take too.
sub id
{
	my ($self, $n) = @_;

	return $n >= $self->{slots_per_page} ? $n : $self->{slots_per_page} + $n;
}

sub place
{
	my ($self, $n) = @_;
	my $id = $self->id($n);

	return (int($id / $self->{slots_per_page}), $first_slot + $id % $self->{slots_per_page} * $self->{slot_size});
}

# The block of vertex number n
sub place_of
{
	my ($self, $n) = @_;

	return ($self->place($n))[0];
}

sub put_vertex
{
	my ($self, $n, $field, @rest) = @_;
	my ($block, $offset) = $self->place($n);

	return $self->put($block, $offset + $vertex{$field}, @rest);
}

sub get_vertex
{
	my ($self, $n, $field, $format) = @_;
	my ($block, $offset) = $self->place($n);

	return $self->get($block, $offset + $vertex{$field}, $format);
}

sub link
{
	my ($self, $n, $i) = @_;
	my ($block, $offset) = $self->place($n);

	return $self->get($block, $offset + $self->{links} + 4 * $i, 'V');
}

sub put_link
{
	my ($self, $n, $i, $target) = @_;
	my ($block, $offset) = $self->place($n);

	return $self->put($block, $offset + $self->{links} + 4 * $i, V => $target);
}

# Exchanges the first two links of a vertex, and leaves their codes where they are.
sub swap_links
{
	my ($self, $n) = @_;
	my @links = map { $self->link($n, $_) } 0, 1;

	$self->put_link($n, $_, $links[ 1 - $_ ]) foreach 0, 1;
	return;
}

# Inverts some bits of a byte of the codes of a vertex.
sub change_codes
{
	my ($self, $n, $byte, $bits) = @_;
	my ($block, $offset) = $self->place($n);

	$offset = $first_slot + $slots_size - ($n % $self->{slots_per_page} + 1) * $self->{codes} + $byte;
	return $self->put($block, $offset, C => $self->get($block, $offset, 'C') ^ $bits);
}

sub put_value
{
	my ($self, $n, @rest) = @_;
	my ($block, $offset) = $self->place($n);

	return $self->put($block, $offset + $self->{value}, @rest);
}

sub get_value
{
	my ($self, $n, $format) = @_;
	my ($block, $offset) = $self->place($n);

	return $self->get($block, $offset + $self->{value}, $format);
}

# The first vertex for which the test holds
sub find_vertex
{
	my ($self, $test) = @_;

	foreach my $block (1 .. $self->{pages} - 1)
	{
		next if $self->get($block, $kind, 'v') != $slot_pages;
		foreach my $slot (0 .. $self->get($block, $nslots, 'v') - 1)
		{
			my $id = $block * $self->{slots_per_page} + $slot;

			return $id if $test->($id);
		}
	}
	die "no such vertex in $self->{name}";
}

sub upper_vertex { my $self = shift; return $self->find_vertex(sub { $self->get_vertex($_[0], 'level', 'C') == 1 }); }
sub lower_vertex { my $self = shift; return $self->find_vertex(sub { $self->get_vertex($_[0], 'level', 'C') == 0 }); }
sub single_vertex { my $self = shift; return $self->find_vertex(sub { $self->get_vertex($_[0], 'ntids', 'C') == 1 }); }
sub wide_vertex { my $self = shift; return $self->find_vertex(sub { $self->get_vertex($_[0], 'flags', 'C') & $wide }); }
sub list_vertex { my $self = shift; return $self->find_vertex(sub { $self->get_vertex($_[0], 'more_tids', 'x4v') > 0 }); }

sub share_upper_links
{
	my $self = shift;
	my $first = $self->upper_vertex;
	my $second = $self->find_vertex(sub { $_[0] > $first && $self->get_vertex($_[0], 'level', 'C') == 1 });

	return $self->put_vertex($second, upper => a6 => $self->get_vertex($first, 'upper', 'a6'));
}

# Offset in its page of the item that a TID in a vertex record leads to, and its block
sub item
{
	my ($self, $n, $field) = @_;
	my ($high, $low, $number) = $self->get_vertex($n, $field, 'vvv');
	my $block = ($high << 16) + $low;

	return ($block, $self->get($block, $contents + 4 * ($number - 1), 'V') & 0x7FFF);
}

# Into the first item of the first item page, the upper links of the topmost vertex
sub put_item
{
	my ($self, $offset, @rest) = @_;
	my $block = $self->first_page($item_pages);
	my $item = $self->get($block, $contents, 'V') & 0x7FFF;

	return $self->put($block, $item + $offset, @rest);
}

sub put_upper_link
{
	my ($self, $target) = @_;
	my ($block, $item) = $self->item($self->upper_vertex, 'upper');

	$self->put($block, $item + 4, v => 1);
	return $self->put($block, $item + 8, V => $target);
}

sub put_list
{
	my ($self, $n, $offset, @rest) = @_;
	my ($block, $item) = $self->item($n, 'more_tids');

	return $self->put($block, $item + $offset, @rest);
}

# Takes eight bytes off the length of an item with a wide value.
sub shorten_wide_value
{
	my $self = shift;
	my ($high, $low, $number) = $self->get_value($self->wide_vertex, 'vvv');
	my ($block, $pointer) = (($high << 16) + $low, $contents + 4 * ($number - 1));

	return $self->put($block, $pointer, V => $self->get($block, $pointer, 'V') - (8 << 17));
}

# Makes the first page of a kind the only one of a chain.
sub chain
{
	my ($self, $kind_of_page, $head) = @_;
	my $block = $self->first_page($kind_of_page);

	$self->put_meta($head => V => $block);
	return $self->put($block, $page_flags, v => 1);
}

# Marks a vertex deleted in some transaction, with another in the metapage.
sub delete_vertex
{
	my ($self, $since, $xid) = @_;
	my $vertex = $self->single_vertex;

	$self->put_meta(deleted_since => 'Q<' => $since);
	$self->put_vertex($vertex, flags => C => $deleted);
	$self->put_vertex($vertex, ntids => C => 0);
	return $self->put_vertex($vertex, tids => 'Q<' => $xid);
}

# Takes the link back to a vertex away from its anchor.
sub break_anchor
{
	my ($self, $n) = @_;
	my $anchor = $self->link($n, 0);

	foreach my $i (0 .. $self->get_vertex($anchor, 'nlinks', 'v') - 1)
	{
		$self->put_link($anchor, $i, 2_000_000_000) if $self->link($anchor, $i) == $self->id($n);
	}
	return;
}

# Takes every link to a vertex away: the last one of the list goes in its place.
sub put_every_link
{
	my ($self, $target) = @_;

	foreach my $block (1 .. $self->{pages} - 1)
	{
		next if $self->get($block, $kind, 'v') != $slot_pages;
		foreach my $slot (0 .. $self->get($block, $nslots, 'v') - 1)
		{
			my $id = $block * $self->{slots_per_page} + $slot;
			my $n = $self->get_vertex($id, 'nlinks', 'v');

			foreach my $i (0 .. $n - 1)
			{
				next if $self->link($id, $i) != $target;
				$self->put_link($id, $i, $self->link($id, $n - 1));
				$self->put_vertex($id, nlinks => v => $n - 1);
				last;
			}
		}
	}
	return;
}
