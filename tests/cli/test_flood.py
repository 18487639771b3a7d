"""Floods hit a limit, not memory: strangers that never speak, speak nonsense, send datagrams, write to
the control socket, or kill a peer, while an honest peer's ping is answered all the time."""
import json
import os
import random
import resource
import select
import signal
import socket
import subprocess
import sys
import time

import harness

GROWTH = 96 << 20  # more than a thousand handshakes under way may take; far less than 2,000 times 256 KiB


def rss(process):
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


class Scene:
    """A victim, and an honest peer connected to it."""

    def __init__(self, place):
        self.place = place
        ready, self.victim = place.up("--listen", "/ip4/127.0.0.1/udp/0/quic-v1")
        self.peer = ready["peer"]
        self.addrs = ready["addrs"]
        self.tcp = next(int(a.split("/")[4]) for a in ready["addrs"] if "/tcp/" in a)
        self.udp = next(int(a.split("/")[4]) for a in ready["addrs"] if "/udp/" in a)
        tcp = next(a for a in ready["addrs"] if "/tcp/" in a)
        ready, _ = place.up("--bootstrap", tcp, home=place.path("second"))
        assert "peer" in ready, f"the second node did not start: {ready}"
        self.alive(20)
        self.before = rss(self.victim)

    def alive(self, seconds=10):
        end = time.monotonic() + seconds
        while True:
            r = self.place.run("ping", self.peer, "--count", "1", "--json",
                               env={"PLEXUS_HOME": self.place.path("second")})
            if r.code == 0:
                return
            assert time.monotonic() < end, f"no ping: {r.out} {r.err}"
            time.sleep(0.1)

    def addr(self, via):
        return next(a for a in self.addrs if f"/{via}/" in a)

    def bounded(self, bound=GROWTH):
        assert self.victim.poll() is None, "the victim ended"
        grown = rss(self.victim) - self.before
        assert grown < bound, f"memory grew by {grown >> 20} MiB"
        return grown

    def strangers(self, count, first=b""):
        out = []
        for _ in range(count):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.tcp))
            out.append(s)
        for s in out:
            ready = select.poll()
            ready.register(s, select.POLLOUT)
            if ready.poll(5000) and first:
                try:
                    s.send(first() if callable(first) else first)
                except OSError:
                    pass
        return out


def closed(socks):
    """How many the victim has hung up on."""
    n = 0
    for s in socks:
        try:
            while s.recv(4096):
                pass
            n += 1
        except BlockingIOError:
            pass
        except OSError:
            n += 1
    return n


def enough_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 5000:
        raise harness.Skip("few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (5000, hard))


def test_two_thousand_that_never_speak(place):
    enough_descriptors()
    scene = Scene(place)
    socks = scene.strangers(2000)
    for _ in range(5):
        scene.alive()
        scene.bounded()
    gone = closed(socks)
    assert gone >= 900, f"only {gone} of 2000 were over the limit of handshakes under way"
    end = time.monotonic() + 40  # net.upgrade_ms ends the others
    while gone < 2000 and time.monotonic() < end:
        time.sleep(0.5)
        gone = closed(socks)
    assert gone == 2000, gone
    scene.alive()
    scene.bounded()
    for s in socks:
        s.close()


def test_one_thousand_without_descriptors(place):
    enough_descriptors()
    scene = Scene(place)
    resource.prlimit(scene.victim.pid, resource.RLIMIT_NOFILE, (100, 100))
    socks = scene.strangers(1000)
    with open(f"/proc/{scene.victim.pid}/stat", encoding="ascii") as f:
        start = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    time.sleep(2)
    with open(f"/proc/{scene.victim.pid}/stat", encoding="ascii") as f:
        ticks = sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) - start
    assert ticks < os.sysconf("SC_CLK_TCK"), f"{ticks} ticks in two seconds: it spins"
    scene.alive(30)
    for s in socks:
        s.close()
    scene.alive(30)
    scene.bounded()


def test_junk_on_every_port(place):
    scene = Scene(place)
    rng = random.Random(7)
    starts = [b"GET / HTTP/1.1\r\n\r\n", b"\x13/multistream/1.0.0\n", b"\xff" * 64, b"\0" * 1000,
              b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff", b"\x16\x03\x01\x02\x00\x01",
              b"\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n\x16\x03\x01\xff\xff"]
    for _ in range(10):
        socks = scene.strangers(60, lambda: rng.choice(starts) + rng.randbytes(rng.randrange(300)))
        scene.alive()
        for s in socks:
            s.close()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(20000):
        head = b"" if i % 3 else b"\xc3\0\0\0\1\x08" + rng.randbytes(8) + b"\x08" + rng.randbytes(8)
        udp.sendto(head + rng.randbytes(rng.choice((0, 1, 21, 1200 - len(head)))),
                   ("127.0.0.1", scene.udp))
        if i % 5000 == 0:
            scene.alive()
    for _ in range(20000):
        udp.sendto(b"", ("127.0.0.1", scene.udp))
    udp.close()
    scene.alive()
    scene.bounded()


