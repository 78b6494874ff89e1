#!/bin/sh
# test_conformance_command.sh - `vireo conformance` and `vireo gate`
# label: ci, context
# timeout: 120
set -u

vireo=$BUILD_DIR/bin/vireo
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
unset LD_PRELOAD VIREO_TEST_BREAK
failed=0

fail() {
    echo "FAIL: $*"
    failed=$((failed + 1))
}

# expect STATUS command...
expect() {
    status=$1
    shift
    "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null
    got=$?
    [ "$got" -eq "$status" ] ||
        fail "$*: exit status $got, not $status: $(cat "$tmp/out" "$tmp/err")"
}

# refuses TEXT command...: status 2, one line on stderr, nothing on stdout.
refuses() {
    text=$1
    shift
    expect 2 "$@"
    [ ! -s "$tmp/out" ] || fail "$*: prints $(cat "$tmp/out")"
    if [ "$(grep -c . "$tmp/err")" -ne 1 ] ||
        ! grep -q "^vireo: .*$text" "$tmp/err"; then
        fail "$*: says $(cat "$tmp/err")"
    fi
}

check_list() {
    expect 0 "$vireo" conformance --list
    grep -q '^G-001 creating' "$tmp/out" || fail "--list has no G-001"
    grep -vq '^G-[0-9]\{3\} [a-zA-Z0-9]' "$tmp/out" &&
        fail "--list: $(grep -v '^G-[0-9]\{3\} [a-zA-Z0-9]' "$tmp/out")"
    sort -s -c -k1,1 "$tmp/out" || fail "--list is not in order"
}

check_tap() {
    expect 0 "$vireo" conformance --only=G-030,G-023
    [ "$(head -n 1 "$tmp/out")" = 'TAP version 13' ] || fail "no TAP"
    [ "$(sed -n 2p "$tmp/out")" = 1..2 ] || fail "plan: $(sed -n 2p "$tmp/out")"
    grep -q '^ok 1 - G-023 a returned value is one value' "$tmp/out" ||
        fail "G-023: $(cat "$tmp/out")"
    grep -q '^# architecture [a-z0-9_]*, kernel .*, libc .*, features: [a-z]' \
        "$tmp/out" || fail "the machine: $(cat "$tmp/out")"
    [ "$(tail -n 1 "$tmp/out")" = '2 passed, 0 failed' ] ||
        fail "summary: $(tail -n 1 "$tmp/out")"
}

check_json() {
    expect 0 "$vireo" conformance --json --only G-023,G-113
    /usr/bin/python3 -c '
import json, sys
told = json.load(sys.stdin)
assert {case["id"] for case in told["cases"]} == {"G-023", "G-113"}, told
assert {case["result"] for case in told["cases"]} == {"passed"}, told
assert told["passed"] == len(told["cases"]) and told["failed"] == 0, told
assert told["architecture"] and told["kernel"] and told["libc"], told
assert "fsgsbase" in told["features"], told
' < "$tmp/out" || fail "--json: $(cat "$tmp/out")"
}

# A library that is wrong about one case must be found out.
check_failure() {
    expect 1 env VIREO_TEST_BREAK=G-113 "$vireo" conformance --only=G-113
    grep -q '^not ok [0-9]* - G-113 ' "$tmp/out" ||
        fail "a broken G-113 passes: $(cat "$tmp/out")"
    tail -n 1 "$tmp/out" | grep -q '^[0-9]* passed, [1-9][0-9]* failed$' ||
        fail "summary: $(tail -n 1 "$tmp/out")"
    expect 1 env VIREO_TEST_BREAK=G-113 "$vireo" gate 'greenlet>=1.0'
    grep -q '^G-113 ' "$tmp/out" || fail "the gate: $(cat "$tmp/out")"
}

check_gate() {
    expect 0 "$vireo" gate 'greenlet>=1.0'
    [ "$(cat "$tmp/out")" = yes ] || fail "gate: $(cat "$tmp/out")"
    expect 1 "$vireo" gate 'greenlet<1.0'
    [ "$(grep -c . "$tmp/out")" -eq 1 ] || fail "gate: $(cat "$tmp/out")"
    refuses 'not a requirement' "$vireo" gate 'greenlet>='
    refuses 'takes one requirement' "$vireo" gate
    refuses 'takes one requirement' "$vireo" gate greenlet '>=1.0'
}

# Who cannot hear "yes" must not be told so by the status.
check_full() {
    for words in 'gate greenlet' 'conformance --only=G-023' \
        'conformance --json --only=G-023' 'conformance --list'; do
        # shellcheck disable=SC2086 # a list of words
        "$vireo" $words > /dev/full 2> "$tmp/err" < /dev/null
        got=$?
        if [ "$got" -ne 1 ] || ! grep -q 'cannot write' "$tmp/err"; then
            fail "$words, on a full device: $got, $(cat "$tmp/err")"
        fi
    done
}

check_command_line() {
    refuses 'no such case' "$vireo" conformance --only=G-999
    refuses 'no such case' "$vireo" conformance --only=G-001,bogus
    refuses 'needs a value' "$vireo" conformance --only=
    refuses 'needs a value' "$vireo" conformance --only
    refuses 'given twice' "$vireo" conformance --only G-001 --only G-002
    refuses 'no such option' "$vireo" conformance --bogus
    refuses 'not an option' "$vireo" conformance '--gate=greenlet'
    refuses 'no argument' "$vireo" conformance G-001
    expect 0 "$vireo" conformance --help
    grep -q '^usage: vireo conformance' "$tmp/out" || fail "no usage"
    cp "$vireo" "$tmp/vireo"
    expect 126 "$tmp/vireo" conformance
}

check_list
check_tap
check_json
check_failure
check_gate
check_full
check_command_line
[ "$failed" -eq 0 ] || exit 1
echo "the commands answer as they should"
