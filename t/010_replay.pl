# A server that stops after any record of WAL has sound indexes.  The WAL of a small life of an
# index (empty, first row, inserts, equal values, large values, deletes, vacuum, builds) is given
# to a standby record by record; after each, the standby's indexes are checked.  At some of them
# a copy of it ends recovery, as a server does that crashed there, and goes on with writes.
#
# The short form takes some of the records of each part of that life, the long form all.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use File::Copy;
use IndexCheck;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $segment_size = 16 * 1024 * 1024;

# In the short form: records looked at for each part of the life, and after how many parts a recovery is
# ended; in the long form after how many records
my $records_a_part = 10;
my $parts_a_recovery = 2;
my $records_a_recovery = 50;

replay($_) foreach methods();
done_testing();

sub replay
{
	my ($method) = @_;
	my $primary = new_server("replay_$method", "wal_keep_size = 1GB\nwal_consistency_checking = 'all'\ncheckpoint_timeout = 1h\nmax_wal_size = 2GB\n"
		  . "lock_timeout = 10s\n", allows_streaming => 1);

	prepare($primary, $method);
	$primary->backup('base');
	my $start = switch_segment($primary);
	my @parts = live($primary, $method);
	my $end = switch_segment($primary);
	my @records = records($primary, $start, $end);

	is_sound($primary, "$method: primary");
	my @stops = map { part_of(\@records, $parts[$_][0], $_ < $#parts ? $parts[ $_ + 1 ][1] : $end, $parts[$_][1]) } 0 .. $#parts;
	step_through($primary, $method, $start, \@stops, \@records);
	$primary->stop;
	return;
}

sub prepare
{
	my ($primary, $method) = @_;
	my $values = values_sql(1, 120);
	my $create = create_index($method, 'items');
	my $create_empty = create_index($method, 'later');

	$primary->safe_psql(
		'postgres', qq(
CREATE TABLE items (id int, v vector);
INSERT INTO items $values;
CREATE $create;
CREATE TABLE later (id int, v vector);
CREATE $create_empty;
CREATE TABLE large (id int, v vector(2500));
));
	return;
}

# The life: every part is one psql session.  Returns [ name, where its WAL starts ] of each.
sub live
{
	my ($primary, $method) = @_;
	my $inserts = join '', map { "INSERT INTO items " . values_sql($_, $_) . ";\n" } 121 .. 150;
	my $grown = values_sql(151, 300);
	my $first = join '', map { "INSERT INTO later " . values_sql($_, $_) . ";\n" } 1 .. 10;
	my $large = "SELECT id, array_agg(((id * 31 + d * 17 + id * d) %% 101)::float4 ORDER BY d)::vector FROM generate_series(%d, %d) id, generate_series(1, 2500) d GROUP BY id";
	my ($few_large, $more_large) = (sprintf($large, 1, 12), sprintf($large, 13, 24));
	my $create_large = create_index($method, 'large');
	my @life = (
		[ 'inserts, one a transaction', $inserts ],
		[ 'inserts, many in a transaction', "INSERT INTO items $grown" ],
		[ 'first rows of an empty index', $first ],
		[ 'equal values', "INSERT INTO items SELECT i, '[1,2,3,4,5,6,7,8]' FROM generate_series(1001, 1020) i" ],
		[ 'updates', "UPDATE items SET v = v + '[1,0,0,0,0,0,0,1]' WHERE id % 20 = 3" ],
		[ 'rolled back', "BEGIN; INSERT INTO items " . values_sql(2001, 2010) . "; ROLLBACK" ],
		[ 'vacuum', "DELETE FROM items WHERE id % 3 = 0; VACUUM items" ],
		[ 'inserts after vacuum', "INSERT INTO items " . values_sql(301, 320) ],
		[ 'vacuum again', "DELETE FROM items WHERE id % 3 = 1; VACUUM items" ],
		[ 'inserts into freed places', "INSERT INTO items " . values_sql(321, 350) ],
		[ 'all rows gone', "DELETE FROM later; VACUUM later; VACUUM later" ],
		[ 'first row again', "INSERT INTO later " . values_sql(11, 16) ],
		[ 'large values built', "INSERT INTO large $few_large; CREATE $create_large" ],
		[ 'large values inserted', "INSERT INTO large $more_large" ],
		[ 'large values vacuumed', "DELETE FROM large WHERE id % 2 = 0; VACUUM large; VACUUM large; INSERT INTO large SELECT * FROM ($few_large) AS s WHERE id % 2 = 0" ],
		[ 'reindex', 'REINDEX INDEX items_v' ],
		[ 'concurrent reindex', 'REINDEX INDEX CONCURRENTLY items_v' ],
		[ 'build past maintenance_work_mem', "SET maintenance_work_mem = '1MB'; INSERT INTO items "
			  . values_sql(5001, 5200) . "; REINDEX INDEX items_v" ],
		[ 'truncate', "BEGIN; TRUNCATE later; INSERT INTO later " . values_sql(1, 20) . "; COMMIT" ],
	);
	my @parts;

	foreach my $part (@life)
	{
		my ($name, $sql) = @$part;

		push @parts, [ $name, $primary->lsn('insert') ];
		my @commands = map { ('-c', $_) } split /;\s*/, $sql;

		command_quietly([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('postgres'), @commands ], $name);
	}
	return @parts;
}

sub command_quietly
{
	my ($command, $name) = @_;
	my ($out, $error) = ('', '');

	IPC::Run::run($command, '>', \$out, '2>', \$error) or die "$name: $error";
	return;
}

# Begins a new WAL segment; returns its start as a number.
sub switch_segment
{
	my ($primary) = @_;

	$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
	my $lsn = number($primary->safe_psql('postgres', 'SELECT txid_current(); SELECT pg_current_wal_insert_lsn()') =~ /(\S+)$/);

	return $lsn - $lsn % $segment_size;
}

sub number
{
	my ($lsn) = @_;
	my ($high, $low) = split m{/}, $lsn;

	return hex($high) * 2**32 + hex($low);
}

sub segment_name
{
	my ($lsn) = @_;
	my $segment = int($lsn / $segment_size);

	return sprintf '%08X%08X%08X', 1, int($segment / 256), $segment % 256;
}

# Where every record starts, in order, with its first line of pg_waldump's
sub records
{
	my ($primary, $start, $end) = @_;
	my ($out, $error) = ('', '');

	IPC::Run::run([ 'pg_waldump', '-p', $primary->data_dir . '/pg_wal', segment_name($start), segment_name($end - 1) ], '>', \$out, '2>', \$error);
	my @records = map { m{rmgr: (\w+) .*lsn: (\S+),.*desc: (.*)} ? { lsn => number($2), text => "$1 $3" } : () } split /\n/, $out;

	cmp_ok(scalar(@records), '>', 500, 'pg_waldump lists the records');
	return @records;
}

# The records of a part after which to stop: all, or some evenly spread.  Only those that change
# pages of an index matter; pages written as a whole (by builds) are records of XLOG.
sub part_of
{
	my ($records, $name, $to, $from) = @_;
	my $first = number($from);
	my $last = $to =~ m{/} ? number($to) : $to;
	my @indexes = grep {
			 $records->[$_]{lsn} >= $first
		  && $records->[$_]{lsn} < $last
		  && $records->[$_]{text} =~ /^(Generic|XLOG FPI)/
	} 0 .. $#$records;

	return map { +{ at => $_, part => $name } } @indexes if long_tests();
	my $step = @indexes > $records_a_part ? @indexes / $records_a_part : 1;
	my @some = map { $indexes[ int(($_ + 0.5) * $step) ] } 0 .. (@indexes < $records_a_part ? @indexes : $records_a_part) - 1;

	return map { +{ at => $some[$_], part => $name, first => $_ == 0 } } 0 .. $#some;
}

sub step_through
{
	my ($primary, $method, $start, $stops, $records) = @_;
	my $standby = PostgreSQL::Test::Cluster->new("stepping_$method");
	my $fed = $start;
	my (%bad, %checked, %stopped);
	my ($parts, $recoveries) = (0, 0);

	$standby->init_from_backup($primary, 'base');
	$standby->append_conf('postgresql.conf', "wal_retrieve_retry_interval = 1ms\nmax_standby_archive_delay = -1\nmax_standby_streaming_delay = -1\n"
		  . "hot_standby = on\nlog_min_messages = fatal\n");
	$standby->set_standby_mode;
	$standby->start;
	foreach my $stop (@$stops)
	{
		my ($part, $next) = ($stop->{part}, $records->[ $stop->{at} + 1 ]{lsn});

		feed($primary, $standby, $fed, $next);
		$fed = $next;
		my ($checked, $locked, $problems) = checked_at($standby, $next);

		$stopped{$part}++;
		$checked{$part} += $checked;
		push @{ $bad{$part} }, sprintf("after %X (%s): %s", $records->[ $stop->{at} ]{lsn}, $records->[ $stop->{at} ]{text}, $problems)
		  if $problems ne '';
		$parts++ if $stop->{first};
		if (long_tests() ? $stop->{at} % $records_a_recovery == 0 : $stop->{first} && $parts % $parts_a_recovery == 0)
		{
			my $trouble = recover_here($standby, $method, ++$recoveries);

			push @{ $bad{$part} }, sprintf("recovered after %X: %s", $records->[ $stop->{at} ]{lsn}, $trouble) if $trouble ne '';
		}
	}
	foreach my $part (sort keys %stopped)
	{
		my @found = @{ $bad{$part} // [] };

		splice @found, 5 if @found > 5;
		is(join("\n", @found), '', "$method: $part: sound after each of $stopped{$part} records");
		cmp_ok($checked{$part}, '>=', $stopped{$part}, "$method: $part: ... and looked at");
	}
	note("$recoveries recoveries ended");
	is_clean_log($standby, "$method: replay without trouble");
	$standby->stop('immediate');
	return;
}

# Gives a standby the primary's WAL up to a record.
sub feed
{
	my ($primary, $standby, $from, $to) = @_;

	while ($from < $to)
	{
		my $name = segment_name($from);
		my $in_segment = $from % $segment_size;
		my $count = $to - $from < $segment_size - $in_segment ? $to - $from : $segment_size - $in_segment;
		my $target = $standby->data_dir . "/pg_wal/$name";
		my $bytes;

		open my $source, '<:raw', $primary->data_dir . "/pg_wal/$name" or die "$name: $!";
		sysseek $source, $in_segment, 0;
		sysread($source, $bytes, $count) == $count or die "$name: $!";
		close $source;
		if (!-e $target)
		{
			open my $new, '>:raw', "$target.new" or die "$target: $!";
			truncate $new, $segment_size;
			close $new;
			rename "$target.new", $target or die "$target: $!";
		}
		open my $handle, '+<:raw', $target or die "$target: $!";
		sysseek $handle, $in_segment, 0;
		syswrite($handle, $bytes) == $count or die "$target: $!";
		close $handle;
		$from += $count;
	}
	return;
}

# Waits until a standby has replayed its WAL up to the start of a record, and checks its indexes.  The
# header of a page may lie between the two, and no record that changes an index is as short.
sub checked_at
{
	my ($standby, $lsn) = @_;
	my $target = sprintf '%X/%X', $lsn / 2**32, $lsn % 2**32;
	my ($status, $found, $error) = $standby->psql(
		'postgres', qq(
DO \$\$
BEGIN
	FOR i IN 1 .. 60000 LOOP
		EXIT WHEN pg_wal_lsn_diff('$target', pg_last_wal_replay_lsn()) <= 64;
		PERFORM pg_sleep(0.002);
	END LOOP;
END \$\$;
SELECT pg_wal_lsn_diff('$target', pg_last_wal_replay_lsn()) <= 64, * FROM all_index_problems(4);
));
	my ($there, $checked, $locked, $problems) = split /\|/, $found, 4;

	return ($checked, $locked, $problems) if $status == 0 && $there eq 't';
	my @log = grep { /FATAL|PANIC|CONTEXT|TRAP/ } split /\n/, slurp_file($standby->logfile);

	die("the standby did not reach $target: $error\n" . join("\n", @log[ -($#log < 9 ? $#log + 1 : 10) .. -1 ]));
}

# Ends recovery in a copy of a standby, as if the primary had crashed here.  Returns what is wrong.
sub recover_here
{
	my ($standby, $method, $n) = @_;
	my $copy = PostgreSQL::Test::Cluster->new("recovered_${method}_$n");
	my $values = values_sql(7001, 7030);

	mkdir $copy->basedir;
	$standby->stop('immediate');
	PostgreSQL::Test::RecursiveCopy::copypath($standby->data_dir, $copy->data_dir,
		filterfn => sub { return $_[0] !~ m{^(log|postmaster\.pid|standby\.signal)$} });
	chmod 0700, $copy->data_dir;
	$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\nunix_socket_directories = '" . $copy->host . "'\nwal_consistency_checking = ''\nlog_min_messages = warning\n");
	$standby->start;
	$copy->start;
	my $trouble = problems($copy);
	my $more = $copy->safe_psql(
		'postgres', qq(
INSERT INTO items $values;
DELETE FROM items WHERE id % 4 = 0;
));
	$copy->safe_psql('postgres', 'VACUUM');
	$copy->safe_psql('postgres', "INSERT INTO later $values");
	$trouble .= problems($copy);
	$copy->stop('immediate');
	$copy->clean_node;
	return $trouble;
}
