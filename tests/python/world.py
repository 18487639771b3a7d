"""What the tests of the Python package share: files of data, and a harness that prints TAP."""
import atexit
import os
import shutil
import sys
import tempfile
import traceback

FOLDER = tempfile.mkdtemp()
OWNER = os.getpid()
CASES = []


def remove():
    if os.getpid() == OWNER:
        shutil.rmtree(FOLDER)


atexit.register(remove)


def path(name):
    return os.path.join(FOLDER, name)


def case(f):
    CASES.append(f)
    return f


def tokens(i):
    """Sample i: 20 to 119 tokens, no two samples alike."""
    return [(i * 7919 + k * 31) % 30000 for k in range(20 + i * 37 % 100)]


def store(name="a.ndp3", samples=300, **options):
    from plexus.data import Writer
    with Writer(path(name), **options) as w:
        for i in range(samples):
            w.write(tokens(i), src=1 + i % 2)
    return path(name)


def crc16(data):
    import binascii
    return binascii.crc_hqx(data, 0xFFFF)


def packets(name="a.qubgpu", samples=300):
    """Version 2.1: AA SRC DST TYP LEN PAYLOAD CRC."""
    with open(path(name), "wb") as f:
        for i in range(samples):
            body = b"".join(t.to_bytes(4, "big") for t in tokens(i))
            head = bytes([0xAA, 1, 1, 1]) + len(body).to_bytes(2, "big")
            f.write(head + body + crc16(head + body).to_bytes(2, "big"))
    return path(name)


def mapped(address, size, file):
    """Whether this process maps `file` where these bytes are."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as f:
        for line in f:
            span, name = line.split()[0], line.rstrip("\n").split(" ", 5)[-1].strip()
            first, last = (int(x, 16) for x in span.split("-"))
            if name == file and first <= address and address + size <= last:
                return True
    return False


def main():
    print(f"TAP version 13\n1..{len(CASES)}", flush=True)
    failed = 0
    for n, f in enumerate(CASES, 1):
        name = (f.__doc__ or f.__name__).strip().splitlines()[0]
        try:
            f()
            print(f"ok {n} - {name}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {n} - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}", flush=True)
    return 1 if failed else 0


def skip(why):
    print(f"TAP version 13\n1..0 # SKIP {why}")
    sys.exit(0)
