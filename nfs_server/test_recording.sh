# shellcheck shell=bash
# For tests, sourced: traces of the server under load, recorded by LTTng and judged by `lockstep verify --model $model`. The script's
# arguments are NFS_SERVER LOCKSTEP LOAD; it runs itself once more in namespaces, where LTTng's daemon is private and ends with it.
# Sets server, lockstep and load; the script sets model.
server=$1 lockstep=$2 load=$3
script=$(basename "$0" .sh)

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
    echo "$script: $*" >&2
    exit 1
}
lttng-sessiond --daemonize --no-kernel >/run/sessiond 2>&1 || fail "no session daemon: $(cat /run/sessiond)"

# load_for ROUNDS [CLIENTS]: the load on the server at $url, beside it so many clients that call every procedure.
load_for() {
    timeout 120 "$load" "$url" "$@"
}

# record TRACE EVENTS ROUNDS [FAULT]: what the server does under the load. Programs wait for buffers, so that no event is lost.
# Before it, late=ROUNDS: recording starts after so many; clients=N: as load_for's.
record() {
    local late=${late:-0} fault=${4:-} pid ready
    {
        lttng create "$1" --output="/run/$1"
        lttng enable-channel --userspace --blocking-timeout=inf --subbuf-size=1M --num-subbuf=8 channel
        lttng add-context --userspace --channel=channel --type=vpid
        lttng enable-event --userspace --channel=channel "$2"
        [ "$late" -gt 0 ] || lttng start
    } >/run/messages 2>&1 || fail "cannot record: $(cat /run/messages)"
    mkfifo "/run/$1.ready"
    "$server" --disk memory:64M --bind 127.0.0.1 --port 0 ${fault:+--fault "$fault"} >"/run/$1.ready" 2>"/run/$1.err" &
    pid=$!
    read -r ready <"/run/$1.ready" || fail "the server did not start: $(cat "/run/$1.err")"
    port=$(sed -E 's/.*nfs=127.0.0.1:([0-9]+).*/\1/' <<<"$ready")
    url="nfs://127.0.0.1/export?version=3&nfsport=$port&mountport=$port"
    if [ "$late" -gt 0 ]; then
        load_for "$late" || fail "$1: no load before the recording"
        lttng start >/dev/null
    fi
    if [ -n "$fault" ]; then
        # A fault may break an invariant, and then the server stops itself.
        timeout 5 "$load" "$url" "$3" 2>/dev/null || true
        kill -TERM $pid 2>/dev/null || true
        wait $pid 2>/dev/null || true
    else
        load_for "$3" "${clients:-0}" || fail "$1: no load"
        kill -TERM $pid
        wait $pid || fail "the server ended badly: $(cat "/run/$1.err")"
    fi
    lttng destroy "$1" >/dev/null
}

# expect STATUS TEXT TRACE: what the verdict's exit status is, and what is said; left in /run/out.
expect() {
    local got=0
    "$lockstep" verify --model "$model" "/run/$3" >/run/out 2>&1 || got=$?
    [ $got -eq "$1" ] || fail "$3: exit status $got, not $1: $(cat /run/out)"
    grep -qF -- "$2" /run/out || fail "$3: does not say '$2': $(cat /run/out)"
}

# expect_cut_off TRACE: a stream that lost its end in the file is nothing to call ok.
expect_cut_off() {
    cp -r "/run/$1" /run/cut
    truncate -s -4096 "$(find /run/cut -name 'channel*' -type f -not -path '*/index/*' -size +16k | head -1)"
    expect 3 "inconclusive" cut
}

# expect_fault FAULT EVENTS TEXT: a fault strikes once in a while, and certainly in one of many recordings.
expect_fault() {
    local attempt
    for attempt in {1..10}; do
        record "faulty$attempt" "$2" 1500 "$1"
        "$lockstep" verify --model "$model" "/run/faulty$attempt" >/run/out 2>&1 || break
        rm -rf "/run/faulty$attempt"
    done
    expect 1 "$3" "faulty$attempt"
}