def test_junk_on_the_control_socket(place):
    ready, victim = place.up()
    before = rss(victim)
    path = ready["api"]
    mode = os.stat(path).st_mode & 0o777
    assert mode == 0o600, oct(mode)
    rng = random.Random(7)
    lines = [b"\n", b"{}\n", b"[]\n", b"null\n", b'{"op":1}\n', b'{"op":"ping"}\n', b"[" * 5000 + b"\n",
             b'{"op":"ping","peer":"x","timeout":1e308}\n', b'{"op":"dial","addr":"/ip4/1"}\n',
             b'{"op":"' + b"x" * 70000 + b'"}\n', rng.randbytes(3000), b'{"a":1,"a":2}\n',
             b'{"op":"find-peer","peer":-1}\n', b'{"op":"sleep","ms":-1}\n']
    for i in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        try:
            s.sendall(lines[i % len(lines)])
            if i % 4 == 0:
                s.sendall(rng.choice(lines))
            if i % 2:
                s.recv(10)
        except OSError:
            pass  # it may hang up on us
        s.close()
    big = socket.socket(socket.AF_UNIX)  # a line without end
    big.settimeout(5)
    big.connect(path)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += big.send(b"x" * 65536)
    except OSError:
        pass
    assert sent < 64 << 20, "a line may not grow without end"
    big.close()
    assert victim.poll() is None, "the node ended"
    assert place.json("peers")["peers"] == []
    assert rss(victim) - before < GROWTH


def flooded(place, mode, via, bound):
    """A hostile process of its own (flooder.c) for some seconds; its last words. The growth is that
    of the victim alone, and the honest peer is served all the time."""
    flooder = os.environ.get("PLEXUS_FLOODER")
    if not flooder:
        raise harness.Skip("no PLEXUS_FLOODER")
    scene = Scene(place)
    p = subprocess.Popen([flooder, mode, scene.addr(via)], stdout=subprocess.PIPE, text=True)
    place.nodes.append(p)
    told, most = {}, 0
    for _ in range(3):
        told = json.loads(p.stdout.readline() or "{}")
        assert told, f"the flooder ended: {p.wait(5)}"
        scene.alive(5)
        most = max(most, scene.bounded(bound))
    print(f"# {mode} by {via}: {told}, memory grew by {most >> 20} MiB at most")
    p.kill()
    p.wait(10)
    end = time.monotonic() + 60
    while via == "tcp" and len(place.json("peers")["peers"]) != 1:  # by QUIC, silence takes 30 s
        assert time.monotonic() < end, "the flooder is still counted"
        time.sleep(0.2)
    scene.alive(5)
    return told


def test_streams_without_end_by_tcp(place):
    told = flooded(place, "streams", "tcp", GROWTH)
    assert told["opened"] > 4000 and told["refused"] > 1000, told


def test_streams_without_end_by_quic(place):
    told = flooded(place, "streams", "udp", GROWTH)
    assert told["opened"] > 4000 and told["refused"] > 1000, told


def test_a_peer_that_never_reads_by_tcp(place):
    told = flooded(place, "unread", "tcp", GROWTH)
    assert told["written"] > 1 << 20, told


def test_a_peer_that_never_reads_by_quic(place):
    told = flooded(place, "unread", "udp", GROWTH)
    assert told["written"] > 1 << 20, told


def test_a_peer_that_never_identifies_by_tcp(place):
    told = flooded(place, "silent", "tcp", 16 << 20)
    assert told["asked"] >= 8, told


def test_a_peer_that_never_identifies_by_quic(place):
    told = flooded(place, "silent", "udp", 16 << 20)
    assert told["asked"] >= 8, told


def test_killed_peers_are_noticed_and_come_back(place):
    first, _ = place.up()
    home = place.path("second")
    for _ in range(2):
        _, second = place.up("--bootstrap", first["addrs"][0], home=home)
        end = time.monotonic() + 20
        while not place.json("peers")["peers"]:
            assert time.monotonic() < end, "they did not meet"
            time.sleep(0.1)
        second.send_signal(signal.SIGKILL)
        second.wait(10)
        while place.json("peers")["peers"]:
            assert time.monotonic() < end + 20, "the dead peer is still there"
            time.sleep(0.1)


harness.main(sys.modules[__name__])
