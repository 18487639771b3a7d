"""plexus.allreduce and the job below it, without torch; who this process is, by the environment."""
import array
import json
import multiprocessing
import os
import socket
import sys
import threading

import world
from world import case

import plexus
from plexus import _meet, _plexus, launch
from plexus.reduce import Job

SECRET = bytes(range(32))


def ports(n):
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    out = tuple(f"/ip4/127.0.0.1/udp/{s.getsockname()[1]}" for s in held)
    for s in held:
        s.close()
    return out


def jobs(n, **options):
    """The members of a job in one process."""
    addresses = ports(n)
    return [Job(_plexus.Reduce(rank=i, addresses=addresses, secret=SECRET, job=7, deadline_ms=600000,
                               silence_ms=20000, **options)) for i in range(n)]


def together(members, call):
    """call(job) of all of them at once; what each gave or raised."""
    out = [None] * len(members)

    def run(i):
        try:
            out[i] = call(members[i])
        except Exception as e:
            out[i] = e
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(members))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return out


@case
def sums():
    """three members: sum, mean, bf16 words, in place and returned; a residual keeps what is owed"""
    three = jobs(3)
    x = lambda job: array.array("f", [i / 7 + job.rank for i in range(5000)])  # noqa: E731
    got = together(three, lambda job: plexus.allreduce(x(job), job=job))
    assert got[0] == got[1] == got[2] and max(abs(v - (3 * i / 7 + 3)) for i, v in enumerate(got[0])) < 0.5
    mean = together(three, lambda job: plexus.allreduce(x(job), mean=True, job=job))
    assert mean[0] == mean[2] and abs(mean[0][700] - 101) < 0.1

    def in_place(job):
        a = array.array("f", [1.0 + job.rank] * 20)
        return plexus.allreduce(a, out=a, job=job) is a and a[19]
    assert together(three, in_place) == [6.0] * 3
    words = together(three, lambda job: plexus.allreduce(array.array("H", [0x3f80] * 33), job=job, bf16=True))
    assert [w.tolist() for w in words] == [[0x4040] * 33] * 3  # 1.0, 3.0
    owed = [array.array("f", [0.0] * 5000) for _ in three]
    together(three, lambda job: plexus.allreduce(x(job), residual=owed[job.rank], job=job))
    assert 0 < max(map(abs, owed[0])) < 1
    for _ in range(100):  # what is said again, since somebody waits for a processor, may be copied
        before = three[0].report()
        together(three, lambda job: plexus.allreduce(x(job), job=job))
        after = three[0].report()
        if after["copied"] == before["copied"]:
            break
    assert after["copied"] == before["copied"] and after["least"] == 3, after
    # Of 20,000 bytes each sends 2 / 3 as its part to others, and its own third to two: as 16 bits.
    assert after["bytes"] - before["bytes"] >= 20000 * 4 / 3 / 2
    for job in three:
        job.close()


@case
def refused():
    """what cannot be summed is refused before anybody waits"""
    job = jobs(1)[0]
    for bad, kind in ((array.array("d", [1.0]), TypeError), (b"1234", BufferError), (3, TypeError)):
        try:
            job.sum(bad)
            raise AssertionError("taken")
        except kind:
            pass
    try:
        job.sum(array.array("f", [0.0] * 4), array.array("f", [0.0] * 5))
        raise AssertionError("taken")
    except ValueError:
        pass
    for address, count in ((0, 4), (3, 4), (4096, -1)):
        try:
            job.member.sum_at(address, count)
            raise AssertionError("taken")
        except ValueError:
            pass
    for options in ({"bits": 7}, {"addresses": ()}, {"secret": b"short"}, {"addresses": ("/dns/x",)},
                    {"rank": 2}, {"path": "pigeon"}):
        try:
            _plexus.Reduce(**{"rank": 0, "addresses": ports(1), "secret": SECRET, "job": 1, **options})
            raise AssertionError(options)
        except ValueError:
            pass
    alone = array.array("f", [1.5])
    assert plexus.allreduce(alone) == alone and plexus.allreduce(alone) is not alone
    job.close()
    try:
        job.member.sum(alone)
        raise AssertionError("closed jobs sum")
    except ValueError as e:
        assert "closed" in str(e)


def in_child(job):
    try:
        job.member.sum(array.array("f", [1.0]))
        os._exit(1)
    except ValueError as e:
        os._exit(0 if "parent" in str(e) else 2)


