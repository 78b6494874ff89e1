"""Debian packages: built from a copy of the tree, looked at, installed into a
folder, and linked to."""
import glob
import os
import shutil
import subprocess

import conformance
import linking
from linking import BUILD, CROSS, ROOT, fail, run

ARCH = "arm64" if CROSS else subprocess.run(
    ["dpkg", "--print-architecture"], text=True, check=True,
    stdout=subprocess.PIPE).stdout.strip()
# What the build leaves in the tree, and version control.
LEFT_OUT = shutil.ignore_patterns(
    ".git", "build", "__pycache__", ".debhelper", "debhelper-build-stamp",
    "*.substvars", "tmp")
NAMES = ("libvireo0", "libvireo-tls0", "libvireo-http0", "libvireo-http-client0",
         "libvireo-dev", "vireo")


def build(work, prebuilt):
    """The folder with the packages of ARCH.  `prebuilt`: a build tree to take the
    binaries from, or None to do all that a user does."""
    shutil.rmtree(work, ignore_errors=True)
    source = os.path.join(work, "vireo")
    shutil.copytree(ROOT, source, symlinks=True, ignore=LEFT_OUT)
    for name in NAMES:
        shutil.rmtree(os.path.join(source, "debian", name), ignore_errors=True)
    words = ["dpkg-buildpackage", "-us", "-uc", "-b"]
    env = {"DEB_BUILD_OPTIONS": "parallel=2"}
    if prebuilt:
        words.append("-d") # nothing is built
        env = {"DEB_BUILD_OPTIONS": "noautodbgsym", "VIREO_PREBUILT": prebuilt}
    if CROSS:
        words.append("-aarm64")
        os.makedirs(os.path.join(source, "build"))
        os.symlink(linking.SYSROOT, os.path.join(
            source, "build", "sysroot-aarch64"))
    for name in ("CFLAGS", "CXXFLAGS", "LDFLAGS", "MAKEFLAGS"):
        env[name] = ""
    run(words, env=env, cwd=source, timeout=9000)
    return work


def package(folder, name):
    found = glob.glob(os.path.join(folder, "%s_*_%s.deb" % (name, ARCH)))
    if len(found) != 1:
        fail("%s: %s" % (name, found))
    return found[0]


def lint(folder, prebuilt):
    """No errors.  In a build tree the conformance program has a path to its
    libraries, which a package must not have."""
    words = ["lintian", "--fail-on", "error", "--allow-root"]
    if prebuilt:
        words += ["--suppress-tags", "custom-library-search-path"]
    shown = run([*words, *glob.glob(os.path.join(folder, "*.changes"))],
                timeout=3600)
    print(shown, end="")


def field(deb, name):
    return run(["dpkg-deb", "-f", deb, name]).strip()


def check_fields(folder):
    for name in NAMES:
        multi = "no" if name == "vireo" else "same"
        deb = package(folder, name)
        if field(deb, "Multi-Arch") != multi:
            fail("%s: Multi-Arch is %s" % (name, field(deb, "Multi-Arch")))
        if field(deb, "Architecture") != ARCH:
            fail("%s is for %s" % (name, field(deb, "Architecture")))
    for name, needs, others in (
            ("libvireo0", ("libc6 (", "libev4 ("),
             ("libssl", "libc-ares", "libcurl")),
            ("libvireo-tls0", ("libc6 (", "libvireo0 (", "libssl3 ("),
             ("libcurl",)),
            ("libvireo-http0", ("libc6 (", "libvireo0 ("), ("libcurl",)),
            ("libvireo-http-client0", ("libc6 (", "libvireo0 (", "libcurl4 ("),
             ("libhttp-parser", "libwslay"))):
        depends = field(package(folder, name), "Depends")
        if not all(needed in depends for needed in needs) or \
                any(other in depends for other in others):
            fail("%s depends on %s" % (name, depends))


def symbols(text):
    """Of a symbols file: {name@version}, all libraries."""
    return {line.split()[0] for line in text.split("\n")
            if line.startswith(" ")}


def exported(library):
    """{name@version}; of what has no version, Base."""
    shown = set()
    for line in run(["nm", "-D", "--defined-only", library]).split("\n"):
        if line:
            name, _, version = line.split()[-1].partition("@@")
            if line.split()[-2] == "A": # the version itself
                version = name
            shown.add("%s@%s" % (name, version or "Base"))
    return shown


def check_symbols(folder, here):
    """The symbols files have what the libraries export."""
    for name, libraries in (
            ("libvireo0", ("libvireo.so.0", "libvireo-preload.so.0")),
            ("libvireo-tls0", ("libvireo-tls.so.0",)),
            ("libvireo-http0", ("libvireo-http.so.0",)),
            ("libvireo-http-client0", ("libvireo-http-client.so.0",))):
        control = os.path.join(folder, "control")
        shutil.rmtree(control, ignore_errors=True)
        run(["dpkg-deb", "-e", package(folder, name), control])
        with open(os.path.join(control, "symbols"),
                  encoding="ascii") as stream:
            listed = symbols(stream.read())
        shown = set()
        for library in libraries:
            shown |= exported(os.path.join(here.lib, library))
        for symbol in sorted(listed ^ shown):
            fail("%s: %s is not both in the symbols file and exported" %
                 (name, symbol))


def install(folder, prebuilt):
    """By dpkg, into a folder with a dpkg database of its own; those of another
    architecture are only unpacked."""
    kind = "prebuilt" if prebuilt else "built"
    root = os.path.join(folder, "root")
    shutil.rmtree(root, ignore_errors=True)
    debs = [package(folder, name) for name in NAMES]
    if CROSS or os.geteuid() != 0:
        for deb in debs:
            run(["dpkg-deb", "-x", deb, root])
    else:
        database = os.path.join(root, "var", "lib", "dpkg")
        for part in ("info", "updates", "triggers"):
            os.makedirs(os.path.join(database, part))
        for part in ("status", "available"):
            open(os.path.join(database, part), "w", encoding="ascii").close()
        # What they depend on is outside.
        run(["dpkg", "--root=" + root, "--force-depends",
             "--log=" + os.path.join(folder, "dpkg.log"), "-i", *debs])
        shown = run(["dpkg", "--root=" + root, "-V", *NAMES])
        if shown:
            fail("dpkg -V: " + shown)
    return linking.Installed(root, "/usr", os.path.join(
        BUILD, "tests", "consumer", kind + "-programs"))


def check(folder, prebuilt):
    lint(folder, prebuilt)
    check_fields(folder)
    here = install(folder, prebuilt)
    here.has("bin/vireo", "libexec/vireo-conformance",
             "libexec/vireo-conformance-preload",
             "libexec/vireo/conformance/conformance_sem", "share/vireo/vireo-gdb.py",
             "share/man/man1/vireo.1.gz", "share/man/man1/vireo-conformance.1.gz",
             "share/man/man3/greenlet_switch.3.gz",
             "share/gdb/auto-load/usr/lib/" + linking.TRIPLET)
    check_symbols(folder, here)
    here.check_all()
    conformance.check(here.usr, folder)
