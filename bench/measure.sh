# bench/measure.sh: loading a data set, exact neighbours, recall and speed.
#
# Sourced by quickstart.sh and bench/*.sh after test/server.sh.  A data set is three
# tables: items(id, v), queries(id, v) with ids from 0, and exact(query_id,
# kth_distance), the distance of the k-th true neighbour.  What is measured, and how,
# is in the SQL files of this folder; here they are only run.

K=10
DATA_DIR=${ANN_DATA_DIR:-$TOP/../shared/data}

# ------------------------------------------------------------------ spaces

# use_space SPACE: sets SPACE_CLASS (suffix of the operator class), SPACE_CLASS_OPTIONS,
# DISTANCE (an SQL expression over items.v in which QUERY stands for the query) and
# SPACE_TRUTH (the name that space has in ground-truth files).
# Data object on the left, query on the right; _right spaces swap them.
use_space()
{
	SPACE=$1
	SPACE_CLASS=$1
	SPACE_CLASS_OPTIONS=
	SPACE_TRUTH=$1
	case $1 in
		l2) DISTANCE='items.v <-> QUERY' ;;
		ip) DISTANCE='items.v <#> QUERY' ;;
		cosine) DISTANCE='items.v <=> QUERY' ;;
		l1) DISTANCE='items.v <+> QUERY' ;;
		linf) DISTANCE='items.v <^> QUERY' ;;
		angular) DISTANCE='items.v <@> QUERY' SPACE_TRUTH=cosine ;;
		js) DISTANCE='items.v <|> QUERY' ;;
		jsmetric) DISTANCE='items.v <|^|> QUERY' SPACE_TRUTH=js ;;
		kl) DISTANCE='items.v ||> QUERY' ;;
		kl_right) DISTANCE='items.v <|| QUERY' ;;
		gkl) DISTANCE='items.v |+> QUERY' SPACE_TRUTH=genkl ;;
		gkl_right) DISTANCE='items.v <+| QUERY' ;;
		is) DISTANCE='items.v |/> QUERY' SPACE_TRUTH=itakurasaito ;;
		is_right) DISTANCE='items.v </| QUERY' ;;
		lp=*)
			SPACE_CLASS=lp
			SPACE_CLASS_OPTIONS="(p = ${1#*=})"
			DISTANCE="items.v <*> lp(QUERY, ${1#*=})"
			;;
		renyi=*)
			SPACE_CLASS=renyi
			SPACE_CLASS_OPTIONS="(alpha = ${1#*=})"
			DISTANCE="items.v <*> renyi(QUERY, ${1#*=})"
			;;
		*) die "unknown space $1 (l2 ip cosine l1 linf angular js jsmetric kl gkl is, kl_right gkl_right is_right, lp=P, renyi=ALPHA)" ;;
	esac
}

# distance_to "expression": DISTANCE with the query put in.
distance_to()
{
	printf '%s' "${DISTANCE//QUERY/$1}"
}

# ------------------------------------------------------------------ data

# use_data NAME|FILE [QUERY_FILE]: sets DATA_NAME, BASE_FILE, QUERY_FILE and, for the
# current space, TRUTH_FILE; the files are empty when there are none, and for "generated"
# (128 dimensions), "generatedN" and "uniformN", which set GENERATED_DIM and GENERATED_SHAPE.
use_data()
{
	local dir=$DATA_DIR/$1

	BASE_FILE='' QUERY_FILE=${2:-} TRUTH_FILE='' GENERATED_DIM='' GENERATED_SHAPE=clusters
	DATA_NAME=$1
	if [[ $1 =~ ^(generated|uniform)([1-9][0-9]*)?$ ]]; then
		GENERATED_DIM=${BASH_REMATCH[2]:-128}
		[ "${BASH_REMATCH[1]}" = generated ] || GENERATED_SHAPE=uniform
		return
	elif [ -f "$1" ]; then
		BASE_FILE=$1
		DATA_NAME=$(basename "$1")
	elif [ -d "$dir" ]; then
		BASE_FILE=$(ls "$dir/$1"_base.[fb]vecs* 2>/dev/null | head -1)
		[ -n "$QUERY_FILE" ] || QUERY_FILE=$(ls "$dir/$1"_query.[fb]vecs* 2>/dev/null | head -1)
		TRUTH_FILE=$dir/$1_groundtruth_$SPACE_TRUTH.ivecs
		[ -f "$TRUTH_FILE" ] || TRUTH_FILE=
	fi
	[ -n "$BASE_FILE" ] || die "no data set or file named $1"
	[ -z "$QUERY_FILE" ] || [ -f "$QUERY_FILE" ] || die "no such file: $QUERY_FILE"
}

