"""Who would compute what: peers that are not connected are found by their records in the DHT, the plan
says why, and a chain that somebody has loaded is used again."""
import json
import sys
import time

import harness
from harness import equal


def ask(place, name, *args, code=0):
    r = place.run(*args, "--json", env={"PLEXUS_HOME": place.path(name)})
    equal(r.code, code, r.err)
    return json.loads(r.out)


def wait(what, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.3)


def test_records_make_a_swarm_larger_than_who_is_connected(place):
    a, _ = place.up(home=place.path("a"))
    boot = ("--bootstrap", a["addrs"][0])
    b, _ = place.up(*boot, home=place.path("b"))
    c, _ = place.up(*boot, home=place.path("c"))
    ids = {a["peer"], b["peer"], c["peer"]}

    def record():
        r = place.run("dht", "get", f"/plexus/{c['peer']}/work", "--json",
                      env={"PLEXUS_HOME": place.path("b")})
        return r.code == 0
    assert wait(record), "no record of c in the DHT"

    def all_three():
        plan = ask(place, "b", "plan", "tiny")
        serving = {p["peer"] for p in plan["peers"] if p["why"] == "serves"}
        return plan if serving == ids else None
    plan = wait(all_three)
    assert plan, ask(place, "b", "plan", "tiny")
    equal([s["peer"] for s in plan["stages"]],
          [p["peer"] for p in sorted(plan["peers"], key=lambda p: p["place"])])
    equal(plan["stages"][-1]["last"], 6)
    equal(plan["times"]["reused"], False)
    alone = ask(place, "b", "run", "tiny", "Once", "-n", "12", "--temp", "0")
    swarm = ask(place, "b", "run", "tiny", "Once", "-n", "12", "--temp", "0", "--swarm")
    equal(swarm["tokens"], alone["tokens"])
    # Another client: the slices are loaded already (round trips are long while nodes start).
    def reused():
        plan = ask(place, "c", "plan", "tiny")
        return plan if plan["times"]["reused"] else None
    other = wait(reused, 30)
    assert other, ask(place, "c", "plan", "tiny")
    equal([(s["peer"], s["first"], s["last"]) for s in other["stages"]],
          [(s["peer"], s["first"], s["last"]) for s in swarm["stages"]])


def test_a_spare_has_slices_ready(place):
    a, _ = place.up(home=place.path("a"))
    for name in "bc":
        place.up("--bootstrap", a["addrs"][0], home=place.path(name))
    assert wait(lambda: sum(p["why"] == "serves" for p in ask(place, "a", "plan", "tiny")["peers"]) == 3)
    plan = ask(place, "a", "plan", "tiny", "--stages", "2")
    if len(plan["stages"]) != 2:
        raise harness.Skip("three stages were thought better than two")
    spare = next(p for p in plan["peers"] if p["why"] == "spare")
    equal(spare["spare"], [0, 1])
    equal((spare["place"], spare["loaded"]), (None, []))
    ask(place, "a", "run", "tiny", "Once", "-n", "40", "--temp", "0", "--swarm", "--stages", "2")

    def loaded():
        peers = ask(place, "a", "plan", "tiny", "--stages", "2")["peers"]
        return any(len(p["loaded"]) == 2 for p in peers)
    assert wait(loaded, 20), ask(place, "a", "plan", "tiny", "--stages", "2")


harness.main(sys.modules[__name__])
