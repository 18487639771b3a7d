"""Peers behind NATs in network namespaces: through a relay, then directly where the NATs allow it.

    a ---- NAT A ----.              .---- NAT B ---- b
  10.1.0.2   45.0.1.2 --- router --- 45.0.2.2   10.2.0.2
                            |
                      relay 45.0.3.2

A cone NAT keeps the port outside for every remote (masquerade keeps the source port), a symmetric
one takes a random port for each (masquerade random,fully-random). Both drop what nobody asked for.

Usage: nat.py PLEXUS [WORD...]: cases whose name holds every WORD. Prints TAP. Needs CAP_NET_ADMIN,
ip and nft; says so and skips without them.
"""
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

PREFIX = f"px{os.getpid() % 10000}"
RULES = """
table ip px {
  chain post { type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" masquerade %s; }
  chain input { type filter hook input priority filter; policy drop;
    iifname "lan" accept; ct state established,related accept; }
  chain forward { type filter hook forward priority filter; policy drop;
    iifname "lan" accept; ct state established,related accept; }
}
"""
NATS = {"cone": "persistent", "symmetric": "random,fully-random"}


def sh(*args, **kw):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **kw)


def ns(name):
    return f"{PREFIX}{name}"


def within(name, *args, **kw):
    return sh("ip", "netns", "exec", ns(name), *args, **kw)


def forward(name):
    within(name, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


class World:
    """The namespaces of one topology."""

    def __init__(self, nat_a, nat_b):
        self.names = []
        self.peers = []
        self.add("pub")
        forward("pub")
        self.add("r")
        self.plug("r", 3, "eth")
        for who, net, nat in (("a", 1, nat_a), ("b", 2, nat_b)):
            self.add(who)
            self.add("n" + who)
            self.plug("n" + who, net, "wan")
            sh("ip", "link", "add", "eth", "netns", ns(who), "type", "veth", "peer", "name", "lan",
               "netns", ns("n" + who))
            within(who, "ip", "addr", "add", f"10.{net}.0.2/24", "dev", "eth")
            within(who, "ip", "link", "set", "eth", "up")
            within("n" + who, "ip", "addr", "add", f"10.{net}.0.1/24", "dev", "lan")
            within("n" + who, "ip", "link", "set", "lan", "up")
            within(who, "ip", "route", "add", "default", "via", f"10.{net}.0.1")
            forward("n" + who)
            within("n" + who, "nft", "-f", "-", input=RULES % NATS[nat])

    def add(self, name):
        sh("ip", "netns", "add", ns(name))
        self.names.append(name)
        within(name, "ip", "link", "set", "lo", "up")

    def plug(self, name, net, dev):
        """Join a namespace to the router, which has the first address of the net."""
        sh("ip", "link", "add", dev, "netns", ns(name), "type", "veth", "peer", "name", f"p{net}",
           "netns", ns("pub"))
        within("pub", "ip", "addr", "add", f"45.0.{net}.1/24", "dev", f"p{net}")
        within("pub", "ip", "link", "set", f"p{net}", "up")
        within(name, "ip", "addr", "add", f"45.0.{net}.2/24", "dev", dev)
        within(name, "ip", "link", "set", dev, "up")
        within(name, "ip", "route", "add", "default", "via", f"45.0.{net}.1")

    def peer(self, name, *args):
        p = Peer(name, *args)
        self.peers.append(p)
        return p

    def close(self):
        for p in self.peers:
            p.close()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", ns(name)], check=False)


class Peer:
    """plexus interop-peer in a namespace, driven by lines of JSON."""

    def __init__(self, name, *args):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", ns(name), PLEXUS, "interop-peer", *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.count = 0
        threading.Thread(target=self.read, daemon=True).start()
        self.ready = self.next(20)

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, seconds):
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            raise RuntimeError("no line in time") from None

    def do(self, op, seconds=30, **fields):
        self.count += 1
        self.process.stdin.write(json.dumps({"id": self.count, "op": op, **fields}) + "\n")
        self.process.stdin.flush()
        end = time.time() + seconds
        while time.time() < end:
            line = self.next(max(0.1, end - time.time()))
            if line.get("id") == self.count:
                if not line.get("ok"):
                    raise RuntimeError(f"{op}: {line.get('error')}")
                return line
        raise RuntimeError(f"{op}: no answer")

    def close(self):
        try:
            self.process.stdin.close()
            self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def limited(peer, other):
    """Kinds of the connections to a peer: True for those through a relay."""
    return [bool(c.get("limited")) for c in peer.do("conns")["conns"] if c["peer"] == other]


def listen(ip, transport):
    return f"/ip4/{ip}/tcp/4001" if transport == "tcp" else f"/ip4/{ip}/udp/4001/quic-v1"


