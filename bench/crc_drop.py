"""Train small models by PyTorch on the arms of plexus bench crc-drop, and write their results.

    plexus bench crc-drop CORPUS.ndp3 --dir arms
    PYTHONPATH=build/bindings/python python3 bench/crc_drop.py arms runs.jsonl
    plexus bench crc-drop --results runs.jsonl

A way to run the experiment where PyTorch is; plexus itself needs none. It trains what arms.json says
and nothing else: before each run it counts the labels of every step and hashes the order of samples,
and stops when either is not what was prepared. Runs that the results have already are left out, so it
may be ended and started again. The 680 runs of the defaults take hours on a few processors: --arms,
--seeds and --rates choose some.
"""
import argparse
import json
import math
import os
import sys
import time

import numpy
import torch
from plexus.data import Dataset, Loader

IGNORED = -100


class Model(torch.nn.Module):
    """A causal transformer: learned positions, norm before each part, tied to nothing."""

    def __init__(self, vocab, row, width, layers, heads, dropout):
        super().__init__()
        self.token = torch.nn.Embedding(vocab, width)
        self.place = torch.nn.Embedding(row, width)
        one = torch.nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, "gelu",
                                               batch_first=True, norm_first=True)
        self.blocks = torch.nn.TransformerEncoder(one, layers)
        self.norm = torch.nn.LayerNorm(width)
        self.out = torch.nn.Linear(width, vocab, bias=False)
        self.register_buffer("mask", torch.full((row, row), -math.inf).triu(1))
        for p in (self.token.weight, self.place.weight, self.out.weight):
            torch.nn.init.normal_(p, std=0.02)

    def forward(self, ids):
        n = ids.shape[1]
        x = self.token(ids) + self.place.weight[:n]
        return self.out(self.norm(self.blocks(x, self.mask[:n, :n])))


def loss_of(model, ids, labels):
    return torch.nn.functional.cross_entropy(model(ids).flatten(0, 1), labels.flatten(),
                                             ignore_index=IGNORED)


def digested(digest, numbers):
    """FNV-1a over the numbers of samples, as bench crc-drop has it."""
    for number in numbers:
        for byte in int(number).to_bytes(8, "little"):
            digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return digest


