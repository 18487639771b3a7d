"""Each public header compiles alone, as C11 and as C++17, without warnings."""
import pathlib
import shutil
import subprocess
import sys


def main():
    root = pathlib.Path(sys.argv[1])
    headers = sorted((root / "include/plexus").glob("*.h"))
    clang = shutil.which("clang-14") or shutil.which("clang")
    jobs = [(h, ["gcc", "-x", "c", "-std=c11"]) for h in headers]
    if clang:
        jobs += [(h, [clang, "-x", "c++", "-std=c++17"]) for h in headers]
    print(f"TAP version 13\n1..{len(jobs)}")
    failed = 0
    for n, (header, compiler) in enumerate(jobs, 1):
        run = subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic",
                              "-fsyntax-only", f"-I{root / 'include'}", "-include", str(header),
                              "/dev/null"], stderr=subprocess.PIPE, text=True)
        failed += run.returncode != 0
        for line in run.stderr.split("\n")[:5]:
            print(f"# {line}")
        print(f"{'ok' if run.returncode == 0 else 'not ok'} {n} - {header.name} {compiler[-1]}")
    return 1 if failed or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
