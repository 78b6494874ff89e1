#!/usr/bin/python3
# label: ci, long
# timeout: 600
"""`vireo doctor` of each program of docs/compatibility.md that is here: its status, what
it notes, and that `vireo run` does as it says, with threads of that program where a
command line makes some.  The packages of `./dev test long` have most of them."""
import os
import shutil
import subprocess
import sys

import harness
from harness import check

COMMAND = os.path.join(harness.BUILD_DIR, "bin", "vireo")
# What is said of the machine, and of Python's module, is not the program's.
NOT_THE_PROGRAMS = {"guards", "nofile", "memory", "seccomp", "fsgsbase", "greenlet",
                    "kernel", "libc"}
THREAD_PY = "import threading as t; x = t.Thread(target=print); x.start(); x.join()"
PERL = "use threads; async { 1 }->join;"
RUBY = "Thread.new { 1 }.join"
MAPPED, NONE, NATIVE = "mapped", "none", "native"

# (row, command line, status, what is noted, which threads it makes)
TABLE = [
    ("Redis itself", ["redis-server", "--version"], 0, set(), NONE),
    ("redis-benchmark", ["redis-benchmark", "--version"], 0, set(), NONE),
    ("redis-cli", ["redis-cli", "--version"], 0, set(), NONE),
    ("OpenSSL", ["openssl", "version"], 0, set(), NONE),
    ("curl", ["curl", "--version"], 0, set(), NONE),
    ("webrick", ["ruby", "-e", RUBY], 0, set(), MAPPED),
    ("stunnel", ["stunnel4", "-version"], 0, set(), MAPPED),
    ("tinyproxy", ["tinyproxy", "-v"], 0, set(), NONE),
    ("microsocks", ["microsocks", "-?"], 0, set(), NONE),
    ("Perl's threads", ["perl", "-e", PERL], 0, set(), MAPPED),
    ("Python", ["/usr/bin/python3", "-c", THREAD_PY], 0, set(), MAPPED),
    ("PyPy", ["pypy3", "-c", THREAD_PY], 0, set(), MAPPED),
    ("gunicorn, a script", ["gunicorn", "--version"], 0, set(), NONE),
    ("Flask, a script", ["flask", "--version"], 0, set(), NONE),
    ("Celery, a script", ["celery", "--version"], 0, set(), NONE),
    ("nginx", ["nginx", "-v"], 0, set(), NONE),
    ("HAProxy", ["haproxy", "-v"], 0, set(), MAPPED),
    ("lighttpd", ["lighttpd", "-v"], 0, set(), NONE),
    ("Node.js", ["node", "-e", "0"], 0, {("note", "syscalls")}, MAPPED),
    ("Java", ["java", "-Xint", "-version"], 0, set(), MAPPED),
    ("MariaDB", ["mariadbd", "--version"], 0, {("note", "io_uring"),
                                               ("note", "syscalls")}, NONE),
    ("mariadb-slap", ["mariadb-slap", "--version"], 0, set(), NONE),
    ("PostgreSQL", ["/usr/lib/postgresql/15/bin/postgres", "--version"], 0,
     {("note", "syscalls")}, NONE),
    ("sysbench", ["sysbench", "--threads=2", "--time=1", "threads", "run"], 0,
     {("note", "libaio")}, MAPPED),
    ("stress-ng", ["stress-ng", "--version"], 0, set(), NONE),
    ("pigz", ["pigz", "-p4", "-c", __file__], 0, set(), MAPPED),
    ("xz", ["xz", "-T4", "-c", __file__], 0, set(), None),
    ("zstd", ["zstd", "-q", "-T4", "-c", __file__], 0, set(), MAPPED),
    ("memcached", ["memcached", "-V"], 0, set(), NONE),
    ("Apache httpd", ["apache2", "-v"], 0, set(), NONE),
    ("uWSGI", ["uwsgi", "--version"], 0, set(), NONE),
    ("PHP-FPM", ["php-fpm8.2", "-v"], 0, set(), NONE),
    ("Mosquitto", ["mosquitto_pub", "--version"], 0, set(), NONE),
    ("Knot Resolver", ["kresd", "--version"], 0, set(), NONE),
    ("rsync", ["rsync", "--version"], 0, set(), NONE),
    ("FFmpeg", ["ffmpeg", "-version"], 0, {("note", "threads")}, None),
    ("SQLite", ["sqlite3", "-version"], 0, set(), NONE),
    ("Varnish", ["varnishd", "-V"], 0, set(), NONE),
    ("BIND", ["named", "-v"], 0, set(), NONE),
    ("Unbound", ["unbound", "-V"], 0, set(), NONE),
    ("dnsmasq", ["dnsmasq", "--version"], 0, set(), NONE),
    ("Knot DNS", ["knotd", "--version"], 0, set(), NONE),
    ("nghttpd", ["nghttpd", "--version"], 0, set(), NONE),
    ("Squid", ["squid", "-v"], 0, set(), NONE),
    ("Apache Traffic Server", ["traffic_server", "-V"], 0, set(), NONE),
    ("rsyslog", ["rsyslogd", "-v"], 0, set(), NONE),
    ("gearmand", ["gearmand", "-V"], 0, set(), NONE),
    ("coturn", ["turnserver", "--version"], 0, set(), NONE),
    ("munged", ["munged", "-V"], 0, set(), NONE),
    ("Icecast", ["icecast2", "-v"], 0, set(), NONE),
    ("FreeRADIUS", ["freeradius", "-v"], 0, set(), NONE),
    ("clamd", ["clamd", "-V"], 0, set(), NONE),
    ("ssh", ["ssh", "-V"], 0, set(), NONE),
    ("collectd", ["collectd", "-h"], 0, set(), NONE),
    ("Puma", ["puma", "--version"], 0, set(), NONE),
    ("GStreamer", ["gst-launch-1.0", "--version"], 0, set(), NONE),
    ("x264", ["x264", "--version"], 0, {("note", "threads")}, NONE),
    ("mold", ["mold", "--version"], 0, set(), NONE),
    ("lld", ["ld.lld", "--version"], 0, set(), NONE),
    ("fio", ["fio", "--version"], 0, {("note", "libaio"), ("note", "syscalls")},
     NONE),
    ("aria2", ["aria2c", "--version"], 0, set(), NONE),
    ("git", ["git", "--version"], 0, set(), NONE),
    ("plzip", ["plzip", "-n4", "-c", __file__], 0, set(), MAPPED),
    ("rustc", ["rustc", "--version"], 0, set(), MAPPED),
    ("Go, its own command", ["go", "version"], 0, {("note", "go"),
                                                   ("note", "syscalls")}, NATIVE),
    ("setuid", ["su", "--version"], 126, {("no", "program")}, None),
    ("static", ["/sbin/ldconfig", "--version"], 126, {("no", "program")}, None),
]


