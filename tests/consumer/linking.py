"""What the tests of this folder share: programs that link an installed Vireo, by
CMake and by pkg-config, to the shared and the static library, and run."""
import os
import shutil
import subprocess
import sys

ROOT = os.environ["SOURCE_DIR"]
BUILD = os.environ["BUILD_DIR"]
CROSS = os.environ.get("CROSS") == "1"  # arm64 on another machine
PROJECT = os.path.join(ROOT, "tests", "consumer", "project")
ORDER = "2 1 1 2\n"
REFUSAL = "libvireo.a in it"

if CROSS:
    TRIPLET = "aarch64-linux-gnu"
else:
    TRIPLET = subprocess.run(["gcc", "-print-multiarch"], text=True, check=True,
                             stdout=subprocess.PIPE).stdout.strip()
SYSROOT = os.path.join(ROOT, "build", "sysroot-aarch64")


def fail(text):
    print("FAIL: " + text)
    sys.exit(1)


def run(words, env=None, status=0, timeout=900, cwd=None):
    """What it printed, both streams.  Ends the test on another exit status."""
    done = subprocess.run(words, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, **(env or {})}, timeout=timeout,
                          cwd=cwd, check=False)
    if done.returncode != status:
        fail("%s: status %d\n%s" % (" ".join(words), done.returncode,
                                    done.stdout[-6000:]))
    return done.stdout


