"""Every command in the README, the manual pages and docs runs, on the model inside.

Commands are lines "$ plexus ..." (and pipes into it) of code blocks, and `plexus ...` in running
text. A word in capitals stands for something else, so such a line is not a command. What a page
prints below a command must be what it prints; other doors (./dev, man, build/) must be there.
"""
import os
import re
import shutil
import subprocess
import sys
import tomllib

import harness

# Small, so that each takes a moment. The environment is a layer of the settings.
SMALL = {"PLEXUS_MAX_TOKENS": "6", "PLEXUS_PROMPT_TOKENS": "16", "PLEXUS_GEN_TOKENS": "4",
         "PLEXUS_REPEAT": "1", "PLEXUS_STORIES": "1", "PLEXUS_QUIET": "1",
         "PLEXUS_ROUNDS": "2"}
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
    others = ("up", "serve", "invite", "join", "drain", "stop", "leave",  # test_swarm.py
              "agg", "bench agg", "bench ddp", "xdpd",  # netns/*.py, python/test_ddp.py
              "ps --watch")  # it has no end
    return not PLACEHOLDER.search(first) and not first.startswith(others)


def shell(place, command, interpreter="sh"):
    path = os.path.dirname(place.program) + os.pathsep + os.environ["PATH"]
    return subprocess.run([interpreter, "-c", command], cwd=place.dir, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, errors="replace",
                          env={**place.env(**SMALL), "PATH": path})


def test_every_example_runs(place):
    seen = set()
    names = place.run("help", "verbs").out.split()
    with open(os.path.join(place.root, "gen/options.toml"), "rb") as f:
        verbs = tomllib.load(f)["verb"]
    needs = {v["name"] for v in verbs if v["min"]} | {v["name"].split()[0] for v in verbs
                                                     if " " in v["name"]} | {"bench infer"}
    place.swarm()
    for document in documents(place.root):
        for command in commands(document):
            verb = re.sub(r"^.*?\bplexus ", "", command).split()[0]
            if command in seen or not usable(command, needs) or verb not in names:
                continue
            seen.add(command)
            if re.search(r"--peer|--shape llama|--nodes 10000|--sybils|--idle|--parts lab|--seeds 5", command):
                continue  # needs another program or minutes
            r = shell(place, command)
            print(f"# exit {r.returncode}: {command}", flush=True)
            assert r.returncode == 0, f"{document}: {command}: {r.stderr}"
    assert len(seen) >= 25, f"only {len(seen)} commands found"


def sessions(text):
    """Commands of the code blocks, each with the words printed below it up to a line "..."."""
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, re.split(r"^\.\.\.$", output, flags=re.M)[0].split()


def test_the_session_of_the_readme_is_true(place):
    with open(os.path.join(place.root, "README.md"), encoding="utf-8") as f:
        found = [(c, words) for c, words in sessions(f.read()) if c.startswith("plexus ")]
    out = {command: shell(place, command).stdout.split() for command, _ in found}
    for command, words in found:
        harness.equal(out[command][:len(words)], words, command)
    assert any(words for _, words in found)
    digests = [words for command, words in out.items() if command.startswith("plexus digest")]
    assert len(digests) == 2 and digests[0] == digests[1] != [], digests


def test_other_doors_are_there(place):
    with open(os.path.join(place.root, "dev"), encoding="utf-8") as f:
        doors = re.findall(r"^(\w+)\) ", f.read(), re.M)
    texts = [p for p in documents(place.root) if p.endswith(".md")]
    count = 0
    for document in texts + [os.path.join(place.root, "CONTRIBUTING.md")]:
        with open(document, encoding="utf-8") as f:
            text = f.read()
        for door in re.findall(r"(?:`|^\$ )\./dev (\w+)", text, re.M):
            count += 1
            assert door in doors, f"{document}: ./dev {door}"
        for built in re.findall(r"`build/([\w/]+)", text):
            path = os.path.join(os.path.dirname(place.program), built)
            assert os.path.exists(path), f"{document}: build/{built}"
        for page in re.findall(r"`man ([\w./-]+)`", text):
            count += 1
            page = os.path.join(place.root, page)
            assert os.path.exists(page), f"{document}: man {page}"
            if shutil.which("man"):
                harness.equal(subprocess.run(["man", page], stdout=subprocess.DEVNULL,
                                             stdin=subprocess.DEVNULL).returncode, 0, page)
    assert count >= 8, f"only {count} doors found"


def test_bash_completes_after_the_line_of_the_manual(place):
    if not shutil.which("bash"):
        raise harness.Skip("no bash")
    with open(os.path.join(place.root, "docs/man/plexus-completion.1"), encoding="utf-8") as f:
        line = re.search(r"^bash: put (.*) in ~/\.bashrc", f.read(), re.M).group(1)
    r = shell(place, line + " && complete -p plexus", "bash")
    assert r.returncode == 0 and "plexus" in r.stdout, (line, r.stderr)


harness.main(sys.modules[__name__])
