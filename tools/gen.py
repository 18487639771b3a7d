"""Write every generated file of the tree: ./dev docs, or tools/gen.py [ROOT] [--check].

The command line is described once in gen/options.toml. From it come the parsing tables and help
texts (cli/options.gen.*, cli/completion.gen.c), the completions, the manual pages and docs/cli.md.
gen/gradient.toml gives the gradient packet its header and its page, gen/ndp.toml training data; both
give plexus capture decode and the dissector of Wireshark their fields.
With --check nothing is written; files that differ are named and the exit code is 1.
"""
import os
import sys

import gen_c
import gen_capture
import gen_docs
import gen_man
import gen_model
import gen_ndp
import gen_packet
import gen_shell


def generate(root):
    """Path to text of every generated file."""
    cli = gen_model.load(root)
    shells = gen_shell.scripts(cli)
    files = {
        "cli/options.gen.h": gen_c.header(cli),
        "cli/options.gen.c": gen_c.tables(cli),
        "cli/completion.gen.c": gen_c.completions(shells),
        "completions/plexus.bash": shells["bash"],
        "completions/_plexus": shells["zsh"],
        "completions/plexus.fish": shells["fish"],
        "docs/cli.md": gen_docs.cli_page(cli),
    }
    files.update(gen_packet.files(root))
    files.update(gen_ndp.files(root))
    files.update(gen_capture.files(root))
    for name, text in gen_man.pages(cli).items():
        files[f"docs/man/{name}"] = text
    return files


def stale(root, files):
    """Paths whose text is not what it should be, and manual pages of verbs that are gone."""
    out = []
    for path, text in files.items():
        full = os.path.join(root, path)
        if not os.path.exists(full) or open(full, encoding="utf-8").read() != text:
            out.append(path)
    man = os.path.join(root, "docs/man")
    have = sorted(os.listdir(man)) if os.path.isdir(man) else []
    return out + [f"docs/man/{f}" for f in have if f"docs/man/{f}" not in files]


def write(root, files):
    for path in stale(root, files):
        full = os.path.join(root, path)
        if path not in files:
            os.remove(full)
            continue
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(files[path])
        print(f"gen: wrote {path}")


def main(argv):
    names = [a for a in argv if not a.startswith("-")]
    root = names[0] if names else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    files = generate(root)
    if "--check" not in argv:
        write(root, files)
        return 0
    old = stale(root, files)
    for path in old:
        print(f"gen: {path} is out of date: run ./dev docs")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
