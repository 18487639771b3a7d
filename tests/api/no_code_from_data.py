"""Nothing in Python of ours turns data into code: no pickle, no eval. Called as NAME.py ROOT."""
import os
import re
import sys

BAD = re.compile(r"\bimport\s+(pickle|marshal|shelve|dill|cloudpickle|joblib)\b|"
                 r"\bfrom\s+(pickle|marshal|shelve|dill|cloudpickle|joblib)\b|"
                 r"(?<![\w.])(eval|exec|__import__)\s*\(|"
                 r"\btorch\.load\((?![^\n]*weights_only=True)|\byaml\.(load|unsafe_load)\(|"
                 r"allow_pickle\s*=\s*True")


def main():
    found, looked = [], 0
    for top in ("bindings", "tools", "tests", "bench", "gen"):
        for folder, _, files in os.walk(os.path.join(sys.argv[1], top)):
            for name in (n for n in files if n.endswith(".py") and n != os.path.basename(__file__)):
                looked += 1
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    for n, line in enumerate(f, 1):
                        if BAD.search(line):
                            found.append(f"{os.path.join(folder, name)}:{n}: {line.strip()}")
    print("TAP version 13\n1..1")
    for f in found:
        print(f"# {f}")
    assert looked, "no Python found"
    print(f"{'not ' if found else ''}ok 1 - no code from data in {looked} files")
    sys.exit(1 if found else 0)


main()
