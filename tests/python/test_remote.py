"""The Python package over a web server: the rows of a local file, states that go on with a local copy,
small caches, forks, servers that fail in the middle."""
import copy
import multiprocessing
import os
import sys

import world
from world import case, path

try:
    import numpy
except ImportError:
    world.skip("python3-numpy is not installed")

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from web import Web  # pylint: disable=wrong-import-position

import plexus
from plexus.data import Dataset, Loader, Writer

OPTIONS = {"batch_size": 16, "row_tokens": 256, "seed": 3}


def store(name, samples=4000):
    """4 MB of samples, none like another."""
    if not os.path.exists(path(name)):
        with Writer(path(name)) as w:
            for i in range(samples):
                w.write([(i * 7919 + k * 31) % 100000 for k in range(1 + i * 37 % 500)],
                        src=1 + i % 3)
    return path(name)


def rows_of(loader):
    out = []
    for batch in loader:
        ids = numpy.asarray(batch["input_ids"])
        out += [(batch.position + i, ids[i].tobytes()) for i in range(batch.rows)]
    return out


@case
def rows_are_those_of_the_file():
    """rows over any number of ranks are those of the local file, in every packing"""
    local = store("a.ndp3")
    with Web(world.folder()) as web:
        for packing in "pad", "chunk", "best_fit":
            want = sorted(rows_of(Loader(local, packing=packing, **OPTIONS)))
            for ranks in 1, 2, 3, 5, 8:
                got = []
                for rank in range(ranks):
                    got += rows_of(Loader(web.url + "/a.ndp3", packing=packing, rank=rank,
                                          world=ranks, **OPTIONS))
                assert [r for _, r in sorted(got)] == [r for _, r in want] or packing != "pad"
                assert sorted(r for _, r in got) == sorted(r for _, r in want), (packing, ranks)


@case
def filters_read_the_index():
    """samples of one source are those of the local file, and the interpreter goes on meanwhile"""
    local = store("a.ndp3")
    with Web(world.folder()) as web:
        for packing in "pad", "chunk", "first_fit":
            how = {"src": [2], "packing": packing, **OPTIONS}
            assert rows_of(Loader(web.url + "/a.ndp3", **how)) == rows_of(Loader(local, **how))


@case
def states_are_of_the_content():
    """a run that began on a server goes on with a local copy, and the other way round"""
    local = store("a.ndp3")
    with Web(world.folder()) as web:
        whole = rows_of(Loader(local, **OPTIONS))
        for first, second in (web.url + "/a.ndp3", local), (local, web.url + "/a.ndp3"):
            a, b = Loader(first, **OPTIONS), Loader(second, threads=2, **OPTIONS)
            it = iter(a)
            taken = [numpy.asarray(next(it)["input_ids"]).copy() for _ in range(7)]
            assert [r.tobytes() for t in taken for r in t] == [r for _, r in whole[:7 * 16]]
            b.load_state_dict(a.state_dict())
            assert rows_of(b) == whole[7 * 16:]


@case
def small_caches():
    """what does not fit goes and comes again; rows stay the same; the bound holds"""
    local = store("a.ndp3")
    want = rows_of(Loader(local, **OPTIONS))
    with Web(world.folder()) as web:
        data = Dataset(web.url + "/a.ndp3", cache_bytes=1 << 20)
        assert rows_of(Loader(data, threads=3, **OPTIONS)) == want
        stats = data.stats()
        assert stats["evicted"] > 0 and stats["here"] <= 1 << 20, stats
        assert stats["ahead"] > 0 and stats["hits"] > stats["misses"], stats
        large = Dataset(web.url + "/a.ndp3")
        assert rows_of(Loader(large, **OPTIONS)) == want
        stats, size = large.stats(), os.path.getsize(local)
        assert stats["evicted"] == 0 and stats["bytes"] <= size + 2 * 65536, (stats, size)


@case
def blocks_are_asked_for_ahead():
    """a loader asks for the blocks of many samples at once, not for one after the other"""
    store("a.ndp3")
    with Web(world.folder(), delay=0.02) as web:
        loader = Loader(Dataset(web.url + "/a.ndp3", cache_bytes=1 << 22), **OPTIONS)
        it = iter(loader)
        for _ in range(20):
            next(it)
        assert web.most > 4, web.most
        assert loader.stats()[0]["ahead"] > 10, loader.stats()


@case
def a_server_that_fails_in_the_middle():
    """the error is told; the loader asked again goes on with the batch that failed"""
    local = store("a.ndp3")
    want = rows_of(Loader(local, **OPTIONS))
    broken = []
    with Web(world.folder(), fault=lambda *_: ("status", 403) if broken else None) as web:
        loader = Loader(Dataset(web.url + "/a.ndp3", cache_bytes=1 << 20), **OPTIONS)
        got, it = [], iter(loader)
        for _ in range(5):
            got += [r.tobytes() for r in numpy.asarray(next(it)["input_ids"])]
        broken.append(1)
        failed = 0
        while len(got) < len(want):
            try:
                batch = next(it)
            except plexus.Error as e:
                assert "403" in str(e), e
                failed += 1
                broken.clear()
                it = iter(loader)
                continue
            got += [r.tobytes() for r in numpy.asarray(batch["input_ids"])]
        assert failed, "nothing failed"
        assert got == [r for _, r in want]


def in_child(loader, dataset, queue):
    ids = numpy.asarray(dataset[5]["input_ids"]).tolist()
    queue.put((rows_of(loader), ids, dataset.stats()["elsewhere"]))


@case
def children():
    """a loader and a dataset over a server go on in a forked and in a spawned process"""
    store("a.ndp3")
    with Web(world.folder()) as web:
        for method in "fork", "spawn":
            context = multiprocessing.get_context(method)
            data = Dataset(web.url + "/a.ndp3", cache_bytes=1 << 21)
            loader, queue = Loader(data, threads=2, **OPTIONS), context.SimpleQueue()
            it = iter(loader)
            next(it)
            child = context.Process(target=in_child, args=(loader, data, queue))
            child.start()
            rows, ids, elsewhere = queue.get()
            child.join()
            assert elsewhere and ids == numpy.asarray(data[5]["input_ids"]).tolist()
            del it
            assert rows == rows_of(loader), method


@case
def samples_and_copies():
    """samples are those of the file, and outlive what was fetched"""
    local = store("a.ndp3")
    with Web(world.folder()) as web:
        there, here = Dataset(web.url + "/a.ndp3", cache_bytes=1 << 20), Dataset(local)
        views = [there.view(i) for i in range(0, len(here), 7)]
        for i, v in zip(range(0, len(here), 7), views):
            assert numpy.array_equal(numpy.asarray(v), numpy.asarray(here.view(i))), i
        twin = copy.copy(there)
        assert twin.info() == here.info()
        Dataset(web.url + "/a.ndp3").verify()
        try: # a segment is checked as a whole
            there.verify()
            raise AssertionError("a cache of 1 MiB is enough for 4")
        except plexus.Limit as e:
            assert "cache" in str(e), e


if __name__ == "__main__":
    sys.exit(world.main())
