"""The Python package with torch: tensors over the mapping and over the loader's slots."""
import copy
import gc
import importlib.util
import sys
import warnings

import world
from world import case, tokens

if not importlib.util.find_spec("torch") or not importlib.util.find_spec("numpy"):
    world.skip("python3-torch is not installed")

import torch
from torch.utils.data import DataLoader

from plexus.data import Dataset, Loader, QubGPUDataset
from plexus.torch import Batches


@case
def in_the_map():
    """a tensor lies in the mapping, which it keeps alive; no library warns"""
    file = world.store("map.ndp3", vocab=1 << 20)
    d = Dataset(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        t = torch.utils.dlpack.from_dlpack(d.view(3))
        other = torch.frombuffer(d.view(3), dtype=torch.int32)
    assert t.dtype == torch.int32 and t.tolist() == other.tolist() == tokens(3)
    assert t.data_ptr() == other.data_ptr() == d.view(3).pointer
    assert world.mapped(t.data_ptr(), t.numel() * 4, file)
    del d, other
    gc.collect()
    assert t.tolist() == tokens(3)
    address = t.data_ptr()
    del t
    gc.collect()
    assert not world.mapped(address, 4, file)


@case
def slots():
    """tensors of a batch are its slot; it is filled again when the last is gone"""
    loader = Loader(world.store(), 4, 64, threads=1)
    kept = [(b["input_ids"], b["input_ids"].clone(), b["labels"]) for b in loader]
    assert all(a.dtype == c.dtype == torch.int64 for a, _, c in kept)
    assert all(torch.equal(a, b) for a, b, _ in kept) and len(kept) == 75
    part = kept[5][0][1:3]
    expected = part.clone()
    del kept
    for _ in loader:
        pass
    assert torch.equal(part, expected)


@case
def data_loader():
    """the seed's line with DataLoader works, with and without workers"""
    d = QubGPUDataset(world.packets(), 32, crc_drop_rate=0)
    for workers in (0, 2):
        seen = 0
        for batch in DataLoader(d, batch_size=2, num_workers=workers):
            assert batch["input_ids"].shape == batch["labels"].shape == (2, 32)
            assert batch["input_ids"][0].tolist() == (tokens(seen) + [0] * 32)[:32]
            seen += 2
        assert seen == 300


@case
def iterable():
    """a Loader in a DataLoader gives each row once, whatever the number of workers"""
    file = world.store()
    for workers in (0, 1, 2):
        rows = []
        for batch in DataLoader(Batches(Loader(file, 4, 64)), batch_size=None, num_workers=workers):
            rows += [tuple(r) for r in batch["input_ids"].tolist()]
        assert sorted(rows) == sorted(tuple((tokens(i) + [0] * 44)[:64]) for i in range(300))


@case
def pickled():
    """a Dataset and a Loader with tensors may be copied as pickling does it; spawned processes are in test_data"""
    d = copy.copy(Dataset(world.store()))
    assert d[1]["input_ids"].tolist() == tokens(1)
    assert len(list(copy.copy(Loader(world.store(), 30, 64)))) == 10


if __name__ == "__main__":
    sys.exit(world.main())
