"""What needs torch to be imported: batches as it knows them, and gradients over plexus."""
import logging
import os

import torch
import torch.distributed as dist
from torch.utils.data import IterableDataset

from . import _meet, _plexus, launch
from . import reduce as sums

log = logging.getLogger("plexus")


class Batches(IterableDataset):
    """A plexus.data.Loader as torch knows it: DataLoader(Batches(loader), batch_size=None)."""

    def __init__(self, loader):
        super().__init__()
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)

    def state_dict(self):
        """Where the loader is."""
        return self.loader.state_dict()

    def load_state_dict(self, state):
        """Go on from there."""
        self.loader.load_state_dict(state)


# ------------------------------------------------------------------------ who is there

_met = {}  # how often the ranks of a group have met, the same on all of them


def init(backend="gloo", **options):
    """torch.distributed.init_process_group for processes that torchrun, MPI or Slurm started."""
    place = launch.place()
    if place:
        launch.export(place)
    dist.init_process_group(backend, **options)


def _members(group):
    """Ranks of a group, as the world counts them."""
    if group is None or group is dist.group.WORLD:
        return list(range(dist.get_world_size()))
    known = getattr(dist, "get_process_group_ranks", None)
    return list(known(group)) if known else list(dist.distributed_c10d._pg_group_ranks[group])


def board(group=None):
    """Where the ranks of a group, or of the world, meet: a _meet.Board and the host of rank 0."""
    master = os.environ.get("MASTER_ADDR") or "127.0.0.1"
    if not dist.is_initialized():
        place = launch.place()
        if not place:
            raise _plexus.Unreachable("no ranks are known: start them with torchrun, MPI or Slurm, or "
                                      "join a job by its name")
        launch.export(place)
        store, rank, world = next(dist.rendezvous("env://"))
        ranks, master = list(range(world)), place.master
    else:
        store, ranks = dist.distributed_c10d._get_default_store(), _members(group)
        rank, world = ranks.index(dist.get_rank()), len(ranks)
    who = "-".join(map(str, ranks)) if len(ranks) <= 8 else str(hash(tuple(ranks)))
    turn = _met[who] = _met.get(who, 0) + 1
    return _meet.Board(store, f"plexus/{who}/{turn}", rank, world), master


# ------------------------------------------------------------------------- DDP's hook


class _Residuals:
    """What rounding took of each parameter, for the next step. DDP cuts its buckets anew after the
    first backward pass: what is owed goes along with its parameter."""

    def __init__(self):
        self.flat = {}   # ids of the parameters of a bucket: one tensor, laid out as it is
        self.place = {}  # id of a parameter: its part

    def of(self, parameters, count):
        key = tuple(map(id, parameters))
        if key not in self.flat:
            self.flat[key] = self._gather(key, parameters, count)
        return self.flat[key]

    def _gather(self, key, parameters, count):
        flat = torch.zeros(count)
        if sum(p.numel() for p in parameters) != count:
            return flat  # laid out otherwise: it begins anew
        at = 0
        for k, p in zip(key, parameters):
            part = flat[at:at + p.numel()]
            if k in self.place:
                part.copy_(self.place[k])
            self.place[k] = part
            at += p.numel()
        self.flat = {k: v for k, v in self.flat.items() if not set(k) & set(key)}
        return flat


class Attached:
    """What attach gives: `active`, or `why` not; report() of what it cost."""

    def __init__(self, job, why, group, error_feedback):
        self.job, self.why, self.active = job, why, job is not None
        self.group = group
        self.buckets = 0  # that went over plexus
        self._residuals = _Residuals() if error_feedback else None
        self._tickets = []  # of the backward pass that runs
        self._said = set()

    def report(self):
        """Counts since it was attached: sums, values, bytes (sent), copied, path, why, ..."""
        return self.job.report() if self.job else {}

    def close(self):
        """Leave the job; no backward pass can follow."""
        if self.job:
            self.job.close()

    # A bucket of gradients, in the thread of the backward pass: its own memory is what is summed.
    def _hook(self, _, bucket):
        t = bucket.buffer()
        done = torch.futures.Future()
        if t.device.type != "cpu" or t.dtype not in (torch.float32, torch.bfloat16):
            return self._by_group(t)
        owed = self._residuals.of(bucket.parameters(), t.numel()) if self._residuals else None
        awaited = bool(self._tickets) or self._await()
        self.buckets += 1

        def then(error):
            del owed_ref[:]
            if error and not awaited:
                done.set_exception(error)
            else:
                done.set_result(t)
        owed_ref = [owed]
        self._tickets.append(self.job.start(t.data_ptr(), t.numel(), owed.data_ptr() if owed is not None
                                            else 0, True, t.dtype == torch.bfloat16, then))
        return done

    def _await(self):
        """Have the backward pass end with our own exception, if there is one."""
        self._tickets = []
        try:
            torch.autograd.Variable._execution_engine.queue_callback(self._finish)
        except RuntimeError:
            return False  # no backward pass: DDP's join() plays one
        return True

    def _finish(self):
        tickets, self._tickets = self._tickets, []
        for t in tickets:
            t.wait()

    def _by_group(self, t):
        """A bucket that plexus does not take: the mean over the process group."""
        if t.dtype not in self._said and dist.get_rank() == 0:
            log.warning("plexus: gradients of %s on %s go by the process group: plexus takes float32 "
                        "and bfloat16 of the processor", t.dtype, t.device)
        self._said.add(t.dtype)
        work = dist.all_reduce(t.div_(dist.get_world_size(self.group)), group=self.group, async_op=True)
        return work.get_future().then(lambda f: f.value()[0])


def _why_not(model, world):
    """Why this rank cannot sum the gradients of the model, or ""."""
    devices = {str(p.device) for p in model.parameters() if p.requires_grad and p.device.type != "cpu"}
    types = {p.dtype for p in model.parameters() if p.requires_grad}
    if world == 1:
        return "there is one rank"
    if devices:
        return f"gradients on {', '.join(sorted(devices))}: plexus sums memory of the processor"
    if not types & {torch.float32, torch.bfloat16}:
        return f"gradients of {', '.join(map(str, types))}: plexus takes float32 and bfloat16"
    return ""


def attach(ddp_model, bits=16, error_feedback=True, path=None, address=None, timeout=sums.TIMEOUT,
           silence=sums.SILENCE, stochastic=False):
    """Have the gradients of a DistributedDataParallel model summed by plexus: a communication hook.
    Every rank calls it, with the same arguments, before the first backward pass.

    bits             of a value on the wire, 16, 8 or 4
    error_feedback   what rounding takes of a gradient is added to that of the next step
    path             None: what is measured to be the cheapest; or udp, shm, xsk, verbs
    address          ip that others reach this rank at; None: the one towards MASTER_ADDR
    timeout          seconds for which a rank may be busy elsewhere
    silence          seconds after which a process that is gone is noticed; backward() then raises
                     plexus.Timeout on all others
    stochastic       round stochastically instead of to nearest

    Where plexus cannot be used the process group goes on as before, and rank 0 says why in one line
    (logger "plexus"). Returns an Attached.
    """
    group = ddp_model.process_group
    where, master = board(group)
    try:
        job = sums._open(where, master, _why_not(ddp_model, where.world), bits, path, address,
                         timeout, silence, stochastic)
    except _meet.NotHere as e:
        if where.rank == 0:
            log.warning("plexus: %s; gradients go by %s", e, dist.get_backend(group))
        return Attached(None, str(e), group, error_feedback)
    attached = Attached(job, "", group, error_feedback)
    ddp_model.register_comm_hook(None, attached._hook)
    return attached
