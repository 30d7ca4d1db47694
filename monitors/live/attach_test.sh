#!/usr/bin/env bash
# lockstep attach from outside: programs that know nothing, of several processes and network namespaces, in mounts and a network of
# the test's own. attach_test.sh LOCKSTEP TARGET_PROGRAM
set -euo pipefail
if [ "${LOCKSTEP_ATTACH_TEST:-}" != inside ]; then
    user=()
    [ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
    LOCKSTEP_ATTACH_TEST=inside exec unshare "${user[@]}" --mount --net --fork --pid --mount-proc --kill-child "$0" "$@"
fi
lockstep=$1 target=$2
mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && ip link set lo up
export HOME=/run LTTNG_HOME=/run XDG_RUNTIME_DIR=/run
unset LD_PRELOAD
scratch=/run/scratch
mkdir $scratch
cd $scratch

fail() {
    echo "attach_test: $1" >&2
    cat $scratch/*.err >&2 || true
    exit 1
}
# expect STATUS PATTERN COMMAND…: the exit status, and what stdout and stderr together must contain.
expect() {
    local status=$1 pattern=$2 got=0
    shift 2
    "$@" >out 2>&1 || got=$?
    [ "$got" -eq "$status" ] || fail "$* exited $got, not $status: $(cat out)"
    [ -z "$pattern" ] || grep -qF -- "$pattern" out || fail "$* did not say \"$pattern\" but: $(cat out)"
}
# until COMMAND…: waits for it to succeed, at most 10 s.
until_true() {
    for _ in $(seq 500); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.02
    done
    fail "in vain: $*"
}
# begin NAME PREFIX…: a target whose commands go to NAME.in, and its process number to NAME.pid.
begin() {
    local name=$1
    shift
    rm -f "$name.in" "$name.out"
    mkfifo "$name.in" "$name.out"
    exec {answers}<>"$name.out"
    "$@" "$target" <"$name.in" >"$name.out" 2>"$name.err" &
    echo $! >"$name.pid"
    exec {commands}>"$name.in"
    eval "${name}_in=$commands ${name}_out=$answers"
}
tell() {
    local in=${1}_in out=${1}_out
    echo "$2" >&"${!in}"
    read -r -t 10 -u "${!out}" || fail "$1 died at: $2"
}
quit() {
    local in=${1}_in
    echo quit >&"${!in}"
}
# watch ARGUMENTS…: lockstep attach in the background, until it watches.
watch() {
    rm -f watch.err
    "$lockstep" attach "$@" >watch.out 2>watch.err &
    watcher=$!
    until_true grep -q ^watching watch.err
}
# ends STATUS: how the watch ended.
ends() {
    local got=0
    wait $watcher || got=$?
    [ "$got" -eq "$1" ] || fail "the watch exited $got, not $1: $(cat watch.out watch.err)"
}
has() {
    grep -qF -- "$2" "$1" || fail "$1 has no \"$2\": $(cat "$1")"
}

expect 2 "name what to watch, in one way" "$lockstep" attach mutual_exclusion
expect 2 "there is no process 999999" "$lockstep" attach 999999 mutual_exclusion
expect 2 "is no duration" "$lockstep" attach --all --duration 3x mutual_exclusion
expect 2 "name a property" "$lockstep" attach $$
sleep 1000 &
expect 2 "it has not loaded LTTng-UST" "$lockstep" attach $! mutual_exclusion
kill $!

# Two processes in two network namespaces, running before anything of LTTng is there; a third that is not named.
begin one
begin two unshare --net
begin other
tell other "grant /z y 0 9 5"
tell one "grant /a x 0 9 5"
expect 2 "was not started with LTTNG_UST_ALLOW_BLOCKING=1" "$lockstep" attach --no-loss "$(cat one.pid)" mutual_exclusion
watch "$(cat one.pid)" "$(cat two.pid)" mutual_exclusion --json --reactor "log:$scratch/log"
tell one "grant /a x 0 9 5"
tell other "grant /a z 0 9 5"
at=(--in-process $watcher)
saw() { "$lockstep" status "${at[@]}" | grep -qE "^mutual_exclusion +[a-z]+ +$1 "; }
until_true saw 1
expect 0 "mutual_exclusion         ok" "$lockstep" status "${at[@]}"
expect 0 "" "$lockstep" status
expect 0 "" "$lockstep" pause "${at[@]}" mutual_exclusion
tell two "grant /a y 0 9 5"
expect 0 "" "$lockstep" resume "${at[@]}" mutual_exclusion
tell one "grant /b x 0 9 5"
tell two "grant /b y 0 9 5"
violated() { [ "$("$lockstep" status "${at[@]}" | grep -c 'violated file=/b')" -eq 1 ]; }
until_true violated
expect 0 "" "$lockstep" react "${at[@]}" mutual_exclusion stop
tell one "grant /c x 0 9 5"
echo "grant /c y 0 9 5" >&"$two_in"
stopped() { grep -q '^State:.*T' "/proc/$(cat two.pid)/status"; }
until_true stopped
kill -CONT "$(cat two.pid)"
kill -INT $watcher
ends 1
has watch.out '"exit_status": 1'
has watch.out '"complete": true'
has log 'owner="y"'
[ "$(python3 -c 'import json; print(json.load(open("watch.out"))["properties"][0]["counters"]["violations"])')" -eq 2 ] ||
    fail "not two violations: $(cat watch.out)"
[ -z "$(pgrep lttng)" ] || fail "daemons are left: $(pgrep -a lttng)"

# What the named process ends with: a context that stays open is a doubt, one that was closed is not.
begin third
watch "$(cat third.pid)" mutual_exclusion
tell third "grant /d x 0 9 5"
tell third "release /d x 0 9"
quit third
ends 0
has watch.err "ended"
begin fourth
watch "$(cat fourth.pid)" mutual_exclusion
tell fourth "grant /d x 0 9 5"
kill -KILL "$(cat fourth.pid)"
ends 3
has watch.out "1 contexts were pending when 1 of the watched processes had ended"

# Programs that come later; and the last property's detaching ends the watch.
watch --all mutual_exclusion
begin fifth env LTTNG_UST_REGISTER_TIMEOUT=5000
tell fifth "grant /e x 0 9 5"
tell fifth "release /e x 0 9"
at=(--in-process $watcher)
until_true saw 2
expect 0 "mutual_exclusion         ok" "$lockstep" detach "${at[@]}" mutual_exclusion
ends 0

# A session that somebody else made, by name and by URL; no-loss with a daemon that runs already.
lttng-relayd --daemonize --control-port tcp://127.0.0.1:5342 --data-port tcp://127.0.0.1:5343 --live-port tcp://127.0.0.1:5344 \
    --output /run/relayed --group root
lttng-sessiond --daemonize --no-kernel --group root
{
    lttng create theirs --live=100000 --set-url=net://127.0.0.1:5342:5343
    lttng enable-channel --userspace --session=theirs channel
    lttng add-context --userspace --session=theirs --type=vpid --type=vtid
    lttng enable-event --userspace --session=theirs --channel=channel 'lock_api:*'
    lttng start theirs
} >lttng.out 2>&1 || fail "$(cat lttng.out)"
tell fifth "grant /f x 0 9 5"
watch --session theirs mutual_exclusion
tell fifth "grant /g x 0 9 5"
tell fifth "grant /g y 0 9 5"
at=(--in-process $watcher)
violated() { [ "$("$lockstep" status "${at[@]}" | grep -c 'violated file=/g')" -eq 1 ]; }
until_true violated
kill -TERM $watcher
ends 1
watch --url "net://127.0.0.1:5344/host/$(uname -n)/theirs" --duration 1500ms mutual_exclusion
tell fifth "grant /h x 0 9 5"
ends 0
# What the watch itself does is in LTTng's traces too, fired by lockstep: its transitions and its violations.
record_own() {
    lttng create "$1" --output="/run/$1"
    lttng enable-channel --userspace --session="$1" channel
    lttng enable-event --userspace --session="$1" --channel=channel 'lockstep:*'
    lttng start "$1"
} >lttng.out 2>&1
record_own own || fail "$(cat lttng.out)"
watch --session theirs mutual_exclusion
tell fifth "grant /j x 0 9 5"
tell fifth "grant /j y 0 9 5"
at=(--in-process $watcher)
violated() { [ "$("$lockstep" status "${at[@]}" | grep -c 'violated file=/j')" -eq 1 ]; }
until_true violated
kill -TERM $watcher
ends 1
lttng destroy own >lttng.out
babeltrace2 /run/own >own.out
has own.out 'lockstep:transition: { cpu_id'
has own.out 'property = "mutual_exclusion", key = "file=\"/j\"", old_state = "free", event = "grant", new_state = "held", step = 1'
has own.out 'property = "mutual_exclusion", state = "held", event = "grant", description = "'
[ "$(grep -c lockstep:violation own.out)" -eq 1 ] || fail "not one violation: $(cat own.out)"

# So is what `verify` finds: one violation for each that it counts, and the transitions that led there just before.
record_own judged || fail "$(cat lttng.out)"
LTTNG_UST_REGISTER_TIMEOUT=5000 expect 1 '"violations": 2' "$lockstep" verify --json /run/relayed mutual_exclusion
lttng destroy judged >lttng.out
babeltrace2 /run/judged >judged.out
[ "$(grep -c lockstep:violation judged.out)" -eq 2 ] || fail "not two violations: $(cat judged.out)"
grep -B 1 'lockstep:violation.*for file=\\"/g' judged.out | grep -q 'lockstep:transition.*"file=\\"/g\\"".*new_state = "held"' ||
    fail "the violation does not follow what led there: $(cat judged.out)"
# What there is to be bound to: of a program, of all, of the session, and of its trace.
lists() {
    expect 0 "lock_api:acquired" "$lockstep" events "$@"
    grep -qF "string owner" out || fail "events $* does not tell the fields: $(cat out)"
}
lists --pid "$(cat fifth.pid)"
lists --running lock_api
lists --session theirs
lists --trace /run/relayed
has out "acquired  6 times"
has out "uint64 first_byte"
expect 0 '"count": 6' "$lockstep" events --trace /run/relayed --json
expect 2 "there is no tracepoint of nothing" "$lockstep" events --running nothing
expect 2 "no CTF trace" "$lockstep" events --trace $scratch
expect 2 "" "$lockstep" events --session nowhere

expect 2 "knows no such session" "$lockstep" attach --session nowhere mutual_exclusion
expect 2 "a session's URL is" "$lockstep" attach --url somewhere mutual_exclusion

begin sixth env LTTNG_UST_ALLOW_BLOCKING=1
tell sixth "release /i x 0 9"  # it is no longer env
watch --no-loss "$(cat sixth.pid)" mutual_exclusion
for i in $(seq 50); do tell sixth "grant /i$i x 0 9 5"; done
kill -INT $watcher
ends 0

# What LTTng and the agent have open in a program is out of the way of what the program puts under numbers of its choice.
libraries=$(dirname "$lockstep")/../lib
for library in liblockstep_thread_locks.so liblockstep_agent.so; do
    LD_PRELOAD=$libraries/$library:liblttng-ust-fork.so.1 LTTNG_UST_REGISTER_TIMEOUT=5000 bash -c '
        ls -l /proc/$$/fd >descriptors; exec 3>taken 4>&3 5>&3 6>&3 7>&3 8>&3 9>&3; (echo kept >&9)'
    [ "$(cat taken)" = kept ] || fail "$library: what the program wrote is not in its file"
    [ "$(grep -c ' 5[0-9][0-9] -> .*socket' descriptors)" -ge 2 ] || fail "$library: LTTng has no sockets: $(cat descriptors)"
    grep -E ' [3-9] -> .*(socket|shm|lttng|eventfd)' descriptors && fail "$library leaves low descriptors: $(cat descriptors)"
done

# Another host: its own network, mounts and name, its own daemons and relay. Nothing of it is reached but the relay, over a link.
unshare --net --mount --uts sleep 1000 &
host=$!
apart() { [ "$(readlink /proc/self/ns/net)" != "$(readlink /proc/$host/ns/net)" ]; }
until_true apart
ip link add to_host type veth peer name to_us netns $host
ip address add 10.77.0.1/24 dev to_host && ip link set to_host up
there=(nsenter --target $host --net --mount --uts)
"${there[@]}" bash -ec '
    mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && hostname far-away
    ip link set lo up && ip address add 10.77.0.2/24 dev to_us && ip link set to_us up
    lttng-relayd --daemonize --control-port tcp://10.77.0.2:5342 --data-port tcp://10.77.0.2:5343 \
        --live-port tcp://10.77.0.2:5344 --output /run/relayed --group root
    lttng-sessiond --daemonize --no-kernel --group root
    lttng create far --live=100000 --set-url=net://10.77.0.2:5342:5343
    lttng enable-channel --userspace --session=far channel
    lttng add-context --userspace --session=far --type=vpid --type=vtid
    lttng enable-event --userspace --session=far --channel=channel "lock_api:*"
    lttng start far' >far.out 2>&1 || fail "$(cat far.out)"
begin seventh "${there[@]}"
tell seventh "grant /k x 0 9 5"
expect 2 "knows no such session" "$lockstep" attach --session far mutual_exclusion
watch --url net://10.77.0.2/host/far-away/far mutual_exclusion
tell seventh "grant /l x 0 9 5"
tell seventh "grant /l y 0 9 5"
tell fifth "grant /m x 0 9 5"
tell fifth "grant /m y 0 9 5"
at=(--in-process $watcher)
violated() { [ "$("$lockstep" status "${at[@]}" | grep -c 'violated file=/l')" -eq 1 ]; }
until_true violated
kill -TERM $watcher
ends 1
grep -q 'violated file=/m' watch.out && fail "a program of this host was seen there: $(cat watch.out)"
kill $host
echo "attach_test: ok"
