"""One rank of plexus bench ddp, which torchrun starts: a small transformer is trained as many times
as there are ways to sum gradients, one step of each in turns.

Usage: ddp.py OUT STEPS PATH. Rank 0 writes OUT, one JSON document. PATH: of plexus.torch.attach, or auto.
"""
import hashlib
import json
import os
import sys
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import plexus.torch

WAYS = {"gloo": 0, "plexus 16 bits": 16, "plexus 8 bits": 8}
# 4.8 million parameters and short rows: what a step computes is little beside what it sums, for
# torch's BLAS in Debian is slow. Each place of a row has a feed-forward layer of its own (an expert),
# so all parameters have gradients, but a token meets few.
WIDTH, INNER, LAYERS, KINDS, SPELLINGS, ROW = 256, 512, 2, 32, 4, 9
LAST = 20                                    # steps whose losses are one figure


class Block(nn.Module):
    """Attention, and an expert for each place."""

    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.up = nn.Parameter(torch.randn(ROW - 1, WIDTH, INNER) * 0.02)
        self.down = nn.Parameter(torch.randn(ROW - 1, INNER, WIDTH) * 0.02)
        self.register_buffer("mask", torch.full((ROW - 1, ROW - 1), float("-inf")).triu(1))

    def forward(self, x):
        h = self.before(x)
        x = x + self.attend(h, h, h, attn_mask=self.mask, need_weights=False)[0]
        h = torch.bmm(self.between(x).transpose(0, 1), self.up)
        return x + torch.bmm(nn.functional.gelu(h), self.down).transpose(0, 1)


class Model(nn.Module):
    """A decoder that predicts of which kind the next token is."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(KINDS * SPELLINGS, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, KINDS)

    def forward(self, x):
        return self.out(self.norm(self.blocks(self.embed(x))))


def rows(rank):
    """Rows of tokens whose kind (token modulo KINDS) mostly follows from the kind before,
    each with one of its spellings. Every rank has rows of its own."""
    g = torch.Generator().manual_seed(7)
    follow = torch.randint(0, KINDS, (KINDS, 4), generator=g)
    g.manual_seed(1000 + rank)
    while True:
        kinds = torch.randint(0, KINDS, (1, ROW), generator=g)
        for row in kinds:
            ways = torch.multinomial(torch.tensor([0.9, 0.05, 0.03, 0.02]), ROW, True, generator=g)
            for at in range(1, ROW):
                row[at] = follow[row[at - 1], ways[at]]
        yield kinds + KINDS * torch.randint(0, SPELLINGS, kinds.shape, generator=g)


def wire():
    """Bytes that this host has sent: of a namespace of its own, all are ours."""
    with open("/proc/self/net/dev", encoding="ascii") as f:
        return sum(int(line.split(":")[1].split()[8]) for line in f if line.strip().startswith("eth0:"))


class Side:
    """One way of summing, with a model of its own, and what its steps took."""

    def __init__(self, bits, path):
        torch.manual_seed(1)
        self.ddp = DistributedDataParallel(Model())
        self.attached = plexus.torch.attach(self.ddp, bits=bits, path=path) if bits else None
        self.optimizer = torch.optim.SGD(self.ddp.parameters(), lr=0.02, momentum=0.9)
        self.losses, self.seconds, self.sent = [], [], []

    def step(self, row):
        self.optimizer.zero_grad()
        dist.barrier()
        sent, begun = wire(), time.perf_counter()
        loss = nn.functional.cross_entropy(self.ddp(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten() % KINDS)
        loss.backward()
        self.optimizer.step()
        self.seconds.append(time.perf_counter() - begun)
        dist.barrier()  # what others still send is counted, too
        self.sent.append(wire() - sent)
        self.losses.append(loss.item())

    def result(self):
        """Figures of all ranks together; step times are those of the slowest rank."""
        seconds, losses = torch.tensor(self.seconds), torch.tensor(self.losses)
        dist.all_reduce(seconds, dist.ReduceOp.MAX)
        dist.all_reduce(losses)
        digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in self.ddp.parameters()))
        mine = torch.tensor([int(digest.hexdigest()[:12], 16)])
        all_of = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(all_of, mine)
        report = self.attached.report() if self.attached else {}
        return {"loss": losses[-LAST:].mean().item() / dist.get_world_size(),
                "first_loss": losses[0].item() / dist.get_world_size(),
                "step_s": seconds[1:].median().item() if len(seconds) > 1 else seconds.item(),
                "sent": torch.tensor(self.sent, dtype=torch.float64).median().item(),
                "same": all(int(a) == int(mine) for a in all_of),
                "bytes": report.get("bytes", 0), "copied": report.get("copied", 0),
                "path": report.get("path") or "", "why": self.attached.why if self.attached else ""}


def main():
    out, steps, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    sides = {name: Side(bits, None if path == "auto" else path) for name, bits in WAYS.items()}
    data = rows(dist.get_rank())
    for _ in range(steps):
        row = next(data)
        for side in sides.values():
            side.step(row)
    results = {name: side.result() for name, side in sides.items()}
    parameters = sum(p.numel() for p in Model().parameters())
    if dist.get_rank() == 0:
        with open(out + ".part", "w", encoding="utf-8") as f:
            json.dump({"torch": torch.__version__, "world": dist.get_world_size(), "steps": steps,
                       "parameters": parameters, "ways": results}, f)
        os.rename(out + ".part", out)
    dist.barrier()


if __name__ == "__main__":
    main()
