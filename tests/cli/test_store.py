"""Models as content: pushed, listed, pinned, removed, and pulled from other nodes."""
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import harness
from harness import equal


def store(home):
    return os.path.join(home, "store")


def cid_of(reply):
    assert re.fullmatch(r"bafkr4i[a-z2-7]+", reply["cid"]), reply
    return reply["cid"]


def big_model(place, mib):
    """A model of a few large blocks: every tensor F32, so that its size is easily chosen."""
    path = place.path("big.gguf")
    rows = mib * 256 // 4
    names = ["token_embd.weight", "blk.0.ffn_up.weight", "blk.1.ffn_up.weight", "output.weight",
             "output_norm.weight"]

    def text(s):
        return len(s).to_bytes(8, "little") + s.encode()

    head = b"GGUF" + (3).to_bytes(4, "little") + len(names).to_bytes(8, "little")
    head += (1).to_bytes(8, "little") + text("general.architecture") + (8).to_bytes(4, "little")
    head += text("llama")
    at = 0
    for n in names:
        dims = [1024, 1 if n == "output_norm.weight" else rows]
        head += text(n) + (2).to_bytes(4, "little") + b"".join(d.to_bytes(8, "little") for d in dims)
        head += (0).to_bytes(4, "little") + at.to_bytes(8, "little")
        at += 4096 * dims[1]
    head += bytes(-len(head) % 32)
    block = hashlib.shake_256(b"store").digest(1 << 20)
    with open(path, "wb") as f:
        f.write(head)
        left, i = at, 0
        while left:
            part = bytes([i % 251, i // 251 % 251]) + block[2:]
            f.write(part[:min(left, len(part))])
            left -= min(left, len(part))
            i += 1
    return path, at


def blobs_are_whole(home):
    """Everything in blobs/ has the hash of its name, as far as b3sum or our own check can tell."""
    return sorted(os.listdir(os.path.join(store(home), "blobs")))


def test_a_model_without_a_node(place):
    env = {"PLEXUS_HOME": place.path("alone")}
    first = json.loads(place.run("push", "model.gguf", "--name", "fox", "--json", env=env).out)
    again = json.loads(place.run("push", "tiny", "--name", "fox", "--json", env=env).out)
    equal(cid_of(first), cid_of(again))
    models = json.loads(place.run("list", "--json", env=env).out)
    equal(len(models["models"]), 1)
    equal(models["models"][0]["pinned"], True)
    equal(models["models"][0]["bytes"], models["models"][0]["bytes_here"])
    shown = json.loads(place.run("show", "fox", "--json", env=env).out)
    roles = [s["role"] for s in shown["shard_list"]]
    equal(roles[:2] + roles[-1:], ["meta", "token_embd", "output"])
    equal([s["block"] for s in shown["shard_list"][2:-1]], list(range(shown["blocks"])))
    assert all(s["here"] for s in shown["shard_list"])
    manifest = os.path.join(store(place.path("alone")), "models", first["cid"])
    equal(place.run("check", "--format", "manifest", manifest).code, 0)
    flipped = bytearray(open(manifest, "rb").read())
    flipped[100] ^= 1
    equal(place.run("check", "--format", "manifest", place.write("bad", bytes(flipped))).code, 7)
    file = place.run("run", "model.gguf", "Once upon a time", "-n", "8", "--temp", "0")
    for name in ("fox", first["cid"], first["cid"][:20]):
        r = place.run("run", name, "Once upon a time", "-n", "8", "--temp", "0", env=env)
        equal((r.code, r.out), (0, file.out))
    equal(place.run("pin", "fox", "--off", env=env).code, 0)
    equal(json.loads(place.run("list", "--json", env=env).out)["models"][0]["pinned"], False)
    equal(json.loads(place.run("rm", "fox", "--json", env=env).out)["cid"], first["cid"])
    equal(blobs_are_whole(place.path("alone")), [])
    equal(place.run("show", "fox", env=env).code, 3)
    equal(place.run("push", "story.txt", env=env).code, 7)
    equal(place.run("pull", first["cid"], env=env).code, 4)


def test_a_quota_lets_the_oldest_go(place):
    env = {"PLEXUS_HOME": place.path("alone"), "PLEXUS_STORE_QUOTA": "3500000"}
    a = json.loads(place.run("push", "tiny", "--name", "a", "--json", env=env).out)
    path, _ = big_model(place, 1)
    equal(place.run("push", path, "--json", env=env).code, 1)
    r = json.loads(place.run("list", "--json", env=env).out)
    equal([m["cid"] for m in r["models"]], [a["cid"]])
    assert r["used_bytes"] < 3500000
    equal(place.run("pin", "a", "--off", env=env).code, 0)
    b = json.loads(place.run("push", path, "--name", "b", "--json", env=env).out)
    models = [m["cid"] for m in json.loads(place.run("list", "--json", env=env).out)["models"]]
    equal(models, [b["cid"]])
    assert a["cid"] not in models


def up(place, name, *args):
    return place.up(*args, home=place.path(name))


def pair(place, *args):
    """Two nodes that do not know each other yet."""
    return *up(place, "a", *args), *up(place, "b", *args)


def env_of(place, name):
    return {"PLEXUS_HOME": place.path(name)}


def test_pull_from_another_node(place):
    a, _, _, _ = pair(place)
    pushed = json.loads(place.run("push", "tiny", "--json", env=env_of(place, "a")).out)
    r = place.run("pull", pushed["cid"], "--json", env=env_of(place, "b"))
    equal(r.code, 3)
    place.run("swarm", "connect", a["addrs"][0], env=env_of(place, "b"))
    r = place.run("pull", pushed["cid"], "--blocks", "1-1", "--json", env=env_of(place, "b"))
    equal(r.code, 0)
    equal(json.loads(r.out)["shards"], 2)
    r = place.run("pull", pushed["cid"], "--json", env=env_of(place, "b"))
    pulled = json.loads(r.out)
    equal((pulled["cid"], pulled["bytes"]), (pushed["cid"], pushed["bytes"]))
    equal(blobs_are_whole(place.path("a")), blobs_are_whole(place.path("b")))
    for name in blobs_are_whole(place.path("a")):
        sides = [open(os.path.join(store(place.path(h)), "blobs", name), "rb").read() for h in "ab"]
        equal(sides[0] == sides[1], True)
    equal(place.run("pull", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPB5L",
                    env=env_of(place, "b")).code, 2)


def forget_peak(node):
    """What a node needs for its measurements after the start is not what a pull needs."""
    time.sleep(2)
    with open(f"/proc/{node.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def peak_kib(node):
    with open(f"/proc/{node.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])


def partial_bytes(home):
    """Bytes of groups that are here of what is on its way: those whose hash is written (the disk is set
    aside for all of a shard at once). Files may get their names meanwhile."""
    folder = os.path.join(store(home), "partial")
    total = 0
    for name in os.listdir(folder):
        try:
            groups = -(-os.stat(os.path.join(folder, name.split(".")[0])).st_size // 65536)
            with open(os.path.join(folder, name), "rb") as f:
                hashes = f.read(32 * groups) if name.endswith(".tree") else b""
        except FileNotFoundError:
            continue
        total += sum(any(hashes[i:i + 32]) for i in range(0, len(hashes), 32)) * 65536
    return total


def test_a_pull_survives_kills_and_keeps_little_memory(place):
    path, size = big_model(place, 48)
    a, first, b, second = pair(place)
    pushed = json.loads(place.run("push", path, "--json", env=env_of(place, "a")).out)
    place.run("swarm", "connect", a["addrs"][0], env=env_of(place, "b"))
    kills = 0
    for _ in range(2):
        pull = subprocess.Popen([place.program, "pull", pushed["cid"]], cwd=place.dir,
                                env=place.env(**env_of(place, "b")), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while pull.poll() is None and time.monotonic() < end:
            if partial_bytes(place.path("b")) > (kills + 1) * size // 8:
                second.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.0005)
        pull.wait(30)
        second.wait(30)
        _, second = up(place, "b")
        place.run("swarm", "connect", a["addrs"][0], env=env_of(place, "b"))
    forget_peak(second)
    r = json.loads(place.run("pull", pushed["cid"], "--json", env=env_of(place, "b")).out)
    print(f"# {kills} kills, {r['bytes_got']} of {r['bytes']} bytes at last")
    assert not kills or r["bytes_got"] < r["bytes"]
    equal(blobs_are_whole(place.path("a")), blobs_are_whole(place.path("b")))
    assert peak_kib(second) < 64 * 1024, peak_kib(second)
    equal(os.listdir(os.path.join(store(place.path("b")), "partial")), [])


def test_a_provider_with_spoiled_bytes(place):
    a, _, _, _ = pair(place, "--dht", "off")
    c, _ = up(place, "c", "--dht", "off")
    pushed = json.loads(place.run("push", "tiny", "--json", env=env_of(place, "a")).out)
    shown = json.loads(place.run("show", pushed["cid"], "--json", env=env_of(place, "a")).out)
    place.run("swarm", "connect", a["addrs"][0], env=env_of(place, "c"))
    equal(place.run("pull", pushed["cid"], env=env_of(place, "c")).code, 0)
    for shard in shown["shard_list"]:
        blob = os.path.join(store(place.path("a")), "blobs", shard["cid"])
        with open(blob, "r+b") as f:
            f.seek(shard["bytes"] // 2)
            byte = f.read(1)
            f.seek(shard["bytes"] // 2)
            f.write(bytes([byte[0] ^ 1]))
    place.run("swarm", "connect", a["addrs"][0], env=env_of(place, "b"))
    equal(place.run("pull", pushed["cid"], env=env_of(place, "b")).code, 3)
    equal(blobs_are_whole(place.path("b")), [])
    place.run("swarm", "connect", c["addrs"][0], env=env_of(place, "b"))
    equal(place.run("pull", pushed["cid"], env=env_of(place, "b")).code, 0)
    faults = json.loads(place.run("net", "--json", env=env_of(place, "b")).out)["faults"]
    assert faults["shard"] >= 1, faults
    for name in blobs_are_whole(place.path("c")):
        sides = [open(os.path.join(store(place.path(h)), "blobs", name), "rb").read() for h in "cb"]
        equal(sides[0] == sides[1], True)


def test_the_dht_knows_who_has_it(place):
    a, _, _, _ = pair(place)
    c, _ = up(place, "c", "--bootstrap", a["addrs"][0], "--sha256")
    place.run("swarm", "connect", a["addrs"][0], env=env_of(place, "b"))
    pushed = json.loads(place.run("push", "tiny", "--json", env=env_of(place, "c")).out)
    manifest = os.path.join(store(place.path("c")), "models", pushed["cid"])
    with open(manifest, "rb") as f:
        digest = hashlib.sha256(f.read()).digest()
    second = "f0155" + "1220" + digest.hex()
    end = time.monotonic() + 60
    for cid in (pushed["cid"], second):
        found = {}
        while not found and time.monotonic() < end:
            r = place.run("dht", "find", cid, "--json", env=env_of(place, "b"))
            found = json.loads(r.out)["providers"] if r.code == 0 else {}
            time.sleep(0.2)
        equal(list(found), [c["peer"]])
    r = json.loads(place.run("pull", second, "--json", env=env_of(place, "b")).out)
    equal((r["cid"], r["bytes_got"]), (pushed["cid"], pushed["bytes"]))


def test_two_processes_and_one_folder(place):
    up(place, "a")
    env = {"PLEXUS_HOME": place.path("a")}
    os.rename(os.path.join(place.path("a"), "control.sock"), os.path.join(place.path("a"), "hidden"))
    r = place.run("push", "tiny", env=env)
    equal(r.code, 5)
    assert "another process" in r.err, r.err


harness.main(sys.modules[__name__])
