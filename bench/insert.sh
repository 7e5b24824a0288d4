#!/bin/bash
#
# bench/insert.sh: single-row INSERTs into an hnsw index, ann beside pgvector.
#
#   bench/insert.sh [--data NAME|FILE] [--rows N] [--inserts N] [--clients N] [--recall]
#                   [--with "name=value,..."]
#
# One throw-away server, two databases, the same rows.  An index over the first N rows
# is built, then pgbench inserts further rows one a transaction, in slices that
# alternate between the two; the same inserts into a table with nothing but its
# primary key are the reference.  Reports rows/s and WAL bytes a row (full_page_writes
# and synchronous_commit are off).  A slice has to be long enough for several merges of
# the rows that ann keeps pending.
#
# --clients N runs the inserts from N sessions at once.  --recall also builds an index
# over the first half of the N rows, inserts the second half, and compares its recall
# with that of an index built over all of them.  --with gives options of ann's index.

OURS=${EXTENSION:-ann}
OUR_CLASS_PREFIX=${CLASS_PREFIX:-vec}
PEER=vector

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

ROWS=100000
INSERTS=30000
ROUNDS=3
CLIENTS=1
RECALL=
WITH=
RECALL_QUERIES=500

main()
{
	local data=sift side round

	while [ $# -ge 1 ]; do
		case $1 in
			--recall) RECALL=yes; shift; continue ;;
		esac
		[ $# -ge 2 ] || die "option $1 needs a value"
		case $1 in
			--data) data=$2 ;;
			--rows) ROWS=$2 ;;
			--inserts) INSERTS=$2 ;;
			--clients) CLIENTS=$2 ;;
			--with) WITH=$2 ;;
			*) die "unknown option $1" ;;
		esac
		shift 2
	done
	use_space l2
	use_data "$data"
	ALL_QUERIES=$QUERY_FILE
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
	if [ -n "$RECALL" ]; then
		echo
		compare_recall "$OURS" "$OUR_CLASS_PREFIX"
		case " $SIDES " in *" $PEER "*) [ "$OURS" = "$PEER" ] || compare_recall "$PEER" "$PEER" ;; esac
	fi
}

# compare_recall SIDE CLASS_PREFIX: recall of an index built over all rows, and of one
# half of which was inserted.
compare_recall()
{
	local side=$1 db=recall_$1 ef

	QUERY_FILE=$ALL_QUERIES
	run_sql postgres "CREATE DATABASE $db"
	run_sql "$db" "CREATE EXTENSION $side" || die "CREATE EXTENSION $side failed"
	load_data "$db" "$ROWS" "$RECALL_QUERIES"
	find_exact "$db" "$ROWS" "$RECALL_QUERIES"
	build_index "$db" "$2" 16 64 "$(side_options "$side")"
	for ef in 40 100; do
		echo "- $side, ef_search $ef: recall@$K $(recall "$db" "$(search_options "$ef")" "$RECALL_QUERIES") built"
	done
	run_sql "$db" "ALTER TABLE items RENAME TO rows; CREATE TABLE items (LIKE rows INCLUDING DEFAULTS);
		INSERT INTO items SELECT * FROM rows WHERE id < $ROWS / 2"
	build_index "$db" "$2" 16 64 "$(side_options "$side")"
	run_sql "$db" "INSERT INTO items SELECT * FROM rows WHERE id >= $ROWS / 2; ANALYZE items"
	for ef in 40 100; do
		echo "- $side, ef_search $ef: recall@$K $(recall "$db" "$(search_options "$ef")" "$RECALL_QUERIES") half built, half inserted"
	done
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
	load_data "$db" "$((ROWS + INSERTS))" "$INSERTS"
	run_sql "$db" "CREATE TABLE plain (LIKE items INCLUDING INDEXES)"
	build_index "$db" "$prefix" 16 64 "$(side_options "$side")"
	run_sql "$db" "CHECKPOINT"
}

# insert_slice SIDE TABLE ROUND: one round's share of the rows; adds a line
# "rows/s WAL-bytes" to bench/out/insert.SIDE.TABLE.
insert_slice()
{
	local db=bench_$1 table=$2 script=$TOP/bench/out/insert.sql share=$((INSERTS / ROUNDS / CLIENTS))
	local count=$((share * CLIENTS)) before after out results=$TOP/bench/out/insert.$1.$2

	[ "$3" -gt 0 ] || : >"$results"
	printf '%s\n' '\set n :n + 1' "\\set id :first + :client_id * $share + :n" \
		"INSERT INTO $table SELECT 1000000 + id, v FROM queries WHERE id = :id;" >"$script"
	before=$(run_sql "$db" "SELECT pg_current_wal_insert_lsn()")
	out=$("$BINDIR/pgbench" -n -M prepared -c "$CLIENTS" -j "$CLIENTS" -t "$share" -D n=-1 -D first=$(($3 * count)) \
		-f "$script" "$db" 2>&1) || die "pgbench failed: $out"
	after=$(run_sql "$db" "SELECT pg_current_wal_insert_lsn()")
	printf '%s %s\n' "$(printf '%s\n' "$out" | awk '/^tps = / {print $3; exit}')" \
		"$(run_sql "$db" "SELECT pg_wal_lsn_diff('$after', '$before') / $count")" >>"$results"
}

report()
{
	local side

	echo
	echo "## single-row inserts, $CLIENTS client(s), $DATA_NAME, index of $ROWS rows, m = 16, ef_construction = 64"
	echo
	echo "- \`bench/insert.sh --inserts $INSERTS --clients $CLIENTS${WITH:+ --with $WITH}\`, $(date +%Y-%m-%d); $(machine_line); PostgreSQL $SERVER_VERSION; median of $ROUNDS alternating slices"
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
