#!/usr/bin/env bash
# The commands about models, from outside: what they print and what they exit with. $1: the lockstep program.
set -euo pipefail
lockstep=$1
root=${LOCKSTEP_SOURCE_DIR:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

source "${LOCKSTEP_SOURCE_DIR:?}/scripts/expect.sh"

expect 2 "$lockstep"
grep -q 'a command is missing' err
expect 2 "$lockstep" chekc "$root"/dot/mutual_exclusion.dot
grep -q 'there is no command `chekc`' err
expect 0 "$lockstep" --version
for command in check simulate test draw new compile events attach status detach react pause resume verify run-program; do
    expect 0 "$lockstep" $command --help
    grep -q 'Exit status' out || { echo "the help of $command does not say its exit statuses" >&2; exit 1; }
done

expect 0 "$lockstep" check "$root"/dot/*.dot
expect 0 "$lockstep" test --interpret-only "$root"/dot/*.dot
expect 1 "$lockstep" check "$root/dot/bad/nondeterminism.dot"
grep -q 'nondeterminism.dot:8:28: error: ' err
expect 1 "$lockstep" check "$root/dot/mutual_exclusion.dot" "$root/dot/bad/no-event.dot"
grep -q 'mutual_exclusion.dot: ok' out
expect 0 "$lockstep" check "$root/dot/bad/unused-event.dot"   # a warning
expect 2 "$lockstep" check "$work/nowhere.dot"
[ "$(wc -l <err)" -eq 1 ]
expect 2 "$lockstep" check
expect 1 "$lockstep" check --json "$root/dot/bad/two-keys.dot"
grep -q '"line":3,"column":1,"length":3,"severity":"error","code":"two-keys"' out
expect 0 "$lockstep" check --tracepoints "$root/tracepoints" "$root/dot/reply_after_commit.dot"
expect 2 "$lockstep" check --tracepoints "$work/nowhere" "$root/dot/reply_after_commit.dot"

expect 0 "$lockstep" new my_property
expect 0 "$lockstep" check my_property.dot
expect 0 "$lockstep" test my_property.dot
grep -q '3 of 3 edges taken, 1 of 1 forbidden events met, interpreter and compiled monitor agree' out
expect 0 "$lockstep" test --json --show-runs --interpret-only my_property.dot
grep -q '"edges":3,"edges_taken":3,"forbidden":1,"forbidden_met":1,"compiled":false,"list":\[{"violated"' out
# A compiler that gets a guard wrong: the compiled monitor differs, and that is told.
cat >wrong_compiler <<'END'
#!/bin/sh
for each; do case $each in *monitor.cpp) sed -i 's/return at.registers.holder.contains/return !at.registers.holder.contains/' "$each" ;; esac; done
exec c++ "$@"
END
chmod +x wrong_compiler
expect 1 env CXX="$work/wrong_compiler" "$lockstep" test my_property.dot
grep -q 'the compiled monitor does not do what the interpreter does: .*compiled-differs' err
expect 2 env CXX=false "$lockstep" test my_property.dot
expect 2 "$lockstep" new my_property
expect 2 "$lockstep" new '../x'

sed 's/^\/\/ reject: .*//' my_property.dot >without.dot
expect 1 "$lockstep" test without.dot
grep -q 'no-example' err
sed 's/^\/\/ reject: .*/\/\/ reject: take(file=x,owner=alice)/' my_property.dot >wrong.dot
expect 1 "$lockstep" test wrong.dot
grep -q 'wrong.dot:5:12: error: `reject` example failed: nothing is violated' err

expect 0 "$lockstep" draw my_property.dot -o picture.svg
grep -q '>taken<' picture.svg
expect 0 "$lockstep" draw my_property.dot --format png
[ "$(head -c 4 out | tail -c 3)" = PNG ]
cat >coverage.json <<'END'
{"properties": [{"name": "my_property", "edges": [
    {"from_state": "free", "event": "take", "to_state": "taken", "line": 21, "taken": 12},
    {"from_state": "free", "event": "give", "to_state": "free", "line": 22, "taken": 0},
    {"from_state": "taken", "event": "give", "to_state": "free", "line": 23, "taken": 11}]}]}
END
expect 0 "$lockstep" draw my_property.dot --coverage coverage.json --coverage coverage.json -o visited.dot
grep -q '×24' visited.dot
grep -q '×22' visited.dot
grep -q 'style=dashed' visited.dot
echo '{"properties": []}' >other.json
expect 2 "$lockstep" draw my_property.dot --coverage other.json
expect 2 "$lockstep" draw my_property.dot -o picture.txt
expect 2 "$lockstep" draw nowhere.dot

# No room: the former file stays, and nothing half written.
no_room() {
    trap '' XFSZ
    ulimit -f 0
    "$@" 2>&1 | cat
    return "${PIPESTATUS[0]}"
}
cp picture.svg former.svg
said=$(no_room "$lockstep" draw my_property.dot -o picture.svg) && exit 1
grep -q "can't write picture.svg: File too large" <<<"$said"
cmp picture.svg former.svg
said=$(no_room "$lockstep" new other_property) && exit 1
grep -q "can't write other_property.dot" <<<"$said"
[ -z "$(find . -name '*.part' -o -name 'other_property*')" ]
expect 1 "$lockstep" draw "$root/dot/bad/two-keys.dot"

printf 'take(file=x,owner=ann)\nstate\ngive(file=x,owner=ann)\n' >good.events
expect 0 "$lockstep" simulate my_property.dot --events good.events
grep -q 'holder = {ann}' out
printf 'take(file=x,owner=ann)\ntake(file=x,owner=bob)\nundo\n' >bad.events
expect 1 "$lockstep" simulate my_property.dot --events bad.events
grep -q '^VIOLATION: take(file=x, owner=bob' out
expect 1 "$lockstep" simulate my_property.dot --events bad.events --json
grep -q '"outcome":"violation"' out
echo 'tale(file=x)' >unknown.events
expect 2 "$lockstep" simulate my_property.dot --events unknown.events
grep -q 'line 1 of the events: there is no event `tale`: did you mean `take`' err
expect 2 "$lockstep" simulate my_property.dot --events nowhere.events
expect 2 "$lockstep" simulate my_property.dot --set limit=3 --events good.events
echo "check, test, new, draw and simulate do as they say"
