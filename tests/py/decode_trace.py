#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""decode_trace.py CAPTURE...: a second decoder of gilscope captures.

Written from preload/trace/TRACE_FORMAT.md alone, standard library only, slow and plain: it keeps
the specification and the C codec honest. `gilscope dump --raw-json CAPTURE` prints the same bytes.

OUTPUT: one JSON object a line, as json.dumps(x, separators=(",", ":"), ensure_ascii=True) writes
it: no blanks, keys in the order given here, non-ASCII as \\uXXXX (lower case; surrogate pairs).
All numbers are integers as stored (ticks stay ticks), 64-bit ones included. Lines come in the
order of the input; several inputs are decoded one after another, each on its own.

1. A file header:
   {"file_header":{"major":1,"minor":0,"feat_compat":0,"feat_incompat":0,"feat_ro":0,
                   "process_key":K,"created_unix_ns":T}}
2. A chunk of a columnar stream; `rows` in stored order, keys in the stream's column order:
   {"chunk":N,"stream":"slice","gil":G,"process_key":K,"clock_epoch":E,"lost_before":L,
    "t0":..,"t1":..,"seq0":..,"seq1":..,"rows":[{"seq":1,"t_acq":5,...},...]}
   gil is the number as stored (4294967295: not about one GIL).
3. A chunk of tagged records: the same head, then "records" in place of "rows":
   {"chunk":N,"stream":"records",...,"seq1":0,"records":[{"tag":"THREAD","fields":[0,42,7,"m",""]},..]}
   `fields` are the fields of the specification in order: u and z as integers; s as text, decoded
   as strict UTF-8 with every byte of a malformed sequence written \\xNN (Python's
   "backslashreplace"); b as lower-case hex; a repeated field as one list, without its count: s*
   as a list of texts, the pairs of STACK and FOLD_HIST as a list of [u,u]. Fields that the record
   does not hold are 0, "" or []. Bytes after the last known field are not shown. A record of an
   unknown tag is {"tag":99,"fields":["hex of its whole payload"]}.
   If the payload is no sequence of records, the sound ones before the fault are listed and a
   "corrupt" line (5) follows.
4. A chunk that is sound but not shown: {"skipped":WHY,"offset":O,"length":B,"chunk":N,"stream":S}
   WHY, first that holds: "duplicate" (this process_key and chunk number was there before),
   "flags" (an unknown flag bit), "stream" (unknown stream). S is the stream's NUMBER.
