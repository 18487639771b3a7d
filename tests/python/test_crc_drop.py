"""bench/crc_drop.py: tiny models on tiny arms; what it trains is what was prepared."""
import importlib.util
import json
import os
import random
import subprocess
import sys

import world
from world import case

if not importlib.util.find_spec("torch"):
    world.skip("no torch: python3-torch has it")

ROOT, PROGRAM = sys.argv[1], sys.argv[2]


def plexus(*args):
    r = subprocess.run([PROGRAM, *args, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert r.returncode == 0, (args, r.stderr)
    return json.loads(r.stdout)


def arms():
    rng = random.Random(2)
    with open(world.path("corpus.jsonl"), "w", encoding="utf-8") as f:
        for _ in range(60):
            f.write(json.dumps({"tokens": [rng.randrange(40) for _ in range(30)]}) + "\n")
    plexus("data", "convert", world.path("corpus.jsonl"), world.path("corpus.ndp3"))
    plexus("bench", "crc-drop", world.path("corpus.ndp3"), "--dir", world.path("arms"), "--steps",
           "20", "--batch", "2", "--row-tokens", "8", "--seeds", "2")


def train(*args):
    return subprocess.run(
        [sys.executable, os.path.join(ROOT, "bench/crc_drop.py"), world.path("arms"),
         world.path("runs.jsonl"), "--width", "8", "--layers", "1", "--heads", "2", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"})


@case
def arms_are_trained_and_judged():
    """arms are trained, and the results judged"""
    arms()
    some = ["--rates", "0.2", "--regimes", "0", "--arms",
            "none,drop,flips,unchecked,shorter,masked,unmasked"]
    r = train(*some)
    assert r.returncode == 0, r.stderr
    assert len(r.stdout.splitlines()) == 14, r.stdout
    rows = {row["arm"]: row for row in
            plexus("bench", "crc-drop", "--results", world.path("runs.jsonl"))["rows"]}
    assert {arm: row["pairs"] for arm, row in rows.items()} == {
        "none": 0, "drop": 2, "flips": 2, "unchecked": 2, "shorter": 2, "masked": 0,
        "unmasked": 2}, rows
    # 40 tokens at random: a model that has learned nothing, or little, is near ln 40.
    assert all(3 < row["loss"] < 5 for row in rows.values()), rows
    assert all(rows[arm]["difference"] != 0 for arm in ("drop", "flips", "unchecked")), rows
    r = train(*some)
    assert (r.returncode, r.stdout) == (0, ""), r.stderr  # nothing is left to do


@case
def a_run_is_the_same_when_it_is_repeated():
    """a run gives the same loss when it is repeated"""
    with open(world.path("runs.jsonl"), encoding="utf-8") as f:
        first = json.loads(f.readline())
    os.unlink(world.path("runs.jsonl"))
    r = train("--arms", first["arm"], "--regimes", "0", "--seeds", "1")
    assert r.returncode == 0, r.stderr
    with open(world.path("runs.jsonl"), encoding="utf-8") as f:
        assert json.loads(f.readline())["heldout_loss"] == first["heldout_loss"]


@case
def other_data_than_were_prepared_are_noticed():
    """other samples or labels than were prepared end it with one line"""
    with open(world.path("arms/arms.json"), encoding="utf-8") as f:
        doc = json.load(f)
    for change in ({"digest": "0" * 16}, {"labels": 7}):
        bad = {**doc, "runs": [{**doc["runs"][0], **change}]}
        with open(world.path("arms/arms.json"), "w", encoding="utf-8") as f:
            json.dump(bad, f)
        with open(world.path("runs.jsonl"), "w", encoding="utf-8"):
            pass
        r = train()
        assert r.returncode == 1 and "write the arms anew" in r.stderr, r.stderr
        assert len(r.stderr.splitlines()) == 1, r.stderr


sys.exit(world.main())
