"""plexus data from web servers: the same samples in the same order as from a file, blocks that come
wrong and are fetched again, servers that are slow, that break off, that lie, that change the file."""
import json
import os
import random
import shutil
import subprocess
import sys
import threading

import harness
from harness import equal
from web import Web

QUICK = ("--timeout", "300")


def write_store(place, name="a.ndp3", samples=6000):
    rng = random.Random(2)
    with open(place.path("a.jsonl"), "w", encoding="utf-8") as f:
        for _ in range(samples):
            tokens = [rng.randrange(30000) for _ in range(rng.randrange(1, 400))]
            f.write(json.dumps({"tokens": tokens}) + "\n")
    place.json("data", "convert", "a.jsonl", name)
    return place.path(name)


def order(place, *args, **kw):
    return place.json("data", "order", *args, **kw)["digest"]


def test_orders_and_samples_are_those_of_the_file(place):
    write_store(place)
    place.json("data", "convert", "a.ndp3", "a.qubgpu")
    with Web(place.dir) as web:
        for name in "a.ndp3", "a.qubgpu":
            at = f"{web.url}/{name}"
            packings = ("pad", "chunk", "best-fit") if name == "a.ndp3" else ("pad",)
            for packing in packings:
                digest = order(place, name, "--packing", packing)
                for ranks in "1", "2", "3", "5", "8":
                    equal(order(place, at, "--packing", packing, "--ranks", ranks), digest)
            here, there = (place.json("data", "inspect", x) for x in (name, at))
            equal(here.pop("elsewhere"), None)
            counts = there.pop("elsewhere")
            equal(here, there)
            equal((counts["wrong"], counts["damaged"], counts["retries"]), (0, 0, 0))
            doc = place.json("data", "verify", at)
            equal((doc["valid"], doc["samples"]), (True, here["samples"]))
            assert doc["elsewhere"]["bytes"] >= here["bytes"], doc
            # What is read one behind the other comes in large ranges, over several connections.
            assert doc["elsewhere"]["requests"] < here["bytes"] / 65536, doc


def test_conversions_from_addresses(place):
    write_store(place, samples=300)
    place.json("data", "convert", "a.ndp3", "here.jsonl")
    place.json("data", "convert", "a.ndp3", "a.qubgpu")
    with Web(place.dir) as web:
        for name, to in ("a.ndp3", "b.jsonl"), ("a.qubgpu", "c.jsonl"), ("here.jsonl", "d.jsonl"):
            doc = place.json("data", "convert", f"{web.url}/{name}", to)
            assert doc["tokens"] > 0, doc
        for to in "b.jsonl", "d.jsonl":
            with open(place.path("here.jsonl"), "rb") as a, open(place.path(to), "rb") as b:
                equal(a.read(), b.read())
        place.json("data", "convert", f"{web.url}/a.ndp3", "d.qubgpu")
    with open(place.path("a.qubgpu"), "rb") as a, open(place.path("d.qubgpu"), "rb") as b:
        equal(a.read(), b.read())


def test_a_server_without_ranges_gives_the_whole_file(place):
    write_store(place)
    with Web(place.dir, ranges=False) as web:
        equal(order(place, f"{web.url}/a.ndp3"), order(place, "a.ndp3"))
        assert len(web.asked) <= 2, web.asked


def test_blocks_that_come_wrong_are_fetched_again(place):
    store = write_store(place)
    at = 8192 + 70000
    seen = []

    def fault(number, path, first, last):
        if first <= at <= last and number:
            seen.append(number)
            return ("flip", at) if len(seen) == 1 else None
        return None

    with Web(place.dir, fault=fault) as web:
        doc = place.json("data", "verify", f"{web.url}/a.ndp3")
        equal((doc["elsewhere"]["wrong"], doc["elsewhere"]["damaged"]), (1, 0))
        assert len(seen) == 2, seen
    # Damaged where it lies: the same samples are found damaged as in a file, the block is named.
    with open(store, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1]))
    with Web(place.dir) as web:
        here, there = (place.run("data", "verify", x) for x in ("a.ndp3", f"{web.url}/a.ndp3"))
        equal((here.code, there.code), (7, 7))
        equal(here.err.split("(offset")[1], there.err.split("(offset")[1])
        assert f"the first at offset {8192 + 65536}" in there.out, there.out
        here, there = (place.json("data", "inspect", x) for x in ("a.ndp3", f"{web.url}/a.ndp3"))
        equal((there["elsewhere"]["damaged"], there["elsewhere"]["wrong"]), (1, 3))
        equal(here["lengths"], there["lengths"])
        equal(order(place, f"{web.url}/a.ndp3"), order(place, "a.ndp3"))


