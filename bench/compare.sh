#!/bin/bash
#
# bench/compare.sh: ann's hnsw beside pgvector's on one server, beside itself with other
# options, and beside hnswlib in a process of its own.
#
# One throw-away server, a database a side (both extensions own the name hnsw), the same
# rows, queries and settings.  Recall first; then queries/s in slices that alternate
# between the sides, so that whatever else the machine does hits all.  Writes a
# Markdown block for bench/RESULTS.md and pictures to bench/out/.
#
# pgvector is whatever CREATE EXTENSION vector finds on this server.  Without it, and
# for spaces it does not have, ann is measured without it.

OURS=${EXTENSION:-ann}
OUR_CLASS_PREFIX=${CLASS_PREFIX:-vec}
PEER=vector
PEER_CLASS_PREFIX=vector
LIBRARY=hnswlib

usage()
{
	cat <<-EOF
		usage: bench/compare.sh [options]
		  --data NAME|FILE         sift (default), mnist784, lsi128, lda32, lda128, generated (128
		                           dimensions), generatedN (N dimensions), or a vector file
		  --space NAME             l2 (default), cosine, ip, l1, linf, angular, js, jsmetric,
		                           kl, gkl, is, kl_right, gkl_right, is_right, lp=P, renyi=ALPHA
		  --rows N                 the first N rows only
		  --queries N              1000
		  --m N                    16
		  --ef-construction N      64
		  --ef "LIST"              "$EF_VALUES"
		  --clients "LIST"         1; "1 2" measures with one, then with two
		  --seconds N              length of a slice, 3
		  --rounds N               slices a setting and side, 3; 0 for builds, sizes and recall only
		  --with OPTIONS           of ann's index, "name=value,..."; a name with a dot in it is a
		                           setting of the sessions that search
		  --versus OPTIONS         beside ann with these options, in place of pgvector
		  --library                also hnswlib, in process (l2, cosine, angular, ip)
		  --server "LIST"          settings of the server, "maintenance_work_mem=256MB ..."
		  --alone                  leave pgvector out
		  --awake                  keep the processors from going to sleep while queries wait for
		                           each other: see README.md
		  --pin                    a single client and its backend share one processor, that of
		                           the slices with one client: see README.md
		  --keep                   leave the server running
	EOF
}

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"
. "$TOP/bench/load.sh"
. "$TOP/bench/hnswlib.sh"

OUT=$TOP/bench/out
COMMAND="bench/compare.sh$([ $# -eq 0 ] || printf ' %q' "$@")"
EF_VALUES="10 15 20 30 40 60 80 120 200 400"
EXACT_SAMPLE=1000
# Queries whose time in the server is taken, each round.
COST_QUERIES=500
# Times a slice is measured again when others used the machine; the quietest counts.
REPEATS=2
# Leader and one worker for pgvector, two threads for ann and hnswlib.
BUILD_WORKERS=1

main()
{
	local needs=$BUILD_NEEDS side

	parse_options "$@"
	mkdir -p "$OUT" && [ -w "$OUT" ] || die "cannot write to $OUT"
	RESULTS=$OUT/compare-$DATA_NAME-$SPACE${VERSUS+-versus}
	: >"$RESULTS.tsv"

	step "Looking for PostgreSQL, compilers and gnuplot"
	[ "$WITH_LIBRARY" = no ] || needs="$needs $LIBRARY_NEEDS"
	# shellcheck disable=SC2086
	install_missing $needs gnuplot=gnuplot-nox
	use_server
	if [ "$OURS" = ann ]; then
		step "Building and installing the extension"
		build_extension && install_extension || die "the build failed"
	fi
	step "Starting a throw-away server"
	SERVER_DIR=$(make_server_dir) || die "cannot make a temporary folder"
	trap 'let_sleep; [ "$KEEP" = yes ] || delete_server "$SERVER_DIR"' EXIT
	trap 'exit 130' INT TERM
	# shellcheck disable=SC2086
	start_server "$SERVER_DIR" wal_level=minimal max_wal_senders=0 autovacuum=off \
		max_parallel_maintenance_workers="$BUILD_WORKERS" $SERVER_SETTINGS
	choose_sides
	for side in $SIDES; do
		prepare_side "$side"
	done
	warn_of_size
	[ "$AWAKE" = no ] || keep_awake
	# shellcheck disable=SC2086
	watch_load "$(head -1 "$SERVER_DIR/data/postmaster.pid")" ${LIBRARY_PID:+"$LIBRARY_PID"} $AWAKE_PIDS
	measure_recall
	[ "$ROUNDS" -eq 0 ] || measure_speed
	report
}

