"""Two nodes in two network namespaces on one bridge find each other by mDNS, with nothing told.

Usage: mdns.py PLEXUS. Prints TAP and how long it took. Needs CAP_NET_ADMIN and ip; says so and
skips without them.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

PREFIX = f"pm{os.getpid() % 10000}"


def sh(*args):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def bridge(names):
    """A bridge in a namespace of its own with a port for each; False where the kernel has none."""
    sh("ip", "netns", "add", PREFIX + "lan")
    if subprocess.run(["ip", "-n", PREFIX + "lan", "link", "add", "br", "type", "bridge"],
                      stderr=subprocess.DEVNULL).returncode:
        return False
    sh("ip", "-n", PREFIX + "lan", "link", "set", "br", "up")
    for i, name in enumerate(names):
        sh("ip", "link", "add", f"{PREFIX}{i}", "netns", PREFIX + "lan", "type", "veth", "peer",
           "name", "eth", "netns", PREFIX + name)
        sh("ip", "-n", PREFIX + "lan", "link", "set", f"{PREFIX}{i}", "master", "br", "up")
    return True


def lan(names):
    """A namespace for each name, all on one bridge, or two on one cable."""
    for name in names:
        sh("ip", "netns", "add", PREFIX + name)
    if bridge(names):
        print("# a bridge")
    else:
        print("# this kernel has no bridge: a cable")
        sh("ip", "link", "add", "eth", "netns", PREFIX + names[0], "type", "veth", "peer", "name",
           "eth", "netns", PREFIX + names[1])
    for i, name in enumerate(names):
        there = PREFIX + name
        sh("ip", "-n", there, "addr", "add", f"10.77.0.{i + 1}/24", "dev", "eth")
        for device in ("lo", "eth"):
            sh("ip", "-n", there, "link", "set", device, "up")


def end(names, nodes, home):
    for p in nodes:
        p.terminate()
        p.wait(20)
    for name in [*names, "lan"]:
        subprocess.run(["ip", "netns", "del", PREFIX + name], stderr=subprocess.DEVNULL)
    shutil.rmtree(home)


def up(program, name, home):
    env = {**os.environ, "PLEXUS_HOME": os.path.join(home, name)}
    p = subprocess.Popen(["ip", "netns", "exec", PREFIX + name, program, "up", "--json-lines"],
                         env=env, stdout=subprocess.PIPE, text=True)
    return p, json.loads(p.stdout.readline())


def peers(program, name, home):
    env = {**os.environ, "PLEXUS_HOME": os.path.join(home, name)}
    r = subprocess.run(["ip", "netns", "exec", PREFIX + name, program, "peers", "--json"], env=env,
                       stdout=subprocess.PIPE, text=True)
    return [p["peer"] for p in json.loads(r.stdout or '{"peers":[]}')["peers"]]


def main():
    program = os.path.abspath(sys.argv[1])
    if not shutil.which("ip") or subprocess.run(["ip", "netns", "add", PREFIX + "t"],
                                                stderr=subprocess.DEVNULL).returncode:
        print("1..0 # SKIP network namespaces need root (CAP_NET_ADMIN) and ip")
        return 0
    subprocess.run(["ip", "netns", "del", PREFIX + "t"], check=True)
    names, nodes, home = ("a", "b"), [], tempfile.mkdtemp(prefix="plexus-mdns-")
    found = False
    try:
        lan(names)
        first, one = up(program, "a", home)
        nodes.append(first)
        time.sleep(1)  # the first one's own questions are over
        second, two = up(program, "b", home)
        nodes.append(second)
        start = time.monotonic()
        while not found and time.monotonic() < start + 30:
            found = two["peer"] in peers(program, "a", home) and \
                one["peer"] in peers(program, "b", home)
        print(f"# connected {time.monotonic() - start:.2f} s after the second was ready")
    finally:
        end(names, nodes, home)
    print(f"TAP version 13\n1..1\n{'ok' if found else 'not ok'} 1 - two nodes on a bridge meet by mDNS")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
