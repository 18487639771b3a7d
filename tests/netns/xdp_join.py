"""A device that another XDP program has: what is found there, said in one line.

Usage: xdp_join.py PLEXUS XDPD COUNT DISPATCHER. In a namespace, with two programs of somebody else, one of which has the
name of libxdp's dispatcher. Joining a real one is tried by ./dev check-xdp, since many kernels refuse it.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import agg as lab
from agg import AGG, inside, ok

NO_ADMIN = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all")


def attach(plexus, *more, under=(), **env):
    p = subprocess.run(inside(AGG, *under, plexus, "agg", "attach", "eth", "--port", "47900", "--json", *more), text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **env})
    return p.returncode, p.stderr if p.returncode else p.stdout


def put(program, how="xdpdrv"):
    """On the device; None: off it."""
    what = ["obj", program, "sec", "xdp"] if program else ["off"]
    return subprocess.run(["ip", "-n", AGG, "link", "set", "dev", "eth", how, *what], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def refused(what, said, *words):
    good = said[0] == 1 and len(said[1].splitlines()) == 1 and all(w in said[1] for w in words)
    if ok(good, what):
        print("#", said[1].strip())
    else:
        print("#", said)


def main(plexus, xdpd, count, dispatcher):
    home = tempfile.mkdtemp()
    os.environ["PLEXUS_HOME"] = home + "/1"
    try:
        lab.wire()
        first = put(count)
        rc, said = attach(plexus)
        if first.returncode or rc == 5:
            print("1..0 # SKIP " + (first.stdout or said).strip().splitlines()[0])
            return
        refused("a program of somebody else", (rc, said), "no other XDP program there", "busy")
        refused("also in the stack", attach(plexus, "--generic"), "no other XDP program there")
        put(None)
        put(count, "xdpgeneric")
        refused("and when it is in the stack", attach(plexus), "no other XDP program there")
        put(None, "xdpgeneric")
        put(dispatcher)
        os.mkdir(home + "/no")
        open(home + "/no/libxdp.so.1", "w").close()
        refused("a dispatcher, and no libxdp", attach(plexus, LD_LIBRARY_PATH=home + "/no"), "no libxdp.so.1")
        refused("a dispatcher in the driver, --generic", attach(plexus, "--generic"), "no --generic")
        refused("one that cannot be joined", attach(plexus), "libxdp")
        if shutil.which("setpriv"):
            refused("no right to look", attach(plexus, under=NO_ADMIN), "CAP_SYS_ADMIN")
            p = subprocess.run(inside(AGG, *NO_ADMIN, plexus, "agg", "detach", "eth"), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
            if not ok(p.returncode == 5 and len(p.stdout.splitlines()) == 1, "nor to take out what others left"):
                print("#", p.returncode, p.stdout)
        path = home + "/x.sock"
        helper = subprocess.Popen(inside(AGG, xdpd, "--socket", path), stderr=subprocess.PIPE, text=True)
        helper.stderr.readline()
        bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if shutil.which("setpriv") else ()
        refused("the helper joins none", attach(plexus, under=bare, PLEXUS_AGG_HELPER=path), "root joins")
        helper.kill()
        helper.communicate()
        ok(lab.is_attached(), "what was there is still there")
        put(None)
        rc, said = attach(plexus)
        ok(rc == 0 and "dispatcher" not in said, "it is gone: attached, by a link")
        print(f"1..{lab.count}")
    finally:
        subprocess.run([plexus, "agg", "detach"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.unwire()
        shutil.rmtree(home)


if __name__ == "__main__" and not lab.skips():
    main(*map(os.path.abspath, sys.argv[1:5]))
