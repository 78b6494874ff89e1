#!/bin/sh
# run.sh - build the sources inside another Debian, and test them there
#
# usage: tests/chroot/run.sh SUITE SOURCE_DIR BUILD_DIR
#
# The folder is made once, by debootstrap, as BUILD_DIR/chroot/SUITE; its packages
# are kept beside it.  All that is mounted is in a mount namespace and all that is
# started in a process namespace of this run: both end with it.
set -eu

suite=${1:?usage: run.sh SUITE SOURCE_DIR BUILD_DIR} source=$2
place=$3/chroot
root=$place/$suite debs=$place/debs-$suite stamp=$root/.complete

say() { printf '%s\n' "chroot: $*"; }

skip() {
    say "skipped: $*"
    exit 77
}

# The mirror that this machine's apt uses.
mirror() {
    # shellcheck disable=SC2016 # apt expands these, not the shell
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
        'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian|Debian|//p' | head -n 1
}

# inside command...: in the folder, as root, with the sources read-only in /src.
# The variables of a proxy are passed on, nothing else.
inside() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork --kill-child sh -ec '
        root=$1 source=$2 debs=$3
        shift 3
        mkdir -p "$root/src" "$root/build"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount --bind "$source" "$root/src"
        mount -o remount,bind,ro "$root/src"
        mount --bind "$debs" "$root/var/cache/apt/archives"
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
            ${http_proxy:+http_proxy="$http_proxy"} \
            ${https_proxy:+https_proxy="$https_proxy"} \
            ${JOBS:+JOBS="$JOBS"} chroot "$root" "$@"' \
        sh "$root" "$source" "$debs" "$@" </dev/null
}

check_machine() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    command -v debootstrap >/dev/null || skip "debootstrap is not installed"
    [ -e "/usr/share/debootstrap/scripts/$suite" ] ||
        skip "this debootstrap does not know $suite"
    unshare --mount --pid --fork true 2>/dev/null ||
        skip "no namespaces can be made here"
}

make_folder() {
    url=$(mirror)
    url=${url:-http://deb.debian.org/debian}
    /usr/lib/apt/apt-helper download-file "$url/dists/$suite/InRelease" \
        "$place/InRelease.$$" >/dev/null 2>&1 ||
        skip "$url/dists/$suite cannot be fetched"
    rm -f "$place/InRelease.$$"
    say "making $root from $url"
    rm -rf "$root"
    debootstrap --variant=minbase --cache-dir="$debs" "$suite" "$root" \
        "$url" >"$place/$suite.log" 2>&1 || {
        tail -n 20 "$place/$suite.log"
        say "debootstrap failed"
        exit 1
    }
    cp /etc/resolv.conf "$root/etc/resolv.conf"
}

check_machine
mkdir -p "$debs/partial"
want=$(cksum <"$source/dev")
if [ ! -e "$stamp" ]; then
    make_folder
fi
if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
    inside /src/dev setup test
    printf '%s\n' "$want" >"$stamp"
fi
inside /src/tests/chroot/inside.sh
