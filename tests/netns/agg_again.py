"""The program is taken off its device while workers sum: it comes back, or one line says why not.

Usage: agg_again.py PLEXUS XDPD SUM WORKER. In namespaces: workers of px_reduce sum through an aggregator that has the
job's key; its link is detached, with and without a Sentry; the helper is killed, another program takes the device,
the helper comes back; the same under a job by name. Sums are exact all the time.
"""
import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import agg as lab
import agg_names
from agg import AGG, PORT, PREFIX, SECRET, inside, ok, sh

LONG = 240
# Root without a capability: its files are its own, the device is not.
BARE = ("setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")
FD_BY_ID, DETACH = 30, 34  # of bpf(2)


def bpf(command, number):
    class Attr(ctypes.Structure):
        _fields_ = [("number", ctypes.c_uint32), ("zero", ctypes.c_uint32 * 15)]
    a = Attr(number)
    call = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
    return ctypes.CDLL(None, use_errno=True).syscall(call, command, ctypes.byref(a), 64) if call else -1


def link_of(pid):
    """The number of the XDP link that a process holds, from /proc."""
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as f:
            fields = dict(line.split(":", 1) for line in f.read().splitlines() if ":" in line)
        if fields.get("link_type", "").strip() == "xdp":
            return int(fields["link_id"])
    return 0


def detach(pid):
    """Take the program off its device, as an administrator would."""
    link = link_of(pid)
    fd = bpf(FD_BY_ID, link) if link else -1
    done = fd >= 0 and bpf(DETACH, fd) == 0
    if fd >= 0:
        os.close(fd)
    return done


class Helper:
    def __init__(self, program, path):
        self.p = subprocess.Popen(inside(AGG, program, "--socket", path, "--group", "root"), stderr=subprocess.PIPE,
                                  text=True)
        self.p.stderr.readline()

    def kill(self):
        self.p.kill()
        self.p.communicate()


