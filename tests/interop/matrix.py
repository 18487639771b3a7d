#!/usr/bin/env python3
"""Runs the interop matrix: matrix.py [--only REGEX] [--jobs N] NAME=COMMAND [NAME=COMMAND].

One name is a pair of the implementation with itself. Every row prints one line; a row that fails
is tried once more when the others are done, and both lines stand. The last line is "N passed,
N failed". Any command that speaks the line protocol (see README.md) can stand on either
side.
"""

import argparse
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import lab
from peer import Failed
from rows import LACKS, Side, rows

say_lock = threading.Lock()


def say(line):
    with say_lock:
        print(line, flush=True)


def check(row, again=False):
    name, run = row
    start = time.monotonic()
    try:
        info, ok = run() or "", True
    except Failed as e:
        info, ok = str(e), False
    except (KeyError, OSError, ValueError) as e:
        info, ok = f"{type(e).__name__}: {e}", False
    spent = time.monotonic() - start
    verdict = "ok" if ok else "not ok" if again else "again"
    name += " (second try)" if again else ""
    say(f"{verdict} - {name} ({spent:.1f} s){': ' + info if info else ''}")
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=".", help="rows whose name matches")
    parser.add_argument("--jobs", type=int, default=2, help="rows at the same time")
    parser.add_argument("sides", nargs="+", metavar="NAME=COMMAND")
    o = parser.parse_args()
    sides = [Side(*s.split("=", 1)) for s in o.sides]
    for name in dict.fromkeys(s.name for s in sides):
        for what, why in LACKS.get(name, {}).items():
            say(f"# left out, {name}: {what}: {why}")
    if lab.missing():
        say(f"# left out: rows in network namespaces: {lab.missing()}")
    wanted = rows(sides[0], sides[-1], o.only)
    with ThreadPoolExecutor(max(o.jobs, 1)) as pool:
        results = list(pool.map(check, wanted))
    results = [ok or check(row, again=True) for ok, row in zip(results, wanted)]
    passed = sum(results)
    print(f"{passed} passed, {len(results) - passed} failed")
    return 0 if passed == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
