"""The rows of the interop matrix: what every pair of implementations must do together."""

import os
import re
import secrets
import tempfile
import time
from contextlib import contextmanager

import lab
from peer import Failed, Peer

TCP4, TCP6 = "/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"
QUIC4, QUIC6 = "/ip4/127.0.0.1/udp/0/quic-v1", "/ip6/::1/udp/0/quic-v1"
WS4 = "/ip4/127.0.0.1/tcp/0/ws"
NOISE = ["--security", "noise", "--muxers", "yamux"]
TLS = ["--security", "tls", "--muxers", "yamux"]
STRANGER = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"

# What an implementation cannot do, whoever stands on the other side, and why.
LACKS = {
    "js": {
        "muxer order over noise": "picks the muxer of the other side's list on both sides",
        "ecdsa": "reads no ECDSA key in the form of the specification, has no such identity",
        "blake3": "stores provider records of sha2-256 only",
        "pnet": "its peer takes no pre-shared key",
        "dcutr": "never dials from the port that it listens on",
        "autonat1": "its peer tells no verdict",
        "autonat2": "its peer tells no verdict",
    },
    "go": {
        "dcutr lead over tcp": "its first dial leaves a mapping in the NAT, which lets our SYN in "
        "before its own has left where the path has no delay",
    },
    "rust": {
        "pings on one quic stream": "answers the second one when something else wakes it only",
        "mdns answers": "answers from another port than 5353, which RFC 6762 tells to ignore",
        "autonat1": "version 2 is the one in use there",
    },
}


