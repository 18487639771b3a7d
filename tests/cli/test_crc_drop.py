"""plexus bench crc-drop: the arms have what they say, and the judgement is that of the rule."""
import json
import math
import os
import random
import statistics
import sys

import harness
from harness import equal

# Student's t, 97.5 %, by degrees of freedom: from printed tables.
T = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 9: 2.2622, 29: 2.0452}


def corpus(place, documents=200):
    rng = random.Random(3)
    rows = [{"tokens": [rng.randrange(300) for _ in range(rng.randrange(20, 90))]}
            for _ in range(documents)]
    place.write("corpus.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    place.json("data", "convert", "corpus.jsonl", "corpus.ndp3")
    return rows


def prepare(place, *more):
    doc = place.json("bench", "crc-drop", "corpus.ndp3", "--dir", "arms", "--steps", "40",
                     "--batch", "4", "--row-tokens", "16", "--seeds", "3", *more)
    with open(place.path("arms/arms.json"), encoding="utf-8") as f:
        return doc, json.load(f)


def judged(place, rows):
    name = place.write("runs.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    return place.json("bench", "crc-drop", "--results", name)["rows"]


def result(arm, seed, loss, p=0.0, regime=4):
    return {"regime": regime, "arm": arm, "p": p, "seed": seed, "heldout_loss": loss}


# -------------------------------------------------------------------------- arms

def test_arms_have_equal_labels(place):
    corpus(place)
    doc, arms = prepare(place)
    equal((doc["runs"], doc["labels_a_step"]), (3 * (3 * 22 + 2), 64))
    equal(len(arms["runs"]), doc["runs"])
    kinds = {}
    for r in arms["runs"]:
        kinds.setdefault((r["regime"], r["arm"], r["p"]), []).append(r)
        if r["arm"] != "shorter":
            equal(r["labels"], 40 * 64, r["arm"])
    equal({k[2] for k in kinds if k[1] == "drop"}, {0.02, 0.05, 0.1, 0.2})
    equal({len(v) for v in kinds.values()}, {3})
    for (regime, arm, p), runs in kinds.items():
        control = [x["digest"] for x in kinds[regime, "none", 0]]
        digests = [x["digest"] for x in runs]
        if arm in ("unchecked", "dropout"):
            equal(digests, control)  # the same samples in the same order, damaged or not
        if arm == "drop":
            assert all(x["refilled"] >= x["dropped"] > 0 or p < 0.1 for x in runs), runs
        if arm == "shorter":
            equal([x["labels"] for x in runs], [40 * 64 - 16 * x["dropped"] for x in runs])
        if arm == "unmasked":
            equal([x["pads_in_loss"] for x in runs], [True] * 3)
            equal(digests, [x["digest"] for x in kinds[regime, "masked", 0]])
    # Without a shared seed the orders differ.
    equal(len({x["digest"] for x in kinds[4, "none", 0]}), 3)


def test_flips_damage_the_share_that_they_should(place):
    corpus(place, 400)
    _, arms = prepare(place, "--steps", "60")
    rows = {0: 60 * 4 + 60 * 4 // 9 + 1, 4: 60, 16: 15}
    hit = {}
    for r in arms["runs"]:
        damaged = {row for row, _ in r["flips"]}
        assert all(0 <= row < rows[r["regime"]] and 0 <= bit < 17 * 16 for row, bit in r["flips"])
        equal(r["flips"], sorted(r["flips"]))
        if r["arm"] == "fixed":
            equal(len(damaged), math.floor(r["p"] * rows[r["regime"]] + 0.5))
            equal(len(damaged), len(r["flips"]))
        if r["arm"] == "flips" and r["regime"] == 0:
            hit.setdefault(r["p"], []).append(len(damaged) / rows[0])
        if r["arm"] in ("flips", "fixed") and damaged and r["regime"]:
            assert r["damaged"] >= r["refilled"] > 0, r  # each is met in every epoch
        if r["arm"] == "unchecked":
            equal((r["damaged"], r["loader"]["check"]), (0, False))
    for p, shares in hit.items():  # 801 rows: within four deviations
        assert abs(statistics.mean(shares) - p) < 4 * math.sqrt(p * (1 - p) / 801), (p, shares)


def test_nothing_of_what_is_held_out_is_trained_on(place):
    rows = corpus(place)
    prepare(place)
    place.json("data", "convert", "arms/heldout.ndp3", "heldout.jsonl")
    held = [t for i, r in enumerate(rows, 1) if i % 10 == 0 for t in r["tokens"]]
    with open(place.path("heldout.jsonl"), encoding="utf-8") as f:
        got = [t for line in f for t in json.loads(line)["tokens"]]
    equal(got, held[:len(held) // 17 * 17])
    train = [t for i, r in enumerate(rows, 1) if i % 10 for t in r["tokens"]]
    for name, row in (("train-0", 17), ("train-4", 17), ("train-16", 17), ("short", 9)):
        place.json("data", "convert", f"arms/{name}.ndp3", "t.jsonl")
        with open(place.path("t.jsonl"), encoding="utf-8") as f:
            got = [json.loads(line)["tokens"] for line in f]
        equal({len(r) for r in got}, {row})
        equal([t for r in got for t in r], train[:len(got) * row])


def test_too_little_text_is_said(place):
    corpus(place, 12)
    r = place.run("bench", "crc-drop", "corpus.ndp3", "--dir", "arms")
    equal((r.code, len(r.err.splitlines())), (1, 1), r.err)
    assert "tokens are needed" in r.err and "--steps" in r.err, r.err
    assert not os.path.exists(place.path("arms"))
    for args in (["corpus.ndp3"], [], ["corpus.ndp3", "--dir", "a", "--row-tokens", "3"],
                 ["corpus.ndp3", "--results", "x"]):
        equal(place.run("bench", "crc-drop", *args).code, 2, args)


# --------------------------------------------------------------------- judgement

def test_differences_are_paired_and_their_interval_is_right(place):
    rng = random.Random(1)
    for n in (2, 3, 4, 5, 10, 30):
        seeds = range(n)
        base = [2 + rng.random() for _ in seeds]  # seeds differ far more than arms
        more = [rng.gauss(0.001, 0.01) for _ in seeds]
        rows = judged(place, [result("none", s, base[s]) for s in seeds] +
                      [result("drop", s, base[s] + more[s], 0.05) for s in reversed(seeds)])
        equal([(r["arm"], r["pairs"]) for r in rows], [("none", 0), ("drop", n)])
        mean, sd = statistics.mean(more), statistics.stdev(more)
        half = T[n - 1] * sd / math.sqrt(n)
        r = rows[1]
        for got, want in ((r["difference"], mean), (r["interval"], half),
                          (r["percent"], 100 * mean / statistics.mean(base)),
                          (r["low"], 100 * (mean - half) / statistics.mean(base)),
                          (r["high"], 100 * (mean + half) / statistics.mean(base)),
                          (r["control"], statistics.mean(base))):
            assert abs(got - want) <= 1e-4 * abs(want) + 1e-9, (n, got, want)


def test_the_rule(place):
    """Loss 2: half a percent is 0.01."""
    cases = [(-0.03, 0.001, "confirmed"), (-0.011, 0.0001, "confirmed"),
             (-0.009, 0.0001, "refuted within 0.5 %"), (0, 0, "refuted within 0.5 %"),
             (0.009, 0.0001, "refuted within 0.5 %"), (0.03, 0.001, "inconclusive"),
             (-0.03, 0.1, "inconclusive"), (0, 0.04, "inconclusive")]
    for mean, spread, verdict in cases:
        loss = [2 + mean + spread * (s - 4.5) / 4.5 for s in range(10)]
        rows = judged(place, [result("none", s, 2) for s in range(10)] +
                      [result("fixed", s, loss[s], 0.1) for s in range(10)])
        equal(rows[1]["verdict"], verdict, (mean, spread))


def test_pairs_are_of_one_regime_and_of_the_right_control(place):
    rows = judged(place, [result("none", 1, 2, regime=0), result("none", 1, 3, regime=4),
                          result("none", 2, 3.5, regime=4), result("drop", 1, 2.5, 0.02, 0),
                          result("drop", 2, 9, 0.02, 0),  # without a control: not paired
                          result("drop", 1, 3.25, 0.02, 4), result("drop", 2, 3.75, 0.02, 4),
                          result("masked", 1, 5, regime=0), result("unmasked", 1, 5.5, regime=0)])
    got = {(r["regime"], r["arm"]): (r["pairs"], r["difference"], r["verdict"]) for r in rows}
    equal(got[0, "drop"], (1, 0.5, "inconclusive"))
    equal(got[4, "drop"], (2, 0.25, "inconclusive"))
    equal(got[0, "unmasked"], (1, 0.5, "inconclusive"))
    equal(got[0, "masked"], (0, None, None))


def test_the_table_is_one_for_a_page(place):
    rows = [result("none", s, 2 + s / 8) for s in range(3)] + [
        {**result("drop", s, 2 + s / 8, 0.05), "samples_s": 100, "tokens_s": 12800}
        for s in range(3)]
    place.write("runs.jsonl", "\n".join(json.dumps(r) for r in rows) + "\n\n")
    out = place.run("bench", "crc-drop", "--results", "runs.jsonl").out.splitlines()
    equal({line.count("|") for line in out}, {10})
    equal(out[3], "| 4 | drop | 5 % | 2.1250 | +0.0000 +- 0.0000 | 3 | +0.00 .. +0.00 % | "
                  "refuted within 0.5 % | 100.0 / 12800 |")


def test_bad_results_are_named_by_line(place):
    good = json.dumps(result("none", 1, 2))
    for bad, text in (("{", "JSON object"), ("[]", "JSON object"), ("7", "JSON object"),
                      (json.dumps(result("other", 1, 2)), "arm"),
                      (good.replace("2}", "NaN}"), "JSON object"),
                      (json.dumps(result("none", 1, -2)), "heldout_loss"),
                      (json.dumps(result("none", -1, 2)), "seed"),
                      (json.dumps(result("drop", 1, 2, 1.5)), "p:"),
                      (json.dumps({**result("none", 1, 2), "regime": "x"}), "regime"),
                      (good, "each run once")):
        r = place.run("bench", "crc-drop", "--results", place.write("bad.jsonl", good + "\n" + bad))
        equal((r.code, len(r.err.splitlines()), r.out), (7, 1, ""), r.err)
        assert "line 2" in r.err and text in r.err, r.err
    equal(place.run("bench", "crc-drop", "--results", place.write("none.jsonl", "\n")).code, 7)
    equal(place.run("bench", "crc-drop", "--results", "missing.jsonl").code, 3)


harness.main(sys.modules[__name__])
