#!/usr/bin/env python3
"""Put what `plexus bench data --json` printed into the README, between the marks <!-- bench data -->.

Usage: tools/bench_readme.py FILE README, where FILE holds that document.
"""
import json
import sys

MARK = "<!-- bench data -->", "<!-- /bench data -->"
GROUPS = [(64, False, "64 x int32"), (8, False, "8 x int32"), (64, True, "64 x int64 and labels"),
          (8, True, "8 x int64 and labels")]
PEERS = [("megatron", "Megatron"), ("jsonl", "JSON lines"), ("memcpy", "memcpy, random rows"),
         ("memcpy_sequential", "memcpy, in order")]


def number(x):
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def row(group, name, side, kind):
    ours = group[side]
    rows = ours["samples_s"] * ours[kind] / ours["tokens_s"]
    cells = [name, number(ours[kind] / 1e6), number(rows / 1e3),
             number(rows * group["row_bytes"] / 1e9)]
    for key, _ in PEERS:
        theirs = group.get(key)
        cells.append(number(ours[kind] / theirs[kind]) if theirs else "")
    return "| " + " | ".join(cells) + " |"


def table(doc):
    """By processor time where others kept the processors busy: clocks tell of these."""
    batches, machine = doc["batches"], doc["machine"]
    busy = doc["load"] > machine["processors"]
    kind = "cpu_tokens_s" if busy else "tokens_s"
    groups = {(g["batch"], g["wide"]): g for g in batches["groups"]}
    lines = ["| batch | Mtok/s | 1,000 rows/s | GB/s | times " + " | times ".join(n for _, n in PEERS)
             + " |", "|---|---|---|---|---|---|---|---|"]
    lines += [row(groups[b, w], f"packets, {name}", "packets", kind) for b, w, name in GROUPS]
    lines += [row(groups[64, False], f"store of {n} bytes a token, 64 x int32", side, kind)
              for n, side in ((4, "store32"), (2, "store16"))]
    store, peer = doc["store"], batches["megatron"] or "not there"
    lines += ["", f"By {'processor time (others kept the machine busy)' if busy else 'the clock'}: "
              f"{machine['processors']} processors of {machine['cpu']} ({machine['isa']}), "
              f"load {doc['load']:.1f};", f"{batches['samples']:,} samples of "
              f"{batches['mean_tokens']:.0f} tokens, torch {batches['torch']}, megatron-core {peer}."]
    if store:
        time = f"{store['open_cpu_ms' if busy else 'open_ms']:.0f} ms"
        lines += [f"A store of 10^9 samples opens in {time}{' of processor time' if busy else ''} with "
                  f"{store['rss_bytes'] / 2**20:.0f} MiB resident and resumes in "
                  f"{store['resume_ms'] * 1000:.0f} us."]
    return "\n".join(lines)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        doc = json.load(f)
    with open(sys.argv[2], encoding="utf-8") as f:
        text = f.read()
    before, rest = text.split(MARK[0] + "\n", 1)
    after = rest.split(MARK[1], 1)[1]
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(f"{before}{MARK[0]}\n{table(doc)}\n{MARK[1]}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