class Side:
    """One implementation: a name and the command that starts a peer of it."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def lacks(self, what):
        return what in LACKS.get(self.name, {})


def need(condition, message):
    if not condition:
        raise Failed(message)


def fails(run, message):
    """Holds that run() ends with an error."""
    try:
        run()
    except Failed:
        return
    raise Failed(message)


@contextmanager
def peers(*wanted):
    """Starts (side, args) peers at the same time and stops them at the end."""
    started = [Peer(side.command, args) for side, args in wanted]
    try:
        yield [p.ready() for p in started]
    finally:
        for p in started:
            p.stop()


def basics(d, listener, pings, pings_back):
    """Every stream protocol, in both directions of one connection."""
    conn = d.do("dial", addr=listener.addrs[0])
    need(conn["peer"] == listener.peer, "wrong peer id")
    d.do("ping", peer=listener.peer, count=pings)
    known = d.do("identify", peer=listener.peer)
    for p in ("/ipfs/id/1.0.0", "/ipfs/ping/1.0.0", "/echo/1.0.0"):
        need(p in known["protocols"], f"identify lacks {p}")
    need(known["listen"] and known["observed"], "identify lacks addresses")
    for size in (0, 1, 255, 65535, 65536, 262144, 262145, 1048577):
        d.do("echo", peer=listener.peer, bytes=size)
    d.do("echo", peer=listener.peer, bytes=5000, chunk=1)
    for wait in [d.start("echo", peer=listener.peer, bytes=40000) for _ in range(64)]:
        wait.get()
    d.do("reqres", peer=listener.peer, count=50, bytes=3000)
    d.do("reqres", peer=listener.peer, count=50, bytes=300, fresh=True)
    up = d.do("perf", peer=listener.peer, up=20_000_000)
    down = d.do("perf", peer=listener.peer, down=20_000_000)
    listener.do("ping", peer=d.peer, count=pings_back)
    listener.do("echo", peer=d.peer, bytes=300000)
    security, muxer = conn.get("security") or "", conn.get("muxer") or ""
    return f"{security} {muxer} up {up['MBps']:.0f} down {down['MBps']:.0f} MB/s".strip()


def row_basics(a, b, listen, args):
    def pings(side):
        return 1 if "quic" in listen and side.lacks("pings on one quic stream") else 5

    def run():
        with peers((b, ["--listen", listen, *args]), (a, args)) as (listener, d):
            return basics(d, listener, pings(b), pings(a))

    return run


def row_preferences(a, b, theirs, ours):
    """The listener offers the opposite order; yamux is what both can do."""

    def options(offer):
        return ["--security", offer[0], "--muxers", offer[1]]

    def run():
        with peers((b, ["--listen", TCP4, *options(theirs)]), (a, options(ours))) as (listener, d):
            conn = d.do("dial", addr=listener.addrs[0])
            need(conn["muxer"] == "/yamux/1.0.0", f"muxer {conn['muxer']}")
            d.do("echo", peer=listener.peer, bytes=100000)
            return f"{conn['security']} {conn['muxer']}"

    return run


def row_no_common(a, b):
    def run():
        wanted = (b, ["--listen", TCP4, "--security", "tls"]), (a, ["--security", "noise"])
        with peers(*wanted) as (listener, d):
            wait = d.start("dial", addr=listener.addrs[0], timeout=8000)
            fails(lambda: wait.get(10), "the dial succeeded")
            need(d.do("addrs") is not None, "the dialer hangs")

    return run


def row_stranger(a, b, listen):
    def run():
        with peers((b, ["--listen", listen]), (a, [])) as (listener, d):
            addr = listener.addrs[0].replace(listener.peer, STRANGER)
            wait = d.start("dial", addr=addr, timeout=8000)
            fails(lambda: wait.get(10), "the dial succeeded")
            need(d.do("addrs") is not None, "the dialer hangs")

    return run


def row_key(a, b, kind, listen, args):
    def run():
        wanted = (b, ["--listen", listen, "--key-type", kind, *args]), (a, args)
        with peers(*wanted) as (listener, d):
            conn = d.do("dial", addr=listener.addrs[0])
            need(conn["peer"] == listener.peer, "wrong peer id")
            d.do("ping", peer=listener.peer)
            return listener.peer

    return run


def rows_of_direction(a, b):
    """Rows where a dials b."""
    who = f"{a.name}->{b.name}"
    for label, listen, args in (
        ("tcp noise yamux", TCP4, NOISE),
        ("tcp tls yamux", TCP4, TLS),
        ("tcp6 noise yamux", TCP6, NOISE),
        ("quic-v1", QUIC4, []),
        ("quic-v1 ip6", QUIC6, []),
        ("ws noise yamux", WS4, NOISE),
    ):
        yield f"{who} {label}", row_basics(a, b, listen, args)
    orders = [
        ("security order", ("tls,noise", "yamux"), ("noise,tls", "yamux")),
        ("muxer order over tls", ("tls", "mplex,yamux"), ("tls", "yamux,mplex")),
        ("one muxer against two over noise", ("noise", "mplex,yamux"), ("noise", "yamux")),
        ("muxer order over noise", ("noise", "mplex,yamux"), ("noise", "yamux,mplex")),
    ]
    for label, theirs, ours in orders:
        if not a.lacks(label) and not b.lacks(label):
            yield f"{who} mixed preferences: {label}", row_preferences(a, b, theirs, ours)
    yield f"{who} no common security fails", row_no_common(a, b)
    yield f"{who} wrong peer id refused tcp", row_stranger(a, b, TCP4)
    yield f"{who} wrong peer id refused quic", row_stranger(a, b, QUIC4)
    for kind in ("secp256k1", "RSA", "ECDSA"):
        if kind == "ECDSA" and (a.lacks("ecdsa") or b.lacks("ecdsa")):
            continue
        for over, listen, args in (
            ("noise", TCP4, ["--security", "noise"]),
            ("tls", TCP4, ["--security", "tls"]),
            ("quic", QUIC4, []),
        ):
            yield f"{who} {kind} listener over {over}", row_key(a, b, kind, listen, args)


def kad_fill(ps):
    servers = ps[:8]
    for i in range(1, 8):
        ps[i].do("dial", addr=ps[i - 1].addrs[0])
    ps[8].do("dial", addr=ps[0].addrs[0])
    for wait in [p.start("wait-table", size=1) for p in ps]:
        wait.get()
    for p in servers:
        p.do("closest", peer=p.peer)


def row_kad(a, b):
    def run():
        mix = [a if i % 2 == 0 else b for i in range(9)]
        wanted = [
            (mix[i], ["--listen", QUIC4 if i % 3 == 0 else TCP4, "--dht", "server"])
            for i in range(8)
        ]
        with peers(*wanted, (b, ["--dht", "client"])) as ps:
            kad_fill(ps)
            key, value = "/v/plexus-test", f"value-{time.time():.3f}"
            ps[2].do("kad-put", key=key, value=value)
            for i in (0, 5, 7, 8):
                got = ps[i].do("kad-get", key=key)["value"]
                need(got == value, f"node {i} got another value")
            kind = "sha256" if a.lacks("blake3") or b.lacks("blake3") else "blake3"
            cid = ps[3].do("provide", data="shard-1", hash=kind)["cid"]
            for i in (0, 4, 6, 8):
                found = ps[i].do("find-providers", cid=cid)["providers"]
                need(ps[3].peer in found, f"node {i} did not find the provider")
            found = ps[8].do("find-peer", peer=ps[6].peer)
            need(found["addrs"], "find-peer gave no address")
            never = ps[1].start("kad-get", key="/v/never-stored", timeout=5000)
            fails(lambda: never.get(30), "found a key that nobody stored")
            return cid

    return run


def row_gossip(a, b):
    topic = "plexus/test"

    def run():
        wanted = [(a if i % 2 == 0 else b, ["--listen", TCP4, "--gossipsub"]) for i in range(6)]
        with peers(*wanted) as ps:
            for p in ps:
                p.do("sub", topic=topic)
            for i in range(1, 6):
                ps[i].do("dial", addr=ps[i - 1].addrs[0])
            for p in ps:
                p.do("wait-mesh", topic=topic, count=1)
            time.sleep(1.5)
            for k, p in enumerate(ps):
                p.do("pub", topic=topic, data=f"from-{k}")
            for i, p in enumerate(ps):
                messages = p.do("wait-msg", topic=topic, count=5)["messages"]
                got = sorted(m["data"] for m in messages)
                need(got == [f"from-{k}" for k in range(6) if k != i], f"node {i} got {got}")
            ps[0].do("pub", topic=topic, bytes=500000)  # large enough for IDONTWANT
            ps[5].do("wait-msg", topic=topic, count=6)

    return run


def row_relay(relay, user):
    def run():
        with peers((relay, ["--listen", TCP4, "--relay", "server"])) as (r,):
            circuit = ["--listen", f"{r.addrs[0]}/p2p-circuit", "--relay", "client"]
            with peers((user, circuit), (user, ["--relay", "client"])) as (listener, d):
                addr = listener.do("wait-addr", contains="/p2p-circuit")["addr"]
                if "/p2p-circuit/p2p/" not in addr:
                    addr = f"{addr}/p2p/{listener.peer}"
                conn = d.do("dial", addr=addr)
                need(conn["limited"] and conn["peer"] == listener.peer, "not a limited connection")
                d.do("ping", peer=listener.peer)
                d.do("echo", peer=listener.peer, bytes=30000)
                return addr

    return run


def row_mdns(a, b):
    def run():
        args = ["--listen", "/ip4/0.0.0.0/tcp/0", "--mdns"]
        with peers((a, args), (b, args)) as (one, two):
            waits = []
            if not b.lacks("mdns answers"):
                waits.append(one.start("wait-discovered", peer=two.peer))
            if not a.lacks("mdns answers"):
                waits.append(two.start("wait-discovered", peer=one.peer))
            for wait in waits:
                wait.get()

    return run


@contextmanager
def swarm_keys(count):
    """Files with different keys of private swarms."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"swarm{i}.key") for i in range(count)]
        for path in paths:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(f"/key/swarm/psk/1.0.0/\n/base16/\n{secrets.token_hex(32)}\n")
        yield paths


