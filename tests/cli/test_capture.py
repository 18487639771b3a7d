"""plexus capture: what is in captures of every form, and that the dissector of Wireshark sees the
same. Captures are made by captures.py; tshark is asked where it is."""
import json
import os
import random
import shutil
import struct
import subprocess
import sys

import captures
import harness
from captures import ether, pcap, pcapng, sll, sll2, udp4, udp6
from harness import equal

NAMES = ("magic version kind job epoch shard worker slot format flags seq count exponent next "
         "where tag").split()


def decode(place, data, *args, code=0):
    name = place.write("traffic.pcap", data)
    r = place.run("capture", "decode", name, *args, "--json", "--tokens", "64")
    equal(r.code, code, r.err)
    return json.loads(r.out)


def all_frames():
    return [ether(udp4(p)) for _, p in captures.payloads()]


def outline(packets):
    return [(p["record"], p["kind"], p["drop"], p["bytes"]) for p in packets]


# ------------------------------------------------------------------ by itself

def test_packets_and_damage_are_found(place):
    doc = decode(place, pcap(all_frames()))
    seen = {}
    for p in doc["packets"]:
        seen.setdefault(captures.payloads()[p["record"] - 1][0], []).append(p["drop"])
    expected = {"tokens": [None], "two": [None, None], "empty": [None], "unknown codes": [None],
                "floats": [None], "flipped token": ["crc"], "flipped crc": [None, "crc"],
                "first damaged": ["crc", None],
                # Without a port these must look like packets: a right CRC, or lengths up to the end.
                "cut": [None, "cut"], "cut head": [None, None, "cut"],
                "behind": [None, None, "sync"],
                "gradient long": ["length"], "gradient short": ["length"],
                "gradient kind": ["layout"], "gradient format": ["layout"],
                "gradient count": ["layout"], "gradient most": [None],
                "gradient more": ["length"], "gradient late": ["layout"],
                **{f"gradient {k} {f}": [None] for k in range(1, 7) for f in range(4)}}
    equal(seen, expected)
    first = doc["packets"][0]
    equal((first["from"], first["port_to"], first["tokens"], first["names"]),
          ("10.0.0.1", 40001, [10, 20, 30],
           {"src": "text_corpus", "dst": "embedding", "typ": "token_ids"}))
    equal(first["time_ns"], 1700000000123456000)
    g = next(p for p in doc["packets"] if p["kind"] == "gradient")
    equal(list(g["head"]), NAMES)
    equal((g["head"]["job"], g["head"]["exponent"], g["head"]["next"], g["head"]["where"],
           g["names"]["flags"]),
          (0xC0FFEE, -4, -128, "0x8000000000000005", "version,again"))
    n = doc["counts"]["ndp"]
    equal(n["packets"] + sum(n["dropped"].values()) + doc["counts"]["gradient"]["packets"] +
          sum(doc["counts"]["gradient"]["dropped"].values()), len(doc["packets"]))
    equal(doc["skipped"]["other"], len(captures.payloads()) - len(seen))
    equal(doc["records"], len(captures.payloads()))


def test_a_port_makes_everything_a_packet(place):
    doc = decode(place, pcap(all_frames()), "--format", "ndp", "--port", "40001")
    equal({p["record"] for p in doc["packets"]}, set(range(1, doc["records"] + 1)))
    drops = {captures.payloads()[p["record"] - 1][0]: p["drop"] for p in doc["packets"]}
    equal((drops["sync"], drops["one byte"], drops["text"], drops["longer length"]),
          ("sync", "cut", "sync", "cut"))
    doc = decode(place, pcap(all_frames()), "--port", "9")
    equal((doc["packets"], doc["skipped"]["other"]), ([], doc["records"]))


