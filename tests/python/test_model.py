"""Models and shards as views: the embedded model's file, and shards of it in a store."""
import gc
import glob
import os
import subprocess
import sys

import world
from world import case, path

try:
    import numpy
except ImportError:
    world.skip("python3-numpy is not installed")

import plexus

ASSET = os.path.realpath(os.path.join(sys.argv[1], "assets/tiny.gguf"))


@case
def tensors():
    """tensors lie in the mapping, with the types of their elements, and keep it alive"""
    m = plexus.open(ASSET)
    assert len(m) == len(list(m)) > 10
    kinds = {"F32": numpy.float32, "F16": numpy.float16}
    for name, kind in m.types.items():
        n = numpy.asarray(m.tensor(name))
        assert n.dtype == kinds.get(kind, n.dtype) and n.size, (name, kind)
        assert world.mapped(n.ctypes.data, n.nbytes, ASSET), name
    norm = numpy.asarray(m.tensor("output_norm.weight"))
    assert norm.ndim == 1 and numpy.isfinite(norm).all()
    embed = m.tensor("token_embd.weight")
    assert len(embed.shape) == 2 and embed.shape[0] > 100
    copy, address = norm.copy(), norm.ctypes.data
    del m, n, embed
    gc.collect()
    assert (norm == copy).all() and world.mapped(address, norm.nbytes, ASSET)
    del norm
    gc.collect()
    assert not world.mapped(address, 4, ASSET)


@case
def absent():
    """a tensor that is not there is a KeyError, a file that is none has its own class"""
    m = plexus.open(ASSET)
    try:
        m.tensor("none")
    except KeyError as e:
        assert "none" in str(e)
    else:
        raise AssertionError("found")
    with open(path("bad.gguf"), "wb") as f:
        f.write(b"GGUF" + bytes(8))
    try:
        plexus.open(path("bad.gguf"))
    except plexus.Error as e:
        assert e.code.startswith("PX-FMT") and e.hint
    else:
        raise AssertionError("opened")


@case
def shards():
    """the shards of a store hold each tensor of the model once, with the same bytes"""
    if len(sys.argv) < 3:
        return
    env = {**os.environ, "HOME": world.FOLDER, "XDG_DATA_HOME": path("data"),
           "XDG_RUNTIME_DIR": world.FOLDER, "XDG_CONFIG_HOME": path("config")}
    run = subprocess.run([sys.argv[2], "push", ASSET], env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    if "network" in run.stdout and run.returncode:
        return
    assert run.returncode == 0, run.stdout
    model, seen = plexus.open(ASSET), []
    for file in glob.glob(f"{world.FOLDER}/**/*", recursive=True):
        if not os.path.isfile(file) or open(file, "rb").read(4) != b"GGUF":
            continue
        try:
            shard = plexus.Shard(file)
        except plexus.Error:
            continue
        assert shard.data.nbytes == os.path.getsize(file)
        for name in shard:
            seen.append(name)
            assert bytes(shard.tensor(name)) == bytes(model.tensor(name)), name
    assert sorted(seen) == sorted(model), (len(seen), run.stdout)


if __name__ == "__main__":
    sys.exit(world.main())
