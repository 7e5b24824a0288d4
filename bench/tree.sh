#!/bin/bash
#
# bench/tree.sh: vptree beside the exact scan, beside hnsw, and beside pgvector.
#
#   bench/tree.sh [--data "NAME ..."] [--space SPACE] [--rows N] [--queries N]
#                 [--with "OPTIONS; OPTIONS; ..."] [--ef "LIST"] [--alone]
#
# One throw-away server; for each data set the same rows and queries in a database of ann
# and one of pgvector.  Indexes one after the other: vptree with each list of options of
# --with ("name=value,..."; the default is the vantage-point tree and, where the space has
# it, the kd-tree), ann's hnsw, pgvector's hnsw, the graphs at each ef_search of --ef (with
# an empty list there are none).
# Prints a Markdown table: build, size, recall@10 against the exact scan, distance
# computations and time of a query inside the server (prepared, one session), and what the
# exact scan takes over that.  pgvector is left out where it is not installed or has not
# the space.  Data: names as for compare.sh, and uniformN: N numbers between 0 and 1.

OURS=${EXTENSION:-ann}
OUR_CLASS_PREFIX=${CLASS_PREFIX:-vec}
PEER=vector

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

DATA="uniform2 uniform4 uniform8 generated8 generated16"
ROWS=''
QUERIES=200
TREES=''
EF_VALUES="40 100 200"
ALONE=no
OUT=$TOP/bench/out

main()
{
	local space=l2 data arguments

	arguments=$(printf ' %q' "$@")
	while [ $# -ge 1 ]; do
		case $1 in
			--alone) ALONE=yes; shift; continue ;;
		esac
		[ $# -ge 2 ] || die "option $1 needs a value"
		case $1 in
			--data) DATA=$2 ;;
			--space) space=$2 ;;
			--rows) ROWS=$2 ;;
			--queries) QUERIES=$2 ;;
			--with) TREES=${2// /} ;;
			--ef) EF_VALUES=$2 ;;
			*) die "unknown option $1" ;;
		esac
		shift 2
	done
	use_space "$space"
	mkdir -p "$OUT" || exit 1

	step "Building, and starting a throw-away server"
	# shellcheck disable=SC2086
	install_missing $BUILD_NEEDS
	use_server
	build_extension && install_extension || die "the build failed"
	SERVER_DIR=$(make_server_dir) || die "cannot make a temporary folder"
	trap 'delete_server "$SERVER_DIR"' EXIT
	trap 'exit 130' INT TERM
	start_server "$SERVER_DIR" autovacuum=off max_parallel_maintenance_workers=1

	heading "$arguments" >"$OUT/tree.md"
	for data in $DATA; do
		use_data "$data"
		measure_data >>"$OUT/tree.md" || exit 1
	done
	step_done
	echo
	cat "$OUT/tree.md"
}

heading()
{
	echo "## vptree, $SPACE, k = $K"
	echo
	echo "- \`bench/tree.sh$([ "$1" = " ''" ] || echo "$1")\`, $(date +%Y-%m-%d), commit $(git -C "$TOP" rev-parse --short HEAD);" \
		"$(machine_line); PostgreSQL $SERVER_VERSION; $QUERIES queries, two threads or processes build"
	echo
	echo "| data | index | build s | MB | recall | distances | ms | exact scan's distances over that | ... and time |"
	echo "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
}

# ------------------------------------------------------------------ one data set