5. Damage: {"damage":WHAT,"offset":O,"length":B} and, when the chunk's header is good,
   ,"chunk":N,"stream":S,"rows":R,"seq0":..,"seq1":..   with S as a NUMBER.
   "crc_payload"  header and tail are good, the payload's checksum is not; the chunk is stepped
                  over (with the chunk's keys)
   "corrupt"      checksums are good, the contents cannot be decoded (with the chunk's keys)
   "torn"         from O to the end of the input there is nothing recognisable, and at O stands
                  the beginning of a file header or of a chunk that is not complete (without them)
   "bytes"        any other run of bytes that is nothing (without them)
   Zero bytes between items are padding: no line.
6. At the end of each input, per process_key in order of its first sound chunk, each gap in the
   chunk numbers, which count from 0: {"damage":"lost_chunks","process_key":K,"first":N,"count":C}
   A chunk skipped by (4) is there; one that is "crc_payload" is not; "corrupt" is there.
7. Refusal, the last line of an input (no (6) then): {"refused":WHY,"offset":O}
   "version" or "feature" follows the file header line it is about; "magic", offset 0, comes when
   nothing recognisable was in an input that is not empty. The exit status is then 1, else 0.
"""
import json
import struct
import sys

FILE_MAGIC, CHUNK_MAGIC, CHUNK_END = b"GILSCOPE", b"GSCK", b"KCSG"
FILE_HDR = struct.Struct("<8sHHHHIIIIQq12xI")
CHUNK_HDR = struct.Struct("<4sHBBIIQIIQQQQIIHBBI10III")
BLOCK_HDR = struct.Struct("<BBHIQ")
TAIL_LEN, MAX_CHUNK, MAX_ROWS, MAX_DICT, MAX_COLS = 8, 4 << 20, 4096, 8192, 10
BLOCK_ROWS, LANES = 1024, 32
RAW, FOR, CONST, DELTA = 0, 1, 2, 3
SEGMENTS = 1
U64 = (1 << 64) - 1

# number: (name, columns); a column whose name ends in "@" is a stack column
STREAMS = {
    1: ("records", []),
    2: ("slice", "seq t_acq thread flags hold hold_stack@ wait wait_ds wait_stack@".split()),
    3: ("hold_sample", "t_rel thread hold weight stack@".split()),
    4: ("holder_sample", "seq t thread kind stack@".split()),
    5: ("edge", "t_wake blocked wakee waker wake_delay wakee_stack@ waker_stack@ result".split()),
    6: ("sched", "t thread cpu_ns runqueue_ns".split()),
    7: ("pools", "t arena quad cells".split()),
    8: ("alloc", "t id address bytes points domain thread stack@".split()),
    9: ("free", "t id".split()),
    10: ("cuda", "t seq what thread context result duration bytes address stack@".split()),
    11: ("sync", "t thread op object value stack@".split()),
    12: ("counted", "t thread what count stack@".split()),
}
# tag: (name, fields); p* is a repeated pair of u
RECORDS = {
    1: ("PROCESS", "u u z u u u s s* s s u u u s*"),
    2: ("CLOCK", "u u z"),
    3: ("THREAD", "u u u s s"),
    4: ("THREAD_END", "u u"),
    5: ("GIL", "u z u u"),
    6: ("CODE", "u s s z u b"),
    7: ("STACK", "u u p*"),
    8: ("LEVEL", "u u u s"),
    9: ("TOTALS", "u u u u u u u u u u u u u u u u"),
    10: ("FOLD_HIST", "u u p*"),
    11: ("EVENT", "u u u s"),
    12: ("END", "u u"),
    13: ("OVERHEAD", "u u u u u"),
    14: ("LOST", "u u u u u"),
    15: ("SEGMENT", "u u u u u"),
    16: ("BASE", "u u u u u u u u u"),
    17: ("ENDED", "u u u u u u u u u u u u u u u u p*"),
    18: ("ARENA", "u u u u u u"),
    19: ("ARENA_END", "u u"),
    20: ("MEMORY", "u u u u u u u u u"),
    21: ("MAPS", "u u u u u u p*"),
    22: ("HEAP", "u u u"),
    23: ("ALLOC_STATE", "u u u u u"),
    24: ("CUDA_DRIVER", "u u u s"),
    25: ("CUDA_DEVICE", "u s s u"),
    26: ("CUDA_CONTEXT", "u u u u u u u u u u"),
    27: ("CUDA_CONTEXT_END", "u u"),
    28: ("CUDA_CALL", "u u s u u u u u u"),
    29: ("CUDA_LIVE", "u u u u u u u u"),
    30: ("CUDA_STATE", "u u u u u u u"),
    31: ("CUDA_USED", "u u u"),
    32: ("MODULE", "u s"),
    33: ("GC", "u u u u u u u u u u"),
    34: ("GC_GENERATION", "u u u u u u z z"),
    35: ("GC_THREAD", "u u"),
    36: ("COUNTER", "u s u u u s"),
    37: ("COUNTS", "u u u u u u u u u u"),
    38: ("NATIVE_MODULE", "u u u u u b s"),
    39: ("NATIVE_MODULE_END", "u u"),
    40: ("NATIVE_STACK", "u u u u* p*"),
    41: ("SYMBOL", "u u u s s z"),
}


class Corrupt(Exception):
    """The bytes contradict the specification."""


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


# ---- headers ----


class FileHeader:
    KEYS = ("major", "minor", "feat_compat", "feat_incompat", "feat_ro", "process_key",
            "created_unix_ns")

    def __init__(self, data, off):
        (_, self.major, self.minor, self.length, _, self.feat_compat, self.feat_incompat,
         self.feat_ro, _, self.process_key, self.created_unix_ns, crc) = FILE_HDR.unpack_from(
             data, off)
        self.good = crc == crc32c(data[off:off + 60])

    def refusal(self):
        if self.major != 1:
            return "version"
        return "feature" if self.feat_incompat & ~SEGMENTS else None


class Chunk:
    HEAD = ("gil", "process_key", "clock_epoch", "lost_before", "t0", "t1", "seq0", "seq1")

    def __init__(self, data, off):
        f = CHUNK_HDR.unpack_from(data, off)
        (_, self.header_len, self.stream, self.flags, self.length, self.n_rows, self.process_key,
         self.gil, _, self.t0, self.t1, self.seq0, self.seq1, self.number, self.lost_before,
         self.clock_epoch, self.n_cols, _, self.n_dict) = f[:19]
        self.col_off, self.crc_payload, crc = f[19:29], f[29], f[30]
        self.offset = off
        self.good = crc == crc32c(data[off:off + 124]) and self.in_limits()

    def in_limits(self):
        room = self.length - TAIL_LEN - self.header_len
        if self.length > MAX_CHUNK or self.header_len < 128 or room < 0:
            return False
        if self.stream == 1 or self.stream not in STREAMS:
            return True
        return (1 <= self.n_rows <= MAX_ROWS and self.n_cols <= MAX_COLS
                and self.n_dict <= min(MAX_DICT, room // 4))

    def tail_good(self, data):
        end = self.offset + self.length
        return data[end - 8:end] == struct.pack("<I", self.length) + CHUNK_END

    def payload_good(self, data):
        return self.crc_payload == crc32c(data[self.offset + 128:self.end()])

    def end(self):
        return self.offset + self.length - TAIL_LEN

    def head(self):
        name = STREAMS[self.stream][0]
        return {"chunk": self.number, "stream": name, **{k: getattr(self, k) for k in self.HEAD}}

    def damage_keys(self):
        return {"chunk": self.number, "stream": self.stream, "rows": self.n_rows,
                "seq0": self.seq0, "seq1": self.seq1}


# ---- columns ----


def part_words(width, n):
    return (n * width + 31) // 32


def packed_words(width, n):
    return part_words(width, n) if width <= 32 else n + part_words(width - 32, n)


def unpack_part(words, width, n):
    """n numbers of at most 32 bits."""
    if n < BLOCK_ROWS:
        bits = int.from_bytes(struct.pack("<%dI" % len(words), *words), "little")
        return [bits >> i * width & (1 << width) - 1 for i in range(n)]
    lanes = []
    for lane in range(LANES):
        bits = 0
        for k in range(width):
            bits |= words[k * LANES + lane] << 32 * k
        lanes.append(bits)
    return [lanes[i % LANES] >> i // LANES * width & (1 << width) - 1 for i in range(n)]


def unpack(words, width, n):
    low = min(width, 32)
    n_low = part_words(low, n)
    values = unpack_part(words[:n_low], low, n)
    if width > 32:
        high = unpack_part(words[n_low:], width - 32, n)
        values = [lo | hi << 32 for lo, hi in zip(values, high)]
    return values


def unzigzag(v):
    return v >> 1 ^ -(v & 1)


def running_sum(base, steps):
    out = []
    for step in steps:
        base = base + unzigzag(step) & U64
        out.append(base)
    return out


def decode_block(data, pos, end, n):
    if pos + BLOCK_HDR.size > end:
        raise Corrupt
    width, codec, n_stored, n_words, base = BLOCK_HDR.unpack_from(data, pos)
    pos += BLOCK_HDR.size
    if codec == RAW:
        expected = 2 * n if width == 64 else -1
    elif codec == CONST:
        expected = 0 if width == 0 else -1
    else:
        expected = packed_words(width, n) if codec in (FOR, DELTA) and width <= 64 else -1
    if n_stored != n or n_words != expected or pos + 4 * n_words > end:
        raise Corrupt
    words = struct.unpack_from("<%dI" % n_words, data, pos)
    pos += 4 * n_words
    if codec == RAW:
        return pos, [words[2 * i] | words[2 * i + 1] << 32 for i in range(n)]
    values = unpack(words, width, n)
    if codec == DELTA:
        return pos, running_sum(base, values)
    return pos, [base + v & U64 for v in values]


def decode_column(data, chunk, col, is_stack):
    dict_off = chunk.end() - 4 * chunk.n_dict
    off = chunk.col_off[col] if col < chunk.n_cols else 0
    if off == 0:
        return [0] * chunk.n_rows
    pos = chunk.offset + off
    if off < chunk.header_len or pos > dict_off:
        raise Corrupt
    values = []
    while len(values) < chunk.n_rows:
        n = min(BLOCK_ROWS, chunk.n_rows - len(values))
        pos, block = decode_block(data, pos, dict_off, n)
        values += block
    if not is_stack:
        return values
    if max(values) >= chunk.n_dict:
        raise Corrupt
    ids = struct.unpack_from("<%dI" % chunk.n_dict, data, dict_off)
    return [ids[v] for v in values]


def decode_rows(data, chunk):
    names = STREAMS[chunk.stream][1]
    cols = [decode_column(data, chunk, c, name.endswith("@")) for c, name in enumerate(names)]
    keys = [name.rstrip("@") for name in names]
    return [dict(zip(keys, row)) for row in zip(*cols)]


# ---- tagged records ----


def leb(data, pos):
    """(value, next position)"""
    value = 0
    for i, byte in enumerate(data[pos:pos + 10]):
        value |= (byte & 0x7F) << 7 * i
        if not byte & 0x80:
            break
    else:
        raise Corrupt  # no end
    if value > U64:
        raise Corrupt
    return value, pos + i + 1


class Fields:
    """The payload of one record; a malformed field ends it."""

    def __init__(self, data):
        self.data, self.pos = data, 0

    def u(self):
        try:
            value, self.pos = leb(self.data, self.pos)
        except Corrupt:
            value, self.pos = 0, len(self.data)
        return value

    def z(self):
        return unzigzag(self.u())

    def raw(self):
        n = self.u()
        if n > len(self.data) - self.pos:
            self.pos = len(self.data)
            return b""
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def s(self):
        return self.raw().decode("utf-8", "backslashreplace")

    def b(self):
        return self.raw().hex()

    def p(self):
        return [self.u(), self.u()]

    def field(self, kind):
        if len(kind) == 1:
            return getattr(self, kind)()
        items = []
        for _ in range(self.u()):
            if self.pos >= len(self.data):
                break
            items.append(getattr(self, kind[0])())
        return items


def decode_record(tag, payload):
    if tag not in RECORDS:
        return {"tag": tag, "fields": [payload.hex()]}
    name, kinds = RECORDS[tag]
    fields = Fields(payload)
    return {"tag": name, "fields": [fields.field(kind) for kind in kinds.split()]}


def decode_records(data, chunk):
    """All records up to the first fault, and whether there was one."""
    payload = data[chunk.offset + chunk.header_len:chunk.end()]
    records, pos = [], 0
    while pos < len(payload):
        try:
            tag, at = leb(payload, pos)
            n, at = leb(payload, at)
        except Corrupt:
            return records, True
        if tag > 0xFFFFFFFF or n > len(payload) - at:
            return records, True
        records.append(decode_record(tag, payload[at:at + n]))
        pos = at + n
    return records, False


# ---- the walk ----


def recognise(data, off):
    """A FileHeader or Chunk whose frame is good, else None."""
    if data.startswith(FILE_MAGIC, off) and off + 64 <= len(data):
        header = FileHeader(data, off)
        if header.good and (header.refusal() or 64 <= header.length <= len(data) - off):
            return header
    if data.startswith(CHUNK_MAGIC, off) and off + 128 <= len(data):
        chunk = Chunk(data, off)
        if chunk.good and chunk.length <= len(data) - off and chunk.tail_good(data):
            return chunk
    return None


def is_cut_off(data, off):
    """Does a file header or a chunk begin at off and end behind the input's end?"""
    left = data[off:off + 128]
    if FILE_MAGIC.startswith(left[:8]):
        if len(left) < 64:
            return True
        header = FileHeader(data, off)
        return header.good and off + header.length > len(data)
    if not CHUNK_MAGIC.startswith(left[:4]):
        return False
    if len(left) < 128:
        return True
    chunk = Chunk(data, off)
    return chunk.good and off + chunk.length > len(data)


def next_item(data, off):
    """Offset of the next thing that is recognised, or the end."""
    while True:
        found = [at for at in (data.find(FILE_MAGIC, off), data.find(CHUNK_MAGIC, off)) if at >= 0]
        if not found:
            return len(data)
        off = min(found)
        if recognise(data, off):
            return off
        off += 1


class Decoder:
    def __init__(self, data, emit):
        self.data, self.emit, self.seen = data, emit, {}

    def run(self):
        """False when the input is refused."""
        data, off, any_item = self.data, 0, False
        while off < len(data):
            if data[off] == 0:
                off += 1
                continue
            item = recognise(data, off)
            if item is None:
                off = self.damaged_run(off)
                continue
            any_item = True
            if isinstance(item, FileHeader):
                if not self.file_header(item, off):
                    return False
            else:
                self.chunk(item)
            off += item.length
        if data and not any_item:
            self.emit({"refused": "magic", "offset": 0})
            return False
        self.lost_chunks()
        return True

    def damaged_run(self, off):
        end = next_item(self.data, off + 1)
        torn = end == len(self.data) and is_cut_off(self.data, off)
        self.emit({"damage": "torn" if torn else "bytes", "offset": off, "length": end - off})
        return end

    def file_header(self, header, off):
        self.emit({"file_header": {k: getattr(header, k) for k in header.KEYS}})
        why = header.refusal()
        if why:
            self.emit({"refused": why, "offset": off})
        return not why

    def chunk(self, chunk):
        where = {"offset": chunk.offset, "length": chunk.length}
        if not chunk.payload_good(self.data):
            self.emit({"damage": "crc_payload", **where, **chunk.damage_keys()})
            return
        why = self.skip_reason(chunk)
        if why:
            self.emit({"skipped": why, **where, "chunk": chunk.number, "stream": chunk.stream})
        elif not self.contents(chunk):
            self.emit({"damage": "corrupt", **where, **chunk.damage_keys()})

    def skip_reason(self, chunk):
        numbers = self.seen.setdefault(chunk.process_key, set())
        if chunk.number in numbers:
            return "duplicate"
        numbers.add(chunk.number)
        if chunk.flags:
            return "flags"
        return None if chunk.stream in STREAMS else "stream"

    def contents(self, chunk):
        if chunk.stream == 1:
            records, fault = decode_records(self.data, chunk)
            self.emit({**chunk.head(), "records": records})
            return not fault
        try:
            rows = decode_rows(self.data, chunk)
        except Corrupt:
            return False
        self.emit({**chunk.head(), "rows": rows})
        return True

    def lost_chunks(self):
        for process_key, numbers in self.seen.items():
            expected = 0
            for number in sorted(numbers):
                if number > expected:
                    self.emit({"damage": "lost_chunks", "process_key": process_key,
                               "first": expected, "count": number - expected})
                expected = max(expected, number + 1)


def decode(data):
    """(lines as objects, accepted) of one input."""
    lines = []
    accepted = Decoder(data, lines.append).run()
    return lines, accepted


def main(paths):
    all_accepted = True
    for path in paths:
        with open(path, "rb") as f:
            lines, accepted = decode(f.read())
        all_accepted &= accepted
        for line in lines:
            print(json.dumps(line, separators=(",", ":"), ensure_ascii=True))
    return 0 if all_accepted else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: decode_trace.py CAPTURE...")
    sys.exit(main(sys.argv[1:]))