def row_pnet(a, b):
    def run():
        with swarm_keys(2) as (ours, other):
            wanted = [
                (b, ["--listen", TCP4, "--psk", ours]),
                (a, ["--psk", ours]),
                (a, ["--psk", other]),
                (a, []),
            ]
            with peers(*wanted) as (listener, d, *strangers):
                d.do("dial", addr=listener.addrs[0])
                d.do("ping", peer=listener.peer, count=5)
                for size in (1, 65536, 1048577):
                    d.do("echo", peer=listener.peer, bytes=size)
                listener.do("echo", peer=d.peer, bytes=300000)
                for s in strangers:
                    wait = s.start("dial", addr=listener.addrs[0], timeout=8000)
                    fails(lambda wait=wait: wait.get(20), "a stranger got in")

    return run


def lab_rows(a, b):
    """Rows in network namespaces, where a dials b or a asks b."""
    for via in ("tcp", "quic"):
        lacking = a.lacks("dcutr") or b.lacks("dcutr") or b.lacks(f"dcutr lead over {via}")
        if not lacking:
            yield f"{a.name}->{b.name} dcutr {via}: both behind NATs", lab.row_dcutr(a, b, a, via)
    for v in (1, 2) if a.name != b.name else (2,):
        if not a.lacks(f"autonat{v}") and not b.lacks(f"autonat{v}"):
            yield f"{a.name} asks {b.name} by autonat v{v}", lab.row_autonat(a, b, v)


def rows_apart(a, b):
    """Private swarms, and what needs network namespaces."""
    pairs = [(a, b)] if a.name == b.name else [(a, b), (b, a)]
    out = []
    for x, y in pairs:
        if not x.lacks("pnet") and not y.lacks("pnet"):
            out.append((f"{x.name}->{y.name} private swarm", row_pnet(x, y)))
        out += lab_rows(x, y) if not lab.missing() else []
    return out


def rows(a, b, only="."):
    """All rows of a pair, as (name, function); a pair of two goes both ways."""
    same = a.name == b.name
    out = list(rows_of_direction(a, b))
    if not same:
        out += rows_of_direction(b, a)
    pair = a.name if same else f"{a.name}+{b.name}"
    out.append((f"{pair} kad 8 servers + 1 client", row_kad(a, b)))
    if not same:
        out.append((f"{pair} kad 8 servers + 1 client, the other way", row_kad(b, a)))
    out.append((f"{pair} gossipsub 6 nodes in a line", row_gossip(a, b)))
    out.append((f"{pair} relay: {b.name} carries, {a.name} reserves and dials", row_relay(b, a)))
    if not same:
        label = f"{pair} relay: {a.name} carries, {b.name} reserves and dials"
        out.append((label, row_relay(a, b)))
    out.append((f"{pair} mdns: two peers find each other", row_mdns(a, b)))
    out += rows_apart(a, b)
    return [(name, run) for name, run in out if re.search(only, name)]
