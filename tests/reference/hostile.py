"""Hostile files, by the verdicts of the manifest in the reference data beside the checkout.

accept: exit 0. reject: exit 1 to 125 and a line on stderr that names an offset or a field. either:
both. Always: no signal, no sanitizer report, at most one second and 256 MiB. Files of formats that
this version does not parse are left out, and counted.
"""
import os
import resource
import subprocess
import sys

SECONDS, KIB = 1.0, 256 * 1024


def judge(verdict, code, err, seconds, peak_kib):
    """A complaint, or None."""
    if code < 0 or code > 125:
        return f"exit {code}"
    if b"Sanitizer" in err or b"runtime error:" in err:
        return "sanitizer report"
    if verdict == "accept" and code != 0:
        return f"refused a valid input: {err[:200]!r}"
    if verdict == "reject" and code == 0:
        return "accepted"
    if code != 0 and not (b"offset" in err or b"field" in err or b"line" in err):
        return f"names no place: {err[:200]!r}"
    if seconds > SECONDS:
        return f"took {seconds:.2f} s"
    if peak_kib > KIB:
        return f"took {peak_kib / 1024:.0f} MiB"
    return None


def run(program, fmt, path):
    p = subprocess.Popen([program, "check", "--format", fmt, path], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    err = p.stderr.read(65536)
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    # Its own processor time, not the wall: other tests run beside this one.
    return p.returncode, err, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main():
    program, shared = sys.argv[1], os.environ.get("PLEXUS_SHARED", "../shared")
    folder = os.path.join(shared, "data/hostile/dev")
    manifest = os.path.join(folder, "manifest.tsv")
    if not os.path.exists(manifest):
        print("1..0 # SKIP reference data data/hostile not present")
        return 0
    with open(manifest, encoding="utf-8") as f:
        rows = [line.split("\t") for line in f.read().split("\n")[1:] if line]
    listed = subprocess.run([program, "check", "--list"], stdout=subprocess.PIPE, text=True).stdout
    cases = [r for r in rows if r[1] in listed.split()
             and os.path.exists(os.path.join(folder, r[0]))]
    print(f"TAP version 13\n1..{len(cases)}\n# {len(rows) - len(cases)} files of later formats or absent")
    failed = 0
    for n, row in enumerate(cases, 1):
        complaint = judge(row[2], *run(program, row[1], os.path.join(folder, row[0])))
        failed += complaint is not None
        print(f"{'not ok' if complaint else 'ok'} {n} - {row[0]}")
        if complaint:
            print(f"# {complaint}: {row[7]}")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
