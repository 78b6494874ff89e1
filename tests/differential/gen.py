"""Make random greenlet scripts: the same seed, the same script, everywhere.

usage: gen.py A..B            a batch of the scripts of seeds A to B - 1
       gen.py --coverage A..B how often each operation and form is in them

Each script leans towards a few kinds of operation (swarm testing): rare states
need several of one kind close together."""
import sys

from script import Node, Script

MASK = (1 << 64) - 1
SLOTS = ("a", "b", "c", "d", "e")
CLASSES = ("exit", "exit", "exit2", "err", "err", "err2", "base")
FILTERS = ("any", "any", "exit", "exit", "err", "exception", "base")


class Random:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        return (self.next() >> 16) % n

    def chance(self, percent):
        return self.below(100) < percent

    def pick(self, items):
        return items[self.below(len(items))]

    def between(self, low, high):
        return low + self.below(high - low + 1)


# operation: weight in general, and the themes that raise it
WEIGHTS = {
    "new": (16, ("make", "drop")), "switch": (34, ("switch",)),
    "throw": (12, ("throw",)), "parent": (7, ("parent",)),
    "let": (6, ("drop",)), "drop": (8, ("drop",)), "weak": (2, ("drop",)),
    "deref": (2, ("drop",)), "trace": (4, ("trace",)),
    "gettrace": (1, ("trace",)), "run": (3, ("run",)), "unrun": (1, ("run",)),
    "getrun": (2, ("run",)), "set": (3, ("context",)), "get": (2, ("context",)),
    "reset": (1, ("context",)), "copyctx": (1, ("context",)),
    "sharectx": (1, ("context",)), "clearctx": (1, ("context",)),
    "showctx": (1, ("context",)), "newctx": (1, ("context",)),
    "savectx": (1, ("context",)), "givectx": (1, ("context",)),
    "within": (1, ("context",)), "try": (8, ("catch",)), "raise": (4, ("throw",)),
    "return": (3, ()),
}
THEMES = ("make", "drop", "switch", "throw", "parent", "trace", "run",
          "context", "catch", "hook", "fin", "del")


