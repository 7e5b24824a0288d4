#!/bin/bash
#
# bench/insert.sh: single-row INSERTs into an hnsw index, ann beside pgvector.
#
#   bench/insert.sh [--data NAME|FILE] [--rows N] [--inserts N]
#
# One throw-away server, two databases, the same rows.  An index over the first N rows
# is built, then pgbench inserts further rows one a transaction, in slices that
# alternate between the two; the same inserts into a table with nothing but its
# primary key are the reference.  Reports rows/s and WAL bytes a row (full_page_writes
# and synchronous_commit are off).

OURS=${EXTENSION:-ann}
OUR_CLASS_PREFIX=${CLASS_PREFIX:-vec}
PEER=vector

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

ROWS=100000
INSERTS=9000
ROUNDS=3

main()
{
	local data=sift side round

	while [ $# -ge 2 ]; do
		case $1 in
			--data) data=$2 ;;
			--rows) ROWS=$2 ;;
			--inserts) INSERTS=$2 ;;
			*) die "unknown option $1" ;;
		esac
		shift 2
	done
	[ $# -eq 0 ] || die "usage: bench/insert.sh [--data NAME|FILE] [--rows N] [--inserts N]"
	use_space l2
	use_data "$data"
	QUERY_FILE=		# the rows to insert are rows of the base file, held out
	mkdir -p "$TOP/bench/out" || exit 1

	step "Building, and starting a throw-away server"
	# shellcheck disable=SC2086
	install_missing $BUILD_NEEDS
	use_server
	[ "$OURS" != ann ] || { build_extension && install_extension; } || die "the build failed"
	SERVER_DIR=$(make_server_dir) || die "cannot make a temporary folder"
	trap 'delete_server "$SERVER_DIR"' EXIT
	trap 'exit 130' INT TERM
	start_server "$SERVER_DIR" autovacuum=off

	SIDES=
	prepare_side "$OURS" "$OUR_CLASS_PREFIX" || die "CREATE EXTENSION $OURS failed"
	[ "$OURS" = "$PEER" ] || prepare_side "$PEER" "$PEER" || echo "    pgvector is not available: $OURS alone"
	step "Inserting $INSERTS rows a side"
	for round in $(seq "$ROUNDS"); do
		for side in $SIDES; do
			insert_slice "$side" items $((round - 1))
			insert_slice "$side" plain $((round - 1))
		done
	done
	step_done
	report
}

prepare_side()
{
	local side=$1 prefix=$2 db=bench_$1

	step "$side: loading and building"
	run_sql postgres "CREATE DATABASE $db"
	run_sql "$db" "CREATE EXTENSION $side" 2>/dev/null || return 1
	SIDES="$SIDES $side"
	load_data "$db" "$((ROWS + INSERTS))" "$INSERTS"
	run_sql "$db" "CREATE TABLE plain (LIKE items INCLUDING INDEXES)"
	build_index "$db" "$prefix" 16 64
	run_sql "$db" "CHECKPOINT"
}

# insert_slice SIDE TABLE ROUND: one round's share of the rows; adds a line
# "rows/s WAL-bytes" to bench/out/insert.SIDE.TABLE.
insert_slice()
{
	local db=bench_$1 table=$2 count=$((INSERTS / ROUNDS)) script=$TOP/bench/out/insert.sql
	local before after out results=$TOP/bench/out/insert.$1.$2

	[ "$3" -gt 0 ] || : >"$results"
	printf '%s\n' '\set id :id + 1' \
		"INSERT INTO $table SELECT 1000000 + id, v FROM queries WHERE id = :id;" >"$script"
	before=$(run_sql "$db" "SELECT pg_current_wal_insert_lsn()")
	out=$("$BINDIR/pgbench" -n -M prepared -c 1 -t "$count" -D id=$(($3 * count - 1)) -f "$script" "$db" 2>&1) ||
		die "pgbench failed: $out"
	after=$(run_sql "$db" "SELECT pg_current_wal_insert_lsn()")
	printf '%s %s\n' "$(printf '%s\n' "$out" | awk '/^tps = / {print $3; exit}')" \
		"$(run_sql "$db" "SELECT pg_wal_lsn_diff('$after', '$before') / $count")" >>"$results"
}

report()
{
	local side

	echo
	echo "## single-row inserts, $DATA_NAME, index of $ROWS rows, m = 16, ef_construction = 64"
	echo
	echo "- \`bench/insert.sh\`, $(date +%Y-%m-%d); $(machine_line); PostgreSQL $SERVER_VERSION; median of $ROUNDS alternating slices"
	echo
	echo "| side | rows/s | rows/s without the index | WAL bytes a row | WAL bytes a row without the index |"
	echo "| --- | ---: | ---: | ---: | ---: |"
	for side in $SIDES; do
		printf '| %s | %.0f | %.0f | %.0f | %.0f |\n' "$side" "$(median "$side.items" 1)" \
			"$(median "$side.plain" 1)" "$(median "$side.items" 2)" "$(median "$side.plain" 2)"
	done
}

median()
{
	awk -v column="$2" '{print $column}' "$TOP/bench/out/insert.$1" | sort -g | sed -n "$(((ROUNDS + 1) / 2))p"
}

main "$@"
