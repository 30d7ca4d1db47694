#!/usr/bin/env bash
# lockstep run-program --file-locks on programs of others, flock(1) of util-linux and sqlite3: as they are, and on a file system that lies.
# Its LTTng meets nobody else's. run_file_locks_test.sh LOCKSTEP LYING_LIBRARY
set -euo pipefail
command -v sqlite3 >/dev/null || { echo "run_file_locks_test: skipped: no sqlite3 (scripts/install-dependencies installs it)"; exit 77; }
# Root's LTTng meets programs in /run and /dev/shm, another user's in LTTNG_HOME.
if [ "$(id -u)" -eq 0 ] && [ "${LOCKSTEP_FILE_LOCKS_TEST:-}" != inside ]; then
    LOCKSTEP_FILE_LOCKS_TEST=inside exec unshare --mount --net --fork --pid --mount-proc --kill-child "$0" "$@"
fi
lockstep=$1 lying=$2
if [ "$(id -u)" -eq 0 ]; then
    mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && ip link set lo up
    work=/run/work
    mkdir $work
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
export HOME=$work LTTNG_HOME=$work XDG_RUNTIME_DIR=$work LYING=$lying
unset LD_PRELOAD
cd "$work"
source "${LOCKSTEP_SOURCE_DIR:?}/scripts/expect.sh"

judged() { grep -Eq "^mutual_exclusion +$1" out || { cat out err >&2; echo "not $1" >&2; exit 1; }; }
watched() { timeout 150 "$lockstep" run-program --file-locks -- "$@"; }

# The events, by name: "requested" is not among what mutual_exclusion listens to.
cat >count.dot <<'DOT'
digraph count {
    binding [shape=note, label="take = lock_api:acquired\lgive = lock_api:released\l"];
    __init_any [shape=point];
    __init_any -> any;
    any [shape=doublecircle];
    any -> any [label="take; start"];
    any -> any [label="give"];
}
DOT

# flock(1), in both of its ways: around a command, and on a descriptor that the shell keeps after flock has ended.
cat >around <<'SH'
#!/bin/sh
worker() { for _ in 1 2 3 4 5; do flock lock sh -c 'n=$(cat number); echo $((n + 1)) >number'; done; }
echo 0 >number
for _ in 1 2 3; do worker & done
wait
SH
cat >kept <<'SH'
#!/bin/bash
worker() { for _ in 1 2 3 4 5; do (flock 9; n=$(cat number); echo $((n + 1)) >number) 9>lock; done; }
echo 0 >number
for _ in 1 2 3; do worker & done
wait
SH
chmod +x around kept
for way in around kept; do
    expect 0 watched ./$way
    judged ok
    [ "$(cat number)" -eq 15 ]  # and the watcher did not disturb: LTTng's descriptors are not where the shell puts its own
done

# The same two ways where locks are a lie: each holds until the other has "locked", too.
cat >lied-around <<'SH'
#!/bin/sh
export LD_PRELOAD="$LD_PRELOAD:$LYING"
rm -f one two
flock lock sh -c 'touch one; until [ -e two ]; do sleep 0.01; done' &
until [ -e one ]; do sleep 0.01; done
flock lock touch two
wait
SH
cat >lied-kept <<'SH'
#!/bin/sh
export LD_PRELOAD="$LD_PRELOAD:$LYING"
exec 9>lock
flock 9
flock lock true
SH
chmod +x lied-around lied-kept
for way in lied-around lied-kept; do
    expect 1 watched ./$way
    judged violated
done
grep -q '#flock' err

# A holder that is killed gives its locks up, although it can't say so.
cat >killed <<'SH'
#!/bin/bash
flock lock sh -c 'echo $$ >holder; exec sleep 1000' &
until [ -s holder ]; do sleep 0.01; done
kill -9 "$(cat holder)" $!
wait
flock lock true
SH
chmod +x killed
expect 0 watched ./killed
judged ok

# sqlite3: writers that wait for each other, in both of its journal modes.
cat >writers <<'SH'
#!/bin/sh
sqlite3 data "PRAGMA journal_mode=$1; CREATE TABLE t(x);" >/dev/null
writer() { for i in 1 2 3 4 5; do sqlite3 -cmd '.timeout 20000' data "INSERT INTO t VALUES($i);"; done; }
for _ in 1 2 3; do writer & done
wait
sqlite3 data 'SELECT count(*) FROM t'
SH
chmod +x writers
for mode in DELETE WAL; do
    rm -f data*
    expect 0 watched ./writers $mode
    judged ok
    grep -qx 15 out
done

# Two transactions that both believe to be the only one that writes.
cat >lied-writers <<'SH'
#!/bin/bash
export LD_PRELOAD="$LD_PRELOAD:$LYING"
coproc first { exec sqlite3 data; }
echo "BEGIN IMMEDIATE; INSERT INTO t VALUES(1); SELECT 'begun';" >&"${first[1]}"
read -r begun <&"${first[0]}"
sqlite3 data "BEGIN IMMEDIATE; INSERT INTO t VALUES(2); ROLLBACK;"
printf 'ROLLBACK;\n.quit\n' >&"${first[1]}"
wait
SH
chmod +x lied-writers
rm -f data*
sqlite3 data 'CREATE TABLE t(x);'
expect 1 watched ./lied-writers
judged violated

# Another property; JSON; a program that locks nothing; one that is not there.
expect 0 timeout 150 "$lockstep" run-program --file-locks --no-loss --property count.dot --json --out result -- ./around
[ "$(grep -c '"verdict": "ok"' result)" -eq 1 ]
expect 3 watched true
expect 2 watched ./nowhere
grep -q "can't run ./nowhere: No such file" err
echo "run-program --file-locks sees what programs of others lock, and who lies to them"
