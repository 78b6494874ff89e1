#!/bin/sh
# old.sh - a system whose glibc is too old for Vireo: what was built elsewhere
# runs its programs natively, and says so in one line
#
# usage: old.sh FOLDER BUILD   (system.sh starts it)
set -eu

root=$1 build=$2
failed=0
passed=0

fail() {
    printf 'chroot: failed: %s\n' "$*"
    failed=$((failed + 1))
}

# expect STATUS TEXT LINES command...: in the folder; what it prints has TEXT,
# and LINES lines (-: any number).
expect() {
    status=$1 text=$2 lines=$3
    shift 3
    got=0
    chroot "$root" env -i PATH=/usr/bin:/bin LC_ALL=C "$@" >"$root/tmp/out" 2>&1 ||
        got=$?
    if [ "$got" -ne "$status" ]; then
        fail "status $got, not $status: $*"
        cat "$root/tmp/out"
    elif ! grep -q -e "$text" "$root/tmp/out"; then
        fail "does not say '$text': $*"
        cat "$root/tmp/out"
    elif [ "$lines" != - ] &&
        [ "$(wc -l <"$root/tmp/out")" -ne "$lines" ]; then
        fail "not $lines lines: $*"
        cat "$root/tmp/out"
    else
        passed=$((passed + 1))
    fi
}

[ -x "$build/bin/vireo" ] || {
    echo "chroot: skipped: $build/bin/vireo is not built"
    exit 77
}
mkdir -p "$root/vireo/bin" "$root/vireo/lib"
cp "$build/bin/vireo" "$root/vireo/bin/"
for library in "$build"/lib/libvireo.so* "$build"/lib/libvireo-preload.so*; do
    cp -L "$library" "$root/vireo/lib/"
done
cat >"$root/vireo/sum.py" <<'TEXT'
#!/usr/bin/env python3
import threading
got = []
threads = [threading.Thread(target=got.append, args=(i,)) for i in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("sum", sum(got))
TEXT
chmod +x "$root/vireo/sum.py"
# shellcheck disable=SC2016 # for that system's shell
printf 'chroot: %s\n' "$(chroot "$root" sh -c \
    '. /etc/os-release; echo "$PRETTY_NAME, $(getconf GNU_LIBC_VERSION)"')"

vireo=/vireo/bin/vireo
expect 0 '^sum 190$' 1 /vireo/sum.py
expect 0 '^sum 190$' 2 $vireo run /vireo/sum.py
expect 0 'older than 2\.34; running native$' 2 $vireo run /vireo/sum.py
expect 0 'older than 2\.34; running native$' 2 $vireo run -- python3 /vireo/sum.py
expect 126 'older than 2\.34$' 1 $vireo run --require /vireo/sum.py
expect 0 'usage' "$("$build/bin/vireo" --help | wc -l)" $vireo --help
# Set by hand, its loader ends the program, and names the versions it has not.
expect 1 'GLIBC_2\.34.*not found' \
    - LD_PRELOAD=/vireo/lib/libvireo-preload.so python3 /vireo/sum.py
printf 'chroot: old glibc: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
