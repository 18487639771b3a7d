"""Workers in network namespaces sum arrays while their hosts lose, double and damage datagrams: the
sums keep the bits of a run without faults.

Usage: allreduce.py PLEXUS. Prints TAP. Needs CAP_NET_ADMIN, CAP_BPF, ip and tc; says so and skips
without them.
"""
import json
import os
import signal
import subprocess
import sys
import time

FAULTS = ("--loss", "10", "--dup", "5", "--corrupt", "2")
SIXTEEN = ("--local", "16", "--size", "100000", "--repeat", "1")


def bench(plexus, *args):
    return subprocess.run([plexus, "bench", "allreduce", "--json", "--quiet", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


digests = {}


def case(plexus, n, name, *args, bits=None):
    """One line of TAP. bits: those that had results of the same name, too."""
    r = bench(plexus, *args)
    if r.returncode == 10 or "a build with libbpf" in r.stderr or "no faults:" in r.stderr:
        print(f"ok {n} {name} # SKIP {r.stderr.strip()}")
        return True
    good = r.returncode == 0 and json.loads(r.stdout)["mismatches"] == 0
    if good and bits:
        digest = json.loads(r.stdout)["digest"]
        good = digests.setdefault(bits, digest) == digest
    print(f"{'ok' if good else 'not ok'} {n} {name}")
    if not good:
        print(f"# exit {r.returncode}: {r.stderr.strip()} {r.stdout.strip()[:400]}")
    return good


def namespaces(pid):
    return [n for n in os.listdir("/run/netns") if str(pid) in n.split("-")] if os.path.isdir("/run/netns") else []


def ended(plexus, n, how, name):
    """A run that is ended from outside once it has namespaces: what it leaves, and what doctor finds of that."""
    p = subprocess.Popen([plexus, "bench", "allreduce", "--quiet", "--local", "2", "--size", "40000000", "--repeat", "1000"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while p.poll() is None and len(namespaces(p.pid)) < 3:
        time.sleep(0.05)
    if p.poll() is not None:
        print(f"ok {n} {name} # SKIP no namespaces here")
        return True
    p.send_signal(how)
    p.wait()
    if how == signal.SIGKILL:
        subprocess.run([plexus, "doctor", "--json"], stdout=subprocess.DEVNULL)
    left = namespaces(p.pid)
    print(f"{'not ok' if left else 'ok'} {n} {name}")
    if left:
        print("#", left)
    return not left


def main():
    plexus = sys.argv[1]
    if os.geteuid() != 0:
        print("1..0 # SKIP needs CAP_NET_ADMIN")
        return 0
    print("1..13")
    good = [
        case(plexus, 1, "two workers without faults", "--local", "2", "--size", "2000000", "--repeat", "2"),
        case(plexus, 2, "two workers by UDP", "--local", "2", "--size", "2000000", "--repeat", "2",
             "--path", "udp"),
        case(plexus, 3, "four workers with 8 bits", "--local", "4", "--size", "400004", "--repeat", "2",
             "--format", "i8"),
        case(plexus, 4, "faults leave the bits of two", "--local", "2", "--size", "2000000",
             "--repeat", "2", *FAULTS),
        case(plexus, 5, "faults leave the bits of four", "--local", "4", "--size", "1000000",
             "--repeat", "2", "--values", "256", *FAULTS),
        case(plexus, 6, "the median of four, with faults", "--local", "4", "--size", "400000",
             "--repeat", "2", "--rule", "median", *FAULTS),
        case(plexus, 7, "clip1 over four", "--local", "4", "--size", "400000", "--repeat", "2",
             "--rule", "clip1"),
        case(plexus, 8, "one aggregator on a host of its own", *SIXTEEN, "--topology", "central", "--hubs", "1",
             bits="sixteen"),
        case(plexus, 9, "a tree of four leaves and one above has its bits", *SIXTEEN, "--topology", "tree",
             "--hubs", "5", bits="sixteen"),
        case(plexus, 10, "and with faults", *SIXTEEN, "--topology", "tree", "--hubs", "5", *FAULTS, bits="sixteen"),
        case(plexus, 11, "a tree on the hosts of workers, with 8 bits", "--local", "4", "--size", "100000",
             "--repeat", "1", "--topology", "tree", "--format", "i8", *FAULTS),
        ended(plexus, 12, signal.SIGTERM, "a run that is told to end removes its namespaces"),
        ended(plexus, 13, signal.SIGKILL, "those of one that was killed are removed by doctor"),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
