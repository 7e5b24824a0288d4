# bench/load.sh: how much of the machine others used while something was measured.
#
# Sourced by bench/compare.sh.  From /proc/stat, the time all processors worked or were
# stolen by the host, less what the server, the shell with its children, and the library
# beside them used.  Where /proc does not say it, nothing is noted and nothing repeated.

CLOCK_TICKS=$(getconf CLK_TCK)

# watch_load PID...: the processes whose own time and that of children they have waited for
# is no other load: the server (it waits for its backends), and the library.
watch_load()
{
	LOAD_PIDS="$$ $*"
}

# load_start, load_end: the latter sets OTHERS, the processors others kept busy on average
# since the former, or nothing when that is not known.
load_start()
{
	read_load
	LOAD_BEFORE=$LOAD_NOW
	LOAD_SINCE=$(date +%s%N)
}

load_end()
{
	local elapsed

	# Backends that have just ended have to be waited for by the server first.
	sleep 0.1
	read_load
	elapsed=$(($(date +%s%N) - LOAD_SINCE))
	OTHERS=
	[ -z "$LOAD_NOW" ] || OTHERS=$(awk "BEGIN {
		others = ($LOAD_NOW - $LOAD_BEFORE) / $CLOCK_TICKS / ($elapsed / 1e9)
		printf(\"%.2f\", (others > 0 ? others : 0))}")
}

# read_load: sets LOAD_NOW, clock ticks of others since the machine started.
read_load()
{
	local user nice system irq softirq steal pid line fields

	LOAD_NOW=
	read -r _ user nice system _ _ irq softirq steal _ 2>/dev/null </proc/stat || return 0
	LOAD_NOW=$((user + nice + system + irq + softirq + ${steal:-0}))
	for pid in $LOAD_PIDS; do
		read -r line 2>/dev/null <"/proc/$pid/stat" || { LOAD_NOW=; return 0; }
		# After the name in parentheses: fields 3 on; 14 to 17 are utime, stime, cutime, cstime.
		read -ra fields <<<"${line##*) }"
		LOAD_NOW=$((LOAD_NOW - fields[11] - fields[12] - fields[13] - fields[14]))
	done
}

# too_much_load OTHERS CLIENTS: others used more than the clients leave free (a client and its
# backend take turns: one processor each), but for a tenth of the machine.
too_much_load()
{
	[ -n "$1" ] &&
		awk "BEGIN {free = $(cores) - $2; exit !($1 > (free > 0 ? free : 0) + 0.1 * $(cores))}"
}

# ------------------------------------------------------------------ sleep

AWAKE_PIDS=''

# keep_awake: a loop on every processor, of a class that runs only when nothing else wants to
# (SCHED_IDLE), so that none goes to sleep between a query and its answer.
keep_awake()
{
	local processor

	for processor in $(seq "$(nproc)"); do
		chrt --idle 0 bash -c 'while :; do :; done' &
		disown
		AWAKE_PIDS="$AWAKE_PIDS $!"
	done
}

let_sleep()
{
	# shellcheck disable=SC2086
	[ -z "$AWAKE_PIDS" ] || kill $AWAKE_PIDS 2>/dev/null
	AWAKE_PIDS=''
}
