"""Every command in the README, the manual pages and docs runs, on the model inside.

Commands are lines "$ plexus ..." (and pipes into it) of code blocks, and `plexus ...` in running
text. A word in capitals stands for something else, so such a line is not a command.
"""
import os
import re
import subprocess
import sys
import tomllib

import harness

# Small, so that each takes a moment. The environment is a layer of the settings.
SMALL = {"PLEXUS_MAX_TOKENS": "6", "PLEXUS_PROMPT_TOKENS": "16", "PLEXUS_GEN_TOKENS": "4",
         "PLEXUS_REPEAT": "1", "PLEXUS_STORIES": "1", "PLEXUS_QUIET": "1"}
PLACEHOLDER = re.compile(r"(?<![\w-])[A-Z]{3,}(?!_)\b|<|\.\.\.[^\"]|\[")


def documents(root):
    out = [os.path.join(root, "README.md")]
    for folder, _, files in os.walk(os.path.join(root, "docs")):
        out += [os.path.join(folder, f) for f in sorted(files) if f.endswith((".md", ".1"))]
    return out


def commands(path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    found = []
    fenced = False
    for line in text.split("\n"):
        if line.startswith("```"):
            fenced = not fenced
        line = line.strip().replace("\\&", "").replace("\\e", "\\")
        if line.startswith("$ ") and re.search(r"(^|[|] |\s)plexus ", line):
            found.append(line[2:].split("   #")[0].strip())
        elif not fenced and path.endswith(".md"):
            found += re.findall(r"`(plexus [a-z][^`]*)`", line)
    return found


def usable(command, needs):
    """Names of verbs in running text, such as plexus digest, are no commands."""
    if command.removeprefix("plexus ") in needs:
        return False
    first = re.sub(r"^.*?\bplexus ", "", re.sub(r'"[^"]*"', '""', command))
    return not PLACEHOLDER.search(first) and not first.startswith(("up", "join"))


def test_every_example_runs(place):
    seen = set()
    names = place.run("help", "verbs").out.split()
    with open(os.path.join(place.root, "gen/options.toml"), "rb") as f:
        verbs = tomllib.load(f)["verb"]
    needs = {v["name"] for v in verbs if v["min"]} | {v["name"].split()[0] for v in verbs
                                                     if " " in v["name"]} | {"bench infer"}
    path = os.path.dirname(place.program) + os.pathsep + os.environ["PATH"]
    for document in documents(place.root):
        for command in commands(document):
            verb = re.sub(r"^.*?\bplexus ", "", command).split()[0]
            if command in seen or not usable(command, needs) or verb not in names:
                continue
            seen.add(command)
            if re.search(r"--peer|--shape llama", command):
                continue  # needs another program or minutes
            r = subprocess.run(["sh", "-c", command], cwd=place.dir, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                               env={**place.env(**SMALL), "PATH": path})
            print(f"# exit {r.returncode}: {command}", flush=True)
            assert r.returncode == 0, f"{document}: {command}: {r.stderr.decode()}"
    assert len(seen) >= 25, f"only {len(seen)} commands found"


harness.main(sys.modules[__name__])
