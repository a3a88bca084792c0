# SPDX-License-Identifier: MIT
"""The log of the driver on host memory (FAKECUDA_LOG), read: calls, and what lives by them.

`effects(calls)` is what must be the same with and without an agent: calls with an effect, thread by
thread, with addresses and handles named in the order they appear (each life a new name).
"""
import collections
import re

Call = collections.namedtuple(
    "Call", "seq pid tid thread_seq effect name result begin_ns end_ns context args")

DEVICE, MANAGED, VMM, POOL, ARRAY, HOST, REGISTERED, GRAPH, IPC, MODULE = range(1, 11)
OF_DEVICES = (DEVICE, MANAGED, VMM, POOL, ARRAY)

# Calls that allocate: (kind, which argument is the size); argument 0 is the address.
ALLOCATE = {
    "cuMemAlloc": (DEVICE, 1), "cuMemAllocPitch": (DEVICE, 3), "cuMemAllocManaged": (MANAGED, 1),
    "cuMemAllocHost": (HOST, 1), "cuMemHostAlloc": (HOST, 1), "cuMemHostRegister": (REGISTERED, 1),
    "cuArrayCreate": (ARRAY, 1), "cuArray3DCreate": (ARRAY, 1), "cuMipmappedArrayCreate": (ARRAY, 1),
    "cuMemAllocAsync": (POOL, 1), "cuMemAllocFromPoolAsync": (POOL, 1),
    "cuIpcOpenMemHandle": (IPC, 1),
}
FREE = {"cuMemFree", "cuMemFreeAsync", "cuMemFreeHost", "cuMemHostUnregister", "cuArrayDestroy",
        "cuMipmappedArrayDestroy", "cuIpcCloseMemHandle"}


def base_name(name):
    return re.sub(r"(_v\d)?(_ptsz|_ptds)?$", "", name)


def read(path):
    calls = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            w = line.split()
            calls.append(Call(int(w[0]), int(w[1]), int(w[2]), int(w[3]), w[4] == "effect", w[5],
                              int(w[6]), int(w[7]), int(w[8]), w[9], w[10:]))
    return calls


def is_new(name):
    """Does its first argument name what it made? Addresses come again, but not in the same places."""
    return name in ALLOCATE or re.search(r"(Create|Reserve|Load\w*|AllocNode|Instantiate\w*)$", name)


def effects(calls):
    names, out, n_new = {}, collections.defaultdict(list), 0
    for c in calls:
        if not c.effect:
            continue
        if c.result == 0 and is_new(base_name(c.name)):
            n_new += 1
            names[c.args[0]] = "new-%d" % n_new
        args = [names.get(a, "other") if a.startswith("0x") else a for a in c.args]
        out[c.tid].append((c.name, c.result, args))
    return list(out.values())


class Book:
    """What lives after some calls of one process, of the kinds whose calls say all about it."""

    def __init__(self, calls):
        self.live, self.vmm, self.mapped = {}, {}, {}
        self.peak = self.bytes_of_devices = 0
        for c in calls:
            if c.effect and c.result == 0:
                self.step(base_name(c.name), c.args, c.context)

    def count(self, n_bytes, kind):
        if kind in OF_DEVICES:
            self.bytes_of_devices += n_bytes
            self.peak = max(self.peak, self.bytes_of_devices)

    def add(self, address, kind, n_bytes, context):
        assert address not in self.live, address
        self.live[address] = (kind, n_bytes, context)
        self.count(n_bytes, kind)

    def drop(self, address):
        if address in self.live:
            kind, n_bytes, _ = self.live.pop(address)
            self.count(-n_bytes, kind)

    def step(self, name, args, context):
        if name in ALLOCATE:
            kind, size = ALLOCATE[name]
            self.add(args[0], kind, int(args[size]), context)
        elif name in FREE:
            self.drop(args[0])
        elif name == "cuCtxDestroy":
            for address in [a for a, what in self.live.items() if what[2] == args[0]]:
                self.drop(address)
        elif name in ("cuMemCreate", "cuMemRelease", "cuMemRetainAllocationHandle", "cuMemMap",
                      "cuMemUnmap"):
            self.step_vmm(name, args)

    def step_vmm(self, name, args):
        """[bytes, references, mappings] by handle; a mapping by its address."""
        if name == "cuMemCreate":
            self.vmm[args[0]] = [int(args[1]), 1, 0]
            self.count(int(args[1]), VMM)
        elif name == "cuMemMap":
            self.mapped[args[0]] = args[3]
            self.vmm[args[3]][2] += 1
        elif name == "cuMemUnmap":
            self.let_go(self.mapped.pop(args[0]), 2)
        elif name == "cuMemRelease":
            self.let_go(args[0], 1)
        else:
            self.vmm[args[0]][1] += 1

    def let_go(self, handle, what):
        self.vmm[handle][what] -= 1
        if not self.vmm[handle][1] and not self.vmm[handle][2]:
            self.count(-self.vmm.pop(handle)[0], VMM)

    def of_kind(self, kind):
        """(blocks, bytes)"""
        sizes = ([size for size, _, _ in self.vmm.values()] if kind == VMM else
                 [size for k, size, _ in self.live.values() if k == kind])
        return len(sizes), sum(sizes)
