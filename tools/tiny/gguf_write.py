"""Writer of GGUF version 3 files with F32 and Q8_0 tensors (numpy, struct)."""
import os
import struct

import numpy as np

ALIGN = 32
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
GGML_F32, GGML_Q8_0 = 0, 8


def string(s):
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def scalar(kind, v):
    if kind == U32:
        return struct.pack("<I", v)
    if kind == I32:
        return struct.pack("<i", v)
    if kind == F32:
        return struct.pack("<f", v)
    if kind == BOOL:
        return struct.pack("<?", v)
    return string(v)


def value(kind, v):
    """kind is a scalar kind, or (ARRAY, kind of element)."""
    if isinstance(kind, tuple):
        return (struct.pack("<IIQ", ARRAY, kind[1], len(v)) +
                b"".join(scalar(kind[1], x) for x in v))
    return struct.pack("<I", kind) + scalar(kind, v)


def q8_0(w):
    """A float matrix with rows of a multiple of 32 to Q8_0 blocks."""
    blocks = np.ascontiguousarray(w, np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1) / np.float32(127)
    inverse = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)
    q = np.round(blocks * inverse[:, None]).clip(-127, 127)
    out = np.empty(len(blocks), dtype=[("d", "<f2"), ("q", "i1", 32)])
    out["d"] = scale
    out["q"] = q
    return out.tobytes()


def write(path, metadata, tensors):
    """metadata: [(key, kind, value)]; tensors: [(name, array)].

    Matrices become Q8_0, vectors stay F32.  The file appears whole, by rename.
    """
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    for key, kind, v in metadata:
        head += string(key) + value(kind, v)
    data = []
    offset = 0
    for name, t in tensors:
        t = np.asarray(t, np.float32)
        if t.ndim == 2:
            assert t.shape[1] % 32 == 0, name
            raw, kind = q8_0(t), GGML_Q8_0
        else:
            raw, kind = t.astype("<f4").tobytes(), GGML_F32
        head += string(name) + struct.pack("<I", t.ndim)
        head += struct.pack("<%dQ" % t.ndim, *reversed(t.shape))
        head += struct.pack("<IQ", kind, offset)
        raw += b"\0" * (-len(raw) % ALIGN)
        data.append(raw)
        offset += len(raw)
    head += b"\0" * (-len(head) % ALIGN)
    temporary = path + ".new"
    with open(temporary, "wb") as f:
        f.write(head)
        for raw in data:
            f.write(raw)
    os.replace(temporary, path)
    return len(head) + offset