def plexus_in(plexus, home, *args, bare=(), helper=""):
    p = subprocess.run(inside(AGG, *bare, plexus, *args, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, env={**os.environ, "PLEXUS_HOME": home, "PLEXUS_AGG_HELPER": helper})
    return json.loads(p.stdout) if p.stdout else {"error": p.stderr, "rc": p.returncode}


def attach(plexus, home, *more, **how):
    workers = [x for k in range(lab.WORLD) for x in ("--worker", f"10.79.0.{k + 2}")]
    return plexus_in(plexus, home, "agg", "attach", "eth", "--address", "10.79.0.1", *workers, "--secret", SECRET,
                     "--values", "256", "--slots", "64", "--deadline", "600000", *lab.unjudged(more), *more, **how)


def wait(plexus, home, what, good):
    """Until a field of the counters is as it should be: the counters, or None."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        stat = plexus_in(plexus, home, "agg", "stat")
        if good(stat.get(what)):
            return stat
        time.sleep(0.1)
    print("#", stat)
    return None


class Work:
    """Workers that sum until they are ended."""

    def __init__(self, program, group):
        self.running = [subprocess.Popen(
            inside(f"{PREFIX}w{k}", program, str(k), str(lab.WORLD), "10.79.0.1", str(PORT), group,
                   f"10.79.0.{k + 2}", SECRET, "20000", "1000000"), stdout=subprocess.PIPE, text=True)
            for k in range(lab.WORLD)]
        self.at = [-1] * lab.WORLD
        self.bad = []
        self.readers = [threading.Thread(target=self.read, args=(k,)) for k in range(lab.WORLD)]
        for t in self.readers:
            t.start()

    def read(self, k):
        for line in self.running[k].stdout:
            if line.startswith("at "):
                self.at[k] = int(line.split()[1])
            else:
                self.bad.append(line.strip())

    def goes_on(self, more=30):
        """Each does so many rounds more, all of whose sums are exact."""
        goal, end = [n + more for n in self.at], time.monotonic() + LONG
        while not self.bad and any(n < g for n, g in zip(self.at, goal)) and time.monotonic() < end:
            time.sleep(0.05)
        if self.bad or any(n < g for n, g in zip(self.at, goal)):
            print("#", self.at, goal, self.bad)
            return False
        return True

    def end(self):
        for p in self.running:
            p.kill()
            p.wait()
        for t in self.readers:
            t.join()
        for p in self.running:
            p.stdout.close()


def detached(plexus, program, home, name, group, *more):
    said = attach(plexus, home, *more)
    work = Work(program, group)
    if not ok(said.get("rung") == "native" and work.goes_on(), f"{name}: px_reduce sums through agg attach"):
        print("#", said)
    before = plexus_in(plexus, home, "agg", "stat")
    if not detach(lab.holder(home)):
        print(f"# {name}: this kernel does not detach links")
    else:
        stat = wait(plexus, home, "reattached", lambda n: n)
        ok(stat and stat["rung"] == "native" and "attached again" in stat["said"], f"{name}: detached, it attaches again")
        ok(work.goes_on(), f"{name}: and sums stay exact")
        after = plexus_in(plexus, home, "agg", "stat")
        ok(after["summed"] > before["summed"] and after["closed"] == 0 and
           all(a["judged"] > b["judged"] for a, b in zip(after["sentry"]["workers"], before["sentry"]["workers"])),
           f"{name}: counted and judged as before")
    work.end()
    plexus_in(plexus, home, "agg", "detach")
    lab.gone()


def helped(plexus, xdpd, program, home, name, group, *more):
    """The helper is killed, the device taken, and both come back."""
    path, other = home + ".sock", home + "-other"
    helper = Helper(xdpd, path)
    said = attach(plexus, home, *more, bare=BARE, helper=path)
    work = Work(program, group)
    if not ok(said.get("helper") is True and work.goes_on(), f"{name}: workers sum through the helper's"):
        print("#", said)
    helper.kill()
    stat = wait(plexus, home, "said", lambda s: s and "not attached again" in s)
    ok(stat and stat["rung"] == "sockets" and "helper" in stat["said"], f"{name}: kill -9 of the helper: a socket adds")
    print("#", stat and stat["said"])
    ok(work.goes_on(), f"{name}: sums stay exact")
    plexus_in(plexus, other, "agg", "attach", "eth", "--port", "1")
    helper = Helper(xdpd, path)
    stat = wait(plexus, home, "said", lambda s: s and "no other XDP program" in s)
    ok(stat and "\n" not in stat["said"], f"{name}: the device is taken: one line says so")
    ok(work.goes_on(), f"{name}: the socket goes on")
    plexus_in(plexus, other, "agg", "detach")
    stat = wait(plexus, home, "reattached", lambda n: n)
    ok(stat and stat["rung"] == "native" and stat["attached"], f"{name}: it is free: the program is back on it")
    ok(work.goes_on(), f"{name}: and sums stay exact")
    ok(plexus_in(plexus, home, "agg", "stat")["summed"] > (stat or {}).get("summed", 0), f"{name}: which it makes")
    work.end()
    plexus_in(plexus, home, "agg", "detach")
    helper.kill()
    lab.gone()


def by_name(plexus, xdpd, worker, home):
    """kill -9 of the helper under a job by name: it goes on with another key, and the aggregator comes back."""
    os.mkdir(home)
    place = agg_names.Place(plexus, worker, home)
    path, job = home + "/x.sock", "digits"
    helper = Helper(xdpd, path)
    try:
        host = place.up("offers")
        place.up("adds")
        place.offer(job, 2)
        holder = place.start("adds", *BARE[1:], plexus, "agg", "attach", "lo", "--generic", "--address", "127.0.0.1",
                             "--values", "256", "--slots", "64", "--chunks", "512", "--host", host, "--name", job,
                             "--helper", path, "--foreground", "--json", program=BARE[0])
        holder.stdout.readline()
        ok(place.wait(job, "aggregators", 1), "by name: the aggregator takes its seat")
        workers, said = [place.work(job, 1000000) for _ in range(2)], []
        ok(agg_names.until(workers[0], "at 10", said), "by name: workers sum")
        helper.kill()
        since = time.monotonic()
        ok(agg_names.until(workers[0], "lost PX_ERR_RESET", said), "by name: kill -9 of the helper: workers are told")
        ok(agg_names.until(workers[0], "at ", said) and not place.job(job)["central"],
           "by name: they go on with another key, and sums are exact")
        print(f"# taken over {time.monotonic() - since:.1f} s after it was killed")
        helper = Helper(xdpd, path)
        ok(place.wait(job, "aggregators", 1), "by name: the helper is back, and so is the aggregator")
        for w in workers:
            w.kill()
        agg_names.rest(workers)
        workers = [place.work(job, 30) for _ in range(2)]
        ok(agg_names.good(agg_names.rest(workers)) and place.job(job)["central"], "by name: which adds for the next")
        stat = place.ask("adds", "agg", "stat")
        ok(stat["rung"] == "generic" and stat["reattached"] == 1, "by name: in the kernel")
        holder.send_signal(signal.SIGTERM)
        holder.communicate(timeout=LONG)
    finally:
        helper.kill()
        place.end()


def main(plexus, xdpd, program, worker):
    home = tempfile.mkdtemp()
    try:
        lab.wire()
        sh("ip", "-n", AGG, "link", "set", "lo", "up")
        lab.far_end(plexus, home)
        first = attach(plexus, home + "/1", "--group", lab.GROUP)
        if first.get("rc") in (1, 5):
            print("1..0 # SKIP " + first["error"].strip())
            return
        plexus_in(plexus, home + "/1", "agg", "detach")
        lab.gone()
        detached(plexus, program, home + "/1", "switch", lab.GROUP, "--group", lab.GROUP)
        detached(plexus, program, home + "/2", "server", "-", "--mode", "server")
        detached(plexus, program, home + "/3", "welford", "-", "--mode", "server", "--sentry", "welford", "--sentry-k",
                 "15")
        if shutil.which("setpriv"):
            helped(plexus, xdpd, program, home + "/4", "switch", lab.GROUP, "--group", lab.GROUP)
            helped(plexus, xdpd, program, home + "/5", "server", "-", "--mode", "server")
            by_name(plexus, xdpd, worker, home + "/6")
        print(f"1..{lab.count}")
    finally:
        subprocess.run([plexus, "agg", "detach"], env={**os.environ, "PLEXUS_HOME": home + "/far"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.unwire()
        shutil.rmtree(home)


if __name__ == "__main__" and not lab.skips():
    main(*map(os.path.abspath, sys.argv[1:5]))
