#!/usr/bin/env bash
# lockstep run-program on a program that does right and wrong with its locks. $1: the lockstep program, $2: the program to run.
set -euo pipefail
lockstep=$1 target=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

source "${LOCKSTEP_SOURCE_DIR:?}/scripts/expect.sh"

# Right: both properties saw something, and nothing wrong.
expect 0 "$lockstep" run-program -- "$target" in-order many-threads condition cancelled-wait recursive reused-address
grep -q '^done$' out
grep -Eq '^pthread_mutex +ok' out
grep -Eq '^lock_order +ok' out
grep -q 'ended with exit status 0' err

# Each wrong is found by the property that is about it, and by that alone.
expect 1 "$lockstep" run-program -- "$target" in-order both-orders
grep -Eq '^lock_order +violated' out
grep -Eq '^pthread_mutex +ok' out
for wrong in unlock-anothers unlock-twice destroy-held; do
    expect 1 "$lockstep" run-program --property pthread_mutex -- "$target" "$wrong"
    grep -Eq '^pthread_mutex +violated' out
done
expect 0 "$lockstep" run-program --property spin_without_sleep --property pthread_mutex -- "$target" spin
expect 1 "$lockstep" run-program --property spin_without_sleep --property pthread_mutex -- "$target" spin sleep-while-spinning
grep -Eq '^spin_without_sleep +violated' out
grep -Eq '^pthread_mutex +ok' out

# What could not be seen to its end is not ok. What was wrong before stays found.
expect 3 "$lockstep" run-program -- "$target" in-order killed
grep -q 'without saying goodbye (signal 9' out
expect 3 "$lockstep" run-program -- "$target" in-order exit-at-once
expect 3 "$lockstep" run-program -- "$target"          # no lock order was seen

# A program may close every descriptor that it did not open, and put its own where it likes.
expect 0 "$lockstep" run-program -- "$target" in-order close-all in-order
grep -q 'ended with exit status 0' err
expect 3 "$lockstep" run-program -- bash -c 'ls -l /proc/$$/fd >descriptors'   # a shell takes no lock
[ "$(grep -cE ' (1[0-9]|[0-9]) -> ' descriptors)" -ge 3 ]
[ "$(grep -c ' 5[0-9][0-9] -> .*\(socket\|eventfd\)' descriptors)" -ge 2 ]
grep -E ' (1[0-9]|[0-9]) -> .*(socket|eventfd|lttng)' descriptors && exit 1

# Its own output does not get between the JSON.
"$lockstep" run-program --json -- "$target" in-order >alone.json 2>spoken
grep -q '^done$' spoken
[ "$(head -c 1 alone.json)" = '[' ]
expect 2 "$lockstep" run-program --out none/result.json -- touch started
[ ! -e started ]
expect 1 "$lockstep" run-program --json --out result.json -- "$target" both-orders
grep -q '"verdict": "violated"' result.json
grep -q '^done$' out

expect 2 "$lockstep" run-program -- ./nowhere
grep -q "can't run ./nowhere: No such file" err
expect 2 "$lockstep" run-program --property no_such_property -- "$target"
expect 2 "$lockstep" run-program
[ "$(find /tmp -maxdepth 1 -name 'lockstep-program-*' -newer out 2>/dev/null | wc -l)" -eq 0 ]
echo "run-program finds what is wrong and nothing else"
