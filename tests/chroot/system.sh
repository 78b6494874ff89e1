#!/bin/sh
# system.sh - in namespaces of its own: make the folder, and run what is for it
#
# usage: system.sh NAME SOURCE BUILD MIRROR   (run.sh starts it, as process 1)
set -eu

name=$1 source=$2 build=$3 url=$4
place=$build/chroot
root=$place/$name debs=$place/debs-$name stamp=$place/$name/.complete
suite=${name%-arm64}
here=$(cd "$(dirname "$0")" && pwd)

say() { printf '%s\n' "chroot/$name: $*"; }

skip() {
    say "skipped: $*"
    exit 77
}

# within command...: in the folder, as root.  The variables of a proxy are passed
# on, nothing else.  No exec: this shell, process 1, takes in the orphans.
within() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} \
        ${https_proxy:+https_proxy="$https_proxy"} \
        ${JOBS:+JOBS="$JOBS"} chroot "$root" "$@"
}

# What must be there for what is run: few packages where nothing is built.
included() {
    case $name in
        *-arm64) echo --include=libev4,libc-ares2,libssl3,libsubunit0,procps,netbase ;;
        bullseye) echo --include=python3-minimal ;;
    esac
}

make_folder() {
    say "making $root from $url"
    rm -rf --one-file-system "$root"
    # shellcheck disable=SC2046 # no word, or one
    debootstrap --variant=minbase --cache-dir="$debs" $(included) \
        $([ "$name" = "$suite" ] || echo --arch=arm64) \
        "$suite" "$root" "$url" >"$place/$name.log" 2>&1 || {
        tail -n 20 "$place/$name.log"
        say "debootstrap failed"
        exit 1
    }
    # A folder that is thrown away need not survive a crash.
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
}

# The kernel is to start programs of arm64.  A handler that this machine has is
# used if it needs no file of the folder (F).
register_arm64() {
    table=/proc/sys/fs/binfmt_misc
    conf=/usr/lib/binfmt.d/qemu-aarch64.conf
    mount -t binfmt_misc binfmt_misc "$table" 2>/dev/null ||
        skip "no handler for programs of arm64 can be registered here"
    ! grep -q '^flags:.*F' "$table/qemu-aarch64" 2>/dev/null || return 0
    [ -e "$conf" ] || skip "qemu-user-static is not installed"
    : >"$place/registered"
    cat "$conf" >"$table/register" 2>/dev/null ||
        skip "no handler for programs of arm64 can be registered here"
}

# The sources are read-only, in /src; devices are the machine's, but for /dev/shm.
mount_all() {
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    [ -e "$root/etc/hosts" ] || echo '127.0.0.1 localhost' >"$root/etc/hosts"
    mkdir -p "$root/src" "$root/build"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    [ ! -d "$root/dev/shm" ] ||
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    mount --bind "$source" "$root/src"
    mount -o remount,bind,ro "$root/src"
    mount --bind "$debs" "$root/var/cache/apt/archives"
}

# What is built here was built with the same packages; others may be too new.
build_and_test() {
    want=$(cksum <"$source/dev")
    if [ "$(cat "$stamp")" != "$want" ]; then
        say "installing what the tests need"
        within dpkg --configure -a # where an earlier run was ended in between
        within /src/dev setup test
        printf '%s\n' "$want" >"$stamp"
    fi
    within /src/tests/chroot/inside.sh
}

[ "$name" = "$suite" ] || register_arm64
[ -e "$stamp" ] || make_folder
mount_all
[ -e "$stamp" ] || : >"$stamp"
case $name in
    *-arm64) python3 -I "$here/arm64.py" "$root" "$build/aarch64" ;;
    bullseye) sh "$here/old.sh" "$root" "$build" ;;
    *) build_and_test ;;
esac