def run(words, **more):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, timeout=120,
                          env={**harness.environment(harness.NATIVE),
                               "VIREO_CONTROL": "0", **more})
    return done.returncode, done.stderr.decode(errors="replace"), done.stdout.decode(
        errors="replace")


def noted(text):
    """{(mark, what)} of lines that are not ok."""
    found = set()
    for line in text.split("\n"):
        words = line.split()
        if len(words) > 2 and words[0] in ("note", "warn", "no") and \
                words[1] not in NOT_THE_PROGRAMS:
            found.add((words[0], words[1]))
    return found


def doctor(row, program, status, expected):
    """What it says; without VIREO_CONTROL=0, which it would note."""
    rc, errors, text = run([COMMAND, "doctor", "--", program], VIREO_CONTROL="")
    check(rc == status, "%s: status %d, not %d:\n%s", row, rc, status, text)
    check(errors == "", "%s: on stderr: %s", row, errors)
    check(noted(text) == expected, "%s: it notes %s, not %s:\n%s", row, noted(text),
          expected, text)
    return text


def compare(row, words, status, threads):
    """It is refused, or ends as natively; its threads are what was said."""
    native = run(words)
    rc, errors, _ = run([COMMAND, "run", "--require", "--", *words],
                        VIREO_VERBOSE="2")
    if status == 126:
        check(rc == 126 and errors.startswith("vireo: ") and errors.count("\n") == 1,
              "%s: it is not refused: %d %s", row, rc, errors)
        return
    check(rc == native[0], "%s: status %d, natively %d: %s", row, rc, native[0],
          errors)
    mapped = "vireo: runs" in errors
    if threads in (MAPPED, NONE):
        check(mapped == (threads == MAPPED), "%s: its threads are %s, not %s:\n%s",
              row, "mapped" if mapped else "native, or there are none", threads,
              errors)


def test_programs():
    looked, wrong = 0, []
    for row, words, status, expected, threads in TABLE:
        program = shutil.which(words[0])
        if program is None:
            print("%-24s is not here" % row)
            continue
        try:
            text = doctor(row, program, status, expected)
            last = text.rstrip("\n").split("\n")[-1]
            some_stay = threads == NATIVE or ("note", "threads") in expected
            check(("but for" in last) == some_stay, "%s: %s", row, last)
            compare(row, [program, *words[1:]], status, threads)
            print("%-24s %s" % (row, last))
        except harness.Failed as error:
            wrong.append(str(error))
        looked += 1
    check(wrong == [], "%s", "\n".join(wrong))
    check(looked > 5, "%d programs are here", looked)


# ---- those that are built ----


def built(name, compiler, source, *flags):
    harness.need(compiler)
    path = os.path.join(harness.BUILD_DIR, "tests", "programs", "doctor_" + name)
    done = subprocess.run([compiler, "-o", path, os.path.join(
        harness.HERE, "clients", source), "-pthread", *flags], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise harness.Skip("cannot build %s: %s" % (source, done.stdout[-500:]))
    return path


def test_openmp_gcc():
    path = built("openmp_gcc", "gcc", "openmp.c", "-fopenmp")
    text = doctor("OpenMP", path, 0, {("note", "threads")})
    check("but for those" in text, "%s", text)


def test_openmp_clang():
    path = built("openmp_clang", "clang", "openmp.c", "-fopenmp")
    text = doctor("OpenMP", path, 0, {("note", "threads")})
    check("but for those" in text, "%s", text)


def test_cxx():
    path = built("cxx", "g++", "threads.cpp", "-std=c++20")
    doctor("C++20", path, 0, set())


def test_openssl():
    path = built("tls_server", "gcc", "tls_server.c", "-lssl", "-lcrypto")
    doctor("OpenSSL, a C server", path, 0, set())


def test_libcurl():
    path = built("curl_threads", "gcc", "curl_threads.c", "-lcurl")
    doctor("libcurl", path, 0, set())


if __name__ == "__main__":
    sys.exit(harness.main(globals()))
