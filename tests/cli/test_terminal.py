"""Terminals: colours, progress, line editing, and nothing of it where there is none."""
import os
import pty
import re
import select
import signal
import struct
import sys
import time

import harness
from harness import equal


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, place, *args, **env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(place.dir)
            os.execve(place.program, [place.program, *args], place.env(**env))
        self.text = ""

    def read(self, until=None, timeout=120):
        """Collect output until the pattern appears, or to the end."""
        end = time.monotonic() + timeout
        while not (until and re.search(until, self.text)):
            left = end - time.monotonic()
            assert left > 0, f"no {until!r} in {self.text!r}"
            if not select.select([self.fd], [], [], left)[0]:
                continue
            try:
                more = os.read(self.fd, 4096)
            except OSError:
                more = b""
            if not more:
                assert not until, f"no {until!r} in {self.text!r}"
                break
            self.text += more.decode("utf-8", "replace")
        return self.text

    def type(self, text):
        self.text = ""
        os.write(self.fd, text.encode())

    def close(self):
        """The exit code; the program must have come to its end."""
        try:
            self.read()
        finally:
            os.close(self.fd)
        status = os.waitpid(self.pid, 0)[1]
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


def on_terminal(place, *args, **env):
    t = Terminal(place, *args, **env)
    t.read()
    equal(t.close(), 0, t.text)
    return t.text


def test_colour_only_where_it_is_wanted(place):
    escape = "\x1b["
    assert escape in on_terminal(place, "explain")
    assert escape not in on_terminal(place, "explain", NO_COLOR="1")
    assert escape not in on_terminal(place, "explain", TERM="dumb")
    assert escape not in on_terminal(place, "explain", "--color", "never")
    assert escape in on_terminal(place, "explain", "--color=always", NO_COLOR="1")
    assert escape not in place.run("explain").out
    assert escape in place.run("explain", env={"CLICOLOR_FORCE": "1"}).out
    assert escape not in place.run("explain", env={"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}).out


def test_no_verb_writes_escapes_into_a_pipe(place):
    for args in (["doctor"], ["kernels"], ["inspect", "model.gguf"], ["demo", "--stories", "1"],
                 ["run", "tiny", "Once", "-n", "4"], ["limits"], ["config", "list", "--origin"]):
        r = place.run(*args)
        assert "\x1b" not in r.out + r.err and "\r" not in r.out + r.err, (args, r.out)


def gguf_string(s):
    return struct.pack("<Q", len(s)) + s


def test_files_cannot_steer_the_terminal(place):
    evil = b"\x1b]0;owned\x07\x1b[2Jred\xc2\x9b31m\xe2\x80\xae\r\n"
    body = b"GGUF" + struct.pack("<IQQ", 3, 0, 3)
    for key, value in ((b"general.architecture", b"llama"), (b"general.name", evil),
                       (b"general.author", evil)):
        body += gguf_string(key) + struct.pack("<I", 8) + gguf_string(value)
    place.write("evil.gguf", body + bytes(64))
    text = on_terminal(place, "inspect", "evil.gguf", "--color", "never")
    for bad in ("\x1b", "\x07", "\x9b", "\u202e"):
        assert bad not in text, repr(text)
    assert "\\x1b" in text
    t = Terminal(place, "inspect", "no\x1b[31mfile.gguf", "--color", "never")
    t.read()
    assert "\x1b" not in t.text, repr(t.text)
    equal(t.close(), 3)


def test_progress_is_a_bar_on_a_terminal(place):
    place.write("long.txt", harness.STORY * 600)  # minutes: it is not over before the bar is seen
    args = ["eval", "perplexity", "tiny", "--file", "long.txt", "--cpu", "scalar", "-t", "1",
            "--ctx", "128"]
    t = Terminal(place, *args)
    t.read(until=r"\r\x1b\[K[^\r]*\d+% [█░]+.*left")
    os.kill(t.pid, signal.SIGINT)
    equal(t.close(), 130)


def test_quiet_means_quiet(place):
    r = place.run("run", "tiny", "Once", "-n", "4", "--quiet")
    equal(r.err, "")


def test_chat_edits_lines_and_survives_ctrl_c(place):
    # An answer that takes minutes and always begins alike: only Ctrl-C brings the prompt back.
    end = place.json("inspect", "tiny")["metadata"]["tokenizer.ggml.eos_token_id"]
    t = Terminal(place, "chat", "tiny", "-n", "100000", "--ctx", "20000", f"--bias={end}=-inf",
                 "--temp", "0", "--color", "never", "--cpu", "scalar", "-t", "1")
    t.read(until="> $")
    t.type("/help\n")
    t.read(until=r"/quit.*[\s\S]*> $")
    t.type("thrown away\x03")
    t.read(until=r"\^C[\s\S]*> $")
    t.type("Once upon a time\n")
    t.read(until=r"time\r\n.*\w+ \w+")
    os.write(t.fd, b"\x03")  # the text is kept: the prompt may be in it already
    t.read(until=r"time\r\n[\s\S]*> $")
    t.type("/reset\n")
    t.read(until=r"new conversation[\s\S]*> $")
    t.type("/quit\n")
    equal(t.close(), 0)
    with open(os.path.join(place.home, ".local/state/plexus/history"), encoding="utf-8") as f:
        assert "/reset" in f.read()


def test_chat_ends_at_ctrl_d(place):
    t = Terminal(place, "chat", "tiny")
    t.read(until="> $")
    t.type("\x04")
    equal(t.close(), 0)


harness.main(sys.modules[__name__])
