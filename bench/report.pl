#!/usr/bin/perl
#
# report.pl: the measurements of compare.sh as a Markdown block on standard output.
#
#   report.pl --title T --curves PREFIX results.tsv < lines about the run
#
# results.tsv has lines (tab-separated):
#   side    side  label                            in the order of the tables; the first is ours
#   build   side  seconds  index MB
#   recall  side  ef       recall
#   speed   side  clients  ef or round_trip  queries/s      one line a slice, in order of rounds
#   cost    side  ef       name  value             what a search costs in the server, a line a round
#   load    processors others used  times measured again  "disturbed" or nothing     a line a slice
# Writes PREFIX.SIDE.CLIENTS.tsv (ef, recall, median queries/s) for the pictures.

use strict;
use warnings;

my @RECALL_LEVELS = (0.90, 0.95, 0.98, 0.99);
my $TIME = 'microseconds';

my ($title, $curves, %label, %build, %recall, %speed, %cost, @load, @sides, @efs, @clients);
while (@ARGV > 1)
{
	my ($option, $value) = (shift @ARGV, shift @ARGV);
	if ($option eq '--title') { $title = $value; }
	elsif ($option eq '--curves') { $curves = $value; }
	else { die "report.pl: unknown option $option\n"; }
}
read_results($ARGV[0]);
my ($ours, @peers) = @sides;
print "## $title\n\n";
print "- $_" for <STDIN>;
print_load();
print_head();
if (@clients) { print_speeds(); }
else { print_recall(); }
exit 0;

sub read_results
{
	my ($path) = @_;

	open(my $in, '<', $path) or die "report.pl: $path: $!\n";
	while (my $row = <$in>)
	{
		chomp $row;
		my ($kind, @cells) = split /\t/, $row;
		if ($kind eq 'side') { push @sides, $cells[0]; $label{ $cells[0] } = $cells[1]; }
		elsif ($kind eq 'build') { $build{ $cells[0] } = [ @cells[ 1, 2 ] ]; }
		elsif ($kind eq 'recall')
		{
			push_new(\@efs, $cells[1]);
			$recall{ $cells[0] }{ $cells[1] } = $cells[2];
		}
		elsif ($kind eq 'speed')
		{
			push_new(\@clients, $cells[1]);
			push @{ $speed{ $cells[0] }{ $cells[1] }{ $cells[2] } }, $cells[3];
		}
		elsif ($kind eq 'cost') { push @{ $cost{ $cells[0] }{ $cells[2] }{ $cells[1] } }, $cells[3]; }
		elsif ($kind eq 'load') { push @load, \@cells; }
		else { die "report.pl: $path: unknown line $row\n"; }
	}
	close $in;
	return;
}

