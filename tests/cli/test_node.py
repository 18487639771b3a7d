"""Nodes as their owners run them: found, trusted, ranked, started by a service manager."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import harness
from harness import equal

NOBODY = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
PSK = "/key/swarm/psk/1.0.0/\n/base16/\n" + "%s\n"


def wait_for(what, check, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def states(place):
    return {p["peer"]: p["state"] for p in place.json("peers")["peers"]}


def test_identity_is_kept_and_private(place):
    first, node = place.up()
    node.terminate()
    node.wait(20)
    again, _ = place.up()
    equal(first["peer"], again["peer"])
    key = os.path.join(os.path.dirname(again["api"]), "identity.key")
    equal(os.stat(key).st_mode & 0o777, 0o600)


class Talker:
    """A plexus interop-peer, spoken to in lines of JSON."""

    def __init__(self, place, *args):
        self.run = subprocess.Popen([place.program, "interop-peer", *args], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.ready = json.loads(self.run.stdout.readline())

    def ask(self, op, **fields):
        self.run.stdin.write(json.dumps({"id": 1, "op": op, **fields}) + "\n")
        self.run.stdin.flush()
        reply = json.loads(self.run.stdout.readline())
        assert reply["ok"], reply
        return reply

    def close(self):
        self.run.stdin.close()
        self.run.wait(20)
        self.run.stdout.close()


def test_a_request_costs_one_call_of_each_kind(place):
    count = 400
    for at in ("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"):
        b, a = Talker(place, "--listen", at), Talker(place)
        a.ask("dial", addr=b.ready["addrs"][0])
        for fresh in (False, True):
            a.ask("reqres", peer=b.ready["peer"], count=10, fresh=fresh)
            before = [t.ask("loop") for t in (a, b)]
            a.ask("reqres", peer=b.ready["peer"], count=count, bytes=100, fresh=fresh)
            for t, was in zip((a, b), before):
                now = t.ask("loop")
                did = {k: now[k] - was[k] for k in ("sends", "receives", "waits", "alarms")}
                # QUIC may ask after a packet when the machine is busy
                most = count * (1.1 if "tcp" in at else 1.3) + 20
                assert count <= did["sends"] <= most and did["receives"] <= most, (at, fresh, did)
                assert did["waits"] <= most and did["alarms"] <= count / 2, (at, fresh, did)
        a.close()
        b.close()


def test_a_second_node_in_one_home_is_refused(place):
    place.up()
    r = place.run("up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0")
    equal((r.code, r.out), (5, ""))
    assert "control socket" in r.err, r.err


def test_a_key_that_others_can_read_is_refused(place):
    key = place.write("open.key", b"x")
    os.chmod(key, 0o644)
    r = place.run("up", "--key", key, "--no-mdns")
    equal((r.code, r.out), (5, ""))


def test_an_allow_list_closes_the_swarm(place):
    stranger, _ = place.up(home=place.path("second"))
    friend, _ = place.up(home=place.path("third"))
    place.up("--allow", friend["peer"])
    r = place.run("swarm", "connect", stranger["addrs"][0])
    assert r.code in (4, 5), (r.code, r.err)
    equal(place.json("swarm", "connect", friend["addrs"][0])["peer"], friend["peer"])
    equal(list(states(place)), [friend["peer"]])


def test_a_pre_shared_key_closes_the_swarm(place):
    mine, other = place.write("mine.psk", PSK % ("ab" * 32)), place.write("other.psk", PSK % ("cd" * 32))
    for path in (mine, other):
        os.chmod(path, 0o600)
    same, _ = place.up("--psk", mine, home=place.path("second"))
    wrong, _ = place.up("--psk", other, home=place.path("third"))
    none, _ = place.up(home=place.path("fourth"))
    place.up("--psk", mine)
    equal(place.json("swarm", "connect", same["addrs"][0])["peer"], same["peer"])
    for node in (wrong, none):
        r = place.run("swarm", "connect", "--timeout", "15000", node["addrs"][0])
        assert r.code != 0, node
    equal(list(states(place)), [same["peer"]])
    assert any("QUIC is off" in text for text in same["notes"]), same
    assert any("QUIC is off" in text for text in place.json("net")["notes"])


def test_names_are_dialled(place):
    there, _ = place.up(home=place.path("second"))
    place.up()
    port = there["addrs"][0].split("/")[4]
    for name in ("/dns/localhost", "/dns4/localhost"):
        r = place.json("swarm", "connect", f"{name}/tcp/{port}/p2p/{there['peer']}")
        equal(r["peer"], there["peer"])
        place.run("swarm", "disconnect", there["peer"])
    # Nobody has this PeerId: who was disconnected above can come back by itself.
    r = place.run("swarm", "connect", f"/dns4/no.such.invalid/tcp/1/p2p/{NOBODY}")
    equal(r.code, 4)


def test_a_slow_peer_is_ranked_below_the_others_and_comes_back(place):
    place.up()
    a, frozen = place.up(home=place.path("second"))
    b, _ = place.up(home=place.path("third"))
    for ready in (a, b):
        place.json("swarm", "connect", ready["addrs"][0])
    wait_for("both good", lambda: set(states(place).values()) == {"good"})
    frozen.send_signal(signal.SIGSTOP)
    try:
        wait_for("down-ranked", lambda: states(place)[a["peer"]] in ("slow", "silent"))
        equal(list(states(place)), [b["peer"], a["peer"]], "order for work")
    finally:
        frozen.send_signal(signal.SIGCONT)
    wait_for("good again", lambda: states(place)[a["peer"]] == "good")


def test_a_service_manager_opens_the_sockets_and_hears_of_it(place):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(place.path("notify"))
    notify.settimeout(20)
    # The number of the process is only known in it: a shell tells, then becomes the node.
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 0))
    env = place.env(LISTEN_FDS="2", NOTIFY_SOCKET=place.path("notify"))
    line = ('LISTEN_PID=$$ exec "$0" up --no-mdns --json-lines --listen /ip4/127.0.0.1/tcp/0 '
            "3<&%d 4<&%d" % (listener.fileno(), datagrams.fileno()))
    node = subprocess.Popen(["sh", "-c", line, place.program], env=env, stdout=subprocess.PIPE,
                            text=True, pass_fds=[listener.fileno(), datagrams.fileno()])
    place.nodes.append(node)
    equal(notify.recv(100), b"READY=1")
    addrs = json.loads(node.stdout.readline())["addrs"]
    quic = "/ip4/127.0.0.1/udp/%d/quic-v1/" % datagrams.getsockname()[1]
    place.up("--bootstrap", next(a for a in addrs if a.startswith(quic)), home=place.path("second"))
    wait_for("a peer by QUIC", lambda: place.json("peers")["peers"])
    client = socket.create_connection(listener.getsockname(), 20)
    client.sendall(b"\x13/multistream/1.0.0\n")
    equal(client.recv(20, socket.MSG_WAITALL), b"\x13/multistream/1.0.0\n")
    node.terminate()
    equal((notify.recv(100), node.wait(20)), (b"STOPPING=1", 0))


harness.main(sys.modules[__name__])
