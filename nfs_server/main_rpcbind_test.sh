#!/usr/bin/env bash
# nfs_server --register-rpcbind against an rpcbind of its own, in namespaces that end with this script: registered while it
# serves, gone when it has stopped; without an rpcbind it refuses to start.
# usage: main_rpcbind_test.sh NFS_SERVER
set -euo pipefail
server=$1

if [ "${2:-}" != inside ]; then
    user=()
    [ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
    exec unshare "${user[@]}" --net --mount --pid --fork --kill-child "$0" "$server" inside
fi

mount -t tmpfs none /run
mount -t proc none /proc
ip link set lo up
fail() { echo "$*" >&2; exit 1; }
listed() { rpcinfo -T tcp -s 127.0.0.1 2>/dev/null | grep -cE '^ *(100003|100005|100021) ' || true; }

# Nobody to register with.
status=0
"$server" --disk memory:64M --bind 127.0.0.1 --port 0 --register-rpcbind >/run/out 2>/run/err || status=$?
[ $status -eq 2 ] || fail "without rpcbind: exit status $status"
[ "$(wc -l </run/err)" -eq 1 ] || fail "without rpcbind: $(cat /run/err)"

rpcbind -f -w &
rpcbind=$!
for _ in $(seq 500); do [ -S /run/rpcbind.sock ] && rpcinfo -T tcp -s 127.0.0.1 >/dev/null 2>&1 && break; sleep 0.01; done
[ "$(listed)" -eq 0 ] || fail "something is registered already"

mkfifo /run/ready
"$server" --disk memory:64M --bind 127.0.0.1 --port 20049 --nlm-port 20050 --register-rpcbind \
    --export /export --export "/narrow,directory=/,clients=192.0.2.0/24;2001:db8::/32" >/run/ready 2>/run/err &
pid=$!
read -r ready </run/ready
[[ $ready == "nfs_server ready: "* ]] || fail "not ready: $ready"
[ "$(listed)" -eq 3 ] || fail "registered: $(rpcinfo -T tcp -s 127.0.0.1)"
rpcinfo -T tcp 127.0.0.1 nfs 3 | grep -q 'ready and waiting' || fail "NFS is not found through rpcbind"
rpcinfo -T tcp 127.0.0.1 nlockmgr 4 | grep -q 'ready and waiting' || fail "NLM is not found through rpcbind"
# libnfs asks the portmapper when no port is given.
showmount --no-headers -e 127.0.0.1 >/run/exports || fail "showmount does not find MOUNT"
diff -b - /run/exports <<'END' || fail "showmount -e shows other exports"
/export (everyone)
/narrow 192.0.2.0/24,2001:db8::/32
END
nfs-ls 'nfs://127.0.0.1/export?version=3' || fail "libnfs does not find the ports"

kill -TERM $pid
wait $pid || fail "the server's exit status is $?"
[ "$(listed)" -eq 0 ] || fail "still registered after the end: $(rpcinfo -T tcp -s 127.0.0.1)"
kill $rpcbind
echo "registered while serving, withdrawn at the end"
