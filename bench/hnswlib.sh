# bench/hnswlib.sh: hnswlib as one more side of bench/compare.sh.
#
# Sourced after bench/measure.sh.  bench/hnswlib.cpp runs beside the server, holds its graph
# in memory and answers requests; in between it sleeps.

# Where Debian's libhnswlib-dev puts it; as install_missing wants it.
LIBRARY_NEEDS="g++=g++ /usr/include/hnswlib/hnswlib.h=libhnswlib-dev"

# library_space: hnswlib's name of the current space, or nothing.  The order by angle is
# that by cosine.
library_space()
{
	case $SPACE in
		l2 | ip | cosine) echo "$SPACE" ;;
		angular) echo cosine ;;
	esac
}

# start_library DATABASE M EF_CONSTRUCTION THREADS: compiles the program and builds a graph of
# the database's items.  Sets LIBRARY_PID, BUILD_SECONDS and INDEX_MB.
start_library()
{
	local program=$TOP/bench/out/hnswlib

	make -s -C "$TOP/bench" hnswlib || die "compiling bench/hnswlib.cpp failed"
	coproc HNSWLIB {
		exec "$program" --space "$(library_space)" --m "$2" --ef-construction "$3" --threads "$4" --k "$K" \
			<(dump_rows "$1" items) <(dump_rows "$1" queries)
	}
	LIBRARY_PID=$!
	exec {LIBRARY_IN}>&"${HNSWLIB[1]}" {LIBRARY_OUT}<&"${HNSWLIB[0]}"
	library_answer built
	BUILD_SECONDS=${ANSWER% *}
	INDEX_MB=${ANSWER#* }
}

# ask_library "request ...": sets ANSWER.
ask_library()
{
	printf '%s\n' "$1" >&"$LIBRARY_IN" || die "hnswlib has ended"
	library_answer "${1%% *}"
}

library_answer()
{
	local word

	read -r word ANSWER <&"$LIBRARY_OUT" && [ "$word" = "$1" ] || die "hnswlib has ended"
}

# library_recall DATABASE EF: sets ANSWER.  What is right is for the server to say, as for its
# own searches.
library_recall()
{
	local found=$TOP/bench/out/hnswlib.found

	ask_library "found $2 $found"
	"$BINDIR/psql" -X -q -v ON_ERROR_STOP=1 -d "$1" -c "SET client_min_messages = warning" \
		-c "DROP TABLE IF EXISTS searched" -c "CREATE TABLE searched (query_id int4, id int4)" \
		-c "\\copy searched FROM '$found'" -c "CREATE INDEX ON searched (query_id)" -c "ANALYZE searched" ||
		die "loading what hnswlib found failed"
	ANSWER=$(run_bench_sql "$1" recall.sql -v query_count=1000000 -v searched=searched) || exit 1
}
