# Indexes of every class, with parameters, survive pg_dump and pg_restore, pg_upgrade and being copied
# with a template database: the same definitions, and the same answers.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IndexCheck;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Rows of each class's table
my $rows = 400;
my $folder = PostgreSQL::Test::Utils::tempdir();

# Parameters of the classes that have any, and how a query names them
my %parameters = (
	vec_lp_ops => [ 'p = 0.5', 'lp(%s, 0.5)' ],
	vec_renyi_ops => [ 'alpha = 0.25', 'renyi(%s, 0.25)' ],
	vec_alphabeta_ops => [ 'alpha = 1.5, beta = -0.5', 'alphabeta(%s, 1.5, -0.5)' ],);

dump_upgrade($_) foreach method_examples();
done_testing();

sub dump_upgrade
{
	my ($method) = @_;
	my $node = new_server("old_$method");
	my @classes = make_classes($node, $method);
	my $before = answers($node, 'postgres', @classes);
	my $kinds = kinds($node, 'postgres');

	is(counts($node, 'postgres', @classes), join("\n", sort map { "$_->[0]|$rows|$rows" } @classes), "$method: every row in every class");

	# the suites make one class over a function
	cmp_ok(scalar(@classes), '>=', IndexCheck::method($method)->{class} =~ /^own_/ ? 1 : 4, "$method: there are classes");
	like($before, qr/Index Scan/, "$method: they are searched by index");
	unlike($before, qr/Sort|Seq Scan/, "$method: ... all of them");
	is_sound($node, "$method: before");

	dump_restore($node, $method, $before, @classes);
	copy_template($node, $method, $before, @classes);
	upgrade($node, $method, $kinds, $before, @classes);
	return;
}

# A table with an index for every operator class of a method, and one with the options of CREATE INDEX.
# Returns [ table, definition, ordering ] of each.
sub make_classes
{
	my ($node, $method) = @_;
	my ($am, $more_options, $spaces) = @{ IndexCheck::method($method) }{qw(am more_options spaces)};
	my $found = $node->safe_psql(
		'postgres', qq(
SELECT opcname, opcintype::regtype, oprname
FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod JOIN pg_amop ON amopfamily = opcfamily AND amoppurpose = 'o'
	JOIN pg_operator ON pg_operator.oid = amopopr
WHERE amname = '$am' ORDER BY 1));
	my @classes;

	foreach my $line (split /\n/, $found)
	{
		my ($class, $type, $operator) = split /\|/, $line, 3;
		next if defined $spaces && $class !~ $spaces;
		my ($parameters, $query) = @{ $parameters{$class} // [ '', '%s' ] };
		my $dimensions = @classes % 2 ? '(8)' : '';
		my $options = with_options($method, @classes % 3 == 0 ? $more_options : '');

		$parameters = " ($parameters)" if $parameters ne '';
		# shares of histograms: every space takes them
		$node->safe_psql(
			'postgres', qq(
CREATE TABLE of_$class (id int, v $type$dimensions);
INSERT INTO of_$class SELECT id, l2_normalize((v + array_fill(51::float4, ARRAY[8])::vector))::$type FROM (@{[ values_sql(1, $rows) ]}) AS s;
CREATE INDEX of_${class}_v ON of_$class USING $am (v $class$parameters)$options;
));
		my $literal = $node->safe_psql('postgres', "SELECT v FROM of_$class WHERE id = 77");
		push @classes, [ "of_$class", "v $operator " . sprintf($query, "'$literal'::$type") ];
	}
	$node->safe_psql('postgres', 'CREATE TABLE items (id int, v vector); INSERT INTO items '
		  . values_sql(1, 1000) . '; CREATE ' . create_index($method, 'items', $more_options)
		  . "; CREATE INDEX items_part ON items USING $am (v)" . with_options($method, '') . " WHERE id % 3 = 0; DELETE FROM items WHERE id % 7 = 0");
	$node->safe_psql('postgres', 'VACUUM items');
	# every type, in columns, arrays, domains, expressions and defaults
	$node->safe_psql(
		'postgres', q(
CREATE DOMAIN unit AS vector(3) CHECK (abs(vector_norm(VALUE) - 1) < 1e-4);
CREATE TABLE kinds (id int GENERATED ALWAYS AS IDENTITY, a vector(3) DEFAULT '[1,2,3]', b halfvec(2) NOT NULL, c vector[], d halfvec, e unit, f space_vector DEFAULT 'lp:p=0.5:[1,2.5]',
	g vector GENERATED ALWAYS AS (a + a) STORED, CHECK (a <-> '[0,0,0]' < 1e30));
INSERT INTO kinds (a, b, c, d, e) VALUES ('[1e-30,-1.17549435e-38,3.4e18]', '[65504,6e-8]', ARRAY['[1]', NULL, '[0.1,0.2]']::vector[], NULL, '[0.6,0,0.8]'),
	('[0.1,0.30000001,16777216]', '[-0.1,0]', '{}', '[1,2,3,4,5]', NULL);
INSERT INTO kinds (b) VALUES ('[0,0]');
CREATE VIEW nearest AS SELECT id, a <-> '[1,2,3]' AS distance, a <*> lp('[1,2,3]'::vector, 0.5) AS lp FROM kinds ORDER BY a <-> '[1,2,3]' LIMIT 2;
CREATE INDEX kinds_sorted ON kinds (a, b);
CREATE MATERIALIZED VIEW sums AS SELECT sum(a) AS s, avg(b) AS m FROM kinds;
));
	return @classes;
}

# Definitions of all indexes, how they are searched, and what is found
sub answers
{
	my ($node, $database, @classes) = @_;
	my $sql = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname;\nSET enable_seqscan = off; SET enable_sort = off;\n";

	foreach my $class (@classes)
	{
		my ($table, $ordering) = @$class;
		my $query = "SELECT id FROM $table ORDER BY $ordering LIMIT 20";

		$sql .= "SELECT '$table', (SELECT string_agg(id::text, ' ') FROM ($query) AS s);\nEXPLAIN (COSTS off) $query;\n";
	}
	return $node->safe_psql($database, $sql);
}

sub dump_restore
{
	my ($node, $method, $before, @classes) = @_;

	foreach my $form (qw(plain custom))
	{
		my $file = "$folder/$method.$form";

		$node->safe_psql('postgres', "CREATE DATABASE restored_$form TEMPLATE template0");
		$node->command_ok([ 'pg_dump', '-F', $form, '-f', $file, $node->connstr('postgres') ], "$method: pg_dump, $form");
		if ($form eq 'plain')
		{
			$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, $node->connstr("restored_$form") ], "$method: ... restored");
		}
		else
		{
			$node->command_ok([ 'pg_restore', '-j', '2', '-e', '-d', $node->connstr("restored_$form"), $file ], "$method: ... restored by two jobs");
		}
		is(definitions($node, "restored_$form"), definitions($node, 'postgres'), "$method: ... with the same definitions");
		is_sound($node, "$method: ... and sound", "restored_$form");
		is(kinds($node, "restored_$form"), kinds($node, 'postgres'), "$method: ... values of every type");
		is(counts($node, "restored_$form", @classes), counts($node, 'postgres', @classes), "$method: ... every row in every class");
	}
	return;
}

