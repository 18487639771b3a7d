"""A peer under test: a program that takes JSON commands, one a line, and answers in kind."""

import json
import queue
import subprocess
import threading
import time

READY_S = 60
REPLY_S = 60


class Failed(Exception):
    """A command was answered with an error, or a wish of a row was not met."""


class Wait:
    """The answer to come of one command."""

    def __init__(self, op):
        self.op = op
        self.box = queue.Queue(1)

    def get(self, timeout=REPLY_S):
        try:
            reply = self.box.get(timeout=timeout)
        except queue.Empty:
            raise Failed(f"{self.op}: no reply in {timeout} s") from None
        if not reply.get("ok"):
            raise Failed(f"{self.op}: {reply.get('error', 'failed')}")
        return reply


class Peer:
    """Starts at once; `ready` waits for its first line."""

    def __init__(self, command, args=()):
        self.words = command.split() + list(args)
        self.child = subprocess.Popen(
            self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.lock = threading.Lock()
        self.waits = {}
        self.hello = Wait("ready")
        self.last = 0
        self.peer, self.addrs = None, []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            try:
                m = json.loads(line)
            except ValueError:
                continue
            if m.get("event") == "ready":
                self.peer, self.addrs = m["peer"], m["addrs"]
                self.hello.box.put({"ok": True})
                continue
            with self.lock:
                wait = self.waits.pop(m.get("id"), None)
            if wait:
                wait.box.put(m)
        gone = {"ok": False, "error": f"the peer ended: {' '.join(self.words)}"}
        with self.lock:
            waits, self.waits = self.waits, {}
        for wait in waits.values():
            wait.box.put(gone)
        if not self.peer:
            self.hello.box.put(gone)

    def ready(self):
        self.hello.get(READY_S)
        return self

    def start(self, op, **fields):
        """Sends a command and returns its answer to come."""
        wait = Wait(op)
        with self.lock:
            self.last += 1
            number = self.last
            self.waits[number] = wait
        line = json.dumps({"id": number, "op": op, **fields}) + "\n"
        try:
            with self.lock:
                self.child.stdin.write(line.encode())
                self.child.stdin.flush()
        except OSError:
            raise Failed(f"{op}: the peer ended: {' '.join(self.words)}") from None
        return wait

    def do(self, op, **fields):
        return self.start(op, **fields).get()

    def stop(self):
        try:
            self.start("quit")
            self.child.stdin.close()
        except (Failed, OSError):
            pass
        end = time.monotonic() + 3
        while self.child.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
