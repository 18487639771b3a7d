"""The digest of the embedded model is one and the same on every path: CPU masks, thread counts,
chunks of the prompt, company in the batch, and on AArch64 under qemu where it can be built."""
import fcntl
import json
import os
import shutil
import subprocess
import sys


def digest(command, mask=None, *options):
    env = {**os.environ, **({"PLEXUS_CPU": mask} if mask else {})}
    run = subprocess.run([*command, "digest", "tiny", "--json", *options], env=env,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        return f"exit {run.returncode}: {run.stderr.strip()[:200]}"
    return json.loads(run.stdout)["digest"]


def aarch64(source, program):
    """Command of the program built for AArch64, or the reason why there is none."""
    build = os.path.join(os.path.dirname(program), "aarch64")
    emulator = shutil.which("qemu-aarch64-static")
    if not emulator or not shutil.which("aarch64-linux-gnu-gcc"):
        return None, "no cross compiler or no qemu"
    if not os.path.exists("/usr/lib/aarch64-linux-gnu/pkgconfig/jansson.pc"):
        return None, "no jansson for arm64"
    with open(f"{build}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests/kernel/aarch64.sh builds there too
        if not os.path.exists(f"{build}/build.ninja"):
            subprocess.run(["meson", "setup", build, source, "--cross-file",
                            f"{source}/tools/cross/aarch64.ini"], stdout=subprocess.DEVNULL,
                           check=True)
        subprocess.run(["ninja", "-C", build, "plexus"], stdout=subprocess.DEVNULL, check=True)
    return [emulator, f"{build}/plexus"], None


def main():
    program, source = sys.argv[1], sys.argv[2]
    own = [program]
    x86 = os.uname().machine == "x86_64"
    masks = ["scalar", "avx2", "avx512", "avx512vnni"] if x86 else ["scalar", "neon"]
    cases = [(f"mask {m}", own, m, []) for m in masks]
    cases += [(f"threads {t}", own, None, ["--threads", str(t)]) for t in (1, 2, 3)]
    cases += [(f"chunk {c}", own, None, ["--chunk", str(c)]) for c in (1, 7, 16)]
    cases += [(f"beside {b}", own, None, ["--beside", str(b)]) for b in (1, 5)]
    cases += [("all at once", own, "scalar", ["--threads", "2", "--chunk", "5", "--beside", "2"])]
    other, reason = aarch64(source, program)
    cases += [("aarch64", other, None, []), ("aarch64 scalar", other, "scalar", [])]
    print(f"TAP version 13\n1..{len(cases)}")
    expected, failed = digest(own), 0
    for n, (name, command, mask, options) in enumerate(cases, 1):
        if not command:
            print(f"ok {n} - {name} # SKIP {reason}")
            continue
        found = digest(command, mask, *options)
        if "lacks" in found or "exit 2" in found:
            print(f"ok {n} - {name} # SKIP {found}")
            continue
        failed += found != expected
        print(f"{'ok' if found == expected else 'not ok'} {n} - {name}")
        if found != expected:
            print(f"# {found}, expected {expected}")
    return 1 if failed or len(expected) != 64 else 0


if __name__ == "__main__":
    sys.exit(main())
