"""PEP 517: a wheel of what Meson built, for every Python from 3.11 on. ./dev wheel

The build directory is PLEXUS_BUILD, or `build` beside the sources, made where it is missing.
"""
import os
import subprocess
import sys
import sysconfig

from wheel.wheelfile import WheelFile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODULE = "bindings/python/plexus/_plexus.abi3.so"
SUMMARY = "Training data and models, mapped and shared with numpy and torch, not copied"


def version():
    with open(f"{ROOT}/meson.build", encoding="utf-8") as f:
        return next(line.split("'")[1] for line in f if line.lstrip().startswith("version:"))


def built():
    """The folder with the package as it is imported."""
    build = os.path.join(ROOT, os.environ.get("PLEXUS_BUILD", "build"))
    if not os.path.exists(f"{build}/build.ninja"):
        subprocess.run(["meson", "setup", build, ROOT], check=True, stdout=sys.stderr)
    subprocess.run(["ninja", "-C", build, MODULE], check=True, stdout=sys.stderr)
    return f"{build}/bindings/python/plexus"


def tag():
    return f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The wheel's name, as PEP 517 asks."""
    name, info = f"plexus-{version()}-{tag()}.whl", f"plexus-{version()}.dist-info"
    folder = built()
    os.makedirs(wheel_directory, exist_ok=True)
    path = os.path.join(wheel_directory, name)
    if os.path.exists(path):
        os.remove(path)
    with WheelFile(path, "w") as w:
        for place, _, names in sorted(os.walk(folder)):
            for f in sorted(names):
                inner = os.path.relpath(f"{place}/{f}", folder)
                if f.endswith((".py", ".pyi", ".typed", ".so")):
                    w.write(f"{folder}/{inner}", f"plexus/{inner}")
        w.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: plexus\nVersion: {version()}\n"
                   f"Summary: {SUMMARY}\nLicense: MIT\nRequires-Python: >=3.11\n"
                   "Provides-Extra: numpy\nRequires-Dist: numpy; extra == 'numpy'\n"
                   "Provides-Extra: torch\nRequires-Dist: torch; extra == 'torch'\n")
        w.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: plexus\n"
                   f"Root-Is-Purelib: false\nTag: {tag()}\n")
    return name


if __name__ == "__main__":
    print(os.path.join(sys.argv[1], build_wheel(sys.argv[1])))
