"""Jobs: workers join by the nodes of their machines, and hear their rank, their addresses and a key."""
import json
import os
import socket
import subprocess
import sys
import time

import harness
from harness import equal

WORKER = os.environ.get("PLEXUS_WORKER")


def port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def worker(place, home, job, host, rounds=3, join_ms=60000, rekey=0, values=50000, pause_ms=None):
    return subprocess.Popen(
        [WORKER, os.path.join(home, "control.sock"), job, f"/ip4/127.0.0.1/udp/{port()}", host, str(values),
         str(rounds), str(join_ms), str(rekey), *([] if pause_ms is None else ["2", str(pause_ms)])], stdout=subprocess.PIPE, text=True, env=place.env())


def said(workers):
    return [w.communicate(timeout=120)[0].splitlines() for w in workers]


def nodes(place, *more):
    """Three nodes, the first offers; their peer ids, homes, and where the first is."""
    homes = [place.path(f"n{i}") for i in range(3)]
    ready = [place.up(*more, home=h)[0] for h in homes]
    return [r["peer"] for r in ready], homes, ready[0]["addrs"][0]


def offer(place, home, job, *more):
    return place.json("agg", "offer", job, *more, env={"PLEXUS_HOME": home})


def jobs(place, home):
    return place.json("agg", "jobs", env={"PLEXUS_HOME": home})["jobs"]


def wait_for(place, home, what, value):
    end = time.monotonic() + 60
    while jobs(place, home)[0][what] != value and time.monotonic() < end:
        time.sleep(0.05)
    equal(jobs(place, home)[0][what], value, what)


def summed(out):
    """All were in, and have the same sums."""
    assert all(len(o) == 2 and o[1].startswith("ok ") for o in out), out
    equal(len({o[1] for o in out}), 1, "digests")


def test_workers_of_three_nodes_sum(place):
    _, homes, at = nodes(place)
    equal(offer(place, homes[0], "digits", "--world", "3")["name"], "digits")
    out = said([worker(place, homes[0], "digits", "-"), worker(place, homes[1], "digits", at),
                worker(place, homes[2], "digits", at)])
    summed(out)
    equal({o[0] for o in out}, {"in 0 3", "in 1 3", "in 2 3"})
    equal(jobs(place, homes[0])[0]["epoch"], 1)


def test_only_those_of_the_list_join(place):
    peers, homes, at = nodes(place)
    offer(place, homes[0], "closed", "--world", "2", "--allow", peers[1])
    stranger = said([worker(place, homes[2], "closed", at)])[0]
    assert stranger[0].startswith("fail PX_ERR_REFUSED"), stranger
    none = said([worker(place, homes[1], "other", at)])[0]
    assert none[0].startswith("fail PX_ERR_REFUSED") and "not found" in none[0], none
    summed(said([worker(place, homes[1], "closed", at) for _ in range(2)]))


def test_keys_change_and_sums_stay_exact(place):
    _, homes, at = nodes(place)
    offer(place, homes[0], "long", "--world", "2")
    out = said([worker(place, h, "long", a, rounds=12, rekey=200) for h, a in ((homes[0], "-"), (homes[1], at))])
    summed(out)
    assert int(out[0][1].split()[2]) >= 3, out


def test_those_who_come_back_have_another_key(place):
    """kill -9 of three workers; two come back to the job, and begin without the third."""
    _, homes, at = nodes(place)
    offer(place, homes[0], "few", "--world", "3", "--least", "2", "--wait", "500")
    first = [worker(place, homes[0], "few", "-", rounds=100000), worker(place, homes[1], "few", at, rounds=100000),
             worker(place, homes[2], "few", at, rounds=100000)]
    for w in first:
        assert w.stdout.readline().startswith("in "), "it did not begin"
    number = jobs(place, homes[0])[0]["job"]
    for w in first:
        w.kill()
        w.communicate()
    wait_for(place, homes[0], "granted", 0)
    out = said([worker(place, homes[0], "few", "-"), worker(place, homes[1], "few", at)])
    summed(out)
    equal({o[0] for o in out}, {"in 0 2", "in 1 2"})
    equal(jobs(place, homes[0])[0]["epoch"], 2)
    assert jobs(place, homes[0])[0]["job"] != number, "the same number twice"


def test_who_is_late_is_ranked_low(place):
    """Sums go on without a worker that pauses; its peer is ranked low, and comes back."""
    peers, homes, at = nodes(place)
    offer(place, homes[0], "late", "--world", "3")
    running = [worker(place, homes[0], "late", "-", rounds=1000000, pause_ms=0),
               worker(place, homes[1], "late", at, rounds=1000000, pause_ms=0),
               worker(place, homes[2], "late", at, rounds=1000000, pause_ms=5000)]
    wait_for_state(place, homes[0], peers[2], "slow")
    for w in running:
        w.kill()
        w.communicate()
    wait_for_state(place, homes[0], peers[2], "good")


def wait_for_state(place, home, peer, state):
    end = time.monotonic() + 100
    while time.monotonic() < end:
        seen = place.json("peers", env={"PLEXUS_HOME": home})["peers"]
        if any(p["peer"] == peer and p["state"] == state for p in seen):
            return
        time.sleep(0.1)
    raise AssertionError(f"{peer} never was {state}: {seen}")


def test_a_private_swarm_has_no_strangers(place):
    key = place.write("swarm.key", "/key/swarm/psk/1.0.0/\n/base16/\n" + "5a" * 32 + "\n")
    os.chmod(key, 0o600)
    homes = [place.path(x) for x in "abc"]
    first, _ = place.up("--psk", key, home=homes[0])
    place.up("--psk", key, home=homes[1])
    place.up(home=homes[2])
    at = first["addrs"][0]
    offer(place, homes[0], "ours", "--world", "2")
    stranger = said([worker(place, homes[2], "ours", at, join_ms=20000)])[0]
    assert stranger[0].startswith("fail"), stranger
    summed(said([worker(place, homes[0], "ours", "-"), worker(place, homes[1], "ours", at)]))


def test_a_job_is_withdrawn(place):
    _, homes, at = nodes(place)
    offer(place, homes[0], "gone", "--world", "2")
    w = worker(place, homes[1], "gone", at)
    wait_for(place, homes[0], "waiting", 1)
    equal(place.json("agg", "withdraw", "gone", env={"PLEXUS_HOME": homes[0]})["name"], "gone")
    out = said([w])[0]
    assert out[0].startswith("fail PX_ERR_REFUSED") and "withdrawn" in out[0], out
    again = place.run("agg", "withdraw", "gone", env={"PLEXUS_HOME": homes[0]})
    equal((again.code, len(again.err.splitlines())), (3, 1))
    equal(json.loads(place.run("agg", "jobs", "--json", env={"PLEXUS_HOME": homes[0]}).out)["jobs"], [])


harness.main(sys.modules[__name__])