# load_data DATABASE ROWS QUERIES: creates and fills items and queries (ROWS empty means
# all).  Without a query file the last QUERIES rows are held out.
load_data()
{
	local db=$1 rows=$2 queries=$3 dim make_rows

	if [ -n "$BASE_FILE" ]; then
		dim=$(perl "$TOP/bench/load_vectors.pl" --dim "$BASE_FILE") || die "cannot read $BASE_FILE"
		make_rows=(perl "$TOP/bench/load_vectors.pl" ${rows:+--rows "$rows"} "$BASE_FILE")
	else
		dim=$GENERATED_DIM
		make_rows=(perl "$TOP/bench/generate_vectors.pl" --shape "$GENERATED_SHAPE" --dim "$dim"
			--rows $((${rows:-100000} + queries)))
	fi
	run_sql "$db" "SET client_min_messages = warning; DROP TABLE IF EXISTS items, queries, exact, truth"
	copy_rows "$db" "CREATE TABLE items (id int4 NOT NULL, v vector($dim) NOT NULL)" items "${make_rows[@]}"
	if [ -n "$QUERY_FILE" ]; then
		copy_rows "$db" "CREATE TABLE queries (id int4 PRIMARY KEY, v vector($dim) NOT NULL)" queries \
			perl "$TOP/bench/load_vectors.pl" --rows "$queries" "$QUERY_FILE"
	else
		"$BINDIR/psql" -X -q -v ON_ERROR_STOP=1 -v held_out="$queries" -d "$db" \
			-f "$TOP/bench/hold_out.sql" || die "holding out queries failed"
	fi
	finish_data "$db"
}

# copy_data FROM TO: the items and queries of another database, which may have the vectors
# of another extension: they travel in the same binary form.
copy_data()
{
	local from=$1 db=$2 dim table

	dim=$(run_sql "$from" "SELECT vector_dims(v) FROM items LIMIT 1")
	for table in items queries; do
		copy_rows "$db" "CREATE TABLE $table (id int4 NOT NULL, v vector($dim) NOT NULL)" "$table" \
			dump_rows "$from" "$table"
	done
	run_sql "$db" "ALTER TABLE queries ADD PRIMARY KEY (id)"
	finish_data "$db"
}

# dump_rows DATABASE TABLE: (id, v) as COPY binary.
dump_rows()
{
	run_sql "$1" "COPY $2 (id, v) TO STDOUT (FORMAT binary)"
}

finish_data()
{
	run_sql "$1" "ALTER TABLE items ADD PRIMARY KEY (id)"
	run_sql "$1" "VACUUM (FREEZE, ANALYZE) items"
	run_sql "$1" "VACUUM (FREEZE, ANALYZE) queries"
}

# copy_rows DATABASE "CREATE TABLE ..." TABLE command args...: the command's output is
# COPY binary; table and rows come in one transaction.
copy_rows()
{
	local db=$1 create=$2 table=$3

	shift 3
	(set -o pipefail
	"$@" | "$BINDIR/psql" -X -q -1 -v ON_ERROR_STOP=1 -d "$db" -c "$create" \
		-c "\\copy $table FROM STDIN (FORMAT binary)") || die "loading $table failed"
}

# find_exact DATABASE ROWS SAMPLE [FILE]: fills exact from the ground-truth file when it fits
# (all rows are loaded), else by exact scans for the first SAMPLE queries.  FILE keeps the
# neighbours found by scans for the next time.
find_exact()
{
	local db=$1 rows=$2 sample=$3 kept=${4:-} create

	create="CREATE TABLE truth (query_id int4 PRIMARY KEY, neighbours int4[])"
	if [ -n "$TRUTH_FILE" ] && [ -z "$rows" ]; then
		EXACT_SOURCE="ground-truth file"
		copy_rows "$db" "$create" truth perl "$TOP/bench/load_vectors.pl" "$TRUTH_FILE"
		run_bench_sql "$db" exact_from_truth.sql
	elif [ -n "$kept" ] && [ -s "$kept" ]; then
		EXACT_SOURCE="exact scan"
		copy_rows "$db" "$create" truth cat "$kept"
		run_bench_sql "$db" exact_from_truth.sql
	else
		EXACT_SOURCE="exact scan"
		run_bench_sql "$db" exact_from_scan.sql -v sample="$sample"
		[ -z "$kept" ] || { run_sql "$db" "COPY truth TO STDOUT (FORMAT binary)" >"$kept.new" &&
			mv "$kept.new" "$kept"; } || die "cannot write $kept"
	fi
	run_sql "$db" "DROP TABLE truth"
}

# exact_file ROWS QUERIES SAMPLE: where the neighbours of these data may be kept; the name
# changes with everything they depend on.
exact_file()
{
	local key

	key="$K $* $GENERATED_DIM $(stat -L -c '%n %s %Y' ${BASE_FILE:+"$BASE_FILE"} ${QUERY_FILE:+"$QUERY_FILE"} 2>/dev/null)
		$(cat "$TOP/bench/generate_vectors.pl" "$TOP/bench/load_vectors.pl")"
	echo "$TOP/bench/out/exact-$DATA_NAME-$SPACE-$(md5sum <<<"$key" | cut -c1-12).copy"
}

# run_bench_sql DATABASE FILE [psql options]: a file of this folder, with the variables
# every one of them may use.
run_bench_sql()
{
	local db=$1 file=$2

	shift 2
	"$BINDIR/psql" -X -q -A -t -v ON_ERROR_STOP=1 -v k="$K" \
		-v distance="$(distance_to queries.v)" "$@" -d "$db" -f "$TOP/bench/$file" ||
		die "bench/$file failed"
}

