"""What tools/gen.py makes: up to date, well formed, complete."""
import os
import re
import shutil
import subprocess
import sys
import tomllib

import harness
from harness import Skip, equal


def command(*args, **kw):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)


def pages(place):
    folder = os.path.join(place.root, "docs/man")
    return [os.path.join(folder, f) for f in sorted(os.listdir(folder))]


def verbs(place):
    with open(os.path.join(place.root, "gen/options.toml"), "rb") as f:
        return tomllib.load(f)["verb"]


def test_generated_files_are_up_to_date(place):
    r = command(sys.executable, os.path.join(place.root, "tools/gen.py"), place.root, "--check")
    equal(r.returncode, 0, r.stdout + r.stderr)


def test_the_check_notices_a_change(place):
    for folder in ("gen", "tools", "cli", "completions", "docs", "include", "bpf", "src", "packaging"):
        shutil.copytree(os.path.join(place.root, folder), place.path("tree/" + folder))
    tool = os.path.join(place.root, "tools/gen.py")
    equal(command(sys.executable, tool, place.path("tree"), "--check").returncode, 0)
    place.write("tree/docs/man/plexus-gone.1", "old")
    with open(place.path("tree/docs/cli.md"), "a", encoding="utf-8") as f:
        f.write("by hand\n")
    r = command(sys.executable, tool, place.path("tree"), "--check")
    assert r.returncode == 1 and "docs/cli.md" in r.stdout and "plexus-gone.1" in r.stdout, r.stdout


def test_every_verb_has_a_manual_page(place):
    names = {os.path.basename(p) for p in pages(place)}
    equal(names, {"plexus.1"} | {f"plexus-{v['name'].split()[0]}.1" for v in verbs(place)})


def test_manual_pages_render_without_warnings(place):
    if not shutil.which("man"):
        raise Skip("no man")
    for page in pages(place):
        r = command("man", "--warnings", "-E", "UTF-8", "-l", page,
                    env={**os.environ, "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""})
        equal((r.returncode, r.stderr), (0, ""), page)
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES"):
            assert heading in r.stdout, (page, heading)


def test_manual_pages_pass_mandoc(place):
    if not shutil.which("mandoc"):
        raise Skip("no mandoc")
    for page in pages(place):
        r = command("mandoc", "-T", "lint", "-W", "warning", page)
        equal((r.returncode, r.stdout), (0, ""), page)


def options(place):
    with open(os.path.join(place.root, "gen/options.toml"), "rb") as f:
        return tomllib.load(f)["option"]


def test_manual_pages_name_every_option(place):
    for v in verbs(place):
        with open(os.path.join(place.root, f"docs/man/plexus-{v['name'].split()[0]}.1"),
                  encoding="utf-8") as f:
            text = f.read()
        for o in v["options"]:
            key = o if isinstance(o, str) else o[0]
            name = options(place)[key].get("name", key)
            assert re.search(rf"Fl \\-{re.escape(name)}\b", text), (v["name"], name)


def test_completions_parse(place):
    for shell, name in (("bash", "plexus.bash"), ("zsh", "_plexus"), ("fish", "plexus.fish")):
        script = os.path.join(place.root, "completions", name)
        with open(script, encoding="utf-8") as f:
            equal(place.run("completion", shell).out, f.read(), shell)
        if shutil.which(shell):
            r = command(shell, "-n", script)
            equal((r.returncode, r.stderr), (0, ""), shell)


def complete(place, *words):
    """What bash offers for the last of the words."""
    script = os.path.join(place.root, "completions/plexus.bash")
    line = " ".join(f"'{w}'" for w in words)
    code = (f". {script}\nCOMP_WORDS=({line})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
            "_plexus\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
    r = command("bash", "-c", code, cwd=place.dir)
    equal(r.stderr, "", words)
    return set(r.stdout.split())


def test_bash_offers_every_verb_and_option(place):
    if not shutil.which("bash"):
        raise Skip("no bash")
    all_verbs = verbs(place)
    equal(complete(place, "plexus", ""), {v["name"].split()[0] for v in all_verbs})
    for v in all_verbs:
        keys = [o if isinstance(o, str) else o[0] for o in v["options"]]
        want = {"--" + options(place)[k].get("name", k) for k in keys}
        got = complete(place, "plexus", *v["name"].split(), "--")
        assert want | {"--json", "--help"} <= got, (v["name"], want - got)
    equal(complete(place, "plexus", "eval", ""), {"perplexity", "logits"})
    equal(complete(place, "plexus", "run", "--kv-type", ""), {"f16", "f32", "i8"})
    equal(complete(place, "plexus", "completion", "f"), {"fish"})
    equal(complete(place, "plexus", "inspect", "ti"), {"tiny"})
    equal(complete(place, "plexus", "inspect", "mod"), {"model.gguf"})


harness.main(sys.modules[__name__])