sub push_new
{
	my ($list, $value) = @_;

	push @$list, $value unless grep { $_ == $value } @$list;
	return;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $middle = int(@sorted / 2);

	return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

# "median (least-most)" of numbers, each formatted by $format->().
sub spread
{
	my ($format, @values) = @_;
	my @sorted = sort { $a <=> $b } @values;

	return sprintf('%s (%s-%s)', map { $format->($_) } median(@values), @sorted[ 0, -1 ]);
}

sub round_off
{
	my ($value) = @_;

	return sprintf($value < 100 ? '%.1f' : '%.0f', $value);
}

sub plural
{
	my ($clients) = @_;

	return $clients == 1 ? '1 client' : "$clients clients";
}

sub print_table_head
{
	my @cells = @_;

	print "\n| ", join(' | ', @cells), " |\n| ", join(' | ', '---', ('---:') x $#cells), " |\n";
	return;
}

sub print_row
{
	print '| ', join(' | ', @_), " |\n";
	return;
}

sub write_curves
{
	my ($clients) = @_;

	for my $side (@sides)
	{
		my $path = "$curves.$side.$clients.tsv";
		open(my $out, '>', $path) or die "report.pl: $path: $!\n";
		printf $out "%d\t%.4f\t%.1f\n", $_, $recall{$side}{$_}, median(@{ $speed{$side}{$clients}{$_} }) for @efs;
		close $out;
	}
	return;
}

# Other load on the machine, as far as it is known.
sub print_load
{
	my @known = grep { $_->[0] ne '' } @load;
	return unless @known;
	my @others = map { $_->[0] } @known;
	my ($total, $again, $disturbed) = (0, 0, 0);

	for my $slice (@known)
	{
		$total += $slice->[0];
		$again += $slice->[1];
		$disturbed++ if defined $slice->[2] && $slice->[2] ne '';
	}
	printf "- others used %.2f processors on average over %d slices, %.2f at most; measured again %d times; "
	  . "%d slices disturbed all the same\n", $total / @known, scalar @known,
	  (sort { $a <=> $b } @others)[-1], $again, $disturbed;
	return;
}

sub print_head
{
	print_table_head('', (map { $label{$_} } @sides), map { "against $label{$_}" } @peers);
	print_comparison('build, s', sub { $build{ $_[0] }[0] });
	print_comparison('index, MB', sub { $build{ $_[0] }[1] });
	for my $clients (@clients)
	{
		my @speeds = map { $speed{$_}{$clients}{round_trip} } @sides;
		print_row('empty round trip, queries/s, ' . plural($clients),
			(map { $_ ? round_off(median(@$_)) : '-' } @speeds),
			(map { $_ ? sprintf('%.2fx', median(@{ $speeds[0] }) / median(@$_)) : '-' } @speeds[ 1 .. $#speeds ]));
	}
	return;
}

# A row of values of which the smaller is the better: how many times ours is better.
sub print_comparison
{
	my ($name, $value_of) = @_;
	my $own = $value_of->($ours);

	print_row($name, (map { $value_of->($_) } @sides),
		map { $own > 0 ? sprintf('%.2fx', $value_of->($_) / $own) : '-' } @peers);
	return;
}

sub print_speeds
{
	for my $clients (@clients)
	{
		write_curves($clients);
		print_settings($clients);
		print_levels($clients, 'queries/s, ' . plural($clients) . ', at');
	}
	print "\nBetween settings: straight lines in (recall, logarithm of queries/s); the best one where several ",
	  "reach the recall. \">\": the least setting measured is already above that recall.",
	  (@peers ? ' Ratios: median (least-most) of the ratios of the rounds.' : ''), "\n";
	print_costs();
	return;
}

# Without any round of slices.
sub print_recall
{
	print_table_head('ef_search', map { "recall $label{$_}" } @sides);
	for my $ef (@efs)
	{
		print_row($ef, map { $recall{$_}{$ef} } @sides);
	}
	return;
}

sub print_settings
{
	my ($clients) = @_;

	print_table_head('ef_search, ' . plural($clients),
		(map { "recall $label{$_}" } @sides), (map { "queries/s $label{$_}" } @sides));
	for my $ef (@efs)
	{
		print_row($ef, (map { $recall{$_}{$ef} } @sides),
			map { spread(\&round_off, @{ $speed{$_}{$clients}{$ef} }) } @sides);
	}
	return;
}

# print_levels(CLIENTS, NAME): the sides at equal recall.
sub print_levels
{
	my ($clients, $name) = @_;

	print_table_head($name, (map { $label{$_} } @sides),
		map { "against $label{$_}" } @peers);
	for my $level (@RECALL_LEVELS)
	{
		print_row(sprintf('recall %.2f', $level), (map { speed_cell($_, $clients, $level) } @sides),
			map { ratio_cell($_, $clients, $level) } @peers);
	}
	return;
}

sub speed_cell
{
	my ($side, $clients, $level) = @_;
	my $first = $efs[0];
	my $speed = speed_at($side, $level, sub { median(@{ $speed{$side}{$clients}{ $_[0] } }) });

	return round_off($speed) if defined $speed;
	return $recall{$side}{$first} > $level ? '> ' . round_off(median(@{ $speed{$side}{$clients}{$first} })) : 'not reached';
}

# Ours against a peer, from each round's slices alone.
sub ratio_cell
{
	my ($peer, $clients, $level) = @_;
	my @ratios;

	for my $round (0 .. $#{ $speed{$ours}{$clients}{ $efs[0] } })
	{
		my ($own, $other) = map {
			my $side = $_;
			speed_at($side, $level, sub { $speed{$side}{$clients}{ $_[0] }[$round] })
		} $ours, $peer;
		return '-' unless defined $own && defined $other;
		push @ratios, $own / $other;
	}
	return sprintf('%.2fx (%.2f-%.2f)', median(@ratios), (sort { $a <=> $b } @ratios)[ 0, -1 ]);
}

# Queries/s of a side at a recall: the best of the lines between neighbouring settings
# that cross it, or nothing; $speed_of->($ef) is what was measured.
sub speed_at
{
	my ($side, $level, $speed_of) = @_;
	my @points = map { [ $recall{$side}{$_}, log($speed_of->($_)) ] } @efs;
	my $best;

	return if $points[0][0] > $level;
	for my $i (0 .. $#points - 1)
	{
		my ($low, $high) = @points[ $i, $i + 1 ];
		next unless $low->[0] <= $level && $high->[0] >= $level;
		my $share = $high->[0] > $low->[0] ? ($level - $low->[0]) / ($high->[0] - $low->[0]) : 0;
		my $speed = $low->[1] + $share * ($high->[1] - $low->[1]);
		$best = $speed if !defined $best || $speed > $best;
	}
	return defined $best ? exp $best : undef;
}

# Inside the server: time, the counters that are not the same at every setting, and the
# sides at equal recall (a library is always inside: its speed with one client).
sub print_costs
{
	my @columns;

	for my $side (grep { $cost{$_} } @sides)
	{
		my $of_side = $cost{$side};
		push @columns, [ $side, $TIME ];
		for my $name (sort grep { $_ ne $TIME } keys %$of_side)
		{
			my %different = map { median(@{ $of_side->{$name}{$_} }) => 1 } @efs;
			push @columns, [ $side, $name ] if keys %different > 1;
		}
	}
	print "\nIn the server, a search of one session (execution alone, no client):\n";
	print_table_head('ef_search', map { "$_->[1] $label{$_->[0]}" } @columns);
	for my $ef (@efs)
	{
		print_row($ef, map { round_off(median(@{ $cost{ $_->[0] }{ $_->[1] }{$ef} })) } @columns);
	}
	for my $side (@sides)
	{
		my $of_side = $cost{$side} ? $cost{$side}{$TIME} : undef;
		$speed{$side}{inside} =
		  $of_side ? { map { $_ => [ map { 1e6 / $_ } @{ $of_side->{$_} } ] } @efs } : $speed{$side}{1};
	}
	print_levels('inside', 'searches/s inside, at') unless grep { !$speed{$_}{inside} } @sides;
	return;
}
