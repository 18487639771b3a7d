"""The Python package without torch: samples, batches, who keeps what alive, forks, resuming."""
import copy
import gc
import hashlib
import multiprocessing
import os
import struct
import sys

import world
from world import case, path, tokens

try:
    import numpy
except ImportError:
    world.skip("python3-numpy is not installed")

import plexus
from plexus.data import Dataset, Loader, QubGPUDataset, Writer


def refuses(what, f, *args, **kw):
    try:
        f(*args, **kw)
    except what as e:
        return e
    raise AssertionError(f"no {what.__name__}")


def rows_of(loader):
    out = []
    for batch in loader:
        ids = numpy.asarray(batch["input_ids"])
        out += [(batch.position + i, ids[i].tobytes()) for i in range(batch.rows)]
    return out


def order(rows):
    digest = hashlib.sha256()
    for position, row in sorted(rows):
        digest.update(struct.pack("<Q", position) + row)
    return digest.hexdigest()


@case
def samples():
    """items are the samples that were written, of stores with 2 and 4 bytes a token and of packets"""
    for file in (world.store("two.ndp3", vocab=30000), world.store("four.ndp3", vocab=1 << 20),
                 world.packets()):
        d = plexus.data.open(file)
        assert len(d) == 300, len(d)
        for i in (0, 1, 150, 299, -1):
            item = d[i]
            assert item["input_ids"].tolist() == tokens(i % 300)
            assert item["labels"].tolist() == tokens(i % 300)
            assert item["input_ids"].dtype == numpy.int64
        refuses(IndexError, d.__getitem__, 300)
        d.verify()


@case
def seeds_own_names():
    """QubGPUDataset gives rows of one length, labels are -100 where they are filled up"""
    d = QubGPUDataset(world.packets(), max_seq_length=64, pad_token_id=9)
    assert d.crc_drop_rate == 0.05
    seen = [d[i] for i in range(len(d))]
    assert all(len(x["input_ids"]) == len(x["labels"]) == 64 for x in seen)
    assert 0 < d.dropped < 60, d.dropped
    again = QubGPUDataset(world.packets(), max_seq_length=64, pad_token_id=9)
    assert all((again[i]["input_ids"] == seen[i]["input_ids"]).all() for i in range(300))
    d = QubGPUDataset(world.packets(), 64, 9, 0)
    assert d[0]["input_ids"].tolist() == (tokens(0) + [9] * 44)
    assert d[0]["labels"].tolist() == (tokens(0) + [-100] * 44)


@case
def views():
    """a view lies in the mapping, aligned, for each protocol, and outlives its dataset"""
    file = world.store("view.ndp3", vocab=1 << 20)
    d = Dataset(file)
    v = d.view(7)
    n = numpy.asarray(v)
    assert n.dtype == numpy.int32 and n.tolist() == tokens(7)
    assert n.ctypes.data == v.pointer == v.__array_interface__["data"][0]
    assert memoryview(v).tolist() == tokens(7)
    assert numpy.from_dlpack(v).ctypes.data == v.pointer
    assert v.pointer % 4 == 0 and v.__dlpack_device__() == (1, 0)
    assert world.mapped(v.pointer, v.nbytes, file)
    address = v.pointer
    del d, v
    gc.collect()
    assert n.tolist() == tokens(7) and world.mapped(address, n.nbytes, file)
    del n
    gc.collect()
    assert not world.mapped(address, 1, file)


@case
def windows():
    """samples side by side are one view into the mapping, for each protocol; packets refuse"""
    for vocab, dtype in ((30000, numpy.uint16), (1 << 20, numpy.int32)):
        file = world.store("windows.ndp3", vocab=vocab)
        d = Dataset(file)
        (v,) = d.windows(5, 20)
        n = numpy.asarray(v)
        assert n.dtype == dtype and n.tolist() == [t for i in range(5, 25) for t in tokens(i)]
        assert world.mapped(v.pointer, v.nbytes, file) and v.pointer == d.view(5).pointer
        assert memoryview(v).nbytes == v.nbytes and v.__array_interface__["data"][0] == v.pointer
        if dtype == numpy.int32:
            assert numpy.from_dlpack(v).ctypes.data == v.pointer
        del d, v
        gc.collect()
        assert n[-1] == tokens(24)[-1]
    with Writer(path("two.ndp3"), append=True) as w:
        for part in range(2):  # a segment each
            for i in range(10):
                w.write(tokens(i))
            w.commit()
    d = Dataset(path("two.ndp3"))
    found = d.windows(len(d) - 20, 20)
    assert len(found) == 2 and found[0].shape == found[1].shape == (sum(map(len, map(tokens, range(10)))),)
    refuses(IndexError, d.windows, len(d) - 1, 2)
    refuses(plexus.Unsupported, Dataset(world.packets()).windows, 0, 2)
    with open(file, "rb") as f:
        offset = f.read().index(struct.pack("<3i", *tokens(7)[:3]))
    with open(file, "r+b") as f:
        f.seek(offset)
        f.write(b"\xff")
    refuses(plexus.Corrupt, Dataset(file).windows, 5, 20)


