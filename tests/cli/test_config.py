"""Settings: default < system file < user file < environment < command line."""
import sys

import harness
from harness import equal

# option of run, and a value for each layer
CASES = [
    ("temp", 0.8, 0.1, 0.2, 0.3),
    ("top-k", 40, 1, 2, 3),
    ("top-p", 0.95, 0.1, 0.2, 0.3),
    ("min-p", 0.05, 0.1, 0.2, 0.3),
    ("max-tokens", 256, 1, 2, 3),
    ("repeat-penalty", 1, 1.1, 1.2, 1.3),
    ("seed", None, 1, 2, 3),
    ("ctx", 0, 100, 200, 300),
    ("threads", 0, 1, 2, 3),
    ("no-bos", False, True, False, True),
    ("kv-type", "f16", "f32", "i8", "f32"),
    ("system", None, "a", "b", "c d"),
]


def toml(v):
    return "true" if v is True else "false" if v is False else f'"{v}"' if isinstance(v, str) else v


def user_file(place, text):
    return place.write("home/.config/plexus/config.toml", text)


def setting(place, key, **env):
    doc = place.json("config", "get", key, env=env)
    return doc["value"], doc["origin"]


def test_each_layer_wins_over_the_one_below(place):
    for name, default, system, user, env in CASES:
        key = f"run.{name}"
        place.write("system.toml", "")
        user_file(place, "")
        equal(setting(place, key), (default, "default"), name)
        place.write("system.toml", f"[run]\n{name} = {toml(system)}\n")
        equal(setting(place, key), (system, "system"), name)
        user_file(place, f"[run]\n{name} = {toml(user)}  # comment\n")
        equal(setting(place, key), (user, "user"), name)
        var = "PLEXUS_" + name.upper().replace("-", "_")
        text = str(toml(env)).strip('"')
        equal(setting(place, key, **{var: text}), (env, "environment"), name)


def test_the_command_line_wins(place):
    env = {"PLEXUS_MAX_TOKENS": "2", "PLEXUS_TEMP": "0"}
    equal(len(place.json("run", "tiny", "Once", env=env)["tokens"]), 2)
    equal(len(place.json("run", "tiny", "Once", "-n", "3", env=env)["tokens"]), 3)


def test_headings_are_for_their_verb(place):
    user_file(place, 'threads = 1\n[run]\nthreads = 2\n[eval]\nctx = 99\n[eval.perplexity]\n'
                     'ctx = 77\nthreads = 3\n')
    equal(setting(place, "run.threads")[0], 2)
    equal(setting(place, "chat.threads")[0], 1)
    equal(setting(place, "eval.perplexity.threads")[0], 3)
    equal(setting(place, "eval.perplexity.ctx")[0], 77)
    equal(setting(place, "eval.logits.threads")[0], 1)


def test_lists_and_strings(place):
    user_file(place, "[run]\nstop = [\"a\\n\", 'b\"c', \"d#e\"]\nsystem = \"say \\\"hi\\\"\"\n")
    equal(setting(place, "run.stop")[0], ["a\n", 'b"c', "d#e"])
    equal(setting(place, "run.system")[0], 'say "hi"')


def test_the_origin_is_shown(place):
    path = user_file(place, "\n[run]\ntemp = 0.5\n")
    r = place.run("config", "get", "run.temp", "--origin")
    equal(r.out, f"0.5  (user: {path}:3)\n")
    r = place.run("config", "get", "run.temp", "--origin", env={"PLEXUS_TEMP": "0.25"})
    equal(r.out, "0.25  (environment: PLEXUS_TEMP)\n")
    equal(place.run("config", "get", "run.top-k", "--origin").out, "40  (default)\n")
    doc = place.json("config", "list", "run")
    rows = {s["key"]: s for s in doc["settings"]}
    equal(rows["run.temp"]["where"], f"{path}:3")
    equal([f["present"] for f in doc["files"]], [False, True])


def test_mistakes_in_a_file_name_file_and_line(place):
    for text, line, part in [("tmep = 1\n", 1, "did you mean temp?"),
                             ("\n[rnu]\n", 2, "did you mean [run]?"),
                             ("[run]\ntemp 1\n", 2, "option = value"),
                             ("[run]\ntemp = \"open\n", 2, "not understood"),
                             ("[digest]\ntemp = 1\n", 2, "unknown option 'temp'")]:
        path = user_file(place, text)
        r = place.run("limits")
        equal((r.code, r.out), (2, ""), text)
        assert f"{path}:{line}" in r.err and part in r.err, (text, r.err)
    user_file(place, "[run]\ntemp = hot\n")
    r = place.run("run", "tiny", "x")
    assert r.code == 2 and "config.toml:2" in r.err and "'hot'" in r.err, r.err
    r = place.run("limits", env={"PLEXUS_JSON": "perhaps"})
    assert r.code == 2 and "PLEXUS_JSON" in r.err, r.err


def test_plexus_home_and_xdg(place):
    place.write("own/config.toml", "temp = 0.11\n")
    place.write("xdg/plexus/config.toml", "temp = 0.22\n")
    user_file(place, "temp = 0.33\n")
    equal(setting(place, "run.temp")[0], 0.33)
    xdg = place.path("xdg")
    equal(setting(place, "run.temp", XDG_CONFIG_HOME=xdg)[0], 0.22)
    equal(setting(place, "run.temp", XDG_CONFIG_HOME=xdg, PLEXUS_HOME=place.path("own"))[0], 0.11)


def test_help_does_not_need_a_sound_file(place):
    user_file(place, "nonsense\n")
    equal(place.run("run", "--help").code, 0)
    equal(place.run().code, 0)


harness.main(sys.modules[__name__])
