"""plexus data: text to packets and stores and back, orders of any number of ranks, damage that is found
and named, lines that are malformed."""
import json
import os
import random
import struct
import sys

import harness
from harness import equal


def write_lines(place, name, bad=()):
    rng = random.Random(1)
    with open(place.path(name), "w", encoding="utf-8") as f:
        for i in range(300):
            words = " ".join(rng.choice(["once", "upon", "a", "time", "€", "\U0001F600"])
                             for _ in range(rng.randrange(1, 200)))
            f.write((bad[i] if i in bad else json.dumps({"text": f"{i} {words}"})) + "\n")


def bytes_of(place, name):
    with open(place.path(name), "rb") as f:
        return f.read()


def convert(place, *args):
    return place.json("data", "convert", *args)


def test_text_becomes_samples(place):
    write_lines(place, "a.jsonl")
    store = convert(place, "a.jsonl", "a.ndp3", "--tokenizer", "tiny", "--max-tokens", "64")
    packets = convert(place, "a.jsonl", "a.qubgpu", "--tokenizer", "tiny", "--max-tokens", "64")
    equal((store["from"], store["to"], store["documents"]), ("jsonl", "ndp3", 300))
    equal(store["tokens"], packets["tokens"])
    equal(store["samples"], packets["samples"])
    assert store["samples"] > 300, store
    for name, form in ("a.ndp3", "ndp3"), ("a.qubgpu", "ndp"):
        doc = place.json("data", "inspect", name)
        equal((doc["format"], doc["samples"], doc["tokens"]), (form, store["samples"], store["tokens"]))
        assert doc["longest"] <= 64, doc
        equal([k["src"] for k in doc["kinds"]], ["text_corpus"])
        equal(place.json("data", "verify", name)["valid"], True)
        equal(place.run("check", "--format", form, name).code, 0)
    # The documents come back as they were, and from both the same.
    convert(place, "a.ndp3", "b.jsonl")
    lines = bytes_of(place, "b.jsonl").splitlines()
    equal(len(lines), 300)
    ids = place.json("tokenize", "tiny", json.loads(bytes_of(place, "a.jsonl").splitlines()[7])["text"])
    equal(json.loads(lines[7])["tokens"], ids["tokens"])


def test_packets_to_a_store_and_back(place):
    write_lines(place, "a.jsonl")
    convert(place, "a.jsonl", "a.qubgpu", "--tokenizer", "tiny")
    data = bytearray(bytes_of(place, "a.qubgpu"))
    data[5000] ^= 1
    data[9000:9000] = b"something else"
    with open(place.path("a.qubgpu"), "wb") as f:
        f.write(data + data[:9])
    convert(place, "a.qubgpu", "a.ndp3")
    convert(place, "a.ndp3", "b.qubgpu")
    equal(bytes_of(place, "a.qubgpu"), bytes_of(place, "b.qubgpu"))
    dropped = place.json("data", "inspect", "a.qubgpu")["dropped"]
    assert dropped["crc"] >= 1 and dropped["cut"] == 1, dropped
    r = place.run("data", "convert", "a.qubgpu", "c.jsonl", "--json")
    equal((r.code, json.loads(r.out)["dropped"]), (8, sum(dropped.values())))
    r = place.run("data", "convert", "a.ndp3", "c.jsonl", "--json")
    equal((r.code, json.loads(r.out)["dropped"]), (8, sum(dropped.values())))
    equal(place.run("data", "inspect", "a.ndp3", env={"PLEXUS_CPU": "nonsense"}).code, 2)
    equal(place.run("data", "verify", "a.qubgpu").code, 7)
    equal(place.run("data", "verify", "a.ndp3").code, 0)


def test_order_is_of_no_ranks(place):
    write_lines(place, "a.jsonl")
    convert(place, "a.jsonl", "a.ndp3", "--tokenizer", "tiny")
    convert(place, "a.jsonl", "a.qubgpu", "--tokenizer", "tiny")
    for packing in "pad", "chunk", "first-fit", "best-fit":
        digests = {place.json("data", "order", "a.ndp3", "--seed", "5", "--ranks", str(r), "--batch",
                              str(7 + r), "--packing", packing)["digest"] for r in (1, 2, 3, 5, 8)}
        equal(len(digests), 1, packing)
    some = [place.json("data", "order", "a.ndp3", "--seed", "5", "--ranks", str(r), "--batch", "6",
                       "--steps", "7") for r in (1, 2, 3, 5, 8)]
    equal([x["rows"] for x in some], [42] * 5)
    equal(len({x["digest"] for x in some}), 1)
    text = place.run("data", "order", "a.qubgpu", "--seed", "5").out.splitlines()
    equal(sorted(text, key=lambda x: int(x.split()[1])), [f"0 {i}" for i in range(len(text))])
    assert text != place.run("data", "order", "a.qubgpu", "--seed", "6").out.splitlines()


