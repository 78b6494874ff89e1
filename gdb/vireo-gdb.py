"""Greenlets of Vireo in gdb: `source` this file, or `gdb -x` it.

  info greenlets           all of the process, numbered
  greenlet N bt [...]      the frames of one; `bt full`, `bt 3` as usual
  greenlet N COMMAND       any command, in the innermost frame of one
  greenlet all COMMAND     in each of those that are suspended
  greenlets-core FILE      generate-core-file that has the stacks of greenlets

N is a number of `info greenlets` or an address.  Works on live processes and on
core files, with or without debug information of libvireo.so: what lies where is
read from its vireo_debug (context/debug.c).  Nothing in the process is changed.
"""
import contextlib
import re
import struct

import gdb
import gdb.unwinder

FIELDS = """greenlet_size greenlet_context greenlet_thread greenlet_state
    greenlet_is_main greenlet_has greenlet_refs greenlet_parent greenlet_run
    greenlet_slot greenlet_name slot_base slot_size slot_guard thread_current
    thread_thread_pointer thread_main os_first os_next mapped_thread
    mapped_next has_name state_new state_active state_orphan
    state_freed state_waiting frame_registers""".split()
VERSION = 2

# What jump_fcontext() leaves on a stack, from the first of the saved registers
# (frame_registers) on: register, offset; and the stack pointer once it has
# returned.
SAVED = {
    "i386:x86-64": (
        [("r12", 0x00), ("r13", 0x08), ("r14", 0x10), ("r15", 0x18),
         ("rbx", 0x20), ("rbp", 0x28), ("rip", 0x30)], 0x38),
    "aarch64": (
        [("x%d" % n, 8 * (n - 19)) for n in range(19, 31)]
        + [("pc", 0x60)], 0x70),
}
POINTERS = {  # stack pointer, program counter, thread pointer
    "i386:x86-64": ("rsp", "rip", "fs_base"),
    "aarch64": ("sp", "pc", "tpidr"),
}


def architecture():
    name = gdb.selected_inferior().architecture().name()
    if name.startswith("i386:x86-64"):
        name = "i386:x86-64"
    if name not in SAVED:
        raise gdb.GdbError("greenlets: not for %s" % name)
    return name


def number(value):
    return int(value) & (1 << 64) - 1


class Memory:
    def read(self, address, form):
        data = gdb.selected_inferior().read_memory(address,
                                                   struct.calcsize(form))
        found = struct.unpack(form, bytes(data))
        return found[0] if len(found) == 1 else found

    def word(self, address):
        return self.read(address, "<Q")

    def text(self, address, size):
        data = bytes(gdb.selected_inferior().read_memory(address, size))
        return data.split(b"\0")[0].decode("utf-8", "replace")


memory = Memory()


class Layout:
    """libvireo.so's description of itself."""

    def __init__(self):
        try:
            at = number(gdb.parse_and_eval("(unsigned long)&vireo_debug"))
            magic = memory.text(at, 8)
            version, _ = memory.read(at + 8, "<II")
        except gdb.error:
            raise gdb.GdbError("greenlets: no libvireo.so in this process")
        if magic != "vireo" or version != VERSION:
            raise gdb.GdbError("greenlets: libvireo.so is of another version")
        slabs, threads, mapped, slab = memory.read(at + 16, "<QQQQ")
        self.slabs, self.threads, self.mapped = (
            memory.word(memory.word(where))
            for where in (slabs, threads, mapped))
        self.slab = memory.read(slab, "<IIIII")
        for name, value in zip(FIELDS, memory.read(
                at + 48, "<%dI" % len(FIELDS))):
            setattr(self, name, value)


