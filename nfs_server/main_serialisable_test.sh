#!/usr/bin/env bash
# Traces of the server under load, judged by `lockstep verify --model serialisable`: a sound server's transactions are serialisable, those
# of a server that gives locks up too early are not, and of a trace without reads nothing is said.
# usage: main_serialisable_test.sh NFS_SERVER LOCKSTEP LOAD
set -euo pipefail
# shellcheck source=nfs_server/test_recording.sh
source "$(dirname "$0")/test_recording.sh"
model=serialisable

record sound 'txn:*' 400
expect 0 "serialisable: ok" sound
expect_cut_off sound
record blind 'txn:[bwc]*' 20
expect 3 "saw no txn:read" blind
# Two transactions have to meet in the moment that the fault makes.
expect_fault release_lock_early 'txn:*' "each have to come before the other"
"$lockstep" verify --model serialisable --json /run/sound | grep -q '"verdict": "ok"' || fail "no JSON"
echo "main_serialisable_test: ok"
