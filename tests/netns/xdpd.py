"""The helper: processes without rights attach through it, and nothing outlives it or its client.

Usage: xdpd.py PLEXUS XDPD WORKER. In namespaces: nobody attaches, sums and verifies without a capability;
kill -9 of the client and of the helper each take the program away; strangers and hostile requests are refused.
"""
import array
import grp
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import agg as lab
import agg_server
from agg import AGG, PREFIX, SECRET, inside, ok

NOBODY = ("65534", "65534")
BARE = ("--clear-groups", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")


def group_name():
    return grp.getgrgid(int(NOBODY[1])).gr_name


def as_user(who, *args):
    return inside(AGG, "setpriv", "--reuid", who[0], "--regid", who[1], *BARE, *args)


class Helper:
    def __init__(self, program, path, *more):
        self.path = path
        self.p = subprocess.Popen(inside(AGG, program, "--socket", path, "--group", group_name(), *more),
                                  stderr=subprocess.PIPE, text=True)
        self.lines = [self.p.stderr.readline().strip()]

    def kill(self, how=signal.SIGKILL):
        self.p.send_signal(how)
        self.lines += self.p.communicate(timeout=30)[1].splitlines()
        return self.p.returncode


def plexus_as(who, plexus, home, helper, *args):
    p = subprocess.run(as_user(who, plexus, *args, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       env={**os.environ, "PLEXUS_HOME": home, "PLEXUS_AGG_HELPER": helper})
    return json.loads(p.stdout) if p.stdout else {"error": p.stderr, "rc": p.returncode}


def attach(who, plexus, home, helper, *more):
    workers = [x for k in range(lab.WORLD) for x in ("--worker", f"10.79.0.{k + 2}")]
    return plexus_as(who, plexus, home, helper, "agg", "attach", "eth", "--address", "10.79.0.1", *workers,
                     "--secret", SECRET, "--values", "256", "--slots", "64", *lab.unjudged(more), *more)


def capabilities(pid):
    with open(f"/proc/{pid}/status") as f:
        return {line.split()[1] for line in f if line.startswith(("CapEff", "CapPrm", "CapAmb"))}


def request(device=b"eth", port=47900, values=256, jobs=1, slots=64, chunks=64, magic=0x64647870, version=1,
            generic=0, unused=b"\0" * 6):
    return struct.pack("<II16sIHHIIIBB6s", magic, version, device, 0, port, values, jobs, slots, chunks, generic, 0,
                       unused)


def ask(path, data, fds=()):
    """The error number of the answer, its descriptors closed; None: it hung up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(20)
        s.connect(path)
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            if data is not None:
                s.sendmsg([data], anc)
            text, anc, _, _ = s.recvmsg(4096, 1024)
        except (ConnectionResetError, BrokenPipeError):
            return None
        for level, kind, raw in anc:
            for fd in array.array("i", raw[:len(raw) // 4 * 4]):
                os.close(fd)
        return struct.unpack_from("<i", text, 8)[0] if text else None


def hostile(path):
    """Requests that must be refused."""
    good = request()
    cases = [b"", b"x", good[:-1], good + b"\0", bytes(len(good)), os.urandom(len(good)), request(magic=1),
             request(version=2), request(device=b"../../etc/passwd"), request(device=b"e\0th"),
             request(device=b"x" * 16), request(port=22), request(port=0), request(values=0), request(values=17),
             request(values=65520), request(jobs=0), request(jobs=65), request(slots=3), request(slots=1 << 31),
             request(jobs=64, slots=1 << 14, values=1536), request(chunks=0xffffffff), request(generic=2),
             request(unused=b"\0\0\0\0\0\1"),
             request(unused=b"\x7f\0\0\0\0\0"), request(unused=b"\0\0\2\0\0\0"), None]
    answers = [ask(path, c) for c in cases if c != b""]
    return all(a is None or a != 0 for a in answers)


def refused(helper, program, plexus, home):
    """Of a running helper."""
    ok(hostile(helper.path), "hostile requests are refused")
    ok(ask(helper.path, request(device=b"lo")) not in (0, None), "a device that it was not given is refused")
    null = os.open("/dev/null", os.O_RDONLY)
    before = len(os.listdir(f"/proc/{helper.p.pid}/fd"))
    ask(helper.path, request(), (null,) * 8)
    os.close(null)
    for _ in range(100):
        after = len(os.listdir(f"/proc/{helper.p.pid}/fd"))
        if after <= before:  # it may still have closed the one before
            break
        time.sleep(0.1)
    ok(after <= before, "descriptors that a client sends are not kept")
    ok(lab.gone(), "an attachment ends with its connection")
    idle = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]
    for s in idle:
        s.connect(helper.path)
    time.sleep(2.5)
    ok(ask(helper.path, request()) == 0, "those who connect and say nothing do not keep others out")
    for s in idle:
        s.close()
    second = subprocess.run(inside(AGG, program, "--socket", helper.path), stderr=subprocess.PIPE, text=True)
    ok(second.returncode == 5, "a second helper says that there is one")
    stranger = attach(("1", "1"), plexus, home + "/1", helper.path, "--group", lab.GROUP)
    ok(stranger.get("rc") == 5 and len(stranger["error"].splitlines()) == 1, "a stranger is refused in one line")
    print("#", stranger.get("error", "").strip())
    os.chmod(helper.path, 0o666)
    stranger = attach(("1", "1"), plexus, home + "/1", helper.path, "--group", lab.GROUP)
    ok(stranger.get("rc") == 5 and "hung up" in stranger["error"], "also when the mode of the socket lets it in")
    os.chmod(helper.path, 0o660)


def held(plexus, worker, home, helper):
    """Sums of an aggregator that nobody's process holds."""
    said = attach(NOBODY, plexus, home, helper.path, "--group", lab.GROUP)
    if not ok(said.get("helper") is True and said.get("rung") == "native" and said.get("mismatches") == 0,
              "nobody attaches through the helper"):
        print("#", said, helper.kill(), helper.lines)
        raise SystemExit(1)
    pid = lab.holder(home)
    ok(capabilities(pid) == {"0" * 16}, "who holds it has no capability")
    ok(capabilities(helper.p.pid) == {"0" * 16, f"{1 << 12 | 1 << 38 | 1 << 39:016x}"}, "the helper has three")
    digests = lab.sums(worker, 0, 0, 0)
    ok(digests == "short" or (digests and len(digests) == 1), "sums are exact")
    ok(plexus_as(NOBODY, plexus, home, helper.path, "agg", "stat")["summed"] > 0, "what is counted can be read")
    checked = plexus_as(NOBODY, plexus, home, helper.path, "agg", "verify", "--packets", "5000")
    ok(checked.get("mismatches") == 0 and checked.get("summed", 0) > 0, "nobody verifies")
    os.kill(pid, signal.SIGKILL)
    ok(lab.gone(), "kill -9 of the client takes the program away")
    return digests


def served(plexus, worker, home, helper):
    """The same in mode server, and the end of the helper."""
    said = attach(NOBODY, plexus, home, helper.path, "--mode", "server")
    few = [(f"{PREFIX}w{k}", f"10.79.0.{k + 2}") for k in range(lab.WORLD)]
    digests = agg_server.sums(worker, few, 50000, 2, (0, 0, 0))
    ok("rung" in said and (digests == "short" or (digests and len(digests) == 1)), "mode server too")
    ok(lab.is_attached(), "and stays until")
    helper.kill()
    ok(lab.gone(), "kill -9 of the helper takes the program away")
    stat = plexus_as(NOBODY, plexus, home, helper.path, "agg", "stat")
    ok(stat.get("attached") is False, "who held it knows")
    plexus_as(NOBODY, plexus, home, helper.path, "agg", "detach")


def replaced(plexus, program, worker, home, name, sums, *more):
    """The helper is killed while workers sum: a socket goes on, and the sums stay what they are."""
    for _ in range(5):
        helper = Helper(program, home + "/x.sock")
        attach(NOBODY, plexus, home + "/x", helper.path, *more)
        out = []
        running = threading.Thread(target=lambda: out.append(sums()))
        running.start()
        seen = 0
        while running.is_alive() and seen < 3000:
            seen = plexus_as(NOBODY, plexus, home + "/x", helper.path, "agg", "stat").get("summed", 0)
        alive = running.is_alive()
        helper.kill()
        running.join()
        stat = plexus_as(NOBODY, plexus, home + "/x", helper.path, "agg", "stat")
        plexus_as(NOBODY, plexus, home + "/x", helper.path, "agg", "detach")
        if out[0] != "short" and alive:
            break
        print("# a deadline passed, or they were done: once more")
    ok(out[0] and len(out[0]) == 1, f"{name}: the helper is killed, sums stay exact")
    ok(stat.get("rung") == "sockets" and stat["summed"] > seen, f"{name}: a socket went on")
    print(f"# {name}: {seen} summed when it was killed, {stat.get('summed')} in the end, {stat.get('closed')} closed")


def judged(plexus, program, home, path):
    """A job with a Sentry cannot go on at a socket: whoever asks is told."""
    helper = Helper(program, path)
    attach(NOBODY, plexus, home, path, "--group", lab.GROUP, "--sentry", "welford")
    helper.kill()
    stat = {}
    for _ in range(100):
        stat = plexus_as(NOBODY, plexus, home, path, "agg", "stat")
        if stat.get("rung") == "none":
            break
        time.sleep(0.1)
    ok(stat.get("rung") == "none" and "nothing adds" in stat.get("said", ""), "what cannot go on says so")
    plexus_as(NOBODY, plexus, home, path, "agg", "detach")


def with_file_rights(plexus, home):
    """What plexus setup xdp installs where no systemd is, started by a member of the group."""
    root = home + "/root"
    setup = [plexus, "setup", "xdp", "--root", root, "--group", group_name(), "--json"]
    p = subprocess.run(setup, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if "Operation not supported" in p.stderr:
        print(f"# no file capabilities here: {p.stderr.strip()}")
        return
    doc = json.loads(p.stdout or '{"steps": [{"state": "none"}]}')
    ok({s["state"] for s in doc["steps"]} <= {"done", "skipped"}, "plexus setup xdp installs the helper")
    helper = Helper.__new__(Helper)
    helper.path = home + "/member.sock"
    helper.p = subprocess.Popen(inside(AGG, "setpriv", "--reuid", NOBODY[0], "--regid", NOBODY[1], "--clear-groups",
                                       doc["helper"], "--socket", helper.path), stderr=subprocess.PIPE, text=True)
    helper.lines = [helper.p.stderr.readline().strip()]
    said = attach(NOBODY, plexus, home + "/m", helper.path, "--mode", "server")
    if not ok(said.get("helper") is True, "and a member of its group starts it and attaches"):
        print("#", said, helper.lines)
    plexus_as(NOBODY, plexus, home + "/m", helper.path, "agg", "detach")
    helper.kill(signal.SIGTERM)
    again = json.loads(subprocess.run([*setup, "--remove"], stdout=subprocess.PIPE, text=True).stdout)
    ok(not os.path.exists(doc["helper"]) and any(s["state"] == "done" for s in again["steps"]), "and takes it away")


def taken(plexus, home, helper):
    """Another program is on the device: one line says so, with and without the helper."""
    other = attach(NOBODY, plexus, home + "/o", helper.path, "--mode", "server")
    for name, reply in (("root", lab.attach(plexus)),
                        ("nobody", attach(NOBODY, plexus, home + "/p", helper.path, "--mode", "server"))):
        good = reply.get("rc") == 1 and len(reply["error"].splitlines()) == 1 and "no other XDP program" in reply["error"]
        ok("rung" in other and good, f"{name} hears that the device is taken, in one line")
        print("#", reply.get("error", reply))
    plexus_as(NOBODY, plexus, home + "/o", helper.path, "agg", "detach")
    lab.gone()


def is_small():
    """All that runs with rights, but for the library of BPF and what keeps an error."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    files = [f"src/io/{name}" for name in ("xdp_load.c", "xdp_load.h", "xdpd.h", "xdpd_serve.c", "xdpd_wire.c")]
    lines = sum(len(open(os.path.join(root, name)).readlines()) for name in files + ["cli/plexus_xdpd.c"])
    ok(lines < 1000, f"the helper has {lines} lines")


def main(plexus, program, worker):
    home = tempfile.mkdtemp()
    os.chmod(home, 0o777)
    os.environ["PLEXUS_HOME"] = home
    path = home + "/xdpd.sock"
    helper = None
    try:
        lab.wire()
        lab.far_end(plexus, home)
        helper = Helper(program, path, "--device", "eth")
        if ask(path, request()) != 0:
            print("1..0 # SKIP", *(helper.kill(signal.SIGTERM) and helper.lines or helper.lines)[-1:])
            return
        lab.gone()
        is_small()
        refused(helper, program, plexus, home)
        held(plexus, worker, home + "/n", helper)
        ok(helper.kill(signal.SIGTERM) == 0 and not os.path.exists(path), "it goes when it is told to")
        helper = Helper(program, path)
        ok(os.stat(path).st_mode & 0o777 == 0o660, "its socket is for the group")
        taken(plexus, home, helper)
        with_file_rights(plexus, home)
        served(plexus, worker, home + "/n", helper)
        few = [(f"{PREFIX}w{k}", f"10.79.0.{k + 2}") for k in range(lab.WORLD)]
        replaced(plexus, program, worker, home, "server",
                 lambda: agg_server.sums(worker, few, 400000, 6, (0, 0, 0)), "--mode", "server")
        replaced(plexus, program, worker, home, "switch", lambda: lab.sums(worker, 0, 0, 0, 400000, 6),
                 "--group", lab.GROUP)
        judged(plexus, program, home + "/j", home + "/j.sock")
        last = Helper(program, path)
        ok(ask(path, request()) == 0 and lab.gone(), "the socket that it left is replaced")
        last.kill()
        print(f"1..{lab.count}")
    finally:
        if helper and helper.p.poll() is None:
            helper.kill()
        subprocess.run([plexus, "agg", "detach"], env={**os.environ, "PLEXUS_HOME": home + "/far"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.unwire()
        shutil.rmtree(home)


if __name__ == "__main__" and not lab.skips():
    if not shutil.which("setpriv"):
        print("1..0 # SKIP needs setpriv")
    else:
        main(*map(os.path.abspath, sys.argv[1:4]))