parse_options()
{
	local data=sift space=l2

	ROWS='' QUERIES=1000 M=16 EF_CONSTRUCTION=64 CLIENTS=1 SECONDS_A_SLICE=3 ROUNDS=3 ALONE=no AWAKE=no PIN=no KEEP=no
	WITH='' WITH_LIBRARY=no SERVER_SETTINGS=''
	unset VERSUS
	while [ $# -gt 0 ]; do
		case $1 in
			--alone) ALONE=yes ;;
			--awake) AWAKE=yes ;;
			--pin) PIN=yes ;;
			--library) WITH_LIBRARY=yes ;;
			--keep) KEEP=yes ;;
			-h | --help) usage; exit 0 ;;
			--*)
				[ $# -ge 2 ] || die "$1 needs a value"
				case $1 in
					--data) data=$2 ;;
					--space) space=$2 ;;
					--rows) ROWS=$2 ;;
					--queries) QUERIES=$2 ;;
					--m) M=$2 ;;
					--ef-construction) EF_CONSTRUCTION=$2 ;;
					--ef) EF_VALUES=$2 ;;
					--clients) CLIENTS=$2 ;;
					--seconds) SECONDS_A_SLICE=$2 ;;
					--rounds) ROUNDS=$2 ;;
					--with) WITH=${2// /} ;;
					--versus) VERSUS=${2// /} ;;
					--server) SERVER_SETTINGS=$2 ;;
					*) usage >&2; die "unknown option $1" ;;
				esac
				shift
				;;
			*) usage >&2; die "unknown argument $1" ;;
		esac
		shift
	done
	use_space "$space"
	use_data "$data"
}

# ------------------------------------------------------------------ sides

# SIDES: ours; then itself with other options, or pgvector when it is here and has the space;
# then the library.
choose_sides()
{
	SIDES=$OURS
	if [ -n "${VERSUS+given}" ]; then
		SIDES="$SIDES versus"
	elif [ "$ALONE" = no ] && [ "$OURS" != "$PEER" ] && peer_is_here; then
		SIDES="$SIDES $PEER"
	fi
	if [ "$WITH_LIBRARY" = yes ]; then
		if [ -n "$(library_space)" ]; then
			SIDES="$SIDES $LIBRARY"
		else
			echo "    $LIBRARY has no space $SPACE: left out"
		fi
	fi
}

peer_is_here()
{
	if ! run_sql postgres "CREATE DATABASE bench_$PEER" ||
		! run_sql "bench_$PEER" "CREATE EXTENSION $PEER" 2>/dev/null; then
		echo "    pgvector is not available on this server: left out"
		return 1
	elif [ -z "$(run_sql "bench_$PEER" "SELECT opcname FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod
		WHERE amname = 'hnsw' AND opcname = '${PEER_CLASS_PREFIX}_${SPACE_CLASS}_ops'")" ]; then
		echo "    pgvector has no hnsw class for $SPACE: left out"
		return 1
	fi
}

side_label()
{
	case $1 in
		"$OURS") echo "$1${WITH:+($WITH)}" ;;
		versus) echo "$OURS${VERSUS:+($VERSUS)}" ;;
		*) echo "$1" ;;
	esac
}

side_extension()
{
	if [ "$1" = versus ]; then echo "$OURS"; else echo "$1"; fi
}

