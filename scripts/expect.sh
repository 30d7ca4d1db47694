# For tests of commands, to be sourced; works in the current folder, where it leaves `out` and `err`.

expect() {  # STATUS COMMAND…: ends the test when the command exits with another status
    local wanted=$1 status=0
    shift
    "$@" >out 2>err || status=$?
    if [ "$status" -ne "$wanted" ]; then
        echo "exit status $status, not $wanted: $*" >&2
        cat out err >&2
        exit 1
    fi
}
