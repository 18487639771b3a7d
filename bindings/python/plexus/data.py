"""Training data: packets (.qubgpu, version 2.1) and stores (.ndp3), by sample and by batch."""
import os
import random
from operator import attrgetter

from . import _plexus
from ._arrays import choose, convert, converter
from ._plexus import IGNORED, Corrupt, NotFound, Writer

_PACKING = ("pad", "chunk", "first_fit", "best_fit")
_LABELS = ("none", "same", "next")
_DAMAGE = ("refill", "drop", "error", "quarantine")
_TYPES = {"int32": False, "int64": True}


def _one_of(name, value, values):
    if value not in values:
        raise ValueError(f"{name} is one of {', '.join(values)}, not {value!r}")
    return list(values).index(value)


def _wide(name, value):
    _one_of(name, value, _TYPES)
    return _TYPES[value]


def _place(path):
    """An address as it is; a path so that it means the same in other processes."""
    path = os.fspath(path)
    elsewhere = isinstance(path, str) and path.startswith(("http://", "https://"))
    return path if elsewhere else os.path.abspath(path)


class Sample:
    """A sample as it is stored. `data` is a View into the mapping; of a file that lies elsewhere, of
    memory of its own."""

    __slots__ = ("data", "tokens", "src", "dst", "typ", "continues")

    def __init__(self, data, tokens, src, dst, typ, continues):
        self.data, self.tokens, self.continues = data, tokens, continues
        self.src, self.dst, self.typ = src, dst, typ


class Dataset:
    """Samples by number: item i is a dict of input_ids and labels (-100 where rows are filled up).

    max_seq_length: rows of so many tokens, cut or filled up with pad_token_id; None: as long as the
    sample. crc_drop_rate: so many of the samples, drawn by `seed` and `epoch`, are taken for damaged.
    damage: "refill" puts another sample, drawn the same way, in the place of a damaged one; "error"
    raises plexus.Corrupt. It may be pickled, and used after a fork.

    path may be http://HOST/PATH or https: then blocks of the file are fetched when they are needed, and up to
    cache_bytes of them (0: 1 GiB) kept in memory; timeout: seconds until a server counts as silent
    (0: 10). stats() tells what was done. A child has what was fetched, and connections of its own.
    """

    def __init__(self, path, max_seq_length=None, pad_token_id=0, crc_drop_rate=0.0, *,
                 dtype="int64", damage="refill", seed=0, tensors=None, crc=None, cover=None,
                 writable=True, cache_bytes=0, timeout=0):
        if not 0 <= crc_drop_rate < 1:
            raise ValueError("crc_drop_rate is 0 or more, below 1")
        if max_seq_length is not None and max_seq_length < 1:
            raise ValueError("max_seq_length is 1 or more")
        _one_of("damage", damage, ("refill", "error"))
        _wide("dtype", dtype)
        self.path = _place(path)
        self.max_seq_length, self.pad_token_id = max_seq_length, pad_token_id
        self.crc_drop_rate, self.dtype, self.damage = crc_drop_rate, dtype, damage
        self.seed, self.epoch, self.tensors = seed, 0, tensors
        self.damaged = self.dropped = 0
        self._how = {"crc": crc, "cover": cover, "writable": writable, "cache_bytes": cache_bytes,
                     "timeout_ms": int(timeout * 1000)}
        self._data = _plexus.Data(self.path, **self._how)

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_data"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._data = _plexus.Data(self.path, **self._how)

    def __len__(self):
        return len(self._data)

    def _index(self, i):
        n = len(self._data)
        if not -n <= i < n:
            raise IndexError(f"sample {i} of {n}")
        return i % n

    def _row(self, i):
        return self._data.row(i, self.max_seq_length or 0, self.pad_token_id, _TYPES[self.dtype])

    def _refilled(self, i):
        """Sample i, or the first of those that its draws name which is neither damaged nor dropped."""
        draw = None if not self.crc_drop_rate else self._draws(i)
        for _ in range(100):
            drop = draw is not None and draw.random() < self.crc_drop_rate
            self.dropped += drop
            if not drop:
                try:
                    return self._row(i)
                except Corrupt:
                    self.damaged += 1
                    if self.damage == "error":
                        raise
            draw = draw or self._draws(i)
            i = draw.randrange(len(self._data))
        raise Corrupt("100 samples one after the other are damaged")

    def _draws(self, i):
        return random.Random(f"{self.seed} {self.epoch} {i}")

    def __getitem__(self, i):
        ids, labels, _ = self._refilled(self._index(i))
        kind = choose(self.tensors)
        return {"input_ids": convert(ids, kind), "labels": convert(labels, kind)}

    def __getitems__(self, numbers):
        return [self[i] for i in numbers]

    def set_epoch(self, epoch):
        """Draw other samples for those that are dropped."""
        self.epoch = epoch

    def sample(self, i):
        """Sample i as it is stored: a Sample whose `data` lie in the mapping."""
        return Sample(*self._data.sample(self._index(i)))

    def view(self, i):
        """The tokens of sample i in the mapping, uint16 or int32; of packets its bytes."""
        return self._data.sample(self._index(i))[0]

    def windows(self, first, count):
        """The tokens of `count` samples of a store as Views into the mapping: one, or one for each
        segment in which they lie."""
        out, end = [], first + count
        if not 0 <= first < end <= len(self):
            raise IndexError(f"samples {first} to {end} of {len(self)}")
        while first < end:
            view, got = self._data.window(first, end - first)
            out.append(view)
            first += got
        return out

    def info(self):
        """What is known of the file, as a dict."""
        return self._data.info()

    def stats(self):
        """What was done to bring a file that lies elsewhere, as a dict: hits and misses of blocks,
        blocks asked for ahead and evicted, bytes that came and that are here, requests and retries,
        blocks that came wrong and that are damaged."""
        return self._data.stats()

    def verify(self):
        """Read every byte; plexus.Corrupt names the first that is wrong."""
        self._data.verify()