def test_servers_that_fail_now_and_then(place):
    write_store(place, samples=2000)
    seen, lock = {}, threading.Lock()
    faults = [("status", 503), ("short", 1000), ("short", 0), ("close",), ("status", 429),
              ("raw", b"HTTP/1.1 206 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
              ("raw", b"\xff" * 40000)]

    def fault(number, path, first, last):
        with lock:
            tries = seen[first] = seen.get(first, -1) + 1
        return faults[(number + tries) % len(faults)] if number and tries < 3 else None

    with Web(place.dir, fault=fault) as web:
        doc = place.json("data", "verify", f"{web.url}/a.ndp3")
        equal(doc["valid"], True)
        equal(order(place, f"{web.url}/a.ndp3"), order(place, "a.ndp3"))
    assert doc["elsewhere"]["retries"] > 0, doc


def test_silent_and_slow_servers(place):
    write_store(place, samples=2000)
    for what in ("stall", 2.0), ("drip", 2.0):
        with Web(place.dir, fault=lambda n, *_, w=what: w if n in (1, 2) else None) as web:
            doc = place.json("data", "verify", f"{web.url}/a.ndp3", *QUICK)
            equal(doc["valid"], True)
            assert doc["elsewhere"]["retries"] >= 1, doc
    with Web(place.dir, fault=lambda n, *_: ("stall", 30) if n else None) as web:
        r = place.run("data", "verify", f"{web.url}/a.ndp3", *QUICK)
        equal(r.code, 6)
        assert "timed out" in r.err and "PX-NET-041" in r.err, r.err


def test_a_file_that_changes_is_one_clear_error(place):
    write_store(place)
    with Web(place.dir, fault=lambda n, *_: ("tag", '"another"') if n > 2 else None) as web:
        r = place.run("data", "verify", f"{web.url}/a.ndp3")
        equal(r.code, 7)
        equal(len(r.err.strip().split("\n")), 1)
        assert "changed" in r.err and "another tag" in r.err, r.err

    def grown(n, path, first, last):
        size = os.path.getsize(place.path("a.ndp3"))
        return ("range", first, last, size + 1) if n > 2 else None

    with Web(place.dir, fault=grown) as web:
        equal(place.run("data", "verify", f"{web.url}/a.ndp3").code, 7)


def test_wrong_answers_are_refused(place):
    write_store(place, samples=2000)
    cases = [(lambda f, l: ("range", f + 1, l, 10 ** 6), 1, "range"),
             (lambda f, l: ("whole",), 1, "all of it"),
             (lambda f, l: ("raw", b"HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n"
                            b"Content-Range: bytes %d-%d/9\r\n\r\n" % (f, l)), 1, "range"),
             (lambda f, l: ("raw", b"junk\r\n\r\n"), 1, "HTTP/1.1"),
             (lambda f, l: ("status", 404), 3, "404"),
             (lambda f, l: ("status", 403), 5, "403"),
             (lambda f, l: ("status", 500), 4, "500")]
    for answer, code, says in cases:
        with Web(place.dir, fault=lambda n, p, f, l, a=answer: a(f, l) if n > 1 else None) as web:
            r = place.run("data", "verify", f"{web.url}/a.ndp3")
            equal((r.code, len(r.err.strip().split("\n"))), (code, 1))
            assert says in r.err, r.err
    for address in "http://", "http://a:b@c/", "http://[::1/x", "http://h:0/", "http://h:70000/", \
            "http://a b/":
        equal(place.run("data", "verify", address).code, 2)
    equal(place.run("data", "verify", "http://127.0.0.1:1/a.ndp3").code, 4)


def test_redirections(place):
    write_store(place, samples=2000)
    with Web(place.dir) as target:
        to = f"{target.url}/a.ndp3?key=1"
        with Web(place.dir, fault=lambda n, p, f, l: ("location", to)) as web:
            equal(place.json("data", "verify", f"{web.url}/x/a.ndp3")["valid"], True)
            equal(len(web.asked), 1)
            assert all("key=1" in path for path, _ in target.asked), target.asked
        # What a redirection leads to may be short-lived.
        target.fault = lambda n, p, f, l: ("status", 403) if "key=1" in p and n > before + 2 else None
        before = len(target.asked)
        keys = [to, f"{target.url}/a.ndp3?key=2"]
        with Web(place.dir, fault=lambda n, p, f, l: ("location", keys[min(n, 1)])) as web:
            equal(place.json("data", "verify", f"{web.url}/a.ndp3")["valid"], True)
    with Web(place.dir, fault=lambda n, p, f, l: ("location", "a.ndp3")) as web:
        r = place.run("data", "verify", f"{web.url}/a.ndp3")
        equal(r.code, 1)
        assert "redirections" in r.err, r.err


def certificate(place, name, host):
    """A key and a certificate that it signed itself, in one file."""
    if not shutil.which("openssl"):
        raise harness.Skip("the program openssl is not installed")
    file = place.path(name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", file + ".key", "-out", file + ".crt", "-days", "2",
                    "-subj", "/CN=" + host, "-addext", "subjectAltName=DNS:" + host],
                   check=True, stderr=subprocess.DEVNULL)
    with open(file, "w", encoding="ascii") as f:
        for part in ".key", ".crt":
            with open(file + part, encoding="ascii") as g:
                f.write(g.read())
    return file


def test_https(place):
    write_store(place, samples=2000)
    good, other = certificate(place, "good", "localhost"), certificate(place, "other", "elsewhere")
    trusted = {"SSL_CERT_FILE": good + ".crt"}
    with Web(place.dir, certificate=good) as web:
        at = f"{web.url}/a.ndp3"
        equal(place.json("data", "verify", at, env=trusted)["valid"], True)
        equal(order(place, at, env=trusted), order(place, "a.ndp3"))
        r = place.run("data", "verify", at)  # nobody vouches for it
        equal((r.code, len(r.err.strip().split("\n"))), (7, 1))
        assert "certificate" in r.err, r.err
        with Web(place.dir, fault=lambda *_: ("location", at)) as plain:
            equal(place.json("data", "verify", f"{plain.url}/a.ndp3", env=trusted)["valid"], True)
            # What began in secret does not go on in the open.
            web.fault = lambda *_: ("location", f"{plain.url}/a.ndp3")
            r = place.run("data", "verify", at, env=trusted)
            equal(r.code, 1)
            assert "https, as before" in r.err, r.err
    with Web(place.dir, certificate=other) as web:  # a certificate of another host
        r = place.run("data", "verify", f"{web.url}/a.ndp3", env={"SSL_CERT_FILE": other + ".crt"})
        equal(r.code, 7)
        assert "hostname mismatch" in r.err, r.err


harness.main(sys.modules[__name__])
