#!/bin/bash
#
# quickstart.sh: from nothing to nearest-neighbour queries answered by an index.
#
# Installs what is missing (apt), builds and installs the extension, starts a
# throw-away server, loads vectors, builds an hnsw index and measures recall and
# speed against the exact scan.  A second run reuses the server, the data and the
# index as far as nothing they depend on has changed.

EXTENSION=${EXTENSION:-ann}
CLASS_PREFIX=${CLASS_PREFIX:-vec}
DATABASE=ann
EF_VALUES="10 20 40 80 160 320"
SECONDS_PER_SETTING=3
QUERY_COUNT=1000            # queries loaded or held out
EXACT_SAMPLE=200            # of them get exact neighbours by scan when no file has them

usage()
{
	cat <<-EOF
		usage: ./quickstart.sh [options] [base-file [query-file]]
		       ./quickstart.sh stop

		base-file, query-file: vectors as .fvecs, .bvecs or IDX (MNIST), each also with .gz;
		without a query file the last $QUERY_COUNT rows (a quarter at most) are held out.  Without files:
		../shared/data/sift when it is there, else a generated set of 100,000 x 128.

		  --data NAME              a set of ../shared/data, or generated
		  --space NAME             l2 (default), cosine, ip, l1, kl, ... lp=0.5
		  --rows N                 load the first N rows only
		  --m N                    16
		  --ef-construction N      64
		  --stop                   stop and delete the server at the end
	EOF
}

TOP=$(cd "$(dirname "$0")" && pwd) || exit 1
. "$TOP/test/server.sh"
. "$TOP/bench/measure.sh"

OUT=$TOP/bench/out
STATE=$OUT/quickstart.server

main()
{
	parse_options "$@"
	STARTED=$SECONDS
	mkdir -p "$OUT" && [ -w "$OUT" ] || die "cannot write to $OUT"
	SERVER_DIR=$(cat "$STATE" 2>/dev/null)
	if [ "$COMMAND" = stop ]; then
		stop_server
		exit 0
	fi

	step "Looking for PostgreSQL, a compiler and gnuplot"
	# shellcheck disable=SC2086
	install_missing $BUILD_NEEDS gnuplot=gnuplot-nox
	use_server
	echo "    PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //'), $(machine_line)"

	if [ "$EXTENSION" = ann ]; then
		step "Building and installing the extension"
		build_extension || die "the build failed"
		install_extension || die "make install failed"
	fi

	step "Starting a throw-away server"
	bring_up_server
	prepare_database

	step "Loading $DATA_NAME"
	prepare_data
	step "Building the index: USING hnsw (v ${CLASS_PREFIX}_${SPACE_CLASS}_ops${SPACE_CLASS_OPTIONS:+ $SPACE_CLASS_OPTIONS}) WITH (m = $M, ef_construction = $EF_CONSTRUCTION)"
	prepare_index
	step "Measuring recall@$K and queries/s, one client, $SECONDS_PER_SETTING s a setting"
	measure
	step_done
	finish
}

parse_options()
{
	local data='' base='' query='' space=l2

	COMMAND=run ROWS='' M=16 EF_CONSTRUCTION=64 STOP=no
	while [ $# -gt 0 ]; do
		case $1 in
			stop) COMMAND=stop ;;
			--stop) STOP=yes ;;
			-h | --help) usage; exit 0 ;;
			--data | --space | --rows | --m | --ef-construction)
				[ $# -ge 2 ] || die "$1 needs a value"
				case $1 in
					--data) data=$2 ;;
					--space) space=$2 ;;
					--rows) ROWS=$2 ;;
					--m) M=$2 ;;
					--ef-construction) EF_CONSTRUCTION=$2 ;;
				esac
				shift
				;;
			-*) usage >&2; die "unknown option $1" ;;
			*)
				if [ -z "$base" ]; then base=$1; else query=$1; fi
				[ -f "$1" ] || die "no such file: $1"
				;;
		esac
		shift
	done
	case $ROWS$M$EF_CONSTRUCTION in *[!0-9]*) die "--rows, --m and --ef-construction take whole numbers" ;; esac
	[ -z "$ROWS" ] || [ "$ROWS" -ge 100 ] || die "--rows must be at least 100, not $ROWS"
	{ [ "$M" -ge 2 ] && [ "$M" -le 100 ]; } || die "--m must be from 2 to 100, not $M"
	{ [ "$EF_CONSTRUCTION" -ge $((2 * M)) ] && [ "$EF_CONSTRUCTION" -le 1000 ]; } ||
		die "--ef-construction must be from 2 * m = $((2 * M)) to 1000, not $EF_CONSTRUCTION"
	if [ -z "$data$base" ]; then
		data=generated
		[ ! -d "$DATA_DIR/sift" ] || data=sift
	fi
	use_space "$space"
	use_data "${base:-$data}" "$query"
}

stop_server()
{
	[ -n "$SERVER_DIR" ] || { echo "No server is running."; return; }
	use_server
	delete_server "$SERVER_DIR"
	rm -f "$STATE"
	echo "Stopped and deleted the server in $SERVER_DIR."
}

# Reuses the server of the run before when its folder is still there.
bring_up_server()
{
	if [ -n "$SERVER_DIR" ] && [ -d "$SERVER_DIR/data" ] &&
		[ "$(cat "$SERVER_DIR/data/PG_VERSION")" = "$SERVER_VERSION" ]; then
		if server_is_up "$SERVER_DIR"; then
			use_socket "$SERVER_DIR"
			echo "    already running in $SERVER_DIR"
			return
		fi
	else
		delete_server "$SERVER_DIR"
		SERVER_DIR=$(make_server_dir) || die "cannot make a temporary folder"
		echo "$SERVER_DIR" >"$STATE"
	fi
	start_server "$SERVER_DIR" wal_level=minimal max_wal_senders=0
	echo "    in $SERVER_DIR, as user $(server_user), Unix socket only"
}

