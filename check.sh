#!/bin/bash
#
# check.sh: every test there is.
#
# Installs what is missing (apt), builds with warnings as errors (gcc, and clang
# where it is installed), checks the format, and runs the unit tests, the
# regression and isolation tests and the TAP tests against throw-away servers.
# The last line is "N passed, N failed"; the exit code is 0 when something ran and
# nothing failed.

TOP=$(cd "$(dirname "$0")" && pwd) || exit 1
. "$TOP/test/server.sh"

# The version .clang-format is written for; others lay out some code differently.
CLANG_FORMAT_VERSION=14

# The longest a group of tests may take before it counts as hung.
GROUP_TIMEOUT=1200

# ANN_LONG_TESTS=1 asks for the long form: more of everything in t/, and the group sanitized.
GROUPS_OF_TESTS="build format unit regress isolation pause tap"
if [ -n "${ANN_LONG_TESTS:-}" ]; then
	GROUPS_OF_TESTS="$GROUPS_OF_TESTS sanitized"
	GROUP_TIMEOUT=7200
fi

# Settings of the servers for regression and isolation tests.  On a slow machine autovacuum would
# find the time to vacuum and analyze tables whose rows, plans and index pages a test looks at.
TEST_SETTINGS="max_prepared_transactions=5 autovacuum=off"

# What must be in no log of a server
SERVER_TROUBLE='runtime error:|AddressSanitizer|inconsistent page|PANIC|TRAP|terminated by signal|FATAL: .*(WAL|timeline)'

PASSED=0
FAILED=0

usage()
{
	cat <<-EOF
		usage: ./check.sh [group ...]
		groups: build format unit regress isolation pause tap sanitized
		default: all but sanitized; with ANN_LONG_TESTS=1 all, and longer TAP tests
	EOF
}

main()
{
	local group groups=$GROUPS_OF_TESTS

	for group in "$@"; do
		case " $groups sanitized " in
			*" $group "*) ;;
			*) usage >&2; [ "$group" = --help ]; exit $? ;;
		esac
	done
	[ $# -eq 0 ] || groups=$*

	step "Looking for PostgreSQL, compilers and test tools"
	# shellcheck disable=SC2086
	install_missing $BUILD_NEEDS prove=perl /usr/share/perl5/IPC/Run.pm=libipc-run-perl
	use_server
	echo "    PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //'), $(machine_line)"
	PGXS_DIR=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
	PGXS_DIR=$(cd "$PGXS_DIR" && pwd)

	WORK=$(make_server_dir) || die "cannot make a temporary folder"
	trap 'delete_server "$WORK/sanitized"; delete_server "$WORK"' EXIT
	trap 'exit 130' INT TERM

	step "Building with gcc and installing the extension"
	if ! build_extension CC=gcc || ! install_extension; then
		failed "build with gcc"
		finish
	fi
	passed "build with gcc"
	for group in $groups; do
		"group_$group"
	done
	finish
}

passed()
{
	PASSED=$((PASSED + 1))
	printf '    ok      %s\n' "$1"
}

failed()
{
	FAILED=$((FAILED + 1))
	printf '    FAILED  %s\n' "$1"
}

finish()
{
	step_done
	echo "$PASSED passed, $FAILED failed"
	[ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ]
	exit
}

# show_tail TITLE FILE LINES: the end of a log, indented.
show_tail()
{
	[ -s "$2" ] || return 0
	echo "    --- $1"
	tail -n "$3" "$2" | sed 's/^/    | /'
}

# show_ends TITLE FILE LINES: the first and the last lines of a log, indented.
show_ends()
{
	if [ "$(wc -l <"$2")" -le $((2 * $3)) ]; then
		show_tail "$1" "$2" $((2 * $3))
	else
		echo "    --- $1, first and last $3 lines"
		{ head -n "$3" "$2"; echo ...; tail -n "$3" "$2"; } | sed 's/^/    | /'
	fi
}

# show_server_log FILE: what tells of a crash or of the end of a process, and the end of the log,
# without the further lines of statements
show_server_log()
{
	local short=$WORK/short.log

	[ -e "$1" ] || return
	grep -nE "$SERVER_TROUBLE" "$1" >"$short"
	show_tail "${1##*/}: the worst" "$short" 20
	grep -v "^$(printf '\t')" "$1" >"$short"
	show_tail "${1##*/}" "$short" 40
}

# ------------------------------------------------------------------ groups

