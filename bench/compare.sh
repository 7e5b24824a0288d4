#!/bin/bash
#
# bench/compare.sh: ann's hnsw beside pgvector's, on one server.
#
# One throw-away server, two databases (both extensions own the name hnsw), the same
# rows, queries and settings.  Recall first; then queries/s in slices that alternate
# between the two, so that whatever else the machine does hits both.  Writes a
# Markdown block for bench/RESULTS.md and a picture to bench/out/.
#
# pgvector is whatever CREATE EXTENSION vector finds on this server.  Without it, and
# for spaces it does not have, ann is measured alone.

OURS=${EXTENSION:-ann}
OUR_CLASS_PREFIX=${CLASS_PREFIX:-vec}
PEER=vector
PEER_CLASS_PREFIX=vector

usage()
{
	cat <<-EOF
		usage: bench/compare.sh [options]
		  --data NAME|FILE         sift (default), mnist784, lsi128, lda32, lda128, generated, or a vector file
		  --space NAME             l2 (default), cosine, ip, l1, linf, angular, js, jsmetric,
		                           kl, gkl, is, kl_right, gkl_right, is_right, lp=P, renyi=ALPHA
		  --rows N                 the first N rows only
		  --queries N              1000
		  --m N                    16
		  --ef-construction N      64
		  --ef "LIST"              "$EF_VALUES"
		  --clients N              1
		  --seconds N              length of a slice, 3
		  --rounds N               slices a setting and side, 3
		  --alone                  leave pgvector out
		  --keep                   leave the server running
	EOF
}

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

OUT=$TOP/bench/out
COMMAND="bench/compare.sh$([ $# -eq 0 ] || printf ' %q' "$@")"
EF_VALUES="10 15 20 30 40 60 80 120 200 400"
EXACT_SAMPLE=200
# Leader and one worker for pgvector, two threads for ann.
BUILD_WORKERS=1

main()
{
	parse_options "$@"
	mkdir -p "$OUT" && [ -w "$OUT" ] || die "cannot write to $OUT"
	RESULTS=$OUT/compare-$DATA_NAME-$SPACE
	: >"$RESULTS.tsv"

	step "Looking for PostgreSQL, a compiler and gnuplot"
	# shellcheck disable=SC2086
	install_missing $BUILD_NEEDS gnuplot=gnuplot-nox
	use_server
	if [ "$OURS" = ann ]; then
		step "Building and installing the extension"
		build_extension && install_extension || die "the build failed"
	fi
	step "Starting a throw-away server"
	SERVER_DIR=$(make_server_dir) || die "cannot make a temporary folder"
	[ "$KEEP" = yes ] || trap 'delete_server "$SERVER_DIR"' EXIT
	trap 'exit 130' INT TERM
	start_server "$SERVER_DIR" wal_level=minimal max_wal_senders=0 autovacuum=off \
		max_parallel_maintenance_workers="$BUILD_WORKERS"
	choose_sides
	for side in $SIDES; do
		prepare_side "$side"
	done
	measure_recall
	measure_speed
	report
}