@case
def bytes_moved():
    """a batch's bytes are written once, counted; nothing is added to the ring; a view moves none"""
    for file in (world.store("moved.ndp3", vocab=1 << 20), world.packets()):
        for wide in (False, True):
            kind = {} if wide else {"dtype": "int32", "labels": "none"}
            loader = Loader(file, 8, 64, threads=1, **kind)
            rows = sum(batch.rows for batch in loader)
            c = loader.counts()
            assert c["moved"] == rows * 64 * (16 if wide else 4) and c["slots"] == 0, c
    d = Dataset(path("moved.ndp3"))
    before = loader.counts()["moved"]
    assert world.mapped(d.view(9).pointer, d.view(9).nbytes, path("moved.ndp3"))
    assert loader.counts()["moved"] == before


SHRINKS = """
import os, sys, plexus
from plexus.data import Dataset, Loader
plexus.guard()
plexus.guard()
file = sys.argv[1]
d = Dataset(file)
os.truncate(file, 4096)
try:
    d.verify()
except plexus.Error as e:
    print(type(e).__name__)
print(sum(bytes(memoryview(d.view(0)).cast("B"))) if sys.argv[2:] else len(d))
rows = sum(b.rows for b in Loader(d, 8, 64, damage="drop"))
print(rows)
"""


@case
def shrinking_files():
    """with plexus.guard() a file that shrinks reads as damaged, and does not end the program"""
    import subprocess
    file = world.store("shrinks.ndp3", vocab=1 << 20)
    out = subprocess.run([sys.executable, "-c", SHRINKS, file], stdout=subprocess.PIPE, text=True,
                         check=True).stdout.split()
    assert out == ["Corrupt", "300", "0"], out


@case
def large_store():
    """a file of 10^12 bytes, most of them holes, opens in a mapping that may be written"""
    file = path("huge.bin")
    with open(file, "wb") as f:
        f.write(b"NDP3")
    try:
        os.truncate(file, 10 ** 12)
    except OSError:
        return  # this file system has no such files
    refuses(plexus.Corrupt, Dataset, file)


@case
def copy_on_write():
    """what is written into a view is this process's own; readonly views refuse"""
    file = world.store("own.ndp3", vocab=1 << 20)
    with open(file, "rb") as f:
        before = f.read()
    d = Dataset(file)
    numpy.asarray(d.view(0))[0] = 1
    with open(file, "rb") as f:
        assert f.read() == before
    v = Dataset(file, writable=False).view(0)
    n = numpy.asarray(v)
    assert v.readonly and not n.flags.writeable and n.tolist() == tokens(0)
    refuses(BufferError, v.__dlpack__)
    v.__dlpack__(max_version=(1, 0))


@case
def errors():
    """one class for each error of the table, with its code and its hint"""
    e = refuses(plexus.NotFound, Dataset, path("none"))
    assert isinstance(e, plexus.Error) and isinstance(e, FileNotFoundError)
    assert e.code == "PX-IO-010" and e.hint and "none" in str(e), str(e)
    with open(path("bad.ndp3"), "wb") as f:
        f.write(b"NDP3" + bytes(100))
    e = refuses(plexus.Error, Dataset, path("bad.ndp3"))
    assert e.code.startswith("PX-FMT"), e.code
    refuses(plexus.Error, Loader, world.store(), drop_rate=2.0)
    refuses(ValueError, Loader, world.store(), packing="tight")
    refuses(plexus.Limit, Writer(path("w.ndp3"), vocab=10).write, [70000])


@case
def batches():
    """a batch lies in a slot that is not filled again while an array of it lives"""
    loader = Loader(world.store(), 8, 64, ahead=2, threads=1, documents=True, positions=True)
    kept = []
    for batch in loader:
        kept.append((batch["input_ids"], batch["input_ids"].copy()))
        assert batch["input_ids"].ctypes.data % 64 == 0
        assert batch["labels"].shape == batch["document_ids"].shape == batch["input_ids"].shape
    assert len(kept) == 38 and sum(len(a) for a, _ in kept) == 300
    assert all((a == b).all() for a, b in kept)
    first = kept[0][0]
    del loader, kept, batch
    gc.collect()
    assert first.shape == (8, 64) and first.any()


@case
def slots_return():
    """a slot is the loader's again when the last array over it is gone"""
    loader = Loader(world.store(), 4, 64, ahead=2, threads=0, epochs=4)
    seen = set()
    for batch in loader:
        seen.add(batch["input_ids"].ctypes.data)
        batch = None
    assert len(seen) <= 2, len(seen)


@case
def ranks():
    """the rows of 1, 2, 3, 5 and 8 ranks are the same in the same order"""
    file = world.store(samples=480)
    found = set()
    for world_size in (1, 2, 3, 5, 8):
        rows = []
        for rank in range(world_size):
            rows += rows_of(Loader(file, 4, 64, rank=rank, world=world_size, seed=3, threads=1))
        assert len(rows) == 480
        found.add(order(rows))
    assert len(found) == 1, found


