"""Rows that need more than loopback: peers with public addresses, and peers behind NATs.

They run in the network namespaces of ../netns/nat.py, one world at a time: a and b behind cone
NATs, r and s with public addresses.
"""

import functools
import os
import sys
import threading
import time
from contextlib import contextmanager

from peer import Failed, Peer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns"))
import nat  # noqa: E402

AT = {"a": "10.1.0.2", "b": "10.2.0.2", "r": "45.0.3.2", "s": "45.0.4.2"}
PUNCH_MS = 40000
VERDICT_MS = 45000
SERVERS = {1: 4, 2: 3}  # so many must agree before plexus believes that it is public

one_world = threading.Lock()


@functools.cache
def missing():
    """Why there are no worlds here, or None."""
    return nat.missing()


class Lab:
    """A world and the peers that were started in it."""

    def __init__(self):
        self.world = nat.World("cone", "cone")
        self.world.add("s")
        self.world.plug("s", 4, "eth")
        self.peers = []

    def start(self, side, place, args, port=4001, transport="tcp"):
        """Starts a peer that listens at its place."""
        ip = AT[place]
        addr = f"/ip4/{ip}/tcp/{port}"
        if transport == "quic":
            addr = f"/ip4/{ip}/udp/{port}/quic-v1"
        command = f"ip netns exec {nat.ns(place)} {side.command}"
        self.peers.append(Peer(command, ["--listen", addr, *args]))
        return self.peers[-1].ready()

    def close(self):
        for p in self.peers:
            p.stop()
        self.world.close()


@contextmanager
def lab():
    with one_world:
        place = Lab()
        try:
            yield place
        finally:
            place.close()


def wait_protocol(side, p, name):
    """go-libp2p serves and starts DCUtR only some time after it has learned its own address."""
    end = time.monotonic() + 20
    while side.name == "go" and name not in p.do("protocols")["protocols"]:
        if time.monotonic() > end:
            raise Failed(f"go does not serve {name}")
        time.sleep(0.1)


def row_dcutr(a, b, relay, transport):
    """b keeps a place at the relay, a dials it there; then both have a direct connection."""

    def run():
        with lab() as w:
            r = w.start(relay, "r", ["--relay", "server"], transport=transport)
            at = r.addrs[0]
            args = ["--relay", "client", "--dcutr"]
            listener = w.start(b, "b", ["--listen", f"{at}/p2p-circuit", *args], 4001, transport)
            listener.do("wait-addr", contains="/p2p-circuit", timeout=20000)
            d = w.start(a, "a", args, 4001, transport)
            d.do("dial", addr=at)
            wait_protocol(a, d, "/libp2p/dcutr")
            wait_protocol(b, listener, "/libp2p/dcutr")
            conn = d.do("dial", addr=f"{at}/p2p-circuit/p2p/{listener.peer}")
            if not conn["limited"]:
                raise Failed("the first connection is not through the relay")
            d.do("echo", peer=listener.peer, bytes=1000)
            got = d.do("wait-conn", peer=listener.peer, direct=True, timeout=PUNCH_MS)
            listener.do("wait-conn", peer=d.peer, direct=True, timeout=PUNCH_MS)
            d.do("echo", peer=listener.peer, bytes=20000)
            return got["addr"]

    return run


def wait_public(p):
    """Waits until plexus believes that it is public."""
    end = time.monotonic() + VERDICT_MS / 1000
    while p.do("net")["reachable"] != "public":
        if time.monotonic() > end:
            raise Failed("plexus does not hear that it is public")
        time.sleep(0.5)


def row_autonat(client, server, version):
    """A client with a public address dials servers and hears from them that it is reached."""

    def option(side):
        return f"--autonat{version}" if side.name == "go" else "--autonat"

    def run():
        with lab() as w:
            c = w.start(client, "r", [option(client)])
            for i in range(SERVERS[version] if client.name == "plexus" else 1):
                s = w.start(server, "s", [option(server)], 4001 + i)
                c.do("dial", addr=s.addrs[0])
            if client.name == "plexus":
                wait_public(c)
            else:
                c.do("wait-reachable", version=version, timeout=VERDICT_MS)

    return run