# The gcc build is done in any case; this adds clang, on a copy of the sources.
group_build()
{
	local clang copy=$WORK/clang log=$WORK/clang.log

	clang=$(newest_command clang)
	if [ -z "$clang" ]; then
		step "No clang here: built with gcc only"
		return
	fi
	step "Building with $clang"
	if ! has_openmp "$clang"; then
		echo "    $clang has no OpenMP here: built with gcc only"
		return
	fi
	mkdir "$copy"
	cp -R "$TOP/Makefile" "$TOP/src" "$copy"
	find "$copy" -name '*.o' -delete
	# Options of the server's own compiler that clang does not know are not our warnings.
	if make -C "$copy" -k -j"$(cores)" PG_CONFIG="$PG_CONFIG" CC="$clang" \
		COPT="-Wno-unknown-warning-option -Wno-ignored-optimization-argument" \
		objects >"$log" 2>&1; then
		passed "build with clang"
	else
		failed "build with clang"
		grep -E ' error: | warning: |\*\*\* \[' "$log" | head -20 | sed 's/^/    | /'
	fi
}

# has_openmp CLANG: its OpenMP header is there, if need be by way of apt.
has_openmp()
{
	local version

	if ! echo '#include <omp.h>' | "$1" -fopenmp -fsyntax-only -x c - 2>/dev/null; then
		version=$("$1" --version | sed -n 's/.*version \([0-9]*\).*/\1/p' | head -1)
		(command -v apt-get >/dev/null && apt_get update &&
			apt_get install --no-install-recommends "libomp-$version-dev") 2>/dev/null
	fi
}

# newest_command NAME: NAME, or NAME-NN with the highest NN.
newest_command()
{
	if command -v "$1" >/dev/null; then
		echo "$1"
	else
		compgen -c "$1-" | grep -E "^$1-[0-9]+$" | sort -t- -k2nr | head -1
	fi
}

group_format()
{
	local command version log=$WORK/format.log

	command=$(newest_command clang-format)
	if [ -z "$command" ]; then
		step "No clang-format here: format not checked"
		return
	fi
	version=$("$command" --version | sed 's/.*version \([0-9]*\).*/\1/')
	if [ "$version" -ne "$CLANG_FORMAT_VERSION" ]; then
		step "clang-format $version is not $CLANG_FORMAT_VERSION: format not checked"
		return
	fi
	step "Checking the format"
	if make -s -C "$TOP" format-check CLANG_FORMAT="$command" PG_CONFIG="$PG_CONFIG" >"$log" 2>&1; then
		passed "format"
	else
		failed "format"
		grep -E ' error: ' "$log" | head -20 | sed 's/^/    | /'
	fi
}

# Every function of every program counts, in each mode (plain, address and undefined
# behaviour sanitizers, thread sanitizer); so does a program that does not reach its end.
group_unit()
{
	local log=$WORK/unit.log

	step "Unit tests"
	timeout -k 30 "$GROUP_TIMEOUT" make -C "$TOP/test/unit" -k -j"$(cores)" -O check >"$log" 2>&1
	stopped_by_timeout $? && failed "unit tests: stopped after $GROUP_TIMEOUT s"
	grep -E '^(ok|not ok) - ' "$log" >"$WORK/unit.results"
	PASSED=$((PASSED + $(grep -c '^ok' "$WORK/unit.results")))
	FAILED=$((FAILED + $(grep -c '^not ok' "$WORK/unit.results")))
	echo "    $(grep -c '^ok' "$WORK/unit.results") ok, $(grep -c '^not ok' "$WORK/unit.results") failed"
	unfinished_programs "$log" >"$WORK/unit.unfinished"
	while read -r program; do
		failed "$program did not finish"
	done <"$WORK/unit.unfinished"
	if [ ! -s "$WORK/unit.results" ] && [ ! -s "$WORK/unit.unfinished" ]; then
		failed "no unit test ran"
	fi
	if grep -qE '^not ok|\*\*\*|error:' "$log"; then
		grep -E '^not ok|^# .*:[0-9]+: |\*\*\*|error:|ERROR: |WARNING: ThreadSanitizer|SUMMARY:' "$log" |
			head -40 | sed 's/^/    | /'
	fi
}

