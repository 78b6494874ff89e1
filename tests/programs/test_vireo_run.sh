#!/bin/sh
# test_vireo_run.sh - `vireo run`: what it refuses, what it passes on
# label: ci
# timeout: 120
set -u

vireo=$BUILD_DIR/bin/vireo
library=$BUILD_DIR/lib/libvireo-preload.so.0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
unset LD_PRELOAD
failed=0

fail() {
    echo "FAIL: $*"
    failed=$((failed + 1))
}

# expect STATUS TEXT command...: that exit status, and TEXT (a grep pattern) on
# stderr, as the only line of ours; TEXT "-" means no line at all.
expect() {
    status=$1 text=$2
    shift 2
    "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null
    got=$?
    [ "$got" -eq "$status" ] || fail "$*: exit status $got, not $status"
    lines=$(grep -c . "$tmp/err")
    if [ "$text" = - ]; then
        [ "$lines" -eq 0 ] || fail "$*: says: $(cat "$tmp/err")"
    elif [ "$lines" -ne 1 ] || ! grep -q "^vireo: .*$text" "$tmp/err"; then
        fail "$*: says: $(cat "$tmp/err")"
    fi
}

# prints TEXT command...: stdout is exactly TEXT.
prints() {
    wanted=$1
    shift
    expect 0 - "$@"
    [ "$(cat "$tmp/out")" = "$wanted" ] || fail "$*: prints: $(cat "$tmp/out")"
}

build() {
    out=$1
    shift
    printf 'int main(void) { return 0; }\n' > "$tmp/main.c"
    cc "$@" -o "$tmp/$out" "$tmp/main.c" || fail "cannot build $out"
}

check_command_line() {
    expect 2 'no command' "$vireo"
    expect 2 'no such command' "$vireo" bogus
    expect 2 'no program given' "$vireo" run
    expect 2 'no program given' "$vireo" run --stats --
    expect 2 'not an option' "$vireo" run --bogus true
    expect 2 'needs a value' "$vireo" run --stack
    for size in 1 -4 12Q '' 99999M nativ; do
        expect 2 'must be' "$vireo" run "--stack=$size" true
    done
    expect 2 'must be' "$vireo" run --patch=file,bogus true
    expect 2 'must be' "$vireo" run --patch= true
    expect 2 'must be' "$vireo" run --verbose=4 true
    expect 0 - "$vireo" --version
    grep -q '^vireo [0-9]*\.[0-9]*\.[0-9]*$' "$tmp/out" || fail "version"
    expect 0 - "$vireo" --help
    grep -q '^usage: vireo run' "$tmp/out" || fail "help"
}

check_environment() {
    prints "$library" "$vireo" run sh -c 'echo "$LD_PRELOAD"'
    prints 256K "$vireo" run --stack=256K sh -c 'echo "$VIREO_STACK"'
    prints native "$vireo" run --stack native sh -c 'echo "$VIREO_STACK"'
    prints -stdio,-dns "$vireo" run --patch=-stdio,-dns \
        sh -c 'echo "$VIREO_PATCH"'
    prints '1 1 0' "$vireo" run --require --verbose=0 --stats sh -c \
        'echo "$VIREO_STATS $VIREO_REQUIRE $VIREO_VERBOSE"; unset VIREO_STATS
         exec 2> /dev/null'
    prints 'none none' "$vireo" run sh -c \
        'echo "${VIREO_STACK-none} ${VIREO_PATCH-none}"'
    prints '--stack=1 -x' "$vireo" run echo --stack=1 -x
    prints x "$vireo" run -- echo x

    # What is to be preloaded anyway stays, behind ours.
    LD_PRELOAD=libm.so.6 "$vireo" run sh -c 'echo "$LD_PRELOAD"' > "$tmp/out"
    [ "$(cat "$tmp/out")" = "$library:libm.so.6" ] || fail "LD_PRELOAD is lost"
}

check_result() {
    expect 0 - "$vireo" run true
    expect 7 - "$vireo" run sh -c 'exit 7'
    # No process of ours in between: the signal is the program's own.
    "$vireo" run sh -c 'kill -TERM $$' 2> /dev/null
    [ $? -eq 143 ] || fail "killed by a signal: status $?"
    prints "$(echo a; echo b)" "$vireo" run printf 'a\nb\n'
    "$vireo" run sleep 60 &
    pid=$!
    sleep 0.3
    [ "$(cat "/proc/$pid/comm")" = sleep ] || fail "a process of ours waits"
    kill "$pid"
    wait "$pid" 2> /dev/null
    [ $? -eq 143 ] || fail "status of a killed program"
}

