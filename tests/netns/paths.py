"""The paths on which gradients travel, between workers in network namespaces: the same bits on each,
nothing copied, and when one is taken away under load another takes its place.

Usage: paths.py PLEXUS. Prints TAP. Needs root, ip and, for AF_XDP, BPF; says so and skips without.
"""
import array
import ctypes
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time

BPF = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
LINK_GET_FD_BY_ID, LINK_DETACH, PIDFD_GETFD = 30, 34, 438
libc = ctypes.CDLL(None, use_errno=True)
count = 0


def ok(good, what):
    global count
    count += 1
    print(f"{'' if good else 'not '}ok {count} - {what}", flush=True)
    return good


def skip(what, why):
    ok(True, f"{what} # SKIP {why}")


def command(plexus, path, workers, size, repeat):
    return [plexus, "bench", "allreduce", "--json", "--quiet", "--local", str(workers), "--size", str(size),
            "--repeat", str(repeat), "--path", path]


def bench(plexus, path, workers, size, repeat=2):
    """What it says once workers had the time to meet: a busy machine may need more than one run."""
    out = {}
    for _ in range(10):
        r = subprocess.run(command(plexus, path, workers, size, repeat), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
        if r.returncode not in (0, 1):
            print("#", r.stderr.strip())
            return None
        out = json.loads(r.stdout)
        if out["path"]["chosen"] == path or " no " + path in "; " + out["path"]["why"]:
            break
    return out


def same_bits(plexus, workers):
    first = None
    for path in ("udp", "shm", "xsk"):
        what = f"{workers} workers by {path}"
        out = bench(plexus, path, workers, 1000004)
        if out and out["path"]["chosen"] != path:
            skip(what, out["path"]["why"])
            continue
        first = first or out
        good = ok(out and out["mismatches"] == 0 and out["digest"] == first["digest"], what + ": the same bits")
        ok(out and out["counts"]["copied"] == 0, what + ": no value copied")
        if out:
            counts = out["counts"]
            print(f"# {path}: {counts}, {out['path']['why']}")
        if not good:
            print("#", json.dumps(out))


def workers_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def bpf(op, *words):
    attr = array.array("I", list(words) + [0] * (32 - len(words)))
    return libc.syscall(BPF, op, ctypes.c_void_p(attr.buffer_info()[0]), 128)


def detach(pid):
    """Every XDP link that a process holds."""
    done = 0
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
                lines = dict(x.split(":", 1) for x in f.read().split("\n") if ":" in x)
        except OSError:
            continue
        if lines.get("link_type", "").strip() != "xdp":
            continue
        link = bpf(LINK_GET_FD_BY_ID, int(lines["link_id"]))
        if link >= 0:
            done += bpf(LINK_DETACH, link) == 0
            os.close(link)
    return done


def cut(pid):
    """Every socket to another worker: as if the other had died."""
    done = 0
    handle = os.pidfd_open(pid)
    for fd in os.listdir(f"/proc/{pid}/fd"):
        got = libc.syscall(PIDFD_GETFD, handle, int(fd), 0)
        if got < 0:
            continue
        try:
            s = socket.socket(fileno=got)
        except OSError:
            os.close(got)
            continue
        if s.family == socket.AF_UNIX and s.type == socket.SOCK_SEQPACKET:
            try:
                s.getpeername()
                s.shutdown(socket.SHUT_RDWR)
                done += 1
            except OSError:
                pass
        s.close()
    os.close(handle)
    return done


def take_away(plexus, path, take):
    """Take it away while sums are made, as often as there is something to take: how often, and what the run says."""
    p = subprocess.Popen(command(plexus, path, 2, 4000000, 60), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    taken, end = 0, time.monotonic() + 100
    while p.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
        for pid in workers_of(p.pid):
            try:
                taken += take(pid)
            except (OSError, ProcessLookupError):
                pass
    text, err = p.communicate(timeout=100)
    if p.returncode not in (0, 1):
        print("#", p.returncode, err.strip())
        return taken, None
    return taken, json.loads(text)


def taken_away(plexus, path, take):
    """A path that was taken away before anybody took it, when workers had not met yet, needs no other."""
    what = f"{path} taken away under load"
    for _ in range(10):
        taken, out = take_away(plexus, path, take)
        if not out or not taken or out["mismatches"] or out["path"]["changes"]:
            break
        print("# it was gone before it was in use: once more")
    if out and not taken:
        skip(what, out["path"]["why"])
        return
    ok(out and out["mismatches"] == 0, what + f": no sum is wrong ({taken} times)")
    ok(out and out["path"]["changes"] > 0, what + ": another takes its place")
    print(f"# {out and out['path']}")


def killed(plexus):
    p = subprocess.Popen(command(plexus, "xsk", 2, 40000000, 1000), stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)
    for _ in range(300):
        time.sleep(0.1)
        workers = workers_of(p.pid)
        if len(workers) == 2 and all(xdp_links(w) for w in workers):
            break
    else:
        skip("kill -9 leaves nothing", "no AF_XDP here")
        p.terminate()
        p.wait()
        return
    ids = [x for w in workers for x in xdp_links(w)]
    for w in workers:
        os.kill(w, signal.SIGKILL)
    p.wait()
    for _ in range(100):
        left = [x for x in ids if is_there(x)]
        if not left:
            break
        time.sleep(0.1)
    ok(not left, "kill -9 of workers leaves no program behind")


def xdp_links(pid):
    out = []
    try:
        for fd in os.listdir(f"/proc/{pid}/fdinfo"):
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
                text = f.read()
            if "link_type:\txdp" in text:
                out.append(int(text.split("link_id:")[1].split()[0]))
    except OSError:
        pass
    return out


def is_there(link):
    fd = bpf(LINK_GET_FD_BY_ID, link)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


def main(plexus):
    same_bits(plexus, 2)
    same_bits(plexus, 3)
    taken_away(plexus, "shm", cut)
    taken_away(plexus, "xsk", detach)
    killed(plexus)
    print(f"1..{count}")


if os.geteuid() != 0 or not shutil.which("ip") or not BPF:
    print("1..0 # SKIP network namespaces need root and ip")
else:
    main(os.path.abspath(sys.argv[1]))
