#!/usr/bin/env bash
# Traces of the server under load, judged by `lockstep verify --model nfs3`: a sound server answers as the reference model does, one that
# takes stale handles does not, and of a trace that lacks its beginning nothing is said. LTTng's daemon is private, in namespaces.
# usage: main_nfs_model_test.sh NFS_SERVER LOCKSTEP LOAD
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
    echo "main_nfs_model_test: $*" >&2
    exit 1
}
lttng-sessiond --daemonize --no-kernel >/run/sessiond 2>&1 || fail "no session daemon: $(cat /run/sessiond)"

# record TRACE ROUNDS START_AFTER [FAULT]: what the server does under the load; recording starts after so many rounds of it.
record() {
    {
        lttng create "$1" --output="/run/$1"
        lttng enable-channel --userspace --blocking-timeout=inf --subbuf-size=1M --num-subbuf=8 channel
        lttng add-context --userspace --channel=channel --type=vpid
        lttng enable-event --userspace --channel=channel 'txn:committed,txn:aborted,nfs3:operation_recorded'
        [ "$3" -gt 0 ] || lttng start
    } >/run/messages 2>&1 || fail "cannot record: $(cat /run/messages)"
    mkfifo "/run/$1.ready"
    "$server" --disk memory:64M --bind 127.0.0.1 --port 0 ${4:+--fault "$4"} >"/run/$1.ready" 2>"/run/$1.err" &
    local pid=$! ready port
    read -r ready <"/run/$1.ready" || fail "the server did not start: $(cat "/run/$1.err")"
    port=$(sed -E 's/.*nfs=127.0.0.1:([0-9]+).*/\1/' <<<"$ready")
    local url="nfs://127.0.0.1/export?version=3&nfsport=$port&mountport=$port"
    if [ "$3" -gt 0 ]; then
        timeout 30 "$load" "$url" "$3" || fail "$1: no load before the recording"
        lttng start >/dev/null
    fi
    if [ -n "${4:-}" ]; then
        # A fault may break an invariant, and then the server stops itself.
        timeout 5 "$load" "$url" "$2" 2>/dev/null || true
        kill -TERM $pid 2>/dev/null || true
        wait $pid 2>/dev/null || true
    else
        timeout 30 "$load" "$url" "$2" || fail "$1: no load"
        kill -TERM $pid
        wait $pid || fail "the server ended badly: $(cat "/run/$1.err")"
    fi
    lttng destroy "$1" >/dev/null
}

# expect STATUS TEXT TRACE: what the verdict's exit status is, and what is said.
expect() {
    local got=0
    "$lockstep" verify --model nfs3 "/run/$3" >/run/out 2>&1 || got=$?
    [ $got -eq "$1" ] || fail "$3: exit status $got, not $1: $(cat /run/out)"
    grep -qF -- "$2" /run/out || fail "$3: does not say '$2': $(cat /run/out)"
}

record sound 400 0
expect 0 "nfs3: ok" sound
[ "$(sed -nE 's/.*ok; ([0-9]+) calls judged.*/\1/p' /run/out)" -gt 2000 ] || fail "few calls were judged: $(cat /run/out)"
# A stream that lost its end in the file is nothing to call ok.
cp -r /run/sound /run/cut
truncate -s -4096 "$(find /run/cut -name 'channel*' -type f -not -path '*/index/*' -size +16k | head -1)"
expect 3 "inconclusive" cut
record late 20 20
expect 3 "does not begin with the start of the server" late
# The fault strikes once in a while.
for attempt in {1..10}; do
    record "faulty$attempt" 1500 0 accept_stale_handle
    "$lockstep" verify --model nfs3 "/run/faulty$attempt" >/run/out 2>&1 || break
    rm -rf "/run/faulty$attempt"
done
expect 1 "was answered" "faulty$attempt"
"$lockstep" verify --model nfs3 --json /run/sound | grep -q '"verdict": "ok"' || fail "no JSON"
echo "main_nfs_model_test: ok"
