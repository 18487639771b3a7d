"""Writes the header through which src/node/tiny.c finds the embedded model: its path for .incbin,
and its hash, so that a new model is a new header and the file is compiled again."""
import hashlib
import sys

path, out = sys.argv[1:]
with open(path, "rb") as f:
    digest = hashlib.sha256(f.read()).hexdigest()
with open(out, "w", encoding="ascii") as f:
    f.write(f'#define PXI_TINY_PATH "{path}" /* {digest} */\n')