def open(path, **options):  # pylint: disable=redefined-builtin
    """The Dataset at `path`."""
    return Dataset(path, **options)


def QubGPUDataset(path, max_seq_length=512, pad_token_id=0, crc_drop_rate=0.05, **options):
    """A Dataset of rows of one length."""
    return Dataset(path, max_seq_length, pad_token_id, crc_drop_rate, **options)


class Batch(dict):
    """input_ids and, if wanted, labels, document_ids, position_ids, which lie in the loader's ring.

    Its slot is the loader's again when it and the last array over it are gone. A copy has the arrays
    alone.
    """

    _of = None  # a _plexus.Batch

    position = property(lambda self: self._of.position if self._of else 0,
                        doc="of its first row among those of all ranks")
    tokens = property(lambda self: self._of.tokens if self._of else 0,
                      doc="without what rows are filled up with")
    rows = property(lambda self: self._of.rows if self._of else 0, doc="how many")
    lengths = property(lambda self: self._of.lengths if self._of else None,
                       doc="tokens of each row, as a View")
    numbers = property(lambda self: self._of.numbers if self._of else None,
                       doc="first sample of each row, in the top 8 bits its source, as a View")

    def __reduce__(self):
        return type(self), (dict(self),)


def _codes(codes):
    if codes is None:
        return None
    bits = bytearray(32)
    for code in codes:
        bits[code >> 3] |= 1 << (code & 7)
    return bytes(bits)


def _worker():
    """This worker of a torch DataLoader and how many there are."""
    import sys
    torch = sys.modules.get("torch")
    info = torch.utils.data.get_worker_info() if torch else None
    return (info.id, info.num_workers) if info else (0, 1)