def test_every_wrapping_shows_the_same(place):
    bodies = [p for _, p in captures.payloads()]
    plain = outline(decode(place, pcap([ether(udp4(p)) for p in bodies]))["packets"])
    extension = struct.pack(">BB6x", 60, 0) + struct.pack(">BB14x", 17, 1)
    for data in [pcap([ether(udp6(p)) for p in bodies], big=True),
                 pcap([ether(udp4(p), 7, 8) for p in bodies], nano=True),
                 pcap([sll(udp4(p)) for p in bodies], 113), pcap([sll2(udp6(p)) for p in bodies], 276),
                 pcap([udp4(p) for p in bodies], 101), pcap([udp4(p) for p in bodies], 228),
                 pcap([udp6(p, extension=extension, first=0) for p in bodies], 229),
                 pcap([b"\x02\0\0\0" + udp4(p) for p in bodies], 0),
                 pcap([b"\0\0\0\x18" + udp6(p) for p in bodies], 108),
                 pcap([ether(udp4(p)) + bytes(18) for p in bodies]),  # padding of short frames
                 pcap([ether(udp4(p, ip_length=0)) for p in bodies]),
                 pcapng([(1, ether(udp4(p))) for p in bodies]),
                 pcapng([(101, udp6(p)) for p in bodies], big=True, resolution=9),
                 pcapng([(1, ether(udp4(p))) for p in bodies], kind=2, resolution=0x80 | 20),
                 pcapng([(1, ether(udp4(p))) for p in bodies], kind=3)]:
        equal(outline(decode(place, data)["packets"]), plain)


def test_times_of_every_resolution(place):
    frame = [(147, captures.tokens(1)), (147, captures.tokens(2))]
    for resolution in (None, 0, 3, 9, 10, 0x80 | 10, 0x80 | 30):
        for big in (False, True):
            doc = decode(place, pcapng(frame, big, resolution=resolution))
            equal([p["time_ns"] for p in doc["packets"]],
                  [1700000000 * 10**9, 1700000001 * 10**9], resolution)


def test_what_is_no_datagram_is_counted(place):
    p = captures.tokens(1)
    doc = decode(place, pcap([ether(udp4(p, flags=0x2000)), ether(udp4(p, flags=5)),
                              ether(udp4(p, protocol=6)), ether(udp4(p, udp_length=4)),
                              ether(udp4(p, udp_length=99)), ether(udp4(p, ip_length=10)),
                              (ether(udp4(p))[:30], 80), (ether(udp4(p))[:-5], len(ether(udp4(p)))),
                              b"", ether(udp4(b"")), bytes(60)]))
    equal(doc["skipped"], {"link": 0, "cut": 2, "fragment": 2, "length": 4, "other": 3})
    equal(decode(place, pcap([p], 12345))["skipped"]["link"], 1)


def test_a_damaged_capture_gives_what_came_before(place):
    whole = pcap([ether(udp4(captures.tokens(i))) for i in range(5)])
    for cut, text in ((len(whole) - 3, "record 5"), (24 + 5, "record 1"), (10, "pcap"),
                      (3, "capture")):
        name = place.write("cut.pcap", whole[:cut])
        r = place.run("capture", "decode", name)
        equal(r.code, 7)
        equal(len(r.err.splitlines()), 1)
        assert f"field {text}" in r.err and "offset" in r.err, r.err
        equal(r.out.count("token_ids"), 4 if cut > 40 else 0)
    doc = decode(place, whole[:-3], code=7)
    equal(len(doc["packets"]), 4)
    lines = place.run("capture", "decode", place.write("x.pcap", whole), "--json-lines").out
    rows = [json.loads(x) for x in lines.splitlines()]
    equal([x["event"] for x in rows], ["packet"] * 5 + ["done"])
    ng = pcapng([(1, ether(udp4(captures.tokens(i)))) for i in range(3)])
    for at, value in ((4, 13), (4, 0), (8, 0), (12, 9), (28 + 4, 2**32 - 4), (len(ng) - 4, 8)):
        bad = ng[:at] + struct.pack("<I", value) + ng[at + 4:]
        r = place.run("capture", "decode", place.write("bad.pcapng", bad))
        equal((r.code, len(r.err.splitlines())), (7, 1), r.err)