@case
def resume():
    """64 bytes resume, with another number of ranks, threads and rows in a batch, also copied, as pickling does it"""
    file = world.store()
    whole = rows_of(Loader(file, 1, 64, seed=5))
    loader = Loader(file, 6, 64, seed=5, threads=1)
    it = iter(loader)
    for _ in range(9):
        next(it)
    state = loader.state_dict()
    assert len(state["state"]) == 64
    rows = []
    for rank in range(3):
        other = Loader(file, 4, 64, seed=5, rank=rank, world=3, threads=0)
        other.load_state_dict(state)
        rows += rows_of(other)
    assert sorted(rows) == sorted(whole)[54:]
    assert rows_of(copy.copy(loader)) == whole[54:]
    refuses(plexus.Invalid, Loader(file, 6, 64, seed=6).load_state_dict, state)
    refuses(plexus.Corrupt, loader.load_state_dict, {"state": bytes(64)})


@case
def again():
    """after its end a loader begins again"""
    loader = Loader(world.store(), 16, 64)
    assert rows_of(loader) == rows_of(loader) != []


@case
def packed():
    """packed rows hold each token once"""
    for packing in ("chunk", "first_fit", "best_fit"):
        loader = Loader(world.store(), 4, 128, packing=packing, labels="next")
        got = sum(batch.tokens for batch in loader)
        assert got <= sum(len(tokens(i)) for i in range(300)) < got + 128, packing


@case
def mixed():
    """sources are mixed by weight"""
    a, b = world.store("x.ndp3"), world.store("y.ndp3")
    loader = Loader([(a, 3), (b, 1)], 8, 64, epochs=0)
    it = iter(loader)
    numbers = [int(n) >> 56 for _ in range(50) for n in numpy.asarray(next(it).numbers)]
    assert abs(numbers.count(1) - 100) <= 1, numbers.count(1)
    only = Loader(a, 8, 64, src=[2])
    assert len(rows_of(only)) == 150


@case
def damage():
    """damaged samples are refilled, left out, an error, or named"""
    file = world.store("hurt.ndp3", vocab=1 << 20)
    offset = open(file, "rb").read().index(struct.pack("<3i", *tokens(11)[:3]))
    with open(file, "r+b") as f:
        f.seek(offset)
        f.write(b"\xff")
    refuses(plexus.Corrupt, Dataset(file).verify)
    assert len(rows_of(Loader(file, 8, 64))) == 300
    drop = Loader(file, 8, 64, damage="drop")
    assert len(rows_of(drop)) < 300 and drop.counts()["damaged"] >= 1
    refuses(plexus.Corrupt, rows_of, Loader(file, 8, 64, damage="error"))
    named = Loader(file, 8, 64, damage="quarantine")
    rows_of(named)
    assert (0, 11) in named.quarantined(), named.quarantined()
    refuses(plexus.Corrupt, Dataset(file, damage="error").__getitem__, 11)
    d = Dataset(file)
    assert len(d[11]["input_ids"]) and d.damaged >= 1


def child(loader, dataset, pipe):
    pipe.send((order(rows_of(loader)), dataset[5]["input_ids"].tolist()))
    pipe.close()


@case
def processes():
    """a loader and a dataset go on in a forked and in a spawned process"""
    file = world.store()
    expected = order(rows_of(Loader(file, 8, 64, seed=1))[16:])
    for method in ("fork", "spawn"):
        loader, dataset = Loader(file, 8, 64, seed=1, threads=1), Dataset(file)
        it = iter(loader)
        held = [next(it), next(it)]
        context = multiprocessing.get_context(method)
        here, there = context.Pipe(duplex=False)
        p = context.Process(target=child, args=(loader, dataset, there))
        p.start()
        there.close()
        assert here.recv() == (expected, tokens(5)), method
        p.join()
        assert p.exitcode == 0
        assert order(rows_of(it_rest(it))) == expected and held


def it_rest(it):
    return it


def grown():
    with open("/proc/self/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@case
def leaks():
    """2,000 batches and 2,000 samples leave no memory behind"""
    file = world.store()
    loader = Loader(file, 8, 64, epochs=0, threads=1)
    dataset, it = Dataset(file), iter(loader)

    def work(n):
        for i in range(n):
            next(it)["input_ids"].sum()
            dataset[i % 300]["labels"].sum()
            numpy.asarray(dataset.view(i % 300)).sum()
            numpy.from_dlpack(dataset.view(i % 300)) if i % 2 else dataset.view(i % 300).__dlpack__()
    dataset = Dataset(world.store("leak.ndp3", vocab=1 << 20))
    work(500)
    gc.collect()
    before = grown()
    work(2000)
    gc.collect()
    assert grown() - before < 2 << 20, grown() - before


if __name__ == "__main__":
    sys.exit(world.main())
