#!/bin/bash
#
# bench/vacuum.sh: VACUUM of a table with an hnsw index, ann beside pgvector.
#
#   bench/vacuum.sh [--data NAME|FILE] [--rows N] [--every N] [--rounds N] [--with "name=value,..."]
#
# One throw-away server, two databases, the same rows.  An index over N rows is built,
# every tenth row (or every Nth) deleted, and the table vacuumed; the same with a table
# that has nothing but its primary key is the reference.  Reports the seconds and WAL
# bytes of VACUUM and the recall at ef_search = 40 before and after (full_page_writes and
# synchronous_commit are off).  With rounds, as many rows as were deleted are inserted
# after each VACUUM, others are deleted and the table is vacuumed again.  At the end the
# rows are inserted again, and recall and size compared with those of an index built anew.
# --with gives options of ann's index.

OURS=${EXTENSION:-ann}
OUR_CLASS_PREFIX=${CLASS_PREFIX:-vec}
PEER=${PEER:-vector}

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

ROWS=100000
EVERY=10
ROUNDS=1
WITH=
QUERIES=500
EF=40

main()
{
	local data=sift side round

	while [ $# -ge 2 ]; do
		case $1 in
			--data) data=$2 ;;
			--rows) ROWS=$2 ;;
			--every) EVERY=$2 ;;
			--rounds) ROUNDS=$2 ;;
			--with) WITH=$2 ;;
			*) die "unknown option $1" ;;
		esac
		shift 2
	done
	[ $# -eq 0 ] || die "usage: bench/vacuum.sh [--data NAME|FILE] [--rows N] [--every N] [--rounds N] [--with OPTIONS]"
	use_space l2
	use_data "$data"
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

	: >"$TOP/bench/out/vacuum.table"
	SIDES=
	prepare_side "$OURS" "$OUR_CLASS_PREFIX" || die "CREATE EXTENSION $OURS failed"
	[ "$PEER" = none ] || prepare_side "$PEER" "$PEER" || echo "    pgvector is not available: $OURS alone"
	for round in $(seq "$ROUNDS"); do
		for side in $SIDES; do
			[ "$round" -eq 1 ] || insert_again "$side" "round $round"
			vacuum_round "$side" "$round"
		done
	done
	for side in $SIDES; do
		insert_again "$side" "the last comparison"
		find_exact "bench_$side" "$ROWS" "$QUERIES"
		note "$side" "inserted again" - - - "$(measured_recall "bench_$side")" "$(index_mb "bench_$side")"
	done
	report
}

side_options()
{
	[ "$1" != "$OURS" ] || echo "$WITH"
}

prepare_side()
{
	local side=$1 prefix=$2 db=bench_$1

	step "$side: loading and building"
	run_sql postgres "CREATE DATABASE $db"
	run_sql "$db" "CREATE EXTENSION $side" 2>/dev/null || return 1
	SIDES="$SIDES $side"
	load_data "$db" "$ROWS" "$QUERIES"
	run_sql "$db" "CREATE TABLE plain AS SELECT * FROM items; ALTER TABLE plain ADD PRIMARY KEY (id)"
	run_sql "$db" "VACUUM (FREEZE, ANALYZE) plain"
	build_index "$db" "$prefix" 16 64 "$(side_options "$side")"
	find_exact "$db" "$ROWS" "$QUERIES"
	note "$side" 0 - - - "$(measured_recall "$db")" "$(index_mb "$db")"
	run_sql "$db" "CHECKPOINT"
}

measured_recall()
{
	recall "$1" "$(search_options $EF)" "$QUERIES"
}

index_mb()
{
	run_sql "$1" "SELECT round(pg_relation_size('items_v_idx') / 1048576.0, 1)"
}

# note SIDE ROUND SECONDS PLAIN_SECONDS WAL_MB RECALL INDEX_MB: a line of the table
note()
{
	printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$@" >>"$TOP/bench/out/vacuum.table"
}

# timed_vacuum DATABASE TABLE: sets SECONDS_TAKEN and WAL_MB.
timed_vacuum()
{
	local start end before after

	before=$(run_sql "$1" "SELECT pg_current_wal_insert_lsn()")
	start=$(date +%s%N)
	run_sql "$1" "VACUUM (INDEX_CLEANUP ON, PARALLEL 0) $2" || die "VACUUM failed"
	end=$(date +%s%N)
	after=$(run_sql "$1" "SELECT pg_current_wal_insert_lsn()")
	SECONDS_TAKEN=$(awk "BEGIN {printf \"%.2f\", ($end - $start) / 1e9}")
	WAL_MB=$(run_sql "$1" "SELECT round(pg_wal_lsn_diff('$after', '$before') / 1048576, 1)")
}

# vacuum_round SIDE ROUND: deletes every $EVERY-th row, others each round, and vacuums.
vacuum_round()
{
	local db=bench_$1 plain table

	step "$1: deleting and vacuuming, round $2"
	for table in plain items; do
		run_sql "$db" "CREATE TABLE gone_$table AS SELECT * FROM $table WHERE id % $EVERY = ($2 - 1) % $EVERY"
		run_sql "$db" "DELETE FROM $table WHERE id % $EVERY = ($2 - 1) % $EVERY"
		timed_vacuum "$db" "$table"
		[ "$table" = items ] || plain=$SECONDS_TAKEN
	done
	run_sql "$db" "DROP TABLE exact"
	find_exact "$db" "$ROWS" "$QUERIES"
	note "$1" "$2" "$SECONDS_TAKEN" "$plain" "$WAL_MB" "$(measured_recall "$db")" "$(index_mb "$db")"
}

# insert_again SIDE NEXT: what the last round deleted comes back.
insert_again()
{
	local table

	step "$1: inserting, before $2"
	for table in plain items; do
		run_sql "bench_$1" "INSERT INTO $table SELECT * FROM gone_$table; DROP TABLE gone_$table" ||
			die "INSERT failed"
	done
}

report()
{
	local side prefix

	for side in $SIDES; do
		step "$side: building anew"
		prefix=$side
		[ "$side" != "$OURS" ] || prefix=$OUR_CLASS_PREFIX
		build_index "bench_$side" "$prefix" 16 64 "$(side_options "$side")"
		note "$side" "built anew" - - - "$(measured_recall "bench_$side")" "$(index_mb "bench_$side")"
	done
	step_done
	echo
	echo "## VACUUM, $DATA_NAME, $ROWS rows, one in $EVERY deleted a round, m = 16, ef_construction = 64"
	echo
	echo "- \`bench/vacuum.sh${WITH:+ --with $WITH}\`, $(date +%Y-%m-%d); $(machine_line); PostgreSQL $SERVER_VERSION; recall@$K at ef_search = $EF"
	echo
	echo "| side | round | s | s without the index | WAL MB | recall | index MB |"
	echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
	cat "$TOP/bench/out/vacuum.table"
}

main "$@"
