#!/usr/bin/python3
# timeout: 900
"""`cmake --install` of this build: what lies where, and programs that link it."""
import os

import linking


def main():
    work = os.path.join(linking.BUILD, "tests", "consumer", "installed")
    here = linking.Installed("", os.path.join(work, "prefix"),
                             work)
    linking.run(["cmake", "--install", linking.BUILD, "--prefix", here.usr])
    lib = "lib/" + linking.TRIPLET
    here.has("bin/vireo", "libexec/vireo-conformance",
             lib + "/libvireo.so", lib + "/libvireo.so.0", lib + "/libvireo.a",
             lib + "/libvireo-preload.so", lib + "/libvireo-preload.so.0",
             lib + "/libvireo-tls.so", lib + "/libvireo-tls.so.0",
             lib + "/libvireo-http.so", lib + "/libvireo-http.so.0",
             lib + "/libvireo-http-client.so",
             lib + "/libvireo-http-client.so.0",
             lib + "/pkgconfig/vireo-tls.pc", lib + "/pkgconfig/vireo-http.pc",
             lib + "/pkgconfig/vireo-http-client.pc",
             lib + "/pkgconfig/vireo.pc", lib + "/pkgconfig/vireo-preload.pc",
             lib + "/cmake/Vireo/VireoConfig.cmake",
             lib + "/cmake/Vireo/VireoConfigVersion.cmake",
             "share/vireo/vireo-gdb.py", "share/man/man1/vireo.1",
             "share/man/man1/vireo-conformance.1",
             "share/man/man3/greenlet_switch.3")
    made = os.listdir(os.path.join(linking.BUILD, "include", "vireo"))
    shown = os.listdir(os.path.join(here.usr, "include", "vireo"))
    if sorted(made) != sorted(shown):
        linking.fail("headers: %s, installed %s" % (made, shown))
    here.check_all()
    if linking.CROSS:
        return
    shown = linking.run([here.usr + "/bin/vireo", "run", "--require", "true"])
    if shown:
        linking.fail("vireo run true: " + shown)
    shown = linking.run([here.usr + "/bin/vireo", "conformance",
                         "--only=G-023"])
    if "1 passed, 0 failed" not in shown:
        linking.fail("vireo conformance: " + shown)


if __name__ == "__main__":
    main()