def test_a_file_and_its_capture(place):
    place.run("data", "convert", "story.txt", "story.qubgpu", "--tokenizer", "tiny",
              "--max-tokens", "7")
    with open(place.path("story.qubgpu"), "rb") as f:
        good = f.read()
    bad = captures.flipped(good, 8 * 60) + b"left over"
    place.write("bad.qubgpu", bad)
    place.run("data", "convert", "bad.qubgpu", "bad.ndp3")
    for source in ("bad.qubgpu", "bad.ndp3"):
        doc = place.json("capture", "encode", source, "out.pcap")
        equal(doc["dropped"], 2)
        with open(place.path("out.pcap"), "rb") as f:
            data = f.read()
        equal(len(data), doc["bytes"])
        seen = decode(place, data)
        equal(seen["records"], doc["records"])
        equal([p["drop"] for p in seen["packets"]].count("crc"), 1)
        equal(seen["packets"][-1]["drop"], "sync")
        parts = [data[p["offset"]:p["offset"] + p["bytes"]] for p in seen["packets"]]
        equal(b"".join(parts), bad)
    r = place.run("capture", "encode", "story.qubgpu", "no/such/folder.pcap")
    equal((r.code, len(r.err.splitlines())), (3, 1), r.err)
    assert not [f for f in os.listdir(place.dir) if f.endswith(".part")]


# ----------------------------------------------------------------- Wireshark

