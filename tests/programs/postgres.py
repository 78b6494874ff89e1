"""A PostgreSQL of Debian's with its data in a temporary folder, on a port of
the kernel's choice.  It refuses to be root's: then it is nobody's."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

import harness
from harness import NATIVE, Skip, check


def program(name):
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/" + name))
    if not found:
        raise Skip("postgresql is not installed")
    return found[-1]


def as_somebody(command):
    """The command line that runs it as nobody, where we are root."""
    if os.geteuid() != 0:
        return command
    harness.need("setpriv")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
            "--pdeathsig=KILL", *command]


@contextlib.contextmanager
def cluster():
    """A folder with data of its own: user postgres, database postgres, no
    password."""
    initdb = program("initdb")
    with tempfile.TemporaryDirectory(prefix="vireo-postgres-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        done = subprocess.run(
            as_somebody([initdb, "-D", os.path.join(folder, "data"),
                         "-U", "postgres", "-A", "trust",
                         "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=folder)
        check(done.returncode == 0, "initdb: %s", done.stdout[-800:])
        yield folder


def start(folder, mode=NATIVE, env=None, options=(), **more):
    """The server of such a folder.  Its processes have sessions of their own:
    it ends them."""
    postgres, is_ready = program("postgres"), program("pg_isready")
    running = harness.start_server(lambda port: as_somebody(
        [postgres, "-D", os.path.join(folder, "data"), "-p", str(port),
         "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off", *options]),
        mode, env, cwd=folder, **more)
    # It accepts connections before it has recovered.
    for _ in range(300):
        if harness.run([is_ready, "-h", "127.0.0.1", "-p",
                        str(running.port)])[0] == 0:
            return running
        time.sleep(0.1)
    raise harness.Failed("PostgreSQL does not get ready: %s" %
                         running.output()[-800:])


@contextlib.contextmanager
def server(mode=NATIVE, env=None):
    """Gives the port; user postgres, database postgres, no password."""
    with cluster() as folder:
        running = start(folder, mode, env)
        try:
            yield running.port
        finally:
            running.stop(signal.SIGINT, timeout=20)
