"""Private swarms by invites, and nodes that go: invite, join, drain, stop, leave."""
import os
import stat
import sys
import time
import tomllib

import harness
from harness import equal


def fields(place, verb):
    with open(os.path.join(place.root, "gen/options.toml"), "rb") as f:
        return next(v["fields"] for v in tomllib.load(f)["verb"] if v["name"] == verb)


def ask(place, verb, *args, home="home", **kw):
    """One verb in a home: the document, with every field that is promised."""
    doc = place.json(verb, *args, env={"PLEXUS_HOME": place.path(home)}, **kw)
    equal(doc["schema"], f"plexus.{verb}/1")
    missing = [f for f in fields(place, verb) if f not in doc]
    assert not missing, f"{verb}: {missing} in {sorted(doc)}"
    return doc


def fails(place, code, *args, home="second", **kw):
    r = place.run(*args, env={"PLEXUS_HOME": place.path(home)}, **kw)
    equal((r.code, r.out), (code, ""), r.err)
    return r.err


def founder(place):
    """A node in a private swarm, and its invite."""
    ready, node = place.up("--private", "--api", "off", home=place.path("home"))
    assert ready["swarm"], ready
    return ready, node, ask(place, "invite")


def wait_for(what, ready, seconds=20):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.05)


def test_who_is_invited_is_in_the_swarm(place):
    ready, _, invite = founder(place)
    equal((invite["peer"], invite["swarm"]), (ready["peer"], ready["swarm"]))
    joined = ask(place, "join", input=invite["invite"].encode(), home="second")
    equal((joined["new"], joined["restart"], joined["swarm"]), (True, False, ready["swarm"]))
    equal((joined["peer"], joined["addr"]), (ready["peer"], invite["addr"]))
    key = place.path("second/swarm.key")
    equal(stat.S_IMODE(os.stat(key).st_mode), 0o600)
    with open(key, encoding="ascii") as f, open(place.path("home/swarm.key"), encoding="ascii") as g:
        equal(f.read(), g.read())
    second, _ = place.up("--api", "off", home=place.path("second"))
    equal(second["swarm"], ready["swarm"])
    wait_for("peer", lambda: any(p["peer"] == ready["peer"]
                                 for p in ask(place, "peers", home="second")["peers"]))
    again = ask(place, "join", *invite["invite"].split(), home="second")
    equal((again["new"], again["restart"]), (False, True))


def test_a_stranger_does_not_get_in(place):
    ready, _, _ = founder(place)
    place.up("--api", "off", "--bootstrap", ready["addrs"][0], home=place.path("second"))
    time.sleep(1)
    equal(ask(place, "peers")["peers"], [])


def test_wrong_words_are_named(place):
    _, _, invite = founder(place)
    words = invite["invite"].split()
    typo = ["x" + words[6][1:] if i == 6 else w for i, w in enumerate(words)]
    assert "word 7" in fails(place, 7, "join", *typo)
    err = fails(place, 7, "join", *words[:11], *words[12:])
    assert "word 12" in err and "missing" in err, err
    err = fails(place, 7, "join", *words[:12], *words[11:])
    assert "word 13" in err and "twice" in err, err
    swapped = words[:20] + [words[21], words[20]] + words[22:]
    assert "word 21" in fails(place, 7, "join", *swapped)
    assert "before word 31" in fails(place, 7, "join", *words[:30])
    assert "word 1" in fails(place, 7, "join", "please")
    fails(place, 7, "join", "")
    fails(place, 1, "join", input=b"babab " * 100000)
    fails(place, 7, "join", input=bytes(range(256)) * 4)
    assert not os.path.exists(place.path("second/swarm.key"))
    loud = " ".join(f"{i + 1}. {w.upper()}," for i, w in enumerate(words))
    equal(ask(place, "join", input=loud.encode(), home="second")["new"], True)


def test_a_home_is_in_one_swarm_at_a_time(place):
    ready, _, invite = founder(place)
    other, node = place.up("--private", "--api", "off", home=place.path("second"))
    assert other["swarm"] != ready["swarm"]
    err = fails(place, 5, "join", *invite["invite"].split())
    assert other["swarm"] in err and "plexus leave" in err, err
    left = ask(place, "leave", home="second")
    equal((left["swarm"], left["stopped"], left["left"]), (other["swarm"], True, 0))
    equal(node.wait(20), 0)
    equal(ask(place, "join", *invite["invite"].split(), home="second")["new"], True)
    ask(place, "leave", home="second")
    assert "plexus join" in fails(place, 3, "leave")
    open_, _ = place.up("--api", "off", home=place.path("second"))
    equal(open_["swarm"], None)
    assert "--private" in fails(place, 5, "invite")


