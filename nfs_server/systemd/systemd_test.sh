#!/usr/bin/env bash
# The units of this folder under a systemd of its own, in namespaces: a client's first call starts the server by way of its socket, a
# reload takes other exports, a server that is killed comes again on the same socket, and a stop leaves a clean disk.
# usage: systemd_test.sh NFS_SERVER
set -euo pipefail
skip() {
    echo "skipped: $*"
    exit 77
}

if [ "${2:-}" = "" ]; then
    [ "$(id -u)" -eq 0 ] || skip "a systemd of its own needs root"
    [ -x /lib/systemd/systemd ] || skip "no systemd"
    command -v nfs-ls >/dev/null || skip "no nfs-ls (Debian's package libnfs-utils)"
    out=$(mktemp -d)
    # Its control groups are below one that goes with the test.
    groups=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET) || skip "no control groups of version 2"
    groups+=$(sed -n 's/^0:://p' /proc/self/cgroup)/lockstep_systemd_test_$$
    mkdir "$groups" || skip "no control group can be made"
    trap 'rm -rf "$out"; find "$groups" -depth -type d -exec rmdir {} +' EXIT
    status=0
    (
        echo $BASHPID >"$groups/cgroup.procs"
        exec timeout 60 unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child "$0" "$1" boot "$out" </dev/null >"$out/console" 2>&1
    ) || status=$?
    [ $status -ne 77 ] || skip "$(tail -1 "$out/console")"
    [ $status -eq 0 ] || cat "$out/console" >&2
    cat "$out/said"
    exit $status
fi

if [ "$2" = boot ]; then
    mount --make-rprivate /
    mount -t proc proc /proc
    mount --bind "$3" /mnt
    mount -t tmpfs -o mode=755 tmpfs /run
    # What is run is copied, for the units hide /home and /tmp, and this tree may lie there.
    mkdir -p /run/units /run/lockstep/lib
    here=$(dirname "$0")
    cp "$0" "$1" "$here/nfs_server.socket" "$here/nfs_server.service" /run/lockstep
    ldd "$1" | awk '/liblockstep/ { print $3 }' | xargs -r cp -t /run/lockstep/lib
    for directory in /tmp /srv /etc/systemd; do mount -t tmpfs -o mode=755 tmpfs $directory; done
    umount -R /sys/fs/cgroup 2>/dev/null || true
    mount -t cgroup2 cgroup2 /sys/fs/cgroup || { echo "cgroups can't be mounted here"; exit 77; }
    ip link set lo up
    cp /run/lockstep/nfs_server.socket /run/units
    # As installed, but for where the program, its libraries and its settings lie.
    sed -e 's|/usr/bin/nfs_server --config /etc/lockstep/|/run/lockstep/nfs_server --config /run/lockstep/|' \
        -e 's|^\[Service\]|&\nEnvironment=LD_LIBRARY_PATH=/run/lockstep/lib|' /run/lockstep/nfs_server.service >/run/units/nfs_server.service
    for target in basic sysinit sockets shutdown network multi-user; do printf '[Unit]\nDefaultDependencies=no\n' >/run/units/$target.target; done
    cat >/run/units/test.service <<EOF
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
Environment=LD_LIBRARY_PATH=/run/lockstep/lib
ExecStart=/run/lockstep/$(basename "$0") /run/lockstep/nfs_server check
StandardOutput=append:/mnt/said
StandardError=inherit
EOF
    printf 'disk = "file:/srv/image:64M"\n[[export]]\npath = "/export"\n' >/run/lockstep/nfs_server.toml
    container=lockstep SYSTEMD_UNIT_PATH=/run/units exec /lib/systemd/systemd --system --unit=test.service --log-target=console --show-status=no
fi

trap 'status=$?; [ $status -eq 0 ] || { echo "failed at line $LINENO"; systemctl status nfs_server.service; }; systemctl --force exit $status' EXIT
list() { timeout 20 nfs-ls "nfs://127.0.0.1$1?version=3&nfsport=2049&mountport=2049" >/dev/null 2>&1; }
said() { systemctl show --property "$1" --value nfs_server.service; }

systemctl start nfs_server.socket
[ "$(said ActiveState)" = inactive ]
list /export
[ "$(said ActiveState)" = active ]
[[ "$(said StatusText)" == nfs=* ]]
first=$(said MainPID)
echo "systemd_test: the first call starts the server on systemd's socket, and it says when it is ready"

sed -i 's|"/export"|"/other"|' /run/lockstep/nfs_server.toml
systemctl reload nfs_server.service
[ "$(said MainPID)" = "$first" ]
list /other
if list /export; then exit 1; fi
echo "systemd_test: a reload takes the new exports"

kill -KILL "$first"
list /other
[ "$(said NRestarts)" = 1 ]
[ "$(said MainPID)" != "$first" ]
echo "systemd_test: after a kill it is started again, and the client that called meanwhile is answered"

systemctl stop nfs_server.service nfs_server.socket
[ "$(said Result)" = success ]
"$1" fsck /srv/image
echo "systemd_test: a stop ends well and leaves a clean disk"