class Greenlet:
    def __init__(self, layout, address):
        self.address = address
        self.context = memory.word(address + layout.greenlet_context)
        self.saved = self.context + layout.frame_registers
        self.thread = memory.word(address + layout.greenlet_thread)
        self.state = memory.read(address + layout.greenlet_state, "<B")
        self.is_main = memory.read(address + layout.greenlet_is_main, "<B")
        self.parent = memory.word(address + layout.greenlet_parent)
        slot = address + layout.greenlet_slot
        self.base = memory.word(slot + layout.slot_base)
        self.size = memory.word(slot + layout.slot_size)
        self.name = ""
        has = memory.read(address + layout.greenlet_has, "<B")
        if has & layout.has_name:
            self.name = memory.text(address + layout.greenlet_name, 32)
        self.live = self.state != layout.state_freed
        self.runs_on = None
        self.words = self._words(layout)

    def _words(self, layout):
        if self.state == layout.state_new:
            return "new"
        if self.state == layout.state_orphan:
            return "orphan"
        if self.state not in (layout.state_active, layout.state_waiting):
            return "dead"
        return "suspended"

    @property
    def suspended(self):
        return self.words == "suspended"

    def has(self, stack_pointer):
        return self.base <= stack_pointer < self.base + self.size

    def kind(self):
        if not self.is_main:
            return "greenlet"
        return "thread" if self.size else "main"

    def used(self):
        """KiB between the saved stack pointer and the top of the slot."""
        if not self.suspended or not self.size:
            return ""
        return "%d/%d" % ((self.base + self.size - self.context + 1023) // 1024,
                          self.size // 1024)


def slots(layout):
    """Lowest usable address and top of each slot that was ever used."""
    at_next, at_start, at_carved, at_stride, at_guard = layout.slab
    slab = layout.slabs
    while slab:
        stride = memory.word(slab + at_stride)
        guard = memory.word(slab + at_guard)
        for base in range(memory.word(slab + at_start),
                          memory.word(slab + at_carved), stride):
            yield base + guard, base + stride
        slab = memory.word(slab + at_next)


def in_slots(layout):
    """The topmost word of a slot says whose it is."""
    for _, top in slots(layout):
        owner = memory.word(top - 8)
        if owner == (top - 8 - layout.greenlet_size) & ~63:
            yield owner


def stacks_are_missing(layout):
    """A slot that was ever used has an owner or a link there."""
    words = [memory.word(top - 8) for _, top in slots(layout)]
    return bool(words) and not any(words) and not layout.mapped


def of_threads(layout):
    """Main greenlets of real threads, and of pthreads that are mapped."""
    os = layout.threads
    while os:
        yield memory.word(os + layout.os_first) + layout.thread_main
        os = memory.word(os + layout.os_next)
    mapped = layout.mapped
    while mapped:
        yield mapped + layout.mapped_thread + layout.thread_main
        mapped = memory.word(mapped + layout.mapped_next)


def registers_of_threads():
    """Stack pointer and thread pointer of each thread that gdb knows of."""
    stack, _, thread = POINTERS[architecture()]
    selected = gdb.selected_thread()
    for each in gdb.selected_inferior().threads():
        each.switch()
        frame = gdb.newest_frame()
        pointer = None  # old kernels and cores do not tell
        with contextlib.suppress(ValueError, gdb.error):
            pointer = number(frame.read_register(thread))
        yield each, number(frame.read_register(stack)), pointer
    if selected is not None:
        selected.switch()


def mark_running(layout, greenlets):
    """A greenlet runs if a thread is on its stack; a main without a stack of
    ours, if its thread is on none and its thread pointer is loaded."""
    for each, stack, pointer in registers_of_threads():
        runs = [g for g in greenlets if g.size and g.has(stack)] or [
            g for g in greenlets if not g.size and g.address == memory.word(
                g.thread + layout.thread_current) and pointer in (None,
                memory.word(g.thread + layout.thread_thread_pointer))]
        for g in runs:
            if g.suspended:
                g.words = "running"
                g.runs_on = each


def all_greenlets():
    if not gdb.selected_inferior().threads():
        raise gdb.GdbError("greenlets: no process and no core file")
    layout = Layout()
    if stacks_are_missing(layout):
        gdb.write("greenlets: the core file lacks their stacks; "
                  "greenlets-core makes one that has them\n")
    addresses = list(of_threads(layout)) + sorted(in_slots(layout))
    greenlets = [Greenlet(layout, address) for address in addresses]
    greenlets = [g for g in greenlets if g.live]
    mark_running(layout, greenlets)
    return greenlets


# ---- the frames of one -------------------------------------------------------

class Unwinder(gdb.unwinder.Unwinder):
    """While it is told so, says that the innermost frame was called from where
    a greenlet is suspended.  No register is set, so that it works on a core."""

    def __init__(self):
        super().__init__("vireo greenlets")
        self.saved = None
        self.innermost = None

    def __call__(self, pending):
        if self.saved is None:
            return None
        name = architecture()
        stack, counter, _ = POINTERS[name]
        here = tuple(number(pending.read_register(r))
                     for r in (stack, counter))
        if here != self.innermost:
            return None
        registers, above = SAVED[name]
        word = gdb.lookup_type("unsigned long")
        frame = pending.create_unwind_info(
            FrameId(gdb.Value(self.saved).cast(word),
                    gdb.Value(here[1]).cast(word)))
        for register, offset in registers:
            value = memory.word(self.saved + offset)
            frame.add_saved_register(register, gdb.Value(value).cast(word))
        frame.add_saved_register(
            stack, gdb.Value(self.saved + above).cast(word))
        for mask in ("pauth_dmask", "pauth_cmask"):  # of signed addresses
            with contextlib.suppress(ValueError, gdb.error):
                frame.add_saved_register(mask, pending.read_register(mask))
        return frame


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


unwinder = Unwinder()
gdb.unwinder.register_unwinder(None, unwinder, replace=True)


class Suspended:
    """with Suspended(greenlet) as n: frame n is its innermost."""

    def __init__(self, greenlet):
        self.saved = greenlet.saved

    def __enter__(self):
        stack, counter, _ = POINTERS[architecture()]
        frame = gdb.newest_frame()
        unwinder.innermost = (number(frame.read_register(stack)),
                              number(frame.read_register(counter)))
        unwinder.saved = self.saved
        gdb.invalidate_cached_frames()
        top = self.saved + SAVED[architecture()][1]
        frame, level = gdb.newest_frame(), 0
        while frame is not None:
            if number(frame.read_register(stack)) == top:
                return level
            frame, level = frame.older(), level + 1
        raise gdb.GdbError("greenlets: this stack cannot be unwound")

    def __exit__(self, *_):
        unwinder.saved = None
        gdb.invalidate_cached_frames()


def renumbered(text, first):
    """The backtrace from its frame `first` on, which becomes #0."""
    lines, keep = [], False
    for line in text.splitlines():
        frame = re.match(r"#(\d+)( *)", line)
        if frame:
            level = int(frame.group(1))
            keep = level >= first
            line = "#%-3d%s" % (level - first, line[frame.end():])
        if keep or not frame and line.startswith("(More"):
            lines.append(line)
    return "\n".join(lines)


def backtrace(greenlet, arguments):
    with Suspended(greenlet) as first:
        words = [str(int(word) + first) if word.isdigit() else word
                 for word in arguments.split()]
        text = gdb.execute(" ".join(["backtrace"] + words), to_string=True)
    return renumbered(text, first)


def run_in(greenlet, command):
    word, _, rest = command.partition(" ")
    if greenlet.runs_on:
        selected = gdb.selected_thread()
        greenlet.runs_on.switch()
        gdb.execute(command)
        selected.switch()
        return
    if not greenlet.suspended:
        raise gdb.GdbError("greenlet %#x is %s" % (greenlet.address,
                                                   greenlet.words))
    if word in ("bt", "backtrace", "where"):
        gdb.write(backtrace(greenlet, rest) + "\n")
        return
    with Suspended(greenlet) as first:
        gdb.execute("frame %d" % first, to_string=True)
        gdb.execute(command)


# ---- core files --------------------------------------------------------------

def loaded_segments(core):
    """(address, size, offset) of each piece of memory in an ELF core file."""
    core.seek(32)
    headers, sections = struct.unpack("<QQ", core.read(16))
    core.seek(54)
    size, count = struct.unpack("<HH", core.read(4))
    if count == 0xffff:  # PN_XNUM: the first section header has it
        core.seek(sections + 44)
        count, = struct.unpack("<I", core.read(4))
    for n in range(count):
        core.seek(headers + n * size)
        kind, _, offset, address, _, length = struct.unpack("<IIQQQQ",
                                                            core.read(40))
        if kind == 1:
            yield address, length, offset


def fill_in(path):
    """gdb gives up a whole mapping when it meets a page that it cannot read,
    and a guard is one: write the stacks where they belong."""
    layout = Layout()
    with open(path, "r+b") as core:
        segments = sorted(loaded_segments(core))
        core.truncate(max([core.seek(0, 2)] + [
            offset + length for _, length, offset in segments]))
        for bottom, top in slots(layout):
            for address, length, offset in segments:
                if address <= bottom and top <= address + length:
                    core.seek(offset + bottom - address)
                    core.write(gdb.selected_inferior().read_memory(
                        bottom, top - bottom))


# ---- the commands ------------------------------------------------------------

class InfoGreenlets(gdb.Command):
    """All greenlets of the process: number, address, kind, state, stack, name.

Kinds: main, the stack that a thread began with; thread, a pthread mapped onto a
greenlet; greenlet.  The stack is used/reserved, in KiB."""

    def __init__(self):
        super().__init__("info greenlets", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        form = "%5s %-18s %-8s %-9s %-9s %-18s %s"
        head = form % ("Num", "Greenlet", "Kind", "State", "Stack", "Parent",
                       "Name")
        gdb.write(head + "\n")
        for n, g in enumerate(all_greenlets(), 1):
            line = form % (n, "%#x" % g.address, g.kind(), g.words, g.used(),
                           "%#x" % g.parent if g.parent else "", g.name)
            gdb.write(line.rstrip() + "\n")


class GreenletCommand(gdb.Command):
    """greenlet N COMMAND: run COMMAND (bt, info locals ...) in greenlet N.

N is a number of `info greenlets`, an address, or `all`: those that are
suspended."""

    def __init__(self):
        super().__init__("greenlet", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        which, _, command = argument.strip().partition(" ")
        if not which:
            raise gdb.GdbError("usage: greenlet N COMMAND")
        command = command.strip() or "bt"
        greenlets = all_greenlets()
        if which == "all":
            for n, g in enumerate(greenlets, 1):
                if g.suspended:
                    gdb.write("\nGreenlet %d (%#x) %s\n" % (n, g.address,
                                                            g.name))
                    run_in(g, command)
            return
        run_in(self.find(greenlets, which), command)

    def find(self, greenlets, which):
        value = number(gdb.parse_and_eval(which))
        if 1 <= value <= len(greenlets):
            return greenlets[value - 1]
        for g in greenlets:
            if g.address == value:
                return g
        raise gdb.GdbError("no greenlet %s" % which)


class GreenletsCore(gdb.Command):
    """greenlets-core FILE: a core file of the live process.

As generate-core-file, which leaves out stacks below guard pages on Linux 6.13
and newer.  Cores that the kernel writes have them."""

    def __init__(self):
        super().__init__("greenlets-core", gdb.COMMAND_DATA,
                         gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        path = argument.strip() or "core.%d" % gdb.selected_inferior().pid
        gdb.execute("generate-core-file " + path, to_string=True)
        fill_in(path)
        gdb.write("Saved corefile %s\n" % path)


InfoGreenlets()
GreenletCommand()
GreenletsCore()
