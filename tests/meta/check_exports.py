"""What our shared objects show and need is what was decided, no more.

libvireo-preload.so exports the table's names (monkeypatch/symbols.def), which
would otherwise capture or miss calls of the host, and needs libc alone.
libvireo.so exports the public functions and no internal one (two underscores);
libvireo-tls.so those of its header, and needs OpenSSL; libvireo-http.so those of
http/, and needs libcrypto (the SHA-1 of WebSockets), jansson, and libgcc_s, whose unwinder
http_request_abort() has to share with C++, but for the header of
libvireo-http-client.so, which alone needs libcurl.
"""
import os
import re
import subprocess

import tree

# The loader is part of libc; its name differs by architecture.
LIBC = re.compile(r"^(libc\.so\.6|ld-linux-[\w-]+\.so\.\d)$")
PUBLIC = re.compile(r"^(greenlet|hub|vireo)_[a-z0-9]\w*@@VIREO_0$"
                    r"|^VIREO_0$|^epoll_(create1|ctl|wait)$")


# What libev calls (hub/poll.c, hub/shared/loopcalls.c): in all but the preload.
LOOP = {"epoll_create1", "epoll_ctl", "epoll_wait"}


def output(*command):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def exports(library):
    """Names of the dynamic symbols that are defined here, with versions."""
    return {line.split()[-1] for line in
            output("nm", "-D", "--defined-only", library).splitlines()}


def needed(library):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW",
                                                      library))


def check_preload(library, listed):
    shown = exports(library)
    for name in sorted(shown - listed):
        yield "libvireo-preload.so exports %s, which is not in the table" % name
    for name in sorted(listed - shown):
        yield "libvireo-preload.so does not export %s of the table" % name
    for name in needed(library):
        if not LIBC.match(name):
            yield "libvireo-preload.so needs %s" % name


def public(library):
    """Names of functions, without those that libev calls, which are there."""
    shown = {name.split("@")[0] for name in exports(library)} - {"VIREO_0"}
    return shown ^ LOOP


TLS = "hub/tls.h"
CLIENT = "http/httpclient.h"


def declared(root, *headers):
    names = set()
    for header in headers or tree.public_headers(root):
        if not headers and (header == TLS or header.startswith("http/")):
            continue
        text = "\n".join(line for line in tree.lines(root, header)
                         if not line.startswith("#"))
        names |= set(re.findall(
            r"(?:GREENLET|HUB|HTTP)_API\s+[^;]*?\b((?:greenlet|hub|http)_\w+)"
            r"\s*(?:\(|;)", text))
    return names


def private_libraries(build):
    """What vireo.pc names for a static link, as -l has it."""
    with open(os.path.join(build, "pkgconfig", "vireo.pc.in"),
              encoding="ascii") as stream:
        line = re.search(r"^Libs.private:(.*)", stream.read(), re.M).group(1)
    return {word[2:] for word in line.split() if word.startswith("-l")}


def check_public(root, build):
    library = os.path.join(build, "lib", "libvireo.so")
    private = private_libraries(build)
    shown = exports(library)
    for name in sorted(shown):
        if not PUBLIC.match(name) or "__" in name:
            yield "libvireo.so exports %s" % name
    for name in sorted(LOOP - shown):
        yield "libvireo.so does not export %s" % name
    for name in sorted(declared(root) - {name.split("@")[0]
                                         for name in shown}):
        yield "libvireo.so does not export %s of the public headers" % name
    for name in needed(library):
        plain = re.sub(r"^lib(.*?)\.so.*", r"\1", name)
        if not LIBC.match(name) and plain not in private:
            yield ("libvireo.so needs %s, which VIREO_PRIVATE_LIBRARIES does "
                   "not name" % name)


def check_tls(root, library):
    shown = public(library)
    for name in sorted(shown ^ declared(root, TLS)):
        yield "libvireo-tls.so and %s differ on %s" % (TLS, name)
    for name in needed(library):
        if not LIBC.match(name) and not re.match(
                r"^(libvireo\.so[.\d]*|lib(ssl|crypto)\.so\.3)$", name):
            yield "libvireo-tls.so needs %s" % name


def check_http(root, library):
    shown = public(library)
    headers = [header for header in tree.public_headers(root)
               if header.startswith("http/") and header != CLIENT]
    for name in sorted(shown ^ declared(root, *headers)):
        yield "libvireo-http.so and the headers of http/ differ on %s" % name
    for name in needed(library):
        if not LIBC.match(name) and not re.match(
                r"^(libvireo(-tls)?\.so[.\d]*|lib(http_parser|wslay|z|crypto|jansson|gcc_s)\.so[.\d]*)$",
                name):
            yield "libvireo-http.so needs %s" % name


def check_client(root, library):
    shown = public(library)
    for name in sorted(shown ^ declared(root, CLIENT)):
        yield "libvireo-http-client.so and %s differ on %s" % (CLIENT, name)
    for name in needed(library):
        if not LIBC.match(name) and not re.match(
                r"^(libvireo\.so[.\d]*|libcurl\.so\.4)$", name):
            yield "libvireo-http-client.so needs %s" % name


def main():
    root, build = tree.arguments()
    with open(os.path.join(build, "generated", "preload.exports"),
              encoding="ascii") as stream:
        listed = set(stream.read().split())
    problems = [*check_preload(
        os.path.join(build, "lib", "libvireo-preload.so"), listed)]
    problems += check_public(root, build)
    problems += check_tls(root,
                          os.path.join(build, "lib", "libvireo-tls.so"))
    problems += check_http(root,
                           os.path.join(build, "lib", "libvireo-http.so"))
    problems += check_client(
        root, os.path.join(build, "lib", "libvireo-http-client.so"))
    tree.verdict(problems, len(listed))


if __name__ == "__main__":
    main()
