"""What can be seen of a process from outside: RSS, descriptors, OS threads,
mappings, and how many threads libvireo.so has mapped, which it says of itself in
vireo_debug (context/debug.c)."""
import os
import struct
import time

VERSION = 2
MAPPED_NEXT = 20  # of the offsets in vireo_debug
OFFSETS_AT = 48
MOST = 1000000


def dynamic_symbol(path, name):
    """The value of a symbol that a 64-bit ELF file exports."""
    with open(path, "rb") as file:
        data = file.read()
    at, = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3a)
    sections = [struct.unpack_from("<IIQQQQII", data, at + n * size)
                for n in range(count)]
    for section in sections:
        if section[1] != 11:  # SHT_DYNSYM
            continue
        strings = sections[section[6]][4]
        for entry in range(section[4], section[4] + section[5], 24):
            start = strings + struct.unpack_from("<I", data, entry)[0]
            if data[start:data.index(b"\0", start)] == name.encode():
                return struct.unpack_from("<Q", data, entry + 8)[0]
    raise LookupError("%s has no %s" % (path, name))


def lines_of_maps(pid):
    with open("/proc/%d/maps" % pid) as file:
        return file.readlines()


class Sight:
    """Looks at processes that have one libvireo.so, or none."""

    def __init__(self):
        self.symbols = {}

    def _debug(self, lines):
        """Where vireo_debug is in the process; None: nowhere."""
        for line in lines:
            fields = line.split(None, 5)
            path = fields[5].strip() if len(fields) > 5 else ""
            if "/libvireo.so" in path and int(fields[2], 16) == 0:
                if path not in self.symbols:
                    self.symbols[path] = dynamic_symbol(path, "vireo_debug")
                return int(fields[0].split("-")[0], 16) + self.symbols[path]
        return None

    def mapped(self, pid, lines):
        """Threads that are mapped.  The process must stand still."""
        at = self._debug(lines)
        if at is None:
            return 0
        with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
            def word(address):
                return struct.unpack("<Q", os.pread(memory.fileno(), 8,
                                                    address))[0]

            magic, version = struct.unpack(
                "<8sI", os.pread(memory.fileno(), 12, at))
            if magic.rstrip(b"\0") != b"vireo" or version != VERSION:
                raise LookupError("vireo_debug is of another version")
            following = struct.unpack("<I", os.pread(
                memory.fileno(), 4, at + OFFSETS_AT + 4 * MAPPED_NEXT))[0]
            thread = word(word(word(at + 32)))
            count = 0
            while thread and count < MOST:
                count += 1
                thread = word(thread + following)
            return count

    def look(self, pid):
        """The figures of one process, which is stopped for that moment."""
        found = {}
        os.kill(pid, 19)  # SIGSTOP
        try:
            wait_until_stopped(pid)
            lines = lines_of_maps(pid)
            found["mapped"] = self.mapped(pid, lines)
            found["maps"] = len(lines)
            found["fds"] = len(os.listdir("/proc/%d/fd" % pid))
            found["tasks"] = tasks(pid)
            with open("/proc/%d/statm" % pid) as file:
                found["rss_kb"] = int(file.read().split()[1]) * (
                    os.sysconf("SC_PAGE_SIZE") // 1024)
        finally:
            os.kill(pid, 18)  # SIGCONT
        return found


def tasks(pid):
    """Of the kernel.  Not those that watch, one for each hub: they come when a thread is
    first seen to compute, which may be late."""
    count = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/comm" % (pid, task)) as file:
            count += file.read().strip() != "vireo-watch"
    return count


def wait_until_stopped(pid):
    for _ in range(2000):
        states = set()
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, task)) as file:
                states.add(file.read().rsplit(")", 1)[1].split()[0])
        if states <= {"T", "Z", "X"}:
            return
        time.sleep(0.001)
