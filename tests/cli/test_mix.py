"""plexus data stats and mix: figures that a few lines of Python count again, shares that hold after every sample."""
import json
import random
import sys

import harness
from harness import equal


def documents(seed, n, vocab=2000, longest=300):
    rng = random.Random(seed)
    return [[rng.randrange(vocab) for _ in range(rng.randrange(1, longest))] for _ in range(n)]


def write(place, name, docs, *args):
    place.write("x.jsonl", "".join(json.dumps({"tokens": d}) + "\n" for d in docs))
    place.json("data", "convert", "x.jsonl", name, *args)


def tokens_of(place, name):
    place.json("data", "convert", name, "back.jsonl")
    with open(place.path("back.jsonl"), encoding="ascii") as f:
        return [json.loads(line)["tokens"] for line in f]


def quantile(lengths, share):
    return sorted(lengths)[max(0, -int(-share * len(lengths) // 1) - 1)]


def test_stats_are_what_is_counted(place):
    docs = documents(1, 200) + [[7, 8, 9]] * 3 + [[1, 2]]
    docs += docs[5:7]
    lengths = [len(d) for d in docs]
    for name in "a.ndp3", "a.qubgpu":
        write(place, name, docs, "--max-tokens", "512")
        s = place.json("data", "stats", name, "--row-tokens", "128")
        equal((s["samples"], s["documents"], s["tokens"]), (206, 206, sum(lengths)))
        equal((s["shortest"], s["longest"], s["duplicates"]), (min(lengths), max(lengths), 4), name)
        for key, share in ("median", 0.5), ("p90", 0.9), ("p99", 0.99):
            equal(s[key], quantile(lengths, share), key)
        flat = [t for d in docs for t in d]
        equal((s["vocabulary"]["used"], s["vocabulary"]["smallest"], s["vocabulary"]["largest"]),
              (len(set(flat)), min(flat), max(flat)))
        equal(sum(s["lengths"]), 206)
        equal(s["lengths"][8], sum(256 <= n < 512 for n in lengths))
        pad = s["packings"]["pad"]
        kept = sum(min(n, 128) for n in lengths)
        equal((pad["rows"], pad["cut"]), (206, sum(lengths) - kept))
        assert abs(pad["padding"] - (1 - kept / (206 * 128))) < 1e-9, pad
        chunk = s["packings"]["chunk"]
        equal((chunk["rows"], chunk["cut"]), (-(-sum(lengths) // 128), 0))
        for fit in "first-fit", "best-fit":
            assert -(-kept // 128) <= s["packings"][fit]["rows"] < 206, s["packings"]
            equal(s["packings"][fit]["cut"], sum(lengths) - kept)
    text = place.run("data", "stats", "a.ndp3").out
    assert "half have at most" in text and "█" in text and "best-fit" in text, text
    # Of a tokenizer's vocabulary.
    place.json("data", "convert", "story.txt", "t.ndp3", "--tokenizer", "tiny")
    vocabulary = place.json("data", "stats", "t.ndp3")["vocabulary"]
    assert 0 < vocabulary["used"] < vocabulary["size"], vocabulary


def test_damage_is_not_counted(place):
    write(place, "a.ndp3", documents(1, 20))
    with open(place.path("a.ndp3"), "r+b") as f:
        f.seek(8192 + 100)
        f.write(b"\xff\xff\xff\xff")
    s = place.json("data", "stats", "a.ndp3")
    equal((s["samples"], s["damaged"]), (19, 1))
    r = place.run("data", "mix", "a.ndp3:1", "-o", "b.ndp3")
    equal((r.code, len(r.err.splitlines())), (7, 1), r.err)
    equal(place.run("data", "verify", "b.ndp3").code, 3)  # there is none


def test_shares_hold_after_every_sample(place):
    sizes = {"a.ndp3": 300, "b.ndp3": 50, "c.qubgpu": 40}
    for k, (name, n) in enumerate(sizes.items()):
        write(place, name, [[1000 * k + i] for i in range(n)])
    weights = [0.6, 0.3, 0.1]
    args = [f"{name}:{w}" for name, w in zip(sizes, weights)]
    m = place.json("data", "mix", *args, "--again", "--samples", "500", "-o", "m.ndp3", "--batch", "10")
    equal((m["samples"], m["written"], m["period"], m["rounded"]), (500, 500, 10, False))
    of = [d[0] // 1000 for d in tokens_of(place, "m.ndp3")]
    equal(of[:64], m["order"])
    counts, through = [0] * 3, [None] * 3
    for n, k in enumerate(of, 1):
        counts[k] += 1
        if counts[k] == list(sizes.values())[k]:
            through[k] = n
        for c, w in zip(counts, weights):
            assert abs(c - n * w) <= 1, (n, counts)
    for k, s in enumerate(m["sources"]):
        equal((s["drawn"], s["weight"]), (counts[k], [6, 3, 1][k]))
        if through[k]:
            equal((s["through_after"], s["through_step"]), (through[k], -(-through[k] // 10)))
    # Once each, without --again: nothing is lost, nothing comes twice.
    m = place.json("data", "mix", *args, "-o", "m.ndp3")
    equal(m["samples"], 390)
    equal(sorted(d[0] for d in tokens_of(place, "m.ndp3")),
          sorted(1000 * k + i for k, n in enumerate(sizes.values()) for i in range(n)))
    equal([s["passes"] for s in m["sources"]], [1, 1, 1])
    text = place.run("data", "mix", *args).out
    assert "6/10" in text and "390 samples of 3 sources" in text, text


def test_the_order_is_the_loaders(place):
    write(place, "a.ndp3", [[i] for i in range(70)])
    write(place, "b.ndp3", [[1000 + i] for i in range(30)])
    place.json("data", "mix", "a.ndp3", "b.ndp3", "--seed", "9", "--again", "--samples", "100", "-o", "m.ndp3")
    order = place.run("data", "order", "a.ndp3", "b.ndp3", "--seed", "9").out.splitlines()
    want = [[1000 * int(line.split()[0]) + int(line.split()[1])] for line in order]
    equal(tokens_of(place, "m.ndp3"), want)
    place.json("data", "mix", "a.ndp3", "b.ndp3", "--seed", "8", "-o", "n.ndp3")
    assert tokens_of(place, "n.ndp3") != want


def test_documents_stay_whole_or_begin_anew(place):
    write(place, "a.ndp3", documents(3, 20), "--max-tokens", "50")
    place.json("data", "mix", "a.ndp3:1", "-o", "m.ndp3")
    a, m = place.json("data", "stats", "a.ndp3"), place.json("data", "stats", "m.ndp3")
    equal((a["samples"], a["tokens"], a["documents"]), (m["samples"], m["tokens"], 20))
    assert m["documents"] > 20, m  # samples of a shuffled document are not its continuation


def test_what_cannot_be_mixed(place):
    write(place, "a.ndp3", [[1]])
    for args, code in ((["a.ndp3:0"], 2), (["a.ndp3:x"], 2), (["a.ndp3:1", "a.ndp3"], 2), (["a.ndp3:1.2.3"], 2),
                       (["a.ndp3:0.1234567891"], 2), (["none.ndp3:1"], 3), (["a.ndp3:1", "-o", "a.bin"], 2)):
        r = place.run("data", "mix", *args)
        equal((r.code, r.out, len(r.err.splitlines())), (code, "", 1), args)


harness.main(sys.modules[__name__])