# ------------------------------------------------------------------ index

# build_index DATABASE CLASS_PREFIX M EF_CONSTRUCTION [OPTIONS]: an hnsw index.  OPTIONS,
# "name=value,...", are further options of it, or other values of the two.
build_index()
{
	local options=${5:-}

	case ",$options" in *,m=*) ;; *) options="m=$3${options:+,$options}" ;; esac
	case ",$options" in *,ef_construction=*) ;; *) options="ef_construction=$4,$options" ;; esac
	build_index_of hnsw "$1" "$2" "$options"
}

# build_index_of METHOD DATABASE CLASS_PREFIX [OPTIONS]: sets BUILD_SECONDS and INDEX_MB.
build_index_of()
{
	local db=$2 class="${3}_${SPACE_CLASS}_ops" start end

	run_sql "$db" "SET client_min_messages = warning; DROP INDEX IF EXISTS items_v_idx; CHECKPOINT"
	start=$(date +%s%N)
	run_sql "$db" "CREATE INDEX items_v_idx ON items
		USING $1 (v $class $SPACE_CLASS_OPTIONS) ${4:+WITH ($4)}" ||
		die "CREATE INDEX failed"
	end=$(date +%s%N)
	BUILD_SECONDS=$(awk "BEGIN {printf \"%.1f\", ($end - $start) / 1e9}")
	INDEX_MB=$(run_sql "$db" "SELECT round(pg_relation_size('items_v_idx') / 1048576.0, 1)")
}

# search_options EF: the session settings of an index search.  Sequential scans are off
# so that every query goes through the index, whatever the planner thinks of its cost.
search_options()
{
	echo "-c enable_seqscan=off -c hnsw.ef_search=$1"
}

EXACT_OPTIONS="-c enable_indexscan=off -c max_parallel_workers_per_gather=0"

# require_index_plan DATABASE EF: the benchmark's query must go through the index.
require_index_plan()
{
	local plan

	plan=$(PGOPTIONS=$(search_options "$2") run_sql "$1" "EXPLAIN (COSTS off) SELECT items.id FROM items
		ORDER BY $(distance_to '(SELECT v FROM queries WHERE id = 0)') LIMIT $K") || die "EXPLAIN failed"
	case $plan in
		*"Index Scan using items_v_idx"*) ;;
		*) die "the query does not use the index: $plan" ;;
	esac
}

# ------------------------------------------------------------------ measures

# recall DATABASE "session options" [QUERIES]: recall@K over the queries with a known answer.
recall()
{
	PGOPTIONS=$2 run_bench_sql "$1" recall.sql -v query_count="${3:-1000000}"
}

# write_search_script FILE: the query pgbench repeats.
write_search_script()
{
	cat >"$1" <<-EOF
		\\set q random(0, :queries - 1)
		SELECT items.id FROM items ORDER BY $(distance_to '(SELECT v FROM queries WHERE id = :q)') LIMIT $K;
	EOF
}

# queries_per_second DATABASE "session options" SCRIPT SECONDS [CLIENTS]: pgbench with prepared
# statements over the Unix socket; what a client sees, connection time left out.  On the
# processors CLIENT_PROCESSORS, if set.
queries_per_second()
{
	local count out

	count=$(run_sql "$1" "SELECT count(*) FROM queries")
	out=$(PGOPTIONS=$2 ${CLIENT_PROCESSORS:+taskset -c "$CLIENT_PROCESSORS"} "$BINDIR/pgbench" -n -M prepared \
		-c "${5:-1}" -j "${5:-1}" -T "$4" -D queries="$count" -f "$3" "$1" 2>&1) || die "pgbench failed: $out"
	printf '%s\n' "$out" | awk '/^tps = / {printf "%.1f\n", $3; exit}'
}

# scan_costs DATABASE "session options" QUERIES: lines "name|value" of what a search costs in
# the server: microseconds, and counters where the server has them.
scan_costs()
{
	PGOPTIONS=$2 run_bench_sql "$1" scan_costs.sql -v query_count="$3"
}

# distances_per_query DATABASE "session options": mean number of distance computations of a
# search, or - when the server does not count them.
distances_per_query()
{
	local costs

	costs=$(scan_costs "$1" "$2" 200) || exit 1
	printf '%s\n' "$costs" | awk -F '|' -v found=- '$1 == "distances" {found = int($2 + 0.5)} END {print found}'
}

# plot OUTPUT.png TITLE CLIENTS FILE LABEL...: recall against queries/s; the files have recall
# and queries/s in their second and third column.  No spaces in files and labels.
plot()
{
	local output=$1 title=$2 clients=$3 files="" labels=""

	shift 3
	while [ $# -ge 2 ]; do
		files="$files $1"
		labels="$labels $2"
		shift 2
	done
	gnuplot -e "output='$output'; title='$title'; files='$files'; labels='$labels'; k=$K; clients=$clients" \
		"$TOP/bench/plot.gp"
}