# How many rows an unlimited scan of each class returns, and how many different ones
sub counts
{
	my ($node, $database, @classes) = @_;
	my $counts = join ' UNION ALL ',
	  map { "SELECT '$_->[0]', count(*), count(DISTINCT id) FROM (SELECT id FROM $_->[0] ORDER BY $_->[1]) AS s" } @classes;

	return join "\n", sort split /\n/, $node->safe_psql($database, "SET enable_seqscan = off; SET enable_sort = off; $counts");
}

# Values of every type, by their bits
sub kinds
{
	my ($node, $database) = @_;

	return $node->safe_psql($database,
		'SELECT *, vector_send(a), halfvec_send(b), halfvec_send(d) FROM kinds ORDER BY id; SELECT * FROM nearest; SELECT * FROM sums');
}

sub definitions
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname");
}

sub copy_template
{
	my ($node, $method, $before, @classes) = @_;

	$node->safe_psql('template1', 'CREATE DATABASE copied TEMPLATE postgres');
	is(answers($node, 'copied', @classes), $before, "$method: CREATE DATABASE TEMPLATE: the same answers");
	$node->safe_psql('copied', 'INSERT INTO items ' . values_sql(2001, 2100));
	is_sound($node, "$method: ... a sound copy that takes rows", 'copied');
	is(answers($node, 'postgres', @classes), $before, "$method: ... the template is as it was");
	crash($node);
	is_sound($node, "$method: ... also after a crash", 'copied');
	return;
}

sub upgrade
{
	my ($node, $method, $kinds, $before, @classes) = @_;
	my $new = PostgreSQL::Test::Cluster->new("new_$method");
	my $binaries = $node->config_data('--bindir');
	my @link = $method eq (method_examples())[0] ? () : ('--link');

	$new->init;
	$new->append_conf('postgresql.conf', "autovacuum = off\njit = off\n");
	$node->safe_psql('postgres', "DROP DATABASE $_") foreach qw(restored_plain restored_custom copied);
	$node->stop;
	chdir $folder or die $!;
	my ($out, $error) = ('', '');
	my $upgraded = IPC::Run::run(
		[
			'pg_upgrade', '-d', $node->data_dir, '-D', $new->data_dir, '-b', $binaries, '-B', $binaries,
			'-s', $new->host, '-p', $node->port, '-P', $new->port, @link
		],
		'>', \$out, '2>', \$error);
	ok($upgraded, "$method: pg_upgrade") or diag("$out$error");
	$new->start;
	is(answers($new, 'postgres', @classes), $before, "$method: ... the same answers");
	is(kinds($new, 'postgres'), $kinds, "$method: ... values of every type");
	is_sound($new, "$method: ... sound");
	$new->safe_psql('postgres', 'INSERT INTO items ' . values_sql(2001, 2100) . '; DELETE FROM items WHERE id % 5 = 0');
	$new->safe_psql('postgres', 'VACUUM items');
	is_sound($new, "$method: ... and goes on");
	is_clean_log($new, "$method: ... nothing wrong in the log");
	$new->stop;
	return;
}
