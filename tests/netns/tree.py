"""Aggregators in a tree, each in a process, and who is killed in it: a worker, a leaf, the one above.

Usage: tree.py NODE. Three leaves of two workers each, twice, in namespaces of their own. Prints TAP. Needs
CAP_NET_ADMIN and ip; says so and skips without them.
"""
import os
import signal
import subprocess
import sys
import threading

PREFIX = f"pt{os.getpid() % 10000}"
LEAVES, EACH = 3, 2
WORLD = LEAVES * EACH
PORT = 5600
LONG = 540
TRIES = 3
count = 0


class Stall(Exception):
    """A process stood still for longer than a deadline, and was left out: no fault of ours."""


def ok(good, what):
    global count
    count += 1
    print(f"{'' if good else 'not '}ok {count} - {what}", flush=True)
    return good


class Tree:
    def __init__(self, node, name):
        self.node, self.name = node, PREFIX + name
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        self.above = self.start("above")
        self.leaves = [self.start("leaf", i) for i in range(LEAVES)]
        self.workers = [self.start("worker", i) for i in range(WORLD)]

    def all(self):
        return [self.above, *self.leaves, *self.workers]

    def start(self, *role):
        p = subprocess.Popen(["ip", "netns", "exec", self.name, self.node, str(PORT), *map(str, role)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if p.stdout.readline() != "ready\n":
            raise RuntimeError(f"{role} does not start")
        return p

    def go(self, who):
        for i in who:
            self.workers[i].stdin.write("go\n")
            self.workers[i].stdin.flush()

    def said(self, who):
        return [self.workers[i].stdout.readline().split() for i in who]

    def sums(self, who, least):
        """One sum that all of them have, of so many: its bits. None: it is another."""
        said = self.said(who)
        if any(s[:1] == ["sum"] and int(s[1]) < least for s in said):
            raise Stall
        if said[0][:2] != ["sum", str(least)] or any(s != said[0] for s in said):
            print("#", said)
            return None
        return said[0][2]

    def are_told(self, who):
        said = self.said(who)
        print("#", said)
        return all(s == ["error", "PX_ERR_TIMEOUT"] for s in said)

    def end(self):
        for p in self.all():
            p.kill()
            p.wait()
            p.stdout.close()
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def kill(p):
    p.send_signal(signal.SIGKILL)
    p.wait()


def play(a, b):
    """In both trees all sum; then in one a leaf is killed, in the other a worker, and the one above."""
    everybody, left, rest = range(WORLD), range(WORLD - EACH), [i for i in range(WORLD) if i != 1]
    bits = []
    for _ in range(2):
        for tree in (a, b):
            tree.go(everybody)
            bits.append(tree.sums(everybody, WORLD))
    said = [(None not in bits and bits[0] == bits[1] and bits[2] == bits[3],
             "six workers, three leaves: all have the same sums, in both trees")]
    kill(a.leaves[LEAVES - 1])
    kill(b.workers[1])
    a.go(everybody)
    b.go(rest)
    said.append((b.sums(rest, WORLD - 1), "kill -9 of a worker: the others go on without it"))
    b.go(rest)
    said.append((b.sums(rest, WORLD - 1), "and on"))
    kill(b.above)
    b.go(rest)
    said.append((a.sums(left, WORLD - EACH), "kill -9 of a leaf: the workers of the others go on"))
    a.go(left)
    said.append((a.sums(left, WORLD - EACH), "and on"))
    said.append((a.are_told(range(WORLD - EACH, WORLD)), "its own are told"))
    said.append((b.are_told(rest), "kill -9 of the one above: all are told"))
    return said


def attempt(node):
    trees = []
    guard = threading.Timer(LONG, lambda: [p.kill() for t in trees for p in t.all()])
    guard.start()
    try:
        for name in ("a", "b"):
            trees.append(Tree(node, name))
        return play(*trees)
    finally:
        guard.cancel()
        for t in trees:
            t.end()


def main():
    if os.geteuid() != 0:
        print("1..0 # SKIP needs CAP_NET_ADMIN")
        return 0
    said = []
    for _ in range(TRIES):
        try:
            said = attempt(sys.argv[1])
            break
        except Stall:
            print("# somebody stood still for longer than a deadline: once more")
    good = [ok(bool(result), what) for result, what in said]
    print(f"1..{len(good)}")
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