class Installed:
    """An installation: everything below `root`, in root + prefix."""

    def __init__(self, root, prefix, work):
        self.root, self.prefix = root, prefix
        self.usr = root + prefix
        self.lib = os.path.join(self.usr, "lib", TRIPLET)
        self.work = work
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)

    def has(self, *paths):
        for path in paths:
            if not os.path.exists(os.path.join(self.usr, path)):
                fail("%s is not installed" % path)

    def program(self, path, *arguments, env=None, status=0):
        env = dict(env or {})
        env["LD_LIBRARY_PATH"] = self.lib
        if not CROSS:
            return run([path, *arguments], env=env, status=status)
        # It is static: LD_* are for the program.
        return run(["qemu-aarch64-static", "-L", SYSROOT, path, *arguments],
                   env=env, status=status)

    # ---- building ----

    def by_cmake(self):
        """{name: program}"""
        folder = os.path.join(self.work, "cmake")
        words = ["cmake", "-S", PROJECT, "-B", folder, "-G", "Ninja"]
        if CROSS:
            words += ["-DCMAKE_TOOLCHAIN_FILE=%s/cmake/aarch64.cmake" % ROOT,
                      "-DVIREO_SYSROOT=" + SYSROOT,
                      "-DVireo_DIR=%s/cmake/Vireo" % self.lib]
        else:
            words += ["-DCMAKE_PREFIX_PATH=" + self.usr]
        run(words)
        run(["cmake", "--build", folder])
        return {name: os.path.join(folder, name) for name in (
            "c-shared", "cxx-shared", "c-static", "cxx-static", "c-tls",
            "c-http", "c-client", "c-preload", "both")}

    def flags(self, *words):
        env = {"PKG_CONFIG_LIBDIR": os.path.join(self.lib, "pkgconfig"),
               "PKG_CONFIG_SYSROOT_DIR": self.root}
        return run(["pkg-config", *words], env=env).split()

    def compile(self, name, source, flags):
        compiler = "g++" if source.endswith("pp") else "gcc"
        words = [compiler]
        if CROSS:
            words = ["aarch64-linux-gnu-" + compiler, "--sysroot=" + SYSROOT]
        output = os.path.join(self.work, name)
        # What the libraries need is beside them; packages have no run path, since
        # they go where the linker looks by itself.
        words.append("-Wl,-rpath-link," + self.lib)
        run([*words, "-Wall", "-Wextra", "-Werror", "-o", output,
             os.path.join(PROJECT, source), *flags])
        return output

    def by_pkg_config(self):
        """The same programs.  Of the static one: the archive, and all that
        --static adds; and one in which everything is static."""
        shared = self.flags("--cflags", "--libs", "vireo")
        static = self.flags("--cflags", "--libs", "--static", "vireo")
        archive = ["-l:libvireo.a" if flag == "-lvireo" else flag
                   for flag in static]
        tls = self.flags("--cflags", "--libs", "vireo-tls")
        http = self.flags("--cflags", "--libs", "vireo-http")
        client = self.flags("--cflags", "--libs", "vireo-http-client")
        preload = self.flags("--cflags", "--libs", "vireo-preload")
        return {
            "c-shared": self.compile("c-shared", "greenlets.c", shared),
            "cxx-shared": self.compile("cxx-shared", "greenlets.cpp", shared),
            "c-static": self.compile("c-static", "greenlets.c", archive),
            "cxx-static": self.compile("cxx-static", "greenlets.cpp", archive),
            "c-whole": self.compile("c-whole", "greenlets.c",
                                    ["-static", *static]),
            "c-tls": self.compile("c-tls", "secured.c", tls),
            "c-http": self.compile("c-http", "views.c", http),
            "c-client": self.compile("c-client", "asking.c", client),
            "c-preload": self.compile("c-preload", "blocking.c",
                                      [*preload, "-pthread"]),
        }

    # ---- running ----

    def needed(self, program):
        text = run(["readelf", "-dW", program])
        return [line.split("[")[1].split("]")[0] for line in text.split("\n")
                if "(NEEDED)" in line]

    def check_needed(self, name, program):
        needed = self.needed(program)
        shared = any(word in name for word in ("shared", "tls", "http", "client",
                                               "preload"))
        if ("libvireo.so.0" in needed) != shared:
            fail("%s needs %s" % (name, needed))
        for library, program_name in (("tls", "c-tls"), ("http", "c-http"),
                                      ("http-client", "c-client")):
            if ("libvireo-%s.so.0" % library in needed) != (
                    name == program_name):
                fail("%s needs %s" % (name, needed))
        if "preload" in name and not (
                needed.index("libvireo-preload.so.0") <
                needed.index("libc.so.6")):
            fail("%s needs %s, in this order" % (name, needed))

    def check_preload(self, program):
        """Threads are real; unless the environment, or the program itself,
        says otherwise."""
        for words, env, end in (
                ([], {}, "real"), (["all"], {"VIREO_PATCH": "all"},
                                   "greenlets"),
                (["all"], {"VIREO_PATCH": "thread,sync,time,file,socket"},
                 "greenlets"),
                ([], {"VIREO_PATCH": "-dns"}, "real"), (["call"], {},
                                                        "greenlets")):
            shown = self.program(program, *words, env=env)
            if shown != "blocking: threads are %s\n" % end:
                fail("blocking %s with %s: %s" % (words, env, shown))

    def check_refusal(self, programs):
        """A second runtime, out of libvireo.a: the program that has it runs
        natively, with one line; one that is linked to both is ended."""
        library = os.path.join(self.lib, "libvireo-preload.so.0")
        static = programs["c-static"]
        shown = self.program(static, env={"LD_PRELOAD": library})
        if REFUSAL not in shown or not shown.endswith(ORDER) or \
                shown.count("\n") != 2:
            fail("libvireo.a beside the preload library: " + shown)
        shown = self.program(static, status=97, env={"LD_PRELOAD": library,
                                                     "VIREO_REQUIRE": "1"})
        if REFUSAL not in shown or shown.count("\n") != 1:
            fail("libvireo.a, VIREO_REQUIRE=1: " + shown)
        if "both" in programs:
            shown = self.program(programs["both"], status=97)
            if REFUSAL not in shown or shown.count("\n") != 1:
                fail("linked to both: " + shown)

    def check(self, programs):
        for name, program in programs.items():
            if name == "c-preload":
                self.check_needed(name, program)
                self.check_preload(program)
            elif name != "both":
                self.check_needed(name, program)
                shown = self.program(program)
                if shown != ORDER:
                    fail("%s printed %s" % (name, shown))
        self.check_refusal(programs)

    def check_one_runtime(self, program):
        """The preload library takes the libvireo.so that is loaded, wherever it
        lies, and opens none beside itself."""
        elsewhere = os.path.join(self.work, "elsewhere")
        os.makedirs(elsewhere)
        for name in ("libvireo-preload.so.0", "libvireo.so.0"):
            shutil.copy(os.path.join(self.lib, name), elsewhere)
        maps = self.program(program, env={
            "LD_PRELOAD": os.path.join(elsewhere, "libvireo-preload.so.0"),
            "LD_TRACE_LOADED_OBJECTS": "0", "LD_DEBUG": "files"})
        opened = {line.split("file=")[1].split()[0] for line in
                  maps.split("\n") if "file=" in line and
                  "generating link map" in line}
        runtimes = [name for name in opened if "libvireo.so" in name]
        if runtimes != ["libvireo.so.0"]:
            fail("runtimes in one process: %s" % runtimes)

    def check_all(self):
        self.check(self.by_cmake())
        programs = self.by_pkg_config()
        self.check(programs)
        self.check_one_runtime(programs["c-shared"])