# Steps are told on the standard error, lines of the table on the standard output.
measure_data()
{
	local tree ef

	step "$DATA_NAME: loading, and finding the exact neighbours" >&2
	new_database "$OURS" && load_data "tree_$OURS" "$ROWS" "$QUERIES" >&2
	ROW_COUNT=$(run_sql "tree_$OURS" "SELECT count(*) FROM items")
	find_exact "tree_$OURS" "$ROWS" "$QUERIES" "$(exact_file "$ROWS" "$QUERIES" "$QUERIES")" >&2
	EXACT_MS=$(milliseconds "tree_$OURS" "$EXACT_OPTIONS" 20)
	line "exact scan" - - 1 "$ROW_COUNT" "$EXACT_MS"
	printf '%s\n' "${TREES:-$(default_trees)}" | tr ';' '\n' | while read -r tree; do
		step "$DATA_NAME: vptree${tree:+ ($tree)}" >&2
		build_index_of vptree "tree_$OURS" "$OUR_CLASS_PREFIX" "$tree" >&2
		measure_index "$OURS" "vptree${tree:+, $tree}" "-c enable_seqscan=off"
	done
	[ -z "$EF_VALUES" ] || measure_graph "$OURS" "$OUR_CLASS_PREFIX" "ann hnsw"
	if [ "$ALONE" = no ] && [ -n "$EF_VALUES" ] && new_database "$PEER" 2>/dev/null; then
		copy_data "tree_$OURS" "tree_$PEER" >&2
		copy_rows "tree_$PEER" "CREATE TABLE exact (query_id int4, kth_distance float8)" exact \
			run_sql "tree_$OURS" "COPY exact TO STDOUT (FORMAT binary)" >&2
		peer_has_space && measure_graph "$PEER" "$PEER" "pgvector hnsw"
	fi
	run_sql postgres "DROP DATABASE tree_$OURS" && run_sql postgres "DROP DATABASE IF EXISTS tree_$PEER"
}

new_database()
{
	run_sql postgres "CREATE DATABASE tree_$1" && run_sql "tree_$1" "CREATE EXTENSION $1" || return 1
}

default_trees()
{
	case $SPACE in
		l1 | l2 | linf | lp=*) printf '\npartition=kd\n' ;;
		*) echo ;;
	esac
}

peer_has_space()
{
	[ -n "$(run_sql "tree_$PEER" "SELECT opcname FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod
		WHERE amname = 'hnsw' AND opcname = '${PEER}_${SPACE_CLASS}_ops'")" ]
}

# measure_graph SIDE CLASS_PREFIX NAME: hnsw at every ef_search.
measure_graph()
{
	local ef

	step "$DATA_NAME: $3" >&2
	build_index "tree_$1" "$2" 16 64 >&2
	for ef in $EF_VALUES; do
		measure_index "$1" "$3, ef_search=$ef" "$(search_options "$ef")"
	done
}

# measure_index SIDE NAME "session options": one line of the table.
measure_index()
{
	local db=tree_$1 costs distances

	run_sql "$db" "SELECT count(*) FROM (SELECT v FROM items) AS s" >/dev/null
	costs=$(scan_costs "$db" "$3" "$QUERIES") || exit 1
	distances=$(printf '%s\n' "$costs" | awk -F '|' '$1 == "distances" || $1 == "estimates" {n += $2; found = 1}
		END {print found ? int(n + 0.5) : "-"}')
	line "$2" "$BUILD_SECONDS" "$INDEX_MB" "$(recall "$db" "$3" "$QUERIES")" "$distances" "$(milliseconds "$db" "$3" "$QUERIES")"
}

# milliseconds DATABASE "session options" QUERIES: time of a query inside the server.
milliseconds()
{
	scan_costs "$1" "$2" "$3" | awk -F '|' '$1 == "microseconds" {printf "%.3f\n", $2 / 1000}'
}

# line NAME BUILD MB RECALL DISTANCES MS
line()
{
	awk -v data="$DATA_NAME" -v name="$1" -v build="$2" -v mb="$3" -v recall="$4" -v distances="$5" -v ms="$6" \
		-v rows="$ROW_COUNT" -v exact="$EXACT_MS" 'BEGIN {
		printf "| %s | %s | %s | %s | %s | %s | %.3f | %s | %.1f |\n", data, name, build, mb, recall, distances,
			ms, distances == "-" ? "-" : sprintf("%.1f", rows / distances), exact / ms
	}'
}

main "$@"
