"""Which process of how many this is, as torchrun, MPI and Slurm say it in the environment."""
import os
import re
from typing import NamedTuple, Optional

# Who starts processes, and the names under which each says rank, size and rank on this machine.
LAUNCHERS = (
    ("torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("MVAPICH", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_RANK"),
    ("PMI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
    ("Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
)
PORT = 29500  # torch's own


class Place(NamedTuple):
    """One process of a job, and where all of them meet."""
    rank: int
    world: int
    local_rank: int
    master: str
    port: int
    launcher: str


def _number(env, name, least, most):
    text = env[name]
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise ValueError(f"{name}={text!r}: expected a number from {least} to {most}")
    return int(text)


def first_host(nodes):
    """The first of a list of Slurm's: "gpu[03-07,9],login" is gpu03."""
    m = re.match(r"([^,\[\]]+)(?:\[([0-9]+)[^\]]*\]([^,\[\]]*))?", nodes)
    if not m:
        raise ValueError(f"a list of nodes of Slurm that is none: {nodes!r}")
    return m[1] + (m[2] or "") + (m[3] or "")


def _master(env, launcher, local):
    if env.get("MASTER_ADDR"):
        return env["MASTER_ADDR"]
    if launcher == "Slurm":
        for name in ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"):
            if env.get(name):
                return first_host(env[name])
    if local:
        return "127.0.0.1"
    raise ValueError(f"MASTER_ADDR is not set: {launcher} does not say where rank 0 runs")


def _port(env):
    if env.get("MASTER_PORT"):
        return _number(env, "MASTER_PORT", 1, 65535)
    if "SLURM_JOB_ID" in env:  # jobs that share a machine do not meet each other
        return 20000 + _number(env, "SLURM_JOB_ID", 0, 999999999) % 10000
    return PORT


def place(env=None) -> Optional[Place]:
    """The Place of this process, or None: nobody started several. ValueError: it cannot be."""
    env = os.environ if env is None else env
    for launcher, rank, size, local in LAUNCHERS:
        if rank not in env or size not in env:
            continue
        world = _number(env, size, 1, 1000000)
        at = _number(env, rank, 0, world - 1)
        here = _number(env, local, 0, world - 1) if local in env else 0
        alone = env[size] in (env.get("OMPI_COMM_WORLD_LOCAL_SIZE"), env.get("MPI_LOCALNRANKS"))
        return Place(at, world, here, _master(env, launcher, world == 1 or alone), _port(env),
                     launcher)
    return None


def export(p: Place, env=None):
    """Say it as torchrun does, which is what torch reads."""
    env = os.environ if env is None else env
    env.update(RANK=str(p.rank), WORLD_SIZE=str(p.world), LOCAL_RANK=str(p.local_rank),
               MASTER_ADDR=p.master, MASTER_PORT=str(p.port))
