"""Writes the header through which a source file finds what it embeds: the path for .incbin, and its
hash, so that new bytes are a new header and the file is compiled again."""
import hashlib
import sys

path, out, name = sys.argv[1:]
with open(path, "rb") as f:
    digest = hashlib.sha256(f.read()).hexdigest()
with open(out, "w", encoding="ascii") as f:
    f.write(f'#define {name} "{path}" /* {digest} */\n')
