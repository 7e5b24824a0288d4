# A streaming standby of a test's primary.

package Standby;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(start_standby);

# A running standby made from a backup 'base' of the primary, which was initialised with
# allows_streaming.  The primary keeps all WAL the standby has not received, by a replication slot
# of the standby's name: however far a slow machine lets it fall behind, it can go on.
sub start_standby
{
	my ($primary, $name, $settings) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$primary->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('$name', true)");
	$primary->backup('base');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', "primary_slot_name = '$name'\n$settings");
	$standby->start;
	return $standby;
}

1;