# The database is made anew when the extension's SQL has changed.
prepare_database()
{
	local key=$EXTENSION found

	[ "$EXTENSION" != ann ] || key=$(cat "$TOP"/ann.control "$TOP"/ann--*.sql | md5sum | cut -c1-32)
	found=$(run_sql postgres "SELECT shobj_description(oid, 'pg_database') FROM pg_database
		WHERE datname = '$DATABASE'")
	if [ "$found" != "$key" ]; then
		run_sql postgres "DROP DATABASE IF EXISTS $DATABASE" 2>/dev/null ||
			die "database $DATABASE is in use: close your sessions, or ./quickstart.sh stop"
		run_sql postgres "CREATE DATABASE $DATABASE" &&
			run_sql "$DATABASE" "CREATE EXTENSION $EXTENSION" &&
			run_sql postgres "COMMENT ON DATABASE $DATABASE IS '$key'" || die "CREATE EXTENSION failed"
	fi
}

# Data and exact neighbours are kept while the files and options are the same.
prepare_data()
{
	local key

	key="$DATA_NAME $SPACE $ROWS $(stat -L -c '%n %s %Y' ${BASE_FILE:+"$BASE_FILE"} \
		${QUERY_FILE:+"$QUERY_FILE"} ${TRUTH_FILE:+"$TRUTH_FILE"} "$TOP"/bench/*.pl | md5sum | cut -c1-32)"
	if [ "$(table_comment exact)" = "$key" ]; then
		echo "    still there from the run before"
	else
		load_data "$DATABASE" "$ROWS" "$QUERY_COUNT"
		step "Finding the exact neighbours"
		find_exact "$DATABASE" "$ROWS" "$EXACT_SAMPLE"
		echo "    by $EXACT_SOURCE"
		run_sql "$DATABASE" "COMMENT ON TABLE exact IS '${key//\'/\'\'}'"
	fi
	ROW_COUNT=$(run_sql "$DATABASE" "SELECT count(*) FROM items")
	DIMENSION=$(run_sql "$DATABASE" "SELECT vector_dims(v) FROM items LIMIT 1")
	echo "    $ROW_COUNT rows of $DIMENSION dimensions, $(run_sql "$DATABASE" "SELECT count(*) FROM exact") queries with exact neighbours"
}

# The index is kept while the data, the options and the library are the same.
prepare_index()
{
	local key

	key="$SPACE $M $EF_CONSTRUCTION $(cat "$("$PG_CONFIG" --pkglibdir)/$EXTENSION.so" | md5sum | cut -c1-32)"
	if [ "$(table_comment items_v_idx)" = "$key" ]; then
		echo "    still there from the run before"
		return
	fi
	build_index "$DATABASE" "$CLASS_PREFIX" "$M" "$EF_CONSTRUCTION"
	run_sql "$DATABASE" "COMMENT ON INDEX items_v_idx IS '$key'"
	echo "    $BUILD_SECONDS s, $INDEX_MB MB"
}

table_comment()
{
	run_sql "$DATABASE" "SELECT obj_description(to_regclass('$1'))"
}

measure()
{
	local script=$OUT/search.sql results=$OUT/quickstart.tsv exact_speed speed ef found options

	require_index_plan "$DATABASE" 40
	write_search_script "$script"
	: >"$results"
	exact_speed=$(queries_per_second "$DATABASE" "$EXACT_OPTIONS" "$script" "$SECONDS_PER_SETTING") || exit 1
	table_row setting "recall@$K" queries/s distances/query speed-up
	table_row "exact scan" "$(recall "$DATABASE" "$EXACT_OPTIONS" 20)" "$exact_speed" "$ROW_COUNT" 1x
	for ef in $EF_VALUES; do
		options=$(search_options "$ef")
		found=$(recall "$DATABASE" "$options") || exit 1
		speed=$(queries_per_second "$DATABASE" "$options" "$script" "$SECONDS_PER_SETTING") || exit 1
		printf '%s\t%s\t%s\n' "$ef" "$found" "$speed" >>"$results"
		table_row "hnsw.ef_search = $ef" "$found" "$speed" \
			"$(distances_per_query "$DATABASE" "$options")" \
			"$(awk "BEGIN {printf \"%.0fx\", $speed / $exact_speed}")"
	done
	plot "$OUT/quickstart.png" "$DATA_NAME, $ROW_COUNT x $DIMENSION, $SPACE, hnsw m = $M, ef_construction = $EF_CONSTRUCTION" 1 \
		"$results" "$EXTENSION" || echo "    (no picture: gnuplot failed)"
}

table_row()
{
	printf '    %-24s %10s %12s %16s %10s\n' "$@"
}

finish()
{
	cat <<-EOF

		Picture:  $OUT/quickstart.png
		Query:    $OUT/search.sql (what was measured; recall is bench/recall.sql)
		All of it took $((SECONDS - STARTED)) s.
	EOF
	if [ "$STOP" = yes ]; then
		stop_server
		return
	fi
	cat <<-EOF

		The server stays up. Connect:
		    $BINDIR/psql -h $PGHOST -p $PGPORT -U $PGUSER $DATABASE
		and type:
		    SET hnsw.ef_search = 100;
		    SELECT id, $(distance_to '(SELECT v FROM queries WHERE id = 7)') AS distance
		    FROM items ORDER BY distance LIMIT 10;
		Stop and delete it:   ./quickstart.sh stop
		Your own vectors:     ./quickstart.sh base.fvecs
		Run every test:       ./check.sh
	EOF
}

main "$@"
