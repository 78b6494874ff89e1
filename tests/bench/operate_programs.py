"""operate_programs.py - what it costs a server to be looked at.

One process, so that nothing differs but the dumps: slices of load with and without
one take turns (ABBA), each of about a second.
"""
import os
import subprocess

from programs import (PATIENCE, Child, Unavailable, cpu_seconds, need_descriptors,
                      on_core)

SLICES = 16     # of each kind in a run
SECOND = 1.0


def dump(place, pid):
    """`vireo dump`, at work; where it runs is the kernel's choice."""
    command = os.path.join(os.path.dirname(os.path.dirname(place.programs)), "bin",
                           "vireo")
    if not os.path.exists(command):
        raise Unavailable("vireo was not built")
    return subprocess.Popen([command, "dump", str(pid)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            preexec_fn=on_core(None))


def ended(command):
    if command is None:
        return
    said = command.communicate(timeout=PATIENCE)[1]
    if command.returncode:
        raise Unavailable("vireo dump: " + said.decode(errors="replace")[:200])


def one_slice(place, server, client, requests, dumped):
    """Seconds, and those of the server's processors, that so many requests take."""
    start = cpu_seconds(server.process.pid)
    command = dump(place, server.process.pid) if dumped else None
    try:
        client.send(f"{requests}\n")
        load = client.figures("done")
    finally:
        ended(command)
    if load["errors"] or not load["answered"]:
        raise Unavailable(f"{load['errors']:.0f} requests without an answer")
    return (load["answered"] / load["per_second"],
            cpu_seconds(server.process.pid) - start)


def take_turns(place, server, client):
    took = one_slice(place, server, client, 20_000, False)[0]
    requests = int(20_000 * SECOND / took)
    slices = 4 if place.quick else SLICES
    sums = {False: [0, 0], True: [0, 0]}
    for i in range(2 * slices):
        dumped = i % 4 in (1, 2)
        for at, value in enumerate(one_slice(place, server, client, requests,
                                             dumped)):
            sums[dumped][at] += value
    return {dumped: {"us": wall * 1e6 / requests / slices,
                     "cpu_us": cpu * 1e6 / requests / slices}
            for dumped, (wall, cpu) in sums.items()}


def dumps(connections):
    """Two measurements, without and with a dump a second; one run is both."""
    found = {}

    def measure(place):
        need_descriptors(connections + 200)
        server = Child([place.program("echo_threads")],
                       place.environment(True, {}), place.server_core)
        try:
            port = int(server.figures("port")["port"])
            client = Child([place.program("echo_client"), str(port),
                            str(connections)], dict(os.environ),
                           place.client_core)
            try:
                client.figures("ready")
                found.update(take_turns(place, server, client))
            finally:
                client.end()
        finally:
            server.end()
        return found.pop(False)

    def other(_):
        if True not in found:
            raise Unavailable("the run without dumps failed")
        return found.pop(True)
    return measure, other