def case(nat_a, nat_b, transport, direct):
    """b reserves at the relay, a dials it through there; then the connection is direct or stays."""
    w = World(nat_a, nat_b)
    try:
        r = w.peer("r", "--listen", listen("45.0.3.2", transport), "--relay", "server")
        at = r.ready["addrs"][0]
        b = w.peer("b", "--listen", listen("10.2.0.2", transport), "--listen",
                   f"{at}/p2p-circuit", "--relay", "client", "--dcutr")
        b.do("wait-addr", contains="/p2p-circuit", timeout=20000)
        a = w.peer("a", "--listen", listen("10.1.0.2", transport), "--relay", "client", "--dcutr")
        who = b.ready["peer"]
        c = a.do("dial", addr=f"{at}/p2p-circuit/p2p/{who}")
        if not c.get("limited"):
            raise RuntimeError("the first connection is not through the relay")
        a.do("echo", peer=who, bytes=1000)
        end = time.time() + (40 if direct else 25)
        while time.time() < end:
            kinds = limited(a, who)
            if direct and kinds and not any(kinds):
                break
            time.sleep(0.5)
        kinds = limited(a, who)
        if direct and (not kinds or any(kinds)):
            raise RuntimeError(f"not direct: {kinds}; a sees {a.do('net').get('observed')}")
        if not direct and (not kinds or not all(kinds)):
            raise RuntimeError(f"not on the relay: {kinds}")
        a.do("echo", peer=who, bytes=20000 if direct else 1000)
    finally:
        w.close()


GATEWAY = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.1.0.1", 5351))
while True:
    q, who = s.recvfrom(64)
    head = struct.pack(">BBHI", 0, 128 + q[1], 0, 1)
    if q[1] == 0:
        s.sendto(head + bytes([45, 0, 1, 2]), who)
    else:
        inside, outside, life = struct.unpack(">HHI", q[4:12])
        s.sendto(head + struct.pack(">HHI", inside, 14000 + q[1], life), who)
"""


def mapped():
    """A router that speaks NAT-PMP gives two ports; the node tells others of them."""
    w = World("cone", "cone")
    home = tempfile.mkdtemp()
    gate = node = None
    try:
        gate = subprocess.Popen(["ip", "netns", "exec", ns("na"), sys.executable, "-c", GATEWAY])
        env = {**os.environ, "PLEXUS_HOME": home}
        node = subprocess.Popen(
            ["ip", "netns", "exec", ns("a"), PLEXUS, "up", "--portmap", "--no-mdns", "--listen",
             listen("10.1.0.2", "tcp"), "--listen", listen("10.1.0.2", "quic"), "--json-lines"],
            stdout=subprocess.PIPE, text=True, env=env)
        node.stdout.readline()
        seen = []
        end = time.time() + 30
        while time.time() < end and len(seen) < 2:
            time.sleep(1)
            out = subprocess.run([PLEXUS, "net", "--json"], env=env, stdout=subprocess.PIPE,
                                 text=True, check=False).stdout
            seen = json.loads(out).get("portmap", []) if out else []
        if not any("/ip4/45.0.1.2/tcp/14002" in a for a in seen) or \
                not any("/ip4/45.0.1.2/udp/14001/quic-v1" in a for a in seen):
            raise RuntimeError(f"mapped: {seen}")
    finally:
        for p in (gate, node):
            if p:
                p.kill()
                p.wait()
        shutil.rmtree(home)
        w.close()


CASES = [("port mapping: NAT-PMP", mapped)] + [(f"{t}: {a} to {b} {'becomes direct' if d else 'stays on the relay'}", case, a, b, t, d)
         for t in ("tcp", "quic")
         for a, b, d in (("cone", "cone", True), ("symmetric", "symmetric", False))]


def missing():
    if os.geteuid() != 0:
        return "not root"
    for program in ("ip", "nft"):
        if not shutil.which(program):
            return f"{program} is not installed"
    probe = subprocess.run(["ip", "netns", "add", ns("probe")], stderr=subprocess.PIPE, text=True,
                           check=False)
    if probe.returncode:
        return "network namespaces need CAP_NET_ADMIN and CAP_SYS_ADMIN"
    try:
        within("probe", "nft", "-f", "-", input=RULES % NATS["symmetric"])
    except subprocess.CalledProcessError as e:
        return "nft cannot masquerade here: " + e.stderr.strip().split("\n")[0]
    finally:
        subprocess.run(["ip", "netns", "del", ns("probe")], check=False)
    return None


def main():
    chosen = [c for c in CASES if all(word in c[0] for word in sys.argv[2:])]
    print(f"TAP version 13\n1..{len(chosen)}", flush=True)
    why = missing()
    failed = 0
    for i, (name, run, *args) in enumerate(chosen, 1):
        if why:
            print(f"ok {i} - {name} # SKIP {why}")
            continue
        try:
            run(*args)
            print(f"ok {i} - {name}", flush=True)
        except (RuntimeError, subprocess.CalledProcessError) as e:
            failed = 1
            print(f"# {e} {getattr(e, 'stderr', '') or ''}\nnot ok {i} - {name}", flush=True)
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PLEXUS = os.path.abspath(sys.argv[1])
    sys.exit(main())