side_class_prefix()
{
	if [ "$1" = "$PEER" ]; then echo "$PEER_CLASS_PREFIX"; else echo "$OUR_CLASS_PREFIX"; fi
}

# side_options SIDE: all of --with or --versus, one a line.
side_options()
{
	case $1 in
		"$OURS") printf '%s' "$WITH" | tr ',' '\n' ;;
		versus) printf '%s' "$VERSUS" | tr ',' '\n' ;;
	esac
}

side_index_options()
{
	side_options "$1" | grep -v '\..*=' | paste -sd, -
}

# side_session SIDE EF: the settings of a session that searches.
side_session()
{
	search_options "$2"
	side_options "$1" | grep '\..*=' | sed 's/^/ -c /'
}

# ------------------------------------------------------------------ preparation

# Data, exact neighbours, index and warm cache of one side.  The others get the data from
# ours, which comes first.
prepare_side()
{
	local side=$1 db=bench_$1

	if [ "$side" = "$LIBRARY" ]; then
		step "$side: reading the data and building the graph"
		start_library "bench_$OURS" "$M" "$EF_CONSTRUCTION" $((BUILD_WORKERS + 1))
	else
		step "$(side_label "$side"): loading $DATA_NAME"
		prepare_database "$side" "$db"
		step "$(side_label "$side"): finding the exact neighbours"
		find_exact "$db" "$ROWS" "$EXACT_SAMPLE" "$(exact_file "$ROWS" "$QUERIES" "$EXACT_SAMPLE")"
		step "$(side_label "$side"): building the index"
		build_index "$db" "$(side_class_prefix "$side")" "$M" "$EF_CONSTRUCTION" "$(side_index_options "$side")"
		require_index_plan "$db" 40
		require_settings "$side"
		warm_cache "$db"
	fi
	echo "    $BUILD_SECONDS s, $INDEX_MB MB"
	printf 'side\t%s\t%s\n' "$side" "$(side_label "$side")" >>"$RESULTS.tsv"
	printf 'build\t%s\t%s\t%s\n' "$side" "$BUILD_SECONDS" "$INDEX_MB" >>"$RESULTS.tsv"
}

prepare_database()
{
	local extension

	extension=$(side_extension "$1")
	if [ "$1" != "$PEER" ] || [ "$1" = "$OURS" ]; then
		run_sql postgres "CREATE DATABASE $2" && run_sql "$2" "CREATE EXTENSION $extension" ||
			die "CREATE EXTENSION $extension failed"
	fi
	if [ "$1" = "$OURS" ]; then
		load_data "$2" "$ROWS" "$QUERIES"
	else
		copy_data "bench_$OURS" "$2"
	fi
}

# Warm means in shared buffers.
warn_of_size()
{
	local side bytes=0

	for side in $SIDES; do
		[ "$side" = "$LIBRARY" ] ||
			bytes=$((bytes + $(run_sql "bench_$side" "SELECT pg_relation_size('items_v_idx')")))
	done
	[ "$bytes" -lt "$(run_sql postgres "SELECT pg_size_bytes(current_setting('shared_buffers'))")" ] ||
		echo "    note: the indexes, $((bytes / 1048576)) MB, do not fit in shared_buffers (--server shared_buffers=...)"
}

# require_settings SIDE: the server knows the settings of --with or --versus; a wrong name with
# a dot would pass without an error.
require_settings()
{
	local name

	for name in $(side_options "$1" | sed -n 's/\(.*\..*\)=.*/\1/p'); do
		[ -n "$(run_sql "bench_$1" "SET client_min_messages = warning; LOAD '$(side_extension "$1")';
			SELECT name FROM pg_settings WHERE name = lower('$name')")" ] || die "no setting is named $name"
	done
}

warm_cache()
{
	run_sql "$1" "CREATE EXTENSION IF NOT EXISTS pg_prewarm" 2>/dev/null &&
		run_sql "$1" "SELECT pg_prewarm(oid::regclass) FROM pg_class
			WHERE relname IN ('items', 'items_pkey', 'items_v_idx', 'queries', 'queries_pkey')" >/dev/null
}

