"""Training data of other tools: read as they were written, by those tools (tests/vectors/import) and by writers of
the tests' own; written for Megatron and llm.c, byte by byte; refused in one line where they cannot be."""
import json
import os
import shutil
import struct
import sys

import arrow_file
import harness
from harness import equal

DOCUMENTS = [[i, 2 * i + 1, 40000] * (1 + i % 5) for i in range(50)]
FIXTURE = [[1, 2, 3], [40000] * 40, [7], [2**31 - 1, 0], [5, 4, 3, 2, 1]]


def vector(place, name):
    return os.path.join(place.root, "tests/vectors/import", name)


def bytes_of(place, name):
    with open(place.path(name), "rb") as f:
        return f.read()


def documents(place, *args, code=0):
    """What a conversion to JSON lines gives."""
    r = place.run("data", "convert", args[0], "x.jsonl", *args[1:], "--json")
    equal(r.code, code, (args, r.err))
    lines = bytes_of(place, "x.jsonl").splitlines()
    os.unlink(place.path("x.jsonl"))
    return [json.loads(line)["tokens"] for line in lines]


def refused(place, code, *args, says=""):
    """In one line, with nothing left behind."""
    before = sorted(os.listdir(place.path(".")))
    r = place.run("data", "convert", *args)
    equal((r.code, r.out, len(r.err.splitlines())), (code, "", 1), (args, r.err))
    assert says in r.err, r.err
    equal(sorted(os.listdir(place.path("."))), before)


def write_mds(place, name, encoding, encode, shards=3, **column):
    """A folder of MDS: a sample is an id of eight bytes, then the column."""
    entries = []
    for k in range(shards):
        part = DOCUMENTS[k * 17:(k + 1) * 17]
        samples = []
        for i, d in enumerate(part):
            value = encode(d)
            head = b"" if column.get("size") else struct.pack("<I", len(value))
            samples.append(head + struct.pack("<q", i) + value)
        config = json.dumps({"column_names": ["id", "tokens"]}).encode()
        at, offsets = 4 + 4 * (len(samples) + 1) + len(config), []
        for s in samples:
            offsets.append(at)
            at += len(s)
        offsets.append(at)
        data = struct.pack(f"<I{len(offsets)}I", len(samples), *offsets) + config + b"".join(samples)
        place.write(f"{name}/shard.{k:05}.mds", data)
        entries.append({"column_encodings": ["int64", encoding], "column_names": ["id", "tokens"],
                        "column_sizes": [8, column.get("size")], "compression": None, "format": "mds", "hashes": [],
                        "raw_data": {"basename": f"shard.{k:05}.mds", "bytes": len(data), "hashes": {}},
                        "samples": len(samples), "size_limit": 1 << 26, "version": 2, "zip_data": None})
    place.write(f"{name}/index.json", json.dumps({"shards": entries, "version": 2}))


def test_what_the_tools_wrote(place):
    for name in "list.arrow", "large.feather":
        equal(documents(place, vector(place, name), code=8), FIXTURE, name)  # two have no tokens
    for name in "zstd.arrow", "lz4.arrow", "mds":
        r = place.run("data", "convert", vector(place, name), "x.jsonl")
        if r.code == 1 and "no such library" in r.err:
            print(f"# {name}: {r.err.strip()}")
            continue
        equal(documents(place, vector(place, name), code=0 if name == "mds" else 8), FIXTURE, name)
    for name in "litdata", "litdata/index.json", "i32.bin":
        equal(documents(place, vector(place, name)), FIXTURE, name)
    equal(documents(place, vector(place, "u16.bin")), [[t % 65536 for t in d] for d in FIXTURE])


