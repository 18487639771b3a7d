"""One model over three nodes in three network namespaces that find each other by mDNS: the words are
those of one machine, also when the middle stage drains, is killed, frozen or slow in the midst of an
answer; where links are slow, hidden states travel with less precision, and it says so.

Usage: stages.py PLEXUS [RUNS]. Prints TAP. Needs CAP_NET_ADMIN and ip; says so and skips without
them. Every pair of nodes has a cable of its own, because not every kernel has a bridge.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

PREFIX = f"ps{os.getpid() % 10000}"
NAMES = ("a", "b", "c")
TOKENS = 400
PROMPT = "Once upon a time"


def sh(*args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def mesh():
    for name in NAMES:
        sh("ip", "netns", "add", PREFIX + name)
        sh("ip", "-n", PREFIX + name, "link", "set", "lo", "up")
    for net, (x, y) in enumerate((("a", "b"), ("b", "c"), ("a", "c"))):
        sh("ip", "link", "add", "to" + y, "netns", PREFIX + x, "type", "veth", "peer", "name",
           "to" + x, "netns", PREFIX + y)
        for host, (me, other) in enumerate(((x, y), (y, x))):
            sh("ip", "-n", PREFIX + me, "addr", "add", f"10.78.{net}.{host + 1}/24", "dev",
               "to" + other)
            sh("ip", "-n", PREFIX + me, "link", "set", "to" + other, "up")


class Swarm:
    def __init__(self, program):
        self.program = program
        self.home = tempfile.mkdtemp(prefix="plexus-stages-")
        self.nodes = {}
        self.names = {}

    def inside(self, name, *args, **kw):
        env = {**os.environ, "PLEXUS_HOME": os.path.join(self.home, name)}
        return subprocess.Popen(["ip", "netns", "exec", PREFIX + name, self.program, *args],
                                env=env, stdout=subprocess.PIPE, text=True, **kw)

    def up(self, name, *more):
        p = self.inside(name, "up", "--json-lines", "--mdns-interval", "1000", *more,
                        stderr=subprocess.DEVNULL)
        self.nodes[name] = p
        self.names = {k: v for k, v in self.names.items() if v != name}
        self.names[json.loads(p.stdout.readline())["peer"]] = name

    def peers(self, name):
        out, _ = self.inside(name, "peers", "--json", stderr=subprocess.DEVNULL).communicate()
        return [p["peer"] for p in json.loads(out or '{"peers":[]}')["peers"]
                if p["state"] in ("good", "new")]

    def wait_for_all(self, seconds=20):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            others = {n: {p for p, name in self.names.items() if name != n} for n in NAMES}
            if all(set(self.peers(n)) == others[n] for n in NAMES):
                return True
            time.sleep(0.1)
        return False

    def ask(self, name, *args):
        out, _ = self.inside(name, *args, "--json", stderr=subprocess.DEVNULL).communicate()
        return json.loads(out) if out else {}

    def answer(self, at=None, how=None, seed=None, model="tiny", tokens=TOKENS, more=()):
        """Tokens of one answer; before token `at`, `how` is done to the node of the middle stage."""
        args = ["run", model, PROMPT, "-n", str(tokens), "--swarm", "--json-lines", *sampling(seed)]
        p = self.inside("a", *args, *more, stderr=subprocess.PIPE)
        tokens, done, middle = [], {}, None
        for line in p.stdout:
            event = json.loads(line)
            if event["event"] == "done":
                done = event
            elif event["event"] == "stages":
                middle = self.victim([s["peer"] for s in event["stages"]])
            elif event["id"] is not None:
                tokens.append(event["id"])
            if at is not None and len(tokens) == at:
                at = None
                how(middle)
        why = p.stderr.read()
        return done.get("tokens"), done, p.wait(), why

    def victim(self, peers):
        """The node of the middle stage, or of another one: never that of the client, node a."""
        names = [self.names[p] for p in peers[1:] + peers[:1]]
        return next((n for n in names if n != "a"), None)

    def kill(self, name):
        self.nodes[name].kill()
        self.nodes[name].wait()

    def freeze(self, name):
        os.kill(self.pid(name), signal.SIGSTOP)

    def thaw(self, name):
        os.kill(self.pid(name), signal.SIGCONT)

    def pid(self, name):
        return self.nodes[name].pid

    def close(self):
        for p in self.nodes.values():
            if p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
                p.wait()
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", PREFIX + name], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.home)


def sampling(seed):
    return ["--temp", "0"] if seed is None else ["--temp", "0.8", "--seed", str(seed)]


def alone(program, seed=None, model="tiny", tokens=TOKENS):
    out = sh(program, "run", model, PROMPT, "-n", str(tokens), "--json", *sampling(seed)).stdout
    return json.loads(out)["tokens"]


def llama_3(swarm, tap):
    """A model with a tensor that every stage needs and that belongs to no block (rope_freqs)."""
    name = "a Llama 3 of three blocks over three nodes"
    shared = os.environ.get("PLEXUS_SHARED", "../shared")
    file = os.path.join(shared, "data/models/tiny-llama3.f32.gguf")
    if not os.path.exists(file):
        tap.case(f"{name} # SKIP {file} is not here", True)
        return
    cid = swarm.ask("b", "push", os.path.abspath(file)).get("cid", "")
    tokens, done, rc, why = swarm.answer(model=cid, tokens=100)
    tap.case(name, rc == 0 and tokens == alone(swarm.program, model=file, tokens=100) and
             len(done.get("stages", [])) == 3, why)


class Tap:
    def __init__(self, plan):
        self.n, self.failed = 0, 0
        print(f"TAP version 13\n1..{plan}", flush=True)

    def case(self, name, ok, why=""):
        self.n += 1
        self.failed += not ok
        if not ok:
            print("\n".join("# " + line for line in why.split("\n")))
        print(f"{'ok' if ok else 'not ok'} {self.n} - {name}", flush=True)


def fault_runs(swarm, tap, runs, kind, rng):
    words = {seed: alone(swarm.program, seed) for seed in (None, 101)}
    lost = 0
    for i in range(runs):
        seed = None if i % 2 else 101
        at = rng.randrange(1, TOKENS // 2)
        hit = []

        def how(name):
            if not name:
                print("# nobody else was ready to help")
                return
            hit.append(name)
            swarm.kill(name) if kind == "killed" else swarm.freeze(name)
        tokens, done, rc, why = swarm.answer(at, how, seed)
        expected = words[seed]
        lost += done.get("epochs", 1) > 1
        tap.case(f"middle stage {kind} at token {at}{'' if seed is None else ', sampled'}",
                 rc == 0 and tokens == expected,
                 f"exit {rc}, {len(tokens or [])} tokens of {len(expected)}: {why}")
        for name in hit:
            if kind == "killed":
                swarm.up(name)
            else:
                swarm.thaw(name)
        if not swarm.wait_for_all():
            print("# the peers did not find each other again")
    return lost


def drain_runs(swarm, tap, runs, rng):
    """A node drains in the midst of an answer: same words, and nobody was lost."""
    words = {seed: alone(swarm.program, seed) for seed in (None, 101)}
    met = 0
    for i in range(runs):
        seed = None if i % 2 else 101
        at = rng.randrange(1, min(TOKENS, len(words[seed])) // 2)
        hit, left = [], []

        def how(name):
            if name:
                hit.append(name)
                left.append(swarm.ask(name, "drain", "--timeout", "20000").get("left"))
        tokens, done, rc, why = swarm.answer(at, how, seed)
        met += done.get("epochs", 1) > 1
        tap.case(f"a stage drains at token {at}{'' if seed is None else ', sampled'}",
                 rc == 0 and tokens == words[seed] and done.get("lost") == 0 and left == [0],
                 f"exit {rc}, {len(tokens or [])} tokens, lost {done.get('lost')}, left {left}: {why}")
        for name in hit:
            swarm.ask(name, "drain", "--off")
    print(f"# {met} of {runs} met an answer under way")
    tap.case("drains met an answer under way", met, f"{met} of {runs}")


class Pulses(threading.Thread):
    """A node that stops and goes on, again and again, until it is let go."""

    def __init__(self, swarm, name):
        super().__init__()
        self.swarm, self.name, self.enough = swarm, name, threading.Event()
        self.start()

    def run(self):
        while not self.enough.is_set():
            self.swarm.freeze(self.name)
            time.sleep(0.33)
            self.swarm.thaw(self.name)
            time.sleep(0.06)

    def end(self):
        self.enough.set()
        self.join()


def slow_run(swarm, words, i, rng):
    """One answer whose middle stage begins to stutter. Whether it has its words, and what happened."""
    seed = None if i % 2 else 101
    at = rng.randrange(1, 20)
    pulses = []
    tokens, done, rc, why = swarm.answer(
        at, lambda name: name and pulses.append(Pulses(swarm, name)), seed, more=("--hidden", "f32"))
    for p in pulses:
        p.end()
    swarm.wait_for_all()
    name = f"a stage is slow from token {at} on{'' if seed is None else ', sampled'}"
    return name, rc == 0 and tokens == words[seed], done, \
        f"exit {rc}, {len(tokens or [])} tokens of {len(words[seed])}: {why}"


def slow_runs(swarm, tap, runs, rng):
    """A stage that answers heartbeats late is left for another one; the words stay the same. A busy
    machine may end an answer before the heartbeats tell: one that was left is enough, in many runs."""
    words = {seed: alone(swarm.program, seed) for seed in (None, 101)}
    moved = lost = tries = bad = 0
    while tries < runs or (not moved and tries < runs + 20):
        name, ok, done, why = slow_run(swarm, words, tries, rng)
        tries += 1
        moved += done.get("epochs", 1) > 1
        lost += done.get("lost", 0)
        bad += not ok
        if tries <= runs:
            tap.case(name, ok, why)
        elif not ok:
            print(f"# {why}")
    print(f"# {moved} of {tries} were left, {lost} of them as lost")
    tap.case("a slow stage was left", moved and not bad, f"{moved} of {tries}, {bad} with other words")


def shape(rate):
    """All links carry so little; None: what they can."""
    for x in NAMES:
        for y in NAMES:
            if x == y:
                continue
            what = ["replace", "dev", "to" + y, "root", "tbf", "rate", rate, "burst", "2k",
                    "latency", "500ms"] if rate else ["del", "dev", "to" + y, "root"]
            sh("ip", "netns", "exec", PREFIX + x, "tc", "qdisc", *what)


def until_lossy(ask, *path, seconds=20):
    """Ask until round trips are no longer those of the first crowd, beside which links look fast."""
    until = time.monotonic() + seconds
    while True:
        got = found = ask()
        for key in path:
            found = found.get(key) if isinstance(found, dict) else found[key]
        if found != "f32" or time.monotonic() > until:
            return got
        time.sleep(1)


def slow_links(swarm, tap, runs, rng):
    """Where a row takes long, it is sent with less precision, and only then."""
    plan = swarm.ask("a", "plan", "tiny").get("hidden", {})
    tap.case("fast links carry f32", plan.get("codec") == "f32" and plan.get("auto") is True, str(plan))
    if not shutil.which("tc"):
        for _ in range(4 + runs):
            tap.case("slow links # SKIP there is no tc", True)
        return
    for name in NAMES: # what they know of their links is forgotten
        swarm.kill(name)
    shape("3mbit")
    for name in NAMES: # slow begins below the silence that counts as a death
        swarm.up(name, "--slow-ms", "150")
    swarm.wait_for_all(60)
    plan = until_lossy(lambda: swarm.ask("a", "plan", "tiny").get("hidden", {}), "codec")
    tap.case("slow links carry less", plan.get("codec") in ("f16", "q8") and
             plan["share"] < plan["share_f32"] and plan["loss_rms"] > 0, str(plan))
    tokens, done, rc, why = until_lossy(lambda: swarm.answer(tokens=40), 1, "hidden")
    tap.case("an answer over slow links says so", rc == 0 and done["hidden"] in ("f16", "q8") and
             done["loss"]["rms"] > 0 and why.count("--hidden f32") == 1, f"{done}\n{why}")
    tokens, done, rc, why = swarm.answer(tokens=40, more=("--hidden", "f32"))
    tap.case("f32 by choice: the words of one machine", rc == 0 and done["hidden"] == "f32" and
             tokens == alone(swarm.program, tokens=40) and "hidden" not in why, f"{done}\n{why}")
    slow_runs(swarm, tap, runs, rng)
    shape(None)


def main():
    program = os.path.abspath(sys.argv[1])
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    if not shutil.which("ip") or subprocess.run(["ip", "netns", "add", PREFIX + "t"],
                                                stderr=subprocess.DEVNULL).returncode:
        print("1..0 # SKIP network namespaces need root (CAP_NET_ADMIN) and ip")
        return 0
    subprocess.run(["ip", "netns", "del", PREFIX + "t"], check=True)
    swarm = Swarm(program)
    rng = random.Random(1)
    drains, slow = max(runs // 2, 2), max(runs // 4, 2)
    tap = Tap(15 + 2 * runs + drains + slow)
    try:
        mesh()
        start = time.monotonic()
        for name in NAMES:
            swarm.up(name)
        found = swarm.wait_for_all()
        print(f"# all three know each other after {time.monotonic() - start:.2f} s")
        tap.case("three nodes find each other by mDNS", found)
        tokens, done, rc, why = swarm.answer()
        tap.case("the words of one machine", rc == 0 and tokens == alone(program), why)
        tap.case("every node is a stage", len(done.get("stages", [])) == 3, str(done.get("stages")))
        tokens, done, rc, why = swarm.answer(seed=7)
        tap.case("sampled too", rc == 0 and tokens == alone(program, 7), why)
        cid = swarm.ask("a", "push", "tiny").get("cid", "")
        tokens, done, rc, why = swarm.answer(model=cid)
        tap.case("a model of the store: the others fetch their parts",
                 rc == 0 and tokens == alone(program) and len(done.get("stages", [])) == 3, why)
        parts = [m for n in NAMES[1:] for m in swarm.ask(n, "list").get("models", [])]
        tap.case("each only its own", len(parts) == 2 and
                 all(0 < m["bytes_here"] < m["bytes"] for m in parts), str(parts))
        cid = swarm.ask("b", "push", "tiny", "--name", "of b").get("cid", "")
        tokens, done, rc, why = swarm.answer(model=cid)
        tap.case("a model that only others have: its words are fetched",
                 rc == 0 and tokens == alone(program) and len(done.get("stages", [])) == 3, why)
        llama_3(swarm, tap)
        drain_runs(swarm, tap, drains, rng)
        lost = fault_runs(swarm, tap, runs, "killed", rng)
        lost += fault_runs(swarm, tap, runs, "frozen", rng)
        print(f"# {lost} of {2 * runs} faults met an answer under way")
        tap.case("faults met an answer under way", lost, f"{lost} of {2 * runs}")
        slow_links(swarm, tap, slow, rng)
    finally:
        swarm.close()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