# ------------------------------------------------------------------ measuring

# Also a pass over all queries, after which every page a search needs is in the cache.
measure_recall()
{
	local ef side

	step "Measuring recall@$K"
	for ef in $EF_VALUES; do
		for side in $SIDES; do
			if [ "$side" = "$LIBRARY" ]; then
				library_recall "bench_$OURS" "$ef"
			else
				ANSWER=$(recall "bench_$side" "$(side_session "$side" "$ef")") || exit 1
			fi
			printf 'recall\t%s\t%s\t%s\n' "$side" "$ef" "$ANSWER" >>"$RESULTS.tsv"
			echo "    $(side_label "$side"): ef_search $ef: recall $ANSWER"
		done
	done
}

measure_speed()
{
	local clients ef script=$OUT/search.sql empty=$OUT/round_trip.sql

	step "Measuring queries/s: $ROUNDS rounds of $SECONDS_A_SLICE s a side and setting"
	write_search_script "$script"
	printf '%s\n' '\set q random(0, :queries - 1)' 'SELECT id FROM queries WHERE id = :q;' >"$empty"
	for clients in $CLIENTS; do
		slices round_trip "$empty" 40 "$clients"
	done
	for ef in $EF_VALUES; do
		for clients in $CLIENTS; do
			slices "$ef" "$script" "$ef" "$clients"
		done
		measure_costs "$ef"
	done
}

# slices NAME SCRIPT EF CLIENTS: alternating slices of one setting.
slices()
{
	local round side line="    $1, $4 client(s):"

	[ "$PIN" = no ] || pin_client_and_server "$4"
	for round in $(seq "$ROUNDS"); do
		for side in $SIDES; do
			[ "$1$side" != "round_trip$LIBRARY" ] || continue
			quiet_slice "$side" "$2" "$3" "$4"
			printf 'speed\t%s\t%s\t%s\t%s\n' "$side" "$4" "$1" "$SPEED" >>"$RESULTS.tsv"
			line="$line $(side_label "$side") $SPEED"
		done
	done
	echo "$line"
}

# quiet_slice SIDE SCRIPT EF CLIENTS: sets SPEED; again, up to REPEATS times, when others used
# the machine, and then that of the quietest.
quiet_slice()
{
	local attempt speed least=''

	for attempt in $(seq 0 "$REPEATS"); do
		load_start
		one_slice "$@"
		load_end
		if [ -z "$least" ] || awk "BEGIN {exit !($OTHERS < $least)}"; then
			least=$OTHERS speed=$SPEED
		fi
		too_much_load "$OTHERS" "$4" || break
	done
	SPEED=$speed
	printf 'load\t%s\t%s\t%s\n' "$least" "$attempt" "$(too_much_load "$least" "$4" && echo disturbed)" \
		>>"$RESULTS.tsv"
}

one_slice()
{
	if [ "$1" = "$LIBRARY" ]; then
		ask_library "speed $3 $4"
		SPEED=$ANSWER
	else
		SPEED=$(queries_per_second "bench_$1" "$(side_session "$1" "$3")" "$2" "$SECONDS_A_SLICE" "$4") || exit 1
	fi
}

# pin_client_and_server CLIENTS: one client and its backend take turns, so they need one processor;
# on two of a virtual machine they wait for the host to wake the other at each turn, or do not, as
# the scheduler happens to place them.  Holds for backends started from now on, and pgbench
# (CLIENT_PROCESSORS of measure.sh); several clients get all processors.
pin_client_and_server()
{
	CLIENT_PROCESSORS=0
	[ "$1" -eq 1 ] || CLIENT_PROCESSORS=0-$(($(nproc) - 1))
	taskset -pc "$CLIENT_PROCESSORS" "$(head -1 "$SERVER_DIR/data/postmaster.pid")" >/dev/null ||
		die "cannot keep the server on processor $CLIENT_PROCESSORS"
}

