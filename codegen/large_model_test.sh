#!/usr/bin/env bash
# A model has no limit of its own below 10,000 states: a ring of $2 of them is checked, compiled, and run around on the interpreter and on
# the compiled monitor, to a violation in its last state. $1: the lockstep program.
set -euo pipefail
lockstep=$1 states=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
source "${LOCKSTEP_SOURCE_DIR:?}/scripts/expect.sh"

awk -v n="$states" 'BEGIN {
    round = ""
    for (i = 1; i < n; ++i) round = round " step" (i % 100 == 0 ? "\n//    " : "")
    print "// accept: leap" round " step step back step\n// reject: leap" round " leap"
    print "digraph large {\n    __init_s0 -> s0;\n    s0 -> s0 [label=\"leap\"];"
    for (i = 0; i < n; ++i) {
        print "    s" i " -> s" (i + 1) % n " [label=\"step\"];"
        if (i > 0) print "    s" i " -> s0 [label=\"back\"];"
    }
    print "}" }' >large.dot

expect 0 "$lockstep" check large.dot
grep -q "$states states, $((2 * states)) edges" out
expect 0 "$lockstep" compile large.dot -o large.so
[ -s large.so ]
expect 0 "$lockstep" test large.dot  # warns of what its search does not reach
grep -q '2 examples' out
grep -q 'interpreter and compiled monitor agree at each step, of the examples too' out
echo "a model of $states states compiles, and does what the interpreter does"
