# What the tests of `lockstep run` share, each of which sources it: they call the real programs from outside, and look at exit statuses,
# messages, and that nothing is left, whatever ends a run. $1: the build directory.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lockstep=$1/bin/lockstep
scenarios=$root/netns_harness/scenarios
scenario=$scenarios/locks.toml
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "FAILED: $1" >&2
    tail -n 30 "$work/out" "$work/err" >&2
    failed=1
}

# call COMMAND…: its exit status in `got`, what it printed in the files out and err.
call() {
    got=0
    env LOCKSTEP_COMMAND_TEST="$work" "$@" >"$work/out" 2>"$work/err" || got=$?
}
# judge STATUS TEXT CLAIM: the last call exited with STATUS and printed TEXT somewhere.
judge() {
    [ "$got" -eq "$1" ] || fail "$3: exit status $got, not $1"
    # scripts/test looks for these words: a verdict is no busy machine's fault, and gets no second attempt.
    [ "$1 $got" != "0 1" ] || echo "FAILED: $3: violated where the verdict ok was expected" >&2
    grep -qF -- "$2" "$work/out" "$work/err" || fail "$3: does not say '$2'"
}

# expect STATUS TEXT CLAIM COMMAND…: the command exits with STATUS and prints TEXT somewhere.
expect() {
    call "${@:4}"
    judge "${@:1:3}"
}

# expect_ok TEXT CLAIM COMMAND…: a `lockstep run` with the verdict ok, which prints TEXT; what it keeps, it keeps in $work/kept. A machine
# that is too busy may keep the tracers from every event, which is said and is no verdict: once more then, with another seed.
expect_ok() {
    local seed
    for seed in 7 8 9; do
        rm -rf "$work/kept"
        call "${@:3}" --seed $seed
        [ $got -eq 3 ] || break
        echo "$2, seed $seed: inconclusive"
        tail -n 5 "$work/out" "$work/err"
    done
    judge 0 "$1" "$2"
}

# Everything a run starts carries a mark of this test in its environment: who still does? Asked seldom: a Linux without preemption can
# spin for seconds in the exit of a process whose entries in /proc are looked at (shrink_dcache_parent waits so for who drops them).
survivors() { grep -lzsxF "LOCKSTEP_COMMAND_TEST=$work" /proc/[0-9]*/environ || true; }
expect_nothing_left() {
    local tries=0
    while [ -n "$(survivors)" ] && [ $tries -lt 150 ]; do sleep 0.2; tries=$((tries + 1)); done
    [ -z "$(survivors)" ] || fail "$1: processes are left: $(survivors)"
    [ "$(ip -o link 2>/dev/null | grep -c ': to-')" -eq 0 ] || fail "$1: veth links are left"
}
