"""What the tests of the command line share: a clean place to run the program, and TAP output.

Each test program is called as  NAME.py PROGRAM ROOT  and prints TAP. A case is a function whose name
begins with test_; it gets a Place and raises AssertionError, or Skip, to end.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

STORY = """Once upon a time there was a little fox who lived in the forest. Every day the fox went to
the river to look for fish. One day it met a bird with a broken wing. The fox was kind and brought
the bird some food. After a week the bird could fly again, and they were friends.
"""


class Skip(Exception):
    """The case cannot run here; its text says why."""


class Place:
    """A temporary directory with a home, a model and a text, and the program to run in it."""

    def __init__(self, program, root):
        self.program = os.path.abspath(program)
        self.root = os.path.abspath(root)
        self.dir = tempfile.mkdtemp(prefix="plexus-cli-")
        self.home = os.path.join(self.dir, "home")
        self.nodes = []
        os.mkdir(self.home)
        shutil.copy(os.path.join(self.root, "assets/tiny.gguf"), self.path("model.gguf"))
        self.write("story.txt", STORY)
        self.write("corpus.jsonl", json.dumps({"text": STORY}) + "\n")

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        full = self.path(name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return full

    def env(self, **more):
        keep = {k: v for k, v in os.environ.items()
                if not k.startswith(("PLEXUS_", "XDG_", "NO_COLOR", "CLICOLOR"))}
        keep.update(HOME=self.home, TERM="xterm", LC_ALL="C.UTF-8",
                    PLEXUS_SYSTEM_CONFIG=self.path("system.toml"))
        for k, v in more.items():
            keep[k] = v
        return keep

    def run(self, *args, input=b"", env=None, timeout=300):
        """Run the program; the result has out, err (text) and code."""
        r = subprocess.run([self.program, *args], input=input, cwd=self.dir, timeout=timeout,
                           env=self.env(**(env or {})), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        r.out = r.stdout.decode("utf-8", "replace")
        r.err = r.stderr.decode("utf-8", "replace")
        r.code = r.returncode
        return r

    def json(self, *args, **kw):
        """Run with --json; the parsed document. stdout must be that document and nothing else."""
        r = self.run(*args, "--json", **kw)
        assert r.code == 0, f"{args}: exit {r.code}: {r.err}"
        return json.loads(r.out)

    def up(self, *args, home=None):
        """Start a node in this place's home, or in another; its ready line and the process."""
        env = self.env(**({"PLEXUS_HOME": home} if home else {}))
        p = subprocess.Popen([self.program, "up", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0",
                              "--json-lines", *args], cwd=self.dir, env=env, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.nodes.append(p)
        return json.loads(p.stdout.readline() or "{}"), p

    def start(self, *args, env=None):
        """A process that is ended with the place; its standard output is text to be read."""
        p = subprocess.Popen([self.program, *args], cwd=self.dir, env=self.env(**(env or {})),
                             text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.nodes.append(p)
        return p

    def swarm(self):
        """Two nodes that know each other: the first in this home. Their ready lines."""
        first, _ = self.up()
        second, _ = self.up("--bootstrap", first["addrs"][0], home=self.path("second"))
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if any(p["agent"] for p in self.json("peers")["peers"]):
                return first, second
            time.sleep(0.05)
        raise AssertionError("the two nodes did not meet")

    def close(self):
        for p in self.nodes:
            p.terminate()
            p.wait(20)
        shutil.rmtree(self.dir)


def wait_asleep(process, seconds=120):
    """Until the process waits and has taken its signals, or has ended. What a program of one
    thread waits for are its standard streams."""
    end = time.monotonic() + seconds
    at_rest = False
    while not at_rest:
        assert time.monotonic() < end, "it never waits"
        time.sleep(0.01)
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as f:
            fields = dict(line.split(":\t", 1) for line in f if ":\t" in line)
        pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
        at_rest = fields["State"].lstrip()[0] in "SZ" and not pending


def equal(a, b, what=""):
    assert a == b, f"{what}: {a!r} is not {b!r}"


def main(module):
    """Run every test_ function of a module; exit code 1 when one fails."""
    program, root = sys.argv[1], sys.argv[2]
    cases = [(n, f) for n, f in vars(module).items() if n.startswith("test_")]
    print(f"1..{len(cases)}")
    failed = 0
    for i, (name, case) in enumerate(cases, 1):
        place = Place(program, root)
        try:
            case(place)
            print(f"ok {i} {name}", flush=True)
        except Skip as why:
            print(f"ok {i} {name} # SKIP {why}", flush=True)
        except Exception:  # the text of any failure belongs in the log
            failed += 1
            for line in traceback.format_exc().strip().split("\n"):
                print(f"# {line}")
            print(f"not ok {i} {name}", flush=True)
        finally:
            place.close()
    sys.exit(1 if failed else 0)
