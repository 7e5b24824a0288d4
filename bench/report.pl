#!/usr/bin/perl
#
# report.pl: the measurements of compare.sh as a Markdown block on standard output.
#
#   report.pl --title T --line L ... --curves PREFIX results.tsv
#
# results.tsv has lines (tab-separated):
#   build   side  seconds  index MB
#   recall  side  ef       recall
#   speed   side  ef or round_trip  queries/s      one line a slice
# Writes PREFIX.SIDE.tsv (ef, recall, median queries/s) for the picture.

use strict;
use warnings;

my @RECALL_LEVELS = (0.90, 0.95, 0.99);

my ($title, $curves, @lines, %build, %recall, %speed, @sides, @efs);
while (@ARGV > 1)
{
	my ($option, $value) = (shift @ARGV, shift @ARGV);
	if ($option eq '--title') { $title = $value; }
	elsif ($option eq '--line') { push @lines, $value; }
	elsif ($option eq '--curves') { $curves = $value; }
	else { die "report.pl: unknown option $option\n"; }
}
read_results($ARGV[0]);
write_curves();
print_head();
print_settings();
print_levels();
exit 0;

sub read_results
{
	my ($path) = @_;

	open(my $in, '<', $path) or die "report.pl: $path: $!\n";
	while (my $row = <$in>)
	{
		chomp $row;
		my ($kind, $side, $key, $value) = split /\t/, $row;
		if ($kind eq 'build') { $build{$side} = [ $key, $value ]; push @sides, $side; }
		elsif ($kind eq 'recall')
		{
			push @efs, $key unless grep { $_ == $key } @efs;
			$recall{$side}{$key} = $value;
		}
		else { push @{ $speed{$side}{$key} }, $value; }
	}
	close $in;
	return;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $middle = int(@sorted / 2);

	return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

sub write_curves
{
	for my $side (@sides)
	{
		open(my $out, '>', "$curves.$side.tsv") or die "report.pl: $curves.$side.tsv: $!\n";
		printf $out "%d\t%.4f\t%.1f\n", $_, $recall{$side}{$_}, median(@{ $speed{$side}{$_} }) for @efs;
		close $out;
	}
	return;
}

sub print_head
{
	print "## $title\n\n";
	print "- $_\n" for @lines;
	print "\n| | ", join(' | ', @sides), (@sides > 1 ? ' | ratio' : ''), " |\n";
	print '| --- |', ' ---: |' x (@sides + (@sides > 1)), "\n";
	print_row('build, s', [ map { $build{$_}[0] } @sides ], 1);
	print_row('index, MB', [ map { $build{$_}[1] } @sides ], 1);
	print_row('empty round trip, queries/s', [ map { round_off(median(@{ $speed{$_}{round_trip} })) } @sides ], 0);
	return;
}

# print_row(label, values, smaller_is_better): with two sides, how many times the first
# is better than the second.
sub print_row
{
	my ($label, $values, $smaller) = @_;
	my ($ours, $peer) = @$values;
	my $ratio = '';

	if (@$values > 1)
	{
		my ($better, $worse) = $smaller ? ($peer, $ours) : ($ours, $peer);
		$ratio = $better =~ /^[0-9.]+$/ && $worse =~ /^[0-9.]+$/ && $worse > 0
		  ? sprintf(' | %.2fx', $better / $worse) : ' | -';
	}
	print "| $label | ", join(' | ', @$values), "$ratio |\n";
	return;
}

sub print_settings
{
	print "\n| ef_search | ", join(' | ', (map { "recall $_" } @sides), (map { "queries/s $_" } @sides)), " |\n";
	print '| ---: |', ' ---: |' x (2 * @sides), "\n";
	for my $ef (@efs)
	{
		my @cells = map { $recall{$_}{$ef} } @sides;
		for my $side (@sides)
		{
			my @slices = sort { $a <=> $b } @{ $speed{$side}{$ef} };
			push @cells, sprintf('%s (%s-%s)', map { round_off($_) } median(@slices), $slices[0], $slices[-1]);
		}
		print "| $ef | ", join(' | ', @cells), " |\n";
	}
	return;
}

sub print_levels
{
	print "\n| queries/s at | ", join(' | ', @sides), (@sides > 1 ? ' | ratio' : ''), " |\n";
	print '| --- |', ' ---: |' x (@sides + (@sides > 1)), "\n";
	for my $level (@RECALL_LEVELS)
	{
		print_row(sprintf('recall %.2f', $level), [ map { speed_at($_, $level) } @sides ], 0);
	}
	print "\nBetween settings: straight lines in (recall, logarithm of queries/s); the best one where several ",
	  "reach the recall. \">\": the least setting measured is already above that recall.\n";
	return;
}

# Queries/s of a side at a recall: the best of the lines between neighbouring settings
# that cross it.
sub speed_at
{
	my ($side, $level) = @_;
	my @points = map { [ $recall{$side}{$_}, log(median(@{ $speed{$side}{$_} })) ] } @efs;
	my $best;

	return '> ' . round_off(exp $points[0][1]) if $points[0][0] > $level;
	for my $i (0 .. $#points - 1)
	{
		my ($low, $high) = @points[ $i, $i + 1 ];
		next unless $low->[0] <= $level && $high->[0] >= $level;
		my $share = $high->[0] > $low->[0] ? ($level - $low->[0]) / ($high->[0] - $low->[0]) : 0;
		my $speed = $low->[1] + $share * ($high->[1] - $low->[1]);
		$best = $speed if !defined $best || $speed > $best;
	}
	return defined $best ? round_off(exp $best) : 'not reached';
}

sub round_off
{
	my ($value) = @_;

	return sprintf($value < 100 ? '%.1f' : '%.0f', $value);
}
