"""Run the tests: plain, under ASan and UBSan, and under TSan where threads meet. ./dev check

./dev check [--quick] [meson test arguments]    --quick: the plain build only
A test that fails is run once more, alone: passing then it counts, and is named. What a sanitizer
reports stands.
Ends with what failed, and one line: N passed, N failed, N skipped. TAP programs count each of their
cases.
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
# A busy machine fails what waits for threads, processes and sockets. It does not make these.
REPORT = re.compile(r"Sanitizer|runtime error:")
# Lines of a failed test's output that are shown at the end.
TAIL = 25
# One more than there are processors: some tests mostly wait.
AT_ONCE = str(len(os.sched_getaffinity(0)) + 1)
ENV = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
       "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "TSAN_OPTIONS": "halt_on_error=1"}


def programs(build, suites):
    """The programs that the tests of these suites run, and what these load, as targets of ninja."""
    out = subprocess.run(["meson", "introspect", "--tests", build], stdout=subprocess.PIPE,
                         check=True).stdout
    full = os.path.abspath(build)
    return sorted({os.path.relpath(path, full) for t in json.loads(out)
                   if {s.split(":")[-1] for s in t["suite"]} & set(suites)
                   for path in (t["cmd"][0], *t["env"].values()) if path.startswith(full + os.sep)})


def configure(build, options, suites):
    """Builds what these suites run. Niced: the tests of another build run at the same time."""
    if not os.path.exists(f"{build}/build.ninja"):
        subprocess.run(["meson", "setup", build, *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["nice", "-n", "5", "ninja", "-C", build, "--quiet", *programs(build, suites)],
                   check=True)


def meson_test(build, arguments):
    env = {**os.environ, **ENV, **({"PX_TEST_LIGHT": "1"} if build.endswith("-tsan") else {})}
    run = subprocess.run(["meson", "test", "-C", build, "--no-rebuild", *arguments],
                         stdout=subprocess.PIPE, text=True, env=env)
    sys.stdout.write(f"--- {build}\n{run.stdout}")
    sys.stdout.flush()
    name = "testlog"
    if "--logbase" in arguments:
        name = arguments[arguments.index("--logbase") + 1]
    with open(f"{build}/meson-logs/{name}.json", encoding="utf-8", errors="replace") as log:
        return [json.loads(line) for line in log]


def run_tests(build, arguments):
    """Each test, with its build and its result."""
    tests = meson_test(build, ["--num-processes", AT_ONCE, *arguments])
    return [{**t, "build": build} for t in tests]


def run_again(tests):
    """Each failed test, alone, unless a sanitizer reported. Returns the tests with these results."""
    out = []
    for test in tests:
        short = test["name"].split(" / ")[-1]
        if failed(test) and not REPORT.search(test.get("stdout", "") + test.get("stderr", "")):
            second = meson_test(test["build"], ["--num-processes", "1", "--logbase", "again",
                                                short])
            second = [t for t in second if t["name"] == test["name"]]
            if second and not failed(second[0]):
                said = last_lines(test).replace("not ok", "first try")
                print(f"passed at the second try only: {test['name']}\n{said}")
                test = {**second[0], "build": test["build"]}
        out.append(test)
    return out


def failed(test):
    bad = test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")
    return bad or re.search(r"^not ok ", test.get("stdout", ""), re.M) is not None


def last_lines(test):
    text = test.get("stdout", "") + test.get("stderr", "")
    bad = [x for x in text.splitlines() if x.startswith("not ok")]
    return "\n".join("    " + x[:300] for x in bad + text.splitlines()[-TAIL:])


def count(test, totals):
    lines = re.findall(r"^(?:ok|not ok) \d+.*$", test.get("stdout", ""), re.M)
    bad = test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")
    if not lines:
        totals["failed" if bad else "skipped" if test["result"] == "SKIP" else "passed"] += 1
        return
    fails = sum(line.startswith("not ok") for line in lines)
    skipped = sum("# SKIP" in line for line in lines)
    totals["skipped"] += skipped
    totals["failed"] += fails or (1 if bad else 0)
    totals["passed"] += len(lines) - fails - skipped


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
    tests = run_again([test for r in runs for test in r.result()])
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for test in tests:
        count(test, totals)
    for test in filter(failed, tests):
        print(f"FAILED {test['build']}: {test['name']} ({test['result']})\n{last_lines(test)}")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
