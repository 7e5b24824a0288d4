#!/bin/bash
#
# bench/filter.sh: queries with a filter, the plan that is chosen against both that
# could be forced.
#
#   bench/filter.sh [--data NAME|FILE] [--space SPACE] [--sizes "N ..."] [--method METHOD]
#
# A throw-away server; tables of 1,000, 10,000 and 100,000 rows; conditions that 100 to
# 0.01 per cent of the rows satisfy, without and with a btree index on the column, with
# LIMIT 10 and without LIMIT.  Prints a Markdown table; the last column is the time of
# the chosen plan over the better of the two others.

TOP=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

SIZES="1000 10000 100000"
SAMPLE=3
METHOD=hnsw

main()
{
	local data=sift space=l2 size results=$TOP/bench/out/filter

	while [ $# -ge 2 ]; do
		case $1 in
			--data) data=$2 ;;
			--space) space=$2 ;;
			--sizes) SIZES=$2 ;;
			--method) METHOD=$2 ;;
			*) die "unknown option $1" ;;
		esac
		shift 2
	done
	[ $# -eq 0 ] || die "usage: bench/filter.sh [--data NAME|FILE] [--space SPACE] [--sizes \"N ...\"]"
	use_space "$space"
	use_data "$data"
	mkdir -p "$TOP/bench/out" || exit 1

	step "Building, and starting a throw-away server"
	# shellcheck disable=SC2086
	install_missing $BUILD_NEEDS
	use_server
	build_extension && install_extension || die "the build failed"
	SERVER_DIR=$(make_server_dir) || die "cannot make a temporary folder"
	trap 'delete_server "$SERVER_DIR"' EXIT
	trap 'exit 130' INT TERM
	start_server "$SERVER_DIR" autovacuum=off
	run_sql postgres "CREATE DATABASE filter"
	run_sql filter "CREATE EXTENSION ann"

	: >"$results"
	for size in $SIZES; do
		step "$DATA_NAME, $size rows"
		prepare "$size"
		measure_cells "$size" no >>"$results"
		run_sql filter "CREATE INDEX ON items (category); ANALYZE items"
		measure_cells "$size" yes >>"$results"
	done
	step_done
	report "$results"
}

# prepare ROWS: items with a column category, 0 to 9999 in no order, and the vector index.
prepare()
{
	load_data filter "$1" 100
	run_sql filter "ALTER TABLE items ADD category int4;
		UPDATE items SET category = id::int8 * 7919 % $1 * 10000 / $1"
	run_sql filter "VACUUM FULL items"
	run_sql filter "VACUUM (FREEZE, ANALYZE) items"
	build_index_of "$METHOD" filter vec
}

# measure_cells ROWS BTREE: one line for each condition.
measure_cells()
{
	"$BINDIR/psql" -X -q -A -t -F ' | ' -v ON_ERROR_STOP=1 -v k="$K" -v sample="$SAMPLE" \
		-v distance="$(distance_to '$1')" -d filter -f "$TOP/bench/filter.sql" >"$TOP/bench/out/filter.cells" ||
		die "bench/filter.sql failed"
	sed "s/^/$1 | $2 | /" "$TOP/bench/out/filter.cells" | grep ' | '
}

report()
{
	echo
	echo "## filtered queries, $DATA_NAME, $SPACE, m = 16, ef_construction = 64, ef_search = 40"
	echo
	echo "- \`bench/filter.sh --data $DATA_NAME --space $SPACE\`, $(date +%Y-%m-%d); $(machine_line);" \
		"PostgreSQL $SERVER_VERSION; mean of $SAMPLE queries, the best of four to sixteen times each; no parallel workers"
	echo
	echo "| rows | btree | % qualify | LIMIT | rows returned | chosen | ms | ms exact | ms vector index | against the better |"
	echo "| ---: | --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
	awk -F ' [|] ' '
	{
		better = $8 < $9 ? $8 : $9
		printf "| %d | %s | %s | %s | %d | %s | %.2f | %.2f | %.2f | %.2f |\n",
			$1, $2, $3, $4 == "" ? "none" : $4, $5, $6, $7, $8, $9, $7 / better
	}' "$1"
}

main "$@"
