"""Conversions from Python, and the first project's command line and imports."""
import json
import os
import subprocess
import sys

import world
from world import case, path

import plexus
from plexus.convert import convert, find_tokenizer
from plexus.data import QubGPUDataset

PACKAGE = os.path.dirname(os.path.abspath(plexus.__file__))
ROOT = sys.argv[1]


def tokenizer():
    """A small tokenizer.json in a folder; the folder."""
    folder = path("words")
    os.makedirs(folder, exist_ok=True)
    with open(f"{ROOT}/tests/vectors/tokenizers.json", encoding="utf-8") as f:
        known = json.load(f)["tokenizers"]["gpt2"]["file"]
    with open(f"{folder}/tokenizer.json", "w", encoding="utf-8") as f:
        json.dump(known, f)
    return folder


def lines(name="in.jsonl", count=200, bad=()):
    with open(path(name), "w", encoding="utf-8") as f:
        for i in range(count):
            f.write("no json\n" if i in bad else json.dumps({"text": f"once upon a time {i} " * (i % 40)}) + "\n")
    return path(name)


def run(*command, cwd=None, **env):
    return subprocess.run([sys.executable, *command], cwd=cwd or world.folder(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, env={**os.environ, "PYTHONPATH": "", **env})


@case
def function():
    """convert() writes what a Dataset reads, and tells what it did"""
    seen = []
    r = convert(lines(bad=(7,)), path("a.qubgpu"), tokenizer(), 64, threads=2,
                progress=lambda done, all_bytes: seen.append((done, all_bytes)))
    assert (r["from"], r["to"], r["documents"], r["malformed"], r["first_malformed"]) == \
        ("jsonl", "ndp", 199, 1, 8), r
    assert seen[-1][0] == seen[-1][1] == os.path.getsize(path("in.jsonl")), seen
    rows = QubGPUDataset(path("a.qubgpu"), 64, crc_drop_rate=0)
    assert len(rows) == r["samples"] > 199
    with open(path("a.qubgpu.bad"), encoding="utf-8") as f:
        assert f.read() == "no json\n"
    for wrong, error in ((("none.jsonl", "a.qubgpu"), plexus.NotFound), ((path("in.jsonl"), "a.what"), plexus.Invalid),
                         ((path("in.jsonl"), path("b.ndp3")), plexus.Invalid)):
        try:
            convert(*wrong)
            raise AssertionError(wrong)
        except error:
            pass


@case
def names():
    """a tokenizer is a file, a folder, or a name in the cache of huggingface_hub"""
    folder = tokenizer()
    assert find_tokenizer(folder) == find_tokenizer(f"{folder}/tokenizer.json") == f"{folder}/tokenizer.json"
    snapshot = path("hub") + "/models--org--some/snapshots/abc"
    os.makedirs(snapshot, exist_ok=True)
    with open(f"{snapshot}/tokenizer.json", "w", encoding="utf-8") as f:
        f.write("{}")
    os.environ["HF_HUB_CACHE"] = path("hub")
    assert find_tokenizer("org/some") == f"{snapshot}/tokenizer.json"
    for name in ("org/other", "../../org/some", ""):
        try:
            find_tokenizer(name)
            raise AssertionError(name)
        except plexus.NotFound as e:
            assert "nothing is fetched" in str(e)


@case
def command_lines():
    """python training/convert.py, and python -m, give the same file as convert()"""
    source, words = lines(), tokenizer()
    convert(source, path("whole.qubgpu"), words)
    with open(path("whole.qubgpu"), "rb") as f:
        whole = f.read()
    site = {"PYTHONPATH": os.path.dirname(PACKAGE)}
    seed = run("-m", "plexus.seed", **site).stdout.strip()
    assert seed == f"{PACKAGE}/seed", seed
    for command, how in ((("training/convert.py",), {"cwd": seed}), ((f"{seed}/training/convert.py",), {}),
                         (("-m", "plexus.convert"), site), (("-m", "plexus.seed.training.convert"), site)):
        r = run(*command, source, path("b.qubgpu"), "--tokenizer", words, "--max-tokens", "512", **how)
        assert r.returncode == 0 and r.stdout.startswith("jsonl to ndp: 200 documents"), (r.stdout, r.stderr)
        with open(path("b.qubgpu"), "rb") as f:
            assert f.read() == whole, command
        os.remove(path("b.qubgpu"))
    r = run("-m", "plexus.convert", source, path("b.qubgpu"), "--tokenizer", "no-such-name", **site)
    assert r.returncode == 3 and len(r.stderr.splitlines()) == 1 and "nothing is fetched" in r.stderr, r.stderr
    r = run("-m", "plexus.convert", lines("bad.jsonl", bad=(3,)), path("b.qubgpu"), "--tokenizer", words, **site)
    assert r.returncode == 8 and "line 4" in r.stderr, r.stderr


@case
def imports():
    """from training.dataloader import QubGPUDataset works where the first project's folder is"""
    name = world.packets()
    code = f"from training.dataloader import QubGPUDataset; d = QubGPUDataset({name!r}); print(len(d), " \
           "sorted(d[0]))"
    r = run("-c", code, PYTHONPATH=f"{PACKAGE}/seed")
    assert r.stdout == "300 ['input_ids', 'labels']\n", (r.stdout, r.stderr)


@case
def interrupted():
    """Ctrl-C ends a conversion with KeyboardInterrupt, and leaves no file that looks whole"""
    words, source = tokenizer(), lines("long.jsonl", 60000)
    code = "import sys, os, signal; from plexus.convert import convert\n" \
           "convert(sys.argv[1], sys.argv[2], sys.argv[3], progress=lambda *_: os.kill(os.getpid(), signal.SIGINT))"
    r = run("-c", code, source, path("c.ndp3"), words, PYTHONPATH=os.path.dirname(PACKAGE))
    assert "KeyboardInterrupt" in r.stderr and not os.path.exists(path("c.ndp3")), r.stderr
    assert not [f for f in os.listdir(world.folder()) if f.startswith("c.ndp3")]


if __name__ == "__main__":
    sys.exit(world.main())
