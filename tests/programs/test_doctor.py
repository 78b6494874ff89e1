#!/usr/bin/python3
# label: ci
# timeout: 300
"""`vireo doctor`: what it says of programs that work, that run natively, and that are
refused, and that running them says the same."""
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile

import harness
from harness import check

COMMAND = os.path.join(harness.BUILD_DIR, "bin", "vireo")
THREAD = """
#include <pthread.h>
#include <stdio.h>
static void *run(void *arg) { return arg; }
int main(void)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, run, NULL);

    if (rc == 0)
        pthread_join(thread, NULL);
    puts(rc == 0 ? "fine" : "not fine");
    return rc != 0;
}
"""
SYSCALL = {
    "x86_64": '__asm__ volatile("mov $202, %eax\\n syscall");',
    "aarch64": '__asm__ volatile("mov x8, #98\\n svc #0");',
}
folder = tempfile.TemporaryDirectory()


def built(name, text, *flags):
    source = os.path.join(folder.name, name + ".c")
    path = os.path.join(folder.name, name)
    with open(source, "w") as file:
        file.write(text)
    done = subprocess.run(["cc", "-O1", "-o", path, source, "-pthread", *flags],
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise harness.Skip("cannot build %s: %s" % (name,
                                                    done.stderr.decode()))
    return path


def environment(**variables):
    env = harness.environment(harness.NATIVE)
    env.update(variables)
    return env


def doctor(program, status=0, before=None, **variables):
    done = subprocess.run([COMMAND, "doctor", "--", program], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(**variables), preexec_fn=before,
                          timeout=60)
    check(done.returncode == status, "%s: status %s:\n%s%s", program,
          done.returncode, done.stdout, done.stderr)
    return done.stdout


def agrees(program, status, before=None, **variables):
    """Running it, with threads or not at all, ends so, too."""
    done = subprocess.run([COMMAND, "run", "--require", "--", program],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(**variables), preexec_fn=before,
                          timeout=60, text=True)
    ended = {0: done.returncode == 0 and done.stdout == "fine\n",
             1: done.returncode == 97, 126: done.returncode == 126}
    check(ended[status], "doctor says %d of %s, running it: %s", status,
          program, done)
    return doctor(program, status, before, **variables)


def has(text, mark, what, words=""):
    for line in text.splitlines():
        if line.split()[:2] == [mark, what] and words in line:
            return
    raise harness.Failed("no `%s %s %s` in:\n%s" % (mark, what, words, text))


def test_plain():
    text = agrees(built("plain", THREAD), 0)
    has(text, "ok", "program", "plain")
    has(text, "ok", "libc", "glibc 2.")
    has(text, "ok", "kernel")
    check("syscalls" not in text and "no " not in text.splitlines()[0], "%s",
          text)
    check(text.endswith("would be greenlets; 0 warnings\n"), "%s", text)


def test_script():
    path = os.path.join(folder.name, "script")
    with open(path, "w") as file:
        file.write("#!/usr/bin/env python3\n")
    os.chmod(path, 0o755)
    has(doctor(path, PATH="/usr/bin:/bin"), "ok", "program", "a script for")


def test_refused():
    has(agrees(built("static", THREAD, "-static"), 126), "no", "program",
        "static")
    path = built("setuid", THREAD)
    os.chmod(path, os.stat(path).st_mode | stat.S_ISUID)
    has(agrees(path, 126), "no", "program", "setuid")
    path = os.path.join(folder.name, "text")
    with open(path, "w") as file:
        file.write("what is it\n")
    os.chmod(path, 0o755)
    has(agrees(path, 126), "no", "program", "neither a program nor a script")


def test_capabilities():
    if os.geteuid() != 0 or not shutil.which("setcap"):
        raise harness.Skip("needs root and setcap")
    path = built("capable", THREAD)
    if subprocess.run(["setcap", "cap_net_raw+ep", path]).returncode != 0:
        raise harness.Skip("no file capabilities here")
    has(agrees(path, 126), "no", "program", "capabilities")


def test_sanitizer():
    has(agrees(built("tsan", THREAD, "-fsanitize=thread"), 1), "no",
        "sanitizer", "ThreadSanitizer")


def test_own_pthread_create():
    own = ("#include <pthread.h>\n"
           "#define run other\n"
           "int pthread_create(pthread_t *t, const pthread_attr_t *a,"
           " void *(*f)(void *), void *x)\n"
           "{ *t = 0; (void)a; f(x); return 0; }\n"
           "int main(void) { pthread_t t; return pthread_create(&t, 0, 0, 0); }"
           "\n")
    has(doctor(built("own", own, "-rdynamic"), 1), "no", "program",
        "pthread_create() of its own")


def test_calls_of_its_own():
    body = SYSCALL[os.uname().machine]
    text = THREAD.replace("int main", "static void __attribute__((used))"
                          " wait_itself(void) { %s }\nint main" % body)
    has(agrees(built("raw", text), 0), "note", "syscalls", "futex")


def test_bytes_like_a_call():
    """`movdqa 0x50f30(%rip)` after `mov $1, %eax`, as libssl.so.3 of Debian 13 has it."""
    if os.uname().machine != "x86_64":
        raise harness.Skip("instructions of x86-64")
    body = ('__asm__ volatile("mov $1, %eax\\n"'
            ' ".byte 0x66, 0x0f, 0x6f, 0x05, 0x30, 0x0f, 0x05, 0x00");')
    text = THREAD.replace("int main", "static void __attribute__((used))"
                          " add_itself(void) { %s }\nint main" % body)
    text = agrees(built("like", text), 0)
    check("syscalls" not in text, "%s", text)


def test_openmp():
    text = THREAD.replace("int main", "#include <omp.h>\nint main").replace(
        "int rc", "int rc = omp_get_max_threads() < 1, one")
    text = text.replace("one = pthread_create", "one = 0; rc |= pthread_create")
    path = built("openmp", text, "-fopenmp")
    text = agrees(path, 0)
    has(text, "note", "threads", "stay the kernel's")
    check("greenlets, but for those that stay" in text, "%s", text)


def test_go():
    text = THREAD + ('static const char go[] __attribute__((used, section('
                     '".gopclntab"))) = "x";\n')
    has(doctor(built("go", text)), "note", "go", "stay the kernel's")


def test_found_by_a_link():
    """The loader looks beside the program itself, not beside the link; and what it
    has to say is a line of ours."""
    place = os.path.join(folder.name, "place")
    os.makedirs(place)
    library = built("place/libbeside.so", "int beside(void) { return 0; }\n",
                    "-shared", "-fPIC")
    path = built("place/linked", THREAD.replace(
        "int main", "int beside(void);\nint main").replace(
            "int rc =", "int rc = beside() +"), library, "-Wl,-rpath,$ORIGIN",
                 "-Wl,--no-as-needed")
    link = os.path.join(folder.name, "link")
    os.symlink(path, link)
    text = agrees(link, 0)
    check("warn " not in text, "%s", text)
    os.remove(library)
    text = doctor(link)
    check(any(line.startswith("warn  library") and "libbeside.so" in line
              for line in text.split("\n")), "%s", text)


def test_links_the_library():
    library = os.path.join(harness.BUILD_DIR, "lib")
    path = built("linked", THREAD.replace(
        "int main", "const void *vireo_api(void);\nint main").replace(
            "puts(", "if (vireo_api() == NULL) rc = 1;\n    puts("),
        "-L" + library, "-Wl,-rpath," + library, "-lvireo")
    has(doctor(path, 1), "no", "libvireo", "links it")


def test_limits():
    path = built("limited", THREAD)

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))

    has(agrees(path, 1, few), "no", "nofile", "20")

    def soft():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))

    has(doctor(path, 0, soft), "note", "nofile", "256")