# Programs of a unit-test log whose last line, "N passed, N failed", is missing, and
# those that were not built.
unfinished_programs()
{
	awk '
		/^# unit test / { if (running != "") print running; running = $4 " " $5 }
		/^[0-9]+ passed, [0-9]+ failed$/ { running = "" }
		/\*\*\* \[.*build\// && !/run-/ { sub(/.*build\//, "build/"); sub(/\].*/, ""); print }
		END { if (running != "") print running }
	' "$1" | sort -u
}

group_regress()
{
	run_schedule "Regression tests" sql sql "$PGXS_DIR/src/test/regress/pg_regress"
}

group_isolation()
{
	run_schedule "Isolation tests" specs spec "$PGXS_DIR/src/test/isolation/pg_isolation_regress"
}

# Specs in which sessions wait in the middle of something: with an extension built with points to
# wait at (src/access/pause.h), which the functions of a database of its own are pointed to.
group_pause()
{
	local SCHEDULE_ROOT=$TOP/test/pause SCHEDULE_OPTIONS=--use-existing SCHEDULE_NOTE=", paused"
	local copy=$WORK/pause_build log=$WORK/pause.log

	step "Building with points to pause at"
	mkdir "$copy"
	cp -Rp "$TOP/Makefile" "$TOP/src" "$TOP"/ann.control "$TOP"/ann--*.sql "$copy"
	find "$copy/src" -name '*.o' -not -path '*/src/core/*' -not -path '*/src/space/*' -delete
	if ! make -C "$copy" -j"$(cores)" PG_CONFIG="$PG_CONFIG" CC=gcc COPT=-DANN_PAUSE_POINTS all >"$log" 2>&1; then
		failed "build with points to pause at"
		show_tail "output" "$log" 20
		return
	fi
	passed "build with points to pause at"
	chmod -R a+rX "$copy"
	[ -n "${SERVER_STARTED:-}" ] || start_test_server
	run_sql postgres "DROP DATABASE IF EXISTS ann_specs" 2>/dev/null
	run_sql postgres "CREATE DATABASE ann_specs"
	run_sql ann_specs "CREATE EXTENSION ann;
		UPDATE pg_proc SET probin = '$copy/ann' WHERE probin = '\$libdir/ann'"
	run_schedule "Isolation tests with pauses" specs spec "$PGXS_DIR/src/test/isolation/pg_isolation_regress"
}

# run_schedule TITLE FOLDER SUFFIX PROGRAM: one file of FOLDER is one test.  The tests are
# those in the folder, of SCHEDULE_ROOT; one PROGRAM does not report on has failed.
run_schedule()
{
	local title=$1 folder=$2 suffix=$3 program=$4 out=$WORK/$2 log=$WORK/$2.log name
	local names root=${SCHEDULE_ROOT:-$TOP}

	names=$(cd "$root" && ls "$folder"/*."$suffix" 2>/dev/null | sed "s,$folder/,,; s,\.$suffix\$,,")
	if [ -z "$names" ]; then
		step "$title: none in $folder/"
		return
	fi
	step "$title"
	if [ ! -x "$program" ]; then
		failed "$title: this server has no ${program##*/}"
		return
	fi
	[ -n "${SERVER_STARTED:-}" ] || start_test_server
	mkdir -p "$out"
	# shellcheck disable=SC2086
	(cd "$TOP" && timeout -k 30 "$GROUP_TIMEOUT" "$program" --inputdir="$root" --outputdir="$out" \
		$(expected_folder "$program" "$root") \
		--host="$PGHOST" --port="$PGPORT" --user="$PGUSER" --bindir="$BINDIR" \
		--dbname="ann_$folder" ${SCHEDULE_OPTIONS:---load-extension=ann} $names) >"$log" 2>&1
	stopped_by_timeout $? && failed "$title: stopped after $GROUP_TIMEOUT s"
	for name in $names; do
		# Before 16: "test name ... ok"; since: "ok 1 - name  12 ms".
		if grep -qE "^(test )?$name +\.\.\. +ok\b|^ok [0-9]+ +[-+] $name +[0-9]+ ms" "$log"; then
			passed "$folder/$name${SCHEDULE_NOTE:-}"
		else
			failed "$folder/$name${SCHEDULE_NOTE:-}"
		fi
	done
	if [ -s "$out/regression.diffs" ]; then
		show_ends "$folder: regression.diffs" "$out/regression.diffs" 100
		show_server_log "$PGHOST/server.log"
	elif ! grep -q 'All [0-9]* tests passed' "$log"; then
		show_tail "$folder: output" "$log" 30
		show_server_log "$PGHOST/server.log"
	fi
}

# stopped_by_timeout STATUS: is this what timeout returns when time was up?
stopped_by_timeout()
{
	[ "$1" -eq 124 ] || [ "$1" -eq 137 ]
}

# expected_folder PROGRAM ROOT: since 16, pg_regress looks for expected/ in a folder of its own.
expected_folder()
{
	if "$1" --help | grep -q -- --expecteddir; then
		echo "--expecteddir=$2"
	fi
}

# Regression and isolation tests once more, with an extension built with the address and undefined
# behaviour sanitizers on a copy of the server; then the server crashes, and recovery compares
# every page with the one its primary wrote (wal_consistency_checking).
group_sanitized()
{
	local BINDIR=$BINDIR SERVER_STARTED=yes SCHEDULE_NOTE=", sanitized" SERVER_ENV dir=$WORK/sanitized
	local root=$WORK/private log=$WORK/sanitized.log

	step "Building with sanitizers"
	as_server_user mkdir -p "$dir"
	if ! build_sanitized "$WORK/sanitized_build" "$root" >"$log" 2>&1; then
		failed "build with sanitizers"
		show_tail "output" "$log" 20
		return
	fi
	passed "build with sanitizers"
	BINDIR=$root$BINDIR
	SERVER_ENV="LD_PRELOAD=$(runtime_of "$root$("$PG_CONFIG" --pkglibdir)/ann.so"):$root/first.so"
	SERVER_ENV="$SERVER_ENV ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1"
	if sanitizers_work "$dir" "$log"; then
		passed "a server with sanitizers, and it reports an overflow"
		run_schedule "Regression tests, sanitized" sql sql "$PGXS_DIR/src/test/regress/pg_regress"
		run_schedule "Isolation tests, sanitized" specs spec "$PGXS_DIR/src/test/isolation/pg_isolation_regress"
		recover_sanitized "$dir" "$log"
	else
		failed "a server with sanitizers, or its report of an overflow"
		show_tail "output" "$log" 40
		show_server_log "$dir/server.log"
	fi
	delete_server "$dir"
	SERVER_ENV=
	[ ! -d "$WORK/data" ] || use_socket "$WORK"
}

# build_sanitized SOURCES ROOT: builds a copy of the sources, and puts it with a copy of the server
# under ROOT.  A server finds its files relative to its programs, so the copy uses its own.
build_sanitized()
{
	local folder flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined"

	mkdir -p "$1" "$2" &&
		cp -R "$TOP/Makefile" "$TOP/src" "$TOP"/ann.control "$TOP"/ann--*.sql "$1" || return 1
	find "$1" -name '*.o' -delete
	make -C "$1" -j"$(cores)" PG_CONFIG="$PG_CONFIG" CC=gcc COPT="$flags" || return 1
	for folder in --bindir --pkglibdir --sharedir; do
		folder=$("$PG_CONFIG" "$folder")
		mkdir -p "$2$folder" && cp -RL "$folder/." "$2$folder" || return 1
	done
	make -C "$1" PG_CONFIG="$PG_CONFIG" DESTDIR="$2" install || return 1
	gcc -shared -fPIC -Wl,-z,initfirst -o "$2/first.so" "$TOP/test/sanitized/first.c" || return 1
	# shellcheck disable=SC2086
	gcc -shared -fPIC $flags -I"$("$PG_CONFIG" --includedir-server)" \
		-o "$2/overflow.so" "$TOP/test/sanitized/overflow.c"
}

# runtime_of LIBRARY: the address sanitizer's runtime that a library was linked with
runtime_of()
{
	ldd "$1" | awk '/libasan/ { print $3 }'
}

# sanitizers_work DIR LOG: does a server with the sanitizers start in DIR, and report an overflow?
# Then it runs, with an empty log.  A program that hangs is stopped, and this fails.
sanitizers_work()
{
	local program

	for program in postgres pg_ctl; do
		# shellcheck disable=SC2086
		if ! as_server_user env $SERVER_ENV timeout 30 "$BINDIR/$program" -V >"$2" 2>&1; then
			echo "$program with $SERVER_ENV failed, or took more than 30 s" >>"$2"
			return 1
		fi
	done
	# shellcheck disable=SC2086
	start_server "$1" $TEST_SETTINGS wal_level=replica wal_consistency_checking=all
	run_sql postgres "CREATE FUNCTION overflow(int) RETURNS int STRICT LANGUAGE C
		AS '${BINDIR%"$("$PG_CONFIG" --bindir)"}/overflow', 'sanitized_overflow'" >"$2" 2>&1 || return 1
	run_sql postgres "SELECT overflow(100)" >>"$2" 2>&1
	grep -q 'ERROR: AddressSanitizer: heap-buffer-overflow' "$1/server.log" || return 1
	stop_sanitized "$1"
	rm -f "$1/server.log"
	start_server "$1"
}

# recover_sanitized DIR LOG: crash, recovery, and a look at everything the server in DIR said
recover_sanitized()
{
	step "Recovery with wal_consistency_checking"
	stop_sanitized "$1"
	start_server "$1"
	if grep -E -A 40 "$SERVER_TROUBLE" "$1/server.log" >"$2"; then
		failed "recovery, sanitized: reports in the server's log"
		show_ends "server log" "$2" 60
	elif ! grep -q 'redo done' "$1/server.log"; then
		failed "recovery, sanitized: nothing was recovered"
	else
		passed "recovery, sanitized"
	fi
}

# stop_sanitized DIR: without any shutdown work
stop_sanitized()
{
	# shellcheck disable=SC2086
	as_server_user env $SERVER_ENV "$BINDIR/pg_ctl" -D "$1/data" -m immediate -w -s stop
}

start_test_server()
{
	# shellcheck disable=SC2086
	start_server "$WORK" $TEST_SETTINGS
	SERVER_STARTED=yes
}

# TAP tests start servers of their own, which needs the server user and folders it can
# write; they run on a copy.  Every subtest and check of a file counts by its "ok" line.
group_tap()
{
	local copy=$WORK/tap log=$WORK/tap.log file

	if ! ls "$TOP"/t/*.pl >/dev/null 2>&1; then
		step "TAP tests: none in t/"
		return
	fi
	step "TAP tests"
	as_server_user mkdir -p "$copy/tmp_check/log"
	(cd "$TOP" && tar -cf - t) | as_server_user tar -C "$copy" -xf -
	for file in "$copy"/t/*.pl; do
		run_tap_file "$copy" "${file##*/}" "$log"
	done
}

