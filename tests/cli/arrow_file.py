"""Arrow IPC written from its specification, as far as the tests of importers need it: tables of FlatBuffers,
a schema, batches, streams and files."""
import struct

SIZE = {"B": 1, "b": 1, "h": 2, "i": 4, "q": 8, "o": 4}
INT, UTF8, LIST, STRUCT, FIXED_LIST, LARGE_UTF8, LARGE_LIST = 2, 5, 12, 13, 16, 20, 21


class Table:
    """Fields by number: (kind, value), of which kind "o" is an object that lies behind the table."""

    def __init__(self, **fields):
        self.fields = {int(k[1:]): v for k, v in fields.items()}


class Structs:
    """A vector of structs, ready as bytes."""

    def __init__(self, count, data):
        self.count, self.data = count, data


def pad(out, n):
    out.extend(b"\0" * (-len(out) % n))


def emit(out, obj):
    """Append an object; returns where it is."""
    if isinstance(obj, str):
        pad(out, 4)
        at = len(out)
        out += struct.pack("<I", len(obj.encode())) + obj.encode() + b"\0"
        return at
    if isinstance(obj, Structs):
        pad(out, 8)
        out += b"\0" * 4  # so that what follows the count is aligned
        at = len(out)
        out += struct.pack("<I", obj.count) + obj.data
        return at
    if isinstance(obj, list):
        pad(out, 4)
        at = len(out)
        out += struct.pack("<I", len(obj)) + bytes(4 * len(obj))
        for i, item in enumerate(obj):
            place = at + 4 + 4 * i
            struct.pack_into("<I", out, place, emit(out, item) - place)
        return at
    places, bytes_ = {}, 4
    for number, (kind, _) in sorted(obj.fields.items()):
        bytes_ += -bytes_ % SIZE[kind]
        places[number] = bytes_
        bytes_ += SIZE[kind]
    count = max(places, default=-1) + 1
    pad(out, 2)
    fields_at = len(out)
    out += struct.pack("<HH", 4 + 2 * count, bytes_)
    out += struct.pack(f"<{count}H", *[places.get(i, 0) for i in range(count)])
    pad(out, 8)
    at = len(out)
    out += struct.pack("<i", at - fields_at) + bytes(bytes_ - 4)
    for number, (kind, value) in sorted(obj.fields.items()):
        if kind != "o":
            struct.pack_into("<" + kind, out, at + places[number], value)
    for number, (kind, value) in sorted(obj.fields.items()):
        if kind == "o":
            place = at + places[number]
            struct.pack_into("<I", out, place, emit(out, value) - place)
    return at


def root(table):
    out = bytearray(4)
    struct.pack_into("<I", out, 0, emit(out, table))
    pad(out, 8)
    return bytes(out)


def message(kind, header, body=b"", old=False):
    """A message; `old`: as before version 0.15, without the mark."""
    body += b"\0" * (-len(body) % 8)
    meta = root(Table(f0=("h", 4), f1=("B", kind), f2=("o", header), f3=("q", len(body))))
    meta += b"\0" * (-(len(meta) + 8) % 8)
    return (b"" if old else b"\xff\xff\xff\xff") + struct.pack("<I", len(meta)) + meta + body


def field(name, kind, table, children=()):
    return Table(f0=("o", name), f1=("B", 1), f2=("B", kind), f3=("o", table), f5=("o", list(children)))


def integers(bits=32, signed=True):
    return field("item", INT, Table(f0=("i", bits), f1=("B", int(signed))))


class Column:
    """A column: its field, and for some rows its nodes and buffers."""

    def __init__(self, name, code="i", kind=LIST, each=0):
        self.name, self.code, self.kind, self.each = name, code, kind, each

    def field(self):
        if self.kind in (UTF8, LARGE_UTF8):
            return field(self.name, self.kind, Table())
        bits = 8 * struct.calcsize("<" + self.code)
        own = Table(f0=("i", self.each)) if self.kind == FIXED_LIST else Table()
        return field(self.name, self.kind, own, [integers(bits, self.code.islower())])

    def parts(self, rows):
        """Nodes and buffers."""
        valid = bytearray(-(-len(rows) // 8))
        for i, row in enumerate(rows):
            valid[i // 8] |= (row is not None) << i % 8
        nulls = sum(row is None for row in rows)
        if self.kind in (UTF8, LARGE_UTF8):
            data = [(row or "").encode() for row in rows]
            values = b"".join(data)
        else:
            data = [row or [] for row in rows]
            values = struct.pack(f"<{sum(map(len, data))}{self.code}", *[t for row in data for t in row])
        ends = [0]
        for row in data:
            ends.append(ends[-1] + len(row))
        wide = self.kind in (LARGE_LIST, LARGE_UTF8)
        offsets = struct.pack(f"<{len(ends)}{'q' if wide else 'i'}", *ends)
        head = [bytes(valid) if nulls else b""]
        if self.kind in (UTF8, LARGE_UTF8):
            return [(len(rows), nulls)], head + [offsets, values]
        nodes = [(len(rows), nulls), (ends[-1], 0)]
        return nodes, head + ([] if self.kind == FIXED_LIST else [offsets]) + [b"", values]


def schema(columns, endian=0):
    return Table(f0=("h", endian), f1=("o", [c.field() for c in columns]))


def batch(columns, rows, old=False):
    nodes, buffers, body, places = [], [], b"", b""
    for c, values in zip(columns, rows):
        n, b = c.parts(values)
        nodes += n
        buffers += b
    for b in buffers:
        places += struct.pack("<qq", len(body), len(b))
        body += b + b"\0" * (-len(b) % 8)
    packed = b"".join(struct.pack("<qq", *n) for n in nodes)
    header = Table(f0=("q", len(rows[0])), f1=("o", Structs(len(nodes), packed)),
                   f2=("o", Structs(len(buffers), places)))
    return message(3, header, body, old)


def stream(columns, batches, old=False, end=True):
    """Batches: for each a list of rows of each column."""
    out = message(1, schema(columns), old=old)
    out += b"".join(batch(columns, rows, old) for rows in batches)
    return out + ((b"" if old else b"\xff\xff\xff\xff") + b"\0\0\0\0" if end else b"")


def file(columns, batches):
    out = b"ARROW1\0\0" + message(1, schema(columns))
    blocks = b""
    for rows in batches:
        m = batch(columns, rows)
        meta = 8 + struct.unpack_from("<I", m, 4)[0]
        blocks += struct.pack("<qiiq", len(out), meta, 0, len(m) - meta)
        out += m
    footer = root(Table(f0=("h", 4), f1=("o", schema(columns)), f3=("o", Structs(len(batches), blocks))))
    return out + b"\xff\xff\xff\xff\0\0\0\0" + footer + struct.pack("<i", len(footer)) + b"ARROW1"
