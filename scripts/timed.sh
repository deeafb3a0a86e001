#!/bin/sh
# usage: scripts/timed.sh NAME COMMAND…
# Runs the command, says how long it took, and ends as it ended.
name=$1
shift
began=$(date +%s%N)
"$@"
code=$?
tenths=$((($(date +%s%N) - began) / 100000000))
printf '%-24s %5d.%d s%s\n' "$name" $((tenths / 10)) $((tenths % 10)) "$([ $code = 0 ] || echo '  FAILED')" >&2
exit $code
