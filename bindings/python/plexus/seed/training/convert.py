"""python training/convert.py IN.jsonl OUT.qubgpu --tokenizer NAME --max-tokens 512, as plexus.convert."""
import os
import sys

try:
    from plexus.convert import main
except ModuleNotFoundError:  # not installed: the package that this file lies in
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..")))
    from plexus.convert import main

if __name__ == "__main__":
    sys.exit(main())