@case
def forked():
    """a fork takes no part in its parent's job, and does not end it"""
    two = jobs(2)
    child = multiprocessing.get_context("fork").Process(target=in_child, args=(two[0],))
    child.start()
    child.join()
    assert child.exitcode == 0
    got = together(two, lambda job: plexus.allreduce(array.array("f", [2.0] * 9), job=job))
    assert got[0].tolist() == [4.0] * 9
    for job in two:
        job.close()


class Store:
    """What torch's stores do, within one process."""

    def __init__(self):
        self.values, self.changed = {}, threading.Condition()

    def set(self, key, value):
        with self.changed:
            self.values[key] = value.encode()
            self.changed.notify_all()

    def get(self, key):
        with self.changed:
            assert self.changed.wait_for(lambda: key in self.values, 60), key
            return self.values[key]

    def delete_key(self, key):
        with self.changed:
            return self.values.pop(key, None) is not None


class Rank:
    def __init__(self, store, rank):
        self.rank, self.board = rank, _meet.Board(store, "t", rank, 2)


@case
def meeting():
    """members meet over a store: all have the job, or none has it and all know why; the key is removed"""
    store = Store()
    members = together([Rank(store, 0), Rank(store, 1)],
                       lambda r: _meet.meet(r.board, "127.0.0.1", deadline_ms=600000))
    got = together([Job(m) for m in members], lambda job: plexus.allreduce(array.array("f", [1.0]), job=job))
    assert got[0].tolist() == [2.0] and not [k for k in store.values if "key" in k]
    store = Store()
    got = together([Rank(store, 0), Rank(store, 1)],
                   lambda r: _meet.meet(r.board, "127.0.0.1", "no shoes" if r.rank else ""))
    assert [str(e) for e in got] == ["rank 1: no shoes"] * 2
    store, taken = Store(), "192.0.2.1"  # nobody's address
    got = together([Rank(store, 0), Rank(store, 1)],
                   lambda r: _meet.meet(r.board, "127.0.0.1", address=taken if r.rank else None))
    assert all(isinstance(e, _meet.NotHere) and "rank 1: no port at 192.0.2.1" in str(e) for e in got), got
    assert _meet.common("127.0.1.1", ["127.0.1.1", "127.0.0.1"]) == "127.0.1.1"
    assert not any(k for k in store.values if "secret" in json.dumps(store.values[k].decode()))


@case
def places():
    """torchrun, Open MPI, MVAPICH, PMI and Slurm say who a process is"""
    p = launch.place({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "n1", "MASTER_PORT": "1234"})
    assert p == (3, 8, 1, "n1", 1234, "torchrun")
    p = launch.place({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
                      "OMPI_COMM_WORLD_LOCAL_RANK": "1"})
    assert p == (1, 2, 1, "127.0.0.1", 29500, "Open MPI")
    p = launch.place({"PMI_RANK": "0", "PMI_SIZE": "4", "MASTER_ADDR": "10.0.0.1"})
    assert p == (0, 4, 0, "10.0.0.1", 29500, "PMI")
    p = launch.place({"MV2_COMM_WORLD_RANK": "0", "MV2_COMM_WORLD_SIZE": "1"})
    assert p.launcher == "MVAPICH" and p.master == "127.0.0.1"
    slurm = {"SLURM_PROCID": "5", "SLURM_NTASKS": "6", "SLURM_LOCALID": "0", "SLURM_JOB_ID": "123456"}
    p = launch.place({**slurm, "SLURM_STEP_NODELIST": "gpu[03-07,9],login1"})
    assert p == (5, 6, 0, "gpu03", 23456, "Slurm")
    env = {}
    launch.export(p, env)
    assert launch.place(env)[:5] == p[:5]
    assert launch.first_host("a1,b[2-3]") == "a1" and launch.first_host("r[1-4]n2") == "r1n2"
    assert launch.place({}) is None and launch.place({"RANK": "0"}) is None
    for bad in ({"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "x", "WORLD_SIZE": "2"},
                {"RANK": "0", "WORLD_SIZE": "-1"}, {"PMI_RANK": "0", "PMI_SIZE": "2"},
                {"SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_STEP_NODELIST": "[3"},
                {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "99999"}):
        try:
            raise AssertionError(launch.place(bad))
        except ValueError:
            pass


if __name__ == "__main__":
    sys.exit(world.main())
