"""Jobs by name that the kernel's aggregator adds for, and who is killed in them.

Usage: agg_names.py PLEXUS WORKER. One namespace, all on its loopback: a node offers jobs, another is the one of the
aggregator, workers join by name. Sums are exact; kill -9 of a worker, of the aggregator with another that comes, and
of the aggregator with none.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import agg as lab
from agg import AGG, inside, ok, sh

LONG = 240


class Place:
    def __init__(self, plexus, worker, home):
        self.plexus, self.worker, self.dir, self.running, self.ports = plexus, worker, home, [], 41000

    def home(self, name):
        return os.path.join(self.dir, name)

    def start(self, name, *args, program=None):
        p = subprocess.Popen(inside(AGG, program or self.plexus, *args), text=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, env={**os.environ, "PLEXUS_HOME": self.home(name)})
        self.running.append(p)
        return p

    def up(self, name):
        p = self.start(name, "up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0", "--json-lines")
        return json.loads(p.stdout.readline())["addrs"][0]

    def ask(self, name, *args):
        p = subprocess.run(inside(AGG, self.plexus, *args, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, env={**os.environ, "PLEXUS_HOME": self.home(name)})
        if p.returncode:
            print("#", p.stderr.strip())
        return json.loads(p.stdout) if p.returncode == 0 else {"rc": p.returncode, "error": p.stderr}

    def attach(self, host, *more):
        """In the foreground; gone with the place. What it said first."""
        p = self.start("adds", "agg", "attach", "lo", "--generic", "--address", "127.0.0.1", "--values", "256",
                       "--slots", "64", "--chunks", "512", "--host", host, "--foreground", "--json", *more)
        return p, p.stdout.readline()

    def offer(self, job, world, *more):
        self.ask("offers", "agg", "offer", job, "--world", str(world), "--central", "--values", "256", "--slots", "64",
                 *more)

    def job(self, name):
        return next(j for j in self.ask("offers", "agg", "jobs")["jobs"] if j["name"] == name)

    def wait(self, name, what, value):
        end = time.monotonic() + LONG
        while self.job(name)[what] != value and time.monotonic() < end:
            time.sleep(0.05)
        return self.job(name)[what] == value

    def work(self, job, rounds, again=1, values=20000):
        self.ports += 1
        return self.start("offers", self.home("offers") + "/control.sock", job, f"/ip4/127.0.0.1/udp/{self.ports}", "-",
                          str(values), str(rounds), str(LONG * 1000), "0", str(again), program=self.worker)

    def end(self):
        for p in self.running:
            if p.poll() is None:
                p.kill()
            p.wait()
            p.stdout.close()


def until(w, what, said):
    """Lines of a worker up to one that begins with what."""
    for line in w.stdout:
        said.append(line.strip())
        if line.startswith(what):
            return True
    return False


def rest(workers):
    return [w.communicate(timeout=LONG)[0].splitlines() for w in workers]


def good(out):
    if all(o and o[-1].startswith("ok ") for o in out):
        return True
    print("#", [o[-3:] for o in out])
    return False


def two(place, host, job):
    """Two workers, killed aggregators: one more comes, then none."""
    place.offer(job, 2, "--wait", "600000")
    holder, _ = place.attach(host, "--name", job)
    ok(place.wait(job, "aggregators", 1), "the aggregator takes its seat by name, through the node of its machine")
    workers, said = [place.work(job, 400) for _ in range(2)], []
    ok(until(workers[0], "at 10", said), "workers sum by name")
    stat = place.ask("adds", "agg", "stat")
    ok(stat["summed"] > 0 and stat["jobs"][0]["companies"][0]["workers"] == 2 and place.job(job)["central"],
       "and the kernel adds")
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    ok(until(workers[0], "lost PX_ERR_RESET", said), "kill -9 of the aggregator: workers are told")
    holder, _ = place.attach(host, "--name", job)
    out = rest(workers)
    ok(good(out) and place.job(job)["epoch"] == 2 and place.job(job)["central"],
       "another attaches by name: they go on with another key, and sums are exact")
    stat = place.ask("adds", "agg", "stat")
    ok(stat["finished"] > 0 and stat["closed"] == 0, "which the kernel adds")
    holder.send_signal(signal.SIGTERM)
    holder.communicate(timeout=LONG)


def none(place, host, job):
    place.offer(job, 2)
    holder, _ = place.attach(host, "--name", job)
    place.wait(job, "aggregators", 1)
    workers, said = [place.work(job, 400) for _ in range(2)], []
    until(workers[0], "at 10", said)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    since = time.monotonic()
    ok(until(workers[0], "lost", said) and until(workers[0], "in", said), "kill -9 with nobody who comes: they wait")
    print(f"# and go on after {time.monotonic() - since:.1f} s")
    ok(good(rest(workers)) and not place.job(job)["central"], "none comes: all add, and sums are exact")


def worker(place, host, jobs):
    """Of three workers one is killed and comes back; beside it a job of four, under the default rule."""
    place.offer(jobs[0], 3, "--least", "2", "--wait", "600000")
    place.offer(jobs[1], 4, "--wait", "600000")
    holder, _ = place.attach(host, "--name", jobs[0], "--name", jobs[1])
    ok(place.wait(jobs[0], "aggregators", 1) and place.wait(jobs[1], "aggregators", 1), "one aggregator, two jobs")
    workers, said = [place.work(jobs[0], 100000) for _ in range(3)], []
    four = [place.work(jobs[1], 20, again=2) for _ in range(4)]
    until(workers[0], "at 10", said)
    workers[2].send_signal(signal.SIGKILL)
    workers[2].communicate()
    ok(until(workers[0], "short", said), "kill -9 of a worker: the others go on without it")
    workers[2] = place.work(jobs[0], 100000)
    ok(until(workers[0], "lost", said) and until(workers[0], "in ", said) and said[-1].endswith(" 3") and
       until(workers[0], "at ", said), "it comes back: all three go on")
    for w in workers:
        w.kill()
    rest(workers)
    out = rest(four)
    ok(good(out) and all("rule clip1" in o for o in out) and "rule none" in said,
       "four workers are judged by clip1 and hear so, three are not")
    ok(place.wait(jobs[0], "granted", 0), "the node sees them go")
    end = time.monotonic() + LONG
    while any(j["companies"] for j in place.ask("adds", "agg", "stat")["jobs"]) and time.monotonic() < end:
        time.sleep(0.05)
    ok(not any(j["companies"] for j in place.ask("adds", "agg", "stat")["jobs"]), "and leases end with their workers")
    holder.send_signal(signal.SIGTERM)
    holder.communicate(timeout=LONG)


def main(plexus, program):
    home = tempfile.mkdtemp()
    place = Place(plexus, program, home)
    try:
        sh("ip", "netns", "add", AGG)
        sh("ip", "-n", AGG, "link", "set", "lo", "up")
        host = place.up("offers")
        place.up("adds")
        first, line = place.attach(host, "--name", "none")
        if not line:
            print("1..0 # SKIP the aggregator cannot attach here")
            return
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=LONG)
        two(place, host, "digits")
        none(place, host, "alone")
        worker(place, host, ("three", "four"))
        print(f"1..{lab.count}")
    finally:
        place.end()
        subprocess.run(["ip", "netns", "del", AGG], stderr=subprocess.DEVNULL)
        shutil.rmtree(home)


if __name__ == "__main__" and not lab.skips():
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