class Loader:
    """Batches, filled by threads of C. Use it as it is, or by plexus.torch.Batches.

    sources: a path, a Dataset, or a list of them or of (path or Dataset, weight) or (..., weight,
    once). epochs=0 goes on without end. rank and world: this one of so many that share the rows.
    threads: that fill batches ahead; None: one, or none where a batch is filled sooner than a thread
    is woken, or could not go on beside this one. A `for` goes on where the last one stopped; after the
    end it begins again.
    """

    def __init__(self, sources, batch_size=8, row_tokens=512, *, packing="pad", labels="same",
                 dtype="int64", labels_dtype="int64", documents=False, positions=False, cross=False,
                 pad=0, seed=0, shuffle=True, epochs=1, rank=0, world=1, threads=None, ahead=0,
                 damage="refill", check=True, drop_rate=0.0, src=None, dst=None, typ=None,
                 tensors=None):
        for name, value in (("batch_size", batch_size), ("row_tokens", row_tokens),
                            ("world", world)):
            if not 1 <= value < 1 << 32:
                raise ValueError(f"{name} is 1 or more, not {value}")
        if not 0 <= rank < world:
            raise ValueError(f"rank is 0 or more, below {world}, not {rank}")
        if (threads or 0) < 0 or ahead < 0 or epochs < 0 or not 0 <= seed < 1 << 64:
            raise ValueError("threads, ahead, epochs and seed are 0 or more")
        self._sources = self._all(sources)
        self._at = (batch_size, row_tokens)
        self._options = {
            "packing": _one_of("packing", packing, _PACKING),
            "labels": _one_of("labels", labels, _LABELS), "ids64": _wide("dtype", dtype),
            "labels64": _wide("labels_dtype", labels_dtype), "documents": documents,
            "positions": positions, "cross": cross, "pad": pad, "seed": seed,
            "sequential": not shuffle, "epochs": epochs, "threads": threads, "ahead": ahead,
            "damage": _one_of("damage", damage, _DAMAGE), "unchecked": not check,
            "drop_rate": drop_rate, "src": _codes(src), "dst": _codes(dst), "typ": _codes(typ)}
        if threads is None:
            self._options["threads"] = self._some_threads()
        self._rank, self._world = rank, world
        self.tensors = tensors
        self._core = self._state = self._share = self._begin = None
        self._open()

    def _some_threads(self):
        """As many as are worth it: a batch of 64 KiB takes 10 to 20 us, as waking a thread does. What
        lies elsewhere has to be asked for ahead."""
        if any(not os.path.isabs(d.path) for d, _, _ in self._sources):
            return 1
        o, cells = self._options, self._at[0] * self._at[1]
        width = 4 + 4 * o["ids64"] + (4 + 4 * o["labels64"] if o["labels"] else 0)
        small = cells * width <= 1 << 16 and o["packing"] <= _PACKING.index("chunk")
        return 0 if small or len(os.sched_getaffinity(0)) < 2 else 1

    @staticmethod
    def _all(sources):
        if isinstance(sources, (str, os.PathLike, Dataset)):
            sources = [sources]
        out = []
        for s in sources:
            s, weight, once = (*s, 0, False)[:3] if isinstance(s, tuple) else (s, 0, False)
            if isinstance(s, tuple):
                raise TypeError("a source is (path or Dataset, weight, once)")
            out.append((s if isinstance(s, Dataset) else Dataset(s), int(weight), bool(once)))
        return out

    def _open(self):
        """The loader of this process: a worker of torch takes its share of the rank's rows."""
        worker, workers = self._share = _worker()
        self._core = _plexus.Loader(
            tuple((d._data, w, once) for d, w, once in self._sources), *self._at,
            rank=self._rank * workers + worker, world=self._world * workers, **self._options)
        self._begin = self._core.state()
        if self._state is not None:
            self._core.resume(self._state)

    def __getstate__(self):
        return {**self.__dict__, "_core": None, "_state": self._core.state()}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._open()

    def __iter__(self):
        if self._share != _worker():
            self._state = self._core.state()
            self._open()
        yield from iter(self._maker(), None)  # without a name here that would hold the slot
        self._core.resume(self._begin)

    def _maker(self):
        """A function that returns the next Batch, or None at the end."""
        core, array, options = self._core, converter(choose(self.tensors)), self._options
        more = [(name, of) for name, of, wanted in (
            ("labels", attrgetter("labels"), options["labels"]),
            ("document_ids", attrgetter("documents"), options["documents"]),
            ("position_ids", attrgetter("positions"), options["positions"])) if wanted]

        def make():
            while (batch := core.next()) is not None:
                if batch.rows:
                    out = Batch(input_ids=array(batch.ids))
                    for name, of in more:
                        out[name] = array(of(batch))
                    out._of = batch
                    return out
            return None
        return make

    def state_dict(self):
        """Where it is, in 64 bytes: for any number of ranks, threads, and rows in a batch."""
        return {"state": self._core.state()}

    def load_state_dict(self, state):
        """Go on from there."""
        self._core.resume(state["state"])

    def skip(self, rows):
        """Leave out so many rows of all ranks."""
        self._core.skip(rows)

    def counts(self):
        """What it did so far, as a dict."""
        return self._core.counts()

    def stats(self):
        """What was done to bring each source that lies elsewhere: Dataset.stats() of all."""
        return [d.stats() for d, _, _ in self._sources]

    def quarantined(self):
        """(source, sample) of each damaged sample, with damage="quarantine"."""
        return self._core.quarantined()


__all__ = ["Batch", "Corrupt", "Dataset", "IGNORED", "Loader", "NotFound", "QubGPUDataset",
           "Sample", "Writer", "open"]
