#!/bin/sh
# run.sh - try the sources of Vireo in a folder that holds another system
#
# usage: tests/chroot/run.sh bookworm|trixie|bookworm-arm64|bullseye SOURCE BUILD
#
# The folder is BUILD/chroot/NAME, made by debootstrap.  It is removed when the
# test ends, unless KEEP=1 is set; one that was kept is used again.  What was
# downloaded stays beside it.  All that is mounted, and all that is started, is
# in namespaces that end with this run, however it ends (system.sh).
set -eu

name=${1:?usage: run.sh NAME SOURCE BUILD} source=$2 build=$3
place=$build/chroot
root=$place/$name debs=$place/debs-$name
suite=${name%-arm64}
here=$(cd "$(dirname "$0")" && pwd)
began=$(date +%s)

say() { printf '%s\n' "chroot/$name: $*"; }

skip() {
    say "skipped: $*"
    exit 77
}

check_machine() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    [ -e "/usr/share/debootstrap/scripts/$suite" ] ||
        skip "this debootstrap does not know $suite"
    unshare --mount --pid --ipc --fork --mount-proc true 2>/dev/null ||
        skip "no namespaces can be made here"
    [ "$name" = "$suite" ] || [ "$(uname -m)" = x86_64 ] ||
        skip "the arm64 folder is for machines that are not arm64"
    [ "$suite" != bullseye ] || [ "$(uname -m)" = x86_64 ] ||
        skip "tried on x86-64 only"
}

# The mirror that this machine's apt uses.
mirror() {
    # shellcheck disable=SC2016 # apt expands these, not the shell
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
        'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian|Debian|//p' | head -n 1
}

# A folder is to be made: is there a mirror, and room on the disk?
check_means() {
    case $name in
        bookworm | trixie) wanted_mb=6000 ;;
        *) wanted_mb=1000 ;;
    esac
    free_mb=$(df -Pm "$place" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$wanted_mb" ] ||
        skip "$place has $free_mb MB free, $wanted_mb are needed"
    url=$(mirror)
    url=${url:-http://deb.debian.org/debian}
    url=${url%/}
    has_suite || {
        mirror=$url url=http://archive.debian.org/debian
        has_suite
    } || skip "no network, or a mirror without it: $mirror/dists/$suite"
}

has_suite() {
    rm -f "$place/InRelease.$name"
    /usr/lib/apt/apt-helper download-file "$url/dists/$suite/InRelease" \
        "$place/InRelease.$name" >/dev/null 2>&1
}

# A handler for programs of arm64 that system.sh registered is not always gone with
# the file system that it mounted: on older kernels, or where it was mounted before.
# shellcheck disable=SC2317 # leave() calls it
unregister() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount sh -ec '
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
        cd /proc/sys/fs/binfmt_misc
        [ ! -e qemu-aarch64 ] || echo -1 >qemu-aarch64' 2>/dev/null || :
    rm -f "$place/registered"
}

# The handler is the machine's: who ends first, in whatever tree, would take it from the
# others.
one_with_handler() {
    [ -d /run/lock ] || return 0
    exec 8>/run/lock/vireo-chroot-arm64
    flock --nonblock 8 && return
    say "waiting for another run with a handler for arm64 to end"
    flock 8
}

# ---- end ----------------------------------------------------------------------

# The first process of the namespaces is gone only when all others in them are:
# nothing writes to the folder any more.  Without it, unshare is to end it.
# shellcheck disable=SC2317 # leave() calls it
end_child() {
    first=$(cat "/proc/$child/task/$child/children" 2>/dev/null) || :
    # shellcheck disable=SC2086 # a blank follows the number
    kill -KILL ${first:-"$child"} 2>/dev/null || :
    wait
}

# shellcheck disable=SC2317 # the trap calls it
leave() {
    status=$?
    trap '' HUP INT TERM
    [ -z "$child" ] || end_child
    [ "$name" = "$suite" ] || [ ! -e "$place/registered" ] || unregister
    if [ "${KEEP:-0}" = 1 ] && [ -e "$root/.complete" ]; then
        say "kept: $root"
    else
        rm -rf --one-file-system "$root"
    fi
    rm -f "$place/InRelease.$name"
    [ "$status" -eq 77 ] ||
        say "status $status, $(($(date +%s) - began)) seconds"
    exit "$status"
}

check_machine
mkdir -p "$place" "$debs/partial"
exec 9>"$place/$name.lock"
flock --nonblock 9 || {
    say "waiting for another run to end"
    flock 9
}
[ "$name" = "$suite" ] || one_with_handler
child=
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
url=
[ -e "$root/.complete" ] || check_means
# Whatever ends this shell ends unshare, and that ends all within.  /proc shows
# what is within: run_alone.py looks there for what a test has left running.
setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child \
    --mount-proc sh "$here/system.sh" "$name" "$source" "$build" "$url" \
    </dev/null 8>&- 9>&- &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
