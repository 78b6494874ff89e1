#!/bin/sh
# sanitized.sh SOURCE BUILD PRESET FOLDER TARGETS [ARGUMENT...] - programs of
# tests/FOLDER, built by clang with the sanitizers of a preset in a build folder
# of its own; each is run with the arguments, TARGETS are words
set -eu
command -v clang >/dev/null || { echo "skipped: no clang"; exit 77; }
source=$1 build=$2 preset=$3 folder=$4 targets=$5
shift 5
cd "$source"
cmake --preset "$preset" -B "$build" >/dev/null
# shellcheck disable=SC2086 # a list of words
cmake --build "$build" --target $targets -- --quiet
for target in $targets; do
    "$build/tests/$folder/$target" "$@"
done
