#!/usr/bin/env bash
# The command from outside: its exit status, its JSON, and that what it prints about a failing case reproduces it.
# crash_explorer_test.sh CRASH_EXPLORER
set -euo pipefail
explorer=$1

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Sound: 0, in words and as JSON.
"$explorer" --workload ace:2 --states 300 --seed 3 | grep -q 'every state recovered to a legal one' || fail "ace:2"
"$explorer" --workload random --states 300 --seed 3 --json | grep -q '"verdict": "ok"' || fail "random"

# Before the restart the write is lost, and it would have written what was there already: only its reply tells.
"$explorer" --workload 'steps:link A/foo A/bar; write foo 0 100 unstable; restart' >/dev/null || fail "a write that changes nothing"

# A fault: 1, and a command that shows the same again, with the fault and not without it.
status=0
found=$("$explorer" --workload ace:2 --states 20000 --seed 1 --fault skip_barrier 2>/dev/null) || status=$?
[ $status -eq 1 ] || fail "skip_barrier: status $status"
command=$(grep '^  crash_explorer ' <<<"$found") || fail "no command in: $found"
arguments=${command#*crash_explorer }
again() { eval "\"$explorer\" $1"; }
status=0
again "$arguments" >/dev/null 2>&1 || status=$?
[ $status -eq 1 ] || fail "the command does not reproduce the case: status $status: $command"
again "$(sed -E 's/ --fault [a-z_]+ --fault-seed [0-9]+//' <<<"$arguments")" >/dev/null || fail "the case fails without the fault, too"

# What it can't do: 2, and a message.
for wrong in '--workload ace:9' "--workload steps:fly" '--workload random' '--fault nonesuch' '--at 3'; do
    status=0
    # shellcheck disable=SC2086
    "$explorer" $wrong >/dev/null 2>&1 || status=$?
    [ $status -eq 2 ] || fail "$wrong: status $status"
done
echo ok
