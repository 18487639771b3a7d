"""Gradients of torch over plexus: the hook of DDP on two and four ranks, under torchrun."""
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile

import world
from world import case

if not importlib.util.find_spec("torch") or not importlib.util.find_spec("numpy"):
    world.skip("python3-torch is not installed")

import torch
import torch.distributed

if not torch.distributed.is_available():
    world.skip("this torch has no torch.distributed")

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ddp_worker.py")


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **more}


def folder():
    return tempfile.mkdtemp(dir=world.folder())


def results(at, ranks):
    out = []
    for rank in ranks:
        with open(f"{at}/{rank}.json", encoding="utf-8") as f:
            out.append(json.load(f))
    return out


def torchrun(what, ranks):
    """What each rank saw, and what they said. -r and -t: torchrun of Debian's torch 1.13 does not
    start without them under Python 3.11."""
    at = folder()
    r = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--master_addr", "127.0.0.1",
                        "--master_port", str(port()), "-r", "1", "-t", "1", "--log_dir", at, "--nproc_per_node", str(ranks), WORKER, what, at],
                       env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       timeout=500)
    assert r.returncode == 0, r.stdout[-4000:]
    return results(at, range(ranks)), r.stdout


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def by_hand(what, ranks, names=("RANK", "WORLD_SIZE"), **more):
    """The processes of a job without torchrun, which would end all when one is killed."""
    at, master = folder(), str(port())
    started = [subprocess.Popen([sys.executable, WORKER, what, at], stderr=subprocess.PIPE, text=True,
                                env=environment(MASTER_ADDR="127.0.0.1", MASTER_PORT=master,
                                                **{names[0]: str(i), names[1]: str(ranks)}, **more))
               for i in range(ranks)]
    ended = [p.communicate(timeout=300)[1] for p in started]
    return at, [p.returncode for p in started], ended


def left_behind(run):
    """Names in shared memory, and those at which processes meet."""
    meet = f"{run}/plexus-paths"
    return [n for n in os.listdir("/dev/shm") if "plexus" in n] + (os.listdir(meet) if os.path.isdir(meet) else [])


def check_hook(ranks):
    seen, _ = torchrun("hook", ranks)
    gloo = seen[0]["0"]["losses"]
    for bits, most in (("16", 0.55), ("8", 0.30), ("4", 0.30)):
        if bits not in seen[0]:
            continue
        ours = [s[bits] for s in seen]
        assert all(o["active"] for o in ours), ours[0]["why"]
        assert len({o["digest"] for o in ours}) == 1, "parameters differ between ranks"
        assert ours[0]["losses"][-1] < 0.9 * ours[0]["losses"][0], ours[0]["losses"]
        assert abs(ours[0]["losses"][-1] / gloo[-1] - 1) < 0.02, (ours[0]["losses"][-1], gloo[-1])
        # Of a ring with f32 each rank sends 2 (n - 1) / n of its bytes. What a rank that waits says
        # again depends on who gets a processor, so the share of what is said first counts, and of
        # that the best step: answers are asked for again by others.
        for o in ours:
            steps = [c["bytes"] * c["packets"] / (c["packets"] + c["again"])
                     / (c["values"] * 4 * 2 * (ranks - 1) / ranks) for c in o["counts"]]
            assert min(steps) <= most, (bits, steps)
            assert min(c["copied"] for c in o["counts"]) == 0, o["counts"]
            assert o["counts"][-1]["sums"] >= 2 and o["buckets"] > len(o["counts"])  # cut anew, too
            assert o["path"] == "shm" or "udp" in o["path"], o["path"]


@case
def two_ranks():
    """two ranks: parameters equal by hash, the loss falls as with gloo, bytes and copies counted"""
    check_hook(2)


@case
def four_ranks():
    """four ranks: the same"""
    check_hook(4)


def check_killed(ranks, who, path=""):
    run = folder()
    at, codes, said = by_hand("killed", ranks, KILLED=str(who), XDG_RUNTIME_DIR=run,
                              **({"PATHS": path} if path else {}))
    others = [r for r in range(ranks) if r != who]
    assert codes[who] == -9 and all(codes[r] == 0 for r in others), (codes, said)
    for seen in results(at, others):
        assert seen["error"] == "Timeout" and seen["code"] == "PX-NET-041", seen
        assert seen["seconds"] < 60, seen
    assert not left_behind(run), left_behind(run)


@case
def killed_of_two():
    """a rank of two is killed in backward: the other raises plexus.Timeout, and nothing stays"""
    check_killed(2, 1)
    check_killed(2, 0, "udp")


@case
def killed_of_four():
    """a rank of four is killed in backward: the three others raise plexus.Timeout"""
    check_killed(4, 2)


@case
def fallback():
    """what plexus does not take goes by gloo, and rank 0 says why in one line"""
    seen, said = torchrun("fallback", 2)
    for s in seen:
        assert not s["f64"]["active"] and s["f64"]["same"] and "float64" in s["f64"]["why"], s
        assert not s["path"]["active"] and s["path"]["same"] and "pigeon" in s["path"]["why"], s
        assert s["mixed"]["active"] and s["mixed"]["buckets"] > 0, s
        assert all(abs(g - 1.5) < 1e-3 for g in s["mixed"]["grads"]), s
    lines = [line for line in said.splitlines() if "gradients go by gloo" in line]
    assert len(lines) == 2 and "rank 0: gradients of torch.float64" in lines[0], said
    assert said.count("go by the process group") == 1, said


@case
def arrays():
    """plexus.allreduce of numpy, torch, bf16 and plain arrays, by the names of MPI, PMI and Slurm"""
    for names, ranks in ((("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), 2),
                         (("SLURM_PROCID", "SLURM_NTASKS"), 3)):
        at, codes, said = by_hand("arrays", ranks, names)
        assert not any(codes), (codes, said)
        seen = results(at, range(ranks))
        assert len({s["digest"] for s in seen}) == 1
        for s in seen:
            assert s["numpy"] and s["torch"] and s["bf16"] and s["array"], s
            assert "float32" in s["f64"] and "int32" in s["int"] and 0 < s["owed"] < 1, s


@case
def residuals():
    """what is owed goes along with its parameter when buckets are cut anew"""
    from plexus.torch import _Residuals
    a, b, c = (torch.nn.Parameter(torch.zeros(n)) for n in (3, 4, 5))
    r = _Residuals()
    r.of([a, b], 7).copy_(torch.arange(7.0))
    r.of([c], 5).fill_(9)
    flat = r.of([c, a], 8)
    assert flat.tolist() == [9.0] * 5 + [0.0, 1.0, 2.0] and flat is r.of([c, a], 8)
    assert r.of([b], 4).tolist() == [3.0, 4.0, 5.0, 6.0] and len(r.flat) == 2


if __name__ == "__main__":
    sys.exit(world.main())
