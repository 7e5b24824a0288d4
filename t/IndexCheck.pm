# The access methods under test, and what must hold of any index of theirs at any quiet moment.
#
# A suite loops over methods().  A new access method is a new entry of %methods and nothing else.
# ANN_METHODS="hnsw vptree" in the environment leaves out the others; ANN_LONG_TESTS=1 asks for
# the long form of every suite.

package IndexCheck;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(methods method_examples method access_methods with_options long_tests new_server install_checks create_index values_sql problems
  is_sound is_clean_log crash kill_server moments invariant_sql background_sql relation_files);

# am: the access method; form: the option that indexes of this entry have, where a method has several
# entries; class, operator: of the suites' tables; options: of CREATE INDEX; settings: of a search
# thorough enough for floor, the recall@10 that every index of the suites has; more_options: others
# that are worth dumping; spaces: a pattern for the names of operator classes that are possible;
# long: in the long form alone, since what it has of its own has suites of its own (t/018)
my %methods = (
	hnsw => {
		am => 'hnsw',
		form => 'quantization = none',
		class => 'vec_l2_ops',
		operator => '<->',
		options => 'm = 8, ef_construction = 40',
		settings => { 'hnsw.ef_search' => 100 },
		floor => 0.97,
		more_options => 'm = 5, ef_construction = 23',
		build_phase => 'building graph',
	},
	hnsw_quantized => {
		am => 'hnsw',
		form => 'quantization = rabitq',
		class => 'vec_l2_ops',
		operator => '<->',
		options => 'm = 8, ef_construction = 40',
		settings => { 'hnsw.ef_search' => 100 },
		floor => 0.97,
		more_options => 'm = 5, ef_construction = 23',
		build_phase => 'building graph',
		spaces => '^(?!own_).*_(l2|ip|cosine|angular)_ops$',
	},
	vptree => {
		am => 'vptree',
		form => 'partition = vp',
		class => 'vec_l2_ops',
		operator => '<->',
		options => 'bucket_size = 50',
		settings => {},
		floor => 1,
		more_options => 'bucket_size = 77, path_length = 3',
		build_phase => 'building tree',
	},
	vptree_kd => {
		am => 'vptree',
		form => 'partition = kd',
		class => 'vec_l2_ops',
		operator => '<->',
		options => 'bucket_size = 50',
		settings => {},
		floor => 1,
		more_options => 'bucket_size = 77, path_length = 3',
		build_phase => 'building tree',
		spaces => '^(?!own_).*_(l1|l2|linf|lp)_ops$',
		long => 1,
	},
	# classes over a distance function, as users write them (install_checks)
	hnsw_function => {
		am => 'hnsw',
		form => 'quantization = none',
		class => 'own_l2_ops',
		operator => '<->',
		options => 'm = 8, ef_construction = 40',
		settings => { 'hnsw.ef_search' => 100 },
		floor => 0.97,
		more_options => 'm = 5, ef_construction = 23',
		build_phase => 'building graph',
		spaces => '^own_',
		long => 1,
	},
	vptree_function => {
		am => 'vptree',
		form => 'partition = vp',
		class => 'own_l2_ops',
		operator => '<->',
		options => 'bucket_size = 50',
		settings => {},
		floor => 1,
		more_options => 'bucket_size = 77, path_length = 3',
		build_phase => 'building tree',
		spaces => '^own_',
		long => 1,
	},);

# Dimensions of the suites' tables
our $dimensions = 8;

sub methods
{
	return split ' ', $ENV{ANN_METHODS} // join ' ', grep { long_tests() || !$methods{$_}{long} } sort keys %methods;
}

# The short form of suites of what forms of one method have in common has one entry a method
sub method_examples
{
	my %seen;

	return methods() if long_tests();
	return grep { !$seen{ $methods{$_}{am} }++ } reverse methods();
}

# Each access method once: for suites that need no option
sub access_methods
{
	return grep { $methods{$_}{am} eq $_ } methods();
}

sub method
{
	my ($name) = @_;

	return $methods{$name} // die "no access method $name";
}

sub long_tests
{
	return $ENV{ANN_LONG_TESTS} ? 1 : 0;
}

