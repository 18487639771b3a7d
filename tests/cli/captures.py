"""Captures made for tests: files of pcap and pcapng, frames around UDP, packets of plexus."""
import binascii
import socket
import struct


def ndp(payload, src=1, dst=1, typ=1):
    head = struct.pack(">BBBBH", 0xAA, src, dst, typ, len(payload))
    return head + payload + struct.pack(">H", binascii.crc_hqx(head + payload, 0xFFFF))


def tokens(*ids):
    return ndp(struct.pack(f">{len(ids)}i", *ids))


def gradient(kind=1, format=0, count=16, values=None, **more):
    """A packet of gradients; values: its bytes, zeros when None."""
    f = {"magic": 0x7870, "version": 2, "job": 0xC0FFEE, "epoch": 3, "shard": 1, "worker": 2,
         "slot": 5, "flags": 0, "seq": 37, "exponent": -4, "next": -128,
         "where": 2**63 + 5, "tag": 0x0123456789ABCDEF, **more}
    if values is None:
        size = {0: 2 * count, 1: count, 2: count // 2 if kind == 1 else count, 3: 4 * count}[format]
        values = bytes((4 if format == 3 else 2) * count if kind == 6 else size)
    return struct.pack("<HBBIHBBHBBIHbbQQ", f["magic"], f["version"], kind, f["job"], f["epoch"],
                       f["shard"], f["worker"], f["slot"], format, f["flags"], f["seq"], count,
                       f["exponent"], f["next"], f["where"], f["tag"]) + values


def udp4(payload, sport=40000, dport=40001, src="10.0.0.1", dst="10.0.0.2", flags=0, **more):
    n = more.get("udp_length", 8 + len(payload))
    u = struct.pack(">HHHH", sport, dport, n, 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, more.get("ip_length", 20 + len(u)), 1, flags, 64,
                     more.get("protocol", 17), 0, socket.inet_aton(src), socket.inet_aton(dst))
    return ip + u


def udp6(payload, sport=40000, dport=40001, src="fd00::1", dst="fd00::2", extension=b"", first=17):
    u = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    return struct.pack(">IHBB16s16s", 0x60000000, len(extension) + len(u), first, 64,
                       socket.inet_pton(socket.AF_INET6, src),
                       socket.inet_pton(socket.AF_INET6, dst)) + extension + u


def ether(ip, *vlans):
    tags = b"".join(struct.pack(">HH", 0x8100, v) for v in vlans)
    return bytes(12) + tags + struct.pack(">H", 0x0800 if ip[0] >> 4 == 4 else 0x86DD) + ip


def sll(ip):
    return struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800 if ip[0] >> 4 == 4 else 0x86DD) + ip


def sll2(ip):
    return struct.pack(">HHIHBB8s", 0x0800 if ip[0] >> 4 == 4 else 0x86DD, 0, 1, 1, 0, 6,
                       bytes(8)) + ip


def pcap(frames, link=1, big=False, nano=False, snap=262144):
    """frames: bytes each, or (bytes captured, length on the wire)."""
    e = ">" if big else "<"
    out = struct.pack(e + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)
    for i, f in enumerate(frames):
        b, n = f if isinstance(f, tuple) else (f, len(f))
        out += struct.pack(e + "IIII", 1700000000 + i, 123456789 if nano else 123456, len(b), n) + b
    return out


def block(e, kind, body):
    n = 12 + (len(body) + 3) // 4 * 4
    return struct.pack(e + "II", kind, n) + body.ljust(n - 12, b"\0") + struct.pack(e + "I", n)


def pcapng(frames, big=False, kind=6, resolution=None):
    """frames: (link, bytes); an interface a link type."""
    e = ">" if big else "<"
    out = block(e, 0x0A0D0D0A, struct.pack(e + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    links = []
    for link, _ in frames:
        if link not in links:
            links.append(link)
            options = b"" if resolution is None else (
                struct.pack(e + "HHB3x", 9, 1, resolution) + struct.pack(e + "HH", 0, 0))
            out += block(e, 1, struct.pack(e + "HHI", link, 0, 0) + options)
    out += block(e, 4, bytes(4))  # names of hosts: none
    for i, (link, b) in enumerate(frames):
        ticks = (1700000000 + i) * (10**6 if resolution is None else
                                    2**(resolution & 127) if resolution & 128 else 10**resolution)
        if kind == 3:
            out += block(e, 3, struct.pack(e + "I", len(b)) + b)
        elif kind == 2:
            out += block(e, 2, struct.pack(e + "HHIIII", links.index(link), 0, ticks >> 32,
                                           ticks & 0xFFFFFFFF, len(b), len(b)) + b)
        else:
            out += block(e, 6, struct.pack(e + "IIIII", links.index(link), ticks >> 32,
                                           ticks & 0xFFFFFFFF, len(b), len(b)) + b)
    return out


def flipped(data, bit):
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def payloads():
    """Name and payload of a datagram: whole packets, damaged ones, what only looks like one."""
    two = tokens(1, 2, 3) + tokens(-5, 70000)
    out = [("tokens", tokens(10, 20, 30)), ("two", two), ("empty", ndp(b"")),
           ("unknown codes", ndp(b"abc", 9, 200, 77)), ("floats", ndp(bytes(8), 5, 5, 3)),
           ("flipped token", flipped(tokens(10, 20, 30), 8 * 7 + 3)),
           ("flipped crc", flipped(two, 8 * (len(two) - 1))),
           ("first damaged", flipped(two, 8 * 9)),
           ("flipped length", flipped(two, 8 * 5 + 2)), ("longer length", flipped(two, 8 * 4)),
           ("cut", two[:-3]), ("cut head", two + b"\xaa\x01"), ("behind", two + b"zzz"),
           ("sync", flipped(tokens(1), 0)), ("one byte", b"\xaa"), ("text", b"hello, world")]
    for kind in range(1, 7):
        for form in range(4):
            n = 0 if kind == 3 else 32
            out.append((f"gradient {kind} {form}", gradient(kind, form, n, flags=kind * 5 % 32)))
    out += [("gradient short", gradient()[:-1]), ("gradient long", gradient() + b"\0"),
            ("gradient head", gradient()[:30]), ("gradient kind", gradient(9)),
            ("gradient format", gradient(1, 0)[:14] + b"\x07" + gradient(1, 0)[15:]),
            ("gradient count", gradient(1, 0, 17)), ("gradient most", gradient(1, 1, 1536)),
            ("gradient more", gradient(1, 1, 1552)), ("gradient late", gradient(3, 0, 16)),
            ("gradient version", gradient(version=1)), ("gradient magic", gradient(magic=0x7871))]
    return out
