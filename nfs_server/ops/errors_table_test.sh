#!/usr/bin/env bash
# Every test that docs/nfs3_errors.md and docs/nfs_server_promises.md name is one.
# usage: errors_table_test.sh SOURCE_FOLDER
set -euo pipefail
cd "$1"
status=0
complain() {
    echo "$*" >&2
    status=1
}
for document in docs/nfs3_errors.md docs/nfs_server_promises.md; do
    names=$(grep -oE '`[A-Z][A-Za-z]*\.[A-Z][A-Za-z0-9]*`' $document | tr -d '`' | sort -u)
    [ "$(wc -l <<<"$names")" -gt 30 ] || complain "$document names few tests"
    for name in $names; do
        grep -rqE "TEST(_F|_P)?\(${name%.*}, ${name#*.}\)" nfs_server --include='*_test.cpp' || complain "there is no test $name"
    done
done
# Tests that are scripts, by their names for ctest; metrics; and files.
for name in $(grep -oE '`(nfs_server|crash_explorer)_[a-z_]+`' docs/nfs_server_promises.md | tr -d '`' | sort -u); do
    grep -rqE "lockstep_script_test\(${name}( |\)|\$)" nfs_server || grep -q "\"${name}\"" nfs_server/main_service.cpp ||
        complain "there is no test $name"
done
for file in $(grep -oE '`(nfs_server|bench)/[A-Za-z_/]+(\.md)?`' docs/nfs_server_promises.md | tr -d '`' | sort -u); do
    [ -e "$file" ] || complain "there is no file $file"
done
exit $status