class Generator:
    def __init__(self, seed):
        self.random = Random(seed * 0x632BE59BD9B4E019 + 1)
        self.themes = {self.random.pick(THEMES)
                       for _ in range(self.random.below(4))}
        self.names = ["b%d" % i for i in range(self.random.between(2, 5))]
        self.number = 0
        self.table = []
        for name, (weight, themes) in WEIGHTS.items():
            lean = any(theme in self.themes for theme in themes)
            self.table.append((name, weight * 4 + 12 if lean else weight))
        self.total = sum(weight for _, weight in self.table)

    def operation(self):
        at = self.random.below(self.total)
        for name, weight in self.table:
            at -= weight
            if at < 0:
                return name
        raise AssertionError

    def fresh(self):
        self.number += 1
        return str(self.number)

    def slot(self):
        return self.random.pick(SLOTS[:3] if self.random.chance(70) else SLOTS)

    def who(self):
        at = self.random.below(20)
        if at < 15:
            return self.slot()
        return ("main", "self", "up", "up", "it")[at - 15]

    def percent(self, theme, rare):
        return 40 if theme in self.themes else rare

    # ---- the words of each operation

    def words(self, name):
        make = getattr(self, "make_" + name, None)
        return [name] + (make() if make else [])

    def options(self):
        random, options = self.random, []
        if random.chance(30):
            options.append("parent=" + self.who())
        for key, rare in (("hook", 4), ("fin", 4), ("del", 5)):
            if random.chance(self.percent(key, rare)):
                options.append("%s=%s" % (key, random.pick(self.names)))
        return options

    def body(self):
        at = self.random.below(40)
        if at < 2:
            return "-!"[at]
        return self.random.pick(self.names)

    def make_new(self):
        return [self.slot(), self.body()] + self.options()

    def make_switch(self):
        random = self.random
        shape = random.below(8)
        words = [self.who()]
        if shape == 0:
            return words
        if shape == 1:
            return words + ["none"]
        if shape < 5:
            return words + [self.fresh()]
        if shape != 6:
            words += [self.fresh() for _ in range(random.between(1, 3))]
        if shape != 5:
            words += ["%s=%s" % (key, self.fresh())
                      for key in ("k", "j")[:random.between(1, 2)]]
        return words

    def cls(self):
        return self.random.pick(CLASSES)

    def make_throw(self):
        form = self.random.below(20)
        words = [self.who()]
        if form < 5:
            return words
        if form < 8:
            return words + [self.cls()]
        if form < 14:
            return words + [self.cls(), self.fresh()]
        if form < 16:
            return words + ["inst", self.cls(), self.fresh()]
        if form < 18:
            return words + [self.cls(), "inst", self.cls(), self.fresh()]
        if form < 19:
            return words + ["inst", self.cls(), self.fresh(), "with",
                            self.fresh()]
        return words + ["bad"]

    def make_parent(self):
        if self.random.chance(4):
            return [self.who(), "null"]
        return [self.who(), self.who()]

    def make_let(self):
        return [self.slot(), self.who()]

    def make_drop(self):
        return [self.slot()]

    def make_weak(self):
        return [self.random.pick("vw"), self.who()]

    def make_deref(self):
        words = [self.random.pick("vw")]
        return words + [self.slot()] if self.random.chance(40) else words

    def make_trace(self):
        at = self.random.below(10)
        if at < 2:
            return ["off"]
        return ["-"] if at < 6 else [self.random.pick(self.names)]

    def make_run(self):
        words = [self.who(), self.body()]
        if words[1] not in "-" and self.random.chance(self.percent("del", 10)):
            words.append("del=" + self.random.pick(self.names))
        return words if words[1] != "-" else [words[0], self.names[0]]

    def make_unrun(self):
        return [self.who()]

    make_getrun = make_unrun

    def make_set(self):
        words = [self.random.pick("xyz"), self.fresh()]
        return words + [self.random.pick("tu")] if self.random.chance(50) \
            else words

    def make_get(self):
        return [self.random.pick("xyz")]

    def make_reset(self):
        return [self.random.pick("xyz"), self.random.pick("tu")]

    def make_copyctx(self):
        return [self.who(), self.who()]

    make_sharectx = make_copyctx
    make_clearctx = make_showctx = make_unrun

    def make_newctx(self):
        return [self.random.pick("mn")]

    def make_savectx(self):
        return [self.random.pick("mn"), self.who()]

    make_givectx = make_savectx
    make_within = make_newctx

    def make_try(self):
        return [self.random.pick(FILTERS)]

    def make_raise(self):
        return [self.cls(), self.fresh()]

    def make_return(self):
        return [self.fresh() if self.random.chance(70) else "none"]

    # ---- nesting

    def node(self, depth):
        name = self.operation()
        if name in ("try", "within") and depth > 1:
            name = "switch"
        words = self.words(name)
        if name in ("try", "within"):
            low = 1
            return Node(words, self.nodes(low, 4, depth + 1),
                        self.nodes(0, 3, depth + 1) if name == "try" else [])
        guard = name in ("switch", "throw", "parent", "run", "getrun", "unrun")
        if guard and self.random.chance(25):
            words = ["?"] + words
        return Node(words)

    def nodes(self, low, high, depth):
        return [self.node(depth)
                for _ in range(self.random.between(low, high))]

    def script(self):
        script = Script()
        script.limit = 150
        for name in self.names:
            script.bodies[name] = self.nodes(1, 8, 0)
        # A start that is sure to have something to work on.
        head = [Node(["new", slot, self.random.pick(self.names)] +
                     self.options()) for slot in SLOTS[:2]]
        script.bodies["main"] = head + self.nodes(4, 16, 0)
        return script


def generate(seed):
    return Generator(seed).script().text()


def seeds(text):
    first, _, last = text.partition("..")
    return range(int(first), int(last))


def form_of(words):
    """What coverage counts: the operation, and how it is used."""
    if words[0] == "?":
        return form_of(words[1:])
    kinds = []
    for word in words[1:]:
        if "=" in word:
            kinds.append(word.split("=")[0] + "=")
        elif word in CLASSES or word in FILTERS or word in ("inst", "with"):
            kinds.append("class" if word not in ("inst", "with") else word)
        elif word in ("none", "null", "off", "bad", "-", "!", "main", "self",
                      "up", "it"):
            kinds.append(word)
    return " ".join([words[0]] + kinds)


def coverage(which):
    counts = {}
    for seed in which:
        for line in generate(seed).splitlines():
            words = line.split()
            if words[0] not in ("limit", "body", "catch", "end"):
                form = form_of(words)
                counts[form] = counts.get(form, 0) + 1
    for form in sorted(counts):
        print("%8d  %s" % (counts[form], form))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--coverage":
        return coverage(seeds(sys.argv[2]))
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    for seed in seeds(sys.argv[1]):
        sys.stdout.write("=== %d\n%s" % (seed, generate(seed)))


if __name__ == "__main__":
    main()
