"""Run many scripts in one process of an interpreter, and survive its death."""
import subprocess

ENDED = "ended by "


def _run(command, scripts, timeout):
    text = "".join("=== %s\n%s" % pair for pair in scripts)
    process = subprocess.Popen(command, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(text.encode(), timeout)
        how = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        how = "timeout"
    return out.decode(errors="replace"), err.decode(errors="replace"), how


def _split(out):
    logs = {}
    for part in out.split("=== ")[1:]:
        name, _, log = part.partition("\n")
        logs[name] = log.splitlines()
    return logs


def _why(how):
    if how == "timeout":
        return ENDED + "timeout"
    if how < 0 or how > 128:
        return ENDED + "signal %d" % (-how if how < 0 else how - 128)
    return ENDED + "status %d" % how


def run(command, scripts, timeout):
    """{name: log} for (name, text) pairs.  The log of one that ends the process
    has a last line of its own; the rest is run without it."""
    logs = {}
    while scripts:
        limit = timeout if len(scripts) == 1 else timeout + len(scripts) * 0.2
        out, err, how = _run(command, scripts, limit)
        done = _split(out)
        whole = [name for name, log in done.items()
                 if log and log[-1].split()[0] in ("alive", "bad")]
        for name in whole:
            logs[name] = done[name]
        rest = [pair for pair in scripts if pair[0] not in logs]
        if not rest:
            if how != 0:  # at its very end: leaks, a report of a sanitizer
                name = scripts[-1][0]
                logs[name] = logs[name] + [_why(how)] + err.splitlines()[-40:]
            return logs
        name = rest[0][0]
        if len(scripts) > 1:  # alone, so that what it printed is seen
            logs.update(run(command + ["-u"], rest[:1], timeout))
            if logs[name][-1].startswith("alive"):
                logs[name].append(_why(how) + " in a batch only")
        else:
            logs[name] = (done.get(name, []) + err.splitlines()[-40:] +
                          [_why(how)])
        scripts = rest[1:]
    return logs