def tshark(place, data, *args):
    script = os.path.join(place.root, "packaging/wireshark/plexus.lua")
    env = {**os.environ, "HOME": place.home, "LC_ALL": "C.UTF-8"}
    env.pop("XDG_CONFIG_HOME", None)
    r = subprocess.run(["tshark", "-n", "-X", "lua_script:" + script, "-o", "ip.defragment:FALSE",
                        "-o", "udp.check_checksum:FALSE", "-r", place.write("traffic.pcap", data),
                        *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=300)
    out, err = r.stdout.decode("utf-8", "replace"), r.stderr.decode("utf-8", "replace")
    equal(r.returncode, 0, err)
    assert "Lua" not in err and "lua" not in err, err
    assert "Lua Error" not in out, out
    return out


def need_tshark(place):
    if not shutil.which("tshark"):
        raise harness.Skip("no tshark: ./dev deps installs it")
    probe = place.write("probe.lua", 'print("lua", "runs")')
    r = subprocess.run(["tshark", "-X", "lua_script:" + probe, "-r",
                        place.write("none.pcap", pcap([]))], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, env={**os.environ, "HOME": place.home}, timeout=300)
    if b"runs" not in r.stdout:
        raise harness.Skip("this tshark runs no Lua for this user")


def dissected(place, data, *args):
    """Per record what tshark shows: field: [values]."""
    fields = ["frame.number", "frame.time_epoch"]
    fields += ["plexus_ndp." + f for f in ("sync", "src", "dst", "typ", "length", "crc", "expected",
                                           "drop", "token")]
    fields += ["plexus_gradient." + f for f in [*NAMES, "drop"]]
    out = tshark(place, data, *args, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=,",
                 *[x for f in fields for x in ("-e", f)])
    rows = {}
    for line in out.splitlines():
        cells = dict(zip(fields, line.split("\t")))
        rows[int(cells["frame.number"])] = {k: v.split(",") if v else [] for k, v in cells.items()}
    return rows


def number(text):
    return int(text, 16) if text.startswith("0x") else int(text)


def compare(rows, doc):
    """Every field of every record is what decode says."""
    records = {}
    for p in doc["packets"]:
        records.setdefault(p["record"], []).append(p)
    for n, row in rows.items():
        packets = records.pop(n, [])
        of = {k: [p for p in packets if p["kind"] == k] for k in ("ndp", "gradient")}
        for kind, names in (("ndp", ("sync", "src", "dst", "typ", "length")),
                            ("gradient", NAMES)):
            for name in names:
                mine = [p["head"][name] for p in of[kind] if p["head"]]
                mine = [number(v) if isinstance(v, str) else v for v in mine]
                equal([number(v) for v in row[f"plexus_{kind}.{name}"]], mine, (n, name))
            equal(row[f"plexus_{kind}.drop"], [p["drop"] for p in of[kind] if p["drop"]], n)
        for name, key in (("crc", "crc"), ("expected", "expected")):
            equal([number(v) for v in row["plexus_ndp." + name]],
                  [p[key] for p in of["ndp"] if p["crc"] is not None], (n, name))
        good = [p for p in of["ndp"] if not p["drop"]]
        if len(good) == len(of["ndp"]):  # those of packets with a wrong CRC are shown there, too
            equal([int(v) for v in row["plexus_ndp.token"]],
                  [t for p in good for t in p["tokens"] or []], n)
        if packets:
            s, ns = row["frame.time_epoch"][0].split(".")
            equal(int(s) * 10**9 + int(ns), packets[0]["time_ns"], n)
    equal(records, {})


def test_the_dissector_sees_what_decode_sees(place):
    need_tshark(place)
    bodies = [p for _, p in captures.payloads()]
    for data in [pcap(all_frames()), pcap([ether(udp6(p), 7) for p in bodies], big=True, nano=True),
                 pcap([sll2(udp4(p)) for p in bodies], 276), pcap(bodies, 147),
                 pcapng([(1, ether(udp4(p))) for p in bodies] + [(147, p) for p in bodies])]:
        compare(dissected(place, data), decode(place, data))
    for kind in ("ndp", "gradient"):
        compare(dissected(place, pcap(all_frames()), "-o", f"plexus_{kind}.port:40001"),
                decode(place, pcap(all_frames()), "--format", kind, "--port", "40001"))


def test_the_dissector_knows_every_crc(place):
    need_tshark(place)
    bodies = [p for name, p in captures.payloads() if not name.startswith("gradient")]
    for i, crc in enumerate(("ccitt_false", "xmodem", "aug", "kermit", "x25")):
        cover = ("all", "payload", "body")[i % 3]
        doc = decode(place, pcap(bodies, 147), "--crc", crc, "--cover", cover)
        rows = dissected(place, pcap(bodies, 147), "-o", f"plexus_ndp.crc:{crc}", "-o",
                         f"plexus_ndp.cover:{cover}")
        compare(rows, doc)


def test_damage_of_every_kind_is_marked(place):
    """Expert information, by which people filter."""
    need_tshark(place)
    out = tshark(place, pcap(all_frames()), "-T", "fields", "-e", "frame.number", "-Y",
                 "plexus_ndp.bad.crc")
    names = [captures.payloads()[int(n) - 1][0] for n in out.split()]
    equal(names, ["flipped token", "flipped crc", "first damaged"])
    out = tshark(place, pcap(all_frames()), "-V", "-Y", "plexus_gradient.bad.length")
    assert "Expert Info (Error/Malformed): shorter or longer than its count says" in out, out[:2000]
    equal(tshark(place, pcap(all_frames()), "-T", "fields", "-e", "frame.number", "-Y",
                 "plexus_gradient.flags.saturated").split() != [], True)


def test_random_damage_looks_the_same_to_both(place):
    need_tshark(place)
    rng = random.Random(5)
    frames = []
    for _ in range(1500):
        body = bytearray(rng.choice(captures.payloads())[1])
        for _ in range(rng.choice((1, 1, 2, 5))):
            body[rng.randrange(len(body))] = rng.choice((0, 0xAA, 255, rng.randrange(256)))
        frames.append(bytes(body[:rng.randrange(len(body) + 1)] if rng.random() < 0.2 else body))
    for data in (pcap(frames, 147), pcap([ether(udp4(p)) for p in frames])):
        compare(dissected(place, data), decode(place, data))


def test_hostile_captures_break_neither(place):
    """Frames of noise and damaged heads: no error of Lua, no signal; decode gives an account."""
    need_tshark(place)
    rng = random.Random(9)
    frames = []
    for _ in range(1500):
        frame = bytearray(ether(rng.choice((udp4, udp6))(rng.choice(captures.payloads())[1])))
        for _ in range(rng.randrange(8)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        kept = frame[:rng.randrange(len(frame) + 1)] if rng.random() < 0.3 else frame
        frames.append((bytes(kept), len(frame)))
    for link in (1, 147, 113):
        data = pcap(frames, link)
        out = tshark(place, data, "-V")
        assert "Malformed Packet: plexus" not in out and "Malformed Packet: PLEXUS" not in out
        doc = decode(place, data)
        equal(sum(doc["skipped"].values()) + len({p["record"] for p in doc["packets"]}),
              doc["records"])


harness.main(sys.modules[__name__])
