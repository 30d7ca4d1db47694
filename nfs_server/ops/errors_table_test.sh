#!/usr/bin/env bash
# Every test that docs/nfs3_errors.md names is one.
# usage: errors_table_test.sh SOURCE_FOLDER
set -euo pipefail
cd "$1"
names=$(grep -oE '`[A-Z][A-Za-z]*\.[A-Z][A-Za-z0-9]*`' docs/nfs3_errors.md | tr -d '`' | sort -u)
[ "$(wc -l <<<"$names")" -gt 30 ] || { echo "few tests are named" >&2; exit 1; }
status=0
for name in $names; do
    grep -rqE "TEST(_F|_P)?\(${name%.*}, ${name#*.}\)" nfs_server --include='*_test.cpp' || { echo "there is no test $name" >&2; status=1; }
done
exit $status
