#!/bin/sh
# inside.sh - in the other system: build what its tests need from /src into
# /build, and run them (system.sh)
set -eu

# shellcheck source=/dev/null # of that system
system=$(. /etc/os-release; echo "$PRETTY_NAME")
printf 'chroot: %s, %s, %s, %s\n' "$system" "$(getconf GNU_LIBC_VERSION)" \
    "$(cc --version | head -n 1)" "$(python3 --version)"
jobs=${JOBS:-$(nproc)}
cmake -S /src -B /build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    >/build/configure.log 2>&1 || {
    cat /build/configure.log
    exit 1
}
ninja -C /build --quiet -j "$jobs" bin/vireo bin/vireo-conformance-preload lib/libvireo.so \
    lib/libvireo-preload.so tests/conformance/all tests/monkeypatch/all \
    tests/greenlet/all tests/programs/all examples/drivers/all python tests/differential/all \
    tests/context/all # programs/sanitizers runs them under valgrind
status=0
rm -f /build/tests.xml
env --default-signal ctest --test-dir /build -j "$jobs" -L '^ci$' \
    -R '^(conformance|monkeypatch|greenlet|programs|python)/' \
    -E '^programs/demo$' --output-on-failure --no-tests=error \
    --output-junit /build/tests.xml || status=$?
[ ! -e /build/tests.xml ] ||
    python3 -I /src/tests/chroot/report.py "$system" /build
exit "$status"
