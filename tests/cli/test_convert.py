"""plexus data convert of JSON lines: the same bytes for any number of threads, and after any number of kills;
what is half written is never taken for whole, and nothing is left behind."""
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time

import harness
from harness import equal

COMMIT = ("--commit", "1000")  # as often as it can be: with each part of 256 KiB
FORMATS = ("ndp3", "qubgpu", "jsonl")


def write_lines(place, name="in.jsonl", size=2 << 20, seed=1):
    """Lines of text and of tokens, of which some are malformed; how many of those."""
    rng = random.Random(seed)
    words = ["".join(rng.choice("etaoinshrdlu") for _ in range(rng.randrange(1, 9))) for _ in range(400)]
    bad = at = i = 0
    with open(place.path(name), "w", encoding="utf-8") as f:
        while at < size:
            i += 1
            text = " ".join(rng.choice(words) for _ in range(rng.randrange(60)))
            line = json.dumps({"text": text + "é\n\U0001F600"}, ensure_ascii=rng.random() < .5)
            if rng.random() < .01:
                line, bad = '{"text": ' + str(i), bad + 1
            elif rng.random() < .05:
                line = json.dumps({"tokens": [rng.randrange(500) for _ in range(9)]})
            f.write(line + "\n")
            at += len(line) + 1
    return bad


def read(place, name):
    with open(place.path(name), "rb") as f:
        return f.read()


def command(place, out, *more):
    return [place.program, "data", "convert", "in.jsonl", out, "--tokenizer", "tiny", *COMMIT, *more]


def convert(place, out, *more):
    r = place.run(*command(place, out, *more)[1:], "--json")
    equal(r.code, 8, r.err)  # some lines are malformed
    return json.loads(r.out), r.err


def test_the_same_bytes_for_any_number_of_threads(place):
    bad = write_lines(place)
    for form in FORMATS:
        first = None
        for threads in (1, 2, 3, 8):
            doc, err = convert(place, f"{threads}.{form}", "--threads", str(threads))
            equal((doc["malformed"], doc["resumed"]), (bad, 0))
            assert f"line {doc['first_malformed']}," in err, err
            got = read(place, f"{threads}.{form}"), read(place, f"{threads}.{form}.bad")
            first = first or got
            assert got == first, (form, threads)
        equal(len(first[1].splitlines()), bad)
    equal([f for f in os.listdir(place.dir) if f.endswith((".part", ".resume"))], [])


def shared_memory():
    return set(os.listdir("/dev/shm"))


def kill_once(place, out, how, seconds, threads):
    """Start, and end it after a while; True when it was through before."""
    with subprocess.Popen(command(place, out, "--threads", str(threads), "--quiet"), cwd=place.dir,
                          env=place.env(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as p:
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            p.send_signal(how)
        err = p.communicate()[1]
    if how == signal.SIGINT and p.returncode == 130 and os.path.exists(place.path(out + ".resume")):
        assert len(err.splitlines()) <= 2, err
    return p.returncode == 8


def test_who_was_killed_goes_on(place):
    write_lines(place, size=4 << 20)
    rng = random.Random(5)
    before = shared_memory()
    for form in FORMATS:
        start = time.monotonic()
        convert(place, "whole." + form)
        took = time.monotonic() - start
        out, went_on, kills = "killed." + form, 0, 0
        for _ in range(200):
            how = signal.SIGKILL if rng.random() < .7 else signal.SIGINT
            if kill_once(place, out, how, rng.random() * took, rng.choice((1, 2, 3))):
                os.remove(place.path(out))  # through: from the beginning
                continue
            kills += 1
            if os.path.exists(place.path(out)):  # killed when it had its name: then it is whole
                assert read(place, out) == read(place, "whole." + form), "half of it took its place"
                os.remove(place.path(out))
            if os.path.exists(place.path(out + ".part")) and form == "ndp3" and kills % 4 == 0:
                # What is there is a store of the last commit, or none yet; never half of one.
                equal(place.run("data", "verify", out + ".part").code in (0, 7), True)
            if kills % 5 == 0:
                doc, err = convert(place, out, "--threads", str(rng.choice((1, 2, 8))))
                went_on += doc["resumed"] > 0
                assert (doc["resumed"] > 0) == ("went on behind line" in err), err
                assert read(place, out) == read(place, "whole." + form), (form, kills)
                assert read(place, out + ".bad") == read(place, "whole." + form + ".bad"), (form, kills)
                os.remove(place.path(out))
                if went_on >= 2 and kills >= 20:
                    break
        assert went_on >= 2, (form, kills, went_on)
        equal([f for f in os.listdir(place.dir) if f.endswith((".part", ".resume"))], [])
    assert not {f for f in shared_memory() - before if "plexus" in f}


def stop_on_the_way(place, out):
    """Kill it behind its first commit, however long that takes."""
    for _ in range(100):
        with subprocess.Popen(command(place, out), cwd=place.dir, env=place.env(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as p:
            while p.poll() is None:
                try:
                    with open(place.path(out + ".resume"), "rb") as f:
                        if len(f.read()) > 512:
                            break
                except FileNotFoundError:
                    pass
            p.kill()
        if os.path.exists(place.path(out + ".resume")):
            return
    raise AssertionError("it was always through before")


def test_another_job_begins_anew(place):
    write_lines(place)
    convert(place, "whole.ndp3")
    for change in ("--max-tokens", "input", "part"):
        stop_on_the_way(place, "a.ndp3")
        if change == "input":
            write_lines(place, seed=2)
            convert(place, "whole.ndp3")
        if change == "part":
            with open(place.path("a.ndp3.part"), "r+b") as f:
                f.write(b"something else")
        more = ("--max-tokens", "100") if change == "--max-tokens" else ()
        doc, _ = convert(place, "a.ndp3", *more)
        equal(doc["resumed"], 0, change)
        equal(read(place, "a.ndp3") == read(place, "whole.ndp3"), change != "--max-tokens", change)


def test_one_conversion_to_a_file_at_a_time(place):
    write_lines(place, size=1000)
    with open(place.path("a.ndp3.resume"), "wb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        r = place.run(*command(place, "a.ndp3")[1:])
        equal((r.code, len(r.err.splitlines())), (5, 1), r.err)
        assert "another process" in r.err, r.err
    convert(place, "a.ndp3")


def test_a_line_that_is_longer_than_a_part(place):
    text = "once upon a time " * 60000
    with open(place.path("in.jsonl"), "w", encoding="utf-8") as f:
        f.write('{"text": ""}\n{"text": 1}\n' + json.dumps({"text": text}) + "\n\n" + json.dumps({"text": "end"}))
    for threads in (1, 3):
        doc, _ = convert(place, "a.jsonl", "--threads", str(threads))
        equal((doc["documents"], doc["malformed"]), (3, 1))
    place.write("one", text)
    ids = place.json("tokenize", "tiny", "--file", "one")["tokens"]
    equal(json.loads(read(place, "a.jsonl").splitlines()[1])["tokens"], ids)


harness.main(sys.modules[__name__])