# run_tap_file COPY NAME LOG
run_tap_file()
{
	local copy=$1 name=$2 log=$3 status ok bad file

	as_server_user env -u PGHOST -u PGUSER -u PGDATABASE -C "$copy" PATH="$BINDIR:$PATH" LC_ALL=C HOME="$copy" PGPORT=65432 \
		ANN_DATA_DIR="${ANN_DATA_DIR:-$TOP/../shared/data}" \
		PG_REGRESS="$PGXS_DIR/src/test/regress/pg_regress" \
		TESTDIR="$copy" TESTDATADIR="$copy/tmp_check" TESTLOGDIR="$copy/tmp_check/log" \
		PGCTLTIMEOUT=300 PG_TEST_TIMEOUT_DEFAULT=400 TMPDIR="$copy/tmp_check" \
		timeout -k 60 "$GROUP_TIMEOUT" perl -I "$PGXS_DIR/src/test/perl" -I "$copy/t" "$copy/t/$name" >"$log" 2>&1
	status=$?
	ok=$(grep -cE '^ok [0-9]+' "$log")
	bad=$(grep -cE '^not ok [0-9]+' "$log")
	PASSED=$((PASSED + ok))
	FAILED=$((FAILED + bad))
	echo "    t/$name: $ok ok, $bad failed"
	if stopped_by_timeout "$status"; then
		failed "t/$name: stopped after $GROUP_TIMEOUT s"
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		failed "t/$name ended with code $status"
	fi
	if [ "$status" -ne 0 ]; then
		grep -vE '^ok ' "$log" >"$log.short"
		show_ends "t/$name" "$log.short" 60
		show_tail "commands of t/$name" "$copy/tmp_check/log/regress_log_${name%.pl}" 60
		for file in "$copy"/tmp_check/log/"${name%.pl}"_*.log; do
			show_server_log "$file"
		done
		stop_left_servers "$copy"
	fi
}

# stop_left_servers COPY: the servers of a TAP test that was killed
stop_left_servers()
{
	local file

	for file in "$1"/tmp_check/t_*_data/pgdata/postmaster.pid; do
		[ ! -e "$file" ] || as_server_user "$BINDIR/pg_ctl" -D "${file%/*}" -m immediate -w -s stop
	done
}

main "$@"