def test_options():
    path = built("options", THREAD)
    has(doctor(path, 1, VIREO_PATCH="-thread"), "no", "options")
    has(doctor(path, 1, VIREO_PATCH="file,socket"), "no", "options")
    doctor(path, 0, VIREO_PATCH="-dns")
    has(doctor(path, 0, VIREO_NATIVE_THREADS="worker-*"), "note", "options",
        "worker-*")
    has(doctor(path, 0, VIREO_CONTROL="0"), "note", "options", "VIREO_CONTROL")


def test_greenlet_module():
    modules = os.path.join(folder.name, "modules", "greenlet")
    os.makedirs(modules)
    path = os.path.join(modules, "_greenlet.cpython-311-x86_64-linux-gnu.so")
    python = "/usr/bin/python3"
    for words, mark in (("nothing", "warn"),
                        ("GREENLET_USE_CONTEXT_VARS", "ok")):
        with open(path, "w") as file:
            file.write(words)
        text = doctor(python, 0, PYTHONPATH=os.path.dirname(modules))
        has(text, mark, "greenlet", path)
    check(("%d warning" % (mark == "warn")) in text, "%s", text)


def test_command_line():
    done = subprocess.run([COMMAND, "doctor"], stderr=subprocess.PIPE,
                          text=True)
    check(done.returncode == 2 and done.stderr.count("\n") == 1, "%s", done)
    done = subprocess.run([COMMAND, "doctor", "--", "no-such-program"],
                          stderr=subprocess.PIPE, text=True)
    check(done.returncode == 127 and done.stderr.count("\n") == 1, "%s", done)


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
