"""Run the tests: plain, under ASan and UBSan, and under TSan where threads meet. ./dev check

./dev check [--quick] [meson test arguments]    --quick: the plain build only
Ends with one line: N passed, N failed, N skipped. TAP programs count each of their cases.
"""
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

# Compiled fast rather than well: more time goes into building these than into running them.
FAST = ["-Doptimization=1", "-Ddebug=true", "-Dc_args=-g1"]
# name, directory suffix, meson options, suites
SANITIZED = [
    ("asan", "-asan", ["-Db_sanitize=address,undefined", *FAST], ["unit", "fuzz"]),
    ("tsan", "-tsan", ["-Db_sanitize=thread", *FAST], ["threads"]),
]
# One more than there are processors: some tests mostly wait.
AT_ONCE = str(len(os.sched_getaffinity(0)) + 1)
ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
       "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "TSAN_OPTIONS": "halt_on_error=1"}


def programs(build, suites):
    """The programs that the tests of these suites run, as targets of ninja."""
    out = subprocess.run(["meson", "introspect", "--tests", build], stdout=subprocess.PIPE,
                         check=True).stdout
    full = os.path.abspath(build)
    return sorted({os.path.relpath(t["cmd"][0], full) for t in json.loads(out)
                   if {s.split(":")[-1] for s in t["suite"]} & set(suites)
                   and t["cmd"][0].startswith(full + os.sep)})


def configure(build, options, suites):
    """Builds what these suites run. Niced: the tests of another build run at the same time."""
    if not os.path.exists(f"{build}/build.ninja"):
        subprocess.run(["meson", "setup", build, *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["nice", "-n", "5", "ninja", "-C", build, "--quiet", *programs(build, suites)],
                   check=True)


def run_tests(build, arguments):
    """The exit status of meson, and the totals."""
    env = {**os.environ, **ENV, **({"PX_TEST_LIGHT": "1"} if build.endswith("-tsan") else {})}
    run = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs",
                          "--num-processes", AT_ONCE, *arguments], stdout=subprocess.PIPE,
                         text=True, env=env)
    sys.stdout.write(f"--- {build}\n{run.stdout}")
    sys.stdout.flush()
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    with open(f"{build}/meson-logs/testlog.json", encoding="utf-8", errors="replace") as log:
        for line in log:
            count(json.loads(line), totals)
    return run.returncode, totals


def count(test, totals):
    lines = re.findall(r"^(?:ok|not ok) \d+.*$", test.get("stdout", ""), re.M)
    bad = test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")
    if not lines:
        totals["failed" if bad else "skipped" if test["result"] == "SKIP" else "passed"] += 1
        return
    failed = sum(line.startswith("not ok") for line in lines)
    skipped = sum("# SKIP" in line for line in lines)
    totals["skipped"] += skipped
    totals["failed"] += failed or (1 if bad else 0)
    totals["passed"] += len(lines) - failed - skipped


def main():
    build, arguments = sys.argv[1], sys.argv[2:]
    quick = "--quick" in arguments
    arguments = [a for a in arguments if a != "--quick"]
    sanitized = [] if quick or arguments else SANITIZED
    with ThreadPoolExecutor() as pool:
        # Many tests wait: the next builds are made meanwhile, one after the other.
        built = pool.submit(lambda: [configure(build + b[1], b[2], b[3]) for b in sanitized])
        runs = [pool.submit(run_tests, build, arguments)]
        built.result()
        runs[0].result()
        runs += [pool.submit(run_tests, build + suffix, [x for s in suites for x in ("--suite", s)])
                 for _, suffix, _, suites in sanitized]
    code = any(r.result()[0] for r in runs)
    totals = {k: sum(r.result()[1][k] for r in runs) for k in ("passed", "failed", "skipped")}
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if code or totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
