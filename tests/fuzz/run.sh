#!/bin/sh
# run.sh PROGRAM SECONDS CORPUS - a fuzzer for some time, from the inputs that are
# kept; what it finds is left beside the program, what is merely new is not
set -eu
program=$1 seconds=$2 corpus=$3
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
dictionary=$(dirname "$0")/http.dict
# Its own status for a finding, 77, is CTest's for a test that was skipped.
"$program" -error_exitcode=1 -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=2048 -max_len=4096 -dict="$dictionary" -artifact_prefix="$program-" \
    -print_final_stats=1 -verbosity=0 "$new" "$corpus"
