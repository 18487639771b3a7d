"""One rank of test_ddp.py, started by torchrun or by hand. Usage: ddp_worker.py WHAT FOLDER.

Each rank leaves FOLDER/RANK.json with what it saw.
"""
import hashlib
import json
import os
import signal
import sys
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import plexus
import plexus.torch

STEPS = 10
WIDTH, TOKENS = 128, 256


def model(dtype=torch.float32):
    """A small transformer, the same on all ranks."""
    torch.manual_seed(1)
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 1024, dropout=0, batch_first=True)
    return nn.Sequential(nn.Embedding(TOKENS, WIDTH), nn.TransformerEncoder(layer, 2),
                         nn.Linear(WIDTH, TOKENS)).to(dtype)


def batches(steps):
    g = torch.Generator().manual_seed(100 + dist.get_rank())
    for _ in range(steps):
        x = torch.randint(0, TOKENS, (4, 16), generator=g)
        yield x, (x * 3 + 7) % TOKENS


def digest(m):
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in m.parameters())).hexdigest()


def train(ddp, attached=None, steps=STEPS):
    """Losses (means over the ranks), and what each step added to the counts."""
    optimizer = torch.optim.SGD(ddp.parameters(), lr=0.3)
    losses, counts, before = [], [], attached.report() if attached else {}
    for x, y in batches(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(ddp(x).flatten(0, 1), y.flatten())
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        dist.all_reduce(mean)
        losses.append(mean.item() / dist.get_world_size())
        if attached:
            now = attached.report()
            counts.append({k: now[k] - before[k] for k in ("values", "bytes", "packets", "again", "copied",
                                                              "sums")})
            before = now
    return losses, counts


class Mixed(nn.Module):
    """Gradients of two types."""

    def __init__(self):
        super().__init__()
        self.narrow, self.wide = nn.Linear(8, 8), nn.Linear(8, 8).double()

    def forward(self, x):
        return self.narrow(x).sum() + self.wide(x.double()).sum()


def hook():
    """The same training by the process group, and by plexus with 16, 8 and 4 bits."""
    out = {}
    for bits in (0, 16, 8) + ((4,) if dist.get_world_size() == 2 else ()):
        m = model()
        ddp = DistributedDataParallel(m)
        attached = plexus.torch.attach(ddp, bits=bits) if bits else None
        losses, counts = train(ddp, attached)
        out[bits] = {"digest": digest(m), "losses": losses, "counts": counts}
        if attached:
            out[bits].update(active=attached.active, why=attached.why, path=attached.report()["path"],
                             buckets=attached.buckets)
            attached.close()
    return out


def fallback():
    """What is not taken goes by the process group, with the same result as without us."""
    out = {}
    for name, dtype, options in (("f64", torch.float64, {}), ("path", torch.float32, {"path": "pigeon"})):
        plain, m = model(dtype), model(dtype)
        train(DistributedDataParallel(plain), steps=2)
        ddp = DistributedDataParallel(m)
        attached = plexus.torch.attach(ddp, **options)
        train(ddp, steps=2)
        out[name] = {"active": attached.active, "why": attached.why, "same": digest(m) == digest(plain)}
    mixed = Mixed()
    ddp = DistributedDataParallel(mixed)
    attached = plexus.torch.attach(ddp)
    for _ in range(2):
        ddp.zero_grad()
        (ddp(torch.ones(1, 8)) * (1 + dist.get_rank())).backward()
    out["mixed"] = {"active": attached.active, "buckets": attached.buckets,
                    "grads": [p.grad.flatten()[0].item() for p in mixed.parameters()]}
    return out


def arrays():
    """plexus.allreduce of everything that it takes."""
    import array
    import numpy
    rank, world = dist.get_rank(), dist.get_world_size()
    out = {}
    x = numpy.arange(1000, dtype=numpy.float32).reshape(10, 100) * (rank + 1)
    total = plexus.allreduce(x)
    exact = numpy.arange(1000, dtype=numpy.float32).reshape(10, 100) * (world * (world + 1) / 2)
    out["numpy"] = bool(numpy.abs(total - exact).max() <= 0.05 * world and x[0, 1] == rank + 1)
    mean = plexus.allreduce(torch.full((5, 7), float(rank)), mean=True)
    out["torch"] = bool((mean - (world - 1) / 2).abs().max() < 1e-3) and mean.shape == (5, 7)
    half = torch.full((64,), float(rank + 1), dtype=torch.bfloat16)
    out["bf16"] = plexus.allreduce(half, out=half) is half and half[0].item() == world * (world + 1) / 2
    b = array.array("f", [rank + 1.0] * 40)
    out["array"] = abs(plexus.allreduce(b)[39] - world * (world + 1) / 2) < 1e-2 and b[0] == rank + 1
    out["digest"] = hashlib.sha256(total.tobytes()).hexdigest()
    for name, bad in (("f64", numpy.zeros(4)), ("int", torch.zeros(4, dtype=torch.int32))):
        try:
            plexus.allreduce(bad)
            out[name] = "taken"
        except TypeError as e:
            out[name] = str(e)
    owed = numpy.zeros(1000, numpy.float32)
    plexus.allreduce(x / 7, residual=owed)
    out["owed"] = float(numpy.abs(owed).max())
    return out


def killed():
    """The rank that KILLED names dies in the midst of a backward pass; what the others see."""
    ddp = DistributedDataParallel(model())
    plexus.torch.attach(ddp, silence=3, path=os.environ.get("PATHS"))
    train(ddp, steps=2)

    def die(_):
        time.sleep(0.2)  # the others are in their sums
        os.kill(os.getpid(), signal.SIGKILL)
    if dist.get_rank() == int(os.environ["KILLED"]):
        ddp.module[0].weight.register_hook(die)
    x, y = next(batches(1))
    loss = nn.functional.cross_entropy(ddp(x).flatten(0, 1), y.flatten())
    begun = time.monotonic()
    try:
        loss.backward()
        seen = {"error": "none"}
    except plexus.Error as e:
        seen = {"error": type(e).__name__, "text": str(e), "code": e.code}
    seen["seconds"] = time.monotonic() - begun
    return seen


def main():
    what, folder = sys.argv[1:]
    torch.set_num_threads(1)
    plexus.torch.init()
    out = {"hook": hook, "fallback": fallback, "arrays": arrays, "killed": killed}[what]()
    rank = dist.get_rank()
    with open(f"{folder}/{rank}.json", "w", encoding="utf-8") as f:
        json.dump(out, f)
    return 0


if __name__ == "__main__":
    sys.exit(main())