def flip(data, flips):
    """Damage samples in memory, which is this process's own."""
    last, view = None, None
    for row, bit in flips:
        if row != last:
            last, view = row, numpy.asarray(data.view(row)).view(numpy.uint8)
        view[bit // 8] ^= 1 << bit % 8


def batches(arms, run, folder):
    """ids, labels and numbers of samples of each step."""
    data = Dataset(os.path.join(folder, run["file"]), writable=True)
    flip(data, run["flips"])
    o = run["loader"]
    loader = Loader(data, o["batch"], o["row_tokens"], labels=o["labels"], seed=o["seed"], epochs=0,
                    drop_rate=o["drop_rate"], damage=o["damage"], check=o["check"],
                    tensors="numpy")
    for _, batch in zip(range(arms["steps"]), loader):
        # Copies: the ring has only so many slots. A damaged token may be none of the vocabulary.
        ids = numpy.asarray(batch["input_ids"]).copy() % arms["vocab"]
        labels = numpy.asarray(batch["labels"]).copy()
        kept = labels != IGNORED
        labels[kept] %= arms["vocab"]
        numbers = numpy.asarray(batch.numbers).tolist()
        del batch
        yield torch.from_numpy(ids), torch.from_numpy(labels), numbers


def verify(arms, run, steps):
    """The steps are those that were prepared."""
    labels = [int((lab != IGNORED).sum()) for _, lab, _ in steps]
    digest = 0xCBF29CE484222325
    for _, _, numbers in steps:
        digest = digested(digest, numbers)
    name = f"{run['arm']} {run['p']} {run['regime']} {run['seed']}"
    if sum(labels) != run["labels"] or f"{digest:016x}" != run["digest"]:
        sys.exit(f"crc_drop: {name}: not the samples that were prepared: write the arms anew")
    if run["arm"] != "shorter" and set(labels) != {arms["labels_a_step"]}:
        sys.exit(f"crc_drop: {name}: steps have {min(labels)} to {max(labels)} labels")


@torch.no_grad()
def heldout_loss(model, rows, row):
    model.eval()
    total = 0.0
    for part in rows.split(64):
        total += float(loss_of(model, part[:, :row], part[:, 1:])) * len(part)
    model.train()
    return total / len(rows)


def heldout_rows(arms, folder, most):
    data = Dataset(os.path.join(folder, arms["heldout"]))
    n = min(len(data), most)
    return torch.from_numpy(numpy.stack([numpy.asarray(data.view(i)).astype(numpy.int64)
                                         for i in range(n)]))


def train(arms, run, folder, heldout, a):
    """One run; its result."""
    steps = list(batches(arms, run, folder))
    verify(arms, run, steps)
    torch.manual_seed(run["seed"])  # first weights are those of the control
    model = Model(arms["vocab"], arms["row_tokens"], a.width, a.layers, a.heads, run["dropout"])
    optimizer = torch.optim.AdamW(model.parameters(), a.rate, betas=(0.9, 0.95), weight_decay=0.1)
    start, losses = time.monotonic(), []
    for i, (ids, labels, _) in enumerate(steps):
        if run["pads_in_loss"]:
            labels = torch.where(labels == IGNORED, torch.zeros_like(labels), labels)
        warm = min(1, (i + 1) / max(1, len(steps) // 10))
        for group in optimizer.param_groups:
            group["lr"] = a.rate * warm * (0.55 + 0.45 * math.cos(math.pi * i / len(steps)))
        optimizer.zero_grad()
        loss = loss_of(model, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss))
    seconds = time.monotonic() - start
    rows = sum(len(ids) for ids, _, _ in steps)
    last = losses[-max(1, len(losses) // 10):]
    return {**{k: run[k] for k in ("regime", "arm", "p", "seed", "labels")},
            "heldout_loss": heldout_loss(model, heldout, arms["row_tokens"]),
            "train_loss": sum(last) / len(last), "samples_s": rows / seconds,
            "tokens_s": run["labels"] / seconds, "torch": torch.__version__}


def key(run):
    return run["regime"], run["arm"], run["p"], run["seed"]


def chosen(arms, a):
    wanted = a.arms.split(",") if a.arms else None
    rates = [float(x) for x in a.rates.split(",")] if a.rates else None
    return [r for r in arms["runs"] if (not wanted or r["arm"] in wanted) and
            (not a.seeds or r["seed"] <= a.seeds) and
            (rates is None or r["p"] == 0 or r["p"] in rates) and
            (a.regimes is None or str(r["regime"]) in a.regimes.split(","))]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("arms_dir")
    p.add_argument("results")
    p.add_argument("--arms", help="such as none,drop,flips; all without it")
    p.add_argument("--rates", help="such as 0.05,0.2")
    p.add_argument("--regimes", help="such as 0,16: below one epoch, 16 epochs")
    p.add_argument("--seeds", type=int, help="the first so many")
    p.add_argument("--width", type=int, default=96)
    p.add_argument("--layers", type=int, default=3)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--rate", type=float, default=1e-3, help="of learning, at its highest")
    p.add_argument("--heldout", type=int, default=512, help="rows of held-out text, at most")
    a = p.parse_args()
    with open(os.path.join(a.arms_dir, "arms.json"), encoding="utf-8") as f:
        arms = json.load(f)
    done = set()
    if os.path.exists(a.results):
        with open(a.results, encoding="utf-8") as f:
            done = {key(json.loads(line)) for line in f if line.strip()}
    todo = [r for r in chosen(arms, a) if key(r) not in done]
    heldout = heldout_rows(arms, a.arms_dir, a.heldout)
    with open(a.results, "a", encoding="utf-8") as out:
        for i, run in enumerate(todo, 1):
            result = train(arms, run, a.arms_dir, heldout, a)
            out.write(json.dumps(result) + "\n")
            out.flush()
            print(f"{i}/{len(todo)} {run['arm']} {run['p']} {run['regime']} {run['seed']}: "
                  f"{result['heldout_loss']:.4f}", flush=True)


if __name__ == "__main__":
    main()
