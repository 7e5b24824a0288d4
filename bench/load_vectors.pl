#!/usr/bin/perl
#
# load_vectors.pl: vector files to COPY ... (FORMAT binary) on standard output.
#
#   load_vectors.pl [--rows N] FILE | psql -c '\copy items FROM STDIN (FORMAT binary)'
#   load_vectors.pl --dim FILE          prints the dimension only
#
# FILE, each also with .gz:
#   .fvecs .bvecs    -> (id int4, v vector)         float32 or uint8 components
#   .ivecs           -> (query_id int4, neighbours int4[])
#   IDX (MNIST)      -> (id int4, v vector)         known by its magic number
# Ids count from 0.  A vector travels as int16 dimension, int16 zero, float4 each,
# big-endian.  Only core Perl.

use strict;
use warnings;

# IDX element type => [bytes, unpack letter]; IDX is big-endian.
my %IDX_TYPES = (
	0x08 => [ 1, 'C' ],
	0x09 => [ 1, 'c' ],
	0x0B => [ 2, 's>' ],
	0x0C => [ 4, 'l>' ],
	0x0D => [ 4, 'f>' ],
	0x0E => [ 8, 'd>' ]);

# Largest dimension the type holds; also what tells a damaged file.
my $MAX_DIM = 16000;
my $MAX_NEIGHBOURS = 100_000;

my $INT4_OID = 23;
my $READ_BYTES = 1 << 20;

my ($rows, $dim_only) = (undef, 0);
while (@ARGV && $ARGV[0] =~ /^--/)
{
	my $option = shift @ARGV;
	if ($option eq '--rows') { $rows = shift @ARGV; }
	elsif ($option eq '--dim') { $dim_only = 1; }
	else { die "load_vectors.pl: unknown option $option\n"; }
}
my $file = shift @ARGV;
die "usage: load_vectors.pl [--rows N] [--dim] FILE\n" unless defined $file && !@ARGV;

my $in = open_file($file);
my ($name) = $file =~ m{([^/]*)$};
$name =~ s/\.gz$//;
if ($name =~ /\.([fbi])vecs$/) { load_vecs($1); }
else { load_idx(); }
exit 0;

# Opens a plain or gzip-compressed file for reading bytes.
sub open_file
{
	my ($path) = @_;
	my $handle;

	die "load_vectors.pl: no such file: $path\n" unless -r $path;
	if ($path =~ /\.gz$/)
	{
		open($handle, '-|', 'gzip', '-dc', $path) or die "load_vectors.pl: gzip: $!\n";
	}
	else
	{
		open($handle, '<', $path) or die "load_vectors.pl: $path: $!\n";
	}
	binmode $handle;
	return $handle;
}

# read_rows($bytes, $callback): hands over whole rows of $bytes, many at a time, until
# the end of the file or --rows.
sub read_rows
{
	my ($bytes, $callback) = @_;
	my $id = 0;
	my $at_once = int($READ_BYTES / $bytes) || 1;

	binmode STDOUT;
	print "PGCOPY\n\377\r\n\0", pack('NN', 0, 0);
	while (!defined $rows || $id < $rows)
	{
		my $want = defined $rows && $rows - $id < $at_once ? $rows - $id : $at_once;
		my $got = read($in, my $buffer, $want * $bytes);
		die "load_vectors.pl: $file: $!\n" unless defined $got;
		if ($got == 0)
		{
			close $in or die "load_vectors.pl: $file is damaged\n";
			last;
		}
		die "load_vectors.pl: $file ends in the middle of row "
		  . ($id + int($got / $bytes)) . "\n"
		  if $got % $bytes != 0;
		my $n = $got / $bytes;
		print $callback->($id, $n, $buffer);
		$id += $n;
	}
	print pack('n', 0xFFFF);
	die "load_vectors.pl: $file holds no rows\n" if $id == 0;
	close STDOUT or die "load_vectors.pl: write: $!\n";
	return;
}

# TEXMEX formats: each row is a little-endian int32 count and that many components.
sub load_vecs
{
	my ($type) = @_;
	my $head = peek(4);
	my $count = unpack('V', $head);
	my $limit = $type eq 'i' ? $MAX_NEIGHBOURS : $MAX_DIM;

	die "load_vectors.pl: $file: $count components in the first row, 1 to $limit expected\n"
	  if $count < 1 || $count > $limit;
	return print "$count\n" if $dim_only;

	my $bytes = 4 + $count * ($type eq 'b' ? 1 : 4);
	my $unpack = $type eq 'b' ? "C$count" : "V$count";
	my $pack = $type eq 'b' ? "f>$count" : "N$count";

	read_rows($bytes, sub {
		my ($id, $n, $buffer) = @_;
		my $out = '';
		for my $i (0 .. $n - 1)
		{
			my ($own_count, @values) = unpack("V$unpack", substr($buffer, $i * $bytes, $bytes));
			die "load_vectors.pl: $file: row " . ($id + $i) . " has $own_count components, not $count\n"
			  if $own_count != $count;
			$out .= $type eq 'i'
			  ? array_row($id + $i, $count, \@values)
			  : vector_head($id + $i, $count) . pack($pack, @values);
		}
		return $out;
	});
	return;
}

# IDX: two zero bytes, element type, number of dimensions, the dimensions.
sub load_idx
{
	my $head = peek(4);
	my ($zero, $type, $axes) = unpack('nCC', $head);

	die "load_vectors.pl: $file is neither .fvecs, .bvecs, .ivecs nor IDX\n"
	  if length($head) < 4 || $zero != 0 || !$IDX_TYPES{$type} || $axes < 1;
	read($in, my $skip, 4);
	read($in, my $sizes, 4 * $axes) == 4 * $axes or die "load_vectors.pl: $file is cut short\n";
	my (undef, @axes) = unpack('N*', $sizes);
	my $dim = 1;
	$dim *= $_ for @axes;
	die "load_vectors.pl: $file: $dim components a row, 1 to $MAX_DIM expected\n"
	  if $dim < 1 || $dim > $MAX_DIM;
	return print "$dim\n" if $dim_only;

	my ($size, $letter) = @{ $IDX_TYPES{$type} };
	my $bytes = $size * $dim;
	read_rows($bytes, sub {
		my ($id, $n, $buffer) = @_;
		my $out = '';
		for my $i (0 .. $n - 1)
		{
			$out .= vector_head($id + $i, $dim)
			  . pack("f>$dim", unpack("($letter)$dim", substr($buffer, $i * $bytes, $bytes)));
		}
		return $out;
	});
	return;
}

# The next bytes of the input without taking them: for a pipe they are read and the
# stream is opened anew.
sub peek
{
	my ($bytes) = @_;

	read($in, my $head, $bytes);
	die "load_vectors.pl: $file is empty\n" if length($head) < $bytes;
	close $in;
	$in = open_file($file);
	return $head;
}

# COPY row (int4, vector) up to the vector's components.
sub vector_head
{
	my ($id, $dim) = @_;

	return pack('nNNNnn', 2, 4, $id, 4 + 4 * $dim, $dim, 0);
}

# COPY row (int4, int4[]).
sub array_row
{
	my ($id, $count, $values) = @_;

	return pack('nNNN', 2, 4, $id, 20 + 8 * $count)
	  . pack('NNNNN', 1, 0, $INT4_OID, $count, 1)
	  . pack('N*', map { (4, $_) } @$values);
}
