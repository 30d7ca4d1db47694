#!/usr/bin/env bash
# Traces of the server under load, judged by `lockstep verify --model serialisable`: a sound server's transactions are serialisable, those
# of a server that gives locks up too early are not, and of a trace without reads nothing is said. LTTng's daemon is private, in namespaces.
# usage: main_serialisable_test.sh NFS_SERVER LOCKSTEP LOAD
set -euo pipefail
server=$1 lockstep=$2 load=$3

if [ "${4:-}" != inside ]; then
    user=()
    [ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
    exec unshare "${user[@]}" --net --mount --pid --fork --kill-child "$0" "$server" "$lockstep" "$load" inside
fi

mount -t tmpfs none /run
mount -t tmpfs none /dev/shm
mount -t proc none /proc
ip link set lo up
export LTTNG_HOME=/run LTTNG_UST_REGISTER_TIMEOUT=-1 LTTNG_UST_ALLOW_BLOCKING=1
fail() {
    echo "main_serialisable_test: $*" >&2
    exit 1
}
lttng-sessiond --daemonize --no-kernel >/run/sessiond 2>&1 || fail "no session daemon: $(cat /run/sessiond)"

# record TRACE ROUNDS EVENTS [FAULT]: what the server does under the load. Programs wait for buffers, so that no event is lost.
record() {
    {
        lttng create "$1" --output="/run/$1"
        lttng enable-channel --userspace --blocking-timeout=inf --subbuf-size=1M --num-subbuf=8 channel
        lttng add-context --userspace --channel=channel --type=vpid
        lttng enable-event --userspace --channel=channel "$3"
        lttng start
    } >/run/messages 2>&1 || fail "cannot record: $(cat /run/messages)"
    mkfifo "/run/$1.ready"
    "$server" --disk memory:64M --bind 127.0.0.1 --port 0 ${4:+--fault "$4"} >"/run/$1.ready" 2>"/run/$1.err" &
    local pid=$! ready port
    read -r ready <"/run/$1.ready" || fail "the server did not start: $(cat "/run/$1.err")"
    port=$(sed -E 's/.*nfs=127.0.0.1:([0-9]+).*/\1/' <<<"$ready")
    if [ -n "${4:-}" ]; then
        # A fault may break an invariant, and then the server stops itself.
        timeout 5 "$load" "nfs://127.0.0.1/export?version=3&nfsport=$port&mountport=$port" "$2" 2>/dev/null || true
        kill -TERM $pid 2>/dev/null || true
        wait $pid 2>/dev/null || true
    else
        timeout 30 "$load" "nfs://127.0.0.1/export?version=3&nfsport=$port&mountport=$port" "$2" || fail "$1: no load"
        kill -TERM $pid
        wait $pid || fail "the server ended badly: $(cat "/run/$1.err")"
    fi
    lttng destroy "$1" >/dev/null
}

# expect STATUS TEXT TRACE: what the verdict's exit status is, and what is said.
expect() {
    local got=0
    "$lockstep" verify --model serialisable "/run/$3" >/run/out 2>&1 || got=$?
    [ $got -eq "$1" ] || fail "$3: exit status $got, not $1: $(cat /run/out)"
    grep -qF -- "$2" /run/out || fail "$3: does not say '$2': $(cat /run/out)"
}

record sound 400 'txn:*'
expect 0 "serialisable: ok" sound
# A stream that lost its end in the file is nothing to call ok.
cp -r /run/sound /run/cut
truncate -s -4096 "$(find /run/cut -name 'channel*' -type f -not -path '*/index/*' -size +16k | head -1)"
expect 3 "inconclusive" cut
record blind 20 'txn:[bwc]*'
expect 3 "saw no txn:read" blind
# Two transactions have to meet in the moment that the fault makes: mostly they do at once, and certainly in one of many recordings.
for attempt in {1..10}; do
    record "faulty$attempt" 1500 'txn:*' release_lock_early
    "$lockstep" verify --model serialisable "/run/faulty$attempt" >/run/out 2>&1 || break
    rm -rf "/run/faulty$attempt"
done
expect 1 "each have to come before the other" "faulty$attempt"
"$lockstep" verify --model serialisable --json /run/sound | grep -q '"verdict": "ok"' || fail "no JSON"
echo "main_serialisable_test: ok"
