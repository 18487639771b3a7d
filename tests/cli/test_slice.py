"""A stage keeps and touches its own blocks only, and a token wakes it a few times only."""
import json
import os
import re
import socket
import sys
import time

import harness
from harness import equal

SHAPE = "llama-110m"
KIB = 1024
CTX, TOKENS = 256, 40
# Test runners have malloc fill what it gives out: memory that is never touched would count.
os.environ.pop("MALLOC_PERTURB_", None)


def status(pid, field, task=None):
    path = f"/proc/{pid}/status" if task is None else f"/proc/{pid}/task/{task}/status"
    with open(path, encoding="ascii") as f:
        return int(re.search(rf"^{field}:\s+(\d+)", f.read(), re.M)[1])


def forget_peak(node):
    with open(f"/proc/{node.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def resident_of_blobs(node):
    """Bytes of the store's files that are mapped, and of them those that are in memory."""
    mapped = resident = 0
    blob = False
    with open(f"/proc/{node.pid}/smaps", encoding="utf-8") as f:
        for line in f:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                blob = "/blobs/" in line
            elif blob and line.startswith("Size:"):
                mapped += int(line.split()[1]) * KIB
            elif blob and line.startswith("Rss:"):
                resident += int(line.split()[1]) * KIB
    return mapped, resident


class Pair:
    """Two nodes, a and b; the model is pushed to a and cut in two."""

    def __init__(self, place, transport="tcp"):
        self.place, self.transport = place, transport
        self.ready, self.nodes = {}, {}
        for name in "ab":
            self.up(name)
        self.meet()

    def env(self, name):
        return {"PLEXUS_HOME": self.place.path(name)}

    def up(self, name):
        also = [] if self.transport == "tcp" else ["--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]
        self.ready[name], self.nodes[name] = self.place.up("--dht", "off", "--api", "off", *also,
                                                           home=self.place.path(name))

    def meet(self):
        addrs = [x for x in self.ready["b"]["addrs"] if f"/{self.transport}" in x]
        self.ask("a", "swarm", "connect", addrs[0])

    def again(self):
        for name in "ab":
            self.nodes[name].terminate()
            self.nodes[name].wait(20)
            self.up(name)
        self.meet()
        time.sleep(1)  # what a node measures after its start is over

    def ask(self, name, *args):
        r = self.place.run(*args, "--json", env=self.env(name))
        assert r.code == 0, (args, r.err)
        return json.loads(r.out)

    def speak(self, model, tokens=TOKENS, prompt="Once upon a time", *more):
        return self.ask("a", "run", model, prompt, "--swarm", "--stages", "2", "-n", str(tokens),
                        "--ctx", str(CTX), "--temp", "0", "--draft", "off", *more)

    def stages(self, name, model):
        """What the control socket tells of the node's stages of a model."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.place.path(name), "control.sock"))
            s.sendall(b'{"id":1,"op":"stages"}\n')
            return [x for x in json.loads(s.makefile().readline())["stages"]
                    if x["model"].startswith(model)]

    def slice_bytes(self, name, cid, model):
        """Weights of the blocks that the node serves, and which."""
        stages = self.stages(name, cid)
        equal(len(stages), 1)
        first, last = stages[0]["first"], stages[0]["last"]
        doc = self.ask("a", "show", cid)
        shown = doc["shard_list"]
        total = sum(s["bytes"] for s in shown if s["role"] == "block" and first <= s["block"] < last)
        total += sum(s["bytes"] for s in shown if s["role"] == "meta")
        if first == 0 or (doc["tied"] and last == model["blocks"]):
            total += sum(s["bytes"] for s in shown if s["role"] == "token_embd")
        if last == model["blocks"]:
            total += sum(s["bytes"] for s in shown if s["role"] == "output")
        return total, last - first


def big_model(place):
    place.run("bench", "infer", "--shape", SHAPE, "--types", "q8_0", "--dir", place.dir,
              "--repeat", "1", "--prompt-tokens", "1", "--gen-tokens", "1", "--threads", "1")
    return place.path(f"{SHAPE}.q8_0.gguf")


def facts(place, path):
    doc = place.json("inspect", path)
    blocks, run = doc["metadata"]["llama.block_count"], doc["run"]
    return {"blocks": blocks, "kv": run["kv_bytes"] // run["context"] // blocks}


def files_of(place, name):
    return {f for _, _, files in os.walk(os.path.join(place.path(name), "store")) for f in files}


def speak_afresh(pair, cid, words):
    """Nodes that have just been started answer; what each needed without the slice."""
    pair.again()
    pair.speak("tiny", 4)  # threads, buffers, libraries
    fixed = {n: status(pair.nodes[n].pid, "VmRSS") * KIB for n in "ab"}
    for node in pair.nodes.values():
        forget_peak(node)
    equal(pair.speak(cid)["tokens"], words)
    return fixed


def test_a_stage_touches_its_slice_only(place):
    path = big_model(place)
    info = facts(place, path)
    pair = Pair(place)
    cid = pair.ask("a", "push", path)["cid"]
    words = pair.speak(cid)["tokens"]
    for _ in range(5):
        had = files_of(place, "b")
        fixed = speak_afresh(pair, cid, words)
        if had == files_of(place, "b"):
            break  # else the plan moved a block, which was sent: that takes memory too
    for name, node in pair.nodes.items():
        slice_bytes, blocks = pair.slice_bytes(name, cid, info)
        kv = blocks * info["kv"] * CTX
        peak = status(node.pid, "VmHWM") * KIB
        mapped, resident = resident_of_blobs(node)
        print(f"# {name}: {blocks} blocks of {slice_bytes / 1e6:.1f} MB, mapped "
              f"{mapped / 1e6:.1f}, resident {resident / 1e6:.1f}, peak {peak / 1e6:.1f}, "
              f"without {fixed[name] / 1e6:.1f}, KV {kv / 1e6:.1f}")
        assert 0 < blocks < info["blocks"]
        assert resident <= mapped <= slice_bytes + 2 * 1024 * KIB, (mapped, slice_bytes)
        assert peak <= fixed[name] + 1.1 * slice_bytes + kv, (peak, fixed[name], slice_bytes, kv)


def switches(node):
    tasks = os.listdir(f"/proc/{node.pid}/task")
    return sum(status(node.pid, "voluntary_ctxt_switches", t) for t in tasks)


def test_a_token_wakes_a_stage_a_few_times(place):
    # One processor, so one thread computes: those of a team sleep at barriers when others run.
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_of_them)})
    pair = Pair(place)
    os.sched_setaffinity(0, all_of_them)
    pair.speak("tiny", 4)
    before = switches(pair.nodes["b"])
    tokens = len(pair.speak("tiny", 200)["tokens"])
    wakes = (switches(pair.nodes["b"]) - before) / tokens
    print(f"# {wakes:.2f} wake-ups of the second stage a token")
    equal(tokens, 200)
    # The loop hears the input, the worker computes, the loop hears of it; now and then a probe.
    assert wakes < 5, wakes


def sums(stages, *keys):
    return [sum(s[k] for s in stages) for k in keys]


def copies(pair, prompt, tokens, *more, wanted=0):
    """Of one answer, with the first stage on a and the second on b: bytes of hidden states that a
    gave, of them copied, that b took, of them copied. Others may speak on the connection in between:
    it is tried again until as few are copied as wanted."""
    for _ in range(20):
        before = [pair.stages(n, "tiny-") for n in "ab"]
        answer = pair.speak("tiny", tokens, prompt, *more)
        after = [pair.stages(n, "tiny-") for n in "ab"]
        if answer["epochs"] > 1 or [len(x) for x in before] != [len(x) for x in after]:
            continue  # somebody was late, so that rows were sent again
        (given, given_copied), (taken, copied) = [
            [y - x for x, y in zip(sums(before[i], *keys), sums(after[i], *keys))]
            for i, keys in enumerate([("given", "given_copied"), ("taken", "copied")])]
        if copied <= wanted * taken:
            break
    equal(len(answer["tokens"]), tokens)
    print(f"# {tokens} tokens {' '.join(more)}: {given} bytes of hidden states given, "
          f"{given_copied} copied; {taken} taken, {copied} copied")
    assert given and taken, (given, taken)
    return given, given_copied, taken, copied


def test_hidden_states_are_not_copied(place):
    # They are encrypted from where they were made, and decrypted to where they are used.
    pair = Pair(place)
    pair.speak("tiny", 4)
    for more in [], ["--hidden", "f16"], ["--hidden", "q8"]:
        _, given_copied, _, copied = copies(pair, "Once upon a time", 100, *more)
        equal(given_copied, 0)
        equal(copied, 0)
    _, given_copied, taken, copied = copies(pair, "Once upon a time there was a fox. " * 20, 2)
    equal(given_copied, 0)
    equal(copied, 0)
    assert taken > 100000, taken


def test_quic_copies_them_once_each_way(place):
    # It keeps what may have to be sent again, and decrypts where a packet lies.
    pair = Pair(place, "quic-v1")
    pair.speak("tiny", 4)
    given, given_copied, taken, copied = copies(pair, "Once upon a time", 100, wanted=1)
    equal(given_copied, given)
    equal(copied, taken)


harness.main(sys.modules[__name__])
