"""Files as string constants of a header.

Usage: quote.py OUTPUT NAME FILE [NAME FILE]...
"""
import json
import sys

with open(sys.argv[1], "w", encoding="utf-8") as out:
    for name, path in zip(sys.argv[2::2], sys.argv[3::2]):
        with open(path, encoding="utf-8") as f:
            lines = [json.dumps(line, ensure_ascii=True) for line in f]
        out.write(f"#define {name} \\\n" + " \\\n".join("    " + line for line in lines) + "\n")