def test_arrow_of_our_own(place):
    a, text = arrow_file.Column, arrow_file.Column("name", kind=arrow_file.UTF8)
    names = [f"row {i}" for i in range(50)]
    batches = [[names[:20], DOCUMENTS[:20]], [names[20:20], DOCUMENTS[20:20]], [names[20:], DOCUMENTS[20:]]]
    for column in (a("input_ids"), a("input_ids", "q"), a("input_ids", "H"), a("input_ids", "I"),
                   a("input_ids", "q", arrow_file.LARGE_LIST)):
        place.write("a.arrow", arrow_file.stream([text, column], batches))
        place.write("a.feather", arrow_file.file([text, column], batches))
        place.write("old.arrow", arrow_file.stream([text, column], batches, old=True))
        place.write("open.arrow", arrow_file.stream([text, column], batches, end=False))
        for name in "a.arrow", "a.feather", "old.arrow", "open.arrow":
            equal(documents(place, name), DOCUMENTS, (name, column.code))
    fixed = a("x", "i", arrow_file.FIXED_LIST, 3)
    rows = [[i, i + 1, i + 2] for i in range(20)]
    place.write("f.arrow", arrow_file.stream([fixed], [[rows]]))
    equal(documents(place, "f.arrow"), rows)
    place.write("n.arrow", arrow_file.stream([a("input_ids")], [[[[1, 2], None, [], [3]]]]))
    equal(documents(place, "n.arrow", code=8), [[1, 2], [3]])
    # Text, by a tokenizer.
    for kind in arrow_file.UTF8, arrow_file.LARGE_UTF8:
        place.write("t.arrow", arrow_file.stream([a("label"), a("text", kind=kind)], [[[[1]] * 50, names]]))
        ids = place.json("tokenize", "tiny", "row 7")["tokens"]
        equal(documents(place, "t.arrow", "--tokenizer", "tiny")[7], ids)
        refused(place, 2, "t.arrow", "t.ndp3", says="a tokenizer for columns of text")
        equal(documents(place, "t.arrow", "--column", "label"), [[1]] * 50)
        refused(place, 3, "t.arrow", "t.ndp3", "--column", "none", says="one of: label, text")
    data = arrow_file.stream([text, a("input_ids")], batches)
    place.write("cut.arrow", data[:len(data) // 2])
    refused(place, 7, "cut.arrow", "t.ndp3", says="message")
    # Values beyond 32 bits are no tokens.
    place.write("big.arrow", arrow_file.stream([a("input_ids", "q")], [[[[1], [1 << 40]]]]))
    refused(place, 1, "big.arrow", "t.ndp3", says="1099511627776")


def test_a_folder_of_arrow(place):
    """As Dataset.save_to_disk makes it."""
    column = arrow_file.Column("input_ids")
    names = [f"data-{k:05}-of-00002.arrow" for k in range(2)]
    for k, name in enumerate(names):
        place.write("d/" + name, arrow_file.stream([column], [[DOCUMENTS[25 * k:25 * k + 25]]]))
    state = {"_data_files": [{"filename": n} for n in names], "_fingerprint": "0", "_format_columns": None}
    place.write("d/state.json", json.dumps(state, indent=2))
    place.write("d/dataset_info.json", "{}")
    equal(documents(place, "d"), DOCUMENTS)
    equal(documents(place, "d/state.json", "--column", "input_ids"), DOCUMENTS)
    place.write("d/state.json", json.dumps({"_data_files": [{"filename": "../corpus.jsonl"}]}))
    refused(place, 7, "d", "d.ndp3", says="below the folder")
    place.write("d/state.json", json.dumps({"_data_files": [{"filename": "none.arrow"}]}))
    refused(place, 3, "d", "d.ndp3", says="none.arrow")
    place.write("d/state.json", json.dumps({"_data_files": [{}]}))
    refused(place, 7, "d", "d.ndp3")
    place.write("d/state.json", "{}")
    refused(place, 7, "d", "d.ndp3", says="_data_files")


def test_mds_of_our_own(place):
    for encoding, code in ("bytes", "q"), ("ndarray:uint16", "H"), ("ndarray:int32", "i"), ("ndarray:uint32", "I"):
        def encode(d, code=code, array=encoding != "bytes"):
            shape = struct.pack("<BB", 1 << 2, len(d)) if array else b""
            return shape + struct.pack(f"<{len(d)}{code}", *d)
        write_mds(place, "m", encoding, encode)
        equal(documents(place, "m"), DOCUMENTS, encoding)
        equal(documents(place, "m/index.json", "--column", "tokens"), DOCUMENTS)
    write_mds(place, "m", "bytes", lambda d: struct.pack(f"<{len(d)}H", *d))
    equal(documents(place, "m", "--column", "tokens:uint16"), DOCUMENTS)
    refused(place, 7, "m", "m.ndp3", says="whole tokens")
    write_mds(place, "m", "str", lambda d: f"row {len(d)}".encode())
    ids = place.json("tokenize", "tiny", "row 3")["tokens"]
    equal(documents(place, "m", "--tokenizer", "tiny")[0], ids)
    refused(place, 2, "m", "m.ndp3", says="a tokenizer")
    write_mds(place, "m", "pkl", lambda d: b"")
    refused(place, 1, "m", "m.ndp3", says="pkl")


def test_folders_that_are_not_whole(place):
    write_mds(place, "m", "bytes", lambda d: struct.pack(f"<{len(d)}q", *d))
    index = json.loads(bytes_of(place, "m/index.json"))
    shard = bytes_of(place, "m/shard.00001.mds")
    place.write("m/shard.00001.mds", shard[:-1])
    refused(place, 7, "m", "m.ndp3", says="as many bytes as index.json says")
    os.unlink(place.path("m/shard.00001.mds"))
    refused(place, 3, "m", "m.ndp3", says="shard.00001.mds")
    place.write("m/shard.00001.mds", shard)
    for change, code, says in ((("raw_data", {"basename": "../model.gguf", "bytes": 1}), 7, "below the folder"),
                               (("raw_data", {"basename": "/etc/passwd", "bytes": 1}), 7, "below the folder"),
                               (("samples", 18), 7, "as many samples"), (("version", 3), 7, "version"),
                               (("format", "jsonl"), 1, "mds"), (("column_sizes", [8]), 7, "columns")):
        changed = json.loads(json.dumps(index))
        changed["shards"][1][change[0]] = change[1]
        place.write("m/index.json", json.dumps(changed))
        refused(place, code, "m", "m.ndp3", says=says)
    place.write("m/index.json", "{}")
    refused(place, 7, "m", "m.ndp3", says="neither")


def test_megatron_is_as_it_writes_itself(place):
    for name in "i32", "u16":
        shutil.copy(vector(place, name + ".bin"), place.path("a.bin"))
        shutil.copy(vector(place, name + ".idx"), place.path("a.idx"))
        place.json("data", "convert", "a.bin", "a.ndp3")
        place.json("data", "convert", "a.ndp3", "b.bin", "--to", "megatron")
        for end in ".bin", ".idx":
            equal(bytes_of(place, "b" + end), bytes_of(place, "a" + end), name + end)
    refused(place, 2, "a.ndp3", "c", "--to", "megatron", says=".bin")
    refused(place, 2, "a.ndp3", "c.bin", says="megatron or llmc")


def test_llmc_and_back(place):
    place.write("d.jsonl", "".join(json.dumps({"tokens": [50256] + d}) + "\n" for d in DOCUMENTS))
    place.write("n.jsonl", "".join(json.dumps({"tokens": d}) + "\n" for d in DOCUMENTS))
    for name in "d.jsonl", "n.jsonl":  # the mark is there, or is put there
        place.json("data", "convert", name, "a.bin", "--to", "llmc", "--eot", "50256")
        data = bytes_of(place, "a.bin")
        flat = [t for d in DOCUMENTS for t in [50256] + d]
        equal(data, struct.pack("<256i", 20240520, 1, len(flat), *[0] * 253) + struct.pack(f"<{len(flat)}H", *flat))
        equal(documents(place, "a.bin", "--eot", "50256"), [[50256] + d for d in DOCUMENTS])
        place.json("data", "convert", "a.bin", "a.ndp3", "--eot", "50256")
        place.json("data", "convert", "a.ndp3", "b.bin", "--to", "llmc", "--eot", "50256")
        equal(bytes_of(place, "b.bin"), data)
    place.json("data", "convert", "n.jsonl", "w.bin", "--to", "llmc", "--token-bytes", "4")
    equal(struct.unpack_from("<2I", bytes_of(place, "w.bin")), (20240801, 7))
    place.json("data", "convert", "w.bin", "w2.bin", "--to", "llmc")
    equal(bytes_of(place, "w.bin"), bytes_of(place, "w2.bin"))
    place.write("big.jsonl", '{"tokens": [1, 65535]}\n{"tokens": [2, 65536]}\n')
    refused(place, 1, "big.jsonl", "big.bin", "--to", "llmc", says="65536")
    refused(place, 1, "big.jsonl", "big.bin", "--to", "megatron", "--token-bytes", "2", says="--token-bytes 4")
    place.json("data", "convert", "big.jsonl", "big.bin", "--to", "megatron")
    equal(documents(place, "big.bin"), [[1, 65535], [2, 65536]])


harness.main(sys.modules[__name__])
