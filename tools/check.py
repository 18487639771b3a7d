"""Run the test suite through meson and end with one plain line: N passed, N failed, N skipped."""
import re
import subprocess
import sys


def main():
    build, extra = sys.argv[1], sys.argv[2:]
    run = subprocess.run(["meson", "test", "-C", build, "--print-errorlogs", *extra],
                         stdout=subprocess.PIPE, text=True)
    sys.stdout.write(run.stdout)
    cases = {"ok": 0, "fail": 0, "skip": 0}
    for path in ("meson-logs/testlog.json",):
        import json
        for line in open(f"{build}/{path}", encoding="utf-8", errors="replace"):
            count(json.loads(line), cases)
    print(f"{cases['ok']} passed, {cases['fail']} failed, {cases['skip']} skipped")
    return 1 if run.returncode or cases["fail"] or not cases["ok"] else 0


def count(test, cases):
    """TAP programs count each of their cases; any other test counts once."""
    lines = re.findall(r"^(ok|not ok) \d+.*?$", test.get("stdout", ""), re.M)
    full = re.findall(r"^(?:ok|not ok) \d+.*$", test.get("stdout", ""), re.M)
    bad = test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")
    if not lines:
        cases["fail" if bad else "skip" if test["result"] == "SKIP" else "ok"] += 1
        return
    failed = sum(1 for x in lines if x == "not ok")
    skipped = sum(1 for x in full if "# SKIP" in x)
    cases["skip"] += skipped
    cases["fail"] += failed or (1 if bad else 0)
    cases["ok"] += len(lines) - failed - skipped


if __name__ == "__main__":
    sys.exit(main())
