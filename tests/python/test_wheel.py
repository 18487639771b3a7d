"""The wheel holds the package, and it is imported from there."""
import importlib.util
import os
import subprocess
import sys
import zipfile

import world
from world import case, path

if not importlib.util.find_spec("wheel"):
    world.skip("python3-wheel is not installed")

sys.path.append(f"{sys.argv[1]}/bindings/python")
import backend
import plexus

PACKAGE = os.path.dirname(plexus.__file__)
backend.built = lambda: PACKAGE


@case
def wheel():
    """each file of the package is in the wheel, which has a tag for every Python from 3.11 on"""
    name = backend.build_wheel(path("dist"))
    assert name.startswith(f"plexus-{plexus.__version__}-cp311-abi3-linux_"), name
    with zipfile.ZipFile(path("dist") + "/" + name) as z:
        held = set(z.namelist())
        z.extractall(path("site"))
    for f in ("__init__.py", "_plexus.abi3.so", "_plexus.pyi", "data.py", "py.typed", "torch.py"):
        assert f"plexus/{f}" in held, f
    assert any(f.endswith("/RECORD") for f in held)
    out = subprocess.run([sys.executable, "-c", "import plexus; print(plexus.__file__)"],
                         env={**os.environ, "PYTHONPATH": path("site")}, cwd=world.FOLDER,
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    assert out.startswith(path("site")), out


@case
def stubs():
    """the stubs name each class of the extension, and each method"""
    import ast
    with open(f"{PACKAGE}/_plexus.pyi", encoding="utf-8") as f:
        told = {n.name: {m.target.id if isinstance(m, ast.AnnAssign) else getattr(m, "name", "")
                         for m in n.body}
                for n in ast.parse(f.read()).body if isinstance(n, ast.ClassDef)}
    found = {k: v for k, v in vars(plexus._plexus).items() if isinstance(v, type)}
    assert sorted(told) == sorted(found)
    for name in ("View", "Data", "Writer", "Batch", "Loader", "Gguf"):
        public = {m for m in vars(found[name]) if not m.startswith("_")}
        assert public <= told[name], (name, public - told[name])


if __name__ == "__main__":
    sys.exit(world.main())