def test_an_invite_stays_good(place):
    """The port that it names is taken again by the next plexus up."""
    env = {"PLEXUS_HOME": place.path("home")}
    p = place.start("up", "--private", "--no-mdns", "--api", "off", "--json-lines", env=env)
    p.stdout.readline()
    invite = ask(place, "invite")
    ask(place, "stop")
    equal(p.wait(20), 0)
    p = place.start("up", "--no-mdns", "--api", "off", "--json-lines", env=env)
    p.stdout.readline()
    equal(ask(place, "invite")["invite"], invite["invite"])


def test_stop_ends_the_node(place):
    _, node = place.up(home=place.path("home"))
    doc = ask(place, "drain")
    equal((doc["draining"], doc["left"]), (True, 0))
    r = place.run("run", "tiny", "Once", "--swarm", env={"PLEXUS_HOME": place.path("home")})
    equal(r.code, 5, r.err)
    assert "drain --off" in r.err, r.err
    equal(ask(place, "drain", "--off")["draining"], False)
    r = place.run("run", "tiny", "Once", "--swarm", "-n", "4",
                  env={"PLEXUS_HOME": place.path("home")})
    equal(r.code, 0, r.err)
    equal(ask(place, "stop")["stopped"], True)
    equal(node.wait(20), 0)
    fails(place, 4, "stop", home="home")
    _, node = place.up(home=place.path("home"))
    equal(ask(place, "stop", "--now")["left"], 0)
    equal(node.wait(20), 0)


TALK = b"Once\nThe fox\nThen\n"


def served(place):
    return sum(s["tokens"] for s in ask(place, "ps")["stages"] if s["first"] == 0)


def test_a_conversation_over_the_swarm_is_that_of_one_machine(place):
    ready, _ = place.up("--api", "off", home=place.path("home"))
    place.up("--api", "off", "--bootstrap", ready["addrs"][0], home=place.path("second"))
    wait_for("peer", lambda: ask(place, "peers")["peers"])
    for how in (["--temp", "0"], ["--temp", "0.9", "--seed", "5"]):
        alone = ask(place, "chat", "tiny", "-n", "30", *how, input=TALK)
        before = served(place)
        together = ask(place, "chat", "tiny", "-n", "30", *how, "--swarm", "--draft", "off",
                       input=TALK)
        equal(together["turns"], alone["turns"])
    # What was read before is not read again: three answers of at most 30, three short messages.
    assert served(place) - before <= 120, served(place) - before
    stop = ask(place, "chat", "tiny", "-n", "30", "--temp", "0", "--stop", " a", input=TALK)
    equal(ask(place, "chat", "tiny", "-n", "30", "--temp", "0", "--stop", " a", "--swarm",
              input=TALK)["turns"], stop["turns"])


def test_a_file_goes_into_the_store_first(place):
    place.up("--api", "off", home=place.path("home"))
    alone = ask(place, "run", "model.gguf", "Once", "-n", "12", "--temp", "0")
    doc = ask(place, "run", "model.gguf", "Once", "-n", "12", "--temp", "0", "--swarm")
    equal(doc["tokens"], alone["tokens"])
    models = ask(place, "list")["models"]
    equal([(m["cid"], m["pinned"]) for m in models], [(doc["model"], False)])
    # A file that did not change is not pushed again; one that did, or that is gone, is.
    equal(ask(place, "run", "model.gguf", "Once", "-n", "2", "--swarm")["model"], doc["model"])
    with open(place.path("home/pushed"), encoding="ascii") as f:
        equal(len(f.readlines()), 1)
    os.utime(place.path("model.gguf"), (1, 1))
    equal(ask(place, "run", "model.gguf", "Once", "-n", "2", "--swarm")["model"], doc["model"])
    with open(place.path("home/pushed"), encoding="ascii") as f:
        equal(len(f.readlines()), 2)
    place.write("no.gguf", "no model")
    fails(place, 7, "run", "no.gguf", "Once", "--swarm", home="home")
    fails(place, 3, "run", "nothing", "Once", "--swarm", home="home")


harness.main(sys.modules[__name__])
