"""Mode server: the kernel adds, user space sends the sums, woken for 32 slots or fewer.

Usage: agg_server.py PLEXUS WORKER. Four and 32 workers in namespaces on one bridge sum arrays; sums are exact,
also with loss, doubles and damage. Wake-ups of user space are counted by the process that wakes, and printed for
1,000 packets.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import agg as lab
from agg import PORT, PREFIX, SECRET, inside, ok, sh

MANY = 32


def address(k):
    """Of worker k of many: all live in one namespace."""
    return f"10.79.0.{k + 100}"


def attach(plexus, addresses, *more):
    workers = [x for a in addresses for x in ("--worker", a)]
    return lab.agg(plexus, "attach", "eth", "--address", "10.79.0.1", *workers, "--secret", SECRET, "--mode",
                   "server", "--values", "256", "--slots", "64", *lab.unjudged(more), *more)


def sums(worker, where, values, rounds, faults):
    """Workers at (namespace, address), all at once; their digests."""
    running = [subprocess.Popen(
        inside(name, worker, str(k), str(len(where)), "10.79.0.1", str(PORT), "-", own, SECRET, str(values),
               str(rounds), *map(str, faults)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for k, (name, own) in enumerate(where)]
    out = []
    for p in running:
        text, err = p.communicate(timeout=240)
        if err:
            print("# " + err.strip())
        out.append(text.split())
    if any(o == ["short"] for o in out):
        return "short"
    return {o[1] for o in out} if all(out) else None


def run(plexus, worker, where, name, values, rounds, faults=(0, 0, 0)):
    """Attach and sum; once more when the machine stalled for longer than a deadline."""
    for _ in range(5):
        said = attach(plexus, [a for _, a in where])
        if "rung" not in said:
            print("#", said)
        digests = sums(worker, where, values, rounds, faults)
        stat = lab.agg(plexus, "stat")
        lab.agg(plexus, "detach")
        lab.gone()
        if digests != "short":
            break
        print("# a deadline passed: once more")
    ok(digests and len(digests) == 1, f"{name}: sums are exact")
    print(f"# {name}: {stat['packets']} packets, {stat['finished']} slots, {stat['wakeups']} wake-ups "
          f"({stat['wakeups_forced']} forced), {stat['wakeups_per_1000']:.2f} for 1,000 packets, "
          f"{stat['sums_datagrams']} datagrams in {stat['sums_calls']} calls, {stat['sums_stale']} stale, "
          f"{stat['answered_one']} once more")
    return stat


def main(plexus, worker):
    home = tempfile.mkdtemp()
    os.environ["PLEXUS_HOME"] = home
    few = [(f"{PREFIX}w{k}", f"10.79.0.{k + 2}") for k in range(lab.WORLD)]
    many = [(f"{PREFIX}w0", address(k)) for k in range(MANY)]
    try:
        lab.wire()
        lab.far_end(plexus, home)
        first = attach(plexus, [a for _, a in few])
        if first.get("rc") in (1, 5):
            print("1..0 # SKIP " + first["error"].strip())
            return
        lab.agg(plexus, "detach")
        lab.gone()
        for _, own in many:
            sh("ip", "-n", many[0][0], "addr", "add", own + "/24", "dev", "eth")
        stat = run(plexus, worker, few, "fan-in 4", 400000, 5)
        ok(0 < stat["wakeups"] <= stat["finished"] / 8, "fan-in 4: woken for batches of slots")
        ok(stat["sums_calls"] < stat["sums_datagrams"] / 8, "fan-in 4: sent in batches")
        stat = run(plexus, worker, many, "fan-in 32", 100000, 3)
        ok(0 < stat["wakeups"] <= stat["finished"] / 8, "fan-in 32: woken for batches of slots")
        run(plexus, worker, few, "fan-in 4, 10 % lost, 5 % doubled, 2 % damaged", 100000, 3, (10, 5, 2))
        print(f"1..{lab.count}")
    finally:
        subprocess.run([plexus, "agg", "detach"], env={**os.environ, "PLEXUS_HOME": home + "/far"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.unwire()
        shutil.rmtree(home)


if __name__ == "__main__" and not lab.skips():
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
