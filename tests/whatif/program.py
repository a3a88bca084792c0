# SPDX-License-Identifier: MIT
"""A program as `gilscope whatif` replays it: threads with lists of operations, and their text.

The text is defined in analyzer/whatif/README.md. `read(text)` and `write(program)` are each other's inverse.
"""
import collections

VERBS = {  # verb: what words follow it
    "py": "ns", "native": "ns", "latency": "ns", "until": "ns", "mark": "ns",
    "acquire": "name timeout", "release": "name",
    "put": "name item", "get": "name item timeout",
    "set": "name", "clear": "name", "wait": "name timeout",
    "arrive": "name", "start": "name", "join": "name",
    "submit": "name ns", "sync": "name",
}
COMPUTING = ("py", "native")
TIMED = ("py", "native", "latency")

Op = collections.namedtuple("Op", "verb name ns item timeout_ns", defaults=(None, 0, None, None))


class Channel:
    def __init__(self, capacity=None, initial=0, lifo=False, pool=False):
        self.capacity, self.initial, self.lifo, self.pool = capacity, initial, lifo, pool


class Thread:
    def __init__(self, name, late=False, ops=()):
        self.name, self.late, self.ops = name, late, list(ops)

    def add(self, verb, name=None, ns=0, item=None, timeout_ns=None):
        self.ops.append(Op(verb, name, ns, item, timeout_ns))
        return self

    def py(self, ns):
        return self.add("py", ns=ns)

    def native(self, ns):
        return self.add("native", ns=ns)

    def latency(self, ns):
        return self.add("latency", ns=ns)

    def until(self, ns):
        return self.add("until", ns=ns)

    def mark(self, came_ns=0):
        return self.add("mark", ns=came_ns)


class Program:
    def __init__(self):
        self.channels, self.barriers, self.threads = {}, {}, []

    def channel(self, name, **attributes):
        self.channels[name] = Channel(**attributes)
        return name

    def barrier(self, name, parties):
        self.barriers[name] = parties
        return name

    def thread(self, name, late=False):
        self.threads.append(Thread(name, late))
        return self.threads[-1]

    def pools(self):
        return [name for name, channel in self.channels.items() if channel.pool]

    def ops(self):
        return (op for thread in self.threads for op in thread.ops)


def write_op(op):
    words = [op.verb] + [str(op.name)] * ("name" in VERBS[op.verb]) + [str(op.ns)] * ("ns" in VERBS[op.verb])
    if op.item is not None:
        words.append(str(op.item))
    if op.timeout_ns is not None:
        words += ["timeout", str(op.timeout_ns)]
    return " ".join(words)


def write_channel(name, channel):
    words = ["channel", name]
    if channel.capacity is not None:
        words += ["capacity", str(channel.capacity)]
    if channel.initial:
        words += ["initial", str(channel.initial)]
    return " ".join(words + ["lifo"] * channel.lifo + ["pool"] * channel.pool)


def write(program):
    lines = [write_channel(*item) for item in program.channels.items()]
    lines += ["barrier %s parties %d" % item for item in program.barriers.items()]
    for thread in program.threads:
        lines.append("thread " + thread.name + " late" * thread.late)
        lines += map(write_op, thread.ops)
    return "\n".join(lines) + "\n"


def read_op(words):
    verb, words = words[0], words[1:]
    shape, values = VERBS[verb].split(), {}
    for part in shape:
        if part == "name":
            values["name"] = words.pop(0)
        elif part == "ns":
            values["ns"] = int(words.pop(0))
        elif part == "item" and words and words[0] != "timeout":
            values["item"] = int(words.pop(0))
        elif part == "timeout" and words:
            assert words.pop(0) == "timeout"
            values["timeout_ns"] = int(words.pop(0))
    assert not words, "words left over: %s" % words
    return Op(verb, **values)


def read_channel(program, words):
    name, rest, attributes = words[0], words[1:], {}
    while rest:
        key = rest.pop(0)
        attributes[key] = True if key in ("lifo", "pool") else int(rest.pop(0))
    program.channel(name, **attributes)


def read(text):
    program = Program()
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "channel":
            read_channel(program, words[1:])
        elif words[0] == "barrier":
            program.barrier(words[1], int(words[3]))
        elif words[0] == "thread":
            program.thread(words[1], late=words[2:] == ["late"])
        else:
            program.threads[-1].ops.append(read_op(words))
    return program
