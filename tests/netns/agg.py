"""The aggregator in the kernel between workers in namespaces on one bridge.

Usage: agg.py PLEXUS WORKER. In the driver and in the stack: four workers sum arrays through it, with
and without loss, doubles and damage, to the same bits; user space is not woken; other packets pass; kill -9
of the process that holds it leaves nothing behind. Skips, with the reason, where a right is missing.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

WORLD, PORT, GROUP = 4, 47900, "239.7.7.7"
SECRET = "5a" * 32
PREFIX = f"pk{os.getpid() % 10000}"
AGG = PREFIX + "agg"
# An ICMP echo and its answer, within ten tries.
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(1)
for _ in range(10):
    s.sendto(bytes.fromhex("0800f7fd00010001"), (sys.argv[1], 0))
    try:
        while s.recv(256)[20] != 0:
            pass
        sys.exit(0)
    except TimeoutError:
        pass
sys.exit(1)
"""
count = 0


def sh(*args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def inside(name, *args):
    return ["ip", "netns", "exec", name, *args]


def ok(good, what):
    global count
    count += 1
    print(f"{'' if good else 'not '}ok {count} - {what}", flush=True)
    return good


def far_end(plexus, home):
    """A veth sends what XDP answers only to an end that has an XDP program too: one that passes."""
    env = {**os.environ, "PLEXUS_HOME": home + "/far"}
    return subprocess.run([plexus, "agg", "attach", PREFIX + "0", "--port", "1", "--json"], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wire():
    sh("ip", "link", "add", PREFIX + "br", "type", "bridge", "mcast_snooping", "0")
    sh("ip", "link", "set", PREFIX + "br", "up")
    for i, name in enumerate([AGG] + [f"{PREFIX}w{k}" for k in range(WORLD)]):
        sh("ip", "netns", "add", name)
        sh("ip", "link", "add", f"{PREFIX}{i}", "type", "veth", "peer", "name", "eth", "netns", name)
        sh("ip", "link", "set", f"{PREFIX}{i}", "master", PREFIX + "br", "up")
        sh("ip", "-n", name, "addr", "add", f"10.79.0.{i + 1}/24", "dev", "eth")
        for device in ("lo", "eth"):
            sh("ip", "-n", name, "link", "set", device, "up")
        sh("ip", "-n", name, "route", "add", "224.0.0.0/4", "dev", "eth")


def unwire():
    for name in [AGG] + [f"{PREFIX}w{k}" for k in range(WORLD)]:
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
    subprocess.run(["ip", "link", "del", PREFIX + "br"], stderr=subprocess.DEVNULL)


def agg(plexus, *args):
    p = subprocess.run(inside(AGG, plexus, "agg", *args, "--json"), stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True)
    return json.loads(p.stdout) if p.returncode == 0 else {"error": p.stderr, "rc": p.returncode}


def attach(plexus, *more):
    workers = [x for k in range(WORLD) for x in ("--worker", f"10.79.0.{k + 2}")]
    return agg(plexus, "attach", "eth", "--address", "10.79.0.1", *workers, "--secret", SECRET,
               "--group", GROUP, "--values", "256", "--slots", "64", *unjudged(more), *more)


def unjudged(more):
    """Sums are compared with exact ones, unless a rule is what is tested."""
    return () if "--sentry" in more else ("--sentry", "none")


def sums(worker, loss, dup, damage, values=100000, rounds=3):
    """All workers at once; their digests."""
    running = [subprocess.Popen(
        inside(f"{PREFIX}w{k}", worker, str(k), str(WORLD), "10.79.0.1", str(PORT), GROUP,
               f"10.79.0.{k + 2}", SECRET, str(values), str(rounds), str(loss), str(dup), str(damage)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for k in range(WORLD)]
    out = []
    for p in running:
        text, err = p.communicate(timeout=120)
        if err:
            print("# " + err.strip())
        out.append(text.split())
    if any(o == ["short"] for o in out):
        return "short"
    return {o[1] for o in out} if all(out) else None


def exact(plexus, worker, what, *more, watchers=None):
    """Attach, watch, sum; once more when the machine stalled for longer than a deadline."""
    for _ in range(5):
        said = attach(plexus, *more)
        if watchers is not None:
            watchers.append(trace(plexus))
        digests = sums(worker, *what)
        if digests != "short":
            break
        print("# a deadline passed: once more")
        agg(plexus, "detach")
        gone()
    return said, digests


def is_attached():
    return "xdp" in sh("ip", "-n", AGG, "link", "show", "eth").stdout


def rung(plexus, worker, name, *more):
    said, digests = exact(plexus, worker, (0, 0, 0), *more)
    if not ok(said.get("rung") == name and said.get("mismatches") == 0, f"{name}: attached"):
        print("#", said)
        return set()
    echo = subprocess.run(inside(f"{PREFIX}w0", sys.executable, "-c", ECHO, "10.79.0.1"))
    ok(echo.returncode == 0, f"{name}: what is not ours passes")
    stat = agg(plexus, "stat")
    ok(digests and len(digests) == 1, f"{name}: sums are exact")
    ok(stat["wakeups"] == 0 and stat["summed"] >= 3 * WORLD * 391 and stat["passed"] > 0,
       f"{name}: counted, nobody woken")
    print(f"# {name}: {stat['packets']} packets, {stat['summed']} summed, {stat['finished']} slots, "
          f"{stat['passed']} passed, p50 {stat['ns_p50']} ns, p99 {stat['ns_p99']} ns, "
          f"dropped { {k: v for k, v in stat['dropped'].items() if v} }")
    last = agg(plexus, "detach")
    ok("packets" in last and gone(), f"{name}: detached")
    watchers = []
    lossy = exact(plexus, worker, (10, 5, 2), *more, watchers=watchers)[1]
    ok(lossy and lossy == digests, f"{name}: 10 % lost, 5 % doubled, 2 % damaged: the same bits")
    again = agg(plexus, "stat")
    ok(again["dropped"]["tag"] > 0, f"{name}: what is damaged is dropped by its tag")
    events = events_of(watchers[-1])
    if not ok("dropped" in events and "finished" in events, f"{name}: drops and slots can be watched"):
        print("#", events)
    print(f"# {name}: {again['packets']} packets, {again['dropped']['duplicate']} duplicates, "
          f"{again['answered_one']} sums sent once more, {again['closed']} closed at a deadline")
    return digests


def trace(plexus):
    """Watch events until told to stop. To a file: a full pipe would hold it up. It has begun when this returns."""
    out = tempfile.TemporaryFile("w+")
    p = subprocess.Popen(inside(AGG, plexus, "agg", "trace", "--json-lines", "--limit", "100000"), stdout=out)
    for _ in range(600):
        if os.fstat(out.fileno()).st_size or p.poll() is not None:
            break
        time.sleep(0.05)
    return p, out


def events_of(watcher):
    """What it saw, once it has stopped."""
    p, out = watcher
    p.send_signal(signal.SIGINT)
    p.wait(timeout=60)
    out.seek(0)
    return {json.loads(line)["event"] for line in out if line.endswith("\n")}


def judged(plexus, worker, digests):
    """Under a Sentry that nobody here is told off by: the same bits, and everybody was judged."""
    again = exact(plexus, worker, (10, 5, 2), "--sentry", "welford", "--sentry-k", "15")[1]
    ok(again and again == digests, "welford: the same bits")
    sentry = agg(plexus, "stat")["sentry"]
    ok(sentry["rule"] == "welford" and len(sentry["workers"]) == WORLD and
       all(w["judged"] >= 3 * 391 and not w["verdicts"] for w in sentry["workers"]),
       "welford: all were judged")
    print(f"# {sentry}")
    agg(plexus, "detach")
    gone()


def gone():
    for _ in range(50):
        if not is_attached():
            return True
        time.sleep(0.1)
    return False


def holder(home):
    """The process whose socket it is."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read()
            with open(f"/proc/{pid}/environ", "rb") as f:
                environ = f.read()
        except OSError:
            continue
        if b"\0agg\0attach\0" in line and f"PLEXUS_HOME={home}\0".encode() in environ:
            return int(pid)
    return 0


def main(plexus, worker):
    home = tempfile.mkdtemp()
    os.environ["PLEXUS_HOME"] = home
    try:
        wire()
        far_end(plexus, home)
        first = attach(plexus, "--sentry", "auto")
        if first.get("rc") in (1, 5):
            print("1..0 # SKIP " + first["error"].strip())
            return
        ok(first["sentry"]["rule"] == "clip1", "four workers are judged by default")
        os.kill(holder(home), signal.SIGKILL)
        ok(gone(), "kill -9 of the holder leaves nothing behind")
        native = rung(plexus, worker, "native")
        os.kill(holder(home), signal.SIGKILL)
        ok(gone(), "once more, after work")
        judged(plexus, worker, native)
        generic = rung(plexus, worker, "generic", "--generic")
        agg(plexus, "detach")
        ok(native and native == generic, "both rungs have the same bits")
        print(f"1..{count}")
    finally:
        subprocess.run([plexus, "agg", "detach"], env={**os.environ, "PLEXUS_HOME": home + "/far"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        unwire()
        shutil.rmtree(home)


def skips():
    """True, and said, when there are no namespaces to be made."""
    if os.geteuid() == 0 and shutil.which("ip"):
        return False
    print("1..0 # SKIP network namespaces need root and ip")
    return True


if __name__ == "__main__" and not skips():
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
