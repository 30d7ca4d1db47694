#!/usr/bin/env bash
# Traces of the server under load, judged by `lockstep verify --model nfs3`: a sound server answers as the reference model does, whatever
# the procedure, one that takes stale handles does not, and of a trace that lacks its beginning nothing is said.
# usage: main_nfs_model_test.sh NFS_SERVER LOCKSTEP LOAD
set -euo pipefail
# shellcheck source=nfs_server/test_recording.sh
source "$(dirname "$0")/test_recording.sh"
model=nfs3
events='txn:committed,txn:aborted,nfs3:operation_recorded'

clients=2 record sound "$events" 400
expect 0 "nfs3: ok" sound
"$lockstep" verify --model nfs3 --json /run/sound >/run/json
grep -q '"verdict": "ok"' /run/json || fail "no JSON: $(cat /run/json)"
# Every procedure but NULL, which has neither arguments nor results, was judged, and often.
for procedure in getattr setattr lookup access readlink read write create mkdir symlink mknod remove rmdir rename link readdir readdirplus \
    fsstat fsinfo pathconf commit; do
    judged=$(sed -nE "s/^ *\"$procedure\": ([0-9]+),?$/\1/p" /run/json)
    [ "${judged:-0}" -ge 400 ] || fail "$procedure was judged ${judged:-0} times: $(cat /run/json)"
done
expect_cut_off sound
late=20 record late "$events" 20
expect 3 "does not begin with the start of the server" late
expect_fault accept_stale_handle "$events" "was answered"
echo "main_nfs_model_test: ok"
