# test/server.sh: packages, build and throw-away servers for the scripts.
#
# Sourced by quickstart.sh, check.sh and bench/*.sh (bash).  Nothing here runs by
# itself.  A throw-away server lives in one temporary folder that only its owner
# can enter, listens on a Unix socket in that folder and nowhere else, trusts
# whoever gets there, and gives up durability for speed.
#
# Called as root, the server and everything that refuses to run as root goes
# through as_server_user; called as an ordinary user, apt and make install go
# through as_root (sudo).

# Numbers with a point and messages that can be parsed, whatever the caller speaks.
export LC_ALL=C

MINIMUM_VERSION=13          # oldest server the extension compiles against
SERVER_PORT=5432            # names the socket file only
SERVER_SUPERUSER=ann

die()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# step "what is happening": prints it, and how long the step before took.
step()
{
	step_done
	STEP_NAME=$1
	STEP_START=$SECONDS
	printf '==> %s\n' "$1"
}

step_done()
{
	if [ -n "${STEP_NAME:-}" ]; then
		printf '    done in %d s\n' $((SECONDS - STEP_START))
	fi
	STEP_NAME=
}

# ------------------------------------------------------------------ users

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "root or sudo is needed to run: $*"
	fi
}

# The user that owns servers: the caller, or for root the user the packages
# made for it, or nobody.
server_user()
{
	if [ "$(id -u)" -ne 0 ]; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# as_server_user command args...: from / (the checkout may be closed to that user),
# with a clean environment apart from what the command line sets through env.
as_server_user()
{
	local user

	if [ "$(id -u)" -ne 0 ]; then
		(cd / && "$@")
		return
	fi
	user=$(server_user)
	if command -v runuser >/dev/null; then
		(cd / && runuser -u "$user" -- "$@")
	elif command -v setpriv >/dev/null; then
		(cd / && setpriv --reuid="$user" --regid="$(id -gn "$user")" --init-groups "$@")
	else
		(cd / && su -s /bin/sh "$user" -c "$(printf '%q ' "$@")")
	fi
}

# make_server_dir: a new folder in $TMPDIR that the server user owns; prints it.
# Socket paths are limited to about 100 characters, so a long TMPDIR is passed over.
make_server_dir()
{
	local base=${TMPDIR:-/tmp} dir

	[ ${#base} -le 60 ] || base=/tmp
	dir=$(mktemp -d "$base/ann.XXXXXX") || return 1
	if [ "$(id -u)" -eq 0 ]; then
		chown "$(server_user)" "$dir"
	fi
	echo "$dir"
}

# ------------------------------------------------------------------ packages

# Newest installed server with its headers: its pg_config, or nothing.
# PG_CONFIG in the environment wins.
find_pg_config()
{
	local candidate

	if [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG"
		return
	fi
	for candidate in $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -t/ -k5,5nr) \
		$(command -v pg_config); do
		if [ -f "$("$candidate" --pgxs 2>/dev/null)" ] &&
			[ -x "$("$candidate" --bindir)/initdb" ] &&
			[ -f "$("$candidate" --includedir-server)/postgres.h" ]; then
			echo "$candidate"
			return
		fi
	done
}

# use_server: sets PG_CONFIG, BINDIR and SERVER_VERSION (major), or fails.
use_server()
{
	PG_CONFIG=$(find_pg_config)
	[ -n "$PG_CONFIG" ] || die "no PostgreSQL server with development files found; set PG_CONFIG"
	export PG_CONFIG
	BINDIR=$("$PG_CONFIG" --bindir)
	SERVER_VERSION=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	[ "$SERVER_VERSION" -ge "$MINIMUM_VERSION" ] ||
		die "PostgreSQL $SERVER_VERSION is too old, $MINIMUM_VERSION is the oldest supported"
}

# install_missing command=package...: apt-get installs the packages whose command (or
# file, when it starts with /) is not there, and a server when there is none.
install_missing()
{
	local packages="" pair newest

	for pair in "$@"; do
		case $pair in
			/*) [ -e "${pair%%=*}" ] || packages="$packages ${pair#*=}" ;;
			*) command -v "${pair%%=*}" >/dev/null || packages="$packages ${pair#*=}" ;;
		esac
	done
	if [ -n "$(find_pg_config)" ] && [ -z "$packages" ]; then
		return
	fi
	command -v apt-get >/dev/null ||
		die "please install a PostgreSQL server with development files and:$packages"
	apt_get update
	if [ -z "$(find_pg_config)" ]; then
		newest=$(apt-cache search --names-only '^postgresql-server-dev-[0-9]+$' |
			sed 's/.*-dev-\([0-9]*\) .*/\1/' | sort -n | tail -1)
		[ -n "$newest" ] || die "apt offers no postgresql-server-dev package"
		packages="$packages postgresql-$newest postgresql-server-dev-$newest"
	fi
	echo "    installing:$packages"
	# shellcheck disable=SC2086
	apt_get install --no-install-recommends $packages
}

# Quiet apt-get whose output is shown only when it fails.
apt_get()
{
	local log

	log=$(mktemp)
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1; then
		tail -30 "$log" >&2
		rm -f "$log"
		die "apt-get $1 failed"
	fi
	rm -f "$log"
}

# What building and running the extension takes, as install_missing wants it.
BUILD_NEEDS="gcc=gcc make=make perl=perl /usr/include/stdlib.h=libc6-dev gzip=gzip"

# ------------------------------------------------------------------ build

# build_extension [make arguments]: builds in the checkout with the server's PGXS.
# Output is shown only when it fails.
build_extension()
{
	local log

	log=$(mktemp)
	if ! make -C "$TOP" -j"$(cores)" PG_CONFIG="$PG_CONFIG" "$@" >"$log" 2>&1; then
		grep -E ' error: | warning: |\*\*\* \[' "$log" | head -30 >&2
		echo "full log: $log" >&2
		return 1
	fi
	rm -f "$log"
}

# install_extension: make install, unless what is installed is what was built.
# Sets EXTENSION_CHANGED to yes when something was copied.
install_extension()
{
	local log libdir sharedir file changed=no

	libdir=$("$PG_CONFIG" --pkglibdir)
	sharedir=$("$PG_CONFIG" --sharedir)/extension
	cmp -s "$TOP/ann.so" "$libdir/ann.so" || changed=yes
	for file in "$TOP"/ann.control "$TOP"/ann--*.sql; do
		cmp -s "$file" "$sharedir/${file##*/}" || changed=yes
	done
	EXTENSION_CHANGED=$changed
	[ "$changed" = yes ] || return 0
	log=$(mktemp)
	if ! as_root make -C "$TOP" PG_CONFIG="$PG_CONFIG" install >"$log" 2>&1; then
		tail -20 "$log" >&2
		return 1
	fi
	rm -f "$log"
}

# ------------------------------------------------------------------ machine

cores()
{
	nproc 2>/dev/null || getconf _NPROCESSORS_ONLN
}

# Memory in MB: the machine's, or the control group's when that is less.
memory_mb()
{
	local kb limit file

	kb=$(awk '/^MemTotal/ {print $2}' /proc/meminfo)
	for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
		limit=$(cat "$file" 2>/dev/null) || continue
		if [ -n "$limit" ] && [ "$limit" != max ] && [ ${#limit} -lt 16 ] &&
			[ $((limit / 1024)) -lt "$kb" ]; then
			kb=$((limit / 1024))
		fi
	done
	echo $((kb / 1024))
}

# One line about the machine for reports.
machine_line()
{
	local model

	model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
	echo "${model:-$(uname -m)}, $(cores) cores, $(memory_mb) MB RAM, $(uname -s) $(uname -r)"
}

# ------------------------------------------------------------------ server

# start_server DIR [setting=value ...]: initdb on first use, then start, with the variables of
# SERVER_ENV in the environment.
start_server()
{
	local dir=$1 buffers work memory setting

	shift
	if [ ! -e "$dir/data/PG_VERSION" ]; then
		as_server_user "$BINDIR/initdb" -D "$dir/data" -U "$SERVER_SUPERUSER" -A trust \
			--encoding=UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 ||
			{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
		memory=$(memory_mb)
		buffers=$((memory / 4))
		[ "$buffers" -le 2048 ] || buffers=2048
		work=$((memory / 6))
		[ "$work" -le 2048 ] || work=2048
		{
			cat <<-EOF
				# a throw-away server: no durability, no network
				listen_addresses = ''
				port = $SERVER_PORT
				unix_socket_directories = '$dir'
				unix_socket_permissions = 0700
				fsync = off
				synchronous_commit = off
				full_page_writes = off
				max_wal_size = 8GB
				checkpoint_timeout = 1h
				shared_buffers = ${buffers}MB
				maintenance_work_mem = ${work}MB
				max_parallel_maintenance_workers = $(($(cores) - 1))
				work_mem = 64MB
				jit = off
				log_min_messages = warning
				log_line_prefix = '%m [%p] '
			EOF
			for setting in "$@"; do
				printf "%s = '%s'\n" "${setting%%=*}" "${setting#*=}"
			done
		} | as_server_user tee -a "$dir/data/postgresql.conf" >/dev/null
	fi
	# shellcheck disable=SC2086
	as_server_user env ${SERVER_ENV:-} "$BINDIR/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -s start ||
		{ tail -20 "$dir/server.log" >&2; die "the server did not start"; }
	use_socket "$dir"
}

# use_socket DIR: psql, pgbench and friends talk to the server in DIR from now on.
use_socket()
{
	export PGHOST=$1 PGPORT=$SERVER_PORT PGUSER=$SERVER_SUPERUSER
	unset PGDATABASE PGSERVICE PGPASSWORD PGOPTIONS PGHOSTADDR
}

server_is_up()
{
	[ -n "${1:-}" ] && [ -d "$1/data" ] &&
		"$BINDIR/pg_isready" -q -h "$1" -p "$SERVER_PORT"
}

# delete_server DIR: stops the server and removes its folder.
delete_server()
{
	if [ -n "${1:-}" ] && [ -d "$1/data" ]; then
		as_server_user "$BINDIR/pg_ctl" -D "$1/data" -m immediate -w -s stop >/dev/null 2>&1
	fi
	[ -z "${1:-}" ] || rm -rf "$1"
}

# run_sql DATABASE "statements": psql that stops at the first error; unaligned rows.
run_sql()
{
	"$BINDIR/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2"
}
