"""Sums of arrays over the processes of a job: gradients as 16-, 8- or 4-bit fixed point."""
import array as arrays
import atexit
import queue
import sys
import threading
import weakref

from . import _meet, _plexus, launch

TIMEOUT = 1800  # seconds for which a member may be busy elsewhere, as in torch
SILENCE = 5     # seconds after which a process that answers nothing is given up
MOST = 64       # ranks of a job


class Ticket:
    """A sum that runs on the thread of its job."""

    def __init__(self):
        self.error = None
        self._done = threading.Event()

    def end(self, error):
        self.error = error
        self._done.set()

    def wait(self, timeout=None):
        """Until it is there. Raises what went wrong."""
        if not self._done.wait(timeout):
            raise _plexus.Timeout(f"no sum after {timeout} s: not all ranks have come")
        if self.error:
            raise self.error


def _serve(work):
    """The thread of a job: one sum after the other, in the order in which they were asked for."""
    while (item := work.get()) is not None:
        call, ticket, then = item
        error = None
        try:
            call()
        except Exception as e:  # to whoever waits for it
            error = e
        ticket.end(error)
        if then:
            then(error)
        del item, call, ticket, then


class Job:
    """The members of a job that this process sums with. All ranks call the same, in one order."""

    def __init__(self, member):
        self.member = member
        self.rank, self.world = member.rank, member.world
        self._work = queue.SimpleQueue()
        self._thread = threading.Thread(target=_serve, args=(self._work,), name="plexus-sums",
                                        daemon=True)
        self._thread.start()
        _jobs.add(self)

    def start(self, address, count, residual=0, mean=False, bf16=False, then=None):
        """Sum memory that the caller keeps alive, on the job's thread; a Ticket. then(error) is
        called there when it is done."""
        ticket = Ticket()
        call = lambda: self.member.sum_at(address, count, residual, mean, bf16)  # noqa: E731
        self._work.put((call, ticket, then))
        return ticket

    def sum(self, array, residual=None, mean=False, bf16=False, timeout=None):
        """Sum a writable array of floats in place."""
        ticket = Ticket()
        call = lambda: self.member.sum(array, residual, mean, bf16)  # noqa: E731
        self._work.put((call, ticket, None))
        ticket.wait(timeout)

    def report(self):
        """What it cost since it was opened, between sums."""
        return self.member.report()

    def close(self):
        """Leave, once what was asked for is done. A sum that hangs is not waited for."""
        self._work.put(None)
        self._thread.join(timeout=SILENCE)
        if not self._thread.is_alive():
            self.member.close()


_jobs = weakref.WeakSet()
_default = None


@atexit.register
def _leave():
    for job in list(_jobs):
        job.close()


def _open(board, host, why="", bits=16, path=None, address=None, timeout=TIMEOUT, silence=SILENCE,
          stochastic=False):
    """A Job that all members of the board have; _meet.NotHere. The first sum is behind it."""
    if board.world > MOST:
        why = why or f"{board.world} ranks, a job has up to {MOST}"
    job = Job(_meet.meet(board, host, why, address, bits=bits, path=path,
                         deadline_ms=int(timeout * 1000), silence_ms=int(silence * 1000),
                         stochastic=stochastic))
    job.sum(arrays.array("f", [1.0] * 16), timeout=60)
    return job


def join(name=None, node=None, address=None, host=None, **options):
    """The Job of this process, which allreduce uses from then on. With a name: one that a node
    offers (plexus agg offer), joined through the control socket of our own node. Else the ranks that
    torchrun, MPI or Slurm started, which meet over torch's store.

    options: bits (16, 8 or 4), path (None: what is measured to be the cheapest; udp, shm, xsk,
    verbs), timeout and silence in seconds, stochastic.
    """
    global _default
    if name:
        took = {k: v for k, v in options.items() if k == "path"}
        job = Job(_plexus.Reduce(name=name, node=node, address=address, host=host,
                                 deadline_ms=TIMEOUT * 1000, silence_ms=SILENCE * 1000, **took))
    else:
        from . import torch as with_torch
        board, master = with_torch.board()
        job = _open(board, master, address=address, **options)
    _default = job
    return job


def _alone():
    p = launch.place()
    torch = sys.modules.get("torch")
    started = bool(torch and torch.distributed.is_available() and torch.distributed.is_initialized())
    return not started and (p is None or p.world == 1)


def _is_torch(x):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def _memory(x):
    """What the extension sums, and whether it is bfloat16."""
    if _is_torch(x):
        import torch
        if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
            raise TypeError(f"expected a float32 or bfloat16 tensor of the processor, found {x.dtype} "
                            f"on {x.device}")
        if not x.is_contiguous():
            raise ValueError("the tensor is not contiguous")
        bf16 = x.dtype == torch.bfloat16
        x = x.detach()
        return (x.view(torch.int16) if bf16 else x).numpy(), bf16
    if str(getattr(x, "dtype", "")) == "bfloat16":
        return x.view("uint16"), True
    return x, False


def _copy(x):
    if _is_torch(x):
        import torch
        return x.detach().clone(memory_format=torch.contiguous_format)
    if hasattr(x, "__array_interface__") and hasattr(x, "copy"):
        return x.copy(order="C")
    m = memoryview(x)
    new = arrays.array(m.format.lstrip("@=<"))
    new.frombytes(m.cast("B"))
    return new


def allreduce(array, mean=False, out=None, residual=None, bf16=False, job=None):
    """The sum of the arrays of all ranks, or their mean: a new array, or `out`, which may be the
    array itself. float32 or bfloat16 as NumPy, torch (on the processor) or the buffer protocol have
    them, of one shape on all ranks; bf16=True: a buffer of 16-bit words holds bfloat16. The result
    has the same bits on all ranks.

    residual: float32, as many values, zero at first: keeps what rounding took for the next call.
    job: of join(); without, the ranks that started together meet at the first call. One process
    alone gets its own array.
    """
    if out is None:
        out = _copy(array)
    elif out is not array:
        out[...] = array
    memory, is_bf16 = _memory(out)
    owed = None if residual is None else _memory(residual)[0]
    job = job or _default
    if job is None and _alone():
        return out
    if job is None:
        job = join()
    job.sum(memory, owed, mean, bf16 or is_bf16)
    return out