parse_options()
{
	local data=sift space=l2

	ROWS='' QUERIES=1000 M=16 EF_CONSTRUCTION=64 CLIENTS=1 SECONDS_A_SLICE=3 ROUNDS=3 ALONE=no KEEP=no
	while [ $# -gt 0 ]; do
		case $1 in
			--alone) ALONE=yes ;;
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

# SIDES: ours, and pgvector when it is here and has the space.
choose_sides()
{
	SIDES=$OURS
	[ "$ALONE" = no ] && [ "$OURS" != "$PEER" ] || return 0
	if ! run_sql postgres "CREATE DATABASE bench_$PEER" ||
		! run_sql "bench_$PEER" "CREATE EXTENSION $PEER" 2>/dev/null; then
		echo "    pgvector is not available on this server: measuring $OURS alone"
	elif [ -z "$(run_sql "bench_$PEER" "SELECT opcname FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod
		WHERE amname = 'hnsw' AND opcname = '${PEER_CLASS_PREFIX}_${SPACE_CLASS}_ops'")" ]; then
		echo "    pgvector has no hnsw class for $SPACE: measuring $OURS alone"
	else
		SIDES="$OURS $PEER"
	fi
}

class_prefix()
{
	if [ "$1" = "$OURS" ]; then echo "$OUR_CLASS_PREFIX"; else echo "$PEER_CLASS_PREFIX"; fi
}

# Data, exact neighbours, index and warm cache of one side.
prepare_side()
{
	local side=$1 db=bench_$1

	step "$side: loading $DATA_NAME"
	if [ "$side" = "$OURS" ]; then
		run_sql postgres "CREATE DATABASE $db" && run_sql "$db" "CREATE EXTENSION $side" ||
			die "CREATE EXTENSION $side failed"
	fi
	load_data "$db" "$ROWS" "$QUERIES"
	find_exact "$db" "$ROWS" "$EXACT_SAMPLE"
	step "$side: building the index"
	build_index "$db" "$(class_prefix "$side")" "$M" "$EF_CONSTRUCTION"
	echo "    $BUILD_SECONDS s, $INDEX_MB MB"
	printf 'build\t%s\t%s\t%s\n' "$side" "$BUILD_SECONDS" "$INDEX_MB" >>"$RESULTS.tsv"
	require_index_plan "$db" 40
	run_sql "$db" "CREATE EXTENSION IF NOT EXISTS pg_prewarm" 2>/dev/null &&
		run_sql "$db" "SELECT pg_prewarm(oid::regclass) FROM pg_class
			WHERE relname IN ('items', 'items_pkey', 'items_v_idx', 'queries', 'queries_pkey')" >/dev/null
}

# Also a pass over all queries, after which every page a search needs is in the cache.
measure_recall()
{
	local ef side found

	step "Measuring recall@$K"
	for ef in $EF_VALUES; do
		for side in $SIDES; do
			found=$(recall "bench_$side" "$(search_options "$ef")") || exit 1
			printf 'recall\t%s\t%s\t%s\n' "$side" "$ef" "$found" >>"$RESULTS.tsv"
			echo "    $side: ef_search $ef: recall $found"
		done
	done
}

measure_speed()
{
	local ef script=$OUT/search.sql empty=$OUT/round_trip.sql

	step "Measuring queries/s: $ROUNDS rounds of $SECONDS_A_SLICE s a side and setting"
	write_search_script "$script"
	printf '%s\n' '\set q random(0, :queries - 1)' 'SELECT id FROM queries WHERE id = :q;' >"$empty"
	slices round_trip "$empty" 40
	for ef in $EF_VALUES; do
		slices "$ef" "$script" "$ef"
	done
}

# slices NAME SCRIPT EF: alternating slices of one setting.
slices()
{
	local round side speed line="    $1:"

	for round in $(seq "$ROUNDS"); do
		for side in $SIDES; do
			speed=$(queries_per_second "bench_$side" "$(search_options "$3")" "$2" \
				"$SECONDS_A_SLICE" "$CLIENTS") || exit 1
			printf 'speed\t%s\t%s\t%s\n' "$side" "$1" "$speed" >>"$RESULTS.tsv"
			line="$line $side $speed"
		done
	done
	echo "$line"
}

report()
{
	local db=bench_$OURS side curves='' count dim commit versions=''

	step "Writing the report"
	count=$(run_sql "$db" "SELECT count(*) FROM items")
	dim=$(run_sql "$db" "SELECT vector_dims(v) FROM items LIMIT 1")
	commit=$(git -C "$TOP" rev-parse --short HEAD 2>/dev/null)
	for side in $SIDES; do
		versions="$versions, $side $(run_sql "bench_$side" "SELECT extversion FROM pg_extension WHERE extname = '$side'")"
	done
	perl "$TOP/bench/report.pl" \
		--title "$DATA_NAME, $count x $dim, $SPACE, m = $M, ef_construction = $EF_CONSTRUCTION" \
		--line "\`$COMMAND\`, $(date +%Y-%m-%d)${commit:+, commit $commit}" \
		--line "$(machine_line); PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //; s/ .*//')$versions" \
		--line "shared_buffers $(setting shared_buffers), maintenance_work_mem $(setting maintenance_work_mem), $((BUILD_WORKERS + 1)) processes or threads build; $CLIENTS client(s), prepared statements, Unix socket, warm cache, JIT off; $ROUNDS alternating slices of $SECONDS_A_SLICE s, median (least-most); each query looks its vector up by primary key; recall@$K over $(run_sql "$db" "SELECT count(*) FROM exact") queries against: $EXACT_SOURCE" \
		--curves "$RESULTS" "$RESULTS.tsv" >"$RESULTS.md" || die "bench/report.pl failed"
	for side in $SIDES; do
		curves="$curves $RESULTS.$side.tsv=$side"
	done
	# shellcheck disable=SC2086
	plot "$RESULTS.png" "$DATA_NAME, $count x $dim, $SPACE, m = $M, ef_construction = $EF_CONSTRUCTION" $curves ||
		echo "    (no picture: gnuplot failed)"
	step_done
	echo
	cat "$RESULTS.md"
	echo
	echo "Picture: $RESULTS.png"
	echo "To keep: cat $RESULTS.md >> bench/RESULTS.md"
	[ "$KEEP" = no ] || echo "Server:  $BINDIR/psql -h $PGHOST -p $PGPORT -U $PGUSER $db"
}

setting()
{
	run_sql postgres "SHOW $1"
}

main "$@"