# A running server with the extension and the functions below.
sub new_server
{
	my ($name, $settings, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%init);
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmaintenance_work_mem = 64MB\n"
		  . "jit = off\nmax_prepared_transactions = 10\n" . ($settings // '') . "\n");
	$node->start;
	install_checks($node);
	return $node;
}

# Rows (id, v) of ids from .. to.  Values are small whole numbers, so that every distance is exact;
# one row in eight has one of twenty values that many rows have.
sub values_sql
{
	my ($from, $to) = @_;

	return "SELECT id, test_value(id) AS v FROM generate_series($from, $to) AS id";
}

sub create_index
{
	my ($name, $table, $options) = @_;
	my $method = method($name);

	return "INDEX ${table}_v ON $table USING $method->{am} (v $method->{class})" . with_options($name, $options // $method->{options});
}

# The WITH clause of an index of a method, with further options or ''
sub with_options
{
	my ($name, $options) = @_;
	my $all = join ', ', grep { $_ ne '' } $options, method($name)->{form} // '';

	return $all eq '' ? '' : " WITH ($all)";
}

# An SQL expression for the entry of %methods that an index is of, by its access method, options and class
sub entry_sql
{
	my ($am, $options, $class) = @_;
	my $forms = join ' ', map { "WHEN $am = '$methods{$_}{am}' AND $class = '$methods{$_}{class}' AND '" . ($methods{$_}{form} =~ s/ //gr) . "' = ANY ($options) THEN '$_'" }
	  grep { defined $methods{$_}{form} } sort keys %methods;

	return $forms eq '' ? $am : "(CASE $forms ELSE $am END)";
}

# The settings of a method as a list of SET commands
sub settings_sql
{
	my ($name, $local) = @_;
	my $settings = method($name)->{settings};

	return join '', map { "SET $local $_ = $settings->{$_}; " } sort keys %$settings;
}

sub install_checks
{
	my ($node, $database) = @_;

	$database //= 'postgres';
	$node->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS ann');
	$node->safe_psql($database, checks_sql());
	return;
}

# index_problems(index, queries): a row for everything that is wrong with one index on (id int, v),
# none when it is sound: an unlimited scan returns the rows of the table and nothing else, the first
# ten rows are in order and as near as an exact search's, and ann_check() has nothing to say.
# all_index_problems(): the same of every valid index of the methods' classes, partial ones left out; one
# that another transaction has locked exclusively is passed over, and counted.
sub checks_sql
{
	my $settings = join "\n\t", map { "WHEN '$_' THEN PERFORM set_all('" . settings_sql($_, '') . "');" } sort keys %methods;
	my $floors = join ' ', map { "WHEN '$_' THEN $methods{$_}{floor}" } sort keys %methods;
	my $classes = join ', ', map { "('$_', '$methods{$_}{class}')" } sort keys %methods;
	my $entry = entry_sql('amname', 'reloptions', 'opcname');

	return qq(
CREATE OPERATOR CLASS own_l2_ops FOR TYPE vector USING hnsw AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 2 l2_distance(vector, vector), FUNCTION 3 (vector) distance_is_metric(internal);
CREATE OPERATOR CLASS own_l2_ops FOR TYPE vector USING vptree AS OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 2 l2_distance(vector, vector), FUNCTION 3 (vector) distance_is_metric(internal);

CREATE FUNCTION test_value(id int8) RETURNS vector LANGUAGE sql IMMUTABLE AS
	'SELECT array_agg((hashint8extended((CASE WHEN id % 8 = 0 THEN id % 160 / 8 ELSE id + 1000 END) * 100 + d, 7) % 50)::int ORDER BY d)::vector($dimensions) FROM generate_series(1, $dimensions) d';

CREATE FUNCTION set_all(settings text) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	EXECUTE settings;
END \$\$;

CREATE FUNCTION index_problems(index regclass, queries int DEFAULT 10) RETURNS SETOF text LANGUAGE plpgsql AS \$\$
DECLARE
	heap regclass;
	method name;
	operator text;
	expected int[];
	found int[];
	query vector;
	nearest text;
	plan text;
	disorder int;
	hits int := 0;
	asked int := 0;
	exact_hits int;
	exact_asked int;
	check_call text;
	floor float8;
BEGIN
	SELECT indrelid, $entry, oprname INTO STRICT heap, method, operator
	FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_opclass ON pg_opclass.oid = indclass[0] JOIN pg_am ON pg_am.oid = opcmethod
		JOIN pg_amop ON amopfamily = opcfamily AND amoppurpose = 'o' JOIN pg_operator ON pg_operator.oid = amopopr
	WHERE indexrelid = index;
	CASE method
	$settings
	END CASE;
	EXECUTE format('SELECT array_agg(id ORDER BY id) FROM %s WHERE v IS NOT NULL', heap) INTO expected;
	FOR query IN EXECUTE format(
		'SELECT v + array_fill(0.4::float4, ARRAY[vector_dims(v)])::vector FROM %s WHERE v IS NOT NULL ORDER BY hashint4(id) LIMIT \$1',
		heap) USING queries
	LOOP
		nearest := format('SELECT id, v %s %L::vector AS distance FROM %s ORDER BY v %s %L::vector', operator, query, heap, operator, query);
		SET enable_seqscan = off;
		SET enable_sort = off;
		IF asked = 0 THEN
			EXECUTE 'EXPLAIN (FORMAT json) ' || nearest INTO plan;
			IF plan NOT LIKE '%"Index Scan"%' OR plan NOT LIKE '%"' || index || '"%' THEN
				RETURN NEXT format('%s: not used, plan %s', index, plan);
				RETURN;
			END IF;
			EXECUTE format('SELECT array_agg(id ORDER BY id) FROM (%s) AS s', nearest) INTO found;
			IF found IS DISTINCT FROM expected THEN
				RETURN NEXT format('%s: unlimited scan returns %s rows of %s; missing %s; wrong or twice %s', index,
					coalesce(array_length(found, 1), 0), array_length(expected, 1),
					(SELECT array_agg(i) FROM (SELECT unnest(expected) EXCEPT ALL SELECT unnest(found) LIMIT 20) AS s (i)),
					(SELECT array_agg(i) FROM (SELECT unnest(found) EXCEPT ALL SELECT unnest(expected) LIMIT 20) AS s (i)));
			END IF;
		END IF;
		-- rows at a distance up to the tenth true one's are right; equal ones are interchangeable
		EXECUTE format('
			WITH found AS MATERIALIZED (SELECT row_number() OVER () AS n, * FROM (%s LIMIT 10) AS s),
				 truth AS MATERIALIZED (SELECT v %s %L::vector AS distance FROM %s WHERE v IS NOT NULL ORDER BY (v %s %L::vector) + 0 LIMIT 10)
			SELECT (SELECT count(*) FROM found AS a JOIN found AS b ON b.n = a.n + 1 AND b.distance < a.distance),
				   (SELECT count(DISTINCT id) FROM found WHERE distance <= (SELECT max(distance) FROM truth) * 1.000001),
				   (SELECT count(*) FROM truth)', nearest, operator, query, heap, operator, query)
			INTO disorder, exact_hits, exact_asked;
		RESET enable_seqscan;
		RESET enable_sort;
		IF disorder > 0 THEN
			RETURN NEXT format('%s: rows out of order at %s', index, query);
		END IF;
		hits := hits + exact_hits;
		asked := asked + exact_asked;
	END LOOP;
	floor := CASE method $floors END;
	IF hits < asked * floor THEN
		RETURN NEXT format('%s: %s of %s nearest rows found', index, hits, asked);
	END IF;
	check_call := CASE WHEN to_regprocedure('ann_check(regclass, boolean)') IS NOT NULL THEN 'ann_check(\$1, true)'
					   WHEN to_regprocedure('ann_check(regclass)') IS NOT NULL THEN 'ann_check(\$1)' END;
	IF check_call IS NOT NULL THEN
		RETURN QUERY EXECUTE format('SELECT format(''%%s: ann_check: %%s'', \$1, problem) FROM %s AS problem', check_call) USING index;
	END IF;
END \$\$;

CREATE FUNCTION all_index_problems(queries int DEFAULT 10, OUT checked int, OUT locked int, OUT problems text) LANGUAGE plpgsql AS \$\$
DECLARE
	index regclass;
	found text;
BEGIN
	checked := 0;
	locked := 0;
	SET lock_timeout = '20ms';
	FOR index IN SELECT indexrelid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
		JOIN pg_opclass ON pg_opclass.oid = indclass[0]
		WHERE ($entry, opcname) IN ($classes) AND indisvalid AND indpred IS NULL AND (relpersistence = 'p' OR NOT pg_is_in_recovery()) ORDER BY 1
	LOOP
		BEGIN
			SELECT string_agg(p, E'\\n') INTO found FROM index_problems(index, queries) AS p;
			problems := concat_ws(E'\\n', problems, found);
			checked := checked + 1;
		EXCEPTION WHEN lock_not_available THEN
			locked := locked + 1;
		END;
	END LOOP;
	RESET lock_timeout;
END \$\$;
);
}

# What is wrong with the indexes of a database (all valid ones of the methods), '' when nothing is.
sub problems
{
	my ($node, $database) = @_;
	my $found = $node->safe_psql($database // 'postgres', 'SELECT checked, locked, problems FROM all_index_problems()');
	my ($checked, $locked, $problems) = split /\|/, $found, 3;

	return "$checked indexes checked, $locked locked" if $checked == 0 || $locked > 0;
	return $problems;
}

sub is_sound
{
	my ($node, $name, $database) = @_;

	return is(problems($node, $database), '', $name);
}

# Nothing in a server's log that must never be there.  $allowed: errors that the suite provokes.
sub is_clean_log
{
	my ($node, $name, $allowed) = @_;
	my @bad = grep { /PANIC|TRAP|terminated by signal|WARNING|ERROR|inconsistent page|invalid page|deadlock/ }
	  split /\n/, slurp_file($node->logfile);

	@bad = grep { !/$allowed/ } @bad if defined $allowed;
	splice @bad, 20 if @bad > 20;
	return is(join("\n", @bad), '', $name);
}

# Stops a server without any shutdown work and starts it again.
sub crash
{
	my ($node) = @_;

	$node->stop('immediate');
	$node->start;
	return;
}

# Kills a server with all its processes at once and starts it again.
sub kill_server
{
	my ($node) = @_;
	my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
	my @children = grep { parent($_) == $postmaster } map { m{(\d+)} } glob '/proc/[0-9]*';

	$node->kill9;
	kill 'KILL', @children;
	foreach my $process ($postmaster, @children)
	{
		my $patience = 500;

		# a zombie in a container without an init process counts as gone
		select undef, undef, undef, 0.02 while status($process) =~ /^State:\s+[^Z]/m && $patience-- > 0;
	}
	# where nobody reaps them, dead processes keep their ids
	unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	$node->start;
	return;
}

# What the kernel tells of a process, '' of one that is gone
sub status
{
	my ($process) = @_;

	open my $handle, '<', "/proc/$process/status" or return '';
	return join '', <$handle>;
}

sub parent
{
	my ($process) = @_;

	return status($process) =~ /^PPid:\s+(\d+)/m ? $1 : 0;
}

# $count moments between $from and $to seconds, the same in every run
sub moments
{
	my ($seed, $count, $from, $to) = @_;

	srand $seed;
	return map { $from + rand() * ($to - $from) } 1 .. $count;
}

# A statement for pgbench and psql that asks for the ten nearest rows of a table by index, and
# checks them in the same snapshot against an exact search: rows, hits, asked, disorder, twice.
sub invariant_sql
{
	my ($name, $table, $query) = @_;
	my $operator = method($name)->{operator};

	return "WITH found AS MATERIALIZED (SELECT row_number() OVER () AS n, * FROM "
	  . "(SELECT id, v $operator $query AS distance FROM $table ORDER BY v $operator $query LIMIT 10) AS s), "
	  . "truth AS MATERIALIZED (SELECT v $operator $query AS distance FROM $table WHERE v IS NOT NULL ORDER BY (v $operator $query) + 0 LIMIT 10) "
	  . "SELECT (SELECT count(*) FROM found) AS rows, (SELECT count(*) FROM truth) AS asked, "
	  . "(SELECT count(*) FROM found WHERE distance <= (SELECT max(distance) FROM truth) * 1.000001) AS hits, "
	  . "(SELECT count(*) FROM found AS a JOIN found AS b ON b.n = a.n + 1 AND b.distance < a.distance) AS disorder, "
	  . "(SELECT count(*) - count(DISTINCT id) FROM found) AS twice";
}

# psql in the background, with a script; returns the process, and references to its output and errors
sub background_sql
{
	my ($node, $sql, %options) = @_;
	my ($out, $error) = ('', '');
	my $script = PostgreSQL::Test::Utils::tempdir() . '/background.sql';

	append_to_file($script, $sql);
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=' . ($options{on_error_stop} // 1), '-d', $node->connstr('postgres'), '-f', $script ],
		'<', \'', '>', \$out, '2>', \$error);

	return ($session, \$out, \$error);
}

# How many relations have files in the database's folder, those of dropped ones gone
sub relation_files
{
	my ($node) = @_;

	return $node->safe_psql(
		'postgres', q(
CHECKPOINT;
SELECT count(*) FROM pg_database, pg_ls_dir('base/' || pg_database.oid) AS f
WHERE datname = current_database() AND f ~ '^[0-9]+$'));
}

1;
