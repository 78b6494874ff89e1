"""Run a test program in a session of its own, and let nothing outlive it.

usage: run_alone.py [--again] program [argument...]

--again is for programs that run under an emulator and without Vireo: in qemu-user
the child of a fork() among threads now and then waits for ever for a lock of
qemu's own.  One that was killed runs once more, and that is said.

These programs kill and wait for processes: one that goes wrong must not take
the runner with it, and a child that hangs must neither stay on the machine nor
keep the runner waiting for the end of its output.  The status is the program's.
"""
import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 1.0


def start(command):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            print(error, file=sys.stderr)
        os._exit(127)
    return pid


def children():
    with open("/proc/self/task/%d/children" % os.getpid()) as stream:
        return [int(pid) for pid in stream.read().split()]


def reap():
    """True when there is nobody left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        return True
    return False


def clear():
    """Those that the program has left become our children; they get a moment
    to end by themselves."""
    until = time.monotonic() + GRACE_S
    while not reap():
        if time.monotonic() > until:
            for pid in children():
                print("left running, killed: %d" % pid, file=sys.stderr)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def run(command):
    """Its exit status, or minus the signal that ended it."""
    program = start(command)

    def stop(number, _):
        os.kill(program, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    _, status = os.waitpid(program, 0)
    clear()
    return os.waitstatus_to_exitcode(status)


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = sys.argv[1:]
    again = command[0] == "--again"
    if again:
        command = command[1:]
    code = run(command)
    if again and code == -signal.SIGKILL:
        print("hung in the emulator, without Vireo: once more", flush=True)
        code = run(command)
    sys.stdout.flush()
    if code < 0:
        print("ended by signal %d" % -code, file=sys.stderr)
        code = 128 - code
    os._exit(code)


if __name__ == "__main__":
    main()
