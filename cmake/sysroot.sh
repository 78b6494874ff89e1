#!/bin/sh
# sysroot.sh - unpack Debian arm64 packages into a folder to cross-build against
#
# usage: cmake/sysroot.sh DIRECTORY
#
# The machine's own package state is left alone: no foreign architecture is
# added to dpkg and nothing is installed.  apt runs with lists, cache and
# sources of its own beside DIRECTORY; the packages are only unpacked.  (Adding
# arm64 to dpkg would also make libhttp-parser-dev:arm64 push out the amd64 one.)
set -eu

# The last lines: libcurl, and what it is linked to; Python, for python/, and what
# is tried on that: upstream's tests and gevent.
packages='libc6 libc6-dev linux-libc-dev libcrypt1 libcrypt-dev libgcc-s1
    libgcc-12-dev libstdc++6 libev4 libev-dev
    libc-ares2 libc-ares-dev libssl3 libssl-dev
    libboost-context1.74-dev check libsubunit0 libsubunit-dev
    libhttp-parser2.9 libhttp-parser-dev libwslay1 libwslay-dev
    zlib1g zlib1g-dev libjansson4 libjansson-dev
    libcurl4 libcurl4-openssl-dev libbrotli1 libgssapi-krb5-2 libidn2-0
    libldap-2.5-0 libnghttp2-14 libpsl5 librtmp1 libssh2-1 libzstd1
    libunistring2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
    libsasl2-2 libgnutls30 libhogweed6 libnettle8 libgmp10 libp11-kit0 libtasn1-6
    libffi8 libpython3.11-dev libpython3.11-minimal libpython3.11-stdlib
    python3.11-minimal libexpat1
    python3-greenlet python3-objgraph python3-graphviz python3-psutil
    python3-gevent python3-zope.event python3-zope.interface
    python3-pkg-resources'

sysroot=${1:?usage: cmake/sysroot.sh DIRECTORY}
case $sysroot in
    /*) ;;
    *) sysroot=$PWD/$sysroot ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
private=$sysroot.apt
stamp=$sysroot/.complete
want=$(cksum < "$here/sysroot.sh")

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    exit 0
fi

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
options='[arch=arm64]'
if [ -f "$keyring" ]; then
    options="[arch=arm64 signed-by=$keyring]"
fi

say() { printf '%s\n' "sysroot: $*"; }

# The Debian sources that this machine uses, so that a mirror is honoured.
# Third-party sources often have no arm64 part.
debian_sources() {
    # shellcheck disable=SC2016 # apt expands these, not the shell
    apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' \
        'Created-By: Packages' 2>/dev/null |
    awk -F'|' -v options="$options" '$1 == "Debian" && !seen[$0]++ {
        print "deb " options " " $2 " " $3 " " $4
    }'
}

private_apt() {
    apt-get -q \
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::Etc::SourceList="$private/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$private/state" \
        -o Dir::State::Lists="$private/lists" \
        -o Dir::State::status="$private/status" \
        -o Dir::Cache="$private/cache" \
        -o APT::Sandbox::User=root \
        -o Debug::NoLocking=true "$@"
}

# Links such as libm.so -> /lib/aarch64-linux-gnu/libm.so.6 would lead out of
# the folder, to this machine's files.
repair_links() {
    find "$sysroot" -type l -lname '/*' | while read -r link; do
        target=$(readlink "$link")
        ln -snf "$sysroot$target" "$link"
    done
}

rm -rf "$sysroot" "$private"
mkdir -p "$private/lists/partial" "$private/cache/archives/partial" \
    "$private/state" "$private/debs" "$sysroot"
: > "$private/status"

debian_sources > "$private/sources.list"
if [ ! -s "$private/sources.list" ]; then
    say "this machine's apt lists no Debian source; using deb.debian.org"
    for suite in 'debian bookworm' 'debian bookworm-updates' \
        'debian-security bookworm-security'; do
        printf 'deb %s http://deb.debian.org/%s main\n' "$options" "$suite"
    done > "$private/sources.list"
fi

say "reading the arm64 package lists"
private_apt update > "$private/log" 2>&1 || {
    cat "$private/log" >&2
    say "apt-get update failed (is there a network?)" >&2
    exit 1
}
say "fetching arm64 packages"
# shellcheck disable=SC2086 # a list of words
(cd "$private/debs" && private_apt download $packages) >> "$private/log" 2>&1 || {
    cat "$private/log" >&2
    exit 1
}
for deb in "$private"/debs/*.deb; do
    dpkg-deb -x "$deb" "$sysroot"
done
repair_links
rm -rf "$private"
printf '%s\n' "$want" > "$stamp"
say "ready: $(du -sh "$sysroot" | cut -f1) in $sysroot"