# measure_costs EF: time in the server, alternating like the slices, and counters.
measure_costs()
{
	local round side costs

	for ((round = 0; round < ROUNDS; round++)); do
		for side in $SIDES; do
			[ "$side" != "$LIBRARY" ] || continue
			costs=$(scan_costs "bench_$side" "$(side_session "$side" "$1")" "$COST_QUERIES") || exit 1
			printf '%s\n' "$costs" | sed "s/^/cost|$side|$1|/" | tr '|' '\t' >>"$RESULTS.tsv"
		done
	done
}

# ------------------------------------------------------------------ report

report()
{
	local db=bench_$OURS count dim title

	step "Writing the report"
	count=$(run_sql "$db" "SELECT count(*) FROM items")
	dim=$(run_sql "$db" "SELECT vector_dims(v) FROM items LIMIT 1")
	title="$DATA_NAME, $count x $dim, $SPACE, m = $M, ef_construction = $EF_CONSTRUCTION"
	report_lines | perl "$TOP/bench/report.pl" --title "$title" --curves "$RESULTS" "$RESULTS.tsv" >"$RESULTS.md" ||
		die "bench/report.pl failed"
	[ "$ROUNDS" -eq 0 ] || draw "$title" || echo "    (no picture: gnuplot failed)"
	step_done
	echo
	cat "$RESULTS.md"
	echo
	echo "To keep: cat $RESULTS.md >> bench/RESULTS.md"
	[ "$KEEP" = no ] || echo "Server:  $BINDIR/psql -h $PGHOST -p $PGPORT -U $PGUSER $db"
}

# What was measured, and how: one line a paragraph.
report_lines()
{
	local db=bench_$OURS side versions='' speed='' commit

	if [ "$ROUNDS" -gt 0 ]; then
		speed=" clients $CLIENTS, prepared statements, Unix socket, warm cache, JIT off; $ROUNDS alternating slices of"
		speed="$speed $SECONDS_A_SLICE s, median (least-most); each query looks its vector up by primary key;"
	fi
	commit=$(git -C "$TOP" rev-parse --short HEAD 2>/dev/null)
	for side in $SIDES; do
		case $side in
			versus) ;;
			"$LIBRARY") versions="$versions, $side $(dpkg-query -W -f '${Version}' libhnswlib-dev 2>/dev/null)" ;;
			*) versions="$versions, $side $(run_sql "bench_$side" "SELECT extversion FROM pg_extension
				WHERE extname = '$side'")" ;;
		esac
	done
	echo "\`$COMMAND\`, $(date +%Y-%m-%d)${commit:+, commit $commit}"
	[ "$AWAKE" = no ] || echo "processors kept awake (--awake)"
	[ "$PIN" = no ] || echo "a single client and its backend share a processor (--pin)"
	echo "$(machine_line); PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //; s/ .*//')$versions"
	echo "shared_buffers $(setting shared_buffers), maintenance_work_mem $(setting maintenance_work_mem)," \
		"$((BUILD_WORKERS + 1)) processes or threads build;$speed recall@$K over" \
		"$(run_sql "$db" "SELECT count(*) FROM exact") queries against: $EXACT_SOURCE"
	case $SIDES in
		*"$LIBRARY"*) echo "$LIBRARY: in process, without a server, rows, visibility and logging, 4-byte values; a" \
			"thread a client; queries/s of the best of 5 passes over the queries, each round; MB of memory" ;;
	esac
}

# draw TITLE: a picture for each number of clients.
draw()
{
	local clients side curves picture

	for clients in $CLIENTS; do
		curves=()
		for side in $SIDES; do
			curves+=("$RESULTS.$side.$clients.tsv" "$(side_label "$side")")
		done
		picture=$RESULTS-$clients.png
		plot "$picture" "$1" "$clients" "${curves[@]}" || return 1
		echo "    $picture"
	done
}

setting()
{
	run_sql postgres "SHOW $1"
}

main "$@"