def test_any_byte_that_changed_is_found(place):
    write_lines(place, "a.jsonl")
    convert(place, "a.jsonl", "a.ndp3", "--tokenizer", "tiny")
    good = bytes_of(place, "a.ndp3")
    rng = random.Random(2)
    for at in [0, 100, 4095, 4096, 8192, len(good) - 1] + [rng.randrange(len(good)) for _ in range(20)]:
        bad = bytearray(good)
        bad[at] ^= 1 << rng.randrange(8)
        with open(place.path("b.ndp3"), "wb") as f:
            f.write(bad)
        r = place.run("data", "verify", "b.ndp3")
        equal(r.code, 7, at)
        equal(len(r.err.splitlines()), 1, r.err)
    with open(place.path("b.ndp3"), "wb") as f:
        f.write(good[:-1])
    equal(place.run("data", "inspect", "b.ndp3").code, 7)


def test_malformed_lines_are_told_and_kept(place):
    write_lines(place, "a.jsonl", {10: '{"text": 5}', 200: "not json"})
    r = place.run("data", "convert", "a.jsonl", "a.ndp3", "--tokenizer", "tiny", "--json")
    doc = json.loads(r.out)
    equal((r.code, doc["malformed"], doc["first_malformed"], doc["documents"]), (8, 2, 11, 298))
    assert "line 11" in r.err, r.err
    equal(bytes_of(place, "a.ndp3.bad"), b'{"text": 5}\nnot json\n')


def test_tokens_of_other_tools(place):
    documents = [[i, 2 * i + 1, 40000] * (1 + i % 5) for i in range(50)]
    flat = [t for d in documents for t in d]
    ends = [sum(map(len, documents[:i + 1])) for i in range(50)]
    place.write("m.bin", struct.pack(f"<{len(flat)}H", *flat))
    place.write("m.idx", b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, 50, 51)
                + struct.pack("<50i", *map(len, documents))
                + struct.pack("<50q", *[2 * (e - len(d)) for e, d in zip(ends, documents)])
                + struct.pack("<51q", *range(51)))
    place.write("d.ds", struct.pack(f"<{len(flat)}I", *flat))
    place.write("d.ds.index", struct.pack("<50Q", *ends))
    marked = [t for d in documents for t in [50256] + d]
    place.write("l.bin", struct.pack("<256i", 20240520, 1, len(marked), *[0] * 253)
                + struct.pack(f"<{len(marked)}H", *marked))
    for args, mark in ((["m.bin", "--from", "megatron"], []), (["d.ds"], []),
                       (["l.bin", "--from", "llmc", "--eot", "50256"], [50256])):
        convert(place, args[0], "x.ndp3", *args[1:])
        convert(place, "x.ndp3", "x.jsonl")
        got = [json.loads(line)["tokens"] for line in bytes_of(place, "x.jsonl").splitlines()]
        equal(got, [mark + d for d in documents], args)
    place.write("m.idx", bytes_of(place, "m.idx")[:-1])
    r = place.run("data", "convert", "m.bin", "x.ndp3", "--from", "megatron")
    equal((r.code, len(r.err.splitlines())), (7, 1), r.err)


def test_what_cannot_be_is_said(place):
    place.write("a.jsonl", '{"text": "hello"}\n')
    for args, code in ((["a.jsonl", "a.ndp3"], 2), (["a.jsonl", "a.what", "--tokenizer", "tiny"], 2),
                       (["none.jsonl", "a.ndp3", "--tokenizer", "tiny"], 3),
                       (["a.jsonl", "no/folder/a.ndp3", "--tokenizer", "tiny"], 3)):
        r = place.run("data", "convert", *args)
        equal((r.code, r.out, len(r.err.splitlines())), (code, "", 1), args)
    equal([f for f in os.listdir(place.path(".")) if f.startswith("a.ndp3") or f.endswith(".part")], [])



harness.main(sys.modules[__name__])