check_refusals() {
    expect 127 'no such program' "$vireo" run no-such-program-here
    expect 127 'no such program' "$vireo" run "$tmp/nothing"
    : > "$tmp/plain"
    expect 126 'no permission' "$vireo" run "$tmp/plain"
    expect 126 'no permission' "$vireo" run "$tmp"
    chmod +x "$tmp/plain"
    expect 126 'neither a program' "$vireo" run "$tmp/plain"

    build dynamic
    expect 0 - "$vireo" run "$tmp/dynamic"
    build static -static
    expect 126 'static' "$vireo" run "$tmp/static"
    build pie -static-pie
    expect 126 'static' "$vireo" run "$tmp/pie"
    build musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1
    expect 126 'musl' "$vireo" run --require "$tmp/musl"
    build strange -Wl,--dynamic-linker=/lib/ld-strange.so
    expect 126 'loader' "$vireo" run "$tmp/strange"
    build gone -Wl,--dynamic-linker=/nowhere/ld-linux-x86-64.so.2
    expect 126 'loader' "$vireo" run "$tmp/gone"

    for bits in u+s g+s; do
        cp "$tmp/dynamic" "$tmp/rights"
        chmod "$bits" "$tmp/rights"
        expect 126 'set[ug]id' "$vireo" run "$tmp/rights"
        rm -f "$tmp/rights"
    done
}

# Another libc: the program runs, without the library; or is refused.
check_other_libcs() {
    if command -v musl-gcc > /dev/null; then
        musl-gcc -pthread -o "$tmp/small" "$SOURCE_DIR/tests/programs/threaded.c"
        expect 0 'musl.*; running native' "$vireo" run "$tmp/small" 20
        [ "$(cat "$tmp/out")" = 'sum 190' ] || fail "musl: $(cat "$tmp/out")"
        expect 126 'musl' "$vireo" run --require "$tmp/small" 20
    else
        echo "not tried: musl-gcc is not installed"
    fi
    # A loader that has no symbols of 2.34, as that of an older glibc.
    loader=$(readelf -l "$tmp/dynamic" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    sed 's/GLIBC_2\.34/GLIBC_2.30/' "$loader" > "$tmp/ld-linux-old.so.2"
    chmod +x "$tmp/ld-linux-old.so.2"
    build old "-Wl,--dynamic-linker=$tmp/ld-linux-old.so.2"
    expect 126 'older than 2.34' "$vireo" run --require "$tmp/old"
    "$vireo" run "$tmp/old" 2>&1 | grep -q 'older than 2.34; running native' ||
        fail "an older glibc is not told of"
}

# The first bytes of a program, changed: byte OFFSET becomes the octal VALUE.
changed() {
    cp "$tmp/dynamic" "$tmp/changed"
    printf "\\$2" | dd of="$tmp/changed" bs=1 seek="$1" conv=notrunc 2> /dev/null
}

check_architectures() {
    changed 4 001
    expect 126 '32-bit' "$vireo" run "$tmp/changed"
    changed 5 002
    expect 126 'architecture' "$vireo" run "$tmp/changed"
    changed 18 363 # EM_RISCV
    expect 126 'architecture' "$vireo" run "$tmp/changed"
    dd if="$tmp/dynamic" of="$tmp/cut" bs=1 count=40 2> /dev/null
    chmod +x "$tmp/cut"
    expect 126 'damaged' "$vireo" run "$tmp/cut"
}

script() {
    printf '%s\necho ran\n' "$1" > "$tmp/script"
    chmod +x "$tmp/script"
}

check_scripts() {
    script '#!/bin/sh'
    prints ran "$vireo" run "$tmp/script"
    script '#! /usr/bin/env sh'
    prints ran "$vireo" run "$tmp/script"
    script "#!$tmp/static"
    expect 126 'static' "$vireo" run "$tmp/script"
    script "#!/nowhere/sh"
    expect 126 'interpreter' "$vireo" run "$tmp/script"
    script "#!"
    expect 126 'no interpreter' "$vireo" run "$tmp/script"
    script "#!$tmp/script"
    expect 126 'script to script' "$vireo" run "$tmp/script"
    PATH=$tmp:$PATH
    script '#!/usr/bin/env static'
    expect 126 'static' "$vireo" run "$tmp/script"
}

check_search() {
    mkdir "$tmp/first"
    : > "$tmp/first/dynamic" # there, not executable: the search goes on
    PATH=$tmp/first:$tmp:$PATH
    expect 0 - "$vireo" run dynamic
    (cd "$tmp" && PATH=:/usr/bin:/bin "$vireo" run dynamic) ||
        fail "an empty entry of PATH is the current folder"
}

check_copies() {
    mkdir -p "$tmp/copy/bin" "$tmp/copy/lib"
    cp "$vireo" "$tmp/copy/bin/"
    expect 126 'not beside' "$tmp/copy/bin/vireo" run true
    cp "$library" "$(dirname "$library")/libvireo.so.0" "$tmp/copy/lib/"
    expect 0 - "$tmp/copy/bin/vireo" run true
    mv "$tmp/copy" "$tmp/a copy"
    expect 126 'space or colon' "$tmp/a copy/bin/vireo" run true
}

check_command_line
check_environment
check_result
check_refusals
check_other_libcs
check_architectures
check_scripts
check_search
check_copies
[ "$failed" -eq 0 ] && echo "all passed"
[ "$failed" -eq 0 ]
