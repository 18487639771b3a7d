#!/usr/bin/env python3
"""Put the picture of `plexus ps` into the README: what a real run prints.

Usage: tools/picture.py PLEXUS README. Three nodes on this machine, one of which answers a long
prompt over all three; while it does, plexus ps is asked. The text goes between the marks
<!-- ps --> of the README. Nothing but loopback is used; PEER ids differ from run to run.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

NODES = 3
PROMPT = "Once upon a time"


def start(program, home, *args):
    return subprocess.Popen([program, "up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0",
                             "--api", "off", "--json-lines", "--quiet", *args],
                            env={**os.environ, "PLEXUS_HOME": home}, stdout=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, text=True)


def ask(program, home, *args):
    return subprocess.run([program, *args], env={**os.environ, "PLEXUS_HOME": home}, text=True,
                          stdout=subprocess.PIPE, check=True).stdout


def wait_for_peers(program, home):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        peers = json.loads(ask(program, home, "peers", "--json"))["peers"]
        if sum(p["state"] == "good" for p in peers) == NODES - 1:
            return
        time.sleep(0.1)
    raise SystemExit("the nodes did not meet")


def speak(program, home):
    return subprocess.Popen([program, "run", "tiny", PROMPT, "-n", "200", "--ignore-eos", "--swarm",
                             "--quiet"], env={**os.environ, "PLEXUS_HOME": home},
                            stdout=subprocess.DEVNULL)


def under_way(program, home, nodes):
    """Answers one after the other, until every node computes and a second of it was measured."""
    until = time.monotonic() + 5
    answer = speak(program, home)
    nodes.append(answer)
    while time.monotonic() < until:
        if answer.poll() is not None:
            answer = speak(program, home)
            nodes.append(answer)
        stages = json.loads(ask(program, home, "ps", "--json"))["stages"]
        text = ask(program, home, "ps", "--color", "never")
        if (text.count("busy") == len(stages) == NODES and len({s["peer"] for s in stages}) == NODES
                and all(s["tps"] > 50 for s in stages)):
            return text
        time.sleep(0.02)
    return None


def picture(program):
    nodes = []
    with tempfile.TemporaryDirectory(prefix="plexus-picture-") as place:
        homes = [os.path.join(place, str(i)) for i in range(NODES)]
        try:
            nodes.append(start(program, homes[0]))
            addr = json.loads(nodes[0].stdout.readline())["addrs"][0]
            for home in homes[1:]:
                nodes.append(start(program, home, "--bootstrap", addr))
                nodes[-1].stdout.readline()
            wait_for_peers(program, homes[0])
            text = under_way(program, homes[0], nodes)
        finally:
            for node in nodes:
                node.kill()
                node.wait()
    return text


def main():
    program, readme = sys.argv[1:3]
    text = None
    for _ in range(10):  # on a busy machine a peer seems lost now and then, and there are more stages
        text = text or picture(os.path.abspath(program))
    if not text:
        raise SystemExit("the picture was missed: is the machine busy?")
    with open(readme, encoding="utf-8") as f:
        page = f.read()
    before, _, rest = page.partition("<!-- ps -->\n")
    _, end, after = rest.partition("<!-- /ps -->\n")
    if not end:
        raise SystemExit(f"{readme} has no marks <!-- ps --> and <!-- /ps -->")
    with open(readme, "w", encoding="utf-8") as f:
        f.write(f"{before}<!-- ps -->\n```\n{text}```\n{end}{after}")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
