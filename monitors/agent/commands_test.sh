#!/usr/bin/env bash
# The commands that steer an agent, from outside: compile, attach, status, react, pause, resume, detach, with their exit statuses.
# commands_test.sh LOCKSTEP TARGET_PROGRAM PRELOADED SOURCE_DIR
set -euo pipefail
lockstep=$1 target=$2 preloaded=$3 source_dir=$4
scratch=$(mktemp -d)
target_pid=
cleanup() {
    exec 7>&- || true
    [ -z "$target_pid" ] || kill "$target_pid" 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap cleanup EXIT

fail() {
    echo "commands_test: $1" >&2
    exit 1
}
# expect STATUS PATTERN COMMAND…: the exit status, and what stdout and stderr together must contain.
expect() {
    local status=$1 pattern=$2 got=0
    shift 2
    "$@" >"$scratch/out" 2>&1 || got=$?
    [ "$got" -eq "$status" ] || fail "$* exited $got, not $status: $(cat "$scratch/out")"
    [ -z "$pattern" ] || grep -qF -- "$pattern" "$scratch/out" || fail "$* did not say \"$pattern\" but: $(cat "$scratch/out")"
}
# told PATTERN COMMAND…: waits up to 10 s until the reaction thread has told of it.
told() {
    local pattern=$1
    shift
    for _ in $(seq 500); do
        grep -qF -- "$pattern" <<<"$("$@" 2>&1 || true)" && return
        sleep 0.02
    done
    fail "$* never said \"$pattern\""
}
tell() {
    echo "$1" >&7
    read -r answer <&8 || fail "the target died at: $1"
}

expect 0 "" "$lockstep" compile "$source_dir/dot/mutual_exclusion.dot" -o "$scratch/compiled.so"
expect 0 "struct held_grant" "$lockstep" compile "$source_dir/dot/mutual_exclusion.dot" --source -o -
expect 2 "" "$lockstep" compile "$scratch/none.dot" -o "$scratch/none.so"
echo 'digraph broken { a -> b [label="x"]; }' >"$scratch/broken.dot"
expect 1 "" "$lockstep" compile "$scratch/broken.dot" -o "$scratch/broken.so"
[ ! -e "$scratch/broken.so" ] || fail "a broken model left a file"
expect 2 "cannot run the compiler" "$lockstep" compile "$source_dir/dot/mutual_exclusion.dot" -o "$scratch/x.so" --compiler /no/compiler

mkfifo "$scratch/commands" "$scratch/answers"
exec 8<>"$scratch/answers"
LD_PRELOAD=$preloaded LOCKSTEP_AGENT_SOCKET=$scratch/socket "$target" <"$scratch/commands" >"$scratch/answers" 2>"$scratch/errors" &
target_pid=$!
exec 7>"$scratch/commands"
for _ in $(seq 500); do [ -S "$scratch/socket" ] && break || sleep 0.01; done
at=(--in-process "$scratch/socket")

expect 2 "there is no agent at" "$lockstep" status --in-process "$scratch/nowhere"
expect 2 "no property named nowhere" "$lockstep" attach "${at[@]}" nowhere
expect 1 "" "$lockstep" attach "${at[@]}" "$scratch/broken.dot"
expect 0 "mutual_exclusion is attached" "$lockstep" attach "${at[@]}" "$scratch/compiled.so"
expect 3 "saw nothing" "$lockstep" status "${at[@]}"
tell "grant /a x 0 9 5"
tell "release /a x 0 9"
expect 0 "mutual_exclusion         ok" "$lockstep" status "${at[@]}"
expect 0 "" "$lockstep" react "${at[@]}" mutual_exclusion "log:$scratch/log"
expect 2 "no reactor named explode" "$lockstep" react "${at[@]}" mutual_exclusion explode
expect 0 "" "$lockstep" pause "${at[@]}" mutual_exclusion
tell "grant /a x 0 9 5"
expect 0 "" "$lockstep" resume "${at[@]}" mutual_exclusion
tell "grant /a y 0 9 5"
tell "grant /a z 0 9 5"
told "violated file=/a" "$lockstep" status "${at[@]}"
expect 1 "violated file=/a" "$lockstep" status "${at[@]}"
tell "grant /b y 0 9 5"
expect 1 "of file=/a" "$lockstep" watch "${at[@]}" --count 2 --interval 0.05
expect 2 "there is no agent at" "$lockstep" watch --in-process "$scratch/nowhere" --count 1
expect 1 '"states":[{"contexts":' "$lockstep" watch "${at[@]}" --count 1 --json
# On a terminal: lines as wide as it is, colours unless they are forbidden, an end by Ctrl-C that gives the verdict.
on_terminal() { : >"$scratch/typescript" && script -fqec "stty cols $1 rows $2; $3" "$scratch/typescript" </dev/null >/dev/null || true; }
on_terminal 60 10 "$lockstep watch ${at[*]} --count 2 --interval 0.05"
grep -q $'\033\[1;31mviolated' "$scratch/typescript" || fail "no colour on a terminal: $(cat -v "$scratch/typescript")"
grep -q 'contexts  *.*held 1' "$scratch/typescript" || fail "no contexts by state: $(cat -v "$scratch/typescript")"
[ "$(grep -v '^Script ' "$scratch/typescript" | sed $'s/\033\\[[0-9;]*[A-Za-z]//g; s/\r//' | wc -L)" -le 60 ] ||
    fail "a line is wider than the terminal: $(cat -v "$scratch/typescript")"
NO_COLOR=1 on_terminal 80 24 "$lockstep watch ${at[*]} --count 1"
if grep -q $'\033\[[0-9;]*m' "$scratch/typescript"; then fail "colours although NO_COLOR is set"; fi
on_terminal 80 24 "$lockstep watch ${at[*]} --interval 3600 & until grep -q violations '$scratch/typescript'; do sleep 0.02; done
    kill -INT \$!; wait \$!; echo exit status \$?"
grep -q 'exit status 1' "$scratch/typescript" || fail "Ctrl-C does not end watch with the verdict: $(cat -v "$scratch/typescript")"
expect 1 'lockstep_violations_total{pid="' "$lockstep" status "${at[@]}" --prometheus
expect 1 "" "$lockstep" status "${at[@]}" --textfile "$scratch/lockstep.prom"
grep -qE '^lockstep_verdict_violated\{pid="[0-9]+",property="mutual_exclusion"\} 1$' "$scratch/lockstep.prom" ||
    fail "the textfile says: $(cat "$scratch/lockstep.prom")"
[ "$(grep -c '^# TYPE lockstep_events_total counter' "$scratch/lockstep.prom")" -eq 1 ] || fail "a metric without its type"
expect 2 "can't write" "$lockstep" status "${at[@]}" --textfile "$scratch/none/lockstep.prom"
expect 1 '"reactors": [' "$lockstep" status "${at[@]}" --json
expect 1 "mutual_exclusion" "$lockstep" detach "${at[@]}" mutual_exclusion
grep -q 'owner="z"' "$scratch/log" || fail "the exchanged reactor wrote nothing"
expect 2 "no property named" "$lockstep" detach "${at[@]}" mutual_exclusion

# A dump has the automaton drawn with the path.
expect 0 "" "$lockstep" attach "${at[@]}" mutual_exclusion --reactor "dump:$scratch/dumps"
tell "grant /d x 0 9 5"
tell "grant /d y 0 9 5"
told '"verdict": "violated"' "$lockstep" status "${at[@]}" --json
expect 1 "" "$lockstep" detach "${at[@]}" mutual_exclusion
dump=$(echo "$scratch"/dumps/*.json)
grep -q '2 grant' "${dump%.json}.svg" || fail "no picture of the violation beside $dump: $(cat "$scratch/errors")"
expect 0 "1 grant" "$lockstep" draw --violation "$dump" --format dot
expect 2 "is no dump of a violation" "$lockstep" draw --violation "$scratch/lockstep.prom" -o "$scratch/x.svg"
expect 2 "what to draw" "$lockstep" draw -o "$scratch/x.svg"

# A compiled property is not judged by another text than its author can read, and says so when that changes meanwhile.
mkdir "$scratch/changing"
cp "$source_dir/dot/mutual_exclusion.dot" "$scratch/compiled.so" "$scratch/changing"
expect 0 "mutual_exclusion is attached" "$lockstep" attach "${at[@]}" "$scratch/changing/compiled.so"
expect 3 '"changed_source": ""' "$lockstep" status "${at[@]}" --json
echo "// another text" >>"$scratch/changing/mutual_exclusion.dot"
expect 3 "it was changed since: $scratch/changing/mutual_exclusion.dot" "$lockstep" status "${at[@]}"
expect 3 'property="mutual_exclusion"} 1' "$lockstep" status "${at[@]}" --prometheus
grep -q '^lockstep_source_changed{.*} 1$' "$scratch/out" || fail "no metric tells of the change: $(cat "$scratch/out")"
expect 3 "it was changed since" "$lockstep" detach "${at[@]}" mutual_exclusion
expect 2 "was compiled from another text than $scratch/changing/mutual_exclusion.dot has now: compile it again" \
    "$lockstep" attach "${at[@]}" "$scratch/changing/compiled.so"
expect 0 "" "$lockstep" compile "$scratch/changing/mutual_exclusion.dot" -o "$scratch/changing/mutual_exclusion.so"
rm "$scratch/changing/compiled.so"
# As a group it is one property, not two.
expect 0 "mutual_exclusion is attached" "$lockstep" attach "${at[@]}" "$scratch/changing"
expect 3 "" "$lockstep" detach "${at[@]}" mutual_exclusion

# A group is a folder of properties.
mkdir "$scratch/group" "$scratch/empty"
cp "$scratch/compiled.so" "$scratch/group/one.so"
expect 2 "has no property in it" "$lockstep" attach "${at[@]}" "$scratch/empty"
expect 0 "mutual_exclusion is attached" "$lockstep" attach "${at[@]}" "$scratch/group"
expect 3 "saw nothing" "$lockstep" detach "${at[@]}" mutual_exclusion
sed 's/mutual_exclusion/other/' "$source_dir/dot/mutual_exclusion.dot" >"$scratch/group/other.dot"
expect 0 "other is attached" "$lockstep" attach "${at[@]}" "$scratch/group"
expect 3 "other: of the group group" "$lockstep" status "${at[@]}"
expect 0 "" "$lockstep" pause "${at[@]}" group
tell "grant /g x 0 9 5"
expect 0 "" "$lockstep" resume "${at[@]}" group
expect 2 "no reactor named explode" "$lockstep" react "${at[@]}" group explode
expect 0 "" "$lockstep" react "${at[@]}" group "log:$scratch/group.log"
tell "grant /g y 0 9 5"
tell "grant /g z 0 9 5"
expect 1 "other " "$lockstep" detach "${at[@]}" group
[ "$(grep -c 'other\|mutual_exclusion' "$scratch/out")" -ge 2 ] || fail "not the whole group was detached: $(cat "$scratch/out")"
[ "$(grep -c 'violated for file="/g"' "$scratch/group.log")" -eq 2 ] || fail "not one report of each: $(cat "$scratch/group.log")"
expect 2 "no property named \"group\" is attached, and no group" "$lockstep" detach "${at[@]}" group
# All of a group or nothing: its second is attached already.
expect 0 "" "$lockstep" attach "${at[@]}" "$scratch/group/other.dot"
expect 2 "other is attached already" "$lockstep" attach "${at[@]}" "$scratch/group"
expect 3 "" "$lockstep" detach "${at[@]}" other
expect 2 "no property named" "$lockstep" detach "${at[@]}" mutual_exclusion
expect 2 "not a directory" "$lockstep" verify "$scratch/none" "$scratch/group"
expect 0 "lock_api:acquired" "$lockstep" events lock_api
expect 2 "there is no tracepoint" "$lockstep" events nothing
echo "commands_test: ok"
