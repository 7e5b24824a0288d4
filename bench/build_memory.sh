#!/bin/bash
#
# bench/build_memory.sh: builds with too little maintenance_work_mem beside builds with enough.
#
#   bench/build_memory.sh [--data NAME|FILE] [--rows N] [--memory SIZE] [--enough SIZE] [--rounds N]
#
# One throw-away server, one table.  The index is built in turns with the one and the
# other setting; each time seconds, processor seconds of the backend, recall and distances
# of a search are noted, and at the end the time per row with little memory against that
# with enough.  What ann_estimate() says beforehand is printed beside.

OURS=ann

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

ROWS=300000
LITTLE=40MB
ENOUGH=1GB
ROUNDS=3
QUERIES=500
DB=bench_memory

main()
{
	local data=generated round memory

	while [ $# -ge 2 ]; do
		case $1 in
			--data) data=$2 ;;
			--rows) ROWS=$2 ;;
			--memory) LITTLE=$2 ;;
			--enough) ENOUGH=$2 ;;
			--rounds) ROUNDS=$2 ;;
			*) die "unknown option $1" ;;
		esac
		shift 2
	done
	[ $# -eq 0 ] || die "usage: bench/build_memory.sh [--data NAME|FILE] [--rows N] [--memory SIZE] [--enough SIZE] [--rounds N]"
	use_space l2
	use_data "$data"
	mkdir -p "$TOP/bench/out" || exit 1

	step "Building, and starting a throw-away server"
	# shellcheck disable=SC2086
	install_missing $BUILD_NEEDS
	use_server
	{ build_extension && install_extension; } || die "the build failed"
	SERVER_DIR=$(make_server_dir) || die "cannot make a temporary folder"
	trap 'delete_server "$SERVER_DIR"' EXIT
	trap 'exit 130' INT TERM
	start_server "$SERVER_DIR" autovacuum=off

	step "Loading $ROWS rows"
	run_sql postgres "CREATE DATABASE $DB"
	run_sql "$DB" "CREATE EXTENSION $OURS"
	load_data "$DB" "$ROWS" "$QUERIES"
	find_exact "$DB" "$ROWS" "$QUERIES"

	: >"$TOP/bench/out/build_memory.table"
	for round in $(seq "$ROUNDS"); do
		for memory in "$LITTLE" "$ENOUGH"; do
			step "Round $round: maintenance_work_mem = $memory"
			timed_build "$round" "$memory"
		done
	done
	report
}

# timed_build ROUND MEMORY: one line of the table.
timed_build()
{
	local measured estimate recall_40 recall_100

	estimate=$(PGOPTIONS="-c maintenance_work_mem=$2" run_sql "$DB" \
		"SELECT round(seconds) FROM ann_estimate('items', 'v')") || die "ann_estimate failed"
	run_sql "$DB" "SET client_min_messages = warning; DROP INDEX IF EXISTS items_v_idx; CHECKPOINT"
	measured=$(build_and_measure "$2") || die "CREATE INDEX failed"
	recall_40=$(recall "$DB" "$(search_options 40)" "$QUERIES")
	recall_100=$(recall "$DB" "$(search_options 100)" "$QUERIES")
	# shellcheck disable=SC2086
	printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$1" "$2" $measured "$estimate" "$recall_40" \
		"$(distances_per_query "$DB" "$(search_options 40)")" "$recall_100" >>"$TOP/bench/out/build_memory.table"
}

# build_and_measure MEMORY: prints seconds and, where /proc tells, processor seconds.
build_and_measure()
{
	run_build "$1" | awk -v hertz="$(getconf CLK_TCK)" '
		/[(]/ { sub(/.*[)] /, ""); used[++n] = ($12 + $13) / hertz; next }
		/./ { seconds = $1 }
		END { printf "%.1f %s\n", seconds, n == 2 ? sprintf("%.1f", used[2] - used[1]) : "-" }'
}

# run_build MEMORY: prints the seconds of CREATE INDEX between two /proc/PID/stat of the backend.
run_build()
{
	"$BINDIR/psql" -X -q -A -t -v ON_ERROR_STOP=1 -v memory="$1" -d "$DB" <<-'EOF'
		SET client_min_messages = warning;
		SET maintenance_work_mem = :'memory';
		SELECT pg_backend_pid() AS pid \gset
		\setenv BACKEND :pid
		\! cat "/proc/$BACKEND/stat" 2>/dev/null
		SELECT extract(epoch FROM clock_timestamp()) AS start \gset
		CREATE INDEX items_v_idx ON items USING hnsw (v vec_l2_ops);
		SELECT extract(epoch FROM clock_timestamp()) - :start;
		\! cat "/proc/$BACKEND/stat" 2>/dev/null
	EOF
}


# median COLUMN MEMORY: of the rounds.
median()
{
	awk -F'|' -v column="$1" -v memory="$2" '$3 + 0 == memory + 0 && $3 ~ memory {print $column + 0}' \
		"$TOP/bench/out/build_memory.table" | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

report()
{
	step_done
	echo
	echo "## Builds beyond maintenance_work_mem, $DATA_NAME, $ROWS rows, l2, m = 16, ef_construction = 64"
	echo
	echo "- \`bench/build_memory.sh\`, $(date +%Y-%m-%d); $(machine_line); PostgreSQL $SERVER_VERSION; recall@$K"
	echo
	echo "| round | maintenance_work_mem | s | processor s | estimated s | recall, ef 40 | distances | recall, ef 100 |"
	echo "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
	cat "$TOP/bench/out/build_memory.table"
	echo
	awk "BEGIN {printf \"Medians, $LITTLE against $ENOUGH: %.2f times the time, %.2f times the processor time a row.\\n\",
		$(median 4 "$LITTLE") / $(median 4 "$ENOUGH"), $(median 5 "$LITTLE") / $(median 5 "$ENOUGH")}"
}

main "$@"
