#!/bin/sh
# sanitized.sh SOURCE BUILD PRESET OPS THREADS - stress, built by clang with the
# sanitizers of a preset, in a build folder of its own
set -eu
command -v clang >/dev/null || { echo "skipped: no clang"; exit 77; }
source=$1 build=$2 preset=$3 ops=$4 threads=$5
cd "$source"
cmake --preset "$preset" -B "$build" >/dev/null
cmake --build "$build" --target stress -- --quiet
exec "$build/tests/differential/stress" --ops "$ops" --threads "$threads"
