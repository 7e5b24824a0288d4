#!/usr/bin/perl
#
# generate_vectors.pl: a made-up data set with the structure real ones have, as
# COPY ... (FORMAT binary) of (id int4, v vector) on standard output.
#
#   generate_vectors.pl [--rows 100000] [--dim 128] [--seed 1] [--clusters 100] [--shape clusters]
#
# With --shape uniform every component is a number of its own between 0 and 1.
# Else each cluster is a branching walk: a new row starts from an earlier row of
# its cluster and takes a few Gaussian steps along directions of the cluster's own
# low-dimensional plane, plus a little noise in every component.  So there are
# clusters of different sizes, groups inside groups, and an intrinsic dimension
# far below the number of components.  Queries are rows like any other: hold out
# the last ones.  The same options give the same bytes on every machine.

use strict;
use warnings;

my %option = (rows => 100_000, dim => 128, seed => 1, clusters => 100, shape => 'clusters');
while (@ARGV)
{
	my ($name, $value) = (shift @ARGV, shift @ARGV);
	$name =~ s/^--//;
	die "generate_vectors.pl: unknown option $name\n" unless exists $option{$name};
	die "generate_vectors.pl: shape must be clusters or uniform\n"
	  if $name eq 'shape' && $value !~ /^(clusters|uniform)$/;
	die "generate_vectors.pl: $name must be a positive number\n"
	  unless $name eq 'shape' || defined $value && $value =~ /^[1-9][0-9]*$/;
	$option{$name} = $value;
}
my ($rows, $dim) = @option{qw(rows dim)};

# Intrinsic dimension of a cluster, directions in its plane, and sizes of the parts.
my $PLANE_DIMENSION = 12;
my $DIRECTIONS = 64;
my $NOISE_VECTORS = 997;
my $PARENTS_KEPT = 300;    # rows of a cluster a new one may start from; bounds the memory
my $CENTRE_LENGTH = 6;
my $STEP = 0.5;
my $NOISE = 0.05;

srand($option{seed});
my @noise = map { gaussian_vector($NOISE) } 1 .. $NOISE_VECTORS;
my @clusters = map { new_cluster() } 1 .. $option{clusters};

binmode STDOUT;
print "PGCOPY\n\377\r\n\0", pack('NN', 0, 0);
for my $id (0 .. $rows - 1)
{
	my @row = $option{shape} eq 'uniform' ? map { rand() } 1 .. $dim : @{ next_row(any_cluster()) };

	print pack('nNNNnn', 2, 4, $id, 4 + 4 * $dim, $dim, 0), pack("f>$dim", @row);
}
print pack('n', 0xFFFF);
close STDOUT or die "generate_vectors.pl: write: $!\n";
exit 0;

# Squaring makes the first clusters many times larger than the last.
sub any_cluster
{
	return $clusters[ int(rand() ** 2 * @clusters) ];
}

# A standard normal number (Box and Muller).
sub gaussian
{
	return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand());
}

sub gaussian_vector
{
	my ($scale) = @_;

	return [ map { $scale * gaussian() } 1 .. $dim ];
}

# Centre and the directions of the plane: Gaussian mixtures of an orthogonal-enough
# basis, each about $STEP long.
sub new_cluster
{
	my $length = $STEP / sqrt($dim);
	my @basis = map { gaussian_vector($length) } 1 .. $PLANE_DIMENSION;
	my @directions;

	for (1 .. $DIRECTIONS)
	{
		my @mix = map { gaussian() } @basis;
		my @direction = (0) x $dim;
		for my $b (0 .. $#basis)
		{
			my ($weight, $axis) = ($mix[$b], $basis[$b]);
			$direction[$_] += $weight * $axis->[$_] for 0 .. $dim - 1;
		}
		push @directions, \@direction;
	}
	return { rows => [ gaussian_vector($CENTRE_LENGTH / sqrt($dim)) ], directions => \@directions };
}

sub next_row
{
	my ($cluster) = @_;
	my $seen = $cluster->{rows};
	my $parent = $seen->[ rand @$seen ];
	my $directions = $cluster->{directions};
	my ($first, $second) = ($directions->[ rand @$directions ], $directions->[ rand @$directions ]);
	my ($by_first, $by_second) = (gaussian(), gaussian());
	my $noise = $noise[ rand @noise ];
	my @row = map {
		$parent->[$_] + $by_first * $first->[$_] + $by_second * $second->[$_] + $noise->[$_]
	} 0 .. $dim - 1;

	if (@$seen < $PARENTS_KEPT) { push @$seen, \@row; }
	else { $seen->[ rand @$seen ] = \@row; }
	return \@row;
}
