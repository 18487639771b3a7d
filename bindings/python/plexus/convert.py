"""Text to training data: python -m plexus.convert IN OUT --tokenizer NAME --max-tokens 512

IN is JSON lines with "text" or "tokens", a text, or what other tools keep; OUT ends in .qubgpu, .ndp3 or
.jsonl. NAME is a tokenizer.json, a sentencepiece model or a GGUF file, a folder with one of them, or a name
that Hugging Face's cache on this machine has; nothing is fetched. An interrupted conversion of JSON lines
goes on when it is asked for again.
"""
import argparse
import os
import sys
import time

from . import Error, NotFound, _plexus

FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
DEGRADED = 8  # something was left out


def _in_folder(folder):
    for name in FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    return None


def _cached(name):
    """Folders of a name in the cache that huggingface_hub keeps, the newest first."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface")
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    root = os.path.join(hub, "models--" + name.replace("/", "--"), "snapshots")
    if "/.." in name or not os.path.isdir(root):
        return []
    return sorted((os.path.join(root, f) for f in os.listdir(root)), key=os.path.getmtime, reverse=True)


def find_tokenizer(name):
    """The file that a tokenizer's name stands for. plexus.NotFound."""
    name = os.fspath(name)
    if os.path.isfile(name):
        return name
    for folder in [name] + _cached(name):
        path = _in_folder(folder)
        if path:
            return path
    raise NotFound(f"no tokenizer '{name}': give a tokenizer.json, a sentencepiece model or a GGUF file, or a "
                   "folder with one; nothing is fetched")


def convert(source, to, tokenizer=None, max_tokens=512, *, threads=0, from_format=None, format=None,
            bad=None, progress=None):  # pylint: disable=redefined-builtin
    """Write training data as another format; what was done, as a dict.

    threads: that make tokens of JSON lines (0: one a processor); the bytes are the same for any number.
    bad: where malformed lines go (None: TO.bad). progress: called with the bytes that were read, and all.
    """
    return _plexus.convert(source, to, tokenizer and find_tokenizer(tokenizer), max_tokens, threads,
                           from_format, format, os.fspath(bad or f"{os.fspath(to)}.bad"), progress)


class _Bar:
    """Progress on a terminal; nothing elsewhere."""

    def __init__(self):
        self.shown, self.last = sys.stderr.isatty(), 0.0

    def __call__(self, done, all_bytes):
        if self.shown and time.monotonic() - self.last > .1:
            self.last = time.monotonic()
            print(f"\rconverting {100 * done // max(all_bytes, 1):3d} %", end="", file=sys.stderr)

    def end(self):
        if self.shown and self.last:
            print("\r\033[K", end="", file=sys.stderr)


def main(argv=None):
    """The command line; its exit code."""
    about = argparse.ArgumentParser(prog="plexus.convert", description=__doc__.split("\n\n", maxsplit=1)[0])
    about.add_argument("source", metavar="IN")
    about.add_argument("to", metavar="OUT")
    about.add_argument("--tokenizer", metavar="NAME", help="file, folder, or name in Hugging Face's cache")
    about.add_argument("--max-tokens", type=int, default=512, help="of a sample (512)")
    about.add_argument("--threads", type=int, default=0, help="0: one a processor")
    about.add_argument("--bad", metavar="FILE", help="where malformed lines go (OUT.bad)")
    a = about.parse_args(argv)
    if a.max_tokens < 1 or a.threads < 0:
        about.error("--max-tokens is 1 or more, --threads 0 or more")
    bar = _Bar()
    try:
        r = convert(a.source, a.to, a.tokenizer, a.max_tokens, threads=a.threads, bad=a.bad, progress=bar)
    except Error as e:
        bar.end()
        print(f"plexus.convert: {e} [{e.code}]", file=sys.stderr)
        return e.exit
    except KeyboardInterrupt:
        bar.end()
        print("plexus.convert: interrupted: the same command goes on from the last commit", file=sys.stderr)
        return 130
    bar.end()
    print(f"{r['from']} to {r['to']}: {r['documents']} documents, {r['samples']} samples, {r['tokens']} tokens")
    if r["resumed"]:
        print(f"plexus.convert: went on behind line {r['resumed']}", file=sys.stderr)
    if r["malformed"]:
        print(f"plexus.convert: {r['malformed']} malformed lines were left out, the first is line "
              f"{r['first_malformed']}", file=sys.stderr)
    return DEGRADED if r["malformed"] or r["dropped"] or r["left_out"] else 0


if __name__ == "__main__":
    sys.exit(main())
