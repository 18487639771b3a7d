"""plexus bench agg: every way takes every packet, sums are right, mode switch wakes nobody.

Usage: bench_agg.py PLEXUS. Prints TAP; what it measures is not judged. Says why and skips where the kernel
refuses BPF or namespaces.
"""
import json
import subprocess
import sys

MISSING = ("CAP_BPF", "a kernel with", "a build with libbpf")
count = 0


def ok(good, what, said=""):
    global count
    count += 1
    print(f"{'' if good else 'not '}ok {count} - {what}", flush=True)
    if not good and said:
        print("# " + said.strip().replace("\n", "\n# "))


def main(plexus):
    run = subprocess.run([plexus, "bench", "agg", "--values", "64,688", "--packets", "3200", "--repeat", "1",
                          "--json", "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode and any(m in run.stderr for m in MISSING):
        print("1..0 # SKIP " + run.stderr.strip().split("\n")[0])
        return
    ok(run.returncode == 0, "it runs", run.stderr)
    if run.returncode == 0:
        doc = json.loads(run.stdout)
        rows = doc["rows"]
        ok(doc["wrong"] == 0, "the sums are those of user space")
        ok({r["values"] for r in rows} == {64, 688} and len(rows) % 2 == 0, "both sizes")
        ok(all(r["kernel_ns"] > 0 or "socket" in r["source"] for r in rows), "every row was measured")
        still = [r for r in rows if r["name"].startswith("plexus, XDP")]
        ok(still and all(r["wakeups"] == 0 and r["rung"] in ("native", "generic") for r in still), "user space sleeps")
        served = [r for r in rows if "server" in r["name"]]
        ok(served and all(r["wakeups"] > 0 for r in served), "a server is woken")
        saved = doc["saved_percent"]
        ok(49 < saved["worker_link_16"] < 51 and saved["aggregator_uplink_32"] >= 98, "bytes are saved")
        print("# " + ", ".join(f"{r['name']} {r['ns']:.0f} ns" for r in rows if r["values"] == 688))
    print(f"1..{count}")


main(sys.argv[1])
